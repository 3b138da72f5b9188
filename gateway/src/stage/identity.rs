//! Who is calling.

use http::HeaderMap;
use jetway_core::policy::identity::{self, Caller, Denied, Presented};

use crate::config::Policy;
use crate::gate::Jetway;
use crate::keys;
use crate::store::StoreError;
use crate::upstream::headers;

/// Looks at the credentials of a request and says whose it is; the inner error is a refusal.
///
/// # Errors
/// [`StoreError`] when the keys cannot be read: then nobody is let in.
pub async fn identify(
    jetway: &Jetway,
    policy: &Policy,
    headers: &HeaderMap,
) -> Result<Result<Caller, Denied>, StoreError> {
    let presented = presented(jetway, headers).await?;
    Ok(identity::decide(&policy.identity, &policy.name, presented))
}

async fn presented(jetway: &Jetway, headers: &HeaderMap) -> Result<Presented, StoreError> {
    let found = headers::credentials(headers);
    let (ours, foreign): (Vec<&str>, Vec<&str>) = found.iter().partition(|text| text.starts_with(keys::PREFIX));
    Ok(match (ours.as_slice(), foreign.as_slice()) {
        ([], []) => Presented::Nothing,
        // A key of ours says who calls; what else is there is for the provider.
        ([key], _) => Presented::Key(jetway.keys.find(key).await?),
        ([], [one]) => Presented::Foreign { digest: jetway.keyed.digest(&["caller", one])[..16].to_owned() },
        _ => Presented::Ambiguous,
    })
}
