//! `jetway docs status`.

use std::time::Duration;

use jetway_core::retrieval::listing::MOST_PAGES;
use jetway_core::retrieval::page::in_words;
use jiff::Timestamp;

use crate::cli::out;
use crate::docs::{self, Failing, OfSource, Shelf, State};

/// The most failing pages of a source that are listed; `--json` has all.
const LISTED: usize = 5;

pub(super) fn run(shelves: &[Shelf], json: bool) -> anyhow::Result<()> {
    let now = Timestamp::now();
    let sources: Vec<OfSource> = shelves.iter().flat_map(|shelf| docs::status(shelf, now)).collect();
    if json {
        return out::line(&serde_json::to_string_pretty(&sources)?);
    }
    let mut rows: Vec<_> = sources.iter().map(row).collect();
    let mut heading = vec!["POLICY", "SOURCE", "PAGES", "FETCHED", "AGE", "MAX AGE", "STALE", "FAILING"];
    if sources.iter().any(|source| source.meant.is_some()) {
        heading.push("EMBEDDED");
        for (row, source) in rows.iter_mut().zip(&sources) {
            row.push(source.meant.map(|meant| format!("{meant}/{}", source.sections)).unwrap_or_default());
        }
    }
    out::raw(out::table(&heading, &rows).as_bytes())?;
    for source in &sources {
        if source.beyond > 0 {
            out::line(&format!(
                "\n{}: {}\n  its list has {} pages more than the {MOST_PAGES} that are read of a source. Choose with `only`, or name several lists",
                source.policy, source.source, source.beyond
            ))?;
        }
        let failing: Vec<_> = all_failing(source).collect();
        for failing in failing.iter().take(LISTED) {
            out::line(&format!("\n{}: {}\n  {}", source.policy, failing.url, told(failing, now)))?;
        }
        if failing.len() > LISTED {
            out::line(&format!("\n{} more of {}; --json lists them", failing.len() - LISTED, source.source))?;
        }
        let unreadable: Vec<_> = unreadable(source).collect();
        for (page, why) in unreadable.iter().take(LISTED) {
            out::line(&format!("\n{}: {}\n  {}", source.policy, out::shown(page), out::shown(why)))?;
        }
        if unreadable.len() > LISTED {
            out::line(&format!("\n{} more of {}; --json lists them", unreadable.len() - LISTED, source.source))?;
        }
        let large: Vec<_> = source.pages.iter().filter(|page| !page.too_large.is_empty()).collect();
        for page in large.iter().take(LISTED) {
            let (name, count, first) = (out::shown(&page.page), page.too_large.len(), out::shown(&page.too_large[0]));
            out::line(&format!(
                "\n{}: {name}\n  {count} of its sections are larger than the allowance, so that no task brings them in; the first is `{first}`",
                source.policy
            ))?;
        }
        if large.len() > LISTED {
            out::line(&format!("\n{} more of {}; --json lists them", large.len() - LISTED, source.source))?;
        }
        for page in &source.pages {
            let Some(problem) = &page.front_matter else { continue };
            let (page, line, why) = (out::shown(&page.page), problem.line, out::shown(&problem.why));
            out::line(&format!("\n{}: {page}, line {line}\n  {why}", source.policy))?;
        }
    }
    Ok(())
}

/// Why something cannot be had, how bad that is, and what becomes of it.
fn told(failing: &Failing, now: Timestamp) -> String {
    let between =
        |from: Timestamp, to: Timestamp| in_words(Duration::try_from(to.duration_since(from)).unwrap_or_default());
    let long = failing.since.map(|since| format!(" for {}", between(since, now))).unwrap_or_default();
    let mark = match failing.state {
        State::Gone => "gone: ",
        State::Long => "failing for long: ",
        State::Lately => "",
    };
    let (why, again) = (out::shown(&failing.why), between(now, failing.next));
    let times = if failing.times == 1 { String::from("once") } else { format!("{} times", failing.times) };
    let advice = match failing.state {
        State::Gone => "; what is here is shown as it last was: name where it moved to, or take it out",
        State::Long | State::Lately => "",
    };
    format!("{mark}{why} (failed {times}{long}; asked again in {again}){advice}")
}

fn all_failing(source: &OfSource) -> impl Iterator<Item = &Failing> {
    source.lists_failing.iter().chain(source.pages.iter().filter_map(|page| page.failing.as_ref()))
}

/// Pages that are left out, and why.
fn unreadable(source: &OfSource) -> impl Iterator<Item = (&str, &str)> {
    source.pages.iter().filter_map(|page| Some((page.page.as_str(), page.unreadable.as_deref()?)))
}

fn row(source: &OfSource) -> Vec<String> {
    let there = source.pages.iter().filter(|page| page.version.is_some()).count();
    let newest = source.pages.iter().filter_map(|page| page.fetched).max();
    let oldest = source.pages.iter().filter_map(|page| page.age_seconds).max();
    let stale = source.pages.iter().filter(|page| page.is_stale).count();
    let pages = if there == source.pages.len() { there.to_string() } else { format!("{there}/{}", source.pages.len()) };
    vec![
        source.policy.clone(),
        source.source.clone(),
        pages,
        newest.map_or_else(|| String::from("never"), |at| format!("{at:.0}")),
        oldest.map(|age| in_words(Duration::from_secs(age))).unwrap_or_default(),
        source.max_age_seconds.map_or_else(|| String::from("none"), |most| in_words(Duration::from_secs(most))),
        stale.to_string(),
        (all_failing(source).count() + unreadable(source).count()).to_string(),
    ]
}
