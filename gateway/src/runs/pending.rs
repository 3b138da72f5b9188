//! Records that are yet to be written: counted, tried until they are, and never more than there is room for.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use crate::runs::log::Log;
use crate::runs::{Ended, Record};
use crate::store::StoreError;

/// From so many on nothing new is begun.
pub const MOST: usize = 10_000;
/// Between two tries, the first and the longest.
const PAUSE: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(60));
/// How often a record is tried, a second apart, once this process is to end.
const LAST_TRIES: u32 = 10;

/// What could not be written to the run log.
#[derive(Debug, Clone, Copy)]
pub enum Unwritten<'a> {
    Exchange(&'a Record),
    Ending(&'a Ended),
}

impl Unwritten<'_> {
    fn id(&self) -> &str {
        match self {
            Self::Exchange(record) => &record.id,
            Self::Ending(ended) => &ended.run,
        }
    }

    async fn write(&self, log: &Log) -> Result<(), StoreError> {
        match self {
            Self::Exchange(record) => log.write(record).await,
            Self::Ending(ended) => log.end(ended).await,
        }
    }
}

#[derive(Debug, Default)]
pub struct Pending {
    count: AtomicUsize,
    lost: AtomicUsize,
    stop: CancellationToken,
}

/// A record that is yet to be written.
#[derive(Debug)]
pub struct Waiting(Arc<Pending>);

impl Drop for Waiting {
    fn drop(&mut self) {
        self.0.count.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Pending {
    /// One more, as long as this is kept.
    #[must_use]
    pub fn enter(self: &Arc<Self>) -> Waiting {
        self.count.fetch_add(1, Ordering::Relaxed);
        Waiting(Arc::clone(self))
    }

    #[must_use]
    pub fn count(&self) -> usize {
        self.count.load(Ordering::Relaxed)
    }

    /// Whether there is room for no more.
    #[must_use]
    pub fn is_full(&self) -> bool {
        self.count() >= MOST
    }

    /// This process is to end: what is not written soon is lost.
    pub fn stop(&self) {
        self.stop.cancel();
    }

    /// How many were given up, and how many are not written yet.
    #[must_use]
    pub fn unwritten(&self) -> usize {
        self.lost.load(Ordering::Relaxed) + self.count()
    }

    /// Writes what could not be written, as when the disk was full for a while: until it is there, or this
    /// process is to end.
    pub async fn write(self: &Arc<Self>, log: &Log, unwritten: Unwritten<'_>, mut error: StoreError) {
        let _waiting = self.enter();
        let (id, mut pause, mut left) = (unwritten.id(), PAUSE.0, LAST_TRIES);
        tracing::error!(id, %error, "a record could not be written yet, and is tried again until it is there");
        loop {
            if self.stop.is_cancelled() {
                (left, pause) = (left - 1, PAUSE.0);
                tokio::time::sleep(pause).await;
            } else {
                tokio::select! { () = self.stop.cancelled() => {}, () = tokio::time::sleep(pause) => {} }
                pause = (pause * 2).min(PAUSE.1);
            }
            match unwritten.write(log).await {
                Ok(()) => return,
                Err(again) => error = again,
            }
            tracing::debug!(id, %error, "a record could still not be written");
            if left == 0 {
                self.lost.fetch_add(1, Ordering::Relaxed);
                tracing::error!(id, %error, "a record was not written before the end, and is lost");
                return;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use rusqlite::Connection;
    use tokio_util::task::TaskTracker;

    use super::*;
    use crate::config::Runs;
    use crate::runs::log;
    use crate::store::{self, Durability};

    /// A log that takes nothing, and what mends it.
    fn broken(folder: &tempfile::TempDir) -> (Log, Connection) {
        let tending = (&TaskTracker::new(), CancellationToken::new());
        let log = Log::open(&Runs::default(), folder.path(), tending).unwrap();
        let other = store::open(&folder.path().join(log::FILE), Durability::Full, &[]).unwrap();
        other.execute_batch("ALTER TABLE exchange RENAME TO away").unwrap();
        (log, other)
    }

    #[tokio::test]
    async fn a_record_waits_until_it_is_written() {
        let folder = tempfile::tempdir().unwrap();
        let (log, other) = broken(&folder);
        let (pending, record) = (Arc::new(Pending::default()), Record { id: "x_1".into(), ..Record::default() });
        let error = log.write(&record).await.unwrap_err();
        let writing = {
            let (pending, log) = (Arc::clone(&pending), log.clone());
            async move { pending.write(&log, Unwritten::Exchange(&record), error).await }
        };
        let mending = async {
            tokio::time::sleep(PAUSE.0 * 3 / 2).await;
            assert_eq!((pending.count(), pending.unwritten()), (1, 1));
            other.execute_batch("ALTER TABLE away RENAME TO exchange").unwrap();
        };
        tokio::join!(writing, mending);
        assert_eq!((pending.count(), pending.unwritten()), (0, 0));
        let count: i64 = other.query_row("SELECT count(*) FROM exchange", [], |row| row.get(0)).unwrap();
        assert_eq!(count, 1);
    }

    #[tokio::test]
    async fn what_is_not_written_at_the_end_is_counted() {
        let folder = tempfile::tempdir().unwrap();
        let (log, _other) = broken(&folder);
        let (pending, record) = (Arc::new(Pending::default()), Record { id: "x_1".into(), ..Record::default() });
        let error = log.write(&record).await.unwrap_err();
        pending.stop();
        pending.write(&log, Unwritten::Exchange(&record), error).await;
        assert_eq!((pending.count(), pending.unwritten()), (0, 1));
    }

    #[test]
    fn there_is_room_for_so_many() {
        let pending = Arc::new(Pending::default());
        let mut waiting: Vec<Waiting> = (1..MOST).map(|_| pending.enter()).collect();
        assert!(!pending.is_full());
        waiting.push(pending.enter());
        assert!(pending.is_full());
        waiting.pop();
        assert!(!pending.is_full());
    }
}
