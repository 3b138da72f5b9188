//! Replacement tools as they are written, and what may not be written. Given an input `File`: the
//! error says that names are in small letters.

use std::collections::BTreeMap;

use regex::Regex;
use schemars::JsonSchema;
use serde::Deserialize;

use super::agent::is_shell;
use super::inputs::{Input, Kind, Text};
use super::pattern::{PathGlob, Pattern};
use super::shape::Shape;
use super::{Becomes, Replacement, Rules};

const MAX_TOOLS: usize = 50;
const MAX_INPUTS: usize = 16;
/// Characters of a description or another sentence.
const MAX_PROSE: usize = 4000;
/// Bytes of a script. The whole command must fit into one argument of a program.
const MAX_SCRIPT: usize = 32 * 1024;
/// Characters of one text, and items of one list or map.
const MAX_TEXT: usize = 10_000;
const MAX_ITEMS: usize = 100;

/// As written: `replace:` in the `lockdown:` of `policy.yaml`. Each tool by its name.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[schemars(rename = "Replacements")]
#[serde(transparent)]
pub struct Document(BTreeMap<String, ReplacementDocument>);

/// A tool that the model is offered, and that the agent carries out by one of its own.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Replacement")]
struct ReplacementDocument {
    /// What it does, for the model.
    description: String,
    /// Tools of agents that it stands in for, by name; they are taken away.
    #[serde(default)]
    instead_of: Vec<String>,
    /// What the model says to it, each by its name; at most one is a `list` or a `map`.
    #[serde(default)]
    inputs: BTreeMap<String, InputDocument>,
    becomes: BecomesDocument,
    result: ResultDocument,
}

#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(tag = "type", rename_all = "lowercase", deny_unknown_fields)]
#[schemars(rename = "ReplacementInput")]
enum InputDocument {
    /// A file below the folder that the agent works in. To a script: a variable of this name.
    Path {
        /// What it is for, for the model.
        description: String,
        /// Paths that may be named.
        allow: Vec<PathGlob>,
        #[serde(default = "yes")]
        required: bool,
    },
    /// A line of text. To a script: a variable of this name.
    Text {
        description: String,
        #[serde(default)]
        pattern: Option<Pattern>,
        /// Where it is one of a few.
        #[serde(default, rename = "enum")]
        choices: Vec<String>,
        /// In characters.
        #[serde(default = "a_line")]
        max_length: usize,
        /// What the model is told where the pattern does not fit.
        #[serde(default)]
        otherwise: Option<String>,
        #[serde(default = "yes")]
        required: bool,
    },
    /// Lines of text, none twice. To a script: "$1", "$2" and so on.
    List {
        description: String,
        /// Of each item.
        pattern: Pattern,
        #[serde(default = "a_line")]
        max_length: usize,
        #[serde(default = "some")]
        max_items: usize,
        #[serde(default)]
        otherwise: Option<String>,
        #[serde(default = "yes")]
        required: bool,
    },
    /// Lines of text by their names. To a script: a name as "$1", its text as "$2", and so on.
    Map {
        description: String,
        /// The pattern of the names.
        keys: Pattern,
        /// The pattern of the texts.
        #[serde(default)]
        pattern: Option<Pattern>,
        #[serde(default = "a_line")]
        max_length: usize,
        #[serde(default = "some")]
        max_items: usize,
        #[serde(default)]
        otherwise: Option<String>,
        #[serde(default = "yes")]
        required: bool,
    },
}

/// What the agent does in its place.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Becomes")]
struct BecomesDocument {
    /// A script that `sh` runs, by whichever tool the agent has for commands; where it has none,
    /// the replacement is not offered.
    shell: String,
}

#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "ReplacementResult")]
struct ResultDocument {
    /// Lines of the script's output that the model sees. All others it does not.
    lines: Pattern,
    /// What it sees where there is no such line.
    otherwise: String,
}

fn yes() -> bool {
    true
}

fn a_line() -> usize {
    1000
}

fn some() -> usize {
    50
}

