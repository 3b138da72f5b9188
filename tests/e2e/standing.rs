//! Text for every conversation of a policy, breakpoints for agents that set none, and a model
//! airplane with the task.

use jetway_scripted::Provider;
use jetway_support::client::post;
use jetway_support::{Jetway, Setup, eventually, provider};
use serde_json::{Value, json};

const STANDING: &str = "We call a customer a member.";

fn jetway(provider: &str, more: &str) -> Setup {
    let context = format!("context: {{ docs: docs, standing: standing.md, min_score: 0.1{more} }}\n");
    let setup = Setup::new(provider).with(&context).file("open/standing.md", STANDING);
    setup.file("open/docs/errors.md", "# Errors\nCall `captureException`.\n")
}

fn sent(provider: &Provider) -> Value {
    serde_json::from_slice(&provider.seen().pop().unwrap().body).unwrap()
}

fn ask(jetway: &Jetway, path: &str, run: &str, body: &Value) {
    let answer = post(path, body.to_string()).header("x-jetway-run", run).send(jetway.data);
    assert_eq!(answer.status, 200, "{}", answer.text());
}

fn messages(said: &[&str]) -> Value {
    let roles = ["user", "assistant"].into_iter().cycle();
    let messages: Vec<Value> =
        said.iter().zip(roles).map(|(said, role)| json!({ "role": role, "content": said })).collect();
    json!({ "model": "claude-x", "max_tokens": 10, "system": "You are an agent.", "messages": messages })
}

#[test]
fn standing_text_ends_the_system_text_in_every_dialect_and_is_logged() {
    let provider = provider("scenarios: []");
    let jetway = jetway(&provider.url(), "").start();
    let is_told = |text: &Value| {
        let text = text.as_str().unwrap();
        assert!(text.contains("<jetway_context source=\"standing.md\" rev=\""), "{text}");
        assert!(text.ends_with("We call a customer a member.\n</jetway_context>\n"), "{text}");
        text.starts_with("You are an agent.\n\n<jetway_context")
    };
    ask(&jetway, "/v1/messages", "m", &messages(&["zebra"]));
    assert!(is_told(&sent(&provider)["system"]));
    assert_eq!(jetway.exchanges(1)[0]["passages"][0]["source"], "standing.md");

    let chat = json!({ "model": "gpt-x", "messages": [
        { "role": "system", "content": "You are an agent." }, { "role": "user", "content": "zebra" }
    ] });
    ask(&jetway, "/v1/chat/completions", "c", &chat);
    let told = sent(&provider);
    assert_eq!((&told["messages"][0], &told["messages"][2]), (&chat["messages"][0], &chat["messages"][1]));
    assert!(!is_told(&told["messages"][1]["content"]));

    let responses = json!({ "model": "gpt-x", "instructions": "You are an agent.", "input": "zebra" });
    ask(&jetway, "/v1/responses", "r", &responses);
    assert!(is_told(&sent(&provider)["instructions"]));
    assert_eq!(sent(&provider)["input"], "zebra");
}

#[test]
fn a_run_keeps_the_standing_text_that_it_began_with() {
    let provider = provider("scenarios: []");
    let jetway = jetway(&provider.url(), "").start();
    ask(&jetway, "/v1/messages", "one", &messages(&["zebra"]));
    let before = sent(&provider)["system"].clone();
    std::fs::write(jetway.folder.path().join("policies/open/standing.md"), "A customer is a guest.").unwrap();
    jetway.says("is in force");
    ask(&jetway, "/v1/messages", "one", &messages(&["zebra", "ok", "go on"]));
    assert_eq!(sent(&provider)["system"], before);
    ask(&jetway, "/v1/messages", "two", &messages(&["zebra"]));
    assert!(sent(&provider)["system"].as_str().unwrap().contains("a guest"));
    let versions: Vec<Value> = jetway.exchanges(3).iter().map(|exchange| exchange["policy_version"].clone()).collect();
    assert!(versions[0] != versions[2], "{versions:?}");
}

