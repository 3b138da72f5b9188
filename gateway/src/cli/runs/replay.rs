//! `jetway runs replay`.

use std::fmt::Write;

use std::collections::HashSet;
use std::slice;

use serde_json::Value;

use crate::cli::out;
use crate::cli::policy::against;
use crate::cli::runs::found;
use crate::config::{Config, Policy};
use crate::replay::{self, Recorded, Replay};
use crate::runs::read::{Line, MOST_SPENDING, Reader, text};

#[derive(Debug, clap::Args)]
#[command(
    after_help = "Calls, tools, passages and efforts are known of exchanges whose bodies are kept (`runs.bodies`). What would \
be paid is told by what was paid, by the prices, the models, the output limit and the caps of the policy, and by how much \
longer or shorter its prompts are; what others spent within the caps' windows counts. Not known: what a caller's own key \
allows, what a model would ask for or say otherwise, how long a tool is that was hidden then, and what a task means (words \
alone rank). Steps are the same where they have the same id."
)]
pub(super) struct Args {
    /// The run, or the beginning of its id.
    id: String,
    /// The policy: its name, or a folder with a policy.yaml. By default that of the run, as it is now.
    #[arg(long)]
    policy: Option<String>,
    /// Write it as JSON.
    #[arg(long)]
    json: bool,
}

pub(super) async fn run(config: &Config, reader: &Reader, args: &Args) -> anyhow::Result<()> {
    let (run, exchanges) = found(reader, &args.id).await?;
    let own = run.get("policy").and_then(Value::as_str).unwrap_or_default();
    let (gate, name) = against(config, args.policy.as_deref().unwrap_or(own))?;
    let policy = &gate.config.policies[&name];
    let recorded = recorded(reader, &run, exchanges.clone()).await?;
    let mut replayed = replay::replay(&gate, policy, &recorded);
    let mut lines: Vec<&Line> = exchanges.iter().collect();
    let others = others(reader, &[policy], own, &lines).await?;
    lines.extend(&others);
    let bills = replay::bills(&gate, policy, &lines, slice::from_ref(&replayed));
    replayed.pay(exchanges.iter(), &bills);
    if args.json {
        return out::line(&serde_json::to_string_pretty(&replayed)?);
    }
    out::raw(render(&replayed).as_bytes())
}

/// What others spent under a policy within the windows of these policies' caps, by the time that the last of
/// these exchanges began.
pub(in crate::cli) async fn others(
    reader: &Reader,
    policies: &[&Policy],
    own: &str,
    exchanges: &[&Line],
) -> anyhow::Result<Vec<Line>> {
    let Some(from) = policies.iter().filter_map(|policy| replay::since(policy, exchanges)).min() else {
        return Ok(Vec::new());
    };
    let ends = exchanges.iter().filter_map(|line| text(line, "at")?.parse().ok());
    let mut found = reader.spending(Some(own), (from, ends.max().unwrap_or(from))).await?;
    if found.len() as u64 == MOST_SPENDING {
        tracing::warn!("more than {MOST_SPENDING} exchanges count for the caps; the latest of them were looked at");
    }
    let known: HashSet<&str> = exchanges.iter().filter_map(|line| text(line, "id")).collect();
    found.retain(|line| text(line, "id").is_none_or(|id| !known.contains(id)));
    Ok(found)
}

/// The exchanges of a run with their bodies.
pub(in crate::cli) async fn recorded(
    reader: &Reader,
    run: &Line,
    exchanges: Vec<Line>,
) -> anyhow::Result<Vec<Recorded>> {
    let mut bodies = reader.bodies(run.get("id").and_then(Value::as_str).unwrap_or_default()).await?;
    let with_body = |exchange: Line| {
        let id = exchange.get("id").and_then(Value::as_str).unwrap_or_default();
        let (sent, said) = bodies.remove(id).map(|kept| (kept.sent, kept.said)).unzip();
        Recorded { exchange, sent, said: said.flatten() }
    };
    Ok(exchanges.into_iter().map(with_body).collect())
}

fn render(replay: &Replay) -> String {
    let mut text = format!("{} under {} ({})\n", replay.run, replay.policy, replay.policy_version);
    // Writing into a string does not fail.
    if replay.bodies < replay.exchanges {
        let without = replay.exchanges - replay.bodies;
        _ = writeln!(
            text,
            "{without} of {} exchanges have no body: their calls, tools and passages are not known.",
            replay.exchanges
        );
    }
    let refused: Vec<_> = replay.refused().collect();
    let then = replay.calls_refused_then;
    _ = writeln!(text, "{} calls, of which {} would be refused ({then} were):", replay.calls.len(), refused.len());
    for call in refused {
        let input: String = out::shown(&call.input).chars().take(80).collect();
        _ = writeln!(
            text,
            "  turn {:>3}  {} {input}\n            by {}",
            call.turn,
            out::shown(&call.tool),
            call.by.as_deref().unwrap_or_default()
        );
    }
    let lists = [
        ("tools that would be hidden", replay.hidden.iter().collect::<Vec<_>>()),
        ("tools that would be offered again", replay.offered_again.iter().collect()),
        ("passages that would be new", replay.passages_new().collect()),
        ("passages that would not be shown", replay.passages_gone().collect()),
        ("passages of which an older record does not say why they were shown", replay.passages_untold.iter().collect()),
    ];
    for (label, names) in lists.into_iter().filter(|(_, names)| !names.is_empty()) {
        let names: Vec<String> = names.into_iter().map(|name| out::shown(name)).collect();
        _ = writeln!(text, "{label}: {}", names.join(", "));
    }
    _ = writeln!(text, "paid: {}; it was {}", replay.cost(), replay.cost_then());
    if let Some((turn, why)) = &replay.refused_from {
        _ = writeln!(text, "refused from turn {turn} on: {}", out::shown(why));
    }
    for (turn, why) in &replay.refused_apart {
        _ = writeln!(text, "refused beside it, turn {turn}: {}", out::shown(why));
    }
    text
}
