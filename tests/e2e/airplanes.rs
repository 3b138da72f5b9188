//! Checking model airplanes, as far as no browser is needed.

use std::os::unix::fs::PermissionsExt;

use jetway_support::jetway;
use serde_json::Value;

#[test]
fn commands_of_an_airplane_see_no_key_of_whoever_checks_it() {
    let place = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| {
        let file = place.path().join(name);
        std::fs::create_dir_all(file.parent().unwrap()).unwrap();
        std::fs::write(&file, text).unwrap();
        std::fs::set_permissions(file, PermissionsExt::from_mode(0o755)).unwrap();
    };
    // They are only looked for: what is tried ends before there is anything to look at.
    write("bin/chromium", "#!/bin/sh\n");
    write("bin/chromedriver", "#!/bin/sh\n");
    for (name, run) in [
        ("install", "install: env; exit 3, start: exit 4"),
        ("build", "build: env; exit 3, start: exit 4"),
        ("start", "start: env; exit 3"),
    ] {
        let run = format!("run: {{ env: {{ OWN: '{{key}}' }}, {run} }}");
        let yaml = format!("about: A.\nlanguages: [python]\nfiles: [{{ path: a.py, shows: It. }}]\n{run}\nvisit: []\n");
        write(&format!("planes/{name}/airplane.yaml"), &yaml);
        write(&format!("planes/{name}/README.md"), "# A\n");
        write(&format!("planes/{name}/a.py"), "a\n");
        write(&format!("planes/{name}/events.json"), r#"[{ "event": "never_sent" }]"#);
    }
    let mut command = jetway(place.path(), &["airplanes", "check", "--folder", "planes", "--json"]);
    let path = format!("{}:/usr/bin:/bin", place.path().join("bin").display());
    command.env_clear().env("PATH", &path).env("HTTPS_PROXY", "http://proxy.test:1");
    command.env("ANTHROPIC_API_KEY", "sk-secret").env("PIP_INDEX_URL", "https://pypi.test/simple");
    let output = command.output().unwrap();
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    for name in ["install", "build", "start"] {
        let planes = report["airplanes"].as_array().unwrap();
        let found = planes.iter().find(|found| found["airplane"] == name).unwrap();
        let seen: Vec<_> = found["output"].as_array().unwrap().iter().map(|line| line.as_str().unwrap()).collect();
        let has = |wanted: &str| seen.iter().any(|line| line.starts_with(wanted));
        let path = format!("PATH={path}");
        for wanted in [path.as_str(), "HTTPS_PROXY=http://proxy.test:1", "PIP_INDEX_URL=https", "PORT=", "OWN=phc_"] {
            assert!(has(wanted), "{name}, {wanted}: {seen:?}");
        }
        assert!(!report.to_string().contains("sk-secret") && !has("ANTHROPIC"), "{name}: {seen:?}");
    }
}

#[test]
fn an_airplane_that_shows_a_file_from_elsewhere_is_not_read() {
    let place = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| std::fs::write(place.path().join(name), text).unwrap();
    std::fs::create_dir(place.path().join("plane")).unwrap();
    let yaml = "about: A.\nlanguages: [python]\nfiles: [{ path: a.py, shows: It. }]\nrun: { start: x }\nvisit: []\n";
    write("plane/airplane.yaml", yaml);
    write("plane/README.md", "# A\n");
    write("secret", "sk-secret");
    std::os::unix::fs::symlink("../secret", place.path().join("plane/a.py")).unwrap();
    let output = jetway(place.path(), &["airplanes", "list", "--folder", "plane"]).output().unwrap();
    let error = String::from_utf8(output.stderr).unwrap();
    assert!(error.contains("a link that leads out of the airplane's folder") && !output.status.success(), "{error}");
    assert!(error.contains("airplane.yaml:3") && !error.contains("sk-secret"), "{error}");
}
