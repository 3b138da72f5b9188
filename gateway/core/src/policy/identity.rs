//! Who is calling. Given a key of Ada's for the policy `wizard`, sent to `/wizard/v1/messages`:
//! the caller is Ada. Given the same key, sent to `/coding/…`: refused, naming the right path.

use schemars::JsonSchema;
use serde::Deserialize;

use crate::policy::budget::cap::{Cap, Own, Per};
use crate::policy::models::Allowed;

/// As written: `identity:` in `policy.yaml`.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Identity")]
pub struct Document {
    /// How a caller may say who it is. `keys`: a key made with `jetway keys create`.
    /// `runs`: a token that was minted for one run.
    /// `passthrough`: its own credential for the provider, which is passed on; Jetway keeps only
    /// a keyed hash of it.
    accept: Vec<Way>,
}

/// A way to say who one is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Way {
    Keys,
    Runs,
    Passthrough,
}

/// As meant.
#[derive(Debug, Clone, Deserialize)]
#[serde(try_from = "Document")]
pub struct Rules {
    accept: Vec<Way>,
}

schema_of_document!(Rules, Document);

#[derive(Debug, thiserror::Error)]
#[error("`accept` is empty, so nobody could call; list `keys`, `runs`, `passthrough` or several")]
pub struct NobodyAccepted;

impl TryFrom<Document> for Rules {
    type Error = NobodyAccepted;

    fn try_from(document: Document) -> Result<Self, Self::Error> {
        if document.accept.is_empty() {
            return Err(NobodyAccepted);
        }
        Ok(Self { accept: document.accept })
    }
}

impl Rules {
    /// Rules for trying Jetway out: any credential will do.
    #[must_use]
    pub fn anybody() -> Self {
        Self { accept: vec![Way::Keys, Way::Runs, Way::Passthrough] }
    }

    #[must_use]
    pub fn accepts(&self, way: Way) -> bool {
        self.accept.contains(&way)
    }
}

/// What a request presents.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Presented {
    Nothing,
    /// Two credentials that differ, so that nobody can say which one counts.
    Ambiguous,
    /// A Jetway key; none when there is no such key.
    Key(Option<Key>),
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

/// Whom a request is made for. Made only here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Caller {
    user: String,
    team: Option<String>,
    key: Option<String>,
    caps: Vec<Cap>,
    models: Option<Allowed>,
    run: Option<String>,
}

impl Caller {
    /// The run that its token was made for.
    #[must_use]
    pub fn run(&self) -> Option<&str> {
        self.run.as_deref()
    }

    /// The models that it may call, where it carries a list of its own: it can only narrow the
    /// policy's.
    #[must_use]
    pub fn models(&self) -> Option<&Allowed> {
        self.models.as_ref()
    }

    /// The caps that it carries itself, besides the policy's.
    pub fn caps(&self) -> impl Iterator<Item = Cap> {
        self.caps.iter().copied()
    }

    #[must_use]
    pub fn user(&self) -> &str {
        &self.user
    }

    #[must_use]
    pub fn team(&self) -> Option<&str> {
        self.team.as_deref()
    }

    /// The id of the key that was presented; none for a caller that is passed through, who may
    /// therefore not use a credential of ours.
    #[must_use]
    pub fn key(&self) -> Option<&str> {
        self.key.as_deref()
    }
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Denied {
    #[error(
        "no credential came with this request. Send a Jetway key as `x-api-key` or `Authorization: Bearer …`; an operator makes one with `jetway keys create --policy {policy} --user NAME`"
    )]
    NoCredential { policy: String },
    #[error(
        "no credential came with this request. Send your own credential for the provider, or a Jetway key, as `x-api-key` or `Authorization: Bearer …`"
    )]
    NoCredentialOfAnyKind,
    #[error(
        "`x-api-key` and `Authorization` carry different credentials, so it is not clear who is calling; send one of them"
    )]
    Ambiguous,
    #[error(
        "this Jetway key is not known here. Check that it was copied whole; an operator makes a new one with `jetway keys create --policy {policy} --user NAME`"
    )]
    UnknownKey { policy: String },
    #[error("this Jetway key was revoked; ask an operator for a new one")]
    Revoked,
    #[error("this run token has expired; whoever started the run must mint a new one")]
    Expired,
    #[error(
        "this key belongs to the policy `{key}`, and the request came to `{asked}`; use the base URL that ends in /{key}"
    )]
    OtherPolicy { key: String, asked: String },
    #[error("the policy `{policy}` takes no run tokens; an operator adds `runs` to `identity.accept`")]
    RunsNotAccepted { policy: String },
    #[error("the policy `{policy}` takes no Jetway keys; send your own credential for the provider")]
    KeysNotAccepted { policy: String },
    #[error(
        "the policy `{policy}` takes only Jetway keys (they begin with jw_), not a provider's own; an operator makes one with `jetway keys create --policy {policy} --user NAME`"
    )]
    PassthroughNotAccepted { policy: String },
}

