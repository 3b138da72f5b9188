//! Bodies of exchanges, where they are kept: what the model was sent and what it said, compressed.
//!
//! A request of a megabyte is some hundred kilobytes of text in a column: every column is a number or
//! text, so that both stores and every tool can read it (`base64 -d | zstd -d`).

use std::io::Read;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use jiff::Timestamp;
use serde_json::Value;

/// No body is larger; a request that is larger was refused.
const MOST_BYTES: u64 = 256 << 20;

/// What was said in an exchange.
#[derive(Debug, Clone, Default)]
pub struct Body {
    pub exchange: String,
    pub run: Option<String>,
    pub user: Option<String>,
    pub at: Timestamp,
    /// The request as it was sent to the provider.
    pub sent: Bytes,
    /// The model's turn as an agent would tell it; none where it broke off.
    pub said: Option<String>,
}

/// Small, as a column keeps it.
///
/// # Errors
/// Only where there is no memory.
pub(super) fn pack(bytes: &[u8]) -> std::io::Result<String> {
    Ok(STANDARD.encode(zstd::encode_all(bytes, 3)?))
}

/// As it was.
///
/// # Errors
/// When it is not what [`pack`] made.
pub fn unpack(text: &str) -> std::io::Result<Vec<u8>> {
    let packed = STANDARD.decode(text).map_err(std::io::Error::other)?;
    let mut bytes = Vec::new();
    zstd::stream::read::Decoder::new(&packed[..])?.take(MOST_BYTES).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// A document in which every text was exchanged, names of members too.
///
/// # Errors
/// When it is no JSON.
pub fn mapped(json: &[u8], exchange: &dyn Fn(&str) -> Option<String>) -> serde_json::Result<Vec<u8>> {
    let mut value: Value = serde_json::from_slice(json)?;
    map(&mut value, exchange);
    serde_json::to_vec(&value)
}

fn map(value: &mut Value, exchange: &dyn Fn(&str) -> Option<String>) {
    match value {
        Value::String(text) => {
            if let Some(other) = exchange(text) {
                *text = other;
            }
        }
        Value::Array(items) => items.iter_mut().for_each(|item| map(item, exchange)),
        Value::Object(members) => {
            let named: Vec<String> = members.keys().filter(|name| exchange(name).is_some()).cloned().collect();
            for name in named {
                if let (Some(value), Some(other)) = (members.remove(&name), exchange(&name)) {
                    members.insert(other, value);
                }
            }
            members.values_mut().for_each(|value| map(value, exchange));
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_packed_is_small_and_comes_back() {
        let text = "what agents say, again and again\n".repeat(10_000);
        let packed = pack(text.as_bytes()).unwrap();
        assert!(packed.len() < text.len() / 100, "{}", packed.len());
        assert_eq!(unpack(&packed).unwrap(), text.as_bytes());
        assert!(unpack("no base64!").is_err() && unpack("bm90aGluZw==").is_err());
    }

    #[test]
    fn every_text_of_a_document_is_exchanged() {
        let json = br#"{"a":"x key","key":[1,{"b":"key"},"y"],"n":12345678901234567890}"#;
        let out = mapped(json, &|text| text.contains("key").then(|| text.replace("key", "***"))).unwrap();
        let out: Value = serde_json::from_slice(&out).unwrap();
        let expect: Value =
            serde_json::from_str(r#"{"a":"x ***","***":[1,{"b":"***"},"y"],"n":12345678901234567890}"#).unwrap();
        assert_eq!(out, expect);
        assert!(mapped(b"{", &|_| None).is_err());
    }
}
