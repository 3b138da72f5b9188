//! The scripts, the names of their keys, and what they answer. Every key that a script touches is
//! named in its call, and all keys of a policy share one hash tag, so that a cluster keeps them
//! together.

use std::sync::LazyLock;

use jetway_core::policy::budget::account::Standing;
use redis::Script;

use crate::ledger::every_of;

macro_rules! scripts {
    ($($name:ident: $($file:literal),+;)*) => {
        $(pub(super) static $name: LazyLock<Script> = LazyLock::new(|| {
            Script::new(concat!($(include_str!(concat!("scripts/", $file, ".lua"))),+))
        });)*
    };
}

scripts! {
    RESERVE: "account", "hold", "reserve";
    RESIZE: "account", "hold", "resize";
    CONCLUDE: "account", "hold", "conclude";
    ASSERT: "account", "hold", "assert";
    STANDINGS: "account", "standings";
    AMEND: "account", "amend";
    RENEW: "account", "renew";
    TOUCH: "account", "touch";
}

/// What a script answers: the epoch of the policy's data, numbers of which the clock is the first
/// and the outcome the second, and names.
pub(super) type Answer = (String, Vec<i64>, Vec<String>);

pub(super) const DENIED: i64 = 1;
pub(super) const UNDECLARED: i64 = 2;
pub(super) const UNKNOWN: i64 = 3;

/// The names of a policy's keys.
#[derive(Debug, Clone)]
pub(super) struct Keys(String);

impl Keys {
    pub(super) fn of(policy: &str) -> Self {
        Self(format!("jetway:{{{policy}}}:"))
    }

    pub(super) fn meta(&self) -> String {
        format!("{}meta", self.0)
    }

    pub(super) fn index(&self) -> String {
        format!("{}index", self.0)
    }

    pub(super) fn leases(&self) -> String {
        format!("{}leases", self.0)
    }

    pub(super) fn charged(&self) -> String {
        format!("{}charged", self.0)
    }

    pub(super) fn account(&self, name: &str) -> String {
        format!("{}a:{name}", self.0)
    }

    pub(super) fn hold(&self, exchange: &str) -> String {
        format!("{}x:{exchange}", self.0)
    }

    /// The keys of a script about one exchange and these accounts.
    pub(super) fn of_hold<'a>(&self, exchange: &str, accounts: impl Iterator<Item = &'a str>) -> Vec<String> {
        let mut keys = vec![self.meta(), self.index(), self.leases(), self.charged(), self.hold(exchange)];
        keys.extend(accounts.map(|account| self.account(account)));
        keys
    }
}

/// A standing as a script tells it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Told {
    pub(super) standing: Standing,
    /// The window that it is of; below zero where there is none yet.
    pub(super) number: i64,
}

/// Reads the standings of these accounts.
pub(super) fn told<'a>(numbers: &[i64], accounts: impl Iterator<Item = &'a str>) -> Vec<Told> {
    let positive = |number: i64| u64::try_from(number).unwrap_or(0);
    let read = |(six, account): (&[i64], &str)| {
        let [limit, used, held, debt, number, oldest] = six.try_into().ok()?;
        let renews = every_of(account).and_then(|every| every.over(oldest));
        let standing = Standing {
            limit: positive(limit),
            used: positive(used),
            held: positive(held),
            debt: positive(debt),
            renews,
        };
        Some(Told { standing, number })
    };
    numbers.chunks_exact(6).zip(accounts).filter_map(read).collect()
}
