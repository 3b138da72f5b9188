//! `jetway`: the gateway for agents.

use std::process::ExitCode;

fn main() -> ExitCode {
    jetway::tls::install();
    jetway::cli::run()
}
