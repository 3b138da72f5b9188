//! Seen at a glance: a real Prometheus scrapes a Jetway to which everything happens that can happen, and
//! every expression of every dashboard and rule says something about it.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use promql_parser::parser::{Expr, parse};
use serde_json::{Value, json};

use jetway::config::environment;
use jetway_scripted::Provider;
use jetway_support::agent::goes_on;
use jetway_support::client::{Ask, post};
use jetway_support::collector::Collector;
use jetway_support::dashboards::{Query, dashboards, filled, queries, rules};
use jetway_support::embeddings::Embeddings;
use jetway_support::fixed::Fixed;
use jetway_support::issuer::{Issuer, Key};
use jetway_support::pages::Pages;
use jetway_support::prometheus::Prometheus;
use jetway_support::redis::Redis;
use jetway_support::{Jetway, OPEN, Setup, eventually, provider, root};

const SCRIPT: &str = r#"
caching: { minimum: 64 }
scenarios:
  - name: asked
    when: { contains: jetway_question }
    by: request
    turns:
      - text: '{"findings": [{"kind": "missing", "severity": "high", "text": "Nothing says where the middleware goes."}, {"kind": "refused_tool", "severity": "low", "tool": "Bash", "text": "I needed npm install."}]}'
  - name: works
    when: { contains: The work }
    turns:
      - { text: I look., calls: [{ tool: Bash, id: c1, input: { command: cat .env } }] }
      - { text: I read., calls: [{ tool: Read, id: c2, input: { file_path: src/app.py } }] }
      - { text: I check., calls: [{ tool: check_env_keys, id: c3, input: { file: .env, keys: [STRIPE_KEY] } }] }
      - { text: I search., calls: [{ tool: search_docs, id: c4, input: { query: capture an exception } }] }
      - { text: I read on., calls: [{ tool: Read, id: c5, input: { file_path: src/b.py } }] }
      - { text: I am done., calls: [{ tool: complete_step, id: c6, input: { summary: done, evidence: seen } }] }
      - { text: It is done. }
  - name: stuck
    when: { contains: Never done }
    turns: [READS]
  - { name: long, when: { contains: At length }, turns: [{ text: "WORDS", pace: 1ms }] }
  - { name: slow, when: { contains: Slowly }, turns: [{ text: one two three four five six, pace: 60ms }] }
  - { name: broken, when: { contains: Break off }, turns: [{ text: one two three four, fault: { reset: { after: 3 } } }] }
  - { name: wrong, when: { contains: Not so }, by: request, turns: [{ status: 400 }] }
  - { name: plain, turns: [{ text: Hello there. }] }
"#;

const LOCK: &str = r#"
lockdown:
  allow: [Read, Bash, Write]
  deny: ["reads(**/.env*)"]
  narrow: { Write: { properties: { mode: { remove: true } } } }
  replace:
    check_env_keys:
      description: Says of each key whether the file has it.
      inputs:
        file: { type: path, description: The file., allow: ["**/.env"] }
        keys: { type: list, description: The keys., pattern: "^[A-Z_]+$", max_items: 9 }
      becomes:
        shell: 'for key; do echo "$key=present"; done'
      result: { lines: "^[A-Z_]+=(?:present|missing)$", otherwise: It could not be read. }
"#;

/// What Jetway is set up with, and all that it talks to.
struct Stage {
    jetway: Jetway,
    redis: Redis,
    pages: Pages,
    keys: BTreeMap<&'static str, String>,
    embeddings: Embeddings,
    issuer: (Issuer, Key),
    _others: (Provider, Collector, Fixed),
}

fn sections(pages: &Pages, embeddings: &Embeddings) -> String {
    let (page, gone) = (pages.url("/stale.md"), pages.url("/gone.md"));
    format!(
        "{LOCK}
context:
  docs: [{{ folder: docs }}, {{ url: '{page}', max_age: 2s, refresh: 1s }}, {{ url: '{gone}', refresh: 1s }}]
  min_score: 0.1
  hosts: [localhost]
  embeddings: {{ url: '{}', model: small, timeout: 10s }}
breadcrumbs:
  - {{ id: look, prompt: look.md, done: {{ result: app }} }}
  - {{ id: plan, prompt: plan.md, max_turns: 5, on_stuck: skip }}
  - {{ id: test, prompt: plan.md, max_turns: 2, on_stuck: end }}
interrogation: {{ allowance: {{ usd: 1, every: day }}, quiet: 1s, abandoned: 1s }}
budget:
  on_error: refuse
  caps:
    - {{ per: user, usd: 5, every: day }}
    - {{ per: policy, usd: 100, every: month }}
  rates: [{{ per: key, requests: 2000, every: minute }}]
",
        embeddings.url()
    )
}

