//! What goes with a step of a run's path. Given the step `plan`, which looks up "naming events", and
//! the task "add error tracking to my shop": the sections about naming events, of which one about
//! errors comes first, and the files of a model airplane that are for `plan`.

use jiff::Timestamp;

use super::{Asked, Chosen, Known, Rules, airplanes, named, render, shown, within};
use crate::policy::desk::{Answer, By};
use crate::retrieval::airplane::Airplane;
use crate::retrieval::profile::Profile;
use crate::retrieval::search::Index;
use crate::tokens;

/// A step, and for what run.
#[derive(Debug, Clone, Copy)]
pub struct Wanted<'a> {
    pub step: &'a str,
    /// What it looks up in the documentation.
    pub docs: &'a [String],
    /// What its run is to do in all.
    pub task: &'a str,
    /// What stands in the prompt already.
    pub known: &'a Known,
}

/// What goes with a step: the sections that its queries find, and nearest to it the files of a model
/// airplane that are for it, behind its README. All of it is within one allowance. Files come first into it, for an
/// operator has named each of them. What stands in the prompt already is named and not said again.
#[must_use]
pub fn for_step(
    rules: &Rules,
    index: Option<&Index>,
    planes: &[Airplane],
    wanted: Wanted<'_>,
    (profile, now): (&Profile, Timestamp),
) -> Answer {
    let (files, mut again) = airplanes::besides(planes, profile, (wanted.step, rules.allowance()), wanted.known);
    let room = rules.allowance().saturating_sub(tokens::estimate(&files.text));
    let mut answer = Answer::default();
    if let Some(index) = index {
        let queries: Vec<&str> = wanted.docs.iter().map(String::as_str).collect();
        // By words alone: they are an operator's, who can say what the pages say.
        let asked = Asked { task: &queries, behind: beginning(wanted.task), profile, now, nearness: None };
        let Chosen { hits, again: sections, .. } = within(room, rules, index, asked, &|hit| wanted.known.has(hit));
        answer = Answer { text: render(&hits, now), shown: shown(&hits) };
        again.splice(0..0, sections.iter().map(|hit| hit.chunk.path()));
    }
    let begin =
        if answer.text.is_empty() && files.text.is_empty() { "What fits this step" } else { "This fits too, and" };
    let named = named(begin, &again);
    if tokens::estimate(&answer.text) + tokens::estimate(&named) <= room {
        answer.text.push_str(&named);
    }
    answer.text.push_str(&files.text);
    answer.shown.extend(files.shown);
    answer.by(By::Step)
}

/// The most characters of a task that are looked at beside a step: its beginning says what is wanted.
const MOST_OF_TASK: usize = 400;

