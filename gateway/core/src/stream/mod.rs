//! Replies as state machines: bytes in, bytes out, and where the network cuts does not matter.

pub mod guard;
pub mod hide;
pub mod meter;
pub mod written;

use bytes::BytesMut;

use crate::wire::Broken;
use crate::wire::event::{Frame, Shape};
use crate::wire::sse::Decoder;

/// What watches or changes a reply, frame by frame.
pub trait Step {
    /// Takes one frame; puts what leaves in its place, which may be nothing, into `out`.
    ///
    /// # Errors
    /// [`Broken`] when the reply must not go on.
    fn push(&mut self, frame: Frame, out: &mut Vec<Frame>) -> Result<(), Broken>;
}

/// A reply that passes through its steps.
///
/// A whole reply (one that is not a stream) is one frame: it is held until it is complete.
pub struct Pipe<S> {
    shape: Shape,
    decoder: Decoder,
    /// A whole reply so far; whoever feeds it bounds it.
    whole: BytesMut,
    steps: S,
}

/// The steps of a reply, in their fixed order.
pub trait Steps {
    /// Passes one frame through all steps and writes what leaves.
    ///
    /// # Errors
    /// [`Broken`] when a step says that the reply must not go on.
    fn pass(&mut self, frame: Frame, out: &mut Vec<u8>) -> Result<(), Broken>;
}

impl<S: Steps> Pipe<S> {
    #[must_use]
    pub fn new(shape: Shape, steps: S) -> Self {
        Self { shape, decoder: Decoder::default(), whole: BytesMut::new(), steps }
    }

    #[must_use]
    pub fn steps(&self) -> &S {
        &self.steps
    }

    pub fn steps_mut(&mut self) -> &mut S {
        &mut self.steps
    }

    /// Begins anew, with the same steps: another stream follows.
    pub fn restart(&mut self) {
        self.decoder = Decoder::default();
        self.whole = BytesMut::new();
    }

    /// Takes bytes of the provider, appends what may leave to `out`.
    ///
    /// # Errors
    /// [`Broken`]: nothing more of this reply may leave than what is in `out`.
    pub fn feed(&mut self, bytes: &[u8], out: &mut Vec<u8>) -> Result<(), Broken> {
        if self.shape == Shape::Whole {
            self.whole.extend_from_slice(bytes);
            return Ok(());
        }
        self.decoder.feed(bytes).map_err(|_| Broken::TooLarge)?;
        while let Some(event) = self.decoder.next_event() {
            self.steps.pass(Frame::event(event), out)?;
        }
        Ok(())
    }

    /// Ends a reply that the provider brought to its end. One that was cut off is not ended: half
    /// an event is nothing that an agent may act on.
    ///
    /// # Errors
    /// [`Broken`] as for [`Pipe::feed`].
    pub fn close(&mut self, out: &mut Vec<u8>) -> Result<(), Broken> {
        let rest = match self.shape {
            Shape::Event => self.decoder.rest().map(Frame::event),
            Shape::Whole => Some(Frame::whole(self.whole.split().freeze())),
        };
        rest.map_or(Ok(()), |frame| self.steps.pass(frame, out))
    }
}

/// Passes frames through a step.
///
/// # Errors
/// [`Broken`] as the step says.
pub fn through(step: &mut dyn Step, frames: Vec<Frame>) -> Result<Vec<Frame>, Broken> {
    let mut out = Vec::with_capacity(frames.len());
    frames.into_iter().try_for_each(|frame| step.push(frame, &mut out))?;
    Ok(out)
}

/// The bytes of frames, one behind the other.
pub fn write(frames: &[Frame], out: &mut Vec<u8>) {
    for frame in frames {
        out.extend_from_slice(&frame.raw);
    }
}

/// Whether a reply of this content type is a stream of events.
#[must_use]
pub fn shape_of(content_type: Option<&str>) -> Shape {
    let stream =
        content_type.is_some_and(|kind| kind.trim_start().to_ascii_lowercase().starts_with("text/event-stream"));
    if stream { Shape::Event } else { Shape::Whole }
}
