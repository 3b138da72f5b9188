//! Runs that begin alike: which are one, and which are two.

use jetway_scripted::Provider;
use jetway_support::client::{Answer, Ask, post};
use jetway_support::redis::Redis;
use jetway_support::{Jetway, Setup, eventually, provider};
use serde_json::{Value, json};

/// A conversation that begins: a job that is given each night.
fn job() -> Vec<Value> {
    vec![json!({ "role": "user", "content": "Report what is new." })]
}

fn ask(messages: &[Value]) -> Ask {
    let tools = json!([{ "name": "Bash", "input_schema": { "type": "object" } }]);
    let body = json!({ "model": "claude-sonnet-5-5", "max_tokens": 1000, "tools": tools, "messages": messages });
    post("/v1/messages", body.to_string())
}

fn run_of(answer: &Answer) -> String {
    assert_eq!(answer.status, 200, "{}", answer.text());
    answer.header("x-jetway-run").unwrap().to_owned()
}

/// A model that makes one call after the other, each with an id of its own.
fn calls() -> Provider {
    let turn = |number: usize| json!({ "calls": [{ "tool": "Bash", "input": { "command": "ls" }, "id": format!("toolu_{number}") }] });
    let turns: Vec<Value> = (0..20).map(turn).collect();
    provider(&json!({ "scenarios": [{ "name": "calls", "by": "request", "turns": turns }] }).to_string())
}

/// The conversation behind this answer.
fn goes_on(messages: &[Value], answer: &Answer) -> Vec<Value> {
    let content = answer.json()["content"].clone();
    let result = json!({ "type": "tool_result", "tool_use_id": content[0]["id"], "content": "nothing" });
    let more = [json!({ "role": "assistant", "content": content }), json!({ "role": "user", "content": [result] })];
    [messages, &more].concat()
}

/// So many Jetways of a fleet, or the one that there is.
fn start(provider: &Provider, redis: Option<&Redis>, more: &str) -> Vec<Jetway> {
    let setup = || {
        let mut setup = Setup::new(&provider.url()).with(more);
        if let Some(redis) = redis {
            let secret = redis.folder().join("secret");
            std::fs::write(&secret, "0123456789abcdef0123456789abcdef").unwrap();
            let (secret, url) = (secret.display(), redis.url());
            setup.more =
                format!("secret: {{ file: {secret} }}\nledger: {{ redis: {{ urls: ['{url}'], timeout: 5s }} }}");
        }
        setup.start()
    };
    (0..if redis.is_some() { 2 } else { 1 }).map(|_| setup()).collect()
}

/// Waits until a run has so many exchanges in the log of one of these.
fn logged(jetways: &[Jetway], run: &str, count: usize) -> Vec<Value> {
    let mut found = Vec::new();
    eventually(|| {
        let shown = |jetway: &Jetway| {
            let story = jetway.command(&["runs", "show", run, "--json"]).stdout;
            let story: Value = serde_json::from_slice(&story).unwrap_or_default();
            story["exchanges"].as_array().cloned().unwrap_or_default()
        };
        found = jetways.iter().flat_map(shown).collect();
        found.len() >= count
    });
    found
}

#[track_caller]
fn a_job_that_begins_again(redis: Option<&Redis>) {
    let provider = calls();
    let jetways = start(&provider, redis, "");
    // Each request goes to the next of them.
    let mut sent = 0;
    let mut send = |messages: &[Value]| {
        sent += 1;
        ask(messages).send(jetways[sent % jetways.len()].data)
    };
    let one = send(&job());
    let first = run_of(&one);
    let one = goes_on(&job(), &one);
    logged(&jetways, &first, 1);
    // What was answered is asked anew while the other is at it, and each goes on in its own run.
    let two = send(&job());
    let second = run_of(&two);
    assert_ne!(second, first);
    let two = goes_on(&job(), &two);
    logged(&jetways, &second, 1);
    let next = send(&one);
    assert_eq!(run_of(&next), first);
    let one = goes_on(&one, &next);
    assert_eq!(run_of(&send(&two)), second);
    assert_eq!(run_of(&send(&one)), first);
    // It begins in other words to the model, and the run has moved on.
    let dated = json!({ "role": "system", "content": "It is Tuesday." });
    let third = run_of(&send(&[&job()[..], &[dated]].concat()));
    assert!(third != first && third != second);
    for (run, count) in [(&first, 3), (&second, 2), (&third, 1)] {
        let exchanges = logged(&jetways, run, count);
        assert!(exchanges.len() == count && exchanges.iter().all(|one| one["again_of"].is_null()), "{exchanges:?}");
    }
}

#[test]
fn a_job_that_begins_again_is_a_run_of_its_own() {
    a_job_that_begins_again(None);
}

#[test]
fn a_job_that_begins_again_is_a_run_of_its_own_in_a_fleet() {
    a_job_that_begins_again(Some(&Redis::start(&[])));
}

#[test]
fn what_one_run_has_used_is_not_the_other_s() {
    let turn = json!({ "text": "Nothing.", "usage": { "input": 6000, "output": 1 } });
    let provider = provider(&json!({ "scenarios": [{ "name": "dear", "turns": [turn] }] }).to_string());
    let jetways = start(&provider, None, "budget: { caps: [{ per: run, usd: 0.02, every: run }] }\n");
    let mut runs = std::collections::BTreeSet::new();
    for _ in 0..3 {
        let run = run_of(&ask(&job()).send(jetways[0].data));
        logged(&jetways, &run, 1);
        runs.insert(run);
    }
    assert_eq!(runs.len(), 3);
}

