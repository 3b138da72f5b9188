//! Which tools the model is offered, what its calls are judged by, and what it learns of results.

use jetway_core::overlay::Applied;
use jetway_core::policy::breadcrumbs::{Laid, StepGuard};
use jetway_core::policy::desk::{Desk, Judges};
use jetway_core::policy::lockdown::replace::AgentTools;
use jetway_core::policy::lockdown::{Mode, Rules, Setting, Warden};
use jetway_core::redact::{Action, Finding};
use jetway_core::stream::guard::Guard;
use jetway_core::wire::history;
use jetway_core::wire::json;
use jetway_core::wire::patch::Patch;
use jetway_core::wire::request::Request;
use jetway_core::wire::tools::Tool;
use jetway_core::wire::tools::offer::{NewTool, Offer};

use crate::config::Policy;
use crate::redaction::Searcher;
use crate::runs::{Decision, Redaction, What};

/// The tools of a request as the model may see them. Made only by [`lock`].
#[derive(Debug)]
pub struct Permit {
    patch: Patch,
    offered: usize,
    removed: Vec<String>,
    narrowed: Vec<String>,
    decisions: Vec<Decision>,
}

impl Permit {
    /// How many tools the agent offers.
    #[must_use]
    pub fn offered(&self) -> usize {
        self.offered
    }

    /// The tools that the model does not get to see.
    #[must_use]
    pub fn removed(&self) -> &[String] {
        &self.removed
    }

    /// The tools of which it sees a part.
    #[must_use]
    pub fn narrowed(&self) -> &[String] {
        &self.narrowed
    }

    /// Why; and in shadow mode, which tools it would not see, or in part.
    #[must_use]
    pub fn decisions(&self) -> &[Decision] {
        &self.decisions
    }

    /// What must change in the request.
    pub(crate) fn patch(&self) -> &Patch {
        &self.patch
    }
}

/// Names are the agent's; a log has no use for the rest of a very long one.
const LONGEST_NAME: usize = 128;
/// Nor has it for more names than an agent ever offers.
const MOST_NAMES: usize = 200;

/// Decides what the model may see of the agent's tools, and offers those of the desk.
#[must_use]
pub fn lock(policy: &Policy, request: &Request, desk: &Desk) -> Permit {
    let tools = request.tools();
    let (removed, narrowed, decisions) = (Vec::new(), Vec::new(), Vec::new());
    let mut permit = Permit { patch: Patch::default(), offered: tools.len(), removed, narrowed, decisions };
    let mut added: Vec<NewTool> = desk.offered().cloned().collect();
    let Some(rules) = &policy.lockdown else {
        shelve(policy, request, &|_| Offer::Keep, &added, &mut permit.patch);
        return permit;
    };
    let replacements = rules.replace.offered(&AgentTools::of(request));
    let replaces = !replacements.is_empty();
    let offer = |tool: &Tool| offer(rules, replaces, tool, request).0;
    for tool in tools.iter().take(MOST_NAMES) {
        permit.note(rules, replaces, tool, request);
    }
    match rules.mode {
        Mode::Enforce => {
            added.extend(replacements.iter().filter_map(new_tool));
            shelve(policy, request, &offer, &added, &mut permit.patch);
        }
        Mode::Shadow => shelve(policy, request, &|_| Offer::Keep, &added, &mut permit.patch),
    }
    permit
}

/// What becomes of a tool, and where it is not shown as it is, the rule and a reason for that.
fn offer(rules: &Rules, replaces: bool, tool: &Tool, request: &Request) -> (Offer, String, String) {
    let name = tool.name.as_deref().unwrap_or_default();
    match rules.offer(tool, &request.json) {
        Err(rule) => (Offer::Drop, rule, String::new()),
        Ok(offer) => match rules.replace.hides(name).filter(|_| replaces) {
            Some(by) => (Offer::Drop, format!("replace {by}"), format!("replaced by {by}")),
            None => (offer, format!("narrow {name}"), String::new()),
        },
    }
}

impl Permit {
    /// Says of a tool what becomes of it. In shadow mode nothing does, so that it is no more than noted.
    fn note(&mut self, rules: &Rules, replaces: bool, tool: &Tool, request: &Request) {
        let (offer, rule, reason) = offer(rules, replaces, tool, request);
        let (named, what) = match offer {
            Offer::Drop => (&mut self.removed, What::Hidden),
            Offer::Change(_) => (&mut self.narrowed, What::Narrowed),
            Offer::Keep => return,
        };
        let name: String = tool.name.as_deref().unwrap_or("(unknown kind)").chars().take(LONGEST_NAME).collect();
        let noted = rules.mode == Mode::Shadow;
        if !noted {
            named.push(name.clone());
        }
        self.decisions.push(Decision { noted, ..Decision::new(what, name).by(rule).because(&reason) });
    }
}

