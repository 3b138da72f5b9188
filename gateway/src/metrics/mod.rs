//! Every metric that Jetway has. No label is ever text from a caller: models are named by the pattern of
//! the price list that they match, tools by the policy or the shipped table, all else by the
//! configuration. Users appear only among the few who have used most of a cap.
//!
//! `jetway metrics` lists them, and `dashboards/METRICS.md` is what it prints with `--markdown`.

mod budgets;
mod docs;
mod exchanges;
mod genai;
mod maker;
mod page;
mod providers;
mod runs;
mod stores;
mod tools;

use std::sync::Arc;

use jetway_core::policy::lockdown;
use jiff::Timestamp;
use prometheus::{Encoder, Gauge, GaugeVec, IntCounter, IntCounterVec, IntGauge, IntGaugeVec, Registry, TextEncoder};

use crate::config::{Config, Kind};
use crate::runs::Record;

pub use docs::Pages;
pub use maker::Described;
pub use page::page;
pub use providers::Met;
pub use runs::Took;
pub use stores::Stores;

use maker::Maker;

#[derive(Debug, Clone)]
pub struct Metrics {
    registry: Registry,
    described: Arc<[Described]>,
    pub exchanges: exchanges::Exchanges,
    pub genai: genai::GenAi,
    pub tools: tools::Tools,
    pub budgets: budgets::Budgets,
    pub runs: runs::Runs,
    pub docs: docs::Docs,
    pub providers: providers::Providers,
    pub stores: Stores,
    pub bytes_per_token: GaugeVec,
    pub lines_dropped: IntCounter,
    reloads: IntCounterVec,
    is_current: IntGauge,
    loaded: Gauge,
    policies: IntGaugeVec,
}

/// The names of what an exchange is counted by.
#[derive(Debug, Clone, Copy)]
pub struct Labels<'a> {
    pub policy: &'a str,
    /// The price pattern of the model, or `other`.
    pub model: &'a str,
    pub provider: &'a str,
    /// What the provider is; none where nobody was asked.
    pub kind: Option<Kind>,
}

impl<'a> Labels<'a> {
    /// What an exchange is counted by; `model` is the pattern of the price list.
    #[must_use]
    pub fn of(config: &Config, record: &'a Record, model: &'a str) -> Self {
        let provider = record.provider.as_deref();
        let kind = provider.and_then(|name| config.providers.get(name)).map(|provider| provider.kind);
        let named = |name: Option<&'a str>| name.unwrap_or("none");
        Self { policy: named(record.policy.as_deref()), model, provider: named(provider), kind }
    }
}

/// Milliseconds to ten minutes: what replies of language models take.
const REPLY_SECONDS: &[f64] = &[0.05, 0.1, 0.25, 0.5, 1.0, 2.0, 4.0, 8.0, 15.0, 30.0, 60.0, 120.0, 240.0, 600.0];
/// Ten microseconds to a second: what we add.
const OWN_SECONDS: &[f64] =
    &[0.000_01, 0.000_05, 0.000_1, 0.000_25, 0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.05, 0.25, 1.0];

/// What came of a changed configuration.
const RELOADS: [&str; 2] = ["refused", "applied"];

impl Metrics {
    /// # Errors
    /// Only if two metrics had one name.
    pub fn new() -> prometheus::Result<Self> {
        let registry = Registry::new();
        let new = Maker::to(&registry);
        let build = new.gauges("jetway_build_info", "The version that runs; always 1.", &["version"])?;
        build.with_label_values(&[env!("CARGO_PKG_VERSION")]).set(1);
        new.process()?;
        Ok(Self {
            exchanges: exchanges::Exchanges::new(&new)?,
            genai: genai::GenAi::new(&new)?,
            tools: tools::Tools::new(&new)?,
            budgets: budgets::Budgets::new(&new)?,
            runs: runs::Runs::new(&new)?,
            docs: docs::Docs::new(&new)?,
            providers: providers::Providers::new(&new)?,
            stores: Stores::new(&new)?,
            bytes_per_token: new.levels(
                "jetway_bytes_per_token",
                "Bytes of a request that are counted as a token, as learned.",
                &["model"],
            )?,
            lines_dropped: new.counter(
                "jetway_log_lines_dropped_total",
                "Lines of what Jetway says of itself that were dropped, for nobody read them.",
            )?,
            reloads: new.counters(
                "jetway_config_reloads_total",
                "Changed configurations that were read, by result.",
                &["result"],
            )?,
            is_current: new.gauge(
                "jetway_config_last_reload_successful",
                "1 where the configuration on disk is in force, 0 where it was changed and is wrong.",
            )?,
            loaded: new.level(
                "jetway_config_loaded_timestamp_seconds",
                "When the configuration that is in force was read, in seconds since 1970.",
            )?,
            policies: new.gauges(
                "jetway_policy_info",
                "The version of each policy that is in force; always 1.",
                &["policy", "version"],
            )?,
            described: new.described().into(),
            registry,
        })
    }

    /// What each metric means, by name.
    #[must_use]
    pub fn described(&self) -> &[Described] {
        &self.described
    }

    /// Counts an exchange that ended.
    pub fn ended(&self, record: &Record, labels: Labels<'_>, rules: Option<&lockdown::Rules>) {
        self.exchanges.ended(record, labels);
        self.genai.ended(record, labels);
        self.tools.ended(record, labels, rules);
        self.budgets.ended(record, labels);
        self.docs.ended(record, labels);
        self.runs.steps.ended(record, labels);
    }

    /// A configuration is in force. What is likely to happen seldom is counted from nothing on: of a series
    /// that begins with its first event nobody can say that it rose.
    pub fn loaded(&self, config: &Config) {
        self.is_current.set(1);
        for result in RELOADS {
            self.reloads.with_label_values(&[result]);
        }
        for result in ["kept", "shed", "failed"] {
            self.runs.bodies.with_label_values(&[result]);
        }
        self.providers.are(config.providers.keys().map(String::as_str));
        #[expect(clippy::cast_precision_loss, reason = "seconds since 1970")]
        self.loaded.set(Timestamp::now().as_second() as f64);
        self.policies.reset();
        for policy in config.policies.values() {
            self.policies.with_label_values(&[policy.name.as_str(), policy.version.as_str()]).set(1);
        }
    }

    /// A changed configuration was read.
    pub fn reloaded(&self, is_applied: bool) {
        self.reloads.with_label_values(&[RELOADS[usize::from(is_applied)]]).inc();
        self.is_current.set(i64::from(is_applied));
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

/// Something that is open, for as long as it is counted.
#[derive(Debug)]
pub struct Open(IntGauge);

impl Open {
    #[must_use]
    pub fn new(counted: &IntGauge) -> Self {
        counted.inc();
        Self(counted.clone())
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.0.dec();
    }
}

#[expect(clippy::cast_precision_loss, reason = "a duration; its last digits do not matter")]
fn seconds(count: u64, per_second: u64) -> f64 {
    count as f64 / per_second as f64
}

#[expect(clippy::cast_precision_loss, reason = "amounts are below 2^53")]
fn dollars(micros: u64) -> f64 {
    micros as f64 / 1e6
}
