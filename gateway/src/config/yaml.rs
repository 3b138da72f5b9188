//! Reading YAML so that what is wrong is said with its file, line and column, and the line shown.

use std::path::{Path, PathBuf};

use serde::de::DeserializeOwned;

/// Something in a file that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    pub file: PathBuf,
    /// Line and column, from one; none when it is the file as a whole.
    pub place: Option<(u64, u64)>,
    /// The line itself.
    pub line: Option<String>,
    pub message: String,
}

impl std::fmt::Display for Problem {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}", self.file.display())?;
        if let Some((line, column)) = self.place {
            write!(f, ":{line}:{column}")?;
        }
        write!(f, ": {}", self.message)?;
        if let (Some((number, column)), Some(line)) = (self.place, &self.line) {
            let number = number.to_string();
            let margin = " ".repeat(number.len());
            let before = " ".repeat(usize::try_from(column.saturating_sub(1)).unwrap_or(0).min(line.chars().count()));
            write!(f, "\n  {number} | {line}\n  {margin} | {before}^")?;
        }
        Ok(())
    }
}

impl Problem {
    #[must_use]
    pub fn of_file(file: &Path, message: impl Into<String>) -> Self {
        Self { file: file.to_owned(), place: None, line: None, message: message.into() }
    }

    /// A problem at the first line of `text` that holds `word`.
    #[must_use]
    pub fn at_word(file: &Path, text: &str, word: &str, message: impl Into<String>) -> Self {
        let found = text.lines().enumerate().find_map(|(number, line)| Some((number, line.find(word)?, line)));
        let place = found.map(|(number, column, _)| (number as u64 + 1, column as u64 + 1));
        let line = found.map(|(_, _, line)| line.to_owned());
        Self { file: file.to_owned(), place, line, message: message.into() }
    }
}

/// Reads a file.
///
/// # Errors
/// [`Problem`] when it cannot be read or is not UTF-8.
pub fn text(file: &Path) -> Result<String, Problem> {
    std::fs::read_to_string(file).map_err(|error| Problem::of_file(file, format!("cannot be read: {error}")))
}

/// Reads a document out of the text of a file.
///
/// # Errors
/// [`Problem`] for broken YAML, unknown fields, wrong types, and values that mean nothing.
pub fn parse<T: DeserializeOwned>(file: &Path, text: &str) -> Result<T, Problem> {
    let options = serde_saphyr::options! { strict_booleans: true };
    serde_saphyr::from_str_with_options(text, options).map_err(|error| {
        let error = error.without_snippet();
        let place = error.location().map(|at| (at.line(), at.column()));
        let line = place.and_then(|(line, _)| text.lines().nth(usize::try_from(line).ok()?.checked_sub(1)?));
        let message = plain(&error.to_string());
        Problem { file: file.to_owned(), place, line: line.map(str::to_owned), message }
    })
}

/// The message without the place, which is said apart.
fn plain(message: &str) -> String {
    let message = message.lines().next().unwrap_or(message);
    let without = message.split(" at line ").next().unwrap_or(message);
    without.trim_start_matches("error: ").trim().to_owned()
}
