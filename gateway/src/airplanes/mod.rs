//! Model airplanes as they lie in a folder: one each, with an `airplane.yaml`, a README and an
//! application; and whether they still fly.

mod browser;
pub mod capture;
pub mod check;
pub mod environment;
mod place;
mod run;

use std::path::{Path, PathBuf};

use jetway_core::retrieval::airplane::{Airplane, Document};

use crate::config::{Problem, yaml};
use crate::secret;

pub use browser::Programs;
pub use check::{Checked, Limits, Settings, Verdict, check};

/// The file that makes a folder an airplane.
pub const MANIFEST: &str = "airplane.yaml";
/// The largest file that is shown of one, in bytes.
const MAX_FILE: u64 = 256 << 10;
/// The most airplanes of one policy.
const MAX_AIRPLANES: usize = 200;

/// An airplane, and where it lies.
#[derive(Debug, Clone)]
pub struct Hangar {
    pub folder: PathBuf,
    pub document: Document,
    pub airplane: Airplane,
}

/// Reads every airplane in a folder, by its name; or the one that the folder is.
///
/// # Errors
/// The first [`Problem`]: a manifest that is none, or a file that is not there.
pub fn load(folder: &Path) -> Result<Vec<Hangar>, Problem> {
    if folder.join(MANIFEST).is_file() {
        // Its name is its folder's, which `.` and `..` do not say.
        return Ok(vec![read(folder.canonicalize().unwrap_or_else(|_| folder.to_owned()))?]);
    }
    let failed = |error: std::io::Error| Problem::of_file(folder, format!("the folder cannot be read: {error}"));
    let mut folders = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(failed)? {
        let path = entry.map_err(failed)?.path();
        if path.join(MANIFEST).is_file() {
            at_home(folder, &path)?;
            folders.push(path);
        }
        if folders.len() > MAX_AIRPLANES {
            return Err(Problem::of_file(folder, format!("there are more than {MAX_AIRPLANES} airplanes")));
        }
    }
    folders.sort();
    folders.into_iter().map(read).collect()
}

/// Whether an airplane lies beside the others, or at least within what holds their folder, which is the
/// policy's: it may itself be a link, but only to there.
fn at_home(folder: &Path, airplane: &Path) -> Result<(), Problem> {
    let failed = |error: std::io::Error| Problem::of_file(airplane, format!("the folder cannot be read: {error}"));
    let (folder, real) = (folder.canonicalize().map_err(failed)?, airplane.canonicalize().map_err(failed)?);
    let home = folder.parent().unwrap_or(&folder);
    if real.starts_with(home) {
        return Ok(());
    }
    let why = format!("it is a link that leads out of {}. Put the airplane's folder itself there", home.display());
    Err(Problem::of_file(airplane, why))
}

fn read(folder: PathBuf) -> Result<Hangar, Problem> {
    let manifest = folder.join(MANIFEST);
    let written = yaml::text(&own(&folder, &manifest)?)?;
    let document: Document = yaml::parse(&manifest, &written)?;
    let name = folder.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    document.check().map_err(|problem| Problem::of_file(&manifest, problem.to_string()))?;
    let readme = text(&folder, &folder.join("README.md"))?;
    let texts = document.files.iter().map(|file| {
        let path = folder.join(&file.path);
        text(&folder, &path).map_err(|problem| Problem::at_word(&manifest, &written, &file.path, problem.to_string()))
    });
    let texts = texts.collect::<Result<_, _>>()?;
    let airplane = Airplane::new(&name, document.clone(), (readme.as_str(), texts), &secret::name_of)
        .map_err(|problem| Problem::of_file(&folder, problem.to_string()))?;
    Ok(Hangar { folder, document, airplane })
}

fn text(folder: &Path, path: &Path) -> Result<String, Problem> {
    let own = own(folder, path)?;
    let size = own.metadata().map(|meta| meta.len()).unwrap_or_default();
    if size > MAX_FILE {
        return Err(Problem::of_file(path, format!("the file has {size} bytes; at most {MAX_FILE} are shown")));
    }
    std::fs::read_to_string(own).map_err(|error| Problem::of_file(path, format!("the file cannot be read: {error}")))
}

