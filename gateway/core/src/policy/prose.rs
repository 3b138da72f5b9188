//! Files of prose that a policy names. Given `steps/1-look.md`: that file in the policy's folder.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::retrieval::source::is_outside;

/// As written: the name of a file in the policy's folder.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(try_from = "String")]
#[schemars(with = "String")]
pub struct File(String);

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("this must be a file inside the policy's folder, such as `standing.md` or `steps/1-look.md`; {0:?} is not")]
pub struct Outside(String);

impl TryFrom<String> for File {
    type Error = Outside;

    fn try_from(name: String) -> Result<Self, Outside> {
        if is_outside(&name) { Err(Outside(name)) } else { Ok(Self(name)) }
    }
}

impl File {
    /// A name of our own.
    pub(crate) fn new(name: &str) -> Self {
        Self(name.to_owned())
    }

    #[must_use]
    pub fn name(&self) -> &str {
        &self.0
    }
}
