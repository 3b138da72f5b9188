//! How far a run has come on its path. Given three steps, the first of which is done when the model
//! says so: it says so, and is given the second.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::{Seen, Step, Stuck};

/// The most texts that are kept of a run; steps and reminders of one that goes on for ever.
const MOST_LAID: usize = 200;
/// The most conversations of a run that are told where it is.
const MOST_OPENED: usize = 20;

/// What is kept of a run.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Progress {
    /// The step that it is at; as many as there are when it is over.
    pub at: usize,
    /// The conditions of that step that are met.
    pub met: BTreeSet<usize>,
    /// Turns of the model's since the step began.
    pub turns: u32,
    /// Turns of the model's that the last request told: one that tells no more is sent again.
    pub told: Option<usize>,
    /// Whether something is to be done about a step that takes too long.
    pub is_due: bool,
    /// Whether the step has used up its allowance; of a path that ended early, whether that ended it.
    pub is_used_up: bool,
    /// The step at which the path ended early.
    pub ended: Option<usize>,
    /// When it began, in milliseconds since 1970.
    pub since: i64,
    /// Calls whose results say nothing of this step: they were there before it was told.
    pub counted: Vec<String>,
    /// The calls whose results the last request brought.
    pub last: Vec<String>,
    /// Whether results that come next are of calls that were made with the one that completed the
    /// step before.
    pub is_mixed: bool,
    /// What was told behind results.
    pub laid: Vec<Laid>,
    /// What conversations were told with their task.
    pub opened: Vec<Opened>,
}

/// A text behind the result of a call.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Laid {
    pub call: String,
    pub text: String,
}

/// A text with the task of a conversation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Opened {
    pub conversation: String,
    pub text: String,
    /// How often the model had spoken before the task.
    #[serde(default)]
    pub before_task: usize,
}

/// How a step came to its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum How {
    Completed,
    /// It took too long, and the next one came.
    Skipped,
    /// It took too long, and the path ended.
    Ended,
}

impl How {
    /// As a metric names it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Completed => "completed",
            Self::Skipped => "skipped",
            Self::Ended => "ended",
        }
    }
}

/// A step that came to its end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Left {
    /// Which one.
    pub step: usize,
    pub how: How,
    pub turns: u32,
    pub millis: i64,
}

/// What a request means for the path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// The next step is to be told, or that it was the last.
    Left(Left),
    /// A reminder is.
    Nudge,
}

impl Progress {
    #[must_use]
    pub fn begin(now: i64) -> Self {
        Self { since: now, ..Self::default() }
    }

    /// The step has used up what it may. Something is done about it once.
    pub fn use_up(&mut self) {
        self.is_due |= !std::mem::replace(&mut self.is_used_up, true);
    }

