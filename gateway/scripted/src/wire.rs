//! A connection's socket, which tells the body that plays on it what has been written.
//!
//! Hyper buffers what a body yields, and throws the buffer away when the body fails. So that a
//! cut comes exactly after the bytes before it, and the bill says what was written, a body
//! yields one piece and waits until it is out.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use hyper::rt::{Read, ReadBufCursor, Write};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

/// What the body and the socket of one connection tell each other.
#[derive(Debug, Default)]
pub(crate) struct Wire(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    /// Hyper has bytes that the socket has not taken.
    is_held: bool,
    breaks: bool,
    waiting: Option<Waker>,
}

impl Wire {
    /// A piece has been handed to hyper.
    pub(crate) fn hand(&self) {
        self.state().is_held = true;
    }

    pub(crate) fn is_held(&self) -> bool {
        self.state().is_held
    }

    /// Ready once all that was handed over is written.
    pub(crate) fn poll_written(&self, cx: &Context<'_>) -> Poll<()> {
        let mut state = self.state();
        if !state.is_held {
            return Poll::Ready(());
        }
        state.waiting = Some(cx.waker().clone());
        Poll::Pending
    }

    /// The connection shall end in a reset.
    pub(crate) fn break_off(&self) {
        self.state().breaks = true;
    }

    fn written(&self) {
        let mut state = self.state();
        state.is_held = false;
        if let Some(waiting) = state.waiting.take() {
            waiting.wake();
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[derive(Debug)]
pub(crate) struct Socket {
    stream: TokioIo<TcpStream>,
    wire: Arc<Wire>,
}

impl Socket {
    pub(crate) fn new(stream: TcpStream, wire: Arc<Wire>) -> Self {
        Self { stream: TokioIo::new(stream), wire }
    }
}

impl Drop for Socket {
    fn drop(&mut self) {
        if self.wire.state().breaks {
            // Without lingering, the socket sends a reset in place of a proper end. Should that
            // fail, the connection still ends before the message does.
            self.stream.inner().set_zero_linger().ok();
        }
    }
}

impl Read for Socket {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: ReadBufCursor<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buffer)
    }
}

impl Write for Socket {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(cx, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let flushed = Pin::new(&mut self.stream).poll_flush(cx);
        // Hyper flushes the socket only when its own buffer is empty.
        if matches!(flushed, Poll::Ready(Ok(()))) {
            self.wire.written();
        }
        flushed
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
