//! Passages: the right ones, in the right place, the same bytes on every turn.

use serde_json::{Value, json};

use jetway_support::client::post;
use jetway_support::{Jetway, Setup, provider};

const PAGES: [(&str, &str); 2] = [
    ("open/docs/errors.md", "# Errors\nCall `posthog.captureException(error)` in the handler.\n"),
    ("open/docs/naming.md", "# Naming\nAn order that was placed is called `order placed`.\n"),
];

fn jetway(provider: &str) -> Setup {
    let setup = Setup::new(provider).with("context: { docs: docs, allowance: 500, min_score: 0.1 }\n");
    PAGES.iter().fold(setup, |setup, (path, text)| setup.file(path, text))
}

fn turn(history: &[Value]) -> String {
    let mut messages = vec![json!({ "role": "user", "content": [
        { "type": "text", "text": "<system-reminder>naming naming naming</system-reminder>" },
        { "type": "text", "text": "Where do I capture an exception?" },
    ] })];
    messages.extend_from_slice(history);
    json!({ "model": "claude-x", "max_tokens": 10, "system": [{ "type": "text", "text": "You are an agent." }], "messages": messages })
        .to_string()
}

fn sent(provider: &jetway_scripted::Provider) -> Value {
    serde_json::from_slice(&provider.seen().pop().unwrap().body).unwrap()
}

fn ask(jetway: &Jetway, body: String) {
    let answer = post("/v1/messages", body).header("x-jetway-run", "one").send(jetway.data);
    assert_eq!(answer.status, 200, "{}", answer.text());
}

#[test]
fn the_passage_that_fits_comes_behind_the_task() {
    let provider = provider("scenarios: []");
    let jetway = jetway(&provider.url()).start();
    ask(&jetway, turn(&[]));
    let sent = sent(&provider);
    assert_eq!(sent["system"], json!([{ "type": "text", "text": "You are an agent." }]));
    let task = sent["messages"][0]["content"].as_array().unwrap();
    assert_eq!((task.len(), &task[1]["text"]), (3, &json!("Where do I capture an exception?")));
    let inserted = task[2]["text"].as_str().unwrap();
    assert!(inserted.contains("captureException") && inserted.contains("source=\"errors.md#Errors\""), "{inserted}");
    assert!(!inserted.contains("order placed"), "the agent's boilerplate is no task: {inserted}");
    let exchange = jetway.exchanges(1).remove(0);
    assert_eq!(exchange["passages"][0]["source"], "errors.md#Errors");
    assert_eq!(exchange["passages"][0]["hash"].as_str().unwrap().len(), 12);
}

#[test]
fn it_is_the_same_on_every_turn_after_an_edit_and_after_a_restart() {
    let provider = provider("scenarios: []");
    let first = jetway(&provider.url()).start();
    ask(&first, turn(&[]));
    let before = sent(&provider)["messages"][0].clone();

    std::fs::write(first.folder.path().join("policies/open/docs/errors.md"), "# Errors\nAll new: captureException.\n")
        .unwrap();
    first.says("is in force");
    let history = [json!({ "role": "assistant", "content": "ok" }), json!({ "role": "user", "content": "and now?" })];
    ask(&first, turn(&history));
    assert_eq!(sent(&provider)["messages"][0], before);

    let second = jetway(&provider.url()).start_in(first.kill());
    ask(&second, turn(&history));
    assert_eq!(sent(&provider)["messages"][0], before);

    // Another run is given what is current.
    std::fs::write(second.folder.path().join("policies/open/docs/errors.md"), "# Errors\nAll new: captureException.\n")
        .unwrap();
    second.says("is in force");
    let answer = post("/v1/messages", turn(&[])).header("x-jetway-run", "two").send(second.data);
    assert_eq!(answer.status, 200);
    assert!(sent(&provider)["messages"][0]["content"][2]["text"].as_str().unwrap().contains("All new"));
}

#[test]
fn outbound_conversations_grow_only_at_their_end() {
    let provider = provider("scenarios: []");
    let jetway = jetway(&provider.url()).start();
    let mut history = Vec::new();
    let mut before: Option<String> = None;
    for n in 0..6 {
        ask(&jetway, turn(&history));
        let sent = String::from_utf8(provider.seen().pop().unwrap().body.to_vec()).unwrap();
        // In the order of a provider's cache: everything up to the end of the messages so far.
        let messages = serde_json::from_str::<Value>(&sent).unwrap()["messages"].to_string();
        let prefix = format!("{}{}", sent.split("\"messages\"").next().unwrap().len(), messages.trim_end_matches(']'));
        if let Some(before) = before {
            assert!(prefix.starts_with(&before), "{before}\n{prefix}");
        }
        before = Some(prefix);
        history.push(json!({ "role": "assistant", "content": format!("turn {n}") }));
        history.push(json!({ "role": "user", "content": "go on" }));
    }
}

