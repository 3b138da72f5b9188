//! What people got wrong in what they wrote for a policy.

use std::path::PathBuf;

use jetway_core::lint::{Facts, Finding, Text, lint};

use crate::config::{Policy, Problem};
use crate::docs;
use crate::gate::Gate;

/// What is wrong with a policy, each with the file that it is in.
pub fn findings(gate: &Gate, policy: &Policy) -> Result<Vec<(PathBuf, Finding)>, Problem> {
    let index = gate.index(&policy.name);
    let airplanes = gate.airplanes.get(&policy.name).cloned().unwrap_or_default();
    let written = std::fs::read_to_string(policy.folder.join("policy.yaml")).unwrap_or_default();
    let tags = |name: &str| index.as_ref().and_then(|index| Some(index.pages().get(name)?.tags.clone()));
    let (pages, unread) = docs::written(policy)?;
    let mut texts: Vec<Text> = pages
        .into_iter()
        .map(|page| Text { tags: Some(tags(&page.name).unwrap_or_default()), file: page.file, text: page.text })
        .collect();
    let prose = |file: String, text: String| Text { file, text, tags: None };
    texts.extend(policy.standing.iter().map(|standing| prose(standing.file().to_owned(), standing.text().to_owned())));
    for step in policy.path.iter().flat_map(|path| path.steps()) {
        let file = step.prompt.name();
        let text = std::fs::read_to_string(policy.folder.join(file)).unwrap_or_default();
        texts.push(prose(file.to_owned(), text));
    }
    let advice = policy.lockdown.as_ref().and_then(|rules| rules.advice());
    texts.extend(advice.map(|advice| prose(String::from("policy.yaml"), advice.to_owned())));
    texts.extend(
        airplanes.iter().map(|plane| prose(format!("airplanes/{}/README.md", plane.name), plane.readme.clone())),
    );
    let facts = Facts {
        lockdown: policy.lockdown.as_ref(),
        context: policy.context.as_ref(),
        path: policy.path.as_deref(),
        index: index.as_deref(),
        airplanes: &airplanes,
        texts: &texts,
        policy: &written,
    };
    let unreadable = unread.into_iter().map(|(file, why)| Finding {
        file,
        line: 1,
        rule: "unreadable",
        sentence: format!("It is left out: {why}."),
    });
    Ok(unreadable.chain(lint(&facts)).map(|finding| (policy.folder.join(&finding.file), finding)).collect())
}
