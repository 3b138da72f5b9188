//! What is kept of an exchange or of an action: the same row in both stores, and in the journal.
//!
//! A record with the id `x_1` and no user is the row `{ id: "x_1", user: null, … }` of the table
//! `exchange`, written by `INSERT INTO exchange ("id", …) VALUES ($1, …) ON CONFLICT DO NOTHING`, so that a row
//! that is written again counts once.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::runs::body::{self, Body};
use crate::runs::shown::Shown;
use crate::runs::{Ended, Found, Record, marks};

/// The most that is added up: two of them still fit a number.
pub(super) const MOST: i64 = i64::MAX / 4;

/// The value of a column.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub(super) enum Cell {
    Null,
    Number(i64),
    Text(String),
}

impl Cell {
    pub(super) fn number(&self) -> i64 {
        if let Self::Number(number) = self { *number } else { 0 }
    }

    pub(super) fn text(&self) -> Option<&str> {
        if let Self::Text(text) = self { Some(text) } else { None }
    }
}

impl From<&str> for Cell {
    fn from(text: &str) -> Self {
        // No text of PostgreSQL's may hold a zero.
        Self::Text(text.replace('\0', "\u{fffd}"))
    }
}

impl From<&String> for Cell {
    fn from(text: &String) -> Self {
        text.as_str().into()
    }
}

impl From<u64> for Cell {
    fn from(count: u64) -> Self {
        Self::Number(i64::try_from(count).unwrap_or(MOST).min(MOST))
    }
}

impl From<usize> for Cell {
    fn from(count: usize) -> Self {
        (count as u64).into()
    }
}

impl From<bool> for Cell {
    fn from(is_so: bool) -> Self {
        Self::Number(i64::from(is_so))
    }
}

impl From<Timestamp> for Cell {
    fn from(at: Timestamp) -> Self {
        Self::Number(at.as_millisecond())
    }
}

impl<T: Into<Self>> From<Option<T>> for Cell {
    fn from(value: Option<T>) -> Self {
        value.map_or(Self::Null, Into::into)
    }
}

/// Where rows go; what a run came to is made of its exchanges.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Table {
    Exchange,
    Action,
    Ending,
    Finding,
    Body,
    Shown,
}

impl Table {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Exchange => "exchange",
            Self::Action => "action",
            Self::Ending => "ending",
            Self::Finding => "finding",
            Self::Body => "body",
            Self::Shown => "shown",
        }
    }
}

/// What the texts of a body are found by, which each store keeps in its own way.
pub(super) const MARKS: &str = "marks";

/// A row that is to be written, once.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Row {
    pub(super) table: Table,
    cells: BTreeMap<String, Cell>,
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

impl Row {
    fn new<const N: usize>(table: Table, cells: [(&str, Cell); N]) -> Self {
        Self { table, cells: cells.into_iter().map(|(name, cell)| (name.to_owned(), cell)).collect() }
    }

    pub(super) fn of_action(action: &Action) -> Self {
        let cells = [
            ("id", Cell::Text(format!("a_{}", Uuid::now_v7().simple()))),
            ("at", action.at.into()),
            ("by", (&action.by).into()),
            ("what", action.what.into()),
            ("target", (&action.target).into()),
            ("amount", action.amount.into()),
            ("until", action.until.into()),
            ("reason", (&action.reason).into()),
        ];
        Self::new(Table::Action, cells)
    }

