//! The shape of a path, a segment at a time. Given `src/*.{ts,js}`: two shapes, each of the
//! segment `src` and a segment that is any text followed by `.ts` or `.js`.

/// One character that may stand somewhere: sorted ranges that do not touch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Set(Vec<(char, char)>);

/// A part of a segment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Piece {
    Is(char),
    In(Set),
    /// Any text, also none.
    Many,
}

/// A part of a path, between two slashes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Segment {
    Name {
        pieces: Vec<Piece>,
        /// Whether a wildcard at its beginning may stand for a dot. A shell's may not.
        dots: bool,
    },
    /// Any number of names, also none; of names that begin with a dot only if `dots`.
    Deep { dots: bool },
}

/// How a pattern is read: by whoever runs it, or by us from a rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Tongue {
    /// A backslash takes the meaning off the next character, and what makes no sense is literal.
    Shell,
    /// What makes no sense is an error; wildcards stand for dots too.
    Rule,
}

/// Pieces larger than this are not looked at.
pub(super) const LONGEST: usize = 4096;
/// A pattern of more alternatives than this is not read.
const MOST_ALTERNATIVES: usize = 64;
/// Ranges of at most so many characters are folded one by one.
const SMALL_RANGE: u32 = 256;

impl Set {
    pub(super) fn all() -> Self {
        Self(vec![('\0', char::MAX)])
    }

    fn of(mut ranges: Vec<(char, char)>) -> Self {
        ranges.sort_unstable();
        let mut merged: Vec<(char, char)> = Vec::new();
        for (low, high) in ranges {
            match merged.last_mut() {
                Some(last) if low <= last.1 || after(last.1) == Some(low) => last.1 = last.1.max(high),
                _ => merged.push((low, high)),
            }
        }
        Self(merged)
    }

    fn complement(&self) -> Self {
        let mut left = Vec::new();
        let mut next = Some('\0');
        for &(low, high) in &self.0 {
            if let (Some(start), Some(end)) = (next, before(low))
                && start <= end
            {
                left.push((start, end));
            }
            next = after(high);
        }
        if let Some(start) = next {
            left.push((start, char::MAX));
        }
        Self(left)
    }

    pub(super) fn has(&self, c: char) -> bool {
        self.0.iter().any(|&(low, high)| low <= c && c <= high)
    }

    /// Whether a character is in both, other than `but`.
    pub(super) fn meets(&self, other: &Self, but: Option<char>) -> bool {
        self.0.iter().any(|&(a, b)| {
            other.0.iter().any(|&(c, d)| {
                let (low, high) = (a.max(c), b.min(d));
                low <= high && !(low == high && Some(low) == but)
            })
        })
    }

    /// Whether all of the other is in this one.
    pub(super) fn holds(&self, other: &Self) -> bool {
        other.0.iter().all(|&(a, b)| self.0.iter().any(|&(low, high)| low <= a && b <= high))
    }

    /// With the small letter of every letter in it.
    fn folded(&self) -> Self {
        let mut ranges = self.0.clone();
        for &(low, high) in &self.0 {
            let is_small = u32::from(high) - u32::from(low) <= SMALL_RANGE;
            let (low, high) = if is_small { (low, high) } else { (low.max('A'), high.min('Z')) };
            ranges.extend((low..=high).flat_map(char::to_lowercase).map(|c| (c, c)));
        }
        Self::of(ranges)
    }
}

fn after(c: char) -> Option<char> {
    (c..=char::MAX).nth(1)
}

fn before(c: char) -> Option<char> {
    ('\0'..c).next_back()
}

impl Segment {
    pub(super) fn literal(text: &str) -> Self {
        Self::Name { pieces: text.chars().map(Piece::Is).collect(), dots: true }
    }

    /// Any name.
    pub(super) fn any() -> Self {
        Self::Name { pieces: vec![Piece::Many], dots: true }
    }

    /// The text, if it stands only for itself.
    pub(super) fn text(&self) -> Option<String> {
        let Self::Name { pieces, .. } = self else { return None };
        pieces.iter().map(|piece| if let Piece::Is(c) = piece { Some(*c) } else { None }).collect()
    }

