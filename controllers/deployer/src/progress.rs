//! Who has tried what, for those who wait for others.

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};

use artifact_crd::Artifact;
use controller_kit::ObjectKey;
use controller_kit::object::ObjectId;
use flux_api::Deployed;
use parking_lot::Mutex;
use tokio::sync::watch;

/// A generation of an object together with an artifact: what one run is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Aim {
    uid: Option<String>,
    generation: Option<i64>,
    revision: String,
    digest: Option<String>,
}

impl Aim {
    pub(crate) fn new(object: &impl Deployed, artifact: &Artifact) -> Self {
        let meta = object.meta();
        Self {
            uid: meta.uid.clone(),
            generation: meta.generation,
            revision: artifact.spec.revision.clone(),
            digest: artifact.spec.digest.clone(),
        }
    }
}

/// What was tried last for one object.
struct Tried {
    aim: Aim,
    /// Hashes of the objects that it desires, sorted; none if they could not be applied.
    desired: Box<[u64]>,
}

/// Who has tried what in the life of this process; those who wait are told.
pub(crate) struct Progress {
    tried: Mutex<HashMap<ObjectKey, Tried>>,
    /// Who waits, and for whom.
    pub(crate) waits: Mutex<HashMap<ObjectKey, ObjectKey>>,
    pub(crate) changed: watch::Sender<()>,
    seed: RandomState,
}

impl Default for Progress {
    fn default() -> Self {
        Self {
            tried: Mutex::default(),
            waits: Mutex::default(),
            changed: watch::Sender::new(()),
            seed: RandomState::new(),
        }
    }
}

impl Progress {
    /// Takes note that everything that an object desires has been applied in a place: a cluster.
    pub(crate) fn applied<'a>(
        &self,
        key: &ObjectKey,
        aim: Aim,
        place: &str,
        desired: impl Iterator<Item = &'a ObjectId>,
    ) {
        let mut desired: Box<[u64]> = desired.map(|id| self.seed.hash_one((place, id))).collect();
        desired.sort_unstable();
        self.tried.lock().insert(key.clone(), Tried { aim, desired });
        self.notify();
    }

    /// Takes note that a run with an aim has come to an end, whatever came of it; the next one is an interval away.
    pub(crate) fn ended(&self, key: &ObjectKey, aim: Aim) {
        let mut tried = self.tried.lock();
        if tried.get(key).is_none_or(|tried| tried.aim != aim) {
            let desired = Box::default();
            tried.insert(key.clone(), Tried { aim, desired });
        }
    }

    pub(crate) fn forget(&self, key: &ObjectKey) {
        self.tried.lock().remove(key);
    }

    /// Tells those who wait that they should look again.
    pub(crate) fn notify(&self) {
        self.changed.send_replace(());
    }

    pub(crate) fn has_tried(&self, key: &ObjectKey, aim: &Aim) -> bool {
        let tried = self.tried.lock();
        tried.get(key).is_some_and(|tried| tried.aim == *aim)
    }

    /// Gives those among `objects` that somebody else desires in the same place, with who does.
    pub(crate) fn desired_by_others(
        &self,
        own: &ObjectKey,
        place: &str,
        objects: &[ObjectId],
    ) -> Vec<(ObjectId, ObjectKey)> {
        let hashes: Vec<u64> = objects.iter().map(|id| self.seed.hash_one((place, id))).collect();
        let tried = self.tried.lock();
        let others = tried.iter().filter(|(key, _)| *key != own);
        others
            .flat_map(|(key, tried)| {
                let theirs = objects.iter().zip(&hashes);
                let theirs = theirs.filter(|(_, hash)| tried.desired.binary_search(hash).is_ok());
                theirs.map(|(id, _)| (id.clone(), key.clone()))
            })
            .collect()
    }
}
