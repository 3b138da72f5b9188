//! Where the value of an assignment begins and ends. Given `KEY="a b" # note`: `a b`. Given
//! `\"key\":\"a\\\"b\"`: `a\\\"b`. Given `KEY=a b # note`: `a b`.

use std::ops::Range;

use super::assigned::Assignment;
use super::line::{self, Quote, slashes_before};
use super::names::Says;

/// A quoted value of more lines is at most this long, in bytes.
const LONGEST_QUOTED: usize = 32 << 10;
/// Where one without quotes has not ended after this many bytes, it ends.
pub(super) const LONGEST_BARE: usize = 8 << 10;

/// A value.
#[derive(Debug)]
pub(super) struct Value {
    pub(super) span: Range<usize>,
    pub(super) quote: Option<Quote>,
    /// It is a part of a connection string: `;Password=…;`.
    pub(super) is_part: bool,
    /// Its lines were taken whole, so that nothing is left to tell about them.
    pub(super) is_whole: bool,
}

/// Finds the value behind a sign.
#[must_use]
pub(super) fn value(assignment: &Assignment<'_>, sign: usize) -> Option<Value> {
    let bytes = assignment.text.as_bytes();
    let mut begin = sign + 1;
    if assignment.sign == b':' && bytes.get(begin) == Some(&b'=') {
        begin += 1;
    }
    begin += bytes.get(begin..)?.iter().take(16).take_while(|byte| matches!(byte, b' ' | b'\t')).count();
    if assignment.sign == b'>' {
        return inside_tag(assignment, begin);
    }
    // `r"…"`, `b"…"` and `@"…"` are strings too.
    let is_prefix = matches!(bytes.get(begin), Some(b'r' | b'b' | b'u' | b'@'));
    if is_prefix && matches!(bytes.get(begin + 1), Some(b'"' | b'\'')) {
        begin += 1;
    }
    if let Some(inner) = behind_type(assignment, begin) {
        begin = inner;
    }
    let slashes = bytes.get(begin..)?.iter().take(16).take_while(|byte| **byte == b'\\').count();
    match bytes.get(begin + slashes) {
        Some(byte @ (b'"' | b'\'' | b'`')) if (slashes + 1).is_power_of_two() => {
            let quote = Quote { byte: *byte, slashes };
            // In a string that ends with this quote, it is the end of that: the value is empty.
            let is_end = assignment.stand.string.is_some_and(|string| string == quote) && !assignment.is_key;
            if is_end { None } else { quoted(assignment, begin + slashes + 1, quote) }
        }
        Some(b'|' | b'>') if assignment.sign == b':' => block(assignment, begin),
        _ => bare(assignment, begin),
    }
}

/// `const key: string = "abc"`: the value stands behind the type.
fn behind_type(assignment: &Assignment<'_>, begin: usize) -> Option<usize> {
    if assignment.sign != b':' || assignment.is_key {
        return None;
    }
    let rest = assignment.text.as_bytes().get(begin..)?;
    let length = rest
        .iter()
        .take(48)
        .take_while(|byte| {
            byte.is_ascii_alphabetic() || matches!(byte, b' ' | b'&' | b'\'' | b'<' | b'>' | b'|' | b'[' | b']')
        })
        .count();
    let is_sign = rest.get(length) == Some(&b'=') && rest.get(length.checked_sub(1)?) == Some(&b' ');
    let spaces = rest.get(length + 1..)?.iter().take_while(|byte| **byte == b' ').count();
    let begin = length + 1 + spaces;
    (is_sign && matches!(rest.get(begin), Some(b'"' | b'\''))).then_some(0)?;
    Some(rest.as_ptr() as usize - assignment.text.as_ptr() as usize + begin)
}

/// `<password>hunter2</password>`.
fn inside_tag(assignment: &Assignment<'_>, begin: usize) -> Option<Value> {
    let rest = assignment.text.as_bytes().get(begin..)?;
    let length = rest.iter().take(LONGEST_BARE).position(|byte| matches!(byte, b'<' | b'\n'))?;
    let is_closed = rest.get(length..)?.starts_with(b"</");
    is_closed.then(|| Value { span: begin..begin + length, quote: None, is_part: false, is_whole: false })
}

