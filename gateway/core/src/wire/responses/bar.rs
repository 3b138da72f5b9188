//! Takes barred calls out of a Responses reply.
//!
//! A barred item becomes a message of the same output index. Events are numbered in sequence,
//! so those behind a replaced item are numbered anew; and the last event repeats the whole
//! reply, so the item is replaced there too. Every item that is a call is judged wherever it is
//! seen, by what stands in it there.

use std::collections::{BTreeMap, BTreeSet};

use crate::wire::event::{Call, Shape};
use crate::wire::json::Value;
use crate::wire::patch::Patch;
use crate::wire::request::text_of;
use crate::wire::responses::message::{Own, Writer};
use crate::wire::responses::reply::call;
use crate::wire::{Broken, Judge, Leaves, plainly_spelled};

/// Keys that an event and an item are judged by.
const KNOWN: &[&str] =
    &["type", "item", "item_id", "output_index", "response", "output", "name", "namespace", "id", "call_id"];

#[derive(Debug, Default)]
pub struct Bar {
    /// What became of each call, by the item's id.
    fates: BTreeMap<String, Fate>,
    /// The output indexes of barred items, whose other events are dropped.
    dropping: BTreeSet<u64>,
    /// Events written less events dropped, so far.
    shift: i64,
}

#[derive(Debug, Clone)]
struct Fate {
    call: Call,
    /// The message in the place of a barred call.
    message: Option<Own>,
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
            let Some(message) = self.judge_item(item, index, judge)? else {
                // Another item takes the place of one that was barred.
                if let Some(index) = index
                    && text_of(root, "type").as_deref() == Some("response.output_item.added")
                {
                    self.dropping.remove(&index);
                }
                return self.pass(root, judge).map(Leaves::Patched);
            };
            let index = index.ok_or(Broken::Misplaced)?;
            // First seen, by whichever event: there its replacement arrives as a whole.
            let is_first = self.dropping.insert(index);
            let number = root.get("sequence_number").and_then(Value::integer).map(|number| self.numbered(number));
            let mut writer = Writer::new(number);
            if is_first {
                message.arrive(index, &mut writer);
            }
            let written = writer.into_frames();
            self.shift = self.shift.saturating_add(written.len() as i64 - 1);
            return Ok(Leaves::Instead(written));
        }
        self.check_name(root)?;
        if index.is_some_and(|index| self.dropping.contains(&index)) || self.is_of_barred(root) {
            self.shift = self.shift.saturating_sub(1);
            return Ok(Leaves::Instead(Vec::new()));
        }
        self.pass(root, judge).map(Leaves::Patched)
    }

    /// The last piece of a call's input may repeat its name, which must then be the one judged.
    fn check_name(&self, root: Value<'_>) -> Result<(), Broken> {
        let (Some(id), Some(name)) = (text_of(root, "item_id"), text_of(root, "name")) else { return Ok(()) };
        let is_same = self.fates.get(&id).is_some_and(|fate| fate.call.name == name);
        if is_same { Ok(()) } else { Err(Broken::Misplaced) }
    }

    fn is_of_barred(&self, root: Value<'_>) -> bool {
        let fate = text_of(root, "item_id").and_then(|id| self.fates.get(&id));
        fate.is_some_and(|fate| fate.message.is_some())
    }

    fn numbered(&self, number: u64) -> u64 {
        number.saturating_add_signed(self.shift)
    }

    /// Judges an item; the message to put in its place when it is a call that is barred. A call
    /// that changes its name has two, and cannot be judged.
    fn judge_item(
        &mut self,
        item: Value<'_>,
        index: Option<u64>,
        judge: &mut Judge<'_>,
    ) -> Result<Option<Own>, Broken> {
        plainly_spelled(item, KNOWN)?;
        let Some(call) = call(item) else { return Ok(None) };
        if call.name.is_empty() {
            return Err(Broken::Nameless);
        }
        let named = |field| text_of(item, field).filter(|id| !id.is_empty());
        let own = named("id").or_else(|| named("call_id"));
        let id = own.or_else(|| index.map(|index| format!("#{index}"))).ok_or(Broken::Misplaced)?;
        match self.fates.get(&id) {
            Some(fate) if fate.call != call => return Err(Broken::Misplaced),
            Some(fate) => return Ok(fate.message.clone()),
            None => {}
        }
        let message = judge(&call).map(|sentence| Own { id: format!("msg_{id}"), sentence });
        self.fates.insert(id, Fate { call, message: message.clone() });
        Ok(message)
    }

    fn pass(&mut self, root: Value<'_>, judge: &mut Judge<'_>) -> Result<Patch, Broken> {
        let mut patch = Patch::default();
        if let Some(number) = root.get("sequence_number").filter(|_| self.shift != 0)
            && let Some(was) = number.integer()
        {
            patch.replace(number.span(), self.numbered(was).to_string());
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
        for (index, item) in response.get("output").into_iter().flat_map(Value::items).enumerate() {
            if let Some(message) = self.judge_item(item, Some(index as u64), judge)? {
                patch.replace(item.span(), message.item());
            }
        }
        Ok(patch)
    }
}
