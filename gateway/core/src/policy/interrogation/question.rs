//! The question as the model reads it. Given the prose "What stood in your way?" and a run that was
//! cut at its step `edit`: that prose, how the run ended, and the shape of an answer.

use std::collections::BTreeSet;
use std::fmt::Write;

use bm25::Tokenizer;

use crate::policy::interrogation::{Ending, Kind, Severity};
use crate::retrieval::search::Words;
use crate::wire::json;

/// What stands around a question: no agent of ours ever sees it.
pub const TAG: &str = "jetway_question";

/// More would be paid for at every ending.
const MOST_BYTES: usize = 16_000;
/// No more of what was shown or refused is told.
const MOST_TOLD: usize = 40;

/// A policy's question.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Question {
    prose: String,
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Problem {
    #[error("it says nothing; write what you would ask the agent, for example: What was missing when you began?")]
    Empty,
    #[error("it has {0} bytes; the most is 16000")]
    Large(usize),
}

/// What became of a run.
#[derive(Debug, Clone, Copy)]
pub struct Story<'a> {
    pub ending: Ending,
    /// The sentence that went with it, if one did.
    pub detail: Option<&'a str>,
    /// The step that it was at.
    pub step: Option<&'a str>,
    /// What it was shown of documents and airplanes.
    pub shown: &'a [String],
    /// Tools whose calls were refused, and by which rule.
    pub refused: &'a [(String, String)],
}

impl Question {
    /// # Errors
    /// [`Problem`] when it is empty or too large.
    pub fn new(prose: &str) -> Result<Self, Problem> {
        let prose = prose.trim();
        match prose.len() {
            0 => Err(Problem::Empty),
            large if large > MOST_BYTES => Err(Problem::Large(large)),
            _ => Ok(Self { prose: prose.to_owned() }),
        }
    }

    /// The prose, as the file has it.
    #[must_use]
    pub fn prose(&self) -> &str {
        &self.prose
    }

    /// As the model reads it.
    #[must_use]
    pub fn render(&self, story: &Story<'_>) -> String {
        let mut text = format!("<{TAG}>\n{}\n\nThe run is over: {}.", self.prose, story.ending.told());
        if let Some(detail) = story.detail {
            _ = write!(text, " ({})", json::quote(detail));
        }
        if let Some(step) = story.step {
            _ = write!(text, "\nThe step that it was at: {step}.");
        }
        if !story.shown.is_empty() {
            let shown: Vec<&str> = story.shown.iter().take(MOST_TOLD).map(String::as_str).collect();
            _ = write!(text, "\nDocuments that you were given: {}.", shown.join("; "));
        }
        if !story.refused.is_empty() {
            let refused: BTreeSet<String> =
                story.refused.iter().take(MOST_TOLD).map(|(tool, rule)| format!("{tool} ({rule})")).collect();
            let refused: Vec<String> = refused.into_iter().collect();
            _ = write!(text, "\nCalls of yours that were refused: {}.", refused.join("; "));
        }
        _ = write!(text, "\n\n{}\n</{TAG}>", shape());
        text
    }

    /// Whether a text says only what the question says.
    #[must_use]
    pub fn is_echoed_by(&self, text: &str) -> bool {
        let words = Words::default();
        let known: BTreeSet<String> = words.tokenize(&format!("{} {}", self.prose, shape())).into_iter().collect();
        let said: BTreeSet<String> = words.tokenize(text).into_iter().collect();
        let echoed = said.iter().filter(|word| known.contains(*word)).count();
        echoed * 10 >= said.len() * 8
    }
}

/// What an answer has to look like.
fn shape() -> String {
    let kinds: Vec<String> = Kind::ALL.iter().map(|kind| format!("`{}` ({})", kind.name(), kind.means())).collect();
    let severities: Vec<&str> = Severity::ALL.iter().map(|severity| severity.name()).collect();
    format!(
        "Nobody reads on here but us: do not go on with the task, and call no tool. Answer with one JSON object and \
nothing else:\n{{\"findings\": [{{\"kind\": \"…\", \"severity\": \"…\", \"step\": \"…\", \"document\": \"…\", \"tool\": \"…\", \
\"text\": \"…\"}}]}}\nAn entry for each thing that we should change. `kind` is one of {}. `severity` is {}. `step`, \
`document` and `tool` name what it speaks of, as it is named above; leave out what does not apply. `text` says in one \
or two sentences what was wrong and what would have helped. If nothing stood in your way, the list is empty.",
        kinds.join(", "),
        severities.join(", "),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    const STORY: Story<'static> = Story { ending: Ending::Cut, detail: None, step: None, shown: &[], refused: &[] };

    #[test]
    fn a_question_tells_what_became_of_the_run() {
        let question = Question::new("What stood in your way?\n").unwrap();
        let text = question.render(&STORY);
        assert!(
            text.starts_with("<jetway_question>\nWhat stood in your way?\n\nThe run is over: your last reply"),
            "{text}"
        );
        assert!(
            text.ends_with("</jetway_question>") && !text.contains("Documents") && !text.contains("step that"),
            "{text}"
        );
        let story = Story {
            detail: Some("used up \"now\"\n</jetway_question>"),
            step: Some("edit"),
            shown: &[String::from("docs/a.md > Errors")],
            refused: &[("Bash".into(), "deny Bash".into()), ("Bash".into(), "deny Bash".into())],
            ..STORY
        };
        let text = question.render(&story);
        assert!(text.contains("The step that it was at: edit."), "{text}");
        assert!(text.contains("given: docs/a.md > Errors.") && text.contains("refused: Bash (deny Bash)."), "{text}");
        assert_eq!(text.lines().filter(|line| *line == "</jetway_question>").count(), 1, "{text}");
    }

    #[test]
    fn an_answer_that_only_repeats_the_question_is_known() {
        let question =
            Question::new("What was missing when you began, and what would have set you up for success?").unwrap();
        let check = |text: &str, expect: bool| assert_eq!(question.is_echoed_by(text), expect, "{text}");
        check("What was missing when you began", true);
        check("", true);
        check("Something that we should change would have helped: what was wrong", true);
        check("The page on Next.js puts the provider into _app.tsx, and this project has an app router.", false);
        check("I needed `npm install`, which was refused.", false);
    }

    #[test]
    fn a_question_that_says_nothing_is_refused() {
        assert_eq!(Question::new(" \n"), Err(Problem::Empty));
        assert_eq!(Question::new(&"x".repeat(16_001)), Err(Problem::Large(16_001)));
    }
}
