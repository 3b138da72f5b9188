//! Tools: what was offered, what became of it, and what became of the calls. A tool is named by what the
//! policy or the shipped table knows it by; any other name is text of a caller's and is `other`.

use jetway_core::effects::table::Table;
use jetway_core::policy::lockdown::Rules;
use prometheus::IntCounterVec;

use crate::metrics::{Labels, Maker};
use crate::runs::Record;

const OTHER: &str = "other";

#[derive(Debug, Clone)]
pub struct Tools {
    offered: IntCounterVec,
    removed: IntCounterVec,
    narrowed: IntCounterVec,
    calls: IntCounterVec,
    refused: IntCounterVec,
    corrected: IntCounterVec,
    replaced: IntCounterVec,
    answered: IntCounterVec,
    redactions: IntCounterVec,
}

impl Tools {
    pub(super) fn new(new: &Maker<'_>) -> prometheus::Result<Self> {
        let tool = &["policy", "tool"];
        let rule = &["policy", "rule", "tool"];
        Ok(Self {
            offered: new.counters(
                "jetway_tools_offered_total",
                "Tools that agents offered to their models, counted once a request.",
                &["policy"],
            )?,
            removed: new.counters("jetway_tools_removed_total", "Tools taken out of requests.", tool)?,
            narrowed: new.counters(
                "jetway_tools_narrowed_total",
                "Tools of which models were shown only a part.",
                tool,
            )?,
            calls: new.counters("jetway_calls_total", "Tool calls that agents got.", tool)?,
            refused: new.counters(
                "jetway_calls_refused_total",
                "Tool calls that were refused, by the rule; in shadow mode those that would have been.",
                rule,
            )?,
            corrected: new.counters(
                "jetway_calls_corrected_total",
                "Refused tool calls after which the model was told what to do instead, and went on within its reply.",
                rule,
            )?,
            replaced: new.counters(
                "jetway_calls_replaced_total",
                "Calls of the policy's own tools that agents got in other words.",
                tool,
            )?,
            answered: new.counters(
                "jetway_calls_answered_total",
                "Calls of tools of Jetway's own, answered within the reply.",
                tool,
            )?,
            redactions: new.counters(
                "jetway_redactions_total",
                "Secrets in what came back from tools, by kind: replaced, or only noted.",
                &["policy", "kind", "result"],
            )?,
        })
    }

    pub(super) fn ended(&self, record: &Record, labels: Labels<'_>, rules: Option<&Rules>) {
        let policy = labels.policy;
        let each = |counter: &IntCounterVec, tools: &mut dyn Iterator<Item = &String>| {
            tools.for_each(|tool| counter.with_label_values(&[policy, named(tool, rules)]).inc());
        };
        self.offered.with_label_values(&[policy]).inc_by(record.tools_offered as u64);
        each(&self.removed, &mut record.tools_removed.iter());
        each(&self.narrowed, &mut record.tools_narrowed.iter());
        each(&self.calls, &mut record.calls.iter());
        each(&self.replaced, &mut record.calls_replaced.iter().map(|call| &call.tool));
        // Their names are ours.
        for tool in &record.calls_answered {
            self.answered.with_label_values(&[policy, tool.as_str()]).inc();
        }
        for (counter, calls) in [(&self.refused, &record.calls_refused), (&self.corrected, &record.calls_corrected)] {
            for call in calls {
                counter.with_label_values(&[policy, rule(&call.rule), named(&call.tool, rules)]).inc();
            }
        }
        for found in &record.redactions {
            let result = if found.replaced { "replaced" } else { "noted" };
            self.redactions.with_label_values(&[policy, found.kind.as_str(), result]).inc_by(found.count);
        }
    }
}

/// A tool as a label.
fn named<'a>(tool: &'a str, rules: Option<&Rules>) -> &'a str {
    let is_known = rules.map_or_else(|| Table::shipped().knows(tool), |rules| rules.knows(tool));
    if is_known { tool } else { OTHER }
}

/// A rule as a label: some of them name the tool, which has a label of its own.
fn rule(rule: &str) -> &str {
    match rule.split_once(' ') {
        Some((word @ ("narrow" | "pin"), _)) => word,
        _ => rule,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rule_does_not_name_a_tool() {
        assert_eq!(rule("narrow mcp__x"), "narrow");
        assert_eq!(rule("pin mcp__x"), "pin");
        assert_eq!(rule("deny reads(**/.env*)"), "deny reads(**/.env*)");
        assert_eq!(rule("taint"), "taint");
    }
}
