//! The tools of a Chat Completions request: in `tools`, in the older `functions`, and switched on
//! by members of their own. Given `{"type":"function","function":{"name":"read"}}`: a function
//! `read`.

use crate::wire::json::Value;
use crate::wire::request::{Malformed, list, refuse_misspelled, text_of};
use crate::wire::tools::{Holds, Place, Shape, Shelf, Stray, Tool};

/// The keys of a tool that it is judged by.
const KNOWN: &[&str] = &["name", "type", "description", "parameters", "function", "custom", "format"];

pub(super) fn shelves(root: Value<'_>) -> Result<Vec<Shelf>, Malformed> {
    let mut shelves = Vec::new();
    for (member, tool) in [("tools", tool as fn(Value<'_>) -> Tool), ("functions", function)] {
        if let Some(list) = list(root, member)? {
            for item in list.items() {
                refuse_misspelled(item, KNOWN)?;
                let inner = ["function", "custom"].iter().filter_map(|kind| item.get(kind));
                inner.into_iter().try_for_each(|inner| refuse_misspelled(inner, KNOWN))?;
            }
            shelves.push(Shelf::read(member, Place::Top, list, &|item| Holds::Tool(tool(item))));
        }
    }
    Ok(shelves)
}

/// Members by which some providers are told to search, or to run what they have of their own.
pub(super) fn strays(root: Value<'_>) -> Vec<Stray> {
    const SEARCH: Option<&str> = Some("web_search");
    const KNOWN: &[(&str, Option<&str>)] = &[
        ("web_search_options", SEARCH),
        ("search_parameters", SEARCH),
        ("enable_search", SEARCH),
        ("search_options", SEARCH),
        ("search_settings", SEARCH),
        ("plugins", None),
        ("compound_custom", None),
    ];
    let stray = |(member, name): &(&'static str, Option<&str>)| {
        let value = root.get(member).filter(|value| !value.is_null())?;
        let tool = match name {
            Some(name) => Tool::built_in((*name).to_owned(), Shape::Hosted((*member).to_owned())),
            None => Tool::unknown(),
        };
        Some(Stray::member(member, value, tool))
    };
    KNOWN.iter().filter_map(stray).collect()
}

fn tool(item: Value<'_>) -> Tool {
    let (function, custom) = (item.get("function"), item.get("custom"));
    let kind = text_of(item, "type");
    let tool = match (kind.as_deref(), function, custom) {
        (Some("function"), Some(body), None) => Tool::defined(body, Shape::Function, "parameters"),
        (Some("custom"), None, Some(body)) => Tool::defined(body, Shape::Text, "parameters"),
        // With both, which one counts depends on the reader.
        _ => return Tool::unknown(),
    };
    // So it does with a second name.
    match text_of(item, "name") {
        Some(name) if Some(&name) != tool.name.as_ref() => Tool::unknown(),
        _ => tool,
    }
}

/// The older spelling: a bare function.
fn function(item: Value<'_>) -> Tool {
    if item.get("function").is_some() || item.get("custom").is_some() {
        return Tool::unknown();
    }
    match text_of(item, "type").as_deref() {
        None | Some("function") => Tool::defined(item, Shape::Function, "parameters"),
        Some(_) => Tool::unknown(),
    }
}
