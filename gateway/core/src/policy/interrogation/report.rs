//! What agents said, summed up. Given five findings of a policy whose text was changed behind the
//! third: the groups that say the same, which of them are new since the change, and which are gone.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use serde::Serialize;

use crate::policy::interrogation::{Finding, Item, Kind, Severity, group};

/// Runs that are named for each group.
const MOST_RUNS: usize = 5;

/// A finding, and where it comes from.
#[derive(Debug, Clone)]
pub struct Noted {
    pub at: Timestamp,
    pub run: String,
    pub policy: String,
    pub policy_version: Option<String>,
    pub finding: Finding,
    /// A digest of the document that it speaks of, as it was shown.
    pub document_hash: Option<String>,
}

/// A version of a policy, as far as it was in use.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Version {
    pub policy: String,
    pub version: String,
    /// When its first run ended, and its last.
    pub since: Timestamp,
    pub last: Timestamp,
    /// When the last of them ended whose agent answered.
    pub answered: Option<Timestamp>,
}

/// How findings stand to the last change of their policy.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// None was there before it.
    New,
    /// There before it and after; or there is nothing to compare with.
    Open,
    /// None came after it, though agents were asked.
    Gone,
}

impl Status {
    /// As tables name it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::New => "new",
            Self::Open => "open",
            Self::Gone => "gone",
        }
    }
}

/// Findings that say the same.
#[derive(Debug, Clone, Serialize)]
pub struct Group {
    pub status: Status,
    pub policy: String,
    pub kind: Kind,
    /// The highest of any.
    pub severity: Severity,
    pub count: usize,
    /// How many runs they come from, and some of these, the latest first.
    pub runs: usize,
    pub examples: Vec<String>,
    /// The words of the latest.
    pub text: String,
    /// What they speak of, and how many do.
    pub tools: BTreeMap<String, usize>,
    pub steps: BTreeMap<String, usize>,
    pub documents: BTreeMap<String, usize>,
    /// Digests of these documents, as they were shown.
    pub document_hashes: BTreeSet<String>,
    pub versions: BTreeMap<String, usize>,
    pub first: Timestamp,
    pub last: Timestamp,
}

/// The groups: new ones first, then by how much they matter and how many runs they come from. What was said
/// before `since` is counted in none, but says whether one is new.
#[must_use]
pub fn report(noted: &[Noted], versions: &[Version], since: Timestamp) -> Vec<Group> {
    let mut policies: BTreeMap<&str, Vec<&Noted>> = BTreeMap::new();
    for one in noted {
        policies.entry(&one.policy).or_default().push(one);
    }
    let mut groups = Vec::new();
    for (policy, mut noted) in policies {
        noted.sort_by(|a, b| (a.at, &a.run, &a.finding.text).cmp(&(b.at, &b.run, &b.finding.text)));
        let items: Vec<Item<'_>> = noted.iter().map(|one| item(&one.finding)).collect();
        let change = change(policy, versions);
        for members in group(&items) {
            let members: Vec<&Noted> = members.into_iter().map(|at| noted[at]).collect();
            groups.extend(sum(&members, change, since));
        }
    }
    groups.sort_by_key(|group| {
        use std::cmp::Reverse;
        (group.status, Reverse((group.severity, group.runs, group.count, group.last)), group.policy.clone())
    });
    groups
}

fn item(finding: &Finding) -> Item<'_> {
    Item {
        kind: finding.kind,
        tool: finding.tool.as_deref(),
        document: finding.document.as_deref(),
        step: finding.step.as_deref(),
        text: &finding.text,
    }
}

/// The last change of a policy.
#[derive(Debug, Clone, Copy)]
struct Change<'a> {
    /// The version that it brought, or brought back.
    version: &'a str,
    at: Timestamp,
    /// Whether an agent has answered since.
    is_answered: bool,
}

impl Change<'_> {
    /// Whether this was said behind it: a run that began before it may end later.
    fn precedes(&self, one: &Noted) -> bool {
        one.at >= self.at && one.policy_version.as_deref().is_none_or(|version| version == self.version)
    }
}

