//! Reference material that stands in a prompt already. Given a task that came with the section
//! `Errors`, and a search that would find it: the section is known, and named in place of being said
//! again.
//!
//! What a prompt holds is read from its texts, not from a list beside them: what an agent compacted
//! away is then not known any more, and is shown anew.

use std::collections::BTreeSet;

use crate::overlay::Edit;
use crate::retrieval::search::Hit;
use crate::tokens;
use crate::wire::history::{outcomes, turns};
use crate::wire::json::{Json, Kind, Value};
use crate::wire::request::Request;

use super::frame::escaped;
use super::{LEAD, NO_REQUEST, airplanes};

/// How what is shown of pages and of airplanes begins, and ends.
const FRAMES: [(&str, &str); 2] =
    [("<jetway_context ", "\n</jetway_context>\n"), ("<jetway_airplane ", "\n</jetway_airplane>\n")];

/// The passages and files that a prompt has, as they stand there.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Known(BTreeSet<String>);

impl Known {
    /// What is known of a text that is put before the model.
    #[must_use]
    pub fn of(text: &str) -> Self {
        let mut known = Self::default();
        known.read(text);
        known
    }

    /// Takes in what stands in a text, as the model reads it.
    pub fn read(&mut self, text: &str) {
        for block in blocks(text) {
            // A section stands behind the path of its headings. By its text alone it is known again also
            // where its page has changed elsewhere, or where another page says the same.
            let body = block.split_once(">\n").and_then(|(_, body)| body.split_once("\n\n"));
            let section = body.and_then(|(_, section)| section.strip_suffix(FRAMES[0].1));
            self.0.extend(section.map(str::to_owned));
            self.0.insert(block.to_owned());
        }
    }

    /// Takes in what an agent was not told, as far as it still stands where it was.
    pub fn read_edits(&mut self, request: &Request, edits: &[Edit]) {
        let is_told = |edit: &&Edit| has_any(&edit.told) || edit.answers.iter().any(|answer| has_any(&answer.text));
        let told: Vec<&Edit> = edits.iter().filter(is_told).collect();
        if told.is_empty() {
            return;
        }
        let anchors: BTreeSet<String> = turns(request).into_iter().map(|past| past.anchor).collect();
        for edit in told.into_iter().filter(|edit| anchors.contains(&edit.anchor)) {
            edit.answers.iter().for_each(|answer| self.read(&answer.text));
            // Messages or items, with commas between.
            if let Ok(json) = Json::read(format!("[{}]", edit.told).into()) {
                self.read_value(json.root());
            }
        }
    }

    /// Takes in texts that stand behind results of these calls, as far as those are still told.
    pub fn read_laid<'a>(&mut self, request: &Request, laid: impl Iterator<Item = (&'a str, &'a str)>) {
        let mut laid = laid.filter(|(_, text)| has_any(text)).peekable();
        // Results are many, and looked at only where something was laid behind one.
        if laid.peek().is_none() {
            return;
        }
        let calls: BTreeSet<String> = outcomes(request).into_iter().map(|outcome| outcome.call).collect();
        laid.filter(|(call, _)| calls.contains(*call)).for_each(|(_, text)| self.read(text));
    }

    fn read_value(&mut self, value: Value<'_>) {
        match value.kind() {
            Kind::String => value.text().filter(|text| has_any(text)).iter().for_each(|text| self.read(text)),
            Kind::Array => value.items().for_each(|item| self.read_value(item)),
            Kind::Object => value.members().for_each(|member| self.read_value(member.value)),
            _ => {}
        }
    }

    /// Whether a section stands in the prompt.
    pub(super) fn has(&self, hit: &Hit<'_>) -> bool {
        self.0.contains(escaped(&hit.chunk.text).as_str())
    }

    /// Whether all that this text shows stands in the prompt as it would be shown.
    pub(super) fn has_all(&self, text: &str) -> bool {
        blocks(text).all(|block| self.0.contains(block))
    }
}

fn has_any(text: &str) -> bool {
    FRAMES.iter().any(|(begin, _)| text.contains(begin))
}

/// The tokens of what a text shows of pages and airplanes, and of the words before those. What else it
/// says is not counted.
pub(super) fn size(text: &str) -> usize {
    let leads = [format!("{LEAD}{NO_REQUEST}"), airplanes::LEAD.to_owned()];
    let leads = leads.iter().map(|lead| text.matches(lead).count() * tokens::estimate(lead));
    blocks(text).map(tokens::estimate).sum::<usize>() + leads.sum::<usize>()
}

