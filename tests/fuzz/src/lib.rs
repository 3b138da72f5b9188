//! What the targets share: random choices, the rules in force, streams of events, and readings of
//! what leaves that owe nothing to our own.

pub mod body;
pub mod choice;
pub mod command;
pub mod guard;
pub mod keys;
pub mod loose;
pub mod reply;
pub mod seen;
pub mod words;

use bytes::Bytes;
use jetway_core::policy::lockdown::Rules;
use jetway_core::wire::Dialect;
use jetway_core::wire::json::Json;
use jetway_core::wire::request::Request;

pub const DIALECTS: [Dialect; 3] = [Dialect::Messages, Dialect::Chat, Dialect::Responses];

/// Rules as a policy would write them; a sentence takes the place of what they refuse.
#[must_use]
pub fn rules(allow: &[&str], deny: &[&str], on_denied: &str) -> Rules {
    let document = serde_json::json!({ "allow": allow, "deny": deny, "on_denied": on_denied });
    serde_json::from_value(document).expect("rules of a target are sound")
}

/// The request that these bytes are in a dialect, if they are one.
#[must_use]
pub fn request(dialect: Dialect, bytes: &Bytes) -> Option<Request> {
    Request::read(dialect, Json::read(bytes.clone()).ok()?).ok()
}

/// A text as a failure shows it.
#[must_use]
pub fn shown(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}
