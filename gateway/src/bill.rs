//! What a turn of a reply came to: what was used, by the provider's word or by our own count, and what
//! that costs in each account.

use std::sync::Arc;

use jetway_core::stream::meter::Reading;
use jetway_core::tokens::Family;
use jetway_core::wire::event::Usage;

use crate::gate::Jetway;
use crate::ledger::Charge;
use crate::runs::{InnerTurn, Record};
use crate::tab::Tab;

/// What one turn of a reply is to be charged: a reply has several where the model went on after
/// Jetway had answered its calls.
#[derive(Debug)]
pub struct Turn {
    pub jetway: Arc<Jetway>,
    pub tab: Option<Tab>,
    pub reading: Reading,
    /// The model that was asked for.
    pub model: String,
    /// Whether the provider may have worked for us.
    pub owing: bool,
    /// Whether its reply comes as a stream.
    pub streams: bool,
}

/// What a turn came to.
#[derive(Debug, Default)]
pub struct Bill {
    pub usage: Usage,
    /// Whether any of the usage is our own estimate.
    pub estimated: bool,
    pub cost_micros: u64,
    pub charges: Vec<Charge>,
}

impl Bill {
    /// Adds it to the record of its exchange; what is to be charged for it is left.
    #[must_use]
    pub fn add_to(self, record: &mut Record) -> Vec<Charge> {
        record.usage = record.usage.plus(self.usage);
        record.estimated |= self.estimated;
        record.cost_micros = record.cost_micros.saturating_add(self.cost_micros);
        self.charges
    }

    /// Tells the record of one of several turns.
    pub fn tell(&self, inner: &mut InnerTurn) {
        (inner.usage, inner.estimated, inner.cost_micros) = (self.usage, self.estimated, self.cost_micros);
    }
}

impl Turn {
    /// Counts what was used, and what that costs.
    pub async fn bill(mut self) -> Bill {
        let used = if self.owing { Some(self.used().await) } else { None };
        let mut bill = Bill::default();
        bill.charges = self.charges(used, &mut bill);
        bill
    }

    /// What was used, and whether that is our own count. It is the provider's, or where that did
    /// not come to report one, made of what was written, where nobody waits for it.
    async fn used(&mut self) -> (Usage, bool) {
        if let Some(usage) = self.reading.exact() {
            return (usage, false);
        }
        let written = std::mem::take(&mut self.reading.written);
        let family = Family::of(self.reading.model.as_deref().unwrap_or(&self.model));
        let by_length = written.tokens_by_length();
        let counting = self.jetway.tasks.spawn_blocking(move || written.tokens(family));
        let tokens = counting.await.unwrap_or(by_length);
        (self.reading.estimate(self.tab.as_ref().map_or(0, |tab| tab.input), tokens), true)
    }

    /// What is charged, in each account; the bill learns what was used.
    fn charges(&self, used: Option<(Usage, bool)>, bill: &mut Bill) -> Vec<Charge> {
        let Some(tab) = self.tab.as_ref().filter(|tab| tab.reserved) else { return Vec::new() };
        let Some((usage, estimated)) = used else { return tab.charges(&vec![0; tab.terms.caps.len()]) };
        bill.usage = usage;
        bill.estimated = estimated;
        let served = self.reading.tier.as_deref();
        bill.cost_micros = tab.terms.rate.cost(&usage, served);
        let mut amounts = tab.terms.cost(&usage, served);
        let at_least = |amounts: &[u64], least: &[u64]| -> Vec<u64> {
            amounts.iter().zip(least).map(|(amount, least)| *amount.max(least)).collect()
        };
        if self.reading.usage.is_none() {
            // Nobody has said what became of the input, which may have gone into a cache.
            let worst = tab.terms.worst(tab.input, usage.output);
            bill.cost_micros = bill.cost_micros.max(tab.terms.rate.worst(tab.input, usage.output));
            amounts = at_least(&amounts, &worst);
        }
        // Of a reply that is no stream nothing is seen before it is done, and in strict mode what
        // was not seen must count too: then it costs what was set aside.
        if estimated && ((self.reading.usage.is_none() && !self.streams) || tab.holding.is_strict()) {
            bill.cost_micros = bill.cost_micros.max(tab.held_micros());
            amounts = at_least(&amounts, &tab.held());
        }
        if !estimated {
            self.learn(tab, &usage);
        }
        tab.charges(&amounts)
    }

    fn learn(&self, tab: &Tab, usage: &Usage) {
        let input = usage.total().saturating_sub(usage.output);
        let model = &tab.payer.model;
        let ratio = self.jetway.learned.learn(&tab.payer.policy, model, (tab.bytes, input), usage.output);
        self.jetway.metrics.bytes_per_token.with_label_values(&[model]).set(ratio.low());
    }
}
