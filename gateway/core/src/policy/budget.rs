//! How much may be spent. Given a cap of 5 dollars a day for each user, 4.90 used, 0.05 held by
//! requests that are under way, and 0.10 asked for: refused, with what is left and until when.

use std::sync::Arc;

use jiff::civil::Weekday;
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan, Unit};
use schemars::JsonSchema;
use serde::Deserialize;

use crate::policy::identity::Caller;
use crate::price::{Micros, Price};

/// As written: `budget:` in `policy.yaml`.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Budget")]
pub struct Document {
    /// Every cap that applies must have room, or the request is refused.
    #[serde(default)]
    caps: Vec<Cap>,
    /// The most tokens a single reply may have. A higher limit in a request is lowered to it,
    /// and a request without one is given it, so that what is reserved is the most it can cost.
    #[serde(default)]
    #[schemars(range(min = 1))]
    output_limit: Option<u64>,
    /// What a model costs that `config/prices.yaml` does not list, in dollars a million tokens.
    #[serde(default)]
    default_price: DefaultPrice,
}

/// Dollars a million tokens.
#[derive(Debug, Clone, Copy, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DefaultPrice {
    pub input: f64,
    pub output: f64,
}

impl Default for DefaultPrice {
    /// As dear as any model in common use: an unknown model must not be a way round a budget.
    fn default() -> Self {
        Self { input: 15.0, output: 75.0 }
    }
}

/// A cap as written: either `usd` or `tokens`.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Cap")]
pub struct CapDocument {
    /// Whose spending is added up.
    per: Per,
    /// The most dollars in a window.
    #[serde(default)]
    usd: Option<f64>,
    /// The most tokens in a window, of every kind together.
    #[serde(default)]
    tokens: Option<u64>,
    /// The window. It begins and ends with the calendar's, in UTC; a week begins on Monday.
    every: Every,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Per {
    /// Each user apart.
    User,
    /// All callers of the policy together.
    Policy,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Every {
    Minute,
    Hour,
    Day,
    Week,
    Month,
}

/// A cap as meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(try_from = "CapDocument")]
pub struct Cap {
    pub per: Per,
    pub limit: Amount,
    pub every: Every,
}

schema_of_document!(Cap, CapDocument);

/// An amount in the unit of its cap.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Amount {
    Usd(Micros),
    Tokens(u64),
}

impl Amount {
    /// The number, whatever the unit.
    #[must_use]
    pub fn count(self) -> u64 {
        match self {
            Self::Usd(count) | Self::Tokens(count) => count,
        }
    }

    /// This unit with another number.
    #[must_use]
    pub fn with(self, count: u64) -> Self {
        match self {
            Self::Usd(_) => Self::Usd(count),
            Self::Tokens(_) => Self::Tokens(count),
        }
    }

    /// What is asked for, in this unit.
    #[must_use]
    pub fn of(self, spend: Spend) -> u64 {
        match self {
            Self::Usd(_) => spend.micros,
            Self::Tokens(_) => spend.tokens,
        }
    }
}

impl std::fmt::Display for Amount {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Usd(micros) => write!(f, "${}.{:02}", micros / 1_000_000, micros % 1_000_000 / 10_000),
            Self::Tokens(count) => write!(f, "{count} tokens"),
        }
    }
}

/// What one exchange costs, or may cost.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Spend {
    pub micros: Micros,
    pub tokens: u64,
}

/// As meant.
#[derive(Debug, Clone, Deserialize)]
#[serde(try_from = "Document")]
pub struct Rules {
    caps: Vec<Cap>,
    output_limit: Option<u64>,
    default_price: Arc<Price>,
}

schema_of_document!(Rules, Document);

impl Default for Rules {
    fn default() -> Self {
        let price = DefaultPrice::default();
        let default_price =
            Price::flat(micros(price.input).unwrap_or(Micros::MAX), micros(price.output).unwrap_or(Micros::MAX));
        Self { caps: Vec::new(), output_limit: None, default_price: Arc::new(default_price) }
    }
}

#[derive(Debug, PartialEq, thiserror::Error)]
pub enum Problem {
    #[error("a cap needs exactly one of `usd` and `tokens`")]
    OneUnit,
    #[error("{0} is not an amount of dollars: use zero or more, up to a billion")]
    Dollars(f64),
    #[error("`output_limit` must be at least 1")]
    NoOutput,
}

