//! A request, read into the words that every stage uses. The bytes stay as they came.

use std::borrow::Cow;
use std::collections::HashSet;

use crate::wire::effort::Asked;
use crate::wire::facts::Caching;
use crate::wire::json::{self, Json, Kind, Unreadable, Value};
use crate::wire::patch::Patch;
use crate::wire::{Dialect, chat, messages, responses};

/// Why a request's JSON is not a request of its dialect.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Malformed {
    #[error("the request body is not JSON that can be read: {0}")]
    Unreadable(#[from] Unreadable),
    #[error("the request body must be a JSON object")]
    NotAnObject,
    #[error("the request body has no `{0}`")]
    Missing(&'static str),
    #[error("`{field}` must be {expected}")]
    WrongType { field: &'static str, expected: &'static str },
    #[error("the key {found:?} could be read as `{known}`, but is not spelled so; spell it `{known}` or leave it out")]
    Misspelled { found: String, known: &'static str },
}

/// One request for a reply.
#[derive(Debug, Clone)]
pub struct Request {
    pub dialect: Dialect,
    pub json: Json,
    pub model: String,
    pub stream: bool,
    /// The most tokens the agent lets the model write.
    pub output_limit: Option<u64>,
    /// Every list of tools in the request.
    pub shelves: Vec<Shelf>,
    /// Tools that are switched on or spoken of outside a list.
    pub strays: Vec<Stray>,
    /// What the user says before the model's first word, block by block.
    pub opening: Vec<String>,
    /// The session that the body names.
    pub session: Option<String>,
    /// How many replies it asks for at once; each may be as long as the limit.
    pub replies: u64,
    /// How much effort it asks of the model.
    pub effort: Asked,
    /// How long it asks the provider to keep in its cache what it reads.
    pub caching: Caching,
    /// The tier that it asks to be served at, in the provider's own word.
    pub tier: Option<String>,
    /// Pictures and documents that it names by an address or an id, so that their tokens are not
    /// among its bytes.
    pub remote: u64,
}

/// A list of tools: an array in the body.
#[derive(Debug, Clone)]
pub struct Shelf {
    /// The top-level member that holds it.
    pub member: &'static str,
    /// The array's node.
    list: usize,
    items: Vec<Item>,
}

#[derive(Debug, Clone)]
enum Item {
    Tool(Tool),
    /// A group with tools of its own.
    Group(Shelf),
}

/// A tool that stands in no list.
#[derive(Debug, Clone)]
pub struct Stray {
    pub tool: Tool,
    pub(in crate::wire) place: Place,
}

/// Where a stray stands, and so how it is taken out.
#[derive(Debug, Clone, Copy)]
pub(in crate::wire) enum Place {
    /// A top-level member.
    Member(&'static str),
    /// A block of a message's content, which becomes text so that the list is never empty.
    Block(usize),
}

/// A tool that the agent offers to the model.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tool {
    /// None for a shape that we do not know; no rule can allow that.
    pub name: Option<String>,
    pub namespace: Option<String>,
    /// Whether it is a whole server of tools, which the provider will call unseen; then the name
    /// is what all of their names begin with.
    pub is_server: bool,
}

impl Tool {
    #[must_use]
    pub fn named(name: Option<String>) -> Self {
        Self { name, namespace: None, is_server: false }
    }

    /// All tools of an MCP server.
    #[must_use]
    pub fn server(label: Option<String>) -> Self {
        Self { name: label.map(|label| format!("mcp__{label}__")), namespace: None, is_server: true }
    }
}

impl Request {
    /// Reads a request body of this dialect.
    ///
    /// # Errors
    /// [`Malformed`] says what is wrong with it and where.
    pub fn read(dialect: Dialect, json: Json) -> Result<Self, Malformed> {
        if json.root().kind() != Kind::Object {
            return Err(Malformed::NotAnObject);
        }
        match dialect {
            Dialect::Messages => messages::request::read(json),
            Dialect::Chat => chat::request::read(json),
            Dialect::Responses => responses::request::read(json),
        }
    }

    /// The tools on offer, in order.
    #[must_use]
    pub fn tools(&self) -> Vec<&Tool> {
        let mut tools = Vec::new();
        self.shelves.iter().for_each(|shelf| shelf.collect(&mut tools));
        tools.extend(self.strays.iter().map(|stray| &stray.tool));
        tools
    }

    /// What the user asks for: the last block of the opening that is not an agent's boilerplate.
    #[must_use]
    pub fn task(&self) -> &str {
        let spoken = |text: &&String| !is_boilerplate(text);
        self.opening.iter().rev().find(spoken).map_or("", String::as_str)
    }

    /// Takes the tools for which `keep` does not hold out of the request, and mends what
    /// pointed at them, so that the provider has nothing to object to.
    pub fn prune_tools(&self, keep: &dyn Fn(&Tool) -> bool, patch: &mut Patch) {
        if self.shelves.is_empty() && self.strays.is_empty() {
            return;
        }
        let mut gone = self.prune_strays(keep, patch);
        let mut kept = 0;
        for shelf in &self.shelves {
            let left = shelf.prune(&self.json, keep, patch);
            kept += left;
            if left == 0 && shelf.is_top_level(&self.json) {
                gone.push(shelf.member);
            }
        }
        let chosen = match self.dialect {
            Dialect::Messages => messages::request::CHOICE,
            Dialect::Chat => chat::request::CHOICE,
            Dialect::Responses => responses::request::CHOICE,
        };
        let root = self.json.root();
        if kept == 0 {
            gone.extend(chosen.without_tools);
        } else {
            let tools = self.tools();
            let offered: HashSet<&str> =
                tools.iter().filter(|tool| keep(tool)).filter_map(|tool| tool.name.as_deref()).collect();
            for member in ["tool_choice", "function_call"] {
                if let Some(choice) = root.get(member)
                    && chosen_names(choice).iter().any(|name| !offered.contains(name.as_str()))
                {
                    patch.replace(choice.span(), chosen.auto);
                }
            }
        }
        patch.remove_members(root, &gone);
    }

    /// Returns the top-level members that go.
    fn prune_strays(&self, keep: &dyn Fn(&Tool) -> bool, patch: &mut Patch) -> Vec<&'static str> {
        let mut gone = Vec::new();
        for stray in self.strays.iter().filter(|stray| !keep(&stray.tool)) {
            match stray.place {
                Place::Member(name) => gone.push(name),
                Place::Block(node) => {
                    let text = "{\"type\":\"text\",\"text\":\"(A tool is withheld here.)\"}";
                    patch.replace(self.json.value(node).span(), text);
                }
            }
        }
        gone
    }

    /// Adds standing text behind the agent's own system text.
    pub fn add_system_text(&self, text: &str, patch: &mut Patch) {
        match self.dialect {
            Dialect::Messages => messages::request::add_system_text(&self.json, text, patch),
            Dialect::Chat => chat::request::add_system_text(&self.json, text, patch),
            Dialect::Responses => responses::request::add_system_text(&self.json, text, patch),
        }
    }

    /// Lowers the output limit to `most` tokens, or sets it where there is none. Returns the
    /// limit that then holds: it may be more than `most` where the dialect wants room for thinking.
    pub fn limit_output(&self, most: u64, patch: &mut Patch) -> u64 {
        match self.dialect {
            Dialect::Messages => messages::request::limit_output(&self.json, most, patch),
            Dialect::Chat => chat::request::limit_output(&self.json, most, patch),
            Dialect::Responses => responses::request::limit_output(&self.json, most, patch),
        }
    }

    /// Calls another model.
    pub fn call_model(&self, model: &str, patch: &mut Patch) {
        if let Some(asked) = self.json.root().get("model") {
            patch.replace(asked.span(), json::quote(model));
        }
    }

    /// Asks for the usage that this dialect's streams only send on demand. Returns whether the
    /// agent did not ask itself, so that the answer is not for it.
    pub fn ask_for_usage(&self, patch: &mut Patch) -> bool {
        self.dialect == Dialect::Chat && self.stream && chat::request::ask_for_usage(&self.json, patch)
    }
}

/// How a dialect spells that the model may choose, and what must go when no tool is left.
pub(in crate::wire) struct Choice {
    pub auto: &'static str,
    pub without_tools: &'static [&'static str],
}

