//! Which pages a source has, by the lists that are on disk.

use jetway_core::glob::{Glob, first_match};
use jetway_core::retrieval::host::Address;
use jetway_core::retrieval::listing::{self, MOST_PAGES, Sitemap};
use jetway_core::retrieval::source::{Kind, Source};

use crate::docs::disk::Disk;

/// The pages of a source that is fetched. None where its list was never there.
pub(super) fn pages(disk: &Disk, source: &Source) -> Vec<Address> {
    match &source.kind {
        Kind::Folder(_) => Vec::new(),
        Kind::Page(page) => vec![page.clone()],
        Kind::LlmsTxt(list) => {
            disk.text(&disk.record(list.as_str())).map(|text| listing::links(list, &text)).unwrap_or_default()
        }
        Kind::Sitemap { list, only } => {
            let mut found = sitemap(disk, list, only);
            for further in &found.sitemaps {
                // A list of lists of lists is no sitemap.
                let pages = sitemap(disk, further, only).pages;
                let new: Vec<Address> = pages.into_iter().filter(|page| !found.pages.contains(page)).collect();
                found.pages.extend(new);
            }
            found.pages.truncate(MOST_PAGES);
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

fn sitemap(disk: &Disk, list: &Address, only: &[Glob]) -> Sitemap {
    let Some(text) = disk.text(&disk.record(list.as_str())) else { return Sitemap::default() };
    let is_wanted = |url: &str| only.is_empty() || first_match(only, url).is_some();
    listing::sitemap(list, &text, is_wanted).unwrap_or_default()
}
