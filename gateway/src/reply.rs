//! The reply on its way to the agent: watched, counted and changed as it passes.

use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http_body::{Body, Frame as HttpFrame};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use jetway_core::policy::budget::cap::Denied;
use jetway_core::policy::budget::{Gone, OnExhausted};
use jetway_core::policy::lockdown::Guard;
use jetway_core::stream::hide::HideUsage;
use jetway_core::stream::meter::Meter;
use jetway_core::stream::{Pipe, Steps, through, write};
use jetway_core::wire::Broken;
use jetway_core::wire::cut::Cut;
use jetway_core::wire::event::{Frame, Shape};
use tokio::time::{Instant, Sleep};

use crate::call::BodyError;
use crate::exchange::Exchange;
use crate::runs::Outcome;
use crate::tab::{self, Change, Changed};

/// The steps that a reply passes, in their order: what it cost is read before anything is changed.
pub struct Watch {
    pub meter: Meter,
    pub guard: Option<Guard>,
    pub hide: Option<HideUsage>,
    /// What ends the reply, should the budget be used up in the middle of it.
    pub cut: Option<Cut>,
    /// Whether a call that begins now is kept back until it is whole.
    pub holds_calls: bool,
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
        if let Some(cut) = &mut self.cut {
            let mut leaving = Vec::with_capacity(frames.len());
            frames.into_iter().try_for_each(|frame| cut.push(frame, self.holds_calls, &mut leaving))?;
            frames = leaving;
        }
        write(&frames, out);
        Ok(())
    }
}

/// How long an agent hears nothing while a call is kept back. The most patient give up after five
/// minutes, and proxies between sooner.
const QUIET: Duration = Duration::from_secs(15);

