//! `jetway policy`.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use jetway_core::policy::lockdown::Rules;
use jetway_core::policy::lockdown::cases::{Document, Given, Outcome};
use jetway_core::units::Span;
use serde_json::json;

use crate::app::listed;
use crate::cli::{out, runtime, span};
use crate::config::Config;
use crate::gate::Gate;

mod diff;

#[derive(Debug, clap::Subcommand)]
pub(super) enum Command {
    /// Say what a change would have done to recorded runs: the same runs under one policy and another.
    #[command(after_help = "A policy is a name, or a folder with a policy.yaml:\n  \
          git worktree add /tmp/before HEAD\n  \
          jetway policy diff /tmp/before/policies/wizard wizard --runs 7d")]
    Diff(DiffArgs),
    /// Hold the rules against tables of given calls and what is to be decided about them.
    #[command(
        after_help = "A table is YAML:\n  policy: wizard\n  cases:\n    - { tool: Bash, with: { command: cat .env }, expect: refuse, by: \"reads(**/.env*)\" }"
    )]
    Test(Args),
}

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Tables, or folders of them. All of `policies/cases` where none is named.
    files: Vec<PathBuf>,
    /// Write the result as JSON.
    #[arg(long)]
    json: bool,
}

#[derive(Debug, clap::Args)]
pub(super) struct DiffArgs {
    /// The policy before the change.
    before: String,
    /// The policy after it.
    after: String,
    /// Which runs: those that began so long ago or later.
    #[arg(long, default_value = "7d", value_name = "TIME", value_parser = span)]
    runs: Span,
    /// Only runs of this policy; by default of that which is named after.
    #[arg(long)]
    of: Option<String>,
    /// Write it as JSON.
    #[arg(long)]
    json: bool,
}

pub(super) fn run(config: &Config, command: Command) -> anyhow::Result<()> {
    match command {
        Command::Test(args) => test(config, args),
        Command::Diff(args) => runtime()?.block_on(diff::run(config, &args)),
    }
}

/// A gateway whose one policy is this, by its name or its folder.
pub(super) fn against(config: &Config, named: &str) -> anyhow::Result<(Gate, String)> {
    let policy = match config.policies.get(named) {
        Some(policy) => policy.clone(),
        None if Path::new(named).join("policy.yaml").is_file() => {
            config.policy_in(Path::new(named)).map_err(|problem| anyhow::anyhow!("{problem}"))?
        }
        None => {
            let known = config.policies.keys().cloned().collect::<Vec<_>>().join(", ");
            anyhow::bail!("{named:?} is neither a policy ({known}) nor a folder with a policy.yaml")
        }
    };
    let name = policy.name.clone();
    let mut own = config.clone();
    own.policies = BTreeMap::from([(name.clone(), policy)]);
    let gate = Gate::build(own).map_err(|problems| anyhow::anyhow!(listed(&problems)))?;
    Ok((gate, name))
}

fn test(config: &Config, args: Args) -> anyhow::Result<()> {
    let named = if args.files.is_empty() { vec![config.policies_folder.join("cases")] } else { args.files };
    let mut files = Vec::new();
    named.iter().try_for_each(|path| list(path, &mut files))?;
    anyhow::ensure!(!files.is_empty(), "there is no table of cases in {}", named[0].display());
    let mut all = Outcome::default();
    for file in &files {
        let outcome = tried(config, file)?;
        all.held += outcome.held;
        all.differences.extend(outcome.differences);
    }
    let count = all.held + all.differences.len();
    if args.json {
        let differences = all.differences.iter().map(|found| {
            json!({ "file": found.file, "case": found.number, "call": found.call, "expected": found.expected, "found": found.found })
        });
        let report = json!({ "cases": count, "held": all.held, "differences": differences.collect::<Vec<_>>() });
        out::line(&serde_json::to_string_pretty(&report)?)?;
    } else {
        all.differences.iter().try_for_each(|difference| out::line(&difference.to_string()))?;
        out::line(&format!("{} of {count} cases hold, in {} tables", all.held, files.len()))?;
    }
    anyhow::ensure!(all.differences.is_empty(), "{} cases do not hold", all.differences.len());
    Ok(())
}

fn list(path: &Path, files: &mut Vec<PathBuf>) -> anyhow::Result<()> {
    if !path.is_dir() {
        files.push(path.to_owned());
        return Ok(());
    }
    let entries = std::fs::read_dir(path)?.map(|entry| Ok(entry?.path()));
    let mut found = entries.collect::<std::io::Result<Vec<_>>>()?;
    found.sort();
    files.extend(found.into_iter().filter(|path| path.extension().is_some_and(|ending| ending == "yaml")));
    Ok(())
}

fn tried(config: &Config, file: &Path) -> anyhow::Result<Outcome> {
    let text = std::fs::read_to_string(file).map_err(|error| anyhow::anyhow!("{}: {error}", file.display()))?;
    let document: Document =
        serde_saphyr::from_str(&text).map_err(|error| anyhow::anyhow!("{}: {error}", file.display()))?;
    let own;
    let rules = match &document.given {
        Given::Policy(name) => {
            let policy = config.policies.get(name);
            let rules = policy.and_then(|policy| policy.lockdown.as_ref());
            rules.ok_or_else(|| anyhow::anyhow!("{}: there is no policy `{name}` with a lockdown", file.display()))?
        }
        Given::Rules(inline) => {
            own = Rules::of_cases(inline).map_err(|error| anyhow::anyhow!("{}: {error}", file.display()))?;
            &own
        }
    };
    Ok(document.run(&file.display().to_string(), |case, _| rules.try_case(case, &document.folders)))
}
