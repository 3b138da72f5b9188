//! What recorded exchanges would have cost under a policy, and which of them it would have refused.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use jetway_core::policy::breadcrumbs::{COMPLETE_STEP, Step};
use jetway_core::policy::budget::Low;
use jetway_core::policy::budget::cap::{Cap, Payer};
use jetway_core::policy::budget::hold::Rate;
use jetway_core::policy::budget::window::Every;
use jetway_core::policy::models::{self, Denied, Wanted};
use jetway_core::price::Price;
use jetway_core::replay::{Growth, Paid, Spend};
use jetway_core::wire::effort::Asked;
use jetway_core::wire::event::Usage;
use jetway_core::wire::request::Request;
use jiff::Timestamp;
use serde_json::Value;

use crate::config::Policy;
use crate::gate::Gate;
use crate::replay::{Replay, dialect, is_question, list, moment, number, text};
use crate::runs::read::Line;

/// What exchanges would have cost, by their ids.
pub type Bills = HashMap<String, Result<u64, Refused>>;

/// A request that would have been refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refused {
    pub why: String,
    /// Whether its run would have gone no further.
    pub is_end: bool,
}

/// What a request would have been, by its body.
#[derive(Debug, Clone)]
pub(super) struct Prompt {
    /// The model that it was sent to.
    was: String,
    admitted: Admitted,
    growth: Growth,
}

/// The model that a request would be sent to, and the effort that would be asked of it, where that is known.
type Admitted = Result<(String, Option<Asked>), String>;

impl Prompt {
    pub(super) fn of((gate, policy): (&Gate, &Policy), exchange: &Line, request: &Request, growth: Growth) -> Self {
        let admitted = admit(gate, policy, exchange, Some(request));
        Self { was: request.model.clone(), admitted, growth }
    }
}

/// The earliest moment whose spending a policy's caps still count when these exchanges begin; none where no
/// cap counts more than a run.
#[must_use]
pub fn since(policy: &Policy, exchanges: &[&Line]) -> Option<Timestamp> {
    let first = exchanges.iter().map(|line| moment(line)).min()?;
    let teams = exchanges.iter().map(|line| line.get("team").and_then(Value::as_str)).collect::<HashSet<_>>();
    let caps = teams.into_iter().flat_map(|team| policy.budget.caps(team));
    let begins = |every: Every| every.over(every.first(every.number(first)) - 1);
    caps.filter(|cap| cap.every != Every::Run).filter_map(|cap| begins(cap.every)).min()
}

/// What these exchanges would have cost under a policy. They come in any order, and may be of any runs;
/// of those that were replayed it is known what their requests would have been.
#[must_use]
pub fn bills(gate: &Gate, policy: &Policy, exchanges: &[&Line], replays: &[Replay]) -> Bills {
    let mut ordered: Vec<(Timestamp, &Line)> =
        exchanges.iter().filter(|line| !is_question(line)).map(|line| (moment(line), *line)).collect();
    ordered.sort_by(|a, b| (a.0, text(a.1, "id")).cmp(&(b.0, text(b.1, "id"))));
    let prompts: HashMap<&str, &Prompt> =
        replays.iter().flat_map(|replay| &replay.prompts).map(|(id, prompt)| (id.as_str(), prompt)).collect();
    let mut teller = Teller { gate, policy, spend: Spend::default(), ended: HashSet::new() };
    let mut bills = Bills::new();
    for (at, line) in ordered {
        let id = text(line, "id");
        if let Some(billed) = teller.bill(at, line, prompts.get(id).copied()) {
            bills.insert(id.to_owned(), billed);
        }
    }
    bills
}

/// Takes exchanges in their order, and remembers who has spent what.
struct Teller<'a> {
    gate: &'a Gate,
    policy: &'a Policy,
    spend: Spend,
    /// Runs that would have gone no further.
    ended: HashSet<String>,
}

/// What is known of an exchange's price.
struct Terms<'a> {
    line: &'a Line,
    was: &'a str,
    before: Usage,
    after: Usage,
}

