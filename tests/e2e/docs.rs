//! Documentation from the web: fetched in the background, kept, marked when it is old, and refused
//! where it leads to what only Jetway can reach.

mod operators;

use std::time::{Duration, SystemTime};

use serde_json::{Value, json};

use jetway_scripted::Provider;
use jetway_support::client::post;
use jetway_support::pages::Pages;
use jetway_support::tls::{Authority, Identity, Subject};
use jetway_support::{Jetway, Setup, eventually, provider};

const TASK: &str = "Where do I capture an exception?";

/// A policy with these sources, which may ask this machine by its name.
fn setup(provider: &Provider, sources: &[String], more: &str) -> Setup {
    let sources: String = sources.iter().map(|source| format!("    - {source}\n")).collect();
    Setup::new(&provider.url()).with(&context(&sources, more))
}

fn context(sources: &str, more: &str) -> String {
    format!("context:\n  allowance: 2000\n  min_score: 0.1\n  hosts: [localhost]\n{more}  docs:\n{sources}")
}

fn url(pages: &Pages, path: &str, more: &str) -> String {
    format!("{{ url: '{}', refresh: 1s{more} }}", pages.url(path))
}

/// What a run of its own is given for the task.
fn shown(jetway: &Jetway, provider: &Provider, run: &str) -> String {
    let body = json!({ "model": "claude-x", "max_tokens": 10, "messages": [{ "role": "user", "content": TASK }] });
    let answer = post("/v1/messages", body.to_string()).header("x-jetway-run", run).send(jetway.data);
    assert_eq!(answer.status, 200, "{}", answer.text());
    let sent: Value = serde_json::from_slice(&provider.seen().pop().unwrap().body).unwrap();
    sent["messages"].to_string()
}

/// How a page stands, or null.
fn page(jetway: &Jetway, url: &str) -> Value {
    let sources = jetway.json(&["docs", "status", "--json"]);
    let pages = sources.as_array().unwrap().iter().flat_map(|source| source["pages"].as_array().unwrap().clone());
    pages.into_iter().find(|page| page["page"] == url).unwrap_or_default()
}

fn why(jetway: &Jetway, url: &str) -> String {
    let mut why = String::new();
    eventually(|| {
        why = page(jetway, url)["failing"]["why"].as_str().unwrap_or_default().to_owned();
        !why.is_empty()
    });
    why
}

fn metric(jetway: &Jetway, name: &str) -> u64 {
    let metrics = jetway.metrics();
    let line = metrics.lines().find_map(|line| line.strip_prefix(name));
    line.map_or(0, |value| value.trim().parse().unwrap())
}

fn fetches(jetway: &Jetway, result: &str) -> u64 {
    metric(jetway, &format!("jetway_docs_fetches_total{{policy=\"open\",result=\"{result}\"}}"))
}

/// Stale pages of all sources.
fn stale(jetway: &Jetway) -> u64 {
    let metrics = jetway.metrics();
    let lines = metrics.lines().filter(|line| line.starts_with("jetway_docs_stale_pages{"));
    lines.map(|line| line.rsplit(' ').next().unwrap().parse::<u64>().unwrap()).sum()
}

const HTML: &str = "<html><head><title>Errors</title></head><body><nav>Menu exception</nav><main><h1>Errors</h1>\
    <p>To capture an exception call <code>captureException</code>.</p><pre><code>\
    # step one</code></pre></main></body></html>";

