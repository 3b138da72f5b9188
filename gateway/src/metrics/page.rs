//! The page of reference: every metric by name, in Markdown.

use crate::metrics::Described;

const HEAD: &str = "# Metrics

Every metric that Jetway has, at `/metrics` on the admin port, as `jetway metrics` prints them. Names of OpenTelemetry's conventions for generative AI (`gen_ai_…`) are used where they have one. No label is ever text from a caller: models are named by the pattern of the price list that they match (`other` where none does), tools by the policy or the table of known tools (`other` where neither names them), all else by the configuration. Users appear only in `jetway_budget_user_used`, and there only the ten who have used most of a cap.

| metric | kind | labels | meaning |
| --- | --- | --- | --- |
";

/// The page for these metrics.
#[must_use]
pub fn page(metrics: &[Described]) -> String {
    let row = |metric: &Described| {
        let labels: Vec<String> = metric.labels.iter().map(|label| format!("`{label}`")).collect();
        format!(
            "| `{}` | {} | {} | {} |\n",
            metric.name,
            metric.kind,
            labels.join(", "),
            metric.help.replace('|', "\\|")
        )
    };
    metrics.iter().map(row).fold(HEAD.to_owned(), |page, row| page + &row)
}
