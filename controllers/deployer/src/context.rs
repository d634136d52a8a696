//! What all runs share.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use artifact_consumer::{ArtifactIndex, ReferenceError, SourceKey};
use artifact_crd::Artifact;
use cloud_auth::{Identities, Involved};
use controller_kit::artifact::ContentCache;
use controller_kit::events::EventRecorder;
use controller_kit::interlock::Interlock;
use controller_kit::{
    Clusters, Metrics, ObjectKey, Queue, Rest, SharedWatch, WatchCache, WatchState, Written,
};
use flux_api::{DependencyReference, Deployed, DeployedStatus};
use kube::core::SelectorExt;
use kube::{Resource as _, ResourceExt};
use parking_lot::{Mutex, RwLock};
use tokio_util::sync::CancellationToken;

use crate::Settings;
use crate::arrival::Arrival;
use crate::elsewhere::Elsewhere;
use crate::holds::Holds;
use crate::kind::{Kind, StatusOf, kind_name, mapping};
use crate::progress::Progress;
use crate::references::References;
use crate::status::{self, Base, StatusError};
use crate::step::{ArtifactProblem, Dependency, Observed, dependency_key};
use crate::vanished::Vanished;

/// The connections, caches and counters that all runs share.
pub struct Context<K: Kind> {
    /// What this deployer keeps besides.
    pub own: K,
    /// What the operator chose.
    pub settings: Settings,
    /// Fires when the process ends.
    pub shutdown: CancellationToken,
    /// The controller's own identity, in the cluster that it runs in: objects of its kind, and what they read, are there.
    pub rest: Rest,
    /// The clusters that objects are brought to.
    pub clusters: Clusters,
    /// Whoever gets tokens of clouds and of the cluster.
    pub identities: Identities,
    /// Artifacts by digest.
    pub content: Arc<ContentCache>,
    /// Takes events.
    pub recorder: EventRecorder,
    /// Counts.
    pub metrics: Metrics,
    /// What runs when.
    pub queue: Queue<ObjectKey>,
    /// What stock's controllers reconcile; empty when the interlock is off.
    pub(crate) interlock: Arc<Interlock>,
    /// All objects of the kind, ours and others': dependencies are read unfiltered.
    pub objects: WatchCache<K::Object>,
    /// Namespace that watches are restricted to; all namespaces when absent.
    pub(crate) namespace: Option<String>,
    pub(crate) references: Mutex<References>,
    /// Who has applied what, for those who wait for them.
    pub(crate) progress: Progress,
    pub(crate) vanished: Vanished<K::Object>,
    /// Dependencies that are not among `objects`.
    pub(crate) elsewhere: Elsewhere<K::Object>,
    pub(crate) artifacts: RwLock<ArtifactIndex>,
    /// How far the watch that fills `artifacts` has come.
    pub(crate) artifact_watch: SharedWatch<Artifact>,
    /// Statuses that were written, until the watch brings them.
    pub(crate) written: Written<StatusOf<K>>,
    /// What runs have come to whose status could not be written; the next run begins there.
    pub(crate) unwritten: Mutex<HashMap<ObjectKey, Unwritten<StatusOf<K>>>>,
    /// Objects that have been handed over to us and that no run has taken up yet.
    pub(crate) arrived: Mutex<HashMap<ObjectKey, Arrival<K::Object>>>,
    /// Objects that whoever moves them asks us to let be.
    pub(crate) holds: Holds,
    /// Objects whose last run waits for a dependency.
    pub(crate) awaiting: Mutex<HashSet<ObjectKey>>,
}

/// A status that could not be written.
#[derive(Debug)]
pub(crate) struct Unwritten<S> {
    /// What there was when it could not be written.
    written: S,
    new: S,
}

/// Whose an object is at the end of its run.
#[derive(Debug, PartialEq, Eq)]
pub enum Ownership {
    /// Still ours.
    Ours,
    /// Another controller's; with the resource version at which that was seen.
    SomebodyElse(String),
    /// It is gone, or another object has its name.
    Gone,
}

impl<K: Kind> Context<K> {
    /// Tells whether our selector matches an object.
    pub fn is_ours(&self, object: &K::Object) -> bool {
        self.settings.selector.matches(object.labels())
    }

    /// Gives whoever gets tokens for an object of the kind.
    pub(crate) fn identities_for(&self, user: &ObjectKey) -> Identities {
        self.identities.on_behalf_of(Involved {
            kind: kind_name::<K::Object>(),
            namespace: user.namespace.clone(),
            name: user.name.clone(),
            operation: K::NAMES.cluster_operation,
        })
    }

    /// Gives the key of the source that an object consumes.
    pub(crate) fn source_of(&self, object: &K::Object) -> Result<SourceKey, ReferenceError> {
        K::source(object, &self.settings.access)
    }

