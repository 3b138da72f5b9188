//! JSON whose keys stay in the order they were written.
//!
//! The real providers put `type` first and keep the order of a tool's arguments, and a gateway
//! that patches bytes in place must be tested with that. `serde_json::Value` sorts its keys.

use std::fmt;

use serde::de::{MapAccess, SeqAccess, Visitor};
use serde::ser::{Error as _, SerializeMap};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::Number;
use serde_json::value::RawValue;

#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Json {
    Null,
    Bool(bool),
    Number(Number),
    Text(String),
    List(Vec<Self>),
    Object(Vec<(String, Self)>),
    /// Valid JSON, to be written as it is: duplicate keys and odd spacing survive.
    Raw(String),
}

/// An object; nest with `obj!` and `vec![..]`.
macro_rules! obj {
    ($($key:literal : $value:expr),* $(,)?) => {
        $crate::json::Json::Object(vec![$(($key.to_owned(), $crate::json::Json::from($value))),*])
    };
}
pub(crate) use obj;

impl Json {
    /// `text` as it is when it is JSON, else as a string.
    pub(crate) fn raw(text: &str) -> Self {
        match serde_json::from_str::<&RawValue>(text) {
            Ok(_) => Self::Raw(text.to_owned()),
            Err(_) => Self::Text(text.to_owned()),
        }
    }

    /// The value at `key`. Of duplicates the last wins, as in most parsers.
    pub(crate) fn get(&self, key: &str) -> Option<&Self> {
        let Self::Object(pairs) = self else { return None };
        pairs.iter().rev().find(|(name, _)| name == key).map(|(_, value)| value).filter(|value| **value != Self::Null)
    }

    pub(crate) fn text(&self, key: &str) -> Option<&str> {
        match self.get(key) {
            Some(Self::Text(text)) => Some(text),
            _ => None,
        }
    }

    pub(crate) fn is_true(&self, key: &str) -> bool {
        self.get(key) == Some(&Self::Bool(true))
    }

    /// The items of the list at `key`; none when it is not a list.
    pub(crate) fn list(&self, key: &str) -> &[Self] {
        match self.get(key) {
            Some(Self::List(items)) => items,
            _ => &[],
        }
    }

    /// Adds the pairs of another object at the end of this one.
    pub(crate) fn extend(&mut self, other: Self) {
        if let (Self::Object(pairs), Self::Object(more)) = (self, other) {
            pairs.extend(more);
        }
    }

    /// Changes the value at a key that is there.
    pub(crate) fn set(&mut self, key: &str, value: Self) {
        let Self::Object(pairs) = self else { return };
        if let Some((_, old)) = pairs.iter_mut().find(|(name, _)| name == key) {
            *old = value;
        }
    }

    /// Adds a key at the end of an object; anything else stays as it is.
    pub(crate) fn put(&mut self, key: &str, value: impl Into<Self>) {
        if let Self::Object(pairs) = self {
            pairs.push((key.to_owned(), value.into()));
        }
    }
}

impl fmt::Display for Json {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&serde_json::to_string(self).map_err(|_| fmt::Error)?)
    }
}

impl Serialize for Json {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Null => to.serialize_unit(),
            Self::Bool(value) => to.serialize_bool(*value),
            Self::Number(value) => value.serialize(to),
            Self::Text(value) => to.serialize_str(value),
            Self::List(items) => to.collect_seq(items),
            Self::Object(pairs) => {
                let mut map = to.serialize_map(Some(pairs.len()))?;
                for (key, value) in pairs {
                    map.serialize_entry(key, value)?;
                }
                map.end()
            }
            Self::Raw(text) => RawValue::from_string(text.clone()).map_err(S::Error::custom)?.serialize(to),
        }
    }
}

impl<'de> Deserialize<'de> for Json {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_any(AnyJson)
    }
}

struct AnyJson;

impl<'de> Visitor<'de> for AnyJson {
    type Value = Json;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any value that JSON can hold")
    }

    fn visit_unit<E>(self) -> Result<Json, E> {
        Ok(Json::Null)
    }

    fn visit_none<E>(self) -> Result<Json, E> {
        Ok(Json::Null)
    }

    fn visit_some<D: Deserializer<'de>>(self, from: D) -> Result<Json, D::Error> {
        Json::deserialize(from)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Json, E> {
        Ok(Json::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Json, E> {
        Ok(Json::Number(value.into()))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Json, E> {
        Ok(Json::Number(value.into()))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Json, E> {
        Ok(Number::from_f64(value).map_or(Json::Null, Json::Number))
    }

    fn visit_str<E>(self, value: &str) -> Result<Json, E> {
        Ok(Json::Text(value.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut from: A) -> Result<Json, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = from.next_element()? {
            items.push(item);
        }
        Ok(Json::List(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut from: A) -> Result<Json, A::Error> {
        let mut pairs = Vec::new();
        while let Some(pair) = from.next_entry()? {
            pairs.push(pair);
        }
        Ok(Json::Object(pairs))
    }
}

impl From<&str> for Json {
    fn from(value: &str) -> Self {
        Self::Text(value.to_owned())
    }
}

impl From<String> for Json {
    fn from(value: String) -> Self {
        Self::Text(value)
    }
}

impl From<bool> for Json {
    fn from(value: bool) -> Self {
        Self::Bool(value)
    }
}

impl From<u64> for Json {
    fn from(value: u64) -> Self {
        Self::Number(value.into())
    }
}

impl From<usize> for Json {
    fn from(value: usize) -> Self {
        Self::Number(value.into())
    }
}

impl From<Vec<Self>> for Json {
    fn from(value: Vec<Self>) -> Self {
        Self::List(value)
    }
}

impl From<&Self> for Json {
    fn from(value: &Self) -> Self {
        value.clone()
    }
}

impl<T: Into<Self>> From<Option<T>> for Json {
    fn from(value: Option<T>) -> Self {
        value.map_or(Self::Null, Into::into)
    }
}

#[cfg(test)]
mod tests {
    use super::Json;

    #[track_caller]
    fn survives(text: &str) {
        let json: Json = serde_json::from_str(text).unwrap();
        assert_eq!(json.to_string(), text);
    }

    #[test]
    fn the_order_of_keys_survives() {
        survives(r#"{"zebra":1,"apple":[true,null,-2,1.5],"mango":{"b":"x","a":"y"}}"#);
    }

    #[test]
    fn duplicate_keys_survive_and_the_last_is_read() {
        survives(r#"{"a":"first","a":"last"}"#);
        let json: Json = serde_json::from_str(r#"{"a":"first","a":"last"}"#).unwrap();
        assert_eq!(json.text("a"), Some("last"));
    }

    #[test]
    fn raw_text_is_written_as_it_is_only_when_it_is_json() {
        let json = obj! { "input": Json::raw(r#"{ "a": 1.0, "a": 2 }"#) };
        assert_eq!(json.to_string(), r#"{"input":{ "a": 1.0, "a": 2 }}"#);
        assert_eq!(Json::raw(r#"{"a"#).to_string(), r#""{\"a""#);
    }

    #[test]
    fn a_null_is_as_good_as_absent() {
        let json: Json = serde_json::from_str(r#"{"tools":null}"#).unwrap();
        assert_eq!(json.get("tools"), None);
        assert!(json.list("tools").is_empty());
    }
}
