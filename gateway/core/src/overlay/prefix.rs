//! Whether a conversation goes on where it was left, for a provider's cache goes by what a prompt
//! begins with. Given an agent that tells its conversation and one message more, and a page that
//! stands at the end of `system` in another version than before: what is sent breaks off there,
//! and the break is ours. Whatever comes at or behind the first thing that the agent itself tells
//! otherwise is the agent's.
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
    /// The agent itself tells something else: it compacted its conversation, left out its last turns, or
    /// changed its tools.
    Agent,
    /// The list of tools, as we changed it.
    Tools,
    /// The system text, as we added to it.
    System,
    /// A message or an item, as we changed it.
    Conversation,
    /// A turn that the agent told otherwise than it was given, so that what we know of it did not find its place.
    Moved,
}

impl Break {
    pub const ALL: [Self; 5] = [Self::Agent, Self::Tools, Self::System, Self::Conversation, Self::Moved];

    /// As a metric names it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Agent => "agent",
            Self::Tools => "tools",
            Self::System => "system",
            Self::Conversation => "conversation",
            Self::Moved => "moved",
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
    messages: Vec<Upto>,
}

/// All up to a message or an item.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Upto {
    both: Both,
    /// Whether the last of it is the model's.
    is_model: bool,
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
            Upto { both: both.digest(), is_model: is_model(message) }
        };
        let messages = list.into_iter().flat_map(Value::items).map(message).collect();
        Self { tools: part(&["tools", "functions"]), system: part(&["system", "instructions"]), messages }
    }

    /// Its messages or items: how large it is.
    #[must_use]
    pub fn len(&self) -> usize {
        self.messages.len()
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.messages.is_empty()
    }

    /// Where this breaks off from what was sent before, if it does. `lost` are edits that had their place then,
    /// or were made of the reply to it, and have none now.
    #[must_use]
    pub fn break_from(&self, before: &Self, lost: usize) -> Option<Break> {
        let front = [(Break::Tools, before.tools, self.tools), (Break::System, before.system, self.system)];
        let front = front.into_iter().find(|(_, before, now)| before != now);
        if let Some((part, before, now)) = front {
            return Some(if before.told == now.told { part } else { Break::Agent });
        }
        let pairs = before.messages.iter().zip(&self.messages);
        match pairs.into_iter().position(|(before, now)| before.both != now.both) {
            // What stands in place of a turn goes with all of it.
            Some(at) if before.turn(at).told == self.turn(at).told => Some(Break::Conversation),
            Some(_) => Some(Break::Agent),
            None if before.len() > self.len() => Some(Break::Agent),
            None if lost == 0 => None,
            // It went on from there; but does it tell what it was answered?
            None if self.messages.get(before.len()).is_some_and(|next| next.is_model) => Some(Break::Moved),
            None => Some(Break::Agent),
        }
    }

    /// All up to the end of the turn that this message or item is part of.
    fn turn(&self, at: usize) -> Both {
        let rest = self.messages[at + 1..].iter().take_while(|next| self.messages[at].is_model && next.is_model);
        self.messages[at + rest.count()].both
    }
}

