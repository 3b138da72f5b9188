//! What a model shows for a step, held against a shape. Given a schema for a list of events and the
//! evidence `[{"event": 1}]`: it is sent back with what is wrong, and where.

use jsonschema::Validator;
use serde_json::Value;

/// No more of what is wrong is told at once.
const MOST_TOLD: usize = 5;
/// The longest sentence about one thing that is wrong, in characters.
const LONGEST: usize = 200;
/// The largest schema: it is told with the step.
const MOST_BYTES: usize = 8_000;

/// Why a schema cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadSchema {
    #[error("it is no JSON: {0}")]
    Json(String),
    #[error("it is no JSON schema that can be used: {0}")]
    Schema(String),
    #[error("it has {0} bytes; a shape that is told with a step has at most {MOST_BYTES}")]
    Large(usize),
}

fn validator(schema: &str) -> Result<Validator, BadSchema> {
    if schema.len() > MOST_BYTES {
        return Err(BadSchema::Large(schema.len()));
    }
    let schema: Value = serde_json::from_str(schema).map_err(|error| BadSchema::Json(error.to_string()))?;
    jsonschema::validator_for(&schema).map_err(|error| BadSchema::Schema(error.to_string()))
}

/// # Errors
/// [`BadSchema`] where nothing could be held against it.
pub(super) fn check_schema(schema: &str) -> Result<(), BadSchema> {
    validator(schema).map(|_| ())
}

/// Holds evidence against a schema that was checked before.
///
/// # Errors
/// What is wrong and where, in words for the model.
pub(super) fn check(schema: &str, evidence: Option<&str>) -> Result<(), String> {
    let Ok(validator) = validator(schema) else { return Ok(()) };
    let asked = "`evidence` must be JSON of the shape that the step asks for";
    let Some(evidence) = evidence else { return Err(format!("{asked}; there is none.")) };
    let evidence: Value =
        serde_json::from_str(evidence).map_err(|error| format!("{asked}; it is no JSON: {error}."))?;
    let wrong: Vec<String> = validator
        .iter_errors(&evidence)
        .take(MOST_TOLD)
        .map(|error| {
            let place = error.instance_path().to_string();
            let place = if place.is_empty() { String::from("all of it") } else { format!("`{place}`") };
            let why: String = error.to_string().chars().take(LONGEST).collect();
            format!("{place}: {why}")
        })
        .collect();
    if wrong.is_empty() { Ok(()) } else { Err(format!("{asked}. What is wrong: {}.", wrong.join("; "))) }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SCHEMA: &str = r#"{ "type": "array", "minItems": 1, "items": { "type": "object", "required": ["event"], "properties": { "event": { "type": "string" } } } }"#;

    #[track_caller]
    fn wrong(evidence: Option<&str>, part: &str) {
        let why = check(SCHEMA, evidence).unwrap_err();
        assert!(why.contains(part), "{why}");
    }

    #[test]
    fn evidence_is_sent_back_with_what_is_wrong_and_where() {
        assert_eq!(check(SCHEMA, Some(r#"[{"event":"order placed"}]"#)), Ok(()));
        wrong(None, "there is none");
        wrong(Some("all done"), "it is no JSON");
        wrong(Some("[]"), "all of it: ");
        wrong(Some(r#"[{"event":1},{}]"#), "`/0/event`: ");
        wrong(Some(r#"[{"event":1},{}]"#), "`/1`: ");
        let many = check(SCHEMA, Some(&format!("[{}1]", "1,".repeat(50)))).unwrap_err();
        assert_eq!(many.matches("is not of type").count(), MOST_TOLD, "{many}");
    }

    #[test]
    fn a_schema_that_cannot_be_used_is_refused() {
        assert!(matches!(check_schema("{"), Err(BadSchema::Json(_))));
        assert!(matches!(check_schema(r#"{ "type": "evnt" }"#), Err(BadSchema::Schema(_))));
        // Nothing is fetched.
        assert!(matches!(check_schema(r#"{ "$ref": "https://example.com/a.json" }"#), Err(BadSchema::Schema(_))));
        assert_eq!(check_schema(&format!("\"{}\"", "x".repeat(8_000))), Err(BadSchema::Large(8_002)));
        assert_eq!(check_schema(SCHEMA), Ok(()));
    }
}
