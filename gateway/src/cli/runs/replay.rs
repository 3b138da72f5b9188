//! `jetway runs replay`.

use std::fmt::Write;

use serde_json::Value;

use crate::cli::out;
use crate::cli::policy::against;
use crate::cli::runs::found;
use crate::config::Config;
use crate::replay::{self, Recorded, Replay};
use crate::runs::read::{Line, Reader};

#[derive(Debug, clap::Args)]
#[command(
    after_help = "Calls, tools and passages are known of exchanges whose bodies are kept (`runs.bodies`). What would be \
paid is told by what was paid, up to the caps and the output limit of the policy."
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
    let lines: Vec<&Line> = exchanges.iter().collect();
    let bills = replay::bills(&gate, policy, &lines);
    let recorded = recorded(reader, &run, exchanges.clone()).await?;
    let replayed = replay::replay(&gate, policy, &recorded, &bills);
    if args.json {
        return out::line(&serde_json::to_string_pretty(&replayed)?);
    }
    out::raw(render(&replayed).as_bytes())
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
        let sent = bodies.remove(id).map(|said| said.sent);
        Recorded { exchange, sent }
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
        ("passages that would be new", replay.passages.difference(&replay.passages_then).collect()),
        ("passages that would not be shown", replay.passages_then.difference(&replay.passages).collect()),
    ];
    for (label, names) in lists.into_iter().filter(|(_, names)| !names.is_empty()) {
        let names: Vec<String> = names.into_iter().map(|name| out::shown(name)).collect();
        _ = writeln!(text, "{label}: {}", names.join(", "));
    }
    _ = writeln!(text, "paid: {}; it was {}", replay.cost(), replay.cost_then());
    if let Some((turn, cap)) = &replay.refused_from {
        _ = writeln!(text, "refused from turn {turn} on, by the budget of {cap}");
    }
    text
}
