//! A fair work queue with one entry per key.
//!
//! Keys are served first in, first out; a key never runs twice at once; what arrives while it runs is merged
//! into one more run. A run holds one of `concurrency` slots, and gives it up while it only waits
//! ([`Slot::park`]), so that a hung rollout costs a parked future and not a worker; when it comes back, it goes before
//! those that have not begun.

mod report;
mod slot;
mod triggers;
mod workers;

use std::collections::{BTreeSet, HashMap, VecDeque};
use std::fmt::Display;
use std::future::Future;
use std::hash::Hash;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::Notify;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::backoff::Backoff;
use crate::inspect::{self, Runs};
use crate::metrics::QueueMetrics;

use slot::{Note, Place};
use workers::Workers;

pub use slot::Slot;
pub use triggers::Triggers;

/// What a run asks of the queue when it ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Requeue {
    /// Nothing: the next event starts the next run.
    Never,
    /// Run again after this time, unless an event comes first.
    After(Duration),
    /// Run again after the key's exponential back-off.
    Backoff,
    /// The same, but not later than after this time.
    BackoffWithin(Duration),
}

/// A run of one key: what to do, why, and the slot that it holds.
pub struct Run<K> {
    /// The key to reconcile.
    pub key: K,
    /// Everything that asked for this run.
    pub triggers: Triggers,
    /// The worker slot of this run.
    pub slot: Slot,
    /// Resolves once a newer event asks for another run of the same key.
    pub superseded: Superseded,
}

/// Tells a run that waits that its key has been queued again.
#[derive(Clone, Default)]
pub struct Superseded {
    token: CancellationToken,
    because_of: Arc<Mutex<Triggers>>,
}

impl Superseded {
    /// Never tells of anything, for tests.
    #[cfg(test)]
    pub(crate) fn never() -> Self {
        Self::default()
    }

    fn tell(&self, triggers: Triggers) {
        *self.because_of.lock() |= triggers;
        self.token.cancel();
    }

    /// Tells what has come so far; nothing as long as the key has only been told to end.
    pub fn because_of(&self) -> Triggers {
        *self.because_of.lock()
    }

    /// Completes when the key has been queued again.
    pub async fn wait(&self) {
        self.token.cancelled().await;
    }

    /// Tells whether the key has been queued again.
    pub fn is_set(&self) -> bool {
        self.token.is_cancelled()
    }
}

enum Phase {
    Idle,
    Queued {
        since: Instant,
    },
    Running {
        since: Instant,
        triggers: Triggers,
        again: Triggers,
        superseded: Superseded,
        note: Note,
        /// Whether nothing is to come after this run, because the key is of no concern any more.
        last: bool,
    },
}

struct Entry {
    phase: Phase,
    triggers: Triggers,
    failures: u32,
    timer: Option<(Instant, u64)>,
}

struct State<K> {
    entries: HashMap<K, Entry>,
    ready: VecDeque<K>,
    timers: BTreeSet<(Instant, u64)>,
    timer_keys: HashMap<u64, K>,
    next_timer: u64,
}

/// A fair queue of keys; clones share it.
pub struct Queue<K> {
    shared: Arc<Shared<K>>,
}

impl<K> Clone for Queue<K> {
    fn clone(&self) -> Self {
        Self {
            shared: Arc::clone(&self.shared),
        }
    }
}

struct Shared<K> {
    state: Mutex<State<K>>,
    wake: Notify,
    backoff: Backoff,
    metrics: QueueMetrics,
}

