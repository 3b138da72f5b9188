//! Calls that Jetway answers itself: the model goes on within the same reply, the agent sees one
//! ordinary reply, and on later turns the model still knows what it did.

use serde_json::{Value, json};

use jetway_support::agent::goes_on;
use jetway_support::client::{Answer, post};
use jetway_support::redis::Redis;
use jetway_support::{Jetway, Setup, eventually, provider};

const LOCK: &str = "lockdown: { allow: [Read, Edit], advice: Use Read. }\n";

const SCRIPT: &str = "
scenarios:
  - name: corrected
    when: { contains: corrected }
    turns:
      - { text: I will look., calls: [{ tool: Bash, id: call_hidden, input: { command: cat .env }, pieces: 7 }], usage: { input: 100, output: 20 } }
      - { text: Then so., calls: [{ tool: Read, id: call_kept, input: { file_path: a.txt } }], usage: { input: 200, output: 30 } }
      - { text: It is done., usage: { input: 300, output: 5 } }
  - name: summed
    when: { contains: summed }
    turns:
      - { text: Yes. }
      - { calls: [{ tool: Bash, input: { command: cat .env } }] }
      - { text: It is done. }
  - name: together
    when: { contains: together }
    turns:
      - { text: Both., calls: [{ tool: Bash, id: call_hidden, input: { command: cat .env } }, { tool: Read, id: call_kept, input: { file_path: a.txt } }] }
      - { text: It is done. }
  - name: lost
    when: { contains: lost }
    turns:
      - { calls: [{ tool: Bash, input: { command: cat .env } }] }
      - { status: 529 }
  - name: asks
    when: { contains: asks }
    turns:
      - { text: I will look., calls: [{ tool: search_docs, id: call_hidden, input: { query: capture an exception } }] }
      - { text: Then so., calls: [{ tool: Read, id: call_kept, input: { file_path: a.txt } }] }
      - { text: It is done. }
  - name: slow
    when: { contains: slow }
    turns:
      - { calls: [{ tool: Bash, input: { command: cat .env or something that is longer and comes in many pieces }, pieces: 40 }], fault: { stall: { after: 20, for: 17s } } }
      - { text: It is done. }
  - name: stubborn
    when: { contains: stubborn }
    by: request
    turns:
      - { calls: [{ tool: Bash, input: { command: cat .env } }], usage: { input: 100, output: 20 } }
";

const DIALECTS: [&str; 3] = ["messages", "chat", "responses"];

fn tools(dialect: &str) -> Value {
    let schema = json!({ "type": "object", "properties": {} });
    let tool = |name: &str| match dialect {
        "messages" => json!({ "name": name, "input_schema": schema }),
        "chat" => json!({ "type": "function", "function": { "name": name, "parameters": schema } }),
        _ => json!({ "type": "function", "name": name, "parameters": schema }),
    };
    json!([tool("Read"), tool("Bash")])
}

/// A request with this conversation.
fn body(dialect: &str, conversation: &[Value], stream: bool) -> Value {
    let (member, model) = match dialect {
        "messages" => ("messages", "claude-x"),
        "chat" => ("messages", "gpt-x"),
        _ => ("input", "gpt-x"),
    };
    let mut body = json!({ "model": model, "stream": stream, "tools": tools(dialect), member: conversation });
    if dialect == "messages" {
        body["max_tokens"] = json!(1000);
    }
    body
}

fn ask(jetway: &Jetway, dialect: &str, conversation: &[Value], stream: bool) -> Answer {
    let path = match dialect {
        "messages" => "/v1/messages",
        "chat" => "/v1/chat/completions",
        _ => "/v1/responses",
    };
    let answer = post(path, body(dialect, conversation, stream).to_string()).send(jetway.data);
    assert_eq!(answer.status, 200, "{dialect}: {}", answer.text());
    answer
}

