//! A worker slot, and what its run waits for outside of it.

use std::borrow::Cow;
use std::sync::Arc;

use parking_lot::Mutex;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::Instant;

use crate::metrics::{ActiveGuard, QueueMetrics};

/// A worker slot, which its run can give up while it waits for the cluster.
pub struct Slot {
    pub(super) semaphore: Arc<Semaphore>,
    pub(super) metrics: QueueMetrics,
    /// The place, counted as long as it is held.
    pub(super) place: Option<(OwnedSemaphorePermit, ActiveGuard)>,
    /// What the next wait is for.
    pub(super) next: Option<Cow<'static, str>>,
    pub(super) note: Note,
}

/// What a run waits for outside its slot, and since when.
pub(super) type Note = Arc<Mutex<Option<(Cow<'static, str>, Instant)>>>;

impl Slot {
    /// Gives a slot for tests, which is one of many.
    #[cfg(test)]
    pub(crate) fn unbounded() -> Self {
        Self {
            semaphore: Arc::new(Semaphore::new(Semaphore::MAX_PERMITS)),
            metrics: QueueMetrics::unregistered(),
            place: None,
            next: None,
            note: Note::default(),
        }
    }

    /// Says what the next wait is for, to operators who ask.
    pub fn on(&mut self, what: impl Into<Cow<'static, str>>) -> &mut Self {
        self.next = Some(what.into());
        self
    }

    /// Awaits `future` without occupying the slot, then queues up for one again.
    pub async fn park<F: Future>(&mut self, future: F) -> F::Output {
        self.place = None;
        let what = self.next.take().unwrap_or(Cow::Borrowed("something outside"));
        let _noted = Noted::new(&self.note, what);
        let output = future.await;
        let _noted = Noted::new(&self.note, Cow::Borrowed("a free worker slot"));
        // The semaphore is never closed, so that acquiring fails is impossible; running without a slot would
        // merely exceed the concurrency.
        let permit = Arc::clone(&self.semaphore).acquire_owned().await.ok();
        self.place = permit.map(|permit| (permit, self.metrics.active()));
        output
    }
}

/// Keeps a note until it is dropped.
struct Noted<'a>(&'a Note);

impl<'a> Noted<'a> {
    fn new(note: &'a Note, what: Cow<'static, str>) -> Self {
        *note.lock() = Some((what, Instant::now()));
        Self(note)
    }
}

impl Drop for Noted<'_> {
    fn drop(&mut self) {
        self.0.lock().take();
    }
}
