//! The adapters at work: watches in, requests out.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use artifact_crd::{ADAPTER_MANAGER, Artifact, ArtifactSpec};
use artifact_producer::Owner;
use artifact_producer::publish::{self, Writer};
use controller_kit::artifact::HostAllowList;
use controller_kit::author::scope;
use controller_kit::events::{EventRecord, EventRecorder, Regarding, Severity};
use controller_kit::{
    Backoff, Change, Following, Metrics, ObjectKey, Queue, Requeue, Run, SharedWatch, Triggers, WatchCache,
    WatchState, Written, is_newer,
};
use flux_api::{Bucket, ExternalArtifact, GitRepository, HelmChart, HelmRepository, OCIRepository};
use k8s_openapi::jiff::Timestamp;
use kube::runtime::watcher;
use kube::{Api, Client, ResourceExt};
use parking_lot::Mutex;
use serde::de::DeserializeOwned;
use tokio_util::sync::CancellationToken;

use crate::decide::{Decision, Existing, Nothing, Step, decide};
use crate::first_look::FirstLook;
use crate::name::{MANAGED_BY, MANAGED_BY_VALUE, artifact_names, is_ours};
use crate::source::Mirrored;
use crate::{ObservedSource, SourceId, SourceKind, conditions};

/// The name of the controller in metrics and logs.
const CONTROLLER: &str = "source-adapter";

/// How long to wait for a kind that cannot be watched before its Artifacts are looked at again.
const UNAVAILABLE_RETRY: Duration = Duration::from_secs(15);

/// What the adapters are allowed and how much they do at once.
#[derive(Clone, Debug)]
pub struct AdapterOptions {
    /// The hosts whose URLs are taken over.
    pub hosts: HostAllowList,
    /// The namespace to watch; `None` means all.
    pub namespace: Option<String>,
    /// How many sources are handled at the same time. The work is waiting for the API server.
    pub concurrency: usize,
}

/// Mirrors sources until `shutdown`.
///
/// A missing CRD, of Artifact or of a source kind, is waited for: kinds that are there work meanwhile. `mirrored` fires
/// once every source that there was at the start has been mirrored. `artifacts` covers the namespaces of `options`.
pub async fn run(
    client: Client,
    artifacts: SharedWatch<Artifact>,
    options: AdapterOptions,
    metrics: Metrics,
    events: EventRecorder,
    mirrored: CancellationToken,
    shutdown: CancellationToken,
) {
    let concurrency = options.concurrency;
    metrics.set_concurrency(CONTROLLER, concurrency);
    let queue = Queue::new(Backoff::default(), metrics.queue(CONTROLLER));
    let adapters = Arc::new(Adapters {
        client,
        options,
        metrics,
        events,
        queue: queue.clone(),
        artifacts,
        by_owner: Mutex::default(),
        written: Written::default(),
        reported: Mutex::default(),
        git: WatchCache::default(),
        oci: WatchCache::default(),
        bucket: WatchCache::default(),
        helm_repository: WatchCache::default(),
        helm_chart: WatchCache::default(),
        external: WatchCache::default(),
        first_look: FirstLook::new(mirrored),
    });
    let _following = adapters.follow_artifacts();
    let handler = {
        let adapters = Arc::clone(&adapters);
        move |run: Run<SourceId>| {
            let adapters = Arc::clone(&adapters);
            async move { adapters.handle(&run.key).await }
        }
    };
    let serve = async {
        // Without knowing which Artifacts exist, every decision would be wrong.
        tokio::select! {
            () = shutdown.cancelled() => return,
            () = adapters.artifacts.synced() => {}
        }
        queue.serve(concurrency, shutdown.clone(), handler).await;
    };
    tokio::join!(
        serve,
        adapters.look_at_all(&shutdown),
        adapters.watch(&adapters.git, &shutdown),
        adapters.watch(&adapters.oci, &shutdown),
        adapters.watch(&adapters.bucket, &shutdown),
        adapters.watch(&adapters.helm_repository, &shutdown),
        adapters.watch(&adapters.helm_chart, &shutdown),
        adapters.watch(&adapters.external, &shutdown),
    );
}

struct Adapters {
    client: Client,
    options: AdapterOptions,
    metrics: Metrics,
    events: EventRecorder,
    queue: Queue<SourceId>,
    artifacts: SharedWatch<Artifact>,
    /// Artifacts that others made, by the UID of the source that controls them.
    by_owner: Mutex<HashMap<String, ObjectKey>>,
    /// What was written, as long as it has not come back through the watch.
    written: Written<Artifact>,
    /// What was last reported about a source that has no Artifact to hold conditions.
    reported: Mutex<HashMap<SourceId, Nothing>>,
    git: WatchCache<GitRepository>,
    oci: WatchCache<OCIRepository>,
    bucket: WatchCache<Bucket>,
    helm_repository: WatchCache<HelmRepository>,
    helm_chart: WatchCache<HelmChart>,
    external: WatchCache<ExternalArtifact>,
    first_look: FirstLook,
}

