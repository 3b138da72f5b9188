//! The tools of a Responses request: at the top, in items of the input, and in groups. Given
//! `{"type":"web_search_preview"}`: `web_search`, which the provider runs.

use crate::wire::json::{Kind, Value};
use crate::wire::request::{Malformed, list, refuse_misspelled, text_of};
use crate::wire::responses::builtin;
use crate::wire::responses::request::is_type;
use crate::wire::tools::{Holds, Part, Place, Shape, Shelf, Tool};

/// The keys of a tool that it is judged by.
const KNOWN: &[&str] = &[
    "name",
    "type",
    "description",
    "parameters",
    "format",
    "server_label",
    "allowed_tools",
    "tools",
    "function",
    "custom",
    "environment",
    "execution",
];

/// Types of tools that the provider defines, without their version, and whether it runs them.
const BUILT_IN: &[(&str, bool)] = &[
    ("local_shell", false),
    ("shell", false),
    ("apply_patch", false),
    ("computer", false),
    ("web_search", true),
    ("file_search", true),
    ("code_interpreter", true),
    ("image_generation", true),
    ("tool_search", true),
    ("programmatic_tool_calling", true),
];

/// The top-level tools, and those that newer agents send inside items of the input.
pub(super) fn shelves(root: Value<'_>, input: Value<'_>) -> Result<Vec<Shelf>, Malformed> {
    let mut shelves = Vec::new();
    if let Some(list) = list(root, "tools")? {
        refuse_misspelled_tools(list)?;
        shelves.push(Shelf::read("tools", Place::Top, list, &hold));
    }
    for item in input.items() {
        refuse_misspelled(item, &["type", "role", "tools"])?;
        let Some(list) = list(item, "tools")? else { continue };
        refuse_misspelled_tools(list)?;
        let shelf = if is_type(item, "mcp_list_tools") {
            let label = text_of(item, "server_label").unwrap_or_default();
            Shelf::read("input", Place::Inner, list, &|tool| Holds::Tool(once_listed(tool, &label)))
        } else {
            let additional = is_type(item, "additional_tools");
            let place = if additional { Place::Additional(item.index()) } else { Place::Inner };
            Shelf::read("input", place, list, &hold)
        };
        shelves.push(shelf);
    }
    Ok(shelves)
}

fn refuse_misspelled_tools(list: Value<'_>) -> Result<(), Malformed> {
    for item in list.items() {
        refuse_misspelled(item, KNOWN)?;
        let inner = item.get("tools").into_iter().flat_map(Value::items);
        inner.into_iter().try_for_each(|tool| refuse_misspelled(tool, KNOWN))?;
    }
    Ok(())
}

/// What a server once listed, under the name that its calls go by. It lists functions alone; what
/// has the shape of anything else has other names too.
fn once_listed(item: Value<'_>, label: &str) -> Tool {
    let is_other = ["tools", "function", "custom"].iter().any(|member| item.get(member).is_some());
    if is_other || text_of(item, "type").is_some_and(|kind| kind != "function") {
        return Tool::unknown();
    }
    let tool = Tool::defined(item, Shape::Hosted("mcp".to_owned()), "input_schema");
    Tool { name: tool.name.map(|name| format!("mcp__{label}__{name}")), ..tool }
}

fn hold(item: Value<'_>) -> Holds {
    let inner = item.get("tools").filter(|list| list.kind() == Kind::Array);
    match (text_of(item, "type").as_deref(), inner) {
        (Some("namespace"), Some(list)) => {
            let group = text_of(item, "name").unwrap_or_default();
            let shelf = Shelf::read("tools", Place::Inner, list, &|item| match text_of(item, "type").as_deref() {
                // A group in a group is no shape that we know.
                Some("namespace") => Holds::Tool(Tool::unknown()),
                _ => hold_one(item),
            });
            Holds::Group(shelf.grouped(&group))
        }
        _ => hold_one(item),
    }
}

fn hold_one(item: Value<'_>) -> Holds {
    if !is_type(item, "mcp") {
        return Holds::Tool(tool(item));
    }
    let label = text_of(item, "server_label");
    let allowed = item.get("allowed_tools");
    let names = allowed.and_then(|allowed| allowed.get("tool_names")).or(allowed);
    let parts = names.and_then(|names| Part::listed(label.as_deref(), names));
    parts.map_or_else(|| Holds::Tool(Tool::server(label)), Holds::Picked)
}

/// Functions and custom tools carry a name; what the provider defines is named by its type.
fn tool(item: Value<'_>) -> Tool {
    // In the shape of another dialect it has a second name, and which counts depends on the reader.
    if item.get("function").is_some() || item.get("custom").is_some() {
        return Tool::unknown();
    }
    match item.get("type") {
        None => Tool::defined(item, Shape::Function, "parameters"),
        Some(kind) => match kind.text().as_deref() {
            Some("function") => Tool::defined(item, Shape::Function, "parameters"),
            Some("custom") => Tool::defined(item, Shape::Text, "parameters"),
            Some(kind) => built_in(kind, item),
            None => Tool::unknown(),
        },
    }
}

fn built_in(kind: &str, item: Value<'_>) -> Tool {
    let is_version = |word: &str| {
        matches!(word, "use" | "preview") || (!word.is_empty() && word.bytes().all(|byte| byte.is_ascii_digit()))
    };
    let is_of = |family: &str| {
        kind.strip_prefix(family).is_some_and(|rest| {
            rest.is_empty() || rest.strip_prefix('_').is_some_and(|rest| rest.split('_').all(is_version))
        })
    };
    let Some((_, hosted)) = BUILT_IN.iter().find(|(family, _)| is_of(family)) else { return Tool::unknown() };
    let shape = if *hosted { Shape::Hosted } else { Shape::Local };
    let shape = match kind {
        // In a container of the provider's.
        "shell" if item.at(&["environment", "type"]).is_some_and(|kind| kind.raw() != "\"local\"") => Shape::Hosted,
        "tool_search" if item.get("execution").is_some_and(|by| by.raw() == "\"client\"") => Shape::Local,
        _ => shape,
    };
    Tool::built_in(builtin(kind).to_owned(), shape(kind.to_owned()))
}
