//! Takes barred calls out of a Messages reply.
//!
//! A barred block becomes a text block of the same index, so that indexes stay without gaps
//! (the Python SDK crashes on them). The stop reason changes only when no call is left for the
//! agent: a stop for `tool_use` with no call makes agents repeat the request.

use std::collections::BTreeSet;

use crate::wire::event::Shape;
use crate::wire::json::{self, Value};
use crate::wire::messages::reply::call;
use crate::wire::messages::text_block;
use crate::wire::patch::Patch;
use crate::wire::request::text_of;
use crate::wire::{Broken, Judge, Leaves, plainly_spelled};

/// Keys that an event is judged by.
const KNOWN: &[&str] = &["type", "index", "content_block", "message", "content", "name", "id", "tool_use_id"];

#[derive(Debug, Default)]
pub struct Bar {
    /// Indexes of the blocks that are being dropped.
    dropping: BTreeSet<u64>,
    /// Ids of barred calls, whose results are barred with them.
    barred: BTreeSet<String>,
    /// Calls that the agent is to make. What the provider ran itself is none of them.
    calls_kept: usize,
    calls_barred: usize,
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
        let unchanged = Leaves::Patched(Patch::default());
        Ok(match (text_of(root, "type").as_deref(), index) {
            (Some("content_block_start"), Some(index)) => {
                let Some(block) = root.get("content_block") else { return Err(Broken::Unreadable) };
                self.dropping.remove(&index);
                match self.judge_block(block, judge)? {
                    Some(sentence) => {
                        self.dropping.insert(index);
                        Leaves::Instead(text_block(index, &sentence))
                    }
                    None => unchanged,
                }
            }
            (Some("content_block_delta"), Some(index)) if self.dropping.contains(&index) => Leaves::Instead(vec![]),
            (Some("content_block_stop"), Some(index)) if self.dropping.remove(&index) => Leaves::Instead(vec![]),
            // A call may only begin where it can be followed.
            _ if holds_call(root) => return Err(Broken::Misplaced),
            (Some("message_delta"), _) => Leaves::Patched(self.mend_stop(root.get("delta"))),
            _ => unchanged,
        })
    }

    fn judge_block(&mut self, block: Value<'_>, judge: &mut Judge<'_>) -> Result<Option<String>, Broken> {
        // The result of a call that the provider ran: nothing of a barred one is shown.
        if text_of(block, "tool_use_id").is_some_and(|id| self.barred.contains(&id)) {
            return Ok(Some(String::from("(Its result is withheld too.)")));
        }
        let Some(call) = call(block) else { return Ok(None) };
        if call.name.is_empty() {
            return Err(Broken::Nameless);
        }
        let verdict = judge(&call);
        if verdict.is_some() {
            self.calls_barred += 1;
            self.barred.extend(text_of(block, "id"));
        } else if text_of(block, "type").as_deref() == Some("tool_use") {
            self.calls_kept += 1;
        }
        Ok(verdict)
    }

    fn whole(&mut self, root: Value<'_>, judge: &mut Judge<'_>) -> Result<Patch, Broken> {
        let mut patch = Patch::default();
        for block in root.get("content").into_iter().flat_map(Value::items) {
            plainly_spelled(block, KNOWN)?;
            if let Some(sentence) = self.judge_block(block, judge)? {
                patch.replace(block.span(), format!("{{\"type\":\"text\",\"text\":{}}}", json::quote(&sentence)));
            }
        }
        patch.append(self.mend_stop(Some(root)));
        Ok(patch)
    }

    fn mend_stop(&self, holder: Option<Value<'_>>) -> Patch {
        let mut patch = Patch::default();
        let reason = holder.and_then(|holder| holder.get("stop_reason"));
        if let Some(reason) = reason
            && self.calls_kept == 0
            && self.calls_barred > 0
            && reason.text().is_some_and(|reason| reason == "tool_use")
        {
            patch.replace(reason.span(), "\"end_turn\"");
        }
        patch
    }
}

/// Whether an event that should hold no call does.
fn holds_call(root: Value<'_>) -> bool {
    let lists = [root.at(&["message", "content"]), root.get("content")];
    let blocks = lists.into_iter().flatten().flat_map(Value::items).chain(root.get("content_block"));
    blocks.chain(root.get("delta")).any(|block| call(block).is_some())
}
