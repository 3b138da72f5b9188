//! Joins the turns of one Chat Completions reply.

use crate::wire::Broken;
use crate::wire::event::{Frame, Shape};
use crate::wire::json::{self, Json, Value};
use crate::wire::patch::Patch;
use crate::wire::request::text_of;

#[derive(Debug, Clone, Default)]
pub struct Splice {
    is_continued: bool,
    /// The reply's own id, by which readers put its chunks together.
    id: Option<String>,
    /// Tokens that earlier turns wrote.
    output: u64,
    /// Whether earlier turns wrote text, and whether the present one did yet.
    wrote_text: bool,
    has_lead: bool,
    /// The text of earlier turns of a whole reply.
    text: String,
}

impl Splice {
    pub(in crate::wire) fn push(&mut self, frame: Frame, out: &mut Vec<Frame>) -> Result<(), Broken> {
        let Some(json) = &frame.json else {
            out.push(frame);
            return Ok(());
        };
        let root = json.root();
        let mut patch = Patch::default();
        if self.is_continued {
            self.join(root, frame.shape, &mut patch);
        } else {
            self.id = self.id.take().or_else(|| text_of(root, "id"));
            self.wrote_text |= content_of(root, frame.shape).is_some_and(says);
        }
        out.push(frame.patched(patch)?);
        Ok(())
    }

    fn join(&mut self, root: Value<'_>, shape: Shape, patch: &mut Patch) {
        if let (Some(id), Some(own)) = (&self.id, root.get("id")) {
            patch.replace(own.span(), json::quote(id));
        }
        let content = content_of(root, shape);
        let wrote = content.is_some_and(says);
        // In a paragraph of its own.
        let lead = if self.wrote_text && wrote && !self.has_lead { "\\n\\n" } else { "" };
        self.has_lead |= wrote;
        match (shape, content) {
            (Shape::Event, Some(content)) if !lead.is_empty() => patch.insert(content.span().start + 1, lead),
            (Shape::Whole, Some(content)) if wrote => {
                patch.insert(content.span().start + 1, format!("{}{lead}", json::escape(&self.text)));
            }
            (Shape::Whole, Some(content)) if !self.text.is_empty() => {
                patch.replace(content.span(), json::quote(&self.text));
            }
            _ => {}
        }
        if let Some(usage) = root.get("usage").filter(|usage| !usage.is_null()) {
            for name in ["completion_tokens", "total_tokens"] {
                if let Some(number) = usage.get(name)
                    && let Some(count) = number.count()
                {
                    patch.replace(number.span(), count.saturating_add(self.output).to_string());
                }
            }
        }
    }

    pub(in crate::wire) fn go_on(&mut self, ending: Vec<Frame>, out: &mut Vec<Frame>) -> Result<(), Broken> {
        for frame in ending {
            let Some(root) = frame.json.as_ref().map(Json::root) else { continue };
            let written = root.at(&["usage", "completion_tokens"]).and_then(Value::count);
            self.output = self.output.saturating_add(written.unwrap_or(0));
            let text = content_of(root, frame.shape).filter(|content| says(*content));
            let Some(text) = text else { continue };
            if frame.shape == Shape::Whole {
                self.id = self.id.take().or_else(|| text_of(root, "id"));
                let lead = if self.text.is_empty() { "" } else { "\n\n" };
                self.text.push_str(lead);
                self.text.push_str(&text.text().unwrap_or_default());
                self.wrote_text = true;
                continue;
            }
            // Said beside the reason to stop, which is not the agent's to see.
            let mut patch = Patch::default();
            for choice in root.get("choices").into_iter().flat_map(Value::items) {
                if let Some(reason) = choice.get("finish_reason") {
                    patch.replace(reason.span(), "null");
                }
            }
            self.push(frame.patched(patch)?, out)?;
        }
        self.is_continued = true;
        self.has_lead = false;
        Ok(())
    }
}

fn content_of(root: Value<'_>, shape: Shape) -> Option<Value<'_>> {
    let said = if shape == Shape::Whole { "message" } else { "delta" };
    root.get("choices")?.items().next()?.at(&[said, "content"])
}

fn says(content: Value<'_>) -> bool {
    content.text().is_some_and(|text| !text.is_empty())
}

fn reasons(root: Value<'_>) -> impl Iterator<Item = String> {
    let choices = root.get("choices").into_iter().flat_map(Value::items);
    choices.filter_map(|choice| text_of(choice, "finish_reason")).filter(|reason| !reason.is_empty())
}

pub(in crate::wire) fn is_ending(root: Value<'_>) -> bool {
    reasons(root).next().is_some()
}

pub(in crate::wire) fn stops_for_calls(root: Value<'_>) -> bool {
    reasons(root).any(|reason| reason == "tool_calls" || reason == "function_call")
}

/// A whole reply with a sentence behind what it says, and a proper end.
pub(in crate::wire) fn with_text(frame: Frame, sentence: &str) -> Result<Frame, Broken> {
    let mut patch = Patch::default();
    let root = frame.json.as_ref().map(Json::root);
    if let Some(choice) = root.and_then(|root| root.get("choices")).and_then(|choices| choices.items().next()) {
        match choice.at(&["message", "content"]) {
            Some(content) if says(content) => {
                patch.insert(content.span().end - 1, json::escape(&format!("\n\n{sentence}")));
            }
            Some(content) => patch.replace(content.span(), json::quote(sentence)),
            None => {
                if let Some(message) = choice.get("message") {
                    patch.add_member(message, &format!("\"content\":{}", json::quote(sentence)));
                }
            }
        }
        if let Some(reason) = choice.get("finish_reason") {
            patch.replace(reason.span(), "\"stop\"");
        }
    }
    Ok(frame.patched(patch)?)
}
