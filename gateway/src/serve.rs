//! Taking connections, serving them, and ending them in order.

use std::convert::Infallible;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use hyper::body::{Body, Incoming};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use hyper_util::server::graceful::GracefulShutdown;
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tower::ServiceBuilder;
use tower_http::catch_panic::CatchPanicLayer;

use crate::metrics::Metrics;
use crate::pipeline::Answer;
use crate::reply::BodyError;

/// How connections are taken.
#[derive(Debug, Clone)]
pub struct Door {
    /// Connections that are served at once.
    pub connections: usize,
    pub header_time: Duration,
    /// How long replies may go on after `stop`.
    pub drain_time: Duration,
    pub stop: CancellationToken,
    pub tasks: TaskTracker,
    pub metrics: Metrics,
}

/// Serves connections until `stop`, then lets what is under way finish within the drain time.
pub async fn serve<S, F>(listener: TcpListener, door: Door, service: S)
where
    S: Fn(Request<Incoming>) -> F + Clone + Send + 'static,
    F: Future<Output = Answer> + Send + 'static,
{
    let graceful = GracefulShutdown::new();
    let places = Arc::new(Semaphore::new(door.connections));
    let mut builder = Builder::new(TokioExecutor::new());
    // Without a timer hyper's own limit on slow headers is silently off.
    builder.http1().timer(TokioTimer::new()).header_read_timeout(door.header_time);
    builder.http2().timer(TokioTimer::new()).keep_alive_interval(Some(Duration::from_secs(30)));
    loop {
        let Ok(place) = Arc::clone(&places).acquire_owned().await else { break };
        let stream = tokio::select! {
            () = door.stop.cancelled() => break,
            accepted = listener.accept() => accepted,
        };
        let stream = match stream {
            Ok((stream, _)) => stream,
            Err(error) => {
                // Out of file descriptors, most likely: waiting is all that helps.
                tracing::warn!(%error, "a connection could not be taken");
                tokio::time::sleep(Duration::from_millis(100)).await;
                continue;
            }
        };
        let service = guarded(service.clone());
        let connection = builder.serve_connection(TokioIo::new(prompt(stream)), service).into_owned();
        let connection = graceful.watch(connection);
        let open = door.metrics.connections.clone();
        open.inc();
        door.tasks.spawn(async move {
            if let Err(error) = connection.await {
                tracing::debug!(%error, "a connection broke");
            }
            open.dec();
            drop(place);
        });
    }
    drop(listener);
    if tokio::time::timeout(door.drain_time, graceful.shutdown()).await.is_err() {
        tracing::warn!("replies were still under way when the drain time was over; they are cut off");
    }
}

/// Small writes must leave at once, or a stream stutters by 40 ms.
fn prompt(stream: TcpStream) -> TcpStream {
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%error, "TCP_NODELAY could not be set");
    }
    stream
}

/// A panic costs one request, not the process.
fn guarded<S, F>(
    service: S,
) -> TowerToHyperService<
    impl tower::Service<
        Request<Incoming>,
        Response = Response<impl Body<Data = Bytes, Error = BodyError> + Send + 'static>,
        Error = Infallible,
        Future = impl Future<
            Output = Result<Response<impl Body<Data = Bytes, Error = BodyError> + Send + 'static>, Infallible>,
        > + Send,
    > + Clone,
>
where
    S: Fn(Request<Incoming>) -> F + Clone + Send + 'static,
    F: Future<Output = Answer> + Send + 'static,
{
    let plain = tower::service_fn(move |request| {
        let served = service(request);
        async move { Ok::<_, Infallible>(served.await) }
    });
    TowerToHyperService::new(ServiceBuilder::new().layer(CatchPanicLayer::new()).service(plain))
}
