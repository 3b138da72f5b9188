//! A provider that answers every request with the same bytes, cut where the test says.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener};
use std::sync::{Arc, Mutex};

pub struct Fixed {
    pub addr: SocketAddr,
    bodies: Arc<Mutex<Vec<Vec<u8>>>>,
}

impl Fixed {
    /// `response` is everything from the status line on.
    pub fn start(response: impl Into<Vec<u8>>, piece: usize) -> Self {
        Self::serve(response.into(), piece, false)
    }

    fn serve(response: Vec<u8>, piece: usize, holds: bool) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let addr = listener.local_addr().unwrap();
        let bodies = Arc::new(Mutex::new(Vec::new()));
        let kept = Arc::clone(&bodies);
        let mut held = Vec::new();
        std::thread::spawn(move || {
            for mut stream in listener.incoming().map_while(Result::ok) {
                stream.set_nodelay(true).unwrap();
                let Some(body) = request(&mut stream) else { continue };
                kept.lock().unwrap().push(body);
                for piece in response.chunks(piece) {
                    if stream.write_all(piece).and_then(|()| stream.flush()).is_err() {
                        break;
                    }
                }
                if holds {
                    held.push(stream);
                }
            }
        });
        Self { addr, bodies }
    }

    /// The same, and the connection is then left open and silent.
    pub fn held(response: &str) -> Self {
        Self::serve(response.as_bytes().to_vec(), 1 << 20, true)
    }

    /// A stream of events with this body.
    pub fn stream(body: &str, piece: usize) -> Self {
        let head = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nconnection: close\r\n\r\n";
        Self::start(format!("{head}{body}"), piece)
    }

    /// A whole reply with this body.
    pub fn whole(body: &str) -> Self {
        let head = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\nconnection: close\r\n\r\n";
        Self::start(format!("{head}{body}"), 1 << 20)
    }

    pub fn url(&self) -> String {
        format!("http://{}", self.addr)
    }

    /// The bodies that arrived, in order.
    pub fn bodies(&self) -> Vec<Vec<u8>> {
        self.bodies.lock().unwrap().clone()
    }
}

fn request(stream: &mut impl Read) -> Option<Vec<u8>> {
    let mut bytes = Vec::new();
    let mut buffer = [0; 65_536];
    loop {
        let count = stream.read(&mut buffer).ok().filter(|count| *count > 0)?;
        bytes.extend_from_slice(&buffer[..count]);
        let Some(split) = bytes.windows(4).position(|window| window == b"\r\n\r\n") else { continue };
        let head = String::from_utf8_lossy(&bytes[..split]).to_ascii_lowercase();
        let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")?.trim().parse::<usize>().ok());
        if bytes.len() >= split + 4 + length.unwrap_or(0) {
            return Some(bytes[split + 4..].to_vec());
        }
    }
}
