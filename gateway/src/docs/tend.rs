//! Keeps the documents of a gateway that runs up to date, off the path of its requests.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use rustls::ClientConfig;
use tokio::sync::Semaphore;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::docs::refresh::Asking;
use crate::docs::{AT_ONCE, Shelf, Told, history, refresh};
use crate::metrics::Metrics;

/// How often it is looked whether there is anything to do.
const TICK: Duration = Duration::from_millis(500);

/// What tending needs.
#[derive(Debug, Clone)]
pub struct Tending {
    /// None where nothing may leave this machine.
    pub tls: Option<ClientConfig>,
    pub metrics: Metrics,
    pub tasks: TaskTracker,
    pub stop: CancellationToken,
}

/// A policy's documents, and what is under way for them.
struct Tended {
    shelf: Arc<Shelf>,
    /// When something is to be asked for.
    due: Timestamp,
    asking: Option<JoinHandle<Option<Timestamp>>>,
    /// Whether what `asking` asks for is what the configuration says now.
    is_same: bool,
}

/// Asks for what is due, exchanges indexes, and counts, until it is told to stop.
pub async fn tend(shelves: impl Fn() -> Vec<Arc<Shelf>>, tending: Tending) {
    let places = Arc::new(Semaphore::new(AT_ONCE));
    let mut all: BTreeMap<String, Tended> = BTreeMap::new();
    loop {
        let current = shelves();
        all.retain(|policy, _| {
            let stays = current.iter().any(|shelf| shelf.policy == *policy);
            if !stays {
                tending.metrics.forget_docs(policy);
            }
            stays
        });
        for shelf in current {
            let known = all.remove(&shelf.policy);
            let is_known = |tended: &Tended| Arc::ptr_eq(&tended.shelf, &shelf);
            let mut tended = match known {
                Some(tended) if is_known(&tended) => tended,
                other => {
                    remember(&shelf).await;
                    let asking = other.and_then(|tended| tended.asking);
                    Tended { is_same: asking.is_none(), shelf, due: Timestamp::UNIX_EPOCH, asking }
                }
            };
            tended.go_on(&places, &tending).await;
            all.insert(tended.shelf.policy.clone(), tended);
        }
        tokio::select! {
            () = tending.stop.cancelled() => return,
            () = tokio::time::sleep(TICK) => {}
        }
    }
}

impl Tended {
    async fn go_on(&mut self, places: &Arc<Semaphore>, tending: &Tending) {
        let now = Timestamp::now();
        if let Some(asking) = self.asking.take_if(|asking| asking.is_finished()) {
            let due = asking.await.ok().flatten();
            if self.is_same {
                self.due = due.unwrap_or(now + AFTER_A_FAULT);
            }
            self.is_same = true;
        }
        if let Some(tls) = &tending.tls
            && self.asking.is_none()
            && now >= self.due
        {
            self.due = Timestamp::MAX;
            if self.shelf.has_fetched() {
                self.asking = Some(ask(&self.shelf, tls.clone(), places, tending));
            }
        }
        if self.shelf.is_behind() {
            let shelf = Arc::clone(&self.shelf);
            match tokio::task::spawn_blocking(move || shelf.reopen()).await {
                Ok(Ok(())) => tracing::debug!(policy = self.shelf.policy, "its documents were read again"),
                // The watcher of the configuration says what is wrong with a folder.
                Ok(Err(problem)) => {
                    tracing::warn!(policy = self.shelf.policy, %problem, "its documents stay as they were")
                }
                Err(error) => tracing::error!(policy = self.shelf.policy, %error, "reading its documents failed"),
            }
        }
        let stale = i64::try_from(self.shelf.stale(now)).unwrap_or(i64::MAX);
        tending.metrics.docs_stale.with_label_values(&[self.shelf.policy.as_str()]).set(stale);
    }
}

/// After a fault of our own.
const AFTER_A_FAULT: Duration = Duration::from_secs(60);

fn ask(
    shelf: &Arc<Shelf>,
    tls: ClientConfig,
    places: &Arc<Semaphore>,
    tending: &Tending,
) -> JoinHandle<Option<Timestamp>> {
    let (shelf, stop) = (Arc::clone(shelf), tending.stop.clone());
    let (metrics, policy) = (tending.metrics.clone(), shelf.policy.clone());
    let tell = move |told: Told| {
        metrics.docs_fetches.with_label_values(&[policy.as_str(), told.result()]).inc();
        let url = &told.url;
        match &told.outcome {
            // Said once, and not at every attempt.
            Err(why) if told.failures == 1 => tracing::warn!(policy, url, why, "a page cannot be fetched"),
            Err(why) => tracing::debug!(policy, url, why, "a page still cannot be fetched"),
            Ok(is_new) => tracing::debug!(policy, url, is_new, "a page was fetched"),
        }
    };
    let asking = Asking { tls, places: Arc::clone(places), forced: false, tell: Arc::new(tell) };
    tending.tasks.spawn(async move { stop.run_until_cancelled(refresh(&shelf, asking)).await })
}

/// Keeps the texts that lie in folders as they are now.
async fn remember(shelf: &Arc<Shelf>) {
    let kept = Arc::clone(shelf);
    let work = move || -> Result<(), String> {
        let texts = kept.folder_texts().map_err(|problem| problem.to_string())?;
        history::remember(&kept.disk, &texts).map_err(|error| error.to_string())
    };
    let why = match tokio::task::spawn_blocking(work).await {
        Ok(Ok(())) => return,
        Ok(Err(why)) => why,
        Err(error) => error.to_string(),
    };
    tracing::warn!(policy = shelf.policy, why, "the texts of its folders are not kept");
}
