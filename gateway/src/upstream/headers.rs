//! Which headers travel. All do, but those that belong to one connection and those of ours:
//! agents and providers agree on new ones without asking us.

use http::header;
use http::{HeaderMap, HeaderValue};

use jetway_core::policy::identity::choice::Carried;
use jetway_core::wire::agent::KEY_HEADER;
use jetway_core::wire::limits::is_of_key;

/// Headers of one connection (RFC 9110 7.6.1), and of a body as it was before we read it.
const OF_ONE_CONNECTION: &[&str] = &[
    "connection",
    "keep-alive",
    "proxy-connection",
    "proxy-authenticate",
    "proxy-authorization",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "host",
    "expect",
    "content-length",
];

/// The headers that carry a credential for a provider.
const CREDENTIALS: &[&str] = &["authorization", "x-api-key", "x-goog-api-key", "api-key"];
/// Headers that say on whose account something is done.
const ACCOUNTS: &[&str] = &["openai-organization", "openai-project", "x-goog-user-project"];

/// The agent's headers as they go to the provider: without any credential that is ours.
#[must_use]
pub fn outbound(headers: &HeaderMap, is_ours: impl Fn(&str) -> bool) -> HeaderMap {
    let mut out = end_to_end(headers);
    out.remove(header::CONTENT_ENCODING);
    // A reply that is compressed could not be checked as it passes.
    out.insert(header::ACCEPT_ENCODING, HeaderValue::from_static("identity"));
    let ours: Vec<_> = out.keys().filter(|name| is_our_header(name.as_str())).cloned().collect();
    for name in ours {
        out.remove(name);
    }
    for name in CREDENTIALS.iter().copied() {
        let is_foreign = |value: &&HeaderValue| !credential(value).is_some_and(&is_ours);
        let foreign: Vec<_> = out.get_all(name).iter().filter(is_foreign).cloned().collect();
        out.remove(name);
        for mut value in foreign {
            value.set_sensitive(true);
            out.append(name, value);
        }
    }
    out
}

/// The provider's headers as they go to the agent. What they say of the key that the provider was
/// shown is the agent's business only where the key is its own.
#[must_use]
pub fn inbound(headers: &HeaderMap, is_callers_key: bool) -> HeaderMap {
    let mut out = end_to_end(headers);
    if !is_callers_key {
        let of_key: Vec<_> = out.keys().filter(|name| is_of_key(name.as_str())).cloned().collect();
        for name in of_key {
            out.remove(name);
        }
    }
    out
}

fn end_to_end(headers: &HeaderMap) -> HeaderMap {
    let named: Vec<String> = headers
        .get_all(header::CONNECTION)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .map(|name| name.trim().to_ascii_lowercase())
        .collect();
    let mut out = HeaderMap::with_capacity(headers.len());
    for (name, value) in headers {
        if !OF_ONE_CONNECTION.contains(&name.as_str()) && !named.iter().any(|listed| listed == name.as_str()) {
            out.append(name.clone(), value.clone());
        }
    }
    out
}

fn is_our_header(name: &str) -> bool {
    name.starts_with("x-jetway-") || name.starts_with("x-forwarded-") || name == "forwarded" || name == "cookie"
}

/// Whether a credential for a provider is there.
#[must_use]
pub fn has_credential(headers: &HeaderMap) -> bool {
    CREDENTIALS.iter().any(|name| headers.contains_key(*name))
}

/// Takes out whatever says who the caller is to the provider.
pub fn remove_callers_own(headers: &mut HeaderMap) {
    for name in CREDENTIALS.iter().chain(ACCOUNTS).copied() {
        headers.remove(name);
    }
}

/// The text of a credential, without `Bearer`.
#[must_use]
pub fn credential(value: &HeaderValue) -> Option<&str> {
    let text = value.to_str().ok()?;
    let bare = text.get(..7).filter(|scheme| scheme.eq_ignore_ascii_case("bearer ")).map_or(text, |_| &text[7..]);
    Some(bare.trim()).filter(|text| !text.is_empty())
}

