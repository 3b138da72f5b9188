//! A Responses request: where its parts are and how they are changed.

use crate::wire::Dialect;
use crate::wire::effort;
use crate::wire::facts::{self, Caching};
use crate::wire::json::{self, Json, Kind, Value};
use crate::wire::patch::Patch;
use crate::wire::request::{
    Malformed, Request, STORED, count, flag, lower, model, refuse_any, refuse_misspelled, refuse_other_models,
    task_content, text_of, texts_of,
};
use crate::wire::responses::tools;
use crate::wire::task;

/// The keys that a stage judges by.
const KNOWN: &[&str] = &[
    "model",
    "input",
    "instructions",
    "tools",
    "tool_choice",
    "parallel_tool_calls",
    "max_output_tokens",
    "stream",
    "prompt_cache_key",
    "previous_response_id",
    "background",
    "prompt",
    "conversation",
];

pub(in crate::wire) fn read(json: Json) -> Result<Request, Malformed> {
    let root = json.root();
    refuse_misspelled(root, KNOWN)?;
    refuse_other_models(root)?;
    let model = model(root)?;
    let input = root.get("input").ok_or(Malformed::Missing("input"))?;
    if !matches!(input.kind(), Kind::String | Kind::Array) {
        return Err(Malformed::WrongType { field: "input", expected: "a string or a list" });
    }
    // A background reply is fetched later, by a request that carries no policy's decision.
    if flag(root, "background")? {
        return Err(Malformed::WrongType {
            field: "background",
            expected: "false: a reply is only served as it is made",
        });
    }
    refuse_stored(root, input)?;
    let shelves = tools::shelves(root, input)?;
    let opening = opening(input);
    let (task, before_task) = input.text().map_or_else(|| task::task(input), |text| (task::typed(&text), 0));
    let effort = effort::read(root)?;
    let facts = facts::read(root, &["input", "tools"], Caching::Minutes)?;
    let session = text_of(root, "prompt_cache_key");
    let stream = flag(root, "stream")?;
    let output_limit = count(root, "max_output_tokens")?;
    Ok(Request {
        dialect: Dialect::Responses,
        model,
        stream,
        output_limit,
        shelves,
        strays: Vec::new(),
        opening,
        task,
        before_task,
        session,
        replies: 1,
        effort,
        caching: facts.caching,
        tier: facts.tier,
        remote: facts.remote,
        json,
    })
}

fn refuse_stored(root: Value<'_>, input: Value<'_>) -> Result<(), Malformed> {
    refuse_any(root, &["prompt", "previous_response_id", "conversation"], STORED)?;
    let refers = input.items().any(|item| is_type(item, "item_reference"));
    if refers { Err(Malformed::WrongType { field: "item_reference", expected: STORED }) } else { Ok(()) }
}

pub(super) fn is_type(item: Value<'_>, kind: &str) -> bool {
    item.get("type").and_then(Value::text).is_some_and(|found| found == kind)
}

fn opening(input: Value<'_>) -> Vec<String> {
    let mut texts = Vec::new();
    if let Some(text) = input.text() {
        texts.push(text.into_owned());
    }
    for item in input.items() {
        match text_of(item, "role").as_deref() {
            Some("user") => {
                if let Some(content) = item.get("content") {
                    texts_of(content, &mut texts);
                }
            }
            Some("system" | "developer") => {}
            _ => break,
        }
    }
    texts
}

/// In the message, as a part of its own.
pub(in crate::wire) fn add_task_text(root: Value<'_>, text: &str, before: usize, patch: &mut Patch) -> Option<()> {
    let input = root.get("input")?;
    let part = format!("{{\"type\":\"input_text\",\"text\":{}}}", json::quote(text));
    let parted = |own: Value<'_>| format!("[{{\"type\":\"input_text\",\"text\":{}}},{part}]", own.raw());
    if input.kind() == Kind::String {
        let message = format!("[{{\"type\":\"message\",\"role\":\"user\",\"content\":{}}}]", parted(input));
        patch.replace(input.span(), message);
        return Some(());
    }
    let content = task_content(input, before)?;
    match content.kind() {
        Kind::Array => patch.add_item(content, &part),
        Kind::String => patch.replace(content.span(), parted(content)),
        _ => return None,
    }
    Some(())
}

/// Behind `instructions`, where the agent uses them, else one item behind its leading
/// developer items.
pub(in crate::wire) fn add_system_text(json: &Json, text: &str, patch: &mut Patch) {
    let root = json.root();
    let instructions = root.get("instructions").filter(|value| value.kind() == Kind::String);
    let leads = |item: &Value<'_>| {
        let role = text_of(*item, "role");
        matches!(role.as_deref(), Some("system" | "developer")) || is_type(*item, "additional_tools")
    };
    match (instructions, root.get("input").filter(|input| input.kind() == Kind::Array)) {
        (Some(own), _) => {
            let behind = json::escape(&format!("\n\n{text}"));
            patch.insert(own.span().end - 1, behind);
        }
        (None, Some(input)) => {
            let quoted = json::quote(text);
            let item = format!(
                "{{\"type\":\"message\",\"role\":\"developer\",\"content\":[{{\"type\":\"input_text\",\"text\":{quoted}}}]}}"
            );
            match input.items().take_while(leads).last() {
                Some(last) => patch.insert(last.span().end, format!(",{item}")),
                None if input.items().next().is_some() => patch.insert(input.span().start + 1, format!("{item},")),
                None => patch.insert(input.span().start + 1, item),
            }
        }
        (None, None) => {
            let quoted = json::quote(text);
            match root.get("instructions") {
                Some(null) => patch.replace(null.span(), quoted),
                None => patch.add_member(root, &format!("\"instructions\":{quoted}")),
            }
        }
    }
}

pub(in crate::wire) fn limit_output(json: &Json, most: u64, patch: &mut Patch) -> u64 {
    lower(json.root(), "max_output_tokens", most, patch)
}
