//! Versions of pages that were once current, so that what a run was shown can be read months later:
//! by the hash of a page, or of a passage of it, as it stands in the run log.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use jetway_core::retrieval::chunk;
use jiff::{SignedDuration, Timestamp};

use crate::docs::disk::{Disk, RECORD, Record, TEXT};
use crate::docs::version;
use crate::runs::Passage;

/// The most versions of a page, beside the current one: half a year of one that changes every hour.
const MOST_VERSIONS: usize = 4_400;
/// The most bytes of all versions that are no more current.
const MOST_BYTES: u64 = 512 << 20;
/// A page that nobody asked for in so long is no source's any more.
const FORGOTTEN: Duration = Duration::from_secs(90 * 86_400);
/// That a page of a folder is there is noted as often as this.
const OFTEN: SignedDuration = SignedDuration::from_hours(12);

/// Keeps the texts that lie in folders, which an editor may change at any time.
pub(super) fn remember(disk: &Disk, texts: &[(String, String)]) -> std::io::Result<()> {
    let now = Timestamp::now();
    for (name, text) in texts {
        let mut record = disk.record(name);
        let found = version(text);
        let is_new = record.version.as_ref() != Some(&found);
        let is_there = !is_new && disk.text(&record).is_some();
        if is_there && record.tried.is_some_and(|tried| now.duration_since(tried) < OFTEN) {
            continue;
        }
        if is_new {
            (record.version, record.fetched) = (Some(found), Some(now));
        }
        record.confirm(now);
        disk.keep(&record, (!is_there).then_some(text))?;
    }
    Ok(())
}

/// A version of a page that is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    pub policy: String,
    pub page: String,
    pub version: String,
    pub is_current: bool,
    pub text: String,
}

/// Finds what a hash is of: the beginning of a page's version, or a passage's. Newest first.
///
/// # Errors
/// When the store cannot be read.
pub fn find(root: &Path, hash: &str) -> std::io::Result<Vec<Found>> {
    let mut kept = texts(root)?;
    kept.sort_by_key(|kept| std::cmp::Reverse(kept.written));
    let read = |kept: &Kept| {
        let text = std::fs::read_to_string(&kept.path).ok()?;
        let (policy, page, version) = (kept.policy.clone(), kept.record.name.clone(), kept.version.clone());
        Some(Found { policy, page, version, is_current: kept.is_current(), text })
    };
    let by_version: Vec<Found> = kept.iter().filter(|kept| kept.version.starts_with(hash)).filter_map(read).collect();
    if !by_version.is_empty() {
        return Ok(by_version);
    }
    // What is not a section of a page is shown as a whole: the standing text, files of airplanes.
    let has = |found: &Found| {
        Passage::hash(&found.text) == hash
            || chunk::cut(&found.page, &found.text).iter().any(|chunk| Passage::hash(&chunk.text) == hash)
    };
    Ok(kept.iter().filter_map(read).filter(has).collect())
}

/// A text in the store.
#[derive(Debug)]
struct Kept {
    policy: String,
    record: std::rc::Rc<Record>,
    version: String,
    path: PathBuf,
    written: SystemTime,
    size: u64,
}

impl Kept {
    fn is_current(&self) -> bool {
        self.record.version.as_ref() == Some(&self.version)
    }
}

fn texts(root: &Path) -> std::io::Result<Vec<Kept>> {
    let mut found = Vec::new();
    for policy in below(root)? {
        let name = policy.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        for page in below(&policy)?.into_iter().filter(|path| path.is_dir()) {
            let record = std::fs::read(page.join(RECORD)).ok();
            let record = record.and_then(|bytes| serde_json::from_slice::<Record>(&bytes).ok());
            let record = std::rc::Rc::new(record.unwrap_or_default());
            for path in below(&page)?.into_iter().filter(|path| path.extension().is_some_and(|end| end == TEXT)) {
                let Ok(meta) = path.metadata() else { continue };
                let version = path.file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default();
                let written = meta.modified().unwrap_or(SystemTime::UNIX_EPOCH);
                let (policy, record) = (name.clone(), std::rc::Rc::clone(&record));
                found.push(Kept { policy, record, version, path, written, size: meta.len() });
            }
        }
    }
    Ok(found)
}

fn below(folder: &Path) -> std::io::Result<Vec<PathBuf>> {
    match std::fs::read_dir(folder) {
        Ok(entries) => entries.map(|entry| Ok(entry?.path())).collect(),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Vec::new()),
        // A file beside the folders is none of them.
        Err(error) if error.kind() == std::io::ErrorKind::NotADirectory => Ok(Vec::new()),
        Err(error) => Err(error),
    }
}

