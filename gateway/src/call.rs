//! What is asked, and by which rules.

use bytes::Bytes;
use http::request::Parts;
use http::{HeaderMap, Response};
use http_body_util::combinators::UnsyncBoxBody;
use jetway_core::wire::Dialect;
use jetway_core::wire::agent::SESSION_HEADERS;
use jetway_core::wire::route::Endpoint;

use crate::config::Policy;
use crate::gate::Gate;

/// Whatever ended a body too early.
pub type BodyError = Box<dyn std::error::Error + Send + Sync>;

/// What is answered with.
pub type Answer = Response<UnsyncBoxBody<Bytes, BodyError>>;

/// A request that found its endpoint and its policy.
#[derive(Clone, Copy)]
pub struct Call<'a> {
    pub gate: &'a Gate,
    pub policy: &'a Policy,
    pub endpoint: Endpoint,
    pub dialect: Dialect,
    pub head: &'a Parts,
}

/// A header's text; none when it is empty or no text.
#[must_use]
pub fn text<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name)?.to_str().ok().filter(|text| !text.is_empty())
}

/// The session that an agent names in its headers.
/// Whether it is a sub-agent that asks, by the headers that agents send then.
#[must_use]
pub fn is_sub_agent(headers: &HeaderMap) -> bool {
    ["x-claude-code-agent-id", "x-codex-parent-thread-id", "x-openai-subagent", "x-parent-session-id"]
        .iter()
        .any(|name| headers.contains_key(*name))
}

#[must_use]
pub fn session_of(headers: &HeaderMap) -> Option<&str> {
    SESSION_HEADERS.iter().find_map(|name| text(headers, name))
}
