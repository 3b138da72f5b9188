//! `jetway airplanes`.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{anyhow, bail, ensure};
use serde_json::json;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use crate::airplanes::{self, Checked, Hangar, Limits, Programs, Settings, Verdict, environment};
use crate::cli::out::{self, Paint, shown};
use crate::cli::{load, runtime};
use crate::config;

#[derive(Debug, clap::Subcommand)]
pub(super) enum Command {
    /// List them: what each is for, and what it needs.
    List(List),
    /// Build and start them, use them in a browser, and hold what their SDKs send against events.json.
    #[command(
        after_help = "Needs Chromium and chromedriver (on Debian: apt-get install chromium chromium-driver), and what\neach airplane names in `run.needs`. Nothing that the browser opens leaves this machine."
    )]
    Check(Check),
}

#[derive(Debug, clap::Args)]
pub(super) struct List {
    /// The policy; every one that has airplanes where none is named.
    policy: Option<String>,
    #[command(flatten)]
    more: More,
}

#[derive(Debug, clap::Args)]
pub(super) struct Check {
    /// The policy; every one that has airplanes where none is named.
    policy: Option<String>,
    /// Of these names only.
    names: Vec<String>,
    #[command(flatten)]
    more: More,
    /// Leave the working copies, and say where they are.
    #[arg(long)]
    keep: bool,
    /// How many are checked at once.
    #[arg(long, default_value_t = 2, value_name = "COUNT")]
    jobs: usize,
    /// How long an application may take until it answers.
    #[arg(long, default_value_t = 60, value_name = "SECONDS")]
    start_within: u64,
}

#[derive(Debug, clap::Args)]
struct More {
    /// An airplane, or a folder of them, that belongs to no policy yet.
    #[arg(long, value_name = "PATH", conflicts_with = "policy")]
    folder: Option<PathBuf>,
    /// Write the result as JSON.
    #[arg(long)]
    json: bool,
}

/// An airplane, and the policy that it belongs to.
type Owned = (Option<String>, Hangar);

pub(super) fn run(file: &Path, command: Command) -> anyhow::Result<()> {
    match command {
        Command::List(args) => {
            list(&hangars(file, args.policy.as_deref(), args.more.folder.as_deref())?, args.more.json)
        }
        Command::Check(args) => {
            let chosen = chosen(file, &args);
            if let (true, Err(error)) = (args.more.json, &chosen) {
                let nothing = json!({ "ok": false, "flown": 0, "failed": 0, "skipped": 0, "problem": error.to_string(), "airplanes": [] });
                out::line(&serde_json::to_string_pretty(&nothing)?)?;
            }
            check(chosen?, &args)
        }
    }
}

/// Those that are to be checked.
fn chosen(file: &Path, args: &Check) -> anyhow::Result<Vec<Owned>> {
    let mut hangars = hangars(file, args.policy.as_deref(), args.more.folder.as_deref())?;
    for name in &args.names {
        let is_there = hangars.iter().any(|(_, hangar)| hangar.airplane.name == *name);
        ensure!(is_there, "there is no airplane {name:?}");
    }
    hangars.retain(|(_, hangar)| args.names.is_empty() || args.names.contains(&hangar.airplane.name));
    Ok(hangars)
}

/// The airplanes of a folder, of a policy, or of all policies.
fn hangars(file: &Path, policy: Option<&str>, folder: Option<&Path>) -> anyhow::Result<Vec<Owned>> {
    let read = |folder: &Path| airplanes::load(folder).map_err(|problem| anyhow!("{problem}"));
    let mut found = Vec::new();
    if let Some(folder) = folder {
        found.extend(read(folder)?.into_iter().map(|hangar| (None, hangar)));
        ensure!(!found.is_empty(), "there is no airplane in {}", folder.display());
        return Ok(found);
    }
    let config = load(file, None)?;
    if let Some(name) = policy {
        ensure!(config.policies.contains_key(name), "there is no policy {name:?}");
    }
    for known in config.policies.values().filter(|known| policy.is_none_or(|name| name == known.name)) {
        let folder = known.airplanes();
        if folder.is_dir() {
            found.extend(read(&folder)?.into_iter().map(|hangar| (Some(known.name.clone()), hangar)));
        }
    }
    match policy {
        _ if !found.is_empty() => Ok(found),
        Some(name) => bail!("the policy {name} has no airplanes"),
        None => bail!("no policy has airplanes"),
    }
}

