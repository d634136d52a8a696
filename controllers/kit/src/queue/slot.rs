//! A worker slot, and what its run waits for outside of it.

use std::borrow::Cow;
use std::sync::Arc;

use parking_lot::Mutex;
use tokio::time::Instant;

use super::workers::{Worker, Workers};
use crate::fair::{FairBudget, Portion};

/// A worker slot, which its run can give up while it waits for the cluster.
pub struct Slot {
    /// Where places are taken; nowhere if the run takes none.
    pub(super) workers: Option<Arc<Workers>>,
    /// The place, as long as it is held.
    pub(super) place: Option<Place>,
    /// Where places are taken instead, and as whose, once the run has moved there.
    pub(super) elsewhere: Option<(FairBudget, Arc<str>)>,
    /// What the next wait is for.
    pub(super) next: Option<Cow<'static, str>>,
    pub(super) note: Note,
}

/// A place of a run.
pub(super) enum Place {
    /// One of the workers'.
    Worker { _worker: Worker },
    /// One that takes nothing from the workers.
    Elsewhere { _portion: Portion },
}

/// What a run waits for outside its slot, and since when.
pub(super) type Note = Arc<Mutex<Option<(Cow<'static, str>, Instant)>>>;

impl Slot {
    /// Gives a slot for a run of no queue, which takes no place of any worker: whoever makes it bounds how many there are.
    pub fn outside() -> Self {
        Self {
            workers: None,
            place: None,
            elsewhere: None,
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
        self.place = self.take_place().await;
        output
    }

    /// Gives the worker slot up for good, and goes on in a place of `places`, of which `owner` has its share.
    pub async fn move_to(&mut self, places: &FairBudget, owner: Arc<str>) {
        self.place = None;
        self.elsewhere = Some((places.clone(), owner));
        self.place = self.take_place().await;
    }

    async fn take_place(&self) -> Option<Place> {
        if let Some((places, owner)) = &self.elsewhere {
            let _noted = Noted::new(
                &self.note,
                Cow::Borrowed("a free place for work on another cluster"),
            );
            let portion = Box::pin(places.take(owner, 1)).await;
            return Some(Place::Elsewhere { _portion: portion });
        }
        let workers = self.workers.as_ref()?;
        let _noted = Noted::new(&self.note, Cow::Borrowed("a free worker slot"));
        let worker = workers.come_back().await;
        worker.map(|worker| Place::Worker { _worker: worker })
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
