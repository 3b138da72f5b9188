//! Partitions: a table for every day, made before it is needed and dropped as a whole.
//!
//! The day 20782 since 1970 is `exchange_20261125`.

use jiff::civil::Date;
use jiff::{SignedDuration, Timestamp};
use tokio_postgres::Client;

use crate::runs::postgres::{Failed, LOCK, MIGRATING, Wire, within};
use crate::runs::row::{Cell, Row, Table};
use crate::runs::shown;

const MILLIS: i64 = 86_400_000;

/// Tables that are partitioned.
const TABLES: [Table; 2] = [Table::Exchange, Table::Body];

/// Days that are made ahead, so that nobody has to at midnight.
const AHEAD: i64 = 2;

/// Which days these rows are of, since 1970.
pub(super) fn of(rows: &[&Row]) -> Vec<i64> {
    let by_day = rows.iter().filter(|row| TABLES.contains(&row.table));
    by_day.map(|row| row.get("at").number().div_euclid(MILLIS)).collect()
}

/// The day of a moment.
fn day(at: Timestamp) -> i64 {
    at.as_millisecond().div_euclid(MILLIS)
}

fn name(table: &str, day: i64) -> String {
    let date = Timestamp::from_millisecond(day.saturating_mul(MILLIS)).unwrap_or_default();
    format!("{table}_{}", date.strftime("%Y%m%d"))
}

/// The day that a partition is of; none where the table is something else.
fn named(table: &str, partition: &str) -> Option<i64> {
    let digits = partition.strip_prefix(table)?.strip_prefix('_')?;
    let date = Date::strptime("%Y%m%d", digits).ok()?;
    let begin = date.to_zoned(jiff::tz::TimeZone::UTC).ok()?.timestamp();
    Some(day(begin))
}

impl Wire {
    /// Makes the partitions of these days, of today and of the next.
    pub(super) async fn make_days(&mut self, wanted: Vec<i64>) -> Result<(), Failed> {
        let today = day(Timestamp::now());
        let ahead = today..=today + AHEAD;
        let mut missing: Vec<i64> = wanted.into_iter().chain(ahead).filter(|day| !self.days.contains(day)).collect();
        missing.sort_unstable();
        missing.dedup();
        for day in missing {
            for table in TABLES {
                make(&mut self.client, table.name(), day).await?;
            }
            self.days.insert(day);
        }
        Ok(())
    }

    /// Takes no partition for made any more.
    pub(super) fn forget_days(&mut self) {
        self.days.clear();
    }

    /// Drops what a table has of days before this moment's. Returns the first day that is left.
    async fn drop_days(&mut self, table: &str, before: Timestamp) -> Result<i64, Failed> {
        let first = day(before);
        let sql = "SELECT c.relname::text AS relname FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
            WHERE i.inhparent = to_regclass($1)";
        let found = self.rows(sql, &[Cell::from(table)]).await?;
        let partitions = found.iter().filter_map(|row| Some(row.get("relname")?.as_str()?.to_owned()));
        for partition in partitions.filter(|partition| named(table, partition).is_some_and(|day| day < first)) {
            within(MIGRATING, Box::pin(self.drop_day(&partition))).await?;
        }
        // Whatever is written of these days makes them anew.
        self.days.retain(|day| *day >= first);
        Ok(first)
    }

    async fn drop_day(&mut self, partition: &str) -> Result<(), Failed> {
        let transaction = self.client.transaction().await?;
        // Who writes waits behind a drop that waits, so it does not wait for long.
        transaction.batch_execute("SET LOCAL lock_timeout = '2s'").await?;
        transaction.execute("SELECT pg_advisory_xact_lock($1)", &[&LOCK]).await?;
        transaction.batch_execute(&format!("DROP TABLE IF EXISTS {partition}")).await?;
        Ok(transaction.commit().await?)
    }

    /// Drops the bodies of days before this moment's.
    pub(in crate::runs) async fn forget_bodies(&mut self, before: Timestamp) -> Result<(), Failed> {
        self.drop_days(Table::Body.name(), before).await.map(drop)
    }

    /// Drops what is of days before this moment's.
    pub(in crate::runs) async fn forget(&mut self, before: Timestamp) -> Result<(), Failed> {
        let first = self.drop_days(Table::Exchange.name(), before).await?;
        for (table, moment) in [("ending", "at"), ("finding", "at"), ("run", "ended")] {
            self.erase(table, (moment, "<"), &Cell::Number(first.saturating_mul(MILLIS))).await?;
        }
        let before = cut(before, shown::LONGER);
        self.erase(Table::Shown.name(), ("at", "<"), &before.into()).await?;
        Ok(())
    }
}

/// Whether a table has this partition. It is read from the tables of PostgreSQL itself, for
/// `to_regclass` may tell what was so before the lock was waited for.
const IS_THERE: &str = "SELECT EXISTS (SELECT FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
    WHERE i.inhparent = to_regclass($1) AND c.relname::text = $2)";

/// Makes one partition, if it is not there. It is made apart and then attached, which does not keep
/// readers out.
async fn make(client: &mut Client, table: &str, day: i64) -> Result<(), Failed> {
    let partition = name(table, day);
    if client.query_one(IS_THERE, &[&table, &partition]).await?.get(0) {
        return Ok(());
    }
    let (from, to) = (day.saturating_mul(MILLIS), (day + 1).saturating_mul(MILLIS));
    let transaction = client.transaction().await?;
    transaction.execute("SELECT pg_advisory_xact_lock($1)", &[&LOCK]).await?;
    // Somebody else may have made it meanwhile.
    if !transaction.query_one(IS_THERE, &[&table, &partition]).await?.get::<_, bool>(0) {
        let sql = format!(
            "CREATE TABLE {partition} (LIKE {table} INCLUDING ALL);
             ALTER TABLE {table} ATTACH PARTITION {partition} FOR VALUES FROM ({from}) TO ({to})"
        );
        transaction.batch_execute(&sql).await?;
    }
    Ok(transaction.commit().await?)
}

/// The moment before which nothing is kept.
pub(in crate::runs) fn cut(now: Timestamp, keep: std::time::Duration) -> Timestamp {
    let keep = SignedDuration::try_from(keep).unwrap_or(SignedDuration::MAX);
    now.checked_sub(keep).unwrap_or(Timestamp::MIN)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_partition_is_named_by_its_day() {
        let check = |moment: &str, wanted: &str| {
            let day = day(moment.parse().unwrap());
            assert_eq!(name("exchange", day), wanted);
            assert_eq!(named("exchange", wanted), Some(day));
        };
        check("2026-11-25T00:00:00Z", "exchange_20261125");
        check("2026-11-25T23:59:59.999Z", "exchange_20261125");
        check("2028-02-29T12:00:00Z", "exchange_20280229");
        check("1969-12-31T23:59:59Z", "exchange_19691231");
        for other in ["exchange", "exchange_old", "run_20261125", "exchange_20261399"] {
            assert_eq!(named("exchange", other), None, "{other}");
        }
    }
}