/// Kinds of a `tool_choice` that are no tool of the provider's own.
const NO_TOOL: &[&str] = &["auto", "any", "none", "tool", "function", "custom", "allowed_tools", "required", "mcp"];

/// The tools that a `tool_choice` points at, in any dialect.
fn chosen_names(choice: Value<'_>) -> Vec<String> {
    let name = |value: Value<'_>| {
        let inner = ["function", "custom"].iter().find_map(|kind| value.get(kind));
        let kind = || text_of(value, "type").filter(|kind| !NO_TOOL.contains(&kind.as_str()));
        inner
            .unwrap_or(value)
            .get("name")
            .and_then(Value::text)
            .map(Cow::into_owned)
            .or_else(|| kind().map(|kind| responses::builtin(&kind).to_owned()))
    };
    let listed = choice.get("tools").or_else(|| choice.at(&["allowed_tools", "tools"]));
    match listed {
        Some(list) => list.items().filter_map(name).collect(),
        None => name(choice).into_iter().collect(),
    }
}

impl Shelf {
    /// Reads a list of tools; `tool` says what an item is called.
    pub(in crate::wire) fn read(member: &'static str, list: Value<'_>, tool: &dyn Fn(Value<'_>) -> Tool) -> Self {
        let items = list.items().map(|item| Self::item(member, item, None, tool)).collect();
        Self { member, list: list.index(), items }
    }

    fn item(member: &'static str, item: Value<'_>, namespace: Option<&str>, tool: &dyn Fn(Value<'_>) -> Tool) -> Item {
        let is_group = item.get("type").and_then(Value::text).is_some_and(|kind| kind == "namespace");
        match item.get("tools").filter(|list| is_group && list.kind() == Kind::Array) {
            Some(list) if namespace.is_none() => {
                let group = item.get("name").and_then(Value::text).unwrap_or_default();
                let items = list.items().map(|inner| Self::item(member, inner, Some(&group), tool)).collect();
                Item::Group(Self { member, list: list.index(), items })
            }
            _ => Item::Tool(Tool { namespace: namespace.map(str::to_owned), ..tool(item) }),
        }
    }

    fn is_top_level(&self, json: &Json) -> bool {
        json.root().get(self.member).is_some_and(|value| value.index() == self.list)
    }

    fn collect<'a>(&'a self, tools: &mut Vec<&'a Tool>) {
        for item in &self.items {
            match item {
                Item::Tool(tool) => tools.push(tool),
                Item::Group(group) => group.collect(tools),
            }
        }
    }

    fn kept(&self, keep: &dyn Fn(&Tool) -> bool) -> usize {
        self.items.iter().filter(|item| item.is_kept(keep)).count()
    }

    /// Returns how many items are left. Where none is, the caller takes the whole list out.
    fn prune(&self, json: &Json, keep: &dyn Fn(&Tool) -> bool, patch: &mut Patch) -> usize {
        let kept = self.kept(keep);
        if kept == 0 && self.is_top_level(json) {
            return 0;
        }
        patch.remove_items(json.value(self.list), |at| !self.items[at].is_kept(keep));
        for item in &self.items {
            if let Item::Group(group) = item
                && group.kept(keep) > 0
            {
                group.prune(json, keep, patch);
            }
        }
        kept
    }
}

impl Item {
    fn is_kept(&self, keep: &dyn Fn(&Tool) -> bool) -> bool {
        match self {
            Self::Tool(tool) => keep(tool),
            Self::Group(group) => group.kept(keep) > 0,
        }
    }
}

/// Agents wrap their own notes in tags, or head them; what a person typed begins otherwise.
fn is_boilerplate(text: &str) -> bool {
    let text = text.trim();
    text.is_empty() || text.starts_with("# AGENTS.md") || (text.starts_with('<') && text.ends_with('>'))
}

/// Whether a lenient reader could take one name for the other.
pub(in crate::wire) fn could_mean(name: &str, known: &str) -> bool {
    if name.is_ascii() {
        return name.eq_ignore_ascii_case(known);
    }
    // Both ways, for some letters (ſ, K) have an ASCII twin in only one.
    name.chars().count() == known.len() && name.to_uppercase().to_lowercase() == known
}

/// Refuses keys that another reader could take for one that we judge by.
pub(in crate::wire) fn refuse_misspelled(object: Value<'_>, known: &[&'static str]) -> Result<(), Malformed> {
    for member in object.members() {
        let spelled = member.key.raw().trim_matches('"');
        if known.contains(&spelled) {
            continue;
        }
        if let Some(known) = known.iter().find(|known| could_mean(&member.name(), known)) {
            return Err(Malformed::Misspelled { found: json::shortened(spelled), known });
        }
    }
    Ok(())
}

