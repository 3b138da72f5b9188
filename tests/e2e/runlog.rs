//! The run log when processes die: whatever was settled is in it, once, in either store.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use jetway_support::client::{get, post};
use jetway_support::postgres::{self, Postgres};
use jetway_support::{Jetway, Setup, eventually, provider};
use serde_json::{Value, json};

const SCRIPT: &str = "
scenarios:
  - name: corrected
    when: { contains: giraffe }
    turns:
      - { text: 'I look.', calls: [{ tool: Bash, input: { command: cat .env } }], usage: { input: 900, output: 77 }, pace: 1ms }
      - { text: 'one two three', usage: { input: 900, output: 77 }, pace: 10ms }
  - name: any
    turns: [{ text: 'one two three', usage: { input: 900, output: 77 }, pace: 1ms }]
";

fn setup(provider: &str, url: Option<&str>) -> Setup {
    const POLICY: &str = "budget: { caps: [{ per: user, usd: 100, every: day }] }\nlockdown: { allow: [Read] }\n";
    let mut setup = Setup::new(provider).with(POLICY);
    if let Some(url) = url {
        setup.more = format!("runs: {{ postgres: {{ urls: ['{url}'], user: {}, timeout: 20s }} }}", postgres::USER);
    }
    setup
}

fn ask(to: std::net::SocketAddr, run: &str) -> u16 {
    say("zebra", to, run)
}

/// A giraffe takes two turns, of which the agent sees one.
fn say(text: &str, to: std::net::SocketAddr, run: &str) -> u16 {
    // What is sent again is no turn of its own, and these are.
    static SENT: AtomicU64 = AtomicU64::new(0);
    let task = format!("{text} {}", SENT.fetch_add(1, Ordering::Relaxed));
    let messages = json!([{ "role": "user", "content": task }]);
    let tools = ["Read", "Bash"].map(|name| json!({ "name": name, "input_schema": { "type": "object" } }));
    let mut body = json!({ "model": "claude-sonnet-5-5", "max_tokens": 100, "stream": true, "messages": messages });
    if text == "giraffe" {
        body["tools"] = json!(tools);
    }
    post("/v1/messages", body.to_string()).header("x-jetway-run", run).send(to).status
}

/// What each turn of the exchanges in the log cost, by what it was held as. All turns of one cost the same.
fn logged(jetway: &Jetway) -> BTreeMap<String, i64> {
    let turns = |exchange: Value| {
        let (id, cost) = (exchange["id"].as_str().unwrap().to_owned(), exchange["cost_micros"].as_i64().unwrap());
        let inner = exchange["inner_turns"].as_i64().unwrap();
        let hold = move |turn: i64| if turn == 0 { id.clone() } else { format!("{id}.{turn}") };
        (0..=inner).map(move |turn| (hold(turn), cost / (inner + 1)))
    };
    jetway.exchanges(0).into_iter().flat_map(turns).collect()
}

/// What the ledger has charged, and the holds that it charged in full because their process died, with what
/// that was.
fn charged(jetway: &Jetway) -> (i64, BTreeMap<String, i64>) {
    let books = jetway.json(&["budgets", "--json"]);
    let used: f64 = books["accounts"].as_array().unwrap().iter().map(|account| account["used"].as_f64().unwrap()).sum();
    let hold = |hold: &Value| (hold["exchange"].as_str().unwrap().to_owned(), hold["amount"].as_i64().unwrap());
    ((used * 1e6).round() as i64, books["abandoned"].as_array().unwrap().iter().map(hold).collect())
}

