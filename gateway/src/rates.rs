//! How fast callers may ask, counted by this process for itself.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use governor::clock::{Clock, DefaultClock};
use governor::middleware::StateInformationMiddleware;
use governor::state::keyed::DefaultKeyedStateStore;
use governor::{Quota, RateLimiter};
use jetway_core::policy::budget::rate::{Bound, Rate, TooFast};
use jetway_core::policy::identity::Caller;

/// The counters, by policy and rate. A rate that stays the same in a new configuration goes on
/// counting where it was.
#[derive(Debug, Default)]
pub struct Rates {
    counters: Mutex<HashMap<(String, Rate), Counter>>,
}

#[derive(Debug, Clone)]
enum Counter {
    Requests(Arc<Requests>),
    Concurrent(Arc<Mutex<HashMap<String, u32>>>),
}

#[derive(Debug)]
struct Requests {
    limiter: Limiter,
    checks: AtomicUsize,
}

type Limiter = RateLimiter<String, DefaultKeyedStateStore<String>, DefaultClock, StateInformationMiddleware>;

/// After so many checks callers are forgotten that count as new again.
const BETWEEN_SWEEPS: usize = 16_384;
/// Policies and rates that are counted; far more than any configuration has.
const MOST_COUNTERS: usize = 4_096;

/// A request that was counted in every rate.
#[derive(Debug, Default)]
pub struct Admission {
    /// Given back when the exchange is over.
    pub places: Vec<Place>,
    /// How many more requests each rate would let through now.
    pub left: Vec<(Rate, u32)>,
}

/// A place among the exchanges that are served at once. Given back when it is dropped.
#[derive(Debug)]
pub struct Place {
    places: Arc<Mutex<HashMap<String, u32>>>,
    whose: String,
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut places = held(&self.places);
        if let Some(taken) = places.get_mut(&self.whose) {
            *taken -= 1;
            if *taken == 0 {
                places.remove(&self.whose);
            }
        }
    }
}

impl Rates {
    /// Counts a request in every rate.
    ///
    /// # Errors
    /// [`TooFast`] of the first rate that is used up.
    pub fn admit(&self, policy: &str, rates: &[Rate], caller: &Caller) -> Result<Admission, TooFast> {
        let counters: Vec<_> = rates.iter().map(|rate| (*rate, self.counter(policy, *rate))).collect();
        let mut admission = Admission::default();
        // Places first: they are given back if a rate refuses, and a request that was counted is not.
        for (rate, counter) in &counters {
            if let (Counter::Concurrent(taken), Bound::Concurrent(most)) = (counter, rate.bound) {
                let place = place(taken, rate.whose(caller), most.get()).ok_or(TooFast { rate: *rate, wait: 1 })?;
                admission.places.push(place);
            }
        }
        for (rate, counter) in &counters {
            if let Counter::Requests(requests) = counter {
                let left = requests.check(rate.whose(caller)).map_err(|wait| TooFast { rate: *rate, wait })?;
                admission.left.push((*rate, left));
            }
        }
        Ok(admission)
    }

    /// Counts something that is no request: in one rate, for one name.
    ///
    /// # Errors
    /// [`TooFast`] when the rate is used up.
    pub fn count(&self, what: &str, rate: Rate, whose: &str) -> Result<(), TooFast> {
        match self.counter(what, rate) {
            Counter::Requests(requests) => requests.check(whose).map(drop).map_err(|wait| TooFast { rate, wait }),
            Counter::Concurrent(_) => Ok(()),
        }
    }

    fn counter(&self, policy: &str, rate: Rate) -> Counter {
        let mut counters = held(&self.counters);
        if counters.len() >= MOST_COUNTERS {
            counters.clear();
        }
        counters.entry((policy.to_owned(), rate)).or_insert_with(|| Counter::new(rate)).clone()
    }
}

impl Counter {
    fn new(rate: Rate) -> Self {
        match rate.bound {
            Bound::Concurrent(_) => Self::Concurrent(Arc::default()),
            Bound::Requests { count, seconds, .. } => {
                let period = Duration::from_secs(u64::from(seconds.max(1))) / count.get();
                let quota = Quota::with_period(period.max(Duration::from_nanos(1)))
                    .unwrap_or(Quota::per_second(count))
                    .allow_burst(count);
                let limiter = RateLimiter::keyed(quota).with_middleware::<StateInformationMiddleware>();
                Self::Requests(Arc::new(Requests { limiter, checks: AtomicUsize::new(0) }))
            }
        }
    }
}

impl Requests {
    /// How many more it would let through. The error is how many seconds to wait.
    fn check(&self, whose: &str) -> Result<u32, u64> {
        if self.checks.fetch_add(1, Ordering::Relaxed) % BETWEEN_SWEEPS == BETWEEN_SWEEPS - 1 {
            self.limiter.retain_recent();
            self.limiter.shrink_to_fit();
        }
        let not_until = match self.limiter.check_key(&whose.to_owned()) {
            Ok(snapshot) => return Ok(snapshot.remaining_burst_capacity()),
            Err(not_until) => not_until,
        };
        let wait = not_until.wait_time_from(DefaultClock::default().now());
        Err(wait.as_secs() + 1)
    }
}

fn place(places: &Arc<Mutex<HashMap<String, u32>>>, whose: &str, most: u32) -> Option<Place> {
    let mut taken = held(places);
    match taken.get_mut(whose) {
        Some(taken) if *taken >= most => return None,
        Some(taken) => *taken += 1,
        None => drop(taken.insert(whose.to_owned(), 1)),
    }
    Some(Place { places: Arc::clone(places), whose: whose.to_owned() })
}

/// Nothing can panic in between, so a counter is always whole.
fn held<T>(lock: &Mutex<T>) -> MutexGuard<'_, T> {
    lock.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use jetway_core::policy::identity::{Presented, Rules, decide};

    use super::*;

    fn caller(name: &str) -> Caller {
        decide(&Rules::anybody(), "p", Presented::Foreign { digest: name.to_owned() }).unwrap()
    }

    fn rate(text: &str) -> Rate {
        serde_json::from_str(text).unwrap()
    }

    #[test]
    fn requests_are_counted_for_each_caller() {
        let rates = Rates::default();
        let two = [rate(r#"{"per":"user","requests":2,"every":"hour"}"#)];
        let ask = |name: &str| rates.admit("p", &two, &caller(name)).map(drop);
        assert!(ask("ada").is_ok() && ask("ada").is_ok());
        let refused = ask("ada").unwrap_err();
        assert!((1_790..=1_801).contains(&refused.wait), "{}", refused.wait);
        assert!(ask("bob").is_ok());
        assert!(rates.admit("q", &two, &caller("ada")).is_ok());
    }

    #[test]
    fn a_place_is_taken_until_it_is_given_back() {
        let rates = Rates::default();
        let one = [rate(r#"{"per":"policy","concurrent":1}"#)];
        let first = rates.admit("p", &one, &caller("ada")).unwrap();
        assert!(rates.admit("p", &one, &caller("bob")).is_err());
        drop(first);
        assert!(rates.admit("p", &one, &caller("bob")).is_ok());
    }

    #[test]
    fn a_refused_request_takes_no_place() {
        let rates = Rates::default();
        let both = [rate(r#"{"per":"user","requests":1,"every":"hour"}"#), rate(r#"{"per":"user","concurrent":1}"#)];
        drop(rates.admit("p", &both, &caller("ada")).unwrap());
        for _ in 0..3 {
            assert!(matches!(rates.admit("p", &both, &caller("ada")).unwrap_err().rate.bound, Bound::Requests { .. }));
        }
    }
}
