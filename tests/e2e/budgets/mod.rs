//! Budgets hold before, during and after; what is charged is what the provider billed.

mod bounds;
mod crashes;
mod cuts;
mod known_failures;
mod low;
mod many;
mod operators;
mod rates;
mod replies;
mod shown;

use jetway_core::tokens::{Family, count};
use serde_json::{Value, json};

use jetway_support::client::{Answer, Ask, post};
use jetway_support::{Jetway, Setup, eventually, provider};

/// Sonnet costs 3 and 15 dollars a million tokens: this reply costs 3 * 1000 + 15 * 100 = 4500 micro-dollars.
const SCRIPT: &str = "
scenarios:
  - name: slow
    when: { contains: slowly }
    turns: [{ text: 'one two three four five six seven eight nine ten', usage: { input: 1000, output: 100 }, pace: 150ms }]
  - name: plain
    turns: [{ text: Hello., usage: { input: 1000, output: 100 } }]
";

fn ask(say: &str, max_tokens: u64, stream: bool) -> Ask {
    let body = json!({
        "model": "claude-sonnet-5-5", "max_tokens": max_tokens, "stream": stream,
        "messages": [{ "role": "user", "content": say }],
    });
    post("/v1/messages", body.to_string())
}

fn used(jetway: &Jetway) -> (i64, i64) {
    let path = jetway.folder.path().join("state/ledger.db");
    let connection = rusqlite::Connection::open(path).unwrap();
    let sums = "SELECT coalesce(sum(used), 0), coalesce(sum(held), 0) FROM slot WHERE account LIKE '%usd%'";
    connection.query_row(sums, [], |row| Ok((row.get(0)?, row.get(1)?))).unwrap()
}

/// What the provider would bill for all that it served, in micro-dollars at Sonnet's prices. It is
/// the provider's own account, to the token.
fn billed(provider: &jetway_scripted::Provider) -> i64 {
    let cost = |served: jetway_scripted::Served| {
        let millionths = served.input * 3_000_000
            + served.cache_read * 300_000
            + served.cache_write * 3_750_000
            + served.output * 15_000_000;
        i64::try_from(millionths.div_ceil(1_000_000)).unwrap()
    };
    provider.seen().into_iter().map(|seen| cost(seen.served)).sum()
}

fn budget(caps: &str) -> String {
    format!("budget: {{ caps: [{caps}] }}\n")
}

#[test]
fn what_is_charged_is_what_the_provider_billed() {
    let provider = provider(SCRIPT);
    let jetway = Setup::new(&provider.url()).with(&budget("{ per: user, usd: 1, every: day }")).start();
    for stream in [true, false] {
        assert_eq!(ask("hi", 100, stream).send(jetway.data).status, 200);
    }
    eventually(|| used(&jetway) == (9000, 0));
    for exchange in jetway.exchanges(2) {
        let figures = ["input", "output", "cost_micros", "estimated"].map(|name| exchange[name].as_i64().unwrap());
        assert_eq!(figures, [1000, 100, 4500, 0]);
    }
}

fn assert_exhausted(answer: &Answer) {
    assert_eq!((answer.status, answer.header("x-should-retry")), (429, Some("false")), "{}", answer.text());
    assert_eq!(answer.header("retry-after"), None, "an SDK would sleep until then");
    let message = answer.message();
    assert!(message.contains("has $") && message.contains("left") && message.contains("renewed at"), "{message}");
}

#[test]
fn a_request_that_could_cost_more_than_is_left_is_refused_before_it_is_sent() {
    let provider = provider(SCRIPT);
    let jetway = Setup::new(&provider.url()).with(&budget("{ per: user, usd: 0.02, every: day }")).start();
    let answer = ask("hi", 10_000, true).send(jetway.data);
    assert_exhausted(&answer);
    assert_eq!(answer.json()["error"]["type"], "billing_error");
    assert!(provider.seen().is_empty());
    assert_eq!(ask("hi", 1_000, true).send(jetway.data).status, 200);
}

