//! `jetway runs`.

mod export;
mod replay;
mod tail;
mod timeline;

use anyhow::bail;
use clap::builder::{NonEmptyStringValueParser, PossibleValuesParser};
use jetway_core::policy::interrogation::Ending;
use jetway_core::units::Span;
use jiff::Timestamp;
use serde_json::{Value, json};

use crate::cli::{ago, out, runtime, span};
use crate::config::{self, Config};
use crate::gate;
use crate::runs::Outcome;
use crate::runs::body::document;
use crate::runs::log::{Action, Log};
use crate::runs::read::{Filter, Line, RETRIED, Reader};
pub(super) use replay::{others, recorded};
pub(super) use timeline::{money, render};

#[derive(Debug, clap::Args)]
#[command(
    args_conflicts_with_subcommands = true,
    after_help = "Examples:\n  \
      jetway runs --since 1d --min-cost 0.50       what was dear today\n  \
      jetway runs --refused Bash                   where a call of Bash was refused\n  \
      jetway runs --text \"middleware\"              where somebody said so\n  \
      jetway runs tail                             exchanges as they end\n  \
      jetway runs replay RUN --policy wizard       the run under the policy as it is now"
)]
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
        #[arg(value_parser = NonEmptyStringValueParser::new())]
        id: String,
        /// Write the run, its exchanges and what its agent said as JSON.
        #[arg(long)]
        json: bool,
        /// With the bodies of exchanges, where they are kept.
        #[arg(long, requires = "json")]
        bodies: bool,
    },
    /// Write exchanges as they end, until it is told to stop.
    Tail(tail::Args),
    /// Write runs, exchanges, endings and findings as JSON, one a line.
    Export(export::Args),
    /// Hold a recorded run against a policy: what would be refused, shown and paid.
    Replay(replay::Args),
    /// Erase what is kept of a user: runs, exchanges, bodies, findings, what models said that agents were not told.
    ///
    /// What began before and is yet to be written is left out when it comes, for thirty days: until then a digest
    /// of the name is kept. What goes on meanwhile does so: a conversation that its agent sends again is kept again.
    ///
    /// Accounts of budgets, what operators did by hand, keys and run tokens name the user until they are over; which
    /// documentation a conversation was shown is kept for a week, under a digest. Copies are yours: backups, exports,
    /// spans and lines of the log. PostgreSQL reuses the room of deleted rows when it vacuums.
    ///
    /// SQLite's files are written anew. That takes half a minute a gigabyte and as much room again, twice. Records
    /// wait for theirs, which is small; bodies wait up to ten seconds, and are then given up and counted.
    Erase {
        /// The user, as runs name it.
        #[arg(long)]
        user: String,
        /// Why. It stays in the log, with how much it was.
        #[arg(long)]
        reason: String,
        /// It cannot be undone: do it.
        #[arg(long)]
        yes: bool,
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
    /// Only runs of this agent: claude-code, codex, opencode, …
    #[arg(long)]
    agent: Option<String>,
    /// Only runs whose last exchange ended so; or in which a request was sent again: retried.
    #[arg(long, value_parser = PossibleValuesParser::new(Outcome::ALL.map(Outcome::name).into_iter().chain([RETRIED])))]
    outcome: Option<String>,
    /// Only runs that ended so.
    #[arg(long, value_parser = PossibleValuesParser::new(Ending::ALL.map(Ending::name)))]
    ended: Option<String>,
    /// Only runs that began so long ago or later: 12h, 7d.
    #[arg(long, value_name = "TIME", value_parser = span)]
    since: Option<Span>,
    /// Only runs that cost so many dollars or more.
    #[arg(long, value_name = "USD", value_parser = micros)]
    min_cost: Option<u64>,
    /// Only runs in which a call of this tool was refused.
    #[arg(long, value_name = "TOOL")]
    refused: Option<String>,
    /// Only runs in which something says this: a refusal, a failure, a finding; where bodies are kept, also what
    /// agents and models said, up to 64 KiB of each exchange. Bodies of older versions are not looked through.
    #[arg(long)]
    text: Option<String>,
    /// The most runs to list.
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..))]
    limit: u32,
    /// Write the list as JSON.
    #[arg(long)]
    json: bool,
}

/// Dollars as micro-dollars.
fn micros(text: &str) -> Result<u64, String> {
    let dollars: f64 = text.parse().map_err(|_| String::from("it is a number of dollars, such as 0.50"))?;
    if !(0.0..1e9).contains(&dollars) {
        return Err(String::from("it is between 0 and a billion"));
    }
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "it is in bounds, and whole")]
    let micros = (dollars * 1e6).round() as u64;
    Ok(micros)
}

pub(super) fn run(config: &Config, args: &Args) -> anyhow::Result<()> {
    runtime()?.block_on(obey(config, args))
}

