//! Caps: whose spending is added up, in what, over how long, and to what end.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::policy::budget::Problem;
use crate::policy::budget::account::Standing;
use crate::policy::budget::name::Name;
use crate::policy::budget::window::Every;
use crate::price::{Dollars, Micros, ONCE, Thousandths, Times};
use crate::wire::event::Usage;

/// A cap as written: either `usd` or `tokens`.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Cap")]
pub struct CapDocument {
    /// Whose spending is added up.
    per: Per,
    /// The most dollars in a window.
    #[serde(default)]
    usd: Option<Dollars>,
    /// The most tokens in a window, of every kind together, each weighed by `weights`.
    #[serde(default)]
    tokens: Option<u64>,
    /// With `tokens`: how much a token of each kind counts.
    #[serde(default)]
    weights: Option<Weights>,
    /// The window that is counted in.
    every: Every,
}

/// A cap of somebody in particular, as written: a team, a key, a run.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "OwnCap")]
pub struct OwnDocument {
    /// The most dollars in a window.
    #[serde(default)]
    usd: Option<Dollars>,
    /// The most tokens in a window, of every kind together.
    #[serde(default)]
    tokens: Option<u64>,
    /// The window that is counted in.
    every: Every,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Per {
    /// Each user apart.
    User,
    /// Each team apart; callers of no team share one account.
    Team,
    /// Each key apart, and each credential that is passed through.
    Key,
    /// Each run apart.
    Run,
    /// All callers of the policy together.
    Policy,
    /// Each row of the price list apart, and the models that no row matches together.
    Model,
}

impl Per {
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::User => "user",
            Self::Team => "team",
            Self::Key => "key",
            Self::Run => "run",
            Self::Policy => "policy",
            Self::Model => "model",
        }
    }
}

/// How much a token of each kind counts in a cap of tokens.
#[derive(Debug, Clone, Copy, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(rename = "Weights")]
pub struct WeightsDocument {
    input: Times,
    cache_read: Times,
    cache_write: Times,
    output: Times,
}

impl Default for WeightsDocument {
    fn default() -> Self {
        Self { input: Times(ONCE), cache_read: Times(ONCE), cache_write: Times(ONCE), output: Times(ONCE) }
    }
}

/// Weights as meant, in thousandths.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Deserialize)]
#[serde(from = "WeightsDocument")]
pub struct Weights {
    input: Thousandths,
    cache_read: Thousandths,
    cache_write: Thousandths,
    output: Thousandths,
}

schema_of_document!(Weights, WeightsDocument);

impl Default for Weights {
    fn default() -> Self {
        Self::from(WeightsDocument::default())
    }
}

impl From<WeightsDocument> for Weights {
    fn from(document: WeightsDocument) -> Self {
        let WeightsDocument { input, cache_read, cache_write, output } = document;
        Self { input: input.0, cache_read: cache_read.0, cache_write: cache_write.0, output: output.0 }
    }
}

impl Weights {
    /// The tokens that a usage counts for, rounded up.
    #[must_use]
    pub fn count(&self, usage: &Usage) -> u64 {
        let parts = [
            (usage.input, self.input),
            (usage.cache_read, self.cache_read),
            (usage.cache_write, self.cache_write),
            (usage.output, self.output),
        ];
        let sum: u128 = parts.iter().map(|(tokens, weight)| u128::from(*tokens) * u128::from(*weight)).sum();
        u64::try_from(sum.div_ceil(1000)).unwrap_or(u64::MAX)
    }

    /// The most that these tokens count for, whatever the cache does.
    fn worst(&self, input: u64, output: u64) -> u64 {
        let heaviest = self.input.max(self.cache_read).max(self.cache_write);
        Self { input: heaviest, ..*self }.count(&Usage { input, output, ..Usage::default() })
    }
}

/// The most that may be spent in a window.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Limit {
    Usd(Micros),
    Tokens(u64, Weights),
}

/// A cap as meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Deserialize)]
#[serde(try_from = "CapDocument")]
pub struct Cap {
    pub per: Per,
    pub limit: Limit,
    pub every: Every,
}

schema_of_document!(Cap, CapDocument);

/// A cap that a team, a key or a run carries besides those of the policy. All must have room, so
/// it can only narrow.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(try_from = "OwnDocument")]
pub struct Own {
    limit: Limit,
    every: Every,
}

schema_of_document!(Own, OwnDocument);

impl TryFrom<CapDocument> for Cap {
    type Error = Problem;

    fn try_from(document: CapDocument) -> Result<Self, Problem> {
        let CapDocument { per, usd, tokens, weights, every } = document;
        Ok(Self { per, limit: limit(usd, tokens, weights)?, every })
    }
}

impl TryFrom<OwnDocument> for Own {
    type Error = Problem;

