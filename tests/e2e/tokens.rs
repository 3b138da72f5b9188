//! Run tokens: minted for one run, with a cap, an end and a list of models; and caps of keys.

use serde_json::{Value, json};

use jetway_support::client::{Answer, get, post};
use jetway_support::{Jetway, Setup, eventually, provider};

const SCRIPT: &str = "scenarios: [{ name: plain, turns: [{ text: Hello., usage: { input: 1000, output: 100 } }] }]";

/// A gateway whose operator pays, and whose policy takes nothing but tokens for runs and keys.
fn start(provider: &jetway_scripted::Provider) -> Jetway {
    let mut setup = Setup::new(&provider.url());
    setup.credentials = "{ env: PROVIDER_KEY }".to_owned();
    setup.env.push(("PROVIDER_KEY".to_owned(), "sk-operator".to_owned()));
    let policy = "
about: Runs.
identity: { accept: [keys, runs] }
models: { allow: ['claude-*'], providers: [messages] }
budget: { caps: [{ per: user, usd: 1, every: day }] }
";
    setup.policies = vec![("open".to_owned(), policy.to_owned())];
    setup.more = "admin: { mints: { tokens: 5, every: hour } }".to_owned();
    setup.start()
}

fn admin(jetway: &Jetway, ask: jetway_support::client::Ask) -> Answer {
    ask.header("authorization", &format!("Bearer {}", jetway.token().trim())).send(jetway.admin)
}

fn mint(jetway: &Jetway, wish: &Value) -> Answer {
    admin(jetway, post("/v1/tokens", wish.to_string()))
}

fn ask(jetway: &Jetway, token: &str, model: &str) -> Answer {
    let body = json!({ "model": model, "max_tokens": 100, "messages": [{ "role": "user", "content": "hi" }] });
    post("/v1/messages", body.to_string()).header("x-api-key", token).send(jetway.data)
}

#[test]
fn a_run_token_is_good_for_its_cap_its_models_and_its_time() {
    let provider = provider(SCRIPT);
    let jetway = start(&provider);
    let wish = json!({ "policy": "open", "user": "ada", "cap": { "usd": 0.008 }, "ttl": "10m", "models": ["claude-sonnet-*"] });
    let minted = mint(&jetway, &wish).json();
    let token = minted["token"].as_str().unwrap();
    assert!(token.starts_with("jw_run_"), "{minted}");
    assert_eq!(ask(&jetway, token, "claude-sonnet-5-5").status, 200);
    let other = ask(&jetway, token, "claude-opus-5-5");
    assert!(other.message().contains("not allowed by the caller's own list"), "{}", other.text());
    // It cost 4500 of its 8000.
    eventually(|| {
        let told = get("/v1/usage").header("x-api-key", token).send(jetway.data).json();
        told["caps"][1]["left"] == 0.0035
    });
    let refused = ask(&jetway, token, "claude-sonnet-5-5");
    assert_eq!(refused.status, 200, "{}", refused.text());
    eventually(|| ask(&jetway, token, "claude-sonnet-5-5").message().contains("for this run in all"));
    let exchanges = jetway.exchanges(4);
    let run = minted["id"].as_str().unwrap();
    assert!(exchanges.iter().all(|exchange| exchange["run"] == run && exchange["user"] == "ada"));
}

#[test]
fn the_same_idempotency_key_gives_the_same_token() {
    let provider = provider(SCRIPT);
    let jetway = start(&provider);
    let wish = |usd: f64| json!({ "policy": "open", "user": "ada", "cap": { "usd": usd }, "idempotency_key": "job 1" });
    let (first, second) = (mint(&jetway, &wish(1.0)).json(), mint(&jetway, &wish(1.0)).json());
    assert_eq!(first, second);
    let other = mint(&jetway, &wish(2.0));
    assert_eq!((other.status, other.json()["error"].as_str().unwrap().contains("something else")), (409, true));
}

