//! Work that takes processors and memory: away from the threads that wait for others, and only so much of it at once.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use flux_transform::{Limits, Work};
use parking_lot::Mutex;
use tokio::sync::OwnedSemaphorePermit;
use tokio::task::spawn_blocking;
use tokio::time::{Instant, timeout_at};

use crate::controller::Controller;
use crate::failure::{Failure, Fate};

/// The place of heavy work, which is free again once this is dropped.
pub(crate) type Permit = OwnedSemaphorePermit;

/// Tells work that nobody waits for it any more.
struct GiveUp(Arc<AtomicBool>);

impl Drop for GiveUp {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Does work on a thread that may block; it is given up soon after nobody waits for it any more.
pub(crate) async fn aside<T: Send + 'static>(
    what: &str,
    work: impl FnOnce(&Work) -> T + Send + 'static,
) -> Result<T, Failure> {
    let flag = Arc::new(AtomicBool::new(false));
    let _give_up = GiveUp(Arc::clone(&flag));
    let working = spawn_blocking(move || work(&Work::within(Limits::default()).until(flag)));
    working.await.map_err(|error| {
        tracing::error!(what, %error, "work panicked; this is a bug, please report it");
        Failure::new(Fate::Retry, "InternalError", format!("{what} panicked"))
    })
}

/// How long a run has waited for places, which is not its own doing.
#[derive(Debug, Default)]
pub(crate) struct Waits(Mutex<(Duration, Option<Instant>)>);

impl Waits {
    fn so_far(&self) -> Duration {
        let (over, since) = &*self.0.lock();
        *over + since.map_or(Duration::ZERO, |since| since.elapsed())
    }

    async fn on<T>(&self, future: impl Future<Output = T>) -> T {
        self.0.lock().1 = Some(Instant::now());
        let output = future.await;
        let waited = self.so_far();
        *self.0.lock() = (waited, None);
        output
    }

    /// Awaits `future` for as long as `most`, not counting what it waits here; nothing if it takes longer.
    pub(crate) async fn timeout<T>(&self, most: Duration, future: impl Future<Output = T>) -> Option<T> {
        let (started, mut future) = (Instant::now(), std::pin::pin!(future));
        let mut until = started + most;
        loop {
            if let Ok(output) = timeout_at(until, &mut future).await {
                return Some(output);
            }
            let (now, later) = (Instant::now(), started + most + self.so_far());
            if later <= now {
                return None;
            }
            until = later.max(now + GLANCE);
        }
    }
}

/// How often it is looked at least how long somebody waits.
const GLANCE: Duration = Duration::from_millis(50);

impl Controller {
    /// Does work [`aside`] that takes much. Its place is taken until it has ended, even where nobody waits for it any more, and
    /// then as long as what it made is kept in memory.
    pub(crate) async fn heavy<T: Send + 'static>(
        &self,
        waits: &Waits,
        what: &str,
        work: impl FnOnce(&Work) -> T + Send + 'static,
    ) -> Result<(T, Permit), Failure> {
        let permit = waits.on(Arc::clone(&self.builds).acquire_owned()).await;
        let permit = permit.map_err(|_| {
            let message = format!("{what} was given up, since the process ends");
            Failure::new(Fate::Retry, "InternalError", message)
        })?;
        aside(what, move |running| (work(running), permit)).await
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    #[tokio::test]
    async fn a_wait_for_a_place_is_not_counted() {
        let pause = |millis| tokio::time::sleep(Duration::from_millis(millis));
        let waits = Waits::default();
        let waiting = async { waits.on(pause(300)).await };
        assert_eq!(waits.timeout(Duration::from_millis(100), waiting).await, Some(()));
        assert!(waits.so_far() >= Duration::from_millis(300));
        let waits = Waits::default();
        let working = async {
            waits.on(pause(100)).await;
            std::future::pending::<()>().await;
        };
        assert_eq!(waits.timeout(Duration::from_millis(50), working).await, None);
    }

    #[tokio::test]
    async fn work_is_given_up_when_nobody_waits_for_it() {
        assert_eq!(aside("a sum", |_| 1 + 1).await, Ok(2));
        let (begun, was_begun) = mpsc::channel();
        let (ended, has_ended) = mpsc::channel();
        let working = aside("waiting", move |work| {
            let _ = begun.send(());
            while !work.is_cancelled() {
                std::thread::sleep(Duration::from_millis(1));
            }
            let _ = ended.send(());
        });
        assert!(
            tokio::time::timeout(Duration::from_millis(20), working)
                .await
                .is_err()
        );
        was_begun.recv().expect("it began");
        has_ended.recv_timeout(Duration::from_mins(1)).expect("it ends");
        let failed = aside("a bug", |_| assert!(std::hint::black_box(false))).await;
        assert!(failed.is_err_and(|failure| failure.reason == "InternalError"));
    }
}
