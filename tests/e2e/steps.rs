//! Steps with a model, an effort and an allowance of their own.

use jetway_support::agent::goes_on;
use jetway_support::client::{Answer, post};
use jetway_support::{Jetway, OPEN, Setup, eventually, provider};
use serde_json::{Value, json};

use crate::breadcrumbs::{bash, complete, growing};

/// What the agent asks for itself.
const OWN: (&str, &str) = ("claude-x", "high");
const HAIKU: &str = "claude-haiku-4-5";

fn setup(provider: &str, steps: &str) -> Setup {
    let setup = Setup::new(provider).with(&format!("breadcrumbs:\n{steps}"));
    ["look", "plan", "test"]
        .iter()
        .fold(setup, |setup, step| setup.file(&format!("open/{step}.md"), &format!("It is time to {step}.")))
}

/// A model that makes these calls, each turn for 50 tokens of input and 10 of output.
fn script(turns: &[Value]) -> String {
    let usage = json!({ "input": 50, "output": 10 });
    let mut turns: Vec<Value> = turns.iter().map(|call| json!({ "calls": [call], "usage": usage })).collect();
    turns.push(json!({ "text": "Finished.", "usage": usage }));
    json!({ "scenarios": [{ "name": "path", "turns": turns }] }).to_string()
}

struct Agent {
    history: Vec<Value>,
    /// Requests that were made by now.
    turns: usize,
}

impl Agent {
    fn new() -> Self {
        Self { history: vec![json!({ "role": "user", "content": "Add it." })], turns: 0 }
    }

    fn ask(&self, jetway: &Jetway) -> Answer {
        let body = json!({
            "model": OWN.0, "max_tokens": 1000, "output_config": { "effort": OWN.1 }, "messages": self.history,
            "tools": [{ "name": "Bash", "input_schema": { "type": "object" } }],
        });
        post("/v1/messages", body.to_string()).header("x-jetway-run", "one").send(jetway.data)
    }

    /// One request; what the model called is told with this result on the next.
    fn turn(&mut self, jetway: &Jetway, result: &str) -> Answer {
        let answer = self.ask(jetway);
        assert_eq!(answer.status, 200, "{}", answer.text());
        self.turns += 1;
        goes_on(&mut self.history, &answer.json()["content"], result);
        answer
    }
}

/// The model and the effort of each request that a provider got.
fn asked(provider: &jetway_scripted::Provider) -> Vec<(String, String)> {
    let word = |value: &Value| value.as_str().unwrap_or("none").to_owned();
    let body = |seen: &jetway_scripted::Seen| serde_json::from_slice::<Value>(&seen.body).unwrap();
    let bodies = provider.seen();
    bodies.iter().map(body).map(|body| (word(&body["model"]), word(&body["output_config"]["effort"]))).collect()
}

fn pairs(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
    pairs.iter().map(|(model, effort)| ((*model).to_owned(), (*effort).to_owned())).collect()
}

