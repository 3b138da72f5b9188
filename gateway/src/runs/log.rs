//! The run log: a row for every exchange, written off the path of requests.

use std::path::Path;

use jiff::Timestamp;
use rusqlite::{Connection, Transaction, params};

use crate::runs::{Ended, QUESTION, Record};
use crate::store::{self, Durability, Store, StoreError};

const TABLES: &[&str] = &[
    "
    CREATE TABLE run (
        id TEXT PRIMARY KEY,
        policy TEXT,
        user TEXT,
        team TEXT,
        agent TEXT NOT NULL,
        started INTEGER NOT NULL,
        ended INTEGER NOT NULL,
        turns INTEGER NOT NULL,
        outcome TEXT NOT NULL,
        tokens INTEGER NOT NULL,
        cost_micros INTEGER NOT NULL,
        tools_refused INTEGER NOT NULL
    ) STRICT;
    CREATE INDEX run_started ON run (started);
    CREATE TABLE exchange (
        id TEXT PRIMARY KEY,
        run TEXT,
        turn INTEGER,
        at INTEGER NOT NULL,
        policy TEXT,
        policy_version TEXT,
        user TEXT,
        team TEXT,
        key TEXT,
        agent TEXT NOT NULL,
        endpoint TEXT NOT NULL,
        dialect TEXT,
        model TEXT,
        served_model TEXT,
        provider TEXT,
        outcome TEXT NOT NULL,
        status INTEGER,
        reason TEXT,
        detail TEXT,
        input INTEGER NOT NULL,
        cache_read INTEGER NOT NULL,
        cache_write INTEGER NOT NULL,
        cache_write_hour INTEGER NOT NULL,
        output INTEGER NOT NULL,
        estimated INTEGER NOT NULL,
        cost_micros INTEGER NOT NULL,
        held_micros INTEGER NOT NULL,
        stop TEXT,
        stream INTEGER NOT NULL,
        bytes_in INTEGER NOT NULL,
        bytes_out INTEGER NOT NULL,
        decide_micros INTEGER NOT NULL,
        first_byte_millis INTEGER,
        total_millis INTEGER NOT NULL,
        tools_offered INTEGER NOT NULL,
        tools_removed TEXT NOT NULL,
        calls_refused TEXT NOT NULL,
        passages TEXT NOT NULL
    ) STRICT;
    CREATE INDEX exchange_run ON exchange (run, turn);
    CREATE INDEX exchange_at ON exchange (at);
    ",
    "
    CREATE TABLE action (
        id INTEGER PRIMARY KEY,
        at INTEGER NOT NULL,
        by TEXT NOT NULL,
        what TEXT NOT NULL,
        target TEXT NOT NULL,
        amount INTEGER,
        until INTEGER,
        reason TEXT NOT NULL
    ) STRICT;
    CREATE INDEX action_at ON action (at);
    ",
    "ALTER TABLE exchange ADD COLUMN way TEXT",
    "
    ALTER TABLE exchange ADD COLUMN inner_turns INTEGER NOT NULL DEFAULT 0;
    ALTER TABLE exchange ADD COLUMN calls_replaced TEXT NOT NULL DEFAULT '[]';
    ALTER TABLE exchange ADD COLUMN redactions TEXT NOT NULL DEFAULT '[]';
    ",
    "ALTER TABLE exchange ADD COLUMN calls_answered TEXT NOT NULL DEFAULT '[]'",
    "ALTER TABLE exchange ADD COLUMN profile TEXT NOT NULL DEFAULT '{}'",
    "
    ALTER TABLE exchange ADD COLUMN step TEXT;
    ALTER TABLE exchange ADD COLUMN steps_left TEXT NOT NULL DEFAULT '[]';
    ",
    "
    ALTER TABLE run ADD COLUMN ended_by TEXT;
    ALTER TABLE run ADD COLUMN asked TEXT;
    CREATE TABLE finding (
        id TEXT PRIMARY KEY,
        at INTEGER NOT NULL,
        run TEXT NOT NULL,
        exchange TEXT NOT NULL,
        policy TEXT NOT NULL,
        policy_version TEXT,
        user TEXT,
        ending TEXT NOT NULL,
        step TEXT,
        document TEXT,
        document_hash TEXT,
        tool TEXT,
        kind TEXT NOT NULL,
        severity TEXT NOT NULL,
        text TEXT NOT NULL
    ) STRICT;
    CREATE INDEX finding_at ON finding (at);
    CREATE INDEX finding_run ON finding (run);
    ",
];

