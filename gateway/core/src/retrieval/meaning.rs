//! What texts mean, as a model tells it: a direction in a space, near to that of what means the
//! same. Given the sections `[1, 0]` and `[0, 1]` and the query `[3, 4]`: the second, at 0.8, and
//! then the first, at 0.6.

use crate::retrieval::chunk::Chunk;

/// The most characters of a section that a model is asked about: its beginning says what it is
/// about, and models read no more than some hundred words.
const MOST_CHARACTERS: usize = 2_000;

/// What a model is asked about a section.
#[must_use]
pub fn asked_of(section: &Chunk) -> String {
    section.whole().chars().take(MOST_CHARACTERS).collect()
}

/// The most numbers of one direction.
const WIDEST: usize = 8_192;

/// Why numbers are no direction, or not one of these.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BadVector {
    #[error("an embedding has {0} numbers; between 1 and {WIDEST} can be used")]
    Size(usize),
    #[error("an embedding holds nothing but zeros, or a number that is none")]
    NoDirection,
    #[error("an embedding has {given} numbers, and the others have {expected}: they are of two models")]
    Width { expected: usize, given: usize },
}

/// The direction of a text: numbers whose squares add up to one.
#[derive(Debug, Clone, PartialEq)]
pub struct Vector(Box<[f32]>);

impl Vector {
    /// # Errors
    /// [`BadVector`] when the numbers are no direction.
    pub fn new(mut numbers: Vec<f32>) -> Result<Self, BadVector> {
        if !(1..=WIDEST).contains(&numbers.len()) {
            return Err(BadVector::Size(numbers.len()));
        }
        // First by the largest, so that no square is too large or too small for its type.
        let largest = numbers.iter().fold(0.0_f32, |most, number| most.max(number.abs()));
        if largest == 0.0 || !numbers.iter().all(|number| number.is_finite()) {
            return Err(BadVector::NoDirection);
        }
        numbers.iter_mut().for_each(|number| *number /= largest);
        let length = dot(&numbers, &numbers).sqrt();
        numbers.iter_mut().for_each(|number| *number /= length);
        Ok(Self(numbers.into()))
    }

    #[must_use]
    pub fn numbers(&self) -> &[f32] {
        &self.0
    }

    #[must_use]
    pub fn width(&self) -> usize {
        self.0.len()
    }
}

/// The directions of many texts, as far as they are known.
#[derive(Debug, Default, PartialEq)]
pub struct Vectors {
    width: usize,
    /// One behind the other; zeros where one is not known.
    numbers: Vec<f32>,
    known: usize,
}

impl Vectors {
    /// # Errors
    /// [`BadVector::Width`] when they are not all of one width.
    pub fn new<'a>(vectors: impl IntoIterator<Item = Option<&'a Vector>>) -> Result<Self, BadVector> {
        let (mut found, mut before) = (Self::default(), 0);
        for vector in vectors {
            match vector {
                None if found.width == 0 => before += 1,
                None => found.numbers.resize(found.numbers.len() + found.width, 0.0),
                Some(vector) => {
                    if found.width == 0 {
                        found.width = vector.width();
                        found.numbers.resize(before * found.width, 0.0);
                    }
                    let (expected, given) = (found.width, vector.width());
                    if expected != given {
                        return Err(BadVector::Width { expected, given });
                    }
                    found.numbers.extend_from_slice(vector.numbers());
                    found.known += 1;
                }
            }
        }
        Ok(found)
    }

    /// How many are known.
    #[must_use]
    pub fn known(&self) -> usize {
        self.known
    }

    /// Whether this one is known.
    #[must_use]
    pub fn is_known(&self, at: usize) -> bool {
        self.known > 0 && self.numbers.chunks_exact(self.width).nth(at).is_some_and(|row| row.iter().any(|n| *n != 0.0))
    }

    /// How near each text is to a query, by its number, the nearest first: the cosine of the angle
    /// between them. Those that are not known, or that lead away, are not among them.
    ///
    /// # Errors
    /// [`BadVector::Width`] when the query is of another model.
    pub fn nearness(&self, query: &Vector) -> Result<Nearness, BadVector> {
        if self.known == 0 {
            return Ok(Nearness::default());
        }
        let (expected, given) = (self.width, query.width());
        if expected != given {
            return Err(BadVector::Width { expected, given });
        }
        let near = self.numbers.chunks_exact(self.width).map(|row| dot(row, query.numbers())).enumerate();
        let mut near: Vec<_> = near.filter(|(_, similarity)| *similarity > 0.0).collect();
        near.sort_by(|a, b| b.1.total_cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
        Ok(Nearness(near))
    }
}

