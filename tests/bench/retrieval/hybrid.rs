//! Ranking by what texts mean beside their words, with whatever model of embeddings answers at the
//! address in `JETWAY_EMBEDDINGS`: `http://127.0.0.1:8080/v1`, as `tests/bench/retrieval/embeddings`
//! serves it.

use std::io::{Read, Write};
use std::net::TcpStream;

use jetway_core::retrieval::meaning::{Vector, Vectors, asked_of};
use jetway_core::retrieval::search::{Hit, Index, beginning, fuse};
use jetway_core::wire::embeddings;

/// Sections of one request.
const BATCH: usize = 64;
/// So far down each ranking is looked.
const DEEP: usize = 50;

/// Who is asked what texts mean.
pub(crate) struct Model {
    /// `127.0.0.1:8080`.
    host: String,
    path: String,
}

impl Model {
    /// The one that is to be measured, if one is.
    pub(crate) fn named() -> Option<Self> {
        let url = std::env::var("JETWAY_EMBEDDINGS").ok()?;
        let (host, path) = url.strip_prefix("http://").unwrap().split_once('/').unwrap();
        Some(Self { host: host.to_owned(), path: format!("/{}/embeddings", path.trim_end_matches('/')) })
    }

    fn ask(&self, texts: &[&str]) -> Vec<Vector> {
        let body = embeddings::request("any", texts);
        let mut stream = TcpStream::connect(&self.host).unwrap();
        let (path, host, length) = (&self.path, &self.host, body.len());
        let head = format!(
            "POST {path} HTTP/1.1\r\nhost: {host}\r\ncontent-type: application/json\r\nconnection: close\r\ncontent-length: {length}\r\n\r\n"
        );
        stream.write_all(&[head.as_bytes(), body.as_bytes()].concat()).unwrap();
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).unwrap();
        let begin = answer.windows(4).position(|four| four == b"\r\n\r\n").unwrap() + 4;
        let rows = embeddings::read(&answer[begin..], texts.len()).unwrap();
        rows.into_iter().map(|row| Vector::new(row).unwrap()).collect()
    }

    /// The same sections, with what they mean.
    pub(crate) fn meant(&self, index: &Index) -> Index {
        let asked: Vec<String> = index.chunks().iter().map(asked_of).collect();
        let asked: Vec<&str> = asked.iter().map(String::as_str).collect();
        let vectors: Vec<Vector> = asked.chunks(BATCH).flat_map(|texts| self.ask(texts)).collect();
        index.with_vectors(Vectors::new(vectors.iter().map(Some)).unwrap())
    }

    /// Sections by their words and by what they mean, the latter of this weight; without one by that
    /// alone.
    pub(crate) fn rank<'a>(&self, index: &'a Index, ask: &str, weight: Option<f32>) -> Vec<Hit<'a>> {
        let vector = self.ask(&[beginning(ask)]).remove(0);
        let nearest = index.nearest(&index.nearness(&vector).unwrap()).take(DEEP).collect();
        match weight {
            Some(weight) => {
                let words = index.search(ask, DEEP).into_iter().map(|hit| (hit, hit.rank)).collect();
                fuse(words, nearest, weight)
            }
            None => nearest,
        }
    }
}