/// Kills a gateway under traffic at many instants; what it has settled must be in the log.
fn survives(url: Option<&str>, mut between: impl FnMut(u64)) {
    let provider = provider(SCRIPT);
    let mut folder = tempfile::tempdir().unwrap();
    for round in 0..10 {
        let jetway = setup(&provider.url(), url).start_in(folder);
        let to = jetway.data;
        let agents: Vec<_> = (0..8)
            .map(|agent| {
                std::thread::spawn(move || {
                    // A gateway that dies in the middle leaves a client with all kinds of ends.
                    let text = ["zebra", "giraffe"][agent % 2];
                    let asks = || std::panic::catch_unwind(|| say(text, to, &format!("agent {agent}"))).is_ok();
                    (0..200).take_while(|_| asks()).count()
                })
            })
            .collect();
        std::thread::sleep(Duration::from_millis(400 + round * 23));
        between(round);
        folder = jetway.kill();
        agents.into_iter().for_each(|agent| drop(agent.join()));
    }
    let jetway = setup(&provider.url(), url).start_in(folder);
    // What the journal holds is told in its time; more than that never comes.
    eventually(|| {
        let (used, abandoned) = charged(&jetway);
        let settled = logged(&jetway).into_iter().filter(|(id, _)| !abandoned.contains_key(id));
        settled.map(|(_, cost)| cost).sum::<i64>() == used - abandoned.values().sum::<i64>()
    });
    let ((_, abandoned), logged) = (charged(&jetway), logged(&jetway));
    assert!(!abandoned.is_empty(), "nothing was under way when it was killed, so nothing is shown");
    // Of a turn that was over while its reply went on, what it cost was held.
    let over: Vec<i64> = abandoned
        .iter()
        .filter(|(hold, _)| abandoned.contains_key(&format!("{hold}.1")))
        .map(|(_, amount)| *amount)
        .collect();
    let cost = *logged.values().next().unwrap();
    assert!(!over.is_empty() && over.iter().all(|amount| *amount == cost), "{over:?} {cost}");
    // Runs have counted each of their exchanges once.
    let runs = jetway.json(&["runs", "--json", "--limit", "1000"]);
    let turns: i64 = runs.as_array().unwrap().iter().map(|run| run["turns"].as_i64().unwrap()).sum();
    assert_eq!(turns, i64::try_from(jetway.exchanges(0).len()).unwrap());
    assert!(turns > 20, "{turns}");
}

#[test]
fn what_was_settled_is_in_the_embedded_log_whenever_the_process_is_killed() {
    survives(None, |_| ());
}

#[test]
fn what_was_settled_is_in_postgres_whenever_the_process_or_the_server_is_killed() {
    let mut server = Postgres::start(&[]);
    let url = server.database();
    survives(Some(&url), |round| {
        if round % 3 == 1 {
            server.restart();
        }
    });
}

#[test]
fn two_gateways_write_one_log_and_any_may_be_asked() {
    let (provider, url) = (provider(SCRIPT), postgres::database());
    let fleet = [setup(&provider.url(), Some(&url)).start(), setup(&provider.url(), Some(&url)).start()];
    for jetway in &fleet {
        assert_eq!(ask(jetway.data, "common"), 200);
    }
    for jetway in &fleet {
        assert_eq!(jetway.exchanges(2).len(), 2);
    }
    let minted = fleet[0].command(&["budgets", "log", "--json"]);
    assert!(minted.status.success(), "{}", String::from_utf8_lossy(&minted.stderr));
    eventually(|| fleet[0].metrics().contains("jetway_store_waiting{store=\"postgres\"} 0"));
}

#[test]
fn what_a_model_was_shown_is_found_at_every_gateway_of_a_fleet_when_its_page_is_gone() {
    let (provider, url) = (provider(SCRIPT), postgres::database());
    let start = |page: Option<&str>| {
        let mut setup = setup(&provider.url(), Some(&url));
        setup.policies[0].1 += "context: { docs: docs, min_score: 0 }\n";
        let page = page.unwrap_or("# Ants\nNothing else.\n");
        setup.files.push(("open/docs/a.md".to_owned(), page.to_owned()));
        setup.start()
    };
    let (first, second) = (start(Some("# Zebras\nA zebra is striped.\n")), start(None));
    assert_eq!(ask(first.data, "job"), 200);
    let exchange = first.exchanges(1).remove(0);
    let hash = exchange["passages"][0]["hash"].as_str().unwrap();
    eventually(|| second.json(&["docs", "show", hash, "--json"]).as_array().is_some_and(|found| !found.is_empty()));
    let found = second.json(&["docs", "show", &hash[..8], "--json"]);
    let told = ["policy", "page", "text", "version"].map(|name| found[0][name].as_str().unwrap().to_owned());
    let version = exchange["passages"][0]["page"].as_str().unwrap();
    assert_eq!(told, ["open", "a.md#Zebras", "A zebra is striped.", version]);
    let printed = second.command(&["docs", "show", hash]);
    assert!(String::from_utf8_lossy(&printed.stdout).contains("A zebra is striped."));
    let never = second.command(&["docs", "show", "0123456789ab"]);
    assert!(String::from_utf8_lossy(&never.stderr).contains("0123456789ab"), "{never:?}");
}

