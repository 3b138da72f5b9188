//! Secrets by the names that they are given to. Given `     1→STRIPE_KEY=abc123`, or
//! `"apiKey": "abc123def"`: the place of the value. Given `apiKey: process.env.KEY`: nothing.

use std::ops::Range;

use super::line::{Quote, Stand, stand};
use super::names::{self, Says};
use super::span::{self, Value};
use super::values;
use super::{Found, Kind, placeholder};

/// Longer names are none.
const LONGEST_NAME: usize = 80;

/// An assignment, as far as it has been read.
#[derive(Debug)]
pub(super) struct Assignment<'a> {
    pub(super) text: &'a str,
    pub(super) name: Range<usize>,
    pub(super) says: Says,
    pub(super) is_capital: bool,
    /// The name stands in quotes: a key of JSON.
    pub(super) is_key: bool,
    /// `=`, `:` or `>`.
    pub(super) sign: u8,
    /// No space around the sign.
    pub(super) is_tight: bool,
    pub(super) stand: Stand,
}

impl Assignment<'_> {
    pub(super) fn name(&self) -> &str {
        self.text.get(self.name.clone()).unwrap_or_default()
    }

    /// Written as in a file of environment variables: `NAME=value`.
    pub(super) fn is_env(&self) -> bool {
        self.is_capital && self.is_tight && self.sign == b'=' && !self.is_key
    }
}

/// Finds what is given to names.
pub(super) fn find(text: &str, found: &mut Vec<Found>) {
    let bytes = text.as_bytes();
    let mut done = 0;
    for at in memchr::memchr3_iter(b'=', b':', b'>', bytes) {
        if at < done {
            continue;
        }
        let Some(assignment) = read(text, at) else { continue };
        let Some((value, kind)) = judge(&assignment, at) else { continue };
        let value = value.start..past_limit(text, value);
        done = value.end;
        push(&assignment, value, kind, found);
    }
}

/// A value that is longer than what was looked at goes to the end of its line.
fn past_limit(text: &str, value: Range<usize>) -> usize {
    if value.len() + 4 < span::LONGEST_BARE {
        return value.end;
    }
    let rest = text.as_bytes().get(value.end..).unwrap_or_default();
    let is_word =
        rest.first().is_some_and(|byte| !byte.is_ascii_whitespace() && !matches!(byte, b'"' | b'\'' | b'`' | b'\\'));
    if is_word { value.end + memchr::memchr(b'\n', rest).unwrap_or(rest.len()) } else { value.end }
}

/// The name that a value at this place is given to: `KEY="` and `key: ` stand before it.
#[must_use]
pub(super) fn name_of(text: &str, value: usize) -> Option<String> {
    let is_between = |byte: &u8| matches!(byte, b' ' | b'"' | b'\'' | b'\\');
    let before = text.as_bytes().get(..value)?;
    let sign = value - before.iter().rev().take(12).take_while(|byte| is_between(byte)).count();
    let sign = sign.checked_sub(1).filter(|sign| matches!(text.as_bytes().get(*sign), Some(b'=' | b':')))?;
    let before = before.get(..sign)?;
    let end = sign - before.iter().rev().take(12).take_while(|byte| is_between(byte)).count();
    let name = name_before(text, end, end < sign)?;
    let is_user = text.as_bytes().get(..name.start)?.ends_with(b"//");
    let says_so = |name: &&str| !is_user && (names::is_capital(name) || names::read(name) != Says::Nothing);
    text.get(name).filter(says_so).map(str::to_owned)
}

fn push(assignment: &Assignment<'_>, span: Range<usize>, kind: Kind, found: &mut Vec<Found>) {
    let name = assignment.name();
    // The second access key of Amazon has no form of its own; it is known by its name.
    let small = name.to_ascii_lowercase().replace(['_', '-', '.'], "");
    let is_amazon = kind == Kind::Env && (small.ends_with("secretaccesskey") || small.ends_with("awssecretkey"));
    let kinds = [Some(kind), is_amazon.then_some(Kind::CloudKey)];
    for kind in kinds.into_iter().flatten() {
        found.push(Found { span: span.clone(), kind, name: Some(name.to_owned()), pattern: None });
    }
}