impl TryFrom<Document> for Rules {
    type Error = Problem;

    fn try_from(document: Document) -> Result<Self, Problem> {
        let Document { caps, output_limit, default_price } = document;
        if output_limit == Some(0) {
            return Err(Problem::NoOutput);
        }
        let default_price = Price::flat(micros(default_price.input)?, micros(default_price.output)?);
        Ok(Self { caps, output_limit, default_price: Arc::new(default_price) })
    }
}

impl TryFrom<CapDocument> for Cap {
    type Error = Problem;

    fn try_from(document: CapDocument) -> Result<Self, Problem> {
        let CapDocument { per, usd, tokens, every } = document;
        let limit = match (usd, tokens) {
            (Some(usd), None) => Amount::Usd(micros(usd)?),
            (None, Some(tokens)) => Amount::Tokens(tokens),
            _ => return Err(Problem::OneUnit),
        };
        Ok(Self { per, limit, every })
    }
}

/// Dollars as they are written, to whole micro-dollars.
///
/// # Errors
/// [`Problem::Dollars`] for negative amounts and those beyond a billion.
pub fn micros(dollars: f64) -> Result<Micros, Problem> {
    if !(0.0..=1e9).contains(&dollars) {
        return Err(Problem::Dollars(dollars));
    }
    // The range was just checked, so nothing is cut off.
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "0 to 10^15")]
    let micros = (dollars * 1e6).round() as Micros;
    Ok(micros)
}

impl Rules {
    #[must_use]
    pub fn caps(&self) -> &[Cap] {
        &self.caps
    }

    #[must_use]
    pub fn output_limit(&self) -> Option<u64> {
        self.output_limit
    }

    #[must_use]
    pub fn default_price(&self) -> &Arc<Price> {
        &self.default_price
    }
}

impl Cap {
    /// The account that this cap is kept in. Two caps of one scope and unit share it.
    #[must_use]
    pub fn account(&self, policy: &str, caller: &Caller) -> String {
        let whose = match self.per {
            Per::User => format!("user={}", caller.user()),
            Per::Policy => "all".to_owned(),
        };
        let unit = match self.limit {
            Amount::Usd(_) => "usd",
            Amount::Tokens(_) => "tokens",
        };
        format!("{policy}/{whose}/{unit}/{}", self.every.name())
    }
}

impl Every {
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Minute => "minute",
            Self::Hour => "hour",
            Self::Day => "day",
            Self::Week => "week",
            Self::Month => "month",
        }
    }

    fn phrase(self) -> &'static str {
        match self {
            Self::Minute => "a minute",
            Self::Hour => "an hour",
            Self::Day => "a day",
            Self::Week => "a week",
            Self::Month => "a month",
        }
    }

    /// The window that a moment lies in: its start, and the start of the next.
    #[must_use]
    pub fn window(self, now: Timestamp) -> (Timestamp, Timestamp) {
        let now = now.to_zoned(TimeZone::UTC);
        let begin = |unit| jiff::ZonedRound::new().smallest(unit).mode(jiff::RoundMode::Trunc);
        let (start, length) = match self {
            Self::Minute => (now.round(begin(Unit::Minute)), 1.minute()),
            Self::Hour => (now.round(begin(Unit::Hour)), 1.hour()),
            Self::Day => (now.round(begin(Unit::Day)), 1.day()),
            Self::Week => {
                let monday = now.weekday().since(Weekday::Monday);
                (now.round(begin(Unit::Day)).and_then(|day| day.checked_sub(i32::from(monday).days())), 7.days())
            }
            Self::Month => (now.first_of_month().and_then(|day| day.round(begin(Unit::Day))), 1.month()),
        };
        // Only the ends of time itself cannot be rounded.
        let start = start.unwrap_or(now);
        let end = start.checked_add(length).unwrap_or_else(|_| start.clone());
        (start.timestamp(), end.timestamp())
    }
}

