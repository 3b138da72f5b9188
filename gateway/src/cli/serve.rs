//! `jetway serve`.

use std::path::PathBuf;

use tokio::signal::unix::{SignalKind, signal};

use crate::app::{self, Options, Running};
use crate::cli::{out, runtime};

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Play a built-in provider in the place of all others, and take any key: no account needed.
    #[arg(long)]
    demo: bool,
    /// Take any free ports; the first lines say which.
    #[arg(long, hide = true)]
    any_port: bool,
}

pub(super) fn run(config: PathBuf, state: Option<PathBuf>, args: &Args) -> anyhow::Result<()> {
    let options = Options { config, demo: args.demo, any_port: args.any_port, state };
    runtime()?.block_on(async {
        let running = app::start(options).await?;
        out::raw(greeting(&running, args.demo).as_bytes())?;
        let mut terminate = signal(SignalKind::terminate())?;
        tokio::select! {
            _ = terminate.recv() => {}
            result = tokio::signal::ctrl_c() => result?,
        }
        tracing::info!("stopping: replies that are under way may finish; signal again to stop at once");
        tokio::select! {
            () = running.stop() => {}
            _ = terminate.recv() => tracing::warn!("stopped at once"),
            _ = tokio::signal::ctrl_c() => tracing::warn!("stopped at once"),
        }
        Ok(())
    })
}

/// The five things that one wants to know, a line each.
fn greeting(running: &Running, demo: bool) -> String {
    let gate = running.jetway.gate.load();
    let names = |names: Vec<&String>| names.into_iter().cloned().collect::<Vec<_>>().join(", ");
    let policies = names(gate.config.policies.keys().collect());
    let providers = names(gate.config.providers.keys().collect());
    let scripted = if demo { " (scripted: nothing leaves this machine, any key will do)" } else { "" };
    let (data, default) = (running.data, &gate.config.default_policy);
    let http = if gate.config.tls.is_some() { "https" } else { "http" };
    format!(
        "\
agents     {http}://{data}
admin      http://{}  (token in {})
policies   {policies}; {default} where the base URL names none
providers  {providers}{scripted}
point at   export ANTHROPIC_BASE_URL={http}://{data}/{default} OPENAI_BASE_URL={http}://{data}/{default}/v1  # Codex, in config.toml: openai_base_url = \"{http}://{data}/{default}/v1\"
",
        running.admin,
        running.place,
    )
}
