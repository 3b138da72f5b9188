//! The arguments of a program that the table has. Given `head -n 5 x` and that `-n` takes a value:
//! the operand is `x`. Given `grep -rn x src`: all below `src` is read.

use crate::effects::{Effect, Place};

use super::programs::{By, Program, Role};
use super::run::Run;
use super::scope::{Field, Kind};
use super::walk::Walk;

/// Modules of Python that run code they are given.
const MODULES_OF_CODE: [&str; 9] =
    ["timeit", "code", "asyncio", "pdb", "trace", "runpy", "cProfile", "profile", "idlelib"];

/// Arguments, told apart.
#[derive(Debug, Default)]
pub(super) struct Arguments<'a> {
    pub(super) operands: Vec<&'a Field>,
    /// The names of the options that are given, as the table has them.
    pub(super) given: Vec<String>,
    pub(super) values: Vec<(String, Role, Field)>,
    /// What follows the operands at which reading stopped.
    pub(super) rest: &'a [Field],
    /// How many operands stand before `--`, if there is one.
    pub(super) dashes: Option<usize>,
    /// Values of options that the table does not have.
    guesses: Vec<Field>,
    /// A word that may turn out to be an option.
    loose: bool,
    refused: Option<String>,
}

impl Arguments<'_> {
    pub(super) fn has(&self, names: &[String]) -> bool {
        self.given.iter().any(|given| names.contains(given))
    }

    pub(super) fn given(&self, names: &[&str]) -> bool {
        self.given.iter().any(|given| names.contains(&given.as_str()))
    }

    pub(super) fn value(&self, names: &[&str]) -> Option<&Field> {
        self.values.iter().find(|(name, _, _)| names.contains(&name.as_str())).map(|(_, _, value)| value)
    }
}

/// Tells options from operands; stops behind so many operands, if a number is given.
pub(super) fn told_apart<'a>(program: &Program, words: &'a [Field], stop: Option<usize>) -> Arguments<'a> {
    let mut found = Arguments::default();
    let mut at = 0;
    while at < words.len() {
        // What stands before a command that is run are options; behind an operand all is its own.
        let is_end = |stop: usize| match stop {
            0 => found.dashes.is_some() || !is_option(&words[at]),
            stop => found.operands.len() >= stop,
        };
        if stop.is_some_and(is_end) {
            break;
        }
        let word = &words[at];
        at += 1;
        match word.literal() {
            _ if found.dashes.is_some() => found.operands.push(word),
            Some("--") => found.dashes = Some(found.operands.len()),
            Some(text) if text.starts_with("--") || program.one_dash && text.len() > 1 && text.starts_with('-') => {
                found.long(program, text, &words[at..], &mut at);
            }
            Some(text) if is_option(word) => found.short(program, &text[1..], &words[at..], &mut at),
            Some(text) if text.starts_with('+') => {
                found.note(program, "+");
                found.operands.push(word);
            }
            _ => match word {
                Field::Pattern(text) if text.starts_with('-') => found.patterned(program, text),
                word => {
                    found.loose |= matches!(word, Field::Unknown { .. });
                    found.operands.push(word);
                }
            },
        }
        if found.values.last().is_some_and(|(_, role, _)| *role == Role::Module) {
            break;
        }
    }
    found.rest = &words[at.min(words.len())..];
    found
}

fn is_option(word: &Field) -> bool {
    word.literal().is_some_and(|text| text.len() > 1 && text.starts_with('-'))
}

