//! What a model sees of a result. Given the shape `[A-Z]+=(?:present|missing)` and the result
//! `Wall time: 0.1 seconds\nOutput:\nKEY=present\nKEY=sk_live_1`: `KEY=present`.

use bytes::Bytes;

use super::pattern::Pattern;
use crate::wire::json::Json;

/// Lines that are kept at most.
const MAX_LINES: usize = 200;
/// Bytes of a line that is kept at most.
const MAX_LINE: usize = 500;
/// What agents put on the same line before a command's output, and behind it.
const BEFORE: [&str; 3] = ["Output: ", "Stdout: ", "<output>"];
const BEHIND: &str = "</output>";
/// Members by which agents return a command's output in JSON.
const MEMBERS: [&str; 2] = ["output", "stdout"];

/// The lines of a result that a model may see.
#[derive(Debug, Clone)]
pub struct Shape {
    pub lines: Pattern,
    /// What it sees where there are none.
    pub otherwise: String,
    /// Inputs that are paths: of these a script may say that there is a link on the way.
    pub paths: Vec<String>,
}

impl Shape {
    /// Keeps what the shape allows, and says so where that is nothing. The same result always
    /// gives the same text.
    #[must_use]
    pub fn filter(&self, result: &str) -> String {
        let output = output_of(result);
        let kept: Vec<String> = output.lines().filter_map(|line| self.kept(line)).take(MAX_LINES).collect();
        if kept.is_empty() { self.otherwise.clone() } else { kept.join("\n") }
    }

    fn kept(&self, line: &str) -> Option<String> {
        let line = line.trim_end_matches('\r');
        let inner = BEFORE.iter().find_map(|before| line.strip_prefix(before)).unwrap_or(line);
        let inner = inner.strip_suffix(BEHIND).unwrap_or(inner);
        [line, inner].into_iter().filter(|line| line.len() <= MAX_LINE).find_map(|line| {
            let path = line.strip_suffix(": link").filter(|name| self.paths.iter().any(|path| path == name));
            match path {
                Some(name) => Some(format!("The path in `{name}` leads through a link, and links are not followed.")),
                None => self.lines.fits(line).then(|| line.to_owned()),
            }
        })
    }
}

/// What the command printed, where the agent returns it in JSON; else the whole.
fn output_of(result: &str) -> String {
    let whole = || result.to_owned();
    if !result.trim_start().starts_with('{') {
        return whole();
    }
    let Ok(json) = Json::read(Bytes::copy_from_slice(result.trim().as_bytes())) else { return whole() };
    let text = MEMBERS.iter().find_map(|name| json.root().get(name)?.text());
    text.map_or_else(whole, std::borrow::Cow::into_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOTHING: &str = "The file could not be looked into.";

    #[track_caller]
    fn check(result: &str, expect: &str) {
        let lines = Pattern::try_from(String::from("^(?:[A-Z][A-Z0-9_]*=(?:present|missing)|file: missing)$")).unwrap();
        let shape = Shape { lines, otherwise: NOTHING.to_owned(), paths: vec![String::from("file")] };
        assert_eq!(shape.filter(result), expect, "{result:?}");
    }

    #[test]
    fn lines_of_the_shape_are_kept() {
        check("A=present\nB_2=missing\n", "A=present\nB_2=missing");
        check("A=present\r\nB=missing\r\n", "A=present\nB=missing");
        check("file: missing", "file: missing");
        check("file: link", "The path in `file` leads through a link, and links are not followed.");
    }

    #[test]
    fn all_else_is_dropped() {
        check("A=present\nB=sk_live_4242\nB=present sk_live_4242\n B=missing", "A=present");
        check("a=present", NOTHING);
        check("folder: link", NOTHING);
        check("sh: 3: STRIPE_KEY=sk_live_4242: not found", NOTHING);
        check("Command was not allowed by the user.", NOTHING);
        check("", NOTHING);
        check(&format!("{}=present", "A".repeat(600)), NOTHING);
    }

    #[test]
    fn what_agents_put_around_it_is_taken_off() {
        // Codex: `exec_command`, code, `shell` and its older form.
        check("Chunk ID: 2ea6\nWall time: 0.0 seconds\nProcess exited with code 0\nOutput:\nA=present\n", "A=present");
        check("Script completed\nWall time 0.1 seconds\nOutput:\n\nA=present\n", "A=present");
        check("Exit code: 0\nWall time: 0.1 seconds\nOutput:\nA=present\n", "A=present");
        check(r#"{"output":"A=present\nB=missing\n","metadata":{"exit_code":0}}"#, "A=present\nB=missing");
        // Gemini CLI and Qwen Code, whose first line is behind a label.
        check("Command: sh -c 'x'\nOutput: A=present\nB=missing\nError: (none)\nExit Code: 0", "A=present\nB=missing");
        check("Stdout: A=present\nStderr: (empty)", "A=present");
        // mini-swe-agent.
        check("<returncode>0</returncode>\n<output>\nA=present\n</output>", "A=present");
        check("<output>A=present</output>", "A=present");
    }

    #[test]
    fn json_that_is_no_output_is_a_text_like_any_other() {
        check(r#"{"output":"#, NOTHING);
        check(r#"{"output":7}"#, NOTHING);
        check(r#"{"output":"x","output":"A=present"}"#, NOTHING);
        check("{\nA=present\n}", "A=present");
    }

    #[test]
    fn no_more_than_so_many_lines_are_kept() {
        let lines = Pattern::try_from(String::from("A")).unwrap();
        let shape = Shape { lines, otherwise: String::new(), paths: Vec::new() };
        assert_eq!(shape.filter(&"A\n".repeat(1000)).lines().count(), MAX_LINES);
    }
}
