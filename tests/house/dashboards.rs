//! The dashboards and the alerts: what a person needs who sees one for the first time, and what Grafana
//! and Prometheus need so that it works for any data source, instance and time.

use std::collections::BTreeSet;
use std::time::Duration;

use jetway_support::dashboards::{Query, dashboards, filled, panels, queries, rules};
use serde_json::Value;

use crate::promql::{Known, Ranges, faults, kept, labels, selectors};

/// Ranges that nobody writes by hand, so that it shows who did not use Grafana's own.
const RATE_INTERVAL: (&str, Duration) = ("17m", Duration::from_secs(17 * 60));
const RANGE: (&str, Duration) = ("19h", Duration::from_secs(19 * 3600));

const DATASOURCE: &str = "${datasource}";

#[test]
fn there_are_six_and_each_says_what_it_is() {
    let names: Vec<_> = dashboards().into_iter().map(|(name, _)| name).collect();
    let expected =
        ["budgets", "context", "lockdown", "overview", "providers", "runs"].map(|name| format!("{name}.json"));
    assert_eq!(names, expected);
    let mut ids = BTreeSet::new();
    for (name, dashboard) in dashboards() {
        let bare = name.trim_end_matches(".json");
        assert_eq!(dashboard["uid"], format!("jetway-{bare}"));
        assert!(ids.insert(dashboard["uid"].to_string()));
        for field in ["title", "description"] {
            assert!(dashboard[field].as_str().is_some_and(|text| !text.is_empty()), "{name}: it has no {field}");
        }
        assert_eq!(dashboard["tags"], serde_json::json!(["jetway"]), "{name}: links find it by this");
        assert!(dashboard["id"].is_null(), "{name}: an id is given by each Grafana");
        assert!(dashboard["schemaVersion"].as_u64().is_some_and(|version| version >= 42), "{name}");
        assert_eq!(dashboard["timezone"], "browser", "{name}");
        let links: Vec<_> = dashboard["links"].as_array().unwrap().iter().map(|link| &link["type"]).collect();
        assert!(
            links.contains(&&Value::from("dashboards")) && links.contains(&&Value::from("link")),
            "{name}: {links:?}"
        );
    }
}

#[test]
fn every_data_source_is_a_variable() {
    for (name, dashboard) in dashboards() {
        let variables = dashboard["templating"]["list"].as_array().unwrap();
        let first = &variables[0];
        assert_eq!(
            (&first["name"], &first["type"], &first["query"]),
            (&Value::from("datasource"), &Value::from("datasource"), &Value::from("prometheus"))
        );
        let names: Vec<_> = variables.iter().map(|variable| variable["name"].as_str().unwrap()).collect();
        for needed in ["instance", "policy", "jetway"] {
            assert!(names.contains(&needed), "{name}: there is no variable {needed}");
        }
        for variable in variables {
            for field in ["label", "description"] {
                assert!(variable[field].as_str().is_some_and(|text| !text.is_empty()), "{name}: {variable}");
            }
        }
        each_datasource(&dashboard, &mut |source| {
            assert_eq!(source["uid"], DATASOURCE, "{name}: {source}");
            assert_eq!(source["type"], "prometheus", "{name}: {source}");
        });
    }
}

fn each_datasource(value: &Value, then: &mut dyn FnMut(&Value)) {
    match value {
        Value::Object(fields) => {
            for (name, value) in fields {
                if name == "datasource" {
                    then(value);
                }
                each_datasource(value, then);
            }
        }
        Value::Array(items) => items.iter().for_each(|item| each_datasource(item, then)),
        _ => {}
    }
}

