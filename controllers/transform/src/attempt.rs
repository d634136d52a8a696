//! One attempt: is there anything to do, and what comes out if it is done in time.

use std::collections::BTreeSet;
use std::time::Duration;

use artifact_producer::Owner;
use controller_kit::{ObjectKey, Slot, Triggers};
use flux_api::{ConditionsExt, READY};
use flux_transform::check;

use crate::controller::Controller;
use crate::failure::{Failure, Fate};
use crate::heavy::{Waits, aside};
use crate::inputs::Snapshot;
use crate::kind::{Status, Transformation, duration};
use crate::report::{Outcome, with_rest};

/// How long a run may take where nobody says otherwise.
const TIMEOUT: Duration = Duration::from_mins(5);
/// How often an artifact may be handed on from one transformation to the next.
const MOST_HOPS: u32 = 16;

impl Controller {
    /// Makes what is wanted; nothing if all is as it was left.
    #[expect(clippy::too_many_arguments, reason = "everything that is known about a run")]
    pub(crate) async fn run_once(
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
        let deadline = duration(found.spec.timeout.as_ref()).unwrap_or(TIMEOUT);
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

    async fn all_intact(&self, owner: &Owner, status: &Status) -> bool {
        for output in &status.outputs {
            if !self.is_intact(owner, output).await {
                return false;
            }
        }
        true
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
