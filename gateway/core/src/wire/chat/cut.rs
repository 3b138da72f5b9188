//! Ends a streamed Chat Completions reply before its end.
//!
//! Calls come in pieces, several to a chunk and beside text, and nothing says that a call is
//! whole but that the reply goes on to the next one or stops. Text passes while a call is kept
//! back: the two are apart in this dialect.

use std::collections::BTreeMap;

use bytes::Bytes;

use crate::wire::Broken;
use crate::wire::chat::{Identity, reply};
use crate::wire::cut::Hold;
use crate::wire::event::{self, Frame};
use crate::wire::hold::{Delta, Input, Kept, MOST_KEPT};
use crate::wire::json::{self, Value};
use crate::wire::patch::Patch;
use crate::wire::request::text_of;

/// What every chunk of a reply repeats.
const ENVELOPE: &[&str] = &["id", "object", "created", "model", "service_tier", "system_fingerprint"];
/// The longest that is repeated, in bytes; real ones have some two hundred.
const LONGEST_ENVELOPE: usize = 4096;
/// The same for a reply of which nothing came.
const OWN_ENVELOPE: &str =
    "\"id\":\"chatcmpl-jetway\",\"object\":\"chat.completion.chunk\",\"created\":0,\"model\":\"jetway\",";

/// What an entry of `tool_calls` is known to have; one with more is not joined to another.
const KNOWN_IN_ENTRY: &[&str] = &["index", "id", "type", "function", "custom"];

#[derive(Debug, Default)]
pub struct Cut {
    choices: BTreeMap<u64, Choice>,
    envelope: Option<String>,
    is_over: bool,
    is_spoilt: bool,
}

/// One of the replies asked for; nearly always the only one.
#[derive(Debug, Default)]
struct Choice {
    has_role: bool,
    wrote_text: bool,
    is_finished: bool,
    /// In the order in which they began.
    calls: Vec<Call>,
    /// By the provider's index, the latest call that has it; the older spelling has none.
    latest: BTreeMap<Option<u64>, usize>,
    /// How many of the calls are the agent's already; those behind them are kept back.
    left: usize,
    /// Bytes that are kept back.
    bytes: usize,
}

#[derive(Debug, Default)]
struct Call {
    identity: Identity,
    is_old: bool,
    /// Whether its input is any text, of which nobody can tell whether it was broken off.
    is_text: bool,
    input: Input,
    /// Whether it is kept back until it is whole, or only for those before it.
    waits: bool,
    kept: Kept,
}

impl Call {
    fn is_whole(&self) -> bool {
        !self.is_text && self.input.is_whole()
    }
}

/// A chunk that may be taken apart.
struct Chunk<'a> {
    frame: &'a Frame,
    root: Value<'a>,
    choice: u64,
}

impl Chunk<'_> {
    /// The chunk with this in it alone.
    fn with_only(&self, member: &str) -> Result<Frame, Broken> {
        let mut patch = Patch::default();
        let choice = chunk_choice(self.choice, member, "null");
        if let Some(choices) = self.root.get("choices") {
            patch.replace(choices.span(), format!("[{choice}]"));
        }
        // It is counted where it stays.
        if let Some(usage) = self.root.get("usage").filter(|usage| !usage.is_null()) {
            patch.replace(usage.span(), "null");
        }
        Ok(self.frame.clone().patched(patch)?)
    }
}

fn chunk_choice(index: u64, delta: &str, reason: &str) -> String {
    format!("{{\"index\":{index},\"delta\":{{{delta}}},\"logprobs\":null,\"finish_reason\":{reason}}}")
}

