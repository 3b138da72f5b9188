//! Where budgets are counted: what is used, and what is held by requests that are under way.

mod embedded;

pub use embedded::Ledger;

use jetway_core::policy::budget::{Cap, Denied, Spend};

use crate::store::StoreError;

/// An account that a request is charged to, with the cap that governs it.
#[derive(Debug, Clone)]
pub struct Charge {
    pub account: String,
    pub cap: Cap,
}

/// Proof that the most that a request can cost was set aside, without which nothing is sent.
#[derive(Debug)]
pub struct Hold {
    asked: Spend,
}

impl Hold {
    /// For requests that cost nothing.
    #[must_use]
    pub fn free() -> Self {
        Self { asked: Spend::default() }
    }

    /// What was set aside.
    #[must_use]
    pub fn asked(&self) -> Spend {
        self.asked
    }
}

#[derive(Debug, thiserror::Error)]
pub enum Refused {
    #[error(transparent)]
    Denied(#[from] Denied),
    /// The ledger itself failed, so nobody can say what is left.
    #[error(transparent)]
    Store(#[from] StoreError),
}
