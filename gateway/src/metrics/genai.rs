//! What OpenTelemetry's conventions for generative AI have a name for: the tokens and the times of
//! providers' replies. With them come our own `policy` and `provider`, so that they can be told apart.

use prometheus::{Histogram, HistogramVec, IntCounterVec};

use crate::config::Kind;
use crate::metrics::{Labels, Maker, seconds};
use crate::runs::{Outcome, Record};

/// The labels of each: the last three are the conventions' own.
const LABELS: [&str; 5] =
    ["policy", "provider", "gen_ai_operation_name", "gen_ai_provider_name", "gen_ai_request_model"];
const WITH_ERROR: [&str; 6] = [LABELS[0], LABELS[1], LABELS[2], LABELS[3], LABELS[4], "error_type"];
/// The one operation that passes here.
const CHAT: &str = "chat";

/// Milliseconds to ten minutes and more: what replies take. The conventions' own end at 82 s, which is
/// too short for agents.
const REPLY: &[f64] =
    &[0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64, 1.28, 2.56, 5.12, 10.24, 20.48, 40.96, 81.92, 163.84, 327.68, 655.36];
/// Between two chunks.
const CHUNK: &[f64] = &[0.001, 0.002_5, 0.005, 0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64, 1.28, 5.12, 20.48, 81.92];

#[derive(Debug, Clone)]
pub struct GenAi {
    input: IntCounterVec,
    output: IntCounterVec,
    cache_read: IntCounterVec,
    cache_write: IntCounterVec,
    duration: HistogramVec,
    first_chunk: HistogramVec,
    per_chunk: HistogramVec,
}

impl GenAi {
    pub(super) fn new(new: &Maker<'_>) -> prometheus::Result<Self> {
        let tokens = |kind: &str, help: &str| {
            new.counters(&format!("gen_ai_client_inference_usage_{kind}_tokens_total"), help, &LABELS)
        };
        Ok(Self {
            input: tokens("input", "Tokens of input, those read from and written to a cache among them.")?,
            output: tokens("output", "Tokens of output, those of thinking among them.")?,
            cache_read: tokens("cache_read_input", "Tokens of input that were read from the provider's cache.")?,
            cache_write: tokens("cache_write_input", "Tokens of input that were written to the provider's cache.")?,
            duration: new.histograms(
                "gen_ai_client_operation_duration_seconds",
                "Time from dispatch to the last byte of the provider's reply; `error_type` is empty where it was complete.",
                (&WITH_ERROR, REPLY),
            )?,
            first_chunk: new.histograms(
                "gen_ai_client_operation_time_to_first_chunk_seconds",
                "Time from dispatch to the provider's first byte.",
                (&LABELS, REPLY),
            )?,
            per_chunk: new.histograms(
                "gen_ai_client_operation_time_per_output_chunk_seconds",
                "Time between two chunks of a stream, as the provider sent them.",
                (&LABELS, CHUNK),
            )?,
        })
    }

    /// What the times between the chunks of a reply are told to.
    #[must_use]
    pub fn chunks(&self, labels: Labels<'_>) -> Histogram {
        self.per_chunk.with_label_values(&values(labels))
    }

    pub(super) fn ended(&self, record: &Record, labels: Labels<'_>) {
        // Nobody was asked.
        if labels.kind.is_none() {
            return;
        }
        let (usage, values) = (record.usage, values(labels));
        self.input.with_label_values(&values).inc_by(usage.total().saturating_sub(usage.output));
        self.output.with_label_values(&values).inc_by(usage.output);
        self.cache_read.with_label_values(&values).inc_by(usage.cache_read);
        self.cache_write.with_label_values(&values).inc_by(usage.cache_write);
        if let Some(millis) = record.first_byte_millis {
            self.first_chunk.with_label_values(&values).observe(seconds(millis, 1_000));
        }
        let error = match record.outcome {
            None | Some(Outcome::Complete) => "",
            Some(outcome) => outcome.name(),
        };
        let [policy, provider, operation, name, model] = values;
        let took = record.total_millis.saturating_sub((record.receive_micros + record.decide_micros) / 1_000);
        self.duration
            .with_label_values(&[policy, provider, operation, name, model, error])
            .observe(seconds(took, 1_000));
    }
}

fn values(labels: Labels<'_>) -> [&str; 5] {
    let kind = match labels.kind {
        Some(Kind::Anthropic) => "anthropic",
        Some(Kind::Openai) => "openai",
        None => "none",
    };
    [labels.policy, labels.provider, CHAT, kind, labels.model]
}
