//! What exchanges add to their run.
//!
//! Two exchanges that cost 3 and 4 and ended at 10 and 20 make a run of two turns that cost 7, ended
//! at 20 and ended as the second did; in whatever order they are written.

use std::collections::BTreeMap;

use crate::runs::QUESTION;
use crate::runs::row::{Cell, MOST, Row, Table, quoted};

/// Exchanges of one run, added up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Tally {
    policy: Cell,
    user: Cell,
    team: Cell,
    agent: Cell,
    outcome: Cell,
    started: i64,
    ended: i64,
    turns: i64,
    tokens: i64,
    cost_micros: i64,
    tools_refused: i64,
}

/// The statement that adds tallies to their runs, which it makes where there is none.
pub(super) fn upsert(source: &str) -> String {
    let no_more = |sum: &str| format!("CASE WHEN {sum} > {MOST} THEN {MOST} ELSE {sum} END");
    let (tokens, cost) = (no_more("run.tokens + excluded.tokens"), no_more("run.cost_micros + excluded.cost_micros"));
    let columns = quoted(&COLUMNS);
    format!(
        "INSERT INTO run ({columns}) {source} ON CONFLICT (id) DO UPDATE SET
            started = CASE WHEN excluded.started < run.started THEN excluded.started ELSE run.started END,
            ended = CASE WHEN excluded.ended > run.ended THEN excluded.ended ELSE run.ended END,
            outcome = CASE WHEN excluded.ended >= run.ended THEN excluded.outcome ELSE run.outcome END,
            turns = run.turns + excluded.turns, tokens = {tokens}, cost_micros = {cost},
            tools_refused = CASE WHEN excluded.tools_refused > run.tools_refused THEN excluded.tools_refused
                ELSE run.tools_refused END"
    )
}

/// The columns of a run, in the order of [`Tally::cells`].
pub(super) const COLUMNS: [&str; 12] = [
    "id",
    "policy",
    "user",
    "team",
    "agent",
    "outcome",
    "started",
    "ended",
    "turns",
    "tokens",
    "cost_micros",
    "tools_refused",
];

impl Tally {
    fn of(row: &Row) -> Self {
        let number = |column: &str| row.get(column).number();
        // A question of ours costs what it costs, and is no turn of the agent's.
        let is_turn = row.get("endpoint").text() != Some(QUESTION);
        // Nor is one that is sent again: a run that was tried three times is no run of three turns.
        let is_new = row.get("again_of").text().is_none();
        let kinds = ["input", "cache_read", "cache_write", "output"];
        Self {
            policy: row.get("policy").clone(),
            user: row.get("user").clone(),
            team: row.get("team").clone(),
            agent: row.get("agent").clone(),
            outcome: row.get("outcome").clone(),
            started: number("at"),
            ended: if is_turn { number("at").saturating_add(number("total_millis")) } else { 0 },
            turns: i64::from(is_turn && is_new),
            tokens: kinds.iter().fold(0_i64, |sum, kind| sum.saturating_add(number(kind))).min(MOST),
            cost_micros: number("cost_micros").min(MOST),
            tools_refused: number("tools_refused"),
        }
    }

    fn join(&mut self, other: Self) {
        if other.ended >= self.ended {
            self.outcome = other.outcome;
        }
        self.started = self.started.min(other.started);
        self.ended = self.ended.max(other.ended);
        self.turns += other.turns;
        self.tokens = (self.tokens + other.tokens).min(MOST);
        self.cost_micros = (self.cost_micros + other.cost_micros).min(MOST);
        self.tools_refused = self.tools_refused.max(other.tools_refused);
    }

    /// What it is as a row, in the order of [`COLUMNS`].
    pub(super) fn cells(self, run: &str) -> [Cell; 12] {
        let [started, ended, turns, tokens, cost, refused] =
            [self.started, self.ended, self.turns, self.tokens, self.cost_micros, self.tools_refused].map(Cell::Number);
        [
            run.into(),
            self.policy,
            self.user,
            self.team,
            self.agent,
            self.outcome,
            started,
            ended,
            turns,
            tokens,
            cost,
            refused,
        ]
    }
}

/// What these rows add to runs, by their ids in order: two processes that write the same runs
/// then wait for each other and never for ever.
pub(super) fn tallies<'a>(rows: impl IntoIterator<Item = &'a Row>) -> BTreeMap<String, Tally> {
    let mut tallies: BTreeMap<String, Tally> = BTreeMap::new();
    for row in rows.into_iter().filter(|row| row.table == Table::Exchange) {
        let Some(run) = row.get("run").text() else { continue };
        match tallies.get_mut(run) {
            Some(tally) => tally.join(Tally::of(row)),
            None => drop(tallies.insert(run.to_owned(), Tally::of(row))),
        }
    }
    tallies
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::runs::{Outcome, Record};

    #[test]
    fn the_order_of_exchanges_does_not_matter() {
        let record = |id: &str, at: i64, cost_micros: u64, outcome: Outcome| {
            let at = jiff::Timestamp::from_millisecond(at).unwrap();
            let run = Some(String::from("run_a"));
            Record { id: id.into(), run, at, cost_micros, outcome: Some(outcome), ..Record::default() }
        };
        let row = |id: &str, at: i64, cost: u64, outcome: Outcome| Row::of_exchange(&record(id, at, cost, outcome));
        let again = Record { again_of: Some("x_1".into()), ..record("x_3", 30, 0, Outcome::Complete) };
        let rows = [row("x_1", 10, 3, Outcome::Cut), row("x_2", 20, u64::MAX, Outcome::Complete)];
        let alone = Row::of_exchange(&Record::default());
        let there = tallies([&rows[0], &alone, &rows[1]]);
        assert_eq!(there, tallies([&rows[1], &rows[0]]));
        let tally = &there["run_a"];
        assert_eq!((tally.turns, tally.started, tally.ended, tally.cost_micros), (2, 10, 20, MOST));
        assert_eq!(tally.outcome.text(), Some("complete"));
        // What is sent again costs what it costs, and is no turn.
        let there = tallies([&rows[0], &Row::of_exchange(&again)]);
        assert_eq!((there["run_a"].turns, there["run_a"].ended, there["run_a"].cost_micros), (1, 30, 3));
    }
}