impl Stage {
    fn new() -> Self {
        let reads = "{ text: I read., calls: [{ tool: Read, input: { file_path: a } }] }, ".repeat(14);
        let script = SCRIPT.replace("WORDS", &"lorem ipsum ".repeat(3_334)).replace("READS", &reads);
        let provider = provider(&script);
        let (redis, pages, embeddings) = (Redis::start(&[]), Pages::start(), Embeddings::start());
        let (collector, down) = (
            Collector::start(),
            Fixed::start("HTTP/1.1 503 Service Unavailable\r\ncontent-length: 2\r\nconnection: close\r\n\r\nno", 1000),
        );
        pages.put("/stale.md", "text/markdown", "# Stale\nHow an exception was captured once.\n");
        let page = "# Errors\nTo capture an exception, call captureException.\n";
        let foreign = "---\nlanguages: [ruby]\n---\n# Ruby\nTo capture an exception in Ruby, call capture.\n";
        let mut setup = Setup::new(&provider.url())
            .with(&sections(&pages, &embeddings))
            .file("open/docs/errors.md", page)
            .file("open/docs/ruby.md", foreign)
            .file("open/look.md", "Look at the app.")
            .file("open/plan.md", "Make a plan.")
            .file("open/ask.md", "What could we have done better?");
        // One that fails first, so that another is asked.
        let failing = OPEN.replace("[messages, openai]", "[second, messages]");
        setup.policies.push(("failing".into(), failing));
        let (issuer, key) = (Issuer::start(), Key::ed25519("d"));
        issuer.publish(&[&key]);
        let jwt = format!("{{ accept: [jwt], jwt: {{ issuer: '{}', audience: jetway }} }}", issuer.url());
        setup.policies.push(("tokens".into(), OPEN.replace("{ accept: [keys, passthrough] }", &jwt)));
        setup.second = Some(down.url());
        setup.credentials = "{ env: PROVIDER_KEY }".into();
        setup.env.push(("PROVIDER_KEY".into(), "sk-operators".into()));
        let secret = redis.folder().join("secret");
        std::fs::write(&secret, "0123456789abcdef0123456789abcdef").unwrap();
        setup.more = format!(
            "secret: {{ file: {} }}\nledger: {{ redis: {{ urls: ['{}'], timeout: 500ms }} }}\nruns: {{ bodies: redacted }}\ntraces: {{ otlp: '{}' }}",
            secret.display(),
            redis.url(),
            collector.url()
        );
        let jetway = setup.start();
        let keys = [("ada", "open"), ("bob", "open"), ("failing", "failing")];
        let keys = keys.map(|(user, policy)| (user, jetway.key(policy, user).1)).into();
        Self { jetway, redis, pages, keys, embeddings, issuer: (issuer, key), _others: (provider, collector, down) }
    }

