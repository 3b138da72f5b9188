//! What the agent sent is what the provider saw, and what the provider sent is what the agent
//! got, byte for byte, as heard on the wires on either side of Jetway.

use std::io::Read;

use jetway_support::tap::{Exchange, Message, Tap};
use jetway_support::{Setup, provider};
use serde_json::json;

use crate::agent::{Agent, CODEX, CODEX_IN_CODE, TASK, TURNS, assert_done, job};
use crate::log::exchanges;
use crate::place::Place;

/// Every stage looks, and none has anything to change.
const WATCHED: &str = "
lockdown: { allow: ['*'] }
budget: { caps: [{ per: user, usd: 1000, every: month }] }
";

#[track_caller]
fn check(agent: Agent) {
    // As hard to copy as providers' replies come: odd line ends, comments, unknown things, cuts.
    let manner = json!({ "comments": true, "unknown": true, "crlf": true, "fragment": 7 });
    for sections in ["", WATCHED] {
        let place = Place::new();
        let provider = provider(&job(agent, &place, &manner));
        let far = Tap::start(provider.addr());
        let mut jetway = Setup::new(&far.url()).with(sections).start();
        let near = Tap::start(jetway.data);
        assert_done(&place, &agent.run(&place, &near.url(), "sk-dummy", TASK));

        let (agents, rest): (Vec<_>, Vec<_>) = near.exchanges().into_iter().partition(is_turn);
        let (providers, _): (Vec<_>, Vec<_>) = far.exchanges().into_iter().partition(is_turn);
        let mut seen = provider.seen();
        seen.retain(|seen| seen.method == "POST");
        assert_eq!((agents.len(), providers.len(), seen.len()), (TURNS, TURNS, TURNS));
        if agent == Agent::CodexSignedIn {
            let upgrades = rest.iter().filter(|exchange| exchange.request.header("upgrade").is_some());
            let answers: Vec<_> = upgrades.map(|upgrade| upgrade.response.first.as_str()).collect();
            assert_eq!(answers, ["HTTP/1.1 426 Upgrade Required"]);
            assert!(agents.iter().all(|turn| turn.request.header("content-encoding") == Some("zstd")));
        }
        for ((asked, sent), seen) in agents.iter().zip(&providers).zip(&seen) {
            assert_eq!(plain(&asked.request), sent.request.body, "a request was changed");
            assert_eq!(sent.request.body, seen.body, "the tape is not what the provider saw");
            assert!(sent.response.body.len() > 500, "a reply: {}", sent.response.first);
            assert_heard(agent, &sent.response, &asked.response);
            assert_heads(asked, sent);
        }
        let runs = exchanges(&mut jetway).into_iter().filter(|exchange| exchange["run"].is_string());
        assert_eq!(runs.count(), TURNS);
    }
}

fn is_turn(exchange: &Exchange) -> bool {
    exchange.request.first.starts_with("POST ")
}

/// The agent got what the provider said.
fn assert_heard(agent: Agent, said: &Message, got: &Message) {
    if agent == Agent::ClaudeCode {
        assert!(said.whole && got.whole);
    }
    assert!(said.body.starts_with(&got.body), "a reply was changed");
    // Codex hangs up when it has read the last event, at times before the last line end is there.
    let missed = &said.body[got.body.len()..];
    let is_read = agent != Agent::ClaudeCode && missed.iter().all(u8::is_ascii_whitespace);
    assert!(missed.is_empty() || is_read, "a reply was cut: {:?}", String::from_utf8_lossy(missed));
}

/// The path, the status, and every header that is neither a connection's nor Jetway's business.
fn assert_heads(asked: &Exchange, sent: &Exchange) {
    assert_eq!(asked.request.first, sent.request.first);
    assert_eq!(asked.response.first, sent.response.first);
    let ours = ["host", "connection", "accept-encoding", "content-encoding", "content-length"];
    for (name, value) in &asked.request.headers {
        if !ours.contains(&name.to_ascii_lowercase().as_str()) {
            assert_eq!(sent.request.header(name), Some(value.as_str()), "{name}");
        }
    }
    for (name, value) in &sent.response.headers {
        assert_eq!(asked.response.header(name), Some(value.as_str()), "{name}");
    }
}

/// The body without its encoding.
fn plain(message: &Message) -> Vec<u8> {
    let mut plain = Vec::new();
    match message.header("content-encoding") {
        None => plain.extend_from_slice(&message.body),
        Some("gzip") => drop(flate2::read::GzDecoder::new(&*message.body).read_to_end(&mut plain).unwrap()),
        Some("zstd") => plain = zstd::decode_all(&*message.body).unwrap(),
        Some(other) => panic!("a request that is encoded as {other}"),
    }
    plain
}

#[test]
fn claude_code_and_its_provider_hear_each_other() {
    check(Agent::ClaudeCode);
}

#[test]
fn codex_and_its_provider_hear_each_other() {
    check(CODEX);
}

#[test]
fn codex_in_code_and_its_provider_hear_each_other() {
    check(CODEX_IN_CODE);
}

#[test]
fn codex_and_its_provider_hear_each_other_when_it_compresses() {
    check(Agent::CodexSignedIn);
}
