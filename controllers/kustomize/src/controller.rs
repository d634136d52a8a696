//! The controller: its watches, what they wake, and the queue that they feed.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use artifact_consumer::{ArtifactIndex, ArtifactName, SourceKey};
use artifact_crd::Artifact;
use controller_kit::apply::FieldManagers;
use controller_kit::artifact::ContentCache;
use controller_kit::events::EventRecorder;
use controller_kit::interlock::{Claims, Interlock};
use controller_kit::live::LiveStore;
use controller_kit::{
    Change, FairBudget, Mapper, Metrics, ObjectKey, Queue, RefIndex, Rest, SharedWatch, Triggers, WatchCache,
    WatchState,
};
use flux_api::{KUSTOMIZE_NAME, Kustomization, REQUESTED_AT, Tolerant};
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::{ConfigMap, Secret};
use kube::core::PartialObjectMeta;
use kube::runtime::watcher;
use kube::{Api, Client, ResourceExt};
use parking_lot::{Mutex, RwLock};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::Settings;
use crate::context::{CONTROLLER, CONTROLLER_LABEL, Context};
use crate::fan_out::dependencies;
use crate::reconcile::reconcile;
use crate::takeover::Progress;
use crate::vanished::Vanished;
use crate::written::WrittenStatuses;

/// How many builds fetch from other machines at once, of all namespaces and of one.
const REMOTE_BUILDS: (usize, usize) = (8, 4);

/// How long outdated Artifacts are waited for: another process may be the one that mirrors.
const MIRROR_PATIENCE: Duration = Duration::from_secs(15);

/// What the controller is connected to.
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
    /// Managers to take over besides kubectl's (`--override-manager`).
    pub overridden_managers: Vec<String>,
    /// Fires once the Artifacts of this process are up to date with the sources. Until then, but not for long, they
    /// are not read: what was mirrored before the process began may be outdated.
    pub mirrored: CancellationToken,
}

/// Runs the kustomize controller until `shutdown`; `synced` fires when its caches are complete.
///
/// On shutdown, runs in progress are given time to end by the caller; what they leave is picked up by the next start.
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
        overridden_managers,
        mirrored,
    } = connections;
    let managers = FieldManagers {
        own: CONTROLLER.to_owned(),
        overridden: overridden_managers,
    };
    let mapper = Mapper::new(client.clone());
    let concurrent = settings.concurrent;
    metrics.set_concurrency(CONTROLLER_LABEL, concurrent);
    let context = Arc::new(Context {
        shutdown: shutdown.clone(),
        rest: Rest::new(client.clone()),
        live: LiveStore::new(
            client.clone(),
            mapper.clone(),
            managers,
            KUSTOMIZE_NAME,
            namespace.clone(),
            shutdown.clone(),
        ),
        mapper,
        content,
        recorder,
        queue: Queue::new(settings.backoff, metrics.queue(CONTROLLER_LABEL)),
        metrics,
        interlock: Interlock::new(CONTROLLER),
        objects: WatchCache::default(),
        namespace: namespace.clone(),
        references: Mutex::default(),
        progress: Progress::default(),
        vanished: Vanished::default(),
        artifacts: RwLock::new(ArtifactIndex::default()),
        artifact_watch: artifacts,
        written: WrittenStatuses::default(),
        memory: Mutex::default(),
        awaiting: Mutex::default(),
        builds: tokio::sync::Semaphore::new(std::thread::available_parallelism().map_or(2, usize::from)),
        remote_builds: FairBudget::new(REMOTE_BUILDS.0, REMOTE_BUILDS.1),
        gave_way: Mutex::default(),
        settings,
    });
    let watches = Watches {
        context: Arc::clone(&context),
    };
    let tasks = TaskTracker::new();
    tasks.spawn(
        watches
            .clone()
            .follow_objects(client.clone(), namespace.clone(), shutdown.clone()),
    );
    let following = CancellationToken::new();
    tasks.spawn(
        watches
            .clone()
            .follow_artifacts(mirrored, following.clone(), shutdown.clone()),
    );
    if let Some(selector) = &context.settings.watch_configs {
        let config = watcher::Config::default().labels(selector);
        tasks.spawn(watches.clone().follow_configs::<ConfigMap>(
            "ConfigMap",
            watched(&client, namespace.as_deref()),
            config.clone(),
            shutdown.clone(),
        ));
        tasks.spawn(watches.clone().follow_configs::<Secret>(
            "Secret",
            watched(&client, namespace.as_deref()),
            config,
            shutdown.clone(),
        ));
    }
    let deployments = WatchCache::<Deployment>::default();
    if context.settings.interlock {
        tasks.spawn(
            watches
                .clone()
                .follow_stock(deployments.clone(), client.clone(), shutdown.clone()),
        );
    }
    tokio::select! {
        () = shutdown.cancelled() => return,
        () = async {
            following.cancelled().await;
            tokio::join!(context.objects.settled(), context.artifact_watch.settled());
            if context.settings.interlock {
                stock_is_known(&deployments).await;
            }
        } => {}
    }
    synced.cancel();
    let shared = Arc::clone(&context);
    let handler = move |run| reconcile(Arc::clone(&shared), run);
    context.queue.serve(concurrent, shutdown, handler).await;
    tasks.close();
    tasks.wait().await;
}

