//! A word as it was typed, cut into pieces. Given `a"b"$c`: the text `a`, the quoted text `b`, the
//! variable `c`.

use super::Unclear;

/// How deep quotes, substitutions and braces may stand in each other.
const DEEPEST: usize = 24;

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Piece {
    /// Stands for itself, but for braces, `~` and patterns.
    Text(String),
    /// Stands for itself.
    Quoted(String),
    /// `$name`, `${name}`.
    Variable { name: String, quoted: bool },
    /// `$(…)`, or backticks: these commands are run.
    Commands { text: String, quoted: bool },
    /// `<(…)`, `>(…)`: these commands are run, and a path to them stands here.
    Process(String),
    /// `$((…))`: a number.
    Arithmetic(String),
    /// `${x:-y}` and the like. What is between the braces.
    Altered { text: String, quoted: bool },
}

/// Cuts a word.
///
/// # Errors
/// Says why, where quotes or brackets are not closed, or an expansion runs its own text.
pub(super) fn pieces(raw: &str) -> Result<Vec<Piece>, Unclear> {
    let mut cutter = Cutter::new(raw, 0)?;
    cutter.bare()?;
    Ok(cutter.out)
}

/// Cuts the body of a here document or the inside of `${…}`: only `$`, backticks and `\` count.
///
/// # Errors
/// As [`pieces`].
pub(super) fn pieces_of_body(raw: &str) -> Result<Vec<Piece>, Unclear> {
    let mut cutter = Cutter::new(raw, 0)?;
    cutter.double(false)?;
    Ok(cutter.out)
}

struct Cutter<'a> {
    rest: &'a str,
    out: Vec<Piece>,
    depth: usize,
}

impl<'a> Cutter<'a> {
    fn new(rest: &'a str, depth: usize) -> Result<Self, Unclear> {
        if depth > DEEPEST {
            return Err(format!("quotes and substitutions stand in each other more than {DEEPEST} deep"));
        }
        Ok(Self { rest, out: Vec::new(), depth })
    }

    fn take(&mut self) -> Option<char> {
        let next = self.rest.chars().next()?;
        self.rest = &self.rest[next.len_utf8()..];
        Some(next)
    }

    fn eat(&mut self, prefix: &str) -> bool {
        let found = self.rest.strip_prefix(prefix);
        self.rest = found.unwrap_or(self.rest);
        found.is_some()
    }

    fn push(&mut self, next: char, quoted: bool) {
        match (self.out.last_mut(), quoted) {
            (Some(Piece::Text(text)), false) | (Some(Piece::Quoted(text)), true) => text.push(next),
            (_, false) => self.out.push(Piece::Text(next.to_string())),
            (_, true) => self.out.push(Piece::Quoted(next.to_string())),
        }
    }

    /// Text that is not in quotes, to the end.
    fn bare(&mut self) -> Result<(), Unclear> {
        while let Some(next) = self.take() {
            match next {
                '\\' => match self.take() {
                    Some('\n') => {}
                    escaped => self.push(escaped.unwrap_or('\\'), true),
                },
                '\'' => {
                    let text = self.until('\'')?;
                    self.out.push(Piece::Quoted(text));
                }
                '"' => {
                    self.out.push(Piece::Quoted(String::new()));
                    self.double(true)?;
                }
                '$' => self.dollar(false)?,
                '`' => self.backticks(false)?,
                '<' | '>' if self.eat("(") => {
                    let text = self.commands()?;
                    self.out.push(Piece::Process(text));
                }
                _ => self.push(next, false),
            }
        }
        Ok(())
    }

    /// Text in double quotes, to the closing one; or a text that is read like it, to the end.
    fn double(&mut self, closed: bool) -> Result<(), Unclear> {
        while let Some(next) = self.take() {
            match next {
                '"' if closed => return Ok(()),
                '\\' => match self.rest.chars().next() {
                    Some('\n') => drop(self.take()),
                    Some(escaped) if "$`\\".contains(escaped) || closed && escaped == '"' => {
                        self.take();
                        self.push(escaped, true);
                    }
                    _ => self.push('\\', true),
                },
                '$' => self.dollar(true)?,
                '`' => self.backticks(true)?,
                _ => self.push(next, true),
            }
        }
        if closed { Err(String::from("a double quote is not closed")) } else { Ok(()) }
    }

