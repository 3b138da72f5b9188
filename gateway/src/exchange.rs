//! One exchange, from its first line to its record. It is settled and recorded exactly once,
//! whichever way it ends: also when the agent hangs up and nobody asks for anything any more.

use std::sync::Arc;
use std::time::Instant;

use jetway_core::policy::budget::Spend;
use jetway_core::policy::identity::Caller;
use jetway_core::policy::lockdown::Refused;
use jetway_core::price::Price;
use jetway_core::stream::meter::Reading;
use jetway_core::tokens::Family;
use jetway_core::wire::event::Usage;
use jetway_core::wire::facts::Caching;
use jetway_core::wire::request::Request;
use jiff::Timestamp;
use tokio::sync::OwnedSemaphorePermit;
use uuid::Uuid;

use crate::gate::{Gate, Jetway};
use crate::ledger::Hold;
use crate::metrics::Labels;
use crate::runs::{CallRefused, Outcome, Record};

/// A model's name is the caller's text; more of it is of no use to a log.
const LONGEST_NAME: usize = 128;

/// An exchange that is under way.
#[derive(Debug)]
pub struct Exchange {
    jetway: Arc<Jetway>,
    pub gate: Arc<Gate>,
    pub record: Record,
    begun: Instant,
    sent: Option<Instant>,
    /// Whether something may be set aside for it in the ledger.
    reserved: bool,
    held: Spend,
    /// Whether its reply comes as a stream.
    streams: bool,
    /// Whether the provider may have worked for us.
    owing: bool,
    cost: Cost,
    reading: Reading,
    /// Its place among the requests that are served at once, until its last byte.
    place: Option<OwnedSemaphorePermit>,
    done: bool,
}

/// What the exchange is priced by.
#[derive(Debug, Clone, Default)]
pub struct Cost {
    pub price: Arc<Price>,
    /// The pattern of the price list, or `other`.
    pub label: String,
    /// Tokens of input, as estimated before anything was sent.
    pub input_estimate: u64,
    pub caching: Caching,
    /// The tier that was asked for.
    pub tier: Option<String>,
}

impl Exchange {
    #[must_use]
    pub fn begin(jetway: Arc<Jetway>, gate: Arc<Gate>) -> Self {
        jetway.metrics.open.inc();
        let record = Record {
            id: format!("x_{}", Uuid::now_v7().simple()),
            at: Timestamp::now(),
            agent: "other",
            ..Record::default()
        };
        Self {
            jetway,
            gate,
            record,
            begun: Instant::now(),
            sent: None,
            reserved: false,
            held: Spend::default(),
            streams: false,
            owing: false,
            cost: Cost { label: String::from("other"), ..Cost::default() },
            reading: Reading::default(),
            place: None,
            done: false,
        }
    }

    #[must_use]
    pub fn jetway(&self) -> &Arc<Jetway> {
        &self.jetway
    }

    /// Takes a place among the requests that are served at once. Returns whether there was one.
    pub fn take_place(&mut self) -> bool {
        self.place = Arc::clone(&self.jetway.places).try_acquire_owned().ok();
        self.place.is_some()
    }

    /// Whom it is for.
    pub fn called_by(&mut self, caller: &Caller) {
        self.record.user = Some(caller.user().to_owned());
        self.record.team = caller.team().map(str::to_owned);
        self.record.key = caller.key().map(str::to_owned);
    }

    /// What it asks for, and in which run.
    pub fn asks(&mut self, asked: &Request, run: &str) {
        self.record.model = Some(short(&asked.model));
        self.record.stream = asked.stream;
        self.streams = asked.stream;
        self.record.run = Some(run.to_owned());
    }

    /// Which tools it offers, and which of them the model does not get to see.
    pub fn offers(&mut self, offered: usize, removed: &[String]) {
        self.record.tools_offered = offered;
        self.record.tools_removed = removed.to_vec();
    }

    /// Something is set aside for it from here on. Said before it is: if the agent hangs up while
    /// the ledger writes, what it wrote is given back all the same.
    pub fn reserving(&mut self, cost: Cost) {
        self.cost = cost;
        self.reserved = true;
    }

    /// This much was set aside.
    pub fn holds(&mut self, hold: &Hold) {
        self.held = hold.asked();
        self.record.held_micros = self.held.micros;
    }

    /// The request goes to this provider now.
    pub fn sending(&mut self, provider: &str) {
        let now = Instant::now();
        if self.sent.is_none() {
            self.record.decide_micros = micros(now - self.begun);
        }
        self.sent = Some(now);
        self.record.provider = Some(provider.to_owned());
        self.owing = true;
    }

    /// The provider did nothing that it could charge for.
    pub fn owes_nothing(&mut self) {
        self.owing = false;
    }

