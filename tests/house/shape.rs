//! Sizes, and who alone may do what.

use std::path::Path;

use crate::sources;

const CODE: [&str; 3] = ["gateway/src", "gateway/core/src", "gateway/scripted/src"];

#[test]
fn no_file_is_over_600_lines() {
    for folder in CODE {
        for (path, text) in sources(folder) {
            let lines = text.split("#[cfg(test)]").next().unwrap().lines().count();
            assert!(lines <= 600, "{folder}/{} has {lines} lines; it is probably two things", path.display());
        }
    }
}

/// Only these files of the gateway may hold this text.
fn only(text: &str, homes: &[&str]) {
    for (path, source) in sources("gateway/src") {
        let is_home = homes.iter().any(|home| path.starts_with(Path::new(home)));
        assert!(is_home || !source.contains(text), "{} has `{text}`, which belongs to {homes:?}", path.display());
    }
}

#[test]
fn each_thing_has_its_one_home() {
    only("impl Body for", &["reply/mod.rs"]);
    only("wire::error", &["refusal.rs"]);
    only("IntCounterVec", &["metrics"]);
    only("stdout()", &["cli/out.rs"]);
    only("env::var", &["config/mod.rs"]);
    only("Connection::open", &["store.rs"]);
}

#[test]
fn no_lint_is_silenced_and_no_test_is_skipped() {
    let silenced = ["#[allow", "#[ignore"].map(|begin| begin.to_owned());
    let marks = ["todo", "unimplemented"].map(|name| format!("{name}!("));
    for folder in CODE.into_iter().chain(["tests", "gateway/core/tests"]) {
        for (path, text) in sources(folder) {
            let found = silenced
                .iter()
                .chain(&marks)
                .find(|mark| text.lines().any(|line| line.trim_start().starts_with(*mark)));
            assert_eq!(found, None, "{folder}/{}", path.display());
        }
    }
}

#[test]
fn core_does_no_input_or_output() {
    for (path, text) in sources("gateway/core/src") {
        for word in ["std::fs", "std::net", "std::env", "tokio", "hyper", "async fn", "SystemTime", "Instant"] {
            let found = text.lines().find(|line| !line.trim_start().starts_with("//") && line.contains(word));
            assert_eq!(found, None, "core/{} knows of {word}", path.display());
        }
    }
}
