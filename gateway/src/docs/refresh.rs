//! Asking for the pages of a policy that are due, and keeping what comes. One that fails is asked
//! for again later, and is shown meanwhile as it last was; the others do not wait for it.

use std::sync::Arc;
use std::time::Duration;

use jetway_core::retrieval::host::Address;
use jetway_core::retrieval::source::{Kind, Source};
use jiff::Timestamp;
use rustls::ClientConfig;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use crate::docs::disk::{Disk, Record};
use crate::docs::fetch::{Answer, Expected, Fetcher};
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
    /// Places for fetches that are under way at once.
    pub places: Arc<Semaphore>,
    /// Whether pages are asked for that are not due.
    pub forced: bool,
    /// Is told of each page.
    pub tell: Arc<dyn Fn(Told) + Send + Sync>,
}

/// Asks for every page of a policy that is due. What is returned is when the next one is.
pub async fn refresh(shelf: &Shelf, asking: Asking) -> Timestamp {
    let fetcher = Fetcher::new(asking.tls, shelf.rules.hosts().clone());
    let Asking { places, forced, tell, .. } = asking;
    let desk = Arc::new(Desk { disk: shelf.disk.clone(), fetcher, places, forced, tell });
    let (mut due, mut has_new) = (Timestamp::MAX, false);
    for source in shelf.rules.sources() {
        let Some(named) = source.kind.address() else { continue };
        let mut done = Done::default();
        let expected = match source.kind {
            Kind::Sitemap { .. } => Expected::Sitemap,
            Kind::LlmsTxt(_) => Expected::LlmsTxt,
            Kind::Folder(_) | Kind::Page(_) => Expected::Page,
        };
        if expected != Expected::Page {
            done.add(desk.all(vec![named.clone()], expected, source.refresh).await);
            done.add(desk.all(listed(&desk, source, list::further_lists).await, expected, source.refresh).await);
        }
        done.add(desk.all(listed(&desk, source, list::pages).await, Expected::Page, source.refresh).await);
        due = due.min(done.due);
        has_new |= done.has_new;
        // After each source, so that what is here is shown before the last one is.
        if done.is_confirmed
            && let Err(error) = desk.disk.mark()
        {
            tracing::error!(policy = shelf.policy, %error, "pages cannot be kept");
        }
    }
    if has_new {
        let root = desk.disk.root.clone();
        let swept = tokio::task::spawn_blocking(move || history::sweep(&root, Timestamp::now())).await;
        if let Ok(Err(error)) = swept {
            tracing::warn!(%error, "old versions of pages cannot be forgotten");
        }
    }
    due
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
    is_confirmed: bool,
    has_new: bool,
}

impl Default for Done {
    fn default() -> Self {
        Self { due: Timestamp::MAX, is_confirmed: false, has_new: false }
    }
}

impl Done {
    fn add(&mut self, other: Self) {
        self.due = self.due.min(other.due);
        self.is_confirmed |= other.is_confirmed;
        self.has_new |= other.has_new;
    }
}

struct Desk {
    disk: Disk,
    fetcher: Fetcher,
    places: Arc<Semaphore>,
    forced: bool,
    tell: Arc<dyn Fn(Told) + Send + Sync>,
}

impl Desk {
    async fn all(self: &Arc<Self>, pages: Vec<Address>, expected: Expected, refresh: Duration) -> Done {
        let mut asked = JoinSet::new();
        for page in pages {
            let desk = Arc::clone(self);
            asked.spawn(async move { desk.one(&page, expected, refresh).await });
        }
        let mut done = Done::default();
        while let Some(one) = asked.join_next().await {
            match one {
                Ok(one) => done.add(one),
                Err(error) => tracing::error!(%error, "asking for a page failed"),
            }
        }
        done
    }

    async fn one(self: &Arc<Self>, page: &Address, expected: Expected, refresh: Duration) -> Done {
        // They are opened only for as long as the process lives.
        let Ok(_place) = self.places.acquire().await else { return Done::default() };
        let (mut record, has_text) = self.known(page).await;
        if !self.forced && Timestamp::now() < record.due(refresh) {
            return Done { due: record.due(refresh), ..Done::default() };
        }
        record.is_list = expected != Expected::Page;
        let known = if has_text { record.validators() } else { Default::default() };
        let answer = self.fetcher.fetch(page, expected, &known).await;
        let now = Timestamp::now();
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
            Err(why) => {
                record.fail(why.clone(), now);
                Err(why)
            }
        };
        if let Err(error) = self.keep(record.clone(), new).await {
            outcome = Err(format!("it cannot be kept: {error}"));
        }
        let done = Done { due: record.due(refresh), is_confirmed: outcome.is_ok(), has_new: outcome == Ok(true) };
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