/// An agent that thinks nothing of caching: six turns of one run, and the first of another.
fn naive(jetway: &Jetway) {
    let tool = |name: &str| json!({ "name": name, "description": "Does it. ".repeat(500), "input_schema": { "type": "object" } });
    let mut said = vec!["How do I capture an exception?".to_owned()];
    let turn = |run: &str, said: &[String]| {
        let said: Vec<&str> = said.iter().map(String::as_str).collect();
        let mut body = messages(&said);
        body["tools"] = json!([tool("Read"), tool("Write")]);
        ask(jetway, "/v1/messages", run, &body);
    };
    for n in 0..6 {
        turn("one", &said);
        said.extend([String::from("ok"), format!("{n} {}", "and on ".repeat(800))]);
    }
    turn("two", &["Now something else.".to_owned()]);
}

#[test]
fn an_agent_that_sets_no_breakpoint_is_served_from_the_cache_all_the_same() {
    let script = "caching: true\nscenarios: []";
    let read = |provider: &Provider| -> Vec<u64> {
        provider.seen().iter().map(|seen| seen.cache.clone().unwrap().read).collect()
    };
    let helped = provider(script);
    let served = jetway(&helped.url(), "").start();
    naive(&served);
    let with = read(&helped);
    assert_eq!(with[0], 0);
    // Each turn reads all that the one before sent; and another run what is alike in all runs.
    assert!(with[1..6].windows(2).all(|two| two[0] > 1_000 && two[1] > two[0] + 1_000), "{with:?}");
    assert!(with[6] > 2_000, "{with:?}");
    // That the mark moves on is no break.
    assert!(!served.metrics().contains("jetway_prompt_prefix_breaks_total{"), "{}", served.metrics());
    let id = served.json(&["runs", "--json"])[1]["id"].as_str().unwrap().to_owned();
    let shown = String::from_utf8(served.command(&["runs", "show", &id]).stdout).unwrap();
    let shares = shown.lines().filter(|line| line.contains(" cached (")).count();
    assert_eq!(shares, 6, "{shown}");

    let alone = provider(script);
    naive(&jetway(&alone.url(), ", breakpoint: false").start());
    assert_eq!(read(&alone), [0; 7]);
}

/// With a model airplane for Flask, of which one file is for the step `integrate`.
fn flying(setup: Setup) -> Setup {
    let about = "about: A Flask app.\nlanguages: [python]\nframeworks: [flask]\n\
                 files: [{ path: app.py, shows: Where it starts., steps: [integrate] }]\n\
                 run: { start: \"true\" }\nvisit: [{ open: / }]\n";
    let setup = setup.file("open/airplanes/flask/airplane.yaml", about);
    let setup = setup.file("open/airplanes/flask/README.md", "# Where analytics go\n");
    setup.file("open/airplanes/flask/events.json", "[]").file("open/airplanes/flask/app.py", "start()\n")
}

#[test]
fn a_model_airplane_comes_with_the_task_of_a_project_like_it() {
    let provider = provider("scenarios: []");
    let jetway = flying(jetway(&provider.url(), "")).start();
    let task = |run: &str, task: &str| {
        ask(&jetway, "/v1/messages", run, &messages(&[task]));
        sent(&provider)["messages"][0]["content"].to_string()
    };
    let shown = task("flask", "Capture every exception in my Flask app.");
    let (docs, plane) = (shown.find("captureException").unwrap(), shown.find("# Where analytics go").unwrap());
    assert!(docs < plane, "the airplane is nearest to the task: {shown}");
    assert!(shown.contains("file=\\\"README.md\\\"") && !shown.contains("start()"), "{shown}");
    assert!(!task("django", "Capture every exception in my Django app.").contains("Where analytics go"));
    let exchange = jetway.exchanges(2).remove(0);
    assert_eq!(exchange["profile"]["frameworks"], json!(["flask"]), "{exchange}");
    let passages = exchange["passages"].as_array().unwrap();
    let of = |source: &str| passages.iter().find(|passage| passage["source"] == source).unwrap_or(&Value::Null);
    // Whatever was shown is found by its hash, which stands beside it.
    for (source, text) in [
        ("standing.md", STANDING),
        ("errors.md#Errors", "Call `captureException`."),
        ("airplanes/flask/README.md", "# Where analytics go"),
    ] {
        let hash = of(source)["hash"].as_str().unwrap();
        let found = || String::from_utf8(jetway.command(&["docs", "show", hash]).stdout).unwrap();
        eventually(|| found().contains(text));
    }
    let rev = of("airplanes/flask/README.md")["hash"].as_str().unwrap();
    assert!(shown.contains(&format!("rev=\\\"{rev}\\\"")), "{shown}");
}

