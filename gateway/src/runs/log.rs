//! The run log: a row for every exchange, written off the path of requests. A row that was taken
//! is on this machine's disk; in a fleet it is told to PostgreSQL from there.

use std::path::Path;
use std::sync::Arc;

use jiff::Timestamp;
use rusqlite::types::{ToSqlOutput, Value};
use rusqlite::{Connection, OptionalExtension, ToSql, Transaction, params, params_from_iter};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::config::{Postgres, Runs};
use crate::runs::body::Body;
use crate::runs::erased::{self, Fate, fate};
use crate::runs::journal::Journal;
use crate::runs::postgres::{Forwarder, Wire, days, within};
use crate::runs::read::Reader;
pub use crate::runs::row::Action;
use crate::runs::row::{self, Cell, MARKS, Row, Table};
use crate::runs::schema::{self, Dialect};
use crate::runs::shown::{self, Shown};
use crate::runs::tally::{self, tallies};
use crate::runs::{Ended, Record};
use crate::store::{self, Durability, Store, StoreError, Timing};

/// The file of the log, in the folder of the state.
pub const FILE: &str = "runs.db";
/// That of bodies, beside it: to rewrite it takes long, and no record is to wait for that.
pub const BODIES: &str = "runs-bodies.db";
/// What PostgreSQL is yet to be told, likewise.
pub const JOURNAL: &str = "runs-journal.db";

/// Where rows are written. There is always room: who writes when much is to be written waits.
#[derive(Debug, Clone)]
pub struct Log(Kept);

#[derive(Debug, Clone)]
enum Kept {
    /// Records, and bodies.
    Embedded(Store, Store),
    /// Told to PostgreSQL by whoever reads the journal.
    Journal(Journal, Arc<Notify>, Arc<Postgres>),
    /// A command of an operator, which tells PostgreSQL itself.
    Server(Arc<Postgres>),
}

/// Opens the log in a file to read it, with its bodies, beside a gateway that may be running.
///
/// # Errors
/// [`StoreError`] when a file cannot be used.
pub(super) fn connect(path: &Path) -> Result<Connection, StoreError> {
    let (records, bodies) = (records(path)?, path.with_file_name(BODIES));
    drop(store::open(&bodies, Durability::Full, schema::BODIES)?);
    let attached = records.execute("ATTACH DATABASE ?1 AS bodies", [bodies.to_string_lossy()]);
    attached.map_err(|error| StoreError::Database { path: bodies, why: error.to_string() })?;
    Ok(records)
}

fn records(path: &Path) -> Result<Connection, StoreError> {
    let migrations = schema::migrations(Dialect::Embedded);
    store::open(path, Durability::Full, &migrations.iter().map(String::as_str).collect::<Vec<_>>())
}

