//! A collector of OpenTelemetry as it is released, between Jetway and who reads the traces: it takes
//! Jetway's spans apart by definitions of its own, and writes them anew.

use std::net::{SocketAddr, TcpListener};
use std::process::{Child, Command, Stdio};

use jetway_support::client::post;
use jetway_support::collector::{Collector, Span};
use jetway_support::{Setup, provider};
use serde_json::json;

use crate::place::installed;

/// Rotel, which takes spans here and sends them on.
struct Rotel(Child);

impl Rotel {
    fn start(at: SocketAddr, to: &Collector) -> Self {
        let mut command = Command::new(installed().join("collector/rotel/rotel-agent"));
        command.args(["start", "--otlp-http-endpoint", &at.to_string(), "--otlp-grpc-endpoint", &free().to_string()]);
        command.args(["--exporter", "otlp", "--otlp-exporter-protocol", "http"]);
        command.args(["--otlp-exporter-endpoint", &to.base(), "--batch-timeout", "100ms"]);
        Self(command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap())
    }
}

impl Drop for Rotel {
    fn drop(&mut self) {
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

fn free() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap()
}

const SCRIPT: &str = "
scenarios:
  - name: one
    turns:
      - { text: I will look., calls: [{ tool: Bash, input: { command: cat .env } }], usage: { input: 100, cache_read: 50, output: 20 } }
      - { text: Done., usage: { input: 200, output: 30 } }
";

const PARENT: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

#[test]
fn a_collector_understands_every_span_and_all_that_is_said_of_it() {
    let (provider, at) = (provider(SCRIPT), free());
    let (straight, behind) = (Collector::start(), Collector::start());
    // The same run twice: as it is sent, and as the collector understood it.
    let run = |url: &str, collector: &Collector, late: bool| {
        let mut setup = Setup::new(&provider.url()).with("lockdown: { allow: [Read], advice: Use Read. }\n");
        setup.more = format!("traces: {{ otlp: {url}, users: true }}\nsecret: {{ env: FLEET }}");
        setup.env.push((String::from("FLEET"), "f".repeat(32)));
        let jetway = setup.start();
        let tools = ["Read", "Bash"].map(|name| json!({ "name": name, "input_schema": { "type": "object" } }));
        let said = json!([{ "role": "user", "content": "Hello." }]);
        let body = json!({ "model": "claude-sonnet-5-5", "max_tokens": 1000, "tools": tools, "messages": said });
        let ask = post("/v1/messages", body.to_string()).header("x-jetway-run", "job").header("traceparent", PARENT);
        let answer = ask.send(jetway.data);
        assert_eq!(answer.status, 200, "{}", answer.text());
        let run = answer.header("x-jetway-run").unwrap();
        assert_eq!(post(&format!("/v1/runs/{run}/end"), "").send(jetway.data).status, 200);
        // It is not there yet, and is asked again until it is.
        let rotel = late.then(|| {
            jetway.says("Connection refused");
            Rotel::start(at, collector)
        });
        let spans = collector.wait(5);
        drop(rotel);
        assert_eq!(spans.len(), 5, "{spans:#?}");
        spans
    };
    let sent = run(&straight.url(), &straight, false);
    let understood = run(&format!("http://{at}/v1/traces"), &behind, true);
    assert_eq!(shape(&sent), shape(&understood));
    assert_eq!(straight.resource()["service.name"], behind.resource()["service.name"]);
    // One trace, the same in both, for it is one run; and below one root.
    assert!(sent.iter().chain(&understood).all(|span| span.trace == sent[0].trace));
    for spans in [&sent, &understood] {
        let root = spans.iter().find(|span| span.parent.is_empty()).unwrap();
        assert!(
            spans
                .iter()
                .all(|span| root.start <= span.start && span.start <= span.end && span.end <= root.end + 2_000_000)
        );
        let has_parent = |span: &Span| span.id == root.id || spans.iter().any(|other| other.id == span.parent);
        assert!(spans.iter().all(has_parent), "{spans:#?}");
    }
}

/// Spans without what differs from one turn to another: ids and times, which are looked at apart.
fn shape(spans: &[Span]) -> Vec<String> {
    let mut all: Vec<String> = spans
        .iter()
        .map(|span| {
            let changes = ["jetway.exchange", "gen_ai.response.time_to_first_chunk"];
            let said: Vec<_> = span.attributes.iter().filter(|(key, _)| !changes.contains(&key.as_str())).collect();
            let above = spans.iter().find(|other| other.id == span.parent).map(|other| &other.name);
            format!("{} below {above:?}: {:?} {:?} {:?} {said:?}", span.name, span.kind, span.error, span.links)
        })
        .collect();
    all.sort();
    all
}