#[test]
fn pages_lists_and_sitemaps_are_fetched_and_one_that_fails_fails_alone() {
    let (provider, pages) = (provider("scenarios: []"), Pages::start());
    pages.put("/errors.html", "text/html; charset=utf-8", HTML);
    pages.put(
        "/llms.txt",
        "text/plain",
        "# X\n- [good](/good.md)\n- [gone](/gone.md)\n- [large](/large.md)\n- [pdf](/a.pdf)\n",
    );
    pages.put(
        "/good.md",
        "text/markdown",
        "---\nlanguages: [python]\n---\n# Python\nCapture an exception with capture_exception.\n",
    );
    pages.put("/large.md", "text/markdown", "exception ".repeat(500_000));
    pages.put("/a.pdf", "application/pdf", "%PDF");
    let map = format!("<sitemapindex><sitemap><loc>{}</loc></sitemap></sitemapindex>", pages.url("/pages.xml"));
    pages.put("/sitemap.xml", "application/xml", map);
    pages.put(
        "/pages.xml",
        "application/xml",
        "<urlset><url><loc>/docs/a</loc></url><url><loc>/blog/b</loc></url></urlset>",
    );
    pages.put("/docs/a", "text/plain", "# Sitemap\nAn exception of the sitemap.\n");
    let sources = [
        format!("{{ url: '{}', name: errors }}", pages.url("/errors.html")),
        format!("{{ llms_txt: '{}', languages: [ruby], frameworks: [rails] }}", pages.url("/llms.txt")),
        format!("{{ sitemap: '{}', only: ['**/docs/**', '**/guides/**'] }}", pages.url("/sitemap.xml")),
    ];
    let jetway = setup(&provider, &sources, "").start();
    eventually(|| shown(&jetway, &provider, &fresh()).contains("of the sitemap"));

    let given = shown(&jetway, &provider, "one");
    assert!(given.contains("call `captureException`") && given.contains("```\\n# step one\\n```"), "{given}");
    // Nothing says yet that the project is one in Python.
    assert!(!given.contains("capture_exception") && !given.contains("Menu"), "{given}");
    assert!(given.contains(&format!("source=\\\"{}#Errors\\\"", pages.url("/errors.html"))), "{given}");
    for (path, expect) in [("/gone.md", "404"), ("/large.md", "larger than 4 MiB"), ("/a.pdf", "application/pdf")] {
        let why = why(&jetway, &pages.url(path));
        assert!(why.contains(expect), "{why}");
    }
    let good = page(&jetway, &pages.url("/good.md"));
    assert_eq!((&good["languages"], &good["frameworks"]), (&json!(["python"]), &json!(["rails"])));
    assert_eq!(good["version"].as_str().unwrap().len(), 32);
    assert_eq!(pages.count("/blog/b", 404), 0, "what is not wanted is not asked for");
    let said = jetway.command(&["check"]);
    let said = String::from_utf8_lossy(&said.stdout);
    assert!(
        said.contains("[unreachable] `**/guides/**` matches no page of the sitemap: as it was last fetched"),
        "{said}"
    );
    assert!(!said.contains("`**/docs/**` matches no page"), "{said}");
    // The page, the list and its page, two sitemaps and the page of one.
    assert_eq!((fetches(&jetway, "fetched"), fetches(&jetway, "failed")), (6, 3));
    assert_eq!(stale(&jetway), 0);
    assert!(pages.asked().iter().all(|asked| asked.head.contains("accept-encoding: gzip, identity")));

    let table = jetway.command(&["docs", "status"]);
    let table = String::from_utf8(table.stdout).unwrap();
    assert!(table.contains("open    errors") && table.contains("1/4") && table.contains("it answered 404"), "{table}");
    // What a run was shown is found again by what the run log has of it.
    let exchanges = jetway.exchanges(1);
    let passages = exchanges.last().unwrap()["passages"].as_array().unwrap();
    let passage = passages.iter().find(|passage| passage["source"].as_str().unwrap().contains("errors.html")).unwrap();
    assert_eq!(passage["page"], page(&jetway, &pages.url("/errors.html"))["version"]);
    for hash in [&passage["page"], &passage["hash"]] {
        let found = jetway.json(&["docs", "show", hash.as_str().unwrap(), "--json"]);
        assert!(found[0]["text"].as_str().unwrap().contains("captureException"), "{found}");
    }
    let found = jetway.json(&["docs", "search", "open", TASK, "--json"]);
    assert!(found["ranked"].as_array().unwrap().iter().any(|row| row["inserted"] == true), "{found}");
}

