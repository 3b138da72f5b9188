//! `jetway policy diff`: what a change of a policy would have done to runs that were recorded.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;

use std::time::Instant;

use jetway_core::policy::budget::cap::dollars;
use serde::Serialize;

use crate::cli::policy::{DiffArgs, against};
use crate::cli::runs::{others, recorded};
use crate::cli::{ago, out};
use crate::config::Config;
use crate::replay::{self, Call, Replay};
use crate::runs::read::{Filter, Line, Reader, text};

/// Reads runs and holds each against both.
pub(super) async fn run(config: &Config, args: &DiffArgs) -> anyhow::Result<()> {
    let ((before, first), (after, second)) = (against(config, &args.before)?, against(config, &args.after)?);
    let reader = Reader::open(&config.runs, &config.state).await?;
    let since = ago(args.runs);
    let of = args.of.clone().unwrap_or_else(|| second.clone());
    let filter = Filter { policy: Some(of.clone()), since: Some(since), limit: MOST_RUNS, ..Filter::default() };
    let runs = reader.list(&filter).await?;
    anyhow::ensure!(!runs.is_empty(), "there is no run of the policy {of:?} in the last {}", args.runs);
    let begun = Instant::now();
    let mut stories = Vec::with_capacity(runs.len());
    for run in &runs {
        // One that was forgotten meanwhile is left out.
        stories.extend(reader.show(text(run, "id").unwrap_or_default()).await?);
    }
    let (old, new) = (&before.config.policies[&first], &after.config.policies[&second]);
    let (mut were, mut are) = (Vec::with_capacity(stories.len()), Vec::with_capacity(stories.len()));
    for (number, (run, exchanges)) in stories.iter().enumerate() {
        let recorded = recorded(&reader, run, exchanges.clone()).await?;
        were.push(replay::replay(&before, old, &recorded));
        are.push(replay::replay(&after, new, &recorded));
        if (number + 1).is_multiple_of(100) {
            out::aside(&format!("{} of {} runs", number + 1, stories.len()));
        }
    }
    let mut lines: Vec<&Line> = stories.iter().flat_map(|(_, exchanges)| exchanges).collect();
    let others = others(&reader, &[old, new], &of, &lines).await?;
    lines.extend(&others);
    for (gate, policy, replays) in [(&before, old, &mut were), (&after, new, &mut are)] {
        let bills = replay::bills(gate, policy, &lines, replays);
        for (replay, (_, exchanges)) in replays.iter_mut().zip(&stories) {
            replay.pay(exchanges.iter(), &bills);
        }
    }
    let replays: Vec<(Replay, Replay)> = were.into_iter().zip(are).collect();
    let mut found = diff(&replays);
    found.seconds = begun.elapsed().as_secs_f64();
    if runs.len() == MOST_RUNS as usize {
        tracing::warn!("there are more runs than {MOST_RUNS}; the latest of them were looked at");
    }
    if args.json {
        return out::line(&serde_json::to_string_pretty(&found)?);
    }
    let seconds = found.seconds;
    #[expect(clippy::cast_precision_loss, reason = "it is shown in whole runs")]
    let rate = found.runs as f64 / seconds.max(0.001);
    out::raw(found.render().as_bytes())?;
    out::line(&format!("{} runs, {} exchanges in {seconds:.1} s, {rate:.0} runs a second", found.runs, found.exchanges))
}

/// No more runs are held against policies at once.
const MOST_RUNS: u32 = 10_000;

