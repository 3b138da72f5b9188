//! A Chat Completions request: where its parts are and how they are changed.

use crate::wire::Dialect;
use crate::wire::effort;
use crate::wire::facts::{self, Caching};
use crate::wire::json::{self, Json, Kind, Value};
use crate::wire::patch::Patch;
use crate::wire::request::{
    Choice, Malformed, Place, Request, STORED, Shelf, Stray, Tool, count, flag, list, lower, model, opening,
    refuse_any, refuse_misspelled, refuse_other_models, text_of,
};

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
    "plugins",
    "n",
    "preset",
];
const KNOWN_IN_TOOL: &[&str] = &["name", "type", "function", "custom"];

pub(in crate::wire) const CHOICE: Choice =
    Choice { auto: "\"auto\"", without_tools: &["tool_choice", "function_call", "parallel_tool_calls"] };

pub(in crate::wire) fn read(json: Json) -> Result<Request, Malformed> {
    let root = json.root();
    refuse_misspelled(root, KNOWN)?;
    refuse_other_models(root)?;
    refuse_any(root, &["preset"], STORED)?;
    let model = model(root)?;
    let messages = list(root, "messages")?.ok_or(Malformed::Missing("messages"))?;
    let shelves = shelves(root)?;
    let strays = strays(root);
    let effort = effort::read(root)?;
    let facts = facts::read(root, &["messages", "tools"], Caching::Minutes)?;
    if let Some(options) = root.get("stream_options")
        && !matches!(options.kind(), Kind::Object | Kind::Null)
    {
        return Err(Malformed::WrongType { field: "stream_options", expected: "an object" });
    }
    let opening = opening(messages);
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
        session,
        replies,
        effort,
        caching: facts.caching,
        tier: facts.tier,
        remote: facts.remote,
        json,
    })
}

fn shelves(root: Value<'_>) -> Result<Vec<Shelf>, Malformed> {
    let mut shelves = Vec::new();
    for (member, tool) in [("tools", tool as fn(Value<'_>) -> Tool), ("functions", function)] {
        if let Some(list) = list(root, member)? {
            for item in list.items() {
                refuse_misspelled(item, KNOWN_IN_TOOL)?;
                if let Some(inner) = body_of(item) {
                    refuse_misspelled(inner, KNOWN_IN_TOOL)?;
                }
            }
            shelves.push(Shelf::read(member, list, &tool));
        }
    }
    Ok(shelves)
}

/// Members by which some providers are told to search or to run extensions of their own.
fn strays(root: Value<'_>) -> Vec<Stray> {
    let search = || Tool::named(Some("web_search".to_owned()));
    let known = [("web_search_options", search()), ("search_parameters", search()), ("plugins", Tool::named(None))];
    let is_there = |name: &str| root.get(name).is_some_and(|value| !value.is_null());
    let present = known.into_iter().filter(|(name, _)| is_there(name));
    present.map(|(name, tool)| Stray { tool, place: Place::Member(name) }).collect()
}

fn body_of(item: Value<'_>) -> Option<Value<'_>> {
    // With both, which one counts depends on the reader.
    if item.get("function").is_some() && item.get("custom").is_some() {
        return None;
    }
    match item.get("type")?.text()?.as_ref() {
        "function" => item.get("function"),
        "custom" => item.get("custom"),
        _ => None,
    }
}

fn tool(item: Value<'_>) -> Tool {
    Tool::named(body_of(item).and_then(|body| text_of(body, "name")))
}

/// The older spelling: a bare function.
fn function(item: Value<'_>) -> Tool {
    Tool::named(text_of(item, "name"))
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
    let Some(options) = root.get("stream_options").filter(|options| !options.is_null()) else {
        patch.remove_members(root, &["stream_options"]);
        patch.add_member(root, "\"stream_options\":{\"include_usage\":true}");
        return true;
    };
    match options.get("include_usage") {
        Some(asked) if asked.is_true() => return false,
        Some(asked) => patch.replace(asked.span(), "true"),
        None => patch.add_member(options, "\"include_usage\":true"),
    }
    true
}