impl Arguments<'_> {
    fn long(&mut self, program: &Program, text: &str, next: &[Field], at: &mut usize) {
        let (name, value) = text.split_once('=').map_or((text, None), |(name, value)| (name, Some(value)));
        let exact = listed(program).find(|listed| *listed == name);
        // Most programs take the beginning of a long option for the whole.
        let begun = || listed(program).find(|listed| name.len() > 3 && listed.starts_with(name));
        let Some(full) = exact.or_else(begun) else {
            self.given.push(name.to_owned());
            self.guesses.extend(value.map(|_| Field::Literal(text.to_owned())));
            return;
        };
        self.note(program, full);
        let Some(roles) = program.options.get(full) else {
            self.guesses.extend(value.map(|_| Field::Literal(text.to_owned())));
            return;
        };
        let given = value.map(|value| Field::Literal(value.to_owned()));
        let taken = roles.0.len() - usize::from(given.is_some()).min(roles.0.len());
        let values = given.into_iter().chain(next.iter().take(taken).cloned());
        for (role, value) in roles.0.iter().zip(values) {
            self.values.push((full.to_owned(), *role, value));
        }
        // What is but begun may be an option of its own, that takes no value.
        if exact.is_some() {
            *at += taken;
        }
    }

    /// An option whose value is a pattern: `--include=*.rs`.
    fn patterned(&mut self, program: &Program, text: &str) {
        let (name, value) = text.split_once('=').unwrap_or((text, text));
        let value = Field::Pattern(value.to_owned());
        self.note(program, name);
        match program.options.get(name).and_then(|roles| roles.0.first()) {
            Some(role) => self.values.push((name.to_owned(), *role, value)),
            None => {
                self.loose |= !name.starts_with("--");
                self.guesses.push(value);
            }
        }
    }

    fn short(&mut self, program: &Program, cluster: &str, next: &[Field], at: &mut usize) {
        for (place, letter) in cluster.char_indices() {
            let name = format!("-{letter}");
            let value = &cluster[place + letter.len_utf8()..];
            self.note(program, &name);
            if program.changes.contains(&name) {
                // What follows is the ending of a copy that is kept.
                return;
            }
            if let Some(roles) = program.options.get(&name) {
                let given = (!value.is_empty()).then(|| Field::Literal(value.to_owned()));
                let taken = roles.0.len() - usize::from(given.is_some()).min(roles.0.len());
                let values = given.into_iter().chain(next.iter().take(taken).cloned());
                self.values.extend(roles.0.iter().zip(values).map(|(role, value)| (name.clone(), *role, value)));
                *at += taken;
                return;
            }
            if value.contains(['/', '.']) || value.starts_with('~') {
                self.guesses.push(Field::Literal(value.to_owned()));
            }
        }
    }

    fn note(&mut self, program: &Program, name: &str) {
        if program.refuse.iter().any(|refused| refused == name) {
            self.refused.get_or_insert_with(|| name.to_owned());
        }
        self.given.push(name.to_owned());
    }
}

/// Every option that the table has of a program, the gravest first.
fn listed(program: &Program) -> impl Iterator<Item = &str> {
    let lists = [&program.refuse, &program.changes, &program.tree, &program.unless, &program.informs];
    lists.into_iter().flatten().chain(program.options.keys()).map(String::as_str)
}

impl Walk {
    /// What a program that the table has does with its arguments.
    pub(super) fn listed(&mut self, name: &str, program: &'static Program, run: &Run<'_>) {
        if let Some(why) = &program.unclear {
            self.doubt(format!("`{name}` {why}"));
        }
        if program.environment {
            self.reads_environment();
        }
        if program.fetches {
            self.emit(Effect::Fetches(None));
        }
        if program.sends {
            self.emit(Effect::Sends);
        }
        match program.by {
            Some(by) => self.special(by, name, program, run),
            None => self.ordinary(name, program, run),
        }
    }

    fn special(&mut self, by: By, name: &str, program: &'static Program, run: &Run<'_>) {
        match by {
            By::Awk => self.awk(name, program, run),
            By::Builtin => self.builtin(name, program, run),
            By::Busybox => self.run(&run.of(run.words)),
            By::Dd => self.dd(run),
            By::Env => self.env(run),
            By::Find => self.find(run),
            By::Flock => self.flock(program, run),
            By::Git => self.git(program, run),
            By::Jq => self.jq(name, program, run),
            By::Make => self.make(name, program, run),
            By::Ps => self.ps(run),
            By::RemoteCopy => self.remote_copy(name, program, run),
            By::Sed => self.sed(name, program, run),
            By::Shell => self.shell(name, run),
            By::Ssh => self.ssh(name, program, run),
            By::Tar => self.tar(name, program, run),
            By::Watch => self.watch(program, run),
            By::Xargs => self.xargs(name, program, run),
        }
    }

