//! What Jetway decides. Pure: no clock, no files, no environment, no async.
//!
//! Floors, lowest first; a module imports only from lower ones:
//! `glob`, `tokens`, `wire` < `stream` < `retrieval`, `price` < `policy`.

pub mod glob;
pub mod policy;
pub mod price;
pub mod retrieval;
pub mod stream;
pub mod tokens;
pub mod wire;
