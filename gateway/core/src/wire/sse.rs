//! Server-sent events, cut where one ends and the next begins, with their exact bytes.
//!
//! Comments, ids, retries and CRLF stay in the bytes of the event that they stand before, so
//! that an event which no step changes leaves as it came.

use bytes::{Buf, Bytes, BytesMut};

/// The largest event that is held while its end is awaited. A whole reply is repeated in the
/// last event of the Responses dialect, so this is as generous as a whole reply may be.
pub const MAX_EVENT: usize = 32 << 20;

#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("an event is larger than {MAX_EVENT} bytes")]
pub struct TooLarge;

/// Cuts a stream of bytes into events.
#[derive(Debug, Default)]
pub struct Decoder {
    buffer: BytesMut,
    /// Where the line begins that is not complete yet.
    line: usize,
    /// Bytes before this were searched and hold no end of that line.
    searched: usize,
}

impl Decoder {
    /// Takes the next bytes of the stream.
    ///
    /// # Errors
    /// [`TooLarge`] when one event would not fit [`MAX_EVENT`].
    pub fn feed(&mut self, chunk: &[u8]) -> Result<(), TooLarge> {
        if self.buffer.len() + chunk.len() > MAX_EVENT {
            return Err(TooLarge);
        }
        self.buffer.extend_from_slice(chunk);
        Ok(())
    }

    /// The next whole event, its closing blank line included.
    pub fn next_event(&mut self) -> Option<Bytes> {
        let end = self.end_of_event()?;
        (self.line, self.searched) = (0, 0);
        Some(self.buffer.split_to(end).freeze())
    }

    /// What stands after the last whole event, once the stream has ended.
    pub fn rest(&mut self) -> Option<Bytes> {
        (self.line, self.searched) = (0, 0);
        (!self.buffer.is_empty()).then(|| self.buffer.split().freeze())
    }

    /// One past the blank line that ends the first event, or none yet.
    fn end_of_event(&mut self) -> Option<usize> {
        let bytes = self.buffer.chunk();
        while let Some(found) = memchr::memchr2(b'\n', b'\r', &bytes[self.searched..]) {
            let at = self.searched + found;
            self.searched = at;
            let next = if bytes[at] == b'\n' {
                at + 1
            } else {
                // A carriage return may be half of a CRLF: the next byte tells.
                match bytes.get(at + 1) {
                    None => return None,
                    Some(b'\n') => at + 2,
                    Some(_) => at + 1,
                }
            };
            if at == self.line {
                return Some(next);
            }
            (self.line, self.searched) = (next, next);
        }
        self.searched = bytes.len();
        None
    }
}

/// The fields of one event that matter here.
#[derive(Debug, PartialEq, Eq)]
pub struct Fields {
    /// The `event:` field.
    pub name: Option<Bytes>,
    /// The `data:` line; none when there is none (a comment).
    pub data: Option<Bytes>,
    /// Whether another reader could read it differently.
    pub odd: bool,
}

/// Reads the fields of an event.
///
/// What different readers would read differently is `odd`: several `data:` lines, which some join
/// and some do not; a byte order mark; and in any other line a character that some take for a
/// line's end. None of the dialects here sends such a thing.
#[must_use]
pub fn fields(event: &Bytes) -> Fields {
    let mut fields = Fields { name: None, data: None, odd: false };
    for line in lines(event) {
        let (field, value) = split(&line);
        match field {
            b"data" => {
                fields.odd |= fields.data.is_some();
                fields.data = Some(value);
                continue;
            }
            b"event" => fields.name = Some(value),
            // A comment or a blank line.
            b"" => {}
            b"id" | b"retry" => {}
            _ => fields.odd = true,
        }
        fields.odd |= breaks_for_some(&line);
    }
    fields
}

/// Whether a line holds what Unicode, and so some readers, call a line's end.
fn breaks_for_some(line: &[u8]) -> bool {
    let ascii = line.iter().any(|byte| matches!(byte, 0x0b | 0x0c | 0x1c..=0x1e));
    ascii || ["\u{85}", "\u{2028}", "\u{2029}"].iter().any(|end| memchr::memmem::find(line, end.as_bytes()).is_some())
}

