//! Pages of a folder of markdown.

use std::path::{Path, PathBuf};

use jetway_core::retrieval::markdown;

use crate::config::Problem;
use crate::docs::{MOST_SECTIONS, too_many_sections};

/// The largest page that is read, in bytes.
const MAX_PAGE: u64 = 4 << 20;
/// The most pages of one folder.
const MAX_PAGES: usize = 10_000;

/// A page of a folder.
#[derive(Debug)]
pub(super) struct Leaf {
    /// Its path in the folder.
    pub(super) path: String,
    pub(super) text: String,
}

/// A page of a folder, or a folder in it, that cannot be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unread {
    /// Its path in the folder.
    pub path: String,
    /// A sentence: why, and what to do.
    pub why: String,
}

/// What is in a folder.
#[derive(Debug, Default)]
pub(super) struct Read {
    /// In the order of their paths.
    pub(super) leaves: Vec<Leaf>,
    pub(super) unread: Vec<Unread>,
}

/// Reads every markdown page under a folder. One that cannot be read is left out, and told.
///
/// # Errors
/// [`Problem`] when the folder itself cannot be read, or there are too many pages.
pub(super) fn read(folder: &Path) -> Result<Read, Problem> {
    let (mut pages, mut read) = (Vec::new(), Read::default());
    let unread = |path: &Path, why: String| {
        let path = path.strip_prefix(folder).unwrap_or(path).to_string_lossy().into_owned();
        Unread { path, why }
    };
    let mut below = vec![folder.to_owned()];
    while let Some(at) = below.pop() {
        match collect(&at, &mut pages, &mut below) {
            Err(error) if at == folder => {
                return Err(Problem::of_file(folder, format!("the folder cannot be read: {error}")));
            }
            Err(error) => read.unread.push(unread(
                &at,
                format!("this folder cannot be read: {error}; none of its pages is shown. Let Jetway's user read it"),
            )),
            Ok(()) if pages.len() > MAX_PAGES => {
                return Err(Problem::of_file(folder, format!("there are more than {MAX_PAGES} pages")));
            }
            Ok(()) => {}
        }
    }
    pages.sort();
    for page in &pages {
        match leaf(folder, page) {
            Ok(leaf) => read.leaves.push(leaf),
            Err(why) => read.unread.push(unread(page, why)),
        }
    }
    Ok(read)
}

fn leaf(folder: &Path, page: &Path) -> Result<Leaf, String> {
    let failed = |error: std::io::Error| format!("the page cannot be read: {error}. Let Jetway's user read it");
    let size = page.metadata().map_err(failed)?.len();
    if size > MAX_PAGE {
        return Err(format!("the page has {size} bytes, and at most {MAX_PAGE} are read. Cut it into several"));
    }
    let text = String::from_utf8(std::fs::read(page).map_err(failed)?).map_err(|error| {
        let at = error.utf8_error().valid_up_to();
        let line = error.as_bytes()[..at].iter().filter(|byte| **byte == b'\n').count() + 1;
        format!("the page is not in UTF-8, by a byte in its line {line}. Save it as UTF-8")
    })?;
    let path = page.strip_prefix(folder).unwrap_or(page).to_string_lossy().into_owned();
    if let Some(count) = too_many_sections(&text) {
        return Err(format!(
            "the page has {count} sections, and at most {MOST_SECTIONS} are read. Cut it into several"
        ));
    }
    Ok(Leaf { path, text })
}

/// Lists the pages of a folder, and the folders in it.
fn collect(folder: &Path, pages: &mut Vec<PathBuf>, below: &mut Vec<PathBuf>) -> std::io::Result<()> {
    for entry in std::fs::read_dir(folder)? {
        let entry = entry?;
        let path = entry.path();
        // Links are not followed: a policy's documents are what lies in its folder.
        let kind = entry.file_type()?;
        if kind.is_dir() {
            below.push(path);
        } else if kind.is_file() && markdown::is_page(&entry.file_name().to_string_lossy()) {
            pages.push(path);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_are_found_in_folders_and_links_are_not_followed() {
        let folder = tempfile::tempdir().unwrap();
        let outside = tempfile::tempdir().unwrap();
        let write = |path: PathBuf, text: &str| {
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        };
        write(folder.path().join("a.md"), "# A\none\n");
        write(folder.path().join("sub/b.md"), "# B\ntwo\n");
        write(folder.path().join("sub/c.mdx"), "# C\nthree\n");
        write(folder.path().join("md"), "# D\nfour\n");
        write(folder.path().join("c.txt"), "# C\nthree\n");
        write(outside.path().join("secret.md"), "# S\nsecret\n");
        std::os::unix::fs::symlink(outside.path(), folder.path().join("link")).unwrap();
        let pages: Vec<_> = read(folder.path()).unwrap().leaves.into_iter().map(|page| page.path).collect();
        assert_eq!(pages, ["a.md", "sub/b.md", "sub/c.mdx"]);
    }

    #[test]
    fn what_cannot_be_read_is_named_and_the_rest_is_there() {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, bytes: &[u8]| std::fs::write(folder.path().join(name), bytes).unwrap();
        write("a.md", b"# A\none\n");
        write("b.md", b"# B\ncaf\xe9\n");
        write("c.md", &vec![b'x'; 1 + usize::try_from(MAX_PAGE).unwrap()]);
        write("d.md", b"# D\nfour\n");
        write("e.md", "# E\ne\n".repeat(MOST_SECTIONS + 1).as_bytes());
        let found = read(folder.path()).unwrap();
        assert_eq!(found.leaves.iter().map(|leaf| leaf.path.as_str()).collect::<Vec<_>>(), ["a.md", "d.md"]);
        let why = |path: &str| found.unread.iter().find(|unread| unread.path == path).unwrap().why.clone();
        assert_eq!(found.unread.len(), 3);
        assert_eq!(why("e.md"), "the page has 10001 sections, and at most 10000 are read. Cut it into several");
        assert_eq!(why("b.md"), "the page is not in UTF-8, by a byte in its line 2. Save it as UTF-8");
        assert_eq!(why("c.md"), "the page has 4194305 bytes, and at most 4194304 are read. Cut it into several");
        assert!(read(&folder.path().join("none")).unwrap_err().to_string().contains("the folder cannot be read"));
    }

    /// Where the tests run as somebody who may read everything there is nothing to see.
    #[test]
    fn what_may_not_be_read_is_named_and_the_rest_is_there() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        std::fs::create_dir(at("shut")).unwrap();
        for name in ["a.md", "b.md", "shut/c.md"] {
            std::fs::write(at(name), "# A\none\n").unwrap();
        }
        let allow = |mode: u32| {
            for name in ["b.md", "shut"] {
                std::fs::set_permissions(at(name), PermissionsExt::from_mode(mode)).unwrap();
            }
        };
        allow(0o000);
        let (found, is_bound) = (read(folder.path()).unwrap(), std::fs::read(at("b.md")).is_err());
        allow(0o700);
        if is_bound {
            let unread: Vec<_> = found.unread.iter().map(|unread| unread.path.as_str()).collect();
            assert_eq!((found.leaves.len(), unread), (1, vec!["shut", "b.md"]));
            assert!(found.unread.iter().all(|unread| unread.why.contains("Let Jetway's user read it")), "{found:?}");
        } else {
            assert_eq!(found.leaves.len(), 3);
        }
    }
}
