use std::time::Duration;

use super::{By, Fault, Reply, Script, Turn};
use crate::ask::Dialect;

/// The example of the module page, so that the page cannot go stale.
fn page() -> String {
    let page = include_str!("../lib.rs");
    let (_, rest) = page.split_once("```yaml\n").unwrap();
    let (yaml, _) = rest.split_once("//! ```").unwrap();
    yaml.lines()
        .map(|line| line.trim_start_matches("//!").strip_prefix(' ').unwrap_or(""))
        .collect::<Vec<_>>()
        .join("\n")
}

fn turn(yaml: &str) -> Turn {
    let script = Script::parse(&format!("scenarios: [{{ name: n, turns: [{{ {yaml} }}] }}]")).unwrap();
    script.scenarios[0].turns[0].clone()
}

fn reply(yaml: &str) -> Reply {
    match turn(yaml) {
        Turn::Reply(reply) => reply,
        Turn::Refusal(refusal) => panic!("a refusal: {refusal:?}"),
    }
}

#[track_caller]
fn wrong(yaml: &str, line: u64, says: &str) {
    let error = Script::parse(yaml).unwrap_err();
    assert!(error.to_string().contains(says), "{error}");
    assert_eq!(error.line(), Some(line), "{error}");
}

/// A scenario whose only turn has these fields, which then are on line 4.
#[track_caller]
fn wrong_turn(fields: &str, says: &str) {
    wrong(&format!("scenarios:\n  - name: n\n    turns:\n      - {{ {fields} }}\n"), 4, says);
}

#[test]
fn the_example_of_the_page_parses() {
    let script = Script::parse(&page()).unwrap();
    assert_eq!(script.models, ["claude-sonnet-5-5", "gpt-5.5"]);
    let [fix, flaky] = &script.scenarios[..] else { panic!("two scenarios") };
    assert_eq!((fix.name.as_str(), fix.by, fix.turns.len()), ("fix-bug", By::Conversation, 2));
    assert_eq!((flaky.by, flaky.turns.len()), (By::Request, 2));
    assert_eq!(fix.when.dialect, Some(Dialect::Messages));
    assert_eq!(fix.when.tools, Some(true));
}

#[test]
fn an_empty_script_has_models_and_no_scenarios() {
    let script = Script::parse("models: [only-this]").unwrap();
    assert_eq!(script.models, ["only-this"]);
    assert!(script.scenarios.is_empty());
    assert!(!Script::parse("scenarios: []").unwrap().models.is_empty());
}

#[test]
fn caching_is_on_or_off_or_has_a_minimum() {
    let minimum = |yaml: &str| Script::parse(yaml).unwrap().caching.map(|caching| caching.minimum);
    assert_eq!(minimum("scenarios: []"), None);
    assert_eq!(minimum("caching: false"), None);
    assert_eq!(minimum("caching: true"), Some(1024));
    assert_eq!(minimum("caching: {}"), Some(1024));
    assert_eq!(minimum("caching: { minimum: 512 }"), Some(512));
    wrong("models: []\ncaching: { minimun: 512 }", 2, "minimun");
    wrong("models: []\ncaching: { minimum: some }", 2, "some");
    wrong("models: []\ncaching: yes", 2, "minimum: 1024");
}

