//! The walk over a command's tree, as `bash` would run it. Given `if a; then b; else c; fi`: what
//! `a` does, then what `b` does, then what `c` does; and where `b` and `c` leave a variable
//! different, it is not known from then on.

use std::collections::BTreeSet;

use brush_parser::ast::{
    AndOr, AndOrList, Command, CompoundCommand, CompoundList, FunctionDefinition, IfClauseCommand, Pipeline, Program,
    SeparatorOperator,
};

use crate::effects::{Effect, Effects, Place};

use super::environment::may_trace;
use super::parse::parse;
use super::scope::{Field, Kind, Scope, Value};
use super::{Unclear, second};

/// How deep texts that are run (`bash -c '…'`, `eval`, `$(…)`) may stand in each other.
const DEEPEST: usize = 8;

/// How deep loops may stand in each other: each is walked several times.
const DEEPEST_LOOPS: usize = 4;

/// The most simple commands that are looked at, those of a loop once for each of its turns.
const MOST_COMMANDS: usize = 2_000;

/// The most effects.
const MOST_EFFECTS: usize = 1_000;

/// The most turns of a loop that are walked one by one.
const MOST_TURNS: usize = 16;

#[derive(Debug)]
pub(super) struct Walk {
    effects: Effects,
    pub(super) scope: Scope,
    /// The names of commands as they were typed, for comparison with the second opinion.
    names: Vec<String>,
    /// More than zero while something is walked that was or will be walked once more.
    again: usize,
    functions: BTreeSet<String>,
    called: BTreeSet<String>,
    depth: usize,
    loops: usize,
    commands: usize,
    /// Of variables no more is seen than whether they are there.
    pub(super) only_asked: bool,
    /// What is done now is beside what the command is there for.
    pub(super) beside: bool,
    /// The shell may show every command.
    pub(super) traced: bool,
}

impl Walk {
    /// What a command does.
    pub(super) fn over(text: &str) -> Effects {
        let mut walk = Self {
            effects: Effects::default(),
            scope: Scope::new(),
            names: Vec::new(),
            again: 0,
            functions: BTreeSet::new(),
            called: BTreeSet::new(),
            depth: 0,
            loops: 0,
            commands: 0,
            only_asked: false,
            beside: false,
            traced: may_trace(text),
        };
        walk.script(text);
        if let Some(name) = walk.functions.intersection(&walk.called).next() {
            let why = format!("`{name}` is a function that the command defines itself");
            walk.doubt(why);
        }
        walk.effects
    }

    /// Notes that not all can be told.
    pub(super) fn doubt(&mut self, why: impl Into<Unclear>) {
        self.effects.unclear.get_or_insert_with(|| why.into());
    }

    /// What is right, or nothing and a doubt.
    pub(super) fn sure<T>(&mut self, found: Result<T, Unclear>) -> Option<T> {
        found.map_err(|why| self.doubt(why)).ok()
    }

    pub(super) fn emit(&mut self, effect: Effect) {
        if self.beside && !self.effects.beside.contains(&effect) && self.effects.list.len() < MOST_EFFECTS {
            self.effects.beside.push(effect.clone());
        }
        if self.effects.list.len() >= MOST_EFFECTS {
            self.doubt(format!("the command does more than {MOST_EFFECTS} things"));
        } else if !self.effects.list.contains(&effect) {
            self.effects.list.push(effect);
        }
    }

    pub(super) fn reads(&mut self, word: &Field, kind: Kind) {
        for place in self.scope.places(word, kind).into_iter().filter(is_file) {
            self.emit(Effect::Reads(place));
        }
    }

    pub(super) fn writes(&mut self, word: &Field, kind: Kind) {
        for place in self.scope.places(word, kind).into_iter().filter(is_file) {
            self.emit(Effect::Writes(place));
        }
    }

    pub(super) fn names_called(&mut self, name: &str) {
        self.called.insert(name.to_owned());
        self.commands += 1;
    }

    pub(super) fn is_exhausted(&self) -> bool {
        self.commands > MOST_COMMANDS
    }

    /// A text that is run as a command of its own, in the scope that is there.
    pub(super) fn script(&mut self, text: &str) {
        let Some(program) = self.parsed(text) else { return };
        let outer = std::mem::take(&mut self.names);
        let again = std::mem::take(&mut self.again);
        self.program(&program);
        let mut names = std::mem::replace(&mut self.names, outer);
        self.again = again;
        self.depth -= 1;
        names.sort();
        match second::names(text) {
            Err(why) => self.doubt(why),
            Ok(others) if others != names => self.doubt("two parsers see different commands in it"),
            Ok(_) => {}
        }
    }

