//! Whether a conversation goes on where it was left, for a provider's cache goes by what a prompt
//! begins with. Given an agent that tells its conversation and one message more, and a page that
//! stands at the end of `system` in another version than before: what is sent breaks off there,
//! and the break is ours.
//!
//! Marks of caching do not count: agents move them along, and write a list of one text as that
//! text once it is not the last any more.

use std::ops::Range;

use xxhash_rust::xxh3::Xxh3;

use crate::wire::json::{Json, Kind, Value};
use crate::wire::patch::Patch;
use crate::wire::request::Request;

/// Why what is sent does not begin as it did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Break {
    /// The agent itself tells something else: it compacted its conversation, or changed its tools.
    Agent,
    /// The list of tools, as we changed it.
    Tools,
    /// The system text, as we added to it.
    System,
    /// A message or an item, as we changed it.
    Conversation,
}

impl Break {
    pub const ALL: [Self; 4] = [Self::Agent, Self::Tools, Self::System, Self::Conversation];

    /// As a metric names it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Agent => "agent",
            Self::Tools => "tools",
            Self::System => "system",
            Self::Conversation => "conversation",
        }
    }
}

/// Something in two readings: as the agent tells it, and as it is sent. Digests, so that what is
/// kept of a conversation is of one size. They decide nothing but what is counted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Both {
    told: u64,
    sent: u64,
}

/// The parts of a prompt in the order in which a provider reads them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Prefix {
    tools: Both,
    system: Both,
    /// For each message or item, all up to it.
    messages: Vec<Both>,
}

/// How far a conversation had come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Mark {
    tools: Both,
    system: Both,
    count: usize,
    messages: Both,
}

impl Prefix {
    /// Reads a request and the changes that are made to it.
    #[must_use]
    pub fn of(request: &Request, patch: &Patch) -> Self {
        let root = request.json.root();
        let (bytes, changes) = (request.json.bytes(), patch.changes());
        let part = |names: &[&str]| {
            let mut both = Reading::default();
            for value in names.iter().filter_map(|name| root.get(name)) {
                both.add(value, bytes, value.span(), &changes);
            }
            both.digest()
        };
        let list = ["messages", "input"].into_iter().find_map(|name| root.get(name));
        let mut both = Reading::default();
        let mut from = list.map_or(0, |list| list.span().start + 1);
        let message = |message: Value<'_>| {
            let end = message.span().end;
            both.add(message, bytes, from..end, &changes);
            from = end + 1;
            both.digest()
        };
        let messages = list.into_iter().flat_map(Value::items).map(message).collect();
        Self { tools: part(&["tools", "functions"]), system: part(&["system", "instructions"]), messages }
    }

    /// How far the conversation has come with it.
    #[must_use]
    pub fn mark(&self) -> Mark {
        let Self { tools, system, messages } = self;
        let last = messages.last().copied().unwrap_or_default();
        Mark { tools: *tools, system: *system, count: messages.len(), messages: last }
    }

    /// Where this breaks off from what was sent before, if it does.
    #[must_use]
    pub fn break_from(&self, before: &Mark) -> Option<Break> {
        let there = before.count.checked_sub(1).map_or(Some(Both::default()), |last| self.messages.get(last).copied());
        let Some(there) = there else { return Some(Break::Agent) };
        let parts = [
            (Break::Tools, before.tools, self.tools),
            (Break::System, before.system, self.system),
            (Break::Conversation, before.messages, there),
        ];
        if parts.iter().any(|(_, before, now)| before.told != now.told) {
            return Some(Break::Agent);
        }
        parts.iter().find(|(_, before, now)| before.sent != now.sent).map(|(part, ..)| *part)
    }
}

/// A digest of a request's bytes, by a number that its sender does not know: to tell whether one is sent
/// again, which decides nothing but how turns are counted.
#[must_use]
pub fn digest(bytes: &[u8], secret: u64) -> u128 {
    xxhash_rust::xxh3::xxh3_128_with_seed(bytes, secret)
}

/// Digests of what was read by now, value by value.
#[derive(Default)]
struct Reading {
    told: Xxh3,
    sent: Xxh3,
}

impl Reading {
    /// A value, with the changes that begin within this span, which it ends.
    fn add(&mut self, value: Value<'_>, bytes: &[u8], span: Range<usize>, changes: &[&(Range<usize>, String)]) {
        let told = read(value).to_le_bytes();
        self.told.update(&told);
        let changes = within(changes, span.start, span.end);
        match changed(bytes, span, changes) {
            _ if changes.is_empty() => self.sent.update(&told),
            Some(json) => json.root().items().for_each(|item| self.sent.update(&read(item).to_le_bytes())),
            // What is left is no list of values: known by the bytes.
            None => {
                self.sent.update(&told);
                for (span, text) in changes {
                    word(&bytes[span.clone()], &mut self.sent);
                    word(text.as_bytes(), &mut self.sent);
                }
            }
        }
    }

    fn digest(&self) -> Both {
        Both { told: self.told.digest(), sent: self.sent.digest() }
    }
}

fn read(value: Value<'_>) -> u64 {
    let mut told = Xxh3::new();
    tell(value, &mut told);
    told.digest()
}

/// What stands in a part of a document after these changes: a list of whole values.
fn changed(bytes: &[u8], span: Range<usize>, changes: &[&(Range<usize>, String)]) -> Option<Json> {
    let (mut text, mut at) = (Vec::new(), span.start);
    for (edit, new) in changes {
        text.extend_from_slice(bytes.get(at..edit.start)?);
        text.extend_from_slice(new.as_bytes());
        at = edit.end;
    }
    text.extend_from_slice(bytes.get(at..span.end)?);
    // The comma before the value, or that of one that is gone.
    let is_between = |byte: &u8| byte.is_ascii_whitespace() || *byte == b',';
    let first = text.iter().position(|byte| !is_between(byte))?;
    let last = text.iter().rposition(|byte| !is_between(byte))?;
    let list = [b"[", &text[first..=last], b"]"].concat();
    Json::read(list.into()).ok()
}

