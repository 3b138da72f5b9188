//! Leading a run through its steps: what it has come to, what it is told, and the tool by which the
//! model says that a step is done.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use jetway_core::effects::table::Table;
use jetway_core::overlay::Edit;
use jetway_core::policy::breadcrumbs::{
    Change, How, Laid, Left, Opened, Path, Progress, Seen, Step, StepGuard, complete_tool, said,
};
use jetway_core::policy::context::{self, Wanted};
use jetway_core::policy::desk::{Answer, Clerk, DeskTool};
use jetway_core::policy::interrogation::Ending;
use jetway_core::policy::lockdown::place::Folders;
use jetway_core::policy::lockdown::{self, Setting};
use jetway_core::retrieval::airplane::Airplane;
use jetway_core::retrieval::profile::Profile;
use jetway_core::retrieval::search::Index;
use jetway_core::wire::effort::Effort;
use jetway_core::wire::history::{self, Past};
use jetway_core::wire::request::Request;
use jetway_core::wire::results::{Fresh, fresh};
use jiff::Timestamp;

use crate::config::Policy;
use crate::docs::Library;
use crate::exchange::Exchange;
use crate::gate::Jetway;
use crate::runs::state::State;
use crate::runs::{Passage, StepLeft};
use crate::stage::context::{Shared, Told};
use crate::store::StoreError;
use crate::tab::Account;

/// What a step is told with, beside its prose.
#[derive(Debug, Clone)]
pub struct Shelf {
    rules: Option<context::Rules>,
    index: Option<Arc<Index>>,
    airplanes: Arc<Vec<Airplane>>,
    profile: Arc<Profile>,
    task: String,
    known: Shared,
}

impl Shelf {
    #[must_use]
    pub fn of(
        library: &Library,
        policy: &Policy,
        profile: &Arc<Profile>,
        (request, known): (&Request, &Shared),
    ) -> Self {
        Self {
            rules: policy.context.clone(),
            index: library.index.clone(),
            airplanes: Arc::clone(&library.airplanes),
            profile: Arc::clone(profile),
            task: request.task.clone(),
            known: Arc::clone(known),
        }
    }

    /// Takes in what a run was told of its steps and still stands in the prompt of this conversation.
    fn read(&self, request: &Request, (conversation, progress): (&str, &Progress)) {
        if self.rules.is_some() {
            let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
            let opened = progress.opened.iter().filter(|opened| opened.conversation == conversation);
            opened.for_each(|opened| known.read(&opened.text));
            known.read_laid(request, progress.laid.iter().map(|laid| (laid.call.as_str(), laid.text.as_str())));
        }
    }