/// Reads the name before a sign.
fn read(text: &str, at: usize) -> Option<Assignment<'_>> {
    let bytes = text.as_bytes();
    let sign = *bytes.get(at)?;
    let next = bytes.get(at + 1).copied().unwrap_or(b'\n');
    let is_other = match sign {
        b'=' => false,
        b':' => next == b':' || next == b'/' && bytes.get(at + 2) == Some(&b'/'),
        _ => next == b'<' || next == b'\n',
    };
    if is_other || at == 0 {
        return None;
    }
    // `'password' => 'x'`, as PHP and Ruby write it.
    let is_arrow = sign == b'>' && bytes.get(at - 1) == Some(&b'=');
    let sign = if is_arrow { b':' } else { sign };
    let sign_at = if is_arrow { at - 1 } else { at };
    let before = bytes.get(..sign_at)?;
    let mut end = sign_at - before.iter().rev().take(8).take_while(|byte| matches!(byte, b' ' | b'\t')).count();
    let is_tight_before = end == sign_at;
    // `?=`, `+=`, and `["KEY"] =`
    if end > 0
        && (bytes.get(end - 1) == Some(&b']')
            || is_tight_before && sign == b'=' && matches!(bytes.get(end - 1), Some(b'?' | b'+')))
    {
        end -= 1;
    }
    let is_key = end > 0 && matches!(bytes.get(end - 1), Some(b'"' | b'\''));
    if is_key {
        end -= 1;
        end -= super::line::slashes_before(bytes, end);
    }
    if is_arrow && !is_key {
        return None;
    }
    let name = name_before(text, end, is_key)?;
    let is_tag = sign == b'>';
    if is_tag && bytes.get(name.start.checked_sub(1)?) != Some(&b'<') {
        return None;
    }
    let words = text.get(name.clone())?;
    let says = names::read(words);
    let is_capital = names::is_capital(words);
    let is_tight = is_tight_before && !matches!(next, b' ' | b'\t');
    // Only in a file of variables is a value looked at whose name says nothing.
    if says == Says::Public || says <= Says::Nothing && !(is_capital && is_tight && sign == b'=') {
        return None;
    }
    // `https://user:password@host` is an address, and its password is found as one.
    let is_address = sign == b':' && bytes.get(..name.start)?.ends_with(b"//");
    if is_address || placeholder::is_inside(text, &(at..at + 1)) {
        return None;
    }
    let key_quote = if is_key { 1 + super::line::slashes_before(bytes, name.start.checked_sub(1)?) } else { 0 };
    let stand = stand(bytes, name.start.checked_sub(key_quote)?);
    // `==`, `=>` and `=~` are signs of programs; but a value of a file may begin with one.
    let is_sign = sign == b'=' && matches!(next, b'=' | b'>' | b'~');
    if is_sign && !(is_capital && is_tight && stand.begins_line) {
        return None;
    }
    Some(Assignment { text, name, says, is_capital, is_key, sign, is_tight, stand })
}

fn is_name_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.')
}

