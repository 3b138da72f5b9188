//! Finding the passages that fit a task: where pages come from, and what is read out of them.

pub mod airplane;
pub mod chunk;
pub mod dated;
pub mod host;
pub mod html;
pub mod listing;
pub mod markdown;
pub mod matter;
pub mod meaning;
pub mod page;
pub mod profile;
pub mod search;
pub mod seen;
pub mod source;
