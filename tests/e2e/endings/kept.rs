//! Jetways stop and die while runs are open, and each of these is asked all the same, once.

use super::*;

const SECRET: &str = "0123456789abcdef0123456789abcdef";

/// Endings in the run log, however often each run was opened.
pub(super) fn endings(jetway: &Jetway) -> Vec<Value> {
    let text = String::from_utf8(jetway.command(&["runs", "export"]).stdout).unwrap();
    let lines = text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    lines.filter_map(|line| line.get("ending").cloned()).collect()
}

/// Waits until it is on disk that a run is open, with this among what is known of it, and its exchange is.
fn written_down(jetway: &Jetway, known: &str) {
    jetway.exchanges(1);
    let state = rusqlite::Connection::open(jetway.folder.path().join("state/state.db")).unwrap();
    eventually(|| {
        let facts = state.query_row("SELECT facts FROM open_run", [], |row| row.get::<_, String>(0));
        facts.is_ok_and(|facts| facts.contains(known))
    });
}

/// A second turn of the same run.
pub(super) fn more() -> Value {
    let mut more = body("Go.");
    more["messages"].as_array_mut().unwrap().extend([
        json!({ "role": "assistant", "content": "Done." }),
        json!({ "role": "user", "content": "And more." }),
    ]);
    more
}

#[test]
fn a_run_that_was_open_when_its_jetway_ended_is_asked_once_by_the_next() {
    for is_killed in [true, false] {
        let provider = plain();
        let setup = || setup(&provider, "quiet: 4s, abandoned: 4s", "");
        let House { mut jetway, key } = House::new(setup());
        let send = |body: &Value, to: &Jetway| {
            let asks = post("/v1/messages", body.to_string()).header("x-api-key", &key);
            asks.header("x-jetway-run", "job").header("anthropic-beta", "one-2026").send(to.data)
        };
        assert_eq!(send(&body("Go."), &jetway).status, 200);
        if is_killed {
            written_down(&jetway, "\"turns\":1");
        } else {
            // Within the time in which nothing is written down a second time: all is, as it stops.
            assert_eq!(send(&more(), &jetway).status, 200);
            jetway.terminate();
            assert!(jetway.wait().success(), "{}", jetway.log());
        }
        let log = jetway.log();
        let next = setup().start_in(jetway.kill());
        ends(&next, "quiet", "answered");
        let asked = questions(&provider);
        assert_eq!(asked.len(), 1, "{log}\n{}", next.log());
        let last = if is_killed { "Go." } else { "And more." };
        let messages = asked[0]["messages"].as_array().unwrap();
        assert!(messages[messages.len() - 3].to_string().contains(last), "{messages:?}");
        assert_eq!(messages[messages.len() - 2]["content"][0]["text"], "Done.");
        // With the operator's credential as it is now, and what else the request was sent with.
        let seen = provider.seen().pop().unwrap();
        let header = |name: &str| seen.headers.get(name).map(|value| value.to_str().unwrap().to_owned());
        assert_eq!(
            (header("x-api-key").as_deref(), header("anthropic-beta").as_deref()),
            (Some("sk-operators"), Some("one-2026"))
        );
        assert_eq!(endings(&next).len(), 1);
        assert_eq!(findings(&next).len(), 2);

        // It is forgotten then: nobody takes it up again.
        std::thread::sleep(Duration::from_millis(500));
        let last = setup().start_in(next.kill());
        assert_eq!(send(&body("Go."), &last).status, 200);
        eventually(|| endings(&last).len() == 2);
        assert_eq!(questions(&provider).len(), 2);
    }
}

#[test]
fn a_run_whose_jetway_died_while_it_was_asked_is_asked_again_and_ends_once() {
    let slow = json!({ "name": "asked", "when": { "contains": TAG }, "by": "request", "turns": [{ "text": ANSWER, "pace": "1s" }] });
    let plain = json!({ "name": "plain", "turns": [{ "text": "Done." }] });
    let provider = provider(&json!({ "scenarios": [slow, plain] }).to_string());
    let first = House::new(setup(&provider, WAITS, ""));
    let mut asks = body("Go.");
    asks["stream"] = true.into();
    assert_eq!(first.send(&asks).status, 200);
    eventually(|| questions(&provider).len() == 1);
    std::thread::sleep(Duration::from_millis(500));
    let House { jetway, .. } = first;
    assert!(endings(&jetway).is_empty());
    let next = setup(&provider, WAITS, "").start_in(jetway.kill());
    let run = ended(&next);
    assert_eq!((run["ended_by"].as_str(), run["asked"].as_str()), (Some("quiet"), Some("answered")));
    assert_eq!((questions(&provider).len(), endings(&next).len()), (2, 1));
}