    /// The provider's reply begins.
    pub fn replying(&mut self) {
        self.record.first_byte_millis = self.sent.map(|sent| millis(sent.elapsed()));
    }

    /// The reply turned out to be no stream, whatever was asked for.
    pub fn replies_as_a_whole(&mut self) {
        self.streams = false;
    }

    /// What the reply has said so far.
    pub fn note(&mut self, reading: &Reading, refused: &[Refused]) {
        self.reading = reading.clone();
        let refused = refused.iter().map(|call| CallRefused { tool: call.tool.clone(), rule: call.rule.clone() });
        self.record.calls_refused = refused.collect();
    }

    /// Ends the exchange.
    pub fn end(mut self, outcome: Outcome) {
        self.close(outcome);
    }

    /// Settles and records, once. Does no work itself: it hands the finished record over.
    fn close(&mut self, outcome: Outcome) {
        if std::mem::replace(&mut self.done, true) {
            return;
        }
        self.jetway.metrics.open.dec();
        self.place = None;
        let mut record = std::mem::take(&mut self.record);
        record.outcome = Some(outcome);
        record.total_millis = millis(self.begun.elapsed());
        record.served_model = self.reading.model.as_deref().map(short);
        record.stop = self.reading.stop.as_deref().map(short);
        let mut bill = Bill {
            jetway: Arc::clone(&self.jetway),
            record,
            cost: std::mem::take(&mut self.cost),
            reading: std::mem::take(&mut self.reading),
            held: self.held,
            streams: self.streams,
            reserved: self.reserved,
        };
        match bill.reading.exact() {
            _ if !self.owing => self.jetway.tasks.spawn(bill.settle(Spend::default())),
            Some(usage) => {
                let spent = bill.charge(usage, false);
                self.jetway.tasks.spawn(bill.settle(spent))
            }
            None => self.jetway.tasks.spawn(bill.estimate()),
        };
    }
}

/// What is left to do of an exchange that has ended.
struct Bill {
    jetway: Arc<Jetway>,
    record: Record,
    cost: Cost,
    reading: Reading,
    held: Spend,
    streams: bool,
    reserved: bool,
}

impl Bill {
    /// Counts what was written, where nobody waits for it, and settles.
    async fn estimate(mut self) {
        let written = std::mem::take(&mut self.reading.written);
        let family = Family::of(self.reading.model.as_deref().or(self.record.model.as_deref()).unwrap_or_default());
        let by_length = written.tokens_by_length();
        let counting = self.jetway.tasks.spawn_blocking(move || written.tokens(family));
        let tokens = counting.await.unwrap_or(by_length);
        let usage = self.reading.estimate(self.cost.input_estimate, tokens);
        let spent = self.charge(usage, true);
        self.settle(spent).await;
    }

    /// Puts on the record what was used, and says what it costs.
    fn charge(&mut self, usage: Usage, estimated: bool) -> Spend {
        let (asked, served) = (self.cost.tier.as_deref(), self.reading.tier.as_deref());
        let mut spent = Spend { micros: self.cost.price.owed(&usage, asked, served), tokens: usage.total() };
        // Of a reply that is no stream nothing is seen before it is done, so that nobody can say
        // how much of it was made: it costs what was set aside.
        if self.reading.usage.is_none() && !self.streams {
            spent = Spend { micros: spent.micros.max(self.held.micros), tokens: spent.tokens.max(self.held.tokens) };
        }
        self.record.usage = usage;
        self.record.estimated = estimated;
        self.record.cost_micros = spent.micros;
        spent
    }

    /// Counts the exchange at once, and then settles and records it.
    fn settle(self, spent: Spend) -> impl Future<Output = ()> + Send {
        let Self { jetway, record, cost, reserved, .. } = self;
        let policy = record.policy.as_deref().unwrap_or("none");
        let provider = record.provider.as_deref().unwrap_or("none");
        jetway.metrics.ended(&record, Labels { policy, model: &cost.label, provider });
        async move {
            if reserved && let Err(error) = jetway.ledger.settle(&record.id, spent).await {
                jetway.metrics.settle_failed.inc();
                tracing::error!(exchange = record.id, %error, "a hold could not be settled and keeps its amount");
            }
            if !jetway.log.write(record) {
                jetway.metrics.log_dropped.inc();
            }
        }
    }
}

impl Drop for Exchange {
    fn drop(&mut self) {
        self.close(Outcome::ClientGone);
    }
}

/// The beginning of a text of somebody else's.
fn short(text: &str) -> String {
    text.chars().take(LONGEST_NAME).collect()
}

fn millis(time: std::time::Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

fn micros(time: std::time::Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
}