#[test]
fn tokens_are_listed_and_revoked_and_each_is_in_the_log() {
    let provider = provider(SCRIPT);
    let jetway = start(&provider);
    let wish = json!({ "policy": "open", "user": "ada", "team": "core", "cap": { "tokens": 100000 } });
    let minted = mint(&jetway, &wish).json();
    let (id, token) = (minted["id"].as_str().unwrap(), minted["token"].as_str().unwrap());
    let listed = admin(&jetway, get("/v1/tokens?policy=open"));
    assert_eq!(listed.json()["tokens"][0]["id"], id);
    assert!(!listed.text().contains(token), "the token itself is not shown again");
    assert_eq!(jetway.json(&["tokens", "list", "--json"])[0]["team"], "core");
    assert_eq!(ask(&jetway, token, "claude-x").status, 200);
    let revoked = admin(&jetway, get(&format!("/v1/tokens/{id}")).method("DELETE"));
    assert_eq!(revoked.json()["revoked"], true);
    let refused = ask(&jetway, token, "claude-x");
    assert_eq!((refused.status, refused.message().contains("was revoked")), (401, true));
    assert_eq!(admin(&jetway, get("/v1/tokens/run_none").method("DELETE")).status, 404);
    let log = jetway.json(&["budgets", "log", "--json"]);
    let done: Vec<_> = log.as_array().unwrap().iter().map(|action| action["what"].as_str().unwrap()).collect();
    assert_eq!(done, ["revoke", "mint"]);
    assert_eq!(jetway.log().matches(token).count(), 0);
}

#[test]
fn what_cannot_be_minted_says_why() {
    let provider = provider(SCRIPT);
    let jetway = start(&provider);
    assert_eq!(post("/v1/tokens", "{}").send(jetway.admin).status, 401);
    let check = |wish: Value, status: u16, why: &str| {
        let answer = mint(&jetway, &wish);
        assert_eq!(answer.status, status, "{}", answer.text());
        assert!(answer.json()["error"].as_str().unwrap().contains(why), "{}", answer.text());
    };
    let cap = json!({ "usd": 1 });
    check(json!({ "policy": "open", "user": "ada" }), 400, "missing field `cap`");
    check(json!({ "policy": "open", "user": "ada", "cap": {} }), 400, "exactly one");
    check(json!({ "policy": "none", "user": "ada", "cap": cap }), 404, "no policy");
    check(json!({ "policy": "open", "user": "a b", "cap": cap }), 400, "names of users");
    check(json!({ "policy": "open", "user": "ada", "cap": cap, "ttl": "30d" }), 400, "from 1s to 7d");
    check(json!({ "policy": "open", "user": "ada", "cap": cap, "models": [] }), 400, "`allow` is empty");
    check(json!({ "policy": "open", "user": "ada", "cap": cap, "idempotency_key": "" }), 400, "1 to 200");
    for _ in 0..5 {
        assert_eq!(mint(&jetway, &json!({ "policy": "open", "user": "eve", "cap": cap })).status, 200);
    }
    let many = mint(&jetway, &json!({ "policy": "open", "user": "eve", "cap": cap }));
    assert_eq!((many.status, many.header("retry-after").is_some()), (429, true));
}

#[test]
fn the_command_line_mints_too() {
    let provider = provider(SCRIPT);
    let jetway = start(&provider);
    let minted = jetway.json(&["tokens", "mint", "--policy", "open", "--user", "ada", "--usd", "0.5", "--json"]);
    assert_eq!(ask(&jetway, minted["token"].as_str().unwrap(), "claude-x").status, 200);
    assert!(jetway.command(&["tokens", "revoke", minted["id"].as_str().unwrap()]).status.success());
    assert_eq!(ask(&jetway, minted["token"].as_str().unwrap(), "claude-x").status, 401);
    assert!(!jetway.command(&["tokens", "revoke", "run_none"]).status.success());
}

#[test]
fn a_key_s_own_cap_holds_besides_the_policy_s() {
    let provider = provider(SCRIPT);
    let jetway = start(&provider);
    let create = ["keys", "create", "--policy", "open", "--user", "ada", "--usd", "0.006", "--every", "5h", "--json"];
    let key = jetway.json(&create);
    let ask = || ask(&jetway, key["key"].as_str().unwrap(), "claude-sonnet-x");
    assert_eq!(ask().status, 200);
    eventually(|| ask().status == 429);
    assert!(
        ask().message().contains("of $0.006000 for this key in any 5h") || ask().message().contains("for this key")
    );
    assert_eq!(jetway.json(&["keys", "list", "--json"])[0]["caps"][0]["usd"], 0.006);
    let wrong =
        jetway.command(&["keys", "create", "--policy", "open", "--user", "ada", "--usd", "1", "--every", "fortnight"]);
    assert!(String::from_utf8_lossy(&wrong.stderr).contains("is no window"));
}
