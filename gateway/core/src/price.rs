//! Tokens to money, in whole micro-dollars, rounded up.

use crate::glob::Glob;
use crate::wire::event::Usage;

/// Millionths of a US dollar.
pub type Micros = u64;

/// What a model costs: micro-dollars a million tokens, which is dollars a token times 10^12.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Price {
    pub input: Micros,
    pub cache_read: Micros,
    pub cache_write: Micros,
    pub cache_write_hour: Micros,
    pub output: Micros,
}

impl Price {
    /// What this usage costs.
    #[must_use]
    pub fn cost(&self, usage: &Usage) -> Micros {
        let parts = [
            (usage.input, self.input),
            (usage.cache_read, self.cache_read),
            (usage.cache_write.saturating_sub(usage.cache_write_hour), self.cache_write),
            (usage.cache_write_hour, self.cache_write_hour),
            (usage.output, self.output),
        ];
        let sum: u128 = parts.iter().map(|(tokens, price)| u128::from(*tokens) * u128::from(*price)).sum();
        u64::try_from(sum.div_ceil(1_000_000)).unwrap_or(u64::MAX)
    }

    /// The most that these tokens can cost, whatever the cache does.
    #[must_use]
    pub fn worst(&self, input: u64, output: u64) -> Micros {
        let dearest = self.input.max(self.cache_write).max(self.cache_write_hour);
        let price = Self { input: dearest, ..*self };
        price.cost(&Usage { input, output, ..Usage::default() })
    }
}

/// Prices by model. The first pattern that matches counts.
#[derive(Debug, Clone, Default)]
pub struct Prices {
    rows: Vec<(Glob, Price)>,
}

impl Prices {
    #[must_use]
    pub fn new(rows: Vec<(Glob, Price)>) -> Self {
        Self { rows }
    }

    /// The price of a model, with the pattern that it was found by; none for an unknown model.
    #[must_use]
    pub fn find(&self, model: &str) -> Option<(&str, Price)> {
        let row = self.rows.iter().find(|(pattern, _)| pattern.matches(model))?;
        Some((row.0.as_str(), row.1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PRICE: Price = Price {
        input: 3_000_000,
        cache_read: 300_000,
        cache_write: 3_750_000,
        cache_write_hour: 6_000_000,
        output: 15_000_000,
    };

    #[test]
    fn each_kind_of_token_has_its_price_and_the_sum_is_rounded_up() {
        let usage =
            Usage { input: 1_000_000, cache_read: 1_000_000, cache_write: 0, cache_write_hour: 0, output: 1_000_000 };
        assert_eq!(PRICE.cost(&usage), 18_300_000);
        assert_eq!(PRICE.cost(&Usage { cache_read: 1, ..Usage::default() }), 1);
        assert_eq!(PRICE.cost(&Usage::default()), 0);
        assert_eq!(PRICE.cost(&Usage { output: u64::MAX, ..Usage::default() }), u64::MAX);
    }

    #[test]
    fn the_worst_case_is_no_less_than_any_case() {
        assert_eq!(PRICE.worst(1_000_000, 0), 6_000_000);
    }
}
