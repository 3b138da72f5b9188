//! Callers who are known by a token: signed by an issuer (JWT), or one that the issuer is asked
//! about. The issuer is a real one, with keys of its own.

use std::time::Duration;

use jetway_support::client::{Answer, post};
use jetway_support::issuer::{Issuer, Key, from_now, message};
use jetway_support::{Jetway, Setup, eventually, provider};
use serde_json::{Value, json};

const BODY: &str = r#"{"model":"claude-x","max_tokens":10,"messages":[{"role":"user","content":"hi"}],"user":"mallory","metadata":{"user_id":"mallory"}}"#;

/// A policy whose `identity` is given.
fn policy(identity: &str) -> String {
    format!("about: Takes tokens.\nidentity: {identity}\nmodels: {{ allow: ['*'], providers: [messages, openai] }}\n")
}

/// A gateway with that policy, whose providers are paid for by an operator.
fn setup(url: &str, identity: &str) -> Setup {
    let mut setup = Setup::new(url);
    setup.policies = vec![("open".into(), policy(identity))];
    setup.credentials = "{ env: TEST_PROVIDER_KEY }".into();
    setup.env = vec![
        ("TEST_PROVIDER_KEY".into(), "sk-operators-own".into()),
        ("TEST_CLIENT_SECRET".into(), "a secret: +&%".into()),
    ];
    setup
}

fn jwt(issuer: &Issuer, accept: &str, more: &str) -> String {
    format!("{{ accept: [{accept}], jwt: {{ issuer: '{}', audience: jetway{more} }} }}", issuer.url())
}

fn introspection(issuer: &Issuer, accept: &str, more: &str) -> String {
    format!(
        "{{ accept: [{accept}], introspection: {{ url: '{}/introspect', client: 'jet way', secret: {{ env: TEST_CLIENT_SECRET }}{more} }} }}",
        issuer.url()
    )
}

fn send(jetway: &Jetway, token: &str) -> Answer {
    let bearer = format!("Bearer {token}");
    post("/v1/messages", BODY).header("x-api-key", "").header("authorization", &bearer).send(jetway.data)
}

#[test]
fn a_token_of_our_issuer_opens_the_operator_s_purse_and_goes_no_further() {
    let (provider, issuer) = (provider("scenarios: []"), Issuer::start());
    let keys = [Key::rsa("r"), Key::p256("e"), Key::ed25519("d")];
    issuer.publish(&keys.each_ref());
    let jetway = setup(&provider.url(), &jwt(&issuer, "jwt", ", claims: { user: sub, team: org.team }")).start();
    let mut claims = issuer.claims("ada", 60);
    claims["org"] = json!({ "team": "core" });
    let mut tokens: Vec<String> = keys.iter().map(|key| key.token(&claims)).collect();
    tokens.push(keys[0].signed(&json!({ "alg": "PS256", "kid": "r" }), &claims));
    for token in &tokens {
        let answer = send(&jetway, token);
        assert_eq!(answer.status, 200, "{}", answer.text());
    }
    for exchange in jetway.exchanges(tokens.len()) {
        let known = ["user", "team", "way"].map(|name| exchange[name].as_str().unwrap_or("-").to_owned());
        assert_eq!(known, ["ada", "core", "jwt"]);
        assert!(exchange["key"].is_null());
    }
    let seen = provider.seen();
    assert_eq!(seen.len(), tokens.len());
    for request in seen {
        assert_eq!(request.headers["x-api-key"], "sk-operators-own");
        let text = format!("{:?}", request.headers);
        assert!(tokens.iter().all(|token| !text.contains(token)), "{text}");
    }
    assert_eq!(issuer.asked("/keys").len(), 1);
    assert_eq!(issuer.asked("/.well-known/openid-configuration").len(), 1);
}

/// Claims with one of them changed, or taken out.
fn with(claims: &Value, name: &str, value: Value) -> Value {
    let mut claims = claims.clone();
    claims[name] = value;
    if claims[name].is_null() {
        claims.as_object_mut().unwrap().remove(name);
    }
    claims
}

