//! TLS to agents, and callers who are known by a client certificate. Every authority and every
//! certificate is made by the test.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use jetway_support::client::{Answer, get, post, read};
use jetway_support::fixed::Fixed;
use jetway_support::tls::{Authority, Caller, Identity, Stream, Subject};
use jetway_support::{Jetway, Setup, eventually, provider};

const BODY: &str = r#"{"model":"claude-x","max_tokens":10,"messages":[{"role":"user","content":"hi"}]}"#;
const BY_NAME: &str = "{ accept: [certificates], certificates: { user: subject_cn, team: subject_ou } }";

/// A gateway that speaks TLS. `tls` is more of that section, `identity` that of the policy.
fn setup(url: &str, (server, clients): (&Identity, Option<&Authority>), tls: &str, identity: &str) -> Setup {
    let mut setup = Setup::new(url);
    let client_ca = if clients.is_some() { ", client_ca: tls/clients.pem" } else { "" };
    setup.more = format!("tls: {{ certificate: tls/server.pem, key: tls/server.key{client_ca}{tls} }}\n");
    setup.policies = vec![(
        "open".into(),
        format!("about: x\nidentity: {identity}\nmodels: {{ allow: ['*'], providers: [messages, openai] }}\n"),
    )];
    setup.credentials = "{ env: TEST_PROVIDER_KEY }".into();
    setup.env = vec![("TEST_PROVIDER_KEY".into(), "sk-operators-own".into())];
    let clients = clients.map_or(String::new(), |authority| authority.pem.clone());
    setup
        .file("../tls/server.pem", &server.certificate)
        .file("../tls/server.key", &server.key)
        .file("../tls/clients.pem", &clients)
}

fn ask() -> jetway_support::client::Ask {
    post("/v1/messages", BODY).header("x-api-key", "")
}

fn put(jetway: &Jetway, file: &str, text: &str) {
    // As whoever renews a certificate does it: another file in the place of the old one.
    let path = jetway.folder.path().join("tls").join(file);
    let beside = path.with_extension("new");
    std::fs::write(&beside, text).unwrap();
    std::fs::rename(beside, path).unwrap();
}

#[test]
fn tls_is_spoken_where_it_is_configured_and_said_so() {
    let (provider, authority) = (provider("scenarios: []"), Authority::new("servers"));
    let keys = "{ accept: [keys] }";
    let jetway = setup(&provider.url(), (&authority.server(), None), "", keys).start();
    let (_, key) = jetway.key("open", "ada");
    assert!(jetway.greeting.contains(&format!("agents     https://{}", jetway.data)), "{}", jetway.greeting);
    assert!(jetway.greeting.contains("ANTHROPIC_BASE_URL=https://") && !jetway.greeting.contains("BASE_URL=http://"));
    let ask = ask().header("x-api-key", &key);
    assert_eq!(Caller::new(&authority.pem, None).send(&ask, jetway.data).status, 200);
    assert_eq!(Caller::speaking(&authority.pem, None, &["h2", "http/1.1"]).send(&ask, jetway.data).status, 200);
    assert!(Caller::speaking(&authority.pem, None, &["h2"]).try_send(&ask, jetway.data).is_none(), "HTTP/1.1 alone");
    let stranger = Authority::new("strangers");
    assert!(Caller::new(&stranger.pem, None).try_send(&ask, jetway.data).is_none());
    assert_eq!(get("/healthz").send(jetway.admin).status, 200, "the admin port is as it was");
}

