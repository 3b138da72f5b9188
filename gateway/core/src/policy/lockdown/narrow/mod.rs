//! Tools that the model gets to see and to call only in part. Given
//! `Bash: { properties: { command: { pattern: "^npm " } } }`: the schema of `Bash` says so, and the
//! call `{"command": "rm x"}` is refused with a sentence that says so.

mod call;
mod document;

use std::collections::BTreeMap;

use regex::Regex;
use serde::Deserialize;

pub use document::{Document, Problem};

use crate::wire::json::Json;
use crate::wire::tools::Tool;
use crate::wire::tools::digest::Digest;
use crate::wire::tools::offer::{Bounds, Change, Property, Wording};

/// As meant: by the name of the tool, or `group.name` for one of a group.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(try_from = "Document")]
pub struct Rules {
    tools: BTreeMap<String, Narrowing>,
}

schema_of_document!(Rules, Document);

#[derive(Debug, Clone)]
struct Narrowing {
    wording: Option<Wording>,
    properties: BTreeMap<String, Limit>,
    pin: Option<Digest>,
}

/// What holds for a property.
#[derive(Debug, Clone)]
enum Limit {
    /// The model may not give it.
    Removed,
    /// It is this JSON, whatever the model gives; the second is its canonical spelling.
    Fixed(String, String),
    Bounded(Bounded),
}

#[derive(Debug, Clone)]
struct Bounded {
    bounds: Bounds,
    pattern: Option<Regex>,
    /// Canonical spellings of the values that it may have.
    values: Option<Vec<String>>,
}

/// Why a tool is not offered at all.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unfit {
    #[error(
        "`{tool}` is not the tool that was pinned: its digest is {found}; if its new description and schema are as they should be, pin that"
    )]
    Pin { tool: String, found: Digest },
    #[error(
        "`{tool}` is called by the provider before its arguments can be checked, so it cannot be narrowed; leave its `properties` out, or do not allow it"
    )]
    Unseen { tool: String },
}

impl Unfit {
    /// The rule, as a log names it.
    #[must_use]
    pub fn rule(&self) -> String {
        match self {
            Self::Pin { tool, .. } => format!("pin {tool}"),
            Self::Unseen { tool } => format!("narrow {tool}"),
        }
    }
}

impl Rules {
    /// Whether calls of a tool must be held against limits.
    #[must_use]
    pub fn limits(&self, name: &str, namespace: Option<&str>) -> bool {
        self.find(name, namespace).is_some_and(|(_, narrowing)| !narrowing.properties.is_empty())
    }

    /// Whether calls of any tool must be held against limits.
    #[must_use]
    pub fn limits_any(&self) -> bool {
        self.tools.values().any(|narrowing| !narrowing.properties.is_empty())
    }

    /// How a tool is shown; none where nothing is said of it.
    #[must_use]
    pub fn change(&self, tool: &Tool) -> Option<Change> {
        let (_, narrowing) = self.of_tool(tool)?;
        let properties = narrowing.properties.iter().map(|(name, limit)| (name.clone(), limit.shown())).collect();
        let change = Change { wording: narrowing.wording.clone(), properties };
        (change != Change::default()).then_some(change)
    }

    /// Whether a tool can be offered under these rules. `json` is the request that it is of.
    ///
    /// # Errors
    /// [`Unfit`] for a pinned tool that says something else of itself than it did, and for one
    /// whose limits could not be held, for the provider runs it.
    pub fn check_pin(&self, tool: &Tool, json: &Json) -> Result<(), Unfit> {
        if let Some(prefix) = tool.name.as_deref().filter(|_| tool.is_server) {
            let narrowed = |(name, rule): &(&String, &Narrowing)| {
                name.starts_with(prefix) && !(rule.properties.is_empty() && rule.pin.is_none())
            };
            return match self.tools.iter().find(narrowed) {
                Some((name, _)) => Err(Unfit::Unseen { tool: name.clone() }),
                None => Ok(()),
            };
        }
        let Some((name, narrowing)) = self.of_tool(tool) else { return Ok(()) };
        if tool.runs_unseen() && !narrowing.properties.is_empty() {
            return Err(Unfit::Unseen { tool: name.to_owned() });
        }
        let Some(pin) = narrowing.pin else { return Ok(()) };
        let found = tool.digest(json);
        if pin == found { Ok(()) } else { Err(Unfit::Pin { tool: name.to_owned(), found }) }
    }

    fn of_tool(&self, tool: &Tool) -> Option<(&str, &Narrowing)> {
        self.find(tool.name.as_deref()?, tool.namespace.as_deref())
    }

    /// What is said of a tool by its full name counts before what is said of its own.
    fn find(&self, name: &str, namespace: Option<&str>) -> Option<(&str, &Narrowing)> {
        let full = namespace.and_then(|group| self.tools.get_key_value(&format!("{group}.{name}")));
        full.or_else(|| self.tools.get_key_value(name)).map(|(name, narrowing)| (name.as_str(), narrowing))
    }
}

impl Limit {
    fn shown(&self) -> Property {
        match self {
            Self::Removed | Self::Fixed(..) => Property::Hidden,
            Self::Bounded(bounded) => Property::Bounded(bounded.bounds.clone()),
        }
    }
}

#[cfg(test)]
mod tests;
