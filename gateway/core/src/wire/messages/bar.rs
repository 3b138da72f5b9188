//! Takes barred calls out of a Messages reply.
//!
//! A barred block becomes a text block of the same index, or goes and those behind it move up: so
//! indexes stay without gaps (the Python SDK crashes on them). The stop reason changes only when
//! no call is left for the agent: a stop for `tool_use` with no call makes agents repeat the
//! request.

use std::collections::BTreeSet;

use crate::wire::event::{Call, Frame, Shape, Substitute, Verdict};
use crate::wire::json::{self, Value};
use crate::wire::messages::reply::call;
use crate::wire::messages::{text_block, tool_use, written};
use crate::wire::patch::Patch;
use crate::wire::request::text_of;
use crate::wire::{Broken, Judge, Leaves, plainly_spelled};

/// Keys that an event is judged by.
const KNOWN: &[&str] = &["type", "index", "content_block", "message", "content", "name", "id", "tool_use_id"];

#[derive(Debug, Default)]
pub struct Bar {
    /// Indexes of the blocks whose further events are dropped.
    dropping: BTreeSet<u64>,
    /// Indexes of the blocks that are taken out.
    gone: BTreeSet<u64>,
    /// Ids of barred calls, whose results are barred with them.
    barred: BTreeSet<String>,
    /// Calls that the agent is to make. What the provider ran itself is none of them.
    calls_kept: usize,
    calls_barred: usize,
    /// Whether a call is answered by us, so that the reply does not end with its own end.
    hides: bool,
}

/// What becomes of a block.
enum Fate {
    Stays,
    Text(String),
    Gone,
    Call(Substitute),
}

impl Bar {
    pub(in crate::wire) fn judge(
        &mut self,
        root: Value<'_>,
        shape: Shape,
        judge: &mut Judge<'_>,
    ) -> Result<Leaves, Broken> {
        plainly_spelled(root, KNOWN)?;
        if shape == Shape::Whole {
            return self.whole(root, judge).map(Leaves::Patched);
        }
        if let Some(block) = root.get("content_block") {
            plainly_spelled(block, KNOWN)?;
        }
        let index = root.get("index").and_then(Value::integer);
        let kind = text_of(root, "type");
        let Some(index) = index.filter(|_| kind.as_deref().is_some_and(|kind| kind.starts_with("content_block_")))
        else {
            // A call may only begin where it can be followed.
            return match kind.as_deref() {
                _ if holds_call(root) => Err(Broken::Misplaced),
                Some("message_delta") => Ok(Leaves::Patched(self.mend_stop(root.get("delta")))),
                _ => Ok(Leaves::Patched(Patch::default())),
            };
        };
        match kind.as_deref() {
            Some("content_block_start") => self.start(root, index, judge),
            _ if holds_call(root) => Err(Broken::Misplaced),
            Some("content_block_delta") if self.dropping.contains(&index) => Ok(Leaves::Instead(vec![])),
            Some("content_block_stop") if self.dropping.remove(&index) => Ok(Leaves::Instead(vec![])),
            _ => Ok(Leaves::Patched(self.moved(root, index))),
        }
    }

    fn start(&mut self, root: Value<'_>, index: u64, judge: &mut Judge<'_>) -> Result<Leaves, Broken> {
        let Some(block) = root.get("content_block") else { return Err(Broken::Unreadable) };
        self.dropping.remove(&index);
        self.gone.remove(&index);
        let place = self.place(index);
        let fate = self.fate(block, index, judge)?;
        if !matches!(fate, Fate::Stays) {
            self.dropping.insert(index);
        }
        Ok(match fate {
            Fate::Stays => Leaves::Patched(self.moved(root, index)),
            Fate::Text(sentence) => Leaves::Instead(text_block(place, &sentence)),
            Fate::Gone => {
                self.gone.insert(index);
                Leaves::Instead(vec![])
            }
            Fate::Call(call) => Leaves::Instead(call_block(place, &text_of(block, "id").unwrap_or_default(), &call)),
        })
    }

