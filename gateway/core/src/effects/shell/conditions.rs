//! Conditions and sums: `[[ … ]]`, `(( … ))`. Given `[[ -f $(ls) ]]`: `ls` is run. Shells that do
//! not have them read them as commands.

use brush_parser::ast::{ExtendedTestExpr, UnaryPredicate};

use super::programs::programs;
use super::walk::Walk;

impl Walk {
    pub(super) fn test(&mut self, test: &ExtendedTestExpr) {
        match test {
            ExtendedTestExpr::And(left, right) | ExtendedTestExpr::Or(left, right) => {
                self.test(left);
                self.test(right);
                // To a shell without `[[` what stands behind `||` is the next command.
                if let ExtendedTestExpr::BinaryTest(_, first, _) = &**right {
                    self.named_elsewhere(&first.value);
                }
            }
            ExtendedTestExpr::Not(inner) | ExtendedTestExpr::Parenthesized(inner) => self.test(inner),
            ExtendedTestExpr::UnaryTest(kind, word) => {
                let asks = matches!(kind, UnaryPredicate::StringHasZeroLength | UnaryPredicate::StringHasNonZeroLength);
                self.asked(asks, |walk| drop(walk.one(&word.value)));
                if matches!(kind, UnaryPredicate::ShellVariableIsSetAndAssigned) {
                    self.arithmetic(&word.value);
                }
            }
            ExtendedTestExpr::BinaryTest(kind, left, right) => {
                self.asked(!kind.to_string().starts_with('-'), |walk| {
                    walk.one(&left.value);
                    walk.one(&right.value);
                });
                if kind.to_string().starts_with('-') && kind.to_string().len() == 3 && !is_of_files(&kind.to_string()) {
                    self.arithmetic(&left.value);
                    self.arithmetic(&right.value);
                }
            }
        }
    }

    /// To a shell without sums these are commands in a shell of their own: `((env))`.
    pub(super) fn nested_elsewhere(&mut self, text: &str) {
        let between = |next: char| next.is_whitespace() || "<>|&;()".contains(next);
        text.split(between).for_each(|word| self.named_elsewhere(word));
    }

    fn named_elsewhere(&mut self, word: &str) {
        let Some(table) = programs() else { return };
        if table.find(word).is_some() || table.why_unclear(word).is_some() {
            self.doubt(format!("some shells run `{word}` there"));
        }
    }
}

fn is_of_files(operator: &str) -> bool {
    matches!(operator, "-ef" | "-nt" | "-ot")
}
