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

use crate::docs::embed::{Embedder, Failed, Work};
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
    pub embedder: Embedder,
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
    meaning: Meaning,
}

/// Asks for what is due, exchanges indexes, and counts, until it is told to stop.
pub async fn tend(shelves: impl Fn() -> Vec<Arc<Shelf>>, tending: Tending) {
    let places = Arc::new(Semaphore::new(AT_ONCE));
    let mut all: BTreeMap<String, Tended> = BTreeMap::new();
    loop {
        let current = shelves();
        all.retain(|policy, tended| {
            let stays = current.iter().any(|shelf| shelf.policy == *policy);
            if !stays {
                forget(&tending.metrics, &tended.shelf);
            }
            stays
        });
        for shelf in current {
            let known = all.remove(&shelf.policy);
            let is_known = |tended: &Tended| Arc::ptr_eq(&tended.shelf, &shelf);
            let mut tended = match known {
                Some(tended) if is_known(&tended) => tended,
                other => {
                    if let Some(before) = &other {
                        forget(&tending.metrics, &before.shelf);
                    }
                    remember(&shelf).await;
                    let asking = other.and_then(|tended| tended.asking);
                    let (due, meaning) = (Timestamp::UNIX_EPOCH, Meaning::default());
                    Tended { is_same: asking.is_none(), shelf, due, asking, meaning }
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
        if tending.tls.is_some() {
            self.meaning.go_on(&self.shelf, now, tending).await;
        }
        for (source, pages) in self.shelf.pages(now) {
            tending.metrics.docs.holds(&self.shelf.policy, &source, pages);
        }
    }
}

/// What is under way to know what the sections of a policy mean.
#[derive(Debug, Default)]
struct Meaning {
    /// When somebody is to be asked about what is lacking; at once, where it is not said.
    due: Option<Timestamp>,
    asking: Option<JoinHandle<Result<usize, Failed>>>,
    /// How often in a row it has failed.
    failures: u32,
}

impl Drop for Meaning {
    fn drop(&mut self) {
        // The next one, if there is one, goes on from what was kept.
        if let Some(asking) = &self.asking {
            asking.abort();
        }
    }
}

impl Meaning {
    async fn go_on(&mut self, shelf: &Arc<Shelf>, now: Timestamp, tending: &Tending) {
        if let Some(asking) = self.asking.take_if(|asking| asking.is_finished()) {
            let outcome = asking.await.unwrap_or_else(|error| Err(Failed::Other(error.to_string())));
            self.note(shelf, now, &outcome);
        }
        if self.asking.is_none() && self.due.is_none_or(|due| due <= now) && shelf.is_lacking() {
            // Whoever answers in one size and then in another is not asked about everything each time.
            self.due = shelf.is_doubted().then(|| now + BETWEEN_DOUBTS);
            let (shelf, stop, embedder) = (Arc::clone(shelf), tending.stop.clone(), tending.embedder.clone());
            let work = async move {
                let work = tokio::task::spawn_blocking(move || Work::of(&shelf)).await;
                match work.map_err(|error| Failed::Other(error.to_string()))? {
                    Some(work) => stop.run_until_cancelled(work.run(&embedder)).await.unwrap_or(Ok(0)),
                    None => Ok(0),
                }
            };
            self.asking = Some(tending.tasks.spawn(work));
        }
    }

    fn note(&mut self, shelf: &Shelf, now: Timestamp, outcome: &Result<usize, Failed>) {
        let policy = &shelf.policy;
        match outcome {
            Ok(sections) => {
                self.failures = 0;
                tracing::info!(policy, sections, "it is known what its sections mean");
            }
            Err(why) => {
                self.failures = self.failures.saturating_add(1);
                let pause = FIRST_PAUSE.saturating_mul(1 << (self.failures - 1).min(6)).min(LONGEST_PAUSE);
                self.due = Some(now + pause);
                let (known, of) = (shelf.index().meant(), shelf.index().chunks().len());
                // Said once, and not at every attempt.
                if self.failures == 1 {
                    tracing::warn!(policy, %why, known, of, "it cannot be asked what sections mean; their words are ranked alone");
                } else {
                    tracing::debug!(policy, %why, known, of, "it still cannot be asked what sections mean");
                }
            }
        }
    }
}

/// A model that fails is asked again after this, and then after twice as long each time.
const FIRST_PAUSE: Duration = Duration::from_secs(60);
const LONGEST_PAUSE: Duration = Duration::from_secs(3_600);
/// Everything is asked about anew no sooner than this after the last time.
const BETWEEN_DOUBTS: Duration = Duration::from_secs(600);

/// Its sources are no more, or others.
fn forget(metrics: &Metrics, shelf: &Shelf) {
    shelf.sources().for_each(|source| metrics.docs.forget(&shelf.policy, source));
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
        metrics.docs.fetches.with_label_values(&[policy.as_str(), told.result()]).inc();
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