fn user(dialect: &str, text: &str) -> Value {
    match dialect {
        "messages" => json!({ "role": "user", "content": [{ "type": "text", "text": text }] }),
        "chat" => json!({ "role": "user", "content": text }),
        _ => json!({ "type": "message", "role": "user", "content": [{ "type": "input_text", "text": text }] }),
    }
}

fn said(text: &str) -> Value {
    json!({ "role": "assistant", "content": [{ "type": "text", "text": text }] })
}

/// What an agent tells of a reply that was no stream, with a result for each call.
fn told(dialect: &str, reply: &Value) -> Vec<Value> {
    let mut out = Vec::new();
    match dialect {
        "messages" => {
            assert!(goes_on(&mut out, &reply["content"], "text of a file"), "it made no call");
        }
        "chat" => {
            let message = &reply["choices"][0]["message"];
            out.push(message.clone());
            for call in message["tool_calls"].as_array().unwrap() {
                out.push(json!({ "role": "tool", "tool_call_id": call["id"], "content": "text of a file" }));
            }
        }
        _ => {
            let items = reply["output"].as_array().unwrap();
            out.extend(items.iter().cloned());
            for call in items.iter().filter(|item| item["type"] == "function_call") {
                let output =
                    json!({ "type": "function_call_output", "call_id": call["call_id"], "output": "text of a file" });
                out.push(output);
            }
        }
    }
    out
}

/// The conversation that the provider got with its last request, without what closes it.
fn conversation(body: &[u8]) -> String {
    let text = std::str::from_utf8(body).unwrap();
    let from = text.find("\"messages\":[").or_else(|| text.find("\"input\":[")).unwrap();
    let json: Value = serde_json::from_slice(body).unwrap();
    let list = if json["messages"].is_array() { &json["messages"] } else { &json["input"] };
    assert!(list.is_array());
    // The raw text of the list: its bytes are what the provider's cache goes by.
    let raw = &text[text[from..].find('[').unwrap() + from..];
    let mut depth = 0usize;
    let mut in_string = false;
    let mut escaped = false;
    for (at, c) in raw.char_indices() {
        match c {
            _ if escaped => escaped = false,
            '\\' if in_string => escaped = true,
            '"' => in_string = !in_string,
            '[' | '{' if !in_string => depth += 1,
            ']' | '}' if !in_string => {
                depth -= 1;
                if depth == 0 {
                    return raw[..at].to_owned();
                }
            }
            _ => {}
        }
    }
    unreachable!("no end: {text}")
}

#[test]
fn a_corrected_model_goes_on_within_the_same_reply() {
    let provider = provider(SCRIPT);
    let jetway = Setup::new(&provider.url()).with(LOCK).start();
    for dialect in DIALECTS {
        for stream in [true, false] {
            let first = [user(dialect, &format!("corrected {dialect} {stream}"))];
            let before = provider.seen().len();
            let answer = ask(&jetway, dialect, &first, stream);
            let text = answer.text();
            assert!(!text.contains(".env") && !text.contains("call_hidden") && !text.contains("refused"), "{text}");
            for part in ["look.", "so.", "call_kept", "a.txt"] {
                assert!(text.contains(part), "{dialect} {stream} {part}: {text}");
            }
            let seen = provider.seen();
            assert_eq!(seen.len(), before + 2, "{dialect} {stream}");
            let (one, two) = (conversation(&seen[before].body), conversation(&seen[before + 1].body));
            assert!(two.starts_with(&one), "{one}\n{two}");
            assert!(two.contains("cat .env") && two.contains("Use Read.") && two.contains("call_hidden"), "{two}");
            assert_eq!(text.matches("\"message_start\"").count(), usize::from(dialect == "messages" && stream));
        }
    }
}

