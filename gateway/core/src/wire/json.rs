//! JSON, looked at once: one validating pass that keeps the place of everything.
//!
//! Agents send bodies of 50 KB to megabytes and resend them each turn, so a body is never
//! turned into a tree and back. [`Json::read`] checks the grammar and leaves a flat list of
//! nodes; stages walk the nodes and change the bytes by their spans.
//!
//! It is stricter than most parsers on purpose: an object with the same key twice, which two
//! parsers could read differently, is not readable here.

use std::borrow::Cow;
use std::collections::HashSet;
use std::ops::Range;

use bytes::Bytes;

/// Objects and arrays may be nested this deep. Real agents stay under 30.
pub const MAX_DEPTH: usize = 64;
/// Values one document may hold, keys included. A 1 MB conversation has about 20,000.
pub const MAX_NODES: usize = 1 << 20;

/// The most tokens that one reply can be said to have used.
const MAX_COUNT: f64 = 1e12;
/// As much of a caller's own text as a sentence about it repeats.
const MAX_QUOTED: usize = 100;

/// Why bytes are not JSON that we act on, and where.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{what} (byte {at})")]
pub struct Unreadable {
    /// Offset of the byte that could not be read.
    pub at: usize,
    pub what: What,
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum What {
    #[error("the text is not UTF-8")]
    Encoding,
    #[error("the JSON ends in the middle of a value")]
    Truncated,
    #[error("{0} was expected here")]
    Expected(&'static str),
    #[error("objects and arrays are nested deeper than {MAX_DEPTH} levels")]
    TooDeep,
    #[error("there are more than {MAX_NODES} values")]
    TooMany,
    #[error("the key {0:?} stands twice in one object, which two readers could take differently")]
    Duplicate(String),
    #[error("there is more text after the end of the JSON value")]
    Trailing,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Object,
    Array,
    String,
    Number,
    Bool,
    Null,
}

/// One value (or key): its kind, its bytes, and the node that follows all of its children.
#[derive(Debug, Clone, Copy)]
struct Node {
    kind: Kind,
    escaped: bool,
    start: u32,
    end: u32,
    next: u32,
}

/// A document that was read: the bytes as they came, and the place of every value.
#[derive(Debug, Clone)]
pub struct Json {
    bytes: Bytes,
    nodes: Vec<Node>,
}

impl Json {
    /// Reads one JSON document.
    ///
    /// # Errors
    /// [`Unreadable`] for anything outside RFC 8259, for duplicate keys, and beyond
    /// [`MAX_DEPTH`] or [`MAX_NODES`].
    pub fn read(bytes: Bytes) -> Result<Self, Unreadable> {
        if let Err(error) = std::str::from_utf8(&bytes) {
            return Err(Unreadable { at: error.valid_up_to(), what: What::Encoding });
        }
        let mut reader = Reader { bytes: &bytes, at: 0, nodes: Vec::with_capacity(bytes.len() / 64 + 8) };
        reader.space();
        reader.value(0)?;
        reader.space();
        if reader.at < bytes.len() {
            return Err(reader.wrong(What::Trailing));
        }
        let nodes = reader.nodes;
        Ok(Self { bytes, nodes })
    }

    #[must_use]
    pub fn bytes(&self) -> &Bytes {
        &self.bytes
    }

    #[must_use]
    pub fn root(&self) -> Value<'_> {
        self.value(0)
    }

    /// The value of this [`Value::index`].
    #[must_use]
    pub fn value(&self, index: usize) -> Value<'_> {
        Value { json: self, at: index }
    }
}

/// A value inside a [`Json`] document. Cheap to copy.
#[derive(Clone, Copy)]
pub struct Value<'a> {
    json: &'a Json,
    at: usize,
}

impl std::fmt::Debug for Value<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.raw())
    }
}

impl<'a> Value<'a> {
    fn node(self) -> Node {
        self.json.nodes[self.at]
    }

    #[must_use]
    pub fn kind(self) -> Kind {
        self.node().kind
    }

    /// A number that finds this value again: [`Json::value`].
    #[must_use]
    pub fn index(self) -> usize {
        self.at
    }

    /// Where the value stands in the document's bytes.
    #[must_use]
    pub fn span(self) -> Range<usize> {
        let node = self.node();
        node.start as usize..node.end as usize
    }