#[test]
fn who_speaks_plain_http_is_told_what_is_spoken() {
    let (provider, authority) = (provider("scenarios: []"), Authority::new("servers"));
    let jetway = setup(&provider.url(), (&authority.server(), None), "", "{ accept: [keys] }").start();
    let answer = ask().send(jetway.data);
    assert_eq!(answer.status, 400);
    assert!(answer.whole && answer.text().contains("use https://"), "{}", answer.text());
    // Also when it sends more than fits on its way while nobody reads.
    let long = post("/v1/messages", vec![b' '; 16 << 20]).send(jetway.data);
    assert!(long.whole && long.text().contains("use https://"), "{}", long.text());
    let mut noise = TcpStream::connect(jetway.data).unwrap();
    noise.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
    noise.write_all(&[22, 3, 1, 0, 5, 9, 9, 9, 9, 9]).unwrap();
    assert!(noise.read_to_end(&mut Vec::new()).is_ok(), "what only begins like TLS is closed too");
    assert!(provider.seen().is_empty());
}

#[test]
fn a_certificate_of_our_authority_says_who_calls_and_no_other_does() {
    let provider = provider("scenarios: []");
    let (servers, clients, strangers) =
        (Authority::new("servers"), Authority::new("clients"), Authority::new("clients"));
    let jetway = setup(&provider.url(), (&servers.server(), Some(&clients)), "", BY_NAME).start();
    let subject = |name| Subject { name: Some(name), unit: Some("core"), ..Subject::default() };
    let by = |identity: Option<&Identity>| Caller::new(&servers.pem, identity).try_send(&ask(), jetway.data);
    let ada = clients.client(&subject("ada"));
    assert_eq!(by(Some(&ada)).map(|answer| answer.status), Some(200));
    let exchange = jetway.exchanges(1).remove(0);
    let known = ["user", "team", "way"].map(|name| exchange[name].as_str().unwrap_or("-").to_owned());
    assert_eq!(known, ["ada", "core", "certificates"]);
    assert_eq!(provider.seen().pop().unwrap().headers["x-api-key"], "sk-operators-own");

    assert!(by(None).is_none(), "none");
    assert!(by(Some(&strangers.client(&subject("ada")))).is_none(), "of another authority of the same name");
    let over = clients.client(&Subject { ends: Some(-60), ..subject("ada") });
    assert!(by(Some(&over)).is_none(), "one that has run out");
    assert!(by(Some(&clients.server())).is_none(), "one that was made for servers");
    let foreign = Identity { key: clients.client(&subject("eve")).key, ..ada };
    assert!(std::panic::catch_unwind(|| Caller::new(&servers.pem, Some(&foreign))).is_err(), "no client has its key");

    let refused = |subject: &Subject, why: &str| {
        let answer = by(Some(&clients.client(subject))).unwrap();
        assert_eq!((answer.status, answer.message().contains(why)), (401, true), "{why}: {}", answer.text());
    };
    refused(&Subject::default(), "it has no common name");
    refused(&subject("pass:0123456789abcdef"), "its common name is not a name");
    assert_eq!(provider.seen().len(), 1);
}

#[test]
fn the_policy_says_which_part_of_a_certificate_names_the_user() {
    let provider = provider("scenarios: []");
    let (servers, clients) = (Authority::new("servers"), Authority::new("clients"));
    let check = |part: &str, subject: &Subject, expect: Result<&str, &str>| {
        let identity = format!("{{ accept: [certificates], certificates: {{ user: {part} }} }}");
        let jetway = setup(&provider.url(), (&servers.server(), Some(&clients)), "", &identity).start();
        let answer = Caller::new(&servers.pem, Some(&clients.client(subject))).send(&ask(), jetway.data);
        match expect {
            Ok(user) => {
                assert_eq!(answer.status, 200, "{}", answer.text());
                assert_eq!(jetway.exchanges(1)[0]["user"], user);
            }
            Err(why) => assert!(answer.message().contains(why), "{}", answer.text()),
        }
    };
    let whole = Subject {
        name: Some("Ada Lovelace"),
        emails: vec!["ada@example.com"],
        dns: vec!["ada.example.com", "engine.example.com"],
        uris: vec!["spiffe://example.com/ns/agents/ada"],
        ..Subject::default()
    };
    check("subject_cn", &whole, Ok("Ada Lovelace"));
    check("email", &whole, Ok("ada@example.com"));
    check("uri", &whole, Ok("spiffe://example.com/ns/agents/ada"));
    check("dns", &whole, Err("more than one DNS name"));
}

