//! Choices that a run makes: by the bytes that libFuzzer gives, or, where these bytes are the very
//! text that is tried, by numbers that follow from them.

/// Bytes that are used up from the front; behind their end every choice is the first one.
#[derive(Debug)]
pub struct Choices<'a> {
    bytes: &'a [u8],
    /// Choices that may still be made, so that what is built stays small.
    left: usize,
}

/// No target builds anything of more parts.
const MOST: usize = 400;

impl<'a> Choices<'a> {
    #[must_use]
    pub fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, left: MOST }
    }

    fn byte(&mut self) -> u8 {
        self.left = self.left.saturating_sub(1);
        let Some((first, rest)) = self.bytes.split_first() else { return 0 };
        self.bytes = rest;
        *first
    }

    /// Whether there is nothing to choose by any more.
    #[must_use]
    pub fn is_over(&self) -> bool {
        self.bytes.is_empty() || self.left == 0
    }

    /// A number below `most`.
    pub fn below(&mut self, most: usize) -> usize {
        usize::from(self.byte()) % most.max(1)
    }

    /// Holds in `one` of `of` cases, and not any more when there is nothing to choose by.
    pub fn rarely(&mut self, of: usize) -> bool {
        self.below(of) == of - 1
    }

    pub fn pick<'b, T: ?Sized>(&mut self, from: &[&'b T]) -> &'b T {
        from[self.below(from.len())]
    }
}

/// Numbers that follow from a text (xorshift), for choices that are no part of it.
#[derive(Debug)]
pub struct Numbers(u64);

impl Numbers {
    #[must_use]
    pub fn of(text: &[u8]) -> Self {
        let hash = text
            .iter()
            .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3));
        Self(hash | 1)
    }

    pub fn below(&mut self, most: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 >> 33).unwrap_or_default() % most.max(1)
    }
}
