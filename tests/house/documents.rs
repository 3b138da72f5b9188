//! What is written for people agrees with the program: schemas, examples, the shipped policies.

use std::path::Path;

use jetway::config::{Config, Secrets, schema, yaml};
use jetway::gate::Gate;
use jetway::metrics::Metrics;
use jetway_core::policy::Document;
use jetway_core::retrieval::airplane;
use jetway_support::root;

#[test]
fn the_schemas_are_what_the_program_reads() {
    for (name, text) in schema::all() {
        let path = root().join("config/schema").join(name);
        let kept = std::fs::read_to_string(&path).unwrap_or_default();
        assert!(kept == text, "{} is out of date; `jetway schema` writes it", path.display());
    }
}

#[test]
fn the_shipped_configuration_and_policies_are_sound() {
    jetway::tls::install();
    let gate = Config::load(&root().join("config/gateway.yaml"), Secrets::Leave).and_then(Gate::build);
    let gate = gate.unwrap_or_else(|problems| std::panic::panic_any(jetway::app::listed(&problems)));
    let names: Vec<_> = gate.config.policies.keys().cloned().collect();
    assert_eq!(names, ["coding", "wizard"]);
    for (policy, least) in [("wizard", 40), ("coding", 5)] {
        assert!(gate.index(policy).unwrap().chunks().len() >= least, "{policy} has lost its documents");
    }
}

#[test]
fn nothing_is_doubtful_in_the_shipped_policies() {
    let output = jetway_support::jetway(&root(), &["check", "--strict"]).output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && said.contains("All sound."), "{said}");
}

#[test]
fn the_page_of_metrics_is_what_the_program_has() {
    let metrics = Metrics::new().unwrap();
    let kept = std::fs::read_to_string(root().join("dashboards/METRICS.md")).unwrap_or_default();
    let fresh = jetway::metrics::page(metrics.described());
    assert!(kept == fresh, "it is out of date: jetway metrics --markdown > dashboards/METRICS.md");
    assert!(metrics.described().iter().all(|metric| metric.help.ends_with('.')), "a meaning is a sentence");
}

/// The YAML examples of a page, with the line they begin on.
fn examples(markdown: &str) -> Vec<(usize, String)> {
    let mut found = Vec::new();
    let mut open: Option<(usize, String)> = None;
    for (number, line) in markdown.lines().enumerate() {
        match &mut open {
            None if line.trim() == "```yaml" => open = Some((number + 1, String::new())),
            None => {}
            Some(_) if line.trim() == "```" => found.extend(open.take()),
            Some((_, text)) => {
                text.push_str(line);
                text.push('\n');
            }
        }
    }
    found
}

/// A policy with the sections of an example, and plain ones for what it leaves out.
fn completed(example: &str) -> String {
    let sections = [
        ("about:", "about: An example.\n"),
        ("identity:", "identity: { accept: [keys] }\n"),
        ("models:", "models: { allow: ['claude-*'], providers: [anthropic] }\n"),
    ];
    let missing = sections.iter().filter(|(name, _)| !example.lines().any(|line| line.starts_with(name)));
    missing.map(|(_, text)| *text).chain([example]).collect()
}

#[test]
fn every_example_in_the_documentation_is_valid() {
    let mut count = 0;
    for page in ["README.md", "ARCHITECTURE.md"] {
        let file = root().join(page);
        for (line, example) in examples(&std::fs::read_to_string(&file).unwrap()) {
            count += 1;
            let head = example.lines().next().unwrap_or_default();
            if head.contains("policy.yaml") {
                let result = yaml::parse::<Document>(Path::new(page), &completed(&example));
                assert!(result.is_ok(), "{page}, line {line}: {}", result.unwrap_err());
            } else if head.contains("gateway.yaml") {
                check_gateway(page, line, &example);
            } else if head.contains("airplane.yaml") {
                let result = yaml::parse::<airplane::Document>(Path::new(page), &example);
                assert!(result.is_ok(), "{page}, line {line}: {}", result.unwrap_err());
                assert_eq!(result.unwrap().check(), Ok(()), "{page}, line {line}");
            } else {
                std::panic::panic_any(format!(
                    "{page}, line {line}: the first line must say which file it is of: # policy.yaml"
                ));
            }
        }
    }
    assert!(count >= 5, "the examples were not found");
}

/// An example of gateway.yaml is tried in the place of the shipped file's sections of these names.
fn check_gateway(page: &str, line: usize, example: &str) {
    let folder = tempfile::tempdir().unwrap();
    let write = |path: &str, text: &str| {
        let path = folder.path().join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    };
    let names: Vec<&str> = example.lines().filter_map(|line| line.split_once(':')).map(|(name, _)| name).collect();
    let shipped = std::fs::read_to_string(root().join("config/gateway.yaml")).unwrap();
    let mut kept = String::new();
    let mut keeps = true;
    for line in shipped.lines() {
        if let Some((name, _)) = line.split_once(':').filter(|(name, _)| !name.starts_with([' ', '#'])) {
            keeps = !names.contains(&name);
        }
        if keeps {
            kept.push_str(line);
            kept.push('\n');
        }
    }
    write("config/gateway.yaml", &format!("{kept}\n{example}"));
    write("config/prices.yaml", "prices: []\n");
    let provider = if example.contains("providers:") { first_provider(example) } else { "anthropic" };
    let policy =
        format!("about: x\nidentity: {{ accept: [keys] }}\nmodels: {{ allow: ['*'], providers: [{provider}] }}\n");
    write("policies/coding/policy.yaml", &policy);
    let result = Config::load(&folder.path().join("config/gateway.yaml"), Secrets::Leave);
    assert!(result.is_ok(), "{page}, line {line}: {}", jetway::app::listed(&result.unwrap_err()));
}

fn first_provider(example: &str) -> &str {
    let after = example.split("providers:").nth(1).unwrap();
    after.lines().find_map(|line| line.trim().strip_suffix(':')).unwrap()
}
