//! The ledger of one machine, in SQLite. A reservation is on disk before anything is sent.

use std::path::Path;

use jetway_core::policy::budget::{self, Balance, Denied, Spend};
use jiff::Timestamp;
use rusqlite::{OptionalExtension, Transaction, params};

use crate::ledger::{Charge, Hold, Refused};
use crate::store::{self, Durability, Store, StoreError};

const TABLES: &[&str] = &["
    CREATE TABLE balance (
        account TEXT NOT NULL,
        starts INTEGER NOT NULL,
        used INTEGER NOT NULL DEFAULT 0,
        held INTEGER NOT NULL DEFAULT 0,
        PRIMARY KEY (account, starts)
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE hold (
        exchange TEXT NOT NULL,
        account TEXT NOT NULL,
        starts INTEGER NOT NULL,
        is_money INTEGER NOT NULL,
        amount INTEGER NOT NULL,
        PRIMARY KEY (exchange, account)
    ) STRICT, WITHOUT ROWID;
"];

/// The most that is added up: two of them still fit a number, and no cap is near it.
const MOST: i64 = i64::MAX / 4;

/// Balances of windows that ended this long ago are forgotten.
const KEPT: i64 = 62 * 24 * 3600;

#[derive(Debug, Clone)]
pub struct Ledger {
    store: Store,
}

impl Ledger {
    /// Opens the ledger. Holds of a process that died are charged in full: what it had sent may
    /// have cost that much, and nobody can say how much less.
    ///
    /// # Errors
    /// [`StoreError`] when the file cannot be used.
    pub fn open(path: &Path, now: Timestamp) -> Result<Self, StoreError> {
        let mut connection = store::open(path, Durability::Full, TABLES)?;
        let recovered = recover(&mut connection, now);
        recovered.map_err(|error| StoreError::Database { path: path.to_owned(), why: error.to_string() })?;
        Ok(Self { store: Store::start(path, connection)? })
    }

    /// Sets `asked` aside in every account, or in none. It is on disk when this returns.
    ///
    /// # Errors
    /// [`Refused::Denied`] by the first cap without room, [`Refused::Store`] when the ledger failed.
    pub async fn reserve(
        &self,
        exchange: &str,
        charges: Vec<Charge>,
        asked: Spend,
        now: Timestamp,
    ) -> Result<Hold, Refused> {
        if !charges.is_empty() {
            let exchange = exchange.to_owned();
            let job = move |transaction: &Transaction<'_>| reserve(transaction, &exchange, &charges, asked, now);
            self.store.call(job).await??;
        }
        Ok(Hold { asked })
    }

    /// Charges what an exchange really cost and gives the rest back. Settling twice is settling once.
    ///
    /// # Errors
    /// [`StoreError`] when the ledger failed; the hold then stays.
    pub async fn settle(&self, exchange: &str, spent: Spend) -> Result<(), StoreError> {
        let exchange = exchange.to_owned();
        self.store.call(move |transaction| settle(transaction, &exchange, spent)).await
    }

    /// Forgets windows that are long over.
    ///
    /// # Errors
    /// [`StoreError`] when the ledger failed.
    pub async fn purge(&self, now: Timestamp) -> Result<(), StoreError> {
        self.store.call(move |transaction| forget(transaction, now)).await
    }

    /// Whether it can take a reservation.
    #[must_use]
    pub fn is_alive(&self) -> bool {
        self.store.is_alive()
    }

    /// Jobs that wait for the ledger.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.store.waiting()
    }
}

fn recover(connection: &mut rusqlite::Connection, now: Timestamp) -> rusqlite::Result<()> {
    let transaction = connection.transaction()?;
    transaction.execute("UPDATE balance SET used = min(used + held, ?1), held = 0 WHERE held <> 0", [MOST])?;
    transaction.execute("DELETE FROM hold", [])?;
    forget(&transaction, now)?;
    transaction.commit()
}

fn forget(transaction: &Transaction<'_>, now: Timestamp) -> rusqlite::Result<()> {
    transaction.execute("DELETE FROM balance WHERE starts < ?1", [now.as_second() - KEPT])?;
    Ok(())
}

fn reserve(
    transaction: &Transaction<'_>,
    exchange: &str,
    charges: &[Charge],
    asked: Spend,
    now: Timestamp,
) -> rusqlite::Result<Result<(), Denied>> {
    for charge in charges {
        let starts = charge.cap.every.window(now).0.as_second();
        let balance = balance(transaction, &charge.account, starts)?;
        if let Err(denied) = budget::decide(&charge.cap, balance, asked, now) {
            return Ok(Err(denied));
        }
    }
    for charge in charges {
        let starts = charge.cap.every.window(now).0.as_second();
        let amount = signed(charge.cap.limit.of(asked));
        let is_money = matches!(charge.cap.limit, budget::Amount::Usd(_));
        // Two caps may share an account; it is charged once.
        let added = transaction.execute(
            "INSERT OR IGNORE INTO hold (exchange, account, starts, is_money, amount) VALUES (?1, ?2, ?3, ?4, ?5)",
            params![exchange, charge.account, starts, is_money, amount],
        )?;
        if added == 1 {
            transaction.execute(
                "INSERT INTO balance (account, starts, held) VALUES (?1, ?2, ?3)
                 ON CONFLICT (account, starts) DO UPDATE SET held = min(held + excluded.held, ?4)",
                params![charge.account, starts, amount, MOST],
            )?;
        }
    }
    Ok(Ok(()))
}

fn balance(transaction: &Transaction<'_>, account: &str, starts: i64) -> rusqlite::Result<Balance> {
    let mut statement =
        transaction.prepare_cached("SELECT used, held FROM balance WHERE account = ?1 AND starts = ?2")?;
    let row = |row: &rusqlite::Row<'_>| Ok(Balance { used: unsigned(row.get(0)?), held: unsigned(row.get(1)?) });
    Ok(statement.query_row(params![account, starts], row).optional()?.unwrap_or_default())
}

fn settle(transaction: &Transaction<'_>, exchange: &str, spent: Spend) -> rusqlite::Result<()> {
    let mut statement = transaction
        .prepare_cached("DELETE FROM hold WHERE exchange = ?1 RETURNING account, starts, is_money, amount")?;
    let holds: Vec<(String, i64, bool, i64)> = statement
        .query_map([exchange], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?)))?
        .collect::<Result<_, _>>()?;
    for (account, starts, is_money, amount) in holds {
        let cost = signed(if is_money { spent.micros } else { spent.tokens });
        transaction.execute(
            "UPDATE balance SET used = min(used + ?3, ?5), held = max(held - ?4, 0) WHERE account = ?1 AND starts = ?2",
            params![account, starts, cost, amount, MOST],
        )?;
    }
    Ok(())
}

