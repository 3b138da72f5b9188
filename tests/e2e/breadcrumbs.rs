//! A run is led through its steps: one at a time, in order, in a prompt that grows only at its end.

use jetway_scripted::Provider;
use jetway_support::agent::goes_on;
use jetway_support::client::post;
use jetway_support::{Jetway, Setup, provider};
use serde_json::{Value, json};

const PATH: &str = "
breadcrumbs:
  - { id: look, prompt: steps/1-look.md }
  - { id: plan, prompt: steps/2-plan.md, done: { all: [{ call: 'writes(**/plan.json)' }, complete_step] } }
  - { id: test, prompt: steps/3-test.md, done: { result: '\\d+ passed' }, max_turns: 2, on_stuck: nudge }
";
const STEPS: [(&str, &str, &str); 3] = [
    ("look", "open/steps/1-look.md", "ALPHA: look at {{ frameworks|join(', ') or 'the project' }}."),
    ("plan", "open/steps/2-plan.md", "BRAVO: write plan.json."),
    ("test", "open/steps/3-test.md", "CHARLIE: run the tests."),
];
const WORDS: [&str; 4] = ["ALPHA", "BRAVO", "CHARLIE", "All steps are done"];

fn setup(provider: &str, path: &str) -> Setup {
    STEPS.iter().fold(Setup::new(provider).with(path), |setup, (_, file, text)| setup.file(file, text))
}

/// An agent of the Messages API that keeps its own conversation.
struct Agent<'a> {
    jetway: &'a Jetway,
    run: &'a str,
    history: Vec<Value>,
}

impl<'a> Agent<'a> {
    fn new(jetway: &'a Jetway, run: &'a str) -> Self {
        let task = json!({ "role": "user", "content": "Add it to my Django app." });
        Self { jetway, run, history: vec![task] }
    }

    /// One request; what the model called is told with these results on the next.
    fn turn(&mut self, result: &str) -> Value {
        let tools = json!([{ "name": "Bash", "input_schema": { "type": "object" } }, { "name": "Write", "input_schema": { "type": "object" } }]);
        let body = json!({ "model": "claude-x", "max_tokens": 1000, "tools": tools, "messages": self.history });
        let answer = post("/v1/messages", body.to_string()).header("x-jetway-run", self.run).send(self.jetway.data);
        assert_eq!(answer.status, 200, "{}", answer.text());
        let content = answer.json()["content"].clone();
        goes_on(&mut self.history, &content, result);
        content
    }
}

/// Which of the steps a request tells.
fn told(body: &[u8]) -> Vec<&'static str> {
    let body = String::from_utf8_lossy(body);
    WORDS.into_iter().filter(|word| body.contains(word)).collect()
}

pub(crate) fn bash(line: &str) -> Value {
    json!({ "tool": "Bash", "input": { "command": line } })
}

pub(crate) fn complete() -> Value {
    json!({ "tool": "complete_step", "input": { "summary": "It is done." } })
}

fn write_plan() -> Value {
    json!({ "tool": "Write", "input": { "file_path": "plan.json", "content": "{}" } })
}

fn script(turns: &[Value]) -> String {
    let turns: Vec<Value> = turns.iter().map(|calls| json!({ "calls": calls })).collect();
    let mut turns = turns;
    turns.push(json!({ "text": "Finished." }));
    json!({ "scenarios": [{ "name": "path", "turns": turns }] }).to_string()
}

pub(crate) fn growing(provider: &Provider) {
    let mut before = String::new();
    for (turn, seen) in provider.seen().iter().enumerate() {
        let body: Value = serde_json::from_slice(&seen.body).unwrap();
        let messages = body["messages"].to_string();
        let open = messages.strip_suffix(']').unwrap();
        assert!(open.starts_with(&before), "turn {turn}\n{before}\n{open}");
        before = open.to_owned();
    }
}