    /// As a file system sees it that ignores case, unusual spellings and what stands at the end.
    pub(super) fn folded(&self) -> Self {
        let Self::Name { pieces, dots } = self else { return self.clone() };
        if let Some(text) = self.text() {
            let folded = fold(&text);
            let cut = cut_end(&folded);
            return Self::literal(if cut.is_empty() { &folded } else { cut });
        }
        let mut folded = Vec::with_capacity(pieces.len());
        let mut run = String::new();
        for piece in pieces {
            match piece {
                Piece::Is(c) => run.push(*c),
                other => {
                    folded.extend(fold(&std::mem::take(&mut run)).chars().map(Piece::Is));
                    folded.push(if let Piece::In(set) = other { Piece::In(set.folded()) } else { other.clone() });
                }
            }
        }
        folded.extend(fold(&run).chars().map(Piece::Is));
        Self::Name { pieces: folded, dots: *dots }
    }

    /// Whether it could be this name, were dots nothing special.
    pub(super) fn could_be(&self, name: &str) -> bool {
        let bare = match self {
            Self::Name { pieces, .. } => Self::Name { pieces: pieces.clone(), dots: true },
            Self::Deep { .. } => return true,
        };
        super::meet::names_meet(&bare, &Self::literal(name))
    }
}

/// One spelling for texts that a file system may take for the same.
pub(super) fn fold(text: &str) -> String {
    if text.bytes().all(|byte| byte.is_ascii_graphic() || byte == b' ') {
        return text.to_ascii_lowercase();
    }
    let normal = icu_normalizer::ComposingNormalizerBorrowed::new_nfkc();
    // The small letter of a normal text may not be normal itself, nor the other way about.
    let once: String =
        normal.normalize(text).chars().filter(|c| !is_ignored(*c)).flat_map(char::to_lowercase).collect();
    normal.normalize(&once).into_owned()
}

/// Characters without a shape of their own, which some file systems leave out of a name.
pub(super) fn is_ignored(c: char) -> bool {
    matches!(c, '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{180b}'..='\u{180f}' | '\u{200b}'..='\u{200f}'
        | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{fe00}'..='\u{fe0f}' | '\u{feff}'
        | '\u{e0000}'..='\u{e0fff}')
}

/// Without what Windows does not read at the end of a name: dots, spaces, and the name of a stream.
pub(super) fn cut_end(name: &str) -> &str {
    let is_drive = name.len() == 2 && name.ends_with(':');
    let name = match name.find(':') {
        Some(at) if at > 0 && !is_drive => &name[..at],
        _ => name,
    };
    name.trim_end_matches(['.', ' '])
}

/// Reads one segment of a pattern.
///
/// # Errors
/// A sentence, for a rule that says nothing sensible; a shell's pattern says it to nobody.
pub(super) fn segment(text: &str, tongue: Tongue) -> Result<Segment, String> {
    let dots = tongue == Tongue::Rule;
    if text == "**" {
        return Ok(Segment::Deep { dots });
    }
    let mut pieces = Vec::new();
    let mut rest = text.chars();
    while let Some(c) = rest.next() {
        let piece = match c {
            '*' if pieces.last() == Some(&Piece::Many) => continue,
            '*' => Piece::Many,
            '?' => Piece::In(Set::all()),
            '\\' => Piece::Is(rest.next().unwrap_or('\\')),
            '[' => match class(rest.as_str()) {
                Some((set, left)) => {
                    rest = left.chars();
                    Piece::In(set)
                }
                None if tongue == Tongue::Shell => Piece::Is('['),
                None => return Err(format!("the `[` in {text:?} has no `]` that ends it; a bracket itself is `[[]`")),
            },
            c => Piece::Is(c),
        };
        pieces.push(piece);
    }
    Ok(Segment::Name { pieces, dots })
}

/// Reads what stands behind a `[`: the characters, and what is left behind the `]`.
fn class(text: &str) -> Option<(Set, &str)> {
    let (negated, body) = match text.strip_prefix(['!', '^']) {
        Some(body) => (true, body),
        None => (false, text),
    };
    let mut ranges = Vec::new();
    let mut named = false;
    let mut chars = body.char_indices().peekable();
    let mut first = true;
    while let Some((at, c)) = chars.next() {
        if c == ']' && !first {
            let left = &body[at + 1..];
            // `[[:alpha:]]`, `[[=a=]]`: whatever they hold, it is one character.
            let set = if named { Set::all() } else { Set::of(ranges) };
            return Some((if negated && !named { set.complement() } else { set }, left));
        }
        first = false;
        if c == '[' && chars.peek().is_some_and(|(_, c)| matches!(c, ':' | '=' | '.')) {
            let mark = chars.next().map(|(_, c)| c)?;
            let end = body[at + 2..].find(&format!("{mark}]"))? + at + 4;
            while chars.next_if(|(at, _)| *at < end).is_some() {}
            named = true;
            continue;
        }
        let low = if c == '\\' { chars.next()?.1 } else { c };
        let mut ahead = chars.clone();
        let high = match (ahead.next(), ahead.next()) {
            (Some((_, '-')), Some((_, high))) if high != ']' => {
                chars = ahead;
                if high == '\\' { chars.next()?.1 } else { high }
            }
            _ => low,
        };
        // A range that runs backwards is empty to one reader and its two ends to another.
        ranges.extend([(low.min(high), low.max(high))]);
    }
    None
}

