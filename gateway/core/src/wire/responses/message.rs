//! Message items: the events by which one arrives, and how one under way is followed and closed.

use std::collections::BTreeMap;

use crate::wire::event::{Frame, Input, Substitute};
use crate::wire::json::{self, Json, Value};
use crate::wire::patch::Patch;
use crate::wire::request::text_of;

const TEXT_PART: &str = "{\"type\":\"output_text\",\"annotations\":[],\"logprobs\":[],\"text\":\"\"}";

/// Events of ours, numbered in sequence where those of the reply are.
#[derive(Debug)]
pub(super) struct Writer {
    number: Option<u64>,
    frames: Vec<Frame>,
}

impl Writer {
    /// Numbers from `number` on.
    pub(super) fn new(number: Option<u64>) -> Self {
        Self { number, frames: Vec::new() }
    }

    /// Writes an event; `rest` is what its object holds beside its type and number.
    pub(super) fn event(&mut self, name: &str, rest: &str) {
        let numbered = self.number.map(|number| format!("\"sequence_number\":{number},")).unwrap_or_default();
        self.number = self.number.map(|number| number.saturating_add(1));
        self.frames.push(Frame::written(Some(name), &format!("{{\"type\":\"{name}\",{numbered}{rest}}}")));
    }

    pub(super) fn into_frames(self) -> Vec<Frame> {
        self.frames
    }
}

/// A message of ours.
#[derive(Debug, Clone)]
pub(super) struct Own {
    pub(super) id: String,
    pub(super) sentence: String,
}

impl Own {
    /// The item, as it is when it is done.
    pub(super) fn item(&self) -> String {
        let (id, text) = (json::quote(&self.id), json::quote(&self.sentence));
        format!(
            "{{\"id\":{id},\"type\":\"message\",\"status\":\"completed\",\"role\":\"assistant\",\"content\":[{{\"type\":\"output_text\",\"annotations\":[],\"logprobs\":[],\"text\":{text}}}]}}"
        )
    }

    /// Writes the events by which it arrives.
    pub(super) fn arrive(&self, index: u64, writer: &mut Writer) {
        let id = json::quote(&self.id);
        let item = format!(
            "{{\"id\":{id},\"type\":\"message\",\"status\":\"in_progress\",\"role\":\"assistant\",\"content\":[]}}"
        );
        writer.event("response.output_item.added", &format!("\"output_index\":{index},\"item\":{item}"));
        let mut message = Message { index, id, bytes: 0, item, parts: BTreeMap::new() };
        message.say(&self.sentence, writer);
        message.close(writer);
    }
}

/// A call of ours, in the place of another.
#[derive(Debug, Clone)]
pub(super) struct OwnCall {
    pub(super) id: String,
    pub(super) call_id: String,
    pub(super) call: Substitute,
}

impl OwnCall {
    /// The item; `filled` says whether its input is in it already.
    pub(super) fn item(&self, status: &str, filled: bool) -> String {
        let (kind, member) = self.kind();
        let input = json::quote(if filled { self.call.input.as_str() } else { "" });
        let group = self.call.namespace.as_deref().map(|group| format!("\"namespace\":{},", json::quote(group)));
        format!(
            "{{\"id\":{},\"type\":\"{kind}\",\"status\":\"{status}\",\"call_id\":{},{}\"name\":{},\"{member}\":{input}}}",
            json::quote(&self.id),
            json::quote(&self.call_id),
            group.unwrap_or_default(),
            json::quote(&self.call.name),
        )
    }

    fn kind(&self) -> (&'static str, &'static str) {
        match self.call.input {
            Input::Json(_) => ("function_call", "arguments"),
            Input::Text(_) => ("custom_tool_call", "input"),
        }
    }

