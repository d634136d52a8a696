//! One look at one source.

use std::collections::BTreeMap;
use std::time::Duration;

use artifact_crd::SourceStatus;
use artifact_store::{Place, Stored};
use controller_kit::author::{self, Due, Secrets, guarded, timed_out};
use controller_kit::{ObjectKey, Portion, Requeue, Triggers, WatchState};
use flux_api::{FORCE_AT, REQUESTED_AT};
use kube::{Api, Resource, ResourceExt};
use tokio::time::Instant;

use crate::controller::report::{self, Done, Kept};
use crate::controller::upkeep::Inventory;
use crate::controller::{Controller, kind, places};
use crate::publish::{self, Said, Whose};
use crate::{Failure, Fate, Owner, Produce, Produced, Run, ScheduleExt, Source};

/// Pause before a source is looked at whose kind cannot be watched.
const UNAVAILABLE: Duration = Duration::from_secs(15);
/// The first looks after a start are spread over this much time, if nothing is to be made anew.
const SPREAD: Duration = Duration::from_mins(5);
/// Pause after more was stored than is healthy.
const CROWDED: Duration = Duration::from_secs(15);

impl<P: Produce> Controller<P> {
    pub(crate) async fn handle(&self, run: controller_kit::Run<ObjectKey>) -> Requeue {
        let controller_kit::Run {
            key,
            triggers,
            mut slot,
            superseded,
        } = run;
        let mut place = None;
        loop {
            // Anew once there is a place, for which it may have waited for minutes.
            let source = match self.sources.get(&key) {
                Some(source) if source.meta().deletion_timestamp.is_some() => return Requeue::Never,
                Some(source) => source,
                None if self.sources.is_undecodable(&key) => return Requeue::Never,
                None => {
                    return match self.sources.state() {
                        WatchState::Synced => self.gone(&key).await,
                        WatchState::Starting => Requeue::After(Duration::from_millis(100)),
                        WatchState::Unavailable(_) => Requeue::After(UNAVAILABLE),
                    };
                }
            };
            if let Some(next) = self.look(&key, &source, triggers, place.as_ref()).await {
                return next;
            }
            // Servers of one namespace that are slow keep those of others from nothing.
            place = places::take(&self.places, &key.namespace, &mut slot, &superseded).await;
            if place.is_none() {
                places::hand_on(&self.queue, key, triggers, &superseded);
                return Requeue::Never;
            }
        }
    }

    /// A source is gone: so are its Artifact and, a little later, its files.
    async fn gone(&self, key: &ObjectKey) -> Requeue {
        self.pace.forget(key);
        self.produce.forget(key);
        self.secrets.forget(key);
        self.statuses.forget(key);
        self.metrics
            .object_deleted(&kind::<P>(), &key.namespace, &key.name);
        let Some(place) = Place::new(&kind::<P>(), &key.namespace, &key.name) else {
            return Requeue::Never;
        };
        let owner = Owner {
            api_version: P::Source::api_version(&()).into_owned(),
            kind: kind::<P>(),
            namespace: key.namespace.clone(),
            name: key.name.clone(),
            uid: String::new(),
        };
        let api: Api<artifact_crd::Artifact> = Api::namespaced(self.client.clone(), &key.namespace);
        let (_, existing) = self.existing(&owner);
        for artifact in existing.into_iter().flatten() {
            let is_its = match publish::whose(&owner, self.writer.manager, &artifact) {
                Whose::Own | Whose::Earlier => true,
                // Its name may be that of another source's, with a hash.
                Whose::Stray => artifact.spec.url.contains(&format!("/{place}/")),
                Whose::Foreign => false,
            };
            if !is_its {
                continue;
            }
            // One that left the selector is gone only for this process.
            if self.exists_elsewhere(key).await {
                return Requeue::Never;
            }
            let (name, uid) = (artifact.name_any(), artifact.uid().unwrap_or_default());
            self.written.forget(&ObjectKey::of(&artifact));
            if let Err(error) = publish::delete(&api, &name, &uid).await {
                tracing::warn!(artifact = %ObjectKey::of(&artifact), %error, "cannot delete an Artifact, retrying");
                return Requeue::Backoff;
            }
        }
        self.store.remove(&place);
        Requeue::Never
    }

    async fn exists_elsewhere(&self, key: &ObjectKey) -> bool {
        let api: Api<P::Source> = Api::namespaced(self.client.clone(), &key.namespace);
        // What cannot be asked is not deleted: the garbage collector deletes what is owned by nobody.
        !matches!(api.get_metadata_opt(&key.name).await, Ok(None))
    }

