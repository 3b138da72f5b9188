//! Sending requests to providers.

pub mod headers;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::header::{self, HeaderName};
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode, Uri};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper_rustls::HttpsConnector;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use jetway_core::breaker::Breaker;
use rustls::ClientConfig;
use secrecy::ExposeSecret;

use crate::config::{Credentials, Kind, Provider};
use crate::metrics::{Met, Metrics};

/// A provider and the connections to it.
#[derive(Debug, Clone)]
pub struct Upstream {
    pub provider: Provider,
    client: Connections,
    /// How it did lately, and from when on that is counted.
    breaker: Arc<Mutex<Breaker>>,
    begun: Instant,
}

/// Connections that are kept and used again.
pub type Connections = Client<HttpsConnector<HttpConnector>, Full<Bytes>>;

/// Makes connections possible, each within this time; opens none.
#[must_use]
pub fn client(tls: ClientConfig, connect: Duration) -> Connections {
    let mut http = HttpConnector::new();
    http.set_nodelay(true);
    http.enforce_http(false);
    http.set_connect_timeout(Some(connect));
    http.set_keepalive(Some(Duration::from_secs(60)));
    let connector = hyper_rustls::HttpsConnectorBuilder::new()
        .with_tls_config(tls)
        .https_or_http()
        // One connection a stream: over HTTP/2 a slow agent would fill the window that it shares
        // with all the others.
        .enable_http1()
        .wrap_connector(http);
    Client::builder(TokioExecutor::new())
        .timer(TokioTimer::new())
        .pool_timer(TokioTimer::new())
        .pool_idle_timeout(Duration::from_secs(60))
        .build(connector)
}

/// What goes to a provider.
#[derive(Debug, Clone)]
pub struct Outgoing {
    pub method: Method,
    /// Behind the provider's base URL: `/messages`.
    pub path: &'static str,
    pub query: Option<String>,
    /// End-to-end headers of the agent, its credential for the provider among them.
    pub headers: HeaderMap,
    pub body: Bytes,
}

/// Why a provider gave no reply.
#[derive(Debug, thiserror::Error)]
pub enum Failed {
    /// Nothing was sent, so nothing was spent.
    #[error("the provider `{provider}` cannot be reached: {why}")]
    Connect { provider: String, why: String },
    /// Something was sent, and may have been worked on.
    #[error("the provider `{provider}` broke off before its reply began: {why}")]
    Broke { provider: String, why: String },
    #[error("the provider `{provider}` did not begin its reply within {} s", after.as_secs())]
    Slow { provider: String, after: Duration },
}

/// Why there is no credential to show to a provider.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NoCredential {
    #[error(
        "the provider `{provider}` takes the caller's own credential, and this request brought only what tells Jetway who calls; send that as `x-jetway-key` and the provider's credential as usual, or let an operator set providers.{provider}.credentials"
    )]
    OnlyOurs { provider: String },
    #[error(
        "the provider `{provider}` is paid for by an operator, for callers that Jetway knows; send a Jetway key (`jetway keys create` makes one), or whatever else the policy accepts"
    )]
    Unknown { provider: String },
}

impl Upstream {
    #[must_use]
    pub fn new(provider: Provider, tls: ClientConfig) -> Self {
        let client = client(tls, provider.timeouts.connect);
        Self { provider, client, breaker: Arc::default(), begun: Instant::now() }
    }

    /// Whether others are asked first now, by how it did lately.
    #[must_use]
    pub fn rests(&self) -> bool {
        let now = self.now();
        self.lock().rests(now)
    }

    /// It answered, or it did not. What is returned is whether its breaker is open.
    fn did(&self, is_answer: bool) -> bool {
        let now = self.now();
        let mut breaker = self.lock();
        match is_answer {
            true => breaker.succeed(),
            false => breaker.fail(now),
        }
        breaker.is_open()
    }

