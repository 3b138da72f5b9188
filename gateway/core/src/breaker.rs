//! Whether a provider is asked first, by how it did lately. Given five requests in a row that it did not
//! answer: the breaker opens, and others are asked first for ten seconds. Then one request tries it: an
//! answer closes the breaker, and another failure keeps it open for twice as long.
//!
//! It puts a provider behind others and never refuses by itself: where no other can serve a request, one
//! that may fail is worth more than none. Times are in milliseconds since any fixed moment.

/// Failures in a row that open it.
const FAILURES: u32 = 5;
/// How long it stays open for the first time, and at the most, in milliseconds.
const FIRST_REST: u64 = 10_000;
const LONGEST_REST: u64 = 300_000;

/// How a provider did.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Breaker {
    failures: u32,
    /// How often in a row it was opened.
    opened: u32,
    /// Until when others are asked first; none while it is closed.
    until: Option<u64>,
    /// Whether somebody tries it meanwhile.
    is_tried: bool,
}

impl Breaker {
    /// Whether others are asked first now. Where its rest is over, one caller is told no, and tries it;
    /// until that is decided, or as long again has passed, the others are told yes.
    pub fn rests(&mut self, now: u64) -> bool {
        let Some(until) = self.until else { return false };
        if now < until {
            return true;
        }
        self.until = Some(now.saturating_add(self.rest()));
        self.is_tried = true;
        false
    }

    /// It answered.
    pub fn succeed(&mut self) {
        *self = Self::default();
    }

    /// It did not, though it was asked.
    pub fn fail(&mut self, now: u64) {
        self.failures = self.failures.saturating_add(1);
        // Many may have been under way when it opened: only a try says more than that it is open.
        let opens = if self.is_open() { std::mem::take(&mut self.is_tried) } else { self.failures >= FAILURES };
        if opens {
            self.until = Some(now.saturating_add(self.rest()));
            self.opened = self.opened.saturating_add(1);
        }
    }

    /// Whether it is open, tries included.
    #[must_use]
    pub fn is_open(&self) -> bool {
        self.until.is_some()
    }

    fn rest(&self) -> u64 {
        FIRST_REST.saturating_mul(1 << self.opened.min(5)).min(LONGEST_REST)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn failed(times: u32, now: u64) -> Breaker {
        let mut breaker = Breaker::default();
        (0..times).for_each(|_| breaker.fail(now));
        breaker
    }

    #[test]
    fn a_few_failures_in_a_row_open_it() {
        assert!(!failed(FAILURES - 1, 0).is_open());
        assert!(failed(FAILURES, 0).is_open());
        let mut mixed = failed(FAILURES - 1, 0);
        mixed.succeed();
        mixed.fail(0);
        assert!(!mixed.is_open(), "only those in a row count");
    }

    #[test]
    fn after_its_rest_one_tries_and_an_answer_closes_it() {
        let mut breaker = failed(FAILURES, 1_000);
        assert!(breaker.rests(1_000 + FIRST_REST - 1));
        assert!(!breaker.rests(1_000 + FIRST_REST), "the first one tries");
        assert!(breaker.rests(1_000 + FIRST_REST), "the others do not");
        breaker.succeed();
        assert!(!breaker.rests(1_000 + FIRST_REST) && !breaker.is_open());
    }

    #[test]
    fn a_try_that_fails_makes_the_next_rest_longer_up_to_a_bound() {
        let mut breaker = failed(FAILURES, 0);
        let mut now = FIRST_REST;
        let mut rests = Vec::new();
        for _ in 0..8 {
            assert!(!breaker.rests(now));
            breaker.fail(now);
            let until = breaker.until.unwrap();
            rests.push(until - now);
            now = until;
        }
        assert_eq!(rests, [20_000, 40_000, 80_000, 160_000, 300_000, 300_000, 300_000, 300_000]);
    }

    #[test]
    fn what_was_under_way_when_it_opened_does_not_count() {
        assert_eq!(failed(FAILURES + 40, 0).until, Some(FIRST_REST));
    }

    #[test]
    fn a_try_that_nobody_hears_of_is_made_again() {
        let mut breaker = failed(FAILURES, 0);
        assert!(!breaker.rests(FIRST_REST));
        assert!(!breaker.rests(FIRST_REST * 4), "who tried was gone before the answer");
    }
}