fn shelve(policy: &Policy, request: &Request, offer: &dyn Fn(&Tool) -> Offer, added: &[NewTool], patch: &mut Patch) {
    for absent in request.reshelve(offer, added, patch).absent {
        tracing::debug!(policy = policy.name, %absent, "a narrowing found nothing to narrow");
    }
}

fn new_tool(spec: &jetway_core::policy::lockdown::replace::NewToolSpec) -> Option<NewTool> {
    let made = NewTool::new(&spec.name, &spec.description, &spec.schema);
    made.inspect_err(|error| tracing::error!(%error, "a replacement tool cannot be offered")).ok()
}

/// What watches the reply, where a lock is on or tools of ours were offered.
#[must_use]
pub fn guard(
    policy: &Policy,
    request: &Request,
    (desk, step): (Desk, Option<StepGuard>),
    redactions: &[Redaction],
) -> Option<Guard<Judges>> {
    let warden = policy.lockdown.clone().map(|rules| {
        let setting = Setting::of(&rules, &policy.name, request, !redactions.is_empty());
        Warden::new(rules, setting)
    });
    // Of several replies at once nobody can tell which one the agent goes on with.
    let may_answer = request.replies == 1;
    let is_shadow = policy.lockdown.as_ref().is_some_and(|rules| rules.mode == Mode::Shadow);
    match (desk.is_empty() && step.is_none(), &warden) {
        (true, None) => None,
        // With a desk calls of ours are answered also then, and all others pass.
        (true, Some(_)) if is_shadow => Some(Guard::looking_on(Judges::new(desk, warden, step), request.dialect)),
        _ => Some(Guard::new(Judges::new(desk, warden, step), request.dialect, may_answer)),
    }
}

/// What the model learns of the results that the agent tells: of calls in other words no more than
/// their shape allows, and no secrets. Behind the last text of a result stands what was laid there.
pub fn learn(
    policy: &Policy,
    request: &Request,
    (overlay, searcher): (&Applied, Option<&Searcher>),
    laid: &[Laid],
    patch: &mut Patch,
) -> Vec<Redaction> {
    let mut found: Vec<Redaction> = Vec::new();
    let search = policy.lockdown.as_ref().zip(searcher);
    if search.is_none() && laid.is_empty() {
        return found;
    }
    let mut outcomes = history::outcomes(request).into_iter().peekable();
    while let Some(outcome) = outcomes.next() {
        let value = request.json.value(outcome.node);
        let Some(text) = value.text() else { continue };
        let changed = search.and_then(|(rules, searcher)| {
            let replacement = overlay.substituted.get(&outcome.call).and_then(|name| rules.replace.find(name));
            if let Some(replacement) = replacement {
                // What is left then is of the shape that the operator declared.
                return Some(replacement.filter(&text));
            }
            let enforced = rules.mode == Mode::Enforce;
            let redacted = searcher.search(&text);
            for finding in &redacted.findings {
                let replaced = enforced && finding.action == Action::Replace;
                note(&mut found, finding, (&outcome.call, replaced));
            }
            redacted.text.clone().filter(|_| enforced)
        });
        let is_last = outcomes.peek().is_none_or(|next| next.call != outcome.call);
        let own = laid.iter().filter(|laid| is_last && laid.call == outcome.call);
        let behind: String = own.map(|laid| format!("\n\n{}", laid.text)).collect();
        match changed {
            Some(changed) => patch.replace(value.span(), json::quote(&(changed + &behind))),
            None if behind.is_empty() => {}
            None => patch.insert(value.span().end - 1, json::escape(&behind)),
        }
    }
    found
}

fn note(found: &mut Vec<Redaction>, finding: &Finding, (call, replaced): (&str, bool)) {
    let is_same = |known: &Redaction| {
        (known.kind.as_str(), &known.name, known.call.as_str(), known.replaced)
            == (finding.kind, &finding.name, call, replaced)
    };
    match found.iter().position(is_same) {
        Some(at) => found[at].count += 1,
        None if found.len() < MOST_NAMES => found.push(Redaction {
            kind: finding.kind.to_owned(),
            name: finding.name.clone(),
            call: call.chars().take(LONGEST_NAME).collect(),
            count: 1,
            replaced,
        }),
        None => {}
    }
}
