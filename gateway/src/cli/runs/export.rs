//! `jetway runs export`: for other people's tools.

use jetway_core::units::Span;
use jiff::Timestamp;
use serde_json::json;

use crate::cli::ago;
use crate::cli::{out, span};
use crate::runs::read::{Exported, Reader};

#[derive(Debug, clap::Args)]
#[command(
    after_help = "Each line is an object: {\"run\": …}, {\"exchange\": …}, {\"ending\": …} or {\"finding\": …}. Bodies \
are not among them; `jetway runs show RUN --json --bodies` has them."
)]
pub(super) struct Args {
    /// Only what began so long ago or later: 7d. By default all.
    #[arg(long, value_name = "TIME", value_parser = span)]
    since: Option<Span>,
}

/// Rows that are read at once.
const PAGE: u32 = 1_000;

pub(super) async fn run(reader: &Reader, args: &Args) -> anyhow::Result<()> {
    let since = args.since.map(ago).unwrap_or(Timestamp::UNIX_EPOCH);
    let mut count = 0_usize;
    for table in Exported::ALL {
        let mut behind = (since.as_millisecond(), String::new());
        loop {
            let (rows, last) = reader.page(table, &behind, PAGE).await?;
            let mut text = String::new();
            for row in &rows {
                text.push_str(&json!({ table.name(): row }).to_string());
                text.push('\n');
            }
            out::raw(text.as_bytes())?;
            count += rows.len();
            out::aside(&format!("{count} rows"));
            let Some(last) = last else { break };
            behind = last;
        }
    }
    Ok(())
}
