use super::*;

const JWT: &str = r#","jwt":{"issuer":"https://id.example.com","audience":"jetway","claims":{"policy":"p"}}"#;
const INTROSPECTION: &str = r#","introspection":{"url":"https://id.example.com/i","client":"c","secret":{"env":"S"}}"#;
const CERTIFICATES: &str = r#","certificates":{"user":"subject_cn","team":"subject_ou"}"#;

fn rules(accept: &str, sections: &str) -> Result<Rules, serde_json::Error> {
    serde_json::from_str(&format!("{{\"accept\":{accept}{sections}}}"))
}

fn key(policy: &str, revoked: bool) -> Presented {
    Presented::Key(Some(Key {
        id: "key_1".into(),
        policy: policy.into(),
        user: "ada".into(),
        team: Some("core".into()),
        revoked,
        expired: false,
        caps: Vec::new(),
        models: None,
        run: None,
    }))
}

fn foreign() -> Presented {
    Presented::Foreign { digest: "ab12".into() }
}

fn now() -> Timestamp {
    Timestamp::from_second(1_000).unwrap()
}

fn claims(text: &str) -> Claims {
    serde_json::from_str(text).unwrap()
}

fn certificate(retired: bool) -> Presented {
    let certificate = Certificate {
        common_names: vec!["ada".into()],
        units: vec!["core".into()],
        emails: Vec::new(),
        dns: Vec::new(),
        uris: Vec::new(),
        ends: Timestamp::from_second(2_000).unwrap(),
    };
    Presented::Certificate { certificate, retired, now: now() }
}

/// Who is recognised as `USER of TEAM by WAY`, or the sentence of the refusal.
fn said(accept: &str, sections: &str, presented: Presented) -> String {
    match decide(&rules(accept, sections).unwrap(), "wizard", presented) {
        Ok(caller) => {
            assert_eq!(caller.is_known(), caller.way() != Way::Passthrough);
            assert_eq!(caller.key().is_some(), matches!(caller.way(), Way::Keys | Way::Runs));
            format!("{} of {} by {}", caller.user(), caller.team().unwrap_or("-"), caller.way().name())
        }
        Err(denied) => denied.to_string(),
    }
}

#[track_caller]
fn check(accept: &str, sections: &str, presented: Presented, expect: &str) {
    assert_eq!(said(accept, sections, presented), expect);
}

#[track_caller]
fn denies(accept: &str, sections: &str, presented: Presented, why: &str) {
    let said = said(accept, sections, presented);
    assert!(said.contains(why), "{said}");
}