async fn obey(config: &Config, args: &Args) -> anyhow::Result<()> {
    if let Some(Command::Erase { user, reason, yes }) = &args.command {
        return erase(config, user, reason, *yes).await;
    }
    let reader = Reader::open(&config.runs, &config.state).await?;
    match &args.command {
        None => list(config, &reader, &args.list).await,
        Some(Command::Tail(args)) => tail::run(config, &reader, args).await,
        Some(Command::Export(args)) => export::run(&reader, args).await,
        Some(Command::Replay(args)) => replay::run(config, &reader, args).await,
        Some(Command::Show { id, json, bodies }) => show(&reader, id, (*json, *bodies)).await,
        Some(Command::Erase { .. }) => Ok(()),
    }
}

async fn show(reader: &Reader, id: &str, (as_json, with_bodies): (bool, bool)) -> anyhow::Result<()> {
    let (run, mut exchanges) = found(reader, id).await?;
    let id = run.get("id").and_then(Value::as_str).unwrap_or_default();
    let findings = reader.findings(id).await?;
    if !as_json {
        return out::raw(render(&run, &exchanges, &findings, out::Paint::detect()).as_bytes());
    }
    if with_bodies {
        let said = reader.bodies(id).await?;
        for exchange in &mut exchanges {
            let own = exchange.get("id").and_then(Value::as_str).and_then(|id| said.get(id));
            let sent = own.and_then(|own| serde_json::from_slice(&own.sent).ok());
            let said = own.and_then(|own| own.said.as_deref()).map(document);
            exchange.insert(String::from("sent"), sent.unwrap_or_default());
            exchange.insert(String::from("said"), said.unwrap_or_default());
        }
    }
    let endings = reader.endings(id).await?;
    let story = json!({ "run": run, "exchanges": exchanges, "endings": endings, "findings": findings });
    out::line(&serde_json::to_string_pretty(&story)?)
}

/// One run, by the beginning of its id.
async fn found(reader: &Reader, id: &str) -> anyhow::Result<(Line, Vec<Line>)> {
    let Some(found) = reader.show(id).await? else {
        bail!("there is no run {id:?}, or more than one begins so; `jetway runs` lists them");
    };
    Ok(found)
}

/// A policy that is neither configured nor in the log is a slip of the pen. One that runs were under is none.
pub(super) async fn known(config: &Config, reader: &Reader, policy: Option<&str>) -> anyhow::Result<()> {
    let Some(name) = policy.filter(|name| !config.policies.contains_key(*name)) else { return Ok(()) };
    let filter = Filter { policy: Some(name.to_owned()), limit: 1, ..Filter::default() };
    if reader.list(&filter).await?.is_empty() {
        let all = config.policies.keys().cloned().collect::<Vec<_>>().join(", ");
        bail!("no policy is called {name:?}, and no run in the log was under one; there are: {all}");
    }
    Ok(())
}

async fn erase(config: &Config, user: &str, reason: &str, yes: bool) -> anyhow::Result<()> {
    if !yes {
        bail!("it cannot be undone; say --yes to erase all that is kept of {user:?}");
    }
    let (log, now) = (Log::beside(&config.runs, &config.state)?, Timestamp::now());
    // By its runs, which nobody knows any more once the log is erased; and whatever is of others.
    let runs = log.runs_of(user).await?;
    let conversations = gate::state_beside(config).await?.erase(user, runs, now).await?;
    let erased = log.erase(user, now).await? + conversations;
    let by = config::environment("USER").unwrap_or_else(|| String::from("operator"));
    // Whom it was about is what was to be forgotten.
    let (at, reason) = (Timestamp::now(), reason.to_owned());
    log.note(Action { at, by, what: "erase", amount: Some(erased), reason, ..Action::default() }).await?;
    out::line(&format!(
        "{erased} rows are erased, and what began before now and is yet to be written will be left out. Accounts of budgets keep the user's name until their windows are over."
    ))
}

async fn list(config: &Config, reader: &Reader, args: &List) -> anyhow::Result<()> {
    known(config, reader, args.policy.as_deref()).await?;
    let filter = Filter {
        policy: args.policy.clone(),
        user: args.user.clone(),
        agent: args.agent.clone(),
        outcome: args.outcome.clone(),
        ended: args.ended.clone(),
        since: args.since.map(ago),
        min_cost: args.min_cost,
        refused: args.refused.clone(),
        text: args.text.clone(),
        limit: args.limit,
    };
    let runs = reader.list(&filter).await?;
    if args.json {
        return out::line(&serde_json::to_string_pretty(&runs)?);
    }
    if runs.is_empty() {
        let any = reader.list(&Filter { limit: 1, ..Filter::default() }).await?;
        return out::line(match any.is_empty() {
            true => "No runs yet. Point an agent at Jetway, or try `jetway demo`.",
            false => "No run is like that.",
        });
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
            money(number("cost_micros")),
            text("outcome"),
            text("ended_by"),
        ]
    };
    let rows: Vec<_> = runs.iter().map(row).collect();
    let heading = ["RUN", "STARTED", "POLICY", "USER", "AGENT", "TURNS", "TOKENS", "COST", "LAST", "ENDED"];
    out::raw(out::table(&heading, &rows).as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dollars_are_read() {
        assert_eq!((micros("0.5"), micros("12")), (Ok(500_000), Ok(12_000_000)));
        assert!(micros("-1").is_err() && micros("x").is_err() && micros("NaN").is_err());
    }
}
