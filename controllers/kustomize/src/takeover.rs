//! Before something is deleted: waits until those who are about to take it over have done so.
//!
//! An object that one commit moves from one Kustomization to another of the same source is applied by the new owner
//! and deleted by the old one, in no order. Everybody is woken by the same event, so that the old owner can know who is
//! about to apply that artifact too. It waits for them, outside its worker slot, before it deletes; they then have put
//! their labels on the object, and it stays what it is. The same holds for a Kustomization that is deleted while
//! another one, perhaps a new one, takes over its objects.
//!
//! Nobody waits for ever, nor for each other: what is waited for is that others have *applied*, and everybody applies
//! before it waits. Those who depend on the one that waits cannot run before it has ended, and are not waited for.

use std::collections::{HashMap, HashSet};
use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;
use std::time::Duration;

use artifact_consumer::SourceKey;
use artifact_crd::Artifact;
use controller_kit::object::ObjectId;
use controller_kit::{ObjectKey, Triggers};
use flux_api::{ConditionStatus, ConditionsExt, KUSTOMIZE_GROUP, Kustomization, READY};
use parking_lot::Mutex;
use tokio::sync::watch;
use tokio::time::Instant;

use crate::context::Context;
use crate::decide::{Step, decide, not_ready};
use crate::fan_out::dependencies;
use crate::reconcile::{Reconciliation, observe};
use crate::report::Outcome;

/// Longest wait for others, however long `spec.timeout` is: a source may have consumers that are stuck for hours.
const PATIENCE: Duration = Duration::from_mins(2);

/// A wait that ends within this time needs no word about it.
const QUICK: Duration = Duration::from_millis(1500);

/// How often to look without being told: that a run has left the queue, or that an object is somebody else's, counts too.
const LOOK: Duration = Duration::from_secs(1);

/// Longest wait until the watch brings Kustomizations that a run has applied itself.
const WATCH_LAG: Duration = Duration::from_secs(5);

/// A generation of an object together with an artifact: what one run is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Aim {
    uid: Option<String>,
    generation: Option<i64>,
    revision: String,
    digest: Option<String>,
}

impl Aim {
    pub(crate) fn new(object: &Kustomization, artifact: &Artifact) -> Self {
        Self {
            uid: object.metadata.uid.clone(),
            generation: object.metadata.generation,
            revision: artifact.spec.revision.clone(),
            digest: artifact.spec.digest.clone(),
        }
    }
}

/// What was tried last for one object.
struct Tried {
    aim: Aim,
    /// Hashes of the objects that it desires, sorted; none if they could not be applied.
    desired: Box<[u64]>,
}

/// Who has tried what in the life of this process; those who wait are told.
pub(crate) struct Progress {
    tried: Mutex<HashMap<ObjectKey, Tried>>,
    /// Who waits, and for whom.
    waits: Mutex<HashMap<ObjectKey, ObjectKey>>,
    changed: watch::Sender<()>,
    seed: RandomState,
}

impl Default for Progress {
    fn default() -> Self {
        Self {
            tried: Mutex::default(),
            waits: Mutex::default(),
            changed: watch::Sender::new(()),
            seed: RandomState::new(),
        }
    }
}

impl Progress {
    /// Takes note that everything that an object desires has been applied.
    pub(crate) fn applied<'a>(&self, key: &ObjectKey, aim: Aim, desired: impl Iterator<Item = &'a ObjectId>) {
        let mut desired: Box<[u64]> = desired.map(|id| self.seed.hash_one(id)).collect();
        desired.sort_unstable();
        self.tried.lock().insert(key.clone(), Tried { aim, desired });
        self.notify();
    }

    /// Takes note that a run with an aim has come to an end, whatever came of it; the next one is an interval away.
    pub(crate) fn ended(&self, key: &ObjectKey, aim: Aim) {
        let mut tried = self.tried.lock();
        if tried.get(key).is_none_or(|tried| tried.aim != aim) {
            let desired = Box::default();
            tried.insert(key.clone(), Tried { aim, desired });
        }
    }

    pub(crate) fn forget(&self, key: &ObjectKey) {
        self.tried.lock().remove(key);
    }

    /// Tells those who wait that they should look again.
    pub(crate) fn notify(&self) {
        self.changed.send_replace(());
    }

    fn has_tried(&self, key: &ObjectKey, aim: &Aim) -> bool {
        let tried = self.tried.lock();
        tried.get(key).is_some_and(|tried| tried.aim == *aim)
    }

    /// Gives those among `objects` that somebody else desires, with who does.
    fn desired_by_others(&self, own: &ObjectKey, objects: &[ObjectId]) -> Vec<(ObjectId, ObjectKey)> {
        let hashes: Vec<u64> = objects.iter().map(|id| self.seed.hash_one(id)).collect();
        let tried = self.tried.lock();
        let others = tried.iter().filter(|(key, _)| *key != own);
        others
            .flat_map(|(key, tried)| {
                let theirs = objects.iter().zip(&hashes);
                let theirs = theirs.filter(|(_, hash)| tried.desired.binary_search(hash).is_ok());
                theirs.map(|(id, _)| (id.clone(), key.clone()))
            })
            .collect()
    }
}

