//! Setting aside what a request may cost, before it is sent.

use std::sync::Arc;
use std::time::Instant;

use http::{HeaderMap, HeaderName, HeaderValue};
use jetway_core::policy::budget::Low as OnLow;
use jetway_core::policy::budget::account::Standing;
use jetway_core::policy::budget::cap::{Denied, Payer};
use jetway_core::policy::budget::hold::{Holding, Mode, Rate, Terms};
use jetway_core::policy::identity::Caller;
use jetway_core::wire::{Dialect, limits};
use jiff::Timestamp;

use crate::call::Call;
use crate::config::Policy;
use crate::exchange::Exchange;
use crate::gate::{Gate, Jetway};
use crate::ledger::{Ask, Refused, Unreachable};
use crate::stage::render::Outbound;
use crate::tab::{Lesser, Tab};

/// Tokens of a picture or a document that is only referred to: as many as the largest picture
/// has, or a few pages. Nobody can tell beforehand.
const REMOTE_TOKENS: u64 = 5_000;
/// The most tokens that a limit on the output adds to a request.
const LIMIT_TOKENS: u64 = 48;
/// What a reply may have where nothing limits it.
const UNLIMITED_OUTPUT: u64 = 128_000;

/// Proof that what a request may cost was set aside, without which nothing is sent. Made only here.
#[derive(Debug)]
pub struct Hold(());

impl Hold {
    /// For requests that cost nothing.
    #[must_use]
    pub fn free() -> Self {
        Self(())
    }
}

/// Nothing was set aside.
#[derive(Debug)]
pub enum Short {
    /// A cap has too little left.
    Low(Low),
    Unreachable(Unreachable),
}

/// A cap that has too little left.
#[derive(Debug)]
pub struct Low {
    pub denied: Denied,
    /// The most tokens of output that all caps still bear.
    pub bearable: u64,
}

/// What a request may go out with instead; none where it is refused.
#[must_use]
pub fn lesser(policy: &Policy, low: &Low) -> Option<Lesser> {
    match &policy.budget.on_low {
        OnLow::Refuse => None,
        OnLow::Clamp { floor } => {
            let output_limit = Some(low.bearable).filter(|bearable| bearable >= floor)?;
            Some(Lesser { output_limit: Some(output_limit), model: None })
        }
        OnLow::Downgrade { to } => Some(Lesser { model: Some(to.clone()), output_limit: None }),
    }
}

/// Who pays for what this caller asks of this model in this run.
fn payer(gate: &Gate, policy: &Policy, caller: &Caller, (run, model): (&str, &str)) -> Payer {
    let label = gate.config.prices.find(model).map_or("other", |(label, _)| label);
    Payer {
        policy: policy.name.clone(),
        user: caller.user().to_owned(),
        team: caller.team().map(str::to_owned),
        key: caller.key().unwrap_or(caller.user()).to_owned(),
        run: run.to_owned(),
        model: label.to_owned(),
    }
}

/// What the request is charged by.
fn tab(jetway: &Jetway, call: Call<'_>, caller: &Caller, outbound: &Outbound, payer: Payer) -> Tab {
    let (budget, facts) = (&call.policy.budget, outbound.facts());
    let price = call.gate.config.prices.find(outbound.model()).map_or(budget.default_price(), |(_, price)| price);
    let rate = Rate { price: Arc::clone(price), caching: facts.caching, tier: facts.tier.clone() };
    let caps = budget.caps(caller.team()).chain(caller.caps());
    let bytes = outbound.bytes().len() as u64;
    // A token is a byte at the least, whatever was learned.
    let text = if budget.mode == Mode::Strict { bytes } else { jetway.learned.ratio(&payer.model).tokens(bytes) };
    let input = text.saturating_add(facts.remote.saturating_mul(REMOTE_TOKENS));
    let limit = outbound.output_limit().unwrap_or(UNLIMITED_OUTPUT).saturating_mul(facts.replies);
    let usual = facts.streams.then(|| jetway.learned.usual(&payer.policy, &payer.model));
    Tab {
        hold: String::new(),
        terms: Terms::new(rate, caps, &payer),
        holding: Holding::new(budget.mode, input, limit, usual.map(|usual| usual.saturating_mul(facts.replies))),
        payer,
        bytes,
        text,
        input,
        replies: facts.replies,
        on_exhausted: budget.on_exhausted,
        reserved: true,
        standings: Vec::new(),
        is_tight: false,
    }
}

