//! What a Responses reply says.

use std::borrow::Cow;

use crate::wire::event::{Call, Event, Frame, Shape, Usage};
use crate::wire::facts::tier;
use crate::wire::json::Value;
use crate::wire::request::text_of;
use crate::wire::responses::builtin;

pub(in crate::wire) fn events(frame: &Frame) -> Vec<Event<'_>> {
    let Some(json) = &frame.json else { return Vec::new() };
    let root = json.root();
    match frame.shape {
        Shape::Whole if root.get("error").is_some_and(|error| !error.is_null()) => vec![failed(root)],
        Shape::Whole => {
            let mut out = began(root);
            for item in root.get("output").into_iter().flat_map(Value::items) {
                out.push(Event::Wrote { text: Cow::Borrowed(item.raw()) });
            }
            out.extend(finished(root));
            out
        }
        Shape::Event => event(root),
    }
}

fn event(root: Value<'_>) -> Vec<Event<'_>> {
    let kind = text_of(root, "type").unwrap_or_default();
    match kind.as_str() {
        "response.created" => root.get("response").map(began).unwrap_or_default(),
        "response.completed" | "response.incomplete" => root.get("response").map(finished).unwrap_or_default(),
        "response.failed" => {
            let response = root.get("response").into_iter();
            response.flat_map(|response| usage(response).into_iter().chain([failed(response)])).collect()
        }
        "error" => vec![Event::Failed { kind: root.get("code").and_then(Value::text).unwrap_or_default() }],
        // Every kind of text, thinking and argument streams as `….delta` with a string.
        _ if kind.ends_with(".delta") => {
            let text = root.get("delta").and_then(Value::text);
            text.into_iter().map(|text| Event::Wrote { text }).collect()
        }
        _ => Vec::new(),
    }
}

fn began(response: Value<'_>) -> Vec<Event<'_>> {
    response.get("model").and_then(Value::text).map(|model| Event::Began { model }).into_iter().collect()
}

/// Its end is where a reply says which tier served it: its beginning repeats what was asked for.
fn finished(response: Value<'_>) -> Vec<Event<'_>> {
    let mut out: Vec<_> = tier(response).map(|tier| Event::Served { tier }).into_iter().collect();
    out.extend(usage(response));
    let reason = response.get("status").and_then(Value::text).unwrap_or_default();
    out.push(Event::Stopped { reason });
    out.push(Event::Ended);
    out
}

/// The call that an output item is. Items of what the provider runs itself are named by type.
pub(in crate::wire) fn call(item: Value<'_>) -> Option<Call> {
    let kind = text_of(item, "type")?;
    let namespace = text_of(item, "namespace");
    let name = match kind.as_str() {
        "function_call" | "custom_tool_call" => text_of(item, "name").unwrap_or_default(),
        "mcp_call" | "mcp_approval_request" => {
            let part = |field| text_of(item, field).unwrap_or_default();
            format!("mcp__{}__{}", part("server_label"), part("name"))
        }
        _ => builtin(kind.strip_suffix("_call")?).to_owned(),
    };
    let id = text_of(item, "call_id").or_else(|| text_of(item, "id")).unwrap_or_default();
    Some(Call { name, namespace, id, at: 0, is_providers: !is_run_by_agent(item) })
}

/// Whether the agent is to run the call that an item is.
pub(in crate::wire) fn is_run_by_agent(item: Value<'_>) -> bool {
    const RUN_BY_PROVIDER: &[&str] =
        &["web_search_call", "file_search_call", "code_interpreter_call", "image_generation_call", "mcp_call"];
    let kind = text_of(item, "type").unwrap_or_default();
    let is_call = kind.ends_with("_call") || kind == "mcp_approval_request";
    is_call && !RUN_BY_PROVIDER.contains(&kind.as_str()) && !is_answered_apart(item)
}

/// Whether the provider runs it, and answers by an item of its own.
pub(in crate::wire) fn is_answered_apart(item: Value<'_>) -> bool {
    text_of(item, "type").as_deref() == Some("program")
        || text_of(item, "execution").as_deref() == Some("server")
        || item.at(&["environment", "type"]).and_then(Value::text).is_some_and(|kind| kind == "container_reference")
}

fn failed(response: Value<'_>) -> Event<'_> {
    let text = |path: &[&str]| response.at(path).and_then(Value::text);
    let kind = text(&["error", "code"]).or_else(|| text(&["error", "type"]));
    Event::Failed { kind: kind.unwrap_or_default() }
}

fn usage(response: Value<'_>) -> Option<Event<'_>> {
    let reported = response.get("usage").filter(|usage| !usage.is_null())?;
    let count = |path: &[&str]| reported.at(path).and_then(Value::count).unwrap_or(0);
    let cached = count(&["input_tokens_details", "cached_tokens"]);
    let written = count(&["input_tokens_details", "cache_write_tokens"]);
    let usage = Usage {
        input: count(&["input_tokens"]).saturating_sub(cached).saturating_sub(written),
        cache_read: cached,
        cache_write: written,
        cache_write_hour: count(&["input_tokens_details", "cache_write_tokens_details", "ttl_12h_tokens"]),
        output: count(&["output_tokens"]),
    };
    Some(Event::Usage { usage, last: true })
}