    /// Commands within a word: they are run in a shell below this one.
    pub(super) fn substituted(&mut self, text: &str) {
        let Some(program) = self.parsed(text) else { return };
        self.below(|walk| walk.program(&program));
        self.depth -= 1;
    }

    fn parsed(&mut self, text: &str) -> Option<Program> {
        if self.depth >= DEEPEST {
            self.doubt(format!("commands within commands stand more than {DEEPEST} deep"));
            return None;
        }
        let program = self.sure(parse(text))?;
        self.depth += 1;
        Some(program)
    }

    /// Walks what leaves the scope as it was.
    pub(super) fn below(&mut self, walk: impl FnOnce(&mut Self)) {
        let scope = self.scope.clone();
        walk(self);
        self.scope = scope;
    }

    pub(super) fn note_name(&mut self, typed: &str) {
        if self.again == 0 {
            self.names.push(second::spelled(typed));
        }
    }

    fn program(&mut self, program: &Program) {
        for list in &program.complete_commands {
            self.list(list);
        }
    }

    pub(super) fn list(&mut self, list: &CompoundList) {
        for item in &list.0 {
            match item.1 {
                SeparatorOperator::Async => self.below(|walk| walk.and_or(&item.0)),
                SeparatorOperator::Sequence => self.and_or(&item.0),
            }
            self.scope.doubt();
        }
    }

    fn and_or(&mut self, list: &AndOrList) {
        self.pipeline(&list.first);
        // Where it is if what comes next is left out.
        let mut left_out = Vec::new();
        for next in &list.additional {
            match next {
                AndOr::And(pipeline) => {
                    left_out.push(self.scope.clone());
                    self.pipeline(pipeline);
                }
                AndOr::Or(pipeline) => {
                    left_out.drain(..).for_each(|scope| self.scope.merge(scope));
                    self.scope.doubt();
                    left_out.push(self.scope.clone());
                    self.pipeline(pipeline);
                }
            }
        }
        left_out.into_iter().for_each(|scope| self.scope.merge(scope));
    }

    fn pipeline(&mut self, pipeline: &Pipeline) {
        let timed = pipeline.timed.is_some();
        if timed && self.again == 0 {
            self.names.push(String::from("time"));
        }
        for (at, command) in pipeline.seq.iter().enumerate() {
            // The second parser takes `time` for the name of a command and the name for an argument.
            let unnamed = timed && at == 0 && matches!(command, Command::Simple(_));
            let walk = |walk: &mut Self| {
                if unnamed { walk.unnamed(command) } else { walk.command(command) }
            };
            if pipeline.seq.len() > 1 { self.below(walk) } else { walk(self) }
        }
        if pipeline.bang {
            self.scope.doubt();
        }
    }

    fn unnamed(&mut self, command: &Command) {
        let before = self.names.len();
        self.command(command);
        if self.again == 0 && self.names.len() > before {
            self.names.remove(before);
        }
    }

    fn command(&mut self, command: &Command) {
        if self.is_exhausted() {
            self.doubt(format!("the command runs more than {MOST_COMMANDS} others"));
            return;
        }
        match command {
            Command::Simple(simple) => self.simple(simple),
            Command::Compound(compound, redirections) => {
                self.redirections(redirections.as_ref());
                self.compound(compound);
            }
            Command::Function(function) => self.function(function),
            Command::ExtendedTest(test, redirections) => {
                self.redirections(redirections.as_ref());
                self.test(&test.expr);
            }
        }
    }

    fn function(&mut self, function: &FunctionDefinition) {
        self.functions.insert(function.fname.value.clone());
        self.redirections(function.body.1.as_ref());
        self.below(|walk| walk.compound(&function.body.0));
    }