/// Waits until Deployments have been listed: before that nobody knows which objects a stock controller reconciles too.
async fn stock_is_known(deployments: &WatchCache<Deployment>) {
    if let WatchState::Unavailable(reason) = deployments.settled().await {
        tracing::error!(
            error = reason,
            "nothing is reconciled before Deployments can be listed, because a stock controller may reconcile the same \
             objects: let this controller list and watch Deployments in all namespaces, or start it with --interlock=false"
        );
    }
    deployments.synced().await;
}

/// The objects of a kind that are watched.
fn watched<K>(client: &Client, namespace: Option<&str>) -> Api<K>
where
    K: kube::Resource<DynamicType = (), Scope = kube::core::NamespaceResourceScope>,
{
    match namespace {
        Some(namespace) => Api::namespaced(client.clone(), namespace),
        None => Api::all(client.clone()),
    }
}

#[derive(Clone)]
struct Watches {
    context: Arc<Context>,
}

/// Who refers to what, for all Kustomizations that are ours.
#[derive(Default)]
pub(crate) struct References {
    pub(crate) sources: RefIndex<SourceKey, ObjectKey>,
    dependencies: RefIndex<ObjectKey, ObjectKey>,
    configs: RefIndex<(&'static str, ObjectKey), ObjectKey>,
}

impl Watches {
    async fn follow_objects(self, client: Client, namespace: Option<String>, shutdown: CancellationToken) {
        let api: Api<Tolerant<Kustomization>> = watched(&client, namespace.as_deref());
        let cache = self.context.objects.clone();
        cache
            .run(api, watcher::Config::default(), shutdown, |change| {
                self.object_changed(&change);
            })
            .await;
    }

    fn object_changed(&self, change: &Change<'_, Kustomization>) {
        match change {
            Change::Applied { old, new } => {
                let key = ObjectKey::of(new.as_ref());
                let ours = self.context.is_ours(new);
                self.context.written.seen(&key, new);
                self.context
                    .references
                    .lock()
                    .update(&self.context, &key, ours.then_some(new));
                let was_ours = old.is_some_and(|old| self.context.is_ours(old));
                if ours && !was_ours {
                    self.context.queue.add(key.clone(), Triggers::STARTUP);
                } else if ours && let Some(old) = old {
                    let mut triggers = object_triggers(old, new);
                    if self.context.source_key(old) != self.context.source_key(new) {
                        // An annotation may say which source is meant.
                        triggers |= Triggers::OBJECT;
                    }
                    if triggers != Triggers::default() {
                        self.context.queue.add(key.clone(), triggers);
                    }
                } else if was_ours {
                    self.context.queue.forget(&key);
                    self.context.forget(&key);
                    if crate::interlock::stands_back(new) {
                        self.context.queue.add(key.clone(), Triggers::OBJECT);
                    }
                }
                if old.is_none_or(|old| readiness(old) != readiness(new)) {
                    self.wake_dependents(&key);
                }
                let settles = |old: &Arc<Kustomization>| {
                    readiness(old) != readiness(new) || object_triggers(old, new) != Triggers::default()
                };
                if old.is_none_or(settles) {
                    self.context.progress.notify();
                }
            }
            Change::Deleted { old } => {
                let key = ObjectKey::of(old.as_ref());
                self.context.references.lock().update(&self.context, &key, None);
                let status = self.context.written.latest(&key, old);
                let vanished = self.context.reconciles(old) && self.context.vanished.note(old, status);
                self.context.queue.forget(&key);
                self.context.forget(&key);
                if vanished {
                    tracing::warn!(
                        namespace = %key.namespace, name = %key.name,
                        "the Kustomization has vanished in spite of its finalizer, which was written while it was being deleted; what it applied is dealt with now"
                    );
                    self.context.queue.add(key.clone(), Triggers::OBJECT);
                }
                self.wake_dependents(&key);
                self.context.progress.notify();
            }
            Change::Undecodable { .. } => {}
        }
    }

