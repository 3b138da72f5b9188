//! Commands of the shell itself. Given `cd app`: what follows is in `app`. Given
//! `eval 'cat x'`: what `cat x` does. Given bare `set`: the environment is shown.

use super::programs::Program;
use super::run::Run;
use super::scope::{Field, Kind, Scope, Value};
use super::walk::Walk;
use super::words::is_name;

/// Settings of the shell that change how its words are read.
const SETTINGS: [&str; 5] = ["dotglob", "extglob", "expand_aliases", "nocaseglob", "nocasematch"];

/// Settings of `set -o` and the letters of `set` that change nothing about it.
pub(super) const PLAIN: [&str; 14] = [
    "pipefail",
    "errexit",
    "nounset",
    "xtrace",
    "verbose",
    "noclobber",
    "noglob",
    "errtrace",
    "functrace",
    "allexport",
    "notify",
    "monitor",
    "posix",
    "noexec",
];
pub(super) const LETTERS: &str = "abefhmnuvxBCEHTPo";

/// A text within which a shell may run commands though it stands in quotes.
fn holds_commands(word: &Field) -> bool {
    word.literal().is_some_and(|text| text.contains("$(") || text.contains('`') || text.contains("${"))
}

impl Walk {
    pub(super) fn builtin(&mut self, name: &str, _program: &Program, run: &Run<'_>) {
        let words = run.words;
        // These take arithmetic, or subscripts, and read what stands in them once more.
        let counts = ["test", "[", "let", "printf", "wait", "shift", "exit", "return", "declare", "typeset", "local"];
        let first = if name == "printf" { words.get(1..2).unwrap_or_default() } else { words };
        let counts = counts.contains(&name) || matches!(name, "readonly" | "unset" | "read");
        let assigns = |word: &Field| {
            word.literal().is_some_and(|text| text.split('=').next().is_some_and(|name| name.contains('[')))
        };
        let deep = matches!(name, "declare" | "typeset" | "local" | "readonly");
        if counts && first.iter().any(|word| holds_commands(word) && (!deep || assigns(word))) {
            self.doubt(format!("`{name}` may run what is in its words"));
        }
        match name {
            "cd" | "chdir" => self.go(words, &Field::Literal(String::from("~"))),
            "pushd" => self.go(words, &Field::Unknown { one: true }),
            "popd" => self.scope.go(&Field::Unknown { one: true }),
            "export" | "declare" | "typeset" | "local" | "readonly" => self.declare(name, words),
            "unset" | "read" | "mapfile" | "readarray" | "getopts" => self.overwrite(name, words),
            "set" => self.set(words),
            "shopt" | "setopt" | "unsetopt" => self.settings(name, words),
            "printf" => {
                if words.first().and_then(Field::literal).is_some_and(|word| word.starts_with("-v")) {
                    self.overwrite(name, words);
                }
            }
            "let" => words.iter().for_each(|word| match word.literal() {
                Some(sum) => self.arithmetic(&sum.replace('$', "")), // commands in it were looked for
                None => self.doubt("`let` may run what is in a variable"),
            }),
            "test" | "[" => {
                if words.iter().any(|word| word.literal().is_some_and(|word| word == "-v" || word == "-R")) {
                    self.doubt("`test -v` may run what is in a subscript");
                }
            }
            "wait" => self.overwrite(name, words),
            "shift" | "exit" | "return" => {}
            "eval" => match joined(words) {
                Some(text) => self.script(&text),
                None => self.doubt("`eval` runs a text that is not known"),
            },
            "source" | "." => self.source(words),
            "trap" => self.trap(words),
            "alias" => {
                if words.iter().any(|word| word.literal().is_none_or(|word| word.contains('='))) {
                    self.doubt("`alias` gives names another meaning");
                }
            }
            _ => self.doubt(format!("`{name}` is not known")),
        }
    }

    fn go(&mut self, words: &[Field], without: &Field) {
        let is_option = |word: &&Field| word.literal().is_some_and(|word| word.len() > 1 && word.starts_with('-'));
        let mut operands = words.iter().filter(|word| !is_option(word));
        let to = operands.next().unwrap_or(without).clone();
        let turns = to.literal().is_some_and(|to| to.starts_with('+') || to.is_empty());
        self.scope.go(if turns || operands.next().is_some() { &Field::Unknown { one: true } } else { &to });
    }

