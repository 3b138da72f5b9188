//! What a `tool_choice` points at, mended when it is not on offer any more. Given
//! `{"type":"tool","name":"Bash"}` and a request that offers `Read`: `{"type":"auto"}`.

use std::borrow::Cow;
use std::collections::HashSet;

use crate::wire::Dialect;
use crate::wire::json::{Kind, Value};
use crate::wire::patch::Patch;
use crate::wire::request::text_of;
use crate::wire::responses;
use crate::wire::tools::Tool;
use crate::wire::tools::sheet::Sheet;

/// What can be chosen.
#[derive(Debug, Default)]
pub(super) struct Offered<'a> {
    names: HashSet<&'a str>,
    /// Functions of ours.
    added: HashSet<&'a str>,
}

impl<'a> Offered<'a> {
    pub(super) fn offer(&mut self, tool: &'a Tool) {
        self.names.extend(tool.name.as_deref());
    }

    pub(super) fn add(&mut self, name: &'a str) {
        self.added.insert(name);
    }

    pub(super) fn is_empty(&self) -> bool {
        self.names.is_empty() && self.added.is_empty()
    }

    fn has(&self, pointed: &Pointed) -> bool {
        match pointed {
            Pointed::Nothing => true,
            Pointed::Name { name, is_function } => {
                self.names.contains(name.as_str()) || (*is_function && self.added.contains(name.as_str()))
            }
            Pointed::Server { label, name } => {
                let prefix = format!("mcp__{label}__");
                let whole = self.names.contains(prefix.as_str());
                whole
                    || match name {
                        Some(name) => self.names.contains(format!("{prefix}{name}").as_str()),
                        None => self.names.iter().any(|offered| offered.starts_with(&prefix)),
                    }
            }
        }
    }
}

/// What a choice, or an item of one, points at.
enum Pointed {
    Nothing,
    Name { name: String, is_function: bool },
    Server { label: String, name: Option<String> },
}

/// Kinds of a `tool_choice` that are no tool of the provider's own.
const NO_TOOL: &[&str] = &["auto", "any", "none", "tool", "function", "custom", "allowed_tools", "required"];

/// Members by which a choice points at tools, in whichever dialect's shape.
const POINTING: &[&str] = &["name", "tools", "allowed_tools", "mode", "function", "custom", "server_label"];

fn pointed(choice: Value<'_>) -> Pointed {
    if let Some(word) = choice.text() {
        return if NO_TOOL.contains(&&*word) {
            Pointed::Nothing
        } else {
            Pointed::Name { name: word.into_owned(), is_function: true }
        };
    }
    let kind = text_of(choice, "type");
    if kind.as_deref() == Some("mcp") {
        let label = text_of(choice, "server_label").unwrap_or_default();
        return Pointed::Server { label, name: text_of(choice, "name") };
    }
    let inner = ["function", "custom"].iter().find_map(|kind| choice.get(kind)).unwrap_or(choice);
    if let Some(name) = inner.get("name").and_then(Value::text).map(Cow::into_owned) {
        let is_function = matches!(kind.as_deref(), None | Some("function" | "tool")) && choice.get("custom").is_none();
        return Pointed::Name { name, is_function };
    }
    match kind.filter(|kind| !NO_TOOL.contains(&kind.as_str())) {
        Some(kind) => Pointed::Name { name: responses::builtin(&kind).to_owned(), is_function: false },
        None => Pointed::Nothing,
    }
}

/// Mends a choice, where something is on offer.
pub(super) fn mend<'a>(
    choice: Value<'a>,
    offered: &Offered<'_>,
    dialect: Dialect,
    sheet: &mut Sheet<'a>,
    patch: &mut Patch,
) {
    let listed = choice.get("tools").or_else(|| choice.at(&["allowed_tools", "tools"]));
    if let Some(list) = listed.filter(|list| list.kind() == Kind::Array) {
        let gone: Vec<bool> = list.items().map(|item| !offered.has(&pointed(item))).collect();
        if gone.iter().all(|gone| *gone) {
            leave_to_the_model(choice, dialect, sheet, patch);
        } else {
            patch.remove_items(list, |at| gone[at]);
        }
    } else if !offered.has(&pointed(choice)) {
        leave_to_the_model(choice, dialect, sheet, patch);
    }
}

fn leave_to_the_model<'a>(choice: Value<'a>, dialect: Dialect, sheet: &mut Sheet<'a>, patch: &mut Patch) {
    match dialect {
        // It may say more, such as whether calls may be made side by side.
        Dialect::Messages if choice.kind() == Kind::Object => {
            sheet.set(choice, "type", "\"auto\"");
            POINTING.iter().for_each(|name| sheet.remove(choice, name));
        }
        Dialect::Messages => patch.replace(choice.span(), "{\"type\":\"auto\"}"),
        Dialect::Chat | Dialect::Responses => patch.replace(choice.span(), "\"auto\""),
    }
}
