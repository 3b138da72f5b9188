//! Model airplanes fly: those that are shipped, and what is said of those that do not.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on should say where")]

mod grounded;

use std::io::Write;
use std::net::ToSocketAddrs;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use jetway_support::{jetway, root};
use serde_json::Value;

/// All of them together take no longer, with nothing in any cache.
const LIMIT: Duration = Duration::from_secs(25 * 60);
/// A cache that has grown larger is thrown away.
const MAX_CACHE: u64 = 2 << 30;

#[expect(clippy::disallowed_methods, reason = "the tests' own environment, not Jetway's")]
fn environment(name: &str) -> PathBuf {
    PathBuf::from(std::env::var_os(name).unwrap_or_default())
}

/// What is kept from one run for the next.
fn cache() -> PathBuf {
    let cache = Some(environment("XDG_CACHE_HOME")).filter(|cache| cache.is_absolute());
    cache.unwrap_or_else(|| environment("HOME").join(".cache")).join("jetway/airplanes")
}

fn size(folder: &Path) -> u64 {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let sizes = entries.map(|entry| match entry.metadata() {
        Ok(found) if found.is_dir() => size(&entry.path()),
        found => found.map_or(0, |found| found.len()),
    });
    sizes.sum()
}

/// Runs a command of Jetway's in a folder, and reads the JSON that it writes.
fn run(folder: &Path, args: &[&str]) -> (bool, Value) {
    let place = tempfile::tempdir().unwrap();
    let file = |name: &str| place.path().join(name);
    let mut command = jetway(folder, args);
    // What cargo builds is kept for the next time, and npm asks for nothing that it has.
    command.env("CARGO_TARGET_DIR", cache().join("target")).env("CARGO_INCREMENTAL", "0");
    command.env("npm_config_prefer_offline", "true");
    command.stdin(Stdio::null()).process_group(0);
    command.stdout(std::fs::File::create(file("out")).unwrap()).stderr(std::fs::File::create(file("err")).unwrap());
    let begun = Instant::now();
    let mut child = command.spawn().unwrap();
    let status = loop {
        if let Some(status) = child.try_wait().unwrap() {
            break status;
        }
        if begun.elapsed() > LIMIT {
            // It ends what it started; a kill would not.
            drop(Command::new("kill").args(["-TERM", &child.id().to_string()]).status());
            panic!("jetway {} took longer than {LIMIT:?}: {}", args.join(" "), child.wait().unwrap());
        }
        std::thread::sleep(Duration::from_millis(50));
    };
    let out = std::fs::read(file("out")).unwrap();
    let json = serde_json::from_slice(&out);
    let json = json.unwrap_or_else(|_| panic!("{}", std::fs::read_to_string(file("err")).unwrap()));
    (status.success(), json)
}

/// Says something that a person sees although the test passes.
fn say(text: &str) {
    drop(writeln!(std::io::stderr(), "{text}"));
}

fn is_here(program: &str) -> bool {
    std::env::split_paths(&environment("PATH")).any(|folder| folder.join(program).is_file())
}

fn words(value: &Value) -> Vec<&str> {
    value.as_array().unwrap().iter().map(|word| word.as_str().unwrap()).collect()
}

#[test]
fn the_shipped_ones_fly() {
    // Each run is in a folder of its own, and leaves a program more in cargo's.
    if size(&cache()) > MAX_CACHE {
        std::fs::remove_dir_all(cache()).unwrap();
    }
    let (_, listed) = run(&root(), &["airplanes", "list", "wizard", "--json"]);
    let gems = ("rubygems.org", 443).to_socket_addrs().is_ok();
    let mut args = vec!["airplanes", "check", "wizard", "--json"];
    let mut missing = Vec::new();
    for airplane in listed.as_array().unwrap() {
        let (name, needs) = (airplane["airplane"].as_str().unwrap(), words(&airplane["needs"]));
        if needs.iter().any(|need| !is_here(need)) {
            missing.push(name);
        } else if needs.contains(&"bundle") && !gems {
            say(&format!("{name}: not checked, for rubygems.org cannot be reached from here"));
            continue;
        }
        args.push(name);
    }
    assert!(args.len() > 4, "the airplanes were not found");
    let (_, report) = run(&root(), &args);
    let (mut failed, mut unchecked) = (Vec::new(), Vec::new());
    for airplane in report["airplanes"].as_array().unwrap() {
        let (name, result) = (airplane["airplane"].as_str().unwrap(), airplane["result"].as_str().unwrap());
        say(&format!("{name}: {result}, {} s, {}", airplane["seconds"], airplane["steps"]));
        match result {
            "passed" => {}
            "not checked" => unchecked.push(name),
            _ => failed.push(format!("{name}: {:#?}\n{}", airplane["why"], words(&airplane["output"]).join("\n"))),
        }
    }
    assert!(failed.is_empty(), "{}", failed.join("\n"));
    assert_eq!(unchecked, missing);
    assert!(report["flown"].as_u64().unwrap() > 0, "none was flown");
}
