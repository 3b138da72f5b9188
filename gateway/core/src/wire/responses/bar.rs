//! Takes barred calls out of a Responses reply.
//!
//! A barred item becomes a message of the same output index, or goes and those behind it move up. Events are numbered in sequence,
//! so those behind a replaced item are numbered anew; and the last event repeats the whole
//! reply, so the item is replaced there too. Every item that is a call is judged wherever it is
//! seen, by what stands in it there.

use std::collections::{BTreeMap, BTreeSet};

use crate::wire::event::{Call, Shape, Verdict};
use crate::wire::json::Value;
use crate::wire::patch::Patch;
use crate::wire::request::text_of;
use crate::wire::responses::message::{Own, OwnCall, Writer};
use crate::wire::responses::reply::call;
use crate::wire::{Broken, Judge, Leaves, plainly_spelled};

/// Keys that an event and an item are judged by.
const KNOWN: &[&str] =
    &["type", "item", "item_id", "output_index", "response", "output", "name", "namespace", "id", "call_id"];

#[derive(Debug, Default)]
pub struct Bar {
    /// What became of each call, by the item's id.
    fates: BTreeMap<String, Fate>,
    /// The output indexes of items that were no calls when they began.
    others: BTreeSet<u64>,
    /// The output indexes of items whose other events are dropped.
    dropping: BTreeSet<u64>,
    /// The output indexes of items that are taken out.
    gone: BTreeSet<u64>,
    /// Events written less events dropped, so far.
    shift: i64,
}

#[derive(Debug, Clone)]
struct Fate {
    name: String,
    namespace: Option<String>,
    becomes: Becomes,
}

