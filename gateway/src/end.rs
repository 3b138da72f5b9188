//! That a run is over, said by whoever ran it: `POST /{policy}/v1/runs/{id}/end`.

use bytes::Bytes;
use http::{HeaderValue, Response, header};
use jetway_core::wire::route::run_to_end;
use serde_json::json;

use crate::call::Call;
use crate::endings::Said;
use crate::exchange::Exchange;
use crate::refusal::Refusal;
use crate::runs::state::Last;
use crate::stage::{identity, interrogation};

/// How the ids of runs begin, as replies name them in `x-jetway-run`.
const RUN: &str = "run_";

/// Ends a run of the caller's, by its id or by the session that its agent names. Where something is
/// under way in it, it ends when that does; what comes later opens it again.
///
/// # Errors
/// [`Refusal`] when the caller is not known, or no such run of theirs is open.
pub async fn end(call: Call<'_>, exchange: &mut Exchange) -> Result<Response<Bytes>, Refusal> {
    let jetway = std::sync::Arc::clone(exchange.jetway());
    let policy = call.policy;
    let caller = identity::identify((&jetway, call.gate), policy, call.head).await?.caller;
    exchange.called_by(&caller);
    let named = run_to_end(call.head.uri.path()).unwrap_or_default();
    let run = match named.starts_with(RUN) {
        true => named.to_owned(),
        false => jetway.run_of_session(&policy.name, caller.user(), named),
    };
    // Another Jetway may have served it since, which then is the one that ends it.
    let is_elsewhere = matches!(jetway.state.last(&run).await, Last::At(place) if place != jetway.endings.here());
    let said = match is_elsewhere {
        true => Said::Unknown,
        false => jetway.endings.end((&policy.name, caller.user()), &run),
    };
    let is_known = match said {
        Said::Now(over) => {
            interrogation::begin(&jetway, *over, None);
            true
        }
        Said::Later => true,
        // Another Jetway may have it, and looks before it takes it for one that fell quiet.
        Said::Unknown => jetway.state.end_elsewhere(&run).await,
    };
    if !is_known {
        return Err(Refusal::NoRun { run: named.to_owned() });
    }
    // It is no turn of that run, which would open it again.
    exchange.record.detail = Some(format!("ended {run}"));
    let mut response = Response::new(Bytes::from(format!("{}\n", json!({ "run": run, "ended": true }))));
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    Ok(response)
}
