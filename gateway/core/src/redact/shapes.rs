//! Secrets that are known by their own shape. Given `eyJ….eyJ….sig`: a JWT. Given
//! `postgres://ann:pw@db/x`: the place of `pw`.

use std::ops::Range;

use base64::Engine;
use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD};

use super::formats::Format;
use super::line::slashes_before;
use super::{Kind, values};

/// A key block is at most this long, in bytes.
const LONGEST_BLOCK: usize = 64 << 10;
/// Of an address, this much is looked at.
const LONGEST_ADDRESS: usize = 1_024;
/// A token is at most this long.
const LONGEST_TOKEN: usize = 16 << 10;

/// What a keyword may begin.
#[derive(Debug, Clone, Copy)]
pub(super) enum Shape {
    Format(&'static Format),
    /// `eyJ`
    Jwt,
    /// `-----BEGIN `
    Block,
    /// `://`
    Address,
    /// `Bearer `
    Bearer,
    /// `Basic `
    Basic,
    /// `:AA`, in a token of a Telegram bot
    Telegram,
}

/// Keywords beside those of the formats.
pub(super) const KEYWORDS: [(&str, Shape); 11] = [
    ("eyJ", Shape::Jwt),
    ("-----BEGIN ", Shape::Block),
    ("://", Shape::Address),
    (":\\/\\/", Shape::Address),
    ("Bearer ", Shape::Bearer),
    ("bearer ", Shape::Bearer),
    ("BEARER ", Shape::Bearer),
    ("Basic ", Shape::Basic),
    ("basic ", Shape::Basic),
    ("BASIC ", Shape::Basic),
    (":AA", Shape::Telegram),
];

/// Reads what stands at a keyword: the place of the secret, and its kind.
#[must_use]
pub(super) fn read(text: &str, shape: Shape, keyword: Range<usize>) -> Option<(Range<usize>, Kind)> {
    match shape {
        Shape::Format(format) => of_format(text, format, keyword).map(|span| (span, format.kind)),
        Shape::Jwt => jwt(text, keyword.start).map(|span| (span, Kind::Jwt)),
        Shape::Block => block(text, keyword).map(|span| (span, Kind::PrivateKey)),
        Shape::Address => address(text, keyword).map(|span| (span, Kind::ConnectionString)),
        Shape::Bearer => bearer(text, keyword.end).map(|span| (span, Kind::Bearer)),
        Shape::Basic => basic(text, keyword.end).map(|span| (span, Kind::BasicAuth)),
        Shape::Telegram => telegram(text, keyword).map(|span| (span, Kind::ProviderKey)),
    }
}

/// Where that begins of which the secret is a part: an address, with its scheme.
#[must_use]
pub(super) fn whole(text: &str, shape: Shape, keyword: usize, secret: usize) -> usize {
    match shape {
        Shape::Address => keyword - scheme(text, keyword),
        _ => secret,
    }
}

/// How many bytes the scheme of an address has.
fn scheme(text: &str, keyword: usize) -> usize {
    let is_scheme = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'-' | b'.');
    let before = text.as_bytes().get(..keyword).unwrap_or_default();
    before.iter().rev().take(32).take_while(|byte| is_scheme(byte)).count()
}

fn run(bytes: &[u8], from: usize, most: usize, is_of: impl Fn(u8) -> bool) -> usize {
    bytes.get(from..).unwrap_or_default().iter().take(most).take_while(|byte| is_of(**byte)).count()
}

/// Whether a token may begin here: not in the middle of a word, but behind `\n` as it is escaped.
fn begins(bytes: &[u8], at: usize) -> bool {
    let Some(before) = at.checked_sub(1).and_then(|at| bytes.get(at)) else { return true };
    let is_escape = matches!(before, b'n' | b'r' | b't') && slashes_before(bytes, at - 1) > 0;
    is_escape || !(before.is_ascii_alphanumeric() || matches!(before, b'_' | b'+'))
}

