use serde_json::{Value, json};

use super::{failure, problem, stream, whole};
use crate::ask::Dialect::Chat;
use crate::problem::Problem;
use crate::tests::{data, said, weight};

const BODY: &str = r#"{"model":"gpt-x","messages":[]}"#;
const USAGE: &str = r#"{"model":"gpt-x","messages":[],"stream_options":{"include_usage":true}}"#;
const ALL: &str = "thinking: Where is the file now?, text: I will read the file., \
    calls: [{ tool: Read, input: { path: a.rs, from: 1 } }, { tool: exec, custom: raw text, id: mine }], \
    usage: { input: 10, cache_read: 20, cache_write: 5, output: 40 }";

fn deltas(events: &[Value]) -> Vec<&Value> {
    events.iter().filter_map(|event| event["choices"].get(0)).map(|one| &one["delta"]).collect()
}

#[test]
fn a_text_is_a_role_then_deltas_then_a_reason_then_done() {
    let events = data(&said(Chat, "text: Hello to you.", BODY, stream));
    let told: Vec<_> = deltas(&events).into_iter().cloned().collect();
    let expect = [
        json!({"role": "assistant", "content": "", "refusal": null}),
        json!({"content": "Hello to"}),
        json!({"content": " you."}),
        json!({}),
    ];
    assert_eq!(told, expect);
    assert_eq!(events[2]["choices"][0]["finish_reason"], json!(null));
    assert_eq!(events[3]["choices"][0]["finish_reason"], "stop");
    assert_eq!(events[4], "[DONE]");
    assert_eq!(events.len(), 5);
    assert!(events[..4].iter().all(|event| event["id"] == events[0]["id"]
        && event["object"] == "chat.completion.chunk"
        && event["model"] == "gpt-x"
        && event.get("usage").is_none()));
}

#[test]
fn usage_comes_only_when_asked_for() {
    let events = data(&said(Chat, ALL, USAGE, stream));
    let [rest @ .., last, done] = &events[..] else { panic!("too few") };
    assert_eq!(done, "[DONE]");
    assert_eq!(last["choices"], json!([]));
    assert_eq!(last["usage"]["prompt_tokens"], 35);
    assert_eq!(last["usage"]["prompt_tokens_details"]["cached_tokens"], 20);
    assert_eq!(last["usage"]["prompt_tokens_details"]["cache_write_tokens"], 5);
    assert_eq!(last["usage"]["completion_tokens"], 40);
    assert_eq!(last["usage"]["total_tokens"], 75);
    assert!(rest.iter().all(|event| event.as_object().unwrap()["usage"].is_null()));
}

#[test]
fn a_stream_says_what_the_whole_says() {
    let events = data(&said(Chat, ALL, BODY, stream));
    let whole = said(Chat, ALL, BODY, whole).to_string();
    let whole: Value = serde_json::from_str(&whole).unwrap();
    let message = &whole["choices"][0]["message"];
    let joined = |key: &str| -> String { deltas(&events).iter().filter_map(|delta| delta[key].as_str()).collect() };
    assert_eq!(joined("content"), message["content"]);
    assert_eq!(joined("reasoning_content"), message["reasoning_content"]);
    let mut calls: Vec<Value> = Vec::new();
    for part in deltas(&events).iter().filter_map(|delta| delta["tool_calls"].get(0)) {
        let index = part["index"].as_u64().unwrap() as usize;
        if index == calls.len() {
            let mut call = part.clone();
            call.as_object_mut().unwrap().remove("index");
            calls.push(call);
            continue;
        }
        for (kind, key) in [("function", "arguments"), ("custom", "input")] {
            if let Some(more) = part[kind][key].as_str() {
                let so_far = calls[index][kind][key].as_str().unwrap();
                calls[index][kind][key] = format!("{so_far}{more}").into();
            }
        }
    }
    assert_eq!(json!(calls), message["tool_calls"]);
    assert_eq!(calls[0]["function"]["arguments"], r#"{"path":"a.rs","from":1}"#);
    let custom = json!({"id": "mine", "type": "custom", "custom": {"name": "exec", "input": "raw text"}});
    assert_eq!(calls[1], custom);
    assert_eq!(whole["choices"][0]["finish_reason"], "tool_calls");
    assert_eq!(whole["object"], "chat.completion");
    assert_eq!(whole["usage"]["total_tokens"], 75);
}

#[test]
fn all_that_the_model_says_is_weighed() {
    let turn = "thinking: 12345, text: 1234567, calls: [{ tool: t, custom: '123' }]";
    assert_eq!(weight(&said(Chat, turn, BODY, stream)), 15);
}

#[test]
fn a_finish_reason_can_be_given() {
    let turn = "text: a, stop: content_filter";
    let events = data(&said(Chat, turn, BODY, stream));
    assert_eq!(events[2]["choices"][0]["finish_reason"], "content_filter");
}

#[test]
fn what_is_unknown_is_a_field_of_every_chunk() {
    let events = data(&said(Chat, "text: hi, unknown: true", USAGE, stream));
    let (done, chunks) = events.split_last().unwrap();
    assert_eq!(done, "[DONE]");
    assert!(chunks.iter().all(|event| event["scripted_extra"]["nested"][0] == "of"));
}

#[test]
fn errors_have_the_shape_of_this_dialect() {
    let expect = r#"{"error":{"message":"Busy","type":"server_error","param":null,"code":null}}"#;
    assert_eq!(failure("server_error", "Busy").data, expect);
    let body = problem(&Problem::invalid("No.").at("x").coded("y")).to_string();
    let expect = r#"{"error":{"message":"No.","type":"invalid_request_error","param":"x","code":"y"}}"#;
    assert_eq!(body, expect);
}
