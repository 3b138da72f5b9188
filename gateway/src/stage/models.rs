//! Whether the model may be called, and who is asked for it.

use jetway_core::policy::models::{self, Denied};
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

/// # Errors
/// [`Denied`] when the policy does not allow the model, or nobody serves it.
pub fn admit<'a>(gate: &'a Gate, policy: &Policy, request: &Request, model: &str) -> Result<Admitted<'a>, Denied> {
    let names = models::decide(&policy.models, &policy.name, request.dialect, model, &gate.offers)?;
    let upstreams = names.iter().filter_map(|name| gate.upstreams.get(*name)).collect();
    Ok(Admitted { upstreams })
}
