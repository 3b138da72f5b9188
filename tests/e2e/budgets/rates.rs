//! How fast callers may ask, apart from what it costs.

use std::io::Read;

use super::ask;
use jetway_support::client::{post, read};
use jetway_support::{Setup, eventually, provider};

const SCRIPT: &str = "
scenarios:
  - name: slow
    when: { contains: slowly }
    turns: [{ text: 'one two three four five six seven eight nine ten', pace: 100ms }]
";

#[test]
fn a_rate_that_is_used_up_says_when_to_try_again() {
    let provider = provider(SCRIPT);
    let sections = "budget: { rates: [{ per: user, requests: 2, every: minute }] }\n";
    let jetway = Setup::new(&provider.url()).with(sections).start();
    let first = ask("hi", 10, true).send(jetway.data);
    assert_eq!((first.status, first.header("anthropic-ratelimit-requests-remaining")), (200, Some("1")));
    assert_eq!(ask("hi", 10, true).send(jetway.data).status, 200);
    let refused = ask("hi", 10, true).send(jetway.data);
    assert_eq!((refused.status, refused.header("x-should-retry")), (429, Some("true")));
    let wait: u64 = refused.header("retry-after").unwrap().parse().unwrap();
    assert!((1..=31).contains(&wait), "{wait}");
    // Told apart from a budget that is used up.
    assert_eq!(refused.json()["error"]["type"], "rate_limit_error");
    assert!(refused.message().contains("2 requests for each user a minute"), "{}", refused.message());
    assert_eq!(ask("hi", 10, true).header("x-api-key", "sk-another").send(jetway.data).status, 200);
    assert_eq!(provider.seen().len(), 3);
}

#[test]
fn nobody_is_left_sleeping_for_long() {
    let provider = provider(SCRIPT);
    let sections = "budget: { rates: [{ per: user, requests: 1, every: day }] }\n";
    let jetway = Setup::new(&provider.url()).with(sections).start();
    assert_eq!(ask("hi", 10, true).send(jetway.data).status, 200);
    let refused = ask("hi", 10, true).send(jetway.data);
    let headers = (refused.header("x-should-retry"), refused.status == 429);
    assert_eq!(headers, (Some("false"), true));
}

#[test]
fn a_place_is_kept_until_the_last_byte() {
    let provider = provider(SCRIPT);
    let sections = "budget: { rates: [{ per: user, concurrent: 2 }] }\n";
    let jetway = Setup::new(&provider.url()).with(sections).start();
    let mut first = ask("slowly", 10, true).open(jetway.data);
    let second = ask("slowly", 10, true).open(jetway.data);
    assert!(first.read(&mut [0; 100]).unwrap() > 0);
    eventually(|| provider.seen().len() == 2);
    let refused = ask("hi", 10, true).send(jetway.data);
    assert_eq!((refused.status, refused.header("retry-after")), (429, Some("1")));
    assert!(refused.message().contains("2 requests at once"), "{}", refused.message());
    // Counting tokens is free, and agents do it by the dozen.
    let count = r#"{"model":"claude-sonnet-5-5","messages":[{"role":"user","content":"hi"}]}"#;
    assert_eq!(post("/v1/messages/count_tokens", count).send(jetway.data).status, 200);
    drop(first);
    eventually(|| ask("hi", 10, true).send(jetway.data).status == 200);
    assert_eq!(read(second).status, 200);
}
