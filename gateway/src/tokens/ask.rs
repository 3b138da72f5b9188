//! Asking somebody for a document in JSON: within a time, within a size, without following where
//! it points.

use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Request, header};
use http_body_util::{BodyExt, Full, Limited};
use jetway_core::policy::identity::claims::Claims;
use rustls::ClientConfig;

use crate::metrics::Metrics;
use crate::upstream::{self, Connections};

/// How long a question may take, from its connection to the last byte of its answer.
const PATIENCE: Duration = Duration::from_secs(5);

/// What is asked about: a label of metrics.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum About {
    Keys,
    Token,
}

/// Asks.
#[derive(Debug, Clone)]
pub(super) struct Asker {
    client: Connections,
    metrics: Metrics,
}

/// What was answered.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) headers: HeaderMap,
    pub(super) document: Claims,
}

impl Asker {
    pub(super) fn new(tls: ClientConfig, metrics: Metrics) -> Self {
        Self { client: upstream::client(tls, PATIENCE), metrics }
    }

    /// Sends a question. The error is a sentence that holds nothing of the question or the answer.
    pub(super) async fn ask(&self, request: Request<Full<Bytes>>, most: usize) -> Result<Answer, String> {
        match tokio::time::timeout(PATIENCE, self.answered(request, most)).await {
            Ok(answer) => answer,
            Err(_) => Err(format!("it did not answer within {} s", PATIENCE.as_secs())),
        }
    }

    async fn answered(&self, mut request: Request<Full<Bytes>>, most: usize) -> Result<Answer, String> {
        request.headers_mut().insert(header::ACCEPT, HeaderValue::from_static("application/json"));
        let response = self.client.request(request).await.map_err(|error| upstream::innermost(&error))?;
        let (head, body) = response.into_parts();
        if head.status != http::StatusCode::OK {
            return Err(format!("it answered {}", head.status));
        }
        let body = Limited::new(body, most).collect().await;
        let body = body.map_err(|_| format!("its answer broke off, or is larger than {most} bytes"))?.to_bytes();
        let document =
            serde_json::from_slice(&body).map_err(|_| String::from("its answer is not an object in JSON"))?;
        Ok(Answer { headers: head.headers, document })
    }

    /// Counts a question.
    pub(super) fn count(&self, about: About, answered: bool) {
        let about = match about {
            About::Keys => "keys",
            About::Token => "token",
        };
        let result = if answered { "answered" } else { "failed" };
        self.metrics.exchanges.asked_issuers.with_label_values(&[about, result]).inc();
    }
}
