//! The controller of one kind of consumer: watches and queue.

mod look;
mod report;

use std::sync::Arc;

use artifact_crd::{Artifact, ConsumerStatus};
use controller_kit::artifact::ContentCache;
use controller_kit::author::Pace;
use controller_kit::events::EventRecorder;
use controller_kit::{
    Backoff, Change, ConfigKind, Mapper, Metrics, ObjectKey, Queue, RefIndex, Rest, SharedWatch, Triggers,
    WatchCache, Written, follow_configs,
};
use flux_api::REQUESTED_AT;
use kube::core::Selector;
use kube::runtime::watcher;
use kube::{Api, Client, Resource as _, ResourceExt};
use parking_lot::Mutex;
use tokio_util::sync::CancellationToken;

use crate::consumer::{Consumer, Deploy};
use crate::reference::Access;
use crate::sources::Sources;

/// Secrets that nobody reads here, and of which there are the most.
const NO_RELEASES: &str = "type!=helm.sh/release.v1";

/// What a deployer is connected to.
pub struct Connections {
    /// Client that acts as the controller.
    pub client: Client,
    /// The Artifacts of the namespaces that are watched.
    pub artifacts: SharedWatch<Artifact>,
    /// Artifacts by digest.
    pub content: Arc<ContentCache>,
    /// Takes events.
    pub recorder: EventRecorder,
    /// Counts.
    pub metrics: Metrics,
    /// Namespace to restrict watches to; all namespaces when absent.
    pub namespace: Option<String>,
}

/// How a deployer works.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Its name: field manager, reporter of events, and `app.kubernetes.io/managed-by` of what it applies.
    pub name: &'static str,
    /// Objects to look at, by labels.
    pub selector: Selector,
    /// How many are looked at at once.
    pub concurrent: usize,
    /// By how many percent pauses are spread.
    pub interval_jitter: u8,
    /// Pauses between looks that fail.
    pub backoff: Backoff,
    /// What may be referred to.
    pub access: Access,
}

pub(crate) struct Controller<D: Deploy> {
    deploy: D,
    rest: Rest,
    mapper: Mapper,
    objects: WatchCache<D::Object>,
    sources: Arc<Sources>,
    /// Statuses that were written and have not come back through the watch.
    statuses: Written<ConsumerStatus>,
    pace: Pace,
    /// Which Secrets objects read at their last look.
    secrets: Mutex<RefIndex<ObjectKey, ObjectKey>>,
    queue: Queue<ObjectKey>,
    recorder: EventRecorder,
    metrics: Metrics,
    settings: Settings,
}

/// Runs a deployer until `shutdown`; `synced` fires when its caches are complete.
///
/// On shutdown, looks in progress are given time to end by the caller.
pub async fn run<D: Deploy>(
    deploy: D,
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
    } = connections;
    let label = kind::<D>().to_lowercase();
    metrics.set_concurrency(&label, settings.concurrent);
    let controller = Arc::new(Controller {
        deploy,
        rest: Rest::new(client.clone()),
        mapper: Mapper::new(client.clone()),
        objects: WatchCache::default(),
        sources: Arc::new(Sources::new(content, settings.access.clone())),
        statuses: Written::default(),
        pace: Pace::new(settings.backoff, settings.interval_jitter),
        secrets: Mutex::default(),
        queue: Queue::new(settings.backoff, metrics.queue(&label)),
        recorder: recorder.reporting_as(settings.name),
        metrics,
        settings,
    });
    let api = match &namespace {
        Some(namespace) => Api::namespaced(client.clone(), namespace),
        None => Api::all(client.clone()),
    };
    let config = watcher::Config::default().labels(&controller.settings.selector.to_string());
    let watched = Arc::clone(&controller);
    let watch = controller
        .objects
        .run(api, config, shutdown.clone(), move |change| watched.hear(change));
    let waking = Arc::clone(&controller);
    let _following = controller.sources.follow(&artifacts, move |object| {
        waking.queue.add(object.clone(), Triggers::ARTIFACT);
    });
    let waking = Arc::clone(&controller);
    let on_secret = move |secret: ObjectKey| {
        let readers: Vec<_> = waking.secrets.lock().referrers(&secret).cloned().collect();
        for object in readers {
            waking.queue.add(object, Triggers::CONFIG);
        }
    };
    let secrets = follow_configs(
        ConfigKind::Secret,
        client,
        namespace,
        watcher::Config::default().fields(NO_RELEASES),
        shutdown.clone(),
        Box::new(on_secret),
    );
    let serve = async {
        // Without knowing which Artifacts exist, every reference would lead nowhere.
        let listed = async {
            artifacts.synced().await;
            controller.objects.settled().await;
        };
        if shutdown.run_until_cancelled(listed).await.is_none() {
            return;
        }
        synced.cancel();
        let looking = Arc::clone(&controller);
        let handler = move |run: controller_kit::Run<ObjectKey>| {
            let controller = Arc::clone(&looking);
            async move { controller.handle(run).await }
        };
        let (queue, concurrent) = (&controller.queue, controller.settings.concurrent);
        queue.serve(concurrent, shutdown.clone(), handler).await;
    };
    tokio::join!(watch, serve, secrets);
}

/// The kind of object that a deployer looks at.
pub(crate) fn kind<D: Deploy>() -> String {
    <D::Object as kube::Resource>::kind(&()).into_owned()
}

impl<D: Deploy> Controller<D> {
    /// Hears of a change of an object.
    fn hear(&self, change: Change<'_, D::Object>) {
        let (old, new) = match change {
            Change::Applied { old, new } => (old, new),
            Change::Deleted { old } => {
                let key = ObjectKey::of(old.as_ref());
                self.forget(&key);
                self.metrics
                    .object_deleted(&kind::<D>(), &key.namespace, &key.name);
                return;
            }
            Change::Undecodable { .. } => return,
        };
        let requested = |object: &D::Object| object.annotations().get(REQUESTED_AT).cloned();
        let deleted = |object: &D::Object| object.meta().deletion_timestamp.is_some();
        let triggers = match old {
            None => Triggers::STARTUP,
            Some(old)
                if old.meta().uid != new.meta().uid
                    || old.meta().generation != new.meta().generation
                    || deleted(old) != deleted(new) =>
            {
                Triggers::OBJECT
            }
            Some(old) if requested(old) != requested(new) => Triggers::REQUESTED,
            // Its own status, or something else that nobody here reads.
            Some(_) => return,
        };
        self.queue.add(ObjectKey::of(new.as_ref()), triggers);
    }

    /// Forgets an object that is gone.
    fn forget(&self, key: &ObjectKey) {
        self.sources.forget(key);
        self.pace.forget(key);
        self.statuses.forget(key);
        self.secrets.lock().set(key, Vec::new());
        self.queue.forget(key);
    }

    /// The status that an object has: what was written last, or what the watch has brought.
    fn status_of(&self, object: &D::Object) -> ConsumerStatus {
        let key = ObjectKey::of(object);
        let seen = object.resource_version().unwrap_or_default();
        let newer = self.statuses.newer_than(&key, &seen);
        newer.unwrap_or_else(|| object.status().cloned().unwrap_or_default())
    }
}
