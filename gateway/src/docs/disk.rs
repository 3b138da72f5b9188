//! What is kept of pages, under the folder of the state: a folder a policy, in it a folder a page,
//! and there a record of what is known of it and its text in every version that was ever current.
//! Files are written beside and renamed, so that one that is there is whole.

use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::docs::fetch::{Miss, Validators};
use crate::docs::version;
use crate::secret;

/// The store of one policy.
#[derive(Debug, Clone)]
pub(super) struct Disk {
    /// That of all policies.
    pub(super) root: PathBuf,
    folder: PathBuf,
}

/// What is known of a page.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Record {
    /// Its URL, or its path in a policy's folder.
    pub(super) name: String,
    #[serde(default)]
    pub(super) etag: Option<String>,
    #[serde(default)]
    pub(super) last_modified: Option<String>,
    /// The version that is current.
    #[serde(default)]
    pub(super) version: Option<String>,
    /// When that was first there.
    #[serde(default)]
    pub(super) fetched: Option<Timestamp>,
    /// When it was last seen to be current.
    #[serde(default)]
    pub(super) confirmed: Option<Timestamp>,
    /// When it was last asked for.
    #[serde(default)]
    pub(super) tried: Option<Timestamp>,
    /// How often in a row that failed.
    #[serde(default)]
    pub(super) failures: u32,
    #[serde(default)]
    pub(super) why: Option<String>,
    /// Since when it has failed.
    #[serde(default)]
    pub(super) failing: Option<Timestamp>,
    /// Whether its server last said that there is no such page any more.
    #[serde(default)]
    pub(super) is_gone: bool,
    /// Whether it is a list of pages, which nobody is shown.
    #[serde(default)]
    pub(super) is_list: bool,
}

/// A page that fails is asked for again after this, and then after twice as long each time.
const FIRST_PAUSE: Duration = Duration::from_secs(60);
const LONGEST_PAUSE: Duration = Duration::from_secs(24 * 3_600);

impl Record {
    /// When it is to be asked for.
    pub(super) fn due(&self, refresh: Duration) -> Timestamp {
        let (since, pause) = match (self.failures, self.tried, self.confirmed) {
            (1.., Some(tried), _) => {
                let doubled = refresh.min(FIRST_PAUSE).saturating_mul(1 << (self.failures - 1).min(20));
                (tried, doubled.min(LONGEST_PAUSE))
            }
            (0, _, Some(confirmed)) => (confirmed, refresh),
            _ => return Timestamp::UNIX_EPOCH,
        };
        since.checked_add(pause).unwrap_or(Timestamp::MAX)
    }

    pub(super) fn validators(&self) -> Validators {
        Validators { etag: self.etag.clone(), last_modified: self.last_modified.clone() }
    }

    /// Whether it can be had, as far as that is told: since when not, and whether it is gone.
    pub(super) fn state(&self) -> (Option<Timestamp>, bool) {
        (self.failing, self.is_gone)
    }

    /// Notes that it was seen to be current.
    pub(super) fn confirm(&mut self, now: Timestamp) {
        (self.confirmed, self.tried, self.failures, self.why) = (Some(now), Some(now), 0, None);
        (self.failing, self.is_gone) = (None, false);
    }

    /// Notes that it could not be had.
    pub(super) fn fail(&mut self, miss: Miss, now: Timestamp) {
        // A record of an older Jetway does not say since when.
        let since = self.failing.or(self.tried.filter(|_| self.failures > 0)).unwrap_or(now);
        (self.failing, self.is_gone) = (Some(since), miss.is_gone);
        (self.tried, self.failures, self.why) = (Some(now), self.failures.saturating_add(1), Some(miss.why));
    }
}

pub(super) const RECORD: &str = "page.json";
/// What the text of a version ends in.
pub(super) const TEXT: &str = "txt";
const STAMP: &str = "stamp";
const VECTORS: &str = "vectors";

impl Disk {
    pub(super) fn new(root: &Path, policy: &str) -> Self {
        Self { root: root.to_owned(), folder: root.join(policy) }
    }

    fn page(&self, name: &str) -> PathBuf {
        self.folder.join(&secret::hex(&secret::sha256(name.as_bytes()))[..32])
    }

    /// What is known of a page; nothing where its record is not there or was damaged.
    pub(super) fn record(&self, name: &str) -> Record {
        let bytes = std::fs::read(self.page(name).join(RECORD)).ok();
        let record = bytes.and_then(|bytes| serde_json::from_slice::<Record>(&bytes).ok());
        record
            .filter(|record| record.name == name)
            .unwrap_or_else(|| Record { name: name.to_owned(), ..Record::default() })
    }

