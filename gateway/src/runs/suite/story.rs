//! A part of a long run, and what the whole of it came to.

use std::collections::BTreeMap;

use jetway_core::wire::event::Usage;
use jiff::{SignedDuration, Timestamp};
use serde_json::Value;

use super::{Place as Store, number, record};
use crate::runs::read::{Part, Place, text};
use crate::runs::{Record, Redaction};

const TURNS: u32 = 1_000;

/// Two turns in each millisecond, so that a moment alone is no place.
fn turn(number: u32) -> Record {
    let begun = Timestamp::from_millisecond(1_790_000_000_000).unwrap();
    let is_tenth = number.is_multiple_of(10);
    let found = |count| Redaction { kind: "env".into(), name: None, call: "c".into(), count, replaced: true };
    Record {
        at: begun.checked_add(SignedDuration::from_millis(i64::from(number / 2))).unwrap(),
        usage: Usage { input: u64::from(number), cache_read: 3, cache_write: 2, cache_write_hour: 0, output: 1 },
        inner_turns: u32::from(is_tenth),
        step: Some(format!("step-{}", number / 400)),
        sent_model: is_tenth.then(|| "small".into()),
        // What no PostgreSQL takes in a text, and its JSON functions choke on.
        calls: if is_tenth { vec!["Read".into(), "B\0ash".into()] } else { vec!["Read".into()] },
        redactions: if is_tenth { vec![found(2), found(1)] } else { Vec::new() },
        ..record(&format!("x_{number:04}"), "run_long")
    }
}

pub(super) async fn a_long_run_is_told_in_parts_and_its_sums_are_of_all(store: &Store) {
    let open = store.open();
    let mut writing = tokio::task::JoinSet::new();
    for number in 1..=TURNS {
        let log = open.log.clone();
        writing.spawn(async move { log.write(&turn(number)).await });
    }
    writing.join_all().await.into_iter().for_each(Result::unwrap);
    open.log
        .write(&Record { usage: Usage { output: 1 << 40, ..Usage::default() }, ..record("x_other", "run_other") })
        .await
        .unwrap();
    open.told().await;
    let reader = store.reader().await;
    let mut before: Option<Place> = None;
    for (first, last) in [(701, 1_000), (401, 700), (101, 400), (1, 100)] {
        let part = reader.story("run_lon", before.as_ref(), 300).await.unwrap().unwrap();
        let turns: Vec<i64> = part.exchanges.iter().map(|exchange| number(exchange, "turn")).collect();
        assert_eq!(turns, (first..=last).collect::<Vec<i64>>());
        assert_eq!((text(&part.exchanges[0], "id"), part.earlier), (Some(&*format!("x_{first:04}")), first - 1));
        check(&part);
        let sent = part.exchanges.iter().filter(|exchange| exchange["sent_model"] == "small").count();
        assert_eq!(sent, part.exchanges.len() / 10);
        before = part.exchanges.first().and_then(Place::of);
    }
    let none = reader.story("run_long", before.as_ref(), 300).await.unwrap().unwrap();
    assert_eq!((none.exchanges.len(), none.earlier), (0, 0));
    assert!(reader.story("run_none", None, 300).await.unwrap().is_none());
    assert!(reader.story("run_", None, 300).await.unwrap().is_none(), "two begin so");
    open.end().await;
}

/// The sums, which are the same in every part.
fn check(part: &Part) {
    let turns = i64::from(TURNS);
    let sums = ["input", "cache_read", "cache_write", "output", "inner_turns", "steps", "longest"];
    let expect = [turns * (turns + 1) / 2, 3 * turns, 2 * turns, turns, turns / 10, 3, turns + 6];
    assert_eq!(sums.map(|name| number(&part.sums, name)), expect);
    assert_eq!(number(&part.run, "turns"), turns);
    let mut lists: BTreeMap<&str, i64> = BTreeMap::new();
    for list in &part.lists {
        let items: Vec<Value> = serde_json::from_str(text(list, "items").unwrap()).unwrap();
        *lists.entry(text(list, "name").unwrap()).or_default() += items.len() as i64 * number(list, "times");
    }
    assert_eq!(lists, BTreeMap::from([("calls", turns + turns / 10), ("redactions", turns / 5)]));
}

/// What was written lately is found by when it began, however long it took.
pub(super) async fn what_ends_late_is_new_all_the_same(store: &Store) {
    let open = store.open();
    let now = Timestamp::now();
    let ago = |minutes: i64| now - SignedDuration::from_mins(minutes);
    let took = |id: &str, (began, minutes): (i64, u64)| Record {
        at: ago(began),
        total_millis: minutes * 60_000,
        policy: Some(id[..1].into()),
        ..record(id, "run_a")
    };
    let all = [("a1", (90, 89)), ("a2", (90, 40)), ("a3", (29, 1)), ("b1", (60, 60)), ("b2", (45, 20)), ("b3", (5, 1))];
    for (id, times) in all {
        open.log.write(&took(id, times)).await.unwrap();
    }
    open.told().await;
    let reader = store.reader().await;
    for (policy, expect) in [(None, "a1 b1 a3 b3"), (Some("a"), "a1 a3"), (Some("b"), "b1 b3"), (Some("c"), "")] {
        let found = reader.ids_since(policy, ago(30)).await.unwrap();
        assert_eq!(found.join(" "), expect, "{policy:?}");
    }
    open.end().await;
}
