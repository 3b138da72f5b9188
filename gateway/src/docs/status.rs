//! How the documents of a policy stand, by what is on disk: for operators, also beside a gateway
//! that runs or one that does not.

use std::collections::BTreeSet;

use jetway_core::retrieval::page::Page;
use jetway_core::retrieval::source::Source;
use jiff::{SignedDuration, Timestamp};

use crate::docs::{Shelf, list};

/// A source, and its pages.
#[derive(Debug, Clone, serde::Serialize)]
pub struct OfSource {
    pub policy: String,
    pub source: String,
    /// Its pages are stale when they were not seen to be current for longer. None where they never are.
    pub max_age_seconds: Option<u64>,
    pub pages: Vec<OfPage>,
    /// How many more its lists have than are read.
    pub beyond: usize,
    /// How many sections they are cut into.
    pub sections: usize,
    /// Of how many it is known what they mean. None where that is asked of nobody.
    pub meant: Option<usize>,
    /// Its lists that cannot be had.
    pub lists_failing: Vec<Failing>,
}

/// A page of a source.
#[derive(Debug, Clone, serde::Serialize)]
pub struct OfPage {
    pub page: String,
    /// None where it never was there.
    pub version: Option<String>,
    pub fetched: Option<Timestamp>,
    pub confirmed: Option<Timestamp>,
    pub age_seconds: Option<u64>,
    pub is_stale: bool,
    pub languages: Vec<String>,
    pub frameworks: Vec<String>,
    pub failing: Option<Failing>,
    /// Why it is left out, and what to do.
    pub unreadable: Option<String>,
    /// Its sections that no task can bring in: they are larger than the allowance.
    pub too_large: Vec<String>,
    /// Why its front matter does not say what it is for.
    pub front_matter: Option<FrontMatter>,
}

/// What is wrong with the front matter of a page.
#[derive(Debug, Clone, serde::Serialize)]
pub struct FrontMatter {
    pub line: usize,
    pub why: String,
}

/// Something that cannot be had.
#[derive(Debug, Clone, serde::Serialize)]
pub struct Failing {
    pub url: String,
    pub why: String,
    pub times: u32,
    pub since: Option<Timestamp>,
    pub state: State,
    pub next: Timestamp,
}

/// How bad it is that something cannot be had.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// It was there a day ago.
    Lately,
    /// It has failed for a day or longer.
    Long,
    /// Its server says that there is none any more.
    Gone,
}

const LONG: SignedDuration = SignedDuration::from_hours(24);

impl State {
    pub(super) fn of((since, is_gone): (Option<Timestamp>, bool), now: Timestamp) -> Self {
        match since {
            _ if is_gone => Self::Gone,
            Some(since) if now.duration_since(since) >= LONG => Self::Long,
            _ => Self::Lately,
        }
    }
}

/// How each source stands.
#[must_use]
pub fn status(shelf: &Shelf, now: Timestamp) -> Vec<OfSource> {
    shelf.rules.sources().iter().map(|source| of(shelf, source, now)).collect()
}

fn of(shelf: &Shelf, source: &Source, now: Timestamp) -> OfSource {
    let index = shelf.index();
    let mut pages: Vec<OfPage> = index
        .pages()
        .values()
        .filter(|page| page.source == source.name)
        .map(|page| OfPage {
            page: page.name.clone(),
            version: Some(page.version.clone()),
            fetched: Some(page.fetched),
            confirmed: Some(page.confirmed),
            age_seconds: Some(page.age(now).as_secs()),
            is_stale: page.is_stale(now),
            languages: page.tags.languages.clone(),
            frameworks: page.tags.frameworks.clone(),
            failing: failing((shelf, now), source, &page.name),
            unreadable: None,
            too_large: shelf.too_large_of(&page.name),
            front_matter: shelf
                .front_matter_problem(&page.name)
                .map(|problem| FrontMatter { line: problem.line, why: problem.sentence }),
        })
        .collect();
    let missing = |page: &str, failing: Option<Failing>, unreadable: Option<String>| OfPage {
        page: page.to_owned(),
        version: None,
        fetched: None,
        confirmed: None,
        age_seconds: None,
        is_stale: false,
        languages: Vec::new(),
        frameworks: Vec::new(),
        failing,
        unreadable,
        too_large: Vec::new(),
        front_matter: None,
    };
    pages.extend(shelf.unread(&source.name).into_iter().map(|unread| missing(&unread.page, None, Some(unread.why))));
    let unread: BTreeSet<String> = pages.iter().map(|page| page.page.clone()).collect();
    for address in list::pages(&shelf.disk, source) {
        let name = address.as_str();
        if !index.pages().contains_key(name) && !unread.contains(name) {
            pages.push(missing(name, failing((shelf, now), source, name), None));
        }
    }
    let lists = list::lists(&shelf.disk, source).into_iter();
    let lists_failing = lists.filter_map(|list| failing((shelf, now), source, list.as_str())).collect();
    let is_own = |page: Option<&Page>| page.is_some_and(|page| page.source == source.name);
    let sections = index.sections().filter(|(page, _)| is_own(*page));
    let (known, unknown): (Vec<_>, Vec<_>) = sections.partition(|(_, is_meant)| *is_meant);
    let meant = shelf.rules.embeddings.as_ref().map(|_| known.len());
    let sections = known.len() + unknown.len();
    let (policy, max_age_seconds) = (shelf.policy.clone(), source.max_age.map(|most| most.as_secs()));
    let beyond = list::beyond(&shelf.disk, source);
    OfSource { policy, source: source.name.clone(), max_age_seconds, pages, beyond, sections, meant, lists_failing }
}

fn failing((shelf, now): (&Shelf, Timestamp), source: &Source, name: &str) -> Option<Failing> {
    source.kind.address()?;
    let record = shelf.disk.record(name);
    let why = record.why.clone()?;
    let (since, state) = (record.failing, State::of(record.state(), now));
    Some(Failing { url: name.to_owned(), why, times: record.failures, since, state, next: record.due(source.refresh) })
}
