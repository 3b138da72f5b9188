//! The table as it is written: for each tool, what its arguments are.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Deserialize;

/// What tools do, by the names of their arguments.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Document {
    pub tools: Vec<Tool>,
    /// The patterns of files' names that a `type` of a search stands for.
    pub types: BTreeMap<String, Vec<String>>,
}

/// What one tool does. A tool whose arguments come in several shapes stands several times. A `?`
/// behind an argument means that it may be left out; an argument that no list names makes a call
/// unclear.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Tool {
    /// The names that it goes by: `Bash`, `mcp__files__read`.
    pub names: Vec<String>,
    /// Files whose content comes back.
    pub reads: Vec<String>,
    /// Files, or folders and everything below them.
    pub reads_below: Vec<String>,
    /// Patterns of paths.
    pub reads_matching: Vec<String>,
    /// A search through the content of files.
    pub search: Option<Search>,
    /// Files that are made, changed, moved or removed.
    pub writes: Vec<String>,
    /// Files that are changed, and of which something is shown.
    pub edits: Vec<String>,
    /// Commands: a shell's text, or a list of words.
    pub runs: Vec<String>,
    /// The folder in which relative paths stand.
    pub within: Vec<String>,
    /// Addresses that are asked.
    pub fetches: Vec<String>,
    /// An address is asked that cannot be told.
    pub fetches_unknown: bool,
    /// Something may leave the machine.
    pub sends: bool,
    /// Patches.
    pub patches: Vec<String>,
    /// JavaScript that calls other tools.
    pub programs: Vec<String>,
    /// Text for a program that runs already: nothing if it is empty, else unclear.
    pub typed: Vec<String>,
    /// Arguments that say nothing about where a call reaches.
    pub other: Vec<String>,
    /// Arguments that must have one of these values.
    pub only: BTreeMap<String, Vec<String>>,
    /// The entry counts only where these arguments have one of these values.
    pub when: BTreeMap<String, Vec<String>>,
    /// The call is no JSON but this.
    pub text: Option<Text>,
    /// It touches no files, commands or addresses, whatever its arguments are.
    pub harmless: bool,
    /// Why it cannot be told what it does.
    pub unclear: Option<String>,
}

/// The arguments of a search.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Search {
    /// The file or folder that is searched; where it is left out, the folder the agent stands in.
    pub below: Option<String>,
    /// Patterns that the paths of the files must match.
    pub matching: Vec<String>,
    /// A name out of `types`.
    #[serde(rename = "type")]
    pub kind: Option<String>,
}

/// What a call that is not JSON holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Text {
    Patch,
    Javascript,
}
