//! Tokens of issuers: whether a signature is by a key of theirs, and what they answer about a
//! token. Both are asked for over the network, within bounds, and kept for a while.

mod answers;
mod ask;
mod issuer;
mod keys;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use jetway_core::policy::identity::claims::Claims;
use jetway_core::policy::identity::introspection;
use jetway_core::policy::identity::{Unfit, jwt};
use rustls::ClientConfig;
use secrecy::SecretString;
use tokio_util::task::TaskTracker;

use crate::metrics::Metrics;
use crate::tokens::answers::Answers;
use crate::tokens::ask::Asker;
use crate::tokens::issuer::Issuer;

/// Those who know about tokens cannot be asked, so nobody can say who is calling. Why stands in
/// the log, which is the operator's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the issuer of tokens cannot be asked")]
pub struct Unreachable;

/// What the issuers of tokens said, and the way to ask them.
#[derive(Debug)]
pub struct Tokens {
    asker: Asker,
    issuers: Mutex<HashMap<jwt::Keys, Arc<Issuer>>>,
    answers: Arc<Answers>,
    /// What is asked is asked to the end, also when the agent that it is for hangs up: others wait
    /// for the same answer.
    tasks: TaskTracker,
}

/// A question about a token that only its issuer can read.
#[derive(Debug, Clone, Copy)]
pub struct Question<'a> {
    pub rules: &'a introspection::Rules,
    pub secret: &'a SecretString,
    pub token: &'a str,
}

impl Tokens {
    #[must_use]
    pub fn new(tls: ClientConfig, tasks: TaskTracker, metrics: Metrics) -> Self {
        let asker = Asker::new(tls, metrics);
        Self { asker, issuers: Mutex::default(), answers: Arc::default(), tasks }
    }

    /// Checks that a token is signed with a key of this issuer; the inner error says why not.
    ///
    /// # Errors
    /// [`Unreachable`] when the issuer's keys are not to be had.
    pub async fn check(&self, keys: &jwt::Keys, signed: &jwt::Signed<'_>) -> Result<Result<(), Unfit>, Unreachable> {
        let keys = self.issuer(keys).keys(signed, &self.tasks).await?;
        Ok(keys.check(signed))
    }

    /// Asks the issuer about a token, or remembers what it answered. `digest` is what the answer
    /// is kept by.
    ///
    /// # Errors
    /// [`Unreachable`] when the issuer does not answer.
    pub async fn ask(&self, question: Question<'_>, digest: String) -> Result<Claims, Unreachable> {
        let answers = Arc::clone(&self.answers);
        answers.ask(&self.asker, question, digest, &self.tasks).await
    }

    /// Forgets the keys of every issuer but these.
    pub fn forget_all_but<'a>(&self, named: impl Iterator<Item = &'a jwt::Keys>) {
        let named: Vec<&jwt::Keys> = named.collect();
        self.issuers.lock().unwrap_or_else(PoisonError::into_inner).retain(|keys, _| named.contains(&keys));
    }

    fn issuer(&self, keys: &jwt::Keys) -> Arc<Issuer> {
        let mut issuers = self.issuers.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(issuer) = issuers.get(keys) {
            return Arc::clone(issuer);
        }
        let issuer = Arc::new(Issuer::new(keys.clone(), self.asker.clone()));
        issuers.insert(keys.clone(), Arc::clone(&issuer));
        issuer
    }
}

/// A moment that is later by this much, or as late as there is.
fn later(now: Instant, by: std::time::Duration) -> Instant {
    now.checked_add(by).unwrap_or(now)
}
