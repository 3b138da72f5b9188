//! The policies, in the order they run. Each is one file of one shape: the document as it is
//! written, the rules as they are meant, and a decision about given facts.

/// Rules are read through their document, so they have its schema.
macro_rules! schema_of_document {
    ($rules:ty, $document:ty) => {
        impl schemars::JsonSchema for $rules {
            fn schema_name() -> std::borrow::Cow<'static, str> {
                <$document>::schema_name()
            }

            fn schema_id() -> std::borrow::Cow<'static, str> {
                <$document>::schema_id()
            }

            fn json_schema(generator: &mut schemars::SchemaGenerator) -> schemars::Schema {
                <$document>::json_schema(generator)
            }
        }
    };
}

pub mod breadcrumbs; // adds to what is sent, a step at a time
pub mod budget;
pub mod context; // adds to what is sent
pub mod desk; // answers calls of our own
pub mod identity; // first: every other rule is about a caller
pub mod interrogation; // last of all, when a run is over
pub mod lockdown; // pure, so before anything that costs
pub mod models;
pub mod prose; // files that the others name // cheap, and decides whether there is anybody to send to // last: it counts what the others added

use schemars::JsonSchema;
use serde::Deserialize;

/// A policy as it is written: `policies/<name>/policy.yaml`.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Document {
    /// What this policy is for, in a sentence. Shown by `jetway check` and when Jetway starts.
    pub about: String,
    pub identity: identity::Rules,
    pub models: models::Rules,
    /// Leave it out to let every tool pass. An empty `allow` allows none.
    #[serde(default)]
    pub lockdown: Option<lockdown::Rules>,
    /// How often the model may be answered by Jetway within one reply, before that ends with a
    /// sentence: 0 to 50.
    #[serde(default)]
    pub inner_turns: InnerTurns,
    /// Leave it out to add nothing to what the model reads.
    #[serde(default)]
    pub context: Option<context::Rules>,
    /// Steps that an agent is led through, one at a time. Leave it out to lead nobody.
    #[serde(default)]
    pub breadcrumbs: Option<breadcrumbs::Rules>,
    /// What the agent is asked when its run ends. Leave it out to ask nothing.
    #[serde(default)]
    pub interrogation: Option<interrogation::Rules>,
    /// Leave it out to count spending without a limit.
    #[serde(default)]
    pub budget: budget::Rules,
}

/// A number of turns that the agent does not see.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(try_from = "u32")]
pub struct InnerTurns(#[schemars(range(max = 50))] u32);

impl InnerTurns {
    /// Each is a whole request, whose input is paid for.
    const MOST: u32 = 50;

    #[must_use]
    pub fn count(self) -> u32 {
        self.0
    }
}

impl Default for InnerTurns {
    fn default() -> Self {
        Self(8)
    }
}

impl TryFrom<u32> for InnerTurns {
    type Error = String;

    fn try_from(count: u32) -> Result<Self, String> {
        if count <= Self::MOST { Ok(Self(count)) } else { Err(format!("`inner_turns` is {} at most", Self::MOST)) }
    }
}