/// How near texts are to a query, the nearest first, each with its number.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Nearness(pub(crate) Vec<(usize, f32)>);

/// In eight sums at once, as processors add.
fn dot(a: &[f32], b: &[f32]) -> f32 {
    let (a, b) = (a.chunks_exact(8), b.chunks_exact(8));
    let rest: f32 = a.remainder().iter().zip(b.remainder()).map(|(a, b)| a * b).sum();
    let mut sums = [0.0_f32; 8];
    for (a, b) in a.zip(b) {
        for (sum, (a, b)) in sums.iter_mut().zip(a.iter().zip(b)) {
            *sum += a * b;
        }
    }
    sums.iter().sum::<f32>() + rest
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn vector(numbers: &[f32]) -> Vector {
        Vector::new(numbers.to_vec()).unwrap()
    }

    /// The places of the nearest, and how near they are in percent.
    #[track_caller]
    fn check(rows: &[Option<&[f32]>], query: &[f32], expect: &[(usize, f32)]) {
        let rows: Vec<_> = rows.iter().map(|row| row.map(vector)).collect();
        let vectors = Vectors::new(rows.iter().map(Option::as_ref)).unwrap();
        let near = vectors.nearness(&vector(query)).unwrap().0;
        let near: Vec<_> = near.iter().map(|(at, similarity)| (*at, (similarity * 100.0).round())).collect();
        assert_eq!(near, expect);
    }

    #[test]
    fn the_nearest_come_first_and_of_two_alike_the_first() {
        check(&[Some(&[1.0, 0.0]), Some(&[0.0, 1.0])], &[3.0, 4.0], &[(1, 80.0), (0, 60.0)]);
        check(&[Some(&[2.0, 0.0]), Some(&[7.0, 0.0])], &[1.0, 0.0], &[(0, 100.0), (1, 100.0)]);
        check(&[Some(&[-1.0, 0.0]), Some(&[0.0, 1.0])], &[1.0, 0.0], &[]);
        check(&[None, None, Some(&[1.0]), None], &[5.0], &[(2, 100.0)]);
        check(&[None], &[5.0], &[]);
        check(&[], &[5.0], &[]);
        let one = vector(&[1.0, 0.0]);
        let some = Vectors::new([None, Some(&one), None]).unwrap();
        assert_eq!([0, 1, 2, 3].map(|at| some.is_known(at)), [false, true, false, false]);
        assert!(!Vectors::default().is_known(0));
    }

    #[test]
    fn of_a_long_section_the_beginning_is_asked_about() {
        let chunk = |text: &str| Chunk { page: "p".into(), headings: vec!["A".into(), "B".into()], text: text.into() };
        assert_eq!(asked_of(&chunk("é")), "A > B\né");
        assert_eq!(asked_of(&chunk(&"é".repeat(9_000))).chars().count(), MOST_CHARACTERS);
    }

    #[test]
    fn what_is_no_direction_or_of_another_model_is_told() {
        for (numbers, why) in [
            (vec![], BadVector::Size(0)),
            (vec![1.0; WIDEST + 1], BadVector::Size(WIDEST + 1)),
            (vec![0.0, 0.0], BadVector::NoDirection),
            (vec![1.0, f32::NAN], BadVector::NoDirection),
            (vec![f32::NAN], BadVector::NoDirection),
            (vec![f32::INFINITY, 1.0], BadVector::NoDirection),
        ] {
            assert_eq!(Vector::new(numbers), Err(why));
        }
        let (two, three) = (vector(&[1.0, 0.0]), vector(&[1.0, 0.0, 0.0]));
        let expect = BadVector::Width { expected: 2, given: 3 };
        assert_eq!(Vectors::new([Some(&two), Some(&three)]), Err(expect));
        assert_eq!(Vectors::new([None, Some(&two)]).unwrap().nearness(&three), Err(expect));
        assert!(expect.to_string().contains("has 3 numbers, and the others have 2"));
    }

    proptest! {
        #[test]
        fn a_direction_is_near_to_itself_however_long_it_was(numbers in prop::collection::vec(-9.0_f32..9.0, 1..40), by in -30_i32..30) {
            prop_assume!(numbers.iter().any(|number| number.abs() > 0.01));
            let long: Vec<f32> = numbers.iter().map(|number| number * 10_f32.powi(by)).collect();
            let (one, other) = (vector(&numbers), vector(&long));
            prop_assert!((dot(one.numbers(), one.numbers()) - 1.0).abs() < 1e-4);
            let near = Vectors::new([None, Some(&one)]).unwrap().nearness(&other).unwrap().0;
            prop_assert!(near.len() == 1 && near[0].0 == 1 && near[0].1 > 0.999, "{near:?}");
        }
    }
}
