//! A task from its first line to its last: an agent gets its work done through Jetway.

use jetway_support::{Setup, provider};
use serde_json::json;

use crate::agent::{Agent, CODEX, CODEX_IN_CODE, TASK, TURNS, assert_done, job};
use crate::log::exchanges;
use crate::place::Place;

#[track_caller]
fn check(agent: Agent) {
    let place = Place::new();
    let provider = provider(&job(agent, &place, &json!({})));
    let mut jetway = Setup::new(&provider.url()).start();
    let ran = agent.run(&place, &jetway.url(), "sk-dummy", TASK);
    assert_done(&place, &ran);

    let seen = provider.seen();
    assert_eq!(seen.len(), TURNS);
    let last = String::from_utf8(seen[TURNS - 1].decoded.to_vec()).unwrap();
    assert!(last.contains("Hello, world") && last.contains("counted 1"), "the model was told what came of its calls");

    let runs = jetway.json(&["runs", "--json"]);
    let runs = runs.as_array().unwrap();
    assert_eq!(runs.len(), 1, "{runs:?}");
    assert_eq!((&runs[0]["agent"], &runs[0]["turns"]), (&json!(agent.name()), &json!(TURNS)), "{runs:?}");
    let exchanges = exchanges(&mut jetway);
    assert_eq!(exchanges.len(), TURNS, "{exchanges:?}");
    for (turn, (exchange, seen)) in exchanges.iter().zip(seen).enumerate() {
        assert_eq!((&exchange["outcome"], &exchange["status"]), (&json!("complete"), &json!(200)), "{exchange}");
        assert_eq!(exchange["stream"], 1, "{exchange}");
        assert_eq!((&exchange["run"], seen.turn), (&runs[0]["id"], Some(turn)), "{exchange}");
        let billed = json!([seen.served.input, seen.served.cache_read, seen.served.output]);
        assert_eq!(json!([exchange["input"], exchange["cache_read"], exchange["output"]]), billed, "{exchange}");
    }
}

#[test]
fn claude_code_reads_edits_and_runs() {
    check(Agent::ClaudeCode);
}

#[test]
fn codex_reads_edits_and_runs() {
    check(CODEX);
}

#[test]
fn codex_reads_edits_and_runs_in_code() {
    check(CODEX_IN_CODE);
}
