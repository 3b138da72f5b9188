//! Budgets, feedback and policies as the page lays them out. Given the accounts of a fleet → users
//! first, each account with its owner, its cap and how much of it is taken.

use std::collections::BTreeMap;

use jetway_core::lint::Finding;
use jetway_core::policy::budget::name::Name;
use jetway_core::policy::interrogation::Group;
use serde::Serialize;

use crate::admin::page::data::Read;
use crate::admin::page::html::moment;
use crate::admin::page::story::text;
use crate::amend::Shown;
use crate::config::Policy;
use crate::runs::read::{Line, number};

/// The most rows of one table.
pub(super) const ROWS: usize = 500;

/// Accounts of one scope.
#[derive(Debug, Serialize)]
pub(super) struct Scope {
    /// `user`, `team`, and what else a cap can be per.
    name: String,
    accounts: Vec<Account>,
    /// Those that are not shown.
    more: usize,
}

#[derive(Debug, PartialEq, Serialize)]
struct Account {
    who: String,
    /// Whether the row above is of another.
    is_first: bool,
    policy: String,
    every: String,
    is_money: bool,
    unit: String,
    limit: f64,
    used: f64,
    held: f64,
    owed: f64,
    left: f64,
    share: f64,
    /// The same as a bar has it: in thousandths, and never more than all.
    width: i64,
    state: &'static str,
    renewed: Option<String>,
}

/// The order in which scopes are shown.
const SCOPES: [&str; 6] = ["user", "team", "key", "run", "policy", "model"];

/// Accounts by their scope; within one by who it is, and there the fullest first.
pub(super) fn scopes(accounts: &[Shown], is_wanted: impl Fn(&str, &str, &str) -> bool) -> Vec<Scope> {
    let mut found: BTreeMap<usize, Scope> = BTreeMap::new();
    for shown in accounts {
        let Some((scope, account)) = Account::of(shown) else { continue };
        if !is_wanted(&account.policy, &account.who, account.state) {
            continue;
        }
        let place = SCOPES.iter().position(|name| *name == scope).unwrap_or(SCOPES.len());
        let entry = found.entry(place).or_insert_with(|| Scope { name: scope, accounts: Vec::new(), more: 0 });
        entry.accounts.push(account);
    }
    for scope in found.values_mut() {
        // Whoever is fullest first, with what else is theirs.
        let mut fullest: BTreeMap<String, f64> = BTreeMap::new();
        for account in &scope.accounts {
            let share = fullest.entry(account.who.clone()).or_default();
            *share = share.max(account.share);
        }
        let rank = |account: &Account| fullest.get(&account.who).copied().unwrap_or_default();
        scope.accounts.sort_by(|a, b| {
            let whose = rank(b).total_cmp(&rank(a)).then_with(|| a.who.cmp(&b.who));
            whose.then_with(|| b.share.total_cmp(&a.share))
        });
        for at in 1..scope.accounts.len() {
            scope.accounts[at].is_first = scope.accounts[at].who != scope.accounts[at - 1].who;
        }
        scope.more = scope.accounts.len().saturating_sub(ROWS);
        scope.accounts.truncate(ROWS);
    }
    found.into_values().collect()
}

impl Account {
    /// As its name says, with whose it is.
    fn of(shown: &Shown) -> Option<(String, Self)> {
        let Name { policy, scope, who, unit, every } = Name::read(&shown.account)?;
        // Tokens that are weighed stand with their weights.
        let unit = unit.split_once(':').map_or(unit.as_str(), |(unit, _)| unit);
        #[expect(clippy::cast_possible_truncation, reason = "between nothing and a thousand")]
        let width = (shown.share.clamp(0.0, 1.0) * 1_000.0) as i64;
        let account = Self {
            // All of a policy stand together, under its name.
            who: if scope == "policy" { policy.clone() } else { who },
            is_first: true,
            policy,
            every,
            is_money: shown.unit == "usd",
            unit: unit.to_owned(),
            limit: shown.limit,
            used: shown.used,
            held: shown.held,
            owed: shown.owed,
            left: shown.left,
            share: shown.share,
            width,
            state: shown.state,
            renewed: shown.resets_at.and_then(|at| moment(at).get(..16).map(str::to_owned)),
        };
        Some((scope, account))
    }
}

