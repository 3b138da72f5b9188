//! What an agent is asked when its run ends. Given a run that was cut, by a policy that asks at every
//! ending: what the model saw, and behind it the prose of `ask.md`, what became of the run, and the
//! shape that an answer has.

mod answer;
mod group;
mod question;
mod report;

pub use answer::{Finding, Kind, Severity, read};
pub use group::{Item, group};
pub use question::{Question, Story, TAG};
pub use report::{Group, Noted, Status, Version, report};

use std::time::Duration;

use schemars::JsonSchema;
use serde::Deserialize;

use crate::policy::budget::cap::{Cap, Own, Per};
use crate::policy::budget::window::Every;
use crate::policy::prose;
use crate::price::{Dollars, Micros};
use crate::units::Span;

/// How a run ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Ending {
    /// The last step of its path is done.
    Completed,
    /// The model ended its turn, and nobody came back.
    Quiet,
    /// Somebody said so: `POST /v1/runs/{id}/end`.
    Told,
    /// Its last request was refused by Jetway.
    Refused,
    /// Its budget was used up in the middle of a reply, or a rule ended that.
    Cut,
    /// The provider refused or failed.
    Failed,
    /// A step took too long, and its path ended there.
    Stuck,
    /// The agent hung up, or never came back with the results of its calls.
    Abandoned,
    /// It went on for longer than a run may.
    Aged,
}

impl Ending {
    /// Every one of them.
    pub const ALL: [Self; 9] = [
        Self::Completed,
        Self::Quiet,
        Self::Told,
        Self::Refused,
        Self::Cut,
        Self::Failed,
        Self::Stuck,
        Self::Abandoned,
        Self::Aged,
    ];

    /// As logs and metrics name it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Completed => "completed",
            Self::Quiet => "quiet",
            Self::Told => "told",
            Self::Refused => "refused",
            Self::Cut => "cut",
            Self::Failed => "failed",
            Self::Stuck => "stuck",
            Self::Abandoned => "abandoned",
            Self::Aged => "aged",
        }
    }

    /// What the model is told of it.
    fn told(self) -> &'static str {
        match self {
            Self::Completed => "all steps were done",
            Self::Quiet => "you ended your turn, and nobody asked for more",
            Self::Told => "the program that you ran in said that it is over",
            Self::Refused => "the next request was refused by a rule of ours, and you were not asked again",
            Self::Cut => "your last reply was ended in the middle by a rule of ours",
            Self::Failed => "the provider of the model failed, and you were not asked again",
            Self::Stuck => "a step took too long, and the path ended there",
            Self::Abandoned => "the program that you ran in went away in the middle",
            Self::Aged => "it has gone on for so long that it counts as another run from here on",
        }
    }
}

/// How long it takes until a run counts as ended: since nothing more is heard of it, or since it began.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Waits {
    /// After the model ended its turn.
    pub quiet: Duration,
    /// In the middle of its work.
    pub abandoned: Duration,
    /// From its first request on, however busy it is.
    pub longest: Duration,
}

impl Default for Waits {
    fn default() -> Self {
        Self { quiet: quiet().0, abandoned: abandoned().0, longest: longest().0 }
    }
}

/// As written: `interrogation:` in `policy.yaml`.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Interrogation")]
pub struct Document {
    /// The file with the question, in prose.
    #[serde(default)]
    ask: Ask,
    /// The share of endings at which it is asked, from 0 to 1.
    #[serde(default)]
    rate: Rate,
    /// What all questions of this policy may cost together. It is an account of its own: a run whose
    /// budget is used up is asked all the same.
    allowance: Own,
    /// The most dollars that one question may cost; one that could cost more is not asked.
    #[serde(default = "most_usd")]
    most_usd: Dollars,
    /// The most tokens of an answer.
    #[serde(default = "max_tokens")]
    #[schemars(range(min = 100, max = 32_000))]
    max_tokens: u64,
    /// Another model to ask, of the same dialect. It reads everything anew: only the model of the run
    /// has it in its cache.
    #[serde(default)]
    model: Option<String>,
    /// How long a run whose model ended its turn must be quiet to count as ended.
    #[serde(default = "quiet")]
    quiet: Span,
    /// How long an agent may stay away in the middle of its work before its run counts as abandoned.
    #[serde(default = "abandoned")]
    abandoned: Span,
    /// How long a run may go on. One that is older ends when nothing of it is under way; what comes
    /// later is another.
    #[serde(default = "longest")]
    longest: Span,
    /// Whether a question may be paid for by the credential that a caller passed through. It is kept
    /// in memory until the run has ended.
    #[serde(default)]
    callers_credential: bool,
}