    /// The text of the current version, if it is there and what it was.
    pub(super) fn text(&self, record: &Record) -> Option<String> {
        let known = record.version.as_deref()?;
        let path = self.page(&record.name).join(known).with_extension(TEXT);
        std::fs::read_to_string(path).ok().filter(|text| version(text) == known)
    }

    /// Keeps what is known of a page, and its text where that is new.
    pub(super) fn keep(&self, record: &Record, text: Option<&str>) -> std::io::Result<()> {
        let folder = self.page(&record.name);
        secret::private_folder(&folder)?;
        if let (Some(text), Some(version)) = (text, &record.version) {
            write(&folder.join(version).with_extension(TEXT), text.as_bytes())?;
        }
        write(&folder.join(RECORD), &serde_json::to_vec(record)?)
    }

    /// Something else whenever anything was kept. Another process may have kept it.
    pub(super) fn stamp(&self) -> String {
        std::fs::read_to_string(self.folder.join(STAMP)).unwrap_or_default()
    }

    /// Where it lies what sections mean.
    pub(super) fn vectors(&self) -> PathBuf {
        self.folder.join(VECTORS)
    }

    pub(super) fn keep_vectors(&self, bytes: &[u8]) -> std::io::Result<()> {
        secret::private_folder(&self.folder)?;
        write(&self.vectors(), bytes)
    }

    pub(super) fn mark(&self) -> std::io::Result<()> {
        secret::private_folder(&self.folder)?;
        write(&self.folder.join(STAMP), uuid::Uuid::now_v7().simple().to_string().as_bytes())
    }
}

pub(super) fn write(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    // Two sources may have one page, and be asked for it at once.
    static WRITTEN: AtomicUsize = AtomicUsize::new(0);
    let number = WRITTEN.fetch_add(1, Ordering::Relaxed);
    let beside = path.with_extension(format!("new-{}-{number}", std::process::id()));
    let mut options = std::fs::OpenOptions::new();
    let mut file = options.write(true).create(true).truncate(true).mode(0o600).open(&beside)?;
    file.write_all(bytes)?;
    std::fs::rename(&beside, path)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    #[test]
    fn a_page_is_due_after_its_refresh_and_later_each_time_that_it_fails() {
        let hour = Duration::from_secs(3_600);
        let mut record = Record::default();
        assert_eq!(record.due(hour), Timestamp::UNIX_EPOCH);
        record.confirm(at(1_000));
        assert_eq!(record.due(hour), at(4_600));
        for pause in [60, 120, 240, 480] {
            record.fail(String::from("it answered 500").into(), at(5_000));
            assert_eq!(record.due(hour), at(5_000 + pause));
        }
        (0..100).for_each(|_| record.fail(String::from("it answered 500").into(), at(5_000)));
        assert_eq!(record.due(hour), at(5_000 + 86_400));
        record.confirm(at(6_000));
        assert_eq!((record.due(hour), record.failures, record.why), (at(9_600), 0, None));
        let mut new = Record::default();
        new.fail(String::from("no").into(), at(1_000));
        assert_eq!(new.due(Duration::from_secs(1)), at(1_001));
    }

    #[test]
    fn what_is_kept_is_there_again_for_its_owner_alone() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().join("state/docs");
        let disk = Disk::new(&root, "wizard");
        let before = disk.stamp();
        let mut record = disk.record("https://example.com/a");
        assert_eq!((record.version.as_ref(), disk.text(&record)), (None, None));
        record.version = Some(version("# A"));
        disk.keep(&record, Some("# A")).unwrap();
        disk.mark().unwrap();
        assert_ne!(disk.stamp(), before);
        let again = Disk::new(&root, "wizard").record("https://example.com/a");
        assert_eq!((&again, disk.text(&again).as_deref()), (&record, Some("# A")));
        assert_eq!(Disk::new(&root, "coding").record("https://example.com/a").version, None);
        let page = disk.page("https://example.com/a");
        let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!((mode(&root), mode(&page), mode(&page.join(RECORD))), (0o700, 0o700, 0o600));
        assert_eq!(std::fs::read_dir(&page).unwrap().count(), 2, "nothing is left beside");
    }

    #[test]
    fn what_was_damaged_is_as_if_it_were_not_there() {
        let folder = tempfile::tempdir().unwrap();
        let disk = Disk::new(folder.path(), "wizard");
        let record = Record { name: "a".into(), version: Some(version("# A")), ..Record::default() };
        disk.keep(&record, Some("# A")).unwrap();
        std::fs::write(disk.page("a").join(version("# A")).with_extension(TEXT), "# B").unwrap();
        assert_eq!(disk.text(&record), None);
        std::fs::write(disk.page("a").join(RECORD), "{").unwrap();
        assert_eq!(disk.record("a").version, None);
    }
}
