//! A simple command: what is assigned, redirected and run. Given `A=1 /bin/cat <x y >z`: the program
//! `cat` is run with `y`; `x` and `y` are read, `z` is written.

use brush_parser::ast::{
    Assignment, AssignmentName, AssignmentValue, CommandPrefixOrSuffixItem, IoFileRedirectKind, IoFileRedirectTarget,
    IoRedirect, RedirectList, SimpleCommand,
};

use crate::effects::{Effect, Word};

use super::environment::only_asks;
use super::programs::programs;
use super::scope::{Field, Kind, Value};
use super::walk::Walk;
use super::words::is_name;

/// How many commands may be run through one another: `env nice timeout 5 …`.
const MOST_WRAPPED: usize = 12;

/// Commands of the shell that POSIX calls special.
const SPECIAL: [&str; 16] = [
    ":", "break", "continue", ".", "eval", "exec", "exit", "export", "readonly", "return", "set", "shift", "times",
    "trap", "unset", "source",
];

/// Folders whose programs are the ones that their names say.
const KNOWN_FOLDERS: [&str; 5] = ["/bin/", "/usr/bin/", "/usr/local/bin/", "/sbin/", "/usr/sbin/"];

/// What a command is given as its input.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Input {
    /// Whatever the shell has, or another command writes.
    Outside,
    /// This text, from a here document or a here string.
    Text(String),
}

/// A command that is run: its words, and the bounds it is under.
#[derive(Debug, Clone)]
pub(super) struct Run<'a> {
    pub(super) words: &'a [Field],
    pub(super) input: &'a Input,
    /// How many commands it is run through.
    pub(super) wrapped: usize,
}

impl<'a> Run<'a> {
    pub(super) fn of(&self, words: &'a [Field]) -> Self {
        Self { words, input: self.input, wrapped: self.wrapped + 1 }
    }
}

impl Walk {
    pub(super) fn simple(&mut self, command: &SimpleCommand) {
        self.asked(only_asks(command), |walk| walk.simple_as_asked(command));
    }

    fn simple_as_asked(&mut self, command: &SimpleCommand) {
        let mut input = Input::Outside;
        let mut assigned = Vec::new();
        let mut words = Vec::new();
        if let Some(name) = &command.word_or_name {
            self.note_name(&name.value);
            words = self.fields(&name.value);
            if words.is_empty() {
                self.doubt("the name of a program is not known before the command runs");
            }
        }
        let prefix = command.prefix.iter().flat_map(|prefix| &prefix.0);
        for item in prefix {
            match item {
                CommandPrefixOrSuffixItem::AssignmentWord(assignment, _) => assigned.push(assignment),
                item => self.item(item, &mut words, &mut input),
            }
        }
        for item in command.suffix.iter().flat_map(|suffix| &suffix.0) {
            self.item(item, &mut words, &mut input);
        }
        let special = words.first().and_then(Field::literal).is_some_and(|name| SPECIAL.contains(&name));
        for assignment in assigned {
            self.assign(assignment, command.word_or_name.is_none());
            // Some shells keep what stands before one of these, others do not.
            if let (true, AssignmentName::VariableName(name)) = (special, &assignment.name) {
                self.scope.set(name, Value::Unknown);
            }
        }
        if !words.is_empty() {
            self.run(&Run { words: &words, input: &input, wrapped: 0 });
        }
    }

    fn item(&mut self, item: &CommandPrefixOrSuffixItem, words: &mut Vec<Field>, input: &mut Input) {
        match item {
            CommandPrefixOrSuffixItem::Word(word) => words.extend(self.fields_or_assignment(words, &word.value)),
            CommandPrefixOrSuffixItem::AssignmentWord(assignment, word) => match &assignment.value {
                AssignmentValue::Scalar(_) => words.extend(self.fields_or_assignment(words, &word.value)),
                AssignmentValue::Array(_) => {
                    self.assign(assignment, true);
                    words.push(Field::Literal(word.value.clone()));
                }
            },
            CommandPrefixOrSuffixItem::IoRedirect(redirection) => {
                if let Some(text) = self.redirection(redirection) {
                    *input = text;
                }
            }
            CommandPrefixOrSuffixItem::ProcessSubstitution(_, shell) => {
                self.below(|walk| walk.list(&shell.list));
                words.push(Field::Literal(String::from("/dev/fd/63")));
            }
        }
    }

