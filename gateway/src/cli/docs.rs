//! `jetway docs`.

use anyhow::{anyhow, bail};
use jetway_core::policy::context;
use serde_json::json;

use crate::cli::out;
use crate::config::Config;
use crate::docs;

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The policy whose documents are asked.
    policy: String,
    /// A task, as a person would put it to an agent.
    task: String,
    /// Write the result as JSON.
    #[arg(long)]
    json: bool,
}

pub(super) fn run(config: &Config, args: &Args) -> anyhow::Result<()> {
    let policy = config.policies.get(&args.policy).ok_or_else(|| anyhow!("there is no policy {:?}", args.policy))?;
    let Some(rules) = &policy.context else { bail!("the policy {} has no `context`", policy.name) };
    let index = docs::load(&policy.folder.join(rules.docs())).map_err(|problem| anyhow!("{problem}"))?;
    let shown = context::decide(rules, &index, &args.task);
    let ranked = index.search(&args.task, 10);
    let is_shown = |at: &jetway_core::retrieval::search::Hit<'_>| shown.iter().any(|hit| hit.chunk == at.chunk);
    if args.json {
        let rows = ranked.iter().map(|hit| {
            json!({ "score": hit.score, "page": hit.chunk.page, "section": hit.chunk.path(), "inserted": is_shown(hit) })
        });
        return out::line(&serde_json::to_string_pretty(&rows.collect::<Vec<_>>())?);
    }
    let rows: Vec<_> = ranked
        .iter()
        .map(|hit| {
            let mark = if is_shown(hit) { "inserted" } else { "" };
            vec![format!("{:.2}", hit.score), mark.to_owned(), hit.chunk.page.clone(), hit.chunk.path()]
        })
        .collect();
    out::raw(out::table(&["SCORE", "", "PAGE", "SECTION"], &rows).as_bytes())
}
