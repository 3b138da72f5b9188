//! Runs that are open when a Jetway ends are not lost: what is known of each is written down while it is
//! open, off everybody's path, and whoever comes next concludes it when it is due.
//!
//! On one machine that is the next start: what is open at a SIGTERM is kept for it, too. In a fleet it is
//! any other Jetway, which claims what nobody is at any more. A prompt is kept without its credential;
//! why one is not is what the run shows as having come of the question.

use std::sync::Arc;
use std::time::Duration;

use jetway_core::policy::interrogation::{Ending, Unasked};
use jiff::Timestamp;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

use crate::endings::kept::Facts;
use crate::endings::{Over, Prompt, Said, Task};
use crate::gate::Jetway;
use crate::runs::open::Kept;
use crate::runs::state::{Last, State};
use crate::store::StoreError;

/// How often a fleet's Jetways look for runs that nobody is at any more.
const BETWEEN_CLAIMS: Duration = Duration::from_secs(2);
/// How often one says which runs it is at: well before those would be anybody's.
const BETWEEN_HOLDS: Duration = Duration::from_secs(10);

/// Takes up what was open when the last process on this machine ended.
pub async fn take_up(jetway: &Jetway) {
    let left = jetway.state.left_open().await.unwrap_or_else(|error| {
        tracing::error!(%error, "runs that were open are not known; in two days they count as abandoned");
        Vec::new()
    });
    let now = Timestamp::now();
    let facts: Vec<Facts> = left.iter().filter_map(|text| serde_json::from_str(text).ok()).collect();
    if !facts.is_empty() {
        tracing::info!(count = facts.len(), "runs that were open when the last process ended are taken up");
    }
    facts.into_iter().for_each(|facts| jetway.endings.take_up(facts, now));
}

/// Writes down what is open, until this process ends, and then what is left.
pub async fn keep(jetway: Arc<Jetway>) {
    loop {
        let task = tokio::select! {
            () = jetway.close.cancelled() => break,
            task = jetway.endings.next_task() => task,
        };
        perform(&jetway, task).await;
    }
    while let Some(task) = jetway.endings.last_task() {
        perform(&jetway, task).await;
    }
}

async fn perform(jetway: &Jetway, task: Task) {
    let done = match task {
        Task::Keep(facts, prompt) => write_down(jetway, *facts, prompt).await,
        Task::Forget { run, id } => {
            if !jetway.endings.is_open(&run) {
                jetway.state.is_over(&run, jetway.endings.here()).await;
            }
            jetway.state.forget_open(&run, &id).await
        }
    };
    if let Err(error) = done {
        tracing::warn!(%error, "if this process dies, a run is not known to be open, or asked a second time");
    }
}

async fn write_down(jetway: &Jetway, facts: Facts, prompt: Option<Prompt>) -> Result<(), StoreError> {
    let packed = match prompt {
        None => Ok(None),
        Some(prompt) => {
            let packed = tokio::task::spawn_blocking(move || prompt.pack()).await;
            packed.unwrap_or(Err(Unasked::Unknown)).map(Some)
        }
    };
    let (facts, prompt) = match packed {
        Ok(prompt) => (facts, prompt),
        Err(why) => (facts.without(why), None),
    };
    let has_prompt = prompt.is_some();
    if !jetway.state.keep_open(kept(&facts, prompt)).await? && has_prompt {
        jetway.state.keep_open(kept(&facts.without(Unasked::Crowded), None)).await?;
    }
    Ok(())
}

fn kept(facts: &Facts, prompt: Option<Vec<u8>>) -> Kept {
    let at = Timestamp::from_millisecond(facts.at).unwrap_or_default();
    Kept {
        run: facts.run.clone(),
        id: facts.id.clone(),
        user: facts.user.clone(),
        began: facts.began.unwrap_or(at),
        facts: serde_json::to_string(facts).unwrap_or_default(),
        at,
        due: facts.due_in(at),
        prompt,
    }
}

/// What its model saw, of a run of which this process does not know it.
pub(super) async fn recall(jetway: &Jetway, over: &mut Over) {
    if over.prompt.is_none() && over.gone.is_none() {
        let kept = jetway.state.kept_prompt(&over.whose.run).await;
        let kept = kept.inspect_err(|error| tracing::warn!(%error, "what a model saw is not known now"));
        over.prompt = kept.ok().flatten().and_then(|packed| Prompt::unpack(&packed));
    }
}

/// Says which runs this Jetway of a fleet is at, and concludes those that none is.
pub async fn stand_in(jetway: Arc<Jetway>, places: Arc<Semaphore>, stop: CancellationToken) {
    let State::Shared(_) = &jetway.state else { return };
    let mut held = None;
    loop {
        tokio::select! {
            () = jetway.close.cancelled() => break,
            () = tokio::time::sleep(BETWEEN_CLAIMS) => {}
        }
        let now = tokio::time::Instant::now();
        if held.is_none_or(|before| now - before >= BETWEEN_HOLDS) {
            held = Some(now);
            jetway.state.hold_open(jetway.endings.held()).await;
        }
        // One that ends itself claims nothing that it could not conclude.
        if !stop.is_cancelled() {
            end_told(&jetway, &places).await;
            if places.available_permits() > 0 {
                claim(&jetway, &places).await;
            }
        }
    }
}

/// Ends the runs that are at this Jetway and that another was told are over.
async fn end_told(jetway: &Arc<Jetway>, places: &Arc<Semaphore>) {
    for (run, (policy, user)) in jetway.state.told().await {
        match jetway.state.last(&run).await {
            // That one does, or whoever finds that it is gone.
            Last::Told(place) if place != jetway.endings.here() => continue,
            Last::Told(_) => {
                if let Said::Now(over) = jetway.endings.end((&policy, &user), &run) {
                    super::begin(jetway, *over, Some(Arc::clone(places)));
                }
            }
            // It was opened again since, or is over.
            Last::At(_) | Last::Unknown => {}
        }
        jetway.state.untell(&run).await;
    }
}

async fn claim(jetway: &Arc<Jetway>, places: &Arc<Semaphore>) {
    for found in jetway.state.claim().await {
        let Ok(facts) = serde_json::from_str::<Facts>(&found.facts) else { continue };
        let run = facts.run.clone();
        let mut over = facts.over();
        if let Last::Told(_) = jetway.state.last(&run).await {
            over.ending = Ending::Told;
        }
        jetway.state.stands_in(&run, jetway.endings.here()).await;
        over.prompt = found.prompt.and_then(|packed| Prompt::unpack(&packed));
        tracing::info!(run, "a run whose Jetway is gone is concluded here");
        jetway.endings.concludes(&run);
        super::begin(jetway, over, Some(Arc::clone(places)));
    }
}
