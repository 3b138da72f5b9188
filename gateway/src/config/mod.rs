//! Configuration: as it is written, then as it is meant. Only this module reads the environment.

mod document;
mod policies;
mod providers;
pub mod schema;
mod secrets;
mod tls;
pub mod yaml;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use jetway_core::policy::budget;
use jetway_core::price::{Price, Prices};

pub use document::{Kind, Limits};
pub use jetway_core::units;
pub use policies::Policy;
pub use providers::{Credentials, Provider, Timeouts};
pub use yaml::Problem;

use crate::tls::server::Server;

/// Everything that operators configure, checked.
#[derive(Debug, Clone)]
pub struct Config {
    pub listen: SocketAddr,
    /// None where agents are spoken to in plain HTTP, or secrets were left.
    pub tls: Option<Server>,
    pub admin: SocketAddr,
    pub state: PathBuf,
    pub default_policy: String,
    pub limits: Limits,
    pub providers: BTreeMap<String, Provider>,
    pub policies: BTreeMap<String, Policy>,
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
        let prices = keep(prices(&folder.join("prices.yaml")), &mut problems).unwrap_or_default();
        let policies_folder = root.join(&document.policies);
        let client_ca = document.tls.as_ref().is_some_and(|tls| tls.client_ca.is_some());
        let known = policies::Known { providers: &names, client_ca, secrets };
        let policies = policies::load(&policies_folder, &known, &mut problems);
        let server = document.tls.as_ref().map(|tls| tls::load((file, &text), &root, tls, secrets));
        let server = server.and_then(|server| keep(server, &mut problems)).flatten();
        if !policies.contains_key(&document.default_policy) && problems.is_empty() {
            let message = format!("`default_policy` is {:?}, and there is no such policy", document.default_policy);
            problems.push(Problem::at_word(file, &text, "default_policy", message));
        }
        if !problems.is_empty() {
            return Err(problems);
        }
        Ok(Self {
            listen: document.listen,
            tls: server,
            admin: document.admin.listen,
            state: root.join(&document.state),
            default_policy: document.default_policy,
            limits: document.limits,
            providers,
            policies,
            prices,
            watched: vec![folder.to_owned(), policies_folder],
            watched_alone: document.tls.as_ref().map(|tls| tls::folders(&root, tls)).unwrap_or_default(),
        })
    }
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

fn prices(file: &Path) -> Result<Prices, Problem> {
    let text = yaml::text(file)?;
    let document: document::Prices = yaml::parse(file, &text)?;
    let row = |row: document::PriceRow| {
        let dollars = |amount: f64| {
            budget::micros(amount).map_err(|error| Problem::at_word(file, &text, row.model.as_str(), error.to_string()))
        };
        let or = |amount: Option<f64>, other| amount.map_or(Ok(other), dollars);
        let input = dollars(row.input)?;
        let cache_write = or(row.cache_write, input)?;
        let price = Price {
            input,
            cache_read: or(row.cache_read, input)?,
            cache_write,
            cache_write_hour: or(row.cache_write_hour, cache_write)?,
            output: dollars(row.output)?,
        };
        Ok((row.model, price))
    };
    document.prices.into_iter().map(row).collect::<Result<_, _>>().map(Prices::new)
}

/// A variable of the environment; none when it is not set or is empty.
#[must_use]
#[expect(clippy::disallowed_methods, reason = "the one place that reads the environment")]
pub fn environment(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}