/// The most that is added up: two of them still fit a number.
const MOST: i64 = i64::MAX / 4;

/// Writes records. The queue is bounded: a record that finds no room is dropped, and the caller
/// is told so that it can be counted.
#[derive(Debug, Clone)]
pub struct Log {
    store: Store,
}

/// Opens the log for reading beside a gateway that may be running.
///
/// # Errors
/// [`StoreError`] when the file cannot be used.
pub fn connect(path: &Path) -> Result<Connection, StoreError> {
    store::open(path, Durability::Relaxed, TABLES)
}

/// What an operator changed by hand.
#[derive(Debug, Clone, Default)]
pub struct Action {
    pub at: Timestamp,
    /// Who did it, as far as that is known.
    pub by: String,
    /// `raise`, `reset`, `release`, `mint` or `revoke`.
    pub what: &'static str,
    /// The account, exchange or token.
    pub target: String,
    /// In the unit of the account.
    pub amount: Option<u64>,
    pub until: Option<Timestamp>,
    pub reason: String,
}

impl Log {
    /// # Errors
    /// [`StoreError`] when the file cannot be used.
    pub fn open(path: &Path) -> Result<Self, StoreError> {
        Ok(Self { store: Store::start(path, connect(path)?)? })
    }

    /// Queues a record. Returns whether there was room.
    #[must_use]
    pub fn write(&self, record: Record) -> bool {
        self.store.offer(move |transaction| insert(transaction, &record))
    }

    /// Writes down what an operator did. It is there when this returns.
    ///
    /// # Errors
    /// [`StoreError`] when the log failed.
    pub async fn note(&self, action: Action) -> Result<(), StoreError> {
        self.store
            .call(move |transaction| {
                transaction.execute(
                    "INSERT INTO action (at, by, what, target, amount, until, reason) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
                    params![
                        action.at.as_millisecond(),
                        action.by,
                        action.what,
                        action.target,
                        action.amount.map(number),
                        action.until.map(Timestamp::as_millisecond),
                        action.reason,
                    ],
                )
            })
            .await?;
        Ok(())
    }

    /// Queues what became of a run. Returns whether there was room.
    #[must_use]
    pub fn end(&self, ended: Ended) -> bool {
        self.store.offer(move |transaction| end(transaction, &ended))
    }

    /// Waits until everything that was queued before is on disk.
    ///
    /// # Errors
    /// [`StoreError`] when the log failed.
    pub async fn flush(&self) -> Result<(), StoreError> {
        self.store.call(|_| Ok(())).await
    }

    #[must_use]
    pub fn waiting(&self) -> usize {
        self.store.waiting()
    }
}

fn insert(transaction: &Transaction<'_>, record: &Record) -> rusqlite::Result<()> {
    let turn = match &record.run {
        Some(run) => Some(count_turn(transaction, run, record)?),
        None => None,
    };
    transaction.prepare_cached(INSERT)?.execute(params![
        record.id,
        record.run,
        turn,
        record.at.as_millisecond(),
        record.policy,
        record.policy_version,
        record.user,
        record.team,
        record.key,
        record.agent,
        record.endpoint,
        record.dialect,
        record.model,
        record.served_model,
        record.provider,
        outcome(record),
        record.status,
        record.reason,
        record.detail,
        number(record.usage.input),
        number(record.usage.cache_read),
        number(record.usage.cache_write),
        number(record.usage.cache_write_hour),
        number(record.usage.output),
        record.estimated,
        number(record.cost_micros),
        number(record.held_micros),
        record.stop,
        record.stream,
        number(record.bytes_in as u64),
        number(record.bytes_out as u64),
        number(record.decide_micros),
        record.first_byte_millis.map(number),
        number(record.total_millis),
        number(record.tools_offered as u64),
        json(&record.tools_removed),
        json(&record.calls_refused),
        json(&record.passages),
        record.way,
        record.inner_turns,
        json(&record.calls_replaced),
        json(&record.redactions),
        json(&record.calls_answered),
        profile(record),
        record.step,
        json(&record.steps_left),
    ])?;
    Ok(())
}