    /// The value's own bytes, spelled as they came.
    #[must_use]
    pub fn raw(self) -> &'a str {
        // The whole document was checked to be UTF-8, and spans end at ASCII bytes.
        std::str::from_utf8(&self.json.bytes[self.span()]).unwrap_or_default()
    }

    /// The members of an object, in order; nothing for any other kind.
    pub fn members(self) -> impl Iterator<Item = Member<'a>> {
        let node = self.node();
        let mut at = self.at + 1;
        let end = if node.kind == Kind::Object { node.next as usize } else { at };
        std::iter::from_fn(move || {
            if at >= end {
                return None;
            }
            let key = Value { json: self.json, at };
            let value = Value { json: self.json, at: at + 1 };
            at = value.node().next as usize;
            Some(Member { key, value })
        })
    }

    /// The items of an array, in order; nothing for any other kind.
    pub fn items(self) -> impl Iterator<Item = Self> {
        let node = self.node();
        let mut at = self.at + 1;
        let end = if node.kind == Kind::Array { node.next as usize } else { at };
        std::iter::from_fn(move || {
            if at >= end {
                return None;
            }
            let item = Value { json: self.json, at };
            at = item.node().next as usize;
            Some(item)
        })
    }

    /// The member of this name, whatever its spelling; none if this is no object.
    #[must_use]
    pub fn member(self, name: &str) -> Option<Member<'a>> {
        self.members().find(|member| member.name() == name)
    }

    /// The value of the member of this name.
    #[must_use]
    pub fn get(self, name: &str) -> Option<Self> {
        self.member(name).map(|member| member.value)
    }

    /// The value down a path of member names.
    #[must_use]
    pub fn at(self, path: &[&str]) -> Option<Self> {
        path.iter().try_fold(self, |value, name| value.get(name))
    }

    /// What stands between the quotes of a string, as it is spelled; of another value, all of it.
    #[must_use]
    pub fn inside(self) -> &'a str {
        let raw = self.raw();
        if self.kind() == Kind::String { &raw[1..raw.len() - 1] } else { raw }
    }

    /// A string's text, unescaped. A lone surrogate reads as U+FFFD.
    #[must_use]
    pub fn text(self) -> Option<Cow<'a, str>> {
        let node = self.node();
        if node.kind != Kind::String {
            return None;
        }
        let raw = self.raw();
        let inside = &raw[1..raw.len() - 1];
        Some(if node.escaped { Cow::Owned(unescape(inside)) } else { Cow::Borrowed(inside) })
    }

    /// A whole number that fits; none for fractions and anything else.
    #[must_use]
    pub fn integer(self) -> Option<u64> {
        (self.kind() == Kind::Number).then(|| self.raw().parse().ok()).flatten()
    }

    /// A count as a provider reports it: also one that is written as a fraction. What is beyond
    /// any real count is cut down, so that sums stay sums.
    #[must_use]
    pub fn count(self) -> Option<u64> {
        if self.kind() != Kind::Number {
            return None;
        }
        let number: f64 = self.raw().parse().ok()?;
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "it was cut to this range")]
        Some(number.ceil().clamp(0.0, MAX_COUNT) as u64)
    }

    #[must_use]
    pub fn is_true(self) -> bool {
        self.kind() == Kind::Bool && self.raw() == "true"
    }

    #[must_use]
    pub fn is_null(self) -> bool {
        self.kind() == Kind::Null
    }
}

/// A key and its value.
#[derive(Debug, Clone, Copy)]
pub struct Member<'a> {
    pub key: Value<'a>,
    pub value: Value<'a>,
}

impl<'a> Member<'a> {
    /// The key, unescaped.
    #[must_use]
    pub fn name(&self) -> Cow<'a, str> {
        self.key.text().unwrap_or_default()
    }

    /// From the key's first byte to the value's last.
    #[must_use]
    pub fn span(&self) -> Range<usize> {
        self.key.span().start..self.value.span().end
    }
}

struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
    nodes: Vec<Node>,
}

