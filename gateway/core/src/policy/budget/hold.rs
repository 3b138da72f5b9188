//! What is set aside for one exchange, and how it follows the reply.
//!
//! Given an elastic hold of 4,096 tokens of output and 3,000 written: it asks for 2,048 more. Given
//! that the provider reports the input, of which most came from its cache: it gives the rest back.

use std::sync::Arc;

use serde::Deserialize;

use crate::policy::budget::cap::{Cap, Payer};
use crate::price::{Micros, Most, Price};
use crate::wire::event::Usage;
use crate::wire::facts::Caching;

/// How much is set aside before a request is sent.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Mode {
    /// The most that it can cost, to the last byte: nothing ever goes over, and much is held.
    Strict,
    /// What nearly all replies need; more is set aside while the reply streams, before it is used.
    #[default]
    Elastic,
    /// Nothing is refused; spending is only counted.
    Soft,
}

/// A cap, and the account that this exchange has in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Capped {
    pub cap: Cap,
    pub account: String,
}

/// What tokens cost in one exchange, cap by cap.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Terms {
    pub rate: Rate,
    pub caps: Vec<Capped>,
}

/// What the tokens of one exchange are priced by.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Rate {
    pub price: Arc<Price>,
    pub caching: Caching,
    /// The tier that was asked for.
    pub tier: Option<String>,
}

impl Rate {
    /// What a usage costs, served at this tier; none where the provider did not say.
    #[must_use]
    pub fn cost(&self, usage: &Usage, served: Option<&str>) -> Micros {
        self.price.owed(usage, self.tier.as_deref(), served)
    }

    /// The most that a usage can cost, while it is not said which tier serves it.
    #[must_use]
    pub fn most(&self, usage: &Usage) -> Micros {
        self.price.most_owed(usage, self.tier.as_deref())
    }

    /// The most that so many tokens can cost.
    #[must_use]
    pub fn worst(&self, input: u64, output: u64) -> Micros {
        self.price.worst(&Most { input, output, caching: self.caching, tier: self.tier.as_deref() })
    }
}

impl Terms {
    /// Where two caps share an account the lower one holds.
    #[must_use]
    pub fn new(rate: Rate, caps: impl Iterator<Item = Cap>, payer: &Payer) -> Self {
        let mut found: Vec<Capped> = Vec::new();
        for cap in caps {
            let account = cap.account(payer);
            match found.iter_mut().find(|capped| capped.account == account) {
                Some(same) if cap.count() < same.cap.count() => same.cap = cap,
                Some(_) => {}
                None => found.push(Capped { cap, account }),
            }
        }
        Self { rate, caps: found }
    }

    /// What a usage costs in each cap, served at this tier.
    #[must_use]
    pub fn cost(&self, usage: &Usage, served: Option<&str>) -> Vec<u64> {
        let price = self.rate.cost(usage, served);
        self.caps.iter().map(|capped| capped.cap.cost(price, usage)).collect()
    }

    /// The most that a usage can cost in each cap, while it is not said which tier serves it.
    #[must_use]
    pub fn most(&self, usage: &Usage) -> Vec<u64> {
        let price = self.rate.most(usage);
        self.caps.iter().map(|capped| capped.cap.cost(price, usage)).collect()
    }

    /// The most that so many tokens can cost in each cap.
    #[must_use]
    pub fn worst(&self, input: u64, output: u64) -> Vec<u64> {
        let price = self.rate.worst(input, output);
        self.caps.iter().map(|capped| capped.cap.worst(price, input, output)).collect()
    }

    /// The most tokens of output that fit what is left in each cap, beside this much input.
    #[must_use]
    pub fn output_within(&self, input: u64, left: &[u64]) -> u64 {
        let fits = |output: u64| self.worst(input, output).iter().zip(left).all(|(asked, left)| asked <= left);
        if !fits(0) {
            return 0;
        }
        // No reply is as long as this.
        let (mut low, mut high) = (0_u64, 1_u64 << 24);
        while low < high {
            let middle = low + (high - low).div_ceil(2);
            if fits(middle) { low = middle } else { high = middle - 1 }
        }
        low
    }
}

/// What an exchange has used so far.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct SoFar {
    /// The provider's count of the input, once it has reported it.
    pub input: Option<Usage>,
    /// Tokens of output, reported or estimated.
    pub output: u64,
}