/// The name that ends here, without what a tool wrote before it.
fn name_before(text: &str, end: usize, is_key: bool) -> Option<Range<usize>> {
    let bytes = text.as_bytes();
    let length = bytes.get(..end)?.iter().rev().take(LONGEST_NAME + 1).take_while(|byte| is_name_byte(**byte)).count();
    if length == 0 {
        return None;
    }
    let mut begin = end - length.min(LONGEST_NAME);
    // Of `\nKEY` the `n` belongs to the backslash; of `\token` perhaps not.
    let is_escaped = !is_key && super::line::slashes_before(bytes, begin) > 0;
    if is_escaped && matches!(bytes.get(begin), Some(b'n' | b'r' | b't')) {
        let says = |begin| text.get(begin..end).map(names::read);
        if says(begin + 1) >= says(begin) || says(begin) == Some(Says::Nothing) {
            begin += 1;
        }
    }
    let name = text.get(begin..end)?;
    let name = name.trim_start_matches(['-', '.']).trim_end_matches(['-', '.']);
    // `12-` is written by grep before a line that stands near a hit.
    let digits = name.bytes().take_while(u8::is_ascii_digit).count();
    let name = name.get(digits..).and_then(|rest| rest.strip_prefix('-')).unwrap_or(name);
    let tail = name.rsplit(['-', '.']).next().unwrap_or(name);
    let name = if tail.len() > 2 && names::is_capital(tail) { tail } else { name };
    let begin = name.as_ptr() as usize - text.as_ptr() as usize;
    name.bytes().any(|byte| byte.is_ascii_alphabetic()).then(|| begin..begin + name.len())
}

/// Whether the value is a secret, where it stands, and of which kind it is.
fn judge(assignment: &Assignment<'_>, at: usize) -> Option<(Range<usize>, Kind)> {
    let value = span::value(assignment, at)?;
    let text = assignment.text.get(value.span.clone())?;
    if text.contains("PRIVATE KEY-----") {
        return Some((value.span, Kind::PrivateKey));
    }
    if let Some(word) = values::default_of(text.trim()) {
        let word = assignment.text.len().min(word.as_ptr() as usize - assignment.text.as_ptr() as usize)
            ..word.as_ptr() as usize - assignment.text.as_ptr() as usize + word.len();
        let inner = assignment.text.get(word.clone())?;
        let is_secret = assignment.says >= Says::Secret && !values::is_harmless(inner) && !inner.contains('$');
        return is_secret.then_some((word, Kind::Env));
    }
    if values::is_harmless(text) {
        return None;
    }
    if is_data_source(assignment, text) {
        return source_password(assignment, &value).map(|span| (span, Kind::ConnectionString));
    }
    let is_secret = match value.quote {
        Some(quote) => is_literal_secret(assignment, quote, text),
        None => is_bare_secret(assignment, &value, text),
    };
    let kind = if value.is_part { Kind::ConnectionString } else { Kind::Env };
    is_secret.then_some((value.span, kind))
}

/// `Server=…;User=…;Password=…`: only the password of it is a secret.
fn is_data_source(assignment: &Assignment<'_>, text: &str) -> bool {
    let has_parts = text.contains(';') && text.contains('=');
    has_parts && source_key(text).is_some() && !assignment.name().to_ascii_lowercase().contains("password")
}

/// Where the secret part of a connection string stands in it.
fn source_key(text: &str) -> Option<Range<usize>> {
    let small = text.to_ascii_lowercase();
    let begins = |at: usize| {
        small.get(..at).is_some_and(|before| before.trim_end().is_empty() || before.trim_end().ends_with(';'))
    };
    let begin = ["password=", "pwd=", "accountkey=", "sharedaccesskey=", "sharedaccesssignature="]
        .iter()
        .find_map(|key| small.match_indices(key).map(|(at, _)| at).find(|at| begins(*at)).map(|at| at + key.len()))?;
    let length = text.get(begin..)?.find(';').unwrap_or(text.len() - begin);
    Some(begin..begin + length)
}

fn source_password(assignment: &Assignment<'_>, value: &Value) -> Option<Range<usize>> {
    let text = assignment.text.get(value.span.clone())?;
    let inner = source_key(text)?;
    let is_harmless = values::is_harmless(text.get(inner.clone())?);
    (!is_harmless).then(|| value.span.start + inner.start..value.span.start + inner.end)
}