    /// How a run ended, and what its agent said of it.
    pub(super) fn of_ending(ended: &Ended) -> Vec<Self> {
        let cells = [
            ("id", (&ended.id).into()),
            ("at", ended.at.into()),
            ("run", (&ended.run).into()),
            ("policy", (&ended.policy).into()),
            ("policy_version", ended.policy_version.as_ref().into()),
            ("user", ended.user.as_ref().into()),
            ("how", ended.ending.into()),
            ("asked", ended.asked.into()),
        ];
        let found = ended.found.iter().enumerate().map(|(number, found)| {
            let Found { finding, document_hash } = found;
            let cells = [
                ("id", Cell::Text(format!("{}.{number}", ended.id))),
                ("at", ended.at.into()),
                ("run", (&ended.run).into()),
                ("exchange", (&ended.exchange).into()),
                ("policy", (&ended.policy).into()),
                ("policy_version", ended.policy_version.as_ref().into()),
                ("user", ended.user.as_ref().into()),
                ("ending", ended.ending.into()),
                ("step", finding.step.as_ref().into()),
                ("document", finding.document.as_ref().into()),
                ("document_hash", document_hash.as_ref().into()),
                ("tool", finding.tool.as_ref().into()),
                ("kind", finding.kind.name().into()),
                ("severity", finding.severity.name().into()),
                ("text", (&finding.text).into()),
            ];
            Self::new(Table::Finding, cells)
        });
        let ending = Self::new(Table::Ending, cells);
        std::iter::once(ending).chain(found).collect()
    }

    /// One for each month, and for each policy.
    pub(super) fn of_shown(shown: &Shown) -> Self {
        let cells = [
            ("id", Cell::Text(format!("{} {} {}", shown.hash, shown.month(), shown.policy))),
            ("hash", (&shown.hash).into()),
            ("at", shown.at.into()),
            ("policy", (&shown.policy).into()),
            ("source", (&shown.source).into()),
            ("page", shown.page.as_ref().into()),
            ("text", (&shown.text).into()),
        ];
        Self::new(Table::Shown, cells)
    }

    /// # Errors
    /// Only where there is no memory.
    pub(super) fn of_body(said: &Body) -> std::io::Result<Self> {
        let sent = body::pack(&said.sent)?;
        let answer = said.said.as_ref().map(|said| body::pack(said.as_bytes())).transpose()?;
        let marks = said.words.as_deref().map(marks::of);
        let others = [answer.as_ref(), said.words.as_ref(), marks.as_ref()];
        let bytes = others.iter().flatten().map(|text| text.len()).sum::<usize>() + sent.len();
        let cells = [
            ("id", (&said.exchange).into()),
            ("at", said.at.into()),
            ("run", said.run.as_ref().into()),
            ("user", said.user.as_ref().into()),
            ("bytes", bytes.into()),
            ("words", said.words.as_ref().into()),
            (MARKS, marks.map_or(Cell::Null, Cell::Text)),
            ("sent", Cell::Text(sent)),
            ("said", answer.map_or(Cell::Null, Cell::Text)),
        ];
        Ok(Self::new(Table::Body, cells))
    }

    pub(super) fn of_exchange(record: &Record) -> Self {
        let mut row = Self::new(
            Table::Exchange,
            [
                ("id", (&record.id).into()),
                ("run", record.run.as_ref().into()),
                ("at", record.at.into()),
                ("policy", record.policy.as_ref().into()),
                ("policy_version", record.policy_version.as_ref().into()),
                ("user", record.user.as_ref().into()),
                ("team", record.team.as_ref().into()),
                ("key", record.key.as_ref().into()),
                ("way", record.way.into()),
                ("agent", record.agent.into()),
                ("endpoint", record.endpoint.into()),
                ("dialect", record.dialect.into()),
                ("model", record.model.as_ref().into()),
                ("sent_model", record.sent_model.as_ref().into()),
                ("served_model", record.served_model.as_ref().into()),
                ("provider", record.provider.as_ref().into()),
                ("outcome", record.outcome.map_or("client_gone", crate::runs::Outcome::name).into()),
                ("status", record.status.map(u64::from).into()),
                ("reason", record.reason.into()),
                ("detail", record.detail.as_ref().into()),
                ("stop", record.stop.as_ref().into()),
                ("step", record.step.as_ref().into()),
                ("role", record.role.into()),
                ("again_of", record.again_of.as_ref().into()),
                ("prefix_break", record.prefix_break.into()),
                ("speaker", record.speaker.as_ref().into()),
            ],
        );
        row.add(counts(record));
        row.add(lists(record));
        row
    }

