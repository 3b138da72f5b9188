//! Recorded runs, held against a policy that they did not run under. Given a run whose model called
//! `cat .env` and a policy with `deny: [reads(**/.env*)]`: that call would be refused, by that rule.

mod calls;
mod spend;

pub use calls::{Fate, Judged, Reader};
pub use spend::{Paid, Spend};
