//! Runs end in every way that there is, and each is asked, behind what its model saw, what stood in
//! its way.

mod asking;
mod fleet;
mod kept;
mod places;

use std::time::Duration;

use jetway_scripted::Provider;
use jetway_support::agent::goes_on;
use jetway_support::client::{Answer, post, read};
use jetway_support::redis::Redis;
use jetway_support::{Jetway, OPEN, Setup, eventually, provider};
use serde_json::{Value, json};

/// How a question is told from what agents ask.
const TAG: &str = "jetway_question";

const ANSWER: &str = r#"{"findings": [
    {"kind": "missing", "severity": "high", "text": "Nothing says where the middleware of Django goes."},
    {"kind": "refused_tool", "tool": "Bash", "text": "I needed npm install, and AKIAQ3EGRXZ7ABCDWXYZ was in its way."},
    {"kind": "wrong", "text": "What could we have done better?"}
]}"#;

/// A provider that answers every question so, and plays these scenarios else.
fn scripted(answer: &str, scenarios: &Value) -> Provider {
    let asked = json!({
        "name": "asked", "when": { "contains": TAG },
        "by": "request", "turns": [{ "text": answer, "usage": { "input": 1000, "output": 100 } }],
    });
    let mut all = vec![asked];
    all.extend(scenarios.as_array().cloned().unwrap_or_default());
    provider(&json!({ "scenarios": all }).to_string())
}

/// One that says something and ends its turn.
fn plain() -> Provider {
    scripted(
        ANSWER,
        &json!([{ "name": "plain", "turns": [{ "text": "Done.", "usage": { "input": 100, "output": 10 } }] }]),
    )
}

/// A Jetway that pays by itself for those who have a key of it.
struct House {
    jetway: Jetway,
    key: String,
}

impl std::ops::Deref for House {
    type Target = Jetway;

    fn deref(&self) -> &Jetway {
        &self.jetway
    }
}

impl House {
    fn new(setup: Setup) -> Self {
        let jetway = setup.start();
        let key = jetway.key("open", "ada").1;
        Self { jetway, key }
    }

    fn post(&self, path: &str, body: &str) -> Answer {
        post(path, body).header("x-api-key", &self.key).header("x-jetway-run", "job").send(self.data)
    }

    fn send(&self, body: &Value) -> Answer {
        self.post("/v1/messages", &body.to_string())
    }
}

const WAITS: &str = "quiet: 1s, abandoned: 1s";

fn setup(provider: &Provider, interrogation: &str, more: &str) -> Setup {
    let sections = format!("interrogation: {{ allowance: {{ usd: 1, every: day }}, {interrogation} }}\n{more}\n");
    let mut setup = Setup::new(&provider.url()).with(&sections).file("open/ask.md", "What could we have done better?");
    setup.credentials = String::from("{ env: PROVIDER_KEY }");
    setup.env.push((String::from("PROVIDER_KEY"), String::from("sk-operators")));
    setup
}

fn body(say: &str) -> Value {
    let tools = json!([{ "name": "Bash", "input_schema": { "type": "object" } }]);
    json!({ "model": "claude-sonnet-5-5", "max_tokens": 1000, "tools": tools, "messages": [{ "role": "user", "content": say }] })
}

/// The questions that the provider was asked.
fn questions(provider: &Provider) -> Vec<Value> {
    let bodies = provider.seen().into_iter().map(|seen| serde_json::from_slice::<Value>(&seen.body).unwrap());
    bodies.filter(|body| body.to_string().contains(TAG)).collect()
}

/// The one run, once it has ended.
#[track_caller]
fn ended(jetway: &Jetway) -> Value {
    let mut run = Value::Null;
    eventually(|| {
        run = jetway.json(&["runs", "--json"]).get(0).cloned().unwrap_or_default();
        run["ended_by"].is_string()
    });
    run
}

#[track_caller]
fn ends(jetway: &Jetway, how: &str, asked: &str) -> Value {
    let run = ended(jetway);
    assert_eq!((run["ended_by"].as_str(), run["asked"].as_str()), (Some(how), Some(asked)), "{}", jetway.log());
    let metrics = jetway.metrics();
    for line in [
        format!("jetway_runs_ended_total{{ending=\"{how}\",policy=\"open\"}} 1"),
        format!("jetway_questions_total{{policy=\"open\",result=\"{asked}\"}} 1"),
    ] {
        assert!(metrics.contains(&line), "{line}\n{metrics}");
    }
    run
}

