//! Questions of ours behind a conversation, in each dialect.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on should say where")]

use jetway_core::wire::Dialect;
use jetway_core::wire::event::Frame;
use jetway_core::wire::history;
use jetway_core::wire::json::Json;
use jetway_core::wire::patch::Patch;
use jetway_core::wire::request::Request;
use jetway_core::wire::turn::Turn;
use serde_json::{Value, json};

fn asked(dialect: Dialect, body: &Value, told: Option<&str>) -> Value {
    let json = Json::read(body.to_string().into()).unwrap();
    let mut patch = Patch::default();
    let request = Request::read(dialect, json).unwrap();
    history::ask(&request, (told, "<q>\n\"Why\"?"), &mut patch);
    let json = request.json;
    serde_json::from_slice(&patch.apply(&json).unwrap()).unwrap()
}

#[test]
fn a_question_stands_behind_the_last_turn_and_the_tools_stay() {
    let tools = json!([{"name": "a"}]);
    let body = json!({"model": "m", "max_tokens": 9, "tools": tools, "tool_choice": {"type": "tool", "name": "a"}, "messages": [{"role": "user", "content": "t"}]});
    let told = r#"{"role":"assistant","content":[{"type":"text","text":"done"}]}"#;
    let sent = asked(Dialect::Messages, &body, Some(told));
    // A choice that would force a call is left to the model; that it is not to call stands in the question.
    assert_eq!((&sent["tools"], &sent["tool_choice"]), (&tools, &json!({"type": "auto"})));
    assert_eq!(sent["messages"][1]["content"][0]["text"], "done");
    assert_eq!(sent["messages"][2], json!({"role": "user", "content": [{"type": "text", "text": "<q>\n\"Why\"?"}]}));

    let body = json!({"model": "m", "tools": tools, "messages": [{"role": "user", "content": "t"}]});
    let sent = asked(Dialect::Chat, &body, None);
    assert_eq!((&sent["tools"], &sent["tool_choice"]), (&tools, &json!("none")));
    assert_eq!(sent["messages"][1], json!({"role": "user", "content": "<q>\n\"Why\"?"}));

    // As Codex tells its newer models.
    let tools_of = json!([{"type": "function", "name": "shell", "parameters": {}}]);
    let additional = json!({"type": "additional_tools", "tools": tools_of});
    let body = json!({"model": "m", "input": [additional, {"role": "user", "content": "t"}]});
    assert_eq!(asked(Dialect::Responses, &body, None)["tool_choice"], "none");
    let body = json!({"model": "m", "input": [{"role": "user", "content": "t"}]});
    assert_eq!(asked(Dialect::Responses, &body, None)["tool_choice"], Value::Null);

    let body = json!({"model": "m", "tools": tools, "tool_choice": "auto", "input": "t"});
    let sent = asked(Dialect::Responses, &body, Some(r#"{"type":"message","role":"assistant","content":[]}"#));
    assert_eq!(sent["tool_choice"], "none");
    assert_eq!((&sent["input"][0]["content"], &sent["input"][1]["role"]), (&json!("t"), &json!("assistant")));
    assert_eq!(sent["input"][2]["content"][0], json!({"type": "input_text", "text": "<q>\n\"Why\"?"}));

    // Without tools there is nothing to choose, and some providers refuse a choice.
    assert_eq!(
        asked(Dialect::Chat, &json!({"model": "m", "messages": [{"role": "user", "content": "t"}]}), None)
            .get("tool_choice"),
        None
    );
}

/// What a turn says in words, and the calls in it that its agent has to answer.
fn turn(dialect: Dialect, events: &[Value]) -> (String, Vec<String>) {
    let mut turn = Turn::new(dialect);
    events.iter().for_each(|event| turn.push(&Frame::written(None, &event.to_string())));
    (turn.words(), turn.calls().into_iter().map(|call| format!("{} {}", call.name, call.id)).collect())
}

#[test]
fn what_a_turn_says_in_words_and_what_it_calls() {
    let check = |dialect, events: &[Value], words: &str, calls: &[&str]| {
        let calls = calls.iter().map(|&call| call.to_owned()).collect();
        assert_eq!(turn(dialect, events), (words.to_owned(), calls));
    };
    let start = |block: Value| json!({"type": "content_block_start", "index": 0, "content_block": block});
    let text = json!({"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "a\n\u{e9}"}});
    check(Dialect::Messages, &[start(json!({"type": "text", "text": ""})), text], "a\n\u{e9}", &[]);
    check(Dialect::Messages, &[start(json!({"type": "tool_use", "id": "c", "name": "n", "input": {}}))], "", &["n c"]);
    check(
        Dialect::Messages,
        &[start(json!({"type": "server_tool_use", "id": "c", "name": "n", "input": {}}))],
        "",
        &[],
    );

    let chunk = |delta: Value| json!({"choices": [{"index": 0, "delta": delta}]});
    check(Dialect::Chat, &[chunk(json!({"content": "a"})), chunk(json!({"content": "\n"}))], "a\n", &[]);
    let call = json!({"tool_calls": [{"index": 0, "id": "c", "function": {"name": "n", "arguments": ""}}]});
    check(Dialect::Chat, &[chunk(call)], "", &["n c"]);

    let done = |item: Value| json!({"type": "response.output_item.done", "output_index": 0, "item": item});
    let message = json!({"type": "message", "content": [{"type": "output_text", "text": "a"}, {"type": "output_text", "text": "b"}]});
    check(Dialect::Responses, &[done(message)], "ab", &[]);
    check(Dialect::Responses, &[done(json!({"type": "function_call", "call_id": "c", "name": "n"}))], "", &["n c"]);
    check(
        Dialect::Responses,
        &[done(json!({"type": "local_shell_call", "call_id": "c"}))],
        "",
        &["local_shell_call c"],
    );
    check(Dialect::Responses, &[done(json!({"type": "web_search_call", "id": "c"}))], "", &[]);
}
