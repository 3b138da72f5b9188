//! The provider over real sockets.

use std::io::{ErrorKind, Read, Write};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::{HeaderMap, Request, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};
use tokio::time::{sleep, timeout};
use tokio_util::task::TaskTracker;

use crate::script::{Reply, Scenario, Turn};
use crate::serve::BODY_LIMIT;
use crate::{Provider, Script, Seen, Served};

const MESSAGES: &str = r#"{"model":"claude-x","max_tokens":9,"messages":[]}"#;
const MESSAGES_STREAM: &str = r#"{"model":"claude-x","max_tokens":9,"messages":[],"stream":true}"#;
const CHAT: &str = r#"{"model":"gpt-x","messages":[]}"#;
const CHAT_STREAM: &str = r#"{"model":"gpt-x","messages":[],"stream":true}"#;
const RESPONSES_STREAM: &str = r#"{"model":"gpt-x","input":"hi","stream":true}"#;

/// A provider with one scenario, of these turns, that counts requests.
fn provider(turns: &str) -> Provider {
    Provider::start(script(turns)).unwrap()
}

fn script(turns: &str) -> Script {
    Script::parse(&format!("scenarios: [{{ name: only, by: request, turns: [{turns}] }}]")).unwrap()
}

/// What came back; the body as far as it came.
pub(super) struct Got {
    status: StatusCode,
    headers: HeaderMap,
    pub(super) body: String,
    /// The body came to its proper end.
    whole: bool,
}

impl Got {
    pub(super) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap()
    }

    fn header(&self, name: &str) -> &str {
        self.headers[name].to_str().unwrap()
    }

    fn events(&self) -> usize {
        self.body.matches("data: ").count()
    }
}

async fn connect(provider: &Provider) -> SendRequest<Full<Bytes>> {
    let stream = TcpStream::connect(provider.addr()).await.unwrap();
    let (sender, connection) = handshake(TokioIo::new(stream)).await.unwrap();
    TaskTracker::new().spawn(connection);
    sender
}

async fn send(sender: &mut SendRequest<Full<Bytes>>, request: Request<Full<Bytes>>) -> hyper::Result<Got> {
    let response = sender.send_request(request).await?;
    let (head, mut body) = response.into_parts();
    let (mut text, mut whole) = (Vec::new(), true);
    while let Some(frame) = body.frame().await {
        match frame {
            Ok(frame) => text.extend_from_slice(&frame.into_data().unwrap_or_default()),
            Err(_) => whole = false,
        }
    }
    Ok(Got { status: head.status, headers: head.headers, body: String::from_utf8(text).unwrap(), whole })
}

fn request(method: &str, path: &str, headers: &[(&str, &str)], body: impl Into<Bytes>) -> Request<Full<Bytes>> {
    let mut request = Request::builder().method(method).uri(path).header("host", "provider");
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    request.body(Full::new(body.into())).unwrap()
}

const KEY: (&str, &str) = ("authorization", "Bearer test");

pub(super) async fn post(provider: &Provider, path: &str, body: impl Into<Bytes>) -> Got {
    let mut sender = connect(provider).await;
    send(&mut sender, request("POST", path, &[KEY], body)).await.unwrap()
}

async fn get(provider: &Provider, path: &str, headers: &[(&str, &str)]) -> Got {
    let mut sender = connect(provider).await;
    send(&mut sender, request("GET", path, headers, "")).await.unwrap()
}

pub(super) fn last(provider: &Provider) -> Seen {
    provider.seen().pop().unwrap()
}

/// Waits until the bill of the last request stands still, and gives it.
async fn settled(provider: &Provider) -> Served {
    let mut served = last(provider).served;
    loop {
        sleep(Duration::from_millis(400)).await;
        let now = last(provider).served;
        if now == served {
            return now;
        }
        served = now;
    }
}

