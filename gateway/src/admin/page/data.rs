//! What the page shows, from where it is kept: the run log, the ledger, the policies.

use std::collections::BTreeMap;

use jetway_core::lint::Finding;
use jiff::{SignedDuration, Timestamp};
use rusqlite::Connection;

use crate::amend::{self, Books};
use crate::gate::{Gate, Jetway, files};
use crate::lint;
use crate::runs::log;
use crate::runs::read::{self, Filter, Line};

/// What was read, or a sentence that says why it was not.
pub(super) type Read<T> = Result<T, String>;

/// Which runs are listed.
#[derive(Debug, Clone, Default)]
pub(super) struct Wanted {
    pub(super) policy: Option<String>,
    pub(super) user: Option<String>,
    pub(super) outcome: Option<String>,
    pub(super) since: Option<Timestamp>,
    pub(super) limit: u32,
}

/// The latest runs, the newest first.
pub(super) async fn runs(jetway: &Jetway, wanted: Wanted) -> Read<Vec<Line>> {
    let Wanted { policy, user, outcome, since, limit } = wanted;
    let filter = Filter { policy, user, outcome, limit };
    let mut runs = of_log(jetway, move |log| read::list(log, &filter)).await?;
    if let Some(since) = since {
        let began = |run: &Line| run.get("started").and_then(|at| at.as_str()?.parse::<Timestamp>().ok());
        runs.retain(|run| began(run).is_some_and(|at| at >= since));
    }
    Ok(runs)
}

/// One run and its exchanges in order; none if there is no such run.
pub(super) async fn run(jetway: &Jetway, id: String) -> Read<Option<(Line, Vec<Line>)>> {
    of_log(jetway, move |log| read::show(log, &id)).await
}

/// What agents said when they were asked, the newest first: of one run, or of all.
pub(super) async fn feedback(_: &Jetway, _run: Option<&str>) -> Read<Vec<Line>> {
    Ok(Vec::new())
}

/// The versions of policies that exchanges of the last days were under: `policy`, `version`,
/// `first`, `last`, `exchanges`, the latest first.
pub(super) async fn versions(jetway: &Jetway) -> Read<Vec<Version>> {
    let from = Timestamp::now().checked_sub(SignedDuration::from_hours(24 * DAYS)).unwrap_or_default();
    of_log(jetway, move |log| {
        let mut statement = log.prepare(
            "SELECT policy, policy_version, min(at), max(at), count(*) FROM exchange
             WHERE at >= ?1 AND policy IS NOT NULL AND policy_version IS NOT NULL
             GROUP BY policy, policy_version ORDER BY max(at) DESC LIMIT 1000",
        )?;
        let moment = |at: i64| Timestamp::from_millisecond(at).unwrap_or_default();
        let version = |row: &rusqlite::Row<'_>| {
            Ok(Version {
                policy: row.get(0)?,
                version: row.get(1)?,
                first: moment(row.get(2)?),
                last: moment(row.get(3)?),
                exchanges: row.get(4)?,
            })
        };
        statement.query_map([from.as_millisecond()], version)?.collect()
    })
    .await
}

/// For how many days back versions are listed.
pub(super) const DAYS: i64 = 30;

/// A version of a policy, and when it was in use.
#[derive(Debug, Clone)]
pub(super) struct Version {
    pub(super) policy: String,
    pub(super) version: String,
    pub(super) first: Timestamp,
    pub(super) last: Timestamp,
    pub(super) exchanges: i64,
}

/// How all accounts stand.
pub(super) async fn budgets(jetway: &Jetway) -> Read<Books> {
    let policies: Vec<String> = jetway.gate.load().config.policies.keys().cloned().collect();
    amend::books(&*jetway.ledger, &policies).await.map_err(|error| error.to_string())
}

/// What is doubtful in each policy, or why that cannot be said.
pub(super) async fn doubts(jetway: &Jetway) -> Read<BTreeMap<String, Read<Vec<Finding>>>> {
    let gate = jetway.gate.load_full();
    blocking(move || {
        Ok(gate.config.policies.values().map(|policy| (policy.name.clone(), found(&gate, policy))).collect())
    })
    .await
}

fn found(gate: &Gate, policy: &crate::config::Policy) -> Read<Vec<Finding>> {
    let found = lint::findings(gate, policy).map_err(|problem| problem.to_string())?;
    Ok(found.into_iter().map(|(_, finding)| finding).collect())
}

/// Asks the run log, beside the thread that writes it.
async fn of_log<T: Send + 'static>(
    jetway: &Jetway,
    ask: impl FnOnce(&Connection) -> rusqlite::Result<T> + Send + 'static,
) -> Read<T> {
    let path = jetway.gate.load().config.state.join(files::RUNS);
    blocking(move || {
        let log = log::connect(&path).map_err(|error| error.to_string())?;
        ask(&log).map_err(|error| format!("the run log {} cannot be read: {error}", path.display()))
    })
    .await
}

/// Does what takes a while where nobody is served.
async fn blocking<T: Send + 'static>(work: impl FnOnce() -> Read<T> + Send + 'static) -> Read<T> {
    tokio::task::spawn_blocking(work).await.unwrap_or_else(|error| Err(format!("this could not be read: {error}")))
}
