//! `airplane.yaml`: what a model airplane is for, what of it is shown, how it is started, and what
//! a person does with it.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Deserialize;

/// A model airplane: a thin but running application that shows where code goes.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Airplane")]
pub struct Document {
    /// What it is, in a sentence.
    pub about: String,
    /// What a project has to be for this to be shown, such as `nextjs`: one of these.
    #[serde(default)]
    pub frameworks: Vec<String>,
    /// The languages that it is written in: a project has one of these.
    pub languages: Vec<String>,
    /// What may be shown of it beside its README.md, the most telling first. No other file is.
    pub files: Vec<File>,
    /// How it is started, for `jetway airplanes check`.
    pub run: Run,
    /// What a person does with it in a browser, in this order.
    pub visit: Vec<Act>,
}

/// A file that may be shown.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "AirplaneFile")]
pub struct File {
    /// From the airplane's folder. Between two lines that hold the words airplane:hide and
    /// airplane:show, these lines included, nothing of it is shown.
    pub path: String,
    /// What is to be seen in it, in a sentence.
    pub shows: String,
    /// The steps that it serves.
    #[serde(default)]
    pub steps: Vec<String>,
}

/// How an airplane is started.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "AirplaneRun")]
pub struct Run {
    /// Programs without which it cannot be.
    #[serde(default)]
    pub needs: Vec<String>,
    /// Fetches what it depends on; by `sh`, as are those that follow.
    #[serde(default)]
    pub install: Option<String>,
    #[serde(default)]
    pub build: Option<String>,
    /// Serves on 127.0.0.1, at the port in `$PORT`.
    pub start: String,
    /// More of their environment. `{capture}` stands for the address to which events are sent, and
    /// `{key}` for a key that was made up.
    #[serde(default)]
    pub env: BTreeMap<String, String>,
}

/// What a person does, or waits to see.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
#[schemars(rename = "AirplaneAct")]
pub enum Act {
    /// Opens a page, by its path.
    Open(String),
    /// Writes into fields: CSS selectors, and texts.
    Fill(BTreeMap<String, String>),
    /// Clicks the element of this CSS selector.
    Click(String),
    /// Waits until there is such an element.
    See(String),
    /// Waits until elements have these texts.
    Text(BTreeMap<String, String>),
}
