//! Documentation that is found by what it means, with the help of a server of embeddings; and by its
//! words alone, whatever becomes of that server.

use serde_json::{Value, json};

use jetway_scripted::Provider;
use jetway_support::client::post;
use jetway_support::embeddings::{Embeddings, Manner};
use jetway_support::{Jetway, Setup, eventually, provider};

/// Says in none of its words what it wants.
const PARAPHRASE: &str = "My program falls over and nobody notices.";
/// Says it in the words of the page.
const PLAIN: &str = "Where does captureException go?";
const KEY: &str = "key-of-the-embeddings";

const PAGES: [(&str, &str); 2] = [
    ("open/docs/errors.md", "# Reporting\nAn exception goes to `captureException` of the SDK.\n"),
    ("open/docs/naming.md", "# Events\nNaming is done in the past tense: `order placed`.\n"),
];

fn context(embeddings: &Embeddings, more: &str) -> String {
    let url = embeddings.url();
    format!("context:\n  docs: docs\n  min_score: 0.1\n  embeddings: {{ url: '{url}', model: small{more} }}\n")
}

/// A policy whose requests wait so long that no busy machine is too slow.
fn setup(provider: &Provider, embeddings: &Embeddings) -> Setup {
    let setup = Setup::new(&provider.url()).with(&context(embeddings, ", timeout: 10s"));
    PAGES.iter().fold(setup, |setup, (path, text)| setup.file(path, text))
}

/// What a run of its own is given for a task.
fn shown(jetway: &Jetway, provider: &Provider, task: &str) -> String {
    static COUNT: std::sync::atomic::AtomicUsize = std::sync::atomic::AtomicUsize::new(0);
    let run = format!("run-{}", COUNT.fetch_add(1, std::sync::atomic::Ordering::Relaxed));
    turn(jetway, provider, &run, json!([{ "role": "user", "content": task }]))
}

fn turn(jetway: &Jetway, provider: &Provider, run: &str, messages: Value) -> String {
    let body = json!({ "model": "claude-x", "max_tokens": 10, "messages": messages });
    let answer = post("/v1/messages", body.to_string()).header("x-jetway-run", run).send(jetway.data);
    assert_eq!(answer.status, 200, "{}", answer.text());
    let sent: Value = serde_json::from_slice(&provider.seen().pop().unwrap().body).unwrap();
    sent["messages"].to_string()
}

fn count(jetway: &Jetway, about: &str, result: &str) -> u64 {
    let name = format!("jetway_embeddings_total{{about=\"{about}\",policy=\"open\",result=\"{result}\"}}");
    let metrics = jetway.metrics();
    metrics.lines().find_map(|line| line.strip_prefix(&name)).map_or(0, |value| value.trim().parse().unwrap())
}

fn finds(jetway: &Jetway, provider: &Provider) -> bool {
    shown(jetway, provider, PARAPHRASE).contains("captureException")
}

#[test]
fn what_is_said_in_other_words_is_found_and_asked_about_once() {
    let (provider, embeddings) = (provider("scenarios: []"), Embeddings::start());
    let with_key = context(&embeddings, ", timeout: 10s, key: { env: EMBEDDINGS_KEY }");
    let mut setup = setup(&provider, &embeddings).with(&with_key);
    setup.env.push(("EMBEDDINGS_KEY".into(), KEY.into()));
    let jetway = setup.start();
    eventually(|| finds(&jetway, &provider));
    let given = shown(&jetway, &provider, PARAPHRASE);
    assert!(!given.contains("order placed"), "what is not meant is not shown: {given}");
    assert_eq!((count(&jetway, "sections", "ok"), count(&jetway, "query", "failed")), (2, 0));

    // A conversation is asked about once, and counting its tokens asks nothing.
    let (before, messages) = (embeddings.asked().len(), json!([{ "role": "user", "content": PARAPHRASE }]));
    let body = json!({ "model": "claude-x", "messages": messages }).to_string();
    let counted = post("/v1/messages/count_tokens", body).header("x-jetway-run", "one").send(jetway.data);
    assert_ne!(counted.status, 500);
    assert_eq!(embeddings.asked().len(), before);
    let first = turn(&jetway, &provider, "one", messages.clone());
    let mut later = messages.as_array().unwrap().clone();
    later.push(json!({ "role": "assistant", "content": "ok" }));
    later.push(json!({ "role": "user", "content": "And now the naming." }));
    let second = turn(&jetway, &provider, "one", json!(later));
    assert!(first.contains("captureException") && second.starts_with(first.trim_end_matches(']')), "{second}");
    assert_eq!(embeddings.asked().len(), before + 1);

    let asked = embeddings.asked();
    assert!(asked.iter().all(|asked| asked.head.contains(&format!("authorization: bearer {KEY}\r\n"))));
    assert!(asked.iter().all(|asked| asked.model == "small"));
    assert!(embeddings.texts().iter().any(|text| text.starts_with("Reporting\nAn exception")));
    assert!(!jetway.log().contains(KEY) && !jetway.metrics().contains(KEY));
    // An operator's shell without the key is told, and ranks by words.
    let found = jetway.command(&["docs", "search", "open", PLAIN]);
    let said = String::from_utf8_lossy(&found.stderr).into_owned() + &String::from_utf8_lossy(&found.stdout);
    assert!(said.contains("`embeddings.key` is not to be had here") && said.contains("Reporting"), "{said}");
    let checked = jetway.command(&["check"]);
    let said = String::from_utf8(checked.stderr).unwrap();
    assert!(said.contains("policy.yaml:8:") && said.contains("context.embeddings.key: the environment"), "{said}");
}

