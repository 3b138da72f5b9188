//! Spans for a collector of OpenTelemetry: one for every run, turn and tool call. They are made when
//! what they are of is over and nobody waits, sent in batches, and shed where too many wait.

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
use jetway_core::wire::traceparent::Traceparent;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::config::{self, Config};
use crate::metrics::Metrics;
use crate::runs::{Ended, Record};
use crate::tls;
use crate::traces::send::Sender;
use crate::traces::span::Facts;
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

    /// A run is over.
    pub fn run(&self, ended: &Ended) {
        if let Some(waiting) = &self.0 {
            waiting.add(vec![span::of_run(ended, waiting.users)]);
        }
    }
}

impl Waiting {
    fn new(settings: &config::Traces, metrics: Metrics) -> Self {
        let (users, most) = (settings.users, settings.queue);
        Self { users, most, spans: Mutex::default(), changed: Notify::new(), metrics }
    }

    fn spans(&self) -> MutexGuard<'_, VecDeque<Span>> {
        self.spans.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Spans wait from now on, as many as there is room for.
    fn add(&self, more: Vec<Span>) {
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
