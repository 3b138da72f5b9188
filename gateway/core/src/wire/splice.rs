//! Joins the continuation of a reply to what the agent has of it already, so that both are one
//! reply: one beginning and one end, indexes without gaps, the input that was read last and the
//! sum of what was written.

use crate::wire::event::{Frame, Shape};
use crate::wire::{Broken, Dialect, chat, messages, responses};

/// What was delivered of one reply, over all of its turns.
#[derive(Debug, Clone)]
pub enum Splice {
    Messages(messages::splice::Splice),
    Chat(chat::splice::Splice),
    Responses(responses::splice::Splice),
}

impl Splice {
    #[must_use]
    pub fn new(dialect: Dialect) -> Self {
        match dialect {
            Dialect::Messages => Self::Messages(messages::splice::Splice::default()),
            Dialect::Chat => Self::Chat(chat::splice::Splice::default()),
            Dialect::Responses => Self::Responses(responses::splice::Splice::default()),
        }
    }

    /// Takes the next frame of the present turn; what leaves in its place goes to `out`. In the
    /// first turn that is the frame itself.
    ///
    /// # Errors
    /// [`Broken`] when the frame cannot be joined.
    pub fn push(&mut self, frame: Frame, out: &mut Vec<Frame>) -> Result<(), Broken> {
        match self {
            Self::Messages(splice) => splice.push(frame, out),
            Self::Chat(splice) => splice.push(frame, out),
            Self::Responses(splice) => splice.push(frame, out),
        }
    }

    /// The present turn ended with these frames, which the agent does not get; another follows.
    /// What they say besides leaves.
    ///
    /// # Errors
    /// [`Broken`] when more was delivered than can be told again at the end.
    pub fn go_on(&mut self, ending: Vec<Frame>, out: &mut Vec<Frame>) -> Result<(), Broken> {
        match self {
            Self::Messages(splice) => splice.go_on(&ending),
            Self::Chat(splice) => return splice.go_on(ending, out),
            Self::Responses(splice) => return splice.go_on(&ending),
        }
        Ok(())
    }

    /// Ends a whole reply, of which this is the last frame, with a sentence.
    ///
    /// # Errors
    /// [`Broken`] when the frame is none.
    pub fn end_whole(&mut self, frame: Frame, sentence: &str, out: &mut Vec<Frame>) -> Result<(), Broken> {
        let frame = match self {
            Self::Messages(_) => messages::splice::with_text(frame, sentence)?,
            Self::Chat(_) => chat::splice::with_text(frame, sentence)?,
            Self::Responses(_) => responses::splice::with_text(frame, sentence)?,
        };
        self.push(frame, out)
    }
}

/// Whether a frame belongs to the end of a reply: behind it no call comes any more.
#[must_use]
pub fn is_ending(dialect: Dialect, frame: &Frame) -> bool {
    let Some(json) = &frame.json else { return frame.is_done_mark() };
    let root = json.root();
    frame.shape == Shape::Whole
        || match dialect {
            Dialect::Messages => messages::splice::is_ending(root),
            Dialect::Chat => chat::splice::is_ending(root),
            Dialect::Responses => responses::splice::is_ending(root),
        }
}

/// Whether a reply stopped for the calls that it makes, by the frames that end it.
#[must_use]
pub fn stops_for_calls(dialect: Dialect, ending: &[Frame]) -> bool {
    ending.iter().filter_map(|frame| frame.json.as_ref()).any(|json| match dialect {
        Dialect::Messages => messages::splice::stops_for_calls(json.root()),
        Dialect::Chat => chat::splice::stops_for_calls(json.root()),
        Dialect::Responses => responses::splice::stops_for_calls(json.root()),
    })
}
