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
    /// What is looked for when a run is looked for by a text: [`words`].
    pub words: Option<String>,
}

/// More of an exchange is not looked through.
const MOST_WORDS: usize = 64 << 10;

/// The texts that are new in an exchange: those behind the model's last turn in what was sent, and its own.
#[must_use]
pub fn words(sent: &[u8], said: Option<&str>) -> Option<String> {
    let sent: Value = serde_json::from_slice(sent).ok()?;
    let mut words = String::new();
    match ["messages", "input"].iter().find_map(|name| sent.get(name)) {
        Some(Value::Array(items)) => {
            let new = items.iter().rposition(is_models).map_or(0, |last| last + 1);
            let of_agent = |item: &&Value| !matches!(item["role"].as_str(), Some("system" | "developer"));
            items[new..].iter().filter(of_agent).for_each(|item| collect(item, &mut words));
        }
        Some(text) => collect(text, &mut words),
        None => {}
    }
    let said = said.and_then(|said| items(said).ok());
    said.iter().flatten().for_each(|said| collect(said, &mut words));
    words.truncate(words.floor_char_boundary(MOST_WORDS));
    (!words.is_empty()).then_some(words)
}

/// What a model said: one message, or items with commas between.
fn items(said: &str) -> serde_json::Result<Vec<Value>> {
    serde_json::from_str(&format!("[{said}]"))
}

/// The same as one document: a message, or where there is more than one item, a list of them.
#[must_use]
pub fn document(said: &[u8]) -> Value {
    let mut items = std::str::from_utf8(said).ok().and_then(|said| items(said).ok()).unwrap_or_default();
    if items.len() > 1 { Value::Array(items) } else { items.pop().unwrap_or_default() }
}

/// Whether the model made an item of a conversation.
fn is_models(item: &Value) -> bool {
    let kind = item["type"].as_str().unwrap_or_default();
    item["role"] == "assistant" || kind == "reasoning" || kind.ends_with("_call")
}

/// Members that say nothing to a person.
const NO_WORDS: &[&str] = &[
    "type",
    "role",
    "id",
    "call_id",
    "tool_use_id",
    "tool_call_id",
    "status",
    "signature",
    "data",
    "media_type",
    "encrypted_content",
    "cache_control",
    "file_data",
    "image_url",
    "url",
];

fn collect(value: &Value, words: &mut String) {
    match value {
        Value::String(text) if words.len() < MOST_WORDS => {
            words.push_str(text);
            words.push('\n');
        }
        Value::Array(items) => items.iter().for_each(|item| collect(item, words)),
        Value::Object(members) => {
            let said = members.iter().filter(|(name, _)| !NO_WORDS.contains(&name.as_str()));
            said.for_each(|(_, value)| collect(value, words));
        }
        _ => {}
    }
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

/// The same of what a model said, which may be several documents with commas between.
///
/// # Errors
/// When it is no JSON.
pub fn mapped_said(said: &str, exchange: &dyn Fn(&str) -> Option<String>) -> serde_json::Result<String> {
    let mut items = items(said)?;
    items.iter_mut().for_each(|item| map(item, exchange));
    let items: serde_json::Result<Vec<String>> = items.iter().map(serde_json::to_string).collect();
    Ok(items?.join(","))
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

    #[test]
    fn what_a_model_said_may_be_several_items() {
        let exchange = |text: &str| text.contains("key").then(|| text.replace("key", "***"));
        let check = |said: &str, expect: &str, document: Value| {
            assert_eq!(mapped_said(said, &exchange).unwrap(), expect);
            assert_eq!(super::document(expect.as_bytes()), document, "{expect}");
        };
        check(r#"{"a":"x key"}"#, r#"{"a":"x ***"}"#, serde_json::json!({ "a": "x ***" }));
        let both = serde_json::json!([{ "a": "x ***" }, { "b": ["***"] }]);
        check(r#"{"a":"x key"},{"b":["key"]}"#, r#"{"a":"x ***"},{"b":["***"]}"#, both);
        assert!(mapped_said("{},{", &exchange).is_err());
        assert_eq!(super::document(b"{},{"), Value::Null);
    }

    #[test]
    fn words_are_what_is_new() {
        let check = |sent: Value, said: Option<&str>, expect: Option<&str>| {
            let found = words(sent.to_string().as_bytes(), said);
            assert_eq!(found.as_deref().map(str::trim_end), expect, "{sent}");
        };
        let user = |text: &str| serde_json::json!({ "role": "user", "content": [{ "type": "text", "text": text }] });
        let model = serde_json::json!({ "role": "assistant", "content": "old" });
        let messages = serde_json::json!({ "system": "none", "messages": [user("one")] });
        check(messages, Some(r#"{"role":"assistant","content":"Done."}"#), Some("one\nDone."));
        let chat = serde_json::json!({ "messages": [{ "role": "system", "content": "none" }, user("one")] });
        check(chat, None, Some("one"));
        check(serde_json::json!({ "messages": [user("one"), model, user("two")] }), None, Some("two"));
        let call = serde_json::json!({ "type": "function_call", "call_id": "c", "arguments": "old" });
        let result = serde_json::json!({ "type": "function_call_output", "call_id": "c", "output": "new" });
        check(serde_json::json!({ "input": [user("one"), call, result] }), None, Some("new"));
        check(serde_json::json!({ "input": "one" }), Some(r#"{"a":"x"},{"a":"y"}"#), Some("one\nx\ny"));
        check(serde_json::json!({ "messages": [] }), None, None);
        assert_eq!(words(b"{", None), None);
        let long = serde_json::json!({ "input": "\u{fc}".repeat(MOST_WORDS) });
        assert_eq!(words(long.to_string().as_bytes(), None).unwrap().len(), MOST_WORDS);
    }
}
