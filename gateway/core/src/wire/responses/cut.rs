//! Ends a streamed Responses reply before its end.
//!
//! The last event repeats the whole reply, so the items that were delivered are kept to be told
//! again. An item that was begun must be ended: SDKs object to a reply that is completed without,
//! and half an item is nothing that the provider takes back. Only a message can be ended at any
//! place.

use std::collections::{BTreeMap, BTreeSet};

use crate::wire::Broken;
use crate::wire::cut::Hold;
use crate::wire::event::Frame;
use crate::wire::hold::{Delta, Input, MOST_KEPT, Queue, Role, Until};
use crate::wire::json::{Json, Value};
use crate::wire::patch::Patch;
use crate::wire::request::text_of;
use crate::wire::responses::message::{Message, Own, Writer, with_members};
use crate::wire::responses::reply::{call, is_answered_apart, is_run_by_agent};

/// The reply's own object, where none came.
const RESPONSE: &str = concat!(
    "{\"id\":\"resp_jetway\",\"object\":\"response\",\"created_at\":0,\"status\":\"in_progress\",\"error\":null,",
    "\"incomplete_details\":null,\"instructions\":null,\"metadata\":{},\"model\":\"jetway\",\"output\":[],",
    "\"parallel_tool_calls\":true,\"tool_choice\":\"auto\",\"tools\":[],\"usage\":null}",
);
/// The events of which one ends a reply.
const LAST: &[&str] = &["response.completed", "response.incomplete", "response.failed", "error"];
/// Ids of items may be no longer, in characters.
const LONGEST_ID: usize = 64;

#[derive(Debug, Default)]
pub struct Cut {
    queue: Queue,
    /// The output index of each item, by its id: some servers name items by that alone.
    indexes: BTreeMap<String, u64>,
    sent: Sent,
}

/// What the agent has of the reply.
#[derive(Debug, Default)]
struct Sent {
    has_begun: bool,
    is_over: bool,
    /// Whether something came that cannot be followed, or more than can be told again.
    is_spoilt: bool,
    /// The reply's own object, as it began.
    response: Option<String>,
    /// The number of the next event; none where events are not numbered.
    number: Option<u64>,
    /// Whether frames left in other number or order than they came, so that they are numbered anew.
    is_shifted: bool,
    /// The next output index.
    next: u64,
    open: BTreeMap<u64, Item>,
    /// Items that are the agent's, by their output index.
    done: BTreeMap<u64, String>,
    /// Bytes of what is kept to be told again.
    bytes: usize,
    /// Calls that the provider runs and answers by another item, which did not come yet.
    unanswered: BTreeSet<String>,
}

/// An item that was begun and not ended.
#[derive(Debug)]
enum Item {
    Message(Message),
    Other,
}

impl Cut {
    pub(in crate::wire) fn push(&mut self, frame: Frame, hold: Hold<'_>, out: &mut Vec<Frame>) -> Result<(), Broken> {
        let Some(json) = &frame.json else {
            out.push(frame);
            return Ok(());
        };
        let root = json.root();
        let index = self.index(root);
        let role = role(root, index, hold);
        let leaving = self.queue.pass(frame, index.unwrap_or_default(), role)?;
        self.sent.is_shifted |= !self.queue.is_empty();
        for frame in leaving {
            out.push(self.sent.numbered(frame)?);
        }
        Ok(())
    }

    fn index(&mut self, event: Value<'_>) -> Option<u64> {
        let told = event.get("output_index").and_then(Value::integer);
        if let (Some(index), Some(id)) = (told, event.get("item").and_then(|item| text_of(item, "id"))) {
            self.indexes.insert(id, index);
        }
        told.or_else(|| self.indexes.get(&text_of(event, "item_id")?).copied())
    }

    pub(in crate::wire) fn is_holding(&self) -> bool {
        !self.queue.is_empty()
    }

    /// Something passes that cannot be followed.
    pub(in crate::wire) fn spoil(&mut self) {
        self.sent.is_spoilt = true;
    }

