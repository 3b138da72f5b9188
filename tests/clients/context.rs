//! What Jetway puts before a model and takes from it is the same on every turn, so that the
//! provider's prompt cache holds: one token that moves near the front is paid for as all behind it.

use std::collections::HashMap;

use jetway_support::prompt::normalised;
use jetway_support::{Setup, provider};
use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Value, json};

use crate::agent::{Agent, CODEX, CODEX_IN_CODE, DONE};
use crate::log::exchanges;
use crate::place::Place;

const POLICY: &str = "
context: { docs: docs, allowance: 500, min_score: 0.1 }
lockdown: { allow: ['*'], deny: [Agent, Workflow, 'Schedule*', WebFetch] }
budget: { output_limit: 20000 }
";
const PAGE: &str = "# Greetings\nA greeting of Jetway counts its lines.\n";

/// A part of a request as it is spelled.
#[derive(Deserialize)]
struct Sent<'a> {
    #[serde(borrow)]
    tools: &'a RawValue,
    #[serde(borrow)]
    system: &'a RawValue,
    #[serde(borrow)]
    messages: &'a RawValue,
}

#[test]
fn claude_code_s_prompt_grows_only_at_its_end() {
    let place = Place::new();
    let provider = provider("scenarios: []");
    let jetway = Setup::new(&provider.url()).with(POLICY).file("open/docs/greetings.md", PAGE);
    let mut jetway = jetway.start();
    let page = jetway.folder.path().join("policies/open/docs/greetings.md");
    provider.play(jetway_scripted::Script::parse(&script(&place, &page.display().to_string())).unwrap());
    let ran =
        Agent::ClaudeCode.run(&place, &jetway.url(), "sk-dummy", "How does a greeting of Jetway count its lines?");
    assert!(ran.code == Some(0) && ran.out.contains(DONE), "{ran:?}");
    jetway.says("is in force");

    let bodies: Vec<_> =
        provider.seen().into_iter().map(|seen| String::from_utf8(seen.body.to_vec()).unwrap()).collect();
    assert_eq!(bodies.len(), 10);
    let sent: Vec<Sent<'_>> = bodies.iter().map(|body| serde_json::from_str(body).unwrap()).collect();
    let first = &sent[0];
    assert!(first.messages.get().contains("A greeting of Jetway counts its lines"), "{}", first.messages);
    assert!(first.tools.get().contains("\"Read\"") && !first.tools.get().contains("\"Workflow\""), "{}", first.tools);
    let mut before = String::new();
    for (turn, sent) in sent.iter().enumerate() {
        assert_eq!(sent.tools.get(), first.tools.get(), "turn {turn}");
        assert_eq!(sent.system.get(), first.system.get(), "turn {turn}");
        let messages = normalised(sent.messages.get());
        let open = messages.strip_suffix(']').unwrap();
        assert!(open.starts_with(&before) && open.len() > before.len(), "turn {turn}: {before}\n\n{open}");
        before = open.to_owned();
    }
    for exchange in exchanges(&mut jetway) {
        assert_eq!(exchange["passages"][0]["source"], "greetings.md#Greetings", "{exchange}");
        assert!(exchange["tools_removed"].as_array().unwrap().contains(&json!("Workflow")), "{exchange}");
    }
}

/// Many small turns; in one of them an operator edits the page that the model was shown.
fn script(place: &Place, page: &str) -> String {
    place.put("greeting.txt", "Hello, world\n");
    let shell = |line: &str| Agent::ClaudeCode.shell(line);
    let mut turns: Vec<Value> = (0..9).map(|turn| json!({ "calls": [shell(&format!("echo turn {turn}"))] })).collect();
    turns[2]["text"] = "é \"quoted\" \u{1F600}".into();
    turns[3]["calls"] = json!([shell("cat greeting.txt"), shell("wc greeting.txt")]);
    turns[4]["calls"] =
        json!([shell(&format!("echo '# Greetings\n\nAll new: Jetway counts greetings, lines.' > {page}; sleep 2"))]);
    turns.push(json!({ "text": DONE }));
    json!({ "scenarios": [{ "name": "long", "turns": turns }] }).to_string()
}

