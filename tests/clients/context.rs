//! What Jetway puts before a model and takes from it is the same on every turn, so that the
//! provider's prompt cache holds: one token that moves near the front is paid for as all behind it.

use jetway_support::prompt::{Prompt, TASK, grow, with_prose};
use jetway_support::provider;
use serde_json::{Value, json};

use crate::agent::{Agent, CODEX, CODEX_IN_CODE, DONE};
use crate::log::exchanges;
use crate::place::Place;

const POLICY: &str = "
context: { docs: docs, allowance: 500, min_score: 0.1 }
lockdown: { allow: ['*'], deny: [Agent, Workflow, 'Schedule*', WebFetch] }
budget: { output_limit: 20000 }
";

#[test]
fn claude_code_s_prompt_grows_only_at_its_end() {
    let place = Place::new();
    let provider = provider("scenarios: []");
    let mut jetway = with_prose(&provider.url(), POLICY).start();
    let page = jetway.folder.path().join("policies/open/docs/greetings.md");
    provider.play(jetway_scripted::Script::parse(&script(&place, &page.display().to_string())).unwrap());
    let ran = Agent::ClaudeCode.run(&place, &jetway.url(), "sk-dummy", TASK);
    assert!(ran.code == Some(0) && ran.out.contains(DONE), "{ran:?}");
    jetway.says("is in force");

    let prompts: Vec<Prompt> = provider.seen().iter().map(|seen| Prompt::read(&seen.body)).collect();
    assert_eq!(prompts.len(), 10);
    let Prompt { front: [tools, ..], said } = &prompts[0];
    assert!(said.contains("A greeting of Jetway counts its lines"), "{said}");
    assert!(tools.contains("\"Read\"") && !tools.contains("\"Workflow\""), "{tools}");
    grow(&prompts);
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
fn grows_only_at_its_end(agent: Agent) {
    let place = Place::new();
    place.put(".env", "KEY=zebra\n");
    let provider = provider(&everything(agent));
    let jetway = with_prose(&provider.url(), EVERYTHING).start();
    let ran = agent.run(&place, &jetway.url(), "sk-dummy", TASK);
    assert!(ran.code == Some(0) && ran.out.contains(DONE), "{ran:?}");
    let bodies: Vec<_> =
        provider.seen().into_iter().map(|seen| String::from_utf8(seen.body.to_vec()).unwrap()).collect();
    assert_eq!(bodies.len(), 10, "each turn of the model was asked for once");
    for text in ["Greetings are polite.", "A greeting of Jetway counts its lines", "\"search_docs\""] {
        assert!(bodies[0].contains(text), "{text}: {}", bodies[0]);
    }
    assert!(bodies.iter().all(|body| !body.contains("zebra")));
    let steps = |at: usize| ["STEP one", "STEP two", "STEP last"].map(|step| bodies[at].contains(step));
    assert_eq!([0, 3, 9].map(steps), [[true, false, false], [true, true, false], [true; 3]]);
    grow(&bodies.iter().map(|body| Prompt::read(body.as_bytes())).collect::<Vec<_>>());
    let metrics = jetway.metrics();
    assert!(!metrics.contains("jetway_prompt_prefix_breaks_total{"), "{metrics}");
}

#[test]
fn with_everything_on_claude_code_s_prompt_grows_only_at_its_end() {
    grows_only_at_its_end(Agent::ClaudeCode);
}

#[test]
fn with_everything_on_codex_s_prompt_grows_only_at_its_end() {
    grows_only_at_its_end(CODEX);
}

#[test]
fn with_everything_on_the_prompt_of_codex_in_code_grows_only_at_its_end() {
    grows_only_at_its_end(CODEX_IN_CODE);
}