impl Cut {
    pub(in crate::wire) fn push(&mut self, frame: Frame, hold: Hold<'_>, out: &mut Vec<Frame>) -> Result<(), Broken> {
        let Some(json) = &frame.json else {
            if frame.is_done_mark() {
                self.is_over = true;
                // What the provider ends itself leaves as it is.
                for choice in self.choices.values_mut() {
                    choice.is_finished = true;
                    choice.release(out)?;
                }
            }
            out.push(frame);
            return Ok(());
        };
        let root = json.root();
        if root.get("error").is_some_and(|error| !error.is_null()) {
            *self = Self { is_over: true, ..Self::default() };
            out.push(frame);
            return Ok(());
        }
        let was_holding = self.is_holding();
        let mut rest = Rest::of(root);
        let mut released = Vec::new();
        for (at, value) in root.get("choices").into_iter().flat_map(Value::items).enumerate() {
            let index = value.get("index").and_then(Value::integer).unwrap_or(at as u64);
            let choice = self.choices.entry(index).or_default();
            choice.note(value);
            choice.take(&Chunk { frame: &frame, root, choice: index }, value, hold, &mut rest)?;
            choice.release(&mut released)?;
        }
        self.note_envelope(root);
        if self.choices.values().map(|choice| choice.bytes).sum::<usize>() > MOST_KEPT {
            return Err(Broken::TooLarge);
        }
        if !was_holding && !self.is_holding() {
            // Whatever began here is whole here: the chunk leaves as it came.
            out.push(frame);
            return Ok(());
        }
        let finishes = rest.finishes;
        let frame = rest.frame(frame)?;
        // Calls come before the chunk that says that there are no more, and behind the one that
        // says who speaks.
        if finishes {
            out.append(&mut released);
        }
        out.extend(frame);
        out.append(&mut released);
        Ok(())
    }

    fn note_envelope(&mut self, root: Value<'_>) {
        if self.envelope.is_some() || self.choices.is_empty() {
            return;
        }
        let members = ENVELOPE.iter().filter_map(|name| Some((name, root.get(name)?.raw())));
        let envelope: String = members.map(|(name, raw)| format!("\"{name}\":{raw},")).collect();
        self.envelope = Some(envelope).filter(|envelope| envelope.len() <= LONGEST_ENVELOPE);
    }

    pub(in crate::wire) fn is_holding(&self) -> bool {
        self.choices.values().any(|choice| choice.left < choice.calls.len())
    }

    /// Something passes that cannot be followed.
    pub(in crate::wire) fn spoil(&mut self) {
        self.is_spoilt = true;
    }

    pub(in crate::wire) fn end(&mut self, sentence: &str) -> Option<Vec<Frame>> {
        let mut frames = Vec::new();
        if self.is_over {
            return Some(frames);
        }
        if self.is_spoilt || !self.choices.values().all(Choice::may_be_ended) {
            return None;
        }
        if self.choices.is_empty() {
            self.choices.insert(0, Choice::default());
        }
        let envelope = self.envelope.as_deref().unwrap_or(OWN_ENVELOPE);
        for (index, choice) in self.choices.iter().filter(|(_, choice)| !choice.is_finished) {
            for (delta, reason) in choice.closing(sentence) {
                let choice = chunk_choice(*index, &delta, reason);
                frames.push(Frame::written(None, &format!("{{{envelope}\"choices\":[{choice}]}}")));
            }
        }
        frames.push(Frame::event(Bytes::from_static(b"data: [DONE]\n\n")));
        *self = Self { is_over: true, ..Self::default() };
        Some(frames)
    }
}

/// What is left of a chunk when calls are kept back.
struct Rest {
    patch: Patch,
    kept_any: bool,
    /// Whether what is left says anything.
    says: bool,
    finishes: bool,
}

impl Rest {
    fn of(root: Value<'_>) -> Self {
        let has_choices = root.get("choices").is_some_and(|choices| choices.items().next().is_some());
        let has_usage = root.get("usage").is_some_and(|usage| !usage.is_null());
        Self { patch: Patch::default(), kept_any: false, says: has_usage || !has_choices, finishes: false }
    }

