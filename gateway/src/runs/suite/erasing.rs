//! Erasing a user: of what is there, and of what is on its way.

use std::collections::HashSet;
use std::path::Path;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use rusqlite::Connection;

use super::{Place, number, record, scrambled};
use crate::runs::body::{Body, pack, words};
use crate::runs::log::{BODIES, FILE};
use crate::runs::read::Filter;
use crate::runs::row::{Row, Table};
use crate::runs::{Ended, QUESTION, Record, log, marks, schema};

const MARK: &str = "what only ada would say";

/// Which files of the log hold any of these anywhere; all of one length.
fn holds(state: &Path, texts: &HashSet<Vec<u8>>) -> Vec<String> {
    let length = texts.iter().next().unwrap().len();
    let files = [FILE, BODIES].iter().flat_map(|file| ["", "-wal"].map(|more| format!("{file}{more}")));
    let has = |file: &String| {
        let bytes = std::fs::read(state.join(file)).unwrap_or_default();
        bytes.windows(length).any(|some| texts.contains(some))
    };
    files.filter(has).collect()
}

/// What the index of marks consists of.
fn index(state: &Path) -> Vec<Vec<u8>> {
    blocks(&log::connect(&state.join(FILE)).unwrap())
}

fn blocks(files: &Connection) -> Vec<Vec<u8>> {
    // Before these stand counts.
    let mut find = files.prepare("SELECT block FROM mark_data WHERE id > 10 ORDER BY block").unwrap();
    find.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect()
}

/// The same, of an index of the bodies that are there.
fn made_anew(state: &Path) -> Vec<Vec<u8>> {
    let files = log::connect(&state.join(FILE)).unwrap();
    let mut find = files.prepare("SELECT number, words FROM body ORDER BY number").unwrap();
    let bodies = find.query_map([], |row| Ok((row.get(0)?, row.get(1)?))).unwrap();
    let other = tempfile::tempdir().unwrap();
    let other =
        crate::store::open(&other.path().join(BODIES), crate::store::Durability::Relaxed, schema::BODIES).unwrap();
    for body in bodies {
        let (number, words): (i64, String) = body.unwrap();
        other.execute("INSERT INTO mark (rowid, marks) VALUES (?1, ?2)", (number, marks::of(&words))).unwrap();
    }
    other.execute("INSERT INTO mark (mark) VALUES ('optimize')", []).unwrap();
    blocks(&other)
}

fn of(user: &str, number: u32) -> Record {
    Record { user: Some(user.into()), ..record(&format!("x_{user}_{number}"), &format!("run_{user}_{}", number % 9)) }
}

/// A body that cannot be made smaller.
fn body(record: &Record, seed: u32) -> Body {
    let words_of_it = (0..250 + scrambled(seed) % 7_000).map(|n| scrambled(seed * 10_000 + n));
    let noise: String = words_of_it.map(|word| format!("{word:x}")).collect();
    let user = record.user.clone().unwrap_or_default();
    let sent = serde_json::json!({ "messages": [{ "role": "user", "content": format!("{MARK} {user} {noise}") }] });
    Body {
        exchange: record.id.clone(),
        run: record.run.clone(),
        user: record.user.clone(),
        at: record.at,
        words: words(sent.to_string().as_bytes(), None),
        sent: sent.to_string().into(),
        said: None,
    }
}

