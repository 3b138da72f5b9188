//! Recorded runs under other policies: what would be shown, refused and paid; and nothing else where nothing
//! is another.

use std::fs;
use std::path::Path;

use jetway_scripted::Provider;
use jetway_support::agent::goes_on;
use jetway_support::client::post;
use jetway_support::{Jetway, OPEN, Setup, eventually, provider};
use serde_json::{Value, json};

use crate::breadcrumbs::{bash, complete};

const SONNET: &str = "claude-sonnet-5-5";
const CONTEXT: &str = "context: { docs: docs, allowance: 500, min_score: 0.1, standing: standing.md }\n";
const LOCKDOWN: &str = "lockdown: { allow: [Bash, Write], deny: ['reads(**/.env*)'] }\n";
const PATH: &str = "breadcrumbs:
  - { id: look, prompt: look.md, docs: [celery], effort: low }
  - { id: plan, prompt: plan.md, docs: [postgres], done: { call: 'Bash(ls *)' } }
  - { id: test, prompt: test.md, docs: [pytest] }
";
/// A page each: its name, its heading and a word that finds it.
const PAGES: [&str; 6] = ["django", "celery", "postgres", "pytest", "zebra", "flask"];

fn setup(provider: &Provider, policy: &str) -> Setup {
    let mut setup = Setup::new(&provider.url()).with(policy);
    for page in PAGES {
        setup = setup.file(&format!("open/docs/{page}.md"), &format!("# {page}\n\nHow {page} \"does\" it.\n"));
    }
    for step in ["look", "plan", "test"] {
        setup = setup.file(&format!("open/{step}.md"), &format!("It is time to {step}."));
    }
    setup = setup.file("open/standing.md", "We call a customer a member.\n");
    setup.more = String::from("runs: { bodies: full }");
    setup
}

/// A model that makes these calls, a turn each.
fn scripted(calls: &[Value]) -> Provider {
    let usage = json!({ "input": 300, "cache_read": 600, "cache_write": 100, "output": 20 });
    let mut turns: Vec<Value> = calls.iter().map(|call| json!({ "calls": [call], "usage": usage })).collect();
    turns.push(json!({ "text": "Done.", "usage": usage }));
    provider(&json!({ "scenarios": [{ "name": "job", "turns": turns }] }).to_string())
}

struct Agent<'a> {
    jetway: &'a Jetway,
    key: Option<&'a str>,
    run: &'a str,
    history: Vec<Value>,
}

impl<'a> Agent<'a> {
    fn new(jetway: &'a Jetway, run: &'a str) -> Self {
        Self { jetway, key: None, run, history: vec![json!({ "role": "user", "content": "Add it to my django app." })] }
    }

    /// So many requests, or as many as its model has calls. Returns the run.
    fn works(&mut self, turns: usize) -> String {
        let tool = |name: &str| json!({ "name": name, "input_schema": { "type": "object" } });
        let mut run = String::new();
        for _ in 0..turns {
            let body = json!({
                "model": SONNET, "max_tokens": 1000, "output_config": { "effort": "high" }, "system": "You are an agent.",
                "messages": self.history, "tools": [tool("Bash"), tool("Write"), tool("WebFetch")],
            });
            let mut ask = post("/v1/messages", body.to_string()).header("x-jetway-run", self.run);
            if let Some(key) = self.key {
                ask = ask.header("x-jetway-key", key);
            }
            let answer = ask.send(self.jetway.data);
            assert_eq!(answer.status, 200, "{}", answer.text());
            answer.header("x-jetway-run").unwrap().clone_into(&mut run);
            if !goes_on(&mut self.history, &answer.json()["content"], "app.py") {
                break;
            }
        }
        run
    }
}

