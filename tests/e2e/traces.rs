//! Spans, as a collector gets them that reads them by OpenTelemetry's own definitions.

use std::collections::BTreeMap;
use std::time::Duration;

use jetway_scripted::Provider;
use jetway_support::client::{Answer, post};
use jetway_support::collector::{Collector, Manner, Span};
use jetway_support::{Jetway, Setup, eventually, provider};
use opentelemetry_proto::tonic::trace::v1::span::SpanKind;
use serde_json::{Value, json};

const LOCK: &str = "lockdown: { allow: [Read], advice: Use Read. }\n";

const SCRIPT: &str = "
scenarios:
  - name: corrected
    when: { contains: corrected }
    turns:
      - { text: I will look., calls: [{ tool: Bash, input: { command: cat .env } }], usage: { input: 100, cache_read: 50, output: 20 } }
      - { text: Then so., calls: [{ tool: Read, input: { file_path: a.txt } }], usage: { input: 200, output: 30 } }
  - name: plain
    turns:
      - { text: Done., usage: { input: 10, output: 5 } }
";

/// What an agent of somebody else's has of its own.
const PARENT: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

fn setup(provider: &Provider, traces: &str) -> Setup {
    let mut setup = Setup::new(&provider.url()).with(LOCK);
    setup.more = traces.to_owned();
    setup
}

fn ask(jetway: &Jetway, say: &str, more: &[(&str, &str)]) -> Answer {
    let tools = ["Read", "Bash"].map(|name| json!({ "name": name, "input_schema": { "type": "object" } }));
    let body = json!({
        "model": "claude-sonnet-5-5", "max_tokens": 1000, "tools": tools, "stream": true,
        "messages": [{ "role": "user", "content": say }],
    });
    let ask = post("/v1/messages", body.to_string()).header("x-jetway-run", "job");
    more.iter().fold(ask, |ask, (name, value)| ask.header(name, value)).send(jetway.data)
}

/// The one span of this name.
#[track_caller]
fn named<'a>(spans: &'a [Span], name: &str) -> &'a Span {
    let found: Vec<_> = spans.iter().filter(|span| span.name == name).collect();
    assert_eq!(found.len(), 1, "{name}: {spans:#?}");
    found[0]
}

/// How many spans came to this.
fn counted(jetway: &Jetway, result: &str) -> u64 {
    let name = format!("jetway_spans_total{{result=\"{result}\"}} ");
    let metrics = jetway.metrics();
    metrics.lines().find_map(|line| line.strip_prefix(&name)).map_or(0, |count| count.parse().unwrap())
}

/// The run log has the turns within the reply too.
#[track_caller]
fn logged(jetway: &Jetway, run: &str, cost: u64) {
    let exchange = jetway.exchanges(1).remove(0);
    assert_eq!(json!(cost), exchange["cost_micros"]);
    let inner = exchange["inner"].as_array().unwrap();
    let said = |name: &str| inner.iter().map(|turn| turn[name].clone()).collect::<Vec<_>>();
    assert_eq!((said("input"), said("cache_read")), (vec![json!(100), json!(200)], vec![json!(50), json!(0)]));
    assert_eq!(said("cost_micros").iter().map(|cost| cost.as_u64().unwrap()).sum::<u64>(), cost);
    assert_eq!(said("stop")[0], json!("tool_use"));
    let story = String::from_utf8(jetway.command(&["runs", "show", run]).stdout).unwrap();
    for line in ["within    1: ", "100 in, 50 cached (33 %), 20 out", "stopped by tool_use", "within    2: "] {
        assert!(story.contains(line), "{line}\n{story}");
    }
}

