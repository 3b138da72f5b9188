//! A task from its first line to its last: an agent gets its work done through Jetway.

use jetway_support::fixed::Fixed;
use jetway_support::{Setup, provider};
use serde_json::json;

use crate::agent::{Agent, CODEX, CODEX_IN_CODE, DONE, TASK, TURNS, assert_done, job};
use crate::log::{each, exchanges};
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

/// Codex hangs up as soon as it has read the last event, whether or not the connection has ended.
#[test]
fn a_reply_that_was_read_to_its_last_event_is_complete() {
    let message = json!({ "id": "msg_1", "type": "message", "role": "assistant", "status": "completed",
        "content": [{ "type": "output_text", "annotations": [], "text": DONE }] });
    let usage = json!({ "input_tokens": 7, "output_tokens": 5, "total_tokens": 12 });
    let events = [
        json!({ "type": "response.created", "response": { "id": "resp_1" } }),
        json!({ "type": "response.output_item.done", "output_index": 0, "item": message }),
        json!({ "type": "response.completed",
            "response": { "id": "resp_1", "status": "completed", "output": [message], "usage": usage } }),
    ];
    let events = events.map(|event| format!("event: {}\ndata: {event}\n\n", event["type"].as_str().unwrap()));
    let head = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\n";
    let provider = Fixed::held(&format!("{head}{}", events.concat()));
    let mut jetway = Setup::new(&provider.url()).start();
    let ran = CODEX.run(&Place::new(), &jetway.url(), "sk-dummy", TASK);
    assert!(ran.code == Some(0) && ran.out.contains(DONE), "{ran:?}");
    let exchanges = exchanges(&mut jetway);
    assert_eq!(each(&exchanges, "outcome"), ["complete"], "{exchanges:?}");
    assert_eq!((&exchanges[0]["input"], &exchanges[0]["output"]), (&json!(7), &json!(5)), "{exchanges:?}");
}
