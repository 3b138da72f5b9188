//! `config/gateway.yaml` as it is written. Nothing else but `config` sees these types.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::num::{NonZeroU32, NonZeroUsize};
use std::time::Duration;

use jetway_core::glob::Glob;
use jetway_core::policy::budget::window::Every;
use jetway_core::price::{Dollars, Times};
use jetway_core::secret::Reference;
use jetway_core::units::{Size, Span};
use jetway_core::wire::Dialect;
use schemars::JsonSchema;
use serde::Deserialize;

use crate::config::{log, traces};

#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::config) struct Gateway {
    /// Where agents connect.
    #[serde(default = "data_address")]
    pub listen: SocketAddr,
    /// Leave it out to speak plain HTTP to agents, where they are on this machine or something
    /// in front of Jetway ends TLS.
    #[serde(default)]
    pub tls: Option<Tls>,
    /// Where operators and Prometheus connect.
    #[serde(default)]
    pub admin: Admin,
    /// The folder that Jetway keeps its state in, relative to the folder above this file's.
    #[serde(default = "state_folder")]
    pub state: String,
    /// The folder of the policies, likewise.
    #[serde(default = "policies_folder")]
    pub policies: String,
    /// The policy of a base URL that names none.
    pub default_policy: String,
    #[serde(default)]
    pub limits: Limits,
    /// Where budgets are counted: by default in the folder of the state, which is for one Jetway.
    #[serde(default)]
    pub ledger: Option<Ledger>,
    /// What is kept of runs, and where: by default for ever, in the folder of the state.
    #[serde(default)]
    pub runs: Runs,
    /// A secret of 32 characters or more that all Jetways of a fleet share: callers who are passed
    /// through, and runs, are known by digests that are made with it. By default one is made in
    /// the folder of the state.
    #[serde(default)]
    pub secret: Option<Reference>,
    /// What Jetway says of itself on standard error.
    #[serde(default)]
    pub log: log::Document,
    /// Where spans are sent to; by default nowhere.
    #[serde(default)]
    pub traces: Option<traces::Document>,
    /// Who is asked for replies, by a name that policies use.
    pub providers: BTreeMap<String, Provider>,
}

#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::config) struct Admin {
    /// Keep this on loopback, or behind something that keeps strangers out. Every page but
    /// /healthz and /readyz wants the token.
    #[serde(default = "admin_address")]
    pub listen: SocketAddr,
    /// A token of 32 characters or more. By default one is made at the first start, in
    /// `<state>/admin-token`.
    #[serde(default)]
    pub token: Option<Reference>,
    /// How many run tokens may be minted for one user.
    #[serde(default)]
    pub mints: Mints,
}

impl Default for Admin {
    fn default() -> Self {
        Self { listen: admin_address(), token: None, mints: Mints::default() }
    }
}

/// How many run tokens may be minted for one user in a window.
#[derive(Debug, Clone, Copy, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::config) struct Mints {
    pub tokens: NonZeroU32,
    pub every: Every,
}

impl Default for Mints {
    fn default() -> Self {
        Self { tokens: NonZeroU32::MIN.saturating_add(59), every: Every::Hour }
    }
}

/// TLS on the port of agents. The files are PEM, their paths relative to the folder above this
/// file's; they are read again with the configuration, and when one of them changes.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::config) struct Tls {
    /// Our certificate, and those between it and its authority.
    pub certificate: String,
    /// Its private key.
    pub key: String,
    /// The authority that signs callers' certificates. Only a certificate that it signed counts.
    #[serde(default)]
    pub client_ca: Option<String>,
    /// Whether a connection without such a certificate is refused; `required` by default. With
    /// `optional` a policy may accept certificates, and another one something else.
    #[serde(default)]
    pub client: Option<Client>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(in crate::config) enum Client {
    Required,
    Optional,
}

/// A ledger that a fleet shares.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::config) struct Ledger {
    /// Redis 7 or Valkey.
    pub redis: Redis,
}