fn beginning(task: &str) -> &str {
    let end = task.char_indices().nth(MOST_OF_TASK).map_or(task.len(), |(at, _)| at);
    &task[..end]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::retrieval::airplane::File;
    use crate::retrieval::chunk::{Chunk, cut};
    use crate::retrieval::profile::Tags;
    use crate::retrieval::search::Hit;

    const NOW: Timestamp = Timestamp::UNIX_EPOCH;

    fn rules(allowance: usize) -> Rules {
        serde_saphyr::from_str(&format!("{{ docs: docs, allowance: {allowance}, min_score: 0.1 }}")).unwrap()
    }

    fn index() -> Index {
        Index::new(cut(
            "p.md",
            "# Buttons\nNaming events of buttons in the past tense, and with long words.\n# Errors\nNaming events of errors, in the past tense and in words.\n# Checkout\nErrors of the checkout.\n",
        ))
    }

    fn plane() -> Airplane {
        let file = |path: &str| File {
            path: path.into(),
            shows: String::from("Where it starts."),
            steps: vec![String::from("plan")],
            text: "start() ".repeat(20),
            rev: String::from("f1"),
        };
        Airplane {
            name: "django".into(),
            about: String::new(),
            tags: Tags { languages: vec!["python".into()], frameworks: vec!["django".into()] },
            readme: String::from("# Django"),
            rev: String::from("r1"),
            files: vec![file("a.py"), file("b.py")],
        }
    }

    /// What a step is told with, that looks this up.
    fn told(allowance: usize, docs: &[&str], task: &str, known: &Known) -> Answer {
        let docs: Vec<String> = docs.iter().map(|&docs| docs.into()).collect();
        let wanted = Wanted { step: "plan", docs: &docs, task, known };
        let profile = Profile::of_words(task);
        for_step(&rules(allowance), Some(&index()), &[plane()], wanted, (&profile, NOW))
    }

    fn sources(answer: &Answer) -> Vec<&str> {
        answer.shown.iter().map(|shown| shown.source.trim_start_matches("p.md#")).collect()
    }

    #[test]
    fn of_what_a_step_looks_up_the_sections_for_the_task_are_nearest_and_no_others_come() {
        let check = |docs: &[&str], task: &str, expect: &[&str]| {
            let answer = told(1_000, docs, task, &Known::default());
            assert_eq!(sources(&answer), expect, "{docs:?} {task:?}");
        };
        let naming = ["naming events in the past tense"];
        check(&naming, "", &["Buttons", "Errors"]);
        check(&naming, "Track the errors of my shop.", &["Buttons", "Errors"]);
        check(&naming, "Track the buttons of my shop.", &["Errors", "Buttons"]);
        // What is looked up counts for more.
        check(&["naming errors"], "Track the buttons of my shop.", &["Buttons", "Checkout", "Errors"]);
        check(&[], "Track the errors of my shop.", &[]);
        let begins_otherwise = format!("{}buttons", "Do it well. ".repeat(40));
        check(&naming, &begins_otherwise, &["Buttons", "Errors"]);
    }

    #[test]
    fn pages_and_files_of_a_step_are_within_one_allowance_and_files_come_first() {
        let django = "Add it to my Django app.";
        let check = |allowance: usize, expect: &[&str]| {
            let answer = told(allowance, &["naming events"], django, &Known::default());
            let found: Vec<&str> =
                sources(&answer).into_iter().map(|name| name.trim_start_matches("airplanes/")).collect();
            assert_eq!(found, expect, "{allowance}");
            assert!(tokens::estimate(&answer.text) <= allowance, "{allowance}: {}", answer.text);
        };
        check(1_000, &["Buttons", "Errors", "django/README.md", "django/a.py", "django/b.py"]);
        (50..1_000).for_each(|allowance| {
            let answer = told(allowance, &["naming events"], django, &Known::default());
            assert!(tokens::estimate(&answer.text) <= allowance, "{allowance}: {}", answer.text);
        });
        let files = tokens::estimate(&told(1_000, &[], django, &Known::default()).text);
        check(files + 1, &["django/README.md", "django/a.py", "django/b.py"]);
        check(files - 1, &["Errors", "django/README.md", "django/a.py"]);
    }

    #[test]
    fn the_readme_comes_before_the_files_unless_it_was_shown_before() {
        let django = "Add it to my Django app.";
        let check = |known: &str, expect: &[&str]| {
            assert_eq!(sources(&told(1_000, &[], django, &Known::of(known))), expect, "{known}");
        };
        let files = ["airplanes/django/a.py", "airplanes/django/b.py"];
        check("", &["airplanes/django/README.md", files[0], files[1]]);
        let planes = [plane()];
        let overview = airplanes::unasked(&planes, &Profile::of_words(django), true).unwrap();
        check(&overview.text, &files);
        // And what the first step showed does not come with the task once more.
        let step = told(1_000, &[], django, &Known::default());
        let profile = Profile::of_words(django);
        let asked = Asked { task: &["zebra"], behind: "", profile: &profile, now: NOW, nearness: None };
        let given = |beside: &str| super::super::compose(&rules(1_000), &index(), &planes, asked, beside).answer;
        assert_eq!((sources(&given("")), sources(&given(&step.text))), (vec!["airplanes/django/README.md"], vec![]));
        // A step that no file is for has none.
        let mut wanted = plane();
        wanted.files.clear();
        let none = airplanes::besides(&[wanted], &profile, ("plan", 1_000), &Known::default()).0;
        assert_eq!(none, Answer::default());
    }

    #[test]
    fn what_stands_in_the_prompt_already_is_named_and_not_said_again() {
        let django = "Add it to my Django app.";
        let whole = told(1_000, &["naming events"], django, &Known::default());
        let check = |known: &str, expect: &[&str], named: &str| {
            let answer = told(1_000, &["naming events"], django, &Known::of(known));
            assert_eq!(sources(&answer), expect, "{known}");
            assert!(answer.text.contains(named), "{}", answer.text);
        };
        let index = index();
        let section = |heading: &str| {
            let is_it = |chunk: &&Chunk| chunk.headings.last().is_some_and(|last| last == heading);
            let chunk = index.chunks().iter().find(is_it).unwrap();
            render(&[Hit { chunk, page: None, rank: 1.0, score: 1.0, similarity: None }], NOW)
        };
        let all = ["airplanes/django/README.md", "airplanes/django/a.py", "airplanes/django/b.py"];
        check(&section("Errors"), &["Buttons", all[0], all[1], all[2]], "given before: `Errors`.\n");
        check(&format!("{}{}", section("Errors"), section("Buttons")), &all, "This fits too, and stands in");
        check(&whole.text, &[], "What fits this step stands in the reference material that you were given before: ");
        check(&whole.text, &[], "`, `airplanes/django/a.py`, `airplanes/django/b.py`.\n");
    }
}
