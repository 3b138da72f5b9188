//! The program `git`. Given `git show HEAD:.env`: `.env` is read. Given `git diff`: whatever below
//! this folder has changed is read. Given `git -c core.pager=x log`: unclear.

use crate::effects::Effect;
use crate::effects::place::is_kind_of_file;

use super::arguments::{Arguments, told_apart};
use super::programs::{Program, Role};
use super::run::Run;
use super::scope::{Field, Kind};
use super::walk::Walk;

/// Options with which changes are named but not shown. (`--check` shows the lines that it faults.)
const NAMED: [&str; 11] = [
    "--stat",
    "--shortstat",
    "--numstat",
    "--name-only",
    "--name-status",
    "--summary",
    "--quiet",
    "--no-patch",
    "-s",
    "--dirstat",
    "--raw",
];

/// Options with which they are shown all the same.
const SHOWN: [&str; 14] = [
    "-p",
    "-u",
    "-U",
    "-c",
    "-L",
    "--patch",
    "--unified",
    "--patch-with-stat",
    "--patch-with-raw",
    "--cc",
    "--dd",
    "--word-diff",
    "--binary",
    "--remerge-diff",
];

/// Whether an option, or the beginning of one, shows changes.
fn shows(given: &str) -> bool {
    let is_begun = |option: &&str| given.len() > 3 && option.starts_with(given);
    SHOWN.contains(&given) || given.starts_with("--word-diff") || given.starts_with("--") && SHOWN.iter().any(is_begun)
}

impl Walk {
    pub(super) fn git(&mut self, program: &'static Program, run: &Run<'_>) {
        let arguments = told_apart(program, run.words, Some(1));
        self.options("git", program, &arguments);
        let folder = arguments.values.iter().find(|(_, role, _)| *role == Role::Folder).map(|(_, _, folder)| folder);
        let Some(command) = arguments.operands.first() else { return };
        let Some(name) = command.literal() else {
            self.doubt("what `git` is to do is not known before it runs");
            return;
        };
        let Some(known) = program.command(name) else {
            self.doubt(format!("`git {name}` is not known; it may be an alias that runs programs"));
            return;
        };
        self.below(|walk| {
            if let Some(folder) = folder {
                walk.scope.go(folder);
                walk.scope.doubt();
            }
            walk.git_command(name, known, &run.of(arguments.rest));
        });
    }

    fn git_command(&mut self, name: &str, program: &'static Program, run: &Run<'_>) {
        let stop = (!program.commands.is_empty()).then_some(1);
        let arguments = told_apart(program, run.words, stop);
        let full = format!("git {name}");
        self.options(&full, program, &arguments);
        let (before, after) = arguments.operands.split_at(arguments.dashes.unwrap_or(arguments.operands.len()));
        if let Some(why) = &program.unclear {
            self.doubt(format!("`{full}` {why}"));
        }
        // A name may be given to any object, and some formats show what is in it.
        let raw = |word: &Field| {
            word.literal().is_none_or(|word| word.contains("%(") && (word.contains("raw") || word.contains("contents")))
        };
        if matches!(name, "tag" | "branch" | "for-each-ref") && run.words.iter().any(raw) {
            self.doubt(format!("the format of `{full}` may show what is in files"));
        }
        match name {
            "config" => self.git_config(&arguments),
            "am" | "apply" => self.git_patches(program, &arguments),
            "diff" | "show" | "log" | "whatchanged" | "format-patch" | "diff-tree" | "diff-index" | "diff-files"
            | "reflog" => {
                self.git_shows(name, &arguments, before, after);
            }
            "stash" => self.git_stash(program, &arguments),
            "cat-file" | "blame" | "annotate" | "archive" | "grep" | "ls-tree" | "rev-list" => {
                self.git_reads(name, program, &arguments, (before, after));
            }
            "checkout" | "switch" | "restore" | "reset" => self.git_writes(name, &arguments, before, after),
            "clone" | "fetch" | "pull" | "ls-remote" | "push" => self.git_asks(name, &arguments),
            _ if !program.commands.is_empty() => self.listed_git(&full, program, &arguments),
            _ if program.fetches => self.emit(Effect::Fetches(None)),
            _ => self.operands(program, &arguments),
        }
    }

