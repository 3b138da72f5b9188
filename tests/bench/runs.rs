//! What looking at the run log costs: 10,000 runs of 8 exchanges each with bodies of up to 60 KB, in SQLite and
//! in PostgreSQL, and 1,000 runs with bodies held against the shipped wizard policy. `cargo bench -p jetway --bench runs`
//! reports; nothing here is asserted.

#![expect(clippy::unwrap_used, reason = "a bench may stop where nothing can be measured")]
#![expect(clippy::print_stdout, reason = "it reports")]

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use jetway::config::{Config, Postgres, Runs, Secrets};
use jetway::gate::Gate;
use jetway::replay::{self, Recorded};
use jetway::runs::body::{Body, words};
use jetway::runs::log::Log;
use jetway::runs::read::{Filter, Line, Reader};
use jetway::runs::{CallRefused, Ended, Outcome, Passage, Record};
use jetway_core::policy::desk::By;
use jetway_support::postgres;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

const RUNS: usize = 10_000;
const TURNS: usize = 8;
const REPLAYED: usize = 1_000;
/// Rows that are written at once.
const AT_ONCE: usize = 500;

fn main() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        store("SQLite", Runs::default()).await;
        store("PostgreSQL", Runs { postgres: Some(server()), ..Runs::default() }).await;
        replays().await;
    });
}

fn server() -> Postgres {
    let server = Postgres::parse(&postgres::database()).unwrap();
    Postgres { user: Some(postgres::USER.to_owned()), timeout: Duration::from_secs(20), ..server }
}

fn record(begun: Timestamp, run: usize, turn: usize) -> Record {
    let seconds = i64::try_from(run * 60 + turn * 5).unwrap();
    let refused = CallRefused { tool: "Bash".into(), rule: "deny reads(**/.env*)".into(), ..CallRefused::default() };
    let is_refused = run.is_multiple_of(97) && turn == 3;
    let passage = |n: usize| Passage {
        source: format!("docs/page-{n}.md#Section"),
        hash: String::from("0123456789ab"),
        page: None,
        by: By::Task,
    };
    Record {
        id: format!("x_{run:06}_{turn}"),
        run: Some(format!("run_{run:06}")),
        at: begun.checked_add(SignedDuration::from_secs(seconds)).unwrap(),
        policy: Some(String::from(if run.is_multiple_of(3) { "coding" } else { "wizard" })),
        policy_version: Some(format!("v{}", run / 2_000)),
        user: Some(format!("user-{}", run % 500)),
        agent: if run.is_multiple_of(2) { "claude-code" } else { "codex" },
        endpoint: "reply",
        outcome: Some(if is_refused { Outcome::Cut } else { Outcome::Complete }),
        detail: is_refused.then(|| String::from("The budget of $5.00 for each user a day is used up.")),
        model: Some(String::from("claude-sonnet-5-5")),
        cost_micros: (run as u64 * 37) % 400_000,
        calls_refused: if is_refused { vec![refused] } else { Vec::new() },
        passages: (0..5).map(passage).collect(),
        tools_removed: (0..10).map(|n| format!("mcp__server__tool_{n}")).collect(),
        ..Record::default()
    }
}

