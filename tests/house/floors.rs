//! A module imports only from lower floors; the floors stand in the first lines of each `lib.rs`.

use std::collections::BTreeMap;
use std::path::Path;

use crate::sources;

/// The floors as `lib.rs` lists them: modules of one floor between commas, floors between `<`.
fn floors(lib: &str) -> BTreeMap<String, usize> {
    let documentation: String = lib.lines().map_while(|line| line.strip_prefix("//!")).collect::<Vec<_>>().join(" ");
    let list = documentation.split("Floors").nth(1).unwrap();
    let mut found = BTreeMap::new();
    for (height, floor) in list.split('<').enumerate() {
        // Names stand in backticks, several to a pair or one each.
        for quoted in floor.split('`').skip(1).step_by(2) {
            for name in quoted.split(',') {
                found.insert(name.trim().to_owned(), height);
            }
        }
    }
    found
}

fn module_of(path: &Path) -> String {
    let first = path.components().next().unwrap().as_os_str().to_string_lossy().into_owned();
    first.trim_end_matches(".rs").to_owned()
}

/// The modules of the crate that a file imports or names, tests apart.
fn imports(text: &str) -> Vec<String> {
    let code = text.split("#[cfg(test)]").next().unwrap();
    let mut found = Vec::new();
    for part in code.split("crate::").skip(1) {
        match part.strip_prefix('{') {
            Some(list) => {
                let list = list.split(';').next().unwrap();
                let mut depth = 0;
                let mut word = String::new();
                for c in list.chars() {
                    match c {
                        '{' => depth += 1,
                        '}' if depth > 0 => depth -= 1,
                        ',' | '}' if depth == 0 => found.push(std::mem::take(&mut word)),
                        _ if depth == 0 => word.push(c),
                        _ => {}
                    }
                }
            }
            None => found.push(part.to_owned()),
        }
    }
    let first_word = |text: String| {
        let text = text.trim().to_owned();
        text.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect::<String>()
    };
    found.into_iter().map(first_word).filter(|name| name.starts_with(|c: char| c.is_ascii_lowercase())).collect()
}

fn check(folder: &str, above_all: &[&str]) {
    let files = sources(folder);
    let lib = &files.iter().find(|(path, _)| path == Path::new("lib.rs")).unwrap().1;
    let floors = floors(lib);
    let mut wrong = Vec::new();
    for (path, text) in &files {
        let module = module_of(path);
        if above_all.contains(&module.as_str()) {
            continue;
        }
        let Some(height) = floors.get(&module) else {
            wrong.push(format!("{} is on no floor in {folder}/lib.rs", path.display()));
            continue;
        };
        for import in imports(text) {
            let Some(other) = floors.get(&import) else { continue };
            if import != module && other >= height {
                wrong.push(format!("{} (floor {height}) uses {import} (floor {other})", path.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn the_gateway_s_modules_use_only_lower_floors() {
    check("gateway/src", &["lib", "main"]);
}

#[test]
fn core_s_modules_use_only_lower_floors() {
    check("gateway/core/src", &["lib"]);
}

#[test]
fn imports_are_found_however_they_are_written() {
    assert_eq!(
        imports("use crate::a::{B, c};\nuse crate::{d, e::{f, g}, h};\nlet x = crate::i::j();"),
        ["a", "d", "e", "h", "i"]
    );
    assert!(imports("#[cfg(test)]\nmod tests { use crate::a::B; }").is_empty());
}
