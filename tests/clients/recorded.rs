//! Sessions of real agents, recorded for tests that play them without the agents. That agents still work as they
//! did then is tried here; where they do not, this records them anew, for all that plays them:
//! `JETWAY_RECORD=1 cargo test -p jetway --features clients --test clients recorded`.

use jetway_support::prompt::TASK;
use jetway_support::provider;
use jetway_support::recorded::{DONE, Recorded, Sent, setup};
use jetway_support::tap::{Exchange, Tap};
use serde_json::{Value, json};

use crate::agent::{Agent, CODEX, CODEX_IN_CODE};
use crate::place::{Place, installed};

/// What the model does, in the order in which it is asked.
fn turns(shell: &dyn Fn(&str) -> Value) -> Vec<Value> {
    let search = json!({ "tool": "search_docs", "input": { "query": "greeting lines" } });
    let complete = json!({ "tool": "complete_step", "input": { "summary": "Done." } });
    let calls = |calls: Value| json!({ "calls": calls });
    vec![
        calls(json!([shell("echo one")])),
        calls(json!([shell("cat .env")])),
        json!({ "text": "Then so: é \"quoted\" \u{1F600}", "calls": [shell("echo three")] }),
        calls(json!([search])),
        calls(json!([shell("echo five"), search])),
        calls(json!([shell("cat .env"), shell("echo six")])),
        calls(json!([shell("seq 1 300")])),
        calls(json!([complete])),
    ]
}

/// A session that its agent compacts in the middle, because it is told that its window is nearly full.
fn compacted(agent: Agent) -> Value {
    let shell = |line: &str| agent.shell(line);
    let mut turns = turns(&shell);
    turns.push(json!({ "calls": [shell("echo nine")], "usage": { "input": 990_000, "output": 10 } }));
    turns.push(json!({ "text": "Lines were being counted; nine was said." }));
    if agent == Agent::ClaudeCode {
        // It asks once more where a summary is not in the form that it wants.
        turns.push(json!({ "text": "Nothing." }));
    }
    turns.push(json!({ "calls": [{ "tool": "search_docs", "input": { "query": "greeting" } }] }));
    turns.push(json!({ "calls": [shell("echo twelve"), shell("cat .env")] }));
    turns.push(json!({ "calls": [shell("echo thirteen")] }));
    turns.push(json!({ "text": DONE }));
    script(turns)
}

fn script(turns: Vec<Value>) -> Value {
    json!({ "caching": { "minimum": 128 }, "scenarios": [{ "name": "session", "by": "request", "turns": turns }] })
}

/// Lets an agent work through Jetway, and holds what it sends against what is recorded, or records that.
fn record(name: &str, script: Value, work: impl FnOnce(&Place, &str)) {
    let place = Place::new();
    place.put(".env", "KEY=zebra\n");
    let provider = provider(&script.to_string());
    let jetway = setup(&provider.url()).start();
    let near = Tap::start(jetway.data);
    work(&place, &near.url());
    let folder = place.project().parent().unwrap().display().to_string();
    let is_turn = |exchange: &Exchange| exchange.request.first.starts_with("POST ");
    let sent = |exchange: Exchange| {
        let path = exchange.request.first.split(' ').nth(1).unwrap();
        let body = std::str::from_utf8(&exchange.request.body).unwrap();
        Sent::of(path, &exchange.request.headers, body, &folder)
    };
    let requests = near.exchanges().into_iter().filter(is_turn).map(sent).collect();
    let recorded = Recorded { script, requests };
    #[expect(clippy::disallowed_methods, reason = "the tests' own setting, not Jetway's")]
    if std::env::var_os("JETWAY_RECORD").is_some() {
        recorded.save(name);
    }
    let kept = Recorded::load(name);
    let shape = |recorded: &Recorded| {
        let names = |sent: &Sent| {
            let body: Value = serde_json::from_str(&sent.body).unwrap();
            body.as_object().unwrap().keys().cloned().collect::<Vec<_>>()
        };
        let agent = |sent: &Sent| {
            let agent = sent.headers.iter().find(|(name, _)| name.eq_ignore_ascii_case("user-agent"));
            agent.map(|(_, agent)| agent.split(' ').next().unwrap().to_owned())
        };
        let requests = recorded.requests.iter().map(|sent| (sent.path.clone(), agent(sent), names(sent)));
        (recorded.script.clone(), requests.collect::<Vec<_>>())
    };
    assert_eq!(shape(&recorded), shape(&kept), "{name} works otherwise than it was recorded");
}

#[test]
fn agents_work_as_they_were_recorded() {
    for (name, agent, words) in [
        ("claude-code", Agent::ClaudeCode, &[TASK][..]),
        ("codex", CODEX, &["-c", "model_auto_compact_token_limit=200000", TASK]),
        ("codex-in-code", CODEX_IN_CODE, &["-c", "model_auto_compact_token_limit=200000", TASK]),
    ] {
        record(name, compacted(agent), |place, url| {
            let ran = agent.run_again(place, url, "sk-dummy", words);
            assert!(ran.code == Some(0) && ran.out.contains(DONE), "{ran:?}");
        });
    }
    let file = |line: &str| match line {
        "cat .env" => json!({ "tool": "remove_file", "input": { "path": "zebra.txt" } }),
        line => {
            json!({ "tool": "read_file", "input": { "path": if line.ends_with("three") { "three.txt" } else { "a.txt" } } })
        }
    };
    let mut turns = turns(&file);
    turns.push(json!({ "text": DONE }));
    record("openai-sdk-chat", script(turns), |place, url| {
        let mut command = place.command(&installed().join("venv/bin/python"));
        command.arg("-B").arg(jetway_support::root().join("tests/clients/openai_sdk.py"));
        let job = json!([{ "do": "loop", "api": "chat", "stream": true, "say": TASK, "base": url, "key": "sk-dummy" }]);
        let ran = place.run({
            command.arg(job.to_string());
            command
        });
        assert!(ran.code == Some(0) && ran.out.contains(DONE), "{ran:?}");
    });
}
