//! The arguments of a program that the table has. Given `head -n 5 x` and that `-n` takes a value:
//! the operand is `x`. Given `grep -rn x src`: all below `src` is read.

use crate::effects::Effect;

use super::programs::{By, Program, Role};
use super::run::Run;
use super::scope::{Field, Kind};
use super::walk::Walk;

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
    let lists = [
        &program.refuse,
        &program.changes,
        &program.tree,
        &program.unless,
        &program.informs,
        &program.lists,
        &program.names,
    ];
    lists.into_iter().flatten().chain(program.options.keys()).map(String::as_str)
}

/// A program's words, its name without a version: `npx node@18`.
fn unversioned(words: &[Field]) -> Vec<Field> {
    let mut words = words.to_vec();
    if let Some(Field::Literal(name)) = words.first_mut()
        && let Some((before, _)) = name.rsplit_once('@').filter(|(before, _)| !before.is_empty())
    {
        *name = before.to_owned();
    }
    words
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
            By::NpmRun => self.npm_run(name, program, run),
            By::Patch => self.patch(name, program, run),
            By::Ps => self.ps(run),
            By::RemoteCopy => self.remote_copy(name, program, run),
            By::Sed => self.sed(name, program, run),
            By::Shell => self.shell(name, run),
            By::Ssh => self.ssh(name, program, run),
            By::Tar => self.tar(name, program, run),
            By::Unzip => self.unzip(name, program, run),
            By::Watch => self.watch(program, run),
            By::Xargs => self.xargs(name, program, run),
        }
    }

    pub(super) fn ordinary(&mut self, name: &str, program: &'static Program, run: &Run<'_>) {
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
                    None if program.open => {
                        self.code_among(rest);
                        rest.iter().for_each(|word| self.guess(word));
                    }
                    None => self.doubt(format!("`{name} {command}` is not known")),
                },
                Some(None) => self.doubt(format!("what `{name}` is to do is not known before it runs")),
            }
        } else if program.wraps.is_some() {
            if arguments.operands.iter().any(|word| word.literal().is_none()) {
                self.doubt(format!("which program `{name}` runs is not known"));
            }
            self.operands(program, arguments);
            // Then it only says where a program is.
            if name == "command" && arguments.given(&["-v", "-V"]) {
                return;
            }
            let rest = self.leading_assignments(rest);
            let unversioned = unversioned(rest);
            self.run(&run.of(&unversioned));
        } else if program.script {
            self.interpreted(name, program, arguments, run);
        } else {
            self.operands(program, arguments);
        }
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
            let is_written = |role: Role| matches!(role, Role::Writes | Role::Both | Role::Into);
            let writes = [program.first, Some(program.rest), program.last].into_iter().flatten().any(is_written);
            let before = std::mem::replace(&mut self.beside, is_written(*role) && !writes);
            self.given(*role, value, Kind::File);
            self.beside = before;
        }
        if arguments.has(&program.lists) {
            self.reads(&Field::Unknown { one: false }, Kind::File);
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
}
