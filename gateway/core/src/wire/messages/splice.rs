//! Joins the turns of one Messages reply.

use crate::wire::Broken;
use crate::wire::event::{Frame, Shape};
use crate::wire::json::{self, Json, Value};
use crate::wire::patch::Patch;
use crate::wire::request::text_of;

/// Counts of the input, which a reply tells when it begins and may tell again at its end.
const INPUT: &[&str] = &["input_tokens", "cache_read_input_tokens", "cache_creation_input_tokens"];

#[derive(Debug, Clone, Default)]
pub struct Splice {
    /// Whether an earlier turn was delivered.
    is_continued: bool,
    /// The index that the present turn's first block leaves with, and that of the next.
    base: u64,
    next: u64,
    /// Tokens that earlier turns wrote.
    output: u64,
    /// The usage that the present turn began with.
    began: Option<String>,
    /// Blocks of earlier turns of a whole reply.
    blocks: Vec<String>,
}

impl Splice {
    pub(in crate::wire) fn push(&mut self, frame: Frame, out: &mut Vec<Frame>) -> Result<(), Broken> {
        let Some(json) = &frame.json else {
            out.push(frame);
            return Ok(());
        };
        let mut patch = Patch::default();
        if frame.shape == Shape::Whole {
            self.join_whole(json.root(), &mut patch);
        } else if !self.join(json.root(), &mut patch) {
            return Ok(());
        }
        out.push(frame.patched(patch)?);
        Ok(())
    }

    /// Whether the event leaves.
    fn join(&mut self, root: Value<'_>, patch: &mut Patch) -> bool {
        match text_of(root, "type").as_deref() {
            Some("message_start") => {
                self.began = root.at(&["message", "usage"]).map(|usage| usage.raw().to_owned());
                !self.is_continued
            }
            Some("message_delta") if self.is_continued => {
                if let Some(usage) = root.get("usage") {
                    self.sum(usage, patch);
                }
                true
            }
            _ => {
                if let Some(number) = root.get("index")
                    && let Some(index) = number.integer()
                {
                    let place = self.base.saturating_add(index);
                    self.next = self.next.max(place.saturating_add(1));
                    if place != index {
                        patch.replace(number.span(), place.to_string());
                    }
                }
                true
            }
        }
    }

    fn sum(&self, usage: Value<'_>, patch: &mut Patch) {
        add_output(usage, self.output, patch);
        // The agent took its input from the beginning that it saw, which was another turn's.
        let Some(began) = self.began.clone().and_then(|began| Json::read(began.into()).ok()) else { return };
        for name in INPUT.iter().filter(|name| usage.get(name).is_none()) {
            if let Some(count) = began.root().get(name) {
                patch.add_member(usage, &format!("\"{name}\":{}", count.raw()));
            }
        }
    }

    fn join_whole(&self, root: Value<'_>, patch: &mut Patch) {
        if !self.is_continued {
            return;
        }
        if let Some(content) = root.get("content").filter(|_| !self.blocks.is_empty()) {
            let comma = if content.items().next().is_some() { "," } else { "" };
            patch.insert(content.span().start + 1, format!("{}{comma}", self.blocks.join(",")));
        }
        if let Some(usage) = root.get("usage") {
            add_output(usage, self.output, patch);
        }
    }

    pub(in crate::wire) fn go_on(&mut self, ending: &[Frame]) {
        self.is_continued = true;
        self.base = self.next;
        for frame in ending {
            let Some(root) = frame.json.as_ref().map(Json::root) else { continue };
            self.output =
                self.output.saturating_add(root.at(&["usage", "output_tokens"]).and_then(Value::count).unwrap_or(0));
            if frame.shape == Shape::Whole {
                let blocks = root.get("content").into_iter().flat_map(Value::items);
                self.blocks.extend(blocks.map(|block| block.raw().to_owned()));
            }
        }
    }
}

fn add_output(usage: Value<'_>, earlier: u64, patch: &mut Patch) {
    if let Some(number) = usage.get("output_tokens")
        && let Some(count) = number.count()
    {
        patch.replace(number.span(), count.saturating_add(earlier).to_string());
    }
}

pub(in crate::wire) fn is_ending(root: Value<'_>) -> bool {
    let gives_reason =
        root.at(&["delta", "stop_reason"]).and_then(Value::text).is_some_and(|reason| !reason.is_empty());
    gives_reason || text_of(root, "type").as_deref() == Some("message_stop")
}

pub(in crate::wire) fn stops_for_calls(root: Value<'_>) -> bool {
    let reasons = [root.at(&["delta", "stop_reason"]), root.get("stop_reason")];
    reasons.into_iter().flatten().any(|reason| reason.text().is_some_and(|reason| reason == "tool_use"))
}

/// A whole reply with a sentence behind what it says, and a proper end.
pub(in crate::wire) fn with_text(frame: Frame, sentence: &str) -> Result<Frame, Broken> {
    let mut patch = Patch::default();
    if let Some(root) = frame.json.as_ref().map(Json::root) {
        if let Some(content) = root.get("content") {
            patch.add_item(content, &format!("{{\"type\":\"text\",\"text\":{}}}", json::quote(sentence)));
        }
        if let Some(reason) = root.get("stop_reason") {
            patch.replace(reason.span(), "\"end_turn\"");
        }
    }
    Ok(frame.patched(patch)?)
}
