//! The embedded ledger, over restarts and next to others.

use super::*;
use crate::ledger::suite::{self, Rig};

fn open(folder: &tempfile::TempDir) -> Embedded {
    Embedded::open(&folder.path().join("ledger.db")).unwrap()
}

/// A ledger in a folder of its own.
struct Embed {
    folder: tempfile::TempDir,
    ledger: Embedded,
}

impl Embed {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let ledger = open(&folder);
        Self { folder, ledger }
    }
}

impl Rig for Embed {
    fn ledger(&self) -> &dyn Ledger {
        &self.ledger
    }

    fn advance(&self, to: Timestamp) -> Pending<'_, ()> {
        Box::pin(self.ledger.advance(to))
    }

    fn crash(&mut self, now: Timestamp) -> Pending<'_, Timestamp> {
        self.ledger = open(&self.folder);
        Box::pin(std::future::ready(now))
    }
}

#[tokio::test]
async fn it_keeps_what_every_ledger_keeps() {
    suite::all(&Embed::new()).await;
}

#[test]
fn it_agrees_with_a_simple_model_on_random_histories() {
    suite::random(96, |runtime| {
        let _entered = runtime.enter();
        Embed::new()
    });
}

#[tokio::test]
async fn a_hold_of_a_process_that_died_is_charged_and_can_be_released() {
    let folder = tempfile::tempdir().unwrap();
    let name = suite::account("user=ada", "usd", "day");
    open(&folder).reserve(suite::ask("x1", &[(&name, 100, 60)])).await.unwrap();
    let ledger = open(&folder);
    let standing = suite::standing(&ledger, &name, 100).await;
    assert_eq!((standing.used, standing.held), (60, 0));
    let (_, abandoned) = ledger.list(&[suite::POLICY.to_owned()]).await.unwrap();
    assert_eq!(abandoned.iter().map(|hold| hold.amount).collect::<Vec<_>>(), [60]);
    let release = || Amendment::Release { exchange: "x1".into() };
    assert!(ledger.amend(suite::POLICY, release()).await.unwrap());
    assert_eq!(suite::standing(&ledger, &name, 100).await.left(), 100);
    assert!(!ledger.amend(suite::POLICY, release()).await.unwrap());
}

#[tokio::test]
async fn a_late_settlement_corrects_what_a_death_was_charged() {
    let folder = tempfile::tempdir().unwrap();
    let name = suite::account("user=ada", "usd", "day");
    open(&folder).reserve(suite::ask("x1", &[(&name, 100, 60)])).await.unwrap();
    let ledger = open(&folder);
    ledger.settle(suite::POLICY, "x1", suite::charges(&[(&name, 100, 7)])).await.unwrap();
    ledger.settle(suite::POLICY, "x1", suite::charges(&[(&name, 100, 7)])).await.unwrap();
    assert_eq!(suite::standing(&ledger, &name, 100).await.used, 7);
}

#[test]
fn balances_of_the_first_version_are_taken_over() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ledger.db");
    let old = store::open(&path, Durability::Full, &TABLES[..1]).unwrap();
    let rows = [("p/user=ada/usd/day", 1_795_392_000), ("p/all/tokens/month", 1_793_491_200)];
    for (account, starts) in rows {
        old.execute("INSERT INTO balance VALUES (?1, ?2, 40, 2)", params![account, starts]).unwrap();
    }
    let new = store::open(&path, Durability::Full, TABLES).unwrap();
    let number = |account: &str| -> (i64, i64) {
        let sql = "SELECT number, used FROM slot WHERE account = ?1";
        new.query_row(sql, [account], |row| Ok((row.get(0)?, row.get(1)?))).unwrap()
    };
    assert_eq!(number("p/user=ada/usd/day"), (20_780, 42));
    assert_eq!(number("p/policy=all/tokens/month"), (2026 * 12 + 10, 42));
}
