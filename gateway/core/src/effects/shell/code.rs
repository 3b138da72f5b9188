//! Programs that take a text of a small language. Given `sed -n 1,20p x`: `x` is read. Given
//! `sed 1e x` or `awk '{system($0)}' x`: unclear, since they run what they are given.

use super::arguments::{Arguments, told_apart};
use super::programs::Program;
use super::run::Run;
use super::scope::{Field, Kind};
use super::walk::Walk;

/// What makes a program for `awk` do more than read its input and print.
const OF_AWK: [&str; 13] = [
    "system",
    "getline",
    "|",
    ">",
    "@",
    "ENVIRON",
    "ARGV",
    "ARGC",
    "PROCINFO",
    "close",
    "fflush",
    "extension",
    "FS=\"|",
];

impl Walk {
    pub(super) fn sed(&mut self, name: &str, program: &'static Program, run: &Run<'_>) {
        let arguments = told_apart(program, run.words, None);
        // An ending may be a path of its own, where a `*` stands for the file's name.
        let ending = |word: &Field| {
            word.literal().is_some_and(|word| word.starts_with("-i") || word.starts_with("--in-place="))
                && word.literal().is_some_and(|word| word.contains(['*', '/']))
        };
        if run.words.iter().any(ending) {
            self.doubt("where `sed -i` keeps a copy is not understood");
        }
        // Some take the word behind `-i` for an ending; then the script is the next one.
        let second = arguments.operands.get(1).filter(|_| arguments.operands[0].literal() == Some(""));
        if second.is_some_and(|script| !script.literal().is_some_and(is_plain_sed)) {
            self.doubt("the code that `sed` is given may do more than print");
        }
        self.with_code(name, program, (&arguments, &["-e", "--expression"]), is_plain_sed);
    }

    pub(super) fn awk(&mut self, name: &str, program: &'static Program, run: &Run<'_>) {
        let arguments = told_apart(program, run.words, None);
        // `>=` compares; nothing is written by it.
        let is_plain = |code: &str| !OF_AWK.iter().any(|word| code.replace(">=", "").contains(word));
        self.with_code(name, program, (&arguments, &["-e", "--source"]), is_plain);
    }

    pub(super) fn jq(&mut self, name: &str, program: &'static Program, run: &Run<'_>) {
        let arguments = told_apart(program, run.words, None);
        let codes = arguments.operands.iter().take(2).filter_map(|code| code.literal());
        if codes.clone().any(reads_environment) {
            self.reads_environment();
        }
        // Of two programs by this name, one takes a command before the code, and may take none.
        if name != "jq" {
            if codes.clone().any(|code| code.contains("load")) {
                self.doubt(format!("the code that `{name}` is given may do more than print"));
            }
            arguments.operands.iter().take(1).for_each(|word| self.reads(word, Kind::File));
        }
        let is_plain = |code: &str| {
            !["import", "include", "load", "eval", "system", "exec"].iter().any(|word| code.contains(word))
        };
        self.with_code(name, program, (&arguments, &["-e-"]), is_plain);
    }

