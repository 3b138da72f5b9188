//! A no: the agent stops at once, and the person reads why.
//!
//! What each agent does with which answer was measured; when one of them changes, this fails.

use std::time::Duration;

use jetway_support::{OPEN, Setup, provider};
use serde_json::{Value, json};

use crate::agent::{Agent, CODEX, CODEX_IN_CODE, DONE};
use crate::log::{each, exchanges};
use crate::place::{Place, Ran};

/// A refusal is not something that an agent should think about for long.
const AT_ONCE: Duration = Duration::from_secs(15);

/// The policy of another setup, and who comes to it.
struct Case {
    change: (&'static str, &'static str),
    more: &'static str,
    path: &'static str,
    reason: &'static str,
    phrase: &'static str,
}

const STRANGER: Case = Case {
    change: ("[keys, passthrough]", "[keys]"),
    more: "",
    path: "",
    reason: "identity",
    phrase: "this Jetway key is not known here. Check that it was copied whole",
};
const POOR: Case = Case {
    change: ("", "budget: { caps: [{ per: user, usd: 0.01, every: day }] }\n"),
    more: "",
    path: "",
    reason: "budget",
    phrase: "has $0.01 left",
};
const WRONG_MODEL: Case = Case {
    change: ("allow: ['*']", "allow: ['small-*']"),
    more: "",
    path: "",
    reason: "model",
    phrase: "is not allowed by the policy `open`, which allows small-*",
};
const TOO_LARGE: Case = Case {
    change: ("", ""),
    more: "limits: { body: 8KiB }\n",
    path: "",
    reason: "too_large",
    phrase: "the request body is larger than 8 KiB",
};
const LOST: Case =
    Case { change: ("", ""), more: "", path: "/nobody", reason: "route", phrase: "there is no policy `nobody`" };

#[track_caller]
fn refuses(agent: Agent, case: &Case) {
    let place = Place::new();
    let provider = provider("scenarios: []");
    let mut setup = Setup::new(&provider.url());
    let (from, to) = case.change;
    let policy = if from.is_empty() { format!("{OPEN}{to}") } else { OPEN.replace(from, to) };
    setup.policies = vec![("open".into(), policy)];
    setup.more = case.more.into();
    let mut jetway = setup.start();
    let key = if case.reason == "identity" { "jw_nobodys" } else { "sk-dummy" };
    let ran = agent.run(&place, &format!("{}{}", jetway.url(), case.path), key, "Say hello.");

    let exchanges = exchanges(&mut jetway);
    assert_eq!(each(&exchanges, "reason"), [case.reason], "{agent:?} {ran:?}");
    assert!(provider.seen().is_empty());
    let sentence = exchanges[0]["detail"].as_str().unwrap();
    assert!(sentence.contains(case.phrase), "{sentence}");
    assert!(ran.says(sentence), "the person does not read {sentence:?}: {ran:?}");
    assert_eq!(ran.code, Some(1), "{ran:?}");
    assert!(ran.took < AT_ONCE, "{ran:?}");
}

#[test]
fn claude_code_asks_once_and_says_why_not() {
    for case in [STRANGER, POOR, WRONG_MODEL, TOO_LARGE, LOST] {
        refuses(Agent::ClaudeCode, &case);
    }
}

#[test]
fn codex_asks_once_and_says_why_not() {
    for case in [STRANGER, POOR, WRONG_MODEL, TOO_LARGE, LOST] {
        refuses(CODEX, &case);
    }
}

/// What came of a run.
struct Came {
    place: Place,
    ran: Ran,
    exchanges: Vec<Value>,
    /// The last request that the provider saw.
    last: String,
}

/// Runs a model that plays these turns, under these sections of a policy.
fn run(agent: Agent, scenario: Value, sections: &str) -> Came {
    let place = Place::new();
    place.put("greeting.txt", "Hello, world\n");
    let file = place.project().join("greeting.txt").display().to_string();
    let script = json!({ "scenarios": [scenario] }).to_string().replace("GREETING", &file);
    let provider = provider(&script);
    let mut jetway = Setup::new(&provider.url()).with(sections).start();
    let ran = agent.run(&place, &jetway.url(), "sk-dummy", "Do it.");
    let exchanges = exchanges(&mut jetway);
    let seen = provider.seen();
    assert!(seen.iter().all(|seen| seen.turn.is_some()), "the provider refused a request: {ran:?}");
    let last = String::from_utf8(seen.last().unwrap().decoded.to_vec()).unwrap();
    Came { place, ran, exchanges, last }
}

