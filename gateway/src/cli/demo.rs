//! `jetway demo`.
use std::path::PathBuf;
#[derive(Debug, clap::Args)]
pub(super) struct Args {}
pub(super) fn run(_config: PathBuf, _args: &Args) -> anyhow::Result<()> {
    Ok(())
}
