use serde_json::{Value, json};

use super::{failure, stream, whole};
use crate::ask::Dialect::Responses;
use crate::tests::{data, names, said, weight};

const BODY: &str = r#"{"model":"gpt-x","input":"hi"}"#;
const ALL: &str = "thinking: Where is the file now?, text: I will read the file., \
    calls: [{ tool: Read, input: { path: a.rs, from: 1 } }, { tool: exec, custom: raw text, id: mine }], \
    usage: { input: 10, cache_read: 20, cache_write: 5, output: 40 }";

fn whole_of(turn: &str, body: &str) -> Value {
    serde_json::from_str(&said(Responses, turn, body, whole).to_string()).unwrap()
}

#[test]
fn the_events_come_in_the_order_of_the_real_ones() {
    let events = said(Responses, ALL, BODY, stream);
    let expect = [
        "response.created x1",
        "response.in_progress x1",
        "response.output_item.added x1",
        "response.reasoning_summary_part.added x1",
        "response.reasoning_summary_text.delta x3",
        "response.reasoning_summary_text.done x1",
        "response.reasoning_summary_part.done x1",
        "response.output_item.done x1",
        "response.output_item.added x1",
        "response.content_part.added x1",
        "response.output_text.delta x3",
        "response.output_text.done x1",
        "response.content_part.done x1",
        "response.output_item.done x1",
        "response.output_item.added x1",
        "response.function_call_arguments.delta x3",
        "response.function_call_arguments.done x1",
        "response.output_item.done x1",
        "response.output_item.added x1",
        "response.custom_tool_call_input.delta x3",
        "response.custom_tool_call_input.done x1",
        "response.output_item.done x1",
        "response.completed x1",
    ];
    assert_eq!(names(&events), expect);
    for (index, event) in events.iter().enumerate() {
        let name = event.name.unwrap();
        let start = format!(r#"{{"type":"{name}","sequence_number":{index},"#);
        assert!(event.data.starts_with(&start), "{}", event.data);
    }
}

#[test]
fn what_is_done_is_what_the_deltas_said() {
    let events = data(&said(Responses, ALL, BODY, stream));
    let of = |item: &str, kind: &str, key: &str| -> String {
        let its =
            events.iter().filter(|event| event["item_id"] == item && event["type"].as_str().unwrap().ends_with(kind));
        its.filter_map(|event| event[key].as_str()).collect()
    };
    let completed = &events[events.len() - 1]["response"];
    let items: Vec<&Value> = events
        .iter()
        .filter(|event| event["type"] == "response.output_item.done")
        .map(|event| &event["item"])
        .collect();
    assert_eq!(json!(items), completed["output"]);
    let texts = [
        (&items[0]["summary"][0]["text"], "text"),
        (&items[1]["content"][0]["text"], "text"),
        (&items[2]["arguments"], "arguments"),
        (&items[3]["input"], "input"),
    ];
    for (index, (text, key)) in texts.into_iter().enumerate() {
        let id = items[index]["id"].as_str().unwrap();
        assert_eq!(of(id, ".delta", "delta"), text.as_str().unwrap());
        assert_eq!(of(id, ".done", key), text.as_str().unwrap());
    }
    assert_eq!(items[2]["type"], "function_call");
    assert!(items[2]["call_id"].as_str().unwrap().starts_with("call_"));
    assert_eq!((&items[3]["type"], &items[3]["call_id"]), (&json!("custom_tool_call"), &json!("mine")));
    for (index, event) in events.iter().filter(|e| e["type"] == "response.output_item.added").enumerate() {
        assert_eq!(event["output_index"], index);
        assert_eq!(event["item"]["id"], items[index]["id"]);
    }
}

#[test]
fn the_whole_is_the_completed_response() {
    let events = data(&said(Responses, ALL, BODY, stream));
    let mut completed = events[events.len() - 1]["response"].clone();
    let mut whole = whole_of(ALL, BODY);
    assert_eq!(
        whole["usage"],
        json!({
            "input_tokens": 35, "input_tokens_details": {"cached_tokens": 20, "cache_write_tokens": 5},
            "output_tokens": 40, "output_tokens_details": {"reasoning_tokens": 5}, "total_tokens": 75,
        })
    );
    assert_eq!(whole["status"], "completed");
    // The clock may have ticked in between.
    (completed["created_at"], whole["created_at"]) = (json!(0), json!(0));
    assert_eq!(completed, whole);
    assert_eq!(events[0]["response"]["status"], "in_progress");
    assert_eq!(events[0]["response"]["usage"], json!(null));
    assert_eq!(events[0]["response"]["id"], completed["id"]);
}

#[test]
fn the_settings_of_the_request_are_told_again() {
    let body = r#"{"model":"m","store":false,"prompt_cache_key":"k","reasoning":{"effort":"low"},
        "tools":[{"type":"function","name":"x"}],"tool_choice":"required"}"#;
    let whole = whole_of("text: a", body);
    assert_eq!(whole["store"], false);
    assert_eq!(whole["prompt_cache_key"], "k");
    assert_eq!(whole["reasoning"], json!({"effort": "low"}));
    assert_eq!(whole["tools"], json!([{"type": "function", "name": "x"}]));
    assert_eq!(whole["tool_choice"], "required");
}