/// Why a reply did not come to its end.
#[derive(Debug, thiserror::Error)]
pub enum Lost {
    #[error("the provider sent nothing for {} s", .0.as_secs())]
    Silent(Duration),
    #[error("the provider broke off: {0}")]
    BrokeOff(String),
    #[error("{0}")]
    Broken(#[from] Broken),
    /// Nothing more could be set aside for it, and it could not be ended properly where it was.
    #[error("the budget was used up in the middle of it")]
    Exhausted,
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

/// A stream on its way. Ends its exchange exactly once, also when it is dropped midway.
pub struct Reply {
    /// None once it has ended.
    flow: Option<Box<Flow>>,
    lost: Option<Lost>,
}

/// The stream of a reply, what watches it and what pays for it.
struct Flow {
    upstream: Incoming,
    silence: Pin<Box<Sleep>>,
    longest_silence: Duration,
    /// Runs out when the agent has heard nothing for so long that it might give up.
    quiet: Pin<Box<Sleep>>,
    pipe: Pipe<Watch>,
    exchange: Exchange,
    purse: Purse,
}

/// What is set aside for a reply, as it grows.
#[derive(Default)]
struct Purse {
    /// A change that the ledger has yet to answer.
    change: Option<Change>,
    /// How often there was no room for more; the last time with this sentence.
    refusals: u32,
    denied: Option<Denied>,
}

/// What came of waiting for a reply's next bytes.
enum Passed {
    More,
    Ended,
    Lost(Lost),
    /// Nothing more may be spent on it.
    Exhausted,
}

impl Reply {
    #[must_use]
    pub fn new(upstream: Incoming, watch: Watch, exchange: Exchange, longest_silence: Duration) -> Self {
        let flow = Flow {
            upstream,
            silence: Box::pin(tokio::time::sleep(longest_silence)),
            longest_silence,
            quiet: Box::pin(tokio::time::sleep(QUIET)),
            pipe: Pipe::new(Shape::Event, watch),
            exchange,
            purse: Purse::default(),
        };
        Self { flow: Some(Box::new(flow)), lost: None }
    }
}

impl Drop for Reply {
    fn drop(&mut self) {
        if let Some(flow) = self.flow.take() {
            flow.abandoned();
        }
    }
}

impl Purse {
    /// Sees to it that enough is set aside for what was read by now. Not ready while the reply
    /// must wait for the ledger; then whether it may go on.
    fn poll(&mut self, cx: &mut Context<'_>, exchange: &mut Exchange, watch: &Watch) -> Poll<bool> {
        let reading = watch.meter.reading();
        let ledger = Arc::clone(&exchange.jetway().ledger);
        loop {
            let Some(tab) = exchange.tab() else { return Poll::Ready(true) };
            let finishes = self.refusals > 0 && tab.on_exhausted == OnExhausted::Finish;
            let is_dry = !finishes && tab.holding.is_dry(tab::so_far(reading));
            if self.change.is_none() && !finishes {
                // After a refusal there is one more chance, when all is used up: others may have
                // given something back by then.
                if is_dry && self.refusals > 1 {
                    return Poll::Ready(false);
                }
                if self.refusals == 0 || is_dry {
                    self.change = tab::change(&ledger, tab, &exchange.record.id, reading);
                }
            }
            let Some(change) = &mut self.change else { return Poll::Ready(true) };
            match change.as_mut().poll(cx) {
                Poll::Pending if is_dry => return Poll::Pending,
                Poll::Pending => return Poll::Ready(true),
                Poll::Ready(Changed::Granted { holding, standings }) => exchange.holds(holding, standings),
                Poll::Ready(Changed::Exhausted(denied)) => {
                    self.refusals += 1;
                    self.denied = denied;
                }
            }
            self.change = None;
        }
    }
}

impl Flow {
    /// Waits for the next bytes; what may leave of them is appended to `out`.
    fn poll(&mut self, cx: &mut Context<'_>, out: &mut Vec<u8>) -> Poll<Passed> {
        match self.purse.poll(cx, &mut self.exchange, self.pipe.steps()) {
            Poll::Pending => return Poll::Pending,
            Poll::Ready(false) => return Poll::Ready(Passed::Exhausted),
            Poll::Ready(true) => {}
        }
        // What may be cut before it is whole must not have left; an agent could run half a call.
        let is_tight = self.exchange.tab().is_some_and(|tab| tab.is_tight);
        self.pipe.steps_mut().holds_calls = is_tight;
        let polled = Pin::new(&mut self.upstream).poll_frame(cx);
        if polled.is_pending() {
            if self.pipe.steps().cut.as_ref().is_some_and(Cut::is_holding) && self.quiet.as_mut().poll(cx).is_ready() {
                out.extend_from_slice(b": a tool call is on its way\n\n");
                return Poll::Ready(Passed::More);
            }
            return self.silence.as_mut().poll(cx).map(|()| Passed::Lost(Lost::Silent(self.longest_silence)));
        }
        self.silence.as_mut().reset(Instant::now() + self.longest_silence);
        Poll::Ready(match polled {
            Poll::Ready(Some(Ok(frame))) => {
                let data = frame.into_data().unwrap_or_default();
                self.pipe.feed(&data, out).map_or_else(|broken| Passed::Lost(broken.into()), |()| Passed::More)
            }
            Poll::Ready(Some(Err(error))) => Passed::Lost(Lost::BrokeOff(error.to_string())),
            _ => self.pipe.close(out).map_or_else(|broken| Passed::Lost(broken.into()), |()| Passed::Ended),
        })
    }

    /// Ends the exchange of a stream that came to its end, or was lost.
    fn finish(mut self: Box<Self>, lost: Option<&Lost>) {
        note(&mut self.exchange, self.pipe.steps());
        // A provider that closes in the middle closes as cleanly as one that is done: what tells
        // them apart is the dialect's own end.
        let reading = self.pipe.steps().meter.reading();
        let complete = lost.is_none() && reading.ended && reading.failure.is_none();
        if !complete {
            self.exchange.record.reason = Some("provider");
            let detail = match (lost, &reading.failure) {
                (Some(lost), _) => lost.to_string(),
                (None, Some(kind)) => format!("the provider reported {}", kind.chars().take(100).collect::<String>()),
                (None, None) => String::from("the reply stopped before its end"),
            };
            self.exchange.record.detail = Some(detail);
        }
        self.exchange.end(if complete { Outcome::Complete } else { Outcome::ProviderFailed });
    }

    /// Ends a stream for which nothing more could be set aside, and its exchange. Dropping the
    /// connection tells the provider to stop. An agent that has half of something is better off
    /// with a connection that breaks: it keeps nothing of it, asks again, and is told why not.
    fn cut(mut self: Box<Self>, out: &mut Vec<u8>) -> Option<Lost> {
        note(&mut self.exchange, self.pipe.steps());
        let why = self.purse.denied.take();
        let why = why.map_or_else(|| String::from("the budget is used up."), |denied| denied.used_up());
        let output = tab::so_far(self.pipe.steps().meter.reading()).output;
        let sentence = format!("[Jetway] This reply was ended here: {why}");
        let ended = self.pipe.steps_mut().cut.as_mut().and_then(|cut| cut.end(&sentence, output));
        if let Some(frames) = &ended {
            write(frames, out);
        }
        self.exchange.record.bytes_out += out.len();
        self.exchange.record.reason = Some("budget");
        self.exchange.record.detail = Some(why);
        self.exchange.end(Outcome::Cut);
        if ended.is_some() { None } else { Some(Lost::Exhausted) }
    }

    /// The agent hung up.
    fn abandoned(mut self: Box<Self>) {
        let reading = self.pipe.steps().meter.reading();
        // Some agents hang up as soon as they have read the end.
        let ended = reading.ended && reading.failure.is_none();
        match self.exchange.on_client_gone() {
            Gone::Drain { time, bytes } if !reading.ended => {
                let tasks = self.exchange.jetway().tasks.clone();
                tasks.spawn(self.drain(time, bytes));
            }
            _ => {
                note(&mut self.exchange, self.pipe.steps());
                self.exchange.end(if ended { Outcome::Complete } else { Outcome::ClientGone });
            }
        }
    }

    /// Reads on for nobody, within bounds, so that what the provider reports can be charged.
    async fn drain(mut self: Box<Self>, time: Duration, bytes: usize) {
        let mut taken = 0;
        let mut unread = Vec::new();
        let rest = async {
            while taken < bytes {
                let may_go_on = poll_fn(|cx| self.purse.poll(cx, &mut self.exchange, self.pipe.steps())).await;
                if !may_go_on {
                    break;
                }
                let frame = poll_fn(|cx| Pin::new(&mut self.upstream).poll_frame(cx)).await;
                let Some(Ok(frame)) = frame else { break };
                let data = frame.into_data().unwrap_or_default();
                taken += data.len();
                unread.clear();
                if self.pipe.feed(&data, &mut unread).is_err() || self.pipe.steps().meter.reading().ended {
                    break;
                }
            }
        };
        let in_time = tokio::time::timeout(time, rest).await.is_ok();
        tracing::debug!(exchange = self.exchange.record.id, in_time, taken, "read on after the agent left");
        note(&mut self.exchange, self.pipe.steps());
        self.exchange.end(Outcome::ClientGone);
    }
}

impl Body for Reply {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<HttpFrame<Bytes>, BodyError>>> {
        let this = self.get_mut();
        let mut out = Vec::new();
        while let Some(mut flow) = this.flow.take() {
            let passed = match flow.poll(cx, &mut out) {
                Poll::Ready(passed) => passed,
                Poll::Pending => {
                    this.flow = Some(flow);
                    return Poll::Pending;
                }
            };
            if !out.is_empty() {
                flow.exchange.record.bytes_out += out.len();
                flow.quiet.as_mut().reset(Instant::now() + QUIET);
            }
            match passed {
                Passed::More => this.flow = Some(flow),
                Passed::Ended => flow.finish(None),
                Passed::Lost(lost) => {
                    flow.finish(Some(&lost));
                    this.lost = Some(lost);
                }
                Passed::Exhausted => this.lost = flow.cut(&mut out),
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
