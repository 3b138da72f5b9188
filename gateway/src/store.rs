//! SQLite on a thread of its own, behind a bounded queue.
//!
//! Jobs that are waiting when the thread gets to them share one transaction, so that many
//! callers pay for one write to the disk. A caller hears back only once that is committed.

use std::path::{Path, PathBuf};
use std::time::Instant;

use prometheus::Histogram;
use rusqlite::{Connection, Transaction, TransactionBehavior};
use tokio::sync::{mpsc, oneshot};

use crate::secret;

/// Jobs that share a transaction at the most.
const BATCH: usize = 64;
/// Jobs that may wait.
const QUEUE: usize = 4_096;

#[derive(Debug, Clone, thiserror::Error)]
pub enum StoreError {
    #[error("the database {path} cannot be used: {why}")]
    Database { path: PathBuf, why: String },
    #[error("the database thread has stopped")]
    Stopped,
    #[error("what is kept of runs cannot be asked for: {0}")]
    OutOfReach(String),
    #[error("the run log cannot be used: {0}")]
    Server(String),
}

/// How much a power cut may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Durability {
    /// Nothing that was committed.
    Full,
    /// The last moments; never more than that, and never the file.
    Relaxed,
}

/// Opens a database, makes its folder and brings its tables up to date.
///
/// `migrations` are run in order, once each; never change one that was released, add another.
///
/// # Errors
/// [`StoreError::Database`] when the file cannot be opened or a migration fails.
pub fn open(path: &Path, durability: Durability, migrations: &[&str]) -> Result<Connection, StoreError> {
    let failed = |why: String| StoreError::Database { path: path.to_owned(), why };
    private(path).map_err(|error| failed(error.to_string()))?;
    prepare(path, durability, migrations).map_err(|error| failed(error.to_string()))
}

fn prepare(path: &Path, durability: Durability, migrations: &[&str]) -> rusqlite::Result<Connection> {
    let mut connection = Connection::open(path)?;
    // Another process may be writing: `jetway keys create` beside a running gateway.
    connection.busy_timeout(std::time::Duration::from_secs(10))?;
    connection.pragma_update(None, "journal_mode", "WAL")?;
    let synchronous = if durability == Durability::Full { "FULL" } else { "NORMAL" };
    connection.pragma_update(None, "synchronous", synchronous)?;
    let wanted = i64::try_from(migrations.len()).unwrap_or(0);
    // Whoever opens it to read, every few seconds, is not to wait for those who write.
    if connection.pragma_query_value(None, "user_version", |row| row.get::<_, i64>(0))? >= wanted {
        return Ok(connection);
    }
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let done: i64 = transaction.pragma_query_value(None, "user_version", |row| row.get(0))?;
    for migration in migrations.iter().skip(usize::try_from(done).unwrap_or(0)) {
        transaction.execute_batch(migration)?;
    }
    transaction.pragma_update(None, "user_version", done.max(wanted))?;
    transaction.commit()?;
    Ok(connection)
}

/// Writes a database anew, so that nothing is left of what was deleted: copies stay behind wherever SQLite
/// moves rows to make room. It takes half a minute a gigabyte, and as much room again twice until it is
/// done; whoever writes to this file waits.
///
/// # Errors
/// [`StoreError::Database`] when the file cannot be written, or somebody reads it all the while.
pub fn rewrite(path: &Path) -> Result<(), StoreError> {
    let failed = |why: String| StoreError::Database { path: path.to_owned(), why };
    let done = Connection::open(path).and_then(|connection| {
        connection.busy_timeout(REWRITING)?;
        // What it makes beside the file is as private, and often larger than /tmp.
        if let Some(folder) = path.parent() {
            connection.pragma_update(None, "temp_store_directory", folder.to_string_lossy())?;
        }
        connection.execute_batch("VACUUM")?;
        // Beside the file stands what was there before, until all of it is in the file.
        connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| row.get::<_, bool>(0))
    });
    match done {
        Ok(false) => Ok(()),
        Ok(true) => Err(failed(String::from(
            "somebody reads it, so that pieces of what was erased are left in the file beside it; do it again",
        ))),
        Err(error) => Err(failed(error.to_string())),
    }
}

