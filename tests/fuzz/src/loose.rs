//! What a lenient reader could take for a tool that a request offers. It reads keys of any case,
//! and a name wherever some dialect has one.

use jetway_core::wire::Dialect;
use serde_json::Value;

/// A tool by all the names it could go by. It may stay only if one of them is allowed for each.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Offered {
    /// Its own name, or what all names of a server's tools begin with.
    pub name: String,
    /// The same behind its group's name.
    pub full: Option<String>,
    pub is_server: bool,
}

impl Offered {
    fn named(name: &str) -> Self {
        Self { name: name.to_owned(), full: None, is_server: false }
    }

    /// Whether one of these globs (a name, or the beginning of one and a star) is about it; of a
    /// server, about all of its tools.
    #[must_use]
    pub fn is_among(&self, globs: &[&str]) -> bool {
        let fits = |glob: &&str, name: &str| match glob.strip_suffix('*') {
            Some(begin) => name.starts_with(begin),
            None => !self.is_server && *glob == name,
        };
        globs.iter().any(|glob| fits(glob, &self.name) || self.full.as_deref().is_some_and(|full| fits(glob, full)))
    }
}

/// The member of this name, in any case.
#[must_use]
pub fn get<'a>(value: &'a Value, name: &str) -> Option<&'a Value> {
    value.as_object()?.iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value)
}

pub fn items<'a>(value: &'a Value, name: &str) -> impl Iterator<Item = &'a Value> {
    get(value, name).and_then(Value::as_array).into_iter().flatten()
}

#[must_use]
pub fn text<'a>(value: &'a Value, name: &str) -> Option<&'a str> {
    get(value, name)?.as_str()
}

/// Everything that a body offers.
#[must_use]
pub fn offered(dialect: Dialect, body: &Value) -> Vec<Offered> {
    let mut found = Vec::new();
    items(body, "tools").for_each(|item| tool(dialect, item, &mut found));
    match dialect {
        Dialect::Messages => messages(body, &mut found),
        Dialect::Chat => {
            items(body, "functions").for_each(|item| tool(dialect, item, &mut found));
            let is_there = |member: &&str| get(body, member).is_some_and(|value| !value.is_null());
            const SEARCH: [&str; 5] =
                ["web_search_options", "search_parameters", "enable_search", "search_options", "search_settings"];
            found.extend(SEARCH.iter().filter(|name| is_there(name)).map(|_| Offered::named("web_search")));
            found.extend(
                ["plugins", "compound_custom"].iter().filter(|name| is_there(name)).map(|name| Offered::named(name)),
            );
        }
        Dialect::Responses => {
            for item in items(body, "input") {
                let before = found.len();
                items(item, "tools").for_each(|item| tool(dialect, item, &mut found));
                if let (Some("mcp_list_tools"), Some(label)) = (text(item, "type"), text(item, "server_label")) {
                    found[before..].iter_mut().for_each(|tool| tool.name = format!("mcp__{label}__{}", tool.name));
                }
            }
        }
    }
    found
}

/// The names of one item of a list.
fn tool(dialect: Dialect, item: &Value, found: &mut Vec<Offered>) {
    let label = text(item, if dialect == Dialect::Messages { "mcp_server_name" } else { "server_label" });
    let kind = text(item, "type");
    if let (Some("mcp" | "mcp_toolset"), label) = (kind, label.unwrap_or_default()) {
        return server(label, parts(item), found);
    }
    if let (Dialect::Responses, Some("namespace")) = (dialect, kind) {
        let group = text(item, "name").unwrap_or_default();
        let before = found.len();
        items(item, "tools").for_each(|item| tool(dialect, item, found));
        found[before..].iter_mut().for_each(|tool| tool.full = Some(format!("{group}.{}", tool.name)));
        return;
    }
    let holders = [Some(item), get(item, "function"), get(item, "custom")];
    let mut names: Vec<&str> = holders.into_iter().flatten().filter_map(|holder| text(holder, "name")).collect();
    if let (Dialect::Responses, Some(kind)) = (dialect, kind.filter(|kind| !["function", "custom"].contains(kind))) {
        names = vec![family(kind)];
    }
    // What has no name at all can be anything.
    found.extend(if names.is_empty() { vec!["?"] } else { names }.into_iter().map(Offered::named));
}

/// What the provider's own tool of this type is called.
fn family(kind: &str) -> &str {
    ["web_search", "computer", "file_search", "code_interpreter"]
        .into_iter()
        .find(|family| kind.strip_prefix(family).is_some_and(|rest| rest.is_empty() || rest.starts_with('_')))
        .unwrap_or(kind)
}