#[test]
fn a_call_names_the_namespace_of_its_tool() {
    let body = r#"{"model":"m","input":[{"type":"additional_tools","tools":[
        {"type":"namespace","name":"functions","tools":[{"type":"custom","name":"exec"}]},
        {"type":"namespace","name":"clock","tools":[{"type":"function","name":"sleep"}]}]}]}"#;
    let output = whole_of("calls: [{ tool: exec, custom: x }, { tool: sleep }]", body)["output"].clone();
    assert_eq!(output[0].get("namespace"), None);
    assert_eq!(output[1]["namespace"], "clock");
}

#[test]
fn encrypted_reasoning_is_for_those_who_ask() {
    let asking = r#"{"model":"m","include":["reasoning.encrypted_content"]}"#;
    let secret = whole_of("thinking: hm", asking)["output"][0]["encrypted_content"].clone();
    assert!(secret.as_str().unwrap().starts_with("gAAAAAB"));
    assert_eq!(whole_of("thinking: hm", BODY)["output"][0].get("encrypted_content"), None);
}

#[test]
fn a_stop_reason_makes_it_incomplete() {
    for (stop, reason) in [
        ("max_output_tokens", "max_output_tokens"),
        ("incomplete", "max_output_tokens"),
        ("content_filter", "content_filter"),
    ] {
        let turn = format!("text: a, stop: {stop}");
        let events = said(Responses, &turn, BODY, stream);
        let last = events.last().unwrap();
        assert_eq!(last.name, Some("response.incomplete"));
        assert!(last.data.contains(&format!(r#""incomplete_details":{{"reason":"{reason}"}}"#)), "{}", last.data);
    }
    assert_eq!(whole_of("text: a, stop: completed", BODY)["status"], "completed");
}

#[test]
fn all_that_the_model_says_is_weighed() {
    let turn = "thinking: 12345, text: 1234567, calls: [{ tool: t, custom: '123' }]";
    assert_eq!(weight(&said(Responses, turn, BODY, stream)), 15);
}

#[test]
fn a_failure_is_a_failed_response() {
    let event = said(Responses, "", BODY, |said| failure(said, 5, "invalid_prompt", "No."));
    let data = data(&[event]).remove(0);
    assert_eq!((&data["type"], &data["sequence_number"]), (&json!("response.failed"), &json!(5)));
    assert_eq!(data["response"]["status"], "failed");
    assert_eq!(data["response"]["error"], json!({"code": "invalid_prompt", "message": "No."}));
}

#[test]
fn what_is_unknown_is_an_event_and_a_field_of_every_event() {
    let events = said(Responses, "text: hi, unknown: true", BODY, stream);
    assert_eq!(events[2].name, Some("response.scripted_unknown"));
    assert!(data(&events).iter().all(|event| event["scripted_extra"]["nested"][1] == 1));
}
