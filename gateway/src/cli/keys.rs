//! `jetway keys`.

use anyhow::bail;
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
        Command::Create { policy, user, team, json } => {
            if !config.policies.contains_key(&policy) {
                let known = config.policies.keys().cloned().collect::<Vec<_>>().join(", ");
                bail!("there is no policy {policy:?}; the policies here are {known}");
            }
            if [Some(&user), team.as_ref()].into_iter().flatten().any(|name| !is_name(name)) {
                bail!(
                    "names of users and teams have 1 to 100 characters, none of them a space, a slash or a control character"
                );
            }
            let holder = Holder { policy, user, team };
            let made = keys::create(&connection, &holder, Timestamp::now())?;
            if json {
                let made = json!({ "id": made.id, "key": made.text, "policy": holder.policy, "user": holder.user, "team": holder.team });
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
            vec![key.id.clone(), key.policy.clone(), key.user.clone(), team, key.created.to_string(), state]
        })
        .collect();
    out::raw(out::table(&["ID", "POLICY", "USER", "TEAM", "CREATED", "STATE"], &rows).as_bytes())
}

fn is_name(name: &str) -> bool {
    let plain = |c: char| !c.is_control() && !c.is_whitespace() && c != '/';
    (1..=100).contains(&name.chars().count()) && name.chars().all(plain)
}