#[test]
fn it_serves_while_postgres_is_away_and_says_so() {
    let (provider, mut server) = (provider(SCRIPT), Postgres::start(&[]));
    let url = server.database();
    server.kill();
    let jetway = setup(&provider.url(), Some(&url)).start();
    assert_eq!(ask(jetway.data, "early"), 200);
    eventually(|| jetway.metrics().contains("jetway_store_waiting{store=\"postgres\"} 1"));
    jetway.says("kept in the journal until the run log can be reached");
    let output = jetway.command(&["runs"]);
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success() && said.contains("the run log cannot be used"), "{said}");
    server.restart();
    assert_eq!(jetway.exchanges(1)[0]["outcome"], "complete");
}

/// Keeps everybody else from writing to a file of the state until it is dropped.
fn lock(jetway: &Jetway, file: &str) -> rusqlite::Connection {
    let connection = rusqlite::Connection::open(jetway.folder.path().join("state").join(file)).unwrap();
    connection.busy_timeout(Duration::from_secs(20)).unwrap();
    connection.execute_batch("BEGIN IMMEDIATE").unwrap();
    connection
}

/// How often something of a metric was counted.
fn counted(jetway: &Jetway, series: &str) -> u64 {
    let text = jetway.metrics();
    let found = text.lines().find_map(|line| line.strip_prefix(series)?.trim().parse::<f64>().ok());
    found.map_or(0, |count| count as u64)
}

#[test]
fn bodies_are_shed_and_counted_where_too_many_wait_and_records_are_not() {
    const REQUESTS: u64 = 80;
    let provider = provider(SCRIPT);
    let mut setup = setup(&provider.url(), None);
    setup.more = String::from("runs: { bodies: full }");
    let jetway = setup.start();
    assert_eq!(ask(jetway.data, "first"), 200);
    let bodies = |result: &str| counted(&jetway, &format!("jetway_bodies_total{{result=\"{result}\"}}"));
    eventually(|| bodies("kept") == 1);
    let locks = ["runs.db", "runs-bodies.db"].map(|file| lock(&jetway, file));
    let text = format!("zebra {}", "z".repeat(1 << 20));
    let agents: Vec<_> = (0..4)
        .map(|_| {
            let (to, text) = (jetway.data, text.clone());
            std::thread::spawn(move || (0..REQUESTS / 4).all(|_| say(&text, to, "large") == 200))
        })
        .collect();
    assert!(agents.into_iter().all(|agent| agent.join().unwrap()), "what waits for the log delays no agent");
    eventually(|| bodies("shed") > 0);
    drop(locks);
    eventually(|| bodies("kept") + bodies("shed") + bodies("failed") == REQUESTS + 1);
    let (kept, shed) = (bodies("kept"), bodies("shed"));
    assert!(kept > 1 && shed < REQUESTS, "{kept} {shed}");
    assert_eq!(jetway.exchanges(REQUESTS as usize + 1).len(), REQUESTS as usize + 1);
}

#[test]
fn where_nothing_can_be_written_nothing_new_is_begun_and_nothing_is_lost() {
    const MOST: usize = 10_000;
    let provider = provider(SCRIPT);
    let jetway = setup(&provider.url(), None).start();
    let locked = lock(&jetway, "runs.db");
    assert_eq!(ask(jetway.data, "first"), 200);
    let (to, each) = (jetway.data, MOST / 4 + 10);
    let agents: Vec<_> = (0..4)
        .map(|_| std::thread::spawn(move || (0..each).filter(|_| get("/nowhere").send(to).status == 404).count()))
        .collect();
    // A refusal is an exchange like others, until there is no room for more.
    let taken: usize = 1 + agents.into_iter().map(|agent| agent.join().unwrap()).sum::<usize>();
    assert!((MOST..MOST + 8).contains(&taken), "{taken}");
    assert_eq!(ask(jetway.data, "second"), 503);
    assert!(counted(&jetway, "jetway_store_waiting{store=\"log\"}") >= MOST as u64);
    drop(locked);
    let read = rusqlite::Connection::open(jetway.folder.path().join("state/runs.db")).unwrap();
    let count = || read.query_row("SELECT count(*) FROM exchange", [], |row| row.get::<_, i64>(0)).unwrap();
    eventually(|| count() >= taken as i64);
    assert_eq!(ask(jetway.data, "third"), 200);
    eventually(|| count() == taken as i64 + 1);
}