/// Why replacement tools cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Problem {
    #[error("`replace` may have at most {MAX_TOOLS} tools")]
    TooMany,
    #[error("`replace.{0}`: {1}")]
    Tool(String, What),
    #[error("`replace.{0}.inputs.{1}`: {2}")]
    Input(String, String, What),
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum What {
    #[error("a name is made of small letters, digits and `_`, at most {0}, a letter first")]
    Name(usize),
    #[error("an agent's own tool for commands has this name; choose another")]
    Taken,
    #[error("names that begin with `jetway_` are taken; choose another")]
    Reserved,
    #[error("`{0}` must have 1 to {MAX_PROSE} characters")]
    Prose(&'static str),
    #[error("`becomes.shell` must have 1 to {MAX_SCRIPT} bytes, and no NUL")]
    Script,
    #[error("there may be at most {MAX_INPUTS} inputs")]
    ManyInputs,
    #[error("only one input may be a `list` or a `map`: they are the words \"$1\", \"$2\" and so on of the script")]
    ManyLists,
    #[error("`instead_of` may have at most {MAX_TOOLS} names, none of them empty")]
    InsteadOf,
    #[error("`allow` is empty, so no path could be named")]
    NoPath,
    #[error("`max_length` must be 1 to {MAX_TEXT}")]
    Length,
    #[error("`max_items` must be 1 to {MAX_ITEMS}")]
    Items,
    #[error("`enum` may have at most {MAX_ITEMS} texts, each of which fits `pattern` and `max_length`")]
    Choices,
}

impl TryFrom<Document> for Rules {
    type Error = Problem;

    fn try_from(Document(tools): Document) -> Result<Self, Problem> {
        if tools.len() > MAX_TOOLS {
            return Err(Problem::TooMany);
        }
        tools
            .into_iter()
            .map(|(name, tool)| replacement(name, tool))
            .collect::<Result<_, _>>()
            .map(|tools| Self { tools })
    }
}

fn replacement(name: String, document: ReplacementDocument) -> Result<Replacement, Problem> {
    let ReplacementDocument { description, instead_of, inputs, becomes: BecomesDocument { shell }, result } = document;
    let problem = |what| Problem::Tool(name.clone(), what);
    if !is_name(&name, 64) {
        return Err(problem(What::Name(64)));
    }
    if is_shell(&name) {
        return Err(problem(What::Taken));
    }
    prose("description", &description).map_err(problem)?;
    prose("result.otherwise", &result.otherwise).map_err(problem)?;
    if shell.trim().is_empty() || shell.len() > MAX_SCRIPT || shell.contains('\0') {
        return Err(problem(What::Script));
    }
    if inputs.len() > MAX_INPUTS {
        return Err(problem(What::ManyInputs));
    }
    if instead_of.len() > MAX_TOOLS || instead_of.iter().any(String::is_empty) {
        return Err(problem(What::InsteadOf));
    }
    let meant = |(input_name, document): (String, InputDocument)| {
        input(&input_name, document).map_err(|what| Problem::Input(name.clone(), input_name, what))
    };
    let inputs: Vec<Input> = inputs.into_iter().map(meant).collect::<Result<_, _>>()?;
    if inputs.iter().filter(|input| input.is_many()).count() > 1 {
        return Err(problem(What::ManyLists));
    }
    let paths = inputs.iter().filter(|input| matches!(input.kind, Kind::Path(_))).map(|input| input.name.clone());
    let shape = Shape { lines: result.lines, otherwise: result.otherwise, paths: paths.collect() };
    let script = shell.replace("\r\n", "\n");
    Ok(Replacement { name, description, instead_of, inputs, becomes: Becomes::Shell(script), shape })
}

fn input(name: &str, document: InputDocument) -> Result<Input, What> {
    if !is_name(name, 32) {
        return Err(What::Name(32));
    }
    if name.starts_with("jetway_") {
        return Err(What::Reserved);
    }
    let (description, is_required, kind) = match document {
        InputDocument::Path { description, allow, required } => {
            if allow.is_empty() {
                return Err(What::NoPath);
            }
            (description, required, Kind::Path(allow))
        }
        InputDocument::Text { description, pattern, choices, max_length, otherwise, required } => {
            (description, required, Kind::Text(text(pattern, choices, max_length, otherwise)?))
        }
        InputDocument::List { description, pattern, max_length, max_items, otherwise, required } => {
            let item = text(Some(pattern), Vec::new(), max_length, otherwise)?;
            (description, required, Kind::List { item, most: items(max_items)? })
        }
        InputDocument::Map { description, keys, pattern, max_length, max_items, otherwise, required } => {
            let key = text(Some(keys), Vec::new(), MAX_TEXT, None)?;
            let value = text(pattern, Vec::new(), max_length, otherwise)?;
            (description, required, Kind::Map { key, value, most: items(max_items)? })
        }
    };
    prose("description", &description)?;
    Ok(Input { name: name.to_owned(), description, is_required, kind })
}

fn text(
    pattern: Option<Pattern>,
    choices: Vec<String>,
    max_length: usize,
    otherwise: Option<String>,
) -> Result<Text, What> {
    if !(1..=MAX_TEXT).contains(&max_length) {
        return Err(What::Length);
    }
    if let Some(sentence) = &otherwise {
        prose("otherwise", sentence)?;
    }
    let fits = |choice: &String| {
        choice.chars().count() <= max_length
            && !choice.contains(char::is_control)
            && pattern.as_ref().is_none_or(|pattern| pattern.fits(choice))
    };
    if choices.len() > MAX_ITEMS || !choices.iter().all(fits) {
        return Err(What::Choices);
    }
    Ok(Text { pattern, choices, max_length, otherwise })
}

fn items(most: usize) -> Result<usize, What> {
    if (1..=MAX_ITEMS).contains(&most) { Ok(most) } else { Err(What::Items) }
}

fn prose(at: &'static str, text: &str) -> Result<(), What> {
    let is_some = !text.trim().is_empty() && text.chars().count() <= MAX_PROSE;
    if is_some { Ok(()) } else { Err(What::Prose(at)) }
}

/// Small letters, so that no variable of the shell's own (`PATH`, `IFS`) can be meant.
fn is_name(name: &str, most: usize) -> bool {
    name.len() <= most && Regex::new("^[a-z][a-z0-9_]*$").is_ok_and(|regex| regex.is_match(name))
}
