use std::collections::BTreeMap;
use std::num::NonZeroUsize;

use http::{HeaderMap, HeaderValue};
use jetway_core::wire::event::Usage;
use jetway_core::wire::traceparent::Traceparent;
use jiff::Timestamp;
use prost::Message;

use super::span::{Facts, is_turn, of_exchange, of_run};
use super::wire::{AnyValue, Code, Kind, Span, Value};
use super::*;
use crate::config::{Kind as ProviderKind, Provider};
use crate::runs::{CallRefused, CallReplaced, InnerTurn, Outcome, QUESTION};
use crate::secret;

fn provider() -> Provider {
    Provider::scripted("ours", ProviderKind::Anthropic, "https://api.anthropic.com".parse().unwrap())
}

fn at() -> Timestamp {
    "2026-11-26T01:02:03.5Z".parse().unwrap()
}

fn record() -> Record {
    Record {
        id: "x_1".into(),
        at: at(),
        run: Some("run_a".into()),
        policy: Some("wizard".into()),
        policy_version: Some("v1".into()),
        user: Some("ada".into()),
        team: Some("core".into()),
        agent: "claude-code",
        endpoint: "reply",
        dialect: Some("messages"),
        model: Some("claude-sonnet-5-5".into()),
        served_model: Some("claude-sonnet-5-5-20260901".into()),
        provider: Some("ours".into()),
        outcome: Some(Outcome::Complete),
        status: Some(200),
        usage: Usage { input: 10, cache_read: 200, cache_write: 30, cache_write_hour: 0, output: 7 },
        cost_micros: 1234,
        stop: Some("end_turn".into()),
        stream: true,
        first_byte_millis: Some(250),
        total_millis: 1500,
        step: Some("layout".into()),
        role: Some("main"),
        ..Record::default()
    }
}

fn spans(record: &Record) -> Vec<Span> {
    let provider = provider();
    of_exchange(record, Facts { provider: Some(&provider), ..Facts::default() })
}

fn text(value: &AnyValue) -> String {
    match value.value.as_ref().unwrap() {
        Value::Text(text) => text.clone(),
        Value::Truth(is_so) => is_so.to_string(),
        Value::Number(number) => number.to_string(),
        Value::Fraction(number) => number.to_string(),
        Value::List(list) => format!("[{}]", list.values.iter().map(text).collect::<Vec<_>>().join(", ")),
    }
}

fn said(span: &Span) -> BTreeMap<&str, String> {
    span.attributes.iter().map(|said| (said.key.as_str(), text(said.value.as_ref().unwrap()))).collect()
}

/// What is said under these names; nothing where a name is not there.
fn of(span: &Span, names: &[&str]) -> Vec<String> {
    let said = said(span);
    names.iter().map(|name| said.get(name).cloned().unwrap_or_default()).collect()
}

#[test]
fn a_turn_says_what_was_asked_of_whom_and_what_it_took() {
    let spans = spans(&record());
    let [turn] = &spans[..] else { std::panic::panic_any(spans) };
    let expect = [
        ("gen_ai.conversation.id", "run_a"),
        ("gen_ai.operation.name", "chat"),
        ("gen_ai.provider.name", "anthropic"),
        ("gen_ai.request.model", "claude-sonnet-5-5"),
        ("gen_ai.request.stream", "true"),
        ("gen_ai.response.finish_reasons", "[end_turn]"),
        ("gen_ai.response.model", "claude-sonnet-5-5-20260901"),
        ("gen_ai.response.time_to_first_chunk", "0.25"),
        ("gen_ai.usage.cache_read.input_tokens", "200"),
        ("gen_ai.usage.cache_write.input_tokens", "30"),
        // All of it: what the cache served and took is a part.
        ("gen_ai.usage.input_tokens", "240"),
        ("gen_ai.usage.output_tokens", "7"),
        ("http.response.status_code", "200"),
        ("jetway.agent", "claude-code"),
        ("jetway.cost_microdollars", "1234"),
        ("jetway.dialect", "messages"),
        ("jetway.endpoint", "reply"),
        ("jetway.exchange", "x_1"),
        ("jetway.outcome", "complete"),
        ("jetway.policy", "wizard"),
        ("jetway.policy_version", "v1"),
        ("jetway.provider", "ours"),
        ("jetway.role", "main"),
        ("jetway.step", "layout"),
        ("server.address", "api.anthropic.com"),
        ("server.port", "443"),
    ];
    assert_eq!(said(turn).into_iter().collect::<Vec<_>>(), expect.map(|(name, value)| (name, value.to_owned())));
    assert_eq!((turn.name.as_str(), turn.kind()), ("chat claude-sonnet-5-5", Kind::Client));
    let begun = 1_795_654_923_500_000_000;
    assert_eq!((turn.start, turn.end), (begun, begun + 1_500_000_000));
    assert_eq!((turn.status.as_ref(), turn.links.len()), (None, 0));
}

