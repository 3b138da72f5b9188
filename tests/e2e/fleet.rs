//! Several processes on one Redis, some of which are killed: what was charged is what the provider
//! served.

use std::net::SocketAddr;

use serde_json::json;

use jetway_support::client::{Ask, post, read};
use jetway_support::redis::Redis;
use jetway_support::{Jetway, Setup, eventually, provider};

/// Sonnet costs 3 and 15 dollars a million tokens.
const SCRIPT: &str = "
scenarios:
  - { name: slow, when: { contains: slow }, turns: [{ text: 'one two three four five six seven eight', usage: { input: 712, output: 83 }, pace: 250ms }] }
  - { name: quick, turns: [{ text: 'one two', usage: { input: 312, cache_read: 1001, output: 57 }, pace: 1ms }] }
";

fn ask(say: &str) -> Ask {
    // As long as its tokens want it.
    let say = say.to_owned() + &" and".repeat(1_500);
    let messages = json!([{ "role": "user", "content": say }]);
    let body = json!({ "model": "claude-sonnet-5-5", "max_tokens": 500, "stream": true, "messages": messages });
    post("/v1/messages", body.to_string())
}

fn setup(provider: &jetway_scripted::Provider, redis: &Redis, usd: f64) -> Setup {
    let sections = format!(
        "budget: {{ caps: [{{ per: user, usd: {usd}, every: day }}, {{ per: policy, usd: 100, every: month }}] }}\n"
    );
    let mut setup = Setup::new(&provider.url()).with(&sections);
    let secret = redis.folder().join("secret");
    std::fs::write(&secret, "0123456789abcdef0123456789abcdef").unwrap();
    setup.more = format!(
        "secret: {{ file: {} }}\nledger: {{ redis: {{ urls: ['{}'], lease: 3s, timeout: 1s }} }}",
        secret.display(),
        redis.url()
    );
    setup
}

/// Micro-dollars that were charged to the user, and that are held.
fn used(jetway: &Jetway) -> (i64, i64) {
    let output = jetway.command(&["budgets", "--json"]);
    let Ok(books) = serde_json::from_slice::<serde_json::Value>(&output.stdout) else { return (-1, -1) };
    let accounts = books["accounts"].as_array().unwrap().clone();
    let account = accounts.iter().find(|account| account["account"].as_str().unwrap().contains("user="));
    let micros = |name: &str| (account.map_or(0.0, |account| account[name].as_f64().unwrap()) * 1e6).round() as i64;
    (micros("used"), micros("held"))
}

fn billed(provider: &jetway_scripted::Provider) -> i64 {
    let cost = |served: jetway_scripted::Served| {
        let millionths = served.input * 3_000_000 + served.cache_read * 300_000 + served.output * 15_000_000;
        i64::try_from(millionths.div_ceil(1_000_000)).unwrap()
    };
    provider.seen().into_iter().map(|seen| cost(seen.served)).sum()
}

/// Agents that ask these gateways in turn, and how many of their requests were served.
fn storm(gateways: &[SocketAddr], agents: usize) -> usize {
    let threads: Vec<_> = (0..agents)
        .map(|agent| {
            let to = gateways[agent % gateways.len()];
            std::thread::spawn(move || (0..4).filter(|_| ask("quick").send(to).status == 200).count())
        })
        .collect();
    threads.into_iter().map(|thread| thread.join().unwrap()).sum()
}

#[test]
fn three_processes_hold_one_budget_together() {
    let (provider, redis) = (provider(SCRIPT), Redis::start(&[]));
    let fleet: Vec<Jetway> = (0..3).map(|_| setup(&provider, &redis, 0.2).start()).collect();
    let addresses: Vec<SocketAddr> = fleet.iter().map(|jetway| jetway.data).collect();
    let served = storm(&addresses, 48);
    assert_eq!(provider.seen().len(), served);
    assert!((30..48 * 4).contains(&served), "{served}");
    eventually(|| used(&fleet[0]) == (billed(&provider), 0));
    assert!(billed(&provider) <= 200_000, "{}", billed(&provider));
}