pub(in crate::wire) fn model(root: Value<'_>) -> Result<String, Malformed> {
    let model = root.get("model").ok_or(Malformed::Missing("model"))?;
    let model = model.text().ok_or(Malformed::WrongType { field: "model", expected: "a string" })?;
    if model.is_empty() {
        return Err(Malformed::Missing("model"));
    }
    Ok(model.into_owned())
}

pub(in crate::wire) fn list<'a>(root: Value<'a>, field: &'static str) -> Result<Option<Value<'a>>, Malformed> {
    match root.get(field) {
        None => Ok(None),
        Some(value) if value.is_null() => Ok(None),
        Some(value) if value.kind() == Kind::Array => Ok(Some(value)),
        Some(_) => Err(Malformed::WrongType { field, expected: "a list" }),
    }
}

pub(in crate::wire) fn flag(root: Value<'_>, field: &'static str) -> Result<bool, Malformed> {
    match root.get(field) {
        None => Ok(false),
        Some(value) if value.is_null() => Ok(false),
        Some(value) if value.kind() == Kind::Bool => Ok(value.is_true()),
        Some(_) => Err(Malformed::WrongType { field, expected: "true or false" }),
    }
}

pub(in crate::wire) fn count(root: Value<'_>, field: &'static str) -> Result<Option<u64>, Malformed> {
    match root.get(field) {
        None => Ok(None),
        Some(value) if value.is_null() => Ok(None),
        Some(value) => match value.integer() {
            Some(count) => Ok(Some(count)),
            None => Err(Malformed::WrongType { field, expected: "a whole number, zero or more" }),
        },
    }
}