    fn try_from(OwnDocument { usd, tokens, every }: OwnDocument) -> Result<Self, Problem> {
        Ok(Self { limit: limit(usd, tokens, None)?, every })
    }
}

fn limit(usd: Option<Dollars>, tokens: Option<u64>, weights: Option<Weights>) -> Result<Limit, Problem> {
    match (usd, tokens, weights) {
        (Some(_), _, Some(_)) => Err(Problem::WeighedDollars),
        (Some(usd), None, None) => Ok(Limit::Usd(usd.0)),
        (None, Some(tokens), weights) => Ok(Limit::Tokens(tokens, weights.unwrap_or_default())),
        _ => Err(Problem::OneUnit),
    }
}

impl Own {
    /// A cap of dollars or tokens over this window.
    ///
    /// # Errors
    /// [`Problem`] unless exactly one of both is given.
    pub fn new(usd: Option<Dollars>, tokens: Option<u64>, every: Every) -> Result<Self, Problem> {
        Ok(Self { limit: limit(usd, tokens, None)?, every })
    }

    /// The cap as one of a policy, of whom it is carried by.
    #[must_use]
    pub fn of(self, per: Per) -> Cap {
        Cap { per, limit: self.limit, every: self.every }
    }
}

/// Whom a request is charged to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Payer {
    pub policy: String,
    pub user: String,
    pub team: Option<String>,
    /// The id of the key; of a caller without one, its user.
    pub key: String,
    pub run: String,
    /// The row of the price list, or `other`.
    pub model: String,
}

impl Cap {
    /// The name of the account that this cap is kept in. Caps of one scope, unit and window share it.
    #[must_use]
    pub fn account(&self, payer: &Payer) -> String {
        let who = match self.per {
            Per::User => &payer.user,
            Per::Team => payer.team.as_deref().unwrap_or("-"),
            Per::Key => &payer.key,
            Per::Run => &payer.run,
            Per::Policy => "all",
            Per::Model => &payer.model,
        };
        let (policy, scope, who) = (payer.policy.clone(), self.per.name().to_owned(), who.to_owned());
        Name { policy, scope, who, unit: self.limit.unit(), every: self.every.to_string() }.to_string()
    }

    /// The number of the limit, in the unit of the cap.
    #[must_use]
    pub fn count(&self) -> u64 {
        match self.limit {
            Limit::Usd(count) | Limit::Tokens(count, _) => count,
        }
    }

    /// What a usage of this price costs, in the unit of the cap.
    #[must_use]
    pub fn cost(&self, price: Micros, usage: &Usage) -> u64 {
        match self.limit {
            Limit::Usd(_) => price,
            Limit::Tokens(_, weights) => weights.count(usage),
        }
    }

    /// The most that so many tokens of this price can cost, in the unit of the cap.
    #[must_use]
    pub fn worst(&self, price: Micros, input: u64, output: u64) -> u64 {
        match self.limit {
            Limit::Usd(_) => price,
            Limit::Tokens(_, weights) => weights.worst(input, output),
        }
    }

    /// An amount of the cap's unit, for people.
    #[must_use]
    pub fn amount(&self, count: u64) -> String {
        self.limit.amount(count)
    }
}

impl Limit {
    /// The name of the unit in an account's name. Tokens that are weighed otherwise are another unit.
    #[must_use]
    pub fn unit(&self) -> String {
        match self {
            Self::Usd(_) => String::from("usd"),
            Self::Tokens(_, weights) if *weights == Weights::default() => String::from("tokens"),
            Self::Tokens(_, Weights { input, cache_read, cache_write, output }) => {
                format!("tokens:{input},{cache_read},{cache_write},{output}")
            }
        }
    }

    fn amount(&self, count: u64) -> String {
        match self {
            Self::Usd(_) => dollars(count),
            Self::Tokens(..) => format!("{count} tokens"),
        }
    }
}

/// Dollars for people: cents, or more places where cents would say nothing.
#[must_use]
pub fn dollars(micros: Micros) -> String {
    let (whole, rest) = (micros / 1_000_000, micros % 1_000_000);
    if whole == 0 && rest > 0 && rest < 10_000 {
        format!("$0.{rest:06}")
    } else {
        format!("${whole}.{:02}", rest / 10_000)
    }
}

/// A cap had no room.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the budget of {limit} {whose} {every} has {left} left, and this request could use up to {asked}. {renewal}")]
pub struct Denied {
    pub limit: String,
    pub whose: String,
    pub every: String,
    pub left: String,
    pub asked: String,
    pub renewal: Renewal,
}

/// When there is room again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Renewal(pub Option<jiff::Timestamp>, pub Every);

impl std::fmt::Display for Renewal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match (self.0, self.1) {
            (None, _) => f.write_str("It is not renewed; an operator can raise it"),
            (Some(at), Every::Rolling(_)) => write!(f, "Some of it is given back from {at} on"),
            (Some(at), _) => write!(f, "It is renewed at {at}"),
        }
    }
}