#[test]
fn a_key_of_this_policy_is_its_user() {
    check(r#"["keys"]"#, "", key("wizard", false), "ada of core by keys");
}

#[test]
fn a_key_of_another_policy_is_refused() {
    denies(r#"["keys"]"#, "", key("coding", false), "belongs to the policy `coding`");
    let denied = decide(&Rules::anybody(), "wizard", key("coding", false)).unwrap_err();
    assert!(denied.is_known());
}

#[test]
fn a_revoked_or_unknown_key_is_refused() {
    denies(r#"["keys"]"#, "", key("wizard", true), "was revoked");
    denies(r#"["keys"]"#, "", Presented::Key(None), "is not known here");
    assert!(!decide(&Rules::anybody(), "wizard", Presented::Key(None)).unwrap_err().is_known());
}

#[test]
fn whom_a_dead_credential_was_for_is_known_and_lets_nobody_in() {
    let was = |accept: &str, sections: &str, presented: Presented| {
        let rules = rules(accept, sections).unwrap();
        assert!(decide(&rules, "wizard", presented.clone()).is_err());
        super::was(&rules, "wizard", presented)
            .map(|caller| (caller.user().to_owned(), caller.run().map(str::to_owned)))
    };
    let dead = |policy: &str, revoked: bool, expired: bool| match key(policy, revoked) {
        Presented::Key(Some(key)) => Presented::Key(Some(Key { expired, run: Some(String::from("run_1")), ..key })),
        other => other,
    };
    let token = |policy: &str, revoked: bool| dead(policy, revoked, true);
    let ada = |run: Option<&str>| Some((String::from("ada"), run.map(str::to_owned)));
    for presented in [token("wizard", false), token("wizard", true), dead("wizard", true, false)] {
        assert_eq!(was(r#"["runs"]"#, "", presented), ada(Some("run_1")));
    }
    for (accept, presented) in [
        (r#"["runs"]"#, token("coding", false)),
        (r#"["runs"]"#, dead("coding", true, false)),
        (r#"["keys"]"#, token("wizard", false)),
        (r#"["keys"]"#, key("wizard", true)),
    ] {
        assert_eq!(was(accept, "", presented), None);
    }
    let jwt = |exp: &str, issuer: &str| {
        let text = format!(r#"{{"iss":"{issuer}","aud":"jetway","sub":"ada","p":"wizard"{exp}}}"#);
        Presented::Jwt(Ok(claims(&text)), now())
    };
    let ours = "https://id.example.com";
    assert_eq!(was(r#"["jwt"]"#, JWT, jwt(r#","exp":500"#, ours)), ada(None));
    assert_eq!(was(r#"["jwt"]"#, JWT, jwt(r#","exp":500"#, "https://evil.example.com")), None);
    assert_eq!(was(r#"["jwt"]"#, JWT, jwt("", ours)), None);
    assert_eq!(was(r#"["jwt"]"#, JWT, Presented::Jwt(Err(Unfit::Malformed), now())), None);
}

#[test]
fn only_what_is_listed_is_accepted() {
    check(r#"["passthrough"]"#, "", foreign(), "pass:ab12 of - by passthrough");
    denies(
        r#"["keys"]"#,
        "",
        foreign(),
        "takes only Jetway keys (they begin with jw_), not a provider's own credential",
    );
    denies(r#"["jwt"]"#, JWT, foreign(), "takes only tokens of https://id.example.com, not a provider's own");
    denies(r#"["passthrough"]"#, "", key("wizard", false), "takes no Jetway keys: send your own credential");
    denies(r#"["keys"]"#, "", Presented::Ambiguous, "different credentials");
    let introspected = || Presented::Introspected(claims(r#"{"active":true,"sub":"ada"}"#), now());
    denies(r#"["keys"]"#, "", introspected(), "not accepted");
    denies(r#"["keys"]"#, "", Presented::Jwt(Ok(claims("{}")), now()), "not accepted");
    denies(r#"["keys"]"#, "", certificate(false), "no credential came");
}

#[test]
fn who_sends_nothing_is_told_what_to_send() {
    let nothing = || Presented::Nothing;
    check(
        r#"["keys"]"#,
        "",
        nothing(),
        "no credential came with this request: send a Jetway key as `x-api-key` or `Authorization: Bearer …`; an operator makes a key with `jetway keys create --policy wizard --user NAME`",
    );
    check(
        r#"["passthrough"]"#,
        "",
        nothing(),
        "no credential came with this request: send your own credential for the provider as `x-api-key` or `Authorization: Bearer …`",
    );
    check(
        r#"["certificates"]"#,
        CERTIFICATES,
        nothing(),
        "no credential came with this request: connect with a client certificate",
    );
    check(
        r#"["jwt","introspection","certificates","passthrough"]"#,
        &[JWT, INTROSPECTION, CERTIFICATES].concat(),
        nothing(),
        "no credential came with this request: send a token of https://id.example.com, or an access token (as `x-jetway-key`), or your own credential for the provider as `x-api-key` or `Authorization: Bearer …`, or connect with a client certificate",
    );
}

#[test]
fn a_token_of_our_issuer_is_whom_it_names() {
    let token = |policy: &str, expires: i64| {
        let text = format!(
            "{{\"iss\":\"https://id.example.com\",\"aud\":\"jetway\",\"sub\":\"ada\",\"p\":\"{policy}\",\"exp\":{expires}}}"
        );
        Presented::Jwt(Ok(claims(&text)), now())
    };
    check(r#"["jwt"]"#, JWT, token("wizard", 1_001), "ada of - by jwt");
    denies(r#"["jwt"]"#, JWT, token("wizard", 900), "it has run out");
    denies(r#"["jwt"]"#, JWT, token("coding", 1_001), "does not name the policy `wizard`");
    denies(r#"["jwt"]"#, JWT, Presented::Jwt(Err(Unfit::Signature), now()), "its signature is wrong");
    let other = decide(&rules(r#"["jwt"]"#, JWT).unwrap(), "wizard", token("coding", 1_001)).unwrap_err();
    assert!(other.is_known());
}

#[test]
fn an_answer_of_the_issuer_is_whom_it_names() {
    let answer = |text: &str| Presented::Introspected(claims(text), now());
    let accept = r#"["introspection"]"#;
    check(accept, INTROSPECTION, answer(r#"{"active":true,"sub":"ada"}"#), "ada of - by introspection");
    denies(accept, INTROSPECTION, answer(r#"{"active":false}"#), "its issuer says that it does not count");
}

#[test]
fn a_certificate_is_whom_it_names_while_its_authority_counts() {
    check(r#"["certificates"]"#, CERTIFICATES, certificate(false), "ada of core by certificates");
    denies(r#"["certificates"]"#, CERTIFICATES, certificate(true), "no longer the one that is trusted");
    denies(r#"["certificates"]"#, CERTIFICATES, Presented::UnreadableCertificate, "cannot be read");
}

#[test]
fn what_is_accepted_and_what_is_said_of_it_go_together() {
    let fails = |accept: &str, sections: &str, why: &str| {
        let error = rules(accept, sections).unwrap_err().to_string();
        assert!(error.contains(why), "{error}");
    };
    fails("[]", "", "`accept` is empty");
    fails(r#"["jwt"]"#, "", "`accept` lists `jwt`, and there is no section `jwt:`");
    fails(r#"["keys","introspection"]"#, "", "there is no section `introspection:`");
    fails(r#"["certificates"]"#, "", "there is no section `certificates:`");
    fails(r#"["keys"]"#, JWT, "there is a section `jwt:`, and `accept` does not list `jwt`");
    fails(r#"["keys"]"#, CERTIFICATES, "does not list `certificates`");
    fails(r#"["oidc"]"#, "", "unknown variant `oidc`, expected one of `keys`, `runs`, `jwt`");
}

#[test]
fn a_run_token_is_its_user_until_it_expires() {
    let token = |expired| {
        let Presented::Key(Some(key)) = key("wizard", false) else { unreachable!() };
        Presented::Key(Some(Key { run: Some("run_1".into()), expired, ..key }))
    };
    check(r#"["runs"]"#, "", token(false), "ada of core by runs");
    denies(r#"["runs"]"#, "", token(true), "has expired");
    denies(r#"["keys"]"#, "", token(false), "takes no run tokens");
    denies(r#"["runs"]"#, "", key("wizard", false), "takes no Jetway keys");
}
