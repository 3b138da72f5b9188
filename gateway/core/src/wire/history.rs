//! The conversation as an agent tells it: the model's turns in it, and the results of its calls.
//!
//! Agents tell a turn again in words of their own: they move `cache_control` marks, drop thoughts
//! and empty texts, turn lists into strings. What stays is the text, but for white space, and the
//! ids of calls; by those a turn is known again.

use std::borrow::Cow;
use std::collections::HashMap;
use std::ops::Range;

use xxhash_rust::xxh3::Xxh3;

use crate::wire::json::{self, Json, Value};
use crate::wire::patch::Patch;
use crate::wire::request::{Request, text_of, texts_of};
use crate::wire::turn::Answer;
use crate::wire::{Dialect, chat, messages, responses};

/// So much of both ends of a text tells it from others.
const END: usize = 64;
/// An agent says how it works within its first messages.
const MOST_LEADING: usize = 8;

/// A turn of the model's in a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Past {
    /// What it is known again by: the ids of its calls, or its text behind what was said before it.
    pub anchor: String,
    /// Where it stands in the body.
    pub span: Range<usize>,
    /// The node of the message that answers it, where the dialect has one for all answers.
    answer: Option<usize>,
}

/// What a turn says, collected.
#[derive(Debug, Default)]
pub(in crate::wire) struct Said {
    text: String,
    calls: Vec<String>,
}

/// A turn, where it was found.
#[derive(Debug)]
pub(in crate::wire) struct Found {
    pub said: Said,
    pub span: Range<usize>,
    pub answer: Option<usize>,
}

impl Said {
    pub(in crate::wire) fn text(&mut self, text: &str) {
        self.text.extend(text.chars().filter(|c| !c.is_whitespace()));
    }

    pub(in crate::wire) fn call(&mut self, id: Option<String>) {
        self.calls.extend(id);
    }

    /// Ids are unique in a conversation; texts are not.
    fn signature(&self) -> String {
        if !self.calls.is_empty() {
            return format!("calls {}", self.calls.join(" "));
        }
        let length = self.text.len();
        let head = self.text.floor_char_boundary(END);
        let tail = self.text.ceil_char_boundary(length.saturating_sub(END));
        format!("text {length} {} {}", &self.text[..head], &self.text[tail..])
    }
}

/// A string in the result of a call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outcome {
    /// The call's id.
    pub call: String,
    /// The string's [`Value::index`].
    pub node: usize,
}

fn found(dialect: Dialect, json: &Json) -> Vec<Found> {
    match dialect {
        Dialect::Messages => messages::history::turns(json.root()),
        Dialect::Chat => chat::history::turns(json.root()),
        Dialect::Responses => responses::history::turns(json.root()),
    }
}

/// What turns are known by, in order. Ids of calls are unique, and hold also when an agent leaves out
/// what came before. Texts are not: a conversation that was taken back and went another way may say the
/// same in the same place, so that a text is known only behind all turns before it.
#[derive(Default)]
struct Anchors {
    seen: HashMap<String, usize>,
    before: Xxh3,
}

impl Anchors {
    fn next(&mut self, said: &Said) -> String {
        let signature = said.signature();
        let anchor = if said.calls.is_empty() {
            format!("{signature} @{:016x}", self.before.digest())
        } else {
            let number = self.seen.entry(signature.clone()).and_modify(|count| *count += 1).or_insert(1);
            format!("{signature} #{number}")
        };
        self.before.update(signature.as_bytes());
        self.before.update(&[0]);
        anchor
    }
}

/// The model's turns in a request, in order.
#[must_use]
pub fn turns(request: &Request) -> Vec<Past> {
    let mut anchors = Anchors::default();
    let past = |found: Found| Past { anchor: anchors.next(&found.said), span: found.span, answer: found.answer };
    found(request.dialect, &request.json).into_iter().map(past).collect()
}

/// What a new turn will be known by when the agent tells it behind this request. `told` is the
/// turn as it was given to the agent, as [`crate::wire::turn::Turn::told`] gives it.
#[must_use]
pub fn anchor(request: &Request, told: &str) -> Option<String> {
    let new = one(request.dialect, told)?;
    let mut anchors = Anchors::default();
    for turn in found(request.dialect, &request.json) {
        anchors.next(&turn.said);
    }
    Some(anchors.next(&new))
}

/// The same where the model has not spoken before.
#[must_use]
pub fn first_anchor(dialect: Dialect, told: &str) -> Option<String> {
    one(dialect, told).map(|new| Anchors::default().next(&new))
}

fn one(dialect: Dialect, told: &str) -> Option<Said> {
    let member = if dialect == Dialect::Responses { "input" } else { "messages" };
    let json = Json::read(format!("{{\"{member}\":[{told}]}}").into()).ok()?;
    found(dialect, &json).pop().map(|found| found.said)
}