#[test]
fn each_step_has_its_model_and_effort_and_what_comes_after_has_the_agent_s_own() {
    let provider = provider(&script(&[bash("ls"), bash("cat"), bash("npm test")]));
    let steps = format!(
        "  - {{ id: look, prompt: look.md, model: {HAIKU}, effort: low, done: {{ result: app.py }} }}
  - {{ id: plan, prompt: plan.md, done: {{ result: written }} }}
  - {{ id: test, prompt: test.md, model: {HAIKU}, done: {{ result: passed }} }}
"
    );
    let jetway = setup(&provider.url(), &steps).start();
    let mut agent = Agent::new();
    let mut said = Vec::new();
    for result in ["app.py", "written", "passed", ""] {
        let answer = agent.turn(&jetway, result);
        let header = |name: &str| answer.header(name).unwrap_or("-").to_owned();
        said.push((header("x-jetway-step-model"), header("x-jetway-step-effort")));
    }
    assert_eq!(asked(&provider), pairs(&[(HAIKU, "low"), OWN, (HAIKU, OWN.1), OWN]));
    assert_eq!(said, pairs(&[(HAIKU, "low"), ("-", "-"), (HAIKU, "-"), ("-", "-")]));
    // Another model is another cache, and no break of the prompt.
    growing(&provider);
    assert!(!jetway.metrics().contains("jetway_prompt_prefix_breaks_total{"), "{}", jetway.metrics());
    // A turn takes 60, and what completes a step is one of its turns.
    let metrics = jetway.metrics();
    for (step, tokens) in [("look", "120"), ("plan", "60"), ("test", "60")] {
        let line = format!("jetway_step_tokens_total{{policy=\"open\",step=\"{step}\"}} ");
        let count = metrics.lines().find_map(|found| found.strip_prefix(&line)).unwrap_or(&metrics);
        assert_eq!(count, tokens, "{step}");
    }
    // Haiku costs 1 and 5 dollars a million tokens, and a model that is not listed 15 and 75.
    let (cheap, dear) = (50 + 5 * 10, 15 * 50 + 75 * 10);
    let exchanges = jetway.exchanges(4);
    let decided = |exchange: &Value| exchange["decisions"].clone();
    let sent = |step: &str, more: &str| json!([{ "what": "model", "of": OWN.0, "rule": format!("step {step}"), "reason": format!("it is sent to {HAIKU}{more}") }]);
    let expect = [sent("look", ", with the effort low"), json!([]), sent("test", ""), json!([])];
    assert_eq!(exchanges.iter().map(decided).collect::<Vec<_>>(), expect);
    let of = |exchange: &Value| {
        let word = |name: &str| exchange[name].as_str().unwrap().to_owned();
        assert_eq!(exchange["sent_model"], exchange["served_model"]);
        (word("model"), word("sent_model"), exchange["cost_micros"].as_i64().unwrap())
    };
    let expect = [(HAIKU, cheap), (OWN.0, dear), (HAIKU, cheap), (OWN.0, dear)];
    let expect: Vec<_> = expect.iter().map(|(model, cost)| (OWN.0.to_owned(), (*model).to_owned(), *cost)).collect();
    assert_eq!(exchanges.iter().map(of).collect::<Vec<_>>(), expect);
    // The story says it where it is another model than the agent's own.
    let run = exchanges[0]["run"].as_str().unwrap();
    let story = String::from_utf8(jetway.command(&["runs", "show", run]).stdout).unwrap();
    let said = format!("messages {}, sent as {HAIKU}", OWN.0);
    assert_eq!((story.matches(&said).count(), story.matches("sent as").count()), (2, 2), "{story}");
}

#[test]
fn within_a_reply_the_model_stays_and_the_next_request_has_the_next_step_s() {
    let provider = provider(&script(&[complete(), bash("ls")]));
    let steps = format!(
        "  - {{ id: look, prompt: look.md, model: {HAIKU} }}\n  - {{ id: plan, prompt: plan.md, effort: low }}\n"
    );
    let jetway = setup(&provider.url(), &steps).start();
    let mut agent = Agent::new();
    agent.turn(&jetway, "app.py"); // complete_step, and in the same reply a call
    agent.turn(&jetway, "");
    assert_eq!(asked(&provider), pairs(&[(HAIKU, OWN.1), (HAIKU, OWN.1), (OWN.0, "low")]));
    growing(&provider);
}

#[test]
fn a_step_asks_for_nothing_that_its_policy_does_not_allow() {
    let provider = provider(&script(&[bash("ls"), bash("ls")]));
    let jetway = setup(&provider.url(), &format!("  - {{ id: look, prompt: look.md, model: {HAIKU} }}\n")).start();
    let mut agent = Agent::new();
    agent.turn(&jetway, "app.py");
    let file = jetway.folder.path().join("policies/open/policy.yaml");
    let edit = |allow: &str, step: &str| {
        let policy = OPEN.replace("'*'", allow);
        std::fs::write(&file, format!("{policy}breadcrumbs:\n  - {{ id: look, prompt: look.md{step} }}\n")).unwrap();
    };
    let refused = |allow: &str, step: &str, why: &str| {
        edit(allow, step);
        eventually(|| jetway.log().contains(why));
    };
    let own = "claude-x, { model: claude-haiku-*, efforts: [high] }";
    refused(own, ", model: gpt-7", "the step `look` has the model \\\"gpt-7\\\", which `models.allow` does not allow");
    let effort = format!(", model: {HAIKU}, effort: low");
    refused(own, &effort, "the step `look` has the effort `low`, which `models.allow` does not allow for");
    refused("{ model: m, efforts: [high] }", ", effort: low", "does not allow for any model");
    refused("'*'", ", effort: default", "the effort `default`, which is none");
    // The run keeps its path, and is told of it when the policy has come to allow less.
    edit("claude-x", "");
    eventually(|| agent.ask(&jetway).status == 403);
    let message = agent.ask(&jetway).message();
    let why = "the step `look` of this run has a model or an effort of its own, and with it: the model `claude-haiku-4-5` is not allowed by the policy `open`";
    assert!(message.contains(why), "{message}");
}

