//! Against real servers, started here.

use std::time::Duration;

use jetway_core::policy::budget::account::Standing;
use jetway_core::policy::budget::window::Every;
use jetway_support::redis::Redis as Server;
use jiff::{SignedDuration, Timestamp};

use super::*;
use crate::config::Servers;
use crate::ledger::suite::{self, POLICY, Rig};

fn settings(server: &Server) -> Settings {
    Settings {
        addresses: vec![(String::from("127.0.0.1"), server.port)],
        servers: Servers::Single,
        is_tls: false,
        database: 0,
        user: None,
        password: None,
        authority: None,
        timeout: Duration::from_millis(500),
        lease: Duration::from_secs(3),
    }
}

/// A process of a fleet.
struct Replica {
    ledger: Redis,
    stop: CancellationToken,
    folder: tempfile::TempDir,
}

impl Replica {
    async fn new(settings: &Settings) -> Self {
        Self::with(settings, tempfile::tempdir().unwrap()).await
    }

    async fn with(settings: &Settings, folder: tempfile::TempDir) -> Self {
        let stop = CancellationToken::new();
        let journal = folder.path().join("journal.db");
        let ledger = Redis::open(settings, &journal, (&TaskTracker::new(), stop.clone())).await.unwrap();
        Self { ledger, stop, folder }
    }

    /// Ends as a crash does: nothing more is told to anybody.
    fn crash(self) -> tempfile::TempDir {
        self.stop.cancel();
        self.folder
    }
}

/// The ledger of one replica, whose clock is moved on in the server.
struct Fleet {
    server: Server,
    replica: Option<Replica>,
}

impl Fleet {
    async fn new() -> Self {
        let server = Server::start(&[]);
        let replica = Replica::new(&Self::settings(&server)).await;
        Self { server, replica: Some(replica) }
    }

    /// Histories jump from window to window: holds must live longer than that.
    fn settings(server: &Server) -> Settings {
        Settings { lease: Duration::from_secs(100 * 86_400), ..settings(server) }
    }

    fn replica(&self) -> &Replica {
        self.replica.as_ref().unwrap()
    }

    async fn set_clock(&self, to: Timestamp) {
        let keys = Keys::of(POLICY);
        let mut command = redis::cmd("HSET");
        command.arg(keys.meta()).arg("clock").arg(to.as_second());
        self.replica().ledger.0.link.command::<()>(&command).await.unwrap();
    }
}

impl Rig for Fleet {
    fn ledger(&self) -> &dyn Ledger {
        &self.replica().ledger
    }

    fn advance(&self, to: Timestamp) -> Pending<'_, ()> {
        Box::pin(self.set_clock(to))
    }

    fn crash(&mut self, now: Timestamp) -> Pending<'_, Timestamp> {
        Box::pin(async move {
            let folder = self.replica.take().unwrap().crash();
            self.replica = Some(Replica::with(&Self::settings(&self.server), folder).await);
            let later = now + SignedDuration::from_secs(100 * 86_400 + 1);
            self.set_clock(later).await;
            self.replica().ledger.0.book().policies.insert(POLICY.to_owned());
            tend::reap_now(&self.replica().ledger).await.unwrap();
            later
        })
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn it_keeps_what_every_ledger_keeps() {
    suite::all(&Fleet::new().await).await;
}

#[test]
fn it_agrees_with_a_simple_model_on_random_histories() {
    suite::random(32, |runtime| runtime.block_on(Fleet::new()));
}

#[tokio::test(flavor = "multi_thread")]
async fn windows_are_numbered_as_everywhere() {
    let fleet = Fleet::new().await;
    // Ends of months and years, a leap day and its absence, and moments in between; the clock only
    // goes forward.
    let mut moments: Vec<Timestamp> = [
        "2026-12-31T23:59:59Z",
        "2027-02-28T23:59:59Z",
        "2028-02-29T12:00:00Z",
        "2100-02-28T23:59:59Z",
        "2100-03-01T00:00:00Z",
    ]
    .map(|text| text.parse().unwrap())
    .to_vec();
    moments.extend((0..400_i64).map(|n| Timestamp::from_second(1_800_000_000 + n * 6_543_217).unwrap()));
    moments.sort();
    let windows = ["minute", "hour", "day", "week", "month", "5h", "90s", "run"];
    let accounts: Vec<(String, u64)> =
        windows.iter().map(|every| (suite::account("user=n", "usd", every), 1)).collect();
    for now in moments {
        fleet.set_clock(now).await;
        let told = fleet.replica().ledger.0.standings_of(POLICY, &accounts).await.unwrap();
        for (every, told) in windows.iter().zip(told) {
            let every = Every::parse(every).unwrap();
            assert_eq!(
                (told.number, told.standing.renews),
                (every.number(now), every.over(every.number(now))),
                "{every} {now}"
            );
        }
    }
}

