//! Before something is deleted: waits until those who are about to take it over have done so.
//!
//! An object that one commit moves from one owner to another of the same source is applied by the new owner
//! and deleted by the old one, in no order. Everybody is woken by the same event, so that the old owner can know who is
//! about to apply that artifact too. It waits for them, outside its worker slot, before it deletes; they then have put
//! their labels on the object, and it stays what it is. The same holds for an owner that is deleted while another one,
//! perhaps a new one, takes over its objects.
//!
//! Nobody waits for ever, nor for each other: what is waited for is that others have *applied*, and everybody applies
//! before it waits. Those who depend on the one that waits cannot run before it has ended, and are not waited for.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use artifact_consumer::SourceKey;
use controller_kit::object::ObjectId;
use controller_kit::{ObjectKey, Triggers};
use flux_api::{ConditionStatus, ConditionsExt, Deployed, DeployedStatus, READY};
use kube::Resource as _;
use tokio::time::Instant;

use crate::context::Context;
use crate::expressions::unready;
use crate::kind::{Kind, kind_name, mapping};
use crate::outcome::Halt;
use crate::progress::Aim;
use crate::run::Run;
use crate::step::{Step, dependencies, not_ready};

/// Longest wait for others, however long `spec.timeout` is: a source may have consumers that are stuck for hours.
const PATIENCE: Duration = Duration::from_mins(2);

/// A wait that ends within this time needs no word about it.
const QUICK: Duration = Duration::from_millis(1500);

/// How often to look without being told: that a run has left the queue, or that an object is somebody else's, counts too.
const LOOK: Duration = Duration::from_secs(1);

/// Longest wait until the watch brings objects of its own kind that a run has applied.
const WATCH_LAG: Duration = Duration::from_secs(5);

/// Waits until everybody who may be about to take over some of `doomed` has applied what its source has now.
///
/// The wait ends after `spec.timeout`, and after two minutes at the latest.
///
/// # Errors
/// A newer event or the end of the controller came first.
pub async fn await_takeover<K: Kind>(
    run: &mut Run<'_, K>,
    doomed: impl Iterator<Item = &ObjectId>,
) -> Result<(), Halt> {
    let (context, key) = (run.context, run.key.clone());
    let Ok(source) = context.source_of(&run.object) else {
        return Ok(());
    };
    // What is elsewhere reconciles nothing here.
    let is_here = run.place().is_empty();
    let doomed: HashSet<ObjectKey> = doomed.filter(|_| is_here).filter_map(key_of::<K>).collect();
    let consumers = context.other_consumers(&source, &key, &doomed);
    if !consumers
        .iter()
        .any(|other| context.is_about_to_apply(other, &key))
    {
        return Ok(());
    }
    let mut waiting = Box::pin(context.others_have_applied(&source, &key, &doomed));
    let superseded = run.superseded.clone();
    let deadline = Instant::now() + run.timeout().min(PATIENCE);
    let mut bound = Instant::now() + QUICK;
    let outcome = loop {
        let next = async {
            tokio::select! {
                biased;
                () = &mut waiting => Next::GoOn,
                () = superseded.wait() => Next::Stop,
                () = tokio::time::sleep_until(bound) => Next::Late,
            }
        };
        let what = "others of the same source, which may take over what is to be deleted";
        match run.slot.on(what).park(next).await {
            Next::GoOn => break Ok(()),
            Next::Stop => break Err(Halt::Superseded),
            Next::Late => {}
        }
        let other = context.progress.waits.lock().get(&key).map(ToString::to_string);
        let other = other.unwrap_or_default();
        let kind = kind_name::<K::Object>();
        if bound == deadline {
            tracing::warn!(
                namespace = %key.namespace, name = %key.name,
                "what left the source is deleted although {kind} '{other}', which may take it over, has not applied yet"
            );
            break Ok(());
        }
        bound = deadline;
        let message = format!("Waiting for {kind} '{other}', which may take over what left the source");
        let written = run.write_progress(&message).await;
        if let Err(error) = written
            // There may be nothing left to write it on.
            && !context.vanished.is(&key, &run.object)
        {
            break Err(error.into());
        }
    };
    if context.progress.waits.lock().remove(&key).is_some() {
        context.progress.notify();
    }
    outcome
}

enum Next {
    GoOn,
    Stop,
    Late,
}