#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::config) struct Redis {
    /// The server: redis://host:6379/0, or rediss:// for TLS. Several are those of sentinels or of
    /// a cluster.
    pub urls: Vec<String>,
    /// The name of the master that the sentinels at `urls` know.
    #[serde(default)]
    pub sentinel: Option<String>,
    /// Whether the servers at `urls` are a cluster. All of a policy is kept on one of them.
    #[serde(default)]
    pub cluster: bool,
    #[serde(default)]
    pub user: Option<String>,
    #[serde(default)]
    pub password: Option<Reference>,
    /// The file of the authority that signs the server's certificate; by default those that this
    /// machine trusts.
    #[serde(default)]
    pub ca: Option<String>,
    /// How long one call may take.
    #[serde(default = "ledger_timeout")]
    pub timeout: Span,
    /// How long what is set aside lives when its process has died; then it is charged in full.
    #[serde(default = "ledger_lease")]
    pub lease: Span,
}

/// The run log.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(in crate::config) struct Runs {
    /// How long runs and their exchanges are kept, such as 90d; by default for ever.
    #[serde(default)]
    pub keep: Option<Span>,
    /// Whether the requests that models got, and what they said, are kept: none, redacted (also of secrets
    /// that a policy only logs), full.
    #[serde(default)]
    pub bodies: Bodies,
    /// How long bodies are kept.
    #[serde(default = "bodies_age")]
    pub bodies_age: Span,
    /// How much of bodies is kept in all, compressed; of more the oldest go.
    #[serde(default = "bodies_size")]
    pub bodies_size: Size,
    /// Where a fleet keeps its runs; by default they are kept in the folder of the state.
    #[serde(default)]
    pub postgres: Option<Postgres>,
}

impl Default for Runs {
    fn default() -> Self {
        Self { keep: None, bodies: Bodies::None, bodies_age: bodies_age(), bodies_size: bodies_size(), postgres: None }
    }
}

/// What is kept of bodies.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Bodies {
    #[default]
    None,
    /// Without the secrets that are known, and always in part: who reads them reads what people wrote.
    Redacted,
    /// As they were.
    Full,
}

fn bodies_age() -> Span {
    Span(std::time::Duration::from_secs(7 * 86_400))
}

fn bodies_size() -> Size {
    Size(10 << 30)
}

/// PostgreSQL 14 or newer. What it was not told yet is kept in the folder of the state.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::config) struct Postgres {
    /// The server and the database: postgres://host:5432/jetway. Of several, the first counts that
    /// takes what is written.
    pub urls: Vec<String>,
    /// By default the user that Jetway runs as.
    #[serde(default)]
    pub user: Option<String>,
    #[serde(default)]
    pub password: Option<Reference>,
    /// Whether to speak TLS; by default unless the server is on this machine.
    #[serde(default)]
    pub tls: Option<bool>,
    /// The file of the authority that signs the server's certificate; by default those that this
    /// machine trusts.
    #[serde(default)]
    pub ca: Option<String>,
    /// How long connecting, and writing a batch, may take.
    #[serde(default = "runs_timeout")]
    pub timeout: Span,
}

pub(in crate::config) fn runs_timeout() -> Span {
    Span(Duration::from_secs(5))
}

fn ledger_timeout() -> Span {
    Span(Duration::from_millis(500))
}

fn ledger_lease() -> Span {
    Span(Duration::from_secs(60))
}

/// Bounds on what is taken in.
#[derive(Debug, Clone, Copy, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Limits {
    /// The largest request body, after decompression.
    pub body: Size,
    /// The largest reply that is not a stream: it is held until it was checked.
    pub reply: Size,
    /// How long a request's headers may take to arrive, and a connection may rest between requests.
    pub header_time: Span,
    /// How long a request's body may take to arrive.
    pub body_time: Span,
    /// Connections that are served at once; more wait to be accepted.
    pub connections: NonZeroUsize,
    /// Requests that are served at once; more are refused for the moment.
    pub exchanges: NonZeroUsize,
    /// How long an agent may stop reading before its connection is cut.
    pub write_time: Span,
    /// How long replies may go on after Jetway was told to stop.
    pub drain_time: Span,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            body: Size(32 << 20),
            reply: Size(32 << 20),
            header_time: Span(Duration::from_secs(120)),
            body_time: Span(Duration::from_secs(60)),
            connections: at_least_one(4_096),
            exchanges: at_least_one(1_024),
            write_time: Span(Duration::from_secs(120)),
            drain_time: Span(Duration::from_secs(600)),
        }
    }
}

