//! Running it: the greeting, edits while it runs, metrics, the run log, stopping.

use std::io::{Read, Write};
use std::time::Duration;

use jetway_support::client::{get, post};
use jetway_support::{Jetway, OPEN, Setup, eventually, jetway, provider, root};

const BODY: &str = r#"{"model":"claude-sonnet-5-5","max_tokens":50,"messages":[{"role":"user","content":"hi"}]}"#;

#[test]
fn a_good_edit_is_taken_at_once_and_a_bad_one_is_refused() {
    let provider = provider("scenarios: []");
    let jetway = Setup::new(&provider.url()).start();
    let file = jetway.folder.path().join("policies/open/policy.yaml");
    assert_eq!(post("/v1/messages", BODY).send(jetway.data).status, 200);

    std::fs::write(&file, OPEN.replace("allow: ['*']", "allow: ['gpt-*']")).unwrap();
    eventually(|| post("/v1/messages", BODY).send(jetway.data).status == 403);

    std::fs::write(&file, format!("{OPEN}lockdwn: {{}}\n")).unwrap();
    jetway.says("the old one stays");
    jetway.says("policy.yaml:5:1");
    assert_eq!(post("/v1/messages", BODY).send(jetway.data).status, 403);

    std::fs::write(&file, OPEN).unwrap();
    eventually(|| post("/v1/messages", BODY).send(jetway.data).status == 200);
    let metrics =
        get("/metrics").header("authorization", &format!("Bearer {}", jetway.token())).send(jetway.admin).text();
    assert!(metrics.contains("jetway_config_reloads_total{result=\"refused\"} 1"), "{metrics}");
}

#[test]
fn a_wrong_configuration_does_not_start_and_says_where() {
    let check = |file: &str, text: &str, why: &str| {
        let folder = tempfile::tempdir().unwrap();
        copy(&root().join("config"), &folder.path().join("config"));
        copy(&root().join("policies"), &folder.path().join("policies"));
        let path = folder.path().join(file);
        let whole = std::fs::read_to_string(&path).unwrap();
        let (from, to) = text.split_once(" => ").unwrap();
        assert!(whole.contains(from), "{from}");
        let edited = whole.replacen(from, to, 1);
        let line = edited.lines().position(|line| line.contains(to)).unwrap() + 1;
        let place = format!("{file}:{line}:");
        std::fs::write(&path, edited).unwrap();
        for command in [&["check"][..], &["serve", "--any-port"]] {
            let output = jetway(folder.path(), command).output().unwrap();
            let text = String::from_utf8_lossy(&output.stderr).into_owned();
            assert!(!output.status.success());
            assert!(text.contains(&place) && text.contains(why), "{place} {why}: {text}");
            assert!(text.contains(" | "), "the line itself is shown: {text}");
        }
    };
    let wizard = "policies/wizard/policy.yaml";
    check(wizard, "lockdown: => lockdwon:", "lockdwon");
    check(wizard, "allowance: 4000 => allowance: many", "a whole number is expected here");
    check(wizard, "\"{Bash,bash}\" => \"{Bash,bash\"", "{Bash,bash");
    check(wizard, "docs: docs => docs: none", "does not exist");
    check(wizard, "docs: docs => docs: [{ folder: none }]", "does not exist");
    check(wizard, "docs: docs => docs: [{ url: 'http://a.example.com' }]", "in plain HTTP");
    check(wizard, "docs: docs => docs: [{ url: 'https://a.example.com', refrsh: 1h }]", "unknown field `refrsh`");
    check(wizard, "docs: docs => docs: [{ folder: docs, max_age: old }]", "not a length of time");
    check(wizard, "docs: docs => docs: []", "`docs` is empty");
    check(wizard, "standing: standing.md => standing: none.md", "none.md, which cannot be read");
    check(wizard, "standing: standing.md => standing: ../coding/policy.yaml", "inside the policy's folder");
    check(wizard, "providers: [anthropic, openai] => providers: [anthropic, opnai]", "there is no provider \"opnai\"");
    let look = "{ id: look, prompt: steps/1-look.md }";
    let with = |more: &str| format!("{look} => {{ id: look, prompt: steps/1-look.md, {more} }}");
    check(wizard, &with("model: claude-haiku-4-5"), "which `models.allow` does not allow");
    check(wizard, &with("allowance: { usd: 1, tokens: 1 }"), "exactly one of `usd` and `tokens`");
    check(wizard, "usd: 5.00, => usd: 5.00, tokens: 7,", "exactly one of `usd` and `tokens`");
    let gateway = "config/gateway.yaml";
    check(gateway, "listen: 127.0.0.1:8787 => listen: nowhere", "socket address");
    check(gateway, "credentials: passthrough => credentials: { env: NOT_SET_HERE }", "NOT_SET_HERE is not set");
    check(gateway, "default_policy: coding => default_policy: codng", "there is no such policy");
    check("config/prices.yaml", "input: 5.00 => input: -5.00", "not an amount of dollars");
}