fn lines(event: &Bytes) -> impl Iterator<Item = Bytes> + '_ {
    let mut at = 0;
    std::iter::from_fn(move || {
        if at >= event.len() {
            return None;
        }
        let start = at;
        let end = memchr::memchr2(b'\n', b'\r', &event[at..]).map_or(event.len(), |found| at + found);
        at = if event[end..].starts_with(b"\r\n") { end + 2 } else { end + 1 };
        Some(event.slice(start..end))
    })
}

/// A line's field name and value; no name for comments and blank lines.
fn split(line: &Bytes) -> (&[u8], Bytes) {
    let colon = memchr::memchr(b':', line).unwrap_or(line.len());
    let mut start = (colon + 1).min(line.len());
    if line.get(start) == Some(&b' ') {
        start += 1;
    }
    (&line[..colon], line.slice(start..))
}

/// Writes one event. The data must hold no line break, as compact JSON does not.
#[must_use]
pub fn write(name: Option<&str>, data: &str) -> Bytes {
    let named = name.map(|name| format!("event: {name}\n")).unwrap_or_default();
    Bytes::from(format!("{named}data: {data}\n\n"))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn events(pieces: &[&[u8]]) -> Vec<Bytes> {
        let mut decoder = Decoder::default();
        let mut found = Vec::new();
        for piece in pieces {
            decoder.feed(piece).unwrap();
            found.extend(std::iter::from_fn(|| decoder.next_event()));
        }
        found.extend(decoder.rest());
        found
    }

    const HARD: &[u8] = b": hello\r\n\r\nevent: a\ndata: {\"x\":1}\nid: 7\n\ndata: one\rdata: two\r\r\n\ndata:\xc3\xa9\r\n\r\n\ndata: cut off";

    #[test]
    fn events_are_cut_at_blank_lines_whatever_the_line_end() {
        let found = events(&[HARD]);
        let texts: Vec<_> = found.iter().map(|event| &event[..]).collect();
        assert_eq!(
            texts,
            [
                &b": hello\r\n\r\n"[..],
                b"event: a\ndata: {\"x\":1}\nid: 7\n\n",
                b"data: one\rdata: two\r\r\n",
                b"\n",
                "data:é\r\n\r\n".as_bytes(),
                b"\n",
                b"data: cut off",
            ]
        );
    }

    #[test]
    fn fields_are_read() {
        let read = |text: &'static str| fields(&Bytes::from_static(text.as_bytes()));
        let all = |name: Option<&'static str>, data: Option<&'static str>| Fields {
            name: name.map(|n| Bytes::from_static(n.as_bytes())),
            data: data.map(|d| Bytes::from_static(d.as_bytes())),
            odd: false,
        };
        assert_eq!(read("event: a\ndata: b\n\n"), all(Some("a"), Some("b")));
        assert_eq!(read("event:a\r\ndata:  b\r\n\r\n"), all(Some("a"), Some(" b")));
        assert_eq!(read(": a comment: data\n\n"), all(None, None));
        assert_eq!(read("data\n\n"), all(None, Some("")));
        assert_eq!(read("\n"), all(None, None));
        let odd = |text: &'static str| read(text).odd;
        assert!(!odd(": a\nid: 1\nretry: 5\nevent: e\ndata: {}\n\n") && !odd("data: \u{2028}\n\n"));
        for text in [
            "{\"choices\":[]}",
            "data: a\ndata: b",
            "\u{feff}data: a",
            ": x\u{2028}data: a",
            "id: 1\u{c}data: a",
            "Data: a",
        ] {
            assert!(odd(text), "{text:?}");
        }
    }

    #[test]
    fn an_endless_event_is_refused() {
        let mut decoder = Decoder::default();
        decoder.feed(&vec![b'x'; MAX_EVENT]).unwrap();
        assert_eq!(decoder.feed(b"x"), Err(TooLarge));
    }

    proptest! {
        #[test]
        fn where_the_network_cuts_does_not_matter(mut cuts in prop::collection::vec(0..HARD.len(), 0..12)) {
            cuts.sort_unstable();
            let mut pieces = Vec::new();
            let mut from = 0;
            for cut in cuts {
                pieces.push(&HARD[from..cut]);
                from = cut;
            }
            pieces.push(&HARD[from..]);
            prop_assert_eq!(events(&pieces), events(&[HARD]));
        }
    }
}
