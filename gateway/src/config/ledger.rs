//! The ledger's server as it is meant.

use std::path::Path;
use std::time::Duration;

use http::Uri;
use secrecy::SecretString;

use crate::config::{Problem, Secrets, document, secrets};

/// Where a fleet keeps its budgets.
#[derive(Debug, Clone)]
pub struct Redis {
    /// Hosts and ports, of which the first that answers counts; never none.
    pub addresses: Vec<(String, u16)>,
    pub servers: Servers,
    pub is_tls: bool,
    pub database: i64,
    pub user: Option<String>,
    pub password: Option<SecretString>,
    /// The authority that signs the server's certificate, as PEM; none for those that this machine
    /// trusts.
    pub authority: Option<Vec<u8>>,
    /// How long one call may take.
    pub timeout: Duration,
    /// How long a hold lives without its process.
    pub lease: Duration,
}

/// How the servers are found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Servers {
    /// There is one.
    Single,
    /// Sentinels know the master of this name.
    Sentinel(String),
    Cluster,
}

/// The shortest lease: a process must have the time to renew it.
const SHORTEST_LEASE: Duration = Duration::from_secs(3);

pub(in crate::config) fn load(
    (file, text): (&Path, &str),
    root: &Path,
    document: document::Redis,
    secrets: Secrets,
) -> Result<Redis, Problem> {
    let at = |word: &str, why: String| Problem::at_word(file, text, word, format!("ledger: {why}"));
    let mut parsed = Vec::with_capacity(document.urls.len());
    for url in &document.urls {
        parsed.push(address(url).map_err(|why| at(url, why))?);
    }
    let Some(first) = parsed.first().cloned() else {
        return Err(at("urls", String::from("`urls` is empty; name the server, as redis://127.0.0.1:6379/0")));
    };
    if let Some(at_other) = parsed.iter().position(|url| url.is_tls != first.is_tls || url.database != first.database) {
        return Err(at(&document.urls[at_other], String::from("all urls must agree on TLS and on the database")));
    }
    let servers = match (document.sentinel, document.cluster) {
        (Some(_), true) => {
            return Err(at("cluster", String::from("servers are found by `sentinel` or as a `cluster`")));
        }
        (Some(master), false) => Servers::Sentinel(master),
        (None, true) if first.database != 0 => {
            return Err(at(&document.urls[0], String::from("a cluster has only the database 0")));
        }
        (None, true) => Servers::Cluster,
        (None, false) if parsed.len() > 1 => {
            return Err(at("urls", String::from("several urls are those of sentinels or of a cluster: say which")));
        }
        (None, false) => Servers::Single,
    };
    let password = document.password.map(|reference| secrets::fetch_anyway(reference, secrets));
    let password = password.transpose().map_err(|(word, why)| at(&word, why))?.flatten();
    let read = |path: &String| {
        let read = std::fs::read(root.join(path));
        read.map_err(|error| at(path, format!("the file {path} cannot be read: {error}")))
    };
    let authority = document.ca.as_ref().map(read).transpose()?;
    if document.lease.0 < SHORTEST_LEASE {
        return Err(at("lease", String::from("`lease` must be at least 3s, or holds end before they are renewed")));
    }
    if document.timeout.0.is_zero() {
        return Err(at("timeout", String::from("`timeout` must be more than nothing")));
    }
    Ok(Redis {
        addresses: parsed.into_iter().map(|url| (url.host, url.port)).collect(),
        servers,
        is_tls: first.is_tls,
        database: first.database,
        user: document.user,
        password,
        authority,
        timeout: document.timeout.0,
        lease: document.lease.0,
    })
}

#[derive(Debug, Clone)]
struct Address {
    host: String,
    port: u16,
    is_tls: bool,
    database: i64,
}

fn address(url: &str) -> Result<Address, String> {
    let wanted = || String::from("a server is named as redis://host:6379/0, or rediss:// for TLS");
    let uri: Uri = url.parse().map_err(|_| wanted())?;
    let is_tls = match uri.scheme_str() {
        Some("redis") => false,
        Some("rediss") => true,
        _ => return Err(wanted()),
    };
    if uri.authority().is_some_and(|authority| authority.as_str().contains('@')) {
        return Err(String::from("a URL must not hold a credential; use `user` and `password`"));
    }
    let host = uri.host().filter(|host| !host.is_empty()).ok_or_else(wanted)?;
    let database = match uri.path().trim_matches('/') {
        "" => 0,
        text => text.parse().map_err(|_| wanted())?,
    };
    let host = host.trim_start_matches('[').trim_end_matches(']').to_owned();
    Ok(Address { host, port: uri.port_u16().unwrap_or(6379), is_tls, database })
}