#[test]
fn of_many_at_once_only_as_many_are_served_as_the_budget_bears() {
    let provider = provider(SCRIPT);
    // Each may cost 15 * 1000 for its output and some for its input: four fit, a fifth does not.
    let jetway = Setup::new(&provider.url()).with(&budget("{ per: user, usd: 0.065, every: day }")).start();
    let ask = || ask("slowly", 1_000, true);
    let threads: Vec<_> = (0..16)
        .map(|_| {
            let (ask, to) = (ask(), jetway.data);
            std::thread::spawn(move || ask.send(to))
        })
        .collect();
    let answers: Vec<_> = threads.into_iter().map(|thread| thread.join().unwrap()).collect();
    let served = answers.iter().filter(|answer| answer.status == 200).count();
    assert_eq!(served, 4, "{:?}", answers.iter().map(|answer| answer.status).collect::<Vec<_>>());
    answers.iter().filter(|answer| answer.status != 200).for_each(assert_exhausted);
    let billed = provider.seen().len();
    assert_eq!(billed, 4);
    eventually(|| used(&jetway) == (4 * 4500, 0));
}

#[test]
fn every_cap_must_have_room_and_users_are_apart() {
    let provider = provider(SCRIPT);
    let caps = "{ per: user, tokens: 2300, every: hour }, { per: policy, usd: 0.0195, every: month }";
    let jetway = Setup::new(&provider.url()).with(&budget(caps)).start();
    let by = |user: &str| ask("hi", 100, false).header("x-api-key", user).send(jetway.data);
    assert_eq!(by("sk-ada").status, 200);
    assert_eq!(by("sk-ada").status, 200);
    eventually(|| used(&jetway).1 == 0);
    let refused = by("sk-ada").message();
    assert!(refused.contains("2300 tokens for each user an hour"), "{refused}");
    assert_eq!(by("sk-bob").status, 200);
    eventually(|| used(&jetway).1 == 0);
    assert_eq!(by("sk-bob").status, 200);
    eventually(|| used(&jetway).1 == 0);
    let refused = by("sk-eve").message();
    assert!(refused.contains("for everybody together"), "{refused}");
}

#[test]
fn a_client_that_leaves_is_charged_for_what_was_made() {
    use std::io::Read;
    let provider = provider(SCRIPT);
    let jetway = Setup::new(&provider.url()).with(&budget("{ per: user, usd: 1, every: day }")).start();
    let mut stream = ask("slowly", 1_000, true).open(jetway.data);
    let mut buffer = [0; 2_000];
    // The first bytes hold the usage of the input.
    assert!(stream.read(&mut buffer).unwrap() > 0);
    drop(stream);
    let exchange = jetway.exchanges(1).remove(0);
    assert_eq!(exchange["outcome"], "client_gone");
    assert_eq!((exchange["input"].as_i64(), exchange["estimated"].as_i64()), (Some(1000), Some(1)));
    eventually(|| used(&jetway).1 == 0);
    assert!(used(&jetway).0 >= 3000, "{:?}", used(&jetway));
    // The provider was told to stop.
    eventually(|| provider.seen().iter().all(|seen| !seen.served.finished));
}

#[test]
fn leaving_before_a_reply_that_is_no_stream_costs_what_was_set_aside() {
    let script = "scenarios: [{ name: s, turns: [{ text: a, fault: { stall: { after: 0, for: 30s } } }] }]";
    let provider = provider(script);
    let jetway = Setup::new(&provider.url()).with(&budget("{ per: user, usd: 1, every: day }")).start();
    let stream = ask("hi", 1_000, false).open(jetway.data);
    eventually(|| provider.seen().len() == 1);
    drop(stream);
    let exchange = jetway.exchanges(1).remove(0);
    assert_eq!(exchange["outcome"], "client_gone");
    assert_eq!(exchange["cost_micros"], exchange["held_micros"]);
    eventually(|| used(&jetway) == (exchange["held_micros"].as_i64().unwrap(), 0));
}

