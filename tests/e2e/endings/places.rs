//! Few runs are asked at once. Those that wait for it are open, and none is begun while a Jetway stops.

use super::*;

fn open_runs(jetway: &Jetway) -> usize {
    let metrics = jetway.metrics();
    let line = metrics.lines().find_map(|line| line.strip_prefix("jetway_open_runs "));
    line.unwrap().parse().unwrap()
}

#[test]
fn runs_that_wait_to_be_asked_are_open_and_kept_and_others_do_not_wait_for_them() {
    let slow = json!({ "name": "asked", "when": { "contains": TAG }, "by": "request", "turns": [{ "text": "Nothing was in my way. ".repeat(2), "pace": "1s" }] });
    let plain = json!({ "name": "plain", "turns": [{ "text": "Done." }] });
    let provider = provider(&json!({ "scenarios": [slow, plain] }).to_string());
    let both = || {
        let mut setup = setup(&provider, WAITS, "");
        setup.policies.push((String::from("other"), String::from(OPEN)));
        setup
    };
    let House { mut jetway, key } = House::new(both());
    let mut asks = body("Go.");
    asks["stream"] = true.into();
    let send = |path: &str, key: &str, run: &str| {
        let asks = post(path, asks.to_string()).header("x-api-key", key).header("x-jetway-run", run);
        assert_eq!(asks.send(jetway.data).status, 200);
    };
    for run in 0..8 {
        send("/v1/messages", &key, &run.to_string());
    }
    eventually(|| questions(&provider).len() == 4);
    eventually(|| open_runs(&jetway) == 4);
    // Nobody asks about runs of this policy, so that they wait for nobody.
    let (_, others) = jetway.key("other", "ada");
    send("/other/v1/messages", &others, "another");
    let end = |path: &str, key: &str| post(path, "").header("x-api-key", key).send(jetway.data).status;
    assert_eq!(end("/other/v1/runs/another/end", &others), 200);
    eventually(|| jetway.metrics().contains("jetway_runs_ended_total{ending=\"told\",policy=\"other\"} 1"));
    assert_eq!(questions(&provider).len(), 4, "it waited for a question");
    // One that somebody ends has no place of its own.
    send("/v1/messages", &key, "told");
    assert_eq!(end("/v1/runs/told/end", &key), 200);
    std::thread::sleep(Duration::from_millis(500));
    assert_eq!((questions(&provider).len(), open_runs(&jetway)), (4, 5), "{}", jetway.log());

    jetway.terminate();
    assert!(jetway.wait().success(), "{}", jetway.log());
    let log = jetway.log();
    assert!(!log.contains("could not be settled"), "{log}");
    assert_eq!(questions(&provider).len(), 4, "a question was begun while it stopped");
    let next = both().start_in(jetway.kill());
    eventually(|| kept::endings(&next).len() == 10);
    assert_eq!(questions(&provider).len(), 9);
    let told = kept::endings(&next).into_iter().filter(|ended| ended["how"] == "told").count();
    assert_eq!(told, 2);
}

#[test]
fn a_run_that_is_named_as_runs_are_is_ended_by_that_name() {
    let provider = plain();
    let jetway = House::new(setup(&provider, "quiet: 1h", ""));
    let asks = post("/v1/messages", body("Go.").to_string()).header("x-api-key", &jetway.key);
    assert_eq!(asks.header("x-jetway-run", "run_42").send(jetway.data).status, 200);
    let end = || post("/v1/runs/run_42/end", "").header("x-api-key", &jetway.key).send(jetway.data);
    assert_eq!(end().status, 200, "{}", end().text());
    ends(&jetway, "told", "answered");
    assert_eq!(end().status, 404);
}

#[test]
fn a_model_that_answers_a_question_by_a_call_has_said_nothing() {
    let asked = json!({ "name": "asked", "when": { "contains": TAG }, "by": "request", "turns": [{ "calls": [{ "tool": "Bash", "input": { "command": "ls" } }] }] });
    let plain = json!({ "name": "plain", "turns": [{ "text": "Done." }] });
    let provider = provider(&json!({ "scenarios": [asked, plain] }).to_string());
    let jetway = House::new(setup(&provider, WAITS, ""));
    assert_eq!(jetway.send(&body("Go.")).status, 200);
    ends(&jetway, "quiet", "silent");
    assert_eq!((questions(&provider).len(), findings(&jetway).len()), (1, 0));
}