pub(in crate::wire) fn text_of(value: Value<'_>, field: &str) -> Option<String> {
    value.get(field).and_then(Value::text).map(Cow::into_owned)
}

/// The texts of a message's content: a string, or the text blocks of a list.
pub(in crate::wire) fn texts_of(content: Value<'_>, out: &mut Vec<String>) {
    if let Some(text) = content.text() {
        out.push(text.into_owned());
    }
    out.extend(content.items().filter_map(|block| text_of(block, "text")));
}

/// What the user says in a list of messages before the model's first one.
pub(in crate::wire) fn opening(messages: Value<'_>) -> Vec<String> {
    let mut texts = Vec::new();
    for message in messages.items() {
        match text_of(message, "role").as_deref() {
            Some("user") => {
                if let Some(content) = message.get("content") {
                    texts_of(content, &mut texts);
                }
            }
            Some("assistant") => break,
            _ => {}
        }
    }
    texts
}

/// Why a request may not point at a conversation or a prompt that the provider holds: it brings
/// text and tools that no policy has seen, and costs what nobody can tell beforehand.
pub(in crate::wire) const STORED: &str =
    "left out: what is stored at the provider cannot be checked; send the whole conversation";

/// Only one model is judged and priced. By these members servers are told of others.
pub(in crate::wire) fn refuse_other_models(root: Value<'_>) -> Result<(), Malformed> {
    const OTHERS: &[&str] = &["models", "fallbacks", "route"];
    refuse_misspelled(root, OTHERS)?;
    refuse_any(root, OTHERS, ONE_MODEL)
}

/// Why a request may not name a second model.
pub(in crate::wire) const ONE_MODEL: &str =
    "left out: only the model that the request itself names is allowed and paid for";

/// Refuses a request that has one of these members: `expected` says why.
pub(in crate::wire) fn refuse_any(
    root: Value<'_>,
    fields: &[&'static str],
    expected: &'static str,
) -> Result<(), Malformed> {
    let present = |field: &&&'static str| root.get(field).is_some_and(|value| !value.is_null());
    match fields.iter().find(present) {
        Some(field) => Err(Malformed::WrongType { field, expected }),
        None => Ok(()),
    }
}

/// Lowers the member `field` to `most`, or adds it.
pub(in crate::wire) fn lower(root: Value<'_>, field: &str, most: u64, patch: &mut Patch) -> u64 {
    match root.get(field) {
        Some(value) => match value.integer() {
            Some(asked) if asked <= most => asked,
            _ => {
                patch.replace(value.span(), most.to_string());
                most
            }
        },
        None => {
            patch.add_member(root, &format!("\"{field}\":{most}"));
            most
        }
    }
}
