//! What a prompt has of pages, by task, step or search, it has once, and within one allowance a time.

use jetway_scripted::Provider;
use jetway_support::agent::goes_on;
use jetway_support::client::post;
use jetway_support::{Jetway, Setup, provider};
use serde_json::{Value, json};

use crate::breadcrumbs::{bash, complete, growing};

const PAGES: [(&str, &str); 5] = [
    ("errors", "Capture an exception by `alphaException`."),
    ("crashes", "Capture an exception that crashes by `bravoException`."),
    ("naming", "Name an event `charlie happened`."),
    ("groups", "Name an event of a group `delta happened`."),
    ("flags", "A flag is read by `echoFlag`."),
];
const WORDS: [&str; 5] = ["alphaException", "bravoException", "charlie happened", "delta happened", "echoFlag"];
const PATH: &str = "
breadcrumbs:
  - { id: look, prompt: look.md, docs: [naming an event] }
  - { id: plan, prompt: plan.md, docs: [capture an exception, naming an event], done: { result: written } }
  - { id: test, prompt: test.md, docs: [naming an event] }
";

fn setup(provider: &str, allowance: usize) -> Setup {
    marked(provider, allowance, false)
}

fn marked(provider: &str, allowance: usize, mark: bool) -> Setup {
    let context = format!("context: {{ docs: docs, allowance: {allowance}, min_score: 0.1, breakpoint: {mark} }}\n");
    let setup = Setup::new(provider).with(&format!("{context}{PATH}"));
    let setup = PAGES
        .iter()
        .fold(setup, |setup, (name, text)| setup.file(&format!("open/docs/{name}.md"), &format!("# {name}\n{text}\n")));
    ["look", "plan", "test"].iter().fold(setup, |setup, step| setup.file(&format!("open/{step}.md"), "Do it."))
}

fn search(query: &str) -> Value {
    json!({ "tool": "search_docs", "input": { "query": query } })
}

fn scripted(turns: &[Value]) -> Provider {
    let mut turns: Vec<Value> = turns.iter().map(|calls| json!({ "calls": calls })).collect();
    turns.push(json!({ "text": "Finished." }));
    provider(&json!({ "scenarios": [{ "name": "s", "turns": turns }] }).to_string())
}

fn turn(jetway: &Jetway, history: &mut Vec<Value>, result: &str) {
    let tools = json!([{ "name": "Bash", "input_schema": { "type": "object" } }]);
    let body = json!({ "model": "claude-x", "max_tokens": 1000, "tools": tools, "messages": history });
    let answer = post("/v1/messages", body.to_string()).header("x-jetway-run", "one").send(jetway.data);
    assert_eq!(answer.status, 200, "{}", answer.text());
    goes_on(history, &answer.json()["content"], result);
}

/// How often each page stands in each prompt that was sent.
fn counts(provider: &Provider) -> Vec<[usize; 5]> {
    let body =
        |seen: &jetway_scripted::Seen| serde_json::from_slice::<Value>(&seen.body).unwrap()["messages"].to_string();
    provider.seen().iter().map(body).map(|body| WORDS.map(|word| body.matches(word).count())).collect()
}

fn begun(task: &str) -> Vec<Value> {
    vec![json!({ "role": "user", "content": task })]
}

#[test]
fn a_page_stands_once_in_a_prompt_whatever_brings_it() {
    let provider = scripted(&[
        json!([search("capture an exception"), search("capture an exception that crashes")]),
        json!([search("reading a flag")]),
        json!([bash("ls")]),
        json!([search("reading a flag")]),
        json!([complete()]),
        json!([bash("ls")]),
    ]);
    let first = setup(&provider.url(), 500).start();
    let mut history = begun("Which exception crashes?");
    turn(&first, &mut history, "app.py"); // both searches, the third, and ls
    let second = setup(&provider.url(), 500).start_in(first.kill());
    turn(&second, &mut history, "written"); // the search again, complete_step, and ls
    turn(&second, &mut history, "12 passed"); // the step behind its result
    // The first step has named two pages, and the task the two others; a page that a model
    // looks for comes when it does, and never again.
    let (begun, all) = ([1, 1, 1, 1, 0], [1; 5]);
    assert_eq!(counts(&provider), [begun, begun, all, all, all, all, all]);
    growing(&provider);
    let last = String::from_utf8(provider.seen().pop().unwrap().body.to_vec()).unwrap();
    let named = "stands in the reference material that you were given before: ";
    assert_eq!(last.matches(named).count(), 5, "three searches and two steps: {last}");
    assert!(last.contains(&format!("What fits this step {named}`naming`, `groups`.")), "{last}");
}