/// Whether a message or an item is what a model said, thought or called.
fn is_model(message: Value<'_>) -> bool {
    let text = |name: &str| message.get(name).and_then(|value| value.text());
    match text("role") {
        Some(role) => role == "assistant",
        None => text("type").is_some_and(|kind| !kind.ends_with("_output")),
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
        assert_eq!(prefix(next.0, next.1).break_from(&prefix(TURN, first), 0), expect);
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
        check(page, (&NEXT.replace("one", "On"), other_page), Some(Break::System));
        check(without_b, (NEXT, nothing), Some(Break::Tools));
        check(without_b, (NEXT, without_a), Some(Break::Tools));
        check(nothing, (NEXT, said), Some(Break::Conversation));
        check(passage, (NEXT, other_passage), Some(Break::Conversation));
        check(passage, (NEXT, nothing), Some(Break::Conversation));
    }

    #[test]
    fn a_break_of_the_agent_s_is_its_own() {
        check(page, (&NEXT.replace("one", "On"), page), Some(Break::Agent));
        check(nothing, (&NEXT.replace("\"s\"", "\"t\""), nothing), Some(Break::Agent));
        check(nothing, (r#"{"model":"m","max_tokens":9,"messages":[]}"#, nothing), Some(Break::Agent));
    }

    /// What an agent told: letters, of which small ones are the model's, with a sign where we changed one; before
    /// that a tool, with a sign where we took the other out.
    fn told(said: &str) -> Prefix {
        let (tools, said) = said.split_once(' ').unwrap();
        let items: Vec<&str> = said.split_inclusive(|sign: char| sign.is_alphabetic()).collect();
        let item = |item: &&str| {
            let letter = item.trim_start_matches('!');
            let role = if letter == letter.to_lowercase() { "assistant" } else { "user" };
            format!(r#"{{"role":"{role}","content":"{letter}"}}"#)
        };
        let items_told: Vec<String> = items.iter().map(item).collect();
        let tool = tools.trim_start_matches('!');
        let body = format!(
            r#"{{"model":"m","max_tokens":9,"tools":[{{"name":"{tool}"}},{{"name":"Z"}}],"messages":[{}]}}"#,
            items_told.join(",")
        );
        let request = request(&body);
        let mut patch = Patch::default();
        if tools.starts_with('!') {
            request.prune_tools(&|tool| tool.name.as_deref() != Some("Z"), &mut patch);
        }
        let messages = request.json.root().get("messages").unwrap();
        for (message, item) in messages.items().zip(&items).filter(|(_, item)| item.starts_with('!')) {
            let signs = item.len() - 1;
            patch.replace(message.get("content").unwrap().span(), format!("\"ours {signs}\"").as_str());
        }
        Prefix::of(&request, &patch)
    }

    #[test]
    fn what_breaks_first_says_whose_it_is() {
        use Break::{Agent, Conversation, Moved, Tools};
        let cases = [
            // It goes on, and what we changed stays as it was.
            ("T A", "T AbC", 0, None),
            ("T A!bC", "T A!bCdE", 0, None),
            // It leaves out its last turns: alone, with what we put there, or with more behind.
            ("T AbCdE", "T AbC", 0, Some(Agent)),
            ("T A!bC!dE", "T A!bC", 1, Some(Agent)),
            ("T A!bC!dE", "T A!bCX", 1, Some(Agent)),
            // In place of its last turn it asks for a summary: of what we put into that, nothing is told.
            ("T A!bC", "T A!bCX", 1, Some(Agent)),
            ("T A!bC", "T A!bX", 0, Some(Agent)),
            ("T A!bC", "T A!bC", 1, Some(Agent)),
            // It is compacted; it is forked where we had changed something.
            ("T A!bC!dE", "T AX", 2, Some(Agent)),
            ("T A!bC!dE", "T A!bCxE", 1, Some(Agent)),
            // A turn of which we changed the beginning goes as a whole where the agent drops its end, or tells it
            // otherwise; not where it is the next turn that is another.
            ("T A!bcD", "T AbD", 1, Some(Agent)),
            ("T A!bcD", "T AbxD", 1, Some(Agent)),
            ("T A!bCdE", "T AbCxE", 1, Some(Conversation)),
            ("T !AbC", "T AxC", 0, Some(Conversation)),
            // What we had put there is gone, is another, or is new.
            ("T A!bC", "T AbCdE", 0, Some(Conversation)),
            ("T A!bC", "T A!!bCdE", 0, Some(Conversation)),
            ("T AbC", "T !AbCdE", 0, Some(Conversation)),
            // Ours comes before the agent's own, and the agent's before ours.
            ("T !AbC", "T AbX", 0, Some(Conversation)),
            ("T !AbCdE", "T AbC", 0, Some(Conversation)),
            ("T A!bC", "T XbC", 0, Some(Agent)),
            ("T A", "!T X", 0, Some(Tools)),
            ("T A", "!S A", 0, Some(Agent)),
            // It tells what it was answered, but not as it was given: ours is not put back.
            ("T A!bC", "T A!bCdE", 1, Some(Moved)),
        ];
        for (before, now, lost, expect) in cases {
            assert_eq!(told(now).break_from(&told(before), lost), expect, "{before} {now}");
        }
    }

    #[test]
    fn what_is_the_model_s_is_known_in_every_dialect() {
        let cases = [
            (r#"{"role":"assistant","content":"a"}"#, true),
            (r#"{"role":"user","content":"a"}"#, false),
            (r#"{"role":"tool","content":"a"}"#, false),
            (r#"{"type":"message","role":"developer","content":"a"}"#, false),
            (r#"{"type":"reasoning"}"#, true),
            (r#"{"type":"custom_tool_call"}"#, true),
            (r#"{"type":"function_call_output"}"#, false),
        ];
        for (message, expect) in cases {
            assert_eq!(is_model(Json::read(message.to_owned().into()).unwrap().root()), expect, "{message}");
        }
    }
}
