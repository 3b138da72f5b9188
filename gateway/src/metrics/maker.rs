//! Makes metrics and registers them, and remembers what each means, for `jetway metrics`.

use std::cell::RefCell;

use prometheus::core::Collector;
use prometheus::{
    CounterVec, Gauge, GaugeVec, Histogram, HistogramOpts, HistogramVec, IntCounter, IntCounterVec, IntGauge,
    IntGaugeVec, Opts, Registry,
};
use serde::Serialize;

/// What makes metrics.
pub(super) struct Maker<'a> {
    registry: &'a Registry,
    described: RefCell<Vec<Described>>,
}

/// A metric, as the page of reference has it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Described {
    pub name: String,
    /// `counter`, `gauge` or `histogram`.
    pub kind: &'static str,
    pub labels: Vec<String>,
    pub help: String,
}

type Made<T> = prometheus::Result<T>;

impl<'a> Maker<'a> {
    pub(super) fn to(registry: &'a Registry) -> Self {
        Self { registry, described: RefCell::default() }
    }

    /// What was made, by name.
    pub(super) fn described(self) -> Vec<Described> {
        let mut described = self.described.into_inner();
        described.sort_by(|a, b| a.name.cmp(&b.name));
        described
    }

    pub(super) fn counters(&self, name: &str, help: &str, labels: &[&str]) -> Made<IntCounterVec> {
        self.add("counter", IntCounterVec::new(Opts::new(name, help), labels)?)
    }

    pub(super) fn counter(&self, name: &str, help: &str) -> Made<IntCounter> {
        self.add("counter", IntCounter::new(name, help)?)
    }

    /// Of what is not whole: dollars, seconds.
    pub(super) fn sums(&self, name: &str, help: &str, labels: &[&str]) -> Made<CounterVec> {
        self.add("counter", CounterVec::new(Opts::new(name, help), labels)?)
    }

    pub(super) fn gauges(&self, name: &str, help: &str, labels: &[&str]) -> Made<IntGaugeVec> {
        self.add("gauge", IntGaugeVec::new(Opts::new(name, help), labels)?)
    }

    pub(super) fn gauge(&self, name: &str, help: &str) -> Made<IntGauge> {
        self.add("gauge", IntGauge::new(name, help)?)
    }

    /// Of what is not whole: ratios, dollars, moments.
    pub(super) fn levels(&self, name: &str, help: &str, labels: &[&str]) -> Made<GaugeVec> {
        self.add("gauge", GaugeVec::new(Opts::new(name, help), labels)?)
    }

    pub(super) fn level(&self, name: &str, help: &str) -> Made<Gauge> {
        self.add("gauge", Gauge::new(name, help)?)
    }

    pub(super) fn histograms(
        &self,
        name: &str,
        help: &str,
        (labels, buckets): (&[&str], &[f64]),
    ) -> Made<HistogramVec> {
        let options = HistogramOpts::new(name, help).buckets(buckets.to_vec());
        self.add("histogram", HistogramVec::new(options, labels)?)
    }

    pub(super) fn histogram(&self, name: &str, help: &str, buckets: &[f64]) -> Made<Histogram> {
        self.add("histogram", Histogram::with_opts(HistogramOpts::new(name, help).buckets(buckets.to_vec()))?)
    }

    fn add<C: Collector + Clone + 'static>(&self, kind: &'static str, collector: C) -> Made<C> {
        self.registry.register(Box::new(collector.clone()))?;
        let described = collector.desc().into_iter().map(|desc| Described {
            name: desc.fq_name.clone(),
            kind,
            labels: desc.variable_labels.clone(),
            help: desc.help.clone(),
        });
        self.described.borrow_mut().extend(described);
        Ok(collector)
    }

    /// What the process is: its memory, its files. None where the machine does not say.
    #[cfg(target_os = "linux")]
    pub(super) fn process(&self) -> Made<()> {
        let process = prometheus::process_collector::ProcessCollector::for_self();
        let described = process.collect().into_iter().map(|family| Described {
            name: family.name().to_owned(),
            kind: if family.name().ends_with("_total") { "counter" } else { "gauge" },
            labels: Vec::new(),
            help: family.help().to_owned(),
        });
        self.described.borrow_mut().extend(described);
        self.registry.register(Box::new(process))
    }

    #[cfg(not(target_os = "linux"))]
    pub(super) fn process(&self) -> Made<()> {
        Ok(())
    }
}