    /// A program whose first operand is code, unless an option gives it.
    fn with_code(
        &mut self,
        name: &str,
        program: &'static Program,
        (arguments, options): (&Arguments<'_>, &[&str]),
        is_plain: impl Fn(&str) -> bool,
    ) {
        self.options(name, program, arguments);
        let given = arguments.values.iter().filter(|(option, _, _)| options.contains(&option.as_str()));
        let first = arguments.operands.first().filter(|_| !arguments.has(&program.unless)).copied();
        for code in given.map(|(_, _, code)| code).chain(first) {
            if !code.literal().is_some_and(&is_plain) {
                self.doubt(format!("the code that `{name}` is given may do more than print"));
            }
        }
        self.operands(program, arguments);
        if arguments.operands.iter().any(|word| matches!(word, Field::Unknown { one: false })) {
            self.reads(&Field::Unknown { one: false }, Kind::File);
        }
    }
}

fn reads_environment(code: &str) -> bool {
    let words = code.split(|next: char| !next.is_ascii_alphanumeric() && next != '_' && next != '.');
    words
        .into_iter()
        .any(|word| matches!(word.split('.').next().unwrap_or_default(), "env" | "ENV" | "strenv" | "envsubst"))
}

/// Whether a script of `sed` consists of commands that only change and print lines.
fn is_plain_sed(script: &str) -> bool {
    let mut rest = script;
    loop {
        rest = rest.trim_start_matches([' ', '\t', '\n', ';', '{', '}']);
        if rest.is_empty() {
            return true;
        }
        if rest.starts_with('#') {
            rest = rest.split_once('\n').map_or("", |(_, rest)| rest);
            continue;
        }
        let Some(command) = behind_addresses(rest) else { return false };
        if let Some(inside) = command.strip_prefix('{') {
            rest = inside;
            continue;
        }
        let Some(behind) = behind_command(command) else { return false };
        if !behind.trim_start_matches([' ', '\t']).starts_with(['\n', ';', '}']) && !behind.trim().is_empty() {
            return false;
        }
        rest = behind;
    }
}

/// What follows the lines that a command is for: `1,20`, `/x/,$`, `2~3`, and a `!`.
fn behind_addresses(mut rest: &str) -> Option<&str> {
    loop {
        rest = match rest.chars().next()? {
            '/' => behind_pattern(&rest[1..], '/')?.trim_start_matches(['I', 'M']),
            '$' => &rest[1..],
            first if first.is_ascii_digit() => rest.trim_start_matches(|next: char| next.is_ascii_digit()),
            _ => break,
        };
        rest = rest.trim_start_matches(' ');
        match rest.strip_prefix([',', '~']) {
            Some(next) => rest = next.trim_start_matches([' ', '+', '~']),
            None => break,
        }
    }
    Some(rest.trim_start_matches([' ', '!']))
}

/// What follows a part that ends with this character.
fn behind_pattern(text: &str, end: char) -> Option<&str> {
    let mut escaped = false;
    let mut bracket = false;
    for (at, next) in text.char_indices() {
        match next {
            '\n' => return None,
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            // Within brackets programs differ about what ends the part.
            _ if next == end && bracket => return None,
            _ if next == end => return Some(&text[at + end.len_utf8()..]),
            '[' => bracket = true,
            ']' => bracket = false,
            _ => {}
        }
    }
    None
}

fn behind_command(text: &str) -> Option<&str> {
    let first = text.chars().next()?;
    let rest = &text[first.len_utf8()..];
    match first {
        'p' | 'd' | 'D' | 'n' | 'N' | 'P' | 'g' | 'G' | 'h' | 'H' | 'x' | '=' | 'l' | 'z' => Some(rest),
        'q' | 'Q' => Some(rest.trim_start_matches(|next: char| next.is_ascii_digit() || next == ' ')),
        'b' | 't' | 'T' | ':' => {
            let label = rest.trim_start_matches(' ');
            Some(label.trim_start_matches(|next: char| next.is_ascii_alphanumeric() || next == '_'))
        }
        // A text to the end of the line; one that goes on in the next is left out.
        'a' | 'i' | 'c' => {
            let line = rest.split_once('\n').map_or(rest, |(line, _)| line);
            let one_line =
                rest.strip_prefix("\\\n").map_or(line, |text| text.split_once('\n').map_or(text, |(line, _)| line));
            let behind = rest.strip_prefix("\\\n").unwrap_or(rest);
            (!one_line.ends_with('\\')).then(|| &behind[one_line.len()..])
        }
        's' | 'y' => {
            let end = rest.chars().next().filter(|end| end.is_ascii_punctuation() && *end != '\\')?;
            let replacement = behind_pattern(&rest[1..], end)?;
            let flags = behind_replacement(replacement, end)?;
            Some(flags.trim_start_matches(|next: char| next.is_ascii_digit() || "gpiIM".contains(next)))
        }
        _ => None,
    }
}

/// What follows a replacement, in which brackets mean nothing.
fn behind_replacement(text: &str, end: char) -> Option<&str> {
    let mut escaped = false;
    for (at, next) in text.char_indices() {
        match next {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            _ if next == end => return Some(&text[at + end.len_utf8()..]),
            _ => {}
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scripts_that_only_print_are_told_from_others() {
        let plain = [
            "1,20p",
            "s/a/b/",
            "s/a/b/gI",
            "/x/d",
            "/x/,/y/p",
            "$d",
            "1!G;h;$!d",
            "s|/a|/b|g",
            "2q",
            "s/[0-9]*/n/g",
            "1{p;q}",
            "/^#/d; s/ *$//",
            "a\\\nmore",
            "1i\\  text",
            "$a end",
            "y/abc/xyz/",
            ":a;N;$!ba;s/\\n/ /g",
            "10,+5p",
            "# note\np",
        ];
        let others = [
            "1e",
            "s/a/cat .env/e",
            "s/a/b/w out",
            "w out",
            "r .env",
            "R x",
            "W x",
            "s/a/b/ge",
            "1,2e id",
            "p;e",
            "/x/r .env",
            "a\\\nx\ne id",
            "s/[/]e/x/",
            "F",
            "v",
            "1{e",
            "s/a/b",
            "a x\\\ny\ne",
            "s\\a\\b\\",
            "M",
            "\\,x,e",
        ];
        for script in plain {
            assert!(is_plain_sed(script), "{script}");
        }
        // The second line of a text that is one line long is a command again.
        for script in others {
            assert!(!is_plain_sed(script), "{script}");
        }
    }
}
