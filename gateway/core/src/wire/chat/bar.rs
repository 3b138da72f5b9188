//! Takes barred calls out of a Chat Completions reply.
//!
//! Calls arrive in pieces, by choice and index, several to a chunk. Barred entries go; those
//! that stay are numbered anew, for SDKs put calls together by their place. The sentence joins
//! the text of the same choice.

use std::collections::BTreeMap;

use crate::wire::event::Call;
use crate::wire::json::{self, Kind, Value};
use crate::wire::patch::Patch;
use crate::wire::request::text_of;
use crate::wire::{Broken, Judge, Leaves, chat::reply, plainly_spelled};

#[derive(Debug, Default)]
pub struct Bar {
    choices: BTreeMap<u64, Choice>,
}

/// One of the replies asked for; nearly always the only one.
#[derive(Debug, Default)]
struct Choice {
    /// By the provider's index: what became of the call.
    calls: BTreeMap<u64, Fate>,
    /// The call in the older spelling, of which there is one at the most.
    old: Option<Fate>,
    kept: u64,
    barred: u64,
    wrote_text: bool,
}

#[derive(Debug, Clone)]
struct Fate {
    id: Option<String>,
    name: String,
    /// Whether any of its input came yet.
    has_input: bool,
    /// Its number among the calls that stay; none when it is barred.
    place: Option<u64>,
}

/// What a message says of refused calls, and which of its members go.
#[derive(Default)]
struct Cut {
    sentences: Vec<String>,
    gone: Vec<&'static str>,
}

/// Keys that a call is judged by, and those of what it stands in.
const KNOWN_IN_CALL: &[&str] = &["index", "id", "type", "function", "custom", "name"];
const KNOWN: &[&str] = &["choices", "delta", "message", "tool_calls", "function_call", "content", "finish_reason"];

/// Whether an entry is a further piece of a call, and not one of its own. Providers are careless
/// about ids; two calls of one number are told apart by their names, once the first has input.
fn is_piece_of(fate: &Fate, id: Option<&str>, call: Option<&Call>, has_input: bool) -> bool {
    let Some(call) = call else { return true };
    let same_id = id.is_none() || fate.id.is_none() || fate.id.as_deref() == id;
    let is_next = id.is_none() && call.name != fate.name && fate.has_input && has_input;
    same_id && !is_next
}

impl Bar {
    pub(in crate::wire) fn judge(&mut self, root: Value<'_>, judge: &mut Judge<'_>) -> Result<Leaves, Broken> {
        plainly_spelled(root, KNOWN)?;
        let mut patch = Patch::default();
        for (at, value) in root.get("choices").into_iter().flat_map(Value::items).enumerate() {
            let index = value.get("index").and_then(Value::integer).unwrap_or(at as u64);
            let choice = self.choices.entry(index).or_default();
            let inside = [value.get("delta"), value.get("message")];
            for object in inside.into_iter().flatten().chain([value]) {
                plainly_spelled(object, KNOWN)?;
            }
            // A chunk has a `delta`, a whole reply a `message`; nothing stops a provider from both.
            for message in ["delta", "message"].iter().filter_map(|field| value.get(field)) {
                choice.message(message, judge, &mut patch)?;
            }
            choice.mend_stop(value, &mut patch);
        }
        Ok(Leaves::Patched(patch))
    }
}

impl Choice {
    fn message(&mut self, message: Value<'_>, judge: &mut Judge<'_>, patch: &mut Patch) -> Result<(), Broken> {
        let mut cut = Cut::default();
        if let Some(list) = message.get("tool_calls").filter(|list| !list.is_null()) {
            if list.kind() != Kind::Array {
                return Err(Broken::Misplaced);
            }
            self.list(list, judge, &mut cut, patch)?;
        }
        self.old_call(message, judge, &mut cut)?;
        match (message.get("content"), cut.gone.first().and_then(|name| message.member(name))) {
            // Where the call was may be the only member there is, so the text takes its place.
            (None, Some(call)) if !cut.sentences.is_empty() => {
                let text = json::quote(&self.speak(false, &cut.sentences));
                patch.replace(call.span(), format!("\"content\":{text}"));
                cut.gone.remove(0);
            }
            (content, _) => self.say(message, content, &cut.sentences, patch),
        }
        patch.remove_members(message, &cut.gone);
        Ok(())
    }

