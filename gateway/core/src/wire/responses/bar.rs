//! Takes barred calls out of a Responses reply.
//!
//! A barred item becomes a message of the same output index. Events are numbered in sequence,
//! so those behind a replaced item are numbered anew; and the last event repeats the whole
//! reply, so the item is replaced there too.

use std::collections::BTreeMap;

use crate::wire::event::{Frame, Shape};
use crate::wire::json::{self, Json, Value};
use crate::wire::patch::Patch;
use crate::wire::request::text_of;
use crate::wire::responses::reply::call;
use crate::wire::{Broken, Judge};

#[derive(Debug, Default)]
pub struct Bar {
    /// The message in the place of each barred item, by output index.
    barred: BTreeMap<u64, String>,
    /// The calls that stay, by output index.
    kept: Vec<u64>,
    /// Events written less events dropped, so far.
    shift: i64,
}

impl Bar {
    pub(in crate::wire) fn push(
        &mut self,
        frame: Frame,
        judge: &mut Judge<'_>,
        out: &mut Vec<Frame>,
    ) -> Result<(), Broken> {
        let Some(json) = &frame.json else {
            out.push(frame);
            return Ok(());
        };
        let root = json.root();
        if frame.shape == Shape::Whole {
            let patch = self.output(root, judge)?;
            out.push(if patch.is_empty() { frame } else { frame.with_json(patch.apply(json)?) });
            return Ok(());
        }
        let index = root.get("output_index").and_then(Value::integer);
        if let (Some(index), Some(item)) = (index, root.get("item")) {
            self.judge_item(index, item, judge)?;
        }
        match index.and_then(|index| Some((index, self.barred.get(&index)?.clone()))) {
            Some((index, message)) if text_of(root, "type").as_deref() == Some("response.output_item.added") => {
                let number = root.get("sequence_number").and_then(Value::integer);
                let written = message_events(index, &message, number.map(|number| self.numbered(number)));
                self.shift += written.len() as i64 - 1;
                out.extend(written);
            }
            Some(_) => self.shift -= 1,
            None => {
                let patch = self.pass(json, judge)?;
                out.push(if patch.is_empty() { frame } else { frame.with_json(patch.apply(json)?) });
            }
        }
        Ok(())
    }

    fn numbered(&self, number: u64) -> u64 {
        number.saturating_add_signed(self.shift)
    }

    /// Judges the item at this place, once.
    fn judge_item(&mut self, index: u64, item: Value<'_>, judge: &mut Judge<'_>) -> Result<(), Broken> {
        if self.barred.contains_key(&index) || self.kept.contains(&index) {
            return Ok(());
        }
        let Some(call) = call(item) else { return Ok(()) };
        if call.name.is_empty() {
            return Err(Broken::Nameless);
        }
        match judge(&call) {
            Some(sentence) => {
                let id = format!("msg_{}", text_of(item, "id").unwrap_or_else(|| index.to_string()));
                self.barred.insert(index, message_item(&id, &sentence));
            }
            None => self.kept.push(index),
        }
        Ok(())
    }

    fn pass(&mut self, json: &Json, judge: &mut Judge<'_>) -> Result<Patch, Broken> {
        let root = json.root();
        let mut patch = Patch::default();
        if let Some(number) = root.get("sequence_number").filter(|_| self.shift != 0)
            && let Some(was) = number.integer()
        {
            patch.replace(number.span(), self.numbered(was).to_string());
        }
        if let Some(response) = root.get("response") {
            patch.append(self.output(response, judge)?);
        }
        Ok(patch)
    }

    /// Replaces the barred items of a whole output.
    fn output(&mut self, response: Value<'_>, judge: &mut Judge<'_>) -> Result<Patch, Broken> {
        let mut patch = Patch::default();
        for (index, item) in response.get("output").into_iter().flat_map(Value::items).enumerate() {
            let index = index as u64;
            self.judge_item(index, item, judge)?;
            if let Some(message) = self.barred.get(&index) {
                patch.replace(item.span(), message.clone());
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
    steps
        .iter()
        .enumerate()
        .map(|(at, (name, rest))| {
            let number =
                number.map(|number| format!("\"sequence_number\":{},", number + at as u64)).unwrap_or_default();
            Frame::written(Some(name), &format!("{{\"type\":\"{name}\",{number}\"output_index\":{index},{rest}}}"))
        })
        .collect()
}
