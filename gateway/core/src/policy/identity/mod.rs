//! Who is calling. Given a key of Ada's for the policy `wizard`, sent to `/wizard/v1/messages`:
//! the caller is Ada. Given the same key, sent to `/coding/…`: refused, naming the right path.
//! Given a token of our issuer that says `"sub": "ada"`: Ada too. Who calls is never read from a
//! request's body.

pub mod certificate;
pub mod choice;
pub mod claims;
pub mod introspection;
pub mod jwt;
pub mod url;

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::Deserialize;

use certificate::Certificate;
use claims::Claims;

use crate::policy::budget::cap::{Cap, Own, Per};
use crate::policy::models::Allowed;

/// What every key of ours begins with.
pub const KEY_PREFIX: &str = "jw_";
/// What the names begin with that are given to callers who are passed through.
const PASSED_THROUGH: &str = "pass:";

/// As written: `identity:` in `policy.yaml`.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Identity")]
pub struct Document {
    /// How a caller may say who it is. `keys`: a key made with `jetway keys create`. `runs`: a
    /// token that was minted for one run. `jwt`: a
    /// signed token of an issuer. `introspection`: a token that its issuer is asked about.
    /// `certificates`: a client certificate. `passthrough`: its own credential for the provider,
    /// which is passed on; Jetway keeps only a keyed hash of it.
    accept: Vec<Way>,
    /// Which tokens count, for `jwt`.
    #[serde(default)]
    jwt: Option<jwt::Rules>,
    /// Who is asked about tokens, for `introspection`.
    #[serde(default)]
    introspection: Option<introspection::Rules>,
    /// Whom a certificate names, for `certificates`.
    #[serde(default)]
    certificates: Option<certificate::Rules>,
}

/// A way to say who one is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Way {
    Keys,
    Runs,
    Jwt,
    Introspection,
    Certificates,
    Passthrough,
}

impl Way {
    /// As it stands in `accept`, in the run log and in metrics.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Keys => "keys",
            Self::Runs => "runs",
            Self::Jwt => "jwt",
            Self::Introspection => "introspection",
            Self::Certificates => "certificates",
            Self::Passthrough => "passthrough",
        }
    }
}

/// As meant.
#[derive(Debug, Clone, Deserialize)]
#[serde(try_from = "Document")]
pub struct Rules {
    accept: Vec<Way>,
    jwt: Option<jwt::Rules>,
    introspection: Option<introspection::Rules>,
    certificates: Option<certificate::Rules>,
}

schema_of_document!(Rules, Document);

