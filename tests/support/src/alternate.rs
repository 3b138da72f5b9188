//! A forwarder that takes turns: what a load balancer does that knows nothing of runs. Each request goes to
//! the next of several servers, on a connection of its own.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

pub struct Alternate {
    pub addr: SocketAddr,
    took: Arc<Mutex<Vec<usize>>>,
}

impl Alternate {
    pub fn start(to: Vec<SocketAddr>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let addr = listener.local_addr().unwrap();
        let took = Arc::new(Mutex::new(Vec::new()));
        let kept = Arc::clone(&took);
        std::thread::spawn(move || {
            let next = Arc::new(AtomicUsize::new(0));
            for near in listener.incoming().map_while(Result::ok) {
                let (to, next, took) = (to.clone(), Arc::clone(&next), Arc::clone(&kept));
                std::thread::spawn(move || forward(near, &to, &next, &took));
            }
        });
        Self { addr, took }
    }

    pub fn url(&self) -> String {
        format!("http://{}", self.addr)
    }

    /// Which server got each request with a body, in order.
    pub fn took(&self) -> Vec<usize> {
        self.took.lock().unwrap().clone()
    }
}

/// Passes one request on. An agent may open a connection and send nothing.
fn forward(mut near: TcpStream, to: &[SocketAddr], next: &AtomicUsize, took: &Mutex<Vec<usize>>) {
    let Some((head, rest)) = head(&mut near) else { return };
    // Only these are requests for a reply; whatever else an agent looks for takes no turn.
    let at = match head.starts_with("POST ") {
        true => {
            let at = next.fetch_add(1, Ordering::SeqCst) % to.len();
            took.lock().unwrap().push(at);
            at
        }
        false => 0,
    };
    let Ok(mut far) = TcpStream::connect(to[at]) else { return };
    // The next request is to come on another connection, so that it can go elsewhere.
    let lines = head.lines().filter(|line| !line.to_ascii_lowercase().starts_with("connection:"));
    let head = lines.collect::<Vec<_>>().join("\r\n") + "\r\nconnection: close\r\n\r\n";
    if far.write_all(head.as_bytes()).and_then(|()| far.write_all(&rest)).is_err() {
        return;
    }
    let (mut from, mut into) = (near.try_clone().unwrap(), far.try_clone().unwrap());
    std::thread::spawn(move || {
        drop(std::io::copy(&mut from, &mut into));
        drop(into.shutdown(Shutdown::Write));
    });
    drop(std::io::copy(&mut far, &mut near));
    drop(near.shutdown(Shutdown::Both));
}

/// The head of a request, without the empty line, and what came with it of its body.
fn head(near: &mut TcpStream) -> Option<(String, Vec<u8>)> {
    let (mut bytes, mut some) = (Vec::new(), [0; 16 << 10]);
    loop {
        if let Some(end) = bytes.windows(4).position(|four| four == b"\r\n\r\n") {
            return Some((String::from_utf8(bytes[..end].to_vec()).ok()?, bytes[end + 4..].to_vec()));
        }
        match near.read(&mut some) {
            Ok(0) | Err(_) => return None,
            Ok(count) => bytes.extend_from_slice(&some[..count]),
        }
    }
}
