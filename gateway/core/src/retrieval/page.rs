//! What is known of a page beside its text: where it came from, which version it is, how old, and
//! what it is about.

use std::time::Duration;

use jiff::Timestamp;

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

    /// Whether it is the same page with the same text, for the same projects.
    #[must_use]
    pub fn says_the_same(&self, other: &Self) -> bool {
        (&self.name, &self.version, &self.tags) == (&other.name, &other.version, &other.tags)
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

/// A tag as it is compared.
#[must_use]
pub fn tag(text: &str) -> Option<String> {
    let tag = text.trim().to_lowercase();
    let is_sound = (1..=40).contains(&tag.len()) && tag.chars().all(|c| c.is_alphanumeric() || "+#.-_ /".contains(c));
    is_sound.then_some(tag)
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
}
