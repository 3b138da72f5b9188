//! The documents of one policy, as its requests see them: an index that is exchanged as a whole.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use arc_swap::ArcSwap;
use jetway_core::policy::context::standing::Standing;
use jetway_core::policy::context::{Rules, size};
use jetway_core::retrieval::chunk;
use jetway_core::retrieval::dated::dated;
use jetway_core::retrieval::matter::{Problem as FrontMatter, front_matter_problem};
use jetway_core::retrieval::meaning::Vectors;
use jetway_core::retrieval::page::Page;
use jetway_core::retrieval::profile::Tags;
use jetway_core::retrieval::search::Index;
use jetway_core::retrieval::source::{Kind, Source};
use jiff::Timestamp;

use crate::airplanes;
use crate::config::{Policy, Problem};
use crate::docs::disk::{Disk, Record};
use crate::docs::embed::{Endpoint, Kept, key, wanted, wanted_count};
use crate::docs::{State, folder, list, version};
use crate::metrics::Pages;

/// The most text of one policy that is searched, and the most sections.
const MOST_TEXT: usize = 128 << 20;
const MOST_SECTIONS: usize = 100_000;

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

#[derive(Debug, Clone, Default)]
struct Held {
    index: Arc<Index>,
    /// The pages that it was made of, and of those that are left out, with their versions.
    made_of: Arc<Vec<(String, String)>>,
    /// The store's when it was read.
    stamp: String,
    /// What is wrong with the front matter of pages, by their names.
    problems: Arc<BTreeMap<String, FrontMatter>>,
    /// Sections that no task can bring in, for they are larger than the allowance, by their pages.
    too_large: Arc<BTreeMap<String, Vec<String>>>,
    /// Pages that cannot be read, and those that there is no room for.
    unread: Arc<Vec<Unread>>,
    crowded: Arc<Vec<Unread>>,
    failing: Arc<Vec<Failure>>,
}

/// A page or a list of a source that cannot be had.
#[derive(Debug)]
struct Failure {
    source: String,
    state: (Option<Timestamp>, bool),
}

/// A page that cannot be read, or that there is no room for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Unread {
    pub(super) source: String,
    pub(super) page: String,
    /// A sentence: why, and what to do.
    pub(super) why: String,
}

/// Pages with their texts, those that are left out, and what cannot be had.
#[derive(Debug, Default)]
struct Found {
    pages: Vec<(Page, String)>,
    unread: Vec<Unread>,
    failing: Vec<Failure>,
}

