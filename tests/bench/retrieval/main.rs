//! How well what answers a question is found, and how fast: over the shipped documentation, and over
//! a public set where `tests/bench/retrieval/public` has fetched it (or `JETWAY_SET` names one).
//! `cargo bench -p jetway-core --bench retrieval` reports; nothing here is asserted. With
//! `JETWAY_EMBEDDINGS` the same is reported by what texts mean, too; the time to ask is in it.

#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a bench stops where nothing can be measured, and reports"
)]
#![expect(clippy::disallowed_methods, reason = "sets lie in files, and time is what is measured")]
#![expect(clippy::cast_precision_loss, reason = "they are counts of questions")]

mod hybrid;
mod inserted;
mod set;

use std::path::Path;
use std::time::Instant;

use jetway_core::retrieval::search::Hit;

use hybrid::Model;
use inserted::{Shares, Shelf, Tasks, rules};
use set::{Figures, Question, Set, distinct, measure, name_of};

fn main() {
    println!("{:<36} {:<24} {:>9} {:>7} {:>12}", "set", "ranking", "recall@5", "MRR", "ms a query");
    report("shipped documentation", &Set::shipped());
    let public = public();
    match &public {
        Some(set) => report("tau2 banking knowledge", set),
        None => println!("the public set is not here: tests/bench/retrieval/public fetches it"),
    }
    println!();
    report_inserted(public.as_ref());
}

/// The public set, as `tests/bench/retrieval/public` makes it, where it is.
fn public() -> Option<Set> {
    let home = std::env::var("XDG_CACHE_HOME").or_else(|_| std::env::var("HOME").map(|home| format!("{home}/.cache")));
    let public = home.map(|home| format!("{home}/jetway/retrieval/inspect-evals-0.28.0.json"));
    let file = std::env::var("JETWAY_SET").or(public).ok().filter(|file| Path::new(file).is_file())?;
    Some(serde_json::from_str(&std::fs::read_to_string(&file).unwrap()).unwrap())
}

/// What is inserted, by the score below which nothing is: how often a page that answers is among it, and
/// for tasks of something else, how often it is nothing.
fn report_inserted(public: Option<&Set>) {
    let (wizard, coding) = (Set::of(&["wizard"]), Set::of(&["coding"]));
    let all: Vec<(&str, &Set, Shelf)> = [("wizard", Some(&wizard)), ("coding", Some(&coding)), ("bank", public)]
        .into_iter()
        .filter_map(|(name, set)| set.map(|set| (name, set, Shelf::of(set))))
        .collect();
    let (tasks, held_out) = (Tasks::read(), Tasks::held_out());
    println!(
        "{:<62} {:>9} {:>14} {:>14}",
        "inserted: what is right (nothing, where none is)", "min_score", "by task alone", "project known"
    );
    for score in [None, Some(0.0), Some(0.6), Some(0.7), Some(0.9), Some(1.0), Some(1.2)] {
        let rules = rules(score);
        let line = |what: &str, count: usize, (alone, known): Shares| {
            let score = score.map_or_else(|| format!("({})", rules.min_score()), |score| score.to_string());
            println!("{:<62} {score:>9} {alone:>14.3} {known:>14.3}", format!("{what} ({count})"));
        };
        for (name, set, shelf) in &all {
            let right = |what: &str, of: &[Question]| {
                let here: Vec<Question> = of.iter().filter(|question| set.answers(question)).cloned().collect();
                let pages: Vec<Question> = here.iter().map(Question::page_only).collect();
                if !here.is_empty() {
                    line(&format!("{name}, {what}"), here.len(), shelf.answered(&rules, &pages));
                }
                if has_sections(&here) {
                    line(&format!("{name}, {what}: the section"), here.len(), shelf.answered(&rules, &here));
                }
            };
            let nothing = |what: &str, of: &[&str]| {
                line(&format!("{name}, {what}: nothing"), of.len(), shelf.quiet(&rules, of));
            };
            right("its questions", &set.questions);
            right("its tasks", &tasks.related);
            right("held out, its tasks", &held_out.related);
            // Any change of code is a matter of the coding policy's pages.
            if *name == "coding" {
                continue;
            }
            nothing("unrelated tasks", &tasks.others());
            nothing("held out, unrelated tasks", &held_out.others());
            for (other, foreign, _) in all.iter().filter(|(other, ..)| other != name && *other != "coding") {
                let own = tasks.related.iter().filter(|question| foreign.answers(question));
                let foreign: Vec<&str> = own.chain(&foreign.questions).map(|question| question.ask.as_str()).collect();
                nothing(&format!("what the {other} is asked"), &foreign);
            }
        }
    }
}

fn report(name: &str, set: &Set) {
    let (index, engine, pages) = (set.sections(), set.whole(), set.pages_only());
    let name = format!("{name} ({}/{})", set.pages.len(), set.questions.len());
    line(&name, "whole pages, plain words", &pages, |ask| set.by_pages(&engine, ask));
    line(&name, "Jetway, pages", &pages, |ask| Set::by_sections(&index, ask));
    if has_sections(&set.questions) {
        line(&name, "Jetway, sections", &set.questions, |ask| Set::sections_of(&index, ask));
        // What a step looks up, with a task behind it: of the kind that people set, and of any other.
        for task in ["Integrate PostHog into my app.", "Make the checkout faster and mend its tests."] {
            line(&name, "sections, a task behind", &set.questions, |ask| Set::sections_for(&index, ask, task));
        }
        let all: Vec<&str> = set.questions.iter().map(|question| question.ask.as_str()).collect();
        let other = |ask: &str| all[(all.iter().position(|own| *own == ask).unwrap() + 41) % all.len()];
        line(&name, "sections, another behind", &set.questions, |ask| Set::sections_for(&index, ask, other(ask)));
    }
    if let Some(model) = Model::named() {
        report_meant(&model, &name, set, &pages);
    }
}

/// The same questions, of a model of embeddings beside the words, by its weight, and of that alone.
fn report_meant(model: &Model, name: &str, set: &Set, pages: &[Question]) {
    let index = model.meant(&set.sections());
    for weight in [Some(0.25), Some(0.5), Some(1.0), Some(2.0), None] {
        let by = weight.map_or_else(|| String::from("meaning alone"), |weight| format!("meaning at {weight}"));
        let of_page = |hit: &Hit<'_>| hit.chunk.page.clone();
        line(name, &format!("{by}, pages"), pages, |ask| distinct(model.rank(&index, ask, weight).iter().map(of_page)));
        if has_sections(&set.questions) {
            line(name, &format!("{by}, sections"), &set.questions, |ask| {
                model.rank(&index, ask, weight).iter().map(|hit| name_of(hit.chunk)).collect()
            });
        }
    }
}

fn line(name: &str, ranking: &str, questions: &[Question], rank: impl Fn(&str) -> Vec<String>) {
    let begun = Instant::now();
    let Figures { recall, mrr } = measure(questions, rank);
    let each = begun.elapsed().as_secs_f64() * 1_000.0 / questions.len() as f64;
    println!("{name:<36} {ranking:<24} {recall:>9.3} {mrr:>7.3} {each:>12.3}");
}

/// Whether the labels of questions name sections, and not only pages.
fn has_sections(questions: &[Question]) -> bool {
    questions.iter().any(|question| question.finds.iter().any(|finds| finds.contains('#')))
}
