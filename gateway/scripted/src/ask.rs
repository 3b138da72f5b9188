//! A request for a reply, read alike whichever dialect it is written in.

use std::str;

use bytes::Bytes;
use serde::Deserialize;

use crate::json::Json;
use crate::problem::Problem;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Dialect {
    Messages,
    Chat,
    Responses,
}

#[derive(Debug)]
pub(crate) struct Ask {
    pub(crate) dialect: Dialect,
    pub(crate) body: Json,
    pub(crate) tools: Vec<Tool>,
    bytes: Bytes,
}

/// A tool on offer.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Tool {
    /// A built-in tool may have no name but its type; several of one type are fine.
    pub(crate) name: Option<String>,
    pub(crate) namespace: Option<String>,
}

impl Ask {
    pub(crate) fn read(dialect: Dialect, bytes: Bytes) -> Result<Self, Problem> {
        let body: Json = serde_json::from_slice(&bytes).map_err(|error| match dialect {
            Dialect::Messages => Problem::invalid(format!("The request body is not valid JSON: {error}")),
            Dialect::Chat | Dialect::Responses => {
                Problem::invalid(format!("We could not parse the JSON body of your request. The parser said: {error}"))
            }
        })?;
        if !matches!(body, Json::Object(_)) {
            return Err(Problem::invalid("The request body must be a JSON object."));
        }
        let tools = offered(dialect, &body);
        Ok(Self { dialect, body, tools, bytes })
    }

    pub(crate) fn model(&self) -> &str {
        self.body.text("model").unwrap_or_default()
    }

    pub(crate) fn streams(&self) -> bool {
        self.body.is_true("stream")
    }

    /// The body as it is spelled.
    pub(crate) fn text(&self) -> &str {
        str::from_utf8(&self.bytes).unwrap_or_default()
    }

    /// The body's size in tokens, at four bytes each.
    pub(crate) fn size_in_tokens(&self) -> u64 {
        self.bytes.len() as u64 / 4
    }

    /// Whether the body has this text, as it is or escaped as in a JSON string.
    pub(crate) fn contains(&self, text: &str) -> bool {
        let body = self.text();
        let quoted = Json::from(text).to_string();
        body.contains(text) || body.contains(&quoted[1..quoted.len() - 1])
    }

    /// How many turns of the model the history has.
    pub(crate) fn turns(&self) -> usize {
        match self.dialect {
            Dialect::Messages | Dialect::Chat => {
                let messages = self.body.list("messages").iter();
                messages.filter(|message| message.text("role") == Some("assistant")).count()
            }
            Dialect::Responses => {
                let made = self.body.list("input").iter().map(made_by_model);
                made.fold((0, false), |(turns, before), now| (turns + usize::from(now && !before), now)).0
            }
        }
    }

    /// The namespace that a call of this tool must name.
    pub(crate) fn namespace_of(&self, tool: &str) -> Option<&str> {
        let offered = self.tools.iter().find(|offer| offer.name.as_deref() == Some(tool))?;
        // `functions` is where tools without a namespace live: the provider answers it bare.
        offered.namespace.as_deref().filter(|name| *name != "functions")
    }
}

fn offered(dialect: Dialect, body: &Json) -> Vec<Tool> {
    let mut tools = Vec::new();
    gather(body.list("tools"), None, &mut tools);
    if dialect == Dialect::Responses {
        for item in body.list("input") {
            if item.text("type") == Some("additional_tools") {
                gather(item.list("tools"), None, &mut tools);
            }
        }
    }
    tools
}

fn gather(offers: &[Json], namespace: Option<&str>, tools: &mut Vec<Tool>) {
    for offer in offers {
        if offer.text("type") == Some("namespace") {
            gather(offer.list("tools"), offer.text("name"), tools);
            continue;
        }
        // The chat dialect wraps the name: {"type": "function", "function": {"name": ..}}.
        let wrapped = offer.get("function").or_else(|| offer.get("custom")).unwrap_or(offer);
        let name = wrapped.text("name").map(str::to_owned);
        tools.push(Tool { name, namespace: namespace.map(str::to_owned) });
    }
}