#[test]
fn what_has_too_little_left_for_the_step_s_model_goes_to_a_cheaper_one_still() {
    let provider = provider(&script(&[]));
    let steps = "  - { id: look, prompt: look.md, model: claude-opus-4-7, effort: low }\n";
    let budget =
        "budget: { caps: [{ per: user, usd: 0.02, every: day }], on_low: downgrade, downgrade_to: claude-haiku-4-5 }\n";
    let mut setup = setup(&provider.url(), steps);
    setup.policies[0].1 += budget;
    let jetway = setup.start();
    let answer = Agent::new().turn(&jetway, "");
    assert_eq!(asked(&provider), pairs(&[(HAIKU, "low")]));
    let headers = ["x-jetway-downgraded-to", "x-jetway-step-model", "x-jetway-step-effort"];
    assert_eq!(headers.map(|name| answer.header(name)), [Some(HAIKU), None, Some("low")]);
    assert_eq!(jetway.exchanges(1)[0]["cost_micros"], 50 + 5 * 10);
}

#[test]
fn each_dialect_is_asked_for_the_effort_in_its_own_word() {
    let provider = provider(&script(&[]));
    let jetway = setup(&provider.url(), "  - { id: look, prompt: look.md, model: gpt-5.5, effort: low }\n").start();
    let tool = json!({ "type": "function", "name": "Bash", "parameters": {} });
    let chat = json!({ "model": "gpt-6", "messages": [{ "role": "user", "content": "Add it." }], "reasoning_effort": "high",
        "tools": [{ "type": "function", "function": tool }] });
    let responses = json!({ "model": "gpt-6", "input": "Add it.", "reasoning": { "effort": "high", "summary": "auto" },
        "tools": [tool] });
    for (path, body) in [("/v1/chat/completions", chat), ("/v1/responses", responses)] {
        let answer = post(path, body.to_string()).header("x-jetway-run", path).send(jetway.data);
        assert_eq!(answer.status, 200, "{}", answer.text());
        assert_eq!(answer.header("x-jetway-step-model"), Some("gpt-5.5"));
    }
    let sent = |at: usize| serde_json::from_slice::<Value>(&provider.seen()[at].body).unwrap();
    assert_eq!((&sent(0)["model"], &sent(0)["reasoning_effort"]), (&json!("gpt-5.5"), &json!("low")));
    assert_eq!(sent(1)["model"], "gpt-5.5");
    assert_eq!(sent(1)["reasoning"], json!({ "effort": "low", "summary": "auto" }));
}

#[test]
fn an_effort_is_held_against_the_rules_as_it_is_sent() {
    let provider = provider(&script(&[]));
    let steps = "  - { id: look, prompt: look.md, effort: low }\n";
    let mut setup = setup(&provider.url(), steps);
    setup.policies[0].1 = setup.policies[0].1.replace("'*'", "{ model: claude-x, efforts: [low, high] }");
    let jetway = setup.start();
    // A budget for thinking that comes to more stays in the request, and counts.
    let ask = |thinking: Value, run: &str| {
        let body = json!({
            "model": OWN.0, "max_tokens": 90_000, "output_config": { "effort": "high" }, "thinking": thinking,
            "messages": [{ "role": "user", "content": "Add it." }],
            "tools": [{ "name": "Bash", "input_schema": { "type": "object" } }],
        });
        post("/v1/messages", body.to_string()).header("x-jetway-run", run).send(jetway.data)
    };
    assert_eq!(ask(json!({ "type": "adaptive" }), "a").status, 200);
    assert_eq!(ask(json!({ "type": "enabled", "budget_tokens": 30_000 }), "b").status, 200);
    assert_eq!(asked(&provider), pairs(&[(OWN.0, "low"), (OWN.0, "low")]));
    assert_eq!(ask(json!({ "type": "enabled", "budget_tokens": 60_000 }), "c").status, 403);
}

/// What the model was told of a step that is stuck, and how many steps, once its allowance is gone.
fn stuck(jetway: [&Jetway; 2], provider: &jetway_scripted::Provider) -> (bool, bool, usize) {
    let mut agent = Agent::new();
    for turn in 0..4 {
        let last = String::from_utf8(provider.seen().last().map(|seen| seen.body.to_vec()).unwrap_or_default());
        let last = last.unwrap();
        assert!(!last.contains("used up") && !last.contains("to plan") || turn == 3, "turn {turn}: {last}");
        agent.turn(jetway[turn % 2], "app.py");
        // What it cost is counted when the exchange is recorded.
        jetway[turn % 2].exchanges(if jetway[0].data == jetway[1].data { turn + 1 } else { turn / 2 + 1 });
    }
    growing(provider);
    let last = String::from_utf8(provider.seen().pop().unwrap().body.to_vec()).unwrap();
    let count = |words: &str| last.matches(words).count();
    let (reminded, ended) = ("turns by now and used up what it may use", "`look` has used up what it may use. Stop");
    (count(reminded) == 1, count(ended) == 1, count("It is time to"))
}

