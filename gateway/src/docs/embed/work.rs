//! Asking what the sections of a policy mean: those that it is not known of, in small batches, one
//! at a time. What was answered is kept also when the next answer fails to come.

use std::collections::{HashSet, VecDeque};
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use jetway_core::retrieval::meaning::{Vector, asked_of};
use jetway_core::retrieval::search::Index;

use crate::docs::Shelf;
use crate::docs::embed::kept::Key;
use crate::docs::embed::{About, Embedder, Endpoint, Failed, Kept, key};

/// The most sections of a policy that are asked about: the first ones.
const MOST_SECTIONS: usize = 20_000;
/// The most texts of a batch, and the most bytes.
const MOST_TEXTS: usize = 32;
const MOST_BYTES: usize = 64 << 10;
/// How long an answer about a batch may take.
const PATIENCE: Duration = Duration::from_secs(60);
/// What was answered is kept when there is so much more of it, and at the end.
const KEPT_AFTER: usize = 512;
/// More sections that are refused are no accident, and none at all is read where all are refused.
const MOST_REFUSED: usize = 100;
const MOST_REFUSED_FIRST: usize = 3;

/// The text of each section that is asked about, by which it is also known.
pub(in crate::docs) fn wanted(index: &Index) -> impl Iterator<Item = String> {
    index.chunks().iter().take(MOST_SECTIONS).map(asked_of)
}

/// How many they are, of those that there is room for.
pub(in crate::docs) fn wanted_count(index: &Index) -> usize {
    index.chunks().len().min(MOST_SECTIONS).min(index.vectors().room())
}

/// What is to be asked about.
pub(in crate::docs) struct Work {
    shelf: Arc<Shelf>,
    endpoint: Endpoint,
    kept: Kept,
    /// Those that it is not known of.
    lacking: Vec<(Key, String)>,
    /// All there are; others are forgotten.
    all: HashSet<Key>,
    is_doubted: bool,
}

impl Work {
    /// What a shelf lacks, by what is on disk. None where nobody is to be asked.
    pub(in crate::docs) fn of(shelf: &Arc<Shelf>) -> Option<Self> {
        let endpoint = shelf.endpoint()?.clone();
        let is_doubted = shelf.is_doubted();
        let mut kept = if is_doubted { Kept::default() } else { Kept::read(&shelf.disk.vectors()) };
        let index = shelf.index();
        // What another model said is of no use to this one, whose numbers may be more.
        let known: HashSet<Key> = wanted(&index).map(|text| key(&endpoint, &text)).collect();
        kept.0.retain(|key, _| known.contains(key));
        let (mut all, mut lacking) = (HashSet::new(), Vec::new());
        for text in wanted(&index).take(kept.room()) {
            let key = key(&endpoint, &text);
            if all.insert(key) && kept.find(&key).is_none() {
                lacking.push((key, text));
            }
        }
        Some(Self { shelf: Arc::clone(shelf), endpoint, kept, lacking, all, is_doubted })
    }

    /// Asks about all that is lacking, and keeps what is answered. What is returned is how many
    /// there were.
    pub(in crate::docs) async fn run(mut self, embedder: &Embedder) -> Result<usize, Failed> {
        if self.is_doubted {
            // Forgotten first: what is answered from here on is of one model again.
            self.keep().await?;
            self.shelf.trust();
        }
        let asked = self.lacking.len();
        let outcome = self.ask(embedder).await;
        self.keep().await?;
        outcome.map(|()| asked)
    }

