//! Who may call, by which key, and that keys stay secret.

use jetway_support::client::post;
use jetway_support::{OPEN, Setup, provider};

const BODY: &str = r#"{"model":"claude-x","max_tokens":10,"messages":[{"role":"user","content":"hi"}]}"#;

fn setup(url: &str) -> Setup {
    let keys = OPEN.replace("[keys, passthrough]", "[keys]");
    let mut setup = Setup::new(url);
    setup.policies = vec![("open".into(), keys.clone()), ("other".into(), keys)];
    setup.credentials = "{ env: TEST_PROVIDER_KEY }".into();
    setup.env = vec![("TEST_PROVIDER_KEY".into(), "sk-operators-own".into())];
    setup
}

#[test]
fn a_key_opens_its_own_policy_until_it_is_revoked() {
    let provider = provider("scenarios: []");
    let jetway = setup(&provider.url()).start();
    let (id, key) = jetway.key("open", "ada");
    let by = |path: &str| post(path, BODY).header("x-api-key", &key).send(jetway.data);
    assert_eq!(by("/v1/messages").status, 200);
    let seen = provider.seen().pop().unwrap();
    assert_eq!(seen.headers["x-api-key"], "sk-operators-own");
    assert!(!format!("{:?}", seen.headers).contains(&key));

    let bearer =
        post("/open/v1/messages", BODY).header("x-api-key", "").header("authorization", &format!("Bearer {key}"));
    assert_eq!(bearer.send(jetway.data).status, 200);

    let elsewhere = by("/other/v1/messages");
    assert_eq!((elsewhere.status, elsewhere.message().contains("ends in /open")), (403, true), "{}", elsewhere.text());

    assert!(jetway.command(&["keys", "revoke", &id]).status.success());
    let revoked = by("/v1/messages");
    assert_eq!((revoked.status, revoked.message().contains("was revoked")), (401, true));
    assert_eq!(revoked.json()["error"]["type"], "authentication_error");
    let listed = jetway.json(&["keys", "list", "--json"]);
    assert_eq!(listed[0]["user"], "ada");
    assert!(listed[0]["revoked"].is_string() && !listed.to_string().contains(&key));
    for exchange in jetway.exchanges(2) {
        assert_eq!((exchange["user"].as_str(), exchange["key"].as_str()), (Some("ada"), Some(id.as_str())));
    }
}

#[test]
fn strangers_are_refused_in_their_dialect() {
    let provider = provider("scenarios: []");
    let jetway = setup(&provider.url()).start();
    let nobody = post("/v1/messages", BODY).header("x-api-key", "").send(jetway.data);
    assert_eq!((nobody.status, nobody.json()["error"]["type"].as_str()), (401, Some("authentication_error")));
    let unknown = post("/v1/chat/completions", "{}").header("x-api-key", "jw_unknown").send(jetway.data);
    assert_eq!((unknown.status, unknown.json()["error"]["code"].as_str()), (401, Some("invalid_api_key")));
    let foreign = post("/v1/messages", BODY).send(jetway.data);
    assert!(foreign.message().contains("takes only Jetway keys"), "{}", foreign.text());
    assert!(provider.seen().is_empty());
}

#[test]
fn an_operator_s_key_is_not_for_callers_without_one_of_ours() {
    let provider = provider("scenarios: []");
    let mut setup = setup(&provider.url());
    setup.policies = vec![("open".into(), OPEN.into())];
    let jetway = setup.start();
    let answer = post("/v1/messages", BODY).header("x-api-key", "sk-anything").send(jetway.data);
    assert_eq!(answer.status, 403);
    assert!(answer.message().contains("paid for by an operator"), "{}", answer.text());
    assert!(provider.seen().is_empty());
}

#[test]
fn a_key_of_ours_may_come_beside_a_credential_for_the_provider() {
    let provider = provider("scenarios: []");
    let jetway = Setup::new(&provider.url()).start();
    let (_, key) = jetway.key("open", "ada");
    let both =
        post("/v1/messages", BODY).header("x-jetway-key", &key).header("x-api-key", "sk-adas-own").send(jetway.data);
    assert_eq!(both.status, 200);
    assert_eq!(provider.seen().pop().unwrap().headers["x-api-key"], "sk-adas-own");
    let only = post("/v1/messages", BODY).header("x-api-key", &key).send(jetway.data);
    assert!(only.message().contains("brought only what tells Jetway who calls"), "{}", only.text());
    let two = post("/v1/messages", BODY).header("authorization", "Bearer sk-other").send(jetway.data);
    assert!(two.message().contains("different credentials"), "{}", two.text());
}

#[test]
fn no_secret_is_in_any_file_log_or_metric() {
    let provider = provider("scenarios: []");
    let jetway = setup(&provider.url()).start();
    let (_, key) = jetway.key("open", "ada");
    assert_eq!(post("/v1/messages", BODY).header("x-api-key", &key).send(jetway.data).status, 200);
    post("/v1/messages", BODY).header("x-api-key", "sk-strangers-secret").send(jetway.data);
    jetway.exchanges(1);
    let texts = [("log", jetway.log()), ("metrics", jetway.metrics())];
    let mut texts = texts.map(|(name, text)| (name.to_owned(), text.into_bytes())).to_vec();
    for file in std::fs::read_dir(jetway.folder.path().join("state")).unwrap() {
        let path = file.unwrap().path();
        texts.push((path.display().to_string(), std::fs::read(path).unwrap()));
    }
    for (name, bytes) in texts {
        for secret in [key.as_str(), "sk-operators-own", "sk-strangers-secret"] {
            let found = bytes.windows(secret.len()).any(|window| window == secret.as_bytes());
            assert!(!found, "{secret} is in {name}");
        }
    }
}

#[test]
fn keys_are_made_only_for_what_exists() {
    let provider = provider("scenarios: []");
    let jetway = setup(&provider.url()).start();
    let fails = |args: &[&str], why: &str| {
        let output = jetway.command(args);
        let text = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(!output.status.success() && text.contains(why), "{text}");
    };
    fails(&["keys", "create", "--policy", "none", "--user", "ada"], "the policies here are open, other");
    fails(&["keys", "create", "--policy", "open", "--user", "a b"], "names of users");
    fails(&["keys", "revoke", "key_none"], "there is no key");
}
