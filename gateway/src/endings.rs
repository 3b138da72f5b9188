//! Runs that have not ended yet: how each would end if nothing more came, and what its model saw, so
//! that it can be asked about it.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use http::HeaderMap;
use jetway_core::policy::interrogation::{Ending, Waits};
use jetway_core::wire::Dialect;
use jetway_core::wire::event::Shape;
use jiff::Timestamp;
use tokio::sync::Notify;
use tokio::time::Instant;
use uuid::Uuid;

use crate::metrics::Took;
use crate::runs::{Outcome, Record};

/// Runs that are known at once; of more, the one that would end next ends now.
const MOST_RUNS: usize = 10_000;
/// Bytes of conversations that are kept for questions. Of more, the run that would end next is not
/// asked.
const MOST_BYTES: usize = 256 << 20;

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

/// What an exchange leaves behind in its run.
#[derive(Debug)]
pub struct Left {
    pub role: Role,
    /// How its run ends if nothing more comes, and the sentence that went with it.
    pub ending: Ending,
    pub detail: Option<String>,
    /// How its path ended, where it did so in this exchange.
    pub path_end: Option<Ending>,
    /// How long nothing more may come until then.
    pub wait: Duration,
    pub cost_micros: u64,
    /// Whether the credential that paid was one of the caller's own.
    pub is_callers: bool,
    /// What the model saw, where there is something new.
    pub prompt: Option<Prompt>,
    /// What of it the question tells: where the run was, what it was shown, what it was refused.
    pub told: Told,
}

/// Who speaks in an exchange.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// The agent that the run is of.
    Main,
    /// One without tools: a title, a summary; or the main one, where none has tools.
    Aside,
    /// An agent that the main one has sent.
    Sub,
    /// One that sums its conversation up, so that a shorter one goes on: no turn of a run's path, and no end of it.
    Compaction,
}

impl Role {
    /// As logs name it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Main => "main",
            Self::Aside => "aside",
            Self::Sub => "sub",
            Self::Compaction => "compaction",
        }
    }

    /// Whether what it says may be how its run ends.
    #[must_use]
    pub fn is_told(self) -> bool {
        matches!(self, Self::Main | Self::Aside)
    }
}

/// What an exchange does in its run.
#[derive(Debug)]
pub struct Part {
    pub whose: Whose,
    pub role: Role,
    pub waits: Waits,
    /// How its path ended, where it did so in this exchange.
    pub path_end: Option<Ending>,
    /// Whether the model's last turn has a call that the agent has to answer.
    pub calls: bool,
    /// Whether the credential that pays is one of the caller's own.
    pub is_callers: bool,
    /// What the model saw, where it may be asked about it.
    pub prompt: Option<Prompt>,
}

impl Part {
    /// What it leaves behind.
    #[must_use]
    pub fn leave(self, record: &Record, outcome: Outcome) -> Left {
        let Waits { quiet, abandoned } = self.waits;
        let (ending, wait) = match outcome {
            Outcome::Complete if self.calls => (Ending::Abandoned, abandoned),
            Outcome::Complete => (Ending::Quiet, quiet),
            Outcome::Refused => (Ending::Refused, quiet),
            Outcome::Cut => (Ending::Cut, quiet),
            Outcome::ProviderRefused | Outcome::ProviderFailed | Outcome::ProviderTruncated => (Ending::Failed, quiet),
            Outcome::ClientGone => (Ending::Abandoned, quiet),
        };
        let told = Told {
            began: Some(record.at),
            agent: Some(record.agent),
            policy_version: record.policy_version.clone(),
            step: record.step.clone(),
            shown: record.passages.iter().map(|shown| (shown.source.clone(), shown.hash.clone())).collect(),
            refused: record.calls_refused.iter().map(|call| (call.tool.clone(), call.rule.clone())).collect(),
        };
        let Self { role, path_end, is_callers, prompt, .. } = self;
        let (detail, cost_micros) = (record.detail.clone(), record.cost_micros);
        Left { role, ending, path_end, detail, wait, cost_micros, is_callers, prompt, told }
    }
}

/// What became of a run, as a question tells it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Told {
    /// When its first request came, and by which agent.
    pub began: Option<Timestamp>,
    pub agent: Option<&'static str>,
    pub policy_version: Option<String>,
    pub step: Option<String>,
    /// Documents and airplanes, by name, and a digest of each.
    pub shown: Vec<(String, String)>,
    /// Tools, and the rule that refused each.
    pub refused: Vec<(String, String)>,
}

/// A run that has ended.
#[derive(Debug)]
pub struct Over {
    pub whose: Whose,
    pub ending: Ending,
    pub detail: Option<String>,
    /// Whether its last request was paid for by a credential of its caller's.
    pub is_callers: bool,
    pub prompt: Option<Prompt>,
    pub told: Told,
    pub took: Took,
}

