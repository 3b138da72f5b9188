//! Snapshots of projects as agents tell of them, each with the profile that is to be found. Every
//! snapshot is told by every agent, with its own tools and in its own dialect.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on should say where")]

use std::collections::BTreeSet;
use std::sync::LazyLock;

use jetway_core::retrieval::profile::{self, Kind, Profile};
use jetway_core::wire::Dialect;
use jetway_core::wire::json::Json;
use jetway_core::wire::request::Request;
use proptest::prelude::*;
use serde::Deserialize;
use serde_json::{Value, json};

const FILES: [(&str, &str); 4] = [
    ("javascript.yaml", include_str!("fixtures/projects/javascript.yaml")),
    ("servers.yaml", include_str!("fixtures/projects/servers.yaml")),
    ("others.yaml", include_str!("fixtures/projects/others.yaml")),
    ("odd.yaml", include_str!("fixtures/projects/odd.yaml")),
];

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct Snapshot {
    name: String,
    #[serde(default)]
    says: Option<String>,
    /// More that the agent says in its system text.
    #[serde(default)]
    system: String,
    /// The agents that tell it, if not all do.
    #[serde(default)]
    agents: Vec<Agent>,
    #[serde(default)]
    turns: Vec<Turn>,
    expect: Expected,
}

/// One call, and what it gives.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Turn {
    run: Option<String>,
    read: Option<String>,
    write: Option<String>,
    content: String,
    glob: Option<String>,
    grep: Option<String>,
    list: Option<String>,
    call: Option<String>,
    with: Value,
    gives: String,
    fails: bool,
}

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
struct Expected {
    languages: BTreeSet<String>,
    frameworks: BTreeSet<String>,
    managers: BTreeSet<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Agent {
    ClaudeCode,
    Codex,
    Opencode,
    Qwen,
    Mini,
}

const AGENTS: [Agent; 5] = [Agent::ClaudeCode, Agent::Codex, Agent::Opencode, Agent::Qwen, Agent::Mini];

const ROOT: &str = "/work/app";

/// What stands in no project: an agent's own words name every framework there is.
const BOILERPLATE: &str = "You are a coding agent. NEVER assume a library is available: look at package.json, Cargo.toml \
    or requirements.txt first. For example, use React components as the others are written. If the user says my Django \
    app, find manage.py.\n";

static SNAPSHOTS: LazyLock<Vec<Snapshot>> = LazyLock::new(|| {
    let read = |(file, text): (&str, &str)| -> Vec<Snapshot> {
        serde_saphyr::from_str(text).unwrap_or_else(|error| panic!("{file}: {error}"))
    };
    FILES.into_iter().flat_map(read).collect()
});

fn numbered(text: &str, mark: &str, before: &str) -> String {
    let line = |(at, line): (usize, &str)| {
        let number = (at + 1).to_string();
        format!(
            "{}{number}{mark}{line}
",
            before.repeat(5_usize.saturating_sub(number.len()))
        )
    };
    text.lines().enumerate().map(line).collect()
}

fn patch(path: &str, content: &str) -> String {
    let lines: String = content.lines().map(|line| format!("+{line}\n")).collect();
    format!("*** Begin Patch\n*** Add File: {path}\n{lines}*** End Patch\n")
}

/// A call as an agent makes it: the tool, what it is called with, what comes back.
fn told(agent: Agent, turn: &Turn) -> (String, Value, String) {
    let Turn { run, read, write, content, glob, grep, list, call, with, gives, .. } = turn.clone();
    if let Some(name) = call {
        return (name, with, gives);
    }
    let absolute = |path: &str| if path.starts_with('/') { path.to_owned() } else { format!("{ROOT}/{path}") };
    let as_command = || {
        if let Some(path) = &read {
            format!("cat {path}")
        } else if let Some(path) = &write {
            format!("cat > {path} <<'EOF'\n{content}\nEOF")
        } else if let Some(pattern) = &glob {
            format!("rg --files -g '{pattern}'")
        } else if let Some(words) = &grep {
            format!("rg -n '{words}'")
        } else if let Some(path) = &list {
            format!("ls {path}")
        } else {
            run.clone().unwrap()
        }
    };
    let written = || String::from("Wrote the file.");
    match agent {
        Agent::ClaudeCode => {
            if let Some(path) = read {
                ("Read".into(), json!({"file_path": absolute(&path)}), numbered(&gives, "→", " "))
            } else if let Some(path) = write {
                ("Write".into(), json!({"file_path": absolute(&path), "content": content}), written())
            } else if let Some(pattern) = glob {
                let gives: Vec<String> = gives.lines().map(absolute).collect();
                ("Glob".into(), json!({"pattern": pattern}), gives.join("\n"))
            } else if let Some(words) = grep {
                ("Grep".into(), json!({"pattern": words, "output_mode": "content", "-n": true}), gives)
            } else if let Some(path) = list {
                ("LS".into(), json!({"path": absolute(&path)}), gives)
            } else {
                ("Bash".into(), json!({"command": as_command(), "description": "Looks around"}), gives)
            }
        }
        Agent::Codex => match write {
            Some(path) => ("apply_patch".into(), Value::String(patch(&path, &content)), written()),
            None => {
                let output =
                    format!("Chunk ID: 1a2b3c\nWall time: 0.05 seconds\nProcess exited with code 0\nOutput:\n{gives}");
                ("exec_command".into(), json!({"cmd": as_command(), "workdir": ROOT}), output)
            }
        },
        Agent::Opencode => {
            if let Some(path) = read {
                let text = format!("<file>\n{}\n(End of file)\n</file>", numbered(&gives, "| ", "0"));
                ("read".into(), json!({"filePath": absolute(&path)}), if turn.fails { gives } else { text })
            } else if let Some(path) = write {
                ("write".into(), json!({"filePath": absolute(&path), "content": content}), written())
            } else if let Some(pattern) = glob {
                let gives: Vec<String> = gives.lines().map(absolute).collect();
                ("glob".into(), json!({"pattern": pattern}), gives.join("\n"))
            } else if let Some(words) = grep {
                ("grep".into(), json!({"pattern": words}), gives)
            } else if let Some(path) = list {
                ("list".into(), json!({"path": absolute(&path)}), gives)
            } else {
                ("bash".into(), json!({"command": as_command(), "description": "Looks around"}), gives)
            }
        }
        Agent::Qwen => {
            if let Some(path) = read {
                ("read_file".into(), json!({"file_path": absolute(&path)}), gives)
            } else if let Some(path) = write {
                ("write_file".into(), json!({"file_path": absolute(&path), "content": content}), written())
            } else if let Some(pattern) = glob {
                ("glob".into(), json!({"pattern": pattern}), gives)
            } else if let Some(words) = grep {
                ("grep_search".into(), json!({"pattern": words}), gives)
            } else if let Some(path) = list {
                ("list_directory".into(), json!({"path": absolute(&path)}), gives)
            } else {
                ("run_shell_command".into(), json!({"command": as_command(), "is_background": false}), gives)
            }
        }
        Agent::Mini => ("bash".into(), json!({"command": as_command()}), gives),
    }
}

/// The messages, or items, of a conversation; results of one turn in this order.
fn messages(agent: Agent, snapshot: &Snapshot) -> Vec<Value> {
    let system = format!("{BOILERPLATE}{}", snapshot.system);
    let says = snapshot.says.as_deref().unwrap_or("Add analytics.");
    let environment =
        format!("<env>\nWorking directory: {ROOT}\nIs directory a git repo: yes\nPlatform: linux\n</env>\n");
    let mut all = match agent {
        Agent::ClaudeCode => vec![
            json!({"role": "user", "content": [
                {"type": "text", "text": "<system-reminder>\nThe React hooks of claude: package.json, app.py\n</system-reminder>"},
                {"type": "text", "text": says}]}),
            json!({"role": "system", "content": format!("{system}{environment}")}),
        ],
        Agent::Mini => vec![json!({"role": "user", "content": [{"type": "text", "text": says}]})],
        Agent::Opencode | Agent::Qwen => vec![
            json!({"role": "system", "content": format!("{system}{environment}")}),
            json!({"role": "user", "content": says}),
        ],
        Agent::Codex => vec![
            json!({"type": "message", "role": "developer", "content": [{"type": "input_text", "text": system}]}),
            json!({"type": "message", "role": "user", "content": [{"type": "input_text",
                "text": format!("<environment_context>\n  <cwd>{ROOT}</cwd>\n  <shell>bash</shell>\n</environment_context>")}]}),
            json!({"type": "message", "role": "user", "content": [{"type": "input_text", "text": says}]}),
        ],
    };
    for (at, turn) in snapshot.turns.iter().enumerate() {
        let id = format!("call_{at}");
        let (name, input, output) = told(agent, turn);
        match agent {
            Agent::ClaudeCode | Agent::Mini => {
                all.push(json!({"role": "assistant", "content": [{"type": "tool_use", "id": id, "name": name, "input": input}]}));
                all.push(json!({"role": "user", "content": [
                    {"type": "tool_result", "tool_use_id": id, "content": output, "is_error": turn.fails}]}));
            }
            Agent::Opencode | Agent::Qwen => {
                let arguments = input.to_string();
                all.push(json!({"role": "assistant", "content": null, "tool_calls": [
                    {"id": id, "type": "function", "function": {"name": name, "arguments": arguments}}]}));
                all.push(json!({"role": "tool", "tool_call_id": id, "content": output}));
            }
            Agent::Codex => {
                let is_custom = input.is_string();
                let (kind, member) =
                    if is_custom { ("custom_tool_call", "input") } else { ("function_call", "arguments") };
                let text = input.as_str().map_or_else(|| input.to_string(), str::to_owned);
                all.push(json!({"type": kind, "call_id": id, "name": name, member: text}));
                all.push(json!({"type": format!("{kind}_output"), "call_id": id, "output": output}));
            }
        }
    }
    all
}

fn request(agent: Agent, messages: &[Value]) -> Request {
    let (dialect, body) = match agent {
        Agent::ClaudeCode | Agent::Mini => {
            (Dialect::Messages, json!({"model": "m", "max_tokens": 9, "system": BOILERPLATE, "messages": messages}))
        }
        Agent::Opencode | Agent::Qwen => (Dialect::Chat, json!({"model": "m", "messages": messages})),
        Agent::Codex => (Dialect::Responses, json!({"model": "m", "store": false, "input": messages})),
    };
    Request::read(dialect, Json::read(body.to_string().into()).unwrap()).unwrap()
}

fn found(profile: &Profile) -> Expected {
    let set = |names: &[String]| names.iter().cloned().collect();
    Expected {
        languages: set(&profile.languages),
        frameworks: set(&profile.frameworks),
        managers: set(&profile.managers),
    }
}

fn agents(snapshot: &Snapshot) -> Vec<Agent> {
    if snapshot.agents.is_empty() { AGENTS.to_vec() } else { snapshot.agents.clone() }
}

#[test]
fn every_project_is_known_by_what_any_agent_tells_of_it() {
    let mut wrong = Vec::new();
    let snapshots = &*SNAPSHOTS;
    for snapshot in snapshots {
        for agent in agents(snapshot) {
            let profile = Profile::read(&request(agent, &messages(agent, snapshot)));
            let found = found(&profile);
            if found != snapshot.expect {
                wrong.push(format!("{}, {agent:?}\n   found {found:?}\n  wanted {:?}", snapshot.name, snapshot.expect));
            }
        }
    }
    assert!(wrong.is_empty(), "{} wrong\n{}", wrong.len(), wrong.join("\n"));
    let names: BTreeSet<&String> = snapshots.iter().map(|snapshot| &snapshot.name).collect();
    assert_eq!(names.len(), snapshots.len(), "two snapshots have one name");
    assert!(snapshots.len() >= 60, "there are {} snapshots", snapshots.len());
}

/// Every tag that there is evidence of, and how much.
fn weights(profile: &Profile) -> Vec<(Kind, String, u32)> {
    let kept = serde_json::to_value(profile).unwrap();
    let mut all = Vec::new();
    for (word, kind) in [("language", Kind::Language), ("framework", Kind::Framework), ("manager", Kind::Manager)] {
        let tags = kept["evidence"].get(word).and_then(Value::as_object).into_iter().flatten();
        all.extend(tags.map(|(tag, _)| (kind, tag.clone(), profile.weight(kind, tag))));
    }
    all
}

#[test]
fn turn_by_turn_it_becomes_what_it_is_at_once_and_evidence_only_grows() {
    for snapshot in &*SNAPSHOTS {
        for agent in agents(snapshot) {
            let messages = messages(agent, snapshot);
            let mut grown = Profile::default();
            let mut from = 0;
            for end in 1..=messages.len() {
                let request = request(agent, &messages[..end]);
                let before = grown.clone();
                grown.grow(&request, from);
                from = profile::length(&request);
                for (kind, tag, weight) in weights(&before) {
                    assert!(grown.weight(kind, &tag) >= weight, "{} {agent:?} {tag}", snapshot.name);
                }
                // It stands between turns in the state of a run.
                let kept = serde_json::to_string(&grown).unwrap();
                grown = serde_json::from_str(&kept).unwrap();
            }
            let whole = request(agent, &messages);
            assert_eq!(grown, Profile::read(&whole), "{} {agent:?}", snapshot.name);
            let again = grown.clone();
            grown.grow(&whole, 0);
            assert_eq!(grown, again, "told twice: {} {agent:?}", snapshot.name);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn the_order_of_what_is_told_does_not_matter(seed in any::<prop::sample::Index>(), which in any::<prop::sample::Index>(), order in Just((0..24_usize).collect::<Vec<_>>()).prop_shuffle()) {
        let snapshots = &*SNAPSHOTS;
        let snapshot = which.get(snapshots);
        let agents = agents(snapshot);
        let agent = *seed.get(&agents);
        let mut shuffled = snapshot.clone();
        shuffled.turns = order.iter().filter_map(|at| snapshot.turns.get(*at).cloned()).collect();
        let read = |snapshot: &Snapshot| Profile::read(&request(agent, &messages(agent, snapshot)));
        prop_assert_eq!(read(snapshot), read(&shuffled));
    }

    #[test]
    fn no_text_is_too_odd(text in "\\PC{0,200}", path in "[a-z./]{1,20}") {
        let turn = Turn { read: Some(path), gives: text.clone(), ..Turn::default() };
        let listing = Turn { run: Some("ls -R; cat package.json pyproject.toml pubspec.yaml Gemfile pom.xml mix.exs a.js".into()), gives: text.clone(), ..Turn::default() };
        let snapshot = Snapshot { name: String::new(), says: Some(text.clone()), system: text, agents: vec![], turns: vec![turn, listing],
            expect: Expected { languages: BTreeSet::new(), frameworks: BTreeSet::new(), managers: BTreeSet::new() } };
        for agent in AGENTS {
            let profile = Profile::read(&request(agent, &messages(agent, &snapshot)));
            prop_assert!(profile.languages.len() < 20);
        }
    }
}

#[test]
fn what_is_kept_of_a_large_project_is_small() {
    let listing: String = (0..20_000)
        .map(|at| format!("packages/p{}/src/file{at}.ts\npackages/p{}/package.json\n", at % 900, at % 900))
        .collect();
    let turn = Turn { run: Some("git ls-files".into()), gives: listing, ..Turn::default() };
    let snapshot = Snapshot {
        name: String::new(),
        says: None,
        system: String::new(),
        agents: vec![],
        turns: vec![turn; 30],
        expect: Expected { languages: BTreeSet::new(), frameworks: BTreeSet::new(), managers: BTreeSet::new() },
    };
    let profile = Profile::read(&request(Agent::ClaudeCode, &messages(Agent::ClaudeCode, &snapshot)));
    assert_eq!(profile.languages, ["typescript"]);
    let kept = serde_json::to_string(&profile).unwrap();
    assert!(kept.len() < 16_000, "{} bytes", kept.len());
}
