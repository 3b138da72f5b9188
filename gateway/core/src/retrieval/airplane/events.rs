//! The events that an airplane should have sent, against those that arrived. Given
//! `{ "event": "plan_upgraded", "properties": { "plan": "pro", "price": "*" } }`: one of that name,
//! with this plan and any price, whatever else it has.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::{Map, Value};

/// Stands for any value.
const ANY: &str = "*";
/// As many different events are told of where one is missed.
const TOLD: usize = 12;
/// The most of a value that is told, in characters.
const LONGEST: usize = 80;

/// An event as it arrived.
#[derive(Debug, Clone, PartialEq)]
pub struct Event {
    pub name: String,
    pub distinct_id: Option<String>,
    pub properties: Map<String, Value>,
}

/// An event of `events.json`: it arrives at least once, with at least this.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Expected {
    pub event: String,
    #[serde(default)]
    pub distinct_id: Option<String>,
    #[serde(default)]
    pub properties: Map<String, Value>,
}

impl Event {
    /// The events of a body: one, a list, or a list under `batch`. What is no event is left out.
    #[must_use]
    pub fn all(body: &Value) -> Vec<Self> {
        match body {
            Value::Array(list) => list.iter().filter_map(Self::one).collect(),
            Value::Object(object) => match object.get("batch") {
                Some(Value::Array(list)) => list.iter().filter_map(Self::one).collect(),
                _ => Self::one(body).into_iter().collect(),
            },
            _ => Vec::new(),
        }
    }

    fn one(value: &Value) -> Option<Self> {
        let name = value.get("event")?.as_str()?.to_owned();
        let mut properties = value.get("properties").and_then(Value::as_object).cloned().unwrap_or_default();
        // The browser's SDK writes what it knows of the person beside the properties, others into them.
        for beside in ["$set", "$set_once"] {
            if let Some(value) = value.get(beside).filter(|_| !properties.contains_key(beside)) {
                properties.insert(beside.to_owned(), value.clone());
            }
        }
        let id = value.get("distinct_id").or_else(|| properties.get("distinct_id"));
        let distinct_id = id.and_then(|id| id.as_str().map(str::to_owned).or_else(|| Some(id.to_string())));
        Some(Self { name, distinct_id, properties })
    }
}

/// How often each event arrived, by name.
#[must_use]
pub fn counted(arrived: &[Event]) -> BTreeMap<&str, usize> {
    let mut counts = BTreeMap::new();
    arrived.iter().for_each(|event| *counts.entry(event.name.as_str()).or_default() += 1);
    counts
}

/// A sentence for each event that is missed.
#[must_use]
pub fn missed(expected: &[Expected], arrived: &[Event]) -> Vec<String> {
    expected.iter().filter_map(|expected| expected.missed(arrived)).collect()
}

impl Expected {
    fn missed(&self, arrived: &[Event]) -> Option<String> {
        let same: Vec<_> = arrived.iter().filter(|event| event.name == self.event).collect();
        // Of several the one that comes nearest is the one that was meant.
        let nearest = same.iter().map(|event| self.differences(event)).min_by_key(Vec::len);
        match nearest {
            None => Some(format!("the event `{}` did not arrive; {}", self.event, told(arrived))),
            Some(differences) if differences.is_empty() => None,
            Some(differences) => {
                let times = if same.len() == 1 { String::new() } else { format!(" {} times", same.len()) };
                Some(format!("the event `{}` arrived{times}, but {}", self.event, differences.join(", and ")))
            }
        }
    }

    fn differences(&self, event: &Event) -> Vec<String> {
        let mut found = Vec::new();
        if let Some(id) = self.distinct_id.as_ref().filter(|id| id.as_str() != ANY) {
            let came = event.distinct_id.as_deref().unwrap_or("missing");
            if came != id {
                found.push(format!("`distinct_id` is {}, not {id}", short(came)));
            }
        }
        partial("properties", &self.properties, &event.properties, &mut found);
        found
    }
}