#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::config) struct Provider {
    /// How it wants to be addressed. `openai` is also what llama.cpp, vLLM and Ollama are.
    pub kind: Kind,
    /// For `anthropic` without `/v1`: https://api.anthropic.com. For `openai` with it:
    /// https://api.openai.com/v1, http://127.0.0.1:11434/v1.
    pub base_url: String,
    /// The formats it speaks; by default `messages` for `anthropic`, `chat` and `responses` for `openai`.
    #[serde(default)]
    pub speaks: Option<Vec<Dialect>>,
    /// The models it serves.
    pub models: Vec<Glob>,
    /// `passthrough` sends the caller's own credential on. `{ env: NAME }` and `{ file: PATH }`
    /// hold a key of yours, which is used only for callers that we know: by a Jetway key, a token
    /// of an issuer, or a certificate.
    pub credentials: Credentials,
    #[serde(default)]
    pub timeouts: Timeouts,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    Anthropic,
    Openai,
}

#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(in crate::config) enum Credentials {
    Passthrough,
    /// The name of an environment variable.
    Env(String),
    /// The path of a file; white space around the key does not count.
    File(String),
}

#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(in crate::config) struct Timeouts {
    /// Until a connection stands.
    pub connect: Span,
    /// Until the reply begins. Models that think long begin late.
    pub first_byte: Span,
    /// Until a reply that is no stream is there, which is when it is complete.
    pub whole: Span,
    /// Between two pieces of a reply.
    pub between_bytes: Span,
}

impl Default for Timeouts {
    fn default() -> Self {
        Self {
            connect: Span(Duration::from_secs(5)),
            first_byte: Span(Duration::from_secs(120)),
            whole: Span(Duration::from_secs(600)),
            between_bytes: Span(Duration::from_secs(300)),
        }
    }
}

/// `config/prices.yaml`: dollars a million tokens. What a request may cost is reckoned with these
/// before it is sent, and what it did cost when it ends, so they are what budgets hold to.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::config) struct Prices {
    /// The first row whose `model` matches counts.
    pub prices: Vec<PriceRow>,
}

#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::config) struct PriceRow {
    pub model: Glob,
    pub input: Dollars,
    pub output: Dollars,
    /// Input that the provider had cached; by default what `input` costs.
    #[serde(default)]
    pub cache_read: Option<Dollars>,
    /// Input that it takes into its cache; by default what `input` costs.
    #[serde(default)]
    pub cache_write: Option<Dollars>,
    /// The same for an hour or longer, where the provider charges that apart; by default as
    /// `cache_write`.
    #[serde(default)]
    pub cache_write_hour: Option<Dollars>,
    /// What a request costs, as a whole, that has more input than a bound.
    #[serde(default)]
    pub long_context: Option<LongContext>,
    /// How many times these prices a request costs that is served at a tier, by the provider's
    /// own word for it: OpenAI's `service_tier` (`priority`, `fast`, `ultrafast`, `flex`,
    /// `scale`), Anthropic's (`priority`, `batch`) and its `speed` (`fast`). `standard`,
    /// `default`, `standard_only` and `on_demand` cost once, and so does `auto`, which also stands
    /// for a request that names no tier: list `auto` where your account is served at another tier
    /// without asking. Any other word that is not listed costs as much as the dearest that is,
    /// and at least 6 times, so that an unknown tier is never cheap.
    #[serde(default)]
    pub tiers: BTreeMap<String, Times>,
}

#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::config) struct LongContext {
    /// Tokens of input, cached ones included. With one more, these prices hold for the whole
    /// request.
    pub above: u64,
    pub input: Dollars,
    pub output: Dollars,
    /// By default what `input` costs here.
    #[serde(default)]
    pub cache_read: Option<Dollars>,
    /// By default what `input` costs here.
    #[serde(default)]
    pub cache_write: Option<Dollars>,
    /// By default as `cache_write` here.
    #[serde(default)]
    pub cache_write_hour: Option<Dollars>,
}

fn at_least_one(count: usize) -> NonZeroUsize {
    NonZeroUsize::new(count).unwrap_or(NonZeroUsize::MIN)
}

fn data_address() -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], 8787))
}

fn admin_address() -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], 9787))
}

fn state_folder() -> String {
    String::from("state")
}

fn policies_folder() -> String {
    String::from("policies")
}
