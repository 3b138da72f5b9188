//! What a tool call does, as far as its arguments tell. Given the call `Bash` with
//! `{"command": "cat .env"}`: it runs `cat .env`, and reads the file `.env`.

pub mod code;
pub mod patch;
mod place;
pub mod shell;
pub mod table;

/// One thing that a call does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Effect {
    /// A program is run with these words; the first is the program's name, without its folder.
    Runs(Vec<Word>),
    /// What is in a file, or in an object of a repository, is read.
    Reads(Place),
    /// A file is made, changed, moved or removed.
    Writes(Place),
    /// An address is asked. None where it cannot be told which.
    Fetches(Option<String>),
    /// Something may leave the machine by a way that names no address: `git push`, `npm publish`.
    Sends,
}

/// A word of a command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Word {
    /// It is this, after quotes were taken off.
    Literal(String),
    /// It becomes what the shell makes of it: `$x`, `$(…)`, `*.rs`.
    Unknown,
}

/// Where a call reads or writes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// A path as it was written, quotes taken off, folders of `cd` put before it.
    Path(String),
    /// Every path that this pattern matches (`*`, `?`, `[…]`, `{…}`, `**`).
    Glob(String),
    /// This file or folder, and everything below it: `grep -r`, `tar`, `cp -r`.
    Tree(String),
    /// It cannot be told where: `cat $x`.
    Unknown,
}

/// What a call does.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Effects {
    pub list: Vec<Effect>,
    /// Those of the list that are beside what a command is there for: where its output is redirected
    /// to, files that an option makes it write.
    pub beside: Vec<Effect>,
    /// Why some of what it does cannot be told; then the list is not all of it.
    pub unclear: Option<String>,
    /// The calls that it makes of other tools, if it is a program. What they do is in the list too.
    pub program: Option<Program>,
}

/// A program that calls tools, as its calls were read.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Program {
    pub calls: Vec<Called>,
    /// Why not all of its calls can be seen.
    pub unclear: Option<String>,
}

/// A call that a program makes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Called {
    pub name: String,
    /// A JSON object, or what a tool takes that is called with text.
    pub arguments: String,
    pub effects: Effects,
}

impl Effects {
    /// Whether something could leave the machine by it.
    #[must_use]
    pub fn may_leave(&self) -> bool {
        self.unclear.is_some() || self.list.iter().any(|effect| matches!(effect, Effect::Fetches(_) | Effect::Sends))
    }

    /// Nothing can be told.
    #[must_use]
    pub fn unclear(why: impl Into<String>) -> Self {
        Self { unclear: Some(why.into()), ..Self::default() }
    }

    /// This and more; of two reasons why something is unclear, the first stays.
    pub(crate) fn add(&mut self, more: Self) {
        self.list.extend(more.list);
        self.beside.extend(more.beside);
        self.unclear = self.unclear.take().or(more.unclear);
        if let Some(more) = more.program {
            let program = self.program.get_or_insert_default();
            program.calls.extend(more.calls);
            program.unclear = program.unclear.take().or(more.unclear);
        }
    }
}