fn copy(from: &std::path::Path, to: &std::path::Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &target);
        } else {
            std::fs::copy(entry.path(), target).unwrap();
        }
    }
}

#[test]
fn the_shipped_configuration_starts_in_demo_mode_and_greets() {
    let folder = tempfile::tempdir().unwrap();
    copy(&root().join("config"), &folder.path().join("config"));
    copy(&root().join("policies"), &folder.path().join("policies"));
    let mut child =
        jetway(folder.path(), &["serve", "--demo", "--any-port"]).stdout(std::process::Stdio::piped()).spawn().unwrap();
    let mut greeting = [0; 4096];
    let mut taken = 0;
    let mut stdout = child.stdout.take().unwrap();
    while !String::from_utf8_lossy(&greeting[..taken]).contains("openai_base_url") {
        taken += stdout.read(&mut greeting[taken..]).unwrap();
    }
    let greeting = String::from_utf8_lossy(&greeting[..taken]).into_owned();
    for part in [
        "agents ",
        "admin ",
        "policies   coding, wizard",
        "providers ",
        "export ANTHROPIC_BASE_URL=http://127.0.0.1:",
        "openai_base_url = ",
    ] {
        assert!(greeting.contains(part), "{part}: {greeting}");
    }
    assert_eq!(greeting.lines().count(), 5, "{greeting}");
    let data = greeting.lines().next().unwrap().rsplit("http://").next().unwrap().parse().unwrap();
    let answer = post("/wizard/v1/messages", BODY).header("x-api-key", "anything").send(data);
    assert_eq!(answer.status, 200, "{}", answer.text());
    child.kill().unwrap();
    child.wait().unwrap();
}

#[test]
fn metrics_are_for_those_with_the_token_and_health_is_for_all() {
    let provider = provider("scenarios: []");
    let jetway = Setup::new(&provider.url()).start();
    assert_eq!(post("/v1/messages", BODY).send(jetway.data).status, 200);
    jetway.exchanges(1);
    assert_eq!(get("/healthz").send(jetway.admin).status, 200);
    assert_eq!(get("/readyz").send(jetway.admin).status, 200);
    for wrong in ["", "Bearer x", "Bearer "] {
        let answer = get("/metrics").header("authorization", wrong).send(jetway.admin);
        assert_eq!((answer.status, answer.text().contains("jetway_")), (401, false), "{wrong}");
    }
    let metrics =
        get("/metrics").header("authorization", &format!("Bearer {}", jetway.token())).send(jetway.admin).text();
    for line in [
        "jetway_exchanges_total{dialect=\"messages\",model=\"claude-sonnet-*\",outcome=\"complete\",policy=\"open\",provider=\"messages\"} 1",
        "jetway_open_exchanges 0",
        "jetway_build_info{version=",
        "jetway_decide_seconds_count{policy=\"open\"} 1",
    ] {
        assert!(metrics.contains(line), "{line}: {metrics}");
    }
    assert_eq!(get("/metrics").send(jetway.data).status, 404);
}