/// A call of a tool that is not a shell.
fn harmless(agent: Agent) -> Value {
    let patch = "*** Begin Patch\n*** Update File: greeting.txt\n@@\n-Hello, world\n+Hello, Jetway\n*** End Patch\n";
    match agent {
        Agent::ClaudeCode => json!({ "tool": "Read", "input": { "file_path": "GREETING" } }),
        _ => json!({ "tool": "apply_patch", "custom": patch }),
    }
}

#[test]
fn a_budget_that_ends_in_mid_run_ends_the_run() {
    let budget = "budget: { caps: [{ per: user, usd: 0.50, every: day }], output_limit: 1000 }\n";
    for agent in [Agent::ClaudeCode, CODEX] {
        // More than was set aside, so that the next request must not come before it is settled.
        let turns = json!([
            { "calls": [agent.shell("sleep 2")], "usage": { "input": 200_000, "output": 10 } },
            { "text": "This is never said." },
        ]);
        let Came { ran, exchanges, .. } = run(agent, json!({ "name": "dear", "turns": turns }), budget);
        assert_eq!(each(&exchanges, "outcome"), ["complete", "refused"], "{ran:?}");
        let sentence = exchanges[1]["detail"].as_str().unwrap();
        assert!(sentence.contains("has $0.00 left") && ran.says(sentence), "{sentence}: {ran:?}");
        assert!(ran.code == Some(1) && ran.took < AT_ONCE, "{ran:?}");
    }
}

#[test]
fn a_reply_that_is_cut_is_the_answer_and_is_not_asked_for_again() {
    // At first 4096 tokens of output are set aside: 61 thousandths of a dollar, or 123 with Codex's model.
    for (agent, usd) in [(Agent::ClaudeCode, 0.5), (CODEX, 0.3)] {
        let budget = format!("budget: {{ caps: [{{ per: user, usd: {usd}, every: day }}] }}\n");
        let text = "lorem ipsum ".repeat(10_000);
        let turns = json!([{ "text": text, "usage": { "input": 100, "output": 30_000 }, "pace": "5ms" }]);
        let Came { ran, exchanges, .. } = run(agent, json!({ "name": "long", "turns": turns }), &budget);
        assert_eq!(each(&exchanges, "outcome"), ["cut"], "{ran:?}");
        let sentence = format!("[Jetway] {}", exchanges[0]["detail"].as_str().unwrap());
        assert!(sentence.contains("a day is used up") && ran.says(&sentence), "{sentence}: {ran:?}");
        assert!(ran.code == Some(0) && ran.took < AT_ONCE, "{ran:?}");
    }
}

#[test]
fn a_call_that_is_cut_is_not_made() {
    for (agent, usd) in [(Agent::ClaudeCode, 0.5), (CODEX, 0.3)] {
        let budget = format!("budget: {{ caps: [{{ per: user, usd: {usd}, every: day }}] }}\n");
        let mut call = agent.shell(&format!("touch ran.txt # {}", "lorem ipsum ".repeat(10_000)));
        call["pieces"] = 400.into();
        let turns =
            json!([{ "text": "I will.", "calls": [call], "usage": { "input": 100, "output": 30_000 }, "pace": "5ms" }]);
        let Came { place, ran, exchanges, .. } = run(agent, json!({ "name": "long", "turns": turns }), &budget);
        assert_eq!(each(&exchanges, "outcome"), ["cut"], "{ran:?}");
        let sentence = format!("[Jetway] {}", exchanges[0]["detail"].as_str().unwrap());
        assert!(ran.code == Some(0) && ran.says(&sentence), "{ran:?}");
        assert!(!place.project().join("ran.txt").exists());
    }
}

#[test]
fn a_rate_that_is_used_up_is_waited_for() {
    let rate = "budget: { rates: [{ per: user, requests: 1, every: 10s }] }\n";
    for agent in [Agent::ClaudeCode, CODEX] {
        let turns = json!([{ "calls": [harmless(agent)] }, { "text": DONE }]);
        let Came { ran, exchanges, .. } = run(agent, json!({ "name": "fast", "turns": turns }), rate);
        assert!(ran.code == Some(0) && ran.out.contains(DONE), "{ran:?}");
        let outcomes = each(&exchanges, "outcome");
        assert!(outcomes.len() > 2 && *outcomes[0] == "complete", "{ran:?}");
        assert_eq!(**outcomes.last().unwrap(), "complete", "{ran:?}");
        let refused: Vec<_> = exchanges.iter().filter(|exchange| exchange["outcome"] == "refused").collect();
        // It waits as long as it is told, give or take its own pace.
        assert!((1..=3).contains(&refused.len()), "{exchanges:#?}");
        assert!(refused.iter().all(|exchange| exchange["reason"] == "rate"), "{exchanges:#?}");
    }
}