/// What the run log has of findings: kind, tool, text.
fn findings(jetway: &Jetway) -> Vec<(String, Option<String>, String)> {
    let run = jetway.json(&["runs", "--json"])[0]["id"].as_str().unwrap().to_owned();
    let shown = jetway.json(&["runs", "show", &run, "--json"]);
    let text = |found: &Value, name: &str| found[name].as_str().map(str::to_owned);
    let findings = shown["findings"].as_array().unwrap();
    findings.iter().map(|f| (text(f, "kind").unwrap(), text(f, "tool"), text(f, "text").unwrap())).collect()
}

#[test]
fn a_run_that_fell_quiet_is_asked_behind_what_its_model_saw() {
    let provider = plain();
    let jetway = House::new(setup(&provider, WAITS, ""));
    let answer = jetway.send(&body("Add it."));
    assert!(answer.header("x-jetway-run").unwrap().starts_with("run_"), "{:?}", answer.headers);
    ends(&jetway, "quiet", "answered");

    let question = questions(&provider).remove(0);
    let sent = body("Add it.");
    assert_eq!((&question["tools"], &question["model"]), (&sent["tools"], &sent["model"]));
    let messages = question["messages"].as_array().unwrap();
    assert_eq!(messages.len(), 3, "{messages:?}");
    assert_eq!((&messages[0], &messages[1]["content"][0]["text"]), (&sent["messages"][0], &json!("Done.")));
    assert!(messages[2].to_string().contains("What could we have done better?"), "{messages:?}");
    let key = provider.seen().pop().unwrap().headers.get("x-api-key").cloned();
    assert_eq!(key.unwrap(), "sk-operators");

    // What repeats the question is dropped; a secret goes no further.
    let found = findings(&jetway);
    assert_eq!(found.len(), 2, "{found:?}");
    assert_eq!((found[0].0.as_str(), found[1].1.as_deref()), ("missing", Some("Bash")));
    assert!(found[1].2.contains("npm install") && !found[1].2.contains("AKIAQ3EGRXZ7ABCDWXYZ"), "{found:?}");
    let metrics = jetway.metrics();
    assert!(
        metrics.contains("jetway_findings_total{kind=\"missing\",policy=\"open\",severity=\"high\"} 1"),
        "{metrics}"
    );
    // It is an exchange of the run like others: with what it cost.
    let exchanges = jetway.exchanges(2);
    let last = exchanges.iter().find(|exchange| exchange["endpoint"] == "question").unwrap();
    assert_eq!((last["cost_micros"].as_i64(), last["outcome"].as_str()), (Some(4500), Some("complete")));
    // One that goes on is open again.
    assert_eq!(jetway.send(&body("Add it.")).status, 200);
    eventually(|| jetway.exchanges(3).len() == 4);
}

#[test]
fn every_dialect_is_asked_in_its_own_form() {
    let tool = json!({ "type": "function", "name": "shell", "parameters": { "type": "object" } });
    let chat_tool = json!({ "type": "function", "function": { "name": "shell", "parameters": { "type": "object" } } });
    let said = json!([{ "role": "user", "content": "Add it." }]);
    let additional = json!({ "type": "additional_tools", "role": "developer", "tools": [tool] });
    for (path, body) in [
        ("/v1/messages", json!({ "model": "claude-sonnet-5-5", "max_tokens": 99, "stream": true, "messages": said })),
        ("/v1/chat/completions", json!({ "model": "gpt-5.5", "stream": true, "tools": [chat_tool], "messages": said })),
        ("/v1/chat/completions", json!({ "model": "gpt-5.5", "tools": [chat_tool], "messages": said })),
        ("/v1/responses", json!({ "model": "gpt-5.5", "stream": true, "tools": [tool], "input": said })),
        ("/v1/responses", json!({ "model": "gpt-5.5", "tools": [tool], "input": "Add it." })),
        // As Codex tells its newer models of their tools.
        ("/v1/responses", json!({ "model": "gpt-5.5", "stream": true, "input": [additional, said[0]] })),
    ] {
        let provider = plain();
        let jetway = House::new(setup(&provider, WAITS, ""));
        assert_eq!(jetway.post(path, &body.to_string()).status, 200, "{path}");
        ends(&jetway, "quiet", "answered");
        let question = questions(&provider).remove(0);
        assert_eq!(question["tools"], body["tools"], "{path}");
        // In Messages a choice would cost the cache of all that was said.
        let choice = if path == "/v1/messages" { Value::Null } else { json!("none") };
        assert_eq!(question["tool_choice"], choice, "{path} {body}");
        let text = question.to_string();
        assert!(text.contains("Add it.") && text.contains("Done."), "{text}");
        assert_eq!(findings(&jetway).len(), 2, "{path}");
    }
}

