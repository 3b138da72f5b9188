//! Anthropic's Messages API.

pub mod bar;
pub mod reply;
pub mod request;
