//! What the server is yet to be told, on this machine's disk: so that a settlement that could not
//! be delivered, and an exchange that was let through while nobody could say, outlive this process.

use std::path::Path;

use rusqlite::params;

use crate::ledger::redis::book::Owed;
use crate::store::{self, Durability, Store, StoreError};

const TABLES: &[&str] = &["
    CREATE TABLE owed (
        exchange TEXT PRIMARY KEY,
        body TEXT NOT NULL
    ) STRICT, WITHOUT ROWID;
"];

#[derive(Debug, Clone)]
pub(super) struct Journal {
    store: Store,
}

impl Journal {
    /// Opens it, and gives what was left by a process before this one.
    pub(super) fn open(path: &Path) -> Result<(Self, Vec<Owed>), StoreError> {
        let connection = store::open(path, Durability::Full, TABLES)?;
        let read = || -> rusqlite::Result<Vec<String>> {
            connection.prepare("SELECT body FROM owed")?.query_map([], |row| row.get(0))?.collect()
        };
        let bodies = read().map_err(|error| StoreError::Database { path: path.to_owned(), why: error.to_string() })?;
        let owed = bodies.iter().filter_map(|body| serde_json::from_str(body).ok()).collect();
        Ok((Self { store: Store::start(path, connection)? }, owed))
    }

    /// Writes down what is owed for an exchange, in the place of what was written before. It is on
    /// disk when this returns.
    pub(super) async fn write(&self, owed: &Owed) -> Result<(), StoreError> {
        let (exchange, body) = (owed.exchange.clone(), serde_json::to_string(owed).unwrap_or_default());
        self.store
            .call(move |transaction| {
                transaction
                    .execute("INSERT OR REPLACE INTO owed (exchange, body) VALUES (?1, ?2)", params![exchange, body])
            })
            .await?;
        Ok(())
    }

    /// Everything that is owed.
    pub(super) async fn read(&self) -> Result<Vec<Owed>, StoreError> {
        let bodies: Vec<String> = self
            .store
            .call(|transaction| {
                transaction
                    .prepare_cached("SELECT body FROM owed LIMIT 10000")?
                    .query_map([], |row| row.get(0))?
                    .collect()
            })
            .await?;
        Ok(bodies.iter().filter_map(|body| serde_json::from_str(body).ok()).collect())
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
