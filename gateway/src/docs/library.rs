//! What a policy can show, in versions. Given a run that began before a page changed: the pages and model
//! airplanes that there were then, for whatever it is told later.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};

use jetway_core::retrieval::airplane::Airplane;
use jetway_core::retrieval::search::Index;

use crate::recent::Recent;

/// Versions of a policy that are held at once, and the bytes of their texts: of a run that is older and was
/// quiet for long, what is told later is of now.
const VERSIONS: usize = 16;
const MOST_TEXT: usize = 64 << 20;
/// Runs whose version is known.
const RUNS: usize = 10_000;

/// What a policy can show.
#[derive(Debug, Clone, Default)]
pub struct Library {
    pub index: Option<Arc<Index>>,
    pub airplanes: Arc<Vec<Airplane>>,
}

impl Library {
    /// Whether it says the same: whoever confirms a page, or reads all of them again, makes no new version.
    fn is(&self, other: &Self) -> bool {
        let pages = |index: &Index, other: &Index| {
            index.pages().len() == other.pages().len()
                && index.pages().values().zip(other.pages().values()).all(|(one, two)| one.says_the_same(two))
        };
        let index = match (&self.index, &other.index) {
            (Some(one), Some(two)) => Arc::ptr_eq(one, two) || pages(one, two),
            (one, two) => one.is_none() && two.is_none(),
        };
        index && (Arc::ptr_eq(&self.airplanes, &other.airplanes) || self.airplanes == other.airplanes)
    }

    fn bytes(&self) -> usize {
        self.index.iter().flat_map(|index| index.chunks()).map(|chunk| chunk.text.len()).sum()
    }
}

/// Which version each run began with.
#[derive(Debug)]
pub struct Libraries(Mutex<Held>);

#[derive(Debug)]
struct Held {
    /// By policy, what was asked for last at the end.
    versions: BTreeMap<String, VecDeque<Version>>,
    runs: Recent<String, u64>,
    last: u64,
}

#[derive(Debug)]
struct Version {
    number: u64,
    bytes: usize,
    library: Library,
}

impl Default for Libraries {
    fn default() -> Self {
        Self(Mutex::new(Held { versions: BTreeMap::new(), runs: Recent::new(RUNS), last: 0 }))
    }
}

impl Libraries {
    /// What this run is shown from, of what there is now and was before.
    pub fn of(&self, policy: &str, run: &str, now: Library) -> Library {
        // Nothing was fetched yet: that is no version that a run should stay with.
        if now.index.as_ref().is_some_and(|index| index.pages().is_empty()) {
            return now;
        }
        let mut held = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let Held { versions, runs, last } = &mut *held;
        let versions = versions.entry(policy.to_owned()).or_default();
        let known = runs.find(run.to_owned(), |_| 1);
        // Mostly it is the last, or the last but one.
        let current = versions.iter().rposition(|held| held.library.is(&now));
        let mut current = current.and_then(|at| versions.remove(at)).unwrap_or_else(|| {
            *last += 1;
            Version { number: *last, bytes: now.bytes(), library: now.clone() }
        });
        // The same texts: what is known of them by now, how old they are, is newer.
        current.library = now.clone();
        let number = current.number;
        versions.push_back(current);
        let begun = known.and_then(|known| versions.iter().position(|held| held.number == known));
        let begun = begun.and_then(|at| versions.remove(at));
        let found = begun.as_ref().map(|begun| begun.library.clone());
        versions.extend(begun);
        while versions.len() > VERSIONS
            || versions.len() > 2 && versions.iter().map(|held| held.bytes).sum::<usize>() > MOST_TEXT
        {
            versions.pop_front();
        }
        if let Some(library) = found {
            return library;
        }
        if known.is_some() {
            tracing::debug!(policy, run, "what the run began with is held no more: it is shown what there is now");
        }
        runs.keep(run.to_owned(), number, 1);
        now
    }
}

#[cfg(test)]
mod tests {
    use jetway_core::retrieval::chunk::Chunk;
    use jetway_core::retrieval::page::Page;
    use jetway_core::retrieval::profile::Tags;
    use jiff::Timestamp;

    use super::*;

