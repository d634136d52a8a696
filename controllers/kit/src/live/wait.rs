//! Waiting for objects to become ready, woken by their watches.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::Instant;
use tokio_util::sync::DropGuard;

use super::{KindState, KindWatch, LiveStore, Scope};
use crate::mapper::Mapping;
use crate::object::{ObjectId, Subject};
use crate::readiness::{Status, status};
use crate::rest::Rest;
use crate::watch::ObjectKey;

/// An object to wait for.
#[derive(Clone, Debug)]
pub struct Target {
    /// Endpoint of its kind.
    pub mapping: Mapping,
    /// Its identity.
    pub id: ObjectId,
    /// Whether it carries the owner label; others are watched by name.
    pub owned: bool,
    /// Whether its absence is success: Jobs that remove themselves (`ttlSecondsAfterFinished`).
    pub may_vanish: bool,
}

/// How long to wait, and what ends it early.
#[derive(Clone, Copy, Debug)]
pub struct WaitOptions {
    /// Longest wait.
    pub timeout: Duration,
    /// End as soon as one object has failed.
    pub fail_fast: bool,
}

/// How a wait ended.
#[derive(Debug, PartialEq, Eq)]
pub enum WaitEnd {
    /// All objects are ready.
    Ready,
    /// Some are not; each with its last status.
    NotReady {
        /// Whether the time ran out, as opposed to a failure that waiting does not mend.
        timed_out: bool,
        /// What was not ready.
        objects: Vec<(ObjectId, Status)>,
    },
}

impl WaitEnd {
    /// Gives upstream's text for objects that did not become ready.
    pub fn message(&self) -> Option<String> {
        let Self::NotReady { timed_out, objects } = self else {
            return None;
        };
        let list: Vec<String> = objects
            .iter()
            .map(|(id, status)| format!("{} status: '{}'", Subject(id), status.as_str()))
            .collect();
        let list = list.join(", ");
        Some(if *timed_out {
            format!("timeout waiting for: [{list}]")
        } else {
            format!("failed early due to stalled resources: [{list}]")
        })
    }
}

/// Objects of kinds that cannot be watched are read this often.
const UNWATCHABLE_POLL: Duration = Duration::from_secs(5);

impl LiveStore {
    /// Waits until all targets are ready; `rest` reads those whose kind the controller itself cannot watch.
    ///
    /// The future only sleeps on events, so that it is meant to be awaited outside a worker slot.
    pub async fn wait(&self, targets: Vec<Target>, options: WaitOptions, rest: &Rest) -> WaitEnd {
        let deadline = Instant::now() + options.timeout;
        let wake = Arc::new(Notify::new());
        let _registration = self.register(&targets, &wake);
        let mut observed = Vec::with_capacity(targets.len());
        for target in targets {
            observed.push(self.observe_target(target, deadline, rest).await);
        }
        loop {
            let mut pending = Vec::new();
            let mut poll = false;
            for (target, source) in &observed {
                let status = match source {
                    Source::Watch { kind, .. } => watched_status(kind, target),
                    Source::Poll => {
                        poll = true;
                        read_status(rest, target).await
                    }
                };
                if status != Status::Current && !(status == Status::NotFound && target.may_vanish) {
                    pending.push((target.id.clone(), status));
                }
            }
            if pending.is_empty() {
                return WaitEnd::Ready;
            }
            let failed = pending
                .iter()
                .filter(|(_, status)| *status == Status::Failed)
                .count();
            if failed > 0 && (options.fail_fast || failed == pending.len()) {
                pending.retain(|(_, status)| *status == Status::Failed);
                return WaitEnd::NotReady {
                    timed_out: false,
                    objects: pending,
                };
            }
            if Instant::now() >= deadline {
                return WaitEnd::NotReady {
                    timed_out: true,
                    objects: pending,
                };
            }
            let next = if poll {
                deadline.min(Instant::now() + UNWATCHABLE_POLL)
            } else {
                deadline
            };
            tokio::select! {
                () = wake.notified() => {}
                () = tokio::time::sleep_until(next) => {}
            }
        }
    }

    async fn observe_target(&self, target: Target, deadline: Instant, rest: &Rest) -> (Target, Source) {
        if !target.owned && rest.is_impersonating() && read_status(rest, &target).await == Status::Unknown {
            // The watch is the controller's, which may see more than whoever asks.
            return (target, Source::Poll);
        }
        let (kind, stop) = if target.owned {
            self.follow(&target.mapping);
            let kind = self.shared.kinds.lock().get(&target.mapping).map(Arc::clone);
            (kind.unwrap_or_else(|| Arc::new(KindWatch::new())), None)
        } else {
            let kind = Arc::new(KindWatch::new());
            let stop = self.shared.shutdown.child_token();
            let (store, watched, target, stopped) =
                (self.clone(), Arc::clone(&kind), target.clone(), stop.clone());
            tokio::spawn(async move {
                let scope = Scope::Named {
                    namespace: &target.id.namespace,
                    name: &target.id.name,
                };
                store.run(&target.mapping, &scope, &watched, stopped).await;
            });
            (kind, Some(stop.drop_guard()))
        };
        let state = tokio::time::timeout_at(deadline, kind.settled())
            .await
            .unwrap_or(KindState::Unavailable);
        let source = match state {
            KindState::Synced => Source::Watch { kind, _stop: stop },
            KindState::Starting | KindState::Interrupted | KindState::Unavailable => Source::Poll,
        };
        (target, source)
    }

    fn register(&self, targets: &[Target], wake: &Arc<Notify>) -> Registration {
        let known_as = |target: &Target| {
            let mut id = target.id.clone();
            if !target.mapping.namespaced {
                // Whoever names it may have given it one.
                id.namespace.clear();
            }
            id
        };
        let ids: Vec<ObjectId> = targets.iter().map(known_as).collect();
        let mut waiters = self.shared.waiters.lock();
        for id in &ids {
            waiters.entry(id.clone()).or_default().push(Arc::clone(wake));
        }
        Registration {
            store: self.clone(),
            ids,
            wake: Arc::clone(wake),
        }
    }
}

enum Source {
    Watch {
        kind: Arc<KindWatch>,
        _stop: Option<DropGuard>,
    },
    Poll,
}

struct Registration {
    store: LiveStore,
    ids: Vec<ObjectId>,
    wake: Arc<Notify>,
}

impl Drop for Registration {
    fn drop(&mut self) {
        let mut waiters = self.store.shared.waiters.lock();
        for id in &self.ids {
            if let Some(list) = waiters.get_mut(id) {
                list.retain(|waiter| !Arc::ptr_eq(waiter, &self.wake));
                if list.is_empty() {
                    waiters.remove(id);
                }
            }
        }
    }
}

fn watched_status(kind: &KindWatch, target: &Target) -> Status {
    let namespace = if target.mapping.namespaced {
        target.id.namespace.as_str()
    } else {
        ""
    };
    let key = ObjectKey::new(namespace, target.id.name.as_str());
    kind.objects
        .read()
        .get(&key)
        .map_or(Status::NotFound, |live| live.status)
}

async fn read_status(rest: &Rest, target: &Target) -> Status {
    match rest
        .get(&target.mapping, &target.id.namespace, &target.id.name)
        .await
    {
        Ok(Some(object)) => status(&object, jiff::Timestamp::now().as_second()),
        Ok(None) => Status::NotFound,
        Err(_) => Status::Unknown,
    }
}