#[tokio::test]
async fn each_dialect_streams_to_its_end() {
    let turn = "{ thinking: hm, text: 'Hello there, you.', calls: [{ tool: t }], usage: { output: 9 } }";
    let provider = provider(turn);
    let dialects = [
        (
            "/any/prefix/v1/messages?beta=true",
            MESSAGES_STREAM,
            "event: message_stop\ndata: {\"type\":\"message_stop\"}\n\n",
        ),
        ("/v1/chat/completions", CHAT_STREAM, "data: [DONE]\n\n"),
        ("/v1/responses", RESPONSES_STREAM, "}}\n\n"),
    ];
    for (path, body, end) in dialects {
        let got = post(&provider, path, body).await;
        assert_eq!((got.status, got.whole), (StatusCode::OK, true));
        assert_eq!(got.header("content-type"), "text/event-stream; charset=utf-8");
        assert!(got.body.ends_with(end), "{}", got.body);
        let seen = last(&provider);
        assert_eq!((seen.method.as_str(), seen.path.as_str()), ("POST", path));
        assert_eq!((&seen.body[..], &seen.decoded[..]), (body.as_bytes(), body.as_bytes()));
        assert_eq!(seen.headers["authorization"], "Bearer test");
        assert_eq!(seen.scenario.as_deref(), Some("only"));
        let input = body.len() as u64 / 4;
        let expect = Served { input, output: 9, finished: true, status: 200, ..Served::default() };
        assert_eq!(seen.served, expect);
    }
    let turns: Vec<_> = provider.seen().iter().map(|seen| seen.turn).collect();
    assert_eq!(turns, [Some(0), Some(1), Some(2)]);
}

#[tokio::test]
async fn a_whole_reply_has_a_length_and_is_billed() {
    let provider = provider("{ text: hi, usage: { input: 7, cache_read: 3, cache_write: 2, output: 5 } }");
    let got = post(&provider, "/v1/messages", MESSAGES).await;
    assert_eq!(got.header("content-length"), got.body.len().to_string());
    assert_eq!(got.json()["content"][0]["text"], "hi");
    assert!(got.header("request-id").starts_with("req_011C"));
    assert_eq!(got.header("anthropic-ratelimit-requests-remaining"), "3999");
    let expect = Served { input: 7, cache_read: 3, cache_write: 2, output: 5, finished: true, status: 200 };
    assert_eq!(last(&provider).served, expect);
    let got = post(&provider, "/v1/chat/completions", CHAT).await;
    assert_eq!(got.json()["choices"][0]["message"]["content"], "hi");
    assert_eq!(got.header("x-ratelimit-remaining-requests"), "3998");
    assert!(got.header("x-request-id").starts_with("req_"));
    assert_eq!(last(&provider).served, expect);
}

#[tokio::test]
async fn encoded_bodies_are_decoded_and_kept_as_they_came() {
    let provider = provider("{ text: hi }");
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    gzip.write_all(CHAT.as_bytes()).unwrap();
    let encoded = [("gzip", gzip.finish().unwrap()), ("zstd", zstd::encode_all(CHAT.as_bytes(), 3).unwrap())];
    let mut sender = connect(&provider).await;
    for (encoding, body) in encoded {
        let headers = [KEY, ("content-encoding", encoding)];
        let got = send(&mut sender, request("POST", "/v1/chat/completions", &headers, body.clone())).await.unwrap();
        assert_eq!(got.status, StatusCode::OK, "{}", got.body);
        let seen = last(&provider);
        assert_eq!((&seen.body[..], &seen.decoded[..]), (&body[..], CHAT.as_bytes()));
    }
    let headers = [KEY, ("content-encoding", "gzip")];
    let got = send(&mut sender, request("POST", "/v1/responses", &headers, "not gzip")).await.unwrap();
    assert_eq!(got.status, StatusCode::BAD_REQUEST);
    let bomb = zstd::encode_all(std::io::repeat(b' ').take(BODY_LIMIT as u64 + 1), 1).unwrap();
    let headers = [KEY, ("content-encoding", "zstd")];
    let got = send(&mut sender, request("POST", "/v1/messages", &headers, bomb)).await.unwrap();
    assert_eq!(
        (got.status, &got.json()["error"]["type"]),
        (StatusCode::PAYLOAD_TOO_LARGE, &"request_too_large".into())
    );
}

#[tokio::test]
async fn errors_are_in_the_dialect_of_the_endpoint() {
    let provider = provider("{ text: hi }");
    let mut sender = connect(&provider).await;
    let mut ask = async |path: &str, headers: &[(&str, &str)], body: &'static str| {
        let got = send(&mut sender, request("POST", path, headers, body)).await.unwrap();
        let status = got.status.as_u16();
        (status, got.json()["type"].clone(), got.json()["error"]["type"].clone())
    };
    let anthropic = |status, kind: &str| (status, Value::from("error"), Value::from(kind));
    let openai = |status, kind: &str| (status, Value::Null, Value::from(kind));
    assert_eq!(ask("/v1/messages", &[], MESSAGES).await, anthropic(401, "authentication_error"));
    assert_eq!(ask("/v1/chat/completions", &[], CHAT).await, openai(401, "invalid_request_error"));
    assert_eq!(ask("/v1/messages", &[KEY], "{}").await, anthropic(400, "invalid_request_error"));
    assert_eq!(ask("/v1/responses", &[KEY], "{").await, openai(400, "invalid_request_error"));
    assert_eq!(ask("/v1/nothing", &[KEY], CHAT).await, openai(404, "invalid_request_error"));
    let version = ("anthropic-version", "2023-06-01");
    assert_eq!(ask("/v1/nothing", &[version], CHAT).await, anthropic(404, "not_found_error"));
    assert_eq!(ask("/v1/messages", &[("x-api-key", "k")], MESSAGES).await.0, 200);
    let refused = &provider.seen()[0];
    assert_eq!(refused.served, Served { status: 401, finished: true, ..Served::default() });
    assert_eq!((&refused.scenario, refused.turn), (&None, None));
}

