//! One run of one transformation.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use artifact_crd::{GROUP, TRANSFORMATION_KIND};
use artifact_producer::Owner;
use artifact_producer::publish::names;
use controller_kit::events::Severity;
use controller_kit::{ObjectKey, Requeue, Run, Slot, Triggers, WatchState, spread};
use flux_api::{ConditionsExt, GoDuration, READY, REQUESTED_AT};
use flux_transform::spec::OnNone;
use flux_transform::{Inputs, Limits, Wanted, Work, build, check, outputs};
use kube::{Api, ResourceExt};
use tokio::task::spawn_blocking;
use tokio::time::Instant;

use crate::controller::Controller;
use crate::failure::{Failure, Fate};
use crate::inputs::Snapshot;
use crate::kind::{OutputStatus, Status, Transformation, api_version};
use crate::offer::Common;
use crate::references::graph;
use crate::report::Outcome;

/// Pause before a transformation is looked at whose kind cannot be watched.
const UNAVAILABLE: Duration = Duration::from_secs(15);
/// The pause between two checks that nothing was missed, where nobody says another.
const INTERVAL: Duration = Duration::from_hours(1);
/// The shortest pause.
const SHORTEST: Duration = Duration::from_secs(10);
/// How long a run may take where nobody says otherwise.
const TIMEOUT: Duration = Duration::from_mins(5);
/// How long those are waited for that a transformation is made of.
const PATIENCE: Duration = Duration::from_secs(30);
/// How often it is looked whether they are done.
const GLANCE: Duration = Duration::from_millis(50);
/// After how long a circle is looked at again.
const CIRCLE: Duration = Duration::from_mins(1);
/// How often an artifact may be handed on from one transformation to the next.
const MOST_HOPS: u32 = 16;

impl Controller {
    pub(crate) async fn handle(&self, run: Run<ObjectKey>) -> Requeue {
        let Run {
            key,
            triggers,
            mut slot,
            ..
        } = run;
        match self.transformations.get(&key) {
            Some(found) if found.metadata.deletion_timestamp.is_some() => Requeue::Never,
            Some(found) => self.look(&key, &found, triggers, &mut slot).await,
            None if self.transformations.is_undecodable(&key) => Requeue::Never,
            None => match self.transformations.state() {
                WatchState::Synced => self.gone(&key).await,
                WatchState::Starting => Requeue::After(Duration::from_millis(100)),
                WatchState::Unavailable(_) => Requeue::After(UNAVAILABLE),
            },
        }
    }

    /// A transformation is gone: so are its Artifacts and, a little later, their files.
    async fn gone(&self, key: &ObjectKey) -> Requeue {
        self.memory.lock().remove(key);
        self.statuses.forget(key);
        // One that left the selector is gone only for this process; what cannot be asked is not deleted.
        let api: Api<Transformation> = Api::namespaced(self.client.clone(), &key.namespace);
        match api.get_metadata_opt(&key.name).await {
            Ok(None) => {}
            Ok(Some(_)) => return Requeue::Never,
            Err(error) => {
                tracing::warn!(transformation = %key, %error, "cannot ask whether it is gone, retrying");
                return Requeue::Backoff;
            }
        }
        self.metrics
            .object_deleted(TRANSFORMATION_KIND, &key.namespace, &key.name);
        let owner = Owner {
            api_version: api_version(),
            kind: TRANSFORMATION_KIND.to_owned(),
            namespace: key.namespace.clone(),
            name: key.name.clone(),
            uid: String::new(),
        };
        match self.withdraw(&owner, &[]).await {
            Ok(_) => Requeue::Never,
            Err(failure) => {
                tracing::warn!(transformation = %key, error = failure.message, "cannot delete Artifacts, retrying");
                Requeue::Backoff
            }
        }
    }

