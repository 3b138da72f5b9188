//! The tools of a Messages request: in `tools`, as MCP servers, and in messages. Given
//! `{"type":"bash_20250124","name":"bash"}`: `bash`, defined by the provider, run by the agent.

use crate::wire::json::{Kind, Value};
use crate::wire::request::{Malformed, ONE_MODEL, list, refuse_misspelled, text_of};
use crate::wire::tools::{Holds, Part, Place, Shape, Shelf, Stands, Stray, Switch, Tool};

/// The keys of a tool that it is judged by.
const KNOWN: &[&str] = &[
    "name",
    "type",
    "description",
    "input_schema",
    "mcp_server_name",
    "default_config",
    "configs",
    "tool_configuration",
    "function",
    "custom",
    "model",
];

/// Types of tools that the provider defines: without their date, the names that they may have,
/// and whether the provider runs them.
const BUILT_IN: &[(&str, &[&str], bool)] = &[
    ("bash", &["bash"], false),
    ("text_editor", &["str_replace_editor", "str_replace_based_edit_tool"], false),
    ("computer", &["computer"], false),
    ("memory", &["memory"], false),
    ("web_search", &["web_search"], true),
    ("web_fetch", &["web_fetch"], true),
    ("code_execution", &["code_execution"], true),
    ("tool_search_tool_regex", &["tool_search_tool_regex"], true),
    ("tool_search_tool_bm25", &["tool_search_tool_bm25"], true),
];

pub(super) fn shelves(root: Value<'_>) -> Result<Vec<Shelf>, Malformed> {
    let tools = list(root, "tools")?;
    let servers = list(root, "mcp_servers")?;
    for item in tools.into_iter().chain(servers).flat_map(Value::items) {
        refuse_misspelled(item, KNOWN)?;
        refuse_own_model(item)?;
        refuse_misspelled_switches(item)?;
    }
    let linked = |server: Value<'_>| linked(server, tools);
    let tools = tools.map(|list| Shelf::read("tools", Place::Top, list, &hold));
    let servers = servers.map(|list| Shelf::read("mcp_servers", Place::Top, list, &linked));
    Ok(tools.into_iter().chain(servers).collect())
}

fn refuse_misspelled_switches(item: Value<'_>) -> Result<(), Malformed> {
    let configs = item.get("configs").into_iter().flat_map(Value::members).map(|member| member.value);
    let defaults = [item.get("default_config"), item.get("tool_configuration")];
    defaults
        .into_iter()
        .flatten()
        .chain(configs)
        .try_for_each(|config| refuse_misspelled(config, &["enabled", "allowed_tools", "defer_loading"]))
}

fn hold(item: Value<'_>) -> Holds {
    if text_of(item, "type").as_deref() == Some("mcp_toolset") { toolset(item) } else { Holds::Tool(tool(item)) }
}

fn tool(item: Value<'_>) -> Tool {
    // In a shape of another dialect it has a second name, and which counts depends on the reader.
    if item.get("function").is_some() || item.get("custom").is_some() {
        return Tool::unknown();
    }
    match item.get("type") {
        None => Tool::defined(item, Shape::Function, "input_schema"),
        Some(kind) if kind.is_null() => Tool::defined(item, Shape::Function, "input_schema"),
        Some(kind) => match kind.text().as_deref() {
            Some("custom") => Tool::defined(item, Shape::Function, "input_schema"),
            Some(kind) => built_in(kind, text_of(item, "name")),
            None => Tool::unknown(),
        },
    }
}

/// A tool of the provider's own; its name must be the one that goes with its type.
fn built_in(kind: &str, name: Option<String>) -> Tool {
    let is_date = |rest: &str| rest.len() == 8 && rest.bytes().all(|byte| byte.is_ascii_digit());
    let is_of = |family: &str| {
        kind.strip_prefix(family).is_some_and(|rest| rest.is_empty() || rest.strip_prefix('_').is_some_and(is_date))
    };
    let known = BUILT_IN.iter().find(|(family, ..)| is_of(family));
    match (known, name) {
        (Some((_, names, hosted)), Some(name)) if names.contains(&name.as_str()) => {
            let kind = kind.to_owned();
            Tool::built_in(name, if *hosted { Shape::Hosted(kind) } else { Shape::Local(kind) })
        }
        _ => Tool::unknown(),
    }
}

/// A server's tools: all of them, or, where they are off by default, those that are switched on.
fn toolset(item: Value<'_>) -> Holds {
    let label = text_of(item, "mcp_server_name");
    let off = item.at(&["default_config", "enabled"]).is_some_and(|enabled| enabled.raw() == "false");
    let parts = item.get("configs").filter(|_| off).and_then(|configs| switched_on(label.as_deref(), configs));
    parts.map_or_else(|| Holds::Tool(Tool::server(label)), Holds::Picked)
}