    /// Behind `export` and its like an assignment is one word, whatever is in its value.
    fn fields_or_assignment(&mut self, words: &[Field], raw: &str) -> Vec<Field> {
        let declares = ["export", "declare", "typeset", "local", "readonly"];
        let first = words.first().and_then(Field::literal);
        let assignment = raw.split_once('=').filter(|(name, _)| is_name(name.trim_end_matches('+')));
        match assignment.filter(|_| first.is_some_and(|first| declares.contains(&first))) {
            Some((name, value)) => match self.value(value) {
                Value::Known(value) => vec![Field::Literal(format!("{name}={value}"))],
                Value::Pattern(_) | Value::Number | Value::Unknown => {
                    let name = name.trim_end_matches('+');
                    self.declared(name, Value::Unknown);
                    vec![Field::Literal(name.to_owned())]
                }
            },
            None => self.fields(raw),
        }
    }

    fn assign(&mut self, assignment: &Assignment, stays: bool) {
        let (name, whole) = match &assignment.name {
            AssignmentName::VariableName(name) => (name, true),
            AssignmentName::ArrayElementName(name, index) => {
                self.arithmetic(index);
                (name, false)
            }
        };
        let value = match &assignment.value {
            AssignmentValue::Scalar(word) => self.value(&word.value),
            AssignmentValue::Array(members) => {
                for (index, member) in members {
                    index.iter().for_each(|index| self.arithmetic(&index.value));
                    self.fields(&member.value);
                }
                Value::Unknown
            }
        };
        let value = if whole && !assignment.append { value } else { Value::Unknown };
        if name == "NODE_OPTIONS" && matches!(&value, Value::Known(text) if is_plain_of_node(text)) {
            return self.scope.set(name, value);
        }
        if stays {
            self.declared(name, value);
        } else {
            self.assigned(name);
        }
    }

    /// A variable of this shell is set.
    pub(super) fn declared(&mut self, name: &str, value: Value) {
        self.assigned(name);
        self.scope.set(name, value);
    }

    /// A variable is set, here or for one program: some say what programs do.
    pub(super) fn assigned(&mut self, name: &str) {
        if programs().is_some_and(|table| table.steers(name)) {
            self.doubt(format!("the variable {name} changes what programs do"));
        }
    }

    pub(super) fn redirections(&mut self, list: Option<&RedirectList>) {
        for redirection in list.iter().flat_map(|list| &list.0) {
            self.redirection(redirection);
        }
    }

    /// What a redirection reads and writes. Returns the input, where it is one.
    fn redirection(&mut self, redirection: &IoRedirect) -> Option<Input> {
        let outside = |number: Option<i32>| if number.unwrap_or(0) == 0 { Some(Input::Outside) } else { None };
        match redirection {
            IoRedirect::File(number, kind, IoFileRedirectTarget::Filename(word)) => {
                let path = self.one(&word.value);
                let (reads, writes) = match kind {
                    IoFileRedirectKind::Read => (true, false),
                    IoFileRedirectKind::ReadAndWrite => (true, true),
                    _ => (false, true),
                };
                self.opened(&path, reads, writes);
                if reads { outside(*number) } else { None }
            }
            IoRedirect::File(_, _, IoFileRedirectTarget::ProcessSubstitution(_, shell)) => {
                self.below(|walk| walk.list(&shell.list));
                Some(Input::Outside)
            }
            IoRedirect::File(number, _, IoFileRedirectTarget::Fd(_)) => outside(*number),
            IoRedirect::File(number, kind, IoFileRedirectTarget::Duplicate(word)) => {
                let target = self.one(&word.value);
                let is_number = |text: &str| text.trim_end_matches('-').bytes().all(|byte| byte.is_ascii_digit());
                if !target.literal().is_some_and(is_number) {
                    self.opened(&target, matches!(kind, IoFileRedirectKind::DuplicateInput), true);
                }
                outside(*number)
            }
            IoRedirect::OutputAndError(word, _) => {
                let path = self.one(&word.value);
                self.opened(&path, false, true);
                None
            }
            IoRedirect::HereDocument(number, document) => {
                let raw = &document.doc.value;
                let text = if document.requires_expansion { self.body(raw) } else { Some(raw.clone()) };
                outside(*number).map(|outside| text.map_or(outside, Input::Text))
            }
            IoRedirect::HereString(number, word) => {
                let text = self.one(&word.value).literal().map(str::to_owned);
                outside(*number).map(|outside| text.map_or(outside, Input::Text))
            }
        }
    }

