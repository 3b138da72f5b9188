//! Where budgets are counted: what is used, and what is held by exchanges that are under way.
//!
//! A ledger keeps accounts and answers four questions in one step each: set this aside, in all
//! accounts or in none; set that aside instead; charge this much and give back the rest; how do
//! they stand. Every call may be repeated: with the id of the same exchange it counts once.

mod embedded;
mod redis;

#[cfg(test)]
mod suite;

pub use crate::link::Unreachable;
pub use embedded::Embedded;
pub use redis::{Redis, Unusable};

use std::fmt::Debug;
use std::future::Future;
use std::pin::Pin;

use jetway_core::policy::budget::OnError;
use jetway_core::policy::budget::account::Standing;
use jetway_core::policy::budget::window::Every;
use jetway_core::price::{BadDollars, micros};
use jiff::Timestamp;

/// What a ledger is waited for by.
pub type Pending<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// An account that an exchange is charged to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Charge {
    /// Its name: policy, scope, unit and window, between slashes.
    pub account: String,
    pub every: Every,
    /// The limit by the policy, without what an operator has added to it.
    pub limit: u64,
    /// What is asked for, held or spent, in the unit of the account.
    pub amount: u64,
}

/// A request to set something aside.
#[derive(Debug, Clone)]
pub struct Ask {
    pub exchange: String,
    pub policy: String,
    pub charges: Vec<Charge>,
    /// Without it nothing is refused; it is only counted.
    pub enforce: bool,
    /// What happens while the ledger cannot be reached.
    pub on_error: OnError,
}

/// Why nothing was set aside.
#[derive(Debug, Clone, thiserror::Error)]
pub enum Refused {
    /// The account at this place has no room. The standings are those of all accounts.
    #[error("there is no room in the account at {at}")]
    Denied { at: usize, standings: Vec<Standing> },
    #[error(transparent)]
    Unreachable(#[from] Unreachable),
}

/// An account as an operator sees it.
#[derive(Debug, Clone, serde::Serialize)]
pub struct Line {
    pub account: String,
    pub every: Every,
    #[serde(flatten)]
    pub standing: Standing,
}

/// A hold whose process died, charged in full.
#[derive(Debug, Clone, serde::Serialize)]
pub struct Abandoned {
    pub exchange: String,
    pub account: String,
    pub amount: u64,
    pub at: Timestamp,
}

/// Accounts, and the holds whose process died.
pub type Listed = (Vec<Line>, Vec<Abandoned>);

/// What an operator changes by hand.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Amendment {
    /// The limit of an account is so much higher until then.
    Raise { account: String, amount: u64, until: Timestamp },
    /// What was used in the current window is forgotten, and what is owed.
    Reset { account: String },
    /// What an abandoned hold was charged is given back.
    Release { exchange: String },
}

/// A ledger. Its clock is its own, and never goes back.
pub trait Ledger: Debug + Send + Sync {
    /// Sets aside what is asked for in all accounts, or in none; it is kept safe when this returns.
    /// Returns how the accounts stand with it.
    fn reserve(&self, ask: Ask) -> Pending<'_, Result<Vec<Standing>, Refused>>;

    /// Sets these amounts aside instead, in all accounts or in none. What is less is given back.
    /// An exchange that was settled already is left alone.
    fn resize<'a>(
        &'a self,
        policy: &'a str,
        exchange: &'a str,
        charges: Vec<Charge>,
    ) -> Pending<'a, Result<Vec<Standing>, Refused>>;

    /// Charges what an exchange really cost to the windows that it was admitted in, and gives back
    /// the rest.
    fn settle<'a>(
        &'a self,
        policy: &'a str,
        exchange: &'a str,
        charges: Vec<Charge>,
    ) -> Pending<'a, Result<(), Unreachable>>;

    /// How accounts stand; the amounts of the charges do not count.
    fn standings<'a>(
        &'a self,
        policy: &'a str,
        charges: Vec<Charge>,
    ) -> Pending<'a, Result<Vec<Standing>, Unreachable>>;

    /// Every account of these policies that was used lately, and the holds whose process died.
    fn list<'a>(&'a self, policies: &'a [String]) -> Pending<'a, Result<Listed, Unreachable>>;

    /// Changes something by hand. Returns whether there was anything to change.
    fn amend<'a>(&'a self, policy: &'a str, amendment: Amendment) -> Pending<'a, Result<bool, Unreachable>>;

    /// Forgets what no longer matters.
    fn purge(&self) -> Pending<'_, Result<(), Unreachable>>;

    /// Calls that wait to be answered.
    fn waiting(&self) -> usize;

    /// What it went through, by name; each only grows.
    fn events(&self) -> Vec<(&'static str, u64)> {
        Vec::new()
    }
}

/// The window of an account, by its name; none for a name that is not one.
#[must_use]
pub fn every_of(account: &str) -> Option<Every> {
    Every::parse(account.rsplit('/').next()?)
}

/// The policy of an account, by its name.
#[must_use]
pub fn policy_of(account: &str) -> &str {
    account.split('/').next().unwrap_or_default()
}

/// Whether an account counts dollars, by its name.
#[must_use]
pub fn is_money(account: &str) -> bool {
    account.rsplit('/').nth(1) == Some("usd")
}

/// An amount as an operator writes it for this account: dollars, or tokens.
///
/// # Errors
/// When it is no amount of dollars.
pub fn amount_for(account: &str, written: f64) -> Result<u64, BadDollars> {
    let micros = micros(written)?;
    Ok(if is_money(account) { micros } else { micros / 1_000_000 })
}