/// Whether an input item is one that a model once put out.
fn made_by_model(item: &Json) -> bool {
    match item.text("type") {
        None | Some("message") => item.text("role") == Some("assistant"),
        Some("reasoning") => true,
        Some(kind) => kind.ends_with("_call"),
    }
}

#[cfg(test)]
mod tests {
    use super::{Ask, Dialect};

    fn ask(dialect: Dialect, body: &str) -> Ask {
        Ask::read(dialect, body.as_bytes().to_vec().into()).unwrap()
    }

    #[track_caller]
    fn turns(dialect: Dialect, body: &str, expect: usize) {
        assert_eq!(ask(dialect, body).turns(), expect);
    }

    #[test]
    fn turns_are_counted_in_each_dialect() {
        let three = r#"{"messages":[{"role":"user"},{"role":"assistant"},{"role":"system"},
            {"role":"assistant"},{"role":"tool"},{"role":"assistant"}]}"#;
        turns(Dialect::Messages, three, 3);
        turns(Dialect::Chat, three, 3);
        turns(Dialect::Chat, "{}", 0);
        turns(Dialect::Responses, r#"{"input":"hello"}"#, 0);
        let two = r#"{"input":[{"type":"additional_tools","tools":[]},
            {"role":"user","content":"hi"},
            {"type":"reasoning"},{"type":"function_call"},{"type":"custom_tool_call"},
            {"type":"function_call_output"},{"type":"custom_tool_call_output"},
            {"type":"message","role":"assistant"},{"type":"message","role":"user"}]}"#;
        turns(Dialect::Responses, two, 2);
    }

    #[test]
    fn tools_are_found_wherever_a_dialect_keeps_them() {
        let names = |ask: &Ask| -> Vec<_> { ask.tools.iter().map(|t| (t.name.clone(), t.namespace.clone())).collect() };
        let owned = |text: &str| Some(text.to_owned());
        let messages = ask(Dialect::Messages, r#"{"tools":[{"name":"Read"}]}"#);
        assert_eq!(names(&messages), [(owned("Read"), None)]);
        let chat = r#"{"tools":[{"type":"function","function":{"name":"read"}},
            {"type":"custom","custom":{"name":"exec"}}]}"#;
        let chat = ask(Dialect::Chat, chat);
        assert_eq!(names(&chat), [(owned("read"), None), (owned("exec"), None)]);
        let responses = r#"{"tools":[{"type":"web_search"}],"input":[{"type":"additional_tools",
            "tools":[{"type":"namespace","name":"functions","tools":[{"type":"custom","name":"exec"}]},
            {"type":"namespace","name":"clock","tools":[{"type":"function","name":"sleep"}]}]}]}"#;
        let responses = ask(Dialect::Responses, responses);
        let expect = [(None, None), (owned("exec"), owned("functions")), (owned("sleep"), owned("clock"))];
        assert_eq!(names(&responses), expect);
        assert_eq!(responses.namespace_of("exec"), None);
        assert_eq!(responses.namespace_of("sleep"), Some("clock"));
    }

    #[test]
    fn text_is_found_plain_and_escaped() {
        let ask = ask(Dialect::Messages, r#"{"messages":"say \"hi\"\nnow"}"#);
        assert!(ask.contains("say \"hi\"\nnow"));
        assert!(ask.contains("hi"));
        assert!(!ask.contains("bye"));
    }

    #[test]
    fn what_is_not_an_object_is_refused() {
        for body in ["", "[]", "{", "\"text\""] {
            assert!(Ask::read(Dialect::Chat, body.as_bytes().to_vec().into()).is_err(), "{body}");
        }
    }
}
