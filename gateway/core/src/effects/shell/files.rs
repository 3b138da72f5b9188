//! Programs about files whose arguments are unlike those of others. Given `dd if=a of=b`: `a` is
//! read, `b` is written. Given `tar czf a.tgz src`: all below `src` is read, `a.tgz` is written.

use crate::effects::Effect;

use super::arguments::told_apart;
use super::programs::Program;
use super::run::Run;
use super::scope::{Field, Kind};
use super::walk::Walk;

impl Walk {
    pub(super) fn dd(&mut self, run: &Run<'_>) {
        for word in run.words {
            match word.literal().map(|word| word.split_once('=').unwrap_or((word, ""))) {
                Some(("if", path)) => self.reads(&Field::Literal(path.to_owned()), Kind::File),
                Some(("of", path)) => self.writes(&Field::Literal(path.to_owned()), Kind::File),
                Some(_) => {}
                None => {
                    // A pattern that stands behind `if=` matches nothing that begins with that.
                    self.reads(&Field::Unknown { one: true }, Kind::File);
                    self.writes(&Field::Unknown { one: true }, Kind::File);
                }
            }
        }
    }

    /// What a patch names is written, unless one file is named in its place.
    pub(super) fn patch(&mut self, name: &str, program: &'static Program, run: &Run<'_>) {
        let arguments = told_apart(program, run.words, None);
        self.ordinary(name, program, run);
        let goes_to = arguments.operands.first().copied().or(arguments.value(&["-o", "--output"]));
        if goes_to.is_none() && !arguments.given(&["--dry-run"]) {
            self.writes(&Field::Unknown { one: false }, Kind::File);
        }
    }

    /// Without a folder to write in, it is this one.
    pub(super) fn unzip(&mut self, name: &str, program: &'static Program, run: &Run<'_>) {
        let arguments = told_apart(program, run.words, None);
        self.ordinary(name, program, run);
        if arguments.given(&["-l", "-p", "-t", "-v", "-z", "-Z"]) || arguments.operands.is_empty() {
            return;
        }
        let here = Field::Literal(String::from("."));
        let into = arguments.value(&["-d"]).cloned().unwrap_or(here);
        self.writes(&into, Kind::Tree);
    }

    /// There is a script `env` in every package, which shows the environment.
    pub(super) fn npm_run(&mut self, name: &str, program: &'static Program, run: &Run<'_>) {
        let arguments = told_apart(program, run.words, None);
        self.ordinary(name, program, run);
        if arguments.operands.first().is_some_and(|script| script.literal().is_none_or(|script| script == "env")) {
            self.reads_environment();
        }
    }

    pub(super) fn tar(&mut self, name: &str, program: &'static Program, run: &Run<'_>) {
        let mut words = run.words.to_vec();
        if let Some(Field::Literal(first)) = words.first_mut()
            && !first.starts_with('-')
        {
            // Values of letters that stand together like this follow in an order of their own.
            if first.chars().filter(|letter| "fbCTXgKLNV".contains(*letter)).count() > 1 {
                self.doubt(format!("`{name} {first}` takes several values"));
            }
            first.insert(0, '-');
        }
        let arguments = told_apart(program, &words, None);
        self.below(|walk| {
            if let Some(folder) = arguments.value(&["-C", "--directory"]) {
                walk.scope.go(folder);
                walk.scope.doubt();
            }
            walk.options(name, program, &arguments);
            let creates =
                arguments.given(&["-c", "-r", "-u", "-A", "--create", "--append", "--update", "--concatenate"]);
            let extracts = arguments.given(&["-x", "--extract", "--get"]);
            let lists = arguments.given(&["-t", "--list", "-d", "--diff", "--compare"]);
            if !creates && !extracts && !lists {
                walk.doubt(format!("what `{name}` is to do is not known"));
            }
            if let Some(archive) = arguments.value(&["-f", "--file"]) {
                if archive.literal().is_some_and(|archive| archive.contains(':')) {
                    walk.emit(Effect::Fetches(archive.literal().map(str::to_owned)));
                }
                if creates { walk.writes(archive, Kind::File) } else { walk.reads(archive, Kind::File) }
            }
            if creates {
                arguments.operands.iter().for_each(|path| walk.reads(path, Kind::Tree));
            }
            if arguments.given(&["-T", "--files-from"]) {
                walk.reads(&Field::Unknown { one: true }, Kind::File);
            }
            if extracts && !arguments.given(&["-O", "--to-stdout"]) {
                walk.writes(&Field::Literal(String::from(".")), Kind::Tree);
            }
            if arguments.given(&["--remove-files"]) {
                arguments.operands.iter().for_each(|path| walk.writes(path, Kind::Tree));
            }
        });
    }

    /// What the rules in a file do is beyond what can be told; those in arguments are not allowed.
    pub(super) fn make(&mut self, name: &str, program: &'static Program, run: &Run<'_>) {
        let arguments = told_apart(program, run.words, None);
        self.options(name, program, &arguments);
        let runs = |word: &str| {
            word.contains(['$', '`', '!'])
                || word.split_once('=').is_some_and(|(_, value)| value.contains(char::is_whitespace))
        };
        for word in &arguments.operands {
            match word.literal() {
                Some(text) if runs(text) => self.doubt(format!("`{name}` may run what is in {text:?}")),
                Some(text) => {
                    let variable = text.split_once('=').map(|(name, _)| name.trim_end_matches([':', '+', '?']));
                    variable.iter().for_each(|variable| self.assigned(variable));
                }
                None => self.doubt(format!("what `{name}` is to do is not known")),
            }
        }
    }
}
