//! Providers: what they were asked, how they answered, and which are left alone for a while.

use prometheus::{IntCounterVec, IntGaugeVec};

use crate::metrics::Maker;

/// How a request was met.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Met {
    Answered,
    /// Another provider may well do what this one will not.
    Refused,
    Unreachable,
    Failed,
}

impl Met {
    const ALL: [Self; 4] = [Self::Answered, Self::Refused, Self::Unreachable, Self::Failed];

    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Answered => "answered",
            Self::Refused => "refused",
            Self::Unreachable => "unreachable",
            Self::Failed => "failed",
        }
    }
}

#[derive(Debug, Clone)]
pub struct Providers {
    pub attempts: IntCounterVec,
    replies: IntCounterVec,
    pub failovers: IntCounterVec,
    pub resting: IntGaugeVec,
}

impl Providers {
    pub(super) fn new(new: &Maker<'_>) -> prometheus::Result<Self> {
        Ok(Self {
            attempts: new.counters(
                "jetway_provider_attempts_total",
                "Requests sent to providers, by how they were met: answered, refused (429, 5xx), unreachable, failed.",
                &["provider", "result"],
            )?,
            replies: new.counters(
                "jetway_provider_replies_total",
                "Replies of providers, by their status.",
                &["provider", "status"],
            )?,
            failovers: new.counters(
                "jetway_provider_failovers_total",
                "Requests that went on to the next provider, by the one that did not serve them.",
                &["provider"],
            )?,
            resting: new.gauges(
                "jetway_provider_resting",
                "1 while a provider's breaker is open, so that others are asked first; else 0.",
                &["provider"],
            )?,
        })
    }

    /// These are the providers now, and their breakers are closed.
    pub(super) fn are<'a>(&self, providers: impl Iterator<Item = &'a str>) {
        self.resting.reset();
        for provider in providers {
            for result in Met::ALL.map(Met::name) {
                self.attempts.with_label_values(&[provider, result]);
            }
            self.failovers.with_label_values(&[provider]);
            self.resting.with_label_values(&[provider]).set(0);
        }
    }

    /// Counts a reply by its status.
    pub fn replied(&self, provider: &str, status: http::StatusCode) {
        self.replies.with_label_values(&[provider, status.as_str()]).inc();
    }
}