impl Reader<'_> {
    fn wrong(&self, what: What) -> Unreadable {
        Unreadable { at: self.at, what }
    }

    fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    fn space(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\n' | b'\r' | b'\t')) {
            self.at += 1;
        }
    }

    fn expect(&mut self, byte: u8, name: &'static str) -> Result<(), Unreadable> {
        match self.peek() {
            Some(found) if found == byte => {
                self.at += 1;
                Ok(())
            }
            Some(_) => Err(self.wrong(What::Expected(name))),
            None => Err(self.wrong(What::Truncated)),
        }
    }

    fn value(&mut self, depth: usize) -> Result<(), Unreadable> {
        match self.peek() {
            Some(b'{') => self.object(depth),
            Some(b'[') => self.array(depth),
            Some(b'"') => self.string(),
            Some(b'-' | b'0'..=b'9') => self.number(),
            Some(b't') => self.word("true", Kind::Bool),
            Some(b'f') => self.word("false", Kind::Bool),
            Some(b'n') => self.word("null", Kind::Null),
            Some(_) => Err(self.wrong(What::Expected("a JSON value"))),
            None => Err(self.wrong(What::Truncated)),
        }
    }

    /// Adds a node that ends where it starts; [`Self::close`] mends it.
    fn open(&mut self, kind: Kind) -> Result<usize, Unreadable> {
        if self.nodes.len() >= MAX_NODES {
            return Err(self.wrong(What::TooMany));
        }
        let start = u32::try_from(self.at).map_err(|_| self.wrong(What::TooMany))?;
        self.nodes.push(Node { kind, escaped: false, start, end: start, next: 0 });
        Ok(self.nodes.len() - 1)
    }

    fn close(&mut self, node: usize) -> Result<(), Unreadable> {
        let end = u32::try_from(self.at).map_err(|_| self.wrong(What::TooMany))?;
        // MAX_NODES is far below u32::MAX.
        let next = u32::try_from(self.nodes.len()).unwrap_or(u32::MAX);
        self.nodes[node].end = end;
        self.nodes[node].next = next;
        Ok(())
    }

    fn object(&mut self, depth: usize) -> Result<(), Unreadable> {
        if depth >= MAX_DEPTH {
            return Err(self.wrong(What::TooDeep));
        }
        let node = self.open(Kind::Object)?;
        self.at += 1;
        self.space();
        if self.peek() == Some(b'}') {
            self.at += 1;
            return self.close(node);
        }
        loop {
            if self.peek().is_some_and(|byte| byte != b'"') {
                return Err(self.wrong(What::Expected("a key in double quotes")));
            }
            self.string()?;
            self.space();
            self.expect(b':', "a colon")?;
            self.space();
            self.value(depth + 1)?;
            self.space();
            if self.peek() == Some(b',') {
                self.at += 1;
                self.space();
                continue;
            }
            self.expect(b'}', "a comma or a closing brace")?;
            self.close(node)?;
            return self.refuse_duplicates(node);
        }
    }

    fn array(&mut self, depth: usize) -> Result<(), Unreadable> {
        if depth >= MAX_DEPTH {
            return Err(self.wrong(What::TooDeep));
        }
        let node = self.open(Kind::Array)?;
        self.at += 1;
        self.space();
        if self.peek() == Some(b']') {
            self.at += 1;
            return self.close(node);
        }
        loop {
            self.value(depth + 1)?;
            self.space();
            if self.peek() == Some(b',') {
                self.at += 1;
                self.space();
                continue;
            }
            self.expect(b']', "a comma or a closing bracket")?;
            return self.close(node);
        }
    }

    fn string(&mut self) -> Result<(), Unreadable> {
        let node = self.open(Kind::String)?;
        self.expect(b'"', "a string")?;
        loop {
            match self.peek() {
                Some(b'"') => break,
                Some(b'\\') => {
                    self.nodes[node].escaped = true;
                    self.escape()?;
                }
                Some(0..=0x1f) => return Err(self.wrong(What::Expected("an escaped control character"))),
                Some(_) => self.at += 1,
                None => return Err(self.wrong(What::Truncated)),
            }
        }
        self.at += 1;
        self.close(node)
    }

    fn escape(&mut self) -> Result<(), Unreadable> {
        self.at += 1;
        match self.peek() {
            Some(b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't') => self.at += 1,
            Some(b'u') => {
                self.at += 1;
                for _ in 0..4 {
                    match self.peek() {
                        Some(byte) if byte.is_ascii_hexdigit() => self.at += 1,
                        Some(_) => return Err(self.wrong(What::Expected("a hexadecimal digit"))),
                        None => return Err(self.wrong(What::Truncated)),
                    }
                }
            }
            Some(_) => return Err(self.wrong(What::Expected("an escape that JSON has"))),
            None => return Err(self.wrong(What::Truncated)),
        }
        Ok(())
    }

    fn number(&mut self) -> Result<(), Unreadable> {
        let node = self.open(Kind::Number)?;
        if self.peek() == Some(b'-') {
            self.at += 1;
        }
        if self.peek() == Some(b'0') {
            self.at += 1;
        } else {
            self.digits()?;
        }
        if self.peek() == Some(b'.') {
            self.at += 1;
            self.digits()?;
        }
        if matches!(self.peek(), Some(b'e' | b'E')) {
            self.at += 1;
            if matches!(self.peek(), Some(b'+' | b'-')) {
                self.at += 1;
            }
            self.digits()?;
        }
        self.close(node)
    }

    fn digits(&mut self) -> Result<(), Unreadable> {
        let start = self.at;
        while matches!(self.peek(), Some(b'0'..=b'9')) {
            self.at += 1;
        }
        match self.peek() {
            _ if self.at > start => Ok(()),
            Some(_) => Err(self.wrong(What::Expected("a digit"))),
            None => Err(self.wrong(What::Truncated)),
        }
    }

    fn word(&mut self, word: &'static str, kind: Kind) -> Result<(), Unreadable> {
        let node = self.open(kind)?;
        let rest = &self.bytes[self.at..];
        if !rest.starts_with(word.as_bytes()) {
            let what = if word.as_bytes().starts_with(rest) { What::Truncated } else { What::Expected("a JSON value") };
            return Err(self.wrong(what));
        }
        self.at += word.len();
        self.close(node)
    }

    fn refuse_duplicates(&self, object: usize) -> Result<(), Unreadable> {
        let end = self.nodes[object].next as usize;
        let mut seen: HashSet<Cow<'_, str>> = HashSet::new();
        let mut few: [&str; 8] = [""; 8];
        let mut count = 0;
        let mut at = object + 1;
        while at < end {
            let key = self.nodes[at];
            let raw = &self.bytes[key.start as usize + 1..key.end as usize - 1];
            let raw = std::str::from_utf8(raw).unwrap_or_default();
            // Most objects are small and plainly spelled: those cost no allocation.
            if !key.escaped && seen.is_empty() && count < few.len() {
                if few[..count].contains(&raw) {
                    return Err(twice(key, raw));
                }
                few[count] = raw;
                count += 1;
            } else {
                if seen.is_empty() {
                    seen.extend(few[..count].iter().map(|name| Cow::Borrowed(*name)));
                }
                let name = if key.escaped { Cow::Owned(unescape(raw)) } else { Cow::Borrowed(raw) };
                if !seen.insert(name.clone()) {
                    return Err(twice(key, &name));
                }
            }
            at = self.nodes[at + 1].next as usize;
        }
        Ok(())
    }
}

