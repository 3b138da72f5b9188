//! Of a run that may be long a part, and of many runs what they spent: what is wanted of very many rows is
//! added up where they are.

use std::collections::HashMap;

use jiff::Timestamp;

use super::{Line, Query, RUNS, Reader, number, text};
use crate::runs::row::Cell;
use crate::store::StoreError;

/// A part of a run, and what the whole of it came to.
#[derive(Debug, Clone, Default)]
pub struct Part {
    pub run: Line,
    /// In their order, with the number of their turn.
    pub exchanges: Vec<Line>,
    /// How many came before them.
    pub earlier: i64,
    /// Of all exchanges: `input`, `cache_read`, `cache_write`, `output`, `inner_turns`, `steps`, and the most
    /// tokens of one as `longest`.
    pub sums: Line,
    /// Lists of all exchanges: `name` of the column, `items` as JSON, and in how many exchanges as `times`.
    pub lists: Vec<Line>,
}

/// Where an exchange stands in its run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// In milliseconds since 1970.
    pub at: i64,
    pub id: String,
}

impl Place {
    #[must_use]
    pub fn of(exchange: &Line) -> Option<Self> {
        let at = text(exchange, "at")?.parse::<Timestamp>().ok()?.as_millisecond();
        Some(Self { at, id: text(exchange, "id")?.to_owned() })
    }
}

/// What a run came to, in numbers.
const SUMS: &str = "SELECT CAST(sum(input) AS BIGINT) AS input, CAST(sum(cache_read) AS BIGINT) AS cache_read,
        CAST(sum(cache_write) AS BIGINT) AS cache_write, CAST(sum(output) AS BIGINT) AS output,
        CAST(sum(inner_turns) AS BIGINT) AS inner_turns, count(DISTINCT step) AS steps,
        max(input + cache_read + cache_write + output) AS longest
    FROM exchange WHERE run = $1";
/// Columns whose lists are added up.
const LISTS: [&str; 5] = ["calls", "calls_refused", "calls_replaced", "redactions", "passages"];

/// No more exchanges are looked at for what they cost: at a kilobyte each, some two hundred megabytes.
pub const MOST_SPENDING: u64 = 200_000;

impl Reader {
    /// A part of one run, as for [`Self::show`]: so many exchanges before this one, or its last.
    ///
    /// # Errors
    /// When the log cannot be read.
    pub async fn story(&self, id: &str, before: Option<&Place>, most: u32) -> Result<Option<Part>, StoreError> {
        let Some(full) = self.full(id).await? else { return Ok(None) };
        let (mut query, mut earlier) = (Query::default(), 0);
        query.conditions.push(String::from("run = $1"));
        query.cells.push(full.clone());
        query.before(before);
        let sql = format!("SELECT * FROM exchange {} ORDER BY at DESC, id DESC", query.conditions());
        let limit = query.parameter(u64::from(most));
        let mut exchanges = self.rows(&format!("{sql} LIMIT {limit}"), &query.cells).await?;
        exchanges.reverse();
        if let Some(first) = exchanges.first().and_then(Place::of) {
            let mut query = Query { conditions: vec![String::from("run = $1")], cells: vec![full.clone()] };
            query.before(Some(&first));
            let sql = format!("SELECT count(*) AS earlier FROM exchange {}", query.conditions());
            earlier = self.rows(&sql, &query.cells).await?.first().map_or(0, |line| number(line, "earlier"));
        }
        let full = [full];
        in_turn(earlier + 1, &mut exchanges, &self.endings_of(&full).await?);
        let sums = self.rows(SUMS, &full).await?.pop().unwrap_or_default();
        // What stands in lists is added up where JSON can be read: alike ones are read once.
        let alike = |name: &&str| {
            format!(
                "SELECT '{name}' AS name, {name} AS items, count(*) AS times FROM exchange
                    WHERE run = $1 AND {name} <> '[]' GROUP BY {name}"
            )
        };
        let lists = self.rows(&LISTS.iter().map(alike).collect::<Vec<_>>().join(" UNION ALL "), &full).await?;
        let run = self.rows(&format!("{RUNS} run WHERE id = $1"), &full).await?.pop();
        Ok(run.map(|run| Part { run, exchanges, earlier, sums, lists }))
    }

    /// What was spent between two moments, under a policy: of each exchange what its price depends on and
    /// who pays. Of very many only the latest.
    ///
    /// # Errors
    /// When the log cannot be read.
    pub async fn spending(
        &self,
        policy: Option<&str>,
        (from, to): (Timestamp, Timestamp),
    ) -> Result<Vec<Line>, StoreError> {
        let mut query = Query::default();
        query.is("policy", policy);
        query.from("at", from);
        let until = query.parameter(to);
        let (conditions, most) = (query.conditions(), query.parameter(MOST_SPENDING));
        let sql = format!(
            "SELECT id, run, at, endpoint, dialect, model, sent_model, served_model, \"user\", team, key, role, outcome, input, cache_read,
                cache_write, cache_write_hour, output, cost_micros, step, steps_left, calls_answered
            FROM exchange {conditions} AND at <= {until} ORDER BY at DESC, id DESC LIMIT {most}"
        );
        self.rows(&sql, &query.cells).await
    }
}

/// Tells of exchanges that follow each other what no row says of itself, for none is ever changed: the number
/// of its turn, which one sent its request again, and how the run had ended before it went on with this one.
pub(super) fn in_turn(first: i64, exchanges: &mut [Line], endings: &[Line]) {
    let again = exchanges.iter().filter_map(|exchange| Some((text(exchange, "again_of")?, text(exchange, "id")?)));
    let again: HashMap<String, String> = again.map(|(of, id)| (of.to_owned(), id.to_owned())).collect();
    let moment = |line: &Line| text(line, "at").and_then(|at| at.parse::<Timestamp>().ok());
    let mut before = None;
    for (turn, exchange) in (first..).zip(exchanges) {
        let began = moment(exchange);
        let is_between = |ending: &&Line| before.is_some() && moment(ending) >= before && moment(ending) < began;
        let ended = endings.iter().rfind(is_between).and_then(|ending| text(ending, "how"));
        let by = text(exchange, "id").and_then(|id| again.get(id)).cloned();
        exchange.insert(String::from("turn"), turn.into());
        exchange.insert(String::from("retried_by"), by.into());
        exchange.insert(String::from("ended_before"), ended.into());
        before = began;
    }
}

impl Query {
    /// A row must stand before this.
    fn before(&mut self, place: Option<&Place>) {
        if let Some(Place { at, id }) = place {
            let (at, id) = (self.parameter(Cell::Number(*at)), self.parameter(id.as_str()));
            self.conditions.push(format!("(at < {at} OR at = {at} AND id < {id})"));
        }
    }
}
