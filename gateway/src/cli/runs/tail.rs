//! `jetway runs tail`.

use std::collections::HashSet;
use std::time::Duration;

use jetway_core::units::Span;
use jiff::{SignedDuration, Timestamp};
use serde_json::Value;

use crate::cli::runs::{ago, money};
use crate::cli::{out, span};
use crate::runs::read::{Line, Reader};

/// How often it is looked.
const PAUSE: Duration = Duration::from_millis(500);
/// An exchange is written when it ends, by the time at which it began: none takes longer.
const LONGEST: SignedDuration = SignedDuration::from_mins(30);

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

pub(super) async fn run(reader: &Reader, args: &Args) -> anyhow::Result<()> {
    if args.since.is_some_and(|since| SignedDuration::try_from(since.0).map_or(true, |since| since > LONGEST)) {
        anyhow::bail!("`--since` goes back 30m at most; `jetway runs export --since` goes further");
    }
    let mut seen = HashSet::new();
    let begun = Timestamp::now();
    if args.since.is_none() {
        let before = reader.exchanges_since(args.policy.as_deref(), begun.checked_sub(LONGEST)?).await?;
        seen.extend(before.iter().map(id));
    }
    let from = args.since.map(ago).transpose()?.unwrap_or(begun.checked_sub(LONGEST)?);
    loop {
        // What was seen and is too old to come again is forgotten with its time.
        let since = from.max(Timestamp::now().checked_sub(LONGEST)?);
        let exchanges = reader.exchanges_since(args.policy.as_deref(), since).await?;
        let new: Vec<&Line> = exchanges.iter().filter(|exchange| !seen.contains(&id(exchange))).collect();
        for exchange in new {
            let text = if args.json { serde_json::to_string(exchange)? } else { line(exchange) };
            out::line(&text)?;
        }
        seen = exchanges.iter().map(id).collect();
        tokio::time::sleep(PAUSE).await;
    }
}

fn id(exchange: &Line) -> String {
    exchange.get("id").and_then(Value::as_str).unwrap_or_default().to_owned()
}

fn line(exchange: &Line) -> String {
    let text = |name: &str| out::shown(exchange.get(name).and_then(Value::as_str).unwrap_or("-"));
    let number = |name: &str| exchange.get(name).and_then(Value::as_i64).unwrap_or(0);
    let time = text("at").get(11..19).map(str::to_owned).unwrap_or_default();
    let because = exchange.get("detail").and_then(Value::as_str).map(|why| format!("  {}", out::shown(why)));
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
