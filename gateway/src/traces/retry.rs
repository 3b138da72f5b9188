//! What comes of sending a batch. Given a collector that answers 503 at the second attempt and says
//! nothing more: again, in two seconds.

use std::time::Duration;

/// How often a batch is sent, with longer and longer pauses: for a minute in all.
const ATTEMPTS: u32 = 7;
/// No longer pause is made, whatever a collector wishes.
const LONGEST: Duration = Duration::from_secs(60);

/// What a collector made of a batch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Met {
    /// It took it, but for so many spans.
    Taken { refused: u64 },
    /// It answered with this status, and says how long to wait.
    Status { code: u16, wait: Option<Duration> },
    /// There was no answer, for this reason.
    Silence(String),
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Verdict {
    Sent { refused: u64 },
    Again { after: Duration, why: String },
    GivenUp { why: String },
}

/// Decides, after so many attempts.
pub(super) fn decide(met: Met, attempts: u32) -> Verdict {
    let (why, wait) = match met {
        Met::Taken { refused } => return Verdict::Sent { refused },
        Met::Status { code, wait } if matches!(code, 429 | 502 | 503 | 504) => (format!("it answered {code}"), wait),
        Met::Status { code, .. } => return Verdict::GivenUp { why: format!("it answered {code}") },
        Met::Silence(why) => (why, None),
    };
    if attempts >= ATTEMPTS {
        return Verdict::GivenUp { why };
    }
    let own = Duration::from_secs(1 << attempts.saturating_sub(1).min(6));
    // One that wishes to be asked at once, again and again, would use up all attempts in a moment.
    Verdict::Again { after: own.max(wait.unwrap_or_default()).min(LONGEST), why }
}

/// The seconds of a `retry-after`; a date is no number, and our own pause is made instead.
pub(super) fn seconds(retry_after: &str) -> Option<Duration> {
    retry_after.trim().parse().ok().map(Duration::from_secs)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(met: Met, attempts: u32, wanted: Result<u64, &str>) {
        let found = match decide(met, attempts) {
            Verdict::Again { after, .. } => Ok(after.as_secs()),
            Verdict::GivenUp { .. } => Err("given up"),
            Verdict::Sent { .. } => Err("sent"),
        };
        assert_eq!(found, wanted);
    }

    fn status(code: u16) -> Met {
        Met::Status { code, wait: None }
    }

    #[test]
    fn what_may_pass_is_tried_again_with_longer_and_longer_pauses() {
        for code in [429, 502, 503, 504] {
            check(status(code), 1, Ok(1));
        }
        check(status(503), 2, Ok(2));
        check(status(503), 6, Ok(32));
        check(status(503), ATTEMPTS, Err("given up"));
        check(Met::Silence("Connection refused".into()), 3, Ok(4));
        check(Met::Silence("Connection refused".into()), ATTEMPTS, Err("given up"));
    }

    #[test]
    fn a_longer_pause_is_made_where_a_collector_wishes_it_within_bounds() {
        let wishes = |text: &str| Met::Status { code: 429, wait: seconds(text) };
        check(wishes("7"), 1, Ok(7));
        check(wishes("0"), 5, Ok(16));
        check(wishes("86400"), 1, Ok(60));
        check(wishes("Thu, 26 Nov 2026 01:00:00 GMT"), 3, Ok(4));
        check(wishes("-1"), 3, Ok(4));
    }

    #[test]
    fn what_is_wrong_stays_wrong() {
        for code in [301, 400, 401, 404, 413, 500] {
            check(status(code), 1, Err("given up"));
        }
        assert_eq!(decide(Met::Taken { refused: 3 }, 9), Verdict::Sent { refused: 3 });
    }
}
