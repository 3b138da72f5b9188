//! Arguments of which is not known what they are for. Given `x --out=a/b`: `a/b` may be read and
//! written. Given `x -e 'a(1)'`: unclear, since that may be code.

use crate::effects::Effect;

use super::given::file_of_address;
use super::run::Run;
use super::scope::{Field, Kind};
use super::walk::Walk;

/// Options by which many programs are given code or commands.
const CODE: [&str; 13] =
    ["-c", "-e", "-E", "-x", "-p", "--eval", "--exec", "--command", "--execute", "-exec", "--run", "--print", "--call"];

/// What parts the paths in an argument from what else is there.
const BETWEEN: [char; 18] =
    [' ', '\t', '\n', ':', ',', '=', '@', ';', '\'', '"', '`', '(', ')', '<', '>', '|', '&', '!'];

impl Walk {
    /// A program that the table does not have.
    pub(super) fn unlisted(&mut self, run: &Run<'_>) {
        self.code_among(run.words);
        run.words.iter().for_each(|word| self.guess(word));
    }

    /// Says so where one of these words may be code.
    pub(super) fn code_among(&mut self, words: &[Field]) {
        let is_code = |text: &str| text.contains([' ', '(', ';', '$', '`', '\n']);
        let is_option = |text: &str| CODE.contains(&text);
        for (at, word) in words.iter().enumerate() {
            let Some(text) = word.literal() else { continue };
            let given = match text.split_once('=') {
                Some((option, code)) => is_option(option) && is_code(code),
                None => is_option(text) && words.get(at + 1).is_some_and(|next| next.literal().is_none_or(is_code)),
            };
            if given {
                self.doubt("a program that is not known may be given code to run");
            }
        }
    }

    /// An argument of which is not known what it is for.
    pub(super) fn guess(&mut self, word: &Field) {
        let Field::Literal(text) = word else {
            self.reads(word, Kind::File);
            self.writes(word, Kind::File);
            return;
        };
        if let Some((_, address)) = text.split_once("://") {
            let from = text.find(|next: char| next.is_ascii_alphabetic()).unwrap_or(0);
            match text[from..].find("file").and_then(|at| file_of_address(&text[from + at..])) {
                Some(file) => self.reads(&file, Kind::File),
                None => self.emit(Effect::Fetches(Some(text[from..].to_owned()))),
            }
            // What follows may name a file all the same: `https://x@.env`.
            if !address.contains(['@', ' ', ',']) {
                return;
            }
        }
        let mut parts = vec![text.as_str()];
        if text.starts_with('-') && !text.starts_with("--") {
            // `-I.env`
            parts = text.char_indices().nth(2).map(|(at, _)| &text[at..]).into_iter().collect();
        } else if text.starts_with("--") {
            parts.clear();
        }
        parts.extend(text.split(BETWEEN));
        let is_path =
            |part: &&str| part.contains(['/', '.']) && !part.chars().all(|next| next == '-') || part.starts_with('~');
        for part in parts.into_iter().filter(is_path) {
            let path = Field::Literal(part.to_owned());
            self.reads(&path, Kind::File);
            self.writes(&path, Kind::File);
        }
    }
}
