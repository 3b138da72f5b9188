//! Runs that have not ended yet: how each would end if nothing more came, and what its model saw, so
//! that it can be asked about it.
//!
//! What is known of each, and what its model saw last, is also written down, in its own time and by one
//! task alone ([`Endings::next_task`]), for whoever comes after this process.

pub mod kept;
mod left;

use std::collections::{BTreeSet, HashMap};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use http::HeaderMap;
use jetway_core::policy::interrogation::{Ending, Unasked};
use jetway_core::wire::Dialect;
use jetway_core::wire::event::Shape;
use jiff::Timestamp;
use tokio::sync::Notify;
use tokio::time::Instant;
use uuid::Uuid;

use crate::endings::kept::Facts;
pub use crate::endings::left::{Left, Part, Role, Told};
use crate::metrics::Took;

/// Runs that are known at once; of more, the one that would end next ends now.
const MOST_RUNS: usize = 10_000;
/// Bytes of conversations that are kept for questions. Of more, the run that would end next is not
/// asked.
const MOST_BYTES: usize = 256 << 20;
/// A run is written down no more often than this: an agent at work asks every few seconds.
const BETWEEN_WRITES: Duration = Duration::from_secs(5);

/// How long at least a run is not due, in which something is under way.
const AT_WORK: Duration = Duration::from_secs(30);

/// What a model saw last, and how it is asked for more.
#[derive(Debug, Clone)]
pub struct Prompt {
    pub dialect: Dialect,
    /// Whether replies come as streams.
    pub shape: Shape,
    pub path: &'static str,
    pub query: Option<String>,
    /// As they were sent, the credential among them.
    pub headers: HeaderMap,
    pub provider: String,
    /// The request as it was sent.
    pub body: Bytes,
    /// The model's turn behind it; none where that broke off, or waits for results.
    pub told: Option<String>,
}

/// Whose run it is, and under which rules it is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Whose {
    pub run: String,
    pub policy: String,
    pub user: String,
    pub team: Option<String>,
}

/// A run that has ended.
#[derive(Debug)]
pub struct Over {
    /// Of its ending.
    pub id: String,
    pub whose: Whose,
    pub ending: Ending,
    pub detail: Option<String>,
    /// Whether its last request was paid for by a credential of its caller's.
    pub is_callers: bool,
    /// Whether what is known of its ending is from a main conversation that this Jetway served last.
    pub is_own: bool,
    /// Whether it ended because of somebody's word or its age, whatever else is known of it.
    pub is_said: bool,
    pub prompt: Option<Prompt>,
    /// Why it is not known what its model saw, where that is known.
    pub gone: Option<Unasked>,
    pub told: Told,
    pub took: Took,
}

/// What is to be written down.
#[derive(Debug)]
pub enum Task {
    Keep(Box<Facts>, Option<Prompt>),
    /// A run has ended, and this was its opening.
    Forget {
        run: String,
        id: String,
    },
}

/// What a new opening of a run is called, and its ending.
#[must_use]
pub fn opening() -> String {
    format!("e_{}", Uuid::now_v7().simple())
}

/// A run that has not.
#[derive(Debug, Clone, Default)]
struct Open {
    /// Of its ending, so that it is written once, whoever does.
    id: String,
    whose: Whose,
    /// Exchanges that are under way.
    busy: usize,
    /// How it ends as soon as none is: somebody said so, or it is too old.
    at_once: Option<Ending>,
    /// Whether its main conversation is known.
    has_main: bool,
    /// Whether that was served here, and by no other Jetway since.
    is_own: bool,
    /// When it ends, if nothing more comes.
    due: Option<Instant>,
    ending: Option<Ending>,
    /// How its path ended.
    path_end: Option<Ending>,
    detail: Option<String>,
    is_callers: bool,
    prompt: Option<Prompt>,
    gone: Option<Unasked>,
    told: Told,
    /// How long nothing more may come.
    wait: Option<Duration>,
    took: Took,
    /// When it was last written down, and when it is next.
    written: Option<Instant>,
    unwritten: Option<Instant>,
}

impl Open {
    fn new(whose: &Whose) -> Self {
        Self { id: opening(), whose: whose.clone(), ..Self::default() }
    }

