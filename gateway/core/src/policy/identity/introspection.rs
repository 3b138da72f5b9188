//! Tokens that only their issuer can read (RFC 7662). Given an answer of `{ "active": true, "sub":
//! "ada" }`: Ada. Given `{ "active": false }`, which says nothing of why: refused.

use std::time::Duration;

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::Value;

use crate::policy::identity::claims::{Claims, Mapping, check_expiry, moment, names};
use crate::policy::identity::url::Url;
use crate::policy::identity::{Person, Unfit};
use crate::secret::Reference;
use crate::units::Span;

/// The longest that an answer may be kept.
const LONGEST: Duration = Duration::from_secs(3600);

/// As written: `introspection:` under `identity:`.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Introspection")]
pub struct Document {
    /// Where the issuer answers questions about its tokens.
    url: Url,
    /// The name that Jetway has there.
    client: String,
    /// The secret that goes with it: `{ env: NAME }` or `{ file: PATH }`.
    secret: Reference,
    /// How long an answer counts before the issuer is asked again, up to an hour: so long does a
    /// token live on that was revoked. `0s` asks each time.
    #[serde(default = "half_a_minute")]
    cache: Span,
    /// Whom the tokens must be made for: `aud` is this, or a list that holds it. Leave it out, and
    /// a token that the issuer made for another service opens this policy too.
    #[serde(default)]
    audience: Option<String>,
    #[serde(default)]
    claims: Mapping,
}

fn half_a_minute() -> Span {
    Span(Duration::from_secs(30))
}

/// As meant.
#[derive(Debug, Clone, Deserialize)]
#[serde(try_from = "Document")]
pub struct Rules {
    endpoint: Endpoint,
    secret: Reference,
    cache: Duration,
    audience: Option<String>,
    claims: Mapping,
}

schema_of_document!(Rules, Document);

/// Who is asked, and as whom.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Endpoint {
    pub url: Url,
    pub client: String,
}

#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum Problem {
    #[error("`client` must not be empty")]
    NoClient,
    #[error("`audience` must not be empty; leave it out where any will do")]
    NoAudience,
    #[error("`cache` must be at most 1h: so long would a token live on that was revoked")]
    Cache,
}

impl TryFrom<Document> for Rules {
    type Error = Problem;

    fn try_from(document: Document) -> Result<Self, Problem> {
        let Document { url, client, secret, cache, audience, claims } = document;
        if client.is_empty() {
            return Err(Problem::NoClient);
        }
        if audience.as_deref() == Some("") {
            return Err(Problem::NoAudience);
        }
        if cache.0 > LONGEST {
            return Err(Problem::Cache);
        }
        Ok(Self { endpoint: Endpoint { url, client }, secret, cache: cache.0, audience, claims })
    }
}

impl Rules {
    #[must_use]
    pub fn endpoint(&self) -> &Endpoint {
        &self.endpoint
    }

    #[must_use]
    pub fn secret(&self) -> &Reference {
        &self.secret
    }

    /// How long this answer may be kept: never beyond the end of the token that it is about.
    #[must_use]
    pub fn keeps(&self, answer: &Claims, now: Timestamp) -> Duration {
        let left = match moment(answer, "exp") {
            Ok(Some(expires)) => u64::try_from(expires.saturating_sub(now.as_second())).unwrap_or_default(),
            Ok(None) => u64::MAX,
            Err(_) => 0,
        };
        self.cache.min(Duration::from_secs(left))
    }

    /// What counts of an answer; the rest need not be kept.
    #[must_use]
    pub fn relevant(&self, mut answer: Claims) -> Claims {
        answer.retain(|name, _| matches!(name.as_str(), "active" | "exp" | "aud") || self.claims.uses(name));
        answer
    }

    /// Judges an answer of the issuer.
    pub(super) fn judge(&self, policy: &str, answer: &Claims, now: Timestamp) -> Result<Person, Unfit> {
        if !is_active(answer) {
            return Err(Unfit::Inactive);
        }
        if let Some(expires) = moment(answer, "exp")? {
            check_expiry(expires, now, 0)?;
        }
        if let Some(expected) = &self.audience
            && !answer.get("aud").is_some_and(|audience| names(audience, expected))
        {
            return Err(Unfit::Audience { expected: expected.clone() });
        }
        self.claims.person(policy, answer)
    }
}

