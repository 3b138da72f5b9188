//! A Messages request: where its parts are and how they are changed.

use crate::wire::Dialect;
use crate::wire::json::{self, Json, Kind, Value};
use crate::wire::patch::Patch;
use crate::wire::request::{
    Choice, Malformed, Request, Shelf, Tool, count, flag, list, lower, model, opening, refuse_misspelled, text_of,
};

/// The keys that a stage judges by.
const KNOWN: &[&str] =
    &["model", "messages", "system", "tools", "tool_choice", "mcp_servers", "max_tokens", "stream", "metadata"];
const KNOWN_IN_TOOL: &[&str] = &["name", "type", "mcp_server_name"];

pub(in crate::wire) const CHOICE: Choice = Choice { auto: "{\"type\":\"auto\"}", without_tools: &["tool_choice"] };

/// Thinking needs this much room for the answer beside its own budget.
const ROOM_FOR_ANSWER: u64 = 1024;

pub(in crate::wire) fn read(json: Json) -> Result<Request, Malformed> {
    let root = json.root();
    refuse_misspelled(root, KNOWN)?;
    let model = model(root)?;
    let messages = list(root, "messages")?.ok_or(Malformed::Missing("messages"))?;
    let shelves = shelves(root)?;
    let opening = opening(messages);
    let session = session(root);
    let stream = flag(root, "stream")?;
    let output_limit = count(root, "max_tokens")?;
    Ok(Request { dialect: Dialect::Messages, model, stream, output_limit, shelves, opening, session, replies: 1, json })
}

fn shelves(root: Value<'_>) -> Result<Vec<Shelf>, Malformed> {
    let mut shelves = Vec::new();
    for (member, tool) in [("tools", tool as fn(Value<'_>) -> Tool), ("mcp_servers", server)] {
        if let Some(list) = list(root, member)? {
            list.items().try_for_each(|item| refuse_misspelled(item, KNOWN_IN_TOOL))?;
            shelves.push(Shelf::read(member, list, tool));
        }
    }
    Ok(shelves)
}

/// Custom and built-in tools carry their name; a set of tools of an MCP server is named after it.
fn tool(item: Value<'_>) -> Tool {
    let of_server = || text_of(item, "mcp_server_name").map(|server| format!("mcp__{server}__*"));
    Tool { name: text_of(item, "name").or_else(of_server), namespace: None }
}

fn server(item: Value<'_>) -> Tool {
    Tool { name: text_of(item, "name").map(|server| format!("mcp__{server}__*")), namespace: None }
}

/// Claude Code writes its session into `metadata.user_id`, as JSON inside a string.
fn session(root: Value<'_>) -> Option<String> {
    let inside = root.at(&["metadata", "user_id"])?.text()?;
    let inside = Json::read(inside.into_owned().into()).ok()?;
    text_of(inside.root(), "session_id")
}

/// Behind the agent's own entries: the first may be a line that the provider only strips while
/// it stands first and alone, and a list or a string must stay one.
pub(in crate::wire) fn add_system_text(json: &Json, text: &str, patch: &mut Patch) {
    let root = json.root();
    let quoted = json::quote(text);
    match root.get("system") {
        Some(system) if system.kind() == Kind::Array => {
            patch.add_item(system, &format!("{{\"type\":\"text\",\"text\":{quoted}}}"));
        }
        Some(system) if system.kind() == Kind::String => {
            let behind = json::escape(&format!("\n\n{text}"));
            patch.insert(system.span().end - 1, behind);
        }
        Some(system) => patch.replace(system.span(), quoted),
        None => patch.add_member(root, &format!("\"system\":{quoted}")),
    }
}

pub(in crate::wire) fn limit_output(json: &Json, most: u64, patch: &mut Patch) -> u64 {
    let root = json.root();
    let thinking = root.at(&["thinking", "budget_tokens"]).and_then(Value::integer);
    let most = thinking.map_or(most, |budget| most.max(budget.saturating_add(ROOM_FOR_ANSWER)));
    lower(root, "max_tokens", most, patch)
}
