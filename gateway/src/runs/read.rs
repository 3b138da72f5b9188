//! Reading the run log, of whichever store.

mod part;
mod text;

use std::collections::HashMap;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use jetway_core::policy::interrogation::Ending;
use jiff::{SignedDuration, Timestamp};
use rusqlite::types::ValueRef;
use rusqlite::{Connection, params_from_iter};
use serde_json::{Map, Value};

pub use part::{MOST_SPENDING, Part, Place};
use text::Looked;
pub(super) use text::NEWEST;

use crate::config::{Postgres, Runs};
use crate::runs::body::unpack;
use crate::runs::postgres::Wire;
use crate::runs::row::Cell;
use crate::runs::schema::{self, Dialect};
use crate::runs::shown::Shown;
use crate::runs::{Ended, log};
use crate::store::StoreError;

/// A row as JSON: columns by name.
pub type Line = Map<String, Value>;

/// The text of a column; none where it has none.
#[must_use]
pub fn text<'a>(line: &'a Line, name: &str) -> Option<&'a str> {
    line.get(name).and_then(Value::as_str)
}

/// The number of a column; 0 where it has none.
#[must_use]
pub fn number(line: &Line, name: &str) -> i64 {
    line.get(name).and_then(Value::as_i64).unwrap_or(0)
}

/// Which runs to list.
#[derive(Debug, Clone, Default)]
pub struct Filter {
    pub policy: Option<String>,
    pub user: Option<String>,
    pub agent: Option<String>,
    /// How the last exchange ended; or [`RETRIED`], for runs in which one was sent again.
    pub outcome: Option<String>,
    /// How the run ended.
    pub ended: Option<String>,
    pub since: Option<Timestamp>,
    /// In micro-dollars.
    pub min_cost: Option<u64>,
    /// A tool of which a call was refused.
    pub refused: Option<String>,
    /// What a refusal, a failure, a finding or, where bodies are kept, a turn says.
    pub text: Option<String>,
    pub limit: u32,
}

/// What was said in an exchange.
#[derive(Debug, Clone)]
pub struct Said {
    /// The request as the model got it.
    pub sent: Bytes,
    /// The model's turn, as JSON.
    pub said: Option<Vec<u8>>,
}

/// What became of an exchange whose request was sent again. No row says so of itself.
pub const RETRIED: &str = "retried";

/// Columns that hold JSON, which is shown as such.
const JSON: &[&str] = &[
    "tools_removed",
    "calls_refused",
    "passages",
    "calls_replaced",
    "redactions",
    "calls_answered",
    "profile",
    "steps_left",
    "calls",
    "inner",
    "decisions",
];
/// Columns that hold a moment, in milliseconds since 1970.
const TIMES: &[&str] = &["at", "started", "ended", "until", "last", "answered"];

/// An exchange is written when it ends, by the time at which it began. There is an index of those that take
/// longer than this.
pub const LONG: SignedDuration = SignedDuration::from_mins(30);

/// Of `run`, all runs or some: what is known of each, with how it ended and whether its agent was asked; one that went on since is open again.
const RUNS: &str = "SELECT run.*,
    (SELECT how FROM ending WHERE ending.run = run.id AND ending.at >= run.ended ORDER BY ending.at DESC LIMIT 1) AS ended_by,
    (SELECT asked FROM ending WHERE ending.run = run.id AND ending.at >= run.ended ORDER BY ending.at DESC LIMIT 1) AS asked
    FROM";

/// Looks into the log beside a gateway that may be running.
#[derive(Debug)]
pub struct Reader(Store);

#[derive(Debug)]
enum Store {
    Embedded(Arc<Mutex<Connection>>),
    Postgres(Box<Wire>),
}

impl Reader {
    /// Opens the log that is configured.
    ///
    /// # Errors
    /// [`StoreError`] when it cannot be used.
    pub async fn open(runs: &Runs, state: &Path) -> Result<Self, StoreError> {
        match &runs.postgres {
            None => Self::embedded(&state.join(log::FILE)),
            Some(settings) => Self::server(settings).await,
        }
    }

    pub(super) fn embedded(path: &Path) -> Result<Self, StoreError> {
        Ok(Self(Store::Embedded(Arc::new(Mutex::new(log::connect(path)?)))))
    }

    pub(super) async fn server(settings: &Postgres) -> Result<Self, StoreError> {
        let wire = Wire::connect(settings).await?;
        wire.go_by_indexes().await?;
        Ok(Self(Store::Postgres(Box::new(wire))))
    }

