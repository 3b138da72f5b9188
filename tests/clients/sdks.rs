//! The vendors' Python SDKs, as code that was written against the providers themselves uses them.

use jetway_support::prompt::{Prompt, TASK, grow, with_prose};
use jetway_support::{Jetway, OPEN, Setup, provider};
use serde_json::{Value, json};

use crate::log::{each, exchanges};
use crate::place::{Place, installed};

/// Where a script of ours meets an SDK, and by which of its interfaces.
const APIS: [(&str, &str); 3] =
    [("anthropic_sdk.py", "messages"), ("openai_sdk.py", "chat"), ("openai_sdk.py", "responses")];

/// Does these jobs, one after the other, and returns what came of each.
fn run(script: &str, jobs: &[Value]) -> Vec<Value> {
    let place = Place::new();
    let mut command = place.command(&installed().join("venv/bin/python"));
    // Nothing is written beside the sources.
    command.arg("-B").arg(jetway_support::root().join("tests/clients").join(script));
    command.arg(json!(jobs).to_string());
    let ran = place.run(command);
    assert_eq!(ran.code, Some(0), "{}", ran.shown());
    serde_json::from_str(&ran.out).unwrap()
}

const FRUIT: &str = "
scenarios:
  - name: fruit
    turns:
      - text: I will look at both.
        calls:
          - { tool: read_file, input: { path: a.txt }, pieces: 9 }
          - { tool: read_file, input: { path: b.txt } }
        usage: { input: 100, output: 11 }
      - calls: [{ tool: read_file, input: { path: a.txt } }, { tool: remove_file, input: { path: b.txt } }]
        usage: { input: 100, output: 12 }
      - { text: Apples and bananas., usage: { input: 100, output: 13 } }
";

fn loops(api: &str, jetway: &Jetway) -> Vec<Value> {
    [true, false]
        .map(|stream| json!({ "do": "loop", "api": api, "stream": stream, "base": jetway.url(), "key": "sk-dummy" }))
        .to_vec()
}

/// How a dialect calls a stop for calls, and the end.
fn stops(api: &str) -> [&'static str; 2] {
    match api {
        "messages" => ["tool_use", "end_turn"],
        "chat" => ["tool_calls", "stop"],
        _ => ["completed", "completed"],
    }
}

#[test]
fn conversations_go_on_until_no_call_is_left() {
    for (script, api) in APIS {
        let provider = provider(FRUIT);
        let mut jetway = Setup::new(&provider.url()).start();
        let call = |tool: &str, path: &str| json!([tool, { "path": path }]);
        let [a, b] = ["a.txt", "b.txt"].map(|path| call("read_file", path));
        for came in run(script, &loops(api, &jetway)) {
            assert_eq!(came["texts"], json!(["I will look at both.", "Apples and bananas."]), "{api} {came}");
            assert_eq!(came["calls"], json!([a, b, a, call("remove_file", "b.txt")]), "{api} {came}");
            let [more, end] = stops(api);
            assert_eq!(came["stops"], json!([more, more, end]), "{api} {came}");
            assert!(came["output"].is_null() || came["output"] == 36, "{api} {came}");
        }
        let exchanges = exchanges(&mut jetway);
        assert_eq!(each(&exchanges, "outcome"), ["complete"; 6], "{api}");
        assert_eq!(each(&exchanges, "stream"), [1, 1, 1, 0, 0, 0], "{api}");
        let last = String::from_utf8(provider.seen().pop().unwrap().decoded.to_vec()).unwrap();
        assert!(last.contains("apples") && last.contains("bananas"), "{last}");
    }
}

#[test]
fn a_barred_call_reads_as_a_text_in_its_place() {
    let lock = "lockdown: { allow: ['*'], deny: ['remove_*'], on_denied: explain }\n";
    let sentence = "[Jetway] The call of the tool `remove_file` was refused by the policy `open` (deny remove_*).";
    for (script, api) in APIS {
        let provider = provider(FRUIT);
        let mut jetway = Setup::new(&provider.url()).with(lock).start();
        for came in run(script, &loops(api, &jetway)) {
            assert_eq!(came["calls"].as_array().unwrap().len(), 3, "{api} {came}");
            assert!(!came["calls"].to_string().contains("remove_file"), "{api} {came}");
            assert_eq!(came["texts"], json!(["I will look at both.", sentence, "Apples and bananas."]), "{api} {came}");
            let [more, end] = stops(api);
            assert_eq!(came["stops"], json!([more, more, end]), "{api} {came}");
        }
        let exchanges = exchanges(&mut jetway);
        assert_eq!(each(&exchanges, "outcome"), ["complete"; 6], "{api}");
    }
}

/// Passages, steps, calls that are refused and corrected within the reply, and calls that Jetway answers.
const EVERYTHING: &str = "
context: { docs: docs, standing: standing.md, allowance: 500, min_score: 0.1 }
lockdown: { allow: ['*'], deny: ['remove_*'] }
breadcrumbs:
  - { id: one, prompt: one.md, done: { result: apples } }
  - { id: two, prompt: two.md }
  - { id: last, prompt: last.md }
";

