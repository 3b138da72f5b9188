//! Requests in, responses out: which endpoint, what body, who is heard.

use std::io::{self, Read};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use http::header::{AUTHORIZATION, CONTENT_ENCODING};
use http::request::Parts;
use http::{HeaderMap, Method, Request, StatusCode};
use http_body_util::{BodyExt, LengthLimitError, Limited};
use hyper::body::Incoming;
use tokio::time::sleep;

use crate::ask::{Ask, Dialect};
use crate::cache::Caches;
use crate::json::obj;
use crate::play::Play;
use crate::problem::Problem;
use crate::reply::{Response, Writer};
use crate::script::{Script, Turn};
use crate::seen::{Bill, Limits, Log, Seen, Served};
use crate::turn::choose;
use crate::validate::check;
use crate::wire::Wire;

/// The largest body, before and after decoding.
pub(crate) const BODY_LIMIT: usize = 64 << 20;

/// What all connections share.
#[derive(Debug)]
pub(crate) struct Stage(Mutex<State>);

#[derive(Debug)]
struct State {
    script: Arc<Script>,
    /// How many requests each scenario has served.
    counts: Vec<usize>,
    serial: u64,
    caches: Caches,
    log: Log,
}

/// What a request wants.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Route {
    Reply(Dialect),
    CountTokens,
    Models,
    WebSocket,
    Unknown,
}

/// A body as it came, and as it was meant.
struct Received {
    body: Bytes,
    decoded: Result<Bytes, Problem>,
}

/// What a request turned out to be.
enum Wanted<T> {
    Reply(T),
    /// A count of this many tokens.
    Count(u64),
    Models,
    Refusal(Problem),
}

impl Stage {
    pub(crate) fn new(script: Script, limits: Limits) -> Self {
        let counts = vec![0; script.scenarios.len()];
        let log = Log::new(limits);
        Self(Mutex::new(State { script: Arc::new(script), counts, serial: 0, caches: Caches::new(), log }))
    }

    pub(crate) fn play(&self, script: Script) {
        let mut state = self.state();
        state.counts = vec![0; script.scenarios.len()];
        state.script = Arc::new(script);
    }

    pub(crate) fn seen(&self) -> Vec<Seen> {
        self.state().log.read()
    }

    pub(crate) fn forget(&self) {
        self.state().log.clear();
    }

    /// Answers one request.
    pub(crate) async fn answer(&self, wire: Arc<Wire>, request: Request<Incoming>) -> io::Result<http::Response<Play>> {
        let (head, body) = request.into_parts();
        let received = receive(&head.headers, body).await?;
        let (mut response, bill) = self.respond(head, received);
        let (wait, breaks) = response.plan.lead();
        if !wait.is_zero() {
            sleep(wait).await;
        }
        if breaks {
            wire.break_off();
            return Err(io::ErrorKind::ConnectionReset.into());
        }
        bill.answer(response.status);
        let mut answer = http::Response::new(Play::new(response.plan, wire, bill));
        *answer.status_mut() = response.status;
        *answer.headers_mut() = response.headers;
        Ok(answer)
    }

