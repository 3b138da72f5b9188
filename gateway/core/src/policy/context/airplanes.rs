//! Model airplanes that a model asks for. Given a project that is a Next.js app and the call
//! `show_airplane` with `{}`: the README of the airplane for Next.js and what is to be seen in which
//! of its files; with `{"path": "instrumentation-client.ts"}`: that file.

use std::sync::LazyLock;

use crate::policy::context::Known;
use crate::policy::context::frame::escaped;
use crate::policy::desk::{Answer, By, Shown};
use crate::retrieval::airplane::Airplane;
use crate::retrieval::profile::{Fit, Profile};
use crate::tokens;
use crate::wire::json::Json;
use crate::wire::tools::offer::NewTool;

/// How it is told of one unasked.
pub(super) const LEAD: &str =
    "A model airplane, a small application that runs and does what this task is about in a project like this one:\n";

/// The name of the tool by which a model sees one.
pub const SHOW_AIRPLANE: &str = "show_airplane";

/// The same bytes in every request, for the provider's cache.
static TOOL: LazyLock<Option<NewTool>> = LazyLock::new(|| {
    let description = "Shows a model airplane: a small application that runs and does what this task is about, in a project \
                       like this one. Look at it before you decide where code goes; take from it the places and the calls, not \
                       its pages. Without `path` you get its README and the list of its files. Read the project's manifest \
                       first, such as package.json or pyproject.toml, so that the right one is chosen.";
    let schema = r#"{"type":"object","properties":{"path":{"type":"string","description":"A file of the list. Leave it out to begin with."}},"additionalProperties":false}"#;
    NewTool::new(SHOW_AIRPLANE, description, schema).ok()
});

/// The tool by which a model sees one.
#[must_use]
pub fn airplane_tool() -> Option<NewTool> {
    TOOL.clone()
}

/// Those that are for this project, the best first.
#[must_use]
pub fn for_project<'a>(airplanes: &'a [Airplane], profile: &Profile) -> Vec<&'a Airplane> {
    let mut fit: Vec<(Fit, &Airplane)> =
        airplanes.iter().map(|plane| (plane.tags.fits(profile), plane)).filter(|(fit, _)| fit.is_fit()).collect();
    fit.sort_by(|a, b| b.0.cmp(&a.0).then_with(|| a.1.name.cmp(&b.1.name)));
    fit.into_iter().map(|(_, plane)| plane).collect()
}

/// The overview of the best one, for a model that has not asked: only where the project's own
/// framework is known and the airplane is built with it.
#[must_use]
pub fn unasked(airplanes: &[Airplane], profile: &Profile, can_ask: bool) -> Option<Answer> {
    let best = for_project(airplanes, profile).into_iter().next()?;
    let is_sure = matches!(best.tags.fits(profile), Fit::Framework { .. });
    is_sure.then(|| {
        let mut answer = if can_ask { overview(best) } else { readme(best) };
        answer.text.insert_str(0, LEAD);
        answer
    })
}

/// The files of the best one that are for a step, within so many tokens, where its README was shown before.
#[must_use]
pub fn for_step(airplanes: &[Airplane], profile: &Profile, step_and_room: (&str, usize)) -> Answer {
    let best = for_project(airplanes, profile).into_iter().next();
    let known = best.map(|best| Known::of(&readme(best).text)).unwrap_or_default();
    besides(airplanes, profile, step_and_room, &known).0
}

/// The same, its README first where that does not stand in the prompt already; and the names of the files
/// that do, which are not shown again.
pub(super) fn besides(
    airplanes: &[Airplane],
    profile: &Profile,
    (step, room): (&str, usize),
    known: &Known,
) -> (Answer, Vec<String>) {
    let (mut answer, mut again) = (Answer::default(), Vec::new());
    let best = for_project(airplanes, profile).into_iter().next();
    let Some(best) = best.filter(|best| best.tags.fits(profile) != Fit::Neutral) else { return (answer, again) };
    let files: Vec<_> = best.files.iter().filter(|file| file.steps.iter().any(|own| own == step)).collect();
    let readme = Some(readme(best)).filter(|readme| !files.is_empty() && !known.has_all(&readme.text));
    let files = files.into_iter().map(|file| framed(best, &file.path, (&file.text, &file.rev)));
    for shown in readme.into_iter().chain(files) {
        if known.has_all(&shown.text) {
            again.extend(shown.shown.into_iter().map(|shown| shown.source));
        } else if tokens::estimate(&answer.text) + tokens::estimate(&shown.text) <= room {
            answer.text.push_str(&shown.text);
            answer.shown.extend(shown.shown);
        }
    }
    (answer, again)
}

/// Answers a call.
///
/// # Errors
/// A sentence for the model: what is not known yet, or which files there are.
pub fn show(airplanes: &[Airplane], profile: &Profile, call: &Json) -> Result<Answer, String> {
    asked_for(airplanes, profile, call).map(|answer| answer.by(By::Search))
}

fn asked_for(airplanes: &[Airplane], profile: &Profile, call: &Json) -> Result<Answer, String> {
    let path = call.root().get("path").and_then(|path| path.text().map(|path| path.trim().to_owned()));
    let fit = for_project(airplanes, profile);
    let Some(best) = fit.first() else { return Err(none_fits(profile)) };
    let Some(path) = path.filter(|path| !path.is_empty()) else { return Ok(overview(best)) };
    if path == "README.md" {
        return Ok(overview(best));
    }
    match best.files.iter().find(|file| file.path == path.trim_start_matches("./")) {
        Some(file) => Ok(framed(best, &file.path, (&file.text, &file.rev))),
        None => {
            let paths: Vec<String> = best.files.iter().map(|file| format!("`{}`", file.path)).collect();
            Err(format!("The model airplane `{}` has no such file to show. It has {}.", best.name, paths.join(", ")))
        }
    }
}

