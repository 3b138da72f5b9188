//! Tokens that are judged by their signature (JWT, RFC 7519). Given a token of our issuer whose
//! signature is right, but which ran out a minute ago: refused. Given one that is signed with
//! `none`, or with a secret where the issuer has public keys: refused before anything else is read.

use std::borrow::Cow;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::Timestamp;
use schemars::JsonSchema;
use serde::Deserialize;

use crate::policy::identity::claims::{Claims, Mapping, check_expiry, moment, names};
use crate::policy::identity::url::{BadUrl, Url};
use crate::policy::identity::{Person, Unfit};
use crate::units::Span;

/// The longest token that is read, in bytes.
pub const LONGEST: usize = 16 << 10;
/// The most that clocks may differ.
const MOST_SKEW: Duration = Duration::from_secs(600);

/// As written: `jwt:` under `identity:`.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Jwt")]
pub struct Document {
    /// Who makes the tokens: exactly what stands in their `iss`.
    issuer: String,
    /// Whom they are made for: a token counts only if its `aud` is this, or a list that holds it.
    audience: String,
    /// Where the issuer's keys are. By default it is asked, at
    /// `<issuer>/.well-known/openid-configuration`.
    #[serde(default)]
    jwks: Option<Url>,
    /// The signatures that count; by default all of these. Those with a shared secret (HS256) are
    /// not among them, nor is `none`: whoever can check such a token could make one.
    #[serde(default = "Algorithm::all")]
    #[schemars(length(min = 1))]
    algorithms: Vec<Algorithm>,
    /// How far the issuer's clock and ours may differ, up to ten minutes.
    #[serde(default = "a_minute")]
    skew: Span,
    #[serde(default)]
    claims: Mapping,
}

fn a_minute() -> Span {
    Span(Duration::from_secs(60))
}

/// As meant.
#[derive(Debug, Clone, Deserialize)]
#[serde(try_from = "Document")]
pub struct Rules {
    keys: Keys,
    audience: String,
    algorithms: Vec<Algorithm>,
    /// In seconds.
    skew: i64,
    claims: Mapping,
}

schema_of_document!(Rules, Document);

/// Whose keys count, and where they are found.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Keys {
    pub issuer: String,
    /// None where the issuer is asked for it.
    pub jwks: Option<Url>,
}

#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum Problem {
    #[error("`issuer` must not be empty")]
    NoIssuer,
    #[error("`issuer` is where its keys are asked for, unless `jwks` says where they are: {0}")]
    Issuer(#[from] BadUrl),
    #[error("`audience` must not be empty: tokens that were made for somebody else would count")]
    NoAudience,
    #[error("`algorithms` is empty, so no token could count; leave it out for all that are safe")]
    NoAlgorithm,
    #[error("`skew` must be at most 10m: so long would a token live on")]
    Skew,
}

impl TryFrom<Document> for Rules {
    type Error = Problem;

    fn try_from(document: Document) -> Result<Self, Problem> {
        let Document { issuer, audience, jwks, algorithms, skew, claims } = document;
        if issuer.is_empty() {
            return Err(Problem::NoIssuer);
        }
        if jwks.is_none() {
            Url::try_from(issuer.clone())?;
        }
        if audience.is_empty() {
            return Err(Problem::NoAudience);
        }
        if algorithms.is_empty() {
            return Err(Problem::NoAlgorithm);
        }
        if skew.0 > MOST_SKEW {
            return Err(Problem::Skew);
        }
        let skew = i64::try_from(skew.0.as_secs()).unwrap_or_default();
        Ok(Self { keys: Keys { issuer, jwks }, audience, algorithms, skew, claims })
    }
}

/// A way to sign with a key that only the issuer has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Deserialize)]
#[serde(try_from = "String")]
pub enum Algorithm {
    Rs256,
    Rs384,
    Rs512,
    Ps256,
    Ps384,
    Ps512,
    Es256,
    Es384,
    EdDsa,
}

