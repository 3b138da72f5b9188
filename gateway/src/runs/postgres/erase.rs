//! Erasing a user, whose rows may still be in the journal of any Jetway.
//!
//! The erasure notes who was erased, while nobody writes, and then deletes. Who writes after that sees the
//! note and leaves out what is older; who wrote before has committed what is then deleted.

use std::collections::{BTreeSet, HashMap, HashSet};

use jiff::Timestamp;
use tokio_postgres::Transaction;

use crate::runs::erased::{self, Fate, digest_of, fate, turn_of};
use crate::runs::log::OF_USERS;
use crate::runs::postgres::{ERASING, Failed, MIGRATING, Wire, within};
use crate::runs::row::{Cell, Row};

impl Wire {
    /// Erases all that there is of a user, and what of before now is yet to come. Returns how many rows.
    pub(in crate::runs) async fn erase_user(&mut self, user: &str, now: Timestamp) -> Result<u64, Failed> {
        within(MIGRATING, Box::pin(self.note_erased(user, now))).await?;
        let mut erased = 0;
        for table in ["body"].into_iter().chain(OF_USERS) {
            erased += self.erase(table, ("user", "="), &Cell::from(user)).await?;
        }
        Ok(erased)
    }

    async fn note_erased(&mut self, user: &str, now: Timestamp) -> Result<(), Failed> {
        let transaction = self.client.transaction().await?;
        transaction.execute("SELECT pg_advisory_xact_lock($1)", &[&ERASING]).await?;
        let sql = "INSERT INTO erased (id, at) VALUES ($1, $2)
            ON CONFLICT (id) DO UPDATE SET at = greatest(erased.at, excluded.at)";
        transaction.execute(sql, &[&erased::digest(user), &now.as_millisecond()]).await?;
        Ok(transaction.commit().await?)
    }
}

/// The rows of users who were erased, as far as they are older than that. No user is erased until the
/// transaction is over.
pub(super) async fn left_out<'a>(transaction: &Transaction<'_>, rows: &[&'a Row]) -> Result<Vec<&'a Row>, Failed> {
    transaction.execute("SELECT pg_advisory_xact_lock_shared($1)", &[&ERASING]).await?;
    let digests: BTreeSet<String> = rows.iter().filter_map(|row| digest_of(row)).collect();
    let sql = "SELECT id, at FROM erased WHERE id IN (SELECT json_array_elements_text($1::text::json))";
    let found = transaction.query(sql, &[&list(&digests)]).await?;
    let erased: HashMap<String, i64> = found.iter().map(|row| (row.get(0), row.get(1))).collect();
    if erased.is_empty() {
        return Ok(Vec::new());
    }
    let fate = |row: &'a Row| fate(row, digest_of(row).and_then(|id| erased.get(&id)).copied());
    let asked: BTreeSet<&str> =
        rows.iter().filter_map(|row| if let Fate::WithRun(run) = fate(row) { Some(run) } else { None }).collect();
    let sql = "SELECT id FROM run WHERE turns > 0 AND id IN (SELECT json_array_elements_text($1::text::json))";
    let found = transaction.query(sql, &[&list(&asked)]).await?;
    let mut going_on: HashSet<String> = found.iter().map(|row| row.get(0)).collect();
    // What comes with them counts too.
    let kept = rows.iter().filter(|row| fate(row) == Fate::Kept).filter_map(|row| turn_of(row));
    going_on.extend(kept.map(str::to_owned));
    let is_left_out = |row: &&'a Row| match fate(row) {
        Fate::Kept => false,
        Fate::LeftOut => true,
        Fate::WithRun(run) => !going_on.contains(run),
    };
    Ok(rows.iter().copied().filter(is_left_out).collect())
}

fn list<T: serde::Serialize>(texts: &BTreeSet<T>) -> String {
    serde_json::to_string(texts).unwrap_or_default()
}
