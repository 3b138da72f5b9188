//! What no stage means to change arrives as it left.

use jetway_support::client::{get, post};
use jetway_support::fixed::Fixed;
use jetway_support::{Setup, provider};

/// Requests that a parser would spell otherwise if it wrote them again.
const HARD: &[(&str, &str)] = &[
    (
        "/v1/messages?beta=true",
        "{ \"model\" :\"claude-x\",\n\t\"temperature\":1.0, \"top_p\":1e2,\"max_tokens\":10 ,\"unknown\":{\"b\":1,\"a\":[ ]},\
         \"messages\":[{\"role\":\"user\",\"content\":[{\"type\":\"text\",\"text\":\"\\u00e9\\/ \\ud83d\\ude00 \u{1F600} \\ud800\",\
         \"cache_control\":{\"type\":\"ephemeral\"}}]},{\"role\":\"assistant\",\"content\":[{\"type\":\"thinking\",\"thinking\":\"…\",\
         \"signature\":\"AbC+/=\"},{\"type\":\"tool_use\",\"id\":\"t\",\"name\":\"Read\",\"input\":{\"z\":-0,\"y\":1E-7,\"\\u0061\":0.10}}]},\
         {\"role\":\"user\",\"content\":[{\"type\":\"tool_result\",\"tool_use_id\":\"t\",\"content\":\"x\"}]}],\
         \"tools\":[{\"name\":\"Read\",\"input_schema\":{\"type\":\"object\"}}]}\n",
    ),
    (
        "/v1/chat/completions",
        "{\"messages\":[{\"role\":\"user\",\"content\":\"\\u0041\"}],\"model\":\"gpt-x\",\"seed\":12345678901234567890123,\"logit_bias\":{\"50256\":-1e2}}",
    ),
    (
        "/v1/responses",
        "{\"input\":\"a\\tb\",\"model\":\"gpt-x\",\"reasoning\":{\"effort\":\"low\"},\"include\":[\"reasoning.encrypted_content\"]}",
    ),
    ("/responses", "{\"input\":[],\"model\":\"gpt-x\"}"),
];

#[test]
fn requests_arrive_as_they_left() {
    let provider = Fixed::whole("{}");
    let jetway = Setup::new(&provider.url()).start();
    for (path, body) in HARD {
        for path in [path.to_string(), format!("/open{path}")] {
            assert_eq!(post(&path, *body).send(jetway.data).status, 200, "{path}");
            assert_eq!(provider.bodies().last().unwrap(), body.as_bytes(), "{path}");
        }
    }
}

#[test]
fn requests_may_be_compressed() {
    use std::io::Write;
    let provider = Fixed::whole("{}");
    let jetway = Setup::new(&provider.url()).start();
    let (path, body) = HARD[2];
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    gzip.write_all(body.as_bytes()).unwrap();
    let packed = [("gzip", gzip.finish().unwrap()), ("zstd", zstd::encode_all(body.as_bytes(), 3).unwrap())];
    for (encoding, bytes) in packed {
        let answer = post(path, bytes).header("content-encoding", encoding).send(jetway.data);
        assert_eq!(answer.status, 200, "{encoding}: {}", answer.text());
        assert_eq!(provider.bodies().last().unwrap(), body.as_bytes());
    }
}

/// A stream with everything in it that a reader might normalise.
const STREAM: &str = ": a comment\r\n\r\nevent: message_start\r\ndata: {\"type\":\"message_start\", \"message\":{\"model\":\"m\",\"usage\":{\"input_tokens\":1.0e1}}}\r\nid: 1\r\n\r\n\
     event: brand_new\ndata: {\"type\":\"brand_new\",\"x\":1.0}\nretry: 5\n\n\
     event: content_block_start\ndata: {\"type\":\"content_block_start\",\"index\":0,\"content_block\":{\"type\":\"text\",\"text\":\"\"}}\n\n\
     event: content_block_delta\ndata: {\"type\":\"content_block_delta\",\"index\":0,\"delta\":{\"type\":\"text_delta\",\"text\":\"\\u00e9 é\"}}\n\n\
     event: content_block_stop\ndata: {\"type\":\"content_block_stop\",\"index\":0}\n\n\
     event: message_delta\ndata: {\"type\":\"message_delta\",\"delta\":{\"stop_reason\":\"end_turn\"},\"usage\":{\"output_tokens\":3}}\n\n\
     event: message_stop\ndata: {\"type\":\"message_stop\"}\n\n";

