//! Every metric that Jetway has. No label is ever text from a caller: models are named by the
//! pattern of the price list that they match, policies and providers by the configuration.

use prometheus::core::Collector;
use prometheus::{
    Encoder, GaugeVec, Histogram, HistogramOpts, HistogramVec, IntCounter, IntCounterVec, IntGauge, IntGaugeVec, Opts,
    Registry, TextEncoder,
};

use crate::runs::{Outcome, Record, StepLeft};

#[derive(Debug, Clone)]
pub struct Metrics {
    registry: Registry,
    /// Exchanges that ended.
    pub exchanges: IntCounterVec,
    pub refusals: IntCounterVec,
    /// Exchanges whose caller was recognised, by how.
    pub recognised: IntCounterVec,
    /// Questions to those who know about tokens.
    pub asked_issuers: IntCounterVec,
    pub tokens: IntCounterVec,
    pub cost: IntCounterVec,
    pub tools_removed: IntCounterVec,
    pub calls_refused: IntCounterVec,
    pub passages: IntCounterVec,
    pub steps: Steps,
    pub runs: Runs,
    pub docs: Docs,
    pub inner_turns: IntCounterVec,
    pub prefix_breaks: IntCounterVec,
    pub decide: Histogram,
    pub first_byte: HistogramVec,
    pub duration: HistogramVec,
    pub attempts: IntCounterVec,
    pub bytes_per_token: GaugeVec,
    pub open: IntGauge,
    pub connections: IntGauge,
    pub reloads: IntCounterVec,
    pub log_failed: IntCounter,
    pub settle_failed: IntCounter,
    pub waiting: IntGaugeVec,
    pub ledger: IntCounterVec,
}

/// The names of what an exchange is counted by.
#[derive(Debug, Clone, Copy)]
pub struct Labels<'a> {
    pub policy: &'a str,
    /// The price pattern of the model, or `other`.
    pub model: &'a str,
    pub provider: &'a str,
}

/// Steps of breadcrumbs that came to their end.
#[derive(Debug, Clone)]
pub struct Steps {
    ended: IntCounterVec,
    turns: IntCounterVec,
    seconds: IntCounterVec,
}

impl Steps {
    fn new(new: &New<'_>) -> prometheus::Result<Self> {
        let counters = |name: &str, help: &str| new.counters(name, help, &["policy", "step"]);
        Ok(Self {
            ended: new.counters(
                "jetway_steps_total",
                "Steps of breadcrumbs that came to their end, by how.",
                &["policy", "step", "how"],
            )?,
            turns: counters("jetway_step_turns_total", "Requests that the steps took which came to their end.")?,
            seconds: counters("jetway_step_seconds_total", "Seconds that the steps took which came to their end.")?,
        })
    }

    fn ended(&self, policy: &str, left: &[StepLeft]) {
        for left in left {
            self.ended.with_label_values(&[policy, &left.step, left.how.name()]).inc();
            self.turns.with_label_values(&[policy, &left.step]).inc_by(u64::from(left.turns));
            let seconds = u64::try_from(left.millis / 1000).unwrap_or_default();
            self.seconds.with_label_values(&[policy, &left.step]).inc_by(seconds);
        }
    }
}

/// Documentation: where it comes from, how old it is, and what it means.
#[derive(Debug, Clone)]
pub struct Docs {
    pub fetches: IntCounterVec,
    pub stale: IntGaugeVec,
    pub embeddings: IntCounterVec,
}

impl Docs {
    fn new(new: &New<'_>) -> prometheus::Result<Self> {
        Ok(Self {
            fetches: new.counters(
                "jetway_docs_fetches_total",
                "Pages of documentation that were asked for, by what came of it.",
                &["policy", "result"],
            )?,
            stale: new.gauges(
                "jetway_docs_stale_pages",
                "Pages of documentation that are older than their source's max_age.",
                &["policy"],
            )?,
            embeddings: new.counters(
                "jetway_embeddings_total",
                "Texts that a model was asked the meaning of, for ranking: sections of documentation and queries, by what came of it.",
                &["policy", "about", "result"],
            )?,
        })
    }
}

/// Runs that came to their end.
#[derive(Debug, Clone)]
pub struct Runs {
    pub ended: IntCounterVec,
    /// Those under a policy that asks, by what came of that.
    pub asked: IntCounterVec,
    pub findings: IntCounterVec,
    pub bodies: IntCounterVec,
    pub spans: IntCounterVec,
}

