//! What stands in the place of a secret. Given the value of `STRIPE_KEY`: `[redacted:env:STRIPE_KEY]`.
//! Given a token without a name: `[redacted:jwt:7f3a12]`, the same for the same token.

use std::ops::Range;

use siphasher::sip128::SipHasher24;

const BEGIN: &str = "[redacted:";
/// Longer names are not repeated; a digest stands in their place.
const LONGEST_NAME: usize = 64;
/// Of a digest, this much is shown: three bytes, six digits. It tells secrets apart and says nothing of them.
const SHOWN: usize = 3;
/// A placeholder is at most this long, in bytes.
const LONGEST: usize = 128;

/// Makes placeholders, with a key of its own, so that nobody can try a guess against a digest.
#[derive(Clone)]
pub(super) struct Maker {
    inner: SipHasher24,
    outer: SipHasher24,
}

impl std::fmt::Debug for Maker {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Maker")
    }
}

impl Maker {
    pub(super) fn new(key: &[u8; 32]) -> Self {
        let (first, second) = key.split_at(16);
        let half = |bytes: &[u8]| {
            let mut half = [0; 16];
            half.iter_mut().zip(bytes).for_each(|(to, from)| *to = *from);
            SipHasher24::new_with_key(&half)
        };
        Self { inner: half(first), outer: half(second) }
    }

    /// The text for a secret: by its name where it has one, else by its digest.
    pub(super) fn make(&self, kind: &str, name: Option<&str>, secret: &str) -> String {
        match name {
            Some(name) if is_name(name) => format!("{BEGIN}{kind}:{name}]"),
            _ => format!("{BEGIN}{kind}:{}]", self.digest(secret)),
        }
    }

    /// The text for what a pattern of the operator's found.
    pub(super) fn of_pattern(&self, kind: &str, pattern: &str, secret: &str) -> String {
        format!("{BEGIN}{kind}:{pattern}.{}]", self.digest(secret))
    }

    fn digest(&self, secret: &str) -> String {
        let digest = self.outer.hash(&self.inner.hash(secret.as_bytes()).as_bytes()).as_bytes();
        digest.iter().take(SHOWN).map(|byte| format!("{byte:02x}")).collect()
    }
}

fn is_name(text: &str) -> bool {
    !text.is_empty() && text.len() <= LONGEST_NAME && text.bytes().all(is_name_byte)
}

fn is_name_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.' | b'-')
}

/// Whether a text is one placeholder and nothing else.
#[must_use]
pub(super) fn is_one(text: &str) -> bool {
    let Some(inner) = text.strip_prefix(BEGIN).and_then(|rest| rest.strip_suffix(']')) else { return false };
    let mut parts = inner.split(':');
    let is_kind = parts.next().is_some_and(|kind| super::Kind::ALL.iter().any(|known| known.name() == kind));
    let names = parts.clone().count();
    is_kind && names == 1 && parts.all(is_name)
}

/// Whether a text begins with a placeholder, as it does where a secret was replaced before.
#[must_use]
pub(super) fn is_first(text: &str) -> bool {
    if !text.starts_with(BEGIN) {
        return false;
    }
    let end = text.bytes().take(LONGEST).position(|byte| byte == b']').map_or(0, |at| at + 1);
    let next = text.as_bytes().get(end).copied().unwrap_or(b' ');
    !next.is_ascii_alphanumeric() && text.get(..end).is_some_and(is_one)
}

/// Whether a span lies in a placeholder: what stands there was put there.
#[must_use]
pub(super) fn is_inside(text: &str, span: &Range<usize>) -> bool {
    let from = text.floor_char_boundary(span.start.saturating_sub(LONGEST));
    let Some(before) = text.get(from..text.len().min(span.start + BEGIN.len())) else { return false };
    let Some(begin) = before.rfind(BEGIN).map(|at| from + at) else { return false };
    let rest = text.as_bytes().get(begin..).unwrap_or_default();
    let Some(length) = rest.iter().take(LONGEST).position(|byte| *byte == b']') else { return false };
    let end = begin + length + 1;
    begin <= span.start && span.end <= end && text.get(begin..end).is_some_and(is_one)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_placeholder_is_stable_and_keyed() {
        let one = Maker::new(&[1; 32]);
        assert_eq!(one.make("env", Some("A_KEY"), "x"), "[redacted:env:A_KEY]");
        assert_eq!(one.make("jwt", None, "x"), one.make("jwt", None, "x"));
        assert_ne!(one.make("jwt", None, "x"), one.make("jwt", None, "y"));
        let mut key = [1; 32];
        for at in [0, 31] {
            key[at] ^= 1;
            assert_ne!(Maker::new(&key).make("jwt", None, "x"), one.make("jwt", None, "x"));
        }
        assert!(is_one(&one.make("jwt", None, "x")));
        assert!(is_one(&one.make("env", Some(&"A".repeat(65)), "x")));
    }

    #[test]
    fn only_a_whole_placeholder_is_one() {
        for text in ["[redacted:env:A]x", "[redacted:env:]", "[redacted:other:A]", "[redacted:env:a b]", "redacted"] {
            assert!(!is_one(text), "{text}");
        }
        let text = "ab [redacted:jwt:12ab34] c";
        assert!(is_inside(text, &(3..24)) && is_inside(text, &(5..9)));
        assert!(!is_inside(text, &(2..24)) && !is_inside(text, &(3..25)));
    }
}
