//! Spans, made of what the run log gets. Given a turn of `run_1` in which the model called `Bash`, which
//! was refused: a span `chat claude-sonnet-5-5` below that of `run_1`, and below it `execute_tool Bash`,
//! which failed.
//!
//! Names are those of OpenTelemetry's conventions for generative AI, and `jetway.*`. Tokens and money
//! are said once: by the turn, or where it took several, by each of those. Nothing is in them that an
//! agent or a model wrote, but for names of models and tools.

use jetway_core::wire::event::Usage;
use jiff::Timestamp;

use crate::config::Provider;
use crate::runs::{Ended, InnerTurn, Outcome, QUESTION, Record};
use crate::secret;
use crate::traces::provider;
use crate::traces::wire::{AnyValue, Attributes, Code, Kind, Link, List, Span, Status, Value};

/// What is known besides a record.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Facts<'a> {
    /// Who was asked.
    pub(super) provider: Option<&'a Provider>,
    /// Whether it is said whose it is.
    pub(super) users: bool,
}

/// Recorded, and with a parent of which it is known whether it is another process's.
const RECORDED: u32 = 0x101;
/// Of another process.
const REMOTE: u32 = 0x300;

/// The trace of a run. Whichever Jetway serves a turn of it makes the same.
fn trace_of(run: &str) -> Vec<u8> {
    first(16, &["trace", run])
}

fn root_of(run: &str) -> Vec<u8> {
    first(8, &["run", run])
}

fn first(count: usize, parts: &[&str]) -> Vec<u8> {
    let mut bytes = secret::sha256(parts.join("\u{0}").as_bytes());
    bytes.truncate(count);
    bytes
}

/// Whether there are spans of an exchange: it is a turn, or was to be one.
pub(super) fn is_turn(record: &Record) -> bool {
    matches!(record.endpoint, "reply" | QUESTION)
}

/// The spans of an exchange: the turn's, behind it those of its turns where there were several, and of
/// its calls that are over with it. For the others see [`open`].
pub(super) fn of_exchange(record: &Record, facts: Facts<'_>) -> Vec<Span> {
    let turn = turn(record, facts);
    let inner = record.inner.iter().enumerate().map(|(at, inner)| inner_turn(record, (at, inner), facts, &turn));
    let called = calls(record);
    let over = called.iter().enumerate().filter(|(_, call)| call.waits(record).is_none());
    let calls = over.map(|(at, call)| tool_call(record, (at, call), &turn));
    let below: Vec<Span> = inner.chain(calls).collect();
    std::iter::once(turn).chain(below).collect()
}

fn turn(record: &Record, facts: Facts<'_>) -> Span {
    let is_call = facts.provider.is_some() && record.inner.is_empty();
    let mut said = model(record, facts.provider);
    if record.inner.is_empty() {
        said.may("gen_ai.response.model", record.served_model.as_deref());
        stopped(&mut said, record.stop.as_deref());
        used(&mut said, &record.usage, (record.estimated, record.cost_micros));
    }
    if let Some(millis) = record.first_byte_millis.filter(|_| record.stream) {
        said.say("gen_ai.response.time_to_first_chunk", seconds(millis));
    }
    said.may("http.response.status_code", record.status.map(u64::from));
    said.say("jetway.exchange", record.id.as_str());
    said.may("jetway.policy", record.policy.as_deref());
    said.may("jetway.policy_version", record.policy_version.as_deref());
    said.say("jetway.endpoint", record.endpoint);
    said.may("jetway.dialect", record.dialect);
    said.say("jetway.agent", record.agent);
    said.may("jetway.role", record.role);
    said.may("jetway.outcome", record.outcome.map(Outcome::name));
    said.may("jetway.step", record.step.as_deref());
    said.some("jetway.inner_turns", u64::from(record.inner_turns));
    said.some("jetway.tools_removed", record.tools_removed.len() as u64);
    said.some("jetway.passages", record.passages.len() as u64);
    said.some("jetway.secrets_found", record.redactions.iter().map(|found| found.count).sum());
    if facts.users {
        said.may("user.id", record.user.as_deref());
        said.may("jetway.team", record.team.as_deref());
    }
    let failed = failed(record);
    said.may("error.type", failed);
    let of_caller = record.traceparent.map(|caller| Link {
        trace_id: caller.trace.to_vec(),
        span_id: caller.span.to_vec(),
        flags: u32::from(caller.flags) | REMOTE,
    });
    let start = nanos(record.at);
    // The whole is in milliseconds, and its turns are in microseconds: it ends no sooner than they do.
    let turns = record.inner.iter().map(|inner| inner.to_micros).max().unwrap_or_default();
    let took = record.total_millis.saturating_mul(1_000_000).max(turns.saturating_mul(1_000));
    Span {
        // One that was refused before its run was known is a trace of its own.
        trace_id: trace_of(record.run.as_ref().unwrap_or(&record.id)),
        span_id: first(8, &["turn", &record.id]),
        parent_span_id: record.run.as_deref().map(root_of).unwrap_or_default(),
        name: named("chat", sent(record)),
        kind: if is_call { Kind::Client } else { Kind::Internal }.into(),
        start,
        end: start.saturating_add(took),
        attributes: said.0,
        links: of_caller.into_iter().collect(),
        status: failed.map(error),
        flags: RECORDED,
    }
}