/// With all that changes a prompt: standing text, passages, steps, calls that are refused and
/// corrected within the reply, calls that Jetway answers, alone and beside others.
const EVERYTHING: &str = "
context: { docs: docs, standing: standing.md, allowance: 500, min_score: 0.1 }
lockdown: { allow: ['*'], deny: [Agent, Workflow, { rule: 'reads(**/.env*)', reason: Leave it. }] }
breadcrumbs:
  - { id: one, prompt: one.md, done: { result: three } }
  - { id: two, prompt: two.md }
  - { id: last, prompt: last.md }
";

fn everything(agent: Agent) -> String {
    let shell = |line: &str| agent.shell(line);
    let search = json!({ "tool": "search_docs", "input": { "query": "greeting lines" } });
    let calls = [
        json!([shell("echo one")]),
        json!([shell("cat .env")]),
        json!([shell("echo three")]),
        json!([search]),
        json!([shell("echo five"), search]),
        json!([shell("cat .env"), shell("echo six")]),
        json!([shell("echo seven")]),
        json!([{ "tool": "complete_step", "input": { "summary": "Done." } }]),
        json!([search]),
    ];
    let mut turns: Vec<Value> = calls.iter().map(|calls| json!({ "calls": calls })).collect();
    turns[2]["text"] = "Then so.".into();
    turns.push(json!({ "text": DONE }));
    json!({ "scenarios": [{ "name": "everything", "turns": turns }] }).to_string()
}

#[track_caller]
fn grows_only_at_its_end(agent: Agent, list: &str, front: &[&str]) {
    let place = Place::new();
    place.put(".env", "KEY=zebra\n");
    let provider = provider(&everything(agent));
    let jetway = Setup::new(&provider.url()).with(EVERYTHING).file("open/docs/greetings.md", PAGE);
    let steps = ["one", "two", "last"].into_iter();
    let jetway = steps.fold(jetway, |jetway, step| jetway.file(&format!("open/{step}.md"), &format!("STEP {step}")));
    let jetway = jetway.file("open/standing.md", "Greetings are polite.\n").start();
    let task = "How does a greeting of Jetway count its lines?";
    let ran = agent.run(&place, &jetway.url(), "sk-dummy", task);
    assert!(ran.code == Some(0) && ran.out.contains(DONE), "{ran:?}");
    let bodies: Vec<_> =
        provider.seen().into_iter().map(|seen| String::from_utf8(seen.body.to_vec()).unwrap()).collect();
    assert_eq!(bodies.len(), 10, "each turn of the model was asked for once");
    let sent: Vec<HashMap<&str, &RawValue>> = bodies.iter().map(|body| serde_json::from_str(body).unwrap()).collect();
    for text in ["Greetings are polite.", "A greeting of Jetway counts its lines", "\"search_docs\""] {
        assert!(bodies[0].contains(text), "{text}: {}", bodies[0]);
    }
    assert!(bodies.iter().all(|body| !body.contains("zebra")));
    let steps = |at: usize| ["STEP one", "STEP two", "STEP last"].map(|step| bodies[at].contains(step));
    assert_eq!([0, 3, 9].map(steps), [[true, false, false], [true, true, false], [true; 3]]);
    let mut before = String::new();
    for (turn, sent) in sent.iter().enumerate() {
        for key in front {
            assert_eq!(sent[key].get(), bodies_first(&bodies, key), "turn {turn}");
        }
        let items = normalised(sent[list].get());
        let open = items.trim_end().strip_suffix(']').unwrap();
        assert!(open.starts_with(&before) && open.len() > before.len(), "turn {turn}: {before}\n\n{open}");
        before = open.to_owned();
    }
    let metrics = jetway.metrics();
    assert!(!metrics.contains("jetway_prompt_prefix_breaks_total{"), "{metrics}");
}

/// A part of the first request, as it is spelled.
fn bodies_first<'a>(bodies: &'a [String], key: &str) -> &'a str {
    serde_json::from_str::<HashMap<&str, &'a RawValue>>(&bodies[0]).unwrap()[key].get()
}

#[test]
fn with_everything_on_claude_code_s_prompt_grows_only_at_its_end() {
    grows_only_at_its_end(Agent::ClaudeCode, "messages", &["tools", "system"]);
}

#[test]
fn with_everything_on_codex_s_prompt_grows_only_at_its_end() {
    grows_only_at_its_end(CODEX, "input", &["tools"]);
}

#[test]
fn with_everything_on_the_prompt_of_codex_in_code_grows_only_at_its_end() {
    grows_only_at_its_end(CODEX_IN_CODE, "input", &[]);
}
