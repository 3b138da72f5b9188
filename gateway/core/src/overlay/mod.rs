//! What the model sees is what the agent sent and an overlay. Given a turn in which the model
//! called a tool that Jetway answered: the agent never saw the call, and tells its conversation
//! without it; the overlay puts the turn back as the model made it.
//!
//! An edit is anchored to the agent's own words. Where they are gone, because the agent compacted
//! or edited its conversation, or the edit itself is lost, the request stays valid without it.

pub mod prefix;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::wire::history::{Past, answer_as_told, turns};
use crate::wire::patch::Patch;
use crate::wire::request::Request;
use crate::wire::turn::Answer;

/// The most edits of one conversation, and bytes of them; the oldest go first.
pub const MOST_EDITS: usize = 2_000;
pub const MOST_BYTES: usize = 8 << 20;

/// One turn that the agent tells differently from how the model made it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Edit {
    /// What the agent's turn is known by: [`Past::anchor`].
    pub anchor: String,
    /// The turn as the model made it, with the turns before it that the agent never saw, as they
    /// stand in a conversation: messages or items, with commas between.
    pub told: String,
    /// Answers that join those that the agent gives to this turn.
    #[serde(default)]
    pub answers: Vec<Answer>,
    /// Calls that the agent got in other words: their ids, and the tools that the model called.
    #[serde(default)]
    pub substituted: Vec<(String, String)>,
}

impl Edit {
    /// Bytes that it takes, roughly.
    #[must_use]
    pub fn bytes(&self) -> usize {
        let answers: usize = self.answers.iter().map(|answer| answer.text.len() + answer.id.len()).sum();
        let calls: usize = self.substituted.iter().map(|(id, name)| id.len() + name.len()).sum();
        self.anchor.len() + self.told.len() + answers + calls
    }
}

/// What came of applying an overlay.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Applied {
    /// Edits that found their place.
    pub applied: usize,
    /// Edits whose place the agent does not tell any more.
    pub lost: usize,
    /// For each call that the agent got in other words, the tool that the model called.
    pub substituted: BTreeMap<String, String>,
}

/// Puts the turns back as the model made them.
pub fn apply(request: &Request, edits: &[Edit], patch: &mut Patch) -> Applied {
    let mut applied = Applied::default();
    if edits.is_empty() {
        return applied;
    }
    let pasts = turns(request);
    let places: BTreeMap<&str, &Past> = pasts.iter().map(|past| (past.anchor.as_str(), past)).collect();
    // A turn that was told twice (a retry) is the one that was told last.
    let latest: BTreeMap<&str, &Edit> = edits.iter().map(|edit| (edit.anchor.as_str(), edit)).collect();
    for (anchor, edit) in latest {
        let Some(past) = places.get(anchor) else {
            applied.lost += 1;
            continue;
        };
        patch.replace(past.span.clone(), edit.told.as_str());
        past.join(request, &edit.answers, patch);
        if !edit.substituted.is_empty() {
            answer_as_told(request, &edit.told, patch);
        }
        applied.applied += 1;
        applied.substituted.extend(edit.substituted.iter().cloned());
    }
    applied
}