#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadAlgorithm {
    #[error(
        "{0:?} signs with a secret that the issuer shares, so whoever can check a token could make one; use {SAFE}"
    )]
    Secret(String),
    #[error("`none` is no signature: anybody could make such a token; use {SAFE}")]
    None,
    #[error("{0:?} is not a signature that Jetway checks; use {SAFE}")]
    Unknown(String),
}

const SAFE: &str = "RS256, RS384, RS512, PS256, PS384, PS512, ES256, ES384 or EdDSA";

impl Algorithm {
    const ALL: [Self; 9] = [
        Self::Rs256,
        Self::Rs384,
        Self::Rs512,
        Self::Ps256,
        Self::Ps384,
        Self::Ps512,
        Self::Es256,
        Self::Es384,
        Self::EdDsa,
    ];

    fn all() -> Vec<Self> {
        Self::ALL.to_vec()
    }

    /// As it stands in the header of a token.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Rs256 => "RS256",
            Self::Rs384 => "RS384",
            Self::Rs512 => "RS512",
            Self::Ps256 => "PS256",
            Self::Ps384 => "PS384",
            Self::Ps512 => "PS512",
            Self::Es256 => "ES256",
            Self::Es384 => "ES384",
            Self::EdDsa => "EdDSA",
        }
    }
}

impl TryFrom<String> for Algorithm {
    type Error = BadAlgorithm;

    fn try_from(text: String) -> Result<Self, BadAlgorithm> {
        let found = Self::ALL.into_iter().find(|algorithm| algorithm.name() == text);
        found.ok_or_else(|| match text.to_ascii_lowercase().as_str() {
            "none" => BadAlgorithm::None,
            secret if secret.starts_with("hs") => BadAlgorithm::Secret(text),
            _ => BadAlgorithm::Unknown(text),
        })
    }
}

impl JsonSchema for Algorithm {
    fn schema_name() -> Cow<'static, str> {
        "Algorithm".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({ "type": "string", "enum": Self::ALL.map(Self::name) })
    }
}

/// What has the shape of a token: three parts, the first of which says how it is signed. Nothing
/// in it is to be believed before its signature was checked.
#[derive(Debug, Clone, PartialEq)]
pub struct Unverified<'a> {
    text: &'a str,
    header: Claims,
    claims: Option<Claims>,
}

/// What is left to check of a token: whether this signature of this message is by one of the
/// issuer's keys.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Signed<'a> {
    pub algorithm: Algorithm,
    /// Which key it says it is signed with.
    pub key: Option<&'a str>,
    pub message: &'a str,
    /// In base64.
    pub signature: &'a str,
    pub claims: &'a Claims,
}

/// Recognises a token by its shape; none for any other text.
#[must_use]
pub fn recognise(text: &str) -> Option<Unverified<'_>> {
    let (message, signature) = text.rsplit_once('.')?;
    let (header, claims) = message.split_once('.')?;
    let is_encoded = |part: &str| part.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte));
    if header.len() > LONGEST || claims.is_empty() || ![header, claims, signature].into_iter().all(is_encoded) {
        return None;
    }
    let header = decode(header).filter(|header| header.get("alg").is_some_and(serde_json::Value::is_string))?;
    let claims = if text.len() > LONGEST { None } else { decode(claims) };
    Some(Unverified { text, header, claims })
}

fn decode(part: &str) -> Option<Claims> {
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).ok()?).ok()
}