/// None where it cannot be told what is on.
fn switched_on(label: Option<&str>, configs: Value<'_>) -> Option<Vec<Part>> {
    let mut parts = Vec::new();
    for member in configs.members() {
        if member.value.kind() != Kind::Object {
            return None;
        }
        match member.value.get("enabled") {
            Some(on) if on.is_true() => {
                parts.push(Part::of_server(label, &member.name(), on, Switch::Enabled(on.index())));
            }
            Some(off) if off.raw() != "false" && !off.is_null() => return None,
            _ => {}
        }
    }
    (configs.kind() == Kind::Object).then_some(parts)
}

/// A server is spoken for by its toolsets; one that has none is judged as a whole, or by the names
/// that an older form lists.
fn linked(server: Value<'_>, tools: Option<Value<'_>>) -> Holds {
    let label = text_of(server, "name");
    let is_its = |item: &Value<'_>| {
        text_of(*item, "type").as_deref() == Some("mcp_toolset") && text_of(*item, "mcp_server_name") == label
    };
    let sets: Vec<usize> = tools.into_iter().flat_map(Value::items).filter(is_its).map(|item| item.index()).collect();
    if !sets.is_empty() && label.is_some() {
        return Holds::Linked(sets);
    }
    let listed = server.at(&["tool_configuration", "allowed_tools"]);
    let parts = listed.and_then(|names| Part::listed(label.as_deref(), names));
    parts.map_or_else(|| Holds::Tool(Tool::server(label)), Holds::Picked)
}

/// A tool that is a model of its own, which the provider asks unseen.
fn refuse_own_model(tool: Value<'_>) -> Result<(), Malformed> {
    match tool.get("model") {
        Some(model) if !model.is_null() => Err(Malformed::WrongType { field: "tools.model", expected: ONE_MODEL }),
        _ => Ok(()),
    }
}

/// Blocks inside messages by which tools come and go in mid-conversation.
const TOOL_BLOCKS: &[&str] = &["tool_addition", "tool_removal", "tool_reference", "tool_definition"];

/// Tools that messages speak of: one that is taken out of the list must not come back this way,
/// nor be pointed at in vain. In the order of the bytes.
pub(super) fn strays(messages: Value<'_>) -> Result<Vec<Stray>, Malformed> {
    let mut strays = Vec::new();
    for message in messages.items() {
        refuse_misspelled(message, &["role", "content", "output_config"])?;
        for block in message.get("content").into_iter().flat_map(Value::items) {
            let own = Stands::Block(block.index());
            stray(block, own, &mut strays)?;
            for inner in block.get("content").into_iter().flat_map(Value::items) {
                stray(inner, Stands::Block(inner.index()), &mut strays)?;
            }
            if let Some(found) = block.at(&["content", "tool_references"]) {
                for inner in found.items() {
                    let stands = Stands::Listed { list: found.index(), item: inner.index() };
                    stray(inner, stands, &mut strays)?;
                }
            }
        }
    }
    Ok(strays)
}

/// The keys of a block that it is judged by.
const KNOWN_IN_BLOCK: &[&str] = &["type", "content", "tool", "tool_name", "name", "definition", "tool_references"];

fn stray(block: Value<'_>, stands: Stands, strays: &mut Vec<Stray>) -> Result<(), Malformed> {
    refuse_misspelled(block, KNOWN_IN_BLOCK)?;
    if !text_of(block, "type").is_some_and(|kind| TOOL_BLOCKS.contains(&kind.as_str())) {
        return Ok(());
    }
    let inner = block.get("tool");
    inner.map_or(Ok(()), |tool| refuse_misspelled(tool, KNOWN_IN_BLOCK))?;
    let definitions = [inner, block.at(&["tool", "definition"]), block.get("definition")];
    for definition in definitions.into_iter().flatten() {
        refuse_misspelled(definition, KNOWN)?;
        refuse_own_model(definition)?;
    }
    strays.push(Stray::block(block, spoken_of(block), stands));
    Ok(())
}

/// The tool that a block defines or names. With two names, which counts depends on the reader.
fn spoken_of(block: Value<'_>) -> Tool {
    let paths = [&["tool_name"][..], &["name"], &["tool", "name"], &["tool", "tool_name"]];
    let names: Vec<String> = paths.iter().filter_map(|path| Some(block.at(path)?.text()?.into_owned())).collect();
    let tool = match [block.at(&["tool", "definition"]), block.get("definition")] {
        [Some(_), Some(_)] => Tool::unknown(),
        [Some(definition), None] | [None, Some(definition)] => match hold(definition) {
            Holds::Tool(tool) => tool,
            // A whole set in one block is judged as a whole.
            _ => Tool::server(text_of(definition, "mcp_server_name")),
        },
        [None, None] => Tool::named(names.first().cloned()),
    };
    if names.iter().all(|name| Some(name) == tool.name.as_ref()) { tool } else { Tool::unknown() }
}