    fn ordinary(&mut self, name: &str, program: &'static Program, run: &Run<'_>) {
        let stop = program.wraps.or((program.script || !program.commands.is_empty()).then_some(1));
        let arguments = told_apart(program, run.words, stop);
        if let Some(folder) = arguments.values.iter().find(|(_, role, _)| *role == Role::Folder) {
            let folder = folder.2.clone();
            // Some paths count from here, others from there.
            self.below(|walk| {
                walk.scope.go(&folder);
                walk.scope.doubt();
                walk.followed(name, program, &arguments, run);
            });
        } else {
            self.followed(name, program, &arguments, run);
        }
    }

    fn followed(&mut self, name: &str, program: &'static Program, arguments: &Arguments<'_>, run: &Run<'_>) {
        self.options(name, program, arguments);
        let rest = arguments.rest;
        if !program.commands.is_empty() {
            match arguments.operands.first().map(|word| word.literal()) {
                None => {}
                Some(Some(command)) => match program.command(command) {
                    Some(known) => self.listed(&format!("{name} {command}"), known, &run.of(rest)),
                    None if program.open => rest.iter().for_each(|word| self.guess(word)),
                    None => self.doubt(format!("`{name} {command}` is not known")),
                },
                Some(None) => self.doubt(format!("what `{name}` is to do is not known before it runs")),
            }
        } else if program.wraps.is_some() {
            if arguments.operands.iter().any(|word| word.literal().is_none()) {
                self.doubt(format!("which program `{name}` runs is not known"));
            }
            self.operands(program, arguments);
            let rest = self.leading_assignments(rest);
            self.run(&run.of(rest));
        } else if program.script {
            self.interpreted(name, program, arguments);
        } else {
            self.operands(program, arguments);
        }
    }

    /// An interpreter of another language. What a script does is not known, only that it is read.
    fn interpreted(&mut self, name: &str, program: &Program, arguments: &Arguments<'_>) {
        let module = arguments.values.iter().find(|(_, role, _)| *role == Role::Module).map(|(_, _, module)| module);
        if let Some(module) = module {
            match module.literal() {
                Some("http.server") => {
                    self.emit(Effect::Reads(Place::Tree(String::from("."))));
                    self.emit(Effect::Sends);
                }
                Some(module) if !MODULES_OF_CODE.contains(&module) => {}
                _ => self.doubt(format!("`{name}` runs code of its own language")),
            }
        } else if let Some(script) = arguments.operands.first() {
            if !script.literal().is_some_and(|script| script != "-" && !script.starts_with("/dev/")) {
                self.runs_input(name);
            }
            self.reads(script, Kind::File);
        } else if !arguments.has(&program.informs) {
            self.runs_input(name);
        }
        arguments.rest.iter().for_each(|word| self.guess(word));
    }

    /// What the options do.
    pub(super) fn options(&mut self, name: &str, program: &Program, arguments: &Arguments<'_>) {
        if let Some(option) = &arguments.refused {
            self.doubt(format!("`{name} {option}` runs programs, or reads settings that do"));
        }
        if arguments.loose {
            self.loosened(name, program);
        }
        for (option, role, value) in &arguments.values {
            if *role == Role::Runs {
                self.doubt(format!("`{name} {option}` runs what it is given"));
            }
            self.given(*role, value, Kind::File);
        }
        arguments.guesses.iter().for_each(|word| self.guess(word));
    }

