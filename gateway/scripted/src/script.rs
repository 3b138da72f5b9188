//! A script: what is written, and what is meant by it.
//!
//! Everything that can be wrong is found while parsing, so that the error names the line.

mod caching;

use std::collections::BTreeMap;
use std::num::NonZeroUsize;
use std::time::Duration;

use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use serde::{Deserialize, Deserializer, de};

use crate::ask::Dialect;
use crate::json::Json;
pub(crate) use caching::Caching;

/// What a provider plays. Parse one with [`Script::parse`]; the module page shows every field.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Script {
    pub(crate) models: Vec<String>,
    /// None when there is no cache.
    #[serde(deserialize_with = "caching::read")]
    pub(crate) caching: Option<Caching>,
    pub(crate) scenarios: Vec<Scenario>,
}

/// A script that is not one: the message shows the line and what is wrong there.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct ScriptError(Box<serde_saphyr::Error>);

impl Script {
    /// Reads a script.
    ///
    /// # Errors
    /// YAML that does not parse, an unknown field, or a turn that contradicts itself.
    pub fn parse(yaml: &str) -> Result<Self, ScriptError> {
        let options = serde_saphyr::options! { strict_booleans: true };
        serde_saphyr::from_str_with_options(yaml, options).map_err(|error| ScriptError(Box::new(error)))
    }
}

impl ScriptError {
    /// The line of the script that is wrong, from 1, when the parser knows it.
    pub fn line(&self) -> Option<u64> {
        self.0.location().map(|at| at.line())
    }
}

impl Default for Script {
    fn default() -> Self {
        let models = ["claude-opus-5-5", "claude-sonnet-5-5", "claude-haiku-4-5", "gpt-6.1-sol", "gpt-5.5"];
        Self { models: models.map(str::to_owned).to_vec(), caching: None, scenarios: Vec::new() }
    }
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Scenario {
    pub(crate) name: String,
    #[serde(default)]
    pub(crate) when: When,
    #[serde(default)]
    pub(crate) by: By,
    #[serde(deserialize_with = "at_least_one")]
    pub(crate) turns: Vec<Turn>,
}

/// What a request must have for a scenario to play; what is absent is not asked.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct When {
    pub(crate) contains: Option<String>,
    pub(crate) model: Option<String>,
    pub(crate) tools: Option<bool>,
    pub(crate) dialect: Option<Dialect>,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum By {
    #[default]
    Conversation,
    Request,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(try_from = "TurnDocument")]
pub(crate) enum Turn {
    Reply(Reply),
    Refusal(Refusal),
}

/// What the model says, and how it gets on the wire.
#[derive(Debug, Clone, Default)]
pub(crate) struct Reply {
    pub(crate) thinking: Option<String>,
    pub(crate) text: Option<String>,
    pub(crate) calls: Vec<Call>,
    pub(crate) usage: Usage,
    pub(crate) stop: Option<String>,
    pub(crate) manner: Manner,
}

#[derive(Debug, Clone, Default)]
pub(crate) struct Manner {
    pub(crate) pace: Option<Duration>,
    pub(crate) comments: bool,
    pub(crate) crlf: bool,
    pub(crate) fragment: Option<NonZeroUsize>,
    pub(crate) unknown: bool,
    pub(crate) fault: Option<Fault>,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Usage {
    pub(crate) input: Option<u64>,
    pub(crate) cache_read: Option<u64>,
    pub(crate) cache_write: Option<u64>,
    pub(crate) output: Option<u64>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(try_from = "CallDocument")]
pub(crate) struct Call {
    pub(crate) tool: String,
    pub(crate) id: Option<String>,
    /// Arguments as JSON text, or raw input when `custom`.
    pub(crate) arguments: String,
    pub(crate) custom: bool,
    pub(crate) pieces: usize,
}

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub(crate) enum Fault {
    Stall {
        after: usize,
        #[serde(rename = "for", deserialize_with = "duration")]
        pause: Duration,
    },
    Reset {
        after: usize,
    },
    Close {
        after: usize,
    },
    BrokenJson {
        after: usize,
    },
    Html(bool),
    ErrorEvent {
        after: usize,
        #[serde(rename = "type")]
        kind: String,
        message: String,
    },
}

/// An HTTP status in place of a reply.
#[derive(Debug, Clone)]
pub(crate) struct Refusal {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) error: ErrorText,
    /// A body to send as it is, with its content type.
    pub(crate) raw: Option<(String, HeaderValue)>,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct ErrorText {
    #[serde(rename = "type")]
    pub(crate) kind: Option<String>,
    pub(crate) message: Option<String>,
    pub(crate) code: Option<String>,
}

/// A turn as it is written.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct TurnDocument {
    thinking: Option<String>,
    text: Option<String>,
    calls: Vec<Call>,
    usage: Option<Usage>,
    stop: Option<String>,
    #[serde(deserialize_with = "some_duration")]
    pace: Option<Duration>,
    comments: bool,
    crlf: bool,
    fragment: Option<NonZeroUsize>,
    unknown: bool,
    fault: Option<Fault>,
    status: Option<u16>,
    headers: BTreeMap<String, String>,
    error: Option<ErrorText>,
    body: Option<String>,
    content_type: Option<String>,
}

impl TryFrom<TurnDocument> for Turn {
    type Error = String;