fn twice(key: Node, name: &str) -> Unreadable {
    Unreadable { at: key.start as usize, what: What::Duplicate(shortened(name)) }
}

/// A caller's text as a sentence may repeat it.
#[must_use]
pub fn shortened(text: &str) -> String {
    text.chars().take(MAX_QUOTED).collect()
}

/// The text of what stands between the quotes of a string that was already checked, or of several
/// such pieces, one behind the other.
#[must_use]
pub fn unescape(inside: &str) -> String {
    let mut text = String::with_capacity(inside.len());
    let mut rest = inside;
    while let Some(at) = rest.find('\\') {
        text.push_str(&rest[..at]);
        let (character, used) = escape_at(&rest[at..]);
        text.push(character);
        rest = &rest[at + used..];
    }
    text.push_str(rest);
    text
}

/// The character of the escape that `rest` begins with, and the bytes it takes.
fn escape_at(rest: &str) -> (char, usize) {
    match rest.as_bytes().get(1) {
        Some(b'b') => ('\u{8}', 2),
        Some(b'f') => ('\u{c}', 2),
        Some(b'n') => ('\n', 2),
        Some(b'r') => ('\r', 2),
        Some(b't') => ('\t', 2),
        Some(b'u') => {
            let unit = |at: usize| rest.get(at..at + 4).and_then(|hex| u16::from_str_radix(hex, 16).ok());
            let first = unit(2).unwrap_or(0xfffd);
            let second = rest.get(6..8).filter(|next| *next == "\\u").and_then(|_| unit(8));
            if let Some(second) = second
                && let Some(Ok(pair)) = char::decode_utf16([first, second]).next()
                && pair.len_utf16() == 2
            {
                return (pair, 12);
            }
            (char::from_u32(u32::from(first)).unwrap_or(char::REPLACEMENT_CHARACTER), 6)
        }
        Some(other) => (char::from(*other), 2),
        None => (char::REPLACEMENT_CHARACTER, 1),
    }
}

/// A JSON string literal of this text, quotes included.
#[must_use]
pub fn quote(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

/// The same without the quotes, to stand inside a string that is there already.
#[must_use]
pub fn escape(text: &str) -> String {
    let quoted = quote(text);
    quoted[1..quoted.len() - 1].to_owned()
}

#[cfg(test)]
mod tests;