    fn now(&self) -> u64 {
        u64::try_from(self.begun.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    fn lock(&self) -> MutexGuard<'_, Breaker> {
        self.breaker.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether it is shown the caller's own credential.
    #[must_use]
    pub fn takes_the_callers(&self) -> bool {
        matches!(self.provider.credentials, Credentials::Passthrough)
    }

    /// Puts the credential for this provider into the headers: the operator's, or the caller's
    /// own, which must already be there.
    ///
    /// # Errors
    /// [`NoCredential`] when there is none that may be used.
    pub fn authorize(&self, headers: &mut HeaderMap, is_known: bool) -> Result<(), NoCredential> {
        let provider = || self.provider.name.clone();
        match &self.provider.credentials {
            Credentials::Passthrough if headers::has_credential(headers) => Ok(()),
            Credentials::Passthrough => Err(NoCredential::OnlyOurs { provider: provider() }),
            // Anybody can send some text as a credential: that must not open the operator's purse.
            Credentials::Own(_) if !is_known => Err(NoCredential::Unknown { provider: provider() }),
            Credentials::Own(secret) => {
                headers::remove_callers_own(headers);
                let (name, value) = match self.provider.kind {
                    Kind::Anthropic => (HeaderName::from_static("x-api-key"), secret.expose_secret().to_owned()),
                    Kind::Openai => (header::AUTHORIZATION, format!("Bearer {}", secret.expose_secret())),
                };
                let mut value =
                    HeaderValue::try_from(value).map_err(|_| NoCredential::Unknown { provider: provider() })?;
                value.set_sensitive(true);
                headers.insert(name, value);
                Ok(())
            }
        }
    }

    /// Sends a request and waits until its reply begins, for so long.
    ///
    /// # Errors
    /// [`Failed`] when no reply begins in time.
    pub async fn send(
        &self,
        outgoing: Outgoing,
        patience: Duration,
        metrics: &Metrics,
    ) -> Result<Response<Incoming>, Failed> {
        let result = self.ask(outgoing, patience).await;
        self.tell(&result, metrics);
        result
    }

    async fn ask(&self, outgoing: Outgoing, patience: Duration) -> Result<Response<Incoming>, Failed> {
        let provider = || self.provider.name.clone();
        let request = self.request(outgoing).map_err(|why| Failed::Connect { provider: provider(), why })?;
        match tokio::time::timeout(patience, self.client.request(request)).await {
            Err(_) => Err(Failed::Slow { provider: provider(), after: patience }),
            Ok(Ok(response)) => Ok(response),
            Ok(Err(error)) if error.is_connect() => {
                Err(Failed::Connect { provider: provider(), why: innermost(&error) })
            }
            Ok(Err(error)) => Err(Failed::Broke { provider: provider(), why: innermost(&error) }),
        }
    }

    fn request(&self, outgoing: Outgoing) -> Result<Request<Full<Bytes>>, String> {
        let uri = self.uri(outgoing.path, outgoing.query.as_deref())?;
        let mut request = Request::new(Full::new(outgoing.body));
        *request.method_mut() = outgoing.method;
        *request.uri_mut() = uri;
        *request.headers_mut() = outgoing.headers;
        Ok(request)
    }

    /// Counts how a request was met, and tells the breaker.
    fn tell(&self, result: &Result<Response<Incoming>, Failed>, metrics: &Metrics) {
        let (name, providers) = (self.provider.name.as_str(), &metrics.providers);
        let met = match result {
            Ok(response) if is_elsewhere_better(response.status()) => Met::Refused,
            Ok(_) => Met::Answered,
            Err(Failed::Connect { .. }) => Met::Unreachable,
            Err(_) => Met::Failed,
        };
        providers.attempts.with_label_values(&[name, met.name()]).inc();
        if let Ok(response) = result {
            providers.replied(name, response.status());
        }
        // A caller that asks for too much says nothing about its provider.
        let is_limit = matches!(result, Ok(response) if response.status() == StatusCode::TOO_MANY_REQUESTS);
        let is_open = self.did(met == Met::Answered || is_limit);
        providers.resting.with_label_values(&[name]).set(i64::from(is_open));
    }

    fn uri(&self, path: &str, query: Option<&str>) -> Result<Uri, String> {
        let base = self.provider.base_url.to_string();
        let base = base.trim_end_matches('/');
        let version = if self.provider.kind == Kind::Anthropic { "/v1" } else { "" };
        let query = query.map(|query| format!("?{query}")).unwrap_or_default();
        format!("{base}{version}{path}{query}").parse().map_err(|error| format!("{error}"))
    }
}

/// Whether another provider may well do what this one will not.
#[must_use]
pub fn is_elsewhere_better(status: StatusCode) -> bool {
    status.is_server_error() || status == StatusCode::TOO_MANY_REQUESTS
}

/// The cause at the bottom, which says most: `Connection refused`.
#[must_use]
pub fn innermost(error: &dyn std::error::Error) -> String {
    let mut cause = error;
    while let Some(next) = cause.source() {
        cause = next;
    }
    cause.to_string()
}
