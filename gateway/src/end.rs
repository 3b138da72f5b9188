//! That a run is over, said by whoever ran it: `POST /{policy}/v1/runs/{id}/end`.

use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderValue, Response, header};
use jetway_core::wire::route::run_to_end;
use serde_json::json;

use crate::call::Call;
use crate::endings::Said;
use crate::exchange::Exchange;
use crate::gate::Jetway;
use crate::refusal::Refusal;
use crate::runs::state::{Last, Owner};
use crate::stage::{identity, interrogation};

/// How the ids of runs begin, as replies name them in `x-jetway-run`.
const RUN: &str = "run_";

/// Ends a run of the caller's, by its id or by the session that its agent names. Where something is
/// under way in it, it ends when that does; what comes later opens it again.
///
/// # Errors
/// [`Refusal`] when the caller is not known, or no such run of theirs is open.
pub async fn end(call: Call<'_>, exchange: &mut Exchange) -> Result<Response<Bytes>, Refusal> {
    let jetway = Arc::clone(exchange.jetway());
    let policy = call.policy;
    let caller = identity::identify((&jetway, call.gate), policy, call.head).await?.caller;
    exchange.called_by(&caller);
    let named = run_to_end(call.head.uri.path()).unwrap_or_default();
    let owner = (policy.name.as_str(), caller.user());
    // A session may be called as an id is.
    let run = match named.starts_with(RUN) && ends(&jetway, owner, named).await {
        true => named.to_owned(),
        false => {
            let run = jetway.run_of_session(&policy.name, caller.user(), named);
            if !ends(&jetway, owner, &run).await {
                return Err(Refusal::NoRun { run: named.to_owned() });
            }
            run
        }
    };
    // It is no turn of that run, which would open it again.
    exchange.record.detail = Some(format!("ended {run}"));
    let mut response = Response::new(Bytes::from(format!("{}\n", json!({ "run": run, "ended": true }))));
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    Ok(response)
}

/// Ends a run, if it is open and theirs. Returns whether it is.
async fn ends(jetway: &Arc<Jetway>, owner: Owner<'_>, run: &str) -> bool {
    match jetway.state.last(run).await {
        // Another Jetway has served it since, which then is the one that ends it.
        Last::At(place) | Last::Told(place) if place != jetway.endings.here() => {
            return jetway.state.end_elsewhere(run, owner).await;
        }
        _ => {}
    }
    match jetway.endings.end(owner, run) {
        Said::Now(over) => interrogation::begin(jetway, *over, None),
        Said::Later => {}
        Said::Unknown => return false,
    }
    true
}
