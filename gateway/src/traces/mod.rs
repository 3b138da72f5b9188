//! Spans for a collector of OpenTelemetry: one for every run, turn and tool call. They are made when
//! what they are of is over and nobody waits, sent in batches, and shed where too many wait.

mod open;
mod provider;
mod retry;
mod send;
mod span;
#[cfg(test)]
mod tests;
mod wire;

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use http::HeaderMap;
use jetway_core::wire::request::Request;
use jetway_core::wire::results;
use jetway_core::wire::traceparent::Traceparent;
use jiff::Timestamp;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::config::{self, Config};
use crate::metrics::Metrics;
use crate::runs::{Ended, Record};
use crate::tls;
use crate::traces::open::{Came, Open};
use crate::traces::send::Sender;
use crate::traces::span::{Facts, Result as CallResult, nanos};
use crate::traces::wire::Span;

/// Takes in what there are spans of. Does nothing where no collector is configured.
#[derive(Debug, Clone, Default)]
pub struct Traces(Option<Arc<Waiting>>);

/// Spans that wait to be sent.
#[derive(Debug)]
struct Waiting {
    users: bool,
    most: usize,
    spans: Mutex<VecDeque<Span>>,
    /// Calls whose results are yet to come.
    open: Mutex<Open>,
    changed: Notify,
    metrics: Metrics,
}

impl Traces {
    /// Begins to send, where that is configured: until `close`, and then what is left. `here` is what
    /// this Jetway is called among others.
    ///
    /// # Errors
    /// When the machine's certificates cannot be read.
    pub fn open(
        settings: Option<&config::Traces>,
        here: &str,
        metrics: &Metrics,
        (tasks, close): (&TaskTracker, CancellationToken),
    ) -> Result<Self, rustls::Error> {
        let Some(settings) = settings else { return Ok(Self::default()) };
        let waiting = Arc::new(Waiting::new(settings, metrics.clone()));
        let sender = Sender::new(settings.clone(), tls::client()?, here, Arc::clone(&waiting));
        tasks.spawn(sender.run(close));
        Ok(Self(Some(waiting)))
    }

    /// The span that a request comes from, as its agent says.
    #[must_use]
    pub fn parent(&self, headers: &HeaderMap) -> Option<Traceparent> {
        self.0.as_ref()?;
        let mut said = headers.get_all("traceparent").iter();
        // Of two, nobody knows which is meant.
        let (Some(one), None) = (said.next(), said.next()) else { return None };
        Traceparent::parse(one.to_str().ok()?)
    }

    /// An exchange is over.
    pub fn exchange(&self, config: &Config, record: &Record) {
        let Some(waiting) = self.0.as_ref().filter(|_| span::is_turn(record)) else { return };
        let facts = Facts {
            provider: record.provider.as_ref().and_then(|name| config.providers.get(name)),
            users: waiting.users,
        };
        waiting.add(span::of_exchange(record, facts));
    }

    /// A reply has ended, and its agent is at its calls now.
    pub fn calls(&self, record: &Record) {
        let Some(waiting) = self.0.as_ref().filter(|_| span::is_turn(record)) else { return };
        let Some(run) = &record.run else { return };
        let now = nanos(Timestamp::now());
        let mut open = waiting.open();
        let over = span::open(record).into_iter().flat_map(|(id, span)| open.begin(run, id, span, now)).collect();
        drop(open);
        waiting.add(over);
    }

    /// A request has come, with the results of calls.
    pub fn results(&self, run: &str, asked: &Request) {
        let Some(waiting) = &self.0 else { return };
        let at = nanos(Timestamp::now());
        let fresh = results::fresh(asked);
        let mut open = waiting.open();
        let over = fresh.iter().filter_map(|result| open.came(run, &result.call, Came { at, failed: result.failed }));
        let over = over.collect();
        drop(open);
        waiting.add(over);
    }

    /// A run is over.
    pub fn run(&self, ended: &Ended) {
        let Some(waiting) = &self.0 else { return };
        let mut spans = waiting.open().end(&ended.run, nanos(ended.at), CallResult::None);
        spans.push(span::of_run(ended, waiting.users));
        waiting.add(spans);
    }

    /// A run that began here is another Jetway's now.
    pub fn elsewhere(&self, run: &str) {
        let Some(waiting) = &self.0 else { return };
        waiting.add(waiting.open().end(run, 0, CallResult::Elsewhere));
    }
}

impl Waiting {
    fn new(settings: &config::Traces, metrics: Metrics) -> Self {
        let (users, most) = (settings.users, settings.queue);
        Self { users, most, spans: Mutex::default(), open: Mutex::default(), changed: Notify::new(), metrics }
    }

    fn spans(&self) -> MutexGuard<'_, VecDeque<Span>> {
        self.spans.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn open(&self) -> MutexGuard<'_, Open> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Nothing more comes: what is open is as long as it is.
    fn end(&self) {
        let over = self.open().end_all(nanos(Timestamp::now()));
        self.add(over);
    }

    /// Spans wait from now on, as many as there is room for.
    fn add(&self, more: Vec<Span>) {
        if more.is_empty() {
            return;
        }
        let mut spans = self.spans();
        let room = self.most.saturating_sub(spans.len()).min(more.len());
        let shed = more.len() - room;
        spans.extend(more.into_iter().take(room));
        drop(spans);
        self.count("shed", shed);
        self.changed.notify_one();
    }

    /// Takes the oldest.
    fn take(&self, most: usize) -> Vec<Span> {
        let mut spans = self.spans();
        let count = spans.len().min(most);
        spans.drain(..count).collect()
    }

    /// Waits until some wait.
    async fn some(&self) {
        while self.spans().is_empty() {
            self.changed.notified().await;
        }
    }

    fn count(&self, result: &str, spans: usize) {
        if spans > 0 {
            self.metrics.runs.spans.with_label_values(&[result]).inc_by(spans as u64);
        }
    }
}
