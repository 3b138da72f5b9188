//! OpenAI's Responses API, which Codex speaks.

pub mod bar;
pub mod cut;
pub mod history;
mod message;
pub mod reply;
pub mod request;
pub mod splice;
mod tools;
pub mod turn;

/// What a tool of the provider's own is called, whichever version of it is meant: it is offered
/// as `web_search_preview_2025_03_11` and called as `web_search_call`.
pub(in crate::wire) fn builtin(kind: &str) -> &str {
    ["web_search", "computer", "code_interpreter", "file_search"]
        .into_iter()
        .find(|name| kind.starts_with(name))
        .unwrap_or(kind)
}
