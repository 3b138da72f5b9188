//! Words as the shell makes them. Given `x=.env` and the word `"$x"`: `.env`. Given `src/*.rs`: a
//! pattern. Given `$y`: not known.

use super::braces::{Unit, expand, units};
use super::scope::{Field, Folder, Scope, Value, escaped_char};
use super::walk::Walk;
use super::words::{Piece, is_name, pieces, pieces_of_body};

/// One character of a word, and what it may still become.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Mark {
    /// Typed without quotes.
    Bare(char),
    Quoted(char),
    /// From a variable without quotes: blanks divide words, patterns match.
    Split(char),
    /// From a variable in quotes, or a `~` that was expanded.
    Kept(char),
    /// Part of a pattern.
    Pattern(String),
    Hole {
        one: bool,
    },
    Nothing,
}

impl Walk {
    /// The words that a word becomes.
    pub(super) fn fields(&mut self, raw: &str) -> Vec<Field> {
        let unknown = || vec![Field::Unknown { one: false }];
        let Some(units) = self.sure(pieces(raw)).map(units) else { return unknown() };
        let Some(words) = self.sure(expand(&units)) else { return unknown() };
        words.into_iter().flat_map(|word| self.marks(word, 0)).flat_map(|marks| finished(&marks)).collect()
    }

    /// A word that stays one: behind a redirection, in a `case`.
    pub(super) fn one(&mut self, raw: &str) -> Field {
        let Some(units) = self.sure(pieces(raw)).map(units) else { return Field::Unknown { one: true } };
        let mut fields: Vec<Field> = self.marks(units, 0).into_iter().flat_map(|marks| finished(&marks)).collect();
        match (fields.pop(), fields.len()) {
            (Some(only), 0) => only,
            (None, _) => Field::Literal(String::new()),
            _ => Field::Unknown { one: false },
        }
    }

    /// What a variable is given: patterns in it are not matched yet.
    pub(super) fn value(&mut self, raw: &str) -> Value {
        let Some(pieces) = self.sure(pieces(raw)) else { return Value::Unknown };
        if let [Piece::Arithmetic(_)] = pieces.as_slice() {
            self.marks(units(pieces), 0);
            return Value::Number;
        }
        let mut marks: Vec<Mark> = self.marks(units(pieces), 0).into_iter().flatten().collect();
        for mark in &mut marks {
            if let Mark::Split(next) = mark {
                *mark = Mark::Kept(*next);
            }
        }
        // Behind each colon a `~` would be expanded too.
        if marks.windows(2).any(|pair| pair == [Mark::Bare(':'), Mark::Bare('~')]) {
            return Value::Unknown;
        }
        let keep = |mark: Mark| match mark {
            Mark::Bare(next) if next != '~' => Mark::Kept(next),
            mark => mark,
        };
        let first = marks.first().cloned();
        let kept: Vec<Mark> = first.into_iter().chain(marks.into_iter().skip(1).map(keep)).collect();
        let kept = match kept.first() {
            Some(Mark::Bare(next)) if *next != '~' => [vec![Mark::Kept(*next)], kept[1..].to_vec()].concat(),
            _ => kept,
        };
        finished(&kept).map_or_else(|| Value::Known(String::new()), Value::from)
    }

    /// A text in which only `$`, backticks and `\` count. None where it is not known.
    pub(super) fn body(&mut self, raw: &str) -> Option<String> {
        let units = units(self.sure(pieces_of_body(raw))?);
        let marks = self.marks(units, 0);
        let text = |mark: &Mark| match mark {
            Mark::Bare(next) | Mark::Quoted(next) | Mark::Split(next) | Mark::Kept(next) => Some(next.to_string()),
            Mark::Nothing => Some(String::new()),
            Mark::Pattern(_) | Mark::Hole { .. } => None,
        };
        marks.iter().flatten().map(text).collect()
    }