    /// The step at this place, with the pages that it wants and the files of an airplane that are
    /// for it.
    fn tell(&self, path: &Path, at: usize) -> Answer {
        let mut more = Answer::default();
        if let (Some(step), Some(rules)) = (path.steps().get(at), &self.rules) {
            let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
            let wanted = Wanted { step: &step.id, docs: &step.docs, task: &self.task, known: &known };
            let project = (&*self.profile, Timestamp::now());
            more = context::for_step(rules, self.index.as_deref(), &self.airplanes, wanted, project);
            known.read(&more.text);
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
    opening: Opened,
    laid: Vec<Laid>,
    /// Whether its path begins with this request.
    begins: bool,
    /// The step that the request belongs to.
    step: Option<String>,
    /// What the step that its reply is for wants to be sent with.
    wants: Wants,
    /// What is charged to that step.
    account: Option<Account>,
    /// What of documents and airplanes is told for the first time.
    shown: Vec<Passage>,
    /// Where its agent works.
    folders: Folders,
}

/// What a step has its requests sent with, in place of what the agent asks for.
#[derive(Debug, Clone, Default)]
pub struct Wants {
    /// The step, for people.
    pub step: String,
    pub model: Option<String>,
    pub effort: Option<Effort>,
}

/// How far it has come, and what of it is new.
#[derive(Debug, Default)]
struct Walked {
    progress: Progress,
    left: Vec<Left>,
    /// What the model said of steps that it completed, by their places.
    said: BTreeMap<usize, String>,
    /// The step by which the calls of this turn of the model's are judged.
    judged: usize,
    /// Whether the model was given a step in this turn, which it has not read yet.
    is_given: bool,
    /// Whether the step that it is at stands in the prompt.
    is_told: bool,
    /// Whether there is something to keep.
    is_changed: bool,
    /// Whether what is to be kept is a path that begins.
    is_new: bool,
}

/// Who asks, and whether it may be led: a run's main conversation with tools is, and its
/// sub-agents, titles and the like are not.
#[derive(Debug, Clone, Copy)]
pub struct Who<'a> {
    pub run: &'a str,
    pub told: Told<'a>,
    pub is_reply: bool,
    /// Whether it is the run's main conversation.
    pub is_main: bool,
}

/// Finds where a run is, and takes it on by what the request tells.
///
/// # Errors
/// [`StoreError`] when it is not known where the run is.
pub async fn follow(
    jetway: &Jetway,
    policy: &Policy,
    request: &Request,
    (who, shelf, edits): (Who<'_>, Shelf, &[Edit]),
) -> Result<Option<Trail>, StoreError> {
    let Some(own) = &policy.path else { return Ok(None) };
    if !who.is_main || request.replies != 1 {
        return Ok(None);
    }
    let preamble = history::preamble(request);
    let now = Timestamp::now().as_millisecond();
    let turns = history::turns(request);
    let kept = jetway.state.path(who.run).await?;
    // A job may have the same name each time that it is done. Where the model has not spoken yet, a path that
    // had gone on is another time's.
    let is_others = |progress: &Progress| {
        let went_on = progress.at > 0 || progress.told > Some(0);
        who.is_reply && turns.is_empty() && went_on && progress.has_opened(who.told.conversation)
    };
    let kept = kept.filter(|(_, progress)| !is_others(progress));
    let is_new = kept.is_none();
    let (path, mut progress) = match kept {
        Some((path, progress)) => (Arc::new(path), progress),
        None => (Arc::clone(own), Progress::begin(now)),
    };
    let before = progress.clone();
    shelf.read(request, (who.told.conversation, &progress));
    let mut shown = Vec::new();
    let mut tell = |at: usize| {
        let told = shelf.tell(&path, at);
        shown.extend(told.shown.iter().map(|shown| jetway.showing.passage(&policy.name, shown)));
        told.text
    };
    let opening = progress.open(who.told.conversation, request.before_task, |progress| match progress.ended {
        Some(_) => path.tell_end(progress),
        None => tell(progress.at),
    });
    let mut left = Vec::new();
    let mut is_told = true;
    let folders = Folders { working: Setting::working(&preamble), ..Folders::default() };
    if who.is_reply {
        let results = fresh(request);
        let table = policy.lockdown.as_ref().map_or(Table::shipped(), |rules| rules.table());
        let called = |result: &Fresh| called(edits, &result.call);
        let seen: Vec<Seen<'_>> =
            results.iter().map(|result| Seen { result, called: called(result), folders: &folders, table }).collect();
        // What is counted for a path that begins now is of a run before it that began alike.
        if !is_new && is_used_up(jetway, who.run, (&path, progress.at)).await? {
            progress.use_up();
        }
        is_told = is_in_prompt(&path, &progress, &opening.text, (request, edits, &turns));
        match progress.observe(path.steps(), (&seen, turns.len()), now) {
            Some(Change::Left(step)) => {
                let text = if step.how == How::Ended { path.tell_end(&progress) } else { tell(progress.at) };
                is_told = progress.lay(&seen, text);
                left.push(step);
            }
            // The turn in which it was told is not told by the agent: it hung up, or went back.
            _ if !is_told => {
                let text = tell(progress.at);
                is_told = progress.lay(&seen, text);
            }
            Some(Change::Nudge) => {
                let text = path.remind(&progress);
                progress.remind(&seen, text);
            }
            None => {}
        }
    }
    let step = path.steps().get(before.at).map(|step| step.id.clone());
    let now_at = path.steps().get(progress.at).filter(|_| who.is_reply);
    let wants = now_at.map(Wants::of).unwrap_or_default();
    let account = now_at.and_then(|step| step.allowance);
    let account = account.map(|_| Account { run: who.run.to_owned(), step: progress.at });
    let laid = progress.laid.clone();
    let judged = progress.judged();
    let is_new = is_new && who.is_reply;
    let is_changed = is_new || (who.is_reply && progress != before);
    let walked = Walked { progress, left, judged, is_told, is_changed, is_new, ..Walked::default() };
    let progress = Arc::new(Mutex::new(walked));
    let run = who.run.to_owned();
    Ok(Some(Trail { run, path, shelf, progress, opening, laid, begins: is_new, step, wants, account, shown, folders }))
}

/// Whether a step has an allowance, and nothing of it is left.
async fn is_used_up(jetway: &Jetway, run: &str, (path, at): (&Path, usize)) -> Result<bool, StoreError> {
    match path.steps().get(at).and_then(|step| step.allowance) {
        Some(allowance) => Ok(allowance.is_used_up(jetway.state.spent(run, at).await?)),
        None => Ok(false),
    }
}

/// The step that pays for a sub-agent or a title: the one that its run is at. Where that is not known
/// it is not counted, for these are not led and go on without.
pub async fn account_of(jetway: &Jetway, policy: &Policy, run: &str) -> Option<Account> {
    policy.path.as_ref()?.steps().iter().find(|step| step.allowance.is_some())?;
    let kept = jetway.state.path(run).await;
    let kept = kept.inspect_err(|error| tracing::warn!(%error, "the step that pays for a sub-agent is not known"));
    let (path, progress) = kept.ok().flatten()?;
    path.steps().get(progress.at)?.allowance?;
    Some(Account { run: run.to_owned(), step: progress.at })
}

/// The tool that the model called, where the agent got the call in other words.
fn called<'a>(edits: &'a [Edit], call: &str) -> Option<&'a str> {
    let mut all = edits.iter().flat_map(|edit| &edit.substituted);
    all.find(|(id, _)| id == call).map(|(_, name)| name.as_str())
}

