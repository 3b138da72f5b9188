//! What the agent of a conversation was told differently from how the model made it.

use jetway_core::overlay::Edit;

use crate::config::Policy;
use crate::gate::Jetway;
use crate::stage::render::Outbound;

/// The edits of a conversation. Where they are not known the request is valid without them.
pub async fn recall(jetway: &Jetway, policy: &Policy, conversation: &str) -> Vec<Edit> {
    if policy.lockdown.is_none() {
        return Vec::new();
    }
    match jetway.state.edits(conversation).await {
        Ok(edits) => edits,
        Err(error) => {
            tracing::error!(%error, "what an agent was not told is not known");
            jetway.metrics.overlay_lost.with_label_values(&["store"]).inc();
            Vec::new()
        }
    }
}

/// Counts the edits that did not find their place: what the provider has in its cache is another
/// conversation then.
pub fn count(jetway: &Jetway, outbound: &Outbound) {
    let lost = outbound.overlay().lost as u64;
    if lost > 0 {
        jetway.metrics.overlay_lost.with_label_values(&["moved"]).inc_by(lost);
    }
}
