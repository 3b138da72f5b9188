//! What follows from the evidence.

use std::collections::BTreeSet;

use super::content::folder;
use super::table::Table;
use super::{Basis, Evidence, Kind, Profile};

pub(super) fn settle(profile: &mut Profile) {
    let table = Table::shipped();
    let judged = Judge { profile, table };
    let (basis, mut languages) = judged.languages();
    let mut frameworks = judged.frameworks(basis, &languages);
    let managers = judged.managers(basis);
    for name in &frameworks {
        // Where a framework is known and none of its languages is, there is only one that it can be.
        let own = table.tag((Kind::Framework, name)).map(|tag| tag.languages.as_slice()).unwrap_or_default();
        if let [only] = own
            && languages.is_empty()
        {
            languages.insert(only.clone());
        }
    }
    add_implied(table, &mut frameworks);
    let sorted = |kind: Kind, names: BTreeSet<String>| {
        let mut names: Vec<String> = names.into_iter().collect();
        names.sort_by_key(|name| (std::cmp::Reverse(profile.weight(kind, name)), name.clone()));
        names
    };
    let sorted =
        [sorted(Kind::Language, languages), sorted(Kind::Framework, frameworks), sorted(Kind::Manager, managers)];
    [profile.languages, profile.frameworks, profile.managers] = sorted;
}

fn add_implied(table: &Table, frameworks: &mut BTreeSet<String>) {
    let mut new: Vec<String> = frameworks.iter().cloned().collect();
    while let Some(name) = new.pop() {
        for implied in table.tag((Kind::Framework, &name)).into_iter().flat_map(|tag| &tag.implies) {
            if frameworks.insert(implied.clone()) {
                new.push(implied.clone());
            }
        }
    }
}

struct Judge<'p> {
    profile: &'p Profile,
    table: &'static Table,
}

