//! The run log: a row for every exchange, written off the path of requests. A row that was taken
//! is on this machine's disk; in a fleet it is told to PostgreSQL from there.

use std::path::Path;
use std::sync::Arc;

use jiff::Timestamp;
use rusqlite::types::{ToSqlOutput, Value};
use rusqlite::{Connection, ToSql, Transaction, params_from_iter};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::config::{Postgres, Runs};
use crate::runs::journal::Journal;
use crate::runs::postgres::{Forwarder, Wire, days, within};
pub use crate::runs::row::Action;
use crate::runs::row::{self, Cell, Row};
use crate::runs::schema::{self, Dialect};
use crate::runs::tally::{self, tallies};
use crate::runs::{Ended, Record};
use crate::store::{self, Durability, Store, StoreError};

/// The file of the log, in the folder of the state.
pub const FILE: &str = "runs.db";
/// What PostgreSQL is yet to be told, likewise.
pub const JOURNAL: &str = "runs-journal.db";

/// Where rows are written. There is always room: who writes when much is to be written waits.
#[derive(Debug, Clone)]
pub struct Log(Kept);

#[derive(Debug, Clone)]
enum Kept {
    Embedded(Store),
    /// Told to PostgreSQL by whoever reads the journal.
    Journal(Journal, Arc<Notify>, Arc<Postgres>),
    /// A command of an operator, which tells PostgreSQL itself.
    Server(Arc<Postgres>),
}

/// Opens the log in a file, beside a gateway that may be running.
///
/// # Errors
/// [`StoreError`] when the file cannot be used.
pub fn connect(path: &Path) -> Result<Connection, StoreError> {
    let migrations = schema::migrations(Dialect::Embedded);
    store::open(path, Durability::Full, &migrations.iter().map(String::as_str).collect::<Vec<_>>())
}

impl Log {
    /// Opens the log of a gateway, and begins to tell PostgreSQL what is in the journal: until
    /// `close`, and then once more.
    ///
    /// # Errors
    /// [`StoreError`] when its file cannot be used.
    pub fn open(
        runs: &Runs,
        state: &Path,
        (tasks, close): (&TaskTracker, CancellationToken),
    ) -> Result<Self, StoreError> {
        let Some(settings) = &runs.postgres else { return Self::embedded(&state.join(FILE)) };
        let journal = Journal::open(&state.join(JOURNAL))?;
        let wake = Arc::new(Notify::new());
        let forwarder = Forwarder { journal: journal.clone(), settings: settings.clone(), wake: Arc::clone(&wake) };
        tasks.spawn(forwarder.run(close));
        Ok(Self(Kept::Journal(journal, wake, Arc::new(settings.clone()))))
    }

    /// Opens the log for an operator's command, beside a gateway that may be running.
    ///
    /// # Errors
    /// [`StoreError`] when its file cannot be used.
    pub fn beside(runs: &Runs, state: &Path) -> Result<Self, StoreError> {
        match &runs.postgres {
            None => Self::embedded(&state.join(FILE)),
            Some(settings) => Ok(Self(Kept::Server(Arc::new(settings.clone())))),
        }
    }

    fn embedded(path: &Path) -> Result<Self, StoreError> {
        Ok(Self(Kept::Embedded(Store::start(path, connect(path)?)?)))
    }

    /// Writes an exchange down. It is on disk when this returns.
    ///
    /// # Errors
    /// [`StoreError`] when it could not be written.
    pub async fn write(&self, record: &Record) -> Result<(), StoreError> {
        self.keep(Row::of_exchange(record)).await
    }

    /// Writes down how a run ended and what its agent said. It is on disk when this returns.
    ///
    /// # Errors
    /// [`StoreError`] when it could not be written.
    pub async fn end(&self, ended: &Ended) -> Result<(), StoreError> {
        for row in Row::of_ending(ended) {
            self.keep(row).await?;
        }
        Ok(())
    }

    /// Writes down what an operator did. It is there when this returns.
    ///
    /// # Errors
    /// [`StoreError`] when the log failed.
    pub async fn note(&self, action: Action) -> Result<(), StoreError> {
        self.keep(Row::of_action(&action)).await
    }

    async fn keep(&self, row: Row) -> Result<(), StoreError> {
        match &self.0 {
            Kept::Embedded(store) => store.call(move |transaction| insert(transaction, &row)).await,
            Kept::Journal(journal, wake, _) => {
                journal.write(&row).await?;
                wake.notify_one();
                Ok(())
            }
            Kept::Server(settings) => {
                let mut wire = Wire::connect(settings).await?;
                Ok(within(settings.timeout, Box::pin(wire.write(&[&row]))).await?)
            }
        }
    }

    /// Forgets what ended before then; in PostgreSQL whole days.
    ///
    /// # Errors
    /// [`StoreError`] when the log failed.
    pub async fn purge(&self, now: Timestamp, keep: std::time::Duration) -> Result<(), StoreError> {
        let before = days::cut(now, keep);
        match &self.0 {
            Kept::Embedded(store) => while store.call(move |transaction| forget(transaction, before)).await? > 0 {},
            Kept::Journal(_, _, settings) | Kept::Server(settings) => {
                Box::pin(async { Wire::connect(settings).await?.forget(before).await }).await?;
            }
        }
        Ok(())
    }

    /// Rows that wait to be written down.
    #[must_use]
    pub fn waiting(&self) -> usize {
        match &self.0 {
            Kept::Embedded(store) => store.waiting(),
            Kept::Journal(journal, ..) => journal.unwritten(),
            Kept::Server(_) => 0,
        }
    }

    /// Rows that PostgreSQL was not told of yet.
    #[must_use]
    pub fn undelivered(&self) -> usize {
        if let Kept::Journal(journal, ..) = &self.0 { journal.waiting() } else { 0 }
    }
}

fn insert(transaction: &Transaction<'_>, row: &Row) -> rusqlite::Result<()> {
    let columns = row.columns();
    let sql = row::insert(row.table, &columns, &row::values(columns.len()));
    let sql = schema::statement(&sql, Dialect::Embedded);
    let added = transaction.prepare_cached(&sql)?.execute(params_from_iter(row.cells().values()))?;
    if added == 0 {
        return Ok(());
    }
    let sql = schema::statement(&tally::upsert(&row::values(tally::COLUMNS.len())), Dialect::Embedded);
    for (run, tally) in tallies([row]) {
        transaction.prepare_cached(&sql)?.execute(params_from_iter(tally.cells(&run)))?;
    }
    Ok(())
}

/// Forgets some of what is older, so that others may write in between. Returns how many rows.
fn forget(transaction: &Transaction<'_>, before: Timestamp) -> rusqlite::Result<usize> {
    let old = "DELETE FROM exchange WHERE id IN (SELECT id FROM exchange WHERE at < ?1 LIMIT 1000)";
    let exchanges = transaction.execute(old, [before.as_millisecond()])?;
    if exchanges > 0 {
        return Ok(exchanges);
    }
    for (table, moment) in [("ending", "at"), ("finding", "at"), ("run", "ended")] {
        let old = format!("DELETE FROM {table} WHERE id IN (SELECT id FROM {table} WHERE {moment} < ?1 LIMIT 1000)");
        let forgotten = transaction.execute(&old, [before.as_millisecond()])?;
        if forgotten > 0 {
            return Ok(forgotten);
        }
    }
    Ok(0)
}

impl ToSql for Cell {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(match self {
            Self::Null => ToSqlOutput::Owned(Value::Null),
            Self::Number(number) => (*number).into(),
            Self::Text(text) => text.as_str().into(),
        })
    }
}