#[test]
fn an_unknown_model_is_never_free() {
    let provider = provider(SCRIPT);
    let sections =
        "budget: { caps: [{ per: user, usd: 10, every: day }], default_price: { input: 100, output: 200 } }\n";
    let jetway = Setup::new(&provider.url()).with(sections).start();
    let body = r#"{"model":"mystery","max_tokens":100,"messages":[{"role":"user","content":"hi"}]}"#;
    assert_eq!(post("/v1/messages", body).send(jetway.data).status, 200);
    eventually(|| used(&jetway) == (100 * 1000 + 200 * 100, 0));
}

/// What is set aside, in micro-dollars, for a request of 16 tokens of output, and what it costs in
/// the end. The bytes of the request are taken out, at so much each, so that they make no difference.
fn held_and_spent(reply: &str, body: &str, input_price: i64) -> (i64, i64) {
    let fixed = jetway_support::fixed::Fixed::whole(reply);
    let jetway = Setup::new(&fixed.url()).with(&budget("{ per: user, usd: 10, every: day }")).start();
    let path = if body.contains("claude") { "/v1/messages" } else { "/v1/chat/completions" };
    assert_eq!(post(path, body).send(jetway.data).status, 200);
    let exchange = jetway.exchanges(1).remove(0);
    let figure = |name: &str| exchange[name].as_i64().unwrap();
    let sent = i64::try_from(fixed.bodies()[0].len()).unwrap();
    (figure("held_micros") - (sent + 2) / 3 * input_price, figure("cost_micros"))
}