/// About a value in quotes.
fn is_literal_secret(assignment: &Assignment<'_>, quote: Quote, text: &str) -> bool {
    let is_env = assignment.is_env();
    if quote.byte == b'`' && text.contains("${") {
        return false;
    }
    match assignment.says {
        Says::Password => is_env || assignment.is_capital && assignment.is_key || values::is_password(text),
        Says::Secret if is_env || assignment.is_capital && assignment.is_key => !values::is_number(text),
        Says::Secret => values::is_mixed(text),
        Says::Perhaps if is_env => !values::is_number(text),
        Says::Perhaps if assignment.is_capital && assignment.is_key => {
            values::is_mixed(text) || text.bytes().any(|byte| byte.is_ascii_digit()) && !values::is_number(text)
        }
        Says::Perhaps if assignment.is_capital => values::is_mixed(text),
        Says::Perhaps => values::is_random(text),
        Says::About | Says::Nothing => is_env && is_odd(assignment, text),
        Says::Public => false,
    }
}

/// About a value without quotes.
fn is_bare_secret(assignment: &Assignment<'_>, value: &Value, text: &str) -> bool {
    let begins_line = assignment.stand.begins_line;
    let is_code = is_code(text);
    if value.is_part || value.is_whole {
        return true;
    }
    if assignment.is_env() {
        return match assignment.says {
            Says::Password => begins_line || !is_code,
            Says::Secret | Says::Perhaps => !values::is_number(text) && (begins_line || !is_code),
            _ => is_odd(assignment, text),
        };
    }
    let is_typed = is_type(assignment, value);
    if is_code || is_typed || text.contains(' ') || values::is_harmless(text.trim_end_matches([')', ']', '}'])) {
        return false;
    }
    let has_digit = text.bytes().any(|byte| byte.is_ascii_digit());
    let is_yaml = assignment.sign == b':' && begins_line;
    match assignment.says {
        Says::Password if assignment.is_capital && is_yaml => values::is_password(text),
        Says::Password => values::is_password(text) && (has_digit || is_yaml || assignment.sign == b'>'),
        Says::Secret if assignment.is_capital && is_yaml => !values::is_number(text),
        Says::Secret => values::is_mixed(text),
        Says::Perhaps if assignment.is_capital && is_yaml => values::is_mixed(text),
        _ => values::is_random(text),
    }
}

/// `name: Type = …`, `name: Type<…>`, `name: Type,`: what stands behind the name is no value.
fn is_type(assignment: &Assignment<'_>, value: &Value) -> bool {
    let behind = assignment.text.get(value.span.end..).unwrap_or_default();
    let is_list = behind.starts_with(',') && assignment.says < Says::Password;
    assignment.sign == b':' && (is_list || behind.starts_with(" = ") || behind.starts_with('<'))
}

/// A value that looks random, under a name that does not say that it is an identifier.
fn is_odd(assignment: &Assignment<'_>, text: &str) -> bool {
    text.len() >= 20 && values::is_random(text) && !names::is_identifier(assignment.name())
}

/// Whether a value without quotes is an expression of a program: `config.key`, `read()`, `Key::new`.
fn is_code(text: &str) -> bool {
    let is_end = text.ends_with([',', ';', '{', '(', '[', '\\'])
        || text.starts_with(['&', '*', '(', '{', '[', '!', '|', '@', '"']);
    let word =
        text.bytes().take_while(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'$' | b'.')).count();
    let rest = text.get(word..).unwrap_or_default();
    let begins_as_name = text.starts_with(|c: char| c.is_ascii_alphabetic() || matches!(c, '_' | '$'));
    let is_call =
        begins_as_name && ["(", "[", "::", "?", "<", "!.", "=>", ")"].iter().any(|sign| rest.starts_with(sign));
    let is_identifier = |part: &str| {
        part.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
            && part.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
            && !values::is_random(part)
    };
    let is_dotted = text.contains('.') && text.len() < 100 && text.split('.').all(is_identifier);
    is_end || is_call || is_dotted || text.contains("=>") || text.contains("${")
}
