//! Putting it together: start, reload, stop.

use std::fs::File;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use http::Uri;
use jetway_core::policy::identity;
use jetway_scripted::{Provider as Scripted, Script};
use notify::{RecursiveMode, Watcher};
use secrecy::ExposeSecret;
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::admin::{self, Admin};
use crate::config::{Config, Kind, Problem, Provider, SHORTEST_TOKEN, Secrets, Token};
use crate::gate::{Gate, Jetway, files};
use crate::serve::{Door, serve};
use crate::stage::interrogation;
use crate::{docs, pipeline, secret, telemetry, tls};

/// Where to start from.
#[derive(Debug, Clone)]
pub struct Options {
    /// `gateway.yaml`.
    pub config: PathBuf,
    /// Play the built-in provider in the place of all others.
    pub demo: bool,
    /// Take any free ports, whatever the configuration says.
    pub any_port: bool,
    /// Keep the state here, whatever the configuration says.
    pub state: Option<PathBuf>,
}

/// A gateway that was started.
pub struct Running {
    pub jetway: Arc<Jetway>,
    pub data: SocketAddr,
    pub admin: SocketAddr,
    /// Where the admin token is.
    pub place: String,
    servers: TaskTracker,
    /// The admin port, and what closes it: it is watched until nothing is served any more.
    operators: (TaskTracker, CancellationToken),
    stop: CancellationToken,
    _scripted: Option<Scripted>,
    _lock: File,
}

/// The example that `--demo` and `jetway demo` play.
pub const DEMO: &str = include_str!("demo.yaml");

/// How a configuration is read: the same at the start and at every reload.
#[derive(Debug, Clone)]
struct Source {
    file: PathBuf,
    scripted: Option<String>,
    state: Option<PathBuf>,
}

impl Source {
    fn read(&self) -> Result<Gate, Vec<Problem>> {
        let mut config = Config::load(&self.file, Secrets::Read)?;
        if let Some(url) = &self.scripted {
            play_scripted(&mut config, url);
        }
        if let Some(state) = &self.state {
            config.state.clone_from(state);
        }
        let gate = Gate::build(config)?;
        Ok(Gate { is_demo: self.scripted.is_some(), ..gate })
    }
}

/// Every provider becomes the scripted one, and anybody may call, in plain HTTP.
fn play_scripted(config: &mut Config, url: &str) {
    for (name, provider) in &mut config.providers {
        let base = if provider.kind == Kind::Anthropic { url.to_owned() } else { format!("{url}/v1") };
        if let Ok(base) = base.parse::<Uri>() {
            *provider = Provider::scripted(name, provider.kind, base);
        }
    }
    for policy in config.policies.values_mut() {
        policy.identity = identity::Rules::anybody();
    }
    config.tls = None;
    // Nothing leaves this machine.
    config.traces = None;
}

/// Starts a gateway.
///
/// # Errors
/// A sentence for each thing that stands in the way.
pub async fn start(options: Options) -> anyhow::Result<Running> {
    let scripted = if options.demo { Some(Scripted::start_quiet(Script::parse(DEMO)?)?) } else { None };
    let source = Source { file: options.config, scripted: scripted.as_ref().map(Scripted::url), state: options.state };
    let gate = source.read().map_err(|problems| anyhow::anyhow!(listed(&problems)))?;
    let config = gate.config.clone();
    telemetry::set(&config.log);
    let lock = lock(&config.state)?;
    let token = match &config.admin_token {
        Some(token) => token.clone(),
        None => admin_token(&config.state.join(files::ADMIN_TOKEN))?,
    };
    let place = token.place.clone();
    let stop = CancellationToken::new();
    let jetway = Jetway::open(gate).await?;
    let (data, admin_listener) =
        (bind(config.listen, options.any_port).await?, bind(config.admin, options.any_port).await?);
    let addresses = (data.local_addr()?, admin_listener.local_addr()?);
    let servers = TaskTracker::new();
    let door = Door {
        connections: config.limits.connections.get(),
        header_time: config.limits.header_time.0,
        write_time: config.limits.write_time.0,
        drain_time: config.limits.drain_time.0,
        stop: stop.clone(),
        tasks: jetway.tasks.clone(),
        metrics: jetway.metrics.clone(),
        tls: Some(Arc::clone(&jetway)),
    };
    let serving = Arc::clone(&jetway);
    servers.spawn(serve(data, door.clone(), move |request| pipeline::handle(Arc::clone(&serving), request)));
    let admin = Arc::new(Admin::new(Arc::clone(&jetway), token.secret, stop.clone())?);
    let (operators, close) = (TaskTracker::new(), CancellationToken::new());
    let door = Door { tls: None, stop: close.clone(), drain_time: CLOSING, ..door };
    operators.spawn(serve(admin_listener, door, move |request| admin::handle(Arc::clone(&admin), request)));
    jetway.tasks.spawn(purge(Arc::clone(&jetway), stop.clone()));
    jetway.tasks.spawn(interrogation::tend(Arc::clone(&jetway), stop.clone()));
    let tending = docs::Tending {
        // What plays a script does so on this machine alone.
        tls: if options.demo { None } else { Some(tls::client()?) },
        embedder: jetway.embedder.clone(),
        metrics: jetway.metrics.clone(),
        tasks: jetway.tasks.clone(),
        stop: stop.clone(),
    };
    let shelves = Arc::clone(&jetway);
    jetway.tasks.spawn(docs::tend(move || shelves.gate.load().shelves.values().cloned().collect(), tending));
    watch(&jetway, source, &config, &stop)?;
    let (data, admin) = addresses;
    let operators = (operators, close);
    Ok(Running { jetway, data, admin, place, servers, operators, stop, _scripted: scripted, _lock: lock })
}