    async fn look(
        &self,
        key: &ObjectKey,
        found: &Transformation,
        triggers: Triggers,
        slot: &mut Slot,
    ) -> Requeue {
        let started = Instant::now();
        let before = self.status_of(found);
        let requested = found.annotations().get(REQUESTED_AT);
        let is_requested = requested.is_some() && requested != before.last_handled_reconcile_at.as_ref();
        if found.spec.suspend {
            return Requeue::Never;
        }
        let owner = Owner::of(found);
        let outcome = self
            .run_once(key, found, &owner, &before, is_requested, triggers, slot)
            .await;
        let Some(outcome) = outcome else {
            // Everything is as it was left.
            return Requeue::After(spread(pause(found)));
        };
        let handled = requested.filter(|_| is_requested).cloned();
        self.tell(found, &owner, &before, handled, &outcome).await;
        let failure = outcome.told();
        let (label, result) = (
            TRANSFORMATION_KIND.to_lowercase(),
            if failure.is_none() { "success" } else { "error" },
        );
        self.metrics.reconciled(&label, result, started.elapsed());
        self.metrics
            .object_reconciled(TRANSFORMATION_KIND, &key.namespace, &key.name, started.elapsed());
        let counted = match (&failure, outcome.changed.is_empty()) {
            (Some(_), _) => "error",
            (None, true) => "unchanged",
            (None, false) => "new",
        };
        self.counts.wrote(TRANSFORMATION_KIND, counted);
        self.next(key, found, failure.as_ref())
    }

    fn next(&self, key: &ObjectKey, found: &Transformation, failure: Option<&Failure>) -> Requeue {
        let failures = {
            let mut memory = self.memory.lock();
            let memory = memory.entry(key.clone()).or_default();
            memory.failures = if failure.is_none() {
                0
            } else {
                memory.failures.saturating_add(1)
            };
            memory.failures
        };
        let later = spread(pause(found));
        Requeue::After(match failure.map(|failure| failure.fate) {
            None | Some(Fate::Wait | Fate::Edit) => later,
            Some(Fate::Retry) => spread(self.settings.backoff.delay(failures)).min(later),
            Some(Fate::After(pause)) => pause,
        })
    }

    /// Makes what is wanted; nothing if all is as it was left.
    #[expect(clippy::too_many_arguments, reason = "everything that is known about a run")]
    async fn run_once(
        &self,
        key: &ObjectKey,
        found: &Transformation,
        owner: &Owner,
        before: &Status,
        is_requested: bool,
        triggers: Triggers,
        slot: &mut Slot,
    ) -> Option<Outcome> {
        if let Err(failure) = check(&found.spec) {
            return Some(Outcome::failed((&failure).into()));
        }
        if let Err(failure) = self.take_turn(key, slot).await {
            return Some(Outcome::failed(failure));
        }
        let snapshot = match slot.on("its inputs").park(self.snapshot(found)).await {
            Ok(snapshot) => snapshot,
            Err(failure) => return Some(Outcome::failed(failure)),
        };
        if snapshot.hops > MOST_HOPS {
            let message = format!(
                "an input was handed on {} times from one transformation to the next; is there a circle through other controllers?",
                snapshot.hops
            );
            return Some(Outcome::failed(Failure::new(
                Fate::Edit,
                "LimitExceeded",
                message,
            )));
        }
        let is_asked = is_requested || before.observed_generation != found.metadata.generation;
        let run_key = run_key(found, &snapshot);
        if !is_asked {
            let is_known = before.inputs == snapshot.status;
            let is_ready = before
                .conditions
                .get_condition(READY)
                .is_some_and(|ready| ready.status == "True");
            if is_known && is_ready && self.all_intact(owner, before).await {
                return None;
            }
            let failed = self
                .memory
                .lock()
                .get(key)
                .and_then(|memory| memory.failed.clone());
            // What failed would fail again in the same way; what is offered is put right all the same.
            if failed.as_ref() == Some(&run_key) && !triggers.intersects(Triggers::ARTIFACT) {
                return None;
            }
        }
        let deadline = read(found.spec.timeout.as_ref()).unwrap_or(TIMEOUT);
        let cancelled = Arc::new(AtomicBool::new(false));
        let making = self.make(found, owner, before, &snapshot, is_requested, &cancelled);
        let made = slot
            .on("what is made")
            .park(tokio::time::timeout(deadline, making))
            .await;
        let outcome = made.unwrap_or_else(|_| {
            cancelled.store(true, Ordering::Relaxed);
            let message = format!("not done within {deadline:?} (spec.timeout)");
            Outcome::failed(Failure::new(Fate::Retry, "Timeout", message))
        });
        let is_certain = |failure: &Failure| failure.fate == Fate::Edit;
        let failures: Vec<_> = outcome.failure.iter().chain(&outcome.failures).collect();
        let certain = !failures.is_empty() && failures.into_iter().all(is_certain);
        self.memory.lock().entry(key.clone()).or_default().failed = certain.then_some(run_key);
        Some(outcome)
    }

