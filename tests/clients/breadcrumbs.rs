//! The four steps of the shipped wizard policy, walked by agents as they are released: in order, and
//! none before its turn, however much the model would like to skip ahead.

use jetway_support::{Setup, provider};
use serde_json::{Value, json};

use crate::agent::{Agent, CODEX, CODEX_IN_CODE};
use crate::place::Place;

const DONE: &str = "Analytics are in.";
/// How each step's prose begins, and what is said when none is left.
const STEPS: [&str; 5] = [
    "Find out what this project is before",
    "Choose what is worth knowing about",
    "Put it in, the way the model airplane shows",
    "Show that it holds.",
    "All steps are done.",
];

/// Each turn of the model's, and how many of the above are told when it is asked for.
fn turns(agent: Agent) -> Vec<(Value, usize)> {
    let shell = |line: &str| agent.shell(line);
    let complete = json!({ "tool": "complete_step", "input": { "summary": "It is done.", "evidence": "See above." } });
    let plan = shell("echo '[]' > .events-plan.json; echo written");
    vec![
        (json!([shell("ls")]), 1),
        (json!([complete]), 1),
        // It tries to skip ahead, twice, and cannot.
        (json!([complete]), 2),
        (json!([complete, shell("echo trying")]), 2),
        (json!([plan]), 2),
        (json!([complete]), 2),
        (json!([shell("echo integrated")]), 3),
        (json!([complete, shell("echo more")]), 3),
        (json!([shell("echo tests pass")]), 4),
        (json!([complete]), 4),
    ]
}

#[track_caller]
fn walks(agent: Agent) {
    let place = Place::new();
    place.put("package.json", "{ \"dependencies\": { \"next\": \"16.0.0\" } }");
    let turns = turns(agent);
    let mut script: Vec<Value> = turns.iter().map(|(calls, _)| json!({ "calls": calls })).collect();
    script.push(json!({ "text": DONE }));
    let provider = provider(&json!({ "scenarios": [{ "name": "path", "turns": script }] }).to_string());
    let jetway = Setup::new(&provider.url()).wizard().start();
    let ran = agent.run(&place, &jetway.url(), "sk-dummy", "Add analytics to this project.");
    assert!(ran.code == Some(0) && ran.out.contains(DONE), "{ran:?}\n{}", jetway.log());

    let told = |body: &[u8]| {
        let body = String::from_utf8_lossy(body).into_owned();
        let told: Vec<bool> = STEPS.iter().map(|step| body.contains(step)).collect();
        assert!(told.windows(2).all(|two| two[0] || !two[1]), "{told:?}");
        told.iter().filter(|told| **told).count()
    };
    let found: Vec<usize> = provider.seen().iter().map(|seen| told(&seen.body)).collect();
    let expect: Vec<usize> = turns.iter().map(|(_, told)| *told).chain([5]).collect();
    assert_eq!(found, expect);
    let metrics = jetway.metrics();
    for step in ["look", "plan", "integrate", "verify"] {
        let line = format!("jetway_steps_total{{how=\"completed\",policy=\"open\",step=\"{step}\"}} 1");
        assert!(metrics.contains(&line), "{metrics}");
    }
    assert!(!metrics.contains("jetway_prompt_prefix_breaks_total{"), "{metrics}");
}

#[test]
fn claude_code_walks_the_four_steps() {
    walks(Agent::ClaudeCode);
}

#[test]
fn codex_walks_the_four_steps() {
    walks(CODEX);
}

#[test]
fn codex_walks_the_four_steps_in_code() {
    walks(CODEX_IN_CODE);
}
