//! Front matter that does not say what its page is for.

use super::{Facts, Finding};
use crate::retrieval::matter::front_matter_problem;

pub(super) fn check(facts: &Facts<'_>) -> Vec<Finding> {
    let pages = facts.texts.iter().filter(|text| text.page.is_some());
    pages
        .filter_map(|text| {
            let problem = front_matter_problem(&text.text)?;
            Some(Finding {
                file: text.file.clone(),
                line: problem.line,
                rule: "front-matter",
                sentence: problem.sentence,
            })
        })
        .collect()
}