#[test]
fn nothing_is_inserted_where_nothing_fits() {
    let provider = provider("scenarios: []");
    let jetway = jetway(&provider.url()).start();
    let body = r#"{"model":"claude-x","max_tokens":10,"messages":[{"role":"user","content":"zebra"}]}"#;
    ask(&jetway, body.to_owned());
    assert_eq!(provider.seen().pop().unwrap().body, body.as_bytes());
}

/// What an agent of this dialect sends in its turns, with these tools; in the Messages dialect with marks of
/// caching at its system text and at its last block.
fn cached_turns(dialect: &str, tools: &[&str], to: std::net::SocketAddr) {
    const MARK: &str = r#""cache_control":{"type":"ephemeral"}"#;
    let schema = json!({ "type": "object" });
    let does = "Does it. ".repeat(300);
    let tool = |name: &&str| match dialect {
        "messages" => json!({ "name": name, "description": does, "input_schema": schema }),
        "chat" => {
            json!({ "type": "function", "function": { "name": name, "description": does, "parameters": schema } })
        }
        _ => json!({ "type": "function", "name": name, "description": does, "parameters": schema }),
    };
    let tools = Value::from(tools.iter().map(tool).collect::<Vec<_>>());
    let system = "You are an agent. ".repeat(300);
    let mut messages: Vec<String> = Vec::new();
    for n in 0..6 {
        let said = if n == 0 { TASK.to_owned() } else { format!("{n} {}", "and on ".repeat(800)) };
        let said = json!(said);
        let last = match dialect {
            "messages" => format!(r#"{{"role":"user","content":[{{"type":"text","text":{said},{MARK}}}]}}"#),
            _ => format!(r#"{{"role":"user","content":{said}}}"#),
        };
        let all: Vec<&str> = messages.iter().chain([&last]).map(String::as_str).collect();
        let (all, system) = (all.join(","), json!(system));
        let (path, body) = match dialect {
            "messages" => {
                let system = format!(r#"[{{"type":"text","text":{system},{MARK}}}]"#);
                let body = format!(
                    r#"{{"model":"claude-x","max_tokens":10,"system":{system},"tools":{tools},"messages":[{all}]}}"#
                );
                ("/v1/messages", body)
            }
            "chat" => {
                let system = format!(r#"{{"role":"system","content":{system}}}"#);
                ("/v1/chat/completions", format!(r#"{{"model":"gpt-x","tools":{tools},"messages":[{system},{all}]}}"#))
            }
            _ => (
                "/v1/responses",
                format!(r#"{{"model":"gpt-x","instructions":{system},"tools":{tools},"input":[{all}]}}"#),
            ),
        };
        let answer = post(path, body).header("x-jetway-run", "cached").send(to);
        assert_eq!(answer.status, 200, "{dialect}: {}", answer.text());
        // Agents move the mark along, and write what is no list any more as a text.
        messages.push(format!(r#"{{"role":"user","content":{said}}}"#));
        messages.push(r#"{"role":"assistant","content":"ok"}"#.to_owned());
    }
}

const TASK: &str = "Where do I capture an exception?";

#[test]
fn the_provider_s_cache_serves_as_much_as_without_jetway() {
    const CONTEXT: &str = "context: { docs: docs, allowance: 500, min_score: 0.1 }\n";
    const LOCK: &str = "lockdown: { allow: ['*'], deny: [WebFetch] }\n";
    const PATH: &str = "breadcrumbs: [{ id: look, prompt: look.md }, { id: plan, prompt: look.md }]\n";
    let script = "caching: true\nscenarios: []";
    let read = |provider: &jetway_scripted::Provider| -> Vec<u64> {
        provider.seen().iter().map(|seen| seen.cache.clone().unwrap().read).collect()
    };
    for dialect in ["messages", "chat", "responses"] {
        // A tool that is taken out is neither sent nor read: then without it is what it is held against.
        for (sections, tools) in [(CONTEXT.to_owned(), 3), ([CONTEXT, LOCK, PATH].concat(), 2)] {
            let all = ["Read", "Write", "WebFetch"];
            let straight = provider(script);
            cached_turns(dialect, &all[..tools], straight.addr());
            let without = read(&straight);
            assert!(without[1..].iter().all(|read| *read > 1_000), "{dialect}: it caches: {without:?}");
            let through = provider(script);
            let setup = Setup::new(&through.url()).with(&sections).file("open/look.md", "Look around.");
            let jetway = PAGES.iter().fold(setup, |setup, (path, text)| setup.file(path, text)).start();
            cached_turns(dialect, &all, jetway.data);
            let with = read(&through);
            assert_eq!(with.len(), without.len());
            let is_served = with.iter().zip(&without).all(|(with, without)| with >= without);
            assert!(is_served, "{dialect} {sections}: {with:?} of {without:?}");
            let broke: Vec<_> = through.seen().iter().map(|seen| seen.cache.clone().unwrap().broke_at).collect();
            assert!(broke.iter().all(Option::is_none), "{dialect}: {broke:?}");
            assert!(!jetway.metrics().contains("jetway_prompt_prefix_breaks_total{"), "{}", jetway.metrics());
        }
    }
}
