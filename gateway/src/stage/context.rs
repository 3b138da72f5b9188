//! What is put before the model beside what the agent sent: chosen once for a conversation, and
//! the same bytes on every turn after that.

use jetway_core::policy::context;
use jetway_core::wire::request::Request;
use jiff::Timestamp;

use crate::config::Policy;
use crate::gate::{Gate, Jetway};
use crate::runs::Passage;
use crate::runs::state::Inserted;
use crate::secret;
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
    let passages = chosen.iter().map(|hit| Passage {
        source: format!("{}#{}", hit.chunk.page, hit.chunk.path()),
        hash: secret::hex(&secret::sha256(hit.chunk.text.as_bytes())[..6]),
    });
    let inserted = Inserted { passages: passages.collect(), text: context::render(&chosen) };
    let inserted = jetway.state.insert(conversation, inserted, Timestamp::now()).await?;
    Ok(Context { inserted })
}
