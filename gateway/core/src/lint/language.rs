//! Code in another language than its page or its airplane is for.

use std::collections::BTreeSet;

use super::{Facts, Finding, lines};
use crate::retrieval::profile::{Profile, Tags, detect};

pub(super) fn check(facts: &Facts<'_>) -> Vec<Finding> {
    let mut found = Vec::new();
    for text in facts.texts {
        let Some(tags) = text.tags.as_ref().filter(|tags| !tags.languages.is_empty()) else { continue };
        let own = Profile::of_languages(&tags.languages);
        let mut told = BTreeSet::new();
        for line in lines(&text.text) {
            let Some(word) = line.fence.filter(|word| !word.is_empty()) else { continue };
            let code = detect(&format!("```{word}\n```"));
            let is_fit = Tags { frameworks: Vec::new(), ..code.clone() }.fits(&own).is_fit();
            if code.languages.is_empty() || is_fit || !told.insert(word) {
                continue;
            }
            found.push(Finding {
                file: text.file.clone(),
                line: line.number - 1,
                rule: "fence-language",
                sentence: format!(
                    "There is code in `{word}` on a page that is for {}. Move it to a page of its own, or add the language to the page's tags.",
                    tags.languages.join(", ")
                ),
            });
        }
    }
    let planes = facts.airplanes.iter().flat_map(|plane| {
        let own = Profile::of_languages(&plane.tags.languages);
        plane.files.iter().filter_map(move |file| {
            let ending = file.path.rsplit_once('.')?.1;
            let mut code = detect(&format!("```{ending}\n```"));
            code.frameworks.clear();
            if code.languages.is_empty() || code.fits(&own).is_fit() {
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