    async fn ask(&mut self, embedder: &Embedder) -> Result<(), Failed> {
        let mut batches: VecDeque<Range<usize>> = batches(&self.lacking).into();
        let (mut unkept, mut refused, mut answered) = (0, 0, 0);
        let mut unread = None;
        while let Some(batch) = batches.pop_front() {
            // The first answer of all shows how much room there is.
            if batch.start >= self.kept.room() {
                break;
            }
            let texts: Vec<&str> = self.lacking[batch.clone()].iter().map(|(_, text)| text.as_str()).collect();
            let outcome = {
                // It is closed only with the process.
                let Ok(_place) = embedder.batches.acquire().await else { return Ok(()) };
                embedder.ask(&self.endpoint, &texts, PATIENCE).await
            };
            let (begin, end, count) = (batch.start, batch.end, batch.len());
            match &outcome {
                // One of them may be too long for the model, or all together for its server.
                Err(Failed::Texts(_)) if count > 1 => {
                    let middle = begin + count / 2;
                    batches.push_front(middle..end);
                    batches.push_front(begin..middle);
                    continue;
                }
                _ => embedder.count(&self.shelf.policy, About::Sections, &outcome, count),
            }
            match outcome {
                Ok(vectors) => {
                    let expected = self.kept.width().or(vectors.first().map(Vector::width));
                    if vectors.iter().any(|vector| Some(vector.width()) != expected) {
                        self.shelf.doubt();
                        return Err(Failed::Other(String::from(
                            "its embeddings have another size than those that are kept; all are asked for anew",
                        )));
                    }
                    answered += count;
                    unkept += count;
                    let keys = self.lacking[batch].iter().map(|(key, _)| *key);
                    self.kept.0.extend(keys.zip(vectors));
                }
                Err(why @ Failed::Texts(_))
                    if refused < if answered > 0 { MOST_REFUSED } else { MOST_REFUSED_FIRST } =>
                {
                    refused += 1;
                    unread = Some(why);
                }
                Err(why) => return Err(why),
            }
            if unkept >= KEPT_AFTER.max(self.kept.0.len() / 4) {
                unkept = 0;
                self.keep().await?;
            }
        }
        unread.map_or(Ok(()), Err)
    }

    /// Writes what is known, and exchanges the index for one that knows it.
    async fn keep(&mut self) -> Result<(), Failed> {
        self.kept.0.retain(|key, _| self.all.contains(key));
        let (kept, shelf) = (std::mem::take(&mut self.kept), Arc::clone(&self.shelf));
        // Not where requests are served: there may be tens of megabytes to digest.
        let write = move || {
            let written = shelf.disk.keep_vectors(&kept.bytes());
            if written.is_ok() {
                shelf.take_vectors(&kept);
            }
            (kept, written)
        };
        let written = tokio::task::spawn_blocking(write).await;
        let (kept, written) = written.map_err(|error| Failed::Other(error.to_string()))?;
        self.kept = kept;
        written.map_err(|error| Failed::Other(format!("what it said cannot be kept: {error}")))
    }
}

/// Batches of texts, none too many or too large.
fn batches(texts: &[(Key, String)]) -> Vec<Range<usize>> {
    let mut batches: Vec<Range<usize>> = Vec::new();
    let mut size = 0;
    for (at, (_, text)) in texts.iter().enumerate() {
        size += text.len();
        match batches.last_mut() {
            Some(last) if last.len() < MOST_TEXTS && size <= MOST_BYTES => last.end = at + 1,
            _ => {
                batches.push(at..at + 1);
                size = text.len();
            }
        }
    }
    batches
}

#[cfg(test)]
mod tests {
    use jetway_core::retrieval::chunk::Chunk;
    use jetway_core::retrieval::meaning::Vectors;

    use super::*;

    #[test]
    fn batches_are_small_and_leave_nothing_out() {
        let check = |sizes: &[usize], expect: &[Range<usize>]| {
            let texts: Vec<_> = sizes.iter().map(|size| (Key::default(), "x".repeat(*size))).collect();
            assert_eq!(batches(&texts), expect, "{sizes:?}");
        };
        check(&[], &[]);
        check(&[1; 33], &[0..32, 32..33]);
        check(&[1; 70], &[0..32, 32..64, 64..70]);
        check(&[MOST_BYTES, 1, MOST_BYTES - 1, 1], &[0..1, 1..3, 3..4]);
        check(&[MOST_BYTES + 1, MOST_BYTES + 1], &[0..1, 1..2]);
    }

    #[test]
    fn of_very_many_sections_the_first_are_asked_about() {
        let chunk = |at: usize| Chunk { page: "p".into(), headings: Vec::new(), text: at.to_string() };
        let many = Index::new((0..MOST_SECTIONS + 5).map(chunk).collect());
        assert_eq!((wanted(&many).count(), wanted_count(&many)), (MOST_SECTIONS, MOST_SECTIONS));
        // Of wide embeddings fewer have room.
        let wide = Vector::new(vec![1.0; 4_096]).unwrap();
        assert_eq!(wanted_count(&many.with_vectors(Vectors::new([Some(&wide)]).unwrap())), 4_096);
    }
}
