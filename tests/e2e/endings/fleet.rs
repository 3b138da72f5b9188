//! Several Jetways serve one run: it ends once, as its main conversation did, and is asked once.

use super::*;

/// Two Jetways on one Redis, and Ada's key for each.
struct Fleet {
    both: [Jetway; 2],
    keys: [String; 2],
    redis: Redis,
}

impl Fleet {
    fn new(provider: &Provider, interrogation: &str) -> Self {
        let redis = Redis::start(&[]);
        let secret = redis.folder().join("secret");
        std::fs::write(&secret, "0123456789abcdef0123456789abcdef").unwrap();
        let both = [(); 2].map(|()| {
            let mut setup = setup(provider, interrogation, "");
            setup.policies.push((String::from("other"), String::from(OPEN)));
            let (secret, url) = (secret.display(), redis.url());
            setup.more =
                format!("secret: {{ file: {secret} }}\nledger: {{ redis: {{ urls: ['{url}'], timeout: 5s }} }}");
            setup.start()
        });
        let keys = [0, 1].map(|at| both[at].key("open", "ada").1);
        Self { both, keys, redis }
    }

    fn send(&self, at: usize, body: &Value, headers: &[(&str, &str)]) -> Answer {
        let asks =
            post("/v1/messages", body.to_string()).header("x-api-key", &self.keys[at]).header("x-jetway-run", "job");
        let answer = headers.iter().fold(asks, |asks, (name, value)| asks.header(name, value)).send(self.both[at].data);
        assert_eq!(answer.status, 200, "{}", answer.text());
        answer
    }

    fn end(&self, at: usize, policy: &str, key: &str, run: &str) -> u16 {
        post(&format!("{policy}/v1/runs/{run}/end"), "").header("x-api-key", key).send(self.both[at].data).status
    }

    /// How runs ended, by either.
    fn endings(&self) -> Vec<Value> {
        self.both.iter().flat_map(kept::endings).collect()
    }

    fn is_kept(&self, run: &str) -> bool {
        self.redis.cli(&["HEXISTS", "jetway:{open}:facts", run]) == "1"
    }

    /// It ends so, once, and is asked once, behind this; and nobody comes back to it.
    #[track_caller]
    fn ends(&self, provider: &Provider, how: &str, behind: &str) {
        eventually(|| !self.endings().is_empty());
        std::thread::sleep(Duration::from_secs(9));
        let (ended, asked) = (self.endings(), questions(provider));
        assert_eq!((ended.len(), asked.len()), (1, 1), "{ended:?}");
        assert_eq!((&ended[0]["how"], &ended[0]["asked"]), (&json!(how), &json!("answered")));
        assert!(asked[0].to_string().contains(behind), "{}", asked[0]);
        assert_eq!(self.redis.cli(&["HLEN", "jetway:{open}:facts"]), "0");
    }
}

const SUB: [(&str, &str); 1] = [("x-claude-code-agent-id", "a1")];

fn title() -> Value {
    let mut title = body("Title this.");
    title.as_object_mut().unwrap().remove("tools");
    title
}

fn streamed(say: &str) -> Value {
    let mut asks = body(say);
    asks["stream"] = true.into();
    asks
}

#[test]
fn a_question_that_takes_longer_than_a_run_is_left_alone_is_asked_once() {
    let slow = json!({ "name": "asked", "when": { "contains": TAG }, "by": "request", "turns": [{ "text": "Nothing was in my way. ".repeat(3), "pace": "1s" }] });
    let plain = json!({ "name": "plain", "turns": [{ "text": "Done." }] });
    let provider = provider(&json!({ "scenarios": [slow, plain] }).to_string());
    let fleet = Fleet::new(&provider, WAITS);
    fleet.send(0, &streamed("Go."), &[]);
    fleet.ends(&provider, "quiet", "Go.");
}

#[test]
fn a_title_or_a_sub_agent_that_is_served_last_elsewhere_ends_no_main_conversation() {
    for (last, headers) in [(title(), &[][..]), (body("Find it."), &SUB[..])] {
        let provider = plain();
        let fleet = Fleet::new(&provider, "quiet: 4s, abandoned: 4s");
        let run = fleet.send(0, &body("Go."), &[]).header("x-jetway-run").unwrap().to_owned();
        eventually(|| fleet.is_kept(&run));
        fleet.send(1, &last, headers);
        fleet.ends(&provider, "quiet", "Go.");
    }
}

