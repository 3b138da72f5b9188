//! What replies have taught: how many bytes of a request make a token, and how long replies are.
//! Estimates by these are for reserving; what is charged is what the provider reports.

/// How many bytes of a request make a token, for one model.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Ratio {
    mean: f64,
    variance: f64,
    samples: u32,
}

/// Before anything was learned. Agents' JSON has four and more; a low figure reserves too much
/// rather than too little.
const BYTES_PER_TOKEN: f64 = 3.0;
/// Fewer samples than this can only make the figure lower.
const ENOUGH: u32 = 8;
/// How much a new sample counts.
const SHARE: f64 = 1.0 / 16.0;

impl Default for Ratio {
    fn default() -> Self {
        Self { mean: 4.0, variance: 0.0, samples: 0 }
    }
}

impl Ratio {
    /// Takes in that a request of so many bytes had so many tokens.
    pub fn learn(&mut self, bytes: u64, tokens: u64) {
        // A request of a line says more about the envelope than about the text in it.
        if tokens < 200 || bytes == 0 {
            return;
        }
        #[expect(clippy::cast_precision_loss, reason = "a ratio; its last digits do not matter")]
        let found = (bytes as f64 / tokens as f64).clamp(0.25, 20.0);
        let share = if self.samples == 0 { 1.0 } else { SHARE };
        let off = found - self.mean;
        self.mean += share * off;
        self.variance = if self.samples == 0 { 0.0 } else { (1.0 - share) * (self.variance + share * off * off) };
        self.samples = self.samples.saturating_add(1);
    }

    /// Bytes a token, low enough that hardly any request has more tokens than it says.
    #[must_use]
    pub fn low(&self) -> f64 {
        let low = (self.mean - 3.0 * self.variance.sqrt() - 0.1).clamp(0.5, 8.0);
        if self.samples < ENOUGH { low.min(BYTES_PER_TOKEN) } else { low }
    }

    /// Tokens that a request of so many bytes has at the most, by all that was learned; never
    /// more than there are bytes.
    #[must_use]
    pub fn tokens(&self, bytes: u64) -> u64 {
        #[expect(
            clippy::cast_precision_loss,
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "an estimate; bodies are far below 2^53 bytes"
        )]
        let tokens = (bytes as f64 / self.low()).ceil() as u64;
        tokens.min(bytes)
    }
}

/// How long replies are, for one policy and model.
#[derive(Debug, Clone)]
pub struct Lengths {
    /// Replies by length: each bucket reaches to the square root of two times the one before.
    counts: [u32; BUCKETS],
    total: u32,
}

const BUCKETS: usize = 48;
/// Of so many replies, all but one in twenty are as long as is set aside at first.
const RARE: u32 = 20;
/// What is set aside before enough was learned.
const UNKNOWN: u64 = 4_096;
/// Old replies count half after so many new ones.
const WHOLE: u32 = 2_048;

impl Default for Lengths {
    fn default() -> Self {
        Self { counts: [0; BUCKETS], total: 0 }
    }
}

impl Lengths {
    /// Takes in a reply of so many tokens.
    pub fn learn(&mut self, tokens: u64) {
        let bucket = (0..BUCKETS).find(|at| tokens <= edge(*at)).unwrap_or(BUCKETS - 1);
        self.counts[bucket] += 1;
        self.total += 1;
        if self.total >= WHOLE {
            self.counts.iter_mut().for_each(|count| *count /= 2);
            self.total = self.counts.iter().sum();
        }
    }

    /// What is set aside for a reply at first: as long as nearly all were.
    #[must_use]
    pub fn usual(&self) -> u64 {
        if self.total < RARE {
            return UNKNOWN;
        }
        let rare = self.total / RARE;
        let mut longer = 0;
        let longest = (0..BUCKETS).rev().find(|at| {
            longer += self.counts[*at];
            longer > rare
        });
        longest.map_or(UNKNOWN, edge)
    }
}

/// The longest reply of a bucket, in tokens: 16, 23, 32, 45, …
fn edge(bucket: usize) -> u64 {
    let octave = 16_u64 << (bucket / 2);
    if bucket.is_multiple_of(2) { octave } else { octave + octave * 53 / 128 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_learned_counts_on_three_bytes_a_token() {
        assert_eq!(Ratio::default().tokens(3_000), 1_000);
        assert_eq!(Ratio::default().tokens(1), 1);
        assert_eq!(Ratio::default().tokens(0), 0);
    }

    #[test]
    fn what_is_learned_brings_the_estimate_near_and_stays_above() {
        let mut ratio = Ratio::default();
        for n in 0..100 {
            ratio.learn(4_000 + n % 7 * 20, 1_000);
        }
        let estimate = ratio.tokens(4_000);
        assert!((1_000..1_120).contains(&estimate), "{estimate}");
    }

    #[test]
    fn dense_text_is_learned_at_once_and_never_counts_over_its_bytes() {
        let mut ratio = Ratio::default();
        ratio.learn(1_000, 900);
        assert!(ratio.tokens(1_000) >= 900);
        for _ in 0..50 {
            ratio.learn(1_000, 4_000);
        }
        assert_eq!(ratio.tokens(1_000), 1_000);
    }

    #[test]
    fn small_requests_teach_nothing() {
        let mut ratio = Ratio::default();
        ratio.learn(4_000, 100);
        ratio.learn(0, 5_000);
        assert_eq!(ratio, Ratio::default());
    }

    #[test]
    fn most_replies_fit_what_is_set_aside() {
        let mut lengths = Lengths::default();
        assert_eq!(lengths.usual(), 4_096);
        (0..950).for_each(|n| lengths.learn(n));
        (0..50).for_each(|_| lengths.learn(30_000));
        assert!((900..=1_024).contains(&lengths.usual()), "{}", lengths.usual());
        (0..1_000).for_each(|_| lengths.learn(30_000));
        assert!(lengths.usual() >= 30_000, "{}", lengths.usual());
        (0..10_000).for_each(|_| lengths.learn(100));
        assert!(lengths.usual() < 1_000, "{}", lengths.usual());
    }
}
