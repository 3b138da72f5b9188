//! What models were shown, as long as a run that was shown it is in the log.

use jiff::{SignedDuration, Timestamp};

use super::{Place, kept};
use crate::runs::shown::Shown;

pub(super) async fn is_found_by_its_hash(place: &Place) {
    let open = place.open();
    let now: Timestamp = "2026-11-26T12:00:00Z".parse().unwrap();
    let shown = |hash: &str, days: i64, policy: &str| Shown {
        hash: hash.into(),
        at: now - SignedDuration::from_hours(24 * days),
        policy: policy.into(),
        source: "a.md#A".into(),
        page: Some("v1".into()),
        text: format!("text of {hash} \0"),
    };
    let hash = "0123456789ab";
    // Twice in one month, in the month before, by another policy, and what only begins alike.
    for one in [
        shown(hash, 2, "wizard"),
        shown(hash, 1, "wizard"),
        shown(hash, 30, "wizard"),
        shown(hash, 3, "coding"),
        shown("0123456789ac", 300, "wizard"),
    ] {
        open.log.keep_shown(&one).await.unwrap();
    }
    open.told().await;
    let found = async |hash: &str| {
        let found = place.reader().await.shown(hash).await.unwrap();
        found.into_iter().map(|shown| (shown.hash, shown.policy, shown.at)).collect::<Vec<_>>()
    };
    let at = |days: i64| now - SignedDuration::from_hours(24 * days);
    let expect = [(hash.to_owned(), "wizard".to_owned(), at(2)), (hash.to_owned(), "coding".to_owned(), at(3))];
    assert_eq!(found(hash).await, expect);
    assert_eq!(found("0123456789a").await.len(), 3);
    assert_eq!(found("0123456789a0").await, []);
    let text = &place.reader().await.shown(hash).await.unwrap()[0].text;
    assert!(text.starts_with("text of 0123456789ab"), "{text}");
    // A month longer than runs, for it may have been shown until the end of its month.
    let days = |days: u64| kept(days);
    open.log.purge(now, &days(270)).await.unwrap();
    assert_eq!(found("0123456789ac").await.len(), 1);
    open.log.purge(now, &days(1)).await.unwrap();
    assert_eq!((found("0123456789ac").await, found(hash).await.len()), (vec![], 2));
    open.end().await;
}
