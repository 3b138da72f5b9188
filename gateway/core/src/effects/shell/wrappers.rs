//! Programs that run others. Given `env A=1 cat x`: what `cat x` does. Given `bash -c 'cat x'`: the
//! same. Given `xargs cat`: `cat` reads files that are not known.

use crate::effects::{Effect, Word};

use super::arguments::told_apart;
use super::builtins::{LETTERS, PLAIN, joined};
use super::programs::Program;
use super::run::{Input, Run};
use super::scope::{Field, Kind};
use super::walk::Walk;
use super::words::is_name;

impl Walk {
    /// A text that another shell runs, which knows no variable of this one.
    pub(super) fn script_elsewhere(&mut self, text: &str) {
        self.below(|walk| {
            walk.scope = walk.scope.fresh();
            walk.script(text);
        });
    }

    pub(super) fn env(&mut self, run: &Run<'_>) {
        let mut words = run.words;
        while let Some((first, rest)) = words.split_first() {
            let Some(word) = first.literal() else {
                self.doubt("which program `env` runs is not known");
                return;
            };
            match word {
                "-" | "-i" | "-0" | "-v" | "--ignore-environment" | "--null" | "--debug" | "--" => words = rest,
                "-u" | "--unset" => words = rest.get(1..).unwrap_or_default(),
                "-C" | "--chdir" => {
                    let Some((folder, inner)) = rest.split_first() else { return };
                    self.below(|walk| {
                        walk.scope.go(folder);
                        walk.env(&run.of(inner));
                    });
                    return;
                }
                _ if word.starts_with("--unset=") || word.starts_with("-u") => words = rest,
                _ if word.starts_with('-') => {
                    self.doubt(format!("`env {word}` is not understood"));
                    return;
                }
                _ => match word.split_once('=') {
                    Some((name, _)) => {
                        self.assigned(name);
                        words = rest;
                    }
                    None => {
                        self.run(&run.of(words));
                        return;
                    }
                },
            }
        }
        self.emit(Effect::Runs(vec![Word::Literal(String::from("env"))]));
        self.reads_environment();
    }

    pub(super) fn xargs(&mut self, name: &str, program: &'static Program, run: &Run<'_>) {
        let arguments = told_apart(program, run.words, Some(0));
        self.options(name, program, &arguments);
        // What is replaced stands right behind these letters.
        if arguments.given(&["-i"]) && !run.words.iter().any(|word| word.literal() == Some("-i")) {
            self.doubt(format!("what `{name} -i` replaces is not understood"));
        }
        let mut words = arguments.rest.to_vec();
        if words.is_empty() {
            return;
        }
        let replaced = arguments.value(&["-I", "-J"]).map(|token| token.literal().unwrap_or_default().to_owned());
        let told = run.words.iter().filter_map(Field::literal).find_map(|word| word.strip_prefix("--replace="));
        let replaced = replaced.or_else(|| told.map(str::to_owned));
        let braces = || String::from("{}");
        let replaced = replaced.or_else(|| arguments.given(&["-i", "--replace"]).then(braces));
        match &replaced {
            Some(token) => {
                for word in &mut words {
                    if word.literal().is_some_and(|text| text.contains(token.as_str())) {
                        *word = Field::Unknown { one: true };
                    }
                }
            }
            None => words.push(Field::Unknown { one: false }),
        }
        self.run(&Run { words: &words, input: &Input::Outside, wrapped: run.wrapped + 1 });
    }

    pub(super) fn shell(&mut self, name: &str, run: &Run<'_>) {
        let mut words = run.words;
        let (mut code, mut informs, mut input) = (false, false, false);
        while let Some((first, rest)) = words.split_first() {
            match first.literal() {
                None => break,
                Some("--version" | "--help") => informs = true,
                Some("--login" | "--noprofile" | "--norc" | "--posix" | "--no-rcs") => {}
                Some("--" | "-") => {
                    words = rest;
                    break;
                }
                Some("-o" | "+o") if rest.first().and_then(Field::literal).is_some() => {
                    if !rest.first().and_then(Field::literal).is_some_and(|setting| PLAIN.contains(&setting)) {
                        self.doubt(format!("a setting of `{name}` changes how words are read"));
                    }
                    words = rest.get(1..).unwrap_or_default();
                    continue;
                }
                Some(flags)
                    if flags.starts_with("--") || flags.starts_with(['-', '+']) && flags.contains(['O', 'o', 'i']) =>
                {
                    // Clusters such as `-euo pipefail` take the name of a setting.
                    let setting = rest.first().and_then(Field::literal);
                    if flags.starts_with("--") || flags.contains(['O', 'i']) || setting.is_none() {
                        self.doubt(format!("`{name} {flags}` is not understood"));
                        return;
                    }
                    code |= flags.contains('c');
                    words = rest.get(1..).unwrap_or_default();
                    continue;
                }
                Some(flags) if flags.starts_with(['-', '+']) => {
                    let is_plain = |letter: char| LETTERS.contains(letter) || "clrs".contains(letter);
                    if !flags[1..].chars().all(is_plain) {
                        self.doubt(format!("`{name} {flags}` is not understood"));
                    }
                    code |= flags.contains('c');
                    input |= flags.contains('s');
                }
                Some(_) => break,
            }
            words = rest;
        }
        // With `-s` its words are arguments of what it reads.
        let words = if input && !code { &[] } else { words };
        match (words.first(), code, run.input) {
            (Some(text), true, _) => match text.literal() {
                Some(text) => self.script_elsewhere(text),
                None => self.doubt(format!("`{name} -c` runs a text that is not known")),
            },
            (Some(file), false, _) => {
                if file.literal().is_none_or(|file| file.starts_with("/dev/")) {
                    self.runs_input(name);
                }
                self.reads(file, Kind::File);
                words.iter().skip(1).for_each(|word| self.guess(word));
            }
            (None, _, Input::Text(text)) => self.script_elsewhere(text),
            (None, _, Input::Outside) if informs => {}
            (None, _, Input::Outside) => self.runs_input(name),
        }
    }

    pub(super) fn flock(&mut self, program: &'static Program, run: &Run<'_>) {
        let arguments = told_apart(program, run.words, Some(1));
        self.options("flock", program, &arguments);
        arguments.operands.iter().for_each(|file| self.writes(file, Kind::File));
        match arguments.value(&["-c", "--command"]).map(Field::literal) {
            Some(Some(text)) => self.script_elsewhere(text),
            Some(None) => self.doubt("`flock -c` runs a text that is not known"),
            None => match arguments.rest {
                [dash, text] if dash.literal() == Some("-c") => match text.literal() {
                    Some(text) => self.script_elsewhere(text),
                    None => self.doubt("`flock -c` runs a text that is not known"),
                },
                rest => self.run(&run.of(rest)),
            },
        }
    }

    pub(super) fn watch(&mut self, program: &'static Program, run: &Run<'_>) {
        let arguments = told_apart(program, run.words, Some(0));
        self.options("watch", program, &arguments);
        match joined(arguments.rest) {
            Some(text) => self.script_elsewhere(&text),
            None => self.doubt("`watch` runs a text that is not known"),
        }
    }

    /// Assignments that stand before a command as its words: `sudo A=1 cat`.
    pub(super) fn leading_assignments<'a>(&mut self, mut words: &'a [Field]) -> &'a [Field] {
        while let Some((first, rest)) = words.split_first() {
            match first.literal().and_then(|word| word.split_once('=')) {
                Some((name, _)) if is_name(name) => self.assigned(name),
                _ => break,
            }
            words = rest;
        }
        words
    }
}
