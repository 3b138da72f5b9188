//! What is done for the ledger without being asked: keeping this process's holds alive, charging
//! those of processes that died, telling a server what it has lost or could not be told.

use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::ledger::Unreachable;
use crate::ledger::redis::book::{Kept, Lease, Open, Owed};
use crate::ledger::redis::journal::Journal;
use crate::ledger::redis::script::{self, Keys};
use crate::ledger::redis::{Redis, Shared};
use crate::store::StoreError;

/// How often a server is tried that could not be reached.
const BETWEEN_PROBES: Duration = Duration::from_millis(200);
/// Holds that are renewed in one call.
const BATCH: usize = 256;

/// Tends until it is told to close, and gives back what was leased.
pub(super) async fn tend(ledger: Redis, tasks: TaskTracker, close: CancellationToken) {
    let shared = &ledger.0;
    let mut was_down = false;
    let mut renewed = Instant::now();
    loop {
        let pause = if was_down { BETWEEN_PROBES } else { (shared.lease / 3).min(Duration::from_secs(5)) };
        tokio::select! {
            () = close.cancelled() => break,
            () = shared.link.wake.notified() => {}
            () = tokio::time::sleep(pause) => {}
        }
        if shared.link.is_down() {
            was_down = true;
            if shared.link.probe().await.is_err() {
                tokio::time::sleep(BETWEEN_PROBES).await;
                continue;
            }
        }
        let wanted = std::mem::take(&mut shared.book().wanted);
        for (policy, charges) in wanted {
            let ledger = ledger.clone();
            tasks.spawn(async move { ledger.0.lease(policy, charges).await });
        }
        let done = async {
            if shared.link.has_changed() {
                tell_again(shared).await?;
            }
            if was_down || shared.owed.load(Ordering::Acquire) > 0 {
                deliver(shared).await?;
            }
            if renewed.elapsed() >= shared.lease / 3 {
                renew(shared).await?;
                reap(shared).await?;
                let idle = shared.book().idle_leases(shared.lease);
                release(shared, idle).await?;
                renewed = Instant::now();
            }
            Ok::<(), Unreachable>(())
        };
        match done.await {
            Ok(()) => was_down = false,
            Err(error) => {
                tracing::debug!(%error, "the ledger could not be tended");
                // What was to be told again still is.
                was_down = true;
            }
        }
    }
    let leases = shared.book().idle_leases(Duration::ZERO);
    if let Err(error) = release(shared, leases).await {
        tracing::warn!(%error, "what was leased could not be given back; it is at the next start");
    }
}

/// Tells a server that has lost something all that this process knows.
async fn tell_again(shared: &Shared) -> Result<(), Unreachable> {
    let (open, settled) = {
        let book = shared.book();
        let open: Vec<(String, Open)> = book.open.iter().map(|(id, open)| (id.clone(), open.clone())).collect();
        (open, book.lately())
    };
    let told = async {
        for (exchange, open) in open.iter().filter(|(_, open)| open.kept == Kept::Server) {
            // It may have ended in the meantime; then its settlement tells the rest.
            if shared.book().open.contains_key(exchange) {
                skip_refused(shared, shared.assert(exchange, open).await)?;
            }
        }
        for owed in &settled {
            skip_refused(shared, shared.conclude(owed, "settle").await)?;
        }
        Ok(())
    };
    let told = told.await;
    if told.is_err() {
        shared.link.change();
    }
    told
}

/// Delivers what could not be told: first what is still under way, then what is owed, and only then
/// the leases that it was served from go back, so that never too little is set aside.
async fn deliver(shared: &Shared) -> Result<(), Unreachable> {
    let Some(journal) = &shared.journal else { return Ok(()) };
    let owed = journal.read().await.map_err(unwritten)?;
    let mut refused = 0;
    for owed in owed {
        if skip_refused(shared, deliver_one(shared, journal, owed).await)?.is_none() {
            refused += 1;
        }
    }
    shared.owed.store(0, Ordering::Release);
    let left = journal.read().await.map_err(unwritten)?;
    shared.owed.fetch_add(left.len(), Ordering::AcqRel);
    if left.len() > refused {
        shared.link.wake.notify_one();
        return Ok(());
    }
    let touched = shared.book().touched_leases();
    release(shared, touched).await
}

async fn deliver_one(shared: &Shared, journal: &Journal, owed: Owed) -> Result<(), Unreachable> {
    let open = shared.book().open.get(&owed.exchange).cloned();
    match open {
        Some(open) if open.kept == Kept::Server => {}
        Some(open) => {
            shared.assert(&owed.exchange, &open).await?;
            let mut book = shared.book();
            if let Some(open) = book.open.get_mut(&owed.exchange) {
                open.kept = Kept::Server;
            }
        }
        None => {
            // It may have ended since it was read, and then it says something else now.
            let Some(owed) = journal.find(&owed.exchange).await.map_err(unwritten)? else { return Ok(()) };
            shared.conclude(&owed, "settle").await?;
            shared.book().settled(owed.clone(), Instant::now());
            return delivered(shared, &owed).await;
        }
    }
    delivered(shared, &owed).await
}