/// The strings of all results in a request.
#[must_use]
pub fn outcomes(request: &Request) -> Vec<Outcome> {
    let root = request.json.root();
    match request.dialect {
        Dialect::Messages => messages::history::outcomes(root),
        Dialect::Chat => chat::history::outcomes(root),
        Dialect::Responses => responses::history::outcomes(root),
    }
}

/// A call that was made by now, as the agent tells it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Told {
    pub name: String,
    pub namespace: Option<String>,
    /// The [`Value::index`] of what it was called with: an object, or a text that holds one.
    input: Option<usize>,
}

impl Told {
    /// What it was called with, as text.
    #[must_use]
    pub fn input<'a>(&self, json: &'a Json) -> Cow<'a, str> {
        let value = self.input.map(|index| json.value(index));
        value.map(|value| value.text().unwrap_or_else(|| value.raw().into())).unwrap_or_default()
    }

    /// Where in a body that stands; at its beginning where it was called with nothing.
    #[must_use]
    pub fn place(&self, json: &Json) -> usize {
        self.input.map(|index| json.value(index).span().start).unwrap_or_default()
    }
}

/// The calls in a request that were made by now.
#[must_use]
pub fn calls(request: &Request) -> Vec<Told> {
    let root = request.json.root();
    let list = |name: &str| root.get(name).into_iter().flat_map(Value::items);
    let told = |value: Value<'_>, id: &str, inputs: &[&str]| {
        value.get(id)?;
        let input = inputs.iter().find_map(|name| value.get(name)).map(Value::index);
        Some(Told { name: text_of(value, "name")?, namespace: text_of(value, "namespace"), input })
    };
    match request.dialect {
        Dialect::Messages => {
            let contents = list("messages").filter_map(|message| message.get("content"));
            contents.flat_map(Value::items).filter_map(|block| told(block, "id", &["input"])).collect()
        }
        Dialect::Chat => {
            let calls = list("messages").filter_map(|message| message.get("tool_calls")).flat_map(Value::items);
            let functions = calls.filter_map(|call| call.get("function").or_else(|| call.get("custom")));
            functions.filter_map(|function| told(function, "name", &["arguments", "input"])).collect()
        }
        Dialect::Responses => {
            list("input").filter_map(|item| told(item, "call_id", &["arguments", "input", "action"])).collect()
        }
    }
}

/// The texts in which an agent says how it works: its system text, and what it says first.
#[must_use]
pub fn preamble(request: &Request) -> Vec<String> {
    let root = request.json.root();
    let mut texts = request.opening.clone();
    for member in ["system", "instructions"] {
        root.get(member).into_iter().for_each(|text| texts_of(text, &mut texts));
    }
    for member in ["messages", "input"] {
        let leads =
            |item: &Value<'_>| text_of(*item, "role").is_some_and(|role| role == "system" || role == "developer");
        let items = root.get(member).into_iter().flat_map(Value::items).take(MOST_LEADING).filter(leads);
        items.filter_map(|item| item.get("content")).for_each(|content| texts_of(content, &mut texts));
    }
    texts
}

impl Past {
    /// Puts answers before those that the agent gives to this turn, where the dialect wants all
    /// of them in one message. Elsewhere they stand behind the turn.
    pub fn join(&self, request: &Request, answers: &[Answer], patch: &mut Patch) {
        if let (Dialect::Messages, Some(node), false) = (request.dialect, self.answer, answers.is_empty()) {
            messages::history::join(request.json.value(node), answers, patch);
        }
    }
}

/// Has the answers to these turns be of the kind that they want. `told` is as for [`anchor`].
pub fn answer_as_told(request: &Request, told: &str, patch: &mut Patch) {
    if request.dialect == Dialect::Responses
        && let Ok(json) = Json::read(format!("[{told}]").into())
    {
        responses::history::answer_as_told(request.json.root(), json.root(), patch);
    }
}

/// Puts more behind the conversation of a request: messages or items, with commas between. A
/// choice of tools that would be made for the model each time is left to the model.
pub fn append(dialect: Dialect, json: &Json, more: &str, patch: &mut Patch) {
    match dialect {
        Dialect::Messages => messages::history::append(json.root(), more, patch),
        Dialect::Chat => chat::history::append(json.root(), more, patch),
        Dialect::Responses => responses::history::append(json.root(), more, patch),
    }
}

