//! What operators change by hand in a running budget, each with a reason that stays in the run log.

use jetway_core::policy::budget::account::Standing;
use jetway_core::units::Span;
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use crate::config::Config;
use crate::ledger::{Abandoned, Amendment, Ledger, Line, Unreachable, amount_for, every_of, is_money, policy_of};
use crate::runs::log::{Action, Log};

/// A change as an operator asks for it.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(rename_all = "lowercase", deny_unknown_fields)]
pub enum Wish {
    /// More room in an account: dollars or tokens, as the account counts, until a moment or for a time.
    Raise { account: String, by: f64, until: String },
    /// Forget what was used in the current window, and what is owed.
    Reset { account: String },
    /// Give back what an exchange was charged whose process died.
    Release { exchange: String },
}

/// Why a change was not made.
#[derive(Debug, thiserror::Error)]
pub enum Failed {
    #[error("{0:?} is no account; `jetway budgets` lists them, for example wizard/user=ada/usd/day")]
    NoAccount(String),
    #[error("there is no policy {0:?}")]
    NoPolicy(String),
    #[error("a raise must be more than nothing: use dollars, or tokens, as the account counts")]
    NoAmount,
    #[error(
        "{0:?} is neither a moment (2026-12-01T00:00:00Z) nor a length of time (24h), or it is not within a year from now"
    )]
    NoEnd(String),
    #[error("say why, in 500 characters at the most: the reason stays in the run log")]
    NoReason,
    #[error("there is nothing to change: {0}")]
    Nothing(&'static str),
    #[error(transparent)]
    Unreachable(#[from] Unreachable),
    #[error("the change was made, but the run log is full or gone, so that its reason is lost; do not make it again")]
    NoLog,
}

/// Makes a change, and writes down who made it and why.
///
/// # Errors
/// [`Failed`] says why nothing was changed.
pub async fn amend(
    (config, ledger, log): (&Config, &dyn Ledger, &Log),
    wish: Wish,
    (reason, by): (&str, &str),
) -> Result<(), Failed> {
    let reason = reason.trim();
    if reason.is_empty() || reason.chars().count() > 500 {
        return Err(Failed::NoReason);
    }
    let now = Timestamp::now();
    let (policy, amendment, action) = meant(config, ledger, wish, now).await?;
    let action = Action { at: now, by: by.to_owned(), reason: reason.to_owned(), ..action };
    if !ledger.amend(&policy, amendment).await? {
        return Err(Failed::Nothing("nothing was used in this account, or no such exchange was abandoned"));
    }
    log.note(action).await.map_err(|_| Failed::NoLog)
}

async fn meant(
    config: &Config,
    ledger: &dyn Ledger,
    wish: Wish,
    now: Timestamp,
) -> Result<(String, Amendment, Action), Failed> {
    let action = |what: &'static str, target: &str| Action { what, target: target.to_owned(), ..Action::default() };
    match wish {
        Wish::Raise { account, by, until } => {
            let policy = checked(config, &account)?;
            let amount = amount_for(&account, by).ok().filter(|amount| *amount > 0).ok_or(Failed::NoAmount)?;
            let until = moment(&until, now).ok_or(Failed::NoEnd(until))?;
            let action = Action { amount: Some(amount), until: Some(until), ..action("raise", &account) };
            Ok((policy, Amendment::Raise { account, amount, until }, action))
        }
        Wish::Reset { account } => {
            let policy = checked(config, &account)?;
            let action = action("reset", &account);
            Ok((policy, Amendment::Reset { account }, action))
        }
        Wish::Release { exchange } => {
            let policies: Vec<String> = config.policies.keys().cloned().collect();
            let (_, abandoned) = ledger.list(&policies).await?;
            let found = abandoned.iter().find(|hold| hold.exchange == exchange);
            let found = found.ok_or(Failed::Nothing("no hold of this exchange was abandoned"))?;
            let action = Action { amount: Some(found.amount), ..action("release", &exchange) };
            Ok((policy_of(&found.account).to_owned(), Amendment::Release { exchange }, action))
        }
    }
}

/// The policy of an account that could be.
fn checked(config: &Config, account: &str) -> Result<String, Failed> {
    let policy = policy_of(account);
    if account.split('/').count() != 4 || every_of(account).is_none() || !account.contains('=') {
        return Err(Failed::NoAccount(account.chars().take(200).collect()));
    }
    if !config.policies.contains_key(policy) {
        return Err(Failed::NoPolicy(policy.to_owned()));
    }
    Ok(policy.to_owned())
}

/// A moment, or a length of time from now on.
fn moment(text: &str, now: Timestamp) -> Option<Timestamp> {
    let length = || Span::parse(text).and_then(|span| SignedDuration::try_from(span.0).ok());
    let until = text.parse().ok().or_else(|| now.checked_add(length()?).ok())?;
    let year = SignedDuration::from_hours(24 * 366);
    (now < until && until <= now.checked_add(year).ok()?).then_some(until)
}

/// The accounts as an operator looks at them: the fullest first.
#[derive(Debug, Clone, Serialize)]
pub struct Books {
    pub accounts: Vec<Shown>,
    pub abandoned: Vec<Abandoned>,
}

/// An account, in dollars or tokens.
#[derive(Debug, Clone, Serialize)]
pub struct Shown {
    pub account: String,
    pub unit: &'static str,
    pub limit: f64,
    pub used: f64,
    pub held: f64,
    pub owed: f64,
    pub left: f64,
    /// From 0 to 1, and more where it is over.
    pub share: f64,
    /// `over`, `close` from four fifths on, or `well`.
    pub state: &'static str,
    pub resets_at: Option<Timestamp>,
}

/// The share from which an account is close to its limit.
const CLOSE: f64 = 0.8;

/// How all accounts of these policies stand.
///
/// # Errors
/// [`Unreachable`] when the ledger cannot be asked.
pub async fn books(ledger: &dyn Ledger, policies: &[String]) -> Result<Books, Unreachable> {
    let (lines, abandoned) = ledger.list(policies).await?;
    let mut accounts: Vec<Shown> = lines.iter().map(Shown::new).collect();
    accounts.sort_by(|a, b| b.share.total_cmp(&a.share).then_with(|| a.account.cmp(&b.account)));
    Ok(Books { accounts, abandoned })
}

impl Shown {
    fn new(line: &Line) -> Self {
        let Standing { limit, used, held, debt, renews } = line.standing;
        let is_money = is_money(&line.account);
        #[expect(clippy::cast_precision_loss, reason = "amounts are below 2^53")]
        let amount = |count: u64| if is_money { count as f64 / 1e6 } else { count as f64 };
        let share = if limit == 0 { 1.0 } else { amount(used + held + debt) / amount(limit) };
        let state = match share {
            share if share >= 1.0 => "over",
            share if share >= CLOSE => "close",
            _ => "well",
        };
        Self {
            account: line.account.clone(),
            unit: if is_money { "usd" } else { "tokens" },
            limit: amount(limit),
            used: amount(used),
            held: amount(held),
            owed: amount(debt),
            left: amount(line.standing.left()),
            share,
            state,
            resets_at: renews,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_end_is_a_moment_or_a_length_within_a_year() {
        let now: Timestamp = "2026-11-23T10:00:00Z".parse().unwrap();
        let check = |text: &str| moment(text, now).map(|at| at.to_string()).unwrap_or_default();
        assert_eq!(check("24h"), "2026-11-24T10:00:00Z");
        assert_eq!(check("2026-12-01T00:00:00Z"), "2026-12-01T00:00:00Z");
        for wrong in ["", "tomorrow", "2026-11-23T09:00:00Z", "2028-01-01T00:00:00Z", "400d", "0s"] {
            assert_eq!(check(wrong), "", "{wrong}");
        }
    }
}
