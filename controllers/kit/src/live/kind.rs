//! The objects of one watch, and how far the watch has come.

use std::collections::HashMap;

use parking_lot::RwLock;
use tokio::sync::watch as signal;

use super::Live;
use crate::watch::ObjectKey;

/// What one watch tells: the labelled objects of a kind, or one named object.
pub(super) struct KindWatch {
    pub(super) objects: RwLock<HashMap<ObjectKey, Live>>,
    pub(super) state: signal::Sender<KindState>,
}

/// How far a watch has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum KindState {
    /// Nothing has arrived yet.
    Starting,
    /// What is known is current.
    Synced,
    /// The watch broke off. It may go on from there, but until it does, what is known is old.
    Interrupted,
    /// The kind cannot be watched at the moment.
    Unavailable,
}

impl KindWatch {
    pub(super) fn new() -> Self {
        let (state, _) = signal::channel(KindState::Starting);
        Self {
            objects: RwLock::default(),
            state,
        }
    }

    pub(super) fn state(&self) -> KindState {
        *self.state.borrow()
    }

    /// A watch that goes on has missed nothing.
    pub(super) fn resume(&self) {
        self.state.send_if_modified(|state| {
            let interrupted = *state == KindState::Interrupted;
            if interrupted {
                *state = KindState::Synced;
            }
            interrupted
        });
    }

    /// The watch has failed; what it told so far may be old.
    pub(super) fn interrupt(&self) {
        self.state.send_if_modified(|state| {
            let next = match state {
                KindState::Starting => KindState::Unavailable,
                KindState::Synced => KindState::Interrupted,
                KindState::Interrupted | KindState::Unavailable => return false,
            };
            *state = next;
            true
        });
    }

    /// Stores `live` unless something newer is known; tells whether the readiness changed.
    pub(super) fn store(&self, key: ObjectKey, live: Live) -> bool {
        let mut objects = self.objects.write();
        match objects.get(&key) {
            Some(known) if known.is_newer_than(&live) => false,
            known => {
                let changed = known.is_none_or(|known| known.health != live.health);
                objects.insert(key, live);
                changed
            }
        }
    }

    /// Removes an object that was last seen as `live`, unless it has been created anew since; tells whether it did.
    pub(super) fn remove(&self, key: &ObjectKey, live: &Live) -> bool {
        let mut objects = self.objects.write();
        if objects.get(key).is_some_and(|known| known.is_newer_than(live)) {
            return false;
        }
        objects.remove(key).is_some()
    }

    /// Takes what a list told for all there is; gives the keys of all objects that there are or were.
    pub(super) fn replace(&self, mut listed: HashMap<ObjectKey, Live>) -> Vec<ObjectKey> {
        let mut objects = self.objects.write();
        for (key, live) in &mut listed {
            if let Some(known) = objects.get(key).filter(|known| known.is_newer_than(live)) {
                *live = known.clone();
            }
        }
        if !self.was_synced() {
            // So far everything was learned from writes, which the first list may be older than. What is younger than
            // the list shows up in the watch that follows it.
            for (key, learned) in &*objects {
                listed.entry(key.clone()).or_insert_with(|| learned.clone());
            }
        }
        let before = std::mem::replace(&mut *objects, listed);
        objects.keys().cloned().chain(before.into_keys()).collect()
    }

    pub(super) fn was_synced(&self) -> bool {
        matches!(self.state(), KindState::Synced | KindState::Interrupted)
    }

    /// Waits until the watch has told what there is, or that it cannot.
    pub(super) async fn settled(&self) -> KindState {
        let mut receiver = self.state.subscribe();
        match receiver.wait_for(|state| *state != KindState::Starting).await {
            Ok(state) => *state,
            Err(_) => KindState::Unavailable,
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::ownership::FieldManagers;

    fn live(version: &str) -> Live {
        let managers = FieldManagers {
            own: "kustomize-controller".to_owned(),
            overridden: Vec::new(),
        };
        Live::observe(&json!({"metadata": {"resourceVersion": version}}), &managers)
    }

    #[test]
    fn what_a_watch_tells_late_changes_nothing() {
        let (kind, key) = (KindWatch::new(), ObjectKey::new("apps", "job"));
        assert!(kind.store(key.clone(), live("10")));
        assert!(!kind.store(key.clone(), live("9")));
        // The end of the object that was there before.
        assert!(!kind.remove(&key, &live("8")));
        assert_eq!(kind.objects.read().get(&key), Some(&live("10")));
        assert!(kind.remove(&key, &live("11")));
        assert!(!kind.remove(&key, &live("11")));
    }

    #[test]
    fn a_watch_that_broke_off_may_go_on() {
        let kind = KindWatch::new();
        kind.resume();
        assert!(!kind.was_synced(), "it has not begun");
        for (state, expected) in [
            (KindState::Synced, KindState::Synced),
            (KindState::Interrupted, KindState::Synced),
            (KindState::Unavailable, KindState::Unavailable),
        ] {
            kind.state.send_replace(state);
            kind.resume();
            assert_eq!(kind.state(), expected, "{state:?}");
        }
    }
}