/// Waits for the exchanges of a run with their bodies.
fn kept(jetway: &Jetway, run: &str, count: usize) {
    eventually(|| {
        let output = jetway.command(&["runs", "show", run, "--json", "--bodies"]);
        let Ok(story) = serde_json::from_slice::<Value>(&output.stdout) else { return false };
        let exchanges = story["exchanges"].as_array().unwrap();
        exchanges.len() == count && exchanges.iter().all(|exchange| exchange["sent"].is_object())
    });
}

/// A folder with the policy as it is, but for these sections.
fn other(jetway: &Jetway, sections: &str) -> String {
    let folder = jetway.folder.path().join("other/open");
    copy(&jetway.folder.path().join("policies/open"), &folder);
    fs::write(folder.join("policy.yaml"), format!("{OPEN}{sections}")).unwrap();
    folder.display().to_string()
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let to = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy(&entry.path(), &to);
        } else {
            fs::copy(entry.path(), to).unwrap();
        }
    }
}

fn names(list: &Value) -> Vec<&str> {
    list.as_array().unwrap().iter().map(|name| name.as_str().unwrap()).collect()
}

fn text(jetway: &Jetway, arguments: &[&str]) -> String {
    let output = jetway.command(arguments);
    let (out, err) = (String::from_utf8(output.stdout).unwrap(), String::from_utf8(output.stderr).unwrap());
    assert!(output.status.success(), "{err}");
    out
}

/// A run that is led, searches, and stops with calls that no request tells.
fn led() -> (Provider, [Value; 5]) {
    let search = json!({ "tool": "search_docs", "input": { "query": "zebra" } });
    let calls = [search, bash("ls src"), complete(), bash("ls src"), bash("npm test")];
    (scripted(&calls), calls)
}

#[test]
fn under_its_own_policy_nothing_of_a_run_is_another() {
    let (provider, _) = led();
    let policy = format!("{LOCKDOWN}{CONTEXT}{PATH}");
    let jetway = setup(&provider, &policy).start();
    let run = Agent::new(&jetway, "job").works(3);
    kept(&jetway, &run, 3);
    let exchanges = jetway.exchanges(3);
    let by = |exchange: &Value| -> Vec<String> {
        let passages = exchange["passages"].as_array().unwrap().iter();
        passages
            .map(|passage| format!("{} {}", passage["source"].as_str().unwrap(), passage["by"].as_str().unwrap()))
            .collect()
    };
    let always = ["standing.md standing", "django.md#django task"];
    let expect: [&[&str]; 3] = [
        &["celery.md#celery step", "zebra.md#zebra search"],
        &["postgres.md#postgres step"],
        &["pytest.md#pytest step"],
    ];
    for (exchange, expect) in exchanges.iter().zip(expect) {
        assert_eq!(by(exchange), [&always[..], expect].concat(), "{exchange}");
    }
    let same = jetway.json(&["runs", "replay", &run, "--json"]);
    let shown = ["celery.md#celery", "django.md#django", "postgres.md#postgres", "pytest.md#pytest", "standing.md"];
    assert_eq!((names(&same["passages"]), names(&same["passages_then"])), (shown.to_vec(), shown.to_vec()));
    assert_eq!((&same["cost_micros"], &same["exchanges"]), (&same["cost_micros_then"], &same["bodies"]), "{same}");
    assert_eq!(
        (&same["hidden"], &same["offered_again"], &same["refused_from"]),
        (&json!([]), &json!([]), &Value::Null)
    );
    let said = text(&jetway, &["runs", "replay", &run]);
    assert!(!said.contains("that would") && !said.contains("not known"), "{said}");
    let diff = text(&jetway, &["policy", "diff", "open", &other(&jetway, &policy)]);
    assert!(diff.contains("No call, tool or passage would have been another."), "{diff}");

    // Other pages for a step, which it is told with; but for what stands in its prompt already: a page
    // that the model has searched for, and one that its task brought.
    for (docs, shown) in [("flask", json!({ "flask.md#flask": 1 })), ("zebra", json!({})), ("django", json!({}))] {
        let changed = policy.replace("docs: [postgres]", &format!("docs: [{docs}]"));
        let diff = jetway.json(&["policy", "diff", "open", &other(&jetway, &changed), "--json"]);
        assert_eq!((&diff["shown"], &diff["not_shown"]), (&shown, &json!({ "postgres.md#postgres": 1 })), "{docs}");
    }
    let without = jetway.json(&["policy", "diff", "open", &other(&jetway, &format!("{LOCKDOWN}{CONTEXT}")), "--json"]);
    assert_eq!(without["not_shown"].as_object().unwrap().len(), 3, "{without}");
    assert!(without["cost_micros"][1].as_u64() < without["cost_micros"][0].as_u64(), "{without}");
    let bare = jetway.json(&["policy", "diff", "open", &other(&jetway, LOCKDOWN), "--json"]);
    assert_eq!(bare["not_shown"].as_object().unwrap().len(), 5, "{bare}");
    assert!(bare["seconds"].as_f64().is_some_and(|seconds| seconds > 0.0), "{bare}");
}