    /// Writes the events by which it arrives.
    pub(super) fn arrive(&self, index: u64, writer: &mut Writer) {
        let place = format!("\"output_index\":{index},");
        let of = format!("\"item_id\":{},{place}", json::quote(&self.id));
        let input = json::quote(self.call.input.as_str());
        let (kind, member) = self.kind();
        let stem = if kind == "function_call" { "function_call_arguments" } else { "custom_tool_call_input" };
        writer.event("response.output_item.added", &format!("{place}\"item\":{}", self.item("in_progress", false)));
        writer.event(&format!("response.{stem}.delta"), &format!("{of}\"delta\":{input}"));
        writer.event(&format!("response.{stem}.done"), &format!("{of}\"{member}\":{input}"));
        writer.event("response.output_item.done", &format!("{place}\"item\":{}", self.item("completed", true)));
    }
}

/// A message item that was begun and not ended.
#[derive(Debug)]
pub(super) struct Message {
    index: u64,
    /// Its id, as JSON.
    id: String,
    /// As it began.
    item: String,
    parts: BTreeMap<u64, Part>,
    bytes: usize,
}

/// A part of its content.
#[derive(Debug)]
struct Part {
    /// As it began, or as it was when it was done.
    raw: String,
    kind: Kind,
    /// What it says so far, spelled as it came: a character may be cut in two.
    text: String,
    is_blank: bool,
    annotations: Vec<String>,
    /// Whether an event began it. Some servers leave that out.
    is_announced: bool,
    /// Whether its text was repeated as a whole.
    is_said: bool,
    is_done: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Text,
    Refusal,
    Other,
}

impl Part {
    fn begin(raw: &str, is_announced: bool) -> Self {
        let json = Json::read(raw.to_owned().into()).ok();
        let root = json.as_ref().map(Json::root);
        let kind = match root.and_then(|root| text_of(root, "type")).as_deref() {
            Some("output_text") => Kind::Text,
            Some("refusal") => Kind::Refusal,
            _ => Kind::Other,
        };
        let mut part = Self {
            raw: raw.to_owned(),
            kind,
            text: String::new(),
            is_blank: true,
            annotations: Vec::new(),
            is_announced,
            is_said: false,
            is_done: false,
        };
        if let Some(begun) = root.and_then(|root| root.get(part.field())) {
            part.add(begun);
        }
        part
    }

    fn field(&self) -> &'static str {
        if self.kind == Kind::Refusal { "refusal" } else { "text" }
    }

    fn add(&mut self, delta: Value<'_>) {
        let Some(text) = delta.text() else { return };
        self.is_blank &= text.trim().is_empty();
        let raw = delta.raw();
        self.text.push_str(&raw[1..raw.len() - 1]);
    }

    /// With all that was said in it.
    fn complete(&self) -> Option<String> {
        let json = Json::read(self.raw.clone().into()).ok()?;
        let annotations = self.annotations.join(",");
        let mut members = vec![(self.field(), format!("\"{}\"", self.text))];
        if !self.annotations.is_empty() {
            members.push(("annotations", format!("[{annotations}]")));
        }
        with_members(&json, &members)
    }
}

/// The object with these members in the place of those that it has.
pub(super) fn with_members(object: &Json, members: &[(&str, String)]) -> Option<String> {
    let mut patch = Patch::default();
    for (name, value) in members {
        match object.root().get(name) {
            Some(was) => patch.replace(was.span(), value.as_str()),
            None => patch.add_member(object.root(), &format!("\"{name}\":{value}")),
        }
    }
    let bytes = patch.apply(object).ok()?;
    Some(String::from_utf8_lossy(&bytes).into_owned())
}

impl Message {
    /// Follows the item that an event began.
    pub(super) fn begin(index: u64, item: Value<'_>) -> Self {
        let id = item.get("id").map_or("\"\"", Value::raw).to_owned();
        let item = item.raw().to_owned();
        Self { index, id, bytes: item.len(), item, parts: BTreeMap::new() }
    }

