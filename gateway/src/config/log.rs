//! What Jetway says of itself while it runs.

use std::collections::BTreeMap;
use std::path::Path;

use schemars::JsonSchema;
use serde::Deserialize;
use tracing::level_filters::LevelFilter;

use crate::config::Problem;
use crate::telemetry;

/// What is logged, on standard error; changed while Jetway runs. `JETWAY_LOG`, where it is set, counts instead.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Log")]
pub(in crate::config) struct Document {
    /// How much of what Jetway does. With `info` a line for each exchange that ended.
    #[serde(default)]
    pub level: Level,
    /// More or less of a module, by its name in the folder gateway/src: `docs: debug`,
    /// `stage::context: trace`.
    #[serde(default)]
    pub modules: BTreeMap<String, Level>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(in crate::config) enum Level {
    Off,
    Error,
    Warn,
    #[default]
    Info,
    Debug,
    Trace,
}

impl From<Level> for LevelFilter {
    fn from(level: Level) -> Self {
        match level {
            Level::Off => Self::OFF,
            Level::Error => Self::ERROR,
            Level::Warn => Self::WARN,
            Level::Info => Self::INFO,
            Level::Debug => Self::DEBUG,
            Level::Trace => Self::TRACE,
        }
    }
}

/// The modules that have something to say. A test holds this to the code.
pub const MODULES: &[&str] = &[
    "admin::page",
    "app",
    "bodies",
    "cli::docs::search",
    "cli::policy::diff",
    "cli::serve",
    "converse",
    "dispatch",
    "docs::refresh",
    "docs::shelf",
    "docs::tend",
    "exchange",
    "gate",
    "ledger::redis",
    "ledger::redis::tend",
    "link",
    "metrics",
    "pipeline",
    "reply",
    "runs::journal",
    "runs::postgres::forward",
    "runs::state",
    "serve",
    "stage::breadcrumbs",
    "stage::context",
    "stage::interrogation",
    "stage::lockdown",
    "stage::overlay",
    "store",
    "tokens::answers",
    "tokens::issuer",
    "traces::send",
];

/// What is to be logged, as [`telemetry::set`] takes it.
pub(in crate::config) fn load((file, text): (&Path, &str), document: &Document) -> Result<String, Problem> {
    for name in document.modules.keys() {
        if !is_module(name) {
            let known = MODULES.join(", ");
            let why = format!("`log.modules` names {name:?}, and no such module logs anything; there are {known}");
            return Err(Problem::at_word(file, text, name, why));
        }
    }
    let modules = document.modules.iter().map(|(name, level)| (name.as_str(), (*level).into()));
    Ok(telemetry::directives(document.level.into(), modules))
}

/// Whether it is one of them, or holds one.
fn is_module(name: &str) -> bool {
    MODULES.iter().any(|module| module.strip_prefix(name).is_some_and(|rest| rest.is_empty() || rest.starts_with("::")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_module_is_one_that_logs_or_that_holds_one_that_does() {
        for name in ["docs", "stage", "stage::context", "app"] {
            assert!(is_module(name), "{name}");
        }
        for name in ["doc", "", "jetway", "docs::", "hyper", "stage::contexts"] {
            assert!(!is_module(name), "{name}");
        }
    }
}