/// Findings that say the same, as they are laid out.
#[derive(Debug, Serialize)]
pub(super) struct Told {
    status: &'static str,
    severity: &'static str,
    kind: String,
    policy: String,
    text: String,
    /// What is spoken of: `tool`, its name, how many do.
    about: Vec<(&'static str, String, i64)>,
    versions: Vec<(String, i64)>,
    count: usize,
    runs: usize,
    examples: Vec<String>,
    first: String,
    last: String,
}

impl Told {
    pub(super) fn of(group: &Group) -> Self {
        let number = |count: usize| i64::try_from(count).unwrap_or(i64::MAX);
        let names = [("tool", &group.tools), ("document", &group.documents), ("step", &group.steps)];
        let mut about: Vec<_> = names
            .into_iter()
            .flat_map(|(label, names)| names.iter().map(move |(name, count)| (label, name.clone(), number(*count))))
            .collect();
        about.sort_by_key(|(_, _, count)| std::cmp::Reverse(*count));
        about.truncate(ABOUT);
        Self {
            status: group.status.name(),
            severity: group.severity.name(),
            kind: group.kind.name().replace('_', " "),
            policy: group.policy.clone(),
            text: group.text.clone(),
            about,
            versions: group.versions.iter().map(|(version, count)| (version.clone(), number(*count))).collect(),
            count: group.count,
            runs: group.runs,
            examples: group.examples.clone(),
            first: moment(group.first),
            last: moment(group.last),
        }
    }
}

/// The most names that a group is said to be about.
const ABOUT: usize = 8;

/// A policy as it is in force.
#[derive(Debug, Serialize)]
pub(super) struct InForce {
    name: String,
    about: String,
    version: String,
    /// What it does, in words: `locks tools down`, `40 sections of documents`.
    does: Vec<String>,
    steps: Vec<String>,
    versions: Vec<Was>,
    doubts: Vec<Doubt>,
    /// Why there is no saying what is doubtful.
    unread: Option<String>,
}

/// A version that exchanges were under.
#[derive(Debug, Serialize)]
struct Was {
    version: String,
    first: String,
    last: String,
    exchanges: i64,
    is_in_force: bool,
}

#[derive(Debug, Serialize)]
struct Doubt {
    file: String,
    line: usize,
    rule: &'static str,
    sentence: String,
}

impl InForce {
    pub(super) fn of(
        policy: &Policy,
        (sections, airplanes): (usize, usize),
        versions: &[Line],
        doubts: Option<&Read<Vec<Finding>>>,
    ) -> Self {
        let of = |line: &Line, name: &str| text(line, name).unwrap_or_default();
        let at = |line: &Line, name: &str| of(line, name).parse().map(moment).unwrap_or_default();
        let was = |line: &Line| Was {
            version: of(line, "policy_version"),
            first: at(line, "at"),
            last: at(line, "last"),
            exchanges: number(line, "exchanges"),
            is_in_force: of(line, "policy_version") == policy.version,
        };
        let doubt = |finding: &Finding| Doubt {
            file: finding.file.clone(),
            line: finding.line,
            rule: finding.rule,
            sentence: finding.sentence.clone(),
        };
        let found = doubts.map_or(Ok(&[][..]), |doubts| doubts.as_deref().map_err(Clone::clone));
        let mine = versions.iter().filter(|line| of(line, "policy") == policy.name);
        Self {
            name: policy.name.clone(),
            about: policy.about.trim().to_owned(),
            version: policy.version.clone(),
            does: does(policy, sections, airplanes),
            steps: policy.path.iter().flat_map(|path| path.steps()).map(|step| step.id.clone()).collect(),
            versions: mine.take(ROWS).map(was).collect(),
            doubts: found.iter().copied().flatten().take(ROWS).map(doubt).collect(),
            unread: found.err(),
        }
    }
}

fn does(policy: &Policy, sections: usize, airplanes: usize) -> Vec<String> {
    let counted = |count: usize, noun: &str| format!("{count} {noun}{}", if count == 1 { "" } else { "s" });
    let steps = policy.path.as_ref().map_or(0, |path| path.steps().len());
    [
        (policy.lockdown.is_some(), String::from("locks tools down")),
        (policy.standing.is_some(), String::from("standing prose")),
        (sections > 0, format!("{} of documents", counted(sections, "section"))),
        (airplanes > 0, counted(airplanes, "model airplane")),
        (steps > 0, counted(steps, "step")),
    ]
    .into_iter()
    .filter_map(|(is_so, words)| is_so.then_some(words))
    .collect()
}

#[cfg(test)]
mod tests {
    use jetway_core::policy::interrogation::{Finding as SaidOf, Kind, Noted, Severity, report};

