//! Runs of agents as they are released end, and are asked: one whose work was done, one whose budget
//! was used up in the middle of a reply, and one that never completes its step.

use jetway_scripted::Provider;
use jetway_support::{Jetway, Setup, eventually, provider};
use serde_json::{Value, json};

use crate::agent::{Agent, CODEX, CODEX_IN_CODE};
use crate::place::Place;

const TAG: &str = "jetway_question";
const ANSWER: &str =
    r#"{"findings":[{"kind":"missing","severity":"high","text":"Nothing says which port the server has."}]}"#;

fn scripted(turns: &Value) -> Provider {
    let asked = json!({ "name": "asked", "when": { "contains": TAG }, "by": "request", "turns": [{ "text": ANSWER }] });
    let titles =
        json!({ "name": "titles", "when": { "tools": false }, "by": "request", "turns": [{ "text": "A title" }] });
    provider(&json!({ "scenarios": [asked, titles, { "name": "job", "turns": turns }] }).to_string())
}

/// Lets the agent work, and returns how its run ended, and the question.
#[track_caller]
fn ends(agent: Agent, turns: &Value, more: &str) -> (String, Value, Jetway) {
    let provider = scripted(turns);
    let asks =
        "interrogation: { allowance: { usd: 5, every: day }, quiet: 2s, abandoned: 2s, callers_credential: true }";
    let setup = Setup::new(&provider.url()).with(&format!("{asks}\n{more}\n"));
    let jetway = setup.file("open/ask.md", "What could we have done better?").file("open/steps/1.md", "ALPHA").start();
    let ran = agent.run(&Place::new(), &jetway.url(), "sk-dummy", "Find out the port.");
    let mut run = Value::Null;
    eventually(|| {
        let runs = jetway.json(&["runs", "--json"]);
        run = runs.as_array().unwrap().iter().find(|run| run["asked"] == "answered").cloned().unwrap_or_default();
        run.is_object() || ran.code.is_none()
    });
    let shown = jetway.json(&["runs", "show", run["id"].as_str().unwrap(), "--json"]);
    assert_eq!(shown["findings"][0]["text"], "Nothing says which port the server has.", "{}", jetway.log());
    let bodies = provider.seen().into_iter().map(|seen| serde_json::from_slice::<Value>(&seen.body).unwrap());
    let questions: Vec<Value> = bodies.filter(|body| body.to_string().contains(TAG)).collect();
    assert_eq!(questions.len(), 1, "{ran:?}");
    (run["ended_by"].as_str().unwrap().to_owned(), questions[0].clone(), jetway)
}

#[track_caller]
fn done(agent: Agent) {
    let turns = json!([{ "calls": [agent.shell("echo port 3000")] }, { "text": "It is 3000." }]);
    let (ending, question, _) = ends(agent, &turns, "");
    assert_eq!(ending, "quiet");
    let text = question.to_string();
    assert!(text.contains("port 3000") && text.contains("It is 3000.") && text.contains("\"tools\":[{"), "{text}");
}

#[track_caller]
fn cut(agent: Agent, usd: f64) {
    let long = "lorem ipsum ".repeat(10_000);
    let turns = json!([{ "text": long, "usage": { "input": 100, "output": 30_000 }, "pace": "5ms" }]);
    let cap = format!("budget: {{ caps: [{{ per: user, usd: {usd}, every: day }}] }}");
    let (ending, question, _) = ends(agent, &turns, &cap);
    assert_eq!(ending, "cut");
    assert!(question.to_string().contains("ended in the middle by a rule"), "{question}");
}

#[track_caller]
fn stuck(agent: Agent) {
    let shell = |line: &str| json!({ "calls": [agent.shell(line)] });
    let turns = json!([shell("echo one"), shell("echo two"), shell("echo three"), { "text": "I give up." }]);
    let path = "breadcrumbs: [{ id: only, prompt: steps/1.md, max_turns: 2, on_stuck: end }]";
    let (ending, question, _) = ends(agent, &turns, path);
    assert_eq!(ending, "stuck");
    assert!(question.to_string().contains("The step that it was at: only."), "{question}");
}

#[test]
fn claude_code_is_asked_at_every_ending() {
    done(Agent::ClaudeCode);
    cut(Agent::ClaudeCode, 0.5);
    stuck(Agent::ClaudeCode);
}

#[test]
fn codex_is_asked_at_every_ending() {
    done(CODEX);
    cut(CODEX, 0.3);
    stuck(CODEX);
}

#[test]
fn codex_in_code_is_asked_too() {
    done(CODEX_IN_CODE);
}
