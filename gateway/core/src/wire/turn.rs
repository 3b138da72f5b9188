//! The model's turn as it made it, put together from the pieces of its reply: so that a call can
//! be judged by its whole input, and so that the turn can be told again to the provider, whatever
//! of it the agent got to see.

use serde::{Deserialize, Serialize};

use crate::wire::event::Frame;
use crate::wire::{Dialect, chat, messages, responses};

/// One turn under way.
#[derive(Debug, Clone)]
pub enum Turn {
    Messages(messages::turn::Turn),
    Chat(chat::turn::Turn),
    Responses(responses::turn::Turn),
}

/// A call that a turn made.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Called {
    pub name: String,
    /// What its result will refer to it by; empty where it has no such id.
    pub id: String,
}

/// What a call is answered with.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Answer {
    /// The call's id.
    pub id: String,
    pub text: String,
    pub is_error: bool,
    /// Whether the tool takes plain text: its answer is then of another kind in some dialects.
    #[serde(default)]
    pub is_custom: bool,
}

impl Turn {
    #[must_use]
    pub fn new(dialect: Dialect) -> Self {
        match dialect {
            Dialect::Messages => Self::Messages(messages::turn::Turn::default()),
            Dialect::Chat => Self::Chat(chat::turn::Turn::default()),
            Dialect::Responses => Self::Responses(responses::turn::Turn::default()),
        }
    }

    /// Takes the next frame as it came from the provider.
    pub fn push(&mut self, frame: &Frame) {
        let Some(json) = &frame.json else { return };
        let root = json.root();
        match self {
            Self::Messages(turn) => turn.push(root, frame.shape),
            Self::Chat(turn) => turn.push(root, frame.shape),
            Self::Responses(turn) => turn.push(root, frame.shape),
        }
    }

    /// The input of the call at this place ([`crate::wire::event::Call::at`]), so far. None where
    /// there is no such call, or where it was told in two ways.
    #[must_use]
    pub fn input(&self, at: u64) -> Option<String> {
        match self {
            Self::Messages(turn) => turn.input(at),
            Self::Chat(turn) => turn.input(at),
            Self::Responses(turn) => turn.input(at),
        }
    }

    /// Bytes of the input that were told so far, however often they were repeated. None as for
    /// [`Turn::input`], but at no cost.
    #[must_use]
    pub fn length(&self, at: u64) -> Option<usize> {
        match self {
            Self::Messages(turn) => turn.length(at),
            Self::Chat(turn) => turn.length(at),
            Self::Responses(turn) => turn.length(at),
        }
    }

    /// Whether the call at this place takes plain text.
    #[must_use]
    pub fn is_custom(&self, at: u64) -> bool {
        match self {
            Self::Messages(_) => false,
            Self::Chat(turn) => turn.is_custom(at),
            Self::Responses(turn) => turn.is_custom(at),
        }
    }

    /// The calls that its agent has to answer before the model can go on.
    #[must_use]
    pub fn calls(&self) -> Vec<Called> {
        match self {
            Self::Messages(turn) => turn.calls(),
            Self::Chat(turn) => turn.calls(),
            Self::Responses(turn) => turn.calls(),
        }
    }

    /// What it says in words.
    #[must_use]
    pub fn words(&self) -> String {
        match self {
            Self::Messages(turn) => turn.words(),
            Self::Chat(turn) => turn.words(),
            Self::Responses(turn) => turn.words(),
        }
    }

    /// The whole turn, as it stands in a conversation: one message, or items with commas between.
    /// None when something came that cannot be told again.
    #[must_use]
    pub fn told(&self) -> Option<String> {
        match self {
            Self::Messages(turn) => turn.told(),
            Self::Chat(turn) => turn.told(),
            Self::Responses(turn) => turn.told(),
        }
    }
}

/// The answers to calls, as they stand in a conversation behind the turn that made the calls.
#[must_use]
pub fn answers(dialect: Dialect, answers: &[Answer]) -> String {
    match dialect {
        Dialect::Messages => messages::turn::answers(answers),
        Dialect::Chat => chat::turn::answers(answers),
        Dialect::Responses => responses::turn::answers(answers),
    }
}