#[track_caller]
fn a_job_that_failed(redis: Option<&Redis>) {
    let turns = json!([{ "status": 529 }, { "status": 529 }, { "status": 529 }, { "text": "Nothing." }]);
    let provider = provider(&json!({ "scenarios": [{ "name": "busy", "by": "request", "turns": turns }] }).to_string());
    let jetways = start(&provider, redis, "");
    let send = |at: usize| {
        let answer = ask(&job()).send(jetways[at % jetways.len()].data);
        (answer.status, answer.header("x-jetway-run").unwrap().to_owned())
    };
    // It is tried again, and is the same run; also where another Jetway is asked.
    let (status, first) = send(0);
    logged(&jetways, &first, 1);
    assert_eq!((status, send(1)), (529, (529, first.clone())));
    logged(&jetways, &first, 2);
    assert_eq!(post(&format!("/v1/runs/{first}/end"), "").send(jetways[0].data).status, 200);
    let has_ended = |jetway: &Jetway| jetway.json(&["runs", "--json"]).to_string().contains("\"told\"");
    eventually(|| jetways.iter().any(has_ended));
    // It has died, and begins again the next day.
    let (status, second) = send(0);
    assert!(status == 529 && second != first);
    logged(&jetways, &second, 1);
    assert_eq!(send(1), (200, second.clone()));
    let exchanges = logged(&jetways, &second, 2);
    let again = exchanges.iter().filter(|exchange| exchange["again_of"].is_string()).count();
    assert_eq!(again, if redis.is_some() { 0 } else { 1 }, "{exchanges:?}");
}

#[test]
fn a_job_that_failed_is_tried_again_in_its_run_until_that_is_over() {
    a_job_that_failed(None);
}

#[test]
fn a_job_that_failed_is_tried_again_in_its_run_until_that_is_over_in_a_fleet() {
    a_job_that_failed(Some(&Redis::start(&[])));
}

#[test]
fn what_was_answered_is_asked_anew_and_what_was_not_is_sent_again() {
    let turns = json!([
        { "text": "Nothing." },
        { "text": "one two three four", "fault": { "close": { "after": 4 } } },
        { "text": "" },
        { "text": "Nothing." },
    ]);
    let provider = provider(&json!({ "scenarios": [{ "name": "news", "by": "request", "turns": turns }] }).to_string());
    let jetways = start(&provider, None, "");
    let send = || {
        let tools = json!([{ "name": "Bash", "input_schema": { "type": "object" } }]);
        let body = json!({ "model": "claude-sonnet-5-5", "max_tokens": 1000, "stream": true, "tools": tools, "messages": job() });
        let answer = post("/v1/messages", body.to_string()).header("x-jetway-run", "nightly").send(jetways[0].data);
        answer.header("x-jetway-run").unwrap().to_owned()
    };
    let runs = [send(), send(), send(), send(), send()];
    assert!(runs.iter().all(|run| *run == runs[0]), "its caller names it");
    let exchanges = logged(&jetways, &runs[0], 5);
    let ids: Vec<Option<&str>> = exchanges.iter().map(|exchange| exchange["id"].as_str()).collect();
    let again: Vec<Option<&str>> = exchanges.iter().map(|exchange| exchange["again_of"].as_str()).collect();
    // An answer in which nothing is said is none: agents ask once more.
    assert_eq!(again, [None, None, ids[1], ids[2], None], "{exchanges:?}");
}

/// Agents name their session in the body, too, and some nowhere else.
#[test]
fn a_session_that_only_the_body_names_is_a_run() {
    let turns = json!([{ "text": "Done." }]);
    let provider = provider(&json!({ "scenarios": [{ "name": "any", "turns": turns }] }).to_string());
    let jetways = start(&provider, None, "");
    let claude = |session: &str, say: &str| {
        let user = json!({ "device_id": "d", "account_uuid": "", "session_id": session }).to_string();
        let messages = json!([{ "role": "user", "content": say }]);
        let metadata = json!({ "user_id": user });
        let body =
            json!({ "model": "claude-sonnet-5-5", "max_tokens": 99, "metadata": metadata, "messages": messages });
        run_of(&post("/v1/messages", body.to_string()).send(jetways[0].data))
    };
    let codex = |session: &str, say: &str| {
        let body = json!({ "model": "gpt-5.5", "input": say, "store": false, "prompt_cache_key": session });
        run_of(&post("/v1/responses", body.to_string()).send(jetways[0].data))
    };
    for of in [&claude as &dyn Fn(&str, &str) -> String, &codex] {
        let run = of("6ff2c0de-0000-4000-8000-000000000001", "Add it.");
        // Also a title, and the same words once more.
        assert_eq!(of("6ff2c0de-0000-4000-8000-000000000001", "Name it."), run);
        logged(&jetways, &run, 2);
        assert_eq!(of("6ff2c0de-0000-4000-8000-000000000001", "Add it."), run);
        assert_ne!(of("6ff2c0de-0000-4000-8000-000000000002", "Add it."), run);
    }
    // A session is its header's where there is one.
    let named = post("/v1/responses", r#"{"model":"gpt-5.5","input":"Add it.","prompt_cache_key":"one"}"#);
    let named = run_of(&named.header("session-id", "two").send(jetways[0].data));
    assert_eq!((named == codex("two", "Add it."), named == codex("one", "Add it.")), (true, false));
}
