//! Calls that their agent is at. Given a reply of `run_1` that called `Bash` as `toolu_1`, and a request two
//! seconds later with the result of `toolu_1`: the span of that call, two seconds long.
//!
//! Bounded: of more, the one that is open for the longest is sent as it is. Nothing is known of a call but
//! its span.

use std::collections::{BTreeSet, HashMap};

use crate::recent::Recent;
use crate::traces::span::{self, Result};
use crate::traces::wire::Span;

/// Calls that are open at once.
const MOST: usize = 10_000;
/// Results that came before it was known that somebody had called: an agent may be faster than the end of
/// the reply that it acts on.
const MOST_EARLY: usize = 1_000;

/// A result: when it came, and whether it says that the call failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Came {
    pub(super) at: u64,
    pub(super) failed: bool,
}

impl Came {
    fn result(self) -> Result {
        if self.failed { Result::Failed } else { Result::Came }
    }
}

/// What is open, by run and by id.
#[derive(Debug)]
pub(super) struct Open {
    runs: HashMap<String, HashMap<String, Span>>,
    /// The oldest first.
    order: BTreeSet<(u64, String, String)>,
    early: Recent<(String, String), Came>,
    most: usize,
}

impl Default for Open {
    fn default() -> Self {
        Self::of(MOST)
    }
}

impl Open {
    fn of(most: usize) -> Self {
        Self { runs: HashMap::new(), order: BTreeSet::new(), early: Recent::new(MOST_EARLY), most }
    }

    /// A call is open from now on. Returned are spans that no longer are: its own, where its result is there
    /// already, and what there is no room for.
    pub(super) fn begin(&mut self, run: &str, id: &str, span: Span, now: u64) -> Vec<Span> {
        // The same id once more is another call; of the one before nothing will come.
        let mut over: Vec<Span> =
            self.take(run, id).map(|before| span::closed(before, now, Result::None)).into_iter().collect();
        if let Some(came) = self.early.take(&(run.to_owned(), id.to_owned())) {
            over.push(span::closed(span, came.at, came.result()));
            return over;
        }
        self.order.insert((span.start, run.to_owned(), id.to_owned()));
        self.runs.entry(run.to_owned()).or_default().insert(id.to_owned(), span);
        while self.order.len() > self.most {
            let Some((_, run, id)) = self.order.first().cloned() else { break };
            over.extend(self.take(&run, &id).map(|span| span::closed(span, now, Result::None)));
        }
        over
    }

    /// The result of a call is there.
    pub(super) fn came(&mut self, run: &str, id: &str, came: Came) -> Option<Span> {
        let span = self.take(run, id);
        if span.is_none() {
            self.early.keep((run.to_owned(), id.to_owned()), came, 1);
        }
        span.map(|span| span::closed(span, came.at, came.result()))
    }

    /// No more comes of a run's calls: it has ended, or goes on elsewhere.
    pub(super) fn end(&mut self, run: &str, now: u64, result: Result) -> Vec<Span> {
        let calls = self.runs.remove(run).unwrap_or_default();
        let over = calls.into_iter().map(|(id, span)| {
            self.order.remove(&(span.start, run.to_owned(), id));
            span::closed(span, now, result)
        });
        over.collect()
    }

    /// This process ends.
    pub(super) fn end_all(&mut self, now: u64) -> Vec<Span> {
        let runs: Vec<String> = self.runs.keys().cloned().collect();
        runs.iter().flat_map(|run| self.end(run, now, Result::None)).collect()
    }

    fn take(&mut self, run: &str, id: &str) -> Option<Span> {
        let calls = self.runs.get_mut(run)?;
        let span = calls.remove(id)?;
        if calls.is_empty() {
            self.runs.remove(run);
        }
        self.order.remove(&(span.start, run.to_owned(), id.to_owned()));
        Some(span)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::traces::wire::Value;

    fn span(name: &str, start: u64) -> Span {
        Span { name: name.into(), start, end: start, ..Span::default() }
    }

    /// Name, length, what came of it.
    fn told(spans: impl IntoIterator<Item = Span>) -> Vec<(String, u64, String)> {
        let result = |span: &Span| {
            let said = span.attributes.iter().find(|said| said.key == "jetway.result").unwrap();
            let Some(Value::Text(text)) = said.value.clone().unwrap().value else { panic!("{said:?}") };
            format!("{text}{}", if span.status.is_some() { "!" } else { "" })
        };
        let mut told: Vec<_> =
            spans.into_iter().map(|span| (span.name.clone(), span.end - span.start, result(&span))).collect();
        told.sort();
        told
    }

    fn row(name: &str, length: u64, result: &str) -> (String, u64, String) {
        (name.into(), length, result.into())
    }

    const OK: Came = Came { at: 30, failed: false };

    #[test]
    fn a_call_is_as_long_as_it_takes_its_agent() {
        let mut open = Open::default();
        for (run, id) in [("a", "1"), ("a", "2"), ("b", "1")] {
            assert!(open.begin(run, id, span(&format!("{run}{id}"), 10), 10).is_empty());
        }
        assert_eq!(told(open.came("a", "1", OK)), [row("a1", 20, "came")]);
        assert_eq!(told(open.came("a", "2", Came { failed: true, ..OK })), [row("a2", 20, "failed!")]);
        // It is there once.
        assert!(open.came("a", "2", OK).is_none());
        assert_eq!(told(open.came("b", "1", OK)), [row("b1", 20, "came")]);
        assert!(open.runs.is_empty() && open.order.is_empty());
    }

    #[test]
    fn what_never_comes_is_told_when_its_run_ends_or_there_is_no_room() {
        let mut open = Open::of(2);
        for (run, id, start) in [("a", "1", 10), ("b", "1", 12)] {
            assert!(open.begin(run, id, span(&format!("{run}{id}"), start), start).is_empty());
        }
        assert_eq!(told(open.begin("b", "2", span("b2", 13), 40)), [row("a1", 30, "none")]);
        // The same id once more is another call.
        assert_eq!(told(open.begin("b", "2", span("b2", 45), 45)), [row("b2", 32, "none")]);
        assert_eq!(told(open.end("b", 50, Result::None)), [row("b1", 38, "none"), row("b2", 5, "none")]);
        assert!(open.end("b", 50, Result::None).is_empty());
        open.begin("c", "1", span("c1", 60), 60);
        assert_eq!(told(open.end("c", 70, Result::Elsewhere)), [row("c1", 0, "elsewhere")]);
        open.begin("d", "1", span("d1", 60), 60);
        assert_eq!(told(open.end_all(70)), [row("d1", 10, "none")]);
        assert!(open.runs.is_empty() && open.order.is_empty());
    }

    #[test]
    fn a_result_may_come_before_the_end_of_the_reply_is_seen() {
        let mut open = Open::default();
        assert!(open.came("a", "1", OK).is_none());
        assert!(open.begin("b", "1", span("b1", 10), 10).is_empty());
        assert_eq!(told(open.begin("a", "1", span("a1", 25), 31)), [row("a1", 5, "came")]);
        assert!(open.begin("a", "1", span("a1", 40), 40).is_empty(), "it was for one call");
        // It is never over before it began.
        open.came("c", "1", OK);
        assert_eq!(told(open.begin("c", "1", span("c1", 35), 35)), [row("c1", 0, "came")]);
    }
}