#[test]
fn an_operator_is_shown_how_near_sections_are() {
    let (provider, embeddings) = (provider("scenarios: []"), Embeddings::start());
    let jetway = setup(&provider, &embeddings).start();
    eventually(|| finds(&jetway, &provider));
    let found = jetway.json(&["docs", "search", "open", PARAPHRASE, "--json"]);
    let best = &found["ranked"][0];
    assert_eq!((&best["page"], &best["score"], &best["inserted"]), (&json!("errors.md"), &json!(0.0), &json!(true)));
    assert_eq!((best["similarity"].as_f64().unwrap() * 100.0).round(), 100.0);
    let status = jetway.json(&["docs", "status", "--json"]);
    assert_eq!((&status[0]["sections"], &status[0]["meant"]), (&json!(2), &json!(2)));
    let said = |args: &[&str]| String::from_utf8(jetway.command(args).stdout).unwrap();
    assert!(said(&["docs", "status"]).contains("EMBEDDED") && said(&["docs", "status"]).contains("2/2"));
    assert!(said(&["docs", "search", "open", PARAPHRASE]).contains("SIMILARITY"));
    jetway.edit("context: { docs: docs }\n");
    assert!(!said(&["docs", "status"]).contains("EMBEDDED"));
    assert!(!said(&["docs", "search", "open", PLAIN]).contains("SIMILARITY"));
    assert!(!finds(&jetway, &provider), "without it words alone rank");
}

#[test]
fn a_server_that_is_down_leaves_words_alone_until_it_is_back() {
    let (provider, embeddings) = (provider("scenarios: []"), Embeddings::start());
    embeddings.will(Manner::Down);
    let jetway = setup(&provider, &embeddings).start();
    eventually(|| count(&jetway, "sections", "failed") == 2);
    assert!(shown(&jetway, &provider, PLAIN).contains("captureException") && !finds(&jetway, &provider));
    let asked = embeddings.asked().len();
    assert!(embeddings.texts().iter().all(|text| text != PLAIN), "nothing could be compared with it");
    jetway.says("it cannot be asked what sections mean");

    // Another configuration is tried at once.
    embeddings.will(Manner::Wider(1));
    jetway.edit(&context(&embeddings, ", timeout: 9s"));
    eventually(|| finds(&jetway, &provider));
    assert!(embeddings.asked().len() > asked);
    for (manner, failed) in [(Manner::Status(500), 1), (Manner::Status(301), 2), (Manner::Down, 3)] {
        embeddings.will(manner);
        assert!(shown(&jetway, &provider, PLAIN).contains("captureException"));
        assert!(count(&jetway, "query", "failed") >= failed, "{manner:?}");
    }
    embeddings.will(Manner::Wider(1));
    assert!(finds(&jetway, &provider));
    jetway.says("it is known again what tasks mean");
    assert_eq!(jetway.log().matches("it is not known what a task means").count(), 1, "it is said once");
}

#[test]
fn a_server_that_never_answers_keeps_nobody_waiting() {
    let (provider, embeddings) = (provider("scenarios: []"), Embeddings::start());
    let jetway = setup(&provider, &embeddings).start();
    eventually(|| finds(&jetway, &provider));
    embeddings.will(Manner::Silent);
    jetway.edit(&context(&embeddings, ", timeout: 50ms"));
    let given = shown(&jetway, &provider, PLAIN);
    assert!(given.contains("captureException"), "{given}");
    assert_eq!((count(&jetway, "query", "timeout"), count(&jetway, "query", "failed")), (1, 0));
}

