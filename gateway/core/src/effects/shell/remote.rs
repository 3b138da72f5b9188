//! Programs that reach other machines. Given `scp x host:y`: `x` is read, and `host:y` is asked.
//! Given `ssh host ls`: something may leave for `host`; what runs there is not run here.

use crate::effects::Effect;

use super::arguments::told_apart;
use super::builtins::joined;
use super::programs::Program;
use super::run::{Input, Run};
use super::scope::{Field, Kind};
use super::walk::Walk;

/// Settings of `ssh` that run nothing and read no other settings.
const SETTINGS: [&str; 11] = [
    "batchmode",
    "connecttimeout",
    "connectionattempts",
    "identitiesonly",
    "loglevel",
    "passwordauthentication",
    "port",
    "serveraliveinterval",
    "stricthostkeychecking",
    "user",
    "preferredauthentications",
];

impl Walk {
    pub(super) fn ssh(&mut self, name: &str, program: &'static Program, run: &Run<'_>) {
        let arguments = told_apart(program, run.words, Some(1));
        self.options(name, program, &arguments);
        self.settings_of_ssh(
            name,
            &arguments.values.iter().map(|(option, _, value)| (option.as_str(), value)).collect::<Vec<_>>(),
        );
        match arguments.operands.first() {
            Some(host) => {
                self.emit(Effect::Fetches(host.literal().map(str::to_owned)));
                self.emit(Effect::Sends);
                if let Some((_, path)) = host.literal().and_then(|host| host.split_once(':')) {
                    self.reads(&Field::Literal(path.to_owned()), Kind::File);
                }
                // A host of repositories runs no commands.
                let is_quiet = host.literal().is_some_and(|host| host.starts_with("git@")) || arguments.given(&["-N"]);
                self.run_there(name, arguments.rest, is_quiet, run);
            }
            None if arguments.given(&["-V"]) => {}
            None => self.doubt(format!("`{name}` names no host")),
        }
    }

    /// What runs on another machine, which may well be this one, in the home of someone.
    fn run_there(&mut self, name: &str, words: &[Field], is_quiet: bool, run: &Run<'_>) {
        let text = match (joined(words), run.input) {
            (Some(text), Input::Outside) if text.is_empty() && is_quiet => return,
            (Some(text), Input::Outside) if text.is_empty() => return self.runs_input(name),
            (Some(text), Input::Text(input)) if text.is_empty() => input.clone(),
            (Some(text), _) => text,
            (None, _) => return self.doubt(format!("what `{name}` runs there is not known")),
        };
        self.below(|walk| {
            walk.scope.go(&Field::Literal(String::from("~")));
            walk.script_elsewhere(&text);
        });
    }

    fn settings_of_ssh(&mut self, name: &str, values: &[(&str, &Field)]) {
        for (_, setting) in values.iter().filter(|(option, _)| *option == "-o") {
            let known = |text: &str| {
                let key = text.split(['=', ' ']).next().unwrap_or_default().to_ascii_lowercase();
                SETTINGS.contains(&key.as_str())
            };
            if !setting.literal().is_some_and(known) {
                self.doubt(format!("a setting of `{name} -o` may run programs"));
            }
        }
    }

    pub(super) fn remote_copy(&mut self, name: &str, program: &'static Program, run: &Run<'_>) {
        let arguments = told_apart(program, run.words, None);
        self.options(name, program, &arguments);
        self.settings_of_ssh(
            name,
            &arguments.values.iter().map(|(option, _, value)| (option.as_str(), value)).collect::<Vec<_>>(),
        );
        let kind = if program.deep || arguments.has(&program.tree) { Kind::Tree } else { Kind::File };
        let last = arguments.operands.len().saturating_sub(1);
        for (at, operand) in arguments.operands.iter().enumerate() {
            let is_last = at == last && at > 0;
            match operand.literal() {
                Some(text) if is_remote(text) => {
                    self.emit(Effect::Fetches(Some(text.to_owned())));
                    if let (false, Some((_, path))) = (is_last, text.split_once(':')) {
                        self.reads(&Field::Literal(path.trim_start_matches(':').to_owned()), kind);
                    }
                    if is_last {
                        self.emit(Effect::Sends);
                    }
                }
                None => {
                    self.reads(operand, kind);
                    if !matches!(operand, Field::Pattern(_)) {
                        self.emit(Effect::Fetches(None));
                        self.writes(operand, kind);
                    }
                }
                Some(_) if is_last => {
                    self.writes(operand, kind);
                    arguments.operands[..at].iter().for_each(|source| self.put_into(operand, source));
                }
                Some(_) => self.reads(operand, kind),
            }
        }
    }
}

/// `host:path`, `user@host:`, `rsync://…`. A path with a `/` before its colon is of this machine.
fn is_remote(text: &str) -> bool {
    text.contains("://") || text.split_once(':').is_some_and(|(host, _)| !host.contains('/'))
}
