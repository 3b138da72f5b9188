//! How much may be spent. Given a cap of 5 dollars a day for each user, 4.90 used, 0.05 held by
//! requests that are under way, and 0.10 asked for: refused, with what is left and until when.
//!
//! The parts: `cap` (whose, what, how much), `window` (over how long), `account` (the sums),
//! `hold` (what one exchange has set aside), `learned` (estimates), `name` (of accounts), `rate` (how fast).

pub mod account;
pub mod cap;
pub mod hold;
pub mod learned;
pub mod name;
pub mod rate;
pub mod window;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use schemars::JsonSchema;
use serde::Deserialize;

use crate::price::{Dollars, Price};
use crate::units::{Size, Span};
use cap::{Cap, Own, Per};
use hold::Mode;
use rate::Rate;

/// As written: `budget:` in `policy.yaml`.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(rename = "Budget")]
pub struct Document {
    /// Every cap that applies must have room, or the request is refused; all are charged
    /// together, or none.
    caps: Vec<Cap>,
    /// Further caps for teams, by name. They hold besides the others, so they can only narrow.
    teams: BTreeMap<String, Vec<Own>>,
    /// How fast callers may ask, counted by each Jetway for itself.
    rates: Vec<Rate>,
    /// How much is set aside before a request is sent.
    mode: Mode,
    /// The most tokens a single reply may have. A higher limit in a request is lowered to it,
    /// and a request without one is given it, so that what is reserved is the most it can cost.
    #[schemars(range(min = 1))]
    output_limit: Option<u64>,
    /// What a model costs that `config/prices.yaml` does not list, in dollars a million tokens.
    default_price: DefaultPrice,
    /// What happens to a request that finds too little left.
    on_low: OnLow,
    /// With `on_low: clamp`: with less than this many tokens of output it is refused. 1024 by default.
    clamp_floor: Option<u64>,
    /// With `on_low: downgrade`: the model that is called instead.
    downgrade_to: Option<String>,
    /// What happens to a reply that is under way when nothing more can be set aside for it.
    on_exhausted: OnExhausted,
    /// What happens when the agent hangs up in the middle of a reply.
    on_client_gone: OnClientGone,
    /// With `on_client_gone: drain`: for how long. 30s by default.
    drain_time: Option<Span>,
    /// With `on_client_gone: drain`: how many bytes of the reply. 8MiB by default.
    drain_bytes: Option<Size>,
    /// What happens while the ledger cannot be reached.
    on_error: OnError,
}

/// Dollars a million tokens.
#[derive(Debug, Clone, Copy, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DefaultPrice {
    pub input: Dollars,
    pub output: Dollars,
}

impl Default for DefaultPrice {
    /// As dear as any model in common use: an unknown model must not be a way round a budget.
    fn default() -> Self {
        Self { input: Dollars(15_000_000), output: Dollars(75_000_000) }
    }
}

