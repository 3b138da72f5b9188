//! A request as its provider renders it: one sequence of blocks, each with all that is before it.

use std::fmt;
use std::hash::{DefaultHasher, Hash, Hasher};

use super::raw::{Members, is_string, items, items_or_string};
use crate::ask::{Ask, Dialect};

/// Four bytes are a token, as everywhere in this crate.
pub(super) const BYTES_A_TOKEN: usize = 4;

#[derive(Debug)]
pub(super) struct Prompt {
    /// The prefix without blocks: it has the dialect and the model.
    pub(super) root: u64,
    pub(super) blocks: Vec<Block>,
    /// The bytes of all blocks, in OpenAI's dialects, where a prefix may end within one.
    pub(super) text: String,
    /// The bytes of the blocks so far.
    size: usize,
}

#[derive(Debug)]
pub(super) struct Block {
    pub(super) place: Place,
    /// Names this block and all before it.
    pub(super) prefix: u64,
    pub(super) marker: Option<Ttl>,
    /// The bytes up to its end.
    end: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ttl {
    Minutes,
    Hour,
}

/// Where a block stands in the request: `tools[3]`, `messages[4].content[0]`, `thinking`.
#[derive(Debug, Clone, Copy)]
pub(super) struct Place {
    key: &'static str,
    index: Option<usize>,
    content: Option<usize>,
}

impl Prompt {
    pub(super) fn read(ask: &Ask) -> Self {
        let body = Members::of(ask.text());
        let mut prompt = Self { root: 0, blocks: Vec::new(), text: String::new(), size: 0 };
        let mut root = DefaultHasher::new();
        (ask.dialect as u8, body.get("model")).hash(&mut root);
        prompt.root = root.finish();
        match ask.dialect {
            Dialect::Messages => prompt.messages(&body),
            Dialect::Chat => {
                prompt.list("tools", items(body.get("tools")));
                prompt.list("messages", items(body.get("messages")));
            }
            Dialect::Responses => {
                if let Some(instructions) = body.get("instructions") {
                    prompt.render(Place { key: "instructions", index: None, content: None }, instructions);
                }
                prompt.list("tools", items(body.get("tools")));
                prompt.list("input", items_or_string(body.get("input")));
            }
        }
        prompt
    }

    /// Anthropic's order. A parameter that invalidates what is behind it is a block without size
    /// there.
    ///
    /// Left out of what invalidates: switching citations, adding or removing an image somewhere,
    /// and that the thoughts of earlier turns fall away on the older models. A tool with
    /// `defer_loading` is a block like others.
    fn messages(&mut self, body: &Members<'_>) {
        for (index, tool) in items(body.get("tools")).into_iter().enumerate() {
            self.block(Place::of("tools", index), tool, None);
        }
        self.parameter(body, "speed");
        for (index, block) in items_or_string(body.get("system")).into_iter().enumerate() {
            self.block(Place::of("system", index), block, None);
        }
        for key in ["tool_choice", "thinking", "output_config"] {
            self.parameter(body, key);
        }
        for (index, message) in items(body.get("messages")).into_iter().enumerate() {
            let message = Members::of(message);
            for (place, block) in items_or_string(message.get("content")).into_iter().enumerate() {
                let place = Place { content: Some(place), ..Place::of("messages", index) };
                self.block(place, block, Some(&message));
            }
        }
        // Automatic caching marks the last block; validation knows that a marker there agrees.
        if let (Some(marker), Some(last)) = (body.get("cache_control"), self.blocks.last_mut()) {
            last.marker = last.marker.or(Some(Ttl::of(marker)));
        }
    }

    fn parameter(&mut self, body: &Members<'_>, key: &'static str) {
        if let Some(value) = body.get(key) {
            let mut print = Print::default();
            value.hash(&mut print.hasher);
            self.push(Place { key, index: None, content: None }, print);
        }
    }

    fn block(&mut self, place: Place, block: &str, message: Option<&Members<'_>>) {
        let mut print = Print::default();
        // Messages of one role are one turn, so a block has its role, and where a message begins
        // does not matter. What else a message says counts for its first block.
        for (key, value) in message.into_iter().flat_map(Members::iter) {
            if key == "role" || (key != "content" && place.content == Some(0)) {
                (key, value).hash(&mut print.hasher);
            }
        }
        print.block(block);
        self.push(place, print);
    }

    fn list(&mut self, key: &'static str, items: Vec<&str>) {
        for (index, item) in items.into_iter().enumerate() {
            self.render(Place::of(key, index), item);
        }
    }

    /// A block of OpenAI's dialects.
    fn render(&mut self, place: Place, item: &str) {
        let mut print = Print::default();
        print.value(item);
        self.push(place, print);
        self.text.push_str(item);
    }

    fn push(&mut self, place: Place, print: Print) {
        let before = self.blocks.last().map_or(self.root, |block| block.prefix);
        let mut prefix = DefaultHasher::new();
        (before, place.key, print.hasher.finish()).hash(&mut prefix);
        self.size += print.size;
        self.blocks.push(Block { place, prefix: prefix.finish(), marker: print.marker, end: self.size });
    }
}

impl Block {
    /// The tokens up to its end.
    pub(super) fn tokens(&self) -> u64 {
        (self.end / BYTES_A_TOKEN) as u64
    }

    /// Whether it is content, and not a parameter.
    pub(super) fn is_content(&self) -> bool {
        self.place.index.is_some()
    }
}

impl Ttl {
    fn of(marker: &str) -> Self {
        if Members::of(marker).get("ttl") == Some(r#""1h""#) { Self::Hour } else { Self::Minutes }
    }
}

impl Place {
    fn of(key: &'static str, index: usize) -> Self {
        Self { key, index: Some(index), content: None }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.key)?;
        if let Some(index) = self.index {
            write!(f, "[{index}]")?;
        }
        self.content.map_or(Ok(()), |content| write!(f, ".content[{content}]"))
    }
}

/// What of a block is compared, and how large it is.
#[derive(Default)]
struct Print {
    hasher: DefaultHasher,
    /// The bytes of the values, which are fewer than those of the block: keys and types do not
    /// count, so that a string is as large as a block of the same text.
    size: usize,
    marker: Option<Ttl>,
}

impl Print {
    /// A block's members as they are spelled, whatever stands between them, but without markers. A
    /// marker within its content marks the block.
    fn block(&mut self, block: &str) {
        if is_string(block) {
            ("type", r#""text""#, "text").hash(&mut self.hasher);
            self.value(block);
        } else {
            for (key, value) in Members::of(block).iter().filter(|(key, _)| *key != "cache_control") {
                key.hash(&mut self.hasher);
                match key {
                    "type" => value.hash(&mut self.hasher),
                    "content" => self.content(value),
                    _ => self.value(value),
                }
            }
        }
        ')'.hash(&mut self.hasher);
        if let Some(marker) = Members::of(block).get("cache_control") {
            self.marker = Some(Ttl::of(marker));
        }
    }

    fn content(&mut self, content: &str) {
        let blocks = items_or_string(Some(content));
        if blocks.is_empty() {
            return self.value(content);
        }
        for block in blocks {
            self.block(block);
        }
    }

    fn value(&mut self, value: &str) {
        value.hash(&mut self.hasher);
        self.size += value.len();
    }
}