    /// Wakes those who wait for `key`; whoever is not waiting has nothing to do.
    fn wake_dependents(&self, key: &ObjectKey) {
        let awaiting = self.context.awaiting.lock();
        for dependent in self.context.references.lock().dependencies.referrers(key) {
            if awaiting.contains(dependent) {
                self.context.queue.add(dependent.clone(), Triggers::DEPENDENCY);
            }
        }
    }

    /// Follows stock's controllers: what they begin or cease to reconcile is ours no more, or again.
    async fn follow_stock(self, cache: WatchCache<Deployment>, client: Client, shutdown: CancellationToken) {
        let on_change = |before: &Claims, after: &Claims| {
            for object in self.context.objects.all() {
                let key = ObjectKey::of(object.as_ref());
                let rival = |claims: &Claims| claims.rival(&key.namespace, object.labels());
                if self.context.is_ours(&object) && rival(before) != rival(after) {
                    // What happened to its objects meanwhile is not known, so that all are verified.
                    self.context.queue.add(key, Triggers::STARTUP);
                }
            }
        };
        let interlock = &self.context.interlock;
        interlock.follow(&cache, client, shutdown, on_change).await;
    }

    /// Follows Artifacts once they are up to date, and says by `following` when it has begun to.
    async fn follow_artifacts(
        self,
        mirrored: CancellationToken,
        following: CancellationToken,
        shutdown: CancellationToken,
    ) {
        tokio::select! {
            () = shutdown.cancelled() => return,
            () = mirrored.cancelled() => {}
            () = tokio::time::sleep(MIRROR_PATIENCE) => {
                tracing::info!("not every source has been mirrored yet; Artifacts are deployed as they are");
            }
        }
        let context = Arc::clone(&self.context);
        let _following = self.context.artifact_watch.follow(move |change| {
            let touched = match change {
                Change::Applied { new, .. } => context.artifacts.write().apply(new),
                Change::Deleted { old } => context.artifacts.write().remove(&ArtifactName::of(old)),
                Change::Undecodable { .. } => return,
            };
            let consumers = {
                let references = context.references.lock();
                let consumers = touched.iter().flat_map(|key| references.sources.referrers(key));
                consumers.cloned().collect()
            };
            context.wake_consumers(&consumers);
            context.progress.notify();
        });
        following.cancel();
        shutdown.cancelled().await;
    }

