//! The texts that models were shown, each once under its hash: what is found here is what was shown, whatever
//! became of its page, of the versions that are kept of that, and of how pages are cut since.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use jetway_core::policy::desk::Shown;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use tokio_util::task::TaskTracker;

use crate::docs::disk;
use crate::recent::Recent;
use crate::runs::Passage;
use crate::secret;

/// The most bytes of all of them: beyond, those go that were shown least lately.
const MOST_BYTES: u64 = 1 << 30;
/// Of how many it is remembered when they were last noted.
const REMEMBERED: usize = 10_000;
/// They are looked through once for so many that are written.
const BETWEEN_SWEEPS: usize = 1_000;

/// Where they are.
#[derive(Debug)]
pub struct Showing {
    folder: PathBuf,
    /// By hash, the day on which it was last noted that it was shown.
    noted: Mutex<Recent<String, i64>>,
    written: AtomicUsize,
    tasks: TaskTracker,
}

/// One of them, as it lies there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Kept {
    pub(super) policy: String,
    pub(super) source: String,
    pub(super) page: Option<String>,
    pub(super) text: String,
}

impl Showing {
    #[must_use]
    pub fn new(folder: PathBuf, tasks: TaskTracker) -> Self {
        Self { folder, noted: Mutex::new(Recent::new(REMEMBERED)), written: AtomicUsize::default(), tasks }
    }

    /// What is shown, for the log; its text is kept off the path.
    pub fn passage(&self, policy: &str, shown: &Shown) -> Passage {
        let passage = Passage::of(shown);
        let day = Timestamp::now().as_second().div_euclid(86_400);
        let mut noted = self.noted.lock().unwrap_or_else(PoisonError::into_inner);
        if noted.find(passage.hash.clone(), |_| 1) != Some(day) {
            noted.keep(passage.hash.clone(), day, 1);
            let (policy, source, page) = (policy.to_owned(), shown.source.clone(), shown.page.clone());
            self.keep(passage.hash.clone(), Kept { policy, source, page, text: shown.text.clone() });
        }
        passage
    }

    fn keep(&self, hash: String, kept: Kept) {
        let folder = self.folder.clone();
        let is_time = self.written.fetch_add(1, Ordering::Relaxed).is_multiple_of(BETWEEN_SWEEPS);
        self.tasks.spawn_blocking(move || {
            let written =
                write(&folder, &hash, &kept).and_then(|()| if is_time { sweep(&folder, MOST_BYTES) } else { Ok(()) });
            if let Err(error) = written {
                tracing::warn!(source = kept.source, hash, %error, "what a model was shown cannot be kept");
            }
        });
    }
}

fn write(folder: &Path, hash: &str, kept: &Kept) -> std::io::Result<()> {
    secret::private_folder(folder)?;
    disk::write(&folder.join(hash).with_extension("json"), &serde_json::to_vec(kept)?)
}

/// What was shown under hashes that begin so. What cannot be read is not there.
pub(super) fn find(folder: &Path, hash: &str) -> Vec<Kept> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let named = entries.filter(|entry| entry.file_name().to_string_lossy().starts_with(hash));
    named.filter_map(|entry| serde_json::from_slice(&std::fs::read(entry.path()).ok()?).ok()).collect()
}

/// Takes away what was shown least lately, beyond so many bytes.
fn sweep(folder: &Path, most: u64) -> std::io::Result<()> {
    let metas = std::fs::read_dir(folder)?.flatten();
    let mut all: Vec<_> = metas.filter_map(|entry| Some((entry.path(), entry.metadata().ok()?))).collect();
    all.sort_by_key(|(_, meta)| std::cmp::Reverse(meta.modified().ok()));
    let mut size = 0;
    for (path, meta) in all {
        size += meta.len();
        if size > most {
            std::fs::remove_file(path)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use jetway_core::policy::desk::By;

    use super::*;

    fn shown(text: &str) -> Shown {
        Shown { source: "a.md#A".into(), text: text.into(), page: Some("v1".into()), by: By::Task }
    }

    #[tokio::test]
    async fn what_was_shown_is_found_by_its_hash_alone() {
        let folder = tempfile::tempdir().unwrap();
        let tasks = TaskTracker::new();
        let showing = Showing::new(folder.path().join("shown"), tasks.clone());
        let passage = showing.passage("wizard", &shown("# no text that a page was cut into"));
        showing.passage("wizard", &shown("another"));
        assert_eq!(passage, Passage::of(&shown("# no text that a page was cut into")));
        tasks.close();
        tasks.wait().await;
        let found = find(&showing.folder, &passage.hash);
        assert_eq!(found.len(), 1);
        assert_eq!(
            (found[0].policy.as_str(), found[0].text.as_str()),
            ("wizard", "# no text that a page was cut into")
        );
        assert_eq!(find(&folder.path().join("nowhere"), &passage.hash), []);
    }

    #[test]
    fn beyond_the_bytes_the_least_lately_shown_go() {
        let folder = tempfile::tempdir().unwrap();
        let kept = |text: &str| Kept { policy: "p".into(), source: "s".into(), page: None, text: text.into() };
        let at = |name: &str| folder.path().join(name).with_extension("json");
        for (age, name) in ["a", "b", "c"].into_iter().enumerate() {
            write(folder.path(), name, &kept(name)).unwrap();
            let time = std::time::SystemTime::now() - std::time::Duration::from_secs(3_600 * age as u64);
            std::fs::File::options().write(true).open(at(name)).unwrap().set_modified(time).unwrap();
        }
        sweep(folder.path(), at("a").metadata().unwrap().len() * 2).unwrap();
        assert_eq!(["a", "b", "c"].map(|name| at(name).exists()), [true, true, false]);
    }
}
