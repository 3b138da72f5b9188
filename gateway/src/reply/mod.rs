//! The reply on its way to the agent: watched, counted and changed as it passes.

mod watch;

pub use watch::Watch;

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
use jetway_core::stream::guard::{Guard, Pending};
use jetway_core::stream::{Pipe, write};
use jetway_core::wire::event::Shape;
use prometheus::Histogram;
use tokio::time::{Instant, Sleep};
use tracing::{Instrument, Span};

use crate::call::BodyError;
use crate::converse::{Lost, NoMore, Talk};
use crate::exchange::Exchange;
use crate::metrics::Open;
use crate::runs::Outcome;
use crate::tab::{self, Change, Changed};

/// How long an agent hears nothing while a call is kept back. The most patient give up after five
/// minutes, and proxies between sooner.
const QUIET: Duration = Duration::from_secs(15);
/// What it hears then.
const ON_ITS_WAY: &[u8] = b": more is on its way\n\n";

/// A sentence of ours, marked as such.
fn ours(why: &str) -> String {
    if why.starts_with("[Jetway] ") { why.to_owned() } else { format!("[Jetway] {why}") }
}

fn note(exchange: &mut Exchange, watch: &Watch) {
    let judges = watch.guard.as_ref().map(Guard::judge);
    let reading = watch.meter.reading();
    exchange.note(reading, judges);
    if reading.ended && reading.failure.is_none() {
        exchange.said(&watch.turn, [watch.called.clone(), watch.turn.calls()].concat(), judges);
    }
}