    /// An arithmetic expression. It evaluates the text of variables, which may hold commands.
    pub(super) fn arithmetic(&mut self, text: &str) {
        if let Some(pieces) = self.sure(pieces_of_body(text)) {
            self.marks(units(pieces), 1);
        }
        let names = text.split(|next: char| !next.is_ascii_alphanumeric() && next != '_').filter(|name| is_name(name));
        for name in names {
            // A sum that fails shows what was to be counted.
            if name.len() > 2 && !name.contains(|next: char| next.is_ascii_lowercase()) {
                self.told_by_environment(name);
            }
            match self.scope.value(name) {
                None | Some(Value::Number) => self.scope.set(name, Value::Number),
                Some(Value::Known(value)) if value.bytes().all(|byte| byte.is_ascii_digit()) => {
                    self.scope.set(name, Value::Number);
                }
                Some(_) => self.doubt(format!("arithmetic may run what is in the variable {name}")),
            }
        }
    }

    /// The characters of a word, divided where a variable has blanks in it.
    fn marks(&mut self, units: Vec<Unit>, depth: usize) -> Vec<Vec<Mark>> {
        let mut words: Vec<Vec<Mark>> = vec![Vec::new()];
        for unit in units {
            let found = match unit {
                Unit::Bare(next) => vec![Mark::Bare(next)],
                Unit::Quoted(next) => vec![Mark::Quoted(next)],
                Unit::Nothing => vec![Mark::Nothing],
                Unit::Piece(piece) => {
                    let is_first = words.last().is_none_or(|word| word.iter().all(|mark| *mark == Mark::Nothing));
                    self.piece(piece, is_first, depth)
                }
            };
            for mark in found {
                match (mark, words.last_mut()) {
                    (Mark::Split(next), _) if next.is_whitespace() => words.push(Vec::new()),
                    (mark, Some(word)) => word.push(mark),
                    (_, None) => {}
                }
            }
        }
        words
    }

    fn piece(&mut self, piece: Piece, is_first: bool, depth: usize) -> Vec<Mark> {
        match piece {
            Piece::Text(_) | Piece::Quoted(_) => Vec::new(),
            Piece::Variable { name, quoted } => {
                self.told_by_environment(&name);
                marks_of(&self.scope, &name, quoted, is_first)
            }
            Piece::Commands { text, quoted } => {
                self.substituted(&text);
                vec![Mark::Hole { one: quoted }]
            }
            Piece::Process(text) => {
                self.substituted(&text);
                // What is read or written through it is what its commands read and write.
                "/dev/fd/63".chars().map(Mark::Kept).collect()
            }
            Piece::Arithmetic(text) => {
                if depth == 0 {
                    self.arithmetic(&text)
                } else {
                    self.doubt("arithmetic stands within arithmetic")
                }
                vec![Mark::Hole { one: true }]
            }
            Piece::Altered { text, quoted } => {
                self.altered(&text, depth);
                vec![Mark::Hole { one: quoted && !text.contains('@') }]
            }
        }
    }

    /// What runs within `${…}`: substitutions, subscripts, offsets; and what is assigned.
    fn altered(&mut self, text: &str, depth: usize) {
        if depth > 4 {
            self.doubt("expansions stand too deep in each other");
        } else if let Some(pieces) = self.sure(pieces_of_body(text)) {
            self.marks(units(pieces), depth + 1);
        }
        let name = text.trim_start_matches('#').split(|next: char| !next.is_ascii_alphanumeric() && next != '_').next();
        let name = name.unwrap_or_default();
        // How long it is, and whether it is there at all, may be told.
        if !text.starts_with('#') && !text[name.len()..].trim_start_matches(':').starts_with('+') {
            self.told_by_environment(name);
        }
        let behind = text.trim_start_matches('#').strip_prefix(name).unwrap_or_default();
        if behind.starts_with('=') || behind.starts_with(":=") {
            self.scope.set(name, Value::Unknown);
            self.assigned(name);
        }
        let subscript = behind.strip_prefix('[').filter(|inside| !inside.starts_with(['@', '*']));
        let offset = behind.strip_prefix(':').filter(|inside| !inside.starts_with(['-', '=', '?', '+']));
        for sum in [subscript, offset].into_iter().flatten() {
            self.arithmetic(sum);
        }
    }
}

