//! Providers that fail, in every way they do.

use jetway_support::client::post;
use jetway_support::fixed::Fixed;
use jetway_support::{Jetway, Setup, provider};
use serde_json::json;

const BODY: &str =
    r#"{"model":"claude-sonnet-5-5","max_tokens":100,"stream":true,"messages":[{"role":"user","content":"hi"}]}"#;
const BUDGET: &str = "lockdown: { allow: ['*'] }\nbudget: { caps: [{ per: user, usd: 1, every: day }] }\n";

fn playing(turn: &str) -> (jetway_scripted::Provider, Jetway) {
    let provider = provider(&format!("scenarios: [{{ name: fault, turns: [{turn}] }}]"));
    let jetway = Setup::new(&provider.url()).with(BUDGET).start();
    (provider, jetway)
}

#[track_caller]
fn check(turn: &str, whole: bool, outcome: &str) {
    let (_provider, jetway) = playing(turn);
    let answer = post("/v1/messages", BODY).send(jetway.data);
    assert_eq!((answer.status, answer.whole), (200, whole), "{turn}: {}", answer.text());
    let exchange = jetway.exchanges(1).remove(0);
    assert_eq!(exchange["outcome"], outcome, "{turn}: {exchange}");
}

#[test]
fn a_stream_that_breaks_breaks_for_the_agent_too() {
    check("{ text: 'one two three four', fault: { reset: { after: 4 } } }", false, "provider_failed");
    check("{ text: 'one two three four', fault: { broken_json: { after: 3 } } }", false, "provider_failed");
}

#[test]
fn a_stream_that_stops_short_is_told_apart_from_one_that_ends() {
    check("{ text: 'one two three four', fault: { close: { after: 4 } } }", true, "provider_truncated");
    check(
        "{ text: 'one two three four', fault: { error_event: { after: 4, type: overloaded_error, message: Busy. } } }",
        true,
        "provider_failed",
    );
    check("{ text: 'one two three four', fault: { stall: { after: 4, for: 300ms } } }", true, "complete");
}

#[test]
fn a_page_in_the_place_of_a_reply_is_withheld() {
    let (_provider, jetway) = playing("{ text: x, fault: { html: true } }");
    let answer = post("/v1/messages", BODY).send(jetway.data);
    assert_eq!(answer.status, 502);
    assert!(answer.message().contains("cannot be checked"), "{}", answer.text());
    assert!(!answer.text().contains("<html"));
}

#[test]
fn a_compressed_reply_is_withheld() {
    let head =
        "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-encoding: br\r\nconnection: close\r\n\r\nxyz";
    let provider = Fixed::start(head, 1000);
    let jetway = Setup::new(&provider.url()).with(BUDGET).start();
    let answer = post("/v1/messages", BODY).send(jetway.data);
    assert_eq!(answer.status, 502);
    assert!(answer.message().contains("compressed"), "{}", answer.text());
}

#[test]
fn refusals_of_the_provider_pass_and_cost_nothing() {
    for (status, kind) in
        [(429, "rate_limit_error"), (529, "overloaded_error"), (500, "api_error"), (400, "invalid_request_error")]
    {
        let turn =
            format!("{{ status: {status}, headers: {{ retry-after: '3' }}, error: {{ type: {kind}, message: No. }} }}");
        let (_provider, jetway) = playing(&turn);
        let answer = post("/v1/messages", BODY).send(jetway.data);
        assert_eq!(
            (answer.status, answer.message().as_str(), answer.header("retry-after")),
            (status, "No.", Some("3"))
        );
        let exchange = jetway.exchanges(1).remove(0);
        assert_eq!(
            (exchange["outcome"].as_str(), exchange["cost_micros"].as_i64()),
            (Some("provider_refused"), Some(0))
        );
    }
}

#[test]
fn silence_ends_a_stream() {
    let provider =
        provider("scenarios: [{ name: s, turns: [{ text: 'a b c d', fault: { stall: { after: 3, for: 30s } } }] }]");
    let mut setup = Setup::new(&provider.url()).with(BUDGET);
    setup.timeouts = "{ between_bytes: 300ms }".into();
    let jetway = setup.start();
    let answer = post("/v1/messages", BODY).send(jetway.data);
    assert!(!answer.whole);
    let exchange = jetway.exchanges(1).remove(0);
    assert_eq!(exchange["outcome"], "provider_failed");
    assert!(exchange["detail"].as_str().unwrap().contains("sent nothing"), "{exchange}");
}

#[test]
fn a_reply_that_does_not_begin_in_time_is_given_up() {
    let provider = provider("scenarios: [{ name: s, turns: [{ text: a, fault: { stall: { after: 0, for: 30s } } }] }]");
    let mut setup = Setup::new(&provider.url()).with(BUDGET);
    setup.timeouts = "{ first_byte: 300ms }".into();
    let jetway = setup.start();
    let answer = post("/v1/messages", BODY).send(jetway.data);
    assert_eq!(answer.status, 504, "{}", answer.text());
    assert!(answer.message().contains("did not begin its reply"));
}

