//! Schemas that nothing can satisfy, so that no evidence completes the step. Given
//! `{ "required": ["event"], "properties": {}, "additionalProperties": false }`: `event` is both.

use serde_json::{Map, Value};

/// Schemas inside of schemas are looked at this far down.
const DEEPEST: usize = 32;
/// What there has to be at least, and at most.
const BOUNDS: [(&str, &str); 4] =
    [("minItems", "maxItems"), ("minLength", "maxLength"), ("minProperties", "maxProperties"), ("minimum", "maximum")];

/// Why nothing is of this shape, as far as that is plain: the key that it is about, and a sentence.
pub(super) fn contradiction(schema: &Value) -> Option<(String, String)> {
    within(schema, DEEPEST)
}

fn within(schema: &Value, deep: usize) -> Option<(String, String)> {
    let deep = deep.checked_sub(1)?;
    let wrong = |key: &str, why: String| Some((key.to_owned(), why));
    let Value::Object(shape) = schema else {
        return if *schema == Value::Bool(false) {
            wrong("false", String::from("`false` allows nothing"))
        } else {
            None
        };
    };
    for (least, most) in BOUNDS {
        let bound = |key: &str| shape.get(key).and_then(Value::as_f64);
        if let (Some(low), Some(high)) = (bound(least), bound(most))
            && low > high
        {
            return wrong(least, format!("`{least}` is {low}, and `{most}` is {high}"));
        }
    }
    if let Some(key) = ["enum", "const"].into_iter().find(|key| shape.contains_key(*key))
        && !values(shape).any(|value| jsonschema::is_valid(schema, value))
    {
        return wrong(key, format!("none of what `{key}` allows is what the rest asks for"));
    }
    let is_object = shape.get("type").is_some_and(|kind| kind == "object");
    let required = shape.get("required").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str);
    for name in required.filter(|_| is_object) {
        let own = shape.get("properties").and_then(|all| all.get(name));
        let is_closed = shape.get("additionalProperties") == Some(&Value::Bool(false));
        if own.is_none() && is_closed && !shape.contains_key("patternProperties") {
            return wrong(name, format!("`{name}` is required, and no other than the `properties` may be there"));
        }
        if let Some(found) = own.and_then(|own| within(own, deep)) {
            return Some(found);
        }
    }
    let wants_items = shape.get("type").is_some_and(|kind| kind == "array")
        && shape.get("minItems").and_then(Value::as_u64).is_some_and(|least| least > 0);
    let items = shape.get("items").filter(|_| wants_items).and_then(|items| within(items, deep));
    let all = || shape.get("allOf").and_then(Value::as_array).into_iter().flatten().find_map(|part| within(part, deep));
    let none_of = |key: &str| {
        let parts = shape.get(key)?.as_array()?;
        let wrong: Option<Vec<_>> = parts.iter().map(|part| within(part, deep)).collect();
        wrong?.into_iter().next()
    };
    items.or_else(all).or_else(|| none_of("anyOf")).or_else(|| none_of("oneOf"))
}

/// The values that a schema lists.
fn values(shape: &Map<String, Value>) -> impl Iterator<Item = &Value> {
    let listed = shape.get("enum").and_then(Value::as_array).into_iter().flatten();
    listed.chain(shape.get("const").filter(|_| !shape.contains_key("enum")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_nothing_satisfies_is_told_from_what_is_only_strict() {
        let check = |schema: &str, expect: Option<&str>| {
            let found = contradiction(&serde_json::from_str(schema).unwrap());
            assert_eq!(found.as_ref().map(|(key, _)| key.as_str()), expect, "{schema}: {found:?}");
        };
        check("false", Some("false"));
        check("true", None);
        check(r#"{"type":"array","minItems":5,"maxItems":3}"#, Some("minItems"));
        check(r#"{"type":"array","minItems":3,"maxItems":3}"#, None);
        check(r#"{"type":"string","enum":[]}"#, Some("enum"));
        check(r#"{"type":"string","enum":[1,2]}"#, Some("enum"));
        check(r#"{"type":"string","enum":["a",2]}"#, None);
        check(r#"{"type":"string","const":4}"#, Some("const"));
        check(r#"{"enum":["a"],"pattern":"^b"}"#, Some("enum"));
        let object = |inside: &str| format!(r#"{{"type":"object","required":["event"],{inside}}}"#);
        check(&object(r#""properties":{"evnt":{}},"additionalProperties":false"#), Some("event"));
        check(&object(r#""properties":{"event":{}},"additionalProperties":false"#), None);
        check(&object(r#""patternProperties":{"^e":{}},"additionalProperties":false"#), None);
        check(&object(r#""properties":{"event":false}"#), Some("false"));
        check(r#"{"type":"object","properties":{"event":false}}"#, None);
        check(r#"{"type":"array","minItems":1,"items":{"enum":[]}}"#, Some("enum"));
        check(r#"{"type":"array","items":{"enum":[]}}"#, None);
        check(r#"{"anyOf":[false,{"type":"string"}]}"#, None);
        check(r#"{"anyOf":[false,{"enum":[]}]}"#, Some("false"));
        check(r#"{"allOf":[{"type":"string"},{"minLength":3,"maxLength":2}]}"#, Some("minLength"));
    }
}