#[test]
fn replies_arrive_as_they_left_with_and_without_a_lock() {
    let body = r#"{"model":"claude-x","max_tokens":10,"messages":[],"stream":true}"#;
    for lock in ["", "lockdown: { allow: ['*'] }\n"] {
        for piece in [1, 7, 100_000] {
            let provider = Fixed::stream(STREAM, piece);
            let jetway = Setup::new(&provider.url()).with(lock).start();
            let answer = post("/v1/messages", body).send(jetway.data);
            assert_eq!(answer.text(), STREAM, "{lock} {piece}");
            assert!(answer.whole);
        }
    }
}

#[test]
fn headers_travel_and_ours_do_not() {
    let provider = provider("scenarios: []");
    let jetway = Setup::new(&provider.url()).start();
    let answer = post(
        "/v1/messages?beta=true",
        r#"{"model":"claude-x","max_tokens":10,"messages":[{"role":"user","content":"x"}]}"#,
    )
    .header("anthropic-beta", "new-2027-01-01,other")
    .header("anthropic-version", "2023-06-01")
    .header("anthropic-future", "kept")
    .header("x-jetway-run", "mine")
    .header("connection", "close, x-hop")
    .header("x-hop", "dropped")
    .send(jetway.data);
    assert_eq!(answer.status, 200);
    let seen = provider.seen().pop().unwrap();
    assert_eq!(seen.path, "/v1/messages?beta=true");
    let header = |name: &str| seen.headers.get(name).map(|value| value.to_str().unwrap().to_owned());
    assert_eq!(header("anthropic-beta").as_deref(), Some("new-2027-01-01,other"));
    assert_eq!(header("anthropic-future").as_deref(), Some("kept"));
    assert_eq!(header("x-api-key").as_deref(), Some("sk-test-caller"));
    assert_eq!((header("x-jetway-run"), header("x-hop")), (None, None));
}

#[test]
fn a_provider_s_own_refusal_arrives_as_it_left() {
    let body = "{\"type\":\"error\",  \"error\":{\"type\":\"overloaded_error\",\"message\":\"Overloaded\"}}\n";
    let head =
        "HTTP/1.1 529 Overloaded\r\ncontent-type: application/json\r\nretry-after: 7\r\nconnection: close\r\n\r\n";
    let provider = Fixed::start(format!("{head}{body}"), 1000);
    let jetway = Setup::new(&provider.url()).start();
    let answer = post("/v1/messages", r#"{"model":"claude-x","messages":[]}"#).send(jetway.data);
    assert_eq!((answer.status, answer.text().as_str(), answer.header("retry-after")), (529, body, Some("7")));
    let exchange = jetway.exchanges(1).remove(0);
    assert_eq!((exchange["outcome"].as_str(), exchange["cost_micros"].as_i64()), (Some("provider_refused"), Some(0)));
}

#[test]
fn counting_tokens_and_listing_models_and_probes() {
    let provider = provider("models: [claude-a, claude-b, gpt-c]");
    let policy = "
about: x
identity: { accept: [passthrough] }
models: { allow: ['claude-b', 'gpt-*'], providers: [messages, openai] }
lockdown: { allow: [Read] }
budget: { output_limit: 5 }
";
    let mut setup = Setup::new(&provider.url());
    setup.policies = vec![("open".into(), policy.into())];
    let jetway = setup.start();

    let body = r#"{"model":"claude-b","messages":[{"role":"user","content":"x"}],"tools":[{"name":"Read","input_schema":{}},{"name":"Bash","input_schema":{}}]}"#;
    let counted = post("/v1/messages/count_tokens?beta=true", body).send(jetway.data);
    assert_eq!(counted.status, 200, "{}", counted.text());
    assert!(counted.json()["input_tokens"].as_u64().unwrap() > 0);
    let exchange = jetway.exchanges(1).remove(0);
    assert_eq!(["cost_micros", "estimated"].map(|name| exchange[name].as_i64()), [Some(0), Some(0)]);
    let sent = String::from_utf8(provider.seen().pop().unwrap().body.to_vec()).unwrap();
    assert!(sent.contains("Read") && !sent.contains("Bash") && !sent.contains("max_tokens"), "{sent}");

    let ids = |answer: serde_json::Value| -> Vec<String> {
        answer["data"].as_array().unwrap().iter().map(|model| model["id"].as_str().unwrap().to_owned()).collect()
    };
    let anthropic = get("/v1/models?limit=1000").header("anthropic-version", "2023-06-01").send(jetway.data).json();
    assert_eq!(anthropic["first_id"], "claude-b");
    assert_eq!(ids(anthropic), ["claude-b", "gpt-c"]);
    let openai = get("/open/v1/models").send(jetway.data).json();
    assert_eq!(openai["object"], "list");
    assert!(ids(openai).contains(&"gpt-c".to_owned()));

    for path in ["/", "/open", "/api/hello"] {
        assert_eq!(get(path).method("HEAD").send(jetway.data).status, 200, "{path}");
    }
}
