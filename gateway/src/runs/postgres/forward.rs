//! Tells the server what the journal holds, in batches, as long as there is a process.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use crate::config::Postgres as Settings;
use crate::runs::journal::Journal;
use crate::runs::postgres::{Failed, Wire, within};
use crate::runs::row::Row;
use crate::store::StoreError;

/// Rows that share a transaction at the most.
const BATCH: usize = 256;
/// Bytes of them at the most, but for a row that has more alone.
const MOST_BYTES: usize = 4 << 20;
/// A row that is alone is waited for so much longer: it may have that many bytes.
const PATIENCE: u32 = 12;
/// Between two tries of a server that cannot be reached.
const PAUSE: Duration = Duration::from_secs(1);

/// What forwards.
#[derive(Debug)]
pub(in crate::runs) struct Forwarder {
    pub(in crate::runs) journal: Journal,
    pub(in crate::runs) settings: Settings,
    /// Told when there is something new.
    pub(in crate::runs) wake: Arc<Notify>,
}

impl Forwarder {
    /// Goes on until it is told that nothing more comes, and then tries once more.
    pub(in crate::runs) async fn run(self, close: CancellationToken) {
        let mut wire = None;
        let (mut is_down, mut most) = (false, BATCH);
        loop {
            let is_last = close.is_cancelled();
            let result = self.deliver(&mut wire, most).await;
            // What is too much for the time that it may take is tried in smaller pieces.
            most = if result.is_ok() { BATCH } else { (most / 2).max(1) };
            match &result {
                Ok(()) if is_down => {
                    tracing::info!("the run log in PostgreSQL is in reach again, and has all that was kept")
                }
                Err(error) if !is_down => {
                    tracing::error!(%error, "exchanges are kept in the journal until the run log can be reached");
                }
                _ => {}
            }
            is_down = result.is_err();
            if is_last {
                return;
            }
            if is_down {
                tokio::select! { () = close.cancelled() => {}, () = tokio::time::sleep(PAUSE) => {} }
            } else {
                tokio::select! { () = close.cancelled() => {}, () = self.wake.notified() => {} }
            }
        }
    }

    /// Delivers all that waits, so many rows at once.
    async fn deliver(&self, wire: &mut Option<Wire>, most: usize) -> Result<(), StoreError> {
        loop {
            // Also with nothing to tell: so a server that cannot be reached is known at the start.
            let connected = match wire.take() {
                Some(connected) => connected,
                None => Wire::connect(&self.settings).await?,
            };
            let connected = wire.insert(connected);
            let rows = self.journal.read((most, MOST_BYTES)).await?;
            if rows.is_empty() {
                return Ok(());
            }
            if let Err(failed) = self.write(connected, &rows).await {
                *wire = None;
                return Err(failed);
            }
        }
    }

    /// How long so many rows may take.
    fn patience(&self, rows: usize) -> Duration {
        if rows == 1 { self.settings.timeout * PATIENCE } else { self.settings.timeout }
    }

    /// Writes a batch; if something in it is refused, each by itself.
    async fn write(&self, wire: &mut Wire, rows: &[(i64, Row)]) -> Result<(), StoreError> {
        let all: Vec<&Row> = rows.iter().map(|(_, row)| row).collect();
        match within(self.patience(rows.len()), wire.write(&all)).await {
            Ok(()) => return self.journal.delivered(rows.iter().map(|(seq, _)| *seq).collect()).await,
            Err(Failed::Refused(_)) => {}
            Err(failed) => return Err(failed.into()),
        }
        // A day that somebody else forgot in the meantime is made again.
        wire.forget_days();
        for (seq, row) in rows {
            match within(self.patience(1), wire.write(&[row])).await {
                Ok(()) => self.journal.delivered(vec![*seq]).await?,
                Err(Failed::Refused(why)) => self.journal.set_aside(*seq, why).await?,
                Err(failed) => return Err(failed.into()),
            }
        }
        Ok(())
    }
}