/// A run that goes on after it ended is open again: see [`count_turn`].
fn end(transaction: &Transaction<'_>, ended: &Ended) -> rusqlite::Result<()> {
    transaction.prepare_cached("UPDATE run SET ended_by = ?2, asked = ?3 WHERE id = ?1")?.execute(params![
        ended.run,
        ended.ending,
        ended.asked
    ])?;
    let mut insert = transaction.prepare_cached(
        "INSERT OR IGNORE INTO finding (id, at, run, exchange, policy, policy_version, user, ending, step, document,
            document_hash, tool, kind, severity, text)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15)",
    )?;
    for (number, found) in ended.found.iter().enumerate() {
        insert.execute(params![
            format!("{}.{number}", ended.exchange),
            ended.at.as_millisecond(),
            ended.run,
            ended.exchange,
            ended.policy,
            ended.policy_version,
            ended.user,
            ended.ending,
            found.finding.step,
            found.finding.document,
            found.document_hash,
            found.finding.tool,
            found.finding.kind.name(),
            found.finding.severity.name(),
            found.finding.text,
        ])?;
    }
    Ok(())
}

const INSERT: &str = "INSERT OR IGNORE INTO exchange (
    id, run, turn, at, policy, policy_version, user, team, key, agent, endpoint, dialect, model, served_model, provider,
    outcome, status, reason, detail, input, cache_read, cache_write, cache_write_hour, output, estimated, cost_micros,
    held_micros, stop, stream, bytes_in, bytes_out, decide_micros, first_byte_millis, total_millis, tools_offered,
    tools_removed, calls_refused, passages, way, inner_turns, calls_replaced, redactions,
    calls_answered, profile, step, steps_left
) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18, ?19, ?20, ?21, ?22, ?23, ?24,
    ?25, ?26, ?27, ?28, ?29, ?30, ?31, ?32, ?33, ?34, ?35, ?36, ?37, ?38, ?39, ?40, ?41, ?42, ?43, ?44, ?45, ?46)";

/// Adds the exchange to its run and returns which turn it is, from one.
fn count_turn(transaction: &Transaction<'_>, run: &str, record: &Record) -> rusqlite::Result<i64> {
    let ended = record.at.as_millisecond().saturating_add(number(record.total_millis));
    let refused = number((record.tools_removed.len() + record.calls_refused.len()) as u64);
    transaction
        .prepare_cached(
            "INSERT INTO run (id, policy, user, team, agent, started, ended, turns, outcome, tokens, cost_micros, tools_refused)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, 1, ?8, ?9, ?10, ?11)
             ON CONFLICT (id) DO UPDATE SET
                ended = max(ended, excluded.ended), turns = turns + 1,
                outcome = CASE WHEN ?13 THEN outcome ELSE excluded.outcome END,
                ended_by = CASE WHEN ?13 THEN ended_by END, asked = CASE WHEN ?13 THEN asked END,
                tokens = min(tokens + excluded.tokens, ?12), cost_micros = min(cost_micros + excluded.cost_micros, ?12),
                tools_refused = max(tools_refused, excluded.tools_refused)
             RETURNING turns",
        )?
        .query_row(
            params![
                run,
                record.policy,
                record.user,
                record.team,
                record.agent,
                record.at.as_millisecond(),
                ended,
                outcome(record),
                number(record.usage.total()),
                number(record.cost_micros),
                refused,
                MOST,
                record.endpoint == QUESTION,
            ],
            |row| row.get(0),
        )
}

fn outcome(record: &Record) -> &'static str {
    record.outcome.map_or("client_gone", crate::runs::Outcome::name)
}

fn number(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(MOST).min(MOST)
}

/// What is known of the project, with its evidence: JSON.
fn profile(record: &Record) -> String {
    let known = record.profile.as_ref().filter(|profile| !profile.is_empty());
    known.and_then(|profile| serde_json::to_string(&**profile).ok()).unwrap_or_else(|| String::from("{}"))
}

/// A list as it is kept: JSON.
fn json<T: serde::Serialize>(list: &[T]) -> String {
    serde_json::to_string(list).unwrap_or_else(|_| String::from("[]"))
}
