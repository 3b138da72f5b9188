//! Takes barred calls out of a Chat Completions reply.
//!
//! Calls arrive in pieces, by choice and index, several to a chunk. Barred entries go; those
//! that stay are numbered anew, for SDKs put calls together by their place. The sentence joins
//! the text of the same choice.

use std::collections::BTreeMap;

use crate::wire::chat::{Identity, reply, turn};
use crate::wire::event::{Call, Substitute, Verdict};
use crate::wire::json::{self, Kind, Value};
use crate::wire::patch::Patch;
use crate::wire::request::text_of;
use crate::wire::{Broken, Judge, Leaves, plainly_spelled};

#[derive(Debug, Default)]
pub struct Bar {
    choices: BTreeMap<u64, Choice>,
}

/// One of the replies asked for; nearly always the only one.
#[derive(Debug, Default)]
struct Choice {
    index: u64,
    /// By the provider's index: what became of the call.
    calls: BTreeMap<u64, Fate>,
    /// The call in the older spelling, of which there is one at the most.
    old: Option<Fate>,
    kept: u64,
    /// Those of them that stand in the list, which alone are numbered.
    listed: u64,
    barred: u64,
    /// Whether a call is answered by us, so that the reply does not end with its own end.
    hides: bool,
    wrote_text: bool,
}

#[derive(Debug, Clone)]
struct Fate {
    call: Identity,
    /// Its number among the calls of the list that stay; none when it is barred.
    place: Option<u64>,
    /// The call in its place, until that is written; its own further pieces then go.
    substitute: Option<Substitute>,
    is_substituted: bool,
}

/// What a message says of refused calls, and which of its members go.
#[derive(Default)]
struct Mending {
    sentences: Vec<String>,
    gone: Vec<&'static str>,
}

/// Keys that a call is judged by, and those of what it stands in.
const KNOWN_IN_CALL: &[&str] = &["index", "id", "type", "function", "custom", "name"];
const KNOWN: &[&str] = &["choices", "delta", "message", "tool_calls", "function_call", "content", "finish_reason"];

impl Bar {
    pub(in crate::wire) fn judge(&mut self, root: Value<'_>, judge: &mut Judge<'_>) -> Result<Leaves, Broken> {
        plainly_spelled(root, KNOWN)?;
        let mut patch = Patch::default();
        for (at, value) in root.get("choices").into_iter().flat_map(Value::items).enumerate() {
            let index = value.get("index").and_then(Value::integer).unwrap_or(at as u64);
            let choice = self.choices.entry(index).or_insert_with(|| Choice { index, ..Choice::default() });
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
        let mut mending = Mending::default();
        if let Some(list) = message.get("tool_calls").filter(|list| !list.is_null()) {
            if list.kind() != Kind::Array {
                return Err(Broken::Misplaced);
            }
            self.list(list, judge, &mut mending, patch)?;
        }
        self.old_call(message, judge, &mut mending, patch)?;
        match (message.get("content"), mending.gone.first().and_then(|name| message.member(name))) {
            // Where the call was may be the only member there is, so the text takes its place.
            (None, Some(call)) if !mending.sentences.is_empty() => {
                let text = json::quote(&self.speak(false, &mending.sentences));
                patch.replace(call.span(), format!("\"content\":{text}"));
                mending.gone.remove(0);
            }
            (content, _) => self.say(message, content, &mending.sentences, patch),
        }
        patch.remove_members(message, &mending.gone);
        Ok(())
    }

    fn list(
        &mut self,
        list: Value<'_>,
        judge: &mut Judge<'_>,
        mending: &mut Mending,
        patch: &mut Patch,
    ) -> Result<(), Broken> {
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
            let known = self.calls.get(&index).filter(|fate| fate.call.goes_on_in(entry)).cloned();
            let is_new = known.is_none();
            let mut fate = self.fate(known, reply::call(entry), judge, mending)?;
            if let Some(place) = fate.place.as_mut().filter(|_| is_new) {
                *place = self.listed;
                self.listed += 1;
            }
            fate.call.learn(entry);
            let substitute = fate.substitute.take();
            barred.push(fate.place.is_none() || (fate.is_substituted && substitute.is_none()));
            if let (Some(call), Some(body)) = (substitute, bodies.iter().flatten().find(|body| !body.is_null())) {
                substitute_in(*body, &call, patch);
            }
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
            mending.gone.push("tool_calls");
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
        mending: &mut Mending,
    ) -> Result<Fate, Broken> {
        match (known, call) {
            (Some(fate), Some(call)) if fate.call.name != call.name => Err(Broken::Misplaced),
            (Some(fate), _) => Ok(fate),
            (None, None) => Err(Broken::Nameless),
            (None, Some(call)) => {
                let at = turn::place(self.index, self.kept + self.barred);
                let verdict = judge(&Call { at, ..call.clone() });
                let is_barred = matches!(verdict, Verdict::Say(_) | Verdict::Hide);
                let place = if is_barred { None } else { Some(self.kept) };
                self.kept += u64::from(!is_barred);
                self.barred += u64::from(is_barred);
                self.hides |= verdict == Verdict::Hide;
                let mut fate =
                    Fate { call: Identity::named(call.name), place, substitute: None, is_substituted: false };
                match verdict {
                    Verdict::Pass | Verdict::Hide => {}
                    Verdict::Say(sentence) => mending.sentences.push(sentence),
                    Verdict::Become(call) => {
                        fate.is_substituted = true;
                        fate.substitute = Some(call);
                    }
                }
                Ok(fate)
            }
        }
    }

    /// The older spelling: one call a reply, outside the list.
    fn old_call(
        &mut self,
        message: Value<'_>,
        judge: &mut Judge<'_>,
        mending: &mut Mending,
        patch: &mut Patch,
    ) -> Result<(), Broken> {
        let Some(old) = message.get("function_call").filter(|old| !old.is_null()) else { return Ok(()) };
        plainly_spelled(old, KNOWN_IN_CALL)?;
        let name = text_of(old, "name").filter(|name| !name.is_empty());
        let call = name.map(|name| Call { name, ..Call::default() });
        let known = self.old.take();
        // Some servers send an empty one beside text.
        if known.is_none() && call.is_none() && text_of(old, "arguments").is_none_or(|text| text.is_empty()) {
            return Ok(());
        }
        let mut fate = self.fate(known, call, judge, mending)?;
        let substitute = fate.substitute.take();
        if fate.place.is_none() || (fate.is_substituted && substitute.is_none()) {
            mending.gone.push("function_call");
        }
        if let Some(call) = substitute {
            substitute_in(old, &call, patch);
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
        if for_calls && self.kept == 0 && self.barred > 0 && !self.hides {
            patch.replace(reason.span(), "\"stop\"");
        }
    }
}

/// Puts another call into the body of one that is whole.
fn substitute_in(body: Value<'_>, call: &Substitute, patch: &mut Patch) {
    let name = json::quote(&call.name);
    match body.get("name") {
        Some(own) => patch.replace(own.span(), name),
        None => patch.add_member(body, &format!("\"name\":{name}")),
    }
    let input = json::quote(call.input.as_str());
    match body.get("arguments").or_else(|| body.get("input")) {
        Some(own) => patch.replace(own.span(), input),
        None => patch.add_member(body, &format!("\"arguments\":{input}")),
    }
}
