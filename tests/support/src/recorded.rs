//! Sessions of agents, recorded: what each sent in its turns, and the script that its model played.
//! `tests/clients/recorded.rs` records them anew, `tests/e2e/recorded.rs` plays them.
//!
//! A body is as it was sent, byte for byte, but for two things: the folder that its agent worked in is
//! another, and long texts, which are the prompts of its vendor, have each letter replaced by an `x`.

use std::io::{Read, Write};
use std::path::PathBuf;

use flate2::Compression;
use flate2::read::GzDecoder;
use flate2::write::GzEncoder;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::prompt::{string_end, with_prose};
use crate::{Setup, root};

/// How it ends.
pub const DONE: &str = "The lines are counted.";

/// A text that is longer is not of our scripts, whose results and summaries are short.
const LONGEST: usize = 200;
/// What tells a conversation and its agent, or changes how a request is read.
const HEADERS: &[&str] = &[
    "user-agent",
    "anthropic-version",
    "anthropic-beta",
    "x-claude-code-session-id",
    "session-id",
    "thread-id",
    "x-codex-window-id",
];

#[derive(Debug, Serialize, Deserialize)]
pub struct Recorded {
    pub script: Value,
    pub requests: Vec<Sent>,
}

#[derive(Debug, Serialize, Deserialize)]
pub struct Sent {
    pub path: String,
    pub headers: Vec<(String, String)>,
    pub body: String,
}

impl Sent {
    /// Of a request, made in this folder.
    pub fn of(path: &str, headers: &[(String, String)], body: &str, folder: &str) -> Self {
        let is_kept = |(name, _): &&(String, String)| HEADERS.iter().any(|kept| kept.eq_ignore_ascii_case(name));
        let headers = headers.iter().filter(is_kept).cloned().collect();
        Self { path: path.to_owned(), headers, body: veiled(&body.replace(folder, "/home/ada")) }
    }
}

/// The same JSON without the words of its long texts. Names in angle brackets say what a text is.
fn veiled(json: &str) -> String {
    let (mut out, mut rest) = (String::new(), json);
    while let Some(at) = rest.find('"') {
        let end = at + string_end(&rest[at..]);
        out.push_str(&rest[..at]);
        let text = &rest[at..end];
        // JSON in a text, as Claude Code names its session.
        let is_ours = text.len() <= LONGEST || text.starts_with("\"{");
        out.push_str(&if is_ours { text.to_owned() } else { without_words(text) });
        rest = &rest[end..];
    }
    out + rest
}

fn without_words(text: &str) -> String {
    let (mut out, mut escape, mut is_name) = (String::new(), 0, false);
    for c in text.chars() {
        is_name = (is_name || c == '<') && c != '>';
        let is_word = escape == 0 && !is_name && c.is_alphabetic();
        escape = match (escape, c) {
            (0, '\\') => 1,
            (1, 'u') => 4,
            (0, _) | (1, _) => 0,
            (more, _) => more - 1,
        };
        out.push(if is_word { 'x' } else { c });
    }
    out
}

impl Recorded {
    fn file(name: &str) -> PathBuf {
        root().join(format!("tests/recorded/{name}.json.gz"))
    }

    pub fn load(name: &str) -> Self {
        let mut text = String::new();
        let file = std::fs::File::open(Self::file(name)).unwrap();
        GzDecoder::new(file).read_to_string(&mut text).unwrap();
        serde_json::from_str(&text).unwrap()
    }

    pub fn save(&self, name: &str) {
        let mut file = GzEncoder::new(Vec::new(), Compression::best());
        file.write_all(&serde_json::to_vec(self).unwrap()).unwrap();
        std::fs::create_dir_all(root().join("tests/recorded")).unwrap();
        std::fs::write(Self::file(name), file.finish().unwrap()).unwrap();
    }
}

/// All that changes a prompt: standing text, passages, steps, calls that are refused and corrected within
/// the reply, calls that Jetway answers. No tool is taken out, so that what is sent is never less than what came.
const EVERYTHING: &str = "
context: { docs: docs, standing: standing.md, allowance: 500, min_score: 0.1 }
lockdown: { allow: ['*'], deny: ['remove_*(zebra*)', { rule: 'reads(**/.env*)', reason: Leave it. }] }
breadcrumbs:
  - { id: one, prompt: one.md, done: { result: three } }
  - { id: two, prompt: two.md }
  - { id: last, prompt: last.md }
";

/// The Jetway that they are recorded and played through.
pub fn setup(provider: &str) -> Setup {
    with_prose(provider, EVERYTHING)
}

#[cfg(test)]
mod tests {
    use super::veiled;

    #[test]
    fn long_texts_lose_their_words_and_nothing_else() {
        let long = r#"<system-reminder>\n You may\u00e9 \"do\" é 1. </system-reminder>"#.repeat(4);
        let veil = r#"<system-reminder>\n xxx xxx\u00e9 \"xx\" x 1. </system-reminder>"#.repeat(4);
        let of = |text: &str| format!(r#"{{"a":"Go. \"","b" : ["{text}"],"c":1e2}}"#);
        assert_eq!(veiled(&of(&long)), of(&veil));
    }
}
