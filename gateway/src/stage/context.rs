//! What is put before the model beside what the agent sent: chosen once for a conversation, and
//! the same bytes on every turn after that.

use std::sync::{Arc, Mutex, PoisonError};

use jetway_core::overlay::Edit;
use jetway_core::policy::context::standing::Standing;
use jetway_core::policy::context::{self, Asked, Given, Known, airplanes, on_demand};
use jetway_core::policy::desk::{Clerk, DeskTool};
use jetway_core::retrieval::meaning::{Nearness, Vector};
use jetway_core::retrieval::profile::Profile;
use jetway_core::retrieval::search::{Index, beginning};
use jetway_core::wire::request::Request;
use jetway_core::wire::tools::offer::NewTool;
use jiff::Timestamp;

use crate::config::Policy;
use crate::docs::{About, Failed, Library, Shelf};
use crate::gate::{Gate, Jetway};
use crate::runs::Passage;
use crate::runs::state::{Inserted, State};
use crate::store::StoreError;

/// What a request is given. Made only by [`inform`].
#[derive(Debug, Default)]
pub struct Context {
    inserted: Inserted,
}

impl Context {
    /// For the task. Empty where nothing is inserted.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.inserted.text
    }

    /// How often the model had spoken before that.
    #[must_use]
    pub fn before_task(&self) -> usize {
        self.inserted.before_task
    }

    /// For every task. Empty where nothing is inserted.
    #[must_use]
    pub fn standing(&self) -> &str {
        &self.inserted.standing
    }

    #[must_use]
    pub fn passages(&self) -> &[Passage] {
        &self.inserted.passages
    }
}

/// A conversation, and what its project is as far as it has told.
#[derive(Debug, Clone, Copy)]
pub struct Told<'a> {
    pub conversation: &'a str,
    pub profile: &'a Arc<Profile>,
}

/// What a conversation was given is sent with this request, and is kept for as long as the next may come.
/// Nobody waits for it.
pub fn keep(jetway: &Arc<Jetway>, context: &Context, conversation: &str) {
    if context.inserted == Inserted::default() || !matches!(jetway.state, State::Shared(_)) {
        return;
    }
    let (shared, conversation) = (Arc::clone(jetway), conversation.to_owned());
    jetway.tasks.spawn(async move { shared.state.keep_inserted(&conversation).await });
}

/// What of pages and airplanes stands in the prompt of a request, also by what is told within its reply.
pub type Shared = Arc<Mutex<Known>>;

/// What a conversation was given with its task, if it was given anything yet, and what else of pages and
/// airplanes its prompt has.
///
/// # Errors
/// [`StoreError`] when it is not known what the conversation was given before: another choice
/// would cost it the provider's cache.
pub async fn recall(
    (jetway, library): (&Jetway, &Library),
    policy: &Policy,
    conversation: &str,
    (request, edits): (&Request, &[Edit]),
) -> Result<(Option<Inserted>, Shared), StoreError> {
    let mut known = Known::default();
    if policy.context.is_none() {
        return Ok((None, Arc::default()));
    }
    known.read_edits(request, edits);
    let given = match library.index {
        Some(_) => jetway.state.inserted(conversation).await?,
        None => None,
    };
    for text in given.iter().flat_map(|given| [&given.text, &given.standing]) {
        known.read(text);
    }
    Ok((given, Arc::new(Mutex::new(known))))
}

