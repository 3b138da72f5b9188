//! The connection to Redis: one of its own, made again when it breaks. While the server cannot be
//! reached nobody waits for it; whoever tends the ledger tries it again and again.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use redis::aio::{ConnectionLike, MultiplexedConnection};
use redis::cluster::ClusterClient;
use redis::cluster_async::ClusterConnection;
use redis::sentinel::{SentinelClient, SentinelClientBuilder, SentinelServerType};
use redis::{
    AsyncConnectionConfig, Client, Cmd, ConnectionAddr, ConnectionInfo, ErrorKind, FromRedisValue, IntoConnectionInfo,
    RedisConnectionInfo, RedisError, RedisResult, Script, ScriptInvocation, ServerErrorKind, TlsCertificates, TlsMode,
    ToRedisArgs, Value,
};
use secrecy::ExposeSecret;
use tokio::sync::Notify;

use crate::config::{Redis as Settings, Servers};

/// A server cannot be asked, so that nobody can say what it knows.
#[derive(Debug, Clone, thiserror::Error)]
#[error("the ledger cannot be reached: {why}")]
pub struct Unreachable {
    pub why: String,
}

/// How servers are found.
enum Target {
    Single(Box<Client>),
    Sentinel(Box<tokio::sync::Mutex<SentinelClient>>),
    Cluster(Box<ClusterClient>),
}

/// A connection that was made.
#[derive(Clone)]
enum Wire {
    One(MultiplexedConnection),
    Cluster(ClusterConnection),
}

/// What the server is asked.
#[derive(Clone, Copy)]
enum Call<'a> {
    Script(&'a ScriptInvocation<'a>),
    Command(&'a Cmd),
}

pub struct Link {
    target: Target,
    timeout: Duration,
    wire: Mutex<Option<Wire>>,
    /// Only one connects at a time; the others find what it made.
    dialing: tokio::sync::Mutex<()>,
    is_down: AtomicBool,
    /// Which process answered last; another one may not know what that one knew.
    server: Mutex<Option<String>>,
    /// Something happened that whoever tends the ledger should look at.
    pub wake: Notify,
    has_changed: AtomicBool,
}

impl std::fmt::Debug for Link {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Link").field("is_down", &self.is_down).finish_non_exhaustive()
    }
}

impl Link {
    /// # Errors
    /// [`RedisError`] for settings that cannot be used. Nothing is sent.
    pub fn new(settings: &Settings) -> RedisResult<Self> {
        Ok(Self {
            target: target(settings)?,
            timeout: settings.timeout,
            wire: Mutex::new(None),
            dialing: tokio::sync::Mutex::new(()),
            is_down: AtomicBool::new(false),
            server: Mutex::new(None),
            wake: Notify::new(),
            has_changed: AtomicBool::new(false),
        })
    }

    pub fn is_down(&self) -> bool {
        self.is_down.load(Ordering::Acquire)
    }

    /// Whether another server has taken over since this was last asked.
    pub fn has_changed(&self) -> bool {
        self.has_changed.swap(false, Ordering::AcqRel)
    }

    /// Another server has taken over, or this one has lost what it knew.
    pub fn change(&self) {
        self.has_changed.store(true, Ordering::Release);
        self.wake.notify_one();
    }

    /// Runs a script in one round trip. A call that may have been lost is made once more: every
    /// script may be repeated.
    pub async fn script<T: FromRedisValue>(
        &self,
        script: &Script,
        keys: &[String],
        args: &[impl ToRedisArgs],
    ) -> Result<T, Unreachable> {
        let mut invocation = script.prepare_invoke();
        invocation.key(keys).arg(args);
        self.attempt(Call::Script(&invocation)).await
    }

    /// Runs a command that may be repeated.
    pub async fn command<T: FromRedisValue>(&self, command: &Cmd) -> Result<T, Unreachable> {
        self.attempt(Call::Command(command)).await
    }

