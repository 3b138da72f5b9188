//! Finding the passages that fit a task.

pub mod chunk;
pub mod search;