/// What differs, over all runs.
#[derive(Debug, Default, Serialize)]
pub(super) struct Diff {
    pub(super) runs: usize,
    pub(super) exchanges: usize,
    /// Exchanges whose bodies were kept; of others no calls, tools and passages are known.
    pub(super) bodies: usize,
    pub(super) calls: Vec<Changed>,
    /// Tools that would be hidden under one of the two alone, and in how many runs.
    pub(super) hidden: BTreeMap<String, usize>,
    pub(super) offered: BTreeMap<String, usize>,
    /// Passages that would be shown under one of the two alone, and in how many runs.
    pub(super) shown: BTreeMap<String, usize>,
    pub(super) not_shown: BTreeMap<String, usize>,
    pub(super) cost_micros: [u64; 2],
    /// Why requests would be refused under one of the two alone, and in how many runs.
    pub(super) refused: BTreeMap<String, usize>,
    pub(super) not_refused: BTreeMap<String, usize>,
    /// Runs that would be refused before they came to their end.
    pub(super) ended: [usize; 2],
    /// How long holding them against both took.
    pub(super) seconds: f64,
}

/// Calls that meet another fate.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Changed {
    tool: String,
    before: String,
    after: String,
    count: usize,
    runs: usize,
    example: String,
}

/// Calls of one tool that meet the same fates.
#[derive(Default)]
struct Sum<'a> {
    count: usize,
    runs: BTreeSet<&'a str>,
    example: &'a str,
}

/// The two replays of each run.
pub(super) fn diff(replays: &[(Replay, Replay)]) -> Diff {
    let mut diff = Diff::default();
    let mut calls: BTreeMap<(String, String, String), Sum<'_>> = BTreeMap::new();
    for (before, after) in replays {
        diff.runs += 1;
        diff.exchanges += before.exchanges;
        diff.bodies += before.bodies;
        for (sum, replay) in diff.cost_micros.iter_mut().zip([before, after]) {
            *sum += replay.cost_micros;
        }
        for (ended, replay) in diff.ended.iter_mut().zip([before, after]) {
            *ended += usize::from(replay.refused_from.is_some());
        }
        only(&after.hidden, &before.hidden, &mut diff.hidden);
        only(&before.hidden, &after.hidden, &mut diff.offered);
        only(&after.passages, &before.passages, &mut diff.shown);
        only(&before.passages, &after.passages, &mut diff.not_shown);
        let (were, are) = (before.why_refused(), after.why_refused());
        only(&are, &were, &mut diff.refused);
        only(&were, &are, &mut diff.not_refused);
        // Both were read from the same requests, so that the calls are the same, in the same order.
        for (was, is) in before.calls.iter().zip(&after.calls).filter(|(was, is)| fate(was) != fate(is)) {
            let entry = calls.entry((is.tool.clone(), fate(was), fate(is))).or_default();
            entry.count += 1;
            entry.runs.insert(&before.run);
            entry.example = &is.input;
        }
    }
    let changed = |((tool, before, after), sum): (_, Sum<'_>)| {
        let (count, runs, example) = (sum.count, sum.runs.len(), sum.example.to_owned());
        Changed { tool, before, after, count, runs, example }
    };
    diff.calls = calls.into_iter().map(changed).collect();
    diff.calls.sort_by_key(|changed| std::cmp::Reverse((changed.runs, changed.count)));
    diff
}

fn only(these: &BTreeSet<String>, those: &BTreeSet<String>, counts: &mut BTreeMap<String, usize>) {
    for name in these.difference(those) {
        *counts.entry(name.clone()).or_insert(0) += 1;
    }
}

fn fate(call: &Call) -> String {
    match &call.by {
        None => call.fate.to_owned(),
        Some(by) => format!("{}: {by}", call.fate),
    }
}

