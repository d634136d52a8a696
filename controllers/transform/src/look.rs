//! One run of one transformation.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use artifact_crd::{GROUP, TRANSFORMATION_KIND};
use artifact_producer::Owner;
use artifact_producer::publish::names;
use controller_kit::events::Severity;
use controller_kit::{ObjectKey, Requeue, Run, Slot, Triggers, WatchState, spread};
use flux_api::{ConditionsExt, GoDuration, READY, REQUESTED_AT};
use flux_transform::spec::OnNone;
use flux_transform::{Inputs, Wanted, build, check, outputs};
use kube::{Api, ResourceExt};
use tokio::time::Instant;

use crate::controller::Controller;
use crate::failure::{Failure, Fate};
use crate::heavy::{Waits, aside};
use crate::inputs::Snapshot;
use crate::kind::{OutputStatus, Status, Transformation, api_version};
use crate::references::graph;
use crate::report::{Outcome, brief, with_rest};
use crate::said::{Common, key};

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
        let is_told = self.tell(found, &owner, &before, handled, &outcome).await;
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
        let next = self.next(key, found, failure.as_ref());
        if is_told {
            return next;
        }
        // Nobody knows what became of it, so that it is not over.
        self.forget_failure(key);
        Requeue::Backoff
    }

    /// What failed last is over, or not what fails now.
    fn forget_failure(&self, key: &ObjectKey) {
        if let Some(memory) = self.memory.lock().get_mut(key) {
            memory.failed = None;
        }
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
        let snapshot = match self.begin(key, found, slot).await {
            Ok(snapshot) => snapshot,
            Err(failure) => {
                // Once this is over, what failed before it has to be told again.
                self.forget_failure(key);
                return Some(Outcome::failed(failure));
            }
        };
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
        let mut outcome = Outcome::default();
        let waits = Waits::default();
        let making = self.make(
            found,
            owner,
            before,
            &snapshot,
            is_requested,
            &waits,
            &mut outcome,
        );
        let made = slot
            .on("what is made")
            .park(waits.timeout(deadline, Box::pin(making)))
            .await;
        match made {
            Some(Ok(())) => outcome.inputs = Some(snapshot.status.clone()),
            Some(Err(failure)) => outcome.failure = Some(failure),
            None => {
                // What was made so far stays, so that the next run goes on from there.
                let message = format!("not done within {deadline:?} (spec.timeout)");
                outcome.failure = Some(Failure::new(Fate::Retry, "Timeout", message));
                outcome.outputs = outcome.outputs.map(|made| with_rest(made, &before.outputs));
            }
        }
        let is_certain = |failure: &Failure| failure.fate == Fate::Edit;
        let failures: Vec<_> = outcome.failure.iter().chain(&outcome.failures).collect();
        let certain = !failures.is_empty() && failures.into_iter().all(is_certain);
        self.memory.lock().entry(key.clone()).or_default().failed = certain.then_some(run_key);
        Some(outcome)
    }

    /// Checks what is wanted, waits for its turn, and looks at the inputs.
    async fn begin(
        &self,
        key: &ObjectKey,
        found: &Transformation,
        slot: &mut Slot,
    ) -> Result<Snapshot, Failure> {
        let spec = found.spec.clone();
        let checked = aside("the check of the specification", move |_| {
            check(&spec).map_err(|failure| Failure::from(&failure))
        });
        checked.await??;
        self.take_turn(key, slot).await?;
        let snapshot = slot.on("its inputs").park(self.snapshot(found)).await?;
        if snapshot.hops > MOST_HOPS {
            let message = format!(
                "an input was handed on {} times from one transformation to the next; is there a circle through other controllers?",
                snapshot.hops
            );
            return Err(Failure::new(Fate::Edit, "LimitExceeded", message));
        }
        Ok(snapshot)
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

    /// Makes and offers all outputs, and puts into `outcome` what becomes of each as soon as it is known.
    #[expect(clippy::too_many_arguments, reason = "everything that is known about a run")]
    async fn make(
        &self,
        found: &Transformation,
        owner: &Owner,
        before: &Status,
        snapshot: &Snapshot,
        is_requested: bool,
        waits: &Waits,
        outcome: &mut Outcome,
    ) -> Result<(), Failure> {
        let inputs = Arc::new(self.files(snapshot, is_requested).await?);
        let (spec, from) = (found.spec.clone(), Arc::clone(&inputs));
        let listing = self.heavy(waits, "the list of the outputs", move |work| {
            outputs(&spec, &from, work)
        });
        let wanted = listing.await?.0.map_err(|failure| Failure::from(&failure))?;
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
            return Err(Failure::new(Fate::Edit, "NothingMatched", message));
        }
        let common = Common {
            owner,
            metadata: found.spec.common_metadata.as_ref(),
            snapshot,
            waits,
            bare_capture_labels: found
                .spec
                .discover
                .as_ref()
                .is_some_and(|discover| discover.bare_capture_labels),
        };
        outcome.outputs = Some(Vec::new());
        for (at, wanted) in wanted.into_iter().enumerate() {
            let name = wanted.name.clone().unwrap_or_else(|| default_name(owner));
            let is_first = at == 0 && found.spec.discover.is_none();
            let known = before.outputs.iter().find(|output| output.artifact_name == name);
            let one = self.one(found, &common, wanted, &name, is_first, known, &inputs);
            let output = match one.await {
                Ok((output, is_changed)) => {
                    if is_changed {
                        outcome.changed.push(name);
                    }
                    output
                }
                Err(failure) => {
                    // What it offered stays, and the others go on.
                    let mut output = known.cloned().unwrap_or_else(|| OutputStatus {
                        artifact_name: name,
                        ..OutputStatus::default()
                    });
                    output.failure = Some(brief(&failure.message));
                    outcome.failures.push(failure);
                    output
                }
            };
            outcome.outputs.get_or_insert_default().push(output);
        }
        let made = outcome.outputs.iter().flatten();
        let keep: Vec<_> = made.map(|output| output.artifact_name.as_str()).collect();
        match self.withdraw(owner, &keep).await {
            Ok(gone) => {
                for name in gone {
                    let message = format!("artifact {name} is not wanted any more, and was removed");
                    self.record(found, Severity::Info, "OutputRemoved", &message, &[]);
                }
            }
            Err(failure) => outcome.failures.push(failure),
        }
        Ok(())
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
    ) -> Result<(OutputStatus, bool), Failure> {
        let wanted = Arc::new(wanted);
        let of = wanted.inputs();
        let digests: BTreeMap<_, _> = of
            .into_iter()
            .map(|name| (name.clone(), common.snapshot.digest(&name)))
            .collect();
        let (what, from) = (Arc::clone(&wanted), Arc::clone(inputs));
        let keyed = aside("the key of an output", move |_| {
            what.key(&from, |name| digests.get(name).cloned().flatten())
        });
        let key = key(&keyed.await?, common, &wanted, is_first);
        if let Some(known) = known.filter(|known| known.build_key == key)
            && self.is_intact(common.owner, known).await
        {
            return Ok((known.clone(), false));
        }
        let (what, from) = (Arc::clone(&wanted), Arc::clone(inputs));
        let said = format!("the build of output {name}");
        let building = self.heavy(common.waits, &said, move |work| build(&what, &from, work));
        let (built, permit) = building.await?;
        let built = built.map_err(|failure| Failure::from(&failure))?;
        let warnings = built.warnings.clone();
        let (output, is_changed) = self
            .offer(common, &wanted, name, is_first, (built, permit), key, known)
            .await?;
        if is_changed {
            for warning in warnings {
                let message = format!("output {name}: {warning}");
                self.record(found, Severity::Info, "BuildWarning", &message, &[]);
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