    /// Looks at a source, and says when to look again; nothing if that takes a place of its namespace, and it is not `held`.
    async fn look(
        &self,
        key: &ObjectKey,
        source: &P::Source,
        triggers: Triggers,
        held: Option<&Portion>,
    ) -> Option<Requeue> {
        let owner = Owner::of(source);
        let Some(place) = owner.place() else {
            // No name that an API server takes.
            return Some(Requeue::Never);
        };
        let before = self.status_of(source);
        let inventory = self.inventory(&owner, &place).await;
        let requested = source.annotations().get(REQUESTED_AT);
        let is_requested = requested.is_some() && requested != before.last_handled_reconcile_at.as_ref();
        let is_forced = is_requested && source.annotations().get(FORCE_AT) == requested;
        let is_edited = before.observed_generation != source.meta().generation;
        if source.schedule().suspend {
            return Some(self.rest(key, source, &owner, &place, &before, &inventory).await);
        }
        let is_asked = is_edited || is_requested;
        let is_there = inventory.stored().is_some() || self.restorable(&place, &before, &inventory).is_some();
        if let Some(wait) = self.wait(key, source, is_there, is_asked, triggers) {
            let repaired = self.repair(&owner, &place, &before, &inventory).await;
            return Some(repaired.unwrap_or(wait));
        }
        held?;
        let started = Instant::now();
        let mut run = Run {
            client: self.client.clone(),
            namespace: key.namespace.clone(),
            status: before.clone(),
            stored: inventory.stored().cloned(),
            // After a failure, what is stored may be what an earlier spec asked for.
            is_fresh: !is_edited && !is_forced && report::is_ready(&before),
            secrets: Secrets::default(),
            fetching: self.fetching.clone(),
            step: "looking",
            events: Vec::new(),
        };
        let result = self.produce(source, &owner, &place, &inventory, &mut run).await;
        let result = result.map_err(|failure| failure.rephrased(|message| run.secrets.mask(message)));
        self.secrets.note(key, &run.secrets);
        let handled = requested.filter(|_| is_requested).cloned();
        let is_told = self
            .report(source, &owner, &place, &before, handled, &result, &run)
            .await;
        author::count(
            &self.metrics,
            &kind::<P>(),
            key,
            result.is_ok(),
            started.elapsed(),
        );
        Some(self.next(key, source, &place, &result, is_told))
    }

    /// Says how long nothing is to be done, if nothing is.
    fn wait(
        &self,
        key: &ObjectKey,
        source: &P::Source,
        is_there: bool,
        is_asked: bool,
        triggers: Triggers,
    ) -> Option<Requeue> {
        if is_asked || triggers.intersects(Triggers::REQUESTED | Triggers::OBJECT | Triggers::CONFIG) {
            return None;
        }
        if !is_there && self.pace.failures(key) == 0 {
            // What is lost is made anew at once, unless that has just failed.
            return None;
        }
        match self.pace.due(key) {
            Some(Due::At(at)) if at > Instant::now() => Some(self.pace.schedule(key, Due::At(at))),
            Some(Due::At(_)) => None,
            Some(Due::Never) => Some(Requeue::Never),
            None if !is_there => None,
            // The file is there: it was looked at not long ago, and so were all the others.
            None => {
                let pause = source.schedule().pause().min(SPREAD);
                Some(self.pace.schedule_after(key, pause.mul_f64(fastrand::f64())))
            }
        }
    }

    /// What is stored of a source whose Artifact is gone, although its status says that there is one.
    fn restorable(&self, place: &Place, before: &SourceStatus, inventory: &Inventory) -> Option<Stored> {
        let is_gone = matches!(inventory, Inventory::Nothing) && before.revision.is_some();
        self.store.current(place).filter(|stored| {
            let ends = format!("@sha256:{}", stored.content);
            is_gone
                && before
                    .revision
                    .as_ref()
                    .is_some_and(|revision| revision.ends_with(&ends))
        })
    }

