//! Which models may be called, with how much effort, and who serves them. Given
//! `allow: [claude-*]` and a request for `gpt-6`: refused. Given `efforts: [low]` for `claude-*`
//! and a request for `claude-opus-5-5` with `high`: refused. Given two providers of `claude-*`:
//! the first listed, then the second.

use std::borrow::Cow;
use std::fmt;

use schemars::JsonSchema;
use serde::de::value::MapAccessDeserializer;
use serde::de::{MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::glob::{Glob, first_match};
use crate::wire::Dialect;
use crate::wire::effort::{Asked, Effort};

/// As written: `models:` in `policy.yaml`.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Models")]
pub struct Document {
    /// Models that may be called. Nothing else may.
    allow: Allowed,
    /// Providers from `config/gateway.yaml`, the preferred one first. The next is tried when one
    /// cannot be reached or fails before its first byte.
    providers: Vec<String>,
}

/// As meant.
#[derive(Debug, Clone, Deserialize)]
#[serde(try_from = "Document")]
pub struct Rules {
    allow: Allowed,
    providers: Vec<String>,
}

schema_of_document!(Rules, Document);

/// One entry of a list of allowed models: a pattern, or a pattern with the efforts that may be
/// asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    model: Glob,
    /// None where any effort may be asked for.
    efforts: Option<Vec<Effort>>,
}

/// Models with the efforts that may be asked of them.
#[derive(Debug, Clone, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "ModelWithEfforts")]
struct Detailed {
    /// The models that it is about.
    model: Glob,
    /// The efforts that may be asked for: exactly these, wherever the request spells one. Of
    /// several in one request the highest counts, and a word that Jetway does not know is
    /// refused. A request that names none is served with the model's own effort, which nobody
    /// can bound: so it is refused too, unless `default` is listed. Leave the list out to let
    /// any effort pass.
    #[serde(default, deserialize_with = "listed", skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Vec<Effort>")]
    efforts: Option<Vec<Effort>>,
}

/// `efforts:` with nothing behind it is a mistake, and must not let every effort pass.
fn listed<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Vec<Effort>>, D::Error> {
    Vec::deserialize(deserializer).map(Some)
}

/// A list of allowed models: what `allow` is in a policy, and what a caller may be narrowed to.
/// As JSON it is written as it is in YAML.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize)]
#[serde(try_from = "Vec<Entry>", into = "Vec<Entry>")]
pub struct Allowed(Vec<Entry>);

#[derive(Debug, thiserror::Error)]
pub enum Problem {
    #[error("`allow` is empty, so no model could be called; list at least one, for example `claude-*`")]
    NoModels,
    #[error("`efforts` of `{0}` is empty, so it could never be called; list some, or leave it out to allow any")]
    NoEfforts(String),
    #[error("`providers` is empty, so no request could be sent; name at least one of config/gateway.yaml")]
    NoProviders,
}

impl TryFrom<Document> for Rules {
    type Error = Problem;

    fn try_from(Document { allow, providers }: Document) -> Result<Self, Self::Error> {
        if providers.is_empty() {
            return Err(Problem::NoProviders);
        }
        Ok(Self { allow, providers })
    }
}

impl TryFrom<Detailed> for Entry {
    type Error = Problem;

    fn try_from(Detailed { model, efforts }: Detailed) -> Result<Self, Self::Error> {
        match efforts {
            Some(efforts) if efforts.is_empty() => Err(Problem::NoEfforts(model.as_str().to_owned())),
            efforts => Ok(Self { model, efforts }),
        }
    }
}

impl TryFrom<Vec<Entry>> for Allowed {
    type Error = Problem;

    fn try_from(entries: Vec<Entry>) -> Result<Self, Self::Error> {
        if entries.is_empty() { Err(Problem::NoModels) } else { Ok(Self(entries)) }
    }
}

impl From<Allowed> for Vec<Entry> {
    fn from(Allowed(entries): Allowed) -> Self {
        entries
    }
}

/// Read by hand, so that a mistake is said in words: an untagged enum only says that nothing fits.
impl<'de> Deserialize<'de> for Entry {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Either;

        impl<'de> Visitor<'de> for Either {
            type Value = Entry;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a pattern, or { model: a pattern, efforts: [a list] }")
            }

            fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Entry, E> {
                let model = Glob::parse(text).map_err(E::custom)?;
                Ok(Entry { model, efforts: None })
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Entry, A::Error> {
                let detailed = Detailed::deserialize(MapAccessDeserializer::new(map))?;
                Entry::try_from(detailed).map_err(serde::de::Error::custom)
            }
        }