pub(super) async fn of_a_user_who_is_erased_nothing_is_left(place: &Place) {
    let open = place.open();
    let mut packed = HashSet::new();
    for number in 0..150_u32 {
        for user in ["ada", "bob"] {
            let length = 1 + scrambled(number + 7_000) % 60;
            let detail = Some(format!("{MARK} {user} ").repeat(length as usize * 1_000 / 28));
            let record = Record { detail, ..of(user, number) };
            open.log.write(&record).await.unwrap();
            let body = body(&record, 2 * number + u32::from(user == "ada"));
            if user == "ada" {
                let text = pack(&body.sent).unwrap().into_bytes();
                packed.extend(text.chunks(1_000).filter_map(|piece| Some(piece.get(200..224)?.to_vec())));
            }
            open.log.keep_body(body).await.unwrap();
        }
    }
    open.told().await;
    assert_eq!(open.log.runs_of("ada").await.unwrap().len(), 9);
    let before = place.runs.postgres.is_none().then(|| index(place.state.path()));
    // Bodies, exchanges, and the runs that they make.
    assert_eq!(open.log.erase("ada", Timestamp::now()).await.unwrap(), 150 + 150 + 9);
    let reader = place.reader().await;
    let left = reader.list(&Filter { limit: 100, ..Filter::default() }).await.unwrap();
    assert!(left.len() == 9 && left.iter().all(|run| run["user"] == "bob"), "{left:?}");
    assert!(reader.bodies("run_ada_1").await.unwrap().is_empty());
    assert_eq!(reader.bodies("run_bob_1").await.unwrap().len(), 17);
    if place.runs.postgres.is_none() {
        let state = place.state.path();
        let said = |user: &str| HashSet::from([format!("{MARK} {user}").into_bytes()]);
        assert_eq!(holds(state, &said("ada")), [""; 0]);
        assert_eq!(holds(state, &packed), [""; 0]);
        assert_eq!(holds(state, &said("bob")).len(), 2);
        // The index is as if she had never been there, and what it was is nowhere.
        let index = index(state);
        assert_eq!(index, made_anew(state));
        let was: HashSet<Vec<u8>> =
            before.iter().flatten().filter_map(|block| block.get(2_000..2_024)).map(<[u8]>::to_vec).collect();
        let is_left = |some: &Vec<u8>| index.iter().any(|block| block.windows(some.len()).any(|piece| piece == some));
        let gone: HashSet<Vec<u8>> = was.into_iter().filter(|some| !is_left(some)).collect();
        assert!(gone.len() > 50, "{}", gone.len());
        assert_eq!(holds(state, &gone), [""; 0]);
    }
    open.end().await;
}

pub(super) async fn what_is_on_its_way_is_left_out_where_it_is_older(place: &Place) {
    let open = place.open();
    let begun = Timestamp::now();
    let at = |seconds: i64| begun.checked_add(SignedDuration::from_secs(seconds)).unwrap();
    let write = |seconds: i64, user: &str, id: &str, run: &str| {
        let record = Record { at: at(seconds), user: Some(user.into()), ..record(id, run) };
        let (log, body) = (open.log.clone(), body(&record, 5));
        async move {
            log.write(&record).await.unwrap();
            log.keep_body(body).await.unwrap();
        }
    };
    write(-9, "ada", "x_1", "run_a").await;
    open.told().await;
    open.log.erase("ada", begun).await.unwrap();
    // As of a Jetway that was away: what it has is older, or of somebody else, or newer.
    write(-8, "ada", "x_2", "run_a").await;
    write(-8, "bob", "x_3", "run_b").await;
    write(9, "ada", "x_4", "run_c").await;
    let question = Record { at: at(9), endpoint: QUESTION, ..record("x_5", "run_a") };
    open.log.write(&question).await.unwrap();
    for run in ["run_a", "run_c"] {
        let user = Some(String::from("ada"));
        let ended = Ended { run: run.into(), at: at(10), user, ending: "quiet", ..Ended::default() };
        open.log.end(&Ended { exchange: format!("e_{run}"), ..ended }).await.unwrap();
    }
    open.told().await;
    let reader = place.reader().await;
    let runs = reader.list(&Filter { limit: 9, ..Filter::default() }).await.unwrap();
    let listed: Vec<(&str, i64, bool)> =
        runs.iter().map(|run| (run["id"].as_str().unwrap(), number(run, "turns"), run["ended_by"].is_null())).collect();
    assert_eq!(listed.iter().filter(|(id, ..)| *id != "run_a").count(), 2, "{listed:?}");
    for expect in [("run_b", 1, true), ("run_c", 1, false), ("run_a", 0, true)] {
        assert!(listed.contains(&expect), "{expect:?} {listed:?}");
    }
    for (run, count) in [("run_a", 0), ("run_b", 1), ("run_c", 1)] {
        assert_eq!(reader.bodies(run).await.unwrap().len(), count, "{run}");
    }
    // After thirty days nothing can be on its way any more, and nobody knows whom it was about.
    let later = at(31 * 86_400);
    open.log
        .purge(later, &crate::config::Runs { bodies_age: Duration::from_secs(1 << 30), ..place.runs.clone() })
        .await
        .unwrap();
    write(-7, "ada", "x_6", "run_d").await;
    open.told().await;
    assert!(reader.show("run_d").await.unwrap().is_some());
    open.end().await;
}

