//! How much effort a request asks of the model, wherever it is spelt; and writing another. Given
//! `"thinking":{"type":"adaptive"},"output_config":{"effort":"low"}`: low.
//!
//! Servers that speak one dialect read each other's spellings too, so all of them are read in
//! every request, and the highest counts. `verbosity` is none of them: it is about the length of
//! an answer.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::wire::Dialect;
use crate::wire::json::{self, Kind, Value};
use crate::wire::patch::Patch;
use crate::wire::request::{Malformed, refuse_misspelled};

/// How much a model thinks and writes before it is content, the least first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Effort {
    /// None is named, so that the model's own counts, which differs by model and is often `high`.
    Default,
    /// No thinking; also a thinking budget of 0.
    None,
    /// Also a thinking budget of up to 1024 tokens.
    Minimal,
    /// Also a thinking budget of up to 4096 tokens.
    Low,
    /// Also a thinking budget of up to 16384 tokens.
    Medium,
    /// Also a thinking budget of up to 32768 tokens.
    High,
    /// Also a thinking budget of up to 65536 tokens.
    Xhigh,
    /// Also a larger thinking budget.
    Max,
}

impl Effort {
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Default => "default",
            Self::None => "none",
            Self::Minimal => "minimal",
            Self::Low => "low",
            Self::Medium => "medium",
            Self::High => "high",
            Self::Xhigh => "xhigh",
            Self::Max => "max",
        }
    }

    /// The effort that a budget of so many tokens for thinking comes to.
    #[must_use]
    pub fn of_budget(tokens: u64) -> Self {
        match tokens {
            0 => Self::None,
            1..=1_024 => Self::Minimal,
            1_025..=4_096 => Self::Low,
            4_097..=16_384 => Self::Medium,
            16_385..=32_768 => Self::High,
            32_769..=65_536 => Self::Xhigh,
            _ => Self::Max,
        }
    }
}

/// The effort of a request. In the order of their cost, for all that anybody knows.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Asked {
    Known(Effort),
    /// Spelt so that nobody can say how much it is; the beginning of it.
    Unknown(String),
}

impl Asked {
    const NOTHING: Self = Self::Known(Effort::Default);
}

/// Top-level members that name an effort, and the members inside that do where it is an object.
const SPELT: &[(&str, &[&str])] = &[
    // Anthropic's Messages, and what is compatible with it.
    ("output_config", IN_OUTPUT_CONFIG),
    ("thinking", &["type", "budget_tokens"]),
    // OpenAI's Chat Completions and Responses; `max_tokens` and `enabled` are OpenRouter's.
    ("reasoning_effort", &[]),
    ("reasoning", &["effort", "max_tokens", "enabled", "mode"]),
    // Qwen's and vLLM's, llama.cpp's, and Ollama's.
    ("enable_thinking", &[]),
    ("thinking_budget", &[]),
    ("thinking_token_budget", &[]),
    ("thinking_budget_tokens", &[]),
    ("reasoning_budget_tokens", &[]),
    ("think", &[]),
    // What vLLM, SGLang and llama.cpp hand to the model's own template.
    ("chat_template_kwargs", &["enable_thinking", "thinking", "thinking_budget", "reasoning_effort"]),
];
const IN_OUTPUT_CONFIG: &[&str] = &["effort"];

/// Where Gemini's chat endpoint takes it, under `extra_body.google`.
const GOOGLE_CONFIG: &[&str] = &["thinking_config", "thinkingConfig"];
const GOOGLE_MEMBERS: &[&str] = &["thinking_budget", "thinkingBudget", "thinking_level", "thinkingLevel"];

/// Where a dialect has its word: the member, and the one inside it where it is an object.
fn place(dialect: Dialect) -> (&'static str, Option<&'static str>) {
    match dialect {
        Dialect::Messages => ("output_config", Some("effort")),
        Dialect::Chat => ("reasoning_effort", None),
        Dialect::Responses => ("reasoning", Some("effort")),
    }
}

/// Writes an effort where this dialect has its word for it, in place of what is there. Given `low`
/// and a Chat request with `"reasoning_effort":"high"`: `"reasoning_effort":"low"`.
pub(in crate::wire) fn write(dialect: Dialect, root: Value<'_>, effort: Effort, patch: &mut Patch) {
    let (name, inside) = place(dialect);
    let word = json::quote(effort.name());
    let whole = inside.map_or_else(|| word.clone(), |inside| format!("{{\"{inside}\":{word}}}"));
    match (root.get(name), inside) {
        (None, _) => patch.add_member(root, &format!("\"{name}\":{whole}")),
        (Some(object), Some(inside)) if object.kind() == Kind::Object => match object.get(inside) {
            Some(said) => patch.replace(said.span(), word),
            None => patch.add_member(object, &format!("\"{inside}\":{word}")),
        },
        (Some(said), _) => patch.replace(said.span(), whole),
    }
}

