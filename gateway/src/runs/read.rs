//! Reading the run log.

use rusqlite::types::ValueRef;
use rusqlite::{Connection, OptionalExtension, Row, named_params};
use serde_json::{Map, Value};

/// A row as JSON: columns by name.
pub type Line = Map<String, Value>;

/// Which runs to list.
#[derive(Debug, Clone, Default)]
pub struct Filter {
    pub policy: Option<String>,
    pub user: Option<String>,
    pub outcome: Option<String>,
    pub limit: u32,
}

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
];
/// Columns that hold a moment, in milliseconds since 1970.
const TIMES: &[&str] = &["at", "started", "ended", "until", "first", "last"];

/// The latest runs, the newest first.
///
/// # Errors
/// When the log cannot be read.
pub fn list(connection: &Connection, filter: &Filter) -> rusqlite::Result<Vec<Line>> {
    let mut statement = connection.prepare(
        "SELECT * FROM run
         WHERE (:policy IS NULL OR policy = :policy) AND (:user IS NULL OR user = :user)
           AND (:outcome IS NULL OR outcome = :outcome)
         ORDER BY started DESC LIMIT :limit",
    )?;
    let parameters = named_params! {
        ":policy": filter.policy, ":user": filter.user, ":outcome": filter.outcome, ":limit": filter.limit
    };
    statement.query_map(parameters, line)?.collect()
}

/// One run and its exchanges in order; none if there is no such run. The beginning of an id is
/// enough where only one run begins so.
///
/// # Errors
/// When the log cannot be read.
pub fn show(connection: &Connection, id: &str) -> rusqlite::Result<Option<(Line, Vec<Line>)>> {
    let mut matching = connection.prepare("SELECT * FROM run WHERE substr(id, 1, length(?1)) = ?1 LIMIT 2")?;
    let runs: Vec<Line> = matching.query_map([id], line)?.collect::<Result<_, _>>()?;
    let exact = connection.prepare("SELECT * FROM run WHERE id = ?1")?.query_row([id], line).optional()?;
    let run = match (exact, runs.len()) {
        (Some(run), _) => run,
        (None, 1) => runs.into_iter().next().unwrap_or_default(),
        (None, _) => return Ok(None),
    };
    let full = run.get("id").and_then(Value::as_str).unwrap_or_default();
    let mut statement = connection.prepare("SELECT * FROM exchange WHERE run = ?1 ORDER BY turn")?;
    let exchanges = statement.query_map([full], line)?.collect::<Result<_, _>>()?;
    Ok(Some((run, exchanges)))
}

/// What the agent of a run said should be changed.
///
/// # Errors
/// When the log cannot be read.
pub fn findings(connection: &Connection, run: &str) -> rusqlite::Result<Vec<Line>> {
    let mut statement = connection.prepare("SELECT * FROM finding WHERE run = ?1 ORDER BY at, id")?;
    statement.query_map([run], line)?.collect()
}

/// What agents said since then, under one policy or any.
///
/// # Errors
/// When the log cannot be read.
pub fn findings_since(
    connection: &Connection,
    policy: Option<&str>,
    since: jiff::Timestamp,
) -> rusqlite::Result<Vec<Line>> {
    let sql = "SELECT * FROM finding WHERE at >= ?1 AND (?2 IS NULL OR policy = ?2) ORDER BY at, id";
    connection.prepare(sql)?.query_map((since.as_millisecond(), policy), line)?.collect()
}

/// The versions of policies that were in use, since when, and how many agents have answered under each.
///
/// # Errors
/// When the log cannot be read.
pub fn versions(connection: &Connection) -> rusqlite::Result<Vec<Line>> {
    let sql = "SELECT policy, policy_version, min(at) AS at,
            sum(CASE WHEN endpoint = 'question' AND outcome = 'complete' THEN 1 ELSE 0 END) AS answered
        FROM exchange WHERE policy IS NOT NULL AND policy_version IS NOT NULL GROUP BY policy, policy_version";
    connection.prepare(sql)?.query_map([], line)?.collect()
}

/// The versions of policies that exchanges since then were under, and when the first and the last of
/// these were, the latest first.
///
/// # Errors
/// When the log cannot be read.
pub fn in_use(connection: &Connection, since: jiff::Timestamp) -> rusqlite::Result<Vec<Line>> {
    let sql = "SELECT policy, policy_version, min(at) AS first, max(at) AS last, count(*) AS exchanges
        FROM exchange WHERE at >= ?1 AND policy IS NOT NULL AND policy_version IS NOT NULL
        GROUP BY policy, policy_version ORDER BY max(at) DESC LIMIT 1000";
    connection.prepare(sql)?.query_map([since.as_millisecond()], line)?.collect()
}

/// What operators changed by hand, the newest first.
///
/// # Errors
/// When the log cannot be read.
pub fn actions(connection: &Connection, limit: u32) -> rusqlite::Result<Vec<Line>> {
    let mut statement = connection.prepare("SELECT * FROM action ORDER BY at DESC, id DESC LIMIT ?1")?;
    statement.query_map([limit], line)?.collect()
}

fn line(row: &Row<'_>) -> rusqlite::Result<Line> {
    let statement: &rusqlite::Statement<'_> = row.as_ref();
    let mut line = Line::new();
    for (at, name) in statement.column_names().enumerate() {
        let value = match row.get_ref(at)? {
            ValueRef::Integer(number) if TIMES.contains(&name) => {
                let moment = jiff::Timestamp::from_millisecond(number).unwrap_or_default();
                Value::from(moment.to_string())
            }
            ValueRef::Integer(number) => Value::from(number),
            ValueRef::Text(text) => {
                let text = String::from_utf8_lossy(text);
                let list = JSON.contains(&name).then(|| serde_json::from_str(&text).ok()).flatten();
                list.unwrap_or_else(|| Value::from(text.as_ref()))
            }
            _ => Value::Null,
        };
        line.insert(name.to_owned(), value);
    }
    Ok(line)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::runs::log::{self, Log};
    use crate::runs::{CallRefused, Outcome, Record};

    #[tokio::test]
    async fn what_is_written_can_be_read() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("r.db");
        let log = Log::open(&path).unwrap();
        for (id, run) in [("x1", "run_a"), ("x2", "run_a"), ("x3", "run_b")] {
            assert!(log.write(Record {
                id: id.into(),
                run: Some(run.into()),
                policy: Some("wizard".into()),
                agent: "codex",
                endpoint: "reply",
                outcome: Some(Outcome::Complete),
                cost_micros: 7,
                calls_refused: vec![CallRefused { tool: "Bash".into(), rule: "deny Bash".into() }],
                ..Record::default()
            }));
        }
        log.flush().await.unwrap();
        let beside = log::connect(&path).unwrap();
        let filter = Filter { limit: 10, ..Filter::default() };
        assert_eq!(list(&beside, &filter).unwrap().len(), 2);
        assert!(list(&beside, &Filter { policy: Some("coding".into()), ..filter }).unwrap().is_empty());

        let (run, exchanges) = show(&beside, "run_a").unwrap().unwrap();
        assert_eq!((run["turns"].as_i64(), run["cost_micros"].as_i64()), (Some(2), Some(14)));
        assert_eq!(exchanges[1]["turn"], 2);
        assert_eq!(exchanges[0]["calls_refused"][0]["tool"], "Bash");
        assert!(show(&beside, "run_").unwrap().is_none());
        assert!(show(&beside, "run_b").unwrap().is_some());
    }
}
