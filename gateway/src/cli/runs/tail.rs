//! `jetway runs tail`.

use std::collections::HashSet;
use std::time::Duration;

use jetway_core::units::Span;
use jiff::{SignedDuration, Timestamp};

use crate::cli::runs::{known, money};
use crate::cli::{ago, out, span};
use crate::config::Config;
use crate::runs::read::{self, LONG, Line, Reader};

/// How often it is looked.
const PAUSE: Duration = Duration::from_millis(500);
/// New exchanges that are read at once.
const AT_ONCE: usize = 500;

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Begin so far back, 30m at most. By default with what ends from now on.
    #[arg(long, value_name = "TIME", value_parser = span)]
    since: Option<Span>,
    /// Only exchanges of this policy.
    #[arg(long)]
    policy: Option<String>,
    /// Write each as JSON on a line.
    #[arg(long)]
    json: bool,
}

pub(super) async fn run(config: &Config, reader: &Reader, args: &Args) -> anyhow::Result<()> {
    known(config, reader, args.policy.as_deref()).await?;
    if args.since.is_some_and(|since| SignedDuration::try_from(since.0).map_or(true, |since| since > LONG)) {
        anyhow::bail!("`--since` goes back 30m at most; `jetway runs export --since` goes further");
    }
    let mut seen = HashSet::new();
    let begun = Timestamp::now();
    if args.since.is_none() {
        seen.extend(reader.ids_since(args.policy.as_deref(), begun.checked_sub(LONG)?).await?);
    }
    let from = args.since.map(ago).unwrap_or(begun.checked_sub(LONG)?);
    loop {
        // What was seen and is too old to come again is forgotten with its time.
        let since = from.max(Timestamp::now().checked_sub(LONG)?);
        let ids = reader.ids_since(args.policy.as_deref(), since).await?;
        let new: Vec<&str> = ids.iter().filter(|id| !seen.contains(*id)).map(String::as_str).collect();
        for some in new.chunks(AT_ONCE) {
            for exchange in reader.exchanges(some).await? {
                let text = if args.json { serde_json::to_string(&exchange)? } else { line(&exchange) };
                out::line(&text)?;
            }
        }
        seen = ids.into_iter().collect();
        tokio::time::sleep(PAUSE).await;
    }
}

fn line(exchange: &Line) -> String {
    let text = |name: &str| out::shown(read::text(exchange, name).unwrap_or("-"));
    let number = |name: &str| read::number(exchange, name);
    let time = text("at").get(11..19).map(str::to_owned).unwrap_or_default();
    let because = read::text(exchange, "detail").map(|why| format!("  {}", out::shown(why)));
    format!(
        "{time}  {}  {}  {}  {}  {} in, {} out, {}  {} ms  {}{}",
        text("run"),
        text("policy"),
        text("user"),
        text("model"),
        number("input") + number("cache_read") + number("cache_write"),
        number("output"),
        money(number("cost_micros")),
        number("total_millis"),
        text("outcome"),
        because.unwrap_or_default()
    )
}