/// Forgets the oldest versions of what there are too many of. Those that are current stay.
pub(super) fn sweep(root: &Path, now: Timestamp) -> std::io::Result<()> {
    swept(root, now, (MOST_VERSIONS, MOST_BYTES))
}

fn swept(root: &Path, now: Timestamp, (versions, bytes): (usize, u64)) -> std::io::Result<()> {
    let is_needed = |kept: &Kept| {
        let tried = kept.record.tried.unwrap_or(Timestamp::UNIX_EPOCH);
        kept.is_current() && now.duration_since(tried) < jiff::SignedDuration::try_from(FORGOTTEN).unwrap_or_default()
    };
    let mut old: Vec<Kept> = texts(root)?.into_iter().filter(|kept| !is_needed(kept)).collect();
    old.sort_by_key(|kept| std::cmp::Reverse(kept.written));
    let (mut of_page, mut in_all) = (BTreeMap::<PathBuf, usize>::new(), 0);
    for kept in old {
        let count = of_page.entry(kept.path.parent().unwrap_or(root).to_owned()).or_default();
        *count += 1;
        in_all += kept.size;
        if *count > versions || in_all > bytes || kept.record.is_list {
            match std::fs::remove_file(&kept.path) {
                // Another source's refresh sweeps too.
                Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error),
                Ok(()) | Err(_) => {}
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn change(disk: &Disk, name: &str, text: &str) {
        remember(disk, &[(name.to_owned(), text.to_owned())]).unwrap();
        // Versions are told apart by when they were written.
        std::thread::sleep(Duration::from_millis(5));
    }

    #[test]
    fn what_was_shown_is_found_by_the_hash_of_its_page_or_passage() {
        let folder = tempfile::tempdir().unwrap();
        let disk = Disk::new(folder.path(), "wizard");
        change(&disk, "docs/a.md", "# A\nold\n");
        change(&disk, "docs/a.md", "# A\nnew\n");
        change(&disk, "docs/a.md", "# A\nnew\n");
        change(&Disk::new(folder.path(), "coding"), "docs/b.md", "# B\nother\n");
        let found = |hash: &str| {
            let found = find(folder.path(), hash).unwrap();
            found.into_iter().map(|found| (found.policy, found.text, found.is_current)).collect::<Vec<_>>()
        };
        let old = ("wizard".to_owned(), "# A\nold\n".to_owned(), false);
        assert_eq!(found(&version("# A\nold\n"))[0], old);
        assert_eq!(found(&version("# A\nold\n")[..12])[0], old);
        assert_eq!(found(&Passage::hash("old")), [old]);
        assert!(found(&version("# A\nnew\n"))[0].2 && found(&version("never")).is_empty());
        assert!(find(&folder.path().join("nowhere"), "0123456789ab").unwrap().is_empty());
    }

    #[test]
    fn the_oldest_versions_are_forgotten_and_the_current_one_never() {
        let folder = tempfile::tempdir().unwrap();
        let disk = Disk::new(folder.path(), "wizard");
        for number in 0..6 {
            change(&disk, "a", &format!("a{number}"));
        }
        change(&disk, "b", "b0");
        let left = |text: &str| !find(folder.path(), &version(text)).unwrap().is_empty();
        let now = Timestamp::now();
        swept(folder.path(), now, (3, 1_000)).unwrap();
        assert_eq!(
            [0, 1, 2, 3, 4, 5].map(|number| left(&format!("a{number}"))),
            [false, false, true, true, true, true]
        );
        swept(folder.path(), now, (3, 5)).unwrap();
        assert_eq!([2, 3, 4, 5].map(|number| left(&format!("a{number}"))), [false, true, true, true]);
        swept(folder.path(), now, (3, 0)).unwrap();
        assert!(left("a5") && left("b0") && !left("a4"));
        // Of a list only what is current is of use.
        let mut list = disk.record("list");
        for text in ["l0", "l1"] {
            list = Record { is_list: true, version: Some(version(text)), tried: Some(now), ..list };
            disk.keep(&list, Some(text)).unwrap();
        }
        swept(folder.path(), now, (3, 1_000)).unwrap();
        assert!(left("l1") && !left("l0"));
        // What nobody asks for any more has no current version.
        swept(folder.path(), now + FORGOTTEN * 2, (3, 0)).unwrap();
        assert!(!left("a5") && !left("b0"));
    }
}