impl<'a> Unverified<'a> {
    #[must_use]
    pub fn text(&self) -> &'a str {
        self.text
    }

    /// What the token's header says of the way that it is signed.
    ///
    /// # Errors
    /// [`Unfit`] when that is no way that counts here, whatever the signature.
    pub fn signed(&self, rules: &Rules) -> Result<Signed<'_>, Unfit> {
        if self.text.len() > LONGEST {
            return Err(Unfit::TooLong);
        }
        let claims = self.claims.as_ref().ok_or(Unfit::Malformed)?;
        // Of another issuer, as it says itself: then ours need not be asked for its keys.
        if !rules.is_of_issuer(self) {
            return Err(Unfit::Issuer { expected: rules.keys.issuer.clone() });
        }
        if self.header.contains_key("crit") {
            return Err(Unfit::Critical);
        }
        let named = self.header.get("alg").and_then(serde_json::Value::as_str).unwrap_or_default();
        let accepted = rules.algorithms.iter().find(|algorithm| algorithm.name() == named);
        let Some(algorithm) = accepted else {
            let names: Vec<_> = rules.algorithms.iter().map(|algorithm| algorithm.name()).collect();
            return Err(Unfit::Algorithm { accepted: names.join(", ") });
        };
        let key = match self.header.get("kid") {
            None => None,
            Some(key) => Some(key.as_str().ok_or(Unfit::Malformed)?),
        };
        let (message, signature) = self.text.rsplit_once('.').ok_or(Unfit::Malformed)?;
        Ok(Signed { algorithm: *algorithm, key, message, signature, claims })
    }

    fn claim(&self, name: &str) -> Option<&serde_json::Value> {
        self.claims.as_ref()?.get(name)
    }
}

impl Rules {
    #[must_use]
    pub fn keys(&self) -> &Keys {
        &self.keys
    }

    /// Whether a token claims to be of our issuer. One whose claims cannot be read is taken for
    /// one that does: it is no credential that a provider gave out.
    #[must_use]
    pub fn is_of_issuer(&self, token: &Unverified<'_>) -> bool {
        token.claims.is_none() || token.claim("iss").is_some_and(|issuer| issuer == &self.keys.issuer)
    }

    /// Whether a token claims to be made for us.
    #[must_use]
    pub fn is_for_us(&self, token: &Unverified<'_>) -> bool {
        let audience = token.claim("aud").is_none_or(|audience| names(audience, &self.audience));
        self.is_of_issuer(token) && audience
    }

