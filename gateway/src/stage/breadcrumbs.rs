//! Leading a run through its steps: what it has come to, what it is told, and the tool by which the
//! model says that a step is done.

use std::sync::{Arc, Mutex, PoisonError};

use jetway_core::policy::breadcrumbs::{Change, How, Laid, Left, Path, Progress, Seen, StepGuard, complete_tool, said};
use jetway_core::policy::context::{self, Asked, airplanes};
use jetway_core::policy::desk::{Answer, Clerk, DeskTool};
use jetway_core::policy::lockdown::Setting;
use jetway_core::policy::lockdown::place::Folders;
use jetway_core::retrieval::airplane::Airplane;
use jetway_core::retrieval::profile::Profile;
use jetway_core::retrieval::search::Index;
use jetway_core::wire::history;
use jetway_core::wire::request::Request;
use jetway_core::wire::results::{Fresh, fresh};
use jiff::Timestamp;

use crate::config::Policy;
use crate::gate::{Gate, Jetway};
use crate::runs::state::State;
use crate::runs::{Passage, StepLeft};
use crate::stage::context::Told;
use crate::store::StoreError;

/// What a step is told with, beside its prose.
#[derive(Debug, Clone)]
pub struct Shelf {
    rules: Option<context::Rules>,
    index: Option<Arc<Index>>,
    airplanes: Arc<Vec<Airplane>>,
    profile: Arc<Profile>,
}

impl Shelf {
    #[must_use]
    pub fn of(gate: &Gate, policy: &Policy, index: Option<&Arc<Index>>, profile: &Arc<Profile>) -> Self {
        Self {
            rules: policy.context.clone(),
            index: index.cloned(),
            airplanes: gate.airplanes.get(&policy.name).cloned().unwrap_or_default(),
            profile: Arc::clone(profile),
        }
    }

    /// The step at this place, with the pages that it wants and the files of an airplane that are
    /// for it.
    fn tell(&self, path: &Path, at: usize) -> Answer {
        let mut more = Answer::default();
        if let (Some(step), Some(rules)) = (path.steps().get(at), &self.rules) {
            let now = Timestamp::now();
            if let Some(index) = &self.index {
                let queries = step.docs.join("\n");
                let chosen = context::decide(rules, index, Asked { task: &queries, profile: &self.profile, now });
                more.text.push_str(&context::render(&chosen, now));
                more.shown.extend(context::shown(&chosen));
            }
            let files = airplanes::for_step(&self.airplanes, &self.profile, (&step.id, rules.room()));
            more.text.push_str(&files.text);
            more.shown.extend(files.shown);
        }
        Answer { text: path.tell(at, &self.profile, &more.text), shown: more.shown }
    }
}

/// A run that is led, as a request finds it.
#[derive(Debug)]
pub struct Trail {
    run: String,
    path: Arc<Path>,
    shelf: Shelf,
    /// What the model's calls change before the reply is over.
    progress: Arc<Mutex<Walked>>,
    opening: String,
    laid: Vec<Laid>,
    /// The step that the request belongs to.
    step: Option<String>,
    /// What of documents and airplanes is told for the first time.
    shown: Vec<Passage>,
}

/// How far it has come, and what of it is new.
#[derive(Debug, Default)]
struct Walked {
    progress: Progress,
    left: Vec<Left>,
}

/// Who asks, and whether it may be led: a run's main conversation with tools is, and its
/// sub-agents, titles and the like are not.
#[derive(Debug, Clone, Copy)]
pub struct Who<'a> {
    pub run: &'a str,
    pub told: Told<'a>,
    pub is_reply: bool,
    pub is_sub_agent: bool,
}