    fn over(self) -> Over {
        let Self { id, whose, at_once, ending, detail, is_callers, is_own, prompt, gone, told, took, .. } = self;
        let is_said = at_once.is_some();
        let (ending, detail) = match at_once {
            Some(ending) => (ending, None),
            None => (ending.unwrap_or(Ending::Abandoned), detail),
        };
        Over { id, whose, ending, detail, is_callers, is_own, is_said, prompt, gone, told, took }
    }

    /// Takes in what another Jetway knows of the same opening. Where it served the main conversation last, how
    /// that ended and what its model saw is known there, and what is kept is asked for it.
    fn adopt(&mut self, before: Self) {
        self.has_main |= before.has_main;
        self.path_end = self.path_end.or(before.path_end);
        let later = std::mem::replace(&mut self.told, before.told);
        self.told.add(later);
        self.is_callers |= before.is_callers;
        self.took.turns = self.took.turns.max(before.took.turns.saturating_add(1));
        self.took.cost_micros = self.took.cost_micros.max(before.took.cost_micros);
        if before.has_main && !self.is_own {
            (self.ending, self.detail, self.wait) = (before.ending, before.detail, before.wait);
            (self.prompt, self.gone) = (None, before.gone);
        }
    }

    fn weight(&self) -> usize {
        self.prompt.as_ref().map_or(0, |prompt| prompt.body.len() + prompt.told.as_ref().map_or(0, String::len))
    }
}

#[derive(Debug, Default)]
struct Known {
    runs: HashMap<String, Open>,
    /// Those that end if nothing more comes, the soonest first.
    queue: BTreeSet<(Instant, String)>,
    /// Those that are due, and wait until they can be asked.
    waiting: BTreeSet<(Instant, String)>,
    /// Those that are yet to be written down, the soonest first.
    unwritten: BTreeSet<(Instant, String)>,
    /// Runs that have ended, as they are written down still: with the ids of their endings.
    forgotten: Vec<(String, String)>,
    /// Runs that have ended, and are being asked.
    concluding: Vec<String>,
    bytes: usize,
}

/// The runs that have not ended.
#[derive(Debug)]
pub struct Endings {
    /// What this Jetway is called among others.
    here: String,
    known: Mutex<Known>,
    changed: Notify,
    /// There is something to write down.
    owing: Notify,
}

impl Default for Endings {
    fn default() -> Self {
        let (changed, owing) = (Notify::new(), Notify::new());
        Self { here: Uuid::now_v7().simple().to_string(), known: Mutex::default(), changed, owing }
    }
}

impl Endings {
    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What this Jetway is called among others.
    #[must_use]
    pub fn here(&self) -> &str {
        &self.here
    }

    /// A request of a run has come. Each is followed by one [`Endings::left`]. What is returned is whether
    /// it is the first that this Jetway knows of.
    pub fn begun(&self, whose: &Whose) -> bool {
        let mut known = self.known();
        let is_first = !known.runs.contains_key(&whose.run);
        let open = known.runs.entry(whose.run.clone()).or_insert_with(|| Open::new(whose));
        open.whose.clone_from(whose);
        // It goes on, although somebody said that it was over and nothing was under way then.
        open.at_once = open.at_once.filter(|_| open.busy > 0);
        open.busy += 1;
        open.took.turns += 1;
        known.put_off(&whose.run, None);
        is_first
    }

    /// It is over.
    pub fn left(&self, run: &str, left: Left) {
        let mut known = self.known();
        let Known { runs, bytes, .. } = &mut *known;
        let Some(open) = runs.get_mut(run) else { return };
        open.busy = open.busy.saturating_sub(1);
        open.took.cost_micros = open.took.cost_micros.saturating_add(left.cost_micros);
        let before = open.weight();
        // How a run ends is known by its main conversation alone, once that is known.
        let is_own = match left.role {
            Role::Main | Role::Unread => true,
            Role::Aside => !open.has_main,
            Role::Sub | Role::Compaction => false,
        };
        if is_own {
            open.has_main |= left.role == Role::Main;
            open.is_own |= left.role == Role::Main;
            open.path_end = left.path_end.or(open.path_end);
            // Whoever has come to the end of its path is not waited for once it has ended its turn.
            let (ending, wait) = match (left.ending, open.path_end) {
                (Ending::Quiet, Some(end)) => (end, Duration::ZERO),
                (ending, _) => (ending, left.wait),
            };
            (open.ending, open.detail, open.wait) = (Some(ending), left.detail, Some(wait));
            open.told.add(left.told);
            open.is_callers |= left.is_callers;
            open.prompt = left.prompt.or(open.prompt.take());
        }
        let age = open.told.began.map(|began| kept::since(began, Timestamp::now()));
        open.at_once = open.at_once.or(age.filter(|age| *age >= left.longest).map(|_| Ending::Aged));
        // Whoever said that it is over meant what was under way too.
        let wait = if open.at_once.is_some() { Duration::ZERO } else { open.wait.unwrap_or(left.wait) };
        let due = Instant::now().checked_add(wait).filter(|_| open.busy == 0);
        *bytes = *bytes + open.weight() - before;
        known.put_off(run, due);
        known.write_down(run);
        known.forget();
        drop(known);
        self.changed.notify_one();
        self.owing.notify_one();
    }

