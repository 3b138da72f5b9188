//! The async shell of each policy: it fetches the facts, asks core for the decision, and acts.
//! In the order they run.

pub mod breadcrumbs;
pub mod budget;
pub mod context;
pub mod identity;
pub mod interrogation;
pub mod lockdown;
pub mod models;
pub mod overlay;
pub mod render;
