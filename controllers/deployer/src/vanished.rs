//! Objects that vanish although they are held.
//!
//! The API server looks for finalizers once, when a deletion begins. One that is under way when our finalizer is
//! written takes the object away in spite of it: nobody is asked to deal with what was applied, or is about to be. Such
//! an object is finalized after its end, from the last that is known of it, as if the deletion had come a moment later.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use controller_kit::ObjectKey;
use flux_api::Deployed;
use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use parking_lot::Mutex;
use tokio::time::Instant;

use crate::step::is_held;

/// A deletion that began before the finalizer was written has ended by then: API servers give a request one minute.
///
/// Later on, an object without an end that anybody saw is no concern of ours: whoever removes a finalizer by hand wants
/// to keep the objects.
const UNDER_WAY: Duration = Duration::from_mins(2);

/// Objects that vanished, and those that may.
pub(crate) struct Vanished<O> {
    /// When objects were given the finalizer, by UID.
    held: Mutex<HashMap<String, Instant>>,
    objects: Mutex<HashMap<ObjectKey, Arc<O>>>,
}

impl<O> Default for Vanished<O> {
    fn default() -> Self {
        Self {
            held: Mutex::default(),
            objects: Mutex::default(),
        }
    }
}

impl<O: Deployed> Vanished<O> {
    /// Takes note that an object is about to be given the finalizer.
    pub(crate) fn hold(&self, object: &O) {
        let mut held = self.held.lock();
        held.retain(|_, since| since.elapsed() < UNDER_WAY);
        if let Some(uid) = &object.meta().uid {
            held.insert(uid.clone(), Instant::now());
        }
    }

    /// Tells whether an object that is gone was held to the last; it is kept then, with the last status, until it is
    /// [forgotten](Self::forget).
    pub(crate) fn note(&self, last: &O, status: O::Status) -> bool {
        let uid = last.meta().uid.as_deref().unwrap_or_default();
        let since = self.held.lock().remove(uid);
        let vanished = is_held(last)
            && last.meta().deletion_timestamp.is_none()
            && since.is_some_and(|since| since.elapsed() < UNDER_WAY);
        if vanished {
            let mut object = last.clone();
            object.meta_mut().deletion_timestamp = Some(Time(Timestamp::now()));
            *object.status_mut() = status;
            self.objects.lock().insert(ObjectKey::of(last), Arc::new(object));
        }
        vanished
    }

    /// Gives the object that has vanished, as if it were about to be deleted.
    pub(crate) fn get(&self, key: &ObjectKey) -> Option<Arc<O>> {
        self.objects.lock().get(key).cloned()
    }

    /// Tells whether this is what [`Vanished::get`] gives.
    pub(crate) fn is(&self, key: &ObjectKey, object: &Arc<O>) -> bool {
        let objects = self.objects.lock();
        objects
            .get(key)
            .is_some_and(|vanished| Arc::ptr_eq(vanished, object))
    }

    /// Nothing is left to do about an object.
    pub(crate) fn forget(&self, key: &ObjectKey) {
        self.objects.lock().remove(key);
    }
}

#[cfg(test)]
mod tests {
    use flux_api::{FINALIZER, Kustomization, KustomizationStatus};
    use serde_json::json;

    use super::*;

    fn object(uid: &str, finalizers: &[&str], deleted: bool) -> Kustomization {
        let mut object: Kustomization = serde_json::from_value(json!({
            "apiVersion": "kustomize.toolkit.fluxcd.io/v1", "kind": "Kustomization",
            "metadata": {"name": "app", "namespace": "apps", "uid": uid, "finalizers": finalizers},
            "spec": {"interval": "10m", "prune": true, "sourceRef": {"kind": "GitRepository", "name": "app"}},
        }))
        .unwrap();
        object.metadata.deletion_timestamp = deleted.then_some(Time(Timestamp::UNIX_EPOCH));
        object
    }

    #[tokio::test(start_paused = true)]
    async fn only_a_deletion_that_nobody_announced_is_one_that_was_under_way() {
        let vanished = Vanished::default();
        let note = |object: &Kustomization| vanished.note(object, KustomizationStatus::default());
        let held = [FINALIZER];
        for (last, expected) in [
            (object("a", &held, false), true),
            (object("b", &held, true), false),
            (object("c", &[], false), false),
        ] {
            vanished.hold(&last);
            assert_eq!(note(&last), expected, "{last:?}");
        }
        assert!(!note(&object("d", &held, false)), "was not held by this process");
        let old = object("e", &held, false);
        vanished.hold(&old);
        tokio::time::advance(UNDER_WAY).await;
        assert!(!note(&old), "somebody has removed it in another way");
    }
}