    /// Bytes of bodies by the minute since 1970, the latest first.
    pub(super) async fn bodies_by_minute(&self) -> Result<Vec<(i64, u64)>, StoreError> {
        let sql = "SELECT at / 60000 AS minute, CAST(sum(bytes) AS BIGINT) AS bytes FROM body GROUP BY at / 60000
            ORDER BY minute DESC";
        let rows = self.rows(sql, &[]).await?;
        Ok(rows.iter().map(|line| (number(line, "minute"), number(line, "bytes").unsigned_abs())).collect())
    }

    /// What was sent and said in the exchanges of a run, by their ids, as far as it is kept.
    ///
    /// # Errors
    /// When the log cannot be read.
    pub async fn bodies(&self, run: &str) -> Result<HashMap<String, Said>, StoreError> {
        let rows = self.rows("SELECT id, sent, said FROM body WHERE run = $1", &[Cell::from(run)]).await?;
        let unpacked = |line: &Line, name: &str| text(line, name).map(unpack).transpose();
        let said = |line: &Line| {
            let failed = |error: std::io::Error| StoreError::Server(format!("a body cannot be read: {error}"));
            let id = text(line, "id").unwrap_or_default().to_owned();
            let sent = unpacked(line, "sent").map_err(failed)?.unwrap_or_default();
            Ok((id, Said { sent: sent.into(), said: unpacked(line, "said").map_err(failed)? }))
        };
        rows.iter().map(said).collect()
    }

    /// The rows of a query, whose parameters are `$1`, `$2` and so on.
    async fn rows(&self, sql: &str, cells: &[Cell]) -> Result<Vec<Line>, StoreError> {
        match &self.0 {
            Store::Embedded(connection) => {
                let (connection, sql) = (Arc::clone(connection), schema::statement(sql, Dialect::Embedded));
                let cells = cells.to_vec();
                // Where nobody is served meanwhile.
                let reading = tokio::task::spawn_blocking(move || {
                    found(&connection.lock().unwrap_or_else(PoisonError::into_inner), &sql, &cells)
                });
                let read = reading.await.map_err(|error| StoreError::Server(error.to_string()))?;
                read.map_err(|error| StoreError::Server(error.to_string()))
            }
            Store::Postgres(wire) => Ok(wire.rows(sql, cells).await?),
        }
    }

    fn dialect(&self) -> Dialect {
        if matches!(self.0, Store::Embedded(_)) { Dialect::Embedded } else { Dialect::Postgres }
    }

    /// The latest runs, the newest first.
    ///
    /// # Errors
    /// When the log cannot be read.
    pub async fn list(&self, filter: &Filter) -> Result<Vec<Line>, StoreError> {
        if filter.text.is_some() && i64::from(filter.limit) <= NEWEST {
            let runs = self.listed(filter, Looked::Newest).await?;
            if runs.len() == filter.limit as usize {
                return Ok(runs);
            }
        }
        self.listed(filter, Looked::Everywhere).await
    }

    async fn listed(&self, filter: &Filter, looked: Looked) -> Result<Vec<Line>, StoreError> {
        let mut query = Query::default();
        query.is("policy", filter.policy.as_deref());
        query.is("user", filter.user.as_deref());
        query.is("agent", filter.agent.as_deref());
        match filter.outcome.as_deref() {
            Some(RETRIED) => query.retried(),
            outcome => query.is("outcome", outcome),
        }
        if let Some(since) = filter.since {
            query.from("started", since);
        }
        if let Some(cost) = filter.min_cost {
            query.from("cost_micros", cost);
        }
        query.ended(filter.ended.as_deref());
        query.refused(filter.refused.as_deref());
        let sql = match &filter.text {
            Some(text) => query.saying(text, self.dialect(), looked),
            None => format!("{RUNS} run {} ORDER BY started DESC, id DESC", query.conditions()),
        };
        let limit = query.parameter(u64::from(filter.limit));
        self.rows(&format!("{sql} LIMIT {limit}"), &query.cells).await
    }

    /// One run and its exchanges in order; none if there is no such run. The beginning of an id is
    /// enough where only one run begins so.
    ///
    /// # Errors
    /// When the log cannot be read.
    pub async fn show(&self, id: &str) -> Result<Option<(Line, Vec<Line>)>, StoreError> {
        let Some(full) = self.full(id).await? else { return Ok(None) };
        let full = [full];
        let mut exchanges = self.rows("SELECT * FROM exchange WHERE run = $1 ORDER BY at, id", &full).await?;
        // Behind its exchanges, of which more may have come meanwhile: its sums are of all that are shown.
        let Some(run) = self.rows(&format!("{RUNS} run WHERE id = $1"), &full).await?.pop() else { return Ok(None) };
        let endings = self.endings_of(&full).await?;
        part::in_turn(1, &mut exchanges, &endings);
        Ok(Some((run, exchanges)))
    }