impl Teller<'_> {
    /// None for what comes behind the end of its run.
    fn bill(&mut self, at: Timestamp, line: &Line, prompt: Option<&Prompt>) -> Option<Result<u64, Refused>> {
        let run = text(line, "run");
        if self.ended.contains(run) {
            return None;
        }
        // What was refused cost nothing, and its run went on or not without it.
        if text(line, "outcome") == "refused" && number(line, "cost_micros") == 0 {
            return Some(Ok(0));
        }
        let billed = self.charge(at, line, prompt);
        if billed.as_ref().is_err_and(|refused| refused.is_end) && !run.is_empty() {
            self.ended.insert(run.to_owned());
        }
        Some(billed)
    }

    fn charge(&mut self, at: Timestamp, line: &Line, prompt: Option<&Prompt>) -> Result<u64, Refused> {
        // A title or a sub-agent that is refused is no end of its run.
        let is_main = !matches!(text(line, "role"), "aside" | "sub");
        let denied = |why: String| Refused { why, is_end: is_main };
        let admitted = prompt.map(|prompt| prompt.admitted.clone());
        let (own, effort) = admitted.unwrap_or_else(|| admit(self.gate, self.policy, line, None)).map_err(denied)?;
        if number(line, "cost_micros") + number(line, "output") == 0 {
            return Ok(0);
        }
        let before = usage(line);
        let grown = prompt.map_or(before, |prompt| prompt.growth.applied(before));
        let most = self.policy.budget.output_limit().unwrap_or(u64::MAX);
        let after = Usage { output: grown.output.min(most), ..grown };
        let was = prompt.map_or_else(|| sent_model(line), |prompt| prompt.was.as_str());
        let terms = Terms { line, was, before, after };
        let model = self.lesser(at, &terms, (&own, effort)).map_err(denied)?;
        let (cost, payer) = (self.cost(&terms, &model), self.payer(line, &model));
        let caps: Vec<Cap> = self.policy.budget.caps(payer.team.as_deref()).collect();
        let paid = Paid { at, payer: &payer, cost, usage: &after };
        self.spend.charge(&caps, paid).map(|()| cost).map_err(|cap| {
            let limit = cap.amount(cap.count());
            let why = format!("the budget of {limit} for each {} {} is used up", cap.per.name(), cap.every.phrase());
            Refused { why, is_end: true }
        })
    }

    /// The model that is called in place of this one where the budget has too little left for it.
    fn lesser(&self, at: Timestamp, terms: &Terms<'_>, (own, effort): (&str, Option<Asked>)) -> Result<String, String> {
        let Low::Downgrade { to } = &self.policy.budget.on_low else { return Ok(own.to_owned()) };
        let (label, price) = (|model: &str| self.price(model).0.to_owned(), |model| self.cost(terms, model));
        // What is set aside is more than what it comes to: what went to the other model then does so again.
        let was_lesser = label(terms.was) == label(to) && label(own) != label(to);
        let payer = self.payer(terms.line, own);
        let caps: Vec<Cap> = self.policy.budget.caps(payer.team.as_deref()).collect();
        let paid = Paid { at, payer: &payer, cost: price(own), usage: &terms.after };
        if !was_lesser && self.spend.has_room(&caps, paid) {
            return Ok(own.to_owned());
        }
        let dialect = dialect(terms.line);
        let wanted = dialect.map(|dialect| Wanted { dialect, model: to, effort: effort.as_ref() });
        wanted.map_or(Ok(()), |wanted| decided(self.gate, self.policy, &wanted)).map_err(|why| why.to_string())?;
        Ok(to.clone())
    }

    /// What an exchange would have cost at this model: as much more or less than it did as the prices say.
    fn cost(&self, terms: &Terms<'_>, model: &str) -> u64 {
        let rate = |model: &str| Rate { price: Arc::clone(self.price(model).1), ..Rate::default() };
        let cost = number(terms.line, "cost_micros");
        let (was, is) = (rate(terms.was).cost(&terms.before, None), rate(model).cost(&terms.after, None));
        match (cost, was) {
            (0, _) => 0,
            (_, 0) if self.price(terms.was).0 == self.price(model).0 => cost,
            (_, 0) => is,
            _ if was == is => cost,
            _ => u64::try_from(u128::from(cost) * u128::from(is) / u128::from(was)).unwrap_or(u64::MAX),
        }
    }

    /// The row of the price list that a model is of, and its price.
    fn price(&self, model: &str) -> (&str, &Arc<Price>) {
        self.gate.config.prices.find(model).unwrap_or(("other", self.policy.budget.default_price()))
    }

    fn payer(&self, line: &Line, model: &str) -> Payer {
        let user = text(line, "user").to_owned();
        Payer {
            policy: self.policy.name.clone(),
            team: line.get("team").and_then(Value::as_str).map(str::to_owned),
            key: line.get("key").and_then(Value::as_str).map_or_else(|| user.clone(), str::to_owned),
            user,
            run: text(line, "run").to_owned(),
            model: self.price(model).0.to_owned(),
        }
    }
}

