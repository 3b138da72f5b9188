//! Bodies are kept beside the run log, if an operator wants that: off the path, and shed before
//! anything else where there is too much to do.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use bytes::Bytes;
use tracing::Instrument;

use crate::config::{Bodies, Policy};
use crate::gate::{Gate, Jetway};
use crate::runs::body::{Body, mapped, mapped_said, words};

/// Bytes that wait to be written at once; of more, bodies are shed.
const MOST_WAITING: usize = 64 << 20;
/// Rows that a store is yet to be told of, from which on it is told of no bodies.
const MOST_BEHIND: usize = 1_000;

/// Writes a body down, redacted where that is wanted. Returns at once.
pub fn keep(jetway: &Arc<Jetway>, (gate, policy): (Arc<Gate>, Option<String>), body: Body) {
    let how = jetway.gate.load().config.runs.bodies;
    let weight = body.sent.len();
    let waiting = jetway.bodies.fetch_add(weight, Ordering::Relaxed) + weight;
    let is_behind = jetway.log.waiting() > MOST_BEHIND || jetway.log.undelivered() > MOST_BEHIND;
    if how == Bodies::None || waiting > MOST_WAITING || is_behind {
        jetway.bodies.fetch_sub(weight, Ordering::Relaxed);
        if how != Bodies::None {
            count(jetway, "shed");
        }
        return;
    }
    let jetway = Arc::clone(jetway);
    let tasks = jetway.tasks.clone();
    let keeping = async move {
        let searching = Arc::clone(&jetway);
        let made = move || {
            let policy = policy.and_then(|policy| gate.config.policies.get(&policy));
            let body = if how == Bodies::Redacted { redacted(&searching, policy, body)? } else { body };
            Ok(Body { words: words(&body.sent, body.said.as_deref()), ..body })
        };
        let made = tokio::task::spawn_blocking(made).await.unwrap_or_else(|error| Err(error.to_string()));
        let kept = match made {
            Ok(body) => jetway.log.keep_body(body).await.map_err(|error| error.to_string()),
            Err(why) => Err(why),
        };
        jetway.bodies.fetch_sub(weight, Ordering::Relaxed);
        if let Err(error) = &kept {
            tracing::warn!(error, "a body was not kept");
        }
        count(&jetway, if kept.is_ok() { "kept" } else { "failed" });
    };
    tasks.spawn(keeping.in_current_span());
}

fn count(jetway: &Jetway, result: &str) {
    jetway.metrics.runs.bodies.with_label_values(&[result]).inc();
}

/// Without secrets: in what cannot be searched there may be some, so that it is not kept.
fn redacted(jetway: &Jetway, policy: Option<&Policy>, body: Body) -> Result<Body, String> {
    let policy = policy.ok_or("its policy is gone, and with it what secrets are")?;
    let searcher = jetway.searchers.always(policy)?;
    let exchange = |text: &str| searcher.search(text).text.clone();
    let unread = |error: serde_json::Error| error.to_string();
    let said = body.said.as_ref().map(|said| mapped_said(said, &exchange)).transpose().map_err(unread)?;
    let sent = mapped(&body.sent, &exchange).map_err(unread)?;
    Ok(Body { sent: Bytes::from(sent), said, ..body })
}
