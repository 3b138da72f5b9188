//! Whether the model may be called, and who is asked for it.

use jetway_core::policy::models::{self, Allowed, Denied, Wanted};
use jetway_core::wire::effort::Effort;
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

/// A run's step has its requests sent otherwise than their agent asks, and that may not be.
#[derive(Debug, thiserror::Error)]
#[error(
    "the step `{step}` of this run has a model or an effort of its own, and with it: {why}. An operator can change `breadcrumbs` or `models` of the policy"
)]
pub struct StepDenied {
    pub step: String,
    pub why: Denied,
}

/// Admits a request, as the agent makes it. A caller's own list can only narrow what the policy allows; a request that
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
    decided(gate, policy, callers, &wanted)
}

/// Admits a request for a reply as it is sent: to this model, and with the effort of the run's step.
///
/// # Errors
/// [`Denied`] as for [`admit`].
pub fn admit_sent<'a>(
    gate: &'a Gate,
    policy: &Policy,
    callers: Option<&Allowed>,
    (request, model, effort): (&Request, &str, Option<Effort>),
) -> Result<Admitted<'a>, Denied> {
    // One that was read once is not malformed now.
    let effort = effort.and_then(|effort| request.effort_with(effort).ok()).unwrap_or_else(|| request.effort.clone());
    decided(gate, policy, callers, &Wanted { dialect: request.dialect, model, effort: Some(&effort) })
}

fn decided<'a>(
    gate: &'a Gate,
    policy: &Policy,
    callers: Option<&Allowed>,
    wanted: &Wanted<'_>,
) -> Result<Admitted<'a>, Denied> {
    let names = models::decide(&policy.models, &policy.name, callers, wanted, &gate.offers)?;
    let upstreams = names.iter().filter_map(|name| gate.upstreams.get(*name)).collect();
    Ok(Admitted { upstreams })
}
