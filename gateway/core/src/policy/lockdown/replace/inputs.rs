//! What a model may say to a replacement tool. Given an input `file` of the type `path` that
//! allows `**/.env`: `app//.env` is `app/.env`, and `../.env` is refused with a sentence.

use serde_json::json;

use super::pattern::{PathGlob, Pattern};
use crate::wire::json::{Kind as JsonKind, Value, shortened};

/// Bytes of a path.
const MAX_PATH: usize = 512;

/// An input as meant.
#[derive(Debug, Clone)]
pub struct Input {
    pub name: String,
    pub description: String,
    pub is_required: bool,
    pub kind: Kind,
}

#[derive(Debug, Clone)]
pub enum Kind {
    /// A file below the folder that the agent works in.
    Path(Vec<PathGlob>),
    /// One line of text.
    Text(Text),
    List {
        item: Text,
        most: usize,
    },
    Map {
        key: Text,
        value: Text,
        most: usize,
    },
}

/// What a text may be.
#[derive(Debug, Clone)]
pub struct Text {
    pub pattern: Option<Pattern>,
    /// Where it is one of a few.
    pub choices: Vec<String>,
    /// In characters.
    pub max_length: usize,
    /// What to say where the pattern does not fit.
    pub otherwise: Option<String>,
}

/// What a model said, checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Given {
    /// Relative, without `.` and `..`.
    Path(String),
    Text(String),
    List(Vec<String>),
    Map(Vec<(String, String)>),
}

impl Input {
    #[must_use]
    pub fn is_many(&self) -> bool {
        matches!(self.kind, Kind::List { .. } | Kind::Map { .. })
    }

    /// Checks what a model said.
    ///
    /// # Errors
    /// A sentence for the model: what is wrong, and what to write instead. It repeats no value of
    /// a text or a map, for that may be a secret.
    pub fn check(&self, value: Value<'_>) -> Result<Given, String> {
        let name = format!("`{}`", self.name);
        match &self.kind {
            Kind::Path(allow) => path(&name, string(&name, value)?.as_ref(), allow).map(Given::Path),
            Kind::Text(text) => {
                let value = string(&name, value)?;
                text.check(&name, &value)?;
                Ok(Given::Text(value))
            }
            Kind::List { item, most } => list(&name, value, item, *most).map(Given::List),
            Kind::Map { key, value: of, most } => map(&name, value, (key, of), *most).map(Given::Map),
        }
    }

    /// As a JSON schema says it, keys in the order of the alphabet.
    #[must_use]
    pub fn schema(&self) -> serde_json::Value {
        let description = &self.description;
        match &self.kind {
            Kind::Path(allow) => {
                let allow: Vec<&str> = allow.iter().map(PathGlob::as_str).collect();
                let description = format!("{description} Allowed: {}.", allow.join(", "));
                json!({"description": description, "maxLength": MAX_PATH, "type": "string"})
            }
            Kind::Text(text) => {
                let mut schema = text.schema();
                schema["description"] = json!(description);
                schema.sort_all_objects();
                schema
            }
            Kind::List { item, most } => json!({
                "description": description,
                "items": item.schema(),
                "maxItems": most,
                "minItems": 1,
                "type": "array",
                "uniqueItems": true,
            }),
            Kind::Map { key, value, most } => json!({
                "additionalProperties": value.schema(),
                "description": description,
                "maxProperties": most,
                "minProperties": 1,
                "propertyNames": key.schema(),
                "type": "object",
            }),
        }
    }
}

impl Text {
    fn check(&self, name: &str, text: &str) -> Result<(), String> {
        if text.contains(|character: char| character.is_control() || character == char::REPLACEMENT_CHARACTER) {
            return Err(format!(
                "{name} must be one line of plain text, without line ends, tabs and control characters."
            ));
        }
        if text.chars().count() > self.max_length {
            return Err(format!("{name} may have at most {} characters.", self.max_length));
        }
        if !self.choices.is_empty() && !self.choices.iter().any(|choice| choice == text) {
            return Err(format!("{name} must be one of: {}.", self.choices.join(", ")));
        }
        match &self.pattern {
            Some(pattern) if !pattern.fits(text) => Err(match &self.otherwise {
                Some(sentence) => format!("{name} cannot be taken. {sentence}"),
                None => format!("{name} must match `{}`.", pattern.for_schema()),
            }),
            _ => Ok(()),
        }
    }

