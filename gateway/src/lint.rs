//! What people got wrong in what they wrote for a policy.

use std::path::{Path, PathBuf};

use jetway_core::lint::{Facts, Finding, Text, lint};

use crate::airplanes;
use crate::config::{Policy, Problem};
use crate::docs;
use crate::gate::Gate;

/// No more files are listed, for links to be held against; with more it is not known what is there.
const MOST_FILES: usize = 20_000;

/// What is wrong with a policy, each with the file that it is in.
pub fn findings(gate: &Gate, policy: &Policy) -> Result<Vec<(PathBuf, Finding)>, Problem> {
    let index = gate.index(&policy.name);
    let planes = gate.airplanes.get(&policy.name).cloned().unwrap_or_default();
    let read = |file: &str| std::fs::read_to_string(policy.folder.join(file)).unwrap_or_default();
    let written = read("policy.yaml");
    let tags = |name: &str| index.as_ref().and_then(|index| Some(index.pages().get(name)?.tags.clone()));
    let (pages, unread) = docs::written(policy)?;
    let mut texts: Vec<Text> = pages
        .into_iter()
        .map(|page| {
            let tags = Some(tags(&page.name).unwrap_or_default());
            Text { tags, file: page.file, text: page.text, page: Some(page.name) }
        })
        .collect();
    let prose = |file: String, text: String| Text { file, text, tags: None, page: None };
    texts.extend(policy.standing.iter().map(|standing| prose(standing.file().to_owned(), standing.text().to_owned())));
    for step in policy.path.iter().flat_map(|path| path.steps()) {
        let file = step.prompt.name();
        if !texts.iter().any(|text| text.file == file) {
            texts.push(prose(file.to_owned(), read(file)));
        }
    }
    texts.extend(policy.interrogation.iter().map(|interrogation| {
        let file = interrogation.rules.ask().name().to_owned();
        prose(file, interrogation.question.prose().to_owned())
    }));
    let advice = policy.lockdown.as_ref().and_then(|rules| rules.advice());
    texts.extend(advice.map(|advice| prose(String::from("policy.yaml"), in_place(advice, &written))));
    texts.extend(planes.iter().map(|plane| {
        let file = format!("airplanes/{}/README.md", plane.name);
        Text { tags: Some(plane.tags.clone()), ..prose(file, plane.readme.clone()) }
    }));
    let manifests: Vec<String> =
        planes.iter().map(|plane| read(&format!("airplanes/{}/{}", plane.name, airplanes::MANIFEST))).collect();
    let mut files = Vec::new();
    let is_whole = list(&policy.folder, "", &mut files);
    let vain = gate.shelves.get(&policy.name).map(|shelf| shelf.vain()).unwrap_or_default();
    let facts = Facts {
        lockdown: policy.lockdown.as_ref(),
        context: policy.context.as_ref(),
        path: policy.path.as_deref(),
        index: index.as_deref(),
        airplanes: &planes,
        manifests: &manifests,
        texts: &texts,
        policy: &written,
        files: if is_whole { &files } else { &[] },
        vain: &vain,
    };
    let unreadable = unread.into_iter().map(|unread| Finding {
        file: unread.path,
        line: 1,
        rule: "unreadable",
        sentence: format!("It is left out: {}.", unread.why),
    });
    Ok(unreadable.chain(lint(&facts)).map(|finding| (policy.folder.join(&finding.file), finding)).collect())
}

/// A text that stands in a file, with as many empty lines before it as there are lines above it there.
fn in_place(text: &str, file: &str) -> String {
    let begin = text.split(' ').take(3).collect::<Vec<_>>().join(" ");
    let above = file.lines().position(|line| line.contains(begin.trim_end())).unwrap_or(0);
    format!("{}{text}", "\n".repeat(above))
}

