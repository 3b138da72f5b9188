//! Keeps the documents of a gateway that runs up to date, off the path of its requests.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use jetway_core::retrieval::source::Source;
use jiff::Timestamp;
use rustls::ClientConfig;
use tokio::task::JoinHandle;
use tokio_util::sync::{CancellationToken, DropGuard};
use tokio_util::task::TaskTracker;

use crate::docs::embed::{Embedder, Failed, Work};
use crate::docs::refresh::{Asking, Desk};
use crate::docs::{Places, Shelf, Told, history};
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
    /// Where its pages are asked for. None where nothing may leave this machine.
    desk: Option<Arc<Desk>>,
    /// In the order of the shelf's.
    sources: Vec<Asked>,
    /// When the texts of its folders are to be kept.
    keep: Timestamp,
    meaning: Meaning,
    /// When the shelf is no more, or another, no further page of it is asked for.
    _stop: DropGuard,
}

/// A source, which waits for no other.
#[derive(Debug)]
struct Asked {
    /// When something of it is to be asked for.
    due: Timestamp,
    asking: Option<JoinHandle<Option<Timestamp>>>,
}

/// Asks for what is due, exchanges indexes, and counts, until it is told to stop.
pub async fn tend(shelves: impl Fn() -> Vec<Arc<Shelf>>, tending: Tending) {
    let places = Arc::new(Places::default());
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
                    Tended::new(shelf, &places, &tending)
                }
            };
            tended.go_on(&tending).await;
            all.insert(tended.shelf.policy.clone(), tended);
        }
        tokio::select! {
            () = tending.stop.cancelled() => return,
            () = tokio::time::sleep(TICK) => {}
        }
    }
}

impl Tended {
    fn new(shelf: Arc<Shelf>, places: &Arc<Places>, tending: &Tending) -> Self {
        let stop = tending.stop.child_token();
        let asking = |tls: &ClientConfig| Asking {
            tls: tls.clone(),
            places: Arc::clone(places),
            forced: false,
            tell: Arc::new(teller(&shelf, tending)),
            stop: stop.clone(),
        };
        let desk = tending.tls.as_ref().map(|tls| Arc::new(Desk::new(&shelf, asking(tls))));
        let asked = |_| Asked { due: Timestamp::UNIX_EPOCH, asking: None };
        let sources = shelf.rules.sources().iter().map(asked).collect();
        Self {
            shelf,
            desk,
            sources,
            keep: Timestamp::UNIX_EPOCH,
            meaning: Meaning::default(),
            _stop: stop.drop_guard(),
        }
    }

    async fn go_on(&mut self, tending: &Tending) {
        let now = Timestamp::now();
        if now >= self.keep {
            self.keep = now + if remember(&self.shelf).await { BETWEEN_LOOKS } else { AFTER_A_FAULT };
        }
        if let Some(desk) = &self.desk {
            for (asked, source) in self.sources.iter_mut().zip(self.shelf.rules.sources()) {
                asked.go_on(desk, (source, now), tending).await;
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

impl Asked {
    async fn go_on(&mut self, desk: &Arc<Desk>, (source, now): (&Source, Timestamp), tending: &Tending) {
        if let Some(asking) = self.asking.take_if(|asking| asking.is_finished()) {
            self.due = asking.await.ok().flatten().unwrap_or(now + AFTER_A_FAULT);
        }
        if source.kind.address().is_some() && self.asking.is_none() && now >= self.due {
            let (desk, source, stop) = (Arc::clone(desk), source.clone(), tending.stop.clone());
            let asking = async move { stop.run_until_cancelled(desk.source(&source)).await };
            self.asking = Some(tending.tasks.spawn(asking));
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

/// That texts of folders are still there is noted as often as this, so that they are not forgotten.
const BETWEEN_LOOKS: Duration = Duration::from_secs(86_400);
/// After a fault of our own.
const AFTER_A_FAULT: Duration = Duration::from_secs(60);

/// Counts what came of asking for a page, and says it.
fn teller(shelf: &Shelf, tending: &Tending) -> impl Fn(Told) + Send + Sync + 'static {
    let (metrics, policy) = (tending.metrics.clone(), shelf.policy.clone());
    move |told: Told| {
        metrics.docs.fetches.with_label_values(&[policy.as_str(), told.result()]).inc();
        let url = &told.url;
        match &told.outcome {
            // Said once, and not at every attempt.
            Err(why) if told.failures == 1 => tracing::warn!(policy, url, why, "a page cannot be fetched"),
            Err(why) => tracing::debug!(policy, url, why, "a page still cannot be fetched"),
            Ok(is_new) => tracing::debug!(policy, url, is_new, "a page was fetched"),
        }
    }
}

/// Keeps the texts that lie in folders as they are now. Returns whether it could.
async fn remember(shelf: &Arc<Shelf>) -> bool {
    let kept = Arc::clone(shelf);
    let work = move || -> Result<(), String> {
        let texts = kept.folder_texts().map_err(|problem| problem.to_string())?;
        history::remember(&kept.disk, &texts)
            .and_then(|()| history::sweep(&kept.disk.root, Timestamp::now()))
            .map_err(|error| error.to_string())
    };
    let why = match tokio::task::spawn_blocking(work).await {
        Ok(Ok(())) => return true,
        Ok(Err(why)) => why,
        Err(error) => error.to_string(),
    };
    tracing::warn!(policy = shelf.policy, why, "the texts of its folders are not kept; it is tried again");
    false
}