    /// Another Jetway has served a run since this one did, if this one ever did: what it knows is newer.
    pub fn take_up_from_elsewhere(&self, facts: Facts, now: Timestamp) {
        if let Some(open) = self.known().runs.get_mut(&facts.run) {
            open.is_own = false;
        }
        self.take_up(facts, now);
    }

    /// Takes up a run that was open when another process ended. One that goes on here already learns what
    /// it was told there.
    pub fn take_up(&self, facts: Facts, now: Timestamp) {
        let (run, due) = (facts.run.clone(), Instant::now().checked_add(facts.due_in(now)));
        let before = facts.open();
        let mut known = self.known();
        // What is being concluded is over, and what goes on here is another opening.
        if known.concluding.contains(&run) {
            return;
        }
        if known.runs.contains_key(&run) {
            known.adopt(&run, before);
            drop(known);
            self.changed.notify_one();
            return;
        }
        known.runs.insert(run.clone(), before);
        known.put_off(&run, due);
        known.forget();
        drop(known);
        self.changed.notify_one();
    }

    /// What this opening of a run is called here.
    #[must_use]
    pub fn id(&self, run: &str) -> Option<String> {
        self.known().runs.get(run).map(|open| open.id.clone())
    }

    /// What it is called by all of a fleet. Where it is opened again after another Jetway ended it, what was
    /// known here before is over.
    pub fn called(&self, run: &str, id: &str, is_again: bool) {
        let mut known = self.known();
        let Known { runs, bytes, .. } = &mut *known;
        let Some(open) = runs.get_mut(run).filter(|open| open.id != id) else { return };
        if is_again {
            *bytes -= open.weight();
            let took = Took { turns: u32::try_from(open.busy).unwrap_or(u32::MAX), ..Took::default() };
            let (busy, due, unwritten, written) = (open.busy, open.due, open.unwritten, open.written);
            *open = Open { busy, due, unwritten, written, took, ..Open::new(&open.whose.clone()) };
        }
        open.id = id.to_owned();
        known.write_down(run);
        drop(known);
        self.owing.notify_one();
    }

    /// A run that nobody is at any more is to be concluded here. Returns whether it is: not where it is
    /// concluded already, or something is under way in it; what is known of it here is older then.
    pub fn concludes(&self, run: &str) -> bool {
        let mut known = self.known();
        if known.concluding.iter().any(|concluding| concluding == run)
            || known.runs.get(run).is_some_and(|open| open.busy > 0)
        {
            return false;
        }
        if known.take(run).is_none() {
            known.concluding.push(run.to_owned());
        }
        true
    }

    /// Another Jetway is still at a run, or its agent at work: it ends later.
    pub fn goes_on(&self, over: Over, left: Duration) {
        let mut known = self.known();
        let run = over.whose.run.clone();
        known.over(&run);
        let Over { id, whose, ending, detail, is_callers, is_own, prompt, gone, told, took, .. } = over;
        let (ending, wait) = (Some(ending), Some(left));
        let open =
            Open { id, whose, ending, detail, is_callers, is_own, prompt, gone, told, took, wait, ..Open::default() };
        if !known.runs.contains_key(&run) {
            known.bytes += open.weight();
            known.runs.insert(run.clone(), open);
            known.put_off(&run, Instant::now().checked_add(left));
        }
        drop(known);
        self.changed.notify_one();
    }

