//! What comes of rows of a user who was erased, and that were on their way meanwhile: in a queue, in the
//! journal of a Jetway that was away, in an exchange that was not over.
//!
//! Ada was erased at noon. An exchange of hers that began at eleven is left out, whenever it comes; one that
//! began at one is kept. What her agent said at the end of a run is left out, unless the run went on.

use crate::runs::QUESTION;
use crate::runs::row::{Row, Table};
use crate::secret;

/// A user who was erased is known by this for so long; no row is on its way for longer.
pub(super) const KEPT: std::time::Duration = std::time::Duration::from_secs(30 * 86_400);

/// What a user is known by who was erased.
pub(super) fn digest(user: &str) -> String {
    secret::hex(&secret::sha256(format!("erased user {user}").as_bytes()))
}

/// The same, of the user that a row is about; none where it is about none.
pub(super) fn digest_of(row: &Row) -> Option<String> {
    row.get("user").text().map(digest)
}

/// What comes of a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fate<'a> {
    Kept,
    LeftOut,
    /// Kept where this run has turns that are kept.
    WithRun(&'a str),
}

/// What comes of a row whose user was last erased then, in milliseconds since 1970.
pub(super) fn fate(row: &Row, erased: Option<i64>) -> Fate<'_> {
    let Some(erased) = erased else { return Fate::Kept };
    match (row.table, row.get("run").text()) {
        // It says when the run ended, and speaks of all that was in it.
        (Table::Ending | Table::Finding, Some(run)) => Fate::WithRun(run),
        _ if row.get("at").number() <= erased => Fate::LeftOut,
        _ => Fate::Kept,
    }
}

/// The run that this row is a turn of. What Jetway asks at the end is none.
pub(super) fn turn_of(row: &Row) -> Option<&str> {
    let is_turn = row.table == Table::Exchange && row.get("endpoint").text() != Some(QUESTION);
    row.get("run").text().filter(|_| is_turn)
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::*;
    use crate::runs::{Ended, Record};

    #[test]
    fn what_is_older_than_the_erasure_is_left_out() {
        let at = |millis: i64| Timestamp::from_millisecond(millis).unwrap();
        let exchange = |millis: i64| {
            let run = Some(String::from("run_a"));
            Row::of_exchange(&Record { at: at(millis), run, user: Some("ada".into()), ..Record::default() })
        };
        let ending = Row::of_ending(&Ended { at: at(99), run: "run_a".into(), ..Ended::default() }).remove(0);
        let check = |row: &Row, erased: Option<i64>, expect: Fate<'_>| assert_eq!(fate(row, erased), expect);
        check(&exchange(5), None, Fate::Kept);
        check(&exchange(5), Some(4), Fate::Kept);
        check(&exchange(5), Some(5), Fate::LeftOut);
        check(&ending, None, Fate::Kept);
        check(&ending, Some(5), Fate::WithRun("run_a"));
        assert_eq!((digest_of(&exchange(5)), digest_of(&ending)), (Some(digest("ada")), None));
        assert_eq!((turn_of(&exchange(5)), turn_of(&ending)), (Some("run_a"), None));
        assert_ne!(digest("ada"), digest("bob"));
    }
}
