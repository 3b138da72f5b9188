//! The rules by which the real providers refuse a request, in their words.
//!
//! These are the rules that a gateway breaks when it edits a conversation carelessly: a tool
//! taken away but still chosen, a call without its result, one cache breakpoint too many.

mod breakpoints;

use std::collections::HashSet;

use crate::ask::{Ask, Dialect, Tool};
use crate::json::Json;
use crate::problem::Problem;

/// Whether the provider would take this request. Counting tokens needs no `max_tokens`.
pub(crate) fn check(ask: &Ask, counting: bool) -> Result<(), Problem> {
    match ask.dialect {
        Dialect::Messages => messages(ask, counting),
        Dialect::Chat => chat(ask),
        Dialect::Responses => responses(ask),
    }
}

fn messages(ask: &Ask, counting: bool) -> Result<(), Problem> {
    let required = ["model", "max_tokens", "messages"];
    for key in required.into_iter().filter(|key| !(counting && *key == "max_tokens")) {
        if ask.body.get(key).is_none() {
            return Err(Problem::invalid(format!("{key}: Field required")));
        }
    }
    if duplicate(&ask.tools).is_some() {
        return Err(Problem::invalid("tools: Tool names must be unique."));
    }
    if let Some(choice) = ask.body.get("tool_choice") {
        if ask.tools.is_empty() {
            let message = "tool_choice may only be specified while providing tools.";
            return Err(Problem::invalid(message));
        }
        if let Some(name) = choice.text("name").filter(|name| !offers(&ask.tools, name)) {
            let message = format!("tool_choice: Tool '{name}' not found in provided tools");
            return Err(Problem::invalid(message));
        }
    }
    breakpoints::check(&ask.body)?;
    pairs_of_messages(ask.body.list("messages"))
}

/// Each call is answered at the start of the user turn that follows it, and nowhere else.
/// Consecutive messages of a role are one turn; `system` messages in between are no turn.
fn pairs_of_messages(messages: &[Json]) -> Result<(), Problem> {
    let mut turn = CallTurn::default();
    for (index, message) in messages.iter().enumerate() {
        match message.text("role") {
            Some("assistant") => {
                if turn.is_answering {
                    turn.close()?;
                    turn = CallTurn::default();
                }
                turn.at = index;
                let blocks = message.list("content").iter();
                let calls = blocks.filter(|block| block.text("type") == Some("tool_use"));
                turn.calls.extend(calls.filter_map(|block| block.text("id")));
            }
            Some("user") => turn.answer(index, message)?,
            _ => {}
        }
    }
    turn.close()
}

/// A turn of the assistant, and what the user turn after it has answered so far.
#[derive(Default)]
struct CallTurn<'a> {
    at: usize,
    calls: Vec<&'a str>,
    answered: HashSet<&'a str>,
    is_answering: bool,
    /// Something else than results has come: results after it do not count.
    is_past_results: bool,
}

impl<'a> CallTurn<'a> {
    fn answer(&mut self, index: usize, message: &'a Json) -> Result<(), Problem> {
        self.is_answering = true;
        let blocks = message.list("content");
        self.is_past_results |= blocks.is_empty();
        for (place, block) in blocks.iter().enumerate() {
            if block.text("type") != Some("tool_result") {
                self.is_past_results = true;
                continue;
            }
            let id = block.text("tool_use_id").unwrap_or_default();
            let at = format!("messages.{index}.content.{place}");
            if !self.calls.contains(&id) {
                return Err(Problem::invalid(format!(
                    "{at}: unexpected `tool_use_id` found in `tool_result` blocks: {id}. Each \
                     `tool_result` block must have a corresponding `tool_use` block in the \
                     previous message."
                )));
            }
            if !self.is_past_results && !self.answered.insert(id) {
                return Err(Problem::invalid(format!(
                    "{at}: each tool_use must have a single result. Found multiple \
                     `tool_result` blocks with id: {id}"
                )));
            }
        }
        Ok(())
    }

    fn close(&self) -> Result<(), Problem> {
        let open: Vec<_> = self.calls.iter().copied().filter(|id| !self.answered.contains(id)).collect();
        if open.is_empty() {
            return Ok(());
        }
        Err(Problem::invalid(format!(
            "messages.{}: `tool_use` ids were found without `tool_result` blocks immediately \
             after: {}. Each `tool_use` block must have a corresponding `tool_result` block in \
             the next message.",
            self.at,
            open.join(", ")
        )))
    }
}

fn chat(ask: &Ask) -> Result<(), Problem> {
    if ask.body.get("model").is_none() {
        return Err(Problem::invalid("you must provide a model parameter"));
    }
    if ask.body.get("messages").is_none() {
        return Err(missing("messages"));
    }
    if ask.tools.is_empty() && ask.body.get("tools").is_some() {
        let message = "Invalid 'tools': empty array. Expected an array with minimum length 1, \
                       but got an empty array instead.";
        return Err(Problem::invalid(message).at("tools").coded("empty_array"));
    }
    named_twice(&ask.tools)?;
    if let Some(choice) = ask.body.get("tool_choice") {
        if ask.tools.is_empty() {
            return Err(choice_without_tools());
        }
        let wrapped = choice.get("function").or_else(|| choice.get("custom"));
        chosen(&ask.tools, wrapped.and_then(|tool| tool.text("name")))?;
    }
    pairs_of_chat(ask.body.list("messages"))
}

