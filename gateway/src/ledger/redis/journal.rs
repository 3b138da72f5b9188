//! What the server is yet to be told, on this machine's disk: so that a settlement that could not
//! be delivered, and an exchange that was let through while nobody could say, outlive this process.

use std::path::Path;

use rusqlite::{OptionalExtension, params};

use crate::ledger::redis::book::Owed;
use crate::store::{self, Durability, Store, StoreError};

const TABLES: &[&str] = &["
    CREATE TABLE owed (
        exchange TEXT PRIMARY KEY,
        is_lease INTEGER NOT NULL,
        body TEXT NOT NULL
    ) STRICT, WITHOUT ROWID;
"];

#[derive(Debug, Clone)]
pub(super) struct Journal {
    store: Store,
}

impl Journal {
    /// Opens it, and gives what was left by a process before this one, whose leases are of no more
    /// use.
    pub(super) fn open(path: &Path) -> Result<(Self, Vec<Owed>), StoreError> {
        let connection = store::open(path, Durability::Full, TABLES)?;
        let left = || -> rusqlite::Result<Vec<String>> {
            connection.execute("UPDATE owed SET is_lease = 0", [])?;
            connection.prepare("SELECT body FROM owed")?.query_map([], |row| row.get(0))?.collect()
        };
        let bodies = left().map_err(|error| StoreError::Database { path: path.to_owned(), why: error.to_string() })?;
        let owed = bodies.iter().filter_map(|body| serde_json::from_str(body).ok()).collect();
        Ok((Self { store: Store::start(path, connection)? }, owed))
    }

    /// Writes down what is owed for an exchange, in the place of what was written before. It is on
    /// disk when this returns.
    pub(super) async fn write(&self, owed: &Owed) -> Result<(), StoreError> {
        self.put(owed, false).await
    }

    /// Writes down what is to be told of a lease if this process should die.
    pub(super) async fn lease(&self, unspent: &Owed) -> Result<(), StoreError> {
        self.put(unspent, true).await
    }

    async fn put(&self, owed: &Owed, is_lease: bool) -> Result<(), StoreError> {
        let (exchange, body) = (owed.exchange.clone(), serde_json::to_string(owed).unwrap_or_default());
        let sql = "INSERT OR REPLACE INTO owed (exchange, is_lease, body) VALUES (?1, ?2, ?3)";
        self.store.call(move |transaction| transaction.execute(sql, params![exchange, is_lease, body])).await?;
        Ok(())
    }

    /// What is owed; of very much, some.
    pub(super) async fn read(&self) -> Result<Vec<Owed>, StoreError> {
        let bodies: Vec<String> = self
            .store
            .call(|transaction| {
                transaction
                    .prepare_cached("SELECT body FROM owed WHERE is_lease = 0 LIMIT 1000")?
                    .query_map([], |row| row.get(0))?
                    .collect()
            })
            .await?;
        Ok(bodies.iter().filter_map(|body| serde_json::from_str(body).ok()).collect())
    }

    /// What is owed for an exchange now.
    pub(super) async fn find(&self, exchange: &str) -> Result<Option<Owed>, StoreError> {
        let exchange = exchange.to_owned();
        let body: Option<String> = self
            .store
            .call(move |transaction| {
                transaction
                    .query_row("SELECT body FROM owed WHERE exchange = ?1", [exchange], |row| row.get(0))
                    .optional()
            })
            .await?;
        Ok(body.and_then(|body| serde_json::from_str(&body).ok()))
    }

    /// The server was told. What was written down since then stays.
    pub(super) async fn delivered(&self, owed: &Owed) -> Result<(), StoreError> {
        let (exchange, body) = (owed.exchange.clone(), serde_json::to_string(owed).unwrap_or_default());
        self.store
            .call(move |transaction| {
                transaction.execute("DELETE FROM owed WHERE exchange = ?1 AND body = ?2", params![exchange, body])
            })
            .await?;
        Ok(())
    }
}
