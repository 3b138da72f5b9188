//! What is set aside follows the reply as it streams.

use std::io::Read;

use super::{ask, budget, used};
use jetway_support::{Setup, eventually, provider};

/// Forty thousand bytes, which the provider counts as ten thousand tokens.
fn long(pace: &str) -> String {
    let text = "lorem ipsum ".repeat(3_334);
    format!(
        "scenarios: [{{ name: long, turns: [{{ text: '{text}', usage: {{ input: 100, output: 10000 }}, pace: {pace} }}] }}]"
    )
}

#[test]
fn a_long_reply_sets_more_aside_before_it_uses_it() {
    let provider = provider(&long("20ms"));
    let jetway = Setup::new(&provider.url()).with(&budget("{ per: user, usd: 1, every: day }")).start();
    let stream = ask("hi", 32_000, true).open(jetway.data);
    // At first 4096 tokens of output at 15 dollars a million, and what the input may cost.
    eventually(|| used(&jetway).1 > 0);
    let first = used(&jetway).1;
    assert!((61_440..63_500).contains(&first), "{first}");
    eventually(|| used(&jetway).1 > 120_000);
    let answer = jetway_support::client::read(stream);
    assert!(answer.whole && answer.text().contains("message_stop"));
    eventually(|| used(&jetway) == (300 + 150_000, 0));
}

#[test]
fn the_reported_input_takes_the_place_of_the_estimate() {
    let script = "scenarios: [{ name: s, turns: [{ text: 'a b c d e f', usage: { input: 10, cache_read: 20000, output: 10 }, pace: 200ms }] }]";
    let provider = provider(script);
    let sections = "budget: { mode: strict, caps: [{ per: user, usd: 1, every: day }] }\n";
    let jetway = Setup::new(&provider.url()).with(sections).start();
    let _stream = ask(&"x ".repeat(40_000), 100, true).open(jetway.data);
    eventually(|| used(&jetway) == (0, 30 + 6_000 + 1_500));
    eventually(|| used(&jetway) == (30 + 6_000 + 150, 0));
    // Strict: every byte could be a token.
    assert!(jetway.exchanges(1)[0]["held_micros"].as_i64().unwrap() > 3 * 80_000);
}

#[test]
fn what_is_only_counted_is_not_refused() {
    let provider = provider(&long("0ms"));
    let sections = "budget: { mode: soft, caps: [{ per: user, usd: 0.01, every: day }] }\n";
    let jetway = Setup::new(&provider.url()).with(sections).start();
    for _ in 0..2 {
        assert_eq!(ask("hi", 32_000, true).send(jetway.data).status, 200);
    }
    eventually(|| used(&jetway) == (2 * 150_300, 0));
}

#[test]
fn a_reply_may_finish_and_what_goes_over_is_owed() {
    let provider = provider(&long("0ms"));
    let sections = "budget: { on_exhausted: finish, caps: [{ per: user, usd: 0.07, every: day }] }\n";
    let jetway = Setup::new(&provider.url()).with(sections).start();
    let answer = ask("hi", 32_000, true).send(jetway.data);
    assert!(answer.whole && answer.text().contains("message_stop"));
    eventually(|| used(&jetway) == (150_300, 0));
    assert_eq!(ask("hi", 10, true).send(jetway.data).status, 429);
    let connection = rusqlite::Connection::open(jetway.folder.path().join("state/ledger.db")).unwrap();
    connection.execute("UPDATE clock SET now = now + 86400", []).unwrap();
    // The next day begins with what was spent too much: nothing is left of its 70,000.
    let refused = ask("hi", 10, true).send(jetway.data);
    assert!(refused.message().contains("has $0.00 left"), "{}", refused.message());
    connection.execute("UPDATE clock SET now = now + 86400", []).unwrap();
    assert_eq!(ask("hi", 10, false).send(jetway.data).status, 200);
}

#[test]
fn a_reply_that_is_no_stream_is_waited_for_after_the_agent_left() {
    let script = "scenarios: [{ name: s, turns: [{ text: a, usage: { input: 100, output: 10 }, fault: { stall: { after: 0, for: 1s } } }] }]";
    let provider = provider(script);
    let sections = "budget: { on_client_gone: drain, drain_time: 20s, caps: [{ per: user, usd: 1, every: day }] }\n";
    let jetway = Setup::new(&provider.url()).with(sections).start();
    let stream = ask("hi", 1_000, false).open(jetway.data);
    eventually(|| provider.seen().len() == 1);
    drop(stream);
    eventually(|| used(&jetway) == (300 + 150, 0));
}

#[test]
fn a_drain_ends_at_its_bounds() {
    let provider = provider(&long("100ms"));
    let sections = "budget: { on_client_gone: drain, drain_time: 300ms, caps: [{ per: user, usd: 1, every: day }] }\n";
    let jetway = Setup::new(&provider.url()).with(sections).start();
    let mut stream = ask("hi", 32_000, true).open(jetway.data);
    assert!(stream.read(&mut [0; 500]).unwrap() > 0);
    drop(stream);
    let exchange = jetway.exchanges(1).remove(0);
    assert_eq!((exchange["outcome"].as_str(), exchange["estimated"].as_i64()), (Some("client_gone"), Some(1)));
    eventually(|| provider.seen().iter().all(|seen| !seen.served.finished));
}