/// A run that has not.
#[derive(Debug, Default)]
struct Open {
    whose: Whose,
    /// Exchanges that are under way.
    busy: usize,
    /// Whether its main conversation is known.
    has_main: bool,
    /// When it ends, if nothing more comes.
    due: Option<Instant>,
    ending: Option<Ending>,
    /// How its path ended.
    path_end: Option<Ending>,
    detail: Option<String>,
    is_callers: bool,
    prompt: Option<Prompt>,
    told: Told,
    /// How long nothing more may come.
    wait: Option<Duration>,
    took: Took,
}

impl Open {
    fn weight(&self) -> usize {
        self.prompt.as_ref().map_or(0, |prompt| prompt.body.len() + prompt.told.as_ref().map_or(0, String::len))
    }
}

#[derive(Debug, Default)]
struct Known {
    runs: HashMap<String, Open>,
    /// Those that end if nothing more comes, the soonest first.
    queue: BTreeSet<(Instant, String)>,
    bytes: usize,
}

/// The runs that have not ended.
#[derive(Debug)]
pub struct Endings {
    /// What this Jetway is called among others.
    here: String,
    known: Mutex<Known>,
    changed: Notify,
}

impl Default for Endings {
    fn default() -> Self {
        Self { here: Uuid::now_v7().simple().to_string(), known: Mutex::default(), changed: Notify::new() }
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
        let open = known.runs.entry(whose.run.clone()).or_default();
        open.whose.clone_from(whose);
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
        if left.role == Role::Main || (left.role == Role::Aside && !open.has_main) {
            open.has_main = left.role == Role::Main;
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
        let due = Instant::now().checked_add(open.wait.unwrap_or(left.wait)).filter(|_| open.busy == 0);
        *bytes = *bytes + open.weight() - before;
        known.put_off(run, due);
        known.forget();
        drop(known);
        self.changed.notify_one();
    }

    /// A run ends now, because somebody says so. What is under way in it goes on. None if it is not
    /// known here, or is not of these.
    #[must_use]
    pub fn end(&self, (policy, user): (&str, &str), run: &str) -> Option<Over> {
        let mut known = self.known();
        let is_theirs = |open: &Open| open.whose.policy == policy && open.whose.user == user;
        known.runs.get(run).filter(|open| is_theirs(open))?;
        let over = known.take(run)?;
        Some(Over { ending: Ending::Told, detail: None, ..over })
    }

    /// Waits until a run ends, and takes it.
    pub async fn next(&self) -> Over {
        loop {
            let changed = self.changed.notified();
            let Some((due, run)) = self.soonest() else {
                changed.await;
                continue;
            };
            if due <= Instant::now() {
                // Between the two looks a request may have come.
                let mut known = self.known();
                if known.runs.get(&run).is_some_and(|open| open.due == Some(due))
                    && let Some(over) = known.take(&run)
                {
                    return over;
                }
                continue;
            }
            tokio::select! {
                () = changed => {}
                () = tokio::time::sleep_until(due) => {}
            }
        }
    }

    fn soonest(&self) -> Option<(Instant, String)> {
        self.known().queue.first().cloned()
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
            self.queue.remove(&(before, run.to_owned()));
        }
        self.queue.extend(due.map(|due| (due, run.to_owned())));
    }

    /// Holds what is kept within its bounds.
    fn forget(&mut self) {
        while self.bytes > MOST_BYTES {
            let queued = self.queue.iter().map(|(_, run)| run);
            let Some(first) = queued.chain(self.runs.keys()).find(|run| self.runs[*run].prompt.is_some()).cloned()
            else {
                break;
            };
            let Some(open) = self.runs.get_mut(&first) else { break };
            self.bytes -= open.weight();
            open.prompt = None;
        }
        if self.runs.len() > MOST_RUNS
            && let Some((_, first)) = self.queue.first().cloned()
        {
            self.put_off(&first, Some(Instant::now()));
        }
    }

    fn take(&mut self, run: &str) -> Option<Over> {
        self.put_off(run, None);
        let open = self.runs.remove(run)?;
        self.bytes -= open.weight();
        let Open { whose, ending, detail, is_callers, prompt, told, took, .. } = open;
        let ending = ending.unwrap_or(Ending::Abandoned);
        Some(Over { whose, ending, detail, is_callers, prompt, told, took })
    }
}

/// No more of what a run was shown or refused is kept.
const MOST_TOLD: usize = 100;

