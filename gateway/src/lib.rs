//! What Jetway does: the async shell around `jetway-core`, which decides.
//!
//! Floors, lowest first. A module imports only from lower floors, and modules on one floor do not
//! import each other; a test reads the `use` lines and holds them.
//!
//! `errand, recent, secret, telemetry` < `store, tls` < `config` < `link` < `airplanes, keys, learned, ledger, rates, runs`
//! < `metrics` < `amend, endings, mint, prefixes, profiles, redaction, timed, upstream` < `docs, tokens, traces` < `gate` < `bodies, lint, replay, tab` < `bill, call, settling` < `alike` < `exchange` < `receive, stage`
//! < `converse, dispatch, refusal` < `reply` < `catalog, end, usage` < `pipeline`
//! < `admin, serve` < `app` < `cli`

pub mod admin;
pub mod airplanes;
pub mod alike;
pub mod amend;
pub mod app;
pub mod bill;
pub mod bodies;
pub mod call;
pub mod catalog;
pub mod cli;
pub mod config;
pub mod converse;
pub mod dispatch;
pub mod docs;
pub mod end;
pub mod endings;
pub mod errand;
pub mod exchange;
pub mod gate;
pub mod keys;
pub mod learned;
pub mod ledger;
pub mod link;
pub mod lint;
pub mod metrics;
pub mod mint;
pub mod pipeline;
pub mod prefixes;
pub mod profiles;
pub mod rates;
pub mod receive;
pub mod recent;
pub mod redaction;
pub mod refusal;
pub mod replay;
pub mod reply;
pub mod runs;
pub mod secret;
pub mod serve;
pub mod settling;
pub mod stage;
pub mod store;
pub mod tab;
pub mod telemetry;
pub mod timed;
pub mod tls;
pub mod tokens;
pub mod traces;
pub mod upstream;
pub mod usage;