/// Decides who is calling `policy`.
///
/// # Errors
/// [`Denied`] says why nobody is recognised.
pub fn decide(rules: &Rules, policy: &str, presented: Presented) -> Result<Caller, Denied> {
    let named = || policy.to_owned();
    match presented {
        Presented::Nothing if rules.accepts(Way::Passthrough) => Err(Denied::NoCredentialOfAnyKind),
        Presented::Nothing => Err(Denied::NoCredential { policy: named() }),
        Presented::Ambiguous => Err(Denied::Ambiguous),
        Presented::Key(Some(key)) if key.run.is_some() && !rules.accepts(Way::Runs) => {
            Err(Denied::RunsNotAccepted { policy: named() })
        }
        Presented::Key(Some(key)) if key.run.is_none() && !rules.accepts(Way::Keys) => {
            Err(Denied::KeysNotAccepted { policy: named() })
        }
        Presented::Key(None) if !rules.accepts(Way::Keys) && !rules.accepts(Way::Runs) => {
            Err(Denied::KeysNotAccepted { policy: named() })
        }
        Presented::Key(None) => Err(Denied::UnknownKey { policy: named() }),
        Presented::Key(Some(key)) if key.revoked => Err(Denied::Revoked),
        Presented::Key(Some(key)) if key.expired => Err(Denied::Expired),
        Presented::Key(Some(key)) if key.policy != policy => {
            Err(Denied::OtherPolicy { key: key.policy, asked: named() })
        }
        Presented::Key(Some(key)) => {
            let per = if key.run.is_some() { Per::Run } else { Per::Key };
            let caps = key.caps.iter().map(|own| own.of(per)).collect();
            let Key { user, team, id, models, run, .. } = key;
            Ok(Caller { user, team, key: Some(id), caps, models, run })
        }
        Presented::Foreign { .. } if !rules.accepts(Way::Passthrough) => {
            Err(Denied::PassthroughNotAccepted { policy: named() })
        }
        Presented::Foreign { digest } => Ok(Caller {
            user: format!("pass:{digest}"),
            team: None,
            key: None,
            caps: Vec::new(),
            models: None,
            run: None,
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(policy: &str, revoked: bool) -> Presented {
        Presented::Key(Some(Key {
            id: "key_1".into(),
            policy: policy.into(),
            user: "ada".into(),
            team: Some("core".into()),
            revoked,
            expired: false,
            caps: Vec::new(),
            models: None,
            run: None,
        }))
    }

    #[track_caller]
    fn check(accept: &[Way], presented: Presented, expect: Result<&str, Denied>) {
        let rules = Rules { accept: accept.to_vec() };
        let found = decide(&rules, "wizard", presented).map(|caller| caller.user);
        assert_eq!(found, expect.map(str::to_owned));
    }

    #[test]
    fn a_key_of_this_policy_is_its_user() {
        check(&[Way::Keys], key("wizard", false), Ok("ada"));
    }

    #[test]
    fn a_key_of_another_policy_is_refused() {
        let denied = Denied::OtherPolicy { key: "coding".into(), asked: "wizard".into() };
        check(&[Way::Keys], key("coding", false), Err(denied));
    }

    #[test]
    fn a_revoked_or_unknown_key_is_refused() {
        check(&[Way::Keys], key("wizard", true), Err(Denied::Revoked));
        check(&[Way::Keys], Presented::Key(None), Err(Denied::UnknownKey { policy: "wizard".into() }));
    }

    #[test]
    fn a_run_token_is_its_user_until_it_expires() {
        let token = |expired| {
            let Presented::Key(Some(key)) = key("wizard", false) else { unreachable!() };
            Presented::Key(Some(Key { run: Some("run_1".into()), expired, ..key }))
        };
        check(&[Way::Runs], token(false), Ok("ada"));
        check(&[Way::Runs], token(true), Err(Denied::Expired));
        check(&[Way::Keys], token(false), Err(Denied::RunsNotAccepted { policy: "wizard".into() }));
        check(&[Way::Runs], key("wizard", false), Err(Denied::KeysNotAccepted { policy: "wizard".into() }));
    }

    #[test]
    fn only_what_is_listed_is_accepted() {
        let foreign = || Presented::Foreign { digest: "ab12".into() };
        check(&[Way::Passthrough], foreign(), Ok("pass:ab12"));
        check(&[Way::Keys], foreign(), Err(Denied::PassthroughNotAccepted { policy: "wizard".into() }));
        check(&[Way::Passthrough], key("wizard", false), Err(Denied::KeysNotAccepted { policy: "wizard".into() }));
        check(&[Way::Keys], Presented::Nothing, Err(Denied::NoCredential { policy: "wizard".into() }));
        check(&[Way::Keys, Way::Passthrough], Presented::Nothing, Err(Denied::NoCredentialOfAnyKind));
        check(&[Way::Keys, Way::Passthrough], Presented::Ambiguous, Err(Denied::Ambiguous));
    }
}