impl<K: Clone + Eq + Hash + Display + Send + Sync + 'static> Queue<K> {
    /// Creates an empty queue.
    pub fn new(backoff: Backoff, metrics: QueueMetrics) -> Self {
        let state = State {
            entries: HashMap::new(),
            ready: VecDeque::new(),
            timers: BTreeSet::new(),
            timer_keys: HashMap::new(),
            next_timer: 0,
        };
        let shared = Arc::new(Shared {
            state: Mutex::new(state),
            wake: Notify::new(),
            backoff,
            metrics,
        });
        let runs: Arc<dyn Runs> = Arc::<Shared<K>>::clone(&shared);
        inspect::add_queue(Arc::downgrade(&runs));
        Self { shared }
    }

    /// Asks for a run of `key` as soon as a slot is free; a running key is told and runs once more.
    pub fn add(&self, key: K, triggers: Triggers) {
        self.shared.metrics.added();
        self.shared.state.lock().enqueue(key, triggers);
        self.observe_depth();
        self.shared.wake.notify_one();
    }

    /// Asks for a run of `key` after `delay`, replacing an earlier timer of the key only if it is sooner.
    pub fn add_after(&self, key: K, delay: Duration) {
        let mut state = self.shared.state.lock();
        let at = Instant::now() + delay;
        let sooner = match state.entries.get(&key).and_then(|entry| entry.timer) {
            Some((existing, _)) => at < existing,
            None => true,
        };
        if sooner {
            state.set_timer(key, at);
            drop(state);
            self.shared.wake.notify_one();
        }
    }

    /// Tells whether keys wait for a worker.
    pub fn is_behind(&self) -> bool {
        !self.shared.state.lock().ready.is_empty()
    }

    /// Tells whether a run of `key` goes on or is about to begin.
    pub fn is_active(&self, key: &K) -> bool {
        let state = self.shared.state.lock();
        let entry = state.entries.get(key);
        entry.is_some_and(|entry| !matches!(entry.phase, Phase::Idle))
    }

    /// Drops everything the queue remembers about `key`; a run in progress is told to wait no longer, and is the last.
    pub fn forget(&self, key: &K) {
        let mut state = self.shared.state.lock();
        state.clear_timer(key);
        if let Some(entry) = state.entries.get_mut(key) {
            entry.failures = 0;
            if let Phase::Running {
                again,
                superseded,
                last,
                ..
            } = &mut entry.phase
            {
                *again = Triggers::default();
                *last = true;
                superseded.tell(Triggers::default());
                return;
            }
            state.entries.remove(key);
            state.ready.retain(|queued| queued != key);
        }
    }

    /// Serves the queue until `shutdown`, then waits for the runs in progress, which are told to wait no longer.
    ///
    /// At most `concurrency` runs hold a slot at any time. Runs that panic count as failed.
    pub async fn serve<H, F>(&self, concurrency: usize, shutdown: CancellationToken, handler: H)
    where
        H: Fn(Run<K>) -> F + Send + Sync + 'static,
        F: Future<Output = Requeue> + Send + 'static,
    {
        let handler = Arc::new(handler);
        let workers = Arc::new(Workers::new(concurrency, self.shared.metrics.clone()));
        let tasks = TaskTracker::new();
        loop {
            tokio::select! {
                biased;
                () = shutdown.cancelled() => break,
                () = self.wait_for_ready() => {}
            }
            let worker = tokio::select! {
                biased;
                () = shutdown.cancelled() => break,
                worker = workers.begin() => worker,
            };
            let Some((key, triggers, superseded, note)) = self.pop() else {
                continue;
            };
            let slot = Slot {
                place: worker.map(|worker| Place::Worker { _worker: worker }),
                workers: Some(Arc::clone(&workers)),
                elsewhere: None,
                next: None,
                note,
            };
            let working = self.shared.metrics.working();
            let run = Run {
                key: key.clone(),
                triggers,
                slot,
                superseded,
            };
            let (queue, handler) = (self.clone(), Arc::clone(&handler));
            tasks.spawn(async move {
                let requeue = match tokio::spawn(handler(run)).await {
                    Ok(requeue) => requeue,
                    Err(error) => {
                        tracing::error!(%error, "reconciler panicked; this is a bug, please report it");
                        queue.shared.metrics.panicked();
                        Requeue::Backoff
                    }
                };
                drop(working);
                queue.finish(key, requeue);
            });
        }
        self.shared.state.lock().supersede_all();
        tasks.close();
        tasks.wait().await;
    }

    async fn wait_for_ready(&self) {
        loop {
            let next_timer = {
                let mut state = self.shared.state.lock();
                state.fire_timers(Instant::now());
                if !state.ready.is_empty() {
                    break;
                }
                state.timers.first().map(|(at, _)| *at)
            };
            let woken = self.shared.wake.notified();
            match next_timer {
                Some(at) => tokio::select! {
                    () = woken => {}
                    () = tokio::time::sleep_until(at) => {}
                },
                None => woken.await,
            }
        }
        self.observe_depth();
    }

    fn pop(&self) -> Option<(K, Triggers, Superseded, Note)> {
        let mut state = self.shared.state.lock();
        let key = state.ready.pop_front()?;
        let entry = state.entries.get_mut(&key)?;
        if let Phase::Queued { since } = entry.phase {
            self.shared.metrics.started(since.elapsed());
        }
        let (superseded, note) = (Superseded::default(), Note::default());
        let triggers = std::mem::take(&mut entry.triggers);
        entry.phase = Phase::Running {
            since: Instant::now(),
            triggers,
            again: Triggers::default(),
            superseded: superseded.clone(),
            note: Arc::clone(&note),
            last: false,
        };
        state.clear_timer(&key);
        drop(state);
        self.observe_depth();
        Some((key, triggers, superseded, note))
    }

    fn finish(&self, key: K, requeue: Requeue) {
        let mut state = self.shared.state.lock();
        let Some(entry) = state.entries.get_mut(&key) else {
            return;
        };
        let (again, last) = match std::mem::replace(&mut entry.phase, Phase::Idle) {
            Phase::Running { again, last, .. } => (again, last),
            Phase::Idle | Phase::Queued { .. } => (Triggers::default(), false),
        };
        let requeue = if last { Requeue::Never } else { requeue };
        let delay = match requeue {
            Requeue::Never => None,
            Requeue::After(delay) => Some(delay),
            Requeue::Backoff => Some(self.back_off(entry)),
            Requeue::BackoffWithin(longest) => Some(self.back_off(entry).min(longest)),
        };
        if matches!(requeue, Requeue::Never | Requeue::After(_)) {
            entry.failures = 0;
        }
        if again == Triggers::default() {
            match delay {
                Some(delay) => state.set_timer(key, Instant::now() + delay),
                None => {
                    state.entries.remove(&key);
                }
            }
        } else {
            state.enqueue(key, again);
        }
        drop(state);
        self.shared.wake.notify_one();
    }

    fn back_off(&self, entry: &mut Entry) -> Duration {
        entry.failures = entry.failures.saturating_add(1);
        self.shared.metrics.retried();
        self.shared.backoff.delay(entry.failures)
    }

    fn observe_depth(&self) {
        self.shared.metrics.depth(self.shared.state.lock().ready.len());
    }
}

