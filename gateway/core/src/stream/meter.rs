//! Counts a reply as it passes, and changes nothing.

use crate::stream::Step;
use crate::stream::written::Written;
use crate::tokens::Family;
use crate::wire::event::{Event, Frame, Usage};
use crate::wire::{Broken, Dialect};

/// What is known of a reply so far.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Reading {
    /// The model that answered, as the provider names it.
    pub model: Option<String>,
    /// The provider's own counts; none before it has reported any.
    pub usage: Option<Usage>,
    /// Whether these counts are its last word.
    pub counted: bool,
    /// The text, thinking and arguments that the model wrote.
    pub written: Written,
    /// Tokens of thinking that was not shown, as the provider estimated them on the way, since
    /// its last word on what was used.
    pub thought: u64,
    /// The tier that the provider says it served this at, in its own word.
    pub tier: Option<String>,
    /// Why the model stopped, in the dialect's spelling.
    pub stop: Option<String>,
    /// Whether the dialect's own end was seen.
    pub ended: bool,
    /// The failure that the provider reported inside the reply.
    pub failure: Option<String>,
}

impl Reading {
    /// The provider's counts, if they are its last word on all that was written; else what was
    /// used has to be estimated.
    #[must_use]
    pub fn exact(&self) -> Option<Usage> {
        self.usage.filter(|_| self.counted && self.written.is_counted() && self.thought == 0)
    }

    /// What the reply used: the provider's counts, or where it did not come to report them, a
    /// count of what was written. The second value says whether anything was estimated; if so, it
    /// takes as long as [`Written::tokens`] does.
    #[must_use]
    pub fn usage_or_estimate(&self, input_estimate: u64, family: Family) -> (Usage, bool) {
        match self.exact() {
            Some(usage) => (usage, false),
            None => (self.estimate(input_estimate, self.written.tokens(family)), true),
        }
    }

    /// What the reply used, if it wrote so many tokens that the provider has not counted, beside
    /// the thinking that was not shown. No less than the provider has said so far.
    #[must_use]
    pub fn estimate(&self, input_estimate: u64, written: u64) -> Usage {
        let output = written.saturating_add(self.thought);
        match self.usage {
            Some(usage) if self.counted => Usage { output: usage.output.saturating_add(output), ..usage },
            Some(usage) => Usage { output: usage.output.max(output), ..usage },
            None => Usage { input: input_estimate, output, ..Usage::default() },
        }
    }
}

#[derive(Debug)]
pub struct Meter {
    dialect: Dialect,
    reading: Reading,
}

impl Meter {
    #[must_use]
    pub fn new(dialect: Dialect) -> Self {
        Self { dialect, reading: Reading::default() }
    }

    #[must_use]
    pub fn dialect(&self) -> Dialect {
        self.dialect
    }

    #[must_use]
    pub fn reading(&self) -> &Reading {
        &self.reading
    }

    fn note(&mut self, event: Event<'_>) {
        let reading = &mut self.reading;
        match event {
            Event::Began { model } => {
                reading.model.get_or_insert_with(|| model.into_owned());
            }
            Event::Wrote { text } => reading.written.push(&text),
            Event::Thought { tokens } => reading.thought = reading.thought.saturating_add(tokens),
            // Chat says it in every chunk.
            Event::Served { tier } if reading.tier.as_deref() == Some(&*tier) => {}
            Event::Served { tier } => reading.tier = Some(tier.into_owned()),
            // Counts that say nothing are no counts.
            Event::Usage { usage, .. } if usage.total() == 0 => {}
            Event::Usage { usage, last } => {
                reading.usage = Some(reading.usage.unwrap_or_default().merged(usage));
                reading.counted |= last;
                // A count of nothing where something was written has not counted it.
                if last && usage.output > 0 {
                    reading.written.counted();
                    reading.thought = 0;
                }
            }
            Event::Stopped { reason } => reading.stop = Some(reason.into_owned()),
            Event::Ended => reading.ended = true,
            Event::Failed { kind } => reading.failure = Some(kind.into_owned()),
        }
    }
}

impl Step for Meter {
    fn push(&mut self, frame: Frame, out: &mut Vec<Frame>) -> Result<(), Broken> {
        for event in self.dialect.events(&frame) {
            self.note(event);
        }
        out.push(frame);
        Ok(())
    }
}
