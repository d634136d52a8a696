//! Who waits for which object, and what has changed since they looked.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use parking_lot::Mutex;
use tokio::sync::Notify;

use crate::mapping::Mapping;
use crate::object::ObjectId;
use crate::watch::ObjectKey;

/// The news of one wait: which of its targets have changed.
#[derive(Default)]
pub(super) struct Wake {
    changed: Mutex<BTreeSet<usize>>,
    notify: Notify,
}

impl Wake {
    /// Takes the targets that have changed since the last time.
    pub(super) fn take(&self) -> BTreeSet<usize> {
        std::mem::take(&mut *self.changed.lock())
    }

    /// Completes when there is something to take; it may be early.
    pub(super) async fn news(&self) {
        self.notify.notified().await;
    }

    fn tell(&self, target: usize) {
        self.changed.lock().insert(target);
        self.notify.notify_one();
    }
}

/// Everybody who waits, by the object that is waited for.
#[derive(Default)]
pub(super) struct Waiters {
    by_object: Mutex<HashMap<ObjectId, Vec<Waiter>>>,
    /// How many want to hear of every change: mostly there are none, and nobody has to be looked for.
    watchful: AtomicUsize,
}

/// Who waits.
struct Waiter {
    wake: Arc<Wake>,
    /// As which of its targets.
    target: usize,
    /// Whether it wants to hear of changes that leave the readiness as it is by the rules.
    every: bool,
}

impl Waiters {
    /// Tells everybody who waits for an object that it has changed.
    pub(super) fn notify(&self, mapping: &Mapping, key: &ObjectKey) {
        if let Some(waiters) = self.by_object.lock().get(&id_of(mapping, key)) {
            for waiter in waiters {
                waiter.wake.tell(waiter.target);
            }
        }
    }

    /// Tells those who want to hear of every change that an object has changed, though not its readiness by the rules.
    pub(super) fn notify_watchful(&self, mapping: &Mapping, key: &ObjectKey) {
        if self.watchful.load(Ordering::Relaxed) == 0 {
            return;
        }
        if let Some(waiters) = self.by_object.lock().get(&id_of(mapping, key)) {
            for waiter in waiters.iter().filter(|waiter| waiter.every) {
                waiter.wake.tell(waiter.target);
            }
        }
    }

    /// Tells everybody who waits for any object of a kind.
    pub(super) fn notify_kind(&self, mapping: &Mapping) {
        let by_object = self.by_object.lock();
        let of_kind = by_object
            .iter()
            .filter(|(id, _)| id.kind == mapping.kind && id.group == mapping.group);
        for waiter in of_kind.flat_map(|(_, waiters)| waiters) {
            waiter.wake.tell(waiter.target);
        }
    }

    /// From now on `wake` hears of changes of an object as those of `target`; once for each pair. Of `every` one if it
    /// says so.
    pub(super) fn add(
        &self,
        mapping: &Mapping,
        key: &ObjectKey,
        wake: &Arc<Wake>,
        target: usize,
        every: bool,
    ) -> ObjectId {
        let id = id_of(mapping, key);
        let mut by_object = self.by_object.lock();
        let waiters = by_object.entry(id.clone()).or_default();
        if !waiters
            .iter()
            .any(|known| known.target == target && Arc::ptr_eq(&known.wake, wake))
        {
            self.watchful.fetch_add(usize::from(every), Ordering::Relaxed);
            let wake = Arc::clone(wake);
            waiters.push(Waiter { wake, target, every });
        }
        id
    }

    /// `wake` waits no more.
    pub(super) fn remove<'a>(&self, ids: impl Iterator<Item = &'a ObjectId>, wake: &Arc<Wake>) {
        let mut by_object = self.by_object.lock();
        for id in ids {
            if let Some(waiters) = by_object.get_mut(id) {
                waiters.retain(|known| {
                    let stays = !Arc::ptr_eq(&known.wake, wake);
                    if !stays {
                        self.watchful
                            .fetch_sub(usize::from(known.every), Ordering::Relaxed);
                    }
                    stays
                });
                if waiters.is_empty() {
                    by_object.remove(id);
                }
            }
        }
    }
}

fn id_of(mapping: &Mapping, key: &ObjectKey) -> ObjectId {
    ObjectId {
        namespace: key.namespace.clone(),
        name: key.name.clone(),
        group: mapping.group.clone(),
        kind: mapping.kind.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::kind;
    use super::*;

    #[tokio::test]
    async fn a_change_wakes_who_waits_for_it_with_what_has_changed() {
        let (waiters, secrets) = (Waiters::default(), kind("Secret", "secrets", true));
        let key = |name: &str| ObjectKey::new("apps", name);
        let (mine, theirs) = (Arc::<Wake>::default(), Arc::<Wake>::default());
        let ids = ["a", "b", "c"].map(|name| {
            let at = usize::from(name.as_bytes()[0] - b'a');
            waiters.add(&secrets, &key(name), &mine, at, false)
        });
        waiters.add(&secrets, &key("c"), &theirs, 0, true);
        for name in ["b", "b", "c", "other"] {
            waiters.notify(&secrets, &key(name));
        }
        mine.news().await;
        assert_eq!(
            mine.take(),
            BTreeSet::from([1, 2]),
            "only what has changed is looked at"
        );
        assert_eq!(theirs.take(), BTreeSet::from([0]));

        waiters.notify_watchful(&secrets, &key("c"));
        assert_eq!((mine.take().len(), theirs.take().len()), (0, 1));

        waiters.notify_kind(&kind("ConfigMap", "configmaps", true));
        assert_eq!(mine.take().len(), 0);
        waiters.notify_kind(&secrets);
        assert_eq!((mine.take().len(), theirs.take().len()), (3, 1));

        waiters.remove(ids.iter(), &mine);
        waiters.notify(&secrets, &key("c"));
        assert_eq!((mine.take().len(), theirs.take().len()), (0, 1));
    }
}
