//! Model airplanes: thin but running applications that show where code goes. Given a project that
//! is a Next.js app and the airplanes `nextjs` and `flask`: the first, its README before its files.

pub mod document;
pub mod events;

pub use document::{Act, Document, Run};

use crate::retrieval::profile::Tags;

/// An airplane, as it is shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Airplane {
    /// Its folder's name.
    pub name: String,
    pub about: String,
    pub tags: Tags,
    pub readme: String,
    /// The digest of what is shown of the README, which is what the run log knows it by.
    pub rev: String,
    pub files: Vec<File>,
}

/// A file of an airplane, without what is hidden of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct File {
    pub path: String,
    pub shows: String,
    pub steps: Vec<String>,
    pub text: String,
    /// The digest of the text.
    pub rev: String,
}

/// Why an airplane cannot be shown.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Problem {
    #[error("`{0}` is no path inside the airplane's folder")]
    Outside(String),
    #[error("`{0}` stands twice in `files`")]
    Twice(String),
    #[error("an airplane has at least one language")]
    NoLanguage,
    #[error("line {line} of {path} has airplane:hide and no line below it has airplane:show")]
    Hidden { path: String, line: usize },
    #[error("line {line} of {path} has airplane:show, and nothing was hidden")]
    Shown { path: String, line: usize },
}

const HIDE: &str = "airplane:hide";
const SHOW: &str = "airplane:show";

/// What of a file is shown.
///
/// # Errors
/// [`Problem`] where marks do not come in pairs.
pub fn visible(path: &str, text: &str) -> Result<String, Problem> {
    let mut out = String::with_capacity(text.len());
    let mut hidden_from = None;
    for (at, line) in text.split_inclusive('\n').enumerate() {
        match (line.contains(HIDE), line.contains(SHOW), hidden_from) {
            (true, _, None) => hidden_from = Some(at + 1),
            (_, true, Some(_)) => hidden_from = None,
            (_, true, None) => return Err(Problem::Shown { path: path.to_owned(), line: at + 1 }),
            (_, _, Some(_)) => {}
            (false, false, None) => out.push_str(line),
        }
    }
    match hidden_from {
        Some(line) => Err(Problem::Hidden { path: path.to_owned(), line }),
        None => Ok(out),
    }
}

impl Document {
    /// Whether what it says of itself can be.
    ///
    /// # Errors
    /// [`Problem`].
    pub fn check(&self) -> Result<(), Problem> {
        if self.languages.is_empty() {
            return Err(Problem::NoLanguage);
        }
        for (at, file) in self.files.iter().enumerate() {
            let leaves = file.path.is_empty()
                || file.path.starts_with('/')
                || file.path.split('/').any(|part| part == ".." || part.is_empty());
            if leaves {
                return Err(Problem::Outside(file.path.clone()));
            }
            if self.files[..at].iter().any(|other| other.path == file.path) {
                return Err(Problem::Twice(file.path.clone()));
            }
        }
        Ok(())
    }
}

impl Airplane {
    /// An airplane of these texts: the README's, and one for each file of the document. What is shown of
    /// each is known by its digest.
    ///
    /// # Errors
    /// [`Problem`] as for [`Document::check`] and [`visible`].
    pub fn new(
        name: &str,
        document: Document,
        (readme, texts): (&str, Vec<String>),
        digest: &dyn Fn(&str) -> String,
    ) -> Result<Self, Problem> {
        document.check()?;
        let file = |(file, text): (document::File, String)| {
            let text = visible(&file.path, &text)?;
            let rev = digest(&text);
            Ok(File { path: file.path, shows: file.shows, steps: file.steps, text, rev })
        };
        let files = document.files.into_iter().zip(texts).map(file).collect::<Result<_, _>>()?;
        let Document { about, frameworks, languages, .. } = document;
        let (tags, readme) = (Tags { languages, frameworks }, visible("README.md", readme)?);
        let rev = digest(&readme);
        Ok(Self { name: name.to_owned(), about, tags, readme, rev, files })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, expect: Result<&str, &str>) {
        let found = visible("a.py", text).map_err(|problem| problem.to_string());
        assert_eq!(found.as_deref().map_err(String::as_str), expect);
    }

    #[test]
    fn what_is_hidden_is_left_out_with_its_marks() {
        check("a\n# airplane:hide\nb\n# airplane:show\nc\n", Ok("a\nc\n"));
        check("a\n<!-- airplane:hide -->\nb\n<!-- airplane:show -->", Ok("a\n"));
        check("no marks", Ok("no marks"));
        check("a\n# airplane:hide\nb", Err("line 2 of a.py has airplane:hide and no line below it has airplane:show"));
        check("# airplane:show\n", Err("line 1 of a.py has airplane:show, and nothing was hidden"));
    }

    #[test]
    fn files_are_inside_and_stand_once() {
        let check = |paths: &[&str], expect: &str| {
            let file = |path: &&str| document::File { path: (*path).into(), shows: String::new(), steps: Vec::new() };
            let document = Document {
                about: String::new(),
                frameworks: Vec::new(),
                languages: vec![String::from("rust")],
                files: paths.iter().map(file).collect(),
                run: serde_saphyr::from_str("start: x").unwrap(),
                visit: Vec::new(),
            };
            assert_eq!(document.check().map_or_else(|problem| problem.to_string(), |()| String::new()), expect);
        };
        check(&["a/b.rs", "c.rs"], "");
        for path in ["/etc/passwd", "../x", "a//b", ""] {
            check(&[path], &format!("`{path}` is no path inside the airplane's folder"));
        }
        check(&["a", "a"], "`a` stands twice in `files`");
    }
}
