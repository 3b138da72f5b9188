//! Secrets in results, looked for once: agents tell their whole conversation on every turn, so what
//! was found in a text is kept, by a keyed digest of it.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use jetway_core::redact::{Redacted, Redactor, Rules};

use crate::config::Policy;
use crate::recent::Recent;
use crate::secret::Keyed;

/// Bytes of verdicts that are kept of one policy, roughly. Twice as many for a moment.
const MOST_BYTES: usize = 16 << 20;
/// What a verdict without findings weighs.
const PER_VERDICT: usize = 96;

/// Looks for the secrets of one policy.
#[derive(Debug)]
pub struct Searcher {
    redactor: Redactor,
    keyed: Arc<Keyed>,
    /// By a keyed digest of the text, what was found in it.
    known: Mutex<Recent<[u8; 32], Arc<Redacted>>>,
}

/// The searchers of all policies, each made when it is first needed.
#[derive(Debug)]
pub struct Searchers {
    keyed: Arc<Keyed>,
    made: Mutex<HashMap<For, Made>>,
}

/// A policy, and whether it is for others than its providers.
type For = (String, bool);
/// The version of the policy, and what searches under it.
type Made = (String, Arc<Searcher>);

impl Searchers {
    #[must_use]
    pub fn new(keyed: Arc<Keyed>) -> Self {
        Self { keyed, made: Mutex::default() }
    }

    /// What looks for the secrets of this policy; none where it has no lockdown.
    ///
    /// # Errors
    /// As for [`Searcher::new`]; a configuration is checked for that when it is read.
    pub fn of(&self, policy: &Policy) -> Result<Option<Arc<Searcher>>, String> {
        policy.lockdown.as_ref().map(|rules| self.made(policy, false, || rules.redact.clone())).transpose()
    }

    /// What looks for the secrets of this policy in what is kept, or goes to others than its providers: by
    /// default for all that are known. What the policy only notes is replaced there.
    ///
    /// # Errors
    /// As for [`Searcher::new`].
    pub fn always(&self, policy: &Policy) -> Result<Arc<Searcher>, String> {
        let rules = || policy.lockdown.as_ref().map(|rules| rules.redact.clone()).unwrap_or_default().replacing();
        self.made(policy, true, rules)
    }

    fn made(&self, policy: &Policy, is_for_others: bool, rules: impl Fn() -> Rules) -> Result<Arc<Searcher>, String> {
        let made = || self.made.lock().unwrap_or_else(PoisonError::into_inner);
        let key = (policy.name.clone(), is_for_others);
        if let Some((version, searcher)) = made().get(&key)
            && *version == policy.version
        {
            return Ok(Arc::clone(searcher));
        }
        let searcher = Arc::new(Searcher::new(rules(), Arc::clone(&self.keyed))?);
        made().insert(key, (policy.version.clone(), Arc::clone(&searcher)));
        Ok(searcher)
    }
}

impl Searcher {
    /// # Errors
    /// When the patterns together are too much to be searched for.
    pub fn new(rules: Rules, keyed: Arc<Keyed>) -> Result<Self, String> {
        let redactor = Redactor::new(rules, &keyed.bytes(&["redact"])).map_err(|error| error.to_string())?;
        Ok(Self { redactor, keyed, known: Mutex::new(Recent::new(MOST_BYTES)) })
    }

    /// What is in a text.
    #[must_use]
    pub fn search(&self, text: &str) -> Arc<Redacted> {
        let key = self.keyed.bytes(&["result", text]);
        let known = || self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let weight = |found: &Arc<Redacted>| found.size() + PER_VERDICT;
        if let Some(found) = known().find(key, weight) {
            return found;
        }
        let found = Arc::new(self.redactor.redact(text));
        known().keep(key, Arc::clone(&found), weight(&found));
        found
    }
}
