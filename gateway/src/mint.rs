//! Minting run tokens: what a shipped agent's back end asks for before each run.

use jetway_core::policy::budget::rate::TooFast;
use jetway_core::units::Span;
use jiff::{SignedDuration, Timestamp};
use serde::Deserialize;

use crate::config::Config;
use crate::keys::run::{self, Grant, Minted};
use crate::keys::{Keys, is_name};
use crate::rates::Rates;
use crate::runs::log::{Action, Log};
use crate::secret::Keyed;

/// What is asked for.
#[derive(Debug, Clone, Deserialize)]
pub struct Wish {
    #[serde(flatten)]
    pub grant: Grant,
    /// How long it is good for; an hour by default, a week at the most.
    #[serde(default)]
    pub ttl: Option<String>,
    /// The same key and the same wish give the same token again.
    #[serde(default)]
    pub idempotency_key: Option<String>,
}

/// The longest that a token is good for.
const LONGEST: SignedDuration = SignedDuration::from_hours(7 * 24);
const USUAL: SignedDuration = SignedDuration::from_hours(1);

/// Why no token was made.
#[derive(Debug, thiserror::Error)]
pub enum Failed {
    #[error("there is no policy {0:?}")]
    NoPolicy(String),
    #[error("the policy {0:?} takes no run tokens; add `runs` to its `identity.accept`")]
    NotAccepted(String),
    #[error("names of users and teams have 1 to 100 characters, none of them a space, a slash or a control character")]
    NoName,
    #[error("`cap` needs exactly one of `usd` and `tokens`: a token that costs without end is no run's")]
    NoCap,
    #[error("`ttl` must be a length of time from 1s to 7d, such as 1h")]
    NoEnd,
    #[error("an `idempotency_key` has 1 to 200 characters")]
    NoKey,
    #[error("too many run tokens were minted for this user: {0}")]
    TooMany(#[from] TooFast),
    #[error(transparent)]
    Run(#[from] run::Failed),
    #[error("the run log is full or gone, so that nobody would know of the token; try again later")]
    NoLog,
}

/// Mints a token, and writes down that it was.
///
/// # Errors
/// [`Failed`] says why there is none.
pub async fn mint(
    (config, keys, log): (&Config, &Keys, &Log),
    rates: &Rates,
    keyed: &Keyed,
    wish: Wish,
    by: &str,
) -> Result<Minted, Failed> {
    let Wish { grant, ttl, idempotency_key } = wish;
    let policy = config.policies.get(&grant.policy).ok_or_else(|| Failed::NoPolicy(short(&grant.policy)))?;
    if !policy.identity.accepts(jetway_core::policy::identity::Way::Runs) {
        return Err(Failed::NotAccepted(grant.policy));
    }
    if !is_name(&grant.user) || grant.team.as_ref().is_some_and(|team| !is_name(team)) {
        return Err(Failed::NoName);
    }
    if grant.cap.meant().is_none() {
        return Err(Failed::NoCap);
    }
    if idempotency_key.as_ref().is_some_and(|key| key.is_empty() || key.chars().count() > 200) {
        return Err(Failed::NoKey);
    }
    let now = Timestamp::now();
    let expires = end(ttl.as_deref(), now).ok_or(Failed::NoEnd)?;
    rates.count("mints", config.mints, &format!("{}/{}", grant.policy, grant.user))?;
    let (user, cap) = (grant.user.clone(), grant.cap);
    let minted = keys.mint(keyed, grant, idempotency_key, (now, expires)).await?;
    let reason = match (cap.usd, cap.tokens) {
        (Some(usd), _) => format!("a run of {user}, up to ${usd:.2}"),
        (None, tokens) => format!("a run of {user}, up to {} tokens", tokens.unwrap_or(0)),
    };
    let action = Action {
        at: now,
        by: by.to_owned(),
        what: "mint",
        target: minted.id.clone(),
        until: Some(minted.expires),
        reason,
        ..Action::default()
    };
    log.note(action).await.map_err(|_| Failed::NoLog)?;
    Ok(minted)
}

fn end(ttl: Option<&str>, now: Timestamp) -> Option<Timestamp> {
    let length = match ttl {
        None => USUAL,
        Some(text) => SignedDuration::try_from(Span::parse(text)?.0).ok()?,
    };
    let is_sound = SignedDuration::from_secs(1) <= length && length <= LONGEST;
    is_sound.then(|| now.checked_add(length).ok())?
}

fn short(text: &str) -> String {
    text.chars().take(100).collect()
}
