//! Whether two shapes of paths have a path in common, and whether one holds all of another.
//! Given `**/.env*` and the shell's `.e?v`: they meet at `.env`. Given `src/**` and `src/*.ts`:
//! the first holds the second.

use crate::policy::lockdown::place::shape::{Piece, Segment, Set};

/// Answers for every pair of places in two lists.
struct Table {
    width: usize,
    cells: Vec<bool>,
}

impl Table {
    fn new(height: usize, width: usize) -> Self {
        Self { width: width + 1, cells: vec![false; (height + 1) * (width + 1)] }
    }

    fn at(&self, i: usize, j: usize) -> bool {
        self.cells.get(i * self.width + j).copied().unwrap_or(false)
    }

    fn set(&mut self, i: usize, j: usize, answer: bool) {
        if let Some(cell) = self.cells.get_mut(i * self.width + j) {
            *cell = answer;
        }
    }

    /// Fills it from the ends of both lists; what `answer` asks of it lies behind the pair.
    fn fill(mut self, height: usize, answer: impl Fn(&Self, usize, usize) -> bool) -> Self {
        for i in (0..=height).rev() {
            for j in (0..self.width).rev() {
                let yes = answer(&self, i, j);
                self.set(i, j, yes);
            }
        }
        self
    }
}

/// Whether some path fits both shapes.
pub(super) fn meet(a: &[Segment], b: &[Segment]) -> bool {
    let table = Table::new(a.len(), b.len()).fill(a.len(), |table, i, j| {
        let steps = |deep: Option<&Segment>, other: Option<&Segment>| match (deep, other) {
            (Some(Segment::Deep { dots }), Some(other)) => *dots || may_be_plain(other),
            _ => false,
        };
        let is_deep = |segment: Option<&Segment>| matches!(segment, Some(Segment::Deep { .. }));
        match (a.get(i), b.get(j)) {
            (None, None) => true,
            (x, y) if is_deep(x) || is_deep(y) => {
                is_deep(x) && (table.at(i + 1, j) || steps(x, y) && table.at(i, j + 1))
                    || is_deep(y) && (table.at(i, j + 1) || steps(y, x) && table.at(i + 1, j))
            }
            (Some(x), Some(y)) => table.at(i + 1, j + 1) && names_meet(x, y),
            _ => false,
        }
    });
    table.at(0, 0)
}

/// Whether it can be a name that does not begin with a dot.
fn may_be_plain(segment: &Segment) -> bool {
    match segment {
        Segment::Name { pieces, .. } => pieces.first() != Some(&Piece::Is('.')),
        Segment::Deep { .. } => true,
    }
}

/// Whether some name fits both segments. False for segments that are more than a name.
pub(super) fn names_meet(a: &Segment, b: &Segment) -> bool {
    let (Segment::Name { pieces: x, .. }, Segment::Name { pieces: y, .. }) = (a, b) else { return false };
    let no_dot = hides_dots(a) || hides_dots(b);
    let rest = meeting(x, y, None, None);
    meeting(x, y, no_dot.then_some('.'), Some(&rest)).at(0, 0)
}

/// A shell's wildcard at the beginning of a name stands for no dot.
fn hides_dots(segment: &Segment) -> bool {
    match segment {
        Segment::Name { pieces, dots } => !dots && !matches!(pieces.first(), Some(Piece::Is(_)) | None),
        Segment::Deep { dots } => !dots,
    }
}

/// Fills the table of what meets, where the next character is not `but`; what follows that
/// character is looked up in `rest`, or in the table itself.
fn meeting(a: &[Piece], b: &[Piece], but: Option<char>, rest: Option<&Table>) -> Table {
    Table::new(a.len(), b.len()).fill(a.len(), |own, i, j| {
        let then = rest.unwrap_or(own);
        match (a.get(i), b.get(j)) {
            (None, None) => true,
            (Some(Piece::Many), Some(Piece::Many)) => {
                own.at(i + 1, j) || own.at(i, j + 1) || rest.is_some_and(|rest| rest.at(i, j))
            }
            (Some(Piece::Many), other) => {
                own.at(i + 1, j) || other.is_some_and(|other| is_other_than(other, but)) && then.at(i, j + 1)
            }
            (other, Some(Piece::Many)) => {
                own.at(i, j + 1) || other.is_some_and(|other| is_other_than(other, but)) && then.at(i + 1, j)
            }
            (Some(x), Some(y)) => then.at(i + 1, j + 1) && pieces_meet(x, y, but),
            _ => false,
        }
    })
}

fn is_other_than(piece: &Piece, but: Option<char>) -> bool {
    pieces_meet(piece, &Piece::In(Set::all()), but)
}

/// Whether one character, other than `but`, fits both.
fn pieces_meet(a: &Piece, b: &Piece, but: Option<char>) -> bool {
    match (a, b) {
        (Piece::Is(x), Piece::Is(y)) => x == y && Some(*x) != but,
        (Piece::Is(x), Piece::In(set)) | (Piece::In(set), Piece::Is(x)) => set.has(*x) && Some(*x) != but,
        (Piece::In(x), Piece::In(y)) => x.meets(y, but),
        (Piece::Many, _) | (_, Piece::Many) => true,
    }
}

/// Whether every path of the second shape surely fits the first.
pub(super) fn holds(whole: &[Segment], part: &[Segment]) -> bool {
    let table =
        Table::new(whole.len(), part.len()).fill(whole.len(), |table, i, j| match (whole.get(i), part.get(j)) {
            (None, None) => true,
            (Some(Segment::Deep { dots }), next) => {
                let takes = next.is_some_and(|next| *dots || hides_dots(next) || never_dotted(next));
                table.at(i + 1, j) || takes && table.at(i, j + 1)
            }
            (Some(x), Some(y @ Segment::Name { .. })) => table.at(i + 1, j + 1) && name_holds(x, y),
            _ => false,
        });
    table.at(0, 0)
}

fn never_dotted(segment: &Segment) -> bool {
    matches!(segment, Segment::Name { pieces, .. } if matches!(pieces.first(), Some(Piece::Is(c)) if *c != '.'))
}

fn name_holds(whole: &Segment, part: &Segment) -> bool {
    let (Segment::Name { pieces: x, .. }, Segment::Name { pieces: y, .. }) = (whole, part) else { return false };
    if hides_dots(whole) && !hides_dots(part) && !never_dotted(part) {
        return false;
    }
    let table = Table::new(x.len(), y.len()).fill(x.len(), |table, i, j| match (x.get(i), y.get(j)) {
        (None, None) => true,
        (Some(Piece::Many), next) => table.at(i + 1, j) || next.is_some() && table.at(i, j + 1),
        (Some(Piece::Is(a)), Some(Piece::Is(b))) => a == b && table.at(i + 1, j + 1),
        (Some(Piece::In(set)), Some(Piece::Is(c))) => set.has(*c) && table.at(i + 1, j + 1),
        (Some(Piece::In(a)), Some(Piece::In(b))) => a.holds(b) && table.at(i + 1, j + 1),
        _ => false,
    });
    table.at(0, 0)
}