/// A turn of several: the provider's reply to one request of ours.
fn inner_turn(record: &Record, (at, inner): (usize, &InnerTurn), facts: Facts<'_>, turn: &Span) -> Span {
    let mut said = model(record, facts.provider);
    said.may("gen_ai.response.model", inner.served_model.as_deref());
    stopped(&mut said, inner.stop.as_deref());
    used(&mut said, &inner.usage, (inner.estimated, inner.cost_micros));
    said.say("jetway.exchange", record.id.as_str());
    said.say("jetway.inner_turn", at as u64 + 1);
    // All but the last were whole, or nothing could have followed.
    let failed = failed(record).filter(|_| at + 1 == record.inner.len());
    said.may("error.type", failed);
    let moment = |micros: u64| turn.start.saturating_add(micros.saturating_mul(1_000));
    Span {
        span_id: first(8, &["inner", &record.id, &at.to_string()]),
        kind: Kind::Client.into(),
        start: moment(inner.from_micros),
        end: moment(inner.to_micros),
        attributes: said.0,
        status: failed.map(error),
        ..below(turn)
    }
}

/// The calls of an exchange that its agent is at from now on, by what their results will name.
pub(super) fn open(record: &Record) -> Vec<(&str, Span)> {
    let turn = turn(record, Facts::default());
    let called = calls(record);
    let open = called.iter().enumerate().filter_map(|(at, call)| Some((call.waits(record)?, at, call)));
    open.map(|(id, at, call)| (id, tool_call(record, (at, call), &turn))).collect()
}

/// What came of a call that its agent got.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Result {
    Came,
    /// It came, and says that the call failed.
    Failed,
    /// It never came.
    None,
    /// Its run went on at another Jetway, where it may have come.
    Elsewhere,
}

/// The span of a call that is over, in the one way or the other.
pub(super) fn closed(span: Span, now: u64, result: Result) -> Span {
    let word = match result {
        Result::Came => "came",
        Result::Failed => "failed",
        Result::None => "none",
        Result::Elsewhere => "elsewhere",
    };
    let mut said = Attributes(span.attributes);
    said.say("jetway.result", word);
    let failed = (result == Result::Failed).then_some("tool_error");
    said.may("error.type", failed);
    // How long it took is not known where its result came to somebody else.
    let end = if result == Result::Elsewhere { span.end } else { now.max(span.end) };
    Span { end, attributes: said.0, status: failed.map(error), ..span }
}

/// A call of a tool, and what became of it.
struct Called<'a> {
    tool: &'a str,
    /// What its result names, where the agent got it.
    id: Option<&'a str>,
    became: &'static str,
    /// The rule that refused it, or what the agent was given in its place.
    detail: Option<(&'static str, &'a str)>,
}

impl<'a> Called<'a> {
    /// By what a result of it would be known. None where there will be no such.
    fn waits(&self, record: &Record) -> Option<&'a str> {
        self.id.filter(|_| record.run.is_some())
    }
}

fn calls(record: &Record) -> Vec<Called<'_>> {
    let ids = record.call_ids.iter().map(|id| Some(id.as_str()).filter(|id| !id.is_empty()));
    let mut passed: Vec<(&str, Option<&str>)> =
        record.calls.iter().map(String::as_str).zip(ids.chain(std::iter::repeat(None))).collect();
    let mut all: Vec<Called<'_>> = Vec::new();
    for call in &record.calls_refused {
        // The agent got what was only noted all the same.
        let at = passed.iter().position(|(tool, _)| call.noted && *tool == call.tool);
        let id = at.and_then(|at| passed.remove(at).1);
        let became = if call.noted { "would_be_refused" } else { "refused" };
        all.push(Called { tool: &call.tool, id, became, detail: Some(("jetway.rule", &call.rule)) });
    }
    for call in &record.calls_replaced {
        // The model called it, so it is among those that the agent got.
        let at = passed.iter().position(|(tool, _)| *tool == call.tool);
        let id = at.and_then(|at| passed.remove(at).1);
        all.push(Called { tool: &call.tool, id, became: "replaced", detail: Some(("jetway.became", &call.became)) });
    }
    all.extend(record.calls_answered.iter().map(|tool| Called { tool, id: None, became: "answered", detail: None }));
    all.extend(passed.into_iter().map(|(tool, id)| Called { tool, id, became: "passed", detail: None }));
    all
}