fn list(hangars: &[Owned], as_json: bool) -> anyhow::Result<()> {
    if as_json {
        let rows = hangars.iter().map(|(policy, hangar)| {
            let (airplane, run) = (&hangar.airplane, &hangar.document.run);
            json!({
                "policy": policy, "airplane": airplane.name, "about": airplane.about, "folder": hangar.folder,
                "frameworks": airplane.tags.frameworks, "languages": airplane.tags.languages, "needs": run.needs,
            })
        });
        return out::line(&serde_json::to_string_pretty(&rows.collect::<Vec<_>>())?);
    }
    let row = |(policy, hangar): &Owned| {
        let (airplane, run) = (&hangar.airplane, &hangar.document.run);
        let frameworks = airplane.tags.frameworks.join(", ");
        let policy = policy.clone().unwrap_or_default();
        vec![policy, airplane.name.clone(), frameworks, run.needs.join(", "), airplane.about.clone()]
    };
    let rows: Vec<_> = hangars.iter().map(row).collect();
    out::raw(out::table(&["POLICY", "AIRPLANE", "FOR", "NEEDS", "ABOUT"], &rows).as_bytes())
}

fn check(hangars: Vec<Owned>, args: &Check) -> anyhow::Result<()> {
    let path = config::environment("PATH").unwrap_or_default();
    let limits = Limits { start: Duration::from_secs(args.start_within), ..Limits::default() };
    let kept = environment::KEPT.iter();
    let environment = kept.filter_map(|name| Some(((*name).to_owned(), config::environment(name)?))).collect();
    let settings = Settings { programs: Programs::find(&path)?, path, environment, limits, keep: args.keep };
    let checked = runtime()?.block_on(async {
        let (mut terminate, mut hangup) = (signal(SignalKind::terminate())?, signal(SignalKind::hangup())?);
        // What is left undone is dropped, and with it every program that runs.
        tokio::select! {
            checked = Box::pin(all(hangars, settings, args.jobs)) => checked,
            _ = tokio::signal::ctrl_c() => bail!("stopped"),
            _ = terminate.recv() => bail!("stopped"),
            _ = hangup.recv() => bail!("stopped"),
        }
    })?;
    let tally = Tally::of(&checked);
    if args.more.json {
        let rows: Vec<_> = checked.iter().map(reported).collect();
        let Tally { flown, failed, skipped } = tally;
        let report =
            json!({ "ok": tally.is_fine(), "flown": flown, "failed": failed, "skipped": skipped, "airplanes": rows });
        out::line(&serde_json::to_string_pretty(&report)?)?;
    } else {
        report(&checked)?;
        out::line(&tally.in_words())?;
    }
    let noun = if tally.failed == 1 { "airplane does" } else { "airplanes do" };
    ensure!(tally.failed == 0, "{} {noun} not fly", tally.failed);
    ensure!(tally.is_fine(), "no airplane was flown; install what they need, and check again");
    Ok(())
}

/// How many came to which end.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Tally {
    flown: usize,
    failed: usize,
    skipped: usize,
}

impl Tally {
    fn of(checked: &[Done]) -> Self {
        let mut tally = Self::default();
        for (_, found) in checked {
            match found.verdict {
                Verdict::Passed => tally.flown += 1,
                Verdict::Failed { .. } => tally.failed += 1,
                Verdict::NotChecked { .. } => tally.skipped += 1,
            }
        }
        tally
    }

    /// Where nothing flew, nothing is known.
    fn is_fine(self) -> bool {
        self.failed == 0 && self.flown > 0
    }

    fn in_words(self) -> String {
        format!("{} flown, {} failed, {} not checked.", self.flown, self.failed, self.skipped)
    }
}

type Done = (Option<String>, Checked);

