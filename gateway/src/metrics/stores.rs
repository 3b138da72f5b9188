//! The stores: how long they are waited for, what waits, and what failed.

use std::time::Instant;

use prometheus::{HistogramVec, IntCounterVec, IntGauge, IntGaugeVec};

use crate::metrics::{Maker, OWN_SECONDS};
use crate::store::Timing;

#[derive(Debug, Clone)]
pub struct Stores {
    answered: HistogramVec,
    ledger_timing: Timing,
    pub waiting: IntGaugeVec,
    pub ledger: IntCounterVec,
    pub ledger_up: IntGauge,
}

impl Stores {
    pub(super) fn new(new: &Maker<'_>) -> prometheus::Result<Self> {
        let answered = new.histograms(
            "jetway_store_seconds",
            "Time from a question to its answer, by what came of it: of the ledger, and of the databases on this machine: the run log (or its journal), the state of runs, the keys. What waits in a queue waits in it too.",
            (&["store", "result"], OWN_SECONDS),
        )?;
        let of = |result: &str| answered.with_label_values(&["ledger", result]);
        Ok(Self {
            ledger_timing: Timing { done: of("ok"), failed: of("failed") },
            answered,
            waiting: new.gauges(
                "jetway_store_waiting",
                "Jobs that wait for a database; as `postgres`, rows of the run log that it was not told of yet.",
                &["store"],
            )?,
            ledger: new.counters(
                "jetway_ledger_events_total",
                "What a shared ledger went through: requests served from a lease, let through or refused while it was out of reach; holds charged for their process died; holds told again.",
                &["event"],
            )?,
            ledger_up: new.gauge("jetway_ledger_up", "1 where the ledger answered when it was last asked, else 0.")?,
        })
    }

    /// What the answers of a store are told to.
    #[must_use]
    pub fn timing(&self, store: &str) -> Timing {
        let of = |result: &str| self.answered.with_label_values(&[store, result]);
        Timing { done: of("ok"), failed: of("failed") }
    }

    /// The ledger answered; no is an answer too.
    pub fn ledger_answered(&self, asked: Instant, is_answered: bool) {
        self.ledger_timing.tell(asked, is_answered);
        self.ledger_up.set(i64::from(is_answered));
    }
}
