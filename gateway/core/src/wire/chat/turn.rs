//! The model's turn in a Chat Completions reply, as a message. Only of one choice: with several
//! nobody can tell which one the agent goes on with.

use std::collections::BTreeMap;

use crate::wire::chat::{Identity, reply};
use crate::wire::event::Shape;
use crate::wire::hold::MOST_KEPT;
use crate::wire::json::{self, Json, Kind, Value};
use crate::wire::patch::Patch;
use crate::wire::request::text_of;
use crate::wire::turn::{Answer, Called};

/// A call's place: its choice, and its number among the calls of that.
pub(in crate::wire) fn place(choice: u64, number: u64) -> u64 {
    (choice << 32) | (number & 0xffff_ffff)
}

#[derive(Debug, Clone, Default)]
pub struct Turn {
    choices: BTreeMap<u64, Choice>,
    bytes: usize,
    is_odd: bool,
}

#[derive(Debug, Clone, Default)]
struct Choice {
    /// Spelled as it came, as is the input of a call: a character may be cut in two.
    text: String,
    calls: Vec<Call>,
    /// By the provider's index, the latest call that has it; the older spelling has none.
    latest: BTreeMap<Option<u64>, usize>,
}

#[derive(Debug, Clone, Default)]
struct Call {
    identity: Identity,
    /// The entry that it began with.
    entry: String,
    input: String,
    is_custom: bool,
}

impl Turn {
    pub(in crate::wire) fn push(&mut self, root: Value<'_>, shape: Shape) {
        let said = if shape == Shape::Whole { "message" } else { "delta" };
        for (at, value) in root.get("choices").into_iter().flat_map(Value::items).enumerate() {
            let index = value.get("index").and_then(Value::integer).unwrap_or(at as u64);
            let Some(message) = value.get(said) else { continue };
            self.bytes = self.bytes.saturating_add(message.raw().len());
            let choice = self.choices.entry(index).or_default();
            let content = message.get("content").filter(|content| content.kind() == Kind::String);
            choice.text.push_str(content.map_or("", Value::inside));
            for (at, entry) in message.get("tool_calls").into_iter().flat_map(Value::items).enumerate() {
                choice.piece(Some(entry.get("index").and_then(Value::integer).unwrap_or(at as u64)), entry);
            }
            // Some servers send an empty one beside text.
            let says = |old: &Value<'_>| old.members().any(|member| member.value.text().is_some_and(|t| !t.is_empty()));
            if let Some(old) = message.get("function_call").filter(says) {
                choice.old(old);
            }
        }
        if self.bytes > MOST_KEPT {
            *self = Self { is_odd: true, bytes: self.bytes, ..Self::default() };
        }
    }

    fn call(&self, at: u64) -> Option<&Call> {
        let number = usize::try_from(at & 0xffff_ffff).ok()?;
        self.choices.get(&(at >> 32)).filter(|_| !self.is_odd)?.calls.get(number)
    }

    pub(in crate::wire) fn input(&self, at: u64) -> Option<String> {
        self.call(at).map(|call| json::unescape(&call.input))
    }

    pub(in crate::wire) fn is_custom(&self, at: u64) -> bool {
        self.call(at).is_some_and(|call| call.is_custom)
    }

    pub(in crate::wire) fn length(&self, at: u64) -> Option<usize> {
        self.call(at).map(|call| call.input.len())
    }

    pub(in crate::wire) fn calls(&self) -> Vec<Called> {
        let calls = self.choices.values().flat_map(|choice| &choice.calls).map(|call| &call.identity);
        calls.map(|call| Called { name: call.name.clone(), id: call.id.clone().unwrap_or_default() }).collect()
    }

    pub(in crate::wire) fn words(&self) -> String {
        self.choices.get(&0).map(|choice| json::unescape(&choice.text)).unwrap_or_default()
    }

    pub(in crate::wire) fn told(&self) -> Option<String> {
        let [(0, choice)] = self.choices.iter().map(|(index, choice)| (*index, choice)).collect::<Vec<_>>()[..] else {
            return None;
        };
        if self.is_odd {
            return None;
        }
        let calls: Option<Vec<String>> = choice.calls.iter().map(Call::told).collect();
        let calls = calls?;
        let content = if choice.text.is_empty() { String::from("null") } else { format!("\"{}\"", choice.text) };
        let calls = if calls.is_empty() { String::new() } else { format!(",\"tool_calls\":[{}]", calls.join(",")) };
        Some(format!("{{\"role\":\"assistant\",\"content\":{content}{calls}}}"))
    }
}

impl Choice {
    fn piece(&mut self, index: Option<u64>, entry: Value<'_>) {
        let known = self.latest.get(&index).copied().filter(|at| self.calls[*at].identity.goes_on_in(entry));
        let at = known.unwrap_or_else(|| {
            let name = reply::call(entry).map(|call| call.name).unwrap_or_default();
            self.begin(index, Identity::named(name), entry.raw())
        });
        let call = &mut self.calls[at];
        call.identity.learn(entry);
        call.is_custom |= entry.get("custom").is_some_and(|custom| !custom.is_null());
        reply::inputs(entry).for_each(|piece| call.input.push_str(piece.inside()));
    }

    fn old(&mut self, old: Value<'_>) {
        let at = self.latest.get(&None).copied().unwrap_or_else(|| {
            let name = text_of(old, "name").unwrap_or_default();
            self.begin(None, Identity::named(name), "")
        });
        let piece = old.get("arguments").map_or("", Value::inside);
        self.calls[at].input.push_str(piece);
    }

    fn begin(&mut self, index: Option<u64>, identity: Identity, entry: &str) -> usize {
        let at = self.calls.len();
        self.latest.insert(index, at);
        self.calls.push(Call { identity, entry: entry.to_owned(), ..Call::default() });
        at
    }
}

impl Call {
    /// The entry that it began with, with all of its input: whatever else a provider says there,
    /// such as a signature, it wants to see again. None for the older spelling.
    fn told(&self) -> Option<String> {
        let entry = Json::read(self.entry.clone().into()).ok()?;
        let root = entry.root();
        let (kind, member) = if self.is_custom { ("custom", "input") } else { ("function", "arguments") };
        let body = root.get(kind).filter(|body| body.kind() == Kind::Object)?;
        let input = format!("\"{}\"", self.input);
        let mut patch = Patch::default();
        match body.get(member) {
            Some(own) => patch.replace(own.span(), input),
            None => patch.add_member(body, &format!("\"{member}\":{input}")),
        }
        if root.get("type").is_none() {
            patch.add_member(root, &format!("\"type\":\"{kind}\""));
        }
        patch.remove_members(root, &["index"]);
        String::from_utf8(patch.apply(&entry).ok()?.to_vec()).ok()
    }
}

pub(in crate::wire) fn answers(answers: &[Answer]) -> String {
    let message = |answer: &Answer| {
        let (id, text) = (json::quote(&answer.id), json::quote(&answer.text));
        format!("{{\"role\":\"tool\",\"tool_call_id\":{id},\"content\":{text}}}")
    };
    answers.iter().map(message).collect::<Vec<_>>().join(",")
}
