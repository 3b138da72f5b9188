//! What operators see of documentation, and what they do about it.

use super::*;

#[test]
fn a_search_shows_what_would_be_inserted_and_why_the_rest_would_not() {
    let provider = provider("scenarios: []");
    let large = format!("# Large\nAn exception. {}\n", "Much more of it is said. ".repeat(600));
    let jetway = Setup::new(&provider.url())
        .with("context: { docs: docs, allowance: 300, min_score: 0.05 }\n")
        .file("open/docs/a.md", "# Capture\nCapture an exception by `captureException`.\n")
        .file("open/docs/b.md", "---\nlanguages: [ruby]\n---\n# Capture\nCapture an exception in Ruby.\n")
        .file("open/docs/g.md", "---\nframeworks: [rails]\n---\n# Capture\nCapture an exception in Rails.\n")
        .file("open/docs/c.md", "# Other\nWhere other things are.\n\n# Names\nEvents have names.\n")
        .file("open/docs/d.md", &large)
        .file("open/docs/e.md", &format!("# Capture an exception\nCapture it: {}\n", "and so on, ".repeat(20)))
        .file("open/docs/f.md", &format!("# Capture an exception\nCapture it: {}\n", "or so, then ".repeat(20)))
        .start();
    let found = jetway.json(&["docs", "search", "open", TASK, "--json"]);
    let sent = shown(&jetway, &provider, "one");
    let text = found["inserted"]["text"].as_str().unwrap();
    assert!(sent.contains(json!(text).to_string().trim_matches('"')), "{text}\n{sent}");
    let why = |page: &str| {
        let row = found["ranked"].as_array().unwrap().iter().find(|row| row["page"] == page).unwrap();
        (row["inserted"].as_bool().unwrap(), row["left_out"].as_str().map(str::to_owned))
    };
    let left_out = |why: &str| (false, Some(why.to_owned()));
    assert_eq!((why("b.md"), why("d.md")), (left_out("language"), left_out("large")), "{found}");
    assert_eq!(why("g.md"), left_out("framework"), "{found}");
    let counted =
        |why: &str| metric(&jetway, &format!("jetway_passages_left_out_total{{policy=\"open\",reason=\"{why}\"}}"));
    assert_eq!((counted("language"), counted("framework")), (1, 1));
    // Of these two there is room for one.
    let mut two = [why("e.md"), why("f.md")];
    two.sort();
    assert_eq!(two, [left_out("allowance"), (true, None)], "{found}");
    let said = String::from_utf8(jetway.command(&["docs", "search", "open", TASK]).stdout).unwrap();
    assert!(said.contains("other language") && said.contains("other framework"), "{said}");
    assert!(said.contains("larger than the allowance"), "{said}");
    assert!(said.contains("no room left") && said.contains("Inserted with the task, "), "{said}");
    let file = jetway.folder.path().join("policies/open/policy.yaml");
    let before = std::fs::read_to_string(&file).unwrap();
    std::fs::write(&file, before.replace("min_score: 0.05", "min_score: 90")).unwrap();
    let said = String::from_utf8(jetway.command(&["docs", "search", "open", TASK]).stdout).unwrap();
    assert!(said.contains("score too low") && said.contains("Nothing is inserted with the task."), "{said}");
    std::fs::write(&file, before).unwrap();
    // And what no task can bring in is told without one.
    let said = String::from_utf8(jetway.command(&["docs", "status"]).stdout).unwrap();
    assert!(said.contains("open: d.md\n  1 of its sections are larger than the allowance"), "{said}");
    assert!(jetway.log().contains("sections are larger than the allowance"));
}