#[test]
fn steps_come_one_at_a_time_and_in_order() {
    let turns = [
        json!([bash("ls")]),
        json!([complete()]),
        json!([write_plan()]),
        json!([{ "tool": "complete_step", "input": { "summary": "It is done.", "evidence": "STRIPE_KEY=sk_live_51H8xAbCdEfGhIjKlMnOpQrSt" } }]),
        json!([bash("npm test")]),
        json!([bash("npm test")]),
    ];
    let provider = provider(&script(&turns));
    let jetway = setup(&provider.url(), PATH).start();
    let mut agent = Agent::new(&jetway, "one");
    agent.turn("app.py"); // ls
    agent.turn("written"); // complete_step, and in the same reply the plan
    agent.turn("1 failed"); // complete_step, and in the same reply a test
    agent.turn("12 passed"); // a test
    assert_eq!(agent.turn("")[0]["text"], "Finished.");

    let seen: Vec<Vec<&str>> = provider.seen().iter().map(|seen| told(&seen.body)).collect();
    assert_eq!(
        seen,
        [
            &WORDS[..1], // the first
            &WORDS[..1], // with the listing
            &WORDS[..2], // in the answer to complete_step
            &WORDS[..2], // with the plan's result
            &WORDS[..3], // in the answer
            &WORDS[..3], // tests fail
            &WORDS[..4], // behind the result that says that they pass
        ]
    );
    let last = String::from_utf8(provider.seen().pop().unwrap().body.to_vec()).unwrap();
    assert_eq!(WORDS.map(|word| last.matches(word).count()), [1; 4], "each is told once: {last}");
    let first = String::from_utf8(provider.seen()[0].body.to_vec()).unwrap();
    assert!(first.contains("ALPHA: look at django.") && first.contains("number=\\\"1\\\" of=\\\"3\\\""), "{first}");
    growing(&provider);

    let exchanges = jetway.exchanges(5);
    let steps: Vec<_> = exchanges.iter().map(|exchange| exchange["step"].as_str().unwrap()).collect();
    assert_eq!(steps, ["look", "look", "plan", "test", "test"]);
    let left: Vec<String> = exchanges
        .iter()
        .map(|exchange| {
            let left = exchange["steps_left"].as_array().unwrap();
            left.iter()
                .map(|left| format!("{} {} {}", left["step"], left["how"], left["turns"]))
                .collect::<Vec<_>>()
                .join(",")
        })
        .collect();
    let said: Vec<_> = exchanges.iter().flat_map(|exchange| exchange["steps_left"].as_array().unwrap()).collect();
    let said: Vec<&Value> = said.into_iter().map(|left| &left["said"]).collect();
    assert_eq!(
        said,
        [&json!("It is done."), &json!("It is done.\nSTRIPE_KEY=[redacted:env:STRIPE_KEY]"), &Value::Null]
    );
    let shown =
        String::from_utf8(jetway.command(&["runs", "show", exchanges[0]["run"].as_str().unwrap()]).stdout).unwrap();
    assert!(shown.contains("look completed after 2 turns and ") && shown.contains(" s: It is done."), "{shown}");
    assert_eq!(left, ["", "\"look\" \"completed\" 2", "\"plan\" \"completed\" 1", "", "\"test\" \"completed\" 2"]);
    let metrics = jetway.metrics();
    let all = || exchanges.iter().flat_map(|exchange| exchange["steps_left"].as_array().unwrap());
    let left_by = |step: &str| all().find(|left| left["step"] == step).unwrap();
    for step in ["look", "plan", "test"] {
        let line = format!("jetway_steps_total{{how=\"completed\",policy=\"open\",step=\"{step}\"}} 1");
        assert!(metrics.contains(&line), "{metrics}");
        let turns = if step == "plan" { 1 } else { 2 };
        let line = format!("jetway_step_turns_total{{policy=\"open\",step=\"{step}\"}} {turns}\n");
        assert!(metrics.contains(&line), "{metrics}");
        let millis = left_by(step)["millis"].as_f64().unwrap();
        let line = format!("jetway_step_seconds_total{{policy=\"open\",step=\"{step}\"}} {}\n", millis / 1000.0);
        assert!(metrics.contains(&line), "{line}{metrics}");
    }
}

