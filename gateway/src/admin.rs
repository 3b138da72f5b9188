//! The admin port: health for whoever asks, metrics for those with the token.

use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode, header};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use secrecy::{ExposeSecret, SecretString};
use subtle::ConstantTimeEq;

use crate::call::Answer;
use crate::gate::Jetway;
use crate::upstream::headers;

/// What the admin port serves from.
#[derive(Debug)]
pub struct Admin {
    pub jetway: Arc<Jetway>,
    pub token: SecretString,
}

/// Serves one request.
pub async fn handle(admin: Arc<Admin>, request: Request<Incoming>) -> Answer {
    let answer = match (request.method(), request.uri().path()) {
        (&Method::GET | &Method::HEAD, "/healthz") => plain(StatusCode::OK, "ok\n"),
        // Whoever is served by it knows what to do without the ledger; taking every replica out of
        // service at once is no help.
        (&Method::GET | &Method::HEAD, "/readyz") => plain(StatusCode::OK, "ok\n"),
        _ if !admin.knows(request.headers()) => {
            let mut answer = plain(
                StatusCode::UNAUTHORIZED,
                "This needs `Authorization: Bearer TOKEN`; the token is in the file admin-token in the folder of the state.\n",
            );
            answer.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer realm=\"jetway\""));
            answer
        }
        (&Method::GET, "/metrics") => {
            let jetway = &admin.jetway;
            for (store, waiting) in [("ledger", jetway.ledger.waiting()), ("log", jetway.log.waiting())] {
                let waiting = i64::try_from(waiting).unwrap_or(i64::MAX);
                jetway.metrics.waiting.with_label_values(&[store]).set(waiting);
            }
            let mut answer = Response::new(Bytes::from(jetway.metrics.text()));
            let kind = HeaderValue::from_static("text/plain; version=0.0.4; charset=utf-8");
            answer.headers_mut().insert(header::CONTENT_TYPE, kind);
            answer
        }
        _ => plain(StatusCode::NOT_FOUND, "The admin port serves /metrics, /healthz and /readyz.\n"),
    };
    answer.map(|bytes| Full::new(bytes).map_err(|never| match never {}).boxed_unsync())
}

impl Admin {
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
