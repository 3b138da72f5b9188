//! Ends a streamed reply before its end.

use crate::wire::event::{Call, Frame, Shape};
use crate::wire::{Broken, Dialect, chat, messages, responses};

/// Which calls are kept back until they are whole.
#[derive(Clone, Copy)]
pub enum Hold<'a> {
    Nothing,
    /// Every call, and the beginning of a thought.
    All,
    /// Those for which this holds. A call of which no name is known yet has an empty one.
    Calls(&'a dyn Fn(&Call) -> bool),
}

impl Hold<'_> {
    pub(in crate::wire) fn keeps(self, call: &Call) -> bool {
        match self {
            Self::Nothing => false,
            Self::All => true,
            Self::Calls(keeps) => keeps(call),
        }
    }

    pub(in crate::wire) fn is_all(self) -> bool {
        matches!(self, Self::All)
    }
}

/// Follows a streamed reply so that it can be ended at any frame, in a way that agents take for
/// its proper end: they show what was said last, and do not send the request again. No half tool
/// call is left that an agent could run.
#[derive(Debug)]
pub enum Cut {
    Messages(messages::cut::Cut),
    Chat(chat::cut::Cut),
    Responses(responses::cut::Cut),
}

impl Cut {
    #[must_use]
    pub fn new(dialect: Dialect) -> Self {
        match dialect {
            Dialect::Messages => Self::Messages(messages::cut::Cut::default()),
            Dialect::Chat => Self::Chat(chat::cut::Cut::default()),
            Dialect::Responses => Self::Responses(responses::cut::Cut::default()),
        }
    }

    /// Takes the next frame of the reply, as it would leave to the agent, and gives what leaves.
    ///
    /// A tool call that begins now and that `hold` names is kept back until it is whole, and then leaves
    /// in few frames. What began after it waits with it; everything else passes. Thinking that
    /// begins is kept back with `Hold::All` until more of it comes than its start. Otherwise frames
    /// leave as they came. It counts when a call begins: one that is kept back stays so to its end.
    ///
    /// # Errors
    /// [`Broken`] when more would be kept back than there is room for, or when a frame cannot be
    /// read while something is kept back: then nothing more of the reply may leave.
    pub fn push(&mut self, frame: Frame, hold: Hold<'_>, out: &mut Vec<Frame>) -> Result<(), Broken> {
        if frame.unreadable {
            // It may be a piece of what is kept back. Where nothing is, it passes as it would
            // without us; the agent may make a call of it, so the reply cannot be ended any more.
            if self.is_holding() {
                return Err(Broken::Unreadable);
            }
            self.spoil();
        }
        if frame.unreadable || frame.shape == Shape::Whole {
            out.push(frame);
            return Ok(());
        }
        match self {
            Self::Messages(cut) => cut.push(frame, hold, out),
            Self::Chat(cut) => cut.push(frame, hold, out),
            Self::Responses(cut) => cut.push(frame, hold, out),
        }
    }

    /// Whether something is kept back, so that the agent may hear nothing for long.
    #[must_use]
    pub fn is_holding(&self) -> bool {
        match self {
            Self::Messages(cut) => cut.is_holding(),
            Self::Chat(cut) => cut.is_holding(),
            Self::Responses(cut) => cut.is_holding(),
        }
    }

    /// Ends the reply here: gives the frames that close what is open, say `sentence` as the last
    /// text, and end the reply as its dialect ends one. What is kept back never leaves; calls
    /// that left whole stay the agent's. Where the provider has said all, only the end itself is
    /// given, or nothing.
    ///
    /// `output` is the number of tokens that the model wrote, where the dialect's end tells it.
    ///
    /// None when the reply cannot be ended properly, for what the agent has of it is no
    /// conversation that could go on: half a call, half a thought that the provider signs when it
    /// is whole, or a call that the provider runs and did not answer. Then the connection must be
    /// broken off; agents keep nothing of such a reply.
    pub fn end(&mut self, sentence: &str, output: u64) -> Option<Vec<Frame>> {
        match self {
            Self::Messages(cut) => cut.end(sentence, output),
            Self::Chat(cut) => cut.end(sentence),
            Self::Responses(cut) => cut.end(sentence, output),
        }
    }

    fn spoil(&mut self) {
        match self {
            Self::Messages(cut) => cut.spoil(),
            Self::Chat(cut) => cut.spoil(),
            Self::Responses(cut) => cut.spoil(),
        }
    }
}
