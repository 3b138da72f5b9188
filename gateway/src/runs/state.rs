//! What is kept while a run is under way: the text that was put before the model, which must be
//! the same, byte for byte, on every turn, or the provider's prompt cache is lost; and the turns
//! that its agent was told differently from how the model made them.

use std::path::Path;
use std::sync::Arc;

use jetway_core::overlay::{Edit, MOST_BYTES, MOST_EDITS};
use jiff::Timestamp;
use rusqlite::{OptionalExtension, params};

use crate::link::{Link, Unreachable};
use crate::runs::{Passage, open, path};
use crate::store::{self, Durability, Store, StoreError, Timing};

const TABLES: &[&str] = &[
    "
    CREATE TABLE inserted (
        conversation TEXT PRIMARY KEY,
        text TEXT NOT NULL,
        passages TEXT NOT NULL,
        at INTEGER NOT NULL
    ) STRICT, WITHOUT ROWID;
    CREATE INDEX inserted_at ON inserted (at);
",
    "
    CREATE TABLE edits (
        id INTEGER PRIMARY KEY,
        conversation TEXT NOT NULL,
        edit TEXT NOT NULL,
        at INTEGER NOT NULL
    ) STRICT;
    CREATE INDEX edits_conversation ON edits (conversation, id);
    CREATE INDEX edits_at ON edits (at);
",
    "ALTER TABLE inserted ADD COLUMN standing TEXT NOT NULL DEFAULT '';",
    path::TABLE,
    path::SPENT,
    open::TABLE,
];

/// Conversations are forgotten when they were begun this long ago.
const KEPT: i64 = 7 * 24 * 3600;

/// What a conversation was given.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Inserted {
    /// With its task.
    pub text: String,
    /// With its system text.
    #[serde(default)]
    pub standing: String,
    pub passages: Vec<Passage>,
}

/// What is kept of conversations under way: on this machine, or in the Redis of a fleet, where any
/// Jetway can take the next turn.
#[derive(Debug, Clone)]
pub enum State {
    Embedded(Store),
    Shared(Arc<Link>),
}

/// As long as [`KEPT`], for Redis.
pub(super) const EXPIRES: i64 = KEPT;

impl State {
    /// # Errors
    /// [`StoreError`] when the file cannot be used.
    pub fn open(path: &Path, now: Timestamp) -> Result<Self, StoreError> {
        let connection = store::open(path, Durability::Relaxed, TABLES)?;
        forget(&connection, now.as_second())
            .map_err(|error| StoreError::Database { path: path.to_owned(), why: error.to_string() })?;
        Ok(Self::Embedded(Store::start(path, connection)?))
    }

    /// The same, of which this is told how long it takes, where it is on this machine.
    #[must_use]
    pub fn timed(self, timing: Timing) -> Self {
        match self {
            Self::Embedded(store) => Self::Embedded(store.timed(timing)),
            shared @ Self::Shared(_) => shared,
        }
    }

    /// Forgets conversations that were begun long ago. Redis does so by itself.
    ///
    /// # Errors
    /// [`StoreError`] when the database cannot be written.
    pub async fn purge(&self, now: Timestamp) -> Result<(), StoreError> {
        let Self::Embedded(store) = self else { return Ok(()) };
        store.call(move |transaction| forget(transaction, now.as_second())).await
    }

    /// What this conversation was given, if it was given anything yet. Where Redis cannot be asked
    /// nothing is known: what is chosen then is what was chosen before, unless the documents have
    /// changed meanwhile.
    ///
    /// # Errors
    /// [`StoreError`] when the database cannot be read.
    pub async fn inserted(&self, conversation: &str) -> Result<Option<Inserted>, StoreError> {
        match self {
            Self::Embedded(store) => {
                let conversation = conversation.to_owned();
                store.call(move |transaction| find(transaction, &conversation)).await
            }
            Self::Shared(link) => {
                let found: Result<Option<String>, _> = link.command(redis::cmd("GET").arg(given(conversation))).await;
                Ok(known(found).flatten().and_then(|text| serde_json::from_str(&text).ok()))
            }
        }
    }