#[test]
fn ids_are_the_same_wherever_they_are_made() {
    let hex = |bytes: &[u8]| secret::hex(bytes);
    let turn = spans(&record()).remove(0);
    let run = of_run(&Ended { run: "run_a".into(), at: at(), ..Ended::default() }, false);
    // As `printf 'trace\0run_a' | sha256sum` has them, and so on.
    assert_eq!(hex(&turn.trace_id), "9f3b4fb23d50f2bc97bb0e2a30fc1b54");
    assert_eq!(hex(&run.span_id), "ac6c0291d6ecdbbf");
    assert_eq!(hex(&turn.span_id), "a06e6e38549e28af");
    assert_eq!((&run.trace_id, &run.span_id), (&turn.trace_id, &turn.parent_span_id));
    assert!(run.parent_span_id.is_empty());
    let other = spans(&Record { run: Some("run_b".into()), id: "x_2".into(), ..record() }).remove(0);
    assert_ne!((&other.trace_id, &other.span_id), (&turn.trace_id, &turn.span_id));
    // Refused before its run was known.
    let alone = spans(&Record { run: None, ..record() }).remove(0);
    assert!(alone.parent_span_id.is_empty() && alone.trace_id != turn.trace_id);
}

#[test]
fn a_failure_is_one_of_ours_or_of_the_provider_s() {
    let check = |outcome: Outcome, reason: Option<&'static str>, wanted: Option<&str>| {
        let record = Record { outcome: Some(outcome), reason, detail: Some("Ada's words".into()), ..record() };
        let turn = spans(&record).remove(0);
        let status = turn.status.as_ref().map(|status| (status.code(), status.message.as_str()));
        assert_eq!(status, wanted.map(|word| (Code::Error, word)), "{outcome:?}");
        assert_eq!(of(&turn, &["error.type", "jetway.outcome"]), [wanted.unwrap_or_default(), outcome.name()]);
        let bytes = turn.encode_to_vec();
        assert!(!bytes.windows(5).any(|part| part == b"words"), "a sentence is told");
    };
    check(Outcome::Complete, None, None);
    check(Outcome::ClientGone, None, None);
    check(Outcome::Refused, Some("budget"), Some("budget"));
    check(Outcome::Cut, Some("budget"), Some("budget"));
    check(Outcome::ProviderRefused, None, Some("provider_refused"));
    check(Outcome::ProviderFailed, Some("connect"), Some("connect"));
    check(Outcome::ProviderTruncated, None, Some("provider_truncated"));
}

