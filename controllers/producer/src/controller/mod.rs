//! The controller of one kind of source: watches and queue, and what goes on beside them.

mod keeper;
mod look;
mod places;
mod report;
mod tell;
mod upkeep;

use std::sync::Arc;

use artifact_crd::{Artifact, SourceStatus};
use artifact_store::Store;
use controller_kit::author::{
    Pace, Readers, follow_secrets, reason, record_unreadable, scope, serve, status_of,
};
use controller_kit::events::EventRecorder;
use controller_kit::{
    Backoff, Change, FairBudget, Metrics, ObjectKey, Queue, Run, SharedWatch, Triggers, WatchCache, Written,
    is_newer,
};
use kube::core::Selector;
use kube::runtime::watcher;
use kube::{Client, ResourceExt};
use tokio_util::sync::CancellationToken;

use crate::http::Fetching;
use crate::metrics::ProducerMetrics;
use crate::publish::{Writer, is_abandoned};
use crate::tidy::tidy;
use crate::{FetchSettings, Owner, Produce, Source, Storage, Wake};

/// What a producer is connected to.
pub struct Connections {
    /// Client that acts as the controller.
    pub client: Client,
    /// The Artifacts of the namespaces that are watched.
    pub artifacts: SharedWatch<Artifact>,
    /// Takes events.
    pub recorder: EventRecorder,
    /// Counts.
    pub metrics: Metrics,
    /// Namespace to restrict watches to; all namespaces when absent.
    pub namespace: Option<String>,
    /// The volume.
    pub storage: Storage,
}

/// How a producer works.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Its name: field manager, reporter of events, and `app.kubernetes.io/managed-by` of its Artifacts.
    pub name: &'static str,
    /// Sources to look at, by labels.
    pub selector: Selector,
    /// How many are looked at at once.
    pub concurrent: usize,
    /// By how many percent pauses are spread.
    pub interval_jitter: u8,
    /// Pauses between looks that fail.
    pub backoff: Backoff,
    /// What authors may fetch.
    pub fetching: FetchSettings,
}

pub(crate) struct Controller<P: Produce> {
    produce: P,
    client: Client,
    sources: WatchCache<P::Source>,
    artifacts: SharedWatch<Artifact>,
    /// Artifacts that were written and have not come back through the watch.
    written: Written<Artifact>,
    /// Statuses of sources, likewise.
    statuses: Written<SourceStatus>,
    pace: Pace,
    /// Which Secrets sources read at their last look.
    secrets: Readers,
    queue: Queue<ObjectKey>,
    /// Who may look at a source now.
    places: FairBudget,
    store: Store,
    storage: Storage,
    recorder: EventRecorder,
    metrics: Metrics,
    counts: ProducerMetrics,
    settings: Settings,
    writer: Writer,
    fetching: Fetching,
}

/// Runs a producer until `shutdown`; `synced` fires when its caches are complete and its files are served.
///
/// On shutdown, looks in progress are given time to end by the caller.
pub async fn run<P: Produce>(
    produce: P,
    connections: Connections,
    settings: Settings,
    synced: CancellationToken,
    shutdown: CancellationToken,
) {
    let Connections {
        client,
        artifacts,
        recorder,
        metrics,
        namespace,
        storage,
    } = connections;
    let Some((store, counts)) = storage.ready(&metrics, &shutdown).await else {
        return;
    };
    let label = kind::<P>().to_lowercase();
    metrics.set_concurrency(&label, settings.concurrent);
    let fetching = match Fetching::new(&settings.fetching) {
        Ok(fetching) => fetching,
        Err(error) => {
            tracing::error!(%error, "cannot read the certificates of the system");
            return;
        }
    };
    let controller = Arc::new(Controller {
        produce,
        sources: WatchCache::default(),
        artifacts,
        written: Written::default(),
        statuses: Written::default(),
        pace: Pace::new(settings.backoff, settings.interval_jitter),
        secrets: Readers::default(),
        fetching,
        queue: Queue::new(settings.backoff, metrics.queue(&label)),
        places: places::of(settings.concurrent),
        recorder: recorder.reporting_as(settings.name),
        store,
        storage,
        counts,
        metrics,
        writer: Writer {
            manager: settings.name,
            labels: [(
                "app.kubernetes.io/managed-by".to_owned(),
                settings.name.to_owned(),
            )]
            .into(),
        },
        settings,
        client: client.clone(),
    });
    let api = scope(&client, namespace.as_deref());
    let config = watcher::Config::default().labels(&controller.settings.selector.to_string());
    let watched = Arc::clone(&controller);
    let watch = controller
        .sources
        .run(api, config, shutdown.clone(), move |change| watched.hear(change));
    let _following = controller.follow_artifacts();
    // Whoever keeps this is part of the controller.
    let waking = Arc::downgrade(&controller);
    controller.produce.listen(Wake(Arc::new(move |key| {
        if let Some(controller) = waking.upgrade() {
            controller.queue.add(key.clone(), Triggers::CONFIG);
        }
    })));
    let waking = Arc::clone(&controller);
    let secrets = follow_secrets(client, namespace, shutdown.clone(), move |secret| {
        for source in waking.secrets.of(&secret) {
            waking.queue.add(source, Triggers::CONFIG);
        }
    });
    // Without knowing which Artifacts exist, every decision would be wrong.
    let listed = async {
        controller.artifacts.synced().await;
        controller.sources.settled().await;
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
        &controller.storage,
        &controller.counts,
        &shutdown,
    );
    tokio::join!(watch, serve, secrets, tidy);
}