#[test]
fn runs_are_told_apart_and_shown() {
    let provider = provider("scenarios: []");
    let jetway = Setup::new(&provider.url()).start();
    for (session, times) in [("one", 2), ("two", 1)] {
        for turn in 0..times {
            // What is sent again is no turn.
            let body = BODY.replace("hi", &format!("hi {turn}"));
            post("/v1/messages", body).header("x-claude-code-session-id", session).send(jetway.data);
        }
    }
    assert_eq!(jetway.exchanges(3).len(), 3);
    let runs = jetway.json(&["runs", "--json"]);
    let mut turns: Vec<_> = runs.as_array().unwrap().iter().map(|run| run["turns"].as_i64().unwrap()).collect();
    turns.sort_unstable();
    assert_eq!(turns, [1, 2]);
    let unknown = jetway.command(&["runs", "--json", "--policy", "none"]);
    let said = String::from_utf8(unknown.stderr).unwrap();
    assert!(!unknown.status.success() && said.contains("no policy is called \"none\""), "{said}");
    let id = runs[0]["id"].as_str().unwrap();
    let shown = String::from_utf8(jetway.command(&["runs", "show", id]).stdout).unwrap();
    assert!(shown.contains("messages claude-sonnet-5-5  complete") && shown.contains("tokens"), "{shown}");
    let missing = jetway.command(&["runs", "show", "run_none"]);
    assert!(!missing.status.success());
}

#[test]
fn a_reply_that_is_under_way_may_finish_when_it_is_told_to_stop_and_operators_can_watch_it() {
    let provider = provider("scenarios: [{ name: s, turns: [{ text: 'one two three four five six', pace: 200ms }] }]");
    let mut jetway = Setup::new(&provider.url()).start();
    let admin = format!("http://{}", jetway.admin);
    let health = |jetway: &Jetway| jetway.command(&["health", "--url", &admin]);
    let well = health(&jetway);
    assert!(well.status.success(), "{}", String::from_utf8_lossy(&well.stderr));
    let stream =
        post("/v1/messages", BODY.replace("\"max_tokens\"", "\"stream\":true,\"max_tokens\"")).open(jetway.data);
    let mut first = [0; 1];
    (&stream).read_exact(&mut first).unwrap();
    jetway.terminate();
    eventually(|| std::net::TcpStream::connect(jetway.data).is_err());
    let stopping = get("/readyz").send(jetway.admin);
    assert_eq!((stopping.status, stopping.text().contains("stopping")), (503, true));
    assert_eq!(get("/healthz").send(jetway.admin).status, 200, "it is not to be killed");
    let said = health(&jetway);
    let text = String::from_utf8_lossy(&said.stderr).into_owned();
    assert!(!said.status.success() && text.contains("stopping"), "{text}");
    assert!(jetway.metrics().contains("jetway_open_streams 1"));
    let mut rest = Vec::new();
    (&stream).read_to_end(&mut rest).unwrap();
    assert!(String::from_utf8_lossy(&rest).contains("message_stop"));
    assert!(jetway.wait().success());
    assert_eq!(jetway.exchanges(1)[0]["outcome"], "complete");
    let gone = health(&jetway);
    let text = String::from_utf8_lossy(&gone.stderr).into_owned();
    assert!(!gone.status.success() && text.contains("nothing answers at"), "{text}");
}

#[test]
fn health_is_asked_where_the_configuration_says_also_while_the_rest_of_that_is_wrong() {
    let folder = tempfile::tempdir().unwrap();
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let at = listener.local_addr().unwrap();
    std::fs::create_dir(folder.path().join("config")).unwrap();
    let text = format!("admin: {{ listen: '0.0.0.0:{}' }}\nprovidrs: none\n", at.port());
    std::fs::write(folder.path().join("config/gateway.yaml"), text).unwrap();
    let answering = std::thread::spawn(move || {
        let (mut asked, mut head) = (listener.accept().unwrap().0, [0; 1024]);
        let length = asked.read(&mut head).unwrap();
        asked.write_all(b"HTTP/1.1 503 Service Unavailable\r\ncontent-length: 5\r\n\r\nlater").unwrap();
        String::from_utf8_lossy(&head[..length]).into_owned()
    });
    let output = jetway(folder.path(), &["health"]).output().unwrap();
    assert!(answering.join().unwrap().starts_with("GET /readyz "));
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(!output.status.success() && said.contains("503") && said.contains("later"), "{said}");
}