impl<K: Clone + Eq + Hash> State<K> {
    fn entry(&mut self, key: &K) -> &mut Entry {
        self.entries.entry(key.clone()).or_insert(Entry {
            phase: Phase::Idle,
            triggers: Triggers::default(),
            failures: 0,
            timer: None,
        })
    }

    fn enqueue(&mut self, key: K, triggers: Triggers) {
        let entry = self.entry(&key);
        match &mut entry.phase {
            Phase::Running {
                again,
                superseded,
                last,
                ..
            } => {
                *again |= triggers;
                *last = false;
                superseded.tell(triggers);
            }
            Phase::Queued { .. } => entry.triggers |= triggers,
            Phase::Idle => {
                entry.triggers |= triggers;
                entry.phase = Phase::Queued {
                    since: Instant::now(),
                };
                self.ready.push_back(key);
            }
        }
    }

    fn supersede_all(&mut self) {
        for entry in self.entries.values() {
            if let Phase::Running { superseded, .. } = &entry.phase {
                superseded.tell(Triggers::default());
            }
        }
    }

    fn set_timer(&mut self, key: K, at: Instant) {
        self.clear_timer(&key);
        let timer = (at, self.next_timer);
        self.next_timer += 1;
        self.entry(&key).timer = Some(timer);
        self.timers.insert(timer);
        self.timer_keys.insert(timer.1, key);
    }

    fn clear_timer(&mut self, key: &K) {
        if let Some(timer) = self.entries.get_mut(key).and_then(|entry| entry.timer.take()) {
            self.timers.remove(&timer);
            self.timer_keys.remove(&timer.1);
        }
    }

    fn fire_timers(&mut self, now: Instant) {
        while let Some(timer) = self.timers.first().copied().filter(|(at, _)| *at <= now) {
            self.timers.remove(&timer);
            if let Some(key) = self.timer_keys.remove(&timer.1) {
                self.entry(&key).timer = None;
                self.enqueue(key, Triggers::TIMER);
            }
        }
    }
}

#[cfg(test)]
mod tests;
