//! The documents of one policy, as its requests see them: an index that is exchanged as a whole.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use arc_swap::ArcSwap;
use jetway_core::policy::context::Rules;
use jetway_core::policy::context::standing::Standing;
use jetway_core::retrieval::chunk;
use jetway_core::retrieval::matter::{Problem as FrontMatter, front_matter_problem};
use jetway_core::retrieval::meaning::Vectors;
use jetway_core::retrieval::page::Page;
use jetway_core::retrieval::profile::Tags;
use jetway_core::retrieval::search::Index;
use jetway_core::retrieval::source::{Kind, Source};
use jiff::Timestamp;

use crate::airplanes;
use crate::config::{Policy, Problem};
use crate::docs::disk::Disk;
use crate::docs::embed::{Endpoint, Kept, key, wanted, wanted_count};
use crate::docs::{folder, list, version};
use crate::metrics::Pages;

/// The most text of one policy that is searched.
const MOST_TEXT: usize = 128 << 20;

/// What a policy can show.
#[derive(Debug)]
pub struct Shelf {
    pub policy: String,
    pub(super) rules: Rules,
    pub(super) disk: Disk,
    folder: PathBuf,
    standing: Option<Arc<Standing>>,
    /// The folder of the model airplanes, where there are some.
    airplanes: PathBuf,
    held: ArcSwap<Held>,
    /// Where it is asked what its sections mean.
    endpoint: Option<Endpoint>,
    /// Whether what is known of that is of another model than the one that answers now.
    doubted: AtomicBool,
    /// Whether what was last asked about a task was not answered.
    is_unanswered: AtomicBool,
}

#[derive(Debug)]
struct Held {
    index: Arc<Index>,
    /// The store's when it was read.
    stamp: String,
    /// What is wrong with the front matter of pages, by their names.
    problems: Arc<BTreeMap<String, FrontMatter>>,
    /// Pages of folders that cannot be read.
    unread: Arc<Vec<Unread>>,
}

/// A page of a folder that cannot be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Unread {
    pub(super) source: String,
    pub(super) page: String,
    /// A sentence: why, and what to do.
    pub(super) why: String,
}

/// Pages with their texts, and those that cannot be read.
type Found = (Vec<(Page, String)>, Vec<Unread>);

impl Shelf {
    /// Reads the folders of a policy, and what was fetched before; asks nobody. None where it shows
    /// nothing.
    ///
    /// # Errors
    /// [`Problem`] when a folder cannot be read.
    pub fn open(policy: &Policy, store: &Path) -> Result<Option<Self>, Problem> {
        let Some(rules) = policy.context.clone() else { return Ok(None) };
        let disk = Disk::new(store, &policy.name);
        let index = Arc::new(Index::new(Vec::new()));
        let empty = Held { index, stamp: String::new(), problems: Arc::default(), unread: Arc::default() };
        let folder = policy.folder.clone();
        let shelf = Self {
            policy: policy.name.clone(),
            rules,
            disk,
            folder,
            standing: policy.standing.clone(),
            airplanes: policy.airplanes(),
            held: ArcSwap::from_pointee(empty),
            endpoint: Endpoint::of(policy),
            doubted: AtomicBool::new(false),
            is_unanswered: AtomicBool::new(false),
        };
        shelf.reopen()?;
        Ok(Some(shelf))
    }

    /// What there is now. Whoever holds it keeps it, whatever is fetched meanwhile.
    #[must_use]
    pub fn index(&self) -> Arc<Index> {
        Arc::clone(&self.held.load().index)
    }

    /// Whether something was kept since this was read.
    pub(super) fn is_behind(&self) -> bool {
        self.disk.stamp() != self.held.load().stamp
    }

    /// Reads everything again, and exchanges the index.
    pub(super) fn reopen(&self) -> Result<(), Problem> {
        // Before the files, so that what is kept meanwhile is read the next time.
        let stamp = self.disk.stamp();
        let (read, unread) = self.read()?;
        let problem = |(page, text): &(Page, String)| Some((page.name.clone(), front_matter_problem(text)?));
        let problems: Arc<BTreeMap<_, _>> = Arc::new(read.iter().filter_map(problem).collect());
        self.warn(&problems, &unread);
        let before = self.index();
        let same =
            |text: &(Page, String)| before.pages().get(&text.0.name).is_some_and(|page| page.version == text.0.version);
        let index = if read.len() == before.pages().len() && read.iter().all(same) {
            before.with_pages(read.into_iter().map(|(page, _)| page))
        } else {
            let chunks = read.iter().flat_map(|(page, text)| chunk::cut(&page.name, text)).collect();
            let index = Index::new(chunks).with_pages(read.into_iter().map(|(page, _)| page));
            if self.endpoint.is_some() { self.meant(&index, &Kept::read(&self.disk.vectors())) } else { index }
        };
        self.held.store(Arc::new(Held { index: Arc::new(index), stamp, problems, unread: Arc::new(unread) }));
        Ok(())
    }