/// What a request body asks for once an effort was [written](write) into it: other spellings in it
/// stay, and the highest counts.
///
/// # Errors
/// [`Malformed::Misspelled`] as for [`read`].
pub(in crate::wire) fn written(dialect: Dialect, root: Value<'_>, effort: Effort) -> Result<Asked, Malformed> {
    Ok(read_but(root, Some(place(dialect)))?.max(Asked::Known(effort)))
}

/// What a request body asks for.
///
/// # Errors
/// [`Malformed::Misspelled`] for a key that another reader could take for one of these.
pub(in crate::wire) fn read(root: Value<'_>) -> Result<Asked, Malformed> {
    read_but(root, None)
}

/// What it asks for, except in one place.
fn read_but(root: Value<'_>, but: Option<(&str, Option<&str>)>) -> Result<Asked, Malformed> {
    let names: Vec<&'static str> = SPELT.iter().map(|(name, _)| *name).chain(["extra_body"]).collect();
    refuse_misspelled(root, &names)?;
    let mut asked = Asked::NOTHING;
    for (name, inside) in SPELT {
        let Some(value) = root.get(name) else { continue };
        asked = asked.max(match but {
            Some((but, Some(gone))) if but == *name && value.kind() == Kind::Object => {
                let others: Vec<&'static str> = inside.iter().copied().filter(|inside| *inside != gone).collect();
                if others.is_empty() { Asked::NOTHING } else { named(value, &others)? }
            }
            Some((but, _)) if but == *name => Asked::NOTHING,
            _ => named(value, inside)?,
        });
    }
    if let Some(extra) = root.get("extra_body") {
        asked = asked.max(google(extra)?);
    }
    Ok(asked)
}

/// What one message of a request asks for, from its turn on: a later one may ask for less again,
/// but which of them holds for the reply is the provider's to say.
///
/// # Errors
/// [`Malformed::Misspelled`] as for [`read`].
pub(in crate::wire) fn of_message(message: Value<'_>) -> Result<Asked, Malformed> {
    message.get("output_config").map_or(Ok(Asked::NOTHING), |config| named(config, IN_OUTPUT_CONFIG))
}

fn google(extra: Value<'_>) -> Result<Asked, Malformed> {
    refuse_misspelled(extra, &["google"])?;
    let Some(google) = extra.get("google") else { return Ok(Asked::NOTHING) };
    refuse_misspelled(google, GOOGLE_CONFIG)?;
    let mut asked = Asked::NOTHING;
    for config in GOOGLE_CONFIG.iter().filter_map(|name| google.get(name)) {
        asked = asked.max(named(config, GOOGLE_MEMBERS)?);
    }
    Ok(asked)
}

/// The highest of what the members of these names say, or what the value says that is no object.
fn named(value: Value<'_>, inside: &[&'static str]) -> Result<Asked, Malformed> {
    if value.kind() != Kind::Object || inside.is_empty() {
        return Ok(said(value));
    }
    refuse_misspelled(value, inside)?;
    let said = inside.iter().filter_map(|name| value.get(name)).map(said);
    Ok(said.fold(Asked::NOTHING, Asked::max))
}

/// A value says it by what it is: a word, a number of tokens, or a switch.
fn said(value: Value<'_>) -> Asked {
    let unknown = || Asked::Unknown(json::shortened(value.raw().trim_matches('"')));
    match value.kind() {
        Kind::Null => Asked::NOTHING,
        Kind::Bool if value.is_true() => Asked::NOTHING,
        Kind::Bool => Asked::Known(Effort::None),
        // Gemini's spelling of "as much as you like".
        Kind::Number if value.raw() == "-1" => Asked::NOTHING,
        Kind::Number if value.raw().starts_with('-') => unknown(),
        Kind::Number => value.count().map_or_else(unknown, |tokens| Asked::Known(Effort::of_budget(tokens))),
        Kind::String => value.text().and_then(|text| word(&text)).map_or_else(unknown, Asked::Known),
        Kind::Object | Kind::Array => unknown(),
    }
}