/// Whether the issuer says that the token counts.
#[must_use]
pub fn is_active(answer: &Claims) -> bool {
    answer.get("active") == Some(&Value::Bool(true))
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: i64 = 1_000_000;

    fn rules(more: &str) -> Result<Rules, serde_json::Error> {
        let text = format!(
            "{{\"url\":\"https://id.example.com/introspect\",\"client\":\"jetway\",\"secret\":{{\"env\":\"S\"}}{more}}}"
        );
        serde_json::from_str(&text)
    }

    #[track_caller]
    fn check(more: &str, answer: &str, expect: Result<&str, Unfit>) {
        let answer: Claims = serde_json::from_str(answer).unwrap();
        let found = rules(more).unwrap().judge("wizard", &answer, Timestamp::from_second(NOW).unwrap());
        assert_eq!(found.map(|person| person.user), expect.map(str::to_owned), "{answer:?}");
    }

    #[test]
    fn only_an_active_token_counts() {
        check("", r#"{"active":true,"sub":"ada"}"#, Ok("ada"));
        for other in [r#"{"active":false,"sub":"ada"}"#, r#"{"active":"true","sub":"ada"}"#, r#"{"sub":"ada"}"#, "{}"] {
            check("", other, Err(Unfit::Inactive));
        }
    }

    #[test]
    fn an_answer_that_is_over_does_not_count() {
        check("", r#"{"active":true,"sub":"ada","exp":1000001}"#, Ok("ada"));
        check("", r#"{"active":true,"sub":"ada","exp":1000000}"#, Err(Unfit::Expired));
        check("", r#"{"active":true,"sub":"ada","exp":"later"}"#, Err(Unfit::Time("exp")));
    }

    #[test]
    fn a_token_for_another_service_does_not_count_where_an_audience_is_set() {
        let ours = r#","audience":"jetway""#;
        check(ours, r#"{"active":true,"sub":"ada","aud":["jetway"]}"#, Ok("ada"));
        let other = || Err(Unfit::Audience { expected: "jetway".into() });
        check(ours, r#"{"active":true,"sub":"ada","aud":"mail"}"#, other());
        check(ours, r#"{"active":true,"sub":"ada"}"#, other());
    }

    #[test]
    fn an_answer_is_kept_no_longer_than_its_token_lives() {
        let kept = |more: &str, answer: &str| {
            let answer = serde_json::from_str(answer).unwrap();
            rules(more).unwrap().keeps(&answer, Timestamp::from_second(NOW).unwrap()).as_secs()
        };
        assert_eq!(kept("", r#"{"active":true}"#), 30);
        assert_eq!(kept("", r#"{"active":false}"#), 30);
        assert_eq!(kept("", r#"{"active":true,"exp":1000007}"#), 7);
        assert_eq!(kept("", r#"{"active":true,"exp":5}"#), 0);
        assert_eq!(kept("", r#"{"active":true,"exp":"x"}"#), 0);
        assert_eq!(kept(r#","cache":"0s""#, r#"{"active":true}"#), 0);
    }

    #[test]
    fn what_counts_of_an_answer_is_kept_and_nothing_else() {
        let answer = r#"{"active":true,"exp":1,"aud":"a","sub":"ada","realm":{"team":"core"},"scope":"x","real":1}"#;
        let rules = rules(r#","claims":{"team":"realm.team","policy":"p"}"#).unwrap();
        let kept = rules.relevant(serde_json::from_str(answer).unwrap());
        assert_eq!(kept.keys().map(String::as_str).collect::<Vec<_>>(), ["active", "aud", "exp", "realm", "sub"]);
    }

    #[test]
    fn rules_say_whom_to_ask() {
        let fails = |more: &str| rules(more).unwrap_err().to_string();
        assert!(fails(r#","cache":"2h""#).contains("`cache` must be at most 1h"));
        assert!(fails(r#","audience":"""#).contains("`audience` must not be empty"));
        assert!(fails(r#","token":"x""#).contains("unknown field `token`"));
    }
}
