//! What a model answers. Given `Sure: {"findings":[{"kind":"missing","text":"No page on X."}]}`: one
//! finding, of middle severity.

use serde::{Deserialize, Serialize};
use serde_json::{Deserializer, Value};

use crate::policy::interrogation::Question;

/// No more of an answer is kept.
const MOST_FINDINGS: usize = 20;
const LONGEST_TEXT: usize = 2_000;
const LONGEST_NAME: usize = 200;
/// Places at which an object is looked for.
const MOST_TRIES: usize = 200;

/// What a finding is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    Missing,
    Contradictory,
    Wrong,
    Stale,
    RefusedTool,
    Mismatch,
    WastedTurns,
    Other,
}

impl Kind {
    /// Every one of them.
    pub const ALL: [Self; 8] = [
        Self::Missing,
        Self::Contradictory,
        Self::Wrong,
        Self::Stale,
        Self::RefusedTool,
        Self::Mismatch,
        Self::WastedTurns,
        Self::Other,
    ];

    /// As logs, metrics and answers name it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Missing => "missing",
            Self::Contradictory => "contradictory",
            Self::Wrong => "wrong",
            Self::Stale => "stale",
            Self::RefusedTool => "refused_tool",
            Self::Mismatch => "mismatch",
            Self::WastedTurns => "wasted_turns",
            Self::Other => "other",
        }
    }

    /// What the model is told that it stands for.
    pub(super) fn means(self) -> &'static str {
        match self {
            Self::Missing => "you were not told what you needed to know",
            Self::Contradictory => "two things that you were told do not fit together",
            Self::Wrong => "what you were told is not so",
            Self::Stale => "it was so in an older version",
            Self::RefusedTool => "a tool or call that you needed was refused",
            Self::Mismatch => "it was for another language, framework or version than this project's",
            Self::WastedTurns => "you did work that turned out to be for nothing",
            Self::Other => "anything else",
        }
    }

    /// The kind of this name; whatever a model makes up is another.
    #[must_use]
    pub fn of(name: &str) -> Self {
        Self::ALL.into_iter().find(|kind| kind.name() == name).unwrap_or(Self::Other)
    }
}

/// How much a finding matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    Low,
    Medium,
    High,
}

impl Severity {
    /// Every one of them.
    pub const ALL: [Self; 3] = [Self::Low, Self::Medium, Self::High];

    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Low => "low",
            Self::Medium => "medium",
            Self::High => "high",
        }
    }

    /// The severity of this name, or the middle one.
    #[must_use]
    pub fn of(name: &str) -> Self {
        Self::ALL.into_iter().find(|severity| severity.name() == name).unwrap_or(Self::Medium)
    }
}

/// One thing to change.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Finding {
    pub kind: Kind,
    pub severity: Severity,
    pub step: Option<String>,
    pub document: Option<String>,
    pub tool: Option<String>,
    pub text: String,
}

impl Finding {
    /// Whether it names a step, a document or a tool: that is said, in whatever words it comes.
    fn speaks_of_something(&self) -> bool {
        self.tool.is_some() || self.document.is_some() || self.step.is_some()
    }
}

/// The findings of an answer: what only repeats the question, or itself, is left out. An answer that
/// is no JSON is one finding, in its own words.
#[must_use]
pub fn read(question: &Question, answer: &str) -> Vec<Finding> {
    let mut found: Vec<Finding> = Vec::new();
    let listed = match object(answer) {
        Some(object) => findings(&object),
        None => vec![prose(answer)],
    };
    for finding in listed.into_iter().take(MOST_FINDINGS) {
        let is_said = found.iter().any(|other| other.text == finding.text);
        if !is_said && (finding.speaks_of_something() || !question.is_echoed_by(&finding.text)) {
            found.push(finding);
        }
    }
    found
}

/// The first object in a text that has findings, whatever stands around it.
fn object(answer: &str) -> Option<Value> {
    let starts = answer.match_indices('{').map(|(at, _)| at).take(MOST_TRIES);
    let mut objects = starts.filter_map(|at| Deserializer::from_str(&answer[at..]).into_iter::<Value>().next()?.ok());
    objects.find(|object| object.get("findings").is_some_and(Value::is_array))
}