fn quoted(assignment: &Assignment<'_>, begin: usize, quote: Quote) -> Option<Value> {
    let bytes = assignment.text.as_bytes();
    let one = |span| Some(Value { span, quote: Some(quote), is_part: false, is_whole: false });
    let rest = bytes.get(begin..)?;
    if quote.slashes == 0 && rest.starts_with(&[quote.byte, quote.byte]) {
        let triple = [quote.byte; 3];
        let rest = rest.get(2..)?;
        let length = memchr::memmem::find(rest.get(..rest.len().min(LONGEST_QUOTED))?, &triple)?;
        return one(begin + 2..begin + 2 + length);
    }
    let line_end = line_end(assignment, begin);
    let close = close(bytes, begin, quote);
    match close {
        Some(close) if close <= line_end => {
            let after = bytes.get(close + 1).copied().unwrap_or(b'\n');
            let goes_on = matches!(after, b'"' | b'\'') && assignment.stand.string.is_none();
            let ends = after.is_ascii_whitespace() || b",;)]}\"'`\\#&|<:>+.?".contains(&after);
            if ends && !goes_on || !assignment.is_env() {
                return one(begin..close - if close > begin { closing_slashes(bytes, begin, close, quote) } else { 0 });
            }
            // `'a'"b"` and `'a'b` are one word of the shell.
            let end = bare_end(assignment, close + 1, Until::Space);
            Some(Value { span: begin - 1 - quote.slashes..end, quote: Some(quote), is_part: false, is_whole: false })
        }
        Some(close) if is_many_lines(assignment, begin, close) => {
            one(begin..close - closing_slashes(bytes, begin, close, quote))
        }
        // The quote is never closed: what stands on its line is the value.
        _ => one(begin..trim_end(bytes, begin, line_end)),
    }
}

fn closing_slashes(bytes: &[u8], begin: usize, close: usize, quote: Quote) -> usize {
    slashes_before(bytes, close).min(quote.slashes).min(close - begin)
}

/// Where the quote is closed.
fn close(bytes: &[u8], begin: usize, quote: Quote) -> Option<usize> {
    let end = bytes.len().min(begin + LONGEST_QUOTED);
    let region = bytes.get(begin..end)?;
    let turn = 2 * (quote.slashes + 1);
    for at in memchr::memchr_iter(quote.byte, region) {
        let slashes = slashes_before(region, at);
        let is_last = quote.byte == b'\'' && {
            let rest = region.get(at + 1..)?;
            memchr::memchr2(b'\'', b'\n', rest).is_none_or(|next| rest.get(next) == Some(&b'\n'))
        };
        if slashes % turn == quote.slashes || slashes < quote.slashes || is_last {
            return Some(begin + at);
        }
    }
    None
}

/// Whether a quote that is closed on a later line is one value: no assignment begins in it, and
/// nothing but the end of a line stands behind it.
fn is_many_lines(assignment: &Assignment<'_>, begin: usize, close: usize) -> bool {
    if assignment.says < Says::Perhaps {
        return false;
    }
    let after = assignment.text.as_bytes().get(close + 1).copied().unwrap_or(b'\n');
    let inner = assignment.text.get(begin..close).unwrap_or_default();
    let is_end = after.is_ascii_whitespace() || b",;)]}\"'\\".contains(&after);
    is_end && !inner.split('\n').skip(1).any(begins_assignment)
}

/// Whether a line begins with `NAME=`, a tool's own mark aside.
fn begins_assignment(line: &str) -> bool {
    let line = line.get(line::decoration(line)..).unwrap_or_default().trim_start();
    let line = line.strip_prefix("export ").unwrap_or(line);
    let name = line.bytes().take_while(|byte| byte.is_ascii_alphanumeric() || *byte == b'_').count();
    let is_padding = line.get(name..).is_some_and(|rest| rest.trim_end().bytes().all(|byte| byte == b'='));
    name > 0 && line.as_bytes().get(name) == Some(&b'=') && !is_padding
}

/// Lines that are set in further than their name: `key: |`.
fn block(assignment: &Assignment<'_>, begin: usize) -> Option<Value> {
    let text = assignment.text;
    let rest = text.get(begin..)?;
    let (head, body) = rest.split_once('\n')?;
    let is_head = head.trim_end().bytes().skip(1).all(|byte| matches!(byte, b'+' | b'-' | b'0'..=b'9'));
    if !is_head || assignment.says < Says::Secret || !assignment.stand.begins_line {
        return None;
    }
    let line = text.get(..assignment.name.start)?.rsplit('\n').next()?;
    let depth = |line: &str| {
        let line = line.get(line::decoration(line)..).unwrap_or_default();
        line.len() - line.trim_start().len()
    };
    let least = depth(&format!("{line}x"));
    let start = begin + head.len() + 1;
    let (mut at, mut span) = (start, None);
    for line in body.split_inclusive('\n').take(512) {
        let content = line.get(line::decoration(line)..).unwrap_or_default();
        if !content.trim().is_empty() {
            if depth(line) <= least {
                break;
            }
            let from = at + line.len() - content.trim_start().len();
            let (from, _) = span.unwrap_or((from, from));
            span = Some((from, at + line.trim_end().len()));
        }
        at += line.len();
    }
    let (from, to) = span?;
    Some(Value { span: from..to, quote: None, is_part: false, is_whole: true })
}