    /// What a server says of itself; in a cluster, what each of them says.
    pub async fn info(&self, section: &str) -> Result<Vec<String>, Unreachable> {
        let mut command = redis::cmd("INFO");
        let said = match self.command::<Value>(command.arg(section)).await? {
            Value::Map(nodes) => nodes.into_iter().map(|(_, said)| said).collect(),
            one => vec![one],
        };
        let said = said.into_iter().map(String::from_redis_value).collect::<Result<_, _>>();
        said.map_err(|error| Unreachable { why: error.to_string() })
    }

    async fn once<T: FromRedisValue>(&self, call: Call<'_>) -> RedisResult<T> {
        match (self.connected().await?, call) {
            (Wire::One(mut one), Call::Script(script)) => script.invoke_async(&mut one).await,
            (Wire::One(mut one), Call::Command(command)) => command.query_async(&mut one).await,
            (Wire::Cluster(mut cluster), Call::Script(script)) => script.invoke_async(&mut cluster).await,
            (Wire::Cluster(mut cluster), Call::Command(command)) => command.query_async(&mut cluster).await,
        }
    }

    async fn attempt<T: FromRedisValue>(&self, call: Call<'_>) -> Result<T, Unreachable> {
        if self.is_down() {
            return Err(Unreachable { why: String::from("it could not be reached a moment ago") });
        }
        let mut why = String::new();
        for _ in 0..2 {
            match tokio::time::timeout(self.timeout, self.once(call)).await {
                Ok(Ok(value)) => return Ok(value),
                Ok(Err(error)) if !is_elsewhere(&error) => return Err(Unreachable { why: told(&error) }),
                Ok(Err(error)) => why = told(&error),
                Err(_) => why = format!("it did not answer within {} ms", self.timeout.as_millis()),
            }
            *held(&self.wire) = None;
        }
        if !self.is_down.swap(true, Ordering::AcqRel) {
            tracing::error!(why, "the ledger cannot be reached");
            self.wake.notify_one();
        }
        Err(Unreachable { why })
    }

    /// Tries whether the server is back.
    pub async fn probe(&self) -> Result<(), Unreachable> {
        let ping = redis::cmd("PING");
        let pinged = self.once::<()>(Call::Command(&ping));
        let result = match tokio::time::timeout(self.timeout.max(Duration::from_secs(2)), pinged).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(error)) => Err(Unreachable { why: told(&error) }),
            Err(_) => Err(Unreachable { why: String::from("it does not answer") }),
        };
        if result.is_err() {
            *held(&self.wire) = None;
        } else if self.is_down.swap(false, Ordering::AcqRel) {
            tracing::info!("the ledger is back");
        }
        result
    }

    async fn connected(&self) -> RedisResult<Wire> {
        if let Some(wire) = held(&self.wire).clone() {
            return Ok(wire);
        }
        let _dialing = self.dialing.lock().await;
        if let Some(wire) = held(&self.wire).clone() {
            return Ok(wire);
        }
        let config = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(self.timeout.max(Duration::from_secs(1))))
            .set_response_timeout(None);
        let mut wire = match &self.target {
            Target::Single(client) => Wire::One(client.get_multiplexed_async_connection_with_config(&config).await?),
            Target::Sentinel(client) => Wire::One(client.lock().await.get_async_connection_with_config(&config).await?),
            Target::Cluster(client) => Wire::Cluster(client.get_async_connection().await?),
        };
        if let Wire::One(one) = &mut wire {
            self.meet(one).await?;
        }
        *held(&self.wire) = Some(wire.clone());
        Ok(wire)
    }

    /// Looks who answers.
    async fn meet(&self, one: &mut impl ConnectionLike) -> RedisResult<()> {
        let info: String = redis::cmd("INFO").arg("server").query_async(one).await?;
        let found = field(&info, "run_id").unwrap_or_default().to_owned();
        let before = held(&self.server).replace(found.clone());
        if before.is_some_and(|before| before != found) {
            tracing::warn!("another server answers for the ledger; it is told again what this process knows");
            self.change();
        }
        Ok(())
    }
}

