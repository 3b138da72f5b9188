//! The wizard policy as it is shipped: no way that the model takes brings it a secret, and the
//! task is done through the tools that it is offered instead.

use serde_json::{Value, json};

use jetway_support::client::{Answer, post};
use jetway_support::{Jetway, Setup, provider};

const LOCK: &str = "
lockdown:
  allow: [Read, Bash, Grep]
  deny: [\"reads(**/.env*)\"]
  replace:
    check_env_keys:
      description: Says of each key whether the file has it.
      inputs:
        file: { type: path, description: The file., allow: [\"**/.env\"] }
        keys: { type: list, description: The keys., pattern: \"^[A-Z_]+$\", max_items: 9 }
      becomes:
        shell: 'for key; do grep -q \"^$key=\" \"$file\" && echo \"$key=present\" || echo \"$key=missing\"; done'
      result: { lines: \"^[A-Z_]+=(?:present|missing)$\", otherwise: It could not be read. }
";

const SCRIPT: &str = r#"
scenarios:
  - name: routes
    when: { contains: routes }
    turns:
      - { text: One., calls: [{ tool: Bash, id: c1, input: { command: "cat .env" } }] }
      - { text: Two., calls: [{ tool: Read, id: c2, input: { file_path: /p/.env } }] }
      - { text: Three., calls: [{ tool: Grep, id: c3, input: { pattern: KEY, glob: ".env*" } }] }
      - { text: Four., calls: [{ tool: Bash, id: c4, input: { command: "git show HEAD:.env" } }] }
      - { text: Five., calls: [{ tool: check_env_keys, id: c5, input: { file: .env, keys: [STRIPE_KEY] } }] }
      - { text: It is there. }
"#;

fn body(messages: &[Value]) -> Value {
    let tool = |name: &str, members: &[&str]| {
        let properties: serde_json::Map<String, Value> =
            members.iter().map(|member| ((*member).to_owned(), json!({ "type": "string" }))).collect();
        json!({ "name": name, "input_schema": { "type": "object", "properties": properties } })
    };
    let tools = [tool("Bash", &["command"]), tool("Read", &["file_path"]), tool("Grep", &["pattern", "glob"])];
    json!({ "model": "claude-x", "max_tokens": 1000, "stream": false, "tools": tools, "messages": messages })
}

fn ask(jetway: &Jetway, messages: &[Value]) -> Answer {
    let answer = post("/v1/messages", body(messages).to_string()).send(jetway.data);
    assert_eq!(answer.status, 200, "{}", answer.text());
    answer
}

#[test]
fn every_route_to_a_secret_is_barred_and_the_task_is_done_by_other_tools() {
    let provider = provider(SCRIPT);
    let jetway = Setup::new(&provider.url()).with(LOCK).start();
    let mut messages = vec![json!({ "role": "user", "content": "Try all routes." })];
    let text = ask(&jetway, &messages).text();
    assert!(!text.contains("cat .env") && !text.contains("HEAD:.env"), "{text}");
    assert!(text.contains("\"Bash\"") && text.contains("STRIPE_KEY"), "{text}");
    // The agent tells what it was given, and what came of it: more than the model may see.
    let texts = ["One.", "Two.", "Three.", "Four.", "Five."].map(|text| json!({ "type": "text", "text": text }));
    let call = json!({ "type": "tool_use", "id": "c5", "name": "Bash", "input": { "command": "…" } });
    messages.push(json!({ "role": "assistant", "content": texts.into_iter().chain([call]).collect::<Vec<_>>() }));
    let result = "STRIPE_KEY=present\nSTRIPE_KEY=sk_live_marker_of_a_secret";
    messages.push(
        json!({ "role": "user", "content": [{ "type": "tool_result", "tool_use_id": "c5", "content": result }] }),
    );
    assert!(ask(&jetway, &messages).text().contains("It is"), "the task is finished");
    let sent = String::from_utf8(provider.seen().pop().unwrap().body.to_vec()).unwrap();
    assert!(sent.contains("\"check_env_keys\"") && sent.contains("STRIPE_KEY=present"), "{sent}");
    assert!(!sent.contains("marker_of_a_secret"), "{sent}");
    let exchanges = jetway.exchanges(2);
    let first = exchanges.iter().find(|exchange| exchange["inner_turns"] == 4).unwrap();
    assert_eq!(first["calls_refused"].as_array().unwrap().len(), 4, "{first}");
    assert_eq!(first["calls_replaced"], json!([{ "tool": "check_env_keys", "became": "Bash" }]));
}

#[test]
fn secrets_in_results_are_taken_out_and_stay_the_same_on_every_turn() {
    let provider = provider("scenarios: [{ name: s, turns: [{ text: Done. }] }]");
    let jetway = Setup::new(&provider.url()).with("lockdown: { allow: ['*'] }\n").start();
    let result = "PORT=3000\nSTRIPE_KEY=sk_live_0123456789marker\n";
    let mut messages = vec![
        json!({ "role": "user", "content": "Go." }),
        json!({ "role": "assistant", "content": [{ "type": "tool_use", "id": "c1", "name": "Bash", "input": {} }] }),
        json!({ "role": "user", "content": [{ "type": "tool_result", "tool_use_id": "c1", "content": result }] }),
    ];
    let mut sent = Vec::new();
    for _ in 0..2 {
        ask(&jetway, &messages);
        let body = String::from_utf8(provider.seen().pop().unwrap().body.to_vec()).unwrap();
        assert!(!body.contains("marker") && body.contains("PORT=3000"), "{body}");
        assert!(body.contains("STRIPE_KEY=[redacted:env:STRIPE_KEY]"), "{body}");
        let (from, to) = (body.find("\"messages\"").unwrap(), body.find("],\"model\"").unwrap());
        sent.push(body[from..to].to_owned());
        messages.push(json!({ "role": "assistant", "content": [{ "type": "text", "text": "Done." }] }));
        messages.push(json!({ "role": "user", "content": "On." }));
    }
    let exchange = &jetway.exchanges(2)[0];
    assert_eq!(exchange["redactions"][0]["name"], "STRIPE_KEY", "{exchange}");
    assert!(!exchange.to_string().contains("marker"));
    assert!(sent[1].starts_with(&sent[0]), "{sent:?}");
}

#[test]
fn in_shadow_mode_nothing_changes_and_all_is_noted() {
    let provider = provider(SCRIPT);
    let jetway = Setup::new(&provider.url())
        .with(
            &LOCK.replace("lockdown:\n  allow: [Read, Bash, Grep]", "lockdown:\n  mode: shadow\n  allow: [Read, Bash]"),
        )
        .start();
    let messages = [json!({ "role": "user", "content": "Try all routes." })];
    let text = ask(&jetway, &messages).text();
    assert!(text.contains("cat .env"), "{text}");
    let sent: Value = serde_json::from_slice(&provider.seen().pop().unwrap().body).unwrap();
    assert_eq!(sent, body(&messages));
    let noted = jetway.exchanges(1).remove(0);
    assert_eq!(noted["calls_refused"][0]["rule"], "deny reads(**/.env*)");
    // All of it was only noted, so that nothing counts as refused.
    let all = |list: &str| noted[list].as_array().unwrap().iter().all(|one| one["noted"] == true);
    assert!(all("calls_refused") && all("decisions"), "{noted}");
    assert_eq!((&noted["tools_removed"], &noted["tools_refused"]), (&json!([]), &json!(0)), "{noted}");
    let hidden = noted["decisions"].as_array().unwrap().iter().filter(|one| one["what"] == "hidden");
    let hidden: Vec<_> = hidden.map(|one| (one["of"].as_str().unwrap(), one["rule"].as_str().unwrap())).collect();
    assert_eq!(hidden, [("Grep", "not in allow")]);
    let run = noted["run"].as_str().unwrap();
    let story = String::from_utf8(jetway.command(&["runs", "show", run]).stdout).unwrap();
    assert!(story.contains("noted     would be refused: Bash (deny reads(**/.env*)): "), "{story}");

    // A stream comes byte for byte and piece for piece, and a secret in a result goes as it came.
    let mut ask = body(&messages);
    ask["stream"] = json!(true);
    let secret = "STRIPE_KEY=sk_live_0123456789marker";
    ask["messages"] = json!([
        messages[0],
        { "role": "assistant", "content": [{ "type": "tool_use", "id": "c0", "name": "Bash", "input": {} }] },
        { "role": "user", "content": [{ "type": "tool_result", "tool_use_id": "c0", "content": secret }] },
    ]);
    let straight = post("/v1/messages", ask.to_string()).send(provider.addr());
    let through = post("/v1/messages", ask.to_string()).send(jetway.data);
    let without_ids = |text: &str| {
        let ids = text.lines().map(|line| line.split("\"id\":\"msg_").next().unwrap().to_owned());
        ids.collect::<Vec<_>>()
    };
    assert_eq!(without_ids(&through.text()), without_ids(&straight.text()));
    assert!(through.text().contains("p/.env"), "{}", through.text());
    assert_eq!(*provider.seen().pop().unwrap().body, *ask.to_string().as_bytes());
    let exchange = jetway.exchanges(2).pop().unwrap();
    assert_eq!(exchange["calls_refused"][0]["tool"], "Read", "{exchange}");
    assert_eq!(exchange["redactions"][0]["replaced"], false, "{exchange}");
}