#[test]
fn on_later_turns_the_model_still_knows_what_it_did() {
    let provider = provider(SCRIPT);
    let jetway = Setup::new(&provider.url()).with(LOCK).start();
    for dialect in DIALECTS {
        for say in ["corrected", "together"] {
            let mut history = vec![user(dialect, &format!("{say} {dialect}"))];
            let reply = ask(&jetway, dialect, &history, false).json();
            let before = provider.seen().pop().unwrap().body;
            history.extend(told(dialect, &reply));
            let done = ask(&jetway, dialect, &history, true);
            assert!(done.text().contains("It is done."), "{dialect} {say}: {}", done.text());
            let after = conversation(&provider.seen().pop().unwrap().body);
            let before = conversation(&before);
            assert!(after.starts_with(&before), "{dialect} {say}\n{before}\n{after}");
            assert!(after.contains("cat .env") && after.contains("Use Read."), "{dialect} {say}: {after}");
            assert_eq!(after.matches("call_kept").count(), 2, "{dialect} {say}: {after}");
        }
    }
}

#[test]
fn a_model_that_will_not_learn_is_stopped() {
    let provider = provider(SCRIPT);
    let jetway = Setup::new(&provider.url()).with(LOCK).start();
    for dialect in DIALECTS {
        for stream in [true, false] {
            let before = provider.seen().len();
            let answer = ask(&jetway, dialect, &[user(dialect, &format!("stubborn {dialect} {stream}"))], stream);
            let text = answer.text();
            assert!(text.contains("[Jetway]") && text.contains("Use Read."), "{dialect} {stream}: {text}");
            assert!(!text.contains("cat .env") && !text.contains("tool_use\""), "{dialect} {stream}: {text}");
            assert_eq!(provider.seen().len(), before + 9, "{dialect} {stream}");
        }
    }
}

#[test]
fn the_agent_sees_the_last_input_and_all_output_and_pays_for_the_sum() {
    let provider = provider(SCRIPT);
    let jetway = Setup::new(&provider.url()).with(LOCK).start();
    for dialect in DIALECTS {
        let reply = ask(&jetway, dialect, &[user(dialect, &format!("corrected {dialect}"))], false).json();
        let usage = &reply["usage"];
        let (input, output) = match dialect {
            "chat" => (&usage["prompt_tokens"], &usage["completion_tokens"]),
            _ => (&usage["input_tokens"], &usage["output_tokens"]),
        };
        assert_eq!((input, output), (&json!(200), &json!(50)), "{dialect}: {reply}");
    }
    for exchange in jetway.exchanges(3) {
        assert_eq!((&exchange["input"], &exchange["output"]), (&json!(300), &json!(50)), "{exchange}");
    }
}

#[test]
fn how_often_a_model_is_answered_can_be_set() {
    let provider = provider(SCRIPT);
    for (most, asked) in [(0, 1), (2, 3)] {
        let jetway = Setup::new(&provider.url()).with(&format!("{LOCK}inner_turns: {most}\n")).start();
        let before = provider.seen().len();
        let text = ask(&jetway, "messages", &[user("messages", "stubborn")], true).text();
        assert!(text.contains("[Jetway]") && !text.contains("cat .env"), "{text}");
        assert_eq!(provider.seen().len(), before + asked, "{most}");
    }
}

#[test]
fn an_agent_hears_something_while_a_call_is_held_back() {
    let provider = provider(SCRIPT);
    let jetway = Setup::new(&provider.url()).with(LOCK).start();
    let answer = ask(&jetway, "messages", &[user("messages", "slow")], true).text();
    assert!(answer.contains(": more is on its way\n\n") && answer.contains("It is done."), "{answer}");
    assert!(!answer.contains("cat .env"), "{answer}");
}