    /// It was. What is written down of it is to be forgotten, unless another Jetway goes on with it.
    pub fn concluded(&self, run: &str, id: Option<&str>) {
        let mut known = self.known();
        known.over(run);
        known.forgotten.extend(id.map(|id| (run.to_owned(), id.to_owned())));
        drop(known);
        self.owing.notify_one();
    }

    /// Runs that something is under way in, or that are being concluded.
    #[must_use]
    pub fn held(&self) -> Vec<String> {
        let known = self.known();
        let busy = known.runs.iter().filter(|(_, open)| open.busy > 0).map(|(run, _)| run);
        busy.chain(&known.concluding).cloned().collect()
    }

    /// Whether a run is being concluded.
    #[must_use]
    pub fn is_concluding(&self, run: &str) -> bool {
        self.known().concluding.iter().any(|concluding| concluding == run)
    }

    /// Waits until there is something to write down, and takes it.
    pub async fn next_task(&self) -> Task {
        loop {
            let owing = self.owing.notified();
            let due = match self.known().task(Some(Instant::now())) {
                Ok(task) => return task,
                Err(due) => due,
            };
            match due {
                None => owing.await,
                Some(due) => tokio::select! {
                    () = owing => {}
                    () = tokio::time::sleep_until(due) => {}
                },
            }
        }
    }

    /// What is to be written down before this process ends.
    pub fn last_task(&self) -> Option<Task> {
        self.known().task(None).ok()
    }

    /// A run ends, because somebody says so: now, or where something is under way in it, as soon as
    /// that is over. If it ended before, what is under way would open it again, and nobody would end it.
    /// Returns whether it is known here, and is of these.
    #[must_use]
    pub fn end(&self, (policy, user): (&str, &str), run: &str) -> bool {
        let known = self.known();
        let is_theirs = |open: &Open| open.whose.policy == policy && open.whose.user == user;
        let is_theirs = known.runs.get(run).is_some_and(is_theirs);
        drop(known);
        is_theirs && self.end_at_once(run)
    }

    /// The same, where it was looked at who says so.
    pub fn end_at_once(&self, run: &str) -> bool {
        let mut known = self.known();
        let Some(open) = known.runs.get_mut(run) else { return false };
        open.at_once = Some(Ending::Told);
        if open.busy == 0 {
            known.put_off(run, Some(Instant::now()));
            known.write_down(run);
        }
        drop(known);
        self.changed.notify_one();
        self.owing.notify_one();
        true
    }

    /// Waits until a run ends, and takes it. Those that are to be asked, as this says, wait until they `can`
    /// be; so long they are open. Returned with it is whether it is one of these.
    pub async fn next(&self, can: bool, is_asked: &(dyn Fn(&Whose, bool) -> bool + Sync)) -> (Over, bool) {
        loop {
            let changed = self.changed.notified();
            let due = match self.known().next(can, is_asked) {
                Ok(ended) => return ended,
                Err(due) => due,
            };
            match due {
                None => changed.await,
                Some(due) => tokio::select! {
                    () = changed => {}
                    () = tokio::time::sleep_until(due) => {}
                },
            }
        }
    }

    /// Whether a run is known here, and has not ended.
    #[must_use]
    pub fn is_open(&self, run: &str) -> bool {
        self.known().runs.contains_key(run)
    }

    /// Runs that have not ended.
    #[must_use]
    pub fn open(&self) -> usize {
        self.known().runs.len()
    }
}

impl Known {
    /// A run that is known ends then, if nothing more comes; not by itself, where that is not said.
    fn put_off(&mut self, run: &str, due: Option<Instant>) {
        let Some(open) = self.runs.get_mut(run) else { return };
        if let Some(before) = std::mem::replace(&mut open.due, due) {
            let before = (before, run.to_owned());
            self.queue.remove(&before);
            self.waiting.remove(&before);
        }
        self.queue.extend(due.map(|due| (due, run.to_owned())));
    }