/// A server's tools: those that are named, or all.
fn server(label: &str, parts: Option<Vec<&str>>, found: &mut Vec<Offered>) {
    let prefix = format!("mcp__{label}__");
    match parts {
        Some(parts) => found.extend(parts.iter().map(|part| Offered::named(&format!("{prefix}{part}")))),
        None => found.push(Offered { is_server: true, ..Offered::named(&prefix) }),
    }
}

fn parts(item: &Value) -> Option<Vec<&str>> {
    // Only such a set has them: in a server of another dialect's shape they mean nothing.
    let is_set = text(item, "type") == Some("mcp_toolset");
    if let Some(configs) = get(item, "configs").and_then(Value::as_object).filter(|_| is_set) {
        let is_off = get(item, "default_config").and_then(|config| get(config, "enabled")) == Some(&Value::Bool(false));
        let on = configs.iter().filter(|(_, config)| get(config, "enabled") != Some(&Value::Bool(false)));
        // One that says nothing, or nothing that is understood, is as all are by default.
        let on = on.filter(|(_, config)| get(config, "enabled").is_some_and(|on| !on.is_null()));
        return is_off.then(|| on.map(|(name, _)| name.as_str()).collect());
    }
    let allowed = get(item, "allowed_tools")?;
    let list = get(allowed, "tool_names").unwrap_or(allowed).as_array()?;
    list.iter().map(Value::as_str).collect::<Option<Vec<_>>>().filter(|names| !names.is_empty())
}

fn messages(body: &Value, found: &mut Vec<Offered>) {
    let is_set_of =
        |item: &&Value, label| text(item, "type") == Some("mcp_toolset") && text(item, "mcp_server_name") == label;
    for item in items(body, "mcp_servers") {
        let label = text(item, "name");
        // A server that has sets of tools is spoken for by these.
        if label.is_none() || !items(body, "tools").any(|tool| is_set_of(&tool, label)) {
            server(label.unwrap_or_default(), get(item, "tool_configuration").and_then(parts), found);
        }
    }
    for message in items(body, "messages") {
        for block in items(message, "content") {
            stray(block, found);
            items(block, "content").for_each(|inner| stray(inner, found));
            get(block, "content")
                .into_iter()
                .flat_map(|inner| items(inner, "tool_references"))
                .for_each(|inner| stray(inner, found));
        }
    }
}

/// A block by which a tool comes into a conversation, or that speaks of one.
fn stray(block: &Value, found: &mut Vec<Offered>) {
    const KINDS: &[&str] = &["tool_addition", "tool_removal", "tool_reference", "tool_definition"];
    if !text(block, "type").is_some_and(|kind| KINDS.contains(&kind)) {
        return;
    }
    let tool = get(block, "tool");
    let definitions = [tool.and_then(|tool| get(tool, "definition")), get(block, "definition")];
    let before = found.len();
    definitions.into_iter().flatten().for_each(|definition| self::tool(Dialect::Messages, definition, found));
    let holders = [Some(block), tool].into_iter().flatten();
    found.extend(
        holders.flat_map(|holder| [text(holder, "tool_name"), text(holder, "name")]).flatten().map(Offered::named),
    );
    if found.len() == before {
        found.push(Offered::named("?"));
    }
}

/// What a `tool_choice` names. Read strictly: it lets nobody call what is not offered, and is only
/// mended so that the provider has nothing to object to.
#[must_use]
pub fn chosen(choice: &Value) -> Vec<Offered> {
    const WORDS: &[&str] = &["auto", "any", "none", "tool", "function", "custom", "allowed_tools", "required"];
    let mut found = Vec::new();
    if let Some(word) = choice.as_str() {
        found.extend((!WORDS.contains(&word)).then(|| Offered::named(word)));
        return found;
    }
    let lists = [choice.get("tools"), choice.pointer("/allowed_tools/tools")];
    let listed = lists.into_iter().flatten().find_map(Value::as_array);
    for item in listed.map_or_else(|| vec![choice], |list| list.iter().collect()) {
        let text = |name: &str| item.get(name).and_then(Value::as_str);
        if text("type") == Some("mcp") {
            server(text("server_label").unwrap_or_default(), text("name").map(|name| vec![name]), &mut found);
            continue;
        }
        let holder = item.get("function").or_else(|| item.get("custom")).unwrap_or(item);
        found.extend(holder.get("name").and_then(Value::as_str).map(Offered::named));
    }
    found
}
