//! The conversation in a Messages request.

use crate::wire::history::{Found, Outcome, Said, free_choice, strings};
use crate::wire::json::{self, Kind, Value};
use crate::wire::messages::turn::answer;
use crate::wire::patch::Patch;
use crate::wire::request::text_of;
use crate::wire::turn::Answer;

pub(in crate::wire) fn turns(root: Value<'_>) -> Vec<Found> {
    let mut found: Vec<Found> = Vec::new();
    let mut is_answered = true;
    for message in root.get("messages").into_iter().flat_map(Value::items) {
        match text_of(message, "role").as_deref() {
            Some("assistant") => {
                let said = message.get("content").map(said).unwrap_or_default();
                found.push(Found { said, span: message.span(), answer: None });
                is_answered = false;
            }
            Some("user") if !is_answered => {
                is_answered = true;
                if let Some(turn) = found.last_mut() {
                    turn.answer = Some(message.index());
                }
            }
            _ => {}
        }
    }
    found
}

fn said(content: Value<'_>) -> Said {
    let mut said = Said::default();
    said.text(&content.text().unwrap_or_default());
    for block in content.items() {
        match text_of(block, "type").as_deref() {
            Some("text") => said.text(&block.get("text").and_then(Value::text).unwrap_or_default()),
            Some("tool_use") => said.call(text_of(block, "id")),
            _ => {}
        }
    }
    said
}

pub(in crate::wire) fn outcomes(root: Value<'_>) -> Vec<Outcome> {
    let mut out = Vec::new();
    let messages = root.get("messages").into_iter().flat_map(Value::items);
    let contents = messages.filter_map(|message| message.get("content"));
    for block in contents.flat_map(Value::items) {
        // Also of tools that the provider runs: they come back as the agent tells them.
        let is_result = text_of(block, "type").is_some_and(|kind| kind.ends_with("tool_result"));
        if let Some(content) = block.get("content").filter(|_| is_result) {
            strings(content, &text_of(block, "tool_use_id").unwrap_or_default(), &mut out);
        }
    }
    out
}

/// Answers come first in a message, before anything else that is said in it.
pub(in crate::wire) fn join(message: Value<'_>, answers: &[Answer], patch: &mut Patch) {
    let blocks: Vec<String> = answers.iter().map(answer).collect();
    let blocks = blocks.join(",");
    let Some(content) = message.get("content") else { return };
    match content.kind() {
        Kind::Array => {
            let comma = if content.items().next().is_some() { "," } else { "" };
            patch.insert(content.span().start + 1, format!("{blocks}{comma}"));
        }
        _ => {
            let text = json::quote(&content.text().unwrap_or_default());
            patch.replace(content.span(), format!("[{blocks},{{\"type\":\"text\",\"text\":{text}}}]"));
        }
    }
}

pub(in crate::wire) fn append(root: Value<'_>, more: &str, patch: &mut Patch) {
    if let Some(messages) = root.get("messages") {
        patch.add_item(messages, more);
    }
    free_choice(root, "{\"type\":\"auto\"}", patch);
}