/// The file of a question.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
struct Ask(prose::File);

impl Default for Ask {
    fn default() -> Self {
        Self(prose::File::new("ask.md"))
    }
}

/// A share.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize, JsonSchema)]
struct Rate(#[schemars(range(min = 0, max = 1))] f64);

impl Default for Rate {
    fn default() -> Self {
        Self(1.0)
    }
}

fn most_usd() -> Dollars {
    Dollars(1_000_000)
}

fn max_tokens() -> u64 {
    2_000
}

fn quiet() -> Span {
    Span(Duration::from_secs(120))
}

fn abandoned() -> Span {
    Span(Duration::from_secs(15 * 60))
}

fn longest() -> Span {
    Span(Duration::from_secs(86_400))
}

/// As meant.
#[derive(Debug, Clone, Deserialize)]
#[serde(try_from = "Document")]
pub struct Rules {
    ask: prose::File,
    rate: f64,
    cap: Cap,
    pub most: Micros,
    pub max_tokens: u64,
    pub model: Option<String>,
    pub waits: Waits,
    callers_credential: bool,
}

schema_of_document!(Rules, Document);

#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum Problem {
    #[error("`interrogation.rate` is a share between 0 and 1; {0} is not")]
    Rate(f64),
    #[error("`interrogation.max_tokens` is between 100 and 32000; {0} is not")]
    MaxTokens(u64),
    #[error("`interrogation.{0}` is between 1s and {1}; {2} is not")]
    Time(&'static str, Span, Span),
    #[error("`interrogation.allowance` is of all runs together, so it cannot be counted `every: run`")]
    EveryRun,
}

/// No ending is waited for longer.
const LONGEST_WAIT: Span = Span(Duration::from_secs(86_400));
/// What a run was shown and told is kept for as long.
const LONGEST_RUN: Span = Span(Duration::from_secs(7 * 86_400));

impl TryFrom<Document> for Rules {
    type Error = Problem;

    fn try_from(document: Document) -> Result<Self, Problem> {
        let Document { ask, rate, allowance, most_usd, max_tokens, model, callers_credential, .. } = document;
        let Document { quiet, abandoned, longest, .. } = document;
        if !(0.0..=1.0).contains(&rate.0) {
            return Err(Problem::Rate(rate.0));
        }
        if !(100..=32_000).contains(&max_tokens) {
            return Err(Problem::MaxTokens(max_tokens));
        }
        let spans =
            [("quiet", quiet, LONGEST_WAIT), ("abandoned", abandoned, LONGEST_WAIT), ("longest", longest, LONGEST_RUN)];
        for (name, span, most) in spans {
            if !(Duration::from_secs(1)..=most.0).contains(&span.0) {
                return Err(Problem::Time(name, most, span));
            }
        }
        let cap = allowance.of(Per::Policy);
        if cap.every == Every::Run {
            return Err(Problem::EveryRun);
        }
        Ok(Self {
            ask: ask.0,
            rate: rate.0,
            cap,
            most: most_usd.0,
            max_tokens,
            model,
            waits: Waits { quiet: quiet.0, abandoned: abandoned.0, longest: longest.0 },
            callers_credential,
        })
    }
}

/// What is known of a run that has ended.
#[derive(Debug, Clone, Copy)]
pub struct Facts {
    /// Where its lot falls, from 0 to 1: the same for the same run and ending.
    pub lot: f64,
    /// Whether what its model saw is still known.
    pub is_known: bool,
    /// Whether it was paid for by a credential of its caller's.
    pub is_callers: bool,
}

/// Why a run was not asked, or nothing came of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Unasked {
    /// Its lot was not drawn.
    Sampled,
    /// Its model saw nothing, or nobody knows any more what.
    Unknown,
    /// What its model saw was too large to be kept for whoever came after the Jetway that died.
    Large,
    /// There was too much of that.
    Crowded,
    /// Only its caller's credential would pay for it.
    Credential,
    /// It could have cost more than one question may.
    Dear,
    /// The allowance is used up.
    Allowance,
    /// The provider gave no reply, or one that could not be read.
    Failed,
    /// The model said nothing.
    Silent,
}

impl Unasked {
    /// Every one of them.
    pub const ALL: [Self; 9] = [
        Self::Sampled,
        Self::Unknown,
        Self::Large,
        Self::Crowded,
        Self::Credential,
        Self::Dear,
        Self::Allowance,
        Self::Failed,
        Self::Silent,
    ];

