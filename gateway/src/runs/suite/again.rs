//! Requests that are sent again, and what else is told of an exchange in a word.

use super::{Place, number, record};
use crate::runs::read::Filter;
use crate::runs::{Outcome, Record};

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
    assert_eq!((told("outcome")[0], told("prefix_break")[1]), (Some("provider_truncated"), Some("agent")));
    let outcome = |word: &str| Filter { outcome: Some(word.to_owned()), limit: 9, ..Filter::default() };
    for (word, expect) in [("retried", vec!["run_a"]), ("provider_truncated", vec![])] {
        let found = reader.list(&outcome(word)).await.unwrap();
        assert_eq!(found.iter().map(|run| run["id"].as_str().unwrap()).collect::<Vec<_>>(), expect, "{word}");
    }
    assert_eq!(reader.show("run_b").await.unwrap().unwrap().1[0]["speaker"], "a0123");
    open.end().await;
}