fn bare(assignment: &Assignment<'_>, begin: usize) -> Option<Value> {
    let bytes = assignment.text.as_bytes();
    let is_part = is_part(assignment);
    let name = assignment.name();
    let is_cookie = name.eq_ignore_ascii_case("cookie") || name.eq_ignore_ascii_case("set-cookie");
    let until = match assignment.stand.begins_line {
        true if assignment.is_env() || !assignment.is_tight || assignment.sign == b':' => Until::Line,
        true => Until::Space,
        false => Until::Word,
    };
    let end = match () {
        () if is_part => {
            let line = line_end(assignment, begin);
            let stop =
                bytes.get(begin..line)?.iter().position(|byte| matches!(byte, b';' | b'"' | b'\'' | b'`' | b'<'));
            stop.map_or(line, |stop| begin + stop)
        }
        () if is_cookie && assignment.sign == b':' => line_end(assignment, begin),
        () => bare_end(assignment, begin, until),
    };
    let end = trim_end(bytes, begin, end);
    let text = assignment.text.get(begin..end)?;
    let is_whole = is_cookie
        && text
            .split(';')
            .any(|pair| pair.split_once('=').is_some_and(|(_, value)| super::values::is_mixed(value.trim())));
    (!text.is_empty()).then_some(Value { span: begin..end, quote: None, is_part, is_whole })
}

/// `…;Password=…`: a part of a connection string.
fn is_part(assignment: &Assignment<'_>) -> bool {
    let before = assignment.text.get(..assignment.name.start).unwrap_or_default();
    let is_behind = before.trim_end_matches(' ').ends_with(';') && !before.ends_with("; ");
    is_behind && assignment.sign == b'=' && assignment.says >= Says::Secret && !assignment.is_capital
}

/// Where a line ends, or the string that it stands in.
fn line_end(assignment: &Assignment<'_>, begin: usize) -> usize {
    let bytes = assignment.text.as_bytes();
    let limit = bytes.len().min(begin + LONGEST_QUOTED);
    let region = bytes.get(begin..limit).unwrap_or_default();
    let newline = memchr::memchr(b'\n', region).unwrap_or(region.len());
    let Some(string) = assignment.stand.string else { return begin + newline };
    let line = region.get(..newline).unwrap_or_default();
    for (at, byte) in line.iter().enumerate() {
        let ends = match byte {
            b'n' | b'r' => (1..=string.slashes + 1).contains(&slashes_before(line, at)),
            byte => *byte == string.byte && slashes_before(line, at) <= string.slashes,
        };
        if ends {
            return begin + at - slashes_before(line, at);
        }
    }
    begin + newline
}

/// What ends a value without quotes, beside the end of its line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Until {
    Line,
    Space,
    Word,
}

/// Where a value without quotes ends.
fn bare_end(assignment: &Assignment<'_>, begin: usize, until: Until) -> usize {
    let text = assignment.text;
    let end = line_end(assignment, begin).min(begin + LONGEST_BARE);
    let end = text.floor_char_boundary(end);
    let line = text.as_bytes().get(begin..end).unwrap_or_default();
    let is_env = assignment.is_env();
    let is_word = until == Until::Word;
    for (at, byte) in line.iter().enumerate() {
        let ends = match byte {
            b' ' | b'\t' => until != Until::Line || ends_at_space(line.get(at + 1..).unwrap_or_default()),
            b'"' | b'\'' | b'`' | b'<' | b';' | b'&' | b')' | b'|' => is_word,
            b'}' | b',' | b'>' => is_word && !is_env,
            b'\\' => is_word && matches!(line.get(at + 1), Some(b'"' | b'n' | b'\'' | b'r')),
            _ => false,
        };
        if ends {
            return begin + at;
        }
    }
    begin + line.len()
}

/// Whether what follows a space is no part of the value: a comment, a command, the next assignment.
fn ends_at_space(rest: &[u8]) -> bool {
    let rest = rest.trim_ascii_start();
    let name = rest.iter().take(64).take_while(|byte| byte.is_ascii_alphanumeric() || **byte == b'_').count();
    let is_next = name > 0 && rest.get(name) == Some(&b'=') && rest.first().is_some_and(u8::is_ascii_alphabetic);
    rest.is_empty()
        || is_next
        || [&b"# "[..], b"&&", b"||", b"; ", b"//", b"\\"].iter().any(|begin| rest.starts_with(begin))
}

fn trim_end(bytes: &[u8], begin: usize, end: usize) -> usize {
    begin + bytes.get(begin..end).unwrap_or_default().trim_ascii_end().len()
}
