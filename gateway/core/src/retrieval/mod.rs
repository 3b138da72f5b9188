//! Finding the passages that fit a task.

pub mod airplane;
pub mod chunk;
pub mod profile;
pub mod search;