#[test]
fn a_tier_costs_what_it_costs_before_and_after() {
    let reply = |tier: &str| {
        format!(
            r#"{{"model":"gpt-5","service_tier":"{tier}","choices":[],"usage":{{"prompt_tokens":1000,"completion_tokens":100}}}}"#
        )
    };
    let body = |tier: &str| format!(r#"{{"model":"gpt-5","max_completion_tokens":16,"messages":[]{tier}}}"#);
    // Output is 16 tokens at 30 dollars a million: 480. Input may be written to the cache, at 6.25:
    // six are taken out, and the quarter of some thirty tokens stays.
    let (held, spent) = held_and_spent(&reply("default"), &body(""), 6);
    assert!((480..520).contains(&held), "{held}");
    assert_eq!(spent, 8_000);
    let (held, spent) = held_and_spent(&reply("priority"), &body(r#","service_tier":"priority""#), 12);
    assert!((960..1_040).contains(&held), "{held}");
    assert_eq!(spent, 16_000);
    // Asked for cheaply, served at the ordinary tier.
    let (held, spent) = held_and_spent(&reply("default"), &body(r#","service_tier":"flex""#), 6);
    assert!((480..520).contains(&held), "{held}");
    assert_eq!(spent, 8_000);
    assert_eq!(held_and_spent(&reply("flex"), &body(r#","service_tier":"flex""#), 6).1, 4_000);
}

#[test]
fn a_long_context_and_a_long_cache_cost_more() {
    let reply = |written: u64| {
        format!(
            r#"{{"type":"message","model":"m","content":[],"usage":{{"input_tokens":100000,"cache_creation_input_tokens":{written},"cache_creation":{{"ephemeral_1h_input_tokens":{written}}},"output_tokens":100}}}}"#
        )
    };
    let body = |mark: &str| {
        format!(
            r#"{{"model":"claude-sonnet-5-5","max_tokens":16,"system":[{{"type":"text","text":"s"{mark}}}],"messages":[]}}"#
        )
    };
    let hour = body(r#","cache_control":{"type":"ephemeral","ttl":"1h"}"#);
    assert_eq!(held_and_spent(&reply(0), &body(""), 3), (240, 301_500));
    assert_eq!(held_and_spent(&reply(100_000), &hour, 6), (240, 300_000 + 600_000 + 1_500));
    // One token more, and all of it is a long context.
    assert_eq!(held_and_spent(&reply(100_001), &hour, 6), (240, 600_000 + 1_200_012 + 2_250));
    let picture = r#"{"role":"user","content":[{"type":"image","source":{"type":"url","url":"https://x/a.png"}}]}"#;
    let (held, _) = held_and_spent(&reply(0), &body("").replace("[]", &format!("[{picture}]")), 3);
    assert_eq!(held, 240 + 5_000 * 3);
}

#[test]
fn a_stream_that_ends_before_its_usage_is_counted_by_a_tokenizer() {
    let said = "fn main() { println!(\"Hello, world!\"); }\n".repeat(50);
    let start = r#"{"type":"message_start","message":{"model":"claude-sonnet-5-5","usage":{"input_tokens":1000,"output_tokens":1}}}"#;
    let delta = json!({ "type": "content_block_delta", "index": 0, "delta": { "type": "text_delta", "text": said } });
    let fixed = jetway_support::fixed::Fixed::stream(&format!("data: {start}\n\ndata: {delta}\n\n"), 1 << 20);
    let jetway = Setup::new(&fixed.url()).with(&budget("{ per: user, usd: 1, every: day }")).start();
    ask("hi", 1_000, true).send(jetway.data);
    let tokens = i64::try_from(count(&said, Family::Other)).unwrap();
    assert!(tokens > 500 && tokens < 1_000, "{tokens}");
    eventually(|| used(&jetway) == (3 * 1_000 + 15 * tokens, 0));
    let exchange = jetway.exchanges(1).remove(0);
    assert_eq!((exchange["output"].as_i64(), exchange["estimated"].as_i64()), (Some(tokens), Some(1)));
    assert_eq!(exchange["outcome"], "provider_truncated");
}

#[test]
fn output_limits_are_lowered_and_set() {
    let provider = provider(SCRIPT);
    let jetway = Setup::new(&provider.url()).with("budget: { output_limit: 50 }\n").start();
    let sent = |path: &str, body: Value| {
        assert_eq!(post(path, body.to_string()).send(jetway.data).status, 200);
        serde_json::from_slice::<Value>(&provider.seen().pop().unwrap().body).unwrap()
    };
    let user = json!([{ "role": "user", "content": "hi" }]);
    assert_eq!(
        sent("/v1/messages", json!({ "model": "claude-x", "max_tokens": 9, "messages": user }))["max_tokens"],
        9
    );
    assert_eq!(
        sent("/v1/messages", json!({ "model": "claude-x", "max_tokens": 90, "messages": user }))["max_tokens"],
        50
    );
    assert_eq!(
        sent("/v1/chat/completions", json!({ "model": "gpt-x", "messages": user }))["max_completion_tokens"],
        50
    );
    assert_eq!(sent("/v1/responses", json!({ "model": "gpt-x", "input": "hi" }))["max_output_tokens"], 50);
}

#[test]
fn openai_s_usage_is_asked_for_and_hidden() {
    let provider = provider(SCRIPT);
    let jetway = Setup::new(&provider.url()).with(&budget("{ per: user, usd: 10, every: day }")).start();
    let body = |options: &str| {
        format!(
            "{{\"model\":\"gpt-5\",\"stream\":true,{options}\"messages\":[{{\"role\":\"user\",\"content\":\"hi\"}}]}}"
        )
    };
    let plain = post("/v1/chat/completions", body("")).send(jetway.data).text();
    assert!(!plain.contains("\"usage\":{") && plain.ends_with("data: [DONE]\n\n"), "{plain}");
    let own =
        post("/v1/chat/completions", body("\"stream_options\":{\"include_usage\":true},")).send(jetway.data).text();
    assert!(own.contains("\"usage\":{"), "{own}");
    for exchange in jetway.exchanges(2) {
        assert_eq!((exchange["output"].as_i64(), exchange["estimated"].as_i64()), (Some(100), Some(0)));
    }
}

#[test]
fn what_was_settled_survives_a_crash_and_what_was_not_is_charged_in_full() {
    let provider = provider(SCRIPT);
    let setup = || Setup::new(&provider.url()).with(&budget("{ per: user, usd: 1, every: day }"));
    let jetway = setup().start();
    assert_eq!(ask("hi", 100, false).send(jetway.data).status, 200);
    eventually(|| used(&jetway) == (4500, 0));
    let _under_way = ask("slowly", 1_000, true).open(jetway.data);
    eventually(|| used(&jetway).1 > 15_000);
    let held = used(&jetway).1;
    let jetway = setup().start_in(jetway.kill());
    assert_eq!(used(&jetway), (4500 + held, 0));
}
