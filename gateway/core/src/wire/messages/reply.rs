//! What a Messages reply says.

use std::borrow::Cow;

use crate::wire::event::{Call, Event, Frame, Shape, Usage};
use crate::wire::facts::tier;
use crate::wire::json::Value;
use crate::wire::request::text_of;

pub(in crate::wire) fn events(frame: &Frame) -> Vec<Event<'_>> {
    let Some(json) = &frame.json else { return Vec::new() };
    let root = json.root();
    match frame.shape {
        Shape::Whole => whole(root),
        Shape::Event => event(root),
    }
}

fn event(root: Value<'_>) -> Vec<Event<'_>> {
    let mut out = Vec::new();
    match text_of(root, "type").as_deref() {
        Some("message_start") => {
            if let Some(message) = root.get("message") {
                out.push(began(message));
                out.extend(usage(message, false));
            }
        }
        Some("content_block_start") => {
            if let Some(block) = root.get("content_block") {
                out.extend(written(block));
            }
        }
        Some("content_block_delta") => {
            out.extend(root.get("delta").into_iter().flat_map(written));
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

/// What a block begins with, or a piece adds to it.
fn written(piece: Value<'_>) -> impl Iterator<Item = Event<'_>> {
    piece.members().filter_map(|member| match &*member.name() {
        "text" | "thinking" | "partial_json" => Some(Event::Wrote { text: member.value.text()? }),
        // Thinking that is not shown is only told of by this.
        "estimated_tokens" => Some(Event::Thought { tokens: member.value.count()? }),
        _ => None,
    })
}

fn whole(root: Value<'_>) -> Vec<Event<'_>> {
    if text_of(root, "type").as_deref() == Some("error") {
        return vec![failed(root)];
    }
    let mut out = vec![began(root)];
    for block in root.get("content").into_iter().flat_map(Value::items) {
        out.push(Event::Wrote { text: Cow::Borrowed(block.raw()) });
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
    let name = match kind.as_str() {
        "mcp_tool_use" => format!("mcp__{}__{}", part("server_name"), part("name")),
        // One tool is offered, and its parts are called.
        "server_tool_use" if part("name").ends_with("_code_execution") => String::from("code_execution"),
        _ if kind.ends_with("tool_use") => part("name"),
        _ => return None,
    };
    Some(Call { name, namespace: None, id: part("id"), at: 0, is_providers: kind != "tool_use" })
}

fn began(message: Value<'_>) -> Event<'_> {
    Event::Began { model: message.get("model").and_then(Value::text).unwrap_or_default() }
}

fn stopped(holder: Value<'_>) -> Option<Event<'_>> {
    Some(Event::Stopped { reason: holder.get("stop_reason")?.text()? })
}

fn failed(root: Value<'_>) -> Event<'_> {
    Event::Failed { kind: root.at(&["error", "type"]).and_then(Value::text).unwrap_or_default() }
}

/// What was used so far, and at which tier.
fn usage(holder: Value<'_>, last: bool) -> Vec<Event<'_>> {
    let Some(reported) = holder.get("usage") else { return Vec::new() };
    // A reply that compacts its own context bills each pass, and sums up only the last one.
    let passes = reported.get("iterations").into_iter().flat_map(Value::items).map(counts);
    let summed = passes.fold(Usage::default(), Usage::plus);
    let served = tier(reported).map(|tier| Event::Served { tier });
    let usage = Event::Usage { usage: counts(reported).merged(summed), last };
    served.into_iter().chain([usage]).collect()
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