#[test]
fn the_admin_token_can_be_one_that_the_operator_chose() {
    let provider = provider("scenarios: []");
    let mut setup = Setup::new(&provider.url());
    let token = "an-admin-token-of-more-than-32-characters";
    setup.env.push(("JETWAY_ADMIN".into(), token.into()));
    setup.more = "admin: { token: { env: JETWAY_ADMIN } }".into();
    let jetway = setup.start();
    assert!(jetway.greeting.contains("(token in $JETWAY_ADMIN)"), "{}", jetway.greeting);
    assert!(!jetway.folder.path().join("state/admin-token").exists());
    let ask =
        |token: &str| get("/metrics").header("authorization", &format!("Bearer {token}")).send(jetway.admin).status;
    assert_eq!((ask(token), ask("another")), (200, 401));

    let short = jetway_support::jetway(jetway.folder.path(), &["serve", "--any-port", "--state", "other"])
        .env("JETWAY_ADMIN", "short")
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&short.stderr).into_owned();
    assert!(!short.status.success() && said.contains("gateway.yaml:") && said.contains("under 32"), "{said}");
}

#[test]
fn two_gateways_do_not_share_a_state() {
    let provider = provider("scenarios: []");
    let jetway = Setup::new(&provider.url()).start();
    let second = jetway.command(&["serve", "--any-port"]);
    assert!(!second.status.success());
    assert!(String::from_utf8_lossy(&second.stderr).contains("another Jetway runs on the state"));
}

#[test]
fn help_and_completions_are_there() {
    let folder = tempfile::tempdir().unwrap();
    let text = |args: &[&str]| String::from_utf8(jetway(folder.path(), args).output().unwrap().stdout).unwrap();
    assert!(text(&["--help"]).contains("jetway serve --demo"));
    for shell in ["bash", "zsh", "fish"] {
        assert!(text(&["completions", shell]).contains("jetway"));
    }
}

#[test]
fn silent_connections_do_not_keep_others_out_nor_it_from_stopping() {
    let provider = provider("scenarios: []");
    let mut setup = Setup::new(&provider.url());
    setup.more = "limits: { connections: 3 }".into();
    let mut jetway = setup.start();
    let silent: Vec<_> = (0..3).map(|_| std::net::TcpStream::connect(jetway.data).unwrap()).collect();
    // They are shown the door after ten seconds; this one waits that long and is served.
    assert_eq!(post("/v1/messages", BODY).send(jetway.data).status, 200);
    drop(silent);
    let _silent: Vec<_> = (0..3).map(|_| std::net::TcpStream::connect(jetway.data).unwrap()).collect();
    std::thread::sleep(Duration::from_millis(100));
    jetway.terminate();
    assert!(jetway.wait().success());
}

#[test]
fn more_requests_than_may_be_served_at_once_are_refused_for_the_moment() {
    let provider = provider("scenarios: [{ name: s, turns: [{ text: 'one two three four five six', pace: 100ms }] }]");
    let mut setup = Setup::new(&provider.url());
    setup.more = "limits: { exchanges: 1 }".into();
    let jetway = setup.start();
    let stream =
        post("/v1/messages", BODY.replace("\"max_tokens\"", "\"stream\":true,\"max_tokens\"")).open(jetway.data);
    let mut first = [0; 1];
    (&stream).read_exact(&mut first).unwrap();
    let refused = post("/v1/messages", BODY).send(jetway.data);
    assert_eq!((refused.status, refused.header("retry-after")), (503, Some("2")), "{}", refused.text());
    drop(stream);
    eventually(|| post("/v1/messages", BODY).send(jetway.data).status == 200);
}

#[test]
fn an_empty_token_opens_nothing_and_files_are_their_owner_s() {
    use std::os::unix::fs::PermissionsExt;
    let provider = provider("scenarios: []");
    let jetway = Setup::new(&provider.url()).start();
    assert_eq!(post("/v1/messages", BODY).send(jetway.data).status, 200);
    let state = jetway.folder.path().join("state");
    assert_eq!(std::fs::metadata(&state).unwrap().permissions().mode() & 0o777, 0o700);
    for file in std::fs::read_dir(&state).unwrap() {
        let file = file.unwrap();
        let mode = file.metadata().unwrap().permissions().mode() & 0o777;
        assert!(mode == 0o600 || file.file_name() == "lock", "{:?} has mode {mode:o}", file.file_name());
    }
    let folder = jetway.kill();
    std::fs::write(folder.path().join("state/admin-token"), "").unwrap();
    let output = jetway_support::jetway(folder.path(), &["serve", "--any-port"]).output().unwrap();
    assert!(!output.status.success());
    assert!(String::from_utf8_lossy(&output.stderr).contains("admin-token has under 32 characters"));
}