    pub(in crate::wire) fn end(&mut self, sentence: &str, output: u64) -> Option<Vec<Frame>> {
        if self.sent.is_over {
            return Some(Vec::new());
        }
        if !self.sent.may_be_ended() {
            return None;
        }
        let sent = std::mem::take(self).sent;
        self.sent.is_over = true;
        sent.closing(sentence, output)
    }
}

/// What an event is to its item.
fn role(event: Value<'_>, index: Option<u64>, hold: Hold<'_>) -> Role {
    let kind = text_of(event, "type").unwrap_or_default();
    match (kind.as_str(), index) {
        ("response.output_item.added", Some(_)) => Role::Begins(match event.get("item") {
            Some(item) if is_run_by_agent(item) && call(item).is_some_and(|call| hold.keeps(&call)) => Until::Whole,
            // What the model thinks is often not shown, and then nothing comes of it for long.
            // The reply could not be ended meanwhile, so the start waits for what follows it.
            Some(item) if hold.is_all() && is_type(item, "reasoning") => Until::Followed,
            _ => Until::Now,
        }),
        ("response.output_item.done", Some(_)) => Role::Ends { whole: event.get("item").is_some_and(is_whole) },
        ("response.completed" | "response.incomplete", _) => Role::Last,
        ("response.failed" | "error", _) => Role::Failed,
        (_, Some(_)) => {
            let delta = event.get("delta").filter(|delta| kind.ends_with(".delta") && delta.text().is_some());
            Role::Continues(delta.map(|delta| Delta { kind: kind.clone(), node: delta.index() }))
        }
        _ => Role::Apart,
    }
}

fn is_type(item: Value<'_>, kind: &str) -> bool {
    text_of(item, "type").as_deref() == Some(kind)
}

/// Whether an item that is done was brought to its end: at its output limit the model stops in
/// the middle of a call, and the item is done all the same.
fn is_whole(item: Value<'_>) -> bool {
    if !is_run_by_agent(item) {
        return true;
    }
    let mut input = Input::default();
    if is_type(item, "function_call") {
        input.take(&text_of(item, "arguments").unwrap_or_default());
    }
    text_of(item, "status").as_deref() != Some("incomplete") && input.is_closed()
}

impl Sent {
    /// The frame as it leaves, in its place in the sequence.
    fn numbered(&mut self, frame: Frame) -> Result<Frame, Broken> {
        let mut patch = Patch::default();
        if let Some(json) = &frame.json {
            self.note(json.root());
            if let Some(value) = json.root().get("sequence_number")
                && let Some(was) = value.integer()
            {
                let number = self.number.filter(|_| self.is_shifted).unwrap_or(was);
                self.number = Some(number.saturating_add(1));
                if number != was {
                    patch.replace(value.span(), number.to_string());
                }
            }
        }
        Ok(frame.patched(patch)?)
    }

    fn note(&mut self, event: Value<'_>) {
        let kind = text_of(event, "type").unwrap_or_default();
        let index = event.get("output_index").and_then(Value::integer);
        self.is_over |= LAST.contains(&kind.as_str());
        if self.is_over || self.is_spoilt {
            return;
        }
        self.has_begun |= kind.starts_with("response.");
        if let Some(index) = index {
            self.next = self.next.max(index.saturating_add(1));
        }
        match (kind.as_str(), event.get("item"), index) {
            ("response.output_item.added", Some(item), Some(index)) => self.begin(item, index),
            ("response.output_item.done", Some(item), Some(index)) => self.complete(item, index),
            ("response.output_item.added" | "response.output_item.done", ..) => self.is_spoilt = true,
            (kind, _, Some(index)) => {
                if let Some(Item::Message(message)) = self.open.get_mut(&index) {
                    let before = message.bytes();
                    message.note(kind, event);
                    self.bytes += message.bytes() - before;
                }
            }
            _ if self.response.is_none() => {
                self.response = event.get("response").map(|response| response.raw().to_owned());
                self.bytes += self.response.as_ref().map_or(0, String::len);
            }
            _ => {}
        }
        if self.bytes > MOST_KEPT {
            // Without some of its items, the last event would tell another conversation than the
            // one that the provider knows.
            *self = Self { number: self.number, is_shifted: self.is_shifted, is_spoilt: true, ..Self::default() };
        }
    }

