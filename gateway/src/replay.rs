//! Recorded runs under another policy, offline: which calls that would refuse, what it would show,
//! what would be paid. Nothing is asked of anybody, and nothing is written.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use bytes::Bytes;
use jetway_core::policy::budget::cap::{Cap, Payer, dollars};
use jetway_core::policy::budget::hold::Rate;
use jetway_core::policy::context::{self, Asked};
use jetway_core::replay::{Fate, Judged, Paid, Reader, Spend};
use jetway_core::retrieval::profile::Profile;
use jetway_core::wire::Dialect;
use jetway_core::wire::event::Usage;
use jetway_core::wire::json::Json;
use jetway_core::wire::request::Request;
use jiff::Timestamp;
use serde::Serialize;
use serde_json::Value;

use crate::config::Policy;
use crate::gate::Gate;
use crate::runs::QUESTION;
use crate::runs::read::{self, Line};

/// An exchange as it was recorded.
#[derive(Debug, Clone)]
pub struct Recorded {
    pub exchange: Line,
    /// The request as it was sent to the provider, where bodies were kept.
    pub sent: Option<Bytes>,
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
    /// Passages that would be shown, and those that were.
    pub passages: BTreeSet<String>,
    pub passages_then: BTreeSet<String>,
    pub calls_refused_then: usize,
    pub cost_micros: u64,
    pub cost_micros_then: u64,
    /// The first exchange that a budget would refuse, by its number in the run, and which one.
    pub refused_from: Option<(usize, String)>,
}

/// A call of the model's.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Call {
    /// The number of the exchange that tells it, from 1.
    pub turn: usize,
    pub tool: String,
    pub input: String,
    /// `allowed`, `replaced` or `refused`.
    pub fate: &'static str,
    /// The rule, or what it would become.
    pub by: Option<String>,
}

/// What exchanges would have cost, by their ids; the cap where it would have been refused.
pub type Bills = HashMap<String, Result<u64, Cap>>;

/// What these exchanges would have cost under a policy. They come in any order, and may be of any runs.
#[must_use]
pub fn bills(gate: &Gate, policy: &Policy, exchanges: &[&Line]) -> Bills {
    let mut ordered: Vec<(Timestamp, &Line)> = exchanges.iter().map(|line| (moment(line), *line)).collect();
    ordered.sort_by(|a, b| (a.0, text(a.1, "id")).cmp(&(b.0, text(b.1, "id"))));
    let mut spend = Spend::default();
    let mut bills = Bills::new();
    for (at, line) in ordered.into_iter().filter(|(_, line)| text(line, "endpoint") != QUESTION) {
        let (cost, usage) = priced(gate, policy, line);
        let payer = payer(gate, policy, line);
        let caps: Vec<Cap> = policy.budget.caps(payer.team.as_deref()).collect();
        let billed = match number(line, "cost_micros") + number(line, "output") {
            0 => Ok(0),
            _ => spend.charge(&caps, Paid { at, payer: &payer, cost, usage: &usage }).map(|()| cost),
        };
        bills.insert(text(line, "id").to_owned(), billed);
    }
    bills
}

/// What an exchange would have cost, with no more output than the policy allows.
fn priced(gate: &Gate, policy: &Policy, line: &Line) -> (u64, Usage) {
    let usage = Usage {
        input: number(line, "input"),
        cache_read: number(line, "cache_read"),
        cache_write: number(line, "cache_write"),
        cache_write_hour: number(line, "cache_write_hour"),
        output: number(line, "output"),
    };
    let output = policy.budget.output_limit().map_or(usage.output, |limit| limit.min(usage.output));
    let shorter = Usage { output, ..usage };
    let price = gate.config.prices.find(model(line)).map_or(policy.budget.default_price(), |(_, price)| price);
    let rate = Rate { price: Arc::clone(price), ..Rate::default() };
    let spared = rate.cost(&usage, None).saturating_sub(rate.cost(&shorter, None));
    (number(line, "cost_micros").saturating_sub(spared), shorter)
}

fn payer(gate: &Gate, policy: &Policy, line: &Line) -> Payer {
    let user = text(line, "user").to_owned();
    Payer {
        policy: policy.name.clone(),
        team: line.get("team").and_then(Value::as_str).map(str::to_owned),
        key: line.get("key").and_then(Value::as_str).map_or_else(|| user.clone(), str::to_owned),
        user,
        run: text(line, "run").to_owned(),
        model: gate.config.prices.find(model(line)).map_or("other", |(label, _)| label).to_owned(),
    }
}

