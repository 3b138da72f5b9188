//! Replacing, and looking again. Given `itk_ab12A_KEY=x` of which `itk_ab12` was replaced: what
//! stands behind it is a name now, and its value a secret.

use std::ops::Range;

use super::{Action, Finding, Found, Redacted, Redactor};

/// A text is looked at this often at most. The second look finds nothing, as a rule.
const ROUNDS: usize = 8;

/// A part of a text, and where it stood in the text before.
struct Move {
    now: Range<usize>,
    before: Range<usize>,
}

pub(super) fn redact(redactor: &Redactor, text: &str) -> Redacted {
    let found = redactor.search(text);
    let (mut current, moves) = replace(redactor, text, &found);
    let mut findings: Vec<Finding> = found.into_iter().map(|one| redactor.finding(one)).collect();
    let mut rounds = vec![moves];
    while let Some(shown) = current.as_ref().filter(|_| rounds.len() < ROUNDS) {
        let mut found = redactor.search(shown);
        found.retain(|one| redactor.rules.action(one.kind) == Action::Replace);
        if found.is_empty() {
            break;
        }
        let (next, moves) = replace(redactor, shown, &found);
        findings.extend(found.into_iter().map(|one| {
            let span = rounds.iter().rev().fold(one.span.clone(), |span, moves| place_before(moves, span));
            redactor.finding(Found { span, ..one })
        }));
        rounds.push(moves);
        current = next;
    }
    if rounds.len() > 1 {
        findings = apart(findings);
    }
    Redacted { text: current, findings }
}

/// Puts placeholders in the place of what was found. None: nothing was to be replaced.
fn replace(redactor: &Redactor, text: &str, found: &[Found]) -> (Option<String>, Vec<Move>) {
    let mut out = String::new();
    let mut moves = Vec::new();
    let mut copied = 0;
    for one in found.iter().filter(|one| redactor.rules.action(one.kind) == Action::Replace) {
        let secret = text.get(one.span.clone()).unwrap_or_default();
        out.push_str(text.get(copied..one.span.start).unwrap_or_default());
        let begin = out.len();
        out.push_str(&redactor.placeholder(one, secret));
        moves.push(Move { now: begin..out.len(), before: one.span.clone() });
        copied = one.span.end;
    }
    if moves.is_empty() {
        return (None, moves);
    }
    out.push_str(text.get(copied..).unwrap_or_default());
    (Some(out), moves)
}

/// Where a span stood before; one that cuts a placeholder had the whole secret.
fn place_before(moves: &[Move], span: Range<usize>) -> Range<usize> {
    let place = |at: usize, is_end: bool| {
        let behind = moves.partition_point(|one| one.now.start < at || !is_end && one.now.start == at);
        let Some(last) = behind.checked_sub(1).and_then(|last| moves.get(last)) else { return at };
        match at < last.now.end {
            true if is_end => last.before.end,
            true => last.before.start,
            false => at - last.now.end + last.before.end,
        }
    };
    place(span.start, false)..place(span.end, true)
}

/// Makes one finding of those that overlap, and puts them in order.
fn apart(mut findings: Vec<Finding>) -> Vec<Finding> {
    findings.sort_by_key(|one| (one.span.start, std::cmp::Reverse(one.span.end)));
    findings.dedup_by(|one, last| {
        let overlaps = one.span.start < last.span.end;
        if overlaps {
            last.span.end = last.span.end.max(one.span.end);
        }
        overlaps
    });
    findings
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_found_again() {
        // `aXXb` became `a[12345]b`.
        let moves = [Move { now: 1..8, before: 1..3 }];
        for (now, before) in [(0..1, 0..1), (1..8, 1..3), (8..9, 3..4), (0..9, 0..4), (3..5, 1..3), (3..9, 1..4)] {
            assert_eq!(place_before(&moves, now.clone()), before, "{now:?}");
        }
    }
}
