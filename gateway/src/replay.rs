//! Recorded runs under another policy, offline: which calls that would refuse, what it would show,
//! what would be paid. Nothing is asked of anybody, and nothing is written.

mod bill;
mod shown;

use std::collections::{BTreeMap, BTreeSet, HashMap};

use bytes::Bytes;
use jetway_core::policy::budget::cap::dollars;
use jetway_core::policy::context;
use jetway_core::policy::desk::By;
use jetway_core::replay::{Fate, Judged, Led, Ours, Reader};
use jetway_core::wire::Dialect;
use jetway_core::wire::json::Json;
use jetway_core::wire::request::Request;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;

pub use bill::{Bills, Refused, bills, since};

use crate::config::Policy;
use crate::gate::Gate;
use crate::runs::read::{self, Line};
use crate::runs::{Passage, QUESTION};
use bill::Prompt;
use shown::Shelf;

/// An exchange as it was recorded.
#[derive(Debug, Clone)]
pub struct Recorded {
    pub exchange: Line,
    /// The request as it was sent to the provider, where bodies were kept.
    pub sent: Option<Bytes>,
    /// The model's turn, as JSON.
    pub said: Option<Vec<u8>>,
}

/// A run, as it would have been.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Replay {
    pub run: String,
    pub policy: String,
    /// The version that it is held against.
    pub policy_version: String,
    pub exchanges: usize,
    /// Of these, how many have bodies; calls, tools and passages can be told of no others.
    pub bodies: usize,
    pub calls: Vec<Call>,
    /// Tools that its model would not see.
    pub hidden: BTreeSet<String>,
    /// Tools that were hidden from it, and would not be.
    pub offered_again: BTreeSet<String>,
    /// Passages that would be shown, and those that were. What a model asked for is in neither: what it
    /// would ask for nobody knows.
    pub passages: BTreeSet<String>,
    pub passages_then: BTreeSet<String>,
    /// Passages that were shown, of which a record of an older Jetway does not say why.
    pub passages_untold: BTreeSet<String>,
    pub calls_refused_then: usize,
    pub cost_micros: u64,
    pub cost_micros_then: u64,
    /// The first exchange that would be refused and the run with it, by its number in the run, and why.
    pub refused_from: Option<(usize, String)>,
    /// Exchanges beside its main conversation that would be refused alone: titles, sub-agents.
    pub refused_apart: Vec<(usize, String)>,
    /// What its prompts would be, by the ids of their exchanges.
    #[serde(skip)]
    prompts: HashMap<String, Prompt>,
}

/// A call of the model's.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Call {
    /// The number of the exchange that tells it, from 1; of the last reply, of its own.
    pub turn: usize,
    pub tool: String,
    pub input: String,
    /// `allowed`, `replaced` or `refused`.
    pub fate: &'static str,
    /// The rule, or what it would become.
    pub by: Option<String>,
}

/// The last request of a conversation, and the reply to it.
type Last = (usize, Request, Option<Vec<u8>>);

/// Holds one run against a policy, but for what it costs: [`Replay::pay`] adds that. Its exchanges come in
/// their order.
#[must_use]
pub fn replay(gate: &Gate, policy: &Policy, recorded: &[Recorded]) -> Replay {
    let mut found = Replay {
        run: recorded.first().map(|first| text(&first.exchange, "run").to_owned()).unwrap_or_default(),
        policy: policy.name.clone(),
        policy_version: policy.version.clone(),
        ..Replay::default()
    };
    let mut reader = Reader::new(policy.lockdown.clone(), &policy.name).led(policy.path.clone());
    let mut shelf = Shelf::of(gate, policy);
    let mut last: BTreeMap<Vec<String>, Last> = BTreeMap::new();
    let asks = |recorded: &&Recorded| !is_question(&recorded.exchange);
    let step = |recorded: &&Recorded| read::text(&recorded.exchange, "step").map(str::to_owned);
    // Where the last one that was led came to, nobody knows.
    let nexts = recorded.iter().filter(asks);
    let mut nexts = nexts.filter_map(|recorded| step(&recorded)).skip(1).chain([String::new()]);
    for (turn, Recorded { exchange, sent, said }) in (1..).zip(recorded.iter().filter(asks)) {
        let next = if text(exchange, "step").is_empty() { None } else { nexts.next() };
        found.exchanges += 1;
        found.calls_refused_then += list(exchange, "calls_refused").filter(|call| call["noted"] != true).count();
        let removed = list(exchange, "tools_removed").filter_map(Value::as_str);
        found.offered_again.extend(removed.filter(|tool| reader.would_offer(tool)).map(str::to_owned));
        let Some(sent) = sent else { continue };
        let Some((request, ours)) = dialect(exchange).and_then(|dialect| read(dialect, sent)) else { continue };
        found.bodies += 1;
        found.was_shown(exchange);
        let has_secrets = list(exchange, "redactions").next().is_some();
        let judged = reader.read(&request, has_secrets, led(exchange, next.as_deref()));
        found.calls.extend(judged.into_iter().map(|judged| Call::of(turn, judged)));
        let tools = reader.tools(&request, &shelf.tools(exchange, &request));
        found.hidden.extend(tools.hidden);
        let mut growth = shelf.read(exchange, &request, &ours);
        growth.bytes += tools.growth;
        found.prompts.insert(text(exchange, "id").to_owned(), Prompt::of((gate, policy), exchange, &request, growth));
        last.insert(request.opening.clone(), (turn, request, said.clone()));
    }
    for (turn, request, said) in last.into_values() {
        let said = said.and_then(|said| String::from_utf8(said).ok()).unwrap_or_default();
        found.calls.extend(reader.read_reply(&request, &said).into_iter().map(|judged| Call::of(turn, judged)));
    }
    found.calls.sort_by_key(|call| call.turn);
    found.passages = shelf.into_passages();
    found
}

