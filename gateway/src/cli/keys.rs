//! `jetway keys`.

use anyhow::bail;
use jetway_core::policy::budget::cap::Own;
use jiff::Timestamp;
use serde_json::json;

use crate::cli::out;
use crate::config::Config;
use crate::gate::files;
use crate::keys::{self, Holder};

#[derive(Debug, clap::Subcommand)]
pub(super) enum Command {
    /// Make a key. It is shown this once.
    Create {
        /// The policy that it is for.
        #[arg(long)]
        policy: String,
        /// Who spends with it.
        #[arg(long)]
        user: String,
        /// The user's team.
        #[arg(long)]
        team: Option<String>,
        /// A cap of its own, in dollars, besides those of the policy.
        #[arg(long, value_name = "DOLLARS", conflicts_with = "tokens")]
        usd: Option<f64>,
        /// A cap of its own, in tokens, besides those of the policy.
        #[arg(long, value_name = "COUNT")]
        tokens: Option<u64>,
        /// The window of its own cap: minute, hour, day, week, month, a length such as 5h, or run.
        #[arg(long, value_name = "WINDOW", default_value = "month")]
        every: String,
        /// Write the result as JSON.
        #[arg(long)]
        json: bool,
    },
    /// List keys. Their texts are not kept and cannot be shown.
    List {
        /// Write the list as JSON.
        #[arg(long)]
        json: bool,
    },
    /// Revoke a key at once, also in a gateway that is running.
    Revoke {
        /// The key's id, as `keys list` shows it.
        id: String,
    },
}

pub(super) fn run(config: &Config, command: Command) -> anyhow::Result<()> {
    let connection = keys::connect(&config.state.join(files::KEYS))?;
    match command {
        Command::Create { policy, user, team, usd, tokens, every, json } => {
            if !config.policies.contains_key(&policy) {
                let known = config.policies.keys().cloned().collect::<Vec<_>>().join(", ");
                bail!("there is no policy {policy:?}; the policies here are {known}");
            }
            if [Some(&user), team.as_ref()].into_iter().flatten().any(|name| !keys::is_name(name)) {
                bail!(
                    "names of users and teams have 1 to 100 characters, none of them a space, a slash or a control character"
                );
            }
            let caps = caps(usd, tokens, &every)?;
            let holder = Holder { policy, user, team, caps };
            let made = keys::create(&connection, &holder, Timestamp::now())?;
            if json {
                let made = json!({ "id": made.id, "key": made.text, "policy": holder.policy, "user": holder.user, "team": holder.team, "caps": serde_json::from_str::<serde_json::Value>(&holder.caps)? });
                return out::line(&made.to_string());
            }
            out::line(&made.text)?;
            out::line(&format!(
                "{} for {} under the policy {}. Keep the key: it is not shown again.",
                made.id, holder.user, holder.policy
            ))
        }
        Command::List { json } => list(&keys::list(&connection)?, json),
        Command::Revoke { id } => {
            if !keys::revoke(&connection, &id, Timestamp::now())? {
                bail!("there is no key {id:?}; `jetway keys list` shows them");
            }
            out::line(&format!("{id} is revoked."))
        }
    }
}

fn list(keys: &[keys::Listed], json: bool) -> anyhow::Result<()> {
    if json {
        return out::line(&serde_json::to_string_pretty(keys)?);
    }
    let rows: Vec<Vec<String>> = keys
        .iter()
        .map(|key| {
            let state = key.revoked.map_or_else(|| String::from("valid"), |at| format!("revoked {at}"));
            let team = key.team.clone().unwrap_or_default();
            let caps = key.caps.as_array().into_iter().flatten().map(cap).collect::<Vec<_>>().join(", ");
            vec![key.id.clone(), key.policy.clone(), key.user.clone(), team, caps, key.created.to_string(), state]
        })
        .collect();
    out::raw(out::table(&["ID", "POLICY", "USER", "TEAM", "OWN CAP", "CREATED", "STATE"], &rows).as_bytes())
}

fn cap(cap: &serde_json::Value) -> String {
    let every = cap["every"].as_str().unwrap_or_default();
    match cap["usd"].as_f64() {
        Some(usd) => format!("${usd:.2} a {every}"),
        None => format!("{} tokens a {every}", cap["tokens"]),
    }
}

/// The caps of a key, as they are kept.
fn caps(usd: Option<f64>, tokens: Option<u64>, every: &str) -> anyhow::Result<String> {
    let cap = match (usd, tokens) {
        (None, None) => return Ok(String::from("[]")),
        (Some(usd), _) => json!({ "usd": usd, "every": every }),
        (None, Some(tokens)) => json!({ "tokens": tokens, "every": every }),
    };
    let text = json!([cap]).to_string();
    serde_json::from_str::<Vec<Own>>(&text).map_err(|error| anyhow::anyhow!("this is no cap: {error}"))?;
    Ok(text)
}