    /// The run that ends next, or when one does.
    fn next(
        &mut self,
        can: bool,
        is_asked: &(dyn Fn(&Whose, bool) -> bool + Sync),
    ) -> Result<(Over, bool), Option<Instant>> {
        if can && let Some((_, run)) = self.waiting.first().cloned() {
            return self.take(&run).map(|over| (over, true)).ok_or(None);
        }
        while let Some((due, run)) = self.queue.first().cloned() {
            if due > Instant::now() {
                return Err(Some(due));
            }
            let waits = |open: &Open| open.gone.is_none() && is_asked(&open.whose, open.is_callers);
            let is_asked = self.runs.get(&run).is_some_and(waits);
            if is_asked && !can {
                self.queue.pop_first();
                self.waiting.insert((due, run));
            } else if let Some(over) = self.take(&run) {
                return Ok((over, is_asked));
            } else {
                self.queue.pop_first();
            }
        }
        Err(None)
    }

    /// It is concluded no more.
    fn over(&mut self, run: &str) {
        if let Some(at) = self.concluding.iter().position(|concluding| concluding == run) {
            self.concluding.swap_remove(at);
        }
    }

    /// Takes in what another Jetway knows of a run that is open here, too.
    fn adopt(&mut self, run: &str, before: Open) {
        let Some(open) = self.runs.get_mut(run) else { return };
        let weight = open.weight();
        open.adopt(before);
        self.bytes = self.bytes + open.weight() - weight;
        let wait = open.wait.filter(|_| open.busy == 0 && open.due.is_some() && open.at_once.is_none());
        if let Some(wait) = wait {
            self.put_off(run, Instant::now().checked_add(wait));
        }
    }

    /// Holds what is kept within its bounds.
    fn forget(&mut self) {
        while self.bytes > MOST_BYTES {
            let queued = self.waiting.iter().chain(&self.queue).map(|(_, run)| run);
            let Some(first) = queued.chain(self.runs.keys()).find(|run| self.runs[*run].prompt.is_some()).cloned()
            else {
                break;
            };
            let Some(open) = self.runs.get_mut(&first) else { break };
            self.bytes -= open.weight();
            open.prompt = None;
        }
        if self.runs.len() <= MOST_RUNS {
            return;
        }
        if let Some((due, first)) = self.waiting.pop_first() {
            // It has waited for long enough, and ends unasked.
            if let Some(open) = self.runs.get_mut(&first) {
                self.bytes -= open.weight();
                (open.prompt, open.gone) = (None, Some(Unasked::Crowded));
            }
            self.queue.insert((due, first));
        } else if let Some((_, first)) = self.queue.first().cloned() {
            self.put_off(&first, Some(Instant::now()));
        }
    }

    /// Has a run written down, in its time.
    fn write_down(&mut self, run: &str) {
        let Some(open) = self.runs.get_mut(run).filter(|open| open.unwritten.is_none()) else { return };
        let now = Instant::now();
        let at = open.written.map_or(now, |written| now.max(written + BETWEEN_WRITES));
        open.unwritten = Some(at);
        self.unwritten.insert((at, run.to_owned()));
    }

    /// What is to be written down by now, or by when there is something.
    fn task(&mut self, by: Option<Instant>) -> Result<Task, Option<Instant>> {
        if let Some((run, id)) = self.forgotten.pop() {
            return Ok(Task::Forget { run, id });
        }
        let (at, run) = self.unwritten.first().cloned().ok_or(None)?;
        if by.is_some_and(|by| at > by) {
            return Err(Some(at));
        }
        self.unwritten.pop_first();
        let open = self.runs.get_mut(&run).ok_or(None)?;
        let now = Instant::now();
        (open.written, open.unwritten) = (Some(now), None);
        let left = open.due.map(|due| due.saturating_duration_since(now)).or(open.wait).unwrap_or_default();
        // What is under way is somebody's, however soon its run would end without it.
        let left = if open.busy > 0 { left.max(AT_WORK) } else { left };
        let prompt = open.prompt.clone().filter(|_| !open.is_callers);
        Ok(Task::Keep(Box::new(Facts::of(open, Timestamp::now(), left)), prompt))
    }

    fn take(&mut self, run: &str) -> Option<Over> {
        self.put_off(run, None);
        let open = self.runs.remove(run)?;
        self.bytes -= open.weight();
        if let Some(at) = open.unwritten {
            self.unwritten.remove(&(at, run.to_owned()));
        }
        self.concluding.push(run.to_owned());
        Some(open.over())
    }
}

#[cfg(test)]
mod tests;
