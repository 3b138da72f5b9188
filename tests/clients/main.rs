//! Real clients: agents and SDKs as they are released, pinned, and kept from the network.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on should say where")]

mod agent;
mod breadcrumbs;
mod bytes;
mod collector;
mod context;
mod endings;
mod log;
mod place;
mod recorded;
mod refusals;
mod resumes;
mod sdks;
mod secrets;
mod tasks;