#[test]
fn the_arguments_keep_the_order_in_which_they_are_written() {
    let reply = reply("calls: [{ tool: Edit, input: { path: a, new: 1, old: [true, null, 1.5] }, pieces: 5 }]");
    assert_eq!(reply.calls[0].arguments, r#"{"path":"a","new":1,"old":[true,null,1.5]}"#);
    assert_eq!(reply.calls[0].pieces, 5);
}

#[test]
fn a_call_says_one_thing() {
    assert_eq!(reply("calls: [{ tool: Read }]").calls[0].arguments, "{}");
    let custom = reply("calls: [{ tool: exec, custom: 'raw text' }]").calls.remove(0);
    assert_eq!((custom.arguments.as_str(), custom.custom), ("raw text", true));
    let broken = reply(r#"calls: [{ tool: Read, arguments: "{\"a" }]"#).calls.remove(0);
    assert_eq!((broken.arguments.as_str(), broken.custom, broken.pieces), ("{\"a", false, 3));
    wrong_turn("calls: [{ tool: Read, input: {}, custom: x }]", "a call has one of");
    wrong_turn("calls: [{ tool: Read, input: [] }]", "must be an object");
    wrong_turn("calls: [{ tool: Read, pieces: 0 }]", "zero");
}

#[test]
fn durations_have_a_unit() {
    for (text, millis) in [("20ms", 20), ("2s", 2000), ("1.5s", 1500), ("1m", 60_000), ("0ms", 0)] {
        assert_eq!(reply(&format!("pace: {text}")).manner.pace, Some(Duration::from_millis(millis)), "{text}");
    }
    for text in ["20", "2 hours", "-1s", "s", "1d"] {
        wrong_turn(&format!("pace: {text}"), "is not a duration");
    }
}

#[test]
fn faults_are_read() {
    let fault = |yaml: &str| reply(&format!("fault: {{ {yaml} }}")).manner.fault;
    assert_eq!(fault("stall: { after: 3, for: 2s }"), Some(Fault::Stall { after: 3, pause: Duration::from_secs(2) }));
    assert_eq!(fault("reset: { after: 4 }"), Some(Fault::Reset { after: 4 }));
    assert_eq!(fault("close: { after: 4 }"), Some(Fault::Close { after: 4 }));
    assert_eq!(fault("broken_json: { after: 2 }"), Some(Fault::BrokenJson { after: 2 }));
    assert_eq!(fault("html: true"), Some(Fault::Html(true)));
    assert_eq!(fault("html: false"), None);
    let event = fault("error_event: { after: 2, type: overloaded_error, message: Busy }");
    assert_eq!(event, Some(Fault::ErrorEvent { after: 2, kind: "overloaded_error".into(), message: "Busy".into() }));
}

#[test]
fn a_turn_has_one_fault_at_most() {
    let error =
        Script::parse("scenarios: [{ name: n, turns: [{ fault: { html: true, reset: { after: 1 } } }] }]").unwrap_err();
    assert!(error.line() == Some(1), "{error}");
    wrong_turn("fault: { reset: { after: 1, for: 2s } }", "for");
    wrong_turn("fault: { explode: { after: 1 } }", "explode");
}

#[test]
fn a_status_is_instead_of_a_reply() {
    let Turn::Refusal(refusal) = turn("status: 429, headers: { retry-after: '2' }, error: { type: t, message: m }")
    else {
        panic!("a reply")
    };
    assert_eq!((refusal.status.as_u16(), refusal.headers["retry-after"].to_str().unwrap()), (429, "2"));
    assert_eq!((refusal.error.kind.as_deref(), refusal.error.message.as_deref()), (Some("t"), Some("m")));
    let Turn::Refusal(refusal) = turn("status: 403, body: Go away, content_type: text/html") else { panic!("a reply") };
    let (body, content_type) = refusal.raw.unwrap();
    assert_eq!((body.as_str(), content_type.to_str().unwrap()), ("Go away", "text/html"));

    wrong_turn("status: 500, text: hello", "`text` has no place beside it");
    wrong_turn("error: { message: m }", "`error` needs a `status`");
    wrong_turn("status: 500, error: { message: m }, body: x", "keep one");
    wrong_turn("status: 500, content_type: text/html", "needs a `body`");
    wrong_turn("status: 204", "204");
    wrong_turn("status: 99", "99");
    wrong_turn("status: 500, headers: { 'bad name': x }", "bad name");
}

#[test]
fn what_is_unknown_is_an_error_with_its_line() {
    wrong("scenario: []", 1, "scenario");
    wrong("scenarios:\n  - name: n\n    turn: []\n", 3, "turn");
    wrong("scenarios:\n  - name: n\n    when: { modle: x }\n    turns: [{}]\n", 3, "modle");
    wrong("scenarios:\n  - name: n\n    when: { dialect: soap }\n    turns: [{}]\n", 3, "soap");
    wrong("scenarios:\n  - name: n\n    turns: []\n", 3, "at least one turn");
    wrong_turn("tekst: hello", "tekst");
    wrong_turn("usage: { inputs: 1 }", "inputs");
    wrong_turn("calls: [{ tool: Read, args: {} }]", "args");
    wrong_turn("text: hi, comments: yes", "yes");
}
