//! What is asked, and by which rules.

use bytes::Bytes;
use http::request::Parts;
use http::{HeaderMap, Response, header};
use http_body_util::combinators::UnsyncBoxBody;
use jetway_core::wire::agent::{Agent, SESSION_HEADERS, says_sub_agent};
use jetway_core::wire::request::Request;
use jetway_core::wire::route::Endpoint;
use jetway_core::wire::{Dialect, history};
use serde::Deserialize;

use crate::config::Policy;
use crate::endings::Role;
use crate::gate::{Gate, Jetway};

/// Whatever ended a body too early.
pub type BodyError = Box<dyn std::error::Error + Send + Sync>;

/// What is answered with.
pub type Answer = Response<UnsyncBoxBody<Bytes, BodyError>>;

/// A request that found its endpoint and its policy.
#[derive(Clone, Copy)]
pub struct Call<'a> {
    pub gate: &'a Gate,
    pub policy: &'a Policy,
    pub endpoint: Endpoint,
    pub dialect: Dialect,
    pub head: &'a Parts,
}

/// A header's text; none when it is empty or no text.
#[must_use]
pub fn text<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name)?.to_str().ok().filter(|text| !text.is_empty())
}

/// The session that an agent names in its headers.
#[must_use]
pub fn session_of(headers: &HeaderMap) -> Option<&str> {
    SESSION_HEADERS.iter().find_map(|name| text(headers, name))
}

/// The headers that sub-agents send.
const SUB_AGENTS: &[&str] =
    &["x-claude-code-agent-id", "x-codex-parent-thread-id", "x-openai-subagent", "x-parent-session-id"];
/// Characters of a speaker's name that are kept.
const LONGEST_SPEAKER: usize = 40;

/// Whether its headers say that a sub-agent sends it.
#[must_use]
pub fn is_sub_agent(headers: &HeaderMap) -> bool {
    SUB_AGENTS.iter().any(|name| headers.contains_key(*name))
}

/// Whose turn of its run a request is.
#[must_use]
pub fn role_of(headers: &HeaderMap, asked: &Request) -> Role {
    let agent = Agent::of(text(headers, header::USER_AGENT.as_str()).unwrap_or_default());
    // Its texts are long, and looked at only where one could say so.
    let says = || agent == Agent::ClaudeCode && history::preamble(asked).iter().any(|text| says_sub_agent(text));
    let class = text(headers, "x-claude-code-request-class");
    if class == Some("compaction") || request_kind(headers).as_deref() == Some("compaction") {
        Role::Compaction
    } else if is_sub_agent(headers) || class == Some("subagent") || says() {
        Role::Sub
    } else if asked.tools().is_empty() || class == Some("auxiliary") {
        Role::Aside
    } else {
        Role::Main
    }
}

/// What Codex says that its request is for, among other things of its turn.
fn request_kind(headers: &HeaderMap) -> Option<String> {
    #[derive(Deserialize)]
    struct Turn {
        request_kind: Option<String>,
    }
    serde_json::from_str::<Turn>(text(headers, "x-codex-turn-metadata")?).ok()?.request_kind
}

/// Which of several agents of a run speaks, by the name that it gives itself.
#[must_use]
pub fn speaker_of(headers: &HeaderMap) -> Option<String> {
    // A sub-agent of opencode's has a session of its own.
    let own = || text(headers, "x-session-id").filter(|_| headers.contains_key("x-parent-session-id"));
    let named =
        ["x-claude-code-agent-id", "thread-id"].into_iter().find_map(|name| text(headers, name)).or_else(own)?;
    Some(named.chars().take(LONGEST_SPEAKER).collect())
}

/// The conversation within a run: sub-agents, titles and compactions have their own, for they
/// begin otherwise.
#[must_use]
pub fn conversation_of(jetway: &Jetway, run: &str, asked: &Request) -> String {
    jetway.keyed.digest(&["conversation", run, &asked.opening.join("\u{0}")])
}

#[cfg(test)]
mod tests {
    use http::{HeaderName, HeaderValue};
    use jetway_core::wire::json::Json;

    use super::*;

    fn headers(lines: &[(&'static str, &'static str)]) -> HeaderMap {
        let line = |(name, value): &(&'static str, &'static str)| {
            (HeaderName::from_static(name), HeaderValue::from_static(value))
        };
        lines.iter().map(line).collect()
    }

