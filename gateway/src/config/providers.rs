//! Providers as they are meant.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use http::Uri;
use jetway_core::policy::models::Offer;
use jetway_core::secret::Reference;
use jetway_core::wire::Dialect;
use secrecy::SecretString;

use crate::config::document::{self, Kind};
use crate::config::{Problem, Secrets, secrets};

/// Somebody who is asked for replies.
#[derive(Debug, Clone)]
pub struct Provider {
    pub name: String,
    pub kind: Kind,
    /// Without a slash at its end.
    pub base_url: Uri,
    pub credentials: Credentials,
    pub timeouts: Timeouts,
    /// What policies decide by.
    pub offer: Offer,
}

/// Whose credential the provider is shown.
#[derive(Debug, Clone)]
pub enum Credentials {
    /// The caller's own.
    Passthrough,
    /// The operator's.
    Own(SecretString),
}

#[derive(Debug, Clone, Copy)]
pub struct Timeouts {
    pub connect: Duration,
    pub first_byte: Duration,
    pub whole: Duration,
    pub between_bytes: Duration,
}

impl Provider {
    /// A provider at this address that speaks every dialect, serves every model and takes any
    /// credential: the scripted one of `jetway serve --demo`.
    #[must_use]
    pub fn scripted(name: &str, kind: Kind, base_url: Uri) -> Self {
        let everything = jetway_core::glob::Glob::parse("*").into_iter().collect();
        let speaks = default_dialects(kind);
        Self {
            name: name.to_owned(),
            kind,
            base_url,
            credentials: Credentials::Passthrough,
            timeouts: document::Timeouts::default().into(),
            offer: Offer { name: name.to_owned(), speaks, models: everything },
        }
    }
}

impl From<document::Timeouts> for Timeouts {
    fn from(timeouts: document::Timeouts) -> Self {
        Self {
            connect: timeouts.connect.0,
            first_byte: timeouts.first_byte.0,
            whole: timeouts.whole.0,
            between_bytes: timeouts.between_bytes.0,
        }
    }
}

fn default_dialects(kind: Kind) -> Vec<Dialect> {
    match kind {
        Kind::Anthropic => vec![Dialect::Messages],
        Kind::Openai => vec![Dialect::Chat, Dialect::Responses],
    }
}

pub(in crate::config) fn load(
    (file, text): (&Path, &str),
    documents: BTreeMap<String, document::Provider>,
    secrets: Secrets,
    problems: &mut Vec<Problem>,
) -> BTreeMap<String, Provider> {
    let mut providers = BTreeMap::new();
    for (name, document) in documents {
        match provider(&name, document, secrets) {
            Ok(provider) => {
                providers.insert(name, provider);
            }
            Err((word, message)) => {
                let message = format!("providers.{name}: {message}");
                problems.push(Problem::at_word(file, text, &word, message));
            }
        }
    }
    providers
}

/// The error is a word to find the line by, and a sentence.
fn provider(name: &str, document: document::Provider, secrets: Secrets) -> Result<Provider, (String, String)> {
    let base_url = base_url(&document.base_url).map_err(|why| (document.base_url.clone(), why))?;
    let credentials = match document.credentials {
        document::Credentials::Passthrough => Credentials::Passthrough,
        document::Credentials::Env(variable) => own(Reference::Env(variable), secrets)?,
        document::Credentials::File(path) => own(Reference::File(path), secrets)?,
    };
    if document.models.is_empty() {
        return Err((name.to_owned(), "`models` is empty, so it would never be asked; use [\"*\"] for any".to_owned()));
    }
    let speaks = document.speaks.unwrap_or_else(|| default_dialects(document.kind));
    Ok(Provider {
        name: name.to_owned(),
        kind: document.kind,
        base_url,
        credentials,
        timeouts: document.timeouts.into(),
        offer: Offer { name: name.to_owned(), speaks, models: document.models },
    })
}

fn own(reference: Reference, secrets: Secrets) -> Result<Credentials, (String, String)> {
    let with_advice = |(word, why)| (word, format!("{why}; put the key there, or use `credentials: passthrough`"));
    secrets::fetch(reference, secrets).map(Credentials::Own).map_err(with_advice)
}

fn base_url(text: &str) -> Result<Uri, String> {
    let uri: Uri = text.trim_end_matches('/').parse().map_err(|error| format!("{text:?} is not a URL: {error}"))?;
    let is_http = matches!(uri.scheme_str(), Some("http" | "https"));
    if !is_http || uri.host().is_none_or(str::is_empty) || uri.query().is_some() {
        return Err(format!("{text:?} must be a URL such as https://api.example.com/v1, without a query"));
    }
    if uri.authority().is_some_and(|authority| authority.as_str().contains('@')) {
        return Err("a URL must not hold a credential; use `credentials`".to_owned());
    }
    Ok(uri)
}
