//! From a chosen turn to a response: its status, headers and plan, and the bill it opens with.

use http::header::{CACHE_CONTROL, CONTENT_TYPE};
use http::{HeaderMap, HeaderValue, StatusCode};

use crate::ask::{Ask, Dialect};
use crate::json::{Json, obj};
use crate::plan::{Cost, Plan};
use crate::problem::{Problem, status_of};
use crate::said::{Ids, Said};
use crate::script::{Fault, Refusal, Turn};
use crate::seen::{Cache, Served};
use crate::turn::Chosen;
use crate::{chat, messages, responses};

#[derive(Debug)]
pub(crate) struct Response {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) plan: Plan,
    pub(crate) served: Served,
}

/// Writes the responses to one request, which has a number of its own.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Writer {
    pub(crate) dialect: Dialect,
    pub(crate) serial: u64,
}

const JSON: HeaderValue = HeaderValue::from_static("application/json");
const EVENTS: HeaderValue = HeaderValue::from_static("text/event-stream; charset=utf-8");
const HTML: HeaderValue = HeaderValue::from_static("text/html; charset=utf-8");
const PAGE: &str = "<!DOCTYPE html>\n<html><head><title>Service unavailable</title></head>\
                    <body><h1>Please try again later</h1></body></html>\n";
/// The limit of which the rate limit headers count down.
const REQUESTS_A_MINUTE: u64 = 4000;

impl Writer {
    pub(crate) fn turn(self, ask: &Ask, chosen: &Chosen, cache: Option<&Cache>) -> Response {
        match &chosen.turn {
            Turn::Refusal(refusal) => self.refusal(refusal),
            Turn::Reply(reply) => {
                let scenario = chosen.scenario.as_deref().unwrap_or_default();
                let place = format!("{scenario}/{}", chosen.position);
                self.reply(&Said::new(ask, reply, cache, &place, self.serial))
            }
        }
    }

    pub(crate) fn problem(self, problem: &Problem) -> Response {
        let body = match self.dialect {
            Dialect::Messages => messages::problem(problem, &self.request_id()),
            Dialect::Chat | Dialect::Responses => chat::problem(problem),
        };
        self.document(problem.status, JSON, body.to_string())
    }

    pub(crate) fn json(self, body: &Json) -> Response {
        self.document(StatusCode::OK, JSON, body.to_string())
    }

    /// The list of models, in the shape of the dialect.
    pub(crate) fn models(self, names: &[String]) -> Response {
        let ends = (names.first().map(String::as_str), names.last().map(String::as_str));
        let names = names.iter().map(String::as_str);
        let body = match self.dialect {
            Dialect::Messages => obj! {
                "data": names.map(|name| obj! {
                    "type": "model",
                    "id": name,
                    "display_name": name,
                    "created_at": "2026-01-01T00:00:00Z",
                }).collect::<Vec<_>>(),
                "has_more": false,
                "first_id": ends.0,
                "last_id": ends.1,
            },
            Dialect::Chat | Dialect::Responses => obj! {
                "object": "list",
                "data": names.map(|name| obj! {
                    "id": name, "object": "model", "created": 1_767_225_600_u64, "owned_by": "system",
                }).collect::<Vec<_>>(),
            },
        };
        self.json(&body)
    }

    fn refusal(self, refusal: &Refusal) -> Response {
        let mut response = if let Some((body, content_type)) = &refusal.raw {
            self.document(refusal.status, content_type.clone(), body.clone())
        } else {
            let (kind, message) = usual(self.dialect, refusal.status);
            let error = &refusal.error;
            self.problem(&Problem {
                status: refusal.status,
                kind: error.kind.clone().unwrap_or_else(|| kind.to_owned()),
                message: error.message.clone().unwrap_or_else(|| message.to_owned()),
                param: None,
                code: error.code.clone(),
            })
        };
        response.headers.extend(refusal.headers.clone());
        response
    }

