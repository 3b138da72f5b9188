//! Which pages a source has, by the lists that are on disk.

use std::cell::RefCell;
use std::collections::BTreeSet;

use jetway_core::glob::{Glob, first_match};
use jetway_core::retrieval::host::Address;
use jetway_core::retrieval::listing::{self, MOST_PAGES, Sitemap};
use jetway_core::retrieval::source::{Kind, Source};

use crate::docs::disk::Disk;

/// The pages of a source that is fetched and are read. None where its list was never there.
pub(super) fn pages(disk: &Disk, source: &Source) -> Vec<Address> {
    let mut pages = listed(disk, source);
    pages.truncate(MOST_PAGES);
    pages
}

/// How many more its lists have.
pub(super) fn beyond(disk: &Disk, source: &Source) -> usize {
    listed(disk, source).len().saturating_sub(MOST_PAGES)
}

fn listed(disk: &Disk, source: &Source) -> Vec<Address> {
    match &source.kind {
        Kind::Folder(_) => Vec::new(),
        Kind::Page(page) => vec![page.clone()],
        Kind::LlmsTxt(list) => {
            disk.text(&disk.record(list.as_str())).map(|text| listing::links(list, &text)).unwrap_or_default()
        }
        Kind::Sitemap { list, only } => {
            let mut found = sitemap(disk, list, only);
            let mut seen: BTreeSet<Address> = found.pages.iter().cloned().collect();
            for further in &found.sitemaps {
                // A list of lists of lists is no sitemap.
                let pages = sitemap(disk, further, only).pages;
                found.pages.extend(pages.into_iter().filter(|page| seen.insert(page.clone())));
            }
            found.pages
        }
    }
}

/// The list that the configuration names, and those behind it.
pub(super) fn lists(disk: &Disk, source: &Source) -> Vec<Address> {
    let named = source.kind.address().filter(|_| !matches!(source.kind, Kind::Page(_)));
    named.cloned().into_iter().chain(further_lists(disk, source)).collect()
}

/// The lists behind the one that the configuration names.
pub(super) fn further_lists(disk: &Disk, source: &Source) -> Vec<Address> {
    match &source.kind {
        Kind::Sitemap { list, only } => sitemap(disk, list, only).sitemaps,
        Kind::Folder(_) | Kind::Page(_) | Kind::LlmsTxt(_) => Vec::new(),
    }
}

/// The patterns of a source that match no URL which its lists have; none while one of those was never there.
pub(super) fn vain<'a>(disk: &Disk, source: &'a Source) -> Vec<&'a Glob> {
    let Kind::Sitemap { list, only } = &source.kind else { return Vec::new() };
    let unmatched = RefCell::new(only.iter().collect::<Vec<_>>());
    let look = |list: &Address| {
        let text = disk.text(&disk.record(list.as_str()))?;
        let passed = |url: &str| {
            unmatched.borrow_mut().retain(|pattern| !pattern.matches(url));
            false
        };
        listing::sitemap(list, &text, passed).ok()
    };
    let is_whole = look(list).is_some_and(|found| found.sitemaps.iter().all(|further| look(further).is_some()));
    if is_whole { unmatched.into_inner() } else { Vec::new() }
}

fn sitemap(disk: &Disk, list: &Address, only: &[Glob]) -> Sitemap {
    let Some(text) = disk.text(&disk.record(list.as_str())) else { return Sitemap::default() };
    let is_wanted = |url: &str| only.is_empty() || first_match(only, url).is_some();
    listing::sitemap(list, &text, is_wanted).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::*;
    use crate::docs::disk::Record;
    use crate::docs::version;

    #[test]
    fn of_a_long_list_so_many_pages_are_read_and_the_rest_is_counted() {
        let folder = tempfile::tempdir().unwrap();
        let disk = Disk::new(folder.path(), "wizard");
        let url = "https://example.com/sitemap.xml";
        let source: Source = serde_json::from_value(serde_json::json!({ "sitemap": url })).unwrap();
        let keep = |count: usize| {
            let pages: String = (0..count).map(|at| format!("<url><loc>/{at}</loc></url>")).collect();
            let text = format!("<urlset>{pages}</urlset>");
            let now = Some(Timestamp::now());
            let record = Record { is_list: true, version: Some(version(&text)), tried: now, ..disk.record(url) };
            disk.keep(&record, Some(&text)).unwrap();
        };
        keep(MOST_PAGES);
        assert_eq!((pages(&disk, &source).len(), beyond(&disk, &source)), (MOST_PAGES, 0));
        keep(MOST_PAGES + 5);
        assert_eq!((pages(&disk, &source).len(), beyond(&disk, &source)), (MOST_PAGES, 5));
    }
}
