//! The process is killed at any instant, again and again: what was charged is never less than what
//! the provider served, and more only by what was set aside for what was under way.

use std::time::Duration;

use super::{ask, billed, used};
use jetway_support::{Jetway, Setup, eventually, provider};

const SCRIPT: &str = "
scenarios:
  - name: any
    turns: [{ text: 'one two three four five six', usage: { input: 900, output: 77 }, pace: 7ms }]
";

#[test]
fn whatever_the_instant_nothing_is_lost_and_nothing_counts_twice() {
    let provider = provider(SCRIPT);
    let setup = || Setup::new(&provider.url()).with("budget: { caps: [{ per: user, usd: 100, every: day }] }\n");
    let mut folder = tempfile::tempdir().unwrap();
    for round in 0..12 {
        let jetway = setup().start_in(folder);
        let to = jetway.data;
        let agents: Vec<_> = (0..8)
            .map(|_| {
                // A gateway that dies in the middle leaves a client with all kinds of ends.
                std::thread::spawn(move || {
                    for _ in 0..20 {
                        let asked = std::panic::catch_unwind(|| ask(&"and ".repeat(900), 300, true).send(to).status);
                        if asked.is_err() {
                            break;
                        }
                    }
                })
            })
            .collect();
        std::thread::sleep(Duration::from_millis(40 + round * 37));
        folder = jetway.kill();
        agents.into_iter().for_each(|agent| drop(agent.join()));
    }
    let jetway = setup().start_in(folder);
    assert_eq!(used(&jetway).1, 0);
    let abandoned = abandoned(&jetway);
    assert!(!abandoned.is_empty(), "nothing was under way when it was killed, so nothing is shown");
    let extra: i64 = abandoned.iter().map(|(_, amount)| amount).sum();
    let (spent, served) = (used(&jetway).0, billed(&provider));
    assert!((served..=served + extra).contains(&spent), "{spent} of {served} and {extra}");
    for (exchange, _) in abandoned {
        assert!(jetway.command(&["budgets", "release", &exchange, "--reason", "looked at"]).status.success());
    }
    // What is left are the exchanges that came to their end, each charged once.
    let complete = (900 * 3 + 77 * 15) as i64;
    eventually(|| used(&jetway).0 % complete == 0 && used(&jetway).0 <= served);
}

fn abandoned(jetway: &Jetway) -> Vec<(String, i64)> {
    let books = jetway.json(&["budgets", "--json"]);
    let hold =
        |hold: &serde_json::Value| (hold["exchange"].as_str().unwrap().to_owned(), hold["amount"].as_i64().unwrap());
    books["abandoned"].as_array().unwrap().iter().map(hold).collect()
}
