//! A script with its inputs, as one command that means the same to every shell. Given the script
//! `echo "$file"` and the file `./it's`: `sh -c '…script…' jetway './it\0047s'`.
//!
//! The script is the operator's and is run by `sh`, whatever shell the agent has. What a model
//! chose is never part of it: it comes behind it as words, and in these nothing but letters,
//! digits and a few harmless signs stand for themselves. All else is spelled `\0ooo` and is put
//! together again by the script's first lines, so that also a shell whose quotes we do not know
//! (on Windows, say) finds nothing in a word to act on.

use super::inputs::Given;

/// Signs that stand for themselves in a word, beside letters and digits.
const PLAIN: &[u8] = b" _./:,@+=?-";

/// A text as one word of a command line, for `sh`, bash, zsh and fish alike.
#[must_use]
pub fn quoted(text: &str) -> String {
    let mut word = String::with_capacity(text.len() + 2);
    word.push('\'');
    let mut rest = text.chars().peekable();
    while let Some(character) = rest.next() {
        match character {
            '\'' => word.push_str(r#"'"'"'"#),
            // To fish, and to no other, a backslash means something here.
            '\\' if matches!(rest.peek(), Some('\\' | '\'') | None) => word.push_str(r#"'"\\"'"#),
            other => word.push(other),
        }
    }
    word.push('\'');
    word
}

/// A text in plain signs alone; `printf %b` reads it back.
#[must_use]
pub fn spelled(text: &str) -> String {
    let mut word = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || PLAIN.contains(&byte) {
            word.push(char::from(byte));
        } else {
            word.push_str(&format!("\\0{byte:03o}"));
        }
    }
    word
}

/// The words that run a script: `sh`, `-c`, the script, the tool's name, and the inputs. Each
/// input is given with its name; one that was left out is no variable to the script.
#[must_use]
pub fn words(tool: &str, script: &str, inputs: &[(&str, Option<Given>)]) -> Vec<String> {
    let mut text = String::from("LC_ALL=C\nexport LC_ALL\n");
    let mut singles = Vec::new();
    let mut many = Vec::new();
    for (name, given) in inputs {
        match given {
            None => text.push_str(&format!("unset {name}\n")),
            Some(Given::Path(path)) => {
                // With this before it, a path is never taken for an option.
                singles.push(spelled(&format!("./{path}")));
                text.push_str(&single(name));
                text.push_str(&no_link(name));
            }
            Some(Given::Text(value)) => {
                singles.push(spelled(value));
                text.push_str(&single(name));
            }
            Some(Given::List(items)) => many.extend(items.iter().map(|item| spelled(item))),
            Some(Given::Map(pairs)) => {
                many.extend(pairs.iter().flat_map(|(key, value)| [spelled(key), spelled(value)]));
            }
        }
    }
    if !many.is_empty() {
        text.push_str(MANY);
    }
    text.push_str(script);
    let before = ["sh", "-c", &text, tool].map(str::to_owned);
    before.into_iter().chain(singles).chain(many).collect()
}

/// The same as one line for a shell.
#[must_use]
pub fn line(words: &[String]) -> String {
    let is_bare =
        |word: &str| !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    let word = |(at, word): (usize, &String)| {
        let is_ours = at < 4 && (is_bare(word) || word == "-c");
        if is_ours { word.clone() } else { quoted(word) }
    };
    words.iter().enumerate().map(word).collect::<Vec<_>>().join(" ")
}

/// Takes the next word into a variable. The dot keeps line ends that `$( )` would drop.
fn single(name: &str) -> String {
    format!("{name}=$(printf \"%b.\" \"$1\")\n{name}=${{{name}%.}}\nshift\n")
}

/// Ends the script where a part of the path is a link: it could lead anywhere.
fn no_link(name: &str) -> String {
    format!(
        "jetway_part=${name}\n\
         while [ \"$jetway_part\" != . ]; do\n  \
           if [ -L \"$jetway_part\" ]; then echo \"{name}: link\"; exit; fi\n  \
           jetway_part=${{jetway_part%/*}}\n\
         done\n"
    )
}

/// Puts each of the words that are left in plain text in its place.
const MANY: &str = r#"for jetway_word; do
  jetway_word=$(printf "%b." "$jetway_word")
  shift
  set -- "$@" "${jetway_word%.}"
done
"#;
