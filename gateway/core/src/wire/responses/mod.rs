//! OpenAI's Responses API, which Codex speaks.

pub mod bar;
pub mod reply;
pub mod request;
