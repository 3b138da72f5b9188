//! What Jetway says of itself: a line an event, with the ids of its exchange and its run, as much of it as
//! is wanted now, and never so that a request waits for whoever reads it.

use jetway_support::client::{get, post};
use jetway_support::{Jetway, Setup, eventually, provider};
use serde_json::Value;

const BODY: &str = r#"{"model":"claude-sonnet-5-5","max_tokens":50,"messages":[{"role":"user","content":"hi"}]}"#;

fn lines(jetway: &Jetway) -> Vec<Value> {
    let log = jetway.log();
    log.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn ended(jetway: &Jetway) -> Vec<Value> {
    lines(jetway).into_iter().filter(|line| line["message"] == "an exchange ended").collect()
}

/// Puts this for what `gateway.yaml` says of the log, and waits until it counts.
fn logs(jetway: &Jetway, log: &str) {
    let file = jetway.folder.path().join("config/gateway.yaml");
    let text = std::fs::read_to_string(&file).unwrap();
    let kept: String = text.lines().filter(|line| !line.starts_with("log:")).map(|line| format!("{line}\n")).collect();
    let applied = || {
        let metrics = jetway.metrics();
        let line = metrics.lines().find(|line| line.starts_with("jetway_config_reloads_total{result=\"applied\"}"));
        line.unwrap().rsplit(' ').next().unwrap().parse::<u64>().unwrap()
    };
    let before = applied();
    std::fs::write(&file, format!("{kept}{log}\n")).unwrap();
    eventually(|| applied() > before);
}

#[test]
fn an_event_is_a_line_of_json_with_the_ids_of_its_exchange_and_its_run() {
    let provider = provider("scenarios: []");
    let jetway = Setup { more: "log: { level: trace }".into(), ..Setup::new(&provider.url()) }.start();
    let secret = "sk-ant-api03-abcdefghijklmnopqrstuvwxyz0123456789";
    let hostile = BODY.replace("hi", &format!("{secret}\\n{{\\\"a\\\":1}}\\u001b[31m")).replace("sonnet", "son\\nnet");
    let answer = post("/v1/messages", hostile).header("x-api-key", secret).send(jetway.data);
    assert_eq!(answer.status, 200, "{}", answer.text());
    let refused = post("/v1/messages", "{").header("x-api-key", secret).send(jetway.data);
    assert_eq!(refused.status, 400);
    ["refused", "complete"].iter().for_each(|outcome| jetway.says(&format!("\"outcome\":\"{outcome}\"")));
    let mut ended = ended(&jetway);
    ended.sort_by_key(|line| line["span"]["exchange"].as_str().map(str::to_owned));
    let ids = [answer.header("x-jetway-exchange").unwrap(), refused.header("x-jetway-exchange").unwrap()];
    for (line, id) in ended.iter().zip(ids) {
        assert_eq!((&line["span"]["exchange"], &line["level"]), (&Value::from(id), &Value::from("INFO")), "{line}");
        assert!(line["timestamp"].is_string() && line["target"] == "jetway::exchange", "{line}");
    }
    assert_eq!(ended.len(), 2, "{ended:?}");
    assert_eq!(ended[0]["span"]["run"], answer.header("x-jetway-run").unwrap());
    assert_eq!((&ended[0]["policy"], &ended[0]["outcome"]), (&Value::from("open"), &Value::from("complete")));
    assert!(!jetway.log().contains(secret) && !jetway.log().contains("son\\nnet"), "{}", jetway.log());
}

#[test]
fn how_much_is_logged_follows_the_configuration() {
    let provider = provider("scenarios: []");
    let jetway = Setup::new(&provider.url()).start();
    let ask = || assert_eq!(post("/v1/messages", BODY).send(jetway.data).status, 200);
    ask();
    jetway.says("an exchange ended");
    logs(&jetway, "log: { level: warn }");
    ask();
    jetway.exchanges(2);
    logs(&jetway, "log: { level: warn, modules: { exchange: info } }");
    ask();
    eventually(|| ended(&jetway).len() > 1);
    let ids: Vec<_> = ended(&jetway).iter().map(|line| line["span"]["exchange"].clone()).collect();
    let exchanges = jetway.exchanges(3);
    assert_eq!(ids, [exchanges[0]["id"].clone(), exchanges[2]["id"].clone()], "the one between was not to be told");
}

#[test]
fn what_was_asked_for_at_the_start_counts_whatever_the_configuration_says() {
    let provider = provider("scenarios: []");
    let setup = Setup { env: vec![("JETWAY_LOG".into(), "info".into())], ..Setup::new(&provider.url()) };
    let jetway = setup.start();
    logs(&jetway, "log: { level: error }");
    jetway.says("JETWAY_LOG is set");
    assert_eq!(post("/v1/messages", BODY).send(jetway.data).status, 200);
    jetway.says("an exchange ended");
}

#[test]
fn a_module_that_there_is_not_is_told_with_its_line() {
    let provider = provider("scenarios: []");
    let jetway = Setup::new(&provider.url()).start();
    let file = jetway.folder.path().join("config/gateway.yaml");
    let text = std::fs::read_to_string(&file).unwrap();
    std::fs::write(&file, format!("{text}log:\n  modules:\n    dcos: debug\n")).unwrap();
    let output = jetway.command(&["check"]);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    let line = text.lines().count() + 3;
    assert!(
        said.contains(&format!("gateway.yaml:{line}:")) && said.contains("\"dcos\"") && said.contains("docs"),
        "{said}"
    );
    assert!(!output.status.success());
}

#[test]
fn nobody_who_does_not_read_what_is_logged_keeps_a_request_waiting() {
    let provider = provider("scenarios: []");
    let mut jetway = Setup::new(&provider.url()).start();
    let unread = jetway.unread();
    let dropped = || {
        let metrics = jetway.metrics();
        let line = metrics.lines().find(|line| line.starts_with("jetway_log_lines_dropped_total ")).unwrap().to_owned();
        line.rsplit(' ').next().unwrap().parse::<u64>().unwrap()
    };
    // A pipe holds 64 KiB, and some two thousand lines wait behind it.
    let asked = (0..20_000).find(|number| {
        assert_eq!(get("/v1/models").header("x-api-key", "any").send(jetway.data).status, 200);
        number % 500 == 0 && dropped() > 0
    });
    assert!(asked.is_some_and(|asked| asked > 1_000), "{asked:?}");
    jetway.terminate();
    drop(unread);
    assert!(jetway.wait().success());
}
