//! Why a section that a task finds is not inserted. Given a project in Python and the best section for its
//! task in JavaScript: it is for another language.

use std::fmt;

use jiff::Timestamp;
use serde::Serialize;

use crate::retrieval::profile::{Kind, Profile};
use crate::retrieval::search::Hit;

use super::{Rules, Stale, fit, is_enough, size};

/// The first that holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Reason {
    /// For another language than the project's, or for one while nothing is known of it.
    Language,
    /// The same of frameworks.
    Framework,
    /// Below `min_score`, and not near enough by its meaning.
    Score,
    Stale,
    /// Its text is inserted already.
    Twice,
    /// It alone is larger than there is room for: no task brings it in.
    Large,
    /// What comes before it takes up the room.
    Allowance,
}

impl Reason {
    /// Why a section is not among what is inserted, which are these texts.
    #[must_use]
    pub fn of(rules: &Rules, hit: &Hit<'_>, inserted: &[String], (profile, now): (&Profile, Timestamp)) -> Self {
        let is_refused = rules.stale == Stale::Refuse && hit.page.is_some_and(|page| page.is_stale(now));
        let other = fit(hit, profile).other();
        let reasons = [
            (other == Some(Kind::Framework), Self::Framework),
            (other.is_some(), Self::Language),
            (!is_enough(rules, hit), Self::Score),
            (is_refused, Self::Stale),
            (inserted.contains(&hit.chunk.text), Self::Twice),
            (size(hit, now) > rules.room(), Self::Large),
        ];
        reasons.into_iter().find_map(|(holds, reason)| holds.then_some(reason)).unwrap_or(Self::Allowance)
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Language => "other language",
            Self::Framework => "other framework",
            Self::Score => "score too low",
            Self::Stale => "stale",
            Self::Twice => "inserted elsewhere",
            Self::Large => "larger than the allowance",
            Self::Allowance => "no room left",
        })
    }
}
