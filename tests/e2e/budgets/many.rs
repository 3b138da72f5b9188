//! Many agents on one budget: what was charged is what the provider served, to the token.

use std::io::Read;

use super::{ask, billed, budget, used};
use jetway_support::{Setup, eventually, provider};

/// Replies of several lengths; the agents choose by what they say.
const SCRIPT: &str = "
scenarios:
  - { name: short, when: { contains: short }, turns: [{ text: 'one two', usage: { input: 312, cache_read: 4001, output: 7 }, pace: 1ms }] }
  - { name: long, when: { contains: long }, turns: [{ text: 'one two three four five six seven', usage: { input: 77, cache_write: 1203, output: 431 }, pace: 10ms }] }
  - { name: plain, turns: [{ text: Hello., usage: { input: 999, output: 101 } }] }
";

#[test]
fn sixty_four_agents_spend_what_was_served_and_never_more_than_the_cap() {
    let provider = provider(SCRIPT);
    let cap = 400_000;
    let jetway = Setup::new(&provider.url()).with(&budget("{ per: user, usd: 0.4, every: day }")).start();
    let agents: Vec<_> = (0..64)
        .map(|agent| {
            let to = jetway.data;
            std::thread::spawn(move || {
                let mut served = 0;
                for turn in 0..6 {
                    // As long as its tokens want it: no tokenizer makes more tokens than there are bytes.
                    let say = ["short", "long", "plain"][(agent + turn) % 3].to_owned() + &" and".repeat(4_000);
                    let answer = ask(&say, 900, turn % 2 == 0).send(to);
                    assert!([200, 429].contains(&answer.status), "{}", answer.text());
                    served += usize::from(answer.status == 200);
                }
                served
            })
        })
        .collect();
    let served: usize = agents.into_iter().map(|agent| agent.join().unwrap()).sum();
    assert_eq!(provider.seen().len(), served, "a refused request was sent");
    assert!((20..64 * 6).contains(&served), "{served}");
    eventually(|| used(&jetway).1 == 0);
    assert_eq!(used(&jetway).0, billed(&provider));
    assert!(billed(&provider) <= cap, "{}", billed(&provider));
}

#[test]
fn agents_that_read_all_but_the_usage_and_leave_are_charged_to_the_token() {
    let provider = provider(SCRIPT);
    let sections = "budget: { caps: [{ per: user, usd: 10, every: day }], on_client_gone: drain }\n";
    let jetway = Setup::new(&provider.url()).with(sections).start();
    let agents: Vec<_> = (0..24)
        .map(|agent| {
            let to = jetway.data;
            std::thread::spawn(move || {
                let mut stream = ask(["short", "long"][agent % 2], 900, true).open(to);
                let mut read = Vec::new();
                let mut buffer = [0; 64];
                // Everything up to the last block's end; the usage comes right behind.
                while !String::from_utf8_lossy(&read).contains("content_block_stop") {
                    let count = stream.read(&mut buffer).unwrap();
                    read.extend_from_slice(&buffer[..count]);
                }
                assert!(!String::from_utf8_lossy(&read).contains("message_stop"));
            })
        })
        .collect();
    agents.into_iter().for_each(|agent| agent.join().unwrap());
    eventually(|| used(&jetway).1 == 0);
    assert!(provider.seen().iter().all(|seen| seen.served.finished));
    assert_eq!(used(&jetway).0, billed(&provider));
}
