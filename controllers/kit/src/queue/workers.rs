//! The places of a queue's workers: runs that come back from a wait get one before others begin.
//!
//! What has begun holds memory and is nearer to its end. So there are never more runs on their way than there are workers
//! and runs that wait for something, however long the queue is.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};

use crate::metrics::{ActiveGuard, QueueMetrics};

/// A number of places.
pub(super) struct Workers {
    places: Arc<Semaphore>,
    /// How many runs want a place again.
    returning: watch::Sender<usize>,
    metrics: QueueMetrics,
}

/// A place, counted as used as long as it is held.
pub(super) struct Worker {
    _permit: OwnedSemaphorePermit,
    _active: ActiveGuard,
}

impl Workers {
    pub(super) fn new(number: usize, metrics: QueueMetrics) -> Self {
        Self {
            places: Arc::new(Semaphore::new(number.max(1))),
            returning: watch::Sender::new(0),
            metrics,
        }
    }

    /// Waits for a place for a run that begins.
    pub(super) async fn begin(&self) -> Option<Worker> {
        let mut returning = self.returning.subscribe();
        loop {
            // The sender is here, so that it is not gone.
            let _ = returning.wait_for(|number| *number == 0).await;
            tokio::select! {
                biased;
                _ = returning.wait_for(|number| *number > 0) => {}
                worker = self.take() => return worker,
            }
        }
    }

    /// Waits for a place for a run that has had one before.
    pub(super) async fn come_back(&self) -> Option<Worker> {
        self.returning.send_modify(|number| *number += 1);
        let _returning = Returning(&self.returning);
        self.take().await
    }

    /// The semaphore is never closed, so that acquiring fails is impossible; running without a place would merely exceed
    /// the concurrency.
    async fn take(&self) -> Option<Worker> {
        let permit = Arc::clone(&self.places).acquire_owned().await.ok()?;
        Some(Worker {
            _permit: permit,
            _active: self.metrics.active(),
        })
    }
}

/// A run that wants a place again, until it has one or is gone.
struct Returning<'a>(&'a watch::Sender<usize>);

impl Drop for Returning<'_> {
    fn drop(&mut self) {
        self.0.send_modify(|number| *number -= 1);
    }
}
