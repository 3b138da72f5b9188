//! `jetway budgets`.

use anyhow::ensure;
use serde_json::Value;

use crate::amend::{self, Books, Shown, Wish};
use crate::cli::{out, runtime};
use crate::config::{self, Config};
use crate::gate;
use crate::runs::log::Log;
use crate::runs::read::{Line, Reader};

#[derive(Debug, clap::Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(super) struct Args {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    list: List,
}

#[derive(Debug, clap::Args)]
struct List {
    /// Only accounts of this policy.
    #[arg(long)]
    policy: Option<String>,
    /// Only accounts that are close to their limit, or over it.
    #[arg(long)]
    close: bool,
    /// Write the accounts as JSON.
    #[arg(long)]
    json: bool,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// Give an account more room for a while.
    Raise {
        /// The account, as `jetway budgets` lists it: wizard/user=ada/usd/day
        account: String,
        /// How much more: dollars or tokens, as the account counts.
        #[arg(long, value_name = "AMOUNT")]
        by: f64,
        /// Until when: 2026-12-01T00:00:00Z, or 24h from now.
        #[arg(long, value_name = "WHEN")]
        until: String,
        /// Why. It stays in the run log.
        #[arg(long)]
        reason: String,
    },
    /// Forget what was used in an account's current window, and what it owes.
    Reset {
        /// The account.
        account: String,
        /// Why. It stays in the run log.
        #[arg(long)]
        reason: String,
    },
    /// Give back what an exchange was charged whose process died.
    Release {
        /// The exchange.
        exchange: String,
        /// Why. It stays in the run log.
        #[arg(long)]
        reason: String,
    },
    /// Show what was changed by hand, by whom and why.
    Log {
        /// The most changes to show.
        #[arg(long, default_value_t = 20)]
        limit: u32,
        /// Write them as JSON.
        #[arg(long)]
        json: bool,
    },
}

pub(super) fn run(config: &Config, args: Args) -> anyhow::Result<()> {
    let (wish, reason) = match args.command {
        None => return list(config, &args.list),
        Some(Command::Log { limit, json }) => return history(config, limit, json),
        Some(Command::Raise { account, by, until, reason }) => (Wish::Raise { account, by, until }, reason),
        Some(Command::Reset { account, reason }) => (Wish::Reset { account }, reason),
        Some(Command::Release { exchange, reason }) => (Wish::Release { exchange }, reason),
    };
    let log = Log::beside(&config.runs, &config.state)?;
    let by = config::environment("USER").unwrap_or_else(|| String::from("operator"));
    runtime()?.block_on(async {
        let ledger = gate::ledger_beside(config).await?;
        amend::amend((config, &*ledger, &log), wish, (&reason, &by)).await?;
        out::line("Done. The change holds at once, also in a gateway that is running.")
    })
}

fn list(config: &Config, args: &List) -> anyhow::Result<()> {
    let policies: Vec<String> = match &args.policy {
        Some(policy) => {
            let known = config.policies.keys().cloned().collect::<Vec<_>>().join(", ");
            ensure!(
                config.policies.contains_key(policy),
                "there is no policy {policy:?}; the policies here are {known}"
            );
            vec![policy.clone()]
        }
        None => config.policies.keys().cloned().collect(),
    };
    let mut books = runtime()?.block_on(async {
        let ledger = gate::ledger_beside(config).await?;
        anyhow::Ok(amend::books(&*ledger, &policies).await?)
    })?;
    if args.close {
        books.accounts.retain(|account| account.state != "well");
    }
    if args.json {
        return out::line(&serde_json::to_string_pretty(&books)?);
    }
    out::raw(rendered(&books, out::Paint::detect()).as_bytes())
}

fn rendered(books: &Books, paint: out::Paint) -> String {
    if books.accounts.is_empty() && books.abandoned.is_empty() {
        return String::from("Nothing was spent that a cap counts. Caps stand under `budget:` in a policy.yaml.\n");
    }
    let row = |account: &Shown| {
        let amount = |value: f64| if account.unit == "usd" { format!("${value:.4}") } else { format!("{value:.0}") };
        let resets = account.resets_at.map_or_else(|| String::from("never"), |at| at.to_string());
        let share = format!("{:.0} %", account.share * 100.0);
        let numbers = [account.limit, account.used, account.held, account.owed, account.left].map(amount);
        let state = match account.state {
            "over" => paint.red("over"),
            "close" => paint.bold("close"),
            _ => String::new(),
        };
        let mut cells = vec![out::shown(&account.account)];
        cells.extend(numbers);
        cells.extend([share, resets, state]);
        cells
    };
    let rows: Vec<_> = books.accounts.iter().map(row).collect();
    let heading = ["ACCOUNT", "LIMIT", "USED", "HELD", "OWED", "LEFT", "TAKEN", "RENEWED", ""];
    let mut text = out::table(&heading, &rows);
    if !books.abandoned.is_empty() {
        text.push_str("\nCharged in full, for their process died; `jetway budgets release EXCHANGE` gives one back:\n");
        let row = |hold: &crate::ledger::Abandoned| {
            vec![hold.exchange.clone(), out::shown(&hold.account), hold.amount.to_string(), hold.at.to_string()]
        };
        let rows: Vec<_> = books.abandoned.iter().map(row).collect();
        text.push_str(&out::table(&["EXCHANGE", "ACCOUNT", "AMOUNT", "AT"], &rows));
    }
    text
}

fn history(config: &Config, limit: u32, json: bool) -> anyhow::Result<()> {
    let actions =
        runtime()?.block_on(async { Reader::open(&config.runs, &config.state).await?.actions(limit).await })?;
    if json {
        return out::line(&serde_json::to_string_pretty(&actions)?);
    }
    let row = |action: &Line| {
        let text = |name: &str| match action.get(name) {
            Some(Value::String(text)) => out::shown(text),
            Some(Value::Number(number)) => number.to_string(),
            _ => String::from("-"),
        };
        ["at", "by", "what", "target", "amount", "until", "reason"].map(text).to_vec()
    };
    let rows: Vec<_> = actions.iter().map(row).collect();
    out::raw(out::table(&["AT", "BY", "WHAT", "TARGET", "AMOUNT", "UNTIL", "REASON"], &rows).as_bytes())
}