    /// Follows ConfigMaps or Secrets that ask to be followed by their label; only metadata is read.
    async fn follow_configs<K>(
        self,
        kind: &'static str,
        api: Api<PartialObjectMeta<K>>,
        config: watcher::Config,
        shutdown: CancellationToken,
    ) where
        K: kube::Resource<DynamicType = (), Scope = kube::core::NamespaceResourceScope>
            + Clone
            + std::fmt::Debug
            + Send
            + Sync
            + 'static,
    {
        use futures::StreamExt;
        let mut seen: BTreeMap<ObjectKey, String> = BTreeMap::new();
        let mut synced = false;
        let mut listed: BTreeSet<ObjectKey> = BTreeSet::new();
        let mut events = std::pin::pin!(watcher::watcher(api, config));
        loop {
            let event = tokio::select! {
                () = shutdown.cancelled() => return,
                event = events.next() => event,
            };
            let changed: Vec<ObjectKey> = match event {
                Some(Ok(watcher::Event::Apply(object) | watcher::Event::InitApply(object))) => {
                    let key = ObjectKey::of(&object);
                    listed.insert(key.clone());
                    let version = object.metadata.resource_version.unwrap_or_default();
                    let known = seen.insert(key.clone(), version.clone());
                    // What was there before we looked is no change.
                    let is_new = synced && known.as_ref() != Some(&version);
                    is_new.then_some(key).into_iter().collect()
                }
                Some(Ok(watcher::Event::Delete(object))) => {
                    let key = ObjectKey::of(&object);
                    seen.remove(&key).map(|_| key).into_iter().collect()
                }
                Some(Ok(watcher::Event::Init)) => {
                    listed.clear();
                    Vec::new()
                }
                Some(Ok(watcher::Event::InitDone)) => {
                    synced = true;
                    let gone: Vec<_> = seen.keys().filter(|key| !listed.contains(key)).cloned().collect();
                    seen.retain(|key, _| listed.contains(key));
                    gone
                }
                Some(Err(error)) => {
                    tracing::warn!(kind, %error, "cannot watch labelled configuration, retrying");
                    tokio::select! {
                        () = shutdown.cancelled() => return,
                        () = tokio::time::sleep(Duration::from_secs(5)) => {}
                    }
                    Vec::new()
                }
                None => return,
            };
            for referrer in changed.iter().flat_map(|key| {
                let references = self.context.references.lock();
                references
                    .configs
                    .referrers(&(kind, key.clone()))
                    .cloned()
                    .collect::<Vec<_>>()
            }) {
                self.context.queue.add(referrer, Triggers::CONFIG);
            }
        }
    }
}

impl References {
    fn update(&mut self, context: &Context, key: &ObjectKey, object: Option<&Arc<Kustomization>>) {
        let Some(object) = object else {
            self.sources.set(key, vec![]);
            self.dependencies.set(key, vec![]);
            self.configs.set(key, vec![]);
            return;
        };
        let namespace = key.namespace.as_str();
        self.sources
            .set(key, context.source_key(object).into_iter().collect());
        self.dependencies.set(key, dependencies(object));
        let references = object
            .spec
            .post_build
            .iter()
            .flat_map(|post_build| &post_build.substitute_from);
        let config = |reference: &flux_api::SubstituteReference| {
            let kind = if reference.kind == "Secret" {
                "Secret"
            } else {
                "ConfigMap"
            };
            (kind, ObjectKey::new(namespace, reference.name.as_str()))
        };
        self.configs.set(key, references.map(config).collect());
    }
}

/// Tells what about an object itself asks for a run: its spec, its deletion, or a request.
fn object_triggers(old: &Kustomization, new: &Kustomization) -> Triggers {
    let mut triggers = Triggers::default();
    let deleted = |object: &Kustomization| object.metadata.deletion_timestamp.is_some();
    if old.metadata.generation != new.metadata.generation || deleted(old) != deleted(new) {
        triggers |= Triggers::OBJECT;
    }
    let requested = |object: &Kustomization| {
        object
            .metadata
            .annotations
            .as_ref()
            .and_then(|annotations| annotations.get(REQUESTED_AT))
            .cloned()
    };
    if requested(new).is_some() && requested(old) != requested(new) {
        triggers |= Triggers::REQUESTED;
    }
    triggers
}

/// What dependents look at.
fn readiness(object: &Kustomization) -> (i64, Option<i64>, String, String) {
    use flux_api::ConditionsExt;
    let ready = object.status.conditions.get_condition(flux_api::READY);
    (
        object.status.observed_generation,
        object.metadata.generation,
        ready.map(|ready| ready.status.clone()).unwrap_or_default(),
        object.status.last_applied_revision.clone(),
    )
}