    /// Bytes that it takes.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Takes an event of the item.
    pub(super) fn note(&mut self, kind: &str, event: Value<'_>) {
        let at = event.get("content_index").and_then(Value::integer).unwrap_or_default();
        let known = self.parts.get_mut(&at);
        match kind {
            "response.content_part.added" => {
                let raw = event.get("part").map_or(TEXT_PART, Value::raw);
                self.parts.insert(at, Part::begin(raw, true));
            }
            "response.content_part.done" => {
                let raw = event.get("part").map_or(TEXT_PART, Value::raw);
                self.parts.insert(at, Part { is_done: true, ..Part::begin(raw, true) });
            }
            "response.output_text.delta" | "response.refusal.delta" => {
                let part = self.parts.entry(at).or_insert_with(|| Part::begin(TEXT_PART, false));
                if let Some(delta) = event.get("delta") {
                    part.add(delta);
                }
            }
            "response.output_text.done" | "response.refusal.done" => {
                if let Some(part) = known {
                    part.is_said = true;
                }
            }
            "response.output_text.annotation.added" => {
                if let (Some(part), Some(annotation)) = (known, event.get("annotation")) {
                    part.annotations.push(annotation.raw().to_owned());
                }
            }
            _ => return,
        }
        self.bytes += event.raw().len();
    }

    /// Whether nothing was said in it yet, and something may be.
    pub(super) fn is_blank(&self) -> bool {
        self.parts.values().all(|part| part.kind == Kind::Text && part.is_blank && !part.is_said && !part.is_done)
    }

    /// Whether each part is of a kind that we know, and worth keeping: an empty refusal is not.
    pub(super) fn may_be_closed(&self) -> bool {
        self.parts.values().all(|part| match part.kind {
            _ if part.is_done => true,
            Kind::Text => true,
            Kind::Refusal => !part.is_blank,
            Kind::Other => false,
        })
    }

    /// Says something in a message that is blank.
    pub(super) fn say(&mut self, sentence: &str, writer: &mut Writer) {
        if self.parts.is_empty() {
            writer.event("response.content_part.added", &format!("{}\"part\":{TEXT_PART}", self.place(0)));
            self.parts.insert(0, Part::begin(TEXT_PART, true));
        }
        let at = self.parts.keys().next().copied().unwrap_or_default();
        let text = json::escape(sentence);
        writer.event("response.output_text.delta", &format!("{}\"logprobs\":[],\"delta\":\"{text}\"", self.place(at)));
        if let Some(part) = self.parts.get_mut(&at) {
            part.text.push_str(&text);
        }
    }

    /// Ends what is open of it; returns the item as it then is.
    pub(super) fn close(&self, writer: &mut Writer) -> Option<String> {
        let mut content = Vec::new();
        for (at, part) in &self.parts {
            if part.is_done {
                content.push(part.raw.clone());
                continue;
            }
            let (place, text, complete) = (self.place(*at), &part.text, part.complete()?);
            match part.kind {
                _ if part.is_said => {}
                Kind::Text => {
                    writer.event("response.output_text.done", &format!("{place}\"logprobs\":[],\"text\":\"{text}\""));
                }
                Kind::Refusal => writer.event("response.refusal.done", &format!("{place}\"refusal\":\"{text}\"")),
                Kind::Other => return None,
            }
            if part.is_announced {
                writer.event("response.content_part.done", &format!("{place}\"part\":{complete}"));
            }
            content.push(complete);
        }
        let item = Json::read(self.item.clone().into()).ok()?;
        let members = [("status", String::from("\"completed\"")), ("content", format!("[{}]", content.join(",")))];
        let item = with_members(&item, &members)?;
        writer.event("response.output_item.done", &format!("\"output_index\":{},\"item\":{item}", self.index));
        Some(item)
    }

    /// Where a part stands, as its events say it.
    fn place(&self, part: u64) -> String {
        format!("\"output_index\":{},\"item_id\":{},\"content_index\":{part},", self.index, self.id)
    }
}
