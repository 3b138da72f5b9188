//! The command line.

mod airplanes;
mod budgets;
mod check;
mod demo;
mod docs;
mod feedback;
mod health;
mod keys;
mod metrics;
mod out;
mod policy;
mod runs;
mod serve;
mod tokens;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{CommandFactory, Parser, Subcommand};

use jetway_core::units::Span;
use jiff::{SignedDuration, Timestamp};
use tracing::level_filters::LevelFilter;

use crate::config::{self, Config, Secrets, schema};
use crate::{app, telemetry};

/// The gateway for agents: budgets that hold, tools locked down, fresh context, runs you can read.
#[derive(Debug, Parser)]
#[command(
    name = "jetway",
    version,
    about,
    after_help = "Start here:\n  jetway serve --demo     try it with no account\n  jetway demo             play an example run through it\n  jetway check            is the configuration sound?"
)]
struct Cli {
    #[command(subcommand)]
    command: Command,

    /// The configuration.
    #[arg(long, short, global = true, default_value = "config/gateway.yaml", value_name = "FILE")]
    config: PathBuf,

    /// The folder of the state, whatever the configuration says.
    #[arg(long, global = true, value_name = "FOLDER")]
    state: Option<PathBuf>,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the gateway.
    Serve(serve::Args),
    /// Say whether the configuration and every policy is sound, without starting.
    Check(check::Args),
    /// Say whether a Jetway that runs on this machine is ready.
    Health(health::Args),
    /// Play one example run, with tools, a refused call, a passage and a budget, and show its timeline.
    Demo(demo::Args),
    /// Show how budgets stand; raise or reset one.
    Budgets(budgets::Args),
    /// Try the rules of policies on tables of calls.
    #[command(subcommand)]
    Policy(policy::Command),
    /// Make, list and revoke the keys of callers.
    #[command(subcommand)]
    Keys(keys::Command),
    /// Mint, list and revoke run tokens: keys for one run, with a cap and an end.
    #[command(subcommand)]
    Tokens(tokens::Command),
    /// List runs, or show one as a timeline.
    Runs(runs::Args),
    /// Show what agents said at the end of their runs that should be changed, summed up.
    Feedback(feedback::Args),
    /// Show where documentation comes from and how old it is; fetch it; ask what a task would be given.
    #[command(subcommand)]
    Docs(docs::Command),
    /// List the model airplanes of policies, and check that they still fly.
    #[command(subcommand)]
    Airplanes(airplanes::Command),
    /// List every metric with its labels and its meaning.
    Metrics(metrics::Args),
    /// Write the JSON Schemas of the configuration files into a folder.
    Schema {
        /// The folder.
        #[arg(default_value = "config/schema")]
        folder: PathBuf,
    },
    /// Print completions for a shell: `jetway completions zsh > ~/.zfunc/_jetway`.
    Completions { shell: clap_complete::Shell },
}

/// Runs the command that was typed.
#[must_use]
pub fn run() -> ExitCode {
    let cli = Cli::parse();
    let filter = config::environment("JETWAY_LOG");
    let usual = match &cli.command {
        Command::Serve(_) => telemetry::directives(LevelFilter::INFO, []),
        // What is wrong with pages is what `docs status` prints.
        Command::Docs(_) => telemetry::directives(LevelFilter::WARN, [("docs::shelf", LevelFilter::ERROR)]),
        _ => telemetry::directives(LevelFilter::WARN, []),
    };
    // Lines that wait are written when it is dropped.
    let _logging = telemetry::start(filter.as_deref(), &usual);
    match obey(cli) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            out::complain(&error);
            ExitCode::FAILURE
        }
    }
}

fn obey(cli: Cli) -> anyhow::Result<()> {
    match cli.command {
        Command::Serve(args) => serve::run(cli.config, cli.state, &args),
        Command::Check(args) => check::run(&cli.config, &args),
        Command::Policy(command) => policy::run(&load(&cli.config, cli.state.as_deref())?, command),
        Command::Demo(args) => demo::run(cli.config, cli.state, &args),
        Command::Budgets(args) => budgets::run(&load(&cli.config, cli.state.as_deref())?, args),
        Command::Keys(command) => keys::run(&load(&cli.config, cli.state.as_deref())?, command),
        Command::Tokens(command) => tokens::run(&load(&cli.config, cli.state.as_deref())?, command),
        Command::Runs(args) => runs::run(&load(&cli.config, cli.state.as_deref())?, &args),
        Command::Feedback(args) => feedback::run(&load(&cli.config, cli.state.as_deref())?, &args),
        Command::Docs(command) => docs::run(&load(&cli.config, cli.state.as_deref())?, command),
        Command::Airplanes(command) => airplanes::run(&cli.config, command),
        Command::Health(args) => health::run(&cli.config, &args),
        Command::Metrics(args) => metrics::run(&args),
        Command::Schema { folder } => write_schemas(&folder),
        Command::Completions { shell } => {
            let mut script = Vec::new();
            clap_complete::generate(shell, &mut Cli::command(), "jetway", &mut script);
            out::raw(&script)
        }
    }
}

fn write_schemas(folder: &Path) -> anyhow::Result<()> {
    std::fs::create_dir_all(folder)?;
    for (name, text) in schema::all() {
        std::fs::write(folder.join(name), text)?;
        out::line(&format!("{}", folder.join(name).display()))?;
    }
    Ok(())
}

/// The configuration without its secrets, or what is wrong with it as one error.
fn load(file: &Path, state: Option<&Path>) -> anyhow::Result<Config> {
    let mut config = Config::load(file, Secrets::Leave).map_err(|problems| anyhow::anyhow!(app::listed(&problems)))?;
    if let Some(state) = state {
        state.clone_into(&mut config.state);
    }
    Ok(config)
}

/// A length of time, as options have it.
fn span(text: &str) -> Result<Span, String> {
    Span::parse(text).ok_or_else(|| String::from("it is a number and ms, s, m, h or d, such as 12h or 7d"))
}

/// The moment so long ago. An option that goes further back than there are moments means all.
fn ago(span: Span) -> Timestamp {
    let length = SignedDuration::try_from(span.0).unwrap_or(SignedDuration::MAX);
    Timestamp::now().checked_sub(length).map_or(Timestamp::UNIX_EPOCH, |at| at.max(Timestamp::UNIX_EPOCH))
}

fn runtime() -> anyhow::Result<tokio::runtime::Runtime> {
    Ok(tokio::runtime::Builder::new_multi_thread().enable_all().build()?)
}
