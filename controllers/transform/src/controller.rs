//! The controller: watches, who is woken by what, and what goes on beside that.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use artifact_consumer::{Access, ArtifactIndex, ArtifactName, SourceKey};
use artifact_crd::{Artifact, TRANSFORMATION_KIND};
use artifact_producer::tidy::tidy;
use artifact_producer::{ProducerMetrics, Storage};
use artifact_store::Store;
use controller_kit::artifact::ContentCache;
use controller_kit::author::{reason, record_unreadable, scope, serve, status_of};
use controller_kit::events::EventRecorder;
use controller_kit::{
    Backoff, Change, Following, Mapper, Metrics, ObjectKey, Queue, RefIndex, Run, SharedWatch, Triggers,
    WatchCache, Written, is_newer,
};
use flux_api::WATCH_LABEL;
use flux_transform::Memo;
use k8s_openapi::api::core::v1::ConfigMap;
use kube::core::Selector;
use kube::runtime::watcher;
use kube::{Client, ResourceExt};
use parking_lot::Mutex;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

use crate::kind::{CONTROLLER, Status, Transformation};
use crate::last_read::LastRead;
use crate::references::{owner_of, referred};

/// What the controller is connected to.
pub struct Connections {
    /// Client that acts as the controller.
    pub client: Client,
    /// The Artifacts of the namespaces that are watched.
    pub artifacts: SharedWatch<Artifact>,
    /// The content of Artifacts.
    pub content: Arc<ContentCache>,
    /// Takes events.
    pub recorder: EventRecorder,
    /// Counts.
    pub metrics: Metrics,
    /// Namespace to restrict watches to; all namespaces when absent.
    pub namespace: Option<String>,
    /// The volume.
    pub storage: Storage,
}

/// How the controller works.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Transformations to look at, by labels.
    pub selector: Selector,
    /// How many transformations are made at once.
    pub concurrent: usize,
    /// Which inputs may be referred to.
    pub access: Access,
    /// Pauses between runs that fail.
    pub backoff: Backoff,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            selector: Selector::default(),
            concurrent: 4,
            access: Access {
                no_cross_namespace_refs: true,
                ..Access::default()
            },
            backoff: Backoff {
                min: Duration::from_secs(1),
                max: Duration::from_mins(15),
            },
        }
    }
}

/// What is remembered of a transformation between two runs; safe to lose.
#[derive(Clone, Debug, Default)]
pub(crate) struct Memory {
    pub(crate) failures: u32,
    /// What failed, and would fail again in the same way.
    pub(crate) failed: Option<String>,
}

pub(crate) struct Controller {
    pub(crate) client: Client,
    /// Where the kinds are that sources of other namespaces are of.
    pub(crate) mapper: Mapper,
    pub(crate) content: Arc<ContentCache>,
    pub(crate) transformations: WatchCache<Transformation>,
    config_maps: WatchCache<ConfigMap>,
    pub(crate) artifacts: SharedWatch<Artifact>,
    pub(crate) index: Mutex<ArtifactIndex>,
    /// Who refers to which source.
    referrers: Mutex<RefIndex<SourceKey, ObjectKey>>,
    /// Who refers to which ConfigMap.
    readers: Mutex<RefIndex<ObjectKey, ObjectKey>>,
    /// Artifacts that were written and have not come back through the watch.
    pub(crate) written: Written<Artifact>,
    /// Statuses of transformations, likewise.
    pub(crate) statuses: Written<Status>,
    pub(crate) memory: Mutex<HashMap<ObjectKey, Memory>>,
    /// What was hashed before.
    pub(crate) memo: Arc<Memo>,
    /// The files that inputs had when they were read last.
    pub(crate) read: Mutex<LastRead>,
    /// Artifacts of suspended transformations that somebody has deleted, as they were.
    pub(crate) lost: Mutex<HashMap<ObjectKey, Arc<Artifact>>>,
    pub(crate) queue: Queue<ObjectKey>,
    pub(crate) store: Store,
    /// Places of builds, each taken until its build has ended.
    pub(crate) builds: Arc<Semaphore>,
    pub(crate) recorder: EventRecorder,
    pub(crate) metrics: Metrics,
    pub(crate) counts: ProducerMetrics,
    /// What may be referred to, if its namespace does not matter: whether an input of another one may be read is asked later.
    pub(crate) reach: Access,
    pub(crate) settings: Settings,
}

