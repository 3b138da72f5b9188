//! `jetway check`.

use std::path::Path;

use serde_json::json;

use crate::cli::out;
use crate::config::{Config, Secrets};
use crate::gate::Gate;

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Write the result as JSON.
    #[arg(long)]
    json: bool,
}

pub(super) fn run(file: &Path, args: &Args) -> anyhow::Result<()> {
    let result = Config::load(file, Secrets::Read).and_then(Gate::build);
    if args.json {
        let problems = result.as_ref().err().into_iter().flatten().map(|problem| {
            json!({
                "file": problem.file, "line": problem.place.map(|at| at.0), "column": problem.place.map(|at| at.1),
                "message": problem.message,
            })
        });
        let report = json!({ "ok": result.is_ok(), "problems": problems.collect::<Vec<_>>() });
        out::line(&serde_json::to_string_pretty(&report)?)?;
    }
    match result {
        Ok(_) if args.json => Ok(()),
        Ok(gate) => {
            for policy in gate.config.policies.values() {
                let sections = gate.index(&policy.name).map_or(0, |index| index.chunks().len());
                out::line(&format!("{:<12} {} ({sections} sections of documents)", policy.name, policy.about.trim()))?;
            }
            out::line("All sound.")
        }
        Err(problems) => {
            let count = problems.len();
            let noun = if count == 1 { "problem" } else { "problems" };
            let listed = if args.json { String::new() } else { format!("{}\n", crate::app::listed(&problems)) };
            Err(anyhow::anyhow!("{listed}{count} {noun}"))
        }
    }
}
