//! What callers see of their budgets.

use super::{ask, budget, used};
use jetway_support::client::get;
use jetway_support::{Setup, eventually, provider};

const SCRIPT: &str = "
scenarios:
  - name: refused
    when: { contains: refuse }
    by: request
    turns: [{ status: 429, headers: { anthropic-ratelimit-tokens-remaining: '7', retry-after: '1' }, error: { type: rate_limit_error, message: Slow down. } }]
  - name: plain
    turns: [{ text: Hello., usage: { input: 1000, output: 100 } }]
";

#[test]
fn the_usage_endpoint_tells_a_caller_its_own_caps() {
    let provider = provider(SCRIPT);
    let caps =
        "{ per: user, usd: 1, every: day }, { per: run, tokens: 9000, every: run }, { per: model, usd: 2, every: 5h }";
    let jetway = Setup::new(&provider.url()).with(&budget(caps)).start();
    let asked = ask("hi", 100, true).header("x-jetway-run", "r1").send(jetway.data);
    assert_eq!(asked.status, 200);
    eventually(|| used(&jetway) == (2 * 4_500, 0));
    let told = get("/open/v1/usage").send(jetway.data).json();
    assert_eq!(told["caps"].as_array().unwrap().len(), 1, "{told}");
    let cap = &told["caps"][0];
    assert_eq!(
        (cap["per"].as_str(), cap["every"].as_str(), cap["unit"].as_str()),
        (Some("user"), Some("day"), Some("usd"))
    );
    assert_eq!(
        (cap["limit"].as_f64(), cap["used"].as_f64(), cap["left"].as_f64()),
        (Some(1.0), Some(0.0045), Some(0.9955))
    );
    assert!(cap["resets_at"].as_str().unwrap().ends_with("T00:00:00Z"), "{cap}");
    let told = get("/v1/usage?model=claude-sonnet-5-5").header("x-jetway-run", "r1").send(jetway.data).json();
    let left: Vec<_> = told["caps"].as_array().unwrap().iter().map(|cap| cap["left"].as_f64().unwrap()).collect();
    assert_eq!(left, [0.9955, 7_900.0, 1.9955]);
    assert_eq!(get("/v1/usage").header("x-api-key", "").send(jetway.data).status, 401);
    let other = get("/v1/usage").header("x-api-key", "sk-somebody-else").send(jetway.data).json();
    assert_eq!(other["caps"][0]["used"], 0.0);
}

#[test]
fn every_reply_says_what_is_left() {
    let provider = provider(SCRIPT);
    let caps = "{ per: user, usd: 0.02, every: day }, { per: policy, tokens: 100000, every: hour }";
    let jetway = Setup::new(&provider.url()).with(&budget(caps)).start();
    let first = ask("hi", 1_000, true).send(jetway.data);
    let left: f64 = first.header("x-jetway-budget-remaining-user-usd-day").unwrap().parse().unwrap();
    assert!((0.004..0.005).contains(&left), "{left}");
    assert_eq!(first.header("anthropic-ratelimit-tokens-limit"), Some("100000"));
    assert_eq!(first.header("anthropic-ratelimit-unified-status"), Some("allowed_warning"));
    eventually(|| used(&jetway).1 == 0);
    let refused = ask("hi", 10_000, true).send(jetway.data);
    assert_eq!(refused.status, 429);
    assert_eq!(refused.header("x-jetway-budget-remaining-user-usd-day"), Some("0.015500"));
}

#[test]
fn what_a_provider_says_of_an_operator_s_key_stays_with_the_operator() {
    let provider = provider(SCRIPT);
    let mut setup = Setup::new(&provider.url());
    setup.credentials = "{ env: PROVIDER_KEY }".to_owned();
    setup.env.push(("PROVIDER_KEY".to_owned(), "sk-operator".to_owned()));
    let jetway = setup.start();
    let (_, key) = jetway.key("open", "ada");
    let refused = ask("refuse", 10, true).header("x-api-key", &key).send(jetway.data);
    assert_eq!((refused.status, refused.header("retry-after")), (429, Some("1")));
    assert_eq!(refused.header("anthropic-ratelimit-tokens-remaining"), None);
    // A caller who brings its own key is told about it.
    let jetway = Setup::new(&provider.url()).start();
    let refused = ask("refuse", 10, true).send(jetway.data);
    assert_eq!(refused.header("anthropic-ratelimit-tokens-remaining"), Some("7"));
}
