//! The run log in PostgreSQL, for a fleet: one connection of its own, and the tables brought up to
//! date whoever comes first.

pub(super) mod days;
mod erase;
mod forward;
mod tls;

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::time::Duration;

use bytes::BytesMut;
use secrecy::ExposeSecret;
use serde_json::{Map, Value};
use tokio::task::AbortHandle;
use tokio_postgres::config::{SslMode, TargetSessionAttrs};
use tokio_postgres::types::{IsNull, ToSql, Type, to_sql_checked};
use tokio_postgres::{Client, NoTls, Statement};
use tokio_util::task::TaskTracker;

use crate::config::Postgres as Settings;
use crate::runs::read::Line;
use crate::runs::row::{self, Cell, Row};
use crate::runs::schema::{self, Dialect};
use crate::runs::tally::{self, tallies};
use crate::store::StoreError;

pub(super) use forward::Forwarder;

/// Whoever changes tables holds this lock of the database; any number that is nobody else's.
const LOCK: i64 = 0x6a65_7477_6179;

/// Whoever writes rows shares this lock, and whoever erases a user has it alone.
const ERASING: i64 = LOCK + 1;

/// How long a question may take, of a log that is large.
const READING: Duration = Duration::from_secs(60);
/// How long bringing the tables up to date may take, or forgetting much of them.
const MIGRATING: Duration = Duration::from_secs(600);

/// Why something was not written.
#[derive(Debug, Clone, thiserror::Error)]
pub(super) enum Failed {
    /// The server answered, and cannot take what it was given.
    #[error("{0}")]
    Refused(String),
    #[error("{0}")]
    Unreachable(String),
}

impl From<tokio_postgres::Error> for Failed {
    fn from(error: tokio_postgres::Error) -> Self {
        let Some(said) = error.as_db_error() else {
            let source = std::error::Error::source(&error).map(|source| format!(": {source}"));
            return Self::Unreachable(format!("{error}{}", source.unwrap_or_default()));
        };
        let why = format!("{} ({})", said.message(), said.code().code());
        // Values that do not fit, broken constraints, rows that are too large.
        let is_about_values = ["22", "23", "54"].iter().any(|class| said.code().code().starts_with(class));
        if is_about_values { Self::Refused(why) } else { Self::Unreachable(why) }
    }
}

impl From<Failed> for StoreError {
    fn from(failed: Failed) -> Self {
        Self::Server(failed.to_string())
    }
}

/// A connection to the server.
pub(super) struct Wire {
    client: Client,
    statements: HashMap<String, Statement>,
    /// Days whose partitions are there.
    days: BTreeSet<i64>,
    task: AbortHandle,
}

impl std::fmt::Debug for Wire {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Wire").field("days", &self.days).finish_non_exhaustive()
    }
}

impl Drop for Wire {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Wire {
    /// Connects, and makes the tables or brings them up to date.
    pub(super) async fn connect(settings: &Settings) -> Result<Self, Failed> {
        let mut failed = Failed::Unreachable(String::from("no server is named"));
        // Each has its own time: one that is off says nothing, and the next is to be asked all the same.
        for address in &settings.addresses {
            match within(settings.timeout, Box::pin(Self::dial(settings, address))).await {
                Ok(mut wire) => {
                    within(MIGRATING, Box::pin(wire.migrate())).await?;
                    return Ok(wire);
                }
                Err(why) => failed = why,
            }
        }
        Err(failed)
    }

