//! The admin port: health for whoever asks; metrics, operations and the page for those with the token.

mod budgets;
mod page;
mod tokens;

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode, header};
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Incoming;
use secrecy::{ExposeSecret, SecretString};
use serde::Serialize;
use serde::de::DeserializeOwned;
use subtle::ConstantTimeEq;
use tokio_util::sync::CancellationToken;

use crate::admin::page::Page;
use crate::call::Answer;
use crate::errand::{Errand, Patience};
use crate::gate::Jetway;
use crate::upstream::headers;

/// What the admin port serves from.
#[derive(Debug)]
pub struct Admin {
    jetway: Arc<Jetway>,
    token: SecretString,
    page: Page,
    /// Whether agents are not served any more.
    stop: CancellationToken,
}

/// An answer, or a refusal as one.
type Answered = Result<Response<Bytes>, Response<Bytes>>;

/// Serves one request.
///
/// In a task of its own: what was begun is finished and written down, also when whoever asked for it
/// hangs up.
pub async fn handle(admin: Arc<Admin>, request: Request<Incoming>) -> Answer {
    let (tasks, patience) = (admin.jetway.tasks.clone(), Patience::default());
    patience.set(LONGEST);
    let answered = Errand::begin(&tasks, patience, async move { answer(&admin, request).await });
    let answer = answered.await.unwrap_or_else(|refusal| refusal);
    answer.map(|bytes| Full::new(bytes).map_err(|never| match never {}).boxed_unsync())
}

async fn answer(admin: &Admin, request: Request<Incoming>) -> Answered {
    let (head, body) = request.into_parts();
    let path = head.uri.path();
    if let (&Method::GET | &Method::HEAD, "/healthz" | "/readyz") = (&head.method, path) {
        if path == "/readyz" && admin.stop.is_cancelled() {
            return Ok(plain(StatusCode::SERVICE_UNAVAILABLE, "stopping: replies that are under way may finish\n"));
        }
        // Whoever is served knows what to do without the ledger; taking every replica out of
        // service at once is no help.
        return Ok(plain(StatusCode::OK, "ok\n"));
    }
    if page::has(path) {
        return Ok(page::answer(admin, &head, body).await);
    }
    // A session of the page opens nothing here: what changes something takes the token.
    if !admin.knows(&head.headers) {
        return Err(stranger());
    }
    match (&head.method, path) {
        (&Method::GET, "/metrics") => Ok(metrics(&admin.jetway).await),
        (&Method::GET, "/v1/budgets") => budgets::list(&admin.jetway, head.uri.query()).await,
        (&Method::POST, "/v1/budgets") => budgets::amend(&admin.jetway, read(body).await?).await,
        (&Method::GET, "/v1/tokens") => tokens::list(&admin.jetway, head.uri.query()).await,
        (&Method::POST, "/v1/tokens") => tokens::mint(&admin.jetway, read(body).await?).await,
        (&Method::DELETE, path) if path.starts_with(TOKEN) => tokens::revoke(&admin.jetway, &path[TOKEN.len()..]).await,
        (_, "/metrics" | "/v1/budgets" | "/v1/tokens") => {
            Err(refused(StatusCode::METHOD_NOT_ALLOWED, "this path takes another method"))
        }
        _ => Err(refused(
            StatusCode::NOT_FOUND,
            "the admin port serves /metrics, /healthz, /readyz, /v1/budgets, /v1/tokens, and a page at /",
        )),
    }
}

async fn metrics(jetway: &Jetway) -> Response<Bytes> {
    jetway.look().await;
    let mut answer = Response::new(Bytes::from(jetway.metrics.text()));
    let kind = HeaderValue::from_static("text/plain; version=0.0.4; charset=utf-8");
    answer.headers_mut().insert(header::CONTENT_TYPE, kind);
    answer
}

/// Before the id of a run token.
const TOKEN: &str = "/v1/tokens/";

/// The most bytes of a request to this port, and how long they may take.
const LARGEST: usize = 64 << 10;
const LONGEST: Duration = Duration::from_secs(10);

/// Reads a request's JSON.
async fn read<T: DeserializeOwned>(body: Incoming) -> Result<T, Response<Bytes>> {
    let collected = tokio::time::timeout(LONGEST, Limited::new(body, LARGEST).collect()).await;
    let Ok(Ok(collected)) = collected else {
        return Err(refused(StatusCode::BAD_REQUEST, "the request's body is larger than 64 KiB, or did not arrive"));
    };
    serde_json::from_slice(&collected.to_bytes())
        .map_err(|error| refused(StatusCode::BAD_REQUEST, &format!("the request's body cannot be read: {error}")))
}

fn json<T: Serialize>(value: &T) -> Response<Bytes> {
    let mut answer = Response::new(Bytes::from(serde_json::to_string(value).unwrap_or_default() + "\n"));
    answer.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    answer
}

fn refused(status: StatusCode, sentence: &str) -> Response<Bytes> {
    let mut answer = json(&serde_json::json!({ "error": sentence }));
    *answer.status_mut() = status;
    answer
}

fn stranger() -> Response<Bytes> {
    let mut answer = plain(
        StatusCode::UNAUTHORIZED,
        "This needs `Authorization: Bearer TOKEN`; the token is in the file admin-token in the folder of the\nstate, or where `admin.token` in gateway.yaml says.\n",
    );
    answer.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer realm=\"jetway\""));
    answer
}

impl Admin {
    /// # Errors
    /// When a template of the page is none.
    pub fn new(jetway: Arc<Jetway>, token: SecretString, stop: CancellationToken) -> anyhow::Result<Self> {
        Ok(Self { jetway, token, page: Page::new()?, stop })
    }

    fn knows(&self, headers: &HeaderMap) -> bool {
        let shown = headers.get(header::AUTHORIZATION).and_then(headers::credential).unwrap_or_default();
        shown.as_bytes().ct_eq(self.token.expose_secret().as_bytes()).into()
    }
}

fn plain(status: StatusCode, text: &'static str) -> Response<Bytes> {
    let mut answer = Response::new(Bytes::from_static(text.as_bytes()));
    *answer.status_mut() = status;
    answer.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    answer
}
