//! What the content cache has of one form of artifacts: what is on its way, what is kept, and what was refused.

use std::collections::HashMap;

use futures::future::{BoxFuture, Shared, WeakShared};

use super::refused::{Refused, Wanted};
use super::{ContentError, Digest};

/// What is on its way; all who wait for the same share one, and its failure.
pub(super) type Flight<T> = Shared<BoxFuture<'static, Result<T, ContentError>>>;

/// What a flight brings, and for which namespace: URL and namespace count, so that nobody waits for somebody else's slow
/// server, or in somebody else's queue.
pub(super) type Flown = (Wanted, String);

/// Artifacts of one form.
pub(super) struct Shelf<T> {
    flights: HashMap<Flown, WeakShared<BoxFuture<'static, Result<T, ContentError>>>>,
    kept: HashMap<Digest, Kept<T>>,
    pub(super) refused: Refused,
}

struct Kept<T> {
    content: T,
    bytes: usize,
    used: u64,
}

impl<T> Default for Shelf<T> {
    fn default() -> Self {
        Self {
            flights: HashMap::new(),
            kept: HashMap::new(),
            refused: Refused::default(),
        }
    }
}

impl<T: Clone> Shelf<T> {
    /// Gives what is kept, and notes that it was used.
    pub(super) fn touch(&mut self, digest: &Digest, now: u64) -> Option<T> {
        let kept = self.kept.get_mut(digest)?;
        kept.used = now;
        Some(kept.content.clone())
    }

    pub(super) fn keep(&mut self, digest: Digest, content: T, bytes: usize, now: u64) {
        let used = now;
        self.kept.insert(digest, Kept { content, bytes, used });
    }

    /// Gives a flight that somebody still waits for.
    pub(super) fn flight(&mut self, flown: &Flown) -> Option<Flight<T>> {
        self.flights.retain(|_, flight| flight.upgrade().is_some());
        self.flights.get(flown)?.upgrade()
    }

    pub(super) fn depart(&mut self, flown: Flown, flight: &Flight<T>) {
        if let Some(weak) = flight.downgrade() {
            self.flights.insert(flown, weak);
        }
    }

    pub(super) fn land(&mut self, flown: &Flown) {
        self.flights.remove(flown);
    }
}

/// What making room needs to know of a shelf.
pub(super) trait Room {
    fn len(&self) -> usize;
    fn bytes(&self) -> usize;
    /// When what was used least recently was used.
    fn oldest(&self) -> Option<u64>;
    fn drop_oldest(&mut self);
}

impl<T> Room for Shelf<T> {
    fn len(&self) -> usize {
        self.kept.len()
    }

    fn bytes(&self) -> usize {
        self.kept.values().map(|kept| kept.bytes).sum()
    }

    fn oldest(&self) -> Option<u64> {
        self.kept.values().map(|kept| kept.used).min()
    }

    fn drop_oldest(&mut self) {
        let oldest = self.kept.iter().min_by_key(|(_, kept)| kept.used);
        if let Some(digest) = oldest.map(|(digest, _)| digest.clone()) {
            self.kept.remove(&digest);
        }
    }
}

/// Drops what was used least recently until no more than `limit` bytes are kept, or a single artifact; none for zero.
pub(super) fn make_room(mut shelves: [&mut dyn Room; 2], limit: usize) {
    loop {
        let bytes: usize = shelves.iter().map(|shelf| shelf.bytes()).sum();
        let len: usize = shelves.iter().map(|shelf| shelf.len()).sum();
        if bytes <= limit || (len <= 1 && limit > 0) {
            return;
        }
        let oldest = shelves.iter_mut().filter(|shelf| shelf.len() > 0);
        let Some(shelf) = oldest.min_by_key(|shelf| shelf.oldest()) else {
            return;
        };
        shelf.drop_oldest();
    }
}
