//! Which endpoint a path means. A path that is not listed here is served to nobody.

use crate::wire::Dialect;

/// What a request asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Endpoint {
    /// A reply of the model.
    Reply(Dialect),
    /// How many tokens a Messages request has.
    CountTokens,
    /// The models that the caller may use.
    Models,
    /// What the caller may still spend.
    Usage,
    /// That a run is over.
    End,
    /// Whether somebody is there.
    Probe,
}

impl Endpoint {
    /// Whether a model is asked to write something, which costs money.
    #[must_use]
    pub fn is_reply(self) -> bool {
        matches!(self, Self::Reply(_))
    }

    /// The dialect of an endpoint that has one of its own.
    #[must_use]
    pub fn dialect(self) -> Option<Dialect> {
        match self {
            Self::Reply(dialect) => Some(dialect),
            Self::CountTokens => Some(Dialect::Messages),
            Self::Models | Self::Usage | Self::End | Self::Probe => None,
        }
    }

    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Reply(_) => "reply",
            Self::CountTokens => "count_tokens",
            Self::Models => "models",
            Self::Usage => "usage",
            Self::End => "end",
            Self::Probe => "probe",
        }
    }
}

/// A path that means something: `/{policy}/v1/…`, or without the policy for the default one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Route<'a> {
    pub policy: Option<&'a str>,
    pub endpoint: Endpoint,
}

/// Why a path is not served.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NoRoute {
    /// No endpoint has this path.
    Unknown,
    /// The endpoint exists, for another method.
    Method { allowed: &'static str },
}

/// Finds the endpoint. The path must be spelled exactly: no dots, doubled slashes or escapes.
///
/// # Errors
/// [`NoRoute`] for every path and method that is not listed.
pub fn route<'a>(method: &str, path: &'a str) -> Result<Route<'a>, NoRoute> {
    let (policy, rest) = split(path);
    let reply = |dialect| Endpoint::Reply(dialect);
    let (endpoint, allowed) = match rest {
        "/v1/messages" => (reply(Dialect::Messages), "POST"),
        "/v1/messages/count_tokens" => (Endpoint::CountTokens, "POST"),
        "/v1/chat/completions" | "/chat/completions" => (reply(Dialect::Chat), "POST"),
        "/v1/responses" | "/responses" => (reply(Dialect::Responses), "POST"),
        "/v1/models" | "/models" => (Endpoint::Models, "GET"),
        "/v1/usage" | "/usage" => (Endpoint::Usage, "GET"),
        "" | "/" | "/api/hello" => (Endpoint::Probe, "HEAD"),
        _ if run_to_end(rest).is_some() => (Endpoint::End, "POST"),
        _ => return Err(NoRoute::Unknown),
    };
    if method == allowed || (allowed == "HEAD" && method == "GET") {
        Ok(Route { policy, endpoint })
    } else {
        Err(NoRoute::Method { allowed })
    }
}

/// The run, or the session, that a path of [`Endpoint::End`] names: `/wizard/v1/runs/{id}/end`.
#[must_use]
pub fn run_to_end(path: &str) -> Option<&str> {
    let (_, rest) = split(path);
    let id = rest.strip_prefix("/v1/runs/")?.strip_suffix("/end")?;
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.:".contains(&byte);
    (!id.is_empty() && id.len() <= 200 && id.bytes().all(plain)).then_some(id)
}

/// The dialect that a caller of an unknown path most likely speaks, so that it can read the answer.
#[must_use]
pub fn likely_dialect(path: &str, has_anthropic_version: bool) -> Dialect {
    if has_anthropic_version || path.contains("/messages") {
        Dialect::Messages
    } else if path.ends_with("/responses") {
        Dialect::Responses
    } else {
        Dialect::Chat
    }
}

/// First segments that are not the name of a policy.
const RESERVED: &[&str] = &["v1", "chat", "responses", "models", "usage", "api"];

/// Whether a policy of this name could be reached by a path.
#[must_use]
pub fn is_policy_name(name: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-' || byte == b'_';
    !name.is_empty() && name.len() <= 64 && name.bytes().all(plain) && !RESERVED.contains(&name)
}

fn split(path: &str) -> (Option<&str>, &str) {
    let Some(inside) = path.strip_prefix('/') else { return (None, path) };
    let (first, rest) = match inside.find('/') {
        Some(at) => (&inside[..at], &inside[at..]),
        None => (inside, ""),
    };
    if is_policy_name(first) { (Some(first), rest) } else { (None, path) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(method: &str, path: &str, policy: Option<&str>, endpoint: Endpoint) {
        assert_eq!(route(method, path), Ok(Route { policy, endpoint }), "{method} {path}");
    }

    #[test]
    fn every_endpoint_is_reached_with_and_without_a_policy() {
        let messages = Endpoint::Reply(Dialect::Messages);
        check("POST", "/v1/messages", None, messages);
        check("POST", "/wizard/v1/messages", Some("wizard"), messages);
        check("POST", "/wizard/v1/messages/count_tokens", Some("wizard"), Endpoint::CountTokens);
        check("POST", "/v1/chat/completions", None, Endpoint::Reply(Dialect::Chat));
        check("POST", "/coding/v1/responses", Some("coding"), Endpoint::Reply(Dialect::Responses));
        check("POST", "/responses", None, Endpoint::Reply(Dialect::Responses));
        check("POST", "/coding/responses", Some("coding"), Endpoint::Reply(Dialect::Responses));
        check("GET", "/v1/models", None, Endpoint::Models);
        check("GET", "/wizard/v1/usage", Some("wizard"), Endpoint::Usage);
        check("POST", "/v1/runs/run_0f/end", None, Endpoint::End);
        check("POST", "/wizard/v1/runs/3f2a-11:b/end", Some("wizard"), Endpoint::End);
        assert_eq!(run_to_end("/wizard/v1/runs/3f2a-11:b/end"), Some("3f2a-11:b"));
        check("HEAD", "/", None, Endpoint::Probe);
        check("HEAD", "/wizard", Some("wizard"), Endpoint::Probe);
    }

    #[test]
    fn nothing_else_is() {
        for path in [
            "/v1/files",
            "//v1/messages",
            "/v1/./messages",
            "/v1/../v1/messages",
            "/v1/messages/",
            "/v1/messages;x",
            "/%761/messages",
            "/a/b/v1/messages",
            "/V1/messages",
            "/v1/messages/batches",
            "/Wizard/v1/messages",
            "*",
            "/v1/runs//end",
            "/v1/runs/a/b/end",
            "/v1/runs/a%2fb/end",
            "/v1/runs/a",
        ] {
            assert_eq!(route("POST", path), Err(NoRoute::Unknown), "{path}");
        }
        assert_eq!(route("GET", "/v1/messages"), Err(NoRoute::Method { allowed: "POST" }));
    }
}