/// Takes in a reply that is not a stream, checks it as a whole and ends the exchange.
///
/// # Errors
/// [`Lost`], with the exchange, when it did not come to its end or cannot be checked.
pub async fn whole(
    upstream: Incoming,
    watch: Watch,
    mut talk: Option<Talk>,
    mut exchange: Exchange,
    silence: Duration,
) -> Result<Bytes, (Lost, Box<Exchange>)> {
    let mut pipe = Pipe::new(Shape::Whole, watch);
    let mut out = Vec::new();
    let result = Box::pin(all_turns(upstream, &mut pipe, &mut talk, (&mut exchange, silence), &mut out)).await;
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

/// Takes in a whole reply, and those by which it goes on.
async fn all_turns(
    mut upstream: Incoming,
    pipe: &mut Pipe<Watch>,
    talk: &mut Option<Talk>,
    (exchange, silence): (&mut Exchange, Duration),
    out: &mut Vec<u8>,
) -> Result<(), Lost> {
    let limit = exchange.gate.config.limits.reply;
    loop {
        collect(upstream, pipe, (limit, silence), out).await?;
        let watch = pipe.steps_mut();
        let (Some(pending), Some(talk)) = (watch.pending(), talk.as_mut()) else { return Ok(watch.release(out)?) };
        let Some(guard) = &watch.guard else { return Ok(()) };
        let ends = match pending {
            Pending::GoOn => match talk.go_on(guard, watch.meter.reading(), exchange).await {
                Ok(next) => {
                    watch.go_on(out)?;
                    pipe.restart();
                    upstream = next;
                    continue;
                }
                Err(NoMore::Lost(lost)) => return Err(lost),
                Err(NoMore::Ends { why, reason }) => {
                    exchange.record.reason = Some(reason);
                    Some(why)
                }
            },
            Pending::Remember => {
                talk.remember(guard, exchange).await;
                None
            }
            Pending::GiveUp => Some(guard.sentences()),
        };
        let Some(why) = ends else { return Ok(watch.release(out)?) };
        let mut frames = Vec::new();
        if let Some(guard) = &mut watch.guard {
            guard.end_whole(&ours(&why), &mut frames)?;
        }
        return Ok(watch.deliver(frames, out)?);
    }
}

/// Takes in one whole reply.
async fn collect(
    mut upstream: Incoming,
    pipe: &mut Pipe<Watch>,
    (limit, silence): (jetway_core::units::Size, Duration),
    out: &mut Vec<u8>,
) -> Result<(), Lost> {
    let mut taken = 0;
    loop {
        match tokio::time::timeout(silence, upstream.frame()).await {
            Err(_) => return Err(Lost::Silent(silence)),
            Ok(None) => return Ok(pipe.close(out)?),
            Ok(Some(Err(error))) => return Err(Lost::BrokeOff(error.to_string())),
            Ok(Some(Ok(frame))) => {
                let Ok(data) = frame.into_data() else { continue };
                taken += data.len();
                if taken > limit.0 {
                    return Err(Lost::TooLarge(limit));
                }
                pipe.feed(&data, out)?;
            }
        }
    }
}

/// A stream on its way. Ends its exchange exactly once, also when it is dropped midway.
pub struct Reply {
    state: State,
    lost: Option<Lost>,
    /// What is logged on the way stands in its exchange's.
    span: Span,
    /// It is counted among the open streams.
    _open: Open,
}

enum State {
    Flowing(Box<Flow>),
    /// The provider has said all of a turn, and what follows is on its way. The agent hears a
    /// comment now and then.
    Between(Pin<Box<dyn Future<Output = Between> + Send>>, Pin<Box<Sleep>>),
    Over,
}

/// What came of the time between two turns.
enum Between {
    /// The model goes on; these bytes leave before that.
    GoesOn(Box<Flow>, Vec<u8>),
    /// The reply ends with these bytes.
    Over(Vec<u8>, Option<Lost>),
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
    /// There where the model may be answered.
    talk: Option<Talk>,
    chunks: Chunks,
}

/// How long the provider takes from one chunk to the next.
struct Chunks {
    told: Histogram,
    last: Option<Instant>,
}

impl Chunks {
    /// One came. What is returned is how long after the one before.
    fn come(&mut self) -> Option<Duration> {
        let now = Instant::now();
        let gap = self.last.replace(now).map(|last| now - last)?;
        self.told.observe(gap.as_secs_f64());
        Some(gap)
    }
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
    /// A rule ends it here.
    Stopped,
    /// The provider has said all of a turn, and the reply does not end with it.
    Turned(Pending),
}

impl Reply {
    #[must_use]
    pub fn new(
        upstream: Incoming,
        watch: Watch,
        talk: Option<Talk>,
        exchange: Exchange,
        longest_silence: Duration,
    ) -> Self {
        let metrics = &exchange.jetway().metrics;
        let open = Open::new(&metrics.exchanges.streams);
        let span = exchange.span();
        let chunks = Chunks { told: metrics.genai.chunks(exchange.labels()), last: None };
        let flow = Flow {
            upstream,
            silence: Box::pin(tokio::time::sleep(longest_silence)),
            longest_silence,
            quiet: Box::pin(tokio::time::sleep(QUIET)),
            pipe: Pipe::new(Shape::Event, watch),
            exchange,
            purse: Purse::default(),
            talk,
            chunks,
        };
        Self { state: State::Flowing(Box::new(flow)), lost: None, span, _open: open }
    }
}

impl Reply {
    /// Takes what came of waiting for a reply's next bytes.
    fn passed(&mut self, flow: Box<Flow>, passed: Passed, out: &mut Vec<u8>) {
        match passed {
            Passed::More => self.state = State::Flowing(flow),
            Passed::Ended => flow.finish(None),
            Passed::Lost(lost) => {
                flow.finish(Some(&lost));
                self.lost = Some(lost);
            }
            Passed::Exhausted => self.lost = flow.cut(out),
            Passed::Stopped => self.lost = flow.stopped(out),
            Passed::Turned(pending) => {
                let quiet = Box::pin(tokio::time::sleep(QUIET));
                self.state = State::Between(Box::pin(flow.turn(pending)), quiet);
            }
        }
    }
}

impl Drop for Reply {
    fn drop(&mut self) {
        // Between two turns nothing is under way that could be read to its end.
        if let State::Flowing(flow) = std::mem::replace(&mut self.state, State::Over) {
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
                    self.change = tab::change(&ledger, tab, reading);
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
            if let Some(pending) = self.pipe.steps().pending() {
                return Poll::Ready(Passed::Turned(pending));
            }
            if self.pipe.steps().is_holding() && self.quiet.as_mut().poll(cx).is_ready() {
                out.extend_from_slice(ON_ITS_WAY);
                return Poll::Ready(Passed::More);
            }
            return self.silence.as_mut().poll(cx).map(|()| Passed::Lost(Lost::Silent(self.longest_silence)));
        }
        self.silence.as_mut().reset(Instant::now() + self.longest_silence);
        let passed = match polled {
            Poll::Ready(Some(Ok(frame))) => {
                let data = frame.into_data().unwrap_or_default();
                self.exchange.heard(self.chunks.come());
                self.pipe.feed(&data, out).map_or_else(|broken| Passed::Lost(broken.into()), |()| Passed::More)
            }
            Poll::Ready(Some(Err(error))) => Passed::Lost(Lost::BrokeOff(error.to_string())),
            _ => self.pipe.close(out).map_or_else(|broken| Passed::Lost(broken.into()), |()| Passed::Ended),
        };
        let watch = self.pipe.steps();
        Poll::Ready(match (&passed, watch.pending()) {
            (Passed::More | Passed::Ended, _)
                if watch.guard.as_ref().is_some_and(|guard| guard.stopped().is_some()) =>
            {
                Passed::Stopped
            }
            (Passed::Ended, Some(pending)) => Passed::Turned(pending),
            _ => passed,
        })
    }

    /// Sees to what has to happen behind a turn.
    async fn turn(mut self: Box<Self>, pending: Pending) -> Between {
        let mut out = Vec::new();
        let Self { pipe, talk, exchange, .. } = &mut *self;
        let watch = pipe.steps_mut();
        let (Some(guard), Some(talk)) = (&watch.guard, talk) else { return self.over(out, None) };
        let ends = match pending {
            Pending::GoOn => match talk.go_on(guard, watch.meter.reading(), exchange).await {
                Ok(next) => {
                    if let Err(broken) = watch.go_on(&mut out) {
                        return self.over(out, Some(broken.into()));
                    }
                    pipe.restart();
                    self.upstream = next;
                    self.purse = Purse::default();
                    self.chunks.last = None;
                    return Between::GoesOn(self, out);
                }
                Err(NoMore::Lost(lost)) => return self.over(out, Some(lost)),
                Err(NoMore::Ends { why, reason }) => Some((why, reason)),
            },
            Pending::Remember => {
                talk.remember(guard, exchange).await;
                None
            }
            Pending::GiveUp => Some((guard.sentences(), "lockdown")),
        };
        match ends {
            Some((why, reason)) => {
                let lost = self.ended_by(&why, reason, &mut out);
                Between::Over(out, lost)
            }
            None => {
                let released = watch.release(&mut out).err().map(Lost::from);
                self.over(out, released)
            }
        }
    }

    fn over(self: Box<Self>, out: Vec<u8>, lost: Option<Lost>) -> Between {
        self.finish(lost.as_ref());
        Between::Over(out, lost)
    }

    /// Ends the exchange of a stream that came to its end, or was lost.
    fn finish(mut self: Box<Self>, lost: Option<&Lost>) {
        note(&mut self.exchange, self.pipe.steps());
        // A provider that closes in the middle closes as cleanly as one that is done: what tells
        // them apart is the dialect's own end.
        let reading = self.pipe.steps().meter.reading();
        let outcome = match (lost, &reading.failure) {
            (None, None) if reading.ended => Outcome::Complete,
            (None, None) => Outcome::ProviderTruncated,
            _ => Outcome::ProviderFailed,
        };
        if outcome != Outcome::Complete {
            self.exchange.record.reason = Some("provider");
            let detail = match (lost, &reading.failure) {
                (Some(lost), _) => lost.to_string(),
                (None, Some(kind)) => format!("the provider reported {}", kind.chars().take(100).collect::<String>()),
                (None, None) => String::from("the reply stopped before its end"),
            };
            self.exchange.record.detail = Some(detail);
        }
        self.exchange.end(outcome);
    }

    /// Ends a stream for which nothing more could be set aside.
    fn cut(mut self: Box<Self>, out: &mut Vec<u8>) -> Option<Lost> {
        let why = self.purse.denied.take();
        let why = why.map_or_else(|| String::from("the budget is used up."), |denied| denied.used_up());
        self.ended_by(&format!("This reply was ended here: {why}"), "budget", out)
    }

    /// Ends a stream where a rule says so.
    fn stopped(self: Box<Self>, out: &mut Vec<u8>) -> Option<Lost> {
        let guard = self.pipe.steps().guard.as_ref();
        let why = guard.and_then(|guard| guard.stopped()).unwrap_or_default().to_owned();
        self.ended_by(&why, "lockdown", out)
    }

    /// Ends a stream with a sentence, and its exchange. Dropping the connection tells the provider
    /// to stop. An agent that has half of something is better off with a connection that breaks:
    /// it keeps nothing of it, asks again, and is told why not.
    fn ended_by(mut self: Box<Self>, why: &str, reason: &'static str, out: &mut Vec<u8>) -> Option<Lost> {
        note(&mut self.exchange, self.pipe.steps());
        let output = tab::so_far(self.pipe.steps().meter.reading()).output;
        let sentence = ours(why);
        let ended = self.pipe.steps_mut().cut.as_mut().and_then(|cut| cut.end(&sentence, output));
        if let Some(frames) = &ended {
            write(frames, out);
        }
        self.exchange.record.bytes_out += out.len();
        self.exchange.record.reason = Some(reason);
        self.exchange.record.detail = Some(why.to_owned());
        self.exchange.end(Outcome::Cut);
        if ended.is_some() { None } else { Some(Lost::Ended) }
    }

    /// The agent hung up.
    fn abandoned(mut self: Box<Self>) {
        let reading = self.pipe.steps().meter.reading();
        // Some agents hang up as soon as they have read the end.
        let ended = reading.ended && reading.failure.is_none();
        match self.exchange.on_client_gone() {
            Gone::Drain { time, bytes } if !reading.ended => {
                let tasks = self.exchange.jetway().tasks.clone();
                let span = self.exchange.span();
                tasks.spawn(self.drain(time, bytes).instrument(span));
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
        tracing::debug!(in_time, taken, "read on after the agent left");
        note(&mut self.exchange, self.pipe.steps());
        self.exchange.end(Outcome::ClientGone);
    }
}

impl Body for Reply {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<HttpFrame<Bytes>, BodyError>>> {
        let this = self.get_mut();
        let span = this.span.clone();
        let _here = span.enter();
        let mut out = Vec::new();
        loop {
            match std::mem::replace(&mut this.state, State::Over) {
                State::Over => break,
                State::Between(mut next, mut quiet) => match next.as_mut().poll(cx) {
                    Poll::Pending => {
                        if quiet.as_mut().poll(cx).is_ready() {
                            out.extend_from_slice(ON_ITS_WAY);
                            quiet.as_mut().reset(Instant::now() + QUIET);
                        }
                        let is_waiting = out.is_empty() && quiet.as_mut().poll(cx).is_pending();
                        this.state = State::Between(next, quiet);
                        if is_waiting {
                            return Poll::Pending;
                        }
                    }
                    Poll::Ready(Between::GoesOn(mut flow, bytes)) => {
                        out.extend_from_slice(&bytes);
                        flow.exchange.record.bytes_out += bytes.len();
                        // What lies between two turns is no pause of its provider's.
                        flow.chunks.last = None;
                        flow.silence.as_mut().reset(Instant::now() + flow.longest_silence);
                        flow.quiet.as_mut().reset(Instant::now() + QUIET);
                        this.state = State::Flowing(flow);
                    }
                    Poll::Ready(Between::Over(bytes, lost)) => {
                        out.extend_from_slice(&bytes);
                        this.lost = lost;
                    }
                },
                State::Flowing(mut flow) => match flow.poll(cx, &mut out) {
                    Poll::Pending => {
                        this.state = State::Flowing(flow);
                        return Poll::Pending;
                    }
                    Poll::Ready(passed) => {
                        if !out.is_empty() {
                            flow.exchange.record.bytes_out += out.len();
                            flow.quiet.as_mut().reset(Instant::now() + QUIET);
                        }
                        this.passed(flow, passed, &mut out);
                    }
                },
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
