//! What is scarce, shared fairly among namespaces: places for what takes long, bytes of what takes memory.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use parking_lot::Mutex;
use tokio::sync::oneshot;

/// An amount of something, of which one owner never has all for long.
///
/// Owners that wait take turns, whatever the length of their queues; within one owner's queue the first is served
/// first. Whoever stops waiting leaves the queue. Who asks for much is not overtaken for ever by who asks for little:
/// the owner whose turn it is gets what it waits for before anybody else gets more.
#[derive(Clone, Debug)]
pub struct FairBudget(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    total: usize,
    /// The most that an owner has in several portions.
    share: usize,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    free: usize,
    held: HashMap<String, usize>,
    /// The owners that wait, in the order of their turns; none of the queues is empty.
    waiting: VecDeque<(String, VecDeque<Waiter>)>,
}

#[derive(Debug)]
struct Waiter {
    amount: usize,
    sender: oneshot::Sender<Portion>,
}

/// A part of a budget, until it is dropped.
#[derive(Debug)]
pub struct Portion {
    owner: String,
    amount: usize,
    budget: Arc<Shared>,
}

impl FairBudget {
    /// Creates a budget of `total`, of which one owner has at most `share` in several portions; a single portion may be
    /// larger.
    pub fn new(total: usize, share: usize) -> Self {
        let total = total.max(1);
        Self(Arc::new(Shared {
            total,
            share: share.clamp(1, total),
            state: Mutex::new(State {
                free: total,
                held: HashMap::new(),
                waiting: VecDeque::new(),
            }),
        }))
    }

    /// Waits for a portion for `owner`; one that is larger than the budget is all of it.
    pub async fn take(&self, owner: &str, amount: usize) -> Portion {
        let amount = amount.clamp(1, self.0.total);
        loop {
            let (sender, receiver) = oneshot::channel();
            let waiter = Waiter { amount, sender };
            {
                let mut state = self.0.state.lock();
                match state.waiting.iter_mut().find(|(waiting, _)| waiting == owner) {
                    Some((_, queue)) => queue.push_back(waiter),
                    None => state
                        .waiting
                        .push_back((owner.to_owned(), VecDeque::from([waiter]))),
                }
            }
            self.0.serve();
            // A waiter leaves its queue only with a portion.
            if let Ok(portion) = receiver.await {
                return portion;
            }
        }
    }
}

impl Shared {
    /// Gives what is free to those whose turn it is.
    fn serve(self: &Arc<Self>) {
        while let Some((sender, portion)) = self.next() {
            // Whoever has stopped waiting gives the portion back here, which serves again.
            drop(sender.send(portion));
        }
    }

    fn next(self: &Arc<Self>) -> Option<(oneshot::Sender<Portion>, Portion)> {
        let mut state = self.state.lock();
        for (_, queue) in &mut state.waiting {
            queue.retain(|waiter| !waiter.sender.is_closed());
        }
        state.waiting.retain(|(_, queue)| !queue.is_empty());
        let State { held, waiting, .. } = &*state;
        let may = |(owner, queue): &(String, VecDeque<Waiter>)| {
            let held = held.get(owner).copied().unwrap_or(0);
            let amount = queue.front().map_or(0, |waiter| waiter.amount);
            held == 0 || held + amount <= self.share
        };
        let at = waiting.iter().position(may)?;
        if waiting.get(at)?.1.front()?.amount > state.free {
            return None;
        }
        let (owner, mut queue) = state.waiting.remove(at)?;
        let Waiter { amount, sender } = queue.pop_front()?;
        state.free -= amount;
        *state.held.entry(owner.clone()).or_default() += amount;
        if !queue.is_empty() {
            // The others come first.
            state.waiting.push_back((owner.clone(), queue));
        }
        let budget = Arc::clone(self);
        Some((
            sender,
            Portion {
                owner,
                amount,
                budget,
            },
        ))
    }
}

impl Drop for Portion {
    fn drop(&mut self) {
        let mut state = self.budget.state.lock();
        state.free += self.amount;
        if let Some(held) = state.held.get_mut(&self.owner) {
            *held -= self.amount;
            if *held == 0 {
                state.held.remove(&self.owner);
            }
        }
        drop(state);
        self.budget.serve();
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use futures::FutureExt;

    use super::*;

    #[tokio::test]
    async fn one_owner_has_no_more_than_its_share() {
        let budget = FairBudget::new(4, 3);
        let mut held = Vec::new();
        for _ in 0..3 {
            held.push(budget.take("a", 1).now_or_never().expect("a place"));
        }
        assert!(budget.take("a", 1).now_or_never().is_none());
        assert!(budget.take("b", 1).now_or_never().is_some());
        held.pop();
        assert!(budget.take("a", 1).now_or_never().is_some());
    }

    #[tokio::test]
    async fn a_large_portion_is_one_alone_and_is_not_overtaken() {
        let budget = FairBudget::new(10, 5);
        let small = budget.take("a", 1).await;
        let mut large = Box::pin(budget.take("b", 99));
        assert!((&mut large).now_or_never().is_none());
        let mut late = Box::pin(budget.take("c", 1));
        assert!((&mut late).now_or_never().is_none(), "it would overtake");
        drop(small);
        let large = large.now_or_never().expect("all of it");
        assert!((&mut late).now_or_never().is_none());
        drop(large);
        assert!(late.now_or_never().is_some());
    }

    #[tokio::test]
    async fn owners_take_turns_and_who_stops_waiting_takes_none() {
        let budget = FairBudget::new(2, 1);
        let first = budget.take("x", 1).await;
        let other = budget.take("y", 1).await;
        let (order, mut served) = tokio::sync::mpsc::unbounded_channel();
        let mut tasks = tokio::task::JoinSet::new();
        for owner in ["a", "a", "a", "b"] {
            let (budget, order) = (budget.clone(), order.clone());
            tasks.spawn(async move {
                let _portion = budget.take(owner, 1).await;
                let _ = order.send(owner);
                tokio::task::yield_now().await;
            });
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        // One who gave up stands in the queue, too.
        assert!(budget.take("a", 1).now_or_never().is_none());
        drop(first);
        let mut names = Vec::new();
        for _ in 0..4 {
            names.push(served.recv().await.expect("served"));
        }
        assert_eq!(names, ["a", "b", "a", "a"]);
        tasks.join_all().await;
        drop(other);
        assert!(budget.0.state.lock().held.is_empty());
        assert_eq!(budget.0.state.lock().free, 2);
    }
}