/// A field of what `INFO` answers.
pub fn field<'a>(info: &'a str, name: &str) -> Option<&'a str> {
    info.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':')).map(str::trim)
}

/// Whether another connection, or another server, may well do what this one did not.
fn is_elsewhere(error: &RedisError) -> bool {
    use ServerErrorKind::{BusyLoading, ClusterDown, MasterDown, ReadOnly, TryAgain};
    let is_other = matches!(
        error.kind(),
        ErrorKind::Server(BusyLoading | ClusterDown | MasterDown | ReadOnly | TryAgain)
            | ErrorKind::ClusterConnectionNotFound
            | ErrorKind::MasterNameNotFoundBySentinel
            | ErrorKind::Parse
    );
    is_other || error.is_io_error() || error.is_timeout() || error.is_connection_dropped()
}

/// What an operator reads; an error of the server may repeat what it was sent, which is no secret.
fn told(error: &RedisError) -> String {
    error.to_string().chars().take(300).collect()
}

fn held<T>(lock: &Mutex<T>) -> MutexGuard<'_, T> {
    lock.lock().unwrap_or_else(PoisonError::into_inner)
}

fn target(settings: &Settings) -> RedisResult<Target> {
    let mut login = RedisConnectionInfo::default().set_db(settings.database);
    if let Some(user) = &settings.user {
        login = login.set_username(user);
    }
    if let Some(password) = &settings.password {
        login = login.set_password(password.expose_secret());
    }
    let certificates = || TlsCertificates { client_tls: None, root_cert: settings.authority.clone() };
    let mut nodes = Vec::with_capacity(settings.addresses.len());
    for (host, port) in &settings.addresses {
        let address = if settings.is_tls {
            ConnectionAddr::TcpTls { host: host.clone(), port: *port, insecure: false, tls_params: None }
        } else {
            ConnectionAddr::Tcp(host.clone(), *port)
        };
        nodes.push(address);
    }
    match &settings.servers {
        Servers::Single => {
            let node: ConnectionInfo = nodes.remove(0).into_connection_info()?.set_redis_settings(login);
            let client =
                if settings.is_tls { Client::build_with_tls(node, certificates())? } else { Client::open(node)? };
            Ok(Target::Single(Box::new(client)))
        }
        Servers::Sentinel(master) => {
            let mut builder = SentinelClientBuilder::new(nodes, master.clone(), SentinelServerType::Master)?
                .set_client_to_redis_db(settings.database);
            if let Some(user) = &settings.user {
                builder = builder.set_client_to_redis_username(user);
            }
            if let Some(password) = &settings.password {
                builder = builder.set_client_to_redis_password(password.expose_secret());
            }
            if settings.is_tls {
                builder = builder
                    .set_client_to_redis_tls_mode(TlsMode::Secure)
                    .set_client_to_redis_certificates(certificates())
                    .set_client_to_sentinel_tls_mode(TlsMode::Secure)
                    .set_client_to_sentinel_certificates(certificates());
            }
            Ok(Target::Sentinel(Box::new(tokio::sync::Mutex::new(builder.build()?))))
        }
        Servers::Cluster => {
            let mut infos = Vec::with_capacity(nodes.len());
            for node in nodes {
                infos.push(node.into_connection_info()?.set_redis_settings(login.clone()));
            }
            let mut builder = ClusterClient::builder(infos)
                .retries(2)
                .connection_timeout(settings.timeout.max(Duration::from_secs(1)))
                .response_timeout(settings.timeout);
            if let Some(user) = &settings.user {
                builder = builder.username(user);
            }
            if let Some(password) = &settings.password {
                builder = builder.password(password.expose_secret());
            }
            if settings.is_tls {
                builder = builder.tls(TlsMode::Secure).certs(certificates());
            }
            Ok(Target::Cluster(Box::new(builder.build()?)))
        }
    }
}