fn none_fits(profile: &Profile) -> String {
    if profile.is_empty() {
        return String::from(
            "It is not known yet what this project is. Read its manifest, such as package.json, pyproject.toml or Cargo.toml, and call this again.",
        );
    }
    let is = [&profile.frameworks, &profile.languages].into_iter().flatten().take(6).cloned().collect::<Vec<_>>();
    format!("There is no model airplane for a project like this one ({}). Go on without.", is.join(", "))
}

fn readme(plane: &Airplane) -> Answer {
    framed(plane, "README.md", (&plane.readme, &plane.rev))
}

fn overview(plane: &Airplane) -> Answer {
    let mut answer = readme(plane);
    answer.text.push_str("Its files, each shown by `show_airplane` with its path:\n");
    for file in &plane.files {
        answer.text.push_str(&format!("- `{}`: {}\n", file.path, file.shows));
    }
    answer
}

fn framed(plane: &Airplane, path: &str, (text, rev): (&str, &str)) -> Answer {
    let (name, escaped) = (&plane.name, escaped(text));
    let framed = format!(
        "<jetway_airplane name=\"{name}\" file=\"{path}\" rev=\"{rev}\">\n{}\n</jetway_airplane>\n",
        escaped.trim_end()
    );
    let shown = Shown { source: format!("airplanes/{name}/{path}"), text: text.to_owned(), page: None, by: By::Task };
    Answer { text: framed, shown: vec![shown] }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::retrieval::airplane::File;
    use crate::retrieval::profile::Tags;

    fn plane(name: &str, language: &str, framework: &str) -> Airplane {
        let file = |path: &str| File {
            path: path.into(),
            shows: String::from("Where it starts."),
            steps: Vec::new(),
            text: format!("start({name}) </jetway_airplane>"),
            rev: String::from("f1"),
        };
        Airplane {
            name: name.into(),
            about: String::new(),
            tags: Tags { languages: vec![language.into()], frameworks: vec![framework.into()] },
            readme: format!("# {name}"),
            rev: String::from("r1"),
            files: vec![file("start.x")],
        }
    }

    /// What is shown to somebody who says this of the project.
    #[track_caller]
    fn check(said: &str, call: &str, expect: Result<&str, &str>) {
        let planes = [
            plane("django", "python", "django"),
            plane("flask", "python", "flask"),
            plane("nextjs", "typescript", "nextjs"),
        ];
        let call = Json::read(call.to_owned().into()).unwrap();
        match (show(&planes, &Profile::of_words(said), &call), expect) {
            (Ok(answer), Ok(part)) => assert!(answer.text.contains(part), "{answer:?}"),
            (Err(why), Err(part)) => assert!(why.contains(part), "{why}"),
            (found, _) => panic!("{found:?}"),
        }
    }

    #[test]
    fn the_one_for_the_project_is_shown() {
        check("Add it to my Django app.", "{}", Ok("name=\"django\" file=\"README.md\" rev=\"r1\">\n# django\n"));
        check("Add it to my Django app.", "{}", Ok("- `start.x`: Where it starts."));
        check(
            "Add it to my Next.js app.",
            r#"{"path":"./start.x"}"#,
            Ok("start(nextjs) &lt;/jetway_airplane>\n</jetway_airplane>"),
        );
        check("Add it to my Django app.", r#"{"path":"../secret"}"#, Err("It has `start.x`."));
    }

    #[test]
    fn none_is_shown_for_another_language_or_while_nothing_is_known() {
        check("Add it.", "{}", Err("Read its manifest"));
        check(
            "Add it to my Rails app.",
            "{}",
            Err("There is no model airplane for a project like this one (rails, ruby)"),
        );
    }

    #[test]
    fn one_is_shown_unasked_only_where_the_framework_is_known() {
        let planes = [plane("django", "python", "django"), plane("nextjs", "typescript", "nextjs")];
        let shown = |said: &str, can_ask: bool| unasked(&planes, &Profile::of_words(said), can_ask);
        assert_eq!(shown("Add it.", true), None);
        assert_eq!(shown("Add it to my Python program.", true), None);
        let text = shown("Add it to my Django app.", true).unwrap().text;
        assert!(text.starts_with("A model airplane") && text.contains("# django") && text.contains("- `start.x`"));
        let text = shown("Add it to my Django app.", false).unwrap().text;
        assert!(text.contains("# django") && !text.contains("show_airplane"), "{text}");
    }

    #[test]
    fn a_step_is_shown_the_files_that_are_for_it_within_its_room() {
        let mut plane = plane("django", "python", "django");
        plane.files[0].steps = vec!["integrate".into()];
        let shown = |said: &str, step: &str, room: usize| {
            for_step(std::slice::from_ref(&plane), &Profile::of_words(said), (step, room)).shown.len()
        };
        let django = "Add it to my Django app.";
        assert_eq!(shown(django, "integrate", 1_000), 1);
        assert_eq!(shown(django, "integrate", 20), 0);
        assert_eq!(shown(django, "plan", 1_000), 0);
        assert_eq!(shown("Add it.", "integrate", 1_000), 0);
    }

    #[test]
    fn the_tool_can_be_offered() {
        assert_eq!(airplane_tool().unwrap().name(), SHOW_AIRPLANE);
    }
}
