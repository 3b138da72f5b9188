//! Takes barred calls out of a Responses reply.
//!
//! A barred item becomes a message of the same output index. Events are numbered in sequence,
//! so those behind a replaced item are numbered anew; and the last event repeats the whole
//! reply, so the item is replaced there too. Every item that is a call is judged wherever it is
//! seen, by what stands in it there.

use std::collections::{BTreeMap, BTreeSet};

use crate::wire::event::{Call, Frame, Shape};
use crate::wire::json::{self, Json, Value};
use crate::wire::patch::Patch;
use crate::wire::request::text_of;
use crate::wire::responses::reply::call;
use crate::wire::{Broken, Judge, Leaves, plainly_spelled};

/// Keys that an event and an item are judged by.
const KNOWN: &[&str] =
    &["type", "item", "item_id", "output_index", "response", "output", "name", "namespace", "id", "call_id"];

#[derive(Debug, Default)]
pub struct Bar {
    /// What became of each call, by the item's id.
    fates: BTreeMap<String, Fate>,
    /// The output indexes of barred items, whose other events are dropped.
    dropping: BTreeSet<u64>,
    /// Events written less events dropped, so far.
    shift: i64,
}

#[derive(Debug, Clone)]
struct Fate {
    call: Call,
    /// The message in the place of a barred call.
    message: Option<String>,
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
            return self.output(root, judge).map(Leaves::Patched);
        }
        let index = root.get("output_index").and_then(Value::integer);
        if let Some(item) = root.get("item") {
            let Some(message) = self.judge_item(item, index, judge)? else {
                // Another item takes the place of one that was barred.
                if let Some(index) = index
                    && text_of(root, "type").as_deref() == Some("response.output_item.added")
                {
                    self.dropping.remove(&index);
                }
                return self.pass(root, judge).map(Leaves::Patched);
            };
            let index = index.ok_or(Broken::Misplaced)?;
            // First seen, by whichever event: there its replacement arrives as a whole.
            let is_first = self.dropping.insert(index);
            let number = root.get("sequence_number").and_then(Value::integer).map(|number| self.numbered(number));
            let written = if is_first { message_events(index, &message, number) } else { Vec::new() };
            self.shift = self.shift.saturating_add(written.len() as i64 - 1);
            return Ok(Leaves::Instead(written));
        }
        self.check_name(root)?;
        if index.is_some_and(|index| self.dropping.contains(&index)) || self.is_of_barred(root) {
            self.shift = self.shift.saturating_sub(1);
            return Ok(Leaves::Instead(Vec::new()));
        }
        self.pass(root, judge).map(Leaves::Patched)
    }

    /// The last piece of a call's input may repeat its name, which must then be the one judged.
    fn check_name(&self, root: Value<'_>) -> Result<(), Broken> {
        let (Some(id), Some(name)) = (text_of(root, "item_id"), text_of(root, "name")) else { return Ok(()) };
        let is_same = self.fates.get(&id).is_some_and(|fate| fate.call.name == name);
        if is_same { Ok(()) } else { Err(Broken::Misplaced) }
    }

    fn is_of_barred(&self, root: Value<'_>) -> bool {
        let fate = text_of(root, "item_id").and_then(|id| self.fates.get(&id));
        fate.is_some_and(|fate| fate.message.is_some())
    }

    fn numbered(&self, number: u64) -> u64 {
        number.saturating_add_signed(self.shift)
    }

    /// Judges an item; the message to put in its place when it is a call that is barred. A call
    /// that changes its name has two, and cannot be judged.
    fn judge_item(
        &mut self,
        item: Value<'_>,
        index: Option<u64>,
        judge: &mut Judge<'_>,
    ) -> Result<Option<String>, Broken> {
        plainly_spelled(item, KNOWN)?;
        let Some(call) = call(item) else { return Ok(None) };
        if call.name.is_empty() {
            return Err(Broken::Nameless);
        }
        let named = |field| text_of(item, field).filter(|id| !id.is_empty());
        let own = named("id").or_else(|| named("call_id"));
        let id = own.or_else(|| index.map(|index| format!("#{index}"))).ok_or(Broken::Misplaced)?;
        match self.fates.get(&id) {
            Some(fate) if fate.call != call => return Err(Broken::Misplaced),
            Some(fate) => return Ok(fate.message.clone()),
            None => {}
        }
        let message = judge(&call).map(|sentence| message_item(&format!("msg_{id}"), &sentence));
        self.fates.insert(id, Fate { call, message: message.clone() });
        Ok(message)
    }

    fn pass(&mut self, root: Value<'_>, judge: &mut Judge<'_>) -> Result<Patch, Broken> {
        let mut patch = Patch::default();
        if let Some(number) = root.get("sequence_number").filter(|_| self.shift != 0)
            && let Some(was) = number.integer()
        {
            patch.replace(number.span(), self.numbered(was).to_string());
        }
        patch.append(self.output(root, judge)?);
        if let Some(response) = root.get("response") {
            plainly_spelled(response, KNOWN)?;
            patch.append(self.output(response, judge)?);
        }
        Ok(patch)
    }

    /// Replaces the barred items of a whole output.
    fn output(&mut self, response: Value<'_>, judge: &mut Judge<'_>) -> Result<Patch, Broken> {
        let mut patch = Patch::default();
        for (index, item) in response.get("output").into_iter().flat_map(Value::items).enumerate() {
            if let Some(message) = self.judge_item(item, Some(index as u64), judge)? {
                patch.replace(item.span(), message);
            }
        }
        Ok(patch)
    }
}