#[test]
fn what_an_agent_leaves_out_is_its_own_break_and_what_it_tells_otherwise_is_counted_apart() {
    let provider = provider(SCRIPT);
    let jetway = Setup::new(&provider.url()).with(LOCK).start();
    let ask = |run: &str, history: &[Value]| {
        let answer = post("/v1/messages", body("messages", history, false).to_string());
        answer.header("x-jetway-run", run).send(jetway.data).json()
    };
    let breaks = || {
        let metrics = jetway.metrics();
        let lines = metrics.lines().filter_map(|line| line.strip_prefix("jetway_prompt_prefix_breaks_total{cause="));
        lines.map(str::to_owned).collect::<Vec<String>>()
    };
    // In place of its last turn, which was not as the model made it, it asks for a summary.
    let mut history = vec![user("messages", "To be summed up."), said("Yes."), user("messages", "On.")];
    ask("summed", &history);
    history.push(user("messages", "Sum it up."));
    ask("summed", &history);
    assert_eq!(breaks(), ["\"agent\",policy=\"open\"} 1"]);
    // It tells its turn by another call than it was given, so that what the model did there is not put back.
    let mut history = vec![user("messages", "corrected")];
    let reply = ask("otherwise", &history);
    let otherwise = json!(told("messages", &reply)).to_string().replace("call_kept", "call_renamed");
    history.extend(serde_json::from_str::<Vec<Value>>(&otherwise).unwrap());
    ask("otherwise", &history);
    history.extend([said("It is done."), user("messages", "On.")]);
    ask("otherwise", &history);
    assert_eq!(breaks(), ["\"agent\",policy=\"open\"} 1", "\"moved\",policy=\"open\"} 1"]);
}

#[test]
fn what_the_model_did_is_kept_in_redis_while_its_run_goes_on() {
    let (redis, provider) = (Redis::start(&[]), provider(SCRIPT));
    let mut setup = Setup::new(&provider.url()).with(LOCK);
    let secret = redis.folder().join("secret");
    std::fs::write(&secret, "0123456789abcdef0123456789abcdef").unwrap();
    let (secret, url) = (secret.display(), redis.url());
    setup.more = format!("secret: {{ file: {secret} }}\nledger: {{ redis: {{ urls: ['{url}'] }} }}");
    let jetway = setup.start();
    let mut history = vec![user("messages", "corrected")];
    let reply = ask(&jetway, "messages", &history, false).json();
    history.extend(told("messages", &reply));
    let keys = || -> Vec<String> {
        let names = ["edits", "bytes", "conversations", "runs"]
            .map(|name| redis.cli(&["KEYS", &format!("jetway:{{state:*}}:*{name}")]));
        names.iter().flat_map(|found| found.split_whitespace()).map(str::to_owned).collect()
    };
    assert_eq!(keys().len(), 4, "{:?}", keys());
    keys().iter().for_each(|key| drop(redis.cli(&["PEXPIRE", key, "60000"])));
    ask(&jetway, "messages", &history, true);
    assert!(conversation(&provider.seen().pop().unwrap().body).contains("cat .env"));
    let days = |key: &String| redis.cli(&["TTL", key]).trim().parse::<i64>().unwrap() / 86_400;
    eventually(|| keys().iter().all(|key| days(key) >= 6));
    assert_eq!(keys().len(), 4);
    eventually(|| jetway.exchanges(2).len() == 2);
    let user = jetway.json(&["runs", "--json"])[0]["user"].as_str().unwrap().to_owned();
    let erased = jetway.command(&["runs", "erase", "--user", &user, "--reason", "asked for", "--yes"]);
    assert!(erased.status.success() && keys().is_empty(), "{erased:?} {:?}", keys());
}