#[test]
fn a_run_ends_when_its_caller_says_so_and_nobody_else() {
    let provider = plain();
    let jetway = House::new(setup(&provider, "quiet: 1h", ""));
    let (_, bob) = jetway.key("open", "bob");
    let run = jetway.send(&body("Add it.")).header("x-jetway-run").unwrap().to_owned();
    let end = |id: &str, key: &str| post(&format!("/v1/runs/{id}/end"), "").header("x-api-key", key).send(jetway.data);
    assert_eq!(end(&run, &bob).status, 404);
    let unknown = end("run_nothing", &jetway.key);
    assert!(unknown.status == 404 && unknown.text().contains("run_nothing"), "{}", unknown.text());
    // By the name that its agent gave it, as well as by ours.
    assert_eq!(end("job", &jetway.key).status, 200);
    ends(&jetway, "told", "answered");
    assert_eq!(questions(&provider).len(), 1);
}

#[test]
fn a_run_that_is_ended_while_a_reply_is_under_way_ends_with_that() {
    // As a hook does that an agent runs when it stops: its last reply may still be written.
    let slow = json!([{ "name": "slow", "turns": [{ "text": "Done. ".repeat(40), "pace": "60ms" }] }]);
    let provider = scripted(ANSWER, &slow);
    let jetway = House::new(setup(&provider, "quiet: 1h, abandoned: 1h", ""));
    let mut asks = body("Add it.");
    asks["stream"] = true.into();
    let asked = post("/v1/messages", asks.to_string()).header("x-api-key", &jetway.key).header("x-jetway-run", "job");
    let reply = asked.open(jetway.data);
    eventually(|| !provider.seen().is_empty());
    std::thread::sleep(Duration::from_secs(1));
    let end = post("/v1/runs/job/end", "").header("x-api-key", &jetway.key).send(jetway.data);
    assert_eq!(end.status, 200, "{}", end.text());
    assert!(jetway.metrics().contains("jetway_open_exchanges 1"), "the reply was over before: {}", jetway.metrics());
    assert!(read(reply).text().contains("message_stop"));
    ends(&jetway, "told", "answered");
    // Behind all that was said.
    assert!(questions(&provider).remove(0)["messages"][1].to_string().contains("Done. Done."));
}

#[test]
fn a_run_whose_budget_is_used_up_is_asked_all_the_same() {
    let provider = plain();
    let caps = "budget: { caps: [{ per: user, usd: 0.02, every: day }] }";
    let jetway = House::new(setup(&provider, WAITS, caps));
    let long = body(&"Add it. ".repeat(100));
    assert_eq!(jetway.send(&long).status, 200);
    let mut more = long.clone();
    more["max_tokens"] = 20_000.into();
    assert_eq!(jetway.send(&more).status, 429);
    ends(&jetway, "refused", "answered");
    // The model never saw the last request: it is asked behind what it saw before.
    let question = questions(&provider).remove(0);
    assert!(question["messages"].to_string().contains("the next request was refused"), "{question}");
    assert_eq!(question["messages"].as_array().unwrap().len(), 3);
}

#[test]
fn a_request_that_is_refused_before_it_was_read_ends_its_run() {
    let check = |sections: &str, more: &str, (second, status): (&Value, u16), why: &str| {
        let provider = plain();
        let mut setup = setup(&provider, WAITS, sections);
        setup.more = more.to_owned();
        let jetway = House::new(setup);
        assert_eq!(jetway.send(&body("Add it.")).status, 200);
        assert_eq!(jetway.send(second).status, status);
        let run = ends(&jetway, "refused", "answered");
        assert_eq!(run["turns"], 2, "{run}");
        let question = questions(&provider).remove(0);
        assert!(question["messages"].to_string().contains(why), "{question}");
    };
    let rates = "budget: { rates: [{ per: user, requests: 1, every: day }] }";
    check(rates, "", (&body("Add it."), 429), "requests");
    let long = body(&"Add it. ".repeat(1000));
    check("", "limits: { body: 4KiB }", (&long, 413), "larger than 4 KiB");
}

