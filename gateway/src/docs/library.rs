//! What a policy can show, in versions. Given a run that began before a page changed: the pages and model
//! airplanes that there were then, for whatever it is told later.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};

use jetway_core::retrieval::airplane::Airplane;
use jetway_core::retrieval::search::Index;

use crate::recent::Recent;

/// Versions of a policy that are held at once: of a run that is older, what is told later is of now.
const VERSIONS: usize = 4;
/// Runs whose version is known.
const RUNS: usize = 10_000;

/// What a policy can show.
#[derive(Debug, Clone, Default)]
pub struct Library {
    pub index: Option<Arc<Index>>,
    pub airplanes: Arc<Vec<Airplane>>,
}

impl Library {
    fn is(&self, other: &Self) -> bool {
        let index = match (&self.index, &other.index) {
            (Some(one), Some(two)) => Arc::ptr_eq(one, two),
            (one, two) => one.is_none() && two.is_none(),
        };
        // One without any is like any other.
        let none = self.airplanes.is_empty() && other.airplanes.is_empty();
        index && (none || Arc::ptr_eq(&self.airplanes, &other.airplanes))
    }
}

/// Which version each run began with.
#[derive(Debug)]
pub struct Libraries(Mutex<Held>);

#[derive(Debug)]
struct Held {
    /// By policy, the newest last, each with its number.
    versions: BTreeMap<String, VecDeque<(u64, Library)>>,
    runs: Recent<String, u64>,
    last: u64,
}

impl Default for Libraries {
    fn default() -> Self {
        Self(Mutex::new(Held { versions: BTreeMap::new(), runs: Recent::new(RUNS), last: 0 }))
    }
}

impl Libraries {
    /// What this run is shown from, of what there is now and was before.
    pub fn of(&self, policy: &str, run: &str, now: Library) -> Library {
        let mut held = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let Held { versions, runs, last } = &mut *held;
        let versions = versions.entry(policy.to_owned()).or_default();
        if versions.back().is_none_or(|(_, newest)| !newest.is(&now)) {
            *last += 1;
            versions.push_back((*last, now.clone()));
            if versions.len() > VERSIONS {
                versions.pop_front();
            }
        }
        let known = runs.find(run.to_owned(), |_| 1);
        let found = known.and_then(|number| versions.iter().find(|(version, _)| *version == number));
        if let Some((_, library)) = found {
            return library.clone();
        }
        if let Some((newest, _)) = versions.back() {
            runs.keep(run.to_owned(), *newest, 1);
        }
        now
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn library() -> Library {
        Library { index: Some(Arc::new(Index::new(Vec::new()))), airplanes: Arc::default() }
    }

    #[test]
    fn a_run_keeps_the_version_that_it_began_with_while_that_is_held() {
        let (libraries, versions) = (Libraries::default(), [(); 6].map(|()| library()));
        let of = |run: &str, at: usize| {
            let found = libraries.of("p", run, versions[at].clone());
            versions.iter().position(|version| version.is(&found))
        };
        assert_eq!((of("a", 0), of("a", 0)), (Some(0), Some(0)));
        // The page changed.
        assert_eq!((of("b", 1), of("a", 1), of("b", 1)), (Some(1), Some(0), Some(1)));
        assert_eq!((of("c", 2), of("d", 3), of("a", 3)), (Some(2), Some(3), Some(0)));
        // Of so old a version nothing is held any more.
        assert_eq!((of("e", 4), of("a", 4), of("b", 4)), (Some(4), Some(4), Some(1)));
        assert_eq!((of("a", 5), of("b", 5)), (Some(4), Some(5)));
        assert_eq!(libraries.0.lock().unwrap().versions["p"].len(), VERSIONS);
        // What another policy has is another matter.
        assert!(libraries.of("q", "a", versions[0].clone()).is(&versions[0]));
    }
}