    fn begin(&mut self, item: Value<'_>, index: u64) {
        let begun = if is_type(item, "message") {
            let message = Message::begin(index, item);
            self.bytes += message.bytes();
            Item::Message(message)
        } else {
            Item::Other
        };
        self.open.insert(index, begun);
    }

    fn complete(&mut self, item: Value<'_>, index: u64) {
        if !is_whole(item) {
            self.open.insert(index, Item::Other);
            return;
        }
        if let Some(Item::Message(message)) = self.open.remove(&index) {
            self.bytes -= message.bytes();
        }
        let call = text_of(item, "call_id").unwrap_or_default();
        if text_of(item, "type").is_some_and(|kind| kind.ends_with("_output")) {
            self.unanswered.remove(&call);
        } else if is_answered_apart(item) {
            self.unanswered.insert(call);
        }
        // A program of the model's that waits for the agent is complete as it is.
        if let Some(program) = item.at(&["caller", "caller_id"]).and_then(Value::text) {
            self.unanswered.remove(&*program);
        }
        self.bytes += item.raw().len();
        self.done.insert(index, item.raw().to_owned());
    }

    /// Whether the reply can be told as a whole one. It cannot where an item is open that is no
    /// message:
    /// - A call that is half delivered, which an agent may run.
    /// - Reasoning: without its end it has no encrypted content, and the provider refuses it.
    /// - A call that the provider runs, without its result.
    /// - An item of a kind that we do not know, half of which may be nothing.
    ///
    /// Then it is broken off, which agents answer with the same request.
    fn may_be_ended(&self) -> bool {
        let closable = |item: &Item| match item {
            Item::Message(message) => message.may_be_closed(),
            Item::Other => false,
        };
        !self.is_spoilt && self.unanswered.is_empty() && self.open.values().all(closable)
    }

    fn closing(self, sentence: &str, output: u64) -> Option<Vec<Frame>> {
        let mut writer = Writer::new(if self.has_begun { self.number } else { Some(0) });
        if !self.has_begun {
            writer.event("response.created", &format!("\"response\":{RESPONSE}"));
        }
        let response = Json::read(self.response.unwrap_or_else(|| RESPONSE.to_owned()).into()).ok()?;
        let mut done = self.done;
        let mut said = false;
        for (index, item) in self.open {
            let Item::Message(mut message) = item else { return None };
            // One in which nothing was said gets the sentence: an empty message is nothing that
            // every provider takes back.
            if message.is_blank() && !said {
                message.say(sentence, &mut writer);
                said = true;
            }
            done.insert(index, message.close(&mut writer)?);
        }
        if !said {
            let own = Own { id: own_id(response.root()), sentence: sentence.to_owned() };
            own.arrive(self.next, &mut writer);
            done.insert(self.next, own.item());
        }
        let output_items = done.into_values().collect::<Vec<_>>().join(",");
        let members = [
            ("status", String::from("\"completed\"")),
            ("output", format!("[{output_items}]")),
            ("usage", usage(output)),
        ];
        let response = with_members(&response, &members)?;
        writer.event("response.completed", &format!("\"response\":{response}"));
        Some(writer.into_frames())
    }
}

/// Numbers, although the type allows for none: without them older versions of the AI SDK do not
/// know the event, and take the reply for one that stopped for a reason unknown. The input is not
/// known here; agents only show by it how full their context is, until the next reply tells.
fn usage(output: u64) -> String {
    format!(
        "{{\"input_tokens\":0,\"input_tokens_details\":{{\"cached_tokens\":0,\"cache_write_tokens\":0}},\"output_tokens\":{output},\"output_tokens_details\":{{\"reasoning_tokens\":0}},\"total_tokens\":{output}}}"
    )
}

/// The id of our message: another in each reply, for a provider refuses items of the same id.
fn own_id(response: Value<'_>) -> String {
    let id = text_of(response, "id").unwrap_or_default();
    let id = id.strip_prefix("resp_").unwrap_or(&id);
    format!("msg_jetway_{id}").chars().take(LONGEST_ID).collect()
}
