//! What sections mean, as a model said it once, in one file a policy: a start, and a page that did
//! not change, ask nobody. A file that was damaged is as if it were not there.

use std::collections::HashMap;
use std::path::Path;

use jetway_core::retrieval::meaning::Vector;

use crate::docs::embed::Endpoint;
use crate::secret;

/// What the file begins with.
const BEGIN: &[u8] = b"jetway vectors 1\n";
/// The bytes of a digest at its end.
const DIGEST: usize = 32;
/// A larger one is not ours.
const LARGEST: u64 = 1 << 30;

/// By what a text is known: a digest of it, of the model that was asked, and of where.
pub(in crate::docs) type Key = [u8; 16];

/// Of the same text another model says something else, and so may one of the same name elsewhere.
pub(in crate::docs) fn key(endpoint: &Endpoint, text: &str) -> Key {
    let digest = secret::sha256(format!("{}\n{}\n{text}", endpoint.url, endpoint.model).as_bytes());
    let mut key = Key::default();
    key.iter_mut().zip(digest).for_each(|(to, from)| *to = from);
    key
}

/// What is known, all of one width.
#[derive(Debug, Default, PartialEq)]
pub(in crate::docs) struct Kept(pub(super) HashMap<Key, Vector>);

impl Kept {
    /// What is in a file; nothing where there is none.
    pub(in crate::docs) fn read(file: &Path) -> Self {
        let size = std::fs::metadata(file).map_or(0, |meta| meta.len());
        let bytes = std::fs::read(file).ok().filter(|_| size <= LARGEST);
        bytes.and_then(|bytes| parsed(&bytes)).unwrap_or_default()
    }

    pub(in crate::docs) fn find(&self, key: &Key) -> Option<&Vector> {
        self.0.get(key)
    }

    /// How many numbers each has; none where nothing is known.
    pub(super) fn width(&self) -> Option<usize> {
        self.0.values().next().map(Vector::width)
    }

    /// As a file.
    pub(super) fn bytes(&self) -> Vec<u8> {
        let width = self.width().unwrap_or_default();
        let mut bytes = BEGIN.to_vec();
        bytes.extend(u32::try_from(width).unwrap_or_default().to_le_bytes());
        for (key, vector) in &self.0 {
            bytes.extend(key);
            bytes.extend(vector.numbers().iter().flat_map(|number| number.to_le_bytes()));
        }
        let digest = secret::sha256(&bytes);
        bytes.extend(digest);
        bytes
    }
}

fn parsed(bytes: &[u8]) -> Option<Kept> {
    let (content, digest) = bytes.split_at_checked(bytes.len().checked_sub(DIGEST)?)?;
    if secret::sha256(content) != digest {
        return None;
    }
    let (width, mut rest) = content.strip_prefix(BEGIN)?.split_first_chunk::<4>()?;
    let width = usize::try_from(u32::from_le_bytes(*width)).ok()?;
    let mut kept = Kept::default();
    while !rest.is_empty() {
        let (key, behind) = rest.split_first_chunk::<{ size_of::<Key>() }>()?;
        let (numbers, behind) = behind.split_at_checked(width.checked_mul(4)?)?;
        let numbers = numbers.as_chunks::<4>().0.iter().map(|number| f32::from_le_bytes(*number)).collect();
        kept.0.insert(*key, Vector::new(numbers).ok()?);
        rest = behind;
    }
    Some(kept)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn endpoint(url: &str, model: &str) -> Endpoint {
        Endpoint { url: url.into(), model: model.into(), key: None }
    }

    #[test]
    fn a_text_is_known_by_itself_and_by_who_was_asked() {
        let of = |url: &str, model: &str, text: &str| key(&endpoint(url, model), text);
        let one = of("http://a", "m", "text");
        assert_eq!(one, of("http://a", "m", "text"));
        for other in [of("http://b", "m", "text"), of("http://a", "n", "text"), of("http://a", "m", "texts")] {
            assert_ne!(one, other);
        }
    }

    #[test]
    fn what_is_written_is_read_and_what_was_damaged_is_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("vectors");
        assert_eq!(Kept::read(&file), Kept::default());
        let mut kept = Kept::default();
        for at in 0..3_u8 {
            kept.0.insert([at; 16], Vector::new(vec![f32::from(at), 1.0]).unwrap());
        }
        let bytes = kept.bytes();
        std::fs::write(&file, &bytes).unwrap();
        let read = Kept::read(&file);
        assert_eq!((read.0.len(), read.width()), (3, Some(2)));
        let near = |a: &Vector, b: &Vector| a.numbers().iter().zip(b.numbers()).all(|(a, b)| (a - b).abs() < 1e-6);
        assert!(kept.0.iter().all(|(key, vector)| near(vector, read.find(key).unwrap())));
        for cut in [0, 10, 40, bytes.len() - 1] {
            std::fs::write(&file, &bytes[..cut]).unwrap();
            assert_eq!(Kept::read(&file), Kept::default(), "{cut}");
        }
        let mut changed = bytes.clone();
        changed[BEGIN.len() + 20] ^= 1;
        std::fs::write(&file, changed).unwrap();
        assert_eq!(Kept::read(&file), Kept::default());
        std::fs::write(&file, Kept::default().bytes()).unwrap();
        assert_eq!(Kept::read(&file), Kept::default());
    }
}
