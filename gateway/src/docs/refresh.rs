//! Asking for the pages of a policy that are due, and keeping what comes. One that fails is asked
//! for again later, and is shown meanwhile as it last was; the others do not wait for it, and no source
//! waits for another.

use std::sync::Arc;
use std::time::Duration;

use jetway_core::retrieval::host::Address;
use jetway_core::retrieval::source::{Kind, Source};
use jiff::Timestamp;
use rustls::ClientConfig;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::docs::disk::{Disk, Record};
use crate::docs::fetch::{Answer, Expected, Fetcher};
use crate::docs::places::Places;
use crate::docs::{Shelf, history, list, version};

/// What came of asking for one page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Told {
    pub url: String,
    /// Whether there is a new version, or why there is no answer.
    pub outcome: Result<bool, String>,
    /// How often in a row it has failed.
    pub failures: u32,
}

impl Told {
    /// A label of metrics.
    #[must_use]
    pub fn result(&self) -> &'static str {
        match self.outcome {
            Ok(true) => "fetched",
            Ok(false) => "unchanged",
            Err(_) => "failed",
        }
    }
}

/// How pages are asked for.
pub struct Asking {
    pub tls: ClientConfig,
    pub places: Arc<Places>,
    /// Whether pages are asked for that are not due.
    pub forced: bool,
    /// Is told of each page.
    pub tell: Arc<dyn Fn(Told) + Send + Sync>,
    /// When it is cancelled no further page is asked for.
    pub stop: CancellationToken,
}

/// The most fetches at once of one source.
const OF_A_SOURCE: usize = 2;
/// While a source is asked for, what came is taken up as often as this, and not only when all is there.
const BETWEEN_MARKS: Duration = Duration::from_secs(5);

/// Asks for every page of a policy, all sources at once.
pub async fn refresh(shelf: &Shelf, asking: Asking) {
    let desk = Arc::new(Desk::new(shelf, asking));
    let mut sources = JoinSet::new();
    for source in shelf.rules.sources() {
        let (desk, source) = (Arc::clone(&desk), source.clone());
        sources.spawn(async move { desk.source(&source).await });
    }
    while let Some(asked) = sources.join_next().await {
        if let Err(error) = asked {
            tracing::error!(policy = shelf.policy, %error, "asking for a source failed");
        }
    }
}

/// What a source lists, read where reading keeps nobody waiting.
async fn listed(desk: &Arc<Desk>, source: &Source, read: fn(&Disk, &Source) -> Vec<Address>) -> Vec<Address> {
    let (disk, source) = (desk.disk.clone(), source.clone());
    tokio::task::spawn_blocking(move || read(&disk, &source)).await.unwrap_or_default()
}

/// What came of asking for several.
#[derive(Debug)]
struct Done {
    /// When the next of them is due.
    due: Timestamp,
    /// Whether there is something to read again.
    is_noted: bool,
    has_new: bool,
}

impl Default for Done {
    fn default() -> Self {
        Self { due: Timestamp::MAX, is_noted: false, has_new: false }
    }
}

impl Done {
    fn add(&mut self, other: &Self) {
        self.due = self.due.min(other.due);
        self.is_noted |= other.is_noted;
        self.has_new |= other.has_new;
    }
}

/// Where the pages of a policy are asked for.
pub(super) struct Desk {
    policy: String,
    disk: Disk,
    fetcher: Fetcher,
    places: Arc<Places>,
    forced: bool,
    tell: Arc<dyn Fn(Told) + Send + Sync>,
    stop: CancellationToken,
}

impl Desk {
    pub(super) fn new(shelf: &Shelf, asking: Asking) -> Self {
        let fetcher = Fetcher::new(asking.tls, shelf.rules.hosts().clone());
        let Asking { places, forced, tell, stop, .. } = asking;
        Self { policy: shelf.policy.clone(), disk: shelf.disk.clone(), fetcher, places, forced, tell, stop }
    }

    /// Asks for every page of a source that is due. What is returned is when the next one is.
    pub(super) async fn source(self: &Arc<Self>, source: &Source) -> Timestamp {
        let Some(named) = source.kind.address() else { return Timestamp::MAX };
        let mut done = Done::default();
        let expected = match source.kind {
            Kind::Sitemap { .. } => Expected::Sitemap,
            Kind::LlmsTxt(_) => Expected::LlmsTxt,
            Kind::Folder(_) | Kind::Page(_) => Expected::Page,
        };
        if expected != Expected::Page {
            done.add(&self.all(vec![named.clone()], expected, source.refresh).await);
            done.add(&self.all(listed(self, source, list::further_lists).await, expected, source.refresh).await);
        }
        done.add(&self.all(listed(self, source, list::pages).await, Expected::Page, source.refresh).await);
        if done.has_new {
            let root = self.disk.root.clone();
            let swept = tokio::task::spawn_blocking(move || history::sweep(&root, Timestamp::now())).await;
            if let Ok(Err(error)) = swept {
                tracing::warn!(%error, "old versions of pages cannot be forgotten");
            }
        }
        done.due
    }