    /// A word that is not known may be an option.
    fn loosened(&mut self, name: &str, program: &Program) {
        let does = |roles: &[Role]| program.roles().any(|role| roles.contains(&role));
        let unknown = Field::Unknown { one: false };
        if program.can_run() {
            self.doubt(format!("a word that is not known may be an option with which `{name}` runs programs"));
        }
        if does(&[Role::Reads, Role::Both, Role::Data]) {
            self.reads(&unknown, Kind::File);
        }
        if does(&[Role::Writes, Role::Both, Role::Into, Role::Target]) || !program.changes.is_empty() {
            self.writes(&unknown, Kind::File);
        }
    }

    /// What is done with the operands.
    pub(super) fn operands(&mut self, program: &Program, arguments: &Arguments<'_>) {
        let kind = if program.deep || arguments.has(&program.tree) { Kind::Tree } else { Kind::File };
        let mut operands = arguments.operands.as_slice();
        if let (Some(role), Some((first, rest)), false) =
            (program.first, operands.split_first(), arguments.has(&program.unless))
        {
            self.given(role, first, Kind::File);
            operands = rest;
        }
        let target = arguments.values.iter().find(|(_, role, _)| *role == Role::Target).map(|(_, _, target)| target);
        let mut into = target;
        if let (Some(role), Some((last, rest)), None) = (program.last, operands.split_last(), target)
            && !rest.is_empty()
        {
            self.given(role, last, kind);
            into = (role == Role::Into).then_some(*last);
            operands = rest;
        }
        let changes = program.rest == Role::Reads && arguments.has(&program.changes);
        let role = if changes { Role::Both } else { program.rest };
        for operand in operands {
            self.given(role, operand, kind);
            into.iter().for_each(|into| self.put_into(into, operand));
            if arguments.has(&program.saves) || program.saves.iter().any(|option| option == "*") {
                self.put_into(&Field::Literal(String::from(".")), operand);
            }
        }
        if operands.is_empty() && program.here && kind == Kind::Tree {
            self.given(role, &Field::Literal(String::from(".")), kind);
        }
    }

    /// If the target is a folder, a file of the same name is written in it.
    pub(super) fn put_into(&mut self, into: &Field, source: &Field) {
        let name = |path: &str| path.trim_end_matches('/').rsplit('/').next().unwrap_or_default().to_owned();
        let (Field::Literal(folder), Field::Literal(path) | Field::Pattern(path)) = (into, source) else {
            self.writes(&Field::Unknown { one: false }, Kind::File);
            return;
        };
        let inside = format!("{}/{}", folder.trim_end_matches('/'), name(path));
        let inside = if matches!(source, Field::Pattern(_)) { Field::Pattern(inside) } else { Field::Literal(inside) };
        self.writes(&inside, Kind::File);
    }

    pub(super) fn given(&mut self, role: Role, word: &Field, kind: Kind) {
        match role {
            Role::None | Role::Folder | Role::Module | Role::Runs => {}
            Role::Reads => self.reads(word, kind),
            Role::Writes | Role::Into | Role::Target => self.writes(word, kind),
            Role::Both => {
                self.reads(word, kind);
                self.writes(word, kind);
            }
            Role::Address => self.address(word),
            Role::Data => match word.literal() {
                Some(text) => {
                    let file = text.split_once('@').or_else(|| text.split_once("=<")).map(|(_, file)| file);
                    file.iter().for_each(|file| self.reads(&Field::Literal((*file).to_owned()), Kind::File));
                }
                None => self.reads(word, Kind::File),
            },
            Role::Guess => self.guess(word),
        }
    }

    fn address(&mut self, word: &Field) {
        match word.literal() {
            Some(text) if text.to_ascii_lowercase().starts_with("file:") => {
                let path = text[5..].trim_start_matches("//");
                self.reads(&Field::Literal(path.to_owned()), Kind::File);
            }
            text => self.emit(Effect::Fetches(text.map(str::to_owned))),
        }
    }
}
