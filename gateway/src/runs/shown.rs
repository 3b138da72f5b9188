//! The texts that models were shown, each under its hash: what is found here is what was shown, whatever became
//! of its page, of the versions that are kept of that, and of how pages are cut since.
//!
//! Each is written once for every month in which a conversation was first shown it, and kept for a month longer
//! than runs. What a conversation has in its prompt since then is not written again: of one that goes on for more
//! than that month, the last exchanges may be in the log for longer than the text.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use jetway_core::policy::desk;
use jiff::Timestamp;
use tokio_util::task::TaskTracker;

use crate::recent::Recent;
use crate::runs::Passage;
use crate::runs::log::Log;

/// So much longer than runs are these kept: one that was written at the beginning of a month was shown until
/// its end.
pub(super) const LONGER: Duration = Duration::from_secs(31 * 86_400);
/// Of how many it is remembered in which month they were last written.
const REMEMBERED: usize = 10_000;

/// A text that a model was shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shown {
    pub hash: String,
    pub at: Timestamp,
    pub policy: String,
    /// The page and the headings above it.
    pub source: String,
    /// The version of the page that it is of, where it is of one.
    pub page: Option<String>,
    pub text: String,
}

impl Shown {
    /// The month in which it was shown.
    pub(super) fn month(&self) -> String {
        self.at.strftime("%Y-%m").to_string()
    }
}

/// Keeps what is shown.
#[derive(Debug)]
pub struct Showing {
    log: Log,
    /// By hash and policy, the month for which it was last written.
    written: Arc<Mutex<Recent<(String, String), String>>>,
    tasks: TaskTracker,
}

impl Showing {
    #[must_use]
    pub fn new(log: Log, tasks: TaskTracker) -> Self {
        Self { log, written: Arc::new(Mutex::new(Recent::new(REMEMBERED))), tasks }
    }

    /// What is shown, for the log; its text is kept off the path.
    pub fn passage(&self, policy: &str, shown: &desk::Shown) -> Passage {
        let passage = Passage::of(shown);
        let text = Shown {
            hash: passage.hash.clone(),
            at: Timestamp::now(),
            policy: policy.to_owned(),
            source: shown.source.clone(),
            page: shown.page.clone(),
            text: shown.text.clone(),
        };
        let (key, month) = ((text.hash.clone(), text.policy.clone()), text.month());
        let mut written = self.written.lock().unwrap_or_else(PoisonError::into_inner);
        if written.find(key.clone(), |_| 1).as_ref() != Some(&month) {
            written.keep(key.clone(), month, 1);
            self.keep(key, text);
        }
        passage
    }

    fn keep(&self, key: (String, String), text: Shown) {
        let (log, written) = (self.log.clone(), Arc::clone(&self.written));
        self.tasks.spawn(async move {
            if let Err(error) = log.keep_shown(&text).await {
                tracing::warn!(source = text.source, hash = text.hash, %error, "what a model was shown cannot be kept");
                // The next time that it is shown.
                written.lock().unwrap_or_else(PoisonError::into_inner).keep(key, String::new(), 1);
            }
        });
    }
}

#[cfg(test)]
mod tests {
    use jetway_core::policy::desk::By;
    use tokio_util::sync::CancellationToken;

    use super::*;
    use crate::config::Runs;
    use crate::runs::read::Reader;

    #[tokio::test(flavor = "multi_thread")]
    async fn what_was_shown_is_found_by_its_hash_alone() {
        let folder = tempfile::tempdir().unwrap();
        let (tasks, runs) = (TaskTracker::new(), Runs::default());
        let log = Log::open(&runs, folder.path(), (&tasks, CancellationToken::new())).unwrap();
        let showing = Showing::new(log, tasks.clone());
        let shown = |text: &str| desk::Shown {
            source: "a.md#A".into(),
            text: text.into(),
            page: Some("v1".into()),
            by: By::Task,
        };
        let passage = showing.passage("wizard", &shown("# no text that a page was cut into"));
        assert_eq!(passage, Passage::of(&shown("# no text that a page was cut into")));
        for text in ["another", "# no text that a page was cut into"] {
            showing.passage("wizard", &shown(text));
        }
        tasks.close();
        tasks.wait().await;
        let reader = Reader::open(&runs, folder.path()).await.unwrap();
        let found = reader.shown(&passage.hash[..8]).await.unwrap();
        let found: Vec<_> = found.iter().map(|found| (found.policy.as_str(), found.text.as_str())).collect();
        assert_eq!(found, [("wizard", "# no text that a page was cut into")]);
        assert_eq!(reader.shown("0123456789ab").await.unwrap(), []);
    }
}