/// How long whoever rewrites a database waits for those who read and write it.
const REWRITING: std::time::Duration = std::time::Duration::from_secs(60);

/// The files hold who called when: only their owner may read them. SQLite gives the files that it
/// keeps beside a database the database's own permissions, so it must have them beforehand.
fn private(path: &Path) -> std::io::Result<()> {
    use std::os::unix::fs::OpenOptionsExt;
    if let Some(folder) = path.parent() {
        secret::private_folder(folder)?;
    }
    std::fs::OpenOptions::new().create(true).truncate(false).write(true).mode(0o600).open(path)?;
    Ok(())
}

/// Runs in a transaction, or is told why there is none.
type Job = Box<dyn FnOnce(Result<&Transaction<'_>, StoreError>) -> Reply + Send>;
/// Tells a caller what became of its job, once it is known whether the batch was committed.
type Reply = Box<dyn FnOnce(Result<(), StoreError>) + Send>;

/// What is told how long jobs take, from the call to its answer.
#[derive(Debug, Clone)]
pub struct Timing {
    pub done: Histogram,
    pub failed: Histogram,
}

impl Timing {
    /// Something that was asked then is done now, or has failed.
    pub fn tell(&self, asked: Instant, is_done: bool) {
        let histogram = if is_done { &self.done } else { &self.failed };
        histogram.observe(asked.elapsed().as_secs_f64());
    }
}

/// A database and its thread. The thread ends when the last handle is gone and the queue is empty.
#[derive(Debug, Clone)]
pub struct Store {
    path: PathBuf,
    jobs: mpsc::Sender<Job>,
    timing: Option<Timing>,
}

impl Store {
    /// Starts the thread.
    ///
    /// # Errors
    /// [`StoreError::Database`] when no thread can be started.
    pub fn start(path: &Path, connection: Connection) -> Result<Self, StoreError> {
        let (jobs, queue) = mpsc::channel(QUEUE);
        let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        std::thread::Builder::new()
            .name(name)
            .spawn({
                let path = path.to_owned();
                move || work(&path, connection, queue)
            })
            .map_err(|error| StoreError::Database { path: path.to_owned(), why: error.to_string() })?;
        Ok(Self { path: path.to_owned(), jobs, timing: None })
    }

    /// The same, of which this is told how long it takes.
    #[must_use]
    pub fn timed(self, timing: Timing) -> Self {
        Self { timing: Some(timing), ..self }
    }

    /// Runs a job in a transaction and returns its value once that is committed. A job that
    /// fails is undone, and only that job.
    ///
    /// # Errors
    /// [`StoreError`] when the job or the commit failed.
    pub async fn call<T, F>(&self, job: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: FnOnce(&Transaction<'_>) -> rusqlite::Result<T> + Send + 'static,
    {
        let asked = Instant::now();
        let outcome = self.answered(job).await;
        if let Some(timing) = &self.timing {
            timing.tell(asked, outcome.is_ok());
        }
        outcome
    }

    async fn answered<T, F>(&self, job: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: FnOnce(&Transaction<'_>) -> rusqlite::Result<T> + Send + 'static,
    {
        let (answer, answered) = oneshot::channel();
        let boxed = self.job(job, move |result| drop(answer.send(result)));
        self.jobs.send(boxed).await.map_err(|_| StoreError::Stopped)?;
        answered.await.map_err(|_| StoreError::Stopped)?
    }

    fn job<T, F, A>(&self, job: F, answer: A) -> Job
    where
        T: Send + 'static,
        F: FnOnce(&Transaction<'_>) -> rusqlite::Result<T> + Send + 'static,
        A: FnOnce(Result<T, StoreError>) + Send + 'static,
    {
        let path = self.path.clone();
        Box::new(move |transaction| {
            let result = transaction.and_then(|transaction| {
                undoable(transaction, job).map_err(|error| StoreError::Database { path, why: error.to_string() })
            });
            Box::new(move |committed| answer(committed.and(result)))
        })
    }

    /// The file.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Whether the thread is there to take jobs.
    #[must_use]
    pub fn is_alive(&self) -> bool {
        !self.jobs.is_closed()
    }

    /// Jobs that wait now.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.jobs.max_capacity() - self.jobs.capacity()
    }
}

fn undoable<T>(
    transaction: &Transaction<'_>,
    job: impl FnOnce(&Transaction<'_>) -> rusqlite::Result<T>,
) -> rusqlite::Result<T> {
    transaction.execute_batch("SAVEPOINT job")?;
    let result = job(transaction);
    let end = if result.is_ok() { "RELEASE job" } else { "ROLLBACK TO job; RELEASE job" };
    transaction.execute_batch(end)?;
    result
}

fn work(path: &Path, mut connection: Connection, mut queue: mpsc::Receiver<Job>) {
    while let Some(first) = queue.blocking_recv() {
        let mut batch = vec![first];
        while batch.len() < BATCH
            && let Ok(job) = queue.try_recv()
        {
            batch.push(job);
        }
        // A job that panics takes its batch with it, and not the thread: its transaction is undone,
        // and the callers of the batch hear that nobody answers.
        let done = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| run(path, &mut connection, batch)));
        if done.is_err() {
            tracing::error!(path = %path.display(), "a job panicked");
        }
    }
}

/// Runs a batch and answers every job of it.
fn run(path: &Path, connection: &mut Connection, batch: Vec<Job>) {
    let failed = |error: rusqlite::Error| StoreError::Database { path: path.to_owned(), why: error.to_string() };
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate).map_err(failed);
    let mut replies = Vec::with_capacity(batch.len());
    for job in batch {
        // When the disk is full SQLite ends the transaction by itself; nothing may go on outside it.
        let sound = transaction.as_ref().map_err(Clone::clone).and_then(|transaction| {
            let ended =
                || StoreError::Database { path: path.to_owned(), why: String::from("the transaction was undone") };
            if transaction.is_autocommit() { Err(ended()) } else { Ok(transaction) }
        });
        replies.push(job(sound));
    }
    let committed = transaction.and_then(|transaction| transaction.commit().map_err(failed));
    for reply in replies {
        reply(committed.clone());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TABLE: &[&str] = &["CREATE TABLE t (n INTEGER PRIMARY KEY) STRICT"];

    fn store(folder: &tempfile::TempDir) -> Store {
        let path = folder.path().join("sub/t.db");
        Store::start(&path, open(&path, Durability::Full, TABLE).unwrap()).unwrap()
    }

    #[tokio::test]
    async fn a_job_that_fails_is_undone_and_only_that_job() {
        let folder = tempfile::tempdir().unwrap();
        let store = store(&folder);
        let insert = |n: i64| store.call(move |t| t.execute("INSERT INTO t VALUES (?1)", [n]));
        let twice = store.call(|t| {
            t.execute("INSERT INTO t VALUES (7)", [])?;
            t.execute("INSERT INTO t VALUES (1)", [])
        });
        let (one, failed, two) = tokio::join!(insert(1), twice, insert(2));
        assert!(one.is_ok() && failed.is_err() && two.is_ok());
        let sum: i64 = store.call(|t| t.query_row("SELECT sum(n) FROM t", [], |row| row.get(0))).await.unwrap();
        assert_eq!(sum, 3);
    }

    #[tokio::test]
    async fn what_was_written_is_there_after_a_restart() {
        let folder = tempfile::tempdir().unwrap();
        store(&folder).call(|t| t.execute("INSERT INTO t VALUES (5)", [])).await.unwrap();
        let count: i64 =
            store(&folder).call(|t| t.query_row("SELECT count(*) FROM t", [], |row| row.get(0))).await.unwrap();
        assert_eq!(count, 1);
    }

    #[test]
    fn a_database_that_cannot_be_opened_says_which() {
        let error = open(Path::new("/dev/null/x.db"), Durability::Full, TABLE).unwrap_err();
        assert!(error.to_string().contains("/dev/null/x.db"), "{error}");
    }
}
