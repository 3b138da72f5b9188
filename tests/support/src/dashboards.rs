//! What `dashboards/` asks of Prometheus: every expression, with where it stands.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;

use crate::root;

/// An expression, and where it stands: `overview.json, "Money", A`.
#[derive(Debug, Clone)]
pub struct Query {
    pub place: String,
    pub expr: String,
}

/// The dashboards, by the names of their files.
pub fn dashboards() -> Vec<(String, Value)> {
    let mut found: Vec<(String, Value)> = Vec::new();
    for entry in std::fs::read_dir(root().join("dashboards")).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|end| end == "json") {
            let text = std::fs::read_to_string(&path).unwrap();
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            found.push((name, serde_json::from_str(&text).unwrap()));
        }
    }
    found.sort_by(|a, b| a.0.cmp(&b.0));
    found
}

/// The panels of a dashboard, rows and what is folded into them included.
pub fn panels(dashboard: &Value) -> Vec<&Value> {
    let own = dashboard["panels"].as_array().unwrap();
    own.iter().flat_map(|panel| [panel].into_iter().chain(panel["panels"].as_array().into_iter().flatten())).collect()
}

/// The expressions of a dashboard's panels, variables and annotations, as they are written.
pub fn queries(name: &str, dashboard: &Value) -> Vec<Query> {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let mut found = Vec::new();
    for panel in panels(dashboard) {
        for target in panel["targets"].as_array().into_iter().flatten() {
            let place = format!("{name}, {}, {}", panel["title"], text(&target["refId"]));
            found.push(Query { place, expr: text(&target["expr"]) });
        }
    }
    for annotation in dashboard["annotations"]["list"].as_array().unwrap() {
        let place = format!("{name}, annotation {}", annotation["name"]);
        found.push(Query { place, expr: text(&annotation["expr"]) });
    }
    for variable in dashboard["templating"]["list"].as_array().unwrap() {
        let asked = text(&variable["query"]["query"]);
        if let Some((metric, _)) = asked.strip_prefix("label_values(").and_then(|rest| rest.rsplit_once(',')) {
            let place = format!("{name}, variable {}", variable["name"]);
            found.push(Query { place, expr: metric.to_owned() });
        }
    }
    found
}

/// An expression as Grafana would send it: all values of every variable, and these ranges.
pub fn filled(expr: &str, rate_interval: &str, range: &str) -> String {
    let mut expr = expr.replace("$__rate_interval", rate_interval).replace("$__range", range);
    for name in ["instance", "policy", "provider", "model"] {
        expr = expr.replace(&format!("${name}"), ".*").replace(&format!("${{{name}}}"), ".*");
    }
    expr
}

/// A rule of `alerts.yaml`, which records a series or raises an alert.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rule {
    pub record: Option<String>,
    pub alert: Option<String>,
    pub expr: String,
    #[serde(rename = "for")]
    pub lasting: Option<String>,
    #[serde(default)]
    pub labels: BTreeMap<String, String>,
    #[serde(default)]
    pub annotations: BTreeMap<String, String>,
}

impl Rule {
    pub fn name(&self) -> &str {
        self.record.as_deref().or(self.alert.as_deref()).unwrap()
    }
}

#[derive(Debug, Deserialize)]
struct Group {
    rules: Vec<Rule>,
}

#[derive(Debug, Deserialize)]
struct Groups {
    groups: Vec<Group>,
}

/// The rules of `alerts.yaml`, as they stand there.
pub fn rules() -> Vec<Rule> {
    let text = std::fs::read_to_string(root().join("dashboards/alerts.yaml")).unwrap();
    let groups: Groups = serde_saphyr::from_str(&text).unwrap();
    groups.groups.into_iter().flat_map(|group| group.rules).collect()
}