#[test]
fn what_a_killed_process_held_is_charged_in_full() {
    let (provider, redis) = (provider(SCRIPT), Redis::start(&[]));
    let (dies, lives) = (setup(&provider, &redis, 1.0).start(), setup(&provider, &redis, 1.0).start());
    let _lost = ask("slow").open(dies.data);
    let kept = ask("slow").open(lives.data);
    eventually(|| provider.seen().len() == 2);
    // Both hold 500 tokens of output and their input.
    eventually(|| used(&lives).1 > 2 * 7_500);
    let folder = dies.kill();
    let answer = read(kept);
    assert!(answer.whole && answer.text().contains("message_stop"));
    eventually(|| used(&lives).1 == 0);
    let abandoned = |kind: &str| -> Vec<(String, i64)> {
        let books = lives.json(&["budgets", "--json"]);
        let holds = books["abandoned"].as_array().unwrap().iter();
        let text = |hold: &serde_json::Value, name: &str| hold[name].as_str().unwrap().to_owned();
        holds
            .filter(|hold| text(hold, "account").contains("user=") && text(hold, "exchange").starts_with(kind))
            .map(|hold| (text(hold, "exchange"), hold["amount"].as_i64().unwrap()))
            .collect()
    };
    // Its hold is charged in full, and so is what it had leased, which nobody else can know to be unused.
    let (held, leased) = (abandoned("x_"), abandoned("lease_"));
    assert_eq!((held.len(), leased.len()), (1, 1));
    assert_eq!(used(&lives).0, 712 * 3 + 83 * 15 + held[0].1 + leased[0].1);
    assert!(used(&lives).0 >= billed(&provider));
    // When it comes back it gives back its lease; an operator may give back the hold.
    let back = setup(&provider, &redis, 1.0).start_in(folder);
    eventually(|| abandoned("lease_").is_empty());
    assert!(back.command(&["budgets", "release", &held[0].0, "--reason", "looked at"]).status.success());
    assert_eq!(used(&lives).0, 712 * 3 + 83 * 15);
}

/// Redis is killed while replies are under way, and started again.
fn survives(args: &[&str]) {
    let (provider, mut redis) = (provider(SCRIPT), Redis::start(args));
    let fleet: Vec<Jetway> = (0..3).map(|_| setup(&provider, &redis, 1.0).start()).collect();
    let addresses: Vec<SocketAddr> = fleet.iter().map(|jetway| jetway.data).collect();
    assert_eq!(storm(&addresses, 6), 24);
    eventually(|| used(&fleet[0]).0 == billed(&provider));
    let streams: Vec<_> = addresses.iter().map(|to| ask("slow").open(*to)).collect();
    eventually(|| provider.seen().len() == 24 + 3);
    redis.kill();
    // What is under way is not ended for the ledger's sake, and ends while it is gone.
    for stream in streams {
        let answer = read(stream);
        assert!(answer.whole && answer.text().contains("message_stop"));
    }
    // From what was leased before, some more are served.
    let away = storm(&addresses[..1], 1);
    redis.restart();
    eventually(|| used(&fleet[0]) == (billed(&provider), 0));
    assert_eq!(provider.seen().len(), 27 + away);
    assert_eq!(storm(&addresses, 3), 12);
    eventually(|| used(&fleet[0]) == (billed(&provider), 0));
}

#[test]
fn a_redis_that_keeps_a_file_may_be_killed() {
    survives(&["--appendonly", "yes", "--appendfsync", "always"]);
}

#[test]
fn a_redis_that_forgets_everything_may_be_killed() {
    survives(&[]);
}

#[test]
fn an_outage_is_no_empty_budget() {
    let (provider, mut redis) = (provider(SCRIPT), Redis::start(&[]));
    let mut setup = setup(&provider, &redis, 1.0);
    setup.policies[0].1 = setup.policies[0].1.replace("budget: {", "budget: { on_error: refuse,");
    let jetway = setup.start();
    assert_eq!(ask("quick").send(jetway.data).status, 200);
    redis.kill();
    let refused = ask("quick").send(jetway.data);
    assert_eq!((refused.status, refused.header("retry-after")), (503, Some("2")));
    assert!(refused.message().contains("cannot reach the ledger"), "{}", refused.message());
    // Whoever balances the load keeps it: the other replicas would be no better off.
    let ready = jetway_support::client::get("/readyz").send(jetway.admin);
    assert_eq!(ready.status, 200);
    redis.restart();
    eventually(|| ask("quick").send(jetway.data).status == 200);
}

#[test]
fn it_does_not_start_without_its_ledger() {
    let (provider, mut redis) = (provider(SCRIPT), Redis::start(&[]));
    let jetway = setup(&provider, &redis, 1.0).start();
    redis.kill();
    let folder = jetway.kill();
    let output = jetway_support::jetway(folder.path(), &["serve", "--any-port"]).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success() && said.contains("the ledger cannot be reached"), "{said}");
}
