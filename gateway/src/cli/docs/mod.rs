//! `jetway docs`.

mod search;
mod status;

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::{anyhow, bail, ensure};
use serde_json::json;
use tokio_util::sync::CancellationToken;

use crate::cli::{out, runtime};
use crate::config::{Config, Policy};
use crate::docs::{self, Asking, Found, Shelf, Told};
use crate::gate::files;
use crate::runs::read::Reader;
use crate::tls;

#[derive(Debug, clap::Subcommand)]
pub(super) enum Command {
    /// Show every source of documentation: how many pages, how old, what is stale, what fails and why.
    Status {
        /// Only this policy.
        policy: Option<String>,
        /// Write every page as JSON.
        #[arg(long)]
        json: bool,
    },
    /// Fetch every page now, also those that are not due. A gateway that runs takes up what is new.
    Refresh {
        /// Only this policy.
        policy: Option<String>,
    },
    /// Show what a policy's documents would put before the model for a task, and why not the rest.
    #[command(after_help = "Example:\n  jetway docs search wizard \"add analytics to my Django app\"")]
    Search {
        /// The policy whose documents are asked.
        policy: String,
        /// A task, as a person would put it to an agent.
        task: String,
        /// Write the result as JSON.
        #[arg(long)]
        json: bool,
    },
    /// Print a page as a run was shown it: by a hash of `jetway runs show --json`.
    Show {
        /// The version of a page, or the hash of a passage; twelve characters are enough.
        hash: String,
        /// Write every version that fits as JSON.
        #[arg(long)]
        json: bool,
    },
}

pub(super) fn run(config: &Config, command: Command) -> anyhow::Result<()> {
    match command {
        Command::Status { policy, json } => status::run(&shelves(config, policy.as_deref())?, json),
        Command::Refresh { policy } => refresh(&shelves(config, policy.as_deref())?),
        Command::Search { policy, task, json } => search::run(config, (&policy, &task), json),
        Command::Show { hash, json } => show(config, &hash, json),
    }
}

fn named<'a>(config: &'a Config, name: &str) -> anyhow::Result<&'a Policy> {
    let policy = config.policies.get(name).ok_or_else(|| anyhow!("there is no policy {name:?}"))?;
    ensure!(policy.context.is_some(), "the policy {name} has no `context`");
    Ok(policy)
}

fn shelf(config: &Config, policy: &Policy) -> anyhow::Result<Option<Shelf>> {
    Shelf::open(policy, &config.state.join(files::DOCS)).map_err(|problem| anyhow!("{problem}"))
}

/// The documents of one policy, or of all that have some.
fn shelves(config: &Config, policy: Option<&str>) -> anyhow::Result<Vec<Shelf>> {
    let policies = match policy {
        Some(name) => vec![named(config, name)?],
        None => config.policies.values().collect(),
    };
    policies.into_iter().filter_map(|policy| shelf(config, policy).transpose()).collect()
}

fn refresh(shelves: &[Shelf]) -> anyhow::Result<()> {
    let fetched: Vec<&Shelf> = shelves.iter().filter(|shelf| shelf.has_fetched()).collect();
    if fetched.is_empty() {
        return out::line("There is nothing to fetch: all documents are in folders.");
    }
    let counts: Arc<[AtomicUsize; 3]> = Arc::default();
    let broken = Arc::new(Mutex::new(None));
    for shelf in fetched {
        out::line(&shelf.policy)?;
        let (counted, failed) = (Arc::clone(&counts), Arc::clone(&broken));
        let tell = move |told: Told| {
            let (place, why) = match &told.outcome {
                Ok(true) => (0, String::new()),
                Ok(false) => (1, String::new()),
                Err(why) => (2, format!(": {}", out::shown(why))),
            };
            counted[place].fetch_add(1, Ordering::Relaxed);
            if let Err(error) = out::line(&format!("  {:<9}  {}{why}", told.result(), told.url)) {
                *failed.lock().unwrap_or_else(PoisonError::into_inner) = Some(error);
            }
        };
        let (places, stop) = (Arc::default(), CancellationToken::new());
        let asking = Asking { tls: tls::client()?, places, forced: true, tell: Arc::new(tell), stop };
        runtime()?.block_on(docs::refresh(shelf, asking));
    }
    if let Some(error) = broken.lock().unwrap_or_else(PoisonError::into_inner).take() {
        return Err(error);
    }
    let [new, same, failed] = [0, 1, 2].map(|place: usize| counts[place].load(Ordering::Relaxed));
    ensure!(new + same > 0, "nothing could be fetched");
    out::line(&format!("{new} fetched, {same} unchanged, {failed} failed"))
}

/// The passages that the run log has under a hash.
async fn shown(config: &Config, hash: &str) -> anyhow::Result<Vec<Found>> {
    let found = Reader::open(&config.runs, &config.state).await?.shown(hash).await?;
    let found = found.into_iter().map(|shown| Found {
        policy: shown.policy,
        page: shown.source,
        version: shown.page.unwrap_or_default(),
        is_current: false,
        text: shown.text,
    });
    Ok(found.collect())
}

fn show(config: &Config, hash: &str, json: bool) -> anyhow::Result<()> {
    ensure!(hash.len() >= 8, "a hash of fewer than 8 characters could be anything's");
    let mut found = docs::find(&config.state.join(files::DOCS), hash)?;
    if found.is_empty() {
        // Its page is not kept any more, is cut otherwise now, or is on another machine.
        found = runtime()?.block_on(shown(config, hash))?;
    }
    if json {
        let rows = found.iter().map(|found| {
            json!({
                "policy": found.policy, "page": found.page, "version": found.version, "current": found.is_current,
                "text": found.text,
            })
        });
        return out::line(&serde_json::to_string_pretty(&rows.collect::<Vec<_>>())?);
    }
    let Some(newest) = found.first() else { bail!("no version of a page that is kept has the hash {hash}") };
    let state = if newest.is_current { "current" } else { "no more current" };
    out::line(&format!("{} of {}, version {} ({state})\n", out::shown(&newest.page), newest.policy, newest.version))?;
    let text: Vec<_> = newest.text.lines().map(out::shown).collect();
    out::line(&text.join("\n"))
}
