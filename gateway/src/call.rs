//! What is asked, and by which rules.

use bytes::Bytes;
use http::Response;
use http::request::Parts;
use http_body_util::combinators::UnsyncBoxBody;
use jetway_core::wire::Dialect;
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
