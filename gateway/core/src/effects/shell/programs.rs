//! The table of programs: how the arguments of each are to be read. Given `head -n 5 x`: `-n` takes
//! a value, and `x` is read.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use serde::Deserialize;

use crate::glob::Glob;

/// The table, as it is written.
const TEXT: &str = include_str!("programs.yaml");

static PROGRAMS: LazyLock<Option<Programs>> = LazyLock::new(|| serde_saphyr::from_str(TEXT).ok());

/// The table. None if what is written is broken, which a test rules out.
pub(super) fn programs() -> Option<&'static Programs> {
    PROGRAMS.as_ref()
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Programs {
    /// Variables of the environment that say what programs do.
    steering: Vec<Glob>,
    /// Those among them that do not.
    harmless: Vec<Glob>,
    /// Programs that read no file's content and write none, whatever they are given.
    plain: Vec<String>,
    /// Programs that read every file they are given, and do nothing else.
    readers: Vec<String>,
    /// Other names.
    alias: BTreeMap<String, String>,
    /// Programs of which cannot be told what they do, and why.
    unclear: BTreeMap<String, String>,
    programs: BTreeMap<String, Program>,
}

/// How a program's arguments are to be read.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Program {
    /// What is done with the first operand, where it is not as the rest.
    pub(super) first: Option<Role>,
    pub(super) rest: Role,
    /// What is done with the last operand, if there are two.
    pub(super) last: Option<Role>,
    /// Options with which there is no such first operand.
    pub(super) unless: Vec<String>,
    /// Options that take values, and what is done with each.
    pub(super) options: BTreeMap<String, Roles>,
    /// Options with which folders are gone into.
    pub(super) tree: Vec<String>,
    /// Folders are always gone into.
    pub(super) deep: bool,
    /// Without operands, this folder is gone into, if folders are.
    pub(super) here: bool,
    /// Options with which the files that are read are written too.
    pub(super) changes: Vec<String>,
    /// Options with which it cannot be told what it does.
    pub(super) refuse: Vec<String>,
    /// Options with which it only tells about itself.
    pub(super) informs: Vec<String>,
    /// Long options begin with one dash.
    pub(super) one_dash: bool,
    /// The first operand is one of these, and says how the rest is to be read.
    pub(super) commands: BTreeMap<String, Self>,
    /// Any other first operand is read as for an unknown program; or else it is unclear.
    pub(super) open: bool,
    /// An address is asked that is not told.
    pub(super) fetches: bool,
    /// Something may leave the machine.
    pub(super) sends: bool,
    /// It shows what is in the environment.
    pub(super) environment: bool,
    /// It runs the command that stands behind this many operands.
    pub(super) wraps: Option<usize>,
    /// It does so and nothing else, so that it is not shown itself.
    pub(super) quiet: bool,
    /// Options with which what is fetched is written by its own name; `*` is any.
    pub(super) saves: Vec<String>,
    /// Options with which what is read is a list of other files, which are read.
    pub(super) lists: Vec<String>,
    /// Options with which only names are shown.
    pub(super) names: Vec<String>,
    /// Options whose values are patterns of names, to which a search below folders is held.
    pub(super) within: Vec<String>,
    /// It compares its operands, and what is in them where they are folders.
    pub(super) compares: bool,
    /// Its first operand is a script, without which it runs its input.
    pub(super) script: bool,
    /// It has rules of its own.
    pub(super) by: Option<By>,
    /// It cannot be told what it does.
    pub(super) unclear: Option<String>,
}

/// What is done with an argument.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Role {
    #[default]
    None,
    Reads,
    Writes,
    Both,
    /// It is written, or files of the names of the others are written in it.
    Into,
    /// It is such a folder, and the others are all read.
    Target,
    /// It is asked.
    Address,
    /// A file behind an `@`, or text.
    Data,
    /// The folder that it works in.
    Folder,
    /// It is run.
    Runs,
    /// A file that is run: it is read, and must be one.
    Script,
    /// A module or tool, whose own arguments follow.
    Module,
    Guess,
}

/// What is done with the values of an option, in order.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub(super) struct Roles(pub(super) Vec<Role>);

impl TryFrom<String> for Roles {
    type Error = String;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        let role = |word: &str| {
            let word = serde::de::value::StrDeserializer::<serde::de::value::Error>::new(word);
            Role::deserialize(word).map_err(|error| error.to_string())
        };
        text.split_whitespace().map(role).collect::<Result<_, _>>().map(Self)
    }
}