#[test]
fn a_run_is_a_trace_of_turns_inner_turns_and_calls() {
    let (provider, collector) = (provider(SCRIPT), Collector::start());
    let mut setup = setup(
        &provider,
        &format!("traces: {{ otlp: {}, headers: {{ authorization: {{ env: COLLECTOR }} }} }}", collector.url()),
    );
    setup.env.push((String::from("COLLECTOR"), String::from("Bearer collectors-own")));
    let mut jetway = setup.start();
    let answer = ask(&jetway, "corrected, said Ada", &[("traceparent", PARENT)]);
    assert_eq!(answer.status, 200, "{}", answer.text());
    let run = answer.header("x-jetway-run").unwrap().to_owned();
    let exchange = answer.header("x-jetway-exchange").unwrap().to_owned();
    let ended = post(&format!("/v1/runs/{run}/end"), "").send(jetway.data);
    assert_eq!(ended.status, 200, "{}", ended.text());

    // The turn, its two turns, two calls, and the run.
    let spans = collector.wait(6);
    let root = named(&spans, "invoke_agent other");
    let (refused, passed) = (named(&spans, "execute_tool Bash"), named(&spans, "execute_tool Read"));
    let chats: Vec<&Span> = spans.iter().filter(|span| span.name == "chat claude-sonnet-5-5").collect();
    let turn = chats.iter().find(|span| span.parent == root.id).unwrap();
    let mut inner: Vec<&&Span> = chats.iter().filter(|span| span.parent == turn.id).collect();
    inner.sort_by_key(|span| span.says("jetway.inner_turn").as_u64());
    assert_eq!((spans.len(), chats.len(), inner.len()), (6, 3, 2), "{spans:#?}");
    assert!(spans.iter().all(|span| span.trace == root.trace && span.trace.len() == 32 && span.id.len() == 16));
    assert_eq!((root.parent.as_str(), &refused.parent, &passed.parent), ("", &turn.id, &turn.id));
    let kinds = [root, turn, inner[0], inner[1], refused].map(|span| span.kind);
    use SpanKind::{Client, Internal};
    assert_eq!(kinds, [Internal, Internal, Client, Client, Internal]);

    let tokens = |span: &Span| {
        let names = ["input_tokens", "cache_read.input_tokens", "output_tokens"];
        names.map(|name| span.says(&format!("gen_ai.usage.{name}")).clone())
    };
    assert_eq!(tokens(inner[0]), [json!(150), json!(50), json!(20)]);
    assert_eq!(tokens(inner[1]), [json!(200), Value::Null, json!(30)]);
    assert_eq!(tokens(turn), [Value::Null, Value::Null, Value::Null]);
    let cost: u64 = inner.iter().map(|span| span.says("jetway.cost_microdollars").as_u64().unwrap()).sum();
    logged(&jetway, &run, cost);
    // Each within what it is part of, and one behind the other.
    assert!(root.start <= turn.start && turn.end <= root.end && turn.start < turn.end);
    assert!(turn.start < inner[0].start && inner[0].start < inner[0].end && inner[0].end <= inner[1].start);
    assert!(inner[1].end <= turn.end, "{inner:?} {turn:?}");

    assert!(spans.iter().all(|span| span.flags == 0x101), "recorded, and below a span of ours");
    assert_eq!(turn.links, [(PARENT[3..35].to_owned(), PARENT[36..52].to_owned())]);
    for (key, value) in [
        ("gen_ai.operation.name", json!("chat")),
        ("gen_ai.provider.name", json!("anthropic")),
        ("gen_ai.request.model", json!("claude-sonnet-5-5")),
        ("gen_ai.request.stream", json!(true)),
        ("gen_ai.conversation.id", json!(run)),
        ("jetway.exchange", json!(exchange)),
        ("jetway.policy", json!("open")),
        ("jetway.outcome", json!("complete")),
        ("jetway.inner_turns", json!(1)),
        ("http.response.status_code", json!(200)),
        ("server.address", json!("127.0.0.1")),
    ] {
        assert_eq!(turn.says(key), &value, "{key}");
    }
    assert_eq!(inner[0].says("gen_ai.response.finish_reasons"), &json!(["tool_use"]));
    assert_eq!((refused.says("jetway.call"), refused.error.as_deref()), (&json!("refused"), Some("refused")));
    assert!(refused.says("jetway.rule").as_str().is_some_and(|rule| !rule.is_empty()), "{refused:?}");
    assert_eq!((passed.says("jetway.call"), &passed.error), (&json!("passed"), &None));
    assert_eq!(root.says("jetway.ending"), &json!("told"));
    assert_eq!(collector.resource()["service.name"], json!("jetway"));

    // Nothing that anybody wrote, and nothing secret, but in the header that it is for.
    for batch in collector.batches() {
        assert!(batch.head.starts_with("post /v1/traces http/1.1"), "{}", batch.head);
        assert!(batch.head.contains("authorization: bearer collectors-own"), "{}", batch.head);
        assert!(batch.head.contains("content-type: application/x-protobuf"), "{}", batch.head);
        let text = String::from_utf8_lossy(&batch.bytes);
        for word in ["Ada", "cat .env", "I will look", "sk-test-caller", "collectors-own", "user.id", "a.txt"] {
            assert!(!text.contains(word), "{word}: {text}");
        }
    }
    eventually(|| counted(&jetway, "sent") == 6);
    assert_eq!((counted(&jetway, "shed"), counted(&jetway, "failed")), (0, 0));
    jetway.terminate();
    assert!(jetway.wait().success());
    assert!(!jetway.log().contains("collectors-own"), "{}", jetway.log());
}

