//! What a policy would put into the requests of a run: which passages, and how long it all is.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use jetway_core::policy::breadcrumbs::complete_tool;
use jetway_core::policy::context::{self, Asked, Known, Wanted, airplanes, on_demand};
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
    /// What stands with every system text.
    standing: String,
    conversations: HashMap<Vec<String>, Shown>,
    passages: BTreeSet<String>,
}

/// What a conversation is shown, which is chosen once.
#[derive(Debug, Default)]
struct Shown {
    /// Bytes with its task.
    task: usize,
    /// Bytes of each step; none of one that the path has not.
    steps: HashMap<String, usize>,
    /// The step that it would be told with its task, though it was told none.
    first: Option<String>,
    /// What of pages and airplanes its prompt has by now.
    known: Known,
}

impl<'a> Shelf<'a> {
    pub(super) fn of(gate: &'a Gate, policy: &'a Policy) -> Self {
        let index = gate.index(&policy.name);
        let is_told = policy.context.is_some() && index.is_some();
        let standing = policy.standing.as_deref().filter(|_| is_told);
        let rendered = standing.map(|standing| standing.render(&Passage::hash(standing.text()))).unwrap_or_default();
        Self {
            policy,
            planes: gate.airplanes.get(&policy.name).map_or(&[][..], |planes| planes),
            standing: rendered,
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
        let mut bytes = shown.task + length(&self.standing);
        let mut asked = ours.asked.iter().peekable();
        for (place, (id, _)) in ours.steps.iter().enumerate() {
            while let Some((_, text)) = asked.next_if(|(steps, _)| *steps <= place) {
                shown.known.read(text);
            }
            self.tell(id, (exchange, request), &mut shown);
        }
        bytes +=
            ours.steps.iter().map(|(id, _)| id).chain(&shown.first).filter_map(|id| shown.steps.get(id)).sum::<usize>();
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
        let path = self.policy.path.as_ref().filter(|_| is_led(exchange, request) && ours.steps.is_empty());
        // One that was led is further on by now, and told so where its conversation began.
        let first = path.filter(|_| text(exchange, "step").is_empty()).and_then(|path| path.steps().first());
        shown.first = first.map(|step| step.id.clone());
        let opened = ours.steps[..ours.opened].iter().map(|(id, _)| id.clone()).chain(shown.first.clone());
        let beside: String =
            opened.collect::<Vec<_>>().iter().map(|id| self.tell(id, (exchange, request), &mut shown)).collect();
        let profile = profile(exchange, request);
        if let (Some(rules), Some(index)) = (&self.policy.context, &self.index) {
            // What a task means is asked of nobody here: words alone rank.
            let now = moment(exchange);
            let asked = Asked { task: &[&request.task], behind: "", profile: &profile, now, nearness: None };
            let given = context::compose(rules, index, self.planes, asked, &beside).answer;
            shown.task = length(&given.text);
            [&given.text, &self.standing].into_iter().for_each(|text| shown.known.read(text));
            self.passages.extend(given.shown.into_iter().map(|shown| shown.source));
        }
        shown
    }

    /// A step as it is told now, where its conversation was not told it yet; nothing where the path has
    /// no step of this name.
    fn tell(&mut self, id: &str, (exchange, request): (&Line, &Request), shown: &mut Shown) -> String {
        if shown.steps.contains_key(id) {
            return String::new();
        }
        let told = self.told(id, (exchange, request), &shown.known);
        shown.known.read(&told);
        shown.steps.insert(id.to_owned(), length(&told));
        told
    }

    fn told(&mut self, id: &str, (exchange, request): (&Line, &Request), known: &Known) -> String {
        let Some(path) = &self.policy.path else { return String::new() };
        let Some(at) = path.steps().iter().position(|step| step.id == id) else { return String::new() };
        let profile = profile(exchange, request);
        let wanted = Wanted { step: id, docs: &path.steps()[at].docs, task: &request.task, known };
        let project = (&profile, moment(exchange));
        let rules = self.policy.context.as_ref();
        let more = rules.map(|rules| context::for_step(rules, self.index.as_deref(), self.planes, wanted, project));
        let more = more.unwrap_or_default();
        self.passages.extend(more.shown.into_iter().map(|shown| shown.source));
        path.tell(at, &profile, &more.text)
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
