//! What a person has asked for, in requests as agents send them.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on should say where")]

use jetway_core::wire::Dialect;
use jetway_core::wire::json::Json;
use jetway_core::wire::request::Request;
use serde_json::{Value, json};

fn task(dialect: Dialect, body: &str) -> String {
    Request::read(dialect, Json::read(body.to_owned().into()).unwrap()).unwrap().task
}

#[track_caller]
fn check(dialect: Dialect, said: Value, expect: &str) {
    let kind = if dialect == Dialect::Responses { "input_text" } else { "text" };
    let message = |(role, content): (&String, &Value)| {
        let block = |text: &Value| json!({ "type": kind, "text": text });
        let content = content.as_array().map_or(content.clone(), |texts| texts.iter().map(block).collect());
        json!({ "role": role, "content": content })
    };
    let each = |one: &Value| one.as_object().unwrap().iter().map(message).next().unwrap();
    let list: Vec<_> = said.as_array().unwrap().iter().map(each).collect();
    let field = if dialect == Dialect::Responses { "input" } else { "messages" };
    let body = json!({ "model": "m", field: list }).to_string();
    assert_eq!(task(dialect, &body), expect, "{body}");
}

/// Bodies begin as agents of these names send them, in blocks and roles, with words of our own in them: those
/// of Claude Code and Codex as they were measured, the others by what is public of their code.
#[test]
fn the_task_is_what_a_person_typed() {
    let note = "<system-reminder>\nThe folder has an AGENTS.md.\n</system-reminder>\n";
    let place = "<environment_context>\n  <cwd>/w</cwd>\n</environment_context>";
    let (m, c, r) = (Dialect::Messages, Dialect::Chat, Dialect::Responses);
    // Claude Code: three blocks, the typed one last, and a system message behind it.
    check(m, json!([{"user": [note, note, "fix the bug"]}, {"system": "s"}]), "fix the bug");
    check(m, json!([{"user": [note, note, "<Button> does not render"]}]), "<Button> does not render");
    let later = json!([{"user": [note, "fix the bug"]}, {"assistant": "done"}, {"user": [note, "and the other"]}]);
    check(m, later, "fix the bug");
    let command = "<command-message>fix</command-message>\n<command-name>/fix</command-name>\n<command-args>the login</command-args>";
    check(m, json!([{"user": [note, command, "Fix what is named."]}]), "the login\n\nFix what is named.");
    // Codex: developer items, one message of its own, and the typed one.
    let rules = "# AGENTS.md instructions for /w\n\n<INSTRUCTIONS>\nBe brief.\n</INSTRUCTIONS>";
    check(r, json!([{"developer": ["d"]}, {"user": [rules, place]}, {"user": ["fix it"]}]), "fix it");
    check(r, json!([{"developer": ["d"]}, {"user": [place]}, {"user": ["<T> is lost"]}]), "<T> is lost");
    // opencode: what is typed, then the files that it names, and a note on its mode.
    let called = "Called the Read tool with the following input: {\"filePath\":\"/w/a.ts\"}";
    let file = "<path>/w/a.ts</path>\n<type>file</type>\n<content>\n1: import x\n</content>";
    let parts = json!([{"user": ["fix @a.ts", called, file, "and b.ts", note]}]);
    check(m, parts.clone(), "fix @a.ts\n\nand b.ts");
    check(c, parts, "fix @a.ts\n\nand b.ts");
    // Cline, and others that put what is typed into an element.
    let details = "<environment_details>\n# Visible files\na.ts\n</environment_details>";
    check(c, json!([{"system": "s"}, {"user": ["<task>\nfix it\n</task>", details]}]), "fix it");
    let request = "<attachments>\na.ts\n</attachments>\n<userRequest>\nfix it\n</userRequest>";
    check(c, json!([{"user": ["<environment_info>\nLinux\n</environment_info>"]}, {"user": [request]}]), "fix it");
    // aider: examples, then the repository and the files, each of which the model says it has read.
    let aider = json!([
        {"system": "s"},
        {"user": "Change f to use math."}, {"assistant": "To make this change:\n```\nx\n```"},
        {"user": "I switched to a new code base. Please don't consider the above files."}, {"assistant": "Ok."},
        {"user": "Here are summaries of some files."}, {"assistant": "Ok, I won't try and edit those files without asking first."},
        {"user": "I have *added these files to the chat*."}, {"assistant": "Ok, any changes I propose will be to those files."},
        {"user": "fix it"}
    ]);
    check(c, aider, "fix it");
    // qwen-code sets the model up in a turn of its own.
    let set_up = "This is the Qwen Code. We are setting up the context for our chat.\nMy operating system is: linux";
    let thanks = "Got it. Thanks for the context!";
    check(c, json!([{"system": "s"}, {"user": set_up}, {"assistant": thanks}, {"user": "fix it"}]), "fix it");
    // pi, mini-swe-agent and callers of an SDK: a text, or a block.
    check(m, json!([{"user": ["fix it"]}]), "fix it");
    check(c, json!([{"system": "s"}, {"user": "Please solve this issue: x"}]), "Please solve this issue: x");
    check(m, json!([{"user": "You are a reviewer."}, {"assistant": "Yes."}, {"user": "Fix it."}]), "Fix it.");
    check(c, json!([]), "");
    let plain = |input: &str| task(r, &json!({ "model": "m", "input": input }).to_string());
    assert_eq!((plain("plain").as_str(), plain(place).as_str()), ("plain", ""));
    // Calls and thoughts are items of their own there.
    let behind = |item: &str| {
        format!(
            r#"{{"model":"m","input":[{{"role":"user","content":"You are it. Go."}},{{"type":"reasoning"}},{item},{{"role":"user","content":"later"}}]}}"#
        )
    };
    assert_eq!(task(r, &behind(r#"{"type":"function_call"}"#)), "You are it. Go.");
    assert_eq!(task(r, &behind(r#"{"role":"assistant","content":"Yes?"}"#)), "later");
}