/// The patterns that a pattern with braces stands for; None for too many, and for what shells
/// read in ways of their own.
pub(super) fn expand(text: &str) -> Option<Vec<String>> {
    if text.len() > LONGEST {
        return None;
    }
    let mut done = Vec::new();
    let mut open = vec![(String::new(), text.to_owned())];
    while let Some((before, rest)) = open.pop() {
        if open.len() + done.len() > MOST_ALTERNATIVES {
            return None;
        }
        match braces(&rest) {
            None => done.push(before + &rest),
            Some((start, end)) => {
                let inner = &rest[start + 1..end];
                for choice in choices(inner)? {
                    // A choice may hold braces of its own, so it is looked at again.
                    open.push((format!("{before}{}", &rest[..start]), format!("{choice}{}", &rest[end + 1..])));
                }
            }
        }
    }
    Some(done)
}

/// Where the first pair of braces stands that means something.
fn braces(text: &str) -> Option<(usize, usize)> {
    let mut starts = Vec::new();
    let mut found: Option<(usize, usize)> = None;
    let mut chars = text.char_indices();
    while let Some((at, c)) = chars.next() {
        match c {
            '\\' => {
                chars.next();
            }
            '{' => starts.push(at),
            '}' => {
                let Some(start) = starts.pop() else { continue };
                let means = !choices_of(&text[start + 1..at]).is_empty();
                if means && found.is_none_or(|(first, _)| start < first) {
                    found = Some((start, at));
                }
            }
            _ => {}
        }
    }
    found
}

/// Splits at the commas that are in no braces of their own. Empty for text in braces that stands
/// for itself: `{}`.
fn choices_of(inner: &str) -> Vec<&str> {
    if inner.is_empty() {
        return Vec::new();
    }
    let mut parts = Vec::new();
    let (mut depth, mut start) = (0_usize, 0);
    let mut chars = inner.char_indices();
    while let Some((at, c)) = chars.next() {
        match c {
            '\\' => {
                chars.next();
            }
            '{' => depth += 1,
            '}' => depth = depth.saturating_sub(1),
            ',' if depth == 0 => {
                parts.push(&inner[start..at]);
                start = at + 1;
            }
            _ => {}
        }
    }
    parts.push(&inner[start..]);
    parts
}

fn choices(inner: &str) -> Option<Vec<String>> {
    let parts = choices_of(inner);
    match parts.as_slice() {
        // Bash keeps the braces of `{a}`, other readers take them off.
        [one] if !one.contains("..") => Some(vec![(*one).to_owned(), format!("\\{{{one}\\}}")]),
        [one] => sequence(one),
        many => Some(many.iter().map(|part| (*part).to_owned()).collect()),
    }
}

/// `a..e`, `1..9`.
fn sequence(text: &str) -> Option<Vec<String>> {
    let (low, high) = text.split_once("..")?;
    let one = |text: &str| text.chars().next().filter(|c| text.len() == 1 && c.is_ascii_graphic());
    if let (Ok(low), Ok(high)) = (low.parse::<u32>(), high.parse::<u32>())
        && low.to_string().len() + high.to_string().len() + 2 == text.len()
    {
        let (low, high) = (low.min(high), low.max(high));
        return (high - low < 64).then(|| (low..=high).map(|number| number.to_string()).collect());
    }
    let (low, high) = (one(low)?, one(high)?);
    let (low, high) = (low.min(high), low.max(high));
    // A backslash or a slash among them would mean something of its own.
    (low..=high).map(|c| c.is_ascii_alphanumeric().then(|| c.to_string())).collect()
}
