//! Patterns of the operator's own. Given `{ name: internal-token, regex: "itk_[a-z0-9]{20}", keywords: [itk_] }`:
//! what the expression matches near the word `itk_`.

use std::ops::Range;

use aho_corasick::AhoCorasick;
use regex::{Regex, RegexBuilder};
use schemars::JsonSchema;
use serde::Deserialize;

use super::{Found, Kind};

/// An expression is tried this far before a keyword, in bytes.
const BEFORE: usize = 256;
/// And this far behind it.
const BEHIND: usize = 4_096;
/// The most memory an expression may take, in bytes.
const LARGEST: usize = 4 << 20;

/// As written: an entry of `patterns:`.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "RedactPattern")]
pub struct Document {
    /// Stands in the placeholder: letters, digits, `-` and `_`, at most 40.
    name: String,
    /// An expression of Rust's `regex`. A group of the name `secret` says what of a match is the
    /// secret; without it, all is.
    regex: String,
    /// One of these stands in every match, as it is written here. The expression is tried 256
    /// bytes before it and 4 KiB behind; without keywords it is tried everywhere, which is slower.
    #[serde(default)]
    keywords: Vec<String>,
}

/// As meant.
#[derive(Debug, Clone)]
pub(super) struct Pattern {
    name: String,
    regex: Regex,
    keywords: Option<AhoCorasick>,
}

#[derive(Debug, thiserror::Error)]
pub enum Problem {
    #[error("a pattern's name is made of letters, digits, `-` and `_`, at most 40 of them; {0:?} is not")]
    Name(String),
    #[error("the expression of the pattern {name:?} cannot be used: {why}")]
    Regex { name: String, why: String },
    #[error("the pattern {0:?} matches the empty text, and so everything; ask for at least one character")]
    Empty(String),
    #[error("a keyword of the pattern {0:?} is empty; take it out, or write what stands in every match")]
    Keyword(String),
}

impl TryFrom<Document> for Pattern {
    type Error = Problem;

    fn try_from(document: Document) -> Result<Self, Self::Error> {
        let Document { name, regex, keywords } = document;
        let is_name = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
        if name.is_empty() || name.len() > 40 || !name.bytes().all(is_name) {
            return Err(Problem::Name(name));
        }
        let broken = |why: String| Problem::Regex { name: name.clone(), why };
        let regex = RegexBuilder::new(&regex).size_limit(LARGEST).build().map_err(|error| broken(error.to_string()))?;
        if regex.is_match("") {
            return Err(Problem::Empty(name));
        }
        if keywords.iter().any(String::is_empty) {
            return Err(Problem::Keyword(name));
        }
        let keywords = match keywords.as_slice() {
            [] => None,
            words => Some(AhoCorasick::new(words).map_err(|error| broken(error.to_string()))?),
        };
        Ok(Self { name, regex, keywords })
    }
}

impl Pattern {
    pub(super) fn find(&self, text: &str, found: &mut Vec<Found>) {
        let Some(keywords) = &self.keywords else { return self.find_in(text, 0..text.len(), found) };
        let mut window: Option<Range<usize>> = None;
        for hit in keywords.find_iter(text) {
            let begin = text.floor_char_boundary(hit.start().saturating_sub(BEFORE));
            let end = text.floor_char_boundary(text.len().min(hit.end() + BEHIND));
            window = match window {
                Some(open) if begin <= open.end => Some(open.start..end),
                Some(full) => {
                    self.find_in(text, full, found);
                    Some(begin..end)
                }
                None => Some(begin..end),
            };
        }
        if let Some(last) = window {
            self.find_in(text, last, found);
        }
    }

    fn find_in(&self, text: &str, window: Range<usize>, found: &mut Vec<Found>) {
        let Some(inner) = text.get(window.clone()) else { return };
        for captures in self.regex.captures_iter(inner) {
            let Some(secret) = captures.name("secret").or_else(|| captures.get(0)) else { continue };
            let span = window.start + secret.start()..window.start + secret.end();
            found.push(Found { span, kind: Kind::Pattern, name: None, pattern: Some(self.name.clone()) });
        }
    }
}