fn of_format(text: &str, format: &Format, keyword: Range<usize>) -> Option<Range<usize>> {
    let bytes = text.as_bytes();
    if !format.is_lead && !begins(bytes, keyword.start) {
        return None;
    }
    let length = run(bytes, keyword.end, format.most + 1, |byte| format.made.of(byte));
    let next = bytes.get(keyword.end + length).copied().unwrap_or(b' ');
    let is_longer = next.is_ascii_alphanumeric() || next == b'_';
    // A dot ends a sentence, too.
    let body = text.get(keyword.end..keyword.end + length)?.trim_end_matches(['.', '-']);
    let is_fit = (format.least..=format.most).contains(&body.len()) && !is_longer;
    let begin = if format.is_lead { keyword.end } else { keyword.start };
    let looks = body.bytes().any(|byte| byte.is_ascii_digit()) || body.len() >= 24 && !values::is_words(body);
    (is_fit && looks && !values::is_harmless(body)).then_some(begin..keyword.end + body.len())
}

fn is_url_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-')
}

/// Three or five parts, of which the first names an algorithm.
fn jwt(text: &str, begin: usize) -> Option<Range<usize>> {
    let bytes = text.as_bytes();
    if !begins(bytes, begin) {
        return None;
    }
    let head = run(bytes, begin, LONGEST_TOKEN, is_url_byte);
    let decoded = URL_SAFE_NO_PAD.decode(bytes.get(begin..begin + head.min(4_096))?).ok()?;
    memchr::memmem::find(&decoded, b"\"alg\"")?;
    let mut end = begin + head;
    let mut parts = 1;
    while parts < 5 && bytes.get(end) == Some(&b'.') {
        let part = run(bytes, end + 1, LONGEST_TOKEN, is_url_byte);
        end += 1 + part;
        parts += 1;
    }
    // A dot behind a token ends a sentence.
    let text = text.get(begin..end)?.trim_end_matches('.');
    (parts >= 3 && text.len() > head + 16).then_some(begin..begin + text.len())
}

/// A private key from its first line to its last; where that was cut off, as far as it goes.
fn block(text: &str, keyword: Range<usize>) -> Option<Range<usize>> {
    let rest = text.get(keyword.end..)?;
    let label = rest.get(..rest.floor_char_boundary(64))?.split("-----").next()?;
    let is_private = label.ends_with("PRIVATE KEY") || label.ends_with("PRIVATE KEY BLOCK");
    let body = keyword.end + label.len() + 5;
    if !is_private || !is_key_body(text.get(body..)?) {
        return None;
    }
    let limit = text.floor_char_boundary(text.len().min(body + LONGEST_BLOCK));
    let region = text.get(body..limit)?;
    let last = format!("-----END {label}-----");
    // Another key that begins before this one ends was cut off as well.
    let next = region.find("-----BEGIN ").unwrap_or(region.len());
    let region = region.get(..next)?;
    match region.find(&last) {
        Some(at) => Some(keyword.start..body + at + last.len()),
        _ => Some(keyword.start..body + key_lines(region)),
    }
}

/// Whether a key stands behind its first line, and not the rest of a sentence about one.
fn is_key_body(text: &str) -> bool {
    let text = text.get(..text.floor_char_boundary(600)).unwrap_or_default();
    let is_base64 = |c: char| c.is_ascii_alphanumeric() || matches!(c, '+' | '/' | '=');
    let text = text.split("-----").next().unwrap_or_default();
    text.split(|c| !is_base64(c)).any(|word| {
        word.len() >= 24 && word.bytes().any(|byte| byte.is_ascii_digit() || byte.is_ascii_uppercase())
            || word.len() >= 16 && values::is_random(word)
    })
}