#[test]
fn a_token_with_anything_wrong_is_refused_with_a_sentence_that_says_what() {
    let (provider, issuer) = (provider("scenarios: []"), Issuer::start());
    let (listed, other, small) = (Key::rsa("r"), Key::rsa("other"), Key::p256("e"));
    issuer.publish(&[&listed, &small]);
    let rules = jwt(&issuer, "jwt", ", algorithms: [RS256, ES256], skew: 5s");
    let jetway = setup(&provider.url(), &rules).start();
    let good = issuer.claims("ada", 60);
    let header = |alg: &str, kid: &str| json!({ "alg": alg, "kid": kid });
    let unsigned = |alg: &str| format!("{}.", message(&header(alg, "r"), &good));
    let tampered = {
        let token = listed.token(&good);
        let signature = token.rsplit('.').next().unwrap();
        format!("{}.{signature}", message(&header("RS256", "r"), &with(&good, "sub", json!("root"))))
    };
    let mut cases = vec![
        (listed.token(&with(&good, "exp", json!(from_now(-6)))), "it has run out"),
        (listed.token(&with(&good, "exp", Value::Null)), "it does not say when it runs out"),
        (listed.token(&with(&good, "exp", json!("tomorrow"))), "its `exp` is not a moment"),
        (listed.token(&with(&good, "nbf", json!(from_now(30)))), "it does not count yet"),
        (listed.token(&with(&good, "aud", json!("mail"))), "made for another service"),
        (listed.token(&with(&good, "aud", Value::Null)), "made for another service"),
        (listed.token(&with(&good, "iss", json!("https://evil.example.com"))), "its issuer (`iss`) is not"),
        (listed.token(&with(&good, "iss", Value::Null)), "its issuer (`iss`) is not"),
        (listed.token(&with(&good, "sub", Value::Null)), "it has no claim `sub`"),
        (listed.token(&with(&good, "sub", json!(["ada"]))), "its claim `sub` is not a text"),
        (listed.token(&with(&good, "sub", json!("pass:0123456789abcdef"))), "is not a name"),
        (unsigned("none"), "not signed in a way that is accepted here (RS256, ES256)"),
        (unsigned("None"), "not signed in a way"),
        (unsigned("RS256"), "its signature is wrong"),
        (tampered, "its signature is wrong"),
        // The key of another, under the name of one that is listed, or by its own name.
        (other.signed(&header("RS256", "r"), &good), "its signature is wrong"),
        (other.token(&good), "a key that its issuer does not list"),
        // The name of a key of another kind.
        (listed.signed(&header("RS256", "e"), &good), "a key that its issuer does not list"),
        (small.signed(&header("ES256", "r"), &good), "a key that its issuer does not list"),
        (listed.signed(&header("PS256", "r"), &good), "not signed in a way"),
        (listed.signed(&json!({ "alg": "RS256", "kid": "r", "crit": ["x"], "x": 1 }), &good), "demands an extension"),
        (listed.signed(&json!({ "alg": "RS256", "kid": 7 }), &good), "it cannot be read"),
        (listed.token(&with(&good, "pad", json!("x".repeat(20_000)))), "longer than 16 KiB"),
    ];
    cases.extend(listed.confused(&good).into_iter().map(|token| (token, "not signed in a way")));
    for (token, why) in &cases {
        let answer = send(&jetway, token);
        assert_eq!((answer.status, answer.message().contains(why)), (401, true), "{why}: {}", answer.text());
        assert!(!answer.text().contains(token.rsplit('.').next().filter(|text| !text.is_empty()).unwrap_or(token)));
    }
    assert!(provider.seen().is_empty());
    for good in [with(&good, "exp", json!(from_now(-2))), with(&good, "nbf", json!(from_now(3)))] {
        assert_eq!(send(&jetway, &listed.token(&good)).status, 200, "clocks may differ by the skew");
    }
    let jetway_log = jetway.log();
    assert!(cases.iter().all(|(token, _)| !jetway_log.contains(token.as_str())), "{jetway_log}");
}

#[test]
fn a_new_key_is_picked_up_and_made_up_ones_do_not_make_us_ask_again() {
    let (provider, issuer) = (provider("scenarios: []"), Issuer::start());
    let (first, second) = (Key::p256("one"), Key::p256("two"));
    issuer.publish(&[&first]);
    let jetway = setup(&provider.url(), &jwt(&issuer, "jwt", "")).start();
    let claims = issuer.claims("ada", 60);
    assert_eq!(send(&jetway, &first.token(&claims)).status, 200);
    issuer.publish(&[&second]);
    assert_eq!(send(&jetway, &second.token(&claims)).status, 200, "picked up at once");
    assert_eq!(send(&jetway, &first.token(&claims)).status, 401, "and the old one is gone");
    for attempt in 0..5 {
        let made_up = Key::p256(&format!("made-up-{attempt}"));
        assert_eq!(send(&jetway, &made_up.token(&claims)).status, 401);
    }
    assert_eq!(send(&jetway, &second.token(&claims)).status, 200);
    assert_eq!(issuer.asked("/keys").len(), 2);
}

