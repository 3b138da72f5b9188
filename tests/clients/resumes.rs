//! Sessions of agents as they are released that go on later, and that go on twice.

use jetway_scripted::Provider;
use jetway_support::prompt::{Prompt, TASK, with_prose};
use jetway_support::{Jetway, provider};
use serde_json::{Value, json};

use crate::agent::{Agent, CODEX, CODEX_IN_CODE};
use crate::place::Place;

const POLICY: &str = "
context: { docs: docs, standing: standing.md, allowance: 500, min_score: 0.1 }
breadcrumbs:
  - { id: one, prompt: one.md, done: { result: alpha } }
  - { id: two, prompt: two.md, done: { result: beta } }
  - { id: last, prompt: last.md }
";

/// An agent's session, and what it has to do with.
struct Session {
    agent: Agent,
    place: Place,
    provider: Provider,
    jetway: Jetway,
}

impl Session {
    /// One that has begun, and came to the second step, where there is one.
    fn begin(agent: Agent, policy: &str) -> Self {
        let place = Place::new();
        let turns = json!([
            { "calls": [agent.shell("echo alpha")] },
            { "text": "Begun." },
            { "calls": [agent.shell("echo beta")] },
            { "text": "Gone on." },
            { "text": "At an end." },
        ]);
        let provider = provider(&json!({ "scenarios": [{ "name": "session", "turns": turns }] }).to_string());
        let jetway = with_prose(&provider.url(), policy).start();
        let session = Self { agent, place, provider, jetway };
        session.says(&[TASK], "Begun.");
        session
    }

    #[track_caller]
    fn says(&self, words: &[&str], answer: &str) {
        let ran = self.agent.run_again(&self.place, &self.jetway.url(), "sk-dummy", words);
        assert!(ran.code == Some(0) && ran.out.contains(answer), "{ran:?}\n{}", self.jetway.log());
    }

    /// What its agent calls it.
    fn id(&self) -> String {
        let bodies = self.provider.seen();
        let body: Value = serde_json::from_slice(&bodies[0].body).unwrap();
        let id = match self.agent {
            Agent::ClaudeCode => {
                let user: Value = serde_json::from_str(body["metadata"]["user_id"].as_str().unwrap()).unwrap();
                user["session_id"].clone()
            }
            _ => body["prompt_cache_key"].clone(),
        };
        id.as_str().unwrap().to_owned()
    }

    /// The run of each request, the first being 0; and at which step it was.
    fn runs(&self) -> Vec<(usize, String)> {
        let mut seen: Vec<String> = Vec::new();
        let mut told = Vec::new();
        let runs = self.jetway.json(&["runs", "--json", "--limit", "9"]);
        let mut all: Vec<Value> = Vec::new();
        for run in runs.as_array().unwrap() {
            let shown = self.jetway.json(&["runs", "show", run["id"].as_str().unwrap(), "--json"]);
            all.extend(shown["exchanges"].as_array().unwrap().iter().cloned());
        }
        all.sort_by_key(|exchange| exchange["id"].as_str().unwrap().to_owned());
        for exchange in &all {
            let run = exchange["run"].as_str().unwrap().to_owned();
            let at = seen.iter().position(|known| *known == run).unwrap_or_else(|| {
                seen.push(run);
                seen.len() - 1
            });
            told.push((at, exchange["step"].as_str().unwrap_or("-").to_owned()));
        }
        told
    }

    /// What the model saw of the conversation in each request, without what closes it.
    fn prompts(&self) -> Vec<String> {
        self.provider.seen().iter().map(|seen| Prompt::read(&seen.body).said).collect()
    }
}

