//! Waits until what was applied is ready.

use std::sync::Arc;
use std::time::Duration;

use controller_kit::apply::{Action, Entry};
use controller_kit::events::Severity;
use controller_kit::live::{Target, WaitEnd, WaitOptions};
use controller_kit::object::{ObjectId, split_api_version};
use controller_kit::{Rest, Triggers};
use flux_api::{
    ConditionStatus, ConditionsExt, GoDuration, HEALTHY, Kustomization, READY, REQUESTED_AT, reason,
};
use jiff::Timestamp;
use kube::ResourceExt;

use crate::apply::Applied;
use crate::context::Ownership;
use crate::deploy::remember;
use crate::reconcile::{Reconciliation, find_artifact};
use crate::report::{Failure, Outcome};

/// Gives the objects whose readiness this object waits for; nothing when it does not ask for that.
pub(crate) fn targets(
    run: &mut Reconciliation<'_>,
    entries: &[Entry],
    vanishing: &[ObjectId],
    checksum: &str,
) -> Result<Option<Vec<Target>>, Outcome> {
    let object = Arc::clone(&run.object);
    let spec = &object.spec;
    let target = |id: ObjectId, version: Option<String>, owned: bool| Target {
        may_vanish: vanishing.contains(&id),
        id,
        version,
        owned,
    };
    let mut targets = Vec::new();
    if spec.wait {
        let applied = entries.iter().filter(|entry| entry.action != Action::Skipped);
        targets.extend(applied.map(|entry| target(entry.id.clone(), Some(entry.version.clone()), true)));
    } else {
        for check in &spec.health_checks {
            let api_version = if check.api_version.is_empty() {
                "apps/v1"
            } else {
                &check.api_version
            };
            if api_version.matches('/').count() > 1 {
                remember(run, checksum, reason::HEALTH_CHECK_FAILED);
                let message = format!("unexpected GroupVersion string: {api_version}");
                return Err(Outcome::Failed(Failure::new(
                    reason::HEALTH_CHECK_FAILED,
                    message,
                )));
            }
            let (group, _) = split_api_version(api_version);
            let id = ObjectId {
                namespace: check.namespace.clone(),
                name: check.name.clone(),
                group: group.to_owned(),
                kind: check.kind.clone(),
            };
            // What has just been applied is followed already.
            let applied = entries
                .iter()
                .find(|entry| entry.id == id && entry.action != Action::Skipped);
            let version = applied.map(|entry| entry.version.clone());
            targets.push(target(id, version, applied.is_some()));
        }
    }
    if targets.is_empty() {
        return Ok(None);
    }
    // Nobody waits for itself.
    targets.retain(|target| {
        let (id, key) = (&target.id, &run.key);
        !(id.kind == "Kustomization" && id.name == key.name && id.namespace == key.namespace)
    });
    Ok(Some(targets))
}

/// Waits outside the worker slot until everything is ready; a newer event ends the wait.
pub(crate) async fn await_health(
    run: &mut Reconciliation<'_>,
    rest: &Rest,
    applied: &Applied,
) -> Result<(), Outcome> {
    let generation = run.object.metadata.generation;
    let Some(targets) = applied.targets.clone() else {
        run.status.conditions.remove_condition(HEALTHY);
        return Ok(());
    };
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
    let mut waiting = Box::pin(context.live.wait(targets, options, rest));
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
        let end = run.slot.park(interruptible).await;
        end.ok_or_else(|| canceled(run))?
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
        end @ (WaitEnd::NotReady { .. } | WaitEnd::NoNamespace(_)) => {
            remember(run, &applied.checksum, reason::HEALTH_CHECK_FAILED);
            let detail = end.message().unwrap_or_default();
            Err(Outcome::Failed(Failure::unhealthy(took, detail)))
        }
    }
}

/// A newer event has ended the wait; tells which, if the object is still ours to say so.
fn canceled(run: &Reconciliation<'_>) -> Outcome {
    let (context, before) = (run.context, &run.object);
    let is_ours = context.ownership(&run.key, before) == Ownership::Ours;
    let Some(now) = context.objects.get(&run.key).filter(|_| is_ours) else {
        return Outcome::Superseded;
    };
    if context.shutdown.is_cancelled() {
        return Outcome::Superseded;
    }
    let has_new_artifact = || match find_artifact(context, before) {
        Ok(artifact) => !run.is_about(&artifact),
        Err(_) => true,
    };
    let itself = ("Kustomization", run.key.namespace.as_str(), run.key.name.as_str());
    let requested = |object: &Kustomization| object.annotations().get(REQUESTED_AT).cloned();
    let source = &before.spec.source_ref;
    let changes =
        now.metadata.generation != before.metadata.generation || requested(&now) != requested(before);
    let (kind, namespace, name) = if changes {
        itself
    } else if has_new_artifact() {
        let namespace = source.namespace.as_str();
        let home = run.key.namespace.as_str();
        (
            source.kind.as_str(),
            if namespace.is_empty() { home } else { namespace },
            source.name.as_str(),
        )
    } else {
        // A ConfigMap or Secret with variables; with several it is not known which.
        let mut variables = before
            .spec
            .post_build
            .iter()
            .flat_map(|post_build| &post_build.substitute_from);
        match (variables.next(), variables.next()) {
            (Some(only), None) => (only.kind.as_str(), run.key.namespace.as_str(), only.name.as_str()),
            _ => itself,
        }
    };
    Outcome::Canceled {
        by: format!("{kind}/{namespace}/{name}"),
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
