//! What an exchange does in its run, and what it leaves behind there.

use std::time::Duration;

use jetway_core::policy::interrogation::{Ending, Waits};
use jiff::Timestamp;

use super::{Prompt, Whose};
use crate::runs::{Outcome, Record};

/// What an exchange leaves behind in its run.
#[derive(Debug)]
pub struct Left {
    pub role: Role,
    /// How its run ends if nothing more comes, and the sentence that went with it.
    pub ending: Ending,
    pub detail: Option<String>,
    /// How its path ended, where it did so in this exchange.
    pub path_end: Option<Ending>,
    /// How long nothing more may come until then.
    pub wait: Duration,
    /// How long it may go on in all.
    pub longest: Duration,
    pub cost_micros: u64,
    /// Whether the credential that paid was one of the caller's own.
    pub is_callers: bool,
    /// What the model saw, where there is something new.
    pub prompt: Option<Prompt>,
    /// What of it the question tells: where the run was, what it was shown, what it was refused.
    pub told: Told,
}

/// Who speaks in an exchange.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// The agent that the run is of.
    Main,
    /// One without tools: a title, a summary; or the main one, where none has tools.
    Aside,
    /// An agent that the main one has sent.
    Sub,
    /// One that sums its conversation up, so that a shorter one goes on: no turn of a run's path, and no end of it.
    Compaction,
    /// It was refused before it was read, so that nobody knows: the run's own, as far as that matters.
    Unread,
}

impl Role {
    /// As logs name it.
    #[must_use]
    pub fn name(self) -> Option<&'static str> {
        match self {
            Self::Main => Some("main"),
            Self::Aside => Some("aside"),
            Self::Sub => Some("sub"),
            Self::Compaction => Some("compaction"),
            Self::Unread => None,
        }
    }

    /// Whether what it says may be how its run ends.
    #[must_use]
    pub fn is_told(self) -> bool {
        matches!(self, Self::Main | Self::Aside)
    }
}

/// What an exchange does in its run.
#[derive(Debug)]
pub struct Part {
    pub whose: Whose,
    pub role: Role,
    pub waits: Waits,
    /// How its path ended, where it did so in this exchange.
    pub path_end: Option<Ending>,
    /// Whether the model's last turn has a call that the agent has to answer.
    pub calls: bool,
    /// Whether the credential that pays is one of the caller's own.
    pub is_callers: bool,
    /// What the model saw, where it may be asked about it.
    pub prompt: Option<Prompt>,
}

impl Part {
    /// What it leaves behind.
    #[must_use]
    pub fn leave(self, record: &Record, outcome: Outcome) -> Left {
        let Waits { quiet, abandoned, longest } = self.waits;
        let (ending, wait) = match outcome {
            Outcome::Complete if self.calls => (Ending::Abandoned, abandoned),
            Outcome::Complete => (Ending::Quiet, quiet),
            Outcome::Refused => (Ending::Refused, quiet),
            Outcome::Cut => (Ending::Cut, quiet),
            Outcome::ProviderRefused | Outcome::ProviderFailed | Outcome::ProviderTruncated => (Ending::Failed, quiet),
            Outcome::ClientGone => (Ending::Abandoned, quiet),
        };
        let told = Told {
            began: Some(record.at),
            agent: Some(record.agent),
            policy_version: record.policy_version.clone(),
            // Where the run is now, which its reply may have brought it to.
            step: record.steps_entered.last().or(record.step.as_ref()).cloned(),
            shown: record.passages.iter().map(|shown| (shown.source.clone(), shown.hash.clone())).collect(),
            refused: refused(record),
        };
        let Self { role, path_end, is_callers, prompt, .. } = self;
        let (detail, cost_micros) = (record.detail.clone(), record.cost_micros);
        Left { role, ending, path_end, detail, wait, longest, cost_micros, is_callers, prompt, told }
    }
}

/// What became of a run, as a question tells it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Told {
    /// When its first request came, and by which agent.
    pub began: Option<Timestamp>,
    pub agent: Option<&'static str>,
    pub policy_version: Option<String>,
    pub step: Option<String>,
    /// Documents and airplanes, by name, and a digest of each.
    pub shown: Vec<(String, String)>,
    /// Tools, and the rule that refused each.
    pub refused: Vec<(String, String)>,
}

/// The calls that were refused, and not only noted.
fn refused(record: &Record) -> Vec<(String, String)> {
    let refused = record.calls_refused.iter().filter(|call| !call.noted);
    refused.map(|call| (call.tool.clone(), call.rule.clone())).collect()
}

/// No more of what a run was shown or refused is kept.
const MOST_TOLD: usize = 100;

impl Told {
    /// Takes in what one more exchange tells.
    pub(super) fn add(&mut self, more: Self) {
        let Self { began, agent, policy_version, step, shown, refused } = more;
        self.began = self.began.into_iter().chain(began).min();
        self.agent = self.agent.or(agent);
        self.policy_version = policy_version.or(self.policy_version.take());
        self.step = step.or(self.step.take());
        for (list, more) in [(&mut self.shown, shown), (&mut self.refused, refused)] {
            for entry in more {
                if list.len() < MOST_TOLD && !list.contains(&entry) {
                    list.push(entry);
                }
            }
        }
    }
}