#[test]
fn keys_are_read_as_their_issuer_means_them() {
    let (provider, issuer) = (provider("scenarios: []"), Issuer::start());
    let key = Key::rsa("r");
    let claims = issuer.claims("ada", 60);
    let rules = jwt(&issuer, "jwt", &format!(", jwks: '{}/keys'", issuer.url()));
    let check = |keys: &[Value], token: String, expect: u16| {
        issuer.publish_as(keys);
        let jetway = setup(&provider.url(), &rules).start();
        let answer = send(&jetway, &token);
        assert_eq!(answer.status, expect, "{keys:?} {}", answer.text());
    };
    let jwk = |name: &str, value: Value| with(&key.jwk(), name, value);
    let unnamed = || key.signed(&json!({ "alg": "RS256" }), &claims);
    check(
        &[json!("no key"), json!({ "kty": "new" }), json!({ "kty": "oct", "k": "aaaa", "kid": "r" }), key.jwk()],
        key.token(&claims),
        200,
    );
    check(&[jwk("use", json!("enc"))], key.token(&claims), 401);
    check(&[jwk("use", Value::Null)], key.token(&claims), 200);
    check(&[jwk("key_ops", json!(["sign"]))], key.token(&claims), 401);
    check(&[jwk("alg", json!("RS256"))], key.token(&claims), 200);
    check(&[jwk("alg", json!("PS256"))], key.token(&claims), 401);
    check(&[jwk("alg", json!("RSA-OAEP"))], key.token(&claims), 401);
    check(&[jwk("kid", Value::Null)], unnamed(), 200);
    check(&[jwk("kid", Value::Null)], key.token(&claims), 401);
    check(&[key.jwk()], unnamed(), 200);
    check(&[key.jwk(), Key::rsa("s").jwk()], unnamed(), 401);
    assert!(issuer.asked("/.well-known/openid-configuration").is_empty(), "it was said where the keys are");
}

#[test]
fn while_its_issuer_is_down_nobody_new_is_let_in_and_keys_that_are_known_still_count() {
    let (provider, issuer) = (provider("scenarios: []"), Issuer::start());
    let (key, other) = (Key::p256("one"), Key::p256("two"));
    issuer.publish(&[&key]);
    issuer.down(true);
    let jetway = setup(&provider.url(), &jwt(&issuer, "jwt", "")).start();
    let claims = issuer.claims("ada", 60);
    let answer = send(&jetway, &key.token(&claims));
    assert_eq!((answer.status, answer.header("retry-after")), (503, Some("2")), "{}", answer.text());
    assert!(answer.message().contains("cannot say who is calling"), "{}", answer.text());
    assert!(!answer.text().contains(&issuer.url()), "where tokens are asked about is the operator's business");
    eventually(|| jetway.log().contains("its keys cannot be had") && jetway.log().contains(&issuer.url()));

    issuer.down(false);
    eventually(|| send(&jetway, &key.token(&claims)).status == 200);
    issuer.down(true);
    assert_eq!(send(&jetway, &key.token(&claims)).status, 200);
    assert_eq!(send(&jetway, &other.token(&claims)).status, 401);
    assert_eq!(send(&jetway, &key.token(&claims)).status, 200);
}

