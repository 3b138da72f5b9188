//! What Jetway decides. Pure: no clock, no files, no environment, no async.
//!
//! Floors, lowest first; a module imports only from lower ones:
//! `breaker`, `glob`, `secret`, `tokens`, `units`, `wire` < `stream`, `effects`, `overlay`, `redact` < `retrieval`, `price` < `policy` < `lint`, `replay`.

pub mod breaker;
pub mod effects;
pub mod glob;
pub mod lint;
pub mod overlay;
pub mod policy;
pub mod price;
pub mod redact;
pub mod replay;
pub mod retrieval;
pub mod secret;
pub mod stream;
pub mod tokens;
pub mod units;
pub mod wire;