/// Runs the controller until `shutdown`; `synced` fires when its caches are complete and its files are served.
///
/// On shutdown, runs in progress are given time to end by the caller.
pub async fn run(
    connections: Connections,
    settings: Settings,
    synced: CancellationToken,
    shutdown: CancellationToken,
) {
    let Connections {
        client,
        artifacts,
        content,
        recorder,
        metrics,
        namespace,
        storage,
    } = connections;
    let Some((store, counts)) = storage.ready(&metrics, &shutdown).await else {
        return;
    };
    let label = TRANSFORMATION_KIND.to_lowercase();
    metrics.set_concurrency(&label, settings.concurrent);
    let controller = Arc::new(Controller {
        client: client.clone(),
        mapper: Mapper::new(client.clone()),
        content,
        transformations: WatchCache::default(),
        config_maps: WatchCache::default(),
        artifacts,
        index: Mutex::default(),
        referrers: Mutex::default(),
        readers: Mutex::default(),
        written: Written::default(),
        statuses: Written::default(),
        memory: Mutex::default(),
        memo: Arc::default(),
        read: Mutex::default(),
        lost: Mutex::default(),
        queue: Queue::new(settings.backoff, metrics.queue(&label)),
        store,
        builds: Arc::new(Semaphore::new(settings.concurrent.max(1))),
        recorder: recorder.reporting_as(CONTROLLER),
        metrics,
        counts,
        reach: Access {
            no_cross_namespace_refs: false,
            ..settings.access.clone()
        },
        settings,
    });
    let _following = controller.follow_artifacts();
    let watched = Arc::clone(&controller);
    let selected = watcher::Config::default().labels(&controller.settings.selector.to_string());
    let transformations = controller.transformations.run(
        scope(&client, namespace.as_deref()),
        selected,
        shutdown.clone(),
        move |change| watched.hear(change),
    );
    let watched = Arc::clone(&controller);
    let labelled = watcher::Config::default().labels(&format!("{WATCH_LABEL}=Enabled"));
    let config_maps = controller.config_maps.run(
        scope(&client, namespace.as_deref()),
        labelled,
        shutdown.clone(),
        move |change| watched.hear_config(change),
    );
    // Without knowing which Artifacts exist, every decision would be wrong.
    let listed = async {
        controller.artifacts.synced().await;
        controller.transformations.settled().await;
    };
    let looking = Arc::clone(&controller);
    let handler = move |run: Run<ObjectKey>| {
        let controller = Arc::clone(&looking);
        async move { controller.handle(run).await }
    };
    let (queue, concurrent) = (&controller.queue, controller.settings.concurrent);
    let serve = serve(queue, concurrent, listed, &synced, &shutdown, handler);
    let tidy = tidy(
        &*controller,
        &controller.store,
        &storage,
        &controller.counts,
        &shutdown,
    );
    tokio::join!(transformations, config_maps, serve, tidy);
}

