//! Waits until what was applied is ready.

use std::time::Duration;

use controller_kit::apply::{Action, Entry};
use controller_kit::events::Severity;
use controller_kit::live::{Target, WaitEnd, WaitOptions};
use controller_kit::object::{ObjectId, Subject};
use controller_kit::{MapError, Rest, Triggers};
use flux_api::{ConditionStatus, ConditionsExt, GoDuration, HEALTHY, READY, reason};
use jiff::Timestamp;

use crate::apply::Applied;
use crate::deploy::remember;
use crate::reconcile::Reconciliation;
use crate::report::{Failure, Outcome};

/// Gives the objects whose readiness this object waits for.
pub(crate) async fn targets(
    run: &Reconciliation<'_>,
    entries: &[Entry],
    vanishing: &[ObjectId],
) -> Result<Vec<Target>, Outcome> {
    let spec = &run.object.spec;
    let mapper = &run.context.mapper;
    let failed = |id: &ObjectId, error: &MapError| {
        let message = format!("can't determine status for {}: {error}", Subject(id));
        Outcome::Failed(Failure::new(reason::HEALTH_CHECK_FAILED, message))
    };
    let is_itself = |id: &ObjectId| {
        id.kind == "Kustomization" && id.name == run.key.name && id.namespace == run.key.namespace
    };
    let mut targets = Vec::new();
    if spec.wait {
        for entry in entries
            .iter()
            .filter(|entry| entry.action != Action::Skipped && !is_itself(&entry.id))
        {
            let id = entry.id.clone();
            let mapping = mapper
                .mapping(&id.group, &entry.version, &id.kind)
                .await
                .map_err(|error| failed(&id, &error))?;
            let may_vanish = vanishing.contains(&id);
            targets.push(Target {
                mapping,
                id,
                owned: true,
                may_vanish,
            });
        }
        return Ok(targets);
    }
    for check in &spec.health_checks {
        let api_version = if check.api_version.is_empty() {
            "apps/v1"
        } else {
            &check.api_version
        };
        let (group, _) = controller_kit::object::split_api_version(api_version);
        let id = ObjectId {
            namespace: check.namespace.clone(),
            name: check.name.clone(),
            group: group.to_owned(),
            kind: check.kind.clone(),
        };
        if is_itself(&id) {
            continue;
        }
        let mapping = mapper
            .preferred(group, &check.kind)
            .await
            .map_err(|error| failed(&id, &error))?;
        let may_vanish = vanishing.contains(&id);
        targets.push(Target {
            mapping,
            id,
            owned: false,
            may_vanish,
        });
    }
    Ok(targets)
}

/// Waits outside the worker slot until everything is ready; a newer event ends the wait.
pub(crate) async fn await_health(
    run: &mut Reconciliation<'_>,
    rest: &Rest,
    applied: &Applied,
) -> Result<(), Outcome> {
    let generation = run.object.metadata.generation;
    if applied.targets.is_empty() {
        run.status.conditions.remove_condition(HEALTHY);
        return Ok(());
    }
    run.enter("Running health checks");
    let was_healthy = run.status.conditions.has_status(HEALTHY, ConditionStatus::True);
    let started = tokio::time::Instant::now();
    let timeout = run.timeout();
    let context = run.context;
    let options = WaitOptions {
        timeout,
        fail_fast: context.settings.fail_fast,
    };
    let superseded = run.superseded.clone();
    let mut waiting = Box::pin(context.live.wait(applied.targets.clone(), options, rest));
    // What is ready at once needs no word about waiting; a moment covers objects whose watch has just been opened.
    let quick = run.slot.park(tokio::time::timeout(QUICK, &mut waiting)).await;
    let end = if let Ok(end) = quick {
        end
    } else {
        if !is_announced(run) {
            announce_wait(run).await?;
        }
        let interruptible = async {
            tokio::select! {
                end = &mut waiting => Some(end),
                () = superseded.wait() => None,
            }
        };
        run.slot.park(interruptible).await.ok_or(Outcome::Superseded)?
    };
    let took = GoDuration::from(started.elapsed());
    match end {
        WaitEnd::Ready => {
            let message = format!("Health check passed in {took}");
            let (value, text) = (ConditionStatus::True, message.as_str());
            run.status.conditions.set_condition(
                HEALTHY,
                value,
                reason::SUCCEEDED,
                text,
                generation,
                Timestamp::now(),
            );
            if !was_healthy || (applied.new_revision && applied.changed) {
                run.record(Severity::Info, reason::PROGRESSING, message);
            }
            Ok(())
        }
        end @ WaitEnd::NotReady { .. } => {
            remember(run, &applied.checksum, reason::HEALTH_CHECK_FAILED);
            let detail = end.message().unwrap_or_default();
            Err(Outcome::Failed(Failure::unhealthy(took, detail)))
        }
    }
}

/// Tells whether the object says already that it is not ready, and the run is a retry that has nothing to add.
///
/// It goes on saying so then: a condition that changes twice with every retry would tell nothing, and wake everybody.
fn is_announced(run: &Reconciliation<'_>) -> bool {
    let ready = run.status.conditions.get_condition(READY);
    let said = ready.is_some_and(|ready| {
        ready.reason == reason::HEALTH_CHECK_FAILED
            && ready.observed_generation == run.object.metadata.generation
    });
    said && run.status == run.written && !run.triggers.intersects(Triggers::REQUESTED)
}

/// Writes that the run waits, with what it has applied so far, so that a restart loses nothing.
async fn announce_wait(run: &mut Reconciliation<'_>) -> Result<(), Outcome> {
    let message = run.stage.clone();
    let (value, text) = (ConditionStatus::Unknown, message.as_str());
    let generation = run.object.metadata.generation;
    run.status.conditions.set_condition(
        HEALTHY,
        value,
        reason::PROGRESSING,
        text,
        generation,
        Timestamp::now(),
    );
    let written = run.write_progress(&message).await;
    written.map_err(|error| Outcome::Aborted(format!("cannot write the status: {error}")))
}

/// Objects that become ready within this time need no word about waiting.
const QUICK: Duration = Duration::from_millis(1500);

/// A Job that removes itself when it is done is not missing when it is gone.
pub(crate) fn may_vanish(object: &serde_json::Value) -> bool {
    object.get("kind").and_then(serde_json::Value::as_str) == Some("Job")
        && object
            .pointer("/spec/ttlSecondsAfterFinished")
            .is_some_and(serde_json::Value::is_number)
}
