//! Patterns about tools that name none of any agent's, and nearly one: `Raed` for `Read`. A name that is
//! like no other may be of an agent that Jetway does not know.

use super::reach::line_with;
use super::steps::{alternatives, is_act};
use super::{Facts, Finding};
use crate::effects::table::Table;
use crate::policy::breadcrumbs::{Done, is_ours};

/// What any tool does, as rules name it.
pub(super) const ACTS: [&str; 5] = ["reads", "writes", "runs", "fetches", "sends"];

pub(super) fn check(facts: &Facts<'_>) -> Vec<Finding> {
    let lockdown = facts.lockdown.iter().flat_map(|rules| rules.written()).map(str::to_owned);
    let steps = facts.path.into_iter().flat_map(|path| path.steps()).flat_map(|step| {
        let calls = step.done.leaves().into_iter().filter_map(|leaf| match leaf {
            Done::Call(rule) => Some(String::from(rule.clone())),
            _ => None,
        });
        step.tools.clone().map(Vec::from).unwrap_or_default().into_iter().chain(calls).collect::<Vec<_>>()
    });
    let table = facts.lockdown.map_or(Table::shipped(), |rules| rules.table());
    let names = lockdown.chain(steps).flat_map(|rule| alternatives(rule.split('(').next().unwrap_or_default()));
    let is_own = |name: &str| facts.lockdown.is_some_and(|rules| rules.replace.find(name).is_some());
    let unknown = names.filter(|name| !table.knows(name) && !is_act(name) && !is_ours(name) && !is_own(name));
    let near = |name: &str| table.names().chain(ACTS).filter(|known| is_slip(name, known)).min().map(str::to_owned);
    unknown
        .filter_map(|name| {
            let known = near(&name)?;
            Some(Finding {
                file: String::from("policy.yaml"),
                line: line_with(facts.policy, &name),
                rule: "unknown-tool",
                sentence: format!("No agent that is known has a tool `{name}`; is `{known}` meant?"),
            })
        })
        .collect()
}

/// Whether a name is another in other letters, or with one inside of it that is wrong, missing, too
/// many or in its neighbour's place. What differs at the end is a name of its own: `write_files`.
fn is_slip(name: &str, known: &str) -> bool {
    if name.eq_ignore_ascii_case(known) {
        return true;
    }
    let (one, other): (Vec<char>, Vec<char>) = (name.chars().collect(), known.chars().collect());
    let before = one.iter().zip(&other).take_while(|(a, b)| a == b).count();
    let behind = one.iter().rev().zip(other.iter().rev()).take_while(|(a, b)| a == b).count();
    let shorter = one.len().min(other.len());
    if before == 0 || behind == 0 || shorter < 4 || one.len().abs_diff(other.len()) > 1 {
        return false;
    }
    let is_swapped = one.len() == other.len()
        && before + behind + 2 == one.len()
        && one[before] == other[before + 1]
        && one[before + 1] == other[before];
    is_swapped || shorter > 5 && before + behind >= one.len().max(other.len()) - 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_of_the_pen_is_told_from_another_name() {
        let check = |name: &str, known: &str, expect: bool| assert_eq!(is_slip(name, known), expect, "{name} {known}");
        check("Raed", "Read", true);
        check("BASH", "Bash", true);
        check("WebFecth", "WebFetch", true);
        check("WebFtch", "WebFetch", true);
        check("WebFeetch", "WebFetch", true);
        check("WebSearck", "WebSearch", false);
        check("write_files", "write_file", false);
        check("lint", "list", false);
        check("Reed", "Read", false);
        check("fetch_url", "fetch", false);
    }
}
