//! Ends a streamed Messages reply before its end.
//!
//! Text and a proper end is what every agent shows as the answer. What the agent keeps of the
//! reply goes back to the provider with its next request, so a reply is ended only where the
//! provider would take back all that was delivered; else it is better broken off, for then agents
//! keep nothing of it.

use std::collections::{BTreeMap, BTreeSet};

use crate::wire::Broken;
use crate::wire::cut::Hold;
use crate::wire::event::Frame;
use crate::wire::hold::{Delta, Input, Queue, Role, Until};
use crate::wire::json::Value;
use crate::wire::messages::reply::call;
use crate::wire::messages::{text_block, text_delta, written};
use crate::wire::request::text_of;

/// Begins a reply of which nothing was delivered. No model is known then.
const MESSAGE_START: &str = concat!(
    ",\"message\":{\"id\":\"msg_jetway\",\"type\":\"message\",\"role\":\"assistant\",\"model\":\"jetway\",",
    "\"content\":[],\"stop_reason\":null,\"stop_sequence\":null,",
    "\"usage\":{\"input_tokens\":0,\"output_tokens\":0}}",
);

#[derive(Debug, Default)]
pub struct Cut {
    queue: Queue,
    /// The arguments of calls under way, kept back or not.
    inputs: BTreeMap<u64, Input>,
    sent: Sent,
}

/// What the agent has of the reply.
#[derive(Debug, Default)]
struct Sent {
    phase: Phase,
    /// The index of the next block.
    next: u64,
    open: BTreeMap<u64, Block>,
    /// Calls that the provider runs and whose results did not come yet, by their ids.
    unanswered: BTreeSet<String>,
    /// Calls that the agent has whole, and is to run.
    calls: usize,
    /// Whether something came that cannot be followed, or a call that stopped in the middle of
    /// its arguments.
    is_spoilt: bool,
}

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// Nothing of the message came.
    #[default]
    Before,
    Content,
    /// The provider gave its stop reason; no block may follow.
    Stopped,
    Over,
}

/// A block that was begun and not ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Block {
    Text {
        is_blank: bool,
    },
    /// Thinking, shown or not. Without its signature the provider does not take it back.
    Thinking {
        is_signed: bool,
    },
    /// A call that the agent runs.
    Call,
    /// It came as a whole when it began.
    Whole,
    /// Of a kind that may be incomplete now, for all we know.
    Other,
}

impl Block {
    fn of(block: Value<'_>) -> Self {
        let text = |field| text_of(block, field).unwrap_or_default();
        match text("type").as_str() {
            "text" => Self::Text { is_blank: text("text").trim().is_empty() },
            "thinking" => Self::Thinking { is_signed: !text("signature").is_empty() },
            "redacted_thinking" => Self::Whole,
            _ if is_run_by_agent(block) => Self::Call,
            _ if block.get("tool_use_id").is_some() => Self::Whole,
            _ => Self::Other,
        }
    }

    fn may_be_closed(self) -> bool {
        match self {
            Self::Text { .. } | Self::Whole => true,
            Self::Thinking { is_signed } => is_signed,
            Self::Call | Self::Other => false,
        }
    }
}

fn is_run_by_provider(block: Value<'_>) -> bool {
    matches!(text_of(block, "type").as_deref(), Some("server_tool_use" | "mcp_tool_use"))
}

fn is_run_by_agent(block: Value<'_>) -> bool {
    call(block).is_some() && !is_run_by_provider(block)
}

impl Cut {
    pub(in crate::wire) fn push(&mut self, frame: Frame, hold: Hold<'_>, out: &mut Vec<Frame>) -> Result<(), Broken> {
        let Some(json) = &frame.json else {
            out.push(frame);
            return Ok(());
        };
        let root = json.root();
        let index = root.get("index").and_then(Value::integer);
        let role = self.role(root, index, hold);
        for frame in self.queue.pass(frame, index.unwrap_or_default(), role)? {
            self.sent.note(&frame);
            out.push(frame);
        }
        Ok(())
    }

    /// What an event is to its block. Follows the arguments on the way.
    fn role(&mut self, root: Value<'_>, index: Option<u64>, hold: Hold<'_>) -> Role {
        match (text_of(root, "type").as_deref(), index) {
            (Some("content_block_start"), Some(index)) => {
                let Some(block) = root.get("content_block") else { return Role::Apart };
                let is_thinking = text_of(block, "type").as_deref() == Some("thinking");
                if is_run_by_agent(block) {
                    self.inputs.insert(index, Input::default());
                }
                // Thinking that is not shown is a start, a long silence, and a signature. Until
                // the signature the reply could not be ended, so the start is not delivered
                // before something follows it; nobody sees less for that.
                let is_kept = is_run_by_agent(block) && call(block).is_some_and(|call| hold.keeps(&call));
                Role::Begins(match (is_kept, hold.is_all() && is_thinking) {
                    (true, _) => Until::Whole,
                    (false, true) => Until::Followed,
                    (false, false) => Until::Now,
                })
            }
            (Some("content_block_delta"), Some(index)) => {
                let piece = root.at(&["delta", "partial_json"]);
                let Some(text) = piece.and_then(Value::text) else { return Role::Continues(None) };
                if let Some(input) = self.inputs.get_mut(&index) {
                    input.take(&text);
                }
                let delta = |piece: Value<'_>| Delta { kind: String::from("partial_json"), node: piece.index() };
                Role::Continues(piece.map(delta))
            }
            (Some("content_block_stop"), Some(index)) => {
                // At its output limit the model stops in the middle of the arguments, and the
                // block is ended all the same; the stop reason then tells, and that comes later.
                let whole = self.inputs.remove(&index).is_none_or(|input| input.is_closed());
                self.sent.is_spoilt |= !whole && !self.queue.holds(index);
                Role::Ends { whole }
            }
            (Some("message_delta"), _) if gives_reason(root) => Role::Last,
            (Some("message_stop"), _) => Role::Last,
            (Some("error"), _) => Role::Failed,
            _ => Role::Apart,
        }
    }