#[test]
fn a_rate_that_is_used_up_for_long_ends_the_run_with_a_sentence() {
    let rate = "budget: { rates: [{ per: user, requests: 1, every: day }] }\n";
    for agent in [Agent::ClaudeCode, CODEX] {
        let turns = json!([{ "calls": [harmless(agent)] }, { "text": "This is never said." }]);
        let Came { ran, exchanges, .. } = run(agent, json!({ "name": "fast", "turns": turns }), rate);
        assert_eq!(each(&exchanges, "outcome"), ["complete", "refused"], "{ran:?}");
        let sentence = exchanges[1]["detail"].as_str().unwrap();
        assert!(sentence.contains("1 requests for each user a day") && ran.says(sentence), "{sentence}: {ran:?}");
        assert!(ran.code == Some(1) && ran.took < AT_ONCE, "{ran:?}");
    }
}

const LOCK: &str =
    "lockdown: { allow: ['*'], deny: [Bash, exec, exec_command], advice: Ask an operator., on_denied: explain }\n";

/// The sentence that stands in the place of a call of this agent's shell.
fn sentence(agent: Agent) -> String {
    let shell = agent.shell("")["tool"].as_str().unwrap().to_owned();
    format!("[Jetway] The call of the tool `{shell}` was refused by the policy `open` (deny {shell}). Ask an operator.")
}

#[test]
fn a_barred_call_ends_the_run_with_a_sentence() {
    for agent in [Agent::ClaudeCode, CODEX, CODEX_IN_CODE] {
        let mut turns = vec![json!({ "calls": [agent.shell("touch ran.txt")] }), json!({ "text": "Never said." })];
        if agent != CODEX_IN_CODE {
            turns.insert(0, json!({ "calls": [harmless(agent)] }));
        }
        let expected = turns.len() - 1;
        let Came { place, ran, exchanges, .. } = run(agent, json!({ "name": "barred", "turns": turns }), LOCK);
        assert!(ran.says(&sentence(agent)), "{ran:?}");
        assert!(ran.code == Some(0) && ran.took < AT_ONCE, "{ran:?}");
        assert!(!place.project().join("ran.txt").exists());
        assert_eq!(each(&exchanges, "outcome"), vec!["complete"; expected], "{ran:?}");
        let refused = &exchanges[expected - 1]["calls_refused"];
        assert!(refused.as_array().unwrap().len() == 1 && refused[0]["tool"] == agent.shell("")["tool"], "{refused}");
    }
}

#[test]
fn a_barred_call_beside_another_leaves_the_other() {
    for agent in [Agent::ClaudeCode, CODEX] {
        let turns = json!([{ "calls": [agent.shell("touch ran.txt"), harmless(agent)] }, { "text": DONE }]);
        let Came { place, ran, exchanges, last } = run(agent, json!({ "name": "both", "turns": turns }), LOCK);
        assert!(ran.code == Some(0) && ran.out.contains(DONE), "{ran:?}");
        assert!(!place.project().join("ran.txt").exists());
        assert_eq!(each(&exchanges, "outcome"), ["complete", "complete"], "{ran:?}");
        // The other call was made, and the model knows of both.
        let came_of_it = if agent == CODEX { "Success. Updated" } else { "Hello, world" };
        assert!(last.contains(came_of_it) && last.contains(&sentence(agent)), "{last}");
    }
}

#[test]
fn the_lock_holds_when_claude_code_repeats_a_broken_stream_as_a_whole() {
    let agent = Agent::ClaudeCode;
    let fault = json!({ "error_event": { "after": 3, "type": "overloaded_error", "message": "Busy." } });
    let turns = json!([{ "text": "I will", "fault": fault }, { "calls": [agent.shell("touch ran.txt")] }]);
    let Came { place, ran, exchanges, .. } =
        run(agent, json!({ "name": "broken", "by": "request", "turns": turns }), LOCK);
    assert!(ran.code == Some(0) && ran.says(&sentence(agent)), "{ran:?}");
    assert!(!place.project().join("ran.txt").exists());
    assert_eq!(each(&exchanges, "outcome"), ["provider_failed", "complete"], "{ran:?}");
    assert_eq!(each(&exchanges, "stream"), [&json!(1), &json!(0)], "{ran:?}");
}
