//! Calls in odd places and shapes: what cannot be followed does not pass.

use super::*;

#[test]
fn what_cannot_be_judged_breaks_the_reply() {
    let broken = |dialect, reply: &str| run(pipe(dialect, Shape::Event, &["*"], false), &[reply.as_bytes()]).err();
    for (dialect, _) in STREAMS {
        assert_eq!(broken(dialect, "data: {\"type\":\n\n"), Some(Broken::Unreadable));
    }
    let twice = "data: {\"type\":\"content_block_start\",\"type\":\"ping\"}\n\n";
    assert_eq!(broken(Dialect::Messages, twice), Some(Broken::Unreadable));
    let nameless = "data: {\"choices\":[{\"index\":0,\"delta\":{\"tool_calls\":[{\"index\":0,\"id\":\"a\"}]}}]}\n\n";
    assert_eq!(broken(Dialect::Chat, nameless), Some(Broken::Nameless));
}

/// Calls in odd places and shapes: none may pass, whatever a lenient reader makes of it.
#[test]
fn calls_that_cannot_be_followed_do_not_pass() {
    let bash = r#"{"type":"tool_use","id":"t9","name":"Bash","input":{}}"#;
    let messages = [
        format!(r#"{{"type":"content_block_start","content_block":{bash}}}"#),
        format!(r#"{{"type":"content_block_start","index":-1,"content_block":{bash}}}"#),
        format!(r#"{{"type":"content_block_start","index":"0","content_block":{bash}}}"#),
        format!(r#"{{"type":"message_start","message":{{"content":[{bash}]}}}}"#),
        format!(r#"{{"content_block":{bash}}}"#),
        r#"{"type":"content_block_start","index":0,"content_block":{"type":"new_tool_use","id":"t","name":"Bash"}}"#
            .to_owned(),
    ];
    let call = |index: &str, id: &str, name: &str| {
        format!(r#"{{{index}"id":"{id}","type":"function","function":{{"name":"{name}","arguments":"{{}}"}}}}"#)
    };
    let chunk =
        |field: &str, calls: &str| format!(r#"{{"choices":[{{"index":0,"{field}":{{"tool_calls":{calls}}}}}]}}"#);
    let chat = [
        chunk("delta", &format!("[{},{}]", call("\"index\":0,", "a", "Read"), call("\"index\":0,", "a", "Bash"))),
        chunk("message", &format!("[{}]", call("", "a", "Bash"))),
        chunk("delta", &call("", "a", "Bash")),
        chunk("delta", &format!("[{}]", call("\"index\":18446744073709551615,", "a", "Bash"))),
        chunk(
            "delta",
            r#"[{"index":0,"id":"a","type":"custom","function":{"name":"Read"},"custom":{"name":"Bash","input":"x"}}]"#,
        ),
        chunk(
            "delta",
            r#"[{"index":0,"id":"a","function":{"name":"Read","arguments":"{}"}},{"index":0,"function":{"name":""},"custom":{"name":"Bash","input":"x"}}]"#,
        ),
        chunk("delta", r#"[{"index":0,"id":"a","function":{"name":"Read","Name":"Bash"}}]"#),
        chunk("Delta", &format!("[{}]", call("\"index\":0,", "a", "Bash"))),
    ];
    let item = |name: &str| {
        format!(r#"{{"id":"fc_9","type":"function_call","call_id":"c","name":"{name}","arguments":"{{}}"}}"#)
    };
    let responses = [
        format!(r#"{{"type":"response.output_item.done","item":{}}}"#, item("Bash")),
        format!(r#"{{"type":"response.output_item.done","output_index":"0","item":{}}}"#, item("Bash")),
        format!(r#"{{"type":"response.output_item.done","output_index":0,"item":{}}}"#, item("Bash")),
        format!(r#"{{"type":"response.incomplete","response":{{"output":[{}]}}}}"#, item("Bash")),
        format!(
            "{{\"type\":\"response.output_item.added\",\"output_index\":0,\"item\":{}}}\n\ndata: {{\"type\":\"response.output_item.done\",\"output_index\":0,\"item\":{}}}",
            item("Read"),
            item("Bash")
        ),
        format!(
            "{{\"type\":\"response.output_item.added\",\"output_index\":0,\"item\":{}}}\n\ndata: {{\"type\":\"response.completed\",\"response\":{{\"output\":[{}]}}}}",
            item("Read"),
            item("Bash")
        ),
    ];
    let responses = responses.into_iter().chain([
        r#"{"type":"response.function_call_arguments.done","item_id":"new","name":"Bash","arguments":"{}"}"#.to_owned(),
        format!(r#"{{"type":"response.output_item.done","output_index":0,"Item":{}}}"#, item("Bash")),
    ]);
    let responses: Vec<_> = responses.collect();
    let all = [(Dialect::Messages, &messages[..]), (Dialect::Chat, &chat), (Dialect::Responses, &responses)];
    for (dialect, events) in all {
        for event in events {
            let reply = format!("data: {event}\n\n");
            let told = run(pipe(dialect, Shape::Event, &["Read"], false), &[reply.as_bytes()]);
            if let Ok(told) = told {
                assert!(!told.out.contains("\"Bash\""), "{reply} -> {}", told.out);
                assert!(told.out.contains("`Bash` was refused"), "{reply} -> {}", told.out);
            }
        }
    }
}

#[test]
fn a_reply_that_is_no_stream_does_not_pass_as_one() {
    let reply = r#"{"choices":[{"index":0,"message":{"tool_calls":[{"id":"a","function":{"name":"Bash","arguments":"{}"}}]}}]}"#;
    for reply in [reply.to_owned(), format!("{reply}\n\n"), format!("data: {{}}\n{reply}\n\n")] {
        let told = run(pipe(Dialect::Chat, Shape::Event, &["*"], false), &[reply.as_bytes()]);
        assert_eq!(told.err(), Some(Broken::Unreadable), "{reply}");
    }
}

#[test]
fn calls_under_keys_of_another_case_do_not_pass_in_whole_replies_either() {
    let replies = [
        (Dialect::Messages, r#"{"Content":[{"type":"tool_use","id":"t","name":"Bash","input":{}}]}"#),
        (Dialect::Messages, r#"{"content":[{"type":"tool_use","id":"t","name":"Read","NAME":"Bash"}]}"#),
        (Dialect::Chat, r#"{"Choices":[{"message":{"tool_calls":[{"id":"a","function":{"name":"Bash"}}]}}]}"#),
        (Dialect::Chat, r#"{"choices":[{"message":{"function_call":{"name":"Read","Name":"Bash"}}}]}"#),
        (Dialect::Responses, r#"{"Output":[{"id":"f","type":"function_call","name":"Bash"}]}"#),
        (Dialect::Responses, r#"{"output":[{"id":"f","type":"function_call","name":"Read","Name":"Bash"}]}"#),
    ];
    for (dialect, reply) in replies {
        for shape in [Shape::Whole, Shape::Event] {
            let sent = if shape == Shape::Event { format!("data: {reply}\n\n") } else { reply.to_owned() };
            let told = run(pipe(dialect, shape, &["Read"], false), &[sent.as_bytes()]);
            assert_eq!(told.err(), Some(Broken::Misplaced), "{sent}");
        }
    }
}

#[test]
fn an_event_that_readers_cut_differently_does_not_pass() {
    let call = r#"{"choices":[{"index":0,"delta":{"tool_calls":[{"index":0,"id":"a","function":{"name":"Bash","arguments":"{}"}}]}}]}"#;
    let events = [
        format!("data: {{\"x\":\ndata: {call}\ndata: }}\n\n"),
        format!("\u{feff}data: {{\"x\":\ndata: {call}\n\u{feff}data: }}\n\n"),
        format!(": hi\u{b}data: {call}\n\n"),
        format!(": hi\u{2028}data: {call}\u{2028}\u{2028}\n\n"),
        format!("id: 1\u{c}data: {call}\n\n"),
    ];
    for event in events {
        let told = run(pipe(Dialect::Chat, Shape::Event, &["Read"], false), &[event.as_bytes()]);
        assert_eq!(told.err(), Some(Broken::Unreadable), "{event}");
    }
}

#[test]
fn a_call_that_changes_its_group_does_not_pass() {
    let item = |group: &str| {
        format!(r#"{{"id":"f","type":"function_call","name":"run","namespace":"{group}","arguments":"{{}}"}}"#)
    };
    let event = |kind: &str, group: &str| {
        format!("data: {{\"type\":\"response.output_item.{kind}\",\"output_index\":0,\"item\":{}}}\n\n", item(group))
    };
    let reply = event("added", "safe") + &event("done", "unsafe");
    let told = run(pipe(Dialect::Responses, Shape::Event, &["safe.*"], false), &[reply.as_bytes()]);
    assert_eq!(told.err(), Some(Broken::Misplaced));
    let reply = event("added", "safe") + &event("done", "safe");
    assert_eq!(stream(Dialect::Responses, &["safe.*"], &reply).out, reply);
}

#[test]
fn an_event_of_a_barred_call_does_not_pass_for_an_item_beside_it() {
    for item in ["null", "\"x\"", "{\"type\":\"message\"}"] {
        let reply = RESPONSES.replace("\"item_id\":\"fc_1\"", &format!("\"item\":{item},\"item_id\":\"fc_1\""));
        let told = stream(Dialect::Responses, &["Read"], &reply);
        assert!(!told.out.contains("cat .env"), "{}", told.out);
    }
}

#[test]
fn an_item_that_becomes_a_call_does_not_pass() {
    let event = |kind: &str, what: &str| {
        format!(
            "data: {{\"type\":\"response.output_item.{kind}\",\"output_index\":0,\"item\":{{\"id\":\"f\",\"type\":\"{what}\",\"name\":\"Read\",\"arguments\":\"{{}}\"}}}}\n\n"
        )
    };
    let run = |reply: String| run(pipe(Dialect::Responses, Shape::Event, &["Read"], false), &[reply.as_bytes()]).err();
    assert_eq!(run(event("added", "shiny") + &event("done", "function_call")), Some(Broken::Misplaced));
    // Another item may take its place, and one may arrive as a whole.
    let other = event("added", "message") + &event("added", "function_call") + &event("done", "function_call");
    assert_eq!(run(other), None);
    assert_eq!(run(event("done", "function_call")), None);
}
