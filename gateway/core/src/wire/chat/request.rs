//! A Chat Completions request: where its parts are and how they are changed.

use crate::wire::Dialect;
use crate::wire::chat::tools;
use crate::wire::effort;
use crate::wire::facts::{self, Caching};
use crate::wire::json::{self, Json, Kind, Value};
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
    "tools",
    "tool_choice",
    "functions",
    "function_call",
    "parallel_tool_calls",
    "max_tokens",
    "max_completion_tokens",
    "stream",
    "stream_options",
    "prompt_cache_key",
    "web_search_options",
    "search_parameters",
    "enable_search",
    "search_options",
    "search_settings",
    "compound_custom",
    "plugins",
    "n",
    "preset",
];

pub(in crate::wire) fn read(json: Json) -> Result<Request, Malformed> {
    let root = json.root();
    refuse_misspelled(root, KNOWN)?;
    refuse_other_models(root)?;
    refuse_any(root, &["preset"], STORED)?;
    let model = model(root)?;
    let messages = list(root, "messages")?.ok_or(Malformed::Missing("messages"))?;
    let shelves = tools::shelves(root)?;
    let strays = tools::strays(root);
    let effort = effort::read(root)?;
    let facts = facts::read(root, &["messages", "tools"], Caching::Minutes)?;
    if let Some(options) = root.get("stream_options")
        && !matches!(options.kind(), Kind::Object | Kind::Null)
    {
        return Err(Malformed::WrongType { field: "stream_options", expected: "an object" });
    }
    let (opening, (task, before_task)) = (opening(messages), task::task(messages));
    let session = text_of(root, "prompt_cache_key");
    let stream = flag(root, "stream")?;
    // Servers know one name or the other, so what counts is the larger.
    let output_limit = count(root, "max_completion_tokens")?.max(count(root, "max_tokens")?);
    let replies = count(root, "n")?.unwrap_or(1).max(1);
    Ok(Request {
        dialect: Dialect::Chat,
        model,
        stream,
        output_limit,
        shelves,
        strays,
        opening,
        task,
        before_task,
        session,
        replies,
        effort,
        caching: facts.caching,
        tier: facts.tier,
        remote: facts.remote,
        json,
    })
}

fn is_system(message: Value<'_>) -> Option<String> {
    text_of(message, "role").filter(|role| role == "system" || role == "developer")
}

/// One message of its own behind the agent's leading system messages, in the same role.
pub(in crate::wire) fn add_system_text(json: &Json, text: &str, patch: &mut Patch) {
    let Some(messages) = json.root().get("messages").filter(|list| list.kind() == Kind::Array) else { return };
    let leading: Vec<_> = messages.items().map_while(|message| Some((message, is_system(message)?))).collect();
    let content = json::quote(text);
    match leading.last() {
        Some((last, role)) => {
            patch.insert(last.span().end, format!(",{{\"role\":\"{role}\",\"content\":{content}}}"));
        }
        None => {
            let comma = if messages.items().next().is_some() { "," } else { "" };
            let message = format!("{{\"role\":\"system\",\"content\":{content}}}{comma}");
            patch.insert(messages.span().start + 1, message);
        }
    }
}

/// In the text itself where the message is one, for some servers take nothing else.
pub(in crate::wire) fn add_task_text(root: Value<'_>, text: &str, before: usize, patch: &mut Patch) -> Option<()> {
    let content = task_content(root.get("messages")?, before)?;
    match content.kind() {
        Kind::Array => patch.add_item(content, &format!("{{\"type\":\"text\",\"text\":{}}}", json::quote(text))),
        Kind::String => patch.insert(content.span().end - 1, json::escape(&format!("\n\n{text}"))),
        _ => return None,
    }
    Some(())
}

/// Servers know one of two names for the limit; the agent's own choice is kept.
pub(in crate::wire) fn limit_output(json: &Json, most: u64, patch: &mut Patch) -> u64 {
    let root = json.root();
    let old = root.get("max_tokens").is_some_and(|limit| !limit.is_null());
    let field = if old { "max_tokens" } else { "max_completion_tokens" };
    let limit = lower(root, field, most, patch);
    // With both present either may count, so both are lowered.
    if old && root.get("max_completion_tokens").is_some() {
        return limit.max(lower(root, "max_completion_tokens", most, patch));
    }
    limit
}

pub(in crate::wire) fn ask_for_usage(json: &Json, patch: &mut Patch) -> bool {
    let root = json.root();
    let options = match root.get("stream_options") {
        None => {
            patch.add_member(root, "\"stream_options\":{\"include_usage\":true}");
            return true;
        }
        // In its place, for members beside it may be taken out by others.
        Some(null) if null.is_null() => {
            patch.replace(null.span(), "{\"include_usage\":true}");
            return true;
        }
        Some(options) => options,
    };
    match options.get("include_usage") {
        Some(asked) if asked.is_true() => return false,
        Some(asked) => patch.replace(asked.span(), "true"),
        None => patch.add_member(options, "\"include_usage\":true"),
    }
    true
}
