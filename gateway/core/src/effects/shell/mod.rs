//! What a shell command does, as far as its text tells. Given `cd app && cat .e"nv"`: the program
//! `cat` is run with `.env`, and `app/.env` is read. Given `echo $(cat x | sh)`: unclear.
//!
//! The text is parsed twice, by parsers of different make; where they see different commands, the
//! whole is unclear. Then the tree is walked as `bash` would run it, every branch taken, and each
//! program is looked up in `programs.yaml`, which says how its arguments are to be read.
//!
//! Whatever could do more than can be told is said to be unclear: code of another language, names
//! of programs that are made up as the command runs, functions, settings of the environment that
//! change which program runs, input that a shell is to run. What a script, a hook, an alias or a
//! symbolic link on the machine does cannot be seen from here, and is not guessed at.
//!
//! - A program that is not in the table may read and write every argument that looks like a path:
//!   it has a `/` or a `.` in it, or begins with `~`. A folder that is named so is not taken for
//!   all that is below it.
//! - `*` stays as it was written. It matches no name that begins with a dot, as in `bash`; a
//!   command that changes this (`shopt -s dotglob`) is unclear.
//! - Wrappers that only run another command (`timeout 5 npm test`) count as that command alone;
//!   those that do more (`sudo`, `xargs`, `find -exec`, `bash -c`) count as both.
//! - A search, a copy or an archive below a folder reads all of it, hidden files too, unless it is
//!   held to names that are none of them (`--include='*.ts'`). What is moved, linked or compared is
//!   taken for one file where its name ends as files of code or of data do, and for a folder else.
//! - It may be another shell that runs it: what `zsh` or `dash` would read as other words or other
//!   commands is unclear.
//! - A variable that the command did not set, other than those that every machine has, shows the
//!   environment; not where only its being empty is asked.
//! - Behind `cd x;` a command may be in either folder, since `cd` may fail; behind `cd x &&` it is
//!   in `x`.

mod arguments;
mod braces;
mod builtins;
mod code;
mod conditions;
mod environment;
mod expand;
mod files;
mod find;
mod git;
mod given;
mod guess;
mod parse;
mod programs;
mod remote;
mod run;
mod scope;
mod second;
mod walk;
mod words;
mod wrappers;

use crate::effects::Effects;

/// The longest command that is read, in bytes.
const LONGEST: usize = 10_000;

/// Why a command cannot be told.
type Unclear = String;

/// Reads a command as `bash` would.
#[must_use]
pub fn read(command: &str) -> Effects {
    walk::Walk::over(command)
}