impl Runs {
    fn new(new: &New<'_>) -> prometheus::Result<Self> {
        Ok(Self {
            ended: new.counters("jetway_runs_ended_total", "Runs that ended, by how.", &["policy", "ending"])?,
            asked: new.counters(
                "jetway_questions_total",
                "Runs that ended under a policy that asks its agents, by what came of that.",
                &["policy", "result"],
            )?,
            findings: new.counters(
                "jetway_findings_total",
                "What agents said that should be changed, by kind.",
                &["policy", "kind", "severity"],
            )?,
            bodies: new.counters(
                "jetway_bodies_total",
                "Bodies that were to be kept, by what came of it.",
                &["result"],
            )?,
            spans: new.counters(
                "jetway_spans_total",
                "Spans for a collector, by what came of them: sent, shed because too many waited, failed.",
                &["result"],
            )?,
        })
    }
}

/// Milliseconds to ten minutes: what replies of language models take.
const REPLY_SECONDS: &[f64] = &[0.05, 0.1, 0.25, 0.5, 1.0, 2.0, 4.0, 8.0, 15.0, 30.0, 60.0, 120.0, 240.0, 600.0];
/// Ten microseconds to a second: what we add.
const OWN_SECONDS: &[f64] =
    &[0.000_01, 0.000_05, 0.000_1, 0.000_25, 0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.05, 0.25, 1.0];

impl Metrics {
    /// # Errors
    /// Only if two metrics had one name.
    pub fn new() -> prometheus::Result<Self> {
        let registry = Registry::new();
        let new = New(&registry);
        let own = HistogramOpts::new(
            "jetway_decide_seconds",
            "Time from a request's headers to its dispatch that Jetway itself took, its body's arrival included.",
        );
        say_version(&registry)?;
        Ok(Self {
            exchanges: new.counters(
                "jetway_exchanges_total",
                "Exchanges that ended, by how.",
                &["policy", "model", "provider", "outcome"],
            )?,
            refusals: new.counters("jetway_refusals_total", "Requests refused by Jetway, by reason.", &["policy", "reason"])?,
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
            tokens: new.counters("jetway_tokens_total", "Tokens, by kind.", &["policy", "model", "kind"])?,
            cost: new.counters(
                "jetway_cost_microdollars_total",
                "Money spent, in millionths of a US dollar.",
                &["policy", "model"],
            )?,
            tools_removed: new.counters("jetway_tools_removed_total", "Tools taken out of requests.", &["policy"])?,
            calls_refused: new.counters("jetway_calls_refused_total", "Tool calls taken out of replies.", &["policy"])?,
            steps: Steps::new(&new)?,
            runs: Runs::new(&new)?,
            passages: new.counters("jetway_passages_total", "Passages put before a model, counted once a request.", &["policy"])?,
            docs: Docs::new(&new)?,
            inner_turns: new.counters(
                "jetway_inner_turns_total",
                "Times that a model went on within a reply, after Jetway had answered it.",
                &["policy"],
            )?,
            prefix_breaks: new.counters(
                "jetway_prompt_prefix_breaks_total",
                "Times that a prompt did not begin as the one before it in its conversation, so that the provider's cache was missed, by cause.",
                &["cause"],
            )?,
            decide: registered(&registry, Histogram::with_opts(own.buckets(OWN_SECONDS.to_vec()))?)?,
            first_byte: new.histograms(
                "jetway_first_byte_seconds",
                "Time from dispatch to the provider's first byte.",
                REPLY_SECONDS,
            )?,
            duration: new.histograms(
                "jetway_exchange_seconds",
                "Time from a request to the last byte of its reply.",
                REPLY_SECONDS,
            )?,
            attempts: new.counters(
                "jetway_provider_attempts_total",
                "Requests sent to providers, by how they were met.",
                &["provider", "result"],
            )?,
            bytes_per_token: new.ratios("jetway_bytes_per_token", "Bytes of a request that are counted as a token, as learned.", &["model"])?,
            open: new.gauge("jetway_open_exchanges", "Exchanges that are under way.")?,
            connections: new.gauge("jetway_open_connections", "Connections of agents that are open.")?,
            reloads: new.counters(
                "jetway_config_reloads_total",
                "Changed configurations that were read, by result.",
                &["result"],
            )?,
            log_failed: new.counter("jetway_log_failed_total", "Exchanges that could not be written to the run log, and are lost to it.")?,
            settle_failed: new.counter(
                "jetway_settle_failed_total",
                "Holds that could not be settled and so keep their amount.",
            )?,
            waiting: new.gauges("jetway_store_waiting", "Jobs that wait for a database; as `postgres`, rows of the run log that it was not told of yet.", &["store"])?,
            ledger: new.counters("jetway_ledger_events_total", "What a shared ledger went through: requests served from a lease, let through or refused while it was out of reach; holds charged for their process died; holds told again.", &["event"])?,
            registry,
        })
    }