impl Controller {
    /// Hears of a change of a transformation.
    fn hear(&self, change: Change<'_, Transformation>) {
        let (old, new) = match change {
            Change::Applied { old, new } => (old, new),
            Change::Deleted { old } => {
                let key = ObjectKey::of(old.as_ref());
                self.referrers.lock().set(&key, Vec::new());
                self.readers.lock().set(&key, Vec::new());
                self.queue.add(key, Triggers::OBJECT);
                return;
            }
            Change::Undecodable { key, error } => {
                record_unreadable::<Transformation>(&self.recorder, key, error);
                return;
            }
        };
        let key = ObjectKey::of(new.as_ref());
        let (sources, config_maps) = referred(new, &self.reach);
        self.referrers.lock().set(&key, sources);
        self.readers.lock().set(&key, config_maps);
        if let Some(triggers) = reason(old.map(Arc::as_ref), new.as_ref()) {
            self.queue.add(key, triggers);
        }
    }

    /// Hears of a change of a ConfigMap that asks to be followed.
    fn hear_config(&self, change: Change<'_, ConfigMap>) {
        let key = match change {
            Change::Applied { old: Some(old), new }
                if old.data == new.data && old.binary_data == new.binary_data =>
            {
                return;
            }
            Change::Applied { new, .. } => ObjectKey::of(new.as_ref()),
            Change::Deleted { old } => ObjectKey::of(old.as_ref()),
            Change::Undecodable { .. } => return,
        };
        for reader in self.readers.lock().referrers(&key) {
            self.queue.add(reader.clone(), Triggers::CONFIG);
        }
    }

    /// Hears of changes of Artifacts: of those that are inputs, and of those that were made here.
    fn follow_artifacts(self: &Arc<Self>) -> Following<Artifact> {
        let controller = Arc::clone(self);
        self.artifacts.follow(move |change| match change {
            Change::Applied { new, .. } => {
                let key = ObjectKey::of(new.as_ref());
                let seen = new.resource_version().unwrap_or_default();
                let own = controller.written.version(&key);
                controller.written.seen(&key, &seen);
                if own
                    .as_ref()
                    .is_some_and(|own| *own != seen && is_newer(own, &seen))
                {
                    // Older than what was written here, which is known already.
                    return;
                }
                controller.lost.lock().remove(&key);
                controller.put_artifact(new);
                if own.is_none_or(|own| own != seen)
                    && let Some(owner) = owner_of(new)
                {
                    controller.queue.add(owner, Triggers::ARTIFACT);
                }
            }
            Change::Deleted { old } => {
                let key = ObjectKey::of(old.as_ref());
                controller.written.forget(&key);
                controller.take_out(old);
                if let Some(owner) = owner_of(old) {
                    let maker = controller.transformations.get(&owner);
                    if maker.is_some_and(|maker| maker.spec.suspend) {
                        controller.lost.lock().insert(key, Arc::clone(old));
                    }
                    controller.queue.add(owner, Triggers::ARTIFACT);
                }
            }
            Change::Undecodable { .. } => {}
        })
    }

    /// Takes an Artifact into the index, and wakes those who are made of it.
    pub(crate) fn put_artifact(&self, artifact: &Arc<Artifact>) {
        let touched = self.index.lock().apply(artifact);
        self.wake(&touched);
    }

    /// Takes an Artifact out of the index, and wakes those who are made of it.
    pub(crate) fn take_out(&self, artifact: &Artifact) {
        let touched = self.index.lock().remove(&ArtifactName::of(artifact));
        self.wake(&touched);
    }

    fn wake(&self, touched: &[SourceKey]) {
        let referrers = self.referrers.lock();
        for key in touched {
            for referrer in referrers.referrers(key) {
                self.queue.add(referrer.clone(), Triggers::DEPENDENCY);
            }
        }
    }

    /// The status that a transformation has: what was written last, or what the watch has brought.
    pub(crate) fn status_of(&self, transformation: &Transformation) -> Status {
        status_of(transformation, &self.statuses, || transformation.status.clone())
    }

    /// An Artifact as it is known.
    pub(crate) fn artifact(&self, namespace: &str, name: &str) -> Option<Arc<Artifact>> {
        let name = ArtifactName {
            namespace: namespace.to_owned(),
            name: name.to_owned(),
        };
        self.index.lock().get(&name).cloned()
    }
}
