//! What becomes of a tool that an agent offers, and what is offered besides.

use crate::wire::json::{Json, Kind, Unreadable};

/// What becomes of one tool.
#[derive(Debug, Clone, PartialEq)]
pub enum Offer {
    /// It stays, byte for byte.
    Keep,
    /// It goes, and so does what points at it.
    Drop,
    /// It stays with these changes.
    Change(Change),
}

/// How a tool is shown otherwise than its agent wrote it.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Change {
    pub wording: Option<Wording>,
    /// By the name of the property.
    pub properties: Vec<(String, Property)>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Wording {
    /// Behind the agent's own description, as a paragraph.
    Append(String),
    Replace(String),
}

/// How a property of a tool's schema is shown.
#[derive(Debug, Clone, PartialEq)]
pub enum Property {
    /// Not at all, nor is it required any more.
    Hidden,
    Bounded(Bounds),
}

/// What a property may be. Each replaces what the schema says of it; of two limits the tighter
/// stays.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Bounds {
    pub description: Option<String>,
    /// The only values that it may have, each as JSON.
    pub values: Option<Vec<String>>,
    pub pattern: Option<String>,
    pub minimum: Option<f64>,
    pub maximum: Option<f64>,
    /// In characters.
    pub max_length: Option<u64>,
}

/// A function that Jetway offers besides the agent's own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewTool {
    name: String,
    description: String,
    schema: String,
}

/// Why a tool cannot be offered.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadTool {
    #[error("the name {0:?} cannot be offered: use 1 to 64 letters, digits, `_` and `-`")]
    Name(String),
    #[error("the schema of the tool `{name}` is not JSON that can be read: {why}")]
    Schema { name: String, why: Unreadable },
    #[error("the schema of the tool `{0}` must be an object with `\"type\": \"object\"`")]
    NotAnObject(String),
}

/// As long as every provider takes it.
const LONGEST_NAME: usize = 64;

impl NewTool {
    /// A function of this name, whose arguments follow this JSON schema.
    ///
    /// # Errors
    /// [`BadTool`] for what a provider would refuse.
    pub fn new(name: &str, description: &str, schema: &str) -> Result<Self, BadTool> {
        let is_plain = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-".contains(&byte));
        if !is_plain || name.is_empty() || name.len() > LONGEST_NAME {
            return Err(BadTool::Name(name.to_owned()));
        }
        let read = Json::read(bytes::Bytes::copy_from_slice(schema.as_bytes()));
        let json = read.map_err(|why| BadTool::Schema { name: name.to_owned(), why })?;
        let root = json.root();
        let is_object = root.get("type").and_then(|kind| kind.text()).is_some_and(|kind| kind == "object");
        if root.kind() != Kind::Object || !is_object {
            return Err(BadTool::NotAnObject(name.to_owned()));
        }
        Ok(Self { name: name.to_owned(), description: description.to_owned(), schema: root.raw().to_owned() })
    }

    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    #[must_use]
    pub fn description(&self) -> &str {
        &self.description
    }

    /// JSON.
    #[must_use]
    pub fn schema(&self) -> &str {
        &self.schema
    }
}

/// What was done to a request's tools.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Reshelved {
    /// Tools that the model does not get to see, by name; none for a shape that we do not know.
    pub dropped: Vec<Option<String>>,
    /// Changes that found nothing to change.
    pub absent: Vec<Absent>,
}

/// Something that a change names and the tool does not have.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, thiserror::Error)]
#[error("the tool `{tool}` has no {what} that could be narrowed")]
pub struct Absent {
    pub tool: String,
    /// "property `timeout`", "description".
    pub what: String,
}