#[test]
fn a_page_whose_front_matter_cannot_be_read_is_shown_to_nobody_and_told() {
    let (provider, pages) = (provider("scenarios: []"), Pages::start());
    pages.put("/odd.md", "text/markdown", "---\ntitle: x\nlanguage: pyhton\n---\n# A\nAn odd exception.\n");
    pages.put("/good.md", "text/markdown", "---\ntitle: Errors & more\n---\n# B\nA good exception.\n");
    let jetway = setup(&provider, &[url(&pages, "/odd.md", ""), url(&pages, "/good.md", "")], "").start();
    eventually(|| shown(&jetway, &provider, &fresh()).contains("A good exception"));
    eventually(|| page(&jetway, &pages.url("/odd.md"))["version"].is_string());
    assert!(!shown(&jetway, &provider, &fresh()).contains("odd exception"));
    let odd = page(&jetway, &pages.url("/odd.md"));
    assert_eq!(odd["front_matter"]["line"], 3, "{odd}");
    assert!(page(&jetway, &pages.url("/good.md"))["front_matter"].is_null());
    let table = String::from_utf8(jetway.command(&["docs", "status"]).stdout).unwrap();
    assert!(table.contains("/odd.md, line 3\n  `pyhton` in the front matter is no language"), "{table}");
}

#[test]
fn a_page_of_a_folder_that_cannot_be_read_is_left_out_and_told() {
    let provider = provider("scenarios: []");
    let setup = Setup::new(&provider.url()).with("context: { docs: docs, min_score: 0.1 }\n");
    let good = setup.file("open/docs/errors.md", "# Errors\nCapture an exception by `captureException`.\n");
    let jetway = good.start();
    let file = jetway.folder.path().join("policies/open/docs/latin.md");
    std::fs::write(&file, b"# Latin\nCapture an exception in a caf\xe9.\n").unwrap();
    jetway.says("a page is left out");
    std::fs::write(file.with_file_name("new.md"), "# New\nCapture an exception anew.\n").unwrap();
    eventually(|| shown(&jetway, &provider, &fresh()).contains("anew"));
    let given = shown(&jetway, &provider, &fresh());
    assert!(given.contains("captureException") && !given.contains("in a caf"), "{given}");

    let why = "the page is not in UTF-8, by a byte in its line 2. Save it as UTF-8";
    assert_eq!(page(&jetway, "latin.md")["unreadable"], why);
    let said = String::from_utf8(jetway.command(&["docs", "status"]).stdout).unwrap();
    assert!(said.contains("2/3") && said.contains(&format!("open: latin.md\n  {why}")), "{said}");
    let check = |args: &[&str]| {
        let output = jetway.command(args);
        (output.status.success(), String::from_utf8(output.stdout).unwrap())
    };
    let (is_sound, said) = check(&["check"]);
    assert!(is_sound && said.contains(&format!("docs/latin.md:1: [unreadable] It is left out: {why}.")), "{said}");
    assert!(!check(&["check", "--strict"]).0);
    let unreadable = "jetway_docs_unreadable_pages{policy=\"open\",source=\"docs\"} ";
    eventually(|| metric(&jetway, unreadable) == 1);
    // Also where it is there at the start, and until it is mended.
    let again = Setup::new(&provider.url()).with("context: { docs: docs, min_score: 0.1 }\n").start_in(jetway.kill());
    assert!(shown(&again, &provider, &fresh()).contains("captureException"));
    std::fs::write(&file, "# Latin\nCapture an exception in a café.\n").unwrap();
    eventually(|| shown(&again, &provider, &fresh()).contains("in a café"));
    eventually(|| metric(&again, unreadable) == 0);
}

#[test]
fn a_source_that_hangs_delays_no_other() {
    let (provider, hangs, pages) = (provider("scenarios: []"), Pages::start(), Pages::start());
    hangs.slow_down(Duration::from_secs(3_600));
    pages.put("/a.md", "text/markdown", "# A\nThe first exception.\n");
    // More of them than there are places at one server.
    let mut sources: Vec<String> = (0..6).map(|number| url(&hangs, &format!("/{number}.md"), "")).collect();
    sources.push(url(&pages, "/a.md", ""));
    let begun = std::time::Instant::now();
    let jetway = setup(&provider, &sources, "").start();
    eventually(|| shown(&jetway, &provider, &fresh()).contains("The first"));
    // Also when it is asked again: what hangs is still waited for.
    pages.put("/a.md", "text/markdown", "# A\nThe second exception.\n");
    eventually(|| shown(&jetway, &provider, &fresh()).contains("The second"));
    assert_eq!(fetches(&jetway, "failed"), 0);
    assert!(begun.elapsed() < Duration::from_secs(25), "{:?}", begun.elapsed());
}

