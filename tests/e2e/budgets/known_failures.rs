//! Ways in which budgets are known to have failed elsewhere.

use super::{ask, budget, used};
use jetway_support::client::post;
use jetway_support::{Setup, eventually, provider};
use serde_json::json;

const SCRIPT: &str = "
scenarios:
  - name: slow
    when: { contains: slowly }
    turns: [{ text: 'one two three four five six seven eight nine ten', usage: { input: 1000, output: 100 }, pace: 150ms }]
  - name: plain
    turns: [{ text: Hello., usage: { input: 1000, output: 100 } }]
";

#[test]
fn eight_concurrent_first_requests_of_an_unknown_user_spend_one_budget() {
    let provider = provider(SCRIPT);
    // Each holds 15,000 for its output and some for its input: two fit.
    let jetway = Setup::new(&provider.url()).with(&budget("{ per: user, usd: 0.033, every: day }")).start();
    let threads: Vec<_> = (0..8)
        .map(|_| {
            let (ask, to) = (ask("slowly", 1_000, true).header("x-api-key", "sk-never-seen-before"), jetway.data);
            std::thread::spawn(move || ask.send(to).status)
        })
        .collect();
    let served = threads.into_iter().map(|thread| thread.join().unwrap()).filter(|status| *status == 200).count();
    assert_eq!((served, provider.seen().len()), (2, 2));
    eventually(|| used(&jetway) == (2 * 4_500, 0));
}

#[test]
fn a_model_with_no_price_is_reserved_and_charged_at_the_default() {
    let provider = provider(SCRIPT);
    let jetway = Setup::new(&provider.url()).with(&budget("{ per: user, usd: 0.01, every: day }")).start();
    let ask = |limit: u64| {
        let user = json!([{ "role": "user", "content": "hi" }]);
        let body = json!({ "model": "mystery", "max_tokens": limit, "messages": user });
        post("/v1/messages", body.to_string()).send(jetway.data)
    };
    // By default an unknown model costs 75 dollars a million tokens of output.
    assert_eq!(ask(200).status, 429);
    assert!(provider.seen().is_empty());
    assert_eq!(ask(100).status, 200);
    // What was reserved was too little for this input; what goes over is charged all the same.
    eventually(|| used(&jetway) == (15 * 1_000 + 75 * 100, 0));
    assert_eq!(ask(1).status, 429);
}

#[test]
fn scopes_are_reserved_together_or_not_at_all() {
    let provider = provider(SCRIPT);
    let caps = "{ per: user, usd: 1, every: day }, { per: policy, usd: 1, every: day }, { per: model, usd: 0.001, every: day }";
    let jetway = Setup::new(&provider.url()).with(&budget(caps)).start();
    for _ in 0..3 {
        let refused = ask("hi", 1_000, true).send(jetway.data);
        assert!(refused.message().contains("for the models `claude-sonnet-*`"), "{}", refused.text());
    }
    assert_eq!(used(&jetway), (0, 0));
}

#[test]
fn a_disconnect_counts_what_was_made() {
    use std::io::Read;
    let provider = provider(SCRIPT);
    let sections = "budget: { caps: [{ per: user, usd: 1, every: day }], on_client_gone: drain }\n";
    let jetway = Setup::new(&provider.url()).with(sections).start();
    for _ in 0..3 {
        let mut stream = ask("slowly", 1_000, true).open(jetway.data);
        assert!(stream.read(&mut [0; 600]).unwrap() > 0);
    }
    eventually(|| used(&jetway) == (3 * 4_500, 0));
    assert!(provider.seen().iter().all(|seen| seen.served.finished && seen.served.output == 100));
}

#[test]
fn a_window_that_rolls_over_in_the_middle_of_a_stream_keeps_its_charge() {
    use std::io::Read;
    let provider = provider(SCRIPT);
    let jetway = Setup::new(&provider.url()).with(&budget("{ per: user, usd: 0.03, every: day }")).start();
    let mut stream = ask("slowly", 1_000, true).open(jetway.data);
    assert!(stream.read(&mut [0; 600]).unwrap() > 0);
    let ledger = rusqlite::Connection::open(jetway.folder.path().join("state/ledger.db")).unwrap();
    let today: i64 = ledger.query_row("SELECT number FROM slot", [], |row| row.get(0)).unwrap();
    // The ledger's clock never goes back, so this is tomorrow from now on.
    ledger.execute("UPDATE clock SET now = now + 86400", []).unwrap();
    assert_eq!(ask("hi", 100, true).send(jetway.data).status, 200);
    stream.read_to_end(&mut Vec::new()).unwrap();
    let spent = |day: i64| -> Option<(i64, i64, i64)> {
        let sql = "SELECT used, held, debt FROM slot WHERE number = ?1";
        ledger.query_row(sql, [day], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?))).ok()
    };
    eventually(|| (spent(today), spent(today + 1)) == (Some((4_500, 0, 0)), Some((4_500, 0, 0))));
}
