//! Recorded runs, held against a policy that they did not run under. Given a run whose model called
//! `cat .env` and a policy with `deny: [reads(**/.env*)]`: that call would be refused, by that rule.

mod calls;
mod prompt;
mod spend;

pub use calls::{Fate, Judged, Led, Reader, Tools};
pub use prompt::{Growth, Ours, length};
pub use spend::{Paid, Spend};
