//! What is asked and what is not, of whom, and who pays for it.

use super::*;

#[test]
fn what_may_not_be_asked_is_not() {
    for (rules, why) in [(", rate: 0", "sampled_out"), (", most_usd: 0.000001", "too_dear")] {
        let provider = plain();
        let jetway = House::new(setup(&provider, &format!("{WAITS}{rules}"), ""));
        assert_eq!(jetway.send(&body("Go.")).status, 200);
        ends(&jetway, "quiet", why);
        assert!(questions(&provider).is_empty());
        assert!(findings(&jetway).is_empty());
    }
}

#[test]
fn questions_have_an_account_of_their_own_and_no_more_than_is_in_it() {
    let provider = plain();
    let mut setup = setup(&provider, WAITS, "");
    let small = setup.policies[0].1.replace("allowance: { usd: 1,", "allowance: { usd: 0.025,");
    setup.policies[0].1 = small;
    let jetway = House::new(setup);
    let mut results = Vec::new();
    for run in ["one", "two", "three"] {
        let asks = post("/v1/messages", body("Go.").to_string()).header("x-api-key", &jetway.key);
        let answer = asks.header("x-jetway-run", run).send(jetway.data);
        let id = answer.header("x-jetway-run").unwrap().to_owned();
        let mut asked = None;
        eventually(|| {
            // It may not be in the log yet.
            let runs = jetway.json(&["runs", "--json"]);
            let run = runs.as_array().unwrap().iter().find(|run| run["id"] == id.as_str());
            asked = run.and_then(|run| run["asked"].as_str()).map(str::to_owned);
            asked.is_some()
        });
        results.extend(asked);
    }
    // One may cost 1.7 cents and costs 0.45: the first two fit.
    assert_eq!(results, ["answered", "answered", "allowance"]);
    let books = jetway.json(&["budgets", "--json"]);
    let accounts = books["accounts"].as_array().unwrap();
    let account = accounts.iter().find(|account| account["account"] == "open/interrogation/usd/day").unwrap();
    assert_eq!((account["used"].as_f64(), account["held"].as_f64()), (Some(0.009), Some(0.0)), "{account}");
}

#[test]
fn a_callers_credential_pays_for_no_question_unless_the_policy_says_so() {
    for (rules, result, key) in
        [("", "credential", None), (", callers_credential: true", "answered", Some("sk-test-caller"))]
    {
        let provider = plain();
        let mut setup = setup(&provider, &format!("{WAITS}{rules}"), "");
        setup.credentials = String::from("passthrough");
        let jetway = setup.start();
        assert_eq!(post("/v1/messages", body("Go.").to_string()).send(jetway.data).status, 200);
        ends(&jetway, "quiet", result);
        let asked = provider.seen().into_iter().find(|seen| String::from_utf8_lossy(&seen.body).contains(TAG));
        let shown = asked.map(|seen| seen.headers.get("x-api-key").unwrap().to_str().unwrap().to_owned());
        assert_eq!(shown.as_deref(), key);
    }
}

#[test]
fn another_model_is_asked_where_the_policy_names_one() {
    let provider = plain();
    let jetway = House::new(setup(&provider, &format!("{WAITS}, model: claude-haiku-4-5"), ""));
    assert_eq!(jetway.send(&body("Go.")).status, 200);
    ends(&jetway, "quiet", "answered");
    assert_eq!(questions(&provider)[0]["model"], "claude-haiku-4-5");
}

#[test]
fn a_policy_that_does_not_ask_still_knows_how_runs_end() {
    let script = json!([{ "name": "plain", "turns": [{ "text": "Done." }] }]);
    let provider = scripted(ANSWER, &script);
    let jetway = Setup::new(&provider.url()).start();
    let answer = post("/v1/messages", body("Go.").to_string()).send(jetway.data);
    let run = answer.header("x-jetway-run").unwrap().to_owned();
    assert_eq!(post(&format!("/v1/runs/{run}/end"), "").send(jetway.data).status, 200);
    let run = ended(&jetway);
    assert_eq!((run["ended_by"].as_str(), run["asked"].is_null()), (Some("told"), true));
    assert!(questions(&provider).is_empty());
}

#[test]
fn of_a_fleet_the_one_that_served_last_asks_and_no_other() {
    let (provider, redis) = (plain(), Redis::start(&[]));
    let secret = redis.folder().join("secret");
    std::fs::write(&secret, "0123456789abcdef0123456789abcdef").unwrap();
    let start = || {
        let mut setup = setup(&provider, &format!("{WAITS}, callers_credential: true"), "");
        setup.credentials = String::from("passthrough");
        setup.more =
            format!("secret: {{ file: {} }}\nledger: {{ redis: {{ urls: ['{}'] }} }}", secret.display(), redis.url());
        setup.start()
    };
    let (first, second) = (start(), start());
    let send =
        |body: &Value, to: &Jetway| post("/v1/messages", body.to_string()).header("x-jetway-run", "job").send(to.data);
    assert_eq!(send(&body("Go."), &first).status, 200);
    let mut more = body("Go.");
    more["messages"].as_array_mut().unwrap().extend([
        json!({ "role": "assistant", "content": "Done." }),
        json!({ "role": "user", "content": "And more." }),
    ]);
    let run = send(&more, &second).header("x-jetway-run").unwrap().to_owned();
    ends(&second, "quiet", "answered");
    assert_eq!(questions(&provider).len(), 1, "{}", first.log());
    assert!(questions(&provider)[0].to_string().contains("And more."));
    // Whichever is told that a run is over, the one that has it looks before it takes it for quiet.
    assert_eq!(send(&more, &second).status, 200);
    assert_eq!(post(&format!("/v1/runs/{run}/end"), "").send(first.data).status, 200);
    eventually(|| second.metrics().contains("jetway_runs_ended_total{ending=\"told\",policy=\"open\"} 1"));
}