#[test]
fn several_turns_are_told_apart_and_what_they_took_is_told_once() {
    let inner = |from: u64, to: u64, output: u64, cost_micros: u64| InnerTurn {
        from_micros: from,
        to_micros: to,
        served_model: Some("served".into()),
        stop: Some("tool_use".into()),
        usage: Usage { input: 100, output, ..Usage::default() },
        estimated: output == 2,
        cost_micros,
    };
    let record = Record {
        inner: vec![inner(1_000, 400_000, 1, 11), inner(500_000, 1_500_000, 2, 22)],
        inner_turns: 1,
        outcome: Some(Outcome::ProviderFailed),
        ..record()
    };
    let spans = spans(&record);
    let [turn, first, second] = &spans[..] else { std::panic::panic_any(spans) };
    let names = ["gen_ai.usage.input_tokens", "gen_ai.usage.output_tokens", "jetway.cost_microdollars"];
    assert_eq!(of(turn, &names), ["", "", ""]);
    assert_eq!(of(turn, &["jetway.inner_turns", "gen_ai.response.finish_reasons"]), ["1", ""]);
    assert_eq!(of(first, &names), ["100", "1", "11"]);
    assert_eq!(of(second, &names), ["100", "2", "22"]);
    for (span, number, estimated) in [(first, "1", ""), (second, "2", "true")] {
        assert_eq!((&span.parent_span_id, &span.trace_id), (&turn.span_id, &turn.trace_id));
        assert_eq!((span.name.as_str(), span.kind()), ("chat claude-sonnet-5-5", Kind::Client));
        let names = ["jetway.inner_turn", "jetway.estimated", "gen_ai.response.model", "gen_ai.provider.name"];
        assert_eq!(of(span, &names), [number, estimated, "served", "anthropic"]);
    }
    // The call of the provider is not this span, but those below it.
    assert_eq!(turn.kind(), Kind::Internal);
    assert_eq!((first.start - turn.start, first.end - turn.start), (1_000_000, 400_000_000));
    assert_eq!((second.start - turn.start, second.end), (500_000_000, turn.end));
    assert!(first.status.is_none() && second.status.is_some() && first.span_id != second.span_id);
}

#[test]
fn every_call_says_what_became_of_it() {
    let record = Record {
        calls: vec!["Read".into(), "check_env".into(), "Read".into()],
        calls_replaced: vec![CallReplaced { tool: "check_env".into(), became: "Bash".into() }],
        calls_answered: vec!["search_docs".into()],
        ..record()
    };
    // In shadow mode a rule is noted, and a step is in force all the same.
    let told = |refused: &[bool]| {
        let call = |noted: &bool| CallRefused {
            tool: "Bash".into(),
            rule: if *noted { "deny Bash".into() } else { "step look".into() },
            noted: *noted,
            ..CallRefused::default()
        };
        let got = refused.iter().filter(|noted| **noted).map(|_| String::from("Bash"));
        let calls = got.chain(record.calls.iter().cloned()).collect();
        let record = Record { calls, calls_refused: refused.iter().map(call).collect(), ..record.clone() };
        let spans = of_exchange(&record, Facts::default());
        let turn = &spans[0];
        let mut ids: Vec<_> = spans.iter().map(|span| span.span_id.clone()).collect();
        ids.sort();
        ids.dedup();
        assert_eq!(ids.len(), spans.len());
        let calls = spans[1..].iter().map(|call| {
            assert_eq!((&call.parent_span_id, call.start, call.end), (&turn.span_id, turn.end, turn.end));
            assert_eq!(of(call, &["gen_ai.operation.name", "gen_ai.conversation.id"]), ["execute_tool", "run_a"]);
            assert_eq!(call.name, format!("execute_tool {}", of(call, &["gen_ai.tool.name"])[0]));
            let detail = of(call, &["jetway.rule", "jetway.became", "error.type"]).concat();
            (of(call, &["gen_ai.tool.name", "jetway.call"]).join(" "), detail, call.status.is_some())
        });
        calls.collect::<Vec<_>>()
    };
    let row = |call: &str, detail: &str, failed: bool| (call.to_owned(), detail.to_owned(), failed);
    let others = [
        row("check_env replaced", "Bash", false),
        row("search_docs answered", "", false),
        row("Read passed", "", false),
        row("Read passed", "", false),
    ];
    let (refused, noted) =
        (row("Bash refused", "step lookrefused", true), row("Bash would_be_refused", "deny Bash", false));
    assert_eq!(told(&[false]), [std::slice::from_ref(&refused), &others].concat());
    assert_eq!(told(&[true]), [std::slice::from_ref(&noted), &others].concat());
    assert_eq!(told(&[true, false]), [&[noted, refused][..], &others].concat());
}

