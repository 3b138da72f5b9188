//! Tokens to money, in whole micro-dollars, rounded up. Given 3 dollars a million tokens and
//! 100 tokens: 300 micro-dollars; 600 at a tier that costs twice as much.

use std::borrow::Cow;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::glob::Glob;
use crate::wire::event::Usage;
use crate::wire::facts::{Caching, is_ordinary};

/// Millionths of a US dollar.
pub type Micros = u64;

/// How many times the ordinary price something costs, in thousandths.
pub type Thousandths = u64;

/// The most that a factor may be.
const LARGEST_FACTOR: f64 = 1_000.0;

/// A factor as it is written, to whole thousandths.
///
/// # Errors
/// [`BadFactor`] for negative ones and those beyond a thousand.
pub fn thousandths(times: f64) -> Result<Thousandths, BadFactor> {
    if !(0.0..=LARGEST_FACTOR).contains(&times) {
        return Err(BadFactor(times));
    }
    // The range was just checked, so nothing is cut off.
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "0 to 10^6")]
    let thousandths = (times * 1e3).round() as Thousandths;
    Ok(thousandths)
}

#[derive(Debug, Clone, Copy, PartialEq, thiserror::Error)]
#[error("{0} is no factor: use zero or more, up to a thousand")]
pub struct BadFactor(pub f64);

/// Dollars as they are written, to whole micro-dollars.
///
/// # Errors
/// [`BadDollars`] for negative amounts and those beyond a billion.
pub fn micros(dollars: f64) -> Result<Micros, BadDollars> {
    if !(0.0..=1e9).contains(&dollars) {
        return Err(BadDollars(dollars));
    }
    // The range was just checked, so nothing is cut off.
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "0 to 10^15")]
    let micros = (dollars * 1e6).round() as Micros;
    Ok(micros)
}

#[derive(Debug, Clone, Copy, PartialEq, thiserror::Error)]
#[error("{0} is not an amount of dollars: use zero or more, up to a billion")]
pub struct BadDollars(pub f64);

/// Dollars, as whole micro-dollars.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize)]
#[serde(try_from = "f64", into = "f64")]
pub struct Dollars(pub Micros);

/// How many times something is taken, as whole thousandths.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(try_from = "f64")]
pub struct Times(pub Thousandths);

impl From<Dollars> for f64 {
    #[expect(clippy::cast_precision_loss, reason = "at most 10^15, which is below 2^53")]
    fn from(Dollars(micros): Dollars) -> Self {
        micros as Self / 1e6
    }
}

impl TryFrom<f64> for Dollars {
    type Error = BadDollars;

    fn try_from(amount: f64) -> Result<Self, Self::Error> {
        micros(amount).map(Self)
    }
}

impl TryFrom<f64> for Times {
    type Error = BadFactor;

    fn try_from(times: f64) -> Result<Self, Self::Error> {
        thousandths(times).map(Self)
    }
}

macro_rules! number_schema {
    ($kind:ty, $name:literal, $most:literal, $what:literal) => {
        impl schemars::JsonSchema for $kind {
            fn schema_name() -> Cow<'static, str> {
                $name.into()
            }

            fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
                schemars::json_schema!({ "type": "number", "minimum": 0, "maximum": $most, "description": $what })
            }
        }
    };
}

number_schema!(Dollars, "Dollars", 1e9, "Dollars: `3.75`.");
number_schema!(Times, "Times", 1e3, "A factor, to a thousandth: `2`, `0.5`.");

/// Once.
pub const ONCE: Thousandths = 1_000;
/// What a tier costs that no row lists, if the row lists no dearer one: as much as any tier in
/// common use, so that an unknown word is never cheap.
pub const UNKNOWN_TIER: Thousandths = 6_000;

/// The word for whatever tier the provider's own settings say, which is also meant by none.
const AUTO: &str = "auto";

/// What tokens cost: micro-dollars a million tokens, which is dollars a token times 10^12.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Rates {
    pub input: Micros,
    pub cache_read: Micros,
    pub cache_write: Micros,
    pub cache_write_hour: Micros,
    pub output: Micros,
}

/// What a model costs.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Price {
    rates: Rates,
    long: Option<LongContext>,
    tiers: Vec<(String, Thousandths)>,
}

/// What a whole request costs that has more input than this, cached input included.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LongContext {
    /// Tokens; one more and these rates hold.
    pub above: u64,
    pub rates: Rates,
}

/// The most that a request can come to.
#[derive(Debug, Clone, Copy)]
pub struct Most<'a> {
    /// Tokens of input of every kind together.
    pub input: u64,
    /// Tokens of output, of all replies together.
    pub output: u64,
    pub caching: Caching,
    /// The tier that it asks for.
    pub tier: Option<&'a str>,
}

impl Rates {
    /// In millionths of micro-dollars.
    fn cost(&self, usage: &Usage) -> u128 {
        let parts = [
            (usage.input, self.input),
            (usage.cache_read, self.cache_read),
            (usage.cache_write.saturating_sub(usage.cache_write_hour), self.cache_write),
            (usage.cache_write_hour, self.cache_write_hour),
            (usage.output, self.output),
        ];
        let cost = |(tokens, rate): &(u64, Micros)| u128::from(*tokens) * u128::from(*rate);
        parts.iter().map(cost).fold(0, u128::saturating_add)
    }