#[test]
fn the_shipped_tables_of_cases_hold_and_one_that_does_not_is_told() {
    let output = jetway(&root(), &["policy", "test", "--json"]).output().unwrap();
    let report: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert!(output.status.success(), "{report:#}");
    assert!(report["cases"].as_u64().unwrap() > 300, "{report}");
    let folder = tempfile::tempdir().unwrap();
    let table = folder.path().join("own.yaml");
    let case = "{ tool: Bash, with: { command: cat .env }, expect: allow }";
    std::fs::write(&table, format!("rules: {{ allow: ['*'], deny: ['reads(**/.env*)'] }}\ncases: [{case}]\n")).unwrap();
    let output = jetway(&root(), &["policy", "test", table.to_str().unwrap()]).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(!output.status.success() && text.contains("case 1: `Bash`") && text.contains("refused by"), "{text}");
}

#[test]
fn the_demo_plays_one_run_and_shows_it() {
    let folder = tempfile::tempdir().unwrap();
    copy(&root().join("config"), &folder.path().join("config"));
    copy(&root().join("policies"), &folder.path().join("policies"));
    let output = jetway(folder.path(), &["demo"]).output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{text} {}", String::from_utf8_lossy(&output.stderr));
    for part in [
        "calls  Read package.json",
        "calls  Write instrumentation-client.ts",
        "429 Too Many Requests: the budget of $5.00 for each user a day",
        "5 turns,",
        "shown     nextjs.md#Next.js (App Router) > Initialise posthog-js in Next.js with instrumentation-client.ts",
        "refused   WebFetch (deny Web*)",
        "Where to look next:",
    ] {
        assert!(text.contains(part), "{part}: {text}");
    }
    // What is refused is not sent, so that it breaks nothing off.
    assert!(!text.contains("does not begin as the one before"), "{text}");
    assert!(!text.contains('\u{1b}'), "colour only on a terminal");
    let runs =
        String::from_utf8(jetway(folder.path(), &["runs", "--state", "state/demo"]).output().unwrap().stdout).unwrap();
    assert!(runs.contains("wizard") && runs.contains("refused"), "{runs}");
}

#[test]
fn a_reply_that_outlasts_the_drain_time_is_cut_settled_and_recorded() {
    let words = "word ".repeat(400);
    let provider = provider(&format!("scenarios: [{{ name: s, turns: [{{ text: '{words}', pace: 100ms }}] }}]"));
    let mut setup = Setup::new(&provider.url()).with("budget: { caps: [{ per: user, usd: 1, every: day }] }\n");
    setup.more = "limits: { drain_time: 500ms }".into();
    let mut jetway = setup.start();
    let stream =
        post("/v1/messages", BODY.replace("\"max_tokens\"", "\"stream\":true,\"max_tokens\"")).open(jetway.data);
    let mut first = [0; 1];
    (&stream).read_exact(&mut first).unwrap();
    jetway.terminate();
    assert!(jetway.wait().success());
    let exchange = jetway.exchanges(1).remove(0);
    assert_eq!(exchange["outcome"], "client_gone");
    let ledger = rusqlite::Connection::open(jetway.folder.path().join("state/ledger.db")).unwrap();
    let held: i64 = ledger.query_row("SELECT sum(held) FROM slot", [], |row| row.get(0)).unwrap();
    assert_eq!(held, 0);
}

#[test]
fn half_a_request_line_does_not_hold_a_place() {
    use std::io::Write;
    let provider = provider("scenarios: []");
    let mut setup = Setup::new(&provider.url());
    setup.more = "limits: { connections: 2, header_time: 1s }".into();
    let jetway = setup.start();
    let mut stuck: Vec<_> = (0..2).map(|_| std::net::TcpStream::connect(jetway.data).unwrap()).collect();
    stuck.iter_mut().for_each(|stream| stream.write_all(b"P").unwrap());
    assert_eq!(post("/v1/messages", BODY).send(jetway.data).status, 200);
}