#[test]
fn a_search_shows_what_the_first_step_brings_and_what_the_task_does_beside_it() {
    let (provider, task) = (scripted(&[]), "Which exception crashes?");
    let jetway = setup(&provider.url(), 230).start();
    turn(&jetway, &mut begun(task), "");
    let sent: Value = serde_json::from_slice(&provider.seen().pop().unwrap().body).unwrap();
    let sent = sent["messages"][0]["content"].to_string();
    let found = jetway.json(&["docs", "search", "open", task, "--json"]);
    let inserted = |part: &str| found["inserted"][part].as_str().unwrap().to_owned();
    for (part, pages) in
        [("first_step", [false, false, true, true, false]), ("text", [false, true, false, false, false])]
    {
        let text = inserted(part);
        assert_eq!(WORDS.map(|word| text.contains(word)), pages, "{part}: {text}");
        assert!(sent.contains(json!(text).to_string().trim_matches('"')), "{part}: {text}\n{sent}");
    }
    let by: Vec<&str> =
        found["inserted"]["passages"].as_array().unwrap().iter().map(|shown| shown["by"].as_str().unwrap()).collect();
    assert_eq!(by, ["step", "step", "task"], "{found}");
    let said = String::from_utf8(jetway.command(&["docs", "search", "open", task]).stdout).unwrap();
    assert!(said.contains("Inserted with the first step, ") && said.contains("Inserted with the task, "), "{said}");
}

fn said(role: &str, text: &str) -> Value {
    json!({ "role": role, "content": text })
}

/// The messages of the last prompt that have pages, or a step.
fn places(provider: &Provider) -> Vec<usize> {
    let sent: Value = serde_json::from_slice(&provider.seen().pop().unwrap().body).unwrap();
    let messages = sent["messages"].as_array().unwrap().iter().map(Value::to_string).enumerate();
    messages
        .filter(|(_, text)| text.contains("alphaException") || text.contains("<jetway_step"))
        .map(|at| at.0)
        .collect()
}

#[test]
fn what_goes_with_the_task_stands_behind_the_message_that_has_it() {
    let set_up = "This is the Qwen Code. We are setting up the context for our chat.";
    let begun = [said("user", set_up), said("assistant", "Got it. Thanks!"), said("user", "Which exception crashes?")];
    let calls = [json!([bash("ls")]), json!([bash("ls")]), json!([bash("ls")])];
    let provider = scripted(&calls);
    let first = setup(&provider.url(), 500).start();
    let mut history = begun.to_vec();
    turn(&first, &mut history, "app.py");
    assert_eq!(places(&provider), [2]);
    let second = setup(&provider.url(), 500).start_in(first.kill());
    turn(&second, &mut history, "app.py");
    assert_eq!(places(&provider), [2]);
    growing(&provider);
    // What ends with the task is asked to be cached as far as what stands behind it.
    let jetway = marked(&provider.url(), 500, true).start();
    turn(&jetway, &mut begun.to_vec(), "app.py");
    let sent: Value = serde_json::from_slice(&provider.seen().pop().unwrap().body).unwrap();
    let last = sent["messages"][2]["content"].as_array().unwrap().last().unwrap().clone();
    assert!(last["cache_control"].is_object() && last["text"].as_str().unwrap().contains("alphaException"), "{last}");
}

/// What the model answered makes of its task a set-up, and of what comes next the task; but what was put behind
/// it stays.
#[test]
fn what_was_put_behind_a_task_stays_there() {
    let provider = scripted(&[json!([])]);
    let jetway = setup(&provider.url(), 500).start();
    let mut history = vec![said("user", "You are a reviewer. Which exception crashes?")];
    turn(&jetway, &mut history, "");
    history.truncate(1);
    history.extend([said("assistant", "Finished."), said("user", "Which exception crashes, and how?")]);
    turn(&jetway, &mut history, "");
    assert_eq!(places(&provider), [0]);
    growing(&provider);
}

#[test]
fn what_the_agent_forgets_is_shown_again() {
    let provider = scripted(&[json!([search("reading a flag")]), json!([]), json!([search("reading a flag")])]);
    let jetway = setup(&provider.url(), 500).start();
    turn(&jetway, &mut begun("Which exception crashes?"), "");
    assert_eq!(counts(&provider), [[1, 1, 1, 1, 0], [1; 5]]);
    // It sums up what was, and goes on with that.
    turn(&jetway, &mut begun("So far: which exception crashes was asked."), "");
    assert_eq!(counts(&provider)[2..], [[1, 1, 1, 1, 0], [1; 5]]);
}

#[test]
fn the_task_and_its_first_step_share_one_allowance() {
    let provider = scripted(&[]);
    for (allowance, expect) in [(100, [0, 0, 1, 0, 0]), (150, [0, 0, 1, 1, 0]), (230, [0, 1, 1, 1, 0])] {
        let jetway = setup(&provider.url(), allowance).start();
        turn(&jetway, &mut begun("Which exception crashes?"), "");
        assert_eq!(counts(&provider).pop().unwrap(), expect, "{allowance}");
    }
}