#[test]
fn a_model_looks_at_an_airplane_within_the_same_reply() {
    let script = "scenarios: [{ name: s, turns: [{ calls: [{ tool: show_airplane, input: { path: app.py } }] }, { text: So it starts there. }] }]";
    let provider = provider(script);
    let jetway = flying(jetway(&provider.url(), "")).start();
    let mut body = messages(&["zebra in my Flask app"]);
    body["tools"] = json!([{ "name": "Read", "input_schema": { "type": "object" } }]);
    ask(&jetway, "/v1/messages", "one", &body);
    let told = sent(&provider)["messages"].to_string();
    assert!(told.contains("start()") && told.contains("file=\\\"app.py\\\""), "{told}");
    let exchange = jetway.exchanges(1).remove(0);
    assert_eq!(exchange["calls_answered"], json!(["show_airplane"]), "{exchange}");
    assert!(exchange["passages"].to_string().contains("airplanes/flask/app.py"), "{exchange}");
}

#[test]
fn a_step_brings_its_pages_and_the_files_that_are_for_it() {
    let provider = provider("scenarios: []");
    let path = "breadcrumbs: [{ id: integrate, prompt: step.md, docs: [capture an exception] }]\n";
    let context = "context: { docs: docs, min_score: 0.1 }\n";
    let setup = Setup::new(&provider.url()).with(&format!("{context}{path}")).file("open/step.md", "Put it in.");
    let jetway = flying(setup.file("open/docs/errors.md", "# Errors\nCall `captureException`.\n")).start();
    let mut body = messages(&["zebra in my Flask app"]);
    body["tools"] = json!([{ "name": "Read", "input_schema": { "type": "object" } }]);
    ask(&jetway, "/v1/messages", "one", &body);
    let told = sent(&provider)["messages"].to_string();
    for part in ["Put it in.", "captureException", "start()"] {
        assert!(told.contains(part), "{part}: {told}");
    }
}

#[test]
fn after_a_compaction_the_passages_are_there_once() {
    let provider = provider("scenarios: []");
    let jetway = jetway(&provider.url(), "").start();
    let task = "Where do I capture an exception?";
    ask(&jetway, "/v1/messages", "one", &messages(&[task]));
    ask(&jetway, "/v1/messages", "one", &messages(&[task, "ok", "go on"]));
    let count = || sent(&provider)["messages"].to_string().matches("captureException").count();
    assert_eq!(count(), 1);
    // The agent sums up what was, and goes on with that.
    let summary = format!("This session is continued. The task was: {task} So far we looked around.");
    ask(&jetway, "/v1/messages", "one", &messages(&[&summary]));
    assert_eq!(count(), 1);
    ask(&jetway, "/v1/messages", "one", &messages(&[&summary, "ok", "and now?"]));
    assert_eq!(count(), 1);
}

#[test]
fn a_run_is_shown_later_what_it_would_have_been_shown_at_first() {
    let script = "scenarios: [{ name: s, turns: [{ text: Yes. }, { calls: [{ tool: search_docs, input: { query: capture an exception } }] }, { text: So it is. }] }]";
    let provider = provider(script);
    let jetway = flying(jetway(&provider.url(), "")).start();
    let turn = |run: &str, said: &[&str]| {
        let mut body = messages(said);
        body["tools"] = json!([{ "name": "Read", "input_schema": { "type": "object" } }]);
        ask(&jetway, "/v1/messages", run, &body);
        sent(&provider)["messages"].to_string()
    };
    turn("one", &["zebra"]);
    std::fs::write(jetway.folder.path().join("policies/open/docs/errors.md"), "# Errors\nCall `reportException`.\n")
        .unwrap();
    jetway.says("is in force");
    let told = turn("one", &["zebra", "Yes.", "How do I do that?"]);
    assert!(told.contains("captureException") && !told.contains("reportException"), "{told}");
    turn("two", &["zebra"]);
    let told = turn("two", &["zebra", "Yes.", "How do I do that?"]);
    assert!(told.contains("reportException") && !told.contains("captureException"), "{told}");
}