/// The messages right after an assistant's calls are the tools' answers, one for each call.
fn pairs_of_chat(messages: &[Json]) -> Result<(), Problem> {
    let mut open: Vec<&str> = Vec::new();
    for (index, message) in messages.iter().enumerate() {
        let role = message.text("role");
        if role == Some("tool") {
            let id = message.text("tool_call_id").unwrap_or_default();
            let Some(place) = open.iter().position(|call| *call == id) else {
                let text = "Invalid parameter: messages with role 'tool' must be a response to a \
                            preceeding message with 'tool_calls'.";
                return Err(Problem::invalid(text).at(format!("messages.[{index}].role")));
            };
            open.swap_remove(place);
            continue;
        }
        unanswered_in_chat(&open, index)?;
        if role == Some("assistant") {
            open = message.list("tool_calls").iter().filter_map(|call| call.text("id")).collect();
        }
    }
    unanswered_in_chat(&open, messages.len())
}

fn unanswered_in_chat(open: &[&str], index: usize) -> Result<(), Problem> {
    if open.is_empty() {
        return Ok(());
    }
    let message = format!(
        "An assistant message with 'tool_calls' must be followed by tool messages responding to \
         each 'tool_call_id'. The following tool_call_ids did not have response messages: {}",
        open.join(", ")
    );
    Err(Problem::invalid(message).at(format!("messages.[{index}].role")))
}

fn responses(ask: &Ask) -> Result<(), Problem> {
    if ask.body.get("model").is_none() {
        return Err(missing("model"));
    }
    named_twice(&ask.tools)?;
    if let Some(choice) = ask.body.get("tool_choice") {
        // Unlike the chat dialect, this one takes `auto` and `none` when there are no tools.
        let is_idle = *choice == Json::from("auto") || *choice == Json::from("none");
        if ask.tools.is_empty() && !is_idle {
            return Err(choice_without_tools());
        }
        chosen(&ask.tools, choice.text("name"))?;
    }
    pairs_of_responses(&ask.body)
}

fn pairs_of_responses(body: &Json) -> Result<(), Problem> {
    // What went before is kept by the provider, so its calls are not in the input.
    let is_continued = body.get("previous_response_id").is_some();
    let kinds = [("function_call", "function call"), ("custom_tool_call", "custom tool call")];
    for (kind, name) in kinds {
        let mut open: Vec<&str> = Vec::new();
        let mut closed: HashSet<&str> = HashSet::new();
        for item in body.list("input") {
            let is_call = item.text("type") == Some(kind);
            let id = item.text("call_id").unwrap_or_default();
            if is_call {
                open.push(id);
            } else if item.text("type").and_then(|t| t.strip_suffix("_output")) == Some(kind) {
                let is_known = open.contains(&id) || closed.contains(id);
                if !is_known && !is_continued {
                    let text = format!("No tool call found for {name} output with call_id {id}.");
                    return Err(Problem::invalid(text).at("input"));
                }
                open.retain(|call| *call != id);
                closed.insert(id);
            }
        }
        if let Some(id) = open.first() {
            let text = format!("No tool output found for {name} {id}.");
            return Err(Problem::invalid(text).at("input"));
        }
    }
    Ok(())
}

fn missing(key: &str) -> Problem {
    let message = format!("Missing required parameter: '{key}'.");
    Problem::invalid(message).at(key).coded("missing_required_parameter")
}

fn choice_without_tools() -> Problem {
    let message = "Invalid value for 'tool_choice': 'tool_choice' is only allowed when 'tools' \
                   are specified.";
    Problem::invalid(message).at("tool_choice")
}

fn chosen(tools: &[Tool], name: Option<&str>) -> Result<(), Problem> {
    let Some(name) = name.filter(|name| !offers(tools, name)) else { return Ok(()) };
    let message = format!("Tool choice '{name}' not found in 'tools' parameter.");
    Err(Problem::invalid(message).at("tool_choice"))
}

fn named_twice(tools: &[Tool]) -> Result<(), Problem> {
    let Some(name) = duplicate(tools) else { return Ok(()) };
    Err(Problem::invalid(format!("Invalid 'tools': duplicate tool name '{name}'.")).at("tools"))
}

fn offers(tools: &[Tool], name: &str) -> bool {
    tools.iter().any(|tool| tool.name.as_deref() == Some(name))
}

/// A name that is there twice in one namespace.
fn duplicate(tools: &[Tool]) -> Option<&str> {
    let mut seen = HashSet::new();
    tools.iter().find(|tool| tool.name.is_some() && !seen.insert(*tool))?.name.as_deref()
}

#[cfg(test)]
mod tests;