fn findings(object: &Value) -> Vec<Finding> {
    let entries = object.get("findings").and_then(Value::as_array).into_iter().flatten();
    entries
        .map(|entry| {
            let text =
                |name: &str| entry.get(name).and_then(Value::as_str).map(str::trim).filter(|text| !text.is_empty());
            // The question has "…" where a name goes.
            let is_name = |name: &&str| name.chars().any(char::is_alphanumeric);
            let name = |of: &str| text(of).filter(is_name).map(|name| short(name, LONGEST_NAME));
            Finding {
                kind: Kind::of(text("kind").unwrap_or_default()),
                severity: Severity::of(text("severity").unwrap_or_default()),
                step: name("step"),
                document: name("document"),
                tool: name("tool"),
                text: short(text("text").or(entry.as_str()).unwrap_or_default(), LONGEST_TEXT),
            }
        })
        .collect()
}

fn prose(answer: &str) -> Finding {
    let text = short(answer.trim(), LONGEST_TEXT);
    Finding { kind: Kind::Other, severity: Severity::Medium, step: None, document: None, tool: None, text }
}

fn short(text: &str, most: usize) -> String {
    text.chars().take(most).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kinds(answer: &str) -> Vec<(Kind, Severity, String)> {
        let question = Question::new("What could we have done better?").unwrap();
        read(&question, answer).into_iter().map(|f| (f.kind, f.severity, f.text)).collect()
    }

    #[test]
    fn an_answer_is_read_whatever_stands_around_it() {
        let check = |answer: &str, expect: &[(Kind, Severity, &str)]| {
            let expect: Vec<_> = expect.iter().map(|(k, s, text)| (*k, *s, (*text).to_owned())).collect();
            assert_eq!(kinds(answer), expect, "{answer}");
        };
        check(
            r#"{"findings":[{"kind":"stale","severity":"high","text":"Page X names v1 of the SDK."}]}"#,
            &[(Kind::Stale, Severity::High, "Page X names v1 of the SDK.")],
        );
        check(
            "Sure {here}:\n```json\n{\"findings\":[{\"kind\":\"missing\",\"text\":\" No page on Django. \"}]}\n``` done",
            &[(Kind::Missing, Severity::Medium, "No page on Django.")],
        );
        check(r#"{"findings":[]}"#, &[]);
        check(r#"{"findings":["Bash refused npm."]}"#, &[(Kind::Other, Severity::Medium, "Bash refused npm.")]);
        check(
            r#"{"findings":[{"kind":"bug","severity":"!","text":"Zebra."},{"text":"Zebra."},{"text":7},{}]}"#,
            &[(Kind::Other, Severity::Medium, "Zebra.")],
        );
        check("The docs were for Vue.", &[(Kind::Other, Severity::Medium, "The docs were for Vue.")]);
        check("", &[]);
        check("What could we have done better?", &[]);
        check(r#"{"findings":[{"kind":"wrong","text":"What could we have done better"}]}"#, &[]);
        // What names something is no echo, whatever its words are.
        let refused = "A call of a tool that I needed was refused.";
        let naming = |name: &str, of: &str| {
            format!(r#"{{"findings":[{{"kind":"refused_tool","{name}":"{of}","text":"{refused}"}}]}}"#)
        };
        check(&naming("note", "Bash"), &[]);
        for name in ["tool", "document", "step"] {
            check(&naming(name, "Bash"), &[(Kind::RefusedTool, Severity::Medium, refused)]);
            check(&naming(name, "…"), &[]);
        }
    }

    #[test]
    fn what_a_finding_speaks_of_is_kept_and_bounded() {
        let question = Question::new("Well?").unwrap();
        let long = "é".repeat(3_000);
        let answer = format!(r#"{{"findings":[{{"tool":"Bash","step":" ","document":"{long}","text":"{long}"}}]}}"#);
        let found = read(&question, &answer);
        assert_eq!((found[0].tool.as_deref(), found[0].step.as_deref()), (Some("Bash"), None));
        assert_eq!(found[0].document.as_ref().map(|name| name.chars().count()), Some(200));
        assert_eq!(found[0].text.chars().count(), 2_000);
        let many =
            format!("{{\"findings\":[{}]}}", (0..50).map(|n| format!("\"Zebra {n}\"")).collect::<Vec<_>>().join(","));
        assert_eq!(read(&question, &many).len(), 20);
    }
}
