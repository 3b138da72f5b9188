//! A reply for which nothing more can be set aside is ended in its dialect's own way.

use serde_json::{Value, json};

use super::used;
use jetway_support::client::{Answer, post};
use jetway_support::{Jetway, Setup, eventually, provider};

/// A reply of some ten thousand tokens, of text or of one call's arguments.
fn long(what: &str) -> String {
    let text = "lorem ipsum ".repeat(3_334);
    let said = match what {
        "text" => format!("text: '{text}'"),
        _ => format!("text: I will write it., calls: [{{ tool: Write, input: {{ content: '{text}' }}, pieces: 300 }}]"),
    };
    format!("scenarios: [{{ name: long, turns: [{{ {said}, usage: {{ input: 100, output: 10000 }}, pace: 2ms }}] }}]")
}

fn start(provider: &jetway_scripted::Provider, usd: f64) -> Jetway {
    let sections = format!("budget: {{ caps: [{{ per: user, usd: {usd}, every: day }}] }}\n");
    Setup::new(&provider.url()).with(&sections).start()
}

fn ask(jetway: &Jetway, path: &str) -> Answer {
    let mut body = match path {
        "/v1/messages" => json!({ "model": "claude-sonnet-5-5", "max_tokens": 32_000 }),
        "/v1/chat/completions" => json!({ "model": "gpt-5", "max_completion_tokens": 32_000 }),
        _ => json!({ "model": "gpt-5", "max_output_tokens": 32_000, "input": "go" }),
    };
    if path != "/v1/responses" {
        body["messages"] = json!([{ "role": "user", "content": "go" }]);
    }
    body["stream"] = true.into();
    post(path, body.to_string()).send(jetway.data)
}

/// The JSON of a stream's events.
fn events(answer: &Answer) -> Vec<Value> {
    let data =
        answer.text().lines().filter_map(|line| line.strip_prefix("data: ").map(str::to_owned)).collect::<Vec<_>>();
    data.iter().filter(|data| *data != "[DONE]").map(|data| serde_json::from_str(data).unwrap()).collect()
}

#[track_caller]
fn cut(path: &str, what: &str, usd: f64) -> Answer {
    let provider = provider(&long(what));
    let jetway = start(&provider, usd);
    let answer = ask(&jetway, path);
    assert_eq!((answer.status, answer.whole), (200, true), "{path}");
    let sentence = format!(
        "[Jetway] This reply was ended here: the budget of ${usd:.2} for each user a day is used up. It is renewed at "
    );
    assert!(answer.text().contains(&sentence), "{}", &answer.text()[answer.text().len() - 1_500..]);
    // The provider was told to stop, long before it had said all.
    eventually(|| used(&jetway).1 == 0);
    let served = provider.seen().remove(0).served;
    assert!(!served.finished && served.output < 9_000, "{served:?}");
    let exchange = jetway.exchanges(1).remove(0);
    assert_eq!((exchange["outcome"].as_str(), exchange["reason"].as_str()), (Some("cut"), Some("budget")));
    // The cap was used, and not exceeded by more than what was under way.
    let (spent, cap) = (used(&jetway).0, (usd * 1e6) as i64);
    assert!((cap / 3..=cap + cap / 10).contains(&spent), "{spent} of {cap}");
    // Nobody asks again with any success.
    assert_eq!(ask(&jetway, path).status, 429);
    assert_eq!(provider.seen().len(), 1);
    answer
}

#[test]
fn a_messages_reply_is_cut() {
    let answer = cut("/v1/messages", "text", 0.09);
    let events = events(&answer);
    let last: Vec<_> = events.iter().rev().take(2).map(|event| event["type"].as_str().unwrap()).collect();
    assert_eq!(last, ["message_stop", "message_delta"]);
    assert_eq!(events[events.len() - 2]["delta"]["stop_reason"], "end_turn");
}

#[test]
fn a_chat_reply_is_cut() {
    let answer = cut("/v1/chat/completions", "text", 0.18);
    assert!(answer.text().ends_with("data: [DONE]\n\n"));
    assert!(events(&answer).iter().any(|event| event["choices"][0]["finish_reason"] == "stop"));
}

#[test]
fn a_responses_reply_is_cut() {
    let answer = cut("/v1/responses", "text", 0.18);
    let last = events(&answer).pop().unwrap();
    assert_eq!(
        (last["type"].as_str(), last["response"]["status"].as_str()),
        (Some("response.completed"), Some("completed"))
    );
}

#[test]
fn a_call_that_was_not_complete_never_reaches_the_agent() {
    for (path, usd) in [("/v1/messages", 0.09), ("/v1/chat/completions", 0.18), ("/v1/responses", 0.18)] {
        let answer = cut(path, "call", usd);
        let text = answer.text();
        assert!(text.contains("I will write it.") || text.contains("write"), "{path}");
        for trace in ["tool_use", "\"tool_calls\"", "function_call", "lorem"] {
            assert!(!text.contains(trace), "{path} tells of {trace}");
        }
    }
}

#[test]
fn a_call_with_room_to_spare_is_not_kept_back() {
    let provider = provider(&long("call"));
    let jetway = start(&provider, 10.0);
    let answer = ask(&jetway, "/v1/messages");
    let pieces = events(&answer).iter().filter(|event| event["delta"]["type"] == "input_json_delta").count();
    assert!(answer.whole && pieces >= 300, "{pieces}");
}
