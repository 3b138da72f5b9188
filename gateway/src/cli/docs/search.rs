//! `jetway docs search`.

use std::time::Duration;

use jetway_core::policy::context::{self, Asked};
use jetway_core::retrieval::meaning::Nearness;
use jetway_core::retrieval::profile::Profile;
use jetway_core::retrieval::search::{Hit, Index, beginning};
use jiff::Timestamp;
use serde_json::json;

use crate::cli::docs::{named, shelf};
use crate::cli::{out, runtime};
use crate::config::Config;
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
    let asked = Asked { task: &[task], behind: "", profile: &profile, now, nearness: nearness.as_ref() };
    let shown = context::decide(rules, &index, asked);
    let ranked = ranked(&index, task, nearness.as_ref());
    let is_shown = |at: &Hit<'_>| shown.iter().any(|hit| hit.chunk == at.chunk);
    let is_stale = |at: &Hit<'_>| at.page.is_some_and(|page| page.is_stale(now));
    if let Some(why) = why {
        tracing::warn!(%why, "it is not known what the task means; words alone rank");
    }
    if json {
        let rows = ranked.iter().map(|hit| {
            json!({
                "score": hit.score, "similarity": hit.similarity, "page": hit.chunk.page, "section": hit.chunk.path(),
                "inserted": is_shown(hit), "source": hit.page.map(|page| &page.source),
                "version": hit.page.map(|page| &page.version), "stale": is_stale(hit),
            })
        });
        return out::line(&serde_json::to_string_pretty(&rows.collect::<Vec<_>>())?);
    }
    let row = |hit: &Hit<'_>| {
        let marks = [(is_shown(hit), "inserted"), (is_stale(hit), "stale")];
        let marks: Vec<_> = marks.iter().filter(|(holds, _)| *holds).map(|(_, mark)| *mark).collect();
        let similarity = hit.similarity.map(|similarity| format!("{similarity:.2}")).unwrap_or_default();
        let score = format!("{:.2}", hit.score);
        [score, similarity, marks.join(", "), out::shown(&hit.chunk.page), out::shown(&hit.chunk.path())]
    };
    let mut heading = vec!["SCORE", "SIMILARITY", "", "PAGE", "SECTION"];
    let mut rows: Vec<Vec<String>> = ranked.iter().map(|hit| row(hit).to_vec()).collect();
    if rules.embeddings.is_none() {
        heading.remove(1);
        rows.iter_mut().for_each(|row| drop(row.remove(1)));
    }
    out::raw(out::table(&heading, &rows).as_bytes())
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