    /// Says what is wrong with pages, once.
    fn warn(&self, problems: &BTreeMap<String, FrontMatter>, unread: &[Unread]) {
        let held = self.held.load();
        for Unread { source, page, why } in unread.iter().filter(|unread| !held.unread.contains(unread)) {
            tracing::warn!(policy = self.policy, source, page, why, "a page is left out");
        }
        for (page, problem) in problems.iter().filter(|(page, problem)| held.problems.get(*page) != Some(problem)) {
            let FrontMatter { line, sentence } = problem;
            tracing::warn!(policy = self.policy, page, line, sentence, "front matter cannot be read");
        }
    }

    /// What is wrong with the front matter of a page.
    pub(super) fn front_matter_problem(&self, page: &str) -> Option<FrontMatter> {
        self.held.load().problems.get(page).cloned()
    }

    /// Pages of this source that cannot be read.
    pub(super) fn unread(&self, source: &str) -> Vec<Unread> {
        self.held.load().unread.iter().filter(|unread| unread.source == source).cloned().collect()
    }

    /// The same index, with what is kept of what its sections mean.
    fn meant(&self, index: &Index, kept: &Kept) -> Index {
        let Some(endpoint) = &self.endpoint else { return index.clone() };
        let keys: Vec<_> = wanted(index).take(kept.room()).map(|text| key(endpoint, &text)).collect();
        // They are of one width, for no others are kept.
        index.with_vectors(Vectors::new(keys.iter().map(|key| kept.find(key))).unwrap_or_default())
    }

    /// Takes up what is kept of what its sections mean.
    pub(super) fn take_vectors(&self, kept: &Kept) {
        let held = self.held.load();
        let index = Arc::new(self.meant(&held.index, kept));
        let (problems, unread) = (Arc::clone(&held.problems), Arc::clone(&held.unread));
        self.held.store(Arc::new(Held { index, stamp: held.stamp.clone(), problems, unread }));
    }

    /// Where it is asked what its sections mean, if anywhere.
    #[must_use]
    pub fn endpoint(&self) -> Option<&Endpoint> {
        self.endpoint.as_ref()
    }

    /// Whether there is anything to ask there.
    pub(super) fn is_lacking(&self) -> bool {
        let index = self.index();
        self.endpoint.is_some() && (self.is_doubted() || index.meant() < wanted_count(&index))
    }

    /// Notes that what is known of its sections does not go with what is answered now.
    pub fn doubt(&self) {
        self.doubted.store(true, Ordering::Relaxed);
    }

    pub(super) fn trust(&self) {
        self.doubted.store(false, Ordering::Relaxed);
    }

    /// Notes whether it was answered what a task means. What is returned is whether that is news.
    pub fn is_news(&self, is_answered: bool) -> bool {
        self.is_unanswered.swap(!is_answered, Ordering::Relaxed) == is_answered
    }

    #[must_use]
    pub fn is_doubted(&self) -> bool {
        self.doubted.load(Ordering::Relaxed)
    }

    /// The names of its sources.
    pub fn sources(&self) -> impl Iterator<Item = &str> {
        self.rules.sources().iter().map(|source| source.name.as_str())
    }

    /// What there is of each source.
    #[must_use]
    pub fn pages(&self, now: Timestamp) -> BTreeMap<String, Pages> {
        let mut sources: BTreeMap<_, _> = self.sources().map(|source| (source.to_owned(), Pages::default())).collect();
        for page in self.held.load().index.pages().values() {
            let pages = sources.entry(page.source.clone()).or_default();
            #[expect(clippy::cast_precision_loss, reason = "seconds since 1970")]
            let confirmed = page.confirmed.as_second() as f64;
            pages.confirmed = if pages.count == 0 { confirmed } else { pages.confirmed.min(confirmed) };
            pages.count += 1;
            pages.stale += usize::from(page.is_stale(now));
        }
        for unread in self.held.load().unread.iter() {
            sources.entry(unread.source.clone()).or_default().unread += 1;
        }
        sources
    }