#[test]
fn a_token_that_expires_or_is_revoked_in_the_middle_of_its_run_ends_it() {
    let revoke = |jetway: &Jetway, id: &str| {
        let delete = post(&format!("/v1/tokens/{id}"), "").method("DELETE");
        let delete = delete.header("authorization", &format!("Bearer {}", jetway.token()));
        assert_eq!(delete.send(jetway.admin).status, 200);
    };
    a_token_dies("1s", "expired", &|_, _| std::thread::sleep(Duration::from_millis(1100)));
    a_token_dies("1h", "revoked", &revoke);
}

fn a_token_dies(ttl: &str, why: &str, dies: &dyn Fn(&Jetway, &str)) {
    let provider = plain();
    let mut setup = setup(&provider, "quiet: 1h, abandoned: 1h", "");
    setup.policies[0].1 = setup.policies[0].1.replace("[keys, passthrough]", "[keys, runs]");
    setup.policies[0].1 = setup.policies[0].1.replace("quiet: 1h", "quiet: 2s");
    let jetway = setup.start();
    let wish = json!({ "policy": "open", "user": "ada", "cap": { "usd": 1 }, "ttl": ttl });
    let mint = post("/v1/tokens", wish.to_string()).header("authorization", &format!("Bearer {}", jetway.token()));
    let minted = mint.send(jetway.admin);
    assert!(minted.json()["token"].is_string(), "{}", minted.text());
    let token = minted.json()["token"].as_str().unwrap().to_owned();
    let send = || post("/v1/messages", body("Go.").to_string()).header("x-api-key", &token).send(jetway.data);
    assert_eq!(send().status, 200);
    dies(&jetway, minted.json()["id"].as_str().unwrap());
    assert_eq!(send().status, 401);
    let run = ends(&jetway, "refused", "answered");
    assert_eq!((run["turns"].as_i64(), run["user"].as_str()), (Some(2), Some("ada")), "{run}");
    assert!(questions(&provider).remove(0).to_string().contains(why));
    // One that is over is opened by nobody whose token is.
    assert_eq!(send().status, 401);
    assert_eq!(jetway.json(&["runs", "--json"])[0]["ended_by"], "refused");
}

#[test]
fn a_run_that_goes_on_for_too_long_ends_by_its_age() {
    let script = json!([{ "name": "calls", "turns": [{ "calls": [{ "tool": "Bash", "input": {} }] }] }]);
    let provider = scripted(ANSWER, &script);
    let jetway = House::new(setup(&provider, "abandoned: 1h, longest: 1s", ""));
    assert_eq!(jetway.send(&body("Go.")).status, 200);
    std::thread::sleep(Duration::from_millis(1100));
    assert!(questions(&provider).is_empty(), "it ends only as a request does");
    assert_eq!(jetway.send(&body("Go on.")).status, 200);
    ends(&jetway, "aged", "answered");
    assert!(questions(&provider).remove(0).to_string().contains("counts as another run"));
}