/// A source as the caches know it.
enum Known {
    Source(Box<ObservedSource>),
    Gone,
    /// It exists in a form that cannot be read, so that nothing is known of it; its next version brings an event.
    Undecodable,
    Unknown(WatchState),
}

impl Adapters {
    /// Has every source looked at once, as soon as it is known which there are.
    async fn look_at_all(&self, shutdown: &CancellationToken) {
        let listed = async {
            tokio::join!(
                self.git.settled(),
                self.oci.settled(),
                self.bucket.settled(),
                self.helm_repository.settled(),
                self.helm_chart.settled(),
                self.external.settled(),
            );
        };
        tokio::select! {
            () = shutdown.cancelled() => return,
            () = listed => {}
        }
        let mut sources = ids(&self.git);
        sources.extend(ids(&self.oci));
        sources.extend(ids(&self.bucket));
        sources.extend(ids(&self.helm_repository));
        sources.extend(ids(&self.helm_chart));
        sources.extend(ids(&self.external));
        self.first_look.begin(&sources);
        for source in sources {
            self.queue.add(source, Triggers::STARTUP);
        }
    }

    async fn watch<K>(&self, cache: &WatchCache<K>, shutdown: &CancellationToken)
    where
        K: Mirrored
            + kube::Resource<DynamicType = (), Scope = kube::core::NamespaceResourceScope>
            + Clone
            + DeserializeOwned
            + std::fmt::Debug
            + Send
            + Sync
            + 'static,
    {
        let on_change = |change: Change<'_, K>| {
            if let Change::Applied { new: source, .. } | Change::Deleted { old: source } = change {
                self.queue.add(source_id::<K>(source.as_ref()), Triggers::OBJECT);
            }
        };
        cache
            .run(
                scope(&self.client, self.options.namespace.as_deref()),
                watcher::Config::default(),
                shutdown.clone(),
                on_change,
            )
            .await;
    }

    fn follow_artifacts(self: &Arc<Self>) -> Following<Artifact> {
        let adapters = Arc::clone(self);
        self.artifacts.follow(move |change| match change {
            Change::Applied { old, new } => {
                if let Some(old) = old {
                    adapters.unlink(old);
                }
                adapters.link(new);
                adapters.enqueue_owner(new);
            }
            Change::Deleted { old } => {
                adapters.written.forget(&ObjectKey::of(old.as_ref()));
                adapters.unlink(old);
                adapters.enqueue_owner(old);
            }
            Change::Undecodable { .. } => {}
        })
    }

    fn link(&self, artifact: &Artifact) {
        if let Some((_, uid)) = controlling_source(artifact).filter(|_| !is_ours(artifact)) {
            self.by_owner
                .lock()
                .insert(uid.to_owned(), ObjectKey::of(artifact));
        }
    }

    fn unlink(&self, artifact: &Artifact) {
        if let Some((_, uid)) = controlling_source(artifact) {
            let mut by_owner = self.by_owner.lock();
            if by_owner
                .get(uid)
                .is_some_and(|key| *key == ObjectKey::of(artifact))
            {
                by_owner.remove(uid);
            }
        }
    }

    /// Looks at the source of an Artifact again, unless the event is only the echo of our own write.
    fn enqueue_owner(&self, artifact: &Artifact) {
        let (key, seen) = (ObjectKey::of(artifact), version(artifact));
        let own = self.written.version(&key);
        let caught_up = own.as_deref().is_some_and(|own| !is_newer(own, seen));
        let echo = own.as_deref().is_some_and(|own| !is_newer(seen, own));
        self.written.seen(&key, seen);
        if let Some((id, _)) = controlling_source(artifact).filter(|_| caught_up) {
            self.first_look.looked_at(&id);
        }
        if echo && artifact.metadata.deletion_timestamp.is_none() {
            return;
        }
        if let Some((id, _)) = controlling_source(artifact) {
            self.queue.add(id, Triggers::ARTIFACT);
        }
    }

    fn source(&self, id: &SourceId) -> Known {
        match id.kind {
            SourceKind::GitRepository => known(&self.git, id),
            SourceKind::OciRepository => known(&self.oci, id),
            SourceKind::Bucket => known(&self.bucket, id),
            SourceKind::HelmRepository => known(&self.helm_repository, id),
            SourceKind::HelmChart => known(&self.helm_chart, id),
            SourceKind::ExternalArtifact => known(&self.external, id),
        }
    }

    /// The newest known state of an Artifact: the cached one, or what was written after it.
    fn artifact(&self, key: &ObjectKey) -> Option<Artifact> {
        self.written.newest(key, || {
            let cached = self.artifacts.get(key)?;
            Some((version(&cached).to_owned(), Artifact::clone(&cached)))
        })
    }

    /// Whether something was written of an Artifact that has not come back through the watch.
    fn is_awaited(&self, key: &ObjectKey) -> bool {
        let awaited = match self.artifacts.get(key) {
            Some(cached) => self.written.newer_than(key, version(&cached)),
            None => self.written.newest(key, || None),
        };
        awaited.is_some()
    }

    async fn handle(&self, id: &SourceId) -> Requeue {
        let requeue = self.mirror(id).await;
        // Anything else will be looked at again soon. What was written is not read by the deployers of this process
        // before the watch that they share has brought it back.
        let is_awaited = |name: &String| self.is_awaited(&ObjectKey::new(&id.namespace, name));
        if requeue == Requeue::Never && !artifact_names(id).iter().any(is_awaited) {
            self.first_look.looked_at(id);
        }
        requeue
    }

    async fn mirror(&self, id: &SourceId) -> Requeue {
        let started = Instant::now();
        let source = match self.source(id) {
            Known::Source(source) => Some(source),
            Known::Gone => None,
            Known::Undecodable => return Requeue::Never,
            Known::Unknown(WatchState::Starting) => return Requeue::After(Duration::from_millis(100)),
            // Without its CRD a source cannot be told from a deleted one, so nothing is deleted.
            Known::Unknown(_) => return Requeue::After(UNAVAILABLE_RETRY),
        };
        let names = artifact_names(id);
        let key = |name: &String| ObjectKey::new(&id.namespace, name);
        let [first, second] = [&names[0], &names[1]].map(|name| self.artifact(&key(name)));
        let foreign = source
            .as_ref()
            .and_then(|source| self.by_owner.lock().get(&source.uid).cloned());
        let existing = Existing {
            named: [first.as_ref(), second.as_ref()],
            foreign: foreign.as_ref().map(|key| key.name.as_str()),
        };
        let decision = decide(id, source.as_deref(), &names, existing, &self.options.hosts);
        let result = self.act(id, source.as_deref(), existing, &decision).await;
        self.report(id, source.as_deref(), &decision, result, started.elapsed())
    }

    async fn act(
        &self,
        id: &SourceId,
        source: Option<&ObservedSource>,
        existing: Existing<'_>,
        decision: &Decision,
    ) -> kube::Result<()> {
        let api: Api<Artifact> = Api::namespaced(self.client.clone(), &id.namespace);
        match (&decision.step, source) {
            (Step::Delete { name, uid }, _) => publish::delete(&api, name, uid).await,
            (Step::Keep { name }, Some(source)) => {
                let same = |artifact: &&Artifact| artifact.metadata.name.as_ref() == Some(name);
                let (Some(artifact), Some(ready)) =
                    (existing.named.into_iter().flatten().find(same), &decision.ready)
                else {
                    return Ok(());
                };
                if let Some(status) = conditions::status(artifact, ready, source, Timestamp::now()) {
                    self.remember(writer().apply_status(&api, name, &status).await?);
                }
                Ok(())
            }
            (Step::Apply { name, spec }, Some(source)) => self.apply(&api, name, id, source, spec).await,
            (Step::Replace { name, uid, spec }, Some(source)) => {
                publish::delete(&api, name, uid).await?;
                self.written.forget(&ObjectKey::new(&id.namespace, name));
                self.apply(&api, name, id, source, spec).await
            }
            (Step::Nothing { .. } | Step::Keep { .. } | Step::Apply { .. } | Step::Replace { .. }, _) => {
                Ok(())
            }
        }
    }

    async fn apply(
        &self,
        api: &Api<Artifact>,
        name: &str,
        id: &SourceId,
        source: &ObservedSource,
        spec: &ArtifactSpec,
    ) -> kube::Result<()> {
        let owner = Owner {
            api_version: source.api_version.clone(),
            kind: id.kind.as_str().to_owned(),
            namespace: id.namespace.clone(),
            name: id.name.clone(),
            uid: source.uid.clone(),
        };
        self.remember(writer().apply(api, name, None, &owner, spec).await?);
        // The conditions can wait: first every source gets its Artifact, at the end of the queue its conditions.
        self.queue.add(id.clone(), Triggers::OBJECT);
        Ok(())
    }

    fn remember(&self, artifact: Artifact) {
        let (key, version) = (ObjectKey::of(&artifact), version(&artifact).to_owned());
        self.written.remember(&key, version, artifact);
    }

    fn report(
        &self,
        id: &SourceId,
        source: Option<&ObservedSource>,
        decision: &Decision,
        result: kube::Result<()>,
        took: Duration,
    ) -> Requeue {
        match &decision.step {
            Step::Nothing { why } => self.report_nothing(id, source, why),
            Step::Apply { name, spec } | Step::Replace { name, spec, .. } => {
                self.reported.lock().remove(id);
                tracing::info!(source = %id, artifact = %name, revision = %spec.revision, "artifact mirrored");
            }
            Step::Delete { name, .. } => tracing::info!(source = %id, artifact = %name, "artifact deleted"),
            Step::Keep { .. } => {}
        }
        match result {
            Ok(()) => {
                self.metrics.reconciled(CONTROLLER, "success", took);
                Requeue::Never
            }
            Err(error) => {
                self.metrics.reconciled(CONTROLLER, "error", took);
                tracing::warn!(source = %id, %error, "cannot write the Artifact, retrying");
                Requeue::Backoff
            }
        }
    }

    /// Tells the people behind a source why it has no Artifact, once per reason.
    fn report_nothing(&self, id: &SourceId, source: Option<&ObservedSource>, why: &Nothing) {
        let (reason, message) = match why {
            Nothing::Gone | Nothing::NoArtifact | Nothing::Bridged => {
                self.reported.lock().remove(id);
                return;
            }
            Nothing::Foreign(name) => (
                "ForeignArtifact",
                format!(
                    "Artifact '{name}' already names this source as its controller; delete it to have the source mirrored"
                ),
            ),
            Nothing::NamesTaken => (
                "ArtifactNamesTaken",
                format!(
                    "Artifacts named {} exist and belong to somebody else; delete one to have the source mirrored",
                    artifact_names(id).join(" and ")
                ),
            ),
            Nothing::Refused(reason, message) => (*reason, message.clone()),
        };
        if self.reported.lock().insert(id.clone(), why.clone()).as_ref() == Some(why) {
            return;
        }
        tracing::warn!(source = %id, reason, message, "artifact not mirrored");
        let regarding = Regarding {
            api_version: source
                .map(|source| source.api_version.clone())
                .unwrap_or_default(),
            kind: id.kind.as_str().to_owned(),
            namespace: id.namespace.clone(),
            name: id.name.clone(),
            uid: source.map(|source| source.uid.clone()).unwrap_or_default(),
            ..Regarding::default()
        };
        self.events.record(EventRecord {
            regarding,
            severity: Severity::Error,
            reason: reason.to_owned(),
            message,
            metadata: std::collections::BTreeMap::default(),
        });
    }
}

