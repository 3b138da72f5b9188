//! What several test modules share.

mod caching;
mod sockets;

use bytes::Bytes;
use serde_json::Value;

use crate::ask::{Ask, Dialect};
use crate::events::Event;
use crate::said::Said;
use crate::script::{Script, Turn};

/// Says a turn, written in YAML, to a request.
pub(crate) fn said<T>(dialect: Dialect, turn: &str, body: &str, then: impl FnOnce(&Said<'_>) -> T) -> T {
    let yaml = format!("scenarios: [{{ name: n, turns: [{{ {turn} }}] }}]");
    let script = Script::parse(&yaml).unwrap();
    let Turn::Reply(reply) = &script.scenarios[0].turns[0] else { panic!("not a reply") };
    let ask = Ask::read(dialect, Bytes::copy_from_slice(body.as_bytes())).unwrap();
    then(&Said::new(&ask, reply, None, "n/0", 1))
}

/// The data of the events; `[DONE]` is a string.
pub(crate) fn data(events: &[Event]) -> Vec<Value> {
    let parse = |event: &Event| serde_json::from_str(&event.data).unwrap_or_else(|_| Value::from(event.data.as_str()));
    events.iter().map(parse).collect()
}

/// The names of the events, each with how often it comes in a row.
pub(crate) fn names(events: &[Event]) -> Vec<String> {
    let runs = events.chunk_by(|one, next| one.name == next.name);
    runs.map(|run| format!("{} x{}", run[0].name.unwrap_or("-"), run.len())).collect()
}

/// What all events carry of the model's own output.
pub(crate) fn weight(events: &[Event]) -> usize {
    events.iter().map(|event| event.weight).sum()
}
