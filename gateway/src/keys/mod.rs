//! API keys of callers: made once, shown once, kept as a digest.

pub mod run;

use std::path::Path;

use jetway_core::policy::budget::cap::Own;
use jetway_core::policy::identity::{KEY_PREFIX, Key};
use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension, Row, params};

use crate::secret;
use crate::store::{self, Durability, Store, StoreError, Timing};

const TABLES: &[&str] = &[
    "
    CREATE TABLE key (
        id TEXT PRIMARY KEY,
        digest BLOB NOT NULL UNIQUE,
        policy TEXT NOT NULL,
        user TEXT NOT NULL,
        team TEXT,
        created INTEGER NOT NULL,
        revoked INTEGER
    ) STRICT;
    ",
    "
    ALTER TABLE key ADD COLUMN caps TEXT NOT NULL DEFAULT '[]';
    CREATE TABLE run_token (
        id TEXT PRIMARY KEY,
        digest BLOB NOT NULL UNIQUE,
        policy TEXT NOT NULL,
        granted TEXT NOT NULL,
        created INTEGER NOT NULL,
        expires INTEGER NOT NULL,
        revoked INTEGER
    ) STRICT;
    CREATE INDEX run_token_expires ON run_token (expires);
    ",
];

/// A key as an operator sees it.
#[derive(Debug, Clone, serde::Serialize)]
pub struct Listed {
    pub id: String,
    pub policy: String,
    pub user: String,
    pub team: Option<String>,
    /// Caps of its own, as JSON.
    pub caps: serde_json::Value,
    pub created: Timestamp,
    pub revoked: Option<Timestamp>,
}

/// A key that was just made. Its text exists only here.
pub struct Made {
    pub id: String,
    pub text: String,
}

/// Whom a key is for.
#[derive(Debug, Clone)]
pub struct Holder {
    pub policy: String,
    pub user: String,
    pub team: Option<String>,
    /// Caps of its own, as they are written: `[{"usd": 5, "every": "day"}]`.
    pub caps: String,
}

/// Looks keys up for a running gateway. Each look reads the database, so that a revoked key is
/// refused at once.
#[derive(Debug, Clone)]
pub struct Keys {
    store: Store,
}

impl Keys {
    /// # Errors
    /// [`StoreError`] when the file cannot be used.
    pub fn open(path: &Path) -> Result<Self, StoreError> {
        Ok(Self { store: Store::start(path, connect(path)?)? })
    }

    /// The same, of which this is told how long it takes.
    #[must_use]
    pub fn timed(self, timing: Timing) -> Self {
        Self { store: self.store.timed(timing) }
    }

    /// The key with this text; none when there is none.
    ///
    /// # Errors
    /// [`StoreError`] when the database cannot be read.
    pub async fn find(&self, text: &str) -> Result<Option<Key>, StoreError> {
        let digest = secret::sha256(text.as_bytes());
        let is_run = text.starts_with(run::PREFIX);
        let now = Timestamp::now();
        self.store
            .call(move |transaction| {
                if is_run {
                    return run::key(transaction, &digest, now);
                }
                let sql = "SELECT id, policy, user, team, revoked, caps FROM key WHERE digest = ?1";
                transaction.prepare_cached(sql)?.query_row([digest], key).optional()
            })
            .await
    }
}

fn key(row: &Row<'_>) -> rusqlite::Result<Key> {
    let revoked: Option<i64> = row.get(4)?;
    Ok(Key {
        id: row.get(0)?,
        policy: row.get(1)?,
        user: row.get(2)?,
        team: row.get(3)?,
        revoked: revoked.is_some(),
        expired: false,
        caps: caps(row, 5)?,
        models: None,
        run: None,
    })
}

/// Caps as they are kept: JSON, as one writes them. What cannot be read must not be no cap.
fn caps(row: &Row<'_>, column: usize) -> rusqlite::Result<Vec<Own>> {
    let text: String = row.get(column)?;
    serde_json::from_str(&text).map_err(|error| {
        rusqlite::Error::FromSqlConversionFailure(column, rusqlite::types::Type::Text, Box::new(error))
    })
}

