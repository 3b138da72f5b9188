//! What follows from the evidence.

use std::collections::BTreeSet;

use super::content::folder;
use super::table::Table;
use super::{Basis, Evidence, Kind, Profile};

pub(super) fn settle(profile: &mut Profile) {
    let table = Table::shipped();
    let judged = Judge { profile, table };
    let (mut languages, frameworks) = (judged.languages(), judged.frameworks());
    let mut frameworks = if frameworks.is_empty() { judged.said_frameworks(&languages) } else { frameworks };
    let managers = judged.managers();
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
        let rivals = self.rivals(kind, name);
        let of_tag = self.profile.evidence(kind, name).iter().filter(|evidence| evidence.basis == basis);
        of_tag.filter(|evidence| !rivals.contains(self.part(&evidence.at))).collect()
    }

    /// The parts of the project that belong to tags that displace this one.
    fn rivals(&self, kind: Kind, name: &str) -> BTreeSet<&str> {
        let own = self.table.tag((kind, name)).map(|tag| tag.displaced_by.as_slice()).unwrap_or_default();
        let others = self.table.tags(kind).filter(|(_, tag)| tag.displaces.iter().any(|other| other == name));
        let rivals = others.map(|(other, _)| other).chain(own.iter().map(String::as_str));
        let weights = &self.table.document.weights;
        let strong = rivals.flat_map(|rival| self.profile.evidence(kind, rival));
        let strong = strong.filter(|evidence| evidence.weight >= weights.enough && evidence.basis == Basis::Seen);
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

    fn languages(&self) -> BTreeSet<String> {
        for basis in [Basis::Seen, Basis::Aside] {
            let found = self.languages_by(basis);
            if !found.is_empty() {
                return found;
            }
        }
        self.said(Kind::Language)
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

    fn frameworks(&self) -> BTreeSet<String> {
        for basis in [Basis::Seen, Basis::Aside] {
            let weights = &self.table.document.weights;
            let is_enough = |name: &&String| Self::sum(&self.counted(Kind::Framework, name, basis)) >= weights.enough;
            let found: BTreeSet<String> = self.names(Kind::Framework).filter(is_enough).cloned().collect();
            let needs = |name: &String| self.table.tag((Kind::Framework, name)).and_then(|tag| tag.needs.as_ref());
            let all = found.clone();
            let found: BTreeSet<String> =
                found.into_iter().filter(|name| needs(name).is_none_or(|needed| all.contains(needed))).collect();
            if !found.is_empty() {
                return found;
            }
        }
        BTreeSet::new()
    }

    fn said(&self, kind: Kind) -> BTreeSet<String> {
        let is_said = |name: &&String| !self.counted(kind, name, Basis::Said).is_empty();
        self.names(kind).filter(is_said).cloned().collect()
    }

    /// What a person says, where it agrees with what was seen.
    fn said_frameworks(&self, languages: &BTreeSet<String>) -> BTreeSet<String> {
        let mut found = self.said(Kind::Framework);
        let seen = !languages.is_empty() && self.said(Kind::Language) != *languages;
        found.retain(|name| {
            let own = self.table.tag((Kind::Framework, name)).map(|tag| tag.languages.as_slice()).unwrap_or_default();
            !seen || own.iter().any(|language| languages.contains(language))
        });
        found
    }

    fn managers(&self) -> BTreeSet<String> {
        for basis in [Basis::Seen, Basis::Aside] {
            let has = |name: &&String| !self.counted(Kind::Manager, name, basis).is_empty();
            let found: BTreeSet<String> = self.names(Kind::Manager).filter(has).cloned().collect();
            if !found.is_empty() {
                return found;
            }
        }
        BTreeSet::new()
    }
}