impl Diff {
    /// As a person reads it.
    pub(super) fn render(&self) -> String {
        let mut text = String::new();
        if self.bodies < self.exchanges {
            // Writing into a string does not fail.
            _ = writeln!(
                text,
                "Of {} exchanges {} have no body: their calls, tools and passages are not known (`runs.bodies` keeps them).\n",
                self.exchanges,
                self.exchanges - self.bodies
            );
        }
        if !self.calls.is_empty() {
            let row = |changed: &Changed| {
                let example: String = out::shown(&changed.example).chars().take(60).collect();
                [
                    changed.runs.to_string(),
                    changed.count.to_string(),
                    out::shown(&changed.tool),
                    changed.before.clone(),
                    changed.after.clone(),
                    example,
                ]
                .to_vec()
            };
            let rows: Vec<Vec<String>> = self.calls.iter().map(row).collect();
            text.push_str(&out::table(&["RUNS", "CALLS", "TOOL", "BEFORE", "AFTER", "FOR EXAMPLE"], &rows));
            text.push('\n');
        }
        let lists = [
            ("hidden now", &self.hidden),
            ("offered now", &self.offered),
            ("shown now", &self.shown),
            ("not shown now", &self.not_shown),
            ("refused now", &self.refused),
            ("not refused now", &self.not_refused),
        ];
        for (label, counts) in lists {
            for (name, runs) in counts {
                _ = writeln!(text, "{label}: {} (in {runs} runs)", out::shown(name));
            }
        }
        let [before, after] = self.cost_micros;
        let [ended_before, ended_after] = self.ended;
        _ = writeln!(text, "paid: {} before, {} after", dollars(before), dollars(after));
        _ = writeln!(text, "refused before their end: {ended_before} runs before, {ended_after} after");
        if self.calls.is_empty() && lists.iter().take(4).all(|(_, counts)| counts.is_empty()) {
            text.push_str("No call, tool or passage would have been another.\n");
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn call(tool: &str, input: &str, fate: &'static str, by: Option<&str>) -> Call {
        Call { turn: 1, tool: tool.into(), input: input.into(), fate, by: by.map(str::to_owned) }
    }

    fn run(id: &str, calls: Vec<Call>, cost: u64) -> Replay {
        let mut replay = Replay::default();
        (replay.run, replay.exchanges, replay.bodies) = (id.into(), 2, 2);
        (replay.calls, replay.cost_micros) = (calls, cost);
        replay
    }

    #[test]
    fn what_differs_is_counted_over_runs() {
        let allowed = |input: &str| call("Bash", input, "allowed", None);
        let refused = |input: &str| call("Bash", input, "refused", Some("deny Bash"));
        let mut after = run("b", vec![refused("npm test")], 0);
        after.hidden.insert("WebFetch".into());
        after.refused_from = Some((1, "a cap".into()));
        let replays = [
            (
                run("a", vec![allowed("ls"), allowed("npm i"), allowed("npm i")], 1_000_000),
                run("a", vec![allowed("ls"), refused("npm i"), refused("npm ci")], 500_000),
            ),
            (run("b", vec![allowed("npm test")], 1_000_000), after),
            (run("c", vec![], 0), run("c", vec![], 0)),
        ];
        let diff = diff(&replays);
        assert_eq!(diff.calls.len(), 1);
        let Changed { tool, before, after, count, runs, example } = diff.calls[0].clone();
        assert_eq!((tool.as_str(), before.as_str(), after.as_str()), ("Bash", "allowed", "refused: deny Bash"));
        assert_eq!((count, runs, example.as_str()), (3, 2, "npm test"));
        assert_eq!(diff.hidden, BTreeMap::from([(String::from("WebFetch"), 1)]));
        let text = diff.render();
        assert!(
            text.contains("hidden now: WebFetch (in 1 runs)") && text.contains("paid: $2.00 before, $0.50 after"),
            "{text}"
        );
        assert!(text.contains("0 runs before, 1 after") && !text.contains("no body"), "{text}");
    }

    #[test]
    fn where_nothing_differs_it_says_so() {
        let same = run("a", vec![call("Bash", "ls", "allowed", None)], 7);
        let mut bare = same.clone();
        bare.bodies = 0;
        assert!(diff(&[(same.clone(), same)]).render().contains("No call, tool or passage"));
        assert!(diff(&[(bare.clone(), bare)]).render().starts_with("Of 2 exchanges 2 have no body"));
    }
}
