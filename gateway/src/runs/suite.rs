//! What holds of every run log: one suite, for both stores.

mod again;
mod erasing;
mod shown;
mod story;
mod text;

use std::collections::{BTreeMap, HashSet};
use std::path::Path;
use std::time::Duration;

use jetway_core::policy::interrogation::{Finding, Kind, Severity};
use jetway_core::wire::event::Usage;
use jetway_support::postgres::{self as server, Postgres as Server};
use jetway_support::tls::Authority;
use jiff::{SignedDuration, Timestamp};
use proptest::prelude::*;
use serde_json::Value;
use tempfile::TempDir;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::config::{Postgres, Runs};
use crate::runs::body::Body;
use crate::runs::log::{Action, Log};
use crate::runs::postgres::{Failed, Wire};
use crate::runs::read::{Filter, Line, Reader};
use crate::runs::row::Row;
use crate::runs::{CallRefused, Ended, Found, InnerTurn, Outcome, QUESTION, Record, feedback};

/// Where a log is kept.
struct Place {
    runs: Runs,
    state: TempDir,
}

/// A log and what it needs to end.
struct Open {
    log: Log,
    tasks: TaskTracker,
    close: CancellationToken,
}

fn settings(url: &str) -> Postgres {
    let postgres = Postgres::parse(url).unwrap();
    Postgres { user: Some(server::USER.to_owned()), timeout: Duration::from_secs(20), ..postgres }
}

impl Place {
    fn new(postgres: Option<Postgres>) -> Self {
        Self { runs: Runs { postgres, ..Runs::default() }, state: tempfile::tempdir().unwrap() }
    }

    fn embedded() -> Self {
        Self::new(None)
    }

    fn postgres() -> Self {
        Self::new(Some(settings(&server::database())))
    }

    fn open(&self) -> Open {
        let (tasks, close) = (TaskTracker::new(), CancellationToken::new());
        let log = Log::open(&self.runs, self.state.path(), (&tasks, close.clone())).unwrap();
        Open { log, tasks, close }
    }

    async fn reader(&self) -> Reader {
        Reader::open(&self.runs, self.state.path()).await.unwrap()
    }
}