#[test]
fn where_a_certificate_is_optional_something_else_may_say_who_calls() {
    let provider = provider("scenarios: []");
    let (servers, clients, strangers) =
        (Authority::new("servers"), Authority::new("clients"), Authority::new("strangers"));
    let identity = "{ accept: [certificates, keys], certificates: { user: subject_cn } }";
    let mut setup = setup(&provider.url(), (&servers.server(), Some(&clients)), ", client: optional", identity);
    setup.policies.push(("keys".into(), setup.policies[0].1.replace(identity, "{ accept: [keys] }")));
    let jetway = setup.start();
    let (_, key) = jetway.key("open", "bob");
    let subject = Subject { name: Some("ada"), ..Subject::default() };
    let (with, without) = (Caller::new(&servers.pem, Some(&clients.client(&subject))), Caller::new(&servers.pem, None));
    let status = |answer: Answer| answer.status;
    assert_eq!(status(with.send(&ask(), jetway.data)), 200);
    assert_eq!(status(without.send(&ask().header("x-api-key", &key), jetway.data)), 200);
    assert_eq!(status(with.send(&ask().header("x-api-key", &key), jetway.data)), 200, "the key says who calls");
    let users: Vec<_> = jetway.exchanges(3).iter().map(|exchange| exchange["user"].clone()).collect();
    assert_eq!(users, ["ada", "bob", "bob"]);
    let nobody = without.send(&ask(), jetway.data);
    assert!(nobody.message().contains("or connect with a client certificate"), "{}", nobody.text());
    let elsewhere = with.send(&post("/keys/v1/messages", BODY).header("x-api-key", ""), jetway.data);
    assert_eq!(
        (elsewhere.status, elsewhere.message().contains("send a Jetway key")),
        (401, true),
        "{}",
        elsewhere.text()
    );
    let stranger = Caller::new(&servers.pem, Some(&strangers.client(&subject)));
    assert!(stranger.try_send(&ask(), jetway.data).is_none(), "a wrong certificate is worse than none");
}

/// A request on a connection that stays open, and the status of its answer.
fn keep_asking(stream: &mut Stream, to: std::net::SocketAddr) -> (u16, String) {
    let text = String::from_utf8(ask().bytes(to)).unwrap().replace("connection: close\r\n", "");
    stream.write_all(text.as_bytes()).unwrap();
    let mut answer = Vec::new();
    let mut buffer = [0; 4096];
    loop {
        let count = stream.read(&mut buffer).unwrap();
        answer.extend_from_slice(&buffer[..count]);
        let text = String::from_utf8_lossy(&answer).into_owned();
        let Some((head, body)) = text.split_once("\r\n\r\n") else { continue };
        let head = head.to_ascii_lowercase();
        let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")?.parse::<usize>().ok());
        let is_whole = length.map_or_else(|| body.ends_with("0\r\n\r\n"), |length| body.len() >= length);
        if is_whole {
            return (head.split(' ').nth(1).unwrap().parse().unwrap(), body.to_owned());
        }
    }
}

#[test]
fn a_certificate_that_runs_out_takes_its_connection_along() {
    let provider = provider("scenarios: []");
    let (servers, clients) = (Authority::new("servers"), Authority::new("clients"));
    let jetway = setup(&provider.url(), (&servers.server(), Some(&clients)), "", BY_NAME).start();
    let soon = clients.client(&Subject { name: Some("ada"), ends: Some(3), ..Subject::default() });
    let mut stream = Caller::new(&servers.pem, Some(&soon)).connect(jetway.data);
    assert_eq!(keep_asking(&mut stream, jetway.data).0, 200);
    let mut last = String::new();
    eventually(|| {
        let (status, text) = keep_asking(&mut stream, jetway.data);
        last = text;
        status == 401
    });
    assert!(last.contains("it has run out"), "{last}");
}

