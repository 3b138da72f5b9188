//! That a run is over, said by whoever ran it: `POST /{policy}/v1/runs/{id}/end`.

use bytes::Bytes;
use http::{HeaderValue, Response, header};
use jetway_core::wire::route::run_to_end;
use serde_json::json;

use crate::call::Call;
use crate::exchange::Exchange;
use crate::gate::Jetway;
use crate::refusal::Refusal;
use crate::stage::identity;

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
    let of_session = jetway.run_of_session(&policy.name, caller.user(), named);
    let whose = (policy.name.as_str(), caller.user());
    // A session may be called as runs are.
    let run = match named.starts_with(RUN) && ends(&jetway, whose, named).await {
        true => named.to_owned(),
        false if ends(&jetway, whose, &of_session).await => of_session,
        false => return Err(Refusal::NoRun { run: named.to_owned() }),
    };
    // It is no turn of that run, which would open it again.
    exchange.record.detail = Some(format!("ended {run}"));
    let mut response = Response::new(Bytes::from(format!("{}\n", json!({ "run": run, "ended": true }))));
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    Ok(response)
}

/// Has a run of theirs end, if it is open: here, or by the Jetway that served it last, which looks for that
/// every other second.
async fn ends(jetway: &Jetway, whose: (&str, &str), run: &str) -> bool {
    match jetway.state.last(run).await {
        Some(served) if !served.is_open_for(whose.0, whose.1) => false,
        Some(served) if served.by != jetway.endings.here() => jetway.state.tell_end(run).await,
        Some(_) => jetway.endings.end(whose, run) || jetway.state.tell_end(run).await,
        None => jetway.endings.end(whose, run),
    }
}