/// Gives those among `objects` that others desire by now. Some may still carry the labels of the one that asks, because
/// a run of an earlier revision was the last to apply them.
pub(crate) fn desired_elsewhere<K: Kind>(
    context: &Context<K>,
    own: &ObjectKey,
    place: &str,
    objects: &[ObjectId],
) -> HashSet<ObjectId> {
    let desired = context.progress.desired_by_others(own, place, objects);
    let stands = |key: &ObjectKey| {
        let object = context.objects.get(key);
        let acts = |object: &K::Object| {
            context.reconciles(object) && object.meta().deletion_timestamp.is_none() && !object.is_suspended()
        };
        object.is_some_and(|object| acts(&object)) && !context.is_about_to_apply(key, own)
    };
    let desired = desired.into_iter().filter(|(_, key)| stands(key));
    desired.map(|(id, _)| id).collect()
}

/// Wakes those who desire an object that was left to them, so that they put their labels on it.
pub(crate) fn tell_takers<K: Kind>(context: &Context<K>, own: &ObjectKey, place: &str, left: &[ObjectId]) {
    let takers: HashSet<ObjectKey> = context
        .progress
        .desired_by_others(own, place, left)
        .into_iter()
        .map(|(_, key)| key)
        .collect();
    for taker in takers {
        // What has become of the object is not known, so that everything is verified.
        context.queue.add(taker, Triggers::STARTUP);
    }
}

/// Waits until the watch has brought the objects of its own kind that this run has changed, or created; others count on
/// it.
pub async fn await_children<K: Kind>(run: &mut Run<'_, K>, changed: &[(ObjectId, bool)]) {
    let context = run.context;
    if !run.place().is_empty() {
        return;
    }
    let mut children = Vec::new();
    for (id, created) in changed {
        let Some(key) = key_of::<K>(id).filter(|key| *key != run.key && context.is_watched(key)) else {
            continue;
        };
        let generation = if *created {
            0
        } else {
            let mapping = mapping::<K::Object>();
            let read = context.rest.get(&mapping, &key.namespace, &key.name).await;
            let read = read.ok().flatten();
            let generation = read.and_then(|read| read.pointer("/metadata/generation")?.as_i64());
            generation.unwrap_or_default()
        };
        children.push((key, generation));
    }
    if children.is_empty() {
        return;
    }
    let mut changed = context.progress.changed.subscribe();
    let seen = |(key, generation): &(ObjectKey, i64)| {
        let object = context.objects.get(key);
        let caught_up = |object: Arc<K::Object>| object.meta().generation >= Some(*generation);
        context.objects.is_undecodable(key) || object.is_some_and(caught_up)
    };
    let all_seen = async {
        while !children.iter().all(seen) {
            if changed.changed().await.is_err() {
                return;
            }
        }
    };
    let superseded = run.superseded.clone();
    let waiting = async {
        tokio::select! {
            () = all_seen => {}
            () = superseded.wait() => {}
            // What the watch has not brought by then is waited for by nobody.
            () = tokio::time::sleep(WATCH_LAG) => {}
        }
    };
    let what = "the watch to bring what was applied";
    run.slot.on(what).park(waiting).await;
}

/// The key of an object, if it is of the kind itself.
fn key_of<K: Kind>(id: &ObjectId) -> Option<ObjectKey> {
    let own = mapping::<K::Object>();
    let is_own = id.group == own.group && id.kind == own.kind;
    is_own.then(|| ObjectKey::new(id.namespace.as_str(), id.name.as_str()))
}

impl<K: Kind> Context<K> {
    /// Completes when nobody else is about to apply what `source` has now.
    async fn others_have_applied(&self, source: &SourceKey, own: &ObjectKey, doomed: &HashSet<ObjectKey>) {
        let mut changed = self.progress.changed.subscribe();
        loop {
            let mut waited = false;
            for other in self.other_consumers(source, own, doomed) {
                while self.is_about_to_apply(&other, own) {
                    waited = true;
                    let before = self.progress.waits.lock().insert(own.clone(), other.clone());
                    if before.as_ref() != Some(&other) {
                        self.progress.notify();
                        changed.mark_unchanged();
                        continue;
                    }
                    tokio::select! {
                        told = changed.changed() => if told.is_err() {
                            return;
                        },
                        () = tokio::time::sleep(LOOK) => {}
                    }
                }
            }
            // What they have applied may be Kustomizations of the same source.
            if !waited {
                return;
            }
        }
    }