    /// What stands behind a `$`.
    fn dollar(&mut self, quoted: bool) -> Result<(), Unclear> {
        if !quoted && self.eat("'") {
            let text = self.ansi()?;
            self.out.push(Piece::Quoted(text));
        } else if !quoted && self.eat("\"") {
            self.out.push(Piece::Quoted(String::new()));
            self.double(true)?;
        } else if self.rest.starts_with("((") {
            self.sum_or_commands(quoted)?;
        } else if self.eat("(") {
            let text = self.commands()?;
            self.out.push(Piece::Commands { text, quoted });
        } else if self.eat("{") {
            let text = self.braces(quoted)?;
            self.out.push(altered(text, quoted)?);
        } else if self.eat("[") {
            let text = self.until(']')?;
            self.out.push(Piece::Arithmetic(text));
        } else {
            let length = name_length(self.rest);
            if length == 0 {
                self.push('$', quoted);
            } else {
                let name = self.rest[..length].to_owned();
                self.rest = &self.rest[length..];
                if self.is_altered_elsewhere() {
                    // It becomes another text in zsh: `$x[2,5]`, `$x:h`.
                    self.out.push(Piece::Altered { text: name, quoted });
                } else {
                    self.out.push(Piece::Variable { name, quoted });
                }
            }
        }
        Ok(())
    }

    fn is_altered_elsewhere(&self) -> bool {
        let modifier = self.rest.strip_prefix(':').and_then(|rest| rest.chars().next());
        self.rest.starts_with('[') || modifier.is_some_and(|next| "ahlpqrstuxAcefgPQwW&".contains(next))
    }

    /// `$((1+2))` is a sum, but `$((a); (b))` are commands.
    fn sum_or_commands(&mut self, quoted: bool) -> Result<(), Unclear> {
        self.eat("(");
        let text = self.commands()?;
        let sum = text.strip_prefix('(').and_then(|text| text.strip_suffix(')'));
        self.out.push(match sum.filter(|sum| is_balanced(sum)) {
            Some(sum) => Piece::Arithmetic(sum.to_owned()),
            None => Piece::Commands { text, quoted },
        });
        Ok(())
    }

    fn backticks(&mut self, quoted: bool) -> Result<(), Unclear> {
        let mut text = String::new();
        loop {
            match self.take() {
                None => return Err(String::from("a backtick is not closed")),
                Some('`') => break,
                Some('\\') => match self.take() {
                    Some(next) if "$`\\".contains(next) || quoted && next == '"' => text.push(next),
                    Some(next) => text.extend(['\\', next]),
                    None => text.push('\\'),
                },
                Some(next) => text.push(next),
            }
        }
        self.out.push(Piece::Commands { text, quoted });
        Ok(())
    }

    fn until(&mut self, end: char) -> Result<String, Unclear> {
        let (text, rest) = self.rest.split_once(end).ok_or_else(|| format!("there is no closing {end}"))?;
        self.rest = rest;
        Ok(text.to_owned())
    }

    /// `$'…'`: what is behind the opening quote.
    fn ansi(&mut self) -> Result<String, Unclear> {
        let mut text = String::new();
        loop {
            match self.take() {
                None => return Err(String::from("there is no closing '")),
                Some('\'') => return Ok(text),
                Some('\\') => text.push(self.escape()?),
                Some(next) => text.push(next),
            }
        }
    }

    fn escape(&mut self) -> Result<char, Unclear> {
        let unclear = || String::from("an escape in $'…' is not understood");
        let next = self.take().ok_or_else(unclear)?;
        let (digits, radix) = match next {
            'a' => return Ok('\u{7}'),
            'b' => return Ok('\u{8}'),
            'e' | 'E' => return Ok('\u{1b}'),
            'f' => return Ok('\u{c}'),
            'n' => return Ok('\n'),
            'r' => return Ok('\r'),
            't' => return Ok('\t'),
            'v' => return Ok('\u{b}'),
            '\\' | '\'' | '"' | '?' => return Ok(next),
            'x' => (2, 16),
            'u' => (4, 16),
            'U' => (8, 16),
            '0'..='7' => (2, 8),
            _ => return Err(unclear()),
        };
        let length = self.rest.chars().take(digits).take_while(|digit| digit.is_digit(radix)).count();
        let mut number = self.rest[..length].to_owned();
        self.rest = &self.rest[length..];
        if radix == 8 {
            number.insert(0, next);
        }
        let code = u32::from_str_radix(&number, radix).map_err(|_| unclear())?;
        // Bytes beyond ASCII, of which several may make one character, are left to others.
        let plain = code != 0 && (code < 0x80 || matches!(next, 'u' | 'U'));
        char::from_u32(code).filter(|_| plain).ok_or_else(unclear)
    }

    /// A part that is read by rules of its own, within this one.
    fn inner(&mut self, read: impl FnOnce(&mut Self) -> Result<(), Unclear>) -> Result<(), Unclear> {
        let mut inner = Cutter::new(self.rest, self.depth + 1)?;
        read(&mut inner)?;
        self.rest = inner.rest;
        Ok(())
    }

    /// Commands, to the closing parenthesis that is theirs.
    fn commands(&mut self) -> Result<String, Unclear> {
        let from = self.rest;
        self.inner(|inner| inner.skip_commands())?;
        Ok(from[..from.len() - self.rest.len() - 1].to_owned())
    }

