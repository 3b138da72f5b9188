//! A temporary folder with a copy of an airplane, in which it is built and run.

use std::path::{Path, PathBuf};

use tempfile::TempDir;

/// What earlier runs leave in an airplane's folder. It is not copied, for what is checked is what
/// anybody else would get.
const LEFTOVERS: [&str; 10] =
    [".git", ".next", ".nuxt", ".output", ".svelte-kit", ".venv", "__pycache__", "dist", "node_modules", "target"];
/// The most that is copied: files, and bytes.
const MAX_FILES: usize = 5_000;
const MAX_BYTES: u64 = 100 << 20;
/// How deep folders go.
const MAX_DEPTH: usize = 30;

/// It goes when this goes, unless it is kept.
#[derive(Debug)]
pub(super) struct Place {
    folder: TempDir,
}

impl Place {
    /// Copies an airplane.
    pub(super) fn of(airplane: &Path) -> std::io::Result<Self> {
        let folder = tempfile::Builder::new().prefix("jetway-airplane-").tempdir()?;
        let airplane = airplane.canonicalize()?;
        copy(&airplane, (&airplane, &folder.path().join("app")), MAX_DEPTH, &mut (MAX_FILES, MAX_BYTES))?;
        Ok(Self { folder })
    }

    /// The copy.
    pub(super) fn app(&self) -> PathBuf {
        self.folder.path().join("app")
    }

    /// Where the output of a step is.
    pub(super) fn output(&self, step: &str) -> PathBuf {
        self.folder.path().join(format!("{step}.log"))
    }

    /// Leaves it there.
    pub(super) fn keep(self) -> PathBuf {
        self.folder.keep()
    }
}

/// Copies a folder of an airplane. No link may lead out of the whole.
fn copy(airplane: &Path, (from, to): (&Path, &Path), depth: usize, room: &mut (usize, u64)) -> std::io::Result<()> {
    let large = || std::io::Error::other(format!("there is too much in {} for a model airplane", from.display()));
    std::fs::create_dir(to)?;
    for entry in std::fs::read_dir(from)? {
        let entry = entry?;
        let (name, kind) = (entry.file_name(), entry.file_type()?);
        if LEFTOVERS.iter().any(|leftover| name == *leftover) {
            continue;
        }
        let (source, target) = (entry.path(), to.join(&name));
        room.0 = room.0.checked_sub(1).ok_or_else(large)?;
        if kind.is_dir() {
            copy(airplane, (&source, &target), depth.checked_sub(1).ok_or_else(large)?, room)?;
        } else if kind.is_symlink() {
            if !source.canonicalize().is_ok_and(|real| real.starts_with(airplane)) {
                let why = "is a link that leads out of the airplane's folder, or to nothing. Put the file itself there";
                return Err(std::io::Error::other(format!("{} {why}", source.display())));
            }
            std::os::unix::fs::symlink(std::fs::read_link(&source)?, &target)?;
        } else if kind.is_file() {
            room.1 = room.1.checked_sub(entry.metadata()?.len()).ok_or_else(large)?;
            std::fs::copy(&source, &target)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_copy_has_what_is_written_and_nothing_that_was_made() {
        let folder = tempfile::tempdir().unwrap();
        for (name, text) in [("src/a/b.py", "x"), ("node_modules/c.js", "y"), ("src/target/d", "z")] {
            let file = folder.path().join(name);
            std::fs::create_dir_all(file.parent().unwrap()).unwrap();
            std::fs::write(file, text).unwrap();
        }
        std::os::unix::fs::symlink("src/a", folder.path().join("link")).unwrap();
        let place = Place::of(folder.path()).unwrap();
        let there = |name: &str| place.app().join(name).exists();
        assert_eq!(["src/a/b.py", "link/b.py", "node_modules", "src/target"].map(there), [true, true, false, false]);
        let kept = place.keep();
        assert!(kept.join("app/src").exists());
        std::fs::remove_dir_all(kept).unwrap();
        for out in ["/etc/hosts", "../..", "gone"] {
            std::fs::remove_file(folder.path().join("link")).unwrap();
            std::os::unix::fs::symlink(out, folder.path().join("link")).unwrap();
            let error = Place::of(folder.path()).unwrap_err().to_string();
            assert!(error.contains("link is a link that leads out of the airplane's folder"), "{error}");
        }
    }
}
