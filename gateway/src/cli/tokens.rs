//! `jetway tokens`.

use anyhow::{Context as _, bail};
use jiff::Timestamp;
use serde_json::json;

use crate::cli::{out, runtime};
use crate::config::{self, Config};
use crate::gate::{self, files};
use crate::keys::Keys;
use crate::keys::run::{Cap, Grant, Listed};
use crate::mint::{self, Wish};
use crate::rates::Rates;
use crate::runs::log::{Action, Log};

#[derive(Debug, clap::Subcommand)]
pub(super) enum Command {
    /// Mint a token for one run. It is shown this once. A back end does the same with
    /// `POST /v1/tokens` on the admin port.
    Mint {
        /// The policy that it is for.
        #[arg(long)]
        policy: String,
        /// Who spends with it.
        #[arg(long)]
        user: String,
        /// The user's team.
        #[arg(long)]
        team: Option<String>,
        /// What the run may cost in all, in dollars.
        #[arg(long, value_name = "DOLLARS", required_unless_present = "tokens", conflicts_with = "tokens")]
        usd: Option<f64>,
        /// The same in tokens.
        #[arg(long, value_name = "COUNT")]
        tokens: Option<u64>,
        /// How long it is good for, up to 7d.
        #[arg(long, default_value = "1h")]
        ttl: String,
        /// Models that it may call, of those that the policy allows; may be given several times.
        #[arg(long = "model", value_name = "PATTERN")]
        models: Vec<String>,
        /// Write the result as JSON.
        #[arg(long)]
        json: bool,
    },
    /// List the tokens that have not expired.
    List {
        /// Only tokens of this policy.
        #[arg(long)]
        policy: Option<String>,
        /// Write the list as JSON.
        #[arg(long)]
        json: bool,
    },
    /// Revoke a token at once, also in a gateway that is running.
    Revoke {
        /// The token's id, as `tokens list` shows it.
        id: String,
    },
}

pub(super) fn run(config: &Config, command: Command) -> anyhow::Result<()> {
    let keys = Keys::open(&config.state.join(files::KEYS))?;
    let log = Log::beside(&config.runs, &config.state)?;
    let by = config::environment("USER").unwrap_or_else(|| String::from("operator"));
    runtime()?.block_on(async {
        match command {
            Command::Mint { policy, user, team, usd, tokens, ttl, models, json } => {
                let models = match models.as_slice() {
                    [] => None,
                    models => Some(serde_json::from_value(json!(models)).context("these are no models")?),
                };
                let grant = Grant { policy, user, team, cap: Cap { usd, tokens }, models };
                let wish = Wish { grant, ttl: Some(ttl), idempotency_key: None };
                let keyed = gate::keyed(config)?;
                let minted = mint::mint((config, &keys, &log), &Rates::default(), &keyed, wish, &by).await?;
                if json {
                    let made = json!({ "id": minted.id, "token": minted.text, "expires": minted.expires.to_string() });
                    return out::line(&made.to_string());
                }
                out::line(&minted.text)?;
                out::line(&format!(
                    "{} is good until {}. Keep the token: it is not shown again.",
                    minted.id, minted.expires
                ))
            }
            Command::List { policy, json } => list(&keys.runs(policy, Timestamp::now()).await?, json),
            Command::Revoke { id } => {
                let now = Timestamp::now();
                let Some(grant) = keys.revoke_run(id.clone(), now).await? else {
                    bail!("there is no run token {id:?}; `jetway tokens list` shows them");
                };
                let reason = format!("a run of {}", grant.user);
                log.note(Action { at: now, by, what: "revoke", target: id.clone(), reason, ..Action::default() })
                    .await?;
                out::line(&format!("{id} is revoked."))
            }
        }
    })
}

fn list(tokens: &[Listed], json: bool) -> anyhow::Result<()> {
    if json {
        return out::line(&serde_json::to_string_pretty(tokens)?);
    }
    let row = |token: &Listed| {
        let cap = match (token.grant.cap.usd, token.grant.cap.tokens) {
            (Some(usd), _) => format!("${usd:.2}"),
            (None, tokens) => format!("{} tokens", tokens.unwrap_or(0)),
        };
        let state = token.revoked.map_or_else(|| String::from("valid"), |at| format!("revoked {at}"));
        let (policy, user) = (out::shown(&token.grant.policy), out::shown(&token.grant.user));
        vec![token.id.clone(), policy, user, cap, token.created.to_string(), token.expires.to_string(), state]
    };
    let rows: Vec<_> = tokens.iter().map(row).collect();
    out::raw(out::table(&["ID", "POLICY", "USER", "CAP", "MINTED", "EXPIRES", "STATE"], &rows).as_bytes())
}