/// Whoever writes while a user is erased: what was begun before is gone in the end.
pub(super) async fn nothing_slips_in_while_a_user_is_erased(place: &Place) {
    let open = place.open();
    let writing = |from: u32| {
        let log = open.log.clone();
        async move {
            for number in from..from + 100 {
                log.write(&of("ada", number)).await.unwrap();
            }
        }
    };
    let erasing = async {
        tokio::time::sleep(Duration::from_millis(30)).await;
        let now = Timestamp::now();
        open.log.erase("ada", now).await.unwrap();
        now
    };
    let (now, ..) = tokio::join!(erasing, writing(0), writing(100), writing(200));
    open.told().await;
    let reader = place.reader().await;
    for run in 0..9 {
        let Some((_, exchanges)) = reader.show(&format!("run_ada_{run}")).await.unwrap() else { continue };
        let is_later = |line: &super::Line| line["at"].as_str().unwrap().parse::<Timestamp>().unwrap() >= now;
        // Milliseconds are what is kept.
        let before = exchanges.iter().filter(|line| !is_later(line)).count();
        assert_eq!(before, 0, "{now} {exchanges:?}");
    }
    open.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn bodies_of_an_older_version_are_taken_along() {
    let place = Place::embedded();
    let path = place.state.path().join(FILE);
    let migrations = crate::runs::schema::migrations(crate::runs::schema::Dialect::Embedded);
    let before = migrations.iter().position(|text| text.contains("moved_body")).unwrap();
    let before: Vec<&str> = migrations.iter().take(before).map(String::as_str).collect();
    let old = crate::store::open(&path, crate::store::Durability::Full, &before).unwrap();
    for number in 0..250 {
        let body = Row::of_body(&body(&of("ada", number), 3)).unwrap();
        assert_eq!(body.table, Table::Body);
        let cells = ["id", "run", "user", "sent"].map(|name| body.get(name).text().unwrap());
        let sql = "INSERT INTO body (id, at, run, \"user\", bytes, sent) VALUES (?1, 7, ?2, ?3, 1, ?4)";
        old.execute(sql, cells).unwrap();
    }
    drop(old);
    // Some of them were taken already when the process died.
    let columns = "id, at, run, \"user\", bytes, sent, said";
    let copy = format!("INSERT INTO bodies.body ({columns}) SELECT {columns} FROM moved_body ORDER BY at LIMIT 100");
    assert_eq!(log::connect(&path).unwrap().execute(&copy, []).unwrap(), 100);
    let all = 250;
    let open = place.open();
    let reader = place.reader().await;
    let mut found = 0;
    for run in 0..9 {
        found += reader.bodies(&format!("run_ada_{run}")).await.unwrap().len();
    }
    assert_eq!(found, all);
    open.end().await;
    // Once, and then never again.
    place.open().end().await;
    let old = crate::store::open(&path, crate::store::Durability::Full, &[]).unwrap();
    let tables = "SELECT count(*) FROM sqlite_schema WHERE name IN ('body', 'moved_body')";
    assert_eq!(old.query_row(tables, [], |row| row.get::<_, i64>(0)).unwrap(), 0);
}