/// Puts a question of ours behind a conversation, and behind the model's last turn where that is
/// told. The tools stay as they are, for they are where a prompt begins.
///
/// The model is not to call one. In two dialects the request says so; in Messages it would cost the
/// cache of all that was said ([prompt caching](https://docs.claude.com/en/docs/build-with-claude/prompt-caching),
/// what invalidates the cache), so there only the question does.
pub fn ask(request: &Request, (told, question): (Option<&str>, &str), patch: &mut Patch) {
    let (dialect, root) = (request.dialect, request.json.root());
    let text = json::quote(question);
    let user = match dialect {
        Dialect::Messages => format!("{{\"role\":\"user\",\"content\":[{{\"type\":\"text\",\"text\":{text}}}]}}"),
        Dialect::Chat => format!("{{\"role\":\"user\",\"content\":{text}}}"),
        Dialect::Responses => {
            format!(
                "{{\"type\":\"message\",\"role\":\"user\",\"content\":[{{\"type\":\"input_text\",\"text\":{text}}}]}}"
            )
        }
    };
    let more = told.map_or_else(|| user.clone(), |told| format!("{told},{user}"));
    match dialect {
        Dialect::Messages => messages::history::append(root, &more, patch),
        Dialect::Chat => chat::history::put(root, &more, patch),
        Dialect::Responses => responses::history::put(root, &more, patch),
    }
    // Wherever the tools stand: Codex tells its newer models of them at the beginning of the input.
    if dialect != Dialect::Messages && !request.tools().is_empty() {
        match root.get("tool_choice") {
            Some(choice) => patch.replace(choice.span(), "\"none\""),
            None => patch.add_member(root, "\"tool_choice\":\"none\""),
        }
    }
}

/// The strings of a result: itself, or the texts of its parts.
pub(in crate::wire) fn strings(content: Value<'_>, call: &str, out: &mut Vec<Outcome>) {
    let mut push = |value: Value<'_>| out.push(Outcome { call: call.to_owned(), node: value.index() });
    if content.text().is_some() {
        push(content);
    }
    content.items().filter_map(|part| part.get("text")).filter(|text| text.text().is_some()).for_each(push);
}

/// Leaves the choice of tools to the model, where the request makes it.
pub(in crate::wire) fn free_choice(root: Value<'_>, auto: &str, patch: &mut Patch) {
    for member in ["tool_choice", "function_call"] {
        let Some(choice) = root.get(member).filter(|choice| !choice.is_null()) else { continue };
        let kind = choice.text().or_else(|| choice.get("type")?.text());
        if !kind.is_some_and(|kind| kind == "auto" || kind == "none" || kind == "allowed_tools") {
            patch.replace(choice.span(), auto);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(messages: &str) -> Request {
        let json = format!("{{\"model\":\"m\",\"messages\":[{messages}]}}");
        Request::read(Dialect::Messages, Json::read(json.into()).unwrap()).unwrap()
    }

    fn last(messages: &str) -> String {
        turns(&request(messages)).pop().unwrap().anchor
    }

    #[test]
    fn a_text_is_known_only_behind_what_was_said_before_it() {
        const USER: &str = r#"{"role":"user","content":"go on"}"#;
        let said = |text: &str| format!(r#"{{"role":"assistant","content":"{text}"}}"#);
        let talk = |texts: &[&str]| {
            let turns: Vec<String> = texts.iter().map(|text| format!("{USER},{}", said(text))).collect();
            turns.join(",")
        };
        let one = last(&talk(&["I look.", "Done."]));
        assert_eq!(one, last(&talk(&["I look.", "Done."])));
        // Told in other forms, with marks that moved.
        let marked = format!(
            r#"{USER},{{"role":"assistant","content":[{{"type":"text","text":"I look.","cache_control":{{"type":"ephemeral"}}}}]}},{USER},{}"#,
            said("Done.")
        );
        assert_eq!(one, last(&marked));
        // Another way from the same beginning, and the same once more.
        assert_ne!(one, last(&talk(&["I think.", "Done."])));
        assert_ne!(one, last(&talk(&["I look.", "Done.", "Done."])));
        // As it will be known when it is told.
        let known = anchor(&request(&format!("{},{USER}", talk(&["I look."]))), &said("Done."));
        assert_eq!(known, Some(one));
        assert_eq!(first_anchor(Dialect::Messages, &said("I look.")), Some(last(&talk(&["I look."]))));
    }

    #[test]
    fn a_call_is_known_wherever_it_stands() {
        let call = r#"{"role":"assistant","content":[{"type":"tool_use","id":"c1","name":"Read","input":{}}]}"#;
        let whole = format!(
            r#"{{"role":"user","content":"a"}},{{"role":"assistant","content":"b"}},{{"role":"user","content":"c"}},{call}"#
        );
        assert_eq!(last(&whole), last(&format!(r#"{{"role":"user","content":"c"}},{call}"#)));
    }
}
