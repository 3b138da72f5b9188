//! What a caller has left, in headers: in our own words, and in the spelling of each provider, so
//! that existing clients show it.
//!
//! A provider's own headers of this kind speak of the key that it was shown. Where that is an
//! operator's they are nobody's business, and are taken out.

use jiff::Timestamp;

use crate::wire::Dialect;

/// What is bounded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unit {
    /// Micro-dollars.
    Usd,
    Tokens,
    Requests,
}

/// A bound of a caller, and how it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Allowance {
    /// Whose it is, `user` or `team`, and over which window: `user`, `day`.
    pub whose: &'static str,
    pub every: String,
    pub unit: Unit,
    pub limit: u64,
    pub left: u64,
    /// When some of it is given back; none when that is never.
    pub renews: Option<Timestamp>,
    /// Whether its window is of five hours or less.
    pub is_short: bool,
}

/// From this share on clients warn.
const WARN: f64 = 0.75;

impl Allowance {
    /// The share that is used up, from 0 to 1.
    fn used(&self) -> f64 {
        if self.limit == 0 {
            return 1.0;
        }
        #[expect(clippy::cast_precision_loss, reason = "a share; its last digits do not matter")]
        let used = 1.0 - self.left.min(self.limit) as f64 / self.limit as f64;
        used
    }

    fn remaining(&self) -> String {
        match self.unit {
            Unit::Usd => format!("{}.{:06}", self.left / 1_000_000, self.left % 1_000_000),
            Unit::Tokens | Unit::Requests => self.left.to_string(),
        }
    }

    fn name(&self) -> String {
        let unit = match self.unit {
            Unit::Usd => "usd",
            Unit::Tokens => "tokens",
            Unit::Requests => "requests",
        };
        format!("x-jetway-budget-remaining-{}-{unit}-{}", self.whose, self.every)
    }
}

/// Whether a header of a provider's reply says what is left to the key that it was shown.
#[must_use]
pub fn is_of_key(header: &str) -> bool {
    header.starts_with("anthropic-ratelimit-") || header.starts_with("x-ratelimit-")
}

/// The headers that say what is left.
#[must_use]
pub fn headers(dialect: Dialect, allowances: &[Allowance], now: Timestamp) -> Vec<(String, String)> {
    let mut out: Vec<_> = allowances.iter().map(|allowance| (allowance.name(), allowance.remaining())).collect();
    for (unit, name) in [(Unit::Tokens, "tokens"), (Unit::Requests, "requests")] {
        let Some(tightest) = tightest(allowances, |allowance| allowance.unit == unit) else { continue };
        let (limit, left) = (tightest.limit.to_string(), tightest.left.to_string());
        match dialect {
            Dialect::Messages => {
                out.push((format!("anthropic-ratelimit-{name}-limit"), limit));
                out.push((format!("anthropic-ratelimit-{name}-remaining"), left));
                if let Some(renews) = tightest.renews {
                    out.push((format!("anthropic-ratelimit-{name}-reset"), renews.to_string()));
                }
            }
            Dialect::Chat | Dialect::Responses => {
                out.push((format!("x-ratelimit-limit-{name}"), limit));
                out.push((format!("x-ratelimit-remaining-{name}"), left));
                if let Some(renews) = tightest.renews {
                    out.push((format!("x-ratelimit-reset-{name}"), duration(now, renews)));
                }
            }
        }
    }
    if dialect == Dialect::Messages {
        unified(allowances, &mut out);
    }
    out
}

/// How much of what may be spent is used up: what Claude Code shows, and warns of.
fn unified(allowances: &[Allowance], out: &mut Vec<(String, String)>) {
    let spent = |allowance: &&Allowance| allowance.unit != Unit::Requests;
    let Some(tightest) = tightest(allowances, |allowance| spent(&allowance)) else { return };
    let status = match tightest.used() {
        used if used >= 1.0 => "rejected",
        used if used >= WARN => "allowed_warning",
        _ => "allowed",
    };
    out.push((String::from("anthropic-ratelimit-unified-status"), String::from(status)));
    if let Some(renews) = tightest.renews {
        out.push((String::from("anthropic-ratelimit-unified-reset"), renews.as_second().to_string()));
    }
    // Clients know two windows: one of five hours, and one of seven days.
    for (is_short, name) in [(true, "5h"), (false, "7d")] {
        let of_length = |allowance: &Allowance| spent(&allowance) && allowance.is_short == is_short;
        let Some(tightest) = self::tightest(allowances, of_length) else { continue };
        out.push((format!("anthropic-ratelimit-unified-{name}-utilization"), format!("{:.4}", tightest.used())));
        if let Some(renews) = tightest.renews {
            out.push((format!("anthropic-ratelimit-unified-{name}-reset"), renews.as_second().to_string()));
        }
    }
}