fn known<K: Mirrored>(cache: &WatchCache<K>, id: &SourceId) -> Known {
    let key = ObjectKey::new(&id.namespace, &id.name);
    match cache.get(&key) {
        Some(source) => Known::Source(Box::new(ObservedSource::of(source.as_ref()))),
        None if cache.is_undecodable(&key) => Known::Undecodable,
        None if cache.state() == WatchState::Synced => Known::Gone,
        None => Known::Unknown(cache.state()),
    }
}

/// What the adapters write Artifacts as.
fn writer() -> Writer {
    Writer {
        manager: ADAPTER_MANAGER,
        labels: [(MANAGED_BY.to_owned(), MANAGED_BY_VALUE.to_owned())].into(),
    }
}

/// The sources of one kind.
fn ids<K: Mirrored + ResourceExt>(cache: &WatchCache<K>) -> Vec<SourceId> {
    cache
        .all()
        .iter()
        .map(|source| source_id::<K>(source.as_ref()))
        .collect()
}

fn source_id<K: Mirrored + ResourceExt>(source: &K) -> SourceId {
    SourceId {
        kind: K::KIND,
        namespace: source.namespace().unwrap_or_default(),
        name: source.name_any(),
    }
}

/// The stock source that controls an Artifact, and its UID.
fn controlling_source(artifact: &Artifact) -> Option<(SourceId, &str)> {
    let owner = artifact
        .owner_references()
        .iter()
        .find(|owner| owner.controller == Some(true))?;
    let group = owner.api_version.split_once('/').map_or("", |(group, _)| group);
    let kind = SourceKind::named(&owner.kind).filter(|_| group == flux_api::SOURCE_GROUP)?;
    let namespace = artifact.namespace().unwrap_or_default();
    Some((
        SourceId {
            kind,
            namespace,
            name: owner.name.clone(),
        },
        &owner.uid,
    ))
}

fn version(artifact: &Artifact) -> &str {
    artifact.metadata.resource_version.as_deref().unwrap_or_default()
}