    fn schema(&self) -> serde_json::Value {
        let mut schema = serde_json::Map::new();
        if !self.choices.is_empty() {
            schema.insert(String::from("enum"), json!(self.choices));
        }
        schema.insert(String::from("maxLength"), json!(self.max_length));
        if let Some(pattern) = &self.pattern {
            schema.insert(String::from("pattern"), json!(pattern.for_schema()));
        }
        schema.insert(String::from("type"), json!("string"));
        serde_json::Value::Object(schema)
    }
}

fn string(name: &str, value: Value<'_>) -> Result<String, String> {
    value.text().map(std::borrow::Cow::into_owned).ok_or_else(|| format!("{name} must be a string."))
}

fn list(name: &str, value: Value<'_>, item: &Text, most: usize) -> Result<Vec<String>, String> {
    if value.kind() != JsonKind::Array {
        return Err(format!("{name} must be a list of strings."));
    }
    let mut items = Vec::new();
    for value in value.items() {
        let place = format!("Item {} of {name}", items.len() + 1);
        if items.len() == most {
            return Err(too_many(name, most));
        }
        let text = string(&place, value)?;
        item.check(&place, &text)?;
        if items.contains(&text) {
            return Err(format!("{place} stands there twice; name each once."));
        }
        items.push(text);
    }
    if items.is_empty() { Err(format!("{name} is empty; name at least one.")) } else { Ok(items) }
}

fn map(name: &str, value: Value<'_>, of: (&Text, &Text), most: usize) -> Result<Vec<(String, String)>, String> {
    if value.kind() != JsonKind::Object {
        return Err(format!("{name} must be an object of strings."));
    }
    let mut pairs = Vec::new();
    for member in value.members() {
        if pairs.len() == most {
            return Err(too_many(name, most));
        }
        let key = member.name().into_owned();
        of.0.check(&format!("The key {:?} of {name}", shortened(&key)), &key)?;
        let place = format!("The value of `{key}` in {name}");
        let text = string(&place, member.value)?;
        of.1.check(&place, &text)?;
        pairs.push((key, text));
    }
    if pairs.is_empty() { Err(format!("{name} is empty; name at least one.")) } else { Ok(pairs) }
}

fn too_many(name: &str, most: usize) -> String {
    format!("{name} may have at most {most}; call the tool again for the others.")
}

/// A path in its plain form: no `.`, no `//`. It must stay below the folder of the agent.
fn path(name: &str, text: &str, allow: &[PathGlob]) -> Result<String, String> {
    let no = |why: &str| Err(format!("{name} may not be {:?}: {why}", shortened(text)));
    if text.is_empty() || text.len() > MAX_PATH {
        return Err(format!("{name} must be a path of 1 to {MAX_PATH} bytes."));
    }
    if text.contains(|character: char| character.is_control() || character == char::REPLACEMENT_CHARACTER) {
        return no("it has a line end or another control character.");
    }
    if text.contains('\\') {
        return no("folders are parted by `/`.");
    }
    if text.starts_with(['/', '~']) || text.as_bytes().get(1) == Some(&b':') {
        return no("write it from the folder that you work in, such as `app/.env`.");
    }
    if text.split('/').any(|part| part == "..") {
        return no("it must stay below the folder that you work in, without `..`.");
    }
    let parts: Vec<&str> = text.split('/').filter(|part| !matches!(*part, "" | ".")).collect();
    let plain = parts.join("/");
    if text.ends_with('/') || !allow.iter().any(|glob| glob.matches(&plain)) {
        let allow: Vec<&str> = allow.iter().map(PathGlob::as_str).collect();
        return no(&format!("this tool works on {} alone.", allow.join(", ")));
    }
    Ok(plain)
}