#[test]
fn a_model_that_skips_ahead_is_told_what_is_missing() {
    let turns =
        [json!([complete()]), json!([complete()]), json!([complete()]), json!([write_plan()]), json!([complete()])];
    let provider = provider(&script(&turns));
    let jetway = setup(&provider.url(), PATH).start();
    let mut agent = Agent::new(&jetway, "one");
    agent.turn("written"); // three times complete_step, of which two are refused; then the plan
    agent.turn(""); // complete_step
    let seen = provider.seen();
    let third = String::from_utf8(seen[2].body.to_vec()).unwrap();
    assert!(third.contains("The step `plan` is not done yet") && third.contains("writes(**/plan.json)"), "{third}");
    let steps: Vec<usize> = seen.iter().map(|seen| told(&seen.body).len()).collect();
    assert_eq!(steps, [1, 2, 2, 2, 2, 3]);
    growing(&provider);
}

#[test]
fn a_step_is_read_before_it_can_be_completed() {
    // Twice in one turn; and then again in a turn that the agent does not tell afterwards.
    let path = PATH.replace("done: { all: [{ call: 'writes(**/plan.json)' }, complete_step] }", "done: complete_step");
    let provider = provider(&script(&[json!([bash("ls")]), json!([complete(), complete()]), json!([bash("ls")])]));
    let jetway = setup(&provider.url(), &path).start();
    let mut agent = Agent::new(&jetway, "one");
    agent.turn("app.py");
    let history = agent.history.clone();
    agent.turn("app.py");
    let second = String::from_utf8(provider.seen()[2].body.to_vec()).unwrap();
    assert!(second.contains("You were given a step just now"), "{second}");
    assert_eq!(told(second.as_bytes()), &WORDS[..2]);
    // The reply was lost on its way: what the agent tells has no word of the second step.
    let mut agent = Agent { jetway: &jetway, run: "one", history };
    let before = provider.seen().len();
    agent.turn("app.py");
    assert_eq!(told(&provider.seen()[before].body), &WORDS[..2], "it is told again");
    assert_eq!(jetway.exchanges(3).last().unwrap()["step"], "plan");
}

#[test]
fn another_run_that_begins_alike_begins_its_own_path() {
    let provider = provider(&script(&[json!([complete()]), json!([bash("ls")])]));
    let jetway = setup(&provider.url(), PATH).start();
    for _ in 0..2 {
        let before = provider.seen().len();
        Agent::new(&jetway, "one").turn("app.py");
        assert_eq!(told(&provider.seen()[before].body), &WORDS[..1]);
        assert_eq!(told(&provider.seen()[before + 1].body), &WORDS[..2]);
    }
    let steps: Vec<Value> = jetway.exchanges(2).iter().map(|exchange| exchange["steps_left"].clone()).collect();
    assert_eq!(steps[0][0]["step"], steps[1][0]["step"], "{steps:?}");
}

#[test]
fn a_step_has_use_for_some_calls_and_the_next_for_others() {
    // In one reply: it writes too early, completes the step, and writes again.
    let provider = provider(&script(&[json!([write_plan()]), json!([complete()]), json!([write_plan()])]));
    let path = PATH.replace("prompt: steps/1-look.md", "prompt: steps/1-look.md, tools: ['Bash(ls *)', Read]");
    // It is in force also where the policy's lockdown only notes what it would do.
    let path = path + "lockdown: { allow: ['*'], deny: [WebFetch], mode: shadow }\n";
    let jetway = setup(&provider.url(), &path).start();
    let content = Agent::new(&jetway, "one").turn("written");
    let calls: Vec<&Value> = content.as_array().unwrap().iter().filter(|block| block["type"] == "tool_use").collect();
    assert_eq!(calls.len(), 1, "{content}");
    let second = String::from_utf8(provider.seen()[1].body.to_vec()).unwrap();
    assert!(second.contains("The step `look` has no use for this call of `Write`"), "{second}");
    let exchange = jetway.exchanges(1).remove(0);
    assert_eq!(exchange["calls_refused"], json!([{ "tool": "Write", "rule": "step look" }]));
    assert_eq!(exchange["tools_refused"], 1);
    let decided = &exchange["decisions"][0];
    assert_eq!((&decided["what"], &decided["noted"]), (&json!("corrected"), &Value::Null), "{exchange}");
    assert!(decided["reason"].as_str().unwrap().contains("The step `look` has no use for"), "{exchange}");
    // The list of tools is the same all along.
    let tools = |at: usize| serde_json::from_slice::<Value>(&provider.seen()[at].body).unwrap()["tools"].clone();
    assert_eq!(tools(0), tools(2));
}

