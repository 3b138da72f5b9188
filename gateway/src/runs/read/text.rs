//! Looking for runs by a text.

use super::{Query, RUNS};
use crate::runs::marks;
use crate::runs::schema::Dialect;

impl Query {
    /// The runs of which these conditions hold and in which a text was said, the newest first.
    ///
    /// What was said is much, so that the index tells which runs may have said it; they are looked through one
    /// by one, and nobody goes on where there are enough. Of the newest alone all are looked through: what many
    /// said is there already, and the index would name as many.
    pub(super) fn saying(&mut self, text: &str, dialect: Dialect, looked: Looked) -> String {
        let is_embedded = dialect == Dialect::Embedded;
        let sought = self.parameter(text);
        let place = if is_embedded { "instr" } else { "strpos" };
        let has = |column: &str| format!("{place}(lower({column}), lower({sought})) > 0");
        let (detail, refused, found) = (has("detail"), has("calls_refused"), has("text"));
        let told = format!(
            "told (run) AS (SELECT run FROM exchange WHERE detail IS NOT NULL AND {detail}
                UNION SELECT run FROM exchange WHERE calls_refused <> '[]' AND {refused}
                UNION SELECT run FROM finding WHERE {found})"
        );
        let mut says = has("words");
        let mut tables = vec![told];
        if let (Looked::Everywhere, Some(marks)) = (looked, marks::wanted(text)) {
            // SQLite reads words, all of which must be there.
            let wanted = if is_embedded { marks.trim_matches(['{', '}']).replace(',', " ") } else { marks };
            let wanted = self.parameter(wanted.as_str());
            // PostgreSQL is not to see beforehand which are wanted: of those that many have it would read the rows
            // one by one.
            let (marked, column) = if is_embedded {
                (format!("number IN (SELECT rowid FROM mark WHERE mark MATCH {wanted})"), "number")
            } else {
                (format!("marks @> (SELECT {wanted}::text::smallint[])"), "marks")
            };
            // Bodies of older versions are in no index.
            tables.push(format!(
                "said (run, id) AS (SELECT run, id FROM body WHERE {marked}
                    UNION ALL SELECT run, id FROM body WHERE {column} IS NULL AND words IS NOT NULL)"
            ));
            // Only in this order is what was said in others not unpacked.
            says = format!("CASE WHEN body.id IN (SELECT id FROM said) THEN {says} END");
            let may = "(id IN (SELECT run FROM told) OR id IN (SELECT run FROM said))";
            self.conditions.push(String::from(may));
        }
        let (tables, conditions) = (tables.join(", "), self.conditions());
        let most = if looked == Looked::Newest { NEWEST } else { ALL };
        // What has a limit is found first and in its order.
        format!(
            "WITH {tables} {RUNS}
                (SELECT * FROM run {conditions} ORDER BY started DESC, id DESC LIMIT {most}) AS run
            WHERE id IN (SELECT run FROM told)
                OR 1 = (SELECT 1 FROM body WHERE body.run = run.id AND {says} LIMIT 1)"
        )
    }
}

/// Where a text is looked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Looked {
    Newest,
    Everywhere,
}

/// So many runs are looked through without the index.
pub(in crate::runs) const NEWEST: i64 = 40;
/// There are not as many runs.
const ALL: i64 = i64::MAX;