fn usage(line: &Line) -> Usage {
    Usage {
        input: number(line, "input"),
        cache_read: number(line, "cache_read"),
        cache_write: number(line, "cache_write"),
        cache_write_hour: number(line, "cache_write_hour"),
        output: number(line, "output"),
    }
}

/// The model that it was sent to, which is not always the one that its agent asked for. Records of older
/// versions know only which served.
fn sent_model(line: &Line) -> &str {
    let names = ["sent_model", "served_model", "model"].map(|name| text(line, name));
    names.into_iter().find(|name| !name.is_empty()).unwrap_or_default()
}

/// Admits a request by its model and effort, as its agent made it and as its step would have it sent. What a
/// caller's own list allows is not known here, nor the effort where no body is.
fn admit(gate: &Gate, policy: &Policy, line: &Line, request: Option<&Request>) -> Admitted {
    let asked = text(line, "model");
    let (Some(dialect), "reply", false) = (dialect(line), text(line, "endpoint"), asked.is_empty()) else {
        return Ok((asked.to_owned(), None));
    };
    // Where it was sent to another model, its step may have asked for another effort as well.
    let own = request.filter(|request| request.model == asked).map(|request| request.effort.clone());
    let wanted = Wanted { dialect, model: asked, effort: own.as_ref() };
    decided(gate, policy, &wanted).map_err(|why| why.to_string())?;
    let Some(step) = step(policy, line).filter(|step| step.model.is_some() || step.effort.is_some()) else {
        return Ok((asked.to_owned(), own));
    };
    let model = step.model.as_deref().unwrap_or(asked);
    let effort = match (step.effort, request) {
        (Some(effort), Some(request)) => request.effort_with(effort).ok(),
        (Some(effort), None) => Some(Asked::Known(effort)),
        (None, Some(request)) if request.model == model => Some(request.effort.clone()),
        (None, _) => own,
    };
    let wanted = Wanted { dialect, model, effort: effort.as_ref() };
    let admitted = decided(gate, policy, &wanted);
    let said = |why: Denied| format!("the step `{}` has a model or an effort of its own, and with it: {why}", step.id);
    admitted.map_err(said).map(|()| (model.to_owned(), effort))
}

fn decided(gate: &Gate, policy: &Policy, wanted: &Wanted<'_>) -> Result<(), Denied> {
    models::decide(&policy.models, &policy.name, None, wanted, &gate.offers).map(|_| ())
}

/// The step of this policy's path that a request goes out with: the one that it belongs to, unless what it
/// tells completed that.
fn step<'p>(policy: &'p Policy, line: &Line) -> Option<&'p Step> {
    let steps = policy.path.as_ref()?.steps();
    let find = |id: &str| steps.iter().position(|step| step.id == id);
    let left: Vec<&Value> = list(line, "steps_left").collect();
    let word = |value: &Value, name: &str| value.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
    // The others came to their end in its reply, when it had been sent.
    let said = list(line, "calls_answered").filter(|tool| tool.as_str() == Some(COMPLETE_STEP)).count();
    let last = left.len().saturating_sub(said).checked_sub(1).and_then(|last| left.get(last).copied());
    match last {
        None => steps.get(find(text(line, "step"))?),
        Some(last) if word(last, "how") == "ended" => None,
        Some(last) => steps.get(find(&word(last, "step"))? + 1),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn an_exchange_is_priced_by_the_model_that_it_was_sent_to() {
        let check = |exchange: Value, expect: &str| {
            let line = exchange.as_object().cloned().unwrap_or_default();
            assert_eq!(sent_model(&line), expect, "{exchange}");
        };
        check(json!({ "model": "large", "sent_model": "small", "served_model": "small-20260901" }), "small");
        // It was sent, and the provider failed before it said who serves.
        check(json!({ "model": "large", "sent_model": "small", "served_model": null }), "small");
        check(json!({ "model": "large", "sent_model": null, "served_model": "small-20260901" }), "small-20260901");
        check(json!({ "model": "large" }), "large");
    }
}
