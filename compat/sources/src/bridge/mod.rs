//! The bridge: an ExternalArtifact for every Artifact of a custom source, so that stock deployers can use it.
//!
//! The ExternalArtifact has the name of the source, or that of the Artifact where somebody else's has that name, and
//! goes away with the Artifact. The Artifact says in an annotation which ExternalArtifact it is bridged to, so that a
//! reference to it means the same to our own deployers.

mod plan;

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use artifact_crd::{Artifact, BRIDGED_TO_ANNOTATION, GROUP, KIND, VERSION};
use artifact_producer::publish::claim;
use controller_kit::author::scope;
use controller_kit::events::{EventRecord, EventRecorder, Regarding, Severity};
use controller_kit::{
    Backoff, Change, Following, Metrics, ObjectKey, Queue, Requeue, Run, SharedWatch, Triggers, WatchCache,
};
use flux_api::{ExternalArtifact, NamespacedObjectKindReference, SourceStatus};
use k8s_openapi::jiff::Timestamp;
use kube::api::{Patch, PatchParams, PostParams};
use kube::runtime::watcher;
use kube::{Api, Client, Resource, ResourceExt};
use parking_lot::Mutex;
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use crate::{AdapterOptions, BRIDGED_FROM};

/// The name of the controller in metrics and logs, and its field manager.
const CONTROLLER: &str = "openflux-artifact-bridge";

/// When an Artifact whose names are taken is looked at again without an event.
const TAKEN_RETRY: Duration = Duration::from_mins(1);

/// Offers the Artifacts of custom sources as ExternalArtifacts until `shutdown`.
///
/// `artifacts` covers the namespaces of `options`.
pub async fn run(
    client: Client,
    artifacts: SharedWatch<Artifact>,
    options: AdapterOptions,
    metrics: Metrics,
    events: EventRecorder,
    shutdown: CancellationToken,
) {
    let concurrency = options.concurrency;
    metrics.set_concurrency(CONTROLLER, concurrency);
    let queue = Queue::new(Backoff::default(), metrics.queue(CONTROLLER));
    let bridge = Arc::new(Bridge {
        client,
        options,
        metrics,
        events,
        queue: queue.clone(),
        artifacts,
        externals: WatchCache::default(),
        reported: Mutex::default(),
    });
    let _following = bridge.follow_artifacts();
    let handler = {
        let bridge = Arc::clone(&bridge);
        move |run: Run<ObjectKey>| {
            let bridge = Arc::clone(&bridge);
            async move { bridge.handle(&run.key).await }
        }
    };
    let serve = async {
        tokio::select! {
            () = shutdown.cancelled() => return,
            _ = async { tokio::join!(bridge.artifacts.settled(), bridge.externals.settled()) } => {}
        }
        queue.serve(concurrency, shutdown.clone(), handler).await;
    };
    tokio::join!(serve, bridge.watch_externals(shutdown.clone()));
}

struct Bridge {
    client: Client,
    options: AdapterOptions,
    metrics: Metrics,
    events: EventRecorder,
    queue: Queue<ObjectKey>,
    artifacts: SharedWatch<Artifact>,
    externals: WatchCache<ExternalArtifact>,
    /// Artifacts of which it has been said that their names are taken.
    reported: Mutex<HashSet<ObjectKey>>,
}

impl Bridge {
    fn follow_artifacts(self: &Arc<Self>) -> Following<Artifact> {
        let bridge = Arc::clone(self);
        self.artifacts.follow(move |change| match change {
            Change::Applied { new, .. } => bridge.queue.add(ObjectKey::of(new.as_ref()), Triggers::ARTIFACT),
            // Its ExternalArtifact goes with it, by its owner reference.
            Change::Deleted { old } => {
                let key = ObjectKey::of(old.as_ref());
                bridge.reported.lock().remove(&key);
                bridge.queue.forget(&key);
            }
            Change::Undecodable { .. } => {}
        })
    }

