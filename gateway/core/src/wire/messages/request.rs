//! A Messages request: where its parts are and how they are changed.

use crate::wire::Dialect;
use crate::wire::effort::{self, Asked};
use crate::wire::facts::{self, Caching};
use crate::wire::json::{self, Json, Kind, Value};
use crate::wire::messages::tools;
use crate::wire::patch::Patch;
use crate::wire::request::{
    Malformed, Request, STORED, count, flag, list, lower, model, opening, refuse_any, refuse_misspelled,
    refuse_other_models, task_content, text_of,
};
use crate::wire::task;

/// The keys that a stage judges by.
const KNOWN: &[&str] = &[
    "model",
    "messages",
    "system",
    "tools",
    "tool_choice",
    "mcp_servers",
    "max_tokens",
    "stream",
    "metadata",
    "thread",
];

/// Asks the provider to cache all that stands before, for minutes.
const BREAKPOINT: &str = r#""cache_control":{"type":"ephemeral"}"#;
/// Thinking needs this much room for the answer beside its own budget.
const ROOM_FOR_ANSWER: u64 = 1024;
/// The least that the provider takes for a thinking budget.
const LEAST_THINKING: u64 = 1024;

pub(in crate::wire) fn read(json: Json) -> Result<Request, Malformed> {
    let root = json.root();
    refuse_misspelled(root, KNOWN)?;
    refuse_other_models(root)?;
    refuse_any(root, &["thread"], STORED)?;
    let model = model(root)?;
    let messages = list(root, "messages")?.ok_or(Malformed::Missing("messages"))?;
    let shelves = tools::shelves(root)?;
    let strays = tools::strays(messages)?;
    let effort = most_of_messages(root, effort::read(root)?)?;
    let facts = facts::read(root, &["system", "tools", "messages"], Caching::None)?;
    let (opening, (task, before_task)) = (opening(messages), task::task(messages));
    let session = session(root);
    let stream = flag(root, "stream")?;
    let output_limit = count(root, "max_tokens")?;
    Ok(Request {
        dialect: Dialect::Messages,
        model,
        stream,
        output_limit,
        shelves,
        strays,
        opening,
        task,
        before_task,
        session,
        replies: 1,
        effort,
        caching: facts.caching,
        tier: facts.tier,
        remote: facts.remote,
        json,
    })
}

/// A message may ask for another effort than the request from its turn on, so the highest of all
/// counts.
pub(in crate::wire) fn most_of_messages(root: Value<'_>, asked: Asked) -> Result<Asked, Malformed> {
    let mut messages = root.get("messages").into_iter().flat_map(Value::items);
    messages.try_fold(asked, |most, message| Ok(most.max(effort::of_message(message)?)))
}

/// Claude Code writes its session into `metadata.user_id`, as JSON inside a string.
fn session(root: Value<'_>) -> Option<String> {
    let inside = root.at(&["metadata", "user_id"])?.text()?;
    let inside = Json::read(inside.into_owned().into()).ok()?;
    text_of(inside.root(), "session_id")
}

/// Behind the agent's own entries: the first may be a line that the provider only strips while
/// it stands first and alone, and a list or a string must stay one. Only who sets no breakpoints
/// has a string made a list, for without one there is no place for ours.
pub(in crate::wire) fn add_system_text(json: &Json, text: &str, has_breakpoint: bool, patch: &mut Patch) {
    let root = json.root();
    let quoted = json::quote(text);
    let mark = if has_breakpoint { format!(",{BREAKPOINT}") } else { String::new() };
    let block = format!("{{\"type\":\"text\",\"text\":{quoted}{mark}}}");
    match root.get("system") {
        Some(system) if system.kind() == Kind::Array => patch.add_item(system, &block),
        Some(system) if system.kind() == Kind::String && has_breakpoint => {
            // A block without a text is refused by the provider.
            let is_empty = system.text().is_none_or(|text| text.trim().is_empty());
            let own = Some(system.raw()).filter(|_| !is_empty);
            let own = own.map(|own| format!("{{\"type\":\"text\",\"text\":{own}}},")).unwrap_or_default();
            patch.replace(system.span(), format!("[{own}{block}]"));
        }
        Some(system) if system.kind() == Kind::String => {
            let behind = json::escape(&format!("\n\n{text}"));
            patch.insert(system.span().end - 1, behind);
        }
        own => {
            let new = if has_breakpoint { format!("[{block}]") } else { quoted };
            match own {
                Some(null) => patch.replace(null.span(), new),
                None => patch.add_member(root, &format!("\"system\":{new}")),
            }
        }
    }
}

/// At the last block itself: not every provider of this dialect takes one for the whole request.
pub(in crate::wire) fn add_breakpoint(json: &Json, patch: &mut Patch) {
    let last = json.root().get("messages").and_then(|messages| messages.items().last());
    let content = last.filter(|last| text_of(*last, "role").as_deref() == Some("user"));
    let Some(content) = content.and_then(|last| last.get("content")) else { return };
    let is_said = |text: Value<'_>| text.text().is_some_and(|text| !text.trim().is_empty());
    if is_said(content) {
        patch.replace(content.span(), format!("[{{\"type\":\"text\",\"text\":{},{BREAKPOINT}}}]", content.raw()));
        return;
    }
    let Some(block) = content.items().last() else { return };
    let takes_one = match text_of(block, "type").as_deref() {
        Some("text") => block.get("text").is_some_and(is_said),
        Some("image" | "document" | "tool_result") => true,
        _ => false,
    };
    match block.get("cache_control") {
        _ if !takes_one => {}
        Some(null) => patch.replace(null.span(), r#"{"type":"ephemeral"}"#),
        None => patch.add_member(block, BREAKPOINT),
    }
}

/// As a block of its own, always: agents tell a list of one text as that text once it is not the
/// last, and to a model both are one block.
pub(in crate::wire) fn add_task_text(
    root: Value<'_>,
    text: &str,
    (before, has_breakpoint): (usize, bool),
    patch: &mut Patch,
) -> Option<()> {
    let content = task_content(root.get("messages")?, before)?;
    let mark = if has_breakpoint { format!(",{BREAKPOINT}") } else { String::new() };
    let block = format!("{{\"type\":\"text\",\"text\":{}{mark}}}", json::quote(text));
    match content.kind() {
        Kind::Array => patch.add_item(content, &block),
        Kind::String => {
            let own = content.raw();
            patch.replace(content.span(), format!("[{{\"type\":\"text\",\"text\":{own}}},{block}]"));
        }
        _ => return None,
    }
    Some(())
}

pub(in crate::wire) fn limit_output(json: &Json, most: u64, patch: &mut Patch) -> u64 {
    let root = json.root();
    let enabled = root.get("thinking").filter(|thinking| text_of(*thinking, "type").as_deref() == Some("enabled"));
    let mut most = most;
    if let Some(budget) = enabled.and_then(|thinking| thinking.get("budget_tokens"))
        && budget.integer().is_none_or(|asked| asked.saturating_add(ROOM_FOR_ANSWER) > most)
    {
        let lowered = most.saturating_sub(ROOM_FOR_ANSWER).max(LEAST_THINKING);
        most = most.max(lowered + ROOM_FOR_ANSWER);
        patch.replace(budget.span(), lowered.to_string());
    }
    lower(root, "max_tokens", most, patch)
}
