//! Ranking by meaning beside words, with the help of a model somewhere. Given `{ url:
//! http://127.0.0.1:8080/v1/embeddings, model: small }`: sections are also found that say in other
//! words what is asked for.

use std::time::Duration;

use schemars::JsonSchema;
use serde::Deserialize;

use crate::policy::identity::url::Url;
use crate::secret::Reference;
use crate::units::Span;

/// As written: `embeddings:` under `context:`.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Embeddings")]
pub struct Document {
    /// Where texts are sent: the whole URL of an API like OpenAI's, most often ending in
    /// `/v1/embeddings`.
    url: Url,
    /// The name that the model has there.
    model: String,
    /// What is sent as a bearer: `{ env: NAME }` or `{ file: PATH }`. Nothing, where it is left out.
    #[serde(default)]
    key: Option<Reference>,
    /// How long the first request of a conversation may wait for what its task means; words alone
    /// rank after that. 300ms where it is left out.
    #[serde(default = "default_timeout")]
    timeout: Span,
    /// What the section that is nearest by meaning counts for, where the best one by words counts for 1.
    #[serde(default = "default_weight")]
    weight: f32,
    /// A section this near to the task is inserted also where its words score too low. Which
    /// similarities are high depends on the model: `jetway docs search` shows them.
    #[serde(default = "default_min_similarity")]
    min_similarity: f32,
}

fn default_timeout() -> Span {
    Span(Duration::from_millis(300))
}

fn default_weight() -> f32 {
    0.5
}

fn default_min_similarity() -> f32 {
    0.5
}

/// As meant.
#[derive(Debug, Clone, Deserialize)]
#[serde(try_from = "Document")]
pub struct Rules {
    pub url: Url,
    pub model: String,
    pub key: Option<Reference>,
    pub timeout: Duration,
    pub weight: f32,
    pub min_similarity: f32,
}

schema_of_document!(Rules, Document);

#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum Problem {
    #[error("`embeddings.model` must not be empty: it is the name that the model has at `url`")]
    NoModel,
    #[error(
        "`embeddings.timeout` must be between 1ms and 10s, for the first request of a conversation waits so long; {0} is not"
    )]
    Timeout(Span),
    #[error(
        "`embeddings.weight` must be above 0 and at most 10; {0} is not. To rank by words alone, leave `embeddings` out"
    )]
    Weight(f32),
    #[error("`embeddings.min_similarity` must be above 0 and at most 1; {0} is not")]
    Similarity(f32),
}

impl TryFrom<Document> for Rules {
    type Error = Problem;

    fn try_from(document: Document) -> Result<Self, Problem> {
        let Document { url, model, key, timeout, weight, min_similarity } = document;
        if model.trim().is_empty() {
            return Err(Problem::NoModel);
        }
        if !(Duration::from_millis(1)..=Duration::from_secs(10)).contains(&timeout.0) {
            return Err(Problem::Timeout(timeout));
        }
        let is_sound = |number: f32, most: f32| number > 0.0 && number <= most;
        if !is_sound(weight, 10.0) {
            return Err(Problem::Weight(weight));
        }
        if !is_sound(min_similarity, 1.0) {
            return Err(Problem::Similarity(min_similarity));
        }
        Ok(Self { url, model, key, timeout: timeout.0, weight, min_similarity })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(more: &str, expect: Result<(u128, f32, f32), &str>) {
        let yaml = format!("{{ url: 'http://127.0.0.1:8080/v1/embeddings'{more} }}");
        let found = serde_saphyr::from_str::<Rules>(&yaml).map_err(|error| error.to_string());
        let found = found.map(|rules| (rules.timeout.as_millis(), rules.weight, rules.min_similarity));
        match (&found, expect) {
            (Err(why), Err(part)) => assert!(why.contains(part), "{why}"),
            (found, expect) => assert_eq!(found.as_ref().ok(), expect.as_ref().ok(), "{found:?}"),
        }
    }

    #[test]
    fn what_is_written_is_meant_or_told() {
        check(", model: small", Ok((300, 0.5, 0.5)));
        check(", model: m, key: { env: K }, timeout: 1s, weight: 2, min_similarity: 0.7", Ok((1_000, 2.0, 0.7)));
        check("", Err("model"));
        check(", model: ' '", Err("`embeddings.model` must not be empty"));
        check(", model: m, timeout: 0s", Err("between 1ms and 10s"));
        check(", model: m, timeout: 1m", Err("1m is not"));
        check(", model: m, weight: 0", Err("To rank by words alone, leave `embeddings` out"));
        check(", model: m, weight: .nan", Err("`embeddings.weight` must be above 0"));
        check(", model: m, min_similarity: 0", Err("above 0 and at most 1; 0 is not"));
        check(", model: m, min_similarity: 1.5", Err("1.5 is not"));
        check(", model: m, key: abc", Err("key"));
        check(", model: m, url2: a", Err("url2"));
    }

    #[test]
    fn tasks_do_not_travel_in_the_clear() {
        let plain = "{ url: 'http://models.example.com/v1/embeddings', model: m }";
        assert!(serde_saphyr::from_str::<Rules>(plain).unwrap_err().to_string().contains("use https:"));
    }
}
