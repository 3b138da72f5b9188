//! The shipped documentation answers the questions that people ask about it, and better than whole
//! pages ranked by plain words do.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on should say where")]
#![expect(clippy::disallowed_methods, reason = "the documentation lies in files")]
#![expect(clippy::cast_precision_loss, reason = "they are counts of questions")]

#[path = "../../../tests/bench/retrieval/inserted.rs"]
mod inserted;
#[path = "../../../tests/bench/retrieval/set.rs"]
mod set;

use inserted::{Shelf, Tasks, rules};
use set::{Set, measure, name_of};

#[test]
fn every_label_is_a_section_that_there_is() {
    let (set, held_out) = (Set::shipped(), Tasks::held_out());
    let index = set.sections();
    let names: Vec<String> = index.chunks().iter().map(name_of).collect();
    // Other pages are those of the public set, which may not be here.
    let shipped = held_out.related.iter().filter(|task| task.finds.iter().any(|finds| finds.contains(".md")));
    let labels = set.questions.iter().chain(shipped).flat_map(|question| &question.finds);
    let missing = labels.filter(|name| !names.contains(name));
    assert_eq!(missing.collect::<Vec<_>>(), Vec::<&String>::new());
}

#[test]
fn answers_are_found_and_sooner_than_by_plain_words_on_whole_pages() {
    let set = Set::shipped();
    let (index, engine, pages) = (set.sections(), set.whole(), set.pages_only());
    let ours = measure(&pages, |ask| Set::by_sections(&index, ask));
    let plain = measure(&pages, |ask| set.by_pages(&engine, ask));
    let sections = measure(&set.questions, |ask| Set::sections_of(&index, ask));
    assert!(ours.recall >= plain.recall && ours.mrr > plain.mrr, "{ours:?} and {plain:?}");
    // What was measured, less one question in fifty.
    assert!(sections.recall >= 0.92 && sections.mrr >= 0.8, "{sections:?}");
    // Those that are missed are told, so that pages can be mended.
    let missed = set.questions.iter().filter(|question| {
        let first = Set::sections_of(&index, &question.ask);
        !question.finds.iter().any(|name| first.iter().take(5).any(|found| found == name))
    });
    let missed: Vec<&str> = missed.map(|question| question.ask.as_str()).collect();
    assert!(missed.len() <= 5, "{missed:#?}");
}

#[test]
fn a_task_behind_what_a_step_looks_up_costs_no_answer() {
    let set = Set::shipped();
    let index = set.sections();
    let alone = measure(&set.questions, |ask| Set::sections_of(&index, ask));
    for task in ["Integrate PostHog into my app.", "Make the checkout faster and mend its tests."] {
        let both = measure(&set.questions, |ask| Set::sections_for(&index, ask, task));
        assert!(both.recall >= alone.recall && both.mrr >= alone.mrr - 0.02, "{task}: {both:?} and {alone:?}");
    }
}

#[test]
fn what_answers_is_inserted_and_for_tasks_of_something_else_nothing() {
    let (wizard, tasks) = (Set::of(&["wizard"]), Tasks::read());
    let (shelf, rules) = (Shelf::of(&wizard), rules(None));
    let (_, questions) = shelf.answered(&rules, &wizard.pages_only());
    let (alone, known) = shelf.answered(&rules, &tasks.related);
    // What was measured, less one or two.
    assert!(questions >= 0.89 && known >= 0.9 && alone >= 0.8, "{questions}, {known} and {alone}");
    let (alone, known) = shelf.quiet(&rules, &tasks.others());
    assert!(alone >= 0.79 && known >= 0.79, "{alone} and {known}");
}

#[test]
fn a_score_does_not_grow_with_the_length_of_the_task() {
    let (set, tasks) = (Set::of(&["wizard"]), Tasks::read());
    let index = set.sections();
    let best = |task: &str| index.search(task, 300).iter().map(|hit| hit.score).fold(0.0, f32::max);
    let long: Vec<&String> = tasks.unrelated.iter().filter(|task| task.len() > 800).collect();
    assert!(long.len() >= 3, "{}", long.len());
    for task in long {
        assert!(best(task) < best("add analytics to my Next.js app"), "{task}");
        assert!(best(&task.repeat(2)) <= best(task) * 1.001, "said twice: {task}");
    }
}