/// When the version of a policy that is in use now came into use, if there was another before it. One
/// that was in use before came back when the others were no longer.
fn change<'a>(policy: &str, versions: &'a [Version]) -> Option<Change<'a>> {
    let own = || versions.iter().filter(|version| version.policy == policy);
    let newest = own().max_by_key(|version| (version.last, version.since))?;
    let others = || own().filter(|version| version.version != newest.version);
    let is_back = others().map(|other| other.since).max()? > newest.since;
    let at = if is_back { others().map(|other| other.last).max()? } else { newest.since };
    Some(Change { version: &newest.version, at, is_answered: newest.answered.is_some_and(|answered| answered >= at) })
}

/// Findings of one group, the earliest first.
fn sum(members: &[&Noted], change: Option<Change<'_>>, since: Timestamp) -> Option<Group> {
    let status = match change {
        Some(change) if members.iter().all(|one| change.precedes(one)) => Status::New,
        Some(change) if change.is_answered && !members.iter().any(|one| change.precedes(one)) => Status::Gone,
        _ => Status::Open,
    };
    let members: Vec<&Noted> = members.iter().copied().filter(|one| one.at >= since).collect();
    let (first, last) = (members.first()?, members.last()?);
    let counted = |name: &dyn Fn(&Noted) -> Option<String>| {
        let mut counts = BTreeMap::new();
        for name in members.iter().filter_map(|one| name(one)) {
            *counts.entry(name).or_insert(0) += 1;
        }
        counts
    };
    let mut examples: Vec<String> = Vec::new();
    for one in members.iter().rev() {
        if examples.len() < MOST_RUNS && !examples.contains(&one.run) {
            examples.push(one.run.clone());
        }
    }
    let severities = members.iter().map(|one| one.finding.severity);
    Some(Group {
        status,
        policy: last.policy.clone(),
        kind: last.finding.kind,
        severity: severities.max()?,
        count: members.len(),
        runs: members.iter().map(|one| &one.run).collect::<BTreeSet<_>>().len(),
        examples,
        text: last.finding.text.clone(),
        tools: counted(&|one| one.finding.tool.clone()),
        steps: counted(&|one| one.finding.step.clone()),
        documents: counted(&|one| one.finding.document.clone()),
        document_hashes: members.iter().filter_map(|one| one.document_hash.clone()).collect(),
        versions: counted(&|one| one.policy_version.clone()),
        first: first.at,
        last: last.at,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    fn noted(second: i64, run: &str, severity: Severity, text: &str) -> Noted {
        let finding =
            Finding { kind: Kind::Missing, severity, step: None, document: None, tool: None, text: text.into() };
        let version = if second < 100 { "v1" } else { "v2" };
        Noted {
            at: at(second),
            run: run.into(),
            policy: "wizard".into(),
            policy_version: Some(version.into()),
            finding,
            document_hash: None,
        }
    }

    fn version(version: &str, (since, last): (i64, i64), answered: Option<i64>) -> Version {
        Version {
            policy: "wizard".into(),
            version: version.into(),
            since: at(since),
            last: at(last),
            answered: answered.map(at),
        }
    }

    const DJANGO: &str = "There was no page about the Django middleware.";
    const PORT: &str = "Nothing says which port the server listens on.";
    const PROXY: &str = "The reverse proxy that events go through is nowhere explained.";

    #[test]
    fn what_says_the_same_is_counted_and_held_against_the_last_change() {
        let told = [
            noted(10, "a", Severity::Low, DJANGO),
            noted(20, "a", Severity::High, "A page about the middleware of Django was missing."),
            noted(30, "b", Severity::Low, PORT),
            noted(130, "c", Severity::Low, PORT),
            noted(120, "d", Severity::Low, PROXY),
        ];
        let versions = [version("v2", (100, 200), Some(130)), version("v1", (0, 110), Some(90))];
        let groups = report(&told, &versions, at(0));
        let short: Vec<_> = groups.iter().map(|g| (g.status, g.count, g.runs, g.severity)).collect();
        assert_eq!(
            short,
            [
                (Status::New, 1, 1, Severity::Low),
                (Status::Open, 2, 2, Severity::Low),
                (Status::Gone, 2, 1, Severity::High),
            ]
        );
        assert_eq!(groups[1].versions, BTreeMap::from([("v1".into(), 1), ("v2".into(), 1)]));
        assert_eq!((groups[1].first, groups[1].last, &groups[1].examples[0]), (at(30), at(130), &String::from("c")));
    }

    #[test]
    fn without_a_change_or_an_answer_behind_it_nothing_is_new_or_gone() {
        let told = [noted(10, "a", Severity::Low, DJANGO)];
        let check = |versions: &[Version], expect: Status| assert_eq!(report(&told, versions, at(0))[0].status, expect);
        check(&[], Status::Open);
        check(&[version("v1", (0, 50), Some(50))], Status::Open);
        check(&[version("v1", (0, 50), Some(50)), version("v2", (100, 150), None)], Status::Open);
        check(&[version("v1", (0, 50), Some(50)), version("v2", (100, 150), Some(150))], Status::Gone);
        check(&[version("v0", (0, 4), Some(4)), version("v1", (5, 50), Some(50))], Status::New);
    }

    #[test]
    fn what_came_up_before_the_change_is_not_new_however_far_one_looks_back() {
        let told = [10, 20, 150, 160].map(|second| noted(second, "a", Severity::Low, DJANGO));
        let versions = [version("v1", (0, 90), Some(90)), version("v2", (100, 200), Some(200))];
        let check = |since: i64, expect: &[(Status, usize, i64)]| {
            let groups = report(&told, &versions, at(since));
            let found: Vec<_> = groups.iter().map(|g| (g.status, g.count, g.first.as_second())).collect();
            assert_eq!(found, expect, "{since}");
        };
        check(0, &[(Status::Open, 4, 10)]);
        check(20, &[(Status::Open, 3, 20)]);
        check(155, &[(Status::Open, 1, 160)]);
        check(170, &[]);
    }

    #[test]
    fn a_version_that_came_back_is_the_last_change() {
        let said = |second: i64, version: &str, text: &str| Noted {
            policy_version: Some(version.into()),
            ..noted(second, version, Severity::Low, text)
        };
        // v1 until 90, v2 until 195 (whose last run ended behind the change, at 205), then v1 again.
        let versions = [version("v1", (0, 300), Some(300)), version("v2", (100, 205), Some(205))];
        let check = |told: &[(i64, &str)], expect: Status| {
            let told: Vec<Noted> = told.iter().map(|(second, version)| said(*second, version, PORT)).collect();
            assert_eq!(report(&told, &versions, at(0))[0].status, expect, "{told:?}");
        };
        check(&[(150, "v2")], Status::Gone);
        check(&[(205, "v2")], Status::Gone);
        check(&[(50, "v1")], Status::Gone);
        check(&[(50, "v1"), (250, "v1")], Status::Open);
        check(&[(150, "v2"), (250, "v1")], Status::Open);
        check(&[(250, "v1"), (260, "v1")], Status::New);
        // Nobody was asked since: what was said before may be so still.
        let unasked = [version("v1", (0, 300), Some(50)), version("v2", (100, 205), Some(205))];
        assert_eq!(report(&[said(150, "v2", PORT)], &unasked, at(0))[0].status, Status::Open);
    }

    #[test]
    fn policies_are_not_mixed_and_the_order_of_rows_does_not_matter() {
        let mut told = vec![noted(10, "a", Severity::Low, DJANGO), noted(11, "b", Severity::Low, DJANGO)];
        told.push(Noted { policy: "coding".into(), ..told[0].clone() });
        let groups = report(&told, &[], at(0));
        let names: Vec<_> = groups.iter().map(|g| (g.policy.as_str(), g.count)).collect();
        assert_eq!(names, [("wizard", 2), ("coding", 1)]);
        told.reverse();
        assert_eq!(serde_json::to_string(&report(&told, &[], at(0))).unwrap(), serde_json::to_string(&groups).unwrap());
    }
}