#[test]
fn another_authority_counts_at_once_also_for_connections_that_are_open() {
    let provider = provider("scenarios: []");
    let (servers, old, new) = (Authority::new("servers"), Authority::new("old"), Authority::new("new"));
    let jetway = setup(&provider.url(), (&servers.server(), Some(&old)), "", BY_NAME).start();
    let subject = Subject { name: Some("ada"), ..Subject::default() };
    let mut stream = Caller::new(&servers.pem, Some(&old.client(&subject))).connect(jetway.data);
    assert_eq!(keep_asking(&mut stream, jetway.data).0, 200);
    put(&jetway, "clients.pem", &new.pem);
    eventually(|| keep_asking(&mut stream, jetway.data).0 == 401);
    let (_, text) = keep_asking(&mut stream, jetway.data);
    assert!(text.contains("no longer the one that is trusted here"), "{text}");
    let by = |authority: &Authority| Caller::new(&servers.pem, Some(&authority.client(&subject)));
    assert!(by(&old).try_send(&ask(), jetway.data).is_none());
    assert_eq!(by(&new).send(&ask(), jetway.data).status, 200);
}

#[test]
fn a_renewed_certificate_is_shown_to_new_connections_while_a_stream_goes_on() {
    let script = "scenarios: [{ name: s, turns: [{ text: 'one two three four five six seven eight nine finis', pace: 200ms }] }]";
    let provider = provider(script);
    let (old, new) = (Authority::new("old"), Authority::new("new"));
    let jetway = setup(&provider.url(), (&old.server(), None), "", "{ accept: [keys] }").start();
    let (_, key) = jetway.key("open", "ada");
    let streamed = post("/v1/messages", BODY.replace("\"max_tokens\"", "\"stream\":true,\"max_tokens\""));
    let mut stream = Caller::new(&old.pem, None).connect(jetway.data);
    stream.write_all(&streamed.header("x-api-key", &key).bytes(jetway.data)).unwrap();
    let mut received = vec![0; 4096];
    let count = stream.read(&mut received).unwrap();
    received.truncate(count);
    assert!(!String::from_utf8_lossy(&received).contains("finis"), "it comes piece by piece");

    let renewed = new.server();
    // Halfway the two do not go together, and the old ones stay.
    put(&jetway, "server.pem", &renewed.certificate);
    jetway.says("the old one stays");
    jetway.says("tls/server.key cannot be used");
    let ask = get("/v1/models").header("x-api-key", &key);
    assert!(Caller::new(&old.pem, None).try_send(&ask, jetway.data).is_some());
    put(&jetway, "server.key", &renewed.key);
    eventually(|| Caller::new(&new.pem, None).try_send(&ask, jetway.data).is_some());
    assert!(Caller::new(&old.pem, None).try_send(&ask, jetway.data).is_none());

    stream.read_to_end(&mut received).unwrap();
    let text = String::from_utf8_lossy(&received).into_owned();
    assert!(text.contains("finis") && text.contains("message_stop"), "{text}");
}

#[test]
fn tls_that_is_added_while_it_runs_is_spoken_at_once_and_kept_up_to_date() {
    let provider = provider("scenarios: []");
    let (old, new) = (Authority::new("old"), Authority::new("new"));
    let mut setup = setup(&provider.url(), (&old.server(), None), "", "{ accept: [keys] }");
    let tls = std::mem::take(&mut setup.more);
    let jetway = setup.start();
    let (_, key) = jetway.key("open", "ada");
    let ask = ask().header("x-api-key", &key);
    assert_eq!(ask.send(jetway.data).status, 200);
    let file = jetway.folder.path().join("config/gateway.yaml");
    let plain = std::fs::read_to_string(&file).unwrap();
    std::fs::write(&file, format!("{plain}{tls}")).unwrap();
    eventually(|| ask.send(jetway.data).text().contains("use https://"));
    assert_eq!(Caller::new(&old.pem, None).send(&ask, jetway.data).status, 200);
    let renewed = new.server();
    put(&jetway, "server.key", &renewed.key);
    put(&jetway, "server.pem", &renewed.certificate);
    eventually(|| Caller::new(&new.pem, None).try_send(&ask, jetway.data).is_some());
    std::fs::write(&file, plain).unwrap();
    eventually(|| ask.send(jetway.data).status == 200);
}

