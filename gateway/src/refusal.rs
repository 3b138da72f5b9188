//! Every way to say no, and the one place that writes it.

use bytes::Bytes;
use http::{HeaderName, HeaderValue, Response, StatusCode};
use jetway_core::policy::budget::cap::Denied;
use jetway_core::policy::budget::rate::TooFast;
use jetway_core::policy::{identity, models};
use jetway_core::wire::Dialect;
use jetway_core::wire::agent::Agent;
use jetway_core::wire::error::{No, answer};
use jetway_core::wire::json::Unreadable;
use jetway_core::wire::patch::Overlap;
use jetway_core::wire::request::Malformed;

use crate::ledger;
use crate::receive::Unfit;
use crate::settling::UNRECORDED;
use crate::stage::identity::Unidentified;
use crate::stage::models::StepDenied;
use crate::store::StoreError;
use crate::tokens::Unreachable;
use crate::upstream::{Failed, NoCredential};

/// Why a request is not served.
#[derive(Debug, thiserror::Error)]
pub enum Refusal {
    #[error(
        "{method} {path} is not an endpoint of Jetway. It serves /v1/messages, /v1/messages/count_tokens, /v1/chat/completions, /v1/responses, /v1/models and /v1/usage, each also behind /POLICY"
    )]
    NoEndpoint { method: String, path: String },
    #[error("{path} takes {allowed}, not {method}")]
    Method { method: String, path: String, allowed: &'static str },
    #[error("WebSockets are not served here; send the request with POST")]
    Upgrade,
    #[error("there is no policy `{name}`; the policies here are {known}")]
    NoPolicy { name: String, known: String },
    #[error(
        "no run {run:?} of yours is open; a reply names its run in `x-jetway-run`, and one that was quiet for some minutes has ended by itself"
    )]
    NoRun { run: String },
    #[error("Jetway serves as many requests as it may at once; try again soon")]
    Full,
    #[error("Jetway cannot write its run log, so it serves nothing for the moment; try again soon")]
    Unrecorded,
    #[error(transparent)]
    Identity(#[from] identity::Denied),
    #[error(
        "Jetway cannot reach the one that this policy asks about tokens, so it cannot say who is calling; try again soon"
    )]
    Unreachable(#[from] Unreachable),
    #[error(transparent)]
    Unfit(#[from] Unfit),
    #[error(transparent)]
    Malformed(#[from] Malformed),
    #[error(transparent)]
    Models(#[from] models::Denied),
    #[error(transparent)]
    Step(#[from] StepDenied),
    #[error(transparent)]
    Credential(#[from] NoCredential),
    #[error(transparent)]
    Budget(#[from] Denied),
    #[error(transparent)]
    TooFast(#[from] TooFast),
    #[error(
        "Jetway cannot reach the ledger that budgets are counted in, so it serves nothing for the moment; try again soon"
    )]
    Ledger(#[from] ledger::Unreachable),
    #[error("Jetway cannot reach its own records, so it serves nothing for the moment; try again soon")]
    Store(#[from] StoreError),
    #[error("results cannot be searched for secrets now, so nothing is sent: {why}")]
    Unsearched { why: String },
    #[error(transparent)]
    Provider(#[from] Failed),
    #[error("the reply of the provider `{provider}` cannot be checked, so it is withheld: {why}")]
    Unchecked { provider: String, why: String },
    #[error("Jetway's own changes to this request contradict each other; please report this")]
    Overlap(#[from] Overlap),
}

impl From<Unreadable> for Refusal {
    fn from(error: Unreadable) -> Self {
        Self::Malformed(error.into())
    }
}

impl From<Unidentified> for Refusal {
    fn from(error: Unidentified) -> Self {
        match error {
            Unidentified::Denied(denied, _) => Self::Identity(denied),
            Unidentified::Store(error) => Self::Store(error),
            Unidentified::Unreachable(error) => Self::Unreachable(error),
        }
    }
}

impl Refusal {
    /// The metric label and the word in the run log: one of these, for ever.
    #[must_use]
    pub fn reason(&self) -> &'static str {
        match self {
            Self::NoEndpoint { .. } | Self::Method { .. } | Self::NoPolicy { .. } => "route",
            Self::NoRun { .. } => "no_run",
            Self::Upgrade => "upgrade",
            Self::Full => "full",
            Self::Unrecorded => UNRECORDED,
            Self::Identity(_) => "identity",
            Self::Unreachable(_) => "issuer",
            Self::Unfit(Unfit::TooLarge { .. }) => "too_large",
            Self::Unfit(_) => "unfit",
            Self::Malformed(_) => "malformed",
            Self::Models(_) | Self::Step(_) => "model",
            Self::Credential(_) => "credential",
            Self::Budget(_) => "budget",
            Self::TooFast(_) => "rate",
            Self::Ledger(_) => "ledger",
            Self::Store(_) => "store",
            Self::Unsearched { .. } => "unsearched",
            Self::Provider(_) => "provider",
            Self::Unchecked { .. } => "unchecked",
            Self::Overlap(_) => "internal",
        }
    }

    /// Whether it is the provider's failure, not our decision.
    #[must_use]
    pub fn is_providers(&self) -> bool {
        matches!(self, Self::Provider(_) | Self::Unchecked { .. })
    }

    fn no(&self) -> No {
        match self {
            Self::NoEndpoint { .. } | Self::NoPolicy { .. } | Self::NoRun { .. } => No::NotFound,
            Self::Method { .. } => No::Method,
            Self::Upgrade => No::Upgrade,
            Self::Identity(denied) if denied.is_known() => No::Forbidden,
            Self::Identity(_) => No::Unauthenticated,
            Self::Models(_) | Self::Step(_) | Self::Credential(_) => No::Forbidden,
            Self::Unfit(Unfit::TooLarge { .. }) => No::TooLarge,
            Self::Unfit(Unfit::ContentType { .. } | Unfit::Encoding { .. }) => No::MediaType,
            Self::Unfit(Unfit::Slow { .. }) => No::Slow,
            Self::Unfit(_) | Self::Malformed(_) => No::Malformed,
            Self::Budget(_) => No::Exhausted,
            Self::TooFast(fast) => No::TooFast { wait: fast.wait },
            Self::Full | Self::Unrecorded | Self::Unreachable(_) => No::Unavailable,
            Self::Store(_) | Self::Unsearched { .. } | Self::Ledger(_) => No::Unavailable,
            Self::Provider(Failed::Slow { .. }) => No::GatewayTimeout,
            Self::Provider(_) | Self::Unchecked { .. } => No::BadGateway,
            Self::Overlap(_) => No::Internal,
        }
    }

    /// Writes it in the dialect's own shape.
    #[must_use]
    pub fn respond(&self, dialect: Dialect, agent: Agent, exchange: &str) -> Response<Bytes> {
        let answer = answer(dialect, agent, self.no(), &self.to_string(), exchange);
        let mut response = Response::new(Bytes::from(answer.body));
        *response.status_mut() = StatusCode::from_u16(answer.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        for (name, value) in answer.headers {
            if let Ok(value) = HeaderValue::try_from(value) {
                response.headers_mut().insert(HeaderName::from_static(name), value);
            }
        }
        if let Self::Method { allowed, .. } = self {
            response.headers_mut().insert(http::header::ALLOW, HeaderValue::from_static(allowed));
        }
        response
    }
}
