//! What the page shows, from where it is kept: the run log, the ledger, the policies.

use std::collections::BTreeMap;

use jetway_core::lint::Finding;
use jetway_core::policy::interrogation::Group;
use jiff::{SignedDuration, Timestamp};
use tokio::runtime::Handle;

use crate::amend::{self, Books};
use crate::gate::{Gate, Jetway};
use crate::lint;
use crate::runs::feedback;
use crate::runs::read::{Filter, Line, Reader, text};
use crate::store::StoreError;

/// What was read, or a sentence that says why it was not.
pub(super) type Read<T> = Result<T, String>;

/// The latest runs, the newest first.
pub(super) async fn runs(jetway: &Jetway, wanted: Filter) -> Read<Vec<Line>> {
    of_log(jetway, async move |log| log.list(&wanted).await).await
}

/// One run, its exchanges in order, and what its agent said should be changed; none if there is no such
/// run.
pub(super) async fn run(jetway: &Jetway, id: String) -> Read<Option<(Line, Vec<Line>, Vec<Line>)>> {
    let show = async move |log: &Reader| {
        let Some((run, exchanges)) = log.show(&id).await? else { return Ok(None) };
        let findings = log.findings(text(&run, "id").unwrap_or_default()).await?;
        Ok(Some((run, exchanges, findings)))
    };
    of_log(jetway, show).await
}

/// What agents said since then, under one policy or any, in groups that say the same.
pub(super) async fn feedback(jetway: &Jetway, policy: Option<String>, since: Timestamp) -> Read<Vec<Group>> {
    of_log(jetway, async move |log| feedback::gather(log, policy.as_deref(), since).await).await
}

/// The versions of policies that were in use in the last days, the latest first: `policy`,
/// `policy_version`, `at`, `last`, `exchanges`.
pub(super) async fn versions(jetway: &Jetway) -> Read<Vec<Line>> {
    let since = Timestamp::now().checked_sub(SignedDuration::from_hours(24 * DAYS)).unwrap_or_default();
    let last = |version: &Line| text(version, "last").and_then(|at| at.parse::<Timestamp>().ok());
    let mut versions = of_log(jetway, async move |log| log.versions(since).await).await?;
    versions.sort_by_key(|version| std::cmp::Reverse(last(version)));
    Ok(versions)
}

/// For how many days back versions are listed.
pub(super) const DAYS: i64 = 30;

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

/// Asks the run log, beside the thread that writes it. A log on this machine is read where nobody is
/// served meanwhile.
async fn of_log<T: Send + 'static>(
    jetway: &Jetway,
    ask: impl AsyncFnOnce(&Reader) -> Result<T, StoreError> + Send + 'static,
) -> Read<T> {
    let (gate, runtime) = (jetway.gate.load_full(), Handle::current());
    blocking(move || {
        let asked = async {
            let reader = Reader::open(&gate.config.runs, &gate.config.state).await?;
            ask(&reader).await
        };
        runtime.block_on(asked).map_err(|error| format!("the run log cannot be read: {error}"))
    })
    .await
}

/// Does what takes a while where nobody is served.
async fn blocking<T: Send + 'static>(work: impl FnOnce() -> Read<T> + Send + 'static) -> Read<T> {
    tokio::task::spawn_blocking(work).await.unwrap_or_else(|error| Err(format!("this could not be read: {error}")))
}