    /// Puts an Artifact right that is gone, or says something else than what is stored: an edit, another address of the
    /// server. Says when to try again, if it has to be.
    async fn repair(
        &self,
        owner: &Owner,
        place: &Place,
        before: &SourceStatus,
        inventory: &Inventory,
    ) -> Option<Requeue> {
        let restorable = self.restorable(place, before, inventory);
        let stored = inventory.stored().or(restorable.as_ref())?;
        let known = inventory
            .artifact()
            .and_then(|artifact| artifact.spec.metadata.clone());
        let known = known.unwrap_or_default();
        match self.publish(owner, place, stored, word(before), &known).await {
            Ok(artifact) => {
                let source = report::source(before);
                self.tell(&artifact, true, &source, before.observed_generation)
                    .await;
                None
            }
            Err(failure) => {
                tracing::warn!(%place, error = failure.message(), "cannot repair an Artifact");
                (failure.fate() == Fate::Retry).then_some(Requeue::Backoff)
            }
        }
    }

    /// Keeps what a suspended source offers.
    async fn rest(
        &self,
        key: &ObjectKey,
        source: &P::Source,
        owner: &Owner,
        place: &Place,
        before: &SourceStatus,
        inventory: &Inventory,
    ) -> Requeue {
        self.pace.rest(key);
        match inventory {
            Inventory::Lost(artifact) => {
                let failure = Failure::later(
                    artifact_crd::reason::REBUILDING,
                    "the stored artifact is gone, and the source is suspended: resume it to have it made anew; a persistent volume keeps it",
                );
                let said = Said::new(false, failure.reason(), failure.message());
                self.tell(artifact, false, &said, source.meta().generation).await;
                if !self.write(source, before, None, false, &Err(failure), &[]).await {
                    return Requeue::Backoff;
                }
            }
            Inventory::Stored(..) | Inventory::Nothing => {
                let repaired = self.repair(owner, place, before, inventory).await;
                return repaired.unwrap_or(Requeue::Never);
            }
        }
        Requeue::Never
    }

    async fn produce(
        &self,
        source: &P::Source,
        owner: &Owner,
        place: &Place,
        inventory: &Inventory,
        run: &mut Run,
    ) -> Result<Done, Failure> {
        if let Some(problem) = source.schedule().problem() {
            return Err(Failure::edit("ValidationFailed", problem));
        }
        let (key, deadline) = (ObjectKey::of(source), source.schedule().deadline());
        let producing = guarded("producer", &key, deadline, self.produce.produce(source, run)).await;
        let produced =
            producing.unwrap_or_else(|| Err(timed_out(deadline, run.step).as_condition("FetchFailed")))?;
        let content = match produced {
            Produced::Content(content) => content,
            Produced::Unchanged => {
                let Some(stored) = inventory.stored() else {
                    let message = "the producer says that nothing has changed, but nothing is stored";
                    return Err(Failure::new(Fate::Bug, "InternalError", message));
                };
                let artifact = self
                    .publish(owner, place, stored, word(&run.status), &BTreeMap::new())
                    .await?;
                return Ok(Done {
                    artifact: artifact.name_any(),
                    revision: artifact.spec.revision,
                    content: None,
                    is_new: false,
                });
            }
        };
        run.step("storing");
        let (content, stored) = self.put(place, content).await?;
        let artifact = self
            .publish(owner, place, &stored, Some(&content.word), &content.metadata)
            .await?;
        let before = inventory.artifact().map(|artifact| &artifact.spec.revision);
        let is_new = before != Some(&artifact.spec.revision);
        // Validators that move with each look are no reason to write: what is kept, is kept with a content.
        let is_edited = run.status.observed_generation != source.meta().generation;
        let is_kept = is_new || is_edited || !report::is_ready(&run.status);
        Ok(Done {
            artifact: artifact.name_any(),
            revision: artifact.spec.revision,
            content: is_kept.then_some(Kept {
                token: content.token,
                more: content.more,
                verified: content.verified,
            }),
            is_new,
        })
    }

    /// Says when the source is looked at next.
    fn next(
        &self,
        key: &ObjectKey,
        source: &P::Source,
        place: &Place,
        result: &Result<Done, Failure>,
        is_told: bool,
    ) -> Requeue {
        let mut pause = source.schedule().pause();
        if result.is_ok() && self.store.is_crowded(place) {
            pause = pause.max(CROWDED);
        }
        let result = result.as_ref().map(|_| ()).map_err(Failure::fate);
        self.pace.next(key, pause, author::once_told(result, is_told))
    }
}

/// What the revision begins with that was published last; the Artifact may say what somebody else wrote.
fn word(status: &SourceStatus) -> Option<&str> {
    status.revision.as_ref()?.split('@').next()
}
