//! What is done with what a program is given. Given `cp a b`: `a` is read, and `b` or `b/a` is
//! written. Given `python x.py`: `x.py` is read, and what it does is not known.

use crate::effects::place::{is_kind_of_file, matching};
use crate::effects::{Effect, Place};

use super::arguments::Arguments;
use super::programs::{Program, Role, programs};
use super::run::Run;
use super::scope::{Field, Kind};
use super::walk::Walk;

/// Modules of Python that run code they are given, or show what they find by themselves.
const MODULES_OF_CODE: [&str; 21] = [
    "timeit", "code", "asyncio", "pdb", "trace", "runpy", "cProfile", "profile", "idlelib", "bdb", "IPython",
    "ptpython", "bpython", "fire", "sqlite3", "dotenv", "zipfile", "tarfile", "invoke", "pyperf", "xonsh",
];

/// What types of files stand for in `rg`. Others hold more than code.
const TYPES: [(&str, &str); 9] = [
    ("ts", "*.{ts,tsx,mts,cts}"),
    ("typescript", "*.{ts,tsx,mts,cts}"),
    ("js", "*.{js,jsx,mjs,cjs,vue}"),
    ("py", "*.{py,pyi}"),
    ("python", "*.{py,pyi}"),
    ("rust", "*.rs"),
    ("go", "*.go"),
    ("swift", "*.swift"),
    ("css", "*.{css,scss}"),
];

impl Walk {
    /// An interpreter of another language. What a script does is not known, only that it is read.
    pub(super) fn interpreted(&mut self, name: &str, program: &Program, arguments: &Arguments<'_>, run: &Run<'_>) {
        let module = arguments.values.iter().find(|(_, role, _)| *role == Role::Module).map(|(_, _, module)| module);
        if let Some(module) = module {
            match module.literal() {
                Some("http.server") => {
                    self.emit(Effect::Reads(Place::Tree(String::from("."))));
                    self.emit(Effect::Sends);
                }
                Some(module) if !MODULES_OF_CODE.contains(&module) => self.known_script(module, arguments, run),
                _ => self.doubt(format!("`{name}` runs code of its own language")),
            }
        } else if let Some(script) = arguments.operands.first() {
            self.script_file(name, script);
            let base = script.literal().map(|path| path.rsplit('/').next().unwrap_or(path));
            base.iter().for_each(|base| self.known_script(base, arguments, run));
        } else if !arguments.has(&program.informs) {
            self.runs_input(name);
        }
        self.code_among(arguments.rest);
        arguments.rest.iter().for_each(|word| self.guess(word));
    }

    /// A script or module that goes by the name of a program: `python manage.py`, `python -m pip`.
    fn known_script(&mut self, name: &str, arguments: &Arguments<'_>, run: &Run<'_>) {
        if let Some(program) = programs().and_then(|table| table.find(name)).filter(|program| program.wraps.is_none()) {
            self.listed(name, program, &run.of(arguments.rest));
        }
    }

    /// A file that is run: it must be one, and not what someone writes into a pipe.
    fn script_file(&mut self, name: &str, script: &Field) {
        let is_file = |script: &str| script != "-" && !script.starts_with("/dev/") && !script.starts_with("data:");
        if !script.literal().is_some_and(is_file) {
            self.runs_input(name);
        }
        self.reads(script, Kind::File);
    }