    async fn dial(settings: &Settings, (host, port): &(String, u16)) -> Result<Self, Failed> {
        let mut config = tokio_postgres::Config::new();
        config.host(host).port(*port);
        config.dbname(&settings.database).application_name("jetway").connect_timeout(settings.timeout);
        // A standby that answers is not the one to write to.
        config.target_session_attrs(TargetSessionAttrs::ReadWrite);
        config.ssl_mode(if settings.is_tls { SslMode::Require } else { SslMode::Disable });
        if let Some(user) = &settings.user {
            config.user(user);
        }
        if let Some(password) = &settings.password {
            config.password(password.expose_secret());
        }
        let tasks = TaskTracker::new();
        let (client, task) = if settings.is_tls {
            let tls = tls::Tls::new(settings.authority.as_deref()).map_err(Failed::Unreachable)?;
            let (client, connection) = config.connect(tls).await?;
            (client, tasks.spawn(async move { drop(connection.await) }))
        } else {
            let (client, connection) = config.connect(NoTls).await?;
            (client, tasks.spawn(async move { drop(connection.await) }))
        };
        let task = task.abort_handle();
        Ok(Self { client, statements: HashMap::new(), days: BTreeSet::new(), task })
    }

    /// Brings the tables up to date, one Jetway at a time; the others find it done.
    async fn migrate(&mut self) -> Result<(), Failed> {
        let migrations = schema::migrations(Dialect::Postgres);
        let wanted = i64::try_from(migrations.len()).unwrap_or(0);
        // Who may only read can, where nothing is to be done.
        let is_there = self.client.query_one("SELECT to_regclass('jetway_schema') IS NOT NULL", &[]).await?;
        if is_there.get(0) {
            let found = self.client.query_one("SELECT version FROM jetway_schema", &[]).await?;
            if found.get::<_, i64>(0) >= wanted {
                return Ok(());
            }
        }
        let transaction = self.client.transaction().await?;
        transaction.execute("SELECT pg_advisory_xact_lock($1)", &[&LOCK]).await?;
        transaction.batch_execute("CREATE TABLE IF NOT EXISTS jetway_schema (version BIGINT NOT NULL)").await?;
        let found = transaction.query_opt("SELECT version FROM jetway_schema", &[]).await?;
        let done: i64 = match found {
            Some(row) => row.get(0),
            None => {
                transaction.execute("INSERT INTO jetway_schema (version) VALUES (0)", &[]).await?;
                0
            }
        };
        for migration in migrations.iter().skip(usize::try_from(done).unwrap_or(0)) {
            transaction.batch_execute(migration).await?;
        }
        transaction.execute("UPDATE jetway_schema SET version = $1", &[&done.max(wanted)]).await?;
        Ok(transaction.commit().await?)
    }

    async fn prepared(&mut self, sql: String) -> Result<Statement, Failed> {
        if let Some(statement) = self.statements.get(&sql) {
            return Ok(statement.clone());
        }
        let statement = self.client.prepare(&sql).await?;
        self.statements.insert(sql, statement.clone());
        Ok(statement)
    }

    /// Writes rows, all or none; those that are there already do not count again.
    pub(super) async fn write(&mut self, rows: &[&Row]) -> Result<(), Failed> {
        self.make_days(days::of(rows)).await?;
        // Rows of one table and one set of columns share a statement.
        let mut alike: BTreeMap<(&str, Vec<&str>), Vec<&Row>> = BTreeMap::new();
        for row in rows {
            alike.entry((row.table.name(), row.columns())).or_default().push(row);
        }
        let mut inserts = Vec::with_capacity(alike.len());
        for ((name, columns), rows) in alike {
            let Some(table) = rows.first().map(|row| row.table) else { continue };
            let sql = row::insert(table, &columns, &select(name, &columns)) + " RETURNING id";
            inserts.push((self.prepared(sql).await?, rows));
        }
        let upsert = self.prepared(tally::upsert(&(select("run", &tally::COLUMNS) + " ORDER BY id"))).await?;
        let transaction = self.client.transaction().await?;
        // The journal forgets what was committed, so that has to be on the server's disk.
        transaction.batch_execute("SET LOCAL synchronous_commit = on").await?;
        let left_out = erase::left_out(&transaction, rows).await?;
        for (insert, mut rows) in inserts {
            rows.retain(|row| !left_out.iter().any(|other| std::ptr::eq(*row, *other)));
            let sent = serde_json::to_string(&rows.iter().map(|row| row.cells()).collect::<Vec<_>>());
            let answered = transaction.query(&insert, &[&sent.unwrap_or_default()]).await?;
            let mut fresh: HashSet<String> = answered.iter().map(|row| row.get(0)).collect();
            // Of two that are the same row one counts.
            let added = rows.into_iter().filter(|row| row.get("id").text().is_some_and(|id| fresh.remove(id)));
            let runs: Vec<Map<String, Value>> = tallies(added)
                .into_iter()
                .map(|(run, tally)| {
                    tally::COLUMNS.into_iter().map(str::to_owned).zip(tally.cells(&run).map(value)).collect()
                })
                .collect();
            if !runs.is_empty() {
                let sent = serde_json::to_string(&runs).unwrap_or_default();
                transaction.execute(&upsert, &[&sent]).await?;
            }
        }
        Ok(transaction.commit().await?)
    }