/// Holds the one place there is by a connection that goes no further; another gets it all the
/// same, once the first was shown the door, after ten seconds.
fn holds_no_place<T>(hold: impl Fn(&Jetway, &Caller) -> T) {
    let (provider, authority) = (provider("scenarios: []"), Authority::new("servers"));
    let mut setup = setup(&provider.url(), (&authority.server(), None), "", "{ accept: [keys] }");
    setup.more.push_str("limits: { connections: 1 }\n");
    let mut jetway = setup.start();
    let (_, key) = jetway.key("open", "ada");
    let caller = Caller::new(&authority.pem, None);
    let held = hold(&jetway, &caller);
    assert_eq!(caller.send(&ask().header("x-api-key", &key), jetway.data).status, 200);
    drop(held);
    let _held = hold(&jetway, &caller);
    std::thread::sleep(Duration::from_millis(100));
    jetway.terminate();
    assert!(jetway.wait().success(), "nor does it hold up the end");
}

#[test]
fn half_a_handshake_holds_no_place() {
    holds_no_place(|jetway, _| {
        let mut stream = TcpStream::connect(jetway.data).unwrap();
        stream.write_all(&[22, 3, 1]).unwrap();
        stream
    });
}

#[test]
fn silence_after_the_handshake_holds_no_place() {
    holds_no_place(|jetway, caller| {
        let mut stream = caller.connect(jetway.data);
        while stream.conn.is_handshaking() {
            stream.conn.complete_io(&mut stream.sock).unwrap();
        }
        stream
    });
}

#[test]
fn an_agent_that_stops_reading_is_cut_off_in_tls_too() {
    let text = "word ".repeat(5 << 20);
    let reply = format!(
        "{{\"type\":\"message\",\"id\":\"m\",\"role\":\"assistant\",\"model\":\"m\",\"stop_reason\":\"end_turn\",\"content\":[{{\"type\":\"text\",\"text\":\"{text}\"}}],\"usage\":{{\"input_tokens\":1,\"output_tokens\":1}}}}"
    );
    let (provider, authority) = (Fixed::whole(&reply), Authority::new("servers"));
    let mut setup = setup(&provider.url(), (&authority.server(), None), "", "{ accept: [keys] }");
    setup.more.push_str("limits: { write_time: 500ms }\n");
    let jetway = setup.start();
    let (_, key) = jetway.key("open", "ada");
    let ask = ask().header("x-api-key", &key);
    let caller = Caller::new(&authority.pem, None);
    assert_eq!(caller.send(&ask, jetway.data).body.len(), reply.len(), "who reads gets it all");
    let mut stream = caller.connect(jetway.data);
    stream.write_all(&ask.bytes(jetway.data)).unwrap();
    // The one connection that is left is the one that asks.
    let open = || {
        let text = jetway.metrics();
        text.lines().find_map(|line| line.strip_prefix("jetway_open_connections ")?.parse::<u32>().ok()).unwrap()
    };
    std::thread::sleep(Duration::from_millis(300));
    eventually(|| open() == 1);
    let mut received = Vec::new();
    assert!(stream.read_to_end(&mut received).is_err() && received.len() < reply.len());
}

