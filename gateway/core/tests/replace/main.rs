//! Runs what replacement tools become, by every shell that this machine has: the agent's own and
//! the `sh` that it finds. The scripts are those that ship for the wizard.

mod check;
mod machine;
mod quoting;
mod set;
