//! What every request is served with: one immutable snapshot of the configuration, and the few
//! things that last longer than a snapshot.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;
use jetway_core::policy::models::Offer;
use jetway_core::redact::Redactor;
use jetway_core::retrieval::airplane::Airplane;
use jetway_core::retrieval::search::Index;
use jiff::Timestamp;
use secrecy::ExposeSecret;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::config::{Config, Policy, Problem};
use crate::docs::{Embedder, Libraries, Library, Shelf};
use crate::endings::Endings;
use crate::keys::Keys;
use crate::learned::Learned;
use crate::ledger::{Embedded, Ledger, Redis};
use crate::metrics::Metrics;
use crate::prefixes::Prefixes;
use crate::profiles::Profiles;
use crate::rates::Rates;
use crate::redaction::Searchers;
use crate::runs::log::Log;
use crate::runs::pending::Pending;
use crate::runs::shown::Showing;
use crate::runs::state::State;
use crate::secret::Keyed;
use crate::timed::Timed;
use crate::tokens::Tokens;
use crate::traces::Traces;
use crate::upstream::Upstream;
use crate::{airplanes, telemetry, tls};

/// A configuration, ready to serve. A request keeps the one it began with.
#[derive(Debug)]
pub struct Gate {
    pub config: Config,
    pub upstreams: BTreeMap<String, Upstream>,
    pub offers: Vec<Offer>,
    /// Whether every provider is the scripted one, so that nothing leaves this machine.
    pub is_demo: bool,
    /// The documents of each policy that has some.
    pub shelves: BTreeMap<String, Arc<Shelf>>,
    /// The model airplanes, likewise.
    pub airplanes: BTreeMap<String, Arc<Vec<Airplane>>>,
}

impl Gate {
    /// Reads the documents and makes connections possible; sends nothing.
    ///
    /// # Errors
    /// Every [`Problem`] that was found.
    pub fn build(config: Config) -> Result<Self, Vec<Problem>> {
        let mut problems = Vec::new();
        let (mut shelves, mut airplanes) = (BTreeMap::new(), BTreeMap::new());
        let store = config.state.join(files::DOCS);
        for policy in config.policies.values() {
            if let Some(rules) = &policy.lockdown
                && let Err(error) = Redactor::new(rules.redact.clone(), &[0; 32])
            {
                let message = format!("`lockdown.redact` cannot be searched for: {error}");
                problems.push(Problem::of_file(&policy.folder, message));
            }
            match Shelf::open(policy, &store) {
                Ok(shelf) => shelves.extend(shelf.map(|shelf| (policy.name.clone(), Arc::new(shelf)))),
                Err(problem) => problems.push(problem),
            }
            if policy.context.is_none() || !policy.airplanes().is_dir() {
                continue;
            }
            match airplanes::load(&policy.airplanes()) {
                Ok(found) => {
                    let planes = found.into_iter().map(|found| found.airplane).collect();
                    airplanes.insert(policy.name.clone(), Arc::new(planes));
                }
                Err(problem) => problems.push(problem),
            }
        }
        if !problems.is_empty() {
            return Err(problems);
        }
        let tls = tls::client().map_err(|error| {
            let message = format!("the certificates that this machine trusts cannot be read: {error}");
            vec![Problem::of_file(Path::new("TLS"), message)]
        })?;
        let upstream = |(name, provider): (&String, &crate::config::Provider)| {
            (name.clone(), Upstream::new(provider.clone(), tls.clone()))
        };
        let upstreams = config.providers.iter().map(upstream).collect();
        let offers = config.providers.values().map(|provider| provider.offer.clone()).collect();
        Ok(Self { config, upstreams, offers, is_demo: false, shelves, airplanes })
    }

    /// The policy that a path names, or the default one.
    #[must_use]
    pub fn policy(&self, named: Option<&str>) -> Option<&Policy> {
        self.config.policies.get(named.unwrap_or(&self.config.default_policy))
    }

    /// What a policy can show, as it is now.
    #[must_use]
    pub fn library(&self, policy: &str) -> Library {
        Library { index: self.index(policy), airplanes: self.airplanes.get(policy).cloned().unwrap_or_default() }
    }

