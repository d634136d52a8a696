//! The controller of one kind of consumer: watches and queue.

mod look;
mod report;

use std::sync::Arc;

use artifact_crd::{Artifact, ConsumerStatus};
use controller_kit::artifact::ContentCache;
use controller_kit::author::{
    Pace, Readers, follow_secrets, reason, record_unreadable, scope, serve, status_of,
};
use controller_kit::events::EventRecorder;
use controller_kit::{
    Backoff, Change, Mapper, Metrics, ObjectKey, Queue, Rest, SharedWatch, Triggers, WatchCache, Written,
};
use kube::Client;
use kube::core::Selector;
use kube::runtime::watcher;
use tokio_util::sync::CancellationToken;

use crate::consumer::{Consumer, Deploy};
use crate::reference::Access;
use crate::sources::Sources;

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
    secrets: Readers,
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
        secrets: Readers::default(),
        queue: Queue::new(settings.backoff, metrics.queue(&label)),
        recorder: recorder.reporting_as(settings.name),
        metrics,
        settings,
    });
    let api = scope(&client, namespace.as_deref());
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
    let secrets = follow_secrets(client, namespace, shutdown.clone(), move |secret| {
        for object in waking.secrets.of(&secret) {
            waking.queue.add(object, Triggers::CONFIG);
        }
    });
    // Without knowing which Artifacts exist, every reference would lead nowhere.
    let listed = async {
        artifacts.synced().await;
        controller.objects.settled().await;
    };
    let looking = Arc::clone(&controller);
    let handler = move |run: controller_kit::Run<ObjectKey>| {
        let controller = Arc::clone(&looking);
        async move { controller.handle(run).await }
    };
    let (queue, concurrent) = (&controller.queue, controller.settings.concurrent);
    let serve = serve(queue, concurrent, listed, &synced, &shutdown, handler);
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
            Change::Undecodable { key, error } => {
                record_unreadable::<D::Object>(&self.recorder, key, error);
                return;
            }
        };
        if let Some(triggers) = reason(old.map(Arc::as_ref), new.as_ref()) {
            self.queue.add(ObjectKey::of(new.as_ref()), triggers);
        }
    }

    /// Forgets an object that is gone.
    fn forget(&self, key: &ObjectKey) {
        self.sources.forget(key);
        self.pace.forget(key);
        self.statuses.forget(key);
        self.secrets.forget(key);
        self.queue.forget(key);
    }

    /// The status that an object has: what was written last, or what the watch has brought.
    fn status_of(&self, object: &D::Object) -> ConsumerStatus {
        let seen = || object.status().cloned().unwrap_or_default();
        status_of(object, &self.statuses, seen)
    }
}
