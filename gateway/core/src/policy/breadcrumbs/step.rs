//! A step as it is written. Given `{ id: look, prompt: look.md, model: claude-haiku-4-5, effort: low,
//! allowance: { usd: 0.50 } }`: while a run looks, that model works for it with little effort, and
//! when half a dollar is gone the step counts as stuck.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Allowed, Done};
use crate::policy::prose;
use crate::price::{Dollars, Micros};
use crate::wire::effort::Effort;

/// As written: an entry of `breadcrumbs:` in `policy.yaml`.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Step {
    /// What logs and metrics call it: lower-case letters, digits and `-`.
    pub id: String,
    /// The file with its prose. What is known of the project can be used in it: `{{ frameworks }}`,
    /// `{{ languages }}` and `{{ managers }}` are lists, the surest first.
    pub prompt: prose::File,
    /// What completes it.
    #[serde(default)]
    pub done: Done,
    /// A file with a JSON schema: with `complete_step` the model gives evidence of this shape.
    #[serde(default)]
    pub evidence: Option<prose::File>,
    /// The calls that it has use for: rules as in `lockdown.allow`. Leave it out to keep to the
    /// policy's own, which hold in any case.
    #[serde(default)]
    pub tools: Option<Allowed>,
    /// Requests after which it counts as stuck.
    #[serde(default)]
    pub max_turns: MaxTurns,
    /// What is done then.
    #[serde(default)]
    pub on_stuck: Stuck,
    /// What is looked up in the documentation and told with it.
    #[serde(default)]
    pub docs: Vec<String>,
    /// The model that works at it, in place of the agent's own; one that `models.allow` allows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// The effort that is asked of the model, in place of what the agent asks for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub effort: Option<Effort>,
    /// What it may use in all, after which it counts as stuck.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub allowance: Option<Allowance>,
}

/// An allowance as written: either `usd` or `tokens`.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "StepAllowance")]
pub struct AllowanceDocument {
    /// Dollars.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    usd: Option<Dollars>,
    /// Tokens of every kind together, so that each request counts with all of its conversation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    tokens: Option<u64>,
}

/// An allowance as meant: never nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "AllowanceDocument", into = "AllowanceDocument")]
pub enum Allowance {
    Usd(Micros),
    Tokens(u64),
}

schema_of_document!(Allowance, AllowanceDocument);

/// What a step has used by now.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Spent {
    pub micros: Micros,
    pub tokens: u64,
}

impl Allowance {
    /// Whether nothing of it is left.
    #[must_use]
    pub fn is_used_up(self, spent: Spent) -> bool {
        match self {
            Self::Usd(most) => spent.micros >= most,
            Self::Tokens(most) => spent.tokens >= most,
        }
    }
}

impl TryFrom<AllowanceDocument> for Allowance {
    type Error = &'static str;

    fn try_from(document: AllowanceDocument) -> Result<Self, Self::Error> {
        match (document.usd, document.tokens) {
            (Some(Dollars(0)), None) | (None, Some(0)) => {
                Err("`allowance` of a step is more than nothing; leave it out to set none")
            }
            (Some(Dollars(micros)), None) => Ok(Self::Usd(micros)),
            (None, Some(tokens)) => Ok(Self::Tokens(tokens)),
            _ => Err("`allowance` of a step needs exactly one of `usd` and `tokens`"),
        }
    }
}

impl From<Allowance> for AllowanceDocument {
    fn from(allowance: Allowance) -> Self {
        match allowance {
            Allowance::Usd(micros) => Self { usd: Some(Dollars(micros)), tokens: None },
            Allowance::Tokens(tokens) => Self { usd: None, tokens: Some(tokens) },
        }
    }
}

/// A number of requests.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "u32")]
pub struct MaxTurns(#[schemars(range(min = 1, max = 1000))] u32);

impl MaxTurns {
    #[must_use]
    pub fn get(self) -> u32 {
        self.0
    }
}

impl Default for MaxTurns {
    fn default() -> Self {
        Self(40)
    }
}

impl TryFrom<u32> for MaxTurns {
    type Error = String;

    fn try_from(count: u32) -> Result<Self, String> {
        let fits = (1..=1000).contains(&count);
        if fits { Ok(Self(count)) } else { Err(format!("`max_turns` is between 1 and 1000; {count} is not")) }
    }
}

/// What is done about a step that takes too long.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Stuck {
    /// The model is reminded of it, each time that so many requests have gone by.
    #[default]
    Nudge,
    /// The next one comes.
    Skip,
    /// The model is told to stop and say how far it came.
    End,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_allowance_is_of_dollars_or_of_tokens_and_kept_as_it_was() {
        let check = |yaml: &str, expect: Result<Allowance, &str>| {
            let found = serde_saphyr::from_str::<Allowance>(yaml).map_err(|error| error.to_string());
            match (found, expect) {
                (Ok(found), Ok(expect)) => {
                    assert_eq!(found, expect);
                    let kept = serde_json::to_string(&found).unwrap();
                    assert_eq!(serde_json::from_str::<Allowance>(&kept).unwrap(), found, "{kept}");
                }
                (Err(found), Err(expect)) => assert!(found.contains(expect), "{found}"),
                (found, expect) => panic!("{yaml}: {found:?} is not {expect:?}"),
            }
        };
        check("{ usd: 0.50 }", Ok(Allowance::Usd(500_000)));
        check("{ usd: 0.000001 }", Ok(Allowance::Usd(1)));
        check("{ tokens: 200000 }", Ok(Allowance::Tokens(200_000)));
        check("{}", Err("exactly one of"));
        check("{ usd: 1, tokens: 1 }", Err("exactly one of"));
        check("{ usd: 0 }", Err("more than nothing"));
        check("{ tokens: 0 }", Err("more than nothing"));
        check("{ tokens: -1 }", Err("-1"));
        check("{ usd: 1, every: day }", Err("unknown field `every`"));
    }

    #[test]
    fn an_allowance_is_used_up_when_nothing_is_left() {
        let check = |allowance: Allowance, micros: u64, tokens: u64, expect: bool| {
            assert_eq!(allowance.is_used_up(Spent { micros, tokens }), expect, "{allowance:?} {micros} {tokens}");
        };
        check(Allowance::Usd(10), 9, 1_000, false);
        check(Allowance::Usd(10), 10, 0, true);
        check(Allowance::Tokens(10), 1_000, 9, false);
        check(Allowance::Tokens(10), 0, 11, true);
    }
}
