//! The small vocabulary that every dialect's replies are read into.

use std::borrow::Cow;

use bytes::Bytes;
use serde::Serialize;

use crate::wire::json::Json;
use crate::wire::patch::{Overlap, Patch};
use crate::wire::sse;

/// Tokens by kind, as the provider counts them. `input` excludes what the cache served or took.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Usage {
    pub input: u64,
    pub cache_read: u64,
    /// Written to the cache, for however long.
    pub cache_write: u64,
    /// Of these, written for an hour or longer; the rest is for minutes, or for as long as the
    /// provider's only tier lasts.
    pub cache_write_hour: u64,
    pub output: u64,
}

impl Usage {
    /// Usage is cumulative in every dialect, and a later frame may leave out what an earlier
    /// one said: so each count is the largest seen.
    #[must_use]
    pub fn merged(self, later: Self) -> Self {
        Self {
            input: self.input.max(later.input),
            cache_read: self.cache_read.max(later.cache_read),
            cache_write: self.cache_write.max(later.cache_write),
            cache_write_hour: self.cache_write_hour.max(later.cache_write_hour),
            output: self.output.max(later.output),
        }
    }

    /// Both together: what two turns used.
    #[must_use]
    pub fn plus(self, other: Self) -> Self {
        Self {
            input: self.input.saturating_add(other.input),
            cache_read: self.cache_read.saturating_add(other.cache_read),
            cache_write: self.cache_write.saturating_add(other.cache_write),
            cache_write_hour: self.cache_write_hour.saturating_add(other.cache_write_hour),
            output: self.output.saturating_add(other.output),
        }
    }

    #[must_use]
    pub fn total(&self) -> u64 {
        [self.input, self.cache_read, self.cache_write, self.output]
            .iter()
            .fold(0, |sum, count| sum.saturating_add(*count))
    }
}

/// What a reply says, in the order it says it. Its texts are the frame's own wherever they stand
/// there as they mean.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event<'a> {
    /// The reply begins, by this model.
    Began { model: Cow<'a, str> },
    /// Text, thinking or arguments that the model wrote.
    Wrote { text: Cow<'a, str> },
    /// Tokens that the model thought without showing them, as the provider estimates them.
    Thought { tokens: u64 },
    /// The tier that serves the reply, in the provider's own word.
    Served { tier: Cow<'a, str> },
    /// What was used so far; `last` when the dialect says no more about it.
    Usage { usage: Usage, last: bool },
    /// The model stopped, for this reason in the dialect's own spelling.
    Stopped { reason: Cow<'a, str> },
    /// The reply is complete.
    Ended,
    /// The provider reports a failure inside the reply.
    Failed { kind: Cow<'a, str> },
}

/// A tool that the model calls.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Call {
    pub name: String,
    /// The group that the tool belongs to, where the dialect has groups.
    pub namespace: Option<String>,
    /// What its result will refer to it by; empty where the dialect has no such id.
    pub id: String,
    /// Where it stands in the reply: finds its input, see [`crate::wire::turn::Turn::input`].
    pub at: u64,
    /// Whether the provider runs it itself, so that nobody can answer in its place.
    pub is_providers: bool,
}

/// What becomes of a call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// It passes as it came.
    Pass,
    /// This sentence stands in its place.
    Say(String),
    /// It is taken out, and nothing stands in its place: it is answered by us.
    Hide,
    /// Another call stands in its place.
    Become(Substitute),
}

/// A call in the place of another.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Substitute {
    pub name: String,
    pub namespace: Option<String>,
    pub input: Input,
}

/// What a tool is called with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Input {
    /// A JSON object: the arguments, or the `action` of a `local_shell_call`.
    Json(String),
    /// Plain text, for a tool that takes that.
    Text(String),
}

impl Input {
    #[must_use]
    pub fn as_str(&self) -> &str {
        match self {
            Self::Json(text) | Self::Text(text) => text,
        }
    }
}

/// One piece of a reply: an event of a stream, or the whole of a reply that is not a stream.
#[derive(Debug, Clone)]
pub struct Frame {
    /// The exact bytes.
    pub raw: Bytes,
    /// The JSON in it, where there is any.
    pub json: Option<Json>,
    pub shape: Shape,
    /// Whether it should have been JSON and was not.
    pub unreadable: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shape {
    /// An event of a stream.
    Event,
    /// A whole reply.
    Whole,
}

impl Frame {
    /// Reads one event of a stream.
    #[must_use]
    pub fn event(raw: Bytes) -> Self {
        let fields = sse::fields(&raw);
        let data = fields.data.filter(|data| !matches!(data.trim_ascii(), b"" | b"[DONE]"));
        let mut frame = Self::read(raw, data, Shape::Event);
        // Text that is no event: a reader that takes the body for something else may act on it.
        frame.unreadable |= fields.odd;
        frame
    }

    /// Reads a whole reply.
    #[must_use]
    pub fn whole(raw: Bytes) -> Self {
        let data = Some(raw.clone());
        Self::read(raw, data, Shape::Whole)
    }

    fn read(raw: Bytes, data: Option<Bytes>, shape: Shape) -> Self {
        let json = data.map(Json::read);
        let unreadable = matches!(json, Some(Err(_)));
        Self { raw, json: json.and_then(Result::ok), shape, unreadable }
    }

    /// An event of our own.
    #[must_use]
    pub fn written(name: Option<&str>, data: &str) -> Self {
        Self::event(sse::write(name, data))
    }

    /// The frame with changes made to its JSON; with none, the frame as it is.
    ///
    /// # Errors
    /// [`Overlap`] when two changes want the same bytes.
    pub fn patched(self, patch: Patch) -> Result<Self, Overlap> {
        match &self.json {
            Some(json) if !patch.is_empty() => Ok(self.with_json(patch.apply(json)?)),
            _ => Ok(self),
        }
    }

    /// The same frame with other JSON in it.
    fn with_json(&self, json: Bytes) -> Self {
        match self.shape {
            Shape::Whole => Self::whole(json),
            Shape::Event => {
                let name = sse::fields(&self.raw).name;
                let name = name.as_deref().and_then(|name| std::str::from_utf8(name).ok());
                // Providers write compact JSON; a line break inside it could only be white space.
                let text = String::from_utf8_lossy(&json).replace(['\n', '\r'], " ");
                Self::written(name, &text)
            }
        }
    }

    /// Whether this is the `[DONE]` that ends a chat stream.
    #[must_use]
    pub fn is_done_mark(&self) -> bool {
        self.shape == Shape::Event
            && self.json.is_none()
            && sse::fields(&self.raw).data.is_some_and(|data| data.trim_ascii() == b"[DONE]")
    }
}