/// Which rules of its own a program has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum By {
    Awk,
    Builtin,
    Busybox,
    Dd,
    Env,
    Find,
    Flock,
    Git,
    Jq,
    Make,
    NpmRun,
    Patch,
    Ps,
    RemoteCopy,
    Sed,
    Shell,
    Ssh,
    Tar,
    Unzip,
    Watch,
    Xargs,
}

static PLAIN: LazyLock<Program> = LazyLock::new(Program::default);
static READER: LazyLock<Program> = LazyLock::new(|| Program { rest: Role::Reads, ..Program::default() });

impl Programs {
    /// A program by its name. A name may have a version behind
    /// it (`python3.12`), and some file systems do not tell capitals apart.
    pub(super) fn find(&'static self, name: &str) -> Option<&'static Program> {
        spellings(name).iter().find_map(|name| self.exact(name))
    }

    fn exact(&'static self, name: &str) -> Option<&'static Program> {
        let name = self.alias.get(name).map_or(name, String::as_str);
        let has = |list: &[String]| list.iter().any(|listed| listed == name);
        self.programs
            .get(name)
            .or_else(|| has(&self.plain).then(|| &*PLAIN))
            .or_else(|| has(&self.readers).then(|| &*READER))
    }

    /// Why it cannot be told what this program does, if that is known of it.
    pub(super) fn why_unclear(&self, name: &str) -> Option<&str> {
        let of = |name: &String| self.unclear.get(self.alias.get(name).unwrap_or(name));
        spellings(name).iter().find_map(of).map(String::as_str)
    }

    /// Whether a variable says what programs do.
    pub(super) fn steers(&self, variable: &str) -> bool {
        let has = |list: &[Glob]| list.iter().any(|glob| glob.matches(variable));
        has(&self.steering) && !has(&self.harmless)
    }
}

fn spellings(name: &str) -> [String; 3] {
    let lower = name.to_ascii_lowercase();
    let bare = lower.trim_end_matches(|next: char| next.is_ascii_digit() || next == '.' || next == '-').to_owned();
    [name.to_owned(), lower, bare]
}

impl Program {
    /// How the rest of the words is to be read behind this first one.
    pub(super) fn command(&self, name: &str) -> Option<&Self> {
        self.commands
            .iter()
            .find(|(names, _)| names.split(' ').any(|listed| listed == name))
            .map(|(_, command)| command)
    }

    /// Every role that it gives to some argument.
    pub(super) fn roles(&self) -> impl Iterator<Item = Role> {
        let of_options = self.options.values().flat_map(|roles| roles.0.iter().copied());
        of_options.chain(self.first).chain(self.last).chain([self.rest])
    }

    /// Whether some option makes it run a program.
    pub(super) fn can_run(&self) -> bool {
        !self.refuse.is_empty() || self.roles().any(|role| matches!(role, Role::Runs | Role::Script))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn each<'a>(name: &str, program: &'a Program, check: &mut dyn FnMut(&str, &'a Program)) {
        check(name, program);
        for (command, inner) in &program.commands {
            each(&format!("{name} {command}"), inner, check);
        }
    }

    #[test]
    fn the_table_is_sound() {
        let table: Programs = serde_saphyr::from_str(TEXT).unwrap();
        for (name, other) in &table.alias {
            assert!(!table.programs.contains_key(name), "{name} is a program and another name");
            let is_listed = table.plain.contains(other) || table.readers.contains(other);
            assert!(is_listed || table.programs.contains_key(other) || table.unclear.contains_key(other), "{other}");
        }
        for name in table.plain.iter().chain(&table.readers).chain(table.unclear.keys()) {
            assert!(!table.programs.contains_key(name), "{name} stands in the table twice");
        }
        for (name, program) in &table.programs {
            each(name, program, &mut |name, program| {
                let lists = [
                    &program.refuse,
                    &program.tree,
                    &program.changes,
                    &program.unless,
                    &program.informs,
                    &program.lists,
                    &program.names,
                    &program.within,
                ];
                let options = lists.into_iter().flatten().chain(program.options.keys());
                for option in options {
                    let is_short = option.len() == 2 && !option.ends_with('-');
                    let is_long = option.len() > 2 && (option.starts_with("--") || program.one_dash || name == "node");
                    let is_plus = option == "+";
                    assert!(is_plus || option.starts_with('-') && (is_short || is_long), "{name} {option}");
                }
                for option in &program.refuse {
                    assert!(!program.options.contains_key(option), "{name} {option} is refused and takes a value");
                }
            });
        }
    }
}
