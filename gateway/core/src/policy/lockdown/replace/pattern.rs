//! Patterns of whole texts and of paths. Given `[A-Z]+`: `KEY` fits, `KEYS=1` does not.

use globset::{GlobBuilder, GlobMatcher};
use regex::{Regex, RegexBuilder};
use serde::Deserialize;

/// Bytes that a compiled pattern may take.
const MAX_SIZE: usize = 1 << 20;
/// Characters of a pattern.
const MAX_LENGTH: usize = 1000;

/// A regular expression that a text must match as a whole.
#[derive(Debug, Clone, Deserialize)]
#[serde(try_from = "String")]
pub struct Pattern {
    text: String,
    regex: Regex,
}

/// Why a pattern cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadPattern {
    #[error("a pattern must have 1 to {MAX_LENGTH} characters")]
    Length,
    #[error("the pattern {0:?} has {1:?}, which the model's provider could read differently; write it without")]
    Foreign(String, &'static str),
    #[error("the pattern {0:?} cannot be used: {1}")]
    Syntax(String, String),
}

impl Pattern {
    #[must_use]
    pub fn fits(&self, text: &str) -> bool {
        self.regex.is_match(text)
    }

    /// As a JSON schema says it: there a pattern may match anywhere, so it needs its ends.
    #[must_use]
    pub fn for_schema(&self) -> String {
        let is_whole = self.text.starts_with('^') && self.text.ends_with('$') && !self.text.contains('|');
        if is_whole { self.text.clone() } else { format!("^(?:{})$", self.text) }
    }
}

impl TryFrom<String> for Pattern {
    type Error = BadPattern;

    fn try_from(text: String) -> Result<Self, BadPattern> {
        if text.is_empty() || text.chars().count() > MAX_LENGTH {
            return Err(BadPattern::Length);
        }
        let groups = text.replace("(?:", "(");
        let foreign = ["(?", "\\A", "\\z", "\\x{", "\\p", "\\P", "[[:", "&&"];
        if let Some(what) = foreign.into_iter().find(|what| groups.contains(what)) {
            return Err(BadPattern::Foreign(text, what));
        }
        match RegexBuilder::new(&format!("^(?:{text})$")).size_limit(MAX_SIZE).build() {
            Ok(regex) => Ok(Self { text, regex }),
            // The first lines repeat the pattern, with a mark under the place.
            Err(error) => {
                let why = error.to_string().lines().last().unwrap_or_default().trim_start_matches("error: ").to_owned();
                Err(BadPattern::Syntax(text, why))
            }
        }
    }
}

impl schemars::JsonSchema for Pattern {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Pattern".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({
            "type": "string",
            "minLength": 1,
            "description": "A regular expression, which a text must match as a whole."
        })
    }
}

/// A pattern of paths: `*` stays within a folder, `**/` is any number of folders.
#[derive(Debug, Clone, Deserialize)]
#[serde(try_from = "String")]
pub struct PathGlob {
    text: String,
    matcher: GlobMatcher,
}

impl PathGlob {
    #[must_use]
    pub fn matches(&self, path: &str) -> bool {
        self.matcher.is_match(path)
    }

    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }
}

impl TryFrom<String> for PathGlob {
    type Error = BadPattern;

    fn try_from(text: String) -> Result<Self, BadPattern> {
        if text.is_empty() || text.chars().count() > MAX_LENGTH {
            return Err(BadPattern::Length);
        }
        match GlobBuilder::new(&text).literal_separator(true).backslash_escape(true).build() {
            Ok(glob) => Ok(Self { text, matcher: glob.compile_matcher() }),
            Err(error) => Err(BadPattern::Syntax(text, error.kind().to_string())),
        }
    }
}

impl schemars::JsonSchema for PathGlob {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "PathGlob".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({
            "type": "string",
            "minLength": 1,
            "description": "A pattern of paths: `*` stays within a folder, `**/` is any number of folders."
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_is_of_the_whole_text() {
        let fits = |pattern: &str, text: &str| Pattern::try_from(pattern.to_owned()).unwrap().fits(text);
        assert!(fits("^[A-Z]+$", "KEY"));
        assert!(fits("[A-Z]+", "KEY"));
        assert!(!fits("[A-Z]+", "KEYS=1"));
        assert!(!fits("^[A-Z]+$", "KEY\n"));
        assert!(!fits("A|B", "AB"));
    }

    #[test]
    fn a_schema_says_it_whole() {
        let schema = |pattern: &str| Pattern::try_from(pattern.to_owned()).unwrap().for_schema();
        assert_eq!(schema("^[A-Z]+$"), "^[A-Z]+$");
        assert_eq!(schema("[A-Z]+"), "^(?:[A-Z]+)$");
        assert_eq!(schema("^a|b$"), "^(?:^a|b$)$");
    }

    #[test]
    fn bad_patterns_say_why() {
        let why = |pattern: &str| Pattern::try_from(pattern.to_owned()).unwrap_err().to_string();
        assert_eq!(why(""), "a pattern must have 1 to 1000 characters");
        assert_eq!(why("(a"), "the pattern \"(a\" cannot be used: unclosed group");
        assert!(why("(?i)a").contains("\"(?\""), "{}", why("(?i)a"));
        assert!(why("\\p{L}").contains("could read differently"));
        assert!(why("((a{1000}){1000}){1000}").contains("size"), "{}", why("((a{1000}){1000}){1000}"));
    }

    #[test]
    fn a_star_stays_within_its_folder() {
        let matches = |glob: &str, path: &str| PathGlob::try_from(glob.to_owned()).unwrap().matches(path);
        assert!(matches("**/.env", ".env"));
        assert!(matches("**/.env", "a/b/.env"));
        assert!(matches("**/.env.*", "a/.env.local"));
        assert!(!matches("**/.env.*", ".env.d/secret"));
        assert!(!matches("**/.env", "x.env"));
        assert!(!matches("*.json", "a/b.json"));
        assert!(PathGlob::try_from(String::from("[a")).is_err());
    }
}