#[test]
fn breaks_of_a_prompt_s_beginning_are_counted_by_their_cause() {
    let provider = provider("scenarios: [{ name: s, turns: [{ text: Done. }] }]");
    let jetway = Setup::new(&provider.url()).with(LOCK).start();
    let mut history = vec![user("messages", "Go.")];
    ask(&jetway, "messages", &history, true);
    history.extend([said("Done."), user("messages", "On.")]);
    ask(&jetway, "messages", &history, true);
    assert!(!jetway.metrics().contains("jetway_prompt_prefix_breaks_total{"), "nothing broke");
    // The agent tells its own words otherwise.
    history[1] = said("I did it.");
    ask(&jetway, "messages", &history, true);
    assert!(jetway.metrics().contains("jetway_prompt_prefix_breaks_total{cause=\"agent\",policy=\"open\"} 1"));
    // Another tool is taken out, in the middle of the run.
    jetway.edit(&LOCK.replace("[Read, Edit]", "[Edit, Bash]"));
    history.extend([said("Done."), user("messages", "On.")]);
    ask(&jetway, "messages", &history, true);
    assert!(
        jetway.metrics().contains("jetway_prompt_prefix_breaks_total{cause=\"tools\",policy=\"open\"} 1"),
        "{}",
        jetway.metrics()
    );
}

#[test]
fn a_model_that_may_not_go_on_for_want_of_money_ends_with_a_sentence() {
    let provider = provider(SCRIPT);
    let budget = "budget: { caps: [{ per: user, usd: 0.02, every: day }], default_price: { input: 0, output: 1000 }, output_limit: 10, mode: strict }\n";
    for stream in [true, false] {
        let jetway = Setup::new(&provider.url()).with(&format!("{LOCK}{budget}")).start();
        let before = provider.seen().len();
        let text = ask(&jetway, "messages", &[user("messages", "stubborn")], stream).text();
        assert!(text.contains("[Jetway] the budget of $0.02") && !text.contains("cat .env"), "{text}");
        assert!(text.contains("\"end_turn\""), "{text}");
        assert_eq!(provider.seen().len(), before + 1, "the first turn cost all there was");
        assert_eq!(jetway.exchanges(1)[0]["reason"], "budget");
    }
}

#[test]
fn a_provider_that_fails_when_the_model_is_to_go_on_fails_the_reply() {
    let provider = provider(SCRIPT);
    let jetway = Setup::new(&provider.url()).with(LOCK).start();
    let request = body("messages", &[user("messages", "lost")], false).to_string();
    let answer = post("/v1/messages", request).send(jetway.data);
    assert_eq!(answer.status, 502, "{}", answer.text());
    assert!(answer.text().contains("answered 529") && !answer.text().contains("cat .env"), "{}", answer.text());
    assert_eq!(jetway.exchanges(1)[0]["outcome"], "provider_failed");
}

#[test]
fn a_model_searches_the_documentation_within_the_same_reply() {
    let provider = provider(SCRIPT);
    let setup = Setup::new(&provider.url()).with("context: { docs: docs, min_score: 0.1, breakpoint: false }\n");
    let jetway = setup.file("open/docs/errors.md", "# Errors\nCall `captureException(error)`.\n").start();
    for dialect in DIALECTS {
        let mut history = vec![user(dialect, &format!("asks {dialect}"))];
        let before = provider.seen().len();
        let reply = ask(&jetway, dialect, &history, false).json();
        assert!(!reply.to_string().contains("call_hidden") && reply.to_string().contains("Then so."), "{reply}");
        let seen = provider.seen();
        assert_eq!(seen.len(), before + 2, "{dialect}");
        let first = String::from_utf8(seen[before].body.to_vec()).unwrap();
        assert!(first.contains("\"search_docs\"") && !first.contains("captureException"), "it is offered: {first}");
        let (one, two) = (conversation(&seen[before].body), conversation(&seen[before + 1].body));
        assert!(two.starts_with(&one) && two.contains("captureException(error)"), "{two}");
        // On the next turn the model still knows what it read.
        history.extend(told(dialect, &reply));
        ask(&jetway, dialect, &history, true);
        let three = conversation(&provider.seen().pop().unwrap().body);
        assert!(three.starts_with(&two), "{dialect}\n{two}\n{three}");
    }
    let exchange = &jetway.exchanges(6)[0];
    assert_eq!(exchange["calls_answered"], json!(["search_docs"]), "{exchange}");
    assert_eq!(exchange["passages"][0]["source"], "errors.md#Errors", "{exchange}");

    // An agent without tools of its own is not given any, and one that has the name keeps it.
    let mut bare = body("messages", &[user("messages", "Title this.")], false);
    bare.as_object_mut().unwrap().remove("tools");
    post("/v1/messages", bare.to_string()).send(jetway.data);
    assert_eq!(*provider.seen().pop().unwrap().body, *bare.to_string().as_bytes());
    bare["tools"] = json!([{ "name": "search_docs", "input_schema": { "type": "object" } }]);
    post("/v1/messages", bare.to_string()).send(jetway.data);
    assert_eq!(*provider.seen().pop().unwrap().body, *bare.to_string().as_bytes());
}