#[test]
fn evidence_of_another_shape_is_sent_back() {
    let said =
        |evidence: &str| json!([{ "tool": "complete_step", "input": { "summary": "Planned.", "evidence": evidence } }]);
    let provider = provider(&script(&[said("all done"), said("[1]"), said("[\"order placed\"]")]));
    let path = PATH.replace("prompt: steps/1-look.md", "prompt: steps/1-look.md, evidence: steps/events.json");
    let schema = r#"{ "type": "array", "items": { "type": "string" } }"#;
    let jetway = setup(&provider.url(), &path).file("open/steps/events.json", schema).start();
    Agent::new(&jetway, "one").turn("");
    let seen = provider.seen();
    let bodies: Vec<String> = seen.iter().map(|seen| String::from_utf8(seen.body.to_vec()).unwrap()).collect();
    assert!(bodies[0].contains("JSON that this schema describes"), "{}", bodies[0]);
    assert!(bodies[1].contains("it is no JSON") && bodies[2].contains("`/0`: 1 is not of type"), "{}", bodies[2]);
    let steps: Vec<usize> = seen.iter().map(|seen| told(&seen.body).len()).collect();
    assert_eq!(steps, [1, 1, 1, 2]);
}

#[test]
fn a_step_that_takes_too_long_is_reminded_of() {
    let ls = || json!([bash("ls")]);
    let path = PATH.replace("id: look, prompt: steps/1-look.md", "id: look, prompt: steps/1-look.md, max_turns: 2");
    for (word, expect) in [("nudge", 1), ("skip", 2), ("end", 1)] {
        let provider = provider(&script(&[ls(), ls(), ls()]));
        let path = path.replace("max_turns: 2 }", &format!("max_turns: 2, on_stuck: {word} }}"));
        let jetway = setup(&provider.url(), &path).start();
        let mut agent = Agent::new(&jetway, "one");
        (0..4).for_each(|_| {
            agent.turn("app.py");
        });
        let last = provider.seen().pop().unwrap();
        assert_eq!(told(&last.body).len(), expect, "{word}");
        let last = String::from_utf8(last.body.to_vec()).unwrap();
        let reminders = last.matches("This step has taken 2 turns").count();
        assert_eq!(reminders, usize::from(word == "nudge"), "{last}");
        assert_eq!(last.contains("has taken too long. Stop here"), word == "end", "{last}");
        growing(&provider);
    }
}

#[test]
fn a_run_keeps_its_path_after_an_edit_and_a_restart_and_others_get_the_new_one() {
    let turns = [json!([bash("ls")]), json!([bash("ls")]), json!([complete()]), json!([bash("ls")])];
    let provider = provider(&script(&turns));
    let first = setup(&provider.url(), PATH).start();
    let mut agent = Agent::new(&first, "one");
    agent.turn("app.py");
    let history = agent.history.clone();
    let edit = |jetway: &Jetway| {
        let file = jetway.folder.path().join("policies/open/steps/2-plan.md");
        std::fs::write(file, "DELTA: all else.").unwrap();
        jetway.says("is in force");
    };
    edit(&first);
    let second = setup(&provider.url(), PATH).start_in(first.kill());
    edit(&second);
    let mut agent = Agent { jetway: &second, run: "one", history };
    agent.turn("app.py");
    agent.turn("app.py");
    assert_eq!(told(&provider.seen().pop().unwrap().body), &WORDS[..2]);
    growing(&provider);
}

