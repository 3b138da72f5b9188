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
    let plain = without.trim_start_matches("error: ").trim();
    if let Some(field) = plain.strip_prefix("missing field ") {
        return format!("{field} is missing, and has to be said here");
    }
    match plain {
        "invalid u16" | "invalid u32" | "invalid u64" | "invalid usize" => {
            "a whole number is expected here, zero or more".to_owned()
        }
        "invalid floating point" => "a number is expected here".to_owned(),
        "expected sequence start" => "a list is expected here: [one, two]".to_owned(),
        "expected mapping start" => "lines of `name: value` are expected here".to_owned(),
        // The rest is plain enough, but for one word of programmers.
        _ => plain.replace("unknown variant", "unknown value"),
    }
}

#[cfg(test)]
mod tests {
    use jetway_core::policy::Document;

    use super::*;

    #[track_caller]
    fn check(section: &str, place: (u64, u64), why: &str) {
        let text =
            format!("about: x\nidentity: {{ accept: [keys] }}\nmodels: {{ allow: [a], providers: [p] }}\n{section}");
        let problem = parse::<Document>(Path::new("policy.yaml"), &text).unwrap_err();
        assert_eq!((problem.place, problem.message.contains(why)), (Some(place), true), "{problem}");
        assert_eq!(problem.line.as_deref(), text.lines().nth(place.0 as usize - 1));
    }

    #[test]
    fn what_is_wrong_is_said_in_an_operator_s_words_and_with_its_place() {
        check("context: { docs: d, allowance: many }", (4, 32), "a whole number is expected here");
        check("budget: { caps: [{ per: user, usd: five, every: day }] }", (4, 36), "a number is expected here");
        check("budget: { caps: [{ per: user, usd: 5, every: fortnight }] }", (4, 46), "\"fortnight\" is no window");
        check("lockdown: { allow: Read }", (4, 20), "a list is expected here");
        check("lockdown: { allow: [''] }", (4, 21), "a rule is not empty");
        check("inner_turns: 51", (4, 14), "`inner_turns` is 50 at most");
        check("lockdown: { allow: [], private: ['reads(a)'] }", (4, 11), "add `taint: true`");
        check("lockdown: { alow: [] }", (4, 13), "unknown field `alow`");
        check("budgt: {}", (4, 1), "unknown field `budgt`");
        check("about: y", (4, 1), "duplicate");
    }

    #[test]
    fn a_mistake_in_an_entry_of_models_has_its_place_too() {
        let check = |entry: &str, column: u64, why: &str| {
            let text =
                format!("about: x\nidentity: {{ accept: [keys] }}\nmodels: {{ allow: [{entry}], providers: [p] }}");
            let problem = parse::<Document>(Path::new("policy.yaml"), &text).unwrap_err();
            assert_eq!((problem.place, problem.message.contains(why)), (Some((3, column)), true), "{problem}");
        };
        check("{ model: a, efforts: [lots] }", 41, "unknown value `lots`");
        check("{ model: a, effort: [low] }", 31, "unknown field `effort`");
        check("{ model: a, efforts: [] }", 19, "`efforts` of `a` is empty");
        check("{ model: a, efforts: }", 38, "a list is expected here");
        check("{ efforts: [low] }", 21, "`model` is missing");
        check("''", 19, "a pattern must not be empty");
        check("[a]", 19, "a pattern, or { model: a pattern, efforts: [a list] }");
        check("", 18, "`allow` is empty");
    }
}