    /// What models were shown under hashes that begin so, in each policy, the latest first.
    ///
    /// # Errors
    /// [`StoreError`] when the log cannot be read.
    pub async fn shown(&self, hash: &str) -> Result<Vec<Shown>, StoreError> {
        // Digits of hashes come before any other letter.
        let range = [Cell::from(hash), Cell::Text(format!("{hash}g"))];
        let sql = "SELECT * FROM shown WHERE hash >= $1 AND hash < $2 ORDER BY at DESC, id LIMIT 100";
        let mut found: Vec<Shown> = Vec::new();
        for line in self.rows(sql, &range).await? {
            let word = |name: &str| text(&line, name).unwrap_or_default().to_owned();
            let (hash, policy) = (word("hash"), word("policy"));
            // Of those of several months the last.
            if !found.iter().any(|found| (&found.hash, &found.policy) == (&hash, &policy)) {
                let at = text(&line, "at").and_then(|at| at.parse().ok()).unwrap_or_default();
                let page = text(&line, "page").map(str::to_owned);
                found.push(Shown { hash, at, policy, source: word("source"), page, text: word("text") });
            }
        }
        Ok(found)
    }

    /// The id of the one run that begins so.
    async fn full(&self, id: &str) -> Result<Option<Cell>, StoreError> {
        let given = [Cell::from(id)];
        let mut found = self.rows("SELECT id FROM run WHERE id = $1", &given).await?;
        if found.is_empty() {
            let begins = "SELECT id FROM run WHERE substr(id, 1, length($1)) = $1 LIMIT 2";
            found = self.rows(begins, &given).await?;
        }
        let (Some(one), true) = (found.pop(), found.is_empty()) else { return Ok(None) };
        Ok(text(&one, "id").map(Cell::from))
    }

    /// What a table has of a user, by id.
    pub(super) async fn of_user(&self, table: &str, user: &Cell) -> Result<Vec<String>, StoreError> {
        let rows =
            self.rows(&format!("SELECT id FROM {table} WHERE \"user\" = $1"), std::slice::from_ref(user)).await?;
        Ok(rows.iter().filter_map(|row| text(row, "id")).map(str::to_owned).collect())
    }