/// What an agent tells: no stream, so that the reply is there as a whole.
fn talk(jetway: &Jetway, messages: &[Value]) -> Answer {
    let tools = json!([{ "name": "Read", "input_schema": { "type": "object" } }]);
    let body = json!({ "model": "claude-sonnet-5-5", "max_tokens": 1000, "tools": tools, "messages": messages });
    let answer = post("/v1/messages", body.to_string()).header("x-jetway-run", "job").send(jetway.data);
    assert_eq!(answer.status, 200, "{}", answer.text());
    answer
}

const CALLS: &str = "
scenarios:
  - name: reads
    turns:
      - { calls: [{ tool: Read, input: { file_path: a } }, { tool: Read, input: { file_path: b } }, { tool: Read, input: { file_path: .env } }] }
      - { calls: [{ tool: Read, input: { file_path: c } }] }
";

#[test]
fn a_call_lasts_from_its_reply_until_its_result() {
    let (provider, collector) = (provider(CALLS), Collector::start());
    let mut setup = setup(&provider, &format!("traces: {{ otlp: {} }}", collector.url()));
    setup = setup.with("lockdown: { allow: [Read], deny: ['reads(**/.env*)'] }\n");
    let mut jetway = setup.start();
    let mut messages = vec![json!({ "role": "user", "content": "Read them." })];
    let content = talk(&jetway, &messages).json()["content"].clone();
    let ids: Vec<&str> = content.as_array().unwrap().iter().filter_map(|block| block["id"].as_str()).collect();
    let [a, b] = ids[..] else { panic!("the third was refused: {content}") };
    // An agent at work. Nothing is sent of what is under way.
    std::thread::sleep(Duration::from_millis(1200));
    let names = |spans: &[Span]| spans.iter().map(|span| span.name.clone()).collect::<Vec<_>>();
    assert_eq!(names(&collector.wait(2)), ["chat claude-sonnet-5-5", "execute_tool Read"]);
    assert_eq!(collector.spans()[1].says("jetway.call"), "refused");
    messages.push(json!({ "role": "assistant", "content": content }));
    messages.push(json!({ "role": "user", "content": [
        { "type": "tool_result", "tool_use_id": a, "content": "one" },
        { "type": "tool_result", "tool_use_id": b, "content": "no such file", "is_error": true },
    ] }));
    let content = talk(&jetway, &messages).json()["content"].clone();
    let last = content[0]["id"].as_str().unwrap();
    let spans = collector.wait(5);
    let of = |spans: &[Span], id: &str| {
        let found: Vec<_> = spans.iter().filter(|span| span.says("gen_ai.tool.call.id") == id).cloned().collect();
        assert_eq!(found.len(), 1, "{id}: {spans:#?}");
        found[0].clone()
    };
    let (came, failed) = (of(&spans, a), of(&spans, b));
    for call in [&came, &failed] {
        let turn = spans.iter().find(|span| span.id == call.parent).unwrap();
        let length = Duration::from_nanos(call.end - call.start);
        assert!(call.start == turn.end && length > Duration::from_millis(1000), "{length:?} {call:?}");
        assert!(length < Duration::from_secs(20), "{length:?}");
        assert_eq!(call.name, "execute_tool Read");
    }
    assert_eq!((came.says("jetway.result"), came.error.as_deref()), (&json!("came"), None));
    assert_eq!((failed.says("jetway.result"), failed.error.as_deref()), (&json!("failed"), Some("tool_error")));
    // The agent goes away with one call; and its run ends.
    let run = came.says("gen_ai.conversation.id").as_str().unwrap();
    assert_eq!(post(&format!("/v1/runs/{run}/end"), "").send(jetway.data).status, 200);
    let never = of(&collector.wait(7), last);
    assert_eq!((never.says("jetway.result"), never.error.as_deref()), (&json!("none"), None));
    // What is open when Jetway ends is told then.
    let content = talk(&jetway, &messages).json()["content"].clone();
    assert_eq!(content[0]["type"], "tool_use");
    collector.wait(8);
    jetway.terminate();
    assert!(jetway.wait().success());
    let spans = collector.spans();
    assert_eq!((spans.len(), spans[8].says("jetway.result")), (9, &json!("none")), "{spans:#?}");
}

