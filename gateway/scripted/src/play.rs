//! The one response body: it carries out a plan, and keeps the bill as it goes.

use std::collections::VecDeque;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use hyper::body::{Body, Frame, SizeHint};
use tokio::time::{Sleep, sleep};

use crate::plan::{Plan, Step};
use crate::seen::{Bill, Served};
use crate::wire::Wire;

#[derive(Debug)]
pub(crate) struct Play {
    steps: VecDeque<Step>,
    length: Option<u64>,
    waiting: Option<Pin<Box<Sleep>>>,
    wire: Arc<Wire>,
    bill: Bill,
    /// The bill before the piece that was handed over last.
    before: Served,
}

impl Play {
    pub(crate) fn new(plan: Plan, wire: Arc<Wire>, bill: Bill) -> Self {
        let before = bill.read();
        Self { steps: plan.steps, length: plan.length, waiting: None, wire, bill, before }
    }
}

impl Body for Play {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        loop {
            if let Some(waiting) = &mut self.waiting {
                ready!(waiting.as_mut().poll(cx));
                self.waiting = None;
            }
            ready!(self.wire.poll_written(cx));
            match self.steps.pop_front() {
                None => return Poll::Ready(None),
                Some(Step::Wait(pause)) => self.waiting = Some(Box::pin(sleep(pause))),
                Some(Step::Reset) => {
                    self.wire.break_off();
                    let reset = io::Error::from(io::ErrorKind::ConnectionReset);
                    return Poll::Ready(Some(Err(reset)));
                }
                Some(Step::Send(piece)) => {
                    // Billed before it is out, or a reader who sees the end of the reply could
                    // find a bill that does not have it yet.
                    self.before = self.bill.read();
                    self.bill.write(piece.output, piece.finished);
                    self.wire.hand();
                    return Poll::Ready(Some(Ok(Frame::data(piece.bytes))));
                }
            }
        }
    }

    fn size_hint(&self) -> SizeHint {
        self.length.map_or_else(SizeHint::default, SizeHint::with_exact)
    }
}

impl Drop for Play {
    fn drop(&mut self) {
        // The last piece never got out. A body of known length is exempt: hyper drops it when it
        // has all the bytes, written or not.
        if self.length.is_none() && self.wire.is_held() {
            self.bill.write(self.before.output, self.before.finished);
        }
    }
}
