//! Runs that are open when a Jetway ends are not lost: what is known of each is written down while it is
//! open, off everybody's path, and whoever comes next concludes it when it is due.
//!
//! On one machine that is the next start: what is open at a SIGTERM is kept for it, too. In a fleet it is
//! any other Jetway, which claims what nobody is at any more. A prompt is kept without its credential;
//! why one is not is what the run shows as having come of the question.

use std::sync::Arc;
use std::time::Duration;

use jetway_core::policy::interrogation::Unasked;
use jiff::Timestamp;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

use crate::endings::kept::Facts;
use crate::endings::{Over, Prompt, Task};
use crate::gate::Jetway;
use crate::runs::open::Kept;
use crate::runs::served::Served;
use crate::runs::state::State;
use crate::store::StoreError;

/// How often a fleet's Jetways look for runs that nobody is at any more.
const BETWEEN_CLAIMS: Duration = Duration::from_secs(2);
/// How often one says which runs it is at: well before those would be anybody's.
const BETWEEN_HOLDS: Duration = Duration::from_secs(10);
/// What is kept is due so soon after what is known here, for it takes a moment to be written.
const SOON: Duration = Duration::from_secs(1);

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
        Task::Forget { run, id } => jetway.state.forget_open(&run, &id).await,
    };
    if let Err(error) = done {
        tracing::warn!(%error, "if this process dies, a run is not known to be open, or asked a second time");
    }
}

async fn write_down(jetway: &Jetway, mut facts: Facts, prompt: Option<Prompt>) -> Result<(), StoreError> {
    let run = facts.run.clone();
    // Another Jetway has gone on with it and ended it, so that nobody would forget what is written now.
    let is_elsewhere = |served: Served| served.is_over && served.by != jetway.endings.here();
    if jetway.state.last(&run).await.is_some_and(is_elsewhere) {
        return Ok(());
    }
    jetway.endings.here().clone_into(&mut facts.by);
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
    // It ended while it was written down, which must not make it anybody's.
    if jetway.endings.is_concluding(&run) {
        jetway.state.hold_open(vec![run]).await;
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
        is_gone: facts.is_gone(),
    }
}

/// Holds a run that ends here against what another Jetway knows of it, which may have served its main
/// conversation while this one served a title. Returned is for how long it goes on there.
pub(super) async fn compare(jetway: &Jetway, over: &mut Over) -> Option<Duration> {
    if over.is_own || !matches!(jetway.state, State::Shared(_)) {
        return None;
    }
    let run = &over.whose.run;
    let left = if over.is_said { Duration::ZERO } else { jetway.state.held_for(run).await };
    if left > SOON {
        return Some(left);
    }
    let facts: Option<Facts> = jetway.state.kept_facts(run).await.and_then(|text| serde_json::from_str(&text).ok());
    if let Some(facts) = facts.filter(|facts| facts.id == over.id && facts.has_main) {
        let known = facts.over();
        if !over.is_said {
            (over.ending, over.detail) = (known.ending, known.detail);
        }
        over.prompt = None;
        (over.is_callers, over.gone) = (over.is_callers || known.is_callers, known.gone.or(over.gone));
    }
    None
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
        hear(&jetway).await;
        // One that ends itself claims nothing that it could not conclude.
        if !stop.is_cancelled() {
            claim(&jetway, &places).await;
        }
    }
}

/// Ends the runs of this Jetway's that others were told are over.
async fn hear(jetway: &Jetway) {
    for run in jetway.state.told_ends().await {
        let is_here = |served: Served| served.by == jetway.endings.here();
        if jetway.endings.is_open(&run)
            && jetway.state.last(&run).await.is_some_and(is_here)
            && jetway.endings.end_at_once(&run)
        {
            jetway.state.heard_end(&run).await;
        }
    }
}

async fn claim(jetway: &Arc<Jetway>, places: &Arc<Semaphore>) {
    let mut free: Vec<_> = std::iter::from_fn(|| Arc::clone(places).try_acquire_owned().ok()).collect();
    if free.is_empty() {
        return;
    }
    let here = jetway.endings.here();
    for found in jetway.state.claim(free.len()).await {
        let Ok(facts) = serde_json::from_str::<Facts>(&found.facts) else { continue };
        let (run, id) = (facts.run.clone(), facts.id.clone());
        // It is ours, and ends here when it is due.
        let is_ours = |served: Served| served.by == here && !served.is_over;
        if jetway.endings.is_open(&run) && jetway.state.last(&run).await.is_some_and(is_ours) {
            continue;
        }
        if !jetway.endings.concludes(&run) {
            continue;
        }
        jetway.state.takes_over(&run, here, (&facts.policy, &facts.user), &id).await;
        let mut over = facts.over();
        // What is known of it here is older, and nobody is at it.
        over.is_own = true;
        over.prompt = found.prompt.filter(|_| over.gone.is_none()).and_then(|packed| Prompt::unpack(&packed));
        tracing::info!(run, "a run whose Jetway is gone is concluded here");
        super::begin(jetway, over, free.pop());
    }
}
