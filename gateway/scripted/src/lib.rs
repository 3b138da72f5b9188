//! A provider that plays a script: Anthropic's Messages, OpenAI's Chat Completions and Responses.
//!
//! It is the model of the demo and of the end-to-end tests. Agents cannot tell it from the real
//! thing: it streams the same events, refuses what the real providers refuse, and fails in the
//! ways they fail. It also says what it would have billed.
//!
//! # Script
//!
//! ```yaml
//! models: [claude-sonnet-5-5, gpt-5.5]  # what GET /v1/models lists; has a default
//! caching: true                         # prompt caching is simulated; or { minimum: 1024 }, the tokens
//!                                       # of the shortest prefix that is cached
//! scenarios:                            # the first whose `when` matches plays; if none, a hello
//!   - name: fix-bug
//!     when:                             # each is optional
//!       contains: fix the bug           # a part of the request's body
//!       model: claude-*                 # a name, or the start of one and a star
//!       tools: true                     # whether the request offers tools
//!       dialect: messages               # or chat, or responses
//!     by: conversation                  # the turn is how often the model has spoken in the request's
//!                                       # history: retries and parallel agents do not disturb it
//!     turns:
//!       - thinking: Where is it?
//!         text: I will read the file.
//!         calls:                        # all in one reply
//!           - { tool: Read, input: { file_path: package.json }, id: call_1, pieces: 5 }
//!                                       # `id` is made up if absent, but the same at every retry
//!                                       # `pieces` of arguments, 3 by default
//!           - { tool: exec, custom: "raw text" }             # a call whose input is not JSON
//!           - { tool: Read, arguments: "{\"file_path\": \"" } # arguments as raw text
//!         usage: { input: 1200, cache_read: 800, cache_write: 0, output: 85 }
//!                                       # by default `input` is the body's bytes / 4, `output` the
//!                                       # bytes of all that is said / 4, the others are 0; with
//!                                       # `caching`, `input` is what is left of that and the others
//!                                       # are simulated, unless one of them is said
//!         stop: max_tokens              # in the dialect's spelling; by default, as the calls want it
//!         pace: 20ms                    # between events
//!         comments: true                # SSE comments between events
//!         crlf: true                    # CRLF line ends
//!         fragment: 5                   # the body in writes of so many bytes
//!         unknown: true                 # an unknown event and unknown fields
//!         fault:                        # one of these:
//!           stall: { after: 3, for: 2s }        # a pause, after so many events
//!           # reset: { after: 4 }               # the connection breaks
//!           # close: { after: 4 }               # a proper end of the body, but not of the reply
//!           # broken_json: { after: 2 }         # one event's JSON is cut short
//!           # html: true                        # an HTML page in place of the reply
//!           # error_event: { after: 2, type: overloaded_error, message: Overloaded }
//!       - text: Fixed.                  # the last turn repeats; if it has calls, "Done." follows it
//!   - name: flaky
//!     by: request                       # the turn is how many requests this scenario has served;
//!                                       # the last one repeats
//!     turns:
//!       - status: 429                   # in place of a reply
//!         headers: { retry-after: "2" }
//!         error: { type: rate_limit_error, message: Slow down., code: slow }
//!                                       # each is optional, `code` is shown by OpenAI's dialects
//!       - status: 403
//!         body: Blocked by policy.      # in place of `error`
//!         content_type: text/plain
//! ```
//!
//! A stall or a reset after 0 events comes before the head of the response, and a fault past the
//! end comes before the last event. A request that does not stream has the same faults as far as
//! they make sense: a stall is before the reply, `reset`, `close` and `broken_json` cut it in half,
//! and an error event becomes an error status. In the Messages dialect a `custom` call has its text
//! as the argument `input`.
//!
//! # Caching
//!
//! The cache is empty when a provider starts and outlives [`Provider::play`]. In the Messages
//! dialect tools, system and messages are one sequence of blocks, compared by their bytes without
//! `cache_control`; a string is the same as one text block. What ends at a breakpoint is written,
//! and read from a breakpoint at most 19 blocks behind it. In OpenAI's dialects what a request
//! begins with is read in steps of 128 tokens. What was read and written is in the usage of the
//! reply and in [`Seen::cache`], which also names the block at which a prompt parted from earlier
//! ones. Four bytes are a token here too; a turn that refuses neither reads nor writes.

mod ask;
mod cache;
mod chat;
mod events;
mod json;
mod messages;
mod plan;
mod play;
mod problem;
mod provider;
mod reply;
mod responses;
mod said;
mod script;
mod seen;
mod serve;
mod turn;
mod validate;
mod wire;

#[cfg(test)]
mod tests;

pub use provider::Provider;
pub use script::{Script, ScriptError};
pub use seen::{Cache, Seen, Served};