/// How far the lines go that may belong to a key.
fn key_lines(region: &str) -> usize {
    let mut end = 0;
    let mut at = 0;
    for (number, line) in region.split_inclusive('\n').enumerate() {
        let content = line.get(super::line::decoration(line)..).unwrap_or_default().trim();
        let is_header = content.contains(": ") && number < 8;
        let is_key = !content.contains(' ') && content.len() <= 8_192;
        if !(is_header || is_key || number == 0) {
            break;
        }
        at += line.len();
        if !content.is_empty() {
            end = at - (line.len() - line.trim_end().len());
        }
    }
    end
}

/// The password of `scheme://user:password@host`.
fn address(text: &str, keyword: Range<usize>) -> Option<Range<usize>> {
    let scheme = text.get(keyword.start - scheme(text, keyword.start)..keyword.start)?;
    let rest = text.get(keyword.end..)?;
    let rest = rest.get(..rest.floor_char_boundary(LONGEST_ADDRESS))?;
    let word =
        rest.find(|c: char| c.is_whitespace() || matches!(c, '"' | '\'' | '`' | '<' | '>')).unwrap_or(rest.len());
    let word = rest.get(..word)?;
    let word = word.split("\\n").next()?;
    let authority = word.split(['/', '?', '#', '\\']).next()?;
    let is_web = matches!(scheme, "http" | "https" | "ws" | "wss" | "file" | "data");
    let reach = if authority.contains('@') || is_web { authority } else { word };
    let (user, rest) = reach.split_once(':')?;
    let end = rest.rfind('@')?;
    let password = rest.get(..end)?;
    if scheme.is_empty() || user.contains(['/', '@', '?', '#']) || is_sample(password) {
        return None;
    }
    let begin = keyword.end + user.len() + 1;
    Some(begin..begin + password.len())
}

/// Whether a password in an address is one that examples show.
fn is_sample(password: &str) -> bool {
    const SAMPLES: [&str; 8] = ["password", "pass", "passwd", "pw", "pwd", "secret", "token", "user"];
    let inner = password.trim_matches(|c| matches!(c, '[' | ']' | '{' | '}' | '(' | ')'));
    let is_template =
        password.starts_with('{') && password.ends_with('}') || password.starts_with("${") || password.starts_with('%');
    is_template && !password.contains("%2") && !password.contains("%4")
        || SAMPLES.iter().any(|sample| inner.eq_ignore_ascii_case(sample))
        || values::is_harmless(password) && !password.contains('/')
        || values::is_reference(password)
}

fn bearer(text: &str, begin: usize) -> Option<Range<usize>> {
    let is_token = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~+/=".contains(&byte);
    let length = run(text.as_bytes(), begin, LONGEST_TOKEN, is_token);
    let token = text.get(begin..begin + length)?.trim_end_matches('.');
    let is_token = token.len() >= 8 && token.bytes().any(|byte| byte.is_ascii_digit()) && !values::is_words(token)
        || values::is_random(token);
    (is_token && !values::is_harmless(token)).then_some(begin..begin + token.len())
}

/// Base64 of `user:password`.
fn basic(text: &str, begin: usize) -> Option<Range<usize>> {
    let is_token = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/');
    let bytes = text.as_bytes();
    let length = run(bytes, begin, 1_024, is_token);
    let padding = run(bytes, begin + length, 2, |byte| byte == b'=');
    if length < 6 {
        return None;
    }
    let decoded = STANDARD_NO_PAD.decode(bytes.get(begin..begin + length)?).ok()?;
    let decoded = String::from_utf8(decoded).ok()?;
    let is_pair = decoded.contains(':') && !decoded.contains(char::is_control);
    is_pair.then_some(begin..begin + length + padding)
}

/// `123456789:AA…`, 35 behind the colon.
fn telegram(text: &str, keyword: Range<usize>) -> Option<Range<usize>> {
    let bytes = text.as_bytes();
    let before = bytes.get(..keyword.start)?;
    let digits = before.iter().rev().take(12).take_while(|byte| byte.is_ascii_digit()).count();
    let length = run(bytes, keyword.start + 1, 40, is_url_byte);
    ((8..=10).contains(&digits) && length == 35).then_some(keyword.start - digits..keyword.start + 1 + length)
}