    /// Whether any of its pages have to be fetched.
    #[must_use]
    pub fn has_fetched(&self) -> bool {
        self.rules.sources().iter().any(|source| source.kind.address().is_some())
    }

    /// The pages with their texts, in the order of the sources; of two with one name the first.
    fn read(&self) -> Result<Found, Problem> {
        let mut seen = BTreeSet::new();
        let (mut pages, mut unread, mut size, mut left_out) = (Vec::new(), Vec::new(), 0, 0);
        for source in self.rules.sources() {
            let found = match &source.kind {
                Kind::Folder(name) => {
                    let (found, failed) = self.leaves(source, name)?;
                    unread.extend(failed);
                    found
                }
                Kind::Page(_) | Kind::LlmsTxt(_) | Kind::Sitemap { .. } => self.fetched(source),
            };
            for (page, text) in found {
                if size + text.len() > MOST_TEXT {
                    left_out += 1;
                } else if seen.insert(page.name.clone()) {
                    size += text.len();
                    pages.push((page, text));
                }
            }
        }
        if left_out > 0 {
            tracing::warn!(policy = self.policy, left_out, "there are more pages than can be searched");
        }
        Ok((pages, unread))
    }

    fn leaves(&self, source: &Source, name: &str) -> Result<Found, Problem> {
        let is_folder = |source: &&Source| matches!(source.kind, Kind::Folder(_));
        let is_alone = self.rules.sources().iter().filter(is_folder).count() == 1;
        let folder::Read { leaves, unread } = folder::read(&self.folder.join(name))?;
        // Pages of two folders may have one name.
        let named = |path: String| match is_alone {
            true => path,
            false => format!("{}/{path}", name.trim_end_matches('/')),
        };
        let page =
            |leaf: folder::Leaf| (page(source, named(leaf.path), &leaf.text, (leaf.changed, leaf.changed)), leaf.text);
        let unread = unread.into_iter().map(|folder::Unread { path, why }| Unread {
            source: source.name.clone(),
            page: named(path),
            why,
        });
        Ok((leaves.into_iter().map(page).collect(), unread.collect()))
    }

    fn fetched(&self, source: &Source) -> Vec<(Page, String)> {
        let page = |name: &str| {
            let record = self.disk.record(name);
            let (text, fetched) = (self.disk.text(&record)?, record.fetched?);
            let confirmed = record.confirmed.unwrap_or(fetched);
            Some((page(source, name.to_owned(), &text, (fetched, confirmed)), text))
        };
        list::pages(&self.disk, source).iter().filter_map(|address| page(address.as_str())).collect()
    }

    /// The texts that lie in folders, by the names that their history is kept under: pages, the standing
    /// text, and of model airplanes what is shown of them.
    pub(super) fn folder_texts(&self) -> Result<Vec<(String, String)>, Problem> {
        let mut texts: Vec<(String, String)> =
            self.standing.iter().map(|text| (text.file().to_owned(), text.text().to_owned())).collect();
        if self.airplanes.is_dir() {
            for plane in airplanes::load(&self.airplanes)?.into_iter().map(|found| found.airplane) {
                let name = |path: &str| format!("airplanes/{}/{path}", plane.name);
                texts.push((name("README.md"), plane.readme.clone()));
                texts.extend(plane.files.iter().map(|file| (name(&file.path), file.text.clone())));
            }
        }
        for source in self.rules.sources() {
            let Kind::Folder(name) = &source.kind else { continue };
            let named = |leaf: folder::Leaf| (format!("{}/{}", name.trim_end_matches('/'), leaf.path), leaf.text);
            texts.extend(folder::read(&self.folder.join(name))?.leaves.into_iter().map(named));
        }
        Ok(texts)
    }
}

fn page(source: &Source, name: String, text: &str, (fetched, confirmed): (Timestamp, Timestamp)) -> Page {
    Page {
        name,
        source: source.name.clone(),
        version: version(text),
        tags: Tags::of(text, &source.tags),
        fetched,
        confirmed,
        max_age: source.max_age,
    }
}
