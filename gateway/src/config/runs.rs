//! The run log as it is meant.

use std::path::Path;
use std::time::Duration;

use http::Uri;
use secrecy::SecretString;

pub use crate::config::document::Bodies;
use crate::config::{Problem, Secrets, document, secrets};

/// What is kept of runs, and where.
#[derive(Debug, Clone, Default)]
pub struct Runs {
    /// How long; none for ever.
    pub keep: Option<Duration>,
    pub bodies: Bodies,
    pub bodies_age: Duration,
    /// In bytes.
    pub bodies_size: u64,
    /// None where it is in the folder of the state.
    pub postgres: Option<Postgres>,
}

/// Where a fleet keeps its runs.
#[derive(Debug, Clone)]
pub struct Postgres {
    /// Hosts and ports, of which the first counts that takes what is written; never none.
    pub addresses: Vec<(String, u16)>,
    pub database: String,
    pub is_tls: bool,
    pub user: Option<String>,
    pub password: Option<SecretString>,
    /// The authority that signs the server's certificate, as PEM; none for those that this machine
    /// trusts.
    pub authority: Option<Vec<u8>>,
    /// How long a connection and a batch may take.
    pub timeout: Duration,
}

impl Postgres {
    /// The server and the database that a URL names, as whoever is there by default.
    ///
    /// # Errors
    /// What is wrong with the URL.
    pub fn parse(url: &str) -> Result<Self, String> {
        let (address, database) = address(url)?;
        Ok(Self {
            is_tls: !is_loopback(&address.0),
            addresses: vec![address],
            database,
            user: None,
            password: None,
            authority: None,
            timeout: document::runs_timeout().0,
        })
    }
}

/// Less would forget a run that is under way.
const SHORTEST: Duration = Duration::from_secs(86_400);

pub(in crate::config) fn load(
    (file, text): (&Path, &str),
    root: &Path,
    document: document::Runs,
    secrets: Secrets,
) -> Result<Runs, Problem> {
    let at = |word: &str, why: String| Problem::at_word(file, text, word, format!("runs: {why}"));
    let keep = document.keep.map(|keep| keep.0);
    if keep.is_some_and(|keep| keep < SHORTEST) {
        return Err(at("keep", String::from("`keep` must be at least 1d")));
    }
    let bodies_size = document.bodies_size.0 as u64;
    let runs = Runs { keep, bodies: document.bodies, bodies_age: document.bodies_age.0, bodies_size, postgres: None };
    if runs.bodies_age.is_zero() || bodies_size == 0 {
        return Err(at("bodies_", String::from("bodies that are kept for no time or in no room are `bodies: none`")));
    }
    let Some(postgres) = document.postgres else { return Ok(runs) };
    let mut parsed = Vec::with_capacity(postgres.urls.len());
    for url in &postgres.urls {
        parsed.push(Postgres::parse(url).map_err(|why| at(url, why))?);
    }
    let Some(database) = parsed.first().map(|first| first.database.clone()) else {
        let why = "`urls` is empty; name the server, as postgres://127.0.0.1:5432/jetway";
        return Err(at("urls", String::from(why)));
    };
    if let Some(other) = parsed.iter().position(|named| named.database != database) {
        return Err(at(&postgres.urls[other], String::from("all urls must name the same database")));
    }
    let password = postgres.password.map(|reference| secrets::fetch_anyway(reference, secrets));
    let password = password.transpose().map_err(|(word, why)| at(&word, why))?.flatten();
    let read = |path: &String| {
        let read = std::fs::read(root.join(path));
        read.map_err(|error| at(path, format!("the file {path} cannot be read: {error}")))
    };
    let authority = postgres.ca.as_ref().map(read).transpose()?;
    if postgres.timeout.0.is_zero() {
        return Err(at("timeout", String::from("`timeout` must be more than nothing")));
    }
    let is_far = parsed.iter().any(|named| named.is_tls);
    if postgres.tls == Some(false) && authority.is_some() {
        return Err(at("ca", String::from("`ca` is of no use with `tls: false`")));
    }
    let postgres = Postgres {
        addresses: parsed.into_iter().flat_map(|named| named.addresses).collect(),
        database,
        is_tls: postgres.tls.unwrap_or(is_far || authority.is_some()),
        user: postgres.user,
        password,
        authority,
        timeout: postgres.timeout.0,
    };
    Ok(Runs { postgres: Some(postgres), ..runs })
}

/// Whether what is sent to it never leaves this machine.
fn is_loopback(host: &str) -> bool {
    host == "localhost" || host.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
}

/// A host with its port, and a database.
fn address(url: &str) -> Result<((String, u16), String), String> {
    let wanted = || String::from("a server is named as postgres://host:5432/database");
    let uri: Uri = url.parse().map_err(|_| wanted())?;
    if !matches!(uri.scheme_str(), Some("postgres" | "postgresql")) {
        return Err(wanted());
    }
    if uri.authority().is_some_and(|authority| authority.as_str().contains('@')) {
        return Err(String::from("a URL must not hold a credential; use `user` and `password`"));
    }
    if uri.query().is_some() {
        return Err(String::from("a URL must hold no options; `user`, `password`, `tls`, `ca` and `timeout` are them"));
    }
    let host = uri.host().filter(|host| !host.is_empty()).ok_or_else(wanted)?;
    let database = uri.path().trim_matches('/');
    if database.is_empty() || database.contains('/') {
        return Err(wanted());
    }
    let host = host.trim_start_matches('[').trim_end_matches(']').to_owned();
    Ok(((host, uri.port_u16().unwrap_or(5432)), database.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_names_a_host_and_a_database_and_nothing_else() {
        let check = |url: &str, wanted: Option<(&str, u16, &str)>| {
            let parsed = address(url).ok();
            let parsed = parsed.as_ref().map(|((host, port), name)| (host.as_str(), *port, name.as_str()));
            assert_eq!(parsed, wanted, "{url}");
        };
        check("postgres://db.internal/jetway", Some(("db.internal", 5432, "jetway")));
        check("postgresql://[::1]:5433/runs", Some(("::1", 5433, "runs")));
        for wrong in ["", "db", "redis://db/jetway", "postgres://db", "postgres://a:b@db/jetway"] {
            check(wrong, None);
        }
        check("postgres://db/jetway?sslmode=disable", None);
    }
}