const SECOND: &str = "
about: x
identity: { accept: [keys, passthrough] }
models: { allow: ['*'], providers: [messages, second] }
budget: { caps: [{ per: policy, usd: 1, every: day }] }
";

fn with_second(first: &str, second: &str, credentials: &str) -> (Jetway, String) {
    let mut setup = Setup::new(first);
    setup.second = Some(second.to_owned());
    setup.policies = vec![("open".into(), SECOND.into())];
    setup.credentials = credentials.into();
    setup.env = vec![("TEST_PROVIDER_KEY".into(), "sk-operators".into())];
    let jetway = setup.start();
    let (_, key) = jetway.key("open", "ada");
    (jetway, key)
}

const OWN: &str = "{ env: TEST_PROVIDER_KEY }";

fn nobody() -> String {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    format!("http://{}", listener.local_addr().unwrap())
}

#[test]
fn the_next_provider_is_asked_when_one_fails_before_its_first_byte() {
    let good = provider("scenarios: [{ name: s, turns: [{ text: Hi., usage: { input: 1000, output: 100 } }] }]");
    let overloaded = provider("scenarios: [{ name: s, turns: [{ status: 529 }] }]");
    for (first, why) in
        [(nobody(), "the provider `messages` cannot be reached: "), (overloaded.url(), "it answered 529")]
    {
        let (jetway, key) = with_second(&first, &good.url(), OWN);
        assert_eq!(post("/v1/messages", BODY).header("x-api-key", &key).send(jetway.data).status, 200);
        let exchange = jetway.exchanges(1).remove(0);
        assert_eq!(exchange["provider"], "second");
        let failover = &exchange["decisions"][0];
        assert_eq!((&failover["what"], &failover["of"]), (&json!("failover"), &json!("messages")), "{exchange}");
        assert!(failover["reason"].as_str().unwrap().starts_with(why), "{exchange}");
        // What the second one made is charged, whatever became of the first.
        assert_eq!(exchange["cost_micros"], 4500);
    }

    // After the first byte nothing is repeated.
    let broken = provider("scenarios: [{ name: s, turns: [{ text: 'a b c', fault: { reset: { after: 3 } } }] }]");
    good.forget();
    let (jetway, key) = with_second(&broken.url(), &good.url(), OWN);
    assert!(!post("/v1/messages", BODY).header("x-api-key", &key).send(jetway.data).whole);
    assert!(good.seen().is_empty());
}

#[test]
fn a_caller_s_own_credential_is_shown_to_one_provider_only() {
    let (first, second) = (provider("scenarios: [{ name: s, turns: [{ status: 529 }] }]"), provider("scenarios: []"));
    let (jetway, _) = with_second(&first.url(), &second.url(), "passthrough");
    assert_eq!(post("/v1/messages", BODY).send(jetway.data).status, 529);
    let listed = models(&jetway);
    assert_eq!(listed, 200);
    assert_eq!((first.seen().len(), second.seen().len()), (2, 0));
}

fn models(jetway: &Jetway) -> u16 {
    jetway_support::client::get("/v1/models").header("anthropic-version", "2023-06-01").send(jetway.data).status
}

#[test]
fn a_provider_that_refuses_and_falls_silent_is_given_up() {
    let provider = Fixed::held("HTTP/1.1 429 Too Many Requests\r\ncontent-length: 100\r\n\r\n{");
    let mut setup = Setup::new(&provider.url()).with(BUDGET);
    setup.timeouts = "{ between_bytes: 300ms }".into();
    let jetway = setup.start();
    let answer = post("/v1/messages", BODY).send(jetway.data);
    assert_eq!(answer.status, 502, "{}", answer.text());
}

#[test]
fn a_redirect_is_not_passed_on() {
    let provider = Fixed::start(
        "HTTP/1.1 307 Temporary Redirect\r\nlocation: http://elsewhere.test/\r\nconnection: close\r\n\r\n",
        1000,
    );
    let jetway = Setup::new(&provider.url()).start();
    let answer = post("/v1/messages", BODY).send(jetway.data);
    assert_eq!((answer.status, answer.header("location")), (502, None), "{}", answer.text());
}

#[test]
fn a_stream_that_nobody_asked_for_is_withheld() {
    let provider = Fixed::stream("data: {\"type\":\"ping\"}\n\n", 1000);
    let jetway = Setup::new(&provider.url()).with(BUDGET).start();
    let answer = post("/v1/messages", BODY.replace("\"stream\":true", "\"stream\":false")).send(jetway.data);
    assert_eq!(answer.status, 502, "{}", answer.text());
}

#[test]
fn nobody_to_ask_is_said_plainly() {
    let jetway = Setup::new("http://127.0.0.1:9").with(BUDGET).start();
    let answer = post("/v1/messages", BODY).send(jetway.data);
    assert_eq!(answer.status, 502);
    assert!(answer.message().contains("the provider `messages` cannot be reached"), "{}", answer.text());
    assert_eq!(jetway.exchanges(1)[0]["cost_micros"], 0);
}
