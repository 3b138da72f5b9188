//! A request, read into the words that every stage uses. The bytes stay as they came.

use std::borrow::Cow;

use crate::wire::effort::{self, Asked, Effort};
use crate::wire::facts::Caching;
use crate::wire::json::{self, Json, Kind, Unreadable, Value};
use crate::wire::patch::Patch;
pub use crate::wire::tools::{Shelf, Stray, Tool};
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
    /// What the user asks for, without what an agent puts beside it.
    pub task: String,
    /// How often the model has spoken before the message with that: never, unless it was set up first.
    pub before_task: usize,
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

    /// Adds standing text behind the agent's own system text. Where it is told so it ends with a
    /// breakpoint, in the dialect that has some: what stands before is then cached for all
    /// conversations that begin alike.
    pub fn add_system_text(&self, text: &str, has_breakpoint: bool, patch: &mut Patch) {
        match self.dialect {
            Dialect::Messages => messages::request::add_system_text(&self.json, text, has_breakpoint, patch),
            Dialect::Chat => chat::request::add_system_text(&self.json, text, patch),
            Dialect::Responses => responses::request::add_system_text(&self.json, text, patch),
        }
    }

    /// Adds text for the task at hand behind the last block of the message that it was set in: the
    /// user's last one before the model speaks again, once it has spoken as often as `before` says, with a
    /// breakpoint behind it as in [`Self::add_system_text`]. Returns whether there is such a message.
    ///
    /// `before` is [`Self::before_task`] as it was in the conversation's first request: what the model
    /// answers may make a later one tell otherwise.
    #[must_use]
    pub fn add_task_text(&self, text: &str, (before, has_breakpoint): (usize, bool), patch: &mut Patch) -> bool {
        let root = self.json.root();
        let added = match self.dialect {
            Dialect::Messages => messages::request::add_task_text(root, text, (before, has_breakpoint), patch),
            Dialect::Chat => chat::request::add_task_text(root, text, before, patch),
            Dialect::Responses => responses::request::add_task_text(root, text, before, patch),
        };
        added.is_some()
    }

    /// The texts of the message that the task was set in, where it is none of [`Self::opening`].
    #[must_use]
    pub fn later_task(&self) -> Vec<String> {
        let member = if self.dialect == Dialect::Responses { "input" } else { "messages" };
        let list = self.json.root().get(member).filter(|_| self.before_task > 0);
        let mut texts = Vec::new();
        let content = list.and_then(|list| task_content(list, self.before_task));
        content.into_iter().for_each(|content| texts_of(content, &mut texts));
        texts
    }

    /// Whether nobody asks the provider to cache this although it is one turn of many: its dialect
    /// caches only what it is told to, the agent set no breakpoint, and it has tools.
    #[must_use]
    pub fn lacks_breakpoint(&self) -> bool {
        self.caching == Caching::None && !self.shelves.is_empty()
    }

    /// Asks the provider to cache all of it, as far as its last block, which is where the next
    /// turn goes on.
    pub fn add_breakpoint(&self, patch: &mut Patch) {
        if self.dialect == Dialect::Messages {
            messages::request::add_breakpoint(&self.json, patch);
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

    /// Asks for this effort where the dialect has its word for it. Other spellings stay.
    pub fn ask_effort(&self, effort: Effort, patch: &mut Patch) {
        effort::write(self.dialect, self.json.root(), effort, patch);
    }

    /// What it asks for once [`Self::ask_effort`] has changed it, by all its spellings.
    ///
    /// # Errors
    /// [`Malformed::Misspelled`], which one that was read never is.
    pub fn effort_with(&self, effort: Effort) -> Result<Asked, Malformed> {
        let root = self.json.root();
        let asked = effort::written(self.dialect, root, effort)?;
        match self.dialect {
            Dialect::Messages => messages::request::most_of_messages(root, asked),
            Dialect::Chat | Dialect::Responses => Ok(asked),
        }
    }

    /// Asks for the usage that this dialect's streams only send on demand. Returns whether the
    /// agent did not ask itself, so that the answer is not for it.
    pub fn ask_for_usage(&self, patch: &mut Patch) -> bool {
        self.dialect == Dialect::Chat && self.stream && chat::request::ask_for_usage(&self.json, patch)
    }
}

/// Whether a lenient reader could take one name for the other.
pub(crate) fn could_mean(name: &str, known: &str) -> bool {
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

/// The content of the message in which a user sets the task: the last one before the model speaks, once it
/// has spoken as often as `before` says. Where nothing comes behind that, the last one before all of it.
pub(in crate::wire) fn task_content(messages: Value<'_>, before: usize) -> Option<Value<'_>> {
    let mut left = before;
    let rest = messages.items().skip_while(|message| {
        let is_before = left > 0;
        left -= usize::from(is_before && text_of(*message, "role").as_deref() == Some("assistant"));
        is_before
    });
    last_said(rest).or_else(|| last_said(messages.items()).filter(|_| before > 0))
}

fn last_said<'a>(messages: impl Iterator<Item = Value<'a>>) -> Option<Value<'a>> {
    let said = messages.map_while(|message| {
        let role = text_of(message, "role");
        let speaks = role.as_deref().is_none_or(|role| role == "assistant");
        (!speaks || is_tools(message)).then_some((message, role))
    });
    let user = said.filter(|(_, role)| role.as_deref() == Some("user")).last();
    user.and_then(|(message, _)| message.get("content"))
}

/// An item that is none of the conversation's.
fn is_tools(item: Value<'_>) -> bool {
    text_of(item, "type").is_some_and(|kind| kind == "additional_tools")
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