#[test]
fn a_run_says_how_it_ended() {
    let check = |ending: &'static str, failed: bool| {
        let ended = Ended {
            run: "run_a".into(),
            at: at(),
            began: Some("2026-11-26T01:00:00Z".parse().unwrap()),
            agent: Some("codex"),
            policy: "wizard".into(),
            user: Some("ada".into()),
            ending,
            asked: Some("answered"),
            ..Ended::default()
        };
        let span = of_run(&ended, false);
        assert_eq!((span.name.as_str(), span.kind()), ("invoke_agent codex", Kind::Internal));
        assert_eq!(span.end - span.start, 123_500_000_000);
        assert_eq!(span.status.is_some(), failed, "{ending}");
        let names = ["gen_ai.operation.name", "gen_ai.agent.name", "jetway.ending", "jetway.asked", "user.id"];
        assert_eq!(of(&span, &names), ["invoke_agent", "codex", ending, "answered", ""]);
        assert_eq!(of(&of_run(&ended, true), &["user.id"]), ["ada"]);
        // One whose beginning is not known has no length.
        let span = of_run(&Ended { began: None, ..ended }, false);
        assert_eq!(span.start, span.end);
    };
    for ending in ["completed", "quiet", "told", "abandoned"] {
        check(ending, false);
    }
    for ending in ["refused", "cut", "failed", "stuck"] {
        check(ending, true);
    }
}

#[test]
fn whose_a_turn_is_is_told_only_where_that_is_wanted() {
    let told = |users: bool| {
        let turn = of_exchange(&record(), Facts { users, ..Facts::default() }).remove(0);
        of(&turn, &["user.id", "jetway.team"]).join(" ")
    };
    assert_eq!((told(false), told(true)), (" ".to_owned(), "ada core".to_owned()));
}

#[test]
fn only_what_asks_for_a_reply_is_a_turn() {
    for (endpoint, wanted) in
        [("reply", true), (QUESTION, true), ("count_tokens", false), ("models", false), ("", false)]
    {
        assert_eq!(is_turn(&Record { endpoint, ..record() }), wanted, "{endpoint}");
    }
}

fn settings(queue: usize) -> config::Traces {
    config::Traces {
        url: "http://127.0.0.1:1/v1/traces".parse().unwrap(),
        headers: HeaderMap::new(),
        timeout: std::time::Duration::from_secs(1),
        queue: NonZeroUsize::new(queue).unwrap().get(),
        users: false,
    }
}

#[test]
fn of_more_than_there_is_room_for_the_newest_are_shed_and_counted() {
    let waiting = Waiting::new(&settings(3), Metrics::new().unwrap());
    let named = |name: &str| Span { name: name.into(), ..Span::default() };
    waiting.add(vec![named("a"), named("b")]);
    waiting.add(vec![named("c"), named("d"), named("e")]);
    let names = |spans: Vec<Span>| spans.into_iter().map(|span| span.name).collect::<String>();
    assert_eq!(waiting.metrics.runs.spans.with_label_values(&["shed"]).get(), 2);
    assert_eq!(names(waiting.take(2)), "ab");
    waiting.add(vec![named("f")]);
    assert_eq!(names(waiting.take(9)), "cf");
    assert_eq!(waiting.metrics.runs.spans.with_label_values(&["shed"]).get(), 2);
}

#[test]
fn where_a_request_comes_from_is_read_only_where_there_are_spans() {
    let line = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
    let headers = |lines: &[&str]| {
        let lines = lines.iter().map(|line| HeaderValue::from_str(line).unwrap());
        lines.map(|line| (http::HeaderName::from_static("traceparent"), line)).collect::<Vec<_>>()
    };
    let read = |traces: &Traces, lines: &[&str]| {
        let mut all = HeaderMap::new();
        for (name, line) in headers(lines) {
            all.append(name, line);
        }
        traces.parent(&all)
    };
    let on = Traces(Some(Arc::new(Waiting::new(&settings(3), Metrics::new().unwrap()))));
    assert_eq!(read(&on, &[line]), Traceparent::parse(line));
    assert_eq!(read(&on, &[line, line]), None);
    assert_eq!(read(&on, &["nothing"]), None);
    assert_eq!(read(&Traces::default(), &[line]), None);
    let linked = spans(&Record { traceparent: read(&on, &[line]), ..record() }).remove(0);
    let [link] = &linked.links[..] else { std::panic::panic_any(linked) };
    assert_eq!(secret::hex(&link.trace_id), &line[3..35]);
    assert_eq!((secret::hex(&link.span_id).as_str(), link.flags), (&line[36..52], 0x301));
}