    fn opened(&mut self, path: &Field, reads: bool, writes: bool) {
        let before = std::mem::replace(&mut self.beside, true);
        self.opened_beside(path, reads, writes);
        self.beside = before;
    }

    fn opened_beside(&mut self, path: &Field, reads: bool, writes: bool) {
        let host = path.literal().and_then(|path| path.strip_prefix("/dev/tcp/").or(path.strip_prefix("/dev/udp/")));
        if let Some(host) = host {
            self.emit(Effect::Fetches(Some(host.replace('/', ":"))));
            return;
        }
        if writes {
            self.writes(path, Kind::File);
        }
        if reads {
            // To be given a file is no more than to be told to read it.
            self.beside = false;
            self.reads(path, Kind::File);
        }
    }

    /// Runs a program with its words.
    pub(super) fn run(&mut self, run: &Run<'_>) {
        let Some((first, rest)) = run.words.split_first() else { return };
        let Some(typed) = first.literal().filter(|name| !name.is_empty()) else {
            self.doubt("the name of a program is not known before the command runs");
            return;
        };
        if run.wrapped > MOST_WRAPPED {
            self.doubt(format!("more than {MOST_WRAPPED} programs run one another"));
            return;
        }
        if typed == "-" || typed.starts_with("/dev/") {
            self.runs_input(typed);
        }
        self.names_called(typed);
        let (base, is_known) = based(typed);
        let shown = if is_known { base } else { typed };
        let Some(table) = programs() else {
            self.doubt("the table of programs is broken");
            return;
        };
        let program = table.find(base);
        if let Some(why) = table.why_unclear(base) {
            self.doubt(format!("`{base}` {why}"));
        }
        if !program.is_some_and(|program| program.quiet && is_known) {
            let words = std::iter::once(Word::Literal(shown.to_owned())).chain(rest.iter().map(word));
            self.emit(Effect::Runs(words.collect()));
        }
        // A file of the same name could be anything: it may do what the known one does, and more.
        if program.is_none() || !is_known {
            self.unlisted(&run.of(rest));
        }
        if let Some(program) = program {
            self.listed(&base.to_ascii_lowercase(), program, &run.of(rest));
        }
    }

    /// Says so where a program is given input to run, and it is not known.
    pub(super) fn runs_input(&mut self, name: &str) {
        self.doubt(format!("`{name}` runs what it is given as input"));
    }
}

/// Whether these options of `node` load no code.
fn is_plain_of_node(options: &str) -> bool {
    const PLAIN: [&str; 8] = [
        "--max-old-space-size",
        "--max-semi-space-size",
        "--openssl-legacy-provider",
        "--no-warnings",
        "--no-deprecation",
        "--trace-warnings",
        "--enable-source-maps",
        "--experimental-vm-modules",
    ];
    options.split_whitespace().all(|option| PLAIN.contains(&option.split('=').next().unwrap_or(option)))
}

/// A program's name without its folder, and whether it is the one that goes by that name.
fn based(typed: &str) -> (&str, bool) {
    match typed.rsplit_once('/') {
        None => (typed, true),
        Some((folder, name)) => (name, KNOWN_FOLDERS.contains(&&typed[..=folder.len()])),
    }
}

/// A word as the rules see it.
fn word(field: &Field) -> Word {
    match field {
        Field::Literal(text) => Word::Literal(text.clone()),
        Field::Pattern(_) | Field::Unknown { .. } => Word::Unknown,
    }
}