/// Where a file of an airplane really lies, which is in its folder: links may only lead there.
fn own(folder: &Path, path: &Path) -> Result<PathBuf, Problem> {
    let failed = |error: std::io::Error| Problem::of_file(path, format!("the file cannot be read: {error}"));
    let (folder, real) = (folder.canonicalize().map_err(failed)?, path.canonicalize().map_err(failed)?);
    if !real.starts_with(&folder) {
        let why = "it is a link that leads out of the airplane's folder. Put the file itself there";
        return Err(Problem::of_file(path, why));
    }
    if real.is_file() { Ok(real) } else { Err(Problem::of_file(path, "it is no file")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    const YAML: &str =
        "about: A.\nlanguages: [python]\nfiles: [{ path: a.py, shows: It. }]\nrun: { start: x }\nvisit: []\n";

    #[track_caller]
    fn check(files: &[(&str, &str)], expect: Result<&str, &str>) {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("one")).unwrap();
        files.iter().for_each(|(name, text)| std::fs::write(folder.path().join("one").join(name), text).unwrap());
        match (load(folder.path()), expect) {
            (Ok(found), Ok(text)) => assert_eq!(found[0].airplane.files[0].text, text),
            (Err(problem), Err(part)) => assert!(problem.to_string().contains(part), "{problem}"),
            (found, _) => panic!("{found:?}"),
        }
    }

    #[test]
    fn an_airplane_is_a_folder_with_a_manifest() {
        check(&[(MANIFEST, YAML), ("README.md", "# A"), ("a.py", "x\n")], Ok("x\n"));
        check(&[(MANIFEST, YAML), ("a.py", "x\n")], Err("README.md"));
        check(&[(MANIFEST, YAML), ("README.md", "# A")], Err("airplane.yaml:3:"));
        check(&[(MANIFEST, "about: A.\nlanguage: x"), ("README.md", "# A")], Err("unknown field `language`"));
        check(&[(MANIFEST, YAML), ("README.md", "# A"), ("a.py", "# airplane:show\n")], Err("nothing was hidden"));
    }

    #[test]
    fn a_folder_that_is_a_link_stays_with_its_policy() {
        let (policy, outside) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let folder = policy.path().join("airplanes");
        std::fs::create_dir(&folder).unwrap();
        for one in [policy.path().join("shared"), outside.path().join("one")] {
            std::fs::create_dir(&one).unwrap();
            for (name, text) in [(MANIFEST, YAML), ("README.md", "# A"), ("a.py", "x\n")] {
                std::fs::write(one.join(name), text).unwrap();
            }
        }
        std::os::unix::fs::symlink("../shared", folder.join("two")).unwrap();
        assert_eq!(load(&folder).unwrap()[0].airplane.name, "two");
        std::os::unix::fs::symlink(outside.path().join("one"), folder.join("one")).unwrap();
        let problem = load(&folder).unwrap_err().to_string();
        let home = policy.path().canonicalize().unwrap();
        let why = format!("it is a link that leads out of {}. Put the airplane's folder itself there", home.display());
        assert!(problem.contains(&format!("airplanes/one: {why}")), "{problem}");
    }

    #[test]
    fn nothing_outside_of_its_folder_is_read() {
        for linked in ["a.py", "README.md", MANIFEST] {
            let (folder, outside) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
            let one = folder.path().join("one");
            std::fs::create_dir(&one).unwrap();
            for (name, text) in [(MANIFEST, YAML), ("README.md", "# A"), ("a.py", "x\n")] {
                std::fs::write(one.join(name), text).unwrap();
                std::fs::write(outside.path().join(name), text).unwrap();
            }
            assert_eq!(load(folder.path()).unwrap().len(), 1);
            std::fs::remove_file(one.join(linked)).unwrap();
            std::os::unix::fs::symlink(outside.path().join(linked), one.join(linked)).unwrap();
            let problem = load(folder.path()).unwrap_err().to_string();
            assert!(problem.contains("a link that leads out of the airplane's folder"), "{linked}: {problem}");
            // A folder in between may be the link, and a link may lead to another file of its own.
            std::fs::remove_file(one.join(linked)).unwrap();
            std::fs::create_dir(one.join("real")).unwrap();
            std::fs::copy(outside.path().join(linked), one.join("real").join(linked)).unwrap();
            std::os::unix::fs::symlink("real", one.join("there")).unwrap();
            std::os::unix::fs::symlink(format!("there/{linked}"), one.join(linked)).unwrap();
            assert_eq!(load(folder.path()).unwrap().len(), 1, "{linked}");
            std::fs::remove_file(one.join("there")).unwrap();
            std::os::unix::fs::symlink(outside.path(), one.join("there")).unwrap();
            assert!(load(folder.path()).is_err(), "{linked}");
        }
    }
}
