//! What is owed to the ledger for an exchange, and when it is told: behind the exchange's record, which is
//! written however long that takes.

use std::time::Duration;

use crate::gate::Jetway;
use crate::ledger::{Charge, Ledger, Refused};
use crate::runs::Record;
pub use crate::runs::pending::Unwritten;
use crate::store::StoreError;
use crate::tab::Tab;

/// A turn that is over: what it is charged, in the place of what is held for it.
#[derive(Debug, Clone)]
pub struct Owed {
    hold: String,
    policy: String,
    /// What was set aside for it, in each account, and what it cost.
    held: Vec<u64>,
    charges: Vec<Charge>,
}

impl Owed {
    /// None where nothing was set aside.
    #[must_use]
    pub fn of(tab: &Tab, charges: Vec<Charge>) -> Option<Self> {
        let (hold, policy) = (tab.hold.clone(), tab.payer.policy.clone());
        (!charges.is_empty()).then(|| Self { hold, policy, held: tab.held(), charges })
    }

    /// Holds what it cost, so that what follows is reserved from what is really left, and a process that
    /// dies is charged no more and no less. Where there is no room for that, all that there is.
    pub async fn hold(&self, ledger: &dyn Ledger) {
        let mut charges = self.charges.clone();
        for _ in 0..TRIES {
            match ledger.resize(&self.policy, &self.hold, charges.clone()).await {
                Err(Refused::Denied { standings, .. }) if standings.len() == charges.len() => {
                    for ((charge, held), standing) in charges.iter_mut().zip(&self.held).zip(&standings) {
                        charge.amount = charge.amount.min(held.saturating_add(standing.left()));
                    }
                }
                // It is charged in the end all the same, and the estimate is held until then.
                Ok(_) | Err(_) => return,
            }
        }
    }

    /// Charges it, also when the ledger fails for a while: a hold that is not settled keeps its amount.
    pub async fn settle(self, jetway: &Jetway) {
        let exchange = self.hold;
        for attempt in 0..ATTEMPTS {
            match jetway.ledger.settle(&self.policy, &exchange, self.charges.clone()).await {
                Ok(()) => return,
                Err(error) => tracing::error!(exchange, %error, attempt, "a hold could not be settled yet"),
            }
            tokio::time::sleep(Duration::from_secs(1 << attempt)).await;
        }
        jetway.metrics.budgets.unsettled.inc();
        tracing::error!(exchange, "a hold was not settled, and is charged in full at the next start");
    }
}

/// Writes down an exchange, however long that takes. What it cost is held until then.
pub async fn record(jetway: &Jetway, record: &Record, owed: &[Owed]) {
    let waiting = jetway.records.enter();
    let written = jetway.log.write(record).await;
    drop(waiting);
    if let Err(error) = written {
        for owed in owed {
            owed.hold(&*jetway.ledger).await;
        }
        write_again(jetway, Unwritten::Exchange(record), error).await;
    }
}

/// Writes what could not be written to the run log at once: until it is there, or this process is to end.
pub async fn write_again(jetway: &Jetway, unwritten: Unwritten<'_>, error: StoreError) {
    jetway.metrics.runs.unwritten.inc();
    jetway.records.write(&jetway.log, unwritten, error).await;
}

/// Why a request is refused of which not even that could be written down: so many records wait.
pub const UNRECORDED: &str = "unrecorded";

/// Others may take what is left in between.
const TRIES: u32 = 3;

/// How often a settlement is tried, with longer and longer pauses: for a minute in all.
const ATTEMPTS: u32 = 6;

#[cfg(test)]
mod tests {
    use jetway_core::policy::budget::OnError;
    use jetway_core::policy::budget::window::Every;

    use super::*;
    use crate::ledger::{Ask, Embedded};

    /// What an account holds of a hundred, where `held` and `others` are set aside and the turn then turns
    /// out to have cost so much.
    async fn check((held, others): (u64, u64), cost: u64, expect: u64) {
        let folder = tempfile::tempdir().unwrap();
        let ledger = Embedded::open(&folder.path().join("l.db")).unwrap();
        let account = String::from("p/user=ada/tokens/day");
        let charge = |amount: u64| vec![Charge { account: account.clone(), every: Every::Day, limit: 100, amount }];
        for (exchange, amount) in [("x_1", held), ("x_2", others)] {
            let (exchange, policy) = (exchange.to_owned(), String::from("p"));
            let ask = Ask { exchange, policy, charges: charge(amount), enforce: true, on_error: OnError::Refuse };
            ledger.reserve(ask).await.unwrap();
        }
        let owed = Owed { hold: "x_1".into(), policy: "p".into(), held: vec![held], charges: charge(cost) };
        owed.hold(&ledger).await;
        let standing = ledger.standings("p", charge(0)).await.unwrap()[0];
        assert_eq!((standing.used, standing.held), (0, expect), "{held} {others} {cost}");
    }

    #[tokio::test]
    async fn what_a_turn_cost_is_held_as_far_as_there_is_room() {
        check((40, 20), 10, 30).await;
        check((40, 20), 40, 60).await;
        check((40, 20), 70, 90).await;
        check((40, 20), 90, 100).await;
        check((40, 60), 90, 100).await;
        check((40, 0), 0, 0).await;
    }
}
