//! Prompts as a model reads them, to tell whether one goes on where another ended.

/// Claude Code moves its cache marks along, and writes a list of one text as that text once it
/// is no longer the last: both are the same to a model.
pub fn normalised(messages: &str) -> String {
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