/// What a server that is there refuses must not keep it from hearing the rest. None where it did.
fn skip_refused<T>(shared: &Shared, told: Result<T, Unreachable>) -> Result<Option<T>, Unreachable> {
    match told {
        Ok(told) => Ok(Some(told)),
        Err(error) if shared.link.is_down() => Err(error),
        Err(error) => {
            tracing::error!(%error, "the ledger refuses what it is told; it is told again");
            Ok(None)
        }
    }
}

fn unwritten(error: StoreError) -> Unreachable {
    Unreachable { why: error.to_string() }
}

/// An exchange that has ended while it was told is written down anew, and must stay so.
async fn delivered(shared: &Shared, owed: &Owed) -> Result<(), Unreachable> {
    let Some(journal) = &shared.journal else { return Ok(()) };
    journal.delivered(owed).await.map_err(unwritten)
}

async fn release(shared: &Shared, leases: Vec<Lease>) -> Result<(), Unreachable> {
    for lease in leases {
        shared.book().open.remove(&lease.id);
        let owed = lease.unspent();
        match shared.conclude(&owed, "settle").await {
            Ok(_) => delivered(shared, &owed).await?,
            Err(_) => shared.owe(&owed).await?,
        }
    }
    Ok(())
}

/// Keeps the holds of this process alive.
async fn renew(shared: &Shared) -> Result<(), Unreachable> {
    let mut by_policy = std::collections::BTreeMap::<String, Vec<String>>::new();
    for (exchange, open) in &shared.book().open {
        if open.kept == Kept::Server {
            by_policy.entry(open.policy.clone()).or_default().push(exchange.clone());
        }
    }
    for (policy, exchanges) in by_policy {
        let keys = Keys::of(&policy);
        for batch in exchanges.chunks(BATCH) {
            let mut args = vec![shared.lease.as_secs().max(1).to_string()];
            args.extend(batch.iter().cloned());
            let (_, _, missing) = shared.run(&script::RENEW, (&policy, &[keys.meta(), keys.leases()]), args).await?;
            for exchange in missing {
                let open = shared.book().open.get(&exchange).cloned();
                if let Some(open) = open {
                    skip_refused(shared, shared.assert(&exchange, &open).await)?;
                }
            }
        }
    }
    Ok(())
}

/// Charges the holds that nobody has renewed: their process has died, and what it had sent may
/// have cost that much.
async fn reap(shared: &Shared) -> Result<(), Unreachable> {
    let policies: Vec<String> = shared.book().policies.iter().cloned().collect();
    for policy in policies {
        let keys = Keys::of(&policy);
        loop {
            let (_, _, expired) =
                shared.run(&script::TOUCH, (&policy, &[keys.meta(), keys.leases()]), Vec::new()).await?;
            let mut refused = 0;
            for exchange in &expired {
                if skip_refused(shared, charge(shared, &policy, exchange).await)?.is_none() {
                    refused += 1;
                }
            }
            if expired.len() == refused {
                break;
            }
        }
    }
    Ok(())
}

async fn charge(shared: &Shared, policy: &str, exchange: &str) -> Result<(), Unreachable> {
    let parts = shared.parts(policy, exchange).await?;
    let owed = Owed { policy: policy.to_owned(), exchange: exchange.to_owned(), parts };
    if shared.conclude(&owed, "charge").await? {
        shared.counts.reaped.fetch_add(1, Ordering::Relaxed);
    }
    Ok(())
}

/// Does at once what is done now and then.
#[cfg(test)]
pub(super) async fn reap_now(ledger: &Redis) -> Result<(), Unreachable> {
    reap(&ledger.0).await
}

/// Forgets what the index says is long over. Accounts and tombstones expire by themselves.
pub(super) async fn purge(ledger: &Redis) -> Result<(), Unreachable> {
    let policies: Vec<String> = ledger.0.book().policies.iter().cloned().collect();
    for policy in policies {
        let keys = Keys::of(&policy);
        let now = jiff::Timestamp::now().as_second();
        let forget = |key: String, before: i64| {
            let mut command = redis::cmd("ZREMRANGEBYSCORE");
            command.arg(key).arg("-inf").arg(before);
            command
        };
        ledger.0.link.command::<()>(&forget(keys.index(), now)).await?;
        ledger.0.link.command::<()>(&forget(keys.charged(), now - KEPT)).await?;
    }
    Ok(())
}

/// Abandoned holds can be released for so long.
const KEPT: i64 = 62 * 24 * 3600;