/// The different credentials that a request carries.
#[must_use]
pub fn carried(headers: &HeaderMap, certificate: bool) -> Carried<'_> {
    let mut carried = Carried { certificate, ..Carried::default() };
    for text in headers.get_all(KEY_HEADER).iter().filter_map(credential) {
        if !carried.ours.contains(&text) {
            carried.ours.push(text);
        }
    }
    for text in CREDENTIALS.iter().flat_map(|name| headers.get_all(*name)).filter_map(credential) {
        if !carried.ours.contains(&text) && !carried.others.contains(&text) {
            carried.others.push(text);
        }
    }
    carried
}

#[cfg(test)]
mod tests {
    use http::HeaderName;

    use super::*;

    fn map(headers: &[(&'static str, &'static str)]) -> HeaderMap {
        headers.iter().map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value))).collect()
    }

    #[track_caller]
    fn check(headers: &[(&'static str, &'static str)], expect: &[(&'static str, &'static str)]) {
        let mut expect = map(expect);
        expect.insert(header::ACCEPT_ENCODING, HeaderValue::from_static("identity"));
        assert_eq!(outbound(&map(headers), |text| text.starts_with("jw_")), expect);
    }

    #[test]
    fn what_agents_and_providers_agree_on_travels() {
        let kept = &[("anthropic-beta", "new-2027"), ("anthropic-new-thing", "x"), ("x-stainless-lang", "js")];
        check(kept, kept);
    }

    #[test]
    fn what_belongs_to_one_connection_does_not() {
        check(
            &[
                ("connection", "keep-alive, X-Secret"),
                ("x-secret", "s"),
                ("te", "trailers"),
                ("host", "h"),
                ("upgrade", "h2c"),
            ],
            &[],
        );
        check(&[("content-encoding", "zstd"), ("accept-encoding", "gzip"), ("content-length", "5")], &[]);
    }

    #[test]
    fn our_own_keys_never_leave() {
        check(&[("authorization", "Bearer jw_abc"), ("x-jetway-key", "jw_abc"), ("x-jetway-run", "r")], &[]);
        check(&[("x-api-key", "sk-x"), ("x-jetway-key", "jw_abc")], &[("x-api-key", "sk-x")]);
        check(
            &[("authorization", "Bearer sk-x"), ("authorization", "Bearer jw_abc")],
            &[("authorization", "Bearer sk-x")],
        );
    }

    #[test]
    fn credentials_are_found_whatever_their_spelling() {
        let found = |headers: &[(&'static str, &'static str)]| {
            let headers = map(headers);
            let carried = carried(&headers, false);
            format!("{};{}", carried.ours.join("|"), carried.others.join("|"))
        };
        assert_eq!(found(&[("authorization", "bearer  a ")]), ";a");
        assert_eq!(found(&[("x-api-key", "a"), ("authorization", "Bearer a")]), ";a");
        assert_eq!(found(&[("x-api-key", "b"), ("authorization", "Bearer a"), ("x-jetway-key", "jw_c")]), "jw_c;a|b");
        assert_eq!(found(&[("x-jetway-key", "jw_c"), ("authorization", "Bearer jw_c")]), "jw_c;");
        assert_eq!(found(&[("x-jetway-key", "a"), ("x-jetway-key", "b")]), "a|b;");
        assert_eq!(found(&[("authorization", "Bearer ")]), ";");
    }

    #[test]
    fn a_credential_of_ours_does_not_leave_under_any_name() {
        let headers =
            map(&[("authorization", "Bearer t"), ("x-api-key", "t"), ("api-key", "p"), ("x-goog-api-key", "t")]);
        let mut expect = map(&[("api-key", "p")]);
        expect.insert(header::ACCEPT_ENCODING, HeaderValue::from_static("identity"));
        assert_eq!(outbound(&headers, |text| text == "t"), expect);
    }
}