#[test]
fn an_issuer_that_describes_another_is_not_believed() {
    let provider = provider("scenarios: []");
    let key = Key::p256("one");
    let check = |status: u16, description: &dyn Fn(&Issuer) -> String, why: &str| {
        let issuer = Issuer::start();
        issuer.publish(&[&key]);
        issuer.page("/.well-known/openid-configuration", status, &description(&issuer));
        let jetway = setup(&provider.url(), &jwt(&issuer, "jwt", "")).start();
        assert_eq!(send(&jetway, &key.token(&issuer.claims("ada", 60))).status, 503);
        eventually(|| jetway.log().contains(why));
    };
    let describes = |issuer: &str, keys: &str| json!({ "issuer": issuer, "jwks_uri": keys }).to_string();
    check(200, &|at| describes("https://other.example.com", &format!("{}/keys", at.url())), "describes another issuer");
    check(200, &|at| describes(&format!("{}/", at.url()), &format!("{}/keys", at.url())), "describes another issuer");
    check(200, &|at| describes(&at.url(), "http://keys.example.com/"), "at no good place");
    check(
        200,
        &|at| describes(&at.url(), &format!("{}/.well-known/openid-configuration", at.url())),
        "is no set of keys",
    );
    check(200, &|at| json!({ "issuer": at.url() }).to_string(), "does not say where the keys are");
    check(404, &|at| describes(&at.url(), &format!("{}/keys", at.url())), "it answered 404");
    check(302, &|at| describes(&at.url(), &format!("{}/keys", at.url())), "it answered 302");
    check(200, &|_| "<html>".to_owned(), "not an object in JSON");
    check(
        200,
        &|at| format!("{}{}", describes(&at.url(), &at.url()), " ".repeat(300 << 10)),
        "larger than 262144 bytes",
    );
}

#[test]
fn however_many_ask_at_once_the_issuer_is_asked_once() {
    let (provider, issuer) = (provider("scenarios: []"), Issuer::start());
    let key = Key::p256("one");
    issuer.publish(&[&key]);
    issuer.knows("opaque", json!({ "active": true, "sub": "ada" }));
    issuer.delay(Duration::from_millis(300));
    let mut setup = setup(&provider.url(), &jwt(&issuer, "jwt", ""));
    setup.policies.push(("asks".into(), policy(&introspection(&issuer, "introspection", ""))));
    let jetway = setup.start();
    let token = key.token(&issuer.claims("ada", 60));
    std::thread::scope(|scope| {
        for _ in 0..12 {
            scope.spawn(|| assert_eq!(send(&jetway, &token).status, 200));
            scope.spawn(|| {
                let ask = post("/asks/v1/messages", BODY).header("x-api-key", "opaque");
                assert_eq!(ask.send(jetway.data).status, 200);
            });
        }
    });
    assert_eq!((issuer.asked("/keys").len(), issuer.asked("/introspect").len()), (1, 1));
}

#[test]
fn a_token_may_be_for_certain_policies_alone() {
    let (provider, issuer) = (provider("scenarios: []"), Issuer::start());
    let key = Key::p256("one");
    issuer.publish(&[&key]);
    let identity = jwt(&issuer, "jwt", ", claims: { user: email, policy: 'https://jetway.example.com/policies' }");
    let mut setup = setup(&provider.url(), &identity);
    setup.policies.push(("other".into(), policy(&identity)));
    let jetway = setup.start();
    let mut claims = issuer.claims("0815", 60);
    claims["email"] = json!("ada@example.com");
    claims["https://jetway.example.com/policies"] = json!(["open", "third"]);
    assert_eq!(send(&jetway, &key.token(&claims)).status, 200);
    assert_eq!(jetway.exchanges(1)[0]["user"], "ada@example.com");
    let elsewhere = post("/other/v1/messages", BODY).header("x-api-key", &key.token(&claims)).send(jetway.data);
    assert_eq!(elsewhere.status, 403);
    assert!(elsewhere.message().contains("does not name the policy `other`"), "{}", elsewhere.text());
    claims["https://jetway.example.com/policies"] = Value::Null;
    assert_eq!(send(&jetway, &key.token(&claims)).status, 403);
}

