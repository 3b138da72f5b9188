//! The windows that spending is counted in. A window is known by its number, which two machines
//! work out alike from the ledger's clock: days since 1970, months since the year 0.

use std::borrow::Cow;
use std::time::Duration;

use jiff::civil::date;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Deserializer, de::Error};

use crate::units::Span;

/// How often a cap begins anew.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Every {
    Minute,
    Hour,
    Day,
    /// From Monday.
    Week,
    Month,
    /// So many seconds up to now, whenever now is.
    Rolling(u32),
    /// Never: for as long as a run lasts.
    Run,
}

/// A rolling window is counted in this many pieces; the oldest counts whole while any of it is in
/// the window, so that what is counted is never too little.
const PIECES: u32 = 60;

const DAY: i64 = 86_400;

impl Every {
    /// Reads `day`, `5h` and their like; none for anything else.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Some(match text {
            "minute" => Self::Minute,
            "hour" => Self::Hour,
            "day" => Self::Day,
            "week" => Self::Week,
            "month" => Self::Month,
            "run" => Self::Run,
            _ => {
                let seconds = Span::parse(text)?.0.as_secs();
                // A year at the most; under ten seconds it would count the network, not spending.
                Self::Rolling(u32::try_from(seconds).ok().filter(|seconds| (10..=366 * 86_400).contains(seconds))?)
            }
        })
    }

    /// Seconds of a piece of a rolling window.
    #[must_use]
    pub fn piece(seconds: u32) -> i64 {
        i64::from(seconds.div_ceil(PIECES).max(1))
    }

    /// The number of the window that a moment lies in; of a rolling one, of its newest piece.
    #[must_use]
    pub fn number(self, now: Timestamp) -> i64 {
        let seconds = now.as_second();
        match self {
            Self::Minute => seconds.div_euclid(60),
            Self::Hour => seconds.div_euclid(3_600),
            Self::Day => seconds.div_euclid(DAY),
            // The first of January 1970 was a Thursday.
            Self::Week => (seconds.div_euclid(DAY) + 3).div_euclid(7),
            Self::Month => {
                let now = now.to_zoned(TimeZone::UTC);
                i64::from(now.year()) * 12 + i64::from(now.month()) - 1
            }
            Self::Rolling(length) => seconds.div_euclid(Self::piece(length)),
            Self::Run => 0,
        }
    }

    /// The first number that counts when `number` is the current one.
    #[must_use]
    pub fn first(self, number: i64) -> i64 {
        match self {
            Self::Rolling(length) => number - (i64::from(length) + Self::piece(length) - 1) / Self::piece(length),
            _ => number,
        }
    }

    /// The window that something is charged to which was admitted in this one. A reply that outlasts
    /// a rolling window is charged when it ends, or it would never count.
    #[must_use]
    pub fn charged(self, admitted: i64, number: i64) -> i64 {
        match self {
            Self::Rolling(_) if admitted < self.first(number) => number,
            _ => admitted,
        }
    }

    /// The number of the oldest window that is worth keeping: a reply that ends late is charged to
    /// the window that it began in, and what that one is short of is carried into those after it.
    #[must_use]
    pub fn oldest(self, number: i64) -> i64 {
        match self {
            Self::Rolling(_) => self.first(number),
            Self::Run => number,
            _ => number - 3,
        }
    }

    /// When what was counted under this number no longer counts; never for a run.
    #[must_use]
    pub fn over(self, number: i64) -> Option<Timestamp> {
        let next = number.checked_add(1)?;
        let seconds = match self {
            Self::Minute => next.checked_mul(60)?,
            Self::Hour => next.checked_mul(3_600)?,
            Self::Day => next.checked_mul(DAY)?,
            Self::Week => next.checked_mul(7)?.checked_sub(3)?.checked_mul(DAY)?,
            Self::Month => {
                let (year, month) = (next.div_euclid(12), next.rem_euclid(12) + 1);
                let first = date(i16::try_from(year).ok()?, i8::try_from(month).ok()?, 1);
                return first.to_zoned(TimeZone::UTC).ok().map(|start| start.timestamp());
            }
            Self::Rolling(length) => next.checked_mul(Self::piece(length))?.checked_add(i64::from(length))?,
            Self::Run => return None,
        };
        Timestamp::from_second(seconds).ok()
    }

    /// Whether a window ends and another begins, so that what went over is carried into it.
    #[must_use]
    pub fn is_calendar(self) -> bool {
        !matches!(self, Self::Rolling(_) | Self::Run)
    }

    /// Whether it is five hours or less.
    #[must_use]
    pub fn is_short(self) -> bool {
        match self {
            Self::Minute | Self::Hour => true,
            Self::Rolling(seconds) => seconds <= 5 * 3_600,
            _ => false,
        }
    }

    /// For a sentence: "the budget of $5 … a day".
    #[must_use]
    pub fn phrase(self) -> Cow<'static, str> {
        match self {
            Self::Minute => "a minute".into(),
            Self::Hour => "an hour".into(),
            Self::Day => "a day".into(),
            Self::Week => "a week".into(),
            Self::Month => "a month".into(),
            Self::Rolling(_) => format!("in any {self}").into(),
            Self::Run => "in all".into(),
        }
    }

    /// How long to wait from `now` until `then`, in whole seconds, at least one.
    #[must_use]
    pub fn wait(now: Timestamp, then: Timestamp) -> u64 {
        let wait = then.duration_since(now).max(SignedDuration::from_secs(1));
        u64::try_from(wait.as_secs()).unwrap_or(1)
    }
}