    /// The index that a block leaves with.
    fn place(&self, index: u64) -> u64 {
        index - self.gone.range(..index).count() as u64
    }

    fn moved(&self, root: Value<'_>, index: u64) -> Patch {
        let mut patch = Patch::default();
        let place = self.place(index);
        if let Some(number) = root.get("index").filter(|_| place != index) {
            patch.replace(number.span(), place.to_string());
        }
        patch
    }

    fn fate(&mut self, block: Value<'_>, at: u64, judge: &mut Judge<'_>) -> Result<Fate, Broken> {
        // The result of a call that the provider ran: nothing of a barred one is shown.
        if text_of(block, "tool_use_id").is_some_and(|id| self.barred.contains(&id)) {
            return Ok(Fate::Text(String::from("(Its result is withheld too.)")));
        }
        let Some(call) = call(block) else { return Ok(Fate::Stays) };
        if call.name.is_empty() {
            return Err(Broken::Nameless);
        }
        let call = Call { at, ..call };
        let verdict = judge(&call);
        if let Verdict::Say(_) | Verdict::Hide = verdict {
            self.calls_barred += 1;
            self.hides |= verdict == Verdict::Hide;
            self.barred.insert(call.id);
        } else if !call.is_providers {
            self.calls_kept += 1;
        }
        Ok(match verdict {
            Verdict::Pass => Fate::Stays,
            Verdict::Say(sentence) => Fate::Text(sentence),
            Verdict::Hide => Fate::Gone,
            Verdict::Become(call) => Fate::Call(call),
        })
    }

    fn whole(&mut self, root: Value<'_>, judge: &mut Judge<'_>) -> Result<Patch, Broken> {
        let mut patch = Patch::default();
        let Some(content) = root.get("content") else { return Ok(patch) };
        let mut gone = Vec::new();
        for (at, block) in content.items().enumerate() {
            plainly_spelled(block, KNOWN)?;
            let fate = self.fate(block, at as u64, judge)?;
            gone.push(matches!(fate, Fate::Gone));
            match fate {
                Fate::Stays | Fate::Gone => {}
                Fate::Text(sentence) => {
                    patch.replace(block.span(), format!("{{\"type\":\"text\",\"text\":{}}}", json::quote(&sentence)));
                }
                Fate::Call(call) => {
                    let id = text_of(block, "id").unwrap_or_default();
                    patch.replace(block.span(), tool_use(&id, &call.name, call.input.as_str()));
                }
            }
        }
        patch.remove_items(content, |at| gone[at]);
        patch.append(self.mend_stop(Some(root)));
        Ok(patch)
    }

    fn mend_stop(&self, holder: Option<Value<'_>>) -> Patch {
        let mut patch = Patch::default();
        let reason = holder.and_then(|holder| holder.get("stop_reason"));
        if let Some(reason) = reason
            && self.calls_kept == 0
            && self.calls_barred > 0
            && !self.hides
            && reason.text().is_some_and(|reason| reason == "tool_use")
        {
            patch.replace(reason.span(), "\"end_turn\"");
        }
        patch
    }
}

/// The events by which a call of ours arrives: in one piece, for some agents read all of the input
/// anew at every piece.
fn call_block(index: u64, id: &str, call: &Substitute) -> Vec<Frame> {
    let block = tool_use(id, &call.name, "{}");
    let piece = json::quote(call.input.as_str());
    let delta = format!("{{\"type\":\"input_json_delta\",\"partial_json\":{piece}}}");
    vec![
        written("content_block_start", &format!(",\"index\":{index},\"content_block\":{block}")),
        written("content_block_delta", &format!(",\"index\":{index},\"delta\":{delta}")),
        written("content_block_stop", &format!(",\"index\":{index}")),
    ]
}

/// Whether an event that should hold no call does.
fn holds_call(root: Value<'_>) -> bool {
    let lists = [root.at(&["message", "content"]), root.get("content")];
    let blocks = lists.into_iter().flatten().flat_map(Value::items).chain(root.get("content_block"));
    blocks.chain(root.get("delta")).any(|block| call(block).is_some())
}