    fn reply(self, said: &Said<'_>) -> Response {
        let manner = &said.reply.manner;
        let is_streamed = said.ask.streams();
        match &manner.fault {
            Some(Fault::Html(_)) => {
                return self.document(StatusCode::OK, HTML, PAGE.to_owned());
            }
            Some(Fault::ErrorEvent { kind, message, .. }) if !is_streamed => {
                return self.problem(&Problem::new(status_of(kind), kind, message));
            }
            _ => {}
        }
        let output = said.tokens.output;
        let (content_type, plan) = if is_streamed {
            let is_messages = self.dialect == Dialect::Messages;
            // A `message_start` already tells of a first token.
            let cost = Cost { output, announced: if is_messages { output.min(1) } else { 0 } };
            let events = match self.dialect {
                Dialect::Messages => messages::stream(said),
                Dialect::Chat => chat::stream(said),
                Dialect::Responses => responses::stream(said),
            };
            let failure = |after: usize, kind: &str, message: &str| match self.dialect {
                Dialect::Messages => messages::failure(kind, message),
                Dialect::Chat => chat::failure(kind, message),
                Dialect::Responses => responses::failure(said, after, kind, message),
            };
            (EVENTS, Plan::stream(&events, manner, cost, failure))
        } else {
            let body = match self.dialect {
                Dialect::Messages => messages::whole(said),
                Dialect::Chat => chat::whole(said),
                Dialect::Responses => responses::whole(said),
            };
            (JSON, Plan::whole(body.to_string(), manner, output))
        };
        let mut headers = self.headers(content_type);
        if is_streamed {
            headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-cache"));
        }
        let served = Served {
            input: said.tokens.input,
            cache_read: said.tokens.cache_read,
            cache_write: said.tokens.cache_write,
            ..Served::default()
        };
        Response { status: StatusCode::OK, headers, plan, served }
    }

    fn document(self, status: StatusCode, content_type: HeaderValue, body: String) -> Response {
        let served = Served::default();
        Response { status, headers: self.headers(content_type), plan: Plan::document(body), served }
    }

    fn headers(self, content_type: HeaderValue) -> HeaderMap {
        let remaining = REQUESTS_A_MINUTE.saturating_sub(self.serial);
        let mut headers = HeaderMap::new();
        headers.insert(CONTENT_TYPE, content_type);
        let mut put = |name: &'static str, value: &str| {
            if let Ok(value) = HeaderValue::from_str(value) {
                headers.insert(name, value);
            }
        };
        let (limit, remaining) = (REQUESTS_A_MINUTE.to_string(), remaining.to_string());
        if self.dialect == Dialect::Messages {
            put("request-id", &self.request_id());
            put("anthropic-organization-id", "5c71d3a0-e49b-4f1e-8a55-0d2f6b9c7e10");
            put("anthropic-ratelimit-requests-limit", &limit);
            put("anthropic-ratelimit-requests-remaining", &remaining);
            put("anthropic-ratelimit-tokens-limit", "4000000");
            put("anthropic-ratelimit-tokens-remaining", "3999000");
        } else {
            put("x-request-id", &self.request_id());
            put("openai-organization", "scripted");
            put("openai-processing-ms", "12");
            put("openai-version", "2020-10-01");
            put("x-ratelimit-limit-requests", &limit);
            put("x-ratelimit-remaining-requests", &remaining);
            put("x-ratelimit-reset-requests", "6ms");
            put("x-ratelimit-limit-tokens", "4000000");
            put("x-ratelimit-remaining-tokens", "3999000");
            put("x-ratelimit-reset-tokens", "0s");
        }
        headers
    }

    fn request_id(self) -> String {
        let prefix = if self.dialect == Dialect::Messages { "req_011C" } else { "req_" };
        Ids::new(&self.serial.to_string()).id(prefix, 0)
    }
}

/// The error type and message that usually come with a status.
fn usual(dialect: Dialect, status: StatusCode) -> (&'static str, &'static str) {
    let is_messages = dialect == Dialect::Messages;
    let either = |anthropic, openai| if is_messages { anthropic } else { openai };
    match status.as_u16() {
        401 => (either("authentication_error", "invalid_request_error"), "Invalid API key."),
        402 => (either("billing_error", "insufficient_quota"), "Your credit is used up."),
        403 => (either("permission_error", "invalid_request_error"), "You may not do this."),
        404 => (either("not_found_error", "invalid_request_error"), "Not found."),
        413 => (either("request_too_large", "invalid_request_error"), "Request too large."),
        429 => (either("rate_limit_error", "requests"), "Rate limit reached. Try again later."),
        529 => (either("overloaded_error", "server_error"), "Overloaded"),
        400..=499 => ("invalid_request_error", "This request is not valid."),
        _ => (either("api_error", "server_error"), "Internal server error"),
    }
}