/// The kind of source that a producer makes Artifacts of.
pub(crate) fn kind<P: Produce>() -> String {
    <P::Source as kube::Resource>::kind(&()).into_owned()
}

impl<P: Produce> Controller<P> {
    /// Hears of a change of a source.
    fn hear(&self, change: Change<'_, P::Source>) {
        let (old, new) = match change {
            Change::Applied { old, new } => (old, new),
            Change::Deleted { old } => {
                self.queue.add(ObjectKey::of(old.as_ref()), Triggers::OBJECT);
                return;
            }
            Change::Undecodable { key, error } => {
                record_unreadable::<P::Source>(&self.recorder, key, error);
                return;
            }
        };
        if let Some(triggers) = reason(old.map(Arc::as_ref), new.as_ref()) {
            self.queue.add(ObjectKey::of(new.as_ref()), triggers);
        }
    }

    /// Hears of changes of Artifacts that belong to sources of the kind.
    fn follow_artifacts(self: &Arc<Self>) -> controller_kit::Following<Artifact> {
        let controller = Arc::clone(self);
        self.artifacts.follow(move |change| {
            let (artifact, is_gone) = match change {
                Change::Applied { new, .. } => (new, false),
                Change::Deleted { old } => (old, true),
                Change::Undecodable { .. } => return,
            };
            let key = ObjectKey::of(artifact.as_ref());
            if is_gone {
                controller.written.forget(&key);
            } else {
                let seen = artifact.resource_version().unwrap_or_default();
                let own = controller.written.version(&key);
                controller.written.seen(&key, &seen);
                if own.is_some_and(|own| own == seen || is_newer(&own, &seen)) {
                    // Only the echo of our own write.
                    return;
                }
            }
            let source = Self::owner_of(artifact).or_else(|| controller.maker_of(artifact));
            if let Some(source) = source {
                controller.queue.add(source, Triggers::ARTIFACT);
            }
        })
    }

    /// The source whose Artifact does not say any more that it is, by who wrote it and its name.
    fn maker_of(&self, artifact: &Artifact) -> Option<ObjectKey> {
        if !is_abandoned(artifact, self.writer.manager) {
            return None;
        }
        let (namespace, name) = (artifact.namespace()?, artifact.name_any());
        let prefix = format!("{}-{namespace}-", kind::<P>().to_lowercase());
        let whole = name.strip_prefix(&prefix)?;
        // It may end in a hash.
        let stem = whole.rsplit_once('-').map(|(stem, _)| stem);
        let key = |name: &str| ObjectKey::new(&namespace, name);
        let known = stem.map(key).filter(|key| self.sources.get(key).is_some());
        let is_known = self.sources.get(&key(whole)).is_some();
        Some(known.filter(|_| !is_known).unwrap_or_else(|| key(whole)))
    }

    /// The source that an Artifact says it belongs to.
    fn owner_of(artifact: &Artifact) -> Option<ObjectKey> {
        let namespace = artifact.namespace().unwrap_or_default();
        let named = |name: &str| Owner {
            api_version: <P::Source as kube::Resource>::api_version(&()).into_owned(),
            kind: kind::<P>(),
            namespace: namespace.clone(),
            name: name.to_owned(),
            uid: String::new(),
        };
        let mut owners = artifact.owner_references().iter();
        let owner = owners.find(|owner| named(&owner.name).is_named_by(owner))?;
        Some(ObjectKey::new(&namespace, &owner.name))
    }

    /// The status that a source has: what was written last, or what the watch has brought.
    fn status_of(&self, source: &P::Source) -> SourceStatus {
        let seen = || source.status().cloned().unwrap_or_default();
        status_of(source, &self.statuses, seen)
    }
}
