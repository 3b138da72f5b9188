//! Budgets: what was set aside, and how the caps stand. Each cap of a policy is one series, whoever is
//! charged to it; users appear only where they are among those who have used most.

use std::collections::BTreeMap;

use jetway_core::policy::budget::name::Name;
use jetway_core::policy::budget::window::Every;
use jiff::Timestamp;
use prometheus::core::Collector;
use prometheus::{CounterVec, GaugeVec, IntCounter};

use crate::ledger::Line;
use crate::metrics::{Labels, Maker, dollars};
use crate::runs::Record;

/// Users of a cap that appear by name: those who have used most of it.
const TOP: usize = 10;

#[derive(Debug, Clone)]
pub struct Budgets {
    held: CounterVec,
    pub unsettled: IntCounter,
    used: GaugeVec,
    holding: GaugeVec,
    limit: GaugeVec,
    fullest: GaugeVec,
    ends: GaugeVec,
    forecast: GaugeVec,
    users: GaugeVec,
}

impl Budgets {
    pub(super) fn new(new: &Maker<'_>) -> prometheus::Result<Self> {
        let cap = &["policy", "cap", "unit"];
        Ok(Self {
            held: new.sums(
                "jetway_held_dollars_total",
                "Money set aside for exchanges before they were sent, in US dollars; what they cost is settled later.",
                &["policy"],
            )?,
            unsettled: new.counter(
                "jetway_settle_failed_total",
                "Holds that could not be settled and so keep their amount.",
            )?,
            used: new.levels(
                "jetway_budget_used",
                "What was used of a cap in the windows that run now, by all who are charged to it: dollars or tokens, as `unit` says.",
                cap,
            )?,
            holding: new.levels("jetway_budget_held", "What is set aside of a cap now.", cap)?,
            limit: new.levels(
                "jetway_budget_limit",
                "What a cap allows, to the largest of those who are charged to it.",
                cap,
            )?,
            fullest: new.levels(
                "jetway_budget_fullest_ratio",
                "Used and set aside, of what the cap allows, of whoever has least left: 1 is all. What is missing to 1 is the headroom.",
                cap,
            )?,
            ends: new.levels(
                "jetway_budget_window_ends_timestamp_seconds",
                "When the window of a cap ends, in seconds since 1970.",
                cap,
            )?,
            forecast: new.levels(
                "jetway_budget_forecast_ratio",
                "What whoever uses most of a cap will have used of it when its window ends, if it goes on as since its beginning: 1 is all.",
                cap,
            )?,
            users: new.levels(
                "jetway_budget_user_used",
                "What the users have used in the window that runs now who have used most of a cap.",
                &["policy", "cap", "unit", "user"],
            )?,
        })
    }

    pub(super) fn ended(&self, record: &Record, Labels { policy, .. }: Labels<'_>) {
        self.held.with_label_values(&[policy]).inc_by(dollars(record.held_micros));
    }

    /// How the accounts stand now. What is not among them any more is forgotten.
    pub fn stand(&self, lines: &[Line], now: Timestamp) {
        let caps = caps(lines, now);
        for gauge in [&self.used, &self.holding, &self.limit, &self.fullest, &self.ends, &self.forecast, &self.users] {
            forget_others(gauge, &caps);
        }
        for ((policy, cap, unit), stands) in &caps {
            let labels = [policy.as_str(), cap.as_str(), *unit];
            let set = |gauge: &GaugeVec, value: f64| gauge.with_label_values(&labels).set(value);
            set(&self.used, stands.used);
            set(&self.holding, stands.held);
            set(&self.limit, stands.limit);
            set(&self.fullest, stands.fullest);
            set(&self.ends, stands.ends);
            set(&self.forecast, stands.forecast);
            for (user, used) in &stands.users {
                self.users.with_label_values(&[labels[0], labels[1], labels[2], user]).set(*used);
            }
        }
    }
}