#[test]
fn a_search_does_not_say_again_what_came_with_the_task() {
    let provider = provider(SCRIPT);
    let setup = Setup::new(&provider.url()).with("context: { docs: docs, min_score: 0.1, breakpoint: false }\n");
    let jetway = setup.file("open/docs/errors.md", "# Errors\nCapture an exception with `captureException(error)`.\n");
    let jetway = jetway.start();
    let history = vec![user("messages", "asks to capture an exception")];
    ask(&jetway, "messages", &history, false);
    let sent = String::from_utf8(provider.seen().pop().unwrap().body.to_vec()).unwrap();
    assert_eq!(sent.matches("captureException(error)").count(), 1, "{sent}");
    assert!(sent.contains("you were given before: `Errors`."), "{sent}");
}

/// What the agent of a run tells when the model was corrected, and what the provider was sent by then.
fn corrected(jetway: &Jetway, provider: &jetway_scripted::Provider, dialect: &str, say: &str) -> (Vec<Value>, String) {
    let mut history = vec![user(dialect, &format!("{say} {dialect}"))];
    let reply = ask(jetway, dialect, &history, false).json();
    history.extend(told(dialect, &reply));
    (history, conversation(&provider.seen().pop().unwrap().body))
}

#[test]
fn a_lost_overlay_leaves_a_valid_request() {
    let provider = provider(SCRIPT);
    let jetway = Setup::new(&provider.url()).with(LOCK).start();
    // Another one, which knows nothing of what the first has done.
    let other = Setup::new(&provider.url()).with(LOCK).start();
    for dialect in DIALECTS {
        for say in ["corrected", "together"] {
            let (history, _) = corrected(&jetway, &provider, dialect, say);
            let answer = ask(&other, dialect, &history, true);
            assert!(answer.text().contains("Then so.") || answer.text().contains("It is done."), "{}", answer.text());
            let sent: Value = serde_json::from_slice(&provider.seen().pop().unwrap().body).unwrap();
            let list = if dialect == "responses" { &sent["input"] } else { &sent["messages"] };
            assert_eq!(list, &Value::from(history), "{dialect} {say}: as the agent tells it");
        }
    }
}

#[test]
fn any_jetway_of_a_fleet_takes_the_next_turn() {
    let (provider, redis) = (provider(SCRIPT), jetway_support::redis::Redis::start(&[]));
    let secret = redis.folder().join("secret");
    std::fs::write(&secret, "0123456789abcdef0123456789abcdef").unwrap();
    let fleet = [(); 2].map(|()| {
        let mut setup = Setup::new(&provider.url()).with(LOCK);
        let (secret, url) = (secret.display(), redis.url());
        setup.more = format!("secret: {{ file: {secret} }}\nledger: {{ redis: {{ urls: ['{url}'], timeout: 5s }} }}");
        setup.start()
    });
    for dialect in DIALECTS {
        for say in ["corrected", "together"] {
            let (history, before) = corrected(&fleet[0], &provider, dialect, say);
            ask(&fleet[1], dialect, &history, true);
            let after = conversation(&provider.seen().pop().unwrap().body);
            assert!(after.starts_with(&before) && after.contains("Use Read."), "{dialect} {say}\n{before}\n{after}");
        }
    }
}
