//! Tools that the model is offered in place of the agent's own. Given `check_env_keys` with
//! `{"file": ".env", "keys": ["API_KEY"]}` and Claude Code: the call `Bash` of a script that the
//! operator wrote, whose result is cut down to `API_KEY=present` before the model sees it.
//!
//! The model fills in the inputs and nothing else; they are checked here, and reach the script as
//! words that no shell finds a meaning in (`shell`). What the agent's machine makes of the script
//! is its own affair: links are looked for when it runs, yet somebody there could make one just
//! behind it.

pub mod agent;
pub mod document;
pub mod inputs;
pub mod pattern;
pub mod shape;
pub mod shell;

use bytes::Bytes;
use serde::Deserialize;
use serde_json::json;

pub use agent::{AgentCall, AgentTool, AgentTools, Input};
pub use document::{Document, Problem, What};

use crate::wire::json::{Json, Kind, Value, shortened};
use inputs::Given;

/// Bytes of a call's arguments.
const MAX_ARGUMENTS: usize = 256 * 1024;
/// Bytes of all words of a command together. Linux takes 128 KiB in one argument of a program.
const MAX_COMMAND: usize = 100_000;

/// As meant.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(try_from = "Document")]
pub struct Rules {
    tools: Vec<Replacement>,
}

schema_of_document!(Rules, Document);

/// A tool that the model is offered.
#[derive(Debug, Clone)]
pub struct Replacement {
    name: String,
    description: String,
    instead_of: Vec<String>,
    inputs: Vec<inputs::Input>,
    becomes: Becomes,
    shape: shape::Shape,
}

/// What the agent does in its place.
#[derive(Debug, Clone)]
enum Becomes {
    /// It runs this script by `sh`.
    Shell(String),
}

/// A tool as a request offers it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewToolSpec {
    pub name: String,
    pub description: String,
    /// The JSON schema of its inputs, an object. The bytes are always the same.
    pub schema: String,
}

impl Rules {
    /// The tools that this agent can carry out, in the order of their names.
    #[must_use]
    pub fn offered(&self, agent: &AgentTools) -> Vec<NewToolSpec> {
        self.tools.iter().filter(|tool| tool.works_with(agent)).map(Replacement::spec).collect()
    }

    /// The replacement for which one of the agent's tools is taken away: it stands in for that, or has
    /// its name.
    #[must_use]
    pub fn hides(&self, name: &str) -> Option<&str> {
        let is_for = |tool: &&Replacement| tool.name == name || tool.instead_of.iter().any(|other| other == name);
        self.tools.iter().find(is_for).map(|tool| tool.name.as_str())
    }

    /// The replacement of this name.
    #[must_use]
    pub fn find(&self, name: &str) -> Option<&Replacement> {
        self.tools.iter().find(|tool| tool.name == name)
    }
}

impl Replacement {
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    fn works_with(&self, agent: &AgentTools) -> bool {
        match self.becomes {
            Becomes::Shell(_) => agent.has_shell(),
        }
    }

    fn spec(&self) -> NewToolSpec {
        let properties: serde_json::Map<String, serde_json::Value> =
            self.inputs.iter().map(|input| (input.name.clone(), input.schema())).collect();
        let required: Vec<&str> =
            self.inputs.iter().filter(|input| input.is_required).map(|input| input.name.as_str()).collect();
        let schema = json!({
            "additionalProperties": false,
            "properties": properties,
            "required": required,
            "type": "object",
        });
        NewToolSpec { name: self.name.clone(), description: self.description.clone(), schema: schema.to_string() }
    }

    /// The call of the agent's own tool that carries out a call of this one.
    ///
    /// # Errors
    /// A sentence for the model, which says what is wrong with the arguments and what to write
    /// instead. It repeats no text that was to be written anywhere.
    pub fn become_call(&self, arguments: &str, agent: &AgentTools) -> Result<AgentCall, String> {
        let name = &self.name;
        if arguments.len() > MAX_ARGUMENTS {
            return Err(format!(
                "The arguments of `{name}` are longer than {MAX_ARGUMENTS} bytes; call it several times."
            ));
        }
        let json = Json::read(Bytes::copy_from_slice(arguments.as_bytes()))
            .map_err(|why| format!("The arguments of `{name}` could not be read: {why}. Send one JSON object."))?;
        let given = self.check(json.root())?;
        let Becomes::Shell(script) = &self.becomes;
        let words = shell::words(name, script, &given);
        if words.iter().map(String::len).sum::<usize>() > MAX_COMMAND {
            return Err(format!("The arguments of `{name}` are too long together; call it several times."));
        }
        agent.run(name, &words).ok_or_else(|| {
            format!("`{name}` cannot be carried out now: it needs a tool that runs commands, and there is none.")
        })
    }

    fn check(&self, root: Value<'_>) -> Result<Vec<(&str, Option<Given>)>, String> {
        if root.kind() != Kind::Object {
            return Err(format!("The arguments of `{}` must be a JSON object.", self.name));
        }
        for member in root.members() {
            let name = member.name();
            if !self.inputs.iter().any(|input| input.name == name) {
                let inputs: Vec<String> = self.inputs.iter().map(|input| format!("`{}`", input.name)).collect();
                let inputs = if inputs.is_empty() { String::from("none") } else { inputs.join(", ") };
                return Err(format!("`{}` has no input {:?}. Its inputs: {inputs}.", self.name, shortened(&name)));
            }
        }
        self.inputs
            .iter()
            .map(|input| match root.get(&input.name) {
                None if input.is_required => Err(format!("`{}` needs the input `{}`.", self.name, input.name)),
                None => Ok((input.name.as_str(), None)),
                Some(value) => Ok((input.name.as_str(), Some(input.check(value)?))),
            })
            .collect()
    }

    /// Cuts the agent's result down to what the model may see. The same result always gives the
    /// same text. Where a result came in several texts, put a line end between them.
    #[must_use]
    pub fn filter(&self, result: &str) -> String {
        self.shape.filter(result)
    }
}

#[cfg(test)]
mod tests;