    /// The documents of a policy, as they are now: a request asks once and keeps what it got.
    #[must_use]
    pub fn index(&self, policy: &str) -> Option<Arc<Index>> {
        self.shelves.get(policy).map(|shelf| shelf.index())
    }
}

/// A gateway that runs.
#[derive(Debug)]
pub struct Jetway {
    pub gate: ArcSwap<Gate>,
    pub ledger: Arc<dyn Ledger>,
    pub learned: Learned,
    pub rates: Rates,
    pub keys: Keys,
    pub state: State,
    pub log: Log,
    pub metrics: Metrics,
    pub keyed: Arc<Keyed>,
    /// What looks for secrets in results.
    pub searchers: Searchers,
    /// Which version of documents each run began with.
    pub libraries: Libraries,
    /// What models were shown, by its hash.
    pub showing: Showing,
    /// How far conversations had come.
    pub prefixes: Prefixes,
    /// Runs that have not ended.
    pub endings: Endings,
    /// Records that are yet to be written to the log.
    pub records: Arc<Pending>,
    /// Bytes of bodies that wait to be written.
    pub bodies: AtomicUsize,
    /// What projects are.
    pub profiles: Profiles,
    /// What the issuers of tokens said, and the way to ask them.
    pub tokens: Tokens,
    /// What takes in spans, for a collector.
    pub traces: Traces,
    /// What asks what texts mean.
    pub embedder: Embedder,
    /// Places for requests that are served at once.
    pub places: Arc<Semaphore>,
    /// What must be finished before the process may end: settlements, open connections.
    pub tasks: TaskTracker,
    /// What goes on for the ledger and the run log until `close`, when all else is finished.
    pub tending: TaskTracker,
    pub close: CancellationToken,
    /// When it was last looked how budgets stand.
    looked: tokio::sync::Mutex<Option<Instant>>,
}

/// Whoever asks for metrics more often is told how budgets stood: a ledger may have very many accounts.
const BETWEEN_LOOKS: Duration = Duration::from_secs(15);
/// Whoever asks for metrics is not kept waiting for them.
const LONGEST_LOOK: Duration = Duration::from_secs(2);

/// The files under the folder of the state.
pub mod files {
    pub const LOCK: &str = "lock";
    pub const SECRET: &str = "secret";
    pub const ADMIN_TOKEN: &str = "admin-token";
    pub const KEYS: &str = "keys.db";
    pub const LEDGER: &str = "ledger.db";
    pub const JOURNAL: &str = "ledger-journal.db";
    pub const STATE: &str = "state.db";
    pub const DOCS: &str = "docs";
}

impl Jetway {
    /// The run of a caller that names its session so.
    #[must_use]
    pub fn run_of_session(&self, policy: &str, user: &str, session: &str) -> String {
        self.run(&["run", policy, user, "session", session])
    }

    /// Tells metrics what is so now: what waits, what is open, how budgets stand.
    pub async fn look(&self) {
        // Those that are tried again wait in no queue.
        let (log, postgres) = (self.log.waiting().max(self.records.count()), self.log.undelivered());
        let stores = &self.metrics.stores;
        for (store, waiting) in [("ledger", self.ledger.waiting()), ("log", log), ("postgres", postgres)] {
            stores.waiting.with_label_values(&[store]).set(i64::try_from(waiting).unwrap_or(i64::MAX));
        }
        for (event, count) in self.ledger.events() {
            let counted = stores.ledger.with_label_values(&[event]);
            counted.inc_by(count.saturating_sub(counted.get()));
        }
        let dropped = &self.metrics.lines_dropped;
        dropped.inc_by(telemetry::dropped().saturating_sub(dropped.get()));
        self.metrics.runs.open.set(i64::try_from(self.endings.open()).unwrap_or(i64::MAX));
        let now = Instant::now();
        let mut looked = self.looked.lock().await;
        if looked.is_none_or(|before| now - before >= BETWEEN_LOOKS) {
            *looked = Some(now);
            let policies: Vec<String> = self.gate.load().config.policies.keys().cloned().collect();
            match tokio::time::timeout(LONGEST_LOOK, self.ledger.list(&policies)).await {
                Ok(Ok((lines, _))) => self.metrics.budgets.stand(&lines, Timestamp::now()),
                Ok(Err(error)) => tracing::debug!(%error, "it is not known how budgets stand"),
                Err(_) => tracing::warn!("the ledger does not say in time how budgets stand"),
            }
        }
    }

