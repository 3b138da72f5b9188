//! Prompt caching, simulated: what of a request a real provider would have read from its cache,
//! and what it would have written there.
//!
//! Simpler than the real ones: a cache belongs to a provider and a model, whoever asks, where the
//! real ones keep workspaces apart; what is written can be read at once, and not only when its
//! reply has begun; it does not grow old, but only the newest 10 000 prefixes are kept. The
//! minimum is one number, where the real ones have one a model.

mod newest;
mod prompt;
mod raw;

use std::hash::{DefaultHasher, Hash, Hasher};
use std::iter;

use crate::ask::{Ask, Dialect};
use crate::seen::Cache;
use newest::Newest;
use prompt::{BYTES_A_TOKEN, Block, Prompt, Ttl};

/// How many prefixes are kept.
const PREFIXES: usize = 10_000;
/// How many blocks a breakpoint looks at for what was written earlier, itself being the first.
const LOOK_BACK: usize = 20;
/// OpenAI caches in steps of so many tokens.
const STEP: usize = 128;

#[derive(Debug)]
pub(crate) struct Caches {
    /// The prefixes that can be read.
    written: Newest<()>,
    /// Every prefix that a prompt had at the end of a block, and whether one went on behind it.
    known: Newest<bool>,
}

impl Caches {
    pub(crate) fn new() -> Self {
        Self { written: Newest::new(PREFIXES), known: Newest::new(PREFIXES) }
    }

    /// Reads what is there of a request, and writes what is not.
    pub(crate) fn pass(&mut self, ask: &Ask, minimum: u64) -> Cache {
        let prompt = Prompt::read(ask);
        let broke_at = self.parting(&prompt);
        let cache = match ask.dialect {
            Dialect::Messages => self.at_breakpoints(&prompt, minimum),
            Dialect::Chat | Dialect::Responses => self.in_steps(&prompt, minimum),
        };
        Cache { broke_at, ..cache }
    }

    /// The block at which a prompt parts from those that went on there otherwise.
    fn parting(&mut self, prompt: &Prompt) -> Option<String> {
        let prefixes: Vec<u64> =
            iter::once(prompt.root).chain(prompt.blocks.iter().map(|block| block.prefix)).collect();
        let new = prompt.blocks.iter().position(|block| !self.known.has(block.prefix));
        let parting = new.filter(|new| self.known.get(prefixes[*new]) == Some(true));
        // From the last to the first: the longer ones are the first to be forgotten.
        for (count, prefix) in prefixes.iter().enumerate().rev() {
            let went_on = self.known.get(*prefix).unwrap_or_default();
            self.known.put(*prefix, went_on || count < prompt.blocks.len());
        }
        parting.map(|at| prompt.blocks[at].place.to_string())
    }

    /// Anthropic's way: written is what ends at a breakpoint, and found from one not far behind.
    fn at_breakpoints(&mut self, prompt: &Prompt, minimum: u64) -> Cache {
        let blocks: Vec<&Block> = prompt.blocks.iter().filter(|block| block.is_content()).collect();
        let is_marked = |at: &usize| blocks[*at].marker.is_some() && blocks[*at].tokens() >= minimum;
        let marked: Vec<usize> = (0..blocks.len()).filter(is_marked).collect();
        let seen_from = |at: &usize| {
            let mut near = blocks[..=*at].iter().rev().take(LOOK_BACK);
            near.find(|block| block.tokens() >= minimum && self.written.has(block.prefix))
        };
        let found = marked.iter().filter_map(seen_from).max_by_key(|block| block.tokens());
        let read = found.map_or(0, |block| block.tokens());
        let breakpoints = marked.iter().map(|at| blocks[*at]);
        let end = breakpoints.clone().map(Block::tokens).max().unwrap_or_default();
        let hours = breakpoints.clone().filter(|block| block.marker == Some(Ttl::Hour));
        let end_of_hours = hours.map(Block::tokens).max().unwrap_or_default();
        for block in found.copied().into_iter().chain(breakpoints) {
            self.written.put(block.prefix, ());
        }
        Cache { read, written: end - read, written_1h: end_of_hours.saturating_sub(read), broke_at: None }
    }

    /// OpenAI's way: all whole steps are found and written, and writing them costs nothing.
    /// `prompt_cache_key` only says where to look, and there is one place; breakpoints, and what
    /// they cost, are left out, and so is what a `previous_response_id` would put before the input.
    fn in_steps(&mut self, prompt: &Prompt, minimum: u64) -> Cache {
        let chunks = prompt.text.as_bytes().chunks_exact(STEP * BYTES_A_TOKEN);
        let prefixes = chunks.scan(prompt.root, |prefix, chunk| {
            let mut hasher = DefaultHasher::new();
            (*prefix, chunk).hash(&mut hasher);
            *prefix = hasher.finish();
            Some(*prefix)
        });
        let steps = prefixes.zip(1_u64..).map(|(prefix, count)| (prefix, count * STEP as u64));
        let steps: Vec<(u64, u64)> = steps.filter(|(_, tokens)| *tokens >= minimum).collect();
        let found = steps.iter().rev().find(|(prefix, _)| self.written.has(*prefix));
        let read = found.map_or(0, |(_, tokens)| *tokens);
        for (prefix, _) in steps.iter().rev() {
            self.written.put(*prefix, ());
        }
        Cache { read, ..Cache::default() }
    }
}

#[cfg(test)]
mod tests;
