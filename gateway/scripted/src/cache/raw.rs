//! JSON as it is spelled: the cache tells `1.0` from `1`, which a parsed value may not.

use std::fmt;

use serde::de::{MapAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

/// The members of an object, in their order; of anything else, none.
#[derive(Debug, Default)]
pub(super) struct Members<'a>(Vec<(String, &'a str)>);

impl<'a> Members<'a> {
    pub(super) fn of(json: &'a str) -> Self {
        serde_json::from_str(json).unwrap_or_default()
    }

    /// The value at `key`; as in `Json`, of duplicates the last, and a null is as good as absent.
    pub(super) fn get(&self, key: &str) -> Option<&'a str> {
        self.iter().rev().find(|(name, _)| *name == key).map(|(_, value)| value).filter(|value| *value != "null")
    }

    pub(super) fn iter(&self) -> impl DoubleEndedIterator<Item = (&str, &'a str)> {
        self.0.iter().map(|(name, value)| (name.as_str(), *value))
    }
}

/// The items of a list; of anything else, none.
pub(super) fn items(json: Option<&str>) -> Vec<&str> {
    let items: Vec<&RawValue> = serde_json::from_str(json.unwrap_or("[]")).unwrap_or_default();
    items.into_iter().map(RawValue::get).collect()
}

/// The items of a list, or a string as the only one.
pub(super) fn items_or_string(json: Option<&str>) -> Vec<&str> {
    json.filter(|json| is_string(json)).map_or_else(|| items(json), |string| vec![string])
}

pub(super) fn is_string(json: &str) -> bool {
    json.starts_with('"')
}

impl<'de: 'a, 'a> Deserialize<'de> for Members<'a> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_map(AnyMembers).map(Members)
    }
}

struct AnyMembers;

impl<'de> Visitor<'de> for AnyMembers {
    type Value = Vec<(String, &'de str)>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut from: A) -> Result<Self::Value, A::Error> {
        let mut members = Vec::new();
        while let Some((name, value)) = from.next_entry::<String, &RawValue>()? {
            members.push((name, value.get()));
        }
        Ok(members)
    }
}

#[cfg(test)]
mod tests {
    use super::{Members, items, items_or_string};

    #[test]
    fn values_keep_their_spelling() {
        let members = Members::of(r#"{ "b": 1.0, "a": { "x" : 1e2 }, "b": null, "\u0061b": "\u0061" }"#);
        let pairs: Vec<_> = members.iter().collect();
        assert_eq!(pairs, [("b", "1.0"), ("a", r#"{ "x" : 1e2 }"#), ("b", "null"), ("ab", r#""\u0061""#)]);
        assert_eq!((members.get("a"), members.get("b"), members.get("c")), (Some(r#"{ "x" : 1e2 }"#), None, None));
        assert_eq!(Members::of("[1]").iter().count(), 0);
    }

    #[test]
    fn a_string_is_its_only_item() {
        assert_eq!(items(Some("[1.0, [2],\n\"x\"]")), ["1.0", "[2]", "\"x\""]);
        assert_eq!(items_or_string(Some("\"x\"")), ["\"x\""]);
        assert_eq!(items_or_string(Some("[{}]")), ["{}"]);
        assert!(items(Some("\"x\"")).is_empty() && items_or_string(Some("{}")).is_empty() && items(None).is_empty());
    }
}