/// Holds one run against a policy. Its exchanges come in their order.
#[must_use]
pub fn replay(gate: &Gate, policy: &Policy, recorded: &[Recorded], bills: &Bills) -> Replay {
    let mut found = Replay {
        run: recorded.first().map(|first| text(&first.exchange, "run").to_owned()).unwrap_or_default(),
        policy: policy.name.clone(),
        policy_version: policy.version.clone(),
        ..Replay::default()
    };
    let mut reader = Reader::new(policy.lockdown.clone(), &policy.name);
    let mut shown: BTreeMap<Vec<String>, BTreeSet<String>> = BTreeMap::new();
    let asks = |recorded: &&Recorded| text(&recorded.exchange, "endpoint") != QUESTION;
    for (turn, Recorded { exchange, sent }) in (1..).zip(recorded.iter().filter(asks)) {
        found.exchanges += 1;
        found.calls_refused_then += list(exchange, "calls_refused").count();
        let removed = list(exchange, "tools_removed").filter_map(Value::as_str);
        found.offered_again.extend(removed.filter(|tool| reader.would_offer(tool)).map(str::to_owned));
        let sources = list(exchange, "passages").filter_map(|passage| passage.get("source")?.as_str());
        found.passages_then.extend(sources.map(str::to_owned));
        found.pay(turn, exchange, bills);
        let Some(request) = sent.as_ref().and_then(|sent| read(exchange, sent)) else { continue };
        found.bodies += 1;
        let has_secrets = list(exchange, "redactions").next().is_some();
        found.calls.extend(reader.read(&request, has_secrets).into_iter().map(|judged| Call::of(turn, judged)));
        found.hidden.extend(reader.hidden(&request));
        // What a conversation is shown is chosen once.
        let opening = request.opening.clone();
        shown.entry(opening).or_insert_with(|| passages(gate, policy, &request, moment(exchange)));
    }
    found.passages = shown.into_values().flatten().collect();
    found
}

impl Replay {
    fn pay(&mut self, turn: usize, exchange: &Line, bills: &Bills) {
        self.cost_micros_then += number(exchange, "cost_micros");
        match bills.get(text(exchange, "id")) {
            // A run goes no further than its budget.
            Some(Ok(cost)) if self.refused_from.is_none() => self.cost_micros += cost,
            Some(Err(cap)) if self.refused_from.is_none() => {
                let limit = cap.amount(cap.count());
                self.refused_from = Some((turn, format!("{limit} for each {} {}", cap.per.name(), cap.every.phrase())));
            }
            _ => {}
        }
    }

    /// The calls that would be refused.
    pub fn refused(&self) -> impl Iterator<Item = &Call> {
        self.calls.iter().filter(|call| call.fate == REFUSED)
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

/// The request, without what we put before the task when it was sent.
fn read(exchange: &Line, sent: &Bytes) -> Option<Request> {
    let all = [Dialect::Messages, Dialect::Chat, Dialect::Responses];
    let dialect = all.into_iter().find(|dialect| dialect.name() == text(exchange, "dialect"))?;
    let mut request = Request::read(dialect, Json::read(sent.clone()).ok()?).ok()?;
    let theirs = request.opening.iter().map(|text| context::without_ours(text));
    request.opening = theirs.filter(|text| !text.is_empty()).map(str::to_owned).collect();
    Some(request)
}

fn passages(gate: &Gate, policy: &Policy, request: &Request, at: Timestamp) -> BTreeSet<String> {
    let (Some(rules), Some(index)) = (&policy.context, gate.index(&policy.name)) else { return BTreeSet::new() };
    let planes = gate.airplanes.get(&policy.name).map_or(&[][..], |planes| planes);
    let profile = Profile::read(request);
    let asked = Asked { task: request.task(), profile: &profile, now: at, nearness: None };
    context::compose(rules, &index, planes, asked).answer.shown.into_iter().map(|shown| shown.source).collect()
}

fn text<'a>(line: &'a Line, name: &str) -> &'a str {
    read::text(line, name).unwrap_or_default()
}

/// The model that served, which is not always the one that was asked for.
fn model(line: &Line) -> &str {
    let served = text(line, "served_model");
    if served.is_empty() { text(line, "model") } else { served }
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
