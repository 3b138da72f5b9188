//! Requests that are sent again, and what else is told of an exchange in a word.

use jiff::{SignedDuration, Timestamp};
use serde_json::Value;

use super::{Place, number, record};
use crate::runs::read::{Filter, Line};
use crate::runs::{Ended, Outcome, Record};

pub(super) async fn is_told_apart(place: &Place) {
    let open = place.open();
    let failed = Record { outcome: Some(Outcome::ProviderTruncated), ..record("x_1", "run_a") };
    open.log.write(&failed).await.unwrap();
    let (again_of, prefix_break) = (Some(String::from("x_1")), Some("agent"));
    open.log.write(&Record { again_of, prefix_break, ..record("x_2", "run_a") }).await.unwrap();
    let speaker = Some(String::from("a0123"));
    open.log.write(&Record { speaker, ..record("x_3", "run_b") }).await.unwrap();
    open.told().await;
    let reader = place.reader().await;
    let (run, exchanges) = reader.show("run_a").await.unwrap().unwrap();
    assert_eq!((number(&run, "turns"), number(&run, "cost_micros")), (1, 14));
    let told = |name: &str| exchanges.iter().map(|exchange| exchange[name].as_str()).collect::<Vec<_>>();
    assert_eq!((told("retried_by"), told("again_of")), (vec![Some("x_2"), None], vec![None, Some("x_1")]));
    let part = reader.story("run_a", None, 9).await.unwrap().unwrap();
    assert_eq!(part.exchanges, exchanges, "a part says the same");
    assert_eq!((told("outcome")[0], told("prefix_break")[1]), (Some("provider_truncated"), Some("agent")));
    let outcome = |word: &str| Filter { outcome: Some(word.to_owned()), limit: 9, ..Filter::default() };
    for (word, expect) in [("retried", vec!["run_a"]), ("provider_truncated", vec![])] {
        let found = reader.list(&outcome(word)).await.unwrap();
        assert_eq!(found.iter().map(|run| run["id"].as_str().unwrap()).collect::<Vec<_>>(), expect, "{word}");
    }
    assert_eq!(reader.show("run_b").await.unwrap().unwrap().1[0]["speaker"], "a0123");
    open.end().await;
}

/// An ending stands where the run went on after it.
pub(super) async fn has_its_endings_in_their_places(place: &Place) {
    let open = place.open();
    let begun = Timestamp::from_millisecond(1_790_000_000_000).unwrap();
    let after = |seconds: i64| begun + SignedDuration::from_secs(seconds);
    for (id, at) in [("x_1", 0), ("x_2", 10), ("x_3", 20), ("x_4", 30)] {
        open.log.write(&Record { at: after(at), ..record(id, "run_a") }).await.unwrap();
    }
    for (how, at) in [("quiet", 12), ("failure", 13), ("quiet", 30), ("age", 40)] {
        let (id, run) = (format!("run_a.{at}"), String::from("run_a"));
        open.log.end(&Ended { id, run, at: after(at), ending: how, ..Ended::default() }).await.unwrap();
    }
    open.told().await;
    let reader = place.reader().await;
    let told = |exchanges: &[Line]| -> Vec<Value> {
        exchanges.iter().map(|exchange| exchange["ended_before"].clone()).collect()
    };
    let (run, exchanges) = reader.show("run_a").await.unwrap().unwrap();
    assert_eq!(told(&exchanges), [Value::Null, Value::Null, "failure".into(), Value::Null]);
    assert_eq!(run["ended_by"], "age");
    // The first of a part does not know what came before it.
    let part = reader.story("run_a", None, 2).await.unwrap().unwrap();
    assert_eq!(told(&part.exchanges), [Value::Null, Value::Null]);
    let part = reader.story("run_a", None, 3).await.unwrap().unwrap();
    assert_eq!(told(&part.exchanges), [Value::Null, "failure".into(), Value::Null]);
    open.end().await;
}