    fn listed_git(&mut self, name: &str, program: &'static Program, arguments: &Arguments<'_>) {
        match arguments.operands.first().map(|word| word.literal()) {
            None => {}
            Some(Some(command)) => match program.command(command) {
                Some(known) => {
                    let inner = told_apart(known, arguments.rest, None);
                    self.options(name, known, &inner);
                    self.operands(known, &inner);
                    if known.environment {
                        self.reads_environment();
                    }
                    if let Some(why) = &known.unclear {
                        self.doubt(format!("`{name} {command}` {why}"));
                    }
                    if known.sends {
                        self.emit(Effect::Sends);
                    }
                    if known.fetches {
                        self.emit(Effect::Fetches(None));
                    }
                }
                None => self.doubt(format!("`{name} {command}` is not known")),
            },
            Some(None) => self.doubt(format!("what `{name}` is to do is not known before it runs")),
        }
    }

    /// Changes that are shown: of these paths, or of whatever has changed.
    fn git_shows(&mut self, name: &str, arguments: &Arguments<'_>, before: &[&Field], after: &[&Field]) {
        let shown = arguments.given.iter().any(|given| shows(given));
        // A patch is made whatever is told about it besides, and `-s` signs it.
        let is_patch = name == "format-patch";
        let named = !is_patch && (arguments.given(&NAMED) || matches!(name, "log" | "diff-tree" | "reflog"));
        if !shown && named {
            return;
        }
        if name == "diff" && arguments.given(&["--no-index", "--stdin"]) {
            if arguments.given(&["--stdin"]) {
                self.reads(&Field::Unknown { one: false }, Kind::File);
            }
            before.iter().chain(after).for_each(|path| self.reads(path, Kind::Tree));
            return;
        }
        let objects = before.iter().filter(|word| self.git_object(word, name == "diff")).count();
        after.iter().for_each(|path| self.git_path(path));
        if name == "diff" && objects < before.len() {
            // Files that are not in the repository are compared too.
            before.iter().for_each(|path| self.reads(path, Kind::File));
        }
        if after.is_empty() && (objects < before.len() || before.is_empty()) {
            self.reads(&Field::Literal(String::from(".")), Kind::Tree);
        }
    }

    /// Reads `REV:path`; false where the word is no such thing. Of a folder only names are shown,
    /// unless by what packs or searches all that is below (`deep`).
    fn git_object(&mut self, word: &Field, deep: bool) -> bool {
        let Some(text) = word.literal().filter(|word| word.contains(':')) else { return false };
        let mut is_object = false;
        // What stands before the colon may have others in it: `HEAD@{10:00}:path`, `HEAD^{/a:b}:path`.
        for (at, _) in text.match_indices(':') {
            // `:0:path` and `:(glob)path`.
            let path = text[at + 1..].trim_start_matches(|next: char| next.is_ascii_digit()).trim_start_matches(':');
            if path.is_empty() || path.starts_with(['(', '/', '!']) {
                return false;
            }
            is_object = true;
            let kind = if deep { Kind::Tree } else { Kind::File };
            self.reads(&Field::Literal(path.to_owned()), kind);
            // Counted from the root of the repository, which may be above.
            self.reads(&Field::Literal(path.trim_start_matches("./").to_owned()), Kind::File);
        }
        is_object
    }

    /// A path of which `git` matches patterns itself, and takes a folder for all that is below it.
    fn git_path(&mut self, word: &Field) {
        match word.literal() {
            Some(path) if path.starts_with(':') => self.reads(&Field::Literal(String::from(".")), Kind::Tree),
            Some(path) if path.contains(['*', '?', '[']) => {
                let path = if path.starts_with('*') { format!("**/{path}") } else { path.to_owned() };
                self.reads(&Field::Pattern(path.clone()), Kind::File);
                self.reads(&Field::Pattern(path.replace('*', ".*")), Kind::File);
            }
            Some(path) if is_kind_of_file(path) => self.reads(word, Kind::File),
            _ => self.reads(word, Kind::Tree),
        }
    }

    /// Only what tells one setting, or sets who commits; others may say what programs are run.
    fn git_config(&mut self, arguments: &Arguments<'_>) {
        const PLAIN: [&str; 9] =
            ["--get", "--get-all", "--global", "--local", "--system", "--worktree", "--type", "--bool", "--default"];
        let given = arguments.given.iter().all(|given| PLAIN.contains(&given.as_str()));
        let key = arguments.operands.iter().find_map(|word| word.literal().filter(|word| *word != "get"));
        let reads = arguments.given(&["--get", "--get-all"])
            || arguments.operands.first().is_some_and(|word| word.literal() == Some("get"));
        let is_person = matches!(key, Some("user.name" | "user.email"));
        if !given || !(reads || is_person) || arguments.operands.iter().any(|word| word.literal().is_none()) {
            self.doubt("`git config` may say what programs git runs");
        }
    }

