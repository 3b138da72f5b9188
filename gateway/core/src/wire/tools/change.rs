//! One tool, changed in the agent's own bytes. Given `properties: { timeout: hidden }`: the member
//! `timeout` leaves the schema's `properties`, and its `required`.

use std::collections::HashSet;

use crate::wire::Dialect;
use crate::wire::json::{self, Json, Kind, Value};
use crate::wire::patch::Patch;
use crate::wire::tools::offer::{Absent, Bounds, Change, Property, Wording};
use crate::wire::tools::sheet::Sheet;
use crate::wire::tools::{Shape, Tool};

/// Where the changes of a request's tools are written.
pub(super) struct Pen<'a, 'b> {
    pub json: &'a Json,
    pub dialect: Dialect,
    pub sheet: &'b mut Sheet<'a>,
    pub patch: &'b mut Patch,
}

/// Changes a tool; returns what there was not to change.
pub(super) fn change(tool: &Tool, change: &Change, pen: &mut Pen<'_, '_>) -> Vec<Absent> {
    let mut absent = Vec::new();
    let mut miss = |what: String| {
        absent.push(Absent { tool: tool.name.clone().unwrap_or_default(), what });
    };
    if let Some(wording) = &change.wording {
        // A description is a member of what the agent defines; the provider's own take none.
        if matches!(tool.shape, Shape::Function | Shape::Text) {
            describe(tool, wording, pen);
        } else {
            miss("description".to_owned());
        }
    }
    let json = pen.json;
    let schema = tool.nodes.schema.map(|node| json.value(node));
    let known = schema.and_then(|schema| schema.get("properties"));
    let mut changed = Vec::new();
    for (name, property) in &change.properties {
        match known.and_then(|known| known.get(name)) {
            Some(value) => changed.push((name.as_str(), property, value)),
            None => miss(format!("property `{name}`")),
        }
    }
    if let (Some(schema), Some(known), false) = (schema, known, changed.is_empty()) {
        reshape(schema, known, &changed, pen);
        loosen(tool, &changed, pen);
    }
    absent
}

fn describe(tool: &Tool, wording: &Wording, pen: &mut Pen<'_, '_>) {
    let body = pen.json.value(tool.nodes.body);
    let own = tool.nodes.description.map(|node| pen.json.value(node)).filter(|own| own.raw() != "\"\"");
    match (wording, own) {
        (Wording::Append(text), Some(own)) => {
            pen.patch.insert(own.span().end - 1, json::escape(&format!("\n\n{text}")));
        }
        (Wording::Append(text) | Wording::Replace(text), _) => {
            pen.sheet.set(body, "description", json::quote(text));
        }
    }
}

type Changed<'a, 'c> = [(&'c str, &'c Property, Value<'a>)];

fn reshape<'a>(schema: Value<'a>, known: Value<'a>, changed: &Changed<'a, '_>, pen: &mut Pen<'a, '_>) {
    let mut hidden = HashSet::new();
    for (name, property, value) in changed {
        match property {
            Property::Hidden => {
                pen.sheet.remove(known, name);
                hidden.insert(*name);
            }
            Property::Bounded(bounds) if value.kind() == Kind::Object => {
                for (member, text) in bound(bounds, Some(*value)) {
                    pen.sheet.set(*value, member, text);
                }
            }
            // `true`, for instance: whatever it may be, it may be no more than this.
            Property::Bounded(bounds) => {
                let members: Vec<_> =
                    bound(bounds, None).into_iter().map(|(member, text)| format!("\"{member}\":{text}")).collect();
                pen.patch.replace(value.span(), format!("{{{}}}", members.join(",")));
            }
        }
    }
    let Some(required) = schema.get("required").filter(|list| list.kind() == Kind::Array) else { return };
    let gone: Vec<bool> =
        required.items().map(|name| name.text().is_some_and(|name| hidden.contains(&*name))).collect();
    if !gone.is_empty() && gone.iter().all(|gone| *gone) {
        pen.sheet.remove(schema, "required");
    } else {
        pen.patch.remove_items(required, |at| gone[at]);
    }
}

/// The members of a property's schema that say these bounds.
fn bound(bounds: &Bounds, own: Option<Value<'_>>) -> Vec<(&'static str, String)> {
    let mut members = Vec::new();
    if let Some(text) = &bounds.description {
        members.push(("description", json::quote(text)));
    }
    if let Some(values) = &bounds.values {
        members.push(("enum", format!("[{}]", values.join(","))));
    }
    if let Some(pattern) = &bounds.pattern {
        members.push(("pattern", json::quote(pattern)));
    }
    let own_number = |member: &str| own?.get(member)?.raw().parse::<f64>().ok();
    if let Some(least) = bounds.minimum
        && own_number("minimum").is_none_or(|own| own < least)
    {
        members.push(("minimum", least.to_string()));
    }
    if let Some(most) = bounds.maximum
        && own_number("maximum").is_none_or(|own| own > most)
    {
        members.push(("maximum", most.to_string()));
    }
    if let Some(most) = bounds.max_length {
        let own = own.and_then(|own| own.get("maxLength")?.integer());
        if own.is_none_or(|own| own > most) {
            members.push(("maxLength", most.to_string()));
        }
    }
    members
}

/// Providers refuse examples that do not follow the schema, and bounds in a schema that they are
/// to hold strictly. Jetway holds them itself.
fn loosen<'a>(tool: &Tool, changed: &Changed<'a, '_>, pen: &mut Pen<'a, '_>) {
    pen.sheet.remove(pen.json.value(tool.nodes.item), "input_examples");
    let bounded = |(_, property, _): &(&str, &Property, Value<'_>)| match property {
        Property::Hidden => false,
        Property::Bounded(bounds) => {
            let bounds = (&bounds.pattern, bounds.minimum, bounds.maximum, bounds.max_length);
            bounds != (&None, None, None, None)
        }
    };
    let body = pen.json.value(tool.nodes.body);
    let strict = match body.get("strict") {
        Some(strict) => strict.raw() != "false",
        // There, a function is strict unless it says that it is not.
        None => pen.dialect == Dialect::Responses,
    };
    if strict && changed.iter().any(bounded) {
        pen.sheet.set(body, "strict", "false");
    }
}
