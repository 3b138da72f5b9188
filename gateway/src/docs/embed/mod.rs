//! What texts mean, asked of a model somewhere: of sections in the background, kept on disk; of a
//! task within the time that its request may wait. Whoever answers is the operator's own choice, so
//! it may be this machine, which pages are never fetched from.

mod kept;
mod work;

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderValue, Request, StatusCode, header};
use http_body_util::{BodyExt, Full, Limited};
use jetway_core::policy::context;
use jetway_core::retrieval::meaning::Vector;
use jetway_core::wire::embeddings;
use rustls::ClientConfig;
use secrecy::{ExposeSecret, SecretString};
use tokio::sync::Semaphore;

use crate::config::Policy;
use crate::metrics::Metrics;
use crate::upstream::{self, Connections};

pub(super) use kept::{Kept, key};
pub(super) use work::{Work, wanted, wanted_count};

/// How long a connection may take to open.
const CONNECT: Duration = Duration::from_secs(5);
/// The largest answer, in bytes: the most texts of a batch, in as many numbers as a model gives.
const LARGEST: usize = 16 << 20;

/// Where it is asked what texts mean, and as whom.
#[derive(Debug, Clone)]
pub struct Endpoint {
    url: String,
    model: String,
    key: Option<SecretString>,
}

impl Endpoint {
    /// That of a policy. None where it has none, or has one whose key is not to be had: that is so
    /// only for an operator whose shell does not have it.
    #[must_use]
    pub fn of(policy: &Policy) -> Option<Self> {
        let rules = policy.context.as_ref().and_then(|rules: &context::Rules| rules.embeddings.as_ref())?;
        let key = policy.embeddings_key.clone();
        if rules.key.is_some() && key.is_none() {
            return None;
        }
        Some(Self { url: rules.url.as_str().to_owned(), model: rules.model.clone(), key })
    }
}

/// Why it is not known what texts mean. None holds anything of the texts, the key or the answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Failed {
    #[error("it did not answer within {} ms", after.as_millis())]
    Slow { after: Duration },
    /// These texts cannot be read there; fewer or others may be.
    #[error("it refuses the texts ({0})")]
    Texts(StatusCode),
    #[error("it answered {0}")]
    Status(StatusCode),
    #[error("{0}")]
    Other(String),
}

/// What texts are about: a label of metrics.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum About {
    Sections,
    Query,
}

/// Asks.
#[derive(Debug, Clone)]
pub struct Embedder {
    client: Connections,
    metrics: Metrics,
    /// Sections are asked about one batch at a time, whatever policy they are of.
    batches: Arc<Semaphore>,
}

impl Embedder {
    #[must_use]
    pub fn new(tls: ClientConfig, metrics: Metrics) -> Self {
        Self { client: upstream::client(tls, CONNECT), metrics, batches: Arc::new(Semaphore::new(1)) }
    }

    /// Asks what texts mean, in their order. What comes of it is counted by the caller.
    ///
    /// # Errors
    /// [`Failed`] when it is not to be had within this time.
    pub async fn ask(&self, endpoint: &Endpoint, texts: &[&str], patience: Duration) -> Result<Vec<Vector>, Failed> {
        let answered = tokio::time::timeout(patience, self.answered(endpoint, texts)).await;
        let numbers = answered.map_err(|_| Failed::Slow { after: patience })??;
        let vectors = numbers.into_iter().map(Vector::new).collect::<Result<_, _>>();
        vectors.map_err(|why| Failed::Other(why.to_string()))
    }

    async fn answered(&self, endpoint: &Endpoint, texts: &[&str]) -> Result<Vec<Vec<f32>>, Failed> {
        let other = |why: String| Failed::Other(why);
        let request = request(endpoint, texts).map_err(|error| other(error.to_string()))?;
        let response = self.client.request(request).await.map_err(|error| other(upstream::innermost(&error)))?;
        let (head, body) = response.into_parts();
        match head.status {
            StatusCode::OK => {}
            status @ (StatusCode::BAD_REQUEST | StatusCode::PAYLOAD_TOO_LARGE | StatusCode::UNPROCESSABLE_ENTITY) => {
                return Err(Failed::Texts(status));
            }
            status => return Err(Failed::Status(status)),
        }
        let body = Limited::new(body, LARGEST).collect().await;
        let body = body.map_err(|_| other(format!("its answer broke off, or is larger than {LARGEST} bytes")))?;
        embeddings::read(&body.to_bytes(), texts.len()).map_err(|why| other(why.to_string()))
    }

    /// Counts texts by what came of asking about them.
    pub fn count<T>(&self, policy: &str, about: About, outcome: &Result<T, Failed>, texts: usize) {
        let about = match about {
            About::Sections => "sections",
            About::Query => "query",
        };
        let result = match outcome {
            Ok(_) => "ok",
            Err(Failed::Slow { .. }) => "timeout",
            Err(Failed::Texts(_) | Failed::Status(_) | Failed::Other(_)) => "failed",
        };
        self.metrics.docs.embeddings.with_label_values(&[policy, about, result]).inc_by(texts as u64);
    }
}

fn request(endpoint: &Endpoint, texts: &[&str]) -> Result<Request<Full<Bytes>>, http::Error> {
    let body = embeddings::request(&endpoint.model, texts);
    let json = HeaderValue::from_static("application/json");
    let mut request = Request::post(&endpoint.url).header(header::CONTENT_TYPE, &json).header(header::ACCEPT, json);
    if let Some(key) = &endpoint.key {
        let mut bearer = HeaderValue::try_from(format!("Bearer {}", key.expose_secret()))?;
        bearer.set_sensitive(true);
        request = request.header(header::AUTHORIZATION, bearer);
    }
    request.body(Full::new(body.into()))
}