impl Replay {
    /// Notes what was shown with an exchange, as far as a policy chose it.
    fn was_shown(&mut self, exchange: &Line) {
        for passage in list(exchange, "passages").filter_map(|passage| Passage::deserialize(passage).ok()) {
            match passage.by {
                By::Task | By::Step | By::Standing => self.passages_then.insert(passage.source),
                By::Unknown => self.passages_untold.insert(passage.source),
                By::Search => false,
            };
        }
    }

    /// Adds what its exchanges would cost, which come in their order.
    pub fn pay<'a>(&mut self, exchanges: impl Iterator<Item = &'a Line>, bills: &Bills) {
        for (turn, exchange) in (1..).zip(exchanges.filter(|exchange| !is_question(exchange))) {
            self.cost_micros_then += number(exchange, "cost_micros");
            match bills.get(text(exchange, "id")) {
                // A run goes no further than it may.
                _ if self.refused_from.is_some() => {}
                Some(Ok(cost)) => self.cost_micros += cost,
                Some(Err(Refused { why, is_end: true })) => self.refused_from = Some((turn, why.clone())),
                Some(Err(Refused { why, is_end: false })) => self.refused_apart.push((turn, why.clone())),
                None => {}
            }
        }
    }

    /// The calls that would be refused.
    pub fn refused(&self) -> impl Iterator<Item = &Call> {
        self.calls.iter().filter(|call| call.fate == REFUSED)
    }

    /// Passages that would be shown and were not.
    pub fn passages_new(&self) -> impl Iterator<Item = &String> {
        self.passages.difference(&self.passages_then).filter(|source| !self.passages_untold.contains(*source))
    }

    /// Passages that were shown and would not be.
    pub fn passages_gone(&self) -> impl Iterator<Item = &String> {
        self.passages_then.difference(&self.passages)
    }

    /// Why requests of it would be refused.
    pub fn why_refused(&self) -> BTreeSet<String> {
        self.refused_from.iter().chain(&self.refused_apart).map(|(_, why)| why.clone()).collect()
    }

    /// What it would have cost, for people.
    #[must_use]
    pub fn cost(&self) -> String {
        dollars(self.cost_micros)
    }

    /// What it did cost, for people.
    #[must_use]
    pub fn cost_then(&self) -> String {
        dollars(self.cost_micros_then)
    }
}

const REFUSED: &str = "refused";

impl Call {
    fn of(turn: usize, judged: Judged) -> Self {
        let (fate, by) = match judged.fate {
            Fate::Allowed => ("allowed", None),
            Fate::Replaced(became) => ("replaced", Some(became)),
            Fate::Refused(rule) => (REFUSED, Some(rule)),
        };
        Self { turn, tool: judged.tool, input: judged.input, fate, by }
    }
}

/// The request, without what we put before the task when it was sent, and what was put where.
fn read(dialect: Dialect, sent: &Bytes) -> Option<(Request, Ours)> {
    let mut request = Request::read(dialect, Json::read(sent.clone()).ok()?).ok()?;
    let ours = Ours::of(&request);
    let theirs = request.opening.iter().map(|text| context::without_ours(text));
    request.opening = theirs.filter(|text| !text.is_empty()).map(str::to_owned).collect();
    request.task = context::without_ours(&request.task).to_owned();
    Some((request, ours))
}

/// The steps that a run was at or came to in an exchange, in their order: the one with which it began, those
/// that it left, and the one at which the next exchange found it.
fn led(exchange: &Line, next: Option<&str>) -> Led {
    let left: Vec<&str> = list(exchange, "steps_left").filter_map(|left| left["step"].as_str()).collect();
    let begun = read::text(exchange, "step");
    let next = next.filter(|_| !left.is_empty());
    let mut steps: Vec<&str> = begun.into_iter().chain(left).chain(next).collect();
    steps.dedup();
    let inner_turns = usize::try_from(number(exchange, "inner_turns")).unwrap_or_default();
    Led { steps: steps.into_iter().map(str::to_owned).collect(), inner_turns }
}

fn dialect(exchange: &Line) -> Option<Dialect> {
    let all = [Dialect::Messages, Dialect::Chat, Dialect::Responses];
    all.into_iter().find(|dialect| dialect.name() == text(exchange, "dialect"))
}

/// Whether we asked it ourselves, at the end of its run.
fn is_question(exchange: &Line) -> bool {
    text(exchange, "endpoint") == QUESTION
}

fn text<'a>(line: &'a Line, name: &str) -> &'a str {
    read::text(line, name).unwrap_or_default()
}

fn number(line: &Line, name: &str) -> u64 {
    u64::try_from(read::number(line, name)).unwrap_or_default()
}

fn list<'a>(line: &'a Line, name: &str) -> impl Iterator<Item = &'a Value> {
    line.get(name).and_then(Value::as_array).into_iter().flatten()
}

fn moment(line: &Line) -> Timestamp {
    text(line, "at").parse().unwrap_or_default()
}
