//! Bad input: a clear sentence, in the dialect's own shape, and nothing sent to the provider.

use std::io::{Read, Write};
use std::net::TcpStream;

use jetway_support::client::{Ask, get, post};
use jetway_support::{Jetway, Setup, provider};

struct Case {
    provider: jetway_scripted::Provider,
    jetway: Jetway,
}

fn case() -> Case {
    let provider = provider("scenarios: []");
    let jetway = Setup::new(&provider.url()).with("lockdown: { allow: ['*'] }\n").start();
    Case { provider, jetway }
}

impl Case {
    #[track_caller]
    fn refuses(&self, ask: &Ask, status: u16, why: &str) {
        let answer = ask.send(self.jetway.data);
        assert_eq!(answer.status, status, "{}", answer.text());
        assert!(answer.message().contains(why), "{}", answer.text());
        assert!(answer.whole);
        assert!(self.provider.seen().is_empty(), "something was sent");
    }
}

fn messages(body: impl Into<Vec<u8>>) -> Ask {
    post("/v1/messages", body)
}

const SOUND: &str = r#"{"model":"m","messages":[]}"#;

#[test]
fn json_that_two_readers_could_take_differently() {
    let case = case();
    case.refuses(&messages(r#"{"model":"m","messages":["#), 400, "ends in the middle of a value");
    case.refuses(
        &messages(r#"{"model":"m","messages":[],"tools":[],"tools":[{"name":"x"}]}"#),
        400,
        "\"tools\" stands twice",
    );
    case.refuses(
        &messages(r#"{"model":"m","messages":[],"tools":[],"Tools":[]}"#),
        400,
        "\"Tools\" could be read as `tools`",
    );
    case.refuses(&messages(r#"{"model":"m","messages":[],"to\u006fls":[]}"#), 400, "could be read as `tools`");
    case.refuses(
        &messages(format!("{{\"model\":\"m\",\"messages\":{}{}}}", "[".repeat(100), "]".repeat(100))),
        400,
        "deeper than 64",
    );
    case.refuses(&messages("{\"model\":\"m\",\"messages\":[]} extra"), 400, "more text after the end");
    case.refuses(&messages(&b"{\"model\":\"\xff\"}"[..]), 400, "not UTF-8");
    case.refuses(&messages(""), 400, "ends in the middle");
    case.refuses(&messages("[]"), 400, "must be a JSON object");
}

#[test]
fn requests_that_lack_something() {
    let case = case();
    case.refuses(&messages(r#"{"messages":[]}"#), 400, "has no `model`");
    case.refuses(&messages(r#"{"model":"m"}"#), 400, "has no `messages`");
    case.refuses(&messages(SOUND).header("content-type", "text/plain"), 415, "must be application/json");
    case.refuses(&messages(SOUND).header("content-type", ""), 415, "must be application/json");
    case.refuses(&messages(SOUND).header("content-encoding", "br"), 415, "gzip, zstd or none");
    case.refuses(&messages(SOUND).header("content-encoding", "zstd"), 400, "not the zstd");
}

#[test]
fn models_that_are_not_allowed_or_served() {
    let provider = provider("scenarios: []");
    let policy =
        "about: x\nidentity: { accept: [passthrough] }\nmodels: { allow: ['claude-*'], providers: [messages] }\n";
    let mut setup = Setup::new(&provider.url());
    setup.policies = vec![("open".into(), policy.into())];
    let case = Case { jetway: setup.start(), provider };
    case.refuses(
        &messages(r#"{"model":"gpt-6","messages":[]}"#),
        403,
        "`gpt-6` is not allowed by the policy `open`, which allows claude-*",
    );
    case.refuses(
        &post("/v1/chat/completions", r#"{"model":"claude-x","messages":[]}"#),
        403,
        "serves `claude-x` in the chat format",
    );
}

#[test]
fn efforts_that_are_not_allowed() {
    let provider = provider("scenarios: []");
    let policy = "about: x\nidentity: { accept: [passthrough] }\nmodels: { allow: [{ model: m, efforts: [low] }], providers: [messages, openai] }\n";
    let mut setup = Setup::new(&provider.url());
    setup.policies = vec![("open".into(), policy.into())];
    let case = Case { jetway: setup.start(), provider };
    let ask = |path: &str, members: &str| {
        let said = r#""messages":[{"role":"user","content":"x"}]"#;
        let said = if path.ends_with("responses") { r#""input":"x""# } else { said };
        post(path, format!(r#"{{"model":"m","max_tokens":5000,{said}{members}}}"#))
    };
    let high = "the effort `high` is not allowed for the model `m` by the policy `open`, which allows low";
    case.refuses(&ask("/v1/messages", r#","output_config":{"effort":"high"}"#), 403, high);
    case.refuses(&ask("/v1/messages", r#","thinking":{"type":"enabled","budget_tokens":20000}"#), 403, high);
    case.refuses(&ask("/v1/chat/completions", r#","reasoning_effort":"high""#), 403, high);
    case.refuses(&ask("/v1/chat/completions", r#","reasoning_effort":"ultra""#), 403, "the effort `ultra`");
    case.refuses(&ask("/v1/responses", r#","reasoning":{"effort":"high"}"#), 403, high);
    case.refuses(&ask("/v1/messages", ""), 403, "names no effort");
    // Counting asks for no reply, and so for no effort.
    let counted = ask("/v1/messages/count_tokens", "").send(case.jetway.data);
    assert_eq!(counted.status, 200, "{}", counted.text());
    let allowed = ask("/v1/messages", r#","output_config":{"effort":"low"}"#).send(case.jetway.data);
    assert_eq!(allowed.status, 200, "{}", allowed.text());
}

#[test]
fn bodies_that_are_too_large() {
    let case = case();
    let large = vec![b' '; 40 << 20];
    case.refuses(&messages(large.clone()), 413, "larger than 32 MiB");
    let bomb = zstd::encode_all(&large[..], 3).unwrap();
    assert!(bomb.len() < 100_000);
    case.refuses(&messages(bomb).header("content-encoding", "zstd"), 413, "larger than 32 MiB");
    // It serves on.
    let answer =
        messages(r#"{"model":"m","max_tokens":5,"messages":[{"role":"user","content":"x"}]}"#).send(case.jetway.data);
    assert_eq!(answer.status, 200, "{}", answer.text());
}

#[test]
fn paths_that_are_not_served() {
    let case = case();
    case.refuses(&post("/v1/files", SOUND), 404, "is not an endpoint of Jetway");
    case.refuses(&post("/open/v1/../v1/messages", SOUND), 404, "is not an endpoint");
    case.refuses(&post("//v1/messages", SOUND), 404, "is not an endpoint");
    case.refuses(&post("/nobody/v1/messages", SOUND), 404, "there is no policy `nobody`; the policies here are open");
    case.refuses(&get("/v1/messages"), 405, "takes POST, not GET");
    let anthropic = post("/v1/other", SOUND).header("anthropic-version", "2023-06-01").send(case.jetway.data);
    assert_eq!((anthropic.status, anthropic.json()["type"].as_str()), (404, Some("error")));
    let openai = post("/v1/other", SOUND).send(case.jetway.data);
    assert_eq!((openai.status, openai.json()["error"]["code"].as_str()), (404, Some("unknown_url")));
}

#[test]
fn websockets_are_sent_to_plain_http() {
    let case = case();
    let upgrade = get("/v1/responses").header("upgrade", "websocket").header("sec-websocket-version", "13");
    let answer = upgrade.send(case.jetway.data);
    assert_eq!(answer.status, 426, "{}", answer.text());
    assert!(answer.message().contains("with POST"));
}

#[test]
fn framing_that_smuggles_is_refused() {
    let case = case();
    let raw = |text: &str| {
        let mut stream = TcpStream::connect(case.jetway.data).unwrap();
        stream.set_read_timeout(Some(std::time::Duration::from_secs(5))).unwrap();
        stream.write_all(text.as_bytes()).unwrap();
        let mut answer = Vec::new();
        drop(stream.read_to_end(&mut answer));
        String::from_utf8_lossy(&answer).lines().next().unwrap_or_default().to_owned()
    };
    let head = "POST /v1/messages HTTP/1.1\r\nhost: x\r\nx-api-key: k\r\ncontent-type: application/json\r\nconnection: close\r\n";
    for framing in [
        "content-length: 5\r\ncontent-length: 6\r\n\r\n{}   ",
        "content-length: +5\r\n\r\n{}   ",
        "transfer-encoding: xchunked\r\n\r\n0\r\n\r\n",
        "transfer-encoding: chunked\r\n\r\nFFFFFFFFFFFFFFFFF\r\n",
    ] {
        let line = raw(&format!("{head}{framing}"));
        assert!(line.contains(" 400 ") || line.contains(" 501 ") || line.is_empty(), "{framing:?}: {line}");
    }
    assert!(case.provider.seen().is_empty());
}