impl std::fmt::Display for Every {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Minute => f.write_str("minute"),
            Self::Hour => f.write_str("hour"),
            Self::Day => f.write_str("day"),
            Self::Week => f.write_str("week"),
            Self::Month => f.write_str("month"),
            Self::Rolling(seconds) => Span(Duration::from_secs(u64::from(*seconds))).fmt(f),
            Self::Run => f.write_str("run"),
        }
    }
}

impl<'de> Deserialize<'de> for Every {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = Cow::<'de, str>::deserialize(deserializer)?;
        Self::parse(&text).ok_or_else(|| {
            D::Error::custom(format!(
                "{text:?} is no window: use minute, hour, day, week, month, run, or a length from 10s to 366d such as 5h"
            ))
        })
    }
}

impl serde::Serialize for Every {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl schemars::JsonSchema for Every {
    fn schema_name() -> Cow<'static, str> {
        "Every".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({
            "type": "string",
            "pattern": "^(minute|hour|day|week|month|run|[0-9]+ *(s|m|h|d))$",
            "description": "`minute` to `month` begin and end with the calendar's, in UTC, a week on Monday; a length such as `5h` is the time up to now; `run` never ends.",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(every: &str, inside: &str, over: &str) {
        let every = Every::parse(every).unwrap();
        let number = every.number(inside.parse().unwrap());
        assert_eq!(every.over(number).map(|at| at.to_string()).unwrap_or_default(), over);
        if every.is_calendar() {
            let next = every.over(number).unwrap();
            assert_eq!(every.number(next), number + 1);
            assert_eq!(every.number(next - SignedDuration::from_nanos(1)), number);
        }
    }

    #[test]
    fn windows_follow_the_calendar() {
        // A Monday, the last day of a month, and a leap day.
        check("week", "2026-11-23T00:00:00Z", "2026-11-30T00:00:00Z");
        check("week", "2026-11-29T23:59:59.9Z", "2026-11-30T00:00:00Z");
        check("month", "2026-12-31T23:59:59Z", "2027-01-01T00:00:00Z");
        check("day", "2028-02-29T12:30:31Z", "2028-03-01T00:00:00Z");
        check("hour", "2026-11-23T10:59:59Z", "2026-11-23T11:00:00Z");
        check("minute", "2026-11-23T10:59:59Z", "2026-11-23T11:00:00Z");
        check("week", "1969-12-31T23:59:59Z", "1970-01-05T00:00:00Z");
        check("run", "2026-11-23T10:59:59Z", "");
    }

    #[test]
    fn a_rolling_window_counts_what_is_at_most_so_old_and_a_piece() {
        let every = Every::parse("5h").unwrap();
        let at = |text: &str| every.number(text.parse().unwrap());
        let now = at("2026-11-23T10:00:00Z");
        assert!(at("2026-11-23T05:00:01Z") >= every.first(now));
        assert!(at("2026-11-23T04:54:59Z") < every.first(now));
        assert_eq!(every.over(now).unwrap().to_string(), "2026-11-23T15:05:00Z");
    }

    #[test]
    fn what_is_no_window_is_refused() {
        for text in ["fortnight", "5", "9s", "367d", "", "Day", "5 hours"] {
            assert_eq!(Every::parse(text), None, "{text}");
        }
        for text in ["minute", "month", "run", "5h", "90s", "30d"] {
            assert_eq!(Every::parse(text).unwrap().to_string(), text);
        }
        assert_eq!(Every::parse("60m").unwrap().to_string(), "1h");
    }
}