/// Finds where a run is, and takes it on by what the request tells.
///
/// # Errors
/// [`StoreError`] when it is not known where the run is.
pub async fn follow(
    jetway: &Jetway,
    policy: &Policy,
    request: &Request,
    (who, shelf, called): (Who<'_>, Shelf, &[(String, String)]),
) -> Result<Option<Trail>, StoreError> {
    let Some(own) = &policy.path else { return Ok(None) };
    if who.is_sub_agent || request.tools().is_empty() || request.replies != 1 {
        return Ok(None);
    }
    let now = Timestamp::now().as_millisecond();
    let kept = jetway.state.path(who.run).await?;
    let is_new = kept.is_none();
    let (path, mut progress) = match kept {
        Some((path, progress)) => (Arc::new(path), progress),
        None => (Arc::clone(own), Progress::begin(now)),
    };
    let before = progress.clone();
    let mut shown = Vec::new();
    let mut tell = |at: usize| {
        let told = shelf.tell(&path, at);
        shown.extend(told.shown.iter().map(Passage::of));
        told.text
    };
    let opening = progress.open(who.told.conversation, |progress| tell(progress.at));
    let mut left = Vec::new();
    if who.is_reply {
        let results = fresh(request);
        let folders = Folders { working: Setting::working(&history::preamble(request)), ..Folders::default() };
        let seen: Vec<Seen<'_>> = results.iter().map(|result| seen(result, called, &folders)).collect();
        match progress.observe(path.steps(), &seen, now) {
            Some(Change::Left(step)) => {
                let text = if step.how == How::Ended { path.tell_end(step.step) } else { tell(progress.at) };
                progress.lay(&seen, text);
                left.push(step);
            }
            Some(Change::Nudge) => {
                let text = path.remind(&progress);
                progress.lay(&seen, text);
            }
            None => {}
        }
        // Before anything is sent, or the next request would find another prompt.
        if is_new {
            jetway.state.begin_path(who.run, &path, &progress).await?;
        } else if progress != before {
            jetway.state.keep_progress(who.run, &progress).await?;
        }
    }
    let step = path.steps().get(before.at).map(|step| step.id.clone());
    let laid = progress.laid.clone();
    let progress = Arc::new(Mutex::new(Walked { progress, left }));
    Ok(Some(Trail { run: who.run.to_owned(), path, shelf, progress, opening, laid, step, shown }))
}

fn seen<'a>(result: &'a Fresh, called: &'a [(String, String)], folders: &'a Folders) -> Seen<'a> {
    let own = called.iter().find(|(call, _)| *call == result.call).map(|(_, name)| name.as_str());
    Seen { result, called: own, folders }
}

impl Trail {
    /// What goes with the task.
    #[must_use]
    pub fn opening(&self) -> &str {
        &self.opening
    }

    /// What goes behind results.
    #[must_use]
    pub fn laid(&self) -> &[Laid] {
        &self.laid
    }

    /// The step that the request belongs to.
    #[must_use]
    pub fn step(&self) -> Option<&str> {
        self.step.as_deref()
    }

    /// What of documents and airplanes is told for the first time.
    #[must_use]
    pub fn shown(&self) -> &[Passage] {
        &self.shown
    }

    /// Steps that came to their end with this request or in its reply.
    #[must_use]
    pub fn left(&self) -> Vec<StepLeft> {
        let walked = self.progress.lock().unwrap_or_else(PoisonError::into_inner);
        walked.left.iter().filter_map(|left| StepLeft::of(&self.path, left)).collect()
    }

    /// The tool by which the model completes a step. It is offered to the end, for the list of
    /// tools is where a prompt begins.
    #[must_use]
    pub fn tool(&self, request: &Request) -> Option<DeskTool> {
        let tool = complete_tool()?;
        if request.tools().iter().any(|own| own.name.as_deref() == Some(tool.name())) {
            return None;
        }
        let (path, shelf, walked) = (Arc::clone(&self.path), self.shelf.clone(), Arc::clone(&self.progress));
        let clerk: Clerk = Box::new(move |call| {
            let (_, evidence) = said(call)?;
            let mut walked = walked.lock().unwrap_or_else(PoisonError::into_inner);
            path.check_evidence(walked.progress.at, evidence.as_deref())?;
            let left = walked.progress.complete(path.steps(), Timestamp::now().as_millisecond())?;
            walked.left.push(left);
            Ok(shelf.tell(&path, walked.progress.at))
        });
        Some(DeskTool { tool, clerk })
    }

    /// What judges calls by the step that the run is at.
    #[must_use]
    pub fn guard(&self, request: &Request) -> StepGuard {
        let walked = Arc::clone(&self.progress);
        let at = move || walked.lock().unwrap_or_else(PoisonError::into_inner).progress.at;
        let folders = Folders { working: Setting::working(&history::preamble(request)), ..Folders::default() };
        StepGuard::new(Arc::clone(&self.path), Box::new(at), folders)
    }

    /// Keeps what the model's calls changed. Until it is kept the agent has not been told.
    ///
    /// # Errors
    /// [`StoreError`] when it could not be.
    pub async fn keep(&self, state: &State) -> Result<(), StoreError> {
        let progress = {
            let walked = self.progress.lock().unwrap_or_else(PoisonError::into_inner);
            walked.progress.clone()
        };
        state.keep_progress(&self.run, &progress).await
    }
}