fn tightest(allowances: &[Allowance], of: impl Fn(&Allowance) -> bool) -> Option<&Allowance> {
    allowances.iter().filter(|allowance| of(allowance)).max_by(|a, b| a.used().total_cmp(&b.used()))
}

/// A length of time as OpenAI writes it: `6m0s`.
fn duration(now: Timestamp, then: Timestamp) -> String {
    let seconds = then.duration_since(now).as_secs().max(0);
    match (seconds / 3_600, seconds / 60 % 60, seconds % 60) {
        (0, 0, seconds) => format!("{seconds}s"),
        (0, minutes, seconds) => format!("{minutes}m{seconds}s"),
        (hours, minutes, seconds) => format!("{hours}h{minutes}m{seconds}s"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn allowance(unit: Unit, every: &str, limit: u64, left: u64) -> Allowance {
        let renews = "2026-11-24T00:00:00Z".parse().ok();
        Allowance { whose: "user", every: every.into(), unit, limit, left, renews, is_short: every == "hour" }
    }

    #[track_caller]
    fn check(dialect: Dialect, allowances: &[Allowance], expect: &[(&str, &str)]) {
        let found = headers(dialect, allowances, "2026-11-23T22:30:15Z".parse().unwrap());
        let expect: Vec<_> = expect.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        assert_eq!(found, expect);
    }

    #[test]
    fn money_is_shown_in_our_words_and_as_a_share() {
        check(
            Dialect::Messages,
            &[allowance(Unit::Usd, "day", 5_000_000, 1_000_001), allowance(Unit::Usd, "hour", 100, 100)],
            &[
                ("x-jetway-budget-remaining-user-usd-day", "1.000001"),
                ("x-jetway-budget-remaining-user-usd-hour", "0.000100"),
                ("anthropic-ratelimit-unified-status", "allowed_warning"),
                ("anthropic-ratelimit-unified-reset", "1795478400"),
                ("anthropic-ratelimit-unified-5h-utilization", "0.0000"),
                ("anthropic-ratelimit-unified-5h-reset", "1795478400"),
                ("anthropic-ratelimit-unified-7d-utilization", "0.8000"),
                ("anthropic-ratelimit-unified-7d-reset", "1795478400"),
            ],
        );
        check(
            Dialect::Chat,
            &[allowance(Unit::Usd, "day", 5_000_000, 0)],
            &[("x-jetway-budget-remaining-user-usd-day", "0.000000")],
        );
    }

    #[test]
    fn tokens_and_requests_are_spelt_as_each_provider_does() {
        check(
            Dialect::Responses,
            &[allowance(Unit::Tokens, "day", 100, 50), allowance(Unit::Tokens, "week", 100, 40)],
            &[
                ("x-jetway-budget-remaining-user-tokens-day", "50"),
                ("x-jetway-budget-remaining-user-tokens-week", "40"),
                ("x-ratelimit-limit-tokens", "100"),
                ("x-ratelimit-remaining-tokens", "40"),
                ("x-ratelimit-reset-tokens", "1h29m45s"),
            ],
        );
        check(
            Dialect::Messages,
            &[allowance(Unit::Requests, "minute", 60, 7)],
            &[
                ("x-jetway-budget-remaining-user-requests-minute", "7"),
                ("anthropic-ratelimit-requests-limit", "60"),
                ("anthropic-ratelimit-requests-remaining", "7"),
                ("anthropic-ratelimit-requests-reset", "2026-11-24T00:00:00Z"),
            ],
        );
    }

    #[test]
    fn a_budget_that_is_used_up_is_rejected() {
        let found = headers(Dialect::Messages, &[allowance(Unit::Usd, "day", 0, 0)], Timestamp::UNIX_EPOCH);
        assert!(found.contains(&("anthropic-ratelimit-unified-status".into(), "rejected".into())), "{found:?}");
    }
}
