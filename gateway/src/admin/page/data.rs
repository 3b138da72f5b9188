//! What the page shows, from where it is kept: the run log, the ledger, the policies.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::{Duration, Instant};

use jetway_core::lint::Finding;
use jetway_core::policy::interrogation::Group;
use jiff::{SignedDuration, Timestamp};
use tokio::runtime::Handle;

use crate::admin::Admin;
use crate::admin::page::story::TURNS;
use crate::amend::{self, Books};
use crate::gate::Gate;
use crate::lint;
use crate::runs::feedback;
use crate::runs::read::{Filter, Line, Part, Place, Reader, text};
use crate::store::StoreError;

/// What was read, or a sentence that says why it was not.
pub(super) type Read<T> = Result<T, String>;

/// The latest runs, the newest first.
pub(super) async fn runs(admin: &Admin, wanted: Filter) -> Read<Vec<Line>> {
    of_log(admin, async move |log| log.list(&wanted).await).await
}

/// A part of one run, before this exchange or its end, and what its agent said should be changed; none if
/// there is no such run.
pub(super) async fn run(admin: &Admin, id: String, before: Option<Place>) -> Read<Option<(Part, Vec<Line>)>> {
    let show = async move |log: &Reader| {
        let Some(part) = log.story(&id, before.as_ref(), TURNS).await? else { return Ok(None) };
        let findings = log.findings(text(&part.run, "id").unwrap_or_default()).await?;
        Ok(Some((part, findings)))
    };
    of_log(admin, show).await
}

/// What agents said since then, under one policy or any, in groups that say the same.
pub(super) async fn feedback(admin: &Admin, policy: Option<String>, since: Timestamp) -> Read<Vec<Group>> {
    of_log(admin, async move |log| feedback::gather(log, policy.as_deref(), since).await).await
}

/// The versions of policies that were in use in the last days, the latest first: `policy`,
/// `policy_version`, `at`, `last`, `exchanges`.
pub(super) async fn versions(admin: &Admin) -> Read<Vec<Line>> {
    let since = Timestamp::now().checked_sub(SignedDuration::from_hours(24 * DAYS)).unwrap_or_default();
    let last = |version: &Line| text(version, "last").and_then(|at| at.parse::<Timestamp>().ok());
    let mut versions = of_log(admin, async move |log| log.versions(since).await).await?;
    versions.sort_by_key(|version| std::cmp::Reverse(last(version)));
    Ok(versions)
}

/// For how many days back versions are listed.
pub(super) const DAYS: i64 = 30;

/// How all accounts stand.
pub(super) async fn budgets(admin: &Admin) -> Read<Books> {
    let policies: Vec<String> = admin.jetway.gate.load().config.policies.keys().cloned().collect();
    amend::books(&*admin.jetway.ledger, &policies).await.map_err(|error| error.to_string())
}

/// What is doubtful in each policy, or why that cannot be said.
pub(super) async fn doubts(admin: &Admin) -> Read<BTreeMap<String, Read<Vec<Finding>>>> {
    let gate = admin.jetway.gate.load_full();
    blocking(move || {
        Ok(gate.config.policies.values().map(|policy| (policy.name.clone(), found(&gate, policy))).collect())
    })
    .await
}

fn found(gate: &Gate, policy: &crate::config::Policy) -> Read<Vec<Finding>> {
    let found = lint::findings(gate, policy).map_err(|problem| problem.to_string())?;
    Ok(found.into_iter().map(|(_, finding)| finding).collect())
}

/// Readers of the run log that are open and not in use: a look at one in PostgreSQL need not connect anew.
#[derive(Debug, Clone, Default)]
pub(super) struct Readers(Arc<Mutex<Kept>>);

/// Those of one configuration; another may name another log.
#[derive(Debug, Default)]
struct Kept {
    gate: Weak<Gate>,
    /// Each with when it was used last.
    readers: Vec<(Instant, Reader)>,
}

/// No more readers are kept open.
const MOST_READERS: usize = 4;
/// One that was not used for so long may have been cut off without a word, and is not waited for.
const RESTS: Duration = Duration::from_secs(60);

impl Readers {
    fn take(&self, gate: &Arc<Gate>) -> Option<Reader> {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if !Weak::ptr_eq(&kept.gate, &Arc::downgrade(gate)) {
            *kept = Kept { gate: Arc::downgrade(gate), readers: Vec::new() };
        }
        kept.readers.retain(|(used, _)| used.elapsed() < RESTS);
        kept.readers.pop().map(|(_, reader)| reader)
    }

    fn put(&self, gate: &Arc<Gate>, reader: Reader) {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if Weak::ptr_eq(&kept.gate, &Arc::downgrade(gate)) && kept.readers.len() < MOST_READERS {
            kept.readers.push((Instant::now(), reader));
        }
    }
}

/// Asks the run log, beside the thread that writes it. A log on this machine is read where nobody is
/// served meanwhile.
async fn of_log<T: Send + 'static>(
    admin: &Admin,
    ask: impl AsyncFn(&Reader) -> Result<T, StoreError> + Send + 'static,
) -> Read<T> {
    let (gate, runtime) = (admin.jetway.gate.load_full(), Handle::current());
    let readers = admin.page.readers.clone();
    blocking(move || {
        let asked = async {
            // Its server may have gone and come back since it was opened.
            if let Some(reader) = readers.take(&gate)
                && let Ok(answer) = ask(&reader).await
            {
                readers.put(&gate, reader);
                return Ok(answer);
            }
            let reader = Reader::open(&gate.config.runs, &gate.config.state).await?;
            let answer = ask(&reader).await?;
            readers.put(&gate, reader);
            Ok(answer)
        };
        runtime.block_on(asked).map_err(|error: StoreError| format!("the run log cannot be read: {error}"))
    })
    .await
}

/// Does what takes a while where nobody is served.
async fn blocking<T: Send + 'static>(work: impl FnOnce() -> Read<T> + Send + 'static) -> Read<T> {
    tokio::task::spawn_blocking(work).await.unwrap_or_else(|error| Err(format!("this could not be read: {error}")))
}
