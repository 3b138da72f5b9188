//! Which models may be called, and who serves them. Given `allow: [claude-*]` and a request for
//! `gpt-6`: refused. Given two providers of `claude-*`: the first listed, then the second.

use schemars::JsonSchema;
use serde::Deserialize;

use crate::glob::{Glob, first_match};
use crate::wire::Dialect;

/// As written: `models:` in `policy.yaml`.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Models")]
pub struct Document {
    /// Models that may be called. Nothing else may.
    allow: Vec<Glob>,
    /// Providers from `config/gateway.yaml`, the preferred one first. The next is tried when one
    /// cannot be reached or fails before its first byte.
    providers: Vec<String>,
}

/// As meant.
#[derive(Debug, Clone, Deserialize)]
#[serde(try_from = "Document")]
pub struct Rules {
    allow: Vec<Glob>,
    providers: Vec<String>,
}

schema_of_document!(Rules, Document);

#[derive(Debug, thiserror::Error)]
pub enum Problem {
    #[error("`allow` is empty, so no model could be called; list at least one, for example `claude-*`")]
    NoModels,
    #[error("`providers` is empty, so no request could be sent; name at least one of config/gateway.yaml")]
    NoProviders,
}

impl TryFrom<Document> for Rules {
    type Error = Problem;

    fn try_from(document: Document) -> Result<Self, Self::Error> {
        if document.allow.is_empty() {
            return Err(Problem::NoModels);
        }
        if document.providers.is_empty() {
            return Err(Problem::NoProviders);
        }
        Ok(Self { allow: document.allow, providers: document.providers })
    }
}

impl Rules {
    /// The names of the providers, preferred first.
    #[must_use]
    pub fn providers(&self) -> &[String] {
        &self.providers
    }

    #[must_use]
    pub fn allows(&self, model: &str) -> bool {
        first_match(&self.allow, model).is_some()
    }
}

/// What is known of a provider.
#[derive(Debug, Clone)]
pub struct Offer {
    pub name: String,
    pub speaks: Vec<Dialect>,
    pub models: Vec<Glob>,
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Denied {
    #[error("the model `{model}` is not allowed by the policy `{policy}`, which allows {allowed}")]
    NotAllowed { model: String, policy: String, allowed: String },
    #[error("no provider of the policy `{policy}` serves `{model}` in the {dialect} format")]
    NotServed { model: String, policy: String, dialect: &'static str },
}

/// Decides which providers may be asked for this model, in order; never none.
///
/// # Errors
/// [`Denied`] when the policy does not allow the model, or nobody serves it.
pub fn decide<'a>(
    rules: &Rules,
    policy: &str,
    dialect: Dialect,
    model: &str,
    offers: &'a [Offer],
) -> Result<Vec<&'a str>, Denied> {
    if !rules.allows(model) {
        let allowed: Vec<_> = rules.allow.iter().map(Glob::as_str).collect();
        return Err(Denied::NotAllowed {
            model: shortened(model),
            policy: policy.to_owned(),
            allowed: allowed.join(", "),
        });
    }
    let serves = |offer: &&Offer| offer.speaks.contains(&dialect) && first_match(&offer.models, model).is_some();
    let named = |name: &String| offers.iter().filter(serves).find(|offer| offer.name == *name);
    let found: Vec<_> = rules.providers.iter().filter_map(named).map(|offer| offer.name.as_str()).collect();
    if found.is_empty() {
        return Err(Denied::NotServed { model: shortened(model), policy: policy.to_owned(), dialect: dialect.name() });
    }
    Ok(found)
}

/// A name as a caller spelled it, short enough for a sentence.
fn shortened(name: &str) -> String {
    name.chars().take(100).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn globs(patterns: &[&str]) -> Vec<Glob> {
        patterns.iter().map(|pattern| Glob::parse(pattern).unwrap()).collect()
    }

    #[track_caller]
    fn check(allow: &[&str], dialect: Dialect, model: &str, expect: &[&str]) {
        let rules = Rules { allow: globs(allow), providers: vec!["b".into(), "a".into(), "c".into()] };
        let offer = |name: &str, speaks: &[Dialect], models: &[&str]| Offer {
            name: name.into(),
            speaks: speaks.to_vec(),
            models: globs(models),
        };
        let offers = [
            offer("a", &[Dialect::Messages], &["claude-*"]),
            offer("b", &[Dialect::Messages], &["*"]),
            offer("c", &[Dialect::Chat, Dialect::Responses], &["gpt-*"]),
            offer("d", &[Dialect::Chat], &["*"]),
        ];
        let found = decide(&rules, "p", dialect, model, &offers).unwrap_or_default();
        assert_eq!(found, expect, "{model}");
    }

    #[test]
    fn providers_come_in_the_policy_s_order() {
        check(&["claude-*"], Dialect::Messages, "claude-opus-5-5", &["b", "a"]);
        check(&["*"], Dialect::Chat, "gpt-6", &["c"]);
    }

    #[test]
    fn what_is_not_listed_is_refused() {
        check(&["claude-*"], Dialect::Chat, "gpt-6", &[]);
        check(&[], Dialect::Messages, "claude-opus-5-5", &[]);
        check(&["*"], Dialect::Chat, "claude-opus-5-5", &[]);
    }
}
