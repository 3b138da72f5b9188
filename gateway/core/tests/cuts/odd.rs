//! Replies as only some providers send them.

use jetway_core::wire::Dialect::{self, Chat, Messages, Responses};
use jetway_core::wire::cut::Cut;
use jetway_core::wire::event::Frame;

use crate::{OUTPUT, SENTENCE, data, frame, joined, json};

/// The data of a few events as a reply, and what is added to end it; none if it cannot be ended.
fn end(dialect: Dialect, hold: bool, events: &[&str]) -> (Vec<Frame>, Option<Vec<Frame>>) {
    let mut cut = Cut::new(dialect);
    let mut out = Vec::new();
    for event in events {
        cut.push(frame(&format!("data: {event}\n\n")), crate::held(hold), &mut out).unwrap();
    }
    let ended = cut.end(SENTENCE, OUTPUT);
    (out, ended)
}

#[track_caller]
fn check(dialect: Dialect, hold: bool, events: &[&str], can_be_ended: bool) {
    let (_, ended) = end(dialect, hold, events);
    assert_eq!(ended.is_some(), can_be_ended, "{events:?}");
}

const START: &str = r#"{"type":"message_start","message":{"model":"m"}}"#;
const STOP: &str = r#"{"type":"content_block_stop","index":0}"#;