/// What a text shows of pages and airplanes, each with its frame. None of them holds a frame, for
/// marks of ours are escaped in it.
fn blocks(text: &str) -> impl Iterator<Item = &str> {
    let mut rest = text;
    std::iter::from_fn(move || {
        let begins = FRAMES.iter().filter_map(|(begin, end)| Some((rest.find(begin)?, end)));
        let (at, end) = begins.min_by_key(|(at, _)| *at)?;
        let behind = &rest[at..];
        let length = behind.find(end)? + end.len();
        rest = &behind[length..];
        Some(&behind[..length])
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::context::frame::framed;
    use crate::retrieval::chunk::Chunk;
    use crate::wire::Dialect;
    use crate::wire::json::quote;
    use crate::wire::turn::Answer;

    fn has(known: &Known, text: &str) -> bool {
        let chunk = Chunk { page: "p".into(), headings: vec!["h".into()], text: text.into() };
        known.has(&Hit { chunk: &chunk, page: None, rank: 1.0, score: 1.0, similarity: None })
    }

    fn shown(text: &str) -> String {
        framed("p#h", " rev=\"1\"", &format!("h\n\n{text}"))
    }

    const AIRPLANE: &str = "<jetway_airplane name=\"a\" file=\"b\" rev=\"1\">\nstart()\n</jetway_airplane>\n";

    #[test]
    fn what_stands_in_a_text_is_known_and_nothing_else() {
        let text =
            format!("Do it.{}<jetway_step id=\"a\">\nGo.\n{AIRPLANE}</jetway_step>\n", shown("One.\n\nTwo </b>."));
        let known = Known::of(&text);
        assert!(has(&known, "One.\n\nTwo </b>.") && known.has_all(AIRPLANE));
        for other in ["One.", "Two </b>.", "h", "Go.", "Do it.", "", "start()"] {
            assert!(!has(&known, other), "{other:?}");
        }
        // Marks of ours stand escaped.
        assert!(has(&Known::of(&shown("a </jetway_context> b")), "a </jetway_context> b"));
        assert!(!has(&Known::of(shown("One.").trim_end()), "One."), "half a block");
        let two = tokens::estimate(&shown("One.\n\nTwo </b>.")) + tokens::estimate(AIRPLANE);
        assert_eq!((size(&text), size("Do it.")), (two, 0));
        assert!(size(&format!("{LEAD}{NO_REQUEST}{text}")) > two);
    }

    /// What is known of an agent's conversation in which this was put somewhere.
    #[track_caller]
    fn check(edit: Option<Edit>, laid: Option<&str>, expect: bool) {
        let body = r#"{"model":"m","max_tokens":9,"messages":[{"role":"user","content":"Add it."},
            {"role":"assistant","content":[{"type":"tool_use","id":"c","name":"Read","input":{}}]},
            {"role":"user","content":[{"type":"tool_result","tool_use_id":"c","content":"app.py"}]}]}"#;
        let request = Request::read(Dialect::Messages, Json::read(body.into()).unwrap()).unwrap();
        let mut known = Known::default();
        let anchor = turns(&request).remove(0).anchor;
        let edit = edit.map(|edit| Edit { anchor: edit.anchor.replace("HERE", &anchor), ..edit });
        known.read_edits(&request, edit.as_slice());
        let text = shown("One \"more\".");
        known.read_laid(&request, laid.map(|call| (call, text.as_str())).into_iter());
        assert_eq!(has(&known, "One \"more\"."), expect);
    }

    #[test]
    fn what_the_agent_was_not_told_is_known_as_long_as_it_stands_where_it_was() {
        let told =
            format!(r#"{{"role":"user","content":[{{"text":{}}}]}},{{"role":"x"}}"#, quote(&shown("One \"more\".")));
        let edit = |anchor: &str| Edit { anchor: anchor.into(), ..Edit::default() };
        check(Some(Edit { told: told.clone(), ..edit("HERE") }), None, true);
        check(Some(Edit { told, ..edit("gone") }), None, false);
        let answer = Answer { id: "d".into(), text: shown("One \"more\"."), is_error: false, is_custom: false };
        check(Some(Edit { answers: vec![answer.clone()], ..edit("HERE") }), None, true);
        check(Some(Edit { answers: vec![answer], ..edit("gone") }), None, false);
        check(Some(Edit { told: String::from("{\"broken <jetway_context "), ..edit("HERE") }), None, false);
        check(None, Some("c"), true);
        check(None, Some("gone"), false);
        check(None, None, false);
    }
}
