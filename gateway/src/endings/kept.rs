//! A run that has not ended, as whoever comes after this process takes it up: all that is known of
//! it, and what its model saw, without any credential.
//!
//! The operator's credential is fetched anew when the question is asked. A run whose callers brought
//! their own keeps no prompt: nothing that is kept could pay for it.

use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue};
use jetway_core::policy::interrogation::{Ending, Unasked};
use jetway_core::wire::Dialect;
use jetway_core::wire::agent::Agent;
use jetway_core::wire::event::Shape;
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use super::{Open, Over, Prompt, Told, Whose};
use crate::metrics::Took;

/// Bytes of a prompt, compressed, that are kept. It passes by the ledger on the way to Redis.
const LARGEST: usize = 2 << 20;
/// One that is larger is not worth compressing.
const LARGEST_BODY: usize = 32 << 20;

/// What is known of a run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Facts {
    /// Of its ending: whoever writes that, it is written once.
    pub id: String,
    /// When this was so, in milliseconds.
    pub at: i64,
    /// The Jetway that says so.
    #[serde(default)]
    pub by: String,
    pub run: String,
    pub policy: String,
    pub user: String,
    team: Option<String>,
    pub has_main: bool,
    /// When it ends if nothing more comes, in milliseconds.
    due: i64,
    wait_millis: u64,
    ending: Option<String>,
    path_end: Option<String>,
    detail: Option<String>,
    is_callers: bool,
    turns: u32,
    cost_micros: u64,
    pub began: Option<Timestamp>,
    agent: Option<String>,
    policy_version: Option<String>,
    step: Option<String>,
    shown: Vec<(String, String)>,
    refused: Vec<(String, String)>,
    /// Why its prompt is not kept.
    gone: Option<String>,
}

impl Facts {
    pub(super) fn of(open: &Open, now: Timestamp, left: Duration) -> Self {
        let Open { id, whose, has_main, at_once, ending, path_end, detail, told, wait, took, .. } = open.clone();
        let is_callers = open.is_callers;
        let name = |ending: Ending| ending.name().to_owned();
        let Whose { run, policy, user, team } = whose;
        let Told { began, agent, policy_version, step, shown, refused } = told;
        let at = now.as_millisecond();
        Self {
            id,
            at,
            by: String::new(),
            run,
            policy,
            user,
            team,
            has_main,
            due: at.saturating_add(millis(left)),
            wait_millis: u64::try_from(millis(wait.unwrap_or(left))).unwrap_or_default(),
            ending: at_once.or(ending).map(name),
            path_end: path_end.map(name),
            detail,
            is_callers,
            turns: took.turns,
            cost_micros: took.cost_micros,
            began,
            agent: agent.map(str::to_owned),
            policy_version,
            step,
            shown,
            refused,
            gone: open.gone.or(is_callers.then_some(Unasked::Credential)).map(|why| why.name().to_owned()),
        }
    }

    /// The same, of which the prompt is not kept.
    #[must_use]
    pub fn without(self, why: Unasked) -> Self {
        Self { gone: Some(why.name().to_owned()), ..self }
    }

    /// Whether its prompt is not to be kept.
    #[must_use]
    pub fn is_gone(&self) -> bool {
        self.gone.is_some()
    }

    /// How long it is until it is due.
    #[must_use]
    pub fn due_in(&self, now: Timestamp) -> Duration {
        Duration::from_millis(u64::try_from(self.due.saturating_sub(now.as_millisecond())).unwrap_or_default())
    }

    /// As a run that is open.
    pub(super) fn open(self) -> Open {
        let named =
            |name: Option<String>| Ending::ALL.into_iter().find(|ending| Some(ending.name()) == name.as_deref());
        let gone = Unasked::ALL.into_iter().find(|why| Some(why.name()) == self.gone.as_deref());
        Open {
            id: self.id,
            whose: Whose { run: self.run, policy: self.policy, user: self.user, team: self.team },
            has_main: self.has_main,
            ending: named(self.ending),
            path_end: named(self.path_end),
            detail: self.detail,
            is_callers: self.is_callers,
            told: Told {
                began: self.began,
                agent: self.agent.as_deref().and_then(Agent::named).map(Agent::name),
                policy_version: self.policy_version,
                step: self.step,
                shown: self.shown,
                refused: self.refused,
            },
            wait: Some(Duration::from_millis(self.wait_millis)),
            took: Took { turns: self.turns, cost_micros: self.cost_micros },
            gone,
            ..Open::default()
        }
    }

    /// As a run that has ended, since nobody came back to it.
    #[must_use]
    pub fn over(self) -> Over {
        self.open().over()
    }
}

fn millis(time: Duration) -> i64 {
    i64::try_from(time.as_millis()).unwrap_or(i64::MAX)
}

/// Of when something is that is known to be so long ago, by the clock that everybody has.
pub(super) fn since(at: Timestamp, now: Timestamp) -> Duration {
    Duration::try_from(now.duration_since(at).max(SignedDuration::ZERO)).unwrap_or_default()
}

/// What stands before a body that is kept.
#[derive(Debug, Serialize, Deserialize)]
struct Head {
    dialect: String,
    stream: bool,
    query: Option<String>,
    headers: Vec<(String, String)>,
    provider: String,
    told: Option<String>,
}

