//! The four steps of the shipped wizard policy, walked by agents as they are released: in order, and
//! none before its turn, however much the model would like to skip ahead.

use jetway_support::alternate::Alternate;
use jetway_support::redis::Redis;
use jetway_support::{Jetway, Setup, provider};
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
    walks_by(agent, 1);
}

/// By so many Jetways of a fleet, which take turns.
#[track_caller]
fn walks_by(agent: Agent, count: usize) {
    let place = Place::new();
    place.put("package.json", "{ \"dependencies\": { \"next\": \"16.0.0\" } }");
    let turns = turns(agent);
    let mut script: Vec<Value> = turns.iter().map(|(calls, _)| json!({ "calls": calls })).collect();
    script.push(json!({ "text": DONE }));
    let provider = provider(&json!({ "scenarios": [{ "name": "path", "turns": script }] }).to_string());
    let redis = (count > 1).then(|| Redis::start(&[]));
    let start = |_| {
        let mut setup = Setup::new(&provider.url()).wizard();
        setup.more = redis.as_ref().map(shared).unwrap_or_default();
        setup.start()
    };
    let fleet: Vec<Jetway> = (0..count).map(start).collect();
    let alternate = Alternate::start(fleet.iter().map(|jetway| jetway.data).collect());
    let url = if count > 1 { alternate.url() } else { fleet[0].url() };
    let ran = agent.run(&place, &url, "sk-dummy", "Add analytics to this project.");
    let logs: String = fleet.iter().map(Jetway::log).collect();
    assert!(ran.code == Some(0) && ran.out.contains(DONE), "{ran:?}\n{logs}");

    let told = |body: &[u8]| {
        let body = String::from_utf8_lossy(body).into_owned();
        let told: Vec<bool> = STEPS.iter().map(|step| body.contains(step)).collect();
        assert!(told.windows(2).all(|two| two[0] || !two[1]), "{told:?}");
        told.iter().filter(|told| **told).count()
    };
    let found: Vec<usize> = provider.seen().iter().map(|seen| told(&seen.body)).collect();
    let expect: Vec<usize> = turns.iter().map(|(_, told)| *told).chain([5]).collect();
    assert_eq!(found, expect);
    let metrics: Vec<String> = fleet.iter().map(Jetway::metrics).collect();
    for step in ["look", "plan", "integrate", "verify"] {
        let line = format!("jetway_steps_total{{how=\"completed\",policy=\"open\",step=\"{step}\"}} 1");
        assert_eq!(metrics.iter().filter(|metrics| metrics.contains(&line)).count(), 1, "{line}\n{metrics:?}");
    }
    assert!(metrics.iter().all(|metrics| !metrics.contains("jetway_prompt_prefix_breaks_total{")), "{metrics:?}");
    if count > 1 {
        // No two requests of the agent went to the same one.
        let took = alternate.took();
        assert!(took.len() >= 6 && took.iter().enumerate().all(|(at, jetway)| *jetway == at % count), "{took:?}");
    }
}

/// What Jetways of one fleet have in common.
fn shared(redis: &Redis) -> String {
    let secret = redis.folder().join("secret");
    std::fs::write(&secret, "0123456789abcdef0123456789abcdef").unwrap();
    let (secret, url) = (secret.display(), redis.url());
    format!("secret: {{ file: {secret} }}\nledger: {{ redis: {{ urls: ['{url}'], timeout: 5s }} }}")
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

#[test]
fn claude_code_walks_the_four_steps_by_two_jetways_that_take_turns() {
    walks_by(Agent::ClaudeCode, 2);
}

#[test]
fn codex_walks_the_four_steps_by_two_jetways_that_take_turns() {
    walks_by(CODEX, 2);
}