#[tokio::test]
async fn a_scripted_status_is_sent_with_its_headers() {
    let provider = provider(
        "{ status: 429, headers: { retry-after: '2' }, error: { type: slow, message: Wait, code: c } },
         { status: 529 }, { status: 403, body: Blocked, content_type: text/html }, { text: hi }",
    );
    let got = post(&provider, "/v1/chat/completions", CHAT).await;
    assert_eq!((got.status.as_u16(), got.header("retry-after")), (429, "2"));
    let expect = r#"{"error":{"message":"Wait","type":"slow","param":null,"code":"c"}}"#;
    assert_eq!(got.body, expect);
    let got = post(&provider, "/v1/messages", MESSAGES_STREAM).await;
    assert_eq!((got.status.as_u16(), &got.json()["error"]["type"]), (529, &"overloaded_error".into()));
    let got = post(&provider, "/v1/messages", MESSAGES_STREAM).await;
    assert_eq!((got.body.as_str(), got.header("content-type")), ("Blocked", "text/html"));
    assert_eq!(post(&provider, "/v1/messages", MESSAGES).await.json()["content"][0]["text"], "hi");
}

#[tokio::test]
async fn tokens_are_counted_and_models_listed() {
    let provider = Provider::start(Script::parse("models: [a, b]").unwrap()).unwrap();
    let body = r#"{"model":"claude-x","messages":[]}"#;
    let got = post(&provider, "/v1/messages/count_tokens?beta=true", body).await;
    assert_eq!(got.body, format!(r#"{{"input_tokens":{}}}"#, body.len() / 4));
    assert_eq!(last(&provider).served.output, 0);
    let got = get(&provider, "/v1/models?limit=1000", &[]).await.json();
    assert_eq!((&got["object"], &got["data"][1]["id"]), (&"list".into(), &"b".into()));
    let got = get(&provider, "/p/v1/models", &[("anthropic-version", "2023-06-01")]).await.json();
    assert_eq!((&got["data"][0]["type"], &got["last_id"]), (&"model".into(), &"b".into()));
    let got = post(&provider, "/v1/messages", MESSAGES).await.json();
    assert_eq!(got["content"][0]["text"], "Hello from the scripted provider.");
    let upgrade = [("connection", "upgrade"), ("upgrade", "websocket")];
    assert_eq!(get(&provider, "/v1/responses", &upgrade).await.status, StatusCode::UPGRADE_REQUIRED);
}

#[tokio::test]
async fn a_reset_comes_exactly_after_its_events() {
    let provider =
        provider("{ text: one two three four five six, usage: { output: 100 }, fault: { reset: { after: 4 } } }");
    for _ in 0..50 {
        let got = post(&provider, "/v1/messages", MESSAGES_STREAM).await;
        assert_eq!((got.whole, got.events()), (false, 4), "{}", got.body);
        // The one delta among them has 7 bytes of 27.
        let served = last(&provider).served;
        assert_eq!((served.output, served.finished, served.status), (26, false, 200));
    }
}

#[tokio::test]
async fn a_reset_is_one_on_the_wire() {
    let provider =
        provider("{ text: hi, fault: { reset: { after: 0 } } }, { text: hi, fault: { reset: { after: 1 } } }");
    for (expect, status) in [("", 0), ("HTTP/1.1 200 OK", 200)] {
        let mut stream = TcpStream::connect(provider.addr()).await.unwrap();
        let head = "POST /v1/chat/completions HTTP/1.1\r\nhost: p\r\nx-api-key: k\r\n";
        let request = format!("{head}content-length: {}\r\n\r\n{CHAT_STREAM}", CHAT_STREAM.len());
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut bytes = Vec::new();
        let error = stream.read_to_end(&mut bytes).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::ConnectionReset);
        assert!(bytes.starts_with(expect.as_bytes()) && (bytes.is_empty() == expect.is_empty()));
        assert_eq!(last(&provider).served.status, status);
    }
}

#[tokio::test]
async fn a_clean_end_and_an_error_event_are_not_finished() {
    let provider = provider(
        "{ text: hi, usage: { output: 9 }, fault: { close: { after: 3 } } },
         { text: hi, fault: { error_event: { after: 3, type: overloaded_error, message: Busy } } },
         { text: hi, fault: { broken_json: { after: 1 } } }, { fault: { html: true } }",
    );
    let got = post(&provider, "/v1/messages", MESSAGES_STREAM).await;
    assert_eq!((got.whole, got.events(), last(&provider).served.finished), (true, 3, false));
    assert_eq!(last(&provider).served.output, 1, "a message_start tells of a first token");
    let got = post(&provider, "/v1/messages", MESSAGES_STREAM).await;
    assert_eq!((got.whole, got.events(), last(&provider).served.finished), (true, 4, false));
    assert!(got.body.contains("event: error\n"), "{}", got.body);
    let got = post(&provider, "/v1/messages", MESSAGES_STREAM).await;
    let readable = got.body.lines().filter_map(|line| line.strip_prefix("data: "));
    let broken = readable.filter(|data| serde_json::from_str::<Value>(data).is_err()).count();
    assert_eq!((broken, last(&provider).served.finished), (1, true));
    let got = post(&provider, "/v1/messages", MESSAGES_STREAM).await;
    assert!(got.status == 200 && got.header("content-type").starts_with("text/html"));
    assert_eq!(last(&provider).served.input, 0);
}

#[tokio::test]
async fn faults_of_a_reply_that_does_not_stream() {
    let provider = provider(
        "{ text: hi, fault: { error_event: { after: 3, type: overloaded_error, message: Busy } } },
         { text: hi, fault: { reset: { after: 3 } } }, { text: hi, fault: { close: { after: 3 } } },
         { text: hi, fault: { stall: { after: 3, for: 80ms } } }",
    );
    let got = post(&provider, "/v1/messages", MESSAGES).await;
    assert_eq!((got.status.as_u16(), &got.json()["error"]["message"]), (529, &"Busy".into()));
    let got = post(&provider, "/v1/messages", MESSAGES).await;
    assert!(!got.whole && got.body.starts_with("{\"model\""), "{}", got.body);
    let got = post(&provider, "/v1/messages", MESSAGES).await;
    assert!(got.whole && serde_json::from_str::<Value>(&got.body).is_err(), "{}", got.body);
    let begun = Instant::now();
    let got = post(&provider, "/v1/messages", MESSAGES).await;
    assert!(begun.elapsed() >= Duration::from_millis(80) && got.whole);
}

#[tokio::test]
async fn a_stall_holds_back_all_that_comes_after() {
    let provider = provider("{ text: hi, fault: { stall: { after: 2, for: 5s } } }");
    let mut sender = connect(&provider).await;
    let request = request("POST", "/v1/messages", &[KEY], MESSAGES_STREAM);
    let mut body = sender.send_request(request).await.unwrap().into_body();
    let mut text = Vec::new();
    while let Ok(frame) = timeout(Duration::from_millis(300), body.frame()).await {
        text.extend_from_slice(&frame.unwrap().unwrap().into_data().unwrap());
    }
    assert_eq!(String::from_utf8(text).unwrap().matches("data: ").count(), 2);
}

#[tokio::test]
async fn the_bill_stops_when_the_client_leaves() {
    let provider = provider("{ text: one two three four five six seven eight, usage: { output: 1000 }, pace: 150ms }");
    let mut sender = connect(&provider).await;
    let request = request("POST", "/v1/chat/completions", &[KEY], CHAT_STREAM);
    let mut body = sender.send_request(request).await.unwrap().into_body();
    // The role, and then one delta of 7 bytes of 39.
    for _ in 0..2 {
        body.frame().await.unwrap().unwrap();
    }
    drop((body, sender));
    let served = settled(&provider).await;
    assert_eq!((served.output, served.finished), (180, false));
}

#[tokio::test]
async fn what_a_slow_client_does_not_take_is_not_billed() {
    let text = "word ".repeat(4 << 20);
    let reply = Reply { text: Some(text), ..Reply::default() };
    let scenario = Scenario {
        name: "long".into(),
        when: Default::default(),
        by: Default::default(),
        turns: vec![Turn::Reply(reply)],
    };
    let script = Script { scenarios: vec![scenario], ..Script::default() };
    let provider = Provider::start(script).unwrap();
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(8 << 10).unwrap();
    let mut stream = socket.connect(provider.addr()).await.unwrap();
    let head = "POST /v1/chat/completions HTTP/1.1\r\nhost: p\r\nx-api-key: k\r\n";
    let request = format!("{head}content-length: {}\r\n\r\n{CHAT_STREAM}", CHAT_STREAM.len());
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut some = [0; 1000];
    stream.read_exact(&mut some).await.unwrap();
    let served = settled(&provider).await;
    let all = 5 << 20;
    assert!(served.output < all / 2 && !served.finished, "{served:?}");
    drop(stream);
    let after = settled(&provider).await;
    // The piece that hyper still held was taken off the bill again.
    assert!(after.output < served.output, "{after:?} {served:?}");
}

#[tokio::test]
async fn fragments_and_line_ends_change_nothing_else() {
    let turn = "thinking: hm, text: 'Hello there, you.', calls: [{ tool: t, id: c }]";
    let provider = provider(&format!(
        "{{ {turn} }}, {{ {turn}, fragment: 5 }}, {{ {turn}, crlf: true }}, {{ {turn}, comments: true, fragment: 1 }}"
    ));
    let mut sender = connect(&provider).await;
    let mut bodies = Vec::new();
    for _ in 0..4 {
        let request = request("POST", "/v1/messages", &[KEY], MESSAGES_STREAM);
        let got = send(&mut sender, request).await.unwrap();
        let id = got.body.split('"').find(|part| part.starts_with("msg_01")).unwrap().to_owned();
        bodies.push(got.body.replace(&id, "ID"));
    }
    assert_eq!(bodies[1], bodies[0]);
    assert_eq!(bodies[2], bodies[0].replace('\n', "\r\n"));
    assert_eq!(bodies[3].replace(": keep-alive\n\n", ""), bodies[0]);
    assert_eq!(bodies[3].matches(": keep-alive").count(), bodies[0].matches("data:").count() - 1);
}

#[tokio::test]
async fn many_small_deltas_are_not_slow() {
    let input = "x".repeat(50_000);
    let provider = provider(&format!("{{ calls: [{{ tool: t, arguments: {input}, pieces: 5000 }}] }}"));
    let begun = Instant::now();
    let got = post(&provider, "/v1/chat/completions", CHAT_STREAM).await;
    assert_eq!(got.events(), 5004);
    assert!(begun.elapsed() < Duration::from_secs(10), "{:?}", begun.elapsed());
}

#[tokio::test]
async fn a_new_script_starts_from_its_beginning() {
    let provider = provider("{ text: a1 }, { text: a2 }");
    let said = async |provider: &Provider| {
        let got = post(provider, "/v1/messages", MESSAGES).await.json();
        got["content"][0]["text"].as_str().unwrap().to_owned()
    };
    assert_eq!([said(&provider).await, said(&provider).await], ["a1", "a2"]);
    provider.play(script("{ text: b1 }, { text: b2 }"));
    assert_eq!([said(&provider).await, said(&provider).await], ["b1", "b2"]);
    assert_eq!(provider.seen().len(), 4);
    provider.forget();
    assert!(provider.seen().is_empty());
}

#[tokio::test]
async fn a_quiet_provider_keeps_no_bodies() {
    let provider = Provider::start_quiet(Script::default()).unwrap();
    post(&provider, "/v1/messages", MESSAGES).await;
    let seen = last(&provider);
    assert_eq!((seen.body.len(), seen.decoded.len(), seen.served.status), (0, 0, 200));
}

#[tokio::test]
async fn dropping_the_provider_ends_its_connections() {
    let provider = provider("{ text: hi, fault: { stall: { after: 1, for: 60s } } }");
    let addr = provider.addr();
    assert_eq!(provider.url(), format!("http://{addr}"));
    let mut sender = connect(&provider).await;
    let request = request("POST", "/v1/messages", &[KEY], MESSAGES_STREAM);
    let mut body = sender.send_request(request).await.unwrap().into_body();
    body.frame().await.unwrap().unwrap();
    drop(provider);
    let next = timeout(Duration::from_secs(5), body.frame()).await.unwrap();
    assert!(next.unwrap().is_err());
    assert!(TcpStream::connect(addr).await.is_err());
}

#[test]
fn without_a_runtime_it_does_not_start() {
    assert!(Provider::start(Script::default()).is_err());
}