    /// The id of the run that these facts make.
    #[must_use]
    pub fn run(&self, facts: &[&str]) -> String {
        format!("run_{}", &self.keyed.digest(facts)[..20])
    }

    /// Opens the state, and begins to tend the ledger and the run log.
    ///
    /// # Errors
    /// When a file cannot be used.
    pub async fn open(gate: Gate) -> anyhow::Result<Arc<Self>> {
        let state = gate.config.state.clone();
        let places = Arc::new(Semaphore::new(gate.config.limits.exchanges.get()));
        let now = Timestamp::now();
        let keyed = Arc::new(keyed(&gate.config)?);
        let (metrics, tasks) = (Metrics::new()?, TaskTracker::new());
        let (tending, close) = (TaskTracker::new(), CancellationToken::new());
        let stores = &metrics.stores;
        metrics.loaded(&gate.config);
        let (ledger, conversations): (Arc<dyn Ledger>, _) = match &gate.config.ledger {
            None => {
                let ledger = Embedded::open(&state.join(files::LEDGER))?;
                (Arc::new(Timed::new(ledger, stores.clone())), State::open(&state.join(files::STATE), now)?)
            }
            Some(redis) => {
                let journal = state.join(files::JOURNAL);
                let ledger = Box::pin(Redis::open(redis, &journal, (&tending, close.clone()))).await?;
                let conversations = State::Shared(ledger.link());
                (Arc::new(Timed::new(ledger, stores.clone())), conversations)
            }
        };
        let log = Log::open(&gate.config.runs, &state, (&tending, close.clone()))?.timed(stores.timing("log"));
        let endings = Endings::default();
        let traces = Traces::open(gate.config.traces.as_ref(), endings.here(), &metrics, (&tending, close.clone()))?;
        let tokens = Tokens::new(tls::client()?, tasks.clone(), metrics.clone());
        let embedder = Embedder::new(tls::client()?, metrics.clone());
        Ok(Arc::new(Self {
            gate: ArcSwap::from_pointee(gate),
            ledger,
            learned: Learned::default(),
            rates: Rates::default(),
            keys: Keys::open(&state.join(files::KEYS))?.timed(stores.timing("keys")),
            state: conversations.timed(stores.timing("state")),
            showing: Showing::new(log.clone(), tasks.clone()),
            log,
            metrics,
            searchers: Searchers::new(Arc::clone(&keyed)),
            libraries: Libraries::default(),
            prefixes: Prefixes::default(),
            endings,
            records: Arc::default(),
            bodies: AtomicUsize::default(),
            profiles: Profiles::default(),
            keyed,
            tokens,
            traces,
            embedder,
            places,
            tasks,
            tending,
            close,
            looked: tokio::sync::Mutex::default(),
        }))
    }
}

/// What digests of callers and runs are made with.
///
/// # Errors
/// When its file can be neither read nor made.
pub fn keyed(config: &Config) -> anyhow::Result<Keyed> {
    if let Some(secret) = &config.secret {
        return Ok(Keyed::given(secret.expose_secret()));
    }
    let file = config.state.join(files::SECRET);
    Keyed::load(&file).map_err(|error| anyhow::anyhow!("{} cannot be used: {error}", file.display()))
}

/// What is kept of conversations, beside a gateway that may be running.
///
/// # Errors
/// When it cannot be used.
pub async fn state_beside(config: &Config) -> anyhow::Result<State> {
    Ok(match &config.ledger {
        None => State::open(&config.state.join(files::STATE), Timestamp::now())?,
        Some(redis) => State::Shared(Redis::beside(redis).await?.link()),
    })
}

/// The ledger, beside a gateway that may be running.
///
/// # Errors
/// When it cannot be used.
pub async fn ledger_beside(config: &Config) -> anyhow::Result<Arc<dyn Ledger>> {
    Ok(match &config.ledger {
        None => Arc::new(Embedded::beside(&config.state.join(files::LEDGER))?),
        Some(redis) => Arc::new(Redis::beside(redis).await?),
    })
}