    /// Judges a token whose signature is right.
    pub(super) fn judge(&self, policy: &str, claims: &Claims, now: Timestamp) -> Result<Person, Unfit> {
        if claims.get("iss").is_none_or(|issuer| issuer != &self.keys.issuer) {
            return Err(Unfit::Issuer { expected: self.keys.issuer.clone() });
        }
        if !claims.get("aud").is_some_and(|audience| names(audience, &self.audience)) {
            return Err(Unfit::Audience { expected: self.audience.clone() });
        }
        check_expiry(moment(claims, "exp")?.ok_or(Unfit::NoExpiry)?, now, self.skew)?;
        if moment(claims, "nbf")?.is_some_and(|begins| now.as_second().saturating_add(self.skew) < begins) {
            return Err(Unfit::NotYet);
        }
        self.claims.person(policy, claims)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: i64 = 1_000_000;

    pub(super) fn rules(more: &str) -> Rules {
        let text = format!("{{\"issuer\":\"https://id.example.com\",\"audience\":\"jetway\"{more}}}");
        serde_json::from_str(&text).unwrap()
    }

    fn encode(json: &str) -> String {
        URL_SAFE_NO_PAD.encode(json)
    }

    #[track_caller]
    fn judged(claims: &str, expect: Result<&str, Unfit>) {
        let claims: Claims = serde_json::from_str(claims).unwrap();
        let found = rules(r#","skew":"60s""#).judge("wizard", &claims, Timestamp::from_second(NOW).unwrap());
        assert_eq!(found.map(|person| person.user), expect.map(str::to_owned), "{claims:?}");
    }

    #[test]
    fn issuer_and_audience_are_exact() {
        let with = |iss: &str, aud: &str| format!("{{\"iss\":{iss},\"aud\":{aud},\"exp\":1000001,\"sub\":\"ada\"}}");
        let (ours, us) = (r#""https://id.example.com""#, r#""jetway""#);
        judged(&with(ours, us), Ok("ada"));
        judged(&with(ours, r#"["other","jetway"]"#), Ok("ada"));
        let issuer = || Err(Unfit::Issuer { expected: "https://id.example.com".into() });
        for other in
            [r#""https://id.example.com/""#, r#""https://evil.example.com""#, r#"["https://id.example.com"]"#, "null"]
        {
            judged(&with(other, us), issuer());
        }
        let audience = || Err(Unfit::Audience { expected: "jetway".into() });
        for other in [r#""jetway2""#, r#""JETWAY""#, "[]", "[[\"jetway\"]]", "null", r#"{"jetway":1}"#] {
            judged(&with(ours, other), audience());
        }
        judged(r#"{"aud":"jetway","exp":1000001,"sub":"ada"}"#, issuer());
        judged(r#"{"iss":"https://id.example.com","exp":1000001,"sub":"ada"}"#, audience());
    }

    #[test]
    fn a_token_counts_from_its_beginning_to_its_end_give_or_take_the_skew() {
        let at =
            |times: &str| format!("{{\"iss\":\"https://id.example.com\",\"aud\":\"jetway\",\"sub\":\"ada\"{times}}}");
        judged(&at(r#","exp":1000001"#), Ok("ada"));
        judged(&at(r#","exp":999941"#), Ok("ada"));
        judged(&at(r#","exp":999940"#), Err(Unfit::Expired));
        judged(&at(r#","exp":-9223372036854775808"#), Err(Unfit::Expired));
        judged(&at(r#","exp":9223372036854775807"#), Ok("ada"));
        judged(&at(""), Err(Unfit::NoExpiry));
        judged(&at(r#","exp":"1000001""#), Err(Unfit::Time("exp")));
        judged(&at(r#","exp":1000001,"nbf":1000060"#), Ok("ada"));
        judged(&at(r#","exp":1000001,"nbf":1000061"#), Err(Unfit::NotYet));
        judged(&at(r#","exp":1000001,"nbf":"soon""#), Err(Unfit::Time("nbf")));
    }

    #[track_caller]
    fn signed(header: &str, expect: Result<(Algorithm, Option<&str>), Unfit>) {
        let text = format!("{}.{}.c2ln", encode(header), encode(r#"{"iss":"https://id.example.com"}"#));
        let token = recognise(&text).unwrap();
        let rules = rules(r#","algorithms":["RS256","ES256"]"#);
        let found = token.signed(&rules).map(|signed| (signed.algorithm, signed.key));
        assert_eq!(found, expect, "{header}");
    }

    #[test]
    fn only_the_listed_signatures_are_looked_at() {
        signed(r#"{"alg":"RS256","kid":"a"}"#, Ok((Algorithm::Rs256, Some("a"))));
        signed(r#"{"alg":"ES256"}"#, Ok((Algorithm::Es256, None)));
        for other in ["none", "None", "HS256", "RS512", "rs256", ""] {
            let accepted = Unfit::Algorithm { accepted: "RS256, ES256".into() };
            signed(&format!("{{\"alg\":\"{other}\"}}"), Err(accepted));
        }
        signed(r#"{"alg":"RS256","crit":["b64"],"b64":false}"#, Err(Unfit::Critical));
        signed(r#"{"alg":"RS256","crit":[]}"#, Err(Unfit::Critical));
        signed(r#"{"alg":"RS256","kid":7}"#, Err(Unfit::Malformed));
    }

    #[test]
    fn a_token_of_another_issuer_is_refused_before_ours_is_asked_about_it() {
        for claims in ["{}", r#"{"iss":"https://evil.example.com"}"#] {
            let text = format!("{}.{}.c2ln", encode(r#"{"alg":"RS256"}"#), encode(claims));
            let found = recognise(&text).unwrap().signed(&rules("")).unwrap_err();
            assert_eq!(found, Unfit::Issuer { expected: "https://id.example.com".into() });
        }
    }

    #[test]
    fn tokens_are_known_by_their_shape() {
        let header = encode(r#"{"alg":"none"}"#);
        let is_token = |text: &str| recognise(text).is_some();
        assert!(is_token(&format!("{header}.e30.")) && is_token(&format!("{header}.e30.c2ln")));
        assert!(is_token(&format!("{header}.notjson.c2ln")));
        for other in ["", "a.b.c", "sk-ant-api03-x.y.z", "..", &format!("{header}.e30"), &format!("{header}..c2ln")] {
            assert!(!is_token(other), "{other}");
        }
        // Five parts are an encrypted token, which only its issuer can read.
        assert!(!is_token(&format!("{header}.e30.e30.e30.c2ln")));
        assert!(!is_token(&format!("{}.e30.c2ln", encode("[]"))));
        assert!(!is_token(&format!("{}.e30.c2ln", encode(r#"{"typ":"JWT"}"#))));
    }

    #[test]
    fn whose_a_token_is_stands_in_it() {
        let rules = rules("");
        let of = |claims: &str| {
            let text = format!("{}.{}.c2ln", encode(r#"{"alg":"RS256"}"#), claims);
            let token = recognise(&text).unwrap();
            (rules.is_of_issuer(&token), rules.is_for_us(&token))
        };
        let (ours, us) = (r#""iss":"https://id.example.com""#, r#""aud":"jetway""#);
        assert_eq!(of(&encode(&format!("{{{ours},{us}}}"))), (true, true));
        assert_eq!(of(&encode(&format!("{{{ours}}}"))), (true, true));
        assert_eq!(of(&encode(&format!("{{{ours},\"aud\":[\"llm\"]}}"))), (true, false));
        assert_eq!(of(&encode(r#"{"iss":"https://provider.example.com","aud":"jetway"}"#)), (false, false));
        assert_eq!(of(&encode("{}")), (false, false));
        assert_eq!(of("notjson"), (true, true));
    }

    #[test]
    fn a_token_that_is_too_long_is_not_read() {
        let claims = encode(&format!("{{\"iss\":\"https://provider.example.com\",\"x\":\"{}\"}}", "x".repeat(LONGEST)));
        let text = format!("{}.{claims}.c2ln", encode(r#"{"alg":"RS256"}"#));
        let token = recognise(&text).unwrap();
        assert_eq!(token.signed(&rules("")).unwrap_err(), Unfit::TooLong);
        assert!(rules("").is_of_issuer(&token));
        assert!(recognise(&format!("{}.e30.c2ln", "a".repeat(LONGEST + 1))).is_none());
    }

    #[track_caller]
    fn fails(text: &str, why: &str) {
        let error = serde_json::from_str::<Rules>(text).unwrap_err().to_string();
        assert!(error.contains(why), "{error}");
    }

    #[test]
    fn rules_that_would_let_anybody_in_are_refused() {
        let with = |more: &str| format!("{{\"issuer\":\"https://id.example.com\",\"audience\":\"jetway\"{more}}}");
        fails(&with(r#","algorithms":["HS256"]"#), "whoever can check a token could make one");
        fails(&with(r#","algorithms":["RS256","none"]"#), "`none` is no signature");
        fails(&with(r#","algorithms":["ES512"]"#), "not a signature that Jetway checks");
        fails(&with(r#","algorithms":[]"#), "`algorithms` is empty");
        fails(&with(r#","skew":"11m""#), "`skew` must be at most 10m");
        fails(&with(r#","jwks":"http://id.example.com/keys""#), "use https:");
        fails(r#"{"issuer":"http://id.example.com","audience":"jetway"}"#, "use https:");
        fails(r#"{"issuer":"accounts.example.com","audience":"jetway"}"#, "unless `jwks` says where they are");
        fails(r#"{"issuer":"https://id.example.com","audience":""}"#, "`audience` must not be empty");
        fails(r#"{"issuer":"https://id.example.com"}"#, "missing field `audience`");
        let named = r#"{"issuer":"accounts.example.com","audience":"jetway","jwks":"https://example.com/keys"}"#;
        assert!(serde_json::from_str::<Rules>(named).is_ok());
    }
}
