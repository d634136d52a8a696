//! Places for what takes long, shared fairly among namespaces.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use parking_lot::Mutex;
use tokio::sync::oneshot;

/// A number of places, of which one owner never has all.
///
/// Owners that wait take turns, whatever the length of their queues; within one owner's queue the first is served
/// first. Whoever stops waiting leaves the queue.
#[derive(Clone, Debug)]
pub struct FairPlaces(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    /// The most places of one owner.
    share: usize,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    free: usize,
    held: HashMap<String, usize>,
    /// The owners that wait, in the order of their turns; none of the queues is empty.
    waiting: VecDeque<(String, VecDeque<oneshot::Sender<Place>>)>,
}

/// A place, until it is dropped.
#[derive(Debug)]
pub struct Place {
    owner: String,
    places: Arc<Shared>,
}

impl FairPlaces {
    /// Creates `total` places, of which one owner has at most `share`, and never all but where there is only one.
    pub fn new(total: usize, share: usize) -> Self {
        let share = share.min(total.saturating_sub(1)).max(1);
        Self(Arc::new(Shared {
            share,
            state: Mutex::new(State {
                free: total.max(1),
                held: HashMap::new(),
                waiting: VecDeque::new(),
            }),
        }))
    }

    /// Waits for a place for `owner`.
    pub async fn take(&self, owner: &str) -> Place {
        loop {
            let (sender, receiver) = oneshot::channel();
            {
                let mut state = self.0.state.lock();
                match state.waiting.iter_mut().find(|(waiting, _)| waiting == owner) {
                    Some((_, queue)) => queue.push_back(sender),
                    None => state
                        .waiting
                        .push_back((owner.to_owned(), VecDeque::from([sender]))),
                }
            }
            self.0.serve();
            // A sender leaves its queue only with a place.
            if let Ok(place) = receiver.await {
                return place;
            }
        }
    }
}

impl Shared {
    /// Gives free places to those whose turn it is.
    fn serve(self: &Arc<Self>) {
        loop {
            let Some((sender, place)) = self.next() else {
                return;
            };
            // Whoever has stopped waiting gives the place back here, which serves again.
            drop(sender.send(place));
        }
    }

    fn next(self: &Arc<Self>) -> Option<(oneshot::Sender<Place>, Place)> {
        let mut state = self.state.lock();
        for (_, queue) in &mut state.waiting {
            queue.retain(|sender| !sender.is_closed());
        }
        state.waiting.retain(|(_, queue)| !queue.is_empty());
        if state.free == 0 {
            return None;
        }
        let State { held, waiting, .. } = &*state;
        let may = |owner: &String| held.get(owner).copied().unwrap_or(0) < self.share;
        let at = waiting.iter().position(|(owner, _)| may(owner))?;
        let (owner, mut queue) = state.waiting.remove(at)?;
        let sender = queue.pop_front()?;
        state.free -= 1;
        *state.held.entry(owner.clone()).or_default() += 1;
        if !queue.is_empty() {
            // The others come first.
            state.waiting.push_back((owner.clone(), queue));
        }
        let places = Arc::clone(self);
        Some((sender, Place { owner, places }))
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut state = self.places.state.lock();
        state.free += 1;
        if let Some(held) = state.held.get_mut(&self.owner) {
            *held -= 1;
            if *held == 0 {
                state.held.remove(&self.owner);
            }
        }
        drop(state);
        self.places.serve();
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use futures::FutureExt;

    use super::*;

    #[tokio::test]
    async fn one_owner_never_has_all_places() {
        let places = FairPlaces::new(4, 4);
        let mut held = Vec::new();
        for _ in 0..3 {
            held.push(places.take("a").now_or_never().expect("a place"));
        }
        assert!(places.take("a").now_or_never().is_none());
        assert!(places.take("b").now_or_never().is_some());
        held.pop();
        assert!(places.take("a").now_or_never().is_some());
    }

    #[tokio::test]
    async fn owners_take_turns_and_who_stops_waiting_takes_none() {
        let places = FairPlaces::new(2, 1);
        let first = places.take("x").await;
        let other = places.take("y").await;
        let (order, mut served) = tokio::sync::mpsc::unbounded_channel();
        let mut tasks = tokio::task::JoinSet::new();
        for owner in ["a", "a", "a", "b"] {
            let (places, order) = (places.clone(), order.clone());
            tasks.spawn(async move {
                let _place = places.take(owner).await;
                let _ = order.send(owner);
                tokio::task::yield_now().await;
            });
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        // One who gave up stands in the queue, too.
        assert!(places.take("a").now_or_never().is_none());
        drop(first);
        let mut names = Vec::new();
        for _ in 0..4 {
            names.push(served.recv().await.expect("served"));
        }
        assert_eq!(names, ["a", "b", "a", "a"]);
        tasks.join_all().await;
        drop(other);
        assert!(places.0.state.lock().held.is_empty());
        assert_eq!(places.0.state.lock().free, 2);
    }
}
