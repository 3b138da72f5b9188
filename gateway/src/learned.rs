//! What replies have taught this process: see `jetway_core::policy::budget::learned`. Names are
//! those of the configuration, so that there are only as many as it has rows.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use jetway_core::policy::budget::learned::{Lengths, Ratio};

#[derive(Debug, Default)]
pub struct Learned {
    /// By model, as the price list names it.
    ratios: Mutex<HashMap<String, Ratio>>,
    /// By policy and model.
    lengths: Mutex<HashMap<(String, String), Lengths>>,
}

impl Learned {
    /// How many bytes of a request make a token for this model.
    #[must_use]
    pub fn ratio(&self, model: &str) -> Ratio {
        held(&self.ratios).get(model).copied().unwrap_or_default()
    }

    /// How many tokens nearly all replies have, under this policy.
    #[must_use]
    pub fn usual(&self, policy: &str, model: &str) -> u64 {
        let key = (policy.to_owned(), model.to_owned());
        held(&self.lengths).get(&key).map_or_else(|| Lengths::default().usual(), Lengths::usual)
    }

    /// Takes in what a provider reported: a request of so many bytes had so many tokens, and its
    /// reply so many. Returns how many bytes now make a token.
    pub fn learn(&self, policy: &str, model: &str, (bytes, input): (u64, u64), output: u64) -> Ratio {
        let key = (policy.to_owned(), model.to_owned());
        held(&self.lengths).entry(key).or_default().learn(output);
        let mut ratios = held(&self.ratios);
        let ratio = ratios.entry(model.to_owned()).or_default();
        ratio.learn(bytes, input);
        *ratio
    }
}

/// A panic elsewhere leaves an estimate no worse than it was.
fn held<T>(lock: &Mutex<T>) -> MutexGuard<'_, T> {
    lock.lock().unwrap_or_else(PoisonError::into_inner)
}
