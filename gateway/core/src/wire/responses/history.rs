//! The conversation in a Responses request. A turn of the model's is a run of items that are its.

use std::collections::HashMap;

use crate::wire::history::{Found, Outcome, Said, free_choice, strings};
use crate::wire::json::{self, Kind, Value};
use crate::wire::patch::Patch;
use crate::wire::request::text_of;

fn items(root: Value<'_>) -> impl Iterator<Item = Value<'_>> {
    root.get("input").into_iter().flat_map(Value::items)
}

pub(in crate::wire) fn turns(root: Value<'_>) -> Vec<Found> {
    let mut found: Vec<Found> = Vec::new();
    let mut is_open = false;
    for item in items(root) {
        let is_models = is_models(item);
        match found.last_mut() {
            Some(turn) if is_models && is_open => {
                turn.span.end = item.span().end;
                add(item, &mut turn.said);
            }
            _ if is_models => {
                let mut said = Said::default();
                add(item, &mut said);
                found.push(Found { said, span: item.span(), answer: None });
            }
            _ => {}
        }
        is_open = is_models;
    }
    found
}

pub(in crate::wire) fn is_models(item: Value<'_>) -> bool {
    let kind = text_of(item, "type");
    match kind.as_deref() {
        Some("message") | None => text_of(item, "role").as_deref() == Some("assistant"),
        Some(kind) => kind == "reasoning" || kind.ends_with("_call"),
    }
}

fn add(item: Value<'_>, said: &mut Said) {
    if let Some(content) = item.get("content").filter(|_| text_of(item, "role").is_some()) {
        said.text(&content.text().unwrap_or_default());
        content.items().filter_map(|part| text_of(part, "text")).for_each(|text| said.text(&text));
    }
    said.call(text_of(item, "call_id"));
}

pub(in crate::wire) fn outcomes(root: Value<'_>) -> Vec<Outcome> {
    let mut out = Vec::new();
    for item in items(root) {
        if text_of(item, "type").is_some_and(|kind| kind.ends_with("_output"))
            && let Some(output) = item.get("output")
        {
            let call = text_of(item, "call_id").unwrap_or_default();
            strings(output, &call, &mut out);
            // What a shell of the provider's kind printed stands one level deeper.
            for part in output.items() {
                let texts = ["stdout", "stderr"].into_iter().filter_map(|name| part.get(name));
                texts.for_each(|text| strings(text, &call, &mut out));
            }
        }
    }
    out
}

/// An agent answers a call by an item of the kind of call that it got. Where the model made one of
/// another kind, the answer becomes of that one's kind.
pub(in crate::wire) fn answer_as_told(root: Value<'_>, told: Value<'_>, patch: &mut Patch) {
    let called = |item: Value<'_>| {
        let kind = text_of(item, "type").filter(|kind| kind.ends_with("_call"))?;
        Some((text_of(item, "call_id")?, format!("{kind}_output")))
    };
    let wanted: HashMap<String, String> = told.items().filter_map(called).collect();
    for item in items(root) {
        let Some(kind) = item.get("type").filter(|kind| kind.text().is_some_and(|kind| kind.ends_with("_output")))
        else {
            continue;
        };
        let call = text_of(item, "call_id").and_then(|call| wanted.get(&call));
        if let Some(wanted) = call.filter(|wanted| kind.text().as_deref() != Some(wanted)) {
            patch.replace(kind.span(), json::quote(wanted));
        }
    }
}

pub(in crate::wire) fn append(root: Value<'_>, more: &str, patch: &mut Patch) {
    put(root, more, patch);
    free_choice(root, "\"auto\"", patch);
}

pub(in crate::wire) fn put(root: Value<'_>, more: &str, patch: &mut Patch) {
    match root.get("input") {
        Some(input) if input.kind() == Kind::Array => patch.add_item(input, more),
        Some(text) => {
            let user = format!("{{\"type\":\"message\",\"role\":\"user\",\"content\":{}}}", text.raw());
            patch.replace(text.span(), format!("[{user},{more}]"));
        }
        None => {}
    }
}