fn fresh() -> String {
    static COUNT: std::sync::atomic::AtomicUsize = std::sync::atomic::AtomicUsize::new(0);
    format!("run-{}", COUNT.fetch_add(1, std::sync::atomic::Ordering::Relaxed))
}

#[test]
fn a_page_that_changed_is_exchanged_under_way_and_one_that_did_not_is_not_sent_again() {
    let (provider, pages) = (provider("scenarios: []"), Pages::start());
    pages.put("/a.md", "text/markdown", "# A\nThe first exception.\n");
    let jetway = setup(&provider, &[url(&pages, "/a.md", "")], "").start();
    eventually(|| shown(&jetway, &provider, &fresh()).contains("The first"));
    let before = shown(&jetway, &provider, "old");
    eventually(|| pages.count("/a.md", 304) >= 2);
    assert_eq!(pages.count("/a.md", 200), 1);
    eventually(|| fetches(&jetway, "unchanged") >= 2);
    let version = page(&jetway, &pages.url("/a.md"))["version"].as_str().unwrap().to_owned();

    pages.put("/a.md", "text/markdown", "# A\nThe second exception.\n");
    eventually(|| shown(&jetway, &provider, &fresh()).contains("The second"));
    assert_eq!(shown(&jetway, &provider, "old"), before, "a run keeps what it was shown");
    let old = jetway.json(&["docs", "show", &version, "--json"]);
    assert_eq!((&old[0]["text"], &old[0]["current"]), (&json!("# A\nThe first exception.\n"), &json!(false)));
    let printed = jetway.command(&["docs", "show", &version[..12]]);
    assert!(String::from_utf8(printed.stdout).unwrap().contains("no more current"));
    assert_eq!(fetches(&jetway, "fetched"), 2);
}

#[test]
fn a_run_searches_the_version_that_it_began_with_however_often_that_was_confirmed() {
    let script = "scenarios: [{ name: s, turns: [{ text: Yes. }, { calls: [{ tool: search_docs, input: { query: capture an exception } }] }, { text: So it is. }] }]";
    let (provider, pages) = (provider(script), Pages::start());
    pages.put("/a.md", "text/markdown", "# A\nThe first exception.\n");
    let source = url(&pages, "/a.md", "");
    let jetway = setup(&provider, std::slice::from_ref(&source), "").start();
    let turn = |run: &str, said: &[&str]| {
        let role = |at: usize| if at.is_multiple_of(2) { "user" } else { "assistant" };
        let said = said.iter().enumerate().map(|(at, text)| json!({ "role": role(at), "content": text }));
        let tools = json!([{ "name": "Read", "input_schema": { "type": "object" } }]);
        let body =
            json!({ "model": "claude-x", "max_tokens": 10, "tools": tools, "messages": said.collect::<Vec<_>>() });
        let answer = post("/v1/messages", body.to_string()).header("x-jetway-run", run).send(jetway.data);
        assert_eq!(answer.status, 200, "{}", answer.text());
        let sent: Value = serde_json::from_slice(&provider.seen().pop().unwrap().body).unwrap();
        sent["messages"].to_string()
    };
    eventually(|| shown(&jetway, &provider, &fresh()).contains("The first"));
    turn("old", &["zebra"]);
    // More often than versions were ever held, each time with other runs that ask; and all is read again.
    for times in 1..=6 {
        eventually(|| fetches(&jetway, "unchanged") >= times);
        turn(&fresh(), &["zebra"]);
    }
    jetway.edit(&context(&format!("    - {source}\n"), "  allowance: 1900\n").replace("  allowance: 2000\n", ""));
    turn(&fresh(), &["zebra"]);
    pages.put("/a.md", "text/markdown", "# A\nThe second exception.\n");
    eventually(|| shown(&jetway, &provider, &fresh()).contains("The second"));
    let told = turn("old", &["zebra", "Yes.", "How do I do that?"]);
    assert!(told.contains("The first") && !told.contains("The second"), "{told}");
    turn("new", &["zebra"]);
    let told = turn("new", &["zebra", "Yes.", "How do I do that?"]);
    assert!(told.contains("The second") && !told.contains("The first"), "{told}");
}