    /// Freezes what this conversation is given. If two requests come at once, the first one's
    /// choice holds for both: what holds is returned.
    ///
    /// # Errors
    /// [`StoreError`] when the database cannot be written.
    pub async fn insert(&self, conversation: &str, chosen: Inserted, now: Timestamp) -> Result<Inserted, StoreError> {
        match self {
            Self::Embedded(store) => {
                let conversation = conversation.to_owned();
                store.call(move |transaction| keep(transaction, &conversation, chosen, now)).await
            }
            Self::Shared(link) => {
                let text = serde_json::to_string(&chosen).unwrap_or_default();
                let mut set = redis::cmd("SET");
                set.arg(given(conversation)).arg(text).arg("NX").arg("EX").arg(EXPIRES);
                let set: Result<Option<String>, _> = link.command(&set).await;
                known(set);
                Ok(self.inserted(conversation).await?.unwrap_or(chosen))
            }
        }
    }

    /// Keeps what the agent of this conversation was not told. The oldest edits go when there are
    /// more than [`MOST_EDITS`], or more bytes than [`MOST_BYTES`].
    ///
    /// # Errors
    /// [`StoreError`] when the database cannot be written.
    pub async fn remember(&self, conversation: &str, edit: Edit, now: Timestamp) -> Result<(), StoreError> {
        if edit.bytes() > MOST_BYTES {
            return Ok(());
        }
        let text = serde_json::to_string(&edit).unwrap_or_default();
        match self {
            Self::Embedded(store) => {
                let conversation = conversation.to_owned();
                store.call(move |transaction| add(transaction, &conversation, &text, now)).await
            }
            Self::Shared(link) => {
                let key = edits(conversation);
                let most = isize::try_from(MOST_EDITS).unwrap_or(isize::MAX);
                known(link.command::<()>(redis::cmd("RPUSH").arg(&key).arg(text)).await);
                known(link.command::<()>(redis::cmd("LTRIM").arg(&key).arg(-most).arg(-1)).await);
                known(link.command::<()>(redis::cmd("EXPIRE").arg(&key).arg(EXPIRES)).await);
                Ok(())
            }
        }
    }

    /// What the agent of this conversation was not told, the oldest first.
    ///
    /// # Errors
    /// [`StoreError`] when the database cannot be read.
    pub async fn edits(&self, conversation: &str) -> Result<Vec<Edit>, StoreError> {
        let texts = match self {
            Self::Embedded(store) => {
                let conversation = conversation.to_owned();
                store.call(move |transaction| list(transaction, &conversation)).await?
            }
            Self::Shared(link) => {
                let mut range = redis::cmd("LRANGE");
                known(link.command(range.arg(edits(conversation)).arg(0).arg(-1)).await).unwrap_or_default()
            }
        };
        let mut bytes = 0;
        let newest = texts.iter().rev().filter_map(|text| serde_json::from_str::<Edit>(text).ok());
        let mut kept: Vec<Edit> = newest
            .take_while(|edit| {
                bytes += edit.bytes();
                bytes <= MOST_BYTES
            })
            .collect();
        kept.reverse();
        Ok(kept)
    }
}

impl State {
    /// A request of this run is served here. Only a fleet has to know.
    pub async fn seen(&self, run: &str, here: &str) {
        if let Self::Shared(link) = self {
            known(link.command::<()>(redis::cmd("SET").arg(last(run)).arg(here).arg("EX").arg(EXPIRES)).await);
        }
    }

    /// Where the last request of a run was served. Nothing is known of it where there is but one
    /// Jetway, or Redis cannot be asked.
    pub async fn last(&self, run: &str) -> Last {
        let Self::Shared(link) = self else { return Last::Unknown };
        match known(link.command::<Option<String>>(redis::cmd("GET").arg(last(run))).await).flatten() {
            Some(said) if said == ENDED => Last::Ended,
            Some(here) => Last::At(here),
            None => Last::Unknown,
        }
    }

    /// Has the Jetway that serves a run end it, if there is another. Returns whether the run is known.
    pub async fn end_elsewhere(&self, run: &str) -> bool {
        let Self::Shared(link) = self else { return false };
        let mut set = redis::cmd("SET");
        set.arg(last(run)).arg(ENDED).arg("XX").arg("EX").arg(EXPIRES);
        known(link.command::<Option<String>>(&set).await).flatten().is_some()
    }
}