async fn store(name: &str, runs: Runs) {
    let state = tempfile::tempdir().unwrap();
    let (tasks, close) = (TaskTracker::new(), CancellationToken::new());
    let log = Log::open(&runs, state.path(), (&tasks, close.clone())).unwrap();
    let begun = Timestamp::now().checked_sub(SignedDuration::from_hours(24 * 8)).unwrap();
    let clock = Instant::now();
    let all: Vec<(usize, usize)> = (0..RUNS).flat_map(|run| (0..TURNS).map(move |turn| (run, turn))).collect();
    for some in all.chunks(AT_ONCE) {
        let mut writing = JoinSet::new();
        for (run, turn) in some {
            let (log, record) = (log.clone(), record(begun, *run, *turn));
            writing.spawn(async move { log.write(&record).await });
        }
        writing.join_all().await.into_iter().for_each(Result::unwrap);
    }
    for run in (0..RUNS).step_by(3) {
        let ended = Ended {
            run: format!("run_{run:06}"),
            at: Timestamp::now(),
            ending: "quiet",
            id: format!("e_{run}"),
            ..Ended::default()
        };
        log.end(&ended).await.unwrap();
    }
    while log.undelivered() > 0 {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    println!("{name}: {} exchanges written in {:.1} s", RUNS * TURNS, clock.elapsed().as_secs_f64());
    bodies(&log, begun).await;
    let reader = Reader::open(&runs, state.path()).await.unwrap();
    let first = Filter { limit: 20, ..Filter::default() };
    let text = |text: &str| Some(text.to_owned());
    let week = begun.checked_add(SignedDuration::from_hours(24)).unwrap();
    for (what, filter) in [
        ("list", first.clone()),
        ("list of all", Filter { limit: 10_000, ..first.clone() }),
        ("policy and user", Filter { policy: text("wizard"), user: text("user-77"), ..first.clone() }),
        ("since and cost", Filter { since: Some(week), min_cost: Some(2_000_000), ..first.clone() }),
        ("ended", Filter { ended: text("quiet"), ..first.clone() }),
        ("ended, of which there are none", Filter { ended: text("cut"), ..first.clone() }),
        ("refused tool", Filter { refused: text("Bash"), ..first.clone() }),
        ("refused tool, of which there are none", Filter { refused: text("Write"), ..first.clone() }),
        ("text of a refusal", Filter { text: text("used up"), ..first.clone() }),
        ("text that most said", Filter { text: text("function"), ..first.clone() }),
        ("text that few said", Filter { text: text("Server-Sent"), ..first.clone() }),
        ("text that one said", Filter { text: text("commit 004242-3"), ..first.clone() }),
        ("text, of which there is none", Filter { text: text("kubernetes ingress"), ..first.clone() }),
        ("text of usual words, of which there is none", Filter { text: text("function the for"), ..first.clone() }),
    ] {
        let (time, count) = timed(|| async { reader.list(&filter).await.unwrap().len() }).await;
        println!("  {what}: {time:.1} ms, {count} runs");
    }
    let (time, _) = timed(|| async { reader.show("run_004242").await.unwrap().unwrap().1.len() }).await;
    println!("  show: {time:.1} ms");
    close.cancel();
    tasks.close();
    tasks.wait().await;
}

/// Bodies of all exchanges: in each a tool's result of some 7 KB is new, a piece of the texts of this repository.
async fn bodies(log: &Log, begun: Timestamp) {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let mut corpus = String::new();
    ["README.md", "ARCHITECTURE.md", "policies", "gateway/src", "gateway/core/src"]
        .iter()
        .for_each(|name| gather(&root.join(name), &mut corpus));
    let corpus: Arc<str> = corpus.into();
    let (clock, mut said) = (Instant::now(), 0);
    for some in (0..RUNS).collect::<Vec<_>>().chunks(AT_ONCE / TURNS) {
        let mut writing = JoinSet::new();
        for run in some.iter().copied() {
            let (log, corpus) = (log.clone(), Arc::clone(&corpus));
            writing.spawn(async move {
                let mut bytes = 0;
                for body in story(begun, run, &corpus) {
                    bytes += body.words.as_ref().map_or(0, String::len);
                    log.keep_body(body).await.unwrap();
                }
                bytes
            });
        }
        said += writing.join_all().await.iter().sum::<usize>();
        while log.undelivered() > AT_ONCE {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
    while log.undelivered() > 0 {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let (seconds, megabytes) = (clock.elapsed().as_secs_f64(), said >> 20);
    println!("  {} bodies, in which {megabytes} MB were said, written in {seconds:.1} s", RUNS * TURNS);
}

/// The texts of a file, or of all in a folder.
fn gather(path: &Path, texts: &mut String) {
    if let Ok(text) = std::fs::read_to_string(path) {
        texts.push_str(&text);
    } else if let Ok(files) = std::fs::read_dir(path) {
        let mut files: Vec<_> = files.map(|file| file.unwrap().path()).collect();
        files.sort();
        files.iter().for_each(|file| gather(file, texts));
    }
}

/// What was sent in each exchange of a run: all that was said before, and a result.
fn story(begun: Timestamp, run: usize, corpus: &str) -> Vec<Body> {
    let mut messages = vec![json!({ "role": "user", "content": "Add analytics to this Next.js project." })];
    let body = |turn: usize| {
        let record = record(begun, run, turn);
        let seed = (run * TURNS + turn) as u64;
        let place = |n: u64| (seed * 8 + n).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 16;
        let piece = |n: u64| {
            let from = usize::try_from(place(n)).unwrap() % (corpus.len() - 4_000);
            let (from, to) = (corpus.floor_char_boundary(from), corpus.floor_char_boundary(from + 3_500));
            &corpus[from..to]
        };
        let id = format!("toolu_{:012x}", place(2));
        let result = format!("commit {run:06}-{turn} {:012x}\n{}\n{}", place(3), piece(0), piece(1));
        messages.push(json!({ "role": "assistant", "content": [{ "type": "tool_use", "id": id, "name": "Bash",
            "input": { "command": format!("git show {:012x}", place(3)) } }] }));
        messages.push(
            json!({ "role": "user", "content": [{ "type": "tool_result", "tool_use_id": id, "content": result }] }),
        );
        let sent = json!({ "model": "claude-sonnet-5-5", "max_tokens": 1000, "messages": messages }).to_string();
        let said = json!({ "role": "assistant", "content": "I read it, and go on with what comes next." }).to_string();
        Body {
            exchange: record.id,
            run: record.run,
            user: record.user,
            at: record.at,
            words: words(sent.as_bytes(), Some(&said)),
            sent: sent.into(),
            said: Some(said),
        }
    };
    (0..TURNS).map(body).collect()
}

/// The median of several times, in milliseconds, and what came of it.
async fn timed<T>(mut doing: impl AsyncFnMut() -> T) -> (f64, T) {
    let mut times = Vec::new();
    let mut last = doing().await;
    for _ in 0..9 {
        let begun = Instant::now();
        last = doing().await;
        times.push(begun.elapsed().as_secs_f64() * 1e3);
    }
    times.sort_by(f64::total_cmp);
    (times[times.len() / 2], last)
}

/// Runs of eight requests that grow to some 60 KB, held against the shipped policy.
async fn replays() {
    let state = tempfile::tempdir().unwrap();
    let runs = Runs::default();
    let (tasks, close) = (TaskTracker::new(), CancellationToken::new());
    let log = Log::open(&runs, state.path(), (&tasks, close)).unwrap();
    let begun = Timestamp::now();
    for run in 0..REPLAYED {
        for turn in 0..TURNS {
            let record =
                Record { dialect: Some("messages"), policy: Some("wizard".into()), ..record(begun, run, turn) };
            let (id, at) = (record.id.clone(), record.at);
            let body = Body { exchange: id, run: record.run.clone(), at, sent: request(turn), ..Body::default() };
            let (written, kept) = tokio::join!(log.write(&record), log.keep_body(body));
            written.and(kept).unwrap();
        }
    }
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let gate = Gate::build(Config::load(&root.join("config/gateway.yaml"), Secrets::Leave).unwrap()).unwrap();
    let policy = &gate.config.policies["wizard"];
    let reader = Reader::open(&runs, state.path()).await.unwrap();
    let clock = Instant::now();
    let mut calls = 0;
    for run in 0..REPLAYED {
        let id = format!("run_{run:06}");
        let exchanges = reader.show(&id).await.unwrap().unwrap().1;
        let mut bodies = reader.bodies(&id).await.unwrap();
        let with_body = |exchange: Line| {
            let (sent, said) =
                bodies.remove(exchange["id"].as_str().unwrap()).map(|kept| (kept.sent, kept.said)).unzip();
            Recorded { exchange, sent, said: said.flatten() }
        };
        let recorded: Vec<Recorded> = exchanges.into_iter().map(with_body).collect();
        let mut replayed = replay::replay(&gate, policy, &recorded);
        let lines: Vec<&Line> = recorded.iter().map(|recorded| &recorded.exchange).collect();
        let bills = replay::bills(&gate, policy, &lines, std::slice::from_ref(&replayed));
        replayed.pay(lines.into_iter(), &bills);
        calls += replayed.calls.len();
    }
    let seconds = clock.elapsed().as_secs_f64();
    let rate = REPLAYED as f64 / seconds;
    println!("replay: {REPLAYED} runs, {calls} calls in {seconds:.1} s, {rate:.0} runs a second");
}

fn request(turn: usize) -> Bytes {
    let mut messages = vec![json!({ "role": "user", "content": "Add analytics to this Next.js project." })];
    for n in 0..turn {
        let id = format!("c{n}");
        let line = if n == 3 { "cat .env.local" } else { "npm test" };
        messages.push(json!({ "role": "assistant", "content": [{ "type": "tool_use", "id": id, "name": "Bash", "input": { "command": line } }] }));
        let result = format!("line {n} of what a command printed\n").repeat(250);
        messages.push(
            json!({ "role": "user", "content": [{ "type": "tool_result", "tool_use_id": id, "content": result }] }),
        );
    }
    let tools: Vec<Value> =
        (0..20).map(|n| json!({ "name": format!("Tool{n}"), "input_schema": { "type": "object" } })).collect();
    json!({ "model": "claude-sonnet-5-5", "max_tokens": 1000, "tools": tools, "messages": messages }).to_string().into()
}
