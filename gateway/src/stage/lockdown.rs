//! Which tools the model is offered.

use jetway_core::policy::lockdown::{Decision, Warden};
use jetway_core::stream::guard::Guard;
use jetway_core::wire::patch::Patch;
use jetway_core::wire::request::Request;

use crate::config::Policy;

/// The tools of a request as the model may see them. Made only by [`lock`].
#[derive(Debug)]
pub struct Permit {
    patch: Patch,
    offered: usize,
    removed: Vec<String>,
}

impl Permit {
    /// How many tools the agent offers.
    #[must_use]
    pub fn offered(&self) -> usize {
        self.offered
    }

    /// The tools that the model does not get to see.
    #[must_use]
    pub fn removed(&self) -> &[String] {
        &self.removed
    }

    /// What must change in the request.
    pub(crate) fn patch(&self) -> &Patch {
        &self.patch
    }
}

/// Names are the agent's; a log has no use for the rest of a very long one.
const LONGEST_NAME: usize = 128;
/// Nor has it for more names than an agent ever offers.
const MOST_NAMES: usize = 200;

#[must_use]
pub fn lock(policy: &Policy, request: &Request) -> Permit {
    let tools = request.tools();
    let mut permit = Permit { patch: Patch::default(), offered: tools.len(), removed: Vec::new() };
    let Some(rules) = &policy.lockdown else { return permit };
    for tool in tools {
        if rules.offers(tool) != Decision::Allow && permit.removed.len() < MOST_NAMES {
            let name = tool.name.as_deref().unwrap_or("(unknown kind)");
            permit.removed.push(name.chars().take(LONGEST_NAME).collect());
        }
    }
    request.prune_tools(&|tool| rules.offers(tool) == Decision::Allow, &mut permit.patch);
    permit
}

/// What watches the reply, where a lock is on.
#[must_use]
pub fn guard(policy: &Policy, request: &Request) -> Option<Guard<Warden>> {
    let rules = policy.lockdown.clone()?;
    // Of several replies at once nobody can tell which one the agent goes on with.
    let may_answer = request.replies == 1;
    Some(Guard::new(Warden::new(rules, &policy.name), request.dialect, may_answer))
}
