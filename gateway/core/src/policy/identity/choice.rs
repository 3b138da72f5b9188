//! Which of the credentials of a request says who calls. Given a key of ours and a provider's:
//! the key, and the other one is for the provider. Given two that could both say it: neither.
//!
//! What is for Jetway alone (`x-jetway-key`) always says it. In the headers that providers' own
//! credentials come in too, keys of ours and tokens of our issuer are known by their look; then a
//! client certificate counts; then any other text is a provider's credential where the policy
//! passes those through, and otherwise a token that its issuer is asked about. So where both are
//! accepted, no credential for a provider is shown to an issuer.

use crate::policy::identity::jwt::{self, Unverified};
use crate::policy::identity::{KEY_PREFIX, Rules, Way};

/// The credentials that came with a request, each text once.
#[derive(Debug, Clone, Default)]
pub struct Carried<'a> {
    /// For Jetway alone.
    pub ours: Vec<&'a str>,
    /// In the headers that providers read.
    pub others: Vec<&'a str>,
    /// Whether its connection has a client certificate that was verified.
    pub certificate: bool,
}

/// What says who calls.
#[derive(Debug, Clone, PartialEq)]
pub enum Choice<'a> {
    Nothing,
    /// Two that differ, so that nobody can say which one counts.
    Ambiguous,
    /// What may be a key of ours.
    Key(&'a str),
    Jwt(Unverified<'a>),
    /// A token that its issuer is to be asked about.
    Opaque(&'a str),
    Certificate,
    /// A credential for a provider.
    Foreign(&'a str),
}

impl<'a> Choice<'a> {
    /// The text that was chosen, where it is one that no provider may see.
    #[must_use]
    pub fn secret(&self) -> Option<&'a str> {
        match self {
            Self::Key(text) | Self::Opaque(text) => Some(text),
            Self::Jwt(token) => Some(token.text()),
            Self::Nothing | Self::Ambiguous | Self::Certificate | Self::Foreign(_) => None,
        }
    }
}

/// Chooses what says who calls.
#[must_use]
pub fn choose<'a>(rules: &Rules, carried: &Carried<'a>) -> Choice<'a> {
    let own: Vec<Choice<'a>> = carried.others.iter().copied().filter_map(|text| known(rules, text)).collect();
    match (carried.ours.as_slice(), own.as_slice()) {
        ([], []) => remaining(rules, carried),
        ([], [one]) => one.clone(),
        // A token beside it may be meant for a provider; a second key of ours would pay for the first.
        ([text], own) if !own.iter().any(|choice| matches!(choice, Choice::Key(_))) => dedicated(rules, text),
        _ => Choice::Ambiguous,
    }
}

/// What is ours by its look.
fn known<'a>(rules: &Rules, text: &'a str) -> Option<Choice<'a>> {
    if text.starts_with(KEY_PREFIX) {
        return Some(Choice::Key(text));
    }
    let token = token(rules, text)?;
    rules.jwt.as_ref().is_some_and(|jwt| jwt.is_of_issuer(&token)).then_some(Choice::Jwt(token))
}

/// A text that is for us, whatever it looks like.
fn dedicated<'a>(rules: &Rules, text: &'a str) -> Choice<'a> {
    if let Some(choice) = known(rules, text) {
        return choice;
    }
    if rules.accepts(Way::Introspection) {
        return Choice::Opaque(text);
    }
    token(rules, text).map_or(Choice::Key(text), Choice::Jwt)
}

/// Where nothing is ours by its look.
fn remaining<'a>(rules: &Rules, carried: &Carried<'a>) -> Choice<'a> {
    if carried.certificate && rules.accepts(Way::Certificates) {
        return Choice::Certificate;
    }
    match carried.others.as_slice() {
        [] => Choice::Nothing,
        [one] if rules.accepts(Way::Passthrough) => Choice::Foreign(one),
        [one] if rules.accepts(Way::Introspection) => Choice::Opaque(one),
        // Of another issuer; said by name, for that is all that is wrong with it.
        [one] => token(rules, one).map_or(Choice::Foreign(one), Choice::Jwt),
        _ => Choice::Ambiguous,
    }
}