    fn frame(self, frame: Frame) -> Result<Option<Frame>, Broken> {
        if self.kept_any && !self.says {
            return Ok(None);
        }
        Ok(Some(frame.patched(self.patch)?))
    }
}

impl Choice {
    fn note(&mut self, value: Value<'_>) {
        let delta = |name: &str| value.at(&["delta", name]).and_then(Value::text);
        self.has_role |= delta("role").is_some();
        self.wrote_text |= delta("content").is_some_and(|text| !text.is_empty());
        // Some servers give an empty reason until there is one.
        self.is_finished |= text_of(value, "finish_reason").is_some_and(|reason| !reason.is_empty());
    }

    /// Takes the pieces of calls that are kept back out of a chunk.
    fn take(&mut self, chunk: &Chunk<'_>, value: Value<'_>, hold: Hold<'_>, rest: &mut Rest) -> Result<(), Broken> {
        let mut gone = Vec::new();
        let delta = value.get("delta");
        if let Some(list) = delta.and_then(|delta| delta.get("tool_calls")) {
            let mut kept = Vec::new();
            for (at, entry) in list.items().enumerate() {
                let index = Some(entry.get("index").and_then(Value::integer).unwrap_or(at as u64));
                let known = self.latest.get(&index).copied();
                let known = known.filter(|at| self.calls[*at].identity.goes_on_in(entry));
                let at = known.unwrap_or_else(|| self.begin(index, reply::call(entry), hold));
                let call = &mut self.calls[at];
                call.identity.learn(entry);
                call.is_text |= entry.get("custom").is_some_and(|custom| !custom.is_null());
                kept.push(self.keep(at, entry, chunk)?);
            }
            rest.kept_any |= kept.contains(&true);
            if !kept.is_empty() && !kept.contains(&false) {
                gone.push("tool_calls");
            } else {
                rest.patch.remove_items(list, |at| kept[at]);
            }
        }
        if let Some(old) = delta.and_then(|delta| delta.get("function_call")).filter(|old| !old.is_null())
            && self.keep_old(old, chunk, hold)?
        {
            rest.kept_any = true;
            gone.push("function_call");
        }
        if let Some(delta) = delta {
            rest.patch.remove_members(delta, &gone);
            rest.says |= delta.members().any(|member| !gone.contains(&&*member.name()));
        }
        let beside = |name: &str| name != "index" && name != "delta";
        rest.says |= value.members().any(|member| beside(&member.name()) && !member.value.is_null());
        rest.finishes |= self.is_finished;
        Ok(())
    }

    /// The older spelling: one call a reply, outside the list. Some servers send an empty one
    /// beside text.
    fn keep_old(&mut self, old: Value<'_>, chunk: &Chunk<'_>, hold: Hold<'_>) -> Result<bool, Broken> {
        let says = |field| text_of(old, field).is_some_and(|text| !text.is_empty());
        let at = match self.latest.get(&None) {
            Some(at) => *at,
            None if says("name") || says("arguments") => {
                let named = event::Call { name: text_of(old, "name").unwrap_or_default(), ..event::Call::default() };
                self.begin(None, Some(named), hold)
            }
            None => return Ok(false),
        };
        self.calls[at].is_old = true;
        self.keep(at, old, chunk)
    }

    /// A call begins; returns its place.
    fn begin(&mut self, index: Option<u64>, call: Option<event::Call>, hold: Hold<'_>) -> usize {
        let at = self.calls.len();
        self.latest.insert(index, at);
        let waits = hold.keeps(&call.clone().unwrap_or_default());
        let identity = call.map(|call| Identity::named(call.name)).unwrap_or_default();
        self.calls.push(Call { identity, waits, ..Call::default() });
        if !waits && self.left == at {
            self.left += 1;
        }
        at
    }