#[test]
fn a_restart_asks_about_nothing_and_a_change_only_about_what_changed() {
    let (provider, embeddings) = (provider("scenarios: []"), Embeddings::start());
    let first = setup(&provider, &embeddings).start();
    eventually(|| finds(&first, &provider));
    let sections = |embeddings: &Embeddings| {
        embeddings.texts().into_iter().filter(|text| !text.starts_with("My program")).collect::<Vec<_>>()
    };
    assert_eq!(sections(&embeddings).len(), 2);
    let second = setup(&provider, &embeddings).start_in(first.kill());
    assert!(finds(&second, &provider), "it is known from the start");
    let page = second.folder.path().join("policies/open/docs/naming.md");
    std::fs::write(page, "# Events\nNaming is done as you like.\n").unwrap();
    eventually(|| sections(&embeddings).len() >= 3);
    assert_eq!(sections(&embeddings)[2..], ["Events\nNaming is done as you like."]);
    eventually(|| second.json(&["docs", "status", "--json"])[0]["meant"] == 2);
    assert_eq!(count(&second, "sections", "ok"), 1);
    // Of two that are kept, neither is that of a section which is no more.
    let kept = std::fs::metadata(second.folder.path().join("state/docs/open/vectors")).unwrap().len();
    assert_eq!(kept, 17 + 4 + 2 * (16 + 4 * 4) + 32);

    // A file that was damaged is as if there were none.
    let third = {
        let folder = second.kill();
        std::fs::write(folder.path().join("state/docs/open/vectors"), "jetway vectors 1\n").unwrap();
        setup(&provider, &embeddings).start_in(folder)
    };
    eventually(|| finds(&third, &provider));
    assert_eq!(count(&third, "sections", "ok"), 2);
}

#[test]
fn another_model_behind_the_same_name_is_noticed_and_asked_about_everything() {
    let (provider, embeddings) = (provider("scenarios: []"), Embeddings::start());
    let jetway = setup(&provider, &embeddings).start();
    eventually(|| finds(&jetway, &provider));
    embeddings.will(Manner::Wider(5));
    assert!(shown(&jetway, &provider, PLAIN).contains("captureException"));
    assert_eq!(count(&jetway, "query", "failed"), 1);
    jetway.says("an embedding has 8 numbers, and the others have 4");
    eventually(|| finds(&jetway, &provider));
    assert_eq!(count(&jetway, "sections", "ok"), 4);
}

#[test]
fn another_model_of_another_width_is_asked_at_once() {
    let (provider, embeddings) = (provider("scenarios: []"), Embeddings::start());
    let jetway = setup(&provider, &embeddings).start();
    eventually(|| finds(&jetway, &provider));
    embeddings.will(Manner::Wider(5));
    jetway.edit(&context(&embeddings, ", timeout: 10s").replace("model: small", "model: large"));
    eventually(|| count(&jetway, "sections", "ok") == 4);
    eventually(|| finds(&jetway, &provider));
    assert!(!jetway.log().contains("have another size"), "{}", jetway.log());
}

#[test]
fn a_section_that_the_server_cannot_read_stands_in_nobodys_way() {
    let (provider, embeddings) = (provider("scenarios: []"), Embeddings::start());
    embeddings.will(Manner::AtMost(200));
    let long = format!("# A\n{}\n", "exception ".repeat(100));
    let jetway = setup(&provider, &embeddings).file("open/docs/a.md", &long).start();
    eventually(|| finds(&jetway, &provider));
    let status = jetway.json(&["docs", "status", "--json"]);
    assert_eq!((&status[0]["sections"], &status[0]["meant"]), (&json!(3), &json!(2)));
    assert_eq!((count(&jetway, "sections", "ok"), count(&jetway, "sections", "failed")), (2, 1));
    jetway.says("it refuses the texts (422");
}

#[test]
fn secrets_of_a_task_go_to_nobody_beside_the_provider() {
    let (provider, embeddings) = (provider("scenarios: []"), Embeddings::start());
    let jetway = setup(&provider, &embeddings).start();
    eventually(|| finds(&jetway, &provider));
    let secret = "sk_live_4eC39HqLyjWDarjtT1zdp7dc";
    let given = shown(&jetway, &provider, &format!("It falls over with STRIPE_KEY={secret} in the file."));
    assert!(given.contains("captureException") && given.contains(secret), "{given}");
    let asked = embeddings.texts().pop().unwrap();
    assert!(asked.starts_with("It falls over with STRIPE_KEY=[redacted:") && !asked.contains(secret), "{asked}");
}