#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum Problem {
    #[error(
        "`accept` is empty, so nobody could call; list one or more of `keys`, `runs`, `jwt`, `introspection`, `certificates` and `passthrough`"
    )]
    NobodyAccepted,
    #[error("`accept` lists `{0}`, and there is no section `{0}:` that says which count")]
    NoSection(&'static str),
    #[error("there is a section `{0}:`, and `accept` does not list `{0}`")]
    NotAccepted(&'static str),
}

impl TryFrom<Document> for Rules {
    type Error = Problem;

    fn try_from(document: Document) -> Result<Self, Problem> {
        let Document { accept, jwt, introspection, certificates } = document;
        if accept.is_empty() {
            return Err(Problem::NobodyAccepted);
        }
        let sections = [
            (Way::Jwt, jwt.is_some()),
            (Way::Introspection, introspection.is_some()),
            (Way::Certificates, certificates.is_some()),
        ];
        for (way, is_there) in sections {
            match (accept.contains(&way), is_there) {
                (true, false) => return Err(Problem::NoSection(way.name())),
                (false, true) => return Err(Problem::NotAccepted(way.name())),
                _ => {}
            }
        }
        Ok(Self { accept, jwt, introspection, certificates })
    }
}

impl Rules {
    /// Rules for trying Jetway out: any credential will do.
    #[must_use]
    pub fn anybody() -> Self {
        Self {
            accept: vec![Way::Keys, Way::Runs, Way::Passthrough],
            jwt: None,
            introspection: None,
            certificates: None,
        }
    }

    #[must_use]
    pub fn accepts(&self, way: Way) -> bool {
        self.accept.contains(&way)
    }

    #[must_use]
    pub fn jwt(&self) -> Option<&jwt::Rules> {
        self.jwt.as_ref()
    }

    #[must_use]
    pub fn introspection(&self) -> Option<&introspection::Rules> {
        self.introspection.as_ref()
    }

    /// What a caller may send, in words.
    fn wanted(&self, policy: &str) -> String {
        let mut sent = Vec::new();
        if self.accepts(Way::Keys) {
            sent.push(String::from("a Jetway key"));
        }
        if self.accepts(Way::Runs) {
            sent.push(String::from("a run token"));
        }
        if let Some(jwt) = &self.jwt {
            sent.push(format!("a token of {}", jwt.keys().issuer));
        }
        if self.accepts(Way::Introspection) {
            let place = if self.accepts(Way::Passthrough) { " (as `x-jetway-key`)" } else { "" };
            sent.push(format!("an access token{place}"));
        }
        if self.accepts(Way::Passthrough) {
            sent.push(String::from("your own credential for the provider"));
        }
        let mut text = String::new();
        if !sent.is_empty() {
            text = format!("send {} as `x-api-key` or `Authorization: Bearer …`", sent.join(", or "));
        }
        if self.accepts(Way::Certificates) {
            let or = if text.is_empty() { "" } else { ", or " };
            text.push_str(&format!("{or}connect with a client certificate"));
        }
        if self.accepts(Way::Keys) {
            text.push_str(&format!(
                "; an operator makes a key with `jetway keys create --policy {policy} --user NAME`"
            ));
        }
        text
    }

    /// What counts here, in words; nothing of it is a provider's credential.
    fn taken(&self) -> String {
        let mut taken = Vec::new();
        if self.accepts(Way::Keys) {
            taken.push(String::from("Jetway keys (they begin with jw_)"));
        }
        if self.accepts(Way::Runs) {
            taken.push(String::from("run tokens (they begin with jw_run_)"));
        }
        if let Some(jwt) = &self.jwt {
            taken.push(format!("tokens of {}", jwt.keys().issuer));
        }
        if self.accepts(Way::Introspection) {
            taken.push(String::from("access tokens"));
        }
        if self.accepts(Way::Certificates) {
            taken.push(String::from("client certificates"));
        }
        taken.join(" or ")
    }
}

/// What a request presents.
#[derive(Debug, Clone, PartialEq)]
pub enum Presented {
    Nothing,
    /// Two credentials that differ, so that nobody can say which one counts.
    Ambiguous,
    /// A Jetway key; none when there is no such key.
    Key(Option<Key>),
    /// What stands in a token whose signature was checked, or why that failed.
    Jwt(Result<Claims, Unfit>, Timestamp),
    /// What its issuer answers about a token.
    Introspected(Claims, Timestamp),
    /// A certificate whose chain was verified. `retired` when that was by an authority that no
    /// longer counts.
    Certificate {
        certificate: Certificate,
        retired: bool,
        now: Timestamp,
    },
    /// A certificate whose chain was verified, and which cannot be read.
    UnreadableCertificate,
    /// A credential for a provider, by its keyed hash.
    Foreign {
        digest: String,
    },
}

/// What is kept of a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Key {
    pub id: String,
    pub policy: String,
    pub user: String,
    pub team: Option<String>,
    pub revoked: bool,
    pub expired: bool,
    /// Caps of its own, besides the policy's.
    pub caps: Vec<Own>,
    /// The models that it may call, where it is not for all of the policy's.
    pub models: Option<Allowed>,
    /// The run that it was made for; none for a key that is for any.
    pub run: Option<String>,
}

impl Key {
    fn way(&self) -> Way {
        if self.run.is_some() { Way::Runs } else { Way::Keys }
    }

    fn what(&self) -> &'static str {
        if self.run.is_some() { "run tokens" } else { "Jetway keys" }
    }

    fn caller(self) -> Caller {
        let per = if self.run.is_some() { Per::Run } else { Per::Key };
        let caps = self.caps.iter().map(|own| own.of(per)).collect();
        let way = self.way();
        let Self { id, user, team, models, run, .. } = self;
        Caller { user, team, key: Some(id), way, caps, models, run }
    }
}

/// Whom a token or a certificate names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Person {
    user: String,
    team: Option<String>,
}

