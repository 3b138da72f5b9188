//! The reply on its way to the agent: watched, counted and changed as it passes.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use http_body::{Body, Frame as HttpFrame};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use jetway_core::policy::lockdown::Guard;
use jetway_core::stream::hide::HideUsage;
use jetway_core::stream::meter::Meter;
use jetway_core::stream::{Pipe, Steps, through, write};
use jetway_core::wire::Broken;
use jetway_core::wire::event::{Frame, Shape};
use pin_project_lite::pin_project;
use tokio::time::{Instant, Sleep};

use crate::call::BodyError;
use crate::exchange::Exchange;
use crate::runs::Outcome;

/// The steps that a reply passes, in their order: what it cost is read before anything is changed.
pub struct Watch {
    pub meter: Meter,
    pub guard: Option<Guard>,
    pub hide: Option<HideUsage>,
}

impl Steps for Watch {
    fn pass(&mut self, frame: Frame, out: &mut Vec<u8>) -> Result<(), Broken> {
        let mut frames = through(&mut self.meter, vec![frame])?;
        if let Some(guard) = &mut self.guard {
            frames = through(guard, frames)?;
        }
        if let Some(hide) = &mut self.hide {
            frames = through(hide, frames)?;
        }
        write(&frames, out);
        Ok(())
    }
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
    #[error("it is larger than {0}")]
    TooLarge(jetway_core::units::Size),
}

fn note(exchange: &mut Exchange, watch: &Watch) {
    let refused = watch.guard.as_ref().map_or(&[][..], Guard::refused);
    exchange.note(watch.meter.reading(), refused);
}

/// Takes in a reply that is not a stream, checks it as a whole and ends the exchange.
///
/// # Errors
/// [`Lost`], with the exchange, when it did not come to its end or cannot be checked.
pub async fn whole(
    mut upstream: Incoming,
    watch: Watch,
    mut exchange: Exchange,
    silence: Duration,
) -> Result<Bytes, (Lost, Box<Exchange>)> {
    let limit = exchange.gate.config.limits.reply;
    let mut pipe = Pipe::new(Shape::Whole, watch);
    let mut out = Vec::new();
    let mut taken = 0;
    let result = loop {
        match tokio::time::timeout(silence, upstream.frame()).await {
            Err(_) => break Err(Lost::Silent(silence)),
            Ok(None) => break pipe.close(&mut out).map_err(Lost::from),
            Ok(Some(Err(error))) => break Err(Lost::BrokeOff(error.to_string())),
            Ok(Some(Ok(frame))) => {
                let Ok(data) = frame.into_data() else { continue };
                taken += data.len();
                if taken > limit.0 {
                    break Err(Lost::TooLarge(limit));
                }
                if let Err(broken) = pipe.feed(&data, &mut out) {
                    break Err(broken.into());
                }
            }
        }
    };
    note(&mut exchange, pipe.steps());
    match result {
        Ok(()) => {
            exchange.record.bytes_out = out.len();
            exchange.end(Outcome::Complete);
            Ok(Bytes::from(out))
        }
        Err(lost) => Err((lost, Box::new(exchange))),
    }
}

pin_project! {
    /// A stream on its way. Ends its exchange exactly once, also when it is dropped midway.
    pub struct Reply {
        #[pin]
        upstream: Incoming,
        #[pin]
        silence: Sleep,
        longest_silence: Duration,
        pipe: Pipe<Watch>,
        exchange: Option<Exchange>,
        lost: Option<Lost>,
    }

    impl PinnedDrop for Reply {
        fn drop(this: Pin<&mut Self>) {
            let this = this.project();
            if let Some(mut exchange) = this.exchange.take() {
                let watch = this.pipe.steps();
                note(&mut exchange, watch);
                // Some agents hang up as soon as they have read the end.
                let ended = watch.meter.reading().ended && watch.meter.reading().failure.is_none();
                exchange.end(if ended { Outcome::Complete } else { Outcome::ClientGone });
            }
        }
    }
}

impl Reply {
    #[must_use]
    pub fn new(upstream: Incoming, watch: Watch, exchange: Exchange, longest_silence: Duration) -> Self {
        Self {
            upstream,
            silence: tokio::time::sleep(longest_silence),
            longest_silence,
            pipe: Pipe::new(Shape::Event, watch),
            exchange: Some(exchange),
            lost: None,
        }
    }
}

/// Ends the exchange of a stream that came to its end, or was lost.
fn finish(exchange: &mut Option<Exchange>, watch: &Watch, lost: Option<&Lost>) {
    let Some(mut exchange) = exchange.take() else { return };
    note(&mut exchange, watch);
    // A provider that closes in the middle closes as cleanly as one that is done: what tells
    // them apart is the dialect's own end.
    let reading = watch.meter.reading();
    let complete = lost.is_none() && reading.ended && reading.failure.is_none();
    if !complete {
        exchange.record.reason = Some("provider");
        let detail = match (lost, &reading.failure) {
            (Some(lost), _) => lost.to_string(),
            (None, Some(kind)) => format!("the provider reported {}", kind.chars().take(100).collect::<String>()),
            (None, None) => String::from("the reply stopped before its end"),
        };
        exchange.record.detail = Some(detail);
    }
    exchange.end(if complete { Outcome::Complete } else { Outcome::ProviderFailed });
}

impl Body for Reply {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<HttpFrame<Bytes>, BodyError>>> {
        let mut this = self.project();
        let mut out = Vec::new();
        while this.exchange.is_some() {
            let polled = this.upstream.as_mut().poll_frame(cx);
            if polled.is_pending() {
                ready!(this.silence.as_mut().poll(cx));
            } else {
                this.silence.as_mut().reset(Instant::now() + *this.longest_silence);
            }
            let passed = match polled {
                Poll::Pending => Err(Lost::Silent(*this.longest_silence)),
                Poll::Ready(Some(Err(error))) => Err(Lost::BrokeOff(error.to_string())),
                Poll::Ready(None) => this.pipe.close(&mut out).map(|()| true).map_err(Lost::from),
                Poll::Ready(Some(Ok(frame))) => {
                    let data = frame.into_data().unwrap_or_default();
                    this.pipe.feed(&data, &mut out).map(|()| false).map_err(Lost::from)
                }
            };
            match passed {
                Ok(ended) => {
                    if let Some(exchange) = this.exchange.as_mut() {
                        exchange.record.bytes_out += out.len();
                    }
                    if ended {
                        finish(this.exchange, this.pipe.steps(), None);
                    }
                }
                Err(lost) => {
                    finish(this.exchange, this.pipe.steps(), Some(&lost));
                    *this.lost = Some(lost);
                }
            }
            if !out.is_empty() {
                return Poll::Ready(Some(Ok(HttpFrame::data(out.into()))));
            }
        }
        // A broken connection is what agents repeat as a stream; an error event makes some send
        // everything again in another form. What was good before it has left.
        Poll::Ready(this.lost.take().map(|lost| Err(lost.into())))
    }
}