#[test]
fn a_step_that_has_used_up_its_allowance_is_stuck() {
    let check = |allowance: &str, on_stuck: &str, expect: (bool, bool, usize)| {
        let provider = provider(&script(&[bash("ls"), bash("ls"), bash("ls")]));
        let steps = format!(
            "  - {{ id: look, prompt: look.md, allowance: {allowance}, on_stuck: {on_stuck} }}\n  - {{ id: plan, prompt: plan.md }}\n"
        );
        let jetway = setup(&provider.url(), &steps).start();
        assert_eq!(stuck([&jetway, &jetway], &provider), expect, "{allowance} {on_stuck}");
        let how = match on_stuck {
            "skip" => "skipped",
            "end" => "ended",
            _ => return,
        };
        let line = format!("jetway_steps_total{{how=\"{how}\",policy=\"open\",step=\"look\"}} 1");
        assert!(jetway.metrics().contains(&line), "{}", jetway.metrics());
    };
    // Two turns of 60 tokens and 1,500 micro-dollars each use it up.
    check("{ tokens: 120 }", "nudge", (true, false, 1));
    check("{ usd: 0.003 }", "skip", (false, false, 2));
    check("{ tokens: 61 }", "end", (false, true, 1));
}

#[test]
fn another_run_that_begins_alike_has_an_allowance_of_its_own() {
    let provider = provider(&script(&[bash("ls"), bash("ls"), bash("ls")]));
    let steps = "  - { id: look, prompt: look.md, allowance: { tokens: 120 }, on_stuck: skip }\n  - { id: plan, prompt: plan.md }\n";
    let jetway = setup(&provider.url(), steps).start();
    for run in 0..2 {
        let mut agent = Agent::new();
        let mut steps = Vec::new();
        for turn in 1..=3 {
            agent.turn(&jetway, "app.py");
            jetway.exchanges(run * 3 + turn);
            let body = String::from_utf8(provider.seen().pop().unwrap().body.to_vec()).unwrap();
            steps.push(body.matches("It is time to").count());
        }
        assert_eq!(steps, [1, 1, 2], "run {run}");
    }
}

#[test]
fn a_fleet_counts_together_what_a_step_uses() {
    let provider = provider(&script(&[bash("ls"), bash("ls"), bash("ls")]));
    let redis = jetway_support::redis::Redis::start(&[]);
    let secret = redis.folder().join("secret");
    std::fs::write(&secret, "0123456789abcdef0123456789abcdef").unwrap();
    let fleet = [(); 2].map(|()| {
        let mut setup =
            setup(&provider.url(), "  - { id: look, prompt: look.md, allowance: { tokens: 120 }, on_stuck: end }\n");
        let (secret, url) = (secret.display(), redis.url());
        setup.more = format!("secret: {{ file: {secret} }}\nledger: {{ redis: {{ urls: ['{url}'], timeout: 5s }} }}");
        setup.start()
    });
    assert_eq!(stuck([&fleet[0], &fleet[1]], &provider), (false, true, 1));
}

#[test]
fn what_sub_agents_use_counts_for_the_step_that_sent_them() {
    let provider = provider(&script(&[bash("ls"), bash("ls")]));
    let steps = "  - { id: look, prompt: look.md, allowance: { tokens: 120 }, on_stuck: end }\n";
    let jetway = setup(&provider.url(), steps).start();
    let mut agent = Agent::new();
    agent.turn(&jetway, "app.py");
    jetway.exchanges(1);
    let sub = json!({
        "model": OWN.0, "max_tokens": 100, "messages": [{ "role": "user", "content": "Find it." }],
        "tools": [{ "name": "Bash", "input_schema": { "type": "object" } }],
    });
    let ask = post("/v1/messages", sub.to_string()).header("x-jetway-run", "one");
    assert_eq!(ask.header("x-claude-code-agent-id", "a1").send(jetway.data).status, 200);
    jetway.exchanges(2);
    agent.turn(&jetway, "app.py");
    let last = String::from_utf8(provider.seen().pop().unwrap().body.to_vec()).unwrap();
    assert!(last.contains("`look` has used up what it may use. Stop"), "{last}");
}