#[test]
fn a_main_conversation_that_is_at_work_elsewhere_is_waited_for() {
    // In a call that takes longer than a sub-agent may be quiet; and in a reply that takes longer.
    let calls = json!([{ "name": "calls", "when": { "contains": "Go." }, "turns": [{ "calls": [{ "tool": "Bash", "input": {} }] }] }, { "name": "plain", "turns": [{ "text": "Found." }] }]);
    let provider = scripted(ANSWER, &calls);
    let fleet = Fleet::new(&provider, "quiet: 1s, abandoned: 10s");
    let run = fleet.send(0, &body("Go."), &[]).header("x-jetway-run").unwrap().to_owned();
    eventually(|| fleet.is_kept(&run));
    fleet.send(1, &body("Find it."), &SUB);
    std::thread::sleep(Duration::from_secs(5));
    assert!(fleet.endings().is_empty(), "{:?}", fleet.endings());
    fleet.ends(&provider, "abandoned", "Go.");

    let slow = json!([{ "name": "slow", "when": { "contains": "Go." }, "turns": [{ "text": "Done. ".repeat(10), "pace": "500ms" }] }, { "name": "plain", "turns": [{ "text": "A title." }] }]);
    let provider = scripted(ANSWER, &slow);
    let fleet = Fleet::new(&provider, WAITS);
    std::thread::scope(|scope| {
        scope.spawn(|| fleet.send(0, &streamed("Go."), &[]));
        eventually(|| !provider.seen().is_empty());
        fleet.send(1, &title(), &[]);
    });
    fleet.ends(&provider, "quiet", "Go.");
}

#[test]
fn a_jetway_whose_clock_is_ahead_ends_no_run_a_second_time() {
    let provider = plain();
    let fleet = Fleet::new(&provider, "quiet: 2s, abandoned: 2s");
    let run = fleet.send(0, &body("Go."), &[]).header("x-jetway-run").unwrap().to_owned();
    eventually(|| fleet.is_kept(&run));
    // As one writes it whose clock is twenty seconds ahead.
    let facts = fleet.redis.cli(&["HGET", "jetway:{open}:facts", &run]);
    let mut facts: Value = serde_json::from_str(&facts).unwrap();
    for name in ["at", "due"] {
        facts[name] = (facts[name].as_i64().unwrap() + 20_000).into();
    }
    fleet.redis.cli(&["HSET", "jetway:{open}:facts", &run, &facts.to_string()]);
    fleet.send(1, &kept::more(), &[]);
    fleet.ends(&provider, "quiet", "And more.");
}

#[test]
fn of_a_fleet_too_a_run_is_ended_at_once_by_its_own_caller_alone_and_not_twice() {
    let provider = plain();
    let fleet = Fleet::new(&provider, "quiet: 1h, abandoned: 1h");
    let run = fleet.send(0, &body("Go."), &[]).header("x-jetway-run").unwrap().to_owned();
    let (bob, others) = (fleet.both[0].key("open", "bob").1, fleet.both[0].key("other", "ada").1);
    let (bob_there, others_there) = (fleet.both[1].key("open", "bob").1, fleet.both[1].key("other", "bob").1);
    for (at, policy, key) in [(0, "", &bob), (0, "/other", &others), (1, "", &bob_there), (1, "/other", &others_there)]
    {
        assert_eq!(fleet.end(at, policy, key, &run), 404, "{at} {policy}");
    }
    std::thread::sleep(Duration::from_secs(3));
    assert!(fleet.endings().is_empty(), "{:?}", fleet.endings());
    assert_eq!(fleet.end(1, "", &fleet.keys[1], &run), 200);
    fleet.ends(&provider, "told", "Go.");
    for (at, key) in fleet.keys.iter().enumerate() {
        assert_eq!(fleet.end(at, "", key, &run), 404, "it is over");
    }
    // What comes later opens it again, by whomever it is served, and that ends too.
    fleet.send(1, &body("Go."), &[]);
    assert_eq!(fleet.end(0, "", &fleet.keys[0], "job"), 200);
    eventually(|| fleet.endings().len() == 2);
}