impl Shelf {
    /// Reads the folders of a policy, and what was fetched before; asks nobody. None where it shows
    /// nothing.
    ///
    /// # Errors
    /// [`Problem`] when a folder cannot be read.
    pub fn open(policy: &Policy, store: &Path) -> Result<Option<Self>, Problem> {
        let Some(rules) = policy.context.clone() else { return Ok(None) };
        let disk = Disk::new(store, &policy.name);
        let folder = policy.folder.clone();
        let shelf = Self {
            policy: policy.name.clone(),
            rules,
            disk,
            folder,
            standing: policy.standing.clone(),
            airplanes: policy.airplanes(),
            held: ArcSwap::default(),
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
        let Found { pages: read, unread, failing } = self.read()?;
        let problem = |(page, text): &(Page, String)| Some((page.name.clone(), front_matter_problem(text)?));
        let problems = Arc::new(read.iter().filter_map(problem).collect());
        let before = self.held.load();
        let made_of: Vec<_> = read.iter().map(|(page, _)| (page.name.clone(), page.version.clone())).collect();
        let same = *before.made_of == made_of;
        let (index, crowded, too_large) = if same {
            let is_left_out = |page: &Page| before.crowded.iter().any(|crowded| crowded.page == page.name);
            let pages = read.into_iter().map(|(page, _)| page).filter(|page| !is_left_out(page));
            (before.index.with_pages(pages), Arc::clone(&before.crowded), Arc::clone(&before.too_large))
        } else {
            let (index, crowded) = indexed(read);
            let too_large = self.too_large(&index);
            let index =
                if self.endpoint.is_some() { self.meant(&index, &Kept::read(&self.disk.vectors())) } else { index };
            (index, Arc::new(crowded), Arc::new(too_large))
        };
        let unread = Arc::new(unread.into_iter().chain(crowded.iter().cloned()).collect());
        let (index, made_of, failing) = (Arc::new(index), Arc::new(made_of), Arc::new(failing));
        let held = Held { index, made_of, stamp, problems, too_large, unread, crowded, failing };
        self.warn(&held);
        self.held.store(Arc::new(held));
        Ok(())
    }

    /// Says what is wrong with pages, once.
    fn warn(&self, new: &Held) {
        let (held, policy) = (self.held.load(), &self.policy);
        for Unread { source, page, why } in new.unread.iter().filter(|unread| !held.unread.contains(unread)) {
            tracing::warn!(policy, source, page, why, "a page is left out");
        }
        for (page, problem) in new.problems.iter().filter(|(page, problem)| held.problems.get(*page) != Some(problem)) {
            let FrontMatter { line, sentence } = problem;
            tracing::warn!(policy, page, line, sentence, "front matter cannot be read");
        }
        for (page, sections) in new.too_large.iter().filter(|(page, large)| held.too_large.get(*page) != Some(large)) {
            let (first, count) = (sections.first(), sections.len());
            tracing::warn!(
                policy,
                page,
                count,
                first,
                "sections are larger than the allowance: no task brings them in"
            );
        }
    }

    /// Sections that take more than there is room for, by their pages.
    fn too_large(&self, index: &Index) -> BTreeMap<String, Vec<String>> {
        let (room, mut found) = (self.rules.room(), BTreeMap::<_, Vec<String>>::new());
        for chunk in index.chunks() {
            // While its page is fresh.
            if size(&index.hit(chunk), Timestamp::UNIX_EPOCH) > room {
                found.entry(chunk.page.clone()).or_default().push(chunk.path());
            }
        }
        found
    }

    /// Sections of a page that no task can bring in.
    pub(super) fn too_large_of(&self, page: &str) -> Vec<String> {
        self.held.load().too_large.get(page).cloned().unwrap_or_default()
    }

    /// What is wrong with the front matter of a page.
    pub(super) fn front_matter_problem(&self, page: &str) -> Option<FrontMatter> {
        self.held.load().problems.get(page).cloned()
    }

    /// Pages of this source that are left out.
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
        self.held.store(Arc::new(Held { index, ..Held::clone(&held) }));
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
        for failure in self.held.load().failing.iter() {
            let pages = sources.entry(failure.source.clone()).or_default();
            match State::of(failure.state, now) {
                State::Gone => pages.gone += 1,
                State::Long => pages.failing += 1,
                State::Lately => {}
            }
        }
        sources
    }

    /// Patterns of sources that match nothing of what their sitemaps list, each behind the name of its source.
    #[must_use]
    pub fn vain(&self) -> Vec<(String, String)> {
        let sources = self.rules.sources().iter();
        let vain = sources.flat_map(|source| list::vain(&self.disk, source).into_iter().map(move |all| (source, all)));
        vain.map(|(source, pattern)| (source.name.clone(), pattern.as_str().to_owned())).collect()
    }

    /// Whether any of its pages have to be fetched.
    #[must_use]
    pub fn has_fetched(&self) -> bool {
        self.rules.sources().iter().any(|source| source.kind.address().is_some())
    }

    /// The pages with their texts, in the order of the sources; of two with one name the first.
    fn read(&self) -> Result<Found, Problem> {
        let mut seen = BTreeSet::new();
        let (mut all, mut size) = (Found::default(), 0);
        for source in self.rules.sources() {
            let found = match &source.kind {
                Kind::Folder(name) => self.leaves(source, name)?,
                Kind::Page(_) | Kind::LlmsTxt(_) | Kind::Sitemap { .. } => self.fetched(source),
            };
            all.unread.extend(found.unread);
            all.failing.extend(found.failing);
            for (page, text) in found.pages.into_iter().filter(|(page, _)| seen.insert(page.name.clone())) {
                if size + text.len() > MOST_TEXT {
                    all.unread.push(left_out(&page, &format!("{} MiB of text", MOST_TEXT >> 20)));
                } else {
                    size += text.len();
                    all.pages.push((page, text));
                }
            }
        }
        Ok(all)
    }