    /// Everything once, by runs that have this number.
    fn round(&self, number: usize) {
        let tool = |name: &str, properties: Value| json!({ "name": name, "input_schema": { "type": "object", "properties": properties } });
        let text = json!({ "type": "string" });
        let tools = json!([
            tool("Read", json!({ "file_path": text })),
            tool("Bash", json!({ "command": text })),
            tool("Write", json!({ "file_path": text, "content": text, "mode": text })),
            tool("WebFetch", json!({ "url": text })),
        ]);
        let body = |messages: &[Value], stream: bool| json!({ "model": "claude-sonnet-5-5", "max_tokens": 1000, "stream": stream, "tools": tools, "messages": messages });
        let user = |say: &str| json!({ "role": "user", "content": say });
        // A run that does its work, and one that gets nowhere.
        for (task, result, turns) in [
            ("The work: capture an exception in app.py.", "STRIPE_KEY=sk_live_4eC39HqLyjWDarjtT1zdp7dc app", 9),
            ("Never done.", "app", 14),
        ] {
            let mut history = vec![user(&format!("{task} {}", "and so on ".repeat(60)))];
            for _ in 0..turns {
                let ask = self.ask("/v1/messages", &body(&history, false), "ada");
                let answer = ask.header("x-jetway-run", &format!("{}-{number}", &task[..5])).send(self.jetway.data);
                assert_eq!(answer.status, 200, "{}", answer.text());
                if !goes_on(&mut history, &answer.json()["content"], result) {
                    break;
                }
            }
        }
        // One of them may break before a byte of its answer has left.
        let send = |say: &str, who: &str| {
            let ask = self.ask("/v1/messages", &body(&[user(say)], true), who);
            let ask = ask.header("x-jetway-run", &format!("{say}-{number}"));
            drop(ask.open(self.jetway.data).read_to_end(&mut Vec::new()));
        };
        for say in ["Hello.", "Break off.", "Not so."] {
            send(say, "bob");
        }
        // One hangs up.
        let ask = self.ask("/v1/messages", &body(&[user("Slowly.")], true), "bob");
        let mut stream = ask.open(self.jetway.data);
        stream.read_exact(&mut [0; 200]).unwrap();
        drop(stream);
        // The other formats.
        let chat = json!({ "model": "gpt-5.5", "messages": [user("Hello.")] });
        assert_eq!(self.ask("/v1/chat/completions", &chat, "bob").send(self.jetway.data).status, 200);
        // One that its first provider does not serve.
        let failing = self.ask("/failing/v1/messages", &body(&[user("Hello.")], false), "failing");
        assert_eq!(failing.send(self.jetway.data).status, 200);
        // One whose agent tells its beginning otherwise.
        let history =
            [user(&"Hello. ".repeat(80)), json!({ "role": "assistant", "content": "Hello there." }), user("Go on.")];
        let mut other = history.clone();
        other[0] = user(&"Good day. ".repeat(80));
        for messages in [&history[..1], &history, &other] {
            let ask = self.ask("/v1/messages", &body(messages, false), "bob");
            ask.header("x-jetway-run", &format!("told-{number}")).send(self.jetway.data);
        }
        // One that finds another policy the next time.
        let ask = self.ask("/v1/messages", &body(&[user("Hello.")], false), "bob").header("x-jetway-run", "stays");
        assert_eq!(ask.send(self.jetway.data).status, 200);
        // One that is cut, and one that is refused, for what its user has is used up.
        let poor = self.poor(number);
        let mut long = body(&[user("At length.")], true);
        long["max_tokens"] = 32_000.into();
        let ask = || post("/v1/messages", long.to_string()).header("x-api-key", &poor).send(self.jetway.data);
        assert_eq!(ask().status, 200);
        assert!((0..100).any(|_| ask().status == 429), "it may ask for ever");
        // One whose caller is known by a token.
        let (issuer, key) = &self.issuer;
        let bearer = format!("Bearer {}", key.token(&issuer.claims("eve", 60)));
        let ask = post("/tokens/v1/messages", body(&[user("Hello.")], false).to_string()).header("x-api-key", "");
        assert_eq!(ask.header("authorization", &bearer).send(self.jetway.data).status, 200);
        // And requests that are none.
        assert_eq!(self.ask("/v1/messages", &json!("{"), "bob").send(self.jetway.data).status, 400);
        assert_eq!(post("/v1/messages", "{}").header("x-api-key", "").send(self.jetway.data).status, 401);
    }

    /// A key with next to nothing to spend.
    fn poor(&self, number: usize) -> String {
        let user = format!("poor{number}");
        let args = ["keys", "create", "--policy", "open", "--user", &user, "--usd", "0.10", "--every", "day", "--json"];
        self.jetway.json(&args)["key"].as_str().unwrap().to_owned()
    }

    fn ask(&self, path: &str, body: &Value, who: &str) -> Ask {
        post(path, body.to_string()).header("x-api-key", &self.keys[who])
    }
}