/// Whether the model is told in this prompt which step it is at: with the task, behind a result, or
/// in a turn that the agent still tells.
fn is_in_prompt(
    path: &Path,
    progress: &Progress,
    opening: &str,
    (request, edits, turns): (&Request, &[Edit], &[Past]),
) -> bool {
    let Some(step) = path.steps().get(progress.at) else { return true };
    let plain = format!("<jetway_step id=\"{}\" number=", step.id);
    let quoted = plain.replace('"', "\\\"");
    let is_laid = || {
        let mut laid = progress.laid.iter().filter(|laid| laid.text.contains(&plain)).peekable();
        // Results are many, and looked at only where something was laid behind one.
        laid.peek().is_some() && {
            let outcomes = history::outcomes(request);
            laid.any(|laid| outcomes.iter().any(|outcome| outcome.call == laid.call))
        }
    };
    let mut told = edits
        .iter()
        .filter(|edit| edit.told.contains(&quoted) || edit.answers.iter().any(|answer| answer.text.contains(&plain)));
    opening.contains(&plain) || told.any(|edit| turns.iter().any(|past| past.anchor == edit.anchor)) || is_laid()
}

impl Wants {
    fn of(step: &Step) -> Self {
        Self { step: step.id.clone(), model: step.model.clone(), effort: step.effort }
    }
}

impl Trail {
    /// What the request is sent with.
    #[must_use]
    pub fn wants(&self) -> &Wants {
        &self.wants
    }

    /// What it is charged to.
    #[must_use]
    pub fn account(&self) -> Option<Account> {
        self.account.clone()
    }

    /// What goes with the task.
    #[must_use]
    pub fn opening(&self) -> &str {
        &self.opening.text
    }

    /// How often the model had spoken before that.
    #[must_use]
    pub fn before_task(&self) -> usize {
        self.opening.before_task
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
        let left = walked.left.iter().filter_map(|left| Some((left.step, StepLeft::of(&self.path, left)?)));
        left.map(|(step, left)| StepLeft { said: walked.said.get(&step).cloned(), ..left }).collect()
    }

