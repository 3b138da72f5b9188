//! Runs: what is kept while one is under way, and the log of every exchange.

mod begun;
pub mod body;
mod decision;
mod erased;
pub mod feedback;
mod forget;
mod journal;
pub mod log;
mod marks;
pub mod open;
mod path;
pub mod pending;
mod postgres;
pub mod read;
mod row;
mod schema;
pub mod served;
pub mod shown;
pub mod state;
#[cfg(test)]
mod suite;
mod tally;

use std::sync::Arc;

use jetway_core::policy::breadcrumbs::{How, Left, Path};
use jetway_core::policy::desk::{By, Shown};
use jetway_core::policy::interrogation::Finding;
use jetway_core::retrieval::profile::Profile;
use jetway_core::wire::event::Usage;
use jetway_core::wire::traceparent::Traceparent;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::redaction::Searcher;
use crate::secret;

pub use decision::{Decision, What};

/// How an exchange ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// The reply was complete.
    Complete,
    /// We said no.
    Refused,
    /// The provider said no; its answer was passed on.
    ProviderRefused,
    /// The provider could not be reached, broke off, or sent what cannot be checked.
    ProviderFailed,
    /// Its stream stopped before its end, and no error was seen: what was cut off looks like what is done.
    ProviderTruncated,
    /// The agent hung up.
    ClientGone,
    /// The budget was used up in the middle of the reply, which was ended there.
    Cut,
}

impl Outcome {
    /// Every one of them.
    pub const ALL: [Self; 7] = [
        Self::Complete,
        Self::Refused,
        Self::ProviderRefused,
        Self::ProviderFailed,
        Self::ProviderTruncated,
        Self::ClientGone,
        Self::Cut,
    ];

    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Complete => "complete",
            Self::Refused => "refused",
            Self::ProviderRefused => "provider_refused",
            Self::ProviderFailed => "provider_failed",
            Self::ProviderTruncated => "provider_truncated",
            Self::ClientGone => "client_gone",
            Self::Cut => "cut",
        }
    }
}

/// One exchange: a request and what became of it. What is not known stays empty.
#[derive(Debug, Clone, Default)]
pub struct Record {
    pub id: String,
    pub at: Timestamp,
    /// The job that it belongs to.
    pub run: Option<String>,
    pub policy: Option<String>,
    pub policy_version: Option<String>,
    pub user: Option<String>,
    pub team: Option<String>,
    pub key: Option<String>,
    /// How it was known who called: a word of `accept` in `policy.yaml`.
    pub way: Option<&'static str>,
    pub agent: &'static str,
    pub endpoint: &'static str,
    pub dialect: Option<&'static str>,
    pub model: Option<String>,
    /// The model that its provider was asked for: its own, its step's, or one for want of budget. None where
    /// nothing was sent, as in records of older versions of Jetway.
    pub sent_model: Option<String>,
    /// The model as the provider names it in its reply.
    pub served_model: Option<String>,
    pub provider: Option<String>,
    pub outcome: Option<Outcome>,
    /// The status that the agent saw.
    pub status: Option<u16>,
    /// Why it was refused or failed: one of a few words.
    pub reason: Option<&'static str>,
    /// The sentence that goes with it.
    pub detail: Option<String>,
    pub usage: Usage,
    /// Whether any of the usage is our own estimate.
    pub estimated: bool,
    pub cost_micros: u64,
    pub held_micros: u64,
    pub stop: Option<String>,
    pub stream: bool,
    pub bytes_in: usize,
    pub bytes_out: usize,
    /// From the request's headers to the end of its body; its agent's time.
    pub receive_micros: u64,
    /// From there until it was sent; our own time.
    pub decide_micros: u64,
    /// Of that, how long it waited for the ledger.
    pub wait_micros: u64,
    pub first_byte_millis: Option<u64>,
    /// In how many pieces the provider sent the reply, and the longest time between two.
    pub chunks: u64,
    pub longest_gap_millis: Option<u64>,
    pub total_millis: u64,
    pub tools_offered: usize,
    pub tools_removed: Vec<String>,
    /// Tools of which the model was shown a part. Not in the log.
    pub tools_narrowed: Vec<String>,
    pub calls_refused: Vec<CallRefused>,
    /// Those of them of which the model was told within the reply, and went on. Not in the log.
    pub calls_corrected: Vec<CallRefused>,
    /// What was decided but about calls, for which see [`Self::decided`].
    pub decisions: Vec<Decision>,
    /// Calls that the agent got in other words.
    pub calls_replaced: Vec<CallReplaced>,
    /// Tools of ours that the model called, and that were answered within the reply.
    pub calls_answered: Vec<String>,
    /// Secrets that were found in results, and never what they are.
    pub redactions: Vec<Redaction>,
    /// How often the model went on after Jetway had answered it.
    pub inner_turns: u32,
    pub passages: Vec<Passage>,
    /// The exchange before it, where its agent sent the same bytes again.
    pub again_of: Option<String>,
    /// Why its prompt does not begin as the one before it did: a word.
    pub prefix_break: Option<&'static str>,
    /// Which of several agents speaks in it, by the name that they give themselves.
    pub speaker: Option<String>,
    /// The step of its path that the run was at when it came.
    pub step: Option<String>,
    /// Who speaks in it: a word.
    pub role: Option<&'static str>,
    /// Tools whose calls its agent got.
    pub calls: Vec<String>,
    /// What their results will refer to them by, in the same order. Not in the log.
    pub call_ids: Vec<String>,
    /// Steps that came to their end with it.
    pub steps_left: Vec<StepLeft>,
    /// Steps that it came to. Not in the log.
    pub steps_entered: Vec<String>,
    /// What the project is, as far as the conversation has told.
    pub profile: Option<Arc<Profile>>,
    /// The turns that it took, where it took several.
    pub inner: Vec<InnerTurn>,
    /// The span of its agent's that it came from, where spans are made. Not in the log.
    pub traceparent: Option<Traceparent>,
}

