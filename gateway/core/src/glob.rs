//! Patterns for the names of models and tools: `claude-*`, `mcp__github__*`, `{Read,Edit}`.

use std::borrow::Cow;

use globset::{GlobBuilder, GlobMatcher};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A pattern that was read and is known to be sound. `*` matches any text, also none.
#[derive(Debug, Clone)]
pub struct Glob {
    text: String,
    matcher: GlobMatcher,
}

impl PartialEq for Glob {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

impl Eq for Glob {}

/// Why a pattern cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadGlob {
    #[error("a pattern must not be empty; `*` matches everything")]
    Empty,
    #[error("the pattern {text:?} cannot be used: {why}")]
    Syntax { text: String, why: String },
}

impl Glob {
    /// Reads a pattern.
    ///
    /// # Errors
    /// [`BadGlob`] for an empty pattern and for unclosed braces or brackets.
    pub fn parse(text: &str) -> Result<Self, BadGlob> {
        if text.is_empty() {
            return Err(BadGlob::Empty);
        }
        let built = GlobBuilder::new(text).literal_separator(false).backslash_escape(true).build();
        match built {
            Ok(glob) => Ok(Self { text: text.to_owned(), matcher: glob.compile_matcher() }),
            Err(error) => Err(BadGlob::Syntax { text: text.to_owned(), why: error.kind().to_string() }),
        }
    }

    #[must_use]
    pub fn matches(&self, name: &str) -> bool {
        self.matcher.is_match(name)
    }

    /// Whether it matches every name that begins so.
    #[must_use]
    pub fn matches_all_below(&self, prefix: &str) -> bool {
        let stem = self.text.strip_suffix('*');
        stem.is_some_and(|stem| literal(stem) == stem && prefix.starts_with(stem))
    }

    /// Whether it could match a name that begins so.
    #[must_use]
    pub fn may_match_below(&self, prefix: &str) -> bool {
        let stem = literal(&self.text);
        stem.starts_with(prefix) || prefix.starts_with(stem) && stem != self.text
    }

    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }
}

impl<'de> Deserialize<'de> for Glob {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = Cow::<'de, str>::deserialize(deserializer)?;
        Self::parse(&text).map_err(serde::de::Error::custom)
    }
}

impl Serialize for Glob {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.text)
    }
}

impl schemars::JsonSchema for Glob {
    fn schema_name() -> Cow<'static, str> {
        "Glob".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({
            "type": "string",
            "minLength": 1,
            "description": "A pattern: `*` matches any text, `?` one character, `{a,b}` either."
        })
    }
}

/// The beginning of a pattern that stands for itself.
fn literal(pattern: &str) -> &str {
    let end = pattern.find(['*', '?', '[', '{', '\\']).unwrap_or(pattern.len());
    &pattern[..end]
}

/// The first pattern that matches.
#[must_use]
pub fn first_match<'a>(globs: &'a [Glob], name: &str) -> Option<&'a Glob> {
    globs.iter().find(|glob| glob.matches(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_match_whole_names() {
        let matches = |pattern: &str, name: &str| Glob::parse(pattern).unwrap().matches(name);
        assert!(matches("claude-*", "claude-opus-5-5"));
        assert!(!matches("claude-*", "xclaude-opus"));
        assert!(matches("*", "anything/with.dots"));
        assert!(matches("openai/*", "openai/gpt-5.6-sol"));
        assert!(matches("{Read,Edit}", "Edit"));
        assert!(!matches("Read", "ReadMore"));
        assert!(!matches("read", "Read"));
    }

    #[test]
    fn bad_patterns_say_why() {
        assert_eq!(Glob::parse("").unwrap_err(), BadGlob::Empty);
        assert!(Glob::parse("{a,b").unwrap_err().to_string().contains("{a,b"));
        assert!(Glob::parse("[a").is_err());
    }
}