#[test]
fn what_cannot_be_asked_later_says_why() {
    let mut state: u64 = 7;
    let noise: String = std::iter::repeat_with(|| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        char::from(b'0' + (state >> 58) as u8)
    })
    .take(4 << 20)
    .collect();
    for (credentials, say, why) in [
        ("passthrough", "Go.", "credential"),
        ("{ env: PROVIDER_KEY }", noise.replace('\\', "/").as_str(), "too_large"),
    ] {
        let provider = plain();
        let setup = || {
            let mut setup = setup(&provider, "quiet: 5s, callers_credential: true", "");
            setup.credentials = credentials.to_owned();
            setup
        };
        let first = setup().start();
        let (_, key) = first.key("open", "ada");
        let key = if credentials == "passthrough" { "sk-of-ada" } else { &key };
        let asks = post("/v1/messages", body(say).to_string()).header("x-api-key", key);
        let answer = asks.header("x-jetway-run", "job").send(first.data);
        assert_eq!(answer.status, 200, "{}", answer.text());
        written_down(&first, &format!("\"gone\":\"{why}\""));
        let folder = first.kill();
        let kept = std::fs::read(folder.path().join("state/state.db-wal")).unwrap();
        assert!(!kept.windows(9).any(|some| some == b"sk-of-ada"), "a credential is kept");
        let next = setup().start_in(folder);
        ends(&next, "quiet", why);
        assert!(questions(&provider).is_empty());
    }
}

#[test]
fn of_a_fleet_somebody_asks_whose_jetway_was_killed_and_only_once() {
    let (provider, redis) = (plain(), Redis::start(&[]));
    let secret = redis.folder().join("secret");
    std::fs::write(&secret, SECRET).unwrap();
    let start = || {
        let mut setup = setup(&provider, "quiet: 2s, abandoned: 2s", "");
        let (secret, url) = (secret.display(), redis.url());
        setup.more = format!("secret: {{ file: {secret} }}\nledger: {{ redis: {{ urls: ['{url}'], timeout: 5s }} }}");
        setup.start()
    };
    let fleet = [start(), start(), start()];
    let key = fleet[0].key("open", "ada").1;
    let asks = post("/v1/messages", body("Go.").to_string()).header("x-api-key", &key).header("x-jetway-run", "job");
    let run = asks.send(fleet[0].data).header("x-jetway-run").unwrap().to_owned();
    eventually(|| redis.cli(&["HEXISTS", "jetway:{open}:prompt", &run]) == "1");
    let [first, others @ ..] = fleet;
    first.kill();
    eventually(|| !questions(&provider).is_empty());
    let line = "jetway_runs_ended_total{ending=\"quiet\",policy=\"open\"} 1";
    let ended = || others.iter().filter(|jetway| jetway.metrics().contains(line)).count();
    eventually(|| ended() == 1);
    // All the others have looked again by then.
    std::thread::sleep(Duration::from_secs(5));
    assert_eq!((ended(), questions(&provider).len()), (1, 1));
    assert_eq!(others.iter().map(|jetway| endings(jetway).len()).sum::<usize>(), 1);
    for (key, rest) in [("due", "ZCARD"), ("facts", "HLEN"), ("prompt", "HLEN")] {
        eventually(|| redis.cli(&[rest, &format!("jetway:{{open}}:{key}")]) == "0");
    }
    assert_eq!(redis.cli(&["GET", "jetway:{open}:bytes"]), "0");
}

#[test]
fn what_another_jetway_of_a_fleet_is_at_is_nobody_elses() {
    // Its reply takes longer than it takes until a run is anybody's.
    let long = json!([{ "name": "long", "turns": [{ "text": "Done. ".repeat(15), "pace": "1s" }] }]);
    let (provider, redis) = (scripted(ANSWER, &long), Redis::start(&[]));
    let secret = redis.folder().join("secret");
    std::fs::write(&secret, SECRET).unwrap();
    let start = || {
        let mut setup = setup(&provider, "quiet: 1s, abandoned: 1s", "");
        setup.policies[0].1 = setup.policies[0].1.replace("allow: ['*']", "allow: ['claude-*']");
        let (secret, url) = (secret.display(), redis.url());
        setup.more = format!("secret: {{ file: {secret} }}\nledger: {{ redis: {{ urls: ['{url}'], timeout: 5s }} }}");
        setup.start()
    };
    let (first, second) = (start(), start());
    let key = first.key("open", "ada").1;
    let ask = |body: &Value| {
        post("/v1/messages", body.to_string()).header("x-api-key", &key).header("x-jetway-run", "job").send(first.data)
    };
    // A first request, which is refused, has it written down, and due in a second.
    assert_eq!(ask(&json!({ "model": "of-nobody", "max_tokens": 9, "messages": [] })).status, 403);
    eventually(|| redis.cli(&["ZCARD", "jetway:{open}:due"]) == "1");
    let mut asks = body("Go.");
    asks["stream"] = true.into();
    assert!(ask(&asks).text().contains("message_stop"));
    ends(&first, "quiet", "answered");
    assert!(endings(&second).is_empty(), "{}", second.log());
    assert_eq!(questions(&provider).len(), 1);
}