#[test]
fn what_agents_say_is_summed_up_and_held_against_the_last_change() {
    let django = "There was no page about the Django middleware.";
    let port = "Nothing says which port the server listens on.";
    let answer = |texts: &[(&str, &str)]| {
        let found: Vec<Value> = texts.iter().map(|(kind, text)| json!({ "kind": kind, "text": text })).collect();
        json!({ "findings": found }).to_string()
    };
    let provider = scripted(&answer(&[("missing", django), ("missing", port)]), &json!([]));
    let asks = "interrogation: { allowance: { usd: 1, every: day }, quiet: 1s }\n";
    let jetway = House::new(setup(&provider, "quiet: 1s", ""));
    let job = |name: &str, answered: usize| {
        let asks = post("/v1/messages", body("Go.").to_string()).header("x-api-key", &jetway.key);
        assert_eq!(asks.header("x-jetway-run", name).send(jetway.data).status, 200);
        eventually(|| {
            let runs = jetway.json(&["runs", "--json"]);
            runs.as_array().unwrap().iter().filter(|run| run["asked"] == "answered").count() == answered
        });
    };
    assert_eq!(jetway.json(&["feedback", "--json"]), json!([]));
    job("one", 1);
    job("two", 2);
    let groups = jetway.json(&["feedback", "--json"]);
    let short = |groups: &Value| -> Vec<String> {
        let groups = groups.as_array().unwrap().iter();
        groups.map(|g| format!("{} {} {}", g["status"], g["runs"], g["text"])).collect()
    };
    assert_eq!(short(&groups), [format!("\"open\" 2 {port:?}"), format!("\"open\" 2 {django:?}")]);

    let later = [("missing", "It is nowhere said which port the server listens on."), ("wrong", "<b>v1</b> is gone.")];
    let asked =
        json!({ "name": "asked", "when": { "contains": TAG }, "by": "request", "turns": [{ "text": answer(&later) }] });
    provider.play(jetway_scripted::Script::parse(&json!({ "scenarios": [asked] }).to_string()).unwrap());
    let file = jetway.folder.path().join("policies/open/policy.yaml");
    let before = std::fs::read_to_string(&file).unwrap();
    jetway.edit(&format!("{asks}budget: {{ output_limit: 900 }}"));
    job("three", 3);
    let groups = jetway.json(&["feedback", "--json"]);
    let expect = [
        String::from("\"new\" 1 \"<b>v1</b> is gone.\""),
        format!("\"open\" 3 {:?}", later[0].1),
        format!("\"gone\" 2 {django:?}"),
    ];
    assert_eq!(short(&groups), expect);
    assert_eq!(groups[1]["versions"].as_object().unwrap().len(), 2, "{groups}");

    let text = |args: &[&str]| String::from_utf8(jetway.command(args).stdout).unwrap();
    let table = text(&["feedback", "--current"]);
    assert!(table.contains("<b>v1</b> is gone.") && !table.contains("Django"), "{table}");
    let report = text(&["feedback", "--markdown"]);
    assert!(report.contains("## New since the last change") && report.contains("\\<b\\>v1"), "{report}");
    assert!(text(&["feedback", "--since", "1ms"]).starts_with("Nothing in the last 1ms."));
    assert!(text(&["runs", "show", groups[0]["examples"][0].as_str().unwrap()]).contains("its agent said"));

    // What was changed back is a change: what was said under the version between is gone.
    let again = json!({ "name": "asked", "when": { "contains": TAG }, "by": "request", "turns": [{ "text": answer(&[("missing", django)]) }] });
    provider.play(jetway_scripted::Script::parse(&json!({ "scenarios": [again] }).to_string()).unwrap());
    jetway.edit(before.strip_prefix(OPEN).unwrap());
    job("four", 4);
    let expect = [
        format!("\"open\" 3 {django:?}"),
        format!("\"gone\" 3 {:?}", later[0].1),
        String::from("\"gone\" 1 \"<b>v1</b> is gone.\""),
    ];
    assert_eq!(short(&jetway.json(&["feedback", "--json"])), expect);
}

#[test]
fn a_run_that_goes_on_after_its_end_still_tells_what_its_agent_said() {
    let provider = scripted(ANSWER, &json!([]));
    let jetway = House::new(setup(&provider, WAITS, ""));
    let named = |jetway: &House| {
        let asks = post("/v1/messages", body("Go.").to_string()).header("x-api-key", &jetway.key);
        let answer = asks.header("x-jetway-run", "job").send(jetway.data);
        answer.header("x-jetway-run").unwrap().to_owned()
    };
    let run = named(&jetway);
    ends(&jetway, "quiet", "answered");
    // The same job once more, and not the same request.
    assert_eq!(named(&jetway), run);
    eventually(|| jetway.json(&["runs", "--json"])[0]["turns"] == 2);
    let told = jetway.json(&["runs", "show", &run, "--json"]);
    assert!(told["exchanges"].as_array().unwrap().iter().all(|exchange| exchange["again_of"].is_null()), "{told}");
    assert_eq!(told["endings"][0]["how"], "quiet", "{told}");
    let text = String::from_utf8(jetway.command(&["runs", "show", &run]).stdout).unwrap();
    assert!(text.contains(told["findings"][0]["text"].as_str().unwrap()), "{text}");
}