    /// Refuses circles, and waits for those that a transformation is made of.
    async fn take_turn(&self, key: &ObjectKey, slot: &mut Slot) -> Result<(), Failure> {
        let graph = {
            let all = self.transformations.all();
            graph(&all, &self.index.lock(), &self.settings.access)
        };
        if let Some(circle) = graph.circle(key) {
            let newest = self.newest(&circle);
            if newest.as_ref().is_none_or(|newest| newest == key) {
                let way: Vec<_> = circle.iter().map(|key| key.name.as_str()).collect();
                let message = format!(
                    "it is made of what is made of it: {}; take one of these inputs out",
                    way.join(" -> ")
                );
                return Err(Failure::new(Fate::After(CIRCLE), "CycleDetected", message));
            }
            // The newest gives way, and may not know of the circle yet.
            if let Some(newest) = newest.filter(|newest| !self.queue.is_active(newest)) {
                self.queue.add_after(newest, GLANCE);
            }
            return Ok(());
        }
        let before = graph.before(key);
        let is_busy = || {
            before
                .iter()
                .any(|before| before != key && self.queue.is_active(before))
        };
        if is_busy() {
            let waiting = async {
                let until = Instant::now() + PATIENCE;
                while is_busy() && Instant::now() < until {
                    tokio::time::sleep(GLANCE).await;
                }
            };
            slot.on("those that it is made of").park(waiting).await;
        }
        Ok(())
    }

    /// The newest of a circle, which is the one that gives way.
    fn newest(&self, circle: &[ObjectKey]) -> Option<ObjectKey> {
        let all = circle.iter().filter_map(|key| self.transformations.get(key));
        let newest = all.max_by_key(|object| {
            let created = object.metadata.creation_timestamp.as_ref().map(|time| time.0);
            (created, object.metadata.uid.clone())
        });
        newest.map(|newest| ObjectKey::of(newest.as_ref()))
    }

    async fn all_intact(&self, owner: &Owner, status: &Status) -> bool {
        for output in &status.outputs {
            if !self.is_intact(owner, output).await {
                return false;
            }
        }
        true
    }

    async fn make(
        &self,
        found: &Transformation,
        owner: &Owner,
        before: &Status,
        snapshot: &Snapshot,
        is_requested: bool,
        cancelled: &Arc<AtomicBool>,
    ) -> Outcome {
        let inputs = match self.files(snapshot, is_requested).await {
            Ok(inputs) => Arc::new(inputs),
            Err(failure) => return Outcome::failed(failure),
        };
        let work = Work::within(Limits::default()).until(Arc::clone(cancelled));
        let wanted = match outputs(&found.spec, &inputs, &work) {
            Ok(wanted) => wanted,
            Err(failure) => return Outcome::failed((&failure).into()),
        };
        let is_empty_by_choice = found
            .spec
            .discover
            .as_ref()
            .is_some_and(|discover| discover.on_none == OnNone::Empty);
        if wanted.is_empty() && is_empty_by_choice && !before.outputs.is_empty() && !is_requested {
            let message = format!(
                "discover.pattern matches nothing any more; {} artifacts stay until somebody asks with the annotation {REQUESTED_AT}",
                before.outputs.len()
            );
            return Outcome::failed(Failure::new(Fate::Edit, "NothingMatched", message));
        }
        let common = Common {
            owner,
            metadata: found.spec.common_metadata.as_ref(),
            snapshot,
            bare_capture_labels: found
                .spec
                .discover
                .as_ref()
                .is_some_and(|discover| discover.bare_capture_labels),
        };
        let mut outcome = Outcome {
            inputs: Some(snapshot.status.clone()),
            ..Outcome::default()
        };
        let mut made = Vec::new();
        for (at, wanted) in wanted.into_iter().enumerate() {
            let name = wanted.name.clone().unwrap_or_else(|| default_name(owner));
            let is_first = at == 0 && found.spec.discover.is_none();
            let known = before.outputs.iter().find(|output| output.artifact_name == name);
            match self
                .one(found, &common, wanted, &name, is_first, known, &inputs, cancelled)
                .await
            {
                Ok((output, is_changed)) => {
                    if is_changed {
                        outcome.changed.push(name);
                    }
                    made.push(output);
                }
                Err(failure) => {
                    // What it offered stays, and the others go on.
                    let mut output = known.cloned().unwrap_or_else(|| OutputStatus {
                        artifact_name: name,
                        ..OutputStatus::default()
                    });
                    output.failure = Some(failure.message.clone());
                    outcome.failures.push(failure);
                    made.push(output);
                }
            }
        }
        let keep: Vec<_> = made.iter().map(|output| output.artifact_name.as_str()).collect();
        match self.withdraw(owner, &keep).await {
            Ok(gone) => {
                for name in gone {
                    let message = format!("artifact {name} is not wanted any more, and was removed");
                    self.record(found, Severity::Info, "OutputRemoved", &message, &[]);
                }
            }
            Err(failure) => outcome.failures.push(failure),
        }
        outcome.outputs = Some(made);
        outcome
    }

