//! The bytes that go to the provider: the agent's own, with the spans changed that a stage meant
//! to change, and nothing re-serialised.

use bytes::Bytes;
use jetway_core::wire::patch::Overlap;
use jetway_core::wire::request::Request;

use crate::config::Policy;
use crate::exchange::Cost;
use crate::gate::Gate;
use crate::stage::budget::price;
use crate::stage::context::Context;
use crate::stage::lockdown::Permit;

/// A request as it is sent. Made only by [`render`].
#[derive(Debug)]
pub struct Outbound {
    bytes: Bytes,
    output_limit: Option<u64>,
    replies: u64,
    cost: Cost,
    hides_usage: bool,
}

impl Outbound {
    #[must_use]
    pub fn bytes(&self) -> &Bytes {
        &self.bytes
    }

    /// The most tokens of one reply; none where nothing limits it.
    #[must_use]
    pub fn output_limit(&self) -> Option<u64> {
        self.output_limit
    }

    #[must_use]
    pub fn replies(&self) -> u64 {
        self.replies
    }

    #[must_use]
    pub fn cost(&self) -> &Cost {
        &self.cost
    }

    /// Whether usage was asked for that the agent does not expect.
    #[must_use]
    pub fn hides_usage(&self) -> bool {
        self.hides_usage
    }
}

/// Puts the stages' changes together. A request that asks for no reply has no limit on one.
///
/// # Errors
/// [`Overlap`] if two stages wanted the same bytes.
pub fn render(
    gate: &Gate,
    policy: &Policy,
    request: &Request,
    permit: Permit,
    (context, is_reply): (&Context, bool),
) -> Result<Outbound, Overlap> {
    let mut patch = permit.into_patch();
    if !context.text().is_empty() {
        request.add_system_text(context.text(), &mut patch);
    }
    let output_limit = match policy.budget.output_limit() {
        Some(most) if is_reply => Some(request.limit_output(most, &mut patch)),
        _ => request.output_limit,
    };
    let hides_usage = request.ask_for_usage(&mut patch);
    let bytes = patch.apply(&request.json)?;
    let cost = price(gate, policy, request, bytes.len());
    Ok(Outbound { bytes, output_limit, replies: request.replies, cost, hides_usage })
}
