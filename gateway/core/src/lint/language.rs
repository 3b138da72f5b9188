//! Code in another language than its page or its airplane is for.

use std::collections::BTreeSet;

use super::prose::lines;
use super::{Facts, Finding};
use crate::retrieval::profile::{Profile, Tags, detect};

/// Markup stands on pages of every language.
const MARKUP: [&str; 4] = ["html", "htm", "xhtml", "css"];
/// Frameworks that are written in several languages, or in none, and not in JavaScript.
const OTHERS: [&str; 7] = ["android", "aspnet", "hugo", "ios", "micronaut", "quarkus", "spring-boot"];

pub(super) fn check(facts: &Facts<'_>) -> Vec<Finding> {
    let mut found = Vec::new();
    for text in facts.texts {
        let Some(tags) = text.tags.as_ref().filter(|tags| **tags != Tags::default()) else { continue };
        let mut told = BTreeSet::new();
        for line in lines(&text.text) {
            let Some(word) = line.fence.filter(|word| !word.is_empty()) else { continue };
            let code = detect(&format!("```{word}\n```"));
            let is_markup = MARKUP.contains(&word.to_lowercase().as_str());
            if is_markup || code.languages.is_empty() || is_for(tags, &code) || !told.insert(word) {
                continue;
            }
            let tags = if tags.languages.is_empty() { &tags.frameworks } else { &tags.languages };
            found.push(Finding {
                file: text.file.clone(),
                line: line.number - 1,
                rule: "fence-language",
                sentence: format!(
                    "There is code in `{word}` on a page that is for {}. Move it to a page of its own, or add the language to the page's tags.",
                    tags.join(", ")
                ),
            });
        }
    }
    let planes = facts.airplanes.iter().flat_map(|plane| {
        plane.files.iter().filter_map(move |file| {
            let ending = file.path.rsplit_once('.')?.1;
            let code = detect(&format!("```{ending}\n```"));
            if MARKUP.contains(&ending) || code.languages.is_empty() || is_for(&plane.tags, &code) {
                return None;
            }
            Some(Finding {
                file: format!("airplanes/{}/airplane.yaml", plane.name),
                line: 1,
                rule: "fence-language",
                sentence: format!(
                    "Its file `{}` is in another language than its `languages`: {}.",
                    file.path,
                    plane.tags.languages.join(", ")
                ),
            })
        })
    });
    found.extend(planes);
    found
}

/// Whether code in such a language is of use where something with these tags is shown.
fn is_for(tags: &Tags, code: &Tags) -> bool {
    let code = Tags { frameworks: Vec::new(), ..code.clone() };
    let mut own = tags.languages.clone();
    if own.is_empty() {
        for framework in &tags.frameworks {
            let languages = languages_of(framework);
            if languages.is_empty() {
                return true;
            }
            own.extend(languages);
        }
    }
    code.fits(&Profile::of_languages(&own)).is_fit()
}

/// The languages that a framework is written in; none where that cannot be told.
fn languages_of(framework: &str) -> Vec<String> {
    let said = Profile::of_words(&format!("We use {framework}."));
    let is_other = said.frameworks.iter().any(|name| OTHERS.contains(&name.as_str()));
    if !said.languages.is_empty() || said.frameworks.is_empty() || is_other {
        return said.languages;
    }
    vec![String::from("javascript"), String::from("typescript")]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_languages_of_frameworks_are_those_of_the_table() {
        let table: serde_json::Value = serde_saphyr::from_str(include_str!("../retrieval/profile/table.yaml")).unwrap();
        for (name, framework) in table["frameworks"].as_object().unwrap() {
            let own: Vec<&str> =
                framework["languages"].as_array().unwrap().iter().filter_map(|own| own.as_str()).collect();
            let expect: Vec<&str> = if OTHERS.contains(&name.as_str()) { Vec::new() } else { own };
            assert_eq!(languages_of(name), expect, "{name}");
        }
        assert!(languages_of("djnago").is_empty());
    }
}
