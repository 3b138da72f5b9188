//! The model's turn in a Messages reply, as a message.

use std::collections::BTreeMap;

use crate::wire::event::Shape;
use crate::wire::hold::MOST_KEPT;
use crate::wire::json::{self, Json, Kind, Value};
use crate::wire::patch::Patch;
use crate::wire::request::text_of;
use crate::wire::turn::{Answer, Called};

#[derive(Debug, Clone, Default)]
pub struct Turn {
    blocks: BTreeMap<u64, Block>,
    bytes: usize,
    /// Whether something came that cannot be told again.
    is_odd: bool,
}

#[derive(Debug, Clone, Default)]
struct Block {
    /// As it began.
    start: String,
    /// What was added to its strings, spelled as it came, by the string's name.
    added: BTreeMap<&'static str, String>,
    /// The input of a call, spelled as it came: a character may be cut in two.
    input: String,
    citations: Vec<String>,
}

/// Strings of a block that grow, and the deltas that they grow by.
const GROWING: &[(&str, &str)] =
    &[("text_delta", "text"), ("thinking_delta", "thinking"), ("signature_delta", "signature")];

impl Turn {
    pub(in crate::wire) fn push(&mut self, root: Value<'_>, shape: Shape) {
        if shape == Shape::Whole {
            for (at, block) in root.get("content").into_iter().flat_map(Value::items).enumerate() {
                self.begin(at as u64, block);
            }
            return;
        }
        let Some(index) = root.get("index").and_then(Value::integer) else { return };
        match text_of(root, "type").as_deref() {
            Some("content_block_start") => {
                if let Some(block) = root.get("content_block") {
                    self.begin(index, block);
                }
            }
            Some("content_block_delta") => {
                if let Some(delta) = root.get("delta") {
                    self.grow(index, delta);
                }
            }
            _ => {}
        }
    }

    fn begin(&mut self, index: u64, block: Value<'_>) {
        self.is_odd |= self.blocks.contains_key(&index);
        self.add(block.raw().len());
        self.blocks.insert(index, Block { start: block.raw().to_owned(), ..Block::default() });
    }

    fn grow(&mut self, index: u64, delta: Value<'_>) {
        self.add(delta.raw().len());
        let kind = text_of(delta, "type").unwrap_or_default();
        let Some(block) = self.blocks.get_mut(&index).filter(|_| !self.is_odd) else {
            self.is_odd = true;
            return;
        };
        if let Some((_, name)) = GROWING.iter().find(|(known, _)| *known == kind) {
            let Some(piece) = delta.get(name).filter(|piece| piece.kind() == Kind::String) else { return };
            block.added.entry(name).or_default().push_str(piece.inside());
            return;
        }
        match kind.as_str() {
            "input_json_delta" => {
                block.input.push_str(delta.get("partial_json").map_or("", Value::inside));
            }
            "citations_delta" => {
                block.citations.extend(delta.get("citation").map(|citation| citation.raw().to_owned()));
            }
            _ => self.is_odd = true,
        }
    }

    fn add(&mut self, bytes: usize) {
        self.bytes = self.bytes.saturating_add(bytes);
        if self.bytes > MOST_KEPT {
            self.is_odd = true;
            self.blocks.clear();
        }
    }

    pub(in crate::wire) fn input(&self, at: u64) -> Option<String> {
        let block = self.blocks.get(&at).filter(|_| !self.is_odd)?;
        let start = Json::read(block.start.clone().into()).ok()?;
        let begun = start.root().get("input").map_or("{}", Value::raw);
        let is_empty = begun.bytes().filter(|byte| !byte.is_ascii_whitespace()).eq(*b"{}");
        match (is_empty, block.input.trim().is_empty()) {
            (_, true) => Some(begun.to_owned()),
            (true, false) => Some(json::unescape(&block.input)),
            // Some readers begin with the one and some with the other.
            (false, false) => None,
        }
    }

