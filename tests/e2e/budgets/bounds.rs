//! How far a cap can be exceeded: by what exchanges cost beyond what was set aside for them, and in
//! strict mode not at all.

use super::{ask, billed, used};
use jetway_support::{Jetway, Setup, eventually, provider};

/// Replies that use all that they may, and more than shows: thinking that is not shown is paid for.
const GREEDY: &str = "
scenarios:
  - { name: hidden, when: { contains: hidden }, turns: [{ text: 'one two', usage: { input: 900, output: 6000 }, pace: 5ms }] }
  - { name: full, turns: [{ text: 'one two three four five six', usage: { input: 3000, output: 1000 }, pace: 2ms }] }
";

fn storm(jetway: &Jetway, say: impl Fn(usize) -> (String, u64)) {
    let threads: Vec<_> = (0..48)
        .map(|agent| {
            let ((say, limit), to) = (say(agent), jetway.data);
            std::thread::spawn(move || {
                (0..3).for_each(|_| assert!([200, 429].contains(&ask(&say, limit, true).send(to).status)));
            })
        })
        .collect();
    threads.into_iter().for_each(|thread| thread.join().unwrap());
    eventually(|| used(jetway).1 == 0);
}

#[test]
fn strict_goes_over_by_nothing_though_every_reply_uses_all_that_it_may() {
    let provider = provider(GREEDY);
    let sections = "budget: { mode: strict, caps: [{ per: user, usd: 0.2, every: day }] }\n";
    let jetway = Setup::new(&provider.url()).with(sections).start();
    // Three thousand bytes: the most tokens that they could be.
    storm(&jetway, |_| ("full ".repeat(600), 1_000));
    assert_eq!(used(&jetway).0, billed(&provider));
    assert!((100_000..=200_000).contains(&used(&jetway).0), "{:?}", used(&jetway));
}

#[test]
fn elastic_goes_over_by_what_was_not_seen_and_no_more() {
    let provider = provider(GREEDY);
    let sections = "budget: { caps: [{ per: user, usd: 0.5, every: day }] }\n";
    let jetway = Setup::new(&provider.url()).with(sections).start();
    storm(&jetway, |agent| (["hidden ", "full "][agent % 2].repeat(600), 8_000));
    let spent = used(&jetway).0;
    assert_eq!(spent, billed(&provider));
    let beyond: i64 = jetway
        .exchanges(48 * 3)
        .iter()
        .map(|exchange| {
            let figure = |name: &str| exchange[name].as_i64().unwrap();
            (figure("cost_micros") - figure("held_micros")).max(0)
        })
        .sum();
    assert!(beyond > 0, "nothing went beyond what was set aside, so nothing is shown");
    assert!(spent <= 500_000 + beyond, "{spent} {beyond}");
}
