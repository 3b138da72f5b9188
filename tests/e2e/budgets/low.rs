//! What happens to a request that finds too little left: refused, clamped, or sent to a cheaper model.

use super::{ask, used};
use jetway_support::{Jetway, Setup, eventually, provider};
use serde_json::Value;

const SCRIPT: &str = "scenarios: [{ name: plain, turns: [{ text: Hello., usage: { input: 50, output: 10 } }] }]";

fn start(url: &str, on_low: &str) -> Jetway {
    let caps = "{ per: user, usd: 0.02, every: day }";
    Setup::new(url).with(&format!("budget: {{ caps: [{caps}], {on_low} }}\n")).start()
}

fn sent(provider: &jetway_scripted::Provider) -> Value {
    serde_json::from_slice(&provider.seen().pop().unwrap().body).unwrap()
}

/// What was decided about the one request, and why.
#[track_caller]
fn decided(jetway: &Jetway, expect: &[&str], reason: &[&str]) {
    let exchange = jetway.exchanges(1).remove(0);
    let (decision, count) = (&exchange["decisions"][0], exchange["decisions"].as_array().map(Vec::len));
    assert_eq!(count, Some(1), "{exchange}");
    assert_eq!(["what", "of", "rule"].map(|name| decision[name].as_str().unwrap()), expect, "{exchange}");
    let said = decision["reason"].as_str().unwrap();
    assert!(reason.iter().all(|part| said.contains(part)), "{said}");
}

#[test]
fn the_limit_of_a_policy_is_told_where_it_is_less() {
    let provider = provider(SCRIPT);
    let jetway = Setup::new(&provider.url()).with("budget: { output_limit: 500 }\n").start();
    assert_eq!(ask("hi", 10_000, true).send(jetway.data).status, 200);
    decided(&jetway, &["clamped", "10000 tokens", "budget.output_limit"], &["500 tokens at most"]);
    assert_eq!(ask("hi", 500, true).send(jetway.data).status, 200);
    assert_eq!(jetway.exchanges(2)[1]["decisions"], serde_json::json!([]));
}

#[test]
fn a_request_is_clamped_to_what_is_left() {
    let provider = provider(SCRIPT);
    let jetway = start(&provider.url(), "on_low: clamp, clamp_floor: 500");
    let answer = ask("hi", 10_000, true).send(jetway.data);
    assert_eq!(answer.status, 200, "{}", answer.text());
    let limit = sent(&provider)["max_tokens"].as_u64().unwrap();
    assert!((1_100..1_334).contains(&limit), "{limit}");
    assert_eq!(answer.header("x-jetway-clamped-to"), Some(limit.to_string().as_str()));
    let why = "has $0.02 left";
    decided(&jetway, &["clamped", "the output", "budget.on_low"], &[&format!("{limit} tokens at most: "), why]);
    // One that fits goes out as it is.
    eventually(|| used(&jetway).1 == 0);
    assert_eq!(ask("hi", 600, true).send(jetway.data).header("x-jetway-clamped-to"), None);
    assert_eq!(sent(&provider)["max_tokens"], 600);
}

#[test]
fn below_the_floor_it_is_refused() {
    let provider = provider(SCRIPT);
    let jetway = start(&provider.url(), "on_low: clamp, clamp_floor: 5000");
    let answer = ask("hi", 10_000, true).send(jetway.data);
    assert_eq!((answer.status, provider.seen().len()), (429, 0));
    assert!(answer.message().contains("has $0.02 left"), "{}", answer.message());
}

#[test]
fn a_request_goes_to_a_cheaper_model() {
    let provider = provider(SCRIPT);
    let jetway = start(&provider.url(), "on_low: downgrade, downgrade_to: claude-haiku-4-5");
    let answer = ask("hi", 3_000, false).send(jetway.data);
    assert_eq!((answer.status, answer.header("x-jetway-downgraded-to")), (200, Some("claude-haiku-4-5")));
    assert_eq!(sent(&provider)["model"], "claude-haiku-4-5");
    decided(
        &jetway,
        &["downgraded", "claude-sonnet-5-5", "budget.on_low"],
        &["it is sent to claude-haiku-4-5: ", "has $0.02 left"],
    );
    // Haiku costs 1 and 5 dollars a million tokens.
    eventually(|| used(&jetway) == (50 + 5 * 10, 0));
    // Too much for that one as well.
    assert_eq!(ask("hi", 9_000, false).send(jetway.data).status, 429);
}
