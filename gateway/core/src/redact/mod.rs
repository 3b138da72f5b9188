//! Secrets in text, and what stands in their place. Given `STRIPE_KEY=sk_live_…` in what a tool
//! returned: `STRIPE_KEY=[redacted:env:STRIPE_KEY]`, the same on every turn.
//!
//! A secret is found by its own shape (`shapes`, `formats`), by the name it is given to
//! (`assigned`, `names`, `values`), or by a pattern of the operator's (`patterns`).

use std::collections::BTreeMap;
use std::ops::Range;

use aho_corasick::{AhoCorasick, AhoCorasickKind};
use schemars::JsonSchema;
use serde::Deserialize;

mod assigned;
mod beside;
mod formats;
mod line;
mod names;
pub mod patterns;
mod placeholder;
mod rounds;
mod shapes;
mod span;
mod values;

#[cfg(test)]
mod tests;

use patterns::Pattern;
use shapes::Shape;

/// What is done with secrets of a kind.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[schemars(rename = "RedactAction")]
pub enum Action {
    /// They are not looked for.
    Off,
    /// They are reported, and stay.
    Log,
    /// A placeholder stands in their place.
    #[default]
    Replace,
}

/// A kind of secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
#[schemars(rename = "SecretKind")]
pub enum Kind {
    /// What is given to a variable whose name says that it is a secret, or that looks random.
    Env,
    /// What the operator's own patterns find.
    Pattern,
    /// Key blocks (PEM), also where their end is missing.
    PrivateKey,
    /// Keys of clouds: AWS, Azure.
    CloudKey,
    /// Keys and tokens that are known by how they begin: `sk-ant-`, `ghp_`, `xoxb-`.
    ProviderKey,
    /// Signed tokens.
    Jwt,
    /// The password of an address: `postgres://user:password@host`.
    ConnectionString,
    /// `Basic` and what stands behind it.
    BasicAuth,
    /// `Bearer` and what stands behind it.
    Bearer,
}

impl Kind {
    /// Every kind. Where two find the same text, the earlier one names it.
    pub const ALL: [Self; 9] = [
        Self::Env,
        Self::Pattern,
        Self::PrivateKey,
        Self::CloudKey,
        Self::ProviderKey,
        Self::Jwt,
        Self::ConnectionString,
        Self::BasicAuth,
        Self::Bearer,
    ];

    /// As it is written in a policy and in a placeholder.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Env => "env",
            Self::Pattern => "pattern",
            Self::PrivateKey => "private-key",
            Self::CloudKey => "cloud-key",
            Self::ProviderKey => "provider-key",
            Self::Jwt => "jwt",
            Self::ConnectionString => "connection-string",
            Self::BasicAuth => "basic-auth",
            Self::Bearer => "bearer",
        }
    }
}

/// As written: `redact:` in the section `lockdown:` of `policy.yaml`.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Redact")]
pub struct Document {
    /// For the kinds that are not named.
    #[serde(default)]
    default: Action,
    /// For each kind.
    #[serde(default)]
    kinds: BTreeMap<Kind, Action>,
    /// Patterns of your own.
    #[serde(default)]
    patterns: Vec<patterns::Document>,
    /// Values that are no secrets, as they are written.
    #[serde(default)]
    ignore: Vec<String>,
}

/// As meant. By default all that is known is replaced.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(try_from = "Document")]
pub struct Rules {
    default: Action,
    kinds: BTreeMap<Kind, Action>,
    patterns: Vec<Pattern>,
    ignore: Vec<String>,
}

impl JsonSchema for Rules {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        Document::schema_name()
    }

    fn schema_id() -> std::borrow::Cow<'static, str> {
        Document::schema_id()
    }

    fn json_schema(generator: &mut schemars::SchemaGenerator) -> schemars::Schema {
        Document::json_schema(generator)
    }
}

/// More values are not ignored, and more patterns not searched for.
const MOST_LISTED: usize = 1_000;

