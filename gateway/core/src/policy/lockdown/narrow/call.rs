//! The arguments of a call, held against what its tool was narrowed to.

use super::{Bounded, Limit, Rules};
use crate::wire::json::{self, Json, Kind, Value};
use crate::wire::patch::Patch;
use crate::wire::request::could_mean;
use crate::wire::tools::digest::canonical;

/// As many values as a sentence lists.
const MOST_LISTED: usize = 20;

impl Rules {
    /// Checks a call's arguments. Returns what must change in them: properties that are fixed.
    /// `null` is read as left out.
    ///
    /// # Errors
    /// A sentence for the model: which property is not as it must be, and what is allowed.
    pub fn check_call(&self, name: &str, namespace: Option<&str>, arguments: &Json) -> Result<Option<Patch>, String> {
        let Some((tool, narrowing)) = self.find(name, namespace) else { return Ok(None) };
        if narrowing.properties.is_empty() {
            return Ok(None);
        }
        let root = arguments.root();
        if root.kind() != Kind::Object {
            return Err(format!("The arguments of `{tool}` must be a JSON object, for they are limited here."));
        }
        for member in root.members() {
            let found = member.name();
            let meant = |known: &&String| known.as_str() != found && could_mean(&found, known);
            if let Some(known) = narrowing.properties.keys().find(meant) {
                let found = json::shortened(&found);
                return Err(format!("`{tool}` has no property `{found}`. Spell it `{known}`."));
            }
        }
        let mut patch = Patch::default();
        let mut added = Vec::new();
        for (property, limit) in &narrowing.properties {
            let value = root.get(property);
            let refuse = |what: String| Err(format!("The property `{property}` of `{tool}` {what}"));
            match (limit, value) {
                (Limit::Fixed(text, _), None) => added.push(format!("{}:{text}", json::quote(property))),
                (Limit::Fixed(text, spelling), Some(value)) if canonical(value) != *spelling => {
                    patch.replace(value.span(), text.as_str());
                }
                (Limit::Fixed(..), Some(_)) | (_, None) => {}
                (_, Some(value)) if value.is_null() => {}
                (Limit::Removed, Some(_)) => return refuse("is not allowed here. Leave it out.".to_owned()),
                (Limit::Bounded(bounded), Some(value)) => {
                    if let Some(what) = bounded.broken_by(value) {
                        return refuse(what);
                    }
                }
            }
        }
        if !added.is_empty() {
            patch.add_member(root, &added.join(","));
        }
        Ok((!patch.is_empty()).then_some(patch))
    }
}

impl Bounded {
    /// What is wrong with a value, as the end of a sentence.
    fn broken_by(&self, value: Value<'_>) -> Option<String> {
        if let (Some(values), Some(texts)) = (&self.values, &self.bounds.values)
            && !values.contains(&canonical(value))
        {
            let listed: Vec<_> = texts.iter().take(MOST_LISTED).map(String::as_str).collect();
            return Some(format!("must be one of {}.", listed.join(", ")));
        }
        let text = value.text();
        if let Some(pattern) = &self.pattern
            && !text.as_deref().is_some_and(|text| pattern.is_match(text))
        {
            return Some(format!("must be a text that matches the pattern `{}`.", pattern.as_str()));
        }
        if let Some(most) = self.bounds.max_length
            && text.is_none_or(|text| text.chars().count() as u64 > most)
        {
            return Some(format!("must be a text of at most {most} characters."));
        }
        let (least, most) = (self.bounds.minimum, self.bounds.maximum);
        if least.is_none() && most.is_none() {
            return None;
        }
        let number = (value.kind() == Kind::Number).then(|| value.raw().parse::<f64>().ok()).flatten();
        let holds = |number: f64| least.is_none_or(|least| number >= least) && most.is_none_or(|most| number <= most);
        (!number.is_some_and(holds)).then(|| match (least, most) {
            (Some(least), Some(most)) => format!("must be a number from {least} to {most}."),
            (Some(least), None) => format!("must be a number of at least {least}."),
            (_, most) => format!("must be a number of at most {}.", most.unwrap_or_default()),
        })
    }
}