    /// What a patch is about is written, wherever it is.
    fn git_patches(&mut self, program: &'static Program, arguments: &Arguments<'_>) {
        self.operands(program, arguments);
        if !arguments.given(&["--check", "--stat", "--numstat", "--summary"])
            || arguments.given(&["--apply", "--index", "--cached"])
        {
            self.writes(&Field::Literal(String::from(".")), Kind::Tree);
        }
    }

    fn git_stash(&mut self, program: &'static Program, arguments: &Arguments<'_>) {
        let command = arguments.operands.first().map_or(Some("push"), |word| word.literal());
        let here = Field::Literal(String::from("."));
        let inner = told_apart(program, arguments.rest, None);
        match command {
            Some("show" | "list") if inner.given.iter().any(|given| shows(given)) => self.reads(&here, Kind::Tree),
            Some("list" | "drop" | "clear" | "show") => {}
            Some("push" | "save" | "pop" | "apply" | "branch" | "create" | "store") => self.writes(&here, Kind::Tree),
            _ => self.doubt("what `git stash` is to do is not known"),
        }
    }

    fn git_reads(
        &mut self,
        name: &str,
        program: &Program,
        arguments: &Arguments<'_>,
        (before, after): (&[&Field], &[&Field]),
    ) {
        let here = Field::Literal(String::from("."));
        let named = match name {
            "ls-tree" | "rev-list" => return,
            "cat-file" if arguments.given(&["-t", "-s", "-e"]) => return,
            "grep" if !arguments.has(&program.unless) => before.get(1..).unwrap_or_default(),
            _ => before,
        };
        let objects = named.iter().filter(|word| self.git_object(word, name != "cat-file" && name != "blame")).count();
        after.iter().for_each(|path| self.git_path(path));
        match name {
            "blame" | "annotate" if after.is_empty() => named.iter().for_each(|path| self.reads(path, Kind::File)),
            "cat-file" if arguments.given.iter().any(|given| given.starts_with("--batch")) => {
                self.reads(&Field::Unknown { one: false }, Kind::File);
            }
            _ if after.is_empty() && (named.is_empty() || objects < named.len()) => {
                named.iter().for_each(|path| self.reads(path, Kind::Tree));
                // What is named may be a commit, and all that is in it is read.
                self.reads(&here, Kind::Tree);
            }
            _ => {}
        }
    }

    fn git_writes(&mut self, name: &str, arguments: &Arguments<'_>, before: &[&Field], after: &[&Field]) {
        let here = Field::Literal(String::from("."));
        let creates = arguments.given(&["-b", "-c", "-B", "-C", "--create", "--orphan"]);
        if creates && before.is_empty() && after.is_empty() || arguments.given(&["--staged", "-S", "--soft", "--mixed"])
        {
            return;
        }
        let kind = |path: &Field| if path.literal().is_some_and(is_kind_of_file) { Kind::File } else { Kind::Tree };
        after.iter().for_each(|path| self.writes(path, kind(path)));
        // Without one of these only what is staged changes.
        if name == "reset" && !arguments.given(&["--hard", "--keep", "--merge"]) {
            return;
        }
        if name == "restore" {
            before.iter().for_each(|path| self.writes(path, kind(path)));
        } else if after.is_empty() {
            before.iter().for_each(|path| self.writes(path, Kind::Tree));
            self.writes(&here, Kind::Tree);
        }
    }

    fn git_asks(&mut self, name: &str, arguments: &Arguments<'_>) {
        let address = arguments.operands.first().map(|word| word.literal().map(str::to_owned));
        let runs =
            |address: &str| address.starts_with("ext::") || address.starts_with('-') || address.starts_with("fd::");
        match &address {
            Some(Some(address)) if runs(address) => self.doubt("an address of `git` runs programs"),
            Some(None) => self.doubt("an address of `git` that is not known may run programs"),
            _ => {}
        }
        let is_remote = |address: &String| address.contains(':') || address.contains('/');
        let told = address.flatten().filter(is_remote);
        self.emit(Effect::Fetches(told));
        match name {
            "push" => self.emit(Effect::Sends),
            "clone" => arguments.operands.iter().skip(1).for_each(|path| self.writes(path, Kind::Tree)),
            "pull" => self.writes(&Field::Literal(String::from(".")), Kind::Tree),
            _ => {}
        }
    }
}