#[derive(Debug, thiserror::Error)]
pub enum Problem {
    #[error("`ignore` holds an empty value, which would mean nothing; take it out")]
    Empty,
    #[error("`{0}` has more than {MOST_LISTED} entries; write a pattern that covers several")]
    Many(&'static str),
    #[error(transparent)]
    Pattern(#[from] patterns::Problem),
}

impl TryFrom<Document> for Rules {
    type Error = Problem;

    fn try_from(document: Document) -> Result<Self, Self::Error> {
        let Document { default, kinds, patterns, ignore } = document;
        if ignore.iter().any(|value| value.trim().is_empty()) {
            return Err(Problem::Empty);
        }
        let is_long = [("ignore", ignore.len()), ("patterns", patterns.len())];
        if let Some((list, _)) = is_long.into_iter().find(|(_, length)| *length > MOST_LISTED) {
            return Err(Problem::Many(list));
        }
        let patterns = patterns.into_iter().map(Pattern::try_from).collect::<Result<_, _>>()?;
        Ok(Self { default, kinds, patterns, ignore })
    }
}

impl Rules {
    /// What is done with secrets of a kind.
    #[must_use]
    pub fn action(&self, kind: Kind) -> Action {
        self.kinds.get(&kind).copied().unwrap_or(self.default)
    }

    /// The same, by which everything is replaced that is looked for: for those whom it is no trial to show
    /// it to.
    #[must_use]
    pub fn replacing(mut self) -> Self {
        let all = self.kinds.values_mut().chain(std::iter::once(&mut self.default));
        all.filter(|action| **action == Action::Log).for_each(|action| *action = Action::Replace);
        self
    }

    /// Whether nothing is looked for at all.
    #[must_use]
    pub fn is_off(&self) -> bool {
        Kind::ALL.iter().all(|kind| self.action(*kind) == Action::Off)
    }
}

/// A secret in a text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// Bytes of the text that was searched.
    pub span: Range<usize>,
    /// As [`Kind::name`] gives it.
    pub kind: &'static str,
    /// The name of the variable that holds it, such as `STRIPE_KEY`; of what a pattern of the
    /// operator's found, the pattern's name.
    pub name: Option<String>,
    /// What is done with it: it is logged or replaced.
    pub action: Action,
}

/// A text without its secrets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Redacted {
    /// What to send in place of the text. None: the text as it is.
    pub text: Option<String>,
    /// By their places in the text that was given.
    pub findings: Vec<Finding>,
}

impl Redacted {
    /// About how much memory it holds, in bytes.
    #[must_use]
    pub fn size(&self) -> usize {
        let name = |finding: &Finding| finding.name.as_ref().map_or(0, String::capacity);
        let names: usize = self.findings.iter().map(name).sum();
        let list = self.findings.capacity() * size_of::<Finding>();
        size_of::<Self>() + self.text.as_ref().map_or(0, String::capacity) + list + names
    }
}

/// What a search found, before it is decided which of it counts.
#[derive(Debug, Clone)]
struct Found {
    span: Range<usize>,
    kind: Kind,
    name: Option<String>,
    pattern: Option<String>,
}

/// Texts are searched in pieces of this many bytes.
const PIECE: usize = 8 << 20;
/// Pieces overlap by this much: more than any one secret is long, key blocks included.
const OVERLAP: usize = 128 << 10;

/// Finds and replaces secrets. Made once for a policy and a key; it is used by many at once.
#[derive(Debug, Clone)]
pub struct Redactor {
    rules: Rules,
    keywords: AhoCorasick,
    shapes: Vec<Shape>,
    maker: placeholder::Maker,
    piece: usize,
}

impl Redactor {
    /// `key` makes the digests of placeholders: with the same key, one secret has one placeholder.
    ///
    /// # Errors
    ///
    /// If the search for keywords cannot be built.
    pub fn new(rules: Rules, key: &[u8; 32]) -> Result<Self, aho_corasick::BuildError> {
        let formats = formats::FORMATS.iter().map(|format| (format.begin, Shape::Format(format)));
        let (words, shapes): (Vec<_>, Vec<_>) = shapes::KEYWORDS.into_iter().chain(formats).unzip();
        let keywords = AhoCorasick::builder().kind(Some(AhoCorasickKind::DFA)).build(words)?;
        Ok(Self { rules, keywords, shapes, maker: placeholder::Maker::new(key), piece: PIECE })
    }