/// It begins when its agent has it, and has no length yet.
fn tool_call(record: &Record, (at, call): (usize, &Called<'_>), turn: &Span) -> Span {
    let mut said = Attributes::default();
    said.say("gen_ai.operation.name", "execute_tool");
    said.say("gen_ai.tool.name", call.tool);
    said.may("gen_ai.tool.call.id", call.id);
    said.may("gen_ai.conversation.id", record.run.as_deref());
    said.say("jetway.exchange", record.id.as_str());
    said.say("jetway.call", call.became);
    said.may("jetway.step", record.step.as_deref());
    if let Some((key, value)) = call.detail {
        said.say(key, value);
    }
    let failed = (call.became == "refused").then_some("refused");
    said.may("error.type", failed);
    Span {
        span_id: first(8, &["call", &record.id, &at.to_string()]),
        name: named("execute_tool", Some(call.tool)),
        kind: Kind::Internal.into(),
        start: turn.end,
        end: turn.end,
        attributes: said.0,
        status: failed.map(error),
        ..below(turn)
    }
}

/// The span that all turns of a run are below, once the run has ended.
pub(super) fn of_run(ended: &Ended, users: bool) -> Span {
    let mut said = Attributes::default();
    said.say("gen_ai.operation.name", "invoke_agent");
    said.may("gen_ai.agent.name", ended.agent);
    said.say("gen_ai.conversation.id", ended.run.as_str());
    said.say("jetway.policy", ended.policy.as_str());
    said.may("jetway.policy_version", ended.policy_version.as_deref());
    said.say("jetway.ending", ended.ending);
    said.may("jetway.asked", ended.asked);
    said.some("jetway.findings", ended.found.len() as u64);
    if users {
        said.may("user.id", ended.user.as_deref());
    }
    let failed = Some(ended.ending).filter(|ending| matches!(*ending, "refused" | "cut" | "failed" | "stuck"));
    said.may("error.type", failed);
    Span {
        trace_id: trace_of(&ended.run),
        span_id: root_of(&ended.run),
        name: named("invoke_agent", ended.agent),
        kind: Kind::Internal.into(),
        start: nanos(ended.began.unwrap_or(ended.at).min(ended.at)),
        end: nanos(ended.at),
        attributes: said.0,
        status: failed.map(error),
        flags: RECORDED,
        ..Span::default()
    }
}

/// A span below another one, and like it.
fn below(turn: &Span) -> Span {
    Span {
        trace_id: turn.trace_id.clone(),
        parent_span_id: turn.span_id.clone(),
        name: turn.name.clone(),
        flags: RECORDED,
        ..Span::default()
    }
}

/// What is said of a request to a model.
fn model(record: &Record, provider: Option<&Provider>) -> Attributes {
    let mut said = Attributes::default();
    said.say("gen_ai.operation.name", "chat");
    if let Some(provider) = provider {
        said.say("gen_ai.provider.name", provider::name(provider));
        said.may("server.address", provider.base_url.host());
        said.may("server.port", provider::port(&provider.base_url).map(u64::from));
        said.say("jetway.provider", provider.name.as_str());
    }
    said.may("gen_ai.request.model", sent(record));
    said.may("gen_ai.request.stream", record.stream.then_some(true));
    said.may("gen_ai.conversation.id", record.run.as_deref());
    said
}

/// The model that its provider was asked for.
fn sent(record: &Record) -> Option<&str> {
    record.sent_model.as_deref().or(record.model.as_deref())
}

fn stopped(said: &mut Attributes, reason: Option<&str>) {
    let list = reason.map(|reason| Value::List(List { values: vec![AnyValue::from(reason)] }));
    said.may("gen_ai.response.finish_reasons", list);
}

/// By the conventions input is all input, and what came from the cache or went into it a part of it.
fn used(said: &mut Attributes, usage: &Usage, (estimated, micros): (bool, u64)) {
    if usage.total() > 0 {
        said.say("gen_ai.usage.input_tokens", usage.total().saturating_sub(usage.output));
        said.some("gen_ai.usage.cache_read.input_tokens", usage.cache_read);
        said.some("gen_ai.usage.cache_write.input_tokens", usage.cache_write);
        said.say("gen_ai.usage.output_tokens", usage.output);
        said.may("jetway.estimated", estimated.then_some(true));
    }
    said.some("jetway.cost_microdollars", micros);
}

/// What went wrong, in a word; an agent that hangs up does nothing wrong.
fn failed(record: &Record) -> Option<&'static str> {
    let outcome = record.outcome?;
    match outcome {
        Outcome::Complete | Outcome::ClientGone => None,
        Outcome::Refused
        | Outcome::ProviderRefused
        | Outcome::ProviderFailed
        | Outcome::ProviderTruncated
        | Outcome::Cut => Some(record.reason.unwrap_or(outcome.name())),
    }
}

fn error(word: &str) -> Status {
    Status { message: word.to_owned(), code: Code::Error.into() }
}

fn named(operation: &str, what: Option<&str>) -> String {
    what.map_or_else(|| operation.to_owned(), |what| format!("{operation} {what}"))
}

pub(super) fn nanos(at: Timestamp) -> u64 {
    u64::try_from(at.as_nanosecond()).unwrap_or_default()
}

#[expect(clippy::cast_precision_loss, reason = "a duration; its last digits do not matter")]
fn seconds(millis: u64) -> f64 {
    millis as f64 / 1_000.0
}
