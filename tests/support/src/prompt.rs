//! Prompts as a model reads them, to tell whether one goes on where another ended.

use std::collections::HashMap;

use serde_json::value::RawValue;

use crate::Setup;

/// What [`with_prose`] puts before a model, with a task that fits.
pub const TASK: &str = "How does a greeting of Jetway count its lines?";

/// A Jetway under this policy, with a page, a standing text and the prose of three steps beside it.
pub fn with_prose(provider: &str, policy: &str) -> Setup {
    let page = "# Greetings\nA greeting of Jetway counts its lines.\n";
    let setup = Setup::new(provider).with(policy).file("open/docs/greetings.md", page);
    let steps = ["one", "two", "last"].into_iter();
    let setup = steps.fold(setup, |setup, step| setup.file(&format!("open/{step}.md"), &format!("STEP {step}")));
    setup.file("open/standing.md", "Greetings are polite.\n")
}

/// A prompt as a model reads it.
#[derive(Debug)]
pub struct Prompt {
    /// Tools, and system text of either kind, as they are spelled.
    pub front: [String; 3],
    /// The conversation, without what closes it.
    pub said: String,
}

impl Prompt {
    pub fn read(body: &[u8]) -> Self {
        let members: HashMap<&str, &RawValue> = serde_json::from_slice(body).unwrap();
        let raw = |name: &str| members.get(name).map(|value| value.get().to_owned()).unwrap_or_default();
        let list = if members.contains_key("input") { "input" } else { "messages" };
        let said = normalised(&raw(list)).trim_end().strip_suffix(']').unwrap().to_owned();
        Self { front: ["tools", "system", "instructions"].map(raw), said }
    }

    pub fn goes_on_from(&self, before: &Self) -> bool {
        self.front == before.front && self.said.len() > before.said.len() && self.said.starts_with(&before.said)
    }
}

/// Each goes on where the one before ended.
#[track_caller]
pub fn grow(prompts: &[Prompt]) {
    for (turn, two) in prompts.windows(2).enumerate() {
        assert!(two[1].goes_on_from(&two[0]), "turn {turn}: {two:?}");
    }
}

/// Claude Code moves its cache marks along, and writes a list of one text as that text once it
/// is no longer the last: both are the same to a model.
fn normalised(messages: &str) -> String {
    let mut text = messages.to_owned();
    for time in ["", ",\"ttl\":\"1h\""] {
        let mark = format!("\"cache_control\":{{\"type\":\"ephemeral\"{time}}}");
        // Jetway's own stands first.
        text = text.replace(&format!(",{mark}"), "").replace(&format!("{mark},"), "");
    }
    let begin = "[{\"type\":\"text\",\"text\":\"";
    let mut out = String::new();
    while let Some(at) = text.find(begin) {
        let quoted = at + begin.len() - 1;
        let end = quoted + string_end(&text[quoted..]);
        let is_alone = text[end..].starts_with("}]");
        out.push_str(if is_alone { &text[..at] } else { &text[..quoted] });
        out.push_str(&text[quoted..end]);
        text = text[end + if is_alone { 2 } else { 0 }..].to_owned();
    }
    out + &text
}

/// Behind the closing quote of a string that begins here.
pub fn string_end(text: &str) -> usize {
    let mut escaped = false;
    for (at, byte) in text.bytes().enumerate().skip(1) {
        match byte {
            _ if escaped => escaped = false,
            b'\\' => escaped = true,
            b'"' => return at + 1,
            _ => {}
        }
    }
    text.len()
}

#[cfg(test)]
mod tests {
    use super::normalised;

    #[test]
    fn marks_and_lists_of_one_text_are_all_that_is_normalised() {
        let check = |written: &str, expect: &str| assert_eq!(normalised(written), expect);
        check(
            r#"[{"role":"user","content":[{"type":"text","text":"a\"]","cache_control":{"type":"ephemeral"}}]}]"#,
            r#"[{"role":"user","content":"a\"]"}]"#,
        );
        let two = r#"[{"role":"user","content":[{"type":"text","text":"a"},{"type":"text","text":"b"}]}]"#;
        check(two, two);
        let spaced = r#"[{"role":"user", "content":"a"}]"#;
        check(spaced, spaced);
    }
}