    /// What is done with the operands.
    pub(super) fn operands(&mut self, program: &Program, arguments: &Arguments<'_>) {
        if arguments.has(&program.names) {
            return;
        }
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
            let kind = if program.deep && is_one_file(last) && rest.iter().all(|word| is_one_file(word)) {
                Kind::File
            } else {
                kind
            };
            self.given(role, last, kind);
            into = (role == Role::Into).then_some(*last);
            operands = rest;
        }
        let changes = program.rest == Role::Reads && arguments.has(&program.changes);
        let role = if changes { Role::Both } else { program.rest };
        // What is moved or linked is the one thing that it is; its ending tells when it is a file.
        let is_moved = program.rest == Role::Both && program.deep;
        let kind_of = |word: &Field| if is_moved && is_one_file(word) { Kind::File } else { kind };
        let within = within(program, arguments);
        for operand in operands {
            match (&within, kind) {
                (Some(patterns), Kind::Tree) => self.searched(operand, patterns),
                _ if program.compares && !is_one_file(operand) => self.given(role, operand, Kind::Tree),
                _ => self.given(role, operand, kind_of(operand)),
            }
            into.iter().for_each(|into| self.put_into(into, operand));
            if arguments.has(&program.saves) || program.saves.iter().any(|option| option == "*") {
                self.put_into(&Field::Literal(String::from(".")), operand);
            }
        }
        if operands.is_empty() && program.here && kind == Kind::Tree {
            let here = Field::Literal(String::from("."));
            match &within {
                Some(patterns) => self.searched(&here, patterns),
                None => self.given(role, &here, kind),
            }
        }
    }

    /// A search below a folder that is held to files of these patterns.
    fn searched(&mut self, folder: &Field, patterns: &[String]) {
        let Field::Literal(path) = folder else {
            self.reads(folder, Kind::Tree);
            return;
        };
        self.reads(folder, Kind::File);
        for pattern in patterns {
            for place in matching(path, pattern) {
                match place {
                    Place::Glob(pattern) => self.reads(&Field::Pattern(pattern), Kind::File),
                    _ => self.reads(folder, Kind::Tree),
                }
            }
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
            Role::Script => self.script_file("it", word),
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
                    // One form takes several files, and names in quotes.
                    let files = file.iter().flat_map(|file| std::iter::once(*file).chain(file.split([',', ';'])));
                    for file in files {
                        self.reads(&Field::Literal(file.trim_matches('"').to_owned()), Kind::File);
                    }
                    if text.starts_with('%') {
                        // A variable of the environment.
                        self.reads_environment();
                    }
                }
                None => self.reads(word, Kind::File),
            },
            Role::Guess => self.guess(word),
        }
    }

    fn address(&mut self, word: &Field) {
        let Some(text) = word.literal() else {
            self.emit(Effect::Fetches(None));
            return;
        };
        match file_of_address(text) {
            Some(path) => self.reads(&path, Kind::File),
            None => self.emit(Effect::Fetches(Some(text.to_owned()))),
        }
        // Addresses by which a shell is reached, often of this machine, name files as paths do.
        let by_shell = ["scp://", "sftp://"].iter().find_map(|scheme| text.strip_prefix(scheme));
        if let Some((_, path)) = by_shell.and_then(|rest| rest.split_once('/')) {
            self.reads(&Field::Literal(format!("/{path}")), Kind::File);
        }
    }
}

/// The file of an address such as `file:///a/b`. What would be decoded or expanded is not known.
pub(super) fn file_of_address(text: &str) -> Option<Field> {
    let (scheme, rest) = text.split_once(':')?;
    if !matches!(scheme.to_ascii_lowercase().as_str(), "file" | "fileb") {
        return None;
    }
    let path = match rest.strip_prefix("//") {
        // Between `//` and the next `/` may stand the name of this machine.
        Some(rest) if !rest.starts_with(['.', '~']) => rest.find('/').map_or(rest, |at| &rest[at..]),
        Some(rest) => rest,
        None => rest,
    };
    let is_plain = !path.contains(['%', '[', '{', '\\']);
    Some(if is_plain { Field::Literal(path.to_owned()) } else { Field::Unknown { one: true } })
}

/// The patterns that a search is held to, if there are any that let something in.
fn within(program: &Program, arguments: &Arguments<'_>) -> Option<Vec<String>> {
    let values = arguments.values.iter().filter(|(option, _, _)| program.within.contains(option));
    let mut patterns = Vec::new();
    for (option, _, value) in values {
        match value {
            Field::Literal(kind) if matches!(option.as_str(), "-t" | "--type") => {
                patterns.push(TYPES.iter().find(|(name, _)| name == kind)?.1.to_owned());
            }
            Field::Literal(text) | Field::Pattern(text) => patterns.push(text.clone()),
            Field::Unknown { .. } => return None,
        }
    }
    let lets_in = patterns.iter().any(|pattern| !pattern.trim().is_empty() && !pattern.starts_with('!'));
    patterns.retain(|pattern| !pattern.starts_with('!'));
    lets_in.then_some(patterns)
}

fn is_one_file(word: &Field) -> bool {
    word.literal().is_some_and(is_kind_of_file)
}
