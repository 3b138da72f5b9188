//! What the provider has seen, and what it would bill for it.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use http::{HeaderMap, Method, StatusCode};

/// A request that came in.
#[derive(Debug, Clone)]
pub struct Seen {
    pub method: Method,
    /// The path with its query.
    pub path: String,
    pub headers: HeaderMap,
    /// The body's exact bytes. Empty in a quiet provider.
    pub body: Bytes,
    /// The body without its content encoding. Empty in a quiet provider.
    pub decoded: Bytes,
    /// The scenario that played; none when none matched or the request was refused.
    pub scenario: Option<String>,
    /// Which turn of it, from 0; past the last one when that repeats.
    pub turn: Option<usize>,
    /// What the simulated prompt cache had of it; none when the script has no `caching`, or there
    /// was no reply. A turn whose script says what was cached bills that instead.
    pub cache: Option<Cache>,
    pub served: Served,
}

/// What the simulated prompt cache did for a request, in tokens.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Cache {
    pub read: u64,
    /// What a breakpoint had written; OpenAI's dialects write without counting it.
    pub written: u64,
    /// The part of it that was written for an hour.
    pub written_1h: u64,
    /// The first block that is new where an earlier prompt of the model went on with another one:
    /// `tools[3]`, `system[1]`, `messages[4].content[0]`, `thinking`, `input[2]`. None when the
    /// prompt is the model's first, or is an earlier one that has only grown. Another conversation
    /// parts from those before it too.
    pub broke_at: Option<String>,
}

/// What a real provider would bill for a request, as it stands now: a reply that is still being
/// sent, or was cut, has cost the tokens of the events that were written to the socket.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Served {
    /// Input tokens that were neither read from a cache nor written to it.
    pub input: u64,
    pub cache_read: u64,
    pub cache_write: u64,
    pub output: u64,
    /// The response was written to its proper end.
    pub finished: bool,
    /// The HTTP status; 0 when the connection broke, or the client left, before there was one.
    pub status: u16,
}

/// A bill that its reply still writes on.
#[derive(Debug, Clone, Default)]
pub(crate) struct Bill(Arc<Mutex<Served>>);

impl Bill {
    /// Begins the bill, when it is known what the reply will be.
    pub(crate) fn open(&self, served: Served) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = served;
    }

    pub(crate) fn read(&self) -> Served {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The head of the response goes out.
    pub(crate) fn answer(&self, status: StatusCode) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).status = status.as_u16();
    }

    pub(crate) fn write(&self, output: u64, finished: bool) {
        let mut served = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        served.output = output;
        served.finished = finished;
    }
}

/// The last requests.
#[derive(Debug)]
pub(crate) struct Log {
    entries: VecDeque<(Seen, Bill)>,
    /// What the bodies in it take up.
    bytes: usize,
    limits: Limits,
}

/// How much a log keeps.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Limits {
    pub(crate) requests: usize,
    /// Bytes of bodies; the newest request is kept whatever its size.
    pub(crate) bytes: usize,
    pub(crate) keeps_bodies: bool,
}

impl Log {
    pub(crate) fn new(limits: Limits) -> Self {
        Self { entries: VecDeque::new(), bytes: 0, limits }
    }

    pub(crate) fn note(&mut self, mut seen: Seen, bill: Bill) {
        if !self.limits.keeps_bodies {
            (seen.body, seen.decoded) = (Bytes::new(), Bytes::new());
        }
        self.bytes += size(&seen);
        self.entries.push_back((seen, bill));
        while self.entries.len() > self.limits.requests || (self.bytes > self.limits.bytes && self.entries.len() > 1) {
            let Some((gone, _)) = self.entries.pop_front() else { break };
            self.bytes -= size(&gone);
        }
    }

    pub(crate) fn read(&self) -> Vec<Seen> {
        let entries = self.entries.iter();
        entries.map(|(seen, bill)| Seen { served: bill.read(), ..seen.clone() }).collect()
    }

    pub(crate) fn clear(&mut self) {
        self.entries.clear();
        self.bytes = 0;
    }
}

/// An unencoded body shares its bytes with the decoded one, but counting twice does no harm.
fn size(seen: &Seen) -> usize {
    seen.body.len() + seen.decoded.len()
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use http::{HeaderMap, Method};

    use super::{Bill, Limits, Log, Seen, Served};

    fn log(requests: usize, bytes: usize, keeps_bodies: bool) -> Log {
        Log::new(Limits { requests, bytes, keeps_bodies })
    }

    fn seen(path: &str, size: usize) -> Seen {
        Seen {
            method: Method::GET,
            path: path.into(),
            headers: HeaderMap::new(),
            body: vec![0; size].into(),
            decoded: Bytes::new(),
            scenario: None,
            turn: None,
            cache: None,
            served: Served::default(),
        }
    }

    fn paths(log: &Log) -> Vec<String> {
        log.read().into_iter().map(|seen| seen.path).collect()
    }

    #[test]
    fn the_oldest_go_first() {
        let mut log = log(2, 1000, true);
        for path in ["a", "b", "c"] {
            log.note(seen(path, 1), Bill::default());
        }
        assert_eq!(paths(&log), ["b", "c"]);
        log.clear();
        assert!(paths(&log).is_empty());
    }

    #[test]
    fn bodies_are_bounded_together() {
        let mut log = log(100, 10, true);
        for (path, size) in [("a", 4), ("b", 4), ("c", 4), ("huge", 99), ("d", 1)] {
            log.note(seen(path, size), Bill::default());
        }
        assert_eq!(paths(&log), ["d"]);
        log.note(seen("huge", 99), Bill::default());
        assert_eq!(paths(&log), ["huge"]);
    }

    #[test]
    fn a_quiet_log_keeps_no_bodies() {
        let mut log = log(10, 10, false);
        log.note(seen("a", 99), Bill::default());
        assert_eq!((log.read()[0].body.len(), log.bytes), (0, 0));
    }

    #[test]
    fn a_bill_is_read_as_it_stands() {
        let (mut log, bill) = (log(10, 10, true), Bill::default());
        log.note(seen("a", 0), bill.clone());
        bill.write(7, true);
        assert_eq!(log.read()[0].served, Served { output: 7, finished: true, ..Served::default() });
    }
}
