//! A ledger of which it is told how long it takes to answer.

use std::time::Instant;

use jetway_core::policy::budget::account::Standing;

use crate::ledger::{Amendment, Ask, Charge, Ledger, Listed, Pending, Refused, Unreachable};
use crate::metrics::Stores;

/// A ledger, and who is told.
#[derive(Debug)]
pub struct Timed<L> {
    ledger: L,
    stores: Stores,
}

impl<L> Timed<L> {
    #[must_use]
    pub fn new(ledger: L, stores: Stores) -> Self {
        Self { ledger, stores }
    }

    async fn told<T>(&self, pending: Pending<'_, Result<T, Unreachable>>) -> Result<T, Unreachable> {
        let asked = Instant::now();
        let outcome = pending.await;
        self.stores.ledger_answered(asked, outcome.is_ok());
        outcome
    }

    /// The same of what may be refused, which is an answer.
    async fn told_or_refused<T>(&self, pending: Pending<'_, Result<T, Refused>>) -> Result<T, Refused> {
        let asked = Instant::now();
        let outcome = pending.await;
        self.stores.ledger_answered(asked, !matches!(outcome, Err(Refused::Unreachable(_))));
        outcome
    }
}

impl<L: Ledger> Ledger for Timed<L> {
    fn reserve(&self, ask: Ask) -> Pending<'_, Result<Vec<Standing>, Refused>> {
        Box::pin(self.told_or_refused(self.ledger.reserve(ask)))
    }

    fn resize<'a>(
        &'a self,
        policy: &'a str,
        exchange: &'a str,
        charges: Vec<Charge>,
    ) -> Pending<'a, Result<Vec<Standing>, Refused>> {
        Box::pin(self.told_or_refused(self.ledger.resize(policy, exchange, charges)))
    }

    fn settle<'a>(
        &'a self,
        policy: &'a str,
        exchange: &'a str,
        charges: Vec<Charge>,
    ) -> Pending<'a, Result<(), Unreachable>> {
        Box::pin(self.told(self.ledger.settle(policy, exchange, charges)))
    }

    fn standings<'a>(
        &'a self,
        policy: &'a str,
        charges: Vec<Charge>,
    ) -> Pending<'a, Result<Vec<Standing>, Unreachable>> {
        Box::pin(self.told(self.ledger.standings(policy, charges)))
    }

    fn list<'a>(&'a self, policies: &'a [String]) -> Pending<'a, Result<Listed, Unreachable>> {
        Box::pin(self.told(self.ledger.list(policies)))
    }

    fn amend<'a>(&'a self, policy: &'a str, amendment: Amendment) -> Pending<'a, Result<bool, Unreachable>> {
        Box::pin(self.told(self.ledger.amend(policy, amendment)))
    }

    fn purge(&self) -> Pending<'_, Result<(), Unreachable>> {
        self.ledger.purge()
    }

    fn waiting(&self) -> usize {
        self.ledger.waiting()
    }

    fn events(&self) -> Vec<(&'static str, u64)> {
        self.ledger.events()
    }
}
