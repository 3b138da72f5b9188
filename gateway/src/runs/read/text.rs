//! Looking for runs by a text.

use super::{Query, RUNS, has, like};
use crate::runs::marks;
use crate::runs::schema::Dialect;

impl Query {
    /// The runs of which these conditions hold and in which a text was said, the newest first.
    ///
    /// What was said is much, so that the index tells which runs may have said it; they are looked through one
    /// by one, and nobody goes on where there are enough.
    pub(super) fn saying(&mut self, text: &str, dialect: Dialect) -> String {
        let pattern = self.parameter(like(text).as_str());
        let has = |column: &str| has(column, &pattern);
        let (detail, refused, found, words) = (has("detail"), has("calls_refused"), has("text"), has("words"));
        let told = format!(
            "told (run) AS (SELECT run FROM exchange WHERE detail IS NOT NULL AND {detail}
                UNION SELECT run FROM exchange WHERE calls_refused <> '[]' AND {refused}
                UNION SELECT run FROM finding WHERE {found})"
        );
        let mut tables = vec![told];
        if let Some(marks) = marks::wanted(text) {
            let is_embedded = dialect == Dialect::Embedded;
            // There a list is words, all of which must be there.
            let wanted = if is_embedded { marks.trim_matches(['{', '}']).replace(',', " ") } else { marks };
            let wanted = self.parameter(wanted.as_str());
            let (marked, column) = if is_embedded {
                (format!("number IN (SELECT rowid FROM mark WHERE mark MATCH {wanted})"), "number")
            } else {
                (format!("marks @> {wanted}::text::smallint[]"), "marks")
            };
            // Bodies of older versions are in no index.
            tables.push(format!(
                "said (run) AS (SELECT run FROM body WHERE {marked}
                    UNION SELECT run FROM body WHERE {column} IS NULL AND words IS NOT NULL)"
            ));
            let may = "(id IN (SELECT run FROM told) OR id IN (SELECT run FROM said))";
            self.conditions.push(String::from(may));
        }
        let (tables, conditions) = (tables.join(", "), self.conditions());
        // What has a limit is found first and in its order.
        format!(
            "WITH {tables} {RUNS}
                (SELECT * FROM run {conditions} ORDER BY started DESC, id DESC LIMIT {ALL}) AS run
            WHERE id IN (SELECT run FROM told)
                OR 1 = (SELECT 1 FROM body WHERE body.run = run.id AND {words} LIMIT 1)"
        )
    }
}

/// There are not as many runs.
const ALL: i64 = i64::MAX;