/// An expression without what it is compared with, in its parts: of an alert that is quiet, what it looks at.
fn measured(expr: &Expr) -> Vec<String> {
    match expr {
        Expr::Paren(inner) => measured(&inner.expr),
        Expr::Binary(binary) if binary.op.is_comparison_operator() || binary.op.is_set_operator() => {
            [&binary.lhs, &binary.rhs].into_iter().flat_map(|side| measured(side)).collect()
        }
        // A number that something is compared with.
        Expr::NumberLiteral(_) => Vec::new(),
        // An instance that is absent is no series of anything.
        Expr::Call(call) if call.func.name == "absent" => Vec::new(),
        // There is no day before this test.
        other => vec![other.to_string().replace(" offset 1h", "")],
    }
}

/// Draws the pictures of the README anew, into the folder that `JETWAY_PICTURES` names: from six minutes of
/// the same traffic, with a Python that has what `dashboards/pictures/requirements.txt` lists.
fn draw(stage: &Stage, prometheus: &Prometheus) {
    let Some(folder) = environment("JETWAY_PICTURES") else { return };
    let begun = Instant::now();
    for number in 10.. {
        stage.round(number);
        // Now much, now little.
        std::thread::sleep(Duration::from_millis(500 * (1 + number as u64 % 7)));
        if begun.elapsed() > Duration::from_secs(360) {
            break;
        }
    }
    let drawn = Command::new(root().join("dashboards/pictures/draw.py"))
        .args(["--prometheus", &prometheus.url(), "--range", "5m", "--scrape", "1s", "--out"])
        .arg(root().join(folder))
        .status();
    assert!(drawn.unwrap().success());
}

#[test]
fn every_expression_of_the_dashboards_and_the_rules_says_something() {
    let mut stage = Stage::new();
    let prometheus = Prometheus::of(&stage.jetway);
    stage.round(1);
    prometheus.catch_up();
    draw(&stage, &prometheus);
    // From now on it grows old.
    stage.pages.page("/stale.md", 500, &[], "no");
    // Another policy, and one that is none.
    stage.jetway.edit(&sections(&stage.pages, &stage.embeddings).replace("[Read, Bash, Write]", "[Read, Bash]"));
    stage.round(2);
    let file = stage.jetway.folder.path().join("policies/open/policy.yaml");
    std::fs::write(file, "about: [").unwrap();
    stage.jetway.says("the old one stays");
    prometheus.catch_up();
    // How budgets stand is looked up every now and then.
    eventually(|| !prometheus.now("jetway_budget_user_used").unwrap().is_empty());
    stage.redis.kill();
    assert_eq!(
        stage
            .ask("/v1/messages", &json!({ "model": "claude-x", "max_tokens": 9, "messages": [] }), "bob")
            .send(stage.jetway.data)
            .status,
        503
    );
    prometheus.catch_up();
    // What would be found wrong, is.
    assert!(prometheus.over("jetway_no_metric", 60).unwrap().is_empty() && prometheus.over("sum by (", 60).is_err());
    let mut missing = Vec::new();
    let mut asked = Vec::new();
    for (name, dashboard) in dashboards() {
        for Query { place, expr } in queries(&name, &dashboard) {
            asked.push((place, filled(&expr, "30s", "10m")));
        }
    }
    for rule in rules() {
        let name = rule.name().to_owned();
        asked.extend(measured(&parse(&rule.expr).unwrap()).into_iter().map(|expr| (name.clone(), expr)));
    }
    for (place, expr) in &asked {
        match prometheus.over(expr, 60) {
            Ok(found) if found.is_empty() => missing.push(format!("{place}: nothing for {expr}")),
            Ok(_) => {}
            Err(error) => missing.push(format!("{place}: {error} for {expr}")),
        }
    }
    assert!(missing.is_empty(), "{}", missing.join("\n"));
    for rule in prometheus.rules() {
        assert_eq!((&rule["health"], &rule["lastError"]), (&Value::from("ok"), &Value::Null), "{rule}");
    }
    let mut checking = Command::new("promtool")
        .args(["check", "metrics"])
        .stdin(Stdio::piped())
        .stderr(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    checking.stdin.take().unwrap().write_all(stage.jetway.metrics().as_bytes()).unwrap();
    let checked = checking.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&checked.stderr).into_owned() + &String::from_utf8_lossy(&checked.stdout);
    assert!(checked.status.success() && said.trim().is_empty(), "{said}");
}