impl Denied {
    /// The same for a reply that was under way when nothing more could be set aside for it.
    #[must_use]
    pub fn used_up(&self) -> String {
        let Self { limit, whose, every, renewal, .. } = self;
        format!("the budget of {limit} {whose} {every} is used up. {renewal}")
    }

    /// What a person reads of a cap that has no room for what was asked.
    #[must_use]
    pub fn new(cap: &Cap, payer: &Payer, standing: &Standing, asked: u64) -> Self {
        let whose = match cap.per {
            Per::User => String::from("for each user"),
            Per::Team => format!("for the team `{}`", payer.team.as_deref().unwrap_or("(none)")),
            Per::Key => String::from("for this key"),
            Per::Run => String::from("for this run"),
            Per::Policy => String::from("for everybody together"),
            Per::Model => format!("for the models `{}`", payer.model),
        };
        Self {
            limit: cap.amount(standing.limit),
            whose,
            every: cap.every.phrase().into_owned(),
            left: cap.amount(standing.left()),
            asked: cap.amount(asked),
            renewal: Renewal(standing.renews, cap.every),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn payer() -> Payer {
        Payer {
            policy: "wizard".into(),
            user: "ada/x {y}".into(),
            key: "key_1".into(),
            run: "run_9".into(),
            model: "gpt-*".into(),
            team: None,
        }
    }

    #[test]
    fn accounts_are_named_by_scope_unit_and_window() {
        let check = |text: &str, expect: &str| {
            let cap: Cap = serde_json::from_str(text).unwrap();
            assert_eq!(cap.account(&payer()), expect);
        };
        check(r#"{"per":"user","usd":5,"every":"day"}"#, "wizard/user=ada%2Fx%20%7By%7D/usd/day");
        check(r#"{"per":"team","tokens":5,"every":"5h"}"#, "wizard/team=-/tokens/5h");
        check(
            r#"{"per":"key","tokens":5,"every":"run","weights":{"cache_read":0.1,"output":5}}"#,
            "wizard/key=key_1/tokens:1000,100,1000,5000/run",
        );
        check(r#"{"per":"model","usd":0.5,"every":"week"}"#, "wizard/model=gpt-*/usd/week");
    }

    #[test]
    fn a_cap_has_one_unit() {
        let check = |text: &str, why: &str| {
            let error = serde_json::from_str::<Cap>(text).unwrap_err().to_string();
            assert!(error.contains(why), "{error}");
        };
        check(r#"{"per":"user","every":"day"}"#, "exactly one");
        check(r#"{"per":"user","usd":1,"tokens":1,"every":"day"}"#, "exactly one");
        check(r#"{"per":"user","usd":1,"weights":{},"every":"day"}"#, "weights");
        check(r#"{"per":"user","tokens":1,"weights":{"output":-1},"every":"day"}"#, "-1 is no factor");
    }

    #[test]
    fn tokens_are_weighed() {
        let cap: Cap =
            serde_json::from_str(r#"{"per":"user","tokens":9,"every":"day","weights":{"cache_read":0.1,"output":5}}"#)
                .unwrap();
        let usage = Usage { input: 10, cache_read: 101, cache_write: 3, cache_write_hour: 2, output: 7 };
        assert_eq!(cap.cost(0, &usage), 10 + 11 + 3 + 35);
        assert_eq!(cap.worst(0, 10, 2), 20);
    }

    #[test]
    fn a_refusal_says_all_a_person_wants_to_know() {
        let cap = Cap { per: Per::User, limit: Limit::Usd(5_000_000), every: Every::Day };
        let renews = "2026-11-24T00:00:00Z".parse().ok();
        let standing = Standing { limit: 5_000_000, used: 4_900_000, held: 50_000, debt: 0, renews };
        assert_eq!(
            Denied::new(&cap, &payer(), &standing, 100_000).used_up(),
            "the budget of $5.00 for each user a day is used up. It is renewed at 2026-11-24T00:00:00Z"
        );
        assert_eq!(
            Denied::new(&cap, &payer(), &standing, 100_000).to_string(),
            "the budget of $5.00 for each user a day has $0.05 left, and this request could use up to $0.10. It is renewed at 2026-11-24T00:00:00Z"
        );
        let cap = Cap { per: Per::Run, limit: Limit::Tokens(100, Weights::default()), every: Every::Run };
        let standing = Standing { limit: 100, used: 90, held: 0, debt: 0, renews: None };
        assert_eq!(
            Denied::new(&cap, &payer(), &standing, 11).to_string(),
            "the budget of 100 tokens for this run in all has 10 tokens left, and this request could use up to 11 tokens. It is not renewed; an operator can raise it"
        );
    }
}
