//! The conversation in a Chat Completions request.

use crate::wire::history::{Found, Outcome, Said, free_choice, strings};
use crate::wire::json::Value;
use crate::wire::patch::Patch;
use crate::wire::request::text_of;

fn messages(root: Value<'_>) -> impl Iterator<Item = Value<'_>> {
    root.get("messages").into_iter().flat_map(Value::items)
}

pub(in crate::wire) fn turns(root: Value<'_>) -> Vec<Found> {
    let models = messages(root).filter(|message| text_of(*message, "role").as_deref() == Some("assistant"));
    models.map(|message| Found { said: said(message), span: message.span(), answer: None }).collect()
}

fn said(message: Value<'_>) -> Said {
    let mut said = Said::default();
    if let Some(content) = message.get("content") {
        said.text(&content.text().unwrap_or_default());
        content.items().filter_map(|part| text_of(part, "text")).for_each(|text| said.text(&text));
    }
    message.get("tool_calls").into_iter().flat_map(Value::items).for_each(|call| said.call(text_of(call, "id")));
    said
}

pub(in crate::wire) fn outcomes(root: Value<'_>) -> Vec<Outcome> {
    let mut out = Vec::new();
    for message in messages(root) {
        if let (Some("tool" | "function"), Some(content)) =
            (text_of(message, "role").as_deref(), message.get("content"))
        {
            strings(content, &text_of(message, "tool_call_id").unwrap_or_default(), &mut out);
        }
    }
    out
}

pub(in crate::wire) fn append(root: Value<'_>, more: &str, patch: &mut Patch) {
    put(root, more, patch);
    free_choice(root, "\"auto\"", patch);
}

pub(in crate::wire) fn put(root: Value<'_>, more: &str, patch: &mut Patch) {
    if let Some(messages) = root.get("messages") {
        patch.add_item(messages, more);
    }
}