    /// The dearest that a token of input can be, whatever the cache does.
    fn dearest_input(&self, caching: Caching) -> Micros {
        let read = self.input.max(self.cache_read);
        match caching {
            Caching::None => read,
            Caching::Minutes => read.max(self.cache_write),
            Caching::Hour => read.max(self.cache_write).max(self.cache_write_hour),
        }
    }
}

impl Price {
    /// `tiers` says how many times as much a tier costs, by the provider's own word for it.
    #[must_use]
    pub fn new(rates: Rates, long: Option<LongContext>, tiers: Vec<(String, Thousandths)>) -> Self {
        Self { rates, long, tiers }
    }

    /// The price of a model of which only two figures are known: the cache costs what input costs.
    #[must_use]
    pub fn flat(input: Micros, output: Micros) -> Self {
        let rates = Rates { input, cache_read: input, cache_write: input, cache_write_hour: input, output };
        Self::new(rates, None, Vec::new())
    }

    /// What this usage costs, served at this tier. The ordinary tier by any of its names, `auto`,
    /// and none, which is `auto`, cost once unless they are listed; any other word that is not
    /// listed costs as much as the dearest that is, and at least [`UNKNOWN_TIER`].
    #[must_use]
    pub fn cost(&self, usage: &Usage, tier: Option<&str>) -> Micros {
        scaled(self.rates_of(usage).cost(usage), self.times(tier))
    }

    /// What is owed for this usage. Where the provider did not say at which tier it served, the
    /// one that was asked for counts, unless that is cheaper: who does not know a tier does not
    /// make it cheaper either.
    #[must_use]
    pub fn owed(&self, usage: &Usage, asked: Option<&str>, served: Option<&str>) -> Micros {
        match served {
            Some(_) => self.cost(usage, served),
            None => self.cost(usage, asked).max(self.cost(usage, None)),
        }
    }

    /// The most that a request can cost: all of its input at the dearest rate that can apply, at
    /// the tier that it asks for or the ordinary one, whichever is dearer. Asking for `auto` by
    /// name may be answered by any listed tier, or by `priority`.
    #[must_use]
    pub fn worst(&self, most: &Most<'_>) -> Micros {
        let times = self.most_times(most.tier);
        let reached = self.long.filter(|long| most.input > long.above).map(|long| long.rates);
        let cost = |rates: Rates| {
            let rates = Rates { input: rates.dearest_input(most.caching), ..rates };
            let usage = Usage { input: most.input, output: most.output, ..Usage::default() };
            scaled(rates.cost(&usage), times)
        };
        // With less input than the most, the ordinary rates may be what it costs.
        cost(self.rates).max(reached.map_or(0, cost))
    }

    /// The most that this usage can cost, whatever tier it is served at of those that may be.
    #[must_use]
    pub fn most_owed(&self, usage: &Usage, asked: Option<&str>) -> Micros {
        scaled(self.rates_of(usage).cost(usage), self.most_times(asked))
    }

    /// How many times as much the dearest tier costs that this request may be served at.
    fn most_times(&self, tier: Option<&str>) -> Thousandths {
        let asked = match tier {
            Some(AUTO) => self.times(Some("priority")).max(self.dearest(|_| true)),
            tier => self.times(tier),
        };
        asked.max(self.dearest(|word| is_ordinary(word) || word == AUTO)).max(ONCE)
    }

    fn rates_of(&self, usage: &Usage) -> &Rates {
        let written = usage.cache_write.max(usage.cache_write_hour);
        let input = usage.input.saturating_add(usage.cache_read).saturating_add(written);
        match &self.long {
            Some(long) if input > long.above => &long.rates,
            _ => &self.rates,
        }
    }

    fn times(&self, tier: Option<&str>) -> Thousandths {
        let word = tier.unwrap_or(AUTO);
        match self.tiers.iter().find(|(name, _)| name == word) {
            Some((_, times)) => *times,
            None if is_ordinary(word) || word == AUTO => ONCE,
            None => self.dearest(|_| true).max(UNKNOWN_TIER),
        }
    }

    /// The dearest tier that is listed, of these.
    fn dearest(&self, of: impl Fn(&str) -> bool) -> Thousandths {
        self.tiers.iter().filter(|(word, _)| of(word)).map(|(_, times)| *times).max().unwrap_or(0)
    }
}

/// Millionths of micro-dollars, so many times, as micro-dollars: rounded up, once.
fn scaled(millionths: u128, times: Thousandths) -> Micros {
    let sum = millionths.saturating_mul(u128::from(times));
    u64::try_from(sum.div_ceil(1_000_000 * u128::from(ONCE))).unwrap_or(u64::MAX)
}

/// Prices by model. The first pattern that matches counts.
#[derive(Debug, Clone, Default)]
pub struct Prices {
    rows: Vec<(Glob, Arc<Price>)>,
}

impl Prices {
    #[must_use]
    pub fn new(rows: Vec<(Glob, Price)>) -> Self {
        Self { rows: rows.into_iter().map(|(pattern, price)| (pattern, Arc::new(price))).collect() }
    }

    /// The price of a model, with the pattern that it was found by; none for an unknown model.
    #[must_use]
    pub fn find(&self, model: &str) -> Option<(&str, &Arc<Price>)> {
        let row = self.rows.iter().find(|(pattern, _)| pattern.matches(model))?;
        Some((row.0.as_str(), &row.1))
    }
}

#[cfg(test)]
mod tests;