        deserializer.deserialize_any(Either)
    }
}

impl Serialize for Entry {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match &self.efforts {
            None => self.model.serialize(serializer),
            efforts => Detailed { model: self.model.clone(), efforts: efforts.clone() }.serialize(serializer),
        }
    }
}

impl JsonSchema for Allowed {
    fn schema_name() -> Cow<'static, str> {
        "AllowedModels".into()
    }

    fn json_schema(generator: &mut schemars::SchemaGenerator) -> schemars::Schema {
        let (plain, detailed) = (generator.subschema_for::<Glob>(), generator.subschema_for::<Detailed>());
        schemars::json_schema!({ "type": "array", "minItems": 1, "items": { "anyOf": [plain, detailed] } })
    }
}

impl fmt::Display for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.model.as_str())?;
        match &self.efforts {
            None => Ok(()),
            Some(efforts) => write!(f, " (effort {})", names(efforts)),
        }
    }
}

impl Entry {
    fn allows(&self, effort: &Asked) -> bool {
        match (&self.efforts, effort) {
            (None, _) => true,
            (Some(efforts), Asked::Known(effort)) => efforts.contains(effort),
            (Some(_), Asked::Unknown(_)) => false,
        }
    }
}

impl Allowed {
    /// Whether the model may be called at all, be it with one effort only.
    #[must_use]
    pub fn allows(&self, model: &str) -> bool {
        self.of(model).next().is_some()
    }

    fn of(&self, model: &str) -> impl Iterator<Item = &Entry> {
        self.0.iter().filter(move |entry| entry.model.matches(model))
    }

    /// # Errors
    /// [`Denied`], on behalf of `by`.
    fn check(&self, wanted: &Wanted<'_>, by: &str) -> Result<(), Denied> {
        let model = || shortened(wanted.model);
        if !self.allows(wanted.model) {
            let allowed: Vec<_> = self.0.iter().map(Entry::to_string).collect();
            return Err(Denied::NotAllowed { model: model(), by: by.to_owned(), allowed: allowed.join(", ") });
        }
        let Some(effort) = wanted.effort.filter(|effort| !self.of(wanted.model).any(|entry| entry.allows(effort)))
        else {
            return Ok(());
        };
        let mut efforts: Vec<_> = self.of(wanted.model).filter_map(|entry| entry.efforts.as_ref()).flatten().collect();
        efforts.sort_unstable();
        efforts.dedup();
        let (by, allowed) = (by.to_owned(), names(efforts));
        Err(match effort {
            Asked::Known(Effort::Default) => Denied::NoEffort { model: model(), by, allowed },
            Asked::Known(effort) => Denied::Effort { effort: effort.name().to_owned(), model: model(), by, allowed },
            Asked::Unknown(word) => Denied::Effort { effort: word.clone(), model: model(), by, allowed },
        })
    }
}

fn names<'a>(efforts: impl IntoIterator<Item = &'a Effort>) -> String {
    efforts.into_iter().map(|effort| effort.name()).collect::<Vec<_>>().join(", ")
}

impl Rules {
    /// The names of the providers, preferred first.
    #[must_use]
    pub fn providers(&self) -> &[String] {
        &self.providers
    }

    /// Whether the model may be called at all, be it with one effort only.
    #[must_use]
    pub fn allows(&self, model: &str) -> bool {
        self.allow.allows(model)
    }

    /// Whether this effort may be asked for, of this model, or where none is named of any.
    #[must_use]
    pub fn allows_effort(&self, model: Option<&str>, effort: Effort) -> bool {
        let of = |entry: &&Entry| model.is_none_or(|model| entry.model.matches(model));
        self.allow.0.iter().filter(of).any(|entry| entry.allows(&Asked::Known(effort)))
    }
}

/// What is known of a provider.
#[derive(Debug, Clone)]
pub struct Offer {
    pub name: String,
    pub speaks: Vec<Dialect>,
    pub models: Vec<Glob>,
}

impl Offer {
    /// Whether it serves this model in this dialect.
    #[must_use]
    pub fn serves(&self, dialect: Dialect, model: &str) -> bool {
        self.speaks.contains(&dialect) && self.models.iter().any(|pattern| pattern.matches(model))
    }
}