#[test]
fn what_an_operator_fetches_is_taken_up_by_the_gateway_that_runs() {
    let (provider, pages) = (provider("scenarios: []"), Pages::start());
    pages.put("/a.md", "text/markdown", "# A\nThe first exception.\n");
    let source = format!("{{ url: '{}', refresh: 1d }}", pages.url("/a.md"));
    let jetway = setup(&provider, &[source], "").start();
    eventually(|| shown(&jetway, &provider, &fresh()).contains("The first"));
    pages.put("/a.md", "text/markdown", "# A\nThe second exception.\n");
    let said = |args: &[&str]| String::from_utf8(jetway.command(args).stdout).unwrap();
    let first = said(&["docs", "refresh", "open"]);
    assert!(first.contains(&format!("fetched    {}", pages.url("/a.md"))) && first.contains("1 fetched, 0"), "{first}");
    eventually(|| shown(&jetway, &provider, &fresh()).contains("The second"));
    assert!(said(&["docs", "refresh"]).contains("0 fetched, 1 unchanged, 0 failed"));
    pages.go_down();
    let failed = jetway.command(&["docs", "refresh"]);
    assert!(!failed.status.success() && String::from_utf8_lossy(&failed.stderr).contains("nothing could be fetched"));
    assert!(shown(&jetway, &provider, &fresh()).contains("The second"));
}

#[test]
fn other_sources_count_as_soon_as_they_are_configured_and_few_pages_are_asked_for_at_once() {
    let (provider, pages) = (provider("scenarios: []"), Pages::start());
    pages.put("/a.md", "text/markdown", "# A\nThe first exception.\n");
    let list: String = (0..40).map(|number| format!("- [page](/pages/{number}.md)\n")).collect();
    pages.put("/llms.txt", "text/plain", list);
    for number in 0..40 {
        let about = if number == 39 { "To capture an exception" } else { "Something else" };
        let text = format!("# Page {number}\n{about}: number {number} of those listed.\n");
        pages.put(&format!("/pages/{number}.md"), "text/markdown", text);
    }
    let jetway = setup(&provider, &[url(&pages, "/a.md", "")], "").start();
    eventually(|| shown(&jetway, &provider, &fresh()).contains("The first"));

    pages.slow_down(Duration::from_millis(30));
    let listed = format!("    - {{ llms_txt: '{}' }}\n", pages.url("/llms.txt"));
    jetway.edit(&context(&listed, ""));
    eventually(|| shown(&jetway, &provider, &fresh()).contains("of those listed"));
    assert!(!shown(&jetway, &provider, &fresh()).contains("The first"), "a source that is gone is shown no more");
    let most = pages.most_at_once();
    assert!((2..=8).contains(&most), "{most}");

    let stale = "jetway_docs_stale_pages{policy=\"open\"";
    assert!(jetway.metrics().contains(stale));
    jetway.edit("");
    eventually(|| !jetway.metrics().contains(stale));
}

#[test]
fn a_page_that_asks_for_what_a_rule_forbids_is_told_with_its_line() {
    let provider = provider("scenarios: []");
    let lock = "lockdown: { allow: ['*'], deny: ['reads(**/.env*)'] }\ncontext: { docs: docs, min_score: 0 }\n";
    let page = "# Keys\nLook at them first.\n```sh\ncat .env\n```\n";
    let jetway = Setup::new(&provider.url()).with(lock).file("open/docs/keys.md", page).start();
    let check = |args: &[&str]| {
        let output = jetway.command(args);
        let text = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
        (output.status.success(), text)
    };
    let (is_sound, said) = check(&["check"]);
    assert!(is_sound && said.contains("policies/open/docs/keys.md:4: [forbidden] "), "{said}");
    assert!(said.contains("Sound, with 1 doubt;"), "{said}");
    let (is_sound, said) = check(&["check", "--strict"]);
    assert!(!is_sound && said.contains("1 doubt"), "{said}");
    let report = jetway.json(&["check", "--json"]);
    assert_eq!(
        (&report["ok"], &report["doubts"][0]["line"], &report["doubts"][0]["rule"]),
        (&json!(true), &json!(4), &json!("forbidden"))
    );
}
