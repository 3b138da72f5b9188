//! Where spans are sent to.

use std::collections::BTreeMap;
use std::num::NonZeroUsize;
use std::path::Path;
use std::time::Duration;

use http::{HeaderMap, HeaderName, HeaderValue, Uri};
use jetway_core::secret::Reference;
use jetway_core::units::Span;
use schemars::JsonSchema;
use secrecy::ExposeSecret;
use serde::Deserialize;

use crate::config::{Problem, Secrets, secrets};

/// A collector of OpenTelemetry, which is sent a span for every run, turn and tool call.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Traces")]
pub(in crate::config) struct Document {
    /// Where it takes OTLP over HTTP, in protobuf: http://127.0.0.1:4318/v1/traces.
    pub otlp: String,
    /// Headers that it wants, such as an authorization.
    #[serde(default)]
    pub headers: BTreeMap<String, Reference>,
    /// How long one batch may take.
    #[serde(default = "timeout")]
    pub timeout: Span,
    /// Spans that wait at most; of more, the newest are shed.
    #[serde(default = "queue")]
    pub queue: NonZeroUsize,
    /// Whether spans say whose they are: the user and the team.
    #[serde(default)]
    pub users: bool,
}

fn timeout() -> Span {
    Span(Duration::from_secs(10))
}

fn queue() -> NonZeroUsize {
    NonZeroUsize::MIN.saturating_add(8_191)
}

/// The same, as it is meant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Traces {
    pub url: Uri,
    /// Marked as sensitive, so that nothing prints their values.
    pub headers: HeaderMap,
    pub timeout: Duration,
    pub queue: usize,
    pub users: bool,
}

pub(in crate::config) fn load(
    (file, text): (&Path, &str),
    document: Document,
    secrets: Secrets,
) -> Result<Traces, Problem> {
    let at = |word: &str, why: String| Problem::at_word(file, text, word, format!("traces: {why}"));
    let url = url(&document.otlp).map_err(|why| at(&document.otlp, why))?;
    if document.timeout.0.is_zero() {
        return Err(at("timeout", String::from("`timeout` must be more than nothing")));
    }
    let mut headers = HeaderMap::new();
    for (name, reference) in document.headers {
        let wrong = |what: &str| at(&name, format!("headers.{name}: {what}"));
        let header = HeaderName::try_from(&name).map_err(|_| wrong("this is no name of a header"))?;
        let secret = secrets::fetch_anyway(reference, secrets).map_err(|(word, why)| at(&word, why))?;
        let Some(secret) = secret else { continue };
        let value = HeaderValue::try_from(secret.expose_secret());
        let mut value = value.map_err(|_| wrong("its secret has characters that no header may have"))?;
        value.set_sensitive(true);
        headers.insert(header, value);
    }
    Ok(Traces { url, headers, timeout: document.timeout.0, queue: document.queue.get(), users: document.users })
}

fn url(text: &str) -> Result<Uri, String> {
    let wanted = || format!("{text:?} must be a URL such as http://127.0.0.1:4318/v1/traces");
    let uri: Uri = text.parse().map_err(|_| wanted())?;
    if !matches!(uri.scheme_str(), Some("http" | "https")) || uri.host().is_none_or(str::is_empty) {
        return Err(wanted());
    }
    if uri.authority().is_some_and(|authority| authority.as_str().contains('@')) {
        return Err(String::from("a URL must not hold a credential; use `headers`"));
    }
    if matches!(uri.path(), "" | "/") {
        return Err(format!("{text:?} must say the path too, which is /v1/traces at most collectors"));
    }
    Ok(uri)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_is_whole_and_holds_no_credential() {
        let check = |text: &str, wrong: Option<&str>| match (url(text), wrong) {
            (Ok(url), None) => assert_eq!(url.to_string(), text),
            (Err(why), Some(word)) => assert!(why.contains(word), "{text}: {why}"),
            (found, _) => std::panic::panic_any(format!("{text}: {found:?}")),
        };
        check("http://127.0.0.1:4318/v1/traces", None);
        check("https://otel.example.com/otlp/v1/traces?tenant=a", None);
        check("https://otel.example.com", Some("/v1/traces at most"));
        check("https://otel.example.com/", Some("/v1/traces at most"));
        check("https://me:secret@otel.example.com/v1/traces", Some("`headers`"));
        for text in ["grpc://127.0.0.1:4317/v1/traces", "127.0.0.1:4318", "/v1/traces", ""] {
            check(text, Some("must be a URL"));
        }
    }
}