#[test]
fn two_jetways_of_a_fleet_take_turns_on_one_run() {
    let turns =
        [json!([bash("ls")]), json!([complete()]), json!([write_plan()]), json!([complete()]), json!([bash("ls")])];
    let (provider, redis) = (provider(&script(&turns)), jetway_support::redis::Redis::start(&[]));
    let secret = redis.folder().join("secret");
    std::fs::write(&secret, "0123456789abcdef0123456789abcdef").unwrap();
    let fleet = [(); 2].map(|()| {
        let mut setup = setup(&provider.url(), PATH);
        let (secret, url) = (secret.display(), redis.url());
        setup.more = format!("secret: {{ file: {secret} }}\nledger: {{ redis: {{ urls: ['{url}'], timeout: 5s }} }}");
        setup.start()
    });
    let mut history = Agent::new(&fleet[0], "one").history;
    for jetway in [&fleet[0], &fleet[1], &fleet[0], &fleet[1]] {
        let mut agent = Agent { jetway, run: "one", history };
        agent.turn("12 passed");
        history = agent.history;
    }
    let steps: Vec<usize> = provider.seen().iter().map(|seen| told(&seen.body).len()).collect();
    assert_eq!(steps, [1, 1, 2, 2, 3, 4]);
    growing(&provider);
}

/// What nobody names is known by how it began.
#[test]
fn another_run_that_begins_alike_has_no_evidence_of_one_that_died_in_its_first_step() {
    const FIRST: &str = "
breadcrumbs:
  - { id: plan, prompt: steps/1-look.md, done: { all: [{ call: 'writes(**/plan.json)' }, complete_step] }, allowance: { tokens: 300 }, on_stuck: end }
  - { id: next, prompt: steps/2-plan.md }
";
    let model = |turns: &[Value]| {
        let usage = json!({ "input": 100, "output": 20 });
        let mut turns: Vec<Value> = turns.iter().map(|calls| json!({ "calls": calls, "usage": usage })).collect();
        turns.push(json!({ "text": "Finished.", "usage": usage }));
        json!({ "scenarios": [{ "name": "path", "turns": turns }] }).to_string()
    };
    let provider = provider(&model(&[json!([write_plan()]), json!([bash("ls")]), json!([bash("ls")])]));
    let jetway = setup(&provider.url(), FIRST).start();
    let ask = |history: &Value| {
        let tools = json!([{ "name": "Bash", "input_schema": { "type": "object" } }, { "name": "Write", "input_schema": { "type": "object" } }]);
        let body = json!({ "model": "claude-x", "max_tokens": 1000, "tools": tools, "messages": history });
        let answer = post("/v1/messages", body.to_string()).send(jetway.data);
        assert_eq!(answer.status, 200, "{}", answer.text());
        answer.json()["content"].clone()
    };
    let begin = || vec![json!({ "role": "user", "content": "Add it." })];
    let mut history = begin();
    for _ in 0..2 {
        let content = ask(&json!(history));
        goes_on(&mut history, &content, "written");
    }
    ask(&json!(history));
    jetway.exchanges(3);
    // It has the evidence, and has used up what the step may use; the other has neither.
    provider.play(jetway_scripted::Script::parse(&model(&[json!([complete()]), json!([bash("ls")])])).unwrap());
    let before = provider.seen().len();
    let mut history = begin();
    let content = ask(&json!(history));
    let bodies = || -> String {
        provider.seen()[before..].iter().map(|seen| String::from_utf8_lossy(&seen.body).into_owned()).collect()
    };
    assert!(!bodies().contains("BRAVO"), "{}", bodies());
    goes_on(&mut history, &content, "app.py");
    ask(&json!(history));
    assert!(!bodies().contains("Stop here"), "{}", bodies());
}

