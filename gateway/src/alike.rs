//! Which run a request is of. Given an agent that names no session, and the same job each night: its requests are
//! known by how their conversation began; and what begins once more where the run before it has moved on is
//! another run.

use http::header;
use http::request::Parts;
use jetway_core::wire::request::Request;
use jetway_core::wire::turn::Turn;
use jetway_core::wire::{Dialect, history};

use crate::call::{session_of, text};
use crate::config::Policy;
use crate::gate::Jetway;
use crate::runs::state::State;

/// The run in which the model has spoken, as its agent has told, is kept as this.
const MOVED: &str = "moved";

/// A conversation that begins, of an agent that names no session.
#[derive(Debug)]
pub struct Opening {
    /// What all that begin so are called.
    alike: String,
    run: String,
    /// By what its request is known.
    asked: String,
    dialect: Dialect,
    /// By what the model's answer is known, as the agent was given it.
    told: Option<String>,
}

impl Opening {
    /// The agent was given an answer that is known by this.
    pub fn gives(&mut self, anchor: &str) {
        self.told = Some(anchor.to_owned());
    }

    /// The model has answered; what the agent was given was it, unless another was.
    pub fn said(&mut self, turn: &Turn) {
        if self.told.is_none() {
            self.told = turn.told().and_then(|told| history::first_anchor(self.dialect, &told));
        }
    }

    /// The answer was given to the end. What begins once more with the same request is another run, and what
    /// tells this answer is of this one.
    pub async fn answered(self, jetway: &Jetway) {
        let told = self.told.map(|anchor| told(jetway, &anchor));
        let what = std::iter::once(self.asked).chain(told).collect();
        jetway.state.tells_apart(&self.alike, what, &self.run).await;
    }
}

fn told(jetway: &Jetway, anchor: &str) -> String {
    format!("told {}", &jetway.keyed.digest(&["told", anchor])[..20])
}

/// Which run a request belongs to: the session that its agent names, or where it names none, the way its
/// conversation began.
pub async fn run_of(
    jetway: &Jetway,
    policy: &Policy,
    user: &str,
    (asked, head): (&Request, &Parts),
    is_reply: bool,
) -> (String, Option<Opening>) {
    let named = session_of(&head.headers).map(str::to_owned).or_else(|| asked.session.clone());
    if let Some(session) = named {
        return (jetway.run_of_session(&policy.name, user, &session), None);
    }
    let agent = text(&head.headers, header::USER_AGENT.as_str()).unwrap_or_default();
    // Its name alone: one that is brought up to date in between goes on in its run.
    let agent = agent.split('/').next().unwrap_or_default();
    let alike = jetway.run(&["run", &policy.name, user, "opening", agent, &asked.opening.join("\u{0}")]);
    match history::turns(asked).first() {
        Some(first) => (goes_on(jetway, &alike, (asked, &first.anchor), is_reply).await, None),
        None => begins(jetway, &alike, asked, is_reply).await,
    }
}

/// The run of a conversation in which the model has spoken: the one in which it said so, and where nobody knows
/// of one, the latest.
async fn goes_on(jetway: &Jetway, alike: &str, (asked, first): (&Request, &str), is_reply: bool) -> String {
    let begun = jetway.state.begun(alike, &[&told(jetway, first), MOVED]).await;
    let mut of = begun.of.into_iter();
    let (told, moved) = (of.next().flatten(), of.next().flatten());
    let latest = begun.latest.unwrap_or_else(|| alike.to_owned());
    let run = told.unwrap_or_else(|| latest.clone());
    // Of the latest alone, for that is what may begin once more. What has no tools may be a title beside it,
    // which tells nothing of that.
    if is_reply && !asked.tools().is_empty() && run == latest && moved.as_ref() != Some(&run) {
        jetway.state.tells_apart(alike, vec![MOVED.to_owned()], &run).await;
    }
    run
}

/// The run of a conversation that begins: the latest that began so, as long as this may be it once more, as after
/// a failure.
async fn begins(jetway: &Jetway, alike: &str, asked: &Request, is_reply: bool) -> (String, Option<Opening>) {
    let bytes = String::from_utf8_lossy(asked.json.bytes());
    let digest = format!("asked {}", &jetway.keyed.digest(&["asked", &bytes])[..20]);
    let begun = jetway.state.begun(alike, &[&digest, MOVED]).await;
    let latest = begun.latest.as_deref();
    if !is_reply {
        return (latest.unwrap_or(alike).to_owned(), None);
    }
    let run = match latest {
        None => jetway.state.begins(alike, None, alike).await,
        Some(latest) => {
            let is_of = |run: Option<&Option<String>>| run.is_some_and(|run| run.as_deref() == Some(latest));
            let is_answered = is_of(begun.of.first());
            let has_moved = !asked.tools().is_empty() && is_of(begun.of.get(1));
            match is_answered || has_moved || is_over(jetway, latest).await {
                true => jetway.state.begins(alike, Some(latest), &jetway.run(&["run", "after", latest])).await,
                false => latest.to_owned(),
            }
        }
    };
    let opening =
        Opening { alike: alike.to_owned(), run: run.clone(), asked: digest, dialect: asked.dialect, told: None };
    (run, Some(opening))
}

/// Whether a run has ended, also with its first request.
async fn is_over(jetway: &Jetway, run: &str) -> bool {
    match jetway.state {
        State::Embedded(_) => !jetway.endings.is_open(run),
        State::Shared(_) => jetway.state.last(run).await.is_some_and(|served| served.is_over),
    }
}