    /// As logs and metrics name it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Sampled => "sampled_out",
            Self::Unknown => "unknown",
            Self::Large => "too_large",
            Self::Crowded => "no_room",
            Self::Credential => "credential",
            Self::Dear => "too_dear",
            Self::Allowance => "allowance",
            Self::Failed => "failed",
            Self::Silent => "silent",
        }
    }
}

impl Rules {
    /// The file with the question.
    #[must_use]
    pub fn ask(&self) -> &prose::File {
        &self.ask
    }

    /// What all questions together may cost.
    #[must_use]
    pub fn cap(&self) -> Cap {
        self.cap
    }

    /// The account that this is counted in.
    #[must_use]
    pub fn account(&self, policy: &str) -> String {
        format!("{policy}/interrogation/{}/{}", self.cap.limit.unit(), self.cap.every)
    }

    /// Whether a run is asked.
    ///
    /// # Errors
    /// [`Unasked`] says why not.
    pub fn decide(&self, facts: &Facts) -> Result<(), Unasked> {
        if facts.lot >= self.rate {
            return Err(Unasked::Sampled);
        }
        if facts.is_callers && !self.callers_credential {
            return Err(Unasked::Credential);
        }
        if !facts.is_known {
            return Err(Unasked::Unknown);
        }
        Ok(())
    }

    /// Whether what a run's model saw is worth keeping until it ends.
    #[must_use]
    pub fn keeps(&self, facts: &Facts) -> bool {
        self.decide(&Facts { is_known: true, ..*facts }).is_ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rules(yaml: &str) -> Result<Rules, String> {
        serde_saphyr::from_str(yaml).map_err(|error| error.to_string())
    }

    #[test]
    fn what_cannot_be_meant_is_refused() {
        let check = |yaml: &str, why: &str| {
            let error = rules(yaml).unwrap_err();
            assert!(error.contains(why), "{error}");
        };
        check("{}", "allowance");
        check("{ allowance: { usd: 1, every: run } }", "every: run");
        check("{ allowance: { every: day } }", "usd");
        check("{ allowance: { usd: 1, every: day }, rate: 1.5 }", "between 0 and 1");
        check("{ allowance: { usd: 1, every: day }, quiet: 10ms }", "between 1s and 1d");
        check("{ allowance: { usd: 1, every: day }, abandoned: 2d }", "between 1s and 1d");
        check("{ allowance: { usd: 1, every: day }, longest: 8d }", "`interrogation.longest` is between 1s and 7d");
        check("{ allowance: { usd: 1, every: day }, max_tokens: 5 }", "between 100 and 32000");
        check("{ allowance: { usd: 1, every: day }, ask: ../ask.md }", "inside the policy's folder");
        check("{ allowance: { usd: 1, every: day }, sample: 1 }", "sample");
    }

    #[test]
    fn a_run_is_asked_where_its_lot_falls_and_somebody_pays() {
        let check = |yaml: &str, facts: Facts, expect: Result<(), Unasked>| {
            let rules = rules(&format!("{{ allowance: {{ usd: 1, every: day }}{yaml} }}")).unwrap();
            assert_eq!(rules.decide(&facts), expect);
        };
        let facts = Facts { lot: 0.5, is_known: true, is_callers: false };
        check("", facts, Ok(()));
        check(", rate: 0.5", facts, Err(Unasked::Sampled));
        check(", rate: 0.51", facts, Ok(()));
        check(", rate: 0", Facts { lot: 0.0, ..facts }, Err(Unasked::Sampled));
        check("", Facts { is_known: false, ..facts }, Err(Unasked::Unknown));
        check("", Facts { is_callers: true, ..facts }, Err(Unasked::Credential));
        check(", callers_credential: true", Facts { is_callers: true, ..facts }, Ok(()));
    }

    #[test]
    fn the_account_is_one_of_its_own() {
        let account = |yaml: &str| rules(yaml).unwrap().account("wizard");
        assert_eq!(account("{ allowance: { usd: 5, every: day } }"), "wizard/interrogation/usd/day");
        assert_eq!(account("{ allowance: { tokens: 500000, every: week } }"), "wizard/interrogation/tokens/week");
    }

    #[test]
    fn every_ending_has_a_name_of_its_own() {
        let names: std::collections::BTreeSet<_> = Ending::ALL.iter().map(|ending| ending.name()).collect();
        assert_eq!(names.len(), Ending::ALL.len());
    }
}
