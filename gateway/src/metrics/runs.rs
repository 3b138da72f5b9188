//! Runs: that they began, what they took, how they ended, and what their agents said of them.

use prometheus::{CounterVec, HistogramVec, IntCounter, IntCounterVec, IntGauge};

use crate::metrics::{Labels, Maker, dollars};
use crate::runs::{Record, StepLeft};

/// Requests that a run takes.
const TURNS: &[f64] = &[1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0, 200.0, 500.0, 1_000.0];
/// Dollars that it takes.
const DOLLARS: &[f64] = &[0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1.0, 5.0, 10.0, 50.0, 100.0];

#[derive(Debug, Clone)]
pub struct Runs {
    pub started: IntCounterVec,
    pub open: IntGauge,
    ended: IntCounterVec,
    turns: HistogramVec,
    cost: HistogramVec,
    /// Those under a policy that asks, by what came of that.
    pub asked: IntCounterVec,
    pub findings: IntCounterVec,
    pub bodies: IntCounterVec,
    pub spans: IntCounterVec,
    pub unwritten: IntCounter,
    pub steps: Steps,
}

/// What a run took, as far as this process saw it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Took {
    pub turns: u32,
    pub cost_micros: u64,
}

impl Runs {
    pub(super) fn new(new: &Maker<'_>) -> prometheus::Result<Self> {
        Ok(Self {
            started: new.counters("jetway_runs_started_total", "Runs of which a first request came.", &["policy"])?,
            open: new.gauge("jetway_open_runs", "Runs that have not ended.")?,
            ended: new.counters("jetway_runs_ended_total", "Runs that ended, by how.", &["policy", "ending"])?,
            turns: new.histograms(
                "jetway_run_turns",
                "Requests that a run took which ended.",
                (&["policy", "ending"], TURNS),
            )?,
            cost: new.histograms(
                "jetway_run_cost_dollars",
                "US dollars that a run took which ended.",
                (&["policy", "ending"], DOLLARS),
            )?,
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
            unwritten: new.counter(
                "jetway_log_failed_total",
                "Exchanges and endings that could not be written to the run log at once; each is tried again until it is there, or Jetway stops.",
            )?,
            steps: Steps::new(new)?,
        })
    }

    /// Counts a run that ended.
    pub fn ended(&self, policy: &str, ending: &str, took: Took) {
        let labels = [policy, ending];
        self.ended.with_label_values(&labels).inc();
        // Of a run that began elsewhere not all is known.
        if took.turns > 0 {
            self.turns.with_label_values(&labels).observe(f64::from(took.turns));
            self.cost.with_label_values(&labels).observe(dollars(took.cost_micros));
        }
    }
}

/// Steps of breadcrumbs.
#[derive(Debug, Clone)]
pub struct Steps {
    entered: IntCounterVec,
    ended: IntCounterVec,
    turns: IntCounterVec,
    seconds: CounterVec,
    tokens: IntCounterVec,
}

impl Steps {
    fn new(new: &Maker<'_>) -> prometheus::Result<Self> {
        let step = &["policy", "step"];
        Ok(Self {
            entered: new.counters("jetway_steps_entered_total", "Steps of breadcrumbs that runs came to.", step)?,
            ended: new.counters(
                "jetway_steps_total",
                "Steps of breadcrumbs that came to their end, by how.",
                &["policy", "step", "how"],
            )?,
            turns: new.counters(
                "jetway_step_turns_total",
                "Requests that the steps took which came to their end.",
                step,
            )?,
            seconds: new.sums(
                "jetway_step_seconds_total",
                "Seconds that the steps took which came to their end.",
                step,
            )?,
            tokens: new.counters(
                "jetway_step_tokens_total",
                "Tokens that the main conversations of runs used in their steps, read and written, cached or not.",
                step,
            )?,
        })
    }

    pub(super) fn ended(&self, record: &Record, Labels { policy, .. }: Labels<'_>) {
        if let Some(step) = &record.step {
            self.tokens.with_label_values(&[policy, step]).inc_by(record.usage.total());
        }
        for step in &record.steps_entered {
            self.entered.with_label_values(&[policy, step]).inc();
        }
        for StepLeft { step, how, turns, millis, .. } in &record.steps_left {
            self.ended.with_label_values(&[policy, step, how.name()]).inc();
            self.turns.with_label_values(&[policy, step]).inc_by(u64::from(*turns));
            let millis = u32::try_from((*millis).max(0)).unwrap_or(u32::MAX);
            self.seconds.with_label_values(&[policy, step]).inc_by(f64::from(millis) / 1_000.0);
        }
    }
}
