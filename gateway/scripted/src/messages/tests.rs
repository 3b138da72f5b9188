use serde_json::json;

use super::{failure, problem, stream, whole};
use crate::ask::Dialect::Messages;
use crate::problem::Problem;
use crate::tests::{data, names, said, weight};

const BODY: &str = r#"{"model":"claude-x","max_tokens":9,"messages":[]}"#;
const ALL: &str = "thinking: Where is the file now?, text: I will read the file., \
    calls: [{ tool: Read, input: { path: a.rs, from: 1 } }, { tool: Bash, id: mine, pieces: 1 }], \
    usage: { input: 10, cache_read: 20, cache_write: 5, output: 40 }";

#[test]
fn the_events_come_in_the_order_of_the_real_ones() {
    let events = said(Messages, ALL, BODY, stream);
    let expect = [
        "message_start x1",
        "content_block_start x1",
        "ping x1",
        "content_block_delta x4",
        "content_block_stop x1",
        "content_block_start x1",
        "content_block_delta x3",
        "content_block_stop x1",
        "content_block_start x1",
        "content_block_delta x4",
        "content_block_stop x1",
        "content_block_start x1",
        "content_block_delta x2",
        "content_block_stop x1",
        "message_delta x1",
        "message_stop x1",
    ];
    assert_eq!(names(&events), expect);
    for event in &events {
        let named = format!(r#"{{"type":"{}""#, event.name.unwrap());
        assert!(event.data.starts_with(&named), "{}", event.data);
    }
}

#[test]
fn usage_is_cumulative() {
    let events = data(&said(Messages, ALL, BODY, stream));
    let start = &events[0]["message"];
    assert_eq!(start["usage"]["input_tokens"], 10);
    assert_eq!(start["usage"]["cache_read_input_tokens"], 20);
    assert_eq!(start["usage"]["cache_creation_input_tokens"], 5);
    assert_eq!(start["usage"]["output_tokens"], 1);
    assert_eq!((&start["model"], &start["stop_reason"]), (&json!("claude-x"), &json!(null)));
    let end = &events[events.len() - 2];
    assert_eq!(end["usage"]["output_tokens"], 40);
    assert_eq!(end["usage"]["input_tokens"], 10);
    assert_eq!(end["delta"], json!({"stop_reason": "tool_use", "stop_sequence": null}));
}

#[test]
fn a_stream_says_what_the_whole_says() {
    let events = said(Messages, ALL, BODY, stream);
    let whole = said(Messages, ALL, BODY, whole).to_string();
    let whole: serde_json::Value = serde_json::from_str(&whole).unwrap();
    let mut blocks = vec![json!(null); 4];
    let mut inputs = vec![String::new(); 4];
    let join = |block: &mut serde_json::Value, key: &str, more: &serde_json::Value| {
        block[key] = format!("{}{}", block[key].as_str().unwrap(), more.as_str().unwrap()).into();
    };
    for event in data(&events) {
        let index = event["index"].as_u64().unwrap_or_default() as usize;
        match event["type"].as_str().unwrap() {
            "content_block_start" => blocks[index] = event["content_block"].clone(),
            "content_block_delta" => {
                let delta = &event["delta"];
                match delta["type"].as_str().unwrap() {
                    "thinking_delta" => join(&mut blocks[index], "thinking", &delta["thinking"]),
                    "text_delta" => join(&mut blocks[index], "text", &delta["text"]),
                    "signature_delta" => join(&mut blocks[index], "signature", &delta["signature"]),
                    _ => inputs[index] += delta["partial_json"].as_str().unwrap(),
                }
            }
            "content_block_stop" if !inputs[index].is_empty() => {
                blocks[index]["input"] = serde_json::from_str(&inputs[index]).unwrap();
            }
            _ => {}
        }
    }
    assert_eq!(json!(blocks), whole["content"]);
    assert_eq!(whole["stop_reason"], "tool_use");
    assert_eq!(whole["usage"]["output_tokens"], 40);
    assert_eq!(inputs[2], r#"{"path":"a.rs","from":1}"#);
    assert_eq!(blocks[3]["id"], "mine");
}

#[test]
fn a_call_starts_with_an_empty_delta() {
    let events = data(&said(Messages, "calls: [{ tool: t, input: { a: 1 } }]", BODY, stream));
    let parts = events.iter().filter_map(|event| event["delta"]["partial_json"].as_str());
    assert_eq!(parts.collect::<Vec<_>>(), ["", "{\"", "a\"", ":1}"]);
}

#[test]
fn all_that_the_model_says_is_weighed() {
    let turn = "thinking: 12345, text: 1234567, calls: [{ tool: t, input: {} }]";
    assert_eq!(weight(&said(Messages, turn, BODY, stream)), 14);
    let omitted = r#"{"model":"m","thinking":{"type":"adaptive","display":"omitted"}}"#;
    assert_eq!(weight(&said(Messages, turn, omitted, stream)), 14);
}

#[test]
fn thinking_that_is_omitted_is_only_signed() {
    let omitted = r#"{"model":"m","thinking":{"type":"adaptive","display":"omitted"}}"#;
    let events = said(Messages, "thinking: secret thoughts", omitted, stream);
    assert_eq!(names(&events)[3], "content_block_delta x1");
    let all = data(&events);
    assert_eq!(all[3]["delta"]["type"], "signature_delta");
    assert!(all.iter().all(|event| !event.to_string().contains("secret")));
    assert!(!said(Messages, "thinking: secret thoughts", omitted, whole).to_string().contains("secret"));
}

#[test]
fn a_stop_reason_can_be_given() {
    let stop = |turn| said(Messages, turn, BODY, whole).text("stop_reason").map(str::to_owned);
    assert_eq!(stop("text: a").as_deref(), Some("end_turn"));
    assert_eq!(stop("calls: [{ tool: t }]").as_deref(), Some("tool_use"));
    assert_eq!(stop("text: a, stop: max_tokens").as_deref(), Some("max_tokens"));
}

#[test]
fn odd_arguments_go_out_as_they_are() {
    let input = |turn| said(Messages, turn, BODY, |said| whole(said).to_string());
    let twice = input(r#"calls: [{ tool: t, arguments: "{\"a\":1, \"a\":2}" }]"#);
    assert!(twice.contains(r#""input":{"a":1, "a":2}"#), "{twice}");
    let broken = input(r#"calls: [{ tool: t, arguments: "{\"a" }]"#);
    assert!(broken.contains(r#""input":"{\"a""#), "{broken}");
    let custom = input("calls: [{ tool: t, custom: raw }]");
    assert!(custom.contains(r#""input":{"input":"raw"}"#), "{custom}");
}

#[test]
fn an_empty_turn_is_an_empty_message() {
    let events = said(Messages, "", BODY, stream);
    assert_eq!(names(&events), ["message_start x1", "message_delta x1", "message_stop x1"]);
}

#[test]
fn what_is_unknown_is_an_event_and_a_field_of_every_event() {
    let events = said(Messages, "text: hi, unknown: true", BODY, stream);
    assert_eq!(events[1].name, Some("scripted_unknown"));
    assert!(data(&events).iter().all(|event| event["scripted_extra"]["nested"][1] == 1));
}

#[test]
fn errors_have_the_shape_of_this_dialect() {
    let event = failure("overloaded_error", "Overloaded");
    assert_eq!(event.name, Some("error"));
    assert_eq!(event.data, r#"{"type":"error","error":{"type":"overloaded_error","message":"Overloaded"}}"#);
    let body = problem(&Problem::invalid("No.").at("x").coded("y"), "req_1").to_string();
    let expect = concat!(
        r#"{"type":"error","error":{"type":"invalid_request_error","message":"No."},"#,
        r#""request_id":"req_1"}"#
    );
    assert_eq!(body, expect);
}
