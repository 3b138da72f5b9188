//! Taking connections, serving them, and ending them in order.

use std::convert::Infallible;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use http::{Request, Response};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use hyper::server::conn::http1::Builder;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use hyper_util::service::TowerToHyperService;
use prometheus::IntGauge;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio_io_timeout::TimeoutStream;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tower::util::BoxCloneSyncService;
use tower::{ServiceBuilder, service_fn};
use tower_http::catch_panic::CatchPanicLayer;

use crate::call::Answer;
use crate::metrics::Metrics;

/// How connections are taken.
#[derive(Debug, Clone)]
pub struct Door {
    /// Connections that are served at once.
    pub connections: usize,
    pub header_time: Duration,
    /// How long an agent may stop reading.
    pub write_time: Duration,
    /// How long replies may go on after `stop`.
    pub drain_time: Duration,
    pub stop: CancellationToken,
    pub tasks: TaskTracker,
    pub metrics: Metrics,
}

/// Serves connections until `stop`, then lets what is under way finish within the drain time.
pub async fn serve<S, F>(listener: TcpListener, door: Door, service: S)
where
    S: Fn(Request<Incoming>) -> F + Clone + Send + Sync + 'static,
    F: Future<Output = Answer> + Send + 'static,
{
    let service = TowerToHyperService::new(guarded(service));
    let graceful = GracefulShutdown::new();
    let places = Arc::new(Semaphore::new(door.connections));
    // HTTP/1 alone, which every agent speaks: over HTTP/2 one that opens no window would hold its
    // place for ever, for nothing is written that could time out.
    let mut builder = Builder::new();
    // Without a timer hyper's own limit on slow headers is silently off.
    builder.timer(TokioTimer::new()).header_read_timeout(door.header_time);
    let cut = CancellationToken::new();
    loop {
        let taken = async {
            let place = Arc::clone(&places).acquire_owned().await;
            (place, listener.accept().await)
        };
        let (place, accepted) = tokio::select! {
            () = door.stop.cancelled() => break,
            taken = taken => taken,
        };
        let stream = match accepted {
            Ok((stream, _)) => stream,
            Err(error) => {
                // Out of file descriptors, most likely: waiting is all that helps.
                tracing::warn!(%error, "a connection could not be taken");
                tokio::time::sleep(Duration::from_millis(100)).await;
                continue;
            }
        };
        let (builder, service, watcher) = (builder.clone(), service.clone(), graceful.watcher());
        let open = Open::new(&door.metrics);
        let (stop, cut, write_time) = (door.stop.clone(), cut.clone(), door.write_time);
        door.tasks.spawn(async move {
            let speaks = tokio::select! {
                speaks = begins(&stream) => speaks,
                () = stop.cancelled() => false,
            };
            if speaks {
                let io = TokioIo::new(Box::pin(prompt(stream, write_time)));
                let connection = watcher.watch(builder.serve_connection(io, service));
                tokio::select! {
                    ended = connection => if let Err(error) = ended {
                        tracing::debug!(%error, "a connection broke");
                    },
                    // What it was sending is dropped with it, and so settled and recorded.
                    () = cut.cancelled() => {}
                }
            }
            drop((open, place));
        });
    }
    drop(listener);
    if tokio::time::timeout(door.drain_time, graceful.shutdown()).await.is_err() {
        tracing::warn!("replies were still under way when the drain time was over; they are cut off");
        cut.cancel();
    }
}

/// An open connection, for as long as it is counted.
struct Open(IntGauge);

impl Open {
    fn new(metrics: &Metrics) -> Self {
        metrics.connections.inc();
        Self(metrics.connections.clone())
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.0.dec();
    }
}

/// How long a new connection may be silent. One that was used may rest longer between requests.
const FIRST_BYTE: Duration = Duration::from_secs(10);

/// Waits for the first byte of a connection.
async fn begins(stream: &TcpStream) -> bool {
    let first = tokio::time::timeout(FIRST_BYTE, stream.peek(&mut [0])).await;
    matches!(first, Ok(Ok(count)) if count > 0)
}

/// Small writes leave at once, or a stream stutters by 40 ms; and an agent that stops reading
/// holds nothing for ever.
fn prompt(stream: TcpStream, write_time: Duration) -> TimeoutStream<TcpStream> {
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%error, "TCP_NODELAY could not be set");
    }
    let mut stream = TimeoutStream::new(stream);
    stream.set_write_timeout(Some(write_time));
    stream
}

/// A panic costs one request, not the process.
fn guarded<S, F>(service: S) -> BoxCloneSyncService<Request<Incoming>, Answer, Infallible>
where
    S: Fn(Request<Incoming>) -> F + Clone + Send + Sync + 'static,
    F: Future<Output = Answer> + Send + 'static,
{
    let service = service_fn(move |request: Request<Incoming>| {
        let served = service(request);
        async move { Ok(served.await) }
    });
    let boxed = |answer: Response<_>| answer.map(BodyExt::boxed_unsync);
    let guarded = ServiceBuilder::new().map_response(boxed).layer(CatchPanicLayer::new()).service(service);
    BoxCloneSyncService::new(guarded)
}
