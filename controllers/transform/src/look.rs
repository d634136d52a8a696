//! One look at one transformation, from why it is looked at to when it is again.

use std::time::Duration;

use artifact_crd::TRANSFORMATION_KIND;
use artifact_producer::Owner;
use controller_kit::author;
use controller_kit::{ObjectKey, Requeue, Run, Slot, Triggers, WatchState, spread};
use flux_api::REQUESTED_AT;
use kube::{Api, ResourceExt};
use tokio::time::Instant;

use crate::controller::Controller;
use crate::failure::{Failure, Fate};
use crate::kind::{Transformation, api_version, duration};
use crate::references::owner_of;

/// Pause before a transformation is looked at whose kind cannot be watched.
const UNAVAILABLE: Duration = Duration::from_secs(15);
/// The pause between two checks that nothing was missed, where nobody says another.
const INTERVAL: Duration = Duration::from_hours(1);
/// The shortest pause.
const SHORTEST: Duration = Duration::from_secs(10);

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
        self.lost
            .lock()
            .retain(|_, artifact| owner_of(artifact).as_ref() != Some(key));
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
        let owner = Owner::of(found);
        if found.spec.suspend {
            return if self.rest(&owner, found, &before).await {
                Requeue::Never
            } else {
                Requeue::Backoff
            };
        }
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
        author::count(
            &self.metrics,
            TRANSFORMATION_KIND,
            key,
            failure.is_none(),
            started.elapsed(),
        );
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
    pub(crate) fn forget_failure(&self, key: &ObjectKey) {
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
}

fn pause(found: &Transformation) -> Duration {
    duration(found.spec.interval.as_ref())
        .unwrap_or(INTERVAL)
        .max(SHORTEST)
}
