//! The models that a caller may use: what the policy's providers list, less what the policy does
//! not allow. Every model keeps the bytes that its provider describes it by.

use bytes::Bytes;
use http::{HeaderValue, Method, Response, header};
use http_body_util::{BodyExt, Limited};
use jetway_core::wire::Dialect;
use jetway_core::wire::json::{Json, Value};

use crate::call::Call;
use crate::dispatch::{Target, targets};
use crate::exchange::Exchange;
use crate::metrics::Metrics;
use crate::refusal::Refusal;
use crate::stage::identity;
use crate::upstream::{Failed, Outgoing, Upstream};

/// The most bytes of one provider's list.
const LARGEST_LIST: usize = 4 << 20;

/// Asks the policy's providers for their models. One that cannot be asked is left out, unless
/// none can.
///
/// # Errors
/// [`Refusal`] when the caller is not known, or no provider answers.
pub async fn models(call: Call<'_>, exchange: &mut Exchange) -> Result<Response<Bytes>, Refusal> {
    let jetway = std::sync::Arc::clone(exchange.jetway());
    let identified = identity::identify((&jetway, call.gate), call.policy, call.head).await?;
    exchange.called_by(&identified.caller);
    let mut listed = Vec::new();
    let mut failed = None;
    let named = call.policy.models.providers().iter().filter_map(|name| call.gate.upstreams.get(name));
    let speaking: Vec<&Upstream> = named.filter(|upstream| speaks(upstream, call.dialect)).collect();
    for target in targets(&speaking, &identified)? {
        match list(call, target, &jetway.metrics).await {
            Ok(json) => listed.push(json),
            Err(refusal) => failed = failed.or(Some(refusal)),
        }
    }
    match failed {
        Some(refusal) if listed.is_empty() => Err(refusal),
        _ => Ok(answer(call, &listed)),
    }
}

fn speaks(upstream: &Upstream, dialect: Dialect) -> bool {
    let messages = upstream.provider.offer.speaks.contains(&Dialect::Messages);
    messages == (dialect == Dialect::Messages)
}

async fn list(call: Call<'_>, Target { upstream, headers }: Target<'_>, metrics: &Metrics) -> Result<Json, Refusal> {
    let query = call.head.uri.query().map(str::to_owned);
    let outgoing = Outgoing { method: Method::GET, path: "/models", query, headers, body: Bytes::new() };
    let response = upstream.send(outgoing, upstream.provider.timeouts.first_byte, metrics).await?;
    let provider = || upstream.provider.name.clone();
    let status = response.status();
    let unchecked = |why: String| Refusal::Unchecked { provider: provider(), why };
    if !status.is_success() {
        return Err(Failed::Broke { provider: provider(), why: format!("it answered {status}") }.into());
    }
    let silence = upstream.provider.timeouts.between_bytes;
    let body = tokio::time::timeout(silence, Limited::new(response.into_body(), LARGEST_LIST).collect()).await;
    let body =
        body.map_err(|_| unchecked(String::from("it stopped")))?.map_err(|error| unchecked(error.to_string()))?;
    Json::read(body.to_bytes()).map_err(|error| unchecked(error.to_string()))
}

fn answer(call: Call<'_>, listed: &[Json]) -> Response<Bytes> {
    let mut ids = Vec::new();
    let mut models = Vec::new();
    for model in listed.iter().flat_map(|json| json.root().get("data")).flat_map(Value::items) {
        let Some(id) = model.get("id").and_then(Value::text).filter(|id| call.policy.models.allows(id)) else {
            continue;
        };
        if !ids.contains(&id) {
            ids.push(id);
            models.push(model.raw());
        }
    }
    let data = models.join(",");
    let body = match call.dialect {
        Dialect::Messages => {
            let end = |id: Option<&std::borrow::Cow<'_, str>>| {
                id.map_or_else(|| "null".to_owned(), |id| jetway_core::wire::json::quote(id))
            };
            let (first, last) = (end(ids.first()), end(ids.last()));
            format!("{{\"data\":[{data}],\"has_more\":false,\"first_id\":{first},\"last_id\":{last}}}")
        }
        Dialect::Chat | Dialect::Responses => format!("{{\"object\":\"list\",\"data\":[{data}]}}"),
    };
    let mut response = Response::new(Bytes::from(body));
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}