    /// Brings back what somebody else changed or deleted.
    async fn watch_externals(&self, shutdown: CancellationToken) {
        let on_change = |change: Change<'_, ExternalArtifact>| {
            let (Change::Applied { new: external, .. } | Change::Deleted { old: external }) = change else {
                return;
            };
            let owners = external.owner_references().iter();
            for owner in owners.filter(|owner| owner.controller == Some(true) && owner.kind == KIND) {
                let namespace = external.namespace().unwrap_or_default();
                let key = ObjectKey::new(namespace, owner.name.as_str());
                self.queue.add(key, Triggers::OBJECT);
            }
        };
        let config = watcher::Config::default();
        self.externals
            .run(
                scope(&self.client, self.options.namespace.as_deref()),
                config,
                shutdown,
                on_change,
            )
            .await;
    }

    async fn handle(&self, key: &ObjectKey) -> Requeue {
        let started = Instant::now();
        let Some(artifact) = self.artifacts.get(key) else {
            return Requeue::Never;
        };
        let Some(origin) = plan::origin(&artifact).filter(|_| artifact.metadata.deletion_timestamp.is_none())
        else {
            return Requeue::Never;
        };
        let Some(name) = self.name(key, &artifact, &origin) else {
            self.report_taken(key, &artifact, &origin);
            return Requeue::After(TAKEN_RETRY);
        };
        self.reported.lock().remove(key);
        match self.bridge(key, &artifact, &origin, &name).await {
            Ok(()) => {
                self.metrics.reconciled(CONTROLLER, "success", started.elapsed());
                Requeue::Never
            }
            Err(error) => {
                self.metrics.reconciled(CONTROLLER, "error", started.elapsed());
                tracing::warn!(artifact = %key, %error, "cannot write the ExternalArtifact, retrying");
                Requeue::Backoff
            }
        }
    }

    /// The name of the ExternalArtifact: the one that it has, or the first that is free.
    fn name(
        &self,
        key: &ObjectKey,
        artifact: &Artifact,
        origin: &NamespacedObjectKindReference,
    ) -> Option<String> {
        let names = [&origin.name, &key.name];
        let existing = names.map(|name| self.externals.get(&ObjectKey::new(&key.namespace, name)));
        let ours = existing
            .iter()
            .position(|found| found.as_ref().is_some_and(|found| plan::belongs(found, artifact)));
        let at = ours.or_else(|| existing.iter().position(Option::is_none))?;
        names.get(at).map(|name| (*name).clone())
    }

    /// Writes what differs: the ExternalArtifact, its status, and on the Artifact where it is bridged to.
    async fn bridge(
        &self,
        key: &ObjectKey,
        artifact: &Artifact,
        origin: &NamespacedObjectKindReference,
        name: &str,
    ) -> kube::Result<()> {
        let api: Api<ExternalArtifact> = Api::namespaced(self.client.clone(), &key.namespace);
        let known = self.externals.get(&ObjectKey::new(&key.namespace, name));
        let external = match known {
            Some(known) if is_bridged(&known, artifact, origin) => ExternalArtifact::clone(&known),
            Some(known) => {
                // What was written on creation can be taken away by an apply only once it is an apply's.
                claim(&api, &known.metadata, CONTROLLER).await?;
                apply(&api, name, "", main(artifact, origin, name)).await?
            }
            // Not by apply, which would take over what somebody else has just created.
            None => {
                let mut new = ExternalArtifact::default();
                new.metadata.name = Some(name.to_owned());
                new.metadata.labels = Some(labels(artifact, origin));
                new.metadata.owner_references = Some(vec![plan::owner(artifact)]);
                new.spec.source_ref = Some(origin.clone());
                let params = PostParams {
                    field_manager: Some(CONTROLLER.to_owned()),
                    ..PostParams::default()
                };
                let created = api.create(&params, &new).await?;
                tracing::info!(artifact = %key, external = name, "ExternalArtifact created");
                created
            }
        };
        if let Some(status) = plan::status(&external, artifact, &self.options.hosts, Timestamp::now()) {
            let SourceStatus {
                conditions, artifact, ..
            } = status;
            let mut body = json!({"conditions": conditions});
            if let Some(artifact) = artifact {
                body["artifact"] = json!(artifact);
            }
            apply(&api, name, "status", json!({"status": body})).await?;
        }
        if artifact
            .annotations()
            .get(BRIDGED_TO_ANNOTATION)
            .is_none_or(|to| to != name)
        {
            let body = json!({
                "apiVersion": format!("{GROUP}/{VERSION}"), "kind": KIND,
                "metadata": {"name": key.name, "uid": artifact.metadata.uid, "annotations": {BRIDGED_TO_ANNOTATION: name}},
            });
            let artifacts: Api<Artifact> = Api::namespaced(self.client.clone(), &key.namespace);
            let params = PatchParams::apply(CONTROLLER).force();
            artifacts.patch(&key.name, &params, &Patch::Apply(&body)).await?;
        }
        Ok(())
    }

    /// Says once that an Artifact cannot be offered.
    fn report_taken(&self, key: &ObjectKey, artifact: &Artifact, origin: &NamespacedObjectKindReference) {
        if !self.reported.lock().insert(key.clone()) {
            return;
        }
        let message = format!(
            "not offered to stock deployers: ExternalArtifacts named '{}' and '{}' exist and belong to somebody else; delete one",
            origin.name, key.name
        );
        tracing::warn!(artifact = %key, message, "artifact not bridged");
        self.events.record(EventRecord {
            regarding: Regarding {
                api_version: format!("{GROUP}/{VERSION}"),
                kind: KIND.to_owned(),
                namespace: key.namespace.clone(),
                name: key.name.clone(),
                uid: artifact.metadata.uid.clone().unwrap_or_default(),
                ..Regarding::default()
            },
            severity: Severity::Error,
            reason: "ExternalArtifactNamesTaken".to_owned(),
            message,
            metadata: BTreeMap::default(),
        });
    }
}