/// The changes that begin here, in their order.
fn within<'a>(changes: &'a [&'a (Range<usize>, String)], from: usize, to: usize) -> &'a [&'a (Range<usize>, String)] {
    let at = |place: usize| changes.partition_point(|(span, _)| span.start < place);
    &changes[at(from)..at(to + 1).max(at(from))]
}

/// A value as a model reads it: without marks of caching, and with one text as a list of it.
fn tell(value: Value<'_>, told: &mut Xxh3) {
    match value.kind() {
        Kind::Object => {
            told.update(b"{");
            for member in value.members() {
                let name = member.name();
                match &*name {
                    "cache_control" => {}
                    "content" if member.value.kind() == Kind::String => {
                        word(b"content", told);
                        told.update(b"[{");
                        for (name, text) in [("type", "\"text\""), ("text", member.value.raw())] {
                            word(name.as_bytes(), told);
                            word(text.as_bytes(), told);
                        }
                        told.update(b"}]");
                    }
                    _ => {
                        word(name.as_bytes(), told);
                        tell(member.value, told);
                    }
                }
            }
            told.update(b"}");
        }
        Kind::Array => {
            told.update(b"[");
            value.items().for_each(|item| tell(item, told));
            told.update(b"]");
        }
        _ => word(value.raw().as_bytes(), told),
    }
}

fn word(word: &[u8], told: &mut Xxh3) {
    told.update(&word.len().to_le_bytes());
    told.update(word);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::Dialect;

    fn request(body: &str) -> Request {
        Request::read(Dialect::Messages, Json::read(body.to_owned().into()).unwrap()).unwrap()
    }

    const TURN: &str = r#"{"model":"m","max_tokens":9,"tools":[{"name":"A","input_schema":{}},{"name":"B","input_schema":{}}],"system":"s","messages":[{"role":"user","content":[{"type":"text","text":"one","cache_control":{"type":"ephemeral"}}]}]}"#;
    const NEXT: &str = r#"{"model":"m","max_tokens":7,"tools":[{"name":"A","input_schema":{}},{"name":"B","input_schema":{}}],"system":"s","messages":[{"role":"user","content":"one"},{"role":"assistant","content":"two"},{"role":"user","content":[{"type":"text","text":"three","cache_control":{"type":"ephemeral"}}]}]}"#;

    /// What the change of a first turn and of the next one come to.
    #[track_caller]
    fn check(first: fn(&Request, &mut Patch), next: (&str, fn(&Request, &mut Patch)), expect: Option<Break>) {
        let prefix = |body: &str, change: fn(&Request, &mut Patch)| {
            let request = request(body);
            let mut patch = Patch::default();
            change(&request, &mut patch);
            Prefix::of(&request, &patch)
        };
        assert_eq!(prefix(next.0, next.1).break_from(&prefix(TURN, first).mark()), expect);
    }

    fn nothing(_: &Request, _: &mut Patch) {}

    fn page(request: &Request, patch: &mut Patch) {
        request.add_system_text("a page", false, patch);
    }

    fn other_page(request: &Request, patch: &mut Patch) {
        request.add_system_text("another", false, patch);
    }

    fn without_b(request: &Request, patch: &mut Patch) {
        request.prune_tools(&|tool| tool.name.as_deref() != Some("B"), patch);
    }

    fn without_a(request: &Request, patch: &mut Patch) {
        request.prune_tools(&|tool| tool.name.as_deref() != Some("A"), patch);
    }

    fn said(request: &Request, patch: &mut Patch) {
        let first = request.json.root().get("messages").and_then(|list| list.items().next());
        first.and_then(|message| message.get("content")).into_iter().for_each(|text| patch.replace(text.span(), "1"));
    }

    /// Behind the task, which the next turn writes in another form; and a breakpoint at the end.
    fn passage(request: &Request, patch: &mut Patch) {
        assert!(request.add_task_text("a passage", (0, false), patch));
        request.add_breakpoint(patch);
    }

    fn other_passage(request: &Request, patch: &mut Patch) {
        assert!(request.add_task_text("another", (0, false), patch));
    }

    #[test]
    fn what_goes_on_is_no_break() {
        check(nothing, (NEXT, nothing), None);
        check(passage, (NEXT, passage), None);
        check(page, (NEXT, page), None);
        check(without_b, (NEXT, without_b), None);
    }

    #[test]
    fn a_break_of_ours_is_named_by_its_part() {
        check(page, (NEXT, other_page), Some(Break::System));
        check(nothing, (NEXT, page), Some(Break::System));
        check(without_b, (NEXT, nothing), Some(Break::Tools));
        check(without_b, (NEXT, without_a), Some(Break::Tools));
        check(nothing, (NEXT, said), Some(Break::Conversation));
        check(passage, (NEXT, other_passage), Some(Break::Conversation));
        check(passage, (NEXT, nothing), Some(Break::Conversation));
    }

    #[test]
    fn a_break_of_the_agent_s_is_its_own() {
        check(page, (&NEXT.replace("one", "On"), other_page), Some(Break::Agent));
        check(nothing, (&NEXT.replace("\"s\"", "\"t\""), nothing), Some(Break::Agent));
        check(nothing, (r#"{"model":"m","max_tokens":9,"messages":[]}"#, nothing), Some(Break::Agent));
    }
}
