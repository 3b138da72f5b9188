//! Addresses of those who are asked about tokens.

use core::net::Ipv4Addr;

use schemars::JsonSchema;
use serde::Deserialize;

/// An address that a secret or a question about one may be sent to: `https`, or `http` to this
/// very machine.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Deserialize)]
#[serde(try_from = "String")]
pub struct Url(String);

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadUrl {
    #[error("{0:?} is not a URL such as https://id.example.com/keys")]
    Syntax(String),
    #[error("{0:?} begins with http:, and what travels there could be read and changed on its way; use https:")]
    Plain(String),
    #[error("a URL must not hold a credential")]
    Credential,
}

impl TryFrom<String> for Url {
    type Error = BadUrl;

    fn try_from(text: String) -> Result<Self, BadUrl> {
        let rest = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://"));
        let Some(rest) = rest else { return Err(BadUrl::Syntax(text)) };
        let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
        if authority.contains('@') {
            return Err(BadUrl::Credential);
        }
        let is_sound =
            !host(authority).is_empty() && text.chars().all(|c| c.is_ascii_graphic() && !"\\\"<>#".contains(c));
        if !is_sound {
            return Err(BadUrl::Syntax(text));
        }
        if text.starts_with("http://") && !is_loopback(host(authority)) {
            return Err(BadUrl::Plain(text));
        }
        Ok(Self(text))
    }
}

impl JsonSchema for Url {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Url".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({
            "type": "string",
            "pattern": "^https?://",
            "description": "An `https` URL; `http` only to this machine (localhost, 127.0.0.1).",
        })
    }
}

impl Url {
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether what travels there is not encrypted, because it does not leave this machine.
    #[must_use]
    pub fn is_plain(&self) -> bool {
        self.0.starts_with("http://")
    }
}

fn host(authority: &str) -> &str {
    if authority.starts_with('[') {
        return authority.split_inclusive(']').next().unwrap_or_default();
    }
    authority.split(':').next().unwrap_or_default()
}

fn is_loopback(host: &str) -> bool {
    host.eq_ignore_ascii_case("localhost")
        || host == "[::1]"
        || host.parse::<Ipv4Addr>().is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, expect: Result<(), BadUrl>) {
        assert_eq!(Url::try_from(text.to_owned()).map(drop), expect, "{text}");
    }

    #[test]
    fn only_what_cannot_be_listened_to_is_taken() {
        check("https://id.example.com", Ok(()));
        check("https://id.example.com:8443/a/b?c=d", Ok(()));
        for plain in ["http://127.0.0.1:4000/keys", "http://localhost", "http://LOCALHOST:1/", "http://[::1]:4000/keys"]
        {
            check(plain, Ok(()));
        }
        for plain in ["http://id.example.com", "http://127.0.0.1.example.com", "http://localhost.example.com/"] {
            check(plain, Err(BadUrl::Plain(plain.into())));
        }
    }

    #[test]
    fn what_is_no_url_is_refused() {
        for bad in
            ["", "id.example.com", "ftp://id.example.com", "https://", "https:///keys", "https://a b/", "https://a/#b"]
        {
            check(bad, Err(BadUrl::Syntax(bad.into())));
        }
        check("https://user:word@id.example.com/", Err(BadUrl::Credential));
        // Another reader of URLs could take what stands before the @ for the host.
        check("http://127.0.0.1@id.example.com/", Err(BadUrl::Credential));
    }
}
