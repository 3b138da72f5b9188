//! What this process knows of its own: its open holds, what it has settled lately, and what it has
//! leased to serve from while the server cannot be reached.

use std::collections::{BTreeSet, HashMap, VecDeque};
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use crate::ledger::Charge;

/// One account's part of a hold or of a cost.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Part {
    pub(super) account: String,
    pub(super) limit: u64,
    pub(super) amount: u64,
    /// The window that admitted it; none where only the server can tell.
    pub(super) number: Option<i64>,
}

/// Where an open hold stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Kept {
    /// With the server.
    Server,
    /// In a lease of ours, until the server can be told; its key.
    Lease(String),
    /// Nowhere: it was let through while nobody could say.
    Nowhere,
}

#[derive(Debug, Clone)]
pub(super) struct Open {
    pub(super) policy: String,
    pub(super) parts: Vec<Part>,
    pub(super) kept: Kept,
}

/// An exchange that is to be charged.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Owed {
    pub(super) policy: String,
    pub(super) exchange: String,
    pub(super) parts: Vec<Part>,
}

/// An allowance that was set aside with the server, to serve from.
#[derive(Debug, Clone)]
pub(super) struct Lease {
    /// Its exchange with the server.
    pub(super) id: String,
    pub(super) policy: String,
    pub(super) parts: Vec<Part>,
    /// What is left of it, in each account.
    pub(super) rest: Vec<u64>,
    pub(super) made: Instant,
    pub(super) used: Instant,
    /// Whether something was served from it, so that it is to be given back.
    pub(super) is_touched: bool,
}

impl Lease {
    /// What is to be told of it when it is of no more use: that it cost nothing.
    pub(super) fn unspent(&self) -> Owed {
        let parts = self.parts.iter().map(|part| Part { amount: 0, ..part.clone() }).collect();
        Owed { policy: self.policy.clone(), exchange: self.id.clone(), parts }
    }
}

#[derive(Debug, Default)]
pub(super) struct Book {
    pub(super) open: HashMap<String, Open>,
    settled: VecDeque<(Instant, Owed)>,
    pub(super) leases: HashMap<String, Lease>,
    /// What is leased of each account, in all.
    leased: HashMap<String, u64>,
    /// Keys of leases that are being asked for.
    asked: BTreeSet<String>,
    /// Leases that are wanted and yet to be asked for.
    pub(super) wanted: Vec<(String, Vec<Charge>)>,
    pub(super) policies: BTreeSet<String>,
    /// The epoch of each policy's data: another one means that the server has lost them.
    pub(super) epochs: HashMap<String, String>,
}

/// How long a settlement is kept, to be told again to a server that has lost it.
const LATELY: Duration = Duration::from_secs(600);
const MOST_SETTLED: usize = 50_000;
const MOST_LEASES: usize = 10_000;
/// A lease is this many times what was asked for, and no more than this part of what is left.
const LEASED: u64 = 4;
const PART: u64 = 16;
/// A lease is given back after so long, and asked for anew.
const LEASED_FOR: Duration = Duration::from_secs(300);

impl Book {
    /// Notes what was settled with the server.
    pub(super) fn settled(&mut self, owed: Owed, now: Instant) {
        self.settled.push_back((now, owed));
        while self.settled.len() > MOST_SETTLED
            || self.settled.front().is_some_and(|(at, _)| now.duration_since(*at) > LATELY)
        {
            self.settled.pop_front();
        }
    }

    /// What was settled lately.
    pub(super) fn lately(&self) -> Vec<Owed> {
        self.settled.iter().map(|(_, owed)| owed.clone()).collect()
    }

    /// What a lease for these charges should be, where enough is left and there is none. All leases
    /// of an account together are no more than a part of what is left of it.
    pub(super) fn wants_lease(&mut self, policy: &str, charges: &[Charge], left: &[u64]) -> Option<Vec<Charge>> {
        let key = key(policy, charges.iter().map(|charge| charge.account.as_str()));
        if let Some(lease) = self.leases.get_mut(&key) {
            lease.used = Instant::now();
            return None;
        }
        if charges.is_empty() || self.leases.len() + self.asked.len() >= MOST_LEASES || self.asked.contains(&key) {
            return None;
        }
        let lease = |(charge, left): (&Charge, &u64)| {
            let taken = self.leased.get(&charge.account).copied().unwrap_or(0);
            let room = (left / PART).saturating_sub(taken);
            let amount = charge.amount.saturating_mul(LEASED).min(room);
            (amount >= charge.amount.max(1)).then(|| Charge { amount, ..charge.clone() })
        };
        let leases: Vec<Charge> = charges.iter().zip(left).map(lease).collect::<Option<_>>()?;
        for lease in &leases {
            *self.leased.entry(lease.account.clone()).or_default() += lease.amount;
        }
        self.asked.insert(key);
        Some(leases)
    }