fn message_item(id: &str, sentence: &str) -> String {
    let (id, text) = (json::quote(id), json::quote(sentence));
    format!(
        "{{\"id\":{id},\"type\":\"message\",\"status\":\"completed\",\"role\":\"assistant\",\"content\":[{{\"type\":\"output_text\",\"annotations\":[],\"logprobs\":[],\"text\":{text}}}]}}"
    )
}

/// The events by which a message item arrives, numbered from `number` on.
fn message_events(index: u64, message: &str, number: Option<u64>) -> Vec<Frame> {
    let Ok(item) = Json::read(message.to_owned().into()) else { return Vec::new() };
    let raw = |path: &[&str]| item.root().at(path).map_or("", Value::raw);
    let id = raw(&["id"]);
    let part = item.root().get("content").and_then(|content| content.items().next());
    let text = part.and_then(|part| part.get("text")).map_or("\"\"", Value::raw);
    let part = part.map_or("{}", Value::raw);
    let empty = |status: &str| {
        format!(
            "\"item\":{{\"id\":{id},\"type\":\"message\",\"status\":\"{status}\",\"role\":\"assistant\",\"content\":[]}}"
        )
    };
    let place = format!("\"item_id\":{id},\"content_index\":0,");
    let begun = "\"part\":{\"type\":\"output_text\",\"annotations\":[],\"logprobs\":[],\"text\":\"\"}";
    let steps = [
        ("response.output_item.added", empty("in_progress")),
        ("response.content_part.added", format!("{place}{begun}")),
        ("response.output_text.delta", format!("{place}\"logprobs\":[],\"delta\":{text}")),
        ("response.output_text.done", format!("{place}\"logprobs\":[],\"text\":{text}")),
        ("response.content_part.done", format!("{place}\"part\":{part}")),
        ("response.output_item.done", format!("\"item\":{message}")),
    ];
    let mut number = number;
    let event = |(name, rest): &(&str, String)| {
        let numbered = number.map(|number| format!("\"sequence_number\":{number},")).unwrap_or_default();
        number = number.map(|number| number.saturating_add(1));
        Frame::written(Some(name), &format!("{{\"type\":\"{name}\",{numbered}\"output_index\":{index},{rest}}}"))
    };
    steps.iter().map(event).collect()
}