    use super::*;

    fn shown(account: &str, share: f64) -> Shown {
        let state = if share >= 1.0 { "over" } else { "well" };
        let unit = if account.contains("/usd/") { "usd" } else { "tokens" };
        Shown {
            account: account.to_owned(),
            unit,
            limit: 10.0,
            used: 10.0 * share,
            held: 0.0,
            owed: 0.0,
            left: 0.0,
            share,
            state,
            resets_at: None,
        }
    }

    #[test]
    fn accounts_stand_by_scope_with_those_of_the_fullest_first() {
        let accounts = [
            shown("p/policy=all/usd/month", 0.9),
            shown("p/user=bob/usd/day", 0.1),
            shown("p/user=ada/tokens:1,0.1,1,5/day", 1.2),
            shown("p/user=bob/usd/5h", 0.5),
            shown("q/user=a%2Fb%C3%BC/usd/day", 0.0),
            shown("nonsense", 0.0),
        ];
        let check = |scopes: Vec<Scope>, expected: &[&str]| {
            let row = |scope: &Scope, account: &Account| {
                format!("{} {} {} {} {}", scope.name, account.who, account.policy, account.every, account.width)
            };
            let rows = scopes.iter().flat_map(|scope| scope.accounts.iter().map(|account| row(scope, account)));
            assert_eq!(rows.collect::<Vec<_>>(), expected);
        };
        let all = ["user ada p day 1000", "user bob p 5h 500", "user bob p day 100", "user a/bü q day 0"];
        check(scopes(&accounts, |_, _, _| true), &[&all[..], &["policy p p month 900"]].concat());
        check(scopes(&accounts, |policy, who, _| policy == "p" && who == "bob"), &all[1..3]);
        check(scopes(&accounts, |_, _, state| state != "well"), &all[..1]);
    }

    #[test]
    fn what_a_group_is_about_is_told_by_how_many_say_so() {
        let noted = |policy: &str, tool: Option<&str>, step: &str| Noted {
            at: "2026-11-25T10:00:00Z".parse().unwrap(),
            run: String::from("run_1"),
            policy: policy.to_owned(),
            policy_version: Some(String::from("v2")),
            finding: SaidOf {
                kind: Kind::RefusedTool,
                severity: Severity::High,
                step: Some(step.to_owned()),
                document: None,
                tool: tool.map(str::to_owned),
                text: String::from("I needed npm install and was refused it."),
            },
            document_hash: None,
        };
        let all = [noted("p", Some("Bash"), "install"), noted("p", Some("Bash"), "begin"), noted("p", None, "install")];
        let groups: Vec<Told> = report(&all, &[], jiff::Timestamp::UNIX_EPOCH).iter().map(Told::of).collect();
        let [told] = &groups[..] else { panic!("{groups:?}") };
        let about: Vec<_> = told.about.iter().map(|(label, name, count)| format!("{label} {name} {count}")).collect();
        assert_eq!(about, ["tool Bash 2", "step install 2", "step begin 1"]);
        assert_eq!((told.kind.as_str(), told.severity, told.count, told.runs), ("refused tool", "high", 3, 1));
        assert_eq!((told.versions.clone(), told.last.as_str()), (vec![(String::from("v2"), 3)], "2026-11-25 10:00:00"));
    }
}
