//! Documentation: where it comes from, how old it is, what of it is shown, and what that does to the
//! providers' caches.

use std::time::Duration;

use jetway_core::policy::context::LeftOut;
use prometheus::{GaugeVec, HistogramVec, IntCounterVec, IntGaugeVec};

use crate::metrics::{Labels, Maker};
use crate::runs::Record;

/// An hour to a quarter of a year.
const AGES: &[f64] =
    &[3_600.0, 21_600.0, 86_400.0, 259_200.0, 604_800.0, 1_209_600.0, 2_592_000.0, 5_184_000.0, 7_776_000.0];

#[derive(Debug, Clone)]
pub struct Docs {
    passages: IntCounterVec,
    ages: HistogramVec,
    left_out: IntCounterVec,
    pub fetches: IntCounterVec,
    pages: IntGaugeVec,
    stale: IntGaugeVec,
    unreadable: IntGaugeVec,
    failing: IntGaugeVec,
    confirmed: GaugeVec,
    pub embeddings: IntCounterVec,
    pub prefix_breaks: IntCounterVec,
}

/// The pages of one source.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Pages {
    pub count: usize,
    pub stale: usize,
    /// Those that cannot be read or that there is no room for, and are left out.
    pub unread: usize,
    /// Those of which their server says that there are none any more, lists too.
    pub gone: usize,
    /// Those that have failed for a day or longer, lists too.
    pub failing: usize,
    /// When the one of which that is longest ago was seen to be current: seconds since 1970.
    pub confirmed: f64,
}

impl Docs {
    pub(super) fn new(new: &Maker<'_>) -> prometheus::Result<Self> {
        let source = &["policy", "source"];
        Ok(Self {
            passages: new.counters(
                "jetway_passages_total",
                "Passages put before a model, counted once a request.",
                &["policy"],
            )?,
            ages: new.histograms(
                "jetway_passage_age_seconds",
                "How long ago a passage was last seen to be current when it was chosen.",
                (&["policy"], AGES),
            )?,
            left_out: new.counters(
                "jetway_passages_left_out_total",
                "Passages that answer a task and were not shown: for another language or framework than the project's, or stale where that is refused.",
                &["policy", "reason"],
            )?,
            fetches: new.counters(
                "jetway_docs_fetches_total",
                "Pages of documentation that were asked for, by what came of it.",
                &["policy", "result"],
            )?,
            pages: new.gauges("jetway_docs_pages", "Pages of documentation, by their source.", source)?,
            stale: new.gauges(
                "jetway_docs_stale_pages",
                "Pages of documentation that are older than their source's max_age.",
                source,
            )?,
            unreadable: new.gauges(
                "jetway_docs_unreadable_pages",
                "Pages that are left out: of a folder and cannot be read, or beyond what one policy may have.",
                source,
            )?,
            failing: new.gauges(
                "jetway_docs_failing_pages",
                "Pages and lists that cannot be fetched: gone, where their server says that there is none any more (404 or 410), or failing, where they have failed for a day or longer.",
                &["policy", "source", "state"],
            )?,
            confirmed: new.levels(
                "jetway_docs_confirmed_timestamp_seconds",
                "When the page of a source of which that is longest ago was last seen to be current, in seconds since 1970.",
                source,
            )?,
            embeddings: new.counters(
                "jetway_embeddings_total",
                "Texts that a model was asked the meaning of, for ranking: sections of documentation and queries, by what came of it.",
                &["policy", "about", "result"],
            )?,
            prefix_breaks: new.counters(
                "jetway_prompt_prefix_breaks_total",
                "Times that a prompt did not begin as the one before it in its conversation, so that the provider's cache was missed, by cause: `agent` where the agent itself told something else or left something out first, and all others where Jetway did.",
                &["policy", "cause"],
            )?,
        })
    }

    pub(super) fn ended(&self, record: &Record, Labels { policy, .. }: Labels<'_>) {
        self.passages.with_label_values(&[policy]).inc_by(record.passages.len() as u64);
    }

    /// Counts what was chosen for a task: how old it is, and what was left out.
    pub fn chose(&self, policy: &str, ages: &[Duration], left_out: LeftOut) {
        let of_policy = self.ages.with_label_values(&[policy]);
        ages.iter().for_each(|age| of_policy.observe(age.as_secs_f64()));
        let LeftOut { languages, frameworks, stale } = left_out;
        for (reason, count) in [("language", languages), ("framework", frameworks), ("stale", stale)] {
            self.left_out.with_label_values(&[policy, reason]).inc_by(count as u64);
        }
    }

    /// What there is of a source now.
    pub fn holds(&self, policy: &str, source: &str, pages: Pages) {
        let count = |count: usize| i64::try_from(count).unwrap_or(i64::MAX);
        self.pages.with_label_values(&[policy, source]).set(count(pages.count));
        self.stale.with_label_values(&[policy, source]).set(count(pages.stale));
        self.unreadable.with_label_values(&[policy, source]).set(count(pages.unread));
        for (state, pages) in [("gone", pages.gone), ("failing", pages.failing)] {
            self.failing.with_label_values(&[policy, source, state]).set(count(pages));
        }
        if pages.count > 0 {
            self.confirmed.with_label_values(&[policy, source]).set(pages.confirmed);
        }
    }

    /// Forgets a source that is no more.
    pub fn forget(&self, policy: &str, source: &str) {
        // They are errors only where there was nothing to forget.
        drop(self.pages.remove_label_values(&[policy, source]));
        drop(self.stale.remove_label_values(&[policy, source]));
        drop(self.unreadable.remove_label_values(&[policy, source]));
        for state in ["gone", "failing"] {
            drop(self.failing.remove_label_values(&[policy, source, state]));
        }
        drop(self.confirmed.remove_label_values(&[policy, source]));
    }
}
