//! The watches of a deployer, and what a change of each wakes.

use std::sync::Arc;
use std::time::Duration;

use artifact_consumer::{ArtifactName, consumed_as};
use controller_kit::author::scope;
use controller_kit::interlock::Claims;
use controller_kit::{Change, ConfigKind, ObjectKey, Triggers, WatchCache};
use flux_api::{ConditionsExt, Deployed, DeployedStatus, REQUESTED_AT, Tolerant};
use k8s_openapi::api::apps::v1::Deployment;
use kube::runtime::watcher;
use kube::{Api, Client, ResourceExt};
use tokio_util::sync::CancellationToken;

use crate::arrival::Arrival;
use crate::context::Context;
use crate::interlock::stands_back;
use crate::kind::{Kind, kind_name};
use crate::step::dependency_key;

/// How long outdated Artifacts are waited for: another process may be the one that mirrors.
const MIRROR_PATIENCE: Duration = Duration::from_secs(15);

/// What the watches of a deployer fill and feed.
pub(crate) struct Watches<K: Kind> {
    pub(crate) context: Arc<Context<K>>,
}

impl<K: Kind> Clone for Watches<K> {
    fn clone(&self) -> Self {
        Self {
            context: Arc::clone(&self.context),
        }
    }
}

impl<K: Kind> Watches<K> {
    /// Follows the objects of the kind, and fills the queue.
    pub(crate) async fn follow_objects(
        self,
        client: Client,
        namespace: Option<String>,
        shutdown: CancellationToken,
    ) {
        let api: Api<Tolerant<K::Object>> = scope(&client, namespace.as_deref());
        let cache = self.context.objects.clone();
        cache
            .run(api, watcher::Config::default(), shutdown, |change| {
                self.object_changed(&change);
            })
            .await;
    }

    fn object_changed(&self, change: &Change<'_, K::Object>) {
        match change {
            Change::Applied { old, new } => {
                let key = ObjectKey::of(new.as_ref());
                let ours = self.context.is_ours(new);
                let version = new.resource_version().unwrap_or_default();
                self.context.written.seen(&key, &version);
                let source = self.context.source_of(new).ok().filter(|_| ours);
                self.context
                    .references
                    .lock()
                    .update(&key, ours.then_some(new), source);
                let was_ours = old.is_some_and(|old| self.context.is_ours(old));
                if ours && !was_ours {
                    if let Some(old) = old {
                        let arrival = Arrival::after(Arc::clone(old));
                        self.context.arrived.lock().insert(key.clone(), arrival);
                    }
                    self.context.queue.add(key.clone(), Triggers::STARTUP);
                } else if ours && let Some(old) = old {
                    let mut triggers = object_triggers(old.as_ref(), new.as_ref());
                    if self.context.source_of(old) != self.context.source_of(new) {
                        // An annotation may say which source is meant.
                        triggers |= Triggers::OBJECT;
                    }
                    if triggers != Triggers::default() {
                        self.context.queue.add(key.clone(), triggers);
                    }
                } else if was_ours {
                    self.context.queue.forget(&key);
                    self.context.forget(&key);
                    if stands_back(new.as_ref()) {
                        self.context.queue.add(key.clone(), Triggers::OBJECT);
                    }
                }
                let settled = old.is_some_and(|old| readiness(old.as_ref()) == readiness(new.as_ref()));
                self.wake_dependents(&key, settled);
                let settles = |old: &Arc<K::Object>| {
                    readiness(old.as_ref()) != readiness(new.as_ref())
                        || object_triggers(old.as_ref(), new.as_ref()) != Triggers::default()
                };
                if old.is_none_or(settles) {
                    self.context.progress.notify();
                }
            }
            Change::Deleted { old } => {
                let key = ObjectKey::of(old.as_ref());
                let object: Option<&Arc<K::Object>> = None;
                self.context.references.lock().update(&key, object, None);
                let status = self.context.latest_status(&key, old);
                let vanished = self.context.reconciles(old) && self.context.vanished.note(old, status);
                self.context.queue.forget(&key);
                self.context.forget(&key);
                if vanished {
                    let kind = kind_name::<K::Object>();
                    tracing::warn!(
                        namespace = %key.namespace, name = %key.name,
                        "the {kind} has vanished in spite of its finalizer, which was written while it was being deleted; what it applied is dealt with now"
                    );
                    self.context.queue.add(key.clone(), Triggers::OBJECT);
                }
                self.wake_dependents(&key, false);
                self.context.progress.notify();
            }
            Change::Undecodable { .. } => {}
        }
    }