    pub(in crate::wire) fn is_holding(&self) -> bool {
        !self.queue.is_empty()
    }

    /// Something passes that cannot be followed.
    pub(in crate::wire) fn spoil(&mut self) {
        self.sent.is_spoilt = true;
    }

    pub(in crate::wire) fn end(&mut self, sentence: &str, output: u64) -> Option<Vec<Frame>> {
        let frames = match self.sent.phase {
            Phase::Over => Vec::new(),
            Phase::Stopped => vec![written("message_stop", "")],
            Phase::Before | Phase::Content if self.sent.may_be_ended() => self.sent.closing(sentence, output),
            Phase::Before | Phase::Content => return None,
        };
        self.queue = Queue::default();
        self.sent.phase = Phase::Over;
        Some(frames)
    }
}

fn gives_reason(root: Value<'_>) -> bool {
    root.get("delta").and_then(|delta| text_of(delta, "stop_reason")).is_some_and(|reason| !reason.is_empty())
}

impl Sent {
    fn note(&mut self, frame: &Frame) {
        let Some(json) = &frame.json else { return };
        let root = json.root();
        let index = root.get("index").and_then(Value::integer);
        match (text_of(root, "type").as_deref(), index) {
            (Some("message_start"), _) => self.phase = Phase::Content,
            (Some("content_block_start"), index) => match (root.get("content_block"), index) {
                (Some(block), Some(index)) => self.begin(block, index),
                _ => self.is_spoilt = true,
            },
            (Some("content_block_delta"), Some(index)) => {
                let delta = |field: &str| root.at(&["delta", field]).and_then(Value::text).unwrap_or_default();
                match self.open.get_mut(&index) {
                    Some(Block::Text { is_blank }) => *is_blank &= delta("text").trim().is_empty(),
                    Some(Block::Thinking { is_signed }) => *is_signed |= !delta("signature").is_empty(),
                    _ => {}
                }
            }
            (Some("content_block_stop"), Some(index)) => {
                // Thinking that ends unsigned is of a provider that does not sign, and so asks for no signature.
                let was = self.open.remove(&index);
                self.calls += usize::from(was == Some(Block::Call));
            }
            (Some("message_delta"), _) if gives_reason(root) => self.phase = Phase::Stopped,
            (Some("message_stop" | "error"), _) => self.phase = Phase::Over,
            _ => {}
        }
    }

    fn begin(&mut self, block: Value<'_>, index: u64) {
        self.phase = Phase::Content;
        self.next = self.next.max(index.saturating_add(1));
        self.open.insert(index, Block::of(block));
        if is_run_by_provider(block) {
            self.unanswered.insert(text_of(block, "id").unwrap_or_default());
        } else if let Some(id) = text_of(block, "tool_use_id") {
            self.unanswered.remove(&id);
        }
    }

    /// Whether the provider would take back all that was delivered, and the agent would run no
    /// half call. Where not, the reply is broken off, which agents answer with the same request:
    /// - A call that is half delivered, which some agents mend and run.
    /// - Thinking without its signature, also where none of it was shown.
    /// - A call that the provider runs, without its result.
    /// - A block of a kind that we do not know, half of which may be nothing.
    fn may_be_ended(&self) -> bool {
        !self.is_spoilt && self.unanswered.is_empty() && self.open.values().all(|block| block.may_be_closed())
    }

    fn closing(&self, sentence: &str, output: u64) -> Vec<Frame> {
        let mut frames = Vec::new();
        if self.phase == Phase::Before {
            frames.push(written("message_start", MESSAGE_START));
        }
        let mut said = false;
        for (index, block) in &self.open {
            // A block without text is nothing that the provider takes back, so it gets ours.
            if *block == (Block::Text { is_blank: true }) && !said {
                frames.push(text_delta(*index, sentence));
                said = true;
            }
            frames.push(written("content_block_stop", &format!(",\"index\":{index}")));
        }
        if !said {
            frames.extend(text_block(self.next, sentence));
        }
        // Calls that were delivered are the agent's to run, whatever we say: with this reason
        // all agents run them, so that no call is left without a result in a conversation that
        // goes on when the budget is renewed. The request that brings the results is refused,
        // once. Without a call the same reason would make agents repeat the request.
        let reason = if self.calls > 0 { "tool_use" } else { "end_turn" };
        let delta = format!(",\"delta\":{{\"stop_reason\":\"{reason}\",\"stop_sequence\":null}}");
        frames.push(written("message_delta", &format!("{delta},\"usage\":{{\"output_tokens\":{output}}}")));
        frames.push(written("message_stop", ""));
        frames
    }
}