/// Whom a request is made for. Made only here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Caller {
    user: String,
    team: Option<String>,
    key: Option<String>,
    way: Way,
    caps: Vec<Cap>,
    models: Option<Allowed>,
    run: Option<String>,
}

impl Caller {
    /// The caps that it carries itself, besides the policy's.
    pub fn caps(&self) -> impl Iterator<Item = Cap> {
        self.caps.iter().copied()
    }

    /// The models that it may call, where it carries a list of its own: it can only narrow the
    /// policy's.
    #[must_use]
    pub fn models(&self) -> Option<&Allowed> {
        self.models.as_ref()
    }

    /// The run that its token was made for.
    #[must_use]
    pub fn run(&self) -> Option<&str> {
        self.run.as_deref()
    }

    #[must_use]
    pub fn user(&self) -> &str {
        &self.user
    }

    #[must_use]
    pub fn team(&self) -> Option<&str> {
        self.team.as_deref()
    }

    /// The id of the key that was presented, if it was one.
    #[must_use]
    pub fn key(&self) -> Option<&str> {
        self.key.as_deref()
    }

    /// How it is known who calls.
    #[must_use]
    pub fn way(&self) -> Way {
        self.way
    }

    /// Whether we know who calls. Whoever is passed through only has some text that a provider
    /// may or may not take, and so may not use a credential of ours.
    #[must_use]
    pub fn is_known(&self) -> bool {
        self.way != Way::Passthrough
    }

    fn of(person: Person, way: Way) -> Self {
        Self { user: person.user, team: person.team, key: None, way, caps: Vec::new(), models: None, run: None }
    }
}