impl Judge<'_> {
    fn sum(evidence: &[&Evidence]) -> u32 {
        evidence.iter().map(|evidence| evidence.weight).sum()
    }

    /// The evidence of a basis that counts: not that of a part of the project in which something
    /// else takes its place.
    fn counted(&self, kind: Kind, name: &str, basis: Basis) -> Vec<&Evidence> {
        let tag = self.table.tag((kind, name));
        let others = self.table.tags(kind).filter(|(_, tag)| tag.displaces.iter().any(|other| other == name));
        let by = tag.map(|tag| tag.displaced_by.as_slice()).unwrap_or_default();
        let here = self.parts_of(kind, others.map(|(other, _)| other).chain(by.iter().map(String::as_str)));
        let around = tag.map(|tag| tag.part_of.as_slice()).unwrap_or_default();
        let around = self.parts_of(kind, around.iter().map(String::as_str));
        let counts = |evidence: &&Evidence| {
            let part = self.part(&evidence.at);
            let is_in = |around: &&str| around.is_empty() || part == *around || part.starts_with(&format!("{around}/"));
            evidence.basis == basis && !here.contains(part) && !around.iter().any(is_in)
        };
        self.profile.evidence(kind, name).iter().filter(counts).collect()
    }

    /// The parts of the project in which one of these is seen.
    fn parts_of<'n>(&self, kind: Kind, names: impl Iterator<Item = &'n str>) -> BTreeSet<&str> {
        let enough = self.table.document.weights.enough;
        let evidence = names.flat_map(|name| self.profile.evidence(kind, name));
        let strong = evidence.filter(|evidence| evidence.weight >= enough && evidence.basis == Basis::Seen);
        strong.map(|evidence| self.part(&evidence.at)).collect()
    }

    /// The innermost folder with a manifest that a path is in.
    fn part(&self, path: &str) -> &str {
        let mut at = folder(path);
        loop {
            if let Some(part) = self.profile.parts.get(at) {
                return part;
            }
            if at.is_empty() {
                return "";
            }
            at = folder(at);
        }
    }

    fn names(&self, kind: Kind) -> impl Iterator<Item = &String> {
        self.profile.evidence.get(&kind).into_iter().flat_map(|tags| tags.keys())
    }

    /// The languages, and what they are known by.
    fn languages(&self) -> (Basis, BTreeSet<String>) {
        for basis in [Basis::Seen, Basis::Written, Basis::Aside] {
            let found = self.languages_by(basis);
            if !found.is_empty() {
                return (basis, found);
            }
        }
        (Basis::Said, self.said(Kind::Language))
    }

    fn languages_by(&self, basis: Basis) -> BTreeSet<String> {
        let weights = &self.table.document.weights;
        let tags = self.names(Kind::Language).map(|name| (name, self.counted(Kind::Language, name, basis)));
        let tags: Vec<(&String, Vec<&Evidence>)> = tags.filter(|(_, evidence)| !evidence.is_empty()).collect();
        let is_proved = |evidence: &[&Evidence]| evidence.iter().any(|one| one.weight >= weights.proof);
        let any_proved = tags.iter().any(|(_, evidence)| is_proved(evidence));
        let best = tags.iter().map(|(_, evidence)| Self::sum(evidence)).max().unwrap_or_default();
        let sources = |name: &str| {
            let of_tag = tags.iter().find(|(tag, _)| *tag == name);
            let files = of_tag.into_iter().flat_map(|(_, evidence)| evidence).filter(|one| one.weight < weights.proof);
            files.map(|one| one.weight).sum::<u32>()
        };
        let mut held: BTreeSet<String> = tags
            .iter()
            .filter(|(_, evidence)| {
                let sum = Self::sum(evidence);
                is_proved(evidence) || if any_proved { sum >= weights.enough } else { sum * 3 >= best }
            })
            .map(|(name, _)| (*name).clone())
            .collect();
        for (name, tag) in self.table.tags(Kind::Language) {
            // A manifest tells `javascript`; the files tell which of the two it is.
            let Some(covered) = tag.covers.as_ref().filter(|covered| held.contains(*covered)) else { continue };
            let (own, other) = (sources(name), sources(covered));
            if held.contains(name) || own > 0 && own >= other {
                held.insert(name.to_owned());
                if other < weights.enough {
                    held.remove(covered);
                }
            }
        }
        held
    }

    /// `known` is what the languages are known by. What is weaker counts where there is nothing
    /// better, but nothing of an example does in a project that is known by itself.
    fn frameworks(&self, known: Basis, languages: &BTreeSet<String>) -> BTreeSet<String> {
        for basis in [Basis::Seen, Basis::Written, Basis::Aside, Basis::Said] {
            if basis == Basis::Aside && known > basis {
                continue;
            }
            let mut found = if basis == Basis::Said { self.said(Kind::Framework) } else { self.frameworks_by(basis) };
            let agrees = |name: &String| {
                let own =
                    self.table.tag((Kind::Framework, name)).map(|tag| tag.languages.as_slice()).unwrap_or_default();
                own.iter().any(|language| languages.contains(language))
            };
            if !languages.is_empty() && basis < known {
                found.retain(agrees);
            }
            if !found.is_empty() {
                return found;
            }
        }
        BTreeSet::new()
    }

    fn frameworks_by(&self, basis: Basis) -> BTreeSet<String> {
        let enough = self.table.document.weights.enough;
        let is_enough = |name: &&String| Self::sum(&self.counted(Kind::Framework, name, basis)) >= enough;
        let all: BTreeSet<String> = self.names(Kind::Framework).filter(is_enough).cloned().collect();
        let needs = |name: &String| self.table.tag((Kind::Framework, name)).and_then(|tag| tag.needs.as_ref());
        all.iter().filter(|name| needs(name).is_none_or(|needed| all.contains(needed))).cloned().collect()
    }

    fn said(&self, kind: Kind) -> BTreeSet<String> {
        let is_said = |name: &&String| !self.counted(kind, name, Basis::Said).is_empty();
        self.names(kind).filter(is_said).cloned().collect()
    }

    fn managers(&self, known: Basis) -> BTreeSet<String> {
        for basis in [Basis::Seen, Basis::Written, Basis::Aside] {
            let has = |name: &&String| !self.counted(Kind::Manager, name, basis).is_empty();
            let found: BTreeSet<String> = self.names(Kind::Manager).filter(has).cloned().collect();
            if !found.is_empty() && (basis != Basis::Aside || known <= basis) {
                return found;
            }
        }
        BTreeSet::new()
    }
}