/// Whether this can be the name of a user or a team.
#[must_use]
pub fn is_name(name: &str) -> bool {
    let plain = |c: char| !c.is_control() && !c.is_whitespace() && c != '/';
    (1..=100).contains(&name.chars().count()) && name.chars().all(plain)
}

/// Opens the keys for the command line, beside a gateway that may be running.
///
/// # Errors
/// [`StoreError`] when the file cannot be used.
pub fn connect(path: &Path) -> Result<Connection, StoreError> {
    store::open(path, Durability::Full, TABLES)
}

/// Makes a key.
///
/// # Errors
/// When the database or the system's randomness fails.
pub fn create(connection: &Connection, holder: &Holder, now: Timestamp) -> anyhow::Result<Made> {
    let text = secret::token(KEY_PREFIX)?;
    let id = format!("key_{}", &secret::hex(&secret::random(6)?));
    connection.execute(
        "INSERT INTO key (id, digest, policy, user, team, created, caps) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
        params![
            id,
            secret::sha256(text.as_bytes()),
            holder.policy,
            holder.user,
            holder.team,
            now.as_second(),
            holder.caps
        ],
    )?;
    Ok(Made { id, text })
}

/// All keys, the newest last.
///
/// # Errors
/// When the database cannot be read.
pub fn list(connection: &Connection) -> rusqlite::Result<Vec<Listed>> {
    let mut statement =
        connection.prepare("SELECT id, policy, user, team, created, revoked, caps FROM key ORDER BY created, id")?;
    let rows = statement.query_map([], |row| {
        let at = |seconds: i64| Timestamp::from_second(seconds).unwrap_or_default();
        let revoked: Option<i64> = row.get(5)?;
        Ok(Listed {
            id: row.get(0)?,
            policy: row.get(1)?,
            user: row.get(2)?,
            team: row.get(3)?,
            caps: serde_json::from_str(&row.get::<_, String>(6)?).unwrap_or_default(),
            created: at(row.get(4)?),
            revoked: revoked.map(at),
        })
    })?;
    rows.collect()
}

/// Revokes a key for good. Returns whether there was such a key.
///
/// # Errors
/// When the database cannot be written.
pub fn revoke(connection: &Connection, id: &str, now: Timestamp) -> rusqlite::Result<bool> {
    let sql = "UPDATE key SET revoked = coalesce(revoked, ?2) WHERE id = ?1";
    Ok(connection.execute(sql, params![id, now.as_second()])? == 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    const CAPS: &str = r#"[{"usd":5,"every":"day"}]"#;

    #[tokio::test]
    async fn a_key_is_found_until_it_is_revoked() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("keys.db");
        let keys = Keys::open(&path).unwrap();
        let beside = connect(&path).unwrap();
        let holder = Holder { policy: "wizard".into(), user: "ada".into(), team: None, caps: CAPS.into() };
        let made = create(&beside, &holder, Timestamp::UNIX_EPOCH).unwrap();

        let found = keys.find(&made.text).await.unwrap().unwrap();
        assert_eq!((found.user.as_str(), found.revoked, found.caps.len()), ("ada", false, 1));
        assert_eq!(keys.find("jw_other").await.unwrap(), None);

        assert!(revoke(&beside, &made.id, Timestamp::UNIX_EPOCH).unwrap());
        assert!(!revoke(&beside, "key_none", Timestamp::UNIX_EPOCH).unwrap());
        assert!(keys.find(&made.text).await.unwrap().unwrap().revoked);

        // The text itself is nowhere in the files.
        for file in std::fs::read_dir(folder.path()).unwrap() {
            let bytes = std::fs::read(file.unwrap().path()).unwrap();
            let text = made.text.as_bytes();
            assert!(!bytes.windows(text.len()).any(|window| window == text));
        }
    }
}