#[test]
fn a_request_that_is_refused_comes_to_no_step_and_leaves_none() {
    let provider = provider(&script(&[json!([bash("ls")]), json!([bash("ls")])]));
    let path =
        PATH.replace("id: look, prompt: steps/1-look.md", "id: look, prompt: steps/1-look.md, done: { call: Bash }");
    let caps = "budget: { caps: [{ per: user, usd: 0.05, every: day }] }\n";
    let jetway = setup(&provider.url(), &(path + caps)).start();
    let mut history = vec![json!({ "role": "user", "content": "Add it." })];
    for _ in 0..2 {
        let ask = |most: u32| {
            let tools = json!([{ "name": "Bash", "input_schema": { "type": "object" } }]);
            let body = json!({ "model": "claude-sonnet-5-5", "max_tokens": most, "tools": tools, "messages": history });
            post("/v1/messages", body.to_string()).header("x-jetway-run", "one").send(jetway.data)
        };
        assert_eq!(ask(90_000).status, 429);
        let answer = ask(1000);
        assert_eq!(answer.status, 200, "{}", answer.text());
        goes_on(&mut history, &answer.json()["content"], "app.py");
    }
    let exchanges = jetway.exchanges(4);
    let left: Vec<usize> = exchanges.iter().map(|one| one["steps_left"].as_array().map_or(0, Vec::len)).collect();
    assert_eq!(left, [0, 0, 0, 1], "{exchanges:?}");
    let metrics = jetway.metrics();
    for line in [
        "jetway_steps_entered_total{policy=\"open\",step=\"look\"} 1",
        "jetway_steps_entered_total{policy=\"open\",step=\"plan\"} 1",
        "jetway_steps_total{how=\"completed\",policy=\"open\",step=\"look\"} 1",
    ] {
        assert!(metrics.contains(line), "{line}\n{metrics}");
    }
}

fn on_redis(redis: &jetway_support::redis::Redis, mut setup: Setup) -> Jetway {
    let secret = redis.folder().join("secret");
    std::fs::write(&secret, "0123456789abcdef0123456789abcdef").unwrap();
    let (secret, url) = (secret.display(), redis.url());
    setup.more = format!("secret: {{ file: {secret} }}\nledger: {{ redis: {{ urls: ['{url}'], timeout: 5s }} }}");
    setup.start()
}

#[test]
fn what_is_refused_leaves_no_path_in_redis_and_a_path_is_there_once_for_all_runs() {
    let (provider, redis) = (provider(&script(&[json!([bash("ls")])])), jetway_support::redis::Redis::start(&[]));
    let kept = |pattern: &str| redis.cli(&["--scan", "--pattern", pattern]).lines().count();
    let send = |jetway: &Jetway, run: &str| {
        let tools = json!([{ "name": "Bash", "input_schema": { "type": "object" } }]);
        let messages = json!([{ "role": "user", "content": "Go." }]);
        let body = json!({ "model": "claude-x", "max_tokens": 1000, "tools": tools, "messages": messages });
        post("/v1/messages", body.to_string()).header("x-jetway-run", run).send(jetway.data).status
    };
    let poor = "budget: { caps: [{ per: user, usd: 0.000001, every: day }] }\n".to_owned() + PATH;
    let jetway = on_redis(&redis, setup(&provider.url(), &poor));
    for run in 0..5 {
        assert_eq!(send(&jetway, &run.to_string()), 429);
    }
    assert_eq!((kept("*:path"), kept("*:progress"), kept("*{path:*")), (0, 0, 0));
    drop(jetway);
    let jetway = on_redis(&redis, setup(&provider.url(), PATH));
    for run in 0..3 {
        assert_eq!(send(&jetway, &run.to_string()), 200);
    }
    assert_eq!((kept("*:path"), kept("*:progress"), kept("*{path:*")), (3, 3, 1));
    assert!(redis.cli(&["TTL", &redis.cli(&["--scan", "--pattern", "*{path:*"])]).parse::<i64>().unwrap() > 600_000);
}

