//! How the agents' own tools are called to run a command. Given Claude Code's `Bash`:
//! `{"command": "…", "description": "…"}`. Given Codex's `exec`, which takes JavaScript: a line of
//! code that runs the command and returns what it printed.

use serde_json::json;

use super::shell;
pub use crate::wire::event::Input;
use crate::wire::json::{Kind, Value, quote};
use crate::wire::request::Request;
use crate::wire::tools::{Shape, Tool};

/// Tools that run a command, the best first: the name, and the member that has the command. It
/// may be a line for a shell or a list of words; the tool's own schema says which.
const SHELLS: &[(&str, &str)] = &[
    ("Bash", "command"),              // Claude Code
    ("bash", "command"),              // opencode, pi, mini-swe-agent; of the Messages dialect itself
    ("run_shell_command", "command"), // Gemini CLI, Qwen Code
    ("exec_command", "cmd"),          // Codex
    ("shell_command", "command"),     // Codex, older
    ("shell", "command"),             // Codex, older still: a list of words
];
/// Codex, with models that write code: the tool, and the group it is in.
const CODE: &str = "exec";
const GROUP: &str = "functions";
/// Of the Responses dialect itself.
const LOCAL: &str = "local_shell";

/// A tool that the agent offers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AgentTool {
    pub name: String,
    pub namespace: Option<String>,
    takes: Takes,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Takes {
    /// An object with these members.
    Members(Vec<Taken>),
    /// Free text.
    Text,
    /// What its provider knows, and the request does not say.
    BuiltIn,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Taken {
    name: String,
    /// The JSON type; none where it is not one name.
    of_type: Option<String>,
    is_required: bool,
}

impl AgentTool {
    /// A tool with a JSON schema: `input_schema` or `parameters`, as it stands in the request.
    #[must_use]
    pub fn with_schema(name: &str, namespace: Option<&str>, schema: Value<'_>) -> Self {
        let required: Vec<_> =
            schema.get("required").into_iter().flat_map(Value::items).filter_map(Value::text).collect();
        let taken = |name: String, value: Value<'_>| Taken {
            is_required: required.contains(&std::borrow::Cow::Borrowed(name.as_str())),
            of_type: value.get("type").and_then(Value::text).map(std::borrow::Cow::into_owned),
            name,
        };
        let properties = schema.get("properties").filter(|value| value.kind() == Kind::Object);
        let mut members: Vec<Taken> = properties
            .into_iter()
            .flat_map(Value::members)
            .map(|member| taken(member.name().into_owned(), member.value))
            .collect();
        // What must be there and is not described cannot be filled, and must not be forgotten.
        let unknown: Vec<Taken> = required
            .iter()
            .filter(|name| !members.iter().any(|member| member.name == **name))
            .map(|name| Taken { name: name.to_string(), of_type: None, is_required: true })
            .collect();
        members.extend(unknown);
        Self::new(name, namespace, Takes::Members(members))
    }

    /// A tool that takes free text (`"type": "custom"`).
    #[must_use]
    pub fn of_text(name: &str, namespace: Option<&str>) -> Self {
        Self::new(name, namespace, Takes::Text)
    }

    /// A tool that its provider defines, by the name it is called by: `bash`, `local_shell`.
    #[must_use]
    pub fn built_in(name: &str) -> Self {
        Self::new(name, None, Takes::BuiltIn)
    }

    fn new(name: &str, namespace: Option<&str>, takes: Takes) -> Self {
        Self { name: name.to_owned(), namespace: namespace.map(str::to_owned), takes }
    }

    /// How this tool runs a command; none if it is no tool for that, or wants what we do not know.
    fn form(&self) -> Option<Form> {
        if self.namespace.as_deref().is_some_and(|group| group != GROUP) {
            return None;
        }
        match &self.takes {
            Takes::Text => (self.name == CODE).then_some(Form::Code),
            Takes::BuiltIn if self.name == LOCAL => Some(Form::Local),
            Takes::BuiltIn if self.name == "bash" => Some(Form::Line("command")),
            Takes::BuiltIn => None,
            Takes::Members(members) => {
                let (_, command) = SHELLS.iter().find(|(name, _)| *name == self.name)?;
                let of_type = members.iter().find(|member| member.name == *command)?.of_type.as_deref();
                let known = |member: &Taken| {
                    member.name == *command || !member.is_required || EXTRAS.contains(&member.name.as_str())
                };
                match of_type {
                    _ if !members.iter().all(known) => None,
                    Some("string") => Some(Form::Line(command)),
                    Some("array") => Some(Form::Words(command)),
                    _ => None,
                }
            }
        }
    }

    fn takes(&self, name: &str) -> bool {
        matches!(&self.takes, Takes::Members(members) if members.iter().any(|member| member.name == name))
    }
}

