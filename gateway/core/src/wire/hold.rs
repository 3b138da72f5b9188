//! Keeps parts of a streamed reply back until they may leave.
//!
//! What began behind a part that is kept back waits too, so that everything leaves in the order
//! in which it began, and what never leaves is always the last.

use std::collections::VecDeque;

use crate::wire::Broken;
use crate::wire::event::Frame;
use crate::wire::json::{Json, Value};
use crate::wire::patch::Patch;

/// As much of one reply as is kept at once, in bytes. No real call comes near it.
pub(in crate::wire) const MOST_KEPT: usize = 16 << 20;
/// Deltas are joined up to this size, in bytes: some agents read all arguments anew at every
/// delta, and a long call in many of them stalls those.
const JOINED: usize = 64 << 10;
/// So many frames of a part are kept as they came, so that what is held for a moment only leaves
/// as it came; those behind them are joined.
const UNJOINED: usize = 32;
/// What a frame weighs beside its bytes: the places of its values.
const PER_FRAME: usize = 512;

/// Follows JSON that comes in pieces, to tell whether it was broken off.
#[derive(Debug, Default)]
pub(in crate::wire) struct Input {
    depth: usize,
    in_string: bool,
    escaped: bool,
    begun: bool,
}

impl Input {
    pub(in crate::wire) fn take(&mut self, text: &str) {
        for byte in text.bytes() {
            self.begun |= !byte.is_ascii_whitespace();
            match byte {
                _ if self.escaped => self.escaped = false,
                b'\\' if self.in_string => self.escaped = true,
                b'"' => self.in_string = !self.in_string,
                _ if self.in_string => {}
                b'{' | b'[' => self.depth += 1,
                b'}' | b']' => self.depth = self.depth.saturating_sub(1),
                _ => {}
            }
        }
    }

    /// Whether everything that was opened is closed. So it is where nothing came: a call without
    /// arguments.
    pub(in crate::wire) fn is_closed(&self) -> bool {
        self.depth == 0 && !self.in_string
    }

    /// Whether a value came, and came to its end.
    pub(in crate::wire) fn is_whole(&self) -> bool {
        self.begun && self.is_closed()
    }
}

/// A string in a frame that the next piece can be joined to.
#[derive(Debug)]
pub(in crate::wire) struct Delta {
    /// Only pieces of the same kind are joined.
    pub(in crate::wire) kind: String,
    /// The string's [`Value::index`].
    pub(in crate::wire) node: usize,
}

/// What is kept back of one call or block, in order.
#[derive(Debug, Default)]
pub(in crate::wire) struct Kept {
    pieces: Vec<Piece>,
    bytes: usize,
}

#[derive(Debug)]
struct Piece {
    frame: Frame,
    delta: Option<Delta>,
    /// What was joined to the delta, spelled as it came: a character may be cut in two.
    more: String,
}

impl Kept {
    /// Bytes that it takes, roughly.
    pub(in crate::wire) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Joins a string to the last frame, where that is of the same kind and has room.
    pub(in crate::wire) fn join(&mut self, kind: &str, string: Value<'_>) -> bool {
        let is_few = self.pieces.len() < UNJOINED;
        let inside = string.inside();
        let Some(last) = self.pieces.last_mut() else { return false };
        if is_few && !last.is_half() {
            return false;
        }
        let fits = last.frame.raw.len() + last.more.len() + inside.len() <= JOINED;
        let joins = fits && last.delta.as_ref().is_some_and(|delta| delta.kind == kind);
        if joins {
            last.more.push_str(inside);
            self.bytes += inside.len();
        }
        joins
    }

    pub(in crate::wire) fn keep(&mut self, frame: Frame, delta: Option<Delta>) {
        self.bytes += frame.raw.len() + PER_FRAME;
        self.pieces.push(Piece { frame, delta, more: String::new() });
    }

    /// The frames that leave. One to which nothing was joined is as it came.
    pub(in crate::wire) fn frames(self) -> Result<Vec<Frame>, Broken> {
        self.pieces.into_iter().map(Piece::frame).collect()
    }
}

impl Piece {
    /// Whether its last character is cut in two, so that it means nothing by itself.
    fn is_half(&self) -> bool {
        let json = self.frame.json.as_ref();
        let first = json.zip(self.delta.as_ref()).map_or("", |(json, delta)| json.value(delta.node).inside());
        let told = if self.more.is_empty() { first } else { &self.more };
        let Some(unit) = told.len().checked_sub(6).and_then(|at| told.get(at..)) else { return false };
        unit.strip_prefix("\\u")
            .and_then(|hex| u16::from_str_radix(hex, 16).ok())
            .is_some_and(|unit| (0xd800..0xdc00).contains(&unit))
    }

