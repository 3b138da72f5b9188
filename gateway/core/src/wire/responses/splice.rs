//! Joins the turns of one Responses reply. Its last event repeats all items, so those of earlier
//! turns are kept to be told there.

use crate::wire::Broken;
use crate::wire::event::{Frame, Shape};
use crate::wire::hold::MOST_KEPT;
use crate::wire::json::{self, Json, Value};
use crate::wire::patch::Patch;
use crate::wire::request::text_of;
use crate::wire::responses::message::Own;

/// Events by which a reply begins.
const BEGINNING: &[&str] = &["response.created", "response.in_progress", "response.queued"];

#[derive(Debug, Clone, Default)]
pub struct Splice {
    is_continued: bool,
    /// The id of the reply, which the agent saw when it began.
    id: Option<String>,
    /// The output index that the present turn's first item leaves with, and that of the next.
    base: u64,
    next: u64,
    /// The number of the next event; none where events are not numbered.
    number: Option<u64>,
    /// Tokens that earlier turns wrote.
    output: u64,
    /// Items of earlier turns.
    items: Vec<String>,
    bytes: usize,
}

impl Splice {
    pub(in crate::wire) fn push(&mut self, frame: Frame, out: &mut Vec<Frame>) -> Result<(), Broken> {
        let Some(json) = &frame.json else {
            out.push(frame);
            return Ok(());
        };
        let root = json.root();
        let kind = text_of(root, "type").unwrap_or_default();
        if self.is_continued && BEGINNING.contains(&kind.as_str()) {
            return Ok(());
        }
        let mut patch = Patch::default();
        let response = if frame.shape == Shape::Whole { Some(root) } else { root.get("response") };
        if let Some(response) = response {
            self.join_response(response, &mut patch);
        }
        if let Some(value) = root.get("output_index")
            && let Some(index) = value.integer()
        {
            let place = self.base.saturating_add(index);
            self.next = self.next.max(place.saturating_add(1));
            if place != index {
                patch.replace(value.span(), place.to_string());
            }
        }
        if let Some(value) = root.get("sequence_number")
            && let Some(was) = value.integer()
        {
            let number = self.number.filter(|_| self.is_continued).unwrap_or(was);
            self.number = Some(number.saturating_add(1));
            if number != was {
                patch.replace(value.span(), number.to_string());
            }
        }
        out.push(frame.patched(patch)?);
        Ok(())
    }

    fn join_response(&mut self, response: Value<'_>, patch: &mut Patch) {
        let Some(id) = &self.id else {
            self.id = text_of(response, "id");
            return;
        };
        if !self.is_continued {
            return;
        }
        if let Some(own) = response.get("id") {
            patch.replace(own.span(), json::quote(id));
        }
        if let Some(output) = response.get("output").filter(|_| !self.items.is_empty()) {
            let comma = if output.items().next().is_some() { "," } else { "" };
            patch.insert(output.span().start + 1, format!("{}{comma}", self.items.join(",")));
        }
        for name in ["output_tokens", "total_tokens"] {
            if let Some(number) = response.at(&["usage", name])
                && let Some(count) = number.count()
            {
                patch.replace(number.span(), count.saturating_add(self.output).to_string());
            }
        }
    }

    pub(in crate::wire) fn go_on(&mut self, ending: &[Frame]) -> Result<(), Broken> {
        for frame in ending {
            let Some(root) = frame.json.as_ref().map(Json::root) else { continue };
            let response = if frame.shape == Shape::Whole { Some(root) } else { root.get("response") };
            let Some(response) = response else { continue };
            self.id = self.id.take().or_else(|| text_of(response, "id"));
            let written = response.at(&["usage", "output_tokens"]).and_then(Value::count).unwrap_or(0);
            self.output = self.output.saturating_add(written);
            for item in response.get("output").into_iter().flat_map(Value::items) {
                self.bytes += item.raw().len();
                self.items.push(item.raw().to_owned());
            }
        }
        if self.bytes > MOST_KEPT {
            return Err(Broken::TooLarge);
        }
        self.is_continued = true;
        self.base = self.next;
        Ok(())
    }
}

pub(in crate::wire) fn is_ending(root: Value<'_>) -> bool {
    matches!(text_of(root, "type").as_deref(), Some("response.completed" | "response.incomplete"))
}

/// A reply that is complete stopped for its calls, if it makes any.
pub(in crate::wire) fn stops_for_calls(root: Value<'_>) -> bool {
    let response = root.get("response").unwrap_or(root);
    text_of(response, "status").is_none_or(|status| status == "completed")
}

/// A whole reply with a sentence behind what it says.
pub(in crate::wire) fn with_text(frame: Frame, sentence: &str) -> Result<Frame, Broken> {
    let mut patch = Patch::default();
    if let Some(root) = frame.json.as_ref().map(Json::root)
        && let Some(output) = root.get("output")
    {
        let id = format!("msg_jetway_{}", text_of(root, "id").unwrap_or_default());
        patch.add_item(output, &Own { id, sentence: sentence.to_owned() }.item());
    }
    Ok(frame.patched(patch)?)
}