#[test]
fn redirects_are_followed_only_to_where_pages_may_be_fetched_from() {
    let (provider, pages) = (provider("scenarios: []"), Pages::start());
    let secret = format!("http://{}/secret", pages.addr());
    pages.put("/secret", "text/plain", "exception secret");
    pages.put("/good", "text/plain", "An exception behind two moves.");
    for (from, to) in [
        ("/good-1", "/good-2"),
        ("/good-2", "/good"),
        ("/metadata", "https://169.254.169.254/latest/meta-data/"),
        ("/plain", "http://169.254.169.254/latest/meta-data/"),
        ("/mapped", "https://[::ffff:127.0.0.1]/"),
        ("/decimal", "https://2852039166/"),
        ("/by-address", secret.as_str()),
        ("/file", "file:///etc/passwd"),
        ("/round", "/round"),
    ] {
        pages.moved(from, to);
    }
    let paths = ["/metadata", "/plain", "/mapped", "/decimal", "/by-address", "/file", "/round"];
    let sources: Vec<String> = paths.iter().chain(&["/good-1"]).map(|path| url(&pages, path, "")).collect();
    let jetway = setup(&provider, &sources, "").start();
    eventually(|| shown(&jetway, &provider, &fresh()).contains("behind two moves"));
    for (path, expect) in [
        ("/metadata", "169.254.169.254/latest/meta-data/ is an address of a private network"),
        ("/plain", "in plain HTTP"),
        ("/mapped", "is an address of a private network or of this machine"),
        ("/decimal", "https://169.254.169.254/ is an address of a private network"),
        ("/by-address", "in plain HTTP"),
        ("/file", "where nothing can be"),
        ("/round", "moved more than 5 times"),
    ] {
        let why = why(&jetway, &pages.url(path));
        assert!(why.contains(expect), "{path}: {why}");
    }
    assert_eq!(pages.count("/secret", 200), 0);
    assert!(pages.count("/round", 302) >= 6);
}

#[test]
fn a_name_that_leads_to_this_machine_is_refused_unless_it_is_allowed() {
    let (provider, pages) = (provider("scenarios: []"), Pages::start());
    let address = format!("https://localhost:{}/a.md", pages.addr().port());
    let sections = format!("context:\n  docs:\n    - {{ url: '{address}', refresh: 1s }}\n");
    let jetway = Setup::new(&provider.url()).with(&sections).start();
    let why = why(&jetway, &address);
    assert!(why.contains("localhost leads to") && why.contains("`context.hosts`"), "{why}");
    assert!(pages.asked().is_empty());

    // What the configuration says itself is refused before anything starts.
    let wrong = sections.replace("https://localhost", "http://localhost");
    let file = jetway.folder.path().join("policies/open/policy.yaml");
    std::fs::write(&file, format!("{}{wrong}", jetway_support::OPEN)).unwrap();
    let said = jetway.command(&["check"]);
    let said = String::from_utf8(said.stderr).unwrap();
    assert!(said.contains("policy.yaml:6:") && said.contains("in plain HTTP"), "{said}");
}

#[test]
fn a_page_in_tls_is_fetched_where_its_authority_is_trusted_and_only_there() {
    let (provider, authority, stranger) =
        (provider("scenarios: []"), Authority::new("pages"), Authority::new("strangers"));
    let folder = tempfile();
    let trusted = folder.path().join("trusted.pem");
    std::fs::write(&trusted, &authority.pem).unwrap();
    let starting = |pages: &Pages| {
        pages.put("/a.md", "text/markdown", "# Errors\nCapture an exception by `captureException`.\n");
        let mut setup = setup(&provider, &[url(pages, "/a.md", "")], "");
        setup.env.push(("SSL_CERT_FILE".into(), trusted.display().to_string()));
        setup.start()
    };
    let pages = Pages::start_tls(&authority.server());
    assert!(pages.url("/a.md").starts_with("https://"));
    let jetway = starting(&pages);
    eventually(|| shown(&jetway, &provider, &fresh()).contains("captureException"));
    assert_eq!(page(&jetway, &pages.url("/a.md"))["failing"], Value::Null);

    let told = |identity: &Identity| {
        let pages = Pages::start_tls(identity);
        let jetway = starting(&pages);
        let why = why(&jetway, &pages.url("/a.md"));
        assert!(pages.asked().is_empty() && !shown(&jetway, &provider, &fresh()).contains("captureException"));
        let said = String::from_utf8(jetway.command(&["docs", "status"]).stdout).unwrap();
        assert!(said.contains(&why), "{said}");
        why
    };
    let unknown = "its certificate is of an authority that this machine does not trust; add that to the machine's certificates, or to those of a file that SSL_CERT_FILE names";
    assert_eq!(told(&stranger.server()), unknown);
    // One of an authority that only has the name of ours, and one that was made for callers.
    let why = told(&Authority::new("pages").server());
    assert!(why.starts_with("its certificate cannot be trusted: "), "{why}");
    let why = told(&authority.client(&Subject { dns: vec!["localhost"], ..Subject::default() }));
    assert!(why.starts_with("its certificate cannot be trusted: "), "{why}");
}