#[test]
fn with_everything_on_the_prompt_of_an_sdk_grows_only_at_its_end() {
    let file = |tool: &str, path: &str| json!({ "tool": tool, "input": { "path": path } });
    let search = json!({ "tool": "search_docs", "input": { "query": "greeting" } });
    let calls = [
        json!([file("remove_file", "a.txt"), file("read_file", "b.txt")]),
        json!([file("remove_file", "a.txt")]),
        json!([file("read_file", "a.txt")]),
        json!([search]),
        json!([file("read_file", "b.txt"), search]),
        json!([{ "tool": "complete_step", "input": { "summary": "Done." } }]),
        json!([file("read_file", "a.txt")]),
    ];
    let mut turns: Vec<Value> = calls.iter().map(|calls| json!({ "calls": calls })).collect();
    turns.push(json!({ "text": "Apples and bananas." }));
    let script = json!({ "scenarios": [{ "name": "fruit", "turns": turns }] }).to_string();
    for (program, api) in APIS {
        for stream in [true, false] {
            let provider = provider(&script);
            let jetway = with_prose(&provider.url(), EVERYTHING).start();
            let job = json!({
                "do": "loop", "api": api, "stream": stream, "say": TASK, "base": jetway.url(), "key": "sk-dummy",
            });
            let came = run(program, &[job]);
            assert_eq!(came[0]["texts"].as_array().unwrap().last().unwrap(), "Apples and bananas.", "{api} {came:?}");
            let prompts: Vec<Prompt> = provider.seen().iter().map(|seen| Prompt::read(&seen.body)).collect();
            assert_eq!(prompts.len(), turns.len(), "{api}: each turn of the model was asked for once");
            grow(&prompts);
            let texts = ["are polite", "A greeting of Jetway counts", "STEP one", "STEP two", "STEP last"];
            let seen = |prompt: &Prompt| prompt.front.concat() + &prompt.said;
            let counts = |prompt: &Prompt| texts.map(|text| seen(prompt).matches(text).count());
            assert_eq!(counts(&prompts[0]), [1, 1, 1, 0, 0], "{api} {:?}", prompts[0]);
            assert_eq!(counts(prompts.last().unwrap()), [1; 5], "{api} {:?}", prompts.last());
            assert!(!jetway.metrics().contains("jetway_prompt_prefix_breaks_total{"), "{}", jetway.metrics());
        }
    }
}

/// How each refusal arrives: the policy, what is asked of it, the class that each SDK has for it,
/// the status, and a part of the message.
const REFUSALS: [(&str, &str, [&str; 2], u16, &str); 5] = [
    ("keys", "{}", ["AuthenticationError"; 2], 401, "takes only Jetway keys"),
    ("poor", "{}", ["RateLimitError"; 2], 429, "has $0.000001 left"),
    ("narrow", "{}", ["PermissionDeniedError"; 2], 403, "is not allowed by the policy `narrow`, which allows small-*"),
    ("open", r#"{"extra":{"Tools":[]}}"#, ["BadRequestError"; 2], 400, "\"Tools\" could be read as `tools`"),
    ("open", r#"{"say":"LONG"}"#, ["ContentTooLargeError", "APIStatusError"], 413, "larger than 64 KiB"),
];

#[test]
fn refusals_arrive_as_the_sdk_s_own_exceptions_after_one_request() {
    for (script, api) in APIS {
        let provider = provider("scenarios: []");
        let mut setup = Setup::new(&provider.url());
        let policy = |name: &str, text: String| (name.to_owned(), text);
        setup.policies = vec![
            policy("open", OPEN.into()),
            policy("keys", OPEN.replace("[keys, passthrough]", "[keys]")),
            policy("poor", format!("{OPEN}budget: {{ caps: [{{ per: user, usd: 0.000001, every: day }}] }}\n")),
            policy("narrow", OPEN.replace("allow: ['*']", "allow: ['small-*']")),
        ];
        setup.more = "limits: { body: 64KiB }".into();
        let mut jetway = setup.start();
        let jobs = REFUSALS.map(|(policy, more, ..)| {
            let mut job: Value = serde_json::from_str(&more.replace("LONG", &"x".repeat(70_000))).unwrap();
            let base = format!("{}/{policy}", jetway.url());
            job.as_object_mut().unwrap().extend([("do".into(), json!("ask")), ("api".into(), json!(api))]);
            job.as_object_mut().unwrap().extend([("base".into(), json!(base)), ("key".into(), json!("sk-dummy"))]);
            job
        });
        let came = run(script, &jobs);
        for (came, (policy, _, classes, status, part)) in came.iter().zip(REFUSALS) {
            let class = classes[usize::from(api != "messages")];
            assert_eq!((&came["class"], &came["status"]), (&json!(class), &json!(status)), "{api} {policy}: {came}");
            let (message, shown) = (came["message"].as_str().unwrap(), came["shown"].as_str().unwrap());
            assert!(message.contains(part) && shown.contains(message), "{api} {policy}: {came}");
        }
        assert!(provider.seen().is_empty());
        let exchanges = exchanges(&mut jetway);
        let reasons = ["identity", "budget", "model", "malformed", "too_large"];
        assert_eq!(each(&exchanges, "reason"), reasons, "{api}: each was asked once");
        assert_eq!(each(&exchanges, "id"), each(&came, "request"), "{api}: by which an operator finds it");
    }
}