    /// A page of this text, confirmed at this second.
    fn library(text: &str, confirmed: i64) -> Library {
        let confirmed = Timestamp::from_second(confirmed).unwrap();
        let page = Page {
            name: "a".into(),
            source: "s".into(),
            version: crate::docs::version(text),
            tags: Tags::default(),
            fetched: Timestamp::UNIX_EPOCH,
            confirmed,
            max_age: None,
        };
        let chunk = Chunk { page: "a".into(), headings: Vec::new(), text: text.into() };
        Library { index: Some(Arc::new(Index::new(vec![chunk]).with_pages([page]))), airplanes: Arc::default() }
    }

    /// The text that a run is shown, and when that was confirmed.
    fn shown(libraries: &Libraries, run: &str, now: &Library) -> (String, i64) {
        let index = libraries.of("p", run, now.clone()).index.unwrap();
        (index.chunks()[0].text.clone(), index.pages()["a"].confirmed.as_second())
    }

    #[test]
    fn a_run_keeps_the_version_that_it_began_with_while_that_is_asked_for() {
        let libraries = Libraries::default();
        let text = |run: &str, text: &str| shown(&libraries, run, &library(text, 0)).0;
        assert_eq!(text("a", "0"), "0");
        // The page changes, more often than versions are held.
        for now in (1..100).map(|number| number.to_string()) {
            assert_eq!((text(&now, &now), text("a", &now)), (now.clone(), "0".into()));
        }
        // Of a version that nobody asked for so long nothing is held any more, and the run stays with the next.
        assert_eq!((text("1", "100"), text("1", "101"), text("99", "101")), ("100".into(), "100".into(), "99".into()));
        assert_eq!(libraries.0.lock().unwrap().versions["p"].len(), VERSIONS);
        // What another policy has is another matter.
        let other = libraries.of("q", "a", library("0", 7));
        assert_eq!(other.index.unwrap().pages()["a"].confirmed.as_second(), 7);
    }

    #[test]
    fn what_was_found_unchanged_is_no_other_version() {
        let libraries = Libraries::default();
        assert_eq!(shown(&libraries, "a", &library("old", 0)), ("old".into(), 0));
        for confirmed in 1..100 {
            assert_eq!(shown(&libraries, "b", &library("old", confirmed)), ("old".into(), confirmed));
        }
        assert_eq!(shown(&libraries, "a", &library("new", 100)), ("old".into(), 99));
        assert_eq!(shown(&libraries, "c", &library("new", 100)).0, "new");
        // A page that is as it was is the version that it was.
        assert_eq!(shown(&libraries, "d", &library("old", 101)), ("old".into(), 101));
        assert_eq!(shown(&libraries, "a", &library("new", 102)), ("old".into(), 101));
        assert_eq!(libraries.0.lock().unwrap().versions["p"].len(), 2);
    }

    #[test]
    fn a_run_that_began_before_anything_was_fetched_is_shown_what_there_is_then() {
        let libraries = Libraries::default();
        let empty = Library { index: Some(Arc::default()), ..Library::default() };
        assert!(libraries.of("p", "a", empty).index.unwrap().chunks().is_empty());
        assert_eq!(shown(&libraries, "a", &library("first", 0)).0, "first");
        assert_eq!(shown(&libraries, "a", &library("second", 0)).0, "first");
    }

    #[test]
    fn large_versions_are_held_as_far_as_there_is_room() {
        let libraries = Libraries::default();
        for number in 0..5 {
            shown(&libraries, "a", &library(&format!("{number}{}", "x".repeat(MOST_TEXT / 3)), 0));
        }
        assert_eq!(libraries.0.lock().unwrap().versions["p"].len(), 2);
    }

    #[test]
    fn airplanes_are_told_apart_by_what_they_show() {
        let plane = |readme: &str| Airplane {
            name: "nextjs".into(),
            about: String::new(),
            tags: Tags::default(),
            readme: readme.into(),
            rev: String::new(),
            files: Vec::new(),
        };
        let with = |readme: &str| Library { index: None, airplanes: Arc::new(vec![plane(readme)]) };
        let libraries = Libraries::default();
        let readme = |run: &str, now: &str| libraries.of("p", run, with(now)).airplanes[0].readme.clone();
        assert_eq!(
            (readme("a", "old"), readme("a", "old"), readme("b", "new")),
            ("old".into(), "old".into(), "new".into())
        );
        assert_eq!((readme("a", "new"), libraries.0.lock().unwrap().versions["p"].len()), ("old".into(), 2));
    }
}