/// Puts pages before a model, once for a conversation. `beside` is what a step tells in the same
/// message.
///
/// # Errors
/// [`StoreError`] when it cannot be kept.
pub async fn inform(
    (jetway, gate, library): (&Jetway, &Gate, &Library),
    policy: &Policy,
    (told, is_reply): (Told<'_>, bool),
    request: &Request,
    (given, known, beside): (Option<Inserted>, &Shared, &str),
) -> Result<Context, StoreError> {
    let (Some(rules), Some(index)) = (&policy.context, library.index.as_deref()) else {
        return Ok(Context::default());
    };
    if let Some(inserted) = given {
        return Ok(Context { inserted });
    }
    // Counting tokens is free, and so must not write.
    if !is_reply {
        return Ok(Context::default());
    }
    let now = Timestamp::now();
    let nearness = nearness((jetway, gate, index), policy, &request.task).await;
    let asked = Asked { task: &[&request.task], behind: "", profile: told.profile, now, nearness: nearness.as_ref() };
    let Given { answer: given, ages, left_out } = context::compose(rules, index, &library.airplanes, asked, beside);
    jetway.metrics.docs.chose(&policy.name, &ages, left_out);
    let standing = policy.standing.as_deref();
    let passages = standing
        .map(Standing::shown)
        .iter()
        .chain(&given.shown)
        .map(|shown| jetway.showing.passage(&policy.name, shown))
        .collect();
    let standing = standing.map(|standing| standing.render(&Passage::hash(standing.text()))).unwrap_or_default();
    let inserted = Inserted { passages, text: given.text, standing, before_task: request.before_task };
    let inserted = jetway.state.insert(told.conversation, inserted, now).await?;
    let mut known = known.lock().unwrap_or_else(PoisonError::into_inner);
    [&inserted.text, &inserted.standing].into_iter().for_each(|text| known.read(text));
    Ok(Context { inserted })
}

/// How near the sections are to what a task means. None where that is not asked for, or not to be
/// had in time: words alone rank then.
async fn nearness((jetway, gate, index): (&Jetway, &Gate, &Index), policy: &Policy, task: &str) -> Option<Nearness> {
    let rules = policy.context.as_ref()?.embeddings.as_ref()?;
    let shelf = gate.shelves.get(&policy.name)?;
    let endpoint = shelf.endpoint()?;
    if gate.is_demo || index.meant() == 0 || shelf.is_doubted() || task.trim().is_empty() {
        return None;
    }
    let searcher = jetway.searchers.always(policy);
    let searcher = searcher.inspect_err(|why| tracing::error!(policy = policy.name, why, "a task is not looked at"));
    // Its secrets are replaced first, for this goes to another party than the provider; and then it
    // is cut to what is looked at, so that no half of one is left.
    let begun = &task[..task.floor_char_boundary(MOST_SEARCHED)];
    let found = searcher.ok()?.search(begun);
    let asked = beginning(found.text.as_deref().unwrap_or(begun));
    let outcome = match jetway.embedder.ask(endpoint, &[asked], rules.timeout).await {
        Ok(answered) => compared(shelf, index, answered).await,
        Err(why) => Err(why),
    };
    jetway.embedder.count(&policy.name, About::Query, &outcome, 1);
    // Said once, and not at every task.
    match (&outcome, shelf.is_news(outcome.is_ok())) {
        (Err(why), true) => {
            tracing::warn!(policy = policy.name, %why, "it is not known what a task means; words alone rank")
        }
        (Err(why), false) => tracing::debug!(policy = policy.name, %why, "it is still not known what a task means"),
        (Ok(_), is_news) if is_news => tracing::info!(policy = policy.name, "it is known again what tasks mean"),
        (Ok(_), _) => {}
    }
    outcome.ok()
}

/// How near the sections are to the one text that was asked about. It is compared with each of them,
/// which may take as long as reading 64 MiB: not on a thread that serves others meanwhile.
async fn compared(shelf: &Shelf, index: &Index, answered: Vec<Vector>) -> Result<Nearness, Failed> {
    let vector = answered.into_iter().next().ok_or_else(|| Failed::Other(String::from("it answered nothing")))?;
    let vectors = index.vectors();
    let near = tokio::task::spawn_blocking(move || vectors.nearness(&vector)).await;
    near.map_err(|error| Failed::Other(error.to_string()))?.map_err(|why| {
        shelf.doubt();
        Failed::Other(why.to_string())
    })
}

/// The most bytes of a task that are searched for secrets before it is cut: four times what can be
/// left of it.
const MOST_SEARCHED: usize = 64 << 10;

/// The tools by which a model asks for more: offered where its agent has tools at all, and none of
/// these names. A search does not say again what stands in the prompt, by whatever it came there.
#[must_use]
pub fn desk(
    library: &Library,
    policy: &Policy,
    request: &Request,
    profile: &Arc<Profile>,
    known: &Shared,
) -> Vec<DeskTool> {
    let rules = policy.context.as_ref().filter(|rules| rules.on_demand);
    let tools = request.tools();
    // Of several replies at once nobody can tell which one the agent goes on with.
    let (Some(rules), false, 1) = (rules, tools.is_empty(), request.replies) else { return Vec::new() };
    let is_free = |tool: &NewTool| tools.iter().all(|own| own.name.as_deref() != Some(tool.name()));
    let mut desk = Vec::new();
    if let (Some(tool), Some(index)) = (on_demand::search_tool().filter(is_free), &library.index) {
        let (rules, index, profile) = (rules.clone(), Arc::clone(index), Arc::clone(profile));
        let known = Arc::clone(known);
        let clerk: Clerk = Box::new(move |call| {
            let mut known = known.lock().unwrap_or_else(PoisonError::into_inner);
            let answer = on_demand::search(&rules, &index, call, (&profile, Timestamp::now()), &known)?;
            known.read(&answer.text);
            Ok(answer)
        });
        desk.push(DeskTool { tool, clerk });
    }
    let planes = Arc::clone(&library.airplanes);
    if let (Some(tool), false) = (airplanes::airplane_tool().filter(is_free), planes.is_empty()) {
        let (profile, known) = (Arc::clone(profile), Arc::clone(known));
        // What is asked for by its name is shown also when it stands further above.
        let clerk: Clerk = Box::new(move |call| {
            let answer = airplanes::show(&planes, &profile, call)?;
            known.lock().unwrap_or_else(PoisonError::into_inner).read(&answer.text);
            Ok(answer)
        });
        desk.push(DeskTool { tool, clerk });
    }
    desk
}
