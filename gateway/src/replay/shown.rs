//! What a policy would put into the requests of a run: which passages, and how long it all is.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use jetway_core::policy::breadcrumbs::complete_tool;
use jetway_core::policy::context::standing::Standing;
use jetway_core::policy::context::{self, Asked, Wanted, airplanes, on_demand};
use jetway_core::replay::{Growth, Ours, length};
use jetway_core::retrieval::airplane::Airplane;
use jetway_core::retrieval::profile::Profile;
use jetway_core::retrieval::search::Index;
use jetway_core::wire::history;
use jetway_core::wire::request::Request;
use jetway_core::wire::tools::offer::NewTool;
use serde::Deserialize;

use crate::config::Policy;
use crate::gate::Gate;
use crate::replay::{moment, number, text};
use crate::runs::Passage;
use crate::runs::read::Line;

/// What a policy has to show, and what of it a run would have been shown by now.
#[derive(Debug)]
pub(super) struct Shelf<'a> {
    policy: &'a Policy,
    index: Option<Arc<Index>>,
    planes: &'a [Airplane],
    /// Bytes with every system text.
    standing: usize,
    conversations: HashMap<Vec<String>, Shown>,
    passages: BTreeSet<String>,
}

/// What a conversation is shown, which is chosen once.
#[derive(Debug, Default)]
struct Shown {
    /// Bytes with its task.
    task: usize,
    /// Bytes of each step.
    steps: HashMap<String, usize>,
    /// The step that it would be told with its task, though it was told none.
    first: Option<String>,
}

impl<'a> Shelf<'a> {
    pub(super) fn of(gate: &'a Gate, policy: &'a Policy) -> Self {
        let index = gate.index(&policy.name);
        let is_told = policy.context.is_some() && index.is_some();
        let standing = policy.standing.as_deref().filter(|_| is_told);
        let render = |standing: &Standing| length(&standing.render(&Passage::hash(standing.text())));
        Self {
            policy,
            planes: gate.airplanes.get(&policy.name).map_or(&[][..], |planes| planes),
            standing: standing.map_or(0, render),
            conversations: HashMap::new(),
            passages: standing.map(|standing| standing.shown().source).into_iter().collect(),
            index,
        }
    }

    /// Takes in the next request, as it was sent, without what was put before its task. Returns by how
    /// much it would have been longer.
    pub(super) fn read(&mut self, exchange: &Line, request: &Request, ours: &Ours) -> Growth {
        let is_new = !self.conversations.contains_key(&request.opening);
        let mut shown = match self.conversations.remove(&request.opening) {
            Some(shown) => shown,
            None => self.open(exchange, request, ours),
        };
        let mut bytes = shown.task + self.standing;
        for id in ours.steps.iter().map(|(id, _)| id).chain(&shown.first) {
            bytes += match shown.steps.get(id) {
                Some(bytes) => *bytes,
                None => *shown.steps.entry(id.clone()).or_insert(self.tell(id, exchange, request)),
            };
        }
        self.conversations.insert(request.opening.clone(), shown);
        let count = |bytes: usize| i64::try_from(bytes).unwrap_or(i64::MAX);
        Growth {
            bytes: count(bytes) - count(ours.bytes()),
            sent: request.json.bytes().len() as u64,
            is_first: is_new && history::turns(request).len() as u64 <= number(exchange, "inner_turns"),
        }
    }

    /// What goes with the task of a conversation.
    fn open(&mut self, exchange: &Line, request: &Request, ours: &Ours) -> Shown {
        let mut shown = Shown::default();
        let profile = profile(exchange, request);
        if let (Some(rules), Some(index)) = (&self.policy.context, &self.index) {
            // What a task means is asked of nobody here: words alone rank.
            let asked = Asked { task: request.task(), profile: &profile, now: moment(exchange), nearness: None };
            let given = context::compose(rules, index, self.planes, asked).answer;
            shown.task = length(&given.text);
            self.passages.extend(given.shown.into_iter().map(|shown| shown.source));
        }
        let path = self.policy.path.as_ref().filter(|_| is_led(exchange, request) && ours.steps.is_empty());
        // One that was led is further on by now, and told so where its conversation began.
        let first = path.filter(|_| text(exchange, "step").is_empty()).and_then(|path| path.steps().first());
        shown.first = first.map(|step| step.id.clone());
        shown
    }

    /// Bytes of a step as it is told now; none where the path has no step of this name.
    fn tell(&mut self, id: &str, exchange: &Line, request: &Request) -> usize {
        let Some(path) = &self.policy.path else { return 0 };
        let Some(at) = path.steps().iter().position(|step| step.id == id) else { return 0 };
        let profile = profile(exchange, request);
        let wanted = Wanted { step: id, docs: &path.steps()[at].docs };
        let project = (&profile, moment(exchange));
        let rules = self.policy.context.as_ref();
        let more = rules.map(|rules| context::for_step(rules, self.index.as_deref(), self.planes, wanted, project));
        let more = more.unwrap_or_default();
        self.passages.extend(more.shown.into_iter().map(|shown| shown.source));
        length(&path.tell(at, &profile, &more.text))
    }

    /// The tools of ours that a request would be sent with.
    pub(super) fn tools(&self, exchange: &Line, request: &Request) -> Vec<NewTool> {
        let is_one = request.replies == 1 && !request.tools().is_empty();
        let rules = self.policy.context.as_ref().filter(|rules| rules.on_demand && is_one);
        let search = rules.filter(|_| self.index.is_some()).and_then(|_| on_demand::search_tool());
        let airplane = rules.filter(|_| !self.planes.is_empty()).and_then(|_| airplanes::airplane_tool());
        let path = self.policy.path.as_ref().filter(|_| is_led(exchange, request));
        [search, airplane, path.and_then(|_| complete_tool())].into_iter().flatten().collect()
    }

    /// The passages that the run would be shown.
    pub(super) fn into_passages(self) -> BTreeSet<String> {
        self.passages
    }
}

/// Whether a path leads the conversation of a request.
fn is_led(exchange: &Line, request: &Request) -> bool {
    text(exchange, "role") == "main" && request.replies == 1 && !request.tools().is_empty()
}

/// What the project was known to be.
fn profile(exchange: &Line, request: &Request) -> Profile {
    let recorded = exchange.get("profile").and_then(|profile| Profile::deserialize(profile).ok());
    // Nothing is recorded where nothing was known, nor where nobody had to know.
    recorded.filter(|profile| !profile.is_empty()).unwrap_or_else(|| Profile::read(request))
}
