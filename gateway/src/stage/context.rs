//! What is put before the model beside what the agent sent: chosen once for a conversation, and
//! the same bytes on every turn after that.

use std::sync::Arc;

use jetway_core::policy::context::{self, on_demand};
use jetway_core::policy::desk::{Clerk, Desk, DeskTool};
use jetway_core::wire::request::Request;
use jetway_core::wire::tools::offer::NewTool;
use jiff::Timestamp;

use crate::config::Policy;
use crate::gate::{Gate, Jetway};
use crate::runs::Passage;
use crate::runs::state::Inserted;
use crate::store::StoreError;

/// What a request is given. Made only by [`inform`].
#[derive(Debug, Default)]
pub struct Context {
    inserted: Inserted,
}

impl Context {
    /// Empty where nothing is inserted.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.inserted.text
    }

    #[must_use]
    pub fn passages(&self) -> &[Passage] {
        &self.inserted.passages
    }
}

/// # Errors
/// [`StoreError`] when it is not known what the conversation was given before: another choice
/// would cost it the provider's cache.
pub async fn inform(
    (jetway, gate): (&Jetway, &Gate),
    policy: &Policy,
    (conversation, is_reply): (&str, bool),
    request: &Request,
) -> Result<Context, StoreError> {
    let (Some(rules), Some(index)) = (&policy.context, gate.indexes.get(&policy.name)) else {
        return Ok(Context::default());
    };
    if let Some(inserted) = jetway.state.inserted(conversation).await? {
        return Ok(Context { inserted });
    }
    // Counting tokens is free, and so must not write.
    if !is_reply {
        return Ok(Context::default());
    }
    let chosen = context::decide(rules, index, request.task());
    let passages = chosen.iter().map(|hit| Passage::of(&context::source(hit), &hit.chunk.text));
    let inserted = Inserted { passages: passages.collect(), text: context::render(&chosen) };
    let inserted = jetway.state.insert(conversation, inserted, Timestamp::now()).await?;
    Ok(Context { inserted })
}

/// The tools by which a model asks for more: offered where its agent has tools at all, and none of
/// these names.
#[must_use]
pub fn desk(gate: &Arc<Gate>, policy: &Policy, request: &Request) -> Desk {
    let rules = policy.context.as_ref().filter(|rules| rules.on_demand && gate.indexes.contains_key(&policy.name));
    let tools = request.tools();
    // Of several replies at once nobody can tell which one the agent goes on with.
    let (Some(rules), false, 1) = (rules, tools.is_empty(), request.replies) else { return Desk::default() };
    let is_free = |tool: &NewTool| tools.iter().all(|own| own.name.as_deref() != Some(tool.name()));
    let Some(tool) = on_demand::search_tool().filter(is_free) else { return Desk::default() };
    let (gate, name, rules) = (Arc::clone(gate), policy.name.clone(), rules.clone());
    let clerk: Clerk = Box::new(move |call| match gate.indexes.get(&name) {
        Some(index) => on_demand::search(&rules, index, call),
        None => Err(String::from("There is no documentation any more.")),
    });
    Desk::new(vec![DeskTool { tool, clerk }])
}
