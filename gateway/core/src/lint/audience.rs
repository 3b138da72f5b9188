//! For which projects something is. Given a page for Next.js and one for React: a project of
//! Next.js is shown both.

use crate::retrieval::profile::{Profile, Tags};

/// For whom something is, and some projects that it is for.
#[derive(Debug, Clone)]
pub(super) struct Audience {
    tags: Tags,
    projects: Vec<Profile>,
}

impl Audience {
    pub(super) fn of(tags: Tags) -> Self {
        let said = |names: &[String]| {
            let words: Vec<String> = names.iter().map(|name| format!("We use {name}.")).collect();
            Profile::of_words(&words.join(" "))
        };
        let mut frameworks: Vec<Profile> =
            tags.frameworks.iter().map(|name| said(std::slice::from_ref(name))).collect();
        frameworks.push(said(&tags.frameworks));
        let mut projects = Vec::new();
        for framework in frameworks {
            projects.extend(tags.languages.iter().map(|language| {
                // A tag may be another name of a language.
                let languages = said(std::slice::from_ref(language)).languages;
                let mut project = framework.clone();
                project.languages = languages;
                project
            }));
            projects.push(framework);
        }
        projects.retain(|project| !project.is_empty() && tags.fits(project).is_fit());
        Self { tags, projects }
    }

    /// A project that it is for, by its tags.
    pub(super) fn project(&self) -> Option<&Profile> {
        self.projects.first()
    }

    /// Whether one project could be shown both.
    pub(super) fn meets(&self, other: &Self) -> bool {
        let all = self.projects.iter().chain(&other.projects);
        [self, other].iter().any(|one| one.tags == Tags::default())
            || self.tags == other.tags
            || all.into_iter().any(|project| self.tags.fits(project).is_fit() && other.tags.fits(project).is_fit())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn audience((languages, frameworks): (&[&str], &[&str])) -> Audience {
        let owned = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
        Audience::of(Tags { languages: owned(languages), frameworks: owned(frameworks) })
    }

    #[test]
    fn one_project_may_be_shown_what_is_for_both() {
        type For<'a> = (&'a [&'a str], &'a [&'a str]);
        let check = |one: For<'_>, other: For<'_>, expect: bool| {
            let (one, other) = (audience(one), audience(other));
            assert_eq!([one.meets(&other), other.meets(&one)], [expect; 2], "{one:?} {other:?}");
        };
        let (ts, js, py): (&[&str], &[&str], &[&str]) = (&["typescript"], &["javascript"], &["python"]);
        check((&[], &[]), (py, &[]), true);
        check((ts, &[]), (js, &[]), true);
        check((ts, &[]), (py, &[]), false);
        check((ts, &["nextjs"]), (ts, &[]), true);
        check((ts, &["nextjs"]), (js, &["react"]), true);
        check((ts, &["nextjs"]), (ts, &["nuxt"]), false);
        check((ts, &["nextjs"]), (ts, &["react", "vite"]), false);
        check((py, &["flask", "fastapi"]), (&[], &["flask"]), true);
        check((py, &["flask"]), (py, &["django"]), false);
        check((&["ts"], &[]), (js, &["node"]), true);
    }

    /// The words by which a table of tags is asked are ones that a person could say.
    #[test]
    fn every_tag_of_the_table_has_its_projects() {
        let table: serde_json::Value = serde_saphyr::from_str(include_str!("../retrieval/profile/table.yaml")).unwrap();
        for kind in ["languages", "frameworks"] {
            for name in table[kind].as_object().unwrap().keys() {
                let one: &[&str] = &[name];
                let tags = if kind == "languages" { (one, &[][..]) } else { (&[][..], one) };
                assert!(audience(tags).project().is_some(), "{name}");
            }
        }
        assert!(audience((&[], &["djnago"])).project().is_none());
        assert!(audience((&["django"], &[])).project().is_none());
    }
}
