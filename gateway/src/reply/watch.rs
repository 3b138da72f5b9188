//! What watches a reply. Given the frames of a stream: what it costs is read, barred calls are taken
//! out, what the agent did not ask for is hidden, and the rest leaves.

use jetway_core::policy::desk::Judges;
use jetway_core::stream::guard::{Guard, Pending};
use jetway_core::stream::hide::HideUsage;
use jetway_core::stream::meter::Meter;
use jetway_core::stream::{Steps, through, write};
use jetway_core::wire::Broken;
use jetway_core::wire::cut::{Cut, Hold};
use jetway_core::wire::event::Frame;
use jetway_core::wire::turn::{Called, Turn};

/// The steps that a reply passes, in their order: what it cost is read before anything is changed.
pub struct Watch {
    pub meter: Meter,
    /// The model's turn, as it makes it.
    pub turn: Turn,
    /// What it called in the turns before this one.
    pub called: Vec<Called>,
    pub guard: Option<Guard<Judges>>,
    pub hide: Option<HideUsage>,
    /// What ends the reply, should the budget be used up in the middle of it.
    pub cut: Option<Cut>,
    /// Whether a call that begins now is kept back until it is whole.
    pub holds_calls: bool,
}

impl Steps for Watch {
    fn pass(&mut self, frame: Frame, out: &mut Vec<u8>) -> Result<(), Broken> {
        self.turn.push(&frame);
        let mut frames = through(&mut self.meter, vec![frame])?;
        if let Some(guard) = &mut self.guard {
            frames = through(guard, frames)?;
        }
        self.deliver(frames, out)
    }
}

impl Watch {
    /// Passes what the guard let go of through the steps behind it.
    pub(super) fn deliver(&mut self, mut frames: Vec<Frame>, out: &mut Vec<u8>) -> Result<(), Broken> {
        if let Some(hide) = &mut self.hide {
            frames = through(hide, frames)?;
        }
        if let Some(cut) = &mut self.cut {
            let mut leaving = Vec::with_capacity(frames.len());
            let hold = if self.holds_calls { Hold::All } else { Hold::Nothing };
            frames.into_iter().try_for_each(|frame| cut.push(frame, hold, &mut leaving))?;
            frames = leaving;
        }
        write(&frames, out);
        Ok(())
    }

    /// Whether something is kept back, so that the agent may hear nothing for long.
    pub(super) fn is_holding(&self) -> bool {
        self.cut.as_ref().is_some_and(Cut::is_holding) || self.guard.as_ref().is_some_and(Guard::is_holding)
    }

    /// What has to happen before the end of the reply may leave, once the provider has said all.
    pub(super) fn pending(&self) -> Option<Pending> {
        self.guard.as_ref().filter(|_| self.meter.reading().ended)?.pending()
    }

    /// The end of the turn leaves.
    pub(super) fn release(&mut self, out: &mut Vec<u8>) -> Result<(), Broken> {
        let mut frames = Vec::new();
        if let Some(guard) = &mut self.guard {
            guard.release(&mut frames)?;
        }
        self.deliver(frames, out)
    }

    /// Another turn follows.
    pub(super) fn go_on(&mut self, out: &mut Vec<u8>) -> Result<(), Broken> {
        let mut frames = Vec::new();
        if let Some(guard) = &mut self.guard {
            guard.go_on(&mut frames)?;
        }
        self.called.extend(self.turn.calls());
        self.turn = Turn::new(self.meter.dialect());
        self.meter = Meter::new(self.meter.dialect());
        self.deliver(frames, out)
    }
}