    /// The ids of exchanges that began at this moment or later, in their order; and of those that took longer
    /// than [`LONG`], which ended then or later.
    ///
    /// # Errors
    /// When the log cannot be read.
    pub async fn ids_since(&self, policy: Option<&str>, since: Timestamp) -> Result<Vec<String>, StoreError> {
        let mut query = Query::default();
        query.is("policy", policy);
        let of_policy = if policy.is_some() { format!("{} AND", query.conditions()) } else { String::from("WHERE") };
        let since = query.parameter(since);
        let sql = format!(
            "SELECT id FROM (SELECT at, id FROM exchange {of_policy} at >= {since} UNION ALL
                SELECT at, id FROM exchange {of_policy} at < {since} AND total_millis > 1800000
                AND at + total_millis >= {since}) AS known ORDER BY at, id"
        );
        let rows = self.rows(&sql, &query.cells).await?;
        Ok(rows.iter().filter_map(|row| text(row, "id")).map(str::to_owned).collect())
    }

    /// The exchanges of these ids, in their order.
    ///
    /// # Errors
    /// When the log cannot be read.
    pub async fn exchanges(&self, ids: &[&str]) -> Result<Vec<Line>, StoreError> {
        let mut query = Query::default();
        let wanted: Vec<String> = ids.iter().map(|id| query.parameter(*id)).collect();
        let sql = format!("SELECT * FROM exchange WHERE id IN ({}) ORDER BY at, id", wanted.join(", "));
        self.rows(&sql, &query.cells).await
    }

    /// So many rows behind a moment, in milliseconds, and an id; and where the next ones begin.
    ///
    /// # Errors
    /// When the log cannot be read.
    pub async fn page(
        &self,
        table: Exported,
        (moment, id): &(i64, String),
        most: u32,
    ) -> Result<(Vec<Line>, Option<(i64, String)>), StoreError> {
        let (name, at) = (table.name(), table.moment());
        let sql = format!(
            "SELECT *, {at} AS moment FROM {name} WHERE {at} > $1 OR {at} = $1 AND id > $2 ORDER BY {at}, id LIMIT $3"
        );
        let cells = [Cell::Number(*moment), id.as_str().into(), u64::from(most).into()];
        let mut rows = self.rows(&sql, &cells).await?;
        let is_last = rows.len() < most as usize;
        let moments: Vec<Option<Value>> = rows.iter_mut().map(|row| row.remove("moment")).collect();
        let last = rows.last().and_then(|row| row.get("id")?.as_str().map(str::to_owned));
        let behind = moments.last().and_then(|moment| moment.as_ref()?.as_i64()).zip(last);
        Ok((rows, behind.filter(|_| !is_last)))
    }

    /// Runs of which nothing was heard since then and no end, as abandoned.
    pub(super) async fn open_since(&self, before: Timestamp, most: u32) -> Result<Vec<Ended>, StoreError> {
        let sql = "SELECT id, policy, \"user\", ended FROM run WHERE ended < $1 AND NOT EXISTS
                (SELECT 1 FROM ending WHERE ending.run = run.id AND ending.at >= run.ended)
            ORDER BY ended LIMIT $2";
        let rows = self.rows(sql, &[before.into(), u64::from(most).into()]).await?;
        let text = |line: &Line, name: &str| text(line, name).map(str::to_owned);
        let ended = |line: &Line| {
            let (run, last) = (text(line, "id")?, text(line, "ended")?);
            Some(Ended {
                at: last.parse().ok()?,
                policy: text(line, "policy").unwrap_or_default(),
                user: text(line, "user"),
                ending: Ending::Abandoned.name(),
                // Whoever finds it, it is the same.
                id: format!("{run}.{last}"),
                run,
                ..Ended::default()
            })
        };
        Ok(rows.iter().filter_map(ended).collect())
    }

    /// What the agent of a run said should be changed.
    ///
    /// # Errors
    /// When the log cannot be read.
    pub async fn findings(&self, run: &str) -> Result<Vec<Line>, StoreError> {
        self.rows("SELECT * FROM finding WHERE run = $1 ORDER BY at, id", &[Cell::from(run)]).await
    }

    /// How a run ended, each time that it did, in their order.
    ///
    /// # Errors
    /// When the log cannot be read.
    pub async fn endings(&self, run: &str) -> Result<Vec<Line>, StoreError> {
        self.endings_of(&[Cell::from(run)]).await
    }

    async fn endings_of(&self, run: &[Cell; 1]) -> Result<Vec<Line>, StoreError> {
        self.rows("SELECT * FROM ending WHERE run = $1 ORDER BY at, id", run).await
    }

    /// What agents said since then, under one policy or any.
    ///
    /// # Errors
    /// When the log cannot be read.
    pub async fn findings_since(&self, policy: Option<&str>, since: Timestamp) -> Result<Vec<Line>, StoreError> {
        let mut query = Query::default();
        query.is("policy", policy);
        query.from("at", since);
        self.rows(&format!("SELECT * FROM finding {} ORDER BY at, id", query.conditions()), &query.cells).await
    }

    /// The versions of policies that were in use since then, from when to when. No exchange before then is
    /// looked at: there are very many.
    ///
    /// # Errors
    /// When the log cannot be read.
    pub async fn versions(&self, since: Timestamp) -> Result<Vec<Line>, StoreError> {
        let sql = "SELECT policy, policy_version, min(at) AS at, max(at) AS last, count(*) AS exchanges
            FROM exchange WHERE at >= $1 AND policy IS NOT NULL AND policy_version IS NOT NULL
            GROUP BY policy, policy_version";
        self.rows(sql, &[since.into()]).await
    }

    /// The versions of policies under which runs have ended, from when to when, and when an agent answered
    /// last: of endings, for there is one where there are many exchanges.
    ///
    /// # Errors
    /// When the log cannot be read.
    pub async fn endings_by_version(&self) -> Result<Vec<Line>, StoreError> {
        let sql = "SELECT policy, policy_version, min(at) AS at, max(at) AS last,
                max(CASE WHEN asked = 'answered' THEN at END) AS answered
            FROM ending WHERE policy_version IS NOT NULL GROUP BY policy, policy_version";
        self.rows(sql, &[]).await
    }

    /// What operators changed by hand, the newest first.
    ///
    /// # Errors
    /// When the log cannot be read.
    pub async fn actions(&self, limit: u32) -> Result<Vec<Line>, StoreError> {
        self.rows("SELECT * FROM action ORDER BY at DESC, id DESC LIMIT $1", &[u64::from(limit).into()]).await
    }
}

