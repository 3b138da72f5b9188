//! A real Jetway, from the outside: its own process, its own files, a scripted provider.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on should say where")]

mod airplanes;
mod alike;
mod bad_input;
mod breadcrumbs;
mod budgets;
mod bytes;
mod context;
mod docs;
mod embeddings;
mod endings;
mod faults;
mod fleet;
mod glance;
mod identity;
mod identity_tls;
mod identity_tokens;
mod lockdown;
mod logs;
mod operations;
mod page;
mod placements;
mod recorded;
mod replays;
mod runlog;
mod runs;
mod secrets;
mod standing;
mod steps;
mod tokens;
mod traces;
mod turns;
