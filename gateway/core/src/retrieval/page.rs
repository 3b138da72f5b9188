//! What is known of a page beside its text: where it came from, which version it is, how old, and
//! what it is about.

use std::time::Duration;

use jiff::Timestamp;
use serde::Deserialize;

use crate::retrieval::chunk;
use crate::retrieval::profile::Tags;

/// A page that can be shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page {
    /// As its source names it: a path in a folder, or a URL.
    pub name: String,
    /// The name of its source.
    pub source: String,
    /// A digest of its text.
    pub version: String,
    pub tags: Tags,
    /// When this version was first there.
    pub fetched: Timestamp,
    /// When it was last seen to be current: fetched, or found unchanged.
    pub confirmed: Timestamp,
    /// It is stale when that is longer ago.
    pub max_age: Option<Duration>,
}

impl Page {
    /// How long ago it was last seen to be current.
    #[must_use]
    pub fn age(&self, now: Timestamp) -> Duration {
        Duration::try_from(now.duration_since(self.confirmed)).unwrap_or_default()
    }

    #[must_use]
    pub fn is_stale(&self, now: Timestamp) -> bool {
        self.max_age.is_some_and(|most| self.age(now) > most)
    }
}

/// A length of time as people say it: `40 days`.
#[must_use]
pub fn in_words(length: Duration) -> String {
    let seconds = length.as_secs();
    let units = [(86_400, "day"), (3_600, "hour"), (60, "minute"), (1, "second")];
    // Two of a unit or more, so that 36 hours are not a day.
    let fits = |(size, _): &&(u64, &str)| seconds >= size * 2 || seconds == *size;
    let (size, unit) = units.iter().find(fits).copied().unwrap_or((1, "second"));
    let count = seconds / size;
    format!("{count} {unit}{}", if count == 1 { "" } else { "s" })
}

impl Tags {
    /// What the front matter of a page says, and what its source says where that says nothing.
    #[must_use]
    pub fn of(markdown: &str, source: &Self) -> Self {
        let own = chunk::split(markdown).0.and_then(written).unwrap_or_default();
        let or = |own: Option<Names>, source: &Vec<String>| own.map_or_else(|| source.clone(), Names::into_list);
        Self { languages: or(own.languages, &source.languages), frameworks: or(own.frameworks, &source.frameworks) }
    }
}

/// A tag as it is compared.
#[must_use]
pub fn tag(text: &str) -> Option<String> {
    let tag = text.trim().to_lowercase();
    let is_sound = (1..=40).contains(&tag.len()) && tag.chars().all(|c| c.is_alphanumeric() || "+#.-_ /".contains(c));
    is_sound.then_some(tag)
}

#[derive(Debug, Default, Deserialize)]
struct FrontMatter {
    #[serde(default, alias = "language")]
    languages: Option<Names>,
    #[serde(default, alias = "framework")]
    frameworks: Option<Names>,
}

/// One, or a list.
#[derive(Debug, Clone, Deserialize)]
#[serde(untagged)]
enum Names {
    One(String),
    Many(Vec<String>),
}

impl Names {
    fn into_list(self) -> Vec<String> {
        let names = match self {
            Self::One(name) => vec![name],
            Self::Many(names) => names,
        };
        names.iter().take(20).filter_map(|name| tag(name)).collect()
    }
}

/// More is no front matter of a page.
const MOST_FRONT_MATTER: usize = 4 << 10;

/// A page is somebody else's text: what is wrong with its front matter is no error of ours, and an
/// alias in it could stand for a thousand more.
fn written(yaml: &str) -> Option<FrontMatter> {
    let is_plain = yaml.len() <= MOST_FRONT_MATTER && !yaml.contains(['&', '*']);
    is_plain.then(|| serde_saphyr::from_str(yaml).ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_is_stale_when_it_was_confirmed_too_long_ago() {
        let at = |second: i64| Timestamp::from_second(second).unwrap();
        let page = |max_age: Option<u64>| Page {
            name: "a".into(),
            source: "s".into(),
            version: "v".into(),
            tags: Tags::default(),
            fetched: at(0),
            confirmed: at(1_000),
            max_age: max_age.map(Duration::from_secs),
        };
        for (max_age, now, stale) in
            [(None, 9_999_999, false), (Some(60), 1_060, false), (Some(60), 1_061, true), (Some(60), 0, false)]
        {
            assert_eq!(page(max_age).is_stale(at(now)), stale, "{max_age:?} {now}");
        }
    }

    #[test]
    fn ages_are_said_in_words() {
        for (seconds, words) in [
            (0, "0 seconds"),
            (1, "1 second"),
            (90, "90 seconds"),
            (60, "1 minute"),
            (7_200, "2 hours"),
            (129_600, "36 hours"),
            (3_456_000, "40 days"),
        ] {
            assert_eq!(in_words(Duration::from_secs(seconds)), words);
        }
    }

    #[test]
    fn a_page_s_own_tags_go_before_those_of_its_source() {
        let source = Tags { languages: vec!["python".into()], frameworks: vec!["django".into()] };
        let check = |markdown: &str, languages: &[&str], frameworks: &[&str]| {
            let tags = Tags::of(markdown, &source);
            assert_eq!((tags.languages, tags.frameworks), (owned(languages), owned(frameworks)), "{markdown}");
        };
        fn owned(names: &[&str]) -> Vec<String> {
            names.iter().map(|name| (*name).to_owned()).collect()
        }
        check("# A", &["python"], &["django"]);
        check("---\nlanguages: [Ruby, JavaScript]\ntitle: x\n---\n# A", &["ruby", "javascript"], &["django"]);
        check("---\nlanguage: go\nframeworks: []\n---\n# A", &["go"], &[]);
        check("---\nlanguages: { a: b }\n---\n# A", &["python"], &["django"]);
        check("---\na: &a [x]\nlanguages: *a\n---\n# A", &["python"], &["django"]);
        check("---\nno end", &["python"], &["django"]);
    }
}