/// Reserves what a request may cost, in every cap that applies or in none.
///
/// # Errors
/// [`Short`] when a cap has no room, or the ledger cannot be asked.
pub async fn reserve(
    call: Call<'_>,
    caller: &Caller,
    (run, outbound): (&str, &Outbound),
    exchange: &mut Exchange,
) -> Result<Hold, Short> {
    let jetway = Arc::clone(exchange.jetway());
    let payer = payer(call.gate, call.policy, caller, (run, outbound.model()));
    let tab = Tab { hold: exchange.record.id.clone(), ..tab(&jetway, call, caller, outbound, payer) };
    set_aside(&jetway, call.policy, tab, exchange).await
}

/// Reserves what one more turn of a reply may cost: a request of so many bytes.
///
/// # Errors
/// [`Short`] as for [`reserve`].
pub async fn reserve_again(bytes: u64, turn: u32, exchange: &mut Exchange) -> Result<Hold, Short> {
    let jetway = Arc::clone(exchange.jetway());
    let gate = Arc::clone(&exchange.gate);
    let Some(before) = exchange.tab().cloned() else { return Ok(Hold(())) };
    let Some(policy) = gate.config.policies.get(&before.payer.policy) else { return Ok(Hold(())) };
    let is_strict = policy.budget.mode == Mode::Strict;
    let text = if is_strict { bytes } else { jetway.learned.ratio(&before.payer.model).tokens(bytes) };
    let input = before.input.saturating_sub(before.text).saturating_add(text);
    let usual = exchange.record.stream.then(|| jetway.learned.usual(&before.payer.policy, &before.payer.model));
    let tab = Tab {
        hold: format!("{}.{turn}", exchange.record.id),
        holding: Holding::new(policy.budget.mode, input, before.holding.limit(), usual),
        bytes,
        text,
        input,
        reserved: true,
        standings: Vec::new(),
        is_tight: false,
        ..before
    };
    set_aside(&jetway, policy, tab, exchange).await
}

async fn set_aside(jetway: &Jetway, policy: &Policy, tab: Tab, exchange: &mut Exchange) -> Result<Hold, Short> {
    let amounts = tab.held();
    let ask = Ask {
        exchange: tab.hold.clone(),
        policy: policy.name.clone(),
        charges: tab.charges(&amounts),
        enforce: policy.budget.mode != Mode::Soft,
        on_error: policy.budget.on_error,
    };
    exchange.reserving(tab.clone());
    if ask.charges.is_empty() {
        return Ok(Hold(()));
    }
    let asked = Instant::now();
    let answer = jetway.ledger.reserve(ask).await;
    exchange.waited(asked.elapsed());
    match answer {
        Ok(standings) => {
            exchange.holds(tab.holding, standings);
            Ok(Hold(()))
        }
        Err(Refused::Unreachable(error)) => Err(Short::Unreachable(error)),
        Err(Refused::Denied { at, standings }) => {
            exchange.holds_nothing(standings.clone());
            let left: Vec<u64> = standings.iter().map(Standing::left).collect();
            // A limit that is written into the request makes it a little longer.
            let bearable = tab.terms.output_within(tab.input + LIMIT_TOKENS, &left) / tab.replies.max(1);
            match tab.denied(at, &standings, &amounts) {
                Some(denied) => Err(Short::Low(Low { denied, bearable })),
                None => Err(Short::Unreachable(Unreachable { why: String::from("it named no account") })),
            }
        }
    }
}

/// Says in the answer what its caller has left, and what the request was sent with instead.
pub fn tell(headers: &mut HeaderMap, exchange: &Exchange, dialect: Dialect) {
    let mut said = limits::headers(dialect, &exchange.allowances(), Timestamp::now());
    let Lesser { model, output_limit } = &exchange.lesser;
    said.extend(model.clone().map(|model| (String::from("x-jetway-downgraded-to"), model)));
    said.extend(output_limit.map(|most| (String::from("x-jetway-clamped-to"), most.to_string())));
    for (name, value) in said {
        if let (Ok(name), Ok(value)) = (HeaderName::try_from(name), HeaderValue::try_from(value)) {
            headers.insert(name, value);
        }
    }
}
