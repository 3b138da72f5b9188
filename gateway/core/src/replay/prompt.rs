//! What Jetway put into a request that was sent, and what the request would have cost if it had been
//! longer. Given 20,000 bytes that were 5,000 tokens of input and 400 bytes more: 100 tokens more.

use crate::policy::context::ours;
use crate::wire::event::Usage;
use crate::wire::history;
use crate::wire::json;
use crate::wire::request::Request;

/// What stood in a request of ours, in bytes as they are sent.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Ours {
    /// With the task, but for a step.
    pub task: usize,
    /// With the system text.
    pub standing: usize,
    /// Steps that were told, in the order of the request, each with what came with it.
    pub steps: Vec<(String, usize)>,
    /// How many of them stand with the task; they come first.
    pub opened: usize,
    /// What a model asked for of pages and airplanes, each with how many of the steps were told before.
    pub asked: Vec<(usize, String)>,
}

impl Ours {
    /// All of it.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.task + self.standing + self.steps.iter().map(|(_, bytes)| bytes).sum::<usize>()
    }
}

impl Ours {
    #[must_use]
    pub fn of(request: &Request) -> Self {
        let mut found = Self::default();
        for text in request.opening.iter().chain(&request.later_task()) {
            found.task += found.take_steps(ours(text));
        }
        found.opened = found.steps.len();
        // Of a preamble the opening comes first.
        for text in history::preamble(request).iter().skip(request.opening.len()) {
            found.standing += found.take_steps(ours(text));
        }
        let is_ours = |raw: &str| raw.contains("<jetway_");
        for outcome in history::outcomes(request) {
            let value = request.json.value(outcome.node);
            // Results are long, and few have something of ours.
            if let Some(text) = value.text().filter(|_| is_ours(value.raw())) {
                let begin = text.find(STEP).unwrap_or(text.len());
                if is_ours(&text[..begin]) {
                    found.asked.push((found.steps.len(), text[..begin].to_owned()));
                }
                found.take_steps(&text[begin..]);
            }
        }
        found
    }

    /// Notes the steps of a text. Returns the bytes before the first.
    fn take_steps(&mut self, text: &str) -> usize {
        let begins: Vec<usize> = text.match_indices(STEP).map(|(at, _)| at).collect();
        for (number, begin) in begins.iter().enumerate() {
            let told = &text[*begin..begins.get(number + 1).copied().unwrap_or(text.len())];
            let id = told[STEP.len()..].strip_prefix("id=\"").and_then(|rest| rest.split_once("\" number="));
            // A reminder has no number; it depends on what the model did, and not on what the step says.
            if let Some((id, _)) = id.filter(|(id, _)| !id.contains(['"', '\n'])) {
                self.steps.push((id.to_owned(), length(told)));
            }
        }
        length(&text[..begins.first().copied().unwrap_or(text.len())])
    }
}

/// How a step that is told begins.
const STEP: &str = "<jetway_step ";

/// Bytes of a text as it stands in a request.
#[must_use]
pub fn length(text: &str) -> usize {
    json::quote(text).len() - 2
}

/// By how much a request would have been longer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Growth {
    pub bytes: i64,
    /// Bytes of the request as it was sent.
    pub sent: u64,
    /// Whether its conversation began with it.
    pub is_first: bool,
}

