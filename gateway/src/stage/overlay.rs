//! What the agent of a conversation was told differently from how the model made it.

use std::sync::Arc;

use jetway_core::overlay::Edit;

use crate::config::Policy;
use crate::gate::Jetway;
use crate::runs::state::Origin;
use crate::stage::render::Outbound;

/// The edits of a conversation. Where they are not known the request is valid without them, and a word says
/// why its prompt breaks off.
pub async fn recall(jetway: &Arc<Jetway>, policy: &Policy, origin: Origin<'_>) -> (Vec<Edit>, Option<&'static str>) {
    if policy.lockdown.is_none() && policy.context.is_none() && policy.path.is_none() {
        return (Vec::new(), None);
    }
    match jetway.state.edits(origin.conversation).await {
        Ok((edits, is_due)) => {
            if is_due {
                keep(jetway, origin);
            }
            (edits, None)
        }
        Err(error) => {
            tracing::error!(%error, "what an agent was not told is not known");
            jetway.metrics.docs.prefix_breaks.with_label_values(&[policy.name.as_str(), "store"]).inc();
            (Vec::new(), Some("store"))
        }
    }
}

/// What is in use is kept on. Nobody waits for it.
fn keep(jetway: &Arc<Jetway>, Origin { run, conversation, user, began }: Origin<'_>) {
    let [run, conversation, user] = [run, conversation, user].map(str::to_owned);
    let shared = Arc::clone(jetway);
    jetway.tasks.spawn(async move {
        let origin = Origin { run: &run, conversation: &conversation, user: &user, began };
        shared.state.keep_edits(origin).await;
    });
}

/// Counts prompts that do not begin as they did, so that the provider does not find them in its cache. What is
/// returned is the cause, where there is one.
pub fn count((jetway, policy): (&Jetway, &Policy), conversation: &str, outbound: &Outbound) -> Option<&'static str> {
    let cause = jetway.prefixes.go_on(conversation, outbound.prefix(), outbound.overlay().lost)?.name();
    jetway.metrics.docs.prefix_breaks.with_label_values(&[policy.name.as_str(), cause]).inc();
    Some(cause)
}