    fn request(tools: &str) -> Request {
        let body = format!(r#"{{"model":"m","max_tokens":9,{tools}"messages":[{{"role":"user","content":"Go."}}]}}"#);
        Request::read(Dialect::Messages, Json::read(body.into()).unwrap()).unwrap()
    }

    const CLAUDE: (&str, &str) = ("x-claude-code-session-id", "6ff2c0de-0000-4000-8000-000000000001");
    const CODEX: [(&str, &str); 4] =
        [("originator", "codex_exec"), ("session-id", "s"), ("thread-id", "s"), ("x-client-request-id", "s")];

    #[test]
    fn real_agents_say_who_speaks_and_in_which_session() {
        let check = |lines: &[(&'static str, &'static str)], expect: (&str, Option<&str>, Option<&str>)| {
            let (headers, asked) = (headers(lines), request(r#""tools":[{"name":"A","input_schema":{}}],"#));
            let speaker = speaker_of(&headers);
            let found =
                (role_of(&headers, &asked).name().unwrap_or_default(), speaker.as_deref(), session_of(&headers));
            assert_eq!(found, expect, "{lines:?}");
        };
        let claude = Some(CLAUDE.1);
        check(&[CLAUDE], ("main", None, claude));
        let sub = ("x-claude-code-agent-id", "a0123456789abcdef");
        check(&[CLAUDE, sub], ("sub", Some(sub.1), claude));
        check(&[CLAUDE, sub, ("x-claude-code-parent-agent-id", "b")], ("sub", Some(sub.1), claude));
        for (class, role) in
            [("main", "main"), ("subagent", "sub"), ("auxiliary", "aside"), ("compaction", "compaction")]
        {
            check(&[CLAUDE, ("x-claude-code-request-class", class)], (role, None, claude));
        }
        // A sub-agent sums up too.
        check(&[CLAUDE, sub, ("x-claude-code-request-class", "compaction")], ("compaction", Some(sub.1), claude));
        let hints = [("x-claude-code-prompt-id", "p"), ("x-claude-code-agent-type", "x"), ("x-app", "cli")];
        check(&[&[CLAUDE][..], &hints].concat(), ("main", None, claude));

        check(&CODEX, ("main", Some("s"), Some("s")));
        let parent = ("x-codex-parent-thread-id", "s");
        let thread = [("session-id", "s"), ("thread-id", "t"), parent, ("x-openai-subagent", "collab_spawn")];
        check(&thread, ("sub", Some("t"), Some("s")));
        let metadata = |text: &'static str| [&CODEX[..], &[("x-codex-turn-metadata", text)]].concat();
        check(&metadata(r#"{"session_id":"s","request_kind":"compaction"}"#), ("compaction", Some("s"), Some("s")));
        for text in [r#"{"request_kind":"turn"}"#, r#"{"request_kind":["compaction"]}"#, "compaction", "{}"] {
            check(&metadata(text), ("main", Some("s"), Some("s")));
        }
        // A thread is a session where nothing else names one.
        check(&[("thread-id", "t")], ("main", Some("t"), Some("t")));

        check(&[("x-session-id", "ses_1"), ("x-session-affinity", "ses_1")], ("main", None, Some("ses_1")));
        let child = [("x-session-id", "ses_2"), ("x-parent-session-id", "ses_1")];
        check(&child, ("sub", Some("ses_2"), Some("ses_1")));
        // The wizard, in two versions; and those that name none.
        check(&[("session_id", "w"), ("x-client-request-id", "w")], ("main", None, Some("w")));
        check(&[("user-agent", "QwenCode/0.15.10 (linux; x64)")], ("main", None, None));
        check(&[("x-jetway-run", "r"), CLAUDE], ("main", None, Some("r")));
    }

    #[test]
    fn what_has_no_tools_is_an_aside_and_a_long_name_is_cut() {
        assert_eq!(role_of(&headers(&[CLAUDE]), &request("")), Role::Aside);
        let compaction = headers(&[CLAUDE, ("x-claude-code-request-class", "compaction")]);
        assert_eq!(role_of(&compaction, &request("")), Role::Compaction);
        let long = "0123456789012345678901234567890123456789and more";
        assert_eq!(speaker_of(&headers(&[("thread-id", long)])).as_deref(), Some(&long[..LONGEST_SPEAKER]));
    }
}
