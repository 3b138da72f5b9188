//! An exchange that is over: it is billed, told, recorded and settled, while nobody waits.

use std::sync::Arc;

use jetway_core::policy::breadcrumbs::Spent;
use jiff::Timestamp;
use tokio::task::JoinHandle;

use super::{short, tell};
use crate::alike::Opening;
use crate::bill::Turn;
use crate::endings::{self, Left, Whose};
use crate::gate::{Gate, Jetway};
use crate::metrics::Labels;
use crate::runs::Record;
use crate::settling::{self, Owed, UNRECORDED};
use crate::tab::Account;

/// An exchange that is over, and is yet to be settled and recorded.
pub(super) struct Ended {
    pub(super) jetway: Arc<Jetway>,
    pub(super) gate: Arc<Gate>,
    pub(super) record: Record,
    /// A conversation that began with it, and was answered.
    pub(super) answered: Option<Opening>,
    /// Its turns before the last.
    pub(super) owed: Vec<Owed>,
    pub(super) last: Turn,
    pub(super) account: Option<Account>,
    /// What it leaves behind in its run, and which that is.
    pub(super) left: Option<(String, Left)>,
    /// Until the others of a fleet know that its run was served here.
    pub(super) seen: Option<JoinHandle<()>>,
    /// Whether the last turn is one of several.
    pub(super) is_inner: bool,
}

impl Ended {
    pub(super) async fn conclude(mut self) {
        let jetway = Arc::clone(&self.jetway);
        // First of all, for the agent's next request goes by it.
        if let Some(opening) = self.answered.take() {
            opening.answered(&jetway).await;
        }
        self.record.served_model = self.last.reading.model.as_deref().map(short);
        self.record.stop = self.last.reading.stop.as_deref().map(short);
        let model = self.last.tab.as_ref().map_or_else(|| String::from("other"), |tab| tab.payer.model.clone());
        let tab = self.last.tab.clone();
        let bill = self.last.bill().await;
        if let Some(inner) = self.record.inner.last_mut().filter(|_| self.is_inner) {
            bill.tell(inner);
        }
        let charges = bill.add_to(&mut self.record);
        self.owed.extend(tab.and_then(|tab| Owed::of(&tab, charges)));
        let policy = self.record.policy.clone().unwrap_or_else(|| String::from("none"));
        // So early, for the agent's next request goes by it too.
        if let Some(account) = &self.account {
            spend(&jetway, account, &self.record).await;
        }
        if let Some((run, left)) = self.left.take() {
            // What it leaves behind comes after what others knew of the run.
            if let Some(seen) = self.seen.take() {
                let seen = seen.await;
                tracing::trace!(is_seen = seen.is_ok(), "others know that this run was served here");
            }
            jetway.endings.left(&run, Left { cost_micros: self.record.cost_micros, ..left });
        }
        let rules = self.gate.config.policies.get(&policy).and_then(|policy| policy.lockdown.as_deref());
        let labels = Labels::of(&self.gate.config, &self.record, &model);
        jetway.metrics.ended(&self.record, labels, rules);
        tell(&self.record, labels);
        jetway.traces.exchange(&jetway.gate.load().config, &self.record);
        // Before it is settled: whenever this process dies, what was settled is in the log.
        if self.record.reason != Some(UNRECORDED) {
            settling::record(&jetway, &self.record, &self.owed).await;
        }
        for owed in std::mem::take(&mut self.owed) {
            owed.settle(&jetway).await;
        }
    }
}

/// A request of a run is served here: the others of a fleet are to know, and what it was told by them is to
/// be known here.
pub(super) async fn seen(jetway: &Jetway, whose: &Whose) {
    let (run, here) = (&whose.run, jetway.endings.here());
    let (id, next) = (jetway.endings.id(run).unwrap_or_default(), endings::opening());
    let seen = jetway.state.seen(run, here, (&whose.policy, &whose.user), (&id, &next)).await;
    jetway.state.hold_open(vec![run.clone()]).await;
    let Some((id, before)) = seen else { return };
    jetway.endings.called(run, &id, before.as_ref().is_some_and(|before| before.is_over));
    let kept = match before {
        Some(before) if before.by != here && !before.is_over => jetway.state.kept_facts(run).await,
        _ => None,
    };
    if let Some(facts) = kept.and_then(|text| serde_json::from_str(&text).ok()) {
        jetway.endings.take_up_from_elsewhere(facts, Timestamp::now());
    }
}

/// Adds what an exchange cost to what its run's step has used.
async fn spend(jetway: &Jetway, Account { run, step }: &Account, record: &Record) {
    let spent = Spent { micros: record.cost_micros, tokens: record.usage.total() };
    if let Err(error) = jetway.state.spend(run, *step, spent).await {
        tracing::error!(%error, "what a step has used could not be counted");
    }
}
