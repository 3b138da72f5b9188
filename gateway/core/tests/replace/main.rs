//! Runs what replacement tools become, by every shell that this machine has: the agent's own and
//! the `sh` that it finds. The scripts are those that ship for the wizard.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on should say where")]

mod check;
mod machine;
mod quoting;
mod set;
