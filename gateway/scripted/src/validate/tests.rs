use bytes::Bytes;

use super::check;
use crate::ask::{Ask, Dialect};

fn verdict(dialect: Dialect, body: &str) -> Result<(), String> {
    let ask = Ask::read(dialect, Bytes::copy_from_slice(body.as_bytes())).unwrap();
    check(&ask, false).map_err(|problem| {
        assert_eq!((problem.status.as_u16(), problem.kind.as_str()), (400, "invalid_request_error"));
        problem.message
    })
}

#[track_caller]
fn taken(dialect: Dialect, body: &str) {
    assert_eq!(verdict(dialect, body), Ok(()), "{body}");
}

#[track_caller]
fn refused(dialect: Dialect, body: &str, says: &str) {
    let message = verdict(dialect, body).unwrap_err();
    assert!(message.contains(says), "{message}");
}

/// A Messages request with these further fields.
fn messages(rest: &str) -> String {
    format!(r#"{{"model":"m","max_tokens":9,{rest}}}"#)
}

fn history(messages_json: &str) -> String {
    messages(&format!(r#""messages":[{messages_json}]"#))
}

const USE_A: &str = r#"{"role":"assistant","content":[{"type":"tool_use","id":"a"}]}"#;
const USE_B: &str = r#"{"role":"assistant","content":[{"type":"tool_use","id":"b"}]}"#;
const RESULT_A: &str = r#"{"type":"tool_result","tool_use_id":"a"}"#;
const RESULT_B: &str = r#"{"type":"tool_result","tool_use_id":"b"}"#;

fn user(blocks: &str) -> String {
    format!(r#"{{"role":"user","content":[{blocks}]}}"#)
}

#[test]
fn messages_need_their_fields() {
    refused(Dialect::Messages, r#"{"max_tokens":1,"messages":[]}"#, "model: Field required");
    refused(Dialect::Messages, r#"{"model":"m","messages":[]}"#, "max_tokens: Field required");
    refused(Dialect::Messages, r#"{"model":"m","max_tokens":1}"#, "messages: Field required");
    taken(Dialect::Messages, &history(""));
    let ask = Ask::read(Dialect::Messages, Bytes::from(r#"{"model":"m","messages":[]}"#)).unwrap();
    assert_eq!(check(&ask, true), Ok(()), "counting needs no max_tokens");
}

#[test]
fn messages_tool_choice_and_names() {
    let with = |rest: &str| messages(&format!(r#""messages":[],{rest}"#));
    let tool = r#""tools":[{"name":"Read"}]"#;
    taken(Dialect::Messages, &with(&format!(r#"{tool},"tool_choice":{{"type":"auto"}}"#)));
    taken(Dialect::Messages, &with(&format!(r#"{tool},"tool_choice":{{"type":"tool","name":"Read"}}"#)));
    let absent = with(&format!(r#"{tool},"tool_choice":{{"type":"tool","name":"Bash"}}"#));
    refused(Dialect::Messages, &absent, "Tool 'Bash' not found");
    for none in [r#""tools":[],"#, ""] {
        let body = with(&format!(r#"{none}"tool_choice":{{"type":"auto"}}"#));
        refused(Dialect::Messages, &body, "only be specified while providing tools");
    }
    refused(Dialect::Messages, &with(r#""tools":[{"name":"Read"},{"name":"Read"}]"#), "must be unique");
}

#[test]
fn a_call_is_answered_in_the_next_turn() {
    let answered = format!("{USE_A},{}", user(RESULT_A));
    taken(Dialect::Messages, &history(&answered));
    taken(Dialect::Messages, &history(&format!("{answered},{USE_B},{}", user(RESULT_B))));
    let unanswered = "messages.0: `tool_use` ids were found without `tool_result` blocks immediately after: a.";
    refused(Dialect::Messages, &history(USE_A), unanswered);
    refused(Dialect::Messages, &history(&format!(r#"{USE_A},{{"role":"user","content":"go on"}}"#)), unanswered);
    refused(
        Dialect::Messages,
        &history(&format!("{USE_A},{},{USE_B},{}", user(r#"{"type":"text"}"#), user(RESULT_B))),
        unanswered,
    );
}

#[test]
fn one_of_two_answers_is_not_enough() {
    let two = r#"{"role":"assistant","content":[{"type":"tool_use","id":"a"},{"type":"tool_use","id":"b"}]}"#;
    taken(Dialect::Messages, &history(&format!("{two},{}", user(&format!("{RESULT_B},{RESULT_A}")))));
    refused(Dialect::Messages, &history(&format!("{two},{}", user(RESULT_B))), "immediately after: a.");
}

#[test]
fn text_before_a_result_parts_it_from_its_call() {
    let late = user(&format!(r#"{{"type":"text","text":"note"}},{RESULT_A}"#));
    refused(Dialect::Messages, &history(&format!("{USE_A},{late}")), "immediately after: a.");
    let early = user(&format!(r#"{RESULT_A},{{"type":"text","text":"note"}}"#));
    taken(Dialect::Messages, &history(&format!("{USE_A},{early}")));
}

#[test]
fn messages_of_one_role_are_one_turn() {
    let system = r#"{"role":"system","content":"x"}"#;
    let both = format!("{USE_A},{USE_B},{system},{},{}", user(RESULT_B), user(RESULT_A));
    taken(Dialect::Messages, &history(&both));
}

#[test]
fn a_result_answers_a_call_once() {
    let alone = "messages.0.content.0: unexpected `tool_use_id` found in `tool_result` blocks: a.";
    refused(Dialect::Messages, &history(&user(RESULT_A)), alone);
    let stale = format!(r#"{USE_A},{},{{"role":"assistant","content":"ok"}},{}"#, user(RESULT_A), user(RESULT_A));
    refused(Dialect::Messages, &history(&stale), "messages.3.content.0: unexpected");
    let twice = format!("{USE_A},{}", user(&format!("{RESULT_A},{RESULT_A}")));
    refused(Dialect::Messages, &history(&twice), "single result");
}

#[test]
fn at_most_four_cache_breakpoints() {
    let c = r#""cache_control":{"type":"ephemeral"}"#;
    let body = |system: &str, schema: &str| {
        messages(&format!(
            r#""system":[{{"type":"text"{system}}}],
            "tools":[{{"name":"Read",{c},"input_schema":{{{schema}}}}}],
            "messages":[{{"role":"user","content":[{{"type":"text",{c}}}]}},{USE_A},
            {{"role":"user","content":[{{"type":"tool_result","tool_use_id":"a",{c},"content":[{{"type":"text",{c}}}]}}]}}]"#
        ))
    };
    taken(Dialect::Messages, &body("", c));
    refused(
        Dialect::Messages,
        &body(&format!(",{c}"), ""),
        "A maximum of 4 blocks with cache_control may be provided. Found 5.",
    );
}

#[test]
fn automatic_caching_is_a_breakpoint_too() {
    let automatic = |ttl: &str| format!(r#""cache_control":{{"type":"ephemeral"{ttl}}},"#);
    let marked = |count: usize| {
        let block = r#"{"type":"text","text":"x","cache_control":{"type":"ephemeral"}}"#;
        let blocks = format!("{block},").repeat(count) + r#"{"type":"text","text":"y"}"#;
        format!(r#""messages":[{}]"#, user(&blocks))
    };
    taken(Dialect::Messages, &messages(&marked(4)));
    taken(Dialect::Messages, &messages(&(automatic("") + &marked(3))));
    refused(Dialect::Messages, &messages(&(automatic("") + &marked(4))), "Found 5.");
    refused(Dialect::Messages, &messages(&(automatic(r#","ttl":"1h""#) + &marked(1))), "cache_control.ttl: a ttl='1h'");
    let target = user(r#"{"type":"text","text":"x","cache_control":{"type":"ephemeral","ttl":"1h"}}"#);
    let target = format!(r#""messages":[{target}]"#);
    taken(Dialect::Messages, &messages(&(automatic(r#","ttl":"1h""#) + &target)));
    let conflict = "Top-level cache_control has ttl='5m' but the target block already has cache_control with ttl='1h'";
    refused(Dialect::Messages, &messages(&(automatic("") + &target)), conflict);
}

#[test]
fn an_hour_does_not_come_after_five_minutes() {
    let body = |ttls: [&str; 4]| {
        let [tool, system, nested, block] =
            ttls.map(|ttl| if ttl.is_empty() { String::new() } else { format!(r#","cache_control":{ttl}"#) });
        messages(&format!(
            r#""messages":[{USE_A},{{"role":"user","content":[{{"type":"tool_result","tool_use_id":"a"{block},
            "content":[{{"type":"text"{nested}}}]}}]}}],
            "system":[{{"type":"text"{system}}}],"tools":[{{"name":"Read"{tool}}}]"#
        ))
    };
    let (hour, short, other) = (r#"{"ttl":"1h"}"#, r#"{"ttl":"5m"}"#, "{}");
    taken(Dialect::Messages, &body([hour, hour, short, other]));
    taken(Dialect::Messages, &body(["", hour, "", hour]));
    for (ttls, path) in [
        ([short, hour, "", ""], "system.0.cache_control.ttl: a ttl='1h' cache_control block must not come after"),
        (["", other, hour, ""], "messages.1.content.0.content.0.cache_control.ttl: "),
        ([hour, short, short, hour], "messages.1.content.0.cache_control.ttl: "),
    ] {
        refused(Dialect::Messages, &body(ttls), path);
    }
}

#[test]
fn chat_fields_and_tools() {
    let with = |rest: &str| format!(r#"{{"model":"m","messages":[]{rest}}}"#);
    refused(Dialect::Chat, r#"{"messages":[]}"#, "you must provide a model parameter");
    refused(Dialect::Chat, r#"{"model":"m"}"#, "'messages'");
    taken(Dialect::Chat, &with(""));
    let tool = r#","tools":[{"type":"function","function":{"name":"read"}}]"#;
    taken(Dialect::Chat, &with(&format!(r#"{tool},"tool_choice":"required""#)));
    let named =
        |name: &str| with(&format!(r#"{tool},"tool_choice":{{"type":"function","function":{{"name":"{name}"}}}}"#));
    taken(Dialect::Chat, &named("read"));
    refused(Dialect::Chat, &named("bash"), "Tool choice 'bash' not found");
    refused(Dialect::Chat, &with(r#","tool_choice":"auto""#), "only allowed when 'tools' are specified");
    refused(Dialect::Chat, &with(r#","tools":[]"#), "empty array");
    let twice = r#","tools":[{"function":{"name":"read"}},{"custom":{"name":"read"}}]"#;
    refused(Dialect::Chat, &with(twice), "duplicate tool name 'read'");
}

#[test]
fn chat_calls_and_answers_are_pairs() {
    let call = r#"{"role":"assistant","tool_calls":[{"id":"a"},{"id":"b"}]}"#;
    let tool = |id: &str| format!(r#"{{"role":"tool","tool_call_id":"{id}"}}"#);
    let user = r#"{"role":"user","content":"hi"}"#;
    let with = |list: &str| format!(r#"{{"model":"m","messages":[{list}]}}"#);
    taken(Dialect::Chat, &with(&format!("{user},{call},{},{},{user}", tool("b"), tool("a"))));
    let orphan = "must be a response to a preceeding message with 'tool_calls'";
    refused(Dialect::Chat, &with(&tool("a")), orphan);
    refused(Dialect::Chat, &with(&format!("{call},{},{},{}", tool("b"), tool("a"), tool("a"))), orphan);
    let open = "The following tool_call_ids did not have response messages: b";
    refused(Dialect::Chat, &with(&format!("{call},{}", tool("a"))), open);
    refused(Dialect::Chat, &with(&format!("{call},{},{user},{}", tool("a"), tool("b"))), open);
}

#[test]
fn responses_fields_and_tools() {
    let with = |rest: &str| format!(r#"{{"model":"m"{rest}}}"#);
    refused(Dialect::Responses, r#"{"input":"hi"}"#, "Missing required parameter: 'model'.");
    taken(Dialect::Responses, &with(r#","input":"hi","tool_choice":"auto""#));
    refused(Dialect::Responses, &with(r#","tool_choice":"required""#), "only allowed when 'tools' are specified");
    let lite = r#","input":[{"type":"additional_tools","tools":[
        {"type":"namespace","name":"a","tools":[{"type":"custom","name":"exec"}]},
        {"type":"namespace","name":"b","tools":[{"type":"custom","name":"exec"}]}]}]"#;
    taken(Dialect::Responses, &with(lite));
    taken(Dialect::Responses, &with(&format!(r#"{lite},"tool_choice":{{"type":"custom","name":"exec"}}"#)));
    refused(
        Dialect::Responses,
        &with(&format!(r#"{lite},"tool_choice":{{"type":"function","name":"sh"}}"#)),
        "'sh' not found",
    );
    taken(Dialect::Responses, &with(r#","tools":[{"type":"mcp"},{"type":"mcp"}]"#));
    let twice = r#","tools":[{"type":"function","name":"x"},{"type":"function","name":"x"}]"#;
    refused(Dialect::Responses, &with(twice), "duplicate tool name 'x'");
}

#[test]
fn responses_calls_and_outputs_are_pairs() {
    let with = |items: &str| format!(r#"{{"model":"m","input":[{items}]}}"#);
    let item = |kind: &str, id: &str| format!(r#"{{"type":"{kind}","call_id":"{id}"}}"#);
    let (call, output) = (item("function_call", "a"), item("function_call_output", "a"));
    let (custom, done) = (item("custom_tool_call", "b"), item("custom_tool_call_output", "b"));
    taken(Dialect::Responses, &with(&[&*call, &custom, &done, &output].join(",")));
    refused(Dialect::Responses, &with(&call), "No tool output found for function call a.");
    refused(Dialect::Responses, &with(&custom), "No tool output found for custom tool call b.");
    let orphan = "No tool call found for function call output with call_id a.";
    refused(Dialect::Responses, &with(&output), orphan);
    refused(Dialect::Responses, &with(&format!("{output},{call}")), orphan);
    let kept = format!(r#"{{"model":"m","previous_response_id":"r","input":[{output}]}}"#);
    taken(Dialect::Responses, &kept);
}
