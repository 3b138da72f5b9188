//! Configuration: as it is written, then as it is meant. Only this module reads the environment.

mod admin;
mod document;
mod ledger;
mod log;
mod policies;
mod prices;
mod providers;
mod runs;
pub mod schema;
mod secrets;
mod tls;
mod traces;
pub mod yaml;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use jetway_core::policy::budget::rate::{Rate, Scope};
use jetway_core::price::Prices;
use jetway_core::secret::Reference;
use secrecy::{ExposeSecret, SecretString};

pub use admin::{SHORTEST_TOKEN, Token, address as admin_address};
pub use document::{Kind, Limits};
pub use jetway_core::units;
pub use ledger::{Redis, Servers};
pub use log::MODULES;
pub use policies::{Interrogation, Policy};
pub use providers::{Credentials, Provider, Timeouts};
pub use runs::{Bodies, Postgres, Runs};
pub use traces::Traces;
pub use yaml::Problem;

use crate::tls::server::Server;

/// Everything that operators configure, checked.
#[derive(Debug, Clone)]
pub struct Config {
    pub listen: SocketAddr,
    /// None where agents are spoken to in plain HTTP, or secrets were left.
    pub tls: Option<Server>,
    pub admin: SocketAddr,
    /// None where it is in the folder of the state.
    pub admin_token: Option<Token>,
    /// How many run tokens may be minted for one user.
    pub mints: Rate,
    pub state: PathBuf,
    /// What digests are made with, where it is not made in the folder of the state.
    pub secret: Option<SecretString>,
    /// None where budgets are counted in the folder of the state.
    pub ledger: Option<Redis>,
    pub runs: Runs,
    /// What is logged, as `telemetry` takes it.
    pub log: String,
    /// Where spans are sent to; none where they are not made.
    pub traces: Option<Traces>,
    pub default_policy: String,
    pub limits: Limits,
    pub providers: BTreeMap<String, Provider>,
    pub policies: BTreeMap<String, Policy>,
    /// The folder that they are in; tables of cases are in `cases` below it.
    pub policies_folder: PathBuf,
    pub prices: Prices,
    /// The folders whose files make up this configuration, with all that is below them.
    pub watched: Vec<PathBuf>,
    /// Folders of which only the files count that lie in them.
    pub watched_alone: Vec<PathBuf>,
}

/// Whether the credentials of providers are wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Secrets {
    /// To serve: every one must be there.
    Read,
    /// To look at the configuration or the state: an operator's shell has no need of them.
    Leave,
}

