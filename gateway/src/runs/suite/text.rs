//! Looking for runs by what was said in them.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use super::{Place, record};
use crate::config::Runs;
use crate::runs::body::Body;
use crate::runs::postgres::Wire;
use crate::runs::read::{Filter, NEWEST, Reader};
use crate::runs::row::Row;
use crate::runs::{Record, log};

async fn found(reader: &Reader, text: &str) -> Vec<String> {
    let filter = Filter { text: Some(text.into()), limit: 3, ..Filter::default() };
    let runs = reader.list(&filter).await.unwrap();
    runs.iter().map(|run| run["id"].as_str().unwrap().to_owned()).collect()
}

/// What was said in a run by its user, so many minutes ago.
fn said((run, user, minutes): (&str, &str, i64), words: Option<&str>) -> (Record, Body) {
    let at = Timestamp::now().checked_sub(SignedDuration::from_mins(minutes)).unwrap();
    let record = Record { at, user: Some(user.into()), ..record(&format!("x_{run}_{minutes}"), run) };
    let body = Body {
        exchange: record.id.clone(),
        run: record.run.clone(),
        user: record.user.clone(),
        at,
        sent: "{}".into(),
        said: None,
        words: words.map(str::to_owned),
    };
    (record, body)
}

pub(super) async fn that_was_said_is_found(place: &Place) {
    let open = place.open();
    for (whose, words) in [
        (("run_a", "ada", 9), Some("Where is the Middleware?\nIn src/middleware.ts, at 100% of_all \u{c4}ste.")),
        (("run_a", "ada", 8), None),
        (("run_b", "bob", 7), Some("a\0b' \"c\" AND {1,2} OR \u{1f6eb} !important \u{6771}\u{4eac}\u{90fd}")),
        (("run_c", "bob", 6), Some("the middle\nware")),
        (("run_d", "bob", 5), Some("or")),
        (("run_e", "ada", 4), Some("aware of middleware")),
        (("run_f", "ada", 3), Some("middlewares")),
        (("run_g", "ada", 2), None),
        (("run_h", "ada", 1), Some("THE MIDDLEWARE")),
    ] {
        let (record, body) = said(whose, words);
        open.log.write(&record).await.unwrap();
        open.log.keep_body(body).await.unwrap();
    }
    open.told().await;
    let reader = place.reader().await;
    for (text, expect) in [
        ("Where is the", &["run_a"][..]),
        ("ddlewar", &["run_h", "run_f", "run_e"]),
        ("the middleware", &["run_h", "run_a"]),
        ("Middleware?\nIn SRC", &["run_a"]),
        ("100% of_all", &["run_a"]),
        ("100_ of%all", &[]),
        ("\u{c4}STE", &["run_a"]),
        ("a\0b' \"C\" and {1,2} or \u{1f6eb} !", &["run_b"]),
        ("\u{1f6eb}", &["run_b"]),
        ("\u{6771}\u{4eac}\u{90fd}", &["run_b"]),
        ("or", &["run_d", "run_b"]),
        ("!", &["run_b"]),
        ("nowhere", &[]),
        ("zq", &[]),
        // All of its pieces were said, but not as a whole.
        ("are is the middle\nware", &[]),
        ("aware of the middleware", &[]),
    ] {
        assert_eq!(found(&reader, text).await, expect, "{text:?}");
    }
    let filter = Filter { text: Some("middle".into()), user: Some("bob".into()), limit: 3, ..Filter::default() };
    let runs = reader.list(&filter).await.unwrap();
    assert_eq!(runs.iter().map(|run| run["id"].as_str().unwrap()).collect::<Vec<_>>(), ["run_c"]);
    // Behind more runs than are looked through without the index.
    for number in 0..=NEWEST {
        let run = format!("run_{number}");
        let (record, body) = said((&run, "eve", 0), Some("something else"));
        open.log.write(&record).await.unwrap();
        open.log.keep_body(body).await.unwrap();
    }
    open.told().await;
    assert_eq!(found(&reader, "ddlewar").await, ["run_h", "run_f", "run_e"]);
    assert_eq!(found(&reader, "or").await, ["run_d", "run_b"]);
    open.end().await;
}

/// As bodies of older versions.
pub(super) async fn that_is_in_no_index_is_found(place: &Place) {
    let open = place.open();
    let (record, body) = said(("run_old", "ada", 5), Some("Where is the Middleware?"));
    open.log.write(&record).await.unwrap();
    if let Some(settings) = &place.runs.postgres {
        let mut row = serde_json::to_value(Row::of_body(&body).unwrap()).unwrap();
        assert!(row["cells"].as_object_mut().unwrap().remove("marks").is_some());
        let row: Row = serde_json::from_value(row).unwrap();
        Wire::connect(settings).await.unwrap().write(&[&row]).await.unwrap();
    } else {
        let files = log::connect(&place.state.path().join(log::FILE)).unwrap();
        let sql = "INSERT INTO body (id, at, run, bytes, sent, words) VALUES (?1, 1, ?2, 2, '', ?3)";
        files.execute(sql, (body.exchange, body.run, body.words)).unwrap();
    }
    let (record, body) = said(("run_new", "ada", 4), Some("the middleware"));
    open.log.write(&record).await.unwrap();
    open.log.keep_body(body).await.unwrap();
    open.told().await;
    let reader = place.reader().await;
    for (text, expect) in [("middleware", &["run_new", "run_old"][..]), ("where is", &["run_old"]), ("nowhere", &[])] {
        assert_eq!(found(&reader, text).await, expect, "{text}");
    }
    open.end().await;
}

pub(super) async fn that_is_gone_is_found_no_more(place: &Place) {
    let open = place.open();
    for (run, user, minutes) in [("run_a", "ada", 3 * 24 * 60), ("run_b", "bob", 2), ("run_c", "ada", 1)] {
        let (record, body) = said((run, user, minutes), Some("Where is the Middleware?"));
        open.log.write(&record).await.unwrap();
        open.log.keep_body(body).await.unwrap();
    }
    open.told().await;
    let reader = place.reader().await;
    // SQLite keeps marks apart from their bodies.
    let marked = || {
        let files = log::connect(&place.state.path().join(log::FILE)).unwrap();
        files.query_row("SELECT count(*) FROM mark", [], |row| row.get::<_, u32>(0)).unwrap() as usize
    };
    let check = async |expect: &[&str]| {
        assert_eq!(found(&reader, "MIDDLE").await, expect);
        if place.runs.postgres.is_none() {
            assert_eq!(marked(), expect.len());
        }
    };
    check(&["run_c", "run_b", "run_a"]).await;
    let day = Duration::from_secs(86_400);
    let keep = Runs { keep: None, bodies_age: day, bodies_size: u64::MAX, ..place.runs.clone() };
    open.log.purge(Timestamp::now(), &keep).await.unwrap();
    check(&["run_c", "run_b"]).await;
    open.log.erase("bob", Timestamp::now()).await.unwrap();
    check(&["run_c"]).await;
    // Of what is too much, the oldest goes: here all.
    open.log.purge(Timestamp::now(), &Runs { bodies_size: 1, ..keep }).await.unwrap();
    check(&[]).await;
    let (record, body) = said(("run_d", "bob", 0), Some("Where is the Middleware?"));
    open.log.write(&record).await.unwrap();
    open.log.keep_body(body).await.unwrap();
    open.told().await;
    check(&["run_d"]).await;
    open.end().await;
}
