//! The span that a request comes from, as its agent says in `traceparent` (W3C Trace Context).
//!
//! Given `00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01`: the trace `4bf9…4736`, the span
//! `00f0…02b7`, and flags that say that it is recorded.

/// A span of somebody else's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Traceparent {
    pub trace: [u8; 16],
    pub span: [u8; 8],
    pub flags: u8,
}

/// The length of a header of the version 00; later ones may only be longer.
const LENGTH: usize = 55;

impl Traceparent {
    /// Reads a header; none where it is not valid, and then it is as if there were none.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let bytes = text.as_bytes();
        let is_long = bytes.len() > LENGTH;
        if bytes.len() < LENGTH || [2, 35, 52].iter().any(|at| bytes[*at] != b'-') {
            return None;
        }
        let [version] = hex(&bytes[..2])?;
        if version == 0xff || (is_long && (version == 0 || bytes[LENGTH] != b'-')) {
            return None;
        }
        let [flags] = hex(&bytes[53..LENGTH])?;
        let found = Self { trace: hex(&bytes[3..35])?, span: hex(&bytes[36..52])?, flags };
        (found.trace != [0; 16] && found.span != [0; 8]).then_some(found)
    }
}

/// Bytes from lower-case hexadecimal digits, as many as are wanted.
fn hex<const COUNT: usize>(digits: &[u8]) -> Option<[u8; COUNT]> {
    let digit = |at: usize| match digits.get(at)? {
        digit @ b'0'..=b'9' => Some(digit - b'0'),
        digit @ b'a'..=b'f' => Some(digit - b'a' + 10),
        _ => None,
    };
    let mut bytes = [0; COUNT];
    for (at, byte) in bytes.iter_mut().enumerate() {
        *byte = digit(2 * at)? << 4 | digit(2 * at + 1)?;
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_span_is_read_and_everything_else_is_not() {
        let check = |text: &str, flags: Option<u8>| {
            let found = Traceparent::parse(text);
            assert_eq!(found.map(|found| found.flags), flags, "{text}");
            if let Some(found) = found {
                assert_eq!((found.trace[0], found.trace[15], found.span[0], found.span[7]), (0x4b, 0x36, 0x01, 0xb7));
            }
        };
        let ids = "4bf92f3577b34da6a3ce929d0e0e4736-01f067aa0ba902b7";
        check(&format!("00-{ids}-01"), Some(1));
        check(&format!("00-{ids}-00"), Some(0));
        check(&format!("cc-{ids}-03"), Some(3));
        // What a later version has behind it is not read.
        check(&format!("cc-{ids}-01-what the future will be like"), Some(1));
        for wrong in [
            format!("ff-{ids}-01"),
            format!("00-{ids}-01-more"),
            format!("cc-{ids}-01more"),
            format!("00-{ids}-0"),
            format!("00-{ids}-0x"),
            format!("00-{ids}_01"),
            format!("00-{}-01", ids.to_uppercase()),
            String::from("00-00000000000000000000000000000000-01f067aa0ba902b7-01"),
            String::from("00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01"),
            // As many bytes as there should be, and fewer characters.
            format!("00-{}-01", "ä".repeat(24) + "-"),
            String::new(),
        ] {
            check(&wrong, None);
        }
    }
}