#[test]
fn calls_that_a_step_has_no_use_for_are_refused_anew() {
    let path = "breadcrumbs:
  - { id: look, prompt: look.md, tools: ['Bash(ls *)'] }
  - { id: plan, prompt: plan.md, tools: ['Bash(npm *)'], done: { call: 'Bash(npm *)' } }
  - { id: test, prompt: test.md, tools: ['Bash(rm *)'] }
";
    // The second is refused, the third completes, and what comes behind it is of the next step.
    let calls = [bash("ls src"), bash("rm -r src"), complete(), bash("npm test"), bash("rm -r src"), bash("ls src")];
    let provider = scripted(&calls);
    let jetway = setup(&provider, &format!("{LOCKDOWN}{path}")).start();
    let run = Agent::new(&jetway, "job").works(4);
    kept(&jetway, &run, 4);
    let refused = |replay: &Value| -> Vec<String> {
        let calls = replay["calls"].as_array().unwrap().iter().filter(|call| call["fate"] == "refused");
        calls.map(|call| format!("{} {}", call["input"].as_str().unwrap(), call["by"].as_str().unwrap())).collect()
    };
    let same = jetway.json(&["runs", "replay", &run, "--json"]);
    let expect = [r#"{"command":"rm -r src"} step look"#, r#"{"command":"ls src"} step test"#];
    assert_eq!((refused(&same), &same["calls_refused_then"]), (expect.map(String::from).to_vec(), &json!(2)), "{same}");
    let diff = text(&jetway, &["policy", "diff", "open", &other(&jetway, &format!("{LOCKDOWN}{path}"))]);
    assert!(diff.contains("No call, tool or passage would have been another."), "{diff}");
    let narrow = other(&jetway, &format!("{LOCKDOWN}{}", path.replace("'Bash(ls *)'", "Write")));
    let narrow = jetway.json(&["runs", "replay", &run, "--policy", &narrow, "--json"]);
    assert_eq!(refused(&narrow)[0], r#"{"command":"ls src"} step look"#, "{narrow}");
    assert_eq!(refused(&narrow).len(), 3, "{narrow}");
    // Steps of other names say nothing of calls.
    let renamed = path.replace("id: look", "id: read").replace("id: test", "id: tried");
    let renamed = other(&jetway, &format!("{LOCKDOWN}{renamed}"));
    assert_eq!(refused(&jetway.json(&["runs", "replay", &run, "--policy", &renamed, "--json"])), [""; 0]);
}

#[test]
fn a_path_that_a_run_was_not_led_on_tells_it_its_first_step() {
    let provider = scripted(&[bash("ls src")]);
    let jetway = setup(&provider, CONTEXT).start();
    let run = Agent::new(&jetway, "job").works(2);
    kept(&jetway, &run, 2);
    let diff = jetway.json(&["policy", "diff", "open", &other(&jetway, &format!("{CONTEXT}{PATH}")), "--json"]);
    assert_eq!((&diff["shown"], &diff["not_shown"]), (&json!({ "celery.md#celery": 1 }), &json!({})), "{diff}");
}

#[test]
fn calls_of_the_last_reply_are_judged_too() {
    let provider = scripted(&[bash("ls src"), bash("npm test")]);
    let jetway = setup(&provider, LOCKDOWN).start();
    let run = Agent::new(&jetway, "job").works(2);
    kept(&jetway, &run, 2);
    let folder = other(&jetway, &LOCKDOWN.replace("deny: [", "deny: ['Bash(npm *)', "));
    let replay = jetway.json(&["runs", "replay", &run, "--policy", &folder, "--json"]);
    let call = |at: usize| ["turn", "fate", "by"].map(|name| replay["calls"][at][name].clone());
    assert_eq!(call(0), [json!(2), json!("allowed"), Value::Null], "{replay}");
    assert_eq!(call(1), [json!(2), json!("refused"), json!("deny Bash(npm *)")], "{replay}");
}

#[test]
fn a_model_or_an_effort_that_is_not_allowed_is_said_and_not_paid() {
    let provider = scripted(&[bash("ls src")]);
    let jetway = setup(&provider, "").start();
    let run = Agent::new(&jetway, "job").works(2);
    kept(&jetway, &run, 2);
    let check = |allow: &str, why: &str| {
        let folder = other(&jetway, "");
        fs::write(Path::new(&folder).join("policy.yaml"), OPEN.replace("'*'", allow)).unwrap();
        let replay = jetway.json(&["runs", "replay", &run, "--policy", &folder, "--json"]);
        assert_eq!((&replay["cost_micros"], &replay["refused_from"][0]), (&json!(0), &json!(1)), "{replay}");
        let said = text(&jetway, &["runs", "replay", &run, "--policy", &folder]);
        assert!(said.contains(&format!("refused from turn 1 on: the {why}")), "{said}");
        let diff = text(&jetway, &["policy", "diff", "open", &folder]);
        assert!(diff.contains(&format!("refused now: the {why}")) && diff.contains("0 runs before, 1 after"), "{diff}");
    };
    check("gpt-6", "model `claude-sonnet-5-5` is not allowed by the policy `open`, which allows gpt-6");
    check("{ model: '*', efforts: [low] }", "effort `high` is not allowed for the model `claude-sonnet-5-5`");
}

#[test]
fn what_a_step_or_a_budget_has_sent_to_another_model_is_priced_as_that() {
    let provider = scripted(&[bash("ls src")]);
    let jetway = setup(&provider, "").start();
    let run = Agent::new(&jetway, "job").works(2);
    kept(&jetway, &run, 2);
    let cost = |sections: &str| {
        let folder = other(&jetway, sections);
        let replay = jetway.json(&["runs", "replay", &run, "--policy", &folder, "--json"]);
        assert_eq!(replay["refused_from"], Value::Null, "{replay}");
        (replay["cost_micros"].as_u64().unwrap(), replay["cost_micros_then"].as_u64().unwrap())
    };
    // 300 of input, 600 from the cache and 100 into it, 20 of output; Haiku costs a third.
    let turn = 300 * 3 + 180 + 375 + 20 * 15;
    assert_eq!(cost(""), (2 * turn, 2 * turn));
    let low = "budget: { caps: [{ per: user, usd: 0.0020, every: day }], on_low: downgrade, downgrade_to: claude-haiku-4-5 }\n";
    assert_eq!(cost(low), (turn + turn / 3, 2 * turn));
}

#[test]
fn a_step_s_own_model_is_priced_as_it_is_sent() {
    let provider = scripted(&[bash("ls src")]);
    let path = "breadcrumbs:\n  - { id: look, prompt: look.md, done: { call: 'Bash(ls *)' } }\n  - { id: plan, prompt: plan.md }\n";
    let jetway = setup(&provider, path).start();
    let run = Agent::new(&jetway, "job").works(2);
    kept(&jetway, &run, 2);
    let turn = 300 * 3 + 180 + 375 + 20 * 15;
    // The second request goes out with the second step, though it came while the run was at the first.
    for (step, cost) in [("", 2 * turn), ("look", turn + turn / 3), ("plan", turn + turn / 3)] {
        let own = format!("prompt: {step}.md, model: claude-haiku-4-5");
        let folder = other(&jetway, &path.replace(&format!("prompt: {step}.md"), &own));
        let replay = jetway.json(&["runs", "replay", &run, "--policy", &folder, "--json"]);
        assert_eq!(replay["cost_micros"], json!(cost), "{step}: {replay}");
    }
}

#[test]
fn caps_see_what_others_spent_within_their_windows() {
    let provider = scripted(&[bash("ls src")]);
    let jetway = setup(&provider, "").start();
    let (ada, bob) = (jetway.key("open", "ada").1, jetway.key("open", "bob").1);
    for (run, key) in [("first", &ada), ("others", &bob)] {
        Agent { key: Some(key), ..Agent::new(&jetway, run) }.works(2);
    }
    let run = Agent { key: Some(&ada), ..Agent::new(&jetway, "second") }.works(2);
    kept(&jetway, &run, 2);
    let check = |cap: &str, expect: Value| {
        let folder = other(&jetway, &format!("budget: {{ caps: [{{ {cap} }}] }}\n"));
        let replay = jetway.json(&["runs", "replay", &run, "--policy", &folder, "--json"]);
        assert_eq!(replay["refused_from"][0], expect, "{cap}: {replay}");
    };
    // A run of two turns comes to 3,510 micro-dollars, or 2,040 tokens.
    check("per: run, usd: 0.0036, every: run", Value::Null);
    check("per: user, usd: 0.0036, every: day", json!(2));
    check("per: user, usd: 0.0035, every: 5h", json!(1));
    check("per: user, tokens: 4080, every: month", Value::Null);
    check("per: policy, tokens: 4080, every: day", json!(1));
}

#[test]
fn longer_prompts_cost_more() {
    let provider = scripted(&[bash("ls src")]);
    let jetway = setup(&provider, CONTEXT).start();
    let run = Agent::new(&jetway, "job").works(2);
    kept(&jetway, &run, 2);
    let story = jetway.json(&["runs", "show", &run, "--json", "--bodies"]);
    // As many tokens as there are bytes more, by the bytes and the tokens of each request: first as what is
    // written to the cache, then as what comes from it.
    let sent = [0, 1].map(|turn: usize| story["exchanges"][turn]["sent"].to_string().len() as u64);
    let folder = other(&jetway, CONTEXT);
    let more = "And so on. ".repeat(200);
    fs::write(Path::new(&folder).join("standing.md"), format!("We call a customer a member. {more}End.\n")).unwrap();
    let bytes = 2_200 + 5;
    let replay = jetway.json(&["runs", "replay", &run, "--policy", &folder, "--json"]);
    let turn = 300 * 3 + 180 + 375 + 20 * 15;
    let (written, read) = (bytes * 1_000 / sent[0], bytes * 1_000 / sent[1]);
    let expect = 2 * turn + written * 375 / 100 + read * 30 / 100;
    let found = replay["cost_micros"].as_u64().unwrap();
    assert!(written > 500 && found.abs_diff(expect) <= 2, "{found} is not {expect}");
    // Tools that go make it shorter.
    let narrow = other(&jetway, &format!("{CONTEXT}lockdown: {{ allow: [Bash] }}\n"));
    let replay = jetway.json(&["runs", "replay", &run, "--policy", &narrow, "--json"]);
    assert!(replay["cost_micros"].as_u64().unwrap() < 2 * turn, "{replay}");
    assert_eq!(names(&replay["hidden"]), ["WebFetch", "Write"]);
}