#[test]
fn where_providers_take_the_caller_s_own_credential_no_token_of_ours_is_mistaken_for_one() {
    let (provider, issuer) = (provider("scenarios: []"), Issuer::start());
    let (key, theirs) = (Key::p256("one"), Key::p256("provider"));
    issuer.publish(&[&key]);
    let mut setup = setup(&provider.url(), &jwt(&issuer, "jwt, keys, passthrough", ""));
    setup.credentials = "passthrough".into();
    let jetway = setup.start();
    let (_, jetway_key) = jetway.key("open", "bob");
    let token = key.token(&issuer.claims("ada", 60));
    let bearer = format!("Bearer {token}");
    let expired = key.token(&issuer.claims("ada", -600));
    let foreign = theirs.token(&json!({ "iss": "https://provider.example.com", "sub": "account" }));
    let elsewhere = key.token(&with(&issuer.claims("ada", 60), "aud", json!("the-provider")));
    let ask = |headers: &[(&str, &str)]| {
        let ask = post("/v1/messages", BODY).header("x-api-key", "");
        headers.iter().fold(ask, |ask, (name, value)| ask.header(name, value)).send(jetway.data)
    };
    let seen = |headers: &[(&str, &str)]| {
        let answer = ask(headers);
        assert_eq!(answer.status, 200, "{}", answer.text());
        let headers = provider.seen().pop().unwrap().headers;
        let text = format!("{headers:?}");
        assert!(!text.contains(&token) && !text.contains(&jetway_key), "{text}");
        let header = |name: &str| headers.get(name).map_or("-", |value| value.to_str().unwrap()).to_owned();
        (header("authorization"), header("x-api-key"))
    };
    let pair = |authorization: &str, key: &str| (authorization.to_owned(), key.to_owned());
    // The token says who calls; the rest is the provider's.
    assert_eq!(seen(&[("x-jetway-key", &token), ("x-api-key", "sk-adas")]), pair("-", "sk-adas"));
    assert_eq!(seen(&[("authorization", &bearer), ("x-api-key", "sk-adas")]), pair("-", "sk-adas"));
    assert_eq!(
        seen(&[("x-jetway-key", &token), ("authorization", &bearer), ("x-api-key", "sk-adas")]),
        pair("-", "sk-adas")
    );
    assert_eq!(
        seen(&[("x-jetway-key", &jetway_key), ("authorization", &bearer), ("x-api-key", "sk-bobs")]),
        pair("-", "sk-bobs")
    );
    // Of our issuer, but made for the provider.
    assert_eq!(seen(&[("x-jetway-key", &token), ("x-api-key", &elsewhere)]), pair("-", &elsewhere));
    // Of another issuer: the provider's own kind of credential.
    assert_eq!(seen(&[("authorization", &format!("Bearer {foreign}"))]), pair(&format!("Bearer {foreign}"), "-"));
    let served = provider.seen().len();

    let refused = |headers: &[(&str, &str)], status: u16, why: &str| {
        let answer = ask(headers);
        assert_eq!((answer.status, answer.message().contains(why)), (status, true), "{why}: {}", answer.text());
    };
    refused(&[("authorization", &bearer)], 403, "brought only what tells Jetway who calls");
    refused(&[("x-jetway-key", &token)], 403, "brought only what tells Jetway who calls");
    // On failure it is not passed on instead.
    refused(&[("authorization", &format!("Bearer {expired}"))], 401, "it has run out");
    refused(&[("authorization", &format!("Bearer {elsewhere}"))], 401, "made for another service");
    refused(&[("x-jetway-key", &foreign), ("x-api-key", "sk-adas")], 401, "its issuer (`iss`) is not");
    refused(&[("x-jetway-key", "opaque"), ("x-api-key", "sk-adas")], 401, "is not known here");
    refused(&[("authorization", &bearer), ("x-api-key", &jetway_key)], 401, "different credentials");
    assert_eq!(provider.seen().len(), served);
    let ways: Vec<_> = jetway.exchanges(served).iter().map(|exchange| exchange["way"].clone()).collect();
    assert!(ways.contains(&json!("jwt")) && ways.contains(&json!("keys")) && ways.contains(&json!("passthrough")));
}

#[test]
fn an_issuer_is_asked_about_a_token_as_the_standard_has_it() {
    let (provider, issuer) = (provider("scenarios: []"), Issuer::start());
    issuer.knows(
        "opaque%2F%2B1",
        json!({ "active": true, "username": "ada", "org": { "team": "core" }, "exp": from_now(60) }),
    );
    issuer.knows("mail", json!({ "active": true, "username": "ada", "aud": "mail" }));
    let rules = introspection(&issuer, "introspection", ", claims: { user: username, team: org.team }");
    let mut setup = setup(&provider.url(), &rules);
    let strict = introspection(&issuer, "introspection", ", audience: jetway, claims: { user: username }");
    setup.policies.push(("strict".into(), policy(&strict)));
    let jetway = setup.start();
    assert_eq!(send(&jetway, "opaque/+1").status, 200);
    let exchange = jetway.exchanges(1).remove(0);
    assert_eq!((exchange["user"].as_str(), exchange["team"].as_str()), (Some("ada"), Some("core")));
    assert_eq!(exchange["way"], "introspection");
    let asked = issuer.asked("/introspect").remove(0);
    assert_eq!(asked.body, "token=opaque%2F%2B1&token_type_hint=access_token");
    let head = asked.head.to_ascii_lowercase();
    assert!(
        head.contains("content-type: application/x-www-form-urlencoded") && head.contains("accept: application/json")
    );
    // The client's name and secret are encoded as a form is, and then as Basic credentials are.
    assert!(asked.head.contains("Basic amV0K3dheTphK3NlY3JldCUzQSslMkIlMjYlMjU="), "{}", asked.head);
    let seen = format!("{:?}", provider.seen().pop().unwrap().headers);
    assert!(seen.contains("sk-operators-own") && !seen.contains("opaque"), "{seen}");

    let unknown = send(&jetway, "made-up");
    assert_eq!(unknown.status, 401);
    assert!(unknown.message().contains("its issuer says that it does not count"), "{}", unknown.text());
    assert_eq!(send(&jetway, "mail").status, 200);
    let strict = post("/strict/v1/messages", BODY).header("x-api-key", "mail").send(jetway.data);
    assert!(strict.message().contains("made for another service"), "{}", strict.text());
}

