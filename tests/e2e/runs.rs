//! The run log as people use it: found, followed, exported, replayed, forgotten.

use std::io::{BufRead, BufReader};
use std::process::Stdio;

use jetway_scripted::Provider;
use jetway_support::agent::goes_on;
use jetway_support::client::{Answer, post};
use jetway_support::postgres;
use jetway_support::{Jetway, Setup, eventually, jetway, provider};
use serde_json::{Value, json};

const LOCKDOWN: &str = "
lockdown: { allow: ['*'], deny: ['reads(**/.env*)'], on_denied: explain }
context: { docs: docs, allowance: 500, min_score: 0.1 }
budget: { caps: [{ per: user, usd: 100, every: day }] }
";
const PAGE: &str = "# Errors\n\nThe middleware reports errors of Django to the collector.\n";
const SECRET: &str = "sk_live_0123456789marker";

fn bash(line: &str) -> Value {
    json!({ "calls": [{ "tool": "Bash", "input": { "command": line } }], "usage": { "input": 1000, "output": 100 } })
}

/// A model that lists, reads what it may not, and is done.
fn scripted() -> Provider {
    let turns = json!([bash("ls"), bash("cat .env"), { "text": "Done.", "usage": { "input": 1000, "output": 100 } }]);
    let cheap = json!({ "name": "cheap", "when": { "contains": "cheaply" }, "turns": [{ "text": "Hello.", "usage": { "input": 10, "output": 1 } }] });
    provider(&json!({ "scenarios": [cheap, { "name": "job", "turns": turns }] }).to_string())
}

fn setup(provider: &Provider, runs: &str) -> Setup {
    let mut setup = Setup::new(&provider.url()).with(LOCKDOWN).file("open/docs/errors.md", PAGE);
    setup.more = format!("runs: {{ {runs} }}");
    setup
}

fn send(jetway: &Jetway, run: &str, messages: &[Value]) -> Answer {
    let tools = json!([{ "name": "Bash", "input_schema": { "type": "object" } }, { "name": "WebFetch", "input_schema": { "type": "object" } }]);
    let body = json!({ "model": "claude-sonnet-5-5", "max_tokens": 1000, "tools": tools, "messages": messages });
    post("/v1/messages", body.to_string()).header("x-jetway-run", run).send(jetway.data)
}

/// An agent at work, and its run.
fn work(jetway: &Jetway, run: &str) -> String {
    // What a person says is not redacted on its way to the model.
    let task = format!("Report the errors of my Django app. The key is {SECRET}.");
    let mut messages = vec![json!({ "role": "user", "content": task })];
    loop {
        let answer = send(jetway, run, &messages);
        assert_eq!(answer.status, 200, "{}", answer.text());
        if !goes_on(&mut messages, &answer.json()["content"], "app.py") {
            return answer.header("x-jetway-run").unwrap().to_owned();
        }
    }
}

fn listed(jetway: &Jetway, options: &[&str]) -> Vec<String> {
    let runs = jetway.json(&[&["runs", "--json"], options].concat());
    runs.as_array().unwrap().iter().map(|run| run["id"].as_str().unwrap().to_owned()).collect()
}