impl Running {
    /// Stops taking connections, lets replies finish, and writes what is left to write.
    pub async fn stop(self) {
        self.stop.cancel();
        self.servers.close();
        self.servers.wait().await;
        let (operators, close) = self.operators;
        close.cancel();
        operators.close();
        operators.wait().await;
        self.jetway.tasks.close();
        self.jetway.records.stop();
        // Connections are gone by now: settlements and records are what is left.
        if tokio::time::timeout(SETTLING, self.jetway.tasks.wait()).await.is_err() {
            tracing::warn!("some exchanges could not be settled and recorded in time");
        }
        let lost = self.jetway.records.unwritten();
        if lost > 0 {
            tracing::error!(lost, "exchanges and endings could not be written to the run log, and are lost to it");
        }
        self.jetway.close.cancel();
        self.jetway.tending.close();
        if tokio::time::timeout(CLOSING, self.jetway.tending.wait()).await.is_err() {
            tracing::warn!(
                "the ledger was not told that this process ends, or the run log not all that it did, or not all runs that are open were kept for the next"
            );
        }
    }
}

/// The token of operators; made at the first start.
fn admin_token(file: &Path) -> anyhow::Result<Token> {
    let place = file.display().to_string();
    let token = secret::read_or_make(file, || secret::token("jwadmin_").map(String::into_bytes));
    let token = String::from_utf8(token.context("the admin token can be neither read nor made")?)?;
    anyhow::ensure!(
        token.trim().len() >= SHORTEST_TOKEN,
        "the token in {place} has under {SHORTEST_TOKEN} characters; delete the file to have a new one made"
    );
    Ok(Token { secret: token.trim().into(), place })
}

/// Two gateways on one state would each take the other's holds for those of a dead process.
fn lock(state: &Path) -> anyhow::Result<File> {
    let path = state.join(files::LOCK);
    secret::private_folder(state).with_context(|| format!("the folder {} cannot be made", state.display()))?;
    let file = File::options().create(true).truncate(false).write(true).open(&path);
    let file = file.with_context(|| format!("{} cannot be opened", path.display()))?;
    file.try_lock().with_context(|| {
        format!("another Jetway runs on the state in {}; stop it, or use another `state` folder", state.display())
    })?;
    Ok(file)
}

async fn bind(address: SocketAddr, any_port: bool) -> anyhow::Result<TcpListener> {
    let address = if any_port { SocketAddr::new(address.ip(), 0) } else { address };
    TcpListener::bind(address).await.with_context(|| {
        format!("cannot listen on {address}; is something else there? The addresses are in config/gateway.yaml")
    })
}

/// Forgets, now and then, what nobody will ask for again.
async fn purge(jetway: Arc<Jetway>, stop: CancellationToken) {
    loop {
        // At the start too: what was open when a Jetway died.
        match jetway.log.abandon(jiff::Timestamp::now()).await {
            Ok(0) => {}
            Ok(count) => tracing::info!(count, "runs of which nothing was heard for two days count as abandoned"),
            Err(error) => tracing::warn!(%error, "runs that were abandoned could not be looked for"),
        }
        tokio::select! {
            () = stop.cancelled() => break,
            () = tokio::time::sleep(BETWEEN_PURGES) => {}
        }
        let now = jiff::Timestamp::now();
        let kept = jetway.gate.load().config.runs.clone();
        let runs = jetway.log.purge(now, &kept);
        let (ledger, state, keys, runs) =
            tokio::join!(jetway.ledger.purge(), jetway.state.purge(now), jetway.keys.purge(now), runs);
        let text = |error: crate::store::StoreError| error.to_string();
        let errors = [
            ledger.err().map(|error| error.to_string()),
            state.err().map(text),
            keys.err().map(text),
            runs.err().map(text),
        ];
        for error in errors.into_iter().flatten() {
            tracing::warn!(error, "old records could not be forgotten");
        }
    }
}

