//! What is put before the model beside what the agent sent: chosen once for a conversation, and
//! the same bytes on every turn after that.

use std::sync::Arc;

use jetway_core::policy::context::{self, on_demand};
use jetway_core::policy::desk::{Clerk, Desk, DeskTool};
use jetway_core::retrieval::search::Index;
use jetway_core::wire::request::Request;
use jetway_core::wire::tools::offer::NewTool;
use jiff::Timestamp;

use crate::config::Policy;
use crate::gate::Jetway;
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
    (jetway, index): (&Jetway, Option<&Index>),
    policy: &Policy,
    (conversation, is_reply): (&str, bool),
    request: &Request,
) -> Result<Context, StoreError> {
    let (Some(rules), Some(index)) = (&policy.context, index) else {
        return Ok(Context::default());
    };
    if let Some(inserted) = jetway.state.inserted(conversation).await? {
        return Ok(Context { inserted });
    }
    // Counting tokens is free, and so must not write.
    if !is_reply {
        return Ok(Context::default());
    }
    let now = Timestamp::now();
    let chosen = context::decide(rules, index, request.task(), now);
    let passages = context::shown(&chosen).iter().map(Passage::of).collect();
    let inserted = Inserted { passages, text: context::render(&chosen, now) };
    let inserted = jetway.state.insert(conversation, inserted, now).await?;
    Ok(Context { inserted })
}

/// The tools by which a model asks for more: offered where its agent has tools at all, and none of
/// these names.
#[must_use]
pub fn desk(index: Option<&Arc<Index>>, policy: &Policy, request: &Request) -> Desk {
    let rules = policy.context.as_ref().filter(|rules| rules.on_demand);
    let tools = request.tools();
    // Of several replies at once nobody can tell which one the agent goes on with.
    let (Some(rules), Some(index), false, 1) = (rules, index, tools.is_empty(), request.replies) else {
        return Desk::default();
    };
    let is_free = |tool: &NewTool| tools.iter().all(|own| own.name.as_deref() != Some(tool.name()));
    let Some(tool) = on_demand::search_tool().filter(is_free) else { return Desk::default() };
    let (index, rules) = (Arc::clone(index), rules.clone());
    let clerk: Clerk = Box::new(move |call| on_demand::search(&rules, &index, call, Timestamp::now()));
    Desk::new(vec![DeskTool { tool, clerk }])
}