/// The tools that the agent offers in this request.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AgentTools(pub Vec<AgentTool>);

impl AgentTools {
    /// The tools of a request by which its agent could carry out a call of ours.
    #[must_use]
    pub fn of(request: &Request) -> Self {
        let of = |tool: &&Tool| {
            let name = tool.name.as_deref()?;
            let namespace = tool.namespace.as_deref();
            Some(match (&tool.shape, tool.nodes.schema) {
                (Shape::Function, Some(schema)) => AgentTool::with_schema(name, namespace, request.json.value(schema)),
                (Shape::Text, _) => AgentTool::of_text(name, namespace),
                (Shape::Local(_), _) => AgentTool::built_in(name),
                _ => return None,
            })
        };
        Self(request.tools().iter().filter_map(of).collect())
    }

    /// The best tool to run a command with.
    fn runner(&self) -> Option<(&AgentTool, Form)> {
        let rank = |tool: &AgentTool| SHELLS.iter().position(|(name, _)| *name == tool.name).unwrap_or(SHELLS.len());
        let fit = self.0.iter().filter_map(|tool| tool.form().map(|form| (tool, form)));
        fit.min_by_key(|(tool, _)| rank(tool))
    }

    /// Whether one of them runs commands.
    #[must_use]
    pub fn has_shell(&self) -> bool {
        self.runner().is_some()
    }

    /// A call that runs these words; none where no tool runs commands.
    #[must_use]
    pub fn run(&self, about: &str, words: &[String]) -> Option<AgentCall> {
        let (tool, form) = self.runner()?;
        let input = match form {
            Form::Line(command) => object(tool, about, command, json!(shell::line(words))),
            Form::Words(command) => object(tool, about, command, json!(words)),
            Form::Local => Input::Json(json!({"command": words, "env": {}, "type": "exec"}).to_string()),
            Form::Code => {
                let command = quote(&shell::line(words));
                Input::Text(format!("const ran = await tools.exec_command({{cmd: {command}}});\ntext(ran.output);\n"))
            }
        };
        Some(AgentCall { tool: tool.name.clone(), namespace: tool.namespace.clone(), input })
    }
}

/// Whether a name is of a tool that runs commands, so that it can be no other's.
#[must_use]
pub fn is_shell(name: &str) -> bool {
    name == CODE || name == LOCAL || SHELLS.iter().any(|(shell, _)| *shell == name)
}

#[derive(Debug, Clone, Copy)]
enum Form {
    /// A line for a shell, in this member.
    Line(&'static str),
    /// A list of words, in this member.
    Words(&'static str),
    /// The `action` of a call of `local_shell`.
    Local,
    /// JavaScript, whose `text(…)` is what the call returns.
    Code,
}

/// Members besides the command that are filled where a tool has them.
const EXTRAS: [&str; 2] = ["description", "is_background"];

fn object(tool: &AgentTool, about: &str, command: &str, value: serde_json::Value) -> Input {
    let mut members = serde_json::Map::new();
    members.insert(command.to_owned(), value);
    for (name, value) in EXTRAS.into_iter().zip([json!(about), json!(false)]) {
        if tool.takes(name) {
            members.insert(name.to_owned(), value);
        }
    }
    Input::Json(serde_json::Value::Object(members).to_string())
}

/// A call of one of the agent's own tools.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AgentCall {
    pub tool: String,
    pub namespace: Option<String>,
    pub input: Input,
}
