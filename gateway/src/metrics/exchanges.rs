//! Exchanges: how many, how they ended, what Jetway itself took of their time, and what they cost.

use prometheus::{CounterVec, Histogram, HistogramVec, IntCounterVec, IntGauge};

use crate::metrics::{Labels, Maker, OWN_SECONDS, REPLY_SECONDS, dollars, seconds};
use crate::runs::{Outcome, Record};

#[derive(Debug, Clone)]
pub struct Exchanges {
    ended: IntCounterVec,
    refusals: IntCounterVec,
    recognised: IntCounterVec,
    /// Questions to those who know about tokens.
    pub asked_issuers: IntCounterVec,
    cost: CounterVec,
    pub open: IntGauge,
    pub streams: IntGauge,
    pub connections: IntGauge,
    duration: HistogramVec,
    receive: Histogram,
    decide: HistogramVec,
    wait: HistogramVec,
    inner_turns: IntCounterVec,
}

impl Exchanges {
    pub(super) fn new(new: &Maker<'_>) -> prometheus::Result<Self> {
        Ok(Self {
            ended: new.counters(
                "jetway_exchanges_total",
                "Exchanges that ended, by how.",
                &["policy", "model", "provider", "dialect", "outcome"],
            )?,
            refusals: new.counters(
                "jetway_refusals_total",
                "Requests refused by Jetway, by reason.",
                &["policy", "reason"],
            )?,
            recognised: new.counters(
                "jetway_recognised_total",
                "Exchanges whose caller was recognised, by the way that it said who it is.",
                &["policy", "way"],
            )?,
            asked_issuers: new.counters(
                "jetway_issuer_questions_total",
                "Questions to the issuers of tokens: for their keys, or about a token.",
                &["about", "result"],
            )?,
            cost: new.sums(
                "jetway_cost_dollars_total",
                "Money spent, in US dollars, as it was settled.",
                &["policy", "model", "provider"],
            )?,
            open: new.gauge("jetway_open_exchanges", "Exchanges that are under way.")?,
            streams: new.gauge("jetway_open_streams", "Replies that are on their way as streams.")?,
            connections: new.gauge("jetway_open_connections", "Connections of agents that are open.")?,
            duration: new.histograms(
                "jetway_exchange_seconds",
                "Time from a request's headers to the last byte of its reply.",
                (&["policy", "provider"], REPLY_SECONDS),
            )?,
            receive: new.histogram(
                "jetway_receive_seconds",
                "Time from a request's headers to the last byte of its body: its agent's.",
                REPLY_SECONDS,
            )?,
            decide: new.histograms(
                "jetway_decide_seconds",
                "Time from a request's last byte to its dispatch: Jetway's own, its waits for the ledger and other stores among it.",
                (&["policy"], OWN_SECONDS),
            )?,
            wait: new.histograms(
                "jetway_wait_seconds",
                "Of the time that `jetway_decide_seconds` counts, what was spent waiting for the ledger.",
                (&["policy"], OWN_SECONDS),
            )?,
            inner_turns: new.counters(
                "jetway_inner_turns_total",
                "Times that a model went on within a reply, after Jetway had answered it.",
                &["policy"],
            )?,
        })
    }

    pub(super) fn ended(&self, record: &Record, labels: Labels<'_>) {
        let Labels { policy, model, provider, .. } = labels;
        let outcome = record.outcome.unwrap_or(Outcome::ClientGone);
        let dialect = record.dialect.unwrap_or("none");
        self.ended.with_label_values(&[policy, model, provider, dialect, outcome.name()]).inc();
        if let (Outcome::Refused, Some(reason)) = (outcome, record.reason) {
            self.refusals.with_label_values(&[policy, reason]).inc();
        }
        if let Some(way) = record.way {
            self.recognised.with_label_values(&[policy, way]).inc();
        }
        self.cost.with_label_values(&[policy, model, provider]).inc_by(dollars(record.cost_micros));
        self.inner_turns.with_label_values(&[policy]).inc_by(u64::from(record.inner_turns));
        if record.decide_micros > 0 {
            self.receive.observe(seconds(record.receive_micros, 1_000_000));
            self.decide.with_label_values(&[policy]).observe(seconds(record.decide_micros, 1_000_000));
            self.wait.with_label_values(&[policy]).observe(seconds(record.wait_micros, 1_000_000));
        }
        self.duration.with_label_values(&[policy, provider]).observe(seconds(record.total_millis, 1_000));
    }
}