    /// Notes the request and makes its response.
    fn respond(&self, head: Parts, received: Received) -> (Response, Bill) {
        let (dialect, wanted) = read(&head, &received.decoded);
        let bill = Bill::default();
        let mut seen = Seen {
            method: head.method,
            path: head.uri.path_and_query().map_or("/", |path| path.as_str()).to_owned(),
            headers: head.headers,
            body: received.body,
            decoded: received.decoded.unwrap_or_default(),
            scenario: None,
            turn: None,
            cache: None,
            served: Served::default(),
        };
        // One lock for both: the log is in the order in which the turns were given out.
        let mut state = self.state();
        let script = Arc::clone(&state.script);
        let wanted = wanted.map(|ask| {
            let chosen = choose(&script, &mut state.counts, &ask);
            seen.turn = chosen.scenario.is_some().then_some(chosen.position);
            seen.scenario.clone_from(&chosen.scenario);
            // What is refused is not cached.
            let caching = script.caching.filter(|_| matches!(chosen.turn, Turn::Reply(_)));
            seen.cache = caching.map(|caching| state.caches.pass(&ask, caching.minimum));
            (ask, chosen, seen.cache.clone())
        });
        state.serial += 1;
        let writer = Writer { dialect, serial: state.serial };
        state.log.note(seen, bill.clone());
        drop(state);

        let response = match wanted {
            Wanted::Reply((ask, chosen, cache)) => writer.turn(&ask, &chosen, cache.as_ref()),
            Wanted::Count(tokens) => writer.json(&obj! { "input_tokens": tokens }),
            Wanted::Models => writer.models(&script.models),
            Wanted::Refusal(problem) => writer.problem(&problem),
        };
        bill.open(response.served);
        (response, bill)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<T> Wanted<T> {
    fn map<U>(self, then: impl FnOnce(T) -> U) -> Wanted<U> {
        match self {
            Self::Reply(ask) => Wanted::Reply(then(ask)),
            Self::Count(tokens) => Wanted::Count(tokens),
            Self::Models => Wanted::Models,
            Self::Refusal(problem) => Wanted::Refusal(problem),
        }
    }
}

impl Route {
    /// A base URL may have any path, so only the end of the path counts.
    fn of(method: &Method, path: &str) -> Self {
        let posts = [
            ("/v1/messages", Self::Reply(Dialect::Messages)),
            ("/v1/messages/count_tokens", Self::CountTokens),
            ("/chat/completions", Self::Reply(Dialect::Chat)),
            ("/responses", Self::Reply(Dialect::Responses)),
        ];
        let gets = [("/v1/models", Self::Models), ("/responses", Self::WebSocket)];
        let routes: &[(&str, Self)] = match *method {
            Method::POST => &posts,
            Method::GET => &gets,
            _ => &[],
        };
        routes.iter().find(|(end, _)| path.ends_with(end)).map_or(Self::Unknown, |(_, route)| *route)
    }
}

/// Reads a request as the real provider would, and in which dialect it is to be answered.
fn read(head: &Parts, decoded: &Result<Bytes, Problem>) -> (Dialect, Wanted<Ask>) {
    let route = Route::of(&head.method, head.uri.path());
    let dialect = match route {
        Route::Reply(dialect) => dialect,
        Route::CountTokens => Dialect::Messages,
        _ if head.headers.contains_key("anthropic-version") => Dialect::Messages,
        _ => Dialect::Chat,
    };
    let wanted = match route {
        Route::Reply(_) => ask(head, dialect, decoded, false).map(Wanted::Reply),
        Route::CountTokens => ask(head, dialect, decoded, true).map(|ask| Wanted::Count(ask.size_in_tokens())),
        Route::Models => Ok(Wanted::Models),
        Route::WebSocket => Err(no_websocket()),
        Route::Unknown => Err(unknown(dialect, head)),
    };
    (dialect, wanted.unwrap_or_else(Wanted::Refusal))
}

fn ask(head: &Parts, dialect: Dialect, decoded: &Result<Bytes, Problem>, counting: bool) -> Result<Ask, Problem> {
    if !head.headers.contains_key("x-api-key") && !head.headers.contains_key(AUTHORIZATION) {
        return Err(no_credential(dialect));
    }
    let ask = Ask::read(dialect, decoded.clone()?)?;
    check(&ask, counting)?;
    Ok(ask)
}

/// Takes in a body.
///
/// # Errors
/// The client has gone; nothing can be answered then.
async fn receive(headers: &HeaderMap, body: Incoming) -> io::Result<Received> {
    match Limited::new(body, BODY_LIMIT).collect().await {
        Ok(body) => {
            let body = body.to_bytes();
            let decoded = decode(headers, body.clone());
            Ok(Received { body, decoded })
        }
        Err(error) if error.is::<LengthLimitError>() => Ok(Received { body: Bytes::new(), decoded: Err(too_large()) }),
        Err(error) => Err(io::Error::other(error)),
    }
}

fn decode(headers: &HeaderMap, body: Bytes) -> Result<Bytes, Problem> {
    let encoding = headers.get(CONTENT_ENCODING).map(|value| value.to_str().unwrap_or("?"));
    match encoding {
        None | Some("" | "identity") => Ok(body),
        Some("gzip") => inflate(flate2::read::MultiGzDecoder::new(&*body)),
        Some("zstd") => inflate(zstd::stream::read::Decoder::new(&*body).map_err(undecodable)?),
        Some(other) => Err(Problem::invalid(format!("Unsupported Content-Encoding: {other}"))),
    }
}

fn inflate(from: impl Read) -> Result<Bytes, Problem> {
    let mut bytes = Vec::new();
    from.take(BODY_LIMIT as u64 + 1).read_to_end(&mut bytes).map_err(undecodable)?;
    if bytes.len() > BODY_LIMIT { Err(too_large()) } else { Ok(bytes.into()) }
}

fn undecodable(error: io::Error) -> Problem {
    Problem::invalid(format!("The request body could not be decoded: {error}"))
}

fn too_large() -> Problem {
    let message = "Request exceeds the maximum size";
    Problem::new(StatusCode::PAYLOAD_TOO_LARGE, "request_too_large", message)
}

fn no_credential(dialect: Dialect) -> Problem {
    match dialect {
        Dialect::Messages => {
            let message = "x-api-key header is required";
            Problem::new(StatusCode::UNAUTHORIZED, "authentication_error", message)
        }
        Dialect::Chat | Dialect::Responses => {
            let message = "Missing bearer or basic authentication in header";
            Problem::new(StatusCode::UNAUTHORIZED, "invalid_request_error", message)
        }
    }
}

/// Codex falls back to plain requests at once after this status, and only after this one.
fn no_websocket() -> Problem {
    let message = "This endpoint does not speak WebSocket.";
    Problem::new(StatusCode::UPGRADE_REQUIRED, "invalid_request_error", message)
}

fn unknown(dialect: Dialect, head: &Parts) -> Problem {
    let kind = if dialect == Dialect::Messages { "not_found_error" } else { "invalid_request_error" };
    let message = format!("Invalid URL ({} {})", head.method, head.uri.path());
    Problem::new(StatusCode::NOT_FOUND, kind, message)
}