#[test]
fn a_request_whose_step_cannot_be_kept_is_not_sent() {
    let (provider, redis) = (provider(&script(&[json!([bash("ls")])])), jetway_support::redis::Redis::start(&[]));
    let jetway = on_redis(&redis, setup(&provider.url(), PATH));
    // What ends in an s, as progress does, is read there and not written.
    let limits = |rules: &[&str]| assert_eq!(redis.cli(&[&["ACL", "SETUSER", "default"], rules].concat()), "OK");
    limits(&["resetkeys", "%R~*", "~*[^s]"]);
    let messages = json!([{ "role": "user", "content": "Go." }]);
    let tools = json!([{ "name": "Bash", "input_schema": { "type": "object" } }]);
    let body = json!({ "model": "claude-x", "max_tokens": 1000, "tools": tools, "messages": messages });
    let send = || post("/v1/messages", body.to_string()).header("x-jetway-run", "one").send(jetway.data).status;
    assert_eq!((send(), provider.seen().len()), (503, 0));
    limits(&["allkeys"]);
    assert_eq!(send(), 200);
    assert_eq!(told(&provider.seen()[0].body), &WORDS[..1]);
}

#[test]
fn titles_and_sub_agents_are_not_led() {
    let provider = provider("scenarios: []");
    let jetway = setup(&provider.url(), PATH).start();
    let title =
        json!({ "model": "claude-x", "max_tokens": 10, "messages": [{ "role": "user", "content": "Title this." }] });
    let answer = post("/v1/messages", title.to_string()).header("x-jetway-run", "one").send(jetway.data);
    assert_eq!(answer.status, 200);
    assert_eq!(*provider.seen()[0].body, *title.to_string().as_bytes());
    let mut sub = title;
    sub["tools"] = json!([{ "name": "Bash", "input_schema": { "type": "object" } }]);
    let ask =
        post("/v1/messages", sub.to_string()).header("x-jetway-run", "one").header("x-claude-code-agent-id", "a1");
    assert_eq!(ask.send(jetway.data).status, 200);
    assert_eq!(*provider.seen()[1].body, *sub.to_string().as_bytes());
    let mut older = sub.clone();
    older["system"] =
        json!([{ "type": "text", "text": "x-anthropic-billing-header: cc_version=2.1.1; cc_is_subagent=true;" }]);
    let ask = post("/v1/messages", older.to_string()).header("x-jetway-run", "one");
    let ask = ask.header("user-agent", "claude-cli/2.1.1 (external, cli)");
    assert_eq!(ask.send(jetway.data).status, 200);
    assert_eq!(*provider.seen()[2].body, *older.to_string().as_bytes());
    // Nor is one that sums its conversation up, as Claude Code and Codex say of theirs.
    let metadata = r#"{"thread_id":"t","request_kind":"compaction"}"#;
    for (name, value) in [("x-claude-code-request-class", "compaction"), ("x-codex-turn-metadata", metadata)] {
        let ask = post("/v1/messages", sub.to_string()).header("x-jetway-run", "one").header(name, value);
        assert_eq!(ask.send(jetway.data).status, 200);
        assert_eq!(*provider.seen().pop().unwrap().body, *sub.to_string().as_bytes(), "{name}");
    }
    let exchanges = jetway.exchanges(5);
    let roles: Vec<_> = exchanges.iter().map(|exchange| exchange["role"].as_str().unwrap()).collect();
    assert_eq!(roles, ["aside", "sub", "sub", "compaction", "compaction"]);
    assert!(exchanges.iter().all(|exchange| exchange["step"].is_null()), "{exchanges:?}");
    // The main conversation begins at the first step all the same; one that was compacted goes on.
    let ask = |text: &str| {
        let mut main = sub.clone();
        main["messages"][0]["content"] = text.into();
        post("/v1/messages", main.to_string()).header("x-jetway-run", "one").send(jetway.data);
        String::from_utf8(provider.seen().pop().unwrap().body.to_vec()).unwrap()
    };
    for text in ["Add it.", "This is what was done by now."] {
        let body = ask(text);
        assert!(body.contains("ALPHA") && body.contains("\"complete_step\""), "{body}");
    }
}
