//! Sending a request to the first provider that answers it. Another is tried only until the
//! first byte of a reply: after that an agent may already have acted on what it read.

use bytes::Bytes;
use http::request::Parts;
use http::{HeaderMap, Method, Response};
use hyper::body::Incoming;
use jetway_core::wire::Dialect;
use jetway_core::wire::route::Endpoint;

use crate::exchange::Exchange;
use crate::runs::{Decision, What};
use crate::stage::budget::Hold;
use crate::stage::identity::Identified;
use crate::stage::render::Outbound;
use crate::upstream::{Failed, NoCredential, Outgoing, Upstream, is_elsewhere_better};

/// A provider, and the headers that it is sent.
#[derive(Debug)]
pub struct Target<'a> {
    pub upstream: &'a Upstream,
    pub headers: HeaderMap,
}

/// The providers that there is a credential for, in order. A caller's own credential is for the
/// one provider that it was meant for: it is never tried on a second.
///
/// # Errors
/// [`NoCredential`] of the first, when there is none for any.
pub fn targets<'a>(upstreams: &[&'a Upstream], identified: &Identified) -> Result<Vec<Target<'a>>, NoCredential> {
    let mut found: Vec<Target<'a>> = Vec::with_capacity(upstreams.len());
    let mut missing = None;
    for upstream in upstreams {
        if upstream.takes_the_callers() && found.iter().any(|target| target.upstream.takes_the_callers()) {
            continue;
        }
        let mut headers = identified.onward.clone();
        match upstream.authorize(&mut headers, identified.caller.is_known()) {
            Ok(()) => found.push(Target { upstream, headers }),
            Err(error) => missing = missing.or(Some(error)),
        }
    }
    match missing {
        Some(error) if found.is_empty() => Err(error),
        _ => Ok(found),
    }
}

/// Behind a provider's base URL.
#[must_use]
pub fn path_of(endpoint: Endpoint) -> &'static str {
    match endpoint {
        Endpoint::Reply(Dialect::Messages) => "/messages",
        Endpoint::Reply(Dialect::Chat) => "/chat/completions",
        Endpoint::Reply(Dialect::Responses) => "/responses",
        Endpoint::CountTokens => "/messages/count_tokens",
        Endpoint::Models | Endpoint::Usage | Endpoint::End | Endpoint::Probe => "/models",
    }
}

/// A reply that begins.
#[derive(Debug)]
pub struct Sent<'a> {
    pub upstream: &'a Upstream,
    /// What the provider was sent, for another turn of the same reply.
    pub headers: HeaderMap,
    pub response: Response<Incoming>,
}

/// Sends what was reserved for, and waits until a reply begins.
///
/// # Errors
/// [`Failed`] of the last provider, when none gave a reply.
pub async fn send<'a>(
    targets: Vec<Target<'a>>,
    path: &'static str,
    (outbound, _reserved): (&Outbound, &Hold),
    (head, exchange): (&Parts, &mut Exchange),
) -> Result<Sent<'a>, Failed> {
    let query = head.uri.query();
    let body = outbound.bytes();
    let targets = rested(targets, exchange);
    let last = targets.len().saturating_sub(1);
    let mut failed = Failed::Connect { provider: String::from("none"), why: String::from("there is no provider") };
    for (at, target) in targets.into_iter().enumerate() {
        let provider = &target.upstream.provider;
        exchange.sending(&provider.name);
        let patience = if exchange.record.stream { provider.timeouts.first_byte } else { provider.timeouts.whole };
        let Target { upstream, headers } = target;
        let outgoing = outgoing(path, query, headers.clone(), body);
        let why;
        match upstream.send(outgoing, patience, &exchange.jetway().metrics).await {
            Ok(response) if at == last || !is_elsewhere_better(response.status()) => {
                return Ok(Sent { upstream, headers, response });
            }
            Ok(response) => {
                let status = response.status();
                tracing::warn!(provider = provider.name, status = status.as_u16(), "trying the next provider");
                why = format!("it answered {status}");
            }
            Err(error @ Failed::Connect { .. }) => {
                tracing::warn!(%error, "no reply");
                why = error.to_string();
                failed = error;
            }
            // It may have worked for us, and what was set aside pays for one that does.
            Err(error) => return Err(error),
        }
        exchange.owes_nothing();
        if at < last {
            exchange.record.decides(Decision::new(What::Failover, &provider.name).because(&why));
            exchange.jetway().metrics.providers.failovers.with_label_values(&[&provider.name]).inc();
        }
    }
    Err(failed)
}

/// Those that failed lately come behind the others.
fn rested<'a>(targets: Vec<Target<'a>>, exchange: &mut Exchange) -> Vec<Target<'a>> {
    if targets.len() < 2 {
        return targets;
    }
    let (resting, ready): (Vec<_>, Vec<_>) = targets.into_iter().partition(|target| target.upstream.rests());
    for target in resting.iter().filter(|_| !ready.is_empty()) {
        let resting = Decision::new(What::Resting, &target.upstream.provider.name);
        exchange.record.decides(resting.because("it failed lately, and others are asked first"));
    }
    ready.into_iter().chain(resting).collect()
}

fn outgoing(path: &'static str, query: Option<&str>, headers: HeaderMap, body: &Bytes) -> Outgoing {
    Outgoing { method: Method::POST, path, query: query.map(str::to_owned), headers, body: body.clone() }
}