    fn leaves(&self, source: &Source, name: &str) -> Result<Found, Problem> {
        let is_folder = |source: &&Source| matches!(source.kind, Kind::Folder(_));
        let is_alone = self.rules.sources().iter().filter(is_folder).count() == 1;
        let folder::Read { leaves, unread } = folder::read(&self.folder.join(name))?;
        let now = Timestamp::now();
        let file = |path: &str| format!("{}/{path}", name.trim_end_matches('/'));
        // Pages of two folders may have one name.
        let named = |path: String| if is_alone { path } else { file(&path) };
        let page = |leaf: folder::Leaf| {
            let record = self.disk.record(&file(&leaf.path));
            let since = record.fetched.filter(|_| record.version.as_ref() == Some(&version(&leaf.text)));
            // When its file was written says when it was copied to here.
            let seen = since.unwrap_or(now);
            let confirmed = dated(&leaf.text).unwrap_or(seen).min(now);
            (page(source, named(leaf.path), &leaf.text, (seen, confirmed)), leaf.text)
        };
        let unread = unread.into_iter().map(|folder::Unread { path, why }| Unread {
            source: source.name.clone(),
            page: named(path),
            why,
        });
        let (pages, unread) = (leaves.into_iter().map(page).collect(), unread.collect());
        Ok(Found { pages, unread, failing: Vec::new() })
    }

    fn fetched(&self, source: &Source) -> Found {
        let mut found = Found::default();
        let mut fail = |record: &Record| {
            let failure = || Failure { source: source.name.clone(), state: record.state() };
            found.failing.extend((record.failures > 0).then(failure));
        };
        list::lists(&self.disk, source).iter().for_each(|list| fail(&self.disk.record(list.as_str())));
        for address in list::pages(&self.disk, source) {
            let name = address.as_str();
            let record = self.disk.record(name);
            fail(&record);
            if let (Some(text), Some(fetched)) = (self.disk.text(&record), record.fetched) {
                let confirmed = record.confirmed.unwrap_or(fetched);
                found.pages.push((page(source, name.to_owned(), &text, (fetched, confirmed)), text));
            }
        }
        found
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

/// An index of as many pages as there is room for, the first ones, and what is left out.
fn indexed(read: Vec<(Page, String)>) -> (Index, Vec<Unread>) {
    let (mut chunks, mut pages, mut crowded) = (Vec::new(), Vec::new(), Vec::new());
    for (page, text) in read {
        let cut = chunk::cut(&page.name, &text);
        if chunks.len() + cut.len() > MOST_SECTIONS {
            crowded.push(left_out(&page, &format!("{MOST_SECTIONS} sections")));
        } else {
            chunks.extend(cut);
            pages.push(page);
        }
    }
    (Index::new(chunks).with_pages(pages), crowded)
}

fn left_out(page: &Page, most: &str) -> Unread {
    let why = format!("the sources of this policy have more than {most}, and this page is beyond. Name fewer pages");
    Unread { source: page.source.clone(), page: page.name.clone(), why }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_policy_has_so_many_sections_and_what_is_beyond_is_told() {
        let source: Source = serde_saphyr::from_str("{ folder: docs }").unwrap();
        let sections = |name: &str, count: usize| {
            let text = "# A\na\n".repeat(count);
            (page(&source, name.to_owned(), &text, (Timestamp::UNIX_EPOCH, Timestamp::UNIX_EPOCH)), text)
        };
        let read = vec![sections("a", MOST_SECTIONS - 1), sections("b", 2), sections("c", 1), sections("d", 1)];
        let (index, crowded) = indexed(read);
        assert_eq!(index.chunks().len(), MOST_SECTIONS);
        assert_eq!(index.pages().keys().map(String::as_str).collect::<Vec<_>>(), ["a", "c"]);
        let told = crowded.iter().map(|unread| unread.page.as_str()).collect::<Vec<_>>();
        assert_eq!(told, ["b", "d"]);
        assert!(crowded[0].why.contains("more than 100000 sections") && crowded[0].why.contains("Name fewer pages"));
    }
}