    /// Deletes the rows of which a column is so. Returns how many.
    pub(super) async fn erase(&self, table: &str, (column, is): (&str, &str), cell: &Cell) -> Result<u64, Failed> {
        let sql = format!("DELETE FROM {table} WHERE \"{column}\" {is} $1");
        within(MIGRATING, Box::pin(async { Ok(self.client.execute(&sql, &[cell]).await?) })).await
    }

    /// Has queries go by indexes. The planner knows of no cost of lists that are kept beside their rows, and
    /// would rather read a whole day's; and it would compile what takes longer to compile than to do.
    pub(super) async fn go_by_indexes(&self) -> Result<(), Failed> {
        let asked = async { Ok(self.client.batch_execute("SET enable_seqscan = off; SET jit = off").await?) };
        within(READING, Box::pin(asked)).await
    }

    /// What a query gives.
    pub(super) async fn rows(&self, sql: &str, cells: &[Cell]) -> Result<Vec<Line>, Failed> {
        let parameters: Vec<&(dyn ToSql + Sync)> = cells.iter().map(|cell| cell as _).collect();
        let asked = async { Ok(self.client.query(sql, &parameters).await?) };
        let rows = within(READING, Box::pin(asked)).await?;
        Ok(rows.iter().map(line).collect())
    }
}

/// The source of rows that are given as a list of JSON objects.
fn select(table: &str, columns: &[&str]) -> String {
    format!("SELECT {} FROM json_populate_recordset(NULL::{table}, $1::text::json)", row::quoted(columns))
}

fn value(cell: Cell) -> Value {
    match cell {
        Cell::Null => Value::Null,
        Cell::Number(number) => number.into(),
        Cell::Text(text) => text.into(),
    }
}

fn line(row: &tokio_postgres::Row) -> Line {
    let mut line = Line::new();
    for (at, column) in row.columns().iter().enumerate() {
        let cell = match *column.type_() {
            Type::INT8 => row.try_get::<_, Option<i64>>(at).ok().flatten().map_or(Cell::Null, Cell::Number),
            _ => row.try_get::<_, Option<String>>(at).ok().flatten().map_or(Cell::Null, Cell::Text),
        };
        line.insert(column.name().to_owned(), crate::runs::read::shown(column.name(), cell));
    }
    line
}

/// Gives up on a server that does not answer.
pub(super) async fn within<T>(time: Duration, doing: impl Future<Output = Result<T, Failed>>) -> Result<T, Failed> {
    let late = || Failed::Unreachable(format!("it did not answer within {time:?}"));
    tokio::time::timeout(time, doing).await.map_err(|_| late())?
}

impl ToSql for Cell {
    fn to_sql(&self, kind: &Type, out: &mut BytesMut) -> Result<IsNull, Box<dyn std::error::Error + Sync + Send>> {
        match (self, kind) {
            (Self::Null, _) => Ok(IsNull::Yes),
            (Self::Number(number), &Type::INT8) => number.to_sql(kind, out),
            (Self::Text(text), &Type::TEXT) => text.to_sql(kind, out),
            _ => Err(format!("{self:?} is no {kind}").into()),
        }
    }

    fn accepts(kind: &Type) -> bool {
        matches!(*kind, Type::INT8 | Type::TEXT)
    }

    to_sql_checked!();
}