/// What a request wants.
#[derive(Debug, Clone, Copy)]
pub struct Wanted<'a> {
    pub dialect: Dialect,
    pub model: &'a str,
    /// None for a request that asks for no reply, and so for no effort: counting tokens.
    pub effort: Option<&'a Asked>,
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Denied {
    #[error("the model `{model}` is not allowed by {by}, which allows {allowed}")]
    NotAllowed { model: String, by: String, allowed: String },
    #[error("the effort `{effort}` is not allowed for the model `{model}` by {by}, which allows {allowed}")]
    Effort { effort: String, model: String, by: String, allowed: String },
    #[error("the request names no effort, and for the model `{model}` one is wanted by {by}, which allows {allowed}")]
    NoEffort { model: String, by: String, allowed: String },
    #[error("no provider of the policy `{policy}` serves `{model}` in the {dialect} format")]
    NotServed { model: String, policy: String, dialect: &'static str },
}

/// Decides which providers may be asked for this model, in order; never none. A caller's own list
/// only narrows: both it and the policy must allow the model and the effort.
///
/// # Errors
/// [`Denied`] when one of them does not, or nobody serves the model.
pub fn decide<'a>(
    rules: &Rules,
    policy: &str,
    callers: Option<&Allowed>,
    wanted: &Wanted<'_>,
    offers: &'a [Offer],
) -> Result<Vec<&'a str>, Denied> {
    rules.allow.check(wanted, &format!("the policy `{policy}`"))?;
    if let Some(callers) = callers {
        callers.check(wanted, "the caller's own list")?;
    }
    let (model, dialect) = (wanted.model, wanted.dialect);
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
    use serde_json::{Value, json};

    use super::*;

    fn globs(patterns: &[&str]) -> Vec<Glob> {
        patterns.iter().map(|pattern| Glob::parse(pattern).unwrap()).collect()
    }

    fn allowed(entries: Value) -> Allowed {
        serde_json::from_value(entries).unwrap()
    }

    fn rules(allow: Value) -> Rules {
        Rules { allow: allowed(allow), providers: vec!["b".into(), "a".into(), "c".into()] }
    }

    fn offers() -> [Offer; 4] {
        let offer = |name: &str, speaks: &[Dialect], models: &[&str]| Offer {
            name: name.into(),
            speaks: speaks.to_vec(),
            models: globs(models),
        };
        [
            offer("a", &[Dialect::Messages], &["claude-*"]),
            offer("b", &[Dialect::Messages], &["*"]),
            offer("c", &[Dialect::Chat, Dialect::Responses], &["gpt-*"]),
            offer("d", &[Dialect::Chat], &["*"]),
        ]
    }

    #[track_caller]
    fn check(allow: &[&str], dialect: Dialect, model: &str, expect: &[&str]) {
        let wanted = Wanted { dialect, model, effort: Some(&Asked::Known(Effort::Default)) };
        let offers = offers();
        let found = decide(&rules(json!(allow)), "p", None, &wanted, &offers).unwrap_or_default();
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
        check(&["*"], Dialect::Chat, "claude-opus-5-5", &[]);
    }

    /// The sentence of a refusal; none where the request may go.
    fn refusal(allow: &Value, callers: Option<&Value>, model: &str, effort: Option<&Asked>) -> Option<String> {
        let wanted = Wanted { dialect: Dialect::Messages, model, effort };
        let callers = callers.cloned().map(allowed);
        let found = decide(&rules(allow.clone()), "p", callers.as_ref(), &wanted, &offers()).err();
        found.map(|denied| denied.to_string())
    }

    const OPUS: &str = "claude-opus-5-5";

    #[track_caller]
    fn check_effort(allow: &Value, effort: &Asked, expect: Option<&str>) {
        assert_eq!(refusal(allow, None, OPUS, Some(effort)).as_deref(), expect, "{allow} {effort:?}");
    }

    #[test]
    fn an_effort_must_be_one_of_those_that_are_listed() {
        let allow = json!([{ "model": "claude-opus-*", "efforts": ["medium", "low"] }]);
        check_effort(&allow, &Asked::Known(Effort::Low), None);
        check_effort(&allow, &Asked::Known(Effort::Medium), None);
        let high = "the effort `high` is not allowed for the model `claude-opus-5-5` by the policy `p`, which allows low, medium";
        check_effort(&allow, &Asked::Known(Effort::High), Some(high));
        // The list is exact: less is not allowed by more.
        let none = high.replace("high", "none");
        check_effort(&allow, &Asked::Known(Effort::None), Some(&none));
        let word = high.replace("high", "ultra");
        check_effort(&allow, &Asked::Unknown("ultra".into()), Some(&word));
        let unnamed = "the request names no effort, and for the model `claude-opus-5-5` one is wanted by the policy `p`, which allows low, medium";
        check_effort(&allow, &Asked::Known(Effort::Default), Some(unnamed));
        // Who asks for no reply asks for no effort.
        assert_eq!(refusal(&allow, None, OPUS, None), None);
    }

    #[test]
    fn whether_an_effort_may_be_asked_for_is_known_before_any_request() {
        let rules = rules(json!([{ "model": "claude-opus-*", "efforts": ["high"] }, "claude-haiku-*"]));
        let check = |model: Option<&str>, effort: Effort, expect: bool| {
            assert_eq!(rules.allows_effort(model, effort), expect, "{model:?} {effort:?}");
        };
        check(Some(OPUS), Effort::High, true);
        check(Some(OPUS), Effort::Low, false);
        check(Some("claude-haiku-4-5"), Effort::Low, true);
        check(Some("gpt-6"), Effort::Low, false);
        check(None, Effort::Low, true);
    }

    #[test]
    fn a_request_may_leave_the_effort_to_the_model_where_that_is_listed() {
        let allow = json!([{ "model": "claude-*", "efforts": ["default", "low"] }]);
        check_effort(&allow, &Asked::Known(Effort::Default), None);
        check_effort(&json!(["claude-*"]), &Asked::Unknown("ultra".into()), None);
        check_effort(&json!([{ "model": "claude-*" }]), &Asked::Known(Effort::Max), None);
    }

    #[test]
    fn one_entry_that_matches_is_enough() {
        let allow =
            json!([{ "model": "claude-*", "efforts": ["low"] }, { "model": "*opus*", "efforts": ["max"] }, "gpt-*"]);
        check_effort(&allow, &Asked::Known(Effort::Low), None);
        check_effort(&allow, &Asked::Known(Effort::Max), None);
        let text = refusal(&allow, None, OPUS, Some(&Asked::Known(Effort::High))).unwrap();
        assert!(text.ends_with("which allows low, max"), "{text}");
        let text = refusal(&allow, None, "gemini-3", Some(&Asked::Known(Effort::Low))).unwrap();
        assert!(text.ends_with("which allows claude-* (effort low), *opus* (effort max), gpt-*"), "{text}");
    }

    #[test]
    fn a_caller_s_own_list_only_narrows() {
        let (low, high) = (Asked::Known(Effort::Low), Asked::Known(Effort::High));
        let policy = json!([{ "model": "claude-*", "efforts": ["low", "medium"] }]);
        let own = json!([{ "model": "claude-opus-*", "efforts": ["low", "high"] }, "gpt-*"]);
        let refused = |model, effort| refusal(&policy, Some(&own), model, Some(effort));
        assert_eq!(refused(OPUS, &low), None);
        assert!(refused(OPUS, &high).unwrap().contains("by the policy `p`"));
        assert!(refused("gpt-6", &low).unwrap().contains("by the policy `p`"));
        let text = refused(OPUS, &Asked::Known(Effort::Medium)).unwrap();
        assert!(text.ends_with("by the caller's own list, which allows low, high"), "{text}");
        assert!(refused("claude-sonnet-5", &low).unwrap().contains("is not allowed by the caller's own list"));
    }

    #[test]
    fn a_list_is_written_as_it_is_read() {
        let entries = json!(["claude-*", { "model": "gpt-*", "efforts": ["default", "xhigh"] }]);
        assert_eq!(serde_json::to_value(allowed(entries.clone())).unwrap(), entries);
    }

    #[test]
    fn a_list_that_allows_nothing_is_a_mistake() {
        let why = |entries: Value| serde_json::from_value::<Allowed>(entries).unwrap_err().to_string();
        assert!(why(json!([])).contains("`allow` is empty"));
        assert!(why(json!([{ "model": "a", "efforts": [] }])).contains("`efforts` of `a` is empty"));
        assert!(why(json!([{ "model": "a", "efforts": ["lots"] }])).contains("unknown variant `lots`"));
        assert!(why(json!([{ "model": "a", "effort": ["low"] }])).contains("unknown field `effort`"));
        assert!(why(json!([{ "model": "a", "efforts": null }])).contains("expected a sequence"));
        assert!(why(json!([{ "model": "" }])).contains("must not be empty"));
        assert!(why(json!([7])).contains("expected a pattern, or { model"));
    }
}