/// A turn of a reply that took several. All but the last were answered by us.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct InnerTurn {
    /// When it was sent and when it was over, from the request on.
    pub from_micros: u64,
    pub to_micros: u64,
    pub served_model: Option<String>,
    pub stop: Option<String>,
    #[serde(flatten)]
    pub usage: Usage,
    pub estimated: bool,
    pub cost_micros: u64,
}

/// The endpoint of a record that is a question of ours at the end of a run.
pub const QUESTION: &str = "question";

/// A run that ended, and what its agent said of it.
#[derive(Debug, Clone, Default)]
pub struct Ended {
    /// Written twice, it is there once.
    pub id: String,
    pub run: String,
    pub at: Timestamp,
    pub policy: String,
    pub policy_version: Option<String>,
    pub user: Option<String>,
    /// When its first request came, of those that this Jetway knows of. Not in the log, as its agent.
    pub began: Option<Timestamp>,
    pub agent: Option<&'static str>,
    /// How it ended: a word.
    pub ending: &'static str,
    /// What came of asking: a word. None where the policy does not ask.
    pub asked: Option<&'static str>,
    /// The exchange in which it was asked.
    pub exchange: String,
    pub found: Vec<Found>,
}

/// Something that an agent says should be changed.
#[derive(Debug, Clone)]
pub struct Found {
    pub finding: Finding,
    /// A digest of the document that it speaks of, as it was shown.
    pub document_hash: Option<String>,
}

/// A step that came to its end.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StepLeft {
    pub step: String,
    pub how: How,
    /// Requests that it took.
    pub turns: u32,
    pub millis: i64,
    /// What the model said of it when it completed it: what it did, and what shows that. Without secrets,
    /// and shortened.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub said: Option<String>,
}

/// Characters of what a model says of a step.
const LONGEST_SAID: usize = 1_000;

impl StepLeft {
    /// The same without the secrets in what its model said; without that where nobody can search it.
    #[must_use]
    pub fn searched(self, searcher: Option<&Searcher>) -> Self {
        let safe = |said: String| Some(searcher?.search(&said).text.clone().unwrap_or(said));
        let said = self.said.and_then(safe).map(|said| said.chars().take(LONGEST_SAID).collect());
        Self { said, ..self }
    }

    #[must_use]
    pub fn of(path: &Path, left: &Left) -> Option<Self> {
        let step = path.steps().get(left.step)?.id.clone();
        Some(Self { step, how: left.how, turns: left.turns, millis: left.millis, said: None })
    }
}

/// A call that the model made and that did not reach the agent. Filters look for `tool` with the `rule` behind
/// it as they are written, so that what was only noted says so between them.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CallRefused {
    pub tool: String,
    /// Whether it was only noted: in shadow mode it did reach the agent.
    #[serde(default, skip_serializing_if = "decision::is_false")]
    pub noted: bool,
    pub rule: String,
    /// What the model was told, or would have been. In the log it is among the decisions.
    #[serde(skip)]
    pub sentence: String,
}

/// A call that the agent got in other words.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CallReplaced {
    /// What the model called.
    pub tool: String,
    /// What the agent was given to run.
    pub became: String,
}

/// Secrets of one kind and name that were found in the results of a request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Redaction {
    pub kind: String,
    /// What the secret is called, where that is known: `STRIPE_KEY`.
    pub name: Option<String>,
    /// The call whose result it stands in.
    pub call: String,
    pub count: u64,
    /// Whether it was taken out; otherwise it was only noted.
    pub replaced: bool,
}

/// A passage that was shown to the model.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Passage {
    /// The page and the headings above it.
    pub source: String,
    /// A digest of its text.
    pub hash: String,
    /// The version of the page that it is of. Records of older versions of Jetway have none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub page: Option<String>,
    /// What brought it.
    #[serde(default, skip_serializing_if = "By::is_unknown")]
    pub by: By,
}

impl Passage {
    #[must_use]
    pub fn of(shown: &Shown) -> Self {
        Self { source: shown.source.clone(), hash: Self::hash(&shown.text), page: shown.page.clone(), by: shown.by }
    }

    /// What a passage of this text is called.
    #[must_use]
    pub fn hash(text: &str) -> String {
        secret::name_of(text)
    }
}