    /// Wakes those who wait for `key`; whoever is not waiting has nothing to do. When its readiness is as before, only those
    /// whose expressions may look at something else.
    fn wake_dependents(&self, key: &ObjectKey, settled: bool) {
        let awaiting = self.context.awaiting.lock();
        for dependent in self.context.references.lock().dependents(key) {
            if awaiting.contains(dependent) && (!settled || self.looks_closely(dependent, key)) {
                self.context.queue.add(dependent.clone(), Triggers::DEPENDENCY);
            }
        }
    }

    /// Tells whether an object has an expression about one that it depends on.
    fn looks_closely(&self, dependent: &ObjectKey, on: &ObjectKey) -> bool {
        let Some(object) = self.context.objects.get(dependent) else {
            return false;
        };
        object.depends_on().iter().any(|reference| {
            !reference.ready_expr.is_empty() && dependency_key(&dependent.namespace, reference) == *on
        })
    }

    /// Wakes those who read a ConfigMap or Secret.
    pub(crate) fn config_changed(&self, kind: ConfigKind, config: ObjectKey) {
        let readers = self.context.references.lock().readers(kind.as_str(), config);
        for reader in readers {
            self.context.queue.add(reader, Triggers::CONFIG);
        }
    }

    /// Follows stock's controllers: what they begin or cease to reconcile is ours no more, or again.
    pub(crate) async fn follow_stock(
        self,
        cache: WatchCache<Deployment>,
        client: Client,
        shutdown: CancellationToken,
    ) {
        let mut on_change = |before: &Claims, after: &Claims| {
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
        interlock.follow(&cache, client, shutdown, &mut on_change).await;
    }

    /// Follows Artifacts once they are up to date, and says by `following` when it has begun to; wakes their consumers.
    pub(crate) async fn follow_artifacts(
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
                Change::Applied { old, new } => {
                    let touched = context.artifacts.write().apply(new);
                    let came_up = || old.is_some_and(|old| old.status.source_comes_up(&new.status));
                    if touched.is_empty() && K::FOLLOWS_SOURCES && came_up() {
                        consumed_as(new)
                    } else {
                        touched
                    }
                }
                Change::Deleted { old } => context.artifacts.write().remove(&ArtifactName::of(old)),
                Change::Undecodable { .. } => return,
            };
            let consumers = {
                let references = context.references.lock();
                let consumers = touched.iter().flat_map(|key| references.consumers(key));
                consumers.cloned().collect()
            };
            context.wake_consumers(&consumers);
            context.progress.notify();
        });
        following.cancel();
        shutdown.cancelled().await;
    }
}

/// Tells what about an object itself asks for a run: its spec, its deletion, or a request.
fn object_triggers<O: Deployed>(old: &O, new: &O) -> Triggers {
    let mut triggers = Triggers::default();
    let deleted = |object: &O| object.meta().deletion_timestamp.is_some();
    if old.meta().generation != new.meta().generation || deleted(old) != deleted(new) {
        triggers |= Triggers::OBJECT;
    }
    let requested = |object: &O| {
        object
            .meta()
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
fn readiness(object: &impl Deployed) -> (i64, Option<i64>, String, String) {
    let status = object.status();
    let ready = status.conditions().get_condition(flux_api::READY);
    (
        status.observed_generation(),
        object.meta().generation,
        ready.map(|ready| ready.status.clone()).unwrap_or_default(),
        status.applied_revision().to_owned(),
    )
}