impl Growth {
    /// What would have been used. What stands in a prompt goes into the provider's cache with the first
    /// request, where anything did, and comes from there with each further one.
    #[must_use]
    pub fn applied(self, usage: Usage) -> Usage {
        let read = usage.total().saturating_sub(usage.output);
        let tokens = i128::from(self.bytes) * i128::from(read) / i128::from(self.sent.max(1));
        let tokens = i64::try_from(tokens).unwrap_or(0);
        let mut grown = usage;
        match (self.is_first, usage.cache_write, usage.cache_read) {
            (true, 1.., _) => {
                grown.cache_write = usage.cache_write.saturating_add_signed(tokens);
                let is_hour = usage.cache_write_hour == usage.cache_write;
                let hour = if is_hour { grown.cache_write } else { usage.cache_write_hour };
                grown.cache_write_hour = hour.min(grown.cache_write);
            }
            (false, _, 1..) => grown.cache_read = usage.cache_read.saturating_add_signed(tokens),
            _ => grown.input = usage.input.saturating_add_signed(tokens),
        }
        grown
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::Dialect;
    use crate::wire::json::Json;
    use serde_json::{Value, json};

    const PAGES: &str = "Current reference material for this task. It is.\n<jetway_context source=\"a.md#A\">\n\"A\"\n</jetway_context>\n";
    const LOOK: &str = "<jetway_step id=\"look\" number=\"1\" of=\"2\">\nLook.\n</jetway_step>\n";
    const PLAN: &str = "<jetway_step id=\"plan\" number=\"2\" of=\"2\">\nPlan.\n</jetway_step>\n";
    const REMINDER: &str = "<jetway_step id=\"look\">\nThis step has taken 9 turns.\n</jetway_step>\n";
    const STANDING: &str = "<jetway_context source=\"s.md\" rev=\"1\">\nAlways.\n</jetway_context>\n";

    #[track_caller]
    fn check(dialect: Dialect, body: &Value, expect: (&str, &str, &[(&str, &str)])) {
        let request = Request::read(dialect, Json::read(body.to_string().into()).unwrap()).unwrap();
        let (task, standing, steps) = expect;
        let steps: Vec<_> = steps.iter().map(|(id, text)| ((*id).to_owned(), length(text))).collect();
        let opened = steps.len().min(1);
        assert_eq!(
            Ours::of(&request),
            Ours { task: length(task), standing: length(standing), steps, opened, asked: vec![] }
        );
    }

    #[test]
    fn what_was_put_into_a_request_is_told_apart_from_what_its_agent_said() {
        let result = format!("app.py\n\n{PLAN}{PAGES}{REMINDER}");
        let expect: (&str, &str, &[(&str, &str)]) =
            (PAGES, STANDING, &[("look", LOOK), ("plan", &format!("{PLAN}{PAGES}"))]);
        check(
            Dialect::Messages,
            &json!({ "model": "m", "max_tokens": 9, "system": [{ "type": "text", "text": "Be good." }, { "type": "text", "text": STANDING }],
                "messages": [
                    { "role": "user", "content": [{ "type": "text", "text": "Add it." }, { "type": "text", "text": format!("{PAGES}{LOOK}") }] },
                    { "role": "assistant", "content": [{ "type": "tool_use", "id": "c", "name": "Bash", "input": {} }] },
                    { "role": "user", "content": [{ "type": "tool_result", "tool_use_id": "c", "content": result }] },
                ] }),
            expect,
        );
        check(
            Dialect::Chat,
            &json!({ "model": "m", "messages": [
                { "role": "system", "content": format!("Be good.\n\n{STANDING}") },
                { "role": "user", "content": format!("Add it.\n\n{PAGES}{LOOK}") },
                { "role": "assistant", "tool_calls": [{ "id": "c", "type": "function", "function": { "name": "bash", "arguments": "{}" } }] },
                { "role": "tool", "tool_call_id": "c", "content": result },
            ] }),
            expect,
        );
        check(
            Dialect::Responses,
            &json!({ "model": "m", "instructions": format!("Be good.\n\n{STANDING}"), "input": [
                { "type": "message", "role": "user", "content": [{ "type": "input_text", "text": "Add it." }, { "type": "input_text", "text": format!("{PAGES}{LOOK}") }] },
                { "type": "function_call", "call_id": "c", "name": "shell", "arguments": "{}" },
                { "type": "function_call_output", "call_id": "c", "output": result },
            ] }),
            expect,
        );
        // Where the agent sets the model up first, it stands behind that.
        let later = json!({ "model": "m", "messages": [
            { "role": "user", "content": "All about us." },
            { "role": "assistant", "content": "Got it." },
            { "role": "user", "content": format!("Add it.\n\n{PAGES}{LOOK}") },
        ] });
        check(Dialect::Chat, &later, (PAGES, "", &[("look", LOOK)]));
        let plain = json!({ "model": "m", "messages": [{ "role": "user", "content": "A <jetway of mine." }] });
        check(Dialect::Chat, &plain, ("", "", &[]));
    }

    #[test]
    fn what_a_model_asked_for_stands_between_the_steps_that_were_told() {
        let result = |id: &str, text: &str| json!({ "role": "tool", "tool_call_id": id, "content": text });
        let call = |id: &str| json!({ "id": id, "type": "function", "function": { "name": "x", "arguments": "{}" } });
        let calls = ["a", "b", "c", "d"].map(call);
        let body = json!({ "model": "m", "messages": [
            { "role": "user", "content": format!("Add it.\n\n{LOOK}") },
            { "role": "assistant", "tool_calls": calls },
            result("a", "app.py"), result("b", PAGES), result("c", &format!("app.py\n\n{PLAN}{PAGES}")), result("d", PAGES),
        ] });
        let request = Request::read(Dialect::Chat, Json::read(body.to_string().into()).unwrap()).unwrap();
        assert_eq!(Ours::of(&request).asked, [(1, PAGES.to_owned()), (2, PAGES.to_owned())]);
    }

    #[test]
    fn what_is_longer_is_written_to_the_cache_once_and_read_from_it_then() {
        let usage = |input, cache_read, cache_write, cache_write_hour| Usage {
            input,
            cache_read,
            cache_write,
            cache_write_hour,
            output: 7,
        };
        let check = |bytes: i64, is_first: bool, before: Usage, after: Usage| {
            let growth = Growth { bytes, sent: 4_000, is_first };
            assert_eq!(growth.applied(before), after, "{growth:?}");
        };
        // A thousand tokens, four bytes each.
        check(400, true, usage(1_000, 0, 0, 0), usage(1_100, 0, 0, 0));
        check(400, true, usage(500, 0, 500, 0), usage(500, 0, 600, 0));
        check(400, true, usage(500, 0, 500, 500), usage(500, 0, 600, 600));
        check(400, true, usage(0, 500, 500, 0), usage(0, 500, 600, 0));
        check(400, false, usage(0, 500, 500, 0), usage(0, 600, 500, 0));
        check(400, false, usage(500, 0, 500, 0), usage(600, 0, 500, 0));
        check(-400, false, usage(500, 500, 0, 0), usage(500, 400, 0, 0));
        check(-400, true, usage(900, 0, 60, 50), usage(900, 0, 0, 0));
        check(3, true, usage(1_000, 0, 0, 0), usage(1_000, 0, 0, 0));
        check(-3, true, usage(1_000, 0, 0, 0), usage(1_000, 0, 0, 0));
        check(400, true, usage(0, 0, 0, 0), usage(0, 0, 0, 0));
    }
}
