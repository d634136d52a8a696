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
use controller_kit::{FairBudget, Mapper, Metrics, ObjectKey, Queue, Rest, SharedWatch, WatchCache};
use flux_api::{Kustomization, KustomizationStatus};
use kube::ResourceExt;
use parking_lot::{Mutex, RwLock};
use tokio_util::sync::CancellationToken;

use crate::Settings;
use crate::controller::References;
use crate::status::{self, Base, StatusError};
use crate::takeover::Progress;
use crate::vanished::Vanished;
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
    /// Namespace that watches are restricted to; all namespaces when absent.
    pub(crate) namespace: Option<String>,
    pub(crate) references: Mutex<References>,
    /// Who has applied what, for those who wait for them.
    pub(crate) progress: Progress,
    pub(crate) vanished: Vanished,
    pub(crate) artifacts: RwLock<ArtifactIndex>,
    /// How far the watch that fills `artifacts` has come.
    pub(crate) artifact_watch: SharedWatch<Artifact>,
    pub(crate) written: WrittenStatuses,
    pub(crate) memory: Mutex<HashMap<ObjectKey, ApplyMemory>>,
    /// Objects whose last run waits for a dependency.
    pub(crate) awaiting: Mutex<HashSet<ObjectKey>>,
    /// Bounds the builds that run at once, because each needs memory for its whole overlay.
    pub(crate) builds: tokio::sync::Semaphore,
    /// Bounds the builds that fetch from other machines, which take no place of the others, nor all of their own for
    /// one namespace.
    pub(crate) remote_builds: FairBudget,
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
    ///
    /// It is written over the newest version that is known; when somebody was faster, it is read again.
    pub(crate) async fn write_status(
        &self,
        object: &Kustomization,
        written: &KustomizationStatus,
        new: &KustomizationStatus,
    ) -> Result<(), StatusError> {
        let key = ObjectKey::of(object);
        let mut base = self.known_base(&key, object)?;
        loop {
            match status::write(&self.rest, object, &base, written, new).await {
                Ok(None) => return Ok(()),
                Ok(Some(written)) => {
                    let (version, status) = written;
                    self.written.remember(&key, version, status);
                    return Ok(());
                }
                Err(error) if error.is_conflict() => {}
                Err(error) => return Err(StatusError::of(error)),
            }
            base = self.read_base(&key, object).await?;
        }
    }

    /// Takes note of a version that a write of ours has led to, ahead of the watch.
    pub(crate) fn note_version(&self, key: &ObjectKey, version: String, status: &KustomizationStatus) {
        self.written.remember(key, version, status.clone());
    }

    /// What is known without asking: what the watch has brought, or what we wrote since.
    fn known_base(&self, key: &ObjectKey, object: &Kustomization) -> Result<Base, StatusError> {
        let now = self.objects.get(key).ok_or(StatusError::Gone)?;
        self.check_owner(&now, object)?;
        let conditions = self.written.latest(key, &now).conditions;
        let ahead = self.written.version(key);
        let version = ahead.or_else(|| now.metadata.resource_version.clone());
        Ok(Base {
            version: version.unwrap_or_default(),
            conditions,
        })
    }

    async fn read_base(&self, key: &ObjectKey, object: &Kustomization) -> Result<Base, StatusError> {
        let read = self
            .rest
            .get(&status::mapping(), &key.namespace, &key.name)
            .await?;
        let live: Kustomization = read
            .and_then(|live| serde_json::from_value(live).ok())
            .ok_or(StatusError::Gone)?;
        self.check_owner(&live, object)?;
        Ok(Base {
            version: live.metadata.resource_version.unwrap_or_default(),
            conditions: live.status.conditions,
        })
    }

    fn check_owner(&self, now: &Kustomization, object: &Kustomization) -> Result<(), StatusError> {
        if now.metadata.uid != object.metadata.uid {
            Err(StatusError::Gone)
        } else if self.reconciles(now) {
            Ok(())
        } else {
            Err(StatusError::SomebodyElse)
        }
    }

    /// Whose the object of a run is by now.
    pub(crate) fn ownership(&self, key: &ObjectKey, object: &Kustomization) -> Ownership {
        match self.objects.get(key) {
            Some(now) if now.metadata.uid != object.metadata.uid => Ownership::Gone,
            Some(now) if self.reconciles(&now) => Ownership::Ours,
            Some(now) => Ownership::SomebodyElse(now.metadata.resource_version.clone().unwrap_or_default()),
            None => Ownership::Gone,
        }
    }

    /// Tells whether an object is ours, and no stock controller's too.
    pub(crate) fn reconciles(&self, object: &Kustomization) -> bool {
        let namespace = object.metadata.namespace.as_deref().unwrap_or_default();
        self.is_ours(object) && self.interlock.rival(namespace, object.labels()).is_none()
    }

    /// Tells whether an object would be in the caches if it existed.
    pub(crate) fn is_watched(&self, key: &ObjectKey) -> bool {
        self.namespace.as_ref().is_none_or(|only| *only == key.namespace)
    }

    pub(crate) fn forget(&self, key: &ObjectKey) {
        self.progress.forget(key);
        self.written.forget(key);
        self.memory.lock().remove(key);
        self.awaiting.lock().remove(key);
        self.gave_way.lock().remove(key);
        self.metrics
            .object_deleted("Kustomization", &key.namespace, &key.name);
    }
}
