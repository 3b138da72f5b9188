//! `jetway metrics`.

use crate::cli::out;
use crate::metrics::{Metrics, page};

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Write the list as JSON.
    #[arg(long)]
    json: bool,
    /// Write the page dashboards/METRICS.md.
    #[arg(long, conflicts_with = "json")]
    markdown: bool,
}

pub(super) fn run(args: &Args) -> anyhow::Result<()> {
    let metrics = Metrics::new()?;
    let described = metrics.described();
    if args.json {
        return out::line(&serde_json::to_string_pretty(described)?);
    }
    if args.markdown {
        return out::raw(page(described).as_bytes());
    }
    let paint = out::Paint::detect();
    for metric in described {
        let labels = if metric.labels.is_empty() { String::new() } else { format!("{{{}}}", metric.labels.join(", ")) };
        out::line(&format!("{}{} {}", paint.bold(&metric.name), labels, paint.dim(metric.kind)))?;
        out::line(&format!("    {}", metric.help))?;
    }
    Ok(())
}