#[test]
fn a_question_at_the_end_of_a_run_is_a_turn_of_its_trace() {
    let (provider, collector) = (provider(SCRIPT), Collector::start());
    let mut setup = setup(&provider, &format!("traces: {{ otlp: {} }}", collector.url()))
        .with("interrogation: { allowance: { usd: 1, every: day }, quiet: 1s }\n")
        .file("open/ask.md", "What could we have done better?");
    setup.credentials = String::from("{ env: PROVIDER_KEY }");
    setup.env.push((String::from("PROVIDER_KEY"), String::from("sk-operators")));
    let jetway = setup.start();
    let key = jetway.key("open", "ada").1;
    assert_eq!(ask(&jetway, "Hello.", &[("x-api-key", &key)]).status, 200);
    let spans = collector.wait(3);
    let root = named(&spans, "invoke_agent other");
    let by = |endpoint: &str| spans.iter().find(|span| span.says("jetway.endpoint") == endpoint).unwrap();
    let (turn, question) = (by("reply"), by("question"));
    assert_eq!((&turn.parent, &question.parent, spans.len()), (&root.id, &root.id, 3));
    assert_eq!((root.says("jetway.ending"), root.says("jetway.asked")), (&json!("quiet"), &json!("answered")));
    assert_eq!((question.kind, question.says("gen_ai.usage.output_tokens")), (SpanKind::Client, &json!(5)));
    assert!(turn.end <= question.start && question.end <= root.end + 1_000_000 && root.start <= turn.start);
}

#[test]
fn refusals_and_failures_are_spans_that_failed_and_say_whose_they_are() {
    let script = "scenarios: [{ name: down, turns: [{ status: 400 }] }]";
    let (provider, collector) = (provider(script), Collector::start());
    let jetway = setup(&provider, &format!("traces: {{ otlp: {}, users: true }}", collector.url())).start();
    assert_eq!(ask(&jetway, "Hello.", &[]).status, 400);
    // It does not say which model, and so is refused before it is read: in the run that is open.
    let refused = post("/v1/messages", "{}").header("x-jetway-run", "job").send(jetway.data);
    assert_eq!(refused.status, 400, "{}", refused.text());
    let no_turn = jetway_support::client::get("/v1/models").send(jetway.data);
    assert_eq!(no_turn.status, 200);
    let spans = collector.wait(2);
    let by_outcome: BTreeMap<&str, &Span> =
        spans.iter().map(|span| (span.says("jetway.outcome").as_str().unwrap(), span)).collect();
    let (failed, refused) = (by_outcome["provider_refused"], by_outcome["refused"]);
    assert_eq!(failed.error.as_deref(), Some("provider_refused"));
    assert!(failed.says("user.id").is_string() && failed.parent.len() == 16, "{failed:?}");
    assert_eq!(refused.says("error.type"), &json!(refused.error));
    assert_eq!((refused.name.as_str(), refused.kind, &refused.parent), ("chat", SpanKind::Internal, &failed.parent));
    eventually(|| counted(&jetway, "sent") == 2);
    assert_eq!(collector.spans().len(), 2);
}

#[test]
fn a_collector_that_is_busy_is_asked_again_and_one_that_refuses_is_not() {
    let (provider, collector) = (provider(SCRIPT), Collector::start());
    let jetway = setup(&provider, &format!("traces: {{ otlp: {} }}", collector.url())).start();
    collector.will(Manner::Status(503, "retry-after: 1\r\n"));
    assert_eq!(ask(&jetway, "Hello.", &[]).status, 200);
    eventually(|| collector.batches().len() >= 2);
    assert_eq!((counted(&jetway, "sent"), counted(&jetway, "failed")), (0, 0));
    collector.will(Manner::Takes);
    collector.wait(1);
    let batches = collector.batches();
    assert!(batches.iter().all(|batch| batch.bytes == batches[0].bytes), "another batch came before it");
    eventually(|| counted(&jetway, "sent") == 1);

    collector.will(Manner::Status(400, ""));
    let before = collector.batches().len();
    assert_eq!(ask(&jetway, "Hello.", &[]).status, 200);
    eventually(|| counted(&jetway, "failed") == 1);
    assert_eq!(collector.batches().len(), before + 1);
    jetway.says("it answered 400");

    // One of two.
    collector.will(Manner::Refuses(1));
    assert_eq!(ask(&jetway, "Hello.", &[]).status, 200);
    eventually(|| counted(&jetway, "failed") == 2);
    assert_eq!(counted(&jetway, "sent"), 1);
}

