//! The house rules that a compiler does not hold: floors, sizes, drift, and who may do what.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on should say where")]

mod dashboards;
mod documents;
mod floors;
mod promql;
mod shape;

use std::path::{Path, PathBuf};

use jetway_support::root;

/// Every Rust file under a folder of the project, by its path there.
fn sources(folder: &str) -> Vec<(PathBuf, String)> {
    let top = root().join(folder);
    let mut found = Vec::new();
    collect(&top, &mut found);
    found.sort();
    let relative =
        |path: PathBuf| (path.strip_prefix(&top).unwrap().to_owned(), std::fs::read_to_string(&path).unwrap());
    found.into_iter().map(relative).collect()
}

fn collect(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            // What a build of the fuzz targets left there is nobody's to write.
            if !path.ends_with("target") {
                collect(&path, found);
            }
        } else if path.extension().is_some_and(|end| end == "rs") {
            found.push(path);
        }
    }
}
