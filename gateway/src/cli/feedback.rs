//! `jetway feedback`: what agents said that should be changed, summed up.

use std::collections::BTreeMap;
use std::fmt::Write;

use jetway_core::policy::interrogation::{Group, Status};
use jetway_core::units::Span;
use jiff::Timestamp;

use crate::cli::runs::known;
use crate::cli::{ago, out, runtime, span};
use crate::config::Config;
use crate::runs::feedback;
use crate::runs::read::Reader;

#[derive(Debug, clap::Args)]
#[command(
    after_help = "Findings that say the same are one group. `new` has come up since the policy was last changed, \
`gone` has not come up since though agents were asked, `open` is neither.\n\n\
  jetway feedback --policy wizard        what to mend first\n  \
  jetway feedback --since 7d --markdown > feedback.md\n  \
  jetway runs show RUN                   the run that a finding comes from"
)]
pub(super) struct Args {
    /// Only what was said under this policy.
    #[arg(long)]
    policy: Option<String>,
    /// How far to look back: 12h, 7d.
    #[arg(long, default_value = "30d", value_name = "TIME", value_parser = span)]
    since: Span,
    /// Leave out what is gone.
    #[arg(long)]
    current: bool,
    /// Write all groups as JSON.
    #[arg(long, conflicts_with = "markdown")]
    json: bool,
    /// Write a report in Markdown.
    #[arg(long)]
    markdown: bool,
}

pub(super) fn run(config: &Config, args: &Args) -> anyhow::Result<()> {
    let since = ago(args.since);
    let mut groups = runtime()?.block_on(async {
        let reader = Reader::open(&config.runs, &config.state).await?;
        known(config, &reader, args.policy.as_deref()).await?;
        anyhow::Ok(feedback::gather(&reader, args.policy.as_deref(), since).await?)
    })?;
    groups.retain(|group| !(args.current && group.status == Status::Gone));
    if args.json {
        return out::line(&serde_json::to_string_pretty(&groups)?);
    }
    if args.markdown {
        return out::raw(markdown(&groups).as_bytes());
    }
    if groups.is_empty() {
        return out::line(&format!(
            "Nothing in the last {}. Agents are asked under policies that have `interrogation:`.",
            args.since
        ));
    }
    let rows: Vec<Vec<String>> = groups.iter().map(row).collect();
    let heading = ["", "RUNS", "SEVERITY", "KIND", "POLICY", "ABOUT", "WHAT IT SAYS"];
    out::raw(out::table(&heading, &rows).as_bytes())
}

/// A table's line has no room for more.
const SHORT: usize = 90;

fn row(group: &Group) -> Vec<String> {
    let said = out::shown(&group.text);
    let short: String = said.chars().take(SHORT).collect();
    let more = if short.len() < said.len() { "…" } else { "" };
    vec![
        group.status.name().to_owned(),
        group.runs.to_string(),
        group.severity.name().to_owned(),
        group.kind.name().to_owned(),
        group.policy.clone(),
        about(group),
        format!("{short}{more}"),
    ]
}

/// The tool, document or step that is spoken of most.
fn about(group: &Group) -> String {
    let most = |counts: &BTreeMap<String, usize>| {
        counts.iter().max_by_key(|(_, count)| **count).map(|(name, _)| out::shown(name))
    };
    most(&group.tools).or_else(|| most(&group.documents)).or_else(|| most(&group.steps)).unwrap_or_default()
}

/// A report for people to work through.
fn markdown(groups: &[Group]) -> String {
    let mut text = String::from("# What agents said that should be changed\n");
    let titles = [
        (Status::New, "New since the last change of the policy"),
        (Status::Open, "Open"),
        (Status::Gone, "Gone since the last change of the policy"),
    ];
    for (status, title) in titles {
        let own: Vec<&Group> = groups.iter().filter(|group| group.status == status).collect();
        if own.is_empty() {
            continue;
        }
        // Writing into a string does not fail.
        _ = writeln!(text, "\n## {title}\n");
        own.iter().for_each(|group| entry(&mut text, group));
    }
    text
}

fn entry(text: &mut String, group: &Group) {
    let Group { policy, count, runs, .. } = group;
    let head = format!("**{}, {}** under `{}`", group.kind.name(), group.severity.name(), plain(policy));
    _ = writeln!(text, "- {head}, {count} times in {runs} runs: {}", plain(&group.text));
    let names = [("tool", &group.tools), ("document", &group.documents), ("step", &group.steps)];
    for (label, counts) in names {
        let counted: Vec<String> = counts.iter().map(|(name, count)| format!("{} ({count})", plain(name))).collect();
        if !counted.is_empty() {
            _ = writeln!(text, "  - {label}: {}", counted.join(", "));
        }
    }
    let day = |at: Timestamp| at.strftime("%Y-%m-%d").to_string();
    let versions: Vec<String> =
        group.versions.iter().map(|(version, count)| format!("`{}` ({count})", plain(version))).collect();
    _ = writeln!(text, "  - first {}, last {}; versions {}", day(group.first), day(group.last), versions.join(", "));
    _ = writeln!(text, "  - runs: {}", group.examples.join(", "));
}

/// A model's words in Markdown: they are text, and neither links, nor pictures, nor markup.
fn plain(text: &str) -> String {
    let mut plain = String::new();
    for c in out::shown(text).chars() {
        if "\\`*_{}[]<>()#!|~&".contains(c) {
            plain.push('\\');
        }
        plain.push(c);
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_models_words_are_no_markup() {
        assert_eq!(plain("![x](http://a/b) <b>\n# c"), "\\!\\[x\\]\\(http://a/b\\) \\<b\\>\u{fffd}\\# c");
    }
}
