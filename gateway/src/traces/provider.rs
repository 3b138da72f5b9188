//! What OpenTelemetry calls a provider. Given one that speaks as OpenAI does at api.groq.com: `groq`.

use http::Uri;

use crate::config::{Kind, Provider};

/// Hosts and what is behind them; a name that begins with a dot stands for all below it.
const HOSTS: [(&str, &str); 10] = [
    ("api.openai.com", "openai"),
    (".openai.azure.com", "azure.ai.openai"),
    ("generativelanguage.googleapis.com", "gcp.gemini"),
    (".aiplatform.googleapis.com", "gcp.vertex_ai"),
    ("api.deepseek.com", "deepseek"),
    ("api.groq.com", "groq"),
    ("api.mistral.ai", "mistral_ai"),
    ("api.moonshot.ai", "moonshot_ai"),
    ("api.perplexity.ai", "perplexity"),
    ("api.x.ai", "x_ai"),
];

/// By the conventions' own word; where they have none, by its operator's.
pub(super) fn name(provider: &Provider) -> &str {
    let host = provider.base_url.host().unwrap_or_default();
    let is_it = |name: &str| if name.starts_with('.') { host.ends_with(name) } else { host == name };
    let known = HOSTS.iter().find(|(name, _)| is_it(name)).map(|(_, word)| *word);
    match (known, provider.kind) {
        (Some(word), _) => word,
        (None, Kind::Anthropic) => "anthropic",
        (None, Kind::Openai) => &provider.name,
    }
}

/// The port of an address, said or not.
pub(super) fn port(address: &Uri) -> Option<u16> {
    address.port_u16().or_else(|| match address.scheme_str()? {
        "https" => Some(443),
        "http" => Some(80),
        _ => None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn providers_have_the_names_of_the_conventions_where_there_are_some() {
        let check = |kind: Kind, address: &str, wanted: (&str, u16)| {
            let provider = Provider::scripted("ours", kind, address.parse().unwrap());
            assert_eq!((name(&provider), port(&provider.base_url).unwrap()), wanted, "{address}");
        };
        check(Kind::Anthropic, "https://api.anthropic.com", ("anthropic", 443));
        check(Kind::Anthropic, "http://127.0.0.1:8080", ("anthropic", 8080));
        check(Kind::Openai, "https://api.openai.com/v1", ("openai", 443));
        check(Kind::Openai, "https://a-b.openai.azure.com/v1", ("azure.ai.openai", 443));
        check(Kind::Openai, "https://generativelanguage.googleapis.com/v1beta/openai", ("gcp.gemini", 443));
        check(Kind::Openai, "http://llama.internal/v1", ("ours", 80));
        check(Kind::Openai, "https://notapi.x.ai", ("ours", 443));
    }
}