    fn frame(self) -> Result<Frame, Broken> {
        let mut patch = Patch::default();
        if let (false, Some(delta), Some(json)) = (self.more.is_empty(), &self.delta, &self.frame.json) {
            patch.insert(json.value(delta.node).span().end - 1, self.more);
        }
        Ok(self.frame.patched(patch)?)
    }
}

/// Until when a part waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::wire) enum Until {
    /// It waits for itself not at all, only for those before it.
    Now,
    /// Until more of it comes than that it begins.
    Followed,
    /// Until it is whole.
    Whole,
}

/// What a frame is to the parts that a reply is made of: blocks, or items.
#[derive(Debug)]
pub(in crate::wire) enum Role {
    /// It belongs to no part, and passes at any time.
    Apart,
    Begins(Until),
    Continues(Option<Delta>),
    /// The part ends, whole or broken off.
    Ends {
        whole: bool,
    },
    /// The provider ends the reply: what waits leaves as it is, for it is all there will be.
    Last,
    /// The reply failed: what waits never leaves.
    Failed,
}

/// The parts that began since one is kept back.
#[derive(Debug, Default)]
pub(in crate::wire) struct Queue {
    waiting: VecDeque<Waiting>,
    bytes: usize,
}

#[derive(Debug)]
struct Waiting {
    part: u64,
    until: Until,
    is_followed: bool,
    is_whole: bool,
    kept: Kept,
}

impl Waiting {
    fn may_leave(&self) -> bool {
        match self.until {
            Until::Now => true,
            Until::Followed => self.is_followed,
            Until::Whole => self.is_whole,
        }
    }
}

impl Queue {
    pub(in crate::wire) fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    pub(in crate::wire) fn holds(&self, part: u64) -> bool {
        self.waiting.iter().any(|waiting| waiting.part == part)
    }

    /// Takes the next frame, which is of this part; gives what leaves now.
    ///
    /// # Errors
    /// [`Broken::TooLarge`] when more would be kept than [`MOST_KEPT`].
    pub(in crate::wire) fn pass(&mut self, frame: Frame, part: u64, role: Role) -> Result<Vec<Frame>, Broken> {
        let mut out = Vec::new();
        match role {
            Role::Begins(until) if until != Until::Now || !self.is_empty() => {
                self.waiting.push_back(Waiting {
                    part,
                    until,
                    is_followed: false,
                    is_whole: false,
                    kept: Kept::default(),
                });
                self.keep(frame, part, None)?;
            }
            Role::Continues(delta) if self.holds(part) => self.keep(frame, part, delta)?,
            Role::Ends { whole } if self.holds(part) => {
                self.keep(frame, part, None)?;
                if let Some(waiting) = self.latest(part) {
                    waiting.is_whole = whole;
                }
            }
            Role::Last => {
                for waiting in std::mem::take(self).waiting {
                    out.extend(waiting.kept.frames()?);
                }
                out.push(frame);
            }
            Role::Failed => {
                *self = Self::default();
                out.push(frame);
            }
            _ => out.push(frame),
        }
        while let Some(first) = self.waiting.pop_front_if(|waiting| waiting.may_leave()) {
            self.bytes -= first.kept.bytes();
            out.extend(first.kept.frames()?);
        }
        Ok(out)
    }

    fn latest(&mut self, part: u64) -> Option<&mut Waiting> {
        self.waiting.iter_mut().rfind(|waiting| waiting.part == part)
    }

    fn keep(&mut self, frame: Frame, part: u64, delta: Option<Delta>) -> Result<(), Broken> {
        let Some(waiting) = self.latest(part) else { return Ok(()) };
        let before = waiting.kept.bytes();
        waiting.is_followed = before > 0;
        let string = |json: &Json, kept: &mut Kept| match &delta {
            Some(delta) => kept.join(&delta.kind, json.value(delta.node)),
            None => false,
        };
        if !frame.json.as_ref().is_some_and(|json| string(json, &mut waiting.kept)) {
            waiting.kept.keep(frame, delta);
        }
        self.bytes += waiting.kept.bytes() - before;
        if self.bytes > MOST_KEPT { Err(Broken::TooLarge) } else { Ok(()) }
    }
}