/// What is set aside for one exchange, in tokens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Holding {
    mode: Mode,
    /// Tokens of input at the most, until they are known.
    input: u64,
    known: Option<Usage>,
    output: u64,
    /// The most that the reply can have.
    limit: u64,
    /// How much is asked for at a time.
    quantum: u64,
}

/// How much is asked for at a time beside so much output.
fn quantum(output: u64) -> u64 {
    (output / 2).clamp(*QUANTUM.start(), *QUANTUM.end())
}

/// The least and the most that are asked for at a time, in tokens.
const QUANTUM: std::ops::RangeInclusive<u64> = 512..=8_192;
/// Where that is too much, this still lets a sentence be ended.
const LEAST: u64 = 128;

impl Holding {
    /// What is set aside at first. `usual` is how long nearly all replies are; a reply that is no
    /// stream cannot be followed, so that for it the limit is set aside.
    #[must_use]
    pub fn new(mode: Mode, input: u64, limit: u64, usual: Option<u64>) -> Self {
        let output = match (mode, usual) {
            (Mode::Elastic | Mode::Soft, Some(usual)) => usual.min(limit),
            _ => limit,
        };
        Self { mode, input, known: None, output, limit, quantum: quantum(output) }
    }

    /// The most that the reply can have, in tokens.
    #[must_use]
    pub fn limit(&self) -> u64 {
        self.limit
    }

    /// Whether what was set aside is the most that it can cost.
    #[must_use]
    pub fn is_strict(&self) -> bool {
        self.mode == Mode::Strict
    }

    /// Tokens of output that are set aside.
    #[must_use]
    pub fn output(&self) -> u64 {
        self.output
    }

    /// What it comes to in each cap.
    #[must_use]
    pub fn amounts(&self, terms: &Terms) -> Vec<u64> {
        match self.known {
            Some(input) => terms.most(&Usage { output: self.output.max(input.output), ..input }),
            None => terms.worst(self.input, self.output),
        }
    }

    /// What should be set aside instead, now that this much is used; none when it is well as it is.
    #[must_use]
    pub fn wants(&self, so_far: SoFar) -> Option<Self> {
        if self.mode == Mode::Soft {
            return None;
        }
        let mut wanted = *self;
        if self.known.is_none() {
            wanted.known = so_far.input.map(|input| Usage { output: 0, ..input });
        }
        if self.output < self.limit && so_far.output.saturating_add(self.quantum / 2) >= self.output {
            wanted.output = self.output.max(so_far.output).saturating_add(self.quantum).min(self.limit);
            // The longer a reply is, the longer it is likely to become.
            wanted.quantum = quantum(wanted.output);
        }
        Some(wanted).filter(|wanted| wanted != self)
    }

    /// A smaller step than the wanted one, where that found no room.
    #[must_use]
    pub fn smaller(&self, wanted: &Self, so_far: SoFar) -> Option<Self> {
        let output = so_far.output.max(self.output).saturating_add(LEAST).min(self.limit);
        (output < wanted.output).then_some(Self { output, ..*wanted })
    }

    /// Whether everything that was set aside for the output is used up, and more may come.
    #[must_use]
    pub fn is_dry(&self, so_far: SoFar) -> bool {
        self.mode != Mode::Soft && self.output < self.limit && so_far.output >= self.output
    }

