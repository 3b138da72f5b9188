//! Where a secret is kept. Configuration refers to secrets and never holds one.

use schemars::JsonSchema;
use serde::Deserialize;

/// `{ env: NAME }` or `{ file: PATH }`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[schemars(rename = "Secret")]
pub enum Reference {
    /// The name of an environment variable.
    Env(String),
    /// The path of a file; white space around the secret does not count.
    File(String),
}
