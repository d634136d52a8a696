//! Watches of single objects that do not carry the owner label: shared by all who wait, and few.

use std::collections::HashMap;
use std::sync::{Arc, Weak};

use parking_lot::Mutex;
use tokio_util::sync::DropGuard;

use super::kind::KindWatch;
use super::{LiveStore, Scope};
use crate::mapping::Mapping;
use crate::watch::ObjectKey;

/// Each of them is a connection of its own. What is beyond is read from time to time instead.
const MAX_NAMED: usize = 32;

/// The watches of single objects, as long as somebody waits for them.
#[derive(Default)]
pub(super) struct NamedWatches {
    open: Mutex<HashMap<(Mapping, ObjectKey), Weak<NamedWatch>>>,
}

/// The watch of one object; it ends when nobody needs it any more.
pub(super) struct NamedWatch {
    pub(super) kind: Arc<KindWatch>,
    _stop: DropGuard,
}

impl LiveStore {
    /// Gives the watch of one object, opened if need be; nothing when there are too many.
    pub(super) fn follow_named(&self, mapping: &Mapping, key: &ObjectKey) -> Option<Arc<NamedWatch>> {
        let mut open = self.shared.named.open.lock();
        let place = (mapping.clone(), key.clone());
        if let Some(watch) = open.get(&place).and_then(Weak::upgrade) {
            return Some(watch);
        }
        open.retain(|_, watch| watch.strong_count() > 0);
        if open.len() >= MAX_NAMED {
            return None;
        }
        let stop = self.shared.shutdown.child_token();
        let watch = Arc::new(NamedWatch {
            kind: Arc::new(KindWatch::new()),
            _stop: stop.clone().drop_guard(),
        });
        open.insert(place, Arc::downgrade(&watch));
        let (store, kind) = (self.clone(), Arc::clone(&watch.kind));
        let (mapping, key) = (mapping.clone(), key.clone());
        tokio::spawn(async move { store.run(&mapping, &Scope::Named(&key), &kind, stop).await });
        Some(watch)
    }
}