/// As Claude Code and Codex compact: with a request of its own that says so, and then with a conversation
/// that begins with what came of it.
#[test]
fn a_compaction_ends_no_run_which_goes_on_in_one_story() {
    let says = |when: &str, text: &str| json!({ "name": when, "when": { "contains": when }, "by": "request", "turns": [{ "text": text }] });
    let call = |tool: &str, input: &str| json!({ "name": "calls", "turns": [{ "calls": [{ "tool": tool, "input": { input: "ls" } }] }] });
    let check = |path: &str, headers: &[(&str, &str)], compacts: (&str, &str), ask: &dyn Fn(&str) -> Value| {
        let scenarios = [says("Sum it up", "We looked."), says("is continued", "Done."), call("Bash", "command")];
        let provider = scripted(ANSWER, &json!(scenarios));
        let jetway = House::new(setup(&provider, "quiet: 1s, abandoned: 1h", ""));
        let send = |say: &str, more: &[(&str, &str)]| {
            let asked = post(path, ask(say).to_string()).header("x-api-key", &jetway.key);
            let headers = headers.iter().filter(|(name, _)| more.iter().all(|(other, _)| other != name));
            let asked = headers.chain(more).fold(asked, |asked, (name, value)| asked.header(name, value));
            let answer = asked.send(jetway.data);
            assert_eq!(answer.status, 200, "{path}: {}", answer.text());
            answer.header("x-jetway-run").unwrap().to_owned()
        };
        let run = send("Add it.", &[]);
        assert_eq!(send("Add it. Sum it up.", &[compacts]), run, "{path}");
        std::thread::sleep(Duration::from_millis(2500));
        assert!(questions(&provider).is_empty(), "{path}: it was asked at its compaction");
        assert!(jetway.json(&["runs", "--json"])[0]["ended_by"].is_null(), "{path}");
        assert_eq!(send("This session is continued: We looked.", &[]), run, "{path}");
        ends(&jetway, "quiet", "answered");
        let asked = questions(&provider);
        let text = asked[0].to_string();
        assert_eq!(
            (asked.len(), text.contains("is continued"), text.contains("Sum it up")),
            (1, true, false),
            "{text}"
        );
        let exchanges = jetway.exchanges(4);
        let roles: Vec<_> = exchanges.iter().map(|exchange| exchange["role"].as_str()).collect();
        assert_eq!(roles[..3], [Some("main"), Some("compaction"), Some("main")], "{path}");
        assert!(exchanges.iter().all(|exchange| exchange["run"] == run.as_str()), "{path}: {exchanges:?}");
        assert_eq!(jetway.json(&["runs", "--json"]).as_array().unwrap().len(), 1, "{path}");
        let story = String::from_utf8(jetway.command(&["runs", "show", &run]).stdout).unwrap();
        assert_eq!(story.matches("(sums up the conversation)").count(), 1, "{story}");
    };
    let claude = [
        ("user-agent", "claude-cli/2.3.0 (external, cli)"),
        ("x-claude-code-session-id", "6ff2c0de-0000-4000-8000-000000000001"),
        ("x-claude-code-request-class", "main"),
    ];
    check("/v1/messages", &claude, ("x-claude-code-request-class", "compaction"), &body);
    let codex = [
        ("user-agent", "codex_exec/0.99.0"),
        ("session-id", "0199-s"),
        ("thread-id", "0199-s"),
        ("x-codex-turn-metadata", r#"{"session_id":"0199-s","request_kind":"turn"}"#),
    ];
    let compacts = ("x-codex-turn-metadata", r#"{"session_id":"0199-s","request_kind":"compaction"}"#);
    let tool = json!({ "type": "function", "name": "Bash", "parameters": { "type": "object" } });
    let asks =
        |say: &str| json!({ "model": "gpt-5.5", "tools": [tool], "input": [{ "role": "user", "content": say }] });
    check("/v1/responses", &codex, compacts, &asks);
}

#[test]
fn a_run_that_was_cut_is_asked_too() {
    let text = "lorem ipsum ".repeat(3_334);
    let long = json!([{ "name": "long", "turns": [{ "text": text, "usage": { "input": 100, "output": 10000 }, "pace": "2ms" }] }]);
    let provider = scripted(ANSWER, &long);
    let caps = "budget: { caps: [{ per: user, usd: 0.09, every: day }] }";
    let jetway = House::new(setup(&provider, WAITS, caps));
    let mut asks = body("Go.");
    asks["max_tokens"] = 32_000.into();
    asks["stream"] = true.into();
    assert_eq!(jetway.send(&asks).status, 200);
    ends(&jetway, "cut", "answered");
    let text = questions(&provider).remove(0).to_string();
    assert!(text.contains("ended in the middle by a rule"), "{text}");
    assert_eq!(findings(&jetway).len(), 2);
}

#[test]
fn a_run_whose_last_call_was_refused_is_asked_without_that_call() {
    let script =
        json!([{ "name": "calls", "turns": [{ "calls": [{ "tool": "Bash", "input": { "command": "ls" } }] }] }]);
    for (mode, how) in [("on_denied: explain", "quiet"), ("mode: shadow", "abandoned")] {
        let provider = scripted(ANSWER, &script);
        let rules = format!("lockdown: {{ allow: ['*'], deny: ['Bash(ls *)', 'Bash(ls)'], {mode} }}");
        let jetway = House::new(setup(&provider, WAITS, &rules));
        assert_eq!(jetway.send(&body("Go.")).status, 200);
        ends(&jetway, how, "answered");
        let question = questions(&provider).remove(0);
        // A call without a result is no prompt that a provider takes.
        assert!(!question.to_string().contains("tool_use\""), "{question}");
        // In shadow mode the agent got it.
        let run = jetway.json(&["runs", "--json"])[0]["id"].as_str().unwrap().to_owned();
        let shown = jetway.json(&["runs", "show", &run, "--json"]);
        let exchange = &shown["exchanges"][0];
        let calls = if mode == "mode: shadow" { json!(["Bash"]) } else { json!([]) };
        assert_eq!((&exchange["calls"], &exchange["calls_refused"][0]["tool"]), (&calls, &json!("Bash")), "{mode}");
    }
}

#[test]
fn a_run_whose_provider_failed_is_asked_about_what_went_before() {
    let script = json!([{ "name": "fails", "turns": [{ "calls": [{ "tool": "Bash", "input": {} }] }, { "status": 500, "error": { "message": "no" } }] }]);
    let provider = scripted(ANSWER, &script);
    let jetway = House::new(setup(&provider, WAITS, ""));
    let mut asks = body("Go.");
    let answer = jetway.send(&asks);
    let told = answer.json()["content"].clone();
    let messages = asks["messages"].as_array_mut().unwrap();
    messages.push(json!({ "role": "assistant", "content": told }));
    messages.push(json!({ "role": "user", "content": [{ "type": "tool_result", "tool_use_id": told[0]["id"], "content": "ok" }] }));
    let failed = jetway.send(&asks);
    // A refusal names its run like any other answer.
    let run = answer.header("x-jetway-run").unwrap();
    assert_eq!((failed.status, failed.header("x-jetway-run")), (500, Some(run)));
    ends(&jetway, "failed", "answered");
    let text = questions(&provider).remove(0).to_string();
    assert!(text.contains("the provider of the model failed"), "{text}");
}

#[test]
fn an_agent_that_never_comes_back_has_abandoned_its_run() {
    let script = json!([{ "name": "calls", "turns": [{ "calls": [{ "tool": "Bash", "input": {} }] }] }]);
    let provider = scripted(ANSWER, &script);
    let jetway = House::new(setup(&provider, WAITS, ""));
    assert_eq!(jetway.send(&body("Go.")).status, 200);
    ends(&jetway, "abandoned", "answered");
    // Nobody answered its call: the question stands where the model was asked last.
    let question = questions(&provider).remove(0);
    assert!(!question.to_string().contains("tool_use\""), "{question}");
}

#[test]
fn the_last_step_ends_a_run_and_so_does_one_that_took_too_long() {
    let path = "breadcrumbs: [{ id: only, prompt: steps/1.md, max_turns: 1, on_stuck: end }]";
    let skip = &path.replace("end }", "skip }");
    let complete = json!({ "tool": "complete_step", "input": { "summary": "It is done." } });
    let bash = json!({ "tool": "Bash", "input": {} });
    let stuck = json!([{ "calls": [bash] }, { "calls": [bash] }, { "text": "I go on." }]);
    for (path, turns, how) in [
        (path, json!([{ "calls": [complete] }, { "text": "Done." }]), "completed"),
        (path, stuck.clone(), "stuck"),
        // A last step that was skipped is not done.
        (skip, stuck, "stuck"),
    ] {
        let provider = scripted(ANSWER, &json!([{ "name": "path", "turns": turns }]));
        let jetway = House::new(setup(&provider, WAITS, path).file("open/steps/1.md", "ALPHA"));
        let mut asks = body("Go.");
        loop {
            let content = jetway.send(&asks).json()["content"].clone();
            if !goes_on(asks["messages"].as_array_mut().unwrap(), &content, "ok") {
                break;
            }
        }
        ends(&jetway, how, "answered");
        let step = findings_step(&jetway);
        assert_eq!(step.as_deref(), Some("only"), "{how}");
    }
}

#[test]
fn a_finding_speaks_of_the_step_that_its_run_had_come_to() {
    let path = "breadcrumbs: [{ id: first, prompt: steps/1.md }, { id: second, prompt: steps/2.md }]";
    let complete = json!({ "tool": "complete_step", "input": { "summary": "It is done." } });
    // The reply that completes the first step is the last.
    let turns = json!([{ "calls": [complete] }, { "text": "I stop here." }]);
    let provider = scripted(ANSWER, &json!([{ "name": "path", "turns": turns }]));
    let setup = setup(&provider, WAITS, path).file("open/steps/1.md", "ALPHA").file("open/steps/2.md", "BETA");
    let jetway = House::new(setup);
    assert_eq!(jetway.send(&body("Go.")).status, 200);
    ends(&jetway, "quiet", "answered");
    assert_eq!(findings_step(&jetway).as_deref(), Some("second"));
    assert!(questions(&provider).remove(0).to_string().contains("The step that it was at: second."));
}

fn findings_step(jetway: &Jetway) -> Option<String> {
    let run = jetway.json(&["runs", "--json"])[0]["id"].as_str().unwrap().to_owned();
    let shown = jetway.json(&["runs", "show", &run, "--json"]);
    shown["findings"][0]["step"].as_str().map(str::to_owned)
}