fn word(text: &str) -> Option<Effort> {
    Some(match text {
        "default" | "auto" | "adaptive" | "enabled" | "between_tools" | "standard" => Effort::Default,
        "none" | "disabled" => Effort::None,
        "minimal" => Effort::Minimal,
        "low" => Effort::Low,
        "medium" => Effort::Medium,
        "high" => Effort::High,
        "xhigh" => Effort::Xhigh,
        // A mode in which several replies are thought out for one.
        "max" | "pro" => Effort::Max,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::json::Json;

    fn asked(body: &str) -> Result<Asked, Malformed> {
        read(Json::read(body.to_owned().into())?.root())
    }

    #[track_caller]
    fn check(members: &str, expect: Effort) {
        assert_eq!(asked(&format!("{{{members}}}")), Ok(Asked::Known(expect)), "{members}");
    }

    #[track_caller]
    fn check_unknown(members: &str, expect: &str) {
        assert_eq!(asked(&format!("{{{members}}}")), Ok(Asked::Unknown(expect.to_owned())), "{members}");
    }

    #[test]
    fn every_spelling_is_read() {
        check(r#""output_config":{"effort":"medium"}"#, Effort::Medium);
        check(r#""reasoning_effort":"xhigh""#, Effort::Xhigh);
        check(r#""reasoning":{"effort":"low","summary":"auto"}"#, Effort::Low);
        check(r#""reasoning":{"max_tokens":2000}"#, Effort::Low);
        check(r#""reasoning":{"enabled":false}"#, Effort::None);
        check(r#""reasoning":"high""#, Effort::High);
        check(r#""reasoning":{"effort":"low","mode":"pro"}"#, Effort::Max);
        check(r#""reasoning":{"effort":"low","mode":"standard"}"#, Effort::Low);
        check(r#""thinking":{"type":"enabled","budget_tokens":31999,"display":"omitted"}"#, Effort::High);
        check(r#""thinking":{"type":"disabled"}"#, Effort::None);
        check(r#""thinking_budget":512"#, Effort::Minimal);
        check(r#""thinking_token_budget":5000"#, Effort::Medium);
        check(r#""thinking_budget_tokens":0"#, Effort::None);
        check(r#""reasoning_budget_tokens":70000"#, Effort::Max);
        check(r#""enable_thinking":false"#, Effort::None);
        check(r#""think":"low""#, Effort::Low);
        check(r#""chat_template_kwargs":{"enable_thinking":false,"x":1}"#, Effort::None);
        check(r#""chat_template_kwargs":{"reasoning_effort":"high"}"#, Effort::High);
        check(r#""extra_body":{"google":{"thinking_config":{"thinking_budget":24576}}}"#, Effort::High);
        check(r#""extra_body":{"google":{"thinkingConfig":{"thinkingLevel":"low"}}}"#, Effort::Low);
    }

    #[test]
    fn what_leaves_it_to_the_model_is_no_effort_of_its_own() {
        check("", Effort::Default);
        check(r#""output_config":{"format":{}},"reasoning":null,"reasoning_effort":null"#, Effort::Default);
        check(r#""thinking":{"type":"adaptive","display":"omitted"}"#, Effort::Default);
        check(r#""thinking":{"type":"between_tools"}"#, Effort::Default);
        check(r#""thinking":{"type":"enabled"},"enable_thinking":true,"reasoning":{"enabled":true}"#, Effort::Default);
        check(r#""thinking_budget":-1"#, Effort::Default);
        check(r#""verbosity":"high""#, Effort::Default);
    }

    #[test]
    fn of_several_the_highest_counts() {
        check(r#""thinking":{"type":"adaptive"},"output_config":{"effort":"low"}"#, Effort::Low);
        check(r#""thinking":{"type":"enabled","budget_tokens":60000},"output_config":{"effort":"low"}"#, Effort::Xhigh);
        check(r#""thinking":{"type":"disabled"},"output_config":{"effort":"max"}"#, Effort::Max);
        check(r#""reasoning_effort":"none","reasoning":{"effort":"minimal"}"#, Effort::Minimal);
        check_unknown(r#""reasoning_effort":"ultra","reasoning":{"effort":"max"}"#, "ultra");
    }

    #[test]
    fn what_nobody_can_place_is_unknown() {
        check_unknown(r#""reasoning_effort":"High""#, "High");
        check_unknown(r#""output_config":{"effort":["low"]}"#, r#"["low"]"#);
        check_unknown(r#""reasoning_effort":{"level":"low"}"#, r#"{"level":"low"}"#);
        check_unknown(r#""thinking":{"type":"turbo"}"#, "turbo");
        check_unknown(r#""thinking_budget":-2"#, "-2");
        check_unknown(r#""reasoning_effort":"""#, "");
    }

    #[test]
    fn budgets_are_bounded_above() {
        let bounds = [0, 1_024, 4_096, 16_384, 32_768, 65_536];
        let efforts =
            [Effort::None, Effort::Minimal, Effort::Low, Effort::Medium, Effort::High, Effort::Xhigh, Effort::Max];
        for (at, bound) in bounds.into_iter().enumerate() {
            assert_eq!((Effort::of_budget(bound), Effort::of_budget(bound + 1)), (efforts[at], efforts[at + 1]));
        }
        check(r#""thinking_budget":1e4"#, Effort::Medium);
        check(r#""thinking_budget":1024.5"#, Effort::Low);
    }

    #[test]
    fn a_key_that_a_lenient_reader_takes_for_one_of_these_is_refused() {
        for members in [
            r#""Reasoning_Effort":"max""#,
            r#""output_config":{"Effort":"max"}"#,
            r#""r\u0065asoning":{"effort":"max"}"#,
            r#""thinking":{"type":"enabled","Budget_tokens":9}"#,
            r#""extra_body":{"google":{"Thinking_Config":{}}}"#,
        ] {
            let found = asked(&format!("{{{members}}}"));
            assert!(matches!(found, Err(Malformed::Misspelled { .. })), "{members}: {found:?}");
        }
    }

    #[track_caller]
    fn check_written(dialect: Dialect, body: &str, expect: &str, comes_to: Effort) {
        let json = Json::read(body.to_owned().into()).unwrap();
        let mut patch = Patch::default();
        write(dialect, json.root(), Effort::Low, &mut patch);
        let found = patch.apply(&json).unwrap();
        assert_eq!(std::str::from_utf8(&found).unwrap(), expect);
        // What it says that it comes to is what is read of it then.
        assert_eq!(written(dialect, json.root(), Effort::Low), Ok(Asked::Known(comes_to)), "{body}");
        assert_eq!(asked(expect), Ok(Asked::Known(comes_to)), "{expect}");
    }

    #[test]
    fn an_effort_is_written_where_its_dialect_has_it_and_nothing_else_changes() {
        let low = Effort::Low;
        let messages = |body: &str, expect: &str, comes_to| check_written(Dialect::Messages, body, expect, comes_to);
        messages(r#"{ "t": 1e2 }"#, r#"{"output_config":{"effort":"low"}, "t": 1e2 }"#, low);
        messages(r#"{"output_config":{}}"#, r#"{"output_config":{"effort":"low"}}"#, low);
        messages(r#"{"output_config":null, "t":1.0}"#, r#"{"output_config":{"effort":"low"}, "t":1.0}"#, low);
        messages(
            r#"{"output_config": { "format":{"x":[1.0]}, "effort" : "max" },"a":"\u00e9"}"#,
            r#"{"output_config": { "format":{"x":[1.0]}, "effort" : "low" },"a":"\u00e9"}"#,
            low,
        );
        messages(
            r#"{"output_config":{"format":{}},"thinking":{"type":"enabled","budget_tokens":31999}}"#,
            r#"{"output_config":{"effort":"low","format":{}},"thinking":{"type":"enabled","budget_tokens":31999}}"#,
            Effort::High,
        );
        let chat = |body: &str, expect: &str, comes_to| check_written(Dialect::Chat, body, expect, comes_to);
        chat("{}", r#"{"reasoning_effort":"low"}"#, low);
        chat(r#"{"reasoning_effort" :"ultra" , "n":1}"#, r#"{"reasoning_effort" :"low" , "n":1}"#, low);
        chat(r#"{"reasoning_effort":{"x":1}}"#, r#"{"reasoning_effort":"low"}"#, low);
        chat(
            r#"{"reasoning":{"effort":"max"},"n":1}"#,
            r#"{"reasoning_effort":"low","reasoning":{"effort":"max"},"n":1}"#,
            Effort::Max,
        );
        let responses = |body: &str, expect: &str, comes_to| check_written(Dialect::Responses, body, expect, comes_to);
        responses(r#"{"input":[]}"#, r#"{"reasoning":{"effort":"low"},"input":[]}"#, low);
        responses(
            r#"{"reasoning":{"summary":"auto","effort":"xhigh"}}"#,
            r#"{"reasoning":{"summary":"auto","effort":"low"}}"#,
            low,
        );
        responses(r#"{"reasoning":"high"}"#, r#"{"reasoning":{"effort":"low"}}"#, low);
        responses(r#"{"reasoning":{"mode":"pro"}}"#, r#"{"reasoning":{"effort":"low","mode":"pro"}}"#, Effort::Max);
    }

    #[test]
    fn an_effort_is_written_by_its_name() {
        for effort in [Effort::Default, Effort::None, Effort::Xhigh, Effort::Max] {
            assert_eq!(serde_json::to_value(effort).unwrap(), effort.name());
            assert_eq!(word(effort.name()), Some(effort));
        }
    }
}
