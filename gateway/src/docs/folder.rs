//! Pages of a folder of markdown.

use std::path::{Path, PathBuf};

use jiff::Timestamp;

use crate::config::Problem;

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
    /// When it was last changed.
    pub(super) changed: Timestamp,
}

/// Reads every markdown page under a folder, in the order of their paths.
///
/// # Errors
/// [`Problem`] when a page cannot be read, is too large or there are too many.
pub(super) fn read(folder: &Path) -> Result<Vec<Leaf>, Problem> {
    let mut pages = Vec::new();
    collect(folder, &mut pages)?;
    pages.sort();
    pages.iter().map(|page| leaf(folder, page)).collect()
}

fn leaf(folder: &Path, page: &Path) -> Result<Leaf, Problem> {
    let failed = |error: std::io::Error| Problem::of_file(page, format!("the page cannot be read: {error}"));
    let meta = page.metadata().map_err(failed)?;
    let size = meta.len();
    if size > MAX_PAGE {
        return Err(Problem::of_file(page, format!("the page has {size} bytes; at most {MAX_PAGE} are read")));
    }
    let text = std::fs::read_to_string(page).map_err(failed)?;
    let path = page.strip_prefix(folder).unwrap_or(page).to_string_lossy().into_owned();
    let changed = meta.modified().ok().and_then(|at| Timestamp::try_from(at).ok());
    Ok(Leaf { path, text, changed: changed.unwrap_or_else(Timestamp::now) })
}

fn collect(folder: &Path, pages: &mut Vec<PathBuf>) -> Result<(), Problem> {
    let failed = |error: std::io::Error| Problem::of_file(folder, format!("the folder cannot be read: {error}"));
    for entry in std::fs::read_dir(folder).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        let path = entry.path();
        // Links are not followed: a policy's documents are what lies in its folder.
        let kind = entry.file_type().map_err(failed)?;
        if kind.is_dir() {
            collect(&path, pages)?;
        } else if kind.is_file() && path.extension().is_some_and(|end| end == "md") {
            pages.push(path);
        }
        if pages.len() > MAX_PAGES {
            return Err(Problem::of_file(folder, format!("there are more than {MAX_PAGES} pages")));
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
        write(folder.path().join("c.txt"), "# C\nthree\n");
        write(outside.path().join("secret.md"), "# S\nsecret\n");
        std::os::unix::fs::symlink(outside.path(), folder.path().join("link")).unwrap();
        let pages: Vec<_> = read(folder.path()).unwrap().into_iter().map(|page| page.path).collect();
        assert_eq!(pages, ["a.md", "sub/b.md"]);
    }

    #[test]
    fn a_page_that_is_not_text_is_named() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("bad.md"), [0xff, 0xfe]).unwrap();
        let problem = read(folder.path()).unwrap_err();
        assert!(problem.to_string().contains("bad.md"), "{problem}");
    }
}
