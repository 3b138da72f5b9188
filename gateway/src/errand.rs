//! Work for a request that may go on for a while when its agent has hung up: a reply that is no
//! stream is not there before it is complete, and what it cost is not known before.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::task::JoinHandle;
use tokio_util::task::TaskTracker;

/// How long the work may go on when nobody waits for it any more; not at all by default.
#[derive(Debug, Clone, Default)]
pub struct Patience {
    millis: Arc<AtomicU64>,
    is_needed: Arc<AtomicBool>,
}

impl Patience {
    pub fn set(&self, time: Duration) {
        self.millis.store(u64::try_from(time.as_millis()).unwrap_or(u64::MAX), Ordering::Release);
    }

    fn left(&self) -> Duration {
        Duration::from_millis(self.millis.load(Ordering::Acquire))
    }

    /// Whether nobody waits any more.
    #[must_use]
    pub fn is_needed(&self) -> bool {
        self.is_needed.load(Ordering::Acquire)
    }
}

/// Waits for the work. When it is dropped before, the work ends once its patience does.
#[derive(Debug)]
pub struct Errand<T> {
    work: JoinHandle<T>,
    patience: Patience,
    tasks: TaskTracker,
}

impl<T: Send + 'static> Errand<T> {
    /// Begins the work.
    #[must_use]
    pub fn begin(tasks: &TaskTracker, patience: Patience, work: impl Future<Output = T> + Send + 'static) -> Self {
        Self { work: tasks.spawn(work), patience, tasks: tasks.clone() }
    }
}

impl<T> Future for Errand<T> {
    type Output = T;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<T> {
        match ready!(Pin::new(&mut self.work).poll(cx)) {
            Ok(done) => Poll::Ready(done),
            Err(error) => match error.try_into_panic() {
                // It costs this request, as it would have without a task of its own.
                Ok(panic) => std::panic::resume_unwind(panic),
                // Only a drop ends it otherwise, and then nobody polls.
                Err(_) => Poll::Pending,
            },
        }
    }
}

impl<T> Drop for Errand<T> {
    fn drop(&mut self) {
        if self.work.is_finished() {
            return;
        }
        self.patience.is_needed.store(true, Ordering::Release);
        let (time, work) = (self.patience.left(), self.work.abort_handle());
        if time.is_zero() {
            work.abort();
            return;
        }
        self.tasks.spawn(async move {
            tokio::time::sleep(time).await;
            work.abort();
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn ends(patience: Option<Duration>) -> bool {
        let (done, heard) = tokio::sync::oneshot::channel::<()>();
        let asked = Patience::default();
        patience.into_iter().for_each(|time| asked.set(time));
        let work = async move {
            tokio::time::sleep(Duration::from_millis(200)).await;
            assert!(done.send(()).is_ok());
        };
        let errand = Errand::begin(&TaskTracker::new(), asked.clone(), work);
        tokio::task::yield_now().await;
        assert!(!asked.is_needed());
        drop(errand);
        assert!(asked.is_needed());
        heard.await.is_ok()
    }

    #[tokio::test]
    async fn work_that_nobody_waits_for_ends_when_its_patience_does() {
        assert!(!ends(None).await);
        assert!(ends(Some(Duration::from_secs(30))).await);
        assert!(!ends(Some(Duration::from_millis(10))).await);
    }

    #[tokio::test]
    async fn what_it_comes_to_is_handed_over() {
        assert_eq!(Errand::begin(&TaskTracker::new(), Patience::default(), async { 7 }).await, 7);
    }
}