    /// Follows a piece of a call, and keeps it where the call is kept back; says whether it did.
    fn keep(&mut self, at: usize, piece: Value<'_>, chunk: &Chunk<'_>) -> Result<bool, Broken> {
        let call = &mut self.calls[at];
        let string = input_of(piece);
        if let Some(text) = string.and_then(Value::text) {
            call.input.take(&text);
        }
        if at < self.left {
            return Ok(false);
        }
        let before = call.kept.bytes();
        let joint = string.filter(|_| says_only_input(piece));
        if !joint.is_some_and(|string| call.kept.join("input", string)) {
            let raw = piece.raw();
            let member =
                if call.is_old { format!("\"function_call\":{raw}") } else { format!("\"tool_calls\":[{raw}]") };
            let frame = chunk.with_only(&member)?;
            let delta = joint.and_then(|_| {
                let choice = frame.json.as_ref()?.root().get("choices")?.items().next()?;
                let delta = choice.get("delta")?;
                let list = delta.get("tool_calls").and_then(|list| list.items().next());
                let node = input_of(list.or_else(|| delta.get("function_call"))?)?.index();
                Some(Delta { kind: String::from("input"), node })
            });
            call.kept.keep(frame, delta);
        }
        self.bytes += call.kept.bytes() - before;
        Ok(true)
    }

    /// Lets go of calls from the first on, as far as they may leave. One that is kept back for
    /// itself leaves when the reply goes on to the next call and it is whole, or with the end of
    /// the reply.
    fn release(&mut self, out: &mut Vec<Frame>) -> Result<(), Broken> {
        let count = self.calls.len();
        while let Some(call) = self.calls.get_mut(self.left) {
            let is_passed = self.left + 1 < count && call.is_whole();
            if call.waits && !self.is_finished && !is_passed {
                break;
            }
            let kept = std::mem::take(&mut call.kept);
            self.bytes -= kept.bytes();
            self.left += 1;
            out.extend(kept.frames()?);
        }
        Ok(())
    }

    /// Whether the agent has no half call; some agents mend and run one. A call whose input is
    /// any text, or none yet, cannot be told to be whole before the reply stops.
    fn may_be_ended(&self) -> bool {
        self.is_finished || self.calls[..self.left].iter().all(Call::is_whole)
    }

    /// The last chunks of this choice: what stands in the delta, and the reason to stop.
    fn closing(&self, sentence: &str) -> [(String, &'static str); 2] {
        let role = if self.has_role { "" } else { "\"role\":\"assistant\"," };
        let lead = if self.wrote_text { "\n\n" } else { "" };
        let text = json::quote(&format!("{lead}{sentence}"));
        // Calls that were delivered are the agent's to run, whatever we say: with their own
        // reason all agents run them, so that no call is left without a result in a conversation
        // that goes on when the budget is renewed. The request that brings the results is
        // refused, once. Without a call such a reason makes some agents repeat the request for ever.
        let reason = match &self.calls[..self.left] {
            [] => "\"stop\"",
            calls if calls.iter().all(|call| call.is_old) => "\"function_call\"",
            _ => "\"tool_calls\"",
        };
        [(format!("{role}\"content\":{text}"), "null"), (String::new(), reason)]
    }
}

/// The string that brings a piece of a call's input.
fn input_of(piece: Value<'_>) -> Option<Value<'_>> {
    let places: [&[&str]; 3] = [&["function", "arguments"], &["custom", "input"], &["arguments"]];
    places.iter().find_map(|path| piece.at(path).filter(|value| value.text().is_some()))
}

/// Whether a piece has nothing but input to say, so that it may be joined to the one before.
fn says_only_input(piece: Value<'_>) -> bool {
    let is_named = reply::call(piece).is_some() || text_of(piece, "name").is_some_and(|name| !name.is_empty());
    let is_old = piece.get("arguments").is_some();
    !is_named && (is_old || piece.members().all(|member| KNOWN_IN_ENTRY.contains(&&*member.name())))
}