/// Lists the files below a folder, from the policy's; what is hidden and what packages bring is left
/// out. False where there are too many, or where it cannot be read.
fn list(folder: &Path, below: &str, files: &mut Vec<String>) -> bool {
    let Ok(entries) = std::fs::read_dir(folder) else { return false };
    entries.flatten().all(|entry| {
        let name = entry.file_name().to_string_lossy().into_owned();
        let path = format!("{below}{name}");
        let Ok(kind) = entry.file_type() else { return false };
        if kind.is_dir() {
            let is_apart = name.starts_with('.') || ["node_modules", "target"].contains(&name.as_str());
            return is_apart || list(&entry.path(), &format!("{path}/"), files);
        }
        files.push(path);
        files.len() <= MOST_FILES
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Config, Secrets};

    const GATEWAY: &str = "listen: 127.0.0.1:0\npolicies: policies\ndefault_policy: p\nproviders:\n  a: { kind: anthropic, base_url: 'https://api.example.com', models: ['*'], credentials: passthrough }\n";
    const POLICY: &str = "about: A policy.\nidentity: { accept: [passthrough] }\nmodels: { allow: ['*'], providers: [a] }\nlockdown: { allow: ['*'], deny: ['Web*'] }\n";

    /// `file:line rule` of all that is found in a policy with these files, and with this in its
    /// `policy.yaml`.
    #[track_caller]
    fn check(more: &str, files: &[(&str, &str)], expect: &[&str]) {
        check_policy(&format!("{POLICY}{more}"), files, expect);
    }

    #[track_caller]
    fn check_policy(policy: &str, files: &[(&str, &str)], expect: &[&str]) {
        let folder = tempfile::tempdir().unwrap();
        let own = folder.path().join("policies/p");
        for (name, text) in files.iter().copied().chain([("policy.yaml", policy)]) {
            let path = own.join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        }
        let config = folder.path().join("config");
        std::fs::create_dir_all(&config).unwrap();
        std::fs::copy(jetway_support::root().join("config/prices.yaml"), config.join("prices.yaml")).unwrap();
        let file = config.join("gateway.yaml");
        std::fs::write(&file, GATEWAY).unwrap();
        let gate = Config::load(&file, Secrets::Leave).and_then(Gate::build).unwrap();
        let found = findings(&gate, &gate.config.policies["p"]).unwrap();
        let told: Vec<String> =
            found.iter().map(|(_, found)| format!("{}:{} {}", found.file, found.line, found.rule)).collect();
        assert_eq!(told, expect, "{found:#?}");
    }

    #[test]
    fn a_page_is_known_by_the_name_that_the_index_has_for_it() {
        let python = "---\nlanguages: [typescript]\n---\n# Starting\nHow it starts.\n```python\nx = 1\n```\n";
        let large = format!("# Ending\nHow it ends.\n{}", "Many words about ends. ".repeat(20));
        let other = "# Other things\nWhat else there is.\n";
        let told = ["docs/a.md:6 fence-language", "more/b.md:1 unreachable"];
        let both = [("docs/a.md", python), ("docs/x/b.md", other), ("more/b.md", &large)];
        check("context: { docs: [{ folder: docs }, { folder: more/ }], allowance: 100, min_score: 0 }\n", &both, &told);
        // A page in a folder of its own whose name ends alike is another.
        let one = [("docs/a.md", python), ("docs/x/b.md", other), ("docs/b.md", &large)];
        let told = ["docs/a.md:6 fence-language", "docs/b.md:1 unreachable"];
        check("context: { docs: docs, allowance: 100, min_score: 0 }\n", &one, &told);
    }

    #[test]
    fn an_advice_is_told_by_its_line_in_the_policy() {
        let advised = "context: { docs: docs, min_score: 0 }\n";
        let folded =
            POLICY.replace("deny: ['Web*'] }", "deny: ['Web*'],\n  advice: Look it up with the `WebFetch` tool. }");
        let texts = [("docs/a.md", "# Links\nWhat leads where.\n")];
        check_policy(&format!("{folded}{advised}"), &texts, &["policy.yaml:5 refused-tool"]);
    }

    #[test]
    fn a_source_or_a_step_that_there_is_not_is_told_by_its_line() {
        let more =
            "context:\n  docs: [{ folder: docs }]\n  min_score: 0\nbreadcrumbs: [{ id: look, prompt: look.md }]\n";
        let manifest = "about: A.\nlanguages: [python]\nfiles:\n  - { path: a.py, shows: It., steps: [lok] }\nrun: { start: x }\nvisit: []\n";
        let files = [
            ("docs/a.txt", ""),
            ("look.md", "Look.\n{% if 'next.js' in frameworks %}On.{% endif %}\n"),
            ("airplanes/one/airplane.yaml", manifest),
            ("airplanes/one/README.md", "# One\n"),
            ("airplanes/one/a.py", "x = 1\n"),
        ];
        let told = ["airplanes/one/airplane.yaml:4 unreachable", "look.md:2 unreachable", "policy.yaml:6 unreachable"];
        check(more, &files, &told);
    }

    #[test]
    fn the_question_at_the_end_and_the_files_beside_are_looked_at() {
        let ask = "interrogation: { ask: ask.md, allowance: { usd: 1, every: day } }\ncontext: { docs: docs, min_score: 0 }\n";
        let page = "# Links\n![seen](a.png) ![not](b.png) [above](../ask.md)\n";
        let files = [("ask.md", "Look it up with the `WebFetch` tool.\n"), ("docs/a.md", page), ("docs/a.png", "")];
        check(ask, &files, &["ask.md:1 refused-tool", "docs/a.md:2 dead-link"]);
    }
}
