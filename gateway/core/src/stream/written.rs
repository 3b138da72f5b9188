//! What a model wrote, kept to be counted should the provider not come to say how much it was.
//! Given a reply that is cut off behind `Hello, world!`: four tokens of OpenAI's.

use crate::tokens::{self, Family};

/// Bytes that are kept of a reply. Of a longer one the rest is reckoned to be like them.
pub const KEPT: usize = 256 << 10;

/// Bytes that make a token, where nothing can be counted. Code has about three and a half; a low
/// figure counts too much rather than too little.
const BYTES_PER_TOKEN: u64 = 3;

/// The text, thinking and arguments of one reply that the provider has not counted yet, up to a
/// bound.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Written {
    kept: String,
    /// Bytes that are not counted yet, also those that are not kept.
    uncounted: u64,
    bytes: u64,
}

impl Written {
    /// Adds a piece.
    pub fn push(&mut self, text: &str) {
        // What comes behind a gap is not kept.
        if self.kept.len() as u64 == self.uncounted {
            let room = KEPT - self.kept.len();
            self.kept.push_str(&text[..text.floor_char_boundary(room)]);
        }
        self.uncounted = self.uncounted.saturating_add(text.len() as u64);
        self.bytes = self.bytes.saturating_add(text.len() as u64);
    }

    /// Lets go of the text: the provider has counted it.
    pub fn counted(&mut self) {
        self.kept = String::new();
        self.uncounted = 0;
    }

    /// Bytes that were written in all.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Whether the provider has counted all of it.
    #[must_use]
    pub fn is_counted(&self) -> bool {
        self.uncounted == 0
    }

    /// The tokens that the provider has not counted yet: counted here where the text is kept, the
    /// rest by the same measure. Takes as long as [`tokens::count`] does.
    #[must_use]
    pub fn tokens(&self, family: Family) -> u64 {
        let kept = (self.kept.len() as u128).max(1);
        let scaled = u128::from(tokens::count(&self.kept, family)) * u128::from(self.uncounted);
        u64::try_from(scaled.div_ceil(kept)).unwrap_or(u64::MAX)
    }

    /// The same by their length alone: at once, and rather too many.
    #[must_use]
    pub fn tokens_by_length(&self) -> u64 {
        self.uncounted.div_ceil(BYTES_PER_TOKEN)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(pieces: &[&str]) -> Written {
        let mut written = Written::default();
        pieces.iter().for_each(|piece| written.push(piece));
        written
    }

    #[test]
    fn what_is_kept_is_counted_whatever_its_pieces() {
        let whole = written(&["Hello, world! This is it."]);
        assert_eq!(written(&["Hel", "", "lo, wor", "ld! This", " is it."]), whole);
        assert_eq!(whole.tokens(Family::OpenAi), tokens::count("Hello, world! This is it.", Family::OpenAi));
        assert_eq!((Written::default().tokens(Family::Other), Written::default().tokens_by_length()), (0, 0));
    }

    #[test]
    fn what_is_beyond_the_bound_counts_like_what_is_kept() {
        let sentence = "The quick brown fox jumps over the lazy dog. ";
        let kept = written(&[&sentence.repeat(1_000)]).tokens(Family::OpenAi);
        let long = written(&[sentence.repeat(1_000).as_str(); 20]);
        assert_eq!((long.kept.len(), long.bytes()), (KEPT, 20 * 45 * 1_000));
        let counted = long.tokens(Family::OpenAi);
        assert!(counted.abs_diff(20 * kept) * 1_000 < counted, "{counted} {kept}");
    }

    #[test]
    fn a_character_is_never_cut() {
        let mut long = written(&[&"a".repeat(KEPT - 1)]);
        long.push("é and more");
        long.push("more");
        assert_eq!((long.kept.len(), long.bytes()), (KEPT - 1, KEPT as u64 - 1 + 15));
        let mut full = written(&[&"a".repeat(KEPT)]);
        full.push("é");
        assert_eq!(full.kept.len(), KEPT);
    }

    #[test]
    fn what_the_provider_has_counted_is_let_go_of() {
        let mut gone = written(&["Hello, "]);
        gone.counted();
        assert_eq!((gone.kept.capacity(), gone.bytes(), gone.is_counted()), (0, 7, true));
        assert_eq!((gone.tokens(Family::OpenAi), gone.tokens_by_length()), (0, 0));
        gone.push("world");
        assert_eq!((gone.bytes(), gone.is_counted()), (12, false));
        assert_eq!((gone.tokens(Family::OpenAi), gone.tokens_by_length()), (1, 2));
    }
}