/// What an account holds in the current window.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Balance {
    /// Spent for certain.
    pub used: u64,
    /// Set aside by requests that are under way.
    pub held: u64,
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "the budget of {limit} {whose} {every} has {left} left, and this request could use up to {asked}. It is renewed at {renewed}"
)]
pub struct Denied {
    pub limit: Amount,
    pub whose: &'static str,
    pub every: &'static str,
    pub left: Amount,
    pub asked: Amount,
    pub renewed: Timestamp,
}

/// Decides whether a cap has room for what is asked.
///
/// # Errors
/// [`Denied`] says what is left, and until when.
pub fn decide(cap: &Cap, balance: Balance, asked: Spend, now: Timestamp) -> Result<(), Denied> {
    let limit = cap.limit.count();
    let asked = cap.limit.of(asked);
    let taken = balance.used.saturating_add(balance.held);
    if taken.saturating_add(asked) <= limit {
        return Ok(());
    }
    Err(Denied {
        limit: cap.limit,
        whose: match cap.per {
            Per::User => "for each user",
            Per::Policy => "for everybody together",
        },
        every: cap.every.phrase(),
        left: cap.limit.with(limit.saturating_sub(taken)),
        asked: cap.limit.with(asked),
        renewed: cap.every.window(now).1,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const FIVE: Cap = Cap { per: Per::User, limit: Amount::Usd(5_000_000), every: Every::Day };

    #[track_caller]
    fn check(used: u64, held: u64, asked: u64, left: Option<u64>) {
        let now = "2026-11-23T10:00:00Z".parse().unwrap();
        let asked = Spend { micros: asked, tokens: 0 };
        let found = decide(&FIVE, Balance { used, held }, asked, now).err().map(|denied| denied.left.count());
        assert_eq!(found, left);
    }

    #[test]
    fn there_is_room_up_to_the_limit_itself() {
        check(0, 0, 5_000_000, None);
        check(4_000_000, 500_000, 500_000, None);
        check(4_000_000, 500_000, 500_001, Some(500_000));
        check(0, 0, 5_000_001, Some(5_000_000));
        check(6_000_000, 0, 0, Some(0));
        check(u64::MAX, u64::MAX, u64::MAX, Some(0));
    }

    #[test]
    fn a_refusal_says_all_a_person_wants_to_know() {
        let now = "2026-11-23T10:00:00Z".parse().unwrap();
        let asked = Spend { micros: 100_000, tokens: 0 };
        let denied = decide(&FIVE, Balance { used: 4_900_000, held: 50_000 }, asked, now).unwrap_err();
        assert_eq!(
            denied.to_string(),
            "the budget of $5.00 for each user a day has $0.05 left, and this request could use up to $0.10. It is renewed at 2026-11-24T00:00:00Z"
        );
    }

    #[test]
    fn windows_follow_the_calendar() {
        let window = |every: Every, now: &str| {
            let (start, end) = every.window(now.parse().unwrap());
            format!("{start} {end}")
        };
        // A Monday, the last day of a month, and a leap day.
        assert_eq!(window(Every::Week, "2026-11-23T00:00:00Z"), "2026-11-23T00:00:00Z 2026-11-30T00:00:00Z");
        assert_eq!(window(Every::Week, "2026-11-29T23:59:59.9Z"), "2026-11-23T00:00:00Z 2026-11-30T00:00:00Z");
        assert_eq!(window(Every::Month, "2026-12-31T23:59:59Z"), "2026-12-01T00:00:00Z 2027-01-01T00:00:00Z");
        assert_eq!(window(Every::Day, "2028-02-29T12:30:31Z"), "2028-02-29T00:00:00Z 2028-03-01T00:00:00Z");
        assert_eq!(window(Every::Hour, "2026-11-23T10:59:59Z"), "2026-11-23T10:00:00Z 2026-11-23T11:00:00Z");
        assert_eq!(window(Every::Minute, "2026-11-23T10:59:59Z"), "2026-11-23T10:59:00Z 2026-11-23T11:00:00Z");
    }

    #[test]
    fn dollars_are_read_exactly() {
        assert_eq!(micros(0.1 + 0.2), Ok(300_000));
        assert_eq!(micros(5.0), Ok(5_000_000));
        assert_eq!(micros(-1.0), Err(Problem::Dollars(-1.0)));
        assert!(micros(f64::NAN).is_err());
    }
}