/// What of one object another does not have.
fn partial(path: &str, expected: &Map<String, Value>, came: &Map<String, Value>, found: &mut Vec<String>) {
    for (key, value) in expected {
        differs(&format!("{path}.{key}"), value, came.get(key), found);
    }
}

fn differs(path: &str, expected: &Value, came: Option<&Value>, found: &mut Vec<String>) {
    match (expected, came) {
        (_, None) => found.push(format!("`{path}` is missing")),
        (Value::String(any), Some(_)) if any == ANY => {}
        (Value::Object(expected), Some(Value::Object(came))) => partial(path, expected, came, found),
        (Value::Array(expected), Some(Value::Array(came))) if expected.len() == came.len() => {
            for (at, (expected, came)) in expected.iter().zip(came).enumerate() {
                differs(&format!("{path}[{at}]"), expected, Some(came), found);
            }
        }
        (Value::Number(expected), Some(Value::Number(came))) if expected.as_f64() == came.as_f64() => {}
        (expected, Some(came)) if expected == came => {}
        (expected, Some(came)) => {
            found.push(format!("`{path}` is {}, not {}", short(&came.to_string()), short(&expected.to_string())));
        }
    }
}

fn told(arrived: &[Event]) -> String {
    let counts = counted(arrived);
    if counts.is_empty() {
        return "none did".to_owned();
    }
    let named = counts.iter().take(TOLD).map(|(name, count)| match count {
        1 => format!("`{}`", short(name)),
        _ => format!("`{}` ({count} times)", short(name)),
    });
    let more = if counts.len() > TOLD { " and others" } else { "" };
    format!("these did: {}{more}", named.collect::<Vec<_>>().join(", "))
}

fn short(text: &str) -> String {
    match text.char_indices().nth(LONGEST) {
        Some((at, _)) => format!("{}…", &text[..at]),
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[track_caller]
    fn check(expected: Value, arrived: Value, expect: &[&str]) {
        let expected: Expected = serde_json::from_value(expected).unwrap();
        assert_eq!(missed(&[expected], &Event::all(&arrived)), expect);
    }

    #[test]
    fn an_event_has_at_least_what_is_expected() {
        let upgraded = json!({
            "event": "upgraded", "distinct_id": "ada",
            "properties": { "plan": "pro", "price": 20, "$set": { "name": "Ada", "age": 36 }, "list": [{ "a": 1, "b": 2 }] },
        });
        let expect = |properties: Value| json!({ "event": "upgraded", "distinct_id": "ada", "properties": properties });
        check(expect(json!({ "plan": "pro", "price": 20.0 })), upgraded.clone(), &[]);
        check(expect(json!({ "plan": "*", "$set": { "age": 36 }, "list": [{ "b": 2 }] })), upgraded.clone(), &[]);
        check(
            expect(json!({ "plan": "free", "$set": { "age": 37 }, "seats": "*" })),
            upgraded.clone(),
            &[
                "the event `upgraded` arrived, but `properties.$set.age` is 36, not 37, and `properties.plan` is \"pro\", not \"free\", and `properties.seats` is missing",
            ],
        );
        check(
            json!({ "event": "upgraded", "distinct_id": "bob" }),
            json!([{ "event": "upgraded" }, upgraded]),
            &["the event `upgraded` arrived 2 times, but `distinct_id` is missing, not bob"],
        );
    }

    #[test]
    fn what_came_instead_is_told() {
        let expected = json!({ "event": "upgraded" });
        check(expected.clone(), json!([]), &["the event `upgraded` did not arrive; none did"]);
        let arrived = json!({ "batch": [{ "event": "b" }, { "event": "a" }, { "event": "b" }, { "no": "event" }] });
        check(expected, arrived, &["the event `upgraded` did not arrive; these did: `a`, `b` (2 times)"]);
    }

    #[test]
    fn sdks_write_the_same_in_different_places() {
        let browser =
            json!({ "event": "$identify", "$set": { "email": "ada" }, "properties": { "distinct_id": "ada" } });
        let expected =
            json!({ "event": "$identify", "distinct_id": "ada", "properties": { "$set": { "email": "ada" } } });
        check(expected, browser, &[]);
    }
}