    /// Notes a lease that was asked for; none when there was no room for it.
    pub(super) fn leased(&mut self, policy: &str, charges: &[Charge], lease: Option<Lease>) {
        let key = key(policy, charges.iter().map(|charge| charge.account.as_str()));
        self.asked.remove(&key);
        if lease.is_none() {
            charges.iter().for_each(|charge| self.unlease(&charge.account, charge.amount));
        }
        if let Some(lease) = lease {
            let open = Open { policy: policy.to_owned(), parts: lease.parts.clone(), kept: Kept::Server };
            self.open.insert(lease.id.clone(), open);
            self.leases.insert(key, lease);
        }
    }

    fn unlease(&mut self, account: &str, amount: u64) {
        if let Some(leased) = self.leased.get_mut(account) {
            *leased = leased.saturating_sub(amount);
            if *leased == 0 {
                self.leased.remove(account);
            }
        }
    }

    /// Takes what is asked for out of a lease. The parts are those of the lease's windows.
    pub(super) fn out_of_lease(&mut self, policy: &str, charges: &[Charge]) -> Option<Open> {
        let key = key(policy, charges.iter().map(|charge| charge.account.as_str()));
        let lease = self.leases.get_mut(&key)?;
        let mut parts = Vec::with_capacity(charges.len());
        for charge in charges {
            let at = lease.parts.iter().position(|part| part.account == charge.account)?;
            if lease.rest[at] < charge.amount {
                return None;
            }
            parts.push(Part { amount: charge.amount, ..lease.parts[at].clone() });
        }
        for part in &parts {
            give(lease, &part.account, -i128::from(part.amount));
        }
        lease.used = Instant::now();
        lease.is_touched = true;
        Some(Open { policy: policy.to_owned(), parts, kept: Kept::Lease(key) })
    }

    /// Changes what an exchange holds of its lease. Returns whether there was room.
    pub(super) fn resize_in_lease(&mut self, exchange: &str, charges: &[Charge]) -> bool {
        let Some(open) = self.open.get_mut(exchange) else { return false };
        let Kept::Lease(key) = &open.kept else { return false };
        let Some(lease) = self.leases.get_mut(key) else { return false };
        let wanted =
            |part: &Part| charges.iter().find(|charge| charge.account == part.account).map(|found| found.amount);
        let more = |part: &Part| i128::from(wanted(part).unwrap_or(part.amount)) - i128::from(part.amount);
        let fits = |part: &Part| {
            let at = lease.parts.iter().position(|leased| leased.account == part.account);
            at.is_some_and(|at| i128::from(lease.rest[at]) >= more(part))
        };
        if !open.parts.iter().all(fits) {
            return false;
        }
        for part in &mut open.parts {
            let more = more(part);
            give(lease, &part.account, -more);
            part.amount = wanted(part).unwrap_or(part.amount);
        }
        true
    }

    /// Takes an exchange out of the open ones. What it did not cost goes back into its lease.
    pub(super) fn close(&mut self, exchange: &str, costs: &[Charge]) -> Option<Open> {
        let open = self.open.remove(exchange)?;
        if let Kept::Lease(key) = &open.kept
            && let Some(lease) = self.leases.get_mut(key)
        {
            for part in &open.parts {
                let cost =
                    costs.iter().find(|cost| cost.account == part.account).map_or(part.amount, |cost| cost.amount);
                give(lease, &part.account, i128::from(part.amount) - i128::from(cost));
            }
        }
        Some(open)
    }

    /// Takes out the leases that nobody has used for so long, and old ones: they are allowances of
    /// windows that may be over.
    pub(super) fn idle_leases(&mut self, idle: Duration) -> Vec<Lease> {
        self.take_leases(|lease| lease.used.elapsed() >= idle || lease.made.elapsed() >= LEASED_FOR)
    }

    /// Takes out the leases that something was served from.
    pub(super) fn touched_leases(&mut self) -> Vec<Lease> {
        self.take_leases(|lease| lease.is_touched)
    }

    fn take_leases(&mut self, of: impl Fn(&Lease) -> bool) -> Vec<Lease> {
        let taken: Vec<Lease> = self.leases.extract_if(|_, lease| of(lease)).map(|(_, lease)| lease).collect();
        for part in taken.iter().flat_map(|lease| &lease.parts) {
            self.unlease(&part.account, part.amount);
        }
        taken
    }

    /// Notes the epoch that a script answered with. Returns whether the policy's data are others
    /// than they were.
    pub(super) fn epoch(&mut self, policy: &str, epoch: &str) -> bool {
        match self.epochs.get(policy) {
            Some(known) if known == epoch => false,
            known => {
                let is_other = known.is_some_and(|known| !known.is_empty());
                self.epochs.insert(policy.to_owned(), epoch.to_owned());
                is_other
            }
        }
    }
}

fn give(lease: &mut Lease, account: &str, amount: i128) {
    if let Some(at) = lease.parts.iter().position(|part| part.account == account) {
        let rest = i128::from(lease.rest[at]).saturating_add(amount).max(0);
        lease.rest[at] = u64::try_from(rest).unwrap_or(u64::MAX);
    }
}

/// What a lease is known by: its accounts, in any order.
fn key<'a>(policy: &str, accounts: impl Iterator<Item = &'a str>) -> String {
    let accounts: BTreeSet<&str> = accounts.collect();
    format!("{policy} {}", accounts.into_iter().collect::<Vec<_>>().join(" "))
}