    fn try_from(doc: TurnDocument) -> Result<Self, String> {
        let Some(status) = doc.status else { return doc.reply().map(Self::Reply) };
        doc.refusal(status).map(Self::Refusal)
    }
}

impl TurnDocument {
    fn reply(self) -> Result<Reply, String> {
        let about_refusal = [
            ("headers", !self.headers.is_empty()),
            ("error", self.error.is_some()),
            ("body", self.body.is_some()),
            ("content_type", self.content_type.is_some()),
        ];
        if let Some((name, _)) = about_refusal.iter().find(|(_, set)| *set) {
            return Err(format!("`{name}` needs a `status`"));
        }
        let fault = self.fault.filter(|fault| *fault != Fault::Html(false));
        Ok(Reply {
            thinking: self.thinking,
            text: self.text,
            calls: self.calls,
            usage: self.usage.unwrap_or_default(),
            stop: self.stop,
            manner: Manner {
                pace: self.pace,
                comments: self.comments,
                crlf: self.crlf,
                fragment: self.fragment,
                unknown: self.unknown,
                fault,
            },
        })
    }

    fn refusal(self, status: u16) -> Result<Refusal, String> {
        let about_reply = [
            ("thinking", self.thinking.is_some()),
            ("text", self.text.is_some()),
            ("calls", !self.calls.is_empty()),
            ("usage", self.usage.is_some()),
            ("stop", self.stop.is_some()),
            ("pace", self.pace.is_some()),
            ("comments", self.comments),
            ("crlf", self.crlf),
            ("fragment", self.fragment.is_some()),
            ("unknown", self.unknown),
            ("fault", self.fault.is_some()),
        ];
        if let Some((name, _)) = about_reply.iter().find(|(_, set)| *set) {
            return Err(format!("`status` is played instead of a reply, so `{name}` has no place beside it"));
        }
        let raw = match (self.body, self.content_type) {
            (Some(_), _) if self.error.is_some() => return Err("`error` and `body` are two bodies; keep one".into()),
            (None, Some(_)) => return Err("`content_type` needs a `body`".into()),
            (None, None) => None,
            (Some(body), kind) => Some((body, header_value(kind.as_deref().unwrap_or("text/plain; charset=utf-8"))?)),
        };
        Ok(Refusal {
            status: final_status(status)?,
            headers: headers(self.headers)?,
            error: self.error.unwrap_or_default(),
            raw,
        })
    }
}

/// A call as it is written.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct CallDocument {
    tool: String,
    id: Option<String>,
    input: Option<Json>,
    custom: Option<String>,
    arguments: Option<String>,
    pieces: Option<NonZeroUsize>,
}

impl TryFrom<CallDocument> for Call {
    type Error = String;

    fn try_from(doc: CallDocument) -> Result<Self, String> {
        let custom = doc.custom.is_some();
        let arguments = match (doc.input, doc.custom, doc.arguments) {
            (None, None, None) => "{}".to_owned(),
            (Some(input @ Json::Object(_)), None, None) => input.to_string(),
            (Some(_), None, None) => return Err("`input` must be an object; use `arguments` for any other text".into()),
            (None, Some(text), None) | (None, None, Some(text)) => text,
            _ => return Err("a call has one of `input`, `custom` and `arguments`".into()),
        };
        Ok(Self { tool: doc.tool, id: doc.id, arguments, custom, pieces: doc.pieces.map_or(3, NonZeroUsize::get) })
    }
}

fn at_least_one<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<Turn>, D::Error> {
    let turns = Vec::deserialize(from)?;
    if turns.is_empty() {
        return Err(de::Error::custom("a scenario has at least one turn"));
    }
    Ok(turns)
}

/// Hyper writes no body after a 1xx, 204 or 304, so a script must not promise one.
fn final_status(code: u16) -> Result<StatusCode, String> {
    match StatusCode::from_u16(code) {
        Ok(status) if code >= 200 && code != 204 && code != 304 => Ok(status),
        _ => Err(format!("`status: {code}` is not a status that has a body")),
    }
}

fn headers(pairs: BTreeMap<String, String>) -> Result<HeaderMap, String> {
    let mut headers = HeaderMap::new();
    for (name, value) in pairs {
        let name: HeaderName = name.parse().map_err(|_| format!("`{name}` is not a header name"))?;
        headers.append(name, header_value(&value)?);
    }
    Ok(headers)
}

fn header_value(value: &str) -> Result<HeaderValue, String> {
    HeaderValue::from_str(value).map_err(|_| format!("`{value}` is not a header value"))
}

fn duration<'de, D: Deserializer<'de>>(from: D) -> Result<Duration, D::Error> {
    let text = String::deserialize(from)?;
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let scale = match &text[digits.len()..] {
        "ms" => 0.001,
        "s" => 1.0,
        "m" => 60.0,
        _ => f64::NAN,
    };
    let seconds = digits.parse::<f64>().unwrap_or(f64::NAN) * scale;
    Duration::try_from_secs_f64(seconds)
        .map_err(|_| de::Error::custom(format!("`{text}` is not a duration like 20ms, 2s or 1m")))
}

fn some_duration<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Duration>, D::Error> {
    duration(from).map(Some)
}

#[cfg(test)]
mod tests;