    /// Counts an exchange that ended.
    pub fn ended(&self, record: &Record, labels: Labels<'_>) {
        let Labels { policy, model, provider } = labels;
        let outcome = record.outcome.unwrap_or(Outcome::ClientGone);
        self.exchanges.with_label_values(&[policy, model, provider, outcome.name()]).inc();
        if let (Outcome::Refused, Some(reason)) = (outcome, record.reason) {
            self.refusals.with_label_values(&[policy, reason]).inc();
        }
        if let Some(way) = record.way {
            self.recognised.with_label_values(&[policy, way]).inc();
        }
        let usage = record.usage;
        let kinds = [
            ("input", usage.input),
            ("cache_read", usage.cache_read),
            ("cache_write", usage.cache_write),
            ("output", usage.output),
        ];
        for (kind, count) in kinds {
            self.tokens.with_label_values(&[policy, model, kind]).inc_by(count);
        }
        self.cost.with_label_values(&[policy, model]).inc_by(record.cost_micros);
        self.tools_removed.with_label_values(&[policy]).inc_by(record.tools_removed.len() as u64);
        self.calls_refused.with_label_values(&[policy]).inc_by(record.calls_refused.len() as u64);
        self.passages.with_label_values(&[policy]).inc_by(record.passages.len() as u64);
        self.steps.ended(policy, &record.steps_left);
        if record.decide_micros > 0 {
            self.decide.observe(seconds(record.decide_micros, 1_000_000));
        }
        if let Some(millis) = record.first_byte_millis {
            self.first_byte.with_label_values(&[policy, provider]).observe(seconds(millis, 1_000));
        }
        self.duration.with_label_values(&[policy, provider]).observe(seconds(record.total_millis, 1_000));
    }

    /// Forgets how many pages of a policy are stale, which is no more.
    pub fn forget_docs(&self, policy: &str) {
        // It is an error only where there was nothing to forget.
        drop(self.docs.stale.remove_label_values(&[policy]));
    }

    /// The text that Prometheus reads.
    #[must_use]
    pub fn text(&self) -> Vec<u8> {
        let mut text = Vec::new();
        if let Err(error) = TextEncoder::new().encode(&self.registry.gather(), &mut text) {
            tracing::error!(%error, "metrics could not be written");
        }
        text
    }
}

fn say_version(registry: &Registry) -> prometheus::Result<()> {
    let options = Opts::new("jetway_build_info", "The version that runs; always 1.");
    let build = registered(registry, IntGaugeVec::new(options, &["version"])?)?;
    build.with_label_values(&[env!("CARGO_PKG_VERSION")]).set(1);
    Ok(())
}

/// Makes metrics and registers them.
struct New<'a>(&'a Registry);

impl New<'_> {
    fn counters(&self, name: &str, help: &str, labels: &[&str]) -> prometheus::Result<IntCounterVec> {
        registered(self.0, IntCounterVec::new(Opts::new(name, help), labels)?)
    }

    fn counter(&self, name: &str, help: &str) -> prometheus::Result<IntCounter> {
        registered(self.0, IntCounter::new(name, help)?)
    }

    fn gauges(&self, name: &str, help: &str, labels: &[&str]) -> prometheus::Result<IntGaugeVec> {
        registered(self.0, IntGaugeVec::new(Opts::new(name, help), labels)?)
    }

    fn gauge(&self, name: &str, help: &str) -> prometheus::Result<IntGauge> {
        registered(self.0, IntGauge::new(name, help)?)
    }

    fn ratios(&self, name: &str, help: &str, labels: &[&str]) -> prometheus::Result<GaugeVec> {
        registered(self.0, GaugeVec::new(Opts::new(name, help), labels)?)
    }

    fn histograms(&self, name: &str, help: &str, buckets: &[f64]) -> prometheus::Result<HistogramVec> {
        let options = HistogramOpts::new(name, help).buckets(buckets.to_vec());
        registered(self.0, HistogramVec::new(options, &["policy", "provider"])?)
    }
}

fn registered<C: Collector + Clone + 'static>(registry: &Registry, collector: C) -> prometheus::Result<C> {
    registry.register(Box::new(collector.clone()))?;
    Ok(collector)
}

#[expect(clippy::cast_precision_loss, reason = "a duration; its last digits do not matter")]
fn seconds(count: u64, per_second: u64) -> f64 {
    count as f64 / per_second as f64
}