/// Conditions that must all hold, and what their parameters are.
#[derive(Debug, Default)]
struct Query {
    conditions: Vec<String>,
    cells: Vec<Cell>,
}

impl Query {
    /// Adds a parameter and returns its name.
    fn parameter(&mut self, cell: impl Into<Cell>) -> String {
        self.cells.push(cell.into());
        format!("${}", self.cells.len())
    }

    /// A column must be this, where something is wanted.
    fn is(&mut self, column: &str, wanted: Option<&str>) {
        if let Some(wanted) = wanted {
            let parameter = self.parameter(wanted);
            self.conditions.push(format!("\"{column}\" = {parameter}"));
        }
    }

    /// A column must not be less than this.
    fn from(&mut self, column: &str, since: impl Into<Cell>) {
        let parameter = self.parameter(since);
        self.conditions.push(format!("\"{column}\" >= {parameter}"));
    }

    fn ended(&mut self, how: Option<&str>) {
        if let Some(how) = how {
            let how = self.parameter(how);
            self.conditions.push(format!(
                "{how} = (SELECT how FROM ending WHERE ending.run = run.id AND ending.at >= run.ended
                    ORDER BY ending.at DESC LIMIT 1)"
            ));
        }
    }

    fn refused(&mut self, tool: Option<&str>) {
        if let Some(tool) = tool {
            // As it stands in the list: in JSON, and without a word that it was only noted.
            let tool = self.parameter(like(&format!("\"tool\":{},\"rule\":", Value::from(tool))).as_str());
            let has = has("calls_refused", &tool);
            self.conditions.push(format!("id IN (SELECT run FROM exchange WHERE calls_refused <> '[]' AND {has})"));
        }
    }

    fn retried(&mut self) {
        self.conditions.push(String::from("id IN (SELECT run FROM exchange WHERE again_of IS NOT NULL)"));
    }

    fn conditions(&self) -> String {
        if self.conditions.is_empty() { String::new() } else { format!("WHERE {}", self.conditions.join(" AND ")) }
    }
}

/// Whether a column is like a pattern, in whatever case, as far as its store knows what that is.
fn has(column: &str, pattern: &str) -> String {
    format!("lower({column}) LIKE lower({pattern}) ESCAPE '!'")
}

/// A pattern for what has this text anywhere.
fn like(text: &str) -> String {
    let plain: String = text.chars().flat_map(|c| if "!%_".contains(c) { vec!['!', c] } else { vec![c] }).collect();
    format!("%{plain}%")
}

/// What is given to other tools, table by table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exported {
    Run,
    Exchange,
    Ending,
    Finding,
}

impl Exported {
    pub const ALL: [Self; 4] = [Self::Run, Self::Exchange, Self::Ending, Self::Finding];

    /// As tables and lines name it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Run => "run",
            Self::Exchange => "exchange",
            Self::Ending => "ending",
            Self::Finding => "finding",
        }
    }

    fn moment(self) -> &'static str {
        if self == Self::Run { "started" } else { "at" }
    }
}

fn found(connection: &Connection, sql: &str, cells: &[Cell]) -> rusqlite::Result<Vec<Line>> {
    let mut statement = connection.prepare(sql)?;
    let names: Vec<String> = statement.column_names().map(str::to_owned).collect();
    let line = |row: &rusqlite::Row<'_>| {
        let mut line = Line::new();
        for (at, name) in names.iter().enumerate() {
            let cell = match row.get_ref(at)? {
                ValueRef::Integer(number) => Cell::Number(number),
                ValueRef::Text(text) => Cell::Text(String::from_utf8_lossy(text).into_owned()),
                _ => Cell::Null,
            };
            line.insert(name.clone(), shown(name, cell));
        }
        Ok(line)
    };
    statement.query_map(params_from_iter(cells), line)?.collect()
}

/// A value as it is read: moments and lists as what they are.
pub(super) fn shown(column: &str, cell: Cell) -> Value {
    match cell {
        Cell::Null => Value::Null,
        Cell::Number(number) if TIMES.contains(&column) => {
            Timestamp::from_millisecond(number).unwrap_or_default().to_string().into()
        }
        Cell::Number(number) => number.into(),
        Cell::Text(text) => {
            let list = JSON.contains(&column).then(|| serde_json::from_str(&text).ok()).flatten();
            list.unwrap_or_else(|| Value::from(text))
        }
    }
}
