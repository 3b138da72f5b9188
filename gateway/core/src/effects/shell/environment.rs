//! Variables that the command did not set, and so are of the environment. Given `echo $API_KEY`:
//! the environment is shown. Given `cd $HOME` or `[ -z "$API_KEY" ]`: it is not.

use brush_parser::ast::{CommandPrefixOrSuffixItem, SimpleCommand};

use crate::effects::{Effect, Place};

use super::walk::Walk;

/// Variables that hold no secrets: the shell's own, and what every machine has.
const OPEN: [&str; 71] = [
    "HOME",
    "PWD",
    "OLDPWD",
    "USER",
    "USERNAME",
    "LOGNAME",
    "SHELL",
    "PATH",
    "TERM",
    "LANG",
    "LANGUAGE",
    "TMPDIR",
    "TMP",
    "TEMP",
    "HOSTNAME",
    "HOST",
    "UID",
    "EUID",
    "PPID",
    "GROUPS",
    "SHLVL",
    "IFS",
    "RANDOM",
    "SRANDOM",
    "SECONDS",
    "LINENO",
    "BASHPID",
    "BASH_VERSION",
    "BASH_SOURCE",
    "BASH_REMATCH",
    "BASH_SUBSHELL",
    "BASH_LINENO",
    "ZSH_VERSION",
    "FUNCNAME",
    "PIPESTATUS",
    "REPLY",
    "MAPFILE",
    "OPTARG",
    "OPTIND",
    "OPTERR",
    "COLUMNS",
    "LINES",
    "OSTYPE",
    "HOSTTYPE",
    "MACHTYPE",
    "EPOCHSECONDS",
    "EPOCHREALTIME",
    "DIRSTACK",
    "EDITOR",
    "VISUAL",
    "PAGER",
    "DISPLAY",
    "CI",
    "NODE_ENV",
    "PORT",
    "DEBUG",
    "VIRTUAL_ENV",
    "CONDA_PREFIX",
    "CONDA_DEFAULT_ENV",
    "JAVA_HOME",
    "ANDROID_HOME",
    "GOPATH",
    "GOROOT",
    "GOBIN",
    "CARGO_HOME",
    "RUSTUP_HOME",
    "NVM_DIR",
    "PNPM_HOME",
    "PYENV_ROOT",
    "EDITOR_ROOT",
    "COLORTERM",
];

impl Walk {
    /// Everything that a program is told by its environment is shown.
    pub(super) fn reads_environment(&mut self) {
        self.emit(Effect::Reads(Place::Path(String::from("/proc/self/environ"))));
    }

    /// The value of a variable is put into a word.
    pub(super) fn told_by_environment(&mut self, name: &str) {
        let is_named = name.starts_with(|first: char| first.is_ascii_alphabetic() || first == '_');
        let is_open = OPEN.contains(&name) || name.starts_with("LC_") || name.starts_with("XDG_");
        if is_named && !is_open && !self.only_asked && self.scope.value(name).is_none() {
            self.reads_environment();
        }
    }

    /// Does something of which no more is seen than whether variables are empty, or equal something.
    pub(super) fn asked(&mut self, only_asks: bool, walk: impl FnOnce(&mut Self)) {
        let before = std::mem::replace(&mut self.only_asked, only_asks && !self.traced);
        walk(self);
        self.only_asked = before;
    }
}

/// Whether a command is `[ -z "$x" ]` or the like. What compares numbers shows what is none.
pub(super) fn only_asks(command: &SimpleCommand) -> bool {
    let name = command.word_or_name.as_ref().map(|name| name.value.as_str());
    let words = command.suffix.iter().flat_map(|suffix| &suffix.0).filter_map(|item| match item {
        CommandPrefixOrSuffixItem::Word(word) => Some(word.value.as_str()),
        _ => None,
    });
    let words: Vec<&str> = words.filter(|word| *word != "]").collect();
    matches!(name, Some("[" | "test")) && matches!(words.as_slice(), ["-z" | "-n", _])
}

/// Whether the shell may be told to show each command before it runs.
pub(super) fn may_trace(text: &str) -> bool {
    let is_option = |word: &str| word.starts_with(['-', '+']) && !word.starts_with("--") && word.contains('x');
    text.contains("xtrace") || text.split(|next: char| next.is_whitespace() || "'\";".contains(next)).any(is_option)
}