/// Waits until everybody who may be about to take over some of `doomed` has applied what its source has now.
///
/// The wait ends after `spec.timeout`, and after two minutes at the latest.
///
/// # Errors
/// A newer event or the end of the controller came first.
pub(crate) async fn await_takeover(
    run: &mut Reconciliation<'_>,
    doomed: impl Iterator<Item = &ObjectId>,
) -> Result<(), Outcome> {
    let (context, key) = (run.context, run.key.clone());
    let Ok(source) = context.source_key(&run.object) else {
        return Ok(());
    };
    let doomed: HashSet<ObjectKey> = doomed.filter_map(kustomization_key).collect();
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
        match run.slot.park(next).await {
            Next::GoOn => break Ok(()),
            Next::Stop => break Err(Outcome::Superseded),
            Next::Late => {}
        }
        let other = context.progress.waits.lock().get(&key).map(ToString::to_string);
        let other = other.unwrap_or_default();
        if bound == deadline {
            tracing::warn!(
                namespace = %key.namespace, name = %key.name,
                "what left the source is deleted although Kustomization '{other}', which may take it over, has not applied yet"
            );
            break Ok(());
        }
        bound = deadline;
        let message =
            format!("Waiting for Kustomization '{other}', which may take over what left the source");
        let written = run.write_progress(&message).await;
        if let Err(error) = written
            // There may be nothing left to write it on.
            && !context.vanished.is(&key, &run.object)
        {
            break Err(Outcome::Aborted(format!("cannot write the status: {error}")));
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
pub(crate) fn desired_elsewhere(
    context: &Context,
    own: &ObjectKey,
    objects: &[ObjectId],
) -> HashSet<ObjectId> {
    let desired = context.progress.desired_by_others(own, objects);
    let stands = |key: &ObjectKey| {
        let object = context.objects.get(key);
        let acts = |object: &Kustomization| {
            context.reconciles(object) && object.metadata.deletion_timestamp.is_none() && !object.spec.suspend
        };
        object.is_some_and(|object| acts(&object)) && !context.is_about_to_apply(key, own)
    };
    let desired = desired.into_iter().filter(|(_, key)| stands(key));
    desired.map(|(id, _)| id).collect()
}

/// Wakes those who desire an object that was left to them, so that they put their labels on it.
pub(crate) fn tell_takers(context: &Context, own: &ObjectKey, left: &[ObjectId]) {
    let takers: HashSet<ObjectKey> = context
        .progress
        .desired_by_others(own, left)
        .into_iter()
        .map(|(_, key)| key)
        .collect();
    for taker in takers {
        // What has become of the object is not known, so that everything is verified.
        context.queue.add(taker, Triggers::STARTUP);
    }
}

/// Waits until the watch has brought the Kustomizations that this run has applied; others count on it.
pub(crate) async fn await_children(run: &mut Reconciliation<'_>, changed: &[(ObjectId, bool)]) {
    let context = run.context;
    let mut children = Vec::new();
    for (id, created) in changed {
        let Some(key) = kustomization_key(id).filter(|key| *key != run.key && context.is_watched(key)) else {
            continue;
        };
        let generation = if *created {
            0
        } else {
            let mapping = crate::status::mapping();
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
        let caught_up = |object: Arc<Kustomization>| object.metadata.generation >= Some(*generation);
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
    run.slot.park(waiting).await;
}

fn kustomization_key(id: &ObjectId) -> Option<ObjectKey> {
    let is_kustomization = id.group == KUSTOMIZE_GROUP && id.kind == "Kustomization";
    is_kustomization.then(|| ObjectKey::new(id.namespace.as_str(), id.name.as_str()))
}

impl Context {
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
        let consumers = references.sources.referrers(source);
        let others = consumers.filter(|key| *key != own && !doomed.contains(key));
        others.cloned().collect()
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
        object: &Kustomization,
        own: &ObjectKey,
        known: &mut HashMap<ObjectKey, bool>,
    ) -> bool {
        let observed = observe(self, object);
        let Ok(artifact) = &observed.artifact else {
            return false;
        };
        // What an earlier life of this process has applied does not count: everybody runs once after a start.
        if self.progress.has_tried(key, &Aim::new(object, artifact)) {
            return false;
        }
        match decide(&observed) {
            Step::Deploy(_) => true,
            Step::AwaitDependency(_) => {
                let revision = &artifact.spec.revision;
                let mut dependencies = observed.dependencies.iter();
                dependencies.all(|dependency| {
                    not_ready(dependency, revision).is_none()
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
        if object.spec.suspend || object.metadata.deletion_timestamp.is_some() {
            return false;
        }
        if !self.reconciles(&object) {
            return !object.status.conditions.has_status(READY, ConditionStatus::False);
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
    fn depends_on(&self, object: &Kustomization, on: &ObjectKey, seen: &mut HashSet<ObjectKey>) -> bool {
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
