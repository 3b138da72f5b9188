//! Turns that the agent never sees: the model called what Jetway answers, so it is asked to go
//! on, and what it says then is joined to the same reply.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Method, Response, header};
use hyper::body::Incoming;
use jetway_core::overlay::Edit;
use jetway_core::policy::desk::Judges;
use jetway_core::stream::guard::Guard;
use jetway_core::stream::meter::Reading;
use jetway_core::stream::shape_of;
use jetway_core::wire::Broken;
use jetway_core::wire::event::Shape;
use jetway_core::wire::history;
use jetway_core::wire::json::Json;
use jetway_core::wire::patch::Patch;
use jetway_core::wire::request::Request;
use jiff::Timestamp;

use crate::call::text;
use crate::exchange::Exchange;
use crate::runs::state::Origin;
use crate::stage::breadcrumbs::Trail;
use crate::stage::budget::{self, Hold, Short};
use crate::upstream::{Outgoing, Upstream};

/// What it takes to ask again: the request as it was sent, and as the agent made it.
#[derive(Debug)]
pub struct Talk {
    pub request: Request,
    pub outbound: Bytes,
    pub path: &'static str,
    pub query: Option<String>,
    pub headers: HeaderMap,
    pub provider: String,
    /// The path of its run.
    pub trail: Option<Arc<Trail>>,
    /// What the overlay of this conversation is kept under.
    pub conversation: String,
    /// How often the model went on by now, and may at most.
    pub turns: u32,
    pub most_turns: u32,
}

/// Why a reply did not come to its end.
#[derive(Debug, thiserror::Error)]
pub enum Lost {
    #[error("the provider sent nothing for {} s", .0.as_secs())]
    Silent(Duration),
    #[error("the provider broke off: {0}")]
    BrokeOff(String),
    #[error("{0}")]
    Broken(#[from] Broken),
    /// It had to end, and could not be ended properly where it was.
    #[error("it was ended in the middle")]
    Ended,
    #[error("it is larger than {0}")]
    TooLarge(jetway_core::units::Size),
}

/// Why the model does not go on.
#[derive(Debug)]
pub enum NoMore {
    /// The reply ends with this sentence; the word is for the log.
    Ends {
        why: String,
        reason: &'static str,
    },
    Lost(Lost),
}

impl From<Lost> for NoMore {
    fn from(lost: Lost) -> Self {
        Self::Lost(lost)
    }
}

impl Talk {
    /// Asks the provider to go on, once the turn is charged and the next one's cost set aside.
    ///
    /// # Errors
    /// [`NoMore`] when it may not, or the provider gives no reply.
    pub async fn go_on(
        &mut self,
        guard: &Guard<Judges>,
        reading: &Reading,
        exchange: &mut Exchange,
    ) -> Result<Incoming, NoMore> {
        if self.turns >= self.most_turns {
            let why = format!(
                "{} The model was answered {} times in one reply, and is not again; ask anew.",
                guard.sentences(),
                self.turns
            );
            return Err(NoMore::Ends { why, reason: "inner_turns" });
        }
        let more = guard.continuation().ok_or_else(|| Lost::BrokeOff(String::from("its turn cannot be told again")))?;
        self.outbound = behind(&self.outbound, &self.request, &more)?;
        exchange.sends(&self.outbound);
        self.turns += 1;
        if let Some(trail) = &self.trail {
            trail.go_on();
        }
        exchange.corrects(guard.judge());
        exchange.turned(reading).await;
        let bytes = self.outbound.len() as u64;
        let hold = match budget::reserve_again(bytes, self.turns, exchange).await {
            Ok(hold) => hold,
            Err(Short::Low(low)) => return Err(NoMore::Ends { why: low.denied.used_up(), reason: "budget" }),
            Err(Short::Unreachable(error)) => return Err(NoMore::Ends { why: error.to_string(), reason: "ledger" }),
        };
        self.send(&hold, exchange).await
    }

    async fn send(&self, _reserved: &Hold, exchange: &mut Exchange) -> Result<Incoming, NoMore> {
        let gate = Arc::clone(&exchange.gate);
        let Some(upstream) = gate.upstreams.get(&self.provider) else {
            return Err(Lost::BrokeOff(String::from("the provider is not configured any more")).into());
        };
        let timeouts = &upstream.provider.timeouts;
        let patience = if self.request.stream { timeouts.first_byte } else { timeouts.whole };
        exchange.sending(&self.provider);
        let outgoing = Outgoing {
            method: Method::POST,
            path: self.path,
            query: self.query.clone(),
            headers: self.headers.clone(),
            body: self.outbound.clone(),
        };
        let sent = upstream.send(outgoing, patience, &exchange.jetway().metrics).await;
        let sent = sent.map_err(|error| Lost::BrokeOff(error.to_string()))?;
        self.checked(upstream, sent, exchange)
    }

    /// A reply that can be joined to the one under way.
    fn checked(
        &self,
        upstream: &Upstream,
        response: Response<Incoming>,
        exchange: &mut Exchange,
    ) -> Result<Incoming, NoMore> {
        let headers = response.headers();
        let status = response.status();
        if !status.is_success() {
            exchange.owes_nothing();
            let why = format!("the provider `{}` answered {status} when it was to go on", upstream.provider.name);
            return Err(Lost::BrokeOff(why).into());
        }
        let is_plain = headers.get(header::CONTENT_ENCODING).is_none_or(|encoding| encoding == "identity");
        let shape = shape_of(text(headers, header::CONTENT_TYPE.as_str()));
        if !is_plain || (shape == Shape::Event) != self.request.stream {
            return Err(Lost::BrokeOff(String::from("it went on in another form")).into());
        }
        Ok(response.into_body())
    }

    /// Keeps what the agent was not told, for its next request. Without it that is valid too, so a
    /// failure is only reported.
    pub async fn remember(&self, guard: &Guard<Judges>, exchange: &mut Exchange) {
        self.keep_edit(guard, exchange).await;
        if let Some(trail) = &self.trail {
            trail.tell(exchange);
            if let Err(error) = trail.keep(&exchange.jetway().state).await {
                tracing::error!(%error, "how far a run has come could not be kept");
            }
        }
    }

    /// First of the two: an edit without progress is told again, and progress without an edit is
    /// progress that the model knows nothing of.
    async fn keep_edit(&self, guard: &Guard<Judges>, exchange: &mut Exchange) {
        let Some(made) = guard.made() else { return };
        let Some(anchor) = history::anchor(&self.request, &made.given) else { return };
        exchange.opening.iter_mut().for_each(|opening| opening.gives(&anchor));
        let edit = Edit { anchor, told: made.told, answers: made.answers, substituted: made.substituted };
        let state = &exchange.jetway().state;
        let origin = Origin::of(&exchange.record, &self.conversation);
        if let Err(error) = state.remember(origin, edit, Timestamp::now()).await {
            let policy = exchange.labels().policy;
            exchange.jetway().metrics.docs.prefix_breaks.with_label_values(&[policy, "store"]).inc();
            tracing::error!(%error, "what the agent was not told could not be kept");
        }
    }
}

/// The request with more behind its conversation.
fn behind(outbound: &Bytes, request: &Request, more: &str) -> Result<Bytes, Lost> {
    let odd = || Lost::BrokeOff(String::from("the request could not be continued"));
    let json = Json::read(outbound.clone()).map_err(|_| odd())?;
    let mut patch = Patch::default();
    history::append(request.dialect, &json, more, &mut patch);
    patch.apply(&json).map_err(|_| odd())
}
