//! OpenAI's Chat Completions API, which llama.cpp, vLLM and Ollama speak too.

pub mod bar;
pub mod cut;
pub mod history;
pub mod reply;
pub mod request;
pub mod splice;
mod tools;
pub mod turn;

use crate::wire::json::Value;
use crate::wire::request::text_of;

/// What tells the pieces of one call from those of another.
#[derive(Debug, Clone, Default)]
struct Identity {
    id: Option<String>,
    name: String,
    /// Whether any of its input came yet.
    has_input: bool,
}

impl Identity {
    fn named(name: String) -> Self {
        Self { id: None, name, has_input: false }
    }

    /// Whether an entry is a further piece of this call, and not one of its own. Providers are
    /// careless about ids; two calls of one number are told apart by their names, once the first
    /// has input.
    fn goes_on_in(&self, entry: Value<'_>) -> bool {
        let Some(call) = reply::call(entry) else { return true };
        let id = id_of(entry);
        let is_same = id.is_none() || self.id.is_none() || self.id == id;
        let is_next = id.is_none() && call.name != self.name && self.has_input && reply::inputs(entry).next().is_some();
        is_same && !is_next
    }

    /// Takes from a piece of the call what it tells.
    fn learn(&mut self, entry: Value<'_>) {
        self.id = self.id.take().or_else(|| id_of(entry));
        self.has_input |= reply::inputs(entry).next().is_some();
    }
}

fn id_of(entry: Value<'_>) -> Option<String> {
    text_of(entry, "id").filter(|id| !id.is_empty())
}