#[test]
fn what_is_begun_where_it_cannot_be_followed_cannot_be_ended() {
    check(
        Messages,
        true,
        &[START, r#"{"type":"content_block_start","content_block":{"type":"text","text":""}}"#],
        false,
    );
    check(Messages, true, &[START, r#"{"type":"content_block_start","index":0}"#], false);
    check(Responses, true, &[r#"{"type":"response.output_item.added","item":{"type":"message"}}"#], false);
    check(Responses, true, &[r#"{"type":"response.output_item.done","output_index":0}"#], false);
}

#[test]
fn what_the_provider_runs_is_answered_or_cannot_be_ended() {
    for kind in ["server_tool_use", "mcp_tool_use"] {
        let call = format!(
            r#"{{"type":"content_block_start","index":0,"content_block":{{"type":"{kind}","id":"a","name":"x","server_name":"y","input":{{}}}}}}"#
        );
        let answer = |id: &str| {
            format!(
                r#"{{"type":"content_block_start","index":1,"content_block":{{"type":"some_tool_result","tool_use_id":"{id}","content":[]}}}}"#
            )
        };
        for hold in [false, true] {
            let (out, _) = end(Messages, hold, &[START, &call]);
            assert_eq!(out.len(), 2, "it runs elsewhere, so it is not held");
            check(Messages, hold, &[START, &call, STOP], false);
            check(Messages, hold, &[START, &call, STOP, &answer("b")], false);
            check(Messages, hold, &[START, &call, STOP, &answer("a")], true);
        }
    }
    let added = |item: &str| format!(r#"{{"type":"response.output_item.added","output_index":0,"item":{item}}}"#);
    let done = |index: u64, item: &str| {
        format!(r#"{{"type":"response.output_item.done","output_index":{index},"item":{item}}}"#)
    };
    let shell = r#"{"type":"shell_call","call_id":"a","environment":{"type":"container_reference"}}"#;
    let program = r#"{"type":"program","call_id":"a","code":"x"}"#;
    for item in [shell, program] {
        let (out, _) = end(Responses, true, &[&added(item)]);
        assert_eq!(out.len(), 1, "it runs elsewhere, so it is not held");
        check(Responses, true, &[&added(item), &done(0, item)], false);
        let other = r#"{"type":"shell_call_output","call_id":"b"}"#;
        check(Responses, true, &[&added(item), &done(0, item), &done(1, other)], false);
        let answer = r#"{"type":"shell_call_output","call_id":"a"}"#;
        check(Responses, true, &[&added(item), &done(0, item), &done(1, answer)], true);
    }
    // A program may wait for a call that is the agent's.
    let call = r#"{"type":"function_call","call_id":"c","name":"n","arguments":"{}","caller":{"type":"program","caller_id":"a"}}"#;
    check(Responses, false, &[&added(program), &done(0, program), &done(1, call)], true);
    for kind in ["web_search_call", "file_search_call", "code_interpreter_call", "image_generation_call", "mcp_call"] {
        let item = format!(r#"{{"type":"{kind}","id":"x"}}"#);
        let (out, _) = end(Responses, true, &[&added(&item)]);
        assert_eq!(out.len(), 1, "{kind} runs elsewhere, so it is not held");
        check(Responses, true, &[&added(&item)], false);
        check(Responses, true, &[&added(&item), &done(0, &item)], true);
    }
    let local = r#"{"type":"shell_call","call_id":"a","environment":{"type":"local"}}"#;
    let (out, ended) = end(Responses, true, &[&added(local)]);
    assert!(out.is_empty() && ended.is_some(), "it is the agent's");
}

/// Who does not sign, asks for no signature.
#[test]
fn thinking_that_is_never_signed_can_be_ended_when_it_stopped() {
    let thinking =
        r#"{"type":"content_block_start","index":0,"content_block":{"type":"thinking","thinking":"","signature":""}}"#;
    let more = r#"{"type":"content_block_delta","index":0,"delta":{"type":"thinking_delta","thinking":"Hm."}}"#;
    check(Messages, false, &[START, thinking, more], false);
    check(Messages, false, &[START, thinking, more, STOP], true);
}

#[test]
fn a_call_that_the_provider_never_ends_leaves_with_the_end_of_the_reply() {
    let call = r#"{"type":"content_block_start","index":0,"content_block":{"type":"tool_use","id":"a","name":"x","input":{}}}"#;
    let idle = r#"{"type":"message_delta","delta":{"stop_reason":null},"usage":{"output_tokens":1}}"#;
    let count = |dialect, events: &[&str]| end(dialect, true, events).0.len();
    assert_eq!(count(Messages, &[START, call, idle]), 2);
    assert_eq!(count(Messages, &[START, call, idle, r#"{"type":"message_stop"}"#]), 4);
    let call = r#"{"choices":[{"index":0,"delta":{"tool_calls":[{"index":0,"id":"a","function":{"name":"x","arguments":"{}"}}]}}]}"#;
    assert_eq!(count(Chat, &[call]), 0);
    assert_eq!(count(Chat, &[call, "[DONE]"]), 2);
    let call = r#"{"type":"response.output_item.added","output_index":0,"item":{"type":"function_call","name":"x"}}"#;
    assert_eq!(count(Responses, &[call]), 0);
    assert_eq!(count(Responses, &[call, r#"{"type":"response.incomplete","response":{}}"#]), 2);
}

#[test]
fn pieces_that_name_their_item_by_its_id_alone_are_held_with_it() {
    let call = r#"{"type":"response.output_item.added","output_index":0,"item":{"id":"fc","type":"function_call","name":"x"}}"#;
    let piece = r#"{"type":"response.function_call_arguments.delta","item_id":"fc","delta":"{}"}"#;
    assert!(end(Responses, true, &[call, piece]).0.is_empty());
}

#[test]
fn events_are_numbered_where_those_of_the_reply_are() {
    let created = r#"{"type":"response.created","response":{"id":"resp_9","output":[]}}"#;
    let ended = joined(&end(Responses, false, &[created]).1.unwrap());
    assert!(!ended.contains("sequence_number") && ended.contains("\"msg_jetway_9\""), "{ended}");
    let created = r#"{"type":"response.created","sequence_number":40,"response":{"id":"resp_9","output":[]}}"#;
    let ended = joined(&end(Responses, false, &[created]).1.unwrap());
    assert_eq!(json(data(&ended)[0])["sequence_number"], 41);
}

/// Some servers begin no part before its text.
#[test]
fn a_part_that_was_not_begun_is_not_ended() {
    let added =
        r#"{"type":"response.output_item.added","output_index":0,"item":{"id":"m","type":"message","content":[]}}"#;
    let text = r#"{"type":"response.output_text.delta","output_index":0,"item_id":"m","content_index":0,"delta":"So"}"#;
    let ended = joined(&end(Responses, false, &[added, text]).1.unwrap());
    let kinds: Vec<_> = data(&ended).iter().map(|data| json(data)["type"].as_str().unwrap().to_owned()).collect();
    assert_eq!(kinds[..3], ["response.output_text.done", "response.output_item.done", "response.output_item.added"]);
    assert_eq!(json(data(&ended)[1])["item"]["content"][0]["text"], "So");
}

#[test]
fn a_reply_of_which_too_much_would_be_told_again_cannot_be_ended() {
    let item = |index: u64| {
        let result = "x".repeat(4 << 20);
        format!(
            r#"{{"type":"response.output_item.done","output_index":{index},"item":{{"type":"image_generation_call","result":"{result}"}}}}"#
        )
    };
    let items: Vec<_> = (0..4).map(item).collect();
    let items: Vec<_> = items.iter().map(String::as_str).collect();
    check(Responses, false, &items[..3], true);
    let (out, ended) = end(Responses, false, &items);
    assert!(out.len() == 4 && ended.is_none());
    let over = r#"{"type":"response.completed","response":{}}"#;
    assert_eq!(end(Responses, false, &[items[0], items[1], items[2], items[3], over]).1.unwrap().len(), 0);
}

#[test]
fn chunks_of_ours_repeat_what_those_of_the_reply_do() {
    let chunk = |id: &str| format!(r#"{{"id":"{id}","model":"m","created":7,"choices":[{{"index":0,"delta":{{}}}}]}}"#);
    let ended = joined(&end(Chat, false, &[r#"{"id":"","choices":[]}"#, &chunk("chatcmpl-9")]).1.unwrap());
    assert!(ended.starts_with(r#"data: {"id":"chatcmpl-9","created":7,"model":"m","choices":["#), "{ended}");
    // But not without end.
    let ended = joined(&end(Chat, false, &[&chunk(&"9".repeat(5000))]).1.unwrap());
    assert!(ended.contains("chatcmpl-jetway") && !ended.contains("999"), "{ended}");
}

#[test]
fn a_reply_that_is_no_stream_passes() {
    let whole = r#"{"type":"message","content":[{"type":"tool_use","id":"a","name":"x","input":{}}]}"#;
    let mut out = Vec::new();
    Cut::new(Messages).push(Frame::whole(whole.into()), crate::held(true), &mut out).unwrap();
    assert_eq!(joined(&out), whole);
}
