//! Whether the model may be called, and who is asked for it.

use jetway_core::policy::models::{self, Allowed, Denied, Wanted};
use jetway_core::wire::request::Request;

use crate::config::Policy;
use crate::gate::Gate;
use crate::upstream::Upstream;

/// The providers that may be asked, in order; never none. Made only by [`admit`].
#[derive(Debug)]
pub struct Admitted<'a> {
    upstreams: Vec<&'a Upstream>,
}

impl<'a> Admitted<'a> {
    #[must_use]
    pub fn upstreams(&self) -> &[&'a Upstream] {
        &self.upstreams
    }
}

/// Admits a request. A caller's own list can only narrow what the policy allows; a request that
/// asks for no reply asks for no effort either.
///
/// # Errors
/// [`Denied`] when the model or its effort is not allowed, or nobody serves it.
pub fn admit<'a>(
    gate: &'a Gate,
    policy: &Policy,
    callers: Option<&Allowed>,
    (request, model, is_reply): (&Request, &str, bool),
) -> Result<Admitted<'a>, Denied> {
    let effort = is_reply.then_some(&request.effort);
    let wanted = Wanted { dialect: request.dialect, model, effort };
    let names = models::decide(&policy.models, &policy.name, callers, &wanted, &gate.offers)?;
    let upstreams = names.iter().filter_map(|name| gate.upstreams.get(*name)).collect();
    Ok(Admitted { upstreams })
}
