//! What Jetway does: the async shell around `jetway-core`, which decides.
//!
//! Floors, lowest first. A module imports only from lower floors, and modules on one floor do not
//! import each other; a test reads the `use` lines and holds them.
//!
//! `secret, telemetry` < `store, tls` < `config` < `docs, keys, ledger, runs` < `metrics, upstream`
//! < `tokens` < `gate` < `call, exchange` < `receive, stage` < `dispatch, refusal, reply` < `catalog` < `pipeline`
//! < `admin, serve` < `app` < `cli`

pub mod admin;
pub mod app;
pub mod call;
pub mod catalog;
pub mod cli;
pub mod config;
pub mod dispatch;
pub mod docs;
pub mod exchange;
pub mod gate;
pub mod keys;
pub mod ledger;
pub mod metrics;
pub mod pipeline;
pub mod receive;
pub mod refusal;
pub mod reply;
pub mod runs;
pub mod secret;
pub mod serve;
pub mod stage;
pub mod store;
pub mod telemetry;
pub mod tls;
pub mod tokens;
pub mod upstream;
