//! What a request tells, piece by piece, in any dialect.

use std::borrow::Cow;
use std::collections::HashMap;

use crate::wire::Dialect;
use crate::wire::json::{Json, Value};
use crate::wire::request::Request;

/// So many messages before the new ones are searched for the calls that new results answer.
const BACK: usize = 64;

/// A call, as it was made.
#[derive(Debug)]
pub(super) struct Call<'a> {
    pub name: Cow<'a, str>,
    pub namespace: Option<Cow<'a, str>>,
    /// The arguments: a JSON object, or what a tool takes that is called with text.
    pub input: Cow<'a, str>,
}

/// One thing that is told.
#[derive(Debug)]
pub(super) enum Piece<'a> {
    /// The agent says how it works, and where.
    System(Cow<'a, str>),
    /// A person says something, or the agent for one.
    User(Cow<'a, str>),
    /// A call was answered.
    Result { call: usize, text: String, failed: bool },
}

/// What was told.
#[derive(Debug, Default)]
pub(super) struct Told<'a> {
    pub calls: Vec<Call<'a>>,
    pub pieces: Vec<Piece<'a>>,
    ids: HashMap<String, usize>,
}

/// How many messages, or items, a request has.
pub(super) fn length(request: &Request) -> usize {
    list(request).count()
}

fn list(request: &Request) -> impl Iterator<Item = Value<'_>> {
    let member = if request.dialect == Dialect::Responses { "input" } else { "messages" };
    request.json.root().get(member).into_iter().flat_map(Value::items)
}

/// What the messages from this one on tell.
pub(super) fn read(request: &Request, from: usize) -> Told<'_> {
    let mut told = Told::default();
    let root = request.json.root();
    if from == 0 {
        for text in ["system", "instructions"].iter().filter_map(|name| root.get(name)).flat_map(texts) {
            told.pieces.push(Piece::System(text));
        }
        if let Some(text) = root.get("input").and_then(Value::text) {
            told.pieces.push(Piece::User(text));
        }
    }
    for (index, message) in list(request).enumerate().skip(from.saturating_sub(BACK)) {
        told.calls_of(request.dialect, message);
        if index >= from {
            told.message(request.dialect, message);
        }
    }
    told
}

impl<'a> Told<'a> {
    fn calls_of(&mut self, dialect: Dialect, message: Value<'a>) {
        match dialect {
            Dialect::Messages => {
                let blocks = message.get("content").into_iter().flat_map(Value::items);
                blocks.for_each(|block| self.call(block.get("id"), block, &["input"]));
            }
            Dialect::Chat => {
                for call in message.get("tool_calls").into_iter().flat_map(Value::items) {
                    if let Some(function) = call.get("function").or_else(|| call.get("custom")) {
                        self.call(call.get("id"), function, &["arguments", "input"]);
                    }
                }
            }
            Dialect::Responses => {
                let is_call = word(message, "type").is_some_and(|kind| kind.ends_with("_call"));
                if is_call {
                    self.call(message.get("call_id"), message, &["arguments", "input", "action"]);
                }
            }
        }
    }

    fn call(&mut self, id: Option<Value<'a>>, value: Value<'a>, inputs: &[&str]) {
        let Some(id) = id.and_then(Value::text) else { return };
        let Some(input) = inputs.iter().find_map(|name| value.get(name)) else { return };
        let Some(name) = value.get("name").or_else(|| value.get("type")).and_then(Value::text) else { return };
        let input = input.text().unwrap_or_else(|| input.raw().into());
        self.ids.insert(id.into_owned(), self.calls.len());
        self.calls.push(Call { name, namespace: value.get("namespace").and_then(Value::text), input });
    }

    fn message(&mut self, dialect: Dialect, message: Value<'a>) {
        let kind = word(message, "type");
        if let Some(output) = message.get("output").filter(|_| kind.is_some_and(|kind| kind.ends_with("_output"))) {
            self.result(message.get("call_id"), output, false);
            return;
        }
        let Some(content) = message.get("content") else { return };
        match word(message, "role").as_deref() {
            Some("system" | "developer") => self.pieces.extend(texts(content).into_iter().map(Piece::System)),
            Some("tool" | "function") => self.result(message.get("tool_call_id"), content, false),
            Some("user") => {
                self.pieces.extend(texts(content).into_iter().map(Piece::User));
                let is_result = |block: &Value<'a>| word(*block, "type").is_some_and(|kind| kind == "tool_result");
                for block in content.items().filter(|_| dialect == Dialect::Messages).filter(is_result) {
                    let failed = block.get("is_error").is_some_and(Value::is_true);
                    if let Some(content) = block.get("content") {
                        self.result(block.get("tool_use_id"), content, failed);
                    }
                }
            }
            _ => {}
        }
    }

    fn result(&mut self, id: Option<Value<'a>>, content: Value<'a>, failed: bool) {
        let Some(call) = id.and_then(Value::text).and_then(|id| self.ids.get(&*id).copied()) else { return };
        let mut text = texts(content).join("\n");
        // What a shell of the provider's kind printed stands one level deeper.
        for part in content.items() {
            if let Some(printed) = part.get("stdout").and_then(Value::text) {
                text.push_str(&printed);
            }
        }
        self.pieces.push(Piece::Result { call, text: unwrapped(text), failed });
    }
}

/// Some agents put what a command printed into an object of their own.
fn unwrapped(text: String) -> String {
    if !text.starts_with('{') || !text.contains("\"output\"") && !text.contains("\"stdout\"") {
        return text;
    }
    let Ok(json) = Json::read(text.clone().into()) else { return text };
    let inside = ["output", "stdout"].iter().find_map(|name| json.root().get(name)?.text());
    inside.map_or(text, Cow::into_owned)
}

fn word<'a>(value: Value<'a>, name: &str) -> Option<Cow<'a, str>> {
    value.get(name).and_then(Value::text)
}

/// The texts of a content: itself, or those of its parts.
fn texts(content: Value<'_>) -> Vec<Cow<'_, str>> {
    let parts = content.items().filter_map(|part| part.get("text").and_then(Value::text));
    content.text().into_iter().chain(parts).collect()
}
