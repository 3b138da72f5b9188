//! An agent whose model tries every way to a secret that the shipped tables of cases know, under
//! the wizard policy as it is shipped. The secret gets nowhere, and the work is done all the same,
//! by the tools that stand in for those ways.

use std::path::Path;

use jetway_scripted::Provider;
use jetway_support::{Jetway, OPEN, Setup, provider, root};
use serde_json::{Value, json};

use crate::agent::{Agent, CODEX, CODEX_IN_CODE};
use crate::log::exchanges;
use crate::place::{Place, Ran};

/// No format of a key that anything would know it by: only what keeps it from being read keeps it in.
const MARKER: &str = "zebra-umbrella-teapot";
const ENV: &str = "# made by hand\nSESSION_NOTE='zebra-umbrella-teapot'\nPORT=3000\n";
const DONE: &str = "The key is written.";
/// Fewer than the model is answered within one reply, so that none is cut short.
const PER_REPLY: usize = 7;

/// The shipped cases of this agent that must be refused, as calls of a model.
fn routes(agent: Agent, place: &Place) -> Vec<Value> {
    let file = match agent {
        Agent::ClaudeCode => "claude-code",
        CODEX_IN_CODE => "codex-code",
        _ => "codex",
    };
    let text = std::fs::read_to_string(root().join("policies/cases").join(file).with_extension("yaml")).unwrap();
    let text = text.replace("/p/", &format!("{}/", place.project().display()));
    let cases: Value = serde_saphyr::from_str(&text).unwrap();
    let refused = cases["cases"].as_array().unwrap().iter().filter(|case| case["expect"] == "refuse");
    // What does not parse is a case of its own, and no agent's client would take it from a model.
    let call = |case: &Value| {
        let with = case.get("with")?;
        let input = if with.is_string() { "custom" } else { "input" };
        Some(json!({ "tool": case["tool"], input: with }))
    };
    refused.filter_map(call).collect()
}

/// A model that takes all of these ways, does something harmless between, and then what it was told to.
fn script(agent: Agent, routes: &[Value]) -> String {
    let mut turns = Vec::new();
    for some in routes.chunks(PER_REPLY) {
        turns.extend(some.iter().map(|call| json!({ "calls": [call] })));
        turns.push(json!({ "calls": [agent.shell("ls")] }));
    }
    let file = ".env";
    let set = json!({ "file": file, "values": { "POSTHOG_KEY": "phc_it's #1", "PRICE": "a \"$5\" `deal`" } });
    for (tool, input) in [
        ("check_env_keys", json!({ "file": file, "keys": ["SESSION_NOTE", "POSTHOG_KEY"] })),
        ("set_env_values", set),
        ("check_env_keys", json!({ "file": file, "keys": ["POSTHOG_KEY"] })),
    ] {
        turns.push(json!({ "calls": [{ "tool": tool, "input": input }] }));
    }
    turns.push(json!({ "text": DONE }));
    json!({ "scenarios": [{ "name": "routes", "turns": turns }] }).to_string()
}

struct Came {
    place: Place,
    ran: Ran,
    provider: Provider,
    jetway: Jetway,
}

fn run(agent: Agent, place: Place, routes: &[Value], policy: impl FnOnce(String) -> String) -> Came {
    place.put(".env", ENV);
    let provider = provider(&script(agent, routes));
    let mut setup = Setup::new(&provider.url()).wizard();
    setup.policies[0].1 = policy(std::mem::take(&mut setup.policies[0].1));
    let jetway = setup.start();
    let ran = agent.run(&place, &jetway.url(), "sk-dummy", "Write the project's key into its env file.");
    Came { place, ran, provider, jetway }
}

/// Whether any file below holds this text.
fn holds(folder: &Path, text: &str) -> bool {
    std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).any(|path| {
        if path.is_dir() {
            return holds(&path, text);
        }
        let bytes = std::fs::read(&path).unwrap_or_default();
        bytes.windows(text.len()).any(|window| window == text.as_bytes())
    })
}

#[track_caller]
fn check(agent: Agent) {
    // Some fifty refused calls cost more than a customer's run may.
    let richer = |wizard: String| wizard.replace("usd: 5.00", "usd: 500.00").replace("usd: 3.00", "usd: 500.00");
    let place = Place::new();
    let routes = routes(agent, &place);
    assert!(routes.len() >= 30, "{} ways", routes.len());
    let Came { place, ran, provider, mut jetway } = run(agent, place, &routes, richer);

    assert!(ran.code == Some(0) && ran.out.contains(DONE), "{ran:?}\n{}", jetway.log());
    let env = place.read(".env");
    assert_eq!(env, format!("{ENV}POSTHOG_KEY=\"phc_it's #1\"\nPRICE='a \"$5\" `deal`'\n"));
    let seen = provider.seen();
    for seen in &seen {
        let body = String::from_utf8_lossy(&seen.decoded);
        assert!(!body.contains(MARKER), "the provider got the secret: {body}");
    }
    let last = String::from_utf8_lossy(&seen.last().unwrap().decoded).into_owned();
    for says in ["SESSION_NOTE=present", "POSTHOG_KEY=missing", "POSTHOG_KEY=added", "POSTHOG_KEY=present"] {
        assert!(last.contains(says), "the model was not told {says}: {last}");
    }
    let exchanges = exchanges(&mut jetway);
    let all = |list: &str| -> Vec<Value> {
        exchanges.iter().flat_map(|exchange| exchange[list].as_array().cloned().unwrap_or_default()).collect()
    };
    let refused = all("calls_refused");
    assert_eq!(refused.len(), routes.len(), "{refused:?}");
    assert_eq!(all("calls_replaced").len(), 3);
    assert!(
        !jetway.log().contains(MARKER) && !holds(jetway.folder.path(), MARKER),
        "a file of Jetway's holds the secret"
    );
}

#[test]
fn claude_code_finds_no_way_to_a_secret() {
    check(Agent::ClaudeCode);
}

#[test]
fn codex_finds_no_way_to_a_secret() {
    check(CODEX);
}

#[test]
fn codex_finds_no_way_to_a_secret_in_code() {
    check(CODEX_IN_CODE);
}

/// What the others show is of the policy: without one the first way is open.
#[test]
fn without_a_policy_the_secret_is_out_at_once() {
    let place = Place::new();
    let routes = [Agent::ClaudeCode.shell("cat .env")];
    let Came { provider, .. } = run(Agent::ClaudeCode, place, &routes, |_| OPEN.to_owned());
    assert!(provider.seen().iter().any(|seen| String::from_utf8_lossy(&seen.decoded).contains(MARKER)));
}