    fn skip_commands(&mut self) -> Result<(), Unclear> {
        let mut open = 0;
        let mut documents: Vec<(String, bool)> = Vec::new();
        let mut before = ' ';
        while let Some(next) = self.take() {
            match next {
                '(' => open += 1,
                ')' if open == 0 => return Ok(()),
                ')' => open -= 1,
                '\\' => drop(self.take()),
                '\'' => drop(self.until('\'')?),
                '"' => self.inner(|inner| inner.double(true))?,
                '`' => self.inner(|inner| inner.backticks(false))?,
                '$' => self.inner(|inner| inner.dollar(false))?,
                '#' if before.is_whitespace() || ";&|(".contains(before) => {
                    let end = self.rest.find('\n').unwrap_or(self.rest.len());
                    self.rest = &self.rest[end..];
                }
                '<' if self.rest.starts_with("<<") => self.rest = &self.rest[2..],
                '<' if self.eat("<") => documents.push(self.document()?),
                '\n' => documents.drain(..).try_for_each(|(end, tabs)| self.skip_body(&end, tabs))?,
                _ => {}
            }
            before = next;
        }
        Err(String::from("a parenthesis is not closed"))
    }

    /// The word that ends a here document, and whether tabs before it count for nothing.
    fn document(&mut self) -> Result<(String, bool), Unclear> {
        let tabs = self.eat("-");
        self.rest = self.rest.trim_start_matches([' ', '\t']);
        let length = self.rest.find(|next: char| next.is_whitespace() || "|&;<>()".contains(next));
        let (word, rest) = self.rest.split_at(length.unwrap_or(self.rest.len()));
        self.rest = rest;
        let end = word.replace(['\'', '"', '\\'], "");
        if end.is_empty() {
            return Err(String::from("the end of a here document is not understood"));
        }
        Ok((end, tabs))
    }

    fn skip_body(&mut self, end: &str, tabs: bool) -> Result<(), Unclear> {
        loop {
            let (line, rest) = self.rest.split_once('\n').unwrap_or((self.rest, ""));
            if self.rest.is_empty() {
                return Err(format!("the here document has no end {end}"));
            }
            self.rest = rest;
            if line.trim_start_matches(|next| tabs && next == '\t') == end {
                return Ok(());
            }
        }
    }

    /// What stands between `${` and its `}`.
    fn braces(&mut self, quoted: bool) -> Result<String, Unclear> {
        let from = self.rest;
        self.inner(|inner| inner.skip_braces(quoted))?;
        Ok(from[..from.len() - self.rest.len() - 1].to_owned())
    }

    fn skip_braces(&mut self, quoted: bool) -> Result<(), Unclear> {
        while let Some(next) = self.take() {
            match next {
                '}' => return Ok(()),
                '\\' => drop(self.take()),
                '\'' if quoted => return Err(String::from("a quote within ${…} within quotes is read in two ways")),
                '\'' => drop(self.until('\'')?),
                '"' => self.inner(|inner| inner.double(true))?,
                '`' => self.inner(|inner| inner.backticks(quoted))?,
                '$' => self.inner(|inner| inner.dollar(quoted))?,
                _ => {}
            }
        }
        Err(String::from("a brace is not closed"))
    }
}

/// How long the name of a variable at the beginning of this text is, in bytes.
fn name_length(text: &str) -> usize {
    let first = text.chars().next().unwrap_or(' ');
    if "@*#?-$!".contains(first) || first.is_ascii_digit() {
        return 1;
    }
    text.find(|next: char| !next.is_ascii_alphanumeric() && next != '_').unwrap_or(text.len())
}

pub(super) fn is_name(text: &str) -> bool {
    !text.is_empty() && !text.starts_with(|first: char| first.is_ascii_digit()) && name_length(text) == text.len()
}

fn altered(text: String, quoted: bool) -> Result<Piece, Unclear> {
    if is_name(&text) || text.bytes().all(|byte| byte.is_ascii_digit()) {
        return Ok(Piece::Variable { name: text, quoted });
    }
    if text.starts_with('!') {
        return Err(String::from("${!…} is a variable that is named by another"));
    }
    let operator = text.rsplit_once('@').map(|(_, operator)| operator);
    if operator.is_some_and(|operator| operator.len() == 1 && operator.bytes().all(|byte| byte.is_ascii_alphabetic())) {
        return Err(String::from("${…@…} may run what is in a variable"));
    }
    Ok(Piece::Altered { text, quoted })
}

fn is_balanced(text: &str) -> bool {
    let mut open = 0_usize;
    for next in text.chars() {
        match next {
            '(' => open += 1,
            ')' if open == 0 => return false,
            ')' => open -= 1,
            _ => {}
        }
    }
    open == 0
}