    async fn all(self: &Arc<Self>, pages: Vec<Address>, expected: Expected, refresh: Duration) -> Done {
        let own = Arc::new(Semaphore::new(OF_A_SOURCE));
        let mut asked = JoinSet::new();
        for page in pages {
            let (desk, own) = (Arc::clone(self), Arc::clone(&own));
            asked.spawn(async move {
                // It is opened for as long as they are asked.
                let Ok(_place) = own.acquire().await else { return Done::default() };
                desk.one(&page, expected, refresh).await
            });
        }
        let (mut done, mut is_unmarked) = (Done::default(), false);
        let mut beat = tokio::time::interval(BETWEEN_MARKS);
        loop {
            tokio::select! {
                one = asked.join_next() => match one {
                    Some(Ok(one)) => {
                        is_unmarked |= one.is_noted;
                        done.add(&one);
                    }
                    Some(Err(error)) => tracing::error!(%error, "asking for a page failed"),
                    None => break,
                },
                _ = beat.tick() => if std::mem::take(&mut is_unmarked) { self.mark() },
            }
        }
        if is_unmarked {
            self.mark();
        }
        done
    }

    /// What was kept is to be read again.
    fn mark(&self) {
        if let Err(error) = self.disk.mark() {
            tracing::error!(policy = self.policy, %error, "pages cannot be kept");
        }
    }

    async fn one(self: &Arc<Self>, page: &Address, expected: Expected, refresh: Duration) -> Done {
        let (mut record, has_text) = self.known(page).await;
        if !self.forced && Timestamp::now() < record.due(refresh) {
            return Done { due: record.due(refresh), ..Done::default() };
        }
        let place = self.stop.run_until_cancelled(self.places.take(page)).await;
        let Some(_place) = place.flatten() else { return Done::default() };
        record.is_list = expected != Expected::Page;
        let known = if has_text { record.validators() } else { Default::default() };
        let answer = self.fetcher.fetch(page, expected, &known).await;
        let (now, before) = (Timestamp::now(), record.state());
        let mut new = None;
        let mut outcome = match answer {
            Ok(Answer::Unchanged) => {
                record.confirm(now);
                Ok(false)
            }
            Ok(Answer::Text { text, validators }) => {
                let found = version(&text);
                let is_new = record.version.as_ref() != Some(&found);
                if is_new {
                    (record.version, record.fetched) = (Some(found), Some(now));
                }
                (record.etag, record.last_modified) = (validators.etag, validators.last_modified);
                record.confirm(now);
                // Also where it is not new: it may have been lost.
                new = (is_new || !has_text).then_some(text);
                Ok(is_new)
            }
            Err(miss) => {
                record.fail(miss.clone(), now);
                Err(miss.why)
            }
        };
        if let Err(error) = self.keep(record.clone(), new).await {
            outcome = Err(format!("it cannot be kept: {error}"));
        }
        // Of one that goes on failing there is nothing new to tell.
        let is_noted = outcome.is_ok() || record.state() != before;
        let done = Done { due: record.due(refresh), is_noted, has_new: outcome == Ok(true) };
        (self.tell)(Told { url: page.to_string(), outcome, failures: record.failures });
        done
    }

    async fn known(self: &Arc<Self>, page: &Address) -> (Record, bool) {
        let (desk, name) = (Arc::clone(self), page.to_string());
        let read = move || {
            let record = desk.disk.record(&name);
            let has_text = desk.disk.text(&record).is_some();
            (record, has_text)
        };
        let empty = || (Record { name: page.to_string(), ..Record::default() }, false);
        tokio::task::spawn_blocking(read).await.unwrap_or_else(|_| empty())
    }

    async fn keep(self: &Arc<Self>, record: Record, text: Option<String>) -> std::io::Result<()> {
        let desk = Arc::clone(self);
        let kept = tokio::task::spawn_blocking(move || desk.disk.keep(&record, text.as_deref())).await;
        kept.map_err(std::io::Error::other)?
    }
}
