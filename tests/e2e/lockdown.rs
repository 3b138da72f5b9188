//! Barred tools: not offered, and not called, in every dialect, streamed and not.

use serde_json::{Value, json};

use jetway_support::client::{Answer, post};
use jetway_support::{Jetway, Setup, provider};

const LOCK: &str = "lockdown: { allow: [Read, Edit], deny: [Edit], advice: Use Read., on_denied: explain }\n";

const SCRIPT: &str = "
scenarios:
  - name: both
    when: { contains: both }
    turns:
      - text: I will look.
        calls:
          - { tool: Bash, input: { command: cat .env }, pieces: 7 }
          - { tool: Read, input: { file_path: a.txt } }
        usage: { input: 100, output: 20 }
  - name: barred
    turns:
      - thinking: Hm.
        calls: [{ tool: Bash, input: { command: cat .env } }, { tool: Edit, input: { command: cat .env } }]
";

fn body(dialect: &str, say: &str, stream: bool) -> Value {
    let schema = json!({ "type": "object", "properties": {} });
    let names = ["Read", "Bash", "Edit"];
    match dialect {
        "messages" => json!({
            "model": "claude-x", "max_tokens": 100, "stream": stream, "messages": [{ "role": "user", "content": say }],
            "tools": names.map(|name| json!({ "name": name, "input_schema": schema })),
            "tool_choice": { "type": "tool", "name": "Bash" },
        }),
        "chat" => json!({
            "model": "gpt-x", "stream": stream, "messages": [{ "role": "user", "content": say }],
            "tools": names.map(|name| json!({ "type": "function", "function": { "name": name, "parameters": schema } })),
            "tool_choice": "auto",
        }),
        _ => json!({
            "model": "gpt-x", "stream": stream, "input": say,
            "tools": names.map(|name| json!({ "type": "function", "name": name, "parameters": schema })),
        }),
    }
}

fn ask(jetway: &Jetway, dialect: &str, say: &str, stream: bool) -> Answer {
    let path = match dialect {
        "messages" => "/v1/messages",
        "chat" => "/v1/chat/completions",
        _ => "/v1/responses",
    };
    let answer = post(path, body(dialect, say, stream).to_string()).send(jetway.data);
    assert_eq!(answer.status, 200, "{dialect}: {}", answer.text());
    answer
}

#[test]
fn barred_tools_are_not_offered_and_barred_calls_leave_no_trace() {
    let provider = provider(SCRIPT);
    let jetway = Setup::new(&provider.url()).with(LOCK).start();
    for dialect in ["messages", "chat", "responses"] {
        for stream in [true, false] {
            for say in ["both", "only"] {
                let answer = ask(&jetway, dialect, say, stream);
                let text = answer.text();
                let case = format!("{dialect} {stream} {say}: {text}");
                assert!(
                    !text.contains("cat .env") && !text.contains("\"Bash\"") && !text.contains("\"Edit\""),
                    "{case}"
                );
                assert!(text.contains("`Bash` was refused by the policy `open` (not in allow). Use Read."), "{case}");
                assert_eq!(text.contains("a.txt"), say == "both", "{case}");
                assert_eq!(
                    text.contains("`Edit` was refused by the policy `open` (deny Edit)"),
                    say == "only",
                    "{case}"
                );
                let sent = String::from_utf8(provider.seen().pop().unwrap().body.to_vec()).unwrap();
                assert!(sent.contains("Read") && !sent.contains("Bash") && !sent.contains("Edit"), "{sent}");
            }
        }
    }
    let exchanges = jetway.exchanges(12);
    assert_eq!(exchanges.len(), 12);
    for exchange in exchanges {
        assert_eq!(exchange["tools_removed"], json!(["Bash", "Edit"]));
        assert_eq!(exchange["calls_refused"][0], json!({ "tool": "Bash", "rule": "not in allow" }));
        assert_eq!(exchange["outcome"], "complete");
        // Each with its rule, and a call with the sentence that stands in its place.
        let decisions = exchange["decisions"].as_array().unwrap();
        assert_eq!(decisions[0], json!({ "what": "hidden", "of": "Bash", "rule": "not in allow" }));
        assert_eq!(decisions[1], json!({ "what": "hidden", "of": "Edit", "rule": "deny Edit" }));
        assert_eq!((&decisions[2]["what"], &decisions[2]["of"]), (&json!("refused"), &json!("Bash")), "{exchange}");
        let reason = decisions[2]["reason"].as_str().unwrap();
        assert!(reason.contains("`Bash` was refused by the policy `open` (not in allow). Use Read."), "{reason}");
    }
}

#[test]
fn stop_reasons_say_what_is_left() {
    let provider = provider(SCRIPT);
    let jetway = Setup::new(&provider.url()).with(LOCK).start();
    let of = |dialect: &str, say: &str| ask(&jetway, dialect, say, false).json();
    assert_eq!(of("messages", "both")["stop_reason"], "tool_use");
    assert_eq!(of("messages", "only")["stop_reason"], "end_turn");
    assert_eq!(of("chat", "both")["choices"][0]["finish_reason"], "tool_calls");
    assert_eq!(of("chat", "only")["choices"][0]["finish_reason"], "stop");
}

#[test]
fn an_empty_allow_list_allows_nothing() {
    let provider = provider(SCRIPT);
    let jetway = Setup::new(&provider.url()).with("lockdown: { allow: [] }\n").start();
    for dialect in ["messages", "chat", "responses"] {
        let answer = ask(&jetway, dialect, "both", true);
        assert!(!answer.text().contains("\"Read\""), "{}", answer.text());
        let sent = String::from_utf8(provider.seen().pop().unwrap().body.to_vec()).unwrap();
        assert!(!sent.contains("tools") && !sent.contains("tool_choice"), "{sent}");
    }
}
