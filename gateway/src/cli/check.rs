//! `jetway check`.

use std::path::{Path, PathBuf};

use jetway_core::lint::Finding;
use serde_json::{Value, json};

use crate::cli::out;
use crate::config::{Config, Problem, Secrets};
use crate::gate::Gate;
use crate::lint;

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Write the result as JSON.
    #[arg(long)]
    json: bool,
    /// Fail also for what is only doubtful: prose that asks for what lockdown refuses, dead links,
    /// pages that disagree or that nobody is shown.
    #[arg(long)]
    strict: bool,
}

type Findings = Vec<(PathBuf, Finding)>;

pub(super) fn run(file: &Path, args: &Args) -> anyhow::Result<()> {
    let result = Config::load(file, Secrets::Read).and_then(Gate::build).and_then(|gate| {
        let findings = findings(&gate).map_err(|problem| vec![problem])?;
        Ok((gate, findings))
    });
    if args.json {
        out::line(&serde_json::to_string_pretty(&report(&result, args.strict))?)?;
    }
    let (gate, findings) = match result {
        Ok(sound) => sound,
        Err(problems) => {
            let listed = if args.json { String::new() } else { format!("{}\n", crate::app::listed(&problems)) };
            return Err(anyhow::anyhow!("{listed}{}", counted(problems.len(), "problem")));
        }
    };
    if !args.json {
        for policy in gate.config.policies.values() {
            let sections = gate.index(&policy.name).map_or(0, |index| index.chunks().len());
            out::line(&format!("{:<12} {} ({sections} sections of documents)", policy.name, policy.about.trim()))?;
        }
        for (file, finding) in &findings {
            out::line(&format!("{}:{}: [{}] {}", file.display(), finding.line, finding.rule, finding.sentence))?;
        }
    }
    match findings.len() {
        0 if args.json => Ok(()),
        0 => out::line("All sound."),
        count if args.strict => Err(anyhow::anyhow!("{}", counted(count, "doubt"))),
        _ if args.json => Ok(()),
        count => out::line(&format!("Sound, with {}; `--strict` fails for them.", counted(count, "doubt"))),
    }
}

fn findings(gate: &Gate) -> Result<Findings, Problem> {
    let mut found = Vec::new();
    for policy in gate.config.policies.values() {
        found.extend(lint::findings(gate, policy)?);
    }
    Ok(found)
}

fn report(result: &Result<(Gate, Findings), Vec<Problem>>, strict: bool) -> Value {
    let problem = |problem: &Problem| {
        json!({
            "file": problem.file, "line": problem.place.map(|at| at.0), "column": problem.place.map(|at| at.1),
            "message": problem.message,
        })
    };
    let finding = |(file, finding): &(PathBuf, Finding)| json!({ "file": file, "line": finding.line, "rule": finding.rule, "message": finding.sentence });
    let problems: Vec<Value> = result.as_ref().err().into_iter().flatten().map(problem).collect();
    let doubts: Vec<Value> = result.iter().flat_map(|(_, findings)| findings).map(finding).collect();
    let is_ok = result.is_ok() && (doubts.is_empty() || !strict);
    json!({ "ok": is_ok, "problems": problems, "doubts": doubts })
}

fn counted(count: usize, noun: &str) -> String {
    format!("{count} {noun}{}", if count == 1 { "" } else { "s" })
}