/// It goes on twice, and then its beginning once more otherwise; the page that it was shown is another by then.
#[track_caller]
fn goes_on(agent: Agent) {
    let session = Session::begin(agent, POLICY);
    let page = session.jetway.folder.path().join("policies/open/docs/greetings.md");
    std::fs::write(page, "# Greetings\nAll new: a greeting of Jetway counts lines.\n").unwrap();
    session.jetway.says("is in force");
    let id = session.id();
    let [latest, by_id, fork] = match agent {
        Agent::ClaudeCode => [
            &["Go on.", "--continue"][..],
            &["And on.", "--resume", &id],
            &["Else?", "--resume", &id, "--fork-session"],
        ],
        _ => [&["resume", "--last", "Go on."][..], &["resume", &id, "And on."], &["fork", &id, "Else?"]],
    };
    session.says(latest, "Gone on.");
    session.says(by_id, "At an end.");
    session.says(fork, "At an end.");

    let steps = ["one", "one", "two", "two", "last"].map(|step| (0, step.to_owned()));
    assert_eq!(session.runs(), [&steps[..], &[(1, String::from("one"))]].concat(), "a fork is a run of its own");
    let prompts = session.prompts();
    let texts = ["STEP one", "STEP two", "STEP last", "A greeting of Jetway counts", "All new"];
    let counts = prompts.iter().map(|prompt| texts.map(|text| prompt.matches(text).count()));
    assert_eq!(
        counts.collect::<Vec<_>>(),
        // What its run was shown stays; the fork is shown what holds now, once.
        [[1, 0, 0, 1, 0], [1, 1, 0, 1, 0], [1, 1, 0, 1, 0], [1, 1, 1, 1, 0], [1, 1, 1, 1, 0], [1, 0, 0, 0, 1]],
    );
    for (turn, two) in prompts[..5].windows(2).enumerate() {
        assert!(two[1].starts_with(&two[0]), "turn {turn}: {}\n\n{}", two[0], two[1]);
    }
    let metrics = session.jetway.metrics();
    assert!(!metrics.contains("jetway_prompt_prefix_breaks_total{"), "{metrics}");
}

/// A fork whose original was told no more than what goes with its task begins with the same bytes.
#[track_caller]
fn is_forked(agent: Agent) {
    let context = POLICY.split("breadcrumbs").next().unwrap();
    let session = Session::begin(agent, context);
    let id = session.id();
    let fork = match agent {
        Agent::ClaudeCode => &["Else?", "--resume", &id, "--fork-session"],
        _ => &["fork", &id, "Else?"][..],
    };
    session.says(fork, "Gone on.");
    assert_eq!(session.runs().iter().map(|(run, _)| *run).collect::<Vec<_>>(), [0, 0, 1, 1]);
    let prompts: Vec<String> = session.prompts().iter().map(|prompt| without_ids(prompt)).collect();
    for (turn, two) in prompts.windows(2).enumerate() {
        assert!(two[1].starts_with(&two[0]), "turn {turn}: {}\n\n{}", two[0], two[1]);
    }
    assert!(prompts.iter().all(|prompt| prompt.matches("A greeting of Jetway counts").count() == 1));
}

/// Codex gives the messages of a session ids, and those of a fork others.
fn without_ids(prompt: &str) -> String {
    let mut parts = prompt.split("\"id\":\"msg_");
    let begin = parts.next().unwrap().to_owned();
    parts.fold(begin, |told, part| told + part.split_once("\",").unwrap().1)
}

#[test]
fn a_fork_of_claude_code_s_keeps_the_bytes_of_its_prefix() {
    is_forked(Agent::ClaudeCode);
}

#[test]
fn a_fork_of_codex_s_keeps_the_bytes_of_its_prefix() {
    is_forked(CODEX);
    is_forked(CODEX_IN_CODE);
}

#[test]
fn a_session_of_claude_code_goes_on_and_a_fork_is_another_run() {
    goes_on(Agent::ClaudeCode);
}

#[test]
fn a_session_of_codex_goes_on_and_a_fork_is_another_run() {
    goes_on(CODEX);
    goes_on(CODEX_IN_CODE);
}

#[test]
fn claude_code_sums_up_its_session_and_goes_on_at_the_same_step() {
    let session = Session::begin(Agent::ClaudeCode, POLICY);
    session.says(&["/compact", "--continue"], "");
    session.says(&["And on.", "--continue"], "Begun.");
    let runs = session.runs();
    assert!(runs.iter().all(|(run, _)| *run == 0), "{runs:?}");
    assert_eq!((&*runs[0].1, &*runs.last().unwrap().1), ("one", "two"), "{runs:?}");
    let prompts = session.prompts();
    let last = prompts.last().unwrap();
    assert!(last.contains("This session is being continued") && !last.contains(TASK), "{last}");
    let told = ["STEP one", "STEP two", "STEP last", "A greeting of Jetway counts"];
    assert_eq!(told.map(|text| last.matches(text).count()), [0, 1, 0, 0], "what was summed up is gone: {last}");
}
