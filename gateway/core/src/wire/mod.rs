//! Every format that agents and providers speak, read into one small vocabulary.
//!
//! Only this module knows a provider's field names. A dialect is a folder: `request` finds the
//! parts of a request and changes them, `reply` reads what a reply says, `bar` takes tool calls
//! out of a reply, `cut` ends a reply before its end. What tools a request offers, and offering
//! others, is in `tools`, for all dialects.

pub mod agent;
pub mod chat;
pub mod cut;
pub mod effort;
pub mod embeddings;
pub mod error;
pub mod event;
pub mod facts;
pub mod history;
mod hold;
pub mod json;
pub mod limits;
pub mod messages;
pub mod patch;
pub mod request;
pub mod responses;
pub mod results;
pub mod route;
pub mod splice;
pub mod sse;
mod task;
pub mod tools;
pub mod traceparent;
pub mod turn;

use event::{Call, Event, Frame, Verdict};
use patch::Patch;

/// A wire format.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Deserialize, serde::Serialize, schemars::JsonSchema,
)]
#[serde(rename_all = "lowercase")]
pub enum Dialect {
    /// Anthropic's Messages.
    Messages,
    /// OpenAI's Chat Completions, and what is compatible with it.
    Chat,
    /// OpenAI's Responses.
    Responses,
}

impl Dialect {
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Messages => "messages",
            Self::Chat => "chat",
            Self::Responses => "responses",
        }
    }

    /// What a frame of a reply says.
    #[must_use]
    pub fn events(self, frame: &Frame) -> Vec<Event<'_>> {
        match self {
            Self::Messages => messages::reply::events(frame),
            Self::Chat => chat::reply::events(frame),
            Self::Responses => responses::reply::events(frame),
        }
    }
}

/// Says of a call that the model makes what becomes of it.
pub type Judge<'a> = dyn FnMut(&Call) -> Verdict + 'a;

/// A reply that cannot be guarded any further, so that it must not go on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Broken {
    #[error("an event of the reply could not be read")]
    Unreadable,
    #[error("an event of the reply is too large")]
    TooLarge,
    #[error("a tool call in the reply has no name")]
    Nameless,
    /// In a place or of a kind that its dialect does not know, or named twice.
    #[error("a tool call in the reply stands where it cannot be followed")]
    Misplaced,
}

impl From<patch::Overlap> for Broken {
    fn from(_: patch::Overlap) -> Self {
        Self::Unreadable
    }
}

/// A key of a reply that a lenient reader takes for one that calls are judged by hides a call.
fn plainly_spelled(object: json::Value<'_>, known: &[&'static str]) -> Result<(), Broken> {
    request::refuse_misspelled(object, known).map_err(|_| Broken::Misplaced)
}

/// What leaves in the place of a frame.
enum Leaves {
    /// The frame, with these changes.
    Patched(Patch),
    /// Other frames, or none.
    Instead(Vec<Frame>),
}

/// Takes barred tool calls out of one reply and puts a sentence in the place of each. Where no
/// call is barred, every frame leaves as it came.
#[derive(Debug)]
pub enum Bar {
    Messages(messages::bar::Bar),
    Chat(chat::bar::Bar),
    Responses(responses::bar::Bar),
}

impl Bar {
    #[must_use]
    pub fn new(dialect: Dialect) -> Self {
        match dialect {
            Dialect::Messages => Self::Messages(messages::bar::Bar::default()),
            Dialect::Chat => Self::Chat(chat::bar::Bar::default()),
            Dialect::Responses => Self::Responses(responses::bar::Bar::default()),
        }
    }

    /// Takes the next frame of the reply and gives what leaves in its place.
    ///
    /// # Errors
    /// [`Broken`] when the frame cannot be judged: then nothing more of the reply may leave.
    pub fn push(&mut self, frame: Frame, judge: &mut Judge<'_>, out: &mut Vec<Frame>) -> Result<(), Broken> {
        if frame.unreadable {
            return Err(Broken::Unreadable);
        }
        let leaves = match &frame.json {
            None => Leaves::Patched(Patch::default()),
            Some(json) => match self {
                Self::Messages(bar) => bar.judge(json.root(), frame.shape, judge)?,
                Self::Chat(bar) => bar.judge(json.root(), judge)?,
                Self::Responses(bar) => bar.judge(json.root(), frame.shape, judge)?,
            },
        };
        match leaves {
            Leaves::Patched(patch) => out.push(frame.patched(patch)?),
            Leaves::Instead(frames) => out.extend(frames),
        }
        Ok(())
    }
}