#[test]
fn every_panel_says_what_it_shows_and_in_what_unit() {
    for (name, dashboard) in dashboards() {
        let (mut ids, mut taken) = (BTreeSet::new(), BTreeSet::new());
        for panel in panels(&dashboard) {
            let place = format!("{name}, {}", panel["title"]);
            assert!(ids.insert(panel["id"].as_u64().unwrap()), "{place}: its id is another's");
            assert!(panel["title"].as_str().is_some_and(|title| !title.trim().is_empty()), "{place}");
            let at = |field: &str| panel["gridPos"][field].as_u64().unwrap();
            assert!(at("x") + at("w") <= 24, "{place}: it is out of the grid");
            for x in at("x")..at("x") + at("w") {
                for y in at("y")..at("y") + at("h") {
                    assert!(taken.insert((x, y)), "{place}: it lies over another");
                }
            }
            if panel["type"] == "row" {
                continue;
            }
            assert!(panel["description"].as_str().is_some_and(|text| text.len() > 20), "{place}: what does it show?");
            assert!(
                panel["fieldConfig"]["defaults"]["unit"].as_str().is_some_and(|unit| !unit.is_empty()),
                "{place}: in what unit?"
            );
            let targets = panel["targets"].as_array().unwrap();
            assert!(!targets.is_empty(), "{place}: it asks for nothing");
            let letters: BTreeSet<_> = targets.iter().map(|target| target["refId"].as_str().unwrap()).collect();
            assert_eq!(letters.len(), targets.len(), "{place}: two of its queries have one name");
        }
        assert!(ids.len() > 8, "{name}: the panels were not found");
    }
}

#[test]
fn every_expression_asks_for_what_there_is() {
    let known = Known::with(&rules());
    let ranges = [RATE_INTERVAL.1, RANGE.1];
    for (name, dashboard) in dashboards() {
        let variables: Vec<&str> = dashboard["templating"]["list"]
            .as_array()
            .unwrap()
            .iter()
            .map(|variable| variable["name"].as_str().unwrap())
            .collect();
        for Query { place, expr, .. } in queries(&name, &dashboard) {
            // A variable asks for the labels of a metric, and not what it counts.
            let is_variable = place.contains(", variable ");
            let asked = if is_variable { format!("absent({expr})") } else { expr.clone() };
            let faults = faults(&filled(&asked, RATE_INTERVAL.0, RANGE.0), &known, Ranges(&ranges));
            assert!(faults.is_empty(), "{place}: {faults:?}\n{expr}");
            if is_variable {
                continue;
            }
            // Every selector follows the variables that its metric has labels for.
            let unfilled = expr.replace("$__rate_interval", "1m").replace("$__range", "1m");
            for (metric, matchers) in selectors(&unfilled) {
                let own = labels(&known, &metric).unwrap();
                for (variable, label) in [
                    ("instance", "instance"),
                    ("policy", "policy"),
                    ("provider", "provider"),
                    ("model", "model"),
                    ("model", "gen_ai_request_model"),
                ] {
                    if variables.contains(&variable) && own.contains(label) {
                        let follows =
                            matchers.iter().any(|(name, value)| name == label && value == &format!("${variable}"));
                        assert!(follows, "{place}: {metric} does not follow ${variable}");
                    }
                }
            }
        }
    }
}

#[test]
fn every_alert_says_what_to_do_and_every_rule_asks_for_what_there_is() {
    let rules = rules();
    let known = Known::with(&rules);
    let tests = std::fs::read_to_string(jetway_support::root().join("dashboards/alerts.test.yaml")).unwrap();
    let mut names = BTreeSet::new();
    for rule in &rules {
        let name = rule.name();
        assert!(names.insert(name), "{name} is there twice");
        let faults = faults(&rule.expr, &known, Ranges(&[]));
        assert!(faults.is_empty(), "{name}: {faults:?}");
        if rule.record.is_some() {
            assert_eq!(name.matches(':').count(), 2, "{name} is level:metric:operation");
            continue;
        }
        assert!(rule.lasting.is_some(), "{name}: for how long?");
        assert!(rule.labels.get("severity").is_some_and(|how| how == "critical" || how == "warning"), "{name}");
        for annotation in ["summary", "description", "runbook"] {
            assert!(rule.annotations.get(annotation).is_some_and(|text| text.len() > 20), "{name} has no {annotation}");
        }
        let has = kept(&promql_parser::parser::parse(&rule.expr).unwrap(), &known);
        for text in rule.annotations.values() {
            for used in text.split("$labels.").skip(1) {
                let label: String = used.chars().take_while(|c| c.is_ascii_alphanumeric() || *c == '_').collect();
                assert!(has.contains(&label), "{name} speaks of the label {label}, and has {has:?}");
            }
        }
        // It is seen to fire, and to keep quiet.
        let fires = tests.matches(&format!("alertname=\"{name}\", alertstate=\"firing\", ")).count();
        assert!(fires > 0, "{name}: no case in which it fires");
    }
    assert!(names.len() > 30, "the rules were not found");
}