const BETWEEN_PURGES: Duration = Duration::from_secs(3600);

/// Rereads the configuration when a file changes, or on SIGHUP.
fn watch(jetway: &Arc<Jetway>, source: Source, config: &Config, stop: &CancellationToken) -> anyhow::Result<()> {
    let (changed, mut changes) = mpsc::channel::<()>(1);
    let mut watcher = notify::recommended_watcher(move |event: notify::Result<notify::Event>| {
        // One waiting signal says all that many would. Reading a file is no change to it.
        if event.is_ok_and(|event| !event.kind.is_access()) {
            let full = changed.try_send(()).is_err();
            tracing::trace!(full, "a file of the configuration changed");
        }
    })?;
    observe(&mut watcher, config)?;
    let folders = |config: &Config| (config.watched.clone(), config.watched_alone.clone());
    let mut watched = folders(config);
    let mut hangup = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::hangup())?;
    let (serving, stop) = (Arc::clone(jetway), stop.clone());
    jetway.tasks.spawn(async move {
        loop {
            tokio::select! {
                () = stop.cancelled() => break,
                _ = hangup.recv() => {}
                signal = changes.recv() => if signal.is_none() { break },
            }
            // Editors write in several steps.
            tokio::time::sleep(SETTLED).await;
            while changes.try_recv().is_ok() {}
            // Documents are read and indexed, which is no work for a thread that serves.
            let (jetway, source) = (Arc::clone(&serving), source.clone());
            let done = tokio::task::spawn_blocking(move || reload(&jetway, &source)).await;
            if let Err(error) = done {
                tracing::error!(%error, "reading the configuration again failed");
            }
            let gate = serving.gate.load_full();
            if std::mem::replace(&mut watched, folders(&gate.config)) != watched
                && let Err(error) = observe(&mut watcher, &gate.config)
            {
                tracing::warn!(%error, "a folder of the configuration is not watched");
            }
        }
    });
    Ok(())
}

/// Watches the folders of a configuration; those that are watched already stay so.
fn observe(watcher: &mut notify::RecommendedWatcher, config: &Config) -> notify::Result<()> {
    for folder in &config.watched {
        watcher.watch(folder, RecursiveMode::Recursive)?;
    }
    // To watch a folder a second time, alone, would be to watch no more what is below it.
    let is_watched = |folder: &&PathBuf| config.watched.iter().any(|watched| folder.starts_with(watched));
    for folder in config.watched_alone.iter().filter(|folder| !is_watched(folder)) {
        watcher.watch(folder, RecursiveMode::NonRecursive)?;
    }
    Ok(())
}

/// How long the last settlements and records may take, with the tokens of replies that were cut to
/// be counted.
const SETTLING: Duration = Duration::from_secs(20);

/// How long the ledger may take to hear that nothing more is served, and PostgreSQL to take the
/// last records; what it does not take is in the journal.
const CLOSING: Duration = Duration::from_secs(3);

const SETTLED: Duration = Duration::from_millis(150);

fn reload(jetway: &Jetway, source: &Source) {
    let is_applied = match source.read() {
        Ok(gate) => {
            let before = jetway.gate.load();
            let fixed =
                |config: &Config| (config.listen, config.admin, config.state.clone(), config.limits.connections);
            let token =
                |config: &Config| config.admin_token.as_ref().map(|token| token.secret.expose_secret().to_owned());
            if token(&before.config) != token(&gate.config) {
                tracing::warn!("the token at `admin.token` changes at the next start");
            }
            if before.config.traces != gate.config.traces {
                tracing::warn!("what `traces` says changes at the next start");
            }
            if fixed(&before.config) != fixed(&gate.config) {
                tracing::warn!("addresses, the folder of the state and limits.connections change at the next start");
            }
            if before.config.log != gate.config.log && !telemetry::set(&gate.config.log) {
                tracing::warn!("JETWAY_LOG is set, so that what `log` says is left aside");
            }
            drop(before);
            jetway.gate.store(Arc::new(gate));
            let gate = jetway.gate.load();
            let rules = gate.config.policies.values().filter_map(|policy| policy.identity.jwt());
            jetway.tokens.forget_all_but(rules.map(|rules| rules.keys()));
            tracing::info!("the configuration was read again and is in force");
            jetway.metrics.loaded(&gate.config);
            true
        }
        Err(problems) => {
            tracing::error!(
                problems = listed(&problems),
                "the configuration was changed and is wrong; the old one stays"
            );
            false
        }
    };
    jetway.metrics.reloaded(is_applied);
}

/// Problems, one a paragraph.
#[must_use]
pub fn listed(problems: &[Problem]) -> String {
    problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
}
