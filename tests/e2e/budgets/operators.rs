//! What operators see of budgets, and change by hand.

use super::{ask, budget, used};
use jetway_support::client::{get, post};
use jetway_support::{Jetway, Setup, eventually, provider};
use serde_json::Value;

const SCRIPT: &str = "scenarios: [{ name: plain, turns: [{ text: Hello., usage: { input: 1000, output: 100 } }] }]";

fn account(jetway: &Jetway) -> Value {
    jetway.json(&["budgets", "--json"])["accounts"][0].clone()
}

#[test]
fn who_is_close_and_who_is_over_is_listed_and_can_be_helped() {
    let provider = provider(SCRIPT);
    let jetway = Setup::new(&provider.url()).with(&budget("{ per: user, usd: 0.006, every: day }")).start();
    assert!(String::from_utf8_lossy(&jetway.command(&["budgets"]).stdout).contains("Nothing was spent"));
    assert_eq!(ask("hi", 100, true).send(jetway.data).status, 200);
    eventually(|| used(&jetway) == (4_500, 0));
    let shown = account(&jetway);
    assert_eq!((shown["used"].as_f64(), shown["state"].as_str()), (Some(0.0045), Some("well")));
    assert_eq!(ask("hi", 200, true).send(jetway.data).status, 429);
    let name = shown["account"].as_str().unwrap();

    let raise = ["budgets", "raise", name, "--by", "0.01", "--until", "1h", "--reason", "demo day"];
    let raised = jetway.command(&raise);
    assert!(raised.status.success(), "{}", String::from_utf8_lossy(&raised.stderr));
    assert_eq!(account(&jetway)["limit"], 0.016);
    assert_eq!(ask("hi", 200, true).send(jetway.data).status, 200);
    eventually(|| used(&jetway) == (9_000, 0));

    let table = String::from_utf8(jetway.command(&["budgets"]).stdout).unwrap();
    assert!(table.contains("ACCOUNT") && table.contains(name), "{table}");
    assert!(jetway.command(&["budgets", "reset", name, "--reason", "a mistake of ours"]).status.success());
    // Nothing is left to tell of it.
    assert!(account(&jetway).is_null());
    let log = jetway.json(&["budgets", "log", "--json"]);
    let said: Vec<_> = log.as_array().unwrap().iter().map(|action| action["reason"].as_str().unwrap()).collect();
    assert_eq!(said, ["a mistake of ours", "demo day"]);
}

#[test]
fn a_change_that_means_nothing_says_why() {
    let provider = provider(SCRIPT);
    let jetway = Setup::new(&provider.url()).with(&budget("{ per: user, usd: 1, every: day }")).start();
    let check = |args: &[&str], why: &str| {
        let output = jetway.command(&[&["budgets"], args].concat());
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(!output.status.success() && said.contains(why), "{args:?}: {said}");
    };
    let raise = |account: &'static str, by: &'static str, until: &'static str, reason: &'static str| {
        ["raise", account, "--by", by, "--until", until, "--reason", reason]
    };
    check(&raise("open/user=ada", "1", "1h", "why not"), "is no account");
    check(&raise("other/user=ada/usd/day", "1", "1h", "why not"), "there is no policy");
    check(&raise("open/user=ada/usd/day", "0", "1h", "why not"), "more than nothing");
    check(&raise("open/user=ada/usd/day", "1", "yesterday", "why not"), "neither a moment");
    check(&raise("open/user=ada/usd/day", "1", "1h", " "), "say why");
    check(&["reset", "open/user=ada/usd/day", "--reason", "why not"], "nothing to change");
    check(&["release", "x_1", "--reason", "why not"], "nothing to change");
    check(&["--policy", "other"], "there is no policy");
}

#[test]
fn the_admin_port_does_the_same() {
    let provider = provider(SCRIPT);
    let jetway = Setup::new(&provider.url()).with(&budget("{ per: user, usd: 0.006, every: day }")).start();
    assert_eq!(ask("hi", 100, true).send(jetway.data).status, 200);
    eventually(|| used(&jetway) == (4_500, 0));
    let token = format!("Bearer {}", jetway.token().trim());
    assert_eq!(get("/v1/budgets").send(jetway.admin).status, 401);
    let books = get("/v1/budgets").header("authorization", &token).send(jetway.admin).json();
    assert_eq!(books["accounts"][0]["used"], 0.0045);
    let name = books["accounts"][0]["account"].as_str().unwrap();
    let change = |body: String| post("/v1/budgets", body).header("authorization", &token).send(jetway.admin);
    let raise = format!(r#"{{"raise":{{"account":"{name}","by":0.01,"until":"1h"}},"reason":"demo","by":"ops"}}"#);
    assert_eq!(change(raise).json()["done"], true);
    assert_eq!(account(&jetway)["limit"], 0.016);
    let wrong = change(r#"{"raise":{"account":"x","by":1,"until":"1h"},"reason":"demo"}"#.to_owned());
    assert_eq!((wrong.status, wrong.json()["error"].as_str().unwrap().contains("is no account")), (400, true));
    assert_eq!(change("{}".to_owned()).status, 400);
    assert_eq!(change("not json".to_owned()).status, 400);
    let log = jetway.json(&["budgets", "log", "--json"]);
    assert_eq!((log[0]["by"].as_str(), log[0]["what"].as_str()), (Some("ops"), Some("raise")));
}

#[test]
fn what_a_crash_was_charged_can_be_given_back() {
    let slow = "scenarios: [{ name: s, turns: [{ text: 'a b c', pace: 3s }] }]";
    let provider = provider(slow);
    let setup = || Setup::new(&provider.url()).with(&budget("{ per: user, usd: 1, every: day }"));
    let jetway = setup().start();
    let _under_way = ask("hi", 1_000, true).open(jetway.data);
    eventually(|| used(&jetway).1 > 0);
    let jetway = setup().start_in(jetway.kill());
    let books = jetway.json(&["budgets", "--json"]);
    let exchange = books["abandoned"][0]["exchange"].as_str().unwrap();
    assert!(used(&jetway).0 > 0);
    assert!(jetway.command(&["budgets", "release", exchange, "--reason", "nothing was made"]).status.success());
    assert_eq!(used(&jetway), (0, 0));
}
