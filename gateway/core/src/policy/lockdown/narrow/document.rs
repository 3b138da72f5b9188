//! How narrowings are written, and what they mean.

use std::collections::BTreeMap;

use bytes::Bytes;
use regex::RegexBuilder;
use schemars::JsonSchema;
use serde::Deserialize;

use super::{Bounded, Limit, Narrowing, Rules};
use crate::wire::json::{Json, Unreadable};
use crate::wire::tools::digest::{Digest, canonical};
use crate::wire::tools::offer::{Bounds, Wording};

/// As written: `narrow:` in `lockdown:`. By the name of the tool, or `group.name`.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(transparent)]
#[schemars(rename = "Narrow")]
pub struct Document(BTreeMap<String, OfTool>);

#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "NarrowTool")]
struct OfTool {
    /// What the model reads of the tool.
    #[serde(default)]
    description: Option<Description>,
    /// What the model may give it. A property that the tool does not have is left alone, and logged.
    #[serde(default)]
    properties: BTreeMap<String, OfProperty>,
    /// The tool is only offered while its name, description and schema are those of this digest.
    #[serde(default)]
    pin: Option<Digest>,
}

#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[schemars(rename = "NarrowDescription")]
enum Description {
    /// A paragraph behind the agent's own description.
    Append(String),
    /// A text in its place.
    Replace(String),
}

#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(rename = "NarrowProperty")]
struct OfProperty {
    /// `true`: the model does not see it and may not give it. Stands alone.
    remove: Option<bool>,
    /// The model does not see it; it is set to this in every call. Stands alone.
    #[serde(deserialize_with = "given")]
    fixed: Option<serde_json::Value>,
    /// The only values that it may have.
    r#enum: Option<Vec<serde_json::Value>>,
    /// A regular expression that its text must match somewhere; `^` and `$` anchor it. The model
    /// sees it too, so keep to what every flavour of them has.
    pattern: Option<String>,
    /// The smallest number that it may be.
    minimum: Option<f64>,
    /// The largest number that it may be.
    maximum: Option<f64>,
    /// The most characters that it may have.
    max_length: Option<u64>,
    /// What the model reads of it.
    description: Option<String>,
}

/// `fixed: null` is a value too.
fn given<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Option<serde_json::Value>, D::Error> {
    serde_json::Value::deserialize(deserializer).map(Some)
}

/// Why narrowings cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{tool}: {property}{what}")]
pub struct Problem {
    pub tool: String,
    /// "`timeout`: ", or nothing.
    pub property: String,
    pub what: What,
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum What {
    #[error("nothing is said of this tool; give a `description`, `properties` or a `pin`, or leave it out")]
    NothingOfTool,
    #[error("nothing is said of this property; give it a limit or leave it out")]
    Nothing,
    #[error("`remove` can only be `true`; leave it out otherwise")]
    NotRemoved,
    #[error("`remove` and `fixed` stand alone: the model does not see the property")]
    Alone,
    #[error("`enum` is empty, so that no value would do; write `remove: true`")]
    NoValues,
    #[error("`minimum` and `maximum` must be numbers, the first not above the second")]
    Bounds,
    #[error("the pattern cannot be used: {0}")]
    Pattern(String),
    #[error("a value cannot be used: {0}")]
    Value(#[from] Unreadable),
}

/// As much memory as one pattern may take.
const LARGEST_PATTERN: usize = 1 << 20;

impl TryFrom<Document> for Rules {
    type Error = Problem;

    fn try_from(Document(tools): Document) -> Result<Self, Problem> {
        let tools = tools.into_iter().map(|(name, tool)| Ok((name.clone(), tool.meant(name)?)));
        Ok(Self { tools: tools.collect::<Result<_, Problem>>()? })
    }
}

impl OfTool {
    fn meant(self, tool: String) -> Result<Narrowing, Problem> {
        if self.description.is_none() && self.properties.is_empty() && self.pin.is_none() {
            return Err(Problem { tool, property: String::new(), what: What::NothingOfTool });
        }
        let wording = self.description.map(|description| match description {
            Description::Append(text) => Wording::Append(text),
            Description::Replace(text) => Wording::Replace(text),
        });
        let mut properties = BTreeMap::new();
        for (name, property) in self.properties {
            let limit = property.meant().map_err(|what| Problem {
                tool: tool.clone(),
                property: format!("`{name}`: "),
                what,
            })?;
            properties.insert(name, limit);
        }
        Ok(Narrowing { wording, properties, pin: self.pin })
    }
}

impl OfProperty {
    fn meant(self) -> Result<Limit, What> {
        let is_bounded = self.r#enum.is_some()
            || self.pattern.is_some()
            || self.minimum.is_some()
            || self.maximum.is_some()
            || self.max_length.is_some()
            || self.description.is_some();
        match (self.remove, &self.fixed) {
            (Some(false), _) => Err(What::NotRemoved),
            (Some(true), None) if !is_bounded => Ok(Limit::Removed),
            (None, Some(value)) if !is_bounded => {
                let text = value.to_string();
                let spelling = spelling(&text)?;
                Ok(Limit::Fixed(text, spelling))
            }
            (None, None) if is_bounded => self.bounded().map(Limit::Bounded),
            (None, None) => Err(What::Nothing),
            _ => Err(What::Alone),
        }
    }

    fn bounded(self) -> Result<Bounded, What> {
        let limits: Vec<f64> = [self.minimum, self.maximum].into_iter().flatten().collect();
        if limits.iter().any(|limit| !limit.is_finite()) || !limits.is_sorted() {
            return Err(What::Bounds);
        }
        let texts: Option<Vec<String>> = self.r#enum.map(|values| values.iter().map(ToString::to_string).collect());
        if texts.as_ref().is_some_and(Vec::is_empty) {
            return Err(What::NoValues);
        }
        let values = texts.iter().flatten().map(|text| spelling(text)).collect::<Result<Vec<_>, _>>()?;
        let build = |pattern: &String| RegexBuilder::new(pattern).size_limit(LARGEST_PATTERN).build();
        let pattern = self.pattern.as_ref().map(build).transpose().map_err(|why| What::Pattern(why.to_string()))?;
        let values = texts.is_some().then_some(values);
        let bounds = Bounds {
            description: self.description,
            values: texts,
            pattern: self.pattern,
            minimum: self.minimum,
            maximum: self.maximum,
            max_length: self.max_length,
        };
        Ok(Bounded { bounds, pattern, values })
    }
}

fn spelling(json: &str) -> Result<String, Unreadable> {
    Ok(canonical(Json::read(Bytes::copy_from_slice(json.as_bytes()))?.root()))
}