#[test]
fn tls_that_cannot_work_is_refused_with_its_line() {
    let (authority, other) = (Authority::new("servers"), Authority::new("others"));
    let (server, wrong) = (authority.server(), other.server());
    let check = |tls: &str, file: (&str, &str), why: &str| {
        let folder = tempfile::tempdir().unwrap();
        let write = |path: &str, text: &str| {
            let path = folder.path().join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        };
        let provider = "{ kind: anthropic, base_url: 'http://127.0.0.1:1', models: ['*'], credentials: passthrough }";
        write(
            "config/gateway.yaml",
            &format!("default_policy: open\nproviders: {{ messages: {provider} }}\ntls:\n{tls}"),
        );
        write("config/prices.yaml", "prices: []\n");
        write(
            "policies/open/policy.yaml",
            "about: x\nmodels: { allow: ['*'], providers: [messages] }\nidentity: { accept: [keys] }\n",
        );
        write("tls/server.pem", &server.certificate);
        write("tls/server.key", &server.key);
        write(file.0, file.1);
        let output = jetway_support::jetway(folder.path(), &["check"]).output().unwrap();
        let text = String::from_utf8_lossy(&output.stderr).into_owned();
        if why.is_empty() {
            return assert!(output.status.success(), "{text}");
        }
        let (place, why) = why.split_once(' ').unwrap();
        let place = format!("gateway.yaml:{place}:");
        assert!(!output.status.success() && text.contains(&place) && text.contains(why), "{place} {why}: {text}");
        assert!(!text.contains("PRIVATE"), "{text}");
    };
    let whole = "  certificate: tls/server.pem\n  key: tls/server.key\n";
    let none = ("tls/none", "");
    check(whole, none, "");
    check(&format!("{whole}  client_ca: tls/ca.pem\n"), ("tls/ca.pem", &other.pem), "");
    check(&format!("{whole}  client_ca: tls/ca.pem\n"), none, "6 tls/ca.pem cannot be read");
    check(
        &format!("{whole}  client_ca: tls/ca.pem\n"),
        ("tls/ca.pem", "nothing"),
        "6 nothing of the kind stands in the file",
    );
    check(&format!("{whole}  client: optional\n"), none, "6 `client_ca` must say whose");
    check(&format!("{whole}  client: perhaps\n"), none, "6 unknown value `perhaps`");
    check("  certificate: tls/server.pem\n", none, "4 `key` is missing");
    check("  certificate: tls/nowhere.pem\n  key: tls/server.key\n", none, "4 the file tls/nowhere.pem cannot be read");
    check(whole, ("tls/server.pem", "nothing"), "4 nothing of the kind stands in the file");
    check(
        whole,
        ("tls/server.pem", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"),
        "4 tls/server.pem cannot be used",
    );
    check(whole, ("tls/server.key", "nothing"), "5 nothing of the kind stands in the file");
    check(whole, ("tls/server.key", &wrong.key), "5 it holds no private key for the certificate");
}

#[test]
fn a_demo_plays_in_plain_http_whatever_is_configured() {
    let (provider, authority) = (provider("scenarios: []"), Authority::new("servers"));
    let jetway = setup(&provider.url(), (&authority.server(), Some(&authority)), "", BY_NAME).start();
    let folder = jetway.kill();
    let command = jetway_support::jetway(folder.path(), &["serve", "--demo", "--any-port"])
        .env("TEST_PROVIDER_KEY", "sk-operators-own")
        .stdout(std::process::Stdio::piped())
        .spawn();
    let mut child = command.unwrap();
    let mut greeting = [0; 4096];
    let mut taken = 0;
    let stdout = child.stdout.as_mut().unwrap();
    while !String::from_utf8_lossy(&greeting[..taken]).contains("openai_base_url") {
        taken += stdout.read(&mut greeting[taken..]).unwrap();
    }
    let greeting = String::from_utf8_lossy(&greeting[..taken]).into_owned();
    let data = greeting.lines().next().unwrap().split("http://").nth(1).unwrap().parse().unwrap();
    let stream = post("/v1/messages", BODY).open(data);
    assert_eq!(read(stream).status, 200);
    child.kill().unwrap();
    child.wait().unwrap();
}
