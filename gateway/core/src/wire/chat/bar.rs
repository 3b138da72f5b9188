//! Takes barred calls out of a Chat Completions reply.
//!
//! Calls arrive in pieces, by choice and index, several to a chunk. Barred entries go; those
//! that stay are numbered anew, for SDKs put calls together by their place. The sentence joins
//! the text of the same choice.

use std::collections::BTreeMap;

use crate::wire::event::{Frame, Shape};
use crate::wire::json::{self, Json, Value};
use crate::wire::patch::Patch;
use crate::wire::request::text_of;
use crate::wire::{Broken, Judge, chat::reply};

#[derive(Debug, Default)]
pub struct Bar {
    choices: BTreeMap<u64, Choice>,
}

/// One of the replies asked for; nearly always the only one.
#[derive(Debug, Default)]
struct Choice {
    /// By the provider's index: what became of the call.
    calls: BTreeMap<u64, Fate>,
    kept: u64,
    barred: u64,
    wrote_text: bool,
}

#[derive(Debug, Clone)]
struct Fate {
    id: Option<String>,
    /// Its number among the calls that stay; none when it is barred.
    place: Option<u64>,
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
        let patch = self.patch(json, frame.shape, judge)?;
        out.push(if patch.is_empty() { frame } else { frame.with_json(patch.apply(json)?) });
        Ok(())
    }

    fn patch(&mut self, json: &Json, shape: Shape, judge: &mut Judge<'_>) -> Result<Patch, Broken> {
        let mut patch = Patch::default();
        let field = if shape == Shape::Whole { "message" } else { "delta" };
        for (at, value) in json.root().get("choices").into_iter().flat_map(Value::items).enumerate() {
            let index = value.get("index").and_then(Value::integer).unwrap_or(at as u64);
            let choice = self.choices.entry(index).or_default();
            if let Some(message) = value.get(field) {
                choice.message(message, judge, &mut patch)?;
            }
            choice.mend_stop(value, &mut patch);
        }
        Ok(patch)
    }
}

impl Choice {
    fn message(&mut self, message: Value<'_>, judge: &mut Judge<'_>, patch: &mut Patch) -> Result<(), Broken> {
        let mut sentences = Vec::new();
        let mut gone = Vec::new();
        if let Some(list) = message.get("tool_calls") {
            let mut barred = Vec::new();
            for (at, entry) in list.items().enumerate() {
                let fate = self.fate(at as u64, entry, judge, &mut sentences)?;
                barred.push(fate.place.is_none());
                if let (Some(place), Some(index)) = (fate.place, entry.get("index"))
                    && index.integer() != Some(place)
                {
                    patch.replace(index.span(), place.to_string());
                }
            }
            if !barred.is_empty() && barred.iter().all(|barred| *barred) {
                gone.push("tool_calls");
            } else {
                patch.remove_items(list, |at| barred[at]);
            }
        }
        self.old_call(message, judge, &mut sentences, &mut gone)?;
        match (message.get("content"), gone.first().and_then(|name| message.member(name))) {
            // Where the call was may be the only member there is, so the text takes its place.
            (None, Some(call)) if !sentences.is_empty() => {
                let text = json::quote(&self.speak(false, &sentences));
                patch.replace(call.span(), format!("\"content\":{text}"));
                gone.remove(0);
            }
            (content, _) => self.say(message, content, &sentences, patch),
        }
        patch.remove_members(message, &gone);
        Ok(())
    }

    fn fate(
        &mut self,
        at: u64,
        entry: Value<'_>,
        judge: &mut Judge<'_>,
        sentences: &mut Vec<String>,
    ) -> Result<Fate, Broken> {
        let index = entry.get("index").and_then(Value::integer).unwrap_or(at);
        let id = text_of(entry, "id").filter(|id| !id.is_empty());
        let known = self.calls.get(&index).filter(|fate| id.is_none() || fate.id == id);
        if let Some(fate) = known {
            return Ok(fate.clone());
        }
        let call = reply::call(entry).ok_or(Broken::Nameless)?;
        let place = match judge(&call) {
            None => {
                self.kept += 1;
                Some(self.kept - 1)
            }
            Some(sentence) => {
                self.barred += 1;
                sentences.push(sentence);
                None
            }
        };
        let fate = Fate { id, place };
        self.calls.insert(index, fate.clone());
        Ok(fate)
    }

    /// The older spelling: one call a reply, outside the list.
    fn old_call(
        &mut self,
        message: Value<'_>,
        judge: &mut Judge<'_>,
        sentences: &mut Vec<String>,
        gone: &mut Vec<&'static str>,
    ) -> Result<(), Broken> {
        const OLD: u64 = u64::MAX;
        let Some(old) = message.get("function_call").filter(|old| !old.is_null()) else { return Ok(()) };
        if !self.calls.contains_key(&OLD) {
            let name = text_of(old, "name").filter(|name| !name.is_empty()).ok_or(Broken::Nameless)?;
            let verdict = judge(&crate::wire::event::Call { name, namespace: None });
            let place = if verdict.is_some() { None } else { Some(0) };
            self.kept += u64::from(place.is_some());
            self.barred += u64::from(place.is_none());
            sentences.extend(verdict);
            self.calls.insert(OLD, Fate { id: None, place });
        }
        if self.calls.get(&OLD).is_some_and(|fate| fate.place.is_none()) {
            gone.push("function_call");
        }
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
