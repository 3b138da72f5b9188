//! The tool by which a model says that a step is done.

use std::sync::LazyLock;

use crate::wire::json::Json;
use crate::wire::tools::offer::NewTool;

/// Its name.
pub const COMPLETE_STEP: &str = "complete_step";
/// No more of what the model says is kept.
const LONGEST: usize = 2_000;

/// The same bytes in every request, for the provider's cache.
static TOOL: LazyLock<Option<NewTool>> = LazyLock::new(|| {
    let description = "Says that the current step is done, and gives you the next one. Call it when you have done what the \
                       step asks for, and not before: it is checked.";
    let schema = r#"{"type":"object","properties":{"summary":{"type":"string","description":"What you did, in a sentence or two."},"evidence":{"type":"string","description":"What shows it: files, commands and what they said."}},"required":["summary"],"additionalProperties":false}"#;
    NewTool::new(COMPLETE_STEP, description, schema).ok()
});

#[must_use]
pub fn complete_tool() -> Option<NewTool> {
    TOOL.clone()
}

/// What the model says of the step.
///
/// # Errors
/// A sentence for the model, when it says nothing.
pub fn summary(call: &Json) -> Result<String, String> {
    let said = call.root().get("summary").and_then(|said| said.text().map(|said| said.trim().to_owned()));
    match said.filter(|said| !said.is_empty()) {
        Some(said) => Ok(said.chars().take(LONGEST).collect()),
        None => Err(format!("`{COMPLETE_STEP}` needs a text `summary`: what you did in this step.")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_offered_and_wants_a_summary() {
        assert_eq!(complete_tool().unwrap().name(), COMPLETE_STEP);
        let said = |text: &str| summary(&Json::read(text.to_owned().into()).unwrap());
        assert_eq!(said(r#"{"summary":" It is planned. "}"#).unwrap(), "It is planned.");
        for wrong in ["{}", r#"{"summary":""}"#, r#"{"summary":1}"#] {
            assert!(said(wrong).unwrap_err().contains("`summary`"));
        }
    }
}
