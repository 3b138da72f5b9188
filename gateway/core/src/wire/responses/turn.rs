//! The model's turn in a Responses reply, as items.

use std::collections::BTreeMap;

use crate::wire::event::Shape;
use crate::wire::hold::MOST_KEPT;
use crate::wire::json::{self, Json, Value};
use crate::wire::patch::Patch;
use crate::wire::request::text_of;
use crate::wire::responses::reply::is_run_by_agent;
use crate::wire::turn::{Answer, Called};

#[derive(Debug, Clone, Default)]
pub struct Turn {
    /// By output index: the item when it was done.
    items: BTreeMap<u64, String>,
    /// The pieces of a call's input, spelled as they came, and what the last one says that they
    /// come to.
    pieces: BTreeMap<u64, String>,
    sums: BTreeMap<u64, String>,
    bytes: usize,
    is_odd: bool,
}

impl Turn {
    pub(in crate::wire) fn push(&mut self, root: Value<'_>, shape: Shape) {
        if shape == Shape::Whole {
            self.output(root);
            return;
        }
        if let Some(response) = root.get("response") {
            self.output(response);
        }
        let Some(index) = root.get("output_index").and_then(Value::integer) else { return };
        let kind = text_of(root, "type").unwrap_or_default();
        match kind.as_str() {
            "response.output_item.done" => {
                if let Some(item) = root.get("item") {
                    self.done(index, item);
                }
            }
            "response.function_call_arguments.delta" | "response.custom_tool_call_input.delta" => {
                let piece = root.get("delta").map_or("", Value::inside);
                self.add(piece.len());
                self.pieces.entry(index).or_default().push_str(piece);
            }
            "response.function_call_arguments.done" | "response.custom_tool_call_input.done" => {
                let whole = root.get("arguments").or_else(|| root.get("input")).and_then(Value::text);
                let whole = whole.unwrap_or_default();
                self.add(whole.len());
                let before = self.sums.insert(index, whole.clone().into_owned());
                self.is_odd |= before.is_some_and(|before| before != *whole);
            }
            _ => {}
        }
    }

    /// The items of a whole output: those that are known must be the same.
    fn output(&mut self, response: Value<'_>) {
        for (index, item) in response.get("output").into_iter().flat_map(Value::items).enumerate() {
            self.done(index as u64, item);
        }
    }

    fn done(&mut self, index: u64, item: Value<'_>) {
        match self.items.get(&index).map(|known| Json::read(known.clone().into())) {
            None => {
                self.add(item.raw().len());
                self.items.insert(index, item.raw().to_owned());
            }
            Some(Ok(known)) => self.is_odd |= input_of(known.root()) != input_of(item),
            Some(Err(_)) => self.is_odd = true,
        }
    }

    fn add(&mut self, bytes: usize) {
        self.bytes = self.bytes.saturating_add(bytes);
        if self.bytes > MOST_KEPT {
            *self = Self { is_odd: true, bytes: self.bytes, ..Self::default() };
        }
    }

    /// All that told of the input must agree: readers differ in which they go by.
    pub(in crate::wire) fn input(&self, at: u64) -> Option<String> {
        if self.is_odd {
            return None;
        }
        let item = self.items.get(&at).and_then(|item| Json::read(item.clone().into()).ok());
        let item = item.and_then(|item| input_of(item.root()));
        let told = [item, self.sums.get(&at).cloned(), self.pieces.get(&at).map(|pieces| json::unescape(pieces))];
        let mut told = told.into_iter().flatten();
        let first = told.next()?;
        told.all(|other| other == first).then_some(first)
    }

    pub(in crate::wire) fn is_custom(&self, at: u64) -> bool {
        let item = self.items.get(&at).and_then(|item| Json::read(item.clone().into()).ok());
        item.is_some_and(|item| text_of(item.root(), "type").as_deref() == Some("custom_tool_call"))
    }

    pub(in crate::wire) fn length(&self, at: u64) -> Option<usize> {
        if self.is_odd { None } else { Some(self.pieces.get(&at).map_or(0, String::len)) }
    }

    pub(in crate::wire) fn calls(&self) -> Vec<Called> {
        let items = self.items.values().filter_map(|item| Json::read(item.clone().into()).ok());
        let calls = items.filter(|item| is_run_by_agent(item.root()));
        let text =
            |item: &Json, names: &[&str]| names.iter().find_map(|name| text_of(item.root(), name)).unwrap_or_default();
        // A tool that the provider defines has no name but its type.
        calls.map(|item| Called { name: text(&item, &["name", "type"]), id: text(&item, &["call_id"]) }).collect()
    }

    pub(in crate::wire) fn words(&self) -> String {
        let mut words = String::new();
        for item in self.items.values().filter_map(|item| Json::read(item.clone().into()).ok()) {
            if text_of(item.root(), "type").as_deref() == Some("message") {
                let parts = item.root().get("content").into_iter().flat_map(Value::items);
                parts.filter_map(|part| text_of(part, "text")).for_each(|text| words.push_str(&text));
            }
        }
        words
    }

    pub(in crate::wire) fn told(&self) -> Option<String> {
        if self.is_odd {
            return None;
        }
        let items: Option<Vec<Json>> = self.items.values().map(|item| Json::read(item.clone().into()).ok()).collect();
        let items = items?;
        // A thought that is not told in a sealed form is kept by the provider, or by nobody; then
        // neither it nor what refers to it by an id can be sent.
        let is_lost = |item: &Json| {
            let sealed = item.root().get("encrypted_content").is_some_and(|sealed| !sealed.is_null());
            text_of(item.root(), "type").as_deref() == Some("reasoning") && !sealed
        };
        let any_lost = items.iter().any(is_lost);
        let mut told = Vec::with_capacity(items.len());
        for item in items.iter().filter(|item| !is_lost(item)) {
            let mut patch = Patch::default();
            patch.remove_members(item.root(), if any_lost { &["id", "status"] } else { &["status"] });
            told.push(String::from_utf8(patch.apply(item).ok()?.to_vec()).ok()?);
        }
        // Of nothing there is nothing to go on from.
        (!told.is_empty()).then(|| told.join(","))
    }
}

/// What a call is to run, in whichever of its members that stands.
fn input_of(item: Value<'_>) -> Option<String> {
    let text = |field| text_of(item, field);
    text("arguments").or_else(|| text("input")).or_else(|| {
        let inside = item.get("action").or_else(|| item.get("operation"))?;
        Some(inside.raw().to_owned())
    })
}

pub(in crate::wire) fn answers(answers: &[Answer]) -> String {
    let item = |answer: &Answer| {
        let kind = if answer.is_custom { "custom_tool_call_output" } else { "function_call_output" };
        let (id, text) = (json::quote(&answer.id), json::quote(&answer.text));
        format!("{{\"type\":\"{kind}\",\"call_id\":{id},\"output\":{text}}}")
    };
    answers.iter().map(item).collect::<Vec<_>>().join(",")
}