/// Both stores are asked the same.
fn finds(more: &str) {
    let provider = scripted();
    let jetway = setup(&provider, more).start();
    let job = work(&jetway, "job");
    let cheap = send(&jetway, "cheap", &[json!({ "role": "user", "content": "cheaply" })]);
    let cheap = cheap.header("x-jetway-run").unwrap().to_owned();
    eventually(|| jetway.exchanges(3).len() == 3);
    let check = |options: &[&str], expect: &[&String]| {
        let found = listed(&jetway, options);
        assert_eq!(found.iter().collect::<Vec<_>>(), expect, "{options:?}");
    };
    check(&[], &[&cheap, &job]);
    check(&["--limit", "1"], &[&cheap]);
    check(&["--policy", "open", "--agent", "other", "--outcome", "complete"], &[&cheap, &job]);
    check(&["--user", "nobody"], &[]);
    check(&["--since", "1h"], &[&cheap, &job]);
    check(&["--since", "1ms"], &[]);
    check(&["--min-cost", "0.001"], &[&job]);
    check(&["--refused", "Bash"], &[&job]);
    check(&["--refused", "Bas"], &[]);
    check(&["--refused", "%"], &[]);
    check(&["--text", "READS(**/.env"], &[&job]);
    check(&["--text", "nothing of this"], &[]);
    assert_eq!(post(&format!("/v1/runs/{job}/end"), "").send(jetway.data).status, 200);
    eventually(|| listed(&jetway, &["--ended", "told"]) == [job.clone()]);
    check(&["--ended", "quiet"], &[]);
    let text = String::from_utf8(jetway.command(&["runs", "--user", "nobody"]).stdout).unwrap();
    assert_eq!(text, "No run is like that.\n");
    let wrong = jetway.command(&["runs", "--since", "yesterday"]);
    assert!(!wrong.status.success() && String::from_utf8_lossy(&wrong.stderr).contains("12h or 7d"));

    // Words that are none are said to be, and any age is one.
    check(&["--since", "99999999d"], &[&cheap, &job]);
    check(&["--policy", "open"], &[&cheap, &job]);
    for (options, why) in [
        (&["runs", "--outcome", "nonsense"][..], "provider_refused"),
        (&["runs", "--ended", "wat"], "aged"),
        (&["runs", "--limit", "0"], "--limit"),
        (&["runs", "show", ""], "value is required"),
        (&["runs", "--policy", "nope"], "no policy is called \"nope\""),
        (&["feedback", "--policy", "nope"], "no policy is called \"nope\""),
    ] {
        let wrong = jetway.command(options);
        let said = String::from_utf8_lossy(&wrong.stderr);
        assert!(!wrong.status.success() && said.contains(why), "{options:?}: {said}");
    }
    let all = jetway.command(&["feedback", "--since", "99999999d"]);
    assert!(all.status.success(), "{}", String::from_utf8_lossy(&all.stderr));

    // The timeline says what the model called, what it got, and how it ended.
    let text = String::from_utf8(jetway.command(&["runs", "show", &job]).stdout).unwrap();
    for line in ["called    Bash", "refused   Bash (deny reads(**/.env*))", "ended told"] {
        assert!(text.contains(line), "{line}\n{text}");
    }

    let export = String::from_utf8(jetway.command(&["runs", "export"]).stdout).unwrap();
    let lines: Vec<Value> = export.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let count = |name: &str| lines.iter().filter(|line| line[name].is_object()).count();
    assert_eq!(["run", "exchange", "ending", "finding"].map(count), [2, 4, 1, 0], "{export}");
    assert!(String::from_utf8(jetway.command(&["runs", "export", "--since", "1ms"]).stdout).unwrap().is_empty());
}

#[test]
fn runs_are_found_in_the_embedded_log() {
    finds("keep: 30d");
}

#[test]
fn runs_are_found_in_postgres() {
    finds(&format!("postgres: {{ urls: ['{}'], user: {}, timeout: 20s }}", postgres::database(), postgres::USER));
}

