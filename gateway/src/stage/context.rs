//! What is put before the model beside what the agent sent: chosen once for a conversation, and
//! the same bytes on every turn after that.

use jetway_core::policy::context;
use jetway_core::wire::request::Request;
use jiff::Timestamp;

use crate::config::Policy;
use crate::docs;
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
    let (Some(rules), Some(index)) = (&policy.context, gate.index(&policy.name)) else {
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
    let chosen = context::decide(rules, &index, request.task(), now);
    let passages = chosen.iter().map(|hit| Passage {
        source: format!("{}#{}", hit.chunk.page, hit.chunk.path()),
        hash: docs::passage(hit.chunk),
        page: hit.page.map(|page| page.version.clone()),
    });
    let inserted = Inserted { passages: passages.collect(), text: context::render(&chosen, now) };
    let inserted = jetway.state.insert(conversation, inserted, now).await?;
    Ok(Context { inserted })
}
