//! What is kept while a run is under way: the text that was put before the model, which must be
//! the same, byte for byte, on every turn, or the provider's prompt cache is lost.

use std::path::Path;

use jiff::Timestamp;
use rusqlite::{OptionalExtension, params};

use crate::runs::Passage;
use crate::store::{self, Durability, Store, StoreError};

const TABLES: &[&str] = &["
    CREATE TABLE inserted (
        conversation TEXT PRIMARY KEY,
        text TEXT NOT NULL,
        passages TEXT NOT NULL,
        at INTEGER NOT NULL
    ) STRICT, WITHOUT ROWID;
    CREATE INDEX inserted_at ON inserted (at);
"];

/// Conversations are forgotten when they were begun this long ago.
const KEPT: i64 = 7 * 24 * 3600;

/// What a conversation was given.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Inserted {
    pub text: String,
    pub passages: Vec<Passage>,
}

#[derive(Debug, Clone)]
pub struct State {
    store: Store,
}

impl State {
    /// # Errors
    /// [`StoreError`] when the file cannot be used.
    pub fn open(path: &Path, now: Timestamp) -> Result<Self, StoreError> {
        let connection = store::open(path, Durability::Relaxed, TABLES)?;
        connection
            .execute("DELETE FROM inserted WHERE at < ?1", [now.as_second() - KEPT])
            .map_err(|error| StoreError::Database { path: path.to_owned(), why: error.to_string() })?;
        Ok(Self { store: Store::start(path, connection)? })
    }

    /// Forgets conversations that were begun long ago.
    ///
    /// # Errors
    /// [`StoreError`] when the database cannot be written.
    pub async fn purge(&self, now: Timestamp) -> Result<(), StoreError> {
        let before = now.as_second() - KEPT;
        self.store.call(move |transaction| transaction.execute("DELETE FROM inserted WHERE at < ?1", [before])).await?;
        Ok(())
    }

    /// What this conversation was given, if it was given anything yet.
    ///
    /// # Errors
    /// [`StoreError`] when the database cannot be read.
    pub async fn inserted(&self, conversation: &str) -> Result<Option<Inserted>, StoreError> {
        let conversation = conversation.to_owned();
        self.store.call(move |transaction| find(transaction, &conversation)).await
    }

    /// Freezes what this conversation is given. If two requests come at once, the first one's
    /// choice holds for both: what holds is returned.
    ///
    /// # Errors
    /// [`StoreError`] when the database cannot be written.
    pub async fn insert(&self, conversation: &str, chosen: Inserted, now: Timestamp) -> Result<Inserted, StoreError> {
        let conversation = conversation.to_owned();
        self.store
            .call(move |transaction| {
                let passages = serde_json::to_string(&chosen.passages).unwrap_or_default();
                transaction.execute(
                    "INSERT OR IGNORE INTO inserted (conversation, text, passages, at) VALUES (?1, ?2, ?3, ?4)",
                    params![conversation, chosen.text, passages, now.as_second()],
                )?;
                Ok(find(transaction, &conversation)?.unwrap_or(chosen))
            })
            .await
    }
}

fn find(transaction: &rusqlite::Transaction<'_>, conversation: &str) -> rusqlite::Result<Option<Inserted>> {
    let mut statement = transaction.prepare_cached("SELECT text, passages FROM inserted WHERE conversation = ?1")?;
    let row = |row: &rusqlite::Row<'_>| {
        let passages: String = row.get(1)?;
        Ok(Inserted { text: row.get(0)?, passages: serde_json::from_str(&passages).unwrap_or_default() })
    };
    statement.query_row([conversation], row).optional()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_first_choice_holds_also_after_a_restart() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("s.db");
        let now = Timestamp::now();
        let given = |text: &str| Inserted { text: text.into(), passages: vec![] };
        let state = State::open(&path, now).unwrap();
        assert_eq!(state.inserted("c").await.unwrap(), None);
        assert_eq!(state.insert("c", given("one"), now).await.unwrap(), given("one"));
        assert_eq!(state.insert("c", given("two"), now).await.unwrap(), given("one"));
        drop(state);
        let state = State::open(&path, now).unwrap();
        assert_eq!(state.inserted("c").await.unwrap(), Some(given("one")));
    }
}