fn token<'a>(rules: &Rules, text: &'a str) -> Option<Unverified<'a>> {
    rules.jwt.as_ref().and_then(|_| jwt::recognise(text))
}

/// Whether a text that was not chosen must be kept from providers all the same: a key of ours, or
/// a token that was made for us.
#[must_use]
pub fn is_ours(rules: &Rules, text: &str) -> bool {
    let for_us = |token| rules.jwt.as_ref().is_some_and(|jwt| jwt.is_for_us(&token));
    text.starts_with(KEY_PREFIX) || token(rules, text).is_some_and(for_us)
}

#[cfg(test)]
mod tests {
    use base64::Engine;
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;

    use super::*;

    const JWT: &str = r#""jwt":{"issuer":"https://id.example.com","audience":"jetway"}"#;
    const INTROSPECTION: &str =
        r#""introspection":{"url":"https://id.example.com/i","client":"c","secret":{"env":"S"}}"#;
    const CERTIFICATES: &str = r#""certificates":{"user":"subject_cn"}"#;

    fn rules(accept: &str) -> Rules {
        let sections = [("jwt", JWT), ("introspection", INTROSPECTION), ("certificates", CERTIFICATES)];
        let listed: Vec<_> = accept.split(' ').map(|word| format!("{word:?}")).collect();
        let mut text = format!("{{\"accept\":[{}]", listed.join(","));
        for (_, section) in sections.iter().filter(|(word, _)| accept.contains(word)) {
            text.push(',');
            text.push_str(section);
        }
        serde_json::from_str(&(text + "}")).unwrap()
    }

    fn token(issuer: &str, audience: &str) -> String {
        let encode = |json: String| URL_SAFE_NO_PAD.encode(json);
        let claims = format!("{{\"iss\":\"https://{issuer}\",\"aud\":\"{audience}\"}}");
        format!("{}.{}.c2ln", encode("{\"alg\":\"RS256\"}".into()), encode(claims))
    }

    /// What is chosen, in words; `ours` is a token of our issuer, `theirs` one of another.
    #[track_caller]
    fn check(accept: &str, ours: &[&str], others: &[&str], certificate: bool, expect: &str) {
        let (own, foreign) = (token("id.example.com", "jetway"), token("provider.example.com", "jetway"));
        let real = |names: &[&str]| -> Vec<String> {
            let text = |name: &&str| match *name {
                "ours" => own.clone(),
                "theirs" => foreign.clone(),
                other => other.to_owned(),
            };
            names.iter().map(text).collect()
        };
        let (ours, others) = (real(ours), real(others));
        let carried = Carried {
            ours: ours.iter().map(String::as_str).collect(),
            others: others.iter().map(String::as_str).collect(),
            certificate,
        };
        let rules = rules(accept);
        let named = |text: &str| match text {
            text if text == own => "ours".to_owned(),
            text if text == foreign => "theirs".to_owned(),
            other => other.to_owned(),
        };
        let found = match choose(&rules, &carried) {
            Choice::Nothing => "nothing".to_owned(),
            Choice::Ambiguous => "ambiguous".to_owned(),
            Choice::Certificate => "certificate".to_owned(),
            Choice::Key(text) => format!("key {}", named(text)),
            Choice::Jwt(token) => format!("jwt {}", named(token.text())),
            Choice::Opaque(text) => format!("opaque {}", named(text)),
            Choice::Foreign(text) => format!("foreign {}", named(text)),
        };
        assert_eq!(found, expect, "{accept}");
    }