impl Open {
    /// Waits until everything can be read.
    async fn told(&self) {
        let waiting = async {
            while self.log.undelivered() > 0 {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(60), waiting).await.unwrap();
    }

    async fn end(self) {
        self.close.cancel();
        self.tasks.close();
        self.tasks.wait().await;
    }
}

fn record(id: &str, run: &str) -> Record {
    Record {
        id: id.into(),
        run: Some(run.into()),
        at: Timestamp::now(),
        policy: Some("wizard".into()),
        user: Some("ada".into()),
        agent: "codex",
        endpoint: "reply",
        outcome: Some(Outcome::Complete),
        cost_micros: 7,
        ..Record::default()
    }
}

/// Rows are kept so many days, and bodies that fit into a kilobyte.
fn kept(days: u64) -> Runs {
    let time = Duration::from_secs(days * 86_400);
    Runs { keep: Some(time), bodies_age: time, bodies_size: 1_000, ..Runs::default() }
}

fn number(line: &Line, name: &str) -> i64 {
    line[name].as_i64().unwrap()
}

async fn what_is_written_can_be_read(place: &Place) {
    let open = place.open();
    let refused = vec![CallRefused { tool: "Bash".into(), rule: "deny Bash".into(), ..CallRefused::default() }];
    let usage = Usage { input: 5, output: 6, ..Usage::default() };
    let inner =
        InnerTurn { to_micros: 9, stop: Some("tool_use".into()), usage, cost_micros: 3, ..InnerTurn::default() };
    for (id, run) in [("x_1", "run_a"), ("x_2", "run_a"), ("x_3", "run_b")] {
        let inner = vec![inner.clone(), InnerTurn::default()];
        open.log.write(&Record { calls_refused: refused.clone(), inner, ..record(id, run) }).await.unwrap();
    }
    open.log.write(&Record { run: None, ..record("x_4", "") }).await.unwrap();
    open.told().await;
    let reader = place.reader().await;
    let filter = Filter { limit: 10, ..Filter::default() };
    assert_eq!(reader.list(&filter).await.unwrap().len(), 2);
    let other = Filter { policy: Some("coding".into()), ..filter.clone() };
    assert!(reader.list(&other).await.unwrap().is_empty());
    let same = Filter { user: Some("ada".into()), outcome: Some("complete".into()), ..filter };
    assert_eq!(reader.list(&same).await.unwrap().len(), 2);

    let (run, exchanges) = reader.show("run_a").await.unwrap().unwrap();
    let sums = ["turns", "cost_micros", "tools_refused"].map(|name| number(&run, name));
    assert_eq!(sums, [2, 14, 1]);
    assert_eq!((&exchanges[0]["turn"], &exchanges[1]["turn"]), (&Value::from(1), &Value::from(2)));
    assert_eq!(exchanges[0]["calls_refused"][0]["tool"], "Bash");
    assert!(exchanges[0]["at"].as_str().unwrap().parse::<Timestamp>().is_ok());
    let turn = &exchanges[0]["inner"][0];
    let told = ["to_micros", "input", "output", "cost_micros"].map(|name| turn[name].as_i64().unwrap());
    assert_eq!(
        (told, turn["stop"].as_str(), exchanges[0]["inner"][1]["stop"].as_str()),
        ([9, 5, 6, 3], Some("tool_use"), None)
    );
    assert!(reader.show("run_").await.unwrap().is_none());
    assert!(reader.show("run_b").await.unwrap().is_some());
    open.end().await;
}

async fn what_is_looked_for_is_found_in_whatever_case(place: &Place) {
    let open = place.open();
    let refused = vec![CallRefused { tool: "Bash".into(), rule: "deny Bash".into(), ..CallRefused::default() }];
    let odd = Record { calls_refused: refused, detail: Some("Ändere 100% davon".into()), ..record("x_1", "run_a") };
    open.log.write(&odd).await.unwrap();
    // What was only noted is no refusal.
    let noted = CallRefused { tool: "Write".into(), rule: "deny Write".into(), noted: true, ..CallRefused::default() };
    open.log.write(&Record { calls_refused: vec![noted], ..record("x_2", "run_b") }).await.unwrap();
    open.told().await;
    let reader = place.reader().await;
    let with = |text: Option<&str>, refused: Option<&str>| Filter {
        text: text.map(str::to_owned),
        refused: refused.map(str::to_owned),
        limit: 10,
        ..Filter::default()
    };
    for (text, refused, count) in [
        (Some("Ändere"), None, 1),
        (Some("DAVON"), None, 1),
        (Some("100%"), None, 1),
        (Some("100_"), None, 0),
        (None, Some("bash"), 1),
        (None, Some("Bas"), 0),
        (None, Some("Write"), 0),
    ] {
        assert_eq!(reader.list(&with(text, refused)).await.unwrap().len(), count, "{text:?} {refused:?}");
    }
    open.end().await;
}

/// Texts that are no ordinary ones, and numbers that are too large.
async fn what_is_odd_is_kept(place: &Place) {
    let open = place.open();
    let odd = "a\0b' \"c\" \\u0000 \u{1f6eb} $1 ?1 {number}";
    let mut long = record("x_1", "run_odd");
    long.detail = Some(odd.into());
    long.calls_refused = vec![CallRefused { tool: odd.into(), rule: "r".repeat(100_000), ..CallRefused::default() }];
    long.cost_micros = u64::MAX;
    long.held_micros = u64::MAX;
    open.log.write(&long).await.unwrap();
    open.log.write(&Record { id: "x_2".into(), ..long.clone() }).await.unwrap();
    open.told().await;
    let (run, exchanges) = place.reader().await.show("run_odd").await.unwrap().unwrap();
    assert_eq!(exchanges[0]["detail"], odd.replace('\0', "\u{fffd}"));
    assert_eq!(exchanges[0]["calls_refused"][0]["tool"], odd);
    assert_eq!((number(&run, "turns"), number(&run, "cost_micros")), (2, i64::MAX / 4));
    open.end().await;
}

async fn actions_are_the_newest_first(place: &Place) {
    let beside = Log::beside(&place.runs, place.state.path()).unwrap();
    let open = place.open();
    let action = |seconds: i64, log: &Log, reason: &str| {
        let at = Timestamp::from_second(1_790_000_000 + seconds).unwrap();
        let action =
            Action { at, by: "ada".into(), what: "raise", amount: Some(5), reason: reason.into(), ..Action::default() };
        let log = log.clone();
        async move { log.note(action).await.unwrap() }
    };
    action(1, &open.log, "first").await;
    action(3, &beside, "third").await;
    action(2, &open.log, "second").await;
    open.told().await;
    let found = place.reader().await.actions(2).await.unwrap();
    assert_eq!(found.iter().map(|line| line["reason"].as_str().unwrap()).collect::<Vec<_>>(), ["third", "second"]);
    assert_eq!((&found[0]["amount"], &found[0]["until"]), (&Value::from(5), &Value::Null));
    open.end().await;
}

async fn how_a_run_ended_holds_until_it_goes_on(place: &Place) {
    let open = place.open();
    let found = |kind: Kind, text: &str| Found {
        finding: Finding {
            kind,
            severity: Severity::High,
            step: None,
            document: Some("docs/a.md".into()),
            tool: None,
            text: text.into(),
        },
        document_hash: Some("abc".into()),
    };
    let ended = |exchange: &str, at: Timestamp| Ended {
        id: exchange.into(),
        run: "run_a".into(),
        at,
        policy: "wizard".into(),
        policy_version: Some("v1".into()),
        user: Some("ada".into()),
        ending: "quiet",
        asked: Some("answered"),
        exchange: exchange.into(),
        found: vec![found(Kind::Missing, "No page on Django."), found(Kind::Wrong, "v1 is gone.")],
        ..Ended::default()
    };
    let later = |seconds: i64| Timestamp::now().checked_add(SignedDuration::from_secs(seconds)).unwrap();
    open.log.write(&Record { policy_version: Some("v1".into()), ..record("x_1", "run_a") }).await.unwrap();
    let question = Record { endpoint: QUESTION, outcome: Some(Outcome::ProviderFailed), ..record("x_2", "run_a") };
    open.log.write(&Record { policy_version: Some("v1".into()), ..question }).await.unwrap();
    // Told twice, as after a crash, it counts once.
    for _ in 0..2 {
        open.log.end(&ended("x_2", later(1))).await.unwrap();
    }
    open.told().await;
    let reader = place.reader().await;
    let (run, exchanges) = reader.show("run_a").await.unwrap().unwrap();
    assert_eq!((run["ended_by"].as_str(), run["asked"].as_str()), (Some("quiet"), Some("answered")));
    // A question of ours is no turn of the agent's, but is paid for.
    let sums = ["turns", "cost_micros"].map(|name| number(&run, name));
    assert_eq!((exchanges.len(), sums, run["outcome"].as_str()), (2, [1, 14], Some("complete")));
    let findings = reader.findings("run_a").await.unwrap();
    assert_eq!(
        (findings.len(), &findings[1]["text"], &findings[0]["document_hash"]),
        (2, &"v1 is gone.".into(), &"abc".into())
    );
    assert_eq!(reader.findings_since(Some("coding"), Timestamp::UNIX_EPOCH).await.unwrap().len(), 0);
    let groups = feedback::gather(&reader, Some("wizard"), Timestamp::UNIX_EPOCH).await.unwrap();
    assert_eq!(groups.iter().map(|group| group.count).collect::<Vec<_>>(), [1, 1]);
    let versions = reader.endings_by_version().await.unwrap();
    assert_eq!((versions.len(), &versions[0]["answered"]), (1, &versions[0]["last"]));
    assert!(reader.versions(later(3600)).await.unwrap().is_empty());

    // Of a run that nobody ended nothing was heard for days.
    open.log.write(&Record { at: later(-86_400 * 3), ..record("x_old", "run_left") }).await.unwrap();
    open.told().await;
    for expect in [1, 0] {
        assert_eq!(open.log.abandon(Timestamp::now()).await.unwrap(), expect);
        open.told().await;
    }
    let (left, _) = reader.show("run_left").await.unwrap().unwrap();
    assert_eq!((left["ended_by"].as_str(), left["asked"].is_null()), (Some("abandoned"), true));

    open.log.write(&Record { at: later(5), ..record("x_3", "run_a") }).await.unwrap();
    open.told().await;
    let (run, _) = reader.show("run_a").await.unwrap().unwrap();
    assert!(run["ended_by"].is_null() && run["asked"].is_null(), "{run:?}");
    open.log.purge(later(86_400 * 3), &kept(1)).await.unwrap();
    assert!(reader.findings("run_a").await.unwrap().is_empty());
    open.end().await;
}

async fn bodies_are_kept_for_so_long_and_in_so_much_room(place: &Place) {
    let open = place.open();
    let now = Timestamp::now();
    let hours = |hours: i64| now.checked_sub(SignedDuration::from_hours(hours)).unwrap();
    // What cannot be made smaller.
    let noise: Vec<u8> = (0..600_u32).flat_map(|n| scrambled(n).to_le_bytes()).collect();
    for (id, age) in [("x_1", 24 * 40), ("x_2", 3), ("x_3", 0)] {
        let (run, user) = (Some(String::from("run_a")), Some(String::from(if age == 3 { "bob" } else { "ada" })));
        open.log.write(&Record { at: hours(age), user: user.clone(), ..record(id, "run_a") }).await.unwrap();
        let said = (age == 0).then(|| String::from("{\"role\":\"assistant\"}"));
        let sent = if age == 3 { noise.clone().into() } else { bytes::Bytes::from_static(b"{}") };
        open.log
            .keep_body(Body { exchange: id.into(), run, user, at: hours(age), sent, said, words: None })
            .await
            .unwrap();
    }
    open.told().await;
    let reader = place.reader().await;
    let bodies = reader.bodies("run_a").await.unwrap();
    assert_eq!((bodies.len(), &bodies["x_2"].sent[..]), (3, &noise[..]));
    assert_eq!(bodies["x_3"].said.as_deref(), Some(&b"{\"role\":\"assistant\"}"[..]));
    // The oldest is too old, and the next too much.
    let keep = Runs { keep: None, ..kept(30) };
    open.log.purge(now, &keep).await.unwrap();
    let left: Vec<String> = reader.bodies("run_a").await.unwrap().into_keys().collect();
    assert_eq!((left, reader.show("run_a").await.unwrap().unwrap().1.len()), (vec![String::from("x_3")], 3));
    // Whoever is erased is nowhere any more, and others are.
    assert_eq!(open.log.erase("bob", now).await.unwrap(), 1);
    assert!(open.log.erase("ada", now).await.unwrap() >= 4);
    assert!(reader.bodies("run_a").await.unwrap().is_empty());
    assert!(reader.show("run_a").await.unwrap().is_none());
    open.end().await;
}

/// Numbers that look like none.
fn scrambled(seed: u32) -> u32 {
    let mut x = seed.wrapping_mul(0x9e37_79b9) ^ 0x85eb_ca6b;
    for _ in 0..3 {
        x ^= x >> 15;
        x = x.wrapping_mul(0x2c1b_3c6d);
    }
    x
}

async fn what_is_old_is_forgotten(place: &Place) {
    let open = place.open();
    let now = Timestamp::now();
    let days = |days: i64| now.checked_sub(SignedDuration::from_hours(24 * days)).unwrap();
    for (id, run, age) in
        [("x_1", "run_old", 40), ("x_2", "run_long", 40), ("x_3", "run_long", 2), ("x_4", "run_new", 0)]
    {
        open.log.write(&Record { at: days(age), ..record(id, run) }).await.unwrap();
    }
    open.told().await;
    open.log.purge(now, &kept(30)).await.unwrap();
    let reader = place.reader().await;
    assert!(reader.show("run_old").await.unwrap().is_none());
    let (run, exchanges) = reader.show("run_long").await.unwrap().unwrap();
    // What the run came to is still known.
    assert_eq!((exchanges.len(), number(&run, "turns")), (1, 2));
    assert!(reader.show("run_new").await.unwrap().is_some());
    // What comes late all the same is taken.
    open.log.write(&Record { at: days(40), ..record("x_5", "run_late") }).await.unwrap();
    open.told().await;
    assert!(reader.show("run_late").await.unwrap().is_some());
    open.end().await;
}

/// Everything that happens, written by several at once, some of it twice, comes to what it is.
async fn whoever_writes_the_sums_are_right(place: &Place, written: Vec<(u8, u8, u16, u16)>) {
    let other = Place { runs: place.runs.clone(), state: tempfile::tempdir().unwrap() };
    // Several processes share a server; a file has one, and commands beside it.
    let logs = if place.runs.postgres.is_some() { [place.open(), other.open()] } else { [place.open(), place.open()] };
    let begin = Timestamp::from_millisecond(1_790_000_000_000).unwrap();
    let at = |millis: u16| begin.checked_add(SignedDuration::from_millis(i64::from(millis))).unwrap();
    let tag = uuid::Uuid::now_v7().simple().to_string();
    let (mut model, mut seen): (BTreeMap<String, (i64, i64)>, _) = (BTreeMap::new(), HashSet::new());
    let mut writing = tokio::task::JoinSet::new();
    for (id, run, millis, cost) in written {
        // The same exchange is the same in all that it says.
        let (run, millis, cost) = (format!("run_{tag}_{}", (id + run) % 3), millis, u64::from(cost));
        let is_new = seen.insert(id);
        let record = Record { at: at(millis), cost_micros: cost, ..record(&format!("x_{tag}_{id}"), &run) };
        if is_new {
            let (turns, sum) = model.entry(run).or_default();
            (*turns, *sum) = (*turns + 1, *sum + i64::try_from(cost).unwrap());
        }
        for _ in 0..if is_new { 1 + id % 2 } else { 0 } {
            let (log, record) = (logs[usize::from(id % 2)].log.clone(), record.clone());
            writing.spawn(async move { log.write(&record).await });
        }
    }
    for written in writing.join_all().await {
        written.unwrap();
    }
    let reader = place.reader().await;
    for log in logs {
        log.told().await;
        log.end().await;
    }
    for (id, (turns, sum)) in model {
        let (run, exchanges) = reader.show(&id).await.unwrap().unwrap();
        let found = (number(&run, "turns"), number(&run, "cost_micros"), exchanges.len());
        assert_eq!(found, (turns, sum, usize::try_from(turns).unwrap()), "{id}");
        let times: Vec<&str> = exchanges.iter().map(|exchange| exchange["at"].as_str().unwrap()).collect();
        assert_eq!(run["started"], times[0]);
        assert_eq!(run["ended"], times[times.len() - 1]);
    }
}

async fn all(place: fn() -> Place) {
    what_is_written_can_be_read(&place()).await;
    what_is_looked_for_is_found_in_whatever_case(&place()).await;
    erasing::of_a_user_who_is_erased_nothing_is_left(&place()).await;
    erasing::what_is_on_its_way_is_left_out_where_it_is_older(&place()).await;
    erasing::nothing_slips_in_while_a_user_is_erased(&place()).await;
    text::that_was_said_is_found(&place()).await;
    text::that_is_in_no_index_is_found(&place()).await;
    text::that_is_gone_is_found_no_more(&place()).await;
    what_is_odd_is_kept(&place()).await;
    again::is_told_apart(&place()).await;
    shown::is_found_by_its_hash(&place()).await;
    again::has_its_endings_in_their_places(&place()).await;
    actions_are_the_newest_first(&place()).await;
    how_a_run_ended_holds_until_it_goes_on(&place()).await;
    bodies_are_kept_for_so_long_and_in_so_much_room(&place()).await;
    what_is_old_is_forgotten(&place()).await;
    story::a_long_run_is_told_in_parts_and_its_sums_are_of_all(&place()).await;
    story::what_ends_late_is_new_all_the_same(&place()).await;
}

fn random(place: &Place) {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let written = proptest::collection::vec((0_u8..60, 0_u8..3, 0..5000_u16, any::<u16>()), 1..80);
    let config = ProptestConfig { cases: 12, failure_persistence: None, ..ProptestConfig::default() };
    proptest!(config, |(written in written)| {
        runtime.block_on(whoever_writes_the_sums_are_right(place, written));
    });
}

#[tokio::test(flavor = "multi_thread")]
async fn the_embedded_log_keeps_what_every_log_keeps() {
    all(Place::embedded).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn postgres_keeps_what_every_log_keeps() {
    all(Place::postgres).await;
}

#[test]
fn the_embedded_log_adds_up_whatever_happens() {
    random(&Place::embedded());
}

#[test]
fn postgres_adds_up_whatever_happens() {
    random(&Place::postgres());
}

#[tokio::test(flavor = "multi_thread")]
async fn several_may_make_the_tables_at_once() {
    let settings = settings(&server::database());
    let mut starting = tokio::task::JoinSet::new();
    for _ in 0..6 {
        let settings = settings.clone();
        starting.spawn(async move {
            let row = Row::of_exchange(&record("x_same", "run_a"));
            Wire::connect(&settings).await?.write(&[&row]).await
        });
    }
    for done in starting.join_all().await {
        done.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_server_that_is_away_is_not_told_it_is_told_later() {
    let mut server = Server::start(&[]);
    let mut place = Place::new(Some(settings(&server.database())));
    let open = place.open();
    open.log.write(&record("x_1", "run_a")).await.unwrap();
    open.told().await;
    server.kill();
    for id in ["x_2", "x_3"] {
        open.log.write(&record(id, "run_a")).await.unwrap();
    }
    // The process ends while nobody listens, and another one takes over what it left.
    open.end().await;
    let state = std::mem::replace(&mut place.state, tempfile::tempdir().unwrap());
    let again = Place { runs: place.runs.clone(), state };
    let open = again.open();
    open.log.write(&record("x_4", "run_a")).await.unwrap();
    assert_eq!(open.log.undelivered(), 3);
    server.restart();
    open.told().await;
    let (run, exchanges) = again.reader().await.show("run_a").await.unwrap().unwrap();
    assert_eq!((number(&run, "turns"), exchanges.len()), (4, 4));
    open.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn of_several_servers_one_that_says_nothing_is_left_for_the_next() {
    // It takes connections in, and never answers.
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let real = settings(&server::database());
    let first = vec![(String::from("127.0.0.1"), silent.local_addr().unwrap().port())];
    let addresses = [first, real.addresses.clone()].concat();
    let place = Place::new(Some(Postgres { addresses, timeout: Duration::from_secs(2), ..real }));
    let open = place.open();
    open.log.write(&record("x_1", "run_a")).await.unwrap();
    open.told().await;
    assert!(place.reader().await.show("run_a").await.unwrap().is_some());
    open.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_server_refuses_keeps_nothing_else_waiting() {
    let server = Server::start(&[]);
    let url = server.database();
    let place = Place::new(Some(settings(&url)));
    let open = place.open();
    open.log.write(&record("x_1", "run_a")).await.unwrap();
    open.told().await;
    server.query(&url, "ALTER TABLE exchange ADD CHECK (model <> 'bad')");
    let bad = Record { model: Some("bad".into()), ..record("x_bad", "run_a") };
    open.log.write(&bad).await.unwrap();
    open.log.write(&record("x_2", "run_a")).await.unwrap();
    while server.query(&url, "SELECT count(*) FROM exchange") != "2" {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    // That it has them is known here a moment later.
    while open.log.undelivered() > 1 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert_eq!(open.log.undelivered(), 1);
    open.end().await;
    // It is tried again at the next start.
    server.query(&url, "ALTER TABLE exchange DROP CONSTRAINT exchange_model_check");
    let open = place.open();
    open.told().await;
    assert_eq!(server.query(&url, "SELECT turns FROM run"), "3");
    assert_eq!(server.query(&url, "SELECT count(*) FROM pg_inherits WHERE inhparent = 'exchange'::regclass"), "3");
    open.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn it_is_spoken_to_in_tls_and_with_a_password() {
    let (authority, stranger) = (Authority::new("ours"), Authority::new("another"));
    let server = Server::start(&["password_encryption=scram-sha-256"]);
    let url = server.database();
    let identity = authority.server();
    let write = |path: &Path, text: &str| {
        std::fs::write(path, text).unwrap();
        // A server reads no key that others may read.
        jetway_support::postgres::give(path);
    };
    write(&server.folder().join("server.pem"), &identity.certificate);
    write(&server.folder().join("server.key"), &identity.key);
    let folder = server.folder().display().to_string();
    server.query(&url, &format!("ALTER SYSTEM SET ssl_cert_file = '{folder}/server.pem'"));
    server.query(&url, &format!("ALTER SYSTEM SET ssl_key_file = '{folder}/server.key'"));
    server.query(&url, "ALTER SYSTEM SET ssl = on");
    server.query(&url, "CREATE ROLE guarded LOGIN SUPERUSER PASSWORD 'let me in'");
    let rules =
        format!("hostssl all guarded 127.0.0.1/32 scram-sha-256\nhost all {} 127.0.0.1/32 trust\n", server::USER);
    write(&server.folder().join("data/pg_hba.conf"), &rules);
    server.query(&url, "SELECT pg_reload_conf()");

    let sound = Postgres {
        is_tls: true,
        authority: Some(authority.pem.clone().into()),
        user: Some(String::from("guarded")),
        password: Some(String::from("let me in").into()),
        ..settings(&url)
    };
    let connect =
        |settings: Postgres| async move { Wire::connect(&settings).await.map(drop).map_err(|error| error.to_string()) };
    let begun = std::time::Instant::now();
    // The server reads its settings again in its own time.
    while connect(sound.clone()).await.is_err() && begun.elapsed() < Duration::from_secs(60) {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert_eq!(connect(sound.clone()).await, Ok(()));
    let wrong = Postgres { password: Some(String::from("other").into()), ..sound.clone() };
    assert!(connect(wrong).await.unwrap_err().contains("password authentication failed"));
    let unknown = Postgres { authority: Some(stranger.pem.into()), ..sound.clone() };
    assert!(connect(unknown).await.unwrap_err().contains("UnknownIssuer"));
    let plain = Postgres { is_tls: false, ..sound.clone() };
    assert!(connect(plain).await.unwrap_err().contains("no pg_hba.conf entry"));
    let nobody = Postgres { addresses: vec![(String::from("127.0.0.1"), jetway_support::redis::free_port())], ..sound };
    assert!(matches!(Wire::connect(&nobody).await, Err(Failed::Unreachable(_))));
}
