//! What holds of an expression: its metrics exist and have the labels that it asks for, counters stand
//! under `rate` or `increase` over a range that fits what is shown, and gauges do not.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use jetway::metrics::Metrics;
use jetway_support::dashboards::Rule;
use promql_parser::label::Matchers;
use promql_parser::parser::{Expr, LabelModifier, VectorSelector, parse};

/// Functions of counters over a range.
const RATES: [&str; 3] = ["rate", "increase", "irate"];

/// Labels of every series that Prometheus reads from a Jetway.
const SCRAPED: [&str; 2] = ["instance", "job"];

/// A series, as far as a rule cares.
#[derive(Debug, Clone)]
struct Series {
    is_counter: bool,
    labels: BTreeSet<String>,
}

/// Everything that an expression can ask for.
#[derive(Debug)]
pub(crate) struct Known(BTreeMap<String, Series>);

impl Known {
    /// What Jetway has, what Prometheus adds, and what these rules record.
    pub(crate) fn with(rules: &[Rule]) -> Self {
        let mut known = BTreeMap::new();
        let metrics = Metrics::new().unwrap();
        for metric in metrics.described() {
            let labels: BTreeSet<String> = metric.labels.iter().cloned().chain(SCRAPED.map(str::to_owned)).collect();
            let mut add = |name: String, is_counter: bool, more: &[&str]| {
                let labels = labels.iter().cloned().chain(more.iter().map(|label| (*label).to_owned())).collect();
                known.insert(name, Series { is_counter, labels });
            };
            if metric.kind == "histogram" {
                add(format!("{}_bucket", metric.name), true, &["le"]);
                add(format!("{}_sum", metric.name), true, &[]);
                add(format!("{}_count", metric.name), true, &[]);
            } else {
                add(metric.name.clone(), metric.kind == "counter", &[]);
            }
        }
        known.insert("up".into(), Series { is_counter: false, labels: SCRAPED.map(str::to_owned).into() });
        let mut known = Self(known);
        for rule in rules {
            if let Some(name) = &rule.record {
                let labels = kept(&parse(&rule.expr).unwrap(), &known);
                known.0.insert(name.clone(), Series { is_counter: false, labels });
            }
        }
        known
    }

    fn series(&self, selector: &VectorSelector) -> Result<&Series, String> {
        let name = selector.name.as_deref().ok_or("a selector without a name")?;
        self.0.get(name).ok_or_else(|| format!("there is no metric {name}"))
    }
}

/// Which ranges a counter may stand under; any where there is none.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Ranges<'a>(pub(crate) &'a [Duration]);

/// What is wrong with an expression.
pub(crate) fn faults(text: &str, known: &Known, ranges: Ranges<'_>) -> Vec<String> {
    let mut faults = Vec::new();
    match parse(text) {
        Ok(expr) => look(&expr, (known, ranges), None, &mut faults),
        Err(error) => faults.push(error),
    }
    faults
}

/// The label names that a selector of a metric filters by, of all selectors in an expression.
pub(crate) fn selectors(text: &str) -> Vec<(String, Vec<(String, String)>)> {
    let mut found = Vec::new();
    each(&parse(text).unwrap(), &mut |selector| {
        let matched = |matchers: &Matchers| {
            matchers.matchers.iter().map(|matcher| (matcher.name.clone(), matcher.value.clone())).collect()
        };
        found.push((selector.name.clone().unwrap_or_default(), matched(&selector.matchers)));
    });
    found
}

/// The labels that a metric has.
pub(crate) fn labels<'a>(known: &'a Known, metric: &str) -> Option<&'a BTreeSet<String>> {
    known.0.get(metric).map(|series| &series.labels)
}