#[test]
fn what_ends_from_now_on_is_followed() {
    let provider = scripted();
    let gateway = setup(&provider, "").start();
    work(&gateway, "before");
    eventually(|| gateway.exchanges(2).len() == 2);
    let mut tail = jetway(gateway.folder.path(), &["runs", "tail", "--json"]).stdout(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(tail.stdout.take().unwrap()).lines();
    // It has looked once when what comes later is the first that it tells.
    std::thread::sleep(std::time::Duration::from_millis(1500));
    let run = work(&gateway, "after");
    let told: Value = serde_json::from_str(&lines.next().unwrap().unwrap()).unwrap();
    assert_eq!(told["run"].as_str().unwrap(), run);
    tail.kill().unwrap();
    tail.wait().unwrap();
}

#[test]
fn bodies_are_kept_as_they_were_or_without_secrets_or_not_at_all() {
    for (kept, has_body, has_secret) in [("none", false, false), ("redacted", true, false), ("full", true, true)] {
        let provider = scripted();
        let jetway = setup(&provider, &format!("bodies: {kept}")).start();
        let run = work(&jetway, "job");
        let mut story = Value::Null;
        eventually(|| {
            story = jetway.json(&["runs", "show", &run, "--json", "--bodies"]);
            let exchanges = story["exchanges"].as_array().unwrap();
            exchanges.len() == 2 && exchanges.iter().all(|exchange| exchange["sent"].is_object() == has_body)
        });
        // Also what was said is looked for, as it is kept.
        for (text, is_found) in [("my django app", has_body), (SECRET, has_secret)] {
            assert_eq!(listed(&jetway, &["--text", text]) == [run.clone()], is_found, "{kept} {text}");
        }
        let text = story.to_string();
        assert_eq!(text.contains("Report the errors"), has_body, "{kept}");
        assert_eq!(text.contains(SECRET), has_secret, "{kept}: {text}");
        if has_body {
            assert_eq!(story["exchanges"][0]["said"]["content"][0]["name"], "Bash", "{text}");
            assert!(jetway.metrics().contains("jetway_bodies_total{result=\"kept\"} 2"));
        }
        if kept == "full" {
            // What is kept is what was sent.
            let sent: Value = serde_json::from_slice(&provider.seen()[0].body).unwrap();
            assert_eq!(story["exchanges"][0]["sent"], sent);
        }
    }
}

/// Of agents that name no session.
#[test]
fn a_run_without_a_name_is_known_by_its_caller_its_agent_and_how_it_began() {
    let provider = provider("scenarios: [{ name: s, by: request, turns: [{ text: Hello. }] }]");
    let mut setup = setup(&provider, "");
    setup.credentials = String::from("{ env: PROVIDER_KEY }");
    setup.env.push((String::from("PROVIDER_KEY"), String::from("sk-operators")));
    let jetway = setup.start();
    let (ada, bob) = (jetway.key("open", "ada").1, jetway.key("open", "bob").1);
    let run = |key: &str, agent: &str, said: &[&str]| {
        let told = said
            .iter()
            .enumerate()
            .map(|(at, text)| json!({ "role": if at % 2 == 0 { "user" } else { "assistant" }, "content": text }));
        let body = json!({ "model": "claude-sonnet-5-5", "max_tokens": 99, "messages": told.collect::<Vec<_>>() });
        let ask = post("/v1/messages", body.to_string()).header("x-api-key", key).header("user-agent", agent);
        let answer = ask.send(jetway.data);
        assert_eq!(answer.status, 200, "{}", answer.text());
        answer.header("x-jetway-run").unwrap().to_owned()
    };
    let first = run(&ada, "alpha/1.0", &["Add it."]);
    // It goes on, and its agent may be brought up to date in between.
    assert_eq!(run(&ada, "alpha/1.0", &["Add it.", "Hello.", "Go on."]), first);
    assert_eq!(run(&ada, "alpha/1.1 (linux)", &["Add it.", "Hello.", "Go on.", "Hello.", "And more."]), first);
    // The same words of another agent, of another caller, and others.
    let others = [
        run(&ada, "beta/1.0", &["Add it."]),
        run(&bob, "alpha/1.0", &["Add it."]),
        run(&ada, "alpha/1.0", &["Add that.", "Hello.", "Add it."]),
    ];
    let all: std::collections::BTreeSet<&String> = others.iter().chain([&first]).collect();
    assert_eq!(all.len(), 4, "{first} {others:?}");
    eventually(|| jetway.exchanges(6).len() == 6);
    let listed = jetway.json(&["runs", "--json"]);
    let turns = |id: &str| listed.as_array().unwrap().iter().find(|run| run["id"] == id).unwrap()["turns"].clone();
    assert_eq!((turns(&first), others.each_ref().map(|run| turns(run))), (json!(3), [json!(1), json!(1), json!(1)]));
}

#[test]
fn what_a_model_says_in_several_parts_is_kept_without_secrets() {
    let curl =
        |url: &str| json!({ "tool": "Bash", "input": { "command": format!("curl -H 'Bearer {SECRET}' {url}") } });
    let turn = json!({ "text": "Both.", "calls": [curl("https://a.example"), curl("https://b.example")] });
    let provider = provider(&json!({ "scenarios": [{ "name": "job", "turns": [turn] }] }).to_string());
    let jetway = setup(&provider, "bodies: redacted").start();
    let (named, schema) = (json!({ "name": "Bash" }), json!({ "type": "object" }));
    let said = json!([{ "role": "user", "content": "Ask both." }]);
    let check = |path: &str, body: Value, parts: usize| {
        let mut tool = named.clone();
        let schema_in = if path == "/v1/messages" { "input_schema" } else { "parameters" };
        tool[schema_in] = schema.clone();
        let tool = if path == "/v1/chat/completions" {
            json!({ "type": "function", "function": tool })
        } else if path == "/v1/responses" {
            tool["type"] = json!("function");
            tool
        } else {
            tool
        };
        for stream in [false, true] {
            let mut body = body.clone();
            (body["tools"], body["stream"]) = (json!([tool]), json!(stream));
            let run = format!("{path}{stream}").replace('/', "-");
            let answer = post(path, body.to_string()).header("x-jetway-run", &run).send(jetway.data);
            assert_eq!(answer.status, 200, "{path} {}", answer.text());
            let run = answer.header("x-jetway-run").unwrap().to_owned();
            let mut kept = Value::Null;
            eventually(|| {
                let story = jetway.command(&["runs", "show", &run, "--json", "--bodies"]).stdout;
                let story: Value = serde_json::from_slice(&story).unwrap_or_default();
                kept = story["exchanges"][0].clone();
                kept["sent"].is_object()
            });
            let text = kept["said"].to_string();
            assert!(!text.contains(SECRET) && text.contains("https://a.example"), "{path} {stream}: {kept}");
            assert!(text.contains("https://b.example") && text.contains("Both."), "{path} {stream}: {kept}");
            assert_eq!(kept["said"].as_array().map_or(1, Vec::len), parts, "{path} {stream}: {kept}");
            // It is found by what was said, too, and judged again.
            assert!(listed(&jetway, &["--text", "b.example"]).contains(&run), "{path} {stream}");
            let replay = jetway.json(&["runs", "replay", &run, "--json"]);
            assert_eq!(replay["calls"].as_array().map(Vec::len), Some(2), "{path} {stream}: {replay}");
        }
    };
    check("/v1/messages", json!({ "model": "claude-sonnet-5-5", "max_tokens": 99, "messages": said }), 1);
    check("/v1/chat/completions", json!({ "model": "gpt-5.5", "messages": said }), 1);
    check("/v1/responses", json!({ "model": "gpt-5.5", "input": said }), 3);
    assert!(!jetway.metrics().contains("jetway_bodies_total{result=\"failed\"} 1"), "{}", jetway.metrics());
}

#[test]
fn a_user_can_be_erased() {
    let provider = scripted();
    let jetway = setup(&provider, "bodies: full").start();
    work(&jetway, "job");
    eventually(|| jetway.exchanges(2).len() == 2);
    let user = jetway.json(&["runs", "--json"])[0]["user"].as_str().unwrap().to_owned();
    let erase =
        |more: &[&str]| jetway.command(&[&["runs", "erase", "--user", &user, "--reason", "asked for"], more].concat());
    assert!(!erase(&[]).status.success());
    assert_eq!(listed(&jetway, &[]).len(), 1);
    assert!(erase(&["--yes"]).status.success());
    assert!(listed(&jetway, &[]).is_empty());
    let actions = jetway.json(&["budgets", "log", "--json"]);
    assert_eq!((&actions[0]["what"], &actions[0]["reason"]), (&json!("erase"), &json!("asked for")));
    assert!(!actions.to_string().contains(&user), "{actions}");
}

#[test]
fn a_run_is_replayed_under_another_policy() {
    let provider = scripted();
    let jetway = setup(&provider, "bodies: redacted").start();
    let run = work(&jetway, "job");
    eventually(|| jetway.exchanges(2).len() == 2);
    let same = jetway.json(&["runs", "replay", &run, "--json"]);
    let fates = |replay: &Value| -> Vec<String> {
        let calls = replay["calls"].as_array().unwrap().iter();
        calls.map(|call| format!("{} {}", call["fate"].as_str().unwrap(), call["by"].as_str().unwrap_or("-"))).collect()
    };
    assert_eq!(fates(&same), ["allowed -", "refused deny reads(**/.env*)"], "{same}");
    assert_eq!(same["passages"], same["passages_then"], "{same}");
    assert_eq!((&same["cost_micros"], &same["bodies"]), (&same["cost_micros_then"], &json!(2)), "{same}");

    let other = "
lockdown: { allow: ['*'], deny: ['Bash(ls *)', WebFetch] }
budget: { output_limit: 10, caps: [{ per: run, usd: 0.004, every: run }] }
";
    let folder = jetway.folder.path().join("other/open");
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::write(folder.join("policy.yaml"), format!("{}{other}", jetway_support::OPEN)).unwrap();
    let folder = folder.display().to_string();
    let replay = jetway.json(&["runs", "replay", &run, "--policy", &folder, "--json"]);
    assert_eq!(fates(&replay), ["refused deny Bash(ls *)", "allowed -"], "{replay}");
    assert_eq!(replay["hidden"], json!(["WebFetch"]));
    assert!(
        replay["passages"].as_array().unwrap().is_empty() && !replay["passages_then"].as_array().unwrap().is_empty()
    );
    // 1000 of input, less what was put in, and 10 of output, of two turns of which the first leaves something.
    let cost = replay["cost_micros"].as_i64().unwrap();
    assert!((2_000..6_300).contains(&cost) && replay["refused_from"].is_null(), "{replay}");
    let text = String::from_utf8(jetway.command(&["runs", "replay", &run, "--policy", &folder]).stdout).unwrap();
    assert!(text.contains("by deny Bash(ls *)") && text.contains("tools that would be hidden: WebFetch"), "{text}");

    let diff = jetway.json(&["policy", "diff", "open", &folder, "--json"]);
    assert_eq!((&diff["runs"], &diff["calls"][0]["before"]), (&json!(1), &json!("allowed")), "{diff}");
    assert_eq!(diff["calls"][0]["after"], "refused: deny Bash(ls *)");
    assert_eq!(diff["not_shown"].as_object().unwrap().len(), 1, "{diff}");
    let text = String::from_utf8(jetway.command(&["policy", "diff", "open", &folder]).stdout).unwrap();
    assert!(text.contains("runs a second") && text.contains("hidden now: WebFetch (in 1 runs)"), "{text}");
    let missing = jetway.command(&["policy", "diff", "open", "nowhere"]);
    assert!(String::from_utf8_lossy(&missing.stderr).contains("neither a policy (open) nor a folder"));
}

/// A model whose first reply stops short, as one behind a proxy that is restarted.
fn short(more: &str) {
    let turns = json!([{ "text": "one two three four", "fault": { "close": { "after": 4 } } }, { "text": "Done." }]);
    let provider =
        provider(&json!({ "scenarios": [{ "name": "short", "by": "request", "turns": turns }] }).to_string());
    let jetway = setup(&provider, more).start();
    let tool = |name: &str| json!({ "name": name, "input_schema": { "type": "object" } });
    let send = |tools: &[Value], agent: &str| {
        let body = json!({
            "model": "claude-sonnet-5-5", "max_tokens": 1000, "stream": true, "tools": tools,
            "messages": [{ "role": "user", "content": "Go." }],
        });
        let ask = post("/v1/messages", body.to_string()).header("x-claude-code-session-id", "job");
        let ask = if agent.is_empty() { ask } else { ask.header("x-claude-code-agent-id", agent) };
        ask.send(jetway.data).header("x-jetway-run").unwrap().to_owned()
    };
    // Tried, tried again; then with another list of tools, and by two sub-agents that are told the same.
    let run = send(&[tool("Bash")], "");
    send(&[tool("Bash")], "");
    send(&[tool("Bash"), tool("Read")], "");
    send(&[tool("Bash"), tool("Read")], "a1");
    send(&[tool("Bash"), tool("Read")], "a2");
    eventually(|| jetway.exchanges(5).len() == 5);
    let told = jetway.json(&["runs", "show", &run, "--json"]);
    let exchanges = told["exchanges"].as_array().unwrap();
    let each = |name: &str| exchanges.iter().map(|exchange| exchange[name].as_str()).collect::<Vec<_>>();
    let ids = each("id");
    assert_eq!(
        (&each("outcome")[..2], &told["run"]["turns"]),
        (&[Some("provider_truncated"), Some("complete")][..], &json!(4))
    );
    assert_eq!(each("again_of"), [None, ids[0], None, None, None], "{told}");
    assert_eq!(each("retried_by"), [ids[1], None, None, None, None], "{told}");
    assert_eq!(each("speaker"), [None, None, None, Some("a1"), Some("a2")], "{told}");
    assert_eq!(&each("prefix_break")[..3], [None, None, Some("agent")], "{told}");
    assert_eq!(listed(&jetway, &["--outcome", "retried"]), std::slice::from_ref(&run));
    let text = String::from_utf8(jetway.command(&["runs", "show", &run]).stdout).unwrap();
    for line in
        ["provider_truncated, retried", "again     the request of x_", "as the one before: agent", "(a sub-agent a1)"]
    {
        assert!(text.contains(line), "{line}\n{text}");
    }
}

#[test]
fn what_is_sent_again_counts_once_and_is_told() {
    short("keep: 30d");
}

#[test]
fn what_is_sent_again_counts_once_in_postgres_too() {
    short(&format!("postgres: {{ urls: ['{}'], user: {}, timeout: 20s }}", postgres::database(), postgres::USER));
}

#[test]
fn a_refusal_names_its_run_too_where_that_is_known() {
    let scenarios = json!([
        { "name": "busy", "when": { "contains": "busy" }, "turns": [{ "status": 529 }] },
        { "name": "moved", "when": { "contains": "moved" }, "turns": [{ "status": 503 }] },
        { "name": "plain", "turns": [{ "text": "Hello." }] },
    ]);
    let provider = provider(&json!({ "scenarios": scenarios }).to_string());
    let caps = "budget: { caps: [{ per: user, usd: 0.05, every: day }] }\n";
    let mut setup = Setup::new(&provider.url()).with(caps);
    setup.policies[0].1 = setup.policies[0].1.replace("allow: ['*']", "allow: ['claude-*']");
    let jetway = setup.start();
    let ask = |(model, say, most): (&str, &str, u32)| {
        let messages = json!([{ "role": "user", "content": say }]);
        let body = json!({ "model": model, "max_tokens": most, "messages": messages }).to_string();
        post("/v1/messages", body).header("x-jetway-run", "job").send(jetway.data)
    };
    let run = ask(("claude-sonnet-5-5", "Go.", 99)).header("x-jetway-run").unwrap().to_owned();
    for (asked, status) in [
        (("gpt-5.5", "Go.", 99), 403),
        (("claude-sonnet-5-5", "Go.", 90_000), 429),
        (("claude-sonnet-5-5", "It is busy.", 99), 529),
        (("claude-sonnet-5-5", "It is moved.", 99), 503),
    ] {
        let answer = ask(asked);
        assert_eq!((answer.status, answer.header("x-jetway-run")), (status, Some(run.as_str())), "{}", answer.text());
    }
    // One that cannot be read names it where its headers do.
    let broken = post("/v1/messages", "{").header("x-jetway-run", "job").send(jetway.data);
    assert_eq!((broken.status, broken.header("x-jetway-run")), (400, Some(run.as_str())), "{}", broken.text());
    // Of one that nobody knows there is nothing to name.
    let broken = post("/v1/messages", "{").header("x-jetway-run", "nothing").send(jetway.data);
    assert_eq!((broken.status, broken.header("x-jetway-run")), (400, None));
}
