//! A server of embeddings, which knows a few things that words mean, and may fail in many ways.

use std::io::{BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};

use crate::listen::{head, listen};

/// Words that mean the same, a direction each.
const MEANINGS: [&[&str]; 3] =
    [&["exception", "crash", "falls over"], &["name", "naming", "called"], &["layout", "arranged"]];

/// How it answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Manner {
    /// With so many numbers more than there are meanings.
    Wider(usize),
    /// With this status.
    Status(u16),
    /// With a refusal where a text has more bytes.
    AtMost(usize),
    /// Never.
    Silent,
    /// With a connection that breaks off.
    Down,
}

/// A request that came.
#[derive(Debug, Clone)]
pub struct Asked {
    /// Its headers, in lower case.
    pub head: String,
    pub model: String,
    pub texts: Vec<String>,
}

#[derive(Debug)]
struct State {
    manner: Manner,
    asked: Vec<Asked>,
}

pub struct Embeddings {
    addr: SocketAddr,
    state: Arc<Mutex<State>>,
}

impl Embeddings {
    pub fn start() -> Self {
        let state = Arc::new(Mutex::new(State { manner: Manner::Wider(1), asked: Vec::new() }));
        Self { addr: listen(&state, serve), state }
    }

    pub fn url(&self) -> String {
        format!("http://{}/v1/embeddings", self.addr)
    }

    /// Answers so from now on.
    pub fn will(&self, manner: Manner) {
        self.state.lock().unwrap().manner = manner;
    }

    pub fn asked(&self) -> Vec<Asked> {
        self.state.lock().unwrap().asked.clone()
    }

    /// Every text that it was asked about.
    pub fn texts(&self) -> Vec<String> {
        self.asked().into_iter().flat_map(|asked| asked.texts).collect()
    }
}

fn serve(stream: &TcpStream, state: &Mutex<State>) {
    let mut reader = BufReader::new(stream.try_clone().unwrap());
    while let Some(head) = head(&mut reader) {
        let head = head.to_ascii_lowercase();
        let length = head.split("content-length: ").nth(1).and_then(|rest| rest.lines().next()).unwrap();
        let mut body = vec![0; length.parse().unwrap()];
        reader.read_exact(&mut body).unwrap();
        let body: Value = serde_json::from_slice(&body).unwrap();
        let texts = body["input"].as_array().unwrap().iter().map(|text| text.as_str().unwrap().to_owned());
        let asked = Asked { head, model: body["model"].as_str().unwrap().to_owned(), texts: texts.collect() };
        let manner = {
            let mut state = state.lock().unwrap();
            state.asked.push(asked.clone());
            state.manner
        };
        let is_long = |most: usize| asked.texts.iter().any(|text| text.len() > most);
        let (status, answer) = match manner {
            Manner::Down => return,
            Manner::Silent => {
                // Until the other side has enough of it.
                drop(reader.read(&mut [0]));
                return;
            }
            Manner::Status(status) => (status, json!({ "error": { "message": "no" } })),
            Manner::AtMost(most) if is_long(most) => (422, json!({ "error": { "message": "too long" } })),
            Manner::AtMost(_) => (200, answer(&asked, 1)),
            Manner::Wider(by) => (200, answer(&asked, by)),
        };
        let answer = answer.to_string();
        let response = format!("HTTP/1.1 {status} X\r\ncontent-length: {}\r\n\r\n{answer}", answer.len());
        if (&mut &*stream).write_all(response.as_bytes()).is_err() {
            return;
        }
    }
}

/// In another order than they were asked in, as the protocol allows.
fn answer(asked: &Asked, wider: usize) -> Value {
    let vectors = asked.texts.iter().enumerate();
    let data: Vec<Value> = vectors
        .map(|(at, text)| json!({ "object": "embedding", "index": at, "embedding": meaning(text, wider) }))
        .collect();
    json!({ "object": "list", "model": asked.model, "data": data.into_iter().rev().collect::<Vec<_>>() })
}

fn meaning(text: &str, wider: usize) -> Vec<f32> {
    let text = text.to_lowercase();
    let says = |words: &&[&str]| if words.iter().any(|word| text.contains(word)) { 1.0 } else { 0.0 };
    let said: Vec<f32> = MEANINGS.iter().map(says).collect();
    // What means nothing that is known points where nothing else does.
    let other = if said.iter().all(|number| *number == 0.0) { 1.0 } else { 0.0 };
    said.into_iter().chain(std::iter::repeat_n(other, wider)).collect()
}