/// Checks so many at a time; their order stays.
async fn all(hangars: Vec<Owned>, settings: Settings, jobs: usize) -> anyhow::Result<Vec<Done>> {
    let (places, settings) = (Arc::new(Semaphore::new(jobs.max(1))), Arc::new(settings));
    let mut tasks = JoinSet::new();
    for (at, (policy, hangar)) in hangars.into_iter().enumerate() {
        let (places, settings) = (Arc::clone(&places), Arc::clone(&settings));
        tasks.spawn(async move {
            let _place = places.acquire_owned().await;
            let name = hangar.airplane.name.clone();
            let tell = |step: &str| out::aside(&format!("{name}: {step}"));
            let checked = Box::pin(airplanes::check(&hangar, &settings, tell)).await;
            out::aside(&format!("{name}: {}", result(&checked.verdict)));
            (at, (policy, checked))
        });
    }
    let mut done = BTreeMap::new();
    while let Some(ended) = tasks.join_next().await {
        done.extend([ended?]);
    }
    Ok(done.into_values().collect())
}

fn result(verdict: &Verdict) -> String {
    match verdict {
        Verdict::Passed => "passed".to_owned(),
        Verdict::Failed { .. } => "failed".to_owned(),
        Verdict::NotChecked { needs } => format!("not checked (needs {})", needs.join(", ")),
    }
}

fn reported((policy, checked): &Done) -> serde_json::Value {
    let (result, why, output, needs) = match &checked.verdict {
        Verdict::Passed => ("passed", &[][..], &[][..], &[][..]),
        Verdict::Failed { why, output } => ("failed", &why[..], &output[..], &[][..]),
        Verdict::NotChecked { needs } => ("not checked", &[][..], &[][..], &needs[..]),
    };
    let seconds = |time: Duration| (time.as_secs_f64() * 10.0).round() / 10.0;
    let steps: BTreeMap<_, _> = checked.steps.iter().map(|(step, took)| (step, seconds(*took))).collect();
    json!({
        "policy": policy, "airplane": checked.name, "result": result, "why": why, "output": output, "needs": needs,
        "seconds": seconds(checked.took), "steps": steps, "events": checked.events, "kept": checked.kept,
    })
}

fn report(checked: &[Done]) -> anyhow::Result<()> {
    let paint = Paint::detect();
    for (_, found) in checked {
        if let Verdict::Failed { why, output } = &found.verdict {
            out::line(&paint.bold(&found.name))?;
            why.iter().try_for_each(|why| out::line(&format!("  {}", paint.red(&shown(why)))))?;
            output.iter().try_for_each(|line| out::line(&paint.dim(&format!("  | {}", shown(line)))))?;
            out::line("")?;
        }
    }
    let rows: Vec<_> = checked
        .iter()
        .map(|(_, found)| {
            let events: usize = found.events.values().sum();
            let seconds = format!("{:.1}", found.took.as_secs_f64());
            let kept = found.kept.as_ref().map(|kept| kept.display().to_string()).unwrap_or_default();
            vec![found.name.clone(), result(&found.verdict), seconds, events.to_string(), kept]
        })
        .collect();
    out::raw(out::table(&["AIRPLANE", "RESULT", "SECONDS", "EVENTS", ""], &rows).as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn where_nothing_flew_nothing_is_fine() {
        let done = |verdict: &Verdict| {
            let (name, took, verdict) = (String::from("a"), Duration::ZERO, verdict.clone());
            (None, Checked { name, verdict, took, steps: Vec::new(), events: BTreeMap::new(), kept: None })
        };
        let failed = Verdict::Failed { why: Vec::new(), output: Vec::new() };
        let skipped = Verdict::NotChecked { needs: vec![String::from("ruby")] };
        let check = |verdicts: &[&Verdict], words: &str, is_fine: bool| {
            let tally = Tally::of(&verdicts.iter().map(|verdict| done(verdict)).collect::<Vec<_>>());
            assert_eq!((tally.in_words().as_str(), tally.is_fine()), (words, is_fine));
        };
        check(&[], "0 flown, 0 failed, 0 not checked.", false);
        check(&[&skipped, &skipped], "0 flown, 0 failed, 2 not checked.", false);
        check(&[&Verdict::Passed, &skipped], "1 flown, 0 failed, 1 not checked.", true);
        check(&[&Verdict::Passed, &failed], "1 flown, 1 failed, 0 not checked.", false);
    }
}
