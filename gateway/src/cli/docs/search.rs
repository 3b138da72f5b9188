//! `jetway docs search`.

use std::time::Duration;

use jetway_core::policy::context::reason::Reason;
use jetway_core::policy::context::{self, Asked, Known, Wanted};
use jetway_core::policy::desk::Shown;
use jetway_core::retrieval::airplane::Airplane;
use jetway_core::retrieval::meaning::Nearness;
use jetway_core::retrieval::profile::Profile;
use jetway_core::retrieval::search::{Hit, Index, beginning};
use jetway_core::tokens;
use jiff::Timestamp;
use serde_json::{Value, json};

use crate::airplanes::load;
use crate::cli::docs::{named, shelf};
use crate::cli::{out, runtime};
use crate::config::{Config, Policy};
use crate::docs::{Embedder, Shelf};
use crate::metrics::Metrics;
use crate::tls;

/// How many sections are shown of each ranking.
const SHOWN: usize = 10;
/// An operator waits longer than a request does.
const PATIENCE: Duration = Duration::from_secs(10);

pub(super) fn run(config: &Config, (policy, task): (&str, &str), json: bool) -> anyhow::Result<()> {
    let policy = named(config, policy)?;
    let (Some(rules), Some(shelf)) = (&policy.context, shelf(config, policy)?) else { return Ok(()) };
    let (index, now) = (shelf.index(), Timestamp::now());
    let profile = Profile::of_words(task);
    let nearness = rules.embeddings.as_ref().map(|_| nearness(&shelf, &index, task)).transpose();
    let (nearness, why) = match nearness {
        Ok(nearness) => (nearness, None),
        Err(why) => (None, Some(why)),
    };
    if let Some(why) = why {
        tracing::warn!(%why, "it is not known what the task means; words alone rank");
    }
    let planes = airplanes(policy)?;
    let (first, first_shown) = first_step(policy, (&index, &planes), task, (&profile, now));
    let asked = Asked { task: &[task], behind: "", profile: &profile, now, nearness: nearness.as_ref() };
    let given = context::compose(rules, &index, &planes, asked, &first).answer;
    let shown: Vec<&Shown> = first_shown.iter().chain(&given.shown).collect();
    let inserted: Vec<String> = shown.iter().map(|shown| shown.text.clone()).collect();
    let is_shown =
        |hit: &Hit<'_>| shown.iter().any(|shown| shown.text == hit.chunk.text && shown.source == source(hit));
    let why = |hit: &Hit<'_>| Reason::of(rules, hit, &inserted, (&profile, now));
    let is_stale = |hit: &Hit<'_>| hit.page.is_some_and(|page| page.is_stale(now));
    let ranked = ranked(&index, task, nearness.as_ref()).into_iter();
    let ranked: Vec<_> = ranked
        .map(|hit| Ranked { left_out: (!is_shown(&hit)).then(|| why(&hit)), is_stale: is_stale(&hit), hit })
        .collect();
    if json {
        let shown = shown.iter().map(|shown| json!({ "source": shown.source, "page": shown.page, "by": shown.by }));
        return out::line(&serde_json::to_string_pretty(&json!({
            "allowance": rules.allowance(),
            "inserted": {
                "first_step": first, "text": given.text, "tokens": tokens::estimate(&given.text),
                "passages": shown.collect::<Vec<_>>(),
            },
            "ranked": ranked.iter().map(Ranked::json).collect::<Vec<_>>(),
        }))?);
    }
    let mut heading = vec!["SCORE", "SIMILARITY", "", "PAGE", "SECTION"];
    let mut rows: Vec<Vec<String>> = ranked.iter().map(Ranked::row).collect();
    if rules.embeddings.is_none() {
        heading.remove(1);
        rows.iter_mut().for_each(|row| drop(row.remove(1)));
    }
    out::raw(out::table(&heading, &rows).as_bytes())?;
    for (what, text) in [("first step", &first), ("task", &given.text)] {
        let size = tokens::estimate(text);
        match (text.is_empty(), what) {
            (true, "task") => out::line("\nNothing is inserted with the task.")?,
            (true, _) => {}
            (false, _) => {
                let lines: Vec<_> = text.lines().map(out::shown).collect();
                let allowed = rules.allowance();
                out::line(&format!("\nInserted with the {what}, {size} tokens of {allowed}:\n\n{}", lines.join("\n")))?;
            }
        }
    }
    Ok(())
}

