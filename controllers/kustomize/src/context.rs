//! What all runs share.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use artifact_consumer::ArtifactIndex;
use artifact_crd::Artifact;
use controller_kit::apply::ApplyMemory;
use controller_kit::artifact::ContentCache;
use controller_kit::events::EventRecorder;
use controller_kit::interlock::Interlock;
use controller_kit::live::LiveStore;
use controller_kit::{FairPlaces, Mapper, Metrics, ObjectKey, Queue, Rest, RestError, WatchCache};
use flux_api::{Kustomization, KustomizationStatus};
use kube::ResourceExt;
use parking_lot::{Mutex, RwLock};
use tokio_util::sync::CancellationToken;

use crate::Settings;
use crate::written::WrittenStatuses;

/// Field manager of status and finalizers, as stock's controller has it.
pub(crate) const STATUS_MANAGER: &str = "gotk-kustomize-controller";
/// Field manager of applied objects, and the name under which events are reported.
pub const CONTROLLER: &str = "kustomize-controller";
/// Value of the `controller` label of metrics and logs.
pub(crate) const CONTROLLER_LABEL: &str = "kustomization";

/// The connections, caches and counters that all runs share.
pub(crate) struct Context {
    pub(crate) settings: Settings,
    pub(crate) shutdown: CancellationToken,
    /// The controller's own identity.
    pub(crate) rest: Rest,
    pub(crate) mapper: Mapper,
    pub(crate) live: LiveStore,
    pub(crate) content: Arc<ContentCache>,
    pub(crate) recorder: EventRecorder,
    pub(crate) metrics: Metrics,
    pub(crate) queue: Queue<ObjectKey>,
    /// What stock's controllers reconcile; empty when the interlock is off.
    pub(crate) interlock: Interlock,
    /// All Kustomizations, ours and others': dependencies are read unfiltered.
    pub(crate) objects: WatchCache<Kustomization>,
    pub(crate) artifacts: RwLock<ArtifactIndex>,
    /// How far the watch that fills `artifacts` has come.
    pub(crate) artifact_watch: WatchCache<Artifact>,
    pub(crate) written: WrittenStatuses,
    pub(crate) memory: Mutex<HashMap<ObjectKey, ApplyMemory>>,
    /// Objects whose last run waits for a dependency.
    pub(crate) awaiting: Mutex<HashSet<ObjectKey>>,
    /// Bounds the builds that run at once, because each needs memory for its whole overlay.
    pub(crate) builds: tokio::sync::Semaphore,
    /// Bounds the builds that fetch from other machines, which take no place of the others, nor all of their own for
    /// one namespace.
    pub(crate) remote_builds: FairPlaces,
    /// How many builds of an object in a row gave way to a newer artifact while they fetched from other machines.
    pub(crate) gave_way: Mutex<HashMap<ObjectKey, u32>>,
}

/// Whose an object is at the end of its run.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Ownership {
    /// Still ours.
    Ours,
    /// Another controller's; with the resource version at which that was seen.
    SomebodyElse(String),
    /// It is gone, or another object has its name.
    Gone,
}

impl Context {
    /// Takes the memory of an object for a run that applies as `identity`; it is given back by
    /// [`Context::keep_memory`].
    pub(crate) fn take_memory(&self, key: &ObjectKey, identity: &str) -> ApplyMemory {
        let memory = self.memory.lock().remove(key);
        memory
            .filter(|memory| memory.is_of(identity))
            .unwrap_or_else(|| ApplyMemory::of(identity))
    }

    pub(crate) fn keep_memory(&self, key: &ObjectKey, memory: ApplyMemory) {
        self.memory.lock().insert(key.clone(), memory);
    }

    /// Writes the status of an object that is ours, and remembers it until the watch brings it.
    pub(crate) async fn write_status(
        &self,
        key: &ObjectKey,
        written: &KustomizationStatus,
        new: &KustomizationStatus,
    ) -> Result<(), RestError> {
        if let Some(version) = crate::status::write(&self.rest, key, written, new, None).await? {
            self.written.remember(key, version, new.clone());
        }
        Ok(())
    }

    /// Whose the object of a run is by now.
    pub(crate) fn ownership(&self, key: &ObjectKey, object: &Kustomization) -> Ownership {
        match self.objects.get(key) {
            Some(now) if now.metadata.uid != object.metadata.uid => Ownership::Gone,
            Some(now)
                if self.is_ours(&now) && self.interlock.rival(&key.namespace, now.labels()).is_none() =>
            {
                Ownership::Ours
            }
            Some(now) => Ownership::SomebodyElse(now.metadata.resource_version.clone().unwrap_or_default()),
            None => Ownership::Gone,
        }
    }

    pub(crate) fn forget(&self, key: &ObjectKey) {
        self.written.forget(key);
        self.memory.lock().remove(key);
        self.awaiting.lock().remove(key);
        self.gave_way.lock().remove(key);
        self.metrics
            .object_deleted("Kustomization", &key.namespace, &key.name);
    }
}