#[test]
fn a_restart_without_a_network_shows_what_is_on_disk_until_it_is_too_old() {
    let (provider, pages) = (provider("scenarios: []"), Pages::start());
    pages.put("/a.md", "text/markdown", "# A\nAn exception on disk.\n");
    pages.put("/llms.txt", "text/plain", "- [b](/b.md)");
    pages.put("/b.md", "text/markdown", "# B\nAn exception of a list.\n");
    let sources =
        [url(&pages, "/a.md", ", max_age: 10s"), format!("{{ llms_txt: '{}', refresh: 1s }}", pages.url("/llms.txt"))];
    let start = |folder| setup(&provider, &sources, "").start_in(folder);
    let first = start(tempfile());
    eventually(|| shown(&first, &provider, &fresh()).contains("of a list"));
    pages.go_down();
    let second = start(first.kill());
    let given = shown(&second, &provider, "at-once");
    assert!(given.contains("on disk") && given.contains("of a list"), "{given}");
    assert!(!why(&second, &pages.url("/a.md")).is_empty());

    eventually(|| stale(&second) == 1);
    assert_eq!(page(&second, &pages.url("/a.md"))["is_stale"], true);
    let marked = shown(&second, &provider, "marked");
    assert!(marked.contains("age=\\\"last confirmed ") && marked.matches("age=").count() == 1, "{marked}");
    assert!(fetches(&second, "failed") >= 1);

    let listed: String = sources.iter().map(|source| format!("    - {source}\n")).collect();
    second.edit(&context(&listed, "  stale: refuse\n"));
    let refused = shown(&second, &provider, "refused");
    assert!(!refused.contains("on disk") && refused.contains("of a list"), "{refused}");
}

fn tempfile() -> tempfile::TempDir {
    tempfile::tempdir().unwrap()
}

#[test]
fn a_folder_s_page_is_as_old_as_it_says_or_as_it_was_first_seen_and_its_versions_are_kept() {
    let provider = provider("scenarios: []");
    let sections = context("    - { folder: docs, max_age: 30d }\n", "");
    let jetway = Setup::new(&provider.url()).with(&sections).file("open/docs/a.md", "# A\nAn exception.\n").start();
    let file = jetway.folder.path().join("policies/open/docs/a.md");
    // When its file was written says when it was cloned or copied to here.
    let old = SystemTime::now() - Duration::from_secs(400 * 86_400);
    std::fs::File::options().write(true).open(&file).unwrap().set_modified(old).unwrap();
    jetway.says("is in force");
    assert!(!shown(&jetway, &provider, "new").contains("age="));
    assert_eq!(page(&jetway, "a.md")["is_stale"], false);
    let hash = jetway.exchanges(1)[0]["passages"][0]["hash"].as_str().unwrap().to_owned();

    let day = jiff::Timestamp::now() - Duration::from_secs(40 * 86_400);
    let dated = format!("---\nupdated: {}\n---\n# A\nAn old exception.\n", day.strftime("%F"));
    std::fs::write(&file, dated).unwrap();
    eventually(|| shown(&jetway, &provider, &fresh()).contains("An old"));
    let given = shown(&jetway, &provider, &fresh());
    assert!(given.contains("age=\\\"last confirmed 40 days ago; it may be out of date\\\""), "{given}");

    std::fs::write(&file, "# A\nAnother exception.\n").unwrap();
    eventually(|| shown(&jetway, &provider, &fresh()).contains("Another"));
    eventually(|| {
        let found = jetway.json(&["docs", "show", &hash, "--json"]);
        found[0]["text"] == "# A\nAn exception.\n" && found[0]["current"] == false
    });
    // Also when no version of its page is kept any more.
    let state = jetway.folder.path().join("state");
    std::fs::remove_dir_all(state.join("docs")).unwrap();
    let found = jetway.json(&["docs", "show", &hash, "--json"]);
    assert_eq!((&found[0]["text"], &found[0]["page"]), (&json!("An exception."), &json!("a.md#A")));
}

