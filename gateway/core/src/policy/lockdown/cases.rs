//! Tables of calls and what is decided about them, which operators write to try their rules.
//! Given `{ tool: Bash, with: { command: "cat .env" }, expect: refuse, by: "reads(**/.env*)" }`:
//! the case holds if that rule refuses the call.

use std::fmt;

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::Value;

use crate::policy::lockdown::place::Folders;
use crate::policy::lockdown::rule::Rule;
use crate::policy::lockdown::rules::{Unknown, Verdict};

/// A file of cases.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(try_from = "Written")]
#[schemars(with = "Written")]
pub struct Document {
    pub about: Option<String>,
    pub given: Given,
    /// Whose tools they are, as in the table of tools: `claude-code`.
    pub agent: Option<String>,
    /// Where that agent works.
    pub folders: Folders,
    pub cases: Vec<Case>,
}

/// Which rules are tried.
#[derive(Debug, Clone)]
pub enum Given {
    /// Those of this policy.
    Policy(String),
    Rules(Inline),
}

/// Rules that stand in the file itself.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "CaseRules")]
pub struct Inline {
    pub allow: Vec<Rule>,
    #[serde(default)]
    pub deny: Vec<Rule>,
    #[serde(default)]
    pub unknown: Unknown,
}

/// A call, and what is to be decided about it.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Case {
    /// What it shows, in a sentence.
    #[serde(default)]
    pub about: Option<String>,
    pub tool: String,
    /// The group that the tool belongs to, where the dialect has groups.
    #[serde(default)]
    pub namespace: Option<String>,
    /// Whose tool it is, where another than the file says.
    #[serde(default)]
    pub agent: Option<String>,
    /// What it is called with: members, or a text for a tool that takes one.
    #[serde(default)]
    pub with: Option<Value>,
    /// The arguments as they stand on the wire, to try such as do not parse. In place of `with`.
    #[serde(default)]
    pub raw: Option<String>,
    pub expect: Expected,
    /// The rule that refuses it: `reads(**/.env*)`, or `not in allow`.
    #[serde(default)]
    pub by: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Expected {
    Allow,
    Refuse,
}

/// As written.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Cases")]
struct Written {
    /// What these cases show, in a sentence.
    #[serde(default)]
    about: Option<String>,
    /// The policy whose rules are tried: a folder's name in `policies/`.
    #[serde(default)]
    policy: Option<String>,
    /// Rules of its own, in place of a policy's.
    #[serde(default)]
    rules: Option<Inline>,
    #[serde(default)]
    agent: Option<String>,
    /// The folder that the agent works in, from the top.
    #[serde(default)]
    working: Option<String>,
    /// What `~` stands for.
    #[serde(default)]
    home: Option<String>,
    cases: Vec<Case>,
}

/// Why a file of cases cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadCases {
    #[error("say which rules are tried: either `policy`, or `rules` of its own")]
    NotOneSet,
    #[error("there must be at least 1 case and at most {MOST}, and there are {0}")]
    Count(usize),
    #[error("case {0}: `with` or `raw` says what the tool is called with, not both")]
    TwoArguments(usize),
    #[error("case {0}: `by` names the rule that refuses, so it goes with `expect: refuse`")]
    NotRefused(usize),
}

/// Cases of one file at most.
const MOST: usize = 10_000;

impl TryFrom<Written> for Document {
    type Error = BadCases;

    fn try_from(written: Written) -> Result<Self, BadCases> {
        let given = match (written.policy, written.rules) {
            (Some(policy), None) => Given::Policy(policy),
            (None, Some(rules)) => Given::Rules(rules),
            _ => return Err(BadCases::NotOneSet),
        };
        let count = written.cases.len();
        if count == 0 || count > MOST {
            return Err(BadCases::Count(count));
        }
        for (case, number) in written.cases.iter().zip(1..) {
            if case.with.is_some() && case.raw.is_some() {
                return Err(BadCases::TwoArguments(number));
            }
            if case.by.is_some() && case.expect == Expected::Allow {
                return Err(BadCases::NotRefused(number));
            }
        }
        let folders = Folders { working: written.working, home: written.home };
        Ok(Self { about: written.about, given, agent: written.agent, folders, cases: written.cases })
    }
}

/// What came of a file of cases.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Outcome {
    pub held: usize,
    pub differences: Vec<Difference>,
}

/// A case that did not hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    pub file: String,
    /// The first case of the file is 1.
    pub number: usize,
    pub call: String,
    pub expected: String,
    pub found: String,
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { file, number, call, expected, found } = self;
        write!(f, "{file}, case {number}: {call} should be {expected}, and was {found}")
    }
}

impl Case {
    /// The arguments as they would stand on the wire.
    #[must_use]
    pub fn arguments(&self) -> String {
        match (&self.raw, &self.with) {
            (Some(raw), _) => raw.clone(),
            (None, Some(Value::String(text))) => text.clone(),
            (None, Some(value)) => value.to_string(),
            (None, None) => String::from("{}"),
        }
    }

    fn holds(&self, verdict: &Verdict) -> bool {
        match (self.expect, verdict, self.by.as_deref()) {
            (Expected::Allow, Verdict::Allow, _) | (Expected::Refuse, Verdict::Refuse { .. }, None) => true,
            (Expected::Refuse, Verdict::Refuse { rule, .. }, Some(by)) => {
                rule == by || rule.strip_prefix("deny ") == Some(by)
            }
            _ => false,
        }
    }
}

impl Document {
    /// Tries every case. `judge` is given a case and whose tool it calls.
    pub fn run(&self, file: &str, mut judge: impl FnMut(&Case, Option<&str>) -> Verdict) -> Outcome {
        let mut outcome = Outcome::default();
        for (case, number) in self.cases.iter().zip(1..) {
            let verdict = judge(case, case.agent.as_deref().or(self.agent.as_deref()));
            if case.holds(&verdict) {
                outcome.held += 1;
                continue;
            }
            outcome.differences.push(Difference {
                file: file.to_owned(),
                number,
                call: shown(case),
                expected: match (case.expect, &case.by) {
                    (Expected::Allow, _) => String::from("allowed"),
                    (Expected::Refuse, None) => String::from("refused"),
                    (Expected::Refuse, Some(by)) => format!("refused by `{by}`"),
                },
                found: match verdict {
                    Verdict::Allow => String::from("allowed"),
                    Verdict::Refuse { rule, why } => format!("refused by `{rule}`: {why}"),
                },
            });
        }
        outcome
    }
}

fn shown(case: &Case) -> String {
    const SHOWN: usize = 200;
    let arguments: String = case.arguments().chars().take(SHOWN).collect();
    format!("`{}` with {arguments}", case.tool)
}