/// Whether an ExternalArtifact has the labels and the reference that it is to have, and no label that may have to go.
fn is_bridged(
    external: &ExternalArtifact,
    artifact: &Artifact,
    origin: &NamespacedObjectKindReference,
) -> bool {
    let labels = labels(artifact, origin);
    labels
        .iter()
        .all(|(label, value)| external.labels().get(label) == Some(value))
        && external.labels().keys().all(|label| labels.contains_key(label))
        && external.spec.source_ref.as_ref() == Some(origin)
}

/// The labels of an ExternalArtifact: those of its Artifact, and the one that says what it is made from.
fn labels(artifact: &Artifact, origin: &NamespacedObjectKindReference) -> BTreeMap<String, String> {
    let mut labels = plan::labels(artifact);
    labels.insert(BRIDGED_FROM.to_owned(), origin.kind.clone());
    labels
}

fn main(artifact: &Artifact, origin: &NamespacedObjectKindReference, name: &str) -> Value {
    json!({
        "metadata": {"name": name, "labels": labels(artifact, origin), "ownerReferences": [plan::owner(artifact)]},
        "spec": {"sourceRef": origin},
    })
}

/// Applies fields of an ExternalArtifact, or of its subresource `status`, as the bridge's own.
async fn apply(
    api: &Api<ExternalArtifact>,
    name: &str,
    subresource: &str,
    mut body: Value,
) -> kube::Result<ExternalArtifact> {
    body["apiVersion"] = ExternalArtifact::api_version(&()).into();
    body["kind"] = ExternalArtifact::kind(&()).into();
    body["metadata"]["name"] = name.into();
    let (params, patch) = (PatchParams::apply(CONTROLLER).force(), Patch::Apply(&body));
    if subresource.is_empty() {
        api.patch(name, &params, &patch).await
    } else {
        api.patch_subresource(subresource, name, &params, &patch).await
    }
}
