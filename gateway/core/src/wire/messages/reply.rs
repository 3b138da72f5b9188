//! What a Messages reply says.

use crate::wire::event::{Call, Event, Frame, Shape, Usage};
use crate::wire::json::Value;
use crate::wire::request::text_of;

pub(in crate::wire) fn events(frame: &Frame) -> Vec<Event> {
    let Some(json) = &frame.json else { return Vec::new() };
    let root = json.root();
    match frame.shape {
        Shape::Whole => whole(root),
        Shape::Event => event(root),
    }
}

fn event(root: Value<'_>) -> Vec<Event> {
    let mut out = Vec::new();
    match text_of(root, "type").as_deref() {
        Some("message_start") => {
            if let Some(message) = root.get("message") {
                out.push(Event::Began { model: text_of(message, "model").unwrap_or_default() });
                out.extend(usage(message, false));
            }
        }
        Some("content_block_start") => {
            if let Some(block) = root.get("content_block") {
                out.extend(call(block).map(Event::Called));
            }
        }
        Some("content_block_delta") => {
            let written = ["text", "thinking", "partial_json"];
            let bytes = written.iter().filter_map(|field| root.at(&["delta", field])?.text());
            out.push(Event::Wrote { bytes: bytes.map(|text| text.len()).sum() });
        }
        Some("message_delta") => {
            out.extend(usage(root, true));
            out.extend(root.at(&["delta"]).and_then(stopped));
        }
        Some("message_stop") => out.push(Event::Ended),
        Some("error") => out.push(failed(root)),
        _ => {}
    }
    out
}

fn whole(root: Value<'_>) -> Vec<Event> {
    if text_of(root, "type").as_deref() == Some("error") {
        return vec![failed(root)];
    }
    let mut out = vec![Event::Began { model: text_of(root, "model").unwrap_or_default() }];
    for block in root.get("content").into_iter().flat_map(Value::items) {
        out.extend(call(block).map(Event::Called));
        out.push(Event::Wrote { bytes: block.raw().len() });
    }
    out.extend(usage(root, true));
    out.extend(stopped(root));
    out.push(Event::Ended);
    out
}

/// The call that a content block makes: any `…tool_use`, also those that the provider runs itself
/// and those that we have not heard of.
pub(in crate::wire) fn call(block: Value<'_>) -> Option<Call> {
    let kind = text_of(block, "type")?;
    let part = |field| text_of(block, field).unwrap_or_default();
    match kind.as_str() {
        "mcp_tool_use" => {
            Some(Call { name: format!("mcp__{}__{}", part("server_name"), part("name")), namespace: None })
        }
        // One tool is offered, and its parts are called.
        "server_tool_use" if part("name").ends_with("_code_execution") => {
            Some(Call { name: String::from("code_execution"), namespace: None })
        }
        _ if kind.ends_with("tool_use") => Some(Call { name: part("name"), namespace: None }),
        _ => None,
    }
}

fn stopped(holder: Value<'_>) -> Option<Event> {
    Some(Event::Stopped { reason: text_of(holder, "stop_reason")? })
}

fn failed(root: Value<'_>) -> Event {
    let kind = root.get("error").and_then(|error| text_of(error, "type"));
    Event::Failed { kind: kind.unwrap_or_default() }
}

fn usage(holder: Value<'_>, last: bool) -> Option<Event> {
    let reported = holder.get("usage")?;
    // A reply that compacts its own context bills each pass, and sums up only the last one.
    let passes = reported.get("iterations").into_iter().flat_map(Value::items).map(counts);
    let summed = passes.fold(Usage::default(), |sum, pass| Usage {
        input: sum.input + pass.input,
        cache_read: sum.cache_read + pass.cache_read,
        cache_write: sum.cache_write + pass.cache_write,
        cache_write_hour: sum.cache_write_hour + pass.cache_write_hour,
        output: sum.output + pass.output,
    });
    Some(Event::Usage { usage: counts(reported).merged(summed), last })
}

fn counts(reported: Value<'_>) -> Usage {
    let count = |path: &[&str]| reported.at(path).and_then(Value::count).unwrap_or(0);
    Usage {
        input: count(&["input_tokens"]),
        cache_read: count(&["cache_read_input_tokens"]),
        cache_write: count(&["cache_creation_input_tokens"]),
        cache_write_hour: count(&["cache_creation", "ephemeral_1h_input_tokens"]),
        output: count(&["output_tokens"]),
    }
}