    #[test]
    fn keys_and_passthrough_are_told_apart() {
        check("keys passthrough", &[], &[], false, "nothing");
        check("keys passthrough", &[], &["sk-x"], false, "foreign sk-x");
        check("keys passthrough", &[], &["sk-x", "jw_a"], false, "key jw_a");
        check("keys passthrough", &["jw_a"], &["sk-x"], false, "key jw_a");
        check("keys passthrough", &[], &["sk-x", "sk-y"], false, "ambiguous");
        check("keys passthrough", &[], &["jw_a", "jw_b"], false, "ambiguous");
        check("keys passthrough", &["jw_a"], &["jw_b"], false, "ambiguous");
        check("keys passthrough", &["jw_a", "jw_b"], &[], false, "ambiguous");
        check("passthrough", &[], &["jw_a"], false, "key jw_a");
        check("passthrough", &["sk-x"], &[], false, "key sk-x");
        // Without `jwt` a token is a text like any other.
        check("passthrough", &[], &["ours"], false, "foreign ours");
    }

    #[test]
    fn a_token_of_our_issuer_is_never_a_provider_s_credential() {
        check("jwt passthrough", &[], &["ours"], false, "jwt ours");
        check("jwt passthrough", &[], &["ours", "sk-x"], false, "jwt ours");
        check("jwt passthrough", &[], &["theirs"], false, "foreign theirs");
        check("jwt passthrough", &[], &["sk-x"], false, "foreign sk-x");
        check("jwt passthrough", &["ours"], &["theirs"], false, "jwt ours");
        check("jwt passthrough", &["theirs"], &[], false, "jwt theirs");
        check("jwt", &[], &["theirs"], false, "jwt theirs");
        check("jwt", &[], &["sk-x"], false, "foreign sk-x");
        check("jwt keys", &[], &["ours", "jw_a"], false, "ambiguous");
        check("jwt keys", &["jw_a"], &["ours"], false, "key jw_a");
    }

    #[test]
    fn an_issuer_is_asked_only_about_what_is_no_provider_s() {
        check("introspection", &[], &["abc"], false, "opaque abc");
        check("introspection", &[], &["ours"], false, "opaque ours");
        check("introspection", &[], &["abc", "sk-x"], false, "ambiguous");
        check("introspection passthrough", &[], &["abc"], false, "foreign abc");
        check("introspection passthrough", &["abc"], &["sk-x"], false, "opaque abc");
        check("introspection keys", &[], &["jw_a"], false, "key jw_a");
        check("introspection jwt", &[], &["ours"], false, "jwt ours");
        check("introspection jwt", &[], &["theirs"], false, "opaque theirs");
        check("introspection jwt", &["theirs"], &[], false, "opaque theirs");
        check("introspection", &["abc"], &["sk-x"], false, "opaque abc");
    }

    #[test]
    fn a_certificate_counts_where_nothing_of_ours_was_sent() {
        check("certificates", &[], &[], true, "certificate");
        check("certificates", &[], &["sk-x"], true, "certificate");
        check("certificates", &[], &["sk-x", "sk-y"], true, "certificate");
        check("certificates passthrough", &[], &["sk-x"], false, "foreign sk-x");
        check("certificates introspection", &[], &["sk-x"], true, "certificate");
        check("certificates introspection", &["abc"], &[], true, "opaque abc");
        check("certificates jwt", &[], &["ours"], true, "jwt ours");
        check("certificates keys", &[], &["jw_a"], true, "key jw_a");
        // A certificate that the policy does not accept says nothing.
        check("keys", &[], &[], true, "nothing");
        check("passthrough", &[], &["sk-x"], true, "foreign sk-x");
    }

    #[test]
    fn what_was_made_for_us_is_ours_wherever_it_stands() {
        let with = rules("jwt passthrough");
        assert!(is_ours(&with, "jw_a") && is_ours(&with, &token("id.example.com", "jetway")));
        assert!(!is_ours(&with, "sk-x") && !is_ours(&with, &token("provider.example.com", "jetway")));
        // Of our issuer, and made for a provider that takes its tokens.
        assert!(!is_ours(&with, &token("id.example.com", "llm")));
        assert!(!is_ours(&rules("passthrough"), &token("id.example.com", "jetway")));
    }
}
