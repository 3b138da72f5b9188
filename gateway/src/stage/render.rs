//! The bytes that go to the provider: the agent's own, with the spans changed that a stage meant
//! to change, and nothing re-serialised.

use bytes::Bytes;
use jetway_core::overlay::prefix::Prefix;
use jetway_core::overlay::{self, Applied, Edit};
use jetway_core::wire::facts::Caching;
use jetway_core::wire::history;
use jetway_core::wire::patch::{Overlap, Patch};
use jetway_core::wire::request::Request;

use crate::config::Policy;
use crate::redaction::Searcher;
use crate::runs::Redaction;
use crate::stage::breadcrumbs::Trail;
use crate::stage::context::Context;
use crate::stage::lockdown::{self, Permit};
use crate::tab::Lesser;

/// A request as it is sent. Made only by [`render`].
#[derive(Debug)]
pub struct Outbound {
    bytes: Bytes,
    output_limit: Option<u64>,
    model: String,
    facts: Facts,
    hides_usage: bool,
    overlay: Applied,
    prefix: Prefix,
    redactions: Vec<Redaction>,
}

/// What the cost of a request depends on, besides its length.
#[derive(Debug, Clone)]
pub struct Facts {
    /// How many replies it asks for at once.
    pub replies: u64,
    /// Whether the reply comes as a stream.
    pub streams: bool,
    pub caching: Caching,
    /// The tier that it asks for.
    pub tier: Option<String>,
    /// Pictures and documents that it only refers to.
    pub remote: u64,
}

impl Outbound {
    #[must_use]
    pub fn bytes(&self) -> &Bytes {
        &self.bytes
    }

    /// The most tokens of one reply; none where nothing limits it.
    #[must_use]
    pub fn output_limit(&self) -> Option<u64> {
        self.output_limit
    }

    /// What its cost depends on.
    #[must_use]
    pub fn facts(&self) -> &Facts {
        &self.facts
    }

    /// The model that is called.
    #[must_use]
    pub fn model(&self) -> &str {
        &self.model
    }

    /// What became of the edits of the conversation.
    #[must_use]
    pub fn overlay(&self) -> &Applied {
        &self.overlay
    }

    /// What a provider's cache goes by.
    #[must_use]
    pub fn prefix(&self) -> &Prefix {
        &self.prefix
    }

    /// Secrets that were found in results.
    #[must_use]
    pub fn redactions(&self) -> &[Redaction] {
        &self.redactions
    }

    /// Whether usage was asked for that the agent does not expect.
    #[must_use]
    pub fn hides_usage(&self) -> bool {
        self.hides_usage
    }
}

/// A request with what the stages mean to change in it.
#[derive(Debug, Clone, Copy)]
pub struct Draft<'a> {
    pub policy: &'a Policy,
    pub request: &'a Request,
    pub permit: &'a Permit,
    pub context: &'a Context,
    /// The run's path, where it is led.
    pub trail: Option<&'a Trail>,
    /// What the agent was told differently.
    pub edits: &'a [Edit],
    /// What looks for secrets in results.
    pub searcher: Option<&'a Searcher>,
    /// A request that asks for no reply has no limit on one.
    pub is_reply: bool,
}

impl Draft<'_> {
    /// Puts the stages' changes together.
    ///
    /// # Errors
    /// [`Overlap`] if two stages wanted the same bytes.
    pub fn render(self, lesser: &Lesser) -> Result<Outbound, Overlap> {
        let Self { policy, request, permit, context, trail, edits, searcher, is_reply } = self;
        let mut patch = permit.patch().clone();
        let overlay = overlay::apply(request, edits, &mut patch);
        let redactions =
            lockdown::learn(policy, request, (&overlay, searcher), trail.map_or(&[], Trail::laid), &mut patch);
        let rules = policy.context.as_ref();
        let caches = is_reply && rules.is_some_and(|rules| rules.breakpoint) && request.lacks_breakpoint();
        add(request, (context, trail), caches, &mut patch);
        let most = policy.budget.output_limit().into_iter().chain(lesser.output_limit).min();
        let output_limit = match most {
            Some(most) if is_reply => Some(request.limit_output(most, &mut patch)),
            _ => request.output_limit,
        };
        let wants = trail.map(Trail::wants);
        let model = lesser.model.as_ref().or(wants.and_then(|wants| wants.model.as_ref())).unwrap_or(&request.model);
        if *model != request.model {
            request.call_model(model, &mut patch);
        }
        if let Some(effort) = wants.and_then(|wants| wants.effort) {
            request.ask_effort(effort, &mut patch);
        }
        let hides_usage = request.ask_for_usage(&mut patch);
        let prefix = if is_reply { Prefix::of(request, &patch) } else { Prefix::default() };
        let bytes = patch.apply(&request.json)?;
        let model = model.clone();
        let facts = Facts {
            replies: request.replies,
            streams: request.stream,
            caching: if caches { Caching::Minutes } else { request.caching },
            tier: request.tier.clone(),
            remote: request.remote,
        };
        Ok(Outbound { bytes, output_limit, model, facts, hides_usage, overlay, prefix, redactions })
    }
}

/// Adds what is known before the model's first word, and the breakpoints of an agent that sets none.
fn add(request: &Request, (context, trail): (&Context, Option<&Trail>), caches: bool, patch: &mut Patch) {
    let mut standing = context.standing().to_owned();
    let task = format!("{}{}", context.text(), trail.map_or("", Trail::opening));
    // Both stand in one message; where the one came first, that stays.
    let before = trail.filter(|trail| !trail.opening().is_empty()).map_or(context.before_task(), Trail::before_task);
    // The first request ends where its task does. Looked at only where it matters.
    let is_last = caches && !task.is_empty() && history::turns(request).len() <= before;
    if !task.is_empty() && !request.add_task_text(&task, (before, is_last), patch) {
        standing.push_str(&task);
    }
    if !standing.is_empty() {
        request.add_system_text(&standing, caches, patch);
    }
    if caches && !is_last {
        request.add_breakpoint(patch);
    }
}