impl Told {
    /// Takes in what one more exchange tells.
    fn add(&mut self, more: Self) {
        let Self { began, agent, policy_version, step, shown, refused } = more;
        self.began = self.began.into_iter().chain(began).min();
        self.agent = self.agent.or(agent);
        self.policy_version = policy_version.or(self.policy_version.take());
        self.step = step.or(self.step.take());
        for (list, more) in [(&mut self.shown, shown), (&mut self.refused, refused)] {
            for entry in more {
                if list.len() < MOST_TOLD && !list.contains(&entry) {
                    list.push(entry);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn whose(run: &str) -> Whose {
        Whose { run: run.into(), policy: "wizard".into(), user: "ada".into(), team: None }
    }

    fn left(role: Role, ending: Ending, wait: u64, body: &'static [u8]) -> Left {
        let prompt = Prompt {
            dialect: Dialect::Chat,
            shape: Shape::Event,
            path: "/chat/completions",
            query: None,
            headers: HeaderMap::new(),
            provider: String::from("openai"),
            body: Bytes::from_static(body),
            told: None,
        };
        Left {
            role,
            ending,
            detail: None,
            path_end: None,
            wait: Duration::from_secs(wait),
            cost_micros: 250,
            is_callers: false,
            prompt: (!body.is_empty()).then_some(prompt),
            told: Told::default(),
        }
    }

    /// Longer than any test takes.
    const FAR: u64 = 3600;

    #[tokio::test]
    async fn a_run_ends_when_it_was_quiet_for_long_enough_and_no_sooner() {
        let endings = Endings::default();
        assert!(endings.begun(&whose("a")), "it is the first of its run");
        endings.left("a", left(Role::Main, Ending::Quiet, 0, b"one"));
        endings.begun(&whose("b"));
        endings.left("b", left(Role::Aside, Ending::Abandoned, FAR, b"other"));
        // A request that comes in time keeps the first one open, however long it takes.
        assert!(!endings.begun(&whose("a")));
        assert!(tokio::time::timeout(Duration::from_millis(50), endings.next()).await.is_err());
        // What a sub-agent does says nothing of how the run ends, and its prompt is not the run's.
        endings.left("a", left(Role::Sub, Ending::Abandoned, FAR, b"sub"));
        let over = endings.next().await;
        assert_eq!((over.whose.run.as_str(), over.ending), ("a", Ending::Quiet));
        assert_eq!(over.took, Took { turns: 2, cost_micros: 500 });
        assert_eq!(over.prompt.unwrap().body, "one");
        assert_eq!(endings.open(), 1);
        // One that waits for the other is told when that ends sooner than was thought.
        let (over, ()) = tokio::join!(endings.next(), async {
            tokio::task::yield_now().await;
            endings.begun(&whose("b"));
            endings.left("b", left(Role::Main, Ending::Cut, 0, b"cut"));
        });
        assert_eq!((over.whose.run.as_str(), over.ending), ("b", Ending::Cut));
        assert_eq!(endings.known().queue.len(), 0);
    }

    #[tokio::test]
    async fn of_more_runs_than_are_known_at_once_the_soonest_ends() {
        let endings = Endings::default();
        for number in 0..=MOST_RUNS {
            let run = number.to_string();
            endings.begun(&whose(&run));
            endings.left(&run, left(Role::Main, Ending::Quiet, FAR + number as u64, b""));
        }
        assert_eq!(endings.next().await.whose.run, "0");
        assert_eq!(endings.open(), MOST_RUNS);
    }

    #[test]
    fn a_run_is_ended_by_its_own_caller_alone() {
        let endings = Endings::default();
        endings.begun(&whose("a"));
        assert!(endings.end(("wizard", "bob"), "a").is_none());
        assert!(endings.end(("coding", "ada"), "a").is_none());
        assert!(endings.end(("wizard", "ada"), "b").is_none());
        assert_eq!(endings.end(("wizard", "ada"), "a").map(|over| over.ending), Some(Ending::Told));
        // Its exchange is over only now, and begins no run.
        endings.left("a", left(Role::Main, Ending::Quiet, 1, b"late"));
        assert_eq!((endings.open(), endings.known().bytes), (0, 0));
    }

    #[test]
    fn too_much_to_keep_is_not_kept() {
        static LARGE: [u8; 100 << 20] = [b' '; 100 << 20];
        let endings = Endings::default();
        for (run, wait) in [("a", 10), ("b", 5), ("c", 20)] {
            endings.begun(&whose(run));
            endings.left(run, left(Role::Main, Ending::Quiet, wait, &LARGE));
        }
        let known = endings.known();
        let kept: Vec<bool> = ["a", "b", "c"].iter().map(|run| known.runs[*run].prompt.is_some()).collect();
        assert_eq!((kept, known.bytes), (vec![true, false, true], 200 << 20));
    }
}
