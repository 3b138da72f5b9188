//! What a budget costs: reserving and settling one exchange, in each ledger, beside as many users;
//! and what an idle user takes up. `cargo bench -p jetway --bench ledger`.

#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "a bench tells what it saw")]

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use divan::Bencher;
use jetway::config::{Redis as Settings, Servers};
use jetway::ledger::{Ask, Charge, Embedded, Ledger, Redis, every_of};
use jetway_core::policy::budget::OnError;
use jetway_support::redis::Redis as Server;
use tokio::runtime::Runtime;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

const USERS: [usize; 3] = [1, 100, 100_000];

fn main() {
    divan::main();
    let runtime = runtime();
    let folder = tempfile::tempdir().unwrap();
    let embedded: Arc<dyn Ledger> = Arc::new(Embedded::open(&folder.path().join("ledger.db")).unwrap());
    fill(&runtime, &embedded, 10_000);
    drop(embedded);
    let bytes: u64 =
        std::fs::read_dir(folder.path()).unwrap().map(|file| file.unwrap().metadata().unwrap().len()).sum();
    println!("embedded: {} bytes of disk for an idle user with two caps", bytes / 10_000);
    let server = Server::start(&[]);
    let redis = redis(&runtime, &server);
    let used = || {
        server
            .cli(&["info", "memory"])
            .lines()
            .find_map(|line| line.strip_prefix("used_memory:")?.trim().parse::<i64>().ok())
            .unwrap()
    };
    let before = used();
    fill(&runtime, &redis, 10_000);
    println!(
        "redis: {} bytes of memory for an idle user with two caps, tombstones of a day included",
        (used() - before) / 10_000
    );
}

fn runtime() -> Runtime {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap()
}

fn redis(runtime: &Runtime, server: &Server) -> Arc<dyn Ledger> {
    let settings = Settings {
        addresses: vec![(String::from("127.0.0.1"), server.port)],
        servers: Servers::Single,
        is_tls: false,
        database: 0,
        user: None,
        password: None,
        authority: None,
        timeout: Duration::from_secs(5),
        lease: Duration::from_secs(60),
    };
    let journal = server.folder().join("journal.db");
    let tasks = TaskTracker::new();
    let opened = Redis::open(&settings, &journal, (&tasks, CancellationToken::new()));
    Arc::new(runtime.block_on(opened).unwrap())
}

fn charges(user: usize, amount: u64) -> Vec<Charge> {
    let charge = |account: String| Charge { every: every_of(&account).unwrap(), account, limit: 1 << 40, amount };
    vec![charge(format!("bench/user=u{user}/usd/day")), charge(format!("bench/user=u{user}/usd/month"))]
}

static SERIAL: AtomicUsize = AtomicUsize::new(0);

/// One exchange of a user.
async fn exchange(ledger: &dyn Ledger, user: usize) {
    let exchange = format!("x{}", SERIAL.fetch_add(1, Ordering::Relaxed));
    let ask = Ask {
        exchange: exchange.clone(),
        policy: String::from("bench"),
        charges: charges(user, 1_000),
        enforce: true,
        on_error: OnError::Refuse,
    };
    ledger.reserve(ask).await.unwrap();
    ledger.settle("bench", &exchange, charges(user, 400)).await.unwrap();
}

fn fill(runtime: &Runtime, ledger: &Arc<dyn Ledger>, users: usize) {
    runtime.block_on(async {
        let mut set = JoinSet::new();
        for user in 0..users {
            let ledger = Arc::clone(ledger);
            set.spawn(async move { exchange(&*ledger, user).await });
            if set.len() >= 512 {
                set.join_next().await.unwrap().unwrap();
            }
        }
        set.join_all().await;
    });
}

fn one_after_the_other(bencher: Bencher<'_, '_>, runtime: &Runtime, ledger: &Arc<dyn Ledger>, users: usize) {
    fill(runtime, ledger, users);
    let mut user = 0;
    bencher.bench_local(|| {
        user = (user + 7_919) % users;
        runtime.block_on(exchange(&**ledger, user));
    });
}

/// Sixty-four agents at once; the figure is for all of them.
fn at_once(bencher: Bencher<'_, '_>, runtime: &Runtime, ledger: &Arc<dyn Ledger>, users: usize) {
    fill(runtime, ledger, users);
    bencher.bench_local(|| {
        runtime.block_on(async {
            let mut set = JoinSet::new();
            for agent in 0..64 {
                let ledger = Arc::clone(ledger);
                set.spawn(async move { exchange(&*ledger, agent * 131 % users).await });
            }
            set.join_all().await;
        });
    });
}

#[divan::bench(args = USERS, sample_count = 50)]
fn embedded(bencher: Bencher<'_, '_>, users: usize) {
    let folder = tempfile::tempdir().unwrap();
    let ledger: Arc<dyn Ledger> = Arc::new(Embedded::open(&folder.path().join("ledger.db")).unwrap());
    one_after_the_other(bencher, &runtime(), &ledger, users);
}

#[divan::bench(args = USERS, sample_count = 50)]
fn embedded_64_at_once(bencher: Bencher<'_, '_>, users: usize) {
    let folder = tempfile::tempdir().unwrap();
    let ledger: Arc<dyn Ledger> = Arc::new(Embedded::open(&folder.path().join("ledger.db")).unwrap());
    at_once(bencher, &runtime(), &ledger, users);
}

#[divan::bench(args = USERS, sample_count = 50)]
fn in_redis(bencher: Bencher<'_, '_>, users: usize) {
    let (runtime, server) = (runtime(), Server::start(&[]));
    let ledger = redis(&runtime, &server);
    one_after_the_other(bencher, &runtime, &ledger, users);
}

#[divan::bench(args = USERS, sample_count = 50)]
fn in_redis_64_at_once(bencher: Bencher<'_, '_>, users: usize) {
    let (runtime, server) = (runtime(), Server::start(&[]));
    let ledger = redis(&runtime, &server);
    at_once(bencher, &runtime, &ledger, users);
}