    fn add<const N: usize>(&mut self, cells: [(&str, Cell); N]) {
        self.cells.extend(cells.into_iter().map(|(name, cell)| (name.to_owned(), cell)));
    }

    pub(super) fn get(&self, column: &str) -> &Cell {
        self.cells.get(column).unwrap_or(&Cell::Null)
    }

    /// Its columns, in the order of its cells.
    pub(super) fn columns(&self) -> Vec<&str> {
        self.cells.keys().map(String::as_str).collect()
    }

    pub(super) fn cells(&self) -> &BTreeMap<String, Cell> {
        &self.cells
    }
}

/// The statement that writes rows of these columns, but for those that are there.
pub(super) fn insert(table: Table, columns: &[&str], source: &str) -> String {
    format!("INSERT INTO {} ({}) {source} ON CONFLICT DO NOTHING", table.name(), quoted(columns))
}

/// Names of columns, some of which are words of SQL.
pub(super) fn quoted(columns: &[&str]) -> String {
    columns.iter().map(|column| format!("\"{column}\"")).collect::<Vec<_>>().join(", ")
}

/// `VALUES ($1, $2)`: as many parameters as there are columns.
pub(super) fn values(count: usize) -> String {
    let places = (1..=count).map(|at| format!("${at}")).collect::<Vec<_>>().join(", ");
    format!("VALUES ({places})")
}

fn counts(record: &Record) -> [(&'static str, Cell); 21] {
    let refused = record.calls_refused.iter().filter(|call| !call.noted).count();
    [
        ("input", record.usage.input.into()),
        ("cache_read", record.usage.cache_read.into()),
        ("cache_write", record.usage.cache_write.into()),
        ("cache_write_hour", record.usage.cache_write_hour.into()),
        ("output", record.usage.output.into()),
        ("estimated", record.estimated.into()),
        ("cost_micros", record.cost_micros.into()),
        ("held_micros", record.held_micros.into()),
        ("stream", record.stream.into()),
        ("bytes_in", record.bytes_in.into()),
        ("bytes_out", record.bytes_out.into()),
        ("receive_micros", record.receive_micros.into()),
        ("decide_micros", record.decide_micros.into()),
        ("wait_micros", record.wait_micros.into()),
        ("first_byte_millis", record.first_byte_millis.into()),
        ("chunks", record.chunks.into()),
        ("longest_gap_millis", record.longest_gap_millis.into()),
        ("total_millis", record.total_millis.into()),
        ("tools_offered", record.tools_offered.into()),
        ("inner_turns", u64::from(record.inner_turns).into()),
        // Counted here, so that nobody has to read the lists to add it up.
        ("tools_refused", (record.tools_removed.len() + refused).into()),
    ]
}

fn lists(record: &Record) -> [(&'static str, Cell); 11] {
    let known = record.profile.as_ref().filter(|profile| !profile.is_empty());
    let profile = known.and_then(|profile| serde_json::to_string(&**profile).ok());
    [
        ("tools_removed", json(&record.tools_removed)),
        ("calls_refused", json(&record.calls_refused)),
        ("passages", json(&record.passages)),
        ("calls_replaced", json(&record.calls_replaced)),
        ("redactions", json(&record.redactions)),
        ("calls_answered", json(&record.calls_answered)),
        ("profile", Cell::Text(profile.unwrap_or_else(|| String::from("{}")))),
        ("steps_left", json(&record.steps_left)),
        ("calls", json(&record.calls)),
        ("inner", json(&record.inner)),
        ("decisions", json(&record.decided())),
    ]
}

/// A list as it is kept: JSON, in which a zero is `\u0000`.
fn json<T: Serialize>(list: &[T]) -> Cell {
    Cell::Text(serde_json::to_string(list).unwrap_or_else(|_| String::from("[]")))
}