    fn compound(&mut self, compound: &CompoundCommand) {
        match compound {
            CompoundCommand::Arithmetic(sum) => {
                self.arithmetic(&sum.expr.value);
                self.nested_elsewhere(&sum.expr.value);
            }
            CompoundCommand::ArithmeticForClause(each) => {
                for part in [&each.initializer, &each.condition, &each.updater].into_iter().flatten() {
                    self.arithmetic(&part.value);
                }
                self.looped(None, &|walk| walk.list(&each.body.list));
            }
            CompoundCommand::BraceGroup(group) => self.list(&group.list),
            CompoundCommand::Subshell(shell) => self.below(|walk| walk.list(&shell.list)),
            CompoundCommand::ForClause(each) => {
                let values = match &each.values {
                    Some(words) => words.iter().flat_map(|word| self.fields(&word.value)).map(Value::from).collect(),
                    None => vec![Value::Unknown],
                };
                self.looped(Some((&each.variable_name, values)), &|walk| walk.list(&each.body.list));
            }
            CompoundCommand::CaseClause(case) => {
                self.asked(true, |walk| drop(walk.one(&case.value.value)));
                let before = self.scope.clone();
                let mut after = before.clone();
                for item in &case.cases {
                    item.patterns.iter().for_each(|pattern| drop(self.one(&pattern.value)));
                    // Some items go on into the next one.
                    self.scope.merge(before.clone());
                    item.cmd.iter().for_each(|list| self.list(list));
                    after.merge(self.scope.clone());
                }
                self.scope = after;
            }
            CompoundCommand::IfClause(clause) => self.condition(clause),
            CompoundCommand::WhileClause(clause) | CompoundCommand::UntilClause(clause) => {
                self.looped(None, &|walk| {
                    walk.list(&clause.0);
                    walk.list(&clause.1.list);
                });
            }
            CompoundCommand::Coprocess(_) => self.doubt("`coproc` runs commands beside this one"),
        }
    }

    fn condition(&mut self, clause: &IfClauseCommand) {
        self.list(&clause.condition);
        let mut refused = self.scope.clone();
        self.list(&clause.then);
        let mut after = self.scope.clone();
        for other in clause.elses.iter().flatten() {
            self.scope = refused;
            other.condition.iter().for_each(|list| self.list(list));
            refused = self.scope.clone();
            self.list(&other.body);
            after.merge(self.scope.clone());
        }
        after.merge(refused);
        self.scope = after;
    }

    /// A body that is run any number of times, with a variable that takes these values in turn.
    fn looped(&mut self, variable: Option<(&str, Vec<Value>)>, body: &dyn Fn(&mut Self)) {
        if self.loops >= DEEPEST_LOOPS {
            self.doubt(format!("loops stand more than {DEEPEST_LOOPS} deep"));
            return;
        }
        self.loops += 1;
        if let Some((name, _)) = &variable {
            self.assigned(name);
            self.scope.set(name, Value::Unknown);
        }
        self.settle(body);
        let entry = self.scope.clone();
        let turns = variable.map_or_else(|| (None, vec![Value::Unknown]), |(name, values)| (Some(name), values));
        let values = if turns.1.len() > MOST_TURNS { vec![Value::Unknown] } else { turns.1 };
        // A loop over nothing is walked all the same: its names are compared.
        let values = if values.is_empty() { vec![Value::Unknown] } else { values };
        for (turn, value) in values.into_iter().enumerate() {
            self.scope = entry.clone();
            turns.0.iter().for_each(|name| self.scope.set(name, value.clone()));
            self.again += usize::from(turn > 0);
            body(self);
            self.again -= usize::from(turn > 0);
        }
        self.scope = entry;
        self.loops -= 1;
    }

    /// Finds what is known at the beginning of a body whichever turn it is, and sets the scope so.
    fn settle(&mut self, body: &dyn Fn(&mut Self)) {
        let effects = self.effects.clone();
        self.again += 1;
        // Each turn that changes something makes one more variable unknown, or adds a folder.
        while !self.is_exhausted() {
            let before = self.scope.clone();
            body(self);
            self.commands += 1;
            self.scope.merge(before.clone());
            if self.scope == before {
                break;
            }
        }
        self.again -= 1;
        self.effects = effects;
    }
}

/// Whether a place is a file with something in it; what is typed and shown is none.
fn is_file(place: &Place) -> bool {
    const NONE: [&str; 8] = ["", "-", "/dev/null", "/dev/stdin", "/dev/stdout", "/dev/stderr", "/dev/tty", "/dev/zero"];
    let is_open = |path: &str| {
        path.strip_prefix("/dev/fd/").is_some_and(|number| number.bytes().all(|byte| byte.is_ascii_digit()))
    };
    match place {
        Place::Path(path) | Place::Tree(path) => !NONE.contains(&path.as_str()) && !is_open(path),
        Place::Glob(_) | Place::Unknown => true,
    }
}

impl From<Field> for Value {
    fn from(field: Field) -> Self {
        match field {
            Field::Literal(text) => Self::Known(text),
            Field::Pattern(text) => Self::Pattern(text),
            Field::Unknown { .. } => Self::Unknown,
        }
    }
}