    /// Whether the reply could use up what is set aside for it and all that is left besides.
    #[must_use]
    pub fn is_tight(&self, terms: &Terms, left: &[u64]) -> bool {
        if self.mode == Mode::Soft || self.output >= self.limit {
            return false;
        }
        let whole = Self { output: self.limit, ..*self }.amounts(terms);
        let needs = whole.iter().zip(self.amounts(terms)).map(|(whole, held)| whole.saturating_sub(held));
        needs.zip(left).any(|(more, left)| more > *left)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::budget::cap::{Limit, Per};
    use crate::policy::budget::window::Every;
    use crate::price::Rates;

    fn rate() -> Rate {
        let rates = Rates {
            input: 3_000_000,
            cache_read: 300_000,
            cache_write: 3_750_000,
            cache_write_hour: 6_000_000,
            output: 15_000_000,
        };
        Rate { price: Arc::new(Price::new(rates, None, Vec::new())), caching: Caching::Hour, tier: None }
    }

    fn terms() -> Terms {
        let cap = |limit| Cap { per: Per::User, limit, every: Every::Day };
        let caps = [cap(Limit::Usd(1_000_000)), cap(Limit::Tokens(50_000, Default::default()))];
        Terms::new(rate(), caps.into_iter(), &Payer::default())
    }

    fn so_far(output: u64) -> SoFar {
        SoFar { input: None, output }
    }

    #[test]
    fn strict_sets_the_whole_limit_aside_and_never_asks_for_more() {
        let hold = Holding::new(Mode::Strict, 1_000, 32_000, Some(100));
        assert_eq!(hold.amounts(&terms()), [6_000 + 480_000, 33_000]);
        assert_eq!(hold.wants(so_far(31_999)), None);
        assert!(!hold.is_dry(so_far(32_000)));
    }

    #[test]
    fn elastic_asks_before_it_runs_dry() {
        let hold = Holding::new(Mode::Elastic, 1_000, 32_000, Some(4_096));
        assert_eq!(hold.output(), 4_096);
        assert_eq!(hold.wants(so_far(3_000)), None);
        let wanted = hold.wants(so_far(3_072)).unwrap();
        assert_eq!(wanted.output(), 6_144);
        assert!(!hold.is_dry(so_far(4_095)) && hold.is_dry(so_far(4_096)) && !wanted.is_dry(so_far(4_096)));
        assert_eq!(hold.smaller(&wanted, so_far(3_072)).unwrap().output(), 4_224);
        assert_eq!(hold.wants(so_far(99_999)).unwrap().output(), 32_000);
    }

    #[test]
    fn a_reply_is_tight_when_its_limit_would_not_fit() {
        let hold = Holding::new(Mode::Elastic, 1_000, 5_000, Some(4_000));
        assert!(!hold.is_tight(&terms(), &[15_000, 1_000]));
        assert!(hold.is_tight(&terms(), &[14_999, 1_000]));
        assert!(hold.is_tight(&terms(), &[15_000, 999]));
        assert!(!Holding::new(Mode::Strict, 1_000, 5_000, None).is_tight(&terms(), &[0, 0]));
        assert!(!Holding::new(Mode::Soft, 1_000, 5_000, Some(4_000)).is_tight(&terms(), &[0, 0]));
    }

    #[test]
    fn what_no_stream_follows_is_set_aside_whole() {
        assert_eq!(Holding::new(Mode::Elastic, 0, 32_000, None).output(), 32_000);
    }

    #[test]
    fn the_reported_input_takes_the_place_of_the_estimate() {
        let hold = Holding::new(Mode::Elastic, 10_000, 32_000, Some(2_000));
        let input = Usage { input: 100, cache_read: 2_000, output: 1, ..Usage::default() };
        let wanted = hold.wants(SoFar { input: Some(input), output: 1 }).unwrap();
        assert_eq!(wanted.amounts(&terms())[0], 300 + 600 + 30_000);
        assert_eq!(wanted.wants(SoFar { input: Some(input), output: 1 }), None);
        // Also in strict mode, and the limit of the output stays.
        let strict = Holding::new(Mode::Strict, 10_000, 1_000, None);
        let wanted = strict.wants(SoFar { input: Some(input), output: 1 }).unwrap();
        assert_eq!(wanted.amounts(&terms())[0], 300 + 600 + 15_000);
    }

    #[test]
    fn soft_only_counts() {
        let hold = Holding::new(Mode::Soft, 1_000, 32_000, Some(100));
        assert_eq!((hold.wants(so_far(100)), hold.is_dry(so_far(5_000))), (None, false));
    }

    #[test]
    fn output_is_clamped_to_what_is_left_in_every_cap() {
        let terms = terms();
        assert_eq!(terms.output_within(1_000, &[21_000, 50_000]), 1_000);
        assert_eq!(terms.output_within(1_000, &[21_014, 50_000]), 1_000);
        assert_eq!(terms.output_within(1_000, &[1_000_000, 1_500]), 500);
        assert_eq!(terms.output_within(1_000, &[5_999, 50_000]), 0);
    }

    #[test]
    fn caps_of_one_account_hold_as_the_lowest() {
        let cap = |usd| Cap { per: Per::User, limit: Limit::Usd(usd), every: Every::Day };
        let terms = Terms::new(rate(), [cap(9), cap(5), cap(7)].into_iter(), &Payer::default());
        assert_eq!(terms.caps.iter().map(|capped| capped.cap.count()).collect::<Vec<_>>(), [5]);
    }
}
