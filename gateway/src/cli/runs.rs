//! `jetway runs`.

use anyhow::bail;
use serde_json::{Value, json};

use crate::cli::{out, runtime, timeline};
use crate::config::Config;
use crate::runs::read::{Filter, Line, Reader};

#[derive(Debug, clap::Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(super) struct Args {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    list: List,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// Show one run as a timeline.
    Show {
        /// The run, or the beginning of its id.
        id: String,
        /// Write the run and its exchanges as JSON.
        #[arg(long)]
        json: bool,
    },
}

#[derive(Debug, clap::Args)]
struct List {
    /// Only runs of this policy.
    #[arg(long)]
    policy: Option<String>,
    /// Only runs of this user.
    #[arg(long)]
    user: Option<String>,
    /// Only runs whose last exchange ended so: complete, refused, provider_refused, provider_failed, client_gone, cut.
    #[arg(long)]
    outcome: Option<String>,
    /// The most runs to list.
    #[arg(long, default_value_t = 20)]
    limit: u32,
    /// Write the list as JSON.
    #[arg(long)]
    json: bool,
}

pub(super) fn run(config: &Config, args: &Args) -> anyhow::Result<()> {
    runtime()?.block_on(obey(config, args))
}

async fn obey(config: &Config, args: &Args) -> anyhow::Result<()> {
    let reader = Reader::open(&config.runs, &config.state).await?;
    match &args.command {
        None => list(&reader, &args.list).await,
        Some(Command::Show { id, json }) => {
            let Some((run, exchanges)) = reader.show(id).await? else {
                bail!("there is no run {id:?}, or more than one begins so; `jetway runs` lists them");
            };
            let findings = reader.findings(run.get("id").and_then(Value::as_str).unwrap_or_default()).await?;
            if *json {
                let story = json!({ "run": run, "exchanges": exchanges, "findings": findings });
                return out::line(&serde_json::to_string_pretty(&story)?);
            }
            out::raw(timeline::render(&run, &exchanges, &findings, out::Paint::detect()).as_bytes())
        }
    }
}

async fn list(reader: &Reader, args: &List) -> anyhow::Result<()> {
    let filter = Filter {
        policy: args.policy.clone(),
        user: args.user.clone(),
        outcome: args.outcome.clone(),
        limit: args.limit,
    };
    let runs = reader.list(&filter).await?;
    if args.json {
        return out::line(&serde_json::to_string_pretty(&runs)?);
    }
    if runs.is_empty() {
        return out::line("No runs yet. Point an agent at Jetway, or try `jetway demo`.");
    }
    let row = |run: &Line| {
        let text = |name: &str| out::shown(run.get(name).and_then(Value::as_str).unwrap_or("-"));
        let number = |name: &str| run.get(name).and_then(Value::as_i64).unwrap_or(0);
        let started = text("started").chars().take(19).collect::<String>();
        vec![
            text("id"),
            started,
            text("policy"),
            text("user"),
            text("agent"),
            number("turns").to_string(),
            number("tokens").to_string(),
            timeline::money(number("cost_micros")),
            text("outcome"),
            text("ended_by"),
        ]
    };
    let rows: Vec<_> = runs.iter().map(row).collect();
    let heading = ["RUN", "STARTED", "POLICY", "USER", "AGENT", "TURNS", "TOKENS", "COST", "LAST", "ENDED"];
    out::raw(out::table(&heading, &rows).as_bytes())
}