    fn list(&mut self, list: Value<'_>, judge: &mut Judge<'_>, cut: &mut Cut, patch: &mut Patch) -> Result<(), Broken> {
        let mut barred = Vec::new();
        for (at, entry) in list.items().enumerate() {
            let bodies = [entry.get("function"), entry.get("custom")];
            for object in bodies.into_iter().flatten().chain([entry]) {
                plainly_spelled(object, KNOWN_IN_CALL)?;
            }
            // With both, which name counts depends on the reader.
            if bodies.iter().flatten().filter(|body| !body.is_null()).count() > 1 {
                return Err(Broken::Misplaced);
            }
            let index = entry.get("index").and_then(Value::integer).unwrap_or(at as u64);
            let id = text_of(entry, "id").filter(|id| !id.is_empty());
            let (call, has_input) = (reply::call(entry), reply::inputs(entry).next().is_some());
            let known =
                self.calls.get(&index).filter(|fate| is_piece_of(fate, id.as_deref(), call.as_ref(), has_input));
            let mut fate = self.fate(known.cloned(), call, judge, cut)?;
            fate.id = fate.id.or(id);
            fate.has_input |= has_input;
            barred.push(fate.place.is_none());
            // Without a barred call the provider's own numbers are as good as ours.
            if let (Some(place), Some(number)) = (fate.place, entry.get("index"))
                && self.barred > 0
                && number.integer() != Some(place)
            {
                patch.replace(number.span(), place.to_string());
            }
            self.calls.insert(index, fate);
        }
        if !barred.is_empty() && barred.iter().all(|barred| *barred) {
            cut.gone.push("tool_calls");
        } else {
            patch.remove_items(list, |at| barred[at]);
        }
        Ok(())
    }

    /// What becomes of a piece of a call. A call that changes its name has two, and cannot be judged.
    fn fate(
        &mut self,
        known: Option<Fate>,
        call: Option<Call>,
        judge: &mut Judge<'_>,
        cut: &mut Cut,
    ) -> Result<Fate, Broken> {
        match (known, call) {
            (Some(fate), Some(call)) if fate.name != call.name => Err(Broken::Misplaced),
            (Some(fate), _) => Ok(fate),
            (None, None) => Err(Broken::Nameless),
            (None, Some(call)) => {
                let verdict = judge(&call);
                let place = if verdict.is_none() { Some(self.kept) } else { None };
                self.kept += u64::from(verdict.is_none());
                self.barred += u64::from(verdict.is_some());
                cut.sentences.extend(verdict);
                Ok(Fate { id: None, name: call.name, has_input: false, place })
            }
        }
    }

    /// The older spelling: one call a reply, outside the list.
    fn old_call(&mut self, message: Value<'_>, judge: &mut Judge<'_>, cut: &mut Cut) -> Result<(), Broken> {
        let Some(old) = message.get("function_call").filter(|old| !old.is_null()) else { return Ok(()) };
        plainly_spelled(old, KNOWN_IN_CALL)?;
        let name = text_of(old, "name").filter(|name| !name.is_empty());
        let call = name.map(|name| Call { name, namespace: None });
        let known = self.old.take();
        // Some servers send an empty one beside text.
        if known.is_none() && call.is_none() && text_of(old, "arguments").is_none_or(|text| text.is_empty()) {
            return Ok(());
        }
        let fate = self.fate(known, call, judge, cut)?;
        if fate.place.is_none() {
            cut.gone.push("function_call");
        }
        self.old = Some(fate);
        Ok(())
    }

    /// Puts the sentences behind the text that the message has, or gives it text.
    fn say(&mut self, message: Value<'_>, content: Option<Value<'_>>, sentences: &[String], patch: &mut Patch) {
        let has_text = content.and_then(Value::text).is_some_and(|text| !text.is_empty());
        if sentences.is_empty() {
            self.wrote_text |= has_text;
            return;
        }
        let text = self.speak(has_text, sentences);
        match content {
            Some(content) if content.text().is_some() => patch.insert(content.span().end - 1, json::escape(&text)),
            Some(content) => patch.replace(content.span(), json::quote(&text)),
            None => patch.add_member(message, &format!("\"content\":{}", json::quote(&text))),
        }
    }

    /// The sentences as text, in a paragraph of their own when text went before.
    fn speak(&mut self, has_text: bool, sentences: &[String]) -> String {
        let lead = if self.wrote_text || has_text { "\n\n" } else { "" };
        self.wrote_text = true;
        format!("{lead}{}", sentences.join("\n"))
    }

    fn mend_stop(&self, value: Value<'_>, patch: &mut Patch) {
        let Some(reason) = value.get("finish_reason") else { return };
        let for_calls = reason.text().is_some_and(|reason| reason == "tool_calls" || reason == "function_call");
        if for_calls && self.kept == 0 && self.barred > 0 {
            patch.replace(reason.span(), "\"stop\"");
        }
    }
}