/// What is wrong with a token. No part of the token is said.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unfit {
    #[error("it is longer than 16 KiB")]
    TooLong,
    #[error("it cannot be read; check that it was copied whole")]
    Malformed,
    #[error("it is not signed in a way that is accepted here ({accepted})")]
    Algorithm { accepted: String },
    #[error("it demands an extension (`crit`) that Jetway does not know")]
    Critical,
    #[error("it is signed with a key that its issuer does not list; sign in again for a new one")]
    UnknownKey,
    #[error("its signature is wrong")]
    Signature,
    #[error("its issuer (`iss`) is not {expected}")]
    Issuer { expected: String },
    #[error("it was made for another service: its audience (`aud`) is not {expected}")]
    Audience { expected: String },
    #[error("it has run out; sign in again for a new one")]
    Expired,
    #[error("it does not count yet (`nbf`)")]
    NotYet,
    #[error("it does not say when it runs out (`exp`)")]
    NoExpiry,
    #[error("its `{0}` is not a moment in seconds")]
    Time(&'static str),
    #[error("its issuer says that it does not count (any more); sign in again for a new one")]
    Inactive,
    #[error("it has no claim `{0}`, which names the user here")]
    NoClaim(String),
    #[error("its claim `{0}` is not a text")]
    NoText(String),
    #[error("its claim `{0}` is not a name: 1 to 200 characters, none of them a control character")]
    BadName(String),
    #[error("it does not name the policy `{asked}`, to which the request came")]
    OtherPolicy { asked: String },
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Denied {
    #[error("no credential came with this request: {wanted}")]
    NoCredential { wanted: String },
    #[error(
        "`x-api-key` and `Authorization` carry different credentials, so it is not clear who is calling; send one of them, or say who you are as `x-jetway-key`"
    )]
    Ambiguous,
    #[error(
        "this Jetway key is not known here. Check that it was copied whole; an operator makes a new one with `jetway keys create --policy {policy} --user NAME`"
    )]
    UnknownKey { policy: String },
    #[error("this Jetway key was revoked; ask an operator for a new one")]
    Revoked,
    #[error(
        "this key belongs to the policy `{key}`, and the request came to `{asked}`; use the base URL that ends in /{key}"
    )]
    OtherPolicy { key: String, asked: String },
    #[error("the policy `{policy}` takes no {what}: {wanted}")]
    KeysNotAccepted { policy: String, what: &'static str, wanted: String },
    #[error("this run token has expired; whoever started the run must mint a new one")]
    Expired,
    #[error("the policy `{policy}` takes only {taken}, not a provider's own credential: {wanted}")]
    PassthroughNotAccepted { policy: String, taken: String, wanted: String },
    #[error("the token that came with this request is not accepted: {0}")]
    Token(Unfit),
    #[error("the client certificate of this connection is not accepted: {0}")]
    Certificate(#[from] certificate::Unfit),
    #[error("the client certificate of this connection cannot be read")]
    UnreadableCertificate,
}

impl Denied {
    /// Whether we know who calls, and only the policy is the wrong one.
    #[must_use]
    pub fn is_known(&self) -> bool {
        matches!(self, Self::OtherPolicy { .. } | Self::Token(Unfit::OtherPolicy { .. }))
    }
}

/// Decides who is calling `policy`.
///
/// # Errors
/// [`Denied`] says why nobody is recognised.
pub fn decide(rules: &Rules, policy: &str, presented: Presented) -> Result<Caller, Denied> {
    let named = || policy.to_owned();
    let wanted = || rules.wanted(policy);
    match presented {
        Presented::Nothing => Err(Denied::NoCredential { wanted: wanted() }),
        Presented::Ambiguous => Err(Denied::Ambiguous),
        Presented::Key(Some(key)) if !rules.accepts(key.way()) => {
            Err(Denied::KeysNotAccepted { policy: named(), what: key.what(), wanted: wanted() })
        }
        Presented::Key(None) if !rules.accepts(Way::Keys) && !rules.accepts(Way::Runs) => {
            Err(Denied::KeysNotAccepted { policy: named(), what: "Jetway keys", wanted: wanted() })
        }
        Presented::Key(None) => Err(Denied::UnknownKey { policy: named() }),
        Presented::Key(Some(key)) if key.revoked => Err(Denied::Revoked),
        Presented::Key(Some(key)) if key.expired => Err(Denied::Expired),
        Presented::Key(Some(key)) if key.policy != policy => {
            Err(Denied::OtherPolicy { key: key.policy, asked: named() })
        }
        Presented::Key(Some(key)) => Ok(key.caller()),
        Presented::Jwt(checked, now) => {
            let rules = rules.jwt.as_ref().ok_or(Denied::Token(Unfit::Malformed))?;
            let person = checked.and_then(|claims| rules.judge(policy, &claims, now)).map_err(Denied::Token)?;
            Ok(Caller::of(person, Way::Jwt))
        }
        Presented::Introspected(answer, now) => {
            let rules = rules.introspection.as_ref().ok_or(Denied::Token(Unfit::Inactive))?;
            let person = rules.judge(policy, &answer, now).map_err(Denied::Token)?;
            Ok(Caller::of(person, Way::Introspection))
        }
        Presented::Certificate { retired: true, .. } => Err(certificate::Unfit::Retired.into()),
        Presented::Certificate { certificate, now, .. } => {
            let rules = rules.certificates.as_ref().ok_or_else(|| Denied::NoCredential { wanted: wanted() })?;
            Ok(Caller::of(rules.judge(&certificate, now)?, Way::Certificates))
        }
        Presented::UnreadableCertificate => Err(Denied::UnreadableCertificate),
        Presented::Foreign { .. } if !rules.accepts(Way::Passthrough) => {
            Err(Denied::PassthroughNotAccepted { policy: named(), taken: rules.taken(), wanted: wanted() })
        }
        Presented::Foreign { digest } => {
            let person = Person { user: format!("{PASSED_THROUGH}{digest}"), team: None };
            Ok(Caller::of(person, Way::Passthrough))
        }
    }
}

/// Whom a credential was for that has expired and would be good else, or a run token that was revoked; it
/// lets nobody in. A key that was revoked is nobody's any more: it would name the runs of others who have
/// another one of the same user.
#[must_use]
pub fn was(rules: &Rules, policy: &str, presented: Presented) -> Option<Caller> {
    let before = match presented {
        Presented::Key(Some(key)) if key.expired || key.revoked && key.run.is_some() => {
            let revoked = key.revoked && key.run.is_none();
            Presented::Key(Some(Key { expired: false, revoked, ..key }))
        }
        Presented::Jwt(Ok(claims), now) => {
            let expired = claims::moment(&claims, "exp").ok().flatten()?;
            let last = Timestamp::from_second(expired.checked_sub(1)?).ok()?;
            Presented::Jwt(Ok(claims), last.min(now))
        }
        _ => return None,
    };
    decide(rules, policy, before).ok()
}

#[cfg(test)]
mod tests;