    /// Steps that it came to with this request or in its reply.
    #[must_use]
    pub fn entered(&self) -> Vec<String> {
        let walked = self.progress.lock().unwrap_or_else(PoisonError::into_inner);
        let first = self.begins.then_some(0);
        let next = walked.left.iter().filter(|left| left.how != How::Ended).map(|left| left.step + 1);
        first.into_iter().chain(next).filter_map(|at| self.path.steps().get(at)).map(|step| step.id.clone()).collect()
    }

    /// Tells an exchange which steps came to their end in it, and which it came to.
    pub fn tell(&self, exchange: &mut Exchange) {
        exchange.leaves(self.left());
        exchange.record.steps_entered = self.entered();
        self.tell_end(exchange);
    }

    /// Tells an exchange in which the path ended how it did.
    fn tell_end(&self, exchange: &mut Exchange) {
        let walked = self.progress.lock().unwrap_or_else(PoisonError::into_inner);
        let last = walked.left.last().filter(|_| walked.progress.at >= self.path.steps().len());
        // A last step that was skipped is not done either.
        let is_done = last.is_some_and(|left| left.how == How::Completed);
        let end = if is_done { Ending::Completed } else { Ending::Stuck };
        if let Some(part) = exchange.part.as_mut().filter(|_| last.is_some()) {
            part.path_end = Some(end);
        }
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
            let (summary, evidence) = said(call)?;
            let mut walked = walked.lock().unwrap_or_else(PoisonError::into_inner);
            if walked.is_given {
                return Err(String::from(
                    "You were given a step just now: read it, and do it, before you complete it.",
                ));
            }
            if !walked.is_told {
                (walked.is_told, walked.is_given) = (true, true);
                return Ok(shelf.tell(&path, walked.progress.at));
            }
            path.check_evidence(walked.progress.at, evidence.as_deref())?;
            let left = walked.progress.complete(path.steps(), Timestamp::now().as_millisecond())?;
            let shows = evidence.map(|evidence| format!("\n{evidence}")).unwrap_or_default();
            walked.said.insert(left.step, format!("{summary}{shows}"));
            walked.left.push(left);
            (walked.is_given, walked.is_changed) = (true, true);
            Ok(shelf.tell(&path, walked.progress.at))
        });
        Some(DeskTool { tool, clerk })
    }

    /// What judges calls by the step that the run is at.
    #[must_use]
    pub fn guard(&self, lockdown: Option<&Arc<lockdown::Rules>>) -> StepGuard {
        let walked = Arc::clone(&self.progress);
        let at = move || walked.lock().unwrap_or_else(PoisonError::into_inner).judged;
        StepGuard::new(Arc::clone(&self.path), Box::new(at), self.folders.clone(), lockdown.cloned())
    }

    /// The model goes on within the reply, and has read what it was given.
    pub fn go_on(&self) {
        let mut walked = self.progress.lock().unwrap_or_else(PoisonError::into_inner);
        walked.is_given = false;
        walked.progress.is_mixed = false;
        walked.judged = walked.progress.judged();
    }

    /// Keeps what the request or the model's calls changed, if they did. What a request tells is kept before
    /// it is sent, or the next would find another prompt, and not before it is let in, or what is refused would
    /// be kept; what the model's calls changed, before the agent is told.
    ///
    /// # Errors
    /// [`StoreError`] when it could not be.
    pub async fn keep(&self, state: &State) -> Result<(), StoreError> {
        let (progress, is_new) = {
            let mut walked = self.progress.lock().unwrap_or_else(PoisonError::into_inner);
            if !std::mem::take(&mut walked.is_changed) {
                return Ok(());
            }
            (walked.progress.clone(), std::mem::take(&mut walked.is_new))
        };
        match is_new {
            true => state.begin_path(&self.run, &self.path, &progress).await,
            false => state.keep_progress(&self.run, &progress).await,
        }
    }
}