/// A section that is ranked, and what becomes of it.
struct Ranked<'a> {
    hit: Hit<'a>,
    is_stale: bool,
    /// None where it is inserted.
    left_out: Option<Reason>,
}

impl Ranked<'_> {
    fn json(&self) -> Value {
        let hit = &self.hit;
        json!({
            "score": hit.score, "similarity": hit.similarity, "page": hit.chunk.page, "section": hit.chunk.path(),
            "inserted": self.left_out.is_none(), "left_out": self.left_out, "stale": self.is_stale,
            "source": hit.page.map(|page| &page.source), "version": hit.page.map(|page| &page.version),
        })
    }

    fn row(&self) -> Vec<String> {
        let hit = &self.hit;
        let mut marks = self.left_out.map_or_else(|| String::from("inserted"), |reason| reason.to_string());
        if self.is_stale && self.left_out != Some(Reason::Stale) {
            marks.push_str(", stale");
        }
        let similarity = hit.similarity.map(|similarity| format!("{similarity:.2}")).unwrap_or_default();
        vec![format!("{:.2}", hit.score), similarity, marks, out::shown(&hit.chunk.page), out::shown(&hit.chunk.path())]
    }
}

/// What a section is called in the run log.
fn source(hit: &Hit<'_>) -> String {
    format!("{}#{}", hit.chunk.page, hit.chunk.path())
}

fn airplanes(policy: &Policy) -> anyhow::Result<Vec<Airplane>> {
    if !policy.airplanes().is_dir() {
        return Ok(Vec::new());
    }
    let found = load(&policy.airplanes()).map_err(|problem| anyhow::anyhow!("{problem}"))?;
    Ok(found.into_iter().map(|found| found.airplane).collect())
}

/// What the first step is told with, where the policy has steps: it stands in the same message, and takes
/// its share of the allowance.
fn first_step(
    policy: &Policy,
    (index, planes): (&Index, &[Airplane]),
    task: &str,
    project: (&Profile, Timestamp),
) -> (String, Vec<Shown>) {
    let (Some(path), Some(rules)) = (&policy.path, &policy.context) else { return Default::default() };
    let Some(step) = path.steps().first() else { return Default::default() };
    let wanted = Wanted { step: &step.id, docs: &step.docs, task, known: &Known::default() };
    let more = context::for_step(rules, Some(index), planes, wanted, project);
    (path.tell(0, project.0, &more.text), more.shown)
}

/// The best by words, and the nearest of the others: each with its score and its similarity.
fn ranked<'a>(index: &'a Index, task: &str, nearness: Option<&Nearness>) -> Vec<Hit<'a>> {
    let mut ranked = index.search(task, SHOWN);
    let words = index.search(task, index.chunks().len());
    for (place, mut near) in nearness.iter().flat_map(|nearness| index.nearest(nearness)).enumerate() {
        match ranked.iter_mut().find(|hit| std::ptr::eq(hit.chunk, near.chunk)) {
            Some(hit) => hit.similarity = near.similarity,
            None if place < SHOWN => {
                let same = words.iter().find(|hit| std::ptr::eq(hit.chunk, near.chunk));
                near.score = same.map_or(0.0, |hit| hit.score);
                ranked.push(near);
            }
            None => {}
        }
    }
    ranked
}

/// How near the sections are to a task. The operator's own words are sent as they are.
fn nearness(shelf: &Shelf, index: &Index, task: &str) -> anyhow::Result<Nearness> {
    let endpoint =
        shelf.endpoint().ok_or_else(|| anyhow::anyhow!("the secret of `embeddings.key` is not to be had here"))?;
    anyhow::ensure!(index.meant() > 0, "it is not known of any section yet; `jetway serve` asks about them");
    let embedder = Embedder::new(tls::client()?, Metrics::new()?);
    let vectors = runtime()?.block_on(embedder.ask(endpoint, &[beginning(task)], PATIENCE))?;
    let vector = vectors.first().ok_or_else(|| anyhow::anyhow!("{} answered nothing", shelf.policy))?;
    Ok(index.nearness(vector)?)
}