fn leasing(exchange: &str, account: &str, amount: u64) -> Ask {
    Ask { on_error: OnError::Lease, ..suite::ask(exchange, &[(account, 100_000, amount)]) }
}

async fn standing(replica: &Replica, account: &str) -> Standing {
    suite::standing(&replica.ledger, account, 100_000).await
}

/// Waits until something holds of an account; fails after twenty seconds.
async fn comes_to(replica: &Replica, account: &str, expect: (u64, u64)) {
    let mut found = None;
    for _ in 0..400 {
        let asked = replica.ledger.standings(POLICY, suite::charges(&[(account, 100_000, 0)])).await;
        found = asked.ok().map(|standings| (standings[0].used, standings[0].held));
        if found == Some(expect) {
            return;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("{found:?} in place of {expect:?}");
}

async fn settle(replica: &Replica, exchange: &str, account: &str, cost: u64) {
    replica.ledger.settle(POLICY, exchange, suite::charges(&[(account, 100_000, cost)])).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn replicas_share_one_budget() {
    let server = Server::start(&[]);
    let (one, two) = (Replica::new(&settings(&server)).await, Replica::new(&settings(&server)).await);
    let account = suite::account("user=shared", "usd", "day");
    let mut set = tokio::task::JoinSet::new();
    for n in 0..64 {
        let ledger = if n % 2 == 0 { one.ledger.clone() } else { two.ledger.clone() };
        let ask = suite::ask(&format!("x{n}"), &[(&account, 100, 10)]);
        set.spawn(async move { ledger.reserve(ask).await.is_ok() });
    }
    let passed = set.join_all().await.into_iter().filter(|passed| *passed).count();
    assert_eq!(passed, 10);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_holds_of_a_process_that_died_are_charged_and_a_late_settlement_corrects_that() {
    let server = Server::start(&[]);
    let (one, two) = (Replica::new(&settings(&server)).await, Replica::new(&settings(&server)).await);
    let account = suite::account("user=dead", "usd", "day");
    one.ledger.reserve(suite::ask("dead", &[(&account, 100_000, 700)])).await.unwrap();
    // The other one only knows of policies that it was asked about.
    two.ledger.reserve(suite::ask("alive", &[(&account, 100_000, 30)])).await.unwrap();
    drop(one.crash());
    // In real time: the hold of the living process is renewed, the other one is charged.
    comes_to(&two, &account, (700, 30)).await;
    let (_, abandoned) = two.ledger.list(&[POLICY.to_owned()]).await.unwrap();
    assert_eq!(abandoned.iter().map(|hold| (hold.exchange.as_str(), hold.amount)).collect::<Vec<_>>(), [("dead", 700)]);
    settle(&two, "dead", &account, 50).await;
    settle(&two, "dead", &account, 50).await;
    comes_to(&two, &account, (50, 30)).await;
    assert_eq!(two.ledger.0.counts.reaped.load(Ordering::Relaxed), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_keeps_a_file_loses_nothing_when_it_is_killed() {
    let mut server = Server::start(&["--appendonly", "yes", "--appendfsync", "always"]);
    let replica = Replica::new(&settings(&server)).await;
    let account = suite::account("user=aof", "usd", "day");
    replica.ledger.reserve(suite::ask("a", &[(&account, 100_000, 700)])).await.unwrap();
    replica.ledger.reserve(suite::ask("b", &[(&account, 100_000, 30)])).await.unwrap();
    settle(&replica, "a", &account, 100).await;
    server.restart();
    comes_to(&replica, &account, (100, 30)).await;
    settle(&replica, "b", &account, 5).await;
    comes_to(&replica, &account, (105, 0)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_lost_everything_is_told_again() {
    let mut server = Server::start(&[]);
    let replica = Replica::new(&settings(&server)).await;
    let account = suite::account("user=lost", "usd", "day");
    replica.ledger.reserve(suite::ask("a", &[(&account, 100_000, 700)])).await.unwrap();
    replica.ledger.reserve(suite::ask("b", &[(&account, 100_000, 30)])).await.unwrap();
    settle(&replica, "a", &account, 100).await;
    server.restart();
    comes_to(&replica, &account, (100, 30)).await;
    // And so is one whose data were thrown away while it ran.
    server.cli(&["flushall"]);
    comes_to(&replica, &account, (100, 30)).await;
    settle(&replica, "b", &account, 5).await;
    comes_to(&replica, &account, (105, 0)).await;
    assert!(replica.ledger.0.counts.asserted.load(Ordering::Relaxed) >= 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn out_of_reach_requests_are_served_from_what_was_leased_and_no_further() {
    let mut server = Server::start(&["--appendonly", "yes", "--appendfsync", "always"]);
    let replica = Replica::new(&settings(&server)).await;
    let account = suite::account("user=lease", "usd", "day");
    replica.ledger.reserve(leasing("first", &account, 100)).await.unwrap();
    // Four times what was asked for is leased beside it.
    comes_to(&replica, &account, (0, 500)).await;
    settle(&replica, "first", &account, 60).await;
    server.kill();
    for n in 0..4 {
        replica.ledger.reserve(leasing(&format!("away{n}"), &account, 100)).await.unwrap();
    }
    let refused = replica.ledger.reserve(leasing("away4", &account, 100)).await.unwrap_err();
    assert!(matches!(refused, Refused::Unreachable(_)), "{refused:?}");
    // What one did not cost serves another.
    settle(&replica, "away0", &account, 20).await;
    replica.ledger.reserve(leasing("away5", &account, 80)).await.unwrap();
    assert!(replica.ledger.reserve(leasing("another", &suite::account("user=other", "usd", "day"), 1)).await.is_err());
    server.restart();
    // 60 and 20 were spent; three of a hundred and one of eighty are under way; the lease went back.
    comes_to(&replica, &account, (80, 380)).await;
    for (exchange, cost) in [("away1", 1), ("away2", 2), ("away3", 3), ("away5", 4)] {
        settle(&replica, exchange, &account, cost).await;
    }
    comes_to(&replica, &account, (90, 0)).await;
    assert_eq!(replica.ledger.0.counts.leased.load(Ordering::Relaxed), 5);
}

#[tokio::test(flavor = "multi_thread")]
async fn out_of_reach_requests_are_refused_or_let_through_as_the_policy_says() {
    let mut server = Server::start(&["--appendonly", "yes", "--appendfsync", "always"]);
    let replica = Replica::new(&settings(&server)).await;
    let account = suite::account("user=out", "usd", "day");
    replica.ledger.reserve(suite::ask("before", &[(&account, 100_000, 10)])).await.unwrap();
    server.kill();
    let ask = |exchange: &str, on_error| Ask { on_error, ..suite::ask(exchange, &[(&account, 100_000, 100)]) };
    assert!(replica.ledger.reserve(ask("refused", OnError::Refuse)).await.is_err());
    replica.ledger.reserve(ask("allowed", OnError::Allow)).await.unwrap();
    replica.ledger.reserve(ask("left open", OnError::Allow)).await.unwrap();
    replica.ledger.reserve(Ask { enforce: false, ..ask("soft", OnError::Refuse) }).await.unwrap();
    settle(&replica, "allowed", &account, 40).await;
    settle(&replica, "soft", &account, 2).await;
    settle(&replica, "before", &account, 5).await;
    server.restart();
    comes_to(&replica, &account, (47, 100)).await;
    settle(&replica, "left open", &account, 3).await;
    comes_to(&replica, &account, (50, 0)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_could_not_be_told_outlives_the_process() {
    let mut server = Server::start(&["--appendonly", "yes", "--appendfsync", "always"]);
    let replica = Replica::new(&settings(&server)).await;
    let account = suite::account("user=journal", "usd", "day");
    replica.ledger.reserve(suite::ask("held", &[(&account, 100_000, 10)])).await.unwrap();
    server.kill();
    let ask = Ask { on_error: OnError::Allow, ..suite::ask("open", &[(&account, 100_000, 100)]) };
    replica.ledger.reserve(ask).await.unwrap();
    settle(&replica, "held", &account, 7).await;
    let folder = replica.crash();
    server.restart();
    // The one that was under way is charged what was set aside for it.
    let replica = Replica::with(&settings(&server), folder).await;
    comes_to(&replica, &account, (107, 0)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn scripts_that_were_flushed_are_loaded_again() {
    let server = Server::start(&[]);
    let replica = Replica::new(&settings(&server)).await;
    let account = suite::account("user=flush", "usd", "day");
    replica.ledger.reserve(suite::ask("a", &[(&account, 100_000, 10)])).await.unwrap();
    server.cli(&["script", "flush"]);
    settle(&replica, "a", &account, 7).await;
    assert_eq!(standing(&replica, &account).await.used, 7);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_is_busy_full_or_spoiled_is_out_of_reach_and_nothing_is_lost() {
    let server = Server::start(&[]);
    let replica = Replica::new(&settings(&server)).await;
    let account = suite::account("user=odd", "usd", "day");
    replica.ledger.reserve(suite::ask("a", &[(&account, 100_000, 10)])).await.unwrap();
    server.cli(&["config", "set", "maxmemory", "1"]);
    assert!(replica.ledger.reserve(suite::ask("b", &[(&account, 100_000, 10)])).await.is_err());
    settle(&replica, "a", &account, 7).await;
    server.cli(&["config", "set", "maxmemory", "0"]);
    comes_to(&replica, &account, (7, 0)).await;
    server.cli(&["client", "pause", "3000", "all"]);
    assert!(replica.ledger.reserve(suite::ask("c", &[(&account, 100_000, 10)])).await.is_err());
    // Nobody waits for it a second time.
    let asked = Instant::now();
    assert!(replica.ledger.reserve(suite::ask("d", &[(&account, 100_000, 10)])).await.is_err());
    assert!(asked.elapsed() < Duration::from_millis(400), "{:?}", asked.elapsed());
    comes_to(&replica, &account, (7, 0)).await;
    server.cli(&["set", &Keys::of(POLICY).account(&suite::account("user=spoiled", "usd", "day")), "text"]);
    let spoiled = suite::account("user=spoiled", "usd", "day");
    let error = replica.ledger.reserve(suite::ask("e", &[(&spoiled, 100_000, 10)])).await.unwrap_err();
    assert!(error.to_string().contains("WRONGTYPE"), "{error}");
    assert_eq!(standing(&replica, &account).await.used, 7);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_server_refuses_keeps_it_from_nothing_else() {
    let server = Server::start(&[]);
    let (replica, other) = (Replica::new(&settings(&server)).await, Replica::new(&settings(&server)).await);
    let account = suite::account("user=spoiled", "usd", "day");
    for (exchange, amount) in [("spoiled", 10), ("open", 30), ("later", 50)] {
        replica.ledger.reserve(suite::ask(exchange, &[(&account, 100_000, amount)])).await.unwrap();
    }
    other.ledger.reserve(suite::ask("other", &[(&account, 100_000, 1)])).await.unwrap();
    let hold = Keys::of(POLICY).hold("spoiled");
    server.cli(&["del", &hold]);
    server.cli(&["set", &hold, "text"]);
    settle(&replica, "spoiled", &account, 7).await;
    // Longer than a lease: what is open is renewed, nobody charges it, and others are told.
    tokio::time::sleep(Duration::from_secs(5)).await;
    comes_to(&replica, &account, (0, 91)).await;
    let (_, abandoned) = replica.ledger.list(&[POLICY.to_owned()]).await.unwrap();
    assert_eq!(abandoned.len(), 0, "{abandoned:?}");
    settle(&replica, "later", &account, 5).await;
    comes_to(&replica, &account, (5, 41)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_may_throw_budgets_away_is_not_used() {
    let server = Server::start(&["--maxmemory-policy", "allkeys-lru"]);
    let folder = tempfile::tempdir().unwrap();
    let (settings, journal, tasks) = (settings(&server), folder.path().join("j.db"), TaskTracker::new());
    let error = Redis::open(&settings, &journal, (&tasks, CancellationToken::new())).await.unwrap_err().to_string();
    assert!(error.contains("`allkeys-lru`") && error.contains("noeviction"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replica_that_takes_over_is_found_and_told() {
    let mut master = Server::start(&[]);
    let _standby = Server::start(&["--replicaof", "127.0.0.1", &master.port.to_string()]);
    let sentinel = Server::sentinel(&master);
    jetway_support::eventually(|| sentinel.cli(&["sentinel", "replicas", "ours"]).contains("127.0.0.1"));
    let settings = Settings { servers: Servers::Sentinel(String::from("ours")), ..settings(&sentinel) };
    let replica = Replica::new(&settings).await;
    let account = suite::account("user=failover", "usd", "day");
    replica.ledger.reserve(suite::ask("a", &[(&account, 100_000, 700)])).await.unwrap();
    replica.ledger.reserve(suite::ask("b", &[(&account, 100_000, 30)])).await.unwrap();
    settle(&replica, "a", &account, 100).await;
    master.kill();
    comes_to(&replica, &account, (100, 30)).await;
    settle(&replica, "b", &account, 5).await;
    comes_to(&replica, &account, (105, 0)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cluster_keeps_a_policy_together() {
    let server = Server::start(&["--cluster-enabled", "yes"]);
    server.cli(&["cluster", "addslotsrange", "0", "16383"]);
    jetway_support::eventually(|| server.cli(&["cluster", "info"]).contains("cluster_state:ok"));
    let replica = Replica::new(&Settings { servers: Servers::Cluster, ..settings(&server) }).await;
    let (a, b) = (suite::account("user=cluster", "usd", "day"), suite::account("policy=all", "usd", "month"));
    replica.ledger.reserve(suite::ask("x", &[(&a, 100, 60), (&b, 100, 60)])).await.unwrap();
    replica.ledger.settle(POLICY, "x", suite::charges(&[(&a, 100, 7), (&b, 100, 7)])).await.unwrap();
    let (lines, _) = replica.ledger.list(&[POLICY.to_owned()]).await.unwrap();
    assert_eq!(lines.iter().map(|line| line.standing.used).collect::<Vec<_>>(), [7, 7]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_user_with_a_password_and_tls_are_spoken() {
    crate::tls::install();
    let folder = tempfile::tempdir().unwrap();
    let authority = jetway_support::tls::Authority::new("redis");
    let leaf = authority.server();
    let file = |name: &str, text: &str| {
        let path = folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        path.display().to_string()
    };
    let (ca, certificate, key) =
        (file("ca.pem", &authority.pem), file("c.pem", &leaf.certificate), file("k.pem", &leaf.key));
    let args = [
        "--port",
        "0",
        "--tls-port",
        "PORT",
        "--tls-ca-cert-file",
        &ca,
        "--tls-cert-file",
        &certificate,
        "--tls-key-file",
        &key,
        "--tls-auth-clients",
        "no",
        "--user",
        "jetway",
        "on",
        ">sesame",
        "~jetway:*",
        "+@all",
    ];
    let server = Server::start(&args);
    let base = Settings {
        addresses: vec![(String::from("localhost"), server.port)],
        is_tls: true,
        authority: Some(authority.pem.clone().into_bytes()),
        user: Some(String::from("jetway")),
        password: Some("sesame".to_owned().into()),
        ..settings(&server)
    };
    let replica = Replica::new(&base).await;
    let account = suite::account("user=tls", "usd", "day");
    replica.ledger.reserve(suite::ask("a", &[(&account, 100_000, 10)])).await.unwrap();
    assert_eq!(standing(&replica, &account).await.held, 10);
    let wrong = Settings { password: Some("wrong".to_owned().into()), ..base.clone() };
    let error = Redis::beside(&wrong).await.unwrap_err().to_string();
    assert!(!error.contains("sesame") && !error.contains("wrong\""), "{error}");
    let stranger = Settings { authority: None, ..base };
    assert!(Redis::beside(&stranger).await.is_err(), "a certificate of nobody's was taken");
}
