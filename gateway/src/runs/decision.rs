//! What was decided about an exchange, by which rule and why. Given a policy that hides `WebFetch` and a model
//! that calls it all the same: that it was hidden, and that a call of it was refused with this sentence.

use serde::{Deserialize, Serialize};

use crate::runs::{CallRefused, Record};

/// No more of a request are kept: of tools there are half as many at most, so that there is room for the rest.
const MOST: usize = 400;
/// No more of its calls are.
const MOST_CALLS: usize = 200;
/// Characters of a reason that are kept; what comes behind them is of no use to a log.
const LONGEST: usize = 500;

/// What was decided.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum What {
    /// A tool is not shown to the model.
    Hidden,
    /// A tool is shown to it in part.
    Narrowed,
    /// A call did not reach the agent.
    Refused,
    /// Nor did this one, and its model was told what to do instead and went on.
    Corrected,
    /// The request was sent with a lower limit of its output.
    Clamped,
    /// It was sent to another model, for want of budget.
    Downgraded,
    /// It was sent with the model or the effort of its run's step.
    Model,
    /// A provider gave no reply, and the next one was asked.
    Failover,
    /// A provider was put behind others, for it failed lately.
    Resting,
}

/// One decision.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Decision {
    pub what: What,
    /// The tool, the model or the provider that it is about.
    pub of: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rule: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Whether nothing came of it, as in shadow mode.
    #[serde(default, skip_serializing_if = "is_false")]
    pub noted: bool,
}

/// For what is said only where it is so.
#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde gives a reference")]
pub(super) fn is_false(is_so: &bool) -> bool {
    !is_so
}

impl Decision {
    #[must_use]
    pub fn new(what: What, of: impl Into<String>) -> Self {
        Self { what, of: of.into(), rule: None, reason: None, noted: false }
    }

    /// The rule that says so.
    #[must_use]
    pub fn by(self, rule: impl Into<String>) -> Self {
        Self { rule: Some(rule.into()), ..self }
    }

    #[must_use]
    pub fn because(self, reason: &str) -> Self {
        Self {
            reason: Some(reason.chars().take(LONGEST).collect()).filter(|reason: &String| !reason.is_empty()),
            ..self
        }
    }

    fn of_call(what: What, call: &CallRefused) -> Self {
        let decision = Self::new(what, &call.tool).by(&call.rule).because(&call.sentence);
        Self { noted: call.noted, ..decision }
    }
}

impl Record {
    /// One more was decided.
    pub fn decides(&mut self, decision: Decision) {
        if self.decisions.len() < MOST {
            self.decisions.push(decision);
        }
    }

    /// All that was decided, in its order: what was sent, and what came of the calls.
    #[must_use]
    pub fn decided(&self) -> Vec<Decision> {
        let mut corrected: Vec<&CallRefused> = self.calls_corrected.iter().collect();
        let of_call = |call: &CallRefused| {
            let place = corrected.iter().position(|told| *told == call).filter(|_| !call.noted);
            let what = place.map_or(What::Refused, |place| {
                corrected.swap_remove(place);
                What::Corrected
            });
            Decision::of_call(what, call)
        };
        let calls: Vec<Decision> = self.calls_refused.iter().take(MOST_CALLS).map(of_call).collect();
        self.decisions.iter().cloned().chain(calls).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn call(tool: &str, noted: bool) -> CallRefused {
        CallRefused { tool: tool.into(), rule: "deny".into(), sentence: "No.".into(), noted }
    }

    #[test]
    fn a_call_is_told_apart_by_what_came_of_it() {
        let check = |refused: &[CallRefused], corrected: &[CallRefused], expect: &[(What, &str, bool)]| {
            let (calls_refused, calls_corrected) = (refused.to_vec(), corrected.to_vec());
            let record = Record { calls_refused, calls_corrected, ..Record::default() };
            let decided = record.decided();
            let told: Vec<_> = decided.iter().map(|one| (one.what, one.of.as_str(), one.noted)).collect();
            assert_eq!(told, expect);
            assert!(
                decided.iter().all(|one| one.rule.as_deref() == Some("deny") && one.reason.as_deref() == Some("No."))
            );
        };
        check(&[], &[], &[]);
        check(&[call("A", false)], &[], &[(What::Refused, "A", false)]);
        check(
            &[call("A", false), call("A", false), call("B", false)],
            &[call("A", false)],
            &[(What::Corrected, "A", false), (What::Refused, "A", false), (What::Refused, "B", false)],
        );
        // The model was told of nothing that it did not hear of.
        check(&[call("A", true)], &[call("A", true)], &[(What::Refused, "A", true)]);
    }

    #[test]
    fn no_more_are_kept_than_there_is_room_for() {
        let mut record = Record { calls_refused: vec![call("A", false); MOST_CALLS + 1], ..Record::default() };
        for _ in 0..MOST + 1 {
            record.decides(Decision::new(What::Hidden, "B").because(&"x".repeat(LONGEST + 1)));
        }
        assert_eq!((record.decisions.len(), record.decided().len()), (MOST, MOST + MOST_CALLS));
        assert_eq!(record.decisions[0].reason.as_ref().map(String::len), Some(LONGEST));
    }

    #[test]
    fn what_is_not_so_is_not_said() {
        let text = |decision: &Decision| serde_json::to_string(decision).unwrap();
        let plain = Decision::new(What::Resting, "p");
        assert_eq!(text(&plain.clone().because("")), r#"{"what":"resting","of":"p"}"#);
        let noted = Decision { noted: true, ..plain.by("r").because("s") };
        assert_eq!(text(&noted), r#"{"what":"resting","of":"p","rule":"r","reason":"s","noted":true}"#);
        // What refuses a call is found by its tool and rule, as it is written.
        let refused = |noted| serde_json::to_string(&call("A", noted)).unwrap();
        assert_eq!(refused(false), r#"{"tool":"A","rule":"deny"}"#);
        assert_eq!(refused(true), r#"{"tool":"A","noted":true,"rule":"deny"}"#);
    }
}