    fn declare(&mut self, name: &str, words: &[Field]) {
        let is_option = |word: &&Field| word.literal().is_some_and(|word| word.starts_with(['-', '+']));
        let flags: String = words.iter().filter(is_option).filter_map(Field::literal).collect();
        if flags.contains(['n', 'i', 'f']) {
            self.doubt(format!("`{name} {flags}` makes what variables and functions mean hard to tell"));
        }
        let names: Vec<_> = words.iter().filter(|word| !is_option(word)).collect();
        if flags.contains('p') || names.is_empty() && !flags.contains('F') {
            self.reads_environment();
        }
        for word in names {
            match word.literal().map(|word| word.split_once('=').unwrap_or((word, ""))) {
                Some((variable, value)) if is_name(variable) => {
                    let assigned = word.literal().is_some_and(|word| word.contains('='));
                    let plain = !flags.contains(['u', 'l', 'c', 'a', 'A']);
                    match (assigned, plain) {
                        (true, true) => self.declared(variable, Value::Known(value.to_owned())),
                        (true, false) => self.declared(variable, Value::Unknown),
                        (false, _) => self.assigned(variable),
                    }
                }
                Some((variable, _)) => {
                    let variable = variable.trim_end_matches('+').split('[').next().unwrap_or_default().to_owned();
                    self.declared(&variable, Value::Unknown);
                }
                None => self.doubt(format!("which variables `{name}` sets is not known")),
            }
        }
    }

    /// Variables that are given values that are not known.
    fn overwrite(&mut self, name: &str, words: &[Field]) {
        for word in words {
            match word.literal() {
                Some("-C") if name != "read" => self.doubt(format!("`{name} -C` runs what it is given")),
                Some(word) => {
                    let variable = word.trim_start_matches("-v").split('[').next().unwrap_or_default();
                    if is_name(variable) {
                        self.declared(variable, Value::Unknown);
                    }
                    if word.contains('[') && !word.contains("%") && name != "printf" {
                        self.doubt("a subscript may run what is in it");
                    }
                }
                None if name == "printf" => {}
                None => self.doubt(format!("which variables `{name}` sets is not known")),
            }
        }
    }

    fn set(&mut self, words: &[Field]) {
        let literals: Vec<&str> = words.iter().map_while(Field::literal).collect();
        for (at, flags) in
            literals.iter().enumerate().take_while(|(_, word)| word.starts_with(['-', '+']) && **word != "--")
        {
            let setting = literals.get(at + 1).filter(|_| flags.ends_with('o'));
            let is_plain = setting.is_none_or(|setting| PLAIN.contains(setting) || setting.starts_with(['-', '+']));
            if !flags[1..].chars().all(|letter| LETTERS.contains(letter)) || !is_plain {
                self.doubt("a setting changes how words are read");
            }
        }
        match words.first().map(Field::literal) {
            None => self.reads_environment(),
            Some(Some(flags)) if flags.starts_with('-') && !flags.starts_with("--") && flags.contains('k') => {
                self.doubt("`set -k` makes words into variables");
            }
            Some(Some(flags)) if flags.starts_with(['-', '+']) => {}
            Some(_) if words[0].literal().is_some() => {}
            Some(_) => self.doubt("what `set` changes is not known"),
        }
    }

    fn settings(&mut self, name: &str, words: &[Field]) {
        // Of zsh, too many settings change that, in too many spellings.
        let of_zsh = name != "shopt";
        let changes = |word: &Field| word.literal().is_none_or(|word| of_zsh || SETTINGS.contains(&word));
        if words.iter().any(changes) {
            self.doubt("a setting changes how words are read");
        }
    }

    fn source(&mut self, words: &[Field]) {
        match words.first() {
            Some(file) => {
                if !file.literal().is_some_and(|file| file != "-" && !file.starts_with("/dev/")) {
                    self.doubt("`source` runs commands that are not known");
                }
                self.reads(file, Kind::File);
            }
            None => self.doubt("`source` names no file"),
        }
        words.iter().skip(1).for_each(|word| self.guess(word));
    }

    /// Commands that are run later, when it is not known what variables hold.
    fn trap(&mut self, words: &[Field]) {
        let mut operands = words.iter().skip_while(|word| matches!(word.literal(), Some("--" | "-p" | "-l")));
        match operands.next().map(Field::literal) {
            None | Some(Some("" | "-")) => {}
            Some(Some(text)) => self.below(|walk| {
                walk.scope = Scope::new();
                walk.scope.go(&Field::Unknown { one: true });
                walk.scope.doubt();
                walk.script(text);
            }),
            Some(None) => self.doubt("`trap` runs a text that is not known"),
        }
    }
}

/// Words put together to the text of a command.
pub(super) fn joined(words: &[Field]) -> Option<String> {
    let words: Option<Vec<_>> = words.iter().map(Field::literal).collect();
    words.map(|words| words.join(" "))
}