    /// Makes and offers one output, unless it is offered already.
    #[expect(
        clippy::too_many_arguments,
        reason = "everything that is known about an output"
    )]
    async fn one(
        &self,
        found: &Transformation,
        common: &Common<'_>,
        wanted: Wanted,
        name: &str,
        is_first: bool,
        known: Option<&OutputStatus>,
        inputs: &Arc<Inputs>,
        cancelled: &Arc<AtomicBool>,
    ) -> Result<(OutputStatus, bool), Failure> {
        let key = wanted.key(inputs, |name| common.snapshot.digest(name));
        if let Some(known) = known.filter(|known| known.build_key == key)
            && self.is_intact(common.owner, known).await
        {
            return Ok((known.clone(), false));
        }
        let (inputs, cancelled) = (Arc::clone(inputs), Arc::clone(cancelled));
        let building = spawn_blocking(move || {
            let work = Work::within(Limits::default()).until(cancelled);
            let built = build(&wanted, &inputs, &work).map_err(|failure| Failure::from(&failure));
            (wanted, built)
        });
        let (wanted, built) = building.await.map_err(|error| {
            tracing::error!(output = name, %error, "the build panicked; this is a bug, please report it");
            Failure::new(
                Fate::Retry,
                "InternalError",
                format!("output {name}: the build panicked"),
            )
        })?;
        let built = built?;
        let warnings = built.warnings.clone();
        let (output, is_changed) = self
            .offer(common, &wanted, name, is_first, built, key, known)
            .await?;
        if is_changed {
            for warning in warnings {
                self.record(
                    found,
                    Severity::Info,
                    "BuildWarning",
                    &format!("output {name}: {warning}"),
                    &[],
                );
            }
        }
        Ok((output, is_changed))
    }
}

/// What decides whether a run would come out as the last one did.
fn run_key(found: &Transformation, snapshot: &Snapshot) -> String {
    let inputs: BTreeSet<_> = snapshot
        .status
        .iter()
        .map(|input| format!("{}={}@{}", input.name, input.digest, input.revision))
        .collect();
    format!(
        "{:?} {:?} {inputs:?}",
        found.metadata.uid, found.metadata.generation
    )
}

/// The name of the Artifact of an output that has none.
fn default_name(owner: &Owner) -> String {
    let [name, _] = names(GROUP, TRANSFORMATION_KIND, &owner.namespace, &owner.name);
    name
}

fn pause(found: &Transformation) -> Duration {
    read(found.spec.interval.as_ref())
        .unwrap_or(INTERVAL)
        .max(SHORTEST)
}

fn read(text: Option<&String>) -> Option<Duration> {
    let duration = text?.parse::<GoDuration>().ok()?.to_std();
    (!duration.is_zero()).then_some(duration)
}
