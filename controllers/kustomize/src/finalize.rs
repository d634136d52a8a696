//! The end of a Kustomization: deletes what it applied, as its deletion policy says, and lets it go.

use std::time::Duration;

use controller_kit::events::Severity;
use controller_kit::object::{ObjectId, Subject};
use controller_kit::{MapError, Mapping, Rest};
use flux_api::{ConditionsExt, DeletionPolicy, InventoryEntry, READY, reason};
use tokio::time::Instant;

use crate::context::Context;
use crate::decide::deletes;
use crate::deploy::identity;
use crate::prune::delete;
use crate::reconcile::Reconciliation;
use crate::report::{Failure, Outcome};
use crate::status;
use crate::takeover::await_takeover;

/// Deletes the inventory unless the policy keeps it, and removes the finalizer.
pub(crate) async fn finalize(run: &mut Reconciliation<'_>) -> Outcome {
    let status = &run.status;
    run.revision = Some((
        status.last_applied_revision.clone(),
        status.last_applied_origin_revision.clone(),
    ));
    if let Err(outcome) = clean_up(run).await {
        return outcome;
    }
    if run.context.vanished.is(&run.key, &run.object) {
        return Outcome::Gone;
    }
    match status::remove_finalizer(&run.context.rest, &run.object).await {
        Ok(()) => {
            run.context.forget(&run.key);
            Outcome::Gone
        }
        Err(error) => Outcome::Aborted(format!("cannot remove the finalizer: {error}")),
    }
}

async fn clean_up(run: &mut Reconciliation<'_>) -> Result<(), Outcome> {
    let inventory = run.status.inventory.clone().unwrap_or_default();
    if !deletes(&run.object) || inventory.entries.is_empty() {
        return Ok(());
    }
    // A namespace, a parent and whoever deletes the object wait for its end: it is tried again soon.
    let failed =
        |error: &dyn std::fmt::Display| Outcome::Failed(Failure::new(reason::PRUNE_FAILED, error).soon());
    let objects: Result<Vec<_>, _> = inventory
        .entries
        .iter()
        .map(|entry: &InventoryEntry| Ok((entry.object_id()?, entry.version.clone())))
        .collect();
    let objects = objects.map_err(|error: flux_api::ObjectIdError| {
        failed(&format!("status.inventory cannot be read, nothing was deleted: {error}; set spec.deletionPolicy: Orphan to let the object go"))
    })?;
    if !may_impersonate(run).await.map_err(|error| failed(&error))? {
        let list: Vec<_> = objects.iter().map(|(id, _)| Subject(id).to_string()).collect();
        run.record(
            Severity::Error,
            reason::RECONCILIATION_FAILED,
            format!("unable to prune objects: \n{}", list.join("\n")),
        );
        return Ok(());
    }
    let rest = identity(run).map_err(|failure| Outcome::Failed(failure.soon()))?;
    await_takeover(run, objects.iter().map(|(id, _)| id)).await?;
    let (lines, failures) = delete(run, &rest, objects).await;
    if !failures.message.is_empty() {
        return Err(failed(&format!(
            "pruning for deleted resource failed: {}",
            failures.message
        )));
    }
    if !lines.is_empty() {
        // Upstream tells it with whatever reason the object was ready, or not, when it was deleted.
        let ready = run.status.conditions.get_condition(READY);
        let reason = ready.map_or(reason::RECONCILIATION_SUCCEEDED, |ready| ready.reason.as_str());
        run.record(Severity::Info, reason, lines);
    }
    if run.object.deletion_policy() == DeletionPolicy::WaitForTermination {
        let timeout = run.timeout();
        let context = run.context;
        let superseded = run.superseded.clone();
        let waiting = async {
            tokio::select! {
                gone = await_termination(context, &rest, &failures.deleted, timeout) => Some(gone),
                // The next run goes on from here.
                () = superseded.wait() => None,
            }
        };
        let gone = run.slot.park(waiting).await.ok_or(Outcome::Superseded)?;
        if !gone {
            run.record(
                Severity::Error,
                reason::PRUNE_FAILED,
                "failed to wait for resources termination".to_owned(),
            );
        }
    }
    Ok(())
}

/// Without its service account nothing can be deleted; stock then lets the object go and says so.
async fn may_impersonate(run: &Reconciliation<'_>) -> Result<bool, controller_kit::RestError> {
    let named = &run.object.spec.service_account_name;
    let account = if named.is_empty() {
        &run.context.settings.default_service_account
    } else {
        named
    };
    if account.is_empty() {
        return Ok(true);
    }
    let mapping = Mapping {
        group: String::new(),
        version: "v1".to_owned(),
        kind: "ServiceAccount".to_owned(),
        plural: "serviceaccounts".to_owned(),
        namespaced: true,
    };
    Ok(run
        .context
        .rest
        .get(&mapping, &run.key.namespace, account)
        .await?
        .is_some())
}

async fn await_termination(
    context: &Context,
    rest: &Rest,
    objects: &[(ObjectId, String)],
    timeout: Duration,
) -> bool {
    let deadline = Instant::now() + timeout;
    for (id, version) in objects {
        while !is_terminated(context, rest, id, version).await {
            if Instant::now() >= deadline {
                return false;
            }
            tokio::time::sleep(Duration::from_secs(2)).await;
        }
    }
    true
}

/// Tells whether an object does not exist, or its kind is not served any more; what cannot be asked may exist.
async fn is_terminated(context: &Context, rest: &Rest, id: &ObjectId, version: &str) -> bool {
    let mapping = match context.mapper.mapping(&id.group, version, &id.kind).await {
        Ok(mapping) => mapping,
        Err(error) => return matches!(error, MapError::NoMatch { .. }),
    };
    match rest.get(&mapping, &id.namespace, &id.name).await {
        Ok(live) => live.is_none(),
        Err(error) => {
            if error.is_not_served() {
                context.mapper.invalidate().await;
            }
            false
        }
    }
}
