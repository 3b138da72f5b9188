//! Changes to the members of objects, gathered so that each object is changed once and no two
//! changes meet.

use std::collections::BTreeMap;

use crate::wire::json::{self, Value};
use crate::wire::patch::Patch;

#[derive(Debug, Default)]
pub(super) struct Sheet<'a> {
    objects: BTreeMap<usize, Members<'a>>,
}

#[derive(Debug)]
struct Members<'a> {
    object: Value<'a>,
    /// By name; none takes the member out.
    wanted: BTreeMap<String, Option<String>>,
}

impl<'a> Sheet<'a> {
    /// Gives a member this value, JSON, whether or not it is there.
    pub(super) fn set(&mut self, object: Value<'a>, name: &str, value: impl Into<String>) {
        self.want(object, name, Some(value.into()));
    }

    /// Takes a member out, if it is there.
    pub(super) fn remove(&mut self, object: Value<'a>, name: &str) {
        self.want(object, name, None);
    }

    /// Whether this member is wanted to be something else already.
    pub(super) fn changes(&self, object: Value<'a>, name: &str) -> bool {
        self.objects.get(&object.index()).is_some_and(|members| members.wanted.contains_key(name))
    }

    fn want(&mut self, object: Value<'a>, name: &str, value: Option<String>) {
        let members = self.objects.entry(object.index()).or_insert_with(|| Members { object, wanted: BTreeMap::new() });
        members.wanted.insert(name.to_owned(), value);
    }

    pub(super) fn write(self, patch: &mut Patch) {
        self.objects.into_values().for_each(|members| members.write(patch));
    }
}

impl Members<'_> {
    fn write(self, patch: &mut Patch) {
        let (mut gone, mut added) = (Vec::new(), Vec::new());
        for (name, value) in &self.wanted {
            match (self.object.get(name), value) {
                (Some(found), Some(value)) => patch.replace(found.span(), value.as_str()),
                (Some(_), None) => gone.push(name.as_str()),
                (None, Some(value)) => added.push(format!("{}:{value}", json::quote(name))),
                (None, None) => {}
            }
        }
        // With nothing left of what was there, commas have nothing to stand between.
        if !added.is_empty() && self.object.members().count() == gone.len() {
            return patch.replace(self.object.span(), format!("{{{}}}", added.join(",")));
        }
        patch.remove_members(self.object, &gone);
        if !added.is_empty() {
            patch.add_member(self.object, &added.join(","));
        }
    }
}
