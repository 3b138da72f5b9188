//! From a reply to what is done on the wire, in order: send these bytes, wait, break off.
//!
//! Everything is decided here, without a clock or a socket; the body only carries it out.

use std::collections::VecDeque;
use std::num::NonZeroUsize;
use std::time::Duration;

use bytes::{Bytes, BytesMut};

use crate::events::Event;
use crate::script::{Fault, Manner};

#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Plan {
    pub(crate) steps: VecDeque<Step>,
    /// The length to promise. A stream promises none.
    pub(crate) length: Option<u64>,
}

#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Step {
    Send(Piece),
    Wait(Duration),
    /// The connection breaks, without a word.
    Reset,
}

/// Bytes, and where the bill stands once they are out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Piece {
    pub(crate) bytes: Bytes,
    pub(crate) output: u64,
    /// The reply is complete with this piece.
    pub(crate) finished: bool,
}

/// What a reply costs to put out: all of it, and what its first event already admits to.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Cost {
    pub(crate) output: u64,
    pub(crate) announced: u64,
}

impl Plan {
    /// A document that costs nothing: an error, a list of models.
    pub(crate) fn document(text: impl Into<Bytes>) -> Self {
        let bytes = text.into();
        let length = Some(bytes.len() as u64);
        Self { steps: [send(bytes, 0, true)].into(), length }
    }

    /// A reply that is one JSON document, with the fault in the form that it can have there.
    pub(crate) fn whole(text: String, manner: &Manner, output: u64) -> Self {
        let bytes = Bytes::from(text);
        let half = bytes.slice(..bytes.len() / 2);
        let length = Some(bytes.len() as u64);
        let plan = |steps: Vec<Step>, length| Self { steps: steps.into(), length };
        let plan = match manner.fault {
            Some(Fault::Stall { pause, .. }) => plan(vec![Step::Wait(pause), send(bytes, output, true)], length),
            Some(Fault::Reset { after: 0 }) => plan(vec![Step::Reset], length),
            Some(Fault::Reset { .. }) => plan(vec![send(half, output, false), Step::Reset], length),
            Some(Fault::Close { after: 0 }) => plan(Vec::new(), None),
            Some(Fault::Close { .. }) => plan(vec![send(half, output, false)], None),
            Some(Fault::BrokenJson { .. }) => {
                let length = Some(half.len() as u64);
                plan(vec![send(half, output, true)], length)
            }
            _ => plan(vec![send(bytes, output, true)], length),
        };
        plan.in_fragments(manner.fragment)
    }

    /// A reply in events. `failure` makes the event that comes after so many others when the
    /// fault is an error event. A fault past the end happens before the last event.
    pub(crate) fn stream(
        events: &[Event],
        manner: &Manner,
        cost: Cost,
        failure: impl Fn(usize, &str, &str) -> Event,
    ) -> Self {
        let last = events.len().saturating_sub(1);
        let fault = manner.fault.as_ref().and_then(|fault| Some((fault, after(fault)?.min(last))));
        let all: u64 = events.iter().map(|event| event.weight as u64).sum();
        let mut weight = 0;
        let mut output = 0;
        let mut steps = VecDeque::new();
        for (index, event) in events.iter().enumerate() {
            let fault = fault.filter(|(_, at)| *at == index).map(|(fault, _)| fault);
            match fault {
                Some(Fault::Stall { pause, .. }) => steps.push_back(Step::Wait(*pause)),
                Some(Fault::Reset { .. }) => steps.push_back(Step::Reset),
                Some(Fault::ErrorEvent { kind, message, .. }) => {
                    let bytes = frame(&failure(index, kind, message), manner, index, false);
                    steps.push_back(send(bytes, output, false));
                }
                _ => {}
            }
            if matches!(fault, Some(Fault::Reset { .. } | Fault::Close { .. } | Fault::ErrorEvent { .. })) {
                break;
            }
            if let Some(pace) = manner.pace.filter(|_| index > 0) {
                steps.push_back(Step::Wait(pace));
            }
            weight += event.weight as u64;
            output = if index == last { cost.output } else { cost.so_far(weight, all) };
            let is_broken = matches!(fault, Some(Fault::BrokenJson { .. }));
            let bytes = frame(event, manner, index, is_broken);
            steps.push_back(send(bytes, output, index == last));
        }
        Self { steps, length: None }.in_fragments(manner.fragment)
    }

    /// Takes what comes before the first byte, which is before the head of the response too:
    /// how long to wait, and whether the connection breaks then.
    pub(crate) fn lead(&mut self) -> (Duration, bool) {
        let mut wait = Duration::ZERO;
        while let Some(Step::Wait(pause)) = self.steps.front() {
            wait += *pause;
            self.steps.pop_front();
        }
        (wait, self.steps.front() == Some(&Step::Reset))
    }

    /// Cuts all that is sent without a pause between into pieces of one size, wherever that is.
    fn in_fragments(self, size: Option<NonZeroUsize>) -> Self {
        let Some(size) = size.map(NonZeroUsize::get) else { return self };
        let mut steps = VecDeque::new();
        let mut run: Vec<Piece> = Vec::new();
        for step in self.steps {
            match step {
                Step::Send(piece) => run.push(piece),
                other => {
                    steps.extend(cut(&run, size));
                    run.clear();
                    steps.push_back(other);
                }
            }
        }
        steps.extend(cut(&run, size));
        Self { steps, length: self.length }
    }
}

impl Cost {
    /// What a part of the reply costs, rounded up.
    fn so_far(&self, weight: u64, all: u64) -> u64 {
        let share = (u128::from(self.output) * u128::from(weight)).div_ceil(u128::from(all.max(1)));
        u64::try_from(share).unwrap_or(self.output).max(self.announced)
    }
}

/// A fragment's bill is that of the last piece which is wholly out with it.
fn cut(run: &[Piece], size: usize) -> Vec<Step> {
    let mut all = BytesMut::new();
    let ends: Vec<usize> = run
        .iter()
        .map(|piece| {
            all.extend_from_slice(&piece.bytes);
            all.len()
        })
        .collect();
    let all = all.freeze();
    let fragments = (0..all.len()).step_by(size).map(|start| {
        let end = (start + size).min(all.len());
        let whole = ends.partition_point(|piece_end| *piece_end <= end);
        let (output, finished) = whole.checked_sub(1).map_or((0, false), |at| (run[at].output, run[at].finished));
        send(all.slice(start..end), output, finished)
    });
    fragments.collect()
}

fn send(bytes: Bytes, output: u64, finished: bool) -> Step {
    Step::Send(Piece { bytes, output, finished })
}

/// After how many events a fault of a stream happens.
fn after(fault: &Fault) -> Option<usize> {
    match fault {
        Fault::Stall { after, .. }
        | Fault::Reset { after }
        | Fault::Close { after }
        | Fault::BrokenJson { after }
        | Fault::ErrorEvent { after, .. } => Some(*after),
        Fault::Html(_) => None,
    }
}

/// The event's bytes.
fn frame(event: &Event, manner: &Manner, index: usize, is_broken: bool) -> Bytes {
    let end = if manner.crlf { "\r\n" } else { "\n" };
    let mut text = String::new();
    if manner.comments && index > 0 {
        text = format!(": keep-alive{end}{end}");
    }
    if let Some(name) = event.name {
        text = format!("{text}event: {name}{end}");
    }
    let data = &event.data;
    let kept = if is_broken { data.floor_char_boundary(data.len() / 2) } else { data.len() };
    format!("{text}data: {}{end}{end}", &data[..kept]).into()
}

#[cfg(test)]
mod tests;