    /// The secrets in a text, first to last; none overlaps another. [`Self::redact`] may tell of
    /// more: of what can be seen only when others have been replaced.
    #[must_use]
    pub fn find(&self, text: &str) -> Vec<Finding> {
        self.search(text).into_iter().map(|found| self.finding(found)).collect()
    }

    /// The text with placeholders for its secrets. Doing it twice changes nothing more.
    #[must_use]
    pub fn redact(&self, text: &str) -> Redacted {
        rounds::redact(self, text)
    }

    fn finding(&self, found: Found) -> Finding {
        let action = self.rules.action(found.kind);
        Finding { span: found.span, kind: found.kind.name(), name: found.pattern.or(found.name), action }
    }

    fn placeholder(&self, found: &Found, secret: &str) -> String {
        match &found.pattern {
            Some(pattern) => self.maker.of_pattern(found.kind.name(), pattern, secret),
            None => self.maker.make(found.kind.name(), found.name.as_deref(), secret),
        }
    }

    fn search(&self, text: &str) -> Vec<Found> {
        let mut found = Vec::new();
        let mut begin = 0;
        loop {
            let end = text.floor_char_boundary(text.len().min(begin + self.piece));
            self.search_piece(text, begin..end, &mut found);
            if end == text.len() {
                break;
            }
            begin = text.floor_char_boundary(end.saturating_sub(OVERLAP.min(self.piece / 2)));
        }
        found.retain(|one| self.counts(text, one));
        self.choose(found)
    }

    fn search_piece(&self, text: &str, piece: Range<usize>, found: &mut Vec<Found>) {
        let Some(inner) = text.get(piece.clone()) else { return };
        let from = found.len();
        if self.rules.action(Kind::Env) != Action::Off || self.rules.action(Kind::ConnectionString) != Action::Off {
            assigned::find(inner, found);
            beside::find(inner, found);
        }
        let mut done = 0;
        for hit in self.keywords.find_overlapping_iter(inner) {
            let Some(shape) = self.shapes.get(hit.pattern().as_usize()) else { continue };
            // Long ones are passed over whole, so that no byte is read again and again.
            if hit.start() < done {
                continue;
            }
            let Some((span, kind)) = shapes::read(inner, *shape, hit.range()) else { continue };
            if span.len() > 256 {
                done = span.end;
            }
            let name = assigned::name_of(inner, shapes::whole(inner, *shape, hit.start(), span.start));
            found.push(Found { span, kind, name, pattern: None });
        }
        for pattern in &self.rules.patterns {
            pattern.find(inner, found);
        }
        for one in found.iter_mut().skip(from) {
            one.span = one.span.start + piece.start..one.span.end + piece.start;
        }
    }

    /// Whether a find is to be told of at all.
    fn counts(&self, text: &str, found: &Found) -> bool {
        let Some(secret) = text.get(found.span.clone()) else { return false };
        let is_ignored = || self.rules.ignore.iter().any(|value| value == secret.trim());
        self.rules.action(found.kind) != Action::Off
            && !secret.is_empty()
            && !placeholder::is_inside(text, &found.span)
            && !is_ignored()
    }

    /// Of those that overlap, what is replaced goes before what is logged, then the longer, then the earlier kind.
    fn choose(&self, mut found: Vec<Found>) -> Vec<Found> {
        let is_kept = |one: &Found| self.rules.action(one.kind) != Action::Replace;
        found.sort_by_key(|one| (one.span.start, std::cmp::Reverse(one.span.end), is_kept(one), one.kind));
        let mut chosen: Vec<Found> = Vec::new();
        for one in found {
            match chosen.last_mut() {
                Some(last) if one.span.start < last.span.end => merge(last, one, &is_kept),
                _ => chosen.push(one),
            }
        }
        chosen
    }
}

/// Makes one of two that overlap.
fn merge(last: &mut Found, one: Found, is_kept: &impl Fn(&Found) -> bool) {
    match (is_kept(last), is_kept(&one)) {
        (true, false) => *last = one,
        (false, true) => {}
        _ => last.span.end = last.span.end.max(one.span.end),
    }
}