/// A policy, a cap of it, and its unit.
type Cap = (String, String, &'static str);

/// How a cap stands.
#[derive(Debug, Clone, Default, PartialEq)]
struct Stands {
    used: f64,
    held: f64,
    limit: f64,
    fullest: f64,
    ends: f64,
    forecast: f64,
    /// Those who have used most, the first first.
    users: Vec<(String, f64)>,
}

fn caps(lines: &[Line], now: Timestamp) -> BTreeMap<Cap, Stands> {
    let mut caps: BTreeMap<Cap, Stands> = BTreeMap::new();
    for line in lines {
        let Some(name) = Name::read(&line.account) else { continue };
        let is_money = name.is_money();
        #[expect(clippy::cast_precision_loss, reason = "amounts are below 2^53")]
        let amount = |count: u64| if is_money { count as f64 / 1e6 } else { count as f64 };
        let standing = &line.standing;
        let (used, limit) = (amount(standing.used + standing.debt), amount(standing.limit));
        let ratio = |used: f64| if limit > 0.0 { used / limit } else { 1.0 };
        let cap = (name.policy, format!("{}/{}", name.scope, line.every), if is_money { "usd" } else { "tokens" });
        let stands = caps.entry(cap).or_default();
        stands.used += used;
        stands.held += amount(standing.held);
        stands.limit = stands.limit.max(limit);
        stands.fullest = stands.fullest.max(ratio(used + amount(standing.held)));
        stands.forecast = stands.forecast.max(ratio(used / elapsed(line.every, now)));
        let ends = line.every.over(line.every.number(now)).or(standing.renews);
        stands.ends = ends.map_or(0.0, moment);
        if name.scope == "user" {
            stands.users.push((name.who, used));
        }
    }
    for stands in caps.values_mut() {
        stands.users.sort_by(|a, b| b.1.total_cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
        stands.users.truncate(TOP);
    }
    caps
}

/// How much of a window is over, from 0 to 1. Of one that has hardly begun, or never ends, nothing can be
/// told from how it began, and it counts as over.
fn elapsed(every: Every, now: Timestamp) -> f64 {
    let number = every.number(now);
    let span = every.over(number - 1).zip(every.over(number)).filter(|_| every.is_calendar());
    let Some((begins, ends)) = span else { return 1.0 };
    let share = (moment(now) - moment(begins)) / (moment(ends) - moment(begins));
    if share < 0.05 { 1.0 } else { share }
}

#[expect(clippy::cast_precision_loss, reason = "seconds since 1970")]
fn moment(at: Timestamp) -> f64 {
    at.as_second() as f64
}

/// Removes the series of a gauge that are of none of these caps, or of users who are none of theirs.
fn forget_others(gauge: &GaugeVec, caps: &BTreeMap<Cap, Stands>) {
    for family in gauge.collect() {
        for metric in family.get_metric() {
            let value = |name: &str| {
                metric.get_label().iter().find(|label| label.name() == name).map_or("", |label| label.value())
            };
            let (policy, cap, unit, user) = (value("policy"), value("cap"), value("unit"), value("user"));
            let of = caps.iter().find(|((own, name, counted), _)| own == policy && name == cap && *counted == unit);
            let stays =
                of.is_some_and(|(_, stands)| user.is_empty() || stands.users.iter().any(|(name, _)| name == user));
            if !stays {
                let labels = [policy, cap, unit, user];
                drop(gauge.remove_label_values(if user.is_empty() { &labels[..3] } else { &labels }));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use jetway_core::policy::budget::account::Standing;
    use prometheus::Registry;

    use super::*;

    fn line(account: &str, every: &str, (limit, used, held): (u64, u64, u64)) -> Line {
        let standing = Standing { limit, used, held, debt: 0, renews: None };
        Line { account: account.into(), every: Every::parse(every).unwrap(), standing }
    }

    fn noon() -> Timestamp {
        "2026-11-26T12:00:00Z".parse().unwrap()
    }

    #[test]
    fn accounts_of_one_cap_are_one_series() {
        let lines = [
            line("wizard/user=ada/usd/day", "day", (2_000_000, 500_000, 0)),
            line("wizard/user=bob/usd/day", "day", (2_000_000, 1_000_000, 500_000)),
            line("wizard/policy=all/tokens/month", "month", (1_000, 250, 0)),
        ];
        let caps = caps(&lines, noon());
        assert_eq!(caps.len(), 2);
        let day = &caps[&("wizard".into(), "user/day".into(), "usd")];
        assert_eq!((day.used, day.held, day.limit, day.fullest), (1.5, 0.5, 2.0, 0.75));
        // Half of the day is over: bob will have used all that he may.
        assert_eq!(day.forecast, 1.0);
        assert_eq!(day.users, [("bob".to_owned(), 1.0), ("ada".to_owned(), 0.5)]);
        let month = &caps[&("wizard".into(), "policy/month".into(), "tokens")];
        assert_eq!((month.used, month.fullest, month.users.len()), (250.0, 0.25, 0));
    }

    #[test]
    fn of_a_window_that_has_hardly_begun_nothing_is_forecast() {
        let check = |every: &str, now: &str, expect: f64| {
            assert_eq!(elapsed(Every::parse(every).unwrap(), now.parse().unwrap()), expect, "{every} {now}");
        };
        check("day", "2026-11-26T00:10:00Z", 1.0);
        check("day", "2026-11-26T06:00:00Z", 0.25);
        check("hour", "2026-11-26T06:45:00Z", 0.75);
        check("5h", "2026-11-26T06:45:00Z", 1.0);
        check("run", "2026-11-26T06:45:00Z", 1.0);
    }

    #[test]
    fn only_those_who_use_most_have_a_series_and_only_while_they_do() {
        let (registry, users) = (Registry::new(), |metrics: &str| metrics.matches("jetway_budget_user_used{").count());
        let budgets = Budgets::new(&Maker::to(&registry)).unwrap();
        let text = || prometheus::TextEncoder::new().encode_to_string(&registry.gather()).unwrap();
        let spend = |from: u64| -> Vec<Line> {
            (from..from + 50).map(|n| line(&format!("p/user=u{n}/usd/day"), "day", (100, n, 0))).collect()
        };
        budgets.stand(&spend(0), noon());
        assert_eq!(users(&text()), TOP);
        assert!(text().contains("user=\"u49\"") && !text().contains("user=\"u39\""));
        budgets.stand(&spend(100), noon());
        assert_eq!(users(&text()), TOP);
        assert!(!text().contains("user=\"u49\""));
        budgets.stand(&[], noon());
        assert!(!text().contains("jetway_budget_used{"), "{}", text());
    }
}