    fn other_consumers(
        &self,
        source: &SourceKey,
        own: &ObjectKey,
        doomed: &HashSet<ObjectKey>,
    ) -> Vec<ObjectKey> {
        let references = self.references.lock();
        let consumers = references.consumers(source);
        let others = consumers.filter(|key| *key != own && !doomed.contains(key));
        let others: Vec<ObjectKey> = others.cloned().collect();
        drop(references);
        others
            .into_iter()
            .filter(|key| self.are_together(own, key))
            .collect()
    }

    /// Tells whether two objects are brought to the same cluster, as far as is known: what is brought elsewhere takes nothing
    /// over.
    fn are_together(&self, own: &ObjectKey, other: &ObjectKey) -> bool {
        if let Some(is_same) = self.clusters.is_same(own, other) {
            return is_same;
        }
        let (Some(own), Some(other)) = (self.objects.get(own), self.objects.get(other)) else {
            return true;
        };
        match (own.kube_config(), other.kube_config()) {
            (None, None) => true,
            (Some(one), Some(another)) => one == another && own.meta().namespace == other.meta().namespace,
            _ => false,
        }
    }

    /// Tells whether `key` has yet to apply what its source has now, and nothing keeps it from doing so soon.
    ///
    /// Whoever needs `own` to be ready first is not about to apply: `own` is the one that waits.
    fn is_about_to_apply(&self, key: &ObjectKey, own: &ObjectKey) -> bool {
        self.will_apply(key, own, &mut HashMap::new())
    }

    /// `known` has what was found out about others; who is found to depend on itself will never apply.
    fn will_apply(&self, key: &ObjectKey, own: &ObjectKey, known: &mut HashMap<ObjectKey, bool>) -> bool {
        if key == own {
            return false;
        }
        if let Some(known) = known.get(key) {
            return *known;
        }
        known.insert(key.clone(), false);
        let will = self.objects.get(key).is_some_and(|object| {
            self.reconciles(&object)
                && !self.depends_on(&object, own, &mut HashSet::new())
                && self.is_behind(key, &object, own, known)
        });
        known.insert(key.clone(), will);
        will
    }

    fn is_behind(
        &self,
        key: &ObjectKey,
        object: &K::Object,
        own: &ObjectKey,
        known: &mut HashMap<ObjectKey, bool>,
    ) -> bool {
        let observed = self.observe(object);
        let Ok(artifact) = &observed.artifact else {
            return false;
        };
        // What an earlier life of this process has applied does not count: everybody runs once after a start.
        if self.progress.has_tried(key, &Aim::new(object, artifact)) {
            return false;
        }
        match K::decide(&observed) {
            Step::Deploy(_) => true,
            Step::AwaitDependency(_) => {
                let revision = &artifact.spec.revision;
                let mut dependencies = observed.dependencies.iter();
                dependencies.all(|dependency| {
                    unready(&observed, dependency, |dependency| {
                        not_ready(dependency, revision)
                    })
                    .is_none()
                        || self.is_on_its_way(&dependency.key, own, known)
                })
            }
            _ => false,
        }
    }

    /// Tells whether a dependency that is not ready may be soon: somebody works on it.
    fn is_on_its_way(&self, key: &ObjectKey, own: &ObjectKey, known: &mut HashMap<ObjectKey, bool>) -> bool {
        let Some(object) = self.objects.get(key) else {
            return false;
        };
        if object.is_suspended() || object.meta().deletion_timestamp.is_some() {
            return false;
        }
        if !self.reconciles(&object) {
            let conditions = object.status().conditions();
            return !conditions.has_status(READY, ConditionStatus::False);
        }
        // It may wait for somebody who depends on the one that asks, so that both would wait for ever.
        let waits_for = self.progress.waits.lock().get(key).cloned();
        let waits_for = waits_for.and_then(|other| self.objects.get(&other));
        if waits_for.is_some_and(|other| self.depends_on(&other, own, &mut HashSet::new())) {
            return false;
        }
        self.queue.is_active(key) || self.will_apply(key, own, known)
    }

    /// Tells whether an object depends on `on`, directly or through others.
    fn depends_on(&self, object: &K::Object, on: &ObjectKey, seen: &mut HashSet<ObjectKey>) -> bool {
        dependencies(object).into_iter().any(|key| {
            key == *on
                || (seen.insert(key.clone())
                    && self
                        .objects
                        .get(&key)
                        .is_some_and(|dependency| self.depends_on(&dependency, on, seen)))
        })
    }
}
