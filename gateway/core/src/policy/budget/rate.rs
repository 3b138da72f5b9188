//! How fast a caller may ask, whatever it costs: requests in a window, and exchanges at once.

use std::num::NonZeroU32;

use schemars::JsonSchema;
use serde::Deserialize;

use crate::policy::budget::Problem;
use crate::policy::budget::window::Every;
use crate::policy::identity::Caller;

/// As written: either `requests` and `every`, or `concurrent`.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Rate")]
pub struct Document {
    /// Whose requests are counted.
    per: Scope,
    /// The most requests in a window. They may come all at once; after that, one at a time.
    #[serde(default)]
    #[schemars(range(min = 1))]
    requests: Option<u32>,
    /// The window: `minute`, `hour`, `day`, or a length such as `10s`.
    #[serde(default)]
    every: Option<Every>,
    /// The most exchanges at once; each counts until the last byte of its reply.
    #[serde(default)]
    #[schemars(range(min = 1))]
    concurrent: Option<u32>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Scope {
    /// Each user apart.
    User,
    /// Each key apart, and each credential that is passed through.
    Key,
    /// All callers of the policy together.
    Policy,
}

/// As meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Deserialize)]
#[serde(try_from = "Document")]
pub struct Rate {
    pub per: Scope,
    pub bound: Bound,
}

/// What is bounded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Bound {
    /// So many requests in so many seconds.
    Requests { count: NonZeroU32, seconds: u32, every: Every },
    /// So many exchanges at once.
    Concurrent(NonZeroU32),
}

schema_of_document!(Rate, Document);

impl TryFrom<Document> for Rate {
    type Error = Problem;

    fn try_from(document: Document) -> Result<Self, Problem> {
        let Document { per, requests, every, concurrent } = document;
        let count = |count: u32| NonZeroU32::new(count).ok_or(Problem::NoRequests);
        match (requests, every, concurrent) {
            (Some(requests), Some(every), None) => Self::of_requests(per, count(requests)?, every),
            (None, None, Some(concurrent)) => Ok(Self { per, bound: Bound::Concurrent(count(concurrent)?) }),
            _ => Err(Problem::OneBound),
        }
    }
}

impl Rate {
    /// So many requests in a window.
    ///
    /// # Errors
    /// [`Problem::SlowRate`] for a window of more than a day.
    pub fn of_requests(per: Scope, count: NonZeroU32, every: Every) -> Result<Self, Problem> {
        let seconds = match every {
            Every::Minute => 60,
            Every::Hour => 3_600,
            Every::Day => 86_400,
            Every::Rolling(seconds) => seconds,
            Every::Week | Every::Month | Every::Run => return Err(Problem::SlowRate),
        };
        Ok(Self { per, bound: Bound::Requests { count, seconds, every } })
    }
}

impl Scope {
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::User => "user",
            Self::Key => "key",
            Self::Policy => "policy",
        }
    }
}

impl Rate {
    /// Whose requests are counted together: what a counter is known by.
    #[must_use]
    pub fn whose<'a>(&self, caller: &'a Caller) -> &'a str {
        match self.per {
            Scope::User => caller.user(),
            Scope::Key => caller.key().unwrap_or(caller.user()),
            Scope::Policy => "",
        }
    }

    fn phrase(&self) -> &'static str {
        match self.per {
            Scope::User => "for each user",
            Scope::Key => "for this key",
            Scope::Policy => "for everybody together",
        }
    }
}

/// Too many requests.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TooFast {
    pub rate: Rate,
    /// Seconds until one is served again, at least one.
    pub wait: u64,
}

impl std::error::Error for TooFast {}

impl std::fmt::Display for TooFast {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let whose = self.rate.phrase();
        match self.rate.bound {
            Bound::Requests { count, every, .. } => {
                let every = every.phrase();
                write!(f, "the rate of {count} requests {whose} {every} is used up; try again in {} s", self.wait)
            }
            Bound::Concurrent(count) => {
                write!(f, "{count} requests at once are served {whose}, and as many are under way; try again soon")
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, expect: Result<&str, &str>) {
        match (serde_json::from_str::<Rate>(text), expect) {
            (Ok(rate), Ok(sentence)) => assert_eq!(TooFast { rate, wait: 7 }.to_string(), sentence),
            (Err(error), Err(why)) => assert!(error.to_string().contains(why), "{error}"),
            (found, _) => panic!("{found:?}"),
        }
    }

    #[test]
    fn a_rate_is_of_requests_or_of_exchanges_at_once() {
        check(
            r#"{"per":"user","requests":60,"every":"minute"}"#,
            Ok("the rate of 60 requests for each user a minute is used up; try again in 7 s"),
        );
        check(
            r#"{"per":"policy","concurrent":8}"#,
            Ok("8 requests at once are served for everybody together, and as many are under way; try again soon"),
        );
        check(r#"{"per":"user","requests":60}"#, Err("either"));
        check(r#"{"per":"user","requests":60,"every":"minute","concurrent":1}"#, Err("either"));
        check(r#"{"per":"user","requests":0,"every":"minute"}"#, Err("at least 1"));
        check(r#"{"per":"user","requests":9,"every":"month"}"#, Err("caps"));
        check(r#"{"per":"team","concurrent":8}"#, Err("unknown variant"));
    }
}
