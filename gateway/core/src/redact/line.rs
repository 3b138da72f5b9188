//! Where in a text a name stands. Given `    12→KEY=value`, or `.env:12:KEY=value`: at the begin of
//! a line, behind what a tool wrote there. Given `{"stdout":"A=1\nKEY=value"}`: inside a string
//! that the next bare quote ends.

/// A line is looked at this far before a name.
const BEFORE: usize = 400;

/// Where a name stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Stand {
    /// Nothing but what tools write before lines, and words such as `export`, stands before it.
    pub(super) begins_line: bool,
    /// The string that it stands in.
    pub(super) string: Option<Quote>,
}

/// A quote as it is written: with this many backslashes before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Quote {
    pub(super) byte: u8,
    pub(super) slashes: usize,
}

/// Backslashes that end at a place.
#[must_use]
pub(super) fn slashes_before(bytes: &[u8], at: usize) -> usize {
    bytes.get(..at).unwrap_or_default().iter().rev().take(64).take_while(|byte| **byte == b'\\').count()
}

/// Looks at what stands before a name.
#[must_use]
pub(super) fn stand(bytes: &[u8], name: usize) -> Stand {
    let from = name.saturating_sub(BEFORE);
    let before = bytes.get(from..name).unwrap_or_default();
    let (begin, escape) = line_begin(before);
    let line = before.get(begin..).unwrap_or_default();
    let is_cut = begin == 0 && from > 0;
    let string = escape.map(|slashes| Quote { byte: b'"', slashes: slashes.saturating_sub(1) });
    let (open, string) = match string {
        None => open_string(line).map_or((0, None), |(at, quote)| (at, Some(quote))),
        string => (0, string),
    };
    let quoted = line.last().filter(|byte| matches!(byte, b'\'' | b'`' | b'"'));
    match quoted {
        // What stands first in a string stands there as on a line.
        Some(byte) => {
            Stand { begins_line: true, string: Some(Quote { byte: *byte, slashes: slashes_before(bytes, name - 1) }) }
        }
        None => {
            let begins_line = (open > 0 || !is_cut) && is_decoration(line.get(open..).unwrap_or_default());
            Stand { begins_line, string }
        }
    }
}

/// Where the last line of a text begins, and with how many backslashes its break is written.
fn line_begin(text: &[u8]) -> (usize, Option<usize>) {
    let mut at = text.len();
    while at > 0 {
        at -= 1;
        match text.get(at) {
            Some(b'\n') => return (at + 1, None),
            Some(b'n' | b'r') => {
                let slashes = slashes_before(text, at);
                if slashes > 0 {
                    return (at + 1, Some(slashes));
                }
            }
            _ => {}
        }
    }
    (0, None)
}

/// The string in double quotes that is still open at the end of a line, and where its text begins.
fn open_string(line: &[u8]) -> Option<(usize, Quote)> {
    let mut open: Option<(usize, Quote)> = None;
    for at in memchr::memchr_iter(b'"', line) {
        let slashes = slashes_before(line, at);
        open = match open {
            None => Some((at + 1, Quote { byte: b'"', slashes })),
            Some((_, quote)) if quote.slashes == slashes => None,
            other => other,
        };
    }
    open
}

/// Words that stand before an assignment.
const LEADS: [&str; 11] =
    ["export", "declare -x", "set", "ENV", "ARG", "setx", "env", "$env:", "SetEnv", "readonly", "local"];

/// Whether this is what tools write before the text of a line: nothing, `  12→`, `12:`, `a/.env:12:`, `+`.
fn is_decoration(line: &[u8]) -> bool {
    let line = String::from_utf8_lossy(line);
    let mut line = line.trim();
    for lead in LEADS {
        if let Some(rest) = line.strip_suffix(lead)
            && (rest.is_empty() || rest.ends_with(|c: char| !c.is_alphanumeric() && !matches!(c, '_' | '"' | '\'')))
        {
            line = rest.trim();
            break;
        }
    }
    let is_word = !line.contains(|c: char| c.is_whitespace());
    let is_mark = line.ends_with([':', '→', '|', '+', '#', '>', '-', ';', '\\']) || line.ends_with("//");
    line.is_empty() || is_word && (is_mark || line.bytes().all(|byte| byte.is_ascii_digit())) || is_numbered(line)
}

/// `12→ +`, `12  -`, `12: #`: a number and a mark, with space between them.
fn is_numbered(line: &str) -> bool {
    line.chars().all(|c| {
        c.is_ascii_digit() || c.is_whitespace() || matches!(c, '→' | ':' | '|' | '+' | '-' | '#' | '>' | '\\' | 't')
    })
}

/// How many bytes of a line were written by a tool: `    12→`, `12\t`, `+`.
#[must_use]
pub(super) fn decoration(line: &str) -> usize {
    let spaces = line.len() - line.trim_start_matches(' ').len();
    let rest = line.get(spaces..).unwrap_or_default();
    let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
    let mark = rest.get(digits..).unwrap_or_default();
    if digits > 0 {
        for written in ["→", "\t", ":", "-", "|"] {
            if mark.starts_with(written) {
                return spaces + digits + written.len();
            }
        }
    }
    usize::from(line.starts_with(['+', '-']))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, begins_line: bool, string: Option<usize>) {
        let at = text.find("KEY").unwrap();
        let stand = stand(text.as_bytes(), at);
        assert_eq!((stand.begins_line, stand.string.map(|quote| quote.slashes)), (begins_line, string), "{text}");
    }

    #[test]
    fn what_tools_write_before_a_line_is_known() {
        for text in [
            "KEY=",
            "a\nKEY=",
            "     1→KEY=",
            "  1\tKEY=",
            "12: KEY=",
            ".env:KEY=",
            "a/.env:12:KEY=",
            "+KEY=",
            "- KEY:",
            "export KEY=",
            "12:export KEY=",
            "# KEY=",
            "+export KEY=",
            "ENV KEY=",
            "HEAD:.env:3:KEY=",
            "12→# KEY=",
            "declare -x KEY=",
            "a\r\nKEY=",
            "  KEY:",
            "> KEY=",
        ] {
            check(text, true, None);
        }
        for text in ["docker run -e KEY=", "set the KEY=", "foo(KEY=", "curl x?KEY=", "let KEY ="] {
            check(text, false, None);
        }
    }

    #[test]
    fn a_string_is_known_by_what_opens_it() {
        check(r#"{"stdout":"KEY="#, true, Some(0));
        check(r#"{"stdout":"A=1\nKEY="#, true, Some(0));
        check(r#"{\"stdout\":\"A=1\\nKEY="#, true, Some(1));
        check(r#"{"a":1,"b":"x KEY="#, false, Some(0));
        check(r#"["a","b"] KEY="#, false, None);
        check("['KEY=", true, Some(0));
    }
}
