//! Sends spans in batches, over HTTP, and again where that may help.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderValue, Method, Request, header};
use http_body_util::{BodyExt, Full, Limited};
use prost::Message;
use rustls::ClientConfig;
use tokio_util::sync::CancellationToken;

use crate::config::Traces;
use crate::traces::Waiting;
use crate::traces::retry::{Met, Verdict, decide, seconds};
use crate::traces::wire::{self, Answer, Attributes, Resource, ResourceSpans, Scope, ScopeSpans, Span};
use crate::upstream::{self, Connections};

/// Spans of a batch.
const BATCH: usize = 512;
/// How long others may join the first one.
const GATHERING: Duration = Duration::from_millis(500);
/// How long all that is left may take when this process ends.
const FLUSHING: Duration = Duration::from_secs(2);
/// The most of an answer that is read.
const MOST_ANSWER: usize = 64 << 10;

const VERSION: &str = env!("CARGO_PKG_VERSION");

pub(super) struct Sender {
    settings: Traces,
    client: Connections,
    resource: Resource,
    waiting: Arc<Waiting>,
}

impl Sender {
    pub(super) fn new(settings: Traces, tls: ClientConfig, here: &str, waiting: Arc<Waiting>) -> Self {
        let client = upstream::client(tls, settings.timeout);
        let mut said = Attributes::default();
        said.say("service.name", "jetway");
        said.say("service.version", VERSION);
        said.say("service.instance.id", here);
        Self { settings, client, resource: Resource { attributes: said.0 }, waiting }
    }

    /// Sends what waits, until `close`; and then what is left, once, for a moment.
    pub(super) async fn run(self, close: CancellationToken) {
        {
            let sending = pin!(self.send(&close));
            let too_long = async {
                close.cancelled().await;
                tokio::time::sleep(FLUSHING).await;
            };
            tokio::select! {
                () = sending => {}
                () = too_long => tracing::warn!("the collector at `traces.otlp` did not take all spans in time"),
            }
        }
        self.waiting.count("failed", self.waiting.take(usize::MAX).len());
    }

    async fn send(&self, close: &CancellationToken) {
        while !close.is_cancelled() {
            let gathered = async {
                self.waiting.some().await;
                tokio::time::sleep(GATHERING).await;
            };
            tokio::select! {
                () = close.cancelled() => {}
                () = gathered => {}
            }
            if close.is_cancelled() {
                self.waiting.end();
            }
            self.send_all(close).await;
        }
    }

    async fn send_all(&self, close: &CancellationToken) {
        loop {
            let spans = self.waiting.take(BATCH);
            if spans.is_empty() {
                return;
            }
            let mut batch = Batch { waiting: &self.waiting, left: spans.len() };
            let (sent, refused) = self.deliver(self.encoded(spans), close).await;
            batch.sent(sent, refused);
        }
    }

    fn encoded(&self, spans: Vec<Span>) -> Bytes {
        let scope = Scope { name: String::from("jetway"), version: String::from(VERSION) };
        let scope_spans = vec![ScopeSpans { scope: Some(scope), spans }];
        let resource_spans = vec![ResourceSpans { resource: Some(self.resource.clone()), scope_spans }];
        wire::Request { resource_spans }.encode_to_vec().into()
    }

    /// Sends a batch, as often as it takes. Returns whether it was taken, and how many of it were not.
    async fn deliver(&self, body: Bytes, close: &CancellationToken) -> (bool, u64) {
        for attempts in 1.. {
            let met = tokio::time::timeout(self.settings.timeout, self.post(body.clone())).await;
            let met = met.unwrap_or_else(|_| {
                Met::Silence(format!("it did not answer within {} s", self.settings.timeout.as_secs_f64()))
            });
            match decide(met, attempts) {
                Verdict::Sent { refused } => {
                    if refused > 0 {
                        tracing::warn!(refused, "the collector at `traces.otlp` refused some spans");
                    }
                    return (true, refused);
                }
                Verdict::GivenUp { why } => {
                    tracing::warn!(
                        why,
                        attempts,
                        "spans were not taken by the collector at `traces.otlp`, and are lost"
                    );
                    return (false, 0);
                }
                // Nothing is waited for any more.
                Verdict::Again { why, .. } if close.is_cancelled() => {
                    tracing::warn!(
                        why,
                        "spans were not taken by the collector at `traces.otlp` at the end, and are lost"
                    );
                    return (false, 0);
                }
                Verdict::Again { after, why } => {
                    tracing::info!(why, attempts, "spans were not taken by the collector at `traces.otlp` yet");
                    tokio::select! {
                        () = close.cancelled() => {}
                        () = tokio::time::sleep(after) => {}
                    }
                }
            }
        }
        (false, 0)
    }

    async fn post(&self, body: Bytes) -> Met {
        let mut request = Request::new(Full::new(body));
        *request.method_mut() = Method::POST;
        *request.uri_mut() = self.settings.url.clone();
        let headers = request.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/x-protobuf"));
        headers.insert(header::USER_AGENT, HeaderValue::from_static(concat!("jetway/", env!("CARGO_PKG_VERSION"))));
        headers.extend(self.settings.headers.clone());
        let response = match self.client.request(request).await {
            Ok(response) => response,
            Err(error) => return Met::Silence(upstream::innermost(&error)),
        };
        let (head, body) = response.into_parts();
        let wait = head.headers.get(header::RETRY_AFTER).and_then(|wait| seconds(wait.to_str().ok()?));
        // It is read to its end, so that the connection serves again.
        let body = Limited::new(body, MOST_ANSWER).collect().await;
        if !head.status.is_success() {
            return Met::Status { code: head.status.as_u16(), wait };
        }
        // What cannot be read is no reason to send again what was taken.
        let answer = body.ok().and_then(|body| Answer::decode(body.to_bytes()).ok()).unwrap_or_default();
        let refused = answer.partial_success.map_or(0, |partial| partial.rejected_spans);
        Met::Taken { refused: u64::try_from(refused).unwrap_or_default() }
    }
}

/// Spans that are being sent. Whatever becomes of that, they are counted.
struct Batch<'a> {
    waiting: &'a Waiting,
    left: usize,
}

impl Batch<'_> {
    fn sent(&mut self, is_sent: bool, refused: u64) {
        if is_sent {
            let refused = usize::try_from(refused).unwrap_or(usize::MAX).min(self.left);
            self.waiting.count("sent", self.left - refused);
            self.left = refused;
        }
    }
}

impl Drop for Batch<'_> {
    fn drop(&mut self) {
        self.waiting.count("failed", self.left);
    }
}
