//! Who is calling.

use http::HeaderMap;
use http::request::Parts;
use jetway_core::policy::identity::choice::{self, Choice};
use jetway_core::policy::identity::jwt::Unverified;
use jetway_core::policy::identity::{self, Caller, Denied, Presented};
use jiff::Timestamp;

use crate::config::Policy;
use crate::gate::{Gate, Jetway};
use crate::store::StoreError;
use crate::tls::peer::{Peer, Shown};
use crate::tokens::{Question, Unreachable};
use crate::upstream::headers;

/// A request whose caller is recognised.
#[derive(Debug)]
pub struct Identified {
    pub caller: Caller,
    /// The headers that may travel on to a provider: nothing in them tells it what we know the
    /// caller by.
    pub onward: HeaderMap,
}

/// Why nobody is recognised.
#[derive(Debug, thiserror::Error)]
pub enum Unidentified {
    /// With whom a credential was for that would count, had it not expired; or a run token that was revoked.
    #[error("{0}")]
    Denied(Denied, Option<Box<Caller>>),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Unreachable(#[from] Unreachable),
}

/// Looks at the credentials of a request and says whose it is.
///
/// # Errors
/// [`Unidentified`] when nobody is recognised, or those cannot be asked who would know: then
/// nobody is let in.
pub async fn identify(
    (jetway, gate): (&Jetway, &Gate),
    policy: &Policy,
    head: &Parts,
) -> Result<Identified, Unidentified> {
    let shown = head.extensions.get::<Peer>().and_then(Peer::shown);
    let carried = headers::carried(&head.headers, shown.is_some());
    let choice = choice::choose(&policy.identity, &carried);
    let secret = choice.secret();
    let presented = presented((jetway, gate), policy, (choice, shown)).await?;
    let was = || identity::was(&policy.identity, &policy.name, presented.clone()).map(Box::new);
    let caller = identity::decide(&policy.identity, &policy.name, presented.clone());
    let caller = caller.map_err(|denied| Unidentified::Denied(denied, was()))?;
    let is_ours = |text: &str| Some(text) == secret || choice::is_ours(&policy.identity, text);
    Ok(Identified { caller, onward: headers::outbound(&head.headers, is_ours) })
}

async fn presented(
    (jetway, gate): (&Jetway, &Gate),
    policy: &Policy,
    (choice, shown): (Choice<'_>, Option<&Shown>),
) -> Result<Presented, Unidentified> {
    Ok(match choice {
        Choice::Nothing => Presented::Nothing,
        Choice::Ambiguous => Presented::Ambiguous,
        Choice::Key(text) => Presented::Key(jetway.keys.find(text).await?),
        Choice::Jwt(token) => checked(jetway, policy, &token).await?,
        Choice::Opaque(token) => introspected(jetway, policy, token).await?,
        Choice::Certificate => certified(gate, shown),
        Choice::Foreign(text) => Presented::Foreign { digest: jetway.keyed.digest(&["caller", text])[..16].to_owned() },
    })
}

async fn checked(jetway: &Jetway, policy: &Policy, token: &Unverified<'_>) -> Result<Presented, Unreachable> {
    let Some(rules) = policy.identity.jwt() else { return Ok(Presented::Nothing) };
    let claims = match token.signed(rules) {
        Ok(signed) => jetway.tokens.check(rules.keys(), &signed).await?.map(|()| signed.claims.clone()),
        Err(unfit) => Err(unfit),
    };
    Ok(Presented::Jwt(claims, Timestamp::now()))
}

async fn introspected(jetway: &Jetway, policy: &Policy, token: &str) -> Result<Presented, Unreachable> {
    let (Some(rules), Some(secret)) = (policy.identity.introspection(), &policy.introspection_secret) else {
        return Ok(Presented::Nothing);
    };
    // The token itself is nowhere kept, and an answer counts only for the rules that it was asked by.
    let digest = jetway.keyed.digest(&["token", &policy.name, &policy.version, token]);
    let answer = jetway.tokens.ask(Question { rules, secret, token }, digest).await?;
    Ok(Presented::Introspected(answer, Timestamp::now()))
}

fn certified(gate: &Gate, shown: Option<&Shown>) -> Presented {
    let Some(shown) = shown else { return Presented::Nothing };
    let Some(certificate) = shown.certificate.clone() else { return Presented::UnreadableCertificate };
    let retired = !gate.config.tls.as_ref().is_some_and(|server| server.trusts(shown));
    Presented::Certificate { certificate, retired, now: Timestamp::now() }
}
