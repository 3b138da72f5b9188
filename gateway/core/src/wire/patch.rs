//! Changes to bytes by their place. Every byte outside a changed span stays as it came.

use std::ops::Range;

use bytes::{Bytes, BytesMut};

use crate::wire::json::{Json, Kind, Member, Value};

/// Two changes wanted the same bytes. A bug of ours, and the request is refused for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("two changes overlap at byte {at}")]
pub struct Overlap {
    pub at: usize,
}

/// An ordered set of changes to one document.
#[derive(Debug, Clone, Default)]
pub struct Patch {
    edits: Vec<(Range<usize>, String)>,
}

impl Patch {
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.edits.is_empty()
    }

    /// What is changed, in the order of the document.
    #[must_use]
    pub fn changes(&self) -> Vec<&(Range<usize>, String)> {
        let mut changes: Vec<_> = self.edits.iter().collect();
        changes.sort_by_key(|(span, _)| (span.start, span.end));
        changes
    }

    /// By how many bytes the document becomes longer.
    #[must_use]
    pub fn growth(&self) -> i64 {
        let length = |bytes: usize| i64::try_from(bytes).unwrap_or(i64::MAX);
        self.edits.iter().map(|(span, text)| length(text.len()) - length(span.len())).sum()
    }

    pub fn replace(&mut self, span: Range<usize>, text: impl Into<String>) {
        self.edits.push((span, text.into()));
    }

    /// Takes over the changes of another patch of the same document.
    pub fn append(&mut self, other: Self) {
        self.edits.extend(other.edits);
    }

    pub fn insert(&mut self, at: usize, text: impl Into<String>) {
        self.replace(at..at, text);
    }

    /// Adds members (written as `"key":value`) to the front of an object.
    pub fn add_member(&mut self, object: Value<'_>, member: &str) {
        debug_assert_eq!(object.kind(), Kind::Object, "members are of objects: {}", object.raw());
        let comma = if object.members().next().is_some() { "," } else { "" };
        self.insert(object.span().start + 1, format!("{member}{comma}"));
    }

    /// Adds an item behind the last one of an array.
    pub fn add_item(&mut self, array: Value<'_>, item: &str) {
        debug_assert_eq!(array.kind(), Kind::Array, "items are of arrays: {}", array.raw());
        match array.items().last() {
            Some(last) => self.insert(last.span().end, format!(",{item}")),
            None => self.insert(array.span().start + 1, item),
        }
    }

    /// Takes out the items for which `gone` holds, with their commas.
    pub fn remove_items(&mut self, array: Value<'_>, gone: impl Fn(usize) -> bool) {
        let spans: Vec<_> = array.items().map(Value::span).collect();
        self.remove_spans(&spans, gone);
    }

    /// Takes the members of these names out of an object, with their commas.
    pub fn remove_members(&mut self, object: Value<'_>, names: &[&str]) {
        let members: Vec<Member<'_>> = object.members().collect();
        let spans: Vec<_> = members.iter().map(Member::span).collect();
        self.remove_spans(&spans, |at| names.contains(&&*members[at].name()));
    }

    fn remove_spans(&mut self, spans: &[Range<usize>], gone: impl Fn(usize) -> bool) {
        let mut kept_before = false;
        for (at, span) in spans.iter().enumerate() {
            if !gone(at) {
                kept_before = true;
            } else if kept_before {
                self.replace(spans[at - 1].end..span.end, "");
            } else {
                let end = spans.get(at + 1).map_or(span.end, |next| next.start);
                self.replace(span.start..end, "");
            }
        }
    }

    /// The document with the changes made. With none, the same bytes, not copied.
    ///
    /// # Errors
    /// [`Overlap`] when two changes want the same bytes.
    pub fn apply(mut self, json: &Json) -> Result<Bytes, Overlap> {
        let bytes = json.bytes();
        if self.edits.is_empty() {
            return Ok(bytes.clone());
        }
        self.edits.sort_by_key(|(span, _)| (span.start, span.end));
        let added: usize = self.edits.iter().map(|(_, text)| text.len()).sum();
        let mut out = BytesMut::with_capacity(bytes.len() + added);
        let mut from = 0;
        for (span, text) in &self.edits {
            if span.start < from {
                return Err(Overlap { at: span.start });
            }
            out.extend_from_slice(&bytes[from..span.start]);
            out.extend_from_slice(text.as_bytes());
            from = span.end;
        }
        out.extend_from_slice(&bytes[from..]);
        Ok(out.freeze())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, edit: impl Fn(&mut Patch, Value<'_>), expect: &str) {
        let json = Json::read(Bytes::copy_from_slice(text.as_bytes())).unwrap();
        let mut patch = Patch::default();
        edit(&mut patch, json.root());
        let found = patch.apply(&json).unwrap();
        assert_eq!(std::str::from_utf8(&found).unwrap(), expect);
        assert!(Json::read(found).is_ok(), "{expect}");
    }

    #[test]
    fn any_items_can_go_and_the_list_stays_well_formed() {
        let text = "[1 , 2.0,\n 3,4e2 ]";
        check(text, |p, v| p.remove_items(v, |_| false), text);
        check(text, |p, v| p.remove_items(v, |at| at == 0), "[2.0,\n 3,4e2 ]");
        check(text, |p, v| p.remove_items(v, |at| at == 3), "[1 , 2.0,\n 3 ]");
        check(text, |p, v| p.remove_items(v, |at| at == 1 || at == 2), "[1,4e2 ]");
        check(text, |p, v| p.remove_items(v, |at| at != 2), "[3 ]");
        check(text, |p, v| p.remove_items(v, |_| true), "[ ]");
    }

    #[test]
    fn members_go_with_their_commas() {
        let text = "{\"a\": 1, \"b\": [ ], \"c\": 1.0}";
        check(text, |p, v| p.remove_members(v, &["a", "b"]), "{\"c\": 1.0}");
        check(text, |p, v| p.remove_members(v, &["b"]), "{\"a\": 1, \"c\": 1.0}");
        check(text, |p, v| p.remove_members(v, &["c", "d"]), "{\"a\": 1, \"b\": [ ]}");
    }

    #[test]
    fn items_and_members_are_added() {
        check("[ ]", |p, v| p.add_item(v, "1"), "[1 ]");
        check("[ 0 ]", |p, v| p.add_item(v, "1"), "[ 0,1 ]");
        check("{ }", |p, v| p.add_member(v, "\"a\":1"), "{\"a\":1 }");
        check("{\"b\":2}", |p, v| p.add_member(v, "\"a\":1"), "{\"a\":1,\"b\":2}");
    }

    #[test]
    fn overlapping_changes_are_an_error() {
        let json = Json::read(Bytes::from_static(b"[1,2]")).unwrap();
        let mut patch = Patch::default();
        patch.replace(1..4, "");
        patch.replace(3..4, "x");
        assert_eq!(patch.apply(&json), Err(Overlap { at: 3 }));
    }
}