    pub(in crate::wire) fn length(&self, at: u64) -> Option<usize> {
        self.blocks.get(&at).filter(|_| !self.is_odd).map(|block| block.input.len())
    }

    pub(in crate::wire) fn calls(&self) -> Vec<Called> {
        let starts = self.blocks.values().filter_map(|block| Json::read(block.start.clone().into()).ok());
        let calls = starts.filter(|start| text_of(start.root(), "type").as_deref() == Some("tool_use"));
        let text = |start: &Json, name| text_of(start.root(), name).unwrap_or_default();
        calls.map(|start| Called { name: text(&start, "name"), id: text(&start, "id") }).collect()
    }

    pub(in crate::wire) fn words(&self) -> String {
        let mut words = String::new();
        for block in self.blocks.values() {
            let Ok(start) = Json::read(block.start.clone().into()) else { continue };
            if text_of(start.root(), "type").as_deref() == Some("text") {
                words.push_str(&text_of(start.root(), "text").unwrap_or_default());
                words.push_str(&json::unescape(block.added.get("text").map_or("", String::as_str)));
            }
        }
        words
    }

    pub(in crate::wire) fn told(&self) -> Option<String> {
        if self.is_odd {
            return None;
        }
        let mut blocks = Vec::with_capacity(self.blocks.len());
        for (at, block) in &self.blocks {
            blocks.extend(self.block(*at, block)?);
        }
        Some(format!("{{\"role\":\"assistant\",\"content\":[{}]}}", blocks.join(",")))
    }

    /// A block as it was when it was whole; nothing where it says nothing, for an empty text is
    /// refused by the provider that sent it.
    fn block(&self, at: u64, block: &Block) -> Option<Option<String>> {
        let start = Json::read(block.start.clone().into()).ok()?;
        let root = start.root();
        let mut patch = Patch::default();
        for (name, added) in &block.added {
            match root.get(name) {
                Some(string) if string.kind() == Kind::String => patch.insert(string.span().end - 1, added.as_str()),
                Some(other) => patch.replace(other.span(), format!("\"{added}\"")),
                None => patch.add_member(root, &format!("\"{name}\":\"{added}\"")),
            }
        }
        if !block.citations.is_empty() {
            let citations = block.citations.join(",");
            match root.get("citations") {
                Some(list) if list.kind() == Kind::Array => patch.add_item(list, &citations),
                Some(other) => patch.replace(other.span(), format!("[{citations}]")),
                None => patch.add_member(root, &format!("\"citations\":[{citations}]")),
            }
        }
        let kind = text_of(root, "type").unwrap_or_default();
        if kind.ends_with("tool_use") {
            let input = self.input(at)?;
            let is_object = Json::read(input.clone().into()).is_ok_and(|json| json.root().kind() == Kind::Object);
            // What cannot be read cannot be told again; the answer says what was wrong with it.
            let input = if is_object { input } else { String::from("{}") };
            match root.get("input") {
                Some(own) => patch.replace(own.span(), input),
                None => patch.add_member(root, &format!("\"input\":{input}")),
            }
        }
        let has_text = block.added.get("text").is_some_and(|text| !text.is_empty());
        if kind == "text" && !has_text && text_of(root, "text").is_none_or(|text| text.is_empty()) {
            return Some(None);
        }
        let bytes = patch.apply(&start).ok()?;
        Some(Some(String::from_utf8(bytes.to_vec()).ok()?))
    }
}

/// The block that answers a call.
pub(in crate::wire) fn answer(answer: &Answer) -> String {
    let error = if answer.is_error { ",\"is_error\":true" } else { "" };
    let (id, text) = (json::quote(&answer.id), json::quote(&answer.text));
    format!("{{\"type\":\"tool_result\",\"tool_use_id\":{id},\"content\":{text}{error}}}")
}

pub(in crate::wire) fn answers(answers: &[Answer]) -> String {
    let blocks: Vec<String> = answers.iter().map(answer).collect();
    format!("{{\"role\":\"user\",\"content\":[{}]}}", blocks.join(","))
}