#[test]
fn answers_are_kept_for_a_moment_and_an_issuer_that_is_down_lets_nobody_in() {
    let (provider, issuer) = (provider("scenarios: []"), Issuer::start());
    issuer.knows("known", json!({ "active": true, "sub": "ada" }));
    issuer.knows("ending", json!({ "active": true, "sub": "ada", "exp": from_now(3) }));
    let jetway = setup(&provider.url(), &introspection(&issuer, "introspection", ", cache: 8s")).start();
    for _ in 0..3 {
        assert_eq!((send(&jetway, "known").status, send(&jetway, "unknown").status), (200, 401));
        assert_eq!(send(&jetway, "ending").status, 200);
    }
    assert_eq!(issuer.asked("/introspect").len(), 3);
    issuer.down(true);
    assert_eq!(send(&jetway, "known").status, 200, "what was answered still counts");
    let new = send(&jetway, "new");
    assert_eq!((new.status, new.header("retry-after")), (503, Some("2")), "{}", new.text());
    eventually(|| send(&jetway, "ending").status == 503);
    assert_eq!(send(&jetway, "known").status, 200, "the one ended with its token, the other has not");
    eventually(|| send(&jetway, "known").status == 503);
    issuer.down(false);
    issuer.knows("known", json!({ "active": false }));
    assert_eq!(send(&jetway, "known").status, 401, "revoked meanwhile");

    for (status, body) in [(401, r#"{"active":true,"sub":"ada"}"#), (200, "yes"), (200, "[]")] {
        issuer.page("/introspect", status, body);
        assert_eq!(send(&jetway, &format!("{status}{body}")).status, 503, "{body}");
    }
}

#[test]
fn where_credentials_are_passed_through_no_issuer_gets_to_see_them() {
    let (provider, issuer) = (provider("scenarios: []"), Issuer::start());
    issuer.knows("opaque", json!({ "active": true, "sub": "ada" }));
    let mut setup = setup(&provider.url(), &introspection(&issuer, "introspection, passthrough", ""));
    setup.credentials = "passthrough".into();
    let jetway = setup.start();
    assert_eq!(send(&jetway, "sk-somebodys").status, 200);
    assert!(issuer.asked("/introspect").is_empty());
    let both = post("/v1/messages", BODY).header("x-jetway-key", "opaque").header("x-api-key", "sk-adas");
    assert_eq!(both.send(jetway.data).status, 200);
    assert_eq!(provider.seen().pop().unwrap().headers["x-api-key"], "sk-adas");
    let ways: Vec<_> = jetway.exchanges(2).iter().map(|exchange| exchange["way"].clone()).collect();
    assert_eq!(ways, ["passthrough", "introspection"]);
}

#[test]
fn no_token_is_in_any_file_log_or_metric() {
    let (provider, issuer) = (provider("scenarios: []"), Issuer::start());
    let (key, other) = (Key::p256("one"), Key::p256("two"));
    issuer.publish(&[&key]);
    issuer.knows("opaque-token", json!({ "active": true, "sub": "ada" }));
    let mut setup = setup(&provider.url(), &jwt(&issuer, "jwt", ""));
    setup.policies.push(("asks".into(), policy(&introspection(&issuer, "introspection", ""))));
    setup.env.push(("JETWAY_LOG".into(), "trace".into()));
    let jetway = setup.start();
    let (good, bad) = (key.token(&issuer.claims("ada", 60)), other.token(&issuer.claims("ada", 60)));
    assert_eq!((send(&jetway, &good).status, send(&jetway, &bad).status), (200, 401));
    for (token, status) in [("opaque-token", 200), ("made-up-token", 401)] {
        assert_eq!(post("/asks/v1/messages", BODY).header("x-api-key", token).send(jetway.data).status, status);
    }
    jetway.exchanges(2);
    let metrics = jetway.metrics();
    for line in [
        "jetway_recognised_total{policy=\"open\",way=\"jwt\"} 1",
        "jetway_recognised_total{policy=\"asks\",way=\"introspection\"} 1",
        "jetway_issuer_questions_total{about=\"keys\",result=\"answered\"} 2",
        "jetway_issuer_questions_total{about=\"token\",result=\"answered\"} 2",
        "jetway_refusals_total{policy=\"open\",reason=\"identity\"} 1",
    ] {
        assert!(metrics.contains(line), "{line}: {metrics}");
    }
    let mut texts = vec![("log".to_owned(), jetway.log().into_bytes()), ("metrics".to_owned(), metrics.into_bytes())];
    for file in std::fs::read_dir(jetway.folder.path().join("state")).unwrap() {
        let path = file.unwrap().path();
        texts.push((path.display().to_string(), std::fs::read(path).unwrap()));
    }
    let part = |token: &str, at: usize| token.split('.').nth(at).unwrap().to_owned();
    let secrets = [
        part(&good, 1),
        part(&good, 2),
        part(&bad, 2),
        "opaque-token".into(),
        "made-up-token".into(),
        "a secret".into(),
    ];
    for (name, bytes) in texts {
        for secret in &secrets {
            let found = bytes.windows(secret.len()).any(|window| window == secret.as_bytes());
            assert!(!found, "{secret} is in {name}");
        }
    }
}

#[test]
fn rules_that_do_not_go_together_are_refused_with_their_line() {
    let check = |identity: &str, line: usize, why: &str| {
        let folder = tempfile::tempdir().unwrap();
        let write = |path: &str, text: &str| {
            let path = folder.path().join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        };
        let provider = "{ kind: anthropic, base_url: 'http://127.0.0.1:1', models: ['*'], credentials: passthrough }";
        write("config/gateway.yaml", &format!("default_policy: open\nproviders: {{ messages: {provider} }}\n"));
        write("config/prices.yaml", "prices: []\n");
        let text = format!("about: x\nmodels: {{ allow: ['*'], providers: [messages] }}\nidentity:\n{identity}\n");
        write("policies/open/policy.yaml", &text);
        let output = jetway_support::jetway(folder.path(), &["check"]).output().unwrap();
        let text = String::from_utf8_lossy(&output.stderr).into_owned();
        let place = format!("policy.yaml:{line}:");
        assert!(!output.status.success() && text.contains(&place) && text.contains(why), "{place} {why}: {text}");
    };
    let issuer = "issuer: https://id.example.com, audience: jetway";
    check("  accept: [keys, oidc]", 4, "unknown value `oidc`");
    check("  accept: [jwt]", 4, "there is no section `jwt:`");
    check(&format!("  accept: [keys]\n  jwt: {{ {issuer} }}"), 4, "`accept` does not list `jwt`");
    check(&format!("  accept: [jwt]\n  jwt: {{ {issuer}, algorithms: [RS256, HS256] }}"), 5, "could make one");
    check(&format!("  accept: [jwt]\n  jwt: {{ {issuer}, algorithms: [none] }}"), 5, "is no signature");
    check(&format!("  accept: [jwt]\n  jwt: {{ {issuer}, jwks: 'http://id.example.com/' }}"), 5, "use https:");
    check(&format!("  accept: [jwt]\n  jwt: {{ {issuer}, skew: 1h }}"), 5, "`skew` must be at most 10m");
    let asks = "  accept: [introspection]\n  introspection:\n    url: https://id.example.com/i\n    client: c\n";
    check(&format!("{asks}    secret: {{ env: NOT_SET_HERE }}"), 8, "the environment variable NOT_SET_HERE is not set");
    check(&format!("{asks}    secret: {{ file: /nowhere }}"), 8, "the file /nowhere cannot be read");
    check(&format!("{asks}    secret: plain"), 8, "unknown value `plain`");
    check("  accept: [certificates]\n  certificates: { user: subject_cn }", 4, "set tls.client_ca in gateway.yaml");
    check("  accept: [certificates]\n  certificates: { user: cn }", 5, "unknown value `cn`");
}