impl DefaultPrice {
    fn price(self) -> Arc<Price> {
        Arc::new(Price::flat(self.input.0, self.output.0))
    }
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum OnLow {
    /// It is refused.
    #[default]
    Refuse,
    /// Its output limit is lowered to what is left.
    Clamp,
    /// It goes to a cheaper model.
    Downgrade,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum OnExhausted {
    /// It is ended properly, with a notice, and the provider is told to stop.
    #[default]
    Cut,
    /// It goes on to its end; what goes over is owed by the windows that follow.
    Finish,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum OnClientGone {
    /// The provider is told to stop; what was made so far is charged.
    #[default]
    Cancel,
    /// The reply is read to its end, within bounds, so that exactly what it cost is charged.
    Drain,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum OnError {
    /// Requests are served from what this Jetway had leased before, and then refused for the moment.
    #[default]
    Lease,
    /// Requests are refused for the moment.
    Refuse,
    /// Requests are served; each is written down and charged later.
    Allow,
}

/// As meant.
#[derive(Debug, Clone, Deserialize)]
#[serde(try_from = "Document")]
pub struct Rules {
    caps: Vec<Cap>,
    teams: BTreeMap<String, Vec<Own>>,
    pub rates: Vec<Rate>,
    pub mode: Mode,
    output_limit: Option<u64>,
    default_price: Arc<Price>,
    pub on_low: Low,
    pub on_exhausted: OnExhausted,
    pub on_client_gone: Gone,
    pub on_error: OnError,
}

/// What happens to a request that finds too little left.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Low {
    Refuse,
    /// Its output limit becomes what is left, if that is at least so many tokens.
    Clamp {
        floor: u64,
    },
    /// This model is called instead.
    Downgrade {
        to: String,
    },
}

/// What happens when the agent hangs up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Gone {
    Cancel,
    /// Within this time and so many bytes.
    Drain {
        time: Duration,
        bytes: usize,
    },
}

schema_of_document!(Rules, Document);

impl Default for Rules {
    fn default() -> Self {
        Self {
            caps: Vec::new(),
            teams: BTreeMap::new(),
            rates: Vec::new(),
            mode: Mode::default(),
            output_limit: None,
            default_price: DefaultPrice::default().price(),
            on_low: Low::Refuse,
            on_exhausted: OnExhausted::default(),
            on_client_gone: Gone::Cancel,
            on_error: OnError::default(),
        }
    }
}

#[derive(Debug, PartialEq, thiserror::Error)]
pub enum Problem {
    #[error("a cap needs exactly one of `usd` and `tokens`")]
    OneUnit,
    #[error("`weights` weigh tokens; a cap of dollars has no use for them")]
    WeighedDollars,
    #[error("`output_limit` must be at least 1")]
    NoOutput,
    #[error("a rate needs either `requests` and `every`, or `concurrent`")]
    OneBound,
    #[error("a rate must let at least 1 request through; to let none, list no model")]
    NoRequests,
    #[error("a rate is for a day or less; for longer use caps of tokens or dollars")]
    SlowRate,
    #[error("`on_low: downgrade` needs `downgrade_to`, the model that is called instead")]
    NoDowngrade,
    #[error("`{0}` means something only with `{1}`")]
    Unused(&'static str, &'static str),
}

/// What is read on from a reply whose agent left, where the document does not say.
const DRAIN: (Duration, usize) = (Duration::from_secs(30), 8 << 20);
const CLAMP_FLOOR: u64 = 1_024;

impl TryFrom<Document> for Rules {
    type Error = Problem;

    fn try_from(document: Document) -> Result<Self, Problem> {
        if document.output_limit == Some(0) {
            return Err(Problem::NoOutput);
        }
        let low = low(&document)?;
        let gone = gone(&document)?;
        Ok(Self {
            caps: document.caps,
            teams: document.teams,
            rates: document.rates,
            mode: document.mode,
            output_limit: document.output_limit,
            default_price: document.default_price.price(),
            on_low: low,
            on_exhausted: document.on_exhausted,
            on_client_gone: gone,
            on_error: document.on_error,
        })
    }
}

fn low(document: &Document) -> Result<Low, Problem> {
    match (document.on_low, &document.downgrade_to, document.clamp_floor) {
        (OnLow::Refuse | OnLow::Clamp, Some(_), _) => Err(Problem::Unused("downgrade_to", "on_low: downgrade")),
        (OnLow::Refuse | OnLow::Downgrade, _, Some(_)) => Err(Problem::Unused("clamp_floor", "on_low: clamp")),
        (OnLow::Refuse, None, None) => Ok(Low::Refuse),
        (OnLow::Clamp, None, floor) => Ok(Low::Clamp { floor: floor.unwrap_or(CLAMP_FLOOR).max(1) }),
        (OnLow::Downgrade, to, None) => {
            let to = to.clone().filter(|to| !to.is_empty()).ok_or(Problem::NoDowngrade)?;
            Ok(Low::Downgrade { to })
        }
    }
}

fn gone(document: &Document) -> Result<Gone, Problem> {
    match (document.on_client_gone, document.drain_time, document.drain_bytes) {
        (OnClientGone::Drain, time, bytes) => {
            Ok(Gone::Drain { time: time.map_or(DRAIN.0, |time| time.0), bytes: bytes.map_or(DRAIN.1, |bytes| bytes.0) })
        }
        (OnClientGone::Cancel, None, None) => Ok(Gone::Cancel),
        (OnClientGone::Cancel, Some(_), _) => Err(Problem::Unused("drain_time", "on_client_gone: drain")),
        (OnClientGone::Cancel, None, Some(_)) => Err(Problem::Unused("drain_bytes", "on_client_gone: drain")),
    }
}

impl Rules {
    /// The caps that apply to callers of this team.
    pub fn caps(&self, team: Option<&str>) -> impl Iterator<Item = Cap> {
        let own = team.and_then(|team| self.teams.get(team)).into_iter().flatten();
        self.caps.iter().copied().chain(own.map(|own| own.of(Per::Team)))
    }

    #[must_use]
    pub fn output_limit(&self) -> Option<u64> {
        self.output_limit
    }

    #[must_use]
    pub fn default_price(&self) -> &Arc<Price> {
        &self.default_price
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn wrong(text: &str, why: &str) {
        let error = serde_json::from_str::<Rules>(text).unwrap_err().to_string();
        assert!(error.contains(why), "{error}");
    }

    #[test]
    fn options_that_would_do_nothing_are_refused() {
        wrong(r#"{"output_limit":0}"#, "at least 1");
        wrong(r#"{"on_low":"downgrade"}"#, "needs `downgrade_to`");
        wrong(r#"{"on_low":"clamp","downgrade_to":"m"}"#, "only with `on_low: downgrade`");
        wrong(r#"{"clamp_floor":5}"#, "only with `on_low: clamp`");
        wrong(r#"{"drain_time":"5s"}"#, "only with `on_client_gone: drain`");
        wrong(r#"{"on_client_gone":"cancel","drain_bytes":"1MiB"}"#, "only with `on_client_gone: drain`");
    }

    #[test]
    fn a_team_s_own_caps_come_besides_the_others() {
        let text = r#"{"caps":[{"per":"user","usd":5,"every":"day"}],"teams":{"core":[{"usd":1,"every":"month"}]}}"#;
        let rules: Rules = serde_json::from_str(text).unwrap();
        let pers = |team| rules.caps(team).map(|cap| cap.per.name()).collect::<Vec<_>>();
        assert_eq!(pers(Some("core")), ["user", "team"]);
        assert_eq!(pers(Some("other")), ["user"]);
        assert_eq!(pers(None), ["user"]);
    }
}