/// Where the last request of a run was served.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Last {
    /// By the Jetway of this name.
    At(String),
    /// Somebody has said since that the run is over.
    Ended,
    Unknown,
}

/// In the place of a Jetway's name.
const ENDED: &str = "ended";

fn last(run: &str) -> String {
    format!("jetway:{{state:{run}}}:last")
}

fn given(conversation: &str) -> String {
    format!("jetway:{{state:{conversation}}}:given")
}

fn edits(conversation: &str) -> String {
    format!("jetway:{{state:{conversation}}}:edits")
}

/// What Redis answered. While it cannot be reached requests go out without what it knows: they are
/// valid, and the provider's cache is all that is lost.
pub(super) fn known<T>(answer: Result<T, Unreachable>) -> Option<T> {
    answer.inspect_err(|error| tracing::warn!(%error, "what is kept of a conversation is not known now")).ok()
}

fn forget(connection: &rusqlite::Connection, now: i64) -> rusqlite::Result<()> {
    let before = now - KEPT;
    connection.execute("DELETE FROM inserted WHERE at < ?1", [before])?;
    connection.execute("DELETE FROM edits WHERE at < ?1", [before])?;
    connection.execute("DELETE FROM path WHERE at < ?1", [before])?;
    connection.execute("DELETE FROM spent WHERE at < ?1", [before])?;
    connection.execute("DELETE FROM open_run WHERE at < ?1", [now - open::OLDEST])?;
    Ok(())
}

fn keep(
    transaction: &rusqlite::Transaction<'_>,
    conversation: &str,
    chosen: Inserted,
    now: Timestamp,
) -> rusqlite::Result<Inserted> {
    let passages = serde_json::to_string(&chosen.passages).unwrap_or_default();
    transaction.execute(
        "INSERT OR IGNORE INTO inserted (conversation, text, passages, at, standing) VALUES (?1, ?2, ?3, ?4, ?5)",
        params![conversation, chosen.text, passages, now.as_second(), chosen.standing],
    )?;
    Ok(find(transaction, conversation)?.unwrap_or(chosen))
}

fn add(
    transaction: &rusqlite::Transaction<'_>,
    conversation: &str,
    edit: &str,
    now: Timestamp,
) -> rusqlite::Result<()> {
    let mut insert = transaction.prepare_cached("INSERT INTO edits (conversation, edit, at) VALUES (?1, ?2, ?3)")?;
    insert.execute(params![conversation, edit, now.as_second()])?;
    let mut trim = transaction.prepare_cached(
        "DELETE FROM edits WHERE conversation = ?1 AND id <= (
            SELECT id FROM edits WHERE conversation = ?1 ORDER BY id DESC LIMIT 1 OFFSET ?2)",
    )?;
    trim.execute(params![conversation, i64::try_from(MOST_EDITS).unwrap_or(i64::MAX)])?;
    Ok(())
}

fn list(transaction: &rusqlite::Transaction<'_>, conversation: &str) -> rusqlite::Result<Vec<String>> {
    let mut statement = transaction.prepare_cached("SELECT edit FROM edits WHERE conversation = ?1 ORDER BY id")?;
    statement.query_map([conversation], |row| row.get(0))?.collect()
}

fn find(transaction: &rusqlite::Transaction<'_>, conversation: &str) -> rusqlite::Result<Option<Inserted>> {
    let mut statement =
        transaction.prepare_cached("SELECT text, passages, standing FROM inserted WHERE conversation = ?1")?;
    let row = |row: &rusqlite::Row<'_>| {
        let passages: String = row.get(1)?;
        let passages = serde_json::from_str(&passages).unwrap_or_default();
        Ok(Inserted { text: row.get(0)?, standing: row.get(2)?, passages })
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
        let given = |text: &str| Inserted { text: text.into(), standing: format!("{text}!"), passages: vec![] };
        let state = State::open(&path, now).unwrap();
        assert_eq!(state.inserted("c").await.unwrap(), None);
        assert_eq!(state.insert("c", given("one"), now).await.unwrap(), given("one"));
        assert_eq!(state.insert("c", given("two"), now).await.unwrap(), given("one"));
        drop(state);
        let state = State::open(&path, now).unwrap();
        assert_eq!(state.inserted("c").await.unwrap(), Some(given("one")));
    }
}