impl Config {
    /// Reads `gateway.yaml`, `prices.yaml` beside it, and the folder of policies.
    ///
    /// # Errors
    /// Every [`Problem`] that was found, in all files.
    pub fn load(file: &Path, secrets: Secrets) -> Result<Self, Vec<Problem>> {
        if !file.exists() {
            let message =
                "there is no such file; start Jetway in the folder that holds config/, or name the file with --config";
            return Err(vec![Problem::of_file(file, message)]);
        }
        let text = yaml::text(file).map_err(|problem| vec![problem])?;
        let document: document::Gateway = yaml::parse(file, &text).map_err(|problem| vec![problem])?;
        let folder = file.parent().unwrap_or(Path::new(""));
        let root = above(folder);
        let mut problems = Vec::new();
        let names: Vec<String> = document.providers.keys().cloned().collect();
        let providers = providers::load((file, &text), document.providers, secrets, &mut problems);
        let prices = keep(prices::load(&folder.join("prices.yaml")), &mut problems).unwrap_or_default();
        let policies_folder = root.join(&document.policies);
        let client_ca = document.tls.as_ref().is_some_and(|tls| tls.client_ca.is_some());
        let known = policies::Known { names: &names, providers: &providers, client_ca, secrets };
        let policies = policies::load(&policies_folder, &known, &mut problems);
        let server = document.tls.as_ref().map(|tls| tls::load((file, &text), &root, tls, secrets));
        let server = server.and_then(|server| keep(server, &mut problems)).flatten();
        if !policies.contains_key(&document.default_policy) && problems.is_empty() {
            let message = format!("`default_policy` is {:?}, and there is no such policy", document.default_policy);
            problems.push(Problem::at_word(file, &text, "default_policy", message));
        }
        let ledger = document.ledger.map(|ledger| ledger::load((file, &text), &root, ledger.redis, secrets));
        let ledger = ledger.and_then(|ledger| keep(ledger, &mut problems));
        let runs = runs::load((file, &text), &root, document.runs, secrets);
        let runs = keep(runs, &mut problems).unwrap_or_default();
        let log = keep(log::load((file, &text), &document.log), &mut problems).unwrap_or_default();
        let traces = document.traces.map(|traces| traces::load((file, &text), traces, secrets));
        let traces = traces.and_then(|traces| keep(traces, &mut problems));
        let secret = secret((file, &text), (document.secret, ledger.is_some()), secrets);
        let secret = keep(secret, &mut problems).flatten();
        let admin_token = admin::load((file, &text), document.admin.token, secrets);
        let admin_token = keep(admin_token, &mut problems).flatten();
        let document::Mints { tokens, every } = document.admin.mints;
        let mints = Rate::of_requests(Scope::User, tokens, every)
            .map_err(|error| problems.push(Problem::at_word(file, &text, "mints", error.to_string())));
        let (Ok(mints), true) = (mints, problems.is_empty()) else { return Err(problems) };
        Ok(Self {
            listen: document.listen,
            tls: server,
            admin: document.admin.listen,
            admin_token,
            mints,
            state: root.join(&document.state),
            ledger,
            runs,
            log,
            traces,
            secret,
            default_policy: document.default_policy,
            limits: document.limits,
            providers,
            policies,
            prices,
            watched: vec![folder.to_owned(), policies_folder.clone()],
            policies_folder,
            watched_alone: document.tls.as_ref().map(|tls| tls::folders(&root, tls)).unwrap_or_default(),
        })
    }
}

impl Config {
    /// A policy of any folder, for this gateway: as it was, or as it might be.
    ///
    /// # Errors
    /// [`Problem`] when it is not sound.
    pub fn policy_in(&self, folder: &Path) -> Result<Policy, Problem> {
        let names: Vec<String> = self.providers.keys().cloned().collect();
        let (providers, secrets) = (&self.providers, Secrets::Leave);
        policies::policy(folder, &policies::Known { names: &names, providers, client_ca: true, secrets })
    }
}

/// The secret of a fleet. Without a common one a caller who is passed through would be somebody
/// else to every Jetway, and have a budget with each.
fn secret(
    (file, text): (&Path, &str),
    (reference, is_fleet): (Option<Reference>, bool),
    secrets: Secrets,
) -> Result<Option<SecretString>, Problem> {
    let Some(reference) = reference else {
        if !is_fleet {
            return Ok(None);
        }
        let why = "a ledger that is shared needs a `secret` that all Jetways share, such as `secret: { file: /run/secrets/jetway }`";
        return Err(Problem::at_word(file, text, "ledger", why));
    };
    let secret = secrets::fetch_anyway(reference, secrets)
        .map_err(|(word, why)| Problem::at_word(file, text, &word, format!("secret: {why}")))?;
    if secret.as_ref().is_some_and(|secret| secret.expose_secret().len() < 32) {
        return Err(Problem::at_word(file, text, "secret", "the secret must have 32 characters or more"));
    }
    Ok(secret)
}

/// The folder above this one; paths in the configuration are relative to it.
fn above(folder: &Path) -> PathBuf {
    if folder.as_os_str().is_empty() {
        PathBuf::from("..")
    } else {
        folder.parent().unwrap_or(Path::new("")).to_owned()
    }
}

fn keep<T>(result: Result<T, Problem>, problems: &mut Vec<Problem>) -> Option<T> {
    result.map_err(|problem| problems.push(problem)).ok()
}

/// A variable of the environment; none when it is not set or is empty.
#[must_use]
#[expect(clippy::disallowed_methods, reason = "the one place that reads the environment")]
pub fn environment(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}