    /// Takes in a request with these results, which tells so many turns of the model's. What it
    /// returns is to be told behind the last of the results by [`Self::lay`]; where none of them has a
    /// text that waits.
    pub fn observe(&mut self, steps: &[Step], (seen, told): (&[Seen<'_>], usize), now: i64) -> Option<Change> {
        let step = steps.get(self.at)?;
        let most = step.max_turns.get();
        if self.told.replace(told) != Some(told) {
            self.turns = self.turns.saturating_add(1);
            self.is_due |= self.turns.is_multiple_of(most);
            if std::mem::take(&mut self.is_mixed) {
                self.counted.extend(seen.iter().map(|seen| seen.result.call.clone()));
            }
        }
        self.last = seen.iter().map(|seen| seen.result.call.clone()).collect();
        let new = seen.iter().filter(|seen| !self.counted.contains(&seen.result.call));
        let met: Vec<usize> = new.flat_map(|seen| step.done.met_by(*seen)).collect();
        self.met.extend(met);
        // What is told is told behind a text.
        seen.iter().rfind(|seen| !seen.result.texts.is_empty())?;
        if step.done.holds(&self.met) {
            return Some(Change::Left(self.leave(How::Completed, seen, now)));
        }
        if !std::mem::take(&mut self.is_due) {
            return None;
        }
        Some(match step.on_stuck {
            Stuck::Nudge => Change::Nudge,
            Stuck::Skip => Change::Left(self.leave(How::Skipped, seen, now)),
            Stuck::End => {
                let is_used_up = self.is_used_up;
                let left = self.leave(How::Ended, seen, now);
                self.is_used_up = is_used_up;
                self.ended = Some(left.step);
                self.at = steps.len();
                Change::Left(left)
            }
        })
    }

    /// The model says that the step is done.
    ///
    /// # Errors
    /// What is missing, in words for the model.
    pub fn complete(&mut self, steps: &[Step], now: i64) -> Result<Left, String> {
        let Some(step) = steps.get(self.at) else {
            return Err(String::from("All steps are done already; there is nothing to complete."));
        };
        let mut met = self.met.clone();
        met.extend(step.done.said());
        match step.done.wants(&met) {
            Some(wants) => Err(format!("The step `{}` is not done yet. What is missing: {wants}.", step.id)),
            None => {
                let left = self.leave(How::Completed, &[], now);
                self.counted = std::mem::take(&mut self.last);
                self.is_mixed = true;
                Ok(left)
            }
        }
    }

    /// The step by which calls are judged: a path that ended early stays at its last.
    #[must_use]
    pub fn judged(&self) -> usize {
        self.ended.unwrap_or(self.at)
    }

    fn leave(&mut self, how: How, seen: &[Seen<'_>], now: i64) -> Left {
        let left = Left { step: self.at, how, turns: self.turns, millis: now.saturating_sub(self.since).max(0) };
        self.at += 1;
        self.met.clear();
        self.turns = 0;
        self.is_due = false;
        self.is_used_up = false;
        self.since = now;
        self.counted = seen.iter().map(|seen| seen.result.call.clone()).collect();
        left
    }

    /// Keeps what is told behind the last result that has a text. Returns whether there is one.
    pub fn lay(&mut self, seen: &[Seen<'_>], text: String) -> bool {
        let last = seen.iter().rfind(|seen| !seen.result.texts.is_empty());
        self.laid.extend(last.map(|last| Laid { call: last.result.call.clone(), text }));
        last.is_some()
    }

    /// Reminds of a step, unless so much was told already that a run cannot be meant to end.
    pub fn remind(&mut self, seen: &[Seen<'_>], text: String) {
        if self.laid.len() < MOST_LAID {
            self.lay(seen, text);
        }
    }

    /// Whether this conversation was told something with its task.
    #[must_use]
    pub fn has_opened(&self, conversation: &str) -> bool {
        self.opened.iter().any(|opened| opened.conversation == conversation)
    }

    /// What this conversation was told with its task. One that is not known yet takes the path up
    /// where it is: the run's first, or one that its agent compacted.
    pub fn open(&mut self, conversation: &str, before_task: usize, text: impl FnOnce(&Self) -> String) -> Opened {
        if let Some(known) = self.opened.iter().find(|opened| opened.conversation == conversation) {
            return known.clone();
        }
        let text = text(self);
        if self.opened.len() >= MOST_OPENED {
            self.opened.remove(0);
        }
        let opened = Opened { conversation: conversation.to_owned(), text, before_task };
        self.opened.push(opened.clone());
        opened
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::effects::table::Table;
    use crate::policy::lockdown::place::Folders;
    use crate::wire::results::Fresh;

    fn steps(yaml: &str) -> Vec<Step> {
        serde_saphyr::from_str::<super::super::Rules>(yaml).unwrap().steps().to_vec()
    }

    fn result(call: &str, name: &str) -> Fresh {
        Fresh {
            call: call.into(),
            name: name.into(),
            namespace: None,
            input: "{}".into(),
            failed: false,
            texts: vec!["done".into()],
        }
    }

    /// Requests, each with the results that it brings; and what each of them meant.
    #[track_caller]
    fn check(steps: &[Step], requests: &[&[Fresh]], expect: &[&str]) -> Progress {
        check_told(steps, requests, None, expect)
    }

    /// The same, with the number of turns that each request tells.
    #[track_caller]
    fn check_told(steps: &[Step], requests: &[&[Fresh]], tolds: Option<&[usize]>, expect: &[&str]) -> Progress {
        let mut progress = Progress::begin(0);
        for (at, (results, expect)) in requests.iter().zip(expect).enumerate() {
            let folders = Folders::default();
            let seen: Vec<Seen<'_>> = results
                .iter()
                .map(|result| Seen { result, called: None, folders: &folders, table: Table::shipped() })
                .collect();
            let told = tolds.as_ref().map_or(at + 1, |tolds| tolds[at]);
            let found = match progress.observe(steps, (&seen, told), 1_000 * (at as i64 + 1)) {
                None => String::from("-"),
                Some(Change::Nudge) => String::from("nudge"),
                Some(Change::Left(left)) => format!("{} {} {}", left.step, left.how.name(), left.turns),
            };
            assert_eq!(found, *expect, "request {at}");
        }
        progress
    }

    const TWO: &str = "[{ id: a, prompt: a.md, done: { call: Edit } }, { id: b, prompt: b.md, done: { call: Edit } }]";

    #[test]
    fn a_step_is_left_when_its_evidence_is_there_and_no_result_counts_twice() {
        let (edit, again) = ([result("1", "Edit")], [result("2", "Edit")]);
        let other = [result("0", "Read")];
        // The agent sends the same request again, for it did not get the reply.
        let progress = check(
            &steps(TWO),
            &[&[], &other, &edit, &edit, &again, &again],
            &["-", "-", "0 completed 3", "-", "1 completed 2", "-"],
        );
        assert_eq!(progress.at, 2);
    }

    #[test]
    fn what_cannot_be_told_yet_waits_for_a_result_with_a_text() {
        let mut picture = result("1", "Edit");
        picture.texts.clear();
        check(&steps(TWO), &[&[picture], &[], &[result("2", "Read")]], &["-", "-", "0 completed 3"]);
    }

    #[test]
    fn a_step_that_takes_too_long_is_reminded_of_skipped_or_the_end() {
        let stuck = |word: &str| {
            let yaml = format!(
                "[{{ id: a, prompt: a.md, max_turns: 2, on_stuck: {word} }}, {{ id: b, prompt: b.md }}, {{ id: c, prompt: c.md }}]"
            );
            steps(&yaml)
        };
        let read = [result("0", "Read")];
        let requests: [&[Fresh]; 4] = [&read, &read, &read, &read];
        assert_eq!(check(&stuck("nudge"), &requests, &["-", "nudge", "-", "nudge"]).at, 0);
        assert_eq!(check(&stuck("skip"), &requests, &["-", "0 skipped 2", "-", "-"]).at, 1);
        assert_eq!(check(&stuck("end"), &requests, &["-", "0 ended 2", "-", "-"]).at, 3);
    }

    #[test]
    fn a_step_that_has_used_up_its_allowance_is_stuck_once() {
        let (read, folders) = (result("0", "Read"), Folders::default());
        let seen = [Seen { result: &read, called: None, folders: &folders, table: Table::shipped() }];
        let check = |word: &str, expect: &[&str], is_told: bool| {
            let steps = steps(&format!("[{{ id: a, prompt: a.md, on_stuck: {word} }}, {{ id: b, prompt: b.md }}]"));
            let mut progress = Progress::begin(0);
            for (turn, expect) in expect.iter().enumerate() {
                // Known before the second request, and still before the third.
                if turn > 0 && progress.at == 0 {
                    progress.use_up();
                }
                let found = match progress.observe(&steps, (&seen, turn + 1), 1) {
                    None => "-",
                    Some(Change::Nudge) => "nudge",
                    Some(Change::Left(left)) => left.how.name(),
                };
                assert_eq!(found, *expect, "{word} {turn}");
            }
            assert_eq!(progress.is_used_up, is_told, "{word}");
        };
        check("nudge", &["-", "nudge", "-"], true);
        check("skip", &["-", "skipped", "-"], false);
        check("end", &["-", "ended", "-"], true);
    }

    #[test]
    fn a_request_that_is_sent_again_is_no_turn() {
        let yaml = "[{ id: a, prompt: a.md, max_turns: 2, on_stuck: skip }, { id: b, prompt: b.md }]";
        let read = [result("0", "Read")];
        let requests: [&[Fresh]; 5] = [&read, &read, &read, &[], &read];
        check_told(&steps(yaml), &requests, Some(&[1, 1, 1, 2, 3]), &["-", "-", "-", "-", "0 skipped 3"]);
    }

    #[test]
    fn what_was_there_before_a_step_was_told_says_nothing_of_it() {
        let steps =
            steps("[{ id: a, prompt: a.md }, { id: b, prompt: b.md, done: { call: Edit } }, { id: c, prompt: c.md }]");
        let folders = Folders::default();
        let (one, two, three) = (result("1", "Edit"), result("2", "Edit"), result("3", "Edit"));
        let seen = |result| [Seen { result, called: None, folders: &folders, table: Table::shipped() }];
        let mut progress = Progress::begin(0);
        assert_eq!(progress.observe(&steps, (&seen(&one), 1), 1), None);
        progress.complete(&steps, 2).unwrap();
        // The request again; then the result of a call that was made beside `complete_step`.
        assert_eq!(progress.observe(&steps, (&seen(&one), 1), 3), None);
        assert_eq!(progress.observe(&steps, (&seen(&two), 2), 4), None);
        assert!(progress.observe(&steps, (&seen(&three), 3), 5).is_some());
    }

    #[test]
    fn the_model_completes_what_it_may() {
        let steps = steps(
            "[{ id: a, prompt: a.md }, { id: b, prompt: b.md, done: { all: [complete_step, { call: Edit }] } }, { id: c, prompt: c.md, done: { call: Edit } }]",
        );
        let mut progress = Progress::begin(0);
        let left = progress.complete(&steps, 5).unwrap();
        assert_eq!((left.step, left.how, left.millis), (0, How::Completed, 5));
        let why = progress.complete(&steps, 6).unwrap_err();
        assert!(why.contains("`b` is not done yet") && why.contains("`Edit`"), "{why}");
        assert!(!why.contains("complete_step"), "it did call it: {why}");
        progress.met.insert(1);
        assert_eq!(progress.complete(&steps, 6).unwrap().step, 1);
        assert!(progress.complete(&steps, 7).unwrap_err().contains("`Edit`"));
        progress.at = 3;
        assert!(progress.complete(&steps, 7).unwrap_err().contains("done already"));
    }

    #[test]
    fn a_conversation_is_told_once_where_the_run_is() {
        let mut progress = Progress::begin(0);
        assert_eq!(progress.open("one", 1, |_| "first".into()).text, "first");
        progress.at = 1;
        let again = progress.open("one", 0, |_| "other".into());
        assert_eq!((again.text.as_str(), again.before_task), ("first", 1));
        assert_eq!(progress.open("two", 0, |progress| format!("step {}", progress.at)).text, "step 1");
    }
}