/// Takes the bodies that an older version kept among the records to where they are now. What is cut off
/// in between goes on at the next start.
fn move_bodies(path: &Path) -> Result<(), StoreError> {
    let connection = connect(path)?;
    let moved = || -> rusqlite::Result<bool> {
        let is_there = "SELECT EXISTS (SELECT 1 FROM main.sqlite_schema WHERE name = 'moved_body')";
        if !connection.query_row(is_there, [], |row| row.get::<_, bool>(0))? {
            return Ok(false);
        }
        let columns = "id, at, run, \"user\", bytes, sent, said";
        let copy = format!(
            "INSERT OR IGNORE INTO bodies.body ({columns}) SELECT {columns} FROM main.moved_body ORDER BY at LIMIT 100"
        );
        let mut any = false;
        loop {
            // One after the other, for together they are not written as one.
            connection.execute("DELETE FROM main.moved_body WHERE id IN (SELECT id FROM bodies.body)", [])?;
            if connection.execute(&copy, [])? == 0 {
                break;
            }
            any = true;
        }
        connection.execute_batch("DROP TABLE IF EXISTS main.moved_body")?;
        Ok(any)
    };
    let moved = moved().map_err(|error| StoreError::Database { path: path.to_owned(), why: error.to_string() })?;
    drop(connection);
    if moved { store::rewrite(path) } else { Ok(()) }
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

    /// The same, of which this is told how long it takes.
    #[must_use]
    pub fn timed(self, timing: Timing) -> Self {
        Self(match self.0 {
            Kept::Embedded(records, bodies) => Kept::Embedded(records.timed(timing.clone()), bodies.timed(timing)),
            Kept::Journal(journal, wake, settings) => Kept::Journal(journal.timed(timing), wake, settings),
            server @ Kept::Server(_) => server,
        })
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
        move_bodies(path)?;
        let bodies = path.with_file_name(BODIES);
        let connection = store::open(&bodies, Durability::Full, schema::BODIES)?;
        Ok(Self(Kept::Embedded(Store::start(path, records(path)?)?, Store::start(&bodies, connection)?)))
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
        self.keep_all(Row::of_ending(ended)).await
    }

    /// Runs of which nothing was heard for so long have been abandoned: whoever would have ended them is
    /// gone. Returns how many.
    ///
    /// # Errors
    /// [`StoreError`] when the log failed.
    pub async fn abandon(&self, now: Timestamp) -> Result<usize, StoreError> {
        let reader = self.reader().await?;
        let before = days::cut(now, FORGOTTEN);
        let mut count = 0;
        loop {
            let open = reader.open_since(before, ABANDONED_AT_ONCE).await?;
            for run in &open {
                self.end(run).await?;
            }
            count += open.len();
            // In PostgreSQL they are there a moment later.
            if open.len() < ABANDONED_AT_ONCE as usize || self.undelivered() > 0 {
                return Ok(count);
            }
        }
    }

    /// Writes a body down.
    ///
    /// # Errors
    /// [`StoreError`] when it could not be written.
    pub async fn keep_body(&self, body: Body) -> Result<(), StoreError> {
        let packed = tokio::task::spawn_blocking(move || Row::of_body(&body)).await;
        let row = packed.map_err(std::io::Error::other).flatten();
        self.keep(row.map_err(|error| StoreError::Server(error.to_string()))?).await
    }

    /// Writes down what a model was shown.
    ///
    /// # Errors
    /// [`StoreError`] when it could not be written.
    pub async fn keep_shown(&self, shown: &Shown) -> Result<(), StoreError> {
        self.keep(Row::of_shown(shown)).await
    }

    /// Writes down what an operator did. It is there when this returns.
    ///
    /// # Errors
    /// [`StoreError`] when the log failed.
    pub async fn note(&self, action: Action) -> Result<(), StoreError> {
        self.keep(Row::of_action(&action)).await
    }

    async fn keep(&self, row: Row) -> Result<(), StoreError> {
        self.keep_all(vec![row]).await
    }

    /// All of these, or none.
    async fn keep_all(&self, rows: Vec<Row>) -> Result<(), StoreError> {
        match &self.0 {
            Kept::Embedded(records, bodies) => {
                let is_body = rows.iter().all(|row| row.table == Table::Body);
                let store = if is_body { bodies } else { records };
                store.call(move |transaction| rows.iter().try_for_each(|row| insert(transaction, row))).await
            }
            Kept::Journal(journal, wake, _) => {
                journal.write(&rows).await?;
                wake.notify_one();
                Ok(())
            }
            Kept::Server(settings) => {
                let mut wire = Wire::connect(settings).await?;
                let rows: Vec<&Row> = rows.iter().collect();
                Ok(within(settings.timeout, Box::pin(wire.write(&rows))).await?)
            }
        }
    }

    /// Forgets what is older than an operator wants it to be kept; in PostgreSQL whole days.
    ///
    /// # Errors
    /// [`StoreError`] when the log failed.
    pub async fn purge(&self, now: Timestamp, runs: &Runs) -> Result<(), StoreError> {
        if let Some(keep) = runs.keep {
            self.forget(days::cut(now, keep)).await?;
        }
        self.forget_bodies(days::cut(now, runs.bodies_age)).await?;
        let reader = self.reader().await?;
        if let Some(minute) = fits(&reader.bodies_by_minute().await?, runs.bodies_size) {
            // What is left of the minute that is too much goes with it.
            let before = Timestamp::from_millisecond(minute.saturating_mul(MINUTE)).unwrap_or(now);
            drop(reader);
            self.forget_bodies_before(before).await?;
        }
        self.forget_erased(days::cut(now, erased::KEPT)).await
    }

    /// Whom nothing can come of any more.
    async fn forget_erased(&self, before: Timestamp) -> Result<(), StoreError> {
        match &self.0 {
            Kept::Embedded(records, bodies) => {
                for store in [records, bodies] {
                    let delete = "DELETE FROM erased WHERE at < ?1";
                    store.call(move |transaction| transaction.execute(delete, [before.as_millisecond()])).await?;
                }
            }
            Kept::Journal(_, _, settings) | Kept::Server(settings) => {
                Box::pin(async { Wire::connect(settings).await?.erase("erased", ("at", "<"), &before.into()).await })
                    .await?;
            }
        }
        Ok(())
    }

    async fn reader(&self) -> Result<Reader, StoreError> {
        match &self.0 {
            Kept::Embedded(records, _) => Reader::embedded(records.path()),
            Kept::Journal(_, _, settings) | Kept::Server(settings) => Reader::server(settings).await,
        }
    }

    async fn forget_bodies(&self, before: Timestamp) -> Result<(), StoreError> {
        match &self.0 {
            Kept::Embedded(..) => self.forget_bodies_before(before).await,
            Kept::Journal(_, _, settings) | Kept::Server(settings) => {
                Box::pin(async { Wire::connect(settings).await?.forget_bodies(before).await }).await?;
                Ok(())
            }
        }
    }

    /// To the moment, where a day is too much.
    async fn forget_bodies_before(&self, before: Timestamp) -> Result<(), StoreError> {
        match &self.0 {
            Kept::Embedded(_, bodies) => {
                while bodies.call(move |transaction| forget_some(transaction, ("body", "at"), before)).await? > 0 {}
            }
            Kept::Journal(_, _, settings) | Kept::Server(settings) => {
                Box::pin(async { Wire::connect(settings).await?.erase("body", ("at", "<"), &before.into()).await })
                    .await?;
            }
        }
        Ok(())
    }

    /// Runs of a user that are in the log.
    ///
    /// # Errors
    /// [`StoreError`] when the log failed.
    pub async fn runs_of(&self, user: &str) -> Result<Vec<String>, StoreError> {
        self.reader().await?.of_user("run", &Cell::from(user)).await
    }

    /// Erases all that is kept of a user: runs, exchanges, endings, findings and bodies, and what of before
    /// now is yet to come. Returns how many rows.
    ///
    /// # Errors
    /// [`StoreError`] when the log failed.
    pub async fn erase(&self, user: &str, now: Timestamp) -> Result<u64, StoreError> {
        let (records, bodies) = match &self.0 {
            Kept::Embedded(records, bodies) => (records, bodies),
            Kept::Journal(_, _, settings) | Kept::Server(settings) => {
                return Ok(Box::pin(async { Wire::connect(settings).await?.erase_user(user, now).await }).await?);
            }
        };
        for store in [records, bodies] {
            let id = erased::digest(user);
            let sql = "INSERT INTO erased (id, at) VALUES (?1, ?2) ON CONFLICT DO UPDATE SET at = max(at, excluded.at)";
            store.call(move |transaction| transaction.execute(sql, params![id, now.as_millisecond()])).await?;
        }
        let user = Cell::from(user);
        let mut erased = erase_here((records, bodies), "body", &user).await?;
        for table in OF_USERS {
            erased += erase_here((records, records), table, &user).await?;
        }
        // The index has marks of what was deleted until it is one piece.
        let merge = "INSERT INTO mark (mark) VALUES ('optimize')";
        bodies.call(move |transaction| transaction.execute(merge, [])).await?;
        for store in [records, bodies] {
            let path = store.path().to_owned();
            let rewritten = tokio::task::spawn_blocking(move || store::rewrite(&path)).await;
            rewritten.map_err(|error| StoreError::Server(error.to_string()))??;
        }
        Ok(erased)
    }

    /// Forgets what ended before then; in PostgreSQL whole days.
    async fn forget(&self, before: Timestamp) -> Result<(), StoreError> {
        match &self.0 {
            Kept::Embedded(records, _) => {
                while records.call(move |transaction| forget(transaction, before)).await? > 0 {}
            }
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
            Kept::Embedded(records, bodies) => records.waiting() + bodies.waiting(),
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

/// What is of users, but for bodies, in the order in which it is erased.
pub(super) const OF_USERS: [&str; 4] = ["finding", "ending", "exchange", "run"];

/// Whether a row is to be kept, whose user may have been erased.
fn is_kept(transaction: &Transaction<'_>, row: &Row) -> rusqlite::Result<bool> {
    let Some(id) = erased::digest_of(row) else { return Ok(true) };
    let mut find = transaction.prepare_cached("SELECT at FROM erased WHERE id = ?1")?;
    match fate(row, find.query_row([id], |row| row.get(0)).optional()?) {
        Fate::Kept => Ok(true),
        Fate::LeftOut => Ok(false),
        Fate::WithRun(run) => transaction
            .prepare_cached("SELECT EXISTS (SELECT 1 FROM run WHERE id = ?1 AND turns > 0)")?
            .query_row([run], |row| row.get(0)),
    }
}

fn insert(transaction: &Transaction<'_>, row: &Row) -> rusqlite::Result<()> {
    if !is_kept(transaction, row)? {
        return Ok(());
    }
    // Marks are in a table of their own, by the number of their body.
    let marks = row.get(MARKS).text();
    let number = marks.map(|_| next_number(transaction)).transpose()?.map_or(Cell::Null, Cell::Number);
    let cells = row.cells().iter().map(|(name, cell)| (name.as_str(), cell)).filter(|(name, _)| *name != MARKS);
    let (columns, cells): (Vec<&str>, Vec<&Cell>) = cells.chain(marks.map(|_| ("number", &number))).unzip();
    let sql = row::insert(row.table, &columns, &row::values(columns.len()));
    let sql = schema::statement(&sql, Dialect::Embedded);
    let added = transaction.prepare_cached(&sql)?.execute(params_from_iter(cells))?;
    if added == 0 {
        return Ok(());
    }
    if let Some(marks) = marks {
        transaction
            .prepare_cached("INSERT INTO mark (rowid, marks) VALUES (?1, ?2)")?
            .execute(params![number, marks])?;
    }
    let sql = schema::statement(&tally::upsert(&row::values(tally::COLUMNS.len())), Dialect::Embedded);
    for (run, tally) in tallies([row]) {
        transaction.prepare_cached(&sql)?.execute(params_from_iter(tally.cells(&run)))?;
    }
    Ok(())
}

/// A number that no body has.
fn next_number(transaction: &Transaction<'_>) -> rusqlite::Result<i64> {
    let mut last = transaction.prepare_cached("SELECT coalesce(max(number), 0) FROM body")?;
    last.query_row([], |row| row.get::<_, i64>(0)).map(|last| last + 1)
}

/// Erases what a table has of a user. A few rows at a time, found beforehand, so that others may write in
/// between.
async fn erase_here((records, store): (&Store, &Store), table: &'static str, user: &Cell) -> Result<u64, StoreError> {
    let ids = Reader::embedded(records.path())?.of_user(table, user).await?;
    let mut erased = 0;
    for some in ids.chunks(ERASED_AT_ONCE) {
        let (some, sql) = (some.to_vec(), format!("DELETE FROM {table} WHERE id = ?1"));
        let delete = move |transaction: &Transaction<'_>| {
            let mut delete = transaction.prepare_cached(&sql)?;
            some.iter().map(|id| delete.execute([id])).sum::<rusqlite::Result<usize>>()
        };
        erased += store.call(delete).await? as u64;
    }
    Ok(erased)
}

/// Bodies may have megabytes each.
const ERASED_AT_ONCE: usize = 50;

/// Forgets some of what is older, so that others may write in between. Returns how many rows.
fn forget(transaction: &Transaction<'_>, before: Timestamp) -> rusqlite::Result<usize> {
    for column in [("exchange", "at"), ("ending", "at"), ("finding", "at"), ("run", "ended")] {
        let forgotten = forget_some(transaction, column, before)?;
        if forgotten > 0 {
            return Ok(forgotten);
        }
    }
    forget_some(transaction, ("shown", "at"), days::cut(before, shown::LONGER))
}

fn forget_some(
    transaction: &Transaction<'_>,
    (table, moment): (&str, &str),
    before: Timestamp,
) -> rusqlite::Result<usize> {
    let old = format!("DELETE FROM {table} WHERE id IN (SELECT id FROM {table} WHERE {moment} < ?1 LIMIT 1000)");
    transaction.execute(&old, [before.as_millisecond()])
}

/// No Jetway waits longer for a run than a day.
const FORGOTTEN: std::time::Duration = std::time::Duration::from_secs(2 * 86_400);
const ABANDONED_AT_ONCE: u32 = 1_000;

const MINUTE: i64 = 60_000;

/// The minute since 1970 from which on bodies fit into so many bytes; none where all do. They are given by
/// minutes, the latest first.
fn fits(by_minute: &[(i64, u64)], most: u64) -> Option<i64> {
    let mut sum = 0_u64;
    let too_much = by_minute.iter().find(|(_, bytes)| {
        sum = sum.saturating_add(*bytes);
        sum > most
    });
    too_much.map(|(minute, _)| minute + 1)
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