fn look(expr: &Expr, (known, ranges): (&Known, Ranges<'_>), function: Option<&str>, faults: &mut Vec<String>) {
    match expr {
        Expr::VectorSelector(selector) => match known.series(selector) {
            Ok(series) if series.is_counter && function != Some("absent") => {
                faults.push(format!("{selector} is a counter, of which only a rate or an increase says something"));
            }
            Ok(series) => unknown_labels(selector, series, faults),
            Err(fault) => faults.push(fault),
        },
        Expr::MatrixSelector(matrix) => match known.series(&matrix.vs) {
            Ok(series) => {
                unknown_labels(&matrix.vs, series, faults);
                let is_rate = function.is_some_and(|name| RATES.contains(&name));
                if series.is_counter != is_rate {
                    faults.push(format!("{matrix} stands under {function:?}, and it is {series:?}"));
                }
                if series.is_counter && !ranges.0.is_empty() && !ranges.0.contains(&matrix.range) {
                    faults.push(format!("{matrix} must be over $__rate_interval or $__range"));
                }
            }
            Err(fault) => faults.push(fault),
        },
        Expr::Aggregate(aggregate) => {
            if let Some(LabelModifier::Include(by)) = &aggregate.modifier {
                let has = kept(&aggregate.expr, known);
                for label in by.labels.iter().filter(|label| !has.contains(*label)) {
                    faults.push(format!("what is summed by {label} has no such label: {}", aggregate.expr));
                }
            }
            look(&aggregate.expr, (known, ranges), function, faults);
        }
        Expr::Call(call) => {
            if call.func.name == "histogram_quantile" {
                let by_bucket = call.args.args.iter().any(|argument| kept(argument, known).contains("le"));
                if !by_bucket {
                    faults.push(format!("the buckets are summed away: {expr}"));
                }
            }
            for argument in &call.args.args {
                look(argument, (known, ranges), Some(call.func.name), faults);
            }
        }
        other => children(other, &mut |child| look(child, (known, ranges), function, faults)),
    }
}

fn unknown_labels(selector: &VectorSelector, series: &Series, faults: &mut Vec<String>) {
    for matcher in &selector.matchers.matchers {
        if !series.labels.contains(&matcher.name) {
            faults.push(format!("{selector}: it has no label {}", matcher.name));
        }
    }
}

/// The labels that what an expression gives can have.
pub(crate) fn kept(expr: &Expr, known: &Known) -> BTreeSet<String> {
    match expr {
        Expr::VectorSelector(selector) => {
            known.series(selector).map(|series| series.labels.clone()).unwrap_or_default()
        }
        Expr::MatrixSelector(matrix) => {
            known.series(&matrix.vs).map(|series| series.labels.clone()).unwrap_or_default()
        }
        Expr::Aggregate(aggregate) => match &aggregate.modifier {
            Some(LabelModifier::Include(by)) => by.labels.iter().cloned().collect(),
            Some(LabelModifier::Exclude(without)) => {
                kept(&aggregate.expr, known).into_iter().filter(|label| !without.labels.contains(label)).collect()
            }
            // These choose among series and keep their labels.
            None if aggregate.param.is_some() => kept(&aggregate.expr, known),
            None => BTreeSet::new(),
        },
        Expr::Call(call) if call.func.name == "histogram_quantile" => {
            let argument = call.args.args.last().unwrap();
            kept(argument, known).into_iter().filter(|label| label != "le").collect()
        }
        Expr::Call(call) => call.args.args.iter().flat_map(|argument| kept(argument, known)).collect(),
        // The right side of a binary expression filters or scales; with `or` it may be all that there is.
        Expr::Binary(binary) => {
            let left = kept(&binary.lhs, known);
            if left.is_empty() || binary.to_string().contains(" or ") {
                left.union(&kept(&binary.rhs, known)).cloned().collect()
            } else {
                left
            }
        }
        Expr::Paren(inner) => kept(&inner.expr, known),
        Expr::Unary(inner) => kept(&inner.expr, known),
        Expr::Subquery(inner) => kept(&inner.expr, known),
        _ => BTreeSet::new(),
    }
}

fn children(expr: &Expr, then: &mut dyn FnMut(&Expr)) {
    match expr {
        Expr::Aggregate(aggregate) => then(&aggregate.expr),
        Expr::Unary(inner) => then(&inner.expr),
        Expr::Binary(binary) => {
            then(&binary.lhs);
            then(&binary.rhs);
        }
        Expr::Paren(inner) => then(&inner.expr),
        Expr::Subquery(inner) => then(&inner.expr),
        Expr::Call(call) => call.args.args.iter().for_each(|argument| then(argument)),
        _ => {}
    }
}

fn each(expr: &Expr, then: &mut dyn FnMut(&VectorSelector)) {
    match expr {
        Expr::VectorSelector(selector) => then(selector),
        Expr::MatrixSelector(matrix) => then(&matrix.vs),
        other => children(other, &mut |child| each(child, then)),
    }
}

#[test]
fn faults_are_found() {
    let known = Known::with(&[]);
    let minute = [Duration::from_secs(60)];
    let check = |text: &str, expect: Option<&str>| {
        let faults = faults(text, &known, Ranges(&minute));
        match expect {
            None => assert_eq!(faults, [""; 0], "{text}"),
            Some(expect) => assert!(faults.iter().any(|fault| fault.contains(expect)), "{text}: {faults:?}"),
        }
    };
    check("sum by (policy) (rate(jetway_exchanges_total{policy=~\".*\"}[1m]))", None);
    check("histogram_quantile(0.9, sum by (le) (rate(jetway_decide_seconds_bucket[1m])))", None);
    check("topk(3, max by (user) (jetway_budget_user_used)) or vector(0)", None);
    check("sum(jetway_exchanges_total)", Some("is a counter"));
    check("sum(rate(jetway_exchanges_total[5m]))", Some("must be over"));
    check("rate(jetway_open_runs[1m])", Some("stands under"));
    check("max_over_time(jetway_exchanges_total[1m])", Some("stands under"));
    check("sum(jetway_open_run)", Some("there is no metric jetway_open_run"));
    check("jetway_open_runs{policy=\"a\"}", Some("no label policy"));
    check("sum by (model) (rate(jetway_refusals_total[1m]))", Some("no such label"));
    check("histogram_quantile(0.9, sum by (policy) (rate(jetway_decide_seconds_bucket[1m])))", Some("summed away"));
    check("sum(rate(jetway_exchanges_total[1m])", Some(""));
}