#[test]
fn a_page_that_is_gone_is_marked_and_counted_until_it_is_back() {
    let (provider, pages) = (provider("scenarios: []"), Pages::start());
    pages.put("/a.md", "text/markdown", "# A\nThe first exception.\n");
    let source = format!("{{ url: '{}', refresh: 1s, name: guide }}", pages.url("/a.md"));
    let jetway = setup(&provider, &[source], "").start();
    eventually(|| shown(&jetway, &provider, &fresh()).contains("The first"));
    let count = |state: &str| {
        metric(&jetway, &format!("jetway_docs_failing_pages{{policy=\"open\",source=\"guide\",state=\"{state}\"}}"))
    };
    assert!(jetway.metrics().contains("jetway_docs_failing_pages{") && count("gone") == 0);
    pages.page("/a.md", 410, &[], "");
    eventually(|| count("gone") == 1);
    assert_eq!((count("failing"), page(&jetway, &pages.url("/a.md"))["failing"]["state"].clone()), (0, json!("gone")));
    let said = String::from_utf8(jetway.command(&["docs", "status"]).stdout).unwrap();
    assert!(said.contains("gone: it answered 410 Gone (failed ") && said.contains("30 days"), "{said}");
    assert!(shown(&jetway, &provider, &fresh()).contains("The first"), "it is shown as it last was");
    pages.put("/a.md", "text/markdown", "# A\nThe second exception.\n");
    eventually(|| count("gone") == 0);
}

/// Counts by states of the only source, and how its only page is told.
fn failing(jetway: &Jetway, url: &str) -> (u64, Value, String) {
    let count = metric(jetway, "jetway_docs_failing_pages{policy=\"open\",source=\"guide\",state=\"failing\"}");
    let said = String::from_utf8(jetway.command(&["docs", "status"]).stdout).unwrap();
    (count, page(jetway, url)["failing"]["state"].clone(), said)
}

#[test]
fn a_page_that_fails_for_a_day_is_failing() {
    let (provider, pages) = (provider("scenarios: []"), Pages::start());
    pages.page("/a.md", 500, &[], "");
    let url = pages.url("/a.md");
    let set_up = || setup(&provider, &[format!("{{ url: '{url}', refresh: 1d, name: guide }}")], "");
    let jetway = set_up().start();
    assert!(why(&jetway, &url).contains("500"));
    let (count, state, said) = failing(&jetway, &url);
    assert!(count == 0 && state == "lately" && !said.contains("failing for long"), "{count} {state} {said}");
    // As if it had been so for a day less a minute, and then for a whole one.
    let folder = jetway.kill();
    let file = std::fs::read_dir(folder.path().join("state/docs/open")).unwrap();
    let file = file.map(|entry| entry.unwrap().path().join("page.json")).find(|file| file.is_file()).unwrap();
    let since = |ago: Duration| {
        let mut record: Value = serde_json::from_slice(&std::fs::read(&file).unwrap()).unwrap();
        let since = jiff::Timestamp::now() - jiff::SignedDuration::try_from(ago).unwrap();
        record["failing"] = json!(since.to_string());
        std::fs::write(&file, record.to_string()).unwrap();
    };
    let day = Duration::from_secs(24 * 3_600);
    since(day - Duration::from_secs(60));
    let jetway = set_up().start_in(folder);
    let (count, state, said) = failing(&jetway, &url);
    assert!(count == 0 && state == "lately" && !said.contains("failing for long"), "{count} {state} {said}");
    let folder = jetway.kill();
    since(day);
    let jetway = set_up().start_in(folder);
    eventually(|| failing(&jetway, &url).0 == 1);
    let (_, state, said) = failing(&jetway, &url);
    assert!(state == "long" && said.contains("failing for long: ") && said.contains(" for 1 day"), "{said}");
}
