//! What a server of PostgreSQL is yet to be told, on this machine's disk: whatever becomes of it or
//! of this process, nothing that was settled is lost.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use rusqlite::params;

use crate::runs::row::Row;
use crate::store::{self, Durability, Store, StoreError, Timing};

/// A row that the server refused, for what it is, waits for the next start.
const TABLES: &[&str] = &["
    CREATE TABLE waiting (
        seq INTEGER PRIMARY KEY,
        body TEXT NOT NULL,
        refused TEXT
    ) STRICT;
    CREATE INDEX waiting_due ON waiting (seq) WHERE refused IS NULL;
"];

#[derive(Debug, Clone)]
pub(super) struct Journal {
    store: Store,
    waiting: Arc<AtomicUsize>,
}

impl Journal {
    pub(super) fn open(path: &Path) -> Result<Self, StoreError> {
        let connection = store::open(path, Durability::Full, TABLES)?;
        let left = || -> rusqlite::Result<usize> {
            // What was delivered may be erased there, and is not to be left here.
            connection.pragma_update(None, "secure_delete", true)?;
            connection.execute("UPDATE waiting SET refused = NULL WHERE refused IS NOT NULL", [])?;
            let count: i64 = connection.query_row("SELECT count(*) FROM waiting", [], |row| row.get(0))?;
            Ok(usize::try_from(count).unwrap_or(0))
        };
        let waiting = left().map_err(|error| StoreError::Database { path: path.to_owned(), why: error.to_string() })?;
        Ok(Self { store: Store::start(path, connection)?, waiting: Arc::new(AtomicUsize::new(waiting)) })
    }

    /// The same, of which this is told how long it takes.
    pub(super) fn timed(self, timing: Timing) -> Self {
        Self { store: self.store.timed(timing), ..self }
    }

    /// Writes rows down, all or none. They are on disk when this returns.
    pub(super) async fn write(&self, rows: &[Row]) -> Result<(), StoreError> {
        let bodies: Vec<String> = rows.iter().map(|row| serde_json::to_string(row).unwrap_or_default()).collect();
        self.waiting.fetch_add(rows.len(), Ordering::Relaxed);
        let insert = move |transaction: &rusqlite::Transaction<'_>| {
            let mut insert = transaction.prepare_cached("INSERT INTO waiting (body) VALUES (?1)")?;
            bodies.iter().try_for_each(|body| insert.execute([body]).map(drop))
        };
        let written = self.store.call(insert).await;
        if written.is_err() {
            self.waiting.fetch_sub(rows.len(), Ordering::Relaxed);
        }
        written
    }

    /// The oldest rows that the server has not heard of, by their numbers here: so many and, but for one
    /// that is alone, so many bytes at the most.
    pub(super) async fn read(&self, (most, bytes): (usize, usize)) -> Result<Vec<(i64, Row)>, StoreError> {
        let find = move |transaction: &rusqlite::Transaction<'_>| -> rusqlite::Result<Vec<(i64, String)>> {
            let mut select = transaction
                .prepare_cached("SELECT seq, body FROM waiting WHERE refused IS NULL ORDER BY seq LIMIT ?1")?;
            let mut rows = select.query([i64::try_from(most).unwrap_or(i64::MAX)])?;
            let (mut found, mut left) = (Vec::new(), bytes);
            while let Some(row) = rows.next()? {
                let (seq, body): (i64, String) = (row.get(0)?, row.get(1)?);
                if body.len() > left && !found.is_empty() {
                    break;
                }
                left = left.saturating_sub(body.len());
                found.push((seq, body));
            }
            Ok(found)
        };
        let mut rows = Vec::new();
        for (seq, body) in self.store.call(find).await? {
            match serde_json::from_str(&body) {
                Ok(row) => rows.push((seq, row)),
                // Written by a newer version, before an older one was put back.
                Err(error) => self.set_aside(seq, error.to_string()).await?,
            }
        }
        Ok(rows)
    }

    /// The server has them for good.
    pub(super) async fn delivered(&self, numbers: Vec<i64>) -> Result<(), StoreError> {
        let delete = move |transaction: &rusqlite::Transaction<'_>| {
            let mut delete = transaction.prepare_cached("DELETE FROM waiting WHERE seq = ?1")?;
            numbers.iter().map(|seq| delete.execute([seq])).sum::<rusqlite::Result<usize>>()
        };
        let deleted = self.store.call(delete).await?;
        self.waiting.fetch_sub(deleted, Ordering::Relaxed);
        Ok(())
    }

    /// The server cannot take this one, whatever else is well: the others do not wait for it.
    pub(super) async fn set_aside(&self, seq: i64, why: String) -> Result<(), StoreError> {
        tracing::error!(
            seq,
            why,
            "a row cannot be written to the run log; it stays in the journal, for the next start"
        );
        let update = move |transaction: &rusqlite::Transaction<'_>| {
            transaction.execute("UPDATE waiting SET refused = ?2 WHERE seq = ?1", params![seq, why])
        };
        self.store.call(update).await.map(drop)
    }

    /// Rows that the server has not heard of.
    pub(super) fn waiting(&self) -> usize {
        self.waiting.load(Ordering::Relaxed)
    }

    /// Rows that are yet to be written down here.
    pub(super) fn unwritten(&self) -> usize {
        self.store.waiting()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::runs::Record;

    #[tokio::test]
    async fn what_was_not_delivered_is_there_after_a_restart_and_what_was_refused_is_tried_again() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("journal.db");
        let journal = Journal::open(&path).unwrap();
        let row = |id: &str| Row::of_exchange(&Record { id: id.into(), ..Record::default() });
        for id in ["x_1", "x_2", "x_3"] {
            journal.write(&[row(id)]).await.unwrap();
        }
        let all = usize::MAX;
        let first = journal.read((1, all)).await.unwrap();
        assert_eq!(first[0].1, row("x_1"));
        journal.delivered(vec![first[0].0]).await.unwrap();
        journal.set_aside(journal.read((1, all)).await.unwrap()[0].0, String::from("why")).await.unwrap();
        assert_eq!(
            journal.read((9, all)).await.unwrap().into_iter().map(|(_, row)| row).collect::<Vec<_>>(),
            [row("x_3")]
        );
        drop(journal);
        let journal = Journal::open(&path).unwrap();
        assert_eq!((journal.waiting(), journal.read((9, all)).await.unwrap().len()), (2, 2));
        // However large, one comes.
        assert_eq!(journal.read((9, 1)).await.unwrap().len(), 1);
    }
}