#[test]
fn a_collector_that_is_down_delays_nobody_and_gets_what_it_missed() {
    // Nobody listens there yet.
    let addr = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let provider = provider(SCRIPT);
    let mut jetway = setup(&provider, &format!("traces: {{ otlp: http://{addr}/v1/traces }}")).start();
    for _ in 0..3 {
        assert_eq!(ask(&jetway, "Hello.", &[]).status, 200);
    }
    jetway.says("Connection refused");
    assert_eq!((jetway.exchanges(3).len(), counted(&jetway, "sent")), (3, 0));
    let collector = Collector::start_at(addr);
    collector.wait(3);
    // What is left when it stops is sent then.
    assert_eq!(ask(&jetway, "Hello.", &[]).status, 200);
    jetway.terminate();
    assert!(jetway.wait().success());
    assert_eq!(collector.spans().len(), 4, "{}", jetway.log());
}

#[test]
fn of_more_spans_than_may_wait_some_are_shed_and_no_request_is() {
    let (provider, collector) = (provider(SCRIPT), Collector::start());
    collector.will(Manner::Silent);
    let traces = format!("traces: {{ otlp: {}, queue: 2, timeout: 60s }}", collector.url());
    let mut jetway = setup(&provider, &traces).start();
    assert_eq!(ask(&jetway, "Hello.", &[]).status, 200);
    eventually(|| collector.batches().len() == 1);
    for _ in 0..5 {
        assert_eq!(ask(&jetway, "Hello.", &[]).status, 200);
    }
    eventually(|| counted(&jetway, "shed") == 3);
    assert_eq!((jetway.exchanges(6).len(), counted(&jetway, "sent"), counted(&jetway, "failed")), (6, 0, 0));
    // It stops all the same, and says what is lost.
    jetway.terminate();
    assert!(jetway.wait().success());
    jetway.says("did not take all spans in time");
}

#[test]
fn without_a_collector_and_in_a_demonstration_there_are_no_spans() {
    let (provider, collector) = (provider(SCRIPT), Collector::start());
    let jetway = setup(&provider, "").start();
    assert_eq!(ask(&jetway, "Hello.", &[("traceparent", PARENT)]).status, 200);
    jetway.exchanges(1);
    assert!(!jetway.metrics().contains("jetway_spans_total"), "{}", jetway.metrics());

    // The same with a collector, which the demonstration leaves alone.
    let jetway = setup(&provider, &format!("traces: {{ otlp: {} }}", collector.url())).start();
    let folder = jetway.kill();
    let mut demo = jetway_support::jetway(folder.path(), &["serve", "--demo", "--any-port"]);
    let jetway = Jetway::of(folder, &mut demo);
    assert_eq!(ask(&jetway, "Hello.", &[]).status, 200);
    jetway.exchanges(1);
    assert!(!jetway.metrics().contains("jetway_spans_total"), "{}", jetway.metrics());
    assert_eq!(collector.batches().len(), 0);
}

#[test]
fn what_is_wrong_with_it_is_said_with_its_line() {
    let (provider, collector) = (provider(SCRIPT), Collector::start());
    let jetway = setup(&provider, &format!("traces: {{ otlp: {} }}", collector.url())).start();
    let check = |traces: &str, wanted: &str| {
        let file = jetway.folder.path().join("config/gateway.yaml");
        let text = std::fs::read_to_string(&file).unwrap();
        let lines = text.lines().map(|line| if line.starts_with("traces:") { traces } else { line });
        std::fs::write(&file, lines.collect::<Vec<_>>().join("\n")).unwrap();
        let output = jetway.command(&["check"]);
        let said = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
        assert!(!output.status.success() && said.contains(wanted) && said.contains("gateway.yaml:2"), "{said}");
    };
    check("traces: { otlp: 'http://127.0.0.1:4318' }", "must say the path too");
    check("traces: { otlp: 'http://127.0.0.1:4318/v1/traces', timeout: 0s }", "`timeout` must be more than nothing");
    check("traces: { otlp: 'http://127.0.0.1:4318/v1/traces', queue: 0 }", "queue");
    check("traces: { otlp: 'http://127.0.0.1:4318/v1/traces', headers: { 'a b': { env: X } } }", "no name of a header");
    check("traces: { headers: {} }", "otlp");
}
