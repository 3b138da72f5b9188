//! What a Chat Completions reply says.

use crate::wire::event::{Call, Event, Frame, Shape, Usage};
use crate::wire::facts::tier;
use crate::wire::json::Value;
use crate::wire::request::text_of;

pub(in crate::wire) fn events(frame: &Frame) -> Vec<Event<'_>> {
    if frame.is_done_mark() {
        return vec![Event::Ended];
    }
    let Some(json) = &frame.json else { return Vec::new() };
    let root = json.root();
    if root.get("error").is_some_and(|error| !error.is_null()) {
        return vec![failed(root)];
    }
    let mut out = Vec::new();
    out.extend(root.get("model").and_then(Value::text).map(|model| Event::Began { model }));
    out.extend(tier(root).map(|tier| Event::Served { tier }));
    for choice in root.get("choices").into_iter().flat_map(Value::items) {
        let said = match frame.shape {
            Shape::Event => choice.get("delta"),
            Shape::Whole => choice.get("message"),
        };
        out.extend(said.into_iter().flat_map(message));
        out.extend(choice.get("finish_reason").and_then(Value::text).map(|reason| Event::Stopped { reason }));
    }
    out.extend(usage(root));
    if frame.shape == Shape::Whole {
        out.push(Event::Ended);
    }
    out
}

fn message(message: Value<'_>) -> Vec<Event<'_>> {
    let mut out = Vec::new();
    let text = |field| message.get(field).and_then(Value::text);
    // Servers know one name or the other for the thinking, and some write both.
    let said = [text("content"), text("reasoning_content").or_else(|| text("reasoning")), text("refusal")];
    out.extend(said.into_iter().flatten().map(|text| Event::Wrote { text }));
    for entry in message.get("tool_calls").into_iter().flat_map(Value::items) {
        out.extend(inputs(entry).filter_map(Value::text).map(|text| Event::Wrote { text }));
    }
    if let Some(old) = message.get("function_call") {
        out.extend(old.get("arguments").and_then(Value::text).map(|text| Event::Wrote { text }));
    }
    out
}

/// The call that an entry of `tool_calls` begins; later pieces of a call carry no name.
pub(in crate::wire) fn call(entry: Value<'_>) -> Option<Call> {
    let names = ["function", "custom"].iter().filter_map(|kind| entry.at(&[kind, "name"])?.text());
    let name = names.into_iter().find(|name| !name.is_empty())?.into_owned();
    Some(Call { name, id: text_of(entry, "id").unwrap_or_default(), ..Call::default() })
}

/// The pieces of a call's input that an entry brings.
pub(in crate::wire) fn inputs(entry: Value<'_>) -> impl Iterator<Item = Value<'_>> {
    let written = [["function", "arguments"], ["custom", "input"]];
    let strings = written.into_iter().filter_map(move |path| entry.at(&path));
    strings.filter(|value| value.text().is_some_and(|text| !text.is_empty()))
}

fn failed(root: Value<'_>) -> Event<'_> {
    Event::Failed { kind: root.at(&["error", "type"]).and_then(Value::text).unwrap_or_default() }
}

fn usage(root: Value<'_>) -> Option<Event<'_>> {
    let reported = root.get("usage").filter(|usage| !usage.is_null())?;
    let count = |path: &[&str]| reported.at(path).and_then(Value::count).unwrap_or(0);
    let cached = count(&["prompt_tokens_details", "cached_tokens"]);
    let written = count(&["prompt_tokens_details", "cache_write_tokens"]);
    let usage = Usage {
        input: count(&["prompt_tokens"]).saturating_sub(cached).saturating_sub(written),
        cache_read: cached,
        cache_write: written,
        cache_write_hour: count(&["prompt_tokens_details", "cache_write_tokens_details", "ttl_12h_tokens"]),
        output: count(&["completion_tokens"]),
    };
    Some(Event::Usage { usage, last: true })
}

/// Whether this is the extra chunk that only carries usage.
pub(crate) fn is_usage_only(frame: &Frame) -> bool {
    let Some(json) = &frame.json else { return false };
    let root = json.root();
    let empty = root.get("choices").is_some_and(|choices| choices.items().next().is_none());
    empty && root.get("usage").is_some_and(|usage| !usage.is_null())
}
