//! What a tool says of itself, as a digest to pin it by. Given the same description and schema
//! with other white space or its keys in another order: the same digest. Given one changed word:
//! another.

use std::borrow::Cow;

use aws_lc_rs::digest::{SHA256, digest};
use serde::{Deserialize, Deserializer};

use crate::wire::json::{self, Json, Kind, Value};
use crate::wire::tools::{Shape, Tool};

/// A SHA-256 digest, written as `sha256:` and 64 hexadecimal digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Digest([u8; 32]);

const PREFIX: &str = "sha256:";

/// Why a text is no digest.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no digest: write `sha256:` and 64 hexadecimal digits")]
pub struct BadDigest(String);

impl std::fmt::Display for Digest {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(PREFIX)?;
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl std::str::FromStr for Digest {
    type Err = BadDigest;

    fn from_str(text: &str) -> Result<Self, BadDigest> {
        let bad = || BadDigest(json::shortened(text));
        let hex = text.strip_prefix(PREFIX).filter(|hex| hex.bytes().all(|byte| byte.is_ascii_hexdigit()));
        let hex = hex.filter(|hex| hex.len() == 64).ok_or_else(bad)?;
        let mut bytes = [0; 32];
        for (at, byte) in bytes.iter_mut().enumerate() {
            *byte = u8::from_str_radix(&hex[2 * at..2 * at + 2], 16).map_err(|_| bad())?;
        }
        Ok(Self(bytes))
    }
}

impl<'de> Deserialize<'de> for Digest {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = Cow::<'de, str>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

impl schemars::JsonSchema for Digest {
    fn schema_name() -> Cow<'static, str> {
        "Digest".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({ "type": "string", "pattern": "^sha256:[0-9a-fA-F]{64}$" })
    }
}

impl Tool {
    /// The digest of its name, its description, and its schema (or grammar, or the provider's
    /// type). `json` is the request that it was read from.
    #[must_use]
    pub fn digest(&self, json: &Json) -> Digest {
        let mut text = String::from("[");
        text.push_str(&self.name.as_deref().map_or_else(|| "null".to_owned(), json::quote));
        for node in [self.nodes.description, self.nodes.schema, self.nodes.format] {
            text.push(',');
            match node {
                Some(node) => write_canonical(json.value(node), &mut text),
                None => text.push_str("null"),
            }
        }
        text.push(',');
        match &self.shape {
            Shape::Local(kind) | Shape::Hosted(kind) => text.push_str(&json::quote(kind)),
            Shape::Function | Shape::Text | Shape::Named | Shape::Unknown => text.push_str("null"),
        }
        text.push(']');
        let mut bytes = [0; 32];
        bytes.copy_from_slice(digest(&SHA256, text.as_bytes()).as_ref());
        Digest(bytes)
    }
}

/// The one spelling of all JSON that means the same: keys in order, no white space, `1.0` as `1`.
#[must_use]
pub fn canonical(value: Value<'_>) -> String {
    let mut text = String::new();
    write_canonical(value, &mut text);
    text
}

fn write_canonical(value: Value<'_>, out: &mut String) {
    match value.kind() {
        Kind::Object => {
            let mut members: Vec<_> = value.members().map(|member| (member.name(), member.value)).collect();
            members.sort_by(|(one, _), (other, _)| one.cmp(other));
            for (at, (name, value)) in members.into_iter().enumerate() {
                out.push(if at == 0 { '{' } else { ',' });
                out.push_str(&json::quote(&name));
                out.push(':');
                write_canonical(value, out);
            }
            out.push_str(if value.members().next().is_none() { "{}" } else { "}" });
        }
        Kind::Array => {
            out.push('[');
            for (at, item) in value.items().enumerate() {
                if at > 0 {
                    out.push(',');
                }
                write_canonical(item, out);
            }
            out.push(']');
        }
        Kind::String => out.push_str(&json::quote(&value.text().unwrap_or_default())),
        Kind::Number => out.push_str(&number(value.raw())),
        Kind::Bool | Kind::Null => out.push_str(value.raw()),
    }
}

/// Whole numbers up to here are the same in every reader.
const EXACT: f64 = 9_007_199_254_740_992.0;

fn number(raw: &str) -> String {
    match raw.parse::<f64>() {
        Ok(0.0) => "0".to_owned(),
        Ok(number) if number.fract() == 0.0 && number.abs() < EXACT => format!("{number:.0}"),
        // A whole number that is larger keeps all of its digits.
        Ok(number) if number.is_finite() && raw.contains(['.', 'e', 'E']) => format!("{number:e}"),
        _ => raw.to_owned(),
    }
}