/// Whether a header is kept: those that say how a request is to be read. Any other may be a secret of
/// somebody's.
fn is_kept(name: &str) -> bool {
    matches!(name, "accept" | "accept-encoding" | "content-type" | "user-agent")
        || name.starts_with("anthropic-")
        || name == "openai-beta"
}

impl Prompt {
    /// Small, and without any credential.
    ///
    /// # Errors
    /// [`Unasked`] when it is too large.
    pub fn pack(&self) -> Result<Vec<u8>, Unasked> {
        if self.body.len() > LARGEST_BODY {
            return Err(Unasked::Large);
        }
        let kept = self.headers.iter().filter(|(name, _)| is_kept(name.as_str()));
        let text =
            |(name, value): (&HeaderName, &HeaderValue)| Some((name.to_string(), value.to_str().ok()?.to_owned()));
        let head = Head {
            dialect: self.dialect.name().to_owned(),
            stream: self.shape == Shape::Event,
            query: self.query.clone(),
            headers: kept.filter_map(text).collect(),
            provider: self.provider.clone(),
            told: self.told.clone(),
        };
        let mut bytes = serde_json::to_vec(&head).unwrap_or_default();
        // No JSON of ours has one.
        bytes.push(b'\n');
        bytes.extend_from_slice(&self.body);
        let packed = zstd::encode_all(&bytes[..], LEVEL).unwrap_or_default();
        if packed.is_empty() || packed.len() > LARGEST { Err(Unasked::Large) } else { Ok(packed) }
    }

    /// As it was, but for what was not kept; none where it is not what [`Prompt::pack`] made.
    #[must_use]
    pub fn unpack(packed: &[u8]) -> Option<Self> {
        let bytes = Bytes::from(zstd::decode_all(packed).ok()?);
        let end = bytes.iter().position(|byte| *byte == b'\n')?;
        let head: Head = serde_json::from_slice(&bytes[..end]).ok()?;
        let mut headers = HeaderMap::new();
        for (name, value) in head.headers {
            headers.append(HeaderName::try_from(name).ok()?, HeaderValue::try_from(value).ok()?);
        }
        let (dialect, path) = DIALECTS.into_iter().find(|(dialect, _)| dialect.name() == head.dialect)?;
        Some(Self {
            dialect,
            shape: if head.stream { Shape::Event } else { Shape::Whole },
            path,
            query: head.query,
            headers,
            provider: head.provider,
            body: bytes.slice(end + 1..),
            told: head.told,
        })
    }
}

/// The fastest: prompts are large, and kept for minutes.
const LEVEL: i32 = 1;

/// And where each is asked.
const DIALECTS: [(Dialect, &str); 3] =
    [(Dialect::Messages, "/messages"), (Dialect::Chat, "/chat/completions"), (Dialect::Responses, "/responses")];

#[cfg(test)]
mod tests {
    use super::*;

    fn prompt(body: &[u8]) -> Prompt {
        let mut headers = HeaderMap::new();
        for (name, value) in [
            ("anthropic-beta", "a"),
            ("anthropic-beta", "b"),
            ("x-api-key", "sk-operators"),
            ("authorization", "Bearer sk-operators"),
            ("x-of-somebody", "sk-secret"),
        ] {
            headers.append(name, HeaderValue::from_static(value));
        }
        Prompt {
            dialect: Dialect::Responses,
            shape: Shape::Event,
            path: "/responses",
            query: Some(String::from("beta=true")),
            headers,
            provider: String::from("openai"),
            body: Bytes::copy_from_slice(body),
            told: Some(String::from("{\n}")),
        }
    }

    #[test]
    fn a_prompt_comes_back_as_it_was_without_its_credential() {
        let first = prompt(b"{\"model\":\"m\"}\n");
        let packed = first.pack().unwrap();
        let back = Prompt::unpack(&packed).unwrap();
        assert_eq!(
            (&back.body, &back.told, &back.query, back.path),
            (&first.body, &first.told, &first.query, first.path)
        );
        assert_eq!((back.dialect, back.shape, &back.provider), (first.dialect, first.shape, &first.provider));
        let headers: Vec<_> =
            back.headers.iter().map(|(name, value)| (name.as_str(), value.to_str().unwrap())).collect();
        assert_eq!(headers, [("anthropic-beta", "a"), ("anthropic-beta", "b")]);
        let bytes = zstd::decode_all(&packed[..]).unwrap();
        assert!(!String::from_utf8_lossy(&bytes).contains("sk-"));
        assert!(Prompt::unpack(b"nothing").is_none());
    }

    #[test]
    fn one_that_is_too_large_is_not_kept() {
        // What cannot be made small: the digits of a generator.
        let mut state: u64 = 7;
        let noise: Vec<u8> = std::iter::repeat_with(|| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            state.to_be_bytes()[0]
        })
        .take(LARGEST + LARGEST / 8)
        .collect();
        assert_eq!(prompt(&noise).pack().unwrap_err(), Unasked::Large);
        assert!(prompt(&vec![b' '; LARGEST_BODY]).pack().is_ok());
        assert_eq!(prompt(&vec![b' '; LARGEST_BODY + 1]).pack().unwrap_err(), Unasked::Large);
    }
}
