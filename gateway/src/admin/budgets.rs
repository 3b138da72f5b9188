//! Budgets over the admin port: what `jetway budgets` does.

use bytes::Bytes;
use http::{Response, StatusCode};
use serde::Deserialize;

use crate::admin::{Answered, json, refused};
use crate::amend::{self, Failed, Wish};
use crate::gate::Jetway;

/// A change, and why it is made.
#[derive(Debug, Deserialize)]
pub(super) struct Change {
    reason: String,
    /// Who asks for it, for the run log.
    #[serde(default)]
    by: Option<String>,
    #[serde(flatten)]
    wish: Wish,
}

/// How the accounts stand, of all policies or of `?policy=`.
pub(super) async fn list(jetway: &Jetway, query: Option<&str>) -> Answered {
    let gate = jetway.gate.load_full();
    let asked = query.into_iter().flat_map(|query| query.split('&')).find_map(|pair| pair.strip_prefix("policy="));
    let policies: Vec<String> =
        gate.config.policies.keys().filter(|name| asked.is_none_or(|asked| asked == *name)).cloned().collect();
    if policies.is_empty() {
        return Err(refused(StatusCode::NOT_FOUND, "there is no such policy"));
    }
    match amend::books(&*jetway.ledger, &policies).await {
        Ok(books) => Ok(json(&books)),
        Err(error) => Err(refused(StatusCode::SERVICE_UNAVAILABLE, &error.to_string())),
    }
}

/// Raises, resets or releases.
pub(super) async fn amend(jetway: &Jetway, change: Change) -> Answered {
    let gate = jetway.gate.load_full();
    let by = change.by.as_deref().map_or_else(|| String::from("admin port"), |by| by.chars().take(100).collect());
    let done = amend::amend((&gate.config, &*jetway.ledger, &jetway.log), change.wish, (&change.reason, &by)).await;
    match done {
        Ok(()) => Ok(json(&serde_json::json!({ "done": true }))),
        Err(error) => Err(failed(&error)),
    }
}

fn failed(error: &Failed) -> Response<Bytes> {
    let status = match error {
        Failed::NoPolicy(_) | Failed::Nothing(_) => StatusCode::NOT_FOUND,
        Failed::Unreachable(_) | Failed::NoLog => StatusCode::SERVICE_UNAVAILABLE,
        _ => StatusCode::BAD_REQUEST,
    };
    refused(status, &error.to_string())
}
