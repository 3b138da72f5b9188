//! Saying no in a dialect's own error shape, so that the agent stops and a person reads why.
//!
//! What each agent does with a status was measured with the real ones. Nothing here is taken
//! for granted from the status' name: Claude Code hides what a 404 or a 413 says and asks six
//! times at a 400, Codex repeats everything but a 400 of one code, opencode repeats a 429 for ever.

use crate::wire::Dialect;
use crate::wire::agent::Agent;
use crate::wire::json::quote;

/// What kind of no it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum No {
    /// Nobody that we know.
    Unauthenticated,
    /// Somebody that we know, and a policy that does not allow it.
    Forbidden,
    NotFound,
    /// The path exists for another method.
    Method,
    /// A WebSocket upgrade, which callers fall back from.
    Upgrade,
    Malformed,
    /// A content type or encoding that we do not read.
    MediaType,
    TooLarge,
    /// The body took too long to arrive.
    Slow,
    /// A budget is used up.
    Exhausted,
    /// Too many requests for the moment: in so many seconds another is served.
    TooFast {
        wait: u64,
    },
    /// The provider could not be reached or broke off.
    BadGateway,
    /// We cannot serve now, and may soon.
    Unavailable,
    GatewayTimeout,
    Internal,
}

/// An HTTP answer, ready to be sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    pub status: u16,
    pub headers: Vec<(&'static str, String)>,
    pub body: String,
}

/// Writes a refusal as this dialect's SDKs and this agent expect it.
#[must_use]
pub fn answer(dialect: Dialect, agent: Agent, no: No, sentence: &str, request_id: &str) -> Answer {
    let status = status(agent, no);
    let mut headers = vec![("content-type", "application/json".to_owned())];
    if is_final(no) {
        headers.push(("x-should-retry", "false".to_owned()));
    } else if let No::TooFast { wait } = no {
        headers.push(("retry-after", wait.to_string()));
        headers.push(("x-should-retry", "true".to_owned()));
    } else if agent != Agent::Codex {
        // Codex asks thirty times either way, and takes twice as long when it is told to wait.
        headers.push(("retry-after", "2".to_owned()));
    }
    let sentence = quote(sentence);
    let body = match dialect {
        Dialect::Messages => {
            let kind = messages_type(no);
            headers.push(("request-id", request_id.to_owned()));
            let id = quote(request_id);
            format!(
                "{{\"type\":\"error\",\"error\":{{\"type\":\"{kind}\",\"message\":{sentence}}},\"request_id\":{id}}}"
            )
        }
        Dialect::Chat | Dialect::Responses => {
            headers.push(("x-request-id", request_id.to_owned()));
            let (kind, code) = openai_type(agent, no);
            format!("{{\"error\":{{\"message\":{sentence},\"type\":\"{kind}\",\"param\":null,\"code\":\"{code}\"}}}}")
        }
    };
    Answer { status, headers, body }
}

/// The longest that an agent is told to wait, in seconds.
const LONGEST_WAIT: u64 = 60;

/// Whether the same request again would be refused again.
fn is_final(no: No) -> bool {
    match no {
        No::BadGateway | No::Unavailable | No::GatewayTimeout | No::Slow => false,
        // Nobody should sit and watch an agent sleep for longer; some sleep as long as they are told.
        No::TooFast { wait } => wait > LONGEST_WAIT,
        _ => true,
    }
}

fn status(agent: Agent, no: No) -> u16 {
    match (agent, no) {
        // One request and a sentence, where the proper status means many and none.
        (Agent::Codex, No::Unauthenticated | No::Forbidden | No::Exhausted | No::TooLarge | No::NotFound) => 400,
        (Agent::Codex, No::TooFast { .. }) if is_final(no) => 400,
        (Agent::ClaudeCode, No::Unauthenticated | No::Forbidden | No::NotFound | No::TooLarge | No::Malformed) => 451,
        (Agent::Opencode | Agent::QwenCode, No::Exhausted) => 403,
        (Agent::Opencode | Agent::QwenCode, No::TooFast { .. }) if is_final(no) => 403,
        (_, No::Unauthenticated) => 401,
        (_, No::Forbidden) => 403,
        (_, No::NotFound) => 404,
        (_, No::Method) => 405,
        (_, No::Slow) => 408,
        (_, No::TooLarge) => 413,
        (_, No::MediaType) => 415,
        (_, No::Upgrade) => 426,
        (_, No::Malformed) => 400,
        (_, No::Exhausted | No::TooFast { .. }) => 429,
        (_, No::Internal) => 500,
        (_, No::BadGateway) => 502,
        (_, No::Unavailable) => 503,
        (_, No::GatewayTimeout) => 504,
    }
}

fn messages_type(no: No) -> &'static str {
    match no {
        No::Unauthenticated => "authentication_error",
        No::Forbidden => "permission_error",
        No::NotFound | No::Method => "not_found_error",
        No::Upgrade | No::Malformed | No::MediaType | No::Slow => "invalid_request_error",
        No::TooLarge => "request_too_large",
        No::Exhausted => "billing_error",
        No::TooFast { .. } => "rate_limit_error",
        No::BadGateway | No::Unavailable | No::Internal => "api_error",
        No::GatewayTimeout => "timeout_error",
    }
}

/// The `type` and the `code` of an OpenAI error.
fn openai_type(agent: Agent, no: No) -> (&'static str, &'static str) {
    match (agent, no) {
        (
            Agent::Codex,
            No::Unauthenticated | No::Forbidden | No::Exhausted | No::TooLarge | No::NotFound | No::Malformed,
        ) => ("invalid_request_error", "invalid_prompt"),
        (Agent::Codex, No::TooFast { .. }) if is_final(no) => ("invalid_request_error", "invalid_prompt"),
        (_, No::TooFast { .. }) => ("rate_limit_error", "rate_limit_exceeded"),
        (_, No::Unauthenticated) => ("invalid_request_error", "invalid_api_key"),
        (_, No::Forbidden) => ("permission_error", "policy_refused"),
        (_, No::NotFound | No::Method) => ("invalid_request_error", "unknown_url"),
        (_, No::Upgrade) => ("invalid_request_error", "websocket_not_served"),
        (_, No::Malformed | No::Slow) => ("invalid_request_error", "invalid_request"),
        (_, No::MediaType) => ("invalid_request_error", "unsupported_media_type"),
        (_, No::TooLarge) => ("invalid_request_error", "request_too_large"),
        (_, No::Exhausted) => ("insufficient_quota", "insufficient_quota"),
        (_, No::BadGateway) => ("server_error", "bad_gateway"),
        (_, No::Unavailable) => ("server_error", "unavailable"),
        (_, No::GatewayTimeout) => ("server_error", "timeout"),
        (_, No::Internal) => ("server_error", "internal_error"),
    }
}