fn marks_of(scope: &Scope, name: &str, quoted: bool, is_first: bool) -> Vec<Mark> {
    let hole = |one| vec![Mark::Hole { one }];
    let mark = |next: char| if quoted { Mark::Kept(next) } else { Mark::Split(next) };
    match (name, scope.value(name)) {
        (_, Some(Value::Known(text))) if text.is_empty() && quoted => vec![Mark::Nothing],
        // A path that begins anew cannot be told in the middle of a word.
        (_, Some(Value::Known(text))) if !is_first && (text.starts_with('~') || text.starts_with("./~")) => hole(false),
        (_, Some(Value::Known(text))) => text.chars().map(mark).collect(),
        (_, Some(Value::Pattern(text))) => vec![Mark::Pattern(text.clone())],
        (_, Some(Value::Number)) => hole(true),
        (_, Some(Value::Unknown)) => hole(quoted),
        ("HOME", None) if is_first => vec![Mark::Kept('~')],
        ("PWD", None) if is_first && scope.folder() == Some(&Folder::Here) => vec![Mark::Kept('.')],
        ("?" | "#" | "$" | "!", None) => hole(true),
        (name, None) => hole(quoted && name != "@"),
    }
}

/// The word that these characters are; none where a variable without quotes was empty.
fn finished(marks: &[Mark]) -> Option<Field> {
    if marks.is_empty() {
        return None;
    }
    let hole = marks.iter().filter_map(|mark| if let Mark::Hole { one } = mark { Some(*one) } else { None });
    if let Some(one) = hole.reduce(|left, right| left && right) {
        return Some(Field::Unknown { one });
    }
    // Such patterns match names by rules that depend on the shell's settings.
    if marks.contains(&Mark::Bare('(')) {
        return Some(Field::Unknown { one: false });
    }
    let is_live = |mark: &Mark| matches!(mark, Mark::Bare(_) | Mark::Split(_));
    let closes = |mark: &Mark| matches!(mark, Mark::Bare(']') | Mark::Split(']'));
    let (mut text, mut pattern, mut is_pattern) = (String::new(), String::new(), false);
    for (at, mark) in marks.iter().enumerate() {
        match mark {
            Mark::Nothing | Mark::Hole { .. } => {}
            Mark::Pattern(part) => {
                is_pattern = true;
                pattern.push_str(part);
            }
            Mark::Bare(next) | Mark::Quoted(next) | Mark::Split(next) | Mark::Kept(next) => {
                let opens = *next == '[' && marks[at + 1..].iter().any(closes);
                let matches = is_live(mark) && (matches!(next, '*' | '?') || opens);
                is_pattern |= matches;
                text.push(*next);
                let live = matches || is_live(mark) && matches!(next, ']' | '!' | '^' | '-');
                if live { pattern.push(*next) } else { pattern.push_str(&escaped_char(*next)) }
            }
        }
    }
    let before = match home(marks) {
        Home::Expanded => "",
        Home::Literal => "./",
        Home::Unknown => return Some(Field::Unknown { one: true }),
    };
    Some(match is_pattern {
        true => Field::Pattern(format!("{before}{pattern}")),
        false => Field::Literal(format!("{before}{text}")),
    })
}

enum Home {
    /// There is no `~`, or it stands for a home folder.
    Expanded,
    /// There is one that stands for itself.
    Literal,
    /// `~+`, `~-`, `~2`.
    Unknown,
}

fn home(marks: &[Mark]) -> Home {
    match (marks.first(), marks.get(1)) {
        (Some(Mark::Quoted('~')), _) => Home::Literal,
        (Some(Mark::Bare('~')), Some(Mark::Bare(next))) if "+-".contains(*next) || next.is_ascii_digit() => {
            Home::Unknown
        }
        (Some(Mark::Bare('~')), _) => {
            let name = marks.iter().take_while(|mark| **mark != Mark::Bare('/'));
            if name.clone().all(|mark| matches!(mark, Mark::Bare(_))) { Home::Expanded } else { Home::Literal }
        }
        _ => Home::Expanded,
    }
}