    /// Looks at everything that the next step of an object depends on.
    pub fn observe<'a>(&self, object: &'a K::Object) -> Observed<'a, K::Object> {
        let own = ObjectKey::of(object);
        let dependency = |reference: &DependencyReference| {
            let key = dependency_key(&own.namespace, reference);
            let read = if self.is_watched(&key) {
                Ok(self.objects.get(&key))
            } else {
                self.elsewhere.get(&own, &key)
            };
            let (dependency, unreadable) = match read {
                Ok(dependency) => (dependency, None),
                Err(error) => (None, Some(error)),
            };
            let same_source = dependency.as_ref().is_some_and(|dependency| {
                let source = self.source_of(object).ok();
                source.is_some() && source == self.source_of(dependency).ok()
            });
            Dependency {
                key,
                object: dependency,
                unreadable,
                same_source,
                expression: reference.ready_expr.clone(),
            }
        };
        Observed {
            object,
            artifact: self.artifact_of(object),
            dependencies: object.depends_on().iter().map(dependency).collect(),
            checks_both: self.settings.checks_dependencies_twice,
        }
    }

    /// Finds the artifact of the source that an object consumes.
    pub(crate) fn artifact_of(&self, object: &K::Object) -> Result<Arc<Artifact>, ArtifactProblem> {
        let key = self.source_of(object).map_err(ArtifactProblem::Reference)?;
        let found = self.artifacts.read().find(&key).cloned();
        found.map_err(|error| match self.artifact_watch.state() {
            WatchState::Unavailable(reason) => ArtifactProblem::NotServed(reason),
            WatchState::Starting | WatchState::Synced => ArtifactProblem::Lookup(error),
        })
    }

    /// Writes the status of an object that is ours, and remembers it until the watch brings it.
    ///
    /// It is written over the newest version that is known; when somebody was faster, it is read again.
    pub(crate) async fn write_status(
        &self,
        object: &K::Object,
        written: &StatusOf<K>,
        new: &StatusOf<K>,
    ) -> Result<(), StatusError> {
        let key = ObjectKey::of(object);
        let mut base = self.known_base(&key, object)?;
        loop {
            match status::write::<K>(&self.rest, object, &base, written, new).await {
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

    /// Gives the status of an object: what was last written, as long as `object` is older than that.
    ///
    /// A run that started from an older inventory would lose sight of what the run before it created.
    pub(crate) fn latest_status(&self, key: &ObjectKey, object: &K::Object) -> StatusOf<K> {
        let seen = object.meta().resource_version.as_deref().unwrap_or_default();
        let written = self.written.newer_than(key, seen);
        written.unwrap_or_else(|| object.status().clone())
    }

    /// Keeps a status that could not be written over `written`, for the next run to write.
    pub(crate) fn keep_unwritten(&self, key: &ObjectKey, written: StatusOf<K>, new: StatusOf<K>) {
        let unwritten = Unwritten { written, new };
        self.unwritten.lock().insert(key.clone(), unwritten);
    }

    /// Gives the status that a run begins with: the one that there is, or what came of the run before, if that could not be
    /// written and nobody else has written since.
    pub(crate) fn reached(&self, key: &ObjectKey, status: &StatusOf<K>) -> StatusOf<K> {
        let kept = self.unwritten.lock().remove(key);
        let kept = kept.filter(|kept| status::are_same_but_conditions(&kept.written, status));
        kept.map_or_else(|| status.clone(), |kept| kept.new)
    }

    /// Takes note of a version that a write of ours has led to, ahead of the watch.
    pub(crate) fn note_version(&self, key: &ObjectKey, version: String, status: &StatusOf<K>) {
        self.written.remember(key, version, status.clone());
    }

    /// What is known without asking: what the watch has brought, or what we wrote since.
    fn known_base(&self, key: &ObjectKey, object: &K::Object) -> Result<Base, StatusError> {
        let now = self.objects.get(key).ok_or(StatusError::Gone)?;
        self.check_owner(&now, object)?;
        let conditions = self.latest_status(key, &now).conditions().clone();
        let ahead = self.written.version(key);
        let version = ahead.or_else(|| now.meta().resource_version.clone());
        Ok(Base {
            version: version.unwrap_or_default(),
            conditions,
        })
    }

    async fn read_base(&self, key: &ObjectKey, object: &K::Object) -> Result<Base, StatusError> {
        let read = self
            .rest
            .get(&mapping::<K::Object>(), &key.namespace, &key.name)
            .await?;
        let live: K::Object = read
            .and_then(|live| serde_json::from_value(live).ok())
            .ok_or(StatusError::Gone)?;
        self.check_owner(&live, object)?;
        Ok(Base {
            version: live.meta().resource_version.clone().unwrap_or_default(),
            conditions: live.status().conditions().clone(),
        })
    }

    fn check_owner(&self, now: &K::Object, object: &K::Object) -> Result<(), StatusError> {
        if now.meta().uid != object.meta().uid {
            Err(StatusError::Gone)
        } else if self.reconciles(now) {
            Ok(())
        } else {
            Err(StatusError::SomebodyElse)
        }
    }

    /// Whose the object of a run is by now.
    pub fn ownership(&self, key: &ObjectKey, object: &K::Object) -> Ownership {
        match self.objects.get(key) {
            Some(now) if now.meta().uid != object.meta().uid => Ownership::Gone,
            Some(now) if self.reconciles(&now) => Ownership::Ours,
            Some(now) => Ownership::SomebodyElse(now.meta().resource_version.clone().unwrap_or_default()),
            None => Ownership::Gone,
        }
    }

    /// Tells whether an object is ours, and no stock controller's too.
    pub(crate) fn reconciles(&self, object: &K::Object) -> bool {
        let namespace = object.meta().namespace.as_deref().unwrap_or_default();
        self.is_ours(object) && self.interlock.rival(namespace, object.labels()).is_none()
    }

    /// Tells whether an object would be in the caches if it existed.
    pub(crate) fn is_watched(&self, key: &ObjectKey) -> bool {
        self.namespace.as_ref().is_none_or(|only| *only == key.namespace)
    }

    /// Drops what is kept about an object that is gone, or not ours any more.
    pub(crate) fn forget(&self, key: &ObjectKey) {
        self.progress.forget(key);
        self.written.forget(key);
        self.elsewhere.forget(key);
        self.awaiting.lock().remove(key);
        self.clusters.release(key);
        self.arrived.lock().remove(key);
        self.holds.forget(key);
        self.unwritten.lock().remove(key);
        self.own.forget(key);
        self.metrics
            .object_deleted(&kind_name::<K::Object>(), &key.namespace, &key.name);
    }
}