/// Amounts are far below the end of either type; one that is not is as good as endless.
fn signed(amount: u64) -> i64 {
    i64::try_from(amount).unwrap_or(MOST).min(MOST)
}

fn unsigned(amount: i64) -> u64 {
    u64::try_from(amount).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use jetway_core::policy::budget::{Amount, Cap, Every, Per};

    use super::*;

    fn now() -> Timestamp {
        "2026-11-23T10:00:00Z".parse().unwrap()
    }

    fn charge(account: &str, limit: Amount) -> Charge {
        Charge { account: account.to_owned(), cap: Cap { per: Per::User, limit, every: Every::Day } }
    }

    fn cost(micros: u64) -> Spend {
        Spend { micros, tokens: micros / 10 }
    }

    async fn balance_of(ledger: &Ledger, account: &'static str) -> (u64, u64) {
        let starts = Every::Day.window(now()).0.as_second();
        let found = ledger.store.call(move |t| balance(t, account, starts)).await.unwrap();
        (found.used, found.held)
    }

    #[tokio::test]
    async fn what_is_reserved_is_held_until_it_is_settled() {
        let folder = tempfile::tempdir().unwrap();
        let ledger = Ledger::open(&folder.path().join("l.db"), now()).unwrap();
        let usd = || vec![charge("a", Amount::Usd(100))];
        ledger.reserve("x1", usd(), cost(60), now()).await.unwrap();
        assert!(matches!(ledger.reserve("x2", usd(), cost(41), now()).await, Err(Refused::Denied(_))));
        assert_eq!(balance_of(&ledger, "a").await, (0, 60));
        ledger.settle("x1", cost(10)).await.unwrap();
        assert_eq!(balance_of(&ledger, "a").await, (10, 0));
        ledger.reserve("x3", usd(), cost(90), now()).await.unwrap();
    }

    #[tokio::test]
    async fn absurd_amounts_do_not_break_the_sums() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("l.db");
        let ledger = Ledger::open(&path, now()).unwrap();
        for n in 0..6 {
            let id = format!("x{n}");
            ledger.reserve(&id, vec![charge("a", Amount::Usd(u64::MAX))], cost(60), now()).await.unwrap();
            ledger.settle(&id, Spend { micros: u64::MAX, tokens: u64::MAX }).await.unwrap();
        }
        assert_eq!(balance_of(&ledger, "a").await, (u64::try_from(MOST).unwrap(), 0));
        drop(ledger);
        Ledger::open(&path, now()).unwrap();
    }

    #[tokio::test]
    async fn all_accounts_are_charged_or_none() {
        let folder = tempfile::tempdir().unwrap();
        let ledger = Ledger::open(&folder.path().join("l.db"), now()).unwrap();
        let both = |limit| vec![charge("a", Amount::Usd(1_000)), charge("b", Amount::Tokens(limit))];
        assert!(ledger.reserve("x1", both(5), cost(60), now()).await.is_err());
        assert_eq!(balance_of(&ledger, "a").await, (0, 0));
        ledger.reserve("x1", both(6), cost(60), now()).await.unwrap();
        assert_eq!((balance_of(&ledger, "a").await, balance_of(&ledger, "b").await), ((0, 60), (0, 6)));
    }

    #[tokio::test]
    async fn settling_twice_is_settling_once() {
        let folder = tempfile::tempdir().unwrap();
        let ledger = Ledger::open(&folder.path().join("l.db"), now()).unwrap();
        ledger.reserve("x1", vec![charge("a", Amount::Usd(100))], cost(60), now()).await.unwrap();
        ledger.settle("x1", cost(10)).await.unwrap();
        ledger.settle("x1", cost(10)).await.unwrap();
        assert_eq!(balance_of(&ledger, "a").await, (10, 0));
    }

    #[tokio::test]
    async fn of_many_at_once_only_as_many_pass_as_fit() {
        let folder = tempfile::tempdir().unwrap();
        let ledger = Ledger::open(&folder.path().join("l.db"), now()).unwrap();
        let asks: Vec<_> = (0..64).map(|n| format!("x{n}")).collect();
        let mut set = tokio::task::JoinSet::new();
        for id in asks {
            let ledger = ledger.clone();
            set.spawn(async move {
                ledger.reserve(&id, vec![charge("a", Amount::Usd(100))], cost(10), now()).await.is_ok()
            });
        }
        let passed = set.join_all().await.into_iter().filter(|passed| *passed).count();
        assert_eq!(passed, 10);
    }

    #[tokio::test]
    async fn a_hold_of_a_process_that_died_is_charged() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("l.db");
        {
            let ledger = Ledger::open(&path, now()).unwrap();
            ledger.reserve("x1", vec![charge("a", Amount::Usd(100))], cost(60), now()).await.unwrap();
        }
        let ledger = Ledger::open(&path, now()).unwrap();
        assert_eq!(balance_of(&ledger, "a").await, (60, 0));
    }
}