/// What stands in the place of a call.
#[derive(Debug, Clone)]
enum Becomes {
    Itself,
    Message(Own),
    Nothing,
    Call(OwnCall),
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
            let begins = index.filter(|_| text_of(root, "type").as_deref() == Some("response.output_item.added"));
            self.check_kind(item, index, begins.is_some())?;
            let becomes = self.judge_item(item, index, judge)?;
            if !matches!(becomes, Becomes::Itself) {
                return self.instead(root, index.ok_or(Broken::Misplaced)?, becomes);
            }
            // Another item takes the place of one that was barred.
            if let Some(index) = begins {
                self.dropping.remove(&index);
                self.gone.remove(&index);
            }
            // What has an item that is no call may be about a barred one all the same.
            if begins.is_some() || call(item).is_some() {
                return self.pass(root, judge).map(Leaves::Patched);
            }
        }
        self.check_name(root)?;
        if index.is_some_and(|index| self.dropping.contains(&index)) || self.is_of_barred(root) {
            self.shift = self.shift.saturating_sub(1);
            return Ok(Leaves::Instead(Vec::new()));
        }
        self.pass(root, judge).map(Leaves::Patched)
    }

    /// What leaves in the place of an event of an item that does not stay.
    fn instead(&mut self, root: Value<'_>, index: u64, becomes: Becomes) -> Result<Leaves, Broken> {
        // First seen, by whichever event: there its replacement arrives as a whole.
        let is_first = self.dropping.insert(index);
        let number = root.get("sequence_number").and_then(Value::integer).map(|number| self.numbered(number));
        let mut writer = Writer::new(number);
        let place = self.place(index);
        match becomes {
            Becomes::Message(message) if is_first => message.arrive(place, &mut writer),
            Becomes::Call(call) if is_first => call.arrive(place, &mut writer),
            Becomes::Nothing => {
                self.gone.insert(index);
            }
            Becomes::Itself | Becomes::Message(_) | Becomes::Call(_) => {}
        }
        let written = writer.into_frames();
        self.shift = self.shift.saturating_add(written.len() as i64 - 1);
        Ok(Leaves::Instead(written))
    }

    /// The output index that an item leaves with.
    fn place(&self, index: u64) -> u64 {
        index - self.gone.range(..index).count() as u64
    }

    /// What came of an item that becomes a call after it began has left, and was not judged.
    fn check_kind(&mut self, item: Value<'_>, index: Option<u64>, begins: bool) -> Result<(), Broken> {
        let Some(index) = index else { return Ok(()) };
        let is_call = call(item).is_some();
        if begins && is_call {
            self.others.remove(&index);
        } else if begins {
            self.others.insert(index);
        }
        if is_call && self.others.contains(&index) { Err(Broken::Misplaced) } else { Ok(()) }
    }

    /// The last piece of a call's input may repeat its name, which must then be the one judged.
    fn check_name(&self, root: Value<'_>) -> Result<(), Broken> {
        let (Some(id), Some(name)) = (text_of(root, "item_id"), text_of(root, "name")) else { return Ok(()) };
        let is_same = self.fates.get(&id).is_some_and(|fate| fate.name == name);
        if is_same { Ok(()) } else { Err(Broken::Misplaced) }
    }

    fn is_of_barred(&self, root: Value<'_>) -> bool {
        let fate = text_of(root, "item_id").and_then(|id| self.fates.get(&id));
        fate.is_some_and(|fate| !matches!(fate.becomes, Becomes::Itself))
    }

    fn numbered(&self, number: u64) -> u64 {
        number.saturating_add_signed(self.shift)
    }

    /// Judges an item: what stands in its place. A call that changes its name has two, and cannot
    /// be judged.
    fn judge_item(&mut self, item: Value<'_>, index: Option<u64>, judge: &mut Judge<'_>) -> Result<Becomes, Broken> {
        plainly_spelled(item, KNOWN)?;
        let Some(call) = call(item) else { return Ok(Becomes::Itself) };
        if call.name.is_empty() {
            return Err(Broken::Nameless);
        }
        let named = |field| text_of(item, field).filter(|id| !id.is_empty());
        let own = named("id").or_else(|| named("call_id"));
        let id = own.or_else(|| index.map(|index| format!("#{index}"))).ok_or(Broken::Misplaced)?;
        match self.fates.get(&id) {
            Some(fate) if fate.name != call.name || fate.namespace != call.namespace => return Err(Broken::Misplaced),
            Some(fate) => return Ok(fate.becomes.clone()),
            None => {}
        }
        let becomes = match judge(&Call { at: index.unwrap_or_default(), ..call.clone() }) {
            Verdict::Pass => Becomes::Itself,
            Verdict::Say(sentence) => Becomes::Message(Own { id: format!("msg_{id}"), sentence }),
            Verdict::Hide => Becomes::Nothing,
            Verdict::Become(other) => Becomes::Call(OwnCall { id: id.clone(), call_id: call.id, call: other }),
        };
        let Call { name, namespace, .. } = call;
        self.fates.insert(id, Fate { name, namespace, becomes: becomes.clone() });
        Ok(becomes)
    }

    fn pass(&mut self, root: Value<'_>, judge: &mut Judge<'_>) -> Result<Patch, Broken> {
        let mut patch = Patch::default();
        if let Some(number) = root.get("sequence_number").filter(|_| self.shift != 0)
            && let Some(was) = number.integer()
        {
            patch.replace(number.span(), self.numbered(was).to_string());
        }
        if let Some(number) = root.get("output_index")
            && let Some(was) = number.integer()
            && self.place(was) != was
        {
            patch.replace(number.span(), self.place(was).to_string());
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
        let Some(output) = response.get("output") else { return Ok(patch) };
        let mut gone = Vec::new();
        for (index, item) in output.items().enumerate() {
            let becomes = self.judge_item(item, Some(index as u64), judge)?;
            gone.push(matches!(becomes, Becomes::Nothing));
            match becomes {
                Becomes::Itself | Becomes::Nothing => {}
                Becomes::Message(message) => patch.replace(item.span(), message.item()),
                Becomes::Call(call) => patch.replace(item.span(), call.item("completed", true)),
            }
        }
        patch.remove_items(output, |at| gone[at]);
        Ok(patch)
    }
}
