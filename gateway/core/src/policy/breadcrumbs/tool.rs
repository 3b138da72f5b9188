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

/// What the model says of the step: its summary, and what shows it.
///
/// # Errors
/// A sentence for the model, when it says nothing.
pub fn said(call: &Json) -> Result<(String, Option<String>), String> {
    let text = |name: &str| call.root().get(name).and_then(|said| said.text().map(|said| said.trim().to_owned()));
    let summary = text("summary").filter(|said| !said.is_empty());
    let summary =
        summary.ok_or_else(|| format!("`{COMPLETE_STEP}` needs a text `summary`: what you did in this step."))?;
    // Some models give JSON where a text that holds it is asked for.
    let raw =
        || call.root().get("evidence").filter(|evidence| !evidence.is_null()).map(|evidence| evidence.raw().to_owned());
    Ok((summary.chars().take(LONGEST).collect(), text("evidence").or_else(raw)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_offered_and_wants_a_summary() {
        assert_eq!(complete_tool().unwrap().name(), COMPLETE_STEP);
        let said = |text: &str| said(&Json::read(text.to_owned().into()).unwrap());
        assert_eq!(said(r#"{"summary":" It is planned. "}"#).unwrap(), ("It is planned.".into(), None));
        for evidence in [r#""[1]""#, "[1]"] {
            let found = said(&format!(r#"{{"summary":"s","evidence":{evidence}}}"#)).unwrap();
            assert_eq!(found.1.as_deref(), Some("[1]"));
        }
        for wrong in ["{}", r#"{"summary":""}"#, r#"{"summary":1}"#] {
            assert!(said(wrong).unwrap_err().contains("`summary`"));
        }
    }
}
